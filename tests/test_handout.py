"""What a course hands out: it runs, and no solution is in it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .series import HANDOUT, NOTEBOOKS, ROOT, names

pytestmark = pytest.mark.slow
EXERCISES = names("Exercises")


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return set(cell["metadata"].get("tags", []))


@pytest.fixture(scope="module")
def handout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "handout"
    subprocess.run([sys.executable, ROOT / "docs" / "handout.py", folder], check=True, capture_output=True)
    return folder


def test_every_notebook_but_the_solutions_is_there(handout):
    found = {path.relative_to(handout / "notebooks").with_suffix("").as_posix() for path in handout.rglob("*.ipynb")}
    assert found == {name for kind in HANDOUT for name in names(kind)} and "exercises/02_" in " ".join(found)
    assert not any("solution" in part or part == "tests" for path in handout.rglob("*") for part in path.parts[-3:])


@pytest.mark.parametrize("name", EXERCISES)
def test_no_line_of_a_solution_is_anywhere(name, handout):
    solutions = NOTEBOOKS / f"{name.replace('exercises', 'solutions')}.ipynb"
    lessons = [
        cell for k in ("Lessons", "Evidence") for other in names(k) for cell in cells(NOTEBOOKS / f"{other}.ipynb")
    ]
    asked = [cell for cell in cells(NOTEBOOKS / f"{name}.ipynb") if tags(cell) & {"exercise", "hint", "stub"}]
    given = "\n".join(map(source, [*lessons, *asked]))
    solved = [
        line.strip() for cell in cells(solutions) if "solution" in tags(cell) for line in source(cell).splitlines()
    ]
    checks = "\n".join(path.read_text(encoding="utf-8") for path in (NOTEBOOKS / "exercises" / "checks").glob("*.py"))
    telling = {line for line in solved if len(line) > 24 and line not in given and line not in checks}
    assert len(telling) >= 20
    for path in handout.rglob("*"):
        if path.suffix in (".py", ".ipynb", ".md", ".toml", ".json"):
            text = path.read_text(encoding="utf-8")
            text = json.dumps(cells(path), ensure_ascii=False) if path.suffix == ".ipynb" else text
            left = [line for line in telling if line in text or json.dumps(line, ensure_ascii=False)[1:-1] in text]
            assert left == [], path


def test_no_script_of_an_experiment_that_is_a_solution(handout):
    scripts = {path.name for path in (NOTEBOOKS / "solutions" / "experiments").glob("*.py")}
    assert scripts >= {"cone.py", "wake.py"} and not scripts & {path.name for path in handout.rglob("*.py")}
    results = {path.name for path in (handout / "notebooks" / "results" / "experiments").iterdir()}
    assert "zeros.json" in results and not {"cone.json", "wake.json"} & results


def test_nothing_asks_for_make(handout):
    """A handout has no Makefile."""
    texts = (path for ending in ("py", "md", "ipynb") for path in handout.rglob(f"*.{ending}"))
    assert [path for path in texts if "make lab" in path.read_text(encoding="utf-8")] == []


def test_exercises_run_with_untouched_stubs(handout):
    """A chapter's exercises to the end, by a kernel that finds the package of the handout."""
    path = handout / "notebooks" / "exercises" / "02_rectified_generalized_gaussian.ipynb"
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--output", "run", path]
    environment = os.environ | {"PYTHONPATH": str(handout)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [
        "".join(output.get("text", ""))
        for cell in cells(path.with_name("run.ipynb"))
        if "check" in tags(cell)
        for output in cell["outputs"]
    ]
    assert len(said) >= 4 and all("no answer yet" in line for line in said)


@pytest.mark.parametrize("name", EXERCISES)
def test_checks_were_stored_as_untouched_stubs_have_them(name):
    stored = [
        "".join(cell["outputs"][0]["text"]) for cell in cells(NOTEBOOKS / f"{name}.ipynb") if "check" in tags(cell)
    ]
    assert stored and all("no answer yet" in text for text in stored)


def test_handout_says_how_to_install_what_it_holds(handout):
    readme = (handout / "README.md").read_text(encoding="utf-8")
    for file in re.findall(r"--constraint (\S+)", readme):
        assert (handout / file).exists()
    assert Path(handout / "notebooks" / "claims.toml").exists() and "--notebook-dir=notebooks" in readme
