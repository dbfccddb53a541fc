"""Files and folders of a run: locks, checkpoints with a checksum, and writes that happen as a whole or not at all."""

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rlpjepa import RunError
from rlpjepa.storage import load_checkpoint, open_run_dir, save_checkpoint, write_atomically

OWNER = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire(timeout=0)
print("locked", flush=True)
time.sleep(120)
"""


@pytest.fixture
def owner(tmp_path):
    """Another process, which holds the lock of ``tmp_path / "run"``."""
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", OWNER, str(tmp_path / "run" / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "locked\n"
            yield process
        finally:
            process.kill()


# ---------------------------------------------------------------------------------------------------------------------
# the folder


@pytest.mark.parametrize("resume", [False, True])
def test_folder_in_use_by_another_process_is_refused_until_that_is_killed(tmp_path, owner, resume):
    with pytest.raises(RunError, match=r"run is being written by another run: wait for it, or choose another folder$"):
        open_run_dir(tmp_path / "run", resume)
    assert (tmp_path / "run").is_dir()
    owner.kill()
    owner.wait(timeout=20)
    open_run_dir(tmp_path / "run", resume).release()


def test_folder_is_locked_until_release(tmp_path):
    lock = open_run_dir(tmp_path / "a" / "b", resume=False)  # made with its parents
    with pytest.raises(RunError, match="is being written by another run"):
        open_run_dir(tmp_path / "a" / "b", resume=False)
    open_run_dir(tmp_path / "a" / "c", resume=False).release()  # one folder's lock is no other's
    lock.release()
    open_run_dir(tmp_path / "a" / "b", resume=False).release()


@pytest.mark.parametrize("name", ["checkpoint.pt", "previous.pt"])
def test_folder_that_holds_a_run_is_refused_unless_resumed_and_left_unlocked(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    for _ in range(2):
        with pytest.raises(RunError, match="holds a run already: go on with --resume, or choose another folder"):
            open_run_dir(tmp_path, resume=False)
    open_run_dir(tmp_path, resume=True).release()


def test_folder_that_cannot_be_made_or_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="output folder .*file cannot be written: "):
        open_run_dir(tmp_path / "file", resume=False)
    with pytest.raises(RunError, match="output folder .*run cannot be written: "):
        open_run_dir(tmp_path / "file" / "run", resume=False)


@pytest.mark.skipif(sys.platform != "linux", reason="takes a folder that not even root can write")
def test_folder_that_is_there_and_read_only():
    with pytest.raises(RunError, match="output folder /proc/self cannot be written: "):
        open_run_dir(Path("/proc/self"), resume=False)


def test_folder_without_permission(tmp_path):
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        pytest.skip("permissions mean nothing to root")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="output folder .* cannot be written: "):
            open_run_dir(tmp_path, resume=False)
    finally:
        tmp_path.chmod(0o700)


# ---------------------------------------------------------------------------------------------------------------------
# one file


def test_write_atomically_replaces_the_content(tmp_path):
    path = tmp_path / "file"
    for content in (b"one", b"two"):
        write_atomically(path, content)
        assert path.read_bytes() == content and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_writing_that_fails_leaves_the_old_content(tmp_path, error, monkeypatch):
    path, kept = tmp_path / "file", tmp_path / "kept"
    path.write_bytes(b"old")
    kept.write_bytes(b"older")

    def fail(descriptor):
        assert (path.read_bytes(), kept.read_bytes()) == (b"old", b"older")  # in place until all of the new is written
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError if isinstance(error, OSError) else type(error)) as raised:
        write_atomically(path, b"new", keep=kept)
    assert (path.read_bytes(), kept.read_bytes()) == (b"old", b"older")
    assert sorted(os.listdir(tmp_path)) == ["file", "kept"]
    if isinstance(error, OSError):
        assert str(raised.value) == f"{path} cannot be written: [Errno 28] No space left on device"


def test_keep_moves_the_old_file(tmp_path):
    path, kept = tmp_path / "file", tmp_path / "kept"
    path.write_bytes(b"old")
    write_atomically(path, b"new", kept)
    assert (path.read_bytes(), kept.read_bytes()) == (b"new", b"old")


def test_content_is_on_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a)))
    write_atomically(tmp_path / "file", b"new")
    assert calls == ["fsync", "replace"]


def test_write_into_a_missing_folder_is_an_error_of_the_run(tmp_path):
    with pytest.raises(RunError, match="result.json cannot be written: .*No such file"):
        write_atomically(tmp_path / "gone" / "result.json", b"")


# ---------------------------------------------------------------------------------------------------------------------
# checkpoints


def test_checkpoint_is_torch_saves_with_its_sha256_behind(tmp_path):
    state = {"step": 3, "weights": torch.arange(5.0)}
    save_checkpoint(tmp_path, state)
    content = (tmp_path / "checkpoint.pt").read_bytes()
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]
    for loaded in (torch.load(tmp_path / "checkpoint.pt", weights_only=True), load_checkpoint(tmp_path)[0]):
        assert loaded["step"] == 3 and torch.equal(loaded["weights"], state["weights"])
    assert load_checkpoint(tmp_path)[1] is None


def test_the_checkpoint_before_is_kept(tmp_path):
    for step in range(4):
        if step:
            before = (tmp_path / "checkpoint.pt").read_bytes()
        save_checkpoint(tmp_path, {"step": step})
    assert (tmp_path / "previous.pt").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["checkpoint.pt", "previous.pt"]
    assert load_checkpoint(tmp_path) == ({"step": 3}, None)
    (tmp_path / "checkpoint.pt").unlink()
    assert load_checkpoint(tmp_path) == ({"step": 2}, None)


def test_no_checkpoint(tmp_path):
    with pytest.raises(RunError, match=f"^there is no checkpoint to resume in {tmp_path}$"):
        load_checkpoint(tmp_path)


def test_checksum_of_what_is_no_checkpoint_does_not_help_it(tmp_path):
    program = io.BytesIO()
    torch.save([print], program)  # holds a function: loading takes data alone
    for content in (b"", b"text", program.getvalue()):
        (tmp_path / "checkpoint.pt").write_bytes(content + hashlib.sha256(content).digest())
        with pytest.raises(RunError, match="checkpoint.pt is damaged or not a checkpoint of this program"):
            load_checkpoint(tmp_path)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", [1, 2])  # before the old file is kept; before the new one takes its place
def test_crash_between_the_renames_leaves_a_sound_checkpoint(tmp_path, monkeypatch, at):
    save_checkpoint(tmp_path, {"step": 1})
    save_checkpoint(tmp_path, {"step": 2})
    _die_at_rename(monkeypatch, at)
    with pytest.raises(Killed):
        save_checkpoint(tmp_path, {"step": 3})
    assert load_checkpoint(tmp_path) == ({"step": 2}, None)


def test_crash_between_the_renames_after_a_damaged_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, {"step": 1})
    save_checkpoint(tmp_path, {"step": 2})
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    assert load_checkpoint(tmp_path)[0] == {"step": 1}
    _die_at_rename(monkeypatch, 1)  # there is no other: the damaged file is not kept
    with pytest.raises(Killed):
        save_checkpoint(tmp_path, {"step": 3})
    assert load_checkpoint(tmp_path)[0] == {"step": 1}


def _die_at_rename(monkeypatch, at):
    replace, calls = os.replace, []

    def dying(*names):
        calls.append(names)
        if len(calls) == at:
            raise Killed
        replace(*names)

    monkeypatch.setattr(os, "replace", dying)
