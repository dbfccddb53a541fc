"""Makes what a course hands out: ``python docs/handout.py [OUT]``, into build/handout when OUT is not given.

The package, the notebooks but for their solutions, and what these need to run. Whatever is a solution lies in
notebooks/solutions/, and the answers of the tests in tests/: neither is copied, nor what the solutions' experiments
found.
"""

import argparse
import shutil
from pathlib import Path

from series import HANDOUT, NOTEBOOKS, ROOT, clear, names

FILES = ("pyproject.toml", "constraints.txt", "environment.yml", "LICENSE", "CITATION.cff")
FOLDERS = ("rlpjepa", "notebooks/results", "notebooks/exercises/checks")
FOUND = [f"{script.stem}.json" for script in (NOTEBOOKS / "solutions" / "experiments").glob("*.py")]
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", *FOUND)
START = ("with `make lab`", "as the README says")  # how to start JupyterLab: a handout has no Makefile


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python docs/handout.py", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "build" / "handout")
    out = parser.parse_args(arguments).out
    clear(out, "notebooks/claims.toml")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, out / folder, ignore=LEFT_OUT)
    for file in (*FILES, "notebooks/claims.toml"):
        shutil.copy(ROOT / file, out / file)
    for name in (name for kind in HANDOUT for name in names(kind)):
        for ending in (".ipynb", ".py"):
            copy = (out / "notebooks" / name).with_suffix(ending)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = (NOTEBOOKS / copy.relative_to(out / "notebooks")).read_text(encoding="utf-8")
            copy.write_text(text.replace(*START), encoding="utf-8")
    shutil.copy(ROOT / "docs" / "handout" / "README.md", out)
    for page in ("notation.md", "bibliography.md"):
        shutil.copy(ROOT / "docs" / page, out)
    print(out)


if __name__ == "__main__":
    main()
