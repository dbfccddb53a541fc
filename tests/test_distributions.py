"""rlpjepa.distributions against references that share none of its formulas.

Moments and tails: Gauss and Legendre's quadrature of the densities in numpy's long double, which is checked against
mpmath. Whole laws, quantiles and samples: scipy's gennorm. Gradients: finite differences. The statistical tests fix
their seeds, and each says how often it would fail with a fresh one.
"""

import functools
import math
import subprocess
import sys
from fractions import Fraction

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given, settings

from rlpjepa.distributions import (
    GeneralizedGaussian,
    RectifiedGeneralizedGaussian,
    TruncatedGeneralizedGaussian,
    mu_for_l0,
    rectified_unit_variance_scale,
    sample_rgg,
    unit_variance_scale,
)

from .test_torch_properties import LAWS, examples, f64, gradcheck, seeded

P = [0.25, 0.5, 0.9, 1.0, 1.3, 2.0, 3.0, 8.0]
M = [-6.0, -3.0, -0.7, -1e-3, 0.0, 0.4, 2.0, 6.0]  # mu / sigma
GRID = [(p, m) for p in P for m in M]
NAN, INF = math.nan, math.inf


BAD_EXAMPLES = [  # out of range each, beside a value in range
    *(("loc", value) for value in (NAN, -INF)),
    *((name, value) for name in ("scale", "p") for value in (0.0, -1.0, INF, NAN)),
]
POSITIVE_LAWS = LAWS[1:]


def gennorm(p, loc, scale):
    return scipy.stats.gennorm(p, loc, scale * p ** (1 / p))


# ---------------------------------------------------------------------------------------------------------- references

NODES, WEIGHTS = (v.astype(np.longdouble) for v in np.polynomial.legendre.leggauss(40))


def integrate(g, low, high):
    """The integral of g(u) over low < u < high by Gauss and Legendre in log u, in which powers at u = 0 are smooth."""
    low, high = np.log(np.longdouble(low) if low else np.longdouble(1e-35)), np.log(np.longdouble(high))
    edges = np.linspace(low, high, 161)
    half = np.diff(edges)[:, None] / 2
    u = np.exp(edges[:-1, None] + half * (1 + NODES))
    return (g(u) * u * half * WEIGHTS).sum(axis=(-2, -1))


@functools.cache
def reference(p, m, since=0.0):
    """For x ~ GN_p(m, 1) beyond `since`: mass, integrals of x f, x^2 f and -f log f, log of the factor left out."""
    p, m, since = np.longdouble(p), np.longdouble(m), np.longdouble(since)
    h = max(since - m, np.longdouble(0))  # |x - m| where the density is largest
    width = min(1, h ** (1 - p)) if h else np.longdouble(1)
    far = (h**p + 200 * p) ** (1 / p)
    log_n = np.log(2 * integrate(lambda u: np.exp(-(u**p) / p), 0, (200 * p) ** (1 / p)))

    def g(x):
        energy = abs(x - m) ** p / p
        return np.stack([np.ones_like(x), x, x**2, energy + log_n]) * np.exp(h**p / p - energy)

    if h:
        total = width * integrate(lambda u: g(since + u * width), 0, (far - h) / width)
    else:
        total = integrate(lambda u: g(m + u), 0, far)
        total += integrate(lambda u: g(m - u), 0, m - since) if m > since else 0
    return *total, -(h**p) / p - log_n


def reference_moments(law, p, m):
    """P(x > 0), mean, variance and entropy of a positive law with scale 1."""
    mass, first, second, surprise, log_factor = reference(p, m)
    log_active = np.log(mass) + log_factor
    active, mean = np.exp(log_active), first / mass
    variance, entropy = second / mass - mean**2, surprise / mass + log_active
    if law is RectifiedGeneralizedGaussian:
        mass, *_, log_factor = reference(p, -m)
        log_zero = np.log(mass) + log_factor
        zero = np.exp(log_zero)
        mean, variance = active * mean, active * (variance + zero * mean**2)
        entropy = active * entropy - active * log_active - zero * log_zero
    return active, mean, variance, entropy


def reference_interval(p, m, x):
    """P(y < x | y > 0) for y ~ GN_p(m, 1), x > 0."""
    p, m, x = np.longdouble(p), np.longdouble(m), np.longdouble(x)
    h = max(-m, np.longdouble(0))

    def g(y):
        return np.exp(h**p / p - abs(y - m) ** p / p)

    if m <= 0:
        total = integrate(g, 0, x)
    elif x <= m:
        total = integrate(lambda u: g(x - u), 0, x)
    else:
        total = integrate(lambda u: g(m - u), 0, m) + integrate(lambda u: g(m + u), 0, x - m)
    return total / reference(float(p), float(m))[0]


def relative(got, true, tiny=sys.float_info.min):
    """The largest relative error, leaving out true values below the normal numbers."""
    got = got.detach().numpy() if isinstance(got, torch.Tensor) else got
    got, true = np.atleast_1d(np.asarray(got, np.longdouble)), np.atleast_1d(np.asarray(true, np.longdouble))
    normal = abs(true) >= tiny
    return float(abs(got[normal] / true[normal] - 1).max(initial=0.0))


@pytest.mark.parametrize(("p", "m"), [(0.25, -6.0), (0.25, 2.0), (1.3, 0.4), (8.0, -2.5), (8.0, 6.0)])
def test_the_reference_itself(p, m):
    mp.mp.dps = 30
    tail = mp.gammainc(1 / mp.mpf(p), abs(mp.mpf(m)) ** p / p, regularized=True) / 2
    mass, first, *_, log_factor = reference(p, m)
    assert relative(float(mass * np.exp(log_factor)), float(tail if m < 0 else 1 - tail)) < 1e-13
    edge = max(-m, 0)
    knots = sorted({0, max(m, 0), *(max(m + (edge**p + p * k) ** (1 / p), 0) for k in (0.1, 1, 5, 20, 60, 150))})
    zeroth = mp.quad(lambda x: mp.exp(edge**p / p - abs(x - m) ** p / p), knots)
    ratio = mp.quad(lambda x: x * mp.exp(edge**p / p - abs(x - m) ** p / p), knots) / zeroth
    assert relative(float(first / mass), float(ratio)) < 1e-9


# ------------------------------------------------------------------------------------------------------------ accuracy


@pytest.mark.parametrize("law", POSITIVE_LAWS)
def test_moments_and_entropy(law):
    grid = [*GRID, *((p, m) for p in (0.12, 16.0, 19.0) for m in M[1:])]  # at m = -6 the reference is at its end
    p, m = f64([p for p, _ in grid], [m for _, m in grid])
    scale = 2.0
    d, rectified = law(scale * m, f64(scale), p), law is RectifiedGeneralizedGaussian
    active, mean, variance, entropy = np.array([reference_moments(law, *point) for point in grid]).T
    entropy = entropy + (active if rectified else 1) * math.log(scale)
    assert relative(d.mean, scale * mean) < 1e-10
    assert relative(d.variance, scale**2 * variance) < 1e-8
    assert abs(d.entropy().numpy() - entropy).max() < 1e-10
    if rectified:
        assert relative(d.prob_active, active) < 1e-10
        assert relative(d.expected_l0(512), 512 * active) < 1e-10


@pytest.mark.parametrize("law", LAWS)
def test_float32_is_right_for_the_rounded_parameters(law):
    p, m = torch.tensor([p for p, _ in GRID]), torch.tensor([m for _, m in GRID])
    single = law(1.7 * m, 1.7, p)
    double = law(single.loc.double(), single.scale.double(), single.p.double())
    x, q = torch.tensor([[0.01], [0.9], [5.0]]), torch.tensor([[0.2], [0.97]])
    functions = {name: (lambda d, t, name=name: getattr(d, name)(t)) for name in ("log_prob", "cdf", "survival")}
    functions |= {"mean": lambda d, t: d.mean, "variance": lambda d, t: d.variance, "entropy": lambda d, t: d.entropy()}
    functions |= {"log_survival": lambda d, t: d.log_survival(t), "icdf": lambda d, t: d.icdf(q.to(t.dtype))}
    functions["prob_active"] = lambda d, t: getattr(d, "prob_active", d.mean)
    for function in functions.values():
        got, true = function(single, x), function(double, x.double())
        assert got.dtype == torch.float32
        assert relative(got, true.numpy(), tiny=torch.finfo(torch.float32).tiny) < 1e-5


@pytest.mark.parametrize("p", P)
def test_generalized_gaussian_against_scipy(p):
    d, s = GeneralizedGaussian(f64(0.3), f64(1.7), f64(p)), gennorm(p, 0.3, 1.7)
    x = f64(np.concatenate([0.3 + 1.7 * np.linspace(-6, 6, 49), [0.3 + 1e-9, 0.3 - 1e-4]]))
    assert relative(d.cdf(x), s.cdf(x)) < 1e-10
    assert relative(d.survival(x), s.sf(x)) < 1e-10
    assert relative(d.log_prob(x), s.logpdf(x)) < 1e-10
    assert relative(d.variance, s.var()) < 1e-10
    assert abs(d.entropy().item() - s.entropy()) < 1e-10
    q = f64([1e-300, 1e-20, 1e-6, 0.01, 0.3, 0.5, 0.7, 0.99, 1 - 1e-9])
    torch.testing.assert_close(d.icdf(q), f64(s.ppf(q)), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("m", M)
@pytest.mark.parametrize("p", [0.25, 0.9, 1.3, 3.0, 8.0])
def test_truncated_probabilities(p, m):
    d = TruncatedGeneralizedGaussian(f64(2 * m), f64(2.0), f64(p))
    mass, *_, log_factor = reference(p, m)
    x = np.array([1e-12, 1e-5, 0.03, 0.3, 1.0, 8.0])
    beyond, *_, log_beyond = np.array([reference(p, m, v) for v in x]).T
    log_survival = np.log(beyond / mass) + log_beyond - log_factor
    assert relative(d.cdf(f64(2 * x)), [reference_interval(p, m, v) for v in x]) < 1e-10
    assert relative(d.survival(f64(2 * x)), np.exp(log_survival)) < 1e-10
    assert (abs(d.log_survival(f64(2 * x)).numpy() - log_survival) < 1e-10 * abs(log_survival).clip(1)).all()
    x = np.longdouble(x)
    log_density = (max(-m, 0) ** np.longdouble(p) - abs(x - m) ** np.longdouble(p)) / p - np.log(2 * mass)
    assert (abs(d.log_prob(f64(2 * x.astype(float))).numpy() - log_density) < 1e-10 * abs(log_density).clip(1)).all()


@pytest.mark.parametrize("p", P)
def test_rectified_is_the_mixture(p):
    """Eq. 8-9: an atom at 0, and above 0 the density and the tail of GN_p."""
    for m in M:
        d, s, x = RectifiedGeneralizedGaussian(f64(m), f64(1.0), f64(p)), gennorm(p, m, 1.0), f64([1e-6, 0.5, 4.0])
        assert relative(d.cdf(f64(0.0)), s.cdf(0)) < 1e-10
        mass, *_, log_factor = reference(p, -m)
        log_zero = float(np.log(mass) + log_factor)
        assert abs(d.log_prob(f64(0.0)).item() - log_zero) < 1e-10 * max(1, -log_zero)
        assert relative(d.survival(x), s.sf(x)) < 1e-10
        torch.testing.assert_close(d.log_prob(x), f64(s.logpdf(x)), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("p", P)
def test_far_tail(p):
    """mu / sigma = -30, where for p = 8 the logs reach -8e10 and the probabilities themselves are long gone."""
    mass, first, *_, log_factor = reference(p, -30.0)
    log_tail, x = np.log(mass) + log_factor, float(first / mass)
    zero, loc = f64(0.0), f64(-30.0)
    mp.mp.dps = 40
    energy = [(30 + mp.mpf(y)) ** mp.mpf(p) / mp.mpf(p) for y in (0, 1, x)]
    log_density = -energy[1] - mp.log(2 * mp.gamma(1 / mp.mpf(p))) - (1 / mp.mpf(p) - 1) * mp.log(p)
    for law in (GeneralizedGaussian, RectifiedGeneralizedGaussian):
        assert relative(law(loc, 1.0, p).log_survival(zero), log_tail) < 1e-10
        assert relative(law(loc.float(), 1.0, p).log_survival(zero.float()), log_tail) < 1e-5
        assert relative(law(loc, 1.0, p).log_prob(f64(1.0)), float(log_density)) < 1e-10
    assert relative(RectifiedGeneralizedGaussian(-loc, 1.0, p).log_prob(zero), log_tail) < 1e-10  # an atom of that size
    d = TruncatedGeneralizedGaussian(loc, 1.0, p)
    assert relative(d.mean, first / mass) < 2e-9  # all that a long double leaves of 8e10 - 8e10
    assert abs(d.log_prob(f64(x)).item() - (energy[0] - energy[2] - mp.log(float(mass)))) < 1e-9
    assert abs(d.cdf(d.icdf(f64([0.01, 0.5, 0.99]))) - f64([0.01, 0.5, 0.99])).max() < 1e-9


@pytest.mark.parametrize("law", LAWS)
def test_icdf_inverts_cdf(law):
    q = torch.cat(
        [
            f64([0.0, 1e-300, 1e-40, 1e-25, 1e-20, 1e-17, 1e-15, 1e-12, 1e-4]),
            torch.linspace(0.01, 0.99, 25, dtype=torch.float64),
            f64([1 - 1e-6, 1 - 1e-13, 1.0]),
        ]
    )[:, None]
    p, m = f64([p for p, _ in GRID], [m for _, m in GRID])
    d = law(2 * m, f64(2.0), p)
    atom = d.cdf(torch.zeros_like(m)) if law is RectifiedGeneralizedGaussian else torch.zeros_like(m)
    torch.testing.assert_close(d.cdf(d.icdf(q)), torch.maximum(q, atom).expand(len(q), len(m)), rtol=0, atol=1e-9)
    assert (d.icdf(q).nan_to_num(posinf=1e30, neginf=-1e30).diff(dim=0) >= -1e-14).all()


def test_entropy_is_that_of_fine_quantisation():
    """Renyi: in cells of width 1/n the entropy tends to entropy() + prob_active log n."""
    d, s = RectifiedGeneralizedGaussian(f64(-0.5), 1.0, f64(1.5)), gennorm(1.5, -0.5, 1.0)
    cells = np.append(-np.diff(s.sf(np.arange(0, 30, 1e-3))), s.cdf(0))
    entropy = -(cells * np.log(cells.clip(1e-300))).sum()
    assert abs(entropy - d.entropy().item() - d.prob_active.item() * math.log(1000)) < 1e-5


# ------------------------------------------------------------------------------------------------------- sigma and mu


def test_variance_is_one_at_the_scales():
    mus = [-30.0, -0.5, 0.0, 1.0, 7.0]
    after = rectified_unit_variance_scale(f64(P)[:, None], f64(mus))
    for p, sigmas in zip(P, after.tolist(), strict=True):
        assert relative(unit_variance_scale(p), gennorm(p, 0, 1.0).var() ** -0.5) < 1e-10
        for mu, sigma in zip(mus, sigmas, strict=True):
            variance = sigma**2 * reference_moments(RectifiedGeneralizedGaussian, p, mu / sigma)[2]
            assert abs(variance - 1) < 1e-10


def test_any_real_number_is_a_number():
    half, one = Fraction(1, 2), Fraction(1)
    assert unit_variance_scale(half) == unit_variance_scale(0.5)
    draws = [
        (sample_rgg((5,), p, p, one, generator=generator), GeneralizedGaussian(one, p, p).sample(generator=generator))
        for p in (half, 0.5) for generator in [torch.Generator().manual_seed(0)]
    ]  # fmt: skip
    assert torch.equal(draws[0][0], draws[1][0]) and draws[0][1] == draws[1][1]


@pytest.mark.parametrize("p", P)
def test_mu_for_l0(p):
    for fraction in (1e-12, 0.01, 0.1, 0.5, 0.9, 1 - 1e-6):
        for sigma in (None, 0.3):
            s = gennorm(p, mu_for_l0(fraction, p, sigma), sigma or unit_variance_scale(p))
            assert relative(s.sf(0), fraction) < 1e-9


def test_numbers_give_floats_and_tensors_tensors():
    column, row = torch.tensor([[0.1], [0.2]]), torch.tensor([0.5, 1.0, 3.0])
    for function, arguments in (
        (unit_variance_scale, (row,)),
        (rectified_unit_variance_scale, (row, -column)),
        (mu_for_l0, (column, row, 1.5)),
        (mu_for_l0, (column, 0.7)),
        (mu_for_l0, (0.1, row)),
    ):
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-6)):
            got = function(*(a.to(dtype) if isinstance(a, torch.Tensor) else a for a in arguments))
            assert got.dtype == dtype
            assert got.shape == torch.broadcast_shapes(*(a.shape for a in arguments if isinstance(a, torch.Tensor)))
            last = function(*(a.flatten()[-1].item() if isinstance(a, torch.Tensor) else a for a in arguments))
            assert type(last) is float
            assert relative(got.flatten()[-1:], last) < tolerance


# ----------------------------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("p", [0.25, 1 / 3, 0.5, 0.7, 1.0, 1.5, 2.0, 8.0])
@pytest.mark.parametrize("law", LAWS)
def test_samples_follow_the_distribution(law, p):
    """Against scipy's gennorm: for each law and p two KS tests and two counts at 1e-4: 1 in 2500 fails."""
    generator = seeded(12)
    for dtype, loc in ((torch.float32, 0.3), (torch.float64, -0.3)):
        s = gennorm(p, loc, 0.8)
        x = law(torch.tensor(loc, dtype=dtype), 0.8, p).sample((20_000,), generator=generator)
        assert x.dtype == dtype
        positive, active = x[x > 0].double(), {TruncatedGeneralizedGaussian: 1.0}.get(law, s.sf(0))
        assert scipy.stats.binomtest(len(positive), len(x), active).pvalue > 1e-4
        assert law is GeneralizedGaussian or (x >= 0).all()
        if law is GeneralizedGaussian:
            assert scipy.stats.kstest(x.double(), s.cdf).pvalue > 1e-4
        else:
            assert scipy.stats.kstest(positive, lambda x: 1 - s.sf(x) / s.sf(0)).pvalue > 1e-4  # noqa: B023


@examples
def test_sample_and_rsample_draw_from_the_generator(law, point):
    state = torch.get_rng_state()
    d = law(*(torch.as_tensor(value, dtype=torch.float64).clone().requires_grad_() for value in point))
    first, again, other = (d.rsample((999,), generator=seeded(k)) for k in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.requires_grad and first.shape == (999, *d.batch_shape)
    plain = d.sample((999,), generator=seeded(0))
    assert torch.equal(plain, first) and not plain.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(0)
    assert torch.equal(d.sample((999,)), plain)  # without one, the global one


@pytest.mark.parametrize("p", [0.3, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("law", POSITIVE_LAWS)
def test_samples_far_in_the_tail(law, p):
    """loc = -6 scale, where scipy's tail ends: one comparison at 1e-4 for each law and p."""
    n = 2000
    x = law(-6.0, 1.0, p).sample((n,), generator=seeded(5)).double().sort().values
    if law is RectifiedGeneralizedGaussian:
        active = float(reference_moments(law, p, -6.0)[0])
        assert scipy.stats.binomtest(int((x > 0).sum()), n, active).pvalue > 1e-4
    else:
        cdf = np.array([float(reference_interval(p, -6.0, v)) for v in x[::200]])
        assert abs(cdf - np.arange(0, n, 200) / n).max() < 2.23 / n**0.5  # Kolmogorov's 1 - 1e-4 quantile


@pytest.mark.parametrize("p", [0.5, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_sample_rgg_is_a_sample_of_the_rectified_distribution(p, dtype):
    """Drawn in float32 at least, and rounded once."""
    state, wide = torch.get_rng_state(), torch.promote_types(dtype, torch.float32)
    x = sample_rgg([30, 50], p, -0.4, 1.3, dtype=dtype, generator=seeded(0))
    law = RectifiedGeneralizedGaussian(torch.tensor(-0.4, dtype=wide), 1.3, p)
    assert torch.equal(x, law.sample((30, 50), generator=seeded(0)).to(dtype)) and x.dtype == dtype
    assert sample_rgg((2, 0), p, generator=seeded(0)).shape == (2, 0)
    assert sample_rgg((2,), p, generator=seeded(0)).dtype == torch.get_default_dtype()
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0])
def test_default_sigma_is_unit_variance_before_rectification(p):
    """4 standard errors of a sample variance: with a fresh seed 1 run in 16000 fails, for each p."""
    x = sample_rgg((400, 500), p, 1000.0, dtype=torch.float64, generator=seeded(1))
    assert abs(x.var().item() - 1) < 4 * ((scipy.stats.gennorm(p).stats("k") + 2) / x.numel()) ** 0.5


@pytest.mark.parametrize("p", [0.25, 0.5, 1.0])
def test_a_uniform_of_zero_gives_a_finite_sample(p, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, *_, **__: self.zero_())
    monkeypatch.setattr(torch, "rand", lambda shape, generator=None, **options: torch.zeros(shape, **options))
    assert (sample_rgg((4,), p) < 1e4).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("p", [0.5, 0.7, 1.0, 2.0])
def test_cuda(p):
    generator, loc = torch.Generator("cuda").manual_seed(0), torch.linspace(-2, 2, 64, device="cuda").double()
    sample_rgg((4, 4), p, device="cuda", generator=generator)
    torch.cuda.set_sync_debug_mode("error")  # raises on a wait for the device or a copy from it
    try:
        sample_rgg((64, 64), p, -0.5, device="cuda", generator=generator)
        for law in LAWS:
            d = law(loc, 1.3, p, validate_args=False)
            results = [
                d.log_prob(loc),
                d.cdf(loc),
                d.survival(loc),
                d.icdf(loc.sigmoid()),
                d.mean,
                d.entropy(),
                d.sample(),
            ]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for law in LAWS:
        results, expected = [], []
        for device, out in (("cuda", results), ("cpu", expected)):
            x, d = loc.abs().to(device), law(loc.to(device), 1.3, p)
            out += [d.log_prob(x), d.cdf(x), d.survival(x), d.icdf(loc.sigmoid().to(device)), d.mean, d.entropy()]
        for got, true in zip(results, expected, strict=True):
            torch.testing.assert_close(got.cpu(), true, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("loc", [-0.3, 0.8])
@pytest.mark.parametrize(
    "function",
    [
        lambda loc: RectifiedGeneralizedGaussian(loc, 1.0, 1.5).prob_active,
        lambda loc: RectifiedGeneralizedGaussian(loc, 1.0, 1.5).entropy(),
        lambda loc: RectifiedGeneralizedGaussian(loc, 1.0, 1.5).mean,
        lambda loc: RectifiedGeneralizedGaussian(loc, 1.0, 1.5).log_survival(f64(0.5)),
        lambda loc: TruncatedGeneralizedGaussian(loc, 1.0, 1.5).log_prob(f64(0.5)),
        lambda loc: TruncatedGeneralizedGaussian(loc, 1.0, 1.5).icdf(f64(0.5)),
        lambda loc: mu_for_l0(loc.abs(), 1.5),
        lambda loc: rectified_unit_variance_scale(1.5, loc),
    ],
)
def test_second_derivatives_are_refused_rather_than_wrong(function, loc):
    loc = f64(loc).requires_grad_()
    (slope,) = torch.autograd.grad(function(loc), loc, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated once only"):
        torch.autograd.grad(slope, loc)


def test_gradients_at_the_mode():
    """loc = 0 is where users start, and for p < 1 the density has its cusp there: no NaN, and the right slopes."""
    loc, scale, p = (f64(v).requires_grad_() for v in (0.0, 1.0, 0.5))
    d, density = RectifiedGeneralizedGaussian(loc, scale, p), gennorm(0.5, 0, 1.0).pdf(0)
    assert relative(torch.autograd.grad(d.prob_active, loc)[0], density) < 1e-10
    assert relative(torch.autograd.grad(d.mean, loc)[0], 0.5) < 1e-10
    assert relative(torch.autograd.grad(d.log_prob(f64(0.0)), loc)[0], -2 * density) < 1e-10
    for law in LAWS:
        d, x = law(loc, scale, p), f64([0.0, 1.0])
        outputs = [d.log_prob(x), d.cdf(x), d.icdf(f64(0.7)), d.mean, d.variance, d.entropy(), d.rsample((9,))]
        for output in outputs:
            for gradient in torch.autograd.grad(output.sum(), (loc, scale, p), allow_unused=True):
                assert gradient is None or gradient.isfinite()


@pytest.mark.parametrize("law", [GeneralizedGaussian, RectifiedGeneralizedGaussian])
@pytest.mark.parametrize("point", [(-0.5, 1.1, 0.6), (0.7, 0.9, 2.0), (0.2, 1.3, 5.0)])
def test_rsample_gradients(law, point):
    """d E[x^2] / d(loc, scale, p) at 4 standard errors: with a fresh seed 1 run in 5000 fails."""
    parameters = [torch.full((50_000,), value, dtype=torch.float64, requires_grad=True) for value in point]
    gradients = torch.autograd.grad(law(*parameters).rsample(generator=seeded(0)).square().sum(), parameters)

    def second_moment(loc, scale, p):
        if law is GeneralizedGaussian:
            return gennorm(p, loc, scale).moment(2)
        active, mean, variance, _ = reference_moments(law, p, loc / scale)
        return scale**2 * (variance + mean**2)

    for i, gradient in enumerate(gradients):
        step = np.eye(3)[i] * 1e-4
        true = float(second_moment(*(point + step)) - second_moment(*(point - step))) / 2e-4
        assert abs(gradient.mean().item() - true) < 4 * gradient.std().item() / gradient.numel() ** 0.5 + 1e-6


@pytest.mark.parametrize("point", [(-1.3, 1.1, 0.7), (0.8, 0.9, 1.6), (-1.1, 0.8, 6.0)])
def test_truncated_rsample_gradients_one_by_one(point):
    """Every draw moves with the parameters as the quantile of its own probability does (scipy's quantiles)."""
    parameters = [torch.full((50,), value, dtype=torch.float64, requires_grad=True) for value in point]
    x = TruncatedGeneralizedGaussian(*parameters).rsample(generator=seeded(0))
    gradients = torch.autograd.grad(x.sum(), parameters)
    s = gennorm(point[2], *point[:2])
    survival = s.sf(x.detach()) / s.sf(0)

    def quantile(loc, scale, p):
        s = gennorm(p, loc, scale)
        return s.isf(survival * s.sf(0))

    for i, gradient in enumerate(gradients):
        step = np.eye(3)[i] * 1e-5
        true = (quantile(*(point + step)) - quantile(*(point - step))) / 2e-5
        np.testing.assert_allclose(gradient, true, rtol=1e-4, atol=1e-6)


def test_gradients_of_the_scales():
    p, mu = f64([0.6, 2.0, 5.0]).requires_grad_(), f64([-0.7, 0.0, 1.2]).requires_grad_()
    assert gradcheck(unit_variance_scale, (p,))
    assert gradcheck(rectified_unit_variance_scale, (p, mu))
    assert gradcheck(mu_for_l0, (f64([0.1, 0.5, 0.8]).requires_grad_(), p))


# ------------------------------------------------------------------------------------------- as a torch distribution


def test_import_needs_torch_alone():
    code = "import sys, rlpjepa.distributions as d; d.mu_for_l0(0.1, 1.0); print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("name", "bad"), BAD_EXAMPLES)
def test_bad_examples(law, name, bad):
    parameters = {"loc": torch.zeros(2), "scale": torch.ones(2), "p": torch.ones(2)} | {name: torch.tensor([1.0, bad])}
    with pytest.raises(ValueError, match=f"parameter {name}"):
        law(**parameters)
    law(**parameters, validate_args=False)


@pytest.mark.parametrize("law", LAWS)
def test_values_that_are_refused(law):
    with pytest.raises(ValueError, match="scale must be a number or a floating-point tensor"):
        law(0.0, torch.tensor([1, 2]), 1.0)
    d, q = law(torch.zeros(2), 1.0, 1.0), torch.tensor([0.5, 1.0001])
    values = {"floating-point": torch.tensor([1, 1]), "broadcast": torch.full((3,), 0.5), "must satisfy": q * NAN}
    for method in (d.log_prob, d.cdf, d.survival, d.log_survival, d.icdf):
        for message, value in values.items():
            with pytest.raises(ValueError, match=message):
                method(value)
    for sign in (1, -1):
        with pytest.raises(ValueError, match="q must"):
            d.icdf(sign * q)
        assert law(0.0, 1.0, 1.0, validate_args=False).icdf(sign * q)[1].isnan()


@pytest.mark.parametrize("law", POSITIVE_LAWS)
def test_below_the_support(law):
    d, below = law(0.5, 1.0, 1.0), torch.tensor([-1e-6, -3.0])
    for method in (d.log_prob, d.cdf, d.survival, d.log_survival):
        with pytest.raises(ValueError, match="value must"):
            method(below)
    d = law(0.5, 1.0, 1.0, validate_args=False)
    assert (d.log_prob(below) == -INF).all()
    assert (d.cdf(below) == 0).all()
    assert (d.survival(below) == 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("law", LAWS)
def test_half_precision_draws(law, dtype):
    x = law(torch.tensor(0.5, dtype=dtype), 1.0, 1.0).sample((20_000,), generator=seeded(0))
    assert x.dtype == dtype and abs(x.double().mean() - law(0.5, 1.0, 1.0).mean) < 0.05


@pytest.mark.parametrize("p", [0.09, 0.1, 0.15, 19.0])
def test_quantiles_at_the_ends_of_the_range_of_p(p):
    fraction = torch.tensor([0.001, 0.01, 0.1, 0.3, 0.7, 0.99], dtype=torch.float64)
    mu = mu_for_l0(fraction, p)
    wanted = -unit_variance_scale(p) * scipy.stats.gennorm.isf(fraction, p, scale=p ** (1 / p))
    np.testing.assert_allclose(mu, wanted, rtol=1e-8)


# --------------------------------------------------------------------------------------------------------- properties

laws, ms, ps, scales = st.sampled_from(LAWS), st.floats(-6, 6), st.floats(0.25, 8), st.floats(1e-3, 1e3)
often = settings(max_examples=40, deadline=None, derandomize=True)


@often
@given(laws, ms, ps, st.lists(st.floats(0, 20), min_size=2, max_size=6, unique=True))
def test_cdf_increases(law, m, p, x):
    d, x = law(f64(m), f64(1.0), f64(p)), f64(sorted(x))
    cdf = d.cdf(x)
    assert (cdf.diff() >= -1e-15).all()
    assert ((cdf >= 0) & (cdf <= 1)).all()
    torch.testing.assert_close(cdf + d.survival(x), torch.ones_like(x), rtol=0, atol=1e-14)


@often
@given(ms, ps)
def test_mass_is_one(m, p):
    """The atom and the integral of exp(log_prob) above it add up to 1; for the truncated law the integral is 1."""
    for law in POSITIVE_LAWS:
        d = law(f64(m), f64(1.0), f64(p))

        def density(x, d=d):
            return d.log_prob(torch.from_numpy(x.astype(np.float64))).exp().numpy()

        mass = integrate(lambda u: density(m - u), 0, m) if m > 1e-30 else 0
        mass += integrate(lambda u: density(max(m, 0) + u), 0, (200 * p) ** (1 / p))
        atom = d.log_prob(f64(0.0)).exp().item() if law is RectifiedGeneralizedGaussian else 0
        assert abs(atom + mass - 1) < 1e-9


@often
@given(laws, ms, ps, scales, st.floats(1e-3, 10), st.floats(0.01, 0.99))
def test_scale_law(law, m, p, c, x, q):
    """If x follows the law with (loc, scale), c x follows it with (c loc, c scale)."""
    one, many = law(f64(m), f64(1.0), f64(p)), law(f64(m * c), f64(c), f64(p))
    close = functools.partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
    close(many.log_prob(f64(x * c)), one.log_prob(f64(x)) - math.log(c))
    close(many.cdf(f64(x * c)), one.cdf(f64(x)))
    close(many.icdf(f64(q)) / c, one.icdf(f64(q)))
    close(many.mean / c, one.mean)
    close(many.variance / c**2, one.variance)
    close(many.entropy(), one.entropy() + math.log(c) * getattr(one, "prob_active", 1.0))


@often
@given(ps, scales, st.integers(-50, 50), st.floats(-10, 10), st.floats(0.01, 0.99))
def test_shift_law(p, scale, shift, x, q):
    """If x ~ GN_p(0, scale), x + c ~ GN_p(c, scale)."""
    one, moved = (GeneralizedGaussian(f64(loc), f64(scale), f64(p)) for loc in (0.0, float(shift)))
    x = shift + x * scale
    torch.testing.assert_close(moved.cdf(f64(x)), one.cdf(f64(x - shift)), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(moved.icdf(f64(q)), one.icdf(f64(q)) + shift, rtol=1e-9, atol=1e-9)
    assert torch.equal(moved.variance, one.variance)
    assert torch.equal(moved.entropy(), one.entropy())


def test_gradient_of_the_rectified_quantile_at_the_atom():
    """Quantiles inside the atom are 0 whatever the parameters; those above it keep their slopes."""
    loc, scale, p = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 1.2, 1.5))
    q = torch.tensor([0.0, 0.1, 0.7], dtype=torch.float64)
    x = RectifiedGeneralizedGaussian(loc, scale, p).icdf(q)
    assert x[:2].tolist() == [0, 0] and x[2] == GeneralizedGaussian(loc, scale, p).icdf(q[2])
    expected = torch.autograd.grad(GeneralizedGaussian(loc, scale, p).icdf(q[2]), (loc, scale, p))
    torch.testing.assert_close(torch.autograd.grad(x.sum(), (loc, scale, p)), expected)


def test_quantile_of_one_where_the_atom_is_all_but_everything():
    law = RectifiedGeneralizedGaussian(torch.tensor(-10.0, dtype=torch.float64), 1.0, 2.0)
    q = torch.tensor([0.5, 1.0], dtype=torch.float64)
    assert law.icdf(q).tolist() == [0, INF]
