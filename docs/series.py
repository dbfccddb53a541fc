"""Which notebooks there are, and in which folders: ``python docs/series.py [--handout]`` lists their .py files.

Notebooks are named by their path below notebooks/, without an ending: several folders hold notebooks of the same stem.
"""

import argparse
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
FOLDERS = {"Lessons": ".", "Exercises": "exercises", "Evidence": "evidence", "Solutions": "solutions"}
HANDOUT = ("Lessons", "Exercises", "Evidence")  # what a course hands out


def names(kind):
    """The names of the notebooks of a kind, in order: "04_rdmreg", "evidence/04_rdmreg"."""
    folder = NOTEBOOKS / FOLDERS[kind]
    return [path.relative_to(NOTEBOOKS).with_suffix("").as_posix() for path in sorted(folder.glob("[0-9][0-9]_*.py"))]


def all_names(handout=False):
    """The names of all notebooks, or of those that a course hands out; lessons first."""
    return [name for kind in (HANDOUT if handout else FOLDERS) for name in names(kind)]


def lab_link(source):
    """What follows "lab.html" for a cell that opens the lab, "#target&mu=-1&p=1"; None for another cell."""
    opened = re.search(r"explore\.(?:moving_)?(target|points)\((.*)\)", source)
    return opened and "#" + "&".join(filter(None, [opened[1], *re.split(r",\s*", opened[2])]))


def clear(out, mark):
    """Remove what an earlier call wrote, which has a ``mark`` in it. SystemExit if the folder holds anything else."""
    if out.exists() and any(out.iterdir()) and ((out / ".git").exists() or not (out / mark).exists()):
        raise SystemExit(f"{out} holds something else: choose another folder")
    shutil.rmtree(out, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="python docs/series.py", description=__doc__.splitlines()[0])
    parser.add_argument("--handout", action="store_true", help="those that a course hands out: no solutions")
    for name in all_names(parser.parse_args().handout):
        print(f"notebooks/{name}.py")


if __name__ == "__main__":
    main()
