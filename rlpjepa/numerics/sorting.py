"""The two-sample sliced distance, fast: sorted in blocks, with its gradient in the same pass."""

import importlib.util

import torch

from .arguments import with_forward_mode, without_autocast

BLOCK = 2**22  # projected values that are held at a time


@with_forward_mode
class sliced_distance(torch.autograd.Function):
    """The mean of (sorted projections of z − sorted projections of target)², and its gradient in the same pass.

    It returns both; only the first is to be differentiated. with_gradient False leaves zeros in the second.
    """

    @staticmethod
    def forward(z, target, directions, with_gradient):
        views, size, d = z.shape
        rows = z.reshape(-1, d)  # one matrix product for all views
        total, gradient = z.new_zeros(()), torch.zeros_like(rows)
        with without_autocast(z):
            for block in directions.split(max(1, BLOCK // len(rows))):
                # A row per direction and view, since sorting is fastest along contiguous memory.
                values, order = sort_rows((block @ rows.T).unflatten(1, (views, size)))  # (n, V, B)
                goal = sort_rows(block @ target.T, values_only=True)  # (n, B)
                difference = values.sub_(goal.unsqueeze(1))
                total += difference.square().sum()
                if with_gradient:
                    # What moves a sorted value moves the feature that it came from.
                    moved = torch.empty_like(difference).scatter_(-1, order, difference)
                    gradient.addmm_(moved.flatten(1).T, block)
        count = len(rows) * len(directions)
        return total / count, gradient.mul_(2 / count).view_as(z)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output[1])
        ctx.save_for_forward(output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, grad, _):
        return grad * ctx.saved_tensors[0], None, None, None

    @staticmethod
    def tangent(ctx, z, *_):
        return (z * ctx.saved_tensors[0]).sum(), None

    @staticmethod
    def vmap(info, in_dims, *inputs):
        """One after another: each is a large sort by itself."""
        each = [[x] * info.batch_size if dim is None else x.unbind(dim) for x, dim in zip(inputs, in_dims, strict=True)]
        values, gradients = zip(*(sliced_distance(*one) for one in zip(*each, strict=True)), strict=True)
        return (torch.stack(values), torch.stack(gradients)), (0, 0)


_HAS_NUMPY = importlib.util.find_spec("numpy") is not None  # torch runs without it


def sort_rows(x, values_only=False):
    """Rows in ascending order, and (unless values_only) where each value stood: (values, order).

    In float32 on a CPU by NumPy, whose sort of plain numbers is vectorised and faster than torch's. For the
    order, each value is widened to float64 and carries its position in the low bits that float32 leaves empty; rounding
    to float32 takes them off again. (Infinities become NaN.) A zero becomes 2^-1000 first: with nothing but a position
    it would be a subnormal number, which a processor may be told to take for zero.
    """
    if x.dtype != torch.float32 or x.device.type != "cpu" or not _HAS_NUMPY or torch.compiler.is_compiling():
        values, order = x.sort(dim=-1)
        return values if values_only else (values, order)
    if values_only:
        x.numpy().sort(axis=-1)  # in place: x is a product of matrices that nobody else holds
        return x
    packed = x.double().add_(2.0**-1000)  # changes no other value
    bits = packed.view(torch.int64).bitwise_or_(torch.arange(x.shape[-1], device=x.device))
    packed.numpy().sort(axis=-1)
    return packed.float(), bits.bitwise_and_(2**28 - 1)
