"""Sphinx configuration of the course site; docs/build.py gathers the pages and runs Sphinx with it."""

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # for the extension `course`, which lies beside this file

PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
REPOSITORY = PROJECT["tool"]["rlpjepa"]["repository"]

project = "Rectified LpJEPA"
author = PROJECT["project"]["authors"][0]["name"]
copyright = f"{author}; text and figures CC BY 4.0, code MIT"
version = release = PROJECT["project"]["version"]

extensions = [
    "myst_nb",
    "sphinx_design",
    "sphinx.ext.mathjax",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "course",
]

# The notebooks, as they are committed: nothing is executed, and nothing is fetched when a page is read.
nb_execution_mode = "off"
nb_custom_formats = {".ipynb": "course.read_notebook"}
nb_ipywidgets_js = {}
nb_code_prompt_show = "Show {type}"
nb_code_prompt_hide = "Hide {type}"
myst_enable_extensions = ["attrs_block", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
myst_heading_slug_func = "course.slug"
mathjax_path = "mathjax/tex-chtml-full.js"  # course.py takes it from an installed package

# The API reference, from docstrings in Google's style.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = False

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
templates_path = ["_templates"]
SIDEBAR = ["navbar-logo", "icon-links", "search-button-field", "sbt-sidebar-nav", "lab-link"]
html_sidebars = {"**": [f"{part}.html" for part in SIDEBAR]}
html_css_files = ["course.css"]
html_js_files = [("figures.js", {"defer": "defer"})]
html_sourcelink_suffix = ""
html_domain_indices = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_toc_level": 2,
    "navbar_persistent": [],
    "use_fullscreen_button": False,
    "use_source_button": False,
    "use_edit_page_button": False,
    "use_issues_button": False,
}
if REPOSITORY:
    html_theme_options |= {
        "repository_url": f"https://github.com/{REPOSITORY}",
        "repository_branch": "main",
        "path_to_docs": "",
        "use_repository_button": True,
        "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    }
