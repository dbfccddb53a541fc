"""rlpjepa.spheres against mpmath, scipy, and spheres cut into small pieces whose area and volume are measured.

The statistical tests have fixed seeds. With a fresh seed each of their p-values would fall below LEVEL once in 10,000.
"""

import math

import mpmath as mp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch

from rlpjepa.spheres import lp_norm, sample_cone, sample_surface, surface_density

LEVEL = 1e-4
P = [0.05, 0.25, 0.5, 0.9, 1, 1.5, 2, 8, 100, math.inf]
SAMPLERS = [sample_cone, sample_surface]
F64 = torch.float64

mp.mp.dps = 30


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def agrees(sample, law):
    """Kolmogorov and Smirnov's test of a sample against a cdf, the name of a law, or another sample."""
    return scipy.stats.kstest(sample, law).pvalue > LEVEL


# --------------------------------------------------------------------------------------------------------------- norms


def exact_norm(x, p):
    values = [abs(mp.mpf(v)) for v in x.tolist()]
    if p == math.inf:
        return max(values)
    return mp.fsum(v ** mp.mpf(p) for v in values) ** (1 / mp.mpf(p))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-7), (F64, 1e-13)])
@pytest.mark.parametrize("p", P)
def test_norm_against_mpmath(p, dtype, tolerance):
    # The second scale is small because of p = 0.05, where the factor 300^20 = 10^49 leaves float32's range.
    for scale in (1.0, 1e-37):
        x = scale * torch.randn(4096 if p == 0.25 else 300, dtype=dtype, generator=seeded())
        exact = exact_norm(x, p)
        if exact < torch.finfo(dtype).max:
            assert abs(mp.mpf(lp_norm(x, p).item()) / exact - 1) < tolerance
        else:
            assert lp_norm(x, p) == math.inf


@pytest.mark.parametrize("p", P)
@pytest.mark.parametrize(
    ("dtype", "sizes"), [(torch.float32, (1e-36, 1.0, 1e36)), (F64, (1e-300, 1e-30, 1.0, 1e30, 1e300))]
)
def test_norm_where_powers_leave_the_range(p, dtype, sizes):
    for size in sizes:
        x = torch.tensor([3 * size, 0.0, -4 * size, size / 7], dtype=dtype)
        exact = exact_norm(x, p)
        if exact < torch.finfo(dtype).max:
            assert lp_norm(x, p).item() == pytest.approx(float(exact), rel=1e-6 if dtype == torch.float32 else 1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("p", [0.25, 0.5, 1, 2, 7, 300.0])
def test_norm_in_a_hundred_thousand_dimensions(p, dtype):
    d = 100_000
    assert lp_norm(torch.full((d,), 1e-6, dtype=dtype), p).item() == pytest.approx(1e-6 * d ** (1 / p), rel=1e-6)


def test_norm_with_a_tiny_p_where_single_factors_do_not_fit():
    x = torch.full((100_000,), 1e-250, dtype=F64)  # the root of the sum alone is 10^500
    assert lp_norm(x, 0.01).item() == pytest.approx(1e250, rel=1e-10)
    wide = torch.tensor([1e300, 1e-300], dtype=F64)  # the second one still adds (1 + 10^-6)^100
    assert lp_norm(wide, 0.01).item() == pytest.approx(1e300 * (1 + 1e-6) ** 100, rel=1e-11)


def test_norm_shapes_and_zeros():
    x = torch.randn(2, 3, 4, generator=seeded())
    x[0, 0] = 0
    for p in (0.5, 1, 2, math.inf):
        for dim in (-1, 0, 1):
            reference = torch.linalg.vector_norm(x, p, dim)
            torch.testing.assert_close(lp_norm(x, p, dim), reference)
            torch.testing.assert_close(lp_norm(x, p, dim, keepdim=True), reference.unsqueeze(dim))
    assert lp_norm(x, 0.5)[0, 0] == 0
    assert lp_norm(torch.zeros(0, 3), 2).shape == (0,)
    assert lp_norm(torch.ones(3, dtype=torch.bfloat16), 2).dtype == torch.bfloat16


@pytest.mark.parametrize("p", [0.5, 1, 1.7, 2, 5, math.inf])
def test_norm_gradient(p):
    x = torch.randn(3, 5, dtype=F64, generator=seeded()).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: lp_norm(x, p), x)
    x = torch.tensor([[3.0, 0.0, -4.0], [0.0, 0.0, 0.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(lp_norm(x, p).sum(), x)
    assert slope.isfinite().all() and (slope[x == 0] == 0).all()


# -------------------------------------------------------------------------------------------- points on the unit sphere


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("p", [0.25, 0.5, 1, 1.5, 2, 8, 1000.0, math.inf])
def test_points_have_norm_one(p, dtype):
    cone = [(sample_cone, *shape) for shape in ((1000, 1), (1000, 2), (20, 4096), (1, 100_000))]
    for sample, n, d in [*cone, (sample_surface, 1000, 1), (sample_surface, 50, 50)]:
        u = sample(n, d, p, dtype=dtype, generator=seeded())
        assert u.shape == (n, d) and u.dtype == dtype and (u != 0).all()
        size = np.abs(u.double().numpy())
        power = size.max(1) if p == math.inf else (size**p).sum(1)
        assert np.abs(power - 1).max() < max(1, 0 if p == math.inf else p) * (1e-7 if dtype == torch.float32 else 1e-13)


def test_tiny_p():
    u = sample_cone(100, 4096, 0.05, dtype=F64, generator=seeded())
    assert (u != 0).all() and (lp_norm(u, 0.05) - 1).abs().max() < 1e-12


@pytest.mark.parametrize("d", [2, 3, 40])
@pytest.mark.parametrize("p", [0.25, 0.5, 1, 1.5, 2, 8])
def test_cone_marginals(p, d):
    u = sample_cone(20_000, d, p, dtype=F64, generator=seeded())
    for j in (0, d - 1):
        assert agrees(u[:, j].abs() ** p, scipy.stats.beta(1 / p, (d - 1) / p).cdf)
    orthants = (u[:, :2] > 0).long() @ torch.tensor([1, 2])
    assert scipy.stats.chisquare(orthants.bincount(minlength=4)).pvalue > LEVEL


@pytest.mark.parametrize("p", [0.4, 0.75, 1.5, 4, math.inf])
def test_cone_measure_is_volume(p):
    """Uniform points in the cube, those outside the ball thrown away: pieces of the ball count by their volume."""
    cube = torch.rand(400_000, 3, dtype=F64, generator=seeded(1))
    size = cube.amax(1) if p == math.inf else cube.pow(p).sum(1).pow(1 / p)
    ball = cube[size < 1][:20_000] / size[size < 1][:20_000, None]
    u = sample_cone(20_000, 3, p, dtype=F64, generator=seeded(2)).abs()
    for key in (lambda u: u[:, 0] / u[:, 1], lambda u: u.amin(1) / u.amax(1), lambda u: u[:, 0] - u[:, 1] * u[:, 2]):
        assert agrees(key(u), key(ball).numpy())


# The unit sphere's positive part in small flat pieces, whose areas and cones are those of segments and triangles.


def pieces(d, p, fine):
    """Centres (on the sphere), areas and volumes of the cones, both of total 1."""

    def corner(*simplex):  # in powers that keep the pieces small at the corners and at the edges of the positive part
        points = (np.stack(simplex, 1) / fine) ** max(1, 1 / p)
        return points / (points**p).sum(1, keepdims=True) ** (1 / p)

    if d == 2:
        i = np.arange(fine)
        a, b = corner(i, fine - i), corner(i + 1, fine - i - 1)
        area, volume = np.linalg.norm(b - a, axis=1), np.abs(np.linalg.det(np.stack([a, b], 1)))
        middle = a + b
    else:
        i, j = (grid.flatten() for grid in np.meshgrid(np.arange(fine), np.arange(fine)))
        k = fine - i - j
        up = [corner(i[k > 0], j[k > 0], k[k > 0])]
        up += [corner(i[k > 0] + 1, j[k > 0], k[k > 0] - 1), corner(i[k > 0], j[k > 0] + 1, k[k > 0] - 1)]
        i, j, k = i[k > 1], j[k > 1], k[k > 1]
        down = [corner(i + 1, j, k - 1), corner(i, j + 1, k - 1), corner(i + 1, j + 1, k - 2)]
        a, b, c = (np.concatenate(pair) for pair in zip(up, down))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        volume = np.abs(np.linalg.det(np.stack([a, b, c], 1)))
        middle = a + b + c
    return middle / (middle**p).sum(1, keepdims=True) ** (1 / p), area / area.sum(), volume / volume.sum()


@pytest.mark.parametrize(("d", "fine"), [(2, 20_000), (3, 250)])
@pytest.mark.parametrize("p", [0.5, 0.75, 1, 1.5, 2, 4])
def test_samplers_against_pieces(p, d, fine):
    centres, area, volume = pieces(d, p, fine)
    for sample, weight in ((sample_surface, area), (sample_cone, volume)):
        u = sample(20_000, d, p, dtype=F64, generator=seeded(3)).abs().numpy()
        for key in (lambda u: u[:, 0] - u[:, 1], lambda u: u.max(1), lambda u: u[:, 0] * u[:, -1]):
            order = np.argsort(key(centres))
            assert agrees(key(u), lambda x: np.interp(x, key(centres)[order], weight[order].cumsum()))  # noqa: B023


@pytest.mark.parametrize("p", [0.5, 0.75, 1.5, 4])
def test_measures_differ_where_they_should(p):
    """The tests above can tell the two apart: a sample of one measure fails against the other."""
    cone, surface = (s(200_000, 2, p, dtype=F64, generator=seeded(4)).abs().amax(1) for s in SAMPLERS)
    assert not agrees(cone, surface.numpy())


@pytest.mark.parametrize("d", [2, 3, 20])
def test_rejection_gives_the_known_laws_at_its_edges(d):
    """A p so near to 1 or 2 that the points are drawn by rejection, where the surface measure is known."""
    flat = sample_surface(10_000, d, 1 + 1e-9, dtype=F64, generator=seeded(5))
    round_ = sample_surface(10_000, d, 2 - 1e-9, dtype=F64, generator=seeded(16))
    for j in (0, d - 1):
        assert agrees(flat[:, j].abs(), scipy.stats.beta(1, d - 1).cdf)  # uniform on a simplex
        assert agrees(round_[:, j] ** 2, scipy.stats.beta(1 / 2, (d - 1) / 2).cdf)  # for d = 3, Archimedes' law
    assert agrees((round_[:, 0] + round_[:, 1]) ** 2 / 2, scipy.stats.beta(1 / 2, (d - 1) / 2).cdf)


@pytest.mark.parametrize("sample", SAMPLERS)
def test_cube(sample):
    u = sample(20_000, 3, math.inf, dtype=F64, generator=seeded(7))
    face = u.abs().argmax(1)
    assert (u.gather(1, face[:, None]).abs() == 1).all()
    assert scipy.stats.chisquare(face.bincount(minlength=3)).pvalue > LEVEL
    assert agrees(u[face != 0, 0], scipy.stats.uniform(-1, 2).cdf)


@pytest.mark.parametrize("sample", SAMPLERS)
def test_large_p_approaches_the_cube(sample):
    u = sample(20_000, 2, 1e6, dtype=F64, generator=seeded(8))
    assert agrees(u.abs().amin(1), scipy.stats.uniform(0, 1).cdf)


@pytest.mark.parametrize("sample", SAMPLERS)
@pytest.mark.parametrize("p", [0.5, 2])
def test_generator_device_and_dtype(sample, p):
    state = torch.get_rng_state()
    first, again = (sample(10, 3, p, generator=seeded(9)) for _ in range(2))
    assert torch.equal(first, again) and not torch.equal(first, sample(10, 3, p, generator=seeded(10)))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.dtype == torch.get_default_dtype() and first.device.type == "cpu"
    assert sample(10, 3, p, dtype=torch.float16).dtype == torch.float16
    if torch.cuda.is_available():
        u = sample(1000, 3, p, device="cuda", generator=seeded(device="cuda"))
        assert u.is_cuda and (lp_norm(u, p) - 1).abs().max() < 1e-5
        assert surface_density(u, p).is_cuda


# ------------------------------------------------------------------------------------------------------------- density


@pytest.mark.parametrize("p", [0.5, 0.75, 1, 1.5, 2, 4])
@pytest.mark.parametrize(("d", "fine", "tolerance"), [(2, 20_000, 1e-3), (3, 250, 1e-2)])
def test_density_against_pieces(p, d, fine, tolerance):
    centres, area, volume = pieces(d, p, fine)
    inside = (centres**p).min(1) > 0.1  # next to the edges the pieces are too coarse for their centres
    density = surface_density(torch.tensor(centres[inside]), p).numpy()
    assert np.abs(density / (area / volume)[inside] - 1).max() < tolerance


def test_density_of_known_curves():
    # the astroid (p = 2/3) has length 6, area 3 pi / 8, and at (1, 1) / sqrt(8) the slopes sqrt(2) and sqrt(2)
    diagonal = torch.full((2,), 8**-0.5, dtype=F64)
    assert surface_density(diagonal, 2 / 3).item() == pytest.approx(2 / (8 / math.pi), rel=1e-12)
    # p = 1/2 is made of parabolas of length 1 + arsinh(1) / sqrt(2) around an area of 1/6
    length = 1 + math.asinh(1) / math.sqrt(2)
    mean_slope = length / (2 / 6)
    assert surface_density(diagonal / diagonal.sum() / 2, 1 / 2).item() == pytest.approx(
        math.sqrt(2) * 0.25**-0.5 / mean_slope, rel=1e-12
    )


@pytest.mark.parametrize("p", [0.05, 0.25, 1.2, 3.0, 30.0])
def test_density_against_arc_length(p):
    """Length and area of the plane curve by mpmath, one eighth of it over the coordinate in which it is flattest."""
    p = mp.mpf(p)
    corner = 2 ** (-1 / p)
    curve = lambda x: (1 - x**p) ** (1 / p)
    low, high = (corner, 1) if p < 1 else (0, corner)
    length = 8 * mp.quad(lambda x: mp.sqrt(1 + (x / curve(x)) ** (2 * p - 2)), mp.linspace(low, high, 9))
    area = 4 * mp.gamma(1 + 1 / p) ** 2 / mp.gamma(1 + 2 / p)
    slope = mp.sqrt(2) * corner ** (p - 1)
    u = torch.full((2,), float(corner), dtype=F64)
    assert surface_density(u, float(p)).item() == pytest.approx(float(slope / (length / (2 * area))), rel=1e-8)


@pytest.mark.parametrize("p", [0.6, 1.5, 3.0])
def test_density_in_space_has_mass_one(p):
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = (nodes + 1) / 2
    angle, weights = x**2 * (3 - 2 * x) * np.pi / 2, weights * x * (1 - x)  # crowded at both ends
    v, w = np.meshgrid(angle, angle)
    omega = np.stack([np.sin(w) * np.cos(v), np.sin(w) * np.sin(v), np.cos(w)], -1)
    r = (omega**p).sum(-1, keepdims=True) ** (-1 / p)
    cone = weights * weights[:, None] * r[..., 0] ** 3 * np.sin(w)  # the volume below d omega
    surface = cone * surface_density(torch.tensor(r * omega), p).numpy()
    assert surface.sum() / cone.sum() == pytest.approx(1, rel=1e-3)


def test_density_shapes_and_corners():
    u = sample_cone(12, 3, 0.5, generator=seeded()).view(3, 4, 3)
    assert surface_density(u, 0.5).shape == (3, 4) and surface_density(u, 0.5).dtype == torch.float32
    assert surface_density(torch.tensor([1.0, 0.0]), 0.5) == math.inf
    assert surface_density(torch.tensor([1.0, 0.0]), 3.0).item() == pytest.approx(1 / 0.9544952, rel=1e-6)
    assert surface_density(torch.tensor([-1.0]), 0.5) == 1
    for p in (1, 2, math.inf):
        assert torch.equal(surface_density(sample_cone(5, 700, p, generator=seeded()), p), torch.ones(5))


def test_density_lies_where_the_points_do():
    u = torch.tensor([[0.25, 0.25]])
    with torch.device("meta"):  # the program's default device
        there = surface_density(u, 0.5)
    assert torch.equal(there, surface_density(u, 0.5))
