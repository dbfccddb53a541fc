"""Checks of the exercises: ``check("01.1", answer)`` says whether an answer is right, or else what is wrong with it.

A check tests the property that the exercise asks for, not the way to it, and never raises because of an answer: it
prints one line, so that a notebook runs on. The checks of a chapter are in a module of their own, ``chapter01`` and so
on; solutions are in the notebooks.
"""

import importlib

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
        if any(part is None or part is ... for part in answer):
            raise NotImplementedError
        test(*answer)
    except NotImplementedError:
        print(f"✗ {name}: no answer yet. Fill in the cell above, run it, and then this one.")
    except Wrong as wrong:
        print(f"✗ {name}: {wrong}")
    except Exception as error:  # the student's own code failed
        print(f"✗ {name}: your code stopped with {type(error).__name__}: {error}")
    else:
        print(f"✓ {name}: right.")
