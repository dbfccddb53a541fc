"""Chapter 01. ℓp norms, and points on the unit ℓp sphere under its two natural measures.

The cone measure weighs a piece of the sphere by the volume between it and the origin, the surface measure by its area.
They are equal for p = 1, 2 and ∞ and for no other p (section "Generalized Gaussian Distributions" of the blog post).

Powers |x|^p and roots ^(1/p) soon leave the range of floating-point numbers: the code computes with their logarithms,
in float64 whatever goes in and comes out.
"""

import math

import torch

from .numerics.arguments import check_draw, check_finite, check_p, check_tensors, violated


def lp_norm(x, p, dim=-1, keepdim=False):
    """The ℓp norm (Σ|x_i|^p)^(1/p), or max|x_i| for p = ∞. For p < 1 it is a quasi-norm: no triangle inequality.

    Accurate wherever the norm itself can be represented, whatever becomes of the single powers. Differentiable; the
    slope at an entry that is zero counts as zero.

    Args:
        x: floating-point tensor of any shape.
        p: positive number or math.inf.
        dim: the dimension along which the vectors lie.
        keepdim: keep that dimension, with size 1.

    Returns:
        Tensor of x's dtype, of x's shape without dimension dim.

    Raises:
        ValueError: if p is not a positive number, if x is not floating point, if dim is not a dimension of x or empty,
            or, on the CPU, if x holds NaN or infinity.

    Example:
        >>> x = torch.tensor([3.0, -4.0])
        >>> [round(lp_norm(x, p).item(), 3) for p in (0.5, 1, 2, torch.inf)]
        [13.928, 7.0, 5.0, 4.0]
    """
    check_p(p)
    check_tensors(x=x)
    if not x.is_floating_point():
        raise ValueError(f"x must be floating point, got {x.dtype}")
    if isinstance(dim, bool) or not isinstance(dim, int) or not -x.dim() <= dim < x.dim() or x.shape[dim] == 0:
        raise ValueError(f"dim must be a dimension of x that is not empty, got {dim!r} for shape {tuple(x.shape)}")
    check_finite("x", x)
    size = x.double().abs()
    if p == math.inf:
        return size.amax(dim, keepdim).to(x.dtype)
    log_size = torch.where(size > 0, size, 1.0).log().masked_fill(size == 0, -math.inf)
    return (torch.logsumexp(p * log_size, dim, keepdim) / p).exp().to(x.dtype)


def sample_cone(n, d, p, *, device=None, dtype=None, generator=None):
    """Points on the unit ℓp sphere under the cone measure: z / ‖z‖_p with independent z_i ~ GN_p(0, σ), any σ.

    Args:
        n: how many points.
        d: dimension of the space.
        p: positive number or math.inf, where the sphere is the surface of a cube.
        device, dtype, generator: as in torch.randn.

    Returns:
        (n, d) tensor whose rows have ℓp norm 1. An entry too small for dtype is 0 (p near 0 in high dimension).

    Raises:
        ValueError: if n or d is not a positive integer, p not a positive number or dtype not a floating one.

    Source: Barthe, Guédon, Mendelson and Naor (2005), "A probabilistic approach to the geometry of the ℓp^n-ball".

    Example:
        >>> u = sample_cone(1000, 3, p=0.5)
        >>> u.shape, torch.allclose(lp_norm(u, 0.5), torch.ones(1000))
        (torch.Size([1000, 3]), True)
    """
    options, dtype = check_draw(n, d, p, device, dtype)
    v, gamma = _draw(n, d, p, options, generator)
    return _log_sizes(v, gamma, p).exp().copysign(v).to(dtype)


def sample_surface(n, d, p, *, device=None, dtype=None, generator=None):
    """Points on the unit ℓp sphere under the surface measure: pieces of equal area are equally likely.

    With the slopes g_i = |u_i|^(p - 1) of the norm, the density against the cone measure is ‖g‖₂ up to a factor. The
    density ‖g‖₁ is easy to draw from: choose k at random, and of the Gamma variables |z_i|^p behind the cone measure
    give number k the shape 1 in place of 1/p. A point is then kept with probability ‖g‖₂ / ‖g‖₁ ≥ 1/√d.

    Args, Returns, Raises: as for `sample_cone`. Any d: nothing here needs d ≤ 3, where one can see the result.

    Example:
        >>> cone, surface = sample_cone(50_000, 2, p=0.5), sample_surface(50_000, 2, p=0.5)
        >>> corner = lambda u: (u.abs().amax(1) > 0.99).float().mean()  # the share of points close to a corner
        >>> bool(corner(surface) > corner(cone))
        True
    """
    options, dtype = check_draw(n, d, p, device, dtype)
    if p in (1, 2, math.inf):  # the two measures are equal
        return sample_cone(n, d, p, device=device, dtype=dtype, generator=generator)
    points = torch.empty(0, d, **options)
    while len(points) < n:
        v, gamma = _draw(n, d, p, options, generator)
        k = torch.randint(d, (n, 1), device=device, generator=generator)
        v.scatter_(1, k, v.gather(1, k).sign())
        gamma.scatter_(1, k, torch._standard_gamma(torch.ones(n, 1, **options), generator=generator))
        log_u = _log_sizes(v, gamma, p)
        log_slopes = (p - 1) * log_u
        log_chance = _log_l2(log_slopes) - log_slopes.logsumexp(1)
        keep = torch.rand(n, generator=generator, **options).log() < log_chance
        points = torch.cat([points, log_u.exp().copysign(v)[keep]])
    return points[:n].to(dtype)


def surface_density(u, p):
    """Density of the surface measure against the cone measure, both of total mass 1, at points u of the unit ℓp sphere.

    It is ‖g‖₂ divided by the mean of ‖g‖₂ under the cone measure, with the slopes g_i = |u_i|^(p - 1) of the norm.

    Args:
        u: (..., d) points, d ≤ 3 (any d for p = 1, 2 and ∞, where the density is 1).
        p: positive number or math.inf.

    Returns:
        (...) tensor of u's dtype; infinite at the corners if p < 1.

    Raises:
        ValueError: as `lp_norm`, if d > 3 where the density is not 1, or, on the CPU, if a point is off the sphere by
            more than rounding explains.

    Example:
        >>> u = torch.tensor([[1.0, 0.0], [0.25, 0.25]])  # a corner for p = 1/2, and the point halfway to the next
        >>> [round(value, 3) for value in surface_density(u, 0.5).tolist()]
        [inf, 0.581]
    """
    check_tensors(u=u)
    if not u.is_floating_point() or u.dim() == 0 or u.shape[-1] == 0:
        raise ValueError(f"u must be floating point of shape (..., d), got {u.dtype} {tuple(u.shape)}")
    check_finite("u", u)
    norm = lp_norm(u, p)
    far = (norm - 1).abs().flatten()
    if violated(far <= 100 * torch.finfo(u.dtype).eps):
        raise ValueError(f"u must lie on the unit ℓp sphere, got a norm of {norm.flatten()[far.argmax()].item()}")
    if p in (1, 2, math.inf):
        return torch.ones_like(norm)
    if u.shape[-1] > 3:
        raise ValueError(f"u must have shape (..., d) with d <= 3, got {tuple(u.shape)}")
    log_slopes = (p - 1) * u.double().abs().log()
    return (_log_l2(log_slopes) - _log_mean_slope(u.shape[-1], p)).exp().to(u.dtype)


def _draw(n, d, p, options, generator):
    """v, gamma, both (n, d), with v gamma^(1/p) ~ GN_p up to scale: the sign and part of the size from a uniform v.

    (Gamma(1/p) is Gamma(1 + 1/p) times the p-th power of a uniform variable, which stays finite up to p = ∞.)
    """
    v = torch.empty(n, d, **options).uniform_(-1, 1, generator=generator)
    v = v.abs().clamp_min(1e-300).copysign(v)  # zero has no logarithm
    return v, torch._standard_gamma(torch.full_like(v, 1 + 1 / p), generator=generator)


def _log_sizes(v, gamma, p):
    """log|u_i| for u = z / ‖z‖_p with z_i = v_i gamma_i^(1/p), rows being points. Only ratios of the v_i matter."""
    v = v.abs() / v.abs().amax(1, keepdim=True)
    total = (gamma * v**p).sum(1, keepdim=True)
    return v.log() + (gamma / total).log() / p


def _log_l2(log_x):
    return torch.logsumexp(2 * log_x, -1) / 2


def _log_mean_slope(d, p, knots=400):
    """log of the mean of ‖g‖₂ under the cone measure, d ≤ 3, by quadrature over the |u_i|^p, which sum to 1.

    Stick-breaking: the first is a Beta(1/p, (d - 1)/p) share of the whole, the next a Beta(1/p, (d - 2)/p) share
    of the rest. The trapezoid rule in t, with the share 1 / (1 + exp(-sinh t)), crowds its knots doubly exponentially
    towards shares of 0 and 1, where the powers are not smooth.
    """
    reach = math.asinh(40 * max(1.0, p))
    options = {"dtype": torch.float64, "device": "cpu"}
    t = torch.linspace(-reach, reach, knots, **options)
    log_share, log_rest = torch.nn.functional.logsigmoid(torch.stack([t.sinh(), -t.sinh()]))
    log_powers, log_weights = torch.zeros(1, 1, **options), torch.zeros(1, **options)
    for others in range(d - 1, 0, -1):  # split the last of the |u_i|^p at every knot
        first, last = log_powers[:, None, :-1].expand(-1, knots, -1), log_powers[:, None, -1:]
        log_powers = torch.cat([first, last + log_share[:, None], last + log_rest[:, None]], -1).flatten(0, 1)
        log_knots = (log_share + others * log_rest) / p + t.cosh().log()
        log_weights = (log_weights[:, None] + log_knots).flatten()
    return torch.logsumexp(log_weights + _log_l2((1 - 1 / p) * log_powers), 0) - log_weights.logsumexp(0)
