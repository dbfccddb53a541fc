"""Chapter 05. What the features are worth, and how sparse they are: un-augmented images, frozen network, float32."""

import contextlib
import numbers

import torch
from torch import nn
from torch.nn import functional as F

from .model import changed
from .numerics.arguments import check_counts, check_finite, check_tensors, without_autocast

PROBE_L2 = 1e-3  # weight of ½‖W‖² beside the mean cross-entropy


@torch.no_grad()
def extract_features(model, data, images, batch_size=500):
    """Features of un-augmented images; a network is in evaluation mode meanwhile.

    Args:
        model: a network such as `RectifiedLpJEPA`, or any function of images (B, 3, H, W); it returns one tensor
            (B, D), or several.
        data: the `ImageData` whose channel statistics normalise the images.
        images: uint8 (N, 3, H, W), on the model's device.
        batch_size: how many images go through the network at a time.

    Returns:
        What the model returns, for all images, float32 (where its weights are of another dtype, that one): for a
        `RectifiedLpJEPA` (encoder features (N, width of the backbone's output), projector output (N, dim)).

    Example:
        >>> data = make_shapes(40, 20)
        >>> extract_features(lambda x: x.mean(dim=(2, 3)), data, data.test_images).shape  # the mean colour as features
        torch.Size([20, 3])
    """
    parts, cudnn = [], torch.backends.cudnn
    evaluating = [(module, "training", False) for module in (model.modules() if isinstance(model, nn.Module) else ())]
    exact = [(part, "fp32_precision", "ieee") for part in (cudnn.conv, cudnn.rnn)]  # cuDNN's default is TF32
    with contextlib.suppress(RuntimeError):  # it cannot be read where the caller has set the two above by themselves
        exact.insert(0, (cudnn, "allow_tf32", cudnn.allow_tf32 and False))
    with changed(*evaluating, *exact, (cudnn, "benchmark", False)), without_autocast(images):
        for batch in images.split(batch_size):
            parts.append(model(data.normalize(batch).contiguous(memory_format=torch.channels_last)))
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(parts)
    return tuple(torch.cat(part) for part in zip(*parts))


def set_batchnorm_statistics(model, data, batch_size=500):
    """One pass over the training images that sets BatchNorm's means and variances, and nothing else.

    A network that is measured untrained needs it: as they are made, these statistics are 0 and 1, whatever the
    features are, and evaluation mode uses them.
    """
    parts = -(-len(data.train_images) // batch_size)  # of equal size: each counts alike, and none is a single image
    batches = (data.normalize(images) for images in data.train_images.tensor_split(parts))
    with changed(*((module, "training", module.training) for module in model.modules())):
        torch.optim.swa_utils.update_bn(batches, model)


@contextlib.contextmanager
def few_threads(small=True):
    """One thread inside, if the tensors at work are small.

    Threads that share small tensors wait for each other after every operation, and on a busy machine for other
    processes as well: what takes one thread half a second has taken two of them ten.
    """
    before = torch.get_num_threads()
    try:
        if small:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def knn_accuracy(train_x, train_y, test_x=None, test_y=None, k=20, temperature=0.07):
    """Accuracy of a vote among the k nearest training images by cosine similarity s, each with weight exp(s / T).

    Args:
        train_x, test_x: (N, D) and (M, D) features, floating point. Without test_x each training image is judged by
            the others.
        train_y, test_y: (N,) and (M,) class indices, integers from 0.
        k: how many neighbours vote, at most N (without test_x: fewer).
        temperature: T, positive.

    Raises:
        ValueError: if an argument is not of that kind, if there are not as many labels as features, or, on the CPU, if
            features hold NaN or infinity.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0], [9.0, 1.0], [0.0, 1.0], [0.1, 2.0]]), torch.tensor([0, 0, 1, 1])
        >>> knn_accuracy(x, y, k=1)  # only the angle counts, not the length; each is judged by the other three
        1.0
    """
    others = test_x is None
    if others:
        test_x, test_y = train_x, train_y
    train_y, test_y = _check(train_x, train_y, test_x, test_y)
    check_counts(k=k)
    if k > len(train_x) - others:
        raise ValueError(f"k must be between 1 and the number of neighbours ({len(train_x) - others}), got {k}")
    if not isinstance(temperature, numbers.Real) or not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature!r}")
    train_x, classes = F.normalize(train_x, dim=1), int(train_y.max()) + 1
    correct = 0
    for start, (x, y) in enumerate(zip(test_x.split(500), test_y.split(500))):
        similarity = F.normalize(x, dim=1) @ train_x.T
        if others:
            similarity.diagonal(offset=500 * start).fill_(-2)  # below every cosine: nobody votes on itself
        similarity, nearest = similarity.topk(k, dim=1)
        votes = similarity.new_zeros(len(x), classes)
        # Subtracting 1, the largest similarity, scales all votes alike and keeps exp from overflowing.
        votes.scatter_add_(1, train_y[nearest], ((similarity - 1) / temperature).exp())
        correct += (votes.argmax(dim=1) == y).sum().item()
    return correct / len(test_x)


@torch.inference_mode(False)  # L-BFGS needs gradients, of copies where the tensors come from inference mode
def probe_accuracy(train_x, train_y, test_x, test_y, l2=PROBE_L2, max_iterations=2000):
    """Test accuracy of multinomial logistic regression on frozen features (a linear probe).

    Features are standardised with the training set's statistics. The mean cross-entropy plus ``l2/2 · ‖W‖²`` (the bias
    is free) is minimised by full-batch L-BFGS to convergence, so the number depends on no learning rate.

    Args, Raises: as `knn_accuracy`; at most ``max_iterations`` steps of L-BFGS.

    Example:
        >>> x, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
        >>> probe_accuracy(x, y, torch.tensor([[-5.0], [0.5], [0.7]]), torch.tensor([0, 1, 1]))
        1.0
    """
    train_y, test_y = _check(train_x, train_y, test_x, test_y)
    train_x, test_x, train_y = train_x.detach().float(), test_x.detach().float(), train_y.clone()
    with few_threads(train_x.numel() < 4_000_000):
        mean, std = train_x.mean(dim=0), train_x.std(dim=0)
        scale = torch.where(std > 0, 1 / std, 0)  # a coordinate that never changes says nothing
        train_x, test_x = (train_x - mean) * scale, (test_x - mean) * scale
        classes = int(train_y.max()) + 1
        # The same minimum in other coordinates: along the principal axes, scaled so that the loss is about equally
        # curved in all of them. Correlated features would otherwise cost L-BFGS many more steps.
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
    """Fraction of NON-zero entries, E‖z‖₀ / D, the left-hand side of Eq. 11: (..., D) -> float in [0, 1].

    Example:
        >>> l0_fraction(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
        0.25
    """
    return (z != 0).float().mean().item()


def dead_fraction(z, threshold=1e-3):
    """Fraction of coordinates that are dead: non-zero on fewer than ``threshold`` of the samples. (N, D) -> float.

    Example:
        >>> dead_fraction(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))  # the first coordinate is always zero
        0.5
    """
    return ((z != 0).float().mean(dim=0) < threshold).float().mean().item()


def evaluate(model, data):
    """Everything that is measured at the end of a run, by the protocol above.

    Args:
        model: as in `extract_features`; of several tensors the first is the encoder's and the second the projector's.
        data: an `ImageData`.

    Returns:
        dict of floats: encoder_knn, encoder_probe, projector_knn, projector_probe (accuracies on the test images),
        nonzero_fraction and dead_fraction (of the projector's output on the test images). For a model that returns one
        tensor: knn, probe and nonzero_fraction.

    Raises:
        ValueError: if there are no test images.

    Example:
        >>> result = evaluate(lambda x: x.mean(dim=(2, 3)), make_shapes(40, 20))  # the mean colour as features
        >>> sorted(result)
        ['knn', 'nonzero_fraction', 'probe']
    """
    if not len(data.test_images):
        raise ValueError("data has no test images to evaluate on")
    train, test = (extract_features(model, data, images) for images in (data.train_images, data.test_images))
    return judge(train, test, data)


def judge(train, test, data):
    """`evaluate` for features that are there: those of the training images and those of the test images."""
    single = isinstance(train, torch.Tensor)
    pairs = {"": (train, test)} if single else dict(zip(("encoder_", "projector_"), zip(train, test)))
    result = {}
    for name, (train_x, test_x) in pairs.items():
        parts = (train_x, data.train_labels, test_x, data.test_labels)
        result[f"{name}knn"] = knn_accuracy(*parts, k=min(20, len(train_x)))
        result[f"{name}probe"] = probe_accuracy(*parts)
    if single:
        return result | {"nonzero_fraction": l0_fraction(test)}
    return result | {"nonzero_fraction": l0_fraction(test[1]), "dead_fraction": dead_fraction(test[1])}
