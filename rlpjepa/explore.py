"""μ, σ and p in the reader's hands: `rgg_explorer` for notebooks. docs/explorer holds the same as a page.

matplotlib, plotly and ipywidgets load where they are used.
"""

import functools
import math
import numbers
from types import SimpleNamespace

import torch

from .distributions import GeneralizedGaussian, RectifiedGeneralizedGaussian, sample_rgg, unit_variance_scale
from .figures import COLORS, png_bytes, style
from .projections import projected_marginal

# The least and the largest value of a setting, the step of its slider, and where it starts. The page has the same.
SETTINGS = {
    "mu": (-4.0, 4.0, 0.05, 0.0),
    "sigma": (0.1, 4.0, 0.05, 1.0),
    "p": (0.25, 4.0, 0.05, 1.0),
    "angle": (0.0, 180.0, 1.0, 30.0),
    "d": (2, 2048, 1, 512),
}
VECTORS, POINTS, SHOWN, BINS = 64, 1000, 400, 48  # vectors counted; points of the histogram; of these in the plane
ALT = (
    "Three panels on a rectified generalized Gaussian. Left: its density before and after rectification, with the atom "
    "at 0. Middle: points in the plane before and after, and a direction. Right: the shadow in that direction, as a "
    "histogram and as the exact density with its atom."
)


def rgg_explorer(mu=0.0, sigma=None, p=1.0, angle=30.0, d=512, seed=0):
    """Sliders for the rectified generalized Gaussian: its density, points, a shadow, and the count of non-zero entries.

    Args:
        mu, sigma, p: where the sliders start; sigma None means unit variance before rectification.
        angle: of the direction in the plane, in degrees from 0 to 180.
        d: in how many dimensions the non-zero entries are counted, from 2 to 2048.
        seed: of the draws.

    Returns:
        For the last line of a cell: an ipywidgets box with `sliders` (by name), `figure` and `readout`. Where no one
        sits before the notebook to move them (nbconvert, nbval), a still picture of the same.

    Raises:
        ValueError: if an argument is outside of its slider.
    """
    state = {"mu": mu, "sigma": sigma, "p": p, "angle": angle, "d": d}
    for name, value in state.items():
        low, high, _, _ = SETTINGS[name]
        kind, words = (numbers.Integral, "whole number") if name == "d" else (numbers.Real, "number")
        if not (name == "sigma" and value is None) and not (isinstance(value, kind) and low <= value <= high):
            raise ValueError(f"{name} must be a {words} from {low:g} to {high:g}, got {value!r}")
    return _widget(state, seed) if _has_reader() else _Still(state, seed)


def _has_reader():
    """Whether anyone can move a slider: nbconvert and nbval tell the kernel that nobody is there to type."""
    try:
        from IPython import get_ipython
    except ImportError:
        return True
    return getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", True)


class _Still:
    """A picture for the committed notebook, for GitHub and for paper."""

    def __init__(self, state, seed):
        self.state, self.seed = state, seed

    def _repr_mimebundle_(self, **_):
        return _mimebundle(self.state, self.seed)


def _mimebundle(state, seed):
    picture = png_bytes(still_figure(compute(**state, seed=seed)))
    return {"image/png": picture, "text/plain": ALT}, {"image/png": {"alt": ALT}}


def compute(mu, sigma, p, angle, d, seed=0):
    """What the explorer shows in one state: a namespace of numbers and float64 tensors."""
    sigma = unit_variance_scale(p) if sigma is None else sigma
    parameters = [torch.tensor(value, dtype=torch.float64) for value in (mu, sigma, p)]
    law, whole = (kind(*parameters) for kind in (RectifiedGeneralizedGaussian, GeneralizedGaussian))
    reach = next(r for r in (4, 8, 16) if r == 16 or abs(mu) + 2.5 * whole.stddev <= r)  # of all axes of x
    c = [0.0 if abs(x) < 1e-12 else x for x in (math.cos(math.radians(angle)), math.sin(math.radians(angle)))]
    out = SimpleNamespace(mu=mu, sigma=sigma, p=p, d=d, reach=reach, c=c)

    mode = mu + sigma * _around()
    out.x = _grid(reach, 160, mode)
    out.before = whole.log_prob(out.x).exp()
    out.after = torch.where(out.x > 0, out.before, 0.0)
    out.active, out.atom = law.prob_active.item(), law.cdf(torch.zeros_like(law.loc)).item()
    out.variance, out.entropy = law.variance.item(), law.entropy().item()

    out.points = mu + sigma * _standard_points(p, seed)  # (POINTS, 2)
    out.rectified = out.points.relu()

    fine = [ci * torch.cat([mode, mode - mu]) for ci in c if ci]  # a ridge next to an axis is narrow
    out.y = _grid(reach, 120, torch.cat([*fine, sum(c) * mode]))
    out.shadow = projected_marginal(law, c, out.y)
    shadows = out.rectified @ torch.tensor(c, dtype=torch.float64)
    out.zeros = (shadows == 0).double().mean().item()
    counts = torch.histc(shadows[shadows != 0], bins=BINS, min=-reach, max=reach)
    out.edges = torch.linspace(-reach, reach, BINS + 1, dtype=torch.float64)
    out.histogram = counts * BINS / (2 * reach * POINTS)

    generator = torch.Generator().manual_seed(seed)
    counted = (sample_rgg((VECTORS, d), p, mu, sigma, generator=generator) > 0).sum(1).double()
    out.l0, out.counted, out.error = d * out.active, counted.mean().item(), counted.std().item() / math.sqrt(VECTORS)
    return out


@functools.lru_cache(maxsize=8)
def _standard_points(p, seed):
    """POINTS draws of a pair T ~ GN_p(0, 1): quantiles at fixed probabilities, so that points move smoothly with p."""
    uniform = torch.rand(POINTS, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    zero, one, p = (torch.tensor(value, dtype=torch.float64) for value in (0, 1, p))
    return GeneralizedGaussian(zero, one, p).icdf(uniform.clamp_min(1e-16))


def _around():
    """Distances from a mode, dense where it may be sharp."""
    steps = torch.tensor([0.0003, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0], dtype=torch.float64)
    return torch.cat([-steps, steps.new_zeros(1), steps])


def _grid(reach, n, extra):
    """Points from -reach to reach, those of `extra` among them; in place of 0, where densities jump, its two sides."""
    points = torch.cat([torch.linspace(-reach, reach, n + 1, dtype=torch.float64), extra])
    points = points[(points.abs() <= reach) & (points.abs() > 1e-6)]
    return torch.cat([points, points.new_tensor([-1e-6, 1e-6])]).unique()


def ceiling(*curves):
    """The top of a vertical axis, and the highest value if that is cut off."""
    peak = max(curve.max().item() for curve in curves)
    top = next((top for top in (1.2, 2.4) if peak <= top), 4.8)
    return top, peak if peak > top else None


def readout_rows(out):
    """The numbers below the panels, as (name, value)."""
    return [
        ("P(x > 0), share of non-zero entries", f"{out.active:.4g}"),
        ("P(x = 0), mass of the atom", f"{out.atom:.4g}"),
        (f"E‖x‖₀ in dimension {out.d}, closed form (Eq. 11)", f"{out.l0:.4g}"),
        (f"mean of {VECTORS} drawn vectors ± standard error", f"{out.counted:.4g} ± {out.error:.2g}"),
        ("σ", f"{out.sigma:.4g}"),
        ("variance after rectification", f"{out.variance:.4g}"),
        ("d(ξ)-dimensional entropy of an entry, in nats", f"{out.entropy:.4g}"),
    ]


def still_figure(out):
    """The three panels with the numbers below, as a matplotlib figure."""
    from matplotlib.figure import Figure  # pyplot would keep it open

    with style():
        figure = Figure(figsize=(11, 4.5))
        left, middle, right = figure.subplots(1, 3, subplot_kw={"box_aspect": 1})
        left.plot(out.x, out.before, "--", color=COLORS["gaussian"], label="before")
        positive = out.x > 0
        left.plot(out.x[positive], out.after[positive], color=COLORS["rectified"], label="rectified")
        _stem(left, out.atom, COLORS["rectified"], "atom at 0 (a mass)")
        left.set(xlabel="x", ylabel="density, or mass at 0", title="One coordinate", xlim=(-out.reach, out.reach))

        for points, color, alpha in ((out.points, "gaussian", 0.35), (out.rectified, "rectified", 1.0)):
            middle.plot(*points[:SHOWN].T, ".", color=COLORS[color], alpha=alpha, markersize=4)
        tip = [0.85 * out.reach * ci for ci in out.c]
        middle.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "linewidth": 2, "color": "black"})
        ends = {"xlim": (-out.reach, out.reach), "ylim": (-out.reach, out.reach)}
        middle.set(xlabel="$x_1$", ylabel="$x_2$", title="Two coordinates, a direction", **ends)

        right.stairs(
            out.histogram, out.edges, fill=True, color=COLORS["measurement"], alpha=0.4, label="shadows of points"
        )
        right.plot(out.y, out.shadow.ridges.sum(0), "--", color=COLORS["muted"], linewidth=1.2, label="ridges")
        right.plot(out.y, out.shadow.interior, ":", color=COLORS["muted"], linewidth=1.5, label="interior")
        right.plot(out.y, out.shadow.density, color=COLORS["theory"], label="exact density")
        _stem(right, out.shadow.atom.item(), COLORS["theory"], "its atom")
        right.set(xlabel="$c_1 x_1 + c_2 x_2$", title="Its shadow", xlim=(-out.reach, out.reach))
        for panel, curves in ((left, (out.before,)), (right, (out.shadow.density, out.histogram))):
            top, cut = ceiling(*curves)
            panel.set_ylim(0, top)
            if cut:
                note = {"transform": panel.transAxes, "ha": "right", "va": "top", "fontsize": 9}
                panel.text(0.99, 0.98, f"top at {cut:.3g}, cut off", **note)
        figure.suptitle(
            f"$\\mu$ = {out.mu:.4g},  $\\sigma$ = {out.sigma:.4g},  p = {out.p:.4g};   $E\\|x\\|_0$ in dimension "
            f"{out.d}: {out.l0:.4g} (closed form), {out.counted:.4g} ± {out.error:.2g} (mean of {VECTORS} draws)",
            fontsize=11,
        )
        figure.legend(loc="outside lower center", ncols=8, fontsize=9, columnspacing=1.3)
    return figure


def _stem(panel, mass, color, label):
    panel.plot([0, 0], [0, mass], color=color, linewidth=3)
    panel.plot([0], [mass], "D", color=color, label=label, clip_on=False)


def _traces(out):
    """The data of the moving figure, in the order in which `_figure` adds them."""
    import numpy

    ridges, interior, atom = out.shadow.ridges.sum(0), out.shadow.interior, out.shadow.atom.item()
    tip = [0.85 * out.reach * ci for ci in out.c]
    pairs = [
        (out.x, out.before),
        (out.x[out.x > 0], out.after[out.x > 0]),
        ([0, 0], [0, out.atom]),
        out.points[:SHOWN].T,
        out.rectified[:SHOWN].T,
        ([0, tip[0]], [0, tip[1]]),
        (out.edges[:-1] + out.reach / BINS, out.histogram),
        (out.y, ridges),
        (out.y, interior),
        (out.y, out.shadow.density),
        ([0, 0], [0, atom]),
    ]
    return [{"x": numpy.asarray(x), "y": numpy.asarray(y)} for x, y in pairs]


def _figure(out):
    """plotly's FigureWidget of the three panels."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    titles = ("One coordinate", "Two coordinates, a direction", "Its shadow")
    figure = make_subplots(1, 3, subplot_titles=titles, horizontal_spacing=0.07)
    stem = {"mode": "lines+markers", "line_width": 4, "marker": {"symbol": "diamond", "size": [0, 11], "opacity": 1}}
    arrow = {"symbol": "arrow", "size": [0, 15], "angleref": "previous", "opacity": 1}
    arrow = {"mode": "lines+markers", "line": {"color": COLORS["theory"], "width": 3}, "marker": arrow}
    bars = {"color": COLORS["measurement"], "opacity": 0.4, "line_width": 0}
    faint = {"color": COLORS["gaussian"], "size": 4, "opacity": 0.35}
    looks = [
        (1, go.Scatter, "before", {"line": {"color": COLORS["gaussian"], "dash": "dash"}}),
        (1, go.Scatter, "rectified", {"line_color": COLORS["rectified"]}),
        (1, go.Scatter, "atom at 0 (a mass)", {"line_color": COLORS["rectified"], **stem}),
        (2, go.Scatter, "points before", {"mode": "markers", "marker": faint}),
        (2, go.Scatter, "points rectified", {"mode": "markers", "marker": {"color": COLORS["rectified"], "size": 4}}),
        (2, go.Scatter, "direction", arrow),
        (3, go.Bar, f"shadows of {POINTS} points", {"marker": bars}),
        (3, go.Scatter, "ridges", {"line": {"color": COLORS["muted"], "dash": "dash", "width": 1.5}}),
        (3, go.Scatter, "interior", {"line": {"color": COLORS["muted"], "dash": "dot", "width": 1.5}}),
        (3, go.Scatter, "exact density", {"line_color": COLORS["theory"]}),
        (3, go.Scatter, "its atom", {"line_color": COLORS["theory"], **stem}),
    ]
    for data, (column, kind, name, look) in zip(_traces(out), looks, strict=True):
        figure.add_trace(kind(name=name, showlegend=column != 2, **data, **look), 1, column)
    figure.update_traces(mode="lines", selector={"type": "scatter", "mode": None})
    figure.update_traces(hoverinfo="skip")
    note = {"xanchor": "right", "yanchor": "top", "x": 1, "y": 1, "showarrow": False, "font_size": 11, "text": ""}
    for number in ("", "3"):
        figure.add_annotation(xref=f"x{number} domain", yref=f"y{number} domain", **note)
    figure.update_layout(
        template="plotly_white", height=420, margin={"l": 45, "r": 10, "t": 30, "b": 40}, bargap=0, dragmode=False,
        autosize=True, legend={"orientation": "h", "y": -0.25}, yaxis_title="density, or mass at 0", yaxis2_title="x₂",
        xaxis_title="x", xaxis2_title="x₁", xaxis3_title="c₁x₁ + c₂x₂",
        xaxis2_constrain="domain", yaxis2={"scaleanchor": "x2", "constrain": "domain"},
    )  # fmt: skip
    figure = go.FigureWidget(figure)
    figure._config = figure._config | {"displayModeBar": False}
    return figure


def _update(figure, out):
    """Bring the figure to another state, in one message to the browser."""
    with figure.batch_update():
        for trace, data in zip(figure.data, _traces(out), strict=True):
            trace.update(**data)
        for axis in ("xaxis", "xaxis2", "yaxis2", "xaxis3"):
            figure.layout[axis].range = (-out.reach, out.reach)
        panels = (("yaxis", 3, (out.before,)), ("yaxis3", 4, (out.shadow.density, out.histogram)))
        for axis, note, curves in panels:  # annotations 0 to 2 are the titles
            top, cut = ceiling(*curves)
            figure.layout[axis].range = (0, top)
            figure.layout.annotations[note].text = f"top at {cut:.3g}, cut off" if cut else ""


def _html(out):
    row = '<tr><td style="padding-right: 2em">{}</td><td><b>{}</b></td></tr>'
    return '<table style="line-height: 1.5">' + "".join(row.format(*pair) for pair in readout_rows(out)) + "</table>"


def _widget(state, seed):
    """Sliders, figure and readout in one box."""
    import ipywidgets

    class Explorer(ipywidgets.VBox):
        def _repr_mimebundle_(self, **kwargs):
            bundle, metadata = _mimebundle(self.state(), seed)
            return {**super()._repr_mimebundle_(**kwargs), **bundle}, metadata

        def state(self):
            values = {name: slider.value for name, slider in self.sliders.items()}
            unit = values.pop("unit variance")
            return {**values, "sigma": None if unit else values["sigma"]}

        def refresh(self, change=None):
            self.sliders["sigma"].layout.visibility = "hidden" if self.sliders["unit variance"].value else "visible"
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # tensors as small as these only wait for a second thread
            try:
                out = compute(**self.state(), seed=seed)
            finally:
                torch.set_num_threads(threads)
            _update(self.figure, out)
            self.readout.value = _html(out)

    names = {"mu": "μ", "sigma": "σ", "p": "p", "angle": "direction °", "d": "dimension d"}
    sliders = {}
    for name, label in names.items():
        low, high, step, first = SETTINGS[name]
        kind = ipywidgets.IntSlider if name == "d" else ipywidgets.FloatSlider
        value = first if state[name] is None else state[name]
        sliders[name] = kind(value, min=low, max=high, step=step, description=label)
    sliders["unit variance"] = ipywidgets.Checkbox(state["sigma"] is None, description="unit variance (before)")
    box = Explorer()
    box.sliders, box.readout = sliders, ipywidgets.HTML()
    box.figure = _figure(compute(**state, seed=seed))
    box.refresh()
    for slider in sliders.values():
        slider.observe(box.refresh, "value")
    rows = ipywidgets.Layout(flex_flow="row wrap")
    order = ("mu", "p", "angle", "d", "unit variance", "sigma")
    box.children = [ipywidgets.HBox([sliders[name] for name in order], layout=rows), box.figure, box.readout]
    return box
