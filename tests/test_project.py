"""The files around the code: environments, pins, pairs of notebooks, README."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

from .series import NOTEBOOKS, ROOT, all_names, load_script

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
notebooks = pytest.mark.parametrize("name", all_names())
CODE = ("rlpjepa", "tests", "docs", "notebooks")


def test_conda_installs_what_make_installs():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    by_make = re.search(r"pip install --quiet (.*)", makefile).group(1).replace("'", "")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    by_conda = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert " ".join(by_conda) == by_make == "--constraint constraints.txt --editable .[notebooks,test,site]"
    assert f"python{PROJECT['project']['requires-python']}" in environment["dependencies"]
    assert PROJECT["project"]["requires-python"] == ">=3.11,!=3.14.1,<3.15"  # on which the pins install
    assert "not (3, 11) <= v < (3, 15) or v == (3, 14, 1)" in makefile
    assert set(PROJECT["project"]["optional-dependencies"]["colab"]) < set(
        PROJECT["project"]["optional-dependencies"]["notebooks"]
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(("made_in", "again"), [("elsewhere", True), ("here", False), (None, False)])
def test_environment_of_a_moved_folder_is_made_again(tmp_path, made_in, again):
    folder = tmp_path / "a copy of it"
    (folder / ".venv").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    text = {"elsewhere": str(tmp_path / "original"), "here": str(folder.resolve()), None: ""}[made_in]
    (folder / ".venv" / ".made").write_text(text, encoding="utf-8")  # empty: made before the folder was kept
    done = subprocess.run(["make", "-n", "lab"], capture_output=True, cwd=folder, check=True)
    assert (b"-m venv --clear .venv" in done.stdout) == again


def pins():
    return dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split())


def test_every_requirement_is_pinned_within_its_bounds():
    from packaging.requirements import Requirement

    extras = PROJECT["project"]["optional-dependencies"]
    pinned = {name.lower().replace("_", "-"): version for name, version in pins().items()}
    for requirement in map(Requirement, [*PROJECT["project"]["dependencies"], *sum(extras.values(), [])]):
        assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement
        assert any(clause.operator == ">=" for clause in requirement.specifier), f"{requirement} has no lower bound"


def test_installed_versions_are_the_pins():
    if not (Path(sys.prefix) / ".made").exists():
        pytest.skip("this environment was not made by make")
    installed = {dist.name.lower().replace("_", "-"): dist.version for dist in metadata.distributions()}
    wrong = {
        name: (version, installed.get(name))
        for name, version in ((n.lower().replace("_", "-"), v) for n, v in pins().items())
        if installed.get(name, version) != version
    }
    assert not wrong


def test_every_text_file_is_read_and_written_as_utf8():
    """Where the system has another encoding, as on Windows, the first é stopped the tests."""
    bare = []
    for path in sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and re.search(
                r"(^open|\.open|read_text|write_text)$", ast.unparse(call.func)
            ):
                given = ast.unparse(call)
                if not re.search(r"encoding=|['\"][rwa]b['\"]|w:gz|(Image|webbrowser|no_proxy)\.open", given):
                    bare.append(f"{path.relative_to(ROOT)}:{call.lineno} {given}")
    assert not bare


@notebooks
def test_notebook_is_what_its_py_file_says(name):
    """Text, code, and the metadata that a .py file keeps: tags, and what is folded."""
    books = [jupytext.read(NOTEBOOKS / f"{name}.{ending}") for ending in ("py", "ipynb")]
    kept = ("tags", "jupyter", "collapsed")
    cells = [
        [
            (cell.cell_type, cell.source, {key: cell.metadata[key] for key in kept if key in cell.metadata})
            for cell in book.cells
        ]
        for book in books
    ]
    assert cells[0] == cells[1], "run `make sync`"


@notebooks
def test_every_py_file_says_what_its_pair_keeps(name):
    """JupyterLab does not see the settings of pyproject.toml, which lies above the folder that it is started on."""
    settings = PROJECT["tool"]["jupytext"]
    header = jupytext.read(NOTEBOOKS / f"{name}.py").metadata["jupytext"]
    assert header["cell_metadata_filter"] == settings["cell_metadata_filter"]
    assert header["notebook_metadata_filter"] == settings["notebook_metadata_filter"]


@notebooks
def test_notebook_is_small_complete_and_speaks_of_no_machine(name):
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text.encode()) < 1.5 * 2**20
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not re.search(r"(/home|/root|/Users|/tmp|/work)/", text)


def test_every_notebook_is_listed_and_has_its_pair():
    files = [path for path in NOTEBOOKS.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    found = sorted(path.relative_to(NOTEBOOKS).with_suffix("").as_posix() for path in files)
    assert found == sorted(all_names()) and all(path.with_suffix(".py").exists() for path in files)


def test_readme_names_only_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named <= targets and {"lab", "test", "test-fast", "pretrain"} <= named


def test_readme_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", (ROOT / "README.md").read_text(encoding="utf-8")):
        target = link[0] or link[1]
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


@pytest.fixture
def address(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")  # where it finds the list of the notebooks
    return load_script("address")


def test_address_appears_when_it_is_set_and_only_then(address, tmp_path):
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    before = (
        (tmp_path / "README.md").read_text(encoding="utf-8"),
        (tmp_path / "CITATION.cff").read_text(encoding="utf-8"),
    )
    assert "badge" not in before[0] and "repository-code" not in before[1]
    pyproject = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(
        pyproject.replace('repository = ""', 'repository = "someone/somewhere"'), encoding="utf-8"
    )
    address.main(tmp_path)
    assert "github.com/someone/somewhere/actions" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load((tmp_path / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"].endswith(
        "someone/somewhere"
    )
    (tmp_path / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    address.main(tmp_path)
    assert before == (
        (tmp_path / "README.md").read_text(encoding="utf-8"),
        (tmp_path / "CITATION.cff").read_text(encoding="utf-8"),
    )


def test_address_must_be_owner_and_name(address, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.rlpjepa]\nrepository = "https://example.org"\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="owner/name"):
        address.main(tmp_path)


def test_citation_is_valid_yaml():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["authors"] == [{"name": "The rlpjepa authors"}]
    assert citation["version"] == PROJECT["project"]["version"]


def test_notebooks_are_checked_behind_a_proxy_and_without_a_home(tmp_path):
    cell = nbformat.v4.new_code_cell(
        "import matplotlib.pyplot, urllib.request\nprint(urllib.request.proxy_bypass('localhost'))"
    )
    cell.execution_count, cell.outputs = 1, [nbformat.v4.new_output("stream", text="True\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "one.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "--nbval", "--nbval-current-env", "one.ipynb"]
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith(("proxy", "dir"))}
    strange = {"HOME": "/dev/null/home", "http_proxy": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=kept | strange, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
