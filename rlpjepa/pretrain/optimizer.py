"""The optimizers, and the learning rate of each step: all on the device, as a CUDA graph records it."""

import math

import torch

WARMUP_START_LR = 3e-5  # solo-learn's


def create_optimizer(model, config, device):
    """AdamW or LARS. The learning rate is a tensor, which a step sets on the device from the number of the step."""
    lr = torch.tensor(config.lr, dtype=torch.float32, device=device)
    if config.optimizer == "lars":
        return LARS(model.parameters(), lr, config.momentum, config.weight_decay, config.trust_coeff)
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


class LARS(torch.optim.Optimizer):
    """SGD with momentum, where the step of each weight matrix is limited by the matrix's own size (You et al., 2017).

    A matrix w with gradient g moves along (g + decay · w) · ratio. With clipping (LARC), as in solo-learn, this is
    ratio = min(trust_coeff · ‖w‖ / (‖g‖ + decay · ‖w‖) / lr, 1), or 1 where a norm is zero. Biases and the weights of
    norms, which have one dimension, take plain steps without weight decay.

    Args:
        params: the weights.
        lr: learning rate, a number or a tensor on the weights' device.
        momentum, weight_decay, trust_coeff: as `timm.optim.Lars` has them.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> optimizer = LARS(layer.parameters(), lr=0.1, trust_coeff=0.02)
        >>> layer(torch.ones(1, 3)).sum().backward()
        >>> optimizer.step()
    """

    def __init__(self, params, lr, momentum=0.9, weight_decay=0.0, trust_coeff=0.001):
        options = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust_coeff": trust_coeff}
        super().__init__(params, options)

    @torch.no_grad()
    def step(self):
        """Move the weights along their gradients."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                if weight not in self.state:
                    self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
            moves = [self.state[weight]["momentum_buffer"] for weight in weights]
            torch._foreach_mul_(moves, group["momentum"])
            torch._foreach_add_(moves, self._directions(weights, group))
            torch._foreach_sub_(weights, torch._foreach_mul(moves, group["lr"]))

    def _directions(self, weights, group):
        """Gradients; those of matrices with weight decay and ratio."""
        matrices = [weight for weight in weights if weight.dim() > 1]
        grads = [weight.grad for weight in matrices]
        size, slope = (torch.stack(torch._foreach_norm(x)) for x in (matrices, grads))  # (number of matrices,)
        ratio = group["trust_coeff"] * size / (slope + group["weight_decay"] * size + 1e-8) / group["lr"]
        ratio = torch.where((size > 0) & (slope > 0), ratio.clamp(max=1), 1)
        grads = torch._foreach_add(grads, matrices, alpha=group["weight_decay"])
        scaled = iter(torch._foreach_mul(grads, list(ratio.unbind())))
        return [next(scaled) if weight.dim() > 1 else weight.grad for weight in weights]
