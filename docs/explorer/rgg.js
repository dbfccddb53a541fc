// The rectified generalized Gaussian x = max(mu + sigma T, 0), T ~ GN_p(0, 1), and its shadows in the plane.
// The same definitions as rlpjepa/distributions.py and rlpjepa/projections.py; tests/test_explorer.py compares them.
"use strict";

const rgg = (() => {
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
  function law(mu, sigma, p) {
    sigma = sigma ?? unitVarianceScale(p);
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
    const density = (x) => Math.exp(-(Math.abs((x - mu) / sigma) ** p) / p - logNormalizer) / sigma; // of mu + sigma T
    const reach = sigma * (40 * p) ** a; // there the density has fallen by a factor exp(-40)
    const [near, far] = [Math.max(0, mu - reach), Math.max(0, mu) + reach];
    return { mu, sigma, p, active, atom, mean, variance, entropy, density, near, far };
  }

  // (cos, sin) of an angle in degrees, exact on the axes
  const direction = (angle) =>
    [Math.cos, Math.sin].map((f) => f((angle * Math.PI) / 180)).map((c) => (Math.abs(c) < 1e-12 ? 0 : c));

  const POINTS = 60;
  // Points and weights of tanh-sinh quadrature on (0, 1), dense at both ends
  const RULE = Array.from({ length: POINTS }, (_, k) => {
    const u = -3 + (6 * k) / (POINTS - 1), half = (Math.PI / 2) * Math.sinh(u);
    return [1 / (1 + Math.exp(-2 * half)), ((Math.PI / 4) * Math.cosh(u) / Math.cosh(half) ** 2 * 6) / (POINTS - 1)];
  });

  // The exact law of c1 x1 + c2 x2 at the points y: its atom, the densities of two ridges and of the interior.
  function shadow(law, angle, y) {
    const [c1, c2] = direction(angle);
    const zero = [c1, c2].map((c) => (c === 0 ? 1 : law.atom)); // a coordinate that does not count may be anything
    const ridge = (c, other) => y.map((y) => (y / c > 0 && c !== 0 ? (law.density(y / c) / Math.abs(c)) * other : 0));
    const interior = c1 && c2 ? y.map((y) => interiorAt(law, c1, c2, y)) : y.map(() => 0);
    return { atom: zero[0] * zero[1], ridges: [ridge(c1, zero[1]), ridge(c2, zero[0])], interior };
  }

  // The integral of f(x) f((y - c1 x) / c2) / |c2| over the x where both arguments are positive, in pieces: it is
  // smooth between the x where a coordinate is at its mode, at 0, or so far out that its density is nil.
  function interiorAt(law, c1, c2, y) {
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
        if (x > 0 && other > 0) sum += length * weight * law.density(x) * law.density(other);
      }
    }
    return sum / Math.abs(c2);
  }

  // A stream of uniform random numbers from a whole number (mulberry32)
  function uniforms(seed) {
    let state = Math.imul(seed, 2654435761) | 0;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296 + 2 ** -33; // inside (0, 1)
    };
  }

  // One draw of T ~ GN_p(0, 1): V (p G)^(1/p) with V uniform on (-1, 1), G ~ Gamma(1 + 1/p) (Marsaglia and Tsang)
  function draw(uniform, p) {
    const v = 2 * uniform() - 1, a = 1 + 1 / p - 1 / 3, c = 1 / Math.sqrt(9 * a);
    for (;;) {
      const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
      const cube = (1 + c * normal) ** 3;
      if (cube > 0 && Math.log(uniform()) < normal * normal / 2 + a * (1 - cube + Math.log(cube)))
        return v * (p * a * cube) ** (1 / p);
    }
  }

  // n draws of T. With a stream for each, they move smoothly as p does; one stream for all is quicker.
  function draws(n, p, seed, separate) {
    const values = new Float64Array(n);
    let uniform = uniforms(seed);
    for (let i = 0; i < n; i++) {
      if (separate) uniform = uniforms(seed * 100003 + i);
      values[i] = draw(uniform, p);
    }
    return values;
  }

  // Mean and standard error of the number of non-zero entries, over vectors of length d cut from the draws
  function countNonzero(draws, d, law) {
    const n = draws.length / d, threshold = -law.mu / law.sigma;
    let sum = 0, squares = 0;
    for (let i = 0; i < n; i++) {
      let count = 0;
      for (let j = i * d; j < (i + 1) * d; j++) count += draws[j] > threshold;
      sum += count;
      squares += count * count;
    }
    return { mean: sum / n, error: Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2) / (n - 1)) };
  }

  return { logGamma, gammaQ, unitVarianceScale, law, direction, shadow, draws, countNonzero };
})();
