"""The list of the notebooks, docs/series.py, for the tests."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def load_script(name):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_series = load_script("series")
NOTEBOOKS, FOLDERS, HANDOUT, names, all_names = (
    getattr(_series, name) for name in ("NOTEBOOKS", "FOLDERS", "HANDOUT", "names", "all_names")
)
LESSONS = names("Lessons")
