"""Builds one slide show per lesson: ``python docs/slides.py [OUT]``, into build/slides when OUT is not given.

By rule, from the lesson as it is: each section gives slides in its order, under its heading. On them stands what the
eye needs: figures, equations, lists, the code of ``key`` cells, what cells print, questions, and an answer that the
next key press shows. The text is in the speaker's notes of the slide where it belongs.
"""

import argparse
import base64
import html
import math
import re
import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from libraries import copy_mathjax, package
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from series import NOTEBOOKS, clear, names

DOCS = Path(__file__).parent
LINK = re.compile(r"\]\((?!\w+:)([\w/]+)\.ipynb(#[^)]*)?\)")  # to another notebook: the site's page of it
SEEN = re.compile(r"\*\*(In one sentence|A question|Your guess)[^*]*\*\*\s*")  # paragraphs that are on a slide
LAB = re.compile(r"explore\.(?:moving_)?(target|points)\((.*)\)")
HEIGHT, WIDTH = 600, 1220  # of what is below the heading, in pixels of a slide of 1280×720
LINE, COLUMNS = 25, 108  # of code
WORDS = 60  # of prose that a slide may have
MARKDOWN = MarkdownIt().use(
    dollarmath_plugin,
    renderer=lambda tex, how: html.escape(rf"\[{tex}\]" if how["display_mode"] else rf"\({tex}\)"),
)


@dataclass
class Part:
    """Something to see, its height in pixels, and what is said about it."""

    html: str
    height: float
    notes: list = field(default_factory=list)


# What a cell gives


def blocks(source):
    """A Markdown cell as pairs: the type of a block's first token, and its source."""
    lines = LINK.sub(r"](../site/notebooks/\1.html\2)", source).splitlines()
    for token in MARKDOWN.parse("\n".join(lines)):
        if token.level == 0 and token.map:
            yield token.type, "\n".join(lines[slice(*token.map)])


def count(text):
    return len(re.sub(r"\$[^$]*\$|\]\([^)]*\)", " ", text).split())


def first(text, least=6):
    """The first sentences that have that many words."""
    ends = [match.start() for match in re.finditer(r"(?<=[.?!])(?:\*\*)?(?=\s+[A-Z$*(\[])|$", text)]
    end = next(end for end in ends if count(text[:end]) >= least or end == len(text))
    return text[:end] + "**" * (text[end : end + 2] == "**")


def prose(text, kind="text"):
    rows = sum(math.ceil(len(re.sub(r"\]\([^)]*\)", "", line)) / 95) for line in text.splitlines())
    return Part(f'<div class="{kind}">{MARKDOWN.render(text)}</div>', 12 + 38 * rows)


def shown(kind, text):
    """The part that a block of Markdown puts on a slide, or None."""
    text = re.sub(r" *✓ \[[^\]]*\]\([^)]*\)", "", text)
    if kind == "math_block":
        rows = 1 + text.count(r"\\") + text.count("underbrace") % 2 + text.count(r"\begin{")
        return Part(MARKDOWN.render(text), 40 + 45 * rows)
    if kind in ("bullet_list_open", "ordered_list_open"):
        items = re.split(r"\n(?=- |\d+\. )", text)
        if count(text) > WORDS:
            items = [first(item) for item in items]
        return prose("\n".join(items))
    if kind == "table_open":
        return prose(text)
    if SEEN.match(text):
        text = SEEN.sub("", text)
        if count(text) > WORDS:
            text = text[: text.rfind("?") + 1]
        return prose(text, "question")
    if text.startswith("**Shown:**"):
        return prose("\n\n".join(map(first, re.split(r"\s+(?=\*\*[A-Z][\w ]*:\*\*)", text))))
    return None


def figure(png, alt, link=None):
    """A picture as large as the page allows; ``png`` in base64."""
    width, height = struct.unpack(">II", base64.b64decode(png[:32])[16:24])
    image = f'<img src="data:image/png;base64,{png}" alt="{html.escape(alt)}">'
    if link:
        image = f'<a href="{link}" target="_blank">{image}<span>Open it in the lab</span></a>'
    return Part(f'<div class="figure">{image}</div>', min(HEIGHT, WIDTH * height / width), [f"<p><i>{html.escape(alt)}</i></p>"])


def code(source):
    lines = source.splitlines()
    small = len(lines) > 22 or max(map(len, lines)) > 100
    text = highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))
    return Part(f'<pre class="code{" small" * small}">{text}</pre>', 20 + (22.5 if small else 25) * len(lines))


def printed(text, kind="printed"):
    return Part(f'<pre class="{kind}">{html.escape(text.strip())}</pre>', 20 + 28 * (1 + text.strip().count("\n")))


def outputs(cell):
    """What a cell printed, as one part or none, and its figures."""
    texts, figures = [], []
    lab = LAB.search(cell.source)
    link = lab and "../site/lab.html#" + "&".join([lab[1], *re.sub(r"[\s\"']", "", lab[2]).split(",")]).rstrip("&")
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt") or data.get("text/plain", "")
            figures.append(figure(data["image/png"].replace("\n", ""), alt, link))
        else:
            texts.append(data["text/plain"])
    return "\n".join(text.strip() for text in texts), figures


# Slides


class Section:
    def __init__(self, heading):
        self.heading, self.parts, self.waiting, self.lead, self.question = heading, [], [], None, None

    def add(self, part):
        if self.lead:
            part.html, part.height = self.lead.html + part.html, self.lead.height + part.height
        part.notes = self.waiting + part.notes
        self.waiting, self.lead = [], None
        self.parts.append(part)

    def say(self, text):
        """Text for the notes: of what it follows, or of what comes when it ends in a colon."""
        leads = text.endswith(":")
        (self.waiting if leads or not self.parts else self.parts[-1].notes).append(MARKDOWN.render(text))
        last = re.split(r"(?<=[.?!])\s+(?=[A-Z$*(\[])", text)[-1]
        self.lead = prose(last) if leads and 4 <= count(last) <= 30 else None

    def read(self, kind, text):
        part = shown(kind, text)
        if part and "Your guess" in text:
            self.question, part = part, None
        if part:
            self.add(part)
        self.say(text)

    def run(self, cell):
        tags = set(cell.metadata.get("tags", []))
        text, figures = outputs(cell)
        if tags & {"setup", "install", "draw"}:
            text = ""
        elif "answer" in tags:
            answer = printed(text, "answer fragment")
            self.add(Part((self.question or answer).html + answer.html * bool(self.question), HEIGHT))
            self.question, text = None, ""
        elif "key" in tags or text and len(cell.source.splitlines()) <= 6:
            self.add(code(cell.source))
        if text:
            self.add(printed(text))
        for part in figures:
            self.add(part)
        self.lead = None

    def finish(self):
        if self.question:
            self.add(self.question)

    def slides(self):
        """The parts on as few slides as hold them, evenly filled."""
        best = [(0, [])]
        for end in range(1, len(self.parts) + 1):
            ways = []
            for start in range(end):
                free = 1 - sum(part.height for part in self.parts[start:end]) / HEIGHT
                if free >= 0 or end - start == 1:
                    ways.append((best[start][0] + 0.2 + free**2, [*best[start][1], self.parts[start:end]]))
            best.append(min(ways, key=lambda way: way[0]))
        return best[-1][1]

    def html(self):
        notes = "".join(self.waiting)
        for parts in self.slides():
            notes = "".join(note for part in parts for note in part.notes) or notes  # what was said goes on
            page = f"{self.heading}{''.join(part.html for part in parts)}"
            yield f'<section><div class="page">{page}</div><aside class="notes">{notes}</aside></section>'


def slide_show(path):
    """A notebook's slides as HTML."""
    sections = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            sections[-1].run(cell)
            continue
        for kind, text in blocks(cell.source):
            if kind == "heading_open":
                sections.append(Section(MARKDOWN.render(text)))
            else:
                sections[-1].read(kind, text)
    for section in sections:
        section.finish()
    page = (DOCS / "slides.html").read_text(encoding="utf-8").replace("<!--title-->", f"{path.stem} slides")
    page = page.replace("/*code*/", HtmlFormatter().get_style_defs(".code"))
    return page.replace("<!--slides-->", "\n".join(slide for section in sections for slide in section.html()))


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python docs/slides.py", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, nargs="?", default=DOCS.parent / "build" / "slides")
    out = parser.parse_args(arguments).out
    clear(out, "assets/reveal")
    reveal = package("sphinx_revealjs") / "_static" / "revealjs"
    for part in ("dist", "plugin/notes"):
        shutil.copytree(reveal / part, out / "assets" / "reveal" / part)
    copy_mathjax(out / "assets" / "mathjax")
    for name in names("Lessons"):
        (out / f"{name}.html").write_text(slide_show(NOTEBOOKS / f"{name}.ipynb"), encoding="utf-8")
        print(out / f"{name}.html")


if __name__ == "__main__":
    main()
