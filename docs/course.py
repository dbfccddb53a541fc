"""The site's own Sphinx extension: what the notebooks say with tags and metadata, said in HTML.

`read_notebook` changes cells in memory, as they are read; the .ipynb that the site offers for download is the
committed one. The rest runs on Sphinx's events: anchors on equations and sections, links from "Eq. 11" or "claim T12"
to what they name, and the JavaScript libraries, copied from installed packages.
"""

import json
import re
import shutil
from pathlib import Path

import nbformat
from docutils import nodes
from libraries import copy_mathjax, package
from series import NOTEBOOKS, all_names, lab_link

TAG = re.compile(r"\\tag\{(\d+)\}|\\text\{\(Eq\. (\d+)\)\}")  # how the notebooks number an equation
SECTION = re.compile(r"^(?:## )?(\d+) · ", re.MULTILINE)  # ... and a section
IN_WORDS = {"Eq. 14": "05 § 3", "Eq. 15": "05 § 3"}  # equations of the post that no cell writes down

# Cells of which a part is folded, and myst-nb's tag for it; a click opens it. What installs the series is left out.
FOLDED = {"install": "remove-cell", "setup": "hide-input", "draw": "hide-input", "answer": "hide-output"}

# "Eq. 8", "Eq. 8 and 9", "Eq. 8, 9 and 10", "Eq. 13 to 15"; "claim T2", "claims T2 and T4", "(S3)"; "chapter 02",
# "chapter 02, section 4", "02 § 4".
EQUATIONS = re.compile(r"\bEq\.\s+\d+(?:(?:,\s|\sand\s|\sto\s|–|-)\s*\d+)*")
CLAIMS = re.compile(r"\b[Cc]laims?\s+[A-Z]\d+(?:(?:,\s|\sand\s)\s*[A-Z]\d+)*|(?<=\()[STPRF]\d+(?=\))")
SECTIONS = re.compile(r"\b(?:[Cc]hapter\s+(0\d)(?:,\s+section\s+(\d+)|\b)|(0\d)\s§\s(\d+))")


def load_notebooks():
    """{page: notebook as a dict}, lessons first: what stands in a lesson and elsewhere is linked to in the lesson."""
    return {
        f"notebooks/{name}": json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
        for name in all_names()
    }


def chapter_of(page):
    """The number of a notebook's chapter, "02"."""
    return page.rsplit("/", 1)[-1][:2]


def slug(heading):
    """A heading's anchor, as JupyterLab makes it: letters keep their case."""
    return heading.replace(" ", "-")


def claim_names(cell):
    """The ids of the claims that a cell shows, from its tags."""
    return [tag.removeprefix("claim-") for tag in cell["metadata"].get("tags", []) if tag.startswith("claim-")]


def find_anchors(notebooks):
    """{"Eq. 11": [(page, anchor)], "T12": ..., "02": ..., "02 § 4": ...}: where things with a name or number stand."""
    found = {}
    for page, notebook in notebooks.items():
        chapter = chapter_of(page)
        found.setdefault(chapter, [(page, "")])
        for cell in notebook["cells"]:
            text = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
            anchors = {f"Eq. {''.join(numbers)}": f"eq-{''.join(numbers)}" for numbers in TAG.findall(text)}
            anchors |= {f"{chapter} § {number}": f"section-{number}" for number in SECTION.findall(text)}
            anchors |= {name: f"claim-{name.lower()}" for name in claim_names(cell)}
            for name, anchor in anchors.items():
                found.setdefault(name, []).append((page, anchor))
    for equation, section in IN_WORDS.items():
        found.setdefault(equation, found.get(section, []))
    return found


# Cells


def read_notebook(text):
    """A notebook as the site shows it: claims with anchors, figures with alt text, live figures, folded cells."""
    notebook = nbformat.reads(text, as_version=4)
    notebook.metadata.pop("widgets", None)  # they need a kernel
    cells = []
    for cell in notebook.cells:
        cells += [
            markdown(f"(claim-{name.lower()})=\n{{.claim-mark}}\n[Claim {name}](#statement-{name.lower()})")
            for name in claim_names(cell)
        ]
        if cell.cell_type == "code":
            cell = show_outputs(cell)
            tags = cell.metadata.get("tags", [])
            cell.metadata["tags"] = tags + [FOLDED[tag] for tag in tags if tag in FOLDED]
        cells.append(cell)
        if cell.cell_type == "code" and (opened := lab_link(cell.source)):
            cells.append(markdown(f'<p>Open it here: <a href="../lab.html{opened}">the lab</a>.</p>'))
    notebook.cells = cells
    return notebook


def markdown(text):
    return nbformat.v4.new_markdown_cell(text)


def show_outputs(cell):
    """Alt text where myst-nb looks for it; a plotly figure as its still picture, and its data for figures.js."""
    outputs, alts = [], set()
    for output in cell.outputs:
        data = output.get("data", {})
        data.pop("application/vnd.jupyter.widget-view+json", None)
        live = data.pop("application/vnd.plotly.v1+json", None)
        if "image/png" in data:
            alts.add(output.metadata.get("image/png", {}).get("alt") or data.get("text/plain", ""))
        outputs.append(output)
        if live:
            figure = json.dumps(live).replace("</", "<\\/")
            script = f'<script type="application/json" class="live-figure">{figure}</script>'
            outputs.append(nbformat.v4.new_output("display_data", {"text/html": script}))
    cell.outputs = outputs
    if len(alts) > 1:
        raise ValueError(f"one figure in a cell, please: myst-nb keeps a single alt text, and here are {alts}")
    if alts:
        cell.metadata["mystnb"] = {"image": {"alt": " ".join(alts.pop().split())}}
    return cell


# Links


def mark_places(app, doctree):
    """Anchors on the equations that have a number of the post's, and on the chapters' sections."""
    for block in doctree.findall(nodes.math_block):
        block["ids"] += [f"eq-{''.join(numbers)}" for numbers in TAG.findall(block.astext())]
    if app.env.docname.startswith("notebooks/"):
        for section in doctree.findall(nodes.section):
            section["ids"] += [f"section-{number}" for number in SECTION.findall(section[0].astext())]


def link_mentions(app, doctree, page):
    """Links from the mention of an equation, a claim, a chapter or a section to the place where it stands."""
    unfit = (nodes.literal, nodes.literal_block, nodes.math, nodes.reference, nodes.title, nodes.raw)
    for text in list(doctree.findall(nodes.Text)):
        ancestor = text.parent
        while ancestor is not None and not isinstance(ancestor, unfit):
            ancestor = ancestor.parent
        if ancestor is None:
            parts = split_mentions(text.astext(), lambda name: address(app, name, page))
            if len(parts) > 1:
                text.parent.replace(text, parts)


def address(app, name, page):
    """The address of a thing with a name, seen from a page; None where there is none."""
    places = app.config.course_anchors.get(name, [])
    here = [place for place in places if place[0] == page]
    if not places:
        return None
    target, anchor = (here or places)[0]
    uri = "" if here else app.builder.get_relative_uri(page, target)
    return f"{uri}#{anchor}" if anchor else uri or "#"


def split_mentions(text, find):
    """Text and reference nodes for a text; `find` gives the address of "Eq. 11", "T12", "02" or "02 § 4", or None."""
    parts, end = [], 0
    for start, stop, name in sorted(mentions(text)):
        uri = find(name)
        if uri:
            parts += [nodes.Text(text[end:start]), nodes.reference("", text[start:stop], refuri=uri, internal=True)]
            end = stop
    return [*parts, nodes.Text(text[end:])]


def mentions(text):
    """(start, stop, name) of everything in a text that may have an address."""
    for pattern, kind in ((EQUATIONS, "Eq. "), (CLAIMS, "")):
        for match in pattern.finditer(text):
            for piece in re.finditer(r"(?:Eq\.\s+|[Cc]laims?\s+)?([A-Z]?\d+)", match.group()):
                yield match.start() + piece.start(), match.start() + piece.end(), kind + piece.group(1)
    for match in SECTIONS.finditer(text):
        chapter, section = match[1] or match[3], match[2] or match[4]
        yield match.start(), match.end(), f"{chapter} § {section}" if section else chapter


# Libraries


def copy_libraries(app, error):
    """MathJax and plotly.js, from installed packages to _static/."""
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    copy_mathjax(static / "mathjax", "a11y", "sre/mathmaps/base.json", "sre/mathmaps/en.json")
    shutil.copy(package("plotly") / "package_data" / "plotly.min.js", static)


def keep_signs(app, what, name, obj, options, lines):
    """In a docstring |x| is an absolute value, and (2, *shape) a shape: no markup."""
    lines[:] = [re.sub(r"\||(?<![\w*])\*(?=\w)", r"\\\g<0>", line) for line in lines]


def setup(app):
    app.add_config_value("course_anchors", find_anchors(load_notebooks()), "env")
    app.connect("doctree-read", mark_places)
    app.connect("doctree-resolved", link_mentions)
    app.connect("autodoc-process-docstring", keep_signs, priority=400)
    app.connect("build-finished", copy_libraries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
