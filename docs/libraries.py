"""Parts of installed packages that pages need beside them, so that no page asks a network."""

import importlib.util
import shutil
from pathlib import Path


def package(name):
    """The folder of an installed package."""
    return Path(importlib.util.find_spec(name).origin).parent


def copy_mathjax(folder, *more):
    """MathJax with its fonts, and ``more`` of its parts, into a folder."""
    mathjax = package("sphinx-mathjax-offline") / "static" / "mathjax"
    for part in ("tex-chtml-full.js", "output/chtml/fonts/woff-v2", *more):
        copy = shutil.copytree if (mathjax / part).is_dir() else shutil.copy
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        copy(mathjax / part, folder / part)
