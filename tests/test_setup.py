"""``python -m rlpjepa``: is my set-up right?"""

import shutil
import subprocess
import sys

import pytest

from rlpjepa.__main__ import main

from .series import ROOT


@pytest.mark.slow
def test_a_set_up_that_is_right_ends_in_ready():
    done = subprocess.run([sys.executable, "-m", "rlpjepa"], capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("ready"), done.stdout + done.stderr
    assert "0.121558" in done.stdout and "torch 2." in done.stdout  # exp(-sqrt 2) / 2


def test_a_number_that_is_wrong_is_named(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(lambda: {"one": (1.0, 1.0), "two": (float("nan"), 2.0)}) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("not ready: two is nan, not 2.0")


def test_a_copy_that_uses_the_original_is_named(capsys, monkeypatch, tmp_path):
    for name in ("notebooks", "rlpjepa"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "notebooks" / "claims.toml", tmp_path / "notebooks")
    monkeypatch.chdir(tmp_path / "notebooks")
    assert main(dict) == 1
    assert f"not ready: this folder is {tmp_path}, but Python takes rlpjepa from {ROOT}" in capsys.readouterr().out
