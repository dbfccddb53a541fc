"""Static figures in one style for all chapters; matplotlib loads where a figure is drawn."""

import io
import json
from fractions import Fraction
from pathlib import Path

# One colour for one thing in all chapters (Okabe and Ito's palette, which colour-blind readers can tell apart).
COLORS = {
    "gaussian": "#0072B2",
    "laplace": "#E69F00",
    "rectified": "#009E73",
    "measurement": "#D55E00",
    "theory": "#000000",
    "muted": "#999999",
}

STYLE = {
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.8,
    "image.cmap": "cividis",
}


def series_root():
    """The folder of the series, from a kernel that runs in it or below: a clone, Colab's copy, a handout.

    Raises:
        FileNotFoundError: if there is none.
    """
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "notebooks" / "claims.toml").exists():
            return folder
    raise FileNotFoundError("the folder of the series is not here: start JupyterLab in it, as the README says")


def style():
    """Context in which figures are drawn in the series' style: ``with style(): fig, ax = plt.subplots()``."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def show(figure, alt):
    """Show a matplotlib figure in a notebook as a PNG, with ``alt`` for readers who cannot see it, and close it."""
    from IPython.display import display

    display({"image/png": png_bytes(figure), "text/plain": alt}, raw=True, metadata={"image/png": {"alt": alt}})


def show_live(live, still, alt):
    """Show a plotly figure in a notebook; where nobody can turn it (nbconvert, nbval), together with a picture of it.

    With a picture in the same output JupyterLab would show that, until the mouse enters.

    Args:
        live: the plotly figure.
        still: a matplotlib figure, closed afterwards.
        alt: what is seen, for readers who cannot see it.
    """
    from IPython.display import display

    picture = png_bytes(still)
    bundle = {"application/vnd.plotly.v1+json": json.loads(live.to_json()), "text/plain": alt}
    display(bundle if has_reader() else bundle | {"image/png": picture}, raw=True, metadata={"image/png": {"alt": alt}})


def has_reader():
    """Whether anyone can move a slider: nbconvert and nbval tell the kernel that nobody is there to type."""
    try:
        from IPython import get_ipython
    except ImportError:
        return True
    return getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", True)


def png_bytes(figure, dpi="figure"):
    """A matplotlib figure as the bytes of a PNG file, of 256 colours: a third of the size; the figure is closed."""
    import matplotlib.pyplot as plt
    from PIL import Image

    drawn, png = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    plt.close(figure)
    image = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(png, format="PNG", optimize=True)
    return png.getvalue()


def compare(guess, truth):
    """Print an answer, beside the reader's guess if there is one.

    Args:
        guess, truth: numbers; None for a guess means that none was made.

    Example:
        >>> compare(0.3, 0.122)
        0.122; you said 0.3
    """
    print(f"{float(truth):.3f}" + ("" if guess is None else f"; you said {guess:g}"))


def plot_values(panel, z, color, top):
    """Draw a table of features, exact zeros in white: (images, features) -> matplotlib's image.

    Args:
        panel: matplotlib axes.
        color: of the largest values.
        top: the value from which on the colour stays the same.
    """
    from matplotlib.colors import LinearSegmentedColormap

    size = z.detach().where(z != 0, float("nan")).abs()
    colors = LinearSegmentedColormap.from_list("", ["#dddddd", color, "black"])
    return panel.imshow(size, cmap=colors, vmin=0, vmax=top, interpolation="nearest")


def plot_method(image, views, z, y):
    """The method as a picture: two views of an image, one network, two tables of features, a table of samples.

    Args:
        image: uint8 (3, H, W).
        views: (2, 3, H, W), values in [0, 1].
        z: (2, B, D), the features of both views of B images; a few rows and columns.
        y: (B, D), samples of the target.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(10.5, 4.6))
        panel = figure.subplots()
        panel.axis("off")

    def picture(pixels, x, y, name):
        panel.imshow(pixels.permute(1, 2, 0), extent=(x, x + 2, y, y + 2), zorder=2)
        panel.text(x + 1, y - 0.15, name, ha="center", va="top")

    def table(values, x, y, name, color, row):
        inset = panel.inset_axes((x, y, 3.6, 2.1), transform=panel.transData)
        plot_values(inset, values, color, top=2).set_extent((0, 12, 0, 7))
        inset.set(xticks=[], yticks=[], aspect="auto", title=name)
        inset.spines[["top", "right"]].set_visible(True)
        if row:
            inset.axhspan(3, 4, facecolor="none", edgecolor="black", linewidth=2)

    def arrow(start, end, ends="-|>", **look):
        panel.annotate("", end, start, arrowprops={"arrowstyle": ends, "shrinkA": 0, "shrinkB": 0, "lw": 1.4} | look)

    picture(image, 0, 3.6, "an image")
    for view, low, name in zip(views, (6.2, 1.0), ("view 1", "view 2")):
        picture(view, 3.2, low, name)
        arrow((2.1, 4.6), (3.1, low + 1))
        arrow((5.3, low + 1), (6.2, low + 1))
        arrow((9.8, low + 1), (10.7, low + 1))
    panel.fill([6.3, 9.7, 9.7, 6.3], [0.5, 0.5, 8.7, 8.7], facecolor="#eeeeee", edgecolor="black")
    panel.text(8, 4.6, "one network\n\nencoder\n↓ h\nprojector\n↓\nReLU", ha="center", va="center")
    table(z[0], 10.8, 6.2, "z: features of view 1", COLORS["measurement"], row=True)
    table(z[1], 10.8, 1.0, "z′: features of view 2", COLORS["measurement"], row=True)
    table(y, 17.2, 3.6, "y: samples that we draw", COLORS["rectified"], row=False)
    panel.text(12.6, 0.8, "a row is an image, a column a feature", ha="center", va="top", fontsize=9)
    arrow((13.6, 6.1), (13.6, 3.9), "<|-|>", lw=3)
    panel.text(13.4, 5.0, "loss 1: the same\nrow in z and z′", ha="right", va="center")
    arrow((14.5, 7.2), (17.0, 5.4), lw=3, linestyle=(0, (2, 1)))
    arrow((14.5, 2.0), (17.0, 3.9), lw=3, linestyle=(0, (2, 1)))
    panel.text(16.1, 7.1, "loss 2: all rows together\nlook like y", ha="left", va="center")
    panel.set(xlim=(0, 21.5), ylim=(0, 9.2), aspect="equal")
    return figure


def plot_training(result):
    """Three panels on one run: the loss and its terms, the non-zero fraction beside Eq. 11, the accuracies.

    Args:
        result: what `pretrain` returns, or the content of a result file with at least one epoch.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure  # pyplot would keep the figure, and a display, open

    config, epochs, final = result["config"], result["epochs"], result["final"]
    number = [epoch["epoch"] for epoch in epochs]
    with style():
        figure = Figure(figsize=(11, 3.2))
        loss, sparsity, accuracy = figure.subplots(1, 3)
        loss.plot(number, [e["loss"] for e in epochs], ".-", color=COLORS["measurement"], label="total")
        looks = zip(("#CC79A7", "#56B4E9", COLORS["muted"]), (".--", ".-.", ".:"))
        for term, (color, line) in zip(("invariance", "regularizer", "coordinate loss"), looks):
            name = term.split()[0]
            if weight := config.get(f"{name}_weight"):
                loss.plot(number, [weight * e[name] for e in epochs], line, color=color, label=f"{term} × weight")
        loss.set(xlabel="epoch", ylabel="loss (mean over the epoch)", title="The terms of the objective", ylim=0)
        measured, expected = [e["nonzero_fraction"] for e in epochs], final["expected_nonzero_fraction"]
        sparsity.plot(number, measured, ".-", color=COLORS["measurement"], label="measured")
        if expected is not None:
            sparsity.axhline(expected, color=COLORS["theory"], linestyle="--", label="closed form (Eq. 11)")
        sparsity.set(xlabel="epoch", ylabel="non-zero fraction of z", title="How sparse the projector is", ylim=0)
        names = ["encoder_knn", "encoder_probe", "projector_knn", "projector_probe"]
        labels = [name.replace("_", "\n").replace("knn", "kNN") for name in names]
        colors = [COLORS["rectified"]] * 2 + [COLORS["muted"]] * 2
        bars = accuracy.bar(labels, [final[name] for name in names], color=colors)
        accuracy.bar_label(bars, fmt="{:.3f}", padding=2)
        accuracy.tick_params(axis="x", labelsize=9)
        accuracy.set(ylabel="test accuracy", title="What the features are worth")
        accuracy.margins(y=0.15)
        for panel in (loss, sparsity):
            panel.legend()
            panel.xaxis.get_major_locator().set_params(integer=True)
            if len(number) == 1:
                panel.set_xticks(number)
    return figure


def plot_features(z, images, rows=6, columns=12):
    """What switches a feature on: for some columns of z, the images with the largest values.

    Args:
        z: (N, D), a projector's output on N images.
        images: uint8 (N, 3, H, W).
        rows: how many features at most; of those that are on for at least ``columns`` images, from the rarest to the
            most common one.
        columns: how many images of each.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    columns = min(columns, len(z))
    count = (z > 0).sum(dim=0)
    order = count.argsort()
    order = order[count[order] >= columns]
    shown = min(rows, len(order))
    chosen = order[[round(i * (len(order) - 1) / max(1, shown - 1)) for i in range(shown)]].tolist()
    with style():
        figure = Figure(figsize=(0.62 * columns + 1.6, 0.66 * max(1, len(chosen)) + 0.5))
        figure.suptitle("Test images with the largest values of a feature", fontsize=11)
        grid = figure.subplots(max(1, len(chosen)), columns, squeeze=False)
        for panel in grid.flat:
            panel.set_axis_off()
        for j, panels in zip(chosen, grid):
            for i, panel in zip(z[:, j].topk(columns).indices.tolist(), panels):
                panel.imshow(images[i].permute(1, 2, 0).cpu().numpy(), interpolation="nearest")
            label = f"z[{j}]\non for {100 * count[j] / len(z):.0f} %"
            panels[0].text(-0.15, 0.5, label, transform=panels[0].transAxes, ha="right", va="center", fontsize=9)
    return figure


def plot_sparsity(results):
    """The measured share of non-zero entries of the projector's output against the one of Eq. 11, on two log axes.

    A run with fewer than 3 non-zero entries in 10,000, such as a collapsed one, is drawn at 3 in 10,000.

    Args:
        results: contents of result files, all with rectification, of one dataset, network and number of epochs.

    Returns:
        A matplotlib figure.

    Raises:
        ValueError: if there are no results, if one of them has no rectified target, or if they differ in dataset,
            epochs or network.
    """
    from matplotlib.figure import Figure

    if any(result["final"]["expected_nonzero_fraction"] is None for result in results):
        raise ValueError("results must all have a rectified target")
    with style():
        figure = Figure(figsize=(5.2, 4))
        panel = figure.subplots()
        panel.plot([3e-4, 1], [3e-4, 1], "--", color=COLORS["theory"], label="Eq. 11")
        for look, runs in _by_kind(results):
            expected = [run["final"]["expected_nonzero_fraction"] for run in runs]
            measured = [max(run["final"]["nonzero_fraction"], 3e-4) for run in runs]
            panel.plot(expected, measured, linestyle="", **look)
        panel.set(
            xscale="log", yscale="log", xlabel="predicted share of non-zero entries", ylabel="measured on test images"
        )
        panel.legend()
    return figure


def plot_tradeoff(results, published=None, untrained=None, full=(), behind=(), title=""):
    """Accuracy against the fraction of zeros in the projector's output: encoder and projector.

    A point is a setting. Where it has several seeds, it is their mean, and small dots show the runs. Three points or
    more of one p are joined by a line. LeJEPA, which has no zeros, stands at the left end. The axis goes from .05 to
    .9999; runs beyond, such as collapsed ones, stand at its ends.

    Args:
        results: contents of result files, all of one dataset, one network and one number of epochs.
        published: {p: (fractions of zeros, accuracies)}, curves for a panel of their own: their training and their
            classifier differ, so that only the shapes of the curves can be compared.
        untrained: content of the result file of the same network without training, shown as a level line.
        full: contents of result files of the same dataset, large points beside the curves; of one network or two.
        behind: contents of result files of the same dataset, of one network and one number of epochs: faint curves.
            With either the legend names epochs and width, or the 3×3 stem.
        title: what the figure says.

    Returns:
        A matplotlib figure.

    Raises:
        ValueError: if there are no results, or if they differ in dataset, epochs or network where they must not.
    """
    from matplotlib.figure import Figure

    everything = [*behind, *results, *full]
    _require_same(everything, ["dataset"])
    large = {}
    for result in full:
        large.setdefault(_budget(result), []).append(result)
    if len(large) > 2:
        raise ValueError(f"full must hold runs of two networks at most, got {'; '.join(large)}")
    groups = [(results, {}), *zip(large.values(), ({"markersize": 12}, {"markersize": 10, "marker": "D"}))]
    groups.append((behind, {"markersize": 4, "linewidth": 1, "alpha": 0.4}))
    curves = [
        (look | extra | ({"label": f"{look['label']}, {_budget(runs[0])}"} if full or behind else {}), runs)
        for group, extra in groups
        if group or group is results
        for look, runs in _by_kind(group)
    ]
    with style():
        figure = Figure(figsize=(11 if published else 9, 4.5 if title else 4.3))
        figure.suptitle(title)
        panels = figure.subplots(1, 3 if published else 2)
        panels[1].sharey(panels[0])
        for panel, features in zip(panels[:2], ("encoder", "projector"), strict=True):
            for look, runs in curves:
                _plot_settings(panel, runs, features, look)
            if untrained:
                level = untrained["final"][f"{features}_probe"]
                panel.axhline(level, color=COLORS["theory"], linestyle="-.", linewidth=1, label="without training")
            panel.set(xlabel=f"fraction of zeros in z{_means(everything)}", title=f"{features.capitalize()} features")
        for p, (zeros, accuracy) in (published or {}).items():
            kind = f"p = {p:g}"
            panels[2].plot(zeros, accuracy, label=f"{kind}, published" if full or behind else kind, **_look(kind))
            panels[2].set(xlabel="fraction of zeros", title="Published (features not said)")
        for panel in panels:
            panel.set(xscale="logit", xlim=(0.05, 0.9999), ylim=0)  # the last per cent matter as much as the first
            panel.set_xticks([0.1, 0.5, 0.9, 0.99, 0.999], ["0.1", "0.5", "0.9", "0.99", "0.999"])
            panel.minorticks_off()
        panels[0].set_ylabel("linear probe, test accuracy")
        shown = {
            label: line for panel in panels for line, label in zip(*panel.get_legend_handles_labels(), strict=True)
        }
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3 if full or behind else 4)
    return figure


def _plot_settings(panel, runs, features, look):
    """The mean over the seeds of each setting, and the runs themselves where these are more."""
    settings = {}
    for run in runs:
        key = tuple(run["config"].get(name) or 0 for name in ("mu", "coordinate_weight", "direction_size"))
        settings.setdefault(key, []).append(_place(run["final"], features))
    points = sorted(tuple(sum(x) / len(x) for x in zip(*places, strict=True)) for places in settings.values())
    line = "-" if len(points) > 2 else ""
    panel.plot(*zip(*points, strict=True), clip_on=False, **look | {"linestyle": line})
    if len(runs) > len(points):
        places = sum(settings.values(), [])
        panel.plot(*zip(*places, strict=True), ".", color=look["color"], alpha=look.get("alpha"), clip_on=False)


def _means(results):
    """In words, which mean shift stands where on an axis of sparsity, if μ alone decides that."""
    means = {result["config"]["mu"] for result in results}
    others = any(not r["config"].get("rectify", True) or r["config"].get("coordinate_weight") for r in results)
    if others or len(means) == 1:
        return ""
    return f"\n(from left to right: μ = {max(means):g} to {min(means):g})".replace("-", "−")


_NETWORK = ("dataset", "backbone", "cifar_stem", "stem_stride", "channels", "dim")
_OLDER = {"stem_stride": 1, "channels": None}  # what result files without these options mean


def _by_kind(results):
    """(how its points look, its runs) for every p of the results, and for LeJEPA; they must be comparable."""
    if not results:
        raise ValueError("results must hold at least one result")
    _require_same(results, ("epochs", *_NETWORK))
    kinds = {}
    for result in results:
        lejepa = result["config"].get("regularizer") == "sigreg"
        kinds.setdefault("LeJEPA" if lejepa else f"p = {result['config']['p']:g}", []).append(result)
    for kind, runs in sorted(kinds.items()):
        yield {"label": kind, **_look(kind)}, runs


def _require_same(results, names):
    for name in names:
        values = {str(result["config"].get(name, _OLDER.get(name))) for result in results}
        if len(values) > 1:
            raise ValueError(f"results of one figure must agree in {name}, got {', '.join(sorted(values))}")


def _place(final, features):
    """Where a run stands: (fraction of zeros, accuracy)."""
    return min(max(1 - final["nonzero_fraction"], 0.05), 0.9999), final[f"{features}_probe"]


def _budget(result):
    """In words, how long a network was trained, and what it is where that is not as usual: its width, its stem."""
    epochs, channels, stem = (result["config"].get(name) for name in ("epochs", "channels", "cifar_stem"))
    if channels:
        return f"{epochs} epochs, {Fraction(channels[0], 64)} of the width"
    return f"{epochs} epochs" + ", 3×3 stem" * bool(stem)


def _look(kind):
    looks = {
        "p = 1": {"color": COLORS["laplace"], "marker": "o"},
        "p = 2": {"color": COLORS["gaussian"], "marker": "s", "fillstyle": "none"},
        "LeJEPA": {"color": COLORS["theory"], "marker": "*", "markersize": 11},
    }
    return looks.get(kind, {"color": COLORS["theory"], "marker": "^"})
