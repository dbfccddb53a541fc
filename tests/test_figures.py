"""What the figures show: their data, read back from matplotlib."""

import pytest
import torch

from rlpjepa.figures import plot_features, plot_sparsity, plot_tradeoff


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


def test_coordinate_that_is_on_for_just_enough_images():
    images = torch.zeros(37, 3, 4, 4, dtype=torch.uint8)
    assert rows_of(plot_features(active(12, n=37), images, columns=12), 12)[0] == ["z[0]"]


def result(p, mu, nonzero, probe):
    final = {"nonzero_fraction": nonzero, "expected_nonzero_fraction": 2 * nonzero}
    return {"config": {"p": p, "mu": mu}, "final": final | {"encoder_probe": probe, "projector_probe": probe / 2}}


RESULTS = [result(1.0, -1, 0.1, 0.5), result(2.0, 0, 0.4, 0.7), result(1.0, 0, 0.5, 0.6), result(0.5, 0, 0.3, 0.4)]


def test_tradeoff_shows_every_run_in_the_order_of_its_zeros():
    figure = plot_tradeoff(RESULTS, [("post", [0.2, 0.9], [0.6, 0.5])])
    for panel, scale in zip(figure.axes, (1, 0.5), strict=True):
        lines = {line.get_label(): line.get_xydata().round(9).tolist() for line in panel.lines}
        assert lines == {
            "p = 0.5": [[0.7, 0.4 * scale]],
            "p = 1": [[0.5, 0.6 * scale], [0.9, 0.5 * scale]],
            "p = 2": [[0.6, 0.7 * scale]],
            "post": [[0.2, 0.6], [0.9, 0.5]],
        }


def test_sparsity_shows_measured_against_predicted():
    (panel,) = plot_sparsity(RESULTS).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in panel.lines}
    assert lines.pop("Eq. 11")[1] == [1, 1]
    assert lines == {"p = 0.5": [[0.6, 0.3]], "p = 1": [[0.2, 0.1], [1.0, 0.5]], "p = 2": [[0.8, 0.4]]}
