"""The lab in a notebook: instruments that answer to a hand. build/site/lab.html is the same as a page.

``lab.js`` draws; here its settings become traits of a widget. anywidget loads where a lab is opened.
"""

import functools
import json
import math
import numbers
import re
import warnings
from pathlib import Path

from ..figures import has_reader

FOLDER = Path(__file__).parent
SCRIPT = (FOLDER / "lab.js").read_text(encoding="utf-8")
INSTRUMENTS = {  # {instrument: {setting: its limits}}: the tables that stand in lab.js
    name: json.loads(table) for name, table in re.findall(r'^settings\("(\w+)", (\{.*?^\})\);$', SCRIPT, re.M | re.S)
}
OPENS = (
    "A picture of the lab as it starts. It answers where a kernel runs: run this cell, or open build/site/lab.html, "
    "which `make site` writes and which needs no installation."
)
ALT = {
    "target": "The lab, instrument The target. Above, the density of an entry before and after rectification, with its "
    "mass at 0; below, points in the plane before and after, and their shadow in one direction with its exact density.",
    "points": "The lab, instrument Moving points. Left, points in the plane that RDMReg has moved onto the axes and "
    "into the corner; right, their shadows in one direction joined in order with those of the target; below, the share "
    "of zeros step by step beside the share that was asked for.",
}


def target(**settings):
    """The target: one entry's density with its mass at 0, points before and after rectification, and their shadow.

    Args:
        mu, p: location and shape, from -4 to 4 and from 0.25 to 4.
        variance: "before" or "after", for unit variance before or after rectification, or "free", for ``sigma``.
        sigma: the scale, from 0.1 to 4, when variance is "free".
        keep: whether mu follows p and sigma on the page, so that the share of zeros stays.
        angle: of the direction in the plane, in degrees from 0 to 180.
        d: in how many dimensions non-zero entries are counted, from 2 to 2048.
        axis: "linear" or "log", of the densities.
        seed: of the points that are drawn.
        hide: what is left out, as in the page's address: names of settings and parts, "d, tools".

    Returns:
        A lab, for the last line of a cell; its settings are attributes that follow the page and that it follows,
        ``numbers`` holds what it shows. A value that is not allowed becomes the nearest that is, with a warning. Where
        nobody sits before the notebook (nbconvert, nbval), it shows a picture.

    Example:
        >>> lab = target(mu=-1)
        >>> lab.p = 0.5
        >>> lab.mu, lab.p, lab.d
        (-1.0, 0.5, 512)
    """
    return _open("target", settings)


def moving_points(**settings):
    """Moving points: 256 points in the plane, trained by RDMReg as one watches.

    Args:
        mu, p: location and shape of the target, from -3 to 2 and from 0.25 to 4.
        loss: "rdmreg", or "sigreg" for a Gaussian target about 0.
        output: "relu", "clamp" (negative points are set to 0 after each step) or "none".
        start: "blob", "collapsed" or "hand" (drawn into the plane).
        directions, batch, lr, steps: of a step, of a step, of Adam, until it stops.
        pull: whether arrows show where each point is pulled.
        angle: of the direction whose pairing is shown, in degrees.
        seed: of all that is drawn.
        playing: whether it runs.
        hide: as in `target`.

    Returns:
        A lab, as `target`.

    Example:
        >>> moving_points(mu=-1, directions=16).directions
        16
    """
    return _open("points", settings)


def _open(name, settings):
    kind = _kind(name, has_reader())
    if unknown := set(settings) - set(kind.class_trait_names()):
        raise TypeError(f"{name} has no setting {', '.join(sorted(unknown))}; it has {', '.join(INSTRUMENTS[name])}")
    return kind(**settings)


@functools.cache
def _kind(name, has_reader):
    """The class of an instrument's labs: a widget, or without a reader its settings and a picture, nothing opened."""
    import traitlets

    class Setting(traitlets.TraitType):
        def validate(self, lab, value):
            allowed = nearest(INSTRUMENTS[name][self.name], value, lab._trait_values.get(self.name))
            if isinstance(value, str | bool) != isinstance(allowed, str | bool) or value != allowed:
                warnings.warn(f"{self.name} = {value!r} is not allowed; taken is {allowed!r}", stacklevel=5)
            return allowed

    def show(self, **_):
        widget, _ = super(kind, self)._repr_mimebundle_() if has_reader else ({}, None)
        bundle = {"image/png": (FOLDER / f"{name}.png").read_bytes(), "text/plain": OPENS}
        return widget | bundle, {"image/png": {"alt": f"{ALT[name]} {OPENS}"}}

    if has_reader:
        from anywidget import AnyWidget as Base

        parts = {"_esm": SCRIPT, "_css": (FOLDER / "lab.css").read_text(encoding="utf-8")}
    else:
        Base, parts = traitlets.HasTraits, {}
    traits = {key: Setting(nearest(row, row["first"])).tag(sync=True) for key, row in INSTRUMENTS[name].items()}
    others = {"instrument": traitlets.Unicode(name), "hide": traitlets.Unicode(), "numbers": traitlets.Dict()}
    others = {key: trait.tag(sync=True) for key, trait in others.items()}
    kind = type("Lab", (Base,), {**parts, **traits, **others, "_repr_mimebundle_": show})
    return kind


def nearest(limits, value, before=None):
    """The allowed value nearest to one that is asked for; the one before, or the first, where nothing is near."""
    fallback = limits["first"] if before is None else before
    if "choices" in limits:
        return value if value in limits["choices"] else fallback
    if isinstance(limits["first"], bool):
        return bool(value) if isinstance(value, bool | numbers.Integral) else fallback
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
        return fallback
    value = min(limits["most"], max(limits["least"], value))
    return round(value) if limits.get("whole") else float(value)
