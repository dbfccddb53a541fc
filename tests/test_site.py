"""The course site, built once from the committed notebooks and read as its files."""

import base64
import hashlib
import importlib
import json
import re
import runpy
import subprocess
import sys
import tomllib
import unicodedata
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("sphinx_book_theme", reason="the extra `site` is not installed")
from bs4 import BeautifulSoup  # noqa: E402

import rlpjepa  # noqa: E402
from tests.browser import chromium, console_errors, resize, wait_until  # noqa: E402
from tests.series import FOLDERS, NOTEBOOKS, ROOT, all_names, names  # noqa: E402

DOCS = ROOT / "docs"
CHAPTERS = {name: json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")) for name in all_names()}
CLAIMS = tomllib.loads((NOTEBOOKS / "claims.toml").read_text(encoding="utf-8"))["claim"]
PAGES = ["index", "claims", "results", "speed", "guide", "compare", "notation", "bibliography", "api", "genindex"]
chapters = pytest.mark.parametrize("chapter", CHAPTERS)
pytestmark = pytest.mark.slow


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


class Site:
    """The built site: parsed pages by their path, "notebooks/01_lp_spheres.html" for one."""

    def __init__(self, folder):
        self.folder = folder
        names = (path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
        self.names = sorted(name for name in names if not name.startswith("_static/"))
        self._pages, self._anchors = {}, {}

    def page(self, name):
        if name not in self._pages:
            text = (self.folder / name).read_text(encoding="utf-8")
            self._pages[name] = BeautifulSoup(text, "html.parser")
        return self._pages[name]

    def chapter(self, stem):
        return self.page(f"notebooks/{stem}.html").find("article")

    def anchors(self, name):
        if name not in self._anchors:
            self._anchors[name] = {node["id"] for node in self.page(name).find_all(id=True)}
        return self._anchors[name]


def build(out):
    return subprocess.run([sys.executable, DOCS / "build.py", out], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build") / "site"
    done = build(folder)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stdout + done.stderr
    return Site(folder)


@pytest.fixture(scope="module")
def course():
    """docs/course.py and docs/pages.py."""
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module("course"), importlib.import_module("pages")
    sys.path.remove(str(DOCS))


# The whole site


def test_every_page_is_there(site):
    pages = [*PAGES, "search", "lab", *(f"notebooks/{stem}" for stem in CHAPTERS)]
    assert {f"{name}.html" for name in pages} <= set(site.names)


def test_links_lead_somewhere(site):
    broken = []
    for name in site.names:
        for node in site.page(name).find_all(["a", "img", "script", "link", "source"]):
            address = urlsplit(node.get("href") or node.get("src") or "")
            if address.scheme or address.netloc or not (address.path or address.fragment):
                continue
            target = (site.folder / name).parent / unquote(address.path) if address.path else site.folder / name
            if not target.is_file():
                broken.append(f"{name}: {node}")
            elif target.name == "lab.html":  # what follows # is a state
                if address.fragment.split("&")[0] not in ("", "target", "points", "networks"):
                    broken.append(f"{name}: no instrument {node['href']}")
            elif address.fragment and target.suffix == ".html":
                anchors = site.anchors(target.resolve().relative_to(site.folder.resolve()).as_posix())
                if unquote(address.fragment) not in anchors:
                    broken.append(f"{name}: no anchor {node['href']}")
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site):
    elsewhere = re.compile(r"^\s*(\w+:)?//")
    loaded = []
    for name in site.names:
        for node in site.page(name).find_all(["script", "link", "img", "iframe", "source", "video", "audio", "embed"]):
            addresses = (node.get(key, "") for key in ("src", "href", "srcset"))
            loaded += [f"{name}: {address}" for address in addresses if elsewhere.match(address)]
    for path in site.folder.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", path.read_text(encoding="utf-8"))
        loaded += [f"{path.name}: {address}" for address in addresses if elsewhere.match(address)]
    assert not loaded


def test_every_image_has_an_alt_text(site):
    for name in site.names:
        for image in site.page(name).find_all("img"):
            words = image.get("alt", "").split()
            assert len(words) > (2 if image.find_parent("article") else 0), f"{name}: {image}"


def test_search_knows_the_chapters(site):
    index = (site.folder / "searchindex.js").read_text(encoding="utf-8")
    assert index.startswith("Search.setIndex(") and all(f'"notebooks/{stem}"' in index for stem in CHAPTERS)


def test_a_warning_is_an_error(tmp_path):
    (tmp_path / "index.md").write_text("# A page\n\n[to nowhere](#nowhere)\n", encoding="utf-8")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", DOCS, tmp_path, tmp_path / "out"]
    done = subprocess.run(sphinx, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0 and "nowhere" in done.stderr


# Chapters


@chapters
def test_chapter_offers_its_notebook_as_committed(site, chapter):
    name = f"notebooks/{chapter}.html"
    links = [node["href"] for node in site.page(name).find_all("a", href=re.compile(r"\.ipynb$"))]
    assert f"{'../' * name.count('/')}_sources/notebooks/{chapter}.ipynb" in links
    offered = site.folder / "_sources" / "notebooks" / f"{chapter}.ipynb"
    assert offered.read_bytes() == (ROOT / "notebooks" / f"{chapter}.ipynb").read_bytes()


@chapters
def test_chapter_shows_every_cell(site, chapter):
    text = " ".join(site.chapter(chapter).get_text().split())
    for cell in CHAPTERS[chapter]["cells"]:
        if cell["cell_type"] == "code":
            assert (" ".join(source(cell).split()) in text) == ("install" not in tags(cell))
        for output in cell.get("outputs", []):
            if output.get("name") == "stdout":
                assert " ".join("".join(output["text"]).split()) in text


@chapters
def test_drawing_code_and_answers_are_folded(site, chapter):
    cells = [tags(cell) for cell in CHAPTERS[chapter]["cells"] if cell["cell_type"] == "code"]
    cells = [those for those in cells if "install" not in those]
    shown = site.chapter(chapter).select("div.cell")
    assert len(shown) == len(cells)
    for those, cell in zip(cells, shown):
        assert bool(cell.select("details .cell_input")) == bool({"setup", "draw"} & set(those))
        assert bool(cell.select("details .cell_output")) == ("answer" in those)


@chapters
def test_figures_are_those_of_the_notebook(site, chapter):
    images = site.chapter(chapter).find_all("img")
    page = (site.folder / "notebooks" / chapter).parent
    shown = [(md5(page / image["src"]), image["alt"]) for image in images]
    expected = []
    for cell in CHAPTERS[chapter]["cells"]:
        if cell["cell_type"] == "markdown":
            pictures = re.findall(r"!\[(.+?)\]\((.+?)\)", "".join(cell["source"]), re.DOTALL)
            folder = (NOTEBOOKS / chapter).parent
            expected += [(md5(folder / path), " ".join(alt.split())) for alt, path in pictures]
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                png = base64.b64decode("".join(output["data"]["image/png"]))
                alt = output["metadata"].get("image/png", {}).get("alt") or "".join(output["data"]["text/plain"])
                expected.append((hashlib.md5(png).hexdigest(), " ".join(alt.split())))
    assert shown == expected


@chapters
def test_live_figures_hold_the_data_of_the_notebook(site, chapter):
    outputs = [output.get("data", {}) for cell in CHAPTERS[chapter]["cells"] for output in cell.get("outputs", [])]
    live = [data["application/vnd.plotly.v1+json"] for data in outputs if "application/vnd.plotly.v1+json" in data]
    scripts = site.chapter(chapter).find_all("script", class_="live-figure")
    assert [json.loads(script.string) for script in scripts] == live


def test_navigation_has_all_kinds(site):
    captions = [node.get_text() for node in site.page("index.html").select(".bd-sidebar-primary p.caption")]
    assert captions[: len(FOLDERS)] == list(FOLDERS)


def test_handout_has_no_solutions(site, tmp_path):
    done = subprocess.run([sys.executable, DOCS / "build.py", "--handout", tmp_path / "site"], capture_output=True)
    assert done.returncode == 0, done.stderr
    handout = Site(tmp_path / "site")
    left_out = {f"notebooks/{name}.html" for name in names("Solutions")}
    assert left_out <= set(site.names) and not left_out & set(handout.names)
    assert not [name for name in handout.names if handout.page(name).find("a", href=re.compile("/solutions/"))]


@chapters
def test_equations_are_there(site, chapter):
    article = site.chapter(chapter)
    text = "\n".join(source(cell) for cell in CHAPTERS[chapter]["cells"] if cell["cell_type"] == "markdown")
    assert len(article.find_all("div", class_="math")) == text.count("$$") / 2
    numbers = re.findall(r"\\tag\{(\d+)\}|\(Eq\. (\d+)\)\}", text)
    for number in map("".join, numbers):
        anchor = article.find(id=f"eq-{number}")
        block = anchor if anchor.name == "div" else anchor.find_parent("div")
        assert "math" in block["class"] and re.search(rf"\\tag\{{{number}\}}|\(Eq\. {number}\)", block.get_text())


def test_all_equations_have_a_place():
    text = "".join(source(cell) for notebook in CHAPTERS.values() for cell in notebook["cells"])
    numbers = {int("".join(found)) for found in re.findall(r"\\tag\{(\d+)\}|\\text\{\(Eq\. (\d+)\)\}", text)}
    assert set(range(1, 14)) <= numbers


def test_mentions_are_links(site):
    guide, notation = site.page("guide.html"), site.page("notation.html")
    assert (
        guide.find("a", string="claim T15")["href"]
        == "notebooks/evidence/02_rectified_generalized_gaussian.html#claim-t15"
    )
    assert notation.find("a", string="Eq. 11")["href"] == "notebooks/02_rectified_generalized_gaussian.html#eq-11"
    chapter = site.chapter("02_rectified_generalized_gaussian")
    assert {link["href"] for link in chapter.find_all("a", string="Eq. 11")} == {"#eq-11"}
    for code in chapter.find_all(["pre", "code"]):
        assert not code.find("a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see Eq. 8, 9 and 10.", ["Eq. 8", "Eq. 9", "Eq. 10"]),
        ("Eq. 13 to 15", ["Eq. 13", "Eq. 15"]),
        ("by Eq.\n12", ["Eq. 12"]),
        ("in 1999, Eq. 3, and 7 others", ["Eq. 3"]),
        ("claims T2 and T4", ["T2", "T4"]),
        ("for every d (S3) and T5", ["S3"]),
        ("chapter 04, section 9, and chapter 02", ["04 § 9", "02"]),
        ("02 § 10; exercise 02.1, chapters 01 to 03", ["02 § 10"]),
    ],
)
def test_names_of_things_are_found(course, text, expected):
    found = sorted(course[0].mentions(text))
    assert [name for _, _, name in found] == expected
    assert all(text[start:stop].split()[-1] in name for start, stop, name in found if "§" not in name)


def test_two_figures_in_a_cell_are_refused(course):
    nbformat = pytest.importorskip("nbformat")
    figures = [
        nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": alt}) for alt in ("one thing", "another")
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=figures)])
    with pytest.raises(ValueError, match="one figure in a cell"):
        course[0].read_notebook(nbformat.writes(notebook))


# Pages made from data


def test_every_claim_leads_to_its_cell(site):
    page = site.page("claims.html")
    shown = {}
    for stem, notebook in CHAPTERS.items():
        for cell in notebook["cells"]:
            shown |= {tag[6:]: (stem, source(cell)) for tag in tags(cell) if tag.startswith("claim-")}
    cards = page.find_all("div", class_="claim")
    assert [card.find(class_="sd-card-title").get_text(strip=True) for card in cards] == [
        claim["id"] for claim in CLAIMS
    ]
    for card, claim in zip(cards, CLAIMS):
        link = card.find("a", href=re.compile(f"#claim-{claim['id'].lower()}$"))
        if claim["id"] not in shown:
            assert link is None and "not by a cell yet" in card.get_text()
            continue
        stem, code = shown[claim["id"]]
        assert link["href"] == f"notebooks/{stem}.html#claim-{claim['id'].lower()}"
        mark = site.chapter(stem).find(id=f"claim-{claim['id'].lower()}")
        assert " ".join(mark.find_next("pre").get_text().split()) == " ".join(code.split())
        assert mark.find_next("a")["href"].endswith(f"claims.html#statement-{claim['id'].lower()}")


def table(page, anchor):
    """Rows of a table as dicts."""
    node = page.find(id=anchor)
    node = node if node.name == "table" else node.find("table") or node.find_next("table")
    head = [cell.get_text() for cell in node.thead.find_all("th")]
    return [dict(zip(head, (cell.get_text() for cell in row.find_all("td")))) for row in node.tbody.find_all("tr")]


@pytest.mark.parametrize("dataset", ["cifar100", "shapes"])
def test_results_are_those_of_the_files(site, dataset):
    files = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in (ROOT / "notebooks/results" / dataset).glob("*.json")
    }
    rows = table(site.page("results.html"), f"results-{dataset}")
    assert sorted(row["run"] for row in rows) == sorted(files)
    for row in rows:
        result = files[row["run"]]
        for head, key in [
            ("encoder kNN", "encoder_knn"),
            ("encoder probe", "encoder_probe"),
            ("projector kNN", "projector_knn"),
            ("projector probe", "projector_probe"),
            ("non-zero", "nonzero_fraction"),
            ("Eq. 11", "expected_nonzero_fraction"),
            ("dead", "dead_fraction"),
        ]:
            no_target = head == "Eq. 11" and not result["epochs"]
            value = None if no_target else result["final"][key]
            assert row[head] == "–" if value is None else abs(float(row[head]) / 100 - value) <= 0.00051, (row, head)
        assert abs(float(row["minutes"]) * 60 - result["final"]["seconds"]) <= 3.1
        assert result["config"]["dataset"] == dataset
    for row in table(site.page("results.html"), f"provenance-{dataset}"):
        last = files[row["run"]]["provenance"]
        assert len(row["commit"]) == 8 and any(
            came["commit"].startswith(row["commit"])
            and (row["date"], row["hardware"], row["precision"]) == (came["date"], came["hardware"], came["precision"])
            for came in (last, *last.get("earlier", []))
        )


@pytest.mark.parametrize("dataset", ["cifar100", "shapes"])
def test_a_run_can_be_read_off_the_results(site, dataset):
    """What stands above the table, changed by what a run differs in, is the run's configuration."""
    page = site.page("results.html")
    usual = re.search(r"does not say otherwise: (.*)\.$", page.find(id=dataset).find("p").get_text()).group(1)
    for row in table(page, f"results-{dataset}"):
        told = dict(item.split(" ") for item in f"{usual}, {row['differs in']}".strip(", ").split(", "))
        path = ROOT / "notebooks/results" / dataset / f"{row['run']}.json"
        for key, value in json.loads(path.read_text(encoding="utf-8"))["config"].items():
            if key not in ("dataset", "data_dir", "device", "cuda_graph", "checkpoint_seconds"):
                words = {True: "yes", False: "no", None: "none"} if isinstance(value, bool | None) else {}
                said = told.get(key, "none")
                said = [int(part) for part in said.split("/")] if isinstance(value, list) else said
                assert said == words[value] if words else said == value or float(said) == value, (row["run"], key)


def test_results_of_another_dataset_are_refused(course, tmp_path, monkeypatch):
    pages = course[1]
    (tmp_path / "cifar100").mkdir()
    text = (ROOT / "notebooks/results/shapes/pixels.json").read_text(encoding="utf-8")
    (tmp_path / "cifar100" / "pixels.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    with pytest.raises(ValueError, match="cifar100/pixels.json is a result on shapes"):
        pages.read_results("cifar100")


def test_speed_is_that_of_the_files(site):
    for path in (ROOT / "notebooks" / "results" / "bench").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        rows = {row["what"]: row for row in table(site.page("speed.html"), f"speed-{path.stem}")}
        assert list(rows) == list(record["rows"])
        for name, row in record["rows"].items():
            for head, key in (("median", "median"), ("lowest", "low"), ("highest", "high")):
                assert abs(float(rows[name][head]) - row[key]) <= 0.0051
            assert rows[name]["unit"] == row["unit"]


def test_reference_has_every_public_name(site):
    assert {f"rlpjepa.{name}" for name in rlpjepa.__all__} <= site.anchors("api.html")
    text = site.page("api.html").find("article").get_text()
    assert "\\|" not in text and "Eq. 13" in text  # docstrings, without the marks that protect their signs


# Notation and bibliography


def test_the_lab_opens_as_the_cell_has_it(site):
    link = site.page("notebooks/03_projected_marginals.html").find("a", string="the lab")
    assert link["href"] == "../lab.html#target&mu=-1&p=1&angle=30"


def test_notation_points_at_sections_that_exist(site):
    article = site.page("notation.html").find("article")
    for row in article.select("table.symbols tbody tr"):
        places = row.find_all("td")[-1]
        assert places.find("a") and not re.sub(r"[,\s]", "", "".join(places.find_all(string=True, recursive=False)))
    assert len(article.find_all("a", string=re.compile("^0[1-5] § "))) == len(
        re.findall("0[1-5] § ", article.get_text())
    )


@pytest.mark.parametrize("chapter", names("Lessons")[1:])  # 00 sends its readers to the chapters
def test_bibliography_names_what_the_chapter_names(chapter):
    cells = [source(cell) for cell in CHAPTERS[chapter]["cells"] if cell["cell_type"] == "markdown"]
    further = [re.split(r"## Where to read on|\*\*Read on\.\*\*", text)[-1] for text in cells if "ead on" in text]
    bibliography = " ".join((DOCS / "bibliography.md").read_text(encoding="utf-8").split())
    titles = [" ".join(title.split()) for title in re.findall(r"(?<![*\w])\*([^*]+)\*(?!\*)", further[-1])]
    assert titles and not [title for title in titles if f"*{title}*" not in bibliography]


def unaccented(name):
    return unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode()


def test_bibliography_is_in_order():
    text = (DOCS / "bibliography.md").read_text(encoding="utf-8")
    entries = [" ".join(entry.split()) for entry in re.split(r"^- ", text, flags=re.MULTILINE)[1:]]
    first = [unaccented(re.split(r":| and |,", entry)[0].split()[-1]) for entry in entries]
    assert first == sorted(first) and len(set(entries)) == len(entries)


# The public address


@pytest.mark.parametrize("repository", ["", "someone/somewhere"])
def test_launch_buttons_come_with_the_address(tmp_path, repository):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "conf.py").write_text((DOCS / "conf.py").read_text(encoding="utf-8"), encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = re.sub(r'^repository = ".*"$', f'repository = "{repository}"', project, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    options = runpy.run_path(str(tmp_path / "docs" / "conf.py"))["html_theme_options"]
    assert ("launch_buttons" in options) == bool(repository)
    assert options.get("repository_url") == (f"https://github.com/{repository}" if repository else None)


# In a browser, from the file system


@pytest.fixture(scope="module")
def browser():
    with chromium() as page:
        yield page


def visit(browser, site, name):
    """Open a page, wait for its equations, and see that it is whole: all its pictures, nothing fetched, no error."""
    browser.get((site.folder / name).as_uri())
    typeset = "const done = arguments[0]; window.MathJax ? MathJax.startup.promise.then(() => done(1)) : done(0)"
    browser.execute_async_script(typeset)
    broken = (
        "return [...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.src)"
    )
    wait_until(lambda: not browser.execute_script(broken), message=f"{name}: not all images were there")
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert not [address for address in fetched if not address.startswith(("file:", "data:", "blob:"))]
    assert not console_errors(browser)


CUT = (
    "return [...document.querySelectorAll('article span.math')].filter(equation => equation.firstElementChild"
    ".offsetWidth > equation.offsetWidth + 1 && getComputedStyle(equation).overflowX === 'hidden').length"
)


def count(browser, selector):
    return browser.execute_script("return document.querySelectorAll(arguments[0]).length", selector)


@pytest.mark.parametrize("name", [*PAGES, *(f"notebooks/{chapter}" for chapter in CHAPTERS)])
def test_page_in_a_browser(site, browser, name):
    """The page is whole, its equations are typeset, and it fits a phone, a laptop and a projector."""
    visit(browser, site, f"{name}.html")
    assert count(browser, "mjx-container") == count(browser, "div.math, span.math")
    assert count(browser, "mjx-merror") == 0
    assert not re.match(r"notebooks/\d", name) or count(browser, "mjx-container") > 30
    try:
        for width in (360, 1280, 1920):
            resize(browser, width, 900)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            wait_until(lambda: not browser.execute_script(CUT), message="an equation is cut")
    finally:
        resize(browser, 1280, 800)


def test_equations_carry_their_numbers(site, browser):
    visit(browser, site, "notebooks/02_rectified_generalized_gaussian.html")
    numbers = "return [...document.querySelectorAll('#eq-11 mjx-mtext, #eq-12 mjx-mtext')].length"
    assert browser.execute_script(numbers) >= 2


def test_live_figures_come_to_life(site, browser):
    """One that moves, and one that needs WebGL, which this browser has not: its picture stays."""
    visit(browser, site, "notebooks/03_projected_marginals.html")
    wait_until(lambda: count(browser, ".live .slider-container"), message="no slider")
    wait_until(lambda: count(browser, ".cell_output:has(.live) img[hidden]"), message="the picture stays")
    room = "const box = document.querySelector('.cell_output:has(.live)'); return box.clientWidth - box.scrollWidth"
    assert browser.execute_script(room) >= 0
    visit(browser, site, "notebooks/01_lp_spheres.html")
    wait_until(lambda: browser.execute_script("return Boolean(window.Plotly)"))
    assert count(browser, ".cell_output:has(.live-figure) img:not([hidden])") == 1 and count(browser, ".live") == 0


def test_search_finds(site, browser):
    browser.get((site.folder / "search.html").as_uri() + "?q=Kolmogorov")
    found = "#search-results li a[href*='03_projected_marginals']"  # the list fills one by one
    wait_until(lambda: count(browser, found), message="not found")


def test_without_scripts_there_are_pictures(site):
    with chromium(scripts=False) as page:
        page.get((site.folder / "notebooks" / "03_projected_marginals.html").as_uri())
        pictures = page.find_elements("css selector", "article img")
        assert pictures and all(picture.is_displayed() for picture in pictures)
