"""The list of claims and the notebook cells that show them agree.

`pytest -rs tests/test_claims.py` lists the claims that no cell shows yet.
"""

import ast
import functools
import json
import re
import tomllib

import pytest

from .series import NOTEBOOKS, all_names

CHAPTERS = (
    "01_lp_spheres",
    "02_rectified_generalized_gaussian",
    "03_projected_marginals",
    "04_rdmreg",
    "05_pretraining_cifar100",
)
FAMILIES = {"S": 5, "T": 15, "P": 4, "R": 8, "F": 6}
REQUIRED = {"id", "chapter", "statement", "source"}
OPTIONAL = {"note"}

CLAIMS = tomllib.loads((NOTEBOOKS / "claims.toml").read_text(encoding="utf-8"))["claim"]


@functools.cache
def read_notebooks():
    """{name: parsed notebook} of all notebooks."""
    return {name: json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")) for name in all_names()}


def list_problems(claims):
    """What is wrong with the list of claims itself."""
    problems = []
    for number, claim in enumerate(claims, start=1):
        name = claim.get("id", f"claim number {number}")
        if not re.fullmatch(r"[STPRF]\d+", name):
            problems.append(f"{name}: not a well-formed id")
        if claim.keys() - REQUIRED - OPTIONAL:
            problems.append(f"{name}: unknown keys {sorted(claim.keys() - REQUIRED - OPTIONAL)}")
        for key in sorted(REQUIRED | (OPTIONAL & claim.keys())):
            if not claim.get(key, "").strip():
                problems.append(f"{name}: no {key}")
        if claim.get("chapter") not in CHAPTERS:
            problems.append(f"{name}: unknown chapter {claim.get('chapter')}")
    ids = [claim.get("id") for claim in claims]
    if len(set(ids)) < len(ids):
        problems.append("an id stands twice")
    expected = [f"{family}{n}" for family, count in FAMILIES.items() for n in range(1, count + 1)]
    if ids != expected:
        problems.append(f"the ids are not {expected[0]} to {expected[-1]}, in this order")
    return problems


def tagged_cells(notebooks):
    """(notebook, claim id, cell) for every tag `claim-<id>`."""
    return [
        (name, tag.removeprefix("claim-"), cell)
        for name, notebook in notebooks.items()
        for cell in notebook["cells"]
        for tag in cell.get("metadata", {}).get("tags", [])
        if tag.startswith("claim-")
    ]


def parse_cell(source):
    """The syntax tree of a cell, IPython's magics and shell lines left out."""
    try:
        return ast.parse(source)
    except SyntaxError:
        # Only now: in plain Python a line may begin with the operator % and has to stay.
        return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE))


def can_stop(source):
    """Whether a cell holds a check that could fail: a raise, or an assert of more than a constant."""
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Assert) and not isinstance(node.test, (ast.Constant, ast.Tuple)))
        for node in ast.walk(parse_cell(source))
    )


def cell_problems(cell):
    """Why a tagged cell does not show its claim."""
    if cell["cell_type"] != "code":
        return ["is not a code cell"]
    problems = []
    if cell.get("execution_count") is None:
        problems.append("was not run")
    if any(output["output_type"] == "error" for output in cell.get("outputs", [])):
        problems.append("ended in an error")
    try:
        if not can_stop("".join(cell["source"])):  # a list of lines on disk, one string from nbformat
            problems.append("has no check that can stop the notebook")
    except SyntaxError:
        problems.append("cannot be parsed")
    return problems


def notebook_problems(notebooks, claims):
    """What is wrong with the tagged cells of all notebooks."""
    home = {claim["id"]: f"evidence/{claim['chapter']}" for claim in claims}
    problems = []
    for notebook, name, cell in tagged_cells(notebooks):
        where = f"{notebook}, cell tagged claim-{name}"
        if name not in home:
            problems.append(f"{where}: no such claim")
        elif notebook != home[name]:
            problems.append(f"{where}: belongs in {home[name]}")
        elif last_heading(notebooks[notebook]["cells"], cell) != f"### {name}":
            problems.append(f"{where}: stands under no heading of its own")
        problems += [f"{where}: {problem}" for problem in cell_problems(cell)]
    return problems


def last_heading(cells, cell):
    """The heading under which a cell stands."""
    before = cells[: next(k for k, other in enumerate(cells) if other is cell)]
    text = "\n".join("".join(other["source"]) for other in before if other["cell_type"] == "markdown")
    return next((line for line in reversed(text.splitlines()) if line.startswith("#")), None)


def test_list_of_claims_is_sound():
    assert list_problems(CLAIMS) == []


def test_tagged_cells_are_sound():
    assert notebook_problems(read_notebooks(), CLAIMS) == []


def count_problems(names, claims):
    """Claims that are shown by no cell or by several."""
    counts = {claim["id"]: names.count(claim["id"]) for claim in claims}
    return [f"{name}: shown by {n} cells" for name, n in counts.items() if n != 1]


def test_every_claim_has_its_cell():
    assert count_problems([name for _, name, _ in tagged_cells(read_notebooks())], CLAIMS) == []


# The checks above have to refuse what is wrong: toy notebooks and lists, each with one fault.


def toy(tag="claim-T12", where="evidence/02_rectified_generalized_gaussian", heading="### T12", **changes):
    """One notebook with a heading and one cell, sound as it stands."""
    cell = {
        "cell_type": "code",
        "metadata": {"tags": [tag]},
        "source": "assert 1 + 1 == 2",
        "execution_count": 1,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "agrees\n"}],
    }
    return {where: {"cells": [{"cell_type": "markdown", "metadata": {}, "source": heading}, cell | changes]}}


@pytest.mark.parametrize(
    "source",
    [
        "assert 1 + 1 == 2",
        ["x = 3\n", "if x != 3:\n", "    raise ValueError('x')"],
        "%%time\n!ls\nif True:\n    %matplotlib inline\nassert 7 % 4 == 3",
        "x = (7\n     % 4)\nassert x == 3",
    ],
    ids=["assert", "raise", "magics", "line that begins with the operator %"],
)
def test_sound_cell_is_accepted(source):
    assert notebook_problems(toy(source=source), CLAIMS) == []


@pytest.mark.parametrize(
    ("notebooks", "problem"),
    [
        (toy(tag="claim-T99"), "no such claim"),
        (toy(tag="claim-t12"), "no such claim"),
        (toy(where="evidence/01_lp_spheres"), "belongs in evidence/02_rectified_generalized_gaussian"),
        (toy(where="02_rectified_generalized_gaussian"), "belongs in evidence/02_rectified_generalized_gaussian"),
        (toy(heading="### T11"), "stands under no heading of its own"),
        (toy(cell_type="markdown"), "is not a code cell"),
        (toy(execution_count=None), "was not run"),
        (toy(outputs=[{"output_type": "error", "ename": "AssertionError"}]), "ended in an error"),
        (toy(source="print('agrees')  # assert"), "has no check that can stop the notebook"),
        (toy(source="assert True"), "has no check that can stop the notebook"),
        (toy(source="assert (1 == 2, 'always true')"), "has no check that can stop the notebook"),
        (toy(source="assert 1 +"), "cannot be parsed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unsound_cell_is_refused(notebooks, problem):
    problems = notebook_problems(notebooks, CLAIMS)
    assert len(problems) == 1
    assert problems[0].endswith(problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": "S2"}, "an id stands twice"),
        ({"id": "X1"}, "X1: not a well-formed id"),
        ({"id": "S1b"}, "S1b: not a well-formed id"),
        ({"id": "S6"}, "the ids are not S1 to F6, in this order"),
        ({"statement": " \n"}, "S1: no statement"),
        ({"source": ""}, "S1: no source"),
        ({"chapter": "06_more"}, "S1: unknown chapter 06_more"),
        ({"sources": "post"}, "S1: unknown keys ['sources']"),
    ],
)
def test_unsound_list_is_refused(change, problem):
    assert problem in list_problems([CLAIMS[0] | change, *CLAIMS[1:]])


def test_missing_claim_is_refused():
    assert list_problems(CLAIMS[:-1]) == ["the ids are not S1 to F6, in this order"]


def test_claims_without_a_cell_are_counted():
    shown = [claim["id"] for claim in CLAIMS]
    assert count_problems(shown, CLAIMS) == []
    assert count_problems(shown[1:], CLAIMS) == ["S1: shown by 0 cells"]
    assert count_problems([*shown, "S1"], CLAIMS) == ["S1: shown by 2 cells"]
