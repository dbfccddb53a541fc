"""Writes the lab as one file that needs no network and no kernel: ``python docs/lab.py [FILE]``.

With ``--stills`` it opens that page in Chromium and keeps a picture of each instrument in the package, for notebooks
that nobody sits before.
"""

import argparse
import base64
import html
import io
from pathlib import Path

from rlpjepa.explore import ALT, FOLDER, INSTRUMENTS

HERE = Path(__file__).parent
TARGET = HERE.parent / "build" / "site" / "lab.html"


def page():
    """The text of the page, with script, style and a still picture inside."""
    first = next(iter(INSTRUMENTS))
    parts = {
        "<!--still-->": "data:image/png;base64," + base64.b64encode((FOLDER / f"{first}.png").read_bytes()).decode(),
        "<!--alt-->": html.escape(ALT[first]),
        "/*lab.css*/": (FOLDER / "lab.css").read_text(encoding="utf-8"),
        "/*lab.js*/": (FOLDER / "lab.js").read_text(encoding="utf-8"),
    }
    text = (HERE / "lab.html").read_text(encoding="utf-8")
    for mark, part in parts.items():
        assert text.count(mark) == 1, f"{mark} must stand once in lab.html"
        text = text.replace(mark, part)
    return text


def write(target=TARGET):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(), encoding="utf-8")
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")


def keep_stills(target):
    """The picture that the page's own button saves, of 64 colours: instruments as they start, the points trained."""
    import sys

    from PIL import Image

    sys.path.insert(0, str(HERE.parent))
    from tests.browser import chromium

    with chromium() as driver:
        for name in INSTRUMENTS:
            driver.get("about:blank")
            driver.get(f"{target.resolve().as_uri()}#{name}")
            driver.execute_script(
                "for (let k = 0; k < 150; k++) INSTRUMENTS[lab.name].tick?.(lab.state, lab.own); lab.draw()"
            )
            url = driver.execute_script("return lab.picture().toDataURL()")
            image = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB")
            image = image.resize((920, image.height * 920 // image.width), Image.Resampling.LANCZOS)
            image.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
                FOLDER / f"{name}.png", optimize=True
            )


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python docs/lab.py", description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", default=TARGET)
    parser.add_argument("--stills", action="store_true", help="also keep a picture of each instrument in the package")
    options = parser.parse_args(arguments)
    write(options.file)
    if options.stills:
        keep_stills(options.file)
        write(options.file)


if __name__ == "__main__":
    main()
