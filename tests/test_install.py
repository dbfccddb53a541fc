"""The first cell of every notebook: nothing in a clone; elsewhere, in Colab for example, it fetches and installs."""

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from rlpjepa.figures import series_root

from .series import FOLDERS, LESSONS, NOTEBOOKS, ROOT, all_names


def install_cell(name):
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert cells[0]["metadata"]["tags"] == ["install"]
    return "".join(cells[0]["source"])


CELL = install_cell(LESSONS[0])
COLAB = CELL.replace('REPOSITORY = ""', 'REPOSITORY = "someone/somewhere"')


def test_all_notebooks_begin_with_the_same_cell():
    assert COLAB != CELL and {install_cell(name) for name in all_names()} == {CELL}


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_nothing_happens_in_a_clone(monkeypatch, folder):
    monkeypatch.chdir(NOTEBOOKS / folder)
    monkeypatch.setattr(subprocess, "run", None)
    exec(COLAB, {})
    assert Path.cwd() == (NOTEBOOKS / folder).resolve() and series_root() == ROOT


def test_root_is_not_found_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="as the README says"):
        series_root()


def test_without_an_address_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="make lab"):
        exec(CELL, {})


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_elsewhere_it_fetches_and_installs(tmp_path):
    # A clean environment has the packages of this one, but not rlpjepa, whose editable install is not seen through a
    # path file; instead of from GitHub, git takes the repository from a folder, and pip finds all it needs installed.
    repository = tmp_path / "someone" / "somewhere.git"
    for name in ("rlpjepa", "notebooks/results", "notebooks/exercises/checks"):
        shutil.copytree(ROOT / name, repository / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "notebooks/claims.toml"):
        shutil.copy(ROOT / name, repository / name)
    git = ["git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "series"]):
        subprocess.run([*git, *command], check=True)

    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools"], check=True)  # Python 3.11's
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    Path(site, "outer.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    colab = tmp_path / "content"
    colab.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{tmp_path.as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # the setting is a negation of a negation: no isolation
    }
    after = """
import rlpjepa, rlpjepa.pretrain
from rlpjepa.figures import COLORS, png_bytes, series_root, style
import matplotlib.figure
assert png_bytes(matplotlib.figure.Figure()).startswith(b"\\x89PNG") and (series_root() / "notebooks/results").exists()
sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check
print(rlpjepa.__file__)
print(os.getcwd())
"""
    for _ in range(2):  # the second time, as after a restart of the kernel, everything is there
        done = subprocess.run([python, "-c", COLAB + after], cwd=colab, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        module, folder = done.stdout.splitlines()[-2:]
        assert Path(module).is_relative_to(site) and Path(folder) == colab / "series" / "notebooks"
