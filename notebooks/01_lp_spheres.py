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
# # 01 · ℓp spheres: shapes that lean on the axes
#
# **In one sentence.** The smaller $p$ is, the more the unit ℓp sphere leans on the axes: corners become spikes. Where
# something is minimised, corners make exact zeros. Does a random vector get them, too?

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
# Imports, the look of the figures, and the points of the spheres that the figures draw.
import math

import matplotlib.pyplot as plt
import plotly.graph_objects as go
import torch
from torch import nn
from torch.distributions import Gamma

from rlpjepa import rdmreg_loss, unit_variance_scale
from rlpjepa.figures import COLORS, STYLE, compare, show, show_live
from rlpjepa.spheres import lp_norm

torch.set_num_threads(1)  # the tensors are small: more threads would wait for each other
plt.rcParams.update(STYLE)
LOOKS = {  # colour and line for each p
    2: (COLORS["gaussian"], "--"),
    1: (COLORS["laplace"], "-"),
    0.75: (COLORS["muted"], "-"),
    0.5: ("#CC79A7", "-."),
    0.25: (COLORS["theory"], ":"),
}


def unit_curve(p, n=401):
    """(4n, 2) points of the unit ℓp sphere in the plane, all the way around."""
    t = torch.linspace(0, 1, n)
    points = torch.stack([t, 1 - t], dim=1) ** max(1, 1 / p)  # the power places more points near a spike
    quarter = points / lp_norm(points, p, keepdim=True)
    right = torch.cat([quarter, quarter.flip(0) * torch.tensor([1, -1])])
    return torch.cat([right, right.flip(0) * torch.tensor([-1, 1])])


def unit_surface(p, n):
    """(n, n, 3) points of the unit ℓp sphere in space, on a grid of angles that reaches the tips of all spikes."""
    polar, azimuth = torch.linspace(1e-3, math.pi - 1e-3, n)[:, None], torch.linspace(0, 2 * math.pi, n)
    direction = torch.stack(
        [polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos().expand(n, n)], dim=-1
    )
    points = direction.sign() * direction.abs() ** max(1, 2 / p)
    return points / lp_norm(points, p, keepdim=True)


# %% jupyter={"source_hidden": true} tags=["draw", "slide", "nbval-ignore-output"]
values = (2, 1, 0.5, 0.25)
live = go.Figure()
for p in values:
    u = unit_surface(p, n=33)
    live.add_surface(
        **dict(zip("xyz", u.movedim(-1, 0).numpy().round(3))), surfacecolor=lp_norm(u, 2).numpy().round(2), cmin=0, cmax=1,
        colorscale="cividis", visible=p == 0.5, colorbar=dict(title="distance from<br>the origin", len=0.7),
    )  # fmt: skip
buttons = [
    dict(label=f"p = {p}", method="update", args=[{"visible": [q == p for q in values]}, {"title.text": f"p = {p}"}])
    for p in values
]
live.update_layout(
    updatemenus=[dict(type="buttons", direction="right", buttons=buttons, active=2, x=0.02, y=0, xanchor="left")],
    scene=dict(xaxis_title="u₁", yaxis_title="u₂", zaxis_title="u₃", aspectmode="cube", camera_eye=dict(x=1.8, y=1.4, z=1.2)),
    title_text="p = 0.5", width=640, height=560, margin=dict(l=0, r=0, t=40, b=60),
)  # fmt: skip
still, panels = plt.subplots(1, 3, figsize=(10, 3.5), subplot_kw={"projection": "3d"})
for panel, p, title in zip(panels, (2, 1, 0.5), ("p = 2: round", "p = 1: corners", "p = ½: spikes")):
    u = unit_surface(p, n=49)
    colors = plt.colormaps["cividis"](lp_norm(u, 2).clamp(max=1).numpy())
    panel.plot_surface(*u.movedim(-1, 0).numpy(), facecolors=colors, rstride=1, cstride=1, antialiased=False)
    panel.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), zticks=(-1, 0, 1))
    panel.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), zlim=(-1.1, 1.1))
    panel.set_title(title, y=0.96)
    panel.set_xlabel("$u_1$", labelpad=-7)
    panel.set_ylabel("$u_2$", labelpad=-7)
    panel.zaxis.set_rotate_label(False)
    panel.set_zlabel("$u_3$", labelpad=-9, rotation=0)
    panel.set_box_aspect((1, 1, 1), zoom=0.9)
    panel.view_init(elev=22, azim=33)
    panel.tick_params(labelsize=7, pad=-3)
show_live(
    live,
    still,
    "Unit spheres in space, coloured by the distance from the origin: a ball for p = 2, an octahedron for p = 1, and for "
    "p = 0.5 a star with six spikes along the axes, whose faces sink towards the origin.",
)

# %% [markdown] tags=["slide"]
# Three features of an image are a point in space, and on each surface all points have the same ℓp norm. Drag to turn it, and
# choose $p$ below. (On a page that cannot move you see three of them side by side.)
#
# **A question before you read on.** Where on these surfaces is one feature zero, and where are two? Now blow a surface up like
# a balloon, until it touches a wall somewhere. Where does the ball touch it, where the octahedron, where the star?
#
# **Afterwards you can** say why features need a target, find a hidden sparse vector from fewer equations than unknowns, draw
# from the generalized Gaussian for any $p$, and say what a Laplace distribution has to do with zeros, and what not. **You
# need** vectors, densities, expectations, and tensors in PyTorch. **It takes** about forty minutes, the exercises aside. The
# cells run in less than one.
#
# Equations carry the numbers of [the authors' post](https://yilunkuang.github.io/blog/2026/rectified-lp-jepa/), which this
# series follows. A line such as "✓ T1" is a link. It leads to the cell that tests this claim and stops when it is false.

# %% [markdown] tags=["slide"]
# ## 1 · Agreement alone ends in one point
#
# A network $f_\theta$ with weights $\theta$ turns an input $\mathbf{x}$ into a vector of $d$ features:
#
# $$\mathbf{z} = f_\theta(\mathbf{x}) \in \mathbb{R}^d. \tag{1}$$
#
# There are no labels. Instead we show each input twice, as two *views* $\mathbf{x}$ and $\mathbf{x}'$ that differ in what
# should not matter. For a photograph that is another crop or other colours, for a sound or a film it is the next moment. The
# two feature vectors $\mathbf{z}$ and $\mathbf{z}' = f_\theta(\mathbf{x}')$ should agree:
#
# $$\min_\theta\; \mathbb{E}\,\underbrace{\lVert \mathbf{z} - \mathbf{z}' \rVert_2}_{\text{two views of one input}} . \tag{2}$$
#
# Is that enough? Here is the smallest experiment. An input is a point of the plane, a view is that point with noise, and the
# network has one hidden layer.


# %% tags=["key", "slide"]
def train(loss, x, steps=400):  # x: (B, 2)
    network = nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(steps):
        views = x + 0.3 * torch.randn(2, *x.shape)  # two of every point, (2, B, 2)
        optimizer.zero_grad()
        loss(network(views)).backward()
        optimizer.step()
    return network(x).detach()


def agree(z):  # two views, (2, B, 2)
    return (z[0] - z[1]).square().mean()


# %%
torch.manual_seed(6)
x = 4 * torch.rand(400, 2) - 2
alone = train(agree, x)
print(f"standard deviation of each feature: {alone.std(0)[0]:.2f}, {alone.std(0)[1]:.2f}")

# %% [markdown]
# The features of all points are nearly the same. Of course: a network that gives every input the same vector agrees with itself
# perfectly, and says nothing. This is *complete collapse*.
#
# The cure is a second term. The distribution of the features, $P_\mathbf{z}$, should be close to a *target distribution* $Q$
# that we choose, and we choose one that is spread out:
#
# $$\min_\theta\; \mathbb{E}\,\lVert \mathbf{z} - \mathbf{z}' \rVert_2
#   + \underbrace{\mathcal{L}(P_{\mathbf{z}} \Vert Q) + \mathcal{L}(P_{\mathbf{z}'} \Vert Q)}_{\text{all inputs together}}. \tag{3}$$
#
# $\mathcal{L}$ is some distance between distributions through which gradients flow. We borrow `rdmreg_loss` from
# [chapter 04](04_rdmreg.ipynb). For now it is a number that is small when two clouds of points look alike from 32
# random sides. (It compares each view with the same cloud, and takes the mean.)


# %% tags=["key", "slide"]
def agree_and_spread(z):  # Eq. 3, with mean squares in place of the norm and a weight of 5
    y = torch.randn(z.shape[1:])  # new: samples of the target, here two independent Gaussians of variance 1
    return agree(z) + 5 * rdmreg_loss(z, y, 32)  # new


# %%
torch.manual_seed(6)
spread = train(agree_and_spread, x)
print(f"standard deviation of each feature: {spread.std(0)[0]:.1f}, {spread.std(0)[1]:.1f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 3, figsize=(10, 3.8), sharex=True, sharey=True)
for panel, cloud, title in zip(
    panels, (x, alone, spread), ("400 inputs", "Agreement alone: one point", "With a target: spread")
):
    panel.scatter(*(cloud - cloud.mean(0)).T, c=x[:, 0], cmap="cividis", s=8)
    panel.set(title=title, xlabel="feature 1, centred", aspect="equal", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
panels[0].set(xlabel="first coordinate", ylabel="second coordinate")
panels[1].set_ylabel("feature 2, centred")
panels[2].add_patch(
    plt.Circle(
        (0, 0),
        2,
        fill=False,
        color=COLORS["rectified"],
        linestyle="--",
        label=f"holds {1 - math.exp(-2):.0%} of the target",
    )
)
panels[2].legend(loc="lower center", fontsize=8)
show(
    figure,
    alt="Three scatter plots: 400 inputs that fill a square; their features after training on agreement alone, one dot; "
    "and after training with a Gaussian target, a cloud about as wide as the target.",
)

# %% [markdown]
# The colour is the first coordinate of the input. On the right it still changes gradually: near inputs have near features.
#
# Equation 2 *allows* collapse and does not force it. In the evidence we meet a network that escapes. ✓
# [S1](evidence/01_lp_spheres.ipynb#S1)
#
# > **Why not compare densities?** To match $P_\mathbf{z}$ and $Q$ we could estimate both densities. In many dimensions this
# > fails, because the number of samples that we need grows exponentially with $d$: the *curse of dimensionality*.
# > [Chapter 03](03_projected_marginals.ipynb) shows the way around it.
#
# > **A quieter collapse.** Sixteen features that are all mixed from three signals do vary, but only in three directions:
# > *dimensional collapse*. To count directions, take the singular values of the features, with the mean of each feature taken
# > off, and divide them by their sum. These shares $s_i$ give the *effective rank* $\exp(-\sum_i s_i \log s_i)$: the number of
# > features if all shares are equal, and 1 if there is one direction only. ✓ [S2](evidence/01_lp_spheres.ipynb#S2)
#
# Now [exercise 01.1](exercises/01_lp_spheres.ipynb), five minutes. (Exercises are numbered by their length.)
#
# So we need a target, and one with *independent* entries: then features that match it do not repeat each other. Which one? That
# is a question of shapes. The densities of our candidates depend on $\mathbf{z}$ through a norm alone, so they are constant on
# the spheres of that norm.

# %% [markdown] tags=["slide"]
# ## 2 · The smaller p, the sharper the corners
#
# For $p > 0$ the ℓp norm of a vector $\mathbf{x}$ with $d$ entries is
#
# $$\lVert\mathbf{x}\rVert_p = \Bigl(\sum_{i=1}^d |x_i|^p\Bigr)^{1/p} .$$


# %% tags=["key"]
def norm(x, p):  # (..., d)
    return (x.abs() ** p).sum(dim=-1) ** (1 / p)


# %% [markdown]
# Take three vectors with 512 entries, all of Euclidean length 1. In the first one entry is not zero, in the second 62 entries
# are (12 %, the share that a network of this series is asked for), and in the third all are.

# %%
for count in (1, 62, 512):
    x = torch.zeros(512)
    x[:count] = count**-0.5
    print(f"{count:3} non-zero:  p = 2: {norm(x, 2):.0f},  p = 1: {norm(x, 1):.1f},  p = 1/2: {norm(x, 0.5):.0f}")

# %% [markdown]
# The Euclidean norm does not care how a length is shared out. With $p < 2$ sharing is expensive, and the more so the smaller
# $p$ is. In the limit only the number of shares counts: as $p \to 0$, the sum $\sum_i |x_i|^p$ tends to the number of non-zero
# entries. That number is written $\lVert\mathbf{x}\rVert_0$. (The table
# shows the $p$-th root of the sum, which grows without bound instead.)
#
# The unit ℓp sphere is the set of all $\mathbf{u}$ with $\lVert\mathbf{u}\rVert_p = 1$. Any vector but zero lands on it when we
# divide it by its norm.

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(5.6, 3.9))
for p, (color, line) in LOOKS.items():
    panel.plot(*unit_curve(p).T, line, color=color, label=f"p = {p}")
panel.set(xlabel="$u_1$", ylabel="$u_2$", aspect="equal", title="From the circle towards a cross")
panel.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
show(
    figure,
    alt="Five nested curves around the origin: a circle for p = 2, a diamond for p = 1, and for p = 0.75, 0.5 and 0.25 "
    "stars with four ever thinner spikes along the axes.",
)

# %% [markdown]
# All curves meet on the axes. Between the axes they fall towards the origin as $p$ falls. At $p = 1$ there are four right
# angles. In space, one feature is zero where a coordinate plane cuts the surface, and two are zero on an axis, at a tip. Below 1 the sides
# bend inwards and each corner is a spike: the closer we look at its tip, the narrower it is.
# ([Measured](evidence/01_lp_spheres.ipynb#Corners-and-spikes) in the evidence.)
#
# Below 1 the "norm" is only a *quasi-norm*, since the triangle inequality fails. Exercise 01.2, ten
# minutes, asks how badly.
#
# From here on we use `lp_norm` of the package `rlpjepa`, which we call *the module*. It computes the same, also where
# single powers are too large or too small for a float.

# %% [markdown] tags=["slide"]
# ## 3 · A growing ball touches a line with its corner
#
# Back to the balloon. Suppose we know one equation about two unknown numbers. Its solutions form a line. Which solution is the
# smallest? We grow the ball until it touches the line.


# %%
def touch(a, p):  # the solution of a·x = 1 with the smallest ℓp norm
    x1 = torch.arange(-2000, 2001) / 1000
    line = torch.stack([x1, (1 - a[0] * x1) / a[1]], dim=1)  # solutions of the equation, (4001, 2)
    return line[lp_norm(line, p).argmin()]


a = torch.tensor([0.6, 1.0])
for p in (2, 1, 0.5):
    print(f"p = {p}: touches at", *[f"{entry:.2f}" for entry in touch(a, p)])

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 3, figsize=(10, 3.5), sharex=True, sharey=True)
t = torch.linspace(-3, 3, 2)
line = torch.stack([t, (1 - a[0] * t) / a[1]], dim=1)
titles = ("p = 2: touches where it is nearest", "p = 1: touches with a corner", "p = ½: touches with a spike")
for panel, p, title in zip(panels, (2, 1, 0.5), titles):
    point = touch(a, p)
    radius = lp_norm(point, p)
    panel.plot(*line.T, color=COLORS["theory"], linewidth=1)
    for part in (0.4, 0.7, 1):
        panel.plot(*(part * radius * unit_curve(p)).T, color=LOOKS[p][0], alpha=part, linewidth=1 + part)
    panel.plot(*point, "o", color=COLORS["measurement"])
    panel.set(title=title, xlabel="$x_1$", aspect="equal", xlim=(-1.3, 1.9), ylim=(-1.3, 1.7))
    panel.title.set_fontsize(10)
panels[0].set_ylabel("$x_2$")
show(
    figure,
    alt="A slanted line and growing balls. The circle touches the line between the axes; the diamond and the star touch it "
    "on the vertical axis, where the first entry is zero.",
)

# %% [markdown]
# The round ball touches where the line comes nearest, and there both entries are non-zero, unless the line is parallel to an
# axis. The diamond touches with a corner, and at a corner *one entry is exactly zero*. It fails only for a line that runs along one
# of its sides. The star always touches with a spike.
#
# In space it is the same. The ball touches a wall anywhere. The octahedron touches with a corner, unless the wall leans just so.
# The star touches with the tip of a spike, where two entries of three are zero. (A wall is one equation. Where $m$ equations
# hold at once, the octahedron touches at a point with at most $m$ non-zero entries.) So the shape of the ball decides where the smallest
# solution lies, and the corners lie where the zeros are.
#
# > **Why do we want zeros at all?** A code of natural images that is *asked* to be sparse finds filters like those of cells in the
# > visual cortex (Olshausen and Field, 1996). Firing costs energy, and an energy budget of the brain predicts that at most 15 %
# > of its neurons are active at a time (Attwell and Laughlin, 2001). Codes without negative entries split faces into parts (Lee
# > and Seung, 1999). Networks of ReLUs learn well with many exact zeros inside (Glorot, Bordes and Bengio, 2011). And what is
# > sparse can be found from few measurements (Donoho, 2006), which is next.

# %% [markdown] tags=["slide"]
# ## 4 · So a small norm finds what is hidden
#
# Let us hide a vector of 64 entries. Eight of them, 12 %, are not zero, and we do not know which. All we are told is the values
# of $m$ random equations, $A\mathbf{x} = \mathbf{b}$ with $A$ of shape $(m, 64)$. With fewer than 64 equations there are
# infinitely many solutions. We would like the one with the fewest non-zeros:
#
# - **$\lVert\mathbf{x}\rVert_0$ is too hard.** No shortcut is known that always works: the problem is NP-hard (Natarajan, 1995). To
#   try all places for eight non-zeros we would need `math.comb(64, 8)` attempts, more than four billion.
# - **$\lVert\mathbf{x}\rVert_1$ is its convex surrogate.** A convex function has no false minima, so a search cannot get stuck.
# - **$\lVert\mathbf{x}\rVert_p$ with $p < 1$ is nearer to counting**, but not convex. A search may end in a false minimum. It works
#   surprisingly well all the same (Chartrand, 2007).

# %% [markdown]
# How do we minimise such a norm? By least squares, again and again. Write $|x_i|^p = x_i^2 / |x_i|^{2-p}$. If we knew the
# denominators, this would be plain least squares. So we
#
# 1. start with all denominators equal to 1;
# 2. solve the least-squares problem;
# 3. compute new denominators from the solution, with a little added so that none is zero, and less each time;
# 4. go back to 2.


# %% tags=["key", "slide"]
def smallest(A, b, p, steps=110):  # (..., m, d), (..., m, 1)
    v = torch.ones_like(A[..., :1, :])  # the denominators, (..., 1, d)
    for step in range(steps):
        # smallest Σ x²/v with Ax = b, (..., d, 1)
        x = (v * A).mT @ torch.linalg.solve((v * A) @ A.mT, b)
        v = (x.mT.square() + 0.8**step) ** (1 - p / 2)
    return x


# %% [markdown]
# The line for $\mathbf{x}$ is the formula $V A^\top (A V A^\top)^{-1} \mathbf{b}$, with the denominators on the diagonal of $V$. All
# this is *iteratively reweighted least squares* (Chartrand and Yin, 2008). At $p = 2$ it is done after one step.


# %%
def found(m, p, trials=100):
    generator = torch.Generator().manual_seed(m)
    draw = {"generator": generator, "dtype": torch.float64}
    A = torch.randn(trials, m, 64, **draw)
    place = torch.rand(trials, 64, 1, **draw).argsort(dim=1) < 8  # eight places of 64
    hidden = place * torch.randn(trials, 64, 1, **draw)
    error = (smallest(A, A @ hidden, p) - hidden).abs().amax(dim=(1, 2))
    return (error < 0.05).double().mean().item()  # no entry is off by more


# %% [markdown]
# **Your guess.** We have 32 equations for 64 unknowns, half as many as we should need. In what share of 100 trials is the solution
# of smallest ℓ1 norm the hidden vector?

# %%
guess = None  # a share, between 0 and 1

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer", "nbval-ignore-output"]
compare(guess, found(32, p=1))

# %% tags=["nbval-ignore-output"]
counts = (8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64)
shares = {p: [found(m, p) for m in counts] for p in (2, 1, 0.5)}
print(f"20 equations: p = 1 finds {shares[1][3]:.2f}, p = 1/2 finds {shares[0.5][3]:.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(6, 3.1))
for (p, values), marker in zip(shares.items(), "so^"):
    panel.plot(counts, values, LOOKS[p][1], marker=marker, markersize=5, color=LOOKS[p][0], label=f"p = {p}")
panel.set(xlabel="equations m, for 64 unknowns", ylabel="share found", xticks=(8, 16, 24, 32, 40, 48, 56, 64))
panel.set_title("p = ½ takes fewer equations than p = 1, and p = 2 all 64")
panel.legend(loc="center left")
show(
    figure,
    alt="Share of hidden vectors found against the number of equations: for p = 1/2 it rises from 0 to 1 around 20, for "
    "p = 1 around 30, and for p = 2 it is 0 up to 56 and 1 at 64.",
)

# %% [markdown]
# The round norm needs all 64 equations. The diamond usually does with half as many, and the star with fewer still. This is
# *compressed sensing*. In the evidence we check our loop [against linear
# programming](evidence/01_lp_spheres.ipynb#Hidden-vectors), and find that from 16 equations on the star
# fails only because our loop ends in a false minimum.
#
# Keep in mind what came out sparse here: the *solution of a minimisation*.

# %% [markdown] tags=["slide"]
# ## 5 · A prior with a corner makes zeros, too
#
# Laplace distributions are famous for zeros. The reason comes from regression, and it is the corner once more. Let $w$
# be an unknown weight, $\hat w$ its least-squares value, which has Gaussian noise of variance $s^2$, and $\pi(w)$ a
# *prior*: the density from which we think $w$ is drawn. The most probable weight minimises
#
# $$\underbrace{\frac{(w - \hat{w})^2}{2s^2}}_{\text{stay near the data}} - \underbrace{\log\pi(w)}_{\text{be probable}} .$$
#
# With a Gaussian prior of variance $\tau^2$ that is *ridge regression*. With a Laplace prior of scale $b$ it is the *lasso*
# (Tibshirani, 1996).


# %% tags=["key"]
s, tau, b = 0.8, 0.7, 0.5


def ridge(w_hat):
    return w_hat * tau**2 / (tau**2 + s**2)


def lasso(w_hat):
    return w_hat.sign() * (w_hat.abs() - s**2 / b).relu()  # zero where |w_hat| is at most s²/b


# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(5.6, 3.9))
fine = torch.linspace(-6, 6, 481)
grid = torch.arange(-6000, 6001) * 1e-3
half = grid[((grid - fine[:, None]) ** 2 / (2 * s**2) + 2.5 * grid.abs().sqrt()).argmin(dim=1)]
panel.plot(fine, fine, color=COLORS["muted"], linewidth=1, label="least squares")
panel.plot(fine, ridge(fine), LOOKS[2][1], color=LOOKS[2][0], label="Gaussian prior: ridge")
panel.plot(fine, lasso(fine), LOOKS[1][1], color=LOOKS[1][0], label="Laplace prior: lasso")
for k, part in enumerate((half < 0, half == 0, half > 0)):
    panel.plot(
        fine[part], half[part], LOOKS[0.5][1], color=LOOKS[0.5][0], label="prior with p = 1/2" if k == 0 else None
    )
panel.set(
    xlabel=r"least-squares value $\hat{w}$", ylabel="most probable weight", title="A prior with a corner gives zeros"
)
panel.legend(loc="upper left", fontsize=9)
show(
    figure,
    alt="The most probable weight against the least-squares value. Ridge is a straight line less steep than the diagonal; "
    "lasso is zero in the middle and parallel to the diagonal outside; with p = 1/2 it is zero in the middle, jumps, and "
    "approaches the diagonal.",
)

# %% [markdown]
# Ridge shrinks every weight and makes none zero. The lasso is zero on a whole interval, and then takes off a fixed
# amount. With a prior proportional to $\exp(-\lambda |w|^{1/2})$ the weight jumps from zero, and large weights are kept
# almost whole. Zeros come from the kink of $|w|^p$ at $w = 0$. ✓ [T5](evidence/01_lp_spheres.ipynb#T5). Now 01.5,
# twenty minutes: lasso and ridge at once.

# %% [markdown] tags=["slide"]
# ## 6 · Independent entries leave one choice for every p
#
# Back to the target. We want two things at once. Entries should be independent, so the logarithms of their densities add up.
# And the density of the vector should depend on $\sum_i |z_i|^p$ alone, so that it has the shape of an ℓp sphere. So we need
#
# $$\sum_{i} \log f(z_i) = F\Bigl(\sum_{i} |z_i|^p\Bigr)$$
#
# for some function $F$. Only linear functions turn sums into sums, so $\log f(z)$ is a constant minus a multiple of
# $|z|^p$. There is no other choice: Laplace at $p = 1$, Gauss at $p = 2$. This is the *generalized Gaussian*
# $\mathcal{GN}_p(\mu, \sigma)$, here with a location $\mu$ and a scale $\sigma$:
#
# $$f(z) = \underbrace{\frac{p^{1-1/p}}{2\sigma\,\Gamma(1/p)}}_{\text{makes the integral 1}}
#   \exp\Bigl(-\frac{|z-\mu|^p}{p\,\sigma^p}\Bigr) .$$
#
# To draw from it we draw a size and a sign, as in [the opening notebook](00_the_method_on_one_page.ipynb). Only the
# size changes: put $g = |z|^p / (p\,\sigma^p)$ into the density with $\mu = 0$, and $g$ follows a Gamma distribution of
# shape $1/p$.


# %% tags=["key", "slide"]
def draw_gn(shape, p):  # scale 1
    size = (p * Gamma(1 / p, 1.0).sample(shape)) ** (1 / p)  # new: for any p, not only 1
    sign = 2 * torch.randint(2, shape) - 1
    return sign * size


def draw_sphere(n, d, p):
    z = draw_gn((n, d), p)
    return z / lp_norm(z, p, keepdim=True)  # on the unit ℓp sphere, (n, d)


# %% jupyter={"source_hidden": true} tags=["draw"]
torch.manual_seed(8)
figure, panels = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True)
for panel, p in zip(panels, (2, 1, 0.5)):
    z = unit_variance_scale(p) * draw_gn((1500, 2), p)
    panel.scatter(*z.T, s=4, color=LOOKS[p][0], linewidth=0)
    panel.plot(*(lp_norm(z, p).median() * unit_curve(p)).T, color=COLORS["theory"], linewidth=1)
    panel.set(title=f"p = {p}", xlabel="$z_1$", aspect="equal", xlim=(-4, 4), ylim=(-4, 4))
panels[0].set_ylabel("$z_2$")
figure.suptitle("The same variance in three shapes")
show(
    figure,
    alt="1,500 points each of three distributions of variance 1: a round cloud for p = 2, a diamond for p = 1, a star with "
    "points along the axes for p = 0.5. A line around half of the points has the shape of the sphere.",
)

# %% [markdown]
# The line holds half of the points. Every vector is a radius times a direction,
#
# $$\mathbf{z} = r\,\mathbf{u}, \qquad r = \lVert\mathbf{z}\rVert_p, \qquad \mathbf{u} = \mathbf{z}/r \text{ on the unit ℓp sphere,}$$
#
# and here the two are independent: how far out a point lies says nothing about where it points
# ([why](evidence/01_lp_spheres.ipynb#Why-radius-and-direction-are-independent)). The radius is easy, since Gamma variables add
# up: $r^p$ follows the Gamma distribution of shape $d/p$ and scale $p\,\sigma^p$. ✓ [T7](evidence/01_lp_spheres.ipynb#T7). Now
# 01.3, fifteen minutes: the mean radius.
#
# And the directions? At $p = 2$ they cover the round sphere evenly, which contrastive learning calls *uniformity* (Wang
# and Isola, 2020) ✓ [T1](evidence/01_lp_spheres.ipynb#T1), and at $p = 1$ the diamond ✓
# [T3](evidence/01_lp_spheres.ipynb#T3). How near to the axes do they come? Square the entries of $\mathbf{u}$, and ask which
# share of the sum the largest one holds. If all entries were equal, it would be one in $d$.
#
# **Your guess.** With $p = \tfrac14$ and 512 entries: what share, on average?

# %%
guess = None  # a share, between 1/512 and 1

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
torch.manual_seed(9)
shapes = (0.25, 0.5, 0.75, 1, 1.5, 2, 4)
largest = []
for p in shapes:
    energy = draw_sphere(2000, 512, p).square()
    largest.append((energy.amax(dim=1) / energy.sum(dim=1)).mean())
compare(guess, largest[0])

# %%
print(f"p = 2: {largest[5]:.3f}, p = 1: {largest[3]:.3f}; if all were equal: {1 / 512:.3f}")

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(6, 2.9))
panel.plot(shapes, largest, "o-", color=COLORS["measurement"])
panel.axhline(1 / 512, color=COLORS["theory"], linestyle="--", label="all entries equal")
panel.set(
    xscale="log",
    yscale="log",
    xlabel="p",
    ylabel="share of the squares",
    title="The smaller p, the more the largest entry holds",
)
panel.set_xticks(shapes, [str(p) for p in shapes])
panel.minorticks_off()
panel.legend()
show(
    figure,
    alt="The largest entry's share of the sum of squares in 512 dimensions falls from about .3 at p = 1/4 as p grows.",
)


# %% [markdown]
# With $p = \tfrac14$ one entry of 512 holds more than a quarter. So the smaller $p$ is, the nearer the directions come to the
# axes. Even the Gaussian is not shared out equally.
#
# One thing to be careful about: in general a piece of the sphere counts by the *volume* between it and the origin. At $p = 1$
# and $2$ its *area* gives the same, at other $p$ it does not ✓ [T8](evidence/01_lp_spheres.ipynb#T8). Now 01.6, an open
# question: do the two come closer as $d$ grows, for $p < 1$?

# %% [markdown] tags=["slide"]
# ## 7 · Each is the most spread out when its $p$-th moment is fixed
#
# We wanted a target that is spread out. The measure of spread is the *differential entropy* $h = -\int f \log f$, in
# *nats*. Fix the mean of $\lVert\mathbf{z}\rVert_p^p$. Then no distribution is more spread out than independent
# $\mathcal{GN}_p$ entries ([the proof](evidence/01_lp_spheres.ipynb#T4) takes two lines). Here are entries of each
# shape $q$, all scaled to the same $\mathbb{E}|z|^p$:


# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
def entropy(q, p):  # of GN_q in nats, at the scale where E|z|^p = 1
    # log (E|z|^p)^(1/p) at scale 1
    moment = math.log(q) / q + (math.lgamma((p + 1) / q) - math.lgamma(1 / q)) / p
    return math.log(2) + math.lgamma(1 / q) + (1 / q - 1) * math.log(q) + 1 / q - moment


figure, panel = plt.subplots(figsize=(6.5, 3))
grid = torch.logspace(-2, 3, 121, base=2).tolist()
for p in (0.5, 1, 2):
    color, line = LOOKS[p]
    panel.plot(grid, [entropy(q, p) - entropy(p, p) for q in grid], line, color=color, label=f"p = {p}")
    panel.plot([p], [0], "o", color=color, clip_on=False)
panel.set(xscale="log", ylim=(-0.7, 0), xlabel="shape q", ylabel="entropy, less the largest")
panel.set_title("What is most spread out depends on what is fixed", pad=12)
panel.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
panel.minorticks_off()
panel.legend(title=r"fixed: $\mathbb{E}|z|^p$", loc="lower right")
show(
    figure,
    alt="Three curves of entropy against the shape q. The curve for the constraint p touches zero at q = p and is negative "
    "everywhere else.",
)

# %% [markdown]
# Each curve touches zero at $q = p$. So "maximum entropy" alone does not choose a target. The constraint does. ✓
# [T2](evidence/01_lp_spheres.ipynb#T2) [T4](evidence/01_lp_spheres.ipynb#T4)
#
# (Fixed is the mean of the $p$-th *power* of the norm. The post says "norm".) Now 01.4, twenty minutes: fix whatever you like.

# %% [markdown] tags=["slide"]
# ## 8 · Does a sample have zeros, too?
#
# The smaller $p$ is, the more $\mathcal{GN}_p$ leans on the axes, as its sphere does. The post draws a parallel: as a
# Laplace *prior* makes weights sparse, a Laplace *target* should make features sparse.
#
# **Your guess.** Draw a million entries with $p = 1$. What share of them is exactly zero? And with $p = \tfrac14$?

# %%
guess = None  # the share for p = 1, between 0 and 1

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
torch.manual_seed(11)
# of variance 1; chapter 02 has the factor
entries = unit_variance_scale(1.0) * draw_gn((1_000_000,), p=1.0)
compare(guess, (entries == 0).double().mean())
print(f"p = 1/4: {(draw_gn((1_000_000,), p=0.25) == 0).double().mean():.3f}")

# %% [markdown]
# A density gives every single number the probability zero, and zero is no exception. The zeros of sections 3 to 5 belong to
# the *minimum* of something. A sample minimises nothing. So features that match a Laplace target exactly are often
# small and zero with probability 0, and a smaller $p$ does not change that.
#
# What does? Shift the same million entries to the left by one standard deviation, and cut off what is negative:

# %%
features = torch.relu(-1 + entries)  # μ = -1
exact = 0.5 * math.exp(-(2**0.5))
print(f"share that is not zero: {features.count_nonzero() / len(features):.3f}, by Eq. 11 {exact:.3f}")

# %% [markdown]
# All the others are exactly zero. That is the *rectified* generalized Gaussian with $\mu = -1$.
# [Chapter 02](02_rectified_generalized_gaussian.ipynb) is about it, and derives Eq. 11.

# %% [markdown] tags=["slide"]
# ## In three sentences
#
# **Shown:** features need a target or they collapse; the smaller $p$ is, the more the ℓp sphere leans on the axes, and
# a corner makes exact zeros where something is minimised; independent $\mathcal{GN}_p$ entries have the shape of that
# sphere, and are as spread out as their $p$-th moment allows. **Open:** a sample has no zeros, so how does a target get
# them, and how many? **Where to go:** [chapter 02](02_rectified_generalized_gaussian.ipynb), and the
# [evidence](evidence/01_lp_spheres.ipynb) for what this lesson left out: Gaussian shells, the diamond's triangles, and
# the two ways to weigh a piece of a sphere.

# %% [markdown]
# **Read on.** B. A. Olshausen, D. J. Field, *Emergence of simple-cell receptive field properties by learning a sparse code for
# natural images*, 1996 · D. Attwell, S. B. Laughlin, *An energy budget for signaling in the grey matter of the brain*, 2001 ·
# D. D. Lee, H. S. Seung, *Learning the parts of objects by non-negative matrix factorization*, 1999 · X. Glorot, A. Bordes,
# Y. Bengio, *Deep Sparse Rectifier Neural Networks*, 2011 · D. L. Donoho, *Compressed sensing*, 2006 · B. K. Natarajan, *Sparse
# Approximate Solutions to Linear Systems*, 1995 · R. Tibshirani, *Regression Shrinkage and Selection via the Lasso*, 1996 ·
# R. Chartrand, *Exact reconstruction of sparse signals via nonconvex minimization*, 2007 · R. Chartrand, W. Yin, *Iteratively
# reweighted algorithms for compressive sensing*, 2008 · T. Wang, P. Isola, *Understanding Contrastive Representation Learning
# through Alignment and Uniformity on the Hypersphere*, 2020 · L. Jing, P. Vincent, Y. LeCun, Y. Tian, *Understanding Dimensional
# Collapse in Contrastive Self-supervised Learning*, 2022 · O. Roy, M. Vetterli, *The effective rank: a measure of effective
# dimensionality*, 2007 · F. Barthe, O. Guédon, S. Mendelson, A. Naor, *A probabilistic approach to the geometry of the
# $\ell_p^n$-ball*, 2005. The bibliography of the series has their addresses.
