"""Files and folders of a run: locks, checkpoints, and writes that happen as a whole or not at all."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rlpjepa.pretrain import RunError, holds_run
from rlpjepa.pretrain.storage import (
    append_line,
    cut_log,
    load_checkpoint,
    open_run_dir,
    read_result,
    save_checkpoint,
    write_atomically,
    write_result,
)

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


def test_folder_in_use_by_another_process_is_refused_until_that_is_killed(tmp_path, owner):
    for resume in (False, True):
        with pytest.raises(RunError, match=r"run is being written by another run: wait for it, or choose another f"):
            open_run_dir(tmp_path / "run", resume)
    owner.kill()
    owner.wait(timeout=20)
    open_run_dir(tmp_path / "run", resume=False).release()


def test_folder_is_locked_until_release(tmp_path):
    lock = open_run_dir(tmp_path / "a" / "b", resume=False)  # made with its parents
    with pytest.raises(RunError, match="is being written by another run"):
        open_run_dir(tmp_path / "a" / "b", resume=False)
    open_run_dir(tmp_path / "a" / "c", resume=False).release()  # one folder's lock is no other's
    lock.release()
    open_run_dir(tmp_path / "a" / "b", resume=False).release()


def test_folder_that_holds_a_run_is_refused_unless_resumed_and_left_unlocked(tmp_path):
    assert not holds_run(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    assert holds_run(tmp_path) and holds_run(str(tmp_path))
    for _ in range(2):
        with pytest.raises(RunError, match="holds a run already: go on with --resume, or choose another folder"):
            open_run_dir(tmp_path, resume=False)
    open_run_dir(tmp_path, resume=True).release()


def test_a_result_without_its_checkpoint_is_not_written_over(tmp_path):
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(RunError, match="holds a run already: go on with --resume, or choose another folder"):
            open_run_dir(tmp_path, resume=False)
    open_run_dir(tmp_path, resume=True).release()


def test_folder_that_cannot_be_made_or_written(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    folders = [tmp_path / "file", tmp_path / "file" / "run"]
    if sys.platform == "linux":
        folders.append(Path("/proc/self"))  # which not even root can write
    for folder in folders:
        with pytest.raises(RunError, match=f"^the output folder {folder} cannot be written: "):
            open_run_dir(folder, resume=False)


# ---------------------------------------------------------------------------------------------------------------------
# one file


def test_write_atomically_replaces_the_content(tmp_path):
    path = tmp_path / "file"
    for content, written in ((b"one", b"one"), ("zwölf\n", "zwölf\n".encode())):
        write_atomically(path, content)
        assert path.read_bytes() == written and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_writing_that_fails_leaves_the_old_content(tmp_path, error, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(descriptor):
        assert path.read_bytes() == b"old"  # in place until all of the new is written
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError if isinstance(error, OSError) else type(error)) as raised:
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
    if isinstance(error, OSError):
        assert str(raised.value) == f"{path} cannot be written: [Errno 28] No space left on device"


def test_content_is_on_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a)))
    write_atomically(tmp_path / "file", b"new")
    assert calls == ["fsync", "replace"]


def test_log_is_cut_back_and_half_a_line_is_none(tmp_path):
    """Cut in its middle and written on, the zeros and the garbage that a crash leaves, a line of something else."""
    whole = [b'{"step": 10, "loss": 1.5}\n', b'{"step": 20, "loss": 1.25}\n']
    broken = [b'{"step": 12, "lo{"step": 15}\n', b"\0\0\0\0\n", b"\xff\xfe\n", b"[]\n", b"3\n", b"\n", b'{"loss": 1}\n']
    late = [b'{"step": 30}\n', b'{"step": 1']
    (tmp_path / "log.jsonl").write_bytes(b"".join([whole[0], *broken, whole[1], *late]))
    cut_log(tmp_path / "log.jsonl", 20)
    assert (tmp_path / "log.jsonl").read_bytes() == b"".join(whole)


@pytest.mark.parametrize("write", [write_atomically, append_line])
def test_write_into_a_missing_folder_is_an_error_of_the_run(tmp_path, write):
    with pytest.raises(RunError, match="file.txt cannot be written: .*No such file"):
        write(tmp_path / "gone" / "file.txt", "x")


def test_result_is_written_a_key_a_line_and_a_list_of_numbers_on_one(tmp_path):
    result = {"config": {"dim": 8}, "epochs": [{"loss": 1.5}], "final": {"edges": [0.0, 1.5, -2.0], "name": "[1,\n 2]"}}
    write_result(tmp_path / "result.json", result)
    lines = (tmp_path / "result.json").read_text(encoding="utf-8").splitlines()
    assert '  "edges": [0.0, 1.5, -2.0],' in lines and len(lines) == 14
    assert read_result(tmp_path / "result.json") == result


def test_result_with_the_mark_of_windows_editors_is_read(tmp_path):
    (tmp_path / "one.json").write_text('{"config": {}, "final": {}}', encoding="utf-8-sig")
    assert read_result(tmp_path / "one.json") == {"config": {}, "final": {}}


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"[]", b'{"config": 3, "final": {}}', b'{"config": {}}', b"\xff"]
)
def test_file_that_is_no_result_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "one.json").write_bytes(content)
    with pytest.raises(RunError, match=r"one\.json is not a result file"):
        read_result(tmp_path / "one.json")


# ---------------------------------------------------------------------------------------------------------------------
# checkpoints


@pytest.fixture(scope="module")
def state():
    """Of the kinds that a checkpoint holds, and small, so that its bytes can be gone through."""
    weights = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    return {
        "step": 3,
        "model": {"weight": weights, "count": torch.tensor(7)},
        "seconds": 1.5,
        "epochs": [{"loss": 0.25}],
    }


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


def test_checkpoint_is_what_was_saved_last(tmp_path, state):
    save_checkpoint(tmp_path, {"step": 2})
    save_checkpoint(tmp_path, state)
    assert os.listdir(tmp_path) == ["checkpoint.pt"]
    assert equal(load_checkpoint(tmp_path), state)
    assert equal(torch.load(tmp_path / "checkpoint.pt", weights_only=True), state)


def test_no_checkpoint(tmp_path):
    with pytest.raises(RunError, match=f"^there is no checkpoint to resume in {tmp_path}$"):
        load_checkpoint(tmp_path)


def test_damaged_checkpoint_is_refused_or_loads_what_was_saved(tmp_path, state):
    """Cut at 150 lengths, and one bit flipped at 600 places: what no checksum covers does not change the content."""
    save_checkpoint(tmp_path, state)
    path = tmp_path / "checkpoint.pt"
    content, rng = path.read_bytes(), random.Random(0)
    damaged = [content[:length] for length in [0, 1, len(content) - 1, *rng.sample(range(len(content)), 147)]]
    for place in rng.sample(range(len(content)), 600):
        damaged.append(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
    parts = content.split(b"PK\x01\x02")  # before each entry of the archive's directory
    for count in range(1, len(parts)):  # its attributes: torch reads nothing from what is marked as a folder
        place = len(b"PK\x01\x02".join(parts[:count])) + 38
        damaged.append(content[:place] + b"\x10" + content[place + 1 :])
    refused = 0
    for bytes_there in [*damaged, bytes(len(content)), b"text"]:
        path.write_bytes(bytes_there)
        try:
            assert equal(load_checkpoint(tmp_path), state)
        except RunError as error:
            assert str(error).startswith(f"{path} is damaged or not a checkpoint of this program: ")
            refused += 1
    assert refused > 300


def test_checkpoint_may_hold_tensors_and_plain_values_alone(tmp_path):
    torch.save([print], tmp_path / "checkpoint.pt")  # holds a function: loading could run it
    with pytest.raises(RunError, match="checkpoint.pt is damaged or not a checkpoint of this program"):
        load_checkpoint(tmp_path)
