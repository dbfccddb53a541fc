"""Characteristic functions of projections, by a table that is made once for each distribution.

What is computed from a distribution once and then kept stands here too: `remembered`, `mean_and_deviation`.
"""

import weakref

import torch
from torch.distributions import constraints

from . import special
from .arguments import check_distribution, check_tensors, full_precision, violated, without_autocast


@torch.no_grad()
def projected_characteristic_function(distribution, directions, t):
    """E exp(i t c·x) = Π_j φ(c_j t) for independent coordinates x_j that share the characteristic function φ.

    log φ comes from a table, made at the first call with a distribution object and kept as long as that lives. It ends
    at |c_j t| = 8 / standard deviation; if any is beyond, the result is NaN. Two cumulants are exact, what remains
    is interpolated linearly: errors are below 3e-6, and up to 1e-3 where a |c_j t| comes close to a zero of φ.

    Args:
        distribution: one of the three distributions of chapter 02, with scalar parameters.
        directions: (N, D), the rows c, on the distribution's device.
        t: (K,) floating-point tensor on the same device.

    Returns:
        (N, K) tensor, complex128 for float64 directions and complex64 for others.

    Raises:
        ValueError: if directions are not floating point of shape (N, D) or t of shape (K,), and if the distribution's
            parameters are not scalar, not on the directions' device, or so extreme that its density is too narrow for
            the table.

    Example:
        >>> t = torch.tensor([0.0, 1.0, 2.0])
        >>> phi = projected_characteristic_function(GeneralizedGaussian(0.0, 1.0, 2.0), random_directions(5, 8), t)
        >>> torch.allclose(phi.real, torch.exp(-t.square() / 2).expand(5, 3), atol=1e-4)  # N(0, 1)
        True
    """
    check_tensors(directions=directions, t=t)
    check_distribution(distribution, directions.device)
    if directions.dim() != 2 or 0 in directions.shape or not directions.is_floating_point():
        raise ValueError(
            f"directions must be floating point of shape (N, D), got {directions.dtype} {tuple(directions.shape)}"
        )
    if t.dim() != 1 or not t.is_floating_point() or t.device != directions.device:
        raise ValueError(f"t must be floating point of shape (K,), got {t.dtype} {tuple(t.shape)} on {t.device}")
    directions = full_precision(directions)
    table, (mean, deviation) = remembered(distribution, _tabulate), remembered(distribution, mean_and_deviation)
    # What log φ(c t) has beyond its first two cumulants, at equally spaced c > 0. φ is conjugate at negative c t.
    size, t = directions.abs(), t.double()
    step = size.max().clamp_min(torch.finfo(size.dtype).tiny) / KNOTS
    c = torch.arange(KNOTS + 1, device=directions.device) * step.double()
    knots = t * deviation / REACH * (len(table) - 1)  # where t lies in the table
    rest = special.interpolate(table, c.unsqueeze(-1) * knots)  # (KNOTS + 1, K)
    # A direction's sum over coordinates is one over knots, once each coordinate is shared out to its two neighbours.
    logs, phases = [], []
    for c, sign in zip((size / step).split(BLOCK), directions.sign().split(BLOCK), strict=True):
        knot = c.long().clamp(0, KNOTS - 1)
        count = c.new_zeros(2, len(c), KNOTS + 1)
        for weight, neighbour in ((1 - (c - knot), knot), (c - knot, knot + 1)):
            count[0].scatter_add_(1, neighbour, weight)
            count[1].scatter_add_(1, neighbour, weight * sign)
        with without_autocast(c):
            logs.append(count[0] @ rest.real.to(c.dtype))
            phases.append(count[1] @ rest.imag.to(c.dtype))
    sums, squares = directions.double().sum(1, keepdim=True), directions.double().square().sum(1, keepdim=True)
    log = torch.cat(logs) - deviation**2 / 2 * squares * t.square()
    phase = torch.cat(phases) * t.sign() + mean * sums * t
    return torch.polar(log.exp(), phase).to(torch.promote_types(directions.dtype, torch.complex64))


BLOCK, KNOTS = 256, 4096  # directions processed at a time; intervals between 0 and the largest |c_j|
REACH = 8  # standard deviation times the t where the table ends


def _tabulate(distribution, knots=8192):
    """log φ(t) − i mean t + variance t² / 2 at equally spaced t from 0 to REACH / standard deviation, by quadrature."""
    dist = type(distribution)(*(v.double().reshape(()) for v in (distribution.loc, distribution.scale, distribution.p)))
    whole = dist.support is constraints.real
    start = dist.loc if whole else dist.loc.clamp_min(0)
    (step, step_weight), (share, weight) = special.infinite_rule(dist, 3000), special.finite_rule(dist.loc, 400)
    width = start.minimum(dist.scale * (40 * dist.p) ** (1 / dist.p))  # farther left the density is nil
    left = (start - step, step_weight) if whole else (start - width * share, width * weight)
    x, weight = torch.cat([start + step, left[0]]), torch.cat([step_weight, left[1]])
    weight = weight * dist._log_prob(x).exp()
    atom = 0 * dist.loc if whole else dist._cdf(0 * dist.loc)  # P(x = 0)
    mean, deviation = mean_and_deviation(dist)
    t = torch.arange(knots, dtype=x.dtype, device=x.device) * (REACH / (knots - 1) / deviation)
    angles = (block.unsqueeze(-1) * (x - mean) for block in t.split(256))  # 3400 points each
    atom = torch.polar(atom, -mean * t)
    phi = torch.cat([torch.complex(a.cos() @ weight, a.sin() @ weight) for a in angles]) + atom  # of x - mean
    check_mass(distribution, phi[0].real)
    turns = (phi[1:] * phi[:-1].conj()).angle()
    phase = torch.cat([turns.new_zeros(1), turns.cumsum(0)])
    return torch.complex(phi.abs().clamp_min(1e-30).log() + (deviation * t) ** 2 / 2, phase)


def check_mass(distribution, mass):
    """ValueError if quadrature does not find a distribution's whole mass. (On CUDA looking would stall the device.)"""
    if violated(abs(mass - 1) < 1e-4):
        raise ValueError(f"the density of {distribution} is too narrow to be tabulated: it sums to {mass:.3g}")


def mean_and_deviation(distribution):
    """Mean and standard deviation of a distribution of scalar parameters, (2,) in float64.

    ValueError on the CPU where the deviation is all but zero: features are measured in it.
    """
    mean, variance, _ = distribution._moments()
    if violated(variance > 1e-60):
        raise ValueError(f"the variance of {distribution} is too small for a float")
    return torch.cat([mean.double().reshape(1), variance.sqrt().reshape(1)])


_memory = weakref.WeakKeyDictionary()


def remembered(distribution, function, *args):
    """function(distribution, *args), computed once, and again when a parameter of the distribution was changed.

    What is compiled looks for changes when it is compiled, and not when it runs.
    """
    known, key = _memory.setdefault(distribution, {}), (function.__name__, *args)
    parameters = distribution.loc, distribution.scale, distribution.p
    state = _state(*parameters)
    if key not in known or known[key][0] != state:
        if len(known) == 16:  # a program with ever new batch sizes
            known.clear()
        with torch.inference_mode(False), torch.no_grad():
            known[key] = state, function(distribution, *args), parameters  # which are held, or their ids would be free
    return known[key][1]


@torch.compiler.assume_constant_result
def _state(*tensors):
    return str([(id(x), x.tolist() if x.is_inference() else x._version) for x in tensors])
