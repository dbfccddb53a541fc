"""Checks of the exercises: ``check("01.1", answer)`` says whether an answer is right, or else what is wrong with it.

A check tests the property that the exercise asks for, not the way to it, and never raises because of an answer: it
prints one line, so that a notebook runs on. The checks of a chapter are in a module of their own, ``chapter01`` and so
on. Some hold the right answer, since they compare with it.
"""

import importlib
import inspect
import itertools
import math

import torch

CHECKS = {}


class Wrong(Exception):
    """Raised by a check. The message tells a student what is wrong, without giving the answer away."""


def exercise(name):
    """Registers a function of the answer, which raises `Wrong`, as the check of an exercise."""

    def register(function):
        CHECKS[name] = function
        return function

    return register


def check(name, *answer):
    """Print whether an answer is right, and what is wrong with it if not.

    Args:
        name: of the exercise, chapter and number: "01.1".
        answer: what the exercise asks for: a function of the stub's signature, or values.

    Raises:
        ValueError: if there is no exercise of that name.
    """
    try:
        importlib.import_module(f"{__name__}.chapter{name.split('.')[0]}")
        test = CHECKS[name]
    except (AttributeError, ImportError, KeyError):
        raise ValueError(f"there is no exercise {name!r}") from None
    try:
        blank = [part is None or part is ... for part in answer]
        if blank and all(blank):
            raise NotImplementedError
        parts = list(inspect.signature(test).parameters)  # of several answers, the names that the stub gives them
        if len(answer) != (count := len(parts)):
            raise Wrong(f"{'one answer is' if count == 1 else f'{count} answers are'} expected, got {len(answer)}.")
        if any(blank):
            raise Wrong(f"no answer yet for {', '.join(itertools.compress(parts, blank))}.")
        test(*answer)
    except NotImplementedError:
        print(f"✗ {name}: no answer yet. Fill in the cell above, run it, and then this one.")
    except Wrong as wrong:
        print(f"✗ {name}: {wrong}")
    except Exception as error:  # the student's own code failed
        print(f"✗ {name}: your code stopped with {type(error).__name__}: {error}")
    else:
        print(f"✓ {name}: right.")


# What checks read answers with.


def ask(function, *arguments):
    """What a student's function returns. An untouched stub, which returns nothing, raises NotImplementedError."""
    if not callable(function):
        raise Wrong(f"the answer should be a function, got {type(function).__name__}.")
    answer = function(*arguments)
    if answer is None or answer is ...:
        code = getattr(function, "__code__", None)
        if code is not None and not code.co_names and code.co_nlocals == code.co_argcount + code.co_kwonlyargcount:
            raise NotImplementedError
        raise Wrong(f"your function returned {answer}: is there a `return` on every way through it?")
    return answer


def numbers(answer, shape=None, what="the answer"):
    """An answer (a tensor, an array, a list or a number) as a finite float64 tensor, of this shape if one is given."""
    try:
        values = answer if isinstance(answer, torch.Tensor) else torch.as_tensor(answer)
        if values.is_complex():
            raise TypeError
        values = values.detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what} should be made of real numbers, got {type(answer).__name__}.") from None
    if shape is not None and values.shape != shape:
        if math.prod(shape) != 1 or values.numel() != 1:
            wanted = f"of shape {tuple(shape)}" if shape else "one number"
            raise Wrong(f"{what} should be {wanted}, got shape {tuple(values.shape)}.")
        values = values.reshape(shape)
    if not values.isfinite().all():
        raise Wrong(f"{what} contains {'nan' if values.isnan().any() else 'infinity'}.")
    return values


def number(answer, what="the answer"):
    """An answer as a Python float."""
    return numbers(answer, (), what).item()


def near(value, target, tolerance):
    """Whether two numbers agree up to a relative tolerance."""
    return abs(value - target) <= tolerance * abs(target)


def check_digits(value, target, what=""):
    """Refuses the right number if it is rounded to one decimal."""
    if abs(value - round(target, 1)) < 1e-6:
        raise Wrong(f"{what}{value:g} is near, but three significant digits are wanted.")


def check_generator(draw):
    """Whether draw(seed), of a generator with this seed, is the same for equal seeds and another for another seed."""
    one, again, other = (draw(seed) for seed in (1, 1, 2))
    question = "Does every random function get `generator=generator`?"
    if not torch.equal(one, again):
        raise Wrong(f"equal generators give different draws. {question}")
    if torch.equal(one, other):
        raise Wrong(f"different generators give the same draws. {question}")
