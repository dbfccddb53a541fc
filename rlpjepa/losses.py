"""Chapter 04. The terms of the objective: views of one image agree, and all features follow the target distribution."""

import itertools
import math
import numbers

import torch
import torch.distributed as dist

from .numerics.arguments import (
    check_counts,
    check_distribution,
    check_features,
    check_finite,
    check_tensors,
    differentiable_once,
    full_precision,
    violated,
    without_autocast,
)
from .numerics.characteristic import mean_and_deviation, remembered
from .numerics.sorting import sliced_distance
from .projections import projected_characteristic_function, random_directions


def invariance_loss(z):
    """Mean squared difference between the views' features (the first term of Eq. 14).

    The post writes ``E‖z − z'‖₂``. As the minimal example does, this takes the mean of the squared differences over
    batch and coordinates: the squared norm divided by D, which the weight 25 belongs to. Of more than two views it is
    the mean over all pairs. (The mean square of the views' distance from their own mean, which LeJEPA takes, is
    (V − 1) / 2V of that.)

    Args:
        z: (V, B, D), the features of V views of the same B images, V ≥ 2.

    Returns:
        Scalar tensor, float32 or wider.

    Raises:
        ValueError: if z is not a floating-point tensor of shape (V, B, D), is empty, has one view, or, on the CPU,
            holds NaN or infinity.

    Example:
        >>> z = torch.tensor([[[1.0, 2.0]], [[1.0, 4.0]]])  # two views of one image, D = 2
        >>> invariance_loss(z).item()  # (0² + 2²) / 2
        2.0
    """
    check_tensors(z=z)
    if z.dim() != 3 or z.shape[0] < 2 or 0 in z.shape or not z.is_floating_point():
        raise ValueError(f"z must be floating point of shape (V, B, D) with V ≥ 2, got {z.dtype} {tuple(z.shape)}")
    check_finite("z", z)
    pairs = itertools.combinations(full_precision(z), 2)
    return torch.stack([(one - other).square().mean() for one, other in pairs]).mean()


def rdmreg_loss(z, target, num_projections=256, *, directions=None, generator=None, reduction="mean"):
    """Two-sample sliced distance between features and target samples: RDMReg (Eq. 13).

    Along each direction, the squared 2-Wasserstein distance between B projected features and B projected target
    samples, which is the mean squared difference of the sorted values; then the mean over directions and views.
    Eq. 15 sums the two views' losses, this takes their mean: the weight 125 belongs to the mean.

    Computed in float32 (float64 for float64 input) even under autocast: the difference between a feature and the target
    of the same rank is small beside both, and half precision would round it away. The gradient reaches z alone. For
    reduction "mean" it can be taken once, and directions are processed in blocks, so that memory does not grow with
    their number.

    Args:
        z: (B, D) features, or (V, B, D) for V views, which share the directions and the sorted target.
        target: (B, D) samples of the target distribution.
        num_projections: how many directions to draw; not used when ``directions`` are given.
        directions: (N, D), one direction a row, so that a result can be repeated.
        generator: for drawing the directions.
        reduction: "mean", or "none" for the mean over views alone: one value a direction.

    Returns:
        Scalar tensor; (N,) for reduction "none".

    Raises:
        ValueError: if reduction is neither, if z is not (B, D) or (V, B, D) floating point with B ≥ 2, if target is not
            (B, D) on the same device, if directions are not (N, D), if num_projections is not a positive integer, or,
            on the CPU, if z, target or directions hold NaN or infinity. (On CUDA looking would stall the device; there
            the loss turns NaN.)

    Example:
        >>> z, target, directions = torch.randn(64, 8).relu(), sample_rgg((64, 8)), random_directions(16, 8)
        >>> projected, wanted = z @ directions.T, target @ directions.T  # (B, N) each
        >>> gap = projected.sort(dim=0).values - wanted.sort(dim=0).values
        >>> torch.allclose(rdmreg_loss(z, target, directions=directions), gap.square().mean(), rtol=1e-3)
        True
    """
    _check(z, reduction)
    check_tensors(target=target)
    if target.shape != z.shape[-2:] or target.device != z.device or not target.is_floating_point():
        raise ValueError(
            f"target must be floating point of shape {tuple(z.shape[-2:])} on {z.device} like z, "
            f"got {target.dtype} {tuple(target.shape)} on {target.device}"
        )
    z = full_precision(z)
    target = target.detach().to(z.dtype)
    check_finite("target", target)
    directions = _directions(z, num_projections, directions, generator)  # (N, D)
    z = z if z.dim() == 3 else z[None]  # (V, B, D)
    if reduction == "mean":
        value, _ = sliced_distance(z, target, directions, torch.is_grad_enabled())  # as below, faster
        return differentiable_once(value, z)
    with without_autocast(z):
        projected, goal = directions @ z.mT, directions @ target.T  # (V, N, B) and (N, B): each direction a line
    gap = projected.sort(dim=-1).values - goal.sort(dim=-1).values  # sorted, the k-th smallest beside the k-th smallest
    return gap.square().mean(dim=(0, 2))


def sigreg_loss(z, num_projections=256, *, directions=None, num_knots=17, t_max=3.0, generator=None, reduction="mean"):
    """One-sample sliced distance between features and N(0, I): SIGReg (Eq. 7), the loss of LeJEPA.

    Along each direction, the Epps–Pulley statistic ∫ |φ_z(t) − exp(−t²/2)|² exp(−t²/2) dt over the whole line, where
    φ_z(t) is the mean of exp(itx) over the projected features; then the mean over directions and views. The integral is
    cut at ±t_max and done by the trapezoid rule: at total collapse it is .4020; cut alone, it would be .4022, and over
    the whole line .4089. It is not multiplied by the batch size.

    Args:
        z: (B, D) or (V, B, D) features; V views share the directions.
        num_projections, directions, generator, reduction: as in `rdmreg_loss`.
        num_knots: points of the trapezoid rule on [0, t_max]; the other half follows from symmetry.
        t_max: where the integral is cut.

    Returns:
        Scalar tensor ((N,) for reduction "none"), float32 (float64 for float64 input) even under autocast.

    Raises:
        ValueError: as `rdmreg_loss`, and unless num_knots is an integer ≥ 2 and t_max positive and finite.

    Example:
        >>> round(sigreg_loss(torch.zeros(64, 8)).item(), 3)  # total collapse
        0.402
        >>> bool(sigreg_loss(torch.randn(1000, 8)) < 0.01)
        True
    """
    _check(z, reduction)
    if isinstance(num_knots, bool) or not isinstance(num_knots, numbers.Integral) or num_knots < 2:
        raise ValueError(f"num_knots must be an integer of at least 2, got {num_knots!r}")
    if isinstance(t_max, bool) or not isinstance(t_max, numbers.Real) or not 0 < t_max < math.inf:
        raise ValueError(f"t_max must be positive and finite, got {t_max!r}")
    z = full_precision(z)
    directions = _directions(z, num_projections, directions, generator)
    t, weight = _knots(z, num_knots, t_max)
    wanted = torch.exp(-t.square() / 2).to(torch.promote_types(z.dtype, torch.complex64))
    return _epps_pulley(z, directions, t, weight, wanted, reduction)


def rgg_cf_loss(z, distribution, num_projections=256, *, directions=None, generator=None, reduction="mean"):
    """One-sample sliced distance between features and a target with known marginals, such as the rectified Gaussian.

    A projection c·x of independent x_j has the characteristic function Π_j φ(c_j t), whatever they follow: that is all
    the Epps–Pulley statistic of `sigreg_loss` needs to know. Knots and weight are scaled by the distribution's standard
    deviation s (t up to 3/s, weight exp(−(st)²/2), and s dt), so that the statistic does not depend on the unit in
    which features are measured; for GeneralizedGaussian(0, 1, 2) it is `sigreg_loss`.

    φ is tabulated at the first call with a distribution object and remembered as long as the object lives, and made
    anew when its parameters change. (torch.compile looks for changes when it compiles, not when the result runs.)

    Args:
        z: (B, D) or (V, B, D) features; V views share the directions.
        distribution: one of the three distributions of chapter 02 with scalar parameters: that of every coordinate.
        num_projections, directions, generator, reduction: as in `rdmreg_loss`; the directions are to have unit length.

    Returns:
        Scalar tensor ((N,) for reduction "none"), float32 (float64 for float64 input) even under autocast. The gradient
        reaches z alone.

    Raises:
        ValueError: as `rdmreg_loss`, if the distribution's parameters are not scalar or on another device than z, if
            its variance is too small for a float, and, on the CPU, if a direction has an entry above 2.6, near which
            the table ends.

    Example:
        >>> target = RectifiedGeneralizedGaussian(-1.0, unit_variance_scale(1.0), 1.0)
        >>> z = sample_rgg((512, 64), mu=-1.0)
        >>> bool(rgg_cf_loss(z, target) < rgg_cf_loss(z + 0.5, target))
        True
    """
    _check(z, reduction)
    check_distribution(distribution, z.device)
    z = full_precision(z)
    directions = _directions(z, num_projections, directions, generator)
    if violated(directions.abs() <= 2.6):
        raise ValueError(f"directions are to have unit length, got an entry of size {directions.abs().max():.3g}")
    _, scale = remembered(distribution, mean_and_deviation)
    t, weight = _knots(z, 17, 3.0)
    with without_autocast(z):
        wanted = projected_characteristic_function(distribution, directions, t / scale)
    return _epps_pulley(z / scale.to(z.dtype), directions, t, weight, wanted, reduction)


def coordinate_loss(z, distribution):
    """One-sample distance between the distribution of every coordinate and its target, by quantiles.

    A column of z in ascending order is compared with the quantiles of the target at (k − ½)/B, k = 1 … B: the mean
    squared difference over batch, coordinates and views. It sees each coordinate alone; how they depend on each other
    is for the projections to see. The quantiles are remembered as φ is in `rgg_cf_loss`.

    Args:
        z: (B, D) features, or (V, B, D) for V views.
        distribution: one of the three of chapter 02, of a coordinate; batch_shape () or (D,), one for each.

    Returns:
        Scalar tensor, float32 (float64 for float64 input) even under autocast. The gradient reaches z alone.

    Raises:
        ValueError: as `rdmreg_loss`, and if batch_shape does not broadcast to (D,) or lies on another device.

    Example:
        >>> target = RectifiedGeneralizedGaussian(0.0, 1.0, 1.0)
        >>> z = target.icdf((torch.arange(8) + 0.5) / 8).unsqueeze(1)  # (B, 1), the quantiles themselves
        >>> round(coordinate_loss(z, target).item(), 3), round(coordinate_loss(z + 0.5, target).item(), 3)
        (0.0, 0.25)
    """
    check_features(z)
    z = full_precision(z)
    size, d = z.shape[-2:]
    check_distribution(distribution, z.device, d)

    wanted = remembered(distribution, _quantiles, size)  # (1, B) or (D, B)
    return (z.mT.sort(dim=-1).values - wanted.to(z.dtype)).square().mean()


def objective(
    z, regularizer=None, coordinate=None, *, invariance_weight=25.0, regularizer_weight=125.0, coordinate_weight=0.0
):
    """The whole objective of Rectified LpJEPA (Eq. 14–15), part by part.

    Eq. 15 adds the regularizer of both views, `rdmreg_loss` takes their mean: a weight of 125 here is 62.5 for each of
    the post's two terms. Both terms are means over the views, so the weights stay as they are with more of them.

    Args:
        z: (V, B, D), the features of V ≥ 2 views of the same B images.
        regularizer: scalar tensor, ``rdmreg_loss(z, target)`` or another loss of z; None leaves it out.
        coordinate: scalar tensor, ``coordinate_loss(z, distribution)``; None leaves it out.
        invariance_weight, regularizer_weight, coordinate_weight: weights of the terms.

    Returns:
        dict of scalar tensors: ``loss`` (weighted sum), ``invariance``, ``regularizer`` and ``coordinate``
        (unweighted, zero where left out).

    Raises:
        ValueError: as `invariance_loss`.

    Example:
        >>> z = torch.tensor([[[1.0, 2.0]], [[1.0, 4.0]]])
        >>> {name: part.item() for name, part in objective(z, torch.tensor(0.5)).items()}  # 25 · 2 + 125 · 0.5
        {'loss': 112.5, 'invariance': 2.0, 'regularizer': 0.5, 'coordinate': 0.0}
    """
    parts = {"invariance": invariance_loss(z), "regularizer": regularizer, "coordinate": coordinate}
    parts = {name: z.new_zeros((), dtype=torch.float32) if part is None else part for name, part in parts.items()}
    weights = (invariance_weight, regularizer_weight, coordinate_weight)
    return {"loss": sum(w * part for w, part in zip(weights, parts.values(), strict=True)), **parts}


def gather(z, dim=0):
    """The tensors of all processes, one after the other along ``dim``, with gradients.

    Where several processes share a batch, each is to compute the regularizer from the features of all: it compares
    distributions, and the mean of what two half batches say is another loss (exercise 05.2).

    Each process's loss pulls at every process's features, and the backward pass adds these pulls up. With
    ``DistributedDataParallel``, which takes the mean of the processes' gradients, the gradient is then that of one
    process with the whole batch; without it, a process holds its own part of that, times the number of processes.

    Args:
        z: a tensor, in all processes of `torch.distributed`'s default group. Shape and dtype must be the same in all,
            which nobody checks: leave out an epoch's last, shorter batch.
        dim: along which the parts are put together, in the order of the ranks.

    Returns:
        Tensor; z itself where there is no group, or a group of one.

    Raises:
        RuntimeError: by the backward pass of a second derivative.

    Example:
        >>> z = torch.randn(2, 16, 8).relu()  # this process's share of two views
        >>> gather(z, dim=1).shape  # here nobody else is there
        torch.Size([2, 16, 8])
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return z
    return torch.cat(differentiable_once(_Gather.apply(z), z).unbind(), dim)


class _Gather(torch.autograd.Function):
    """The processes' tensors, stacked. (torch.distributed.nn's all_gather is deprecated in torch 2.15.)"""

    @staticmethod
    def forward(ctx, z):
        parts = [torch.empty_like(z, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, z.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx, grad):
        grad = grad.contiguous()
        dist.all_reduce(grad)  # every process's loss pulls at every feature
        return grad[dist.get_rank()]


# ---------------------------------------------------------------------------------------------------------------------
# shared by the losses


def _epps_pulley(z, directions, t, weight, wanted, reduction):
    """Of each direction Σ_k weight_k |mean exp(i t_k c·z) − wanted_k|², or their mean; wanted is (K,) or (N, K)."""
    with without_autocast(z):
        angle = (directions @ z.mT).unsqueeze(-1) * t  # (N, B, K) or (V, N, B, K)
        real = angle.cos().mean(-2) - wanted.real
        imaginary = angle.sin().mean(-2) - wanted.imag
        values = (real.square() + imaginary.square()) @ weight  # (N,) or (V, N)
    return values.mean() if reduction == "mean" else values.view(-1, len(directions)).mean(dim=0)


def _knots(z, num_knots, t_max):
    """Knots on [0, t_max] and their trapezoid weights times exp(−t²/2), both halves of the line counted."""
    t = torch.linspace(0, t_max, num_knots, dtype=z.dtype, device=z.device)
    weight = 2 * t_max / (num_knots - 1) * torch.exp(-t.square() / 2)
    weight[0] /= 2
    weight[-1] /= 2
    return t, weight


def _quantiles(distribution, size):
    """The quantiles of each of the distributions at (k − ½)/size, k = 1 … size: (1, size) or (D, size)."""
    levels = (torch.arange(size, dtype=torch.float64, device=distribution.loc.device) + 0.5) / size
    return distribution.icdf(levels.view(-1, *[1] * len(distribution.batch_shape))).reshape(size, -1).mT


def _check(z, reduction):
    check_features(z)
    if reduction not in ("mean", "none"):
        raise ValueError(f"reduction must be 'mean' or 'none', got {reduction!r}")


def _directions(z, num_projections, directions, generator):
    """The given directions, checked, or fresh ones: (N, D) like z."""
    if directions is None:
        check_counts(num_projections=num_projections)
        return random_directions(num_projections, z.shape[-1], device=z.device, dtype=z.dtype, generator=generator)
    check_tensors(directions=directions)
    if directions.dim() != 2 or directions.shape[1] != z.shape[-1] or 0 in directions.shape:
        raise ValueError(f"directions must have shape (N, {z.shape[-1]}), got {tuple(directions.shape)}")
    if directions.device != z.device or not directions.is_floating_point():
        raise ValueError(
            f"directions must be floating point on {z.device} like z, got {directions.dtype} on {directions.device}"
        )
    check_finite("directions", directions)
    return directions.detach().to(z.dtype)
