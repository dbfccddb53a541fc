"""Writes the lab as one file that needs no network and no kernel: ``python docs/lab.py [FILE]``.

The results of notebooks/results/ go into the page; sheets of images lie beside it, in lab-sheets/. With ``--stills`` it
opens the page in Chromium and keeps a picture of each instrument in the package, for notebooks that nobody sits before.
"""

import argparse
import base64
import dataclasses
import html
import io
import json
import shutil
import statistics
from pathlib import Path

from rlpjepa.explore import ALT, FOLDER, INSTRUMENTS
from rlpjepa.pretrain import PretrainConfig

HERE = Path(__file__).parent
TARGET = HERE.parent / "build" / "site" / "lab.html"
RESULTS = HERE.parent / "notebooks" / "results"
SHARES = 129  # of a run's sorted active shares, that many are drawn


def results():
    """What the page shows of notebooks/results/: of each run its configuration and provenance, where they differ from
    what most runs of its data set have, and its final numbers, rounded."""
    defaults = dataclasses.asdict(PretrainConfig())  # an older file lacks newer options
    packed = {"defaults": defaults, "usual": {}, "runs": {}}
    packed["published"] = json.loads((RESULTS / "published" / "tradeoff.json").read_text(encoding="utf-8"))
    for dataset in ("cifar100", "shapes"):
        paths = sorted((RESULTS / dataset).glob("*.json"))
        runs = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
        for run in runs.values():
            run["config"] = defaults | run["config"]
        usual = {part: most_frequent([run[part] for run in runs.values()]) for part in ("config", "provenance")}
        packed["usual"][dataset] = usual
        for name, run in runs.items():
            parts = {part: {k: v for k, v in run[part].items() if usual[part].get(k) != v} for part in usual}
            parts["sheet"] = (RESULTS / dataset / f"{name}_features.png").exists()
            packed["runs"][f"{dataset}/{name}"] = parts | {"final": drawn(run["final"])}
    return packed


def most_frequent(rows):
    """For each key that all rows have, the value that most of them have."""
    values = {key: [json.dumps(row[key]) for row in rows] for key in rows[0] if all(key in row for row in rows)}
    return {key: json.loads(statistics.mode(texts)) for key, texts in values.items()}


def drawn(final):
    """The final numbers that the page shows, with as many digits as can be seen."""
    left_out = ("histogram", "active_share", "nonzero_counts", "l1_fraction", "added")
    short = {key: value and float(f"{value:.4g}") for key, value in final.items() if key not in left_out}
    if histogram := final.get("histogram"):  # its bins are equally wide; the page computes the target itself
        density = [float(f"{value:.3g}") for value in histogram["density"]]
        short["histogram"] = {"edges": [histogram["edges"][0], histogram["edges"][-1]], "density": density}
    if shares := sorted(final.get("active_share", []), reverse=True):
        chosen = [shares[round(k * (len(shares) - 1) / (SHARES - 1))] for k in range(SHARES)]
        short["active_share"] = [round(share, 3 if share > 0.01 else 4) for share in chosen]
    return short


def page():
    """The text of the page, with script, style and a still picture inside."""
    first = next(iter(INSTRUMENTS))
    parts = {
        "<!--still-->": "data:image/png;base64," + base64.b64encode((FOLDER / f"{first}.png").read_bytes()).decode(),
        "<!--alt-->": html.escape(ALT[first]),
        "/*lab.css*/": (FOLDER / "lab.css").read_text(encoding="utf-8"),
        "/*results*/": json.dumps(results(), separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/"),
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
    for sheet in RESULTS.glob("*/*_features.png"):
        copy = target.parent / "lab-sheets" / sheet.parent.name / sheet.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sheet, copy)
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")


def keep_stills(target):
    """The picture that the page's own button saves, of 256 colours: instruments as they start, the points trained."""
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
            image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
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
