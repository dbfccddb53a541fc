"""Draws the README's picture, docs/overview.png: ``python docs/overview.py``."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from rlpjepa import make_shapes, two_views
from rlpjepa.figures import COLORS, style

ROOT = Path(__file__).parents[1]


def main():
    with style():
        figure = plt.figure(figsize=(11, 3.4))
        left, middle, right = figure.subfigures(1, 3, width_ratios=(1.05, 1, 1.25))
        draw_rectification(left)
        draw_views(middle)
        draw_sparsity(right)
        figure.savefig(ROOT / "docs" / "overview.png", dpi=120)


def draw_rectification(part):
    points = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    panel = part.subplots()
    panel.scatter(*points.T, s=7, color=COLORS["gaussian"], alpha=0.35, label="Gaussian")
    panel.scatter(*points.relu().T, s=7, color=COLORS["rectified"], label="rectified")
    panel.set(
        xlim=(-3.5, 3.5), ylim=(-3.5, 3.5), aspect="equal", xlabel="$z_1$", ylabel="$z_2$", title="Rectify the target …"
    )
    panel.legend(loc="lower right", borderpad=0.2, handletextpad=0.1, frameon=True, edgecolor="none", framealpha=0.95)


def draw_views(part):
    data = make_shapes(200, 60)
    images = data.train_images[[4, 1, 9, 17]]
    views = two_views(images, generator=torch.Generator().manual_seed(4))
    panels = part.subplots(4, 3, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    for panel, name in zip(panels[0], ("image", "view 1", "view 2")):
        panel.set_title(name, fontsize=10)
    for row, pictures in zip(panels, zip(images, *views)):
        for panel, picture in zip(row, pictures):
            panel.imshow(picture.permute(1, 2, 0))
            panel.axis("off")
    part.suptitle("… let two views of an image agree …", fontsize=11)


def draw_sparsity(part):
    panel = part.subplots()
    for mu in (0, -1):
        path = ROOT / f"notebooks/results/cifar100/rdmreg_p1_mu{mu}_100epochs_seed0.json"
        result = json.loads(path.read_text(encoding="utf-8"))
        shares = [epoch["nonzero_fraction"] for epoch in result["epochs"]]
        (line,) = panel.plot(range(1, len(shares) + 1), shares, color=COLORS["measurement"])
        asked = panel.axhline(result["final"]["expected_nonzero_fraction"], color=COLORS["theory"], linestyle="--")
        panel.text(len(shares), shares[-1] + 0.03, f"μ = {mu}".replace("-", "−"), ha="right")
    panel.set(
        xlabel="epoch", ylabel="non-zero share of the features", ylim=(0, 1), title="… and get about what was asked for"
    )
    panel.legend([line, asked], ["measured, CIFAR-100", "asked (Eq. 11)"], loc="upper right")


if __name__ == "__main__":
    main()
