"""The slides: one for every cell that is tagged, no solution among them, nothing from a network."""

import functools
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from .browser import chromium, resize, wait_until
from .series import LESSONS, NOTEBOOKS, ROOT, all_names

PARTS_OF_EXERCISES = {"exercise", "hint", "stub", "solution", "check"}

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.sections, self.files = 0, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.sections += tag == "section"
        attributes = dict(attributes)
        if tag in ("script", "link", "img", "iframe"):
            self.files.append(attributes.get("src") or attributes.get("href") or "")


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides") / "out"
    subprocess.run([sys.executable, ROOT / "docs" / "slides.py", folder], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("lesson", LESSONS)
def test_slides(lesson, slides):
    cells = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]
    tags = [set(cell["metadata"].get("tags", [])) for cell in cells]
    assert not any("slide" in those and those & PARTS_OF_EXERCISES for those in tags)
    text = (slides / f"{lesson}.html").read_text(encoding="utf-8")
    page = Page(text)
    # nbconvert puts a slide into two nested sections.
    assert page.sections == 2 * sum("slide" in those for those in tags) and 2 * 10 <= page.sections <= 2 * 25
    assert f"<title>{lesson} slides</title>" in text
    places = re.findall(r'href="\.\./site/notebooks/([\w/]+)\.html', text)
    assert set(places) <= set(all_names()) and not re.search(r'href="[^":]*\.ipynb', text)
    for name in filter(None, page.files):
        assert name.startswith("data:") or (slides / name).is_file(), name
    words = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", text).lower()
    assert not [host for host in ("cdn", "unpkg", "jsdelivr") if host in words]


LOWEST = """
Reveal.slide(arguments[0], 0);
const shown = (e) => e.offsetHeight && getComputedStyle(e).visibility !== "hidden" && !e.closest("mjx-assistive-mml");
const seen = [...Reveal.getCurrentSlide().querySelectorAll("*")].filter(shown);
return Math.max(...seen.map((e) => e.getBoundingClientRect().bottom));
"""


def test_every_slide_fits_the_screen(slides):
    with chromium() as driver:
        resize(driver, 1280, 720)
        for lesson in LESSONS:
            driver.get((slides / f"{lesson}.html").as_uri())
            wait_until(lambda: driver.execute_script("return window.Reveal?.isReady()"))
            typeset = "const done = arguments[0]; MathJax.startup.promise.then(() => done(1))"
            driver.execute_async_script(typeset)
            driver.execute_script("Reveal.configure({ transition: 'none' })")
            for slide in range(driver.execute_script("return Reveal.getTotalSlides()")):
                lowest = functools.partial(driver.execute_script, LOWEST, slide)
                wait_until(lambda lowest=lowest: lowest() <= 722, message=f"slide {slide + 1} of {lesson} is too high")
