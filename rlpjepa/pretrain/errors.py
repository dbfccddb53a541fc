"""What can go wrong in a run, in words that say what to do."""

import contextlib

import torch


class RunError(Exception):
    """A run that cannot start, go on or be resumed. The message says why, and what to do.

    Example:
        >>> try:
        ...     load_run("a_folder_without_a_run")
        ... except RunError as error:
        ...     print(error)
        there is no checkpoint to resume in a_folder_without_a_run
    """


class InUseError(RunError):
    """A run directory that another process is writing."""


@contextlib.contextmanager
def explained(config, device, run=None):
    """Raise as `RunError` what goes wrong inside; with a run, inside of its training."""
    try:
        yield
    except NotImplementedError as error:  # an operation that torch lacks on this device
        raise RunError(f"device '{device.type}' lacks what this configuration needs: {error}") from error
    except ValueError as error:
        if run is None:
            raise
        hint = ". A lower lr may help." if "NaN" in str(error) else ""  # on the CPU the losses refuse NaN by themselves
        raise RunError(f"training stopped at step {run.step + 1}: {error}{hint}") from error
    except RuntimeError as error:
        if is_out_of_memory(error):
            size = config.batch_size
            smaller = f" with batch_size {size}: try batch_size {max(2, size // 2)}"
            larger = ": take a smaller network, or end what else is using the memory"
            raise RunError("out of memory" + (smaller if run and size > 2 else larger)) from error
        if config.cuda_graph and "captur" in str(error):  # what CUDA and torch say of a graph that cannot be recorded
            raise RunError(f"the step fails as a CUDA graph ({error}): try without cuda_graph") from error
        raise


@contextlib.contextmanager
def writing(what):
    """Raise an OSError inside as `RunError`: ``what`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise RunError(f"{what} cannot be written: {error}") from error


def is_out_of_memory(error):
    """Whether memory ran out: torch.OutOfMemoryError on CUDA; elsewhere only the message tells."""
    texts = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in texts)
