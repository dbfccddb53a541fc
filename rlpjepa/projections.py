"""Chapter 03. Directions on the unit sphere: every direction turns a cloud of points into numbers on a line.

What those numbers follow, when the coordinates are independent with a distribution of chapter 02, is known: exactly in
two dimensions (`projected_marginal`), through its characteristic function in any (`projected_characteristic_function`).
"""

from typing import NamedTuple

import torch

from .distributions import RectifiedGeneralizedGaussian
from .numerics import special
from .numerics.arguments import check_counts, check_dtype, check_tensors, draw_options
from .numerics.characteristic import projected_characteristic_function

__all__ = ["ProjectedMarginal", "projected_characteristic_function", "projected_marginal", "random_directions"]


def random_directions(n, d, *, orthogonal=False, size=None, device=None, dtype=None, generator=None):
    """Draw unit vectors uniformly from the ℓ2 sphere in dimension d (section "Cramér-Wold Theorem").

    Args:
        n: how many directions.
        d: dimension of the space.
        orthogonal: draw blocks of d mutually orthogonal directions; the last block may be incomplete. Each direction
            alone is still uniform.
        size: how many coordinates each direction mixes, chosen at random for each; the others are 0. None mixes all.
        device, dtype, generator: as in ``torch.randn``.

    Returns:
        (n, d) tensor whose rows have ℓ2 norm 1.

    Raises:
        ValueError: if n or d is not a positive integer, if size is not one from 1 to d or comes with ``orthogonal``, or
            if dtype is not a floating one.

    Example:
        >>> c = random_directions(256, 512, size=8)
        >>> (c != 0).sum(dim=1).unique().tolist(), torch.allclose(c.norm(dim=1), torch.ones(256))
        ([8], True)
    """
    check_counts(n=n, d=d, **({} if size is None else {"size": size}))
    dtype = check_dtype(dtype)
    options = draw_options(device, torch.promote_types(dtype, torch.float32), generator)
    size = d if size is None else size
    if not 1 <= size <= d or (orthogonal and size < d):
        raise ValueError(f"size must be from 1 to d ({d}), and d if directions are orthogonal, got {size}")
    if orthogonal:
        q, r = torch.linalg.qr(torch.randn(-(-n // d), d, d, **options))
        # QR alone prefers some signs; with the signs of R's diagonal, Q is uniform over the orthogonal group.
        q = q * torch.diagonal(r, dim1=1, dim2=2).sign()[:, None, :]
        return q.mT.reshape(-1, d)[:n].to(dtype)
    # A Gaussian vector points in every direction alike, whatever its length.
    c = torch.nn.functional.normalize(torch.randn(n, size, **options), dim=1)
    if size < d:
        chosen = torch.rand(n, d, **options).topk(size).indices  # which coordinates, (n, size)
        c = c.new_zeros(n, d).scatter_(1, chosen, c)
    return c.to(dtype)


class ProjectedMarginal(NamedTuple):
    """The distribution of c·x for two independent rectified coordinates, by what becomes of the parts of the plane.

    atom: scalar, P(c·x = 0): the corner where both coordinates are zero (along an axis: where that one is).
    ridges: (2, *shape of y), the density from the axes, where only the first or only the second coordinate is positive.
    interior: (*shape of y), the density from the open quadrant.

    Example:
        >>> y = torch.linspace(1e-6, 40, 4001)
        >>> marginal = projected_marginal(RectifiedGeneralizedGaussian(0.0, 1.0, 1.0), (0.6, 0.8), y)
        >>> round((marginal.atom + torch.trapezoid(marginal.density, y)).item(), 3)
        1.0
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
    """The exact distribution of c_1 x_1 + c_2 x_2 at the points y (section "Projected Marginals", which samples it).

    Args:
        distribution: `RectifiedGeneralizedGaussian` of batch_shape () or (2,): that of both coordinates, or of each.
        direction: (c_1, c_2), not both zero; any length.
        y: floating-point tensor of any shape.

    Returns:
        `ProjectedMarginal` in float64; the convolution of the interior is done by quadrature, to about 1e-8 (where p is
        near 0.1, to between 1e-6 and 1e-4).

    Raises:
        ValueError: if an argument is not of that kind, or not finite.

    Example:
        >>> rectified_laplace = RectifiedGeneralizedGaussian(0.0, 1.0, 1.0)  # zero with probability 1/2
        >>> marginal = projected_marginal(rectified_laplace, (1.0, 1.0), torch.tensor(1.0))
        >>> round(marginal.atom.item(), 3), round(marginal.density.item(), 3)  # 1/2 · 1/2, and 3/4 · exp(−1)
        (0.25, 0.276)
    """
    if not isinstance(distribution, RectifiedGeneralizedGaussian) or distribution.batch_shape not in ((), (2,)):
        raise ValueError(f"distribution must be rectified, of batch_shape () or (2,), got {distribution}")
    c = torch.as_tensor(direction, dtype=torch.float64, device="cpu")
    if c.shape != (2,) or not c.isfinite().all() or not c.any():
        raise ValueError(f"direction must be two finite numbers, not both zero, got {direction!r}")
    check_tensors(y=y)
    if not y.is_floating_point() or not y.isfinite().all():
        raise ValueError(f"y must be finite and floating point, got {y!r}")
    y, (c1, c2) = y.double(), c.tolist()
    dists = [
        RectifiedGeneralizedGaussian(
            *(v.expand(2)[i].double() for v in (distribution.loc, distribution.scale, distribution.p))
        )
        for i in range(2)
    ]
    zero = torch.stack([dist._log_probs()[1].exp() for dist in dists])  # P(x_i = 0)
    zero = torch.where(c.to(zero) == 0, 1.0, zero)  # a coordinate that does not count may be anything
    pairs = ((dists[0], c1, zero[1]), (dists[1], c2, zero[0]))
    ridges = [_density(dist, y / c) / abs(c) * other if c else torch.zeros_like(y) for dist, c, other in pairs]
    return ProjectedMarginal(zero.prod(), torch.stack(ridges), _interior(dists, c1, c2, y))


def _density(dist, x):
    """The density of a rectified distribution's positive part, 0 for x <= 0."""
    return torch.where(x > 0, dist._log_prob(torch.where(x > 0, x, 1.0)).exp(), 0.0)


def _interior(dists, c1, c2, y):
    """∫ f_1(x) f_2((y − c_1 x) / c_2) / |c_2| dx over the x where both arguments are positive."""
    if c1 == 0 or c2 == 0:
        return torch.zeros_like(y)
    # The integrand is smooth between the x where a coordinate is 0, at its mode, or so far out that its density is nil.
    zero, mode, far = ((y - c2 * end) / c1 for end in (0.0, dists[1].loc, _far(dists[1])))
    low = torch.minimum(zero, far).clamp_min(0)
    high = torch.maximum(zero, far).minimum(_far(dists[0])).maximum(low)
    breaks = (low, (dists[0].loc + 0 * y).clamp(low, high), mode.clamp(low, high), high)
    ends = torch.stack(breaks).sort(0).values.unsqueeze(-1)
    share, weight = special.finite_rule(y)
    x = ends[:-1] + ends.diff(dim=0) * share  # (3, *shape of y, n)
    values = _density(dists[0], x) * _density(dists[1], (y.unsqueeze(-1) - c1 * x) / c2)
    return (ends.diff(dim=0) * weight * values).sum((0, -1)) / abs(c2)


def _far(dist):
    """Where the density has fallen from its mode by a factor exp(−40)."""
    return dist.loc.clamp_min(0) + dist.scale * (40 * dist.p) ** (1 / dist.p)
