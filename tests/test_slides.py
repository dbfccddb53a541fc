"""The slides: each section of a lesson, what the eye needs of it, its text as notes; no solution, no network."""

import html
import json
import re
import subprocess
import sys

import pytest

from .browser import chromium, resize, wait_until
from .series import LESSONS, NOTEBOOKS, ROOT, all_names

PARTS_OF_EXERCISES = {"exercise", "hint", "stub", "solution", "check"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides") / "out"
    subprocess.run([sys.executable, ROOT / "docs" / "slides.py", folder], check=True, capture_output=True)
    return folder


def read_cells(lesson):
    """The cells of a lesson as triples: type and tags, source, and what it printed."""
    for cell in json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]:
        printed = "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))
        yield {cell["cell_type"], *cell["metadata"].get("tags", [])}, "".join(cell["source"]), printed


def read_slides(text):
    """The slides of a page as pairs: what is seen, and the notes."""
    return re.findall(r'<section>(.*?)<aside class="notes">(.*?)</aside></section>', text, re.DOTALL)


def plain(markup):
    """The words of HTML or Markdown, without marks, and formulas as they are written."""
    return re.sub(r"\\[()]|[$*`]", "", html.unescape(re.sub(r"<[^>]*>", "", markup))).strip()


@pytest.mark.parametrize("lesson", LESSONS)
def test_slides_link_into_the_site_need_no_network_and_hold_no_solution(lesson, slides):
    assert not any(tags & PARTS_OF_EXERCISES for tags, _, _ in read_cells(lesson))
    text = (slides / f"{lesson}.html").read_text(encoding="utf-8")
    assert 12 <= len(read_slides(text)) == text.count("<section") <= 45
    assert f"<title>{lesson} slides</title>" in text
    places = re.findall(r'href="\.\./site/notebooks/([\w/]+)\.html', text)
    assert set(places) <= set(all_names()) and not re.search(r'href="[^":]*\.ipynb', text)
    labs = {"target": "target", "moving_points": "points"}
    calls = re.findall(r"explore\.(\w+)\((.*)\)", " ".join(source for _, source, _ in read_cells(lesson)))
    opened = ["&".join([labs[name], *settings.split(", ")]).rstrip("&") for name, settings in calls]
    assert re.findall(r'href="\.\./site/lab\.html#([^"]*)', html.unescape(text)) == opened
    for name in re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]*)"', text):
        assert name.startswith("data:") or (slides / name).is_file(), name
    words = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", text).lower()
    assert not [host for host in ("cdn", "unpkg", "jsdelivr") if host in words]


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_section_is_on_slides_with_its_text_as_notes(lesson, slides):
    pages = read_slides((slides / f"{lesson}.html").read_text(encoding="utf-8"))
    texts = [source for tags, source, _ in read_cells(lesson) if "markdown" in tags]
    sections = [heading for text in texts for heading in re.findall(r"^##? (.*)", text, re.M)]
    shown = [plain(re.search(r"<h[12]>(.*?)</h[12]>", seen)[1]) for seen, _ in pages]
    assert list(dict.fromkeys(shown)) == [plain(heading) for heading in sections]
    assert not [seen for seen, notes in pages if len(plain(notes).split()) < 4]


@pytest.mark.parametrize("lesson", LESSONS)
def test_nothing_to_be_seen_or_said_is_lost(lesson, slides):
    pages = read_slides((slides / f"{lesson}.html").read_text(encoding="utf-8"))
    seen, said = "".join(seen for seen, _ in pages), " ".join(plain("".join(notes for _, notes in pages)).split())
    cells = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]
    texts = [source for tags, source, _ in read_cells(lesson) if "markdown" in tags]
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    pictures = sum("image/png" in data for data in outputs) + sum(text.count("![") for text in texts)
    assert seen.count("<img") == pictures
    assert seen.count('class="math block') == sum(text.count("$$") for text in texts) / 2
    shown = html.unescape(re.sub(r"<[^>]*>", "", seen))
    opening = True
    for tags, source, printed in read_cells(lesson):
        opening = opening and not re.search("^## ", source, re.MULTILINE)
        if "code" in tags and not opening and not tags & {"draw", "setup", "install"}:
            assert [line for line in printed.splitlines() if line.strip() not in shown] == []
    for paragraph in (paragraph for text in texts for paragraph in re.split(r"\n\s*\n", text)):
        if not re.search(r"[$|#`<]|\]\(|^> ", paragraph):
            assert " ".join(plain(paragraph).split()[-4:]) in said


@pytest.mark.parametrize("lesson", LESSONS)
def test_key_code_is_shown_and_no_plumbing(lesson, slides):
    pages = read_slides((slides / f"{lesson}.html").read_text(encoding="utf-8"))
    blocks = [
        re.sub(r"<[^>]*>", "", code)
        for seen, _ in pages
        for code in re.findall(r'<pre class="code.*?</pre>', seen, re.S)
    ]
    codes = {" ".join(html.unescape(block).split()) for block in blocks}
    for tags, source, _ in read_cells(lesson):
        code = " ".join(re.sub(r"# fmt: \w+", "", source).split())
        if "key" in tags:
            assert code in codes
        elif tags & {"draw", "setup", "install"}:
            assert code not in codes


@pytest.mark.parametrize("lesson", LESSONS)
def test_an_answer_is_a_fragment_after_its_question(lesson, slides):
    pages = [seen for seen, _ in read_slides((slides / f"{lesson}.html").read_text(encoding="utf-8"))]
    found = [
        (plain(match[1]), html.unescape(match[2]).strip())
        for seen in pages
        for match in re.finditer(
            r'<div class="question">(.*?)</div>.*?<pre class="answer fragment"[^>]*>(.*?)</pre>', seen, re.S
        )
    ]
    assert sum(seen.count("fragment") for seen in pages) == len(found)
    question, asked = None, []
    for tags, source, printed in read_cells(lesson):
        for guess in re.findall(r"\*\*Your guess\.\*\* (.*?)(?:\n\n|$)", source, re.S):
            question = plain(guess)
        if "answer" in tags:
            asked.append((question, printed.strip()))
    assert [answer for _, answer in found] == [answer for _, answer in asked]
    assert all(
        " ".join(wanted.split()).startswith(" ".join(shown.split())) for (shown, _), (wanted, _) in zip(found, asked)
    )


OPEN = "return window.Reveal?.isReady() && [...document.images].every((image) => image.complete)"
LOOK = """
Reveal.slide(arguments[0], 0, -1);
const page = Reveal.getCurrentSlide().querySelector(".page"), [heading, ...parts] = page.children;
const visible = (e) => e.getClientRects().length && !e.closest("mjx-assistive-mml, mjx-ext > *");
const all = [...page.querySelectorAll("*")].filter(visible);
const boxes = all.map((e) => e.getBoundingClientRect());
const letter = (node) => node.nodeType === 3 && node.data.trim();
const letters = all.filter((e) => [...e.childNodes].some(letter) && !e.closest(".math"));
const size = (e) => parseFloat(getComputedStyle(e).fontSize);
const prose = parts.filter((e) => e.matches(".text, .question")).map((e) => e.cloneNode(true));
prose.forEach((e) => e.querySelectorAll(".math").forEach((formula) => formula.remove()));
return {
  heading: heading.innerText,
  lowest: Math.max(...boxes.map((box) => box.bottom)),
  rightmost: Math.max(...boxes.map((box) => box.right)),
  height: parts.filter((e) => !e.matches(".figure")).reduce((sum, e) => sum + e.offsetHeight, 0),
  images: [...page.querySelectorAll("img")].map((image) => image.naturalWidth && image.offsetHeight),
  smallest: Math.min(...letters.map((e) => size(e) + 2 * Boolean(e.closest("pre")))),
  words: prose.map((e) => e.textContent).join(" ").split(/\\s+/).length,
};
"""
ANSWER = """
const answer = Reveal.getCurrentSlide().querySelector(".answer");
return answer && getComputedStyle(answer).visibility;
"""


def test_every_slide_can_be_read(slides):
    """Something to see on each, nothing over the edge, type of 20 pixels (code: 18), an answer at the next key."""
    with chromium() as driver:
        resize(driver, 1280, 720)
        for lesson in LESSONS:
            driver.get((slides / f"{lesson}.html").as_uri())
            wait_until(lambda: driver.execute_script(OPEN))
            driver.execute_script("Reveal.configure({ transition: 'none' })")
            last = driver.execute_script("return Reveal.getTotalSlides()") - 1
            for number in range(last + 1):
                slide = driver.execute_script(LOOK, number)
                where = f"slide {number + 1} of {lesson}: {slide}"
                assert slide["images"] or slide["height"] > 70, where
                assert all(height > 200 for height in slide["images"]), where
                assert slide["lowest"] <= 721 and slide["rightmost"] <= 1281, where
                assert slide["smallest"] >= 20, where
                assert slide["words"] <= (110 if number == last else 65), where
                if visibility := driver.execute_script(ANSWER):
                    assert visibility == "hidden", where
                    driver.execute_script("Reveal.next()")
                    wait_until(lambda: driver.execute_script(ANSWER) == "visible", message=where)


def test_the_key_s_opens_the_notes(slides):
    with chromium() as driver:
        driver.get((slides / f"{LESSONS[0]}.html").as_uri())
        wait_until(lambda: driver.execute_script(OPEN))
        driver.execute_script("const open = window.open; window.open = (...a) => (window.speaker = open(...a))")
        driver.switch_to.active_element.send_keys("s")
        notes = "return window.speaker?.document.querySelector('.speaker-controls-notes .value')?.innerText"
        wait_until(lambda: "Rectified LpJEPA trains a network" in (driver.execute_script(notes) or ""))
