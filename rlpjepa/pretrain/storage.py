"""What a run leaves on disk, so that neither a crash nor a full disk nor a second run can spoil it."""

import io
import json
import os
import re
import tempfile
import zipfile
from pathlib import Path

import torch

from .errors import InUseError, RunError, writing


def open_run_dir(run_dir, resume):
    """Make a run's folder and lock it, and find out before any work is done whether it can be written.

    Returns:
        The lock. It holds until ``release()`` or the end of the process, kill -9 included.

    Raises:
        InUseError: if another process is writing the folder.
        RunError: if it cannot be written, or holds a run and resume is False.
    """
    with writing(f"the output folder {run_dir}"):
        run_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=run_dir).close()  # where this fails, a lock would seem to be taken
        lock = take_lock(run_dir / ".lock")
    if lock is None:
        raise InUseError(f"{run_dir} is being written by another run: wait for it, or choose another folder")
    if not resume and (holds_run(run_dir) or (run_dir / "result.json").exists()):
        lock.release()
        raise RunError(f"{run_dir} holds a run already: go on with --resume, or choose another folder")
    return lock


def take_lock(path):
    """The lock of a file, until ``release()`` or the end of the process; None if another process holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def holds_run(run_dir):
    """Whether a folder holds a run that can go on: a checkpoint.

    Example:
        >>> holds_run("a_folder_without_a_run")
        False
    """
    return (Path(run_dir) / "checkpoint.pt").exists()


def save_checkpoint(run_dir, state):
    """Write ``checkpoint.pt``; on an error, or if the process is killed, the old one stays as it was."""
    content = io.BytesIO()  # straight into a file, torch.save hides an OSError (a full disk) behind an error of its own
    torch.save(state, content)
    write_atomically(Path(run_dir) / "checkpoint.pt", content.getbuffer())


def load_checkpoint(run_dir, map_location=None):
    """The state in a folder's ``checkpoint.pt``.

    Raises:
        RunError: if there is none, or it is damaged.
    """
    path = Path(run_dir) / "checkpoint.pt"
    if not path.exists():
        raise RunError(f"there is no checkpoint to resume in {run_dir}")
    return load_tensors(path, map_location)


def load_tensors(path, map_location=None):
    """What torch.save wrote to a file. RunError if it is damaged, or holds more than tensors and plain values."""
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch.load does not look at the checksums in its file
                raise ValueError(f"the checksum of {damaged} is wrong")
            if any(entry.external_attr for entry in archive.infolist()):  # 0x10 is "a folder": torch would read nothing
                raise ValueError("an entry has attributes, which torch.save gives to none")
        return torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # torch.load fails in many ways
        raise RunError(f"{path} is damaged or not a checkpoint of this program: {error}") from error


def write_atomically(path, content):
    """Write a file (bytes or text), which then holds its old content or all of the new."""
    temporary = path.with_name(path.name + ".part")
    try:
        with writing(path):
            with open(temporary, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def cut_log(path, step):
    """Leave of a log the entries up to a step; half a line, as a crash or a full disk leaves it, is none."""

    def is_kept(line):
        try:
            return json.loads(line)["step"] <= step
        except (ValueError, KeyError, TypeError):
            return False

    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    write_atomically(path, "".join(line + "\n" for line in text.split("\n") if is_kept(line)))


def append_line(path, line):
    """Add a line to a text file."""
    with writing(path), open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")


def write_result(path, result):
    """Write a result as JSON for people to read, too: a key a line, a list of numbers on one."""
    text = json.dumps(result, indent=1)
    text = re.sub(r"\[[^][{}\"]*\]", lambda numbers: "[" + " ".join(numbers[0][1:-1].split()) + "]", text)
    write_atomically(path, text + "\n")


def read_result(path):
    """The content of a result file, of this version or an older one. RunError if it is none."""
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        dict(result["config"]), dict(result["final"])
        return result
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a result file: {error!r}") from error
