"""Directions and the laws along them, against scipy, closed forms, quadrature and samples.

Statistical tests fix their seeds, and each says how often it would fail with a fresh one.
"""

import functools
import gc
import math
import warnings
import weakref

import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpjepa import (
    GeneralizedGaussian,
    RectifiedGeneralizedGaussian,
    TruncatedGeneralizedGaussian,
    projected_characteristic_function,
    projected_marginal,
    random_directions,
)
from rlpjepa.numerics import characteristic


def f64(values):
    return torch.tensor(values, dtype=torch.float64)


def gennorm(p, mu, sigma=1.0):
    return scipy.stats.gennorm(p, mu, sigma * p ** (1 / p))


# ----------------------------------------------------------------------------------------------------------- directions


@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 8), (8, 8), (21, 8), (5, 1)])
def test_rows_are_unit_vectors(n, d, orthogonal, generator):
    directions = random_directions(n, d, orthogonal=orthogonal, dtype=torch.float64, generator=generator)
    assert directions.shape == (n, d)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(n, dtype=torch.float64))


def test_orthogonal_in_blocks_of_d(generator):
    directions = random_directions(20, 8, orthogonal=True, dtype=torch.float64, generator=generator)
    for block in directions.split(8):
        torch.testing.assert_close(block @ block.T, torch.eye(len(block), dtype=torch.float64))


@pytest.mark.parametrize("orthogonal", [False, True])
def test_uniform_on_the_sphere(orthogonal, generator):
    # On the sphere in dimension d, the square of a coordinate is Beta(1/2, (d - 1)/2). One coordinate per draw, so that
    # the samples are independent; fixed seed, each of the 16 checks would fail 1 time in 1000.
    d = 5
    draws = random_directions(2000 * d, d, orthogonal=orthogonal, generator=generator).view(2000, d, d)
    law = scipy.stats.beta(0.5, (d - 1) / 2)
    for row, coordinate in ((0, 0), (0, 3), (2, 2), (4, 4)):
        x = draws[:, row, coordinate]
        assert scipy.stats.kstest(x.square().numpy(), law.cdf).pvalue > 0.001
        assert scipy.stats.binomtest(int((x > 0).sum()), len(x)).pvalue > 0.001


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("orthogonal", [False, True])
def test_half_precision_directions(dtype, orthogonal, generator):
    c = random_directions(np.int64(5), 4, orthogonal=orthogonal, dtype=dtype, generator=generator)
    assert c.dtype == dtype and (c.double().norm(dim=1) - 1).abs().max() < 0.01


def test_same_generator_same_directions():
    first, second = (random_directions(4, 3, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_directions_that_mix_a_few_coordinates(size, generator):
    """Each coordinate and each pair equally often, those chosen uniform on their sphere: 10 tests of 1 in 10,000."""
    n, d = 7000, 7
    c = random_directions(n, d, size=size, dtype=torch.float64, generator=generator)
    chosen, values = c != 0, c[c[:, 2] != 0, 2]
    assert c.shape == (n, d) and (chosen.sum(dim=1) == size).all()
    torch.testing.assert_close(c.norm(dim=1), torch.ones(n, dtype=torch.float64))
    assert torch.equal(c, random_directions(n, d, size=size, dtype=torch.float64, generator=generator.manual_seed(0)))
    assert scipy.stats.binomtest(int((values > 0).sum()), len(values)).pvalue > 1e-4
    if size > 1:
        assert scipy.stats.kstest(values.square(), scipy.stats.beta(0.5, (size - 1) / 2).cdf).pvalue > 1e-4
    for count in chosen.sum(dim=0).tolist():
        assert count == n if size == d else scipy.stats.binomtest(count, n, size / d).pvalue > 1e-4
    if 1 < size < d:  # with which others the first coordinate is mixed
        assert scipy.stats.chisquare((chosen[chosen[:, 0], 1:]).sum(dim=0)).pvalue > 1e-4


# ------------------------------------------------------------------------------------ the exact law in two dimensions

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


def on_panels(edges):
    """Points and weights of Gauss and Legendre's rule on the pieces between the edges."""
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + NODES)).ravel(), (half * WEIGHTS).ravel()


FINE = np.concatenate([np.arange(-32, -4, 3), np.arange(-4, 0.1, 0.5)])
COARSE = np.array([-20, -10, -5, -2, 0])


def toward(a, b, edges=FINE):
    """Points and weights for an integral from a to b, densest at a; the edges are those of panels in the logarithm."""
    logs, weight = on_panels(edges)
    return a + (b - a) * np.exp(logs), abs(b - a) * np.exp(logs) * weight


def whole_line(breaks, far):
    """Points and weights for an integral over the line: dense at the breaks, and `far` beyond the last."""
    breaks = np.unique(np.round(breaks, 12))
    pieces = [(breaks[0], breaks[0] - far), (breaks[-1], breaks[-1] + far)]
    for a, b in zip(breaks, breaks[1:]):
        pieces += [(a, (a + b) / 2), (b, (a + b) / 2)]
    y, weight = zip(*(toward(*piece) for piece in pieces))
    return np.concatenate(y), np.concatenate(weight)


def cusps(mus, c):
    """Where a sum c·x of coordinates that are each at 0 or at the mode lies: the density may be rough there."""
    return [a + b for a in (0, c[0] * max(mus[0], 0)) for b in (0, c[1] * max(mus[1], 0))]


DIRECTIONS = [(0.8, 0.6), (0.8, -0.6), (-0.05, 1.0), (1.0, 0.0), (0.0, -2.0)]


@pytest.mark.parametrize("mu", [-2.0, -0.4, 0.0, 0.7, 2.0])
@pytest.mark.parametrize("p", [0.25, 0.5, 1.0, 2.0, 8.0])
def test_total_mass_is_one(p, mu):
    law, zero = RectifiedGeneralizedGaussian(f64(mu), 1.0, p), gennorm(p, mu).cdf(0)
    for c in DIRECTIONS:
        on_axis = 0 in c
        y, weight = whole_line(cusps((mu, mu), c), 2 * max(map(abs, c)) * (abs(mu) + (45 * p) ** (1 / p)))
        marginal = projected_marginal(law, c, f64(y))
        assert marginal.atom.item() == pytest.approx(zero if on_axis else zero**2, rel=1e-9)
        assert marginal.atom.item() + marginal.density.numpy() @ weight == pytest.approx(1, abs=1e-6)
        ridges = [(1 - zero) * (1 if on_axis else zero) if c_i else 0 for c_i in c]
        np.testing.assert_allclose(marginal.ridges.numpy() @ weight, ridges, rtol=0, atol=1e-6)
        interior = 0 if on_axis else (1 - zero) ** 2
        assert marginal.interior.numpy() @ weight == pytest.approx(interior, abs=1e-6)


def slow_density(laws, c, y):
    """Ridges and interior at one y != 0 by scipy's adaptive quadrature; laws are two (p, mu, sigma)."""
    first, second = (gennorm(*law) for law in laws)
    ridge_1 = first.pdf(y / c[0]) / abs(c[0]) * second.cdf(0) if y / c[0] > 0 else 0
    ridge_2 = second.pdf(y / c[1]) / abs(c[1]) * first.cdf(0) if y / c[1] > 0 else 0
    pdfs = [functools.partial(slow_pdf, *law) for law in laws]
    # x and (y − c_1 x) / c_2 both positive
    end = y / c[0]
    low, high = (0.0, end) if c[0] * c[1] > 0 else (max(0.0, end), 200.0)
    if high <= low:
        return ridge_1, ridge_2, 0.0
    breaks = {laws[0][1], (y - c[1] * laws[1][1]) / c[0], low + 1e-3, high - 1e-3, low + 3, low + 20}
    integral, _ = scipy.integrate.quad(
        lambda x: pdfs[0](x) * pdfs[1]((y - c[0] * x) / c[1]),
        low,
        high,
        points=sorted(b for b in breaks if low < b < high),
        epsabs=1e-11,
        epsrel=1e-10,
        limit=500,
    )
    return ridge_1, ridge_2, integral / abs(c[1])


def slow_pdf(p, mu, sigma, x):
    return math.exp(-((abs(x - mu) / sigma) ** p) / p) / (2 * sigma * math.gamma(1 / p) * p ** (1 / p - 1))


LAWS = [
    ((1.0, 0.0, 1.0), (1.0, 0.0, 1.0)),
    ((0.5, 0.3, 1.0), (0.5, 0.3, 1.0)),
    ((2.0, -0.5, 1.2), (2.0, 0.8, 0.7)),
    ((0.7, 0.5, 1.0), (3.0, 1.0, 2.0)),
    ((8.0, 1.5, 1.0), (8.0, -0.9, 1.0)),
    ((19.0, 1.5, 1.0), (19.0, -0.9, 1.0)),
]


def pair(laws):
    """The package's law of two coordinates, scalar where they agree."""
    p, mu, sigma = (f64(values) for values in zip(*laws))
    return RectifiedGeneralizedGaussian(mu, sigma, p) if laws[0] != laws[1] else rectified(*laws[0])


def rectified(p, mu, sigma=1.0):
    return RectifiedGeneralizedGaussian(f64(mu), f64(sigma), f64(p))


@pytest.mark.parametrize("laws", LAWS, ids=str)
@pytest.mark.parametrize("c", [(0.8, 0.6), (0.8, -0.6), (-0.1, 2.0), (-0.5, -0.9)], ids=str)
def test_density_against_quadrature(laws, c):
    y = np.array([-2.5, -0.7, -0.02, 0.01, 0.3, 1.1, 3.0])
    marginal = projected_marginal(pair(laws), c, f64(y).view(1, -1))
    expected = np.array([slow_density(laws, c, value) for value in y]).T
    assert marginal.ridges.shape == (2, 1, 7) and marginal.interior.shape == marginal.density.shape == (1, 7)
    np.testing.assert_allclose(marginal.ridges[:, 0], expected[:2], rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(marginal.interior[0], expected[2], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(marginal.density[0], expected.sum(0), rtol=1e-8, atol=1e-9)
    zeros = [gennorm(*law).cdf(0) for law in laws]
    assert marginal.atom.item() == pytest.approx(zeros[0] * zeros[1], rel=1e-9)


def test_laplaces_in_closed_form():
    """Half the mass of each is at 0: a quarter is left for the atom, each ridge and the interior."""
    y = f64([0.1, 1.0, 4.0])
    law = rectified(1.0, 0.0)
    marginal = projected_marginal(law, (1.0, 1.0), y)  # the interior is a Gamma of shape 2
    assert marginal.atom.item() == pytest.approx(0.25, rel=1e-14)
    torch.testing.assert_close(marginal.ridges, (torch.exp(-y) / 4).expand(2, 3), rtol=1e-12, atol=0)
    torch.testing.assert_close(marginal.interior, y * torch.exp(-y) / 4, rtol=1e-10, atol=0)
    y = torch.cat([-y, y])
    marginal = projected_marginal(law, (1.0, -1.0), y)  # the interior is a Laplace
    torch.testing.assert_close(marginal.interior, torch.exp(-y.abs()) / 8, rtol=1e-10, atol=0)
    torch.testing.assert_close(marginal.ridges[0], torch.where(y > 0, torch.exp(-y) / 4, 0), rtol=1e-12, atol=0)
    torch.testing.assert_close(marginal.ridges[1], torch.where(y < 0, torch.exp(y) / 4, 0), rtol=1e-12, atol=0)


def test_along_an_axis():
    laws = (0.5, -0.3, 1.0), (2.0, 0.6, 1.5)
    y = f64([-3.0, -0.5, 0.5, 3.0])
    for c, one, s in (((2.0, 0.0), 0, gennorm(*laws[0])), ((0.0, -0.5), 1, gennorm(*laws[1]))):
        marginal = projected_marginal(pair(laws), c, y)
        x = y.numpy() / c[one]
        assert marginal.atom.item() == pytest.approx(s.cdf(0), rel=1e-10)
        np.testing.assert_allclose(marginal.ridges[one], np.where(x > 0, s.pdf(x) / abs(c[one]), 0), rtol=1e-10)
        assert (marginal.ridges[1 - one] == 0).all() and (marginal.interior == 0).all()


@pytest.mark.parametrize("c", [(0.6, 0.8), (0.8, -0.6)], ids=str)
def test_probability_of_an_interval(c):
    """P(c·x <= s) by scipy's cdf of one coordinate and quadrature over the other."""
    p, mu, s = 1.5, 0.4, 0.7
    law, reference = rectified(p, mu), gennorm(p, mu)

    def below(x2):
        edge = (s - c[1] * x2) / c[0]
        return reference.cdf(edge) if edge >= 0 else 0.0

    points = sorted({mu, s / abs(c[1]), 3.0})
    integral, _ = scipy.integrate.quad(lambda x: below(x) * reference.pdf(x), 0, 20, points=points, epsabs=1e-11)
    y, weight = whole_line([*cusps((mu, mu), c), s], 20)
    y, weight = y[y < s], weight[y < s]
    marginal = projected_marginal(law, c, f64(y))
    got = marginal.atom.item() + marginal.density.numpy() @ weight
    assert got == pytest.approx(below(0.0) * reference.cdf(0) + integral, abs=1e-9)


@pytest.mark.parametrize("c", [(0.8, 0.6), (0.5, -1.0)], ids=str)
def test_histogram_of_samples(c):
    # A million samples of scipy's gennorm in about 60 cells, chi-square: with a fresh seed 1 run in 1000 fails.
    laws = (1.0, 0.3, 1.0), (0.6, -0.2, 1.0)
    rng = np.random.default_rng(0)
    x = [gennorm(*law).rvs(1_000_000, random_state=rng).clip(min=0) for law in laws]
    edges = np.unique([*np.linspace(-3, 4, 61), *cusps([mu for _, mu, _ in laws], c)])
    halves = [(toward(a, (a + b) / 2, COARSE), toward(b, (a + b) / 2, COARSE)) for a, b in zip(edges, edges[1:])]
    y, weight = np.array(halves).transpose(2, 0, 1, 3)  # (cells, halves, points)
    marginal = projected_marginal(pair(laws), c, f64(y))
    is_zero = (x[0] == 0) & (x[1] == 0)
    counts, _ = np.histogram((c[0] * x[0] + c[1] * x[1])[~is_zero], edges)
    expected = (marginal.density.numpy() * weight).sum((1, 2)) * len(is_zero)
    counts, expected = counts[expected > 20], expected[expected > 20]
    counts = np.array([is_zero.sum(), *counts])
    expected = np.array([marginal.atom.item() * len(is_zero), *expected])
    counts, expected = (np.append(v, len(is_zero) - v.sum()) for v in (counts, expected))  # all the rest is a cell
    assert len(counts) > 30
    assert scipy.stats.chisquare(counts, expected).pvalue > 1e-3


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.tuples(*[st.floats(0.3, 6)] * 2),
    st.tuples(*[st.floats(-2, 2)] * 2),
    st.tuples(*[st.floats(0.05, 2) | st.floats(-2, -0.05)] * 2),
    st.floats(1e-3, 1e3),
)
def test_mirror_length_and_exchange(p, mu, c, length):
    law, y = RectifiedGeneralizedGaussian(f64(mu), 1.0, f64(p)), f64([-2.0, -0.3, 0.2, 1.7])
    marginal = projected_marginal(law, c, y)
    mirrored = projected_marginal(law, (-c[0], -c[1]), -y)
    torch.testing.assert_close(mirrored, marginal, rtol=1e-9, atol=1e-12)
    longer = projected_marginal(law, f64(c) * length, y * length)
    for part in ("ridges", "interior", "density"):
        torch.testing.assert_close(getattr(longer, part) * length, getattr(marginal, part), rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(longer.atom, marginal.atom)
    swapped = RectifiedGeneralizedGaussian(f64(mu).flip(0), 1.0, f64(p).flip(0))
    exchanged = projected_marginal(swapped, c[::-1], y)
    torch.testing.assert_close(exchanged.ridges.flip(0), marginal.ridges, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(exchanged.interior, marginal.interior, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(exchanged.atom, marginal.atom)


def test_marginal_shapes_and_types():
    loc = torch.tensor(0.5, requires_grad=True)
    law = RectifiedGeneralizedGaussian(loc, 1.0, 1.0)
    for y in (torch.tensor(0.3), torch.zeros(0), torch.rand(2, 3, dtype=torch.float16)):
        marginal = projected_marginal(law, torch.tensor([0.5, 2.0]), y)
        shapes = [part.shape for part in (*marginal, marginal.density)]
        assert shapes == [(), (2, *y.shape), y.shape, y.shape]
        assert all(part.dtype == torch.float64 and not part.requires_grad for part in marginal)
    both = projected_marginal(law.expand((2,)), (0.5, 2.0), y)
    torch.testing.assert_close(both, marginal)


# ---------------------------------------------------------------------------------------- the characteristic function


def positive_part(p, mu, t):
    """∫ exp(itx) f(x) dx over x > 0 for GN_p(mu, 1): panels no longer than a wave, ever shorter towards the mode."""
    longest = 6 / abs(t).max()

    def away_from_the_mode(length, sign):
        logs = np.exp(np.linspace(math.log(length) - 35, math.log(length), 60))
        edges = np.unique(np.concatenate([[0.0], logs, np.linspace(0, length, int(length / longest) + 2)]))
        u, weight = on_panels(edges)
        x = max(mu, 0) + sign * u
        density = np.exp(-(abs(x - mu) ** p) / p) / (2 * math.gamma(1 / p) * p ** (1 / p - 1))
        return np.exp(1j * t[:, None] * x) @ (weight * density)

    total = away_from_the_mode((45 * p) ** (1 / p), 1)
    return total + away_from_the_mode(mu, -1) if mu > 0 else total


def closed_form(p, mu, t):
    """The same for Laplace (mu <= 0) and Gauss; the latter with the Faddeeva function."""
    if p == 1:
        return math.exp(mu) / 2 / (1 - 1j * t)
    return math.exp(-(mu**2) / 2) / 2 * scipy.special.wofz((t - 1j * mu) / math.sqrt(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_characteristic_function_of_half_precision_directions(dtype):
    law = RectifiedGeneralizedGaussian(torch.tensor(0.0), 1.0, 1.0)
    c, t = torch.tensor([[0.6, 0.8]]).to(dtype), torch.tensor([0.5, 2.0])
    got = projected_characteristic_function(law, c, t)
    assert got.dtype == torch.complex64
    assert torch.equal(got, projected_characteristic_function(law, c.float(), t))


@pytest.mark.parametrize(("p", "mu"), [(1, -2.0), (1, 0.0), (2, -2.0), (2, 0.0), (2, 1.5)])
def test_the_reference_itself(p, mu):
    t = np.linspace(-8, 8, 9)
    np.testing.assert_allclose(positive_part(p, mu, t), closed_form(p, mu, t), rtol=0, atol=1e-14)


@pytest.mark.parametrize("mu", [-2.0, 0.0, 1.5])
@pytest.mark.parametrize("p", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_knots_of_the_table(p, mu):
    """A coarse table, whose knots hold what those of the full one hold: the quadrature without the interpolation."""
    share = gennorm(p, mu).sf(0)
    for kind in (RectifiedGeneralizedGaussian, TruncatedGeneralizedGaussian, GeneralizedGaussian):
        law = kind(f64(mu), 1.0, p)
        t = np.linspace(0, 8 / law.variance.sqrt().item(), 9)
        positive = positive_part(p, mu, t)
        if kind is RectifiedGeneralizedGaussian:
            expected = positive + 1 - share
        elif kind is TruncatedGeneralizedGaussian:
            expected = positive / share
        else:
            expected = positive + positive_part(p, -mu, t).conj()
        table = characteristic._tabulate(law, knots=9).numpy()
        phi = np.exp(table + 1j * law.mean.item() * t - law.variance.item() * t**2 / 2)
        np.testing.assert_allclose(phi, expected, rtol=0, atol=1e-7)


@functools.cache
def remembered_law(p, mu):
    """One object, whose table serves all tests."""
    return rectified(p, mu)


ONE = f64([[1.0]])


@pytest.mark.parametrize(("p", "mu"), [(0.25, 0.0), (0.5, -2.0), (1.0, -2.0), (2.0, 1.5), (4.0, 1.5)])
def test_characteristic_function_on_a_line(p, mu):
    law = remembered_law(p, mu)
    end = 8 / law.variance.sqrt().item()
    t = np.concatenate([np.linspace(0, end, 40)[1:-1], [-0.3 * end, 1e-3 * end, end * (1 - 1e-9)]])
    expected = positive_part(p, mu, t) + gennorm(p, mu).cdf(0)
    got = projected_characteristic_function(law, ONE, f64(t))
    assert got.shape == (1, len(t)) and got.dtype == torch.complex128
    np.testing.assert_allclose(got[0], expected, rtol=0, atol=1e-6)
    # Any length and sign of c, in float32 as well.
    for c, times in ((-0.5, 1.0), (0.25, -3.0)):
        expected = positive_part(p, mu, c * times * t) + gennorm(p, mu).cdf(0)
        got = projected_characteristic_function(law, torch.tensor([[c]]), torch.from_numpy(t).float() * times)
        assert got.dtype == torch.complex64
        np.testing.assert_allclose(got[0], expected, rtol=0, atol=2e-6)
    assert abs(projected_characteristic_function(law, ONE, f64([0.0])) - 1) < 1e-8


def test_characteristic_function_is_a_product(generator):
    """Against a loop over directions, coordinates and times with the closed form; 600 directions are several blocks."""
    p, mu = 2.0, 1.5
    law, zero = remembered_law(p, mu), gennorm(p, mu).cdf(0)
    for n, d in ((4, 3), (2, 1), (600, 100)):
        directions = random_directions(n, d, dtype=torch.float64, generator=generator)
        t = f64(np.linspace(-3, 3, 7)) / law.variance.sqrt()
        got = projected_characteristic_function(law, directions, t)
        assert got.shape == (n, len(t))
        for row in {0, n // 2, n - 1}:
            expected = np.ones(len(t), dtype=complex)
            for c in directions[row].tolist():
                expected *= closed_form(p, mu, c * t.numpy()) + zero
            np.testing.assert_allclose(got[row], expected, rtol=0, atol=1e-6)


def test_characteristic_function_of_samples():
    # E exp(itc·x) over a million samples, real and imaginary part at 8 points: 4.5 standard errors, of which one in
    # 9000 runs with a fresh seed would have more.
    p, mu = 0.5, -2.0
    law = remembered_law(p, mu)
    rng = np.random.default_rng(1)
    x = gennorm(p, mu).rvs((1_000_000, 3), random_state=rng).clip(min=0)
    c = np.array([[0.6, -0.64, 0.48], [0.0, 0.6, 0.8]])
    t = np.array([0.2, 1.0, -1.7, 3.0]) / x.std()
    got = projected_characteristic_function(law, f64(c), f64(t)).numpy()
    for i in range(2):
        for k in range(4):
            angle = t[k] * (x @ c[i])
            for wave, value in ((np.cos(angle), got[i, k].real), (np.sin(angle), got[i, k].imag)):
                assert abs(wave.mean() - value) < 4.5 * wave.std() / 1000


def test_nan_beyond_the_table():
    law = remembered_law(2.0, 1.5)
    end = 8 / law.variance.sqrt().item()
    t = f64([-0.999, 0.999, 1.001, 2.0, -5.0]) * end
    for c in (f64([[1.0]]), f64([[-0.5], [1.0]]), f64([[0.01, -1.0]]), torch.tensor([[0.1, 1.0]])):
        got = projected_characteristic_function(law, c, t)
        assert got[-1].isnan().tolist() == [False, False, True, True, True]
        assert got[:, :2].isfinite().all()
    assert projected_characteristic_function(law, f64([[0.2, -0.1]]), t[:-1]).isfinite().all()


def test_characteristic_function_where_it_changes_sign():
    """A symmetric law's is real: close to its zeros the error may be larger than elsewhere."""
    p, c = 8.0, f64(np.linspace(-1, 1, 40))[:, None]
    law = GeneralizedGaussian(f64(0.0), 1.0, p)
    t = np.linspace(-8, 8, 65) / law.variance.sqrt().item()
    got = projected_characteristic_function(law, c, f64(t)).numpy()
    expected = np.stack([2 * positive_part(p, 0.0, row.item() * t).real for row in c])
    assert expected.min() < -0.1
    np.testing.assert_allclose(got, expected, rtol=0, atol=5e-4)
    away = abs(expected) > 0.05
    np.testing.assert_allclose(got[away], expected[away], rtol=0, atol=3e-6)


def test_table_is_made_once_per_object_and_released_with_it():
    memory = characteristic._memory
    gc.collect()
    before = len(memory)
    laws = [rectified(1.0, 0.0), rectified(1.0, 0.0)]
    made = [[] for _ in laws]
    for directions in (ONE.float(), torch.ones(5, 2)):
        for law, tables in zip(laws, made):
            projected_characteristic_function(law, directions, torch.zeros(3))
            tables.append(memory[law]["_tabulate",])
    assert all(a is b for a, b in made) and made[0][0] is not made[1][0]
    assert len(memory) == before + 2
    objects = [weakref.ref(law) for law in laws]
    del law, laws
    gc.collect()
    assert [ref() for ref in objects] == [None] * 2
    assert len(memory) == before


@pytest.mark.parametrize("p", [1.0, 12.0, 19.9])
@pytest.mark.parametrize("loc", [30.0, 1000.0])
def test_characteristic_function_far_from_zero(p, loc):
    """Far to the right nothing is cut off: the modulus is that of the law at 0, of which half is integrated here."""
    t = np.array([0.5, 1.0, 2.0])
    size = (40 * p) ** (1 / p)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        half = [scipy.integrate.quad(lambda x, s=s: np.cos(s * x) * np.exp(-(x**p) / p), 0, size)[0] for s in (0, *t)]
    law = RectifiedGeneralizedGaussian(loc, torch.tensor(1.0, dtype=torch.float64), p)
    got = projected_characteristic_function(law, torch.ones(1, 1, dtype=torch.float64), torch.from_numpy(t))[0]
    np.testing.assert_allclose(got.numpy() * np.exp(-1j * t * loc), np.array(half[1:]) / half[0], atol=1e-5)


def test_characteristic_function_under_autocast():
    law, c, t = RectifiedGeneralizedGaussian(0.0, 1.0, 1.0), torch.ones(1, 64) / 8, torch.linspace(0, 3, 17)
    with torch.autocast("cpu", torch.bfloat16):
        got = projected_characteristic_function(law, c, t)
    torch.testing.assert_close(got, projected_characteristic_function(law, c, t))
