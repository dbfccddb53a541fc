"""Writes the explorer as one file that needs no network and no kernel: ``python docs/explorer/build.py [FILE]``."""

import base64
import html
import json
import sys
from pathlib import Path

from plotly.offline import get_plotlyjs

from rlpjepa.explore import ALT, SETTINGS, compute, still_figure
from rlpjepa.figures import COLORS, png_bytes

HERE = Path(__file__).parent
TARGET = HERE.parents[1] / "build" / "site" / "explorer.html"


def page():
    """The text of the page, with scripts, style, colours and the still picture inside."""
    first = {name: start for name, (*_, start) in SETTINGS.items()}
    still = png_bytes(still_figure(compute(**first | {"sigma": None})))
    parts = {
        "<!--still-->": "data:image/png;base64," + base64.b64encode(still).decode(),
        "<!--alt-->": html.escape(ALT),
        "/*css*/": (HERE / "explorer.css").read_text(encoding="utf-8"),
        "/*colors*/": json.dumps(COLORS),
        "/*settings*/": json.dumps(SETTINGS),
        "/*rgg*/": (HERE / "rgg.js").read_text(encoding="utf-8"),
        "/*explorer*/": (HERE / "explorer.js").read_text(encoding="utf-8"),
        "/*plotly*/": get_plotlyjs(),
    }
    text = (HERE / "explorer.html").read_text(encoding="utf-8")
    for mark, part in parts.items():
        assert text.count(mark) == 1, f"{mark} must stand once in explorer.html"
        text = text.replace(mark, part)
    return text


def main(target=TARGET):
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(), encoding="utf-8")
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
