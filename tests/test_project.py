"""The files around the code: environments, pins, pairs of notebooks, README."""

import importlib.util
import json
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import jupytext
import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def test_conda_installs_what_make_installs():
    makefile = (ROOT / "Makefile").read_text()
    by_make = re.search(r"pip install --quiet (.*)", makefile).group(1).replace("'", "")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    by_conda = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert " ".join(by_conda) == by_make == "--constraint constraints.txt --editable .[notebooks,test,site]"
    assert f"python{PROJECT['project']['requires-python']}" in environment["dependencies"]


def pins():
    return dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_what_its_py_file_says(path):
    source, notebook = jupytext.read(path), jupytext.read(path.with_suffix(".ipynb"))
    cells = [
        [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in book.cells]
        for book in (source, notebook)
    ]
    assert cells[0] == cells[1], "run `make sync`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_small_complete_and_speaks_of_no_machine(path):
    ipynb = path.with_suffix(".ipynb")
    assert ipynb.stat().st_size < 2 * 2**20
    cells = json.loads(ipynb.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not re.search(r"(/home|/root|/Users|/tmp|/work)/", ipynb.read_text())


def test_every_notebook_has_its_pair():
    assert [p.stem for p in sorted((ROOT / "notebooks").glob("*.ipynb"))] == [p.stem for p in NOTEBOOKS]


def test_readme_names_only_targets_that_exist():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets and {"lab", "test", "test-fast", "pretrain"} <= named


def test_readme_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", (ROOT / "README.md").read_text()):
        target = link[0] or link[1]
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


@pytest.fixture
def address():
    spec = importlib.util.spec_from_file_location("address", ROOT / "docs" / "address.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_address_appears_when_it_is_set_and_only_then(address, tmp_path):
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    before = (tmp_path / "README.md").read_text(), (tmp_path / "CITATION.cff").read_text()
    assert "badge" not in before[0] and "repository-code" not in before[1]
    pyproject = (tmp_path / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(pyproject.replace('repository = ""', 'repository = "someone/somewhere"'))
    address.main(tmp_path)
    assert "github.com/someone/somewhere/actions" in (tmp_path / "README.md").read_text()
    assert yaml.safe_load((tmp_path / "CITATION.cff").read_text())["repository-code"].endswith("someone/somewhere")
    (tmp_path / "pyproject.toml").write_text(pyproject)
    address.main(tmp_path)
    assert before == ((tmp_path / "README.md").read_text(), (tmp_path / "CITATION.cff").read_text())


def test_address_must_be_owner_and_name(address, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.rlpjepa]\nrepository = "https://example.org"\n')
    with pytest.raises(SystemExit, match="owner/name"):
        address.main(tmp_path)


def test_citation_is_valid_yaml():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["authors"] == [{"name": "The rlpjepa authors"}]
    assert citation["version"] == PROJECT["project"]["version"]
