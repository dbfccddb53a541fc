// The page: settings from and to the address, the controls, the three panels and the numbers.
"use strict";

const explorer = (() => {
  const VECTORS = 64, POINTS = 1000, SHOWN = 200, BINS = 48;
  const NAMES = Object.keys(SETTINGS); // mu, sigma, p, angle, d; each [least, largest, step, first value]
  const LABELS = { mu: "μ", sigma: "σ", p: "p", angle: "α", d: "d", seed: "seed" };
  const SEEDS = [1, 9999];
  const byId = (id) => document.getElementById(id);
  const state = { unit: true, seed: 1, ...Object.fromEntries(NAMES.map((name) => [name, SETTINGS[name][3]])) };

  // ---- settings and the address ----

  // The allowed value nearest to a text, and a sentence if that is not what the text says.
  function nearest(name, text, fallback) {
    const [low, high] = name === "seed" ? SEEDS : SETTINGS[name], label = LABELS[name], whole = /^(d|seed)$/.test(name);
    const cleaned = text.trim().replace("−", "-"), value = Number(cleaned);
    if (cleaned === "" || Number.isNaN(value)) {
      return [fallback, `${label} = “${text.slice(0, 20)}” is not a number; shown is ${label}\u00a0=\u00a0${show(fallback)}.`];
    }
    const allowed = Math.min(high, Math.max(low, whole ? Math.round(value) : value));
    const rule = whole && allowed === Math.round(value) ? "is not a whole number" : `is outside ${show(low)} to ${show(high)}`;
    return [allowed, allowed === value ? "" : `${label} = ${show(value)} ${rule}; shown is ${label}\u00a0=\u00a0${show(allowed)}.`];
  }

  const show = (value) => String(value).replace("-", "−");

  // Read #mu=-2&p=0.5: what is not named keeps its first value. Returns sentences on what could not be taken.
  function readAddress(hash) {
    const asked = new URLSearchParams(hash.replace(/^#/, "").replace(/\+/g, "%2B")), said = [];
    Object.assign(state, { unit: true, seed: 1 });
    for (const name of NAMES) state[name] = SETTINGS[name][3];
    for (const [name, text] of asked) {
      if (name === "sigma" && text === "unit") continue;
      if (!(name in LABELS)) {
        said.push(`“${(text ? `${name}=${text}` : name).slice(0, 30)}” is no setting of this page and is left out.`);
        continue;
      }
      const [value, sentence] = nearest(name, text, name === "sigma" ? "unit" : state[name]);
      if (sentence) said.push(sentence.replace("σ\u00a0=\u00a0unit.", "the σ of unit variance."));
      if (name === "sigma") state.unit = value === "unit";
      if (value !== "unit") state[name] = value;
    }
    return said;
  }

  function writeAddress() {
    const parts = NAMES.map((name) => `${name}=${name === "sigma" && state.unit ? "unit" : state[name]}`);
    try {
      history.replaceState(null, "", `#${parts.join("&")}&seed=${state.seed}`);
    } catch {} // where a page may not change its address, the sliders still work
  }

  function say(sentences) {
    byId("notice").textContent = sentences.join(" ");
    byId("notice").hidden = !sentences.length;
  }

  // ---- controls ----

  const toSlider = (name, value) => (name === "d" ? Math.log2(value) : value); // d doubles from step to step
  const fromSlider = (name, value) => (name === "d" ? 2 ** value : value);

  function setUp() {
    for (const name of NAMES) {
      const [low, high, step] = SETTINGS[name], range = byId(`${name}-range`), number = byId(name);
      Object.assign(range, { min: toSlider(name, low), max: toSlider(name, high), step: name === "d" ? 1 : step });
      Object.assign(number, { min: low, max: high, step });
      number.inputMode = low < 0 ? "text" : "decimal"; // phones' number pads often lack a minus sign
      range.addEventListener("input", () => change({ [name]: fromSlider(name, range.valueAsNumber) }));
      number.addEventListener("input", () => {
        const value = number.valueAsNumber;
        if (value >= low && value <= high && (name !== "d" || Number.isInteger(value))) change({ [name]: value }, number);
      });
      number.addEventListener("change", () => {
        const [value, sentence] = nearest(name, number.value, state[name]);
        change({ [name]: value });
        if (sentence) say([sentence]);
      });
    }
    byId("unit").addEventListener("change", () => {
      const sigma = rgg.unitVarianceScale(state.p), [low, high] = SETTINGS.sigma;
      const start = Math.min(high, Math.max(low, Math.round(sigma * 100) / 100)); // σ starts where it was
      change(byId("unit").checked ? { unit: true } : { unit: false, sigma: start });
    });
    byId("redraw").addEventListener("click", () => change({ seed: (state.seed % SEEDS[1]) + 1 }));
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
    for (const key of document.querySelectorAll(".key")) key.style.setProperty("--color", COLORS[key.dataset.color]);
    byId("out-vectors").textContent = VECTORS;
    window.addEventListener("hashchange", () => { // a link of the page itself, or an address typed in
      open(location.hash);
      byId("explorer").scrollIntoView();
    });
    window.addEventListener("resize", () => {
      draw(); // the letters may have another size
      for (const id in drawn) Plotly.Plots.resize(id);
    });
  }

  // Take new values, from a control (`typing` is left as it is) and on to the address, the panels and the numbers.
  let waiting = 0;
  function change(values, typing) {
    Object.assign(state, values);
    say([]);
    writeAddress();
    showControls(typing);
    waiting ||= requestAnimationFrame(() => { waiting = 0; draw(); });
  }

  function open(hash) {
    say(readAddress(hash));
    showControls();
    draw();
  }

  function showControls(typing) {
    const sigma = state.unit ? rgg.unitVarianceScale(state.p) : state.sigma;
    for (const name of NAMES) {
      const value = name === "sigma" ? Number(sigma.toFixed(4)) : state[name], range = byId(`${name}-range`);
      range.value = toSlider(name, value);
      range.setAttribute("aria-valuetext", name === "angle" ? `${show(value)} degrees` : show(value));
      if (byId(name) !== typing) byId(name).value = value;
    }
    byId("unit").checked = state.unit;
    byId("sigma").disabled = byId("sigma-range").disabled = state.unit;
  }

  // ---- what is shown ----

  const remember = (compute) => { // the last result, as long as the arguments stay
    let key, result;
    return (...args) => {
      if (key !== String(args)) [key, result] = [String(args), compute(...args)];
      return result;
    };
  };
  const pointDraws = remember((p, seed) => rgg.draws(2 * POINTS, p, 2 * seed, true));
  const vectorDraws = remember((p, seed, d) => rgg.draws(VECTORS * d, p, 2 * seed + 1, false));

  // Points from -reach to reach, those of `extra` among them; in place of 0, where densities jump, its two sides
  function grid(reach, n, extra) {
    const points = Array.from({ length: n + 1 }, (_, k) => reach * ((2 * k) / n - 1)).concat(extra);
    const inside = points.filter((x) => Math.abs(x) <= reach && Math.abs(x) > 1e-6).concat([-1e-6, 1e-6]);
    return Float64Array.from(new Set(inside)).sort();
  }

  const STEPS = [3e-4, 3e-3, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1];
  const AROUND = [0, ...STEPS, ...STEPS.map((step) => -step)]; // distances from a mode, dense where it may be sharp

  // All numbers of one state
  function compute({ mu, sigma, p, angle, d, unit, seed }) {
    const law = rgg.law(mu, unit ? null : sigma, p), c = rgg.direction(angle);
    const spread = Math.abs(mu) + (2.5 * law.sigma) / rgg.unitVarianceScale(p);
    const reach = [4, 8, 16].find((reach) => reach === 16 || spread <= reach); // of all axes of x
    const near = AROUND.map((step) => mu + law.sigma * step);

    const x = Array.from(grid(reach, 160, near)), before = x.map(law.density);
    const t = pointDraws(p, seed), points = [[], []], rectified = [[], []];
    const counts = new Array(BINS).fill(0), width = (2 * reach) / BINS;
    for (let i = 0; i < POINTS; i++) {
      const pair = [mu + law.sigma * t[2 * i], mu + law.sigma * t[2 * i + 1]], kept = pair.map((x) => Math.max(x, 0));
      [0, 1].forEach((j) => { points[j].push(pair[j]); rectified[j].push(kept[j]); });
      const shadow = c[0] * kept[0] + c[1] * kept[1], bin = Math.floor((shadow + reach) / width);
      if (shadow !== 0 && bin >= 0 && bin < BINS) counts[bin]++;
    }
    const fine = c.filter((c) => c).flatMap((c) => near.concat(near.map((x) => x - mu)).map((x) => c * x));
    const y = Array.from(grid(reach, 120, [...fine, ...near.map((x) => (c[0] + c[1]) * x)]));
    const shadow = rgg.shadow(law, angle, y);
    shadow.axes = y.map((_, k) => shadow.ridges[0][k] + shadow.ridges[1][k]);
    shadow.density = y.map((_, k) => shadow.axes[k] + shadow.interior[k]);
    const bins = { x: counts.map((_, k) => -reach + (k + 0.5) * width), y: counts.map((n) => n / POINTS / width) };
    const counted = rgg.countNonzero(vectorDraws(p, seed, d), d, law);
    return { law, c, reach, x, before, points, rectified, y, shadow, bins, counted, l0: d * law.active };
  }

  let current;
  function draw() {
    current = compute(state);
    const { law, c, reach, x, before, points, rectified, y, shadow, bins } = current;
    const positive = x.findIndex((x) => x > 0);
    const line = (x, y, color, width, dash) => ({ x, y, mode: "lines", line: { color: COLORS[color], width, dash } });
    const stem = (mass, color) => ({
      x: [0, 0], y: [0, mass], mode: "lines+markers", cliponaxis: false,
      line: { color: COLORS[color], width: 4 }, marker: { symbol: "diamond", size: [0, 12], opacity: 1 },
    });
    const dots = ([x, y], color, opacity) =>
      ({ x: x.slice(0, SHOWN), y: y.slice(0, SHOWN), mode: "markers", marker: { color: COLORS[color], size: 4.5, opacity } });
    const arrow = {
      ...line([0, 0.88 * reach * c[0]], [0, 0.88 * reach * c[1]], "theory", 3),
      mode: "lines+markers", marker: { symbol: "arrow", size: [0, 15], angleref: "previous", opacity: 1 },
    };

    plot("density", [
      line(x, before, "gaussian", 2, "dash"),
      line(x.slice(positive), before.slice(positive), "rectified", 3),
      stem(law.atom, "rectified"),
    ], "x", "density, or mass at 0", [before]);
    plot("points", [dots(points, "gaussian", 0.35), dots(rectified, "rectified", 1), arrow], "x₁", "x₂");
    plot("shadow", [
      { ...bins, type: "bar", marker: { color: COLORS.measurement, opacity: 0.4 } },
      line(y, shadow.axes, "muted", 1.5, "dash"),
      line(y, shadow.interior, "muted", 2, "dot"),
      line(y, shadow.density, "theory", 2.5),
      stem(shadow.atom, "theory"),
    ], "c₁x₁ + c₂x₂", "density, or mass at 0", [shadow.density, bins.y]);
    writeNumbers();
  }

  const drawn = {}; // what each panel shows: drawing is slow, and not every move changes every panel
  function plot(id, traces, xTitle, yTitle, curves) {
    const { reach } = current, size = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const axis = { fixedrange: true, zeroline: false, gridcolor: "#eceff2", linecolor: "#9aa4ae", ticks: "outside", tickcolor: "#9aa4ae" };
    const title = (text) => ({ text, standoff: 6 });
    const layout = {
      margin: { l: 3.3 * size, r: 0.6 * size, t: 0.5 * size, b: 2.7 * size },
      font: { family: getComputedStyle(document.body).fontFamily, size: 0.8 * size, color: "#1b1f24" },
      showlegend: false, dragmode: false, bargap: 0, hovermode: false, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
      xaxis: { ...axis, title: title(xTitle), range: [-reach, reach], dtick: reach / 2 },
      yaxis: { ...axis, title: title(yTitle), range: [-reach, reach], dtick: reach / 2 },
    };
    if (curves) {
      const peak = Math.max(...curves.flat()), top = [1.2, 2.4].find((top) => peak <= top) ?? 4.8;
      Object.assign(layout.yaxis, { range: [0, top], dtick: top > 4 ? 1 : top > 2 ? 0.5 : 0.2 });
      if (peak > top) {
        layout.annotations = [{
          text: `top at ${number(peak)}, cut off`, xref: "paper", yref: "paper", x: 1, y: 1,
          xanchor: "right", yanchor: "top", showarrow: false,
        }];
      }
    } else {
      Object.assign(layout.yaxis, { scaleanchor: "x", constrain: "domain" });
      layout.xaxis.constrain = "domain";
    }
    for (const trace of traces) trace.hoverinfo = "skip";
    const key = JSON.stringify([traces, layout]);
    if (drawn[id] === key) return;
    drawn[id] = key;
    Plotly.react(id, traces, layout, { displayModeBar: false, responsive: false });
  }

  // ---- numbers and words ----

  const SMALL = { "-": "⁻", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].map((sign, k) => [k, sign])) };
  function number(x, digits = 4) {
    if (x !== 0 && Math.abs(x) < 1e-4) {
      const [front, power] = x.toExponential(2).split("e");
      return show(front) + "·10" + [...power].map((sign) => SMALL[sign]).join("");
    }
    return show(Number(x.toPrecision(digits)));
  }

  let speaking;
  function writeNumbers() {
    const { law, shadow, counted, l0, c } = current;
    const values = {
      d: state.d, l0: number(l0), counted: `${number(counted.mean)} ± ${number(counted.error, 2)}`,
      active: number(law.active), atom: number(law.atom), sigma: number(law.sigma), variance: number(law.variance),
      entropy: number(law.entropy), "shadow-atom": number(shadow.atom),
    };
    for (const name in values) byId(`out-${name}`).textContent = values[name];

    const set = `μ = ${show(state.mu)}, σ = ${values.sigma}, p = ${show(state.p)}`;
    byId("density-words").textContent = `At ${set}: ${number(100 * law.atom)} % of the mass sits at 0, ` +
      "the rest follows the bell curve to the right of 0.";
    byId("points-words").textContent = `${SHOWN} points. Rectified, every negative coordinate becomes 0, so that points ` +
      `move onto the axes and into the corner. An arrow shows the direction, at ${show(state.angle)} degrees.`;
    byId("shadow-words").textContent = `Mass ${values["shadow-atom"]} at 0; the rest is spread ` +
      (c[0] < 0 && c[1] > 0 ? "on both sides of 0." : c[0] < 0 ? "below 0." : "above 0.");
    clearTimeout(speaking); // spoken once the slider rests
    speaking = setTimeout(() => {
      byId("spoken").textContent = `${set}: ${values.l0} of ${state.d} entries are non-zero in closed form, ` +
        `${counted.mean.toPrecision(4)} plus or minus ${counted.error.toPrecision(2)} counted.`;
    }, 600);
  }

  byId("explorer").hidden = false;
  setUp();
  open(location.hash);
  return { state, compute };
})();
