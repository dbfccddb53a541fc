"""Chapter 05. What a run leaves on disk, so that neither a crash nor a full disk nor a second run can spoil it."""

import hashlib
import io
import os
import tempfile
from pathlib import Path

import torch

DIGEST = hashlib.sha256().digest_size


class RunError(Exception):
    """A run that cannot start, go on or be resumed. The message says why, and what to do."""


class InUseError(RunError):
    """A run directory that another process is writing."""


def open_run_dir(run_dir, resume):
    """Make a run's folder and lock it, and find out before any work is done whether it can be written.

    Returns:
        The lock. It holds until ``release()`` or the end of the process, kill -9 included.

    Raises:
        InUseError: if another process is writing the folder.
        RunError: if it cannot be written, or holds a run and resume is False.
    """
    from filelock import FileLock, Timeout

    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=run_dir).close()
        lock = FileLock(run_dir / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise InUseError(f"{run_dir} is being written by another run: wait for it, or choose another folder") from None
    except OSError as error:
        raise RunError(f"the output folder {run_dir} cannot be written: {error}") from error
    if not resume and holds_run(run_dir):
        lock.release()
        raise RunError(f"{run_dir} holds a run already: go on with --resume, or choose another folder")
    return lock


CHECKPOINTS = ("checkpoint.pt", "previous.pt")  # the newest, and the one before


def holds_run(run_dir):
    """Whether a folder holds a run that can go on: a checkpoint."""
    return any((Path(run_dir) / name).exists() for name in CHECKPOINTS)


def save_checkpoint(run_dir, state):
    """Write ``checkpoint.pt``, and keep the one before as ``previous.pt``; on an error both stay as they were.

    The file is torch.save's, for ``torch.load`` to read, with its SHA-256 behind it.
    """
    path = run_dir / "checkpoint.pt"
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    keep = path.exists() and _is_sound(path.read_bytes())  # a damaged one must not take the place of a sound one
    write_atomically(path, content + _digest(content), keep=run_dir / "previous.pt" if keep else None)


def load_checkpoint(run_dir, map_location=None):
    """The state of the newest sound checkpoint in a folder.

    Returns:
        (state, warning): the warning is None, or says that the newest was damaged and the one before was taken.

    Raises:
        RunError: if there is no checkpoint, or none that is sound.
    """
    problems = []
    for name in CHECKPOINTS:
        path = Path(run_dir) / name
        try:
            content = path.read_bytes()
            if not _is_sound(content):
                raise ValueError("its checksum is wrong")
            state = torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
        except FileNotFoundError:
            continue
        except Exception as error:  # torch.load fails in many ways
            problems.append(f"{path} is damaged or not a checkpoint of this program: {error}")
            continue
        return state, "; ".join([*problems, f"going on from {path} instead"]) if problems else None
    raise RunError("; ".join(problems) or f"there is no checkpoint to resume in {run_dir}")


def _digest(content):
    return hashlib.sha256(content).digest()


def _is_sound(content):
    return _digest(content[:-DIGEST]) == content[-DIGEST:]


def write_atomically(path, content, keep=None):
    """Write bytes to a file, which then holds its old content or all of the new; ``keep`` is a path for the old."""
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep:
            os.replace(path, keep)
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def append_line(path, line):
    """Add a line to a file."""
    try:
        with open(path, "a") as file:
            file.write(line + "\n")
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from error
