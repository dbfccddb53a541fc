"""Static figures in one style for all chapters; matplotlib loads where a figure is drawn."""

import io

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


def style():
    """Context in which figures are drawn in the series' style: ``with style(): fig, ax = plt.subplots()``."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def show(figure, alt):
    """Show a matplotlib figure in a notebook as a PNG, with ``alt`` for readers who cannot see it, and close it."""
    from IPython.display import display

    display({"image/png": png_bytes(figure), "text/plain": alt}, raw=True, metadata={"image/png": {"alt": alt}})


def png_bytes(figure):
    """A matplotlib figure as the bytes of a PNG file; the figure is closed."""
    import matplotlib.pyplot as plt

    png = io.BytesIO()
    figure.savefig(png, format="png")
    plt.close(figure)
    return png.getvalue()


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
        terms = {
            "total": ([e["loss"] for e in epochs], COLORS["theory"], "-"),
            "invariance × weight": (
                [config["invariance_weight"] * e["invariance"] for e in epochs], COLORS["laplace"], "--",
            ),
            "regularizer × weight": (
                [config["regularizer_weight"] * e["regularizer"] for e in epochs], COLORS["gaussian"], "-.",
            ),
        }  # fmt: skip
        for label, (values, color, line) in terms.items():
            loss.plot(number, values, line, color=color, label=label, marker=".")
        loss.set(xlabel="epoch", ylabel="loss (mean over the epoch)", title="The two terms of the objective", ylim=0)
        loss.legend()
        sparsity.plot(
            number, [e["nonzero_fraction"] for e in epochs], marker=".", color=COLORS["measurement"], label="measured"
        )
        if final["expected_nonzero_fraction"] is not None:
            sparsity.axhline(
                final["expected_nonzero_fraction"], color=COLORS["theory"], linestyle="--", label="closed form (Eq. 11)"
            )
        sparsity.set(xlabel="epoch", ylabel="non-zero fraction of z", title="How sparse the projector is", ylim=(0, 1))
        sparsity.legend()
        names = ["encoder_knn", "encoder_probe", "projector_knn", "projector_probe"]
        bars = accuracy.bar(
            ["encoder\nkNN", "encoder\nprobe", "projector\nkNN", "projector\nprobe"],
            [final[name] for name in names],
            color=[COLORS["rectified"]] * 2 + [COLORS["muted"]] * 2,
        )
        accuracy.bar_label(bars, fmt="{:.3f}", padding=2)
        accuracy.tick_params(axis="x", labelsize=9)
        accuracy.set(ylabel="test accuracy", title="What the features are worth")
        accuracy.margins(y=0.15)
        for panel in (loss, sparsity):
            panel.xaxis.get_major_locator().set_params(integer=True)
        if len(number) == 1:
            for panel in (loss, sparsity):
                panel.set_xticks(number)
    return figure
