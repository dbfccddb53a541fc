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
# # 01 · ℓp spheres
#
# **What you will be able to do.** Say why self-supervised learning needs a target distribution; picture the unit ℓp
# sphere for any $p$ and draw points from it; take a random vector apart into a radius and a direction and name the law
# of each; say which distribution is the most spread out under which constraint, and what a Laplace law has to do with
# the zeros of the lasso, and what not.
#
# **What you need.** Vectors and norms, densities and expectations, and tensors in PyTorch. No GPU, no dataset.
#
# **Time.** About 50 minutes; the cells take less than a minute on two CPU cores. When you are short of time, read
# sections 1, 3 and 6, which the other chapters build on, with the definitions at the head of section 2 and the density
# of section 5, and look at the figures of the rest. The [exercises](exercises/01_lp_spheres.ipynb) take more than an
# hour together, the first of them five minutes.
#
# The series follows the blog post *Rectified LpJEPA* by Yilun Kuang; equations carry its numbers. Where a cell ends in
# "agrees", it has checked the statement above it and would have stopped the notebook otherwise.
#
# A line such as "✓ T12" is a link: there, in the evidence, a cell tests that claim and stops when it is false.

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
import math

import matplotlib.pyplot as plt
import plotly.graph_objects as go
import scipy.stats
import torch

from rlpjepa import rdmreg_loss
from rlpjepa.figures import COLORS, STYLE, show, show_live
from rlpjepa.spheres import lp_norm, sample_cone, sample_surface

plt.rcParams.update(STYLE)  # how figures look
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves

# %% [markdown] tags=["slide"]
# ## 1 · Why a target at all
#
# A network $f_\theta$ with weights $\theta$ turns an input $\mathbf{x}$ into a vector of $d$ features:
#
# $$\mathbf{z} = f_\theta(\mathbf{x}) \in \mathbb{R}^d. \tag{1}$$
#
# There are no labels. Instead, each input is shown to the network twice, as two *views* $\mathbf{x}$ and $\mathbf{x}'$
# that differ in what should not matter (for photographs: another crop, other colours), and the features of the two,
# $\mathbf{z}$ and $\mathbf{z}' = f_\theta(\mathbf{x}')$, should agree (*invariance*):
#
# $$\min_\theta\; \mathbb{E}\,\lVert \mathbf{z} - \mathbf{z}' \rVert_2 , \tag{2}$$
#
# where the mean $\mathbb{E}$ runs over inputs and their views, and $\lVert\cdot\rVert_2$ is the Euclidean length.
#
# A constant network agrees with itself perfectly, whatever it is shown, and is useless. This is called *complete
# collapse*. The cure that this series is about adds a second term: the distribution of the features, $P_\mathbf{z}$,
# should be near a target distribution $Q$ that is chosen to be spread out,
#
# $$\min_\theta\; \mathbb{E}\,\lVert \mathbf{z} - \mathbf{z}' \rVert_2
#   + \mathcal{L}(P_{\mathbf{z}} \Vert Q) + \mathcal{L}(P_{\mathbf{z}'} \Vert Q), \tag{3}$$
#
# where $\mathcal{L}$ is a distance between distributions through which gradients flow.
#
# Here is the smallest experiment that shows both. An input is a point of the plane, a view is that point with noise
# added, and the network is small. Following the authors' minimal example, the first term is the mean of the *squared*
# differences. For the second we borrow `rdmreg_loss` from chapter 04, where it is built; for now it is a number that is
# small when two sets of points look alike from all sides. One call on both views stands for the two terms
# $\mathcal{L}$, and gets a weight, here 5, that Eq. 3 leaves out. The target $Q = \mathcal{N}(0, I_2)$ has two
# independent Gaussian coordinates of mean 0 and variance 1.


# %%
def make_network(generator, width=64):
    """A small network f_θ from the plane to the plane, (..., 2) -> (..., 2); a linear map when width is None."""
    if width is None:
        layers = [torch.nn.Linear(2, 2, bias=False)]
    else:
        layers = [torch.nn.Linear(2, width), torch.nn.Tanh(), torch.nn.Linear(width, 2)]
    network = torch.nn.Sequential(*layers)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5, generator=generator)
    return network.double()


def train(target_weight, noise, width=64, steps=400):
    """Train on Eq. 2 (target_weight = 0) or Eq. 3; returns inputs (512, 2) and two sets of features (512, 2).

    The features are those of the inputs before training, and of one view of each input after it.
    """
    generator = torch.Generator().manual_seed(6)
    network = make_network(generator, width)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    x = 4 * torch.rand(512, 2, dtype=torch.float64, generator=generator) - 2
    before = network(x).detach()
    for _ in range(steps):
        views = x + noise * torch.randn(2, 512, 2, dtype=torch.float64, generator=generator)  # two of every point
        z = network(views)  # (2, 512, 2)
        loss = (z[0] - z[1]).square().mean()
        if target_weight:
            target = torch.randn(512, 2, dtype=torch.float64, generator=generator)
            loss = loss + target_weight * rdmreg_loss(z, target, num_projections=32, generator=generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return x, before, z[0].detach()


# %% [markdown]
# **Prediction.** On Eq. 2 alone the features shrink to a point. With the target they spread until each coordinate has
# about the target's variance, which is 1. And a caution: Eq. 2 allows collapse, it does not force it. Take a linear map
# $f(\mathbf{x}) = W\mathbf{x}$ with a matrix $W$ of shape $(2, 2)$ and views that differ in their second coordinate
# only. Then the loss depends on the second column of $W$ alone: that one goes to zero, and the first is never touched.
#
# ✓ [S1](evidence/01_lp_spheres.ipynb#S1)

# %%
x, z_before, z_alone = train(target_weight=0, noise=0.3)
_, _, z_target = train(target_weight=5, noise=0.3)

# %% tags=["slide"]
fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), sharex=True, sharey=True)
panels = {"before training": z_before, "invariance alone (Eq. 2)": z_alone, "with a target (Eq. 3)": z_target}
for ax, (title, z) in zip(axes, panels.items()):
    ax.scatter(*(z - z.mean(0)).T, c=x[:, 0], cmap="cividis", s=9)
    ax.set(title=title, xlabel="feature $z_1$, centred", aspect="equal", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
axes[0].set_ylabel("feature $z_2$, centred")
holds = f"holds {1 - math.exp(-2):.0%} of the target"
axes[2].add_patch(plt.Circle((0, 0), 2, fill=False, color=COLORS["theory"], linestyle="--", linewidth=1, label=holds))
axes[2].legend(loc="lower center", fontsize=8)
show(
    fig,
    alt="Three scatter plots of 512 two-dimensional features: a slanted patch before training, a single dot after "
    "training on invariance alone, and a cloud of unit variance after training with a Gaussian target.",
)

# %% [markdown]
# *Features of the same 512 points on the same scale (after training, of one noisy view of each), coloured by the first
# coordinate of the point (from dark blue to yellow). Left: a network that has not been trained. Middle: trained for
# agreement alone, all points have nearly the same features. Right: with the target, the cloud is about as wide as the
# target (dashed circle). It is not as round: so short a training matches the spread, and not every detail. Its colours
# still change gradually: near inputs have near features.*
#
# ### A quieter collapse
#
# Features can also collapse halfway: they vary, but the coordinates repeat each other. This is *dimensional collapse*.
# Let $Z$ be the feature matrix, of shape $(n, d)$, with the mean of each column taken off. Its singular values measure
# how much it varies in $d$ perpendicular directions. Divide them by their sum to get shares $s_1, \dots, s_d$; then
#
# $$\text{effective rank} = \exp\Bigl(-\sum_i s_i \log s_i\Bigr)$$
#
# is the number of directions that count: $d$ if all shares are equal, 1 if there is one direction only.
#
# **Prediction.** Sixteen coordinates mixed from three signals have an effective rank of at most 3, though each
# coordinate alone looks fine. Sixteen independent coordinates approach 16 as $n$ grows.
#
# ✓ [S2](evidence/01_lp_spheres.ipynb#S2)


# %%
def effective_rank(z):
    shares = torch.linalg.svdvals(z - z.mean(0))
    shares = shares / shares.sum()
    return torch.special.entr(shares).sum().exp().item()  # entr(s) = -s log s


generator = torch.Generator().manual_seed(2)
signals = torch.randn(4096, 3, generator=generator, dtype=torch.float64)  # (n, k)
mixed = signals @ torch.randn(3, 16, generator=generator, dtype=torch.float64)  # (n, d)
mixed = mixed / mixed.std(0)
rank = effective_rank(mixed)
print(f"16 coordinates of variance 1, mixed from 3 signals: effective rank {rank:.1f}")

a = signals[:, :1]
curve = effective_rank(torch.cat([a, (a**2 - 1) / math.sqrt(2)], dim=1))
print(f"the two coordinates a and (a² - 1)/√2: effective rank {curve:.1f}, though one determines the other")

# %% [markdown] tags=["slide"]
# The line about $a$ and $(a^2 - 1)/\sqrt2$ is a warning: the effective rank sees linear redundancy only. A target whose
# coordinates are *independent* rules out the other kind too.
#
# So a target is needed, and to choose one is to choose a geometry: the density of each of the three candidates here,
# Gaussian, Laplace and the family that contains both, depends on $\mathbf{z}$ through one norm alone, so that it is
# constant on the spheres of that norm. The rest of this chapter is about these shapes.
#
# ## 2 · Unit ℓp spheres
#
# For $p > 0$ the ℓp norm of a vector $\mathbf{x} \in \mathbb{R}^d$ is
#
# $$\lVert\mathbf{x}\rVert_p = \Bigl(\sum_{i=1}^d |x_i|^p\Bigr)^{1/p}, \qquad
#   \lVert\mathbf{x}\rVert_\infty = \max_i |x_i| .$$
#
# For $p < 1$ the triangle inequality fails, and one says *quasi-norm*. In code the formula is one line. The function
# `lp_norm` of `rlpjepa`, from here on *the module*, gives the same numbers, and also works where single powers become
# too large or too small for a float.

# %%
small = torch.full((4096,), 1e-6)
by_hand = (small**8).sum() ** (1 / 8)
exact = 1e-6 * 4096 ** (1 / 8)
print(f"4096 entries of 10⁻⁶, p = 8: by hand {by_hand:.0f}, lp_norm {lp_norm(small, 8):.3e}, exact {exact:.3e}")

# %% [markdown]
# The unit ℓp sphere is the set of all $\mathbf{u}$ with $\lVert\mathbf{u}\rVert_p = 1$. Any vector but zero lands on it
# when divided by its own norm.
#
# **Prediction.** At $p = 2$ the sphere is round, at $p = 1$ it has corners on the axes. Below 1 it bends inwards: the
# corners become spikes, and the point on the diagonal moves towards the origin. To measure a corner, step back from the
# tip $(1, 0)$ by $h$ along the axis, take the two points of the sphere with $u_1 = 1 - h$, and measure the angle
# between them as seen from the tip. As $h$ falls, this angle stays what it is at a corner, grows to 180° where the
# sphere is round, and falls to 0 at a spike.


# %%
def unit_curve(p, n=2001):
    """(n, 2) points of the unit ℓp sphere in the plane, from (0, 1) to (1, 0)."""
    t = torch.linspace(0, 1, n, dtype=torch.float64)
    points = torch.stack([t, 1 - t], dim=1) ** max(1, 1 / p)  # the power places more points near a spike
    return points / lp_norm(points, p, keepdim=True)


for p in (2, 1, 0.75, 0.5, 0.25):
    diagonal = torch.ones(2, dtype=torch.float64) / lp_norm(torch.ones(2, dtype=torch.float64), p)
    length = lp_norm(diagonal, 2).item()  # in any dimension d it is d^(1/2 - 1/p)
    assert abs(length - 2 ** (1 / 2 - 1 / p)) < 1e-12
    wide, narrow = (2 * math.degrees(math.atan((1 - (1 - h) ** p) ** (1 / p) / h)) for h in (0.1, 0.01))
    print(
        f"p = {p:<4}  diagonal at distance {length:.2f}, corner angle {wide:.3g}° for h = 0.1, {narrow:.3g}° for 0.01"
    )
    assert (p < 1) == (narrow < 0.99 * wide)
print("agrees")

# %% tags=["slide"]
looks = {
    2: (COLORS["gaussian"], "--"),
    1: (COLORS["laplace"], "-"),
    0.75: (COLORS["theory"], "--"),
    0.5: ("#CC79A7", "-."),
    0.25: (COLORS["theory"], ":"),
}
fig, ax = plt.subplots(figsize=(6.6, 4.8))
for p, (color, line) in looks.items():
    u = unit_curve(p)
    for sign in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        ax.plot(*(u * torch.tensor(sign)).T, line, color=color, label=f"p = {p}" if sign == (1, 1) else None)
ax.set(xlabel="$u_1$", ylabel="$u_2$", aspect="equal", title="Unit ℓp spheres in the plane")
ax.set(xticks=(-1, -0.5, 0, 0.5, 1), yticks=(-1, -0.5, 0, 0.5, 1))
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
show(
    fig,
    alt="Five nested curves around the origin: a circle for p = 2, a diamond for p = 1, and for p = 0.75, 0.5 and 0.25 "
    "stars with four ever thinner spikes along the axes.",
)

# %% [markdown]
# *All five curves meet on the axes; between the axes they fall towards the origin as $p$ falls. At $p = 1$ the corners
# are right angles, and for $p < 1$ the angle of a corner shrinks the nearer one looks to its tip. At $p = 0.25$ the
# sphere is almost a cross.*
#
# The same in three dimensions, first as still pictures.


# %% tags=["slide"]
def unit_surface(p, n=57):
    """(n, n, 3) points of the unit ℓp sphere in space, on a grid of angles that reaches the tips of all spikes."""
    polar, azimuth = torch.meshgrid(
        torch.linspace(1e-3, math.pi - 1e-3, n, dtype=torch.float64),  # at 0 and π facets would have no area
        torch.linspace(0, 2 * math.pi, n, dtype=torch.float64),
        indexing="ij",
    )
    direction = torch.stack([polar.sin() * azimuth.cos(), polar.sin() * azimuth.sin(), polar.cos()], dim=-1)
    points = direction.sign() * direction.abs() ** max(1, 2 / p)
    return points / lp_norm(points, p, keepdim=True)


def draw_surface(ax, p):
    u = unit_surface(p)
    colors = plt.colormaps["cividis"](lp_norm(u, 2).clamp(max=1).numpy())
    ax.plot_surface(*u.movedim(-1, 0).numpy(), facecolors=colors, rstride=1, cstride=1, antialiased=False)
    limits = (-1.2, 1.2)  # wider than the sphere, so that the tick labels of two axes do not meet in a corner
    ax.set(title=f"p = {p}", xlim=limits, ylim=limits, zlim=limits, box_aspect=(1, 1, 1))
    ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), zticks=(-1, 0, 1))
    ax.set_xlabel("$u_1$", labelpad=-6)
    ax.set_ylabel("$u_2$", labelpad=-6)
    ax.zaxis.set_rotate_label(False)
    ax.set_zlabel("$u_3$", labelpad=-8, rotation=0)
    ax.view_init(elev=22, azim=33)
    ax.tick_params(labelsize=8, pad=-3)


fig = plt.figure(figsize=(9, 6.2))
fig.get_layout_engine().set(rect=(0.03, 0, 0.97, 1))  # room for the labels on the left
for number, p in enumerate((4, 2, 1, 0.75, 0.5, 0.25), start=1):
    draw_surface(fig.add_subplot(2, 3, number, projection="3d"), p)
colorbar = fig.colorbar(plt.cm.ScalarMappable(cmap="cividis"), ax=fig.axes, shrink=0.5, pad=0.06)
colorbar.ax.set_title("distance from\nthe origin", fontsize=10, pad=10)
colorbar.set_ticks([0, 0.5, 1], labels=["0", "0.5", "1 or more"])
show(
    fig,
    alt="Six surfaces in space: a rounded cube for p = 4, a ball for p = 2, an octahedron for p = 1, and for p = 0.75, "
    "0.5 and 0.25 stars whose six spikes along the axes become thinner and whose faces sink to the origin.",
)

# %% [markdown]
# *Unit ℓp spheres in space; the colour is the distance from the origin, shaded by a light from one side (compare hues,
# not brightness; printed in grey, only the shapes can be seen). As $p$ falls the faces sink and only the six spikes
# stay far out: a point there has one large coordinate and two small ones.*
#
# And the same surfaces, without $p = 4$, to turn by hand: drag to turn, choose $p$ with the buttons below. Where the
# notebook is shown as a page that cannot move, a still picture stands in its place.

# %% tags=["nbval-ignore-output"]
values = (2, 1, 0.75, 0.5, 0.25)
live = go.Figure()
for p in values:
    u = unit_surface(p, n=41).float().numpy().round(3)
    distance = lp_norm(unit_surface(p, n=41), 2).float().numpy().round(3)
    live.add_surface(
        x=u[..., 0], y=u[..., 1], z=u[..., 2], surfacecolor=distance, cmin=0, cmax=1, colorscale="cividis",
        visible=p == 0.5, colorbar=dict(title="distance from<br>the origin", len=0.7),
    )  # fmt: skip
buttons = [
    dict(label=f"p = {p}", method="update", args=[{"visible": [q == p for q in values]}, {"title.text": f"p = {p}"}])
    for p in values
]
live.update_layout(
    updatemenus=[dict(
        type="buttons", direction="right", buttons=buttons, active=3, x=0.02, y=0, xanchor="left", pad_t=10
    )],
    scene=dict(
        xaxis_title="u₁", yaxis_title="u₂", zaxis_title="u₃", aspectmode="cube", camera_eye=dict(x=1.8, y=1.4, z=1.2)
    ),
    title_text="p = 0.5", width=640, height=600, margin=dict(l=0, r=0, t=40, b=60),
)  # fmt: skip
still, ax = plt.subplots(figsize=(4, 4), subplot_kw={"projection": "3d"})
draw_surface(ax, 0.5)
alt = "The unit ℓp sphere for p = 0.5, a star with six spikes along the axes, as a surface that can be turned by hand."
show_live(live, still, alt)

# %% [markdown] tags=["slide"]
# ## 3 · A random vector is a radius times a direction
#
# Every $\mathbf{z} \ne 0$ in $\mathbb{R}^d$ can be written in one way as
#
# $$\mathbf{z} = r\,\mathbf{u}, \qquad r = \lVert\mathbf{z}\rVert_p > 0, \qquad \mathbf{u} = \mathbf{z}/r
#   \text{ on the unit ℓp sphere.}$$
#
# This is the *polar decomposition*. Suppose the density of $\mathbf{z}$ depends on $\mathbf{z}$ through
# $\lVert\mathbf{z}\rVert_p$ alone. Then $r$ and $\mathbf{u}$ are independent. To see it, take a piece $A$ of the unit
# sphere and a number $t > 0$. The points with direction in $A$ and radius at most $t$ fill a cone, whose volume is
# $t^d$ times that of the cone for $t = 1$; the same holds for the whole ball. So $A$ has the same share of the volume
# of every shell between two radii. On a thin shell the density is nearly constant, so this is also its share of the
# probability, wherever the shell is: the radius says nothing about the direction. All that distinguishes one such law
# from another is the law of one number, $r$.
#
# The isotropic Gaussian $\mathcal{N}(0, I_d)$ has the density $(2\pi)^{-d/2}\exp(-\lVert\mathbf{z}\rVert_2^2/2)$, so
# it is of this kind with $p = 2$. Its radius is the root of a sum of $d$ squared normal variables: the $\chi$
# distribution with $d$ degrees of freedom.
#
# **Prediction.** The squared radius is a sum of $d$ terms of mean 1, so that $r \approx \sqrt{d}$ for large $d$. How
# wide is its law? Perhaps surprisingly, the width hardly grows with $d$: each term has variance 2, so $r^2$ has the
# standard deviation $\sqrt{2d}$; and since $r^2$ changes by about $2\sqrt{d}$ times the change of $r$, that of $r$
# tends to $\sqrt{2d}/(2\sqrt{d}) = 1/\sqrt{2}$. In high dimension a Gaussian cloud is a thin shell. And the direction
# is uniform, since the density prefers none.
#
# ✓ [T1](evidence/01_lp_spheres.ipynb#T1)

# %%
n = 4000
radii = {}
for d in (2, 64, 512, 4096):
    generator = torch.Generator().manual_seed(d)
    z = torch.randn(n, d, generator=generator)
    r = lp_norm(z, 2).double()  # (n,)
    radii[d] = r
    print(
        f"d = {d:4d}: mean radius / √d = {r.mean() / d**0.5:.3f} ± {r.std() / (n * d) ** 0.5:.4f}, "
        f"standard deviation {r.std():.2f} ± {r.std() / (2 * n) ** 0.5:.2f}"
    )

# %% tags=["slide"]
fig, ax = plt.subplots(figsize=(8, 3))
for d, r in radii.items():
    ax.hist(r, bins=40, density=True, color=COLORS["gaussian"], alpha=0.5, label="measured" if d == 2 else None)
    grid = torch.linspace(max(0, d**0.5 - 3.5), d**0.5 + 3.5, 300)
    ax.plot(grid, scipy.stats.chi(d).pdf(grid), color=COLORS["theory"], label="χ(d)" if d == 2 else None)
    ax.annotate(f"d = {d}", (max(2.6, d**0.5), 0.7), ha="center", fontsize=10)
ax.set(xlabel=r"radius $\|z\|_2$", ylabel="density", ylim=(0, 0.78), xlim=(0, 70), title="A Gaussian cloud is a shell")
ax.legend(loc="center right", bbox_to_anchor=(0.8, 0.5))
show(
    fig,
    alt="Histograms of the radius for d = 2, 64, 512 and 4096, centred near 1.25, 8, 23 and 64. All four bumps are "
    "about equally wide and each is covered by the density of the chi distribution.",
)

# %% [markdown] tags=["slide"]
# *The radius of 4000 Gaussian vectors, for each of four values of $d$. The shells move out as $\sqrt{d}$ and hardly
# widen: relative to its radius, the shell at $d = 4096$ is almost a surface.*
#
# ## 4 · The most spread-out law
#
# How spread out a law with density $f$ is can be measured by its *differential entropy* $h = -\int f \log f$ (with
# natural logarithms: in *nats*). Under a fixed mean square $\mathbb{E}\lVert\mathbf{z}\rVert_2^2$, the isotropic
# Gaussian has the largest. The reason is short. Let $g$ be the density of $\mathcal{N}(0, \sigma^2 I_d)$ and $f$
# another one with the same mean square. Since $\log g$ is a constant minus a multiple of $\lVert\mathbf{z}\rVert_2^2$,
# its mean is the same under both, $\int g \log g = \int f \log g$, and so
#
# $$h(g) - h(f) = -\int f \log g + \int f \log f = \int f \log\frac{f}{g} \ge 0 .$$
#
# The last integral is the Kullback–Leibler divergence of $f$ from $g$. It is never negative: $\log(f/g) \ge 1 - g/f$,
# and the mean of the right side under $f$ is $1 - \int_{f>0} g \ge 1 - 1 = 0$. Both sides are equal only where $f = g$,
# so every other law has strictly less.
#
# Note which quantity is fixed: the mean of the *square* of the norm. The post says "expected norm". If the mean norm
# itself is fixed, the same argument makes the density proportional to $\exp(-\lambda\lVert\mathbf{z}\rVert_2)$ the
# winner, with $\lambda > 0$ set by that mean.
#
# **Prediction.** In the plane, with $\mathbb{E}\lVert\mathbf{z}\rVert_2^2 = 2$, the Gaussian beats all others. With
# $\mathbb{E}\lVert\mathbf{z}\rVert_2$ fixed, it does not.
#
# ✓ [T2](evidence/01_lp_spheres.ipynb#T2)

# %% [markdown] tags=["slide"]
# ## 5 · Product Laplace: the diamond
#
# The Gaussian makes all directions equally likely, those near an axis no more than others. To prefer vectors with a few
# large coordinates, let each coordinate follow a Laplace law with scale $\sigma > 0$, independently:
#
# $$f(\mathbf{z}) = \frac{1}{(2\sigma)^d}\exp\bigl(-\lVert\mathbf{z}\rVert_1/\sigma\bigr) .$$
#
# This depends on $\lVert\mathbf{z}\rVert_1$ alone, so now the polar decomposition with $p = 1$ has independent parts.
# The radius $\lVert\mathbf{z}\rVert_1$ is a sum of $d$ exponential variables of mean $\sigma$, and such a sum follows
# the Gamma law of shape $d$ and scale $\sigma$. And the direction is uniform on the surface of the unit ℓ1 sphere: by
# section 3 a piece of it has the share of the volume that the cone over it has. For a piece of a flat face that is area
# times height divided by $d$, and the height, a face's distance from the origin, is $1/\sqrt{d}$ for all faces.
#
# **Prediction.** In three dimensions the sphere is an octahedron with eight faces. Cut each face into four equal
# triangles, one at each corner (where $|u_i| > 1/2$ for some $i$) and one in the middle. All 32 triangles are equally
# likely, so that each gets 1/32 of the points, up to chance.
#
# ✓ [T3](evidence/01_lp_spheres.ipynb#T3)

# %% [markdown] tags=["slide"]
# The post writes the radius law as $\Gamma(d, 1)$, which is the case $\sigma = 1$.
#
# ## 6 · Generalized Gaussians, and the measure they put on the sphere
#
# Gauss has $p = 2$, Laplace $p = 1$. What about any other $p > 0$? The *generalized Gaussian* $\mathcal{GN}_p(\mu,
# \sigma)$ has the density
#
# $$f(z) = \frac{p^{1-1/p}}{2\sigma\,\Gamma(1/p)} \exp\Bigl(-\frac{|z-\mu|^p}{p\,\sigma^p}\Bigr),$$
#
# with location $\mu$, scale $\sigma > 0$, and Euler's gamma function $\Gamma$. For $d$ independent coordinates with
# $\mu = 0$ the density depends on $\lVert\mathbf{z}\rVert_p$ alone.
#
# How to draw from it: the size $|z|^p$ divided by $p\sigma^p$ has a Gamma law of shape $1/p$ (substitute in the
# density). For large $p$ such a variable is often too small for a float. Better: it has the law of $G\,U^p$, with $G$
# of shape $1 + 1/p$ and $U$ uniform on $(0, 1)$, independent, since both have the moments
# $\Gamma(1/p + k)/\Gamma(1/p)$. So $|z| = \sigma\, U\, (p\,G)^{1/p}$, and a uniform variable on $(-1, 1)$ in place of
# $U$ brings the sign as well:
#
# $$z = \sigma\, V\, (p\,G)^{1/p}, \qquad V \text{ uniform on } (-1, 1), \quad G \sim \mathrm{Gamma}(1 + 1/p) .$$
#
# The cell draws $(n, d)$ of them and splits every row into radius and direction. The directions are, number by number,
# what the module's `sample_cone` returns for the same seed.

# %%
n, d, p, sigma = 20_000, 5, 0.5, 1.7
generator = torch.Generator().manual_seed(6)
V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
z = sigma * V * (p * G) ** (1 / p)  # (n, d), independent GN_p(0, sigma)

r = lp_norm(z, p)  # (n,)
u = z / r[:, None]  # (n, d)
generator = torch.Generator().manual_seed(6)
torch.testing.assert_close(u, sample_cone(n, d, p, dtype=torch.float64, generator=generator))
print("z / ‖z‖ₚ equals sample_cone, number by number")

# %% [markdown]
# (`torch._standard_gamma` is what `torch.distributions.Gamma` itself calls; only this form takes a generator.)
#
# What is the law of $\mathbf{u}$? Fill the unit ball $\{\lVert\mathbf{x}\rVert_p \le 1\}$ evenly with points. The share
# of points that see a piece $A$ of the sphere in front of them, looking outwards from the origin, is
#
# $$\text{cone measure of } A = \frac{\text{volume of } \{t\,\mathbf{a} : \mathbf{a} \in A,\ 0 \le t \le 1\}}
#   {\text{volume of the unit ball}} ,$$
#
# the volume of the cone over $A$ with its tip in the origin. A law whose density depends on $\lVert\mathbf{z}\rVert_p$
# alone gives each such piece the same share at every radius (section 3), and so does the law that fills the ball
# evenly. So the directions of both follow the cone measure.
#
# **Prediction.** For every $p$: $\lVert\mathbf{z}\rVert_p^p$ is a sum of $d$ independent Gamma variables, and so
# follows the Gamma law of shape $d/p$ and scale $p\,\sigma^p$; it is independent of $\mathbf{u}$; and $\mathbf{u}$ is
# distributed as the directions of points spread evenly in the ball. With the radius measured in the *wrong* norm the
# independence is gone.
#
# ✓ [T7](evidence/01_lp_spheres.ipynb#T7)

# %% [markdown]
# Now we can ask how near the axes such directions lie. In $d = 64$ dimensions, take the *energy* $\sum_i u_i^2$ of a
# direction and the share of it that sits in its largest coordinate. If all were equal, it would be $1/64$.

# %%
shares = {}
for p in (2, 1, 0.75, 0.5, 0.25):
    u = sample_cone(4000, 64, p, dtype=torch.float64, generator=torch.Generator().manual_seed(9))  # (n, d)
    largest = u.square().amax(1) / u.square().sum(1)  # (n,)
    shares[p] = largest.mean().item()
    print(
        f"p = {p:<4}  largest of 64 coordinates: {shares[p]:.3f} ± {largest.std() / 4000**0.5:.4f} of the energy; "
        f"exact zeros: {(u == 0).sum()} of {u.numel()}"
    )
    assert (u != 0).all()
assert sorted(shares.values()) == list(shares.values())  # the smaller p, the larger the share

# %% [markdown]
# The smaller $p$, the more a direction leans towards one axis. But mind what this says: coordinates become small, and
# none of them becomes zero. Exact zeros need something else, which is chapter 02.
#
# ## 7 · Cone measure and surface measure
#
# There is a second natural way to weigh a piece of the sphere: by its area, the *surface measure*. On the round sphere
# and on the diamond the two agree. In general they do not, and here is by how much.
#
# ✓ [T8](evidence/01_lp_spheres.ipynb#T8)

# %%
n = 20_000
generator = torch.Generator().manual_seed(12)
for name, sample in (("cone measure", sample_cone), ("surface measure", sample_surface)):
    share = (sample(n, 2, 0.5, generator=generator).abs().amax(1) > 0.9).double().mean().item()
    error = (share * (1 - share) / n) ** 0.5
    print(f"p = 0.5, {name}: {share:.3f} ± {error:.4f} of the points in the outer tenth of a spike")


# %% tags=["slide"]
def cut(p, n=20_001):
    """A quarter of the unit curve in n - 1 pieces: the shares (n - 1,) of its length and of the area below it."""
    u = unit_curve(p, n)
    start, end = u[:-1], u[1:]
    length = (end - start).norm(dim=1)
    area = (start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]).abs() / 2
    return length / length.sum(), area / area.sum()


fig, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
u = unit_curve(0.5, 20_001)
for ax, weights, name in zip(axes, cut(0.5)[::-1], ("cone measure: equal areas", "surface measure: equal lengths")):
    ends = torch.searchsorted(weights.cumsum(0), torch.linspace(0, 1, 13, dtype=torch.float64)).clamp(max=20_000)
    for k, (start, end) in enumerate(zip(ends[:-1], ends[1:])):
        wedge = torch.cat([torch.zeros(1, 2, dtype=torch.float64), u[start : end + 1]])
        ax.fill(*wedge.T, color=COLORS["muted"], alpha=0.9 if k % 2 else 0.35, linewidth=0)
    ax.plot(*u.T, color=COLORS["theory"])
    ax.plot(*u[ends].T, "o", color=COLORS["theory"], markersize=4)
    ax.set(title=name, xlabel="$u_1$", aspect="equal")
axes[0].set_ylabel("$u_2$")
show(
    fig,
    alt="A quarter of the unit curve for p = 0.5, cut into twelve pieces. Left, pieces of equal area seen from the "
    "origin: most cuts lie in the inner half of the curve. Right, pieces of equal length: the cuts are evenly spaced "
    "along the curve up to the tips of the spikes.",
)

# %% [markdown]
# *A quarter of the sphere for $p = 0.5$ in twelve equally likely pieces. Left: the wedges have equal areas, which makes
# the pieces at the tips long, since a thin wedge there has little area. Right: the pieces have equal lengths, and more
# of them lie at the tips. A target with coordinates $\mathcal{GN}_p(0, \sigma)$ follows the left one: for $p < 1$ it
# visits the spikes less often than "uniform on the ℓp sphere" might suggest, as the two shares above say.*

# %% [markdown] tags=["slide"]
# ## 8 · The most spread-out law, once more
#
# Section 4 used one property of the Gaussian: the logarithm of its density is a constant minus a multiple of
# $\lVert\mathbf{z}\rVert_2^2$. The product of $\mathcal{GN}_p(0, \sigma)$ has the same property with
# $\lVert\mathbf{z}\rVert_p^p$, and the same two lines prove: among all laws with a given
# $\mathbb{E}\lVert\mathbf{z}\rVert_p^p$ it has the largest entropy. Again it is the $p$-th *power* of the norm that is
# fixed, where the post says norm.
#
# **Prediction.** For one coordinate (entropies of independent coordinates add up) take the family $\mathcal{GN}_q$ for
# all $q > 0$, each scaled so that $\mathbb{E}|z|^p = 1$. Its entropy as a function of $q$ has its maximum at $q = p$.
# Other laws with the same moment stay below too, and so does a law whose coordinates are not independent.
#
# ✓ [T4](evidence/01_lp_spheres.ipynb#T4)

# %%
log_x = torch.linspace(-40, 25, 8001, dtype=torch.float64)  # a grid in log x reaches from 10^-17 to 10^10
x, dx = log_x.exp(), log_x.exp() * (log_x[1] - log_x[0])


def entropy_at_unit_moment(log_density, p):
    """Entropy in nats of a symmetric law, given log f up to a constant on x > 0, scaled so that E|x|^p = 1."""
    f = torch.exp(log_density - torch.logsumexp(log_density + dx.log(), 0)) / 2  # its integral over x > 0 is 1/2
    moment = 2 * (x**p * f * dx).sum()
    return (2 * (torch.special.entr(f) * dx).sum() - moment.log() / p).item()  # x / moment^(1/p) has moment 1


curves = {}
shapes = torch.logspace(math.log10(0.25), math.log10(8), 61, dtype=torch.float64).tolist()
for p in (0.5, 1, 2, 4):
    best = entropy_at_unit_moment(-(x**p) / p, p)
    curves[p] = [entropy_at_unit_moment(-(x**q) / q, p) - best for q in shapes]

# %% tags=["slide"]
fig, ax = plt.subplots(figsize=(7, 3.6))
looks = {0.5: ("#CC79A7", "-."), 1: (COLORS["laplace"], "-"), 2: (COLORS["gaussian"], "--"), 4: ("#56B4E9", ":")}
for p, (color, line) in looks.items():
    ax.plot(shapes, curves[p], line, color=color, label=f"p = {p}")
    ax.plot([p], [0], "o", color=color, clip_on=False)
ax.set(xscale="log", ylim=(-0.7, 0.0), xlabel="shape q of the competing law", ylabel="entropy difference (nats)")
ax.set_title(r"Entropy of $\mathcal{GN}_q$ less that of $\mathcal{GN}_p$ at the same $\mathbb{E}|z|^p$", pad=12)
ax.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
ax.set_xticks([], minor=True)
ax.legend(title="constraint", loc="lower right")
show(
    fig,
    alt="Four curves of entropy against the shape q. The curve for the constraint p touches zero at q = p and is "
    "negative everywhere else, for p = 0.5, 1, 2 and 4.",
)

# %% [markdown]
# *Each curve has its constraint $p$ and touches zero at $q = p$ (dot): under that constraint no member of the family,
# and no other law, is more spread out.*
#
# ## 9 · Priors: lasso and ridge
#
# Why should a Laplace law have to do with sparsity? The usual argument comes from regression. Let
# $\mathbf{y} = X\mathbf{w} + \text{noise}$ with a known matrix $X$ of shape $(n, k)$ whose columns are orthonormal, $k$
# unknown weights $\mathbf{w}$, and Gaussian noise of variance $s^2$ on each of the $n$ values. Give each weight a
# *prior*, a density $\pi$ from which it is thought to be drawn. Once $\mathbf{y}$ is seen, the most probable weights,
# the *posterior mode* or maximum a posteriori (MAP) estimate, minimise minus the logarithm of likelihood times prior:
#
# $$\frac{1}{2s^2}\lVert\mathbf{y} - X\mathbf{w}\rVert_2^2 - \sum_j \log \pi(w_j)
#   = \text{constant} + \sum_j \Bigl[\frac{(w_j - \hat{w}_j)^2}{2s^2} - \log\pi(w_j)\Bigr],
#   \qquad \hat{\mathbf{w}} = X^\top\mathbf{y} ,$$
#
# so each weight can be treated alone, given its least-squares value $\hat{w}$. Setting the slope to zero where there is
# one, and comparing with the kink at $w = 0$, gives
#
# - for a Gaussian prior of variance $\tau^2$ (*ridge*): $w = \hat{w}\,\tau^2/(\tau^2 + s^2)$;
# - for a Laplace prior of scale $b$ (*lasso*): $w = \operatorname{sgn}(\hat{w})\max(|\hat{w}| - s^2/b,\, 0)$;
# - for a prior $\propto \exp(-\lambda|w|^p)$ with $\lambda > 0$ and $p < 1$: zero up to a threshold, and beyond it, for
#   $\hat{w} > 0$, the larger solution of $w + \lambda s^2 p\,w^{p-1} = \hat{w}$. At the threshold the mode jumps from
#   $0$ to a $w_0$ at which the slope is zero and the bracket has the same value as at $0$. These two equations have the
#   solution $w_0 = \bigl(2\lambda s^2(1-p)\bigr)^{1/(2-p)}$, $|\hat{w}| = w_0 + \lambda s^2 p\,w_0^{p-1}$.
#
# **Prediction.** Only the last two give exact zeros on a whole interval of $\hat{w}$. Far out, ridge takes off a fixed
# share, lasso a fixed amount, and $p < 1$ an amount that tends to zero, about $\lambda s^2 p\,\hat{w}^{p-1}$.
#
# ✓ [T5](evidence/01_lp_spheres.ipynb#T5)


# %%
def mode_by_search(w_hat, penalty, s):
    """Posterior modes of weights with least-squares values w_hat (m,), on a grid of width 1e-3 that contains 0."""
    grid = torch.arange(-20_000, 20_001, dtype=torch.float64) * 1e-3
    objective = (grid - w_hat[:, None]) ** 2 / (2 * s**2) + penalty(grid)  # (m, 40001)
    return grid[objective.argmin(1)]


s, tau, b, lam, p = 0.8, 0.7, 0.5, 2.5, 0.5
jump = (2 * lam * s**2 * (1 - p)) ** (1 / (2 - p))
threshold = jump + lam * s**2 * p * jump ** (p - 1)

generator = torch.Generator().manual_seed(11)
draws = torch.distributions.Laplace(0.0, b).icdf(torch.rand(1_000_000, dtype=torch.float64, generator=generator))
print(f"exact zeros in a million draws from the Laplace prior itself: {(draws == 0).sum()}")

# %% tags=["slide"]
fig, ax = plt.subplots(figsize=(5.5, 4.4))
fine = torch.linspace(-6, 6, 241, dtype=torch.float64)
ax.plot(fine, fine, color=COLORS["muted"], linewidth=1, label="least squares (no prior)")
shrunk, thresholded = fine * tau**2 / (tau**2 + s**2), fine.sign() * (fine.abs() - s**2 / b).clamp(min=0)
ax.plot(fine, shrunk, "--", color=COLORS["gaussian"], label="Gaussian prior: ridge")
ax.plot(fine, thresholded, color=COLORS["laplace"], label="Laplace prior: lasso")
curve = mode_by_search(fine, lambda w: lam * w.abs() ** p, s)
for part in (fine < -threshold, fine.abs() < threshold, fine > threshold):
    label = "prior with p = 1/2" if part[0] else None
    ax.plot(fine[part], curve[part], "-.", color="#CC79A7", label=label)
ax.set(xlabel=r"least-squares value $\hat{w}$", ylabel="posterior mode $w$", title="What a prior does to a weight")
ax.legend(loc="upper left")
show(
    fig,
    alt="Posterior mode against the least-squares value. Ridge is a straight line less steep than the diagonal, lasso "
    "is zero in the middle and parallel to the diagonal outside, and the prior with p = 1/2 is zero on a wider "
    "interval, jumps at its ends, and then approaches the diagonal.",
)

# %% [markdown]
# *Ridge (dashed) is zero nowhere but at the origin. Lasso (solid) is exactly zero on an interval and then runs at a
# constant distance from the diagonal. With $p = 1/2$ (dash-dotted) the interval is wider here, yet beyond the jump the
# curve approaches the diagonal: large weights are kept. (How wide the intervals are depends on the scales chosen.)*
#
# So a Laplace *prior* gives zeros. That a Laplace *target* gives features with zeros does not follow, as the million
# draws above show. The zeros belong to the *mode of a posterior*; a draw from the Laplace law is zero with probability
# 0. Matching features to a Laplace target makes many of them small and none of them zero.

# %% [markdown]
# ## Exercises
#
# Six exercises, from five minutes to an open question: [exercises](exercises/01_lp_spheres.ipynb).

# %% [markdown] tags=["slide"]
# ## What was shown
#
# (Names such as T1 are those of `claims.toml`, the list of statements that this series tests.)
#
# - Agreement between views does not keep features apart; a target distribution does (S1). The effective rank shows when
#   coordinates repeat each other, but sees linear redundancy only (S2).
# - A law whose density depends on $\lVert\mathbf{z}\rVert_p$ alone is a radius times an independent direction: Gauss
#   with $\chi(d)$ (T1), Laplace with Gamma (T3), $\mathcal{GN}_p$ with a Gamma law for the $p$-th power (T7).
# - The direction follows the cone measure, which is the surface measure for $p = 1, 2, \infty$ only (T7, T8).
# - $\mathcal{GN}_p$ has the largest entropy at a fixed mean $p$-th *power* of the ℓp norm (T2, T4).
# - Laplace priors give exact zeros as posterior modes, not as draws (T5).
#
# ## What is open
#
# - Small coordinates are not zeros. How does a target get exact zeros, how many, and what does its entropy mean then?
#   That is chapter 02.
# - Matching two distributions in many dimensions was a black box here: `rdmreg_loss`. Chapters 03 and 04 open it.
# - With $p < 1$ the cone measure visits the tips of the spikes less often than the surface measure would. Whether a
#   target with the surface measure's directions would be better or worse for learning is not studied in this series;
#   `sample_surface` draws them in any dimension.
#
# ## Where to read on
#
# - Yilun Kuang, *Rectified LpJEPA* (blog post, 30 January 2026), sections "Self-Supervised Learning" to "Generalized
#   Gaussian Distributions". The paper: Yilun Kuang, Yash Dagade, Tim G. J. Rudner, Randall Balestriero and Yann LeCun,
#   *Rectified LpJEPA: Joint-Embedding Predictive Architectures with Sparse and Maximum-Entropy Representations*,
#   arXiv:2602.01456, 2026.
# - Franck Barthe, Olivier Guédon, Shahar Mendelson and Assaf Naor, *A probabilistic approach to the geometry of the
#   $\ell_p^n$-ball*, Annals of Probability 33, 2005: the polar decomposition of section 6.
# - Assaf Naor, *The surface measure and cone measure on the sphere of $\ell_p^n$*, Transactions of the American
#   Mathematical Society 359, 2007: how near the two measures are in high dimension.
# - Assaf Naor and Dan Romik, *Projecting the surface measure of the sphere of $\ell_p^n$*, Annales de l'Institut Henri
#   Poincaré (B) 39, 2003: the bound that exercise 01.6 quotes.
# - Li Jing, Pascal Vincent, Yann LeCun and Yuandong Tian, *Understanding Dimensional Collapse in Contrastive
#   Self-supervised Learning*, ICLR 2022.
# - Olivier Roy and Martin Vetterli, *The effective rank: a measure of effective dimensionality*, EUSIPCO 2007.
# - Robert Tibshirani, *Regression Shrinkage and Selection via the Lasso*, Journal of the Royal Statistical Society B
#   58, 1996.
