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
from series import NOTEBOOKS, clear, lab_link, names

DOCS = Path(__file__).parent
LINK = re.compile(r"\]\((?!\w+:)([\w/]+)\.ipynb(#[^)]*)?\)")  # to another notebook: the site's page of it
SEEN = re.compile(r"\*\*(In one sentence|A question|Your guess)[^*]*\*\*\s*")  # paragraphs that are on a slide
MARK = re.compile(r"\s*✓\s+\[[^\]]*\]\([^)]*\)")
EXERCISE = re.compile(r"Now \D{0,12}\d\d\.\d")
HEIGHT, WIDTH = 600, 1220  # of what is below the heading, in pixels of a slide of 1280×720
WORDS = 60  # of prose that a slide may have
MARKDOWN = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(
        dollarmath_plugin,
        renderer=lambda tex, how: html.escape(rf"\[{tex}\]" if how["display_mode"] else rf"\({tex}\)"),
    )
)


@dataclass
class Part:
    """Something to see, its height in pixels, and what is said about it."""

    html: str
    height: float
    words: int = 0
    last: bool | None = None  # whether it has to be the last on its slide, or must not be
    notes: list = field(default_factory=list)


# What a cell gives


def blocks(source):
    """A Markdown cell as pairs: the type of a block's first token, and its source."""
    lines = LINK.sub(r"](../site/notebooks/\1.html\2)", source).splitlines()
    for token in MARKDOWN.parse("\n".join(lines)):
        if token.level == 0 and token.map:
            text = "\n".join(lines[slice(*token.map)]).strip()
            if token.type == "blockquote_open":
                yield from blocks(re.sub("^> ?", "", text, flags=re.MULTILINE))
            else:
                yield token.type, text


def count(text):
    return len(re.sub(r"\$[^$]*\$|\]\([^)]*\)", " ", text).split())


def sentences(text):
    return re.split(r"(?:(?<=[.?!])|(?<=[.?!]\*\*))\s+(?=[A-Z$*(\[])", text)


def first(text, least=6):
    """The first sentences, as many as have that many words together."""
    head, *others = sentences(text)
    for sentence in others:
        if count(head) < least and sentence.endswith((".", "?", "!", ".**")):
            head += " " + sentence
    return head


def prose(text, kind="text"):
    lines = re.split(r"\n(?=- |\d+\. |\n|\|)", re.sub(r"\]\([^)]*\)|\\\w+", "", text))  # as they are read
    height = 20 + 42 * sum(math.ceil(len(line) / 84) for line in lines)
    last = False if text.endswith(":") else None
    return Part(f'<div class="{kind}">{MARKDOWN.render(text)}</div>', height, count(text), last)


def shown(kind, text):
    """The part that a block of Markdown puts on a slide, or None."""
    text = MARK.sub("", text)
    if kind == "math_block":
        rows = 1 + text.count(r"\\")
        return Part(MARKDOWN.render(text), 55 + 65 * rows + 60 * ("brace{" in text))
    if kind in ("bullet_list_open", "ordered_list_open"):
        items = re.split(r"\n(?=- |\d+\. )", text)
        if count(text) > WORDS:
            items = [first(item) for item in items]
        return prose("\n".join(items))
    if kind == "table_open":
        return prose(text)
    if kind in ("fence", "code_block"):
        return pre("printed", re.sub(r"^(```.*| {4})", "", text, flags=re.MULTILINE).strip())
    if image := re.fullmatch(r"!\[([^\]]*)\]\((\S+\.png)\)", text):
        return figure(base64.b64encode((NOTEBOOKS / image[2]).read_bytes()).decode(), image[1])
    if SEEN.match(text):
        what, text = SEEN.match(text)[1], SEEN.sub("", text)
        if what == "In one sentence":
            return Part(prose(text, "sentence").html, HEIGHT)
        if what == "A question" or count(text) > WORDS:
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
        image = f'<a href="{html.escape(link)}" target="_blank">{image}<span>Move it yourself</span></a>'
    least = min(HEIGHT, WIDTH * height / width, 1.15 * height)  # type in it has 17 pixels or more
    return Part(f'<div class="figure">{image}</div>', least, notes=[f"<p><i>{html.escape(alt)}</i></p>"])


def pre(kind, text, largest=30, room=HEIGHT):
    """Code or printed text, in the largest type that fits; below 18 pixels long lines break instead."""
    lines = text.splitlines()
    wide = max(map(len, lines))
    size = max(18, min(largest, (WIDTH - 30) / (0.61 * wide), room / (1.25 * len(lines))))
    rows = sum(math.ceil(len(line) * 0.61 * size / (WIDTH - 30)) or 1 for line in lines)
    inner = highlight(text, PythonLexer(), HtmlFormatter(nowrap=True)) if kind == "code" else html.escape(text)
    return Part(f'<pre class="{kind}" style="font-size: {size:.0f}px">{inner}</pre>', 38 + 1.25 * size * rows)


def outputs(cell, page):
    """What a cell printed, and its figures; those that answer to a hand with a link to the lab or to the page."""
    texts, figures = [], []
    opened = lab_link(cell.source)
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt") or data.get("text/plain", "")
            link = page if "application/vnd.plotly.v1+json" in data else None
            if opened:
                link = f"../site/lab.html{opened}"
            figures.append(figure(data["image/png"].replace("\n", ""), alt, link))
        else:
            texts.append(data["text/plain"])
    return "\n".join(text.strip("\n") for text in texts), figures


# Slides


class Section:
    def __init__(self, heading, page, opening):
        self.heading, self.page, self.opening = MARKDOWN.render(heading), page, opening
        self.parts, self.waiting, self.question, self.begin, self.lead = [], [], None, "", ""

    def add(self, part, introduced=":?"):
        """Put a part on a slide, below the sentence before it if that ends in one of these marks."""
        if self.lead.endswith(tuple(introduced)):
            lead = prose(self.lead)
            part.html, part.height, part.words = (
                lead.html + part.html,
                lead.height + part.height,
                lead.words + part.words,
            )
        if self.opening and "<img" in part.html:  # leaves room for the question
            part.height = min(part.height, 430)
        part.notes = self.waiting + part.notes
        self.waiting, self.lead = [], ""
        self.parts.append(part)

    def read(self, kind, text):
        """A block of text: what is to be seen of it becomes a part; all of it goes into the notes of the part that it
        follows, or of the next one if it ends in a colon."""
        part = shown(kind, text)
        if part and text.startswith("**Your guess"):
            self.question = part
        elif part:
            self.add(part)
        if text.startswith("!["):
            return
        (self.waiting if text.endswith(":") or not self.parts else self.parts[-1].notes).append(MARKDOWN.render(text))
        self.lead = ""
        if kind == "paragraph_open" and not part:
            self.begin = self.begin or text
            last = sentences(MARK.sub("", text))[-1]
            self.lead = last if 4 <= count(last) <= 30 and not EXERCISE.match(text) else ""

    def run(self, cell):
        tags = set(cell.metadata.get("tags", []))
        text, figures = outputs(cell, self.page)
        value = text and any(output.output_type == "execute_result" for output in cell.outputs)
        if self.question and (unit := re.search(r"guess = None *# (.*)", cell.source)):
            self.question.html += f'<p class="unit">{html.escape(unit[1])}</p>'
        if tags & {"setup", "install", "draw"} or self.opening:
            text = ""
        elif "answer" in tags:
            question = self.question or Part("", 0)
            answer = pre("answer fragment", text, 44, HEIGHT - question.height - 60)
            height = question.height + 50 + answer.height
            self.add(Part(question.html + answer.html, height, question.words, last=True))
            self.question, text = None, ""
        elif "key" in tags or value and cell.source.count("\n") < 6:
            self.add(pre("code", re.sub(r" *# fmt: \w+", "", cell.source)), ":?.")
        if text:
            self.add(pre("printed", text), ":?.")
        for part in figures:
            self.add(part)
        self.lead = ""

    def finish(self):
        if self.question:
            self.add(self.question)
        if sum(part.height for part in self.parts) < 120:  # little to see: say something
            self.parts.insert(0, prose(first(self.begin, least=20)))
        self.parts[-1].notes += self.waiting

    def slides(self):
        """The parts on as few slides as hold them, evenly filled."""
        best = [(0, [])]
        for end in range(1, len(self.parts) + 1):
            ways = []
            for start in range(end):
                free = 1 - sum(part.height for part in self.parts[start:end]) / HEIGHT
                words = sum(part.words for part in self.parts[start:end])
                bad = (self.parts[end - 1].last is False) + sum(
                    part.last is True for part in self.parts[start : end - 1]
                )
                if end - start == 1 or free >= 0 and words <= WORDS:
                    cost = best[start][0] + 0.2 + free**2 + bad
                    ways.append((cost, [*best[start][1], self.parts[start:end]]))
            best.append(min(ways, key=lambda way: way[0]))
        return best[-1][1]

    def html(self):
        notes = ""
        for parts in self.slides():
            notes = "".join(note for part in parts for note in part.notes) or notes  # what was said goes on
            page = f"{self.heading}{''.join(part.html for part in parts)}"
            yield f'<section><div class="page">{page}</div><aside class="notes">{notes}</aside></section>'


def take(cell, sections, page):
    """Put a cell into the last section, or begin the next one."""
    if cell.cell_type == "code":
        sections[-1].run(cell)
        return
    for kind, text in blocks(cell.source):
        if kind == "heading_open":
            sections.append(Section(text, page, opening=not sections))
        else:
            sections[-1].read(kind, text)


def slide_show(path):
    """A notebook's slides as HTML."""
    sections = []
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells, 1):
        try:
            take(cell, sections, f"../site/notebooks/{path.stem}.html")
        except (IndexError, KeyError, OSError, ValueError) as error:
            raise SystemExit(f"{path}, cell {number}: {error!r}") from error
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
