"""What the figures show: their data, read back from matplotlib."""

import math

import matplotlib.pyplot as plt
import plotly.graph_objects as go
import pytest
import torch
from matplotlib.figure import Figure

from rlpjepa.figures import plot_features, plot_method, plot_sparsity, plot_tradeoff, plot_training, show_live

from .series import load_script


def active(*counts, n=100):
    """z (n, len(counts)): coordinate j is on for counts[j] images, most of all for the last of these."""
    z = torch.zeros(n, len(counts))
    for j, count in enumerate(counts):
        z[:count, j] = torch.arange(1.0, count + 1)
    return z


def rows_of(figure, columns):
    """The labels of a sheet's rows, and the grey of its images (their index), row by row."""
    panels = figure.axes
    labels = [text.get_text().split("\n")[0] for panel in panels for text in panel.texts]
    shown = [
        [panel.images[0].get_array()[0, 0, 0] for panel in panels[i : i + columns]]
        for i in range(0, len(panels), columns)
    ]
    return labels, shown


@pytest.mark.parametrize(
    ("counts", "rows", "wanted"),
    [
        ((90, 20, 40), 6, ["z[1]", "z[2]", "z[0]"]),  # fewer coordinates than rows: each once
        ((90, 20, 40, 60, 50), 3, ["z[1]", "z[4]", "z[0]"]),  # rarest, middle, most common
        ((90, 3, 0, 12), 6, ["z[3]", "z[0]"]),  # the others are on for fewer than 12 images
        ((37,), 6, ["z[0]"]),
    ],
)
def test_rows_of_the_sheet(counts, rows, wanted):
    images = torch.arange(100, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    labels, shown = rows_of(plot_features(active(*counts), images, rows, columns=12), 12)
    assert labels == wanted
    for label, row in zip(labels, shown, strict=True):
        count = counts[int(label[2:-1])]
        assert row == list(range(count - 1, count - 13, -1))  # the largest values first


def test_sheet_of_a_collapsed_network_is_empty():
    figure = plot_features(torch.zeros(50, 4), torch.zeros(50, 3, 4, 4, dtype=torch.uint8))
    assert not any(panel.images or panel.texts for panel in figure.axes)


def test_method_is_drawn_of_features_as_a_network_gives_them():
    z = torch.rand(2, 7, 12, requires_grad=True) - 0.5
    figure = plot_method(
        torch.zeros(3, 32, 32, dtype=torch.uint8), torch.rand(2, 3, 32, 32), z.relu(), torch.rand(7, 12)
    )
    assert len(figure.axes[0].child_axes) == 3  # two tables of features and one of samples


def test_sheet_of_few_images():
    figure = plot_features(torch.ones(5, 4), torch.zeros(5, 3, 4, 4, dtype=torch.uint8), columns=12)
    assert [len(panel.images) for panel in figure.axes] == [1] * 20


def test_coordinate_that_is_on_for_just_enough_images():
    images = torch.zeros(37, 3, 4, 4, dtype=torch.uint8)
    assert rows_of(plot_features(active(12, n=37), images, columns=12), 12)[0] == ["z[0]"]


def result(p, mu, nonzero, probe):
    final = {"nonzero_fraction": nonzero, "expected_nonzero_fraction": 2 * nonzero}
    return {"config": {"p": p, "mu": mu}, "final": final | {"encoder_probe": probe, "projector_probe": probe / 2}}


RESULTS = [result(1.0, -1, 0.1, 0.5), result(2.0, 0, 0.4, 0.7), result(1.0, 0, 0.5, 0.6), result(0.5, 0, 0.3, 0.4)]


@pytest.mark.parametrize("plot", [plot_tradeoff, plot_sparsity])
@pytest.mark.parametrize("change", [{"dataset": "shapes"}, {"epochs": 10}, {"cifar_stem": True}, {"backbone": "x"}])
def test_one_figure_is_of_one_dataset_network_and_budget(plot, change):
    same = {"dataset": "cifar100", "epochs": 5, "cifar_stem": False, "backbone": "resnet18", "dim": 512}
    results = [result | {"config": result["config"] | same} for result in RESULTS]
    plot(results)
    results[2]["config"] |= change
    with pytest.raises(ValueError, match=f"must agree in {next(iter(change))}, got"):
        plot(results)


def test_training_figure_shows_the_weighted_terms_and_the_final_numbers():
    rows = [(30.0, 0.2, 0.2, 0.3), (12.5, 0.1, 0.08, 0.45)]
    names = ("loss", "invariance", "regularizer", "nonzero_fraction")
    epochs = [{"epoch": i + 1, "coordinate": 1 / (i + 1), **dict(zip(names, row))} for i, row in enumerate(rows)]
    accuracies = {"encoder_knn": 0.1, "encoder_probe": 0.2, "projector_knn": 0.3, "projector_probe": 0.4}
    figure = plot_training({
        "config": {"invariance_weight": 25.0, "regularizer_weight": 125.0, "coordinate_weight": 10.0}, "epochs": epochs,
        "final": {**accuracies, "expected_nonzero_fraction": 0.5},
    })  # fmt: skip
    loss, sparsity, accuracy = figure.axes
    lines = {line.get_label(): list(line.get_ydata()) for line in (*loss.lines, *sparsity.lines)}
    assert lines["total"] == [30, 12.5] and lines["invariance × weight"] == [5, 2.5]
    assert lines["coordinate loss × weight"] == [10, 5]
    assert lines["regularizer × weight"] == [25, 10] and lines["measured"] == [0.3, 0.45]
    assert lines["closed form (Eq. 11)"] == [0.5, 0.5]
    assert [bar.get_height() for bar in accuracy.patches] == [0.1, 0.2, 0.3, 0.4]


def test_tradeoff_shows_every_run_in_the_order_of_its_zeros():
    figure = plot_tradeoff(RESULTS, {4: ([0.2, 0.9], [0.6, 0.5])}, untrained=result(1.0, 0, 0.5, 0.25))
    *own, post = figure.axes
    assert [line.get_xydata().tolist() for line in post.lines] == [[[0.2, 0.6], [0.9, 0.5]]]
    assert post.lines[0].get_label() == "p = 4" and "ublished" in post.get_title()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["p = 0.5", "p = 1", "p = 2", "without training", "p = 4"]
    for panel, scale in zip(own, (1, 0.5), strict=True):
        lines = {line.get_label(): line.get_xydata().round(9).tolist() for line in panel.lines}
        assert lines == {
            "p = 0.5": [[0.7, 0.4 * scale]],
            "p = 1": [[0.5, 0.6 * scale], [0.9, 0.5 * scale]],
            "p = 2": [[0.6, 0.7 * scale]],
            "without training": [[0, 0.25 * scale], [1, 0.25 * scale]],
        }


SAME = {"dataset": "cifar100", "epochs": 5, "cifar_stem": False, "backbone": "resnet18", "dim": 512}


def runs(points, **options):
    """Results of p, μ, share of zeros, encoder probe and seed."""
    made = [(result(p, mu, 1 - zeros, probe), seed) for p, mu, zeros, probe, seed in points]
    return [one | {"config": one["config"] | SAME | options | {"seed": seed}} for one, seed in made]


def test_each_budget_of_a_tradeoff_has_its_look_and_its_name():
    quarter = {"epochs": 100, "channels": [16, 32, 64, 128], "cifar_stem": True, "stem_stride": 2}
    curves = runs([(1, -1, 0.8, 0.6, 0), (1, -2, 0.9, 0.5, 0), (1, 0, 0.5, 0.7, 0), (2, 0, 0.4, 0.6, 0)], **quarter)
    curves += runs([(2, 0, 0.0, 0.65, 0)], **quarter, regularizer="sigreg", rectify=False)
    full = runs([(1.0, mu, 0.7, 0.8, 0) for mu in (0, -1, -2)], epochs=100)
    full += runs([(1.0, 0, 0.3, 0.9, 0)], epochs=100, cifar_stem=True)
    behind = runs([(1.0, mu, 0.6 - mu / 10, 0.3, 0) for mu in (0, -1, -2)])
    figure = plot_tradeoff(curves, {2: ([0.2, 0.9], [0.6, 0.5])}, full=full, behind=behind, title="What is seen")
    assert figure.get_suptitle() == "What is seen"
    for panel, scale in zip(figure.axes, (1, 0.5)):
        lines = {line.get_label(): line for line in panel.lines}
        points = {name: line.get_xydata().round(9).tolist() for name, line in lines.items()}
        assert points == {
            "LeJEPA, 100 epochs, 1/4 of the width": [[0.05, 0.65 * scale]],
            "p = 1, 100 epochs, 1/4 of the width": [[0.5, 0.7 * scale], [0.8, 0.6 * scale], [0.9, 0.5 * scale]],
            "p = 2, 100 epochs, 1/4 of the width": [[0.4, 0.6 * scale]],
            "p = 1, 100 epochs": [[0.7, 0.8 * scale]] * 3,
            "p = 1, 100 epochs, 3×3 stem": [[0.3, 0.9 * scale]],
            "p = 1, 5 epochs": [[0.6, 0.3 * scale], [0.7, 0.3 * scale], [0.8, 0.3 * scale]],
        }
        joined = [name for name, line in lines.items() if line.get_linestyle() != "None"]
        assert joined == ["p = 1, 100 epochs, 1/4 of the width", "p = 1, 100 epochs", "p = 1, 5 epochs"]
        curve, large, faint = (lines[name] for name in joined)
        diamonds = lines["p = 1, 100 epochs, 3×3 stem"]
        assert diamonds.get_marker() != large.get_marker() and diamonds.get_markersize() > 1.5 * curve.get_markersize()
        assert large.get_markersize() > 1.5 * curve.get_markersize() > 1.5 * faint.get_markersize()
        assert curve.get_color() == large.get_color() == faint.get_color() and faint.get_alpha() < 0.5
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [*lines, "p = 2, published"]
    with pytest.raises(ValueError, match="must agree in dataset, got"):
        plot_tradeoff(curves, full=runs([(1.0, 0, 0.5, 0.6, 0)], dataset="shapes"))
    with pytest.raises(ValueError, match="must agree in epochs, got"):
        plot_tradeoff(curves, behind=[*full, *behind])
    with pytest.raises(ValueError, match="two networks at most, got 100 epochs; 100 epochs, 3×3 stem; 5 epochs"):
        plot_tradeoff(curves, full=[*full, *behind])


def test_seeds_of_a_setting_are_one_point_and_small_dots():
    three = runs([(1.0, 0, 0.5, 0.6, 0), (1.0, 0, 0.6, 0.7, 1), (1.0, -1, 0.8, 0.5, 0)])
    means, dots = plot_tradeoff(three).axes[0].lines
    assert means.get_xydata().round(9).tolist() == [[0.55, 0.65], [0.8, 0.5]] and means.get_linestyle() == "None"
    assert dots.get_xydata().round(9).tolist() == [[0.5, 0.6], [0.6, 0.7], [0.8, 0.5]]
    assert dots.get_marker() == "." and dots.get_label().startswith("_") and dots.get_color() == means.get_color()


def test_sparsity_shows_measured_against_predicted():
    (panel,) = plot_sparsity(RESULTS).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in panel.lines}
    assert lines.pop("Eq. 11")[1] == [1, 1]
    assert lines == {"p = 0.5": [[0.6, 0.3]], "p = 1": [[0.2, 0.1], [1.0, 0.5]], "p = 2": [[0.8, 0.4]]}


def test_means_are_named_where_they_decide_the_order():
    label = lambda results: plot_tradeoff(results).axes[0].get_xlabel()
    assert label(RESULTS) == "fraction of zeros in z\n(from left to right: μ = 0 to −1)"
    assert label(RESULTS[1:]) == "fraction of zeros in z"
    unrectified = RESULTS[0] | {"config": RESULTS[0]["config"] | {"rectify": False}}
    assert label([unrectified, *RESULTS[1:]]) == "fraction of zeros in z"


@pytest.mark.parametrize("plot", [plot_tradeoff, plot_sparsity])
def test_no_results(plot):
    with pytest.raises(ValueError, match="results must hold at least one"):
        plot([])


def test_sparsity_of_runs_that_no_share_is_asked_of():
    results = [RESULTS[0], RESULTS[1] | {"final": RESULTS[1]["final"] | {"expected_nonzero_fraction": None}}]
    with pytest.raises(ValueError, match="must all have a rectified target"):
        plot_sparsity(results)


def test_a_collapsed_run_stands_at_the_end_of_the_axis():
    sparsity, tradeoff = (
        plot_sparsity([result(1.0, 0, 0.5, 0.6), result(1.0, -3, 0.0, 0.1)]),
        plot_tradeoff([result(1.0, 0, 0.5, 0.6), result(1.0, -3, 0.0, 0.1), result(1.0, 9, 1.0, 0.7)]),
    )
    assert sparsity.axes[0].lines[1].get_ydata().min() == 3e-4
    assert tradeoff.axes[0].lines[0].get_xydata().tolist() == [[0.05, 0.7], [0.5, 0.6], [0.9999, 0.1]]


def test_front_page_shows_the_full_runs_beside_what_they_were_asked_for():
    figure = Figure()
    load_script("overview").draw_sparsity(figure)
    measured, asked = figure.axes[0].lines[::2], figure.axes[0].lines[1::2]
    assert [len(line.get_ydata()) for line in measured] == [100, 100]  # epochs
    shares = [0.5, 0.5 * math.exp(-math.sqrt(2))]  # Eq. 11 at p = 1
    assert [line.get_ydata()[0] for line in asked] == pytest.approx(shares)
    assert [line.get_ydata()[-1] for line in measured] == pytest.approx(shares, abs=0.06)
    assert [text.get_text() for text in figure.axes[0].texts] == ["μ = 0", "μ = −1"]


@pytest.mark.parametrize("reader", [True, False])
def test_live_figure_is_live_at_once_and_a_picture_where_nobody_turns_it(monkeypatch, reader):
    """JupyterLab would show a picture in the same output until the mouse enters."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, **_: shown.append(bundle))
    monkeypatch.setattr("rlpjepa.figures.has_reader", lambda: reader)
    show_live(go.Figure(), plt.figure(), "a plane")
    assert ("image/png" in shown[0]) != reader and "application/vnd.plotly.v1+json" in shown[0]
