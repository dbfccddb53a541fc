"""The optimizers, and the learning rate of each step: all on the device, as a CUDA graph records it."""

import math

import torch

WARMUP_START_LR = 3e-5  # solo-learn's


def create_optimizer(model, config, device):
    """AdamW, or LARS as in solo-learn: SGD with momentum, where a matrix's size limits its steps (You et al., 2017).

    With clipping (LARC), a matrix w with gradient g moves along (g + decay · w) · ratio, where ratio is
    min(trust_coeff · ‖w‖ / (‖g‖ + decay · ‖w‖) / lr, 1). Biases and the weights of norms, which have one dimension,
    take plain steps without weight decay.

    The learning rate is a tensor, which a step sets on the device from the number of the step.
    """
    lr = torch.tensor(config.lr, dtype=torch.float32, device=device)
    if config.optimizer == "lars":
        from timm.optim import Lars

        matrices, vectors = ([w for w in model.parameters() if (w.dim() > 1) == big] for big in (True, False))
        groups = [{"params": matrices, "weight_decay": config.weight_decay, "always_adapt": True}, {"params": vectors}]
        optimizer = Lars(groups, 0.0, config.momentum, trust_coeff=config.trust_coeff, trust_clip=True, foreach=True)
        for group in optimizer.param_groups:
            group["lr"] = lr  # not above: Lars looks at the number it is given, which would wait for the device
        return optimizer
    fast = {"fused": device.type != "mps", "capturable": device.type == "cuda"}
    return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=config.weight_decay, **fast)


def set_learning_rate(optimizer, config, step, total_steps):
    """Give an optimizer the learning rate of a step."""
    for group in optimizer.param_groups:
        group["lr"].copy_(learning_rate(config, step, total_steps))


def learning_rate(config, step, total_steps):
    """The learning rate of a step (a tensor, counted from 0): float32, on its device.

    In a warm-up of w steps it grows linearly, from 3e-5 at step 0 to ``lr`` at step w - 1. From step w on it is
    constant, or falls along half a cosine, which would reach zero at step ``total_steps``. (This is solo-learn's
    schedule.)
    """
    warmup = config.warmup_epochs and total_steps // config.epochs * config.warmup_epochs
    rate = torch.full_like(step, config.lr, dtype=torch.float32)
    if config.schedule == "cosine":
        rate = config.lr * (1 + torch.cos(math.pi * (step - warmup).float() / max(1, total_steps - warmup))) / 2
    rising = WARMUP_START_LR + (config.lr - WARMUP_START_LR) * step.float() / max(1, warmup - 1)
    return torch.where(step < warmup, rising, rate)
