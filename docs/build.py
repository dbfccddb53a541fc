"""Builds the course site: ``python docs/build.py [--handout] [OUT]``, into build/site when OUT is not given.

The pages are gathered in a folder beside OUT: docs/*.md and the notebooks as they are committed, and the pages that
pages.py makes from claims and results. Sphinx renders them; a site that stood in OUT is replaced once that went well.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

import lab  # noqa: E402
import pages  # noqa: E402
from series import all_names, clear  # noqa: E402


def gather(folder, handout=False):
    """The sources of the site, in one folder; for a handout without solutions."""
    folder.mkdir(parents=True)
    for path in DOCS.glob("*.md"):  # on the site notebooks/ lies beside them
        text = path.read_text(encoding="utf-8").replace("](../notebooks/", "](notebooks/")
        (folder / path.name).write_text(text, encoding="utf-8")
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    if handout:
        index = re.sub("<!-- solutions -->.*?<!-- /solutions -->", "", index, flags=re.DOTALL)
    (folder / "index.md").write_text(index.replace("<!-- notebooks -->", pages.navigation(handout)), encoding="utf-8")
    shutil.copy(DOCS / "overview.png", folder)
    for name in all_names(handout):
        copy = folder / "notebooks" / f"{name}.ipynb"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", copy)
    results = ROOT / "notebooks" / "results"
    for path in (*results.rglob("*.png"), *results.glob("reference/*.*")):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    pages.write(folder)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python docs/build.py", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=ROOT / "build" / "site")
    parser.add_argument("--handout", action="store_true", help="without solutions")
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    work = out.with_name(f"{out.name}-work")
    shutil.rmtree(work, ignore_errors=True)
    gather(work / "source", options.handout)
    status = sphinx(
        ["-c", str(DOCS), "-b", "html", "-E", "-q", "-W", "-j", "auto", str(work / "source"), str(work / "html")]
    )
    if status:
        return status
    clear(out, "_static")
    shutil.move(work / "html", out)
    shutil.rmtree(work)
    lab.write(out / "lab.html")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out / 'index.html'}: {size / 2**20:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
