"""Chapter 04. The two terms of the objective: views of one image agree, and all features follow the target law."""

import torch

from .projections import random_directions


def invariance_loss(z):
    """Mean squared difference between the two views' features (the first term of Eq. 14).

    The post writes ``E‖z − z'‖₂``. As the minimal example does, this takes the mean of the squared differences over
    batch and coordinates: the squared norm divided by D, which the weight 25 belongs to.

    Args:
        z: (2, B, D), the features of two views of the same B images.

    Returns:
        Scalar tensor, float32 or wider.

    Raises:
        ValueError: if z is not a floating-point tensor of shape (2, B, D).
    """
    if z.dim() != 3 or z.shape[0] != 2 or not z.is_floating_point():
        raise ValueError(f"z must be a floating-point tensor of shape (2, B, D), got {z.dtype} {tuple(z.shape)}")
    z = _full_precision(z)
    return (z[0] - z[1]).square().mean()


def rdmreg_loss(z, target, num_projections=256, *, directions=None, generator=None):
    """Two-sample sliced distance between features and target samples: RDMReg (Eq. 13).

    Along each direction, the squared 2-Wasserstein distance between B projected features and B projected target
    samples, which is the mean squared difference of the sorted values; then the mean over directions and views.
    Eq. 15 sums the two views' losses, this takes their mean: the weight 125 belongs to the mean.

    Computed in float32 (float64 for float64 input) even under autocast: differences of sorted neighbours are smaller
    than what half precision can hold. The gradient reaches z alone.

    Args:
        z: (B, D) features, or (V, B, D) for V views, which share the directions and the sorted target.
        target: (B, D) samples of the target law.
        num_projections: how many directions to draw; not used when ``directions`` are given.
        directions: (N, D), one direction a row, so that a result can be repeated.
        generator: for drawing the directions.

    Returns:
        Scalar tensor.

    Raises:
        ValueError: if z is not (B, D) or (V, B, D) floating point with B ≥ 2, if target is not (B, D) on the same
            device, if directions are not (N, D), if num_projections is not a positive integer, or, on the CPU, if z,
            target or directions hold NaN or infinity. (On CUDA looking would stall the device; there the loss turns
            NaN.)
    """
    if z.dim() not in (2, 3) or not z.is_floating_point():
        raise ValueError(f"z must be floating point of shape (B, D) or (V, B, D), got {z.dtype} {tuple(z.shape)}")
    if z.shape[-2] < 2 or 0 in z.shape:
        raise ValueError(f"z must hold at least two samples per view, got shape {tuple(z.shape)}")
    if target.shape != z.shape[-2:] or target.device != z.device or not target.is_floating_point():
        raise ValueError(
            f"target must be floating point of shape {tuple(z.shape[-2:])} on {z.device} like z, "
            f"got {target.dtype} {tuple(target.shape)} on {target.device}"
        )
    with torch.autocast(z.device.type, enabled=False):
        z, target = _full_precision(z), _full_precision(target.detach()).to(_full_precision(z).dtype)
        if directions is None:
            directions = random_directions(
                num_projections, z.shape[-1], device=z.device, dtype=z.dtype, generator=generator
            )
        elif directions.dim() != 2 or directions.shape[1] != z.shape[-1] or len(directions) == 0:
            raise ValueError(f"directions must have shape (N, {z.shape[-1]}), got {tuple(directions.shape)}")
        directions = directions.to(z)
        for name, value in (("z", z), ("target", target), ("directions", directions)):
            if value.device.type == "cpu" and not value.isfinite().all():
                raise ValueError(f"{name} holds NaN or infinity")
        # One row per direction: sorting is fastest along contiguous memory.
        sorted_target = (directions @ target.mT).sort(dim=-1).values  # (N, B)
        sorted_z = (directions @ z.mT).sort(dim=-1).values  # (N, B) or (V, N, B)
        return (sorted_z - sorted_target).square().mean()


def _full_precision(x):
    return x if x.dtype == torch.float64 else x.float()


def objective(
    z, target=None, *, invariance_weight=25.0, regularizer_weight=125.0, num_projections=256, directions=None,
    generator=None,
):  # fmt: skip
    """The whole objective of Rectified LpJEPA (Eq. 14–15), part by part.

    Eq. 15 adds the regularizer of both views, `rdmreg_loss` takes their mean: a weight of 125 here is 62.5 for each of
    the post's two terms.

    Args:
        z: (2, B, D), the features of two views of the same B images.
        target: (B, D) samples of the target law, shared by both views; None leaves the regularizer out.
        invariance_weight, regularizer_weight: weights of the two terms.
        num_projections, directions, generator: as in `rdmreg_loss`.

    Returns:
        dict of scalar tensors: ``loss`` (weighted sum), ``invariance`` and ``regularizer`` (unweighted).

    Raises:
        ValueError: as `invariance_loss` and `rdmreg_loss`.
    """
    invariance = invariance_loss(z)
    regularizer = torch.zeros_like(invariance)
    if target is not None:
        regularizer = rdmreg_loss(z, target, num_projections, directions=directions, generator=generator)
    loss = invariance_weight * invariance + regularizer_weight * regularizer
    return {"loss": loss, "invariance": invariance, "regularizer": regularizer}
