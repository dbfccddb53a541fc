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
# # 04 · RDMReg: look, sort, pull
#
# **In one sentence.** To make a cloud of points look like the target, we look at both along random directions, sort,
# and pull each point towards its partner.

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

# %% jupyter={"source_hidden": true} tags=["setup"]
# Imports, the look of the figures, and the target of this chapter.
import json

import matplotlib.pyplot as plt
import numpy
import torch

from rlpjepa import (
    RectifiedGeneralizedGaussian,
    coordinate_loss,
    explore,
    random_directions,
    rdmreg_loss,
    rgg_cf_loss,
    sample_rgg,
    unit_variance_scale,
)
from rlpjepa.figures import COLORS, STYLE, compare, series_root, show

torch.set_num_threads(1)  # the tensors are small: more threads would wait for each other
plt.rcParams.update(STYLE)
RESULTS = series_root() / "notebooks" / "results"  # recorded runs
MU = -1.0  # the target: a Laplace distribution of variance 1, shifted by -1 and cut at 0
target = RectifiedGeneralizedGaussian(MU, unit_variance_scale(1.0), 1.0)
ASKED = target.prob_active.item()  # the share of entries that are not zero, by Eq. 11

# %% tags=["slide"]
explore.moving_points()

# %% [markdown] tags=["slide"]
# Each dot is a row of $\mathbf{Z}$, the features of one image: here two numbers. No network moves it, only the loss of
# this chapter. (The lab counts zeros, the text what is *not* zero.)
#
# **A question before you read on.** Press play. The dots slide to the axes, where one entry is exactly zero, and most of
# them into the corner, where both are. Which part of the method makes these zeros *exact*? And which part decides *how
# many* there are? Keep your two answers. (What zeros are good for is another question:
# [the opening notebook](00_the_method_on_one_page.ipynb) asks it.)
#
# **Afterwards you can** write the loss in five lines, say where it pulls each point, tell a good value from a bad one,
# and say what decides the number of zeros, and what does not. **You need** the target of
# [chapter 02](02_rectified_generalized_gaussian.ipynb), the Rectified Generalized Gaussian (RGG), and from
# [chapter 03](03_projected_marginals.ipynb) that a direction turns vectors into numbers on a line. **It takes** about
# fifty minutes. The cells run in less than one.
#
# A line such as "✓ R1" is a link. It leads to the cell that tests this claim and stops when it is false.

# %% [markdown] tags=["slide"]
# ## 1 · The best way to pair ten points is to sort them
#
# Look at ten points along one direction, and you see ten numbers. Look at ten samples of the target along the
# same direction, and you see ten others. We want to move the first ten onto the second ten, and the moves should be
# short. Who goes where?

# %%
torch.manual_seed(0)
a = torch.randn(10)  # ten points, seen along one direction
# ten samples of the target, seen along one
b = sample_rgg((10, 16), p=1.0, mu=MU) @ random_directions(1, 16)[0]
cost = torch.stack([(a - b[torch.randperm(10)]).square().mean() for _ in range(1000)])
print(f"mean squared move: {cost[0]:.2f} with the first pairing that we draw, {cost.min():.2f} with the best of 1,000")

# %% [markdown]
# There are 3,628,800 pairings of ten with ten, so chance will not find the best one. Sorting does, at once:


# %% tags=["key", "slide"]
def transport(a, b):  # B numbers each
    gap = a.sort().values - b.sort().values  # smallest to smallest, …, largest to largest
    return gap.square().mean()


# %%
print(f"sorted: {transport(a, b):.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 2, figsize=(9.5, 2.6), sharex=True, sharey=True)
for panel, left, right, title in (
    (panels[0], a, b, "As drawn: lines cross"),
    (panels[1], a.sort().values, b.sort().values, "Sorted: no two lines cross"),
):
    panel.plot(torch.stack([left, right]), [[0] * 10, [1] * 10], color=COLORS["muted"], linewidth=1, zorder=0)
    panel.scatter(left, torch.zeros(10), color=COLORS["measurement"], label="features")
    panel.scatter(right, torch.ones(10), color=COLORS["rectified"], marker="D", label="samples of the target")
    panel.set(xlabel="position along the direction", title=title, yticks=[], ylim=(-0.25, 1.25))
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
show(
    figure,
    alt="Ten points and ten target samples on two lines, joined in pairs: crossing as drawn, uncrossed sorted.",
)

# %% [markdown]
# Why is that the best? Take two numbers $a_1 < a_2$ and two targets $b_1 < b_2$ whose lines cross: $a_1$ goes to $b_2$,
# and $a_2$ to $b_1$. Now uncross them. The cost changes by
#
# $$\underbrace{(a_1 - b_1)^2 + (a_2 - b_2)^2}_{\text{uncrossed}} -
# \underbrace{\bigl((a_1 - b_2)^2 + (a_2 - b_1)^2\bigr)}_{\text{crossed}} = -2\,(a_2 - a_1)(b_2 - b_1) < 0 .$$
#
# So uncrossing always pays, and a pairing in which nothing is left to uncross is the sorted one. Its cost is the squared
# *2-Wasserstein distance* of the two samples. Finding such pairings is called *optimal transport*. On a line it is one
# call to `sort`. ✓ [R1](evidence/04_rdmreg.ipynb#R1)

# %% [markdown] tags=["slide"]
# ## 2 · The loss looks along many directions
#
# Points in many dimensions have no order. But along a direction they do. Let $\mathbf{Z}$ of shape $(B, D)$ hold the
# features of $B$ images, a row each: a row is a point in $D$ dimensions, and a feature is a column. Let $\mathbf{Y}$ of
# the same shape hold fresh samples of the target. Then
#
# 1. draw $N$ directions $\mathbf{c}_n$, random vectors of length one;
# 2. project the rows of $\mathbf{Z}$ and of $\mathbf{Y}$ on each;
# 3. sort along each direction;
# 4. take the mean of the squared gaps.


# %% tags=["key", "slide"]
def sliced_distance(z, y, N):  # (B, D) each
    c = torch.nn.functional.normalize(torch.randn(N, z.shape[1]), dim=1)  # new: directions, (N, D)
    a, b = z @ c.T, y @ c.T  # new: one direction a column, (B, N)
    gap = a.sort(dim=0).values - b.sort(dim=0).values  # (B, N)
    return gap.square().mean()  # new: also over directions


# %% [markdown]
# This is RDMReg, short for *rectified distribution matching regularization* (Eq. 13):
#
# $$\text{RDMReg}(\mathbf{Z}, \mathbf{Y}) = \underbrace{\frac1N \sum_{n=1}^{N}}_{\text{directions}} \frac1B\,
# \Bigl\lVert\, \underbrace{(\mathbf{Z}\mathbf{c}_n)^\uparrow}_{\text{features, sorted}} -
# \underbrace{(\mathbf{Y}\mathbf{c}_n)^\uparrow}_{\text{target, sorted}} \Bigr\rVert_2^2 . \tag{13}$$
#
# By Cramér and Wold ([chapter 03](03_projected_marginals.ipynb)) two distributions are equal when they look the same
# along *every* direction. We cannot look along all of them, so we draw a few
# hundred, new ones in every step.
#
# The module's function is the same with two changes. It takes the two views of the images at once and compares both with
# one target sample, and you may hand it the directions:

# %% tags=["key"]
torch.manual_seed(1)
B, D, N = 256, 32, 100
z = torch.randn(2, B, D).relu()  # new: the features of two views, (2, B, D)
y, c = sample_rgg((B, D), p=1.0, mu=MU), random_directions(N, D)  # (B, D), (N, D)
gap = (z @ c.T).sort(dim=1).values - (y @ c.T).sort(dim=0).values  # new: (2, B, N) minus (B, N)
print(f"by hand {gap.square().mean():.4f}, module {rdmreg_loss(z, y, directions=c):.4f}")

# %% [markdown]
# (The module returns the mean over the two views. Eq. 15 of the post takes their sum, a factor of 2 in the weight.)
#
# > **Where this comes from.** Comparing two samples is the classical *two-sample problem* (Lehmann and Romano's textbook has
# > a shelf of tests), and the Wasserstein distance is
# > one answer of many: one may also compare distribution functions, or kernel means (MMD, energy distance). Looking along
# > directions goes back to projection pursuit (Friedman and Tukey, 1974). The loss itself is the squared *sliced Wasserstein
# > distance* (Rabin, Peyré, Delon and Bernot, 2011, who also move points along its gradient). *Max-sliced* relatives look
# > for the one worst direction instead of drawing many.

# %% [markdown] tags=["slide"]
# ## 3 · Each direction pulls every point along itself
#
# Sorting looks hard to differentiate. Almost everywhere it is not. Move the points a little, and their order stays. So
# the pairs stay, and each pair is a plain square. Let $y_{n,b}$ be the partner of $\mathbf{z}_b$ along $\mathbf{c}_n$:
# the projected target sample of the same rank. Then
#
# $$\frac{\partial\,\text{RDMReg}}{\partial\mathbf{z}_b} = \frac{2}{NB} \sum_{n=1}^{N}
# \bigl(\underbrace{\mathbf{c}_n^\top\mathbf{z}_b}_{\text{where it is}} - \underbrace{y_{n,b}}_{\text{where its partner
# is}}\bigr)
# \underbrace{\mathbf{c}_n}_{\text{along the direction}} .$$
#
# ✓ [R3](evidence/04_rdmreg.ipynb#R3), also where numbers tie. Now [exercise 04.1](exercises/04_rdmreg.ipynb), five minutes
# with a pencil.

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
torch.manual_seed(4)
z, y, c = (
    torch.tensor([1.0, 0.9]) + 0.35 * torch.randn(9, 2),
    sample_rgg((9, 2), p=1.0, mu=0.3),
    torch.tensor([0.8, 0.6]),
)
rank = (z @ c).argsort().argsort()
to = z + ((y @ c).sort().values[rank] - z @ c).unsqueeze(1) * c  # where this direction wants each point
w = z.clone().requires_grad_()
rdmreg_loss(w, y, 2000, generator=torch.Generator().manual_seed(0)).backward()
figure, panels = plt.subplots(1, 3, figsize=(11, 3.5), sharex=True, sharey=True)
for panel in panels:
    panel.scatter(*y.T, color=COLORS["rectified"], marker="D", s=28, label="samples of the target")
    panel.scatter(*z.T, color=COLORS["measurement"], s=28, label="features")
    panel.set(aspect="equal", xlabel="first entry")
line = torch.tensor([[-0.5], [3.2]]) * c
panels[0].plot(*line.T, color=COLORS["muted"], linewidth=1)
for cloud, color in ((z, COLORS["measurement"]), (y, COLORS["rectified"])):
    feet = (cloud @ c).unsqueeze(1) * c
    panels[0].plot(*torch.stack([cloud, feet]).permute(2, 0, 1), color=color, linewidth=0.6)
    panels[0].plot(*feet.T, "|", color=color, markersize=9)
panels[0].set(title="1. Look along one direction", ylabel="second entry")
panels[1].quiver(*z.T, *(to - z).T, angles="xy", scale_units="xy", scale=1, width=0.006, color=COLORS["muted"])
panels[1].set(title="2. Pull along it, each to its rank")
panels[2].quiver(
    *z.T, *(-len(z) * w.grad).T, angles="xy", scale_units="xy", scale=1, width=0.006, color=COLORS["muted"]
)
panels[2].set(title="3. Mean over many (drawn twice as long)")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
show(
    figure,
    alt="Nine points and nine target samples in the plane. Left, both projected on a slanted line. Middle, arrows along "
    "that line. Right, the mean of such arrows over many directions: each point is pulled its own way.",
)

# %% [markdown]
# One direction moves a point only along itself. The mean over directions moves it towards the target.
#
# Now let the loss do its work. The points are free, in the plane. There is no network, only a tensor
# $\mathbf{W}$ of shape $(B, 2)$ and $\mathbf{Z} = \mathrm{ReLU}(\mathbf{W})$:


# %% tags=["key"]
def move(w, rectify=True, steps=400, lr=0.05):  # w: (B, D), where the points start
    w = w.clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=lr)
    path = []
    for step in range(steps + 1):
        z = torch.relu(w) if rectify else w  # (B, D)
        path.append(z.detach().clone())
        y = sample_rgg(w.shape, p=1.0, mu=MU)  # new samples in every step
        loss = sliced_distance(z, y, N=64)  # and new directions
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)  # smaller and smaller steps
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return path


# %%
torch.manual_seed(7)
blob = torch.tensor([2.0, 1.0]) + 0.3 * torch.randn(256, 2)
path = move(blob)
print(f"not zero: {(path[-1] > 0).float().mean():.2f}, asked {ASKED:.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
clouds = [(f"step {step}", path[step], COLORS["measurement"], "o") for step in (0, 15, 60, 400)]
clouds.append(("the target", sample_rgg((256, 2), p=1.0, mu=MU), COLORS["rectified"], "D"))
figure, panels = plt.subplots(1, 5, figsize=(12, 3.2), sharex=True, sharey=True)
for panel, (name, points, color, marker) in zip(panels, clouds):
    panel.scatter(*points.T, s=10, color=color, marker=marker, linewidth=0, alpha=0.7)
    corner = (points == 0).all(dim=1).float().mean()
    panel.set(aspect="equal", xlim=(-0.2, 3.4), ylim=(-0.2, 3.4), xlabel="first entry")
    panel.set_title(f"{name}\n{100 * corner:.0f} % in the corner", fontsize=10)
panels[0].set_ylabel("second entry")
show(
    figure,
    alt="A blob of 256 points spreads, slides to the axes and into the corner, and ends like the target's sample.",
)

# %% [markdown]
# The blob spreads, slides to the axes, and ends like the target: along the axes, and along directions that the loss
# never drew. ✓ [R4](evidence/04_rdmreg.ipynb#R4)
#
# Now 04.2, ten minutes: what if the directions are never drawn again?

# %% [markdown] tags=["slide"]
# ## 4 · The ReLU makes the zeros exact
#
# Take the ReLU away and move the same points once more. They see the same target. They could go to the corner too.
#
# **Your guess.** What share of the entries is smaller than .001 in size at the end? And what share is exactly zero?

# %%
guess = None  # the share below .001, between 0 and 1

# %%
torch.manual_seed(7)
plain = move(blob, rectify=False)[-1]

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, (plain.abs() < 0.001).float().mean())
print(f"exactly zero: {(plain == 0).float().mean():.3f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 3, figsize=(11, 3.4))
for panel, cloud, title in ((panels[0], path[-1], "With the ReLU"), (panels[1], plain, "Without")):
    panel.scatter(*cloud.T, s=9, color=COLORS["measurement"], linewidth=0)
    panel.set(
        title=title, xlim=(-0.3, 3.4), ylim=(-0.3, 3.4), xlabel="first entry", ylabel="second entry", aspect="equal"
    )
for cloud, label, line in ((path[-1], "with the ReLU", "-"), (plain, "without", "--")):
    size = cloud.flatten().abs().sort().values
    size = size.where(size > 0, torch.nan)
    panels[2].plot(torch.linspace(0, 1, 512), size, line, color=COLORS["measurement"], label=label)
panels[2].set(yscale="log", xlabel="share of the entries that are smaller", ylabel="size", title="Tiny is not zero")
panels[2].text(0.03, 0.4, "with the ReLU these\nare exactly zero", fontsize=9)
panels[2].legend(loc="lower right")
show(
    figure,
    alt="With and without the ReLU the clouds look much alike. Sizes of the entries in order, on a logarithmic axis: with "
    "the ReLU most are zero and not on the axis; without, they are small numbers, some far below a millionth.",
)

# %% [markdown]
# The two clouds look much alike. But on a logarithmic axis those near the corner are only small. The loss is
# continuous: it cannot tell an exact zero from a very small number. A point that moves in small steps never lands on
# zero exactly, unless something cuts it off there. The ReLU does. ✓ [R6](evidence/04_rdmreg.ipynb#R6)
#
# That settles the first question of this chapter. The second is harder, and it needs many dimensions. Before we ask it there,
# we need to know what a good loss is.

# %% [markdown]
# ## 5 · A perfect cloud does not have loss zero
#
# Suppose that training is done, and the features follow the target exactly. Then $\mathbf{Z}$ and $\mathbf{Y}$ are two
# samples of one distribution. Two samples are never equal, so the loss stays above zero. This is its *noise floor*:


# %%
def floor(B, D, repetitions=16):
    draw = [sample_rgg((2, B, D), p=1.0, mu=MU) for _ in range(repetitions)]
    return torch.stack([rdmreg_loss(z, y, 64) for z, y in draw]).mean()


torch.manual_seed(5)
sizes = (32, 64, 128, 256, 512, 1024)
floors = {D: torch.stack([floor(B, D) for B in sizes]) for D in (2, 32, 512)}
collapsed = rdmreg_loss(torch.zeros(256, 512), sample_rgg((256, 512), p=1.0, mu=MU), 64)
print(f"B = 256, D = 512: floor {floors[512][3]:.3f}, all features zero {collapsed:.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(5.5, 3.2))
for (D, values), look in zip(floors.items(), ("^-.", "o-", "D--")):
    panel.plot(sizes, values, look, color=COLORS["rectified"], label=f"D = {D}")
panel.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="RDMReg of two target samples")
panel.set_title("The floor falls as the batch grows")
panel.set_xticks(sizes, [str(size) for size in sizes])
panel.minorticks_off()
panel.legend()
show(figure, alt="RDMReg between two samples of the target falls along nearly straight lines as the batch grows.")

# %% [markdown]
# (The .12 of features that are all zero is a loss, not the share. That they are equal is no accident: at $p = 1$ and $\mu \le 0$
# the mean square of an entry is $a \cdot 2\sigma^2$, with $a$ the share and $\sigma = 1/\sqrt2$ the scale of the target.)
#
# So a loss of .003 says nothing by itself. It is perfect for one batch size and poor for another. To judge a value,
# compute what a sample of the target would get, with the same $B$, $D$ and $\mu$. ✓ [R2](evidence/04_rdmreg.ipynb#R2)
# (How fast such floors fall is a [theory of its own](https://arxiv.org/abs/1909.07862).)
#
# Now 04.3 and 04.4, twenty minutes each: what a dead feature costs (one that is off for nearly all images), and why the
# floor falls more slowly than $1/B$.
#
# > **How many directions?** In 512 dimensions, 256 directions do not cover the space, and one step points only roughly the
# > right way: near collapse its cosine with the full gradient is about $\sqrt{N/(N + D - 1)}$, which is .58. The more
# > directions, the less a step scatters ✓ [R5](evidence/04_rdmreg.ipynb#R5), and an optimizer averages over steps anyway. The post's minimal example draws
# > 256, the authors' repository 8192, where the formula gives .97
# > ([both](evidence/04_rdmreg.ipynb#How-many-directions-are-enough)). In [chapter 05](05_pretraining_cifar100.ipynb) we compare them.

# %% [markdown] tags=["slide"]
# ## 6 · In 512 dimensions the loss hardly sees the zeros
#
# The target has .122 of its entries non-zero. Let us build two impostors. Both have the *mean and the variance* of the target,
# and nothing else. One is Gaussian: *no* entry is zero, and many are negative. The other has half of its entries
# non-zero: nearly all of those are .1, and a few are large.


# %%
MEAN, VARIANCE = target.mean, target.variance


def gaussian(shape):
    return MEAN + VARIANCE.sqrt() * torch.randn(shape)


def half_on(shape):
    large = (VARIANCE + MEAN**2 - 0.1 * MEAN) / (MEAN - 0.05)  # so that mean and variance are right
    rare = (MEAN - 0.05) / (large - 0.1)  # the share of the large entries
    u = torch.rand(shape)
    return torch.where(u < rare, large, torch.where(u < 0.5, 0.1, 0.0))


# %% [markdown]
# **Your guess.** In 512 dimensions, take the Gaussian impostor. How large is its loss, divided by that of a true sample of the
# target?

# %%
guess = None  # a ratio; 1 means that the loss sees no difference


# %%
def relative_loss(impostor, D, B=256, repetitions=12):
    pairs = torch.zeros(repetitions, 2)
    for pair in pairs:
        y, c = sample_rgg((B, D), p=1.0, mu=MU), random_directions(64, D)
        for i, z in enumerate((impostor((B, D)), sample_rgg((B, D), p=1.0, mu=MU))):
            pair[i] = rdmreg_loss(z, y, directions=c)
    return (pairs[:, 0].mean() / pairs[:, 1].mean()).item()


torch.manual_seed(3)
repetitions = {2: 200, 8: 100, 32: 60, 128: 30, 512: 24}  # fewer are needed where D is large
relative = {f: [relative_loss(f, D, repetitions=n) for D, n in repetitions.items()] for f in (gaussian, half_on)}

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, relative[gaussian][-1])

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(6, 3.2))
for (_, values), look, name in zip(
    relative.items(), ("o-", "D--"), ("Gaussian: no zero at all", "half of the entries on")
):
    panel.plot(list(repetitions), values, look, color=COLORS["measurement"], label=name)
panel.axhline(1, color=COLORS["rectified"], linewidth=1, label="the target itself")
panel.set(xscale="log", xlabel="dimension D", ylabel="loss / loss of the target", ylim=(0, None))
panel.set_title("In 512 dimensions the impostors pass")
panel.set_xticks(list(repetitions), [str(D) for D in repetitions])
panel.minorticks_off()
panel.legend()
show(
    figure,
    alt="Loss of two impostors over the loss of the target: several times as large in the plane, the same at D = 512.",
)

# %% [markdown]
# No difference. Why? A *shadow*, as we call the projection on one direction, is in 512 dimensions a sum of 512 terms. As long as no single term outweighs the others, such a
# sum is nearly Gaussian ([chapter 03](03_projected_marginals.ipynb)). A Gaussian has a mean and a variance and nothing else,
# and these are right. With few terms one still sees in the sum how the terms are distributed.
#
# All this holds at our batch size. A larger batch lowers the floor, and what little there is to see stands out:

# %%
torch.manual_seed(4)
print(f"half of the entries on, D = 512, B = 4096: {relative_loss(half_on, 512, B=4096, repetitions=2):.2f}")

# %% [markdown]
# And there is one thing that mean and variance do say. A cloud without negative entries cannot have *fewer* non-zeros than
# $\text{mean}^2 / (\text{mean}^2 + \text{variance})$, by Cauchy and Schwarz. So a *small* loss bounds the share from below.

# %%
print(f"at least {MEAN**2 / (MEAN**2 + VARIANCE):.3f}, asked {ASKED:.3f}")

# %% [markdown]
# > **Two moments.** So at this batch size RDMReg sees little more than the means, the total variance, and features that are
# > nearly copies of each other. [VICReg](https://arxiv.org/abs/2105.04906), [Barlow
# > Twins](https://arxiv.org/abs/2103.03230) and whitening ask for variances and covariances directly.
# > [The evidence of chapter 05](evidence/05_pretraining_cifar100.ipynb#Decided-with-ten-seeds) sets the two side by side.

# %% [markdown] tags=["slide"]
# ## 7 · So the path decides how many zeros there are
#
# If the loss hardly sees the number, something else decides it. Let us watch. We move free points, in 2 and in 512 dimensions,
# with a ReLU as before. And beside them we *clamp*: there is no ReLU, but after each step what is negative is set to zero.


# %% tags=["key", "slide"]
def share_by_step(w, clamp, lr, mu=MU, extra=lambda z: 0.0, steps=300):  # w: (B, D)
    w = w.clone().requires_grad_()
    optimizer = torch.optim.Adam([w], lr=lr)
    shares = []
    for _ in range(steps):
        z = w if clamp else torch.relu(w)
        shares.append((z > 0).float().mean().item())  # new: count
        loss = rdmreg_loss(z, sample_rgg(w.shape, p=1.0, mu=mu), 256) + extra(z)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if clamp:
            w.data.clamp_(min=0)  # new: set to zero after the step, so that the next step can lift it again
    return shares, z.detach()


# %% [markdown]
# The strictest test starts at a sample *of the target itself*. There the share is right from the beginning.
#
# **Your guess.** After 300 steps from the target's own sample, in 512 dimensions and with clamping: what share of the entries
# is not zero?

# %%
guess = None  # a share, between 0 and 1; the start has .122


# %% tags=["nbval-ignore-output"]
def four_runs(B, D):
    # half of the entries on; .122 of them
    wide, perfect = torch.randn(B, D), sample_rgg((B, D), p=1.0, mu=MU)
    return {
        "ReLU, rate .05": share_by_step(wide, clamp=False, lr=0.05),
        "ReLU, rate .01": share_by_step(wide, clamp=False, lr=0.01),
        "ReLU, from the target": share_by_step(perfect, clamp=False, lr=0.01),
        "clamped, from the target": share_by_step(perfect, clamp=True, lr=0.01),
    }


torch.manual_seed(13)
plane, runs = four_runs(1024, 2), four_runs(128, 512)

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer", "nbval-ignore-output"]
compare(guess, runs["clamped, from the target"][0][-1])

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 2, figsize=(11, 3.5), sharey=True)
for panel, paths, title in (
    (panels[0], plane, "D = 2: it ends within a factor of two"),
    (panels[1], runs, "D = 512: the share goes its own way"),
):
    for (name, (shares, _)), look in zip(paths.items(), ("-", "--", "-.", ":")):
        panel.plot(shares, look, color=COLORS["gaussian" if "clamped" in name else "measurement"], label=name)
    panel.plot([0, 300], [ASKED, ASKED], color=COLORS["rectified"], linewidth=1)
    panel.text(304, ASKED, "asked", va="center", color=COLORS["rectified"])
    panel.set(xlabel="step", ylim=(0, 0.75), xlim=(0, 345), title=title)
panels[0].set_ylabel("share that is not zero")
panels[0].legend(loc="upper right", fontsize=9)
show(
    figure,
    alt="Paths of the share over 300 steps. In the plane they end within a factor of two of the asked .12. "
    "In 512 dimensions clamped points jump far above it, and those with a ReLU go on falling.",
)

# %% tags=["nbval-ignore-output"]
for paths in (plane, runs):
    B, D = paths["ReLU, rate .05"][1].shape
    print(f"D = {D}")
    for name, (_, z) in paths.items():
        loss = torch.stack([rdmreg_loss(z, sample_rgg(z.shape, p=1.0, mu=MU), 256) for _ in range(10)]).mean()
        print(f"{name:24}  > 0: {(z > 0).float().mean():.2f}, > .05: {(z > 0.05).float().mean():.2f}, loss {loss:.4f}")
    print(f"the target                > 0: {ASKED:.2f}, > .05: {1 - target.cdf(torch.tensor(0.05)):.2f}, ", end="")
    print(f"loss {floor(B, D):.4f}")

# %% [markdown]
# In the plane all shares end near the asked one, once we count only what is larger than .05. In 512 dimensions they end
# between .1 and .7. Most of what clamping lifts stays tiny, but not all: above .05 there is still twice as much as
# asked. And yet three of the four losses are all but the same (the slow steps have not arrived). They are even *lower*
# than that of a perfect sample, because the points have averaged over hundreds of samples. So a smaller loss does not
# bring the right number.
#
# Here is a reading that fits. **A ReLU is a door that opens one way.** An entry that is off gets no gradient and stays off.
# Every step jitters, because its target samples and directions are new, and jitter carries some entries below zero for good.
# So the share can only fall. Large steps make it fall faster, and it stops when the steps do. **Clamping opens the door both
# ways.** An entry that was set to zero may be lifted again by the next step. Of the entries at zero a single step pushes
# about every second one up, and in 512 dimensions little tells a small number from zero. So most of them stay up. In the
# plane the loss sees more and pushes most of them back: there the clamped points stay at about .2. (Those with a ReLU do much
# the same in both.)
# [The evidence](evidence/04_rdmreg.ipynb#A-door-that-opens-one-way) tests this reading. ✓ [R7](evidence/04_rdmreg.ipynb#R7)
#
# Is $\mu$ no knob, then? It is. Ask for other shares, and change nothing else:

# %% tags=["nbval-ignore-output"]
torch.manual_seed(14)
start = torch.randn(128, 512)
for mu in (-2.0, -1.0, 0.0):
    asked = RectifiedGeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0).prob_active
    print(f"mu {mu:g}: asked {asked:.2f}, got {share_by_step(start, clamp=False, lr=0.05, mu=mu)[0][-1]:.2f}")

# %% [markdown]
# So the second question of this chapter has an answer, for free points in many dimensions. The target sets the scale of the
# share, through two moments. The batch is too small to see more. The path fills in the rest.

# %% [markdown] tags=["slide"]
# ## 8 · In a network the share depends on how we train
#
# In a network the door need not close: all features come from shared weights, and a unit that is off for one image
# moves with those for which it is on. So what happens there? Below, on the left, is the share of non-zero features in a
# run of 100 epochs on CIFAR-100. On the right are six ways to train the small encoder of
# [the opening notebook](00_the_method_on_one_page.ipynb) on its drawn shapes, here with $D = 256$ and $N = 256$: for 12
# epochs at its learning rate, and with one thing changed, three seeds each (`results/experiments/share.py`). All ask
# for $\mu = -1$. (Loss 1 is the invariance term, the agreement of two views, and loss 2 is RDMReg.)

# %%
full = json.loads((RESULTS / "cifar100" / "rdmreg_p1_mu-1_100epochs_seed0.json").read_text(encoding="utf-8"))
record = json.loads((RESULTS / "experiments" / "share.json").read_text(encoding="utf-8"))
arms = {}  # on test images, three seeds an arm
for run in record["runs"]:
    if run["arm"] != "no regularizer":  # which asks for no share
        arms.setdefault(run["arm"], []).append(run["final"] | {"loss 2": run["regularizer"]})
names = {"base": "12 epochs"}
for arm, three in arms.items():
    share, dead, loss2 = (sum(run[key] for run in three) / 3 for key in ("nonzero_fraction", "dead_fraction", "loss 2"))
    print(f"{names.get(arm, arm):16} share {share:.3f}, dead {dead:.2f}, loss 2 {loss2:.3f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.3))
left.plot(range(1, 101), [epoch["nonzero_fraction"] for epoch in full["epochs"]], color=COLORS["measurement"])
left.set(xlabel="epoch", ylabel="share that is not zero", ylim=(0, 0.3), title="CIFAR-100: met early, then left")
for place, three in enumerate(arms.values()):
    values = [run["nonzero_fraction"] for run in three]
    right.plot(values, [-place] * len(values), "o", color=COLORS["measurement"], alpha=0.7)
right.set_yticks(range(0, -len(arms), -1), [names.get(arm, arm) for arm in arms])
right.set(xlabel="share that is not zero", xlim=(0, 0.3), title="Shapes: it depends on how we train")
left.axhline(ASKED, color=COLORS["rectified"], label="asked")
right.axvline(ASKED, color=COLORS["rectified"], label="asked")
left.legend(loc="lower right")
show(
    figure,
    alt="Left: the share over 100 epochs, at the asked one early, then rising. Right: the share of six ways to train.",
)

# %% [markdown]
# Three things can be read off, for this network and these images.
#
# - **It depends on the learning rate and on when we stop.** A quarter of the rate leaves the share far above what we asked.
#   Three times as many epochs bring it down a little. Four times the rate brings it far below, even below the least share of
#   section 6. But that bound needs a small loss, and this one is large: nearly four fifths of the features are dead, off for all
#   but a few images. At that rate training has gone wrong.
# - **The invariance term lifts it.** Without the term that makes two views agree, the share ends *below* what we asked.
# - **More directions do not bring it nearer.** With 8192 of them it ends higher.
#
# And what does the loss that is left complain about? Take the features of 2,000 test images of the long run. Shuffle each
# feature over the images, each in another order. That keeps the values of every single feature, zeros included, and breaks
# how features depend on each other.

# %%
stored = RESULTS / "cifar100" / "rdmreg_p1_mu-1_100epochs_seed0_z.npz"
learned = torch.from_numpy(numpy.load(stored)["z"]).float()  # (2000, 512)
torch.manual_seed(9)
shuffled = torch.stack([column[torch.randperm(2000)] for column in learned.T], dim=1)
for name, z in (("learned", learned), ("shuffled", shuffled), ("the target", sample_rgg((2000, 512), p=1.0, mu=MU))):
    batches = [rdmreg_loss(rows, sample_rgg((250, 512), p=1.0, mu=MU), 256) for rows in z.split(250)]
    share, mean, deviation = (z > 0).float().mean(), z.mean(), z.std()
    twins = (torch.corrcoef(z.T).fill_diagonal_(0).amax(dim=1) > 0.8).float().mean()  # with a partner like themselves
    print(f"{name:10}  share {share:.2f}, mean {mean:.2f}, deviation {deviation:.2f}, ", end="")
    print(f"loss {sum(batches) / 8:.4f}, with a twin {twins:.2f}")

# %% [markdown]
# The shuffled features have the same wrong share, and most of the excess loss is gone. So what the loss sees is mainly
# not the zeros. It sees that features repeat each other: nearly all have a twin, another feature with a correlation
# above .8. And mean and deviation are nearly right: like our impostors, the network has more non-zeros than we asked,
# and smaller ones.
#
# **What is not known:** why the invariance term lifts the share, and why it rises over a long run on CIFAR-100 and falls on the shapes.

# %% [markdown] tags=["slide"]
# ## 9 · SIGReg does the same with a formula in place of samples
#
# RDMReg is *two-sample*: it has to draw the target. If the target is the standard Gaussian, that is not needed. Every
# shadow of it is $\mathcal{N}(0, 1)$, and we can write down what one sees along any direction. This is LeJEPA's loss,
# *SIGReg*. It compares *characteristic functions*: wrap the projections $x_b = \mathbf{c}^\top\mathbf{z}_b$ around the unit
# circle at speed $t$, and take the mean of the points. For $\mathcal{N}(0, 1)$ that mean is $e^{-t^2/2}$. The loss is
#
# $$\int_{\mathbb{R}} \Bigl|\underbrace{\frac1B\sum_{b=1}^{B} e^{i t x_b}}_{\text{features}} -
# \underbrace{e^{-t^2/2}}_{\text{target}}\Bigr|^2\, e^{-t^2/2}\, dt , \tag{7}$$
#
# averaged over directions.


# %% tags=["key", "slide"]
def sigreg(z, c):  # features (B, D), directions (N, D)
    t = torch.linspace(-3, 3, 33)  # knots of the integral, (K,)
    points = torch.exp(1j * (z @ c.T).unsqueeze(-1) * t)  # on the unit circle, (B, N, K)
    gap = points.mean(dim=0) - torch.exp(-(t**2) / 2)  # (N, K)
    return torch.trapezoid(gap.abs().square() * torch.exp(-(t**2) / 2), t).mean()


# %% [markdown]
# No `sort`, no samples of the target. (Beyond 3 the weight $e^{-t^2/2}$ leaves next to nothing.) ✓
# [S5](evidence/04_rdmreg.ipynb#S5)
#
# Both losses are there to prevent collapse. So what do they do when the features *have* collapsed? We shrink a cloud by a
# factor $s$ and look at the part of the gradient that takes points apart.


# %%
def gradient(loss, z):
    z = z.clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0]


torch.manual_seed(4)
cloud, y, c = torch.randn(256, 8), torch.randn(256, 8), random_directions(64, 8)
losses = {"SIGReg": lambda z: sigreg(z, c), "RDMReg": lambda z: rdmreg_loss(z, y, directions=c)}
scales = torch.logspace(-4, 0, 9)
spread = {}
for name, loss in losses.items():
    pulls = [gradient(loss, s * cloud) for s in scales]
    # without the part that all rows share
    spread[name] = torch.stack([(pull - pull.mean(0)).norm() for pull in pulls])

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(6, 3.2))
for name, color, look in (("RDMReg", "rectified", "o-"), ("SIGReg", "gaussian", "s--")):
    panel.plot(scales, spread[name], look, color=COLORS[color], label=name)
panel.set(xscale="log", yscale="log", xlabel="scale s of the cloud", ylabel="pull that takes points apart")
panel.set_title("SIGReg's pull shrinks with the cloud")
panel.legend()
show(figure, alt="Both axes logarithmic: near collapse RDMReg's pull stays constant, SIGReg's falls with the scale.")

# %% [markdown]
# RDMReg pulls at full strength: however close the points are, their *ranks* differ, and each rank is sent to another place.
# (At exact ties `sort` chooses some order, and a random kick is left.) SIGReg treats nearly equal rows alike, so its pull
# fades with the scale. So does the pull of loss 1, so in training the weights decide whether a cloud gets out. And if a ReLU
# is off for *every* image, neither loss reaches the weights behind it.
#
# > **Where this comes from.** Eq. 7 is the test of [Epps and Pulley (1983)](https://doi.org/10.1093/biomet/70.3.723), and
# > its integral is a kernel distance (MMD) with a Gaussian kernel. The post calls SIGReg the first regularizer of the
# > kind of Eq. 6 in chapter 03, a distance averaged over directions; on the sphere there was one before
# > ([Bonet and others, 2023](https://arxiv.org/abs/2206.08780)). [LeJEPA](https://arxiv.org/abs/2511.08544) argues for
# > the Gaussian target by the risk of whatever one learns from the features afterwards. It needs no teacher and no
# > stop-gradient, and this series inherits that. [VISReg](https://arxiv.org/abs/2606.02572) reports the fading gradient on
# > its own, and compares sorted features with the quantiles of a Gaussian.

# %% [markdown] tags=["slide"]
# ## 10 · Two doors to other losses
#
# **One sample after all.** The post says that RGG has to be sampled, because its shadows are no longer RGG. But Eq. 7 only
# needs the characteristic function of a shadow. The entries of the target are independent, so it is a product,
#
# $$\mathbb{E}\, e^{i t\, \mathbf{c}^\top\mathbf{x}} = \prod_{j=1}^{D} \varphi(c_j t),
# \qquad \varphi(t) = \mathbb{E}\, e^{i t x_j} .$$
#
# Put it where $e^{-t^2/2}$ stood in the gap, and you have a one-sample loss for RGG.

# %% tags=["key"]
torch.manual_seed(15)
right, shifted = sample_rgg((256, 512), p=1.0, mu=MU), sample_rgg((256, 512), p=1.0, mu=MU + 0.1)
for name, z in (("the target", right), ("μ off by 0.1", shifted)):
    two_samples = rdmreg_loss(z, sample_rgg((256, 512), p=1.0, mu=MU))
    print(f"{name:12}  one sample {rgg_cf_loss(z, target):.5f}, two samples {two_samples:.4f}")

# %% [markdown]
# At a small shift it rises further above its floor. (There is less noise in it, and that is
# [half of the reason at most](evidence/04_rdmreg.ipynb#What-each-loss-sees-sooner).) It misses a few rows that are far
# out (same place), and near collapse it [fades](evidence/04_rdmreg.ipynb#Near-collapse) as SIGReg does. The product is
# tested: ✓ [R8](evidence/04_rdmreg.ipynb#R8). With ten seeds on `shapes` it left more features dead, and the encoder
# was not seen to differ ([evidence](evidence/05_pretraining_cifar100.ipynb#Decided-with-ten-seeds)).
#
# Now 04.5, twenty minutes: the same for a target whose entries are not independent.
#
# **Quantiles of each feature.** The loss does not see the zeros because a shadow mixes 512 features. So look at each
# feature alone: sort it over the batch, and compare it with the quantiles of the target, most of which are zero.

# %% tags=["key", "nbval-ignore-output"]
torch.manual_seed(13)
wide = torch.randn(128, 512)
with_quantiles, _ = share_by_step(wide, clamp=False, lr=0.05, extra=lambda z: coordinate_loss(z, target))  # new
print(f"share {with_quantiles[-1]:.2f}, asked {ASKED:.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "nbval-ignore-output"]
figure, panel = plt.subplots(figsize=(6, 3))
panel.plot(runs["ReLU, rate .05"][0], "--", color=COLORS["muted"], label="RDMReg")
panel.plot(with_quantiles, color=COLORS["measurement"], label="RDMReg and quantiles")
panel.axhline(ASKED, color=COLORS["rectified"], linewidth=1, label="asked")
panel.set(
    xlabel="step", ylabel="share that is not zero", ylim=(0, 0.3), title="With quantiles the share comes down and stays"
)
panel.legend()
show(
    figure,
    alt="The share over 300 steps: with RDMReg alone it keeps falling, with quantiles it is level after 50 steps.",
)

# %% [markdown]
# Now the share comes down quickly and *stays*, near what we asked. It is no cure for clamped points, whose tiny entries cost
# nothing here either. And in a network, with ten seeds, fewer features were dead, and the encoder was worse
# at equal sparsity ([evidence](evidence/05_pretraining_cifar100.ipynb#Decided-with-ten-seeds)).
#
# > **If you want a fixed number,** you can also take it: *top-k* keeps the $k$ largest features of each image and drops the
# > rest ([k-sparse autoencoders](https://arxiv.org/abs/1312.5663)). Then the number is a rule and not a distribution.
#
# Now 04.6, an open question: decide the number of zeros.

# %% [markdown] tags=["slide"]
# ## In three sentences
#
# **Shown:** RDMReg looks along random directions, sorts, and pulls each point towards its partner. The ReLU makes the
# zeros exact. In 512 dimensions the target sets the scale of their number, and the way we train the rest. **Open:**
# whether the right number would be worth having, and a cheap loss that fixes it without harm to the encoder. **Where to
# go:** [chapter 05](05_pretraining_cifar100.ipynb), which adds the network, real images, and what sparsity costs. The
# [evidence](evidence/04_rdmreg.ipynb) has what this lesson left out, such as
# [why the loss is computed in float32](evidence/04_rdmreg.ipynb#Why-in-float32).
#
# **Read on.** J. Rabin, G. Peyré, J. Delon, M. Bernot, *Wasserstein Barycenter and its Application to Texture Mixing*, 2011 ·
# N. Bonneel, J. Rabin, G. Peyré, H. Pfister, *Sliced and Radon Wasserstein Barycenters of Measures*, 2015 ·
# G. Peyré, M. Cuturi, *Computational Optimal Transport*, 2019 · R. Balestriero, Y. LeCun, *LeJEPA: Provable and Scalable Self-Supervised Learning
# Without the Heuristics*, 2025 · T. W. Epps, L. B. Pulley, *A test for normality based on the empirical characteristic
# function*, 1983 · S. Kolouri, P. E. Pope, C. E. Martin, G. K. Rohde, *Sliced Wasserstein Auto-Encoders*, 2019. The
# bibliography of the series has their addresses.
