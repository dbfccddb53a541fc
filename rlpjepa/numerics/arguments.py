"""What public functions accept: numbers and tensors are checked here, once, and brought to one form."""

import contextlib
import functools
import math
import numbers

import torch
from torch.distributions import biject_to, constraints, transform_to


class Between(constraints.Constraint):
    """An open interval, for tensors and numbers. (torch's `real` and `positive` would let infinity pass.)"""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def check(self, value):
        return (self.low < value) & (value < self.high)

    def __repr__(self):
        return f"({self.low}, {self.high})"


@biject_to.register(Between)
@transform_to.register(Between)
def _transform_to_between(interval):
    """torch's own: what optimises parameters without bounds (Pyro, for example) asks for it."""
    if interval.high < math.inf:
        edge = 2.0**-20 * (interval.high - interval.low)  # torch's interval holds its ends
        return transform_to(constraints.interval(interval.low + edge, interval.high - edge))
    return transform_to(constraints.real if interval.low == -math.inf else constraints.greater_than(interval.low))


FINITE, POSITIVE, FRACTION = Between(-math.inf, math.inf), Between(0, math.inf), Between(0, 1)
SHAPE = Between(0.08, 20)  # the p for which the numerics of `special` hold

_ALLOWED = {"mu": FINITE, "sigma": POSITIVE, "p": SHAPE, "fraction": FRACTION}


def check_numbers(**named):
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not _ALLOWED[name].check(value):
            raise ValueError(f"{name} must be a number in {_ALLOWED[name]}, got {value!r}")


def broadcast(**named):
    """Numbers and floating-point tensors -> tensors of one shape and dtype, on the tensors' device."""
    for name, value in named.items():
        if isinstance(value, torch.Tensor):
            check_tensors(**{name: value})
        if not (value.is_floating_point() if isinstance(value, torch.Tensor) else isinstance(value, numbers.Real)):
            raise ValueError(f"{name} must be a number or a floating-point tensor, got {value!r}")
    tensors = [value for value in named.values() if isinstance(value, torch.Tensor)] or [torch.empty(())]
    dtype = functools.reduce(torch.promote_types, [tensor.dtype for tensor in tensors])
    values = [
        value.to(dtype) if isinstance(value, torch.Tensor) else tensors[0].new_full((), float(value), dtype=dtype)
        for value in named.values()
    ]
    try:
        return torch.broadcast_tensors(*values)
    except RuntimeError:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in zip(named, values, strict=True))
        raise ValueError(f"shapes must broadcast, got {shapes}") from None


def in_float64(function, **named):
    """function of float64 tensors: numbers give a float, tensors a tensor of their dtype."""
    if not any(isinstance(value, torch.Tensor) for value in named.values()):
        check_numbers(**named)
        return function(*(torch.tensor(float(v), dtype=torch.float64, device="cpu") for v in named.values())).item()
    values = broadcast(**named)
    for name, value in zip(named, values, strict=True):
        if violated(_ALLOWED[name].check(value)):
            raise ValueError(f"{name} must lie in {_ALLOWED[name]}, got {value}")
    return function(*(value.double() for value in values)).to(values[0].dtype)


def check_p(p):
    if isinstance(p, bool) or not isinstance(p, numbers.Real) or not p > 0:
        raise ValueError(f"p must be a positive number or inf, got {p!r}")


def check_counts(**named):
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"{name} must be a positive integer, got {value!r}")


def check_dtype(dtype):
    """The dtype to return, torch's default one for None."""
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating one, got {dtype!r}")
    return dtype


def check_draw(n, d, p, device, dtype):
    """Options for the float64 tensors that are drawn, and the dtype to return."""
    check_counts(n=n, d=d)
    check_p(p)
    return {"device": device, "dtype": torch.float64}, check_dtype(dtype)


def draw_options(device, dtype, generator):
    """For torch.randn, which torch.compile takes with no generator, not even None, where shapes change."""
    return {"device": device, "dtype": dtype, **({} if generator is None else {"generator": generator})}


def with_forward_mode(function):
    """The function of an autograd.Function, whose ``tangent`` is its jvp. (torch.compile takes none that has a jvp.)"""
    dual = type(function.__name__, (function,), {"jvp": staticmethod(function.tangent)})
    return lambda *inputs: (function if torch.compiler.is_compiling() else dual).apply(*inputs)


class _Derivative(torch.autograd.Function):
    """x itself, and its derivative of the given order: RuntimeError at order 2."""

    generate_vmap_rule = True

    @staticmethod
    def forward(order, x, *inputs):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.order = inputs[0]
        ctx.save_for_backward(*inputs[2:])
        ctx.save_for_forward(*inputs[2:])

    @staticmethod
    def backward(ctx, grad):
        inputs = ctx.saved_tensors  # once only: a checkpointed block does not hand them out twice
        return None, _Derivative.next(ctx.order, grad, inputs), *[None] * len(inputs)

    @staticmethod
    def jvp(ctx, _, x, *inputs):
        return _Derivative.next(ctx.order, x, ctx.saved_tensors)

    @staticmethod
    def next(order, slope, inputs):
        if order == 1:
            raise RuntimeError("this function can be differentiated once only")
        return _Derivative.apply(order + 1, slope, *inputs)


def differentiable_once(x, *inputs):
    """x, computed from inputs, whose second derivative is refused; compiled, torch itself refuses that of everything.

    (torch's once_differentiable would be silent where the incoming gradient is a constant.)
    """
    return x if torch.compiler.is_compiling() else _Derivative.apply(0, x, *inputs)


def full_precision(x):
    return x if x.dtype == torch.float64 else x.float()


def without_autocast(x):
    """Context in which autocast does not round what is computed on x's device.

    Not every device has autocast; torch.compile cannot ask, and compiles for none that has not.
    """
    has_autocast = torch.compiler.is_compiling() or torch.amp.is_autocast_available(x.device.type)
    return torch.autocast(x.device.type, enabled=False) if has_autocast else contextlib.nullcontext()


def violated(condition):
    """Whether a condition fails somewhere, as far as one can look without stalling a device, under vmap or compiled."""
    if condition.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    try:
        return not condition.all()
    except RuntimeError:  # under vmap a tensor has no one value
        return False


def version(tensor):
    """How often the tensor was written to, which torch does not count in inference mode and when it compiles."""
    return 0 if torch.compiler.is_compiling() or tensor.is_inference() else tensor._version


def check_tensors(**named):
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{name} must be a tensor, got {type(value).__name__}")
        if value.layout != torch.strided or value.is_nested:
            kind = "a nested tensor" if value.is_nested else value.layout
            raise ValueError(f"{name} must be a dense tensor, got {kind}")


def check_features(z):
    check_tensors(z=z)
    if z.dim() not in (2, 3) or not z.is_floating_point():
        raise ValueError(f"z must be floating point of shape (B, D) or (V, B, D), got {z.dtype} {tuple(z.shape)}")
    if z.shape[-2] < 2 or 0 in z.shape:
        raise ValueError(
            f"z must hold at least two samples per view, of at least one entry, got shape {tuple(z.shape)}"
        )
    check_finite("z", z)


def check_finite(name, value):
    if violated(value.isfinite()):
        raise ValueError(f"{name} holds NaN or infinity")


def check_distribution(distribution, device, d=None):
    """ValueError unless the parameters are scalar (or, where d is given, of shape (d,)) and on the device."""
    if not all(hasattr(distribution, name) for name in ("loc", "scale", "p", "icdf")):
        raise ValueError(f"distribution must be one of the three distributions of chapter 02, got {distribution!r}")
    shapes, words = [(), (1,)], "scalar parameters"
    if d is not None:
        shapes, words = [*shapes, (d,)], f"parameters that are scalar or of shape ({d},)"
    if distribution.batch_shape not in shapes or distribution.loc.device != device:
        raise ValueError(
            f"distribution must have {words} on {device}, "
            f"got shape {tuple(distribution.batch_shape)} on {distribution.loc.device}"
        )
