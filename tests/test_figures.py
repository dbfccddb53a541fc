"""What the figures show: their data, read back from matplotlib."""

import pytest
import torch

from rlpjepa.figures import plot_features, plot_sparsity, plot_tradeoff, plot_training


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


def test_full_runs_are_large_points_beside_the_curves_and_named():
    same = {"dataset": "cifar100", "epochs": 5, "cifar_stem": False, "backbone": "resnet18", "dim": 512}
    short = [one | {"config": one["config"] | same} for one in RESULTS[:3]]
    full = [one | {"config": one["config"] | same | {"epochs": 100}} for one in (result(1.0, -1, 0.2, 0.8),) * 2]
    figure = plot_tradeoff(short, {2: ([0.2, 0.9], [0.6, 0.5])}, full=full)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["p = 1, 5 epochs", "p = 2, 5 epochs", "p = 1, 100 epochs", "p = 2, published"]
    for panel, scale in zip(figure.axes, (1, 0.5)):
        curve, _, *points = panel.lines
        assert curve.get_xydata().round(9).tolist() == [[0.5, 0.6 * scale], [0.9, 0.5 * scale]]
        for point in points:
            assert point.get_xydata().round(9).tolist() == [[0.8, 0.8 * scale]]
            assert point.get_markersize() > 1.5 * curve.get_markersize() and point.get_color() == curve.get_color()
        assert len(points) == 2
    for change in ({"dataset": "shapes"}, {"dim": 256}, {"backbone": "x"}, {"cifar_stem": True}):
        other = full[0] | {"config": full[0]["config"] | change}
        with pytest.raises(ValueError, match=f"must agree in {next(iter(change))}, got"):
            plot_tradeoff(short, full=[other])


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
