"""The student edition: what `make student` writes has the stubs and the checks, and no solutions."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = {"solution", "skip-student"}

pytestmark = pytest.mark.slow


def tags(cell):
    return set(cell["metadata"].get("tags", []))


def source(cell):
    return "".join(cell["source"])


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


WITH_EXERCISES = [path.stem for path in NOTEBOOKS if any("check" in tags(cell) for cell in read(path))]


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """The folder with the student edition, built by the command of the Makefile."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    recipe = subprocess.run(["make", "-n", "student"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (command,) = (line for line in recipe.replace("\\\n", " ").splitlines() if "jupyter nbconvert" in line)
    program, *arguments = shlex.split(command)
    assert program.endswith("/jupyter") and arguments.pop() == "notebooks/*.ipynb"
    folder = tmp_path_factory.mktemp("student")
    arguments[arguments.index("--output-dir") + 1] = str(folder)
    subprocess.run([sys.executable, "-m", "jupyter", *arguments, *map(str, NOTEBOOKS)], cwd=ROOT, check=True)
    return folder


def test_files_have_the_same_names(student):
    assert sorted(path.name for path in student.glob("*.ipynb")) == [path.name for path in NOTEBOOKS]


def test_it_runs_with_untouched_stubs(student):
    # One chapter to the end; in the others, all that is not a solution is the same as in the notebooks that nbval runs.
    shutil.copytree(ROOT / "notebooks" / "results", student / "results")  # as the second line of the recipe does
    chapter = student / "02_rectified_generalized_gaussian.ipynb"
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "nbconvert",
        "--to",
        "notebook",
        "--execute",
        "--output",
        "run",
        chapter,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said = [
        "".join(output.get("text", ""))
        for cell in read(student / "run.ipynb")
        if "check" in tags(cell)
        for output in cell["outputs"]
    ]
    assert len(said) >= 4 and all("no answer yet" in line for line in said)


@pytest.mark.parametrize("stem", WITH_EXERCISES)
def test_no_solution_is_left(stem, student):
    cells = read(ROOT / "notebooks" / f"{stem}.ipynb")
    kept = "\n".join(source(cell) for cell in cells if not tags(cell) & SOLUTIONS)
    solved = [line.strip() for cell in cells if tags(cell) & SOLUTIONS for line in source(cell).splitlines()]
    telling = {line for line in solved if len(line) > 15 and line not in kept}
    assert len(telling) >= 20
    student_text = json.dumps(read(student / f"{stem}.ipynb"), ensure_ascii=False)
    left = [line for line in telling if json.dumps(line, ensure_ascii=False)[1:-1] in student_text]
    assert left == []


@pytest.mark.parametrize("stem", WITH_EXERCISES)
def test_everything_else_is_kept(stem, student):
    cells = read(ROOT / "notebooks" / f"{stem}.ipynb")
    kept = [(source(cell), tags(cell)) for cell in cells if not tags(cell) & SOLUTIONS]
    assert [(source(cell), tags(cell)) for cell in read(student / f"{stem}.ipynb")] == kept


@pytest.mark.parametrize("stem", WITH_EXERCISES)
def test_checks_are_polite_about_untouched_stubs(stem, student, capsys):
    cells = read(student / f"{stem}.ipynb")
    start = next(k for k, cell in enumerate(cells) if source(cell).startswith("## Exercises"))
    namespace = {}
    setup = next(cell for cell in cells[start:] if cell["cell_type"] == "code")
    exec(source(setup), namespace)
    for cell in cells[start:]:
        if tags(cell) & {"stub", "check"}:
            assert cell["outputs"] == []
            exec(source(cell), namespace)
            said = capsys.readouterr().out
            assert ("no answer yet" in said and said.count("\n") == 1) if "check" in tags(cell) else said == ""
