"""Chapter 03. Directions on the unit sphere: every direction turns a cloud of points into numbers on a line.

What those numbers follow, when the coordinates are independent with a law of chapter 02, is known: exactly in two
dimensions (`projected_marginal`), through its characteristic function in any (`projected_characteristic_function`).
"""

import weakref
from typing import NamedTuple

import torch

from . import special
from .arguments import check_counts, check_dtype, check_law, check_tensors, full_precision
from .distributions import GeneralizedGaussian, RectifiedGeneralizedGaussian


def random_directions(n, d, *, orthogonal=False, device=None, dtype=None, generator=None):
    """Draw unit vectors uniformly from the ℓ2 sphere in dimension d (section "Cramér-Wold Theorem").

    Args:
        n: how many directions.
        d: dimension of the space.
        orthogonal: draw blocks of d mutually orthogonal directions; the last block may be incomplete. Each direction
            alone is still uniform.
        device, dtype, generator: as in ``torch.randn``.

    Returns:
        (n, d) tensor whose rows have ℓ2 norm 1.

    Raises:
        ValueError: if n or d is not a positive integer, or dtype not a floating one.
    """
    check_counts(n=n, d=d)
    dtype = check_dtype(dtype)
    options = {"device": device, "dtype": torch.promote_types(dtype, torch.float32), "generator": generator}
    if not orthogonal:
        # A Gaussian vector points in every direction alike, whatever its length.
        return torch.nn.functional.normalize(torch.randn(n, d, **options), dim=1).to(dtype)
    blocks = torch.randn(-(-n // d), d, d, **options)
    q, r = torch.linalg.qr(blocks)
    # QR alone prefers some signs; with the signs of R's diagonal, Q is uniform over the orthogonal group.
    q = q * torch.diagonal(r, dim1=1, dim2=2).sign()[:, None, :]
    return q.mT.reshape(-1, d)[:n].to(dtype)


class ProjectedMarginal(NamedTuple):
    """The law of c·x for two independent rectified coordinates, by what becomes of the parts of the plane.

    atom: scalar, P(c·x = 0): the corner where both coordinates are zero (along an axis: where that one is).
    ridges: (2, *shape of y), the density from the axes, where only the first or only the second coordinate is positive.
    interior: (*shape of y), the density from the open quadrant.
    """

    atom: torch.Tensor
    ridges: torch.Tensor
    interior: torch.Tensor

    @property
    def density(self):
        """Ridges and interior together, (*shape of y); with the atom its integral is 1."""
        return self.ridges.sum(0) + self.interior


@torch.no_grad()
def projected_marginal(distribution, direction, y):
    """The exact law of c_1 x_1 + c_2 x_2 at the points y (section "Projected Marginals", which samples it).

    Args:
        distribution: `RectifiedGeneralizedGaussian` of batch_shape () or (2,): the law of both coordinates, or of each.
        direction: (c_1, c_2), not both zero; any length.
        y: floating-point tensor of any shape.

    Returns:
        `ProjectedMarginal` in float64; the convolution of the interior is done by quadrature, to about 1e-8 (1e-6
        where p is near 0.1).

    Raises:
        ValueError: if an argument is not of that kind, or not finite.
    """
    if not isinstance(distribution, RectifiedGeneralizedGaussian) or distribution.batch_shape not in ((), (2,)):
        raise ValueError(f"distribution must be rectified, of batch_shape () or (2,), got {distribution}")
    c = torch.as_tensor(direction, dtype=torch.float64, device="cpu")
    if c.shape != (2,) or not c.isfinite().all() or not c.any():
        raise ValueError(f"direction must be two finite numbers, not both zero, got {direction!r}")
    if not isinstance(y, torch.Tensor) or not y.is_floating_point() or not y.isfinite().all():
        raise ValueError(f"y must be a finite floating-point tensor, got {y!r}")
    y, (c1, c2) = y.double(), c.tolist()
    laws = [
        RectifiedGeneralizedGaussian(
            *(v.expand(2)[i].double() for v in (distribution.loc, distribution.scale, distribution.p))
        )
        for i in range(2)
    ]
    zero = torch.stack([law._log_probs()[1].exp() for law in laws])  # P(x_i = 0)
    zero = torch.where(c.to(zero) == 0, 1.0, zero)  # a coordinate that does not count may be anything
    pairs = ((laws[0], c1, zero[1]), (laws[1], c2, zero[0]))
    ridges = [_density(law, y / c) / abs(c) * other if c else torch.zeros_like(y) for law, c, other in pairs]
    return ProjectedMarginal(zero.prod(), torch.stack(ridges), _interior(laws, c1, c2, y))


def _density(law, x):
    """The density of a rectified law's positive part, 0 for x <= 0."""
    return torch.where(x > 0, law._log_prob(torch.where(x > 0, x, 1.0)).exp(), 0.0)


def _interior(laws, c1, c2, y):
    """∫ f_1(x) f_2((y − c_1 x) / c_2) / |c_2| dx over the x where both arguments are positive."""
    if c1 == 0 or c2 == 0:
        return torch.zeros_like(y)
    # The integrand is smooth between the x where a coordinate is 0, at its mode, or so far out that its density is nil.
    zero, mode, far = ((y - c2 * end) / c1 for end in (0.0, laws[1].loc, _far(laws[1])))
    low = torch.minimum(zero, far).clamp_min(0)
    high = torch.maximum(zero, far).minimum(_far(laws[0])).maximum(low)
    breaks = (low, (laws[0].loc + 0 * y).clamp(low, high), mode.clamp(low, high), high)
    ends = torch.stack(breaks).sort(0).values.unsqueeze(-1)
    share, weight = special.finite_rule(y)
    x = ends[:-1] + ends.diff(dim=0) * share  # (3, *shape of y, n)
    values = _density(laws[0], x) * _density(laws[1], (y.unsqueeze(-1) - c1 * x) / c2)
    return (ends.diff(dim=0) * weight * values).sum((0, -1)) / abs(c2)


def _far(law):
    """Where the density has fallen from its mode by a factor exp(−40)."""
    return law.loc.clamp_min(0) + law.scale * (40 * law.p) ** (1 / law.p)


@torch.no_grad()
def projected_characteristic_function(distribution, directions, t):
    """E exp(i t c·x) = Π_j φ(c_j t) for independent coordinates x_j that share one law of characteristic function φ.

    log φ comes from a table, made at the first call with a distribution object and kept as long as that lives. It ends
    at |c_j t| = 8 / standard deviation; if any is beyond, the result is NaN. Two cumulants are exact, what remains
    is interpolated linearly: errors are below 3e-6, and up to 1e-3 where a |c_j t| comes close to a zero of φ.

    Args:
        distribution: one of the three laws of chapter 02, with scalar parameters.
        directions: (N, D), the rows c, on the distribution's device.
        t: (K,) floating-point tensor on the same device.

    Returns:
        (N, K) tensor, complex128 for float64 directions and complex64 for others.

    Raises:
        ValueError: if directions are not floating point of shape (N, D) or t of shape (K,), and if the distribution's
            parameters are not scalar, not on the directions' device, or so extreme that its density is too narrow for
            the table.
    """
    check_tensors(directions=directions, t=t)
    check_law(distribution, directions.device)
    if directions.dim() != 2 or 0 in directions.shape or not directions.is_floating_point():
        raise ValueError(
            f"directions must be floating point of shape (N, D), got {directions.dtype} {tuple(directions.shape)}"
        )
    if t.dim() != 1 or not t.is_floating_point() or t.device != directions.device:
        raise ValueError(f"t must be floating point of shape (K,), got {t.dtype} {tuple(t.shape)} on {t.device}")
    directions = full_precision(directions)
    table, spacing, mean, variance = remembered(
        distribution, "characteristic function", lambda: _tabulate(distribution)
    )
    # What log φ(c t) has beyond its first two cumulants, at equally spaced c > 0. φ is conjugate at negative c t.
    size, t = directions.abs(), t.double()
    step = size.max().clamp_min(torch.finfo(size.dtype).tiny) / KNOTS
    c = torch.arange(KNOTS + 1, device=directions.device) * step.double()
    rest = special.interpolate(table, c.unsqueeze(-1) * (t / spacing))  # (KNOTS + 1, K)
    # A direction's sum over coordinates is one over knots, once each coordinate is shared out to its two neighbours.
    logs, phases = [], []
    for c, sign in zip((size / step).split(BLOCK), directions.sign().split(BLOCK), strict=True):
        knot = c.long().clamp(0, KNOTS - 1)
        count = c.new_zeros(2, len(c), KNOTS + 1)
        for weight, neighbour in ((1 - (c - knot), knot), (c - knot, knot + 1)):
            count[0].scatter_add_(1, neighbour, weight)
            count[1].scatter_add_(1, neighbour, weight * sign)
        with torch.autocast(c.device.type, enabled=False):
            logs.append(count[0] @ rest.real.to(c.dtype))
            phases.append(count[1] @ rest.imag.to(c.dtype))
    sums, squares = directions.double().sum(1, keepdim=True), directions.double().square().sum(1, keepdim=True)
    log = torch.cat(logs) - variance / 2 * squares * t.square()
    phase = torch.cat(phases) * t.sign() + mean * sums * t
    return torch.polar(log.exp(), phase).to(torch.promote_types(directions.dtype, torch.complex64))


BLOCK, KNOTS = 256, 4096  # directions processed at a time; intervals between 0 and the largest |c_j|


def _tabulate(distribution, knots=8192):
    """log φ(t) − i mean t + variance t² / 2 at equally spaced t from 0 to 8 / standard deviation.

    Returns the table, the spacing of t, the mean and the variance; by quadrature over the density.
    """
    law = type(distribution)(*(v.double().reshape(()) for v in (distribution.loc, distribution.scale, distribution.p)))
    whole = isinstance(law, GeneralizedGaussian)
    start = law.loc if whole else law.loc.clamp_min(0)
    (step, step_weight), (share, weight) = special.infinite_rule(law, 3000), special.finite_rule(law.loc, 400)
    width = start.minimum(law.scale * (40 * law.p) ** (1 / law.p))  # farther left the density is nil
    left = (start - step, step_weight) if whole else (start - width * share, width * weight)
    x, weight = torch.cat([start + step, left[0]]), torch.cat([step_weight, left[1]])
    weight = weight * law._log_prob(x).exp()
    atom = law._log_probs()[1].exp() if isinstance(law, RectifiedGeneralizedGaussian) else 0 * law.loc
    mean, variance = law.mean, law.variance
    spacing = 8 / standard_deviation(law) / (knots - 1)
    t = torch.arange(knots, dtype=x.dtype, device=x.device) * spacing
    angles = (block.unsqueeze(-1) * (x - mean) for block in t.split(256))  # 3400 points each
    atom = torch.polar(atom, -mean * t)
    phi = torch.cat([torch.complex(a.cos() @ weight, a.sin() @ weight) for a in angles]) + atom  # of x - mean
    check_mass(distribution, phi[0].real)
    turns = (phi[1:] * phi[:-1].conj()).angle()
    phase = torch.cat([turns.new_zeros(1), turns.cumsum(0)])
    return torch.complex(phi.abs().clamp_min(1e-30).log() + variance * t**2 / 2, phase), spacing, mean, variance


def check_mass(distribution, mass):
    """ValueError if quadrature does not find the whole mass of a law."""
    if not abs(mass - 1) < 1e-4:
        raise ValueError(f"the density of {distribution} is too narrow to be tabulated: it sums to {mass:.3g}")


def standard_deviation(distribution):
    """In float64; ValueError where it is all but zero: features and characteristic functions are measured in it."""
    deviation = distribution._moments()[1].sqrt()
    if not (deviation > 1e-30).all():
        raise ValueError(f"the variance of {distribution} is too small for a float")
    return deviation


_memory = weakref.WeakKeyDictionary()


def remembered(distribution, key, compute):
    """compute(), done once per distribution object and key."""
    known = _memory.setdefault(distribution, {})
    if key not in known:
        with torch.inference_mode(False), torch.no_grad():
            known[key] = compute()
    return known[key]
