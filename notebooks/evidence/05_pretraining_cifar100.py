# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,jupyter,collapsed,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · Pretraining on CIFAR-100: the evidence
#
# Each claim of the [lesson](../05_pretraining_cifar100.ipynb), tested on the recorded runs in `notebooks/results`; the
# cell below a claim stops this notebook when the test fails. Beside them stand the tables behind the lesson's figures and
# what it left out: what was only explored, what differs from published runs, whether a run can be judged without labels.
# Nothing is trained here.
#
# A seed does not fix these numbers on every machine: rounding differs with threads and versions, and training magnifies it.
# The runs on `shapes` were made by `python -m rlpjepa.pretrain --sweep notebooks/results/shapes/sweep.toml`, run from the
# root of the repository. (A sweep skips what is done. To make the runs anew, copy `sweep.toml`, under another name, to an
# empty folder and name that copy.) A coordinate is *dead* when it is on for fewer than 1 in 1000 test images.

# %% tags=["install"]
# In a clone of the series this cell does nothing. In Colab and the like it fetches the series and installs it.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = ""  # owner/name on GitHub
here = any((folder / "notebooks" / "claims.toml").exists() for folder in (Path.cwd(), *Path.cwd().parents))
if not (importlib.util.find_spec("rlpjepa") and here):
    assert REPOSITORY, "rlpjepa or the folder of the series is missing here: start JupyterLab with `make lab`"
    if not os.path.isdir("series"):
        subprocess.run(["git", "clone", "--depth=1", f"https://github.com/{REPOSITORY}.git", "series"], check=True)
    os.chdir("series/notebooks")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "..[colab]"], check=True)

# %%
import json
import math
import statistics
from pathlib import Path

import matplotlib.pyplot as plt
import numpy
import torch
from scipy import stats

from rlpjepa import (
    GeneralizedGaussian,
    objective,
    random_directions,
    rdmreg_loss,
    sample_rgg,
    unit_variance_scale,
)
from rlpjepa.figures import COLORS, STYLE, plot_sparsity, plot_tradeoff, series_root, show

RESULTS = series_root() / "notebooks" / "results"
torch.set_num_threads(1)
plt.rcParams.update(STYLE)


def read_results(folder):
    """{name: content} of the result files in a folder."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(folder).glob("*.json"))}


def print_table(results, rows):
    """One line for each result: encoder accuracies, share of non-zero entries beside Eq. 11, dead coordinates."""
    print(f"{'':44}{'kNN':>6}{'probe':>7}{'non-zero':>10}{'Eq. 11':>8}{'dead':>6}")
    for label, name in rows.items():
        final = results[name]["final"]
        expected = final["expected_nonzero_fraction"] if results[name]["epochs"] else None  # untrained: no target
        print(
            f"{label:44}{final['encoder_knn']:6.3f}{final['encoder_probe']:7.3f}{final['nonzero_fraction']:10.3f}"
            f"{'' if expected is None else format(expected, '.3f'):>8}{final['dead_fraction']:6.2f}"
        )


shapes, real = read_results(RESULTS / "shapes"), read_results(RESULTS / "cifar100")

# %% [markdown]
# ## The objective, by hand
#
# The module's objective and its RDMReg against Eq. 13 to 15, written out here:

# %%
generator = torch.Generator().manual_seed(0)
z = torch.randn(2, 64, 256, generator=generator).relu()  # (2, B, D)
target = sample_rgg(z.shape[1:], mu=-1.0, generator=generator)  # (B, D)
directions = random_directions(256, 256, generator=generator)  # (N, D)
invariance = ((z[0] - z[1]) ** 2).mean()
wanted = (target @ directions.T).sort(dim=0).values  # (B, N), every column in rising order
regularizer = sum((((view @ directions.T).sort(dim=0).values - wanted) ** 2).mean() for view in z) / 2
by_hand = 25 * invariance + 125 * regularizer
parts = objective(z, rdmreg_loss(z, target, directions=directions))
difference = abs(parts["loss"] - by_hand) / by_hand
print(f"the module's objective agrees: {difference < 1e-5}")
assert difference < 1e-5

# %% [markdown]
# Three details in which the sources differ, and what is done here. The post writes $\lVert z - z' \rVert_2$, the
# minimal example takes the *mean of the squares* over batch and coordinates; the weight 25 belongs to that mean. Eq. 15
# *adds* the two views' regularizers, the minimal example and this module take their *mean*, to which the weight 125
# belongs. And both views share one target sample and one set of directions, which is cheaper.
#
# ## What each part is for
#
# ### F1
#
# Trained with weight 25 on the mean squared difference between two views and weight 125 on the mean of
# their RDMReg losses, the network does not collapse: its features classify better than those of the untrained network
# and than those of a network trained on invariance alone.

# %% tags=["claim-F1"]
print_table(
    shapes,
    {
        "raw pixels": "pixels",
        "random encoder": "random_seed0",
        "invariance alone (weight 25)": "invariance_seed0",
        "invariance 25, RDMReg 62.5": "rdmreg_p1_mu0_weight62_seed0",
        "invariance 25, RDMReg 125": "rdmreg_p1_mu0_seed0",
        "invariance 25, RDMReg 250": "rdmreg_p1_mu0_weight250_seed0",
    },
)
worth = {name: result["final"]["encoder_knn"] for name, result in shapes.items()}
trained_runs = [worth[name] for name in worth if name.startswith("rdmreg_p1_mu0_")]
baseline = max(worth["random_seed0"], worth["invariance_seed0"])
print(f"every weight of RDMReg beats both by 10 points: {min(trained_runs) > baseline + 0.1}")
alone = shapes["invariance_seed0"]["final"]["nonzero_fraction"]
print(
    f"invariance alone: share {alone}, encoder no better than untrained: {worth['invariance_seed0'] <= worth['random_seed0']}"
)
assert min(trained_runs) > baseline + 0.1 and alone == 0 and worth["invariance_seed0"] <= worth["random_seed0"]

# %% [markdown]
# ### F4
#
# Without rectification the target $\mathcal{GN}_p(0, \sigma)$ makes LpJEPA, and at $p = 2$, $\sigma = 1$ it is
# $\mathcal{N}(0, I_D)$, the target of LeJEPA. LeJEPA itself matches that target by SIGReg in place of RDMReg; the same
# training run takes either.

# %% tags=["claim-F4"]
family = {
    "Rectified LpJEPA, p = 1": "rdmreg_p1_mu0_seed0",
    "Rectified LpJEPA, p = 2": "rdmreg_p2_mu0_seed0",
    "LpJEPA, p = 1": "lpjepa_p1_seed0",
    "LpJEPA, p = 2 (LeJEPA's target, by RDMReg)": "lpjepa_p2_seed0",
    "LeJEPA (that target, by SIGReg, weight 250)": "lejepa_seed0",
}
print_table(shapes, family)
value = torch.linspace(-4, 4, 9)
same = torch.allclose(
    GeneralizedGaussian(0.0, unit_variance_scale(2.0), 2.0).log_prob(value),
    torch.distributions.Normal(0, 1).log_prob(value),
)
print(f"GN_2 with unit variance is the normal distribution: {same}")
dense = [shapes[name]["final"]["nonzero_fraction"] for name in list(family.values())[2:]]
print(
    f"all train: {all(worth[name] > baseline + 0.1 for name in family.values())}; unrectified, no entry is 0: {dense}"
)
z = torch.from_numpy(numpy.load(RESULTS / "shapes" / "lejepa_seed1_z.npz")["z"]).float()  # control: cut at 0
print(f"control: of LeJEPA's z, cut at zero, {(z.relu() != 0).float().mean():.2f} are not zero")
assert same and all(worth[name] > baseline + 0.1 for name in family.values()) and min(dense) == 1
assert (z != 0).all() and 0.4 < (z.relu() != 0).float().mean() < 0.6

# %% [markdown]
# ### F6
#
# Neither ReLU nor target alone accounts for the zeros: a rectified target without the ReLU leaves no entry exactly
# zero, and with the ReLU kept an unrectified target leads to another fraction of zeros than the rectified one.

# %% tags=["claim-F6"]
halves = {
    "ReLU, rectified target": "rdmreg_p1_mu0_seed0",
    "no ReLU, rectified target": "no_relu_rectified_target_seed0",
    "ReLU, unrectified target": "relu_unrectified_target_seed0",
}
print_table(shapes, halves)
both, target_only, relu_only = (shapes[name]["final"]["nonzero_fraction"] for name in halves.values())
print(f"without the ReLU no entry is zero: {target_only == 1}; ", end="")
print(f"with the ReLU alone the share is {abs(relu_only - 0.5):.2f} away from one half")
assert target_only == 1 > max(relu_only, both) and abs(relu_only - 0.5) > 2 * abs(both - 0.5)

# %% [markdown]
# ## One number sets the share
#
# ### F2
#
# Over a sweep of $\mu$, the fraction of non-zero entries in the projector's output rises with $\mu$ and lies near the
# closed form $\Phi_p(\mu/\sigma)$ of Eq. 11, where $\Phi_p$ is the distribution function of $\mathcal{GN}_p(0, 1)$.

# %% tags=["claim-F2"]
sweep = {(p, mu): shapes[f"rdmreg_p{p}_mu{mu}_seed0"] for p in (1, 2) for mu in (-3, -2, -1, 0, 1)}
for p in (1, 2):
    finals = [sweep[p, mu]["final"] for mu in (-3, -2, -1, 0, 1)]
    measured = [final["nonzero_fraction"] for final in finals]
    rising = all(a < b for a, b in zip(measured, measured[1:]))
    expected = [final["expected_nonzero_fraction"] for final in finals]
    gap = max(abs(a - b) for a, b in zip(measured, expected))
    ratios = [a / b for a, b in zip(measured, expected)]
    print(f"p = {p}: rises with mu: {rising}; largest gap to Eq. 11: {gap:.3f}; ", end="")
    print(f"measured by predicted: {min(ratios):.2f} to {max(ratios):.2f}")
    assert rising and gap < 0.1
    assert all(1 / 1.6 < ratio < 1.6 for ratio, share in zip(ratios, expected) if share > 1 / 500)

# %% [markdown]
# Both limits were set after the runs were seen, and the factor leaves out the one run where fewer than 1 in 500 entries are
# to be non-zero. It reaches less than half of its share.
#
# ### What zeros cost on shapes
#
# At the sparse end one has to compare at equal sparsity and not at equal $\mu$.

# %%
show(
    plot_tradeoff(list(sweep.values()), untrained=shapes["random_seed0"]),
    alt="Probe accuracy against the fraction of zeros on shapes. Encoder: nearly level up to eight tenths of zeros, for p = 1 "
    "up to 96 percent, then falling, for p = 2 below the untrained network. Projector: lower, and falling throughout; "
    "the last point of p = 1 and the last two of p = 2 are below the untrained network.",
)
mild = [sweep[p, mu]["final"]["encoder_probe"] for p in (1, 2) for mu in (-1, 0, 1)]
one, two = sweep[1, -3]["final"], sweep[2, -2]["final"]
print(f"encoder probe, mu from -1 to 1: {min(mild):.3f} to {max(mild):.3f}")
print(f"p = 1, mu = -3: probe {one['encoder_probe']:.3f} with {1 - one['nonzero_fraction']:.1%} zeros; ", end="")
print(f"p = 2, mu = -2: {two['encoder_probe']:.3f} with {1 - two['nonzero_fraction']:.1%}")
print(f"without training: encoder {shapes['random_seed0']['final']['encoder_probe']:.3f}, ", end="")
print(f"projector {shapes['random_seed0']['final']['projector_probe']:.3f}")
ends = {p: [sweep[p, mu]["final"]["projector_probe"] for mu in (1, -3)] for p in (1, 2)}
print("projector probe, mu = 1 and -3: " + "; ".join(f"p = {p}: {a:.3f} and {b:.3f}" for p, (a, b) in ends.items()))
assert max(mild) - min(mild) < 0.1 and one["nonzero_fraction"] < two["nonzero_fraction"]
assert one["encoder_probe"] > two["encoder_probe"] + 0.05

# %% [markdown]
# There $p = 1$, $\mu = -3$, although sparser, keeps more than $p = 2$, $\mu = -2$, whose encoder is worth no more to the
# probe than an untrained one (one seed each).
#
# The encoder, whose zeros no loss counts, loses little at first. The vector whose zeros are counted, $z$, pays at once: its probe falls with every step of $\mu$. The last point of $p = 1$ and the last two of $p = 2$ lie below an
# untrained $z$.

# %% [markdown]
# ## CIFAR-100
#
# The recorded runs but for those with a 3×3 stem, which the lesson prints. Ten epochs were planned for every run of the sweeps. They have five, which is
# what two CPU cores allowed (`python -m rlpjepa.pretrain --sweep notebooks/results/cifar100/cpu.toml`).

# %%
names = {
    "raw pixels": "pixels",
    "random encoder": "random_seed0",
    "invariance alone, 5 epochs": "invariance_5epochs_seed0",
    "LeJEPA (N(0, I) by SIGReg), 5 epochs": "lejepa_5epochs_seed0",
    "LpJEPA (p = 1, no rectification), 5 epochs": "lpjepa_p1_5epochs_seed0",
    "p = 1, mu = 0, 100 epochs": "rdmreg_p1_mu0_100epochs_seed0",
    "p = 1, mu = -1, 100 epochs": "rdmreg_p1_mu-1_100epochs_seed0",
    "p = 1, mu = 0, 10 epochs": "rdmreg_p1_mu0_10epochs_seed0",
}
sweep = {
    f"p = {p}, mu = {mu}, 5 epochs": f"rdmreg_p{p}_mu{mu}_5epochs_seed0" for p in (1, 2) for mu in (1, 0, -1, -2, -3)
}
print_table(real, names | sweep)
same = [real[f"rdmreg_p1_mu0_5epochs_seed{seed}"]["final"] for seed in range(3)]
for key in ("encoder_knn", "encoder_probe"):
    values = [final[key] for final in same]
    print(f"p = 1, mu = 0, 5 epochs, three seeds: {key} {statistics.mean(values):.3f}, ", end="")
    print(f"standard deviation {statistics.stdev(values):.3f}")

# %% [markdown]
# As on `shapes`, invariance alone ends with $z = 0$ for every image, and its encoder is worth about what the untrained one
# is. LeJEPA and LpJEPA, whose $z$ has no zeros, have after five epochs about the encoder accuracies of $p = 1$ and
# $p = 2$ at $\mu = 0$, where half of the entries of $z$ are zero. (The $p = 1$ of the table is the weakest of its three
# seeds on the probe.) After ten epochs raw pixels are still worth more to the nearest neighbours. After a hundred they are
# not, by either measure:

# %%
pixel = real["pixels"]["final"]
for mu in (0, -1):
    run = real[f"rdmreg_p1_mu{mu}_100epochs_seed0"]
    end = run["final"]
    print(f"mu = {mu}, 100 epochs, minus raw pixels: kNN {end['encoder_knn'] - pixel['encoder_knn']:+.3f}, ", end="")
    print(f"probe {end['encoder_probe'] - pixel['encoder_probe']:+.3f}")
    shares = ", ".join(f"{run['epochs'][epoch - 1]['nonzero_fraction']:.3f}" for epoch in (2, 10, 50, 100))
    print(f"  non-zero share of training views in epochs 2, 10, 50, 100: {shares}; ", end="")
    print(f"asked {end['expected_nonzero_fraction']:.3f}")
    kept = end["histogram"]
    edges = torch.tensor(kept["edges"])
    middle = (edges[1:] + edges[:-1]) / 2
    learned, asked = ((torch.tensor(kept[name]) * middle).sum() / sum(kept[name]) for name in ("density", "target"))
    print(f"  mean of the non-zero entries {learned:.2f}, of the target's {asked:.2f}")
    print(f"  {end['seconds'] / 60:.0f} minutes; " + "{hardware}, {precision}, {date}".format(**run["provenance"]))
    assert end["encoder_knn"] > pixel["encoder_knn"] and end["encoder_probe"] > pixel["encoder_probe"]

# %% [markdown]
# The share of non-zero entries creeps up over the run.
#
# The long runs come from two kinds of device: CPU cores, and a GPU where a step is one CUDA graph. They draw other random
# numbers from the same seed, so their results differ as those of two seeds do. Two settings were run on both (the first on
# the CPU by older code, with one order of the colour changes for a batch):

# %%
twice = {
    "ResNet-18, p = 1, mu = 0": ("cifar100/rdmreg_p1_mu0_100epochs_seed0", "repeats/rdmreg_p1_mu0_100epochs_seed0_h100"),
    "a quarter of it, p = 2, mu = -1": (
        "repeats/quarter_rdmreg_p2_mu-1_100epochs_seed0_cpu", "cifar100/quarter_rdmreg_p2_mu-1_100epochs_seed0",
    ),
}  # fmt: skip
keys = ("encoder_knn", "encoder_probe", "projector_knn", "projector_probe", "nonzero_fraction")
print(
    f"{'CPU, GPU':34}" + "".join(f"{key.replace('nonzero_fraction', 'not zero').replace('_', ' '):>16}" for key in keys)
)
for label, pair in twice.items():
    cpu, gpu = (json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in pair)
    assert "NVIDIA" in gpu["provenance"]["hardware"] and "NVIDIA" not in cpu["provenance"]["hardware"]
    print(f"{label:34}" + "".join(f"{cpu['final'][key]:9.3f}, {gpu['final'][key]:.3f}" for key in keys))
    assert all(abs(cpu["final"][key] - gpu["final"][key]) < 0.015 for key in keys)

# %% [markdown]
# And is the share the predicted one in the sweep, within a factor of two?

# %%
five = {(p, mu): real[f"rdmreg_p{p}_mu{mu}_5epochs_seed0"] for p in (1, 2) for mu in (-3, -2, -1, 0, 1)}
finals5 = [result["final"] for result in five.values()]
ratios = [final["nonzero_fraction"] / final["expected_nonzero_fraction"] for final in finals5]
print(f"measured by predicted share: {min(ratios):.2f} to {max(ratios):.2f}")
show(
    plot_sparsity(list(five.values())),
    alt="Measured against predicted share of non-zero entries on CIFAR-100, on log axes: the points lie on the diagonal or "
    "near it.",
)
assert 0.5 < min(ratios) and max(ratios) < 2

# %% [markdown]
# ### Before comparing with published numbers
#
# Look at what differs:
#
# | | post | paper, tables | minimal example | here |
# | --- | --- | --- | --- | --- |
# | network | "ResNet or ViT" | ResNet-18, 3×3 stem padded by two pixels | ResNet-18 of timm, 7×7 stem | as the minimal example; a 3×3 stem padded by one in the runs named `stem_…`, and with stride 2 and a quarter of the width in those named `quarter_…` |
# | epochs | not said | 1000 | 100 | 5 in the sweeps, 10 in one run, 100 in the long runs |
# | optimizer | not said | LARS, rate 0.03, ten epochs of warm-up, cosine; biases and norms without weight decay | AdamW, constant rate 0.001 | as the minimal example (`paper.toml` has the other) |
# | batch, $D$ | not said | 256, 512 | 256, 512 | as the minimal example |
# | random directions a step | not said | 8192 | 256 | as the minimal example (`paper.toml` has the other) |
# | crops | not said | from 20 % of the area | from 8 % | as the minimal example (`paper.toml` has the other) |
# | interpolation of the crops | not said | bicubic | bilinear | as the minimal example (`paper.toml` has the other) |
# | colours | not said | jitter for 80 % of the views, grey for 20 %, solarized for 10 % | jitter for all | as the minimal example (`paper.toml` has the other) |
# | the views' two regularizers | added, weights not said | their mean; weights 25 and 250 | their mean; weights 25 and 125 | as the minimal example (`paper.toml` has the other) |
# | order of the colour changes | not said | another for each image | another for each image | as the minimal example (one for a batch in the runs of five and ten epochs, and in the two of 100 on CPU cores with the 7×7 stem) |
# | what BatchNorm averages over | not said | one view at a time | one view at a time | both views together |
# | arithmetic | not said | float16 with a gradient scaler | float16 with a gradient scaler | bfloat16 where the processor is fast in it, else float32; the losses in float32, and, but for the two long runs on CPU cores with the 7×7 stem, the projector's last layer |
# | how accuracy is measured | not said, nor whether of encoder or projector | most likely an online probe: a linear layer that learns beside the network, on features without gradients | not at all | kNN, and logistic regression to convergence (`paper.toml` reports an online probe too) |
#
# The column of the paper follows the configuration in the authors' repository, and the defaults of solo-learn, on which
# it is built. `notebooks/results/cifar100/paper.toml` is that recipe. "The minimal example" is the
# first one that the authors published; the one that stands there since (commit 5ae61ab) is close to the paper's column.

# %% [markdown]
# ### F3
#
# On CIFAR-100, the encoder's accuracy falls slowly as the fraction of zeros in the projector's output grows, and
# steeply where almost all entries are zero; in the post's figure $p = 1$ then keeps more accuracy than $p = 2$.

# %% tags=["claim-F3"]
zeros = {pair: 1 - result["final"]["nonzero_fraction"] for pair, result in five.items()}
published = json.loads((RESULTS / "published" / "tradeoff.json").read_text(encoding="utf-8"))["curves"]
curves = {p: (published[f"p = {p}"]["zeros"], published[f"p = {p}"]["accuracy"]) for p in (1, 2)}
probe = {pair: result["final"]["encoder_probe"] for pair, result in five.items()}
mild = [probe[p, mu] for p, mu in probe if zeros[p, mu] < 0.985]
print(f"up to 98 % of zeros: probe {min(mild):.3f} to {max(mild):.3f}; ", end="")
apart = [probe[1, mu] - probe[2, mu] for mu in (1, 0, -1, -2)]
print("p = 1 minus p = 2 at mu = 1, 0, -1, -2: " + ", ".join(f"{difference:+.3f}" for difference in apart))
spread = math.sqrt(2) * statistics.stdev(final["encoder_probe"] for final in same)
print(f"standard deviation of such a difference, from the three seeds at p = 1, mu = 0: {spread:.3f}")
for p, mu in ((1, -2), (2, -2), (1, -3), (2, -3)):
    dead = five[p, mu]["final"]["dead_fraction"]
    print(f"p = {p}, mu = {mu}: probe {probe[p, mu]:.3f} with {zeros[p, mu]:.2%} zeros, dead coordinates {dead:.2f}")
post = {p: dict(zip(*curve)) for p, curve in curves.items()}
print(f"post: p = 1 {post[1][0.97]:.3f} with 97.0% zeros, p = 2 {post[2][0.972]:.3f} with 97.2%")
assert max(mild) - min(mild) < 0.03 and probe[2, -3] < min(mild) - 0.1 and probe[1, -3] > 1.5 * probe[2, -3]
assert post[1][0.97] > post[2][0.972] + 0.1
lost = {
    kind: 1 - five[1, -2]["final"][kind] / five[1, 0]["final"][kind] for kind in ("encoder_probe", "projector_probe")
}
print(
    "p = 1, mu = 0 to -2, share of the probe lost: encoder {encoder_probe:.0%}, z {projector_probe:.0%}".format(**lost)
)
assert lost["projector_probe"] > lost["encoder_probe"] + 0.1
long = {name: run["final"] for name, run in real.items() if name.startswith("quarter_rdmreg")}
last = long.pop("quarter_rdmreg_p2_mu-3_100epochs_seed0")
mild = [final["encoder_probe"] for final in long.values()]
most = max(1 - final["nonzero_fraction"] for final in long.values())
print(
    f"100 epochs, a quarter of the width, {len(mild)} runs up to {most:.1%} of zeros: probe {min(mild):.3f} to {max(mild):.3f}"
)
print(f"  p = 2, mu = -3: {last['encoder_probe']:.3f} with {1 - last['nonzero_fraction']:.1%} zeros, ", end="")
print(f"dead coordinates {last['dead_fraction']:.2f}")
assert max(mild) - min(mild) < 0.03 and last["encoder_probe"] < min(mild) - 0.05

# %% [markdown]
# ## Do all coordinates take part?
#
# ### F5
#
# With random directions alone, the mean non-zero fraction can be near Eq. 11 while many coordinates are dead (non-zero
# on fewer than 1 in 1000 test images). The marginal of the target in each coordinate has known quantiles, those of RGG;
# adding $\alpha$ times the mean squared distance between each coordinate's sorted values and these quantiles to RDMReg
# lowers the fraction of dead coordinates, even below that of a run with more non-zero entries.


# %% tags=["claim-F5"]
def finals(name, key, seeds=(0, 1, 2)):
    """Final numbers of the runs with one setting: (seeds,)."""
    return torch.tensor([real[f"{name}_5epochs_seed{seed}"]["final"][key] for seed in seeds])


settings = {
    "mu = -2, alone": "rdmreg_p1_mu-2",
    "mu = -1.62, alone (control)": "rdmreg_p1_mu-1.62",
    "mu = -2 and quantiles, alpha = 0.1": "rdmreg_p1_mu-2_alpha0.1",
}
rows = {f"{label}, seed {seed}": f"{name}_5epochs_seed{seed}" for label, name in settings.items() for seed in range(3)}
others = {
    "mu = -2 and quantiles, alpha = 1, seed 0": "rdmreg_p1_mu-2_alpha1_5epochs_seed0",
    "mu = -2 and quantiles, alpha = 1, seed 1": "rdmreg_p1_mu-2_alpha1_5epochs_seed1",
    "mu = -2, directions over 64 coordinates": "rdmreg_p1_mu-2_k64_5epochs_seed0",
    "mu = -2, one-sample loss, weight 3.64": "rggcf_p1_mu-2_5epochs_seed0",
}
print_table(real, rows | others)

shares = [finals(name, "nonzero_fraction").mean().item() for name in settings.values()]
way = math.log(shares[2] / shares[0]) / math.log(shares[1] / shares[0])  # 0: as mu = -2 alone, 1: as the control
print(f"\nshares {', '.join(f'{share:.4f}' for share in shares)}: alpha = 0.1 is {way:.0%} of the way to the control")
print("alpha = 0.1 minus others, means of three seeds (in brackets the standard error, the line taken as exact)")
print(f"{'':15}{'mu = -2 alone':>17}{'the control':>17}{'equal sparsity':>17}   the last by chance")
for key in ("dead_fraction", "encoder_knn", "encoder_probe", "projector_knn", "projector_probe"):
    values = torch.stack([finals(name, key) for name in settings.values()])  # (setting, seed)
    alone, control, some = values.mean(dim=1).tolist()
    error = math.sqrt(values.var(dim=1).mean().item() / 3)  # of one setting's mean
    line = alone + way * (control - alone)
    two, three = error * math.sqrt(2), error * math.sqrt(1 + (1 - way) ** 2 + way**2)  # of the differences
    chance = 2 * stats.t.sf(abs(some - line) / three, 6)  # three settings, each with three seeds, gave the error
    pairs = ((alone, two), (control, two), (line, three))
    print(f"{key:15}" + "".join(f"{some - other:+9.3f} ({size:.3f})" for other, size in pairs) + f"{chance:12.1%}")
    if key == "dead_fraction":
        assert 0 < way < 1 and some < alone / 2 and some < line - 4 * three and some < control

print("\nshare of images for which a coordinate is on that is not dead")
for label, name in (*settings.items(), ("mu = -2 and quantiles, alpha = 1", "rdmreg_p1_mu-2_alpha1")):
    seeds = (0, 1) if label.endswith("= 1") else (0, 1, 2)
    on = finals(name, "nonzero_fraction", seeds) / (1 - finals(name, "dead_fraction", seeds))
    print(f"{label:36}{on.mean():.3f}")

# %% [markdown]
# The comparison *at equal sparsity* is with a line between the two settings without quantiles, over the logarithm of the
# share. As a picture:

# %% jupyter={"source_hidden": true} tags=["draw"]
looks = {
    "random directions alone, μ = −2": ("rdmreg_p1_mu-2", (0, 1, 2), {"color": COLORS["measurement"], "marker": "o"}),
    "the same, μ = −1.62 (control)": ("rdmreg_p1_mu-1.62", (0, 1, 2), {"color": COLORS["measurement"], "marker": "D"}),
    "and quantiles, α = 0.1": ("rdmreg_p1_mu-2_alpha0.1", (0, 1, 2), {"color": COLORS["rectified"], "marker": "s"}),
    "and quantiles, α = 1": ("rdmreg_p1_mu-2_alpha1", (0, 1), {"color": COLORS["gaussian"], "marker": "^"}),
    "directions over 64 coordinates": ("rdmreg_p1_mu-2_k64", (0,), {"color": COLORS["muted"], "marker": "v"}),
}
figure, panels = plt.subplots(1, 2, figsize=(10.5, 4.2))
for panel, key in zip(panels, ("dead_fraction", "encoder_probe")):
    for label, (name, seeds, look) in looks.items():
        panel.plot(finals(name, "nonzero_fraction", seeds), finals(name, key, seeds), linestyle="", label=label, **look)
    ends = [finals(name, key).mean() for name in list(settings.values())[:2]]
    panel.plot(shares[:2], ends, color=COLORS["measurement"], linewidth=1, label="between the means of the two")
    asked = real["rdmreg_p1_mu-2_5epochs_seed0"]["final"]["expected_nonzero_fraction"]
    panel.axvline(asked, color=COLORS["theory"], linestyle="--", label="Eq. 11 at μ = −2")
    panel.set(xscale="log", xlabel="share of non-zero entries in z")
    panel.set_xticks([0.03, 0.04, 0.05, 0.06], ["0.03", "0.04", "0.05", "0.06"])
    panel.minorticks_off()
panels[0].set(ylabel="share of dead coordinates", ylim=-0.02)
panels[1].set(ylabel="encoder, linear probe, test accuracy")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
show(
    figure,
    alt="Left: share of dead coordinates against share of non-zero entries. Random directions alone lie on a falling line; "
    "with alpha = 0.1 the points lie far below it, with alpha = 1 at zero. Right: probe accuracy of the encoder. With "
    "alpha = 0.1 the points lie above the line, with alpha = 1 far below everything else.",
)

# %% [markdown]
# *Marks are runs; the line is what a larger share alone would give. The right axis does not begin at 0.*
#
# Left, dead coordinates: a third of the way down would have come with the larger share alone.
#
# Right, the encoder. The last column of the table treats the three seeds as if their number had been fixed beforehand. It was not: the
# third was added after a look at two, and four accuracies were looked at. So these accuracies are exploration. The plan
# of ten seeds on `shapes` (below) found the encoder worse. With $\alpha = 1$ at most one coordinate is dead, and the
# encoder is worth less than with random directions alone.
#
# Why does the share *grow* with $\alpha = 0.1$, away from the 0.030 that both terms ask for? The last lines of the
# output tell. Without quantiles a live coordinate is on twice as often as asked, in place of the dead ones. With
# $\alpha = 0.1$ fewer end up dead, and the live ones are on only a little less often, so the share is larger; with
# $\alpha = 1$ all of them are nearly where they should be.
#
# The other two ways have one seed each, and the one-sample loss had a weight that was too small (3.64 in place of 5.8
# to 6.5). Directions over 64 coordinates leave as few dead, but with twice
# the share of non-zero entries that Eq. 11 asks for, and with an encoder one to two hundredths below that of
# $\alpha = 0.1$. With the one-sample loss most coordinates are dead and half of the asked share is reached.

# %% [markdown]
# ### The same on `shapes`, one seed a row
#
# To RDMReg add $\alpha$ times the mean squared distance between each coordinate's sorted values and the quantiles of the
# target (`coordinate_loss`; its weight in the objective is 125 $\alpha$). Another way is to let each direction mix only a
# few coordinates, here 32. With $\alpha$ fewer coordinates may be dead merely because *more* entries are non-zero. So the
# second row is a control: no $\alpha$, but $\mu = -1.62$, where Eq. 11 asks for about the share that $\alpha = 0.1$ was
# seen to reach.

# %%
ways = {
    "mu = -2, random directions alone": "rdmreg_p1_mu-2_seed0",
    "mu = -1.62, random directions alone": "rdmreg_p1_mu-1.62_seed0",
    "mu = -2 and quantiles, alpha = 0.1": "rdmreg_p1_mu-2_alpha0.1_seed0",
    "mu = -2 and quantiles, alpha = 1": "rdmreg_p1_mu-2_alpha1_seed0",
    "mu = -2, directions over 32 coordinates": "rdmreg_p1_mu-2_k32_seed0",
    "mu = -2, one-sample loss, weight 3.64": "rggcf_p1_mu-2_seed0",
}
print_table(shapes, ways)
alone, larger_mu, some, much, *_ = (shapes[name]["final"] for name in ways.values())
near = abs(alone["nonzero_fraction"] - alone["expected_nonzero_fraction"])
print(f"\nalone: {near:.3f} off Eq. 11, and {alone['dead_fraction']:.0%} of the coordinates dead")
print(
    f"quantiles halve the dead ones: {max(some['dead_fraction'], much['dead_fraction']) < alone['dead_fraction'] / 2}"
)
fewer = some["dead_fraction"] < larger_mu["dead_fraction"] and some["nonzero_fraction"] < larger_mu["nonzero_fraction"]
print(f"alpha = 0.1 has fewer of them than mu = -1.62 alone, although it is sparser: {fewer}")
noise = statistics.stdev(shapes[f"rdmreg_p1_mu0_seed{seed}"]["final"]["encoder_knn"] for seed in range(3))
gain = (some["encoder_knn"] - alone["encoder_knn"]) / (math.sqrt(2) * noise)
print(f"kNN with alpha = 0.1 minus kNN alone, in standard deviations of such a difference: {gain:.1f}")
assert near < 0.015 and alone["dead_fraction"] > 0.2
assert max(some["dead_fraction"], much["dead_fraction"]) < alone["dead_fraction"] / 2 and fewer

# %% [markdown]
# In the first row more than a third of the coordinates hardly ever take part, and the mean share does not show it. With
# $\alpha = 0.1$ half as many are dead, and only a part of this comes with the larger share: the control has more non-zero
# entries still and leaves more coordinates dead. Directions over 32 coordinates leave as few dead as the control and cost
# more accuracy. The one-sample loss had too small a weight here (3.64: 125 times the target's variance); below it has 5.8.
#
# ### Decided with ten seeds
#
# One seed a row settles nothing. So four questions, the tests, and what counts as yes were written down before the runs, with
# ten new seeds each (`notebooks/results/experiments/plan.md`, which has the verdicts). All at $\mu = -2$, but for the
# second row and those with $\mu = 0$.

# %%
decided = json.loads((RESULTS / "experiments" / "statements.json").read_text(encoding="utf-8"))["runs"]
arms = {
    "mu = -2, random directions alone": "rdmreg",
    "mu = -1.62, random directions alone": "rdmreg_mu-1.62",
    "quantiles, alpha = 0.1": "quantiles",
    "one-sample loss, weight 5.8": "one_sample",
    "8192 directions in place of 256": "directions8192",
    "mu = 0, RDMReg": "rdmreg_mu0",
    "mu = 0, two moments (VICReg's)": "moments_rectified",
    "mu = 0, RDMReg, no rectification": "lpjepa_mu0",
    "mu = 0, two moments, no rectification": "moments_unrectified",
}
print(f"{'means of ten seeds':40}non-zero    dead   probe (standard deviation)")
for label, arm in arms.items():
    runs = [run for run in decided if run["arm"] == arm and 10 <= run["seed"] < 20]
    share, dead, probe = ([run[key] for run in runs] for key in ("nonzero_fraction", "dead_fraction", "encoder_probe"))
    print(f"{label:40}{statistics.mean(share):8.3f}{statistics.mean(dead):8.3f}{statistics.mean(probe):8.3f}", end="")
    print(f" ({statistics.stdev(probe):.3f})")

# %% jupyter={"source_hidden": true} tags=["draw"]
shown = {
    "RDMReg": ("rdmreg", COLORS["measurement"], "o"),
    "control: RDMReg at μ = −1.62": ("rdmreg_mu-1.62", COLORS["measurement"], "D"),
    "RDMReg and quantiles": ("quantiles", COLORS["rectified"], "s"),
    "8192 directions, not 256": ("directions8192", COLORS["gaussian"], "^"),
    "one-sample loss": ("one_sample", COLORS["laplace"], "v"),
}
figure, panel = plt.subplots(figsize=(7.5, 3.8))
middle = {}
for label, (arm, color, marker) in shown.items():
    chosen = [run for run in decided if run["arm"] == arm and 10 <= run["seed"] < 20]
    dead, probe = ([run[key] for run in chosen] for key in ("dead_fraction", "encoder_probe"))
    middle[arm] = [
        torch.tensor([run[key] for run in chosen]).mean()
        for key in ("dead_fraction", "encoder_probe", "nonzero_fraction")
    ]
    panel.plot(dead, probe, ".", color=color, alpha=0.35)
    panel.plot(*middle[arm][:2], marker, color=color, markersize=9, label=label, zorder=3)
ends = [middle["rdmreg"], middle["rdmreg_mu-1.62"]]
way = torch.log(middle["quantiles"][2] / ends[0][2]) / torch.log(ends[1][2] / ends[0][2])  # how far to the control
panel.plot(*zip(*(end[:2] for end in ends)), color=COLORS["measurement"], linewidth=1)
equal = [(1 - way) * a + way * b for a, b in zip(*ends)][:2]
panel.plot(*equal, "x", color=COLORS["theory"], markersize=9, label="as many non-zeros as with quantiles")
panel.set(
    xlabel="share of dead features",
    ylabel="probe accuracy of h",
    title="Three remedies: none is seen to make a better encoder",
)
figure.legend(*panel.get_legend_handles_labels(), fontsize=8, loc="outside right center")
show(
    figure,
    alt="Probe accuracy against the share of dead features, means of ten seeds. Quantiles and 8192 directions leave half as "
    "many dead as RDMReg alone; quantiles lie three points below the cross on the line from RDMReg to its control.",
)

# %% [markdown]
# *Large marks are means of ten seeds, dots are runs. The line leads to a control with more non-zero features, by $\mu$ alone.*
#
# - **Quantiles: fewer coordinates are dead, and the encoder is worse.** At equal sparsity half as many are dead, and the
#   probe is three points lower. So coordinates that take part did not make better features here.
# - **The one-sample loss,** with its matched weight: more are dead than with RDMReg; the encoder is not seen to differ.
# - **8192 directions** leave half as many dead as 256. The encoder is not seen to differ; by the interval it gains less than
#   .03. They were compared as they are, and 8192 leave more features on. Beside the control with as many on (μ = −1.62), dead
#   are .21 against .29, and the probe is .59 against .63: not in the plan, looked at afterwards.
# - **Two moments in place of the whole distribution.** VICReg's variance and covariance terms match means of squares and
#   products only. Without rectification they give as good an encoder as RDMReg. With it the ten seeds do not decide. They do
#   not ask for a share of zeros.
#
# ### Explored with three seeds
#
# No test and no threshold: seeds 10 to 12, against the same seeds of RDMReg at $\mu = -2$.

# %%
explored = {
    "RDMReg": "rdmreg",
    "views differ in crops alone": "views_crops",
    "views differ in colours alone": "views_colour",
    "views do not differ": "views_none",
    "projector of one layer": "projector1",
    "slope 0.01 below zero, backward": "slope0.01",
    "slope 0.1 below zero, backward": "slope0.1",
    "batch 64": "batch64",
    "batch 128": "batch128",
    "batch 512": "batch512",
    "batch 64, four times accumulated": "accumulated",
}
print(f"{'':36}non-zero    dead   probe")
for label, arm in explored.items():
    runs = [run for run in decided if run["arm"] == arm and run["seed"] in (10, 11, 12)]
    means = [
        statistics.mean(run[key] for run in runs) for key in ("nonzero_fraction", "dead_fraction", "encoder_probe")
    ]
    print(f"{label:36}{means[0]:8.3f}{means[1]:8.3f}{means[2]:8.3f}")

# %% [markdown]
# Changing colours alone gives the best encoder on these images. A slope of 0.1 below zero, in the backward pass of the last ReLU
# only, leaves hardly any coordinate dead, with an encoder that is not seen to suffer. Accumulating four batches of 64 is another
# loss than one batch of 256: BatchNorm and RDMReg see 64 images at a time.
#
# ## Can a run be judged without labels?
#
# Labels are what self-supervised learning does without. Three numbers of a run need none: the effective rank of $z$, the
# regularizer over its floor (its value for samples of the target), and the share of dead coordinates. The plan
# (`notebooks/results/experiments/plan.md`) fixed the runs, what counts as useful, and this figure before the runs.

# %%
names = [arm for arm in dict.fromkeys(run["arm"] for run in decided) if sum(run["arm"] == arm for run in decided) >= 3]
signals = {"effective rank of z": "rank", "regularizer over its floor": "ratio", "share of dead coordinates": "dead"}


def point(runs):
    """What a judge without labels sees, and the accuracy that they do not see: means over the runs of an arm."""
    mean = {key: statistics.mean(run[key] for run in runs) for key in runs[0] if isinstance(runs[0][key], (int, float))}
    ratio = statistics.mean(run["regularizer"] / run["floor"] for run in runs)
    return {
        "rank": mean["effective_rank"],
        "ratio": ratio,
        "dead": mean["dead_fraction"],
        "probe": mean["encoder_probe"],
    }


arms = {arm: point([run for run in decided if run["arm"] == arm]) for arm in names}
dense = {arm for arm in arms if "unrectified" in arm or "lpjepa" in arm}  # no zeros, so nothing is dead


def floor(config, count=20):
    """The mean of RDMReg between two samples of a run's target, same batch and directions."""
    generator, shape = torch.Generator().manual_seed(0), (config["batch_size"], config["dim"])
    pairs = (sample_rgg((2, *shape), config["p"], config["mu"], generator=generator) for _ in range(count))
    values = [rdmreg_loss(z, y, config["num_projections"], generator=generator).item() for z, y in pairs]
    return statistics.mean(values)


long = {
    name: {
        "rank": run["final"]["effective_rank"],
        "ratio": run["epochs"][-1]["regularizer"] / floor(run["config"]),
        "dead": run["final"]["dead_fraction"],
        "probe": run["final"]["encoder_probe"],
    }
    for name, run in real.items()
    if run["config"]["epochs"] == 100 and run["config"]["regularizer"] == "rdmreg"
}

# %%
figure, grid = plt.subplots(2, 3, figsize=(11, 5.6), sharey="row")
for row, points, title in zip(grid, (arms, long), ("shapes, an arm a point", "CIFAR-100, 100 epochs, a run a point")):
    for panel, (label, signal) in zip(row, signals.items()):
        shown = [p for name, p in points.items() if not (signal == "dead" and name in dense)]
        panel.plot([p[signal] for p in shown], [p["probe"] for p in shown], "o", color=COLORS["measurement"])
        panel.set(xlabel=label, title=title if signal == "rank" else "")
    row[0].set_ylabel("encoder, linear probe")
show(
    figure,
    alt="Probe accuracy against effective rank, regularizer over floor and dead share. On shapes no panel shows a clear line. On "
    "CIFAR-100 two points lie far above the others, which rise with the regularizer and fall with the dead share.",
)

for (label, signal), sign in zip(signals.items(), (1, -1, -1)):
    kept = [p for name, p in arms.items() if not (signal == "dead" and name in dense)]
    rank = stats.spearmanr([p[signal] for p in kept], [p["probe"] for p in kept]).statistic
    print(f"{label:28} Spearman {rank:+.2f} over {len(kept)} arms; useful: {sign * rank >= 0.7}", end="; ")
    assert sign * rank < 0.7
    there = stats.spearmanr([p[signal] for p in long.values()], [p["probe"] for p in long.values()]).statistic
    alike = [p for name, p in long.items() if name.startswith("quarter_")]
    within = stats.spearmanr([p[signal] for p in alike], [p["probe"] for p in alike]).statistic
    print(f"CIFAR-100 {there:+.2f} over {len(long)} runs, {within:+.2f} over the {len(alike)} of one network")

print("\nprobe lost against the best of nine, when a signal chooses the weights of two moments (seed 9)")
for kind in ("rectified", "unrectified"):
    grid_runs = [point([run]) for run in decided if run["seed"] == 9 and run["arm"].startswith(f"moments_{kind}_")]
    best = max(p["probe"] for p in grid_runs)
    for (label, signal), sign in zip(signals.items(), (1, -1, -1)):
        if not (signal == "dead" and kind == "unrectified"):
            liked = max(sign * p[signal] for p in grid_runs)
            chosen = [p["probe"] for p in grid_runs if sign * p[signal] == liked]
            print(f"{kind:12} {label:28} {best - max(chosen):.3f} to {best - min(chosen):.3f}")

# %% [markdown]
# **No: by the plan's rule none of the three is useful.** Over the arms, the order by rank or regularizer is hardly that
# of the probe, and the order by dead share too little. (The runs on CIFAR-100, mostly one seed each, decide nothing.
# The two far above the others are those with the 3×3 stem. Within one network the probe rises with the dead share
# falling, and with the regularizer *above* its floor: all three follow the number of zeros.) To choose the weights of
# two moments by rank or regularizer costs 8 to 14 points against the best of nine. What the arms share (images,
# network, length) was fixed; elsewhere it may be different.
