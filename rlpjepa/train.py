"""Chapter 05. The training step and the loop around it: Rectified LpJEPA from images to weights, from top to bottom.

What it reaches: 12 epochs on `shapes` with the small network ``test_byobnet`` (p = 1, μ = −1) bring the kNN accuracy of
the encoder's features to .42 (ten seeds, notebooks/results/experiments/steps.json); pixels have .16, the same network
untrained has .30. They take about 40 seconds on one core of a 2024 server processor.
"""

import contextlib

import torch

from .data import ImageData, unlabelled


def train_step(model, views, objective, optimizer):
    """One step: network, objective, gradients, weights.

    Args:
        model: maps images (V B, 3, H, W) to (features, z), or to z alone; in training mode.
        views: (V, B, 3, H, W), V views of each of B images, normalised: ``data.views(index, count=V)``.
        objective: a function of your own, called as ``objective(z, model)`` with z (V, B, D). It returns a dict of
            scalar tensors: ``loss`` is minimised, the others are recorded. The model is there for terms that look
            inside of it. (`rlpjepa.objective` takes other arguments: wrap it as below.)
        optimizer: over the model's weights. A learning rate that changes is yours to set between steps.

    Returns:
        What the objective returned, without gradients.

    Raises:
        TypeError: if the objective returns no dict.

    Example:
        >>> model, views = RectifiedLpJEPA("pixels", dim=8), make_shapes(20, 20).views(torch.arange(10))
        >>> terms = lambda z, model: objective(z, rdmreg_loss(z, sample_rgg(z.shape[1:], mu=-1.0)))
        >>> sorted(train_step(model, views, terms, torch.optim.AdamW(model.parameters())))
        ['coordinate', 'invariance', 'loss', 'regularizer']
    """
    # 1. Network. All views pass together, so that BatchNorm sees one batch.
    images = views.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (V B, 3, H, W)
    with fast_arithmetic(views.device):
        output = model(images)
    z = output if isinstance(output, torch.Tensor) else output[-1]  # (V B, D)
    z = z.unflatten(0, views.shape[:2])  # (V, B, D)

    # 2. Objective: views of one image agree, and all features together follow the target (the post's Eq. 14-15).
    parts = objective(z, model)
    if not isinstance(parts, dict):
        raise TypeError(f"objective must return a dict with 'loss' among its parts, got {type(parts).__name__}")

    # 3. Gradients, and one step of the optimizer along them.
    optimizer.zero_grad()
    parts["loss"].backward()
    optimizer.step()
    return {name: part.detach() for name, part in parts.items()}


def train(model, data, objective, optimizer, *, steps, batch_size=256, generator=None):
    """The loop: draw a batch, draw two views of its images, take a step. For more views, or a schedule, write it anew.

    Args:
        model, objective, optimizer: as in `train_step`; the model is put into training mode.
        data: an `ImageData`, or images, uint8 (N, 3, H, W), on the model's device.
        steps: how many steps.
        batch_size: B, images a step; the last batch of an epoch is dropped if it is shorter.
        generator: of the data's device, for order and views. Let the objective draw from it too, and a seed fixes the
            whole run.

    Returns:
        dict of tensors (steps,): the course of each part of the objective.

    Raises:
        ValueError: if there are fewer images than batch_size, or if images are of another kind.

    Example:
        >>> model = RectifiedLpJEPA("pixels", dim=8)
        >>> terms = lambda z, model: objective(z, rdmreg_loss(z, sample_rgg(z.shape[1:], mu=-1.0)))
        >>> optimizer = torch.optim.AdamW(model.parameters())
        >>> train(model, make_shapes(40, 20), terms, optimizer, steps=3, batch_size=20)["loss"].shape
        torch.Size([3])
    """
    data = data if isinstance(data, ImageData) else unlabelled(data)
    count, device = len(data.train_images), data.train_images.device
    if not 1 <= batch_size <= count:
        raise ValueError(f"batch_size must be from 1 to the number of training images ({count}), got {batch_size}")
    model.train()
    history = []
    for step in range(steps):
        position = step % (count // batch_size)
        if position == 0:  # a new epoch: every image once, in a new order
            order = torch.randperm(count, generator=generator, device=device)
        batch = order[position * batch_size :][:batch_size]  # (B,)
        views = data.views(batch, generator=generator)  # (2, B, 3, H, W)
        history.append(train_step(model, views, objective, optimizer))
    return {name: torch.stack([parts[name] for parts in history]) for name in (history[0] if history else ())}


def fast_arithmetic(device):
    """Context in which a network computes in bfloat16, where the device is fast in it; its weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if has_fast_bfloat16(device) else contextlib.nullcontext()


def has_fast_bfloat16(device):
    """Whether a device computes in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # x86 alone. oneDNN says that it supports bfloat16 wherever there is AVX-512; without these it only emulates it.
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
