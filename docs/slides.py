"""Builds one slide show per lesson: ``python docs/slides.py [OUT]``, into build/slides when OUT is not given.

A cell with the tag ``slide`` is a slide: text as it stands, of code what it put out. All others are left out.
"""

import argparse
import re
import shutil
from pathlib import Path

import nbformat
from libraries import copy_mathjax, package
from nbconvert import SlidesExporter
from series import NOTEBOOKS, clear, names

DOCS = Path(__file__).parent
LINK = re.compile(r"\]\((?!\w+:)([\w/]+)\.ipynb(#[^)]*)?\)")  # to another notebook: the site's page of it


def slide_show(path):
    """A notebook's slides as HTML."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)  # progress bars, for which a script would be fetched from a network
    for cell in notebook.cells:
        shown = "slide" in cell.metadata.get("tags", [])
        cell.metadata["slideshow"] = {"slide_type": "slide" if shown else "skip"}
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"](../site/notebooks/\1.html\2)", cell.source)
    exporter = SlidesExporter(
        template_name="slides",
        extra_template_basedirs=[str(DOCS)],
        exclude_input=True,
        exclude_output_prompt=True,
        embed_images=True,
        reveal_url_prefix="assets/reveal",
        reveal_theme="white",
    )
    resources = {"metadata": {"path": str(path.parent), "name": path.stem}}
    return exporter.from_notebook_node(notebook, resources=resources)[0]


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python docs/slides.py", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=DOCS.parent / "build" / "slides")
    out = parser.parse_args(arguments).out
    clear(out, "assets/reveal")
    shutil.copytree(package("sphinx_revealjs") / "_static" / "revealjs" / "dist", out / "assets" / "reveal" / "dist")
    copy_mathjax(out / "assets" / "mathjax")
    for name in names("Lessons"):
        (out / f"{name}.html").write_text(slide_show(NOTEBOOKS / f"{name}.ipynb"), encoding="utf-8")
        print(out / f"{name}.html")


if __name__ == "__main__":
    main()
