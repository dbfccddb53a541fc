"""Chapter 05. What the features are worth, and how sparse they are: un-augmented images, frozen network, float32."""

import numbers

import torch
from torch.nn import functional as F

from .arguments import check_counts, check_finite, check_tensors, full_precision

PROBE_L2 = 1e-3  # weight of ½‖W‖² beside the mean cross-entropy


@torch.no_grad()
def extract_features(model, data, images, batch_size=500):
    """Features of un-augmented images from a network in evaluation mode.

    Args:
        model: a `RectifiedLpJEPA`.
        data: the `ImageData` whose channel statistics normalise the images.
        images: uint8 (N, 3, H, W), on the model's device.
        batch_size: how many images go through the network at a time.

    Returns:
        (encoder features (N, width of the backbone's output), projector output (N, dim)), float32.
    """
    modes, parts = {module: module.training for module in model.modules()}, []
    model.eval()
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # cuDNN takes TF32 for float32 by default
            for batch in images.split(batch_size):
                parts.append(model(data.normalize(batch).contiguous(memory_format=torch.channels_last)))
    finally:
        for module, mode in modes.items():
            module.training = mode
    features, z = (torch.cat(part) for part in zip(*parts))
    return features, z


def knn_accuracy(train_x, train_y, test_x, test_y, k=20, temperature=0.07):
    """Accuracy of a vote among the k nearest training images by cosine similarity s, each with weight exp(s / T).

    Args:
        train_x, test_x: (N, D) and (M, D) features, floating point.
        train_y, test_y: (N,) and (M,) class indices, integers from 0.
        k: how many neighbours vote, at most N.
        temperature: T, positive.

    Raises:
        ValueError: if an argument is not of that kind, if there are not as many labels as features, or, on the CPU, if
            features hold NaN or infinity.
    """
    train_y, test_y = _check(train_x, train_y, test_x, test_y)
    check_counts(k=k)
    if k > len(train_x):
        raise ValueError(f"k must be between 1 and the number of training images ({len(train_x)}), got {k}")
    if not isinstance(temperature, numbers.Real) or not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    train_x, classes = F.normalize(train_x, dim=1), int(train_y.max()) + 1
    correct = 0
    for x, y in zip(test_x.split(500), test_y.split(500)):
        similarity, nearest = (F.normalize(x, dim=1) @ train_x.T).topk(k, dim=1)
        votes = similarity.new_zeros(len(x), classes)
        # Subtracting 1, the largest similarity, scales all votes alike and keeps exp from overflowing.
        votes.scatter_add_(1, train_y[nearest], ((similarity - 1) / temperature).exp())
        correct += (votes.argmax(dim=1) == y).sum().item()
    return correct / len(test_x)


def probe_accuracy(train_x, train_y, test_x, test_y, l2=PROBE_L2, max_iterations=2000):
    """Test accuracy of multinomial logistic regression on frozen features (a linear probe).

    Features are standardised with the training set's statistics. The mean cross-entropy plus ``l2/2 · ‖W‖²`` (the bias
    is free) is minimised by full-batch L-BFGS to convergence, so the number depends on no learning rate.

    Args, Raises: as `knn_accuracy`; at most ``max_iterations`` steps of L-BFGS.
    """
    train_y, test_y = _check(train_x, train_y, test_x, test_y)
    train_x, test_x = train_x.detach().float(), test_x.detach().float()
    mean, std = train_x.mean(dim=0), train_x.std(dim=0)
    scale = torch.where(std > 0, 1 / std, 0)  # a coordinate that never changes says nothing
    train_x, test_x = (train_x - mean) * scale, (test_x - mean) * scale
    classes = int(train_y.max()) + 1
    # The same minimum in other coordinates: along the principal axes, scaled so that the loss is about equally curved
    # in all of them. Correlated features would otherwise cost L-BFGS many more steps.
    # (In float64, and on the CPU: with many dead coordinates, repeated eigenvalues defeat the float32 algorithm.)
    covariance = (train_x.T @ train_x / len(train_x)).cpu().double()
    variance, axes = (part.to(train_x) for part in torch.linalg.eigh(covariance))
    stretch = (variance.clamp(min=0) / classes + l2).rsqrt()
    train_x, test_x = train_x @ (axes * stretch), test_x @ (axes * stretch)
    weight = train_x.new_zeros(classes, train_x.shape[1]).requires_grad_()
    bias = train_x.new_zeros(classes).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=max_iterations, history_size=20, tolerance_grad=1e-5, tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure():
        optimizer.zero_grad()
        penalty = l2 / 2 * (weight * stretch).square().sum()
        loss = F.cross_entropy(F.linear(train_x, weight, bias), train_y) + penalty
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        return (F.linear(test_x, weight, bias).argmax(dim=1) == test_y).float().mean().item()


def _check(train_x, train_y, test_x, test_y):
    """ValueError unless features and labels fit each other; returns the labels as int64."""
    check_tensors(train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y)
    for name, x, y in (("train", train_x, train_y), ("test", test_x, test_y)):
        if x.dim() != 2 or not x.is_floating_point() or 0 in x.shape or x.shape[1] != train_x.shape[1]:
            raise ValueError(f"{name}_x must be floating point of shape (images, D), got {x.dtype} {tuple(x.shape)}")
        if y.shape != x.shape[:1] or y.is_floating_point() or y.is_complex():
            raise ValueError(f"{name}_y must be integers, one for each of {len(x)} features, got {tuple(y.shape)}")
        if y.device.type == "cpu" and y.min() < 0:
            raise ValueError(f"{name}_y must hold no number below 0, got {y.min()}")
        check_finite(f"{name}_x", x)
    return train_y.long(), test_y.long()


def l0_fraction(z):
    """Fraction of NON-zero entries, E‖z‖₀ / D, the left-hand side of Eq. 11: (..., D) -> float in [0, 1]."""
    return (z != 0).float().mean().item()


def l1_fraction(z):
    """(‖z‖₁ / ‖z‖₂)² / D, averaged over samples: (..., D) -> float in [0, 1].

    It does not depend on the scale of z, equals the ℓ0 fraction where all non-zero entries are of one size, and is
    smaller the more unequal they are. A zero vector counts 0.
    """
    size = full_precision(z).abs()
    largest = size.amax(dim=-1, keepdim=True)
    size = torch.where(largest == 0, 0, size / largest)
    ratio = size.sum(dim=-1).square() / size.square().sum(dim=-1).clamp(min=1)  # the largest entry is 1
    return (ratio / z.shape[-1]).mean().item()


def dead_fraction(z, threshold=1e-3):
    """Fraction of coordinates that are dead: non-zero on fewer than ``threshold`` of the samples. (N, D) -> float."""
    return ((z != 0).float().mean(dim=0) < threshold).float().mean().item()


def evaluate(model, data):
    """Everything that is measured at the end of a run, by the protocol above.

    Returns:
        dict of floats: encoder_knn, encoder_probe, projector_knn, projector_probe, nonzero_fraction, l1_fraction and
        dead_fraction; accuracies on the test images, sparsity of the projector's output on the test images.
    """
    train, test = (extract_features(model, data, images) for images in (data.train_images, data.test_images))
    result = {}
    for name, train_x, test_x in zip(("encoder", "projector"), train, test):
        parts = (train_x, data.train_labels, test_x, data.test_labels)
        result[f"{name}_knn"] = knn_accuracy(*parts, k=min(20, len(train_x)))
        result[f"{name}_probe"] = probe_accuracy(*parts)
    z = test[1]
    return result | {
        "nonzero_fraction": l0_fraction(z),
        "l1_fraction": l1_fraction(z),
        "dead_fraction": dead_fraction(z),
    }
