"""What a result file keeps of the projector's output on the test images, so that figures need no network."""

import math

import torch

from ..distributions import GeneralizedGaussian

BINS = 60


def describe_features(z, config):
    """Four descriptions of z (N, D) on test images, a few kB of plain numbers.

    Returns:
        dict: ``histogram`` of the entries that are not zero (edges, density, and the target's density averaged over the
        same bins, None without a target; the area below a density is the share of non-zero entries, but for those
        beyond the edges); ``active_share``, on which share of the images each coordinate is non-zero;
        ``nonzero_counts``, how many images have how many non-zero entries (edges, images); ``effective_rank``.
    """
    active, dim = z != 0, z.shape[1]
    counts, width = active.sum(dim=1), max(1, dim // 64)
    edges = torch.arange(0, dim + width + 1, width, device="cpu")
    images = torch.bincount(counts.cpu() // width, minlength=len(edges) - 1)
    return {
        "histogram": _histogram(z[active].cpu().double(), z.numel(), config.compared_with()),
        "active_share": [round(share, 4) for share in active.float().mean(dim=0).tolist()],
        "nonzero_counts": {"edges": edges.tolist(), "images": images.tolist()},
        "effective_rank": round(effective_rank(z), 3),
    }


def _histogram(values, total, target):
    if target is not None:  # to where a thousandth of the positive values is left, and as far on the other side
        tail = 0.001 * target.survival(torch.zeros((), dtype=torch.float64, device="cpu"))
        right = target._quantile(1 - tail, tail).item()
        left = 2 * target.loc.item() - right if isinstance(target, GeneralizedGaussian) else 0.0
    else:
        left, right = (values.min().item(), values.max().item()) if len(values) else (0.0, 1.0)
    right = right if left < right < math.inf else left + 1
    edges = torch.linspace(left, right, BINS + 1, dtype=torch.float64, device="cpu")
    width = (edges[1] - edges[0]).item()
    density = torch.histogram(values, edges).hist / total / width
    wanted = None if target is None else (-target.survival(edges).diff() / width).tolist()
    lists = {"edges": edges.tolist(), "density": density.tolist(), "target": wanted}
    return {name: values and [round(value, 5) for value in values] for name, values in lists.items()}


def effective_rank(z):
    """exp of the entropy of the normalised singular values of the centred (N, D) features (Roy and Vetterli, 2007).

    0 where no coordinate varies.
    """
    size = torch.linalg.svdvals((z - z.mean(dim=0)).cpu().double())
    if not size.sum() > 0:
        return 0.0
    return torch.special.entr(size / size.sum()).sum().exp().item()
