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

# %% [markdown] tags=["slide"]
# # 05 · Pretraining on CIFAR-100
#
# **What you will be able to do.** Pretrain a network with Rectified LpJEPA, read its loss while it runs, and judge the
# result by four numbers: nearest neighbours, a linear probe, the share of non-zero features, and the closed form that
# predicts this share.
#
# **What you need.** The idea of a sliced distance (chapter 04) and Eq. 11 for the expected number of non-zero entries
# (chapter 02); both are recalled where they are used. Rows of tables in sections 9 to 12 also name SIGReg, the
# one-sample loss and coordinate quantiles (chapter 04, sections 10 and 11). No GPU, no network and no dataset: the
# chapter runs on images that it draws itself. Only where there is CUDA, the first cell of section 12 fetches CIFAR-100
# and trains for 100 epochs; leave it out when you just want to read. ("The post" and "the minimal example" are those of
# chapter 02; equations carry the post's numbers.)
#
# Chapter 04 ended with two questions that its free points could not answer: is the share of zeros the asked one when a
# *network* is trained, and do all coordinates take part? Sections 7, 10 and 11 ask them here.
#
# **Time.** About 50 minutes to read; the cells take 90 seconds on two CPU cores, most of them in section 6. When you
# are short of time, read sections 3 to 5 and look at the figure of section 6. The
# [exercises](exercises/05_pretraining_cifar100.ipynb) take more than an hour together, the first of them five minutes.

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
import os
import statistics
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from rlpjepa import (
    DataError,
    RectifiedGeneralizedGaussian,
    RectifiedLpJEPA,
    dead_fraction,
    evaluate,
    extract_features,
    knn_accuracy,
    l0_fraction,
    load_data,
    objective,
    random_directions,
    rdmreg_loss,
    sample_rgg,
    two_views,
    unit_variance_scale,
)
from rlpjepa.evaluate import set_batchnorm_statistics
from rlpjepa.figures import (
    COLORS,
    STYLE,
    plot_features,
    plot_sparsity,
    plot_tradeoff,
    plot_training,
    series_root,
    show,
)
from rlpjepa.pretrain import PretrainConfig, RunError, holds_run, pretrain

RESULTS = series_root() / "notebooks" / "results"
os.environ.setdefault("RLPJEPA_DATA", str(series_root() / "data"))  # the folder that `make pretrain` uses
plt.rcParams.update(STYLE)  # how figures look
torch.set_num_threads(1)  # for the small network of section 1; a ResNet-18 on a CPU is faster with all cores

# %% [markdown]
# ## 1 · The one cell to change
#
# A run is decided by one object. Its defaults are those of the method's minimal example: ResNet-18, $D = 512$ features,
# target shape $p = 1$ and mean shift $\mu = 0$, weights 25 and 125, 100 epochs. Here four of them are changed to fit a
# laptop: a very small network, $D = 256$, a larger learning rate and 12 epochs on the embedded images.
#
# With a GPU, put `CONFIG = PretrainConfig(dataset="cifar100")` in this cell and run the notebook again: it downloads
# CIFAR-100 once (169 MB) and does the real thing. (We have not run that on a GPU yet. What is said of the figures in
# sections 2 to 8 is about `shapes`.)

# %%
CONFIG = PretrainConfig(dataset="shapes", backbone="test_byobnet", dim=256, lr=2e-3, epochs=12)
CONFIG

# %% [markdown]
# ## 2 · Images, and what makes two of them alike
#
# All images lie in memory as one tensor of bytes, shape (images, 3, 32, 32). The embedded dataset `shapes` has twenty
# classes, one per motif. Each image holds several copies of its motif; their number, place, angle and colour and the
# background are drawn anew for each image and in the same way for every class.

# %% tags=["slide"]
data = load_data(CONFIG.dataset, CONFIG.data_dir)
print(f"training images {tuple(data.train_images.shape)}, {data.train_images.dtype}, {len(data.classes)} classes")

figure, axes = plt.subplots(2, 10, figsize=(11, 2.9))
for panel in axes.flat:
    panel.axis("off")
for label, panel in zip(range(len(data.classes)), axes.flat):
    panel.imshow(data.train_images[data.train_labels == label][0].permute(1, 2, 0))
    panel.set_title(data.classes[label], fontsize=9)
show(figure, alt="One image of each of twenty classes, with its name: several small coloured copies of a motif.")

# %% [markdown]
# One image of each class. Place and colour differ from image to image, so two images of a class have hardly a pixel in
# common.
#
# **Prediction.** A classifier that compares pixels should do badly. To test this we let the 20 nearest training images
# vote, where near means a large cosine similarity $s$ and a vote counts $\exp(s / 0.07)$ (kNN, from here on). Guessing
# would be right one time in twenty.


# %%
def pixels(images):
    """Images (n, 3, 32, 32) as normalised vectors (n, 3072)."""
    return data.normalize(images).flatten(1)


labels = data.train_labels, data.test_labels
pixel_knn = knn_accuracy(pixels(data.train_images), labels[0], pixels(data.test_images), labels[1])
print(f"kNN on raw pixels {pixel_knn:.2f}, chance {1 / len(data.classes):.2f}")
assert CONFIG.dataset != "shapes" or pixel_knn < 0.25, "pixels should not give the class away"

# %% [markdown] tags=["slide"]
# ## 3 · Two views of every image
#
# Nobody tells the network the classes. It is told instead that two *views* of an image belong together: each view is a
# random crop stretched back to full size, mirrored half of the time, with its brightness, contrast, saturation and hue
# changed at random. What survives all this is what the network can agree on with itself, and here that is above all the
# motif.

# %% tags=["slide"]
images = data.train_images[:8]
views = two_views(images, generator=torch.Generator().manual_seed(295))  # (2, B, 3, 32, 32), values in [0, 1]

figure, axes = plt.subplots(3, 8, figsize=(9, 3.6))
for row, (name, batch) in enumerate((("image", images), ("view 1", views[0]), ("view 2", views[1]))):
    for panel, picture in zip(axes[row], batch):
        panel.imshow(picture.permute(1, 2, 0))
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    axes[row, 0].set_ylabel(name)
show(figure, alt="Eight images in the top row and two random views of each below: crops of other size and colour.")

# %% [markdown] tags=["slide"]
# Each column is one image with its two views. A view may hold one motif out of six, enlarged, a little stretched and in
# other colours. Now and then it misses them all: view 2 of the fourth image is bare background. Such a pair can only be
# pulled together wrongly, so the invariance term cannot fall to zero without collapse.
#
# ## 4 · The network
#
# An *encoder* $g_1$, any network that turns an image into a vector, its *encoder features*, and a *projector* $g_2$ of
# three linear layers, with BatchNorm and ReLU after the first two. What the loss sees are the *projector features*
#
# $$z = \mathrm{ReLU}(g_2(g_1(x))),$$
#
# with $x$ of shape $(B, 3, 32, 32)$ for a batch of $B$ images, $g_1(x)$ of shape $(B, \text{width})$ and $z$ of shape
# $(B, D)$. The last ReLU is the method's own touch: it makes features that are exactly zero possible. No BatchNorm
# comes before it, as in the minimal example. After training the encoder's output is what one uses; the projector is
# where the loss looks.

# %%
with torch.random.fork_rng():
    torch.manual_seed(CONFIG.seed)
    network = RectifiedLpJEPA(CONFIG.backbone, CONFIG.dim, cifar_stem=CONFIG.cifar_stem)
features, z = network(data.normalize(views).flatten(0, 1))  # both views in one pass: 16 images
print(f"encoder output {tuple(features.shape)}, z {tuple(z.shape)}, smallest entry of z {z.min():.1f}")
print(network.projector)

# %% [markdown] tags=["slide"]
# ## 5 · The objective, by hand
#
# Two wishes make up the loss (Eq. 14 and 15). The views of an image should have the same features, and the features of
# all images together should look like samples of a chosen law: the Rectified Generalized Gaussian, whose coordinates
# are
#
# $$y_j = \mathrm{ReLU}(\mu + \sigma t_j), \qquad t_j \sim \mathcal{GN}_p(0, 1) \text{ independent,}$$
#
# with $\sigma$ such that $\sigma t_j$ has variance 1 ($\mathcal{GN}_p(0, 1)$ has a density proportional to
# $e^{-|t|^p/p}$: Laplace at $p = 1$, normal at $p = 2$). Without the second wish, a network that gives every image the
# same $z$ would be perfect.
#
# *Do the features look like the target?* Take the features $z$ of one view, shape $(B, D)$, as many targets $y$, and a
# direction $c$, a unit vector with $D$ entries. Each cloud becomes $B$ numbers on a line, $zc$ and $yc$ (one inner
# product with $c$ for each row). Sorted, the $i$-th smallest of one is compared with the $i$-th smallest of the other
# (Eq. 13):
#
# $$\frac1B \sum_{i=1}^{B} \bigl( (zc)_{(i)} - (yc)_{(i)} \bigr)^2 .$$
#
# The mean of this over $N$ random directions is RDMReg, $R(z, y)$ (chapter 04). With $z, z'$ of shape $(B, D)$ for the
# two views, the objective is
#
# $$\frac{25}{BD} \sum_{b,j} (z_{bj} - z'_{bj})^2 + \frac{125}{2} \bigl( R(z, y) + R(z', y) \bigr) .$$
#
# The first part without its weight is the *invariance term*, and $\frac12(R(z, y) + R(z', y))$ is the *regularizer*.
# The weights 25 and 125 are the minimal example's, without a derivation; section 9 halves and doubles the second. In a
# few lines:

# %%
generator = torch.Generator().manual_seed(0)
batch = torch.randint(len(data.train_images), (64,), generator=generator)
_, z = network(data.normalize(two_views(data.train_images[batch], generator=generator)).flatten(0, 1))
z = z.unflatten(0, (2, -1)).detach()  # (2, B, D)
target = sample_rgg(z.shape[1:], p=CONFIG.p, mu=CONFIG.mu, generator=generator)  # (B, D)
directions = random_directions(CONFIG.num_projections, CONFIG.dim, generator=generator)  # (N, D)

invariance = ((z[0] - z[1]) ** 2).mean()
wanted = (target @ directions.T).sort(dim=0).values  # (B, N), every column in rising order
regularizer = sum((((view @ directions.T).sort(dim=0).values - wanted) ** 2).mean() for view in z) / 2
by_hand = 25 * invariance + 125 * regularizer
print(f"invariance {invariance:.2f}, regularizer {regularizer:.2f}")

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
# ## 6 · The run
#
# Every step draws two views of 256 images, a fresh target sample and 256 fresh directions, and takes one AdamW step on
# the objective. `pretrain` is this loop; it also writes a log, a checkpoint from which an interrupted run goes on, and
# at the end the evaluation: kNN and a linear probe (logistic regression on the frozen features, to convergence) for the
# encoder and for the projector, and the share of non-zero entries of $z$.

# %% tags=["nbval-ignore-output", "timing"]
run_dir = Path(tempfile.mkdtemp()) / "run"
result, trained = pretrain(CONFIG, run_dir)
print(f"{result['final']['seconds']:.0f} s in all, on {result['provenance']['hardware']}")

# %% tags=["slide"]
show(
    plot_training(result),
    alt="Left: the regularizer falls over the epochs; the invariance term rises at first and then falls slowly. Middle: the "
    "non-zero fraction of z comes to the dashed line at one half. Right: test accuracy of kNN and linear probe, larger for the encoder than for the projector.",
)

# %% [markdown]
# Left: total loss and its two weighted terms. The invariance term rises at first: while the features of different
# images move apart, so do those of two views. A value of the loss says little without two others. A collapsed network
# pays several times as much as this one at the end (exercise 05.1). And fresh samples of the target itself would still
# pay something, since two samples differ (exercise 05.2). Middle: the non-zero fraction on the training views, a mean
# over each epoch, beside its prediction. (The tables below give it on test images.) Right: what the features are worth
# on test images, for encoder and projector.
#
# **Is it better than no training?** Two comparisons answer: the same network as it was built, with its random initial
# weights, and no network at all. A network that is not trained needs one preparation. When it is evaluated, BatchNorm
# uses the means and variances that it has gathered in training. As they are made they are 0 and 1, whatever the
# features are. `set_batchnorm_statistics` takes them from one pass over the training images, and leaves the weights as
# they are.

# %% tags=["slide"]
final = result["final"]
with torch.random.fork_rng():
    torch.manual_seed(CONFIG.seed)  # built anew: the passes above have moved the BatchNorm statistics of `network`
    initial = RectifiedLpJEPA(CONFIG.backbone, CONFIG.dim, cifar_stem=CONFIG.cifar_stem)
device = next(trained.parameters()).device
set_batchnorm_statistics(initial.to(device), data.to(device))
untrained = evaluate(initial, data.to(device))
names = ["raw pixels", "random encoder", "trained encoder"]
accuracies = [pixel_knn, untrained["encoder_knn"], final["encoder_knn"]]

figure, panel = plt.subplots(figsize=(6, 2.2))
bars = panel.barh(names, accuracies, color=[COLORS["muted"], COLORS["muted"], COLORS["rectified"]])
panel.bar_label(bars, fmt="{:.2f}", padding=3)
panel.axvline(1 / len(data.classes), color=COLORS["theory"], linestyle="--", label="chance")
panel.invert_yaxis()
panel.set(xlabel="kNN accuracy on test images", xlim=(0, 1.2 * max(accuracies)))
panel.legend(loc="upper right")
show(
    figure,
    alt="Bars of kNN accuracy: raw pixels lowest, then the random encoder, the trained encoder far ahead of both.",
)

gain = accuracies[2] - accuracies[1]
print(f"trained beats random by at least 5 points: {gain > 0.05}; and pixels too: {accuracies[2] > pixel_knn}")
probe_gain = final["encoder_probe"] - untrained["encoder_probe"]
print(f"by the linear probe as well: {probe_gain > 0.05}")
print(
    f"z without training: {untrained['nonzero_fraction']:.1f} of it non-zero, probe {untrained['projector_probe']:.1f}"
)
assert CONFIG.dataset != "shapes" or (min(gain, probe_gain) > 0.05 and accuracies[2] > pixel_knn)

# %% [markdown]
# Training adds about 17 points by either measure. The random encoder is ahead of pixels already, and how far depends on
# the measure: by 13 points for kNN, by more than 30 for the probe (which gives pixels .12, first table of section 9).
# That is why there are two. The neighbours compare all features at once, as they are; the probe may weigh them, and
# finds what is useful even in features that nobody trained, here at least.

# %% [markdown] tags=["slide"]
# ## 7 · As sparse as predicted?
#
# For the target, the expected number of non-zero coordinates has a closed form (Eq. 11),
#
# $$\mathbb{E}\lVert y \rVert_0 = D \, \Phi_p(\mu / \sigma),$$
#
# where $\Phi_p$ is the distribution function of $\mathcal{GN}_p(0, 1)$. At $\mu = 0$ it says one half, whatever $p$.
# **Prediction.** If the features look like the target, half of them are zero on images that the network has not seen.

# %% tags=["slide"]
law = RectifiedGeneralizedGaussian(torch.tensor(CONFIG.mu), unit_variance_scale(CONFIG.p), CONFIG.p)
encoder_test, z_test = extract_features(trained.cpu(), data, data.test_images)  # (number of test images, width or D)
measured, predicted = l0_fraction(z_test), law.prob_active.item()
print(f"predicted {predicted:.3f}, measured within 0.06 of it: {abs(measured - predicted) < 0.06}")
print(f"coordinates that are on for fewer than 1 in 1000 test images: {dead_fraction(z_test):.2f}")
print(f"the encoder's output has zeros as well, between 10 and 90 %: {0.1 < l0_fraction(encoder_test) < 0.9}")
assert CONFIG.dataset != "shapes" or abs(measured - predicted) < 0.06

active = (z_test > 0).sum(dim=1).float()  # non-zero entries of each image
binomial = torch.distributions.Binomial(CONFIG.dim, torch.tensor(predicted))
count = torch.arange(CONFIG.dim + 1.0)
figure, panel = plt.subplots(figsize=(6, 2.8))
panel.hist(
    active.numpy(),
    bins=range(0, CONFIG.dim, 4),
    density=True,
    color=COLORS["measurement"],
    alpha=0.6,
    label=f"measured, mean {active.mean():.0f}",
)
panel.plot(
    count,
    binomial.log_prob(count).exp(),
    color=COLORS["theory"],
    linestyle="--",
    label=f"target, mean {predicted * CONFIG.dim:.0f}",
)
panel.set(xlabel="non-zero entries of z per test image", ylabel="density", xlim=(active.min() - 15, active.max() + 15))
panel.legend()
show(
    figure,
    alt="Histogram of active coordinates per image, beside the dashed binomial: centred a little lower and skewed to the left.",
)

# %% [markdown]
# The mean is near where Eq. 11 puts it. At $\mu = 0$ that proves little: an untrained network has one half, too
# (section 6), and chapter 04 found that in high dimension the loss hardly depends on the count of zeros. Section 10,
# where $\mu$ moves, is the real test. The dashed curve is the target's: independent coordinates, each on with
# probability one half, whose number is binomial. The measured counts are skewed, with a tail of images that switch on
# clearly fewer coordinates, and not all coordinates are on equally often (next figure). Random projections hardly see
# either. And mind which vector all this is about: $z$. The encoder of this run ends in a ReLU too, and its output has
# zeros, but no loss asks how many.
#
# ## 8 · What switches a coordinate on
#
# A dense feature says a little about everything. A sparse one is off most of the time, so one can ask what it is *for*:
# which images switch it on? Each row below is a coordinate of $z$, from the rarest to the most common, with the test
# images on which it is largest. Every run writes such a sheet, `features.png`.

# %% tags=["slide"]
show(
    plot_features(z_test, data.test_images),
    alt="Six rows of twelve test images. The first row shows bars, single ones, pairs and threes; the others mix motifs.",
)

# %% [markdown]
# The rarest coordinate is largest on bars, and nothing else: single ones, pairs and threes, which are three of the
# twenty motifs. The others mix motifs, some alike in part (rings and targets), some not (waves and dots). (Your run may
# show other coordinates.) Nobody named the motifs: the network was only told which views belong together, and to spread
# out. Mind that twelve images are only the far end: a coordinate that is on for 50 % is on for a thousand of these
# 2000, and so can hardly be *for* one motif of twenty; section 12 has a sheet of sparser ones.
#
# ## 9 · What each part is for
#
# The following runs on `shapes` differ from the one above only in what the label of their row says. They were made by
# `python -m rlpjepa.pretrain --sweep notebooks/results/shapes/sweep.toml`, run from the root of the repository; each
# has a file with its configuration, seed, versions and hardware. (A sweep skips what is done. To make the runs anew,
# copy `sweep.toml`, under another name, to an empty folder and name that copy.) When all features are shifted a little
# off the target, SIGReg is about half as large as RDMReg, so its weight is 250. The one-sample loss of section 11 is
# larger than RDMReg, so its weight is smaller: 3.64, which is 125 times the target's variance. Accuracies are those of
# kNN and of the linear probe on encoder features. "Non-zero" and "dead" are those of $z$ on test images, where a
# coordinate is *dead* that is on for fewer than 1 in 1000 of them. (Names such as F1 are those of `claims.toml`, the
# list of statements that the series tests.)
#
# A seed does not fix these numbers on every machine. The run with $p = 1$, $\mu = 0$ in the tables has the
# configuration and the seed of section 6; compare its accuracies with the figure there. It was made by version 0.1 of
# the module, which drew other views and targets from that seed. And rounding differs with threads and versions, and
# training magnifies it. Differences of a few hundredths mean nothing.


# %%
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


shapes = read_results(RESULTS / "shapes")
seeds = [shapes[f"rdmreg_p1_mu0_seed{seed}"]["final"]["encoder_knn"] for seed in range(3)]
noise = statistics.stdev(seeds)
print(f"three seeds of the first run: kNN {statistics.mean(seeds):.3f}, standard deviation {noise:.3f}")

# %% [markdown]
# **The two terms (F1).** Invariance alone is happy with a constant. *Prediction:* without the regularizer $z$
# collapses, and the encoder is worth about as much as an untrained one; with it, and with half or twice its weight,
# much more.

# %%
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

# %% [markdown]
# ✓ [F1](evidence/05_pretraining_cifar100.ipynb#F1)

# %% [markdown]
# As predicted, but for one thing: the encoder of invariance alone is worth a little less than the untrained one, by kNN
# and by the probe (one seed each). The weight is not delicate: half and twice do as well, up to the noise between
# seeds. (The second row is a warning: an untrained $z$ has a share near one half and no dead coordinate. At $\mu = 0$
# these two numbers are no sign of learning.)
#
# **The family (F4).** Without rectification the same run is LpJEPA; at $p = 2$ its target is $\mathcal{N}(0, I_D)$, the
# one of LeJEPA, which reaches it by SIGReg instead (Eq. 7). *Prediction:* all of them train, and those without
# rectification have no zero.

# %%
family = {
    "Rectified LpJEPA, p = 1": "rdmreg_p1_mu0_seed0",
    "Rectified LpJEPA, p = 2": "rdmreg_p2_mu0_seed0",
    "LpJEPA, p = 1": "lpjepa_p1_seed0",
    "LpJEPA, p = 2 (LeJEPA's target, by RDMReg)": "lpjepa_p2_seed0",
    "LeJEPA (that target, by SIGReg, weight 250)": "lejepa_seed0",
}
print_table(shapes, family)

# %% [markdown]
# ✓ [F4](evidence/05_pretraining_cifar100.ipynb#F4)

# %% [markdown]
# All train, and no accuracy here stands out from the noise: rectification costs the encoder nothing that these runs
# could show, and it brings the zeros.
#
# **Where the zeros come from (F6).** Take away either half of the rectification: the ReLU at the projector's end, or
# the target's. *Prediction:* without the ReLU no entry is exactly zero; with a ReLU but a target that is not rectified,
# there are zeros, but nobody has asked for their number.

# %%
halves = {
    "ReLU, rectified target": "rdmreg_p1_mu0_seed0",
    "no ReLU, rectified target": "no_relu_rectified_target_seed0",
    "ReLU, unrectified target": "relu_unrectified_target_seed0",
}
print_table(shapes, halves)

# %% [markdown]
# ✓ [F6](evidence/05_pretraining_cifar100.ipynb#F6)

# %% [markdown] tags=["slide"]
# Both hold. Features that are never negative cannot match a target with mean zero; here they end nearly all zero, at a
# share that nobody chose, with a worse encoder.
#
# ## 10 · As sparse as you like
#
# $\mu$ moves the share of non-zero entries of $z$; Eq. 11 says by how much (F2). *Prediction:* the measured share rises
# with $\mu$ and lies near the closed form, for $p = 1$ and for $p = 2$.

# %% tags=["slide"]
sweep = {(p, mu): shapes[f"rdmreg_p{p}_mu{mu}_seed0"] for p in (1, 2) for mu in (-3, -2, -1, 0, 1)}
for p in (1, 2):
    finals = [sweep[p, mu]["final"] for mu in (-3, -2, -1, 0, 1)]
    ratios = [final["nonzero_fraction"] / final["expected_nonzero_fraction"] for final in finals]
    print(f"p = {p}: measured by predicted: {min(ratios):.2f} to {max(ratios):.2f}")
show(
    plot_sparsity(list(sweep.values())),
    alt="Measured against predicted share of non-zero entries, on log axes: nine of ten points within a factor of two of the "
    "diagonal, the sparsest one below.",
)

# %% [markdown]
# ✓ [F2](evidence/05_pretraining_cifar100.ipynb#F2)

# %% [markdown]
# Where the share is 1 in 500 or less ($p = 2$, $\mu = -3$), less than half of it is reached.
#
# **What does it cost?** Below, accuracy against the share of zeros of $z$, on test images of `shapes`. *Prediction:*
# little at first; and at the sparse end $p = 1$ keeps more than $p = 2$, since with its heavier tail the few non-zero
# entries are larger. Chance is 0.05, but that is not what to compare with: the dash-dotted line is the same network
# without any training.

# %% tags=["slide"]
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
# At the sparse end one has to compare at equal sparsity and not at equal $\mu$: there $p = 1$, $\mu = -3$, although
# sparser, keeps more than $p = 2$, $\mu = -2$, whose encoder is worth no more to the probe than an untrained one (one
# seed each).
#
# "Little at first" holds for the encoder, whose zeros no loss counts. The vector whose zeros are counted, $z$, pays at
# once: its probe falls with every step of $\mu$. The last point of $p = 1$ and the last two of $p = 2$ lie below an
# untrained $z$.
#
# The post shows such curves on CIFAR-100 (claim F3), from its own runs; section 14 has them beside ours.

# %% [markdown] tags=["slide"]
# ## 11 · Do all coordinates take part?
#
# At $\mu = -2$, $p = 1$ a coordinate of the target is on in 3 of 100 samples. A coordinate of the features is called
# *dead* when it is on for fewer than 1 in 1000 test images. Would the loss notice? It sees sums over all coordinates
# (chapter 03, section 6), so let us try with samples of the target in which some coordinates are silenced and the
# others are on more often, to keep the share. **Prediction.** If a few coordinates do all the work, the loss is far
# above its floor (the loss of a sample of the target): the means of the others are far too small, and random directions
# see means. If only a third are dead, it is hardly above it.

# %%
generator, B, D = torch.Generator().manual_seed(11), 256, 256
law = RectifiedGeneralizedGaussian(-2.0, unit_variance_scale(1.0), 1.0)


def silenced(alive):
    """(B, D): draws whose first coordinates alone, a share ``alive`` of them, are ever on, at the target's mean share."""
    on = torch.rand(B, D, generator=generator) < law.prob_active / alive
    on[:, round(alive * D) :] = False
    return on * torch.empty(B, D).exponential_(1 / law.scale.item(), generator=generator)  # as RGG above 0, at p = 1


mean_loss = {}
for alive in (1, 2 / 3, 1 / 3, 0.1):
    losses = [
        rdmreg_loss(silenced(alive), sample_rgg((B, D), mu=-2.0, generator=generator), generator=generator).item()
        for _ in range(40)
    ]
    mean_loss[alive] = statistics.mean(losses)
    print(f"{1 - alive:.0%} dead: {mean_loss[alive] / mean_loss[1]:.1f} times the floor")
assert mean_loss[2 / 3] < 1.3 * mean_loss[1] and mean_loss[0.1] > 3 * mean_loss[1]

# %% [markdown]
# So when a third of the coordinates die, this loss rises by a fifth of its floor.
#
# The law of a single coordinate is known, RGG itself, with quantiles in closed form. So each coordinate can be matched
# by itself: to RDMReg add $\alpha$ times the mean squared distance between its sorted values and those quantiles
# (`coordinate_loss`, chapter 04; its weight in the objective is 125 $\alpha$). Another way is to let each direction mix
# only a few coordinates, here 32. The last row replaces RDMReg by the one-sample loss of chapter 04. With $\alpha$
# fewer coordinates may be dead merely because *more* entries are non-zero. So the second row is a control: no $\alpha$,
# but $\mu = -1.62$, where Eq. 11 asks for about the share that $\alpha = 0.1$ was seen to reach.

# %% tags=["slide"]
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
gain = (some["encoder_knn"] - alone["encoder_knn"]) / (math.sqrt(2) * noise)
print(f"kNN with alpha = 0.1 minus kNN alone, in standard deviations of such a difference: {gain:.1f}")
assert near < 0.015 and alone["dead_fraction"] > 0.2
assert max(some["dead_fraction"], much["dead_fraction"]) < alone["dead_fraction"] / 2 and fewer

# %% [markdown]
# In the first row more than a third of the coordinates hardly ever take part, and the mean share of non-zero entries
# does not show it: it is even above Eq. 11, by 0.013 (nearly half as many again). With $\alpha = 0.1$ half as many
# are dead. Only a part of this comes with the larger share of non-zero entries: the control, which has more of them still,
# leaves more coordinates dead. At $\alpha = 1$ the share itself lands on Eq. 11, and hardly fewer are dead than at
# $\alpha = 0.1$. That quantiles make the encoder better is not seen here: at $\alpha = 0.1$ the difference is of the
# size of the noise between seeds, so nothing can be said, and at $\alpha = 1$ the probe is below that of the untrained
# network (section 9). Directions over 32 coordinates leave as few dead as the control and cost more accuracy; with the
# one-sample loss more coordinates are dead than in the first row, and its probe is no better than without training. (Its
# weight, 3.64, is too small to compare: a small shift of all features costs less than with RDMReg.)
#
# ### Decided with ten seeds
#
# One seed a row settles nothing. So we wrote down four questions, the tests, and what counts as yes, and only then made
# the runs, with ten new seeds each (`notebooks/results/experiments/plan.md`). All at $\mu = -2$, but for the second row
# and those with $\mu = 0$.

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

# %% [markdown]
# - **Quantiles: fewer coordinates are dead, and the encoder is worse.** At equal sparsity half as many are dead, and the
#   probe is three points lower. So coordinates that take part did not make better features here.
# - **The one-sample loss,** with its matched weight: more are dead than with RDMReg; the encoder is not seen to differ.
# - **8192 directions** leave half as many dead as 256. The encoder is the same: what it could gain is below .03.
# - **Two moments in place of the whole distribution.** VICReg's variance and covariance terms match means of squares and
#   products only. Without rectification they give as good an encoder as RDMReg. With it the ten seeds do not decide.
#
# So on these images two moments are enough for a good encoder. What they do not do is ask for a share of zeros.
#
# **To argue about.** Is a dead coordinate a defect? And why should pulling every coordinate towards its own distribution
# cost accuracy, when the target has just these distributions?

# %% [markdown]
# ## 12 · The real thing: CIFAR-100
#
# The same code with the defaults of the minimal example (ResNet-18 as timm builds it, $D = 512$) on all 50,000 training
# images. With CUDA the next cell fetches them (169 MB, once) and does it here, all 100 epochs; without, it says so. The
# results below are read from files, each with its configuration, seed, versions, hardware and the checksum of the data.
# Two of these runs have all 100 epochs: `python -m rlpjepa.pretrain --dataset cifar100`, and the same with `--mu -1`. The others
# are from `python -m rlpjepa.pretrain --sweep notebooks/results/cifar100/cpu.toml`: sweeps of five epochs a run, and
# one run of ten.

# %% tags=["nbval-ignore-output", "timing"]
if CONFIG.dataset == "cifar100":
    print("section 6 has done it")
elif torch.cuda.is_available():
    run_dir = series_root() / "runs" / "chapter05"  # interrupted, the run goes on from here
    try:
        on_cifar, _ = pretrain(PretrainConfig(dataset="cifar100"), run_dir, resume=holds_run(run_dir))
        show(
            plot_training(on_cifar),
            alt="The run on CIFAR-100: both terms of the loss, the non-zero fraction, accuracies.",
        )
    except (DataError, RunError) as error:
        print(error)
else:
    print("no CUDA here: python -m rlpjepa.pretrain --dataset cifar100 does it elsewhere; on CPU cores it takes hours")

# %%
real = read_results(RESULTS / "cifar100")
print_table(
    real,
    {
        "raw pixels": "pixels",
        "random encoder": "random_seed0",
        "invariance alone, 5 epochs": "invariance_5epochs_seed0",
        "LeJEPA (N(0, I) by SIGReg), 5 epochs": "lejepa_5epochs_seed0",
        "LpJEPA (p = 1, no rectification), 5 epochs": "lpjepa_p1_5epochs_seed0",
        "trained, p = 1, mu = 0, 100 epochs": "rdmreg_p1_mu0_100epochs_seed0",
        "         p = 1, mu = -1, 100 epochs": "rdmreg_p1_mu-1_100epochs_seed0",
        "         p = 1, mu = 0, 10 epochs": "rdmreg_p1_mu0_10epochs_seed0",
        "         p = 1, mu = 1, 5 epochs": "rdmreg_p1_mu1_5epochs_seed0",
        "         p = 1, mu = 0, 5 epochs": "rdmreg_p1_mu0_5epochs_seed0",
        "         p = 1, mu = -1, 5 epochs": "rdmreg_p1_mu-1_5epochs_seed0",
        "         p = 1, mu = -2, 5 epochs": "rdmreg_p1_mu-2_5epochs_seed0",
        "         p = 1, mu = -3, 5 epochs": "rdmreg_p1_mu-3_5epochs_seed0",
        "         p = 2, mu = 1, 5 epochs": "rdmreg_p2_mu1_5epochs_seed0",
        "         p = 2, mu = 0, 5 epochs": "rdmreg_p2_mu0_5epochs_seed0",
        "         p = 2, mu = -1, 5 epochs": "rdmreg_p2_mu-1_5epochs_seed0",
        "         p = 2, mu = -2, 5 epochs": "rdmreg_p2_mu-2_5epochs_seed0",
        "         p = 2, mu = -3, 5 epochs": "rdmreg_p2_mu-3_5epochs_seed0",
    },
)
ten = real["rdmreg_p1_mu0_10epochs_seed0"]
ahead = {key: real["pixels"]["final"][key] > ten["final"][key] for key in ("encoder_knn", "encoder_probe")}
print("raw pixels ahead of 10 epochs: by kNN {encoder_knn}, by the probe {encoder_probe}".format(**ahead))
alone, untrained, short = (
    real[name]["final"] for name in ("invariance_5epochs_seed0", "random_seed0", "rdmreg_p1_mu0_5epochs_seed0")
)
gain = short["encoder_probe"] - max(alone["encoder_probe"], untrained["encoder_probe"])
print(f"invariance alone: {alone['dead_fraction']:.0%} of the coordinates dead; p = 1, mu = 0: ", end="")
print(f"probe {gain:.2f} above it and above no training")
assert alone["dead_fraction"] > 0.99 and gain > 0.1
same = [real[f"rdmreg_p1_mu0_5epochs_seed{seed}"]["final"] for seed in range(3)]
for key in ("encoder_knn", "encoder_probe"):
    values = [final[key] for final in same]
    print(f"p = 1, mu = 0, 5 epochs, three seeds: {key} {statistics.mean(values):.3f}, ", end="")
    print(f"standard deviation {statistics.stdev(values):.3f}")
print("the run of 10 epochs: {hardware}, {precision}, {date}".format(**ten["provenance"]))

# %%
full = {mu: real[f"rdmreg_p1_mu{mu}_100epochs_seed0"] for mu in (0, -1)}
pixel = real["pixels"]["final"]
for mu, run in full.items():
    end = run["final"]
    print(f"mu = {mu}, 100 epochs, minus raw pixels: kNN {end['encoder_knn'] - pixel['encoder_knn']:+.3f}, ", end="")
    print(f"probe {end['encoder_probe'] - pixel['encoder_probe']:+.3f}")
    shares = ", ".join(f"{run['epochs'][epoch - 1]['nonzero_fraction']:.3f}" for epoch in (2, 10, 50, 100))
    print(f"  non-zero share of training views in epochs 2, 10, 50, 100: {shares}; ", end="")
    print(f"asked {end['expected_nonzero_fraction']:.3f}")
    print(f"  {end['seconds'] / 60:.0f} minutes; " + "{hardware}, {precision}, {date}".format(**run["provenance"]))
ahead = [run["final"][key] > pixel[key] for run in full.values() for key in ("encoder_knn", "encoder_probe")]
assert all(ahead)

# %% tags=["slide"]
show(
    plot_training(full[-1]),
    alt="The run at mu = -1 on CIFAR-100: both terms of the loss fall over 100 epochs, fast at first and then slowly; the "
    "non-zero fraction starts at the dashed line and creeps up; the encoder's accuracies are above the projector's.",
)

# %% [markdown]
# *All 100 epochs at $p = 1$, $\mu = -1$. The middle panel counts on training views, the table on test images.* After
# 100 epochs the trained encoder passes raw pixels by both measures, at $\mu = 0$ and at $\mu = -1$. Ten epochs are too
# few for that: the probe prefers the trained encoder, the nearest neighbours still prefer pixels. From ten to 100
# epochs, at $\mu = 0$, kNN and probe gain seven points each.
#
# At $\mu = 0$ half of the entries of $z$ are zero, at $\mu = -1$ five of six. The encoder is worth about a point less
# there, by either measure (one seed each). No coordinate is dead in either run.
#
# The share of non-zero entries creeps up over the run. At $\mu = -1$ it is near the asked one in the second epoch,
# .124, and .177 in the last. On test images the two runs end at .513 (asked .500) and .170 (asked .122).
#
# **Do the values follow the target, too?** Above zero the target of these two runs has the density of an exponential
# distribution, times the share of non-zero entries.

# %% tags=["slide"]
figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for panel, (mu, run) in zip(panels, full.items()):
    kept = run["final"]["histogram"]  # edges, density and the target's density; the area is the share of non-zeros
    panel.stairs(kept["density"], kept["edges"], fill=True, color=COLORS["measurement"], alpha=0.6, label="learned")
    panel.stairs(kept["target"], kept["edges"], baseline=None, color=COLORS["theory"], linestyle="--", label="target")
    panel.set(title=f"μ = {mu}".replace("-", "−"), xlabel="non-zero entries of z, test images", xlim=(0, 4))
    edges = torch.tensor(kept["edges"])
    middle = (edges[1:] + edges[:-1]) / 2
    learned, asked = ((torch.tensor(kept[name]) * middle).sum() / sum(kept[name]) for name in ("density", "target"))
    print(f"mu = {mu}: mean of the non-zero entries {learned:.2f}, of the target's {asked:.2f}")
panels[0].set(ylabel="density")
panels[0].legend()
figure.suptitle("After 100 epochs: as asked at μ = 0; more and smaller values at μ = −1")
show(
    figure,
    alt="Histograms of the learned non-zero entries over the target's falling density. At mu = 0 they nearly coincide. At "
    "mu = -1 the learned histogram is nearly twice as high at zero, and lower beyond 2.2.",
)

# %% [markdown]
# At $\mu = 0$ they nearly do. At $\mu = -1$ there are more non-zero entries than asked, and they are smaller.
#
# As on `shapes`, invariance alone ends with $z = 0$ for every image, and its encoder is worth about what the untrained
# one is (F1; on `shapes` a little less). LeJEPA and LpJEPA, whose $z$ has no zeros, have after five epochs about the
# encoder accuracies of $p = 1$ and $p = 2$ at $\mu = 0$, where half of the entries of $z$ are zero. (The $p = 1$ of the
# table is the weakest of its three seeds on the probe. Their mean, printed below it, is .004 to .007 under the others,
# about the standard deviation of one run.)
#
# What switches a coordinate on, when the images are photographs? Test images of CIFAR-100, by the run with $p = 1$,
# $\mu = -3$:
#
# ![Six rows of twelve photographs, one row for each of six coordinates: orange and red things on white; a mixed row; pale flowers and other pale shapes on black; white shapes; wide skies above a dark horizon; red and yellow things among green.](results/cifar100/rdmreg_p1_mu-3_5epochs_seed0_features.png)
#
# Fewer than one entry in a hundred is non-zero there, and most coordinates are dead (the table above). Those shown here
# respond, after five epochs and without a label, mostly to colour and layout: something warm on white, something pale
# on black, a wide sky, red among green. They do not tell an orange from an armchair yet.
#
# Is the share of non-zero entries the predicted one here too? *Prediction:* near Eq. 11 for both $p$, within a factor
# of two. (On `shapes` nine of ten points are; the sparsest one, $p = 2$, $\mu = -3$, has less than half of its share.)

# %%
five = {(p, mu): real[f"rdmreg_p{p}_mu{mu}_5epochs_seed0"] for p in (1, 2) for mu in (-3, -2, -1, 0, 1)}
zeros = {pair: 1 - result["final"]["nonzero_fraction"] for pair, result in five.items()}
ratios = [(1 - zeros[pair]) / result["final"]["expected_nonzero_fraction"] for pair, result in five.items()]
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
# | network | "ResNet or ViT" | ResNet-18, 3×3 stem padded by two pixels | ResNet-18 of timm, 7×7 stem | as the minimal example (`cifar_stem=True` has a 3×3 stem, padded by one) |
# | epochs | not said | 1000 | 100 | 5 in the sweeps, 10 in one run, 100 in the full runs |
# | optimizer | not said | LARS, rate 0.03, ten epochs of warm-up, cosine; biases and norms without weight decay | AdamW, constant rate 0.001 | as the minimal example (`paper.toml` has the other) |
# | batch, $D$ | not said | 256, 512 | 256, 512 | as the minimal example |
# | random directions a step | not said | 8192 | 256 | as the minimal example (`paper.toml` has the other) |
# | crops | not said | from 20 % of the area | from 8 % | as the minimal example (`paper.toml` has the other) |
# | interpolation of the crops | not said | bicubic | bilinear | as the minimal example (`paper.toml` has the other) |
# | colours | not said | jitter for 80 % of the views, grey for 20 %, solarized for 10 % | jitter for all | as the minimal example (`paper.toml` has the other) |
# | the views' two regularizers | added, weights not said | their mean; weights 25 and 250 | their mean; weights 25 and 125 | as the minimal example (`paper.toml` has the other) |
# | order of the colour changes | not said | another for each image | another for each image | as the minimal example (one for a batch in the recorded runs) |
# | what BatchNorm averages over | not said | one view at a time | one view at a time | both views together |
# | arithmetic | not said | float16 with a gradient scaler | float16 with a gradient scaler | bfloat16 where the processor is fast in it, else float32; the losses in float32, and, but for the two full runs, the projector's last layer |
# | how accuracy is measured | not said, nor whether of encoder or projector | most likely an online probe: a linear layer that learns beside the network, on features without gradients | not at all | kNN, and logistic regression to convergence (`paper.toml` reports an online probe too) |
#
# The column of the paper follows the configuration in the authors' repository, and the defaults of solo-learn, on which
# it is built. `notebooks/results/cifar100/paper.toml` is that recipe. "The minimal example" is the
# first one that the authors published; the one that stands there since (commit 5ae61ab) is close to the paper's column.
#
# Ten epochs were planned for every run of the sweeps. They have five, which is what two CPU cores allowed.

# %% [markdown] tags=["slide"]
# ### Do all coordinates take part, on photographs?
#
# Section 11 asked this with the drawn images of `shapes` and one seed a row (F5). Here again with CIFAR-100, five
# epochs and three seeds, for three settings:
#
# - random directions alone, at $\mu = -2$;
# - the same with coordinate quantiles, $\alpha = 0.1$, which leave more entries non-zero;
# - as a control, random directions alone at $\mu = -1.62$, which leave still more entries non-zero.
#
# The share of $\alpha = 0.1$ lies between those of the two settings without quantiles. A line between these two, over
# the logarithm of the share, says what that share alone would give: the comparison *at equal sparsity*. **Prediction.**
# Quantiles leave fewer than half as many coordinates dead as $\mu = -2$ alone, and fewer than equal sparsity would.
# Whether the encoder gains by it, section 11 could not say.


# %%
def finals(name, key, seeds=(0, 1, 2)):
    """Final numbers of the runs with one setting: (seeds,)."""
    return torch.tensor([real[f"{name}_5epochs_seed{seed}"]["final"][key] for seed in seeds])


settings = {
    "mu = -2, alone": "rdmreg_p1_mu-2",
    "mu = -1.62, alone (control)": "rdmreg_p1_mu-1.62",
    "mu = -2 and quantiles, alpha = 0.1": "rdmreg_p1_mu-2_alpha0.1",
}
shares = [finals(name, "nonzero_fraction").mean().item() for name in settings.values()]

# %% tags=["slide"]
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
# *Marks are runs; the line is what a larger share alone would give. The right axis does not begin at 0.* **F5 holds.
# About accuracy these runs are exploration.**
#
# Left, about the dead coordinates there is no doubt in this setting: $\alpha = 0.1$ leaves less than a third as many as
# random directions alone and half as many as the control, although that one has *more* non-zero entries.
#
# Right, the encoder's points lie about a hundredth above the line. The third seed was added after a look at two, so no
# test can be made of them. Where one was planned beforehand, on `shapes`, the encoder was worse (section 11). Longer runs
# on photographs have to decide.
#
# ✓ [F5](evidence/05_pretraining_cifar100.ipynb#F5)

# %% [markdown]
# ## 13 · Images of your own
#
# Put them into folders `my/train/<class>/` and `my/test/<class>/`; the classes serve the evaluation alone. Each image
# is cropped to a square and made 32×32. Then change the dataset in the cell of section 1, add `data_dir`, and run the
# notebook again:
#
#     CONFIG = PretrainConfig(
#         dataset="folder", data_dir=str(series_root() / "my"), backbone="test_byobnet", dim=256, lr=2e-3, epochs=12
#     )
#
# (That is the folder `my` at the root of the repository; on the command line, there, it is `--dataset folder
# --data-dir my`.) At least one batch of training images is needed, 256 or a smaller `batch_size`. What counts is the
# number of steps: the run of section 6 makes 276, a hundred epochs of CIFAR-100 19,500. Begin with the small network
# and as many epochs as make some hundred steps, and look whether it beats its untrained self. Any timm network that takes
# small images can be the backbone, by its name. For another loss, give `rlpjepa.train.train` an objective of your own. For
# another loop or several views, take the pieces: `data.views`, `RectifiedLpJEPA`, `rdmreg_loss`,
# `rlpjepa.train.train_step`; [the opening notebook](00_the_method_on_one_page.ipynb) has such a loop.

# %% [markdown] tags=["slide"]
# ## 14 · What zeros cost: the trade-off on CIFAR-100
#
# How much accuracy goes when more entries of $z$ are zero? Four kinds of runs, each with its own budget:
#
# - **Large points:** the two full runs of section 12, 100 epochs.
# - **Full colour:** 100 epochs of the same network at a quarter of its width, in half the time
#   (`notebooks/results/cifar100/tradeoff.toml`). A run appears here when its file is there, and three of one $p$ make a
#   line. LeJEPA, which has no zeros, stands at the left end.
# - **Faint:** the five-epoch sweeps of section 12.
# - **Right:** the post's curves, on a scale of their own, read off its figure to about 0.005. It does not say how long
#   its runs were, so compare shapes and not heights.
#
# Nor does it say which features were classified. So we show the linear probe of both: of the encoder's features, which
# one uses, and of $z$, whose zeros are counted. A point is one seed; where there are more, it is their mean, with a
# small dot for each. *Prediction:* up to nine tenths of zeros little is lost; where almost all are zero, more, and
# $p = 1$ keeps more than $p = 2$.

# %%
hundred = [name for name in real if "_100epochs_" in name]
print_table(real, {name.removesuffix("_100epochs_seed0"): name for name in hundred})
dense, sparse = (full[mu]["final"] for mu in (0, -1))
zeros = [1 - final["nonzero_fraction"] for final in (dense, sparse)]
lost = [dense[key] - sparse[key] for key in ("encoder_probe", "projector_probe")]
print("full network, {:.0%} in place of {:.0%} of zeros: the probe loses ".format(*zeros[::-1]), end="")
print("{:.3f} on the encoder's features, {:.3f} on z".format(*lost))

# %% jupyter={"source_hidden": true} tags=["slide", "draw"]
published = json.loads((RESULTS / "published" / "tradeoff.json").read_text(encoding="utf-8"))["curves"]
show(
    plot_tradeoff(
        [real[name] for name in hundred if name.startswith("quarter_")],
        {p: (published[f"p = {p}"]["zeros"], published[f"p = {p}"]["accuracy"]) for p in (1, 2)},
        untrained=real["random_seed0"],
        full=list(full.values()),
        behind=list(five.values()),
        title="100 epochs: {:.0%} zeros in place of {:.0%} cost the encoder {:.3f} of accuracy".format(
            *zeros[::-1], lost[0]
        ),
    ),
    alt="Probe accuracy against the fraction of zeros on CIFAR-100. Encoder: the full network's two large points, at one "
    "half and five sixths of zeros, lie nearly level and far above the five-epoch curves. These are nearly level up to 98 "
    "percent of zeros; then p = 2 falls to half. Projector: lower, and falling earlier. Published: much higher; at 98.5 "
    "percent of zeros p = 2 keeps less than half, at 98 percent p = 1 has lost a fifth.",
)

# %% [markdown]
# **The full network loses about a point on the encoder's features, and two on $z$,** when five sixths of the entries are
# zero in place of one half (100 epochs, one seed each). At $\mu = -1$ a quarter of its width is as good by kNN and two
# points worse by the probe.
#
# **The faint curves reach further (F3).** The encoder falls by less than a tenth of its height until 98 % of the entries
# are zero, and far more at the last point of $p = 2$. After five epochs there is little to lose yet. $z$ falls earlier.
#
# **One thing in the post's figure the faint curves do not show:** that $p = 1$ keeps more than $p = 2$ at equal sparsity,
# as on `shapes`. Up to 98 % of zeros the two differ by what seeds do. At $\mu = -3$ the encoder of $p = 2$ has half the
# accuracy of $p = 1$, but also only a fifth of its non-zero entries.
#
# The post's curves fall earlier than our encoder's, and about where our $z$ does. At 98 % of zeros its $p = 1$ has lost
# a fifth, and its $p = 2$, at 98.5 %, more than half.
#
# ✓ [F3](evidence/05_pretraining_cifar100.ipynb#F3)

# %% [markdown]
# ## Exercises
#
# Six exercises, from five minutes to an open question: [to the exercises](exercises/05_pretraining_cifar100.ipynb).

# %% [markdown] tags=["slide"]
# ## What was shown, what is open
#
# - A step of Rectified LpJEPA is a handful of lines: two views, one network, a mean of squares, and a comparison of
#   sorted projections.
# - Trained without labels, features become useful, and their share of zeros follows $\mu$ roughly as Eq. 11 predicts.
# - Zeros cost the encoder little until nearly all entries are zero; $z$ itself, whose zeros they are, pays earlier.
#   That $p = 1$ then keeps more than $p = 2$ at equal sparsity was seen on `shapes`, with one seed, and not on
#   CIFAR-100.
# - Both halves of the rectification are needed: without the ReLU there are no zeros, without the rectified target
#   nobody asks for their number.
# - A mean share near Eq. 11 can hide dead coordinates. Matching coordinates to their quantiles leaves fewer dead. The
#   encoder is not better for it: worse on `shapes`, with ten seeds; on photographs not decided.
# - Two moments give as good an encoder on `shapes` without rectification. They do not ask for zeros.
# - After 100 epochs on CIFAR-100 the encoder passes raw pixels by both measures, at $\mu = 0$ and $-1$ (one seed each).
#   After ten, raw pixels are still worth more to the nearest neighbours.
# - Open here: the sparse end of the trade-off on CIFAR-100 after 100 epochs and more, several seeds at every point, and
#   what coordinates that take part are worth there.
#
# **Read on.** Y. Kuang, *Rectified LpJEPA*, blog post, 30 January 2026 (Eq. 14 and 15), and *Rectified LpJEPA: Minimal
# Example*, 3 February 2026 · Y. Kuang, Y. Dagade, T. G. J. Rudner, R. Balestriero, Y. LeCun, *Rectified LpJEPA:
# Joint-Embedding Predictive Architectures with Sparse and Maximum-Entropy Representations*, arXiv:2602.01456 · R.
# Balestriero, Y. LeCun, *LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics*,
# arXiv:2511.08544 · K. He, X. Zhang, S. Ren, J. Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016.
