// The lab: instruments that answer to a hand. This one file runs in two places: anywidget sends its text to a notebook
// (rlpjepa/explore/__init__.py), and docs/lab.py writes it into build/site/lab.html, which must open from the file
// system and so can import nothing. No library, no network.
//
//   1. The mathematics        what Python computes, once more
//   2. The frame              state, address, controls, drawing, themes, export: written once for all instruments
//   3. The instruments        each is one section: a table of settings, what is computed, what is drawn
//   4. The two hosts          a notebook, a page
//
// A new instrument is a new section in part 3, and a function of two lines in __init__.py.

// =====================================================================================================================
// 1. The mathematics: x = max(mu + sigma T, 0) with T ~ GN_p(0, 1), its shadows in the plane, and two losses.
// The definitions of rlpjepa/distributions.py, projections.py and losses.py; tests/test_explore.py compares them.
// =====================================================================================================================

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

// log Gamma(a) for a > 0, by Lanczos' sum
function logGamma(a) {
  if (a < 0.5) return logGamma(a + 1) - Math.log(a);
  const shifted = a + 6.5;
  const sum = LANCZOS.reduce((sum, c, k) => sum + (k ? c / (a - 1 + k) : c), 0);
  return 0.5 * Math.log(2 * Math.PI) + (a - 0.5) * Math.log(shifted) - shifted + Math.log(sum);
}

// The regularised upper incomplete gamma function Q(a, w) = Gamma(a, w) / Gamma(a) for a > 0, w >= 0
function gammaQ(a, w) {
  if (w === 0) return 1;
  const front = Math.exp(a * Math.log(w) - w - logGamma(a));
  if (w < a + 1) {
    let term = 1 / a, sum = term;
    for (let k = 1; term > sum * 1e-17; k++) sum += term *= w / (a + k);
    return 1 - front * sum;
  }
  // the continued fraction 1 / (w + 1 - a - 1 (1 - a) / (w + 3 - a - 2 (2 - a) / ...)), from the front (Lentz)
  let b = w + 1 - a, c = 1e300, d = 1 / b, fraction = d, factor = 0;
  for (let k = 1; k < 500 && Math.abs(factor - 1) > 1e-16; k++) {
    b += 2;
    d = 1 / (k * (a - k) * d + b);
    c = b + k * (a - k) / c;
    factor = c * d;
    fraction *= factor;
  }
  return front * fraction;
}

// The sigma that gives variance 1 before rectification
const unitVarianceScale = (p) => Math.exp((logGamma(1 / p) - logGamma(3 / p)) / 2 - Math.log(p) / p);

// All that is known in closed form. sigma null means unit variance before rectification.
function rectified(mu, sigma, p) {
  sigma ??= unitVarianceScale(p);
  const a = 1 / p, logNormalizer = Math.log(2) + logGamma(a) + (a - 1) * Math.log(p);
  const threshold = -mu / sigma, w = Math.abs(threshold) ** p / p; // x > 0 where T > threshold
  // E[|T|^k; T > |threshold|]
  const tail = (k) => p ** (k / p) * Math.exp(logGamma((k + 1) / p) - logGamma(a)) * gammaQ((k + 1) / p, w) / 2;
  const above = (k, whole) => (threshold > 0 ? tail(k) : whole - tail(k)); // E[|T|^k; T > threshold], k even or p
  const active = above(0, 1), atom = threshold > 0 ? 1 - tail(0) : tail(0);
  const first = tail(1), second = above(2, unitVarianceScale(p) ** -2); // of T, where T > threshold
  const mean = mu * active + sigma * first;
  const variance = mu * mu * active + 2 * mu * sigma * first + sigma * sigma * second - mean * mean;
  const entropy = active * (Math.log(sigma) + logNormalizer) + above(p, 1) / p - (atom && atom * Math.log(atom));
  // the density of mu + sigma T; a power is slow, and p = 1 and p = 2 need none
  const scale = 1 / sigma, front = Math.exp(-logNormalizer) / sigma;
  const density =
    p === 1 ? (x) => front * Math.exp(-Math.abs(x - mu) * scale)
    : p === 2 ? (x) => front * Math.exp(-((x - mu) * scale) * ((x - mu) * scale) / 2)
    : (x) => front * Math.exp(-(Math.abs((x - mu) * scale) ** p) / p);
  const reach = sigma * (40 * p) ** a; // there the density has fallen by a factor exp(-40)
  const [near, far] = [Math.max(0, mu - reach), Math.max(0, mu) + reach];
  return { mu, sigma, p, active, atom, mean, variance, entropy, density, near, far };
}

// The t with P(T > t) = fraction, by bisection
function upperQuantile(fraction, p) {
  const tail = Math.min(fraction, 1 - fraction);
  let [low, high] = [0, 1];
  const beyond = (t) => gammaQ(1 / p, t ** p / p) / 2;
  while (beyond(high) > tail && high < 1e9) high *= 2;
  for (let k = 0; k < 60; k++) {
    const middle = (low + high) / 2;
    if (beyond(middle) > tail) low = middle; else high = middle;
  }
  return fraction < 0.5 ? low : -low;
}

// The mu that makes an entry non-zero with probability `fraction`: Eq. 11 inverted
const muForL0 = (fraction, p, sigma) => -(sigma ?? unitVarianceScale(p)) * upperQuantile(fraction, p);

// The sigma that gives variance 1 after rectification; the variance grows with sigma
function rectifiedUnitVarianceScale(p, mu) {
  let low = unitVarianceScale(p), high = 2 * low + Math.abs(mu);
  while (rectified(mu, high, p).variance < 1) high *= 2;
  for (let k = 0; k < 50; k++) {
    const middle = (low + high) / 2;
    if (rectified(mu, middle, p).variance < 1) low = middle; else high = middle;
  }
  return high;
}

// (cos, sin) of an angle in degrees, exact on the axes
const unit = (angle) =>
  [Math.cos, Math.sin].map((f) => f((angle * Math.PI) / 180)).map((c) => (Math.abs(c) < 1e-12 ? 0 : c));

// Points and weights of tanh-sinh quadrature on (0, 1), dense at both ends
const RULE_SIZE = 60;
const RULE = Array.from({ length: RULE_SIZE }, (_, k) => {
  const u = -3 + (6 * k) / (RULE_SIZE - 1), half = (Math.PI / 2) * Math.sinh(u);
  return [1 / (1 + Math.exp(-2 * half)), ((Math.PI / 4) * Math.cosh(u) / Math.cosh(half) ** 2 * 6) / (RULE_SIZE - 1)];
});

// The exact distribution of c1 x1 + c2 x2 at the points y: its atom, the densities of two ridges and of the interior
function shadow(law, [c1, c2], y) {
  const zero = [c1, c2].map((c) => (c === 0 ? 1 : law.atom)); // a coordinate that does not count may be anything
  const ridge = (c, other) => y.map((y) => (y / c > 0 && c !== 0 ? (law.density(y / c) / Math.abs(c)) * other : 0));
  const [first, second] = [ridge(c1, zero[1]), ridge(c2, zero[0])], ridges = first.map((a, k) => a + second[k]);
  const interior = c1 && c2 ? y.map((y) => interiorAt(law, c1, c2, y)) : y.map(() => 0);
  return { atom: zero[0] * zero[1], ridges, interior, density: ridges.map((a, k) => a + interior[k]) };
}

// The integral of f(x) f((y - c1 x) / c2) / |c2| over the x where both arguments are positive, in pieces: it is
// smooth between the x where a coordinate is at its mode, at 0, or so far out that its density is nil.
function interiorAt(law, c1, c2, y) {
  const { density } = law;
  const [near, mode, far] = [law.near, law.mu, law.far].map((end) => (y - c2 * end) / c1);
  const low = Math.max(law.near, Math.min(near, far)), high = Math.max(low, Math.min(law.far, Math.max(near, far)));
  const inside = (x) => Math.min(high, Math.max(low, x));
  const ends = [low, inside(law.mu), inside(mode), high].sort((a, b) => a - b);
  let sum = 0;
  for (let i = 0; i < 3; i++) {
    const length = ends[i + 1] - ends[i];
    if (length <= 0) continue;
    for (const [share, weight] of RULE) {
      const x = ends[i] + length * share, other = (y - c1 * x) / c2;
      if (x > 0 && other > 0) sum += length * weight * density(x) * density(other);
    }
  }
  return sum / Math.abs(c2);
}

// A stream of uniform random numbers inside (0, 1) from a whole number (mulberry32)
function uniforms(seed) {
  let state = Math.imul(seed, 2654435761) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296 + 2 ** -33;
  };
}

const normal = (uniform) => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());

// One draw of T ~ GN_p(0, 1): V (p G)^(1/p) with V uniform on (-1, 1), G ~ Gamma(1 + 1/p) (Marsaglia and Tsang)
function draw(uniform, p) {
  const v = 2 * uniform() - 1, a = 1 + 1 / p - 1 / 3, c = 1 / Math.sqrt(9 * a);
  for (;;) {
    const z = normal(uniform), cube = (1 + c * z) ** 3;
    if (cube > 0 && Math.log(uniform()) < z * z / 2 + a * (1 - cube + Math.log(cube)))
      return v * (p * a * cube) ** (1 / p);
  }
}

// n draws of T, each from a stream of its own, so that they move smoothly as p does
const draws = (n, p, seed) => Float64Array.from({ length: n }, (_, i) => draw(uniforms(seed * 100003 + i), p));

// RDMReg (Eq. 13) for B points in the plane: mean squared gap of the sorted shadows, and its gradient with respect to z.
// z and target hold x1, x2 of one point after the other, directions c1, c2. At most 1024 points.
function rdmreg(z, target, directions) {
  const B = z.length / 2, N = directions.length / 2, gradient = new Float64Array(2 * B);
  const goal = new Float64Array(B), keys = new Float64Array(B);
  let loss = 0;
  for (let n = 0; n < N; n++) {
    const c1 = directions[2 * n], c2 = directions[2 * n + 1];
    for (let i = 0; i < B; i++) {
      keys[i] = c1 * z[2 * i] + c2 * z[2 * i + 1];
      goal[i] = c1 * target[2 * i] + c2 * target[2 * i + 1];
    }
    const order = ranks(keys);
    goal.sort();
    for (let r = 0; r < B; r++) {
      const i = order[r], gap = keys[i] - goal[r];
      loss += gap * gap;
      gradient[2 * i] += gap * c1;
      gradient[2 * i + 1] += gap * c2;
    }
  }
  for (let k = 0; k < 2 * B; k++) gradient[k] *= 2 / (N * B);
  return { loss: loss / (N * B), gradient };
}

// Which entry is the smallest, the second smallest, ... Sorting numbers is ten times as fast as sorting by a function of
// two, so each key carries its index in the ten lowest of its 52 bits.
function ranks(keys) {
  const tagged = new Float64Array(keys), words = new Uint32Array(tagged.buffer), order = new Uint16Array(keys.length);
  for (let i = 0; i < keys.length; i++) words[2 * i + LOW_WORD] = (words[2 * i + LOW_WORD] & ~1023) | i;
  tagged.sort();
  for (let r = 0; r < keys.length; r++) order[r] = words[2 * r + LOW_WORD] & 1023;
  return order;
}
const LOW_WORD = new Uint8Array(new Uint32Array([1]).buffer)[0] ? 0 : 1;

// SIGReg (Eq. 7) for B points in the plane: Epps and Pulley's statistic against N(0, 1) along each direction, by the
// trapezoid rule with 17 knots on [0, 3] (the other half follows from symmetry), and its gradient.
function sigreg(z, directions, knots = 17, most = 3) {
  const B = z.length / 2, N = directions.length / 2, gradient = new Float64Array(2 * B), step = most / (knots - 1);
  let loss = 0;
  for (let n = 0; n < N; n++) {
    const c1 = directions[2 * n], c2 = directions[2 * n + 1];
    for (let k = 0; k < knots; k++) {
      const t = k * step, normal = Math.exp(-t * t / 2), weight = 2 * step * normal * (k && k < knots - 1 ? 1 : 0.5);
      const cos = new Float64Array(B), sin = new Float64Array(B);
      let real = 0, imaginary = 0;
      for (let i = 0; i < B; i++) {
        const x = t * (c1 * z[2 * i] + c2 * z[2 * i + 1]);
        real += cos[i] = Math.cos(x);
        imaginary += sin[i] = Math.sin(x);
      }
      real = real / B - normal;
      imaginary /= B;
      loss += weight * (real * real + imaginary * imaginary);
      for (let i = 0; i < B; i++) {
        const slope = (2 * weight * t / B) * (imaginary * cos[i] - real * sin[i]);
        gradient[2 * i] += slope * c1;
        gradient[2 * i + 1] += slope * c2;
      }
    }
  }
  for (let k = 0; k < 2 * B; k++) gradient[k] /= N;
  return { loss: loss / N, gradient };
}
// =====================================================================================================================
// 2. The frame: what carries an instrument
// =====================================================================================================================

const INSTRUMENTS = {};

// The table of an instrument's settings, in JSON: Python reads this same text and makes a trait of each line.
//   a number:  least, most, step, first; "whole": integers only; "doubling": the slider doubles from step to step
//   a choice:  choices {value: words}, first          a switch:  first true or false
//   all:       symbol, name, help; "more": stands under "More settings"; "when": shown only while another setting has
//              a value; "quiet": has no control of its own and stays out of the address; "placed": the instrument's own
//              buttons are its control; "local": a function that says which values stay out of the address
function settings(instrument, table) {
  INSTRUMENTS[instrument] = { table };
}

// What an instrument does. `own` is an object that lives as long as the instrument stands on the page.
//   title, lead              a name, and a sentence that says what one sees
//   presets                  [{ name, set: {setting: value}, say }]
//   compute(state, own)      everything shown, as one object: `result`
//   panels                   [{ id, title, wide, uses: [settings], legend: [[look, colour, words]], draw(plot, view),
//                              handles: [{ setting, label, at(view), to(x, y, view) }], drag(from, to, view) }]
//                            with view = { state, result, frozen }, frozen = { state, result } or null
//   headline(view)           [{ number, words, was }]: the large numbers
//   facts(view)              [[name, number]]: the small ones
//   words(view)              a sentence for those who hear the page
//   rows(view)               further rows of the CSV file, [name, ...values]
// and where needed: follow(state, changed, own), changes that other changes bring with them; buttons(api), a list of
// elements; below(view, node), which fills an element under the numbers; press(x, y, view, plot) of a panel, what a click
// at this pixel sets; tick(state, own), one step of what is played, false at its end; `pure`: whether a result follows from the settings
// alone; where it does not, snapshot(result) is what freezing keeps, and again(result) the changes to the settings from
// which tick comes to it once more, for a link, or null where no settings do.
function instrument(name, parts) {
  Object.assign(INSTRUMENTS[name], parts);
}

// ---- values -------------------------------------------------------------------------------------------------------

const show = (value) => String(value).replace("-", "−");
const POWERS = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].map((sign, k) => [k, sign])) };

function number(x, digits = 4) {
  if (!Number.isFinite(x)) return "–";
  if (x !== 0 && Math.abs(x) < 1e-4) {
    const [front, power] = x.toExponential(2).split("e");
    return show(front) + "·10" + [...power].map((sign) => POWERS[sign]).join("");
  }
  return show(Number(x.toPrecision(digits)));
}
const percent = (share) => {
  if (!Number.isFinite(share)) return "–";
  const rest = Math.min(share, 1 - share); // what lies near 0 or 1 is not rounded to them
  const digits = rest > 0 && rest < 0.0005 ? Math.min(12, Math.ceil(-Math.log10(rest)) - 1) : 1;
  return `${show((100 * share).toFixed(digits))} %`;
};

const label = (setting, name) => setting.symbol ?? setting.name ?? name;

// The allowed value nearest to what is asked for, and a sentence if that is not it
function nearest(table, name, asked, fallback) {
  const setting = table[name], called = label(setting, name), write = setting.choices ? String : show;
  const instead = (value, why) => [value, `${called} = ${write(asked).slice(0, 24)} ${why}; shown is ${called}\u00a0=\u00a0${write(value)}.`];
  if (setting.choices) {
    const all = Object.keys(setting.choices);
    return all.includes(asked) ? [asked, ""] : instead(fallback, all.length > 9 ? "is not there" : `is not one of ${all.join(", ")}`);
  }
  if (typeof setting.first === "boolean") {
    const value = { true: true, 1: true, yes: true, false: false, 0: false, no: false }[asked];
    return value === undefined ? instead(fallback, "is neither yes nor no") : [value, ""];
  }
  const text = String(asked).trim().replace("−", "-"), value = Number(text);
  if (text === "" || Number.isNaN(value)) return instead(fallback, "is not a number");
  const whole = setting.whole ? Math.round(value) : value;
  const allowed = Math.min(setting.most, Math.max(setting.least, whole));
  if (allowed !== whole) return instead(allowed, `is outside ${show(setting.least)} to ${show(setting.most)}`);
  return whole === value ? [value, ""] : instead(whole, "is not a whole number");
}

const firstState = (table) => Object.fromEntries(Object.entries(table).map(([name, { first }]) => [name, first]));

// ---- the address: #target&mu=-2&p=0.5&freeze.p=2&hide=d,tools -------------------------------------------------------

function readAddress(hash) {
  const asked = [...new URLSearchParams(hash.replace(/^#/, "").replace(/\+/g, "%2B"))], said = [];
  let name = Object.keys(INSTRUMENTS)[0];
  if (asked.length && Object.hasOwn(INSTRUMENTS, asked[0][0])) name = asked.shift()[0];
  const { table } = INSTRUMENTS[name], state = firstState(table), hide = [];
  let frozen = null;
  for (const [key, text] of asked) {
    const setting = key.replace(/^freeze\./, "");
    if (key === "hide") hide.push(...text.split(/[\s,]+/).filter(Boolean));
    else if (key === "freeze") frozen ??= firstState(table);
    else if (!Object.hasOwn(table, setting) || table[setting].quiet)
      said.push(`“${(text ? `${key}=${text}` : key).slice(0, 30)}” is no setting of this instrument and is left out.`);
    else {
      if (setting !== key) frozen ??= firstState(table);
      const into = setting === key ? state : frozen;
      const [value, sentence] = nearest(table, setting, text, into[setting]);
      into[setting] = value;
      if (sentence) said.push(sentence);
    }
  }
  return { name, state, frozen, hide, said };
}

function writeAddress(name, state, frozen, hide) {
  const { table } = INSTRUMENTS[name], parts = [name], local = (values, key) => table[key].local?.(values[key]);
  const add = (prefix, values) => {
    for (const key in table)
      if (values[key] !== table[key].first && !table[key].quiet && !local(values, key))
        parts.push(`${prefix}${key}=${encodeURIComponent(values[key]).replaceAll("%2F", "/")}`);
  };
  add("", state);
  if (frozen && !Object.keys(table).some((key) => local(frozen, key))) {
    parts.push("freeze=1");
    add("freeze.", frozen);
  }
  if (hide.length) parts.push(`hide=${hide.join(",")}`);
  return `#${parts.join("&")}`;
}

// ---- elements -----------------------------------------------------------------------------------------------------

function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && name !== "list") node[name] = value; else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Calls `action` at most once in `pause` milliseconds, and once more at the end if something came in between
function seldom(action, pause) {
  let timer = 0, again = false;
  const call = () => {
    if (timer) { again = true; return; }
    action();
    timer = setTimeout(() => { timer = 0; if (again) { again = false; call(); } }, pause);
  };
  call.stop = () => clearTimeout(timer);
  return call;
}

function download(name, content) {
  const link = el("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// ---- colours ------------------------------------------------------------------------------------------------------

// lab.css holds the colours; a canvas wants them by value, and system colours (forced colours) only an element resolves.
const INKS = ["ink", "soft", "rule", "paper", "gaussian", "laplace", "rectified", "measurement", "theory", "muted"];
function readInks(root) {
  const probe = el("span"), inks = {};
  root.append(probe);
  for (const name of INKS) {
    probe.style.color = `var(--${name})`;
    inks[name] = getComputedStyle(probe).color;
  }
  const style = getComputedStyle(root);
  Object.assign(inks, { size: parseFloat(style.fontSize), family: style.fontFamily });
  probe.remove();
  return inks;
}

// Dark where JupyterLab is, or else where the system is
function isDark() {
  const lab = document.body.dataset.jpThemeLight;
  return lab ? lab === "false" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// ---- drawing: a plane with axes on a canvas ------------------------------------------------------------------------

class Plot {
  constructor(context, inks, width, height) {
    Object.assign(this, { context, inks, width, height });
  }

  // Axes over x from x[0] to x[1] and y from y[0] to y[1]. `log` counts y in powers of ten; `equal` widens one of them until
  // both have one scale.
  axes({ x, y, log = false, equal = false, xLabel = "", yLabel = "", xTicks, yTicks, xFormat = show, yFormat = show, yZero = false }) {
    const { context: c, inks, width, height } = this, size = 0.75 * inks.size;
    const box = this.box = { left: 3.4 * size, right: width - 1.3 * size, top: 0.9 * size, bottom: height - 2.5 * size };
    if (equal) {
      const wide = box.right - box.left, high = box.bottom - box.top;
      const unit = Math.max((x[1] - x[0]) / wide, (y[1] - y[0]) / high); // of one pixel
      const widen = ([low, top], span) => { const rest = equal === "from left" ? 0 : (span - top + low) / 2; return [low - rest, low - rest + span]; };
      x = widen(x, unit * wide);
      y = widen(y, unit * high);
    }
    this.x = x; this.y = y; this.log = log;
    c.clearRect(0, 0, width, height);
    c.lineCap = c.lineJoin = "round";
    c.font = `${size}px ${inks.family}`;
    c.lineWidth = 1;
    c.strokeStyle = inks.rule;
    const steps = log ? [] : yTicks ?? ticks(y[0], y[1], Math.max(2, (box.bottom - box.top) / (3.2 * size)));
    if (log) for (let power = Math.ceil(Math.log10(y[0])); power <= Math.log10(y[1]); power += (box.bottom - box.top) / (Math.log10(y[1]) - Math.log10(y[0])) < 1.6 * size ? 2 : 1) steps.push(10 ** power);
    c.beginPath();
    for (const step of steps) { c.moveTo(box.left, this.Y(step)); c.lineTo(box.right, this.Y(step)); }
    c.stroke();
    c.strokeStyle = inks.soft;
    c.beginPath();
    c.moveTo(box.left, box.bottom); c.lineTo(box.right, box.bottom);
    if (x[0] < 0 && x[1] > 0) { c.moveTo(this.X(0), box.bottom); c.lineTo(this.X(0), yZero ? box.top : box.bottom + 4); }
    if (yZero && y[0] < 0) { c.moveTo(box.left, this.Y(0)); c.lineTo(box.right, this.Y(0)); }
    c.stroke();
    c.fillStyle = inks.soft;
    c.textAlign = "right"; c.textBaseline = "middle";
    const power = (step) => "10" + [...String(Math.round(Math.log10(step)))].map((sign) => POWERS[sign]).join("");
    for (const step of steps) c.fillText(log ? power(step) : yFormat(step), box.left - 0.4 * size, this.Y(step));
    c.textAlign = "center"; c.textBaseline = "top";
    for (const step of xTicks ?? ticks(x[0], x[1], (box.right - box.left) / (4.5 * size)))
      c.fillText(xFormat(step), this.X(step), box.bottom + 0.4 * size);
    c.textAlign = "right"; c.textBaseline = "bottom";
    c.fillText(xLabel, box.right, height - 0.05 * size);
    c.textAlign = "left"; c.textBaseline = "top";
    if (yLabel) this.words(yLabel, box.left + 0.3 * size, 0.1 * size, "soft", { pixels: true });
    c.save();
    c.beginPath(); c.rect(box.left, 0, box.right - box.left, box.bottom + 1); c.clip();
    return this;
  }

  done() { this.context.restore(); }

  X(x) { return this.box.left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * (this.box.right - this.box.left); }
  Y(y) {
    const [low, high] = this.y, { top, bottom } = this.box;
    const share = this.log ? Math.log(Math.max(y, low * 1e-3) / low) / Math.log(high / low) : (y - low) / (high - low);
    return bottom - share * (bottom - top);
  }
  fromX(pixel) { return this.x[0] + ((pixel - this.box.left) / (this.box.right - this.box.left)) * (this.x[1] - this.x[0]); }
  fromY(pixel) { return this.y[0] + ((this.box.bottom - pixel) / (this.box.bottom - this.box.top)) * (this.y[1] - this.y[0]); }

  trace(xs, ys) {
    const c = this.context;
    c.beginPath();
    for (let k = 0; k < xs.length; k++) c.lineTo(this.X(xs[k]), this.Y(ys[k]));
  }
  line(xs, ys, ink, { width = 2, dash = [], alpha = 1 } = {}) {
    const c = this.context;
    this.trace(xs, ys);
    Object.assign(c, { strokeStyle: this.inks[ink], lineWidth: width, globalAlpha: alpha });
    c.setLineDash(dash); c.stroke(); c.setLineDash([]);
    c.globalAlpha = 1;
  }
  area(xs, ys, ink, alpha = 0.2) {
    if (!xs.length) return;
    const c = this.context, floor = this.box.bottom;
    this.trace(xs, ys);
    c.lineTo(this.X(xs[xs.length - 1]), floor); c.lineTo(this.X(xs[0]), floor);
    Object.assign(c, { fillStyle: this.inks[ink], globalAlpha: alpha });
    c.fill();
    c.globalAlpha = 1;
  }
  // Bars side by side from `left` on, all in one fill
  bars(heights, left, width, ink, alpha) {
    const c = this.context, floor = this.box.bottom;
    c.beginPath();
    heights.forEach((height, k) => {
      const x = Math.round(this.X(left + k * width)), y = this.Y(height);
      if (height > 0) c.rect(x, y, Math.round(this.X(left + (k + 1) * width)) - x, floor - y);
    });
    Object.assign(c, { fillStyle: this.inks[ink], globalAlpha: alpha });
    c.fill();
    c.globalAlpha = 1;
  }
  // Lines from (x1, y1) to (x2, y2), all in one stroke
  segments(x1, y1, x2, y2, ink, { width = 1, alpha = 1, heads = 0 } = {}) {
    const c = this.context;
    c.beginPath();
    for (let k = 0; k < x1.length; k++) {
      const [a, b, u, v] = [this.X(x1[k]), this.Y(y1[k]), this.X(x2[k]), this.Y(y2[k])];
      c.moveTo(a, b); c.lineTo(u, v);
      const length = Math.hypot(u - a, v - b);
      if (heads && length > 3) {
        const [s, t] = [((u - a) / length) * heads, ((v - b) / length) * heads];
        c.moveTo(u - s - t / 2, v - t + s / 2); c.lineTo(u, v); c.lineTo(u - s + t / 2, v - t - s / 2);
      }
    }
    Object.assign(c, { strokeStyle: this.inks[ink], lineWidth: width, globalAlpha: alpha });
    c.stroke();
    c.globalAlpha = 1;
  }
  dots(xs, ys, ink, radius, alpha = 1) {
    const c = this.context;
    c.beginPath();
    for (let k = 0; k < xs.length; k++) { // a very short line with round ends: quicker than an arc (WebKit draws none of no length)
      const x = this.X(xs[k]), y = this.Y(ys[k]);
      c.moveTo(x, y); c.lineTo(x + 0.01, y);
    }
    Object.assign(c, { strokeStyle: this.inks[ink], lineWidth: 2 * radius, globalAlpha: alpha });
    c.stroke();
    c.globalAlpha = 1;
  }
  // Marks that differ in shape, so that they are told apart without colours, too
  marks(xs, ys, ink, look, radius, alpha = 1) {
    const c = this.context;
    c.beginPath();
    for (let k = 0; k < xs.length; k++) mark(c, look, this.X(xs[k]), this.Y(ys[k]), radius);
    Object.assign(c, { strokeStyle: this.inks[ink], fillStyle: look === "ring" ? this.inks.paper : this.inks[ink], lineWidth: radius / 2.2, globalAlpha: alpha });
    c.fill();
    if (look === "ring" || look === "cross") c.stroke();
    c.globalAlpha = 1;
  }
  // A circle about a point
  ring(x, y, ink, radius) {
    const c = this.context;
    c.beginPath();
    c.arc(this.X(x), this.Y(y), radius, 0, 7);
    Object.assign(c, { strokeStyle: this.inks[ink], lineWidth: 2.5 });
    c.stroke();
  }
  // A mass at a point of the line: a thick stem with a round top
  mass(x, height, ink, { dash = [], alpha = 1 } = {}) {
    if (height <= 0) return;
    this.line([x, x], [this.log ? this.y[0] : 0, height], ink, { width: 5, dash, alpha });
    this.dots([x], [height], ink, 6, alpha);
  }
  words(text, x, y, ink, { align = "left", base = "top", bold = false, pixels = false, inside = false, scale = 0.75 } = {}) {
    const c = this.context;
    c.font = `${bold ? "600 " : ""}${scale * this.inks.size}px ${this.inks.family}`;
    Object.assign(c, { textAlign: align, textBaseline: base, lineWidth: 4, strokeStyle: this.inks.paper });
    if (!pixels) [x, y] = [this.X(x), this.Y(y)];
    if (inside) { // centred, but for as much as keeps it between the axis and the edge
      const half = c.measureText(text).width / 2;
      [x, c.textAlign] = [Math.max(this.box.left + half, Math.min(this.box.right - half, x)), "center"];
    }
    c.strokeText(text, x, y); // a rim of paper keeps it legible over lines
    c.fillStyle = this.inks[ink];
    c.fillText(text, x, y);
  }
}

function mark(c, look, x, y, radius) {
  const corners = { diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]], triangle: [[0, -1.2], [1.15, 0.9], [-1.15, 0.9]] }[look];
  if (corners) { corners.forEach(([u, v], k) => c[k ? "lineTo" : "moveTo"](x + radius * u, y + radius * v)); c.closePath(); }
  else if (look === "cross") for (const s of [1, -1]) { c.moveTo(x - radius, y - s * radius); c.lineTo(x + radius, y + s * radius); }
  else { c.moveTo(x + radius, y); c.arc(x, y, radius, 0, 7); }
}

function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((step) => step >= rough * 0.999), found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(Number((k * step).toPrecision(10)));
  return found;
}

// ---- controls -----------------------------------------------------------------------------------------------------

const toSlider = (setting, value) => (setting.doubling ? Math.log2(value) : value);
const fromSlider = (setting, value) => (setting.doubling ? 2 ** value : value);
let labs = 0; // several labs may stand in one notebook, and ids must differ

// The control of one setting: { node, show(value) }
function control(id, name, setting, change) {
  const title = [setting.symbol ? el("i", {}, setting.symbol) : null, setting.name ? ` ${setting.name}` : null];
  const help = setting.help ? el("small", { id: `${id}-help` }, setting.help) : null;
  const described = help ? { "aria-describedby": help.id } : {};
  if (setting.choices) {
    const select = el("select", { id, ...described }, ...Object.entries(setting.choices).map(([value, words]) => el("option", { value }, words)));
    select.addEventListener("change", () => change({ [name]: select.value }));
    const node = el("div", { className: "rl-setting rl-choice" }, el("label", { htmlFor: id }, ...title), select, help);
    return { node, show: (value) => { select.value = value; } };
  }
  if (typeof setting.first === "boolean") {
    const box = el("input", { type: "checkbox", id, ...described });
    box.addEventListener("change", () => change({ [name]: box.checked }));
    const node = el("div", { className: "rl-setting rl-switch" }, el("label", { htmlFor: id }, box, el("span", {}, ...title)), help);
    return { node, show: (value) => { box.checked = value; } };
  }
  const { least, most, step } = setting, spoken = `${label(setting, name)}${setting.symbol ? `, ${setting.name}` : ""}`;
  const range = el("input", {
    type: "range", id, min: toSlider(setting, least), max: toSlider(setting, most), step: setting.doubling ? 1 : step, ...described,
  });
  const field = el("input", {
    type: "number", id: `${id}-number`, min: least, max: most, step: "any", "aria-label": `${spoken}, as a number`,
    inputMode: least < 0 ? "text" : "decimal", // phones' number pads often lack a minus sign
  });
  range.addEventListener("input", () => change({ [name]: fromSlider(setting, range.valueAsNumber) }));
  field.addEventListener("change", () => change({ [name]: field.validity.badInput ? "what was typed" : field.value }));
  const node = el("div", { className: "rl-setting" }, el("label", { htmlFor: id }, ...title), field, range, help);
  const shown = (value) => {
    range.value = toSlider(setting, value);
    range.setAttribute("aria-valuetext", show(Number(value.toPrecision(4))));
    field.value = Number(value.toPrecision(6));
  };
  return { node, show: shown };
}

// ---- one instrument on the page -------------------------------------------------------------------------------------

// host: { state, frozen, hide, said, write(state, frozen, numbers), listen(take) -> stop, link }
function mount(root, name, host) {
  const kind = INSTRUMENTS[name], { table } = kind, prefix = `rl${++labs}`;
  const state = { ...firstState(table), ...host.state }, hide = host.hide ?? [], own = {};
  const calm = matchMedia("(prefers-reduced-motion: reduce)"), stops = [];
  let frozen = null, coming = null, view = null, inks = null, waiting = 0, stopped = false, last = 0;

  // -- what stands on the page

  const notice = el("p", { className: "rl-notice", role: "alert", hidden: true });
  const headline = el("div", { className: "rl-headline" });
  const spoken = el("p", { className: "rl-words", role: "status" });
  const story = el("p", { className: "rl-story", hidden: true });
  const controls = Object.fromEntries(
    Object.entries(table).filter(([, setting]) => !setting.quiet && !setting.placed).map(([key, setting]) => [key, control(`${prefix}-${key}`, key, setting, (values) => change(values))]),
  );
  for (const key in controls) controls[key].node.dataset.part = key;
  const api = { state, own, change: (values) => change(values), draw: () => redraw(), say };
  const [main, more] = [false, true].map((under) => Object.keys(controls).filter((key) => Boolean(table[key].more) === under).map((key) => controls[key].node));
  const form = el("form", { className: "rl-controls", "aria-label": `Settings: ${kind.title}` },
    ...(kind.buttons?.(api) ?? []), ...main,
    more.length ? el("details", { "data-part": "more" }, el("summary", {}, "More settings"), ...more) : null);
  form.addEventListener("submit", (event) => event.preventDefault());

  const panels = kind.panels.map((panel) => {
    const canvas = el("canvas", { role: "img", "aria-labelledby": `${prefix}-${panel.id}-title ${prefix}-${panel.id}-words` });
    const words = el("span", { className: "rl-words", id: `${prefix}-${panel.id}-words` });
    const legend = panel.legend.map(([look, ink, text]) => el("span", { className: `rl-key rl-${look}`, style: `--color: var(--${ink})` }, text));
    const handles = (panel.handles ?? []).map((handle) => addHandle(panel, handle));
    const node = el("figure", { className: `rl-panel rl-${panel.id}${panel.wide ? " rl-wide" : ""}`, "data-part": panel.id },
      el("h2", { id: `${prefix}-${panel.id}-title` }, panel.title), el("div", { className: "rl-canvas" }, canvas, ...handles.map((h) => h.node)),
      el("figcaption", {}, ...legend, words));
    return { ...panel, canvas, words, node, handles, plot: null, drawn: "", width: 0, height: 0 };
  });

  const facts = el("dl", { className: "rl-facts", "data-part": "facts" });
  const below = kind.below ? el("div", { className: "rl-below", "data-part": "below" }) : null;
  const presets = el("div", { className: "rl-presets", role: "group", "aria-label": "Try", "data-part": "presets" },
    ...kind.presets.map(({ name, set, say: words }) => button(name, () => {
      change({ ...firstState(table), seed: state.seed, ...set });
      story.textContent = words;
      story.hidden = false;
    })));
  const freeze = button("Freeze", () => setFrozen(frozen ? null : { ...state, ...kind.again?.(view.result) }), { "aria-pressed": "false", title: "Keep this setting in grey, and compare another with it" });
  const whole = document.fullscreenEnabled ? button("Full screen", () => {
    if (document.fullscreenElement) document.exitFullscreen(); else root.requestFullscreen();
  }) : null;
  const tools = el("div", { className: "rl-tools", role: "group", "aria-label": "Keep and show", "data-part": "tools" },
    freeze, button("Reset", () => { setFrozen(null); story.hidden = true; change(firstState(table)); kind.reset?.(own); redraw(); }),
    button("Picture", () => picture().toBlob((png) => download(`${name}.png`, png)), { title: "Save what is shown as a PNG file" }),
    button("Numbers", () => download(`${name}.csv`, new Blob([csv()], { type: "text/csv" })), { title: "Save settings and numbers as a CSV file" }),
    host.link ? button("Copy link", async (event) => {
      const node = event.currentTarget;
      try { await navigator.clipboard.writeText(host.link()); node.textContent = "Copied"; } catch { node.textContent = "It is in the address bar"; }
      setTimeout(() => { node.textContent = "Copy link"; }, 2000);
    }) : null, whole);
  root.replaceChildren(el("p", { className: "rl-lead", "data-part": "lead" }, kind.lead), notice, headline, form,
    el("div", { className: "rl-panels" }, ...panels.map((panel) => panel.node)),
    el("div", { className: "rl-foot" }, presets, story, facts, below ?? "", tools), spoken);
  root.classList.add("rlab");
  const keep = (event) => { // from JupyterLab, which would move between cells instead
    if (/^(Arrow.*|Page.*|Home|End|Enter| )$/.test(event.key) && !event.shiftKey && !event.ctrlKey && !event.metaKey) event.stopPropagation();
  };
  root.addEventListener("keydown", keep);
  stops.push(() => root.removeEventListener("keydown", keep));

  function button(text, action, properties = {}) {
    const node = el("button", { type: "button", ...properties }, text);
    node.addEventListener("click", action);
    return node;
  }

  // -- from a change to the picture

  function say(sentences) {
    notice.textContent = sentences.filter(Boolean).join(" ");
    notice.hidden = !notice.textContent;
  }

  // Take values from a control, the host or a hand; what is not allowed becomes the nearest that is, and a sentence
  function change(values, from = "page") {
    const said = [], changed = [];
    const take = (values) => {
      for (const key in values) {
        if (!(key in table)) continue;
        const [value, sentence] = nearest(table, key, values[key], state[key]);
        if (sentence) said.push(sentence);
        if (value !== state[key]) changed.push(key);
        state[key] = value;
      }
    };
    take(values);
    if (changed.length && kind.follow) take(kind.follow(state, changed, own, said));
    if (from !== "quiet") say(said);
    showControls();
    redraw();
    if (state.playing) play();
  }

  function showControls() {
    for (const key in controls) {
      controls[key].show(state[key]);
      const when = table[key].when;
      controls[key].node.hidden = hide.includes(key) || Boolean(when && state[when[0]] !== when[1]);
    }
    kind.showButtons?.(state, own, form);
  }

  function setFrozen(frozenState, snapshot) {
    coming = null;
    frozen = frozenState && { state: frozenState, result: kind.snapshot ? kind.snapshot(snapshot ?? view.result) : kind.compute(frozenState, {}) };
    freeze.textContent = frozen ? "Unfreeze" : "Freeze";
    freeze.setAttribute("aria-pressed", String(Boolean(frozen)));
    redraw();
  }

  // What a link says was frozen: computed, or played once more, in pieces between which the page answers
  function freezeAgain(asked) {
    if (kind.pure) { setFrozen(asked); return; }
    const past = {};
    coming = asked;
    const piece = () => {
      if (stopped || coming !== asked) return;
      const end = performance.now() + 12;
      let going = true;
      while (going && performance.now() < end) going = kind.tick(asked, past);
      if (going) setTimeout(piece); else setFrozen(asked, kind.compute(asked, past));
    };
    piece();
  }

  function redraw() {
    if (!stopped) waiting ||= requestAnimationFrame(() => { waiting = 0; drawNow(); });
  }

  const frozenKey = () => (frozen ? Object.values(frozen.state).join() : "");
  function drawNow() {
    if (stopped) return;
    const start = performance.now();
    view = { state, result: kind.compute(state, own), frozen, own };
    const items = kind.headline(view), had = headline.children;
    if (had.length !== items.length) headline.replaceChildren(...items.map(() => el("div", {}, el("output"), el("span"), el("small"))));
    items.forEach(({ number, words, was }, k) => {
      put(had[k].children[0], number);
      put(had[k].children[1], words);
      put(had[k].children[2], was ?? "");
    });
    inks ??= readInks(root);
    for (const panel of panels) drawPanel(panel);
    const rows = kind.facts(view);
    if (facts.children.length !== rows.length) facts.replaceChildren(...rows.map(() => el("div", {}, el("dt"), el("dd"))));
    rows.forEach(([name, value], k) => { put(facts.children[k].firstChild, name); put(facts.children[k].lastChild, value); });
    if (below) kind.below(view, below);
    const numbers = Object.fromEntries(kind.numbers(view));
    host.write(state, frozen && (kind.pure || kind.again(frozen.result)) ? frozen.state : coming, numbers);
    speak();
    last = performance.now() - start;
  }
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };

  function drawPanel(panel) {
    if (!panel.width) return;
    const key = [...panel.uses.map((setting) => state[setting]), view.result.tick ?? "", frozenKey()].join();
    if (key !== panel.drawn) {
      panel.drawn = key;
      panel.plot = new Plot(panel.canvas.getContext("2d"), inks, panel.width, panel.height);
      panel.draw(panel.plot, view);
      panel.plot.done();
    }
    for (const handle of panel.handles) handle.place(panel.plot);
  }

  // Spoken, and told to those who cannot see the canvas, once the hand rests
  let resting = 0;
  function speak() {
    clearTimeout(resting);
    resting = setTimeout(() => {
      const words = kind.words(view);
      put(spoken, words);
      for (const panel of panels) put(panel.words, panel.say ? panel.say(view) : words);
    }, 600);
  }

  // -- by hand: a handle is a slider that lies on the picture

  function addHandle(panel, handle) {
    const setting = table[handle.setting];
    const node = el("div", {
      className: "rl-handle", role: "slider", tabIndex: 0, "aria-label": handle.label,
      "aria-valuemin": setting.least, "aria-valuemax": setting.most, "data-part": `${panel.id}-handle`,
    });
    const own = () => panels.find(({ id }) => id === panel.id);
    node.addEventListener("pointerdown", (event) => { node.setPointerCapture(event.pointerId); event.preventDefault(); node.focus({ preventScroll: true }); });
    node.addEventListener("pointermove", (event) => {
      if (!node.hasPointerCapture(event.pointerId)) return;
      const [x, y] = at(own(), event);
      change(rounded(handle.to(own().plot.fromX(x), own().plot.fromY(y), view)));
    });
    node.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
      const value = event.key === "Home" ? setting.least : event.key === "End" ? setting.most : steps && state[handle.setting] + steps * setting.step;
      if (value === undefined) return;
      event.preventDefault();
      change(rounded({ [handle.setting]: Math.min(setting.most, Math.max(setting.least, value)) }));
    });
    const place = (plot) => {
      const [x, y] = handle.at(view, plot);
      node.style.transform = `translate(${Math.round(Math.min(plot.box.right, Math.max(plot.box.left, plot.X(x))))}px, ${Math.round(Math.max(plot.box.top, plot.Y(y)))}px)`;
      node.setAttribute("aria-valuenow", state[handle.setting]);
      node.setAttribute("aria-valuetext", show(Number(state[handle.setting].toPrecision(4))));
    };
    return { node, place };
  }

  // A hand does not ask for more digits than the slider has
  function rounded(values) {
    const out = {};
    for (const key in values) {
      const { step, least, most } = table[key];
      out[key] = !step ? values[key] : Math.min(most, Math.max(least, Number((Math.round(values[key] / step) * step).toPrecision(10))));
    }
    return out;
  }
  const at = (panel, event) => {
    const box = panel.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  for (const panel of panels) {
    if (panel.press) panel.canvas.addEventListener("click", (event) => {
      const values = panel.press(...at(panel, event), view, panel.plot);
      if (values) change(values);
    });
    if (!panel.drag) continue;
    let from = null;
    panel.canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" && !panel.touch?.(state)) return; // a finger scrolls the page; it has the handle
      from = { at: at(panel, event), state: { ...state } };
      panel.canvas.setPointerCapture(event.pointerId);
    });
    panel.canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [u, v] = [from.at, at(panel, event)].map(([x, y]) => [panel.plot.fromX(x), panel.plot.fromY(y)]);
      const values = panel.drag(u, v, { ...view, start: from.state });
      if (values) change(rounded(values)); else redraw();
    });
    for (const end of ["pointerup", "pointercancel"]) panel.canvas.addEventListener(end, () => { from = null; });
  }

  // -- what is played, and stops by itself: at its end, out of sight, on a hidden page

  let playing = 0, seen = true;
  function play() {
    if (playing || stopped) return;
    const frame = () => {
      playing = 0;
      if (stopped || !state.playing) return;
      let going = true;
      for (let k = calm.matches ? 20 : 1; k && going; k--) going = kind.tick(state, own);
      if (!going || !seen || document.hidden) { change({ playing: false }, "quiet"); return; }
      drawNow();
      next();
    };
    const next = () => { playing = calm.matches ? setTimeout(frame, 500) : requestAnimationFrame(frame); };
    next();
  }

  // -- to keep

  // A legend as lines of entries that fit into a width
  function inLines(legend, width) {
    const c = el("canvas").getContext("2d"), lines = [[]];
    c.font = `13px ${inks.family}`;
    let at = 0;
    for (const entry of legend) {
      const length = 38 + c.measureText(entry[2]).width;
      if (at + length > width && lines.at(-1).length) { lines.push([]); at = 0; }
      lines.at(-1).push(entry);
      at += length;
    }
    return lines;
  }

  function picture(width = 1100) {
    const canvas = el("canvas"), light = { ...inks }, rows = kind.rows, gap = 16, scale = 2;
    root.classList.add("rl-print");
    root.classList.remove("rl-dark");
    Object.assign(light, readInks(root), { size: 16 });
    root.classList.remove("rl-print");
    applyTheme();
    const c = canvas.getContext("2d");
    const spans = rows.map((row) => (width - 48 - gap * (row.panels.length - 1)) / row.panels.length); // of one panel each
    const keys = rows.map((row, k) => row.panels.map((id) => inLines(panels.find((panel) => panel.id === id).legend, spans[k] - 36)));
    const rests = keys.map((row) => 26 + 18 * Math.max(...row.map((lines) => lines.length))); // below the panels of a row
    const height = 138 + rows.reduce((sum, row, k) => sum + row.height + rests[k], 0);
    Object.assign(canvas, { width: scale * width, height: scale * height });
    c.scale(scale, scale);
    c.fillStyle = light.paper;
    c.fillRect(0, 0, width, height);
    const write = (text, x, y, size, ink = "ink", weight = "") => {
      c.font = `${weight} ${size}px ${light.family}`;
      c.fillStyle = light[ink];
      Object.assign(c, { textAlign: "left", textBaseline: "alphabetic" });
      c.fillText(text, x, y);
      return x + c.measureText(text).width;
    };
    let x = 24;
    for (const { number, words } of kind.headline(view)) {
      x = write(number, x, 58, 44, "ink", "600");
      x = write(words, x + 12, 58, 17, "soft") + 40;
    }
    write(kind.caption(view), 24, 90, 15, "soft");
    let top = 106;
    rows.forEach((row, number) => {
      const each = spans[number];
      row.panels.forEach((id, k) => {
        const panel = panels.find((panel) => panel.id === id), left = 24 + k * (each + gap);
        write(panel.title, left, top + 16, 16, "ink", "600");
        const sheet = el("canvas", { width: scale * each, height: scale * row.height }), context = sheet.getContext("2d");
        context.scale(scale, scale);
        const plot = new Plot(context, light, each, row.height);
        panel.draw(plot, view);
        plot.done();
        c.drawImage(sheet, left, top + 22, each, row.height);
        keys[number][k].forEach((line, n) => {
          let at = left + 36;
          const y = top + row.height + 28 + 18 * n;
          for (const [look, ink, text] of line) {
            Object.assign(c, { fillStyle: light[ink], strokeStyle: light[ink], lineWidth: 3, globalAlpha: /faint|block/.test(look) ? 0.45 : 1 });
            c.beginPath();
            if (/^(ring|cross|diamond|triangle)$/.test(look)) { mark(c, look, at + 8, y, 4.5); look === "diamond" || look === "triangle" ? c.fill() : c.stroke(); }
            else if (/^(dot|faint|atom)$/.test(look)) { c.arc(at + 8, y, 4, 0, 7); c.fill(); } else if (look === "block") c.fillRect(at, y - 4, 14, 8);
            else { c.setLineDash({ dashed: [5, 3], dotted: [2, 3] }[look] ?? []); c.moveTo(at, y); c.lineTo(at + 16, y); c.stroke(); c.setLineDash([]); }
            c.globalAlpha = 1;
            at = write(text, at + 21, y + 5, 13, "soft") + 17;
          }
        });
      });
      top += row.height + rests[number];
    });
    return canvas;
  }

  // One row a quantity, with a second column for what is frozen
  function csv() {
    const columns = [view, frozen && { ...frozen, frozen: null, own: {} }].filter(Boolean);
    const rows = [["quantity", "value", ...(frozen ? ["frozen"] : [])]];
    for (const key of Object.keys(table)) if (!table[key].quiet) rows.push([key, ...columns.map(({ state }) => state[key])]);
    kind.numbers(view).forEach(([key], k) => rows.push([key, ...columns.map((view) => kind.numbers(view)[k][1])]));
    rows.push(...(kind.series?.(view) ?? []));
    const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
    return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }

  // -- themes, sizes, and the end

  function applyTheme() {
    root.classList.toggle("rl-dark", isDark() && !root.classList.contains("rl-print"));
    inks = readInks(root);
    for (const panel of panels) panel.drawn = "";
  }
  const themed = () => { applyTheme(); redraw(); };
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) listen(matchMedia(query), "change", themed);
  const watcher = new MutationObserver(themed);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  listen(window, "beforeprint", () => { root.classList.add("rl-print"); applyTheme(); drawNow(); });
  listen(window, "afterprint", () => { root.classList.remove("rl-print"); themed(); });
  const sizes = new ResizeObserver(() => {
    fit();
    const ratio = Math.min(3, window.devicePixelRatio || 1);
    for (const panel of panels) {
      const { clientWidth: width, clientHeight: height } = panel.canvas;
      if (width === panel.width && height === panel.height && ratio === panel.ratio) continue;
      Object.assign(panel, { width, height, ratio, drawn: "" });
      Object.assign(panel.canvas, { width: width * ratio, height: height * ratio });
      panel.canvas.getContext("2d").scale(ratio, ratio);
    }
    applyTheme(); // letters grow with the window
    drawNow();
  });
  const fit = () => root.classList.toggle("rl-broad", root.clientWidth >= 52 * parseFloat(getComputedStyle(root).fontSize));
  fit();
  for (const node of [root, ...panels.map((panel) => panel.canvas)]) sizes.observe(node);
  const sight = new IntersectionObserver((entries) => { seen = entries.some((entry) => entry.isIntersecting); });
  sight.observe(root);
  function listen(target, type, action) {
    target.addEventListener(type, action);
    stops.push(() => target.removeEventListener(type, action));
  }

  for (const node of root.querySelectorAll("[data-part]")) node.hidden ||= hide.includes(node.dataset.part);
  applyTheme();
  say(host.said ?? []);
  if (kind.follow) Object.assign(state, kind.follow(state, [], own, []));
  if (host.frozen) freezeAgain({ ...firstState(table), ...host.frozen });
  showControls();
  drawNow();
  stops.push(host.listen((values) => change(values, "host")), () => watcher.disconnect(), () => sizes.disconnect(), () => sight.disconnect());

  function stop() {
    stopped = true;
    clearTimeout(resting);
    cancelAnimationFrame(waiting);
    cancelAnimationFrame(playing);
    clearTimeout(playing);
    for (const end of stops) end?.();
  }
  return { name, state, own, panels, change, say, draw: drawNow, picture, csv, stop, get view() { return view; }, get frozen() { return frozen; }, get milliseconds() { return last; } };
}
// =====================================================================================================================
// 3. The instruments
// =====================================================================================================================

// ---- The target ---------------------------------------------------------------------------------------------------

settings("target", {
  "mu": {"symbol": "μ", "name": "location", "help": "where the bell stands before everything below 0 becomes 0", "least": -4, "most": 4, "step": 0.05, "first": -1},
  "p": {"symbol": "p", "name": "shape", "help": "1 is Laplace’s bell, 2 the Gaussian; small p: sharp peak, heavy tail", "least": 0.25, "most": 4, "step": 0.05, "first": 1},
  "keep": {"name": "Keep the share of zeros", "help": "while p or σ changes, μ follows", "first": false},
  "variance": {"symbol": "σ", "name": "scale", "help": "how wide the bell is: for variance 1 before or after rectification, or by hand", "choices": {"before": "variance 1 before", "after": "variance 1 after", "free": "set by hand"}, "first": "before"},
  "sigma": {"symbol": "σ", "name": "scale, set by hand", "help": "how wide the bell is", "least": 0.1, "most": 4, "step": 0.05, "first": 1, "when": ["variance", "free"]},
  "angle": {"symbol": "α", "name": "direction, in degrees", "help": "from where the points’ shadow is taken: the arrow", "least": 0, "most": 180, "step": 1, "first": 30, "more": true},
  "d": {"symbol": "d", "name": "dimension", "help": "of the vector whose non-zero entries are counted", "least": 2, "most": 2048, "step": 1, "whole": true, "doubling": true, "first": 512, "more": true},
  "axis": {"name": "Vertical axis", "help": "in powers of ten one sees how heavy a tail is", "choices": {"linear": "linear", "log": "powers of ten"}, "first": "linear", "more": true},
  "seed": {"name": "Draw", "help": "another number draws other points", "least": 1, "most": 9999, "step": 1, "whole": true, "first": 1, "more": true}
});

{
  const POINTS = 1000, SHOWN = 150, BINS = 48; // points of the histogram; of these in the plane

  // The last result, as long as the key stays
  const remember = (own, name, key, compute) => {
    if (own[name]?.key !== key) own[name] = { key, value: compute() };
    return own[name].value;
  };

  // Points from low to high, those of `extra` among them; in place of 0, where densities jump, its two sides
  const grid = (low, high, n, extra) => {
    const points = Array.from({ length: n + 1 }, (_, k) => low + ((high - low) * k) / n).concat(extra);
    const inside = points.filter((x) => x >= low && x <= high && Math.abs(x) > 1e-6).concat([-1e-6, 1e-6]);
    return Array.from(Float64Array.from(new Set(inside)).sort());
  };
  const STEPS = [3e-4, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1];
  const AROUND = [0, ...STEPS, ...STEPS.map((step) => -step)]; // distances from a mode, dense where it may be sharp

  const scale = ({ mu, p, variance, sigma }) =>
    variance === "before" ? unitVarianceScale(p) : variance === "after" ? rectifiedUnitVarianceScale(p, mu) : sigma;

  const describe = ({ mu, p }, sigma) => `μ = ${number(mu)}, p = ${number(p)}, σ = ${number(sigma)}`;
  const tops = (peak) => [1.2, 2.4, 4.8].find((top) => peak <= top) ?? 4.8;
  const extent = (view) => Math.max(view.result.reach, view.frozen?.result.reach ?? 0);

  instrument("target", {
    title: "The target",
    lead: "What the features of a network shall look like: draw from a bell and set everything below zero to zero. Exact zeros appear. Move μ, and choose how many.",
    pure: true,
    presets: [
      { name: "Half are zero, whatever p", set: { mu: 0 }, say: "At μ = 0 half of the bell lies below zero, so half of the entries are zero. Move p: the bell changes its shape, the share stays." },
      { name: "Heavy tail", set: { mu: -2, p: 0.5, axis: "log" }, say: "In powers of ten the Gaussian’s tail bends down and this one hardly does. Far out a heavy tail wins: at μ = −2, p = 0.5 leaves more entries non-zero than p = 4. Press Freeze and move p." },
      { name: "Same zeros, another shape", set: { mu: -1, keep: true }, say: "μ now follows, so that the share of zeros stays. Move p: the number stays, and how unequal the non-zero entries are changes." },
      { name: "Shadow on both sides", set: { mu: -1, p: 2, variance: "free", sigma: 1, angle: 135 }, say: "Across the diagonal one coordinate pulls to the left and the other to the right. Turn the arrow slowly towards 180°: one part grows narrow and tall, and on the axis it joins the mass at 0." },
    ],
    rows: [{ panels: ["density"], height: 230 }, { panels: ["points", "shadow"], height: 280 }],

    compute(state, own) {
      const { mu, p, angle, d, seed } = state, sigma = scale(state), law = rectified(mu, sigma, p), c = unit(angle);
      const spread = Math.abs(mu) + (2.5 * sigma) / unitVarianceScale(p);
      const reach = [4, 8, 16].find((reach) => reach === 16 || spread <= reach); // of all axes of x
      const key = [mu, sigma, p].join();
      const near = AROUND.map((step) => mu + sigma * step);
      const curve = remember(own, "curve", key, () => {
        const x = grid(-reach, reach, 160, near);
        return { x, density: x.map(law.density) };
      });
      const points = remember(own, "points", `${key},${seed}`, () => {
        const t = remember(own, "draws", `${p},${seed}`, () => draws(2 * POINTS, p, 2 * seed));
        const before = t.map((t) => mu + sigma * t), after = before.map((x) => (x > 0 ? x : 0));
        return { before, after, counted: after.reduce((n, x) => n + (x > 0), 0) / after.length };
      });
      const seen = remember(own, "shadow", `${key},${seed},${angle}`, () => {
        const counts = new Array(BINS).fill(0), width = (2 * reach) / BINS;
        for (let i = 0; i < POINTS; i++) {
          const y = c[0] * points.after[2 * i] + c[1] * points.after[2 * i + 1], bin = Math.floor((y + reach) / width);
          if (y !== 0 && bin >= 0 && bin < BINS) counts[bin]++;
        }
        const fine = c.filter((c) => c).flatMap((c) => near.concat(near.map((x) => x - mu)).map((x) => c * x));
        const y = grid(-reach, reach, 120, [...fine, ...near.map((x) => (c[0] + c[1]) * x)]);
        return { y, ...shadow(law, c, y), bins: counts.map((n) => n / POINTS / width), width };
      });
      own.share ??= law.active;
      return { law, c, reach, ...curve, points, shadow: seen, l0: d * law.active, d };
    },

    follow(state, changed, own, said = []) {
      const more = {};
      if (changed.includes("sigma") && !changed.includes("variance") && state.variance !== "free") more.variance = "free";
      if (changed.includes("variance") && state.variance === "free" && !changed.includes("sigma"))
        more.sigma = Number(Math.min(4, Math.max(0.1, own.curve ? own.lastSigma : 1)).toFixed(4)); // where it was
      const now = { ...state, ...more };
      const moved = changed.some((name) => /^(p|variance|sigma)$/.test(name));
      if (!state.keep || changed.includes("mu") || changed.includes("keep") || own.share === undefined)
        own.share = rectified(state.mu, scale(now), state.p).active;
      else if (moved && own.share > 0 && own.share < 1) {
        const threshold = upperQuantile(own.share, state.p); // non-zero where T is above it: mu = -sigma threshold
        const sigma = now.variance === "after" ? rectified(-threshold, 1, state.p).variance ** -0.5 : scale(now);
        const mu = Number((-sigma * threshold).toFixed(9));
        if (Math.abs(mu) > 4) said.push(`To keep the share of zeros, μ would be ${number(mu)}.`);
        more.mu = mu;
      }
      own.lastSigma = scale({ ...now, ...more });
      return more;
    },

    panels: [
      {
        id: "density", title: "One entry: density, and mass at 0", wide: true,
        uses: ["mu", "p", "variance", "sigma", "axis"],
        legend: [["dashed", "gaussian", "before rectification"], ["line", "rectified", "after"], ["atom", "rectified", "mass at exactly 0"], ["block", "gaussian", "what becomes 0"]],
        draw(plot, { state, result, frozen }) {
          const { x, density, law } = result, positive = x.findIndex((x) => x > 0), log = state.axis === "log";
          const reach = Math.max(result.reach, frozen?.result.reach ?? 0), top = tops(Math.max(...density));
          plot.axes({ x: [-reach, reach], y: log ? [1e-5, 10] : [0, top], log, xLabel: "x", yLabel: log ? "density, or mass at 0, in powers of ten" : "density, or mass at 0" });
          plot.area(x.slice(0, positive), density.slice(0, positive), "gaussian", 0.16);
          plot.area(x.slice(positive), density.slice(positive), "rectified", 0.14);
          if (frozen) {
            const was = frozen.result, from = was.x.findIndex((x) => x > 0);
            plot.line(was.x, was.density, "muted", { width: 1.5, dash: [2, 4] });
            plot.line(was.x.slice(from), was.density.slice(from), "muted", { width: 2.5 });
            plot.mass(0, was.law.atom, "muted", { alpha: 0.7 });
          }
          plot.line(x, density, "gaussian", { dash: [6, 5] });
          plot.line(x.slice(positive), density.slice(positive), "rectified", { width: 3 });
          plot.mass(0, law.atom, "rectified");
          plot.words(percent(law.atom), plot.X(0) + 12, plot.Y(Math.max(law.atom, log ? 1e-5 : 0)), "ink", { pixels: true, bold: true, base: "middle", scale: 0.9 });
          const peak = Math.max(...density);
          if (!log && peak > top) plot.words(`top at ${number(peak, 3)}, cut off`, plot.box.right - 4, plot.box.top, "soft", { pixels: true, align: "right" });
        },
        handles: [{
          setting: "mu", label: "μ, the bell’s location, on the picture",
          at: ({ state, result }, plot) => [state.mu, Math.min(result.law.density(state.mu), plot.y[1])],
          to: (x) => ({ mu: x }),
        }],
        drag: ([x0], [x1], { start }) => ({ mu: start.mu + x1 - x0 }),
        say: ({ state, result }) => `At ${describe(state, result.law.sigma)}, ${percent(result.law.atom)} of the mass sits at 0, the rest follows the bell to the right of 0.`,
      },
      {
        id: "points", title: "Two entries: points",
        uses: ["mu", "p", "variance", "sigma", "angle", "seed"],
        legend: [["faint", "gaussian", "before"], ["dot", "rectified", "after"], ["line", "theory", "direction"]],
        draw(plot, view) {
          const { points, c } = view.result, reach = 0.9 * extent(view);
          plot.axes({ x: [-reach, reach], y: [-reach, reach], equal: true, xLabel: "x₁", yLabel: "x₂", yZero: true });
          const pick = (values, j) => Array.from({ length: SHOWN }, (_, i) => values[2 * i + j]);
          const [a, b, u, v] = [pick(points.before, 0), pick(points.before, 1), pick(points.after, 0), pick(points.after, 1)];
          plot.segments(a, b, u, v, "gaussian", { alpha: 0.16 });
          plot.dots(a, b, "gaussian", 2.2, 0.35);
          plot.dots(u, v, "rectified", 2.8);
          plot.words(`${percent(view.result.law.atom ** 2)} in the corner`, plot.box.right - 2, plot.Y(0) + 8, "ink", { pixels: true, bold: true, align: "right" });
          const tip = 0.8 * reach;
          plot.segments([0], [0], [tip * c[0]], [tip * c[1]], "theory", { width: 3, heads: 11 });
        },
        handles: [{
          setting: "angle", label: "α, the direction of the arrow, on the picture",
          at: (view) => view.result.c.map((c) => 0.79 * extent(view) * c),
          to: (x, y) => ({ angle: turn(x, y) }),
        }],
        drag: (from, [x, y]) => ({ angle: turn(x, y) }),
        say: ({ state }) => `${SHOWN} points. Every negative coordinate becomes 0, so that points move onto the axes and into the corner. The arrow points at ${show(state.angle)} degrees.`,
      },
      {
        id: "shadow", title: "Their shadow in that direction",
        uses: ["mu", "p", "variance", "sigma", "angle", "seed", "axis"],
        legend: [["block", "rectified", "shadows of 1000 points"], ["line", "theory", "exact density"], ["dashed", "muted", "from the axes (ridges)"], ["dotted", "muted", "from the interior"], ["atom", "theory", "mass at 0"]],
        draw(plot, { state, result, frozen }) {
          const { y, density, ridges, interior, bins, width, atom } = result.shadow, log = state.axis === "log";
          const reach = result.reach, peak = Math.max(...density), top = tops(Math.max(peak, ...bins));
          plot.axes({ x: [-reach, reach], y: log ? [1e-5, 10] : [0, top], log, xLabel: "c₁x₁ + c₂x₂", yLabel: "density, or mass at 0" });
          plot.bars(bins, -reach, width, "rectified", 0.35);
          if (frozen) plot.line(frozen.result.shadow.y, frozen.result.shadow.density, "muted", { width: 2.5, alpha: 0.6 });
          plot.line(y, ridges, "muted", { width: 1.5, dash: [6, 4] });
          plot.line(y, interior, "muted", { width: 1.5, dash: [1, 4] });
          plot.line(y, density, "theory", { width: 2.2 });
          plot.mass(0, atom, "theory");
          plot.words(percent(atom), plot.X(0) + 12, plot.Y(Math.max(atom, log ? 1e-5 : 0)), "ink", { pixels: true, bold: true, base: "middle" });
          if (!log && peak > top) plot.words(`top at ${number(peak, 3)}, cut off`, plot.box.right - 4, plot.box.top, "soft", { pixels: true, align: "right" });
        },
        say: ({ result: { c, shadow } }) => `Mass ${number(shadow.atom)} at 0; the rest is spread ${c[0] < 0 && c[1] > 0 ? "on both sides of 0" : c[0] < 0 ? "below 0" : "above 0"}.`,
      },
    ],

    headline({ result, frozen }) {
      return [
        { number: number(result.l0, 3), words: `of ${result.d} entries are non-zero (E‖x‖₀, Eq. 11)`, was: frozen ? `frozen: ${number(frozen.result.l0, 3)} of ${frozen.result.d}` : "" },
        { number: percent(result.law.atom), words: "are zero: P(x = 0)", was: frozen ? `frozen: ${percent(frozen.result.law.atom)}` : "" },
      ];
    },
    facts({ result: { law, points, shadow } }) {
      return [
        ["non-zero, in closed form", percent(law.active)], ["non-zero, counted in 2000 draws", percent(points.counted)],
        ["scale σ", number(law.sigma)], ["mean", number(law.mean)], ["variance after rectification", number(law.variance)],
        ["d(ξ)-dimensional entropy, nats", number(law.entropy)], ["mass at 0 of the shadow", number(shadow.atom)],
      ];
    },
    numbers: ({ result: { law, l0, points, shadow } }) => [
      ["expected_l0", l0], ["share_nonzero", law.active], ["share_zero", law.atom], ["share_nonzero_counted", points.counted], ["scale", law.sigma],
      ["mean", law.mean], ["variance_after", law.variance], ["entropy", law.entropy], ["shadow_atom", shadow.atom],
    ],
    caption: ({ state, result }) => `The target: ${describe(state, result.law.sigma)}, direction ${show(state.angle)}°.`,
    words: ({ state, result }) => `${describe(state, result.law.sigma)}: ${number(result.l0, 3)} of ${result.d} entries are non-zero, ${percent(result.law.atom)} are zero.`,
  });

  // The angle of a place in the plane, from 0 to 180 degrees; below the axis the nearer end
  function turn(x, y) {
    const angle = (Math.atan2(y, x) * 180) / Math.PI;
    return angle >= 0 ? angle : angle > -90 ? 0 : 180;
  }
}

// ---- Moving points --------------------------------------------------------------------------------------------------

settings("points", {
  "mu": {"symbol": "μ", "name": "target’s location", "help": "further left asks for more zeros; move it while it runs", "least": -3, "most": 2, "step": 0.05, "first": -1},
  "p": {"symbol": "p", "name": "target’s shape", "help": "1 is Laplace’s bell, 2 the Gaussian", "least": 0.25, "most": 4, "step": 0.05, "first": 1},
  "pull": {"name": "Show each point’s pull", "first": false},
  "loss": {"name": "Loss", "help": "RDMReg aims at the target; SIGReg, the loss of LeJEPA, at a Gaussian about 0", "choices": {"rdmreg": "RDMReg", "sigreg": "SIGReg"}, "first": "rdmreg", "more": true},
  "output": {"name": "What makes zeros", "help": "ReLU: a point is max(w, 0). Clamped: after each step w < 0 is set to 0. Neither: the points themselves", "choices": {"relu": "ReLU", "clamp": "clamped after each step", "none": "neither"}, "first": "relu", "more": true},
  "start": {"name": "Start", "help": "by hand: press Reset, then draw in the plane", "choices": {"blob": "a blob", "collapsed": "collapsed to a point", "hand": "drawn by hand"}, "first": "blob", "more": true},
  "directions": {"symbol": "N", "name": "directions a step", "help": "fresh ones in each step", "least": 1, "most": 128, "step": 1, "whole": true, "doubling": true, "first": 64, "more": true},
  "batch": {"symbol": "B", "name": "points a step", "help": "of 256; as many draws of the target", "least": 8, "most": 256, "step": 1, "whole": true, "doubling": true, "first": 256, "more": true},
  "lr": {"symbol": "η", "name": "learning rate (Adam)", "help": "at 0.02 the points do not arrive within 400 steps", "least": 0.005, "most": 0.5, "step": 0.005, "first": 0.05, "more": true},
  "angle": {"symbol": "α", "name": "direction shown, in degrees", "help": "of the pairing and the arrow", "least": 0, "most": 180, "step": 1, "first": 30, "more": true},
  "steps": {"name": "Stop after, in steps", "least": 10, "most": 2000, "step": 10, "whole": true, "first": 400, "more": true},
  "seed": {"name": "Draw", "help": "another number draws other targets and directions", "least": 1, "most": 9999, "step": 1, "whole": true, "first": 1, "more": true},
  "playing": {"name": "Playing", "quiet": true, "first": false}
});

{
  const COUNT = 256;
  const kept = (w, output) => (output === "relu" ? w.map((x) => (x > 0 ? x : 0)) : w);
  const zerosOf = (z) => z.reduce((n, x) => n + (x === 0), 0) / z.length;
  const sampleTarget = (n, { mu, p }, uniform) => {
    const sigma = unitVarianceScale(p);
    return Float64Array.from({ length: 2 * n }, () => Math.max(0, mu + sigma * draw(uniform, p)));
  };

  // Where the 256 points start, x1 and x2 of one after the other
  function startPoints({ start, seed }, hand) {
    const uniform = uniforms(7 * seed + 1), spread = { blob: 0.3, collapsed: 0.01, hand: 0.03 }[start];
    const centre = (i) => (start === "hand" && hand?.length ? hand[i % hand.length] : [2, 1]);
    return Float64Array.from({ length: 2 * COUNT }, (_, k) => centre(k >> 1)[k % 2] + spread * normal(uniform));
  }

  function newRun(state, own) {
    const w = startPoints(state, own.hand), zeros = () => new Float64Array(2 * COUNT);
    own.run = { key: runKey(state, own), w, first: zeros(), second: zeros(), gradient: zeros(), uniform: uniforms(state.seed), step: 0, loss: NaN, history: [], until: state.steps, moved: state.start === "hand" };
  }
  const runKey = ({ start, seed }, own) => [start, seed, own.strokes ?? 0].join();

  const TRAINED_BY = ["mu", "p", "loss", "output", "directions", "batch", "lr"];

  // One step of training: fresh directions and a fresh sample of the target, the loss of Eq. 13, Adam.
  function train(state, run) {
    const { uniform, w } = run, B = state.batch, key = TRAINED_BY.map((name) => state[name]).join();
    run.moved ||= run.trainedBy !== undefined && run.trainedBy !== key; // a hand changed the settings on the way
    run.trainedBy = key;
    const chosen = Array.from({ length: COUNT }, (_, i) => i);
    for (let i = 0; i < B && B < COUNT; i++) {
      const j = i + Math.floor(uniform() * (COUNT - i));
      [chosen[i], chosen[j]] = [chosen[j], chosen[i]];
    }
    const z = new Float64Array(2 * B), output = kept(w, state.output);
    for (let i = 0; i < 2 * B; i++) z[i] = output[2 * chosen[i >> 1] + (i % 2)];
    const directions = Float64Array.from(Array.from({ length: state.directions }, () => 2 * Math.PI * uniform()).flatMap((t) => [Math.cos(t), Math.sin(t)]));
    const { loss, gradient } = state.loss === "sigreg" ? sigreg(z, directions) : rdmreg(z, sampleTarget(B, state, uniform), directions);
    run.gradient.fill(0);
    for (let i = 0; i < 2 * B; i++) {
      const k = 2 * chosen[i >> 1] + (i % 2);
      if (state.output !== "relu" || w[k] > 0) run.gradient[k] = gradient[i]; // below 0 the ReLU lets no gradient through
    }
    run.step++;
    const [c1, c2] = [1 - 0.9 ** run.step, 1 - 0.999 ** run.step];
    for (let k = 0; k < 2 * COUNT; k++) {
      const g = run.gradient[k], m = (run.first[k] = 0.9 * run.first[k] + 0.1 * g), v = (run.second[k] = 0.999 * run.second[k] + 0.001 * g * g);
      w[k] -= (state.lr * m) / c1 / (Math.sqrt(v / c2) + 1e-8);
      if (state.output === "clamp" && w[k] < 0) w[k] = 0;
    }
    run.loss = loss;
    run.history.push([loss, zerosOf(kept(w, state.output)), state.loss === "rdmreg" ? rectified(state.mu, null, state.p).atom : NaN]);
  }

  const alive = (state, own) => { if (own.run?.key !== runKey(state, own)) newRun(state, own); return own.run; };

  instrument("points", {
    title: "Moving points",
    lead: "Press Play. In each step the loss, RDMReg, projects points and target on random directions, compares these shadows, and pulls. Nobody tells a point to be zero.",
    presets: [
      { name: "Twelve in a hundred non-zero", set: { mu: -1 }, say: "Press Play. Points slide onto the axes, and most of them into the corner, until as many coordinates are zero as the target asks for." },
      { name: "Half, then more", set: { mu: 0 }, say: "Press Play, and when the points have settled move μ to the left: more of them become zero. Move it back: those in the corner stay there, for below 0 the ReLU lets no gradient through." },
      { name: "From a collapse", set: { start: "collapsed" }, say: "Press Play. All points start at one place. A loss that compares shadows pulls them apart: collapse is no way out." },
      { name: "Without ReLU", set: { output: "none", mu: 0 }, say: "The same target, but nothing makes a coordinate exactly zero: the points come near the axes, and the share of zeros stays 0." },
    ],
    rows: [{ panels: ["plane", "pairing"], height: 330 }, { panels: ["history"], height: 170 }],

    buttons({ state, own, change, draw }) {
      const make = (name, text, action) => {
        const node = el("button", { type: "button", className: `rl-${name}` }, text);
        node.addEventListener("click", action);
        return node;
      };
      const play = make("play", "Play", () => {
        const run = alive(state, own);
        if (!state.playing && run.step >= run.until) run.until = run.step + state.steps;
        change({ playing: !state.playing });
      });
      const one = make("step", "Step", () => { train(state, alive(state, own)); change({ playing: false }); draw(); });
      const again = make("again", "Restart", () => { own.hand = null; newRun(state, own); change({ playing: false }); draw(); });
      return [el("div", { className: "rl-buttons", "data-part": "buttons" }, play, one, again)];
    },
    showButtons(state, own, form) {
      const play = form.querySelector(".rl-play");
      if (play) play.textContent = state.playing ? "Pause" : "Play";
    },
    reset(own) { own.run = null; own.hand = null; },
    follow(state, changed, own) {
      if (changed.includes("steps") && own.run) own.run.until = state.steps > own.run.step ? state.steps : own.run.step;
      return {};
    },
    tick(state, own) {
      const run = alive(state, own);
      if (run.step < run.until) train(state, run);
      return run.step < run.until;
    },

    compute(state, own) {
      const run = alive(state, own), z = kept(run.w, state.output), targeted = state.loss === "rdmreg";
      // a sample of the target that does not flicker, to look at
      const key = [state.mu, state.p, state.seed, state.loss].join();
      if (own.ghost?.key !== key) {
        const uniform = uniforms(31 * state.seed);
        const sample = targeted ? sampleTarget(COUNT, state, uniform) : Float64Array.from({ length: 2 * COUNT }, () => normal(uniform));
        own.ghost = { key, sample };
      }
      const c = unit(state.angle), project = (points) => Float64Array.from({ length: COUNT }, (_, i) => c[0] * points[2 * i] + c[1] * points[2 * i + 1]).sort();
      let origin = 0, axis = 0;
      for (let i = 0; i < COUNT; i++) {
        const n = (z[2 * i] === 0) + (z[2 * i + 1] === 0);
        origin += n === 2;
        axis += n === 1;
      }
      return {
        tick: `${run.step},${run.key}`, step: run.step, loss: run.loss, z, w: run.w, gradient: run.gradient, history: run.history, until: run.until,
        asked: targeted ? rectified(state.mu, null, state.p).atom : NaN, seen: zerosOf(z), origin: origin / COUNT, axis: axis / COUNT,
        moved: run.moved, ghost: own.ghost.sample, c, shadows: project(z), goals: project(own.ghost.sample), batch: state.batch,
      };
    },
    again: ({ step, moved }) => (moved || step < 10 ? null : { steps: step }),
    snapshot: (result) => ({ ...result, z: result.z.slice(), history: result.history.slice() }),

    panels: [
      {
        id: "plane", title: "The points",
        uses: ["mu", "p", "pull", "output", "angle", "loss"],
        legend: [["dot", "measurement", "points z"], ["faint", "gaussian", "w, before the ReLU"], ["faint", "rectified", "a sample of the target"], ["line", "theory", "direction"]],
        draw(plot, { state, result }) {
          const { z, w, ghost, c } = result;
          plot.axes({ x: [-1.6, 3.6], y: [-1.6, 3.6], equal: "from left", xLabel: "z₁", yLabel: "z₂", yZero: true });
          const pick = (values, j) => Array.from({ length: COUNT }, (_, i) => values[2 * i + j]);
          const [u, v] = [pick(z, 0), pick(z, 1)];
          plot.dots(pick(ghost, 0), pick(ghost, 1), "rectified", 4.5, 0.35);
          if (state.output === "relu") {
            plot.segments(pick(w, 0), pick(w, 1), u, v, "gaussian", { alpha: 0.14 });
            plot.dots(pick(w, 0), pick(w, 1), "gaussian", 2, 0.4);
          }
          if (state.pull) {
            const far = result.batch; // times B, the gradient is twice the mean gap
            const end = (values, j) => values.map((x, i) => x - far * result.gradient[2 * i + j]);
            plot.segments(u, v, end(u, 0), end(v, 1), "theory", { width: 1.4, alpha: 0.8, heads: 4 });
          }
          plot.dots(u, v, "measurement", 3);
          plot.segments([0], [0], [2.6 * c[0]], [2.6 * c[1]], "theory", { width: 2.5, heads: 10 });
          const lines = [`${(100 * result.origin).toFixed(0)} % at the origin`, `${(100 * result.axis).toFixed(0)} % on an axis`];
          lines.forEach((line, k) => plot.words(line, plot.box.right - 6, plot.Y(0) + 10 + 1.1 * k * plot.inks.size, "ink", { pixels: true, align: "right", bold: true }));
        },
        handles: [{
          setting: "angle", label: "α, the direction that is shown, on the picture",
          at: ({ result }) => result.c.map((c) => 2.75 * c),
          to: (x, y) => ({ angle: Math.max(0, Math.min(180, (Math.atan2(Math.max(0, y), x) * 180) / Math.PI)) }),
        }],
        // by hand: what the pointer passes becomes the start
        touch: (state) => state.start === "hand",
        drag(from, to, { state, own }) {
          if (state.start !== "hand") return { angle: (Math.atan2(Math.max(0, to[1]), to[0]) * 180) / Math.PI };
          if (!own.hand || own.run?.step > 0) own.hand = [];
          own.hand.push(to);
          own.strokes = (own.strokes ?? 0) + 1;
          return null;
        },
        say: ({ result }) => `After ${result.step} steps ${percent(result.origin)} of the points lie at the origin and ${percent(result.axis)} on an axis.`,
      },
      {
        id: "pairing", title: "Shadows in one direction, in order",
        uses: ["mu", "p", "output", "angle", "loss"],
        legend: [["dot", "measurement", "shadows of the points"], ["dot", "rectified", "shadows of the target"], ["line", "muted", "the k-th beside the k-th"]],
        draw(plot, { result }) {
          const { shadows, goals } = result, row = (y) => new Float64Array(COUNT).fill(y);
          const reach = Math.max(3.6, Math.abs(shadows[0]), Math.abs(shadows[COUNT - 1]));
          plot.axes({ x: [result.c[0] < 0 ? -Math.min(8, reach) : -0.6, Math.min(8, reach)], y: [0, 1], yTicks: [], xLabel: "c₁z₁ + c₂z₂" });
          plot.segments(shadows, row(0.8), goals, row(0.25), "muted", { alpha: 0.5 });
          plot.dots(shadows, row(0.8), "measurement", 3, 0.7);
          plot.dots(goals, row(0.25), "rectified", 3, 0.7);
          const gap = shadows.reduce((sum, x, k) => sum + (x - goals[k]) ** 2, 0) / COUNT;
          plot.words("points", plot.box.left + 4, plot.Y(0.93), "soft", { pixels: true });
          plot.words("target", plot.box.left + 4, plot.Y(0.14), "soft", { pixels: true });
          plot.words(`mean squared gap ${number(gap, 2)}`, plot.box.right - 4, plot.Y(0.97), "ink", { pixels: true, align: "right" });
        },
        say: () => "Shadows of the points above, of a sample of the target below; lines join the smallest to the smallest, the second to the second, and so on.",
      },
      {
        id: "history", title: "Share of zeros, step by step", uses: ["mu", "p", "steps", "loss"],
        legend: [["line", "measurement", "seen"], ["dashed", "theory", "asked (Eq. 11)"]],
        draw(plot, { result, frozen, state }) {
          const steps = Math.max(state.steps, result.until, frozen?.result.history.length ?? 0), { history } = result;
          plot.axes({ x: [0, steps], y: [0, 1], yTicks: [0, 0.25, 0.5, 0.75, 1], yFormat: (y) => `${100 * y} %`, xLabel: "step" });
          const curve = (history, k) => [history.map((_, i) => i + 1), history.map((row) => row[k])];
          if (frozen) plot.line(...curve(frozen.result.history, 1), "muted", { width: 2.5, alpha: 0.6 });
          const asked = history.map((row) => row[2]), now = result.asked;
          plot.line([0, ...asked.map((_, i) => i + 1), steps], [asked[0] ?? now, ...asked, now].map((x) => (Number.isNaN(x) ? -1 : x)), "theory", { width: 1.6, dash: [6, 5] });
          plot.line(...curve(history, 1), "measurement", { width: 2.6 });
        },
        say: ({ result }) => `Asked ${percent(result.asked)}, seen ${percent(result.seen)} after ${result.step} steps.`,
      },
    ],

    headline({ result, frozen }) {
      return [
        { number: percent(result.seen), words: "of the coordinates are zero", was: frozen ? `frozen: ${percent(frozen.result.seen)}` : "" },
        { number: percent(result.asked), words: Number.isNaN(result.asked) ? "SIGReg asks for no zeros" : "asked for (Eq. 11)", was: frozen ? `frozen: ${percent(frozen.result.asked)}` : "" },
      ];
    },
    facts: ({ result }) => [["step", show(result.step)], ["loss of this step", number(result.loss, 3)], ["points at the origin", percent(result.origin)], ["points on an axis", percent(result.axis)]],
    numbers: ({ result }) => [["step", result.step], ["step_loss", Number.isNaN(result.loss) ? 0 : result.loss], ["zeros_seen", result.seen], ["zeros_asked", Number.isNaN(result.asked) ? 0 : result.asked], ["at_origin", result.origin], ["on_axis", result.axis]],
    series: ({ result }) => [[], ["step", "loss", "zeros_seen", "zeros_asked"], ...result.history.map((row, k) => [k + 1, ...row])],
    caption: ({ state, result }) => `Moving points: μ = ${number(state.mu)}, p = ${number(state.p)}, after ${result.step} steps of ${state.loss === "rdmreg" ? "RDMReg" : "SIGReg"}.`,
    words: ({ state, result }) => `μ = ${number(state.mu)}, p = ${number(state.p)}, step ${result.step}: ${percent(result.seen)} of the coordinates are zero, asked are ${percent(result.asked)}.`,
  });
}

// ---- Trained networks -------------------------------------------------------------------------------------------------

// On the page alone: docs/lab.py packs the results into it, each run as what differs from most runs of its data set. One's
// own result files join them, and stay in this function.
function trainedNetworks({ defaults, usual, runs: packed, published }) {
  const runs = new Map(), choices = {}, FIRST = "cifar100/quarter_rdmreg_p1_mu-1_100epochs_seed0";
  const MEASURES = {
    encoder_probe: "encoder, linear probe", encoder_knn: "encoder, nearest neighbours",
    projector_probe: "z, linear probe", projector_knn: "z, nearest neighbours",
  };
  const isMine = (id) => id.startsWith("own/");
  let mine = 0; // how many files were opened

  // -- what a result says

  // The distribution that the loss compared each feature of z with, or null (PretrainConfig.compared_with)
  function aimOf({ epochs, regularizer, regularizer_weight, coordinate_weight, mu, p, rectify, rectify_target }) {
    if (!epochs) return null;
    if (coordinate_weight || (/^(rdmreg|rgg_cf)$/.test(regularizer) && regularizer_weight))
      return { mu, p, rectified: rectify_target ?? rectify };
    return regularizer === "sigreg" && regularizer_weight ? { mu: 0, p: 2, rectified: false } : null;
  }

  // What belongs to the budget, to the target or to the machine; all else that differs from the usual names the method
  const APART = new Set("dataset data_dir backbone cifar_stem stem_stride channels dim p mu rectify rectify_target regularizer epochs seed device cuda_graph checkpoint_seconds".split(" "));
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const plainly = (value) => (value === null ? "none" : typeof value === "number" ? show(value) : Array.isArray(value) ? value.join(", ") : typeof value === "object" ? Object.entries(value).map((pair) => pair.join(" ")).join(", ") : String(value));

  function methodOf(config, ordinary) {
    const { regularizer, rectify } = config, target = config.rectify_target ?? rectify;
    if (!config.epochs) return config.backbone === "pixels" ? "Pixels as they are" : "Untrained";
    const name = {
      none: "Invariance alone", sigreg: `LeJEPA (SIGReg)${rectify ? " with ReLU" : ""}`, rgg_cf: "One-sample loss",
    }[regularizer] ?? (rectify && target ? "Rectified LpJEPA" : rectify ? "ReLU, target not rectified" : target ? "No ReLU, target rectified" : "LpJEPA");
    const others = Object.keys(config).filter((key) => !APART.has(key) && !same(config[key], key === "regularizer_weight" && regularizer === "sigreg" ? 250 : ordinary[key]));
    return [name, ...others.map((key) => `${key.replaceAll("_", " ")} ${plainly(config[key])}`)].join(", ");
  }

  function add(id, { config, provenance, final, sheet }, name = "") {
    const md5 = provenance.data_md5?.test, ordinary = usual[config.dataset];
    // accuracies are compared within one data set alone: the same name is not enough
    const other = md5 && md5 !== ordinary?.provenance.data_md5.test, dataset = other ? `${config.dataset} ${String(md5).slice(0, 6)}` : config.dataset;
    const { epochs, backbone, channels, cifar_stem, stem_stride, dim, seed } = config, aim = aimOf(config), gaussian = config.regularizer === "sigreg";
    const [p, mu] = aim && !gaussian ? [config.p, config.mu] : [NaN, NaN];
    const wide = channels ? `${channels[0]} to ${channels.at(-1)} wide` : "", network = [backbone, wide, cifar_stem && `3×3 stem${stem_stride === 2 ? " of stride 2" : ""}`, `D = ${dim}`];
    const budget = [epochs ? `${epochs} epochs` : "No training", ...network].filter(Boolean).join(", "), trained = [`${epochs} epochs`, wide].filter(Boolean).join(", ");
    const method = methodOf(config, ordinary?.config ?? defaults), usually = method === "Rectified LpJEPA";
    const short = [usually ? "" : method, aim && !gaussian ? `p = ${show(p)}, μ = ${show(mu)}` : "", `seed ${seed}`].filter(Boolean).join(", ");
    const law = aim && rectified(aim.mu, null, aim.p);
    const zeros = 1 - final.nonzero_fraction;
    runs.set(id, { id, name, config, provenance, final, sheet, dataset, budget, trained, method, p, mu, aim, law, zeros, seed, short: name ? `${name}: ${short}` : short, asked: aim?.rectified ? law.active : NaN });
    choices[id] = `${dataset}: ${short}`;
  }

  for (const [id, { config, provenance, ...rest }] of Object.entries(packed)) {
    const { config: ordinary, provenance: source } = usual[id.split("/")[0]];
    add(id, { config: { ...ordinary, ...config }, provenance: { ...source, ...provenance }, ...rest });
  }

  // -- one's own files

  const isNumbers = (list) => Array.isArray(list) && list.length > 1 && list.every(Number.isFinite);
  const isShare = (x) => Number.isFinite(x) && x >= 0 && x <= 1;

  // What a result file holds, in the form of `add`, or null if it is none. Python writes NaN where JSON knows none.
  function read(text) {
    let raw = null;
    try { raw = JSON.parse(text.replace(/-?\b(NaN|Infinity)\b/g, "null")); } catch { return null; }
    if (!raw?.config || !isShare(raw.final?.nonzero_fraction)) return null;
    const config = { ...defaults, ...raw.config }, { histogram, active_share: shares, ...rest } = raw.final;
    if (![config.p, config.mu, config.epochs, config.seed, config.dim].every(Number.isFinite) || !(config.p > 0) || typeof config.dataset !== "string") return null;
    if (config.channels !== null && !isNumbers(config.channels)) return null;
    const final = Object.fromEntries(Object.entries(rest).filter(([key, value]) => (key in MEASURES ? isShare(value) : Number.isFinite(value))));
    if (isNumbers(histogram?.edges) && isNumbers(histogram.density)) final.histogram = { edges: [histogram.edges[0], histogram.edges.at(-1)], density: histogram.density };
    if (isNumbers(shares)) final.active_share = [...shares].sort((a, b) => b - a);
    return { config, provenance: { ...raw.provenance }, final };
  }

  async function open(files, { change, say }) {
    const refused = [], opened = [];
    for (const file of files) {
      const text = file.size < 5e6 ? await file.text().catch(() => "") : "", run = read(text);
      if (!run) { refused.push(file.name); continue; }
      const again = [...runs.values()].find(({ id, text: had }) => isMine(id) && had === text);
      const id = again?.id ?? `own/${++mine}`;
      if (!again) {
        const name = file.name.replace(/\.json$/i, "").replace(/[^\p{L}\p{N}_.-]+/gu, "_").slice(0, 40);
        add(id, run, name === "result" ? `own run ${mine}` : name);
        runs.get(id).text = text;
      }
      opened.push(id);
    }
    if (opened.length) change({ run: opened[0] });
    say([
      opened.length ? `${opened.length === 1 ? "A run of your own has" : `${opened.length} runs of your own have`} joined the comparison. ${opened.length === 1 ? "It stays" : "They stay"} on this machine, and out of the link.` : "",
      ...refused.map((name) => `“${name.slice(0, 60)}” is no result of rlpjepa.pretrain and is left out.`),
    ]);
  }

  // -- choosing

  const within = (dataset) => [...runs.values()].filter((run) => run.dataset === dataset);
  const unique = (values) => [...new Set(values)];
  const grouped = (some, key) => some.reduce((groups, one) => groups.set(String(key(one)), [...(groups.get(String(key(one))) ?? []), one]), new Map());
  const kin = (run) => within(run.dataset).filter((other) => other.budget === run.budget && other.method === run.method && Object.is(other.p, run.p));

  // Of some runs the one that is most like another: its budget, its method, p, μ; then one that keeps a histogram
  function closest(some, like) {
    const marks = (run) => [run.budget === like.budget, run.method === like.method, Object.is(run.p, like.p), -(Math.abs(run.mu - like.mu) || 0), Boolean(run.final.histogram), run.seed === like.seed];
    return some.map((run) => [run, marks(run)]).sort(([, a], [, b]) => { const k = a.findIndex((mark, k) => mark !== b[k]); return k < 0 ? 0 : b[k] - a[k]; })[0][0].id;
  }

  settings("networks", {
    run: { name: "Run", choices, first: FIRST in choices ? FIRST : Object.keys(choices)[0], placed: true, local: isMine },
    measure: { name: "Accuracy", help: "on test images: of the encoder’s features, or of z, the projector’s output", choices: MEASURES, first: "encoder_probe" },
    axis: { name: "Vertical axis of the histogram", help: "in powers of ten one sees the tail", choices: { linear: "linear", log: "powers of ten" }, first: "linear", more: true },
    post: { name: "Show the post’s points", help: "CIFAR-100 alone; without them the axis fits our runs", first: true, more: true },
  });

  // -- the trade-off: zeros on an axis on which the last per cent counts as much as the first

  const place = (zeros) => { const z = Math.min(0.9999, Math.max(0.05, zeros)); return Math.log(z / (1 - z)); };
  const ENDS = [place(0), place(1)];
  const LOOKS = { 1: ["laplace", "dot"], 2: ["gaussian", "ring"] };
  const lookOf = (run) => (isMine(run.id) ? ["measurement", "diamond"] : Number.isNaN(run.p) ? ["muted", "cross"] : LOOKS[run.p] ?? ["theory", "triangle"]);
  const shown = (run, measure) => within(run.dataset).filter(({ final }) => final[measure] !== undefined);
  const curves = (run, state) => (state.post && run.dataset === "cifar100" ? Object.entries(published.curves) : []);
  const others = [...runs.values()].some(({ p }) => p && p !== 1 && p !== 2);

  const accuracies = (final) => Object.entries(MEASURES).map(([key, words]) => [key, words, final[key] ?? NaN]);

  instrument("networks", {
    title: "Trained networks",
    lead: "Networks that were trained, and your own: how many zeros the target asked for, how many were learned, and what they cost. Click a point.",
    pure: true,
    presets: [
      { name: "Twelve in a hundred asked", set: {}, say: "At μ = −1 and p = 1 the target asks for about twelve non-zero entries in a hundred. The network comes near: black marks what was asked, green what was learned." },
      { name: "Untrained", set: { run: "cifar100/random_seed0" }, say: "This network was never trained, and half of its entries are zero: a ReLU of numbers about 0 does that by itself. A share of one half proves nothing, so the course’s example is μ = −1." },
      { name: "Where accuracy falls", set: { run: "cifar100/rdmreg_p2_mu-3_5epochs_seed0", post: false }, say: "Follow μ from 1 down to −3. Accuracy hardly moves for a long while, and falls where nearly all entries are zero. At p = 2 it falls earlier than at p = 1." },
      { name: "Dead features", set: { run: "shapes/rdmreg_p2_mu-2_seed0" }, say: "The share of zeros is about the one that was asked for, and yet most features are never on: see “dead features”. The loss compares sums over many features, not each of them." },
    ].filter(({ set }) => (set.run ?? FIRST) in choices),
    rows: [{ panels: ["tradeoff"], height: 330 }, { panels: ["histogram", "coordinates"], height: 260 }],
    open,

    buttons({ state, own, change, draw, say }) {
      const now = () => runs.get(state.run), go = (some) => change({ run: closest(some, now()) });
      const id = (name) => `rl-networks-${name}`, option = (value, words) => el("option", { value }, words);
      const row = (name, title, input, output, help) => el("div", { className: `rl-setting${output ? "" : " rl-choice"}`, "data-part": name }, el("label", { htmlFor: id(name) }, ...title), output ?? "", input, help ? el("small", { id: `${id(name)}-help` }, help) : "");
      const select = (name, action) => {
        const node = el("select", { id: id(name) });
        node.addEventListener("change", () => action(node.value));
        return node;
      };
      const dataset = select("dataset", (value) => go(within(value)));
      const p = select("p", (value) => go(within(now().dataset).filter((run) => String(run.p) === value)));
      const run = select("run", (value) => change({ run: value }));
      const mu = el("input", { type: "range", id: id("mu"), min: 0, step: 1, "aria-describedby": `${id("mu")}-help` }), muIs = el("output", { htmlFor: id("mu") });
      const stops = () => unique(kin(now()).map((run) => run.mu)).sort((a, b) => a - b);
      mu.addEventListener("input", () => { const stop = stops()[mu.valueAsNumber]; go(kin(now()).filter((run) => run.mu === stop)); });
      const input = el("input", { type: "file", multiple: true, accept: ".json,application/json", hidden: true });
      input.addEventListener("change", async () => { await open([...input.files], { change, say }); input.value = ""; });
      const opener = el("button", { type: "button", "aria-describedby": id("open-help") }, "Open result files…");
      opener.addEventListener("click", () => input.click());
      const forget = el("button", { type: "button" }, "Remove mine");
      forget.addEventListener("click", () => {
        if (isMine(state.run)) change({ run: own.last });
        for (const id of [...runs.keys()]) if (isMine(id)) { runs.delete(id); delete choices[id]; }
        change({});
        draw();
      });
      own.last = INSTRUMENTS.networks.table.run.first;
      own.show = () => {
        const is = now(), fill = (node, values) => { if (node.key !== String(values.flat())) { node.key = String(values.flat()); node.replaceChildren(...values.map((pair) => option(...pair))); } };
        if (!isMine(is.id)) own.last = is.id;
        fill(dataset, unique([...runs.values()].map((run) => run.dataset)).map((name) => [name, name]));
        if (dataset.value !== is.dataset) dataset.value = is.dataset;
        fill(p, unique(within(is.dataset).map((run) => run.p)).sort().map((p) => [String(p), Number.isNaN(p) ? "no target with p and μ" : show(p)]));
        if (p.value !== String(is.p)) p.value = String(is.p);
        const steps = stops(), keep = (node, values) => { for (const key in values) if (node[key] !== values[key]) node[key] = values[key]; }; // writing costs a layout
        keep(mu, { max: String(Math.max(1, steps.length - 1)), disabled: steps.length < 2, ariaValueText: number(is.mu) });
        keep(mu, { value: String(Math.max(0, steps.indexOf(is.mu))) });
        keep(muIs, { value: number(is.mu) });
        const all = within(is.dataset), key = all.map((run) => run.id).join();
        if (run.key !== key) {
          run.key = key;
          const groups = unique(all.map((run) => (isMine(run.id) ? "Your own" : run.budget)));
          groups.sort((a, b) => (b === "Your own") - (a === "Your own") || (parseInt(b) || 0) - (parseInt(a) || 0));
          const order = (a, b) => (a.method === b.method ? a.p - b.p || a.mu - b.mu || a.seed - b.seed : a.method === "Rectified LpJEPA" ? -1 : b.method === "Rectified LpJEPA" ? 1 : a.method < b.method ? -1 : 1);
          run.replaceChildren(...groups.map((label) => el("optgroup", { label }, ...all.filter((run) => (isMine(run.id) ? "Your own" : run.budget) === label).sort(order).map((run) => option(run.id, run.short)))));
        }
        if (run.value !== is.id) run.value = is.id;
        forget.hidden = ![...runs.keys()].some(isMine);
      };
      return [
        row("dataset", ["Data set"], dataset, null, "accuracies are compared within one data set alone"),
        row("p", [el("i", {}, "p"), " shape"], p),
        row("mu", [el("i", {}, "μ"), " location"], mu, muIs, "those that were trained with this p, budget and method"),
        row("run", ["Run"], run),
        el("div", { className: "rl-files", "data-part": "files" }, opener, forget, input, el("small", { id: id("open-help") }, "or drop result.json files on the page: one’s own runs join the comparison. They never leave this machine.")),
      ];
    },
    showButtons: (state, own) => own.show(),

    compute({ run: id }) {
      const run = runs.get(id), { law, aim, final } = run;
      let [low, high] = final.histogram?.edges ?? [0, 0];
      if (!final.histogram && law) {
        high = aim.mu + law.sigma * upperQuantile(0.001 * (aim.rectified ? law.active : 1), aim.p);
        low = aim.rectified ? 0 : 2 * aim.mu - high;
      }
      if (!(high > low)) [low, high] = [0, 4];
      const modes = law && aim.mu > low && aim.mu < high ? [aim.mu] : [];
      const x = law ? Array.from({ length: 241 }, (_, k) => low + ((high - low) * k) / 240).concat(modes).filter((x) => x > 0 || !aim.rectified).sort((a, b) => a - b) : [];
      return { tick: runs.size, run, low, high, x, density: law ? x.map(law.density) : [], atom: law ? (aim.rectified ? law.atom : 0) : NaN };
    },

    panels: [
      {
        id: "tradeoff", title: "Accuracy against zeros: one point, one run", wide: true, uses: ["run", "measure", "post"],
        legend: [["dot", "laplace", "p = 1"], ["ring", "gaussian", "p = 2"], ...(others ? [["triangle", "theory", "other p"]] : []), ["cross", "muted", "another target, or none"], ["diamond", "measurement", "your own"], ["dashed", "muted", "the post’s points: other runs"], ["faint", "laplace", "pale: another budget"]],
        draw(plot, { state, result: { run }, frozen }) {
          const { measure } = state, all = shown(run, measure), posts = curves(run, state);
          const best = Math.max(0.1, ...all.map(({ final }) => final[measure]), ...posts.flatMap(([, { accuracy }]) => accuracy));
          plot.axes({
            x: [ENDS[0] - 0.35, ENDS[1] + 0.35], y: [0, Math.ceil(10.5 * best) / 10], xLabel: "zeros among the entries of z", yLabel: `accuracy: ${MEASURES[measure]}`,
            xTicks: [0.05, 0.5, 0.9, 0.99, 0.999].map(place), xFormat: (x) => `${x === ENDS[0] ? "≤ " : ""}${Number((100 / (1 + Math.exp(-x))).toPrecision(4))} %`, yFormat: (y) => `${Math.round(100 * y)} %`,
          });
          for (const [name, { zeros, accuracy }] of posts) {
            const [ink, look] = LOOKS[name.split("= ")[1]], x = zeros.map(place);
            plot.line(x, accuracy, ink, { width: 1.2, dash: [5, 4], alpha: 0.7 });
            plot.marks(x, accuracy, ink, look, 2.5, 0.7);
          }
          const X = ({ zeros }) => place(zeros), Y = ({ final }) => final[measure];
          // a curve where one budget and method has several μ, through the means over seeds; a budget's name stands below the point of it that has most zeros
          const ends = {};
          for (const [, some] of grouped(all.filter(({ id, p }) => p && !isMine(id)), (run) => [run.budget, run.method, run.p])) {
            const seeds = [...grouped(some, ({ mu }) => mu).values()].sort(([a], [b]) => b.mu - a.mu);
            const mean = (value) => seeds.map((some) => some.reduce((sum, run) => sum + value(run), 0) / some.length);
            if (seeds.length < 3) continue;
            const [xs, ys] = [mean(X), mean(Y)], { trained, budget } = some[0];
            plot.line(xs, ys, lookOf(some[0])[0], { width: 1.5, alpha: budget === run.budget ? 0.6 : 0.25 });
            if (!(ends[budget]?.x >= xs.at(-1))) ends[budget] = { trained, x: xs.at(-1), y: ys.at(-1) };
          }
          for (const { trained, x, y } of Object.values(ends)) plot.words(trained, plot.X(x), plot.Y(y) + 8, "soft", { pixels: true, inside: true, scale: 0.68 });
          const near = (other) => other.budget === run.budget || isMine(other.id);
          for (const [, some] of [...grouped(all, (other) => [near(other), ...lookOf(other)])].sort()) { // pale ones first
            const [ink, look] = lookOf(some[0]), full = near(some[0]);
            plot.marks(some.map(X), some.map(Y), ink, look, full ? 5 : 4, full ? 1 : 0.4);
          }
          const point = (run, ink, words, below) => {
            if (Y(run) === undefined) return;
            plot.ring(X(run), Y(run), ink, 10);
            plot.words(words, plot.X(X(run)), plot.Y(Y(run)) + (below ? 13 : -13), ink, { pixels: true, inside: true, base: below ? "top" : "bottom", bold: true });
          };
          if (frozen && frozen.result.run.dataset === run.dataset) point(frozen.result.run, "muted", "frozen", true);
          point(run, "ink", run.short, false);
          if (run.final[measure] === undefined) plot.words("this result has no such accuracy", plot.box.left + 8, plot.box.bottom - 24, "ink", { pixels: true });
        },
        press(x, y, { state, result }, plot) {
          const { measure } = state, far = ({ zeros, final }) => Math.hypot(plot.X(place(zeros)) - x, plot.Y(final[measure]) - y);
          const some = shown(result.run, measure).sort((a, b) => far(a) - far(b));
          return some.length && far(some[0]) < 40 ? { run: some[0].id } : null;
        },
        say: ({ state, result: { run } }) => `${within(run.dataset).length} runs on ${run.dataset}. This one has ${percent(run.zeros)} zeros and ${percent(run.final[state.measure])} accuracy (${MEASURES[state.measure]}).`,
      },
      {
        id: "histogram", title: "Entries of z: learned over asked", uses: ["run", "axis"],
        legend: [["block", "measurement", "learned, on test images"], ["atom", "measurement", "zeros learned"], ["line", "theory", "asked: exact density, and zeros"]],
        draw(plot, { state, result, frozen }) {
          const { run: { final, aim, zeros }, x, density, atom } = result, log = state.axis === "log", was = frozen?.result;
          const low = Math.min(result.low, was?.low ?? 0), high = Math.max(result.high, was?.high ?? 0), margin = low === 0 ? 0.07 * high : 0;
          const bins = final.histogram?.density ?? [], peak = Math.max(zeros, atom || 0, ...bins, ...density, ...(was ? [was.run.zeros, ...(was.run.final.histogram?.density ?? [])] : []));
          const top = [0.6, 1.1, 2.2].find((top) => peak <= 0.98 * top) ?? 4;
          plot.axes({ x: [low - margin, high], y: log ? [1e-5, 10] : [0, top], log, xLabel: "entry of z", yLabel: log ? "density, or share of zeros, in powers of ten" : "density, or share of zeros" });
          if (bins.length) plot.bars(bins, result.low, (result.high - result.low) / bins.length, "measurement", 0.45);
          if (was?.run.final.histogram) {
            const { density: had } = was.run.final.histogram, width = (was.high - was.low) / had.length;
            plot.line(had.flatMap((_, k) => [was.low + k * width, was.low + (k + 1) * width]), had.flatMap((y) => [y, y]), "muted", { width: 2, alpha: 0.8 });
          }
          plot.line(x, density, "theory", { width: 2 });
          if (zeros > 0) plot.mass(0, zeros, "measurement");
          const tick = 0.035 * (high - low);
          if (aim?.rectified) plot.line([-tick, tick], [atom, atom], "theory", { width: 3 });
          if (was?.run.zeros > 0) plot.line([-tick, tick], [was.run.zeros, was.run.zeros], "muted", { width: 3 });
          const side = plot.X(0) > 0.4 * plot.width ? -1 : 1, half = (plot.box.top + plot.box.bottom) / 2;
          plot.words(`${percent(zeros)} zeros${aim?.rectified ? `, asked ${percent(atom)}` : ""}`, plot.X(0) + 14 * side, plot.Y(Math.max(zeros, log ? 1e-5 : 0)) + (zeros > 0.05 ? 8 : -18), "ink", { pixels: true, bold: true, align: side > 0 ? "left" : "right" });
          const lacks = [bins.length ? "" : "no histogram in this result", aim ? "" : "nothing was aimed at"].filter(Boolean);
          lacks.forEach((line, k) => plot.words(line, plot.box.right - 4, half + 1.1 * k * plot.inks.size, "soft", { pixels: true, align: "right" }));
        },
        say: ({ result: { run, atom } }) => `${run.final.histogram ? "A histogram of the entries that are not zero" : "This result keeps no histogram"}; ${percent(run.zeros)} of the entries are zero${run.aim?.rectified ? `, the target asks for ${percent(atom)}` : ""}.`,
      },
      {
        id: "coordinates", title: "How often each feature is on, sorted", uses: ["run"],
        legend: [["line", "measurement", "learned"], ["dashed", "theory", "asked of each (Eq. 11)"]],
        draw(plot, { result: { run }, frozen }) {
          const { active_share: shares, dead_fraction: dead } = run.final, was = frozen?.result.run.final.active_share;
          const peak = Math.max(run.asked || 0, ...(shares ?? [run.final.nonzero_fraction]), ...(was ?? [])), top = [0.05, 0.1, 0.25, 0.5].find((top) => peak < 0.95 * top) ?? 1;
          plot.axes({ x: [0, 100], y: [0, 1.05 * top], xLabel: "features in %, the most active first", yLabel: "on, in % of the test images", yFormat: (y) => `${number(100 * y, 3)} %` });
          const curve = (shares) => [shares.map((_, k) => (100 * k) / (shares.length - 1)), shares];
          if (was) plot.line(...curve(was), "muted", { width: 2.5, alpha: 0.7 });
          if (shares) { plot.area(...curve(shares), "measurement", 0.15); plot.line(...curve(shares), "measurement", { width: 3 }); }
          if (run.asked) plot.line([0, 100], [run.asked, run.asked], "theory", { width: 1.6, dash: [6, 5] });
          plot.words(`${percent(dead)} dead`, plot.box.right - 4, plot.box.top + 4, "ink", { pixels: true, align: "right", bold: true });
          if (!shares) plot.words("not kept in this result", plot.box.right - 4, plot.box.top + 24, "soft", { pixels: true, align: "right" });
        },
        say: ({ result: { run: { final, asked } } }) => (final.active_share ? `The most active feature is on for ${percent(final.active_share[0])} of the images, the least active for ${percent(final.active_share.at(-1))}` : "This result does not keep how often each feature is on") + `; asked of each is ${percent(asked)}; ${percent(final.dead_fraction)} of the features are dead.`,
      },
    ],

    headline: ({ result: { run }, frozen }) => [
      { number: percent(run.final.nonzero_fraction), words: "of the entries of z are non-zero: learned", was: frozen ? `frozen: ${percent(frozen.result.run.final.nonzero_fraction)}` : "" },
      { number: percent(run.asked), words: Number.isNaN(run.asked) ? "no share was asked for" : "asked for (Eq. 11)", was: frozen ? `frozen: ${percent(frozen.result.run.asked)}` : "" },
    ],
    facts: ({ result: { run: { final, dataset } }, frozen }) => [
      ...accuracies(final).map(([key, words, value]) => {
        const was = frozen?.result.run; // accuracies on other data are none to compare with
        return [words, was?.dataset === dataset ? `${percent(value)} (frozen ${percent(was.final[key])})` : percent(value)];
      }),
      ["dead features (on for fewer than 1 in 1000 images)", percent(final.dead_fraction)], ["effective rank of z", number(final.effective_rank)], ["minutes, evaluation included", number(final.seconds / 60, 2)],
    ],
    below({ result: { run } }, node) {
      if (node.run === run) return;
      node.run = run;
      const { config, provenance, final } = run, ordinary = usual[config.dataset]?.config ?? defaults;
      const missing = [final.histogram ? "" : "no histogram", final.active_share ? "" : "no share of each feature", final.effective_rank === undefined ? "no effective rank" : ""].filter(Boolean);
      const where = [provenance.date, provenance.commit && `commit ${String(provenance.commit).slice(0, 8)}`, provenance.hardware, provenance.precision, provenance.versions && plainly(provenance.versions)].filter(Boolean).map(plainly);
      const parts = [el("p", {}, el("b", {}, run.name || run.id), ` · ${run.budget} · ${run.method}. `, where.length ? `Made ${where.join(", ")}.` : "It does not say where it comes from.")];
      if (missing.length) parts.push(el("p", {}, `Written by an older version, this result keeps ${missing.join(", ")}.`));
      if (run.dataset === "cifar100") parts.push(el("p", {}, `The post’s points: ${published.source}.`));
      if (run.sheet) {
        const source = `lab-sheets/${run.id}_features.png`, caption = el("figcaption", {}, "Sheet of images: one row for each of some features, the test images on which it is largest.");
        const picture = el("img", { src: source, loading: "lazy", alt: "Rows of test images: in each row the images on which one feature of z is largest." });
        picture.addEventListener("error", () => { picture.remove(); caption.textContent = `This run has a sheet of images; it lies beside the page, in ${source}, and is not there.`; });
        parts.push(el("figure", {}, picture, caption));
      }
      const row = ([key, value]) => el("div", { className: same(value, ordinary[key]) ? "" : "rl-differs" }, el("dt", {}, key), el("dd", {}, plainly(value)));
      const list = el("dl"), options = el("details", { open: node.querySelector("details")?.open ?? false }, el("summary", {}, "Configuration (bold: unlike most runs on this data set)"), list);
      options.addEventListener("toggle", () => list.replaceChildren(...(options.open ? Object.entries(config).map(row) : []))); // forty rows cost time
      node.replaceChildren(...parts, options);
    },
    numbers: ({ result: { run } }) => [
      ["nonzero_learned", run.final.nonzero_fraction], ["nonzero_asked", Number.isNaN(run.asked) ? "" : run.asked], ...accuracies(run.final).map(([key, , value]) => [key, Number.isNaN(value) ? "" : value]),
      ["dead_fraction", run.final.dead_fraction ?? ""], ["effective_rank", run.final.effective_rank ?? ""],
    ],
    series: ({ result: { run } }) => [
      [], ["run", "budget", "method", "p", "mu", "seed", "zeros", ...Object.keys(MEASURES)],
      ...within(run.dataset).map((run) => [run.name || run.id, run.budget, run.method, run.p || "", Number.isNaN(run.mu) ? "" : run.mu, run.seed, number(run.zeros, 6).replace("−", "-"), ...Object.keys(MEASURES).map((key) => run.final[key] ?? "")]),
    ],
    caption: ({ result: { run } }) => `${run.dataset}: ${run.short} (${run.budget}).`,
    words: ({ state, result: { run } }) => `${run.dataset}, ${run.budget}, ${run.short}: ${percent(run.final.nonzero_fraction)} of the entries are non-zero, asked are ${percent(run.asked)}. Accuracy ${percent(run.final[state.measure])}.`,
  });
}

// =====================================================================================================================
// 4. The two hosts
// =====================================================================================================================

// ---- a notebook: anywidget calls render with the model, whose traits are the settings --------------------------------

function render({ model, el: place }) {
  const name = model.get("instrument"), { table } = INSTRUMENTS[name], names = Object.keys(table);
  const root = el("div");
  place.append(root);
  let next = null;
  const send = seldom(() => { // at most ten messages a second
    for (const key of names) if (model.get(key) !== next.state[key]) model.set(key, next.state[key]);
    if (JSON.stringify(model.get("numbers")) !== JSON.stringify(next.numbers)) model.set("numbers", next.numbers);
    model.save_changes();
  }, 100);
  let hearing = false; // what comes from Python need not go back
  const lab = mount(root, name, {
    state: Object.fromEntries(names.map((key) => [key, model.get(key)])),
    hide: model.get("hide").split(/[\s,]+/).filter(Boolean),
    write(state, frozen, numbers) {
      next = { state: { ...state }, numbers };
      send();
    },
    listen(take) {
      const heard = (key) => () => { if (!hearing && next?.state[key] !== model.get(key)) take({ [key]: model.get(key) }); };
      const pairs = names.map((key) => [`change:${key}`, heard(key)]);
      for (const [event, action] of pairs) model.on(event, action);
      return () => { for (const [event, action] of pairs) model.off(event, action); };
    },
  });
  root.lab = lab; // for tests
  return () => { send.stop(); lab.stop(); root.remove(); };
}

export default { render };

// ---- a page: the address holds instrument and state; docs/lab.py adds the call -----------------------------------------

function startPage(place, bar, results) {
  trainedNetworks(results);
  let lab = null, written = null;
  const tabs = Object.entries(INSTRUMENTS).map(([name, { title }]) => {
    const link = el("a", { href: `#${name}` }, title);
    link.dataset.name = name;
    return link;
  });
  bar.replaceChildren(...tabs);

  function open(hash) {
    const { name, state, frozen, hide, said } = readAddress(hash);
    lab?.stop();
    const root = el("section", { "aria-label": INSTRUMENTS[name].title });
    place.replaceChildren(root);
    for (const tab of tabs) {
      if (tab.dataset.name === name) tab.setAttribute("aria-current", "page"); else tab.removeAttribute("aria-current");
    }
    bar.hidden = hide.includes("tabs");
    const write = seldom(() => { // browsers refuse more than some hundred changes a minute
      written = latest;
      try { history.replaceState(null, "", latest); } catch { /* where a page may not change its address, the rest works */ }
    }, 300);
    let latest = hash, opened = false;
    lab = mount(root, name, {
      state, frozen, hide, said,
      write(state, frozen) {
        const now = writeAddress(name, state, frozen, hide);
        if (now === latest || (!opened && hash === "")) { opened = true; return; }
        latest = now;
        opened = true;
        write();
      },
      listen: () => write.stop,
      link: () => location.href.split("#")[0] + latest,
    });
    document.title = `${INSTRUMENTS[name].title} · the lab of Rectified LpJEPA`;
    window.lab = lab;
  }
  // result files that are dropped go to the networks, whatever instrument stands there
  const holdsFiles = (event) => event.dataTransfer.types.includes("Files") && (event.preventDefault(), true);
  window.addEventListener("dragover", holdsFiles);
  window.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    const files = [...event.dataTransfer.files];
    if (lab.name !== "networks") open((written = location.hash = "#networks"));
    INSTRUMENTS.networks.open(files, lab);
  });
  window.addEventListener("hashchange", () => { if (location.hash !== written) open(location.hash); });
  window.maths = { rectified, unitVarianceScale, rectifiedUnitVarianceScale, muForL0, unit, shadow, draws, rdmreg, sigreg, uniforms };
  window.INSTRUMENTS = INSTRUMENTS;
  open(location.hash);
}
