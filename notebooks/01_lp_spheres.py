# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
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
# of section 5, and look at the figures of the rest. The exercises at the end take more than an hour together, the first
# of them five minutes.
#
# The series follows the blog post *Rectified LpJEPA* by Yilun Kuang; equations carry its numbers. Where a cell ends in
# "agrees", it has checked the statement above it and would have stopped the notebook otherwise.

# %% tags=["install"]
# In a clone of the series this cell does nothing. In Colab and the like it fetches the series and installs it.
import importlib.util
import os
import subprocess
import sys

REPOSITORY = ""  # owner/name on GitHub
if not (importlib.util.find_spec("rlpjepa") and os.path.isdir("results")):
    assert REPOSITORY, "rlpjepa or the folder results/ is missing here: start JupyterLab with `make lab`"
    if not os.path.isdir("series"):
        subprocess.run(["git", "clone", "--depth=1", f"https://github.com/{REPOSITORY}.git", "series"], check=True)
    os.chdir("series/notebooks")
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "..", "timm", "filelock"], check=True)

# %%
import json
import math

import matplotlib.pyplot as plt
import plotly.graph_objects as go
import scipy.stats
import torch
from IPython.display import display

from rlpjepa import rdmreg_loss
from rlpjepa.figures import COLORS, STYLE, png_bytes, show
from rlpjepa.spheres import lp_norm, sample_cone, sample_surface, surface_density

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

# %% tags=["claim-S1"]
constant = torch.full((2, 512, 2), 0.3)  # what a constant network makes of 512 points in two views
assert (constant[0] - constant[1]).square().mean() == 0

x, z_before, z_alone = train(target_weight=0, noise=0.3)
_, _, z_target = train(target_weight=5, noise=0.3)
assert (z_alone.var(0) / z_before.var(0) < 0.01).all()
assert (z_target.var(0) > 0.7).all() and (z_target.var(0) < 1.3).all()

x_linear, linear_before, linear_alone = train(target_weight=0, noise=0.3, width=None)
_, _, linear_lucky = train(target_weight=0, noise=torch.tensor([0.0, 0.3]), width=None)
assert (linear_alone.var(0) / linear_before.var(0) < 0.01).all()
W_before, W_lucky = (torch.linalg.lstsq(x_linear, z).solution.T for z in (linear_before, linear_lucky))
torch.testing.assert_close(W_lucky[:, 0], W_before[:, 0], rtol=1e-4, atol=1e-4)
assert W_before[:, 0].norm() > 0.5 and W_lucky[:, 1].norm() < 1e-3

print("a constant map: invariance term 0")
print("invariance alone: each coordinate keeps less than 1/100 of its variance")
print("invariance and target: each coordinate has a variance between 0.7 and 1.3 (the target's is 1)")
print("linear map, invariance alone: less than 1/100")
print("linear map, views that differ in one coordinate: column 1 of W as before, column 2 gone (tolerance 0.001)")
print("agrees")

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


# %% tags=["claim-S2"]
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
assert 1 < rank <= 3 + 1e-9

ranks = {}
for n in (32, 512, 8192):
    ranks[n] = effective_rank(torch.randn(n, 16, generator=generator, dtype=torch.float64))
    print(f"16 independent coordinates, n = {n:4d}: effective rank {ranks[n]:.1f}")
assert ranks[32] < ranks[512] < ranks[8192] <= 16 and ranks[8192] > 15.9

a = signals[:, :1]
curve = effective_rank(torch.cat([a, (a**2 - 1) / math.sqrt(2)], dim=1))
print(f"the two coordinates a and (a² - 1)/√2: effective rank {curve:.1f}, though one determines the other")
assert curve > 1.9
print("agrees")

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
generator = torch.Generator().manual_seed(3)
x = torch.randn(5, 1000, generator=generator)  # five vectors, one a row
for p in (0.25, 0.5, 1, 2, 8):
    by_hand = (x.abs() ** p).sum(-1) ** (1 / p)  # (5,)
    torch.testing.assert_close(lp_norm(x, p), by_hand)
torch.testing.assert_close(lp_norm(x, math.inf), x.abs().amax(-1))
print("lp_norm agrees with the formula for p = 0.25, 0.5, 1, 2, 8 and ∞")

small = torch.full((4096,), 1e-6)
by_hand = (small**8).sum() ** (1 / 8)
exact = 1e-6 * 4096 ** (1 / 8)
print(f"4096 entries of 10⁻⁶, p = 8: by hand {by_hand:.0f}, lp_norm {lp_norm(small, 8):.3e}, exact {exact:.3e}")
assert by_hand == 0 and abs(lp_norm(small, 8) / exact - 1) < 1e-6


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
bundle = {
    "application/vnd.plotly.v1+json": json.loads(live.to_json()),
    "image/png": png_bytes(still),
    "text/plain": alt,
}
display(bundle, raw=True, metadata={"image/png": {"alt": alt}})

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
# is uniform, since the density prefers none. That is tested through its cosine with a fixed unit vector: by symmetry
# this has the law of $u_1$, whichever vector it is, and its square, $z_1^2/\sum_i z_i^2$, the law Beta$(1/2, (d-1)/2)$.
#
# To compare a sample with a law, this chapter uses the Kolmogorov–Smirnov test: its *p-value* is the probability that a
# sample from the law itself would lie at least as far from it. (It has nothing to do with the $p$ of ℓp. Counts, as
# those of the triangles in section 5, are compared by the $\chi^2$ test, whose p-value means the same.) A cell stops at
# a p-value of 1/10,000 or less: a true statement would stop it once in 10,000 runs with other seeds, and in a cell with
# many comparisons these risks add up. For independence we split the sample in two by a property of the direction and
# compare the radii of the halves. Such a test can find dependence or fail to find it; that there is none is what the
# argument above proves. To see that the tests *can* fail, sections 3, 5 and 6 also feed them laws for which they
# should.

# %%
LEVEL = 1e-4


def p_value(sample, law):
    """Kolmogorov and Smirnov's test of a sample (n,) against a distribution of scipy or another sample (n,)."""
    return scipy.stats.kstest(sample, law.cdf if hasattr(law, "cdf") else law).pvalue


def p_value_of_independence(value, other):
    """Split the sample at the median of `other` and compare the two halves of `value`: alike when independent."""
    return p_value(value[other < other.median()], value[other >= other.median()])


def report(text, p_values):
    """Print how many comparisons passed."""
    print(f"{text}: {sum(p > LEVEL for p in p_values)} of {len(p_values)} p-values above {LEVEL}")


def bad_luck(p_values):
    """How rarely true statements fail that many comparisons: at most the sum of the risks, in words."""
    return f"if all is true, chance stops this cell in 1 of {1 / (LEVEL * len(p_values)):.0f} runs at most"


# %% tags=["claim-T1"]
n = 4000
radii, radius_tests, uniform_tests, independence_tests = {}, [], [], []
for d in (2, 64, 512, 4096):
    generator = torch.Generator().manual_seed(d)
    z = torch.randn(n, d, generator=generator)
    r = lp_norm(z, 2).double()  # (n,)
    u = z.double() / r[:, None]  # (n, d)
    radii[d] = r
    radius_tests.append(p_value(r, scipy.stats.chi(d)))
    for direction in (torch.eye(d)[0], torch.ones(d) / d**0.5):  # the squared cosine has the same law for each
        cosine = u @ direction.double()
        uniform_tests.append(p_value(cosine**2, scipy.stats.beta(1 / 2, (d - 1) / 2)))
        independence_tests.append(p_value_of_independence(r, cosine))
    independence_tests.append(p_value_of_independence(r, u.abs().amax(1)))
    print(
        f"d = {d:4d}: mean radius / √d = {r.mean() / d**0.5:.3f} ± {r.std() / (n * d) ** 0.5:.4f}, "
        f"standard deviation {r.std():.2f} ± {r.std() / (2 * n) ** 0.5:.2f}"
    )
report("radius against χ(d)", radius_tests)
report("direction against the uniform law", uniform_tests)
report("radius against direction", independence_tests)
tests = radius_tests + uniform_tests + independence_tests
assert min(tests) > LEVEL
assert abs(r.mean() / d**0.5 - 1) < 1e-3 and abs(r.std() - 0.5**0.5) < 0.05  # d = 4096, about six standard errors

square = torch.rand(n, 2, generator=generator) - 0.5  # uniform in a square: dependent, and not uniform in direction
wrong = p_value_of_independence(lp_norm(square, 2), (square / lp_norm(square, 2, keepdim=True)).abs().amax(1))
assert wrong < LEVEL
print("a law that is not of this kind (uniform in a square) is recognised")
print("agrees: √d and 1/√2 = 0.71 as d grows, direction uniform and independent of the radius")
print(bad_luck(tests))

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

# %% tags=["claim-T2"]
STEP = 1e-3
line = torch.arange(-60 + STEP / 2, 60, STEP, dtype=torch.float64)
half_line = torch.arange(STEP / 2, 60, STEP, dtype=torch.float64)


def normal(mean, variance):
    return lambda x: (-((x - mean) ** 2) / (2 * variance)).exp() / math.sqrt(2 * math.pi * variance)


def product_law(*densities):
    """Entropy and mean squared norm of two independent coordinates, by summing over a fine grid."""
    f = torch.stack([density(line) for density in densities])  # (2, points of the grid)
    return torch.special.entr(f).sum() * STEP, (f * line**2).sum() * STEP


def radial_law(density, power):
    """Entropy and mean of ||z||^power of a law in the plane whose density depends on r = ||z|| alone."""
    f, ring = density(half_line), 2 * math.pi * half_line * STEP  # ring: area between r and r + STEP
    f = f / (f * ring).sum()
    return (torch.special.entr(f) * ring).sum(), (f * half_line**power * ring).sum()


laws = {
    "isotropic Gaussian": product_law(*[normal(0, 1)] * 2),
    "Gaussian with variances 1.4 and 0.6": product_law(normal(0, 1.4), normal(0, 0.6)),
    "isotropic Gaussian, off centre": product_law(*[normal(0.5, 0.75)] * 2),
    "product logistic": product_law(
        *[lambda x: torch.from_numpy(scipy.stats.logistic.pdf(x, 0, 3**0.5 / math.pi))] * 2
    ),
    "product Laplace": product_law(*[lambda x: (-x.abs() * 2**0.5).exp() / 2**0.5] * 2),
    "uniform in a square": product_law(*[lambda x: (x.abs() < 3**0.5).double() / 12**0.5] * 2),
    "uniform in a disc": radial_law(lambda r: (r < 2).double(), power=2),
}
best = laws["isotropic Gaussian"][0]
for name, (entropy, mean_square) in laws.items():
    print(f"mean square {mean_square:.2f}, entropy {entropy:.2f} nats: {name}")
    assert abs(mean_square - 2) < 5e-3
    assert name == "isotropic Gaussian" or entropy < best - 0.01

gaussian, gaussian_norm = radial_law(lambda r: (-(r**2) / 2).exp(), power=1)
winner, winner_norm = radial_law(lambda r: (-2 * r / gaussian_norm).exp(), power=1)
print(f"mean norm {gaussian_norm:.3f}, entropy {gaussian:.3f} nats: isotropic Gaussian")
print(f"mean norm {winner_norm:.3f}, entropy {winner:.3f} nats: density ∝ exp(-λ‖z‖₂)")
assert abs(gaussian_norm - winner_norm) < 1e-4
assert abs(gaussian - 2.838) < 1e-3 and abs(winner - 2.903) < 1e-3
print("agrees: largest at a fixed mean square (tolerance 0.005), not at a fixed mean norm")

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


# %% tags=["claim-T3"]
def triangle_counts(u):
    """How many rows of u (n, 3) lie in each of the 32 triangles."""
    face = (u > 0).long() @ torch.tensor([1, 2, 4])  # 0 … 7
    piece = torch.where(u.abs().amax(1) > 0.5, u.abs().argmax(1), 3)  # corner 0, 1, 2 or middle 3
    return (4 * face + piece).bincount(minlength=32)


def tests_of_uniformity(u):
    """p-values of the directions u (n, d) against the uniform law on the unit ℓ1 sphere."""
    # the part of a face where |u_1| > t is the face itself, shrunk by the factor 1 - t in d - 1 dimensions
    p_values = [p_value(u[:, 0].abs(), scipy.stats.beta(1, u.shape[1] - 1))]
    if u.shape[1] == 3:
        p_values.append(scipy.stats.chisquare(triangle_counts(u)).pvalue)
    return p_values


n = 20_000
radius_tests, direction_tests, wrong_scale = [], [], []
for d in (2, 3, 10, 100):
    for sigma in (0.5, 2.0):
        generator = torch.Generator().manual_seed(4 + d + round(1000 * sigma))
        size = -torch.log1p(-torch.rand(n, d, dtype=torch.float64, generator=generator))  # exponential
        sign = 1 - 2 * torch.randint(2, (n, d), generator=generator)
        z = sigma * sign * size  # (n, d), Laplace with scale sigma
        r = lp_norm(z, 1)  # (n,)
        u = z / r[:, None]  # (n, d)
        radius_tests.append(p_value(r, scipy.stats.gamma(d, scale=sigma)))
        wrong_scale.append(p_value(r, scipy.stats.gamma(d, scale=1)))
        direction_tests += tests_of_uniformity(u)
        if d == 3:
            counts, deviation = triangle_counts(u), (n / 32 * (1 - 1 / 32)) ** 0.5
            print(
                f"σ = {sigma}: {counts.min()} to {counts.max()} points a triangle, "
                f"expected {n / 32:.0f} ± {deviation:.0f}"
            )
report("radius against Gamma(d, scale σ)", radius_tests)
report("direction against the uniform law", direction_tests)
assert min(radius_tests + direction_tests) > LEVEL

z = torch.randn(n, 3, dtype=torch.float64, generator=generator)
wrong_law = tests_of_uniformity(z / lp_norm(z, 1, keepdim=True))
assert max(wrong_scale + wrong_law) < LEVEL
print("the scale 1 in place of σ is recognised as wrong, and so are a Gaussian's directions on the ℓ1 sphere")
print(f"agrees ({bad_luck(radius_tests + direction_tests)})")

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
# The cell draws $(n, d)$ of them, checks one column against scipy, and splits every row into radius and direction. The
# directions are, number by number, what the module's `sample_cone` returns for the same seed.

# %%
n, d, p, sigma = 20_000, 5, 0.5, 1.7
generator = torch.Generator().manual_seed(6)
V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
z = sigma * V * (p * G) ** (1 / p)  # (n, d), independent GN_p(0, sigma)
tests = [p_value(z[:, 0], scipy.stats.gennorm(p, scale=sigma * p ** (1 / p)))]
report("z against scipy's gennorm", tests)
assert min(tests) > LEVEL

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


# %% tags=["claim-T7"]
def sample_gn(n, d, p, sigma, generator):
    """(n, d) independent draws from GN_p(0, sigma), as above."""
    V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
    G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
    return sigma * V * (p * G) ** (1 / p)


n, sigma = 10_000, 1.7
radius_tests, independence_tests, cone_tests, wrong_norm = [], [], [], []
for p in (0.25, 0.5, 1, 2, 4):
    for d in (2, 3, 50):
        z = sample_gn(n, d, p, sigma, torch.Generator().manual_seed(7 + d))
        r = lp_norm(z, p)
        u = z / r[:, None]
        radius_tests.append(p_value(r**p, scipy.stats.gamma(d / p, scale=p * sigma**p)))
        for value in (u[:, 0], u.abs().amax(1)):
            independence_tests.append(p_value_of_independence(r, value))
        other = lp_norm(z, 1 if p == 2 else 2)
        wrong_norm.append(p_value_of_independence(other, (z / other[:, None]).abs().amax(1)))
        if d == 50 or (p, d) == (0.25, 3):
            continue  # almost no point of the cube lies in these balls
        cube = torch.rand(400_000, d, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
        ball = cube[lp_norm(cube, p) <= 1][:n]  # by symmetry the positive part is enough
        direction = ball / lp_norm(ball, p, keepdim=True)
        cone_tests.append(p_value(u.abs().amax(1), direction.amax(1)))
        cone_tests.append(p_value(u[:, 0].abs(), direction[:, 0]))
report("‖z‖^p against Gamma(d/p, scale pσ^p)", radius_tests)
report("radius against direction", independence_tests)
report("directions of z against directions of points in the ball", cone_tests)
tests = radius_tests + independence_tests + cone_tests
assert min(tests) > LEVEL
assert max(wrong_norm) < LEVEL
print(
    f"radius in the wrong norm: {sum(p < LEVEL for p in wrong_norm)} of {len(wrong_norm)} times recognised as dependent"
)
print(f"agrees ({bad_luck(tests)})")

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
# Take a small piece of area $A$ around $\mathbf{u}$. The cone over it has the volume $\frac1d\,h A$, where $h$ is the
# distance from the origin to the plane that touches the sphere at $\mathbf{u}$. The gradient of the norm there is the
# vector $\mathbf{g}$ with $g_i = \operatorname{sgn}(u_i)|u_i|^{p-1}$; it is perpendicular to that plane, and
# $\mathbf{u}\cdot\mathbf{g} = \sum_i |u_i|^p = 1$, so $h = 1/\lVert\mathbf{g}\rVert_2$. Hence cone measure is in
# proportion to area divided by $\lVert\mathbf{g}\rVert_2$. With both scaled to total 1, the density of the surface
# measure against the cone measure is
#
# $$\frac{\mathrm{d}\,\text{surface}}{\mathrm{d}\,\text{cone}}(\mathbf{u}) =
#   \frac{\lVert\mathbf{g}\rVert_2}{\mathbb{E}_{\text{cone}}\lVert\mathbf{g}\rVert_2}, \qquad
#   \lVert\mathbf{g}\rVert_2 = \Bigl(\sum_i |u_i|^{2p-2}\Bigr)^{1/2} .$$
#
# **Prediction.** At $p = 2$ the sum is 1, at $p = 1$ it is $d$; for $p = \infty$ the sphere is a cube, whose faces all
# lie at the distance $h = 1$. In these three cases the two measures are equal. For any other $p$ compare the point on
# an axis, where all coordinates but one are 0, with the diagonal. Towards the axis $\lVert\mathbf{g}\rVert_2 \to 1$ for
# $p > 1$ and $\to \infty$ for $p < 1$; on the diagonal it is $d^{1/p - 1/2}$, which is finite, and 1 only for $p = 2$.
# So the measures differ.
#
# In the plane everything can be measured without any of this: cut the curve into short pieces, measure the length of
# each and the area of the triangle between it and the origin. The *total variation distance* is half the sum of the
# absolute differences between the two shares, the largest difference that any set can show. It is 0 for equal measures
# and 1 for measures that have no piece in common.


# %% tags=["claim-T8"]
def cut(p, n=20_001):
    """A quarter of the unit curve in n - 1 pieces: the shares (n - 1,) of its length and of the area below it."""
    u = unit_curve(p, n)
    start, end = u[:-1], u[1:]
    length = (end - start).norm(dim=1)
    area = (start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]).abs() / 2
    return length / length.sum(), area / area.sum()


def total_variation(p):
    length, area = cut(p)
    return (length - area).abs().sum().item() / 2


in_plane = {p: total_variation(p) for p in (0.25, 0.5, 0.75, 1, 1.5, 2, math.inf)}
for p, distance in in_plane.items():
    print(f"plane, p = {'∞' if p == math.inf else p:<4}  total variation distance {distance:.3f}")
    assert distance < 1e-5 if p in (1, 2, math.inf) else distance > 0.01

for d in (2, 3, 10):  # the gradient of the norm by automatic differentiation, at points under the cone measure
    for p in (0.5, 0.75, 1, 1.5, 2, 4, math.inf):
        u = sample_cone(2000, d, p, dtype=torch.float64, generator=torch.Generator().manual_seed(d)).requires_grad_()
        (g,) = torch.autograd.grad(lp_norm(u, p).sum(), u)
        slope = g.norm(dim=1)
        spread = slope.std() / slope.mean()
        if p in (1, 2, math.inf):
            assert spread < 1e-9
            continue
        assert spread > 0.01
        if d <= 3:  # what the module says the density is, up to its constant factor
            ratio = surface_density(u.detach(), p) / slope
            assert ratio.std() / ratio.mean() < 1e-9
print("d = 2, 3, 10: ‖g‖₂ is constant (relative tolerance 1e-9) for p = 1, 2, ∞ and varies for p = 0.5, 0.75, 1.5, 4")
print("agrees: in the plane the distance is 0 (tolerance 1e-5) for p = 1, 2, ∞, and above 0.01 for the other p")

# %% [markdown]
# In the plane the shares of length and area are known, and so is the constant factor: the module's `surface_density`
# should equal the share of length divided by the share of area. And `sample_surface` should draw pieces in proportion
# to their length. (It works in any dimension: it draws from a law that is near the surface measure, and keeps a point
# with the right probability.) We draw by hand too: choose a piece by its length, then a point of it.

# %%
n = 20_000
tests = []
for p in (0.5, 0.75, 1.5, 4):
    length, area = cut(p)
    u = unit_curve(p, 20_001)
    middle = (u[1:] + u[:-1]) / 2
    middle = middle / lp_norm(middle, p, keepdim=True)
    inside = middle.amin(1) > 0.01  # next to a spike the pieces are too coarse
    torch.testing.assert_close(surface_density(middle, p)[inside], (length / area)[inside], rtol=1e-4, atol=0)

    generator = torch.Generator().manual_seed(10)
    piece = torch.searchsorted(length.cumsum(0), torch.rand(n, dtype=torch.float64, generator=generator))
    by_hand = middle[piece.clamp(max=len(middle) - 1)]  # (n, 2)
    points = sample_surface(n, 2, p, dtype=torch.float64, generator=generator).abs()  # (n, 2)
    tests += [p_value(points[:, 0], by_hand[:, 0]), p_value(points.amax(1), by_hand.amax(1))]
print("surface_density agrees with length / area (relative tolerance 1e-4)")
report("sample_surface against points drawn by length", tests)
assert min(tests) > LEVEL

generator = torch.Generator().manual_seed(12)
tips = {}
for name, sample in (("cone measure", sample_cone), ("surface measure", sample_surface)):
    share = (sample(n, 2, 0.5, generator=generator).abs().amax(1) > 0.9).double().mean().item()
    tips[name] = share
    error = (share * (1 - share) / n) ** 0.5
    print(f"p = 0.5, {name}: {share:.3f} ± {error:.4f} of the points in the outer tenth of a spike")
assert tips["cone measure"] < tips["surface measure"] / 5

# %% tags=["slide"]
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

# %% tags=["slide"]
grid = sorted([1.0, 2.0, *torch.logspace(math.log10(0.2), math.log10(20), 160).tolist()])
distances = torch.tensor([total_variation(p) for p in grid])
nearest = {p: total_variation(p) for p in (1, 2)}
away = torch.tensor([min(abs(p - 1), abs(p - 2)) > 0.1 for p in grid])
assert max(nearest.values()) < 1e-5 and distances[away].min() > 1e-3
between, above = (max(total_variation(p) for p in some) for some in ((1.2, 1.3, 1.4), (5, 6, 7)))
print(f"largest distance between 1 and 2: {between:.3f}, above 2: {above:.2f}")
assert distances[-1] > total_variation(100) > total_variation(500) and total_variation(500) < 2e-3
fig, ax = plt.subplots(figsize=(7, 3.4))
ax.semilogy(grid, distances.clamp(min=1e-6), color=COLORS["theory"])
for p, name in ((1, "laplace"), (2, "gaussian")):
    ax.axvline(p, color=COLORS[name], linestyle="--", label=f"p = {p}: the distance is 0")
marks = (0.25, 0.5, 0.75, 1.5)
ax.plot(
    marks,
    [in_plane[p] for p in marks],
    "o",
    color=COLORS["measurement"],
    label="p = 0.25, 0.5, 0.75, 1.5 (printed)",
)
ax.set(xscale="log", xlabel="p", ylabel="total variation distance", ylim=(1e-3, 1))
ax.set_xticks([0.25, 0.5, 1, 2, 4, 8, 16], ["0.25", "0.5", "1", "2", "4", "8", "16"])
ax.set_xticks([], minor=True)
ax.set_title("Cone against surface measure in the plane")
ax.legend(loc="upper right")
show(
    fig,
    alt="Total variation distance against p on logarithmic axes. It falls from above 0.6 at p = 0.2 to zero at p = 1, "
    "rises to less than 0.02, falls to zero at p = 2, rises to about 0.03 and falls slowly for large p.",
)

# %% [markdown] tags=["slide"]
# *The distance between the two measures in the plane. It dips to zero at $p = 1$ and $p = 2$, and tends to zero once
# more as $p \to \infty$, beyond the right edge (at $p = \infty$ the measures are equal). Between and above them the
# difference is small; below $p = 1$ it grows fast.*
#
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

# %% tags=["claim-T4"]
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
    closed_form = math.log(2 * math.gamma(1 / p) * p ** (1 / p - 1)) + 1 / p
    assert abs(best - closed_form) < 1e-8
    curves[p] = [entropy_at_unit_moment(-(x**q) / q, p) - best for q in shapes]
    assert max(curves[p]) < 1e-8 and abs(math.log(shapes[curves[p].index(max(curves[p]))] / p)) < 0.06
    others = {
        "uniform": torch.where(x < 1, 0.0, -math.inf),
        "logistic": -x - 2 * torch.log1p(torch.exp(-x)),
        "Student, 9 degrees of freedom": -5 * torch.log1p(x**2 / 9),
    }
    gaps = {name: best - entropy_at_unit_moment(log_density, p) for name, log_density in others.items()}
    assert min(gaps.values()) > 1e-3
    print(f"E|z|^{p} = 1: GN_{p} has {best:.3f} nats; less by: " + ", ".join(f"{k} {v:.3f}" for k, v in gaps.items()))

ball = math.log(2 * 3**2)  # uniform in the ℓ1 ball of radius 3 in the plane, area 2 · 3², E‖z‖₁ = 2
product = 2 * (1 + math.log(2))  # two Laplace coordinates with scale 1, E‖z‖₁ = 2
print(f"in the plane, E‖z‖₁ = 2: product Laplace {product:.3f} nats, uniform in the ℓ1 ball {ball:.3f}")
assert ball < product

z = torch.linspace(-5, 5, 11, dtype=torch.float64)
sigma = 1.3
for p, law in ((1, torch.distributions.Laplace(0.0, sigma)), (2, torch.distributions.Normal(0.0, sigma))):
    log_density = (1 - 1 / p) * math.log(p) - math.log(2 * sigma * math.gamma(1 / p)) - z.abs() ** p / (p * sigma**p)
    torch.testing.assert_close(log_density, law.log_prob(z), rtol=1e-6, atol=1e-6)
print("p = 1 is Laplace with scale σ, p = 2 Gauss with standard deviation σ")
print("agrees (entropy to 1e-8, the position of the maximum to one step of the grid)")

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
# share, lasso a fixed amount, and $p < 1$ an amount that tends to zero, about $\lambda s^2 p\,\hat{w}^{p-1}$. The check
# is by brute force: the smallest value of the bracket on a fine grid.


# %% tags=["claim-T5"]
def mode_by_search(w_hat, penalty, s):
    """Posterior modes of weights with least-squares values w_hat (m,), on a grid of width 1e-3 that contains 0."""
    grid = torch.arange(-20_000, 20_001, dtype=torch.float64) * 1e-3
    objective = (grid - w_hat[:, None]) ** 2 / (2 * s**2) + penalty(grid)  # (m, 40001)
    return grid[objective.argmin(1)]


s, tau, b, lam, p = 0.8, 0.7, 0.5, 2.5, 0.5
w_hat = torch.linspace(-6, 6, 121, dtype=torch.float64)
ridge = mode_by_search(w_hat, lambda w: w**2 / (2 * tau**2), s)
lasso = mode_by_search(w_hat, lambda w: w.abs() / b, s)
half = mode_by_search(w_hat, lambda w: lam * w.abs() ** p, s)

torch.testing.assert_close(ridge, w_hat * tau**2 / (tau**2 + s**2), atol=2e-3, rtol=0)
torch.testing.assert_close(lasso, w_hat.sign() * (w_hat.abs() - s**2 / b).clamp(min=0), atol=2e-3, rtol=0)
zeros = {"ridge": (ridge == 0).sum(), "lasso": (lasso == 0).sum(), "p = 1/2": (half == 0).sum()}
print("exact zeros among 121 values of ŵ in [-6, 6]: " + ", ".join(f"{name} {count}" for name, count in zeros.items()))
assert zeros["ridge"] == 1 and zeros["lasso"] > 10 and zeros["p = 1/2"] > 10  # ridge: at ŵ = 0 alone

jump = (2 * lam * s**2 * (1 - p)) ** (1 / (2 - p))
threshold = jump + lam * s**2 * p * jump ** (p - 1)
below, above = mode_by_search(torch.tensor([threshold - 0.01, threshold + 0.01]), lambda w: lam * w.abs() ** p, s)
print(f"p = 1/2: threshold {threshold:.2f}, where the mode jumps from {below:.2f} to {above:.2f} (formula {jump:.2f})")
assert below == 0 and abs(above - jump) < 0.05
assert ((half == 0) == (w_hat.abs() < threshold)).all()

far = torch.tensor([4.0, 8.0, 16.0], dtype=torch.float64)
taken = far - mode_by_search(far, lambda w: lam * w.abs() ** p, s)
print("p = 1/2: taken off at ŵ = 4, 8, 16: " + ", ".join(f"{t:.2f}" for t in taken) + f" (lasso: {s**2 / b:.2f})")
torch.testing.assert_close(taken, lam * s**2 * p * far ** (p - 1), rtol=0.15, atol=0)
assert taken[0] > taken[1] > taken[2]

generator = torch.Generator().manual_seed(11)  # the whole problem: no nearby w is better than the mode found per weight
X = torch.linalg.qr(torch.randn(50, 8, dtype=torch.float64, generator=generator)).Q  # (n, k)
y = X @ (4 * torch.randn(8, dtype=torch.float64, generator=generator)) + s * torch.randn(50, generator=generator)
mode = (X.T @ y).sign() * ((X.T @ y).abs() - s**2 / b).clamp(min=0)
steps = 0.3 * torch.randn(5000, 8, dtype=torch.float64, generator=generator)
value = lambda w: (y - w @ X.T).square().sum(-1) / (2 * s**2) + w.abs().sum(-1) / b
assert (value(mode + steps) > value(mode)).all()

draws = torch.distributions.Laplace(0.0, b).icdf(torch.rand(1_000_000, dtype=torch.float64, generator=generator))
print(f"exact zeros in a million draws from the Laplace prior itself: {(draws == 0).sum()}")
assert (draws == 0).sum() == 0
print("agrees (tolerance 0.002, two steps of the grid)")

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
# draws at the end of the check show. The zeros belong to the *mode of a posterior*; a draw from the Laplace law is zero
# with probability 0. Matching features to a Laplace target makes many of them small and none of them zero.

# %% [markdown]
# ## Exercises
#
# Six exercises, from five minutes to an open question. Fill in the cell with the dots, run it, then run the line below
# it: `check` says whether your answer is right, or else what is wrong with it. It looks at what your function does, not
# at how: a formula, a loop and a simulation are equally welcome. The triangle opens a hint. (In the published notebooks
# a worked solution stands between the stub and the check: leave its cells out, or they take the place of your answer.
# The student edition, which `make student` writes, has none.)

# %%
import math

import torch

from rlpjepa.exercises import check
from rlpjepa.spheres import lp_norm, sample_cone, sample_surface

# %% [markdown] tags=["exercise"]
# ### 01.1 · Four directions, of which one is wide (5 minutes)
#
# *Predict, then compute.* The columns of a large feature matrix $Z$ of shape $(n, 4)$ are independent, with mean zero
# and standard deviations 3, 1, 1 and 1. Which effective rank (section 1) does it have as $n \to \infty$? First on
# paper; then draw such a matrix and compare.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Independent columns of mean zero are nearly perpendicular when $n$ is large. So each singular value belongs to one
# column. How does the length of a column depend on its standard deviation?
#
# </details>

# %% tags=["stub"]
predicted_rank = ...  # a number: your prediction

# %% tags=["solution"]
# Singular values in proportion 3 : 1 : 1 : 1, shares 1/2, 1/6, 1/6, 1/6; their entropy is (log 2 + log 6) / 2 = log √12.
predicted_rank = math.sqrt(12)

# %% [markdown] tags=["solution"]
# About 3.46. One direction carries three quarters of the variance, and still the other three count almost fully: shares
# of singular values are kinder than shares of variances, which would give 2.31. If the first standard deviation grows
# without end, the effective rank falls to 1, though no column ever becomes constant: it measures collapse relative to
# the widest direction.

# %% tags=["check"]
check("01.1", predicted_rank)

# %% [markdown] tags=["exercise"]
# ### 01.2 · Break the triangle inequality (10 minutes)
#
# *Break it, then explain.* A norm satisfies $\lVert\mathbf{x}+\mathbf{y}\rVert \le \lVert\mathbf{x}\rVert +
# \lVert\mathbf{y}\rVert$. For $p < 1$ the quasi-norm $\lVert\cdot\rVert_p$ does not. Find, for any $p$ between 0 and 1,
# two vectors that break it as badly as can be, that is with the largest possible
#
# $$\frac{\lVert\mathbf{x}+\mathbf{y}\rVert_p}{\lVert\mathbf{x}\rVert_p + \lVert\mathbf{y}\rVert_p} .$$
#
# How large is it, as a function of $p$? And where do you see it in the pictures of section 2?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Take $\mathbf{x}$ and $\mathbf{y}$ on the unit sphere. Then the ratio is $\lVert(\mathbf{x}+\mathbf{y})/2\rVert_p$,
# and you look for a chord whose middle lies as far outside the sphere as possible. At $p = 1/2$, which two points would
# you join?
#
# </details>


# %% tags=["stub"]
def break_triangle(p):
    """Two vectors x and y, each of shape (d,) with a d of your choice, for 0 < p < 1."""
    ...  # return x, y


# %% tags=["solution"]
def break_triangle(p):
    return torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


# %% [markdown] tags=["solution"]
# Two vectors of equal norm that share no coordinate: the tips of two spikes. The left side is $2^{1/p}$, the right side
# 2, so the factor is $2^{1/p-1}$: 2 at $p = 1/2$ and 8 at $p = 1/4$. More is impossible. For $p \le 1$ one has
# $|a+b|^p \le |a|^p + |b|^p$, hence $\lVert\mathbf{x}+\mathbf{y}\rVert_p^p \le A^p + B^p$ with the two norms $A$ and
# $B$; and at a fixed $A + B$ the right side is largest for $A = B$.
#
# In the pictures: the sphere bends inwards between two spikes, so the straight line from tip to tip runs outside it.

# %% tags=["check"]
check("01.2", break_triangle)


# %% [markdown] tags=["exercise"]
# ### 01.3 · The mean radius (15 minutes)
#
# *Derive, then test.* Let $\mathbf{z}$ have $d$ independent coordinates $\mathcal{GN}_p(0, \sigma)$ and let
# $r = \lVert\mathbf{z}\rVert_p$. Section 6 gives the law of $r^p$, and with it $\mathbb{E}\,r^p = d\,\sigma^p$. What is
# $\mathbb{E}\,r$? Your function should also work at $d = 1000$. Compare with the mean radius of draws from `sample_gn`.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# A Gamma variable $G$ of shape $a$ has the moments $\mathbb{E}\,G^k = \Gamma(a + k)/\Gamma(a)$, also for a $k$ that is
# not an integer. Which power of $G$ is $r$? And for large arguments: `math.lgamma` is $\log\Gamma$.
#
# </details>


# %% tags=["stub"]
def mean_radius(d, p, sigma):
    """E‖z‖ₚ, a number, for z with d independent coordinates GN_p(0, sigma)."""
    ...


# %% tags=["solution"]
def mean_radius(d, p, sigma):
    # r = σ (p G)^(1/p) with G ~ Gamma(d / p), so E r = σ p^(1/p) Γ((d + 1) / p) / Γ(d / p)
    return sigma * p ** (1 / p) * math.exp(math.lgamma((d + 1) / p) - math.lgamma(d / p))


# %% [markdown] tags=["solution"]
# The root of the mean, $d^{1/p}\sigma$, is *not* the mean: at $d = 1$, $p = 1/2$ it is $\sigma$, and the mean is
# $3\sigma/2$. For large $d$ the ratio of the two tends to 1, since the spread of $r$ relative to its mean falls as
# $1/\sqrt{pd}$. So the thin shell of section 3 is relative: in absolute terms its width grows as $d^{1/p - 1/2}$, which
# stays constant at $p = 2$ only. The shell of the Laplace law gets as wide as $\sqrt{d}$.

# %% tags=["check"]
check("01.3", mean_radius)


# %% [markdown] tags=["exercise"]
# ### 01.4 · Most spread out, under any constraint (20 minutes)
#
# *Derive, then test.* Sections 4 and 8 fix the mean of $z^2$ or $|z|^p$ and find Gauss or $\mathcal{GN}_p$. Fix the
# mean of any function $\varphi(z)$ at a value $v$ instead. Which density on an interval has the largest entropy? Write
# it as a function of three things: the values of $\varphi$ on a fine grid, $v$, and the grid. ($v$ will be less than
# the mean of $\varphi$ under the uniform law, and more than the smallest $\varphi$.)

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# The proof in section 4 works for every density $g$ whose logarithm is a constant minus $\lambda\,\varphi(z)$. Two
# numbers are left to choose. The constant makes the integral 1 (on the grid, a sum times a step). For $\lambda > 0$:
# when it grows, the mean of $\varphi$ falls, so bisection finds it.
#
# </details>


# %% tags=["stub"]
def most_spread(phi, v, z):
    """The density (m,), on the evenly spaced grid z (m,), of largest entropy whose mean of phi (m,) is v."""
    ...


# %% tags=["solution"]
def most_spread(phi, v, z):
    low, high = 0.0, 1e3  # λ lies between
    for _ in range(60):
        lam = (low + high) / 2
        share = torch.softmax(-lam * phi, dim=0)  # exp(-λφ), divided by its sum
        if (share * phi).sum() > v:
            low = lam
        else:
            high = lam
    return share / (z[1] - z[0])


# %% [markdown] tags=["solution"]
# The density is proportional to $\exp(-\lambda\varphi(z))$. With $\varphi = |z|^p$ this is $\mathcal{GN}_p$ again. With
# $\varphi = \log(1 + z^2)$ it is $(1 + z^2)^{-\lambda}$: Student's laws, and Cauchy's for $\lambda = 1$, are the most
# spread-out ones when a *logarithm* is fixed. So "maximum entropy" alone says nothing about a law: every positive
# density is the most spread out when the mean of its own logarithm is fixed. What carries meaning is the constraint.

# %% tags=["check"]
check("01.4", most_spread)


# %% [markdown] tags=["exercise"]
# ### 01.5 · Lasso and ridge at once (20 minutes)
#
# *Change the prior.* Section 9 finds the posterior mode of a weight under a Laplace prior and under a Gaussian one.
# Take both: a prior proportional to $\exp\bigl(-|w|/b - w^2/(2\tau^2)\bigr)$, known as the *elastic net*. With Gaussian
# noise of variance $s^2$ and the least-squares value $\hat{w}$, what is the posterior mode? Is it exactly zero
# anywhere, and what does it take off far out?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Let $\hat{w} > 0$ and suppose that the mode is positive. Set the slope of
# $(w - \hat{w})^2/(2s^2) + w/b + w^2/(2\tau^2)$ to zero. For which $\hat{w}$ is the solution positive? Below that, no
# positive $w$ is better than 0. For $\hat{w} < 0$ use symmetry.
#
# </details>


# %% tags=["stub"]
def elastic_net(w_hat, s, b, tau):
    """Posterior mode for each least-squares value in the tensor w_hat (m,)."""
    ...


# %% tags=["solution"]
def elastic_net(w_hat, s, b, tau):
    lasso = w_hat.sign() * (w_hat.abs() - s**2 / b).clamp(min=0)
    return lasso * tau**2 / (tau**2 + s**2)


# %% [markdown] tags=["solution"]
# First the lasso's threshold, then the ridge's shrinking. The zeros are the lasso's, on the same interval
# $|\hat{w}| \le s^2/b$: the Gaussian part has slope 0 at $w = 0$ and cannot move the threshold. (In the other order the
# threshold would be wrong.) Far out the mode keeps the ridge's fixed share of $\hat{w}$, less a fixed amount.

# %% tags=["check"]
check("01.5", elastic_net)


# %% [markdown] tags=["exercise"]
# ### 01.6 · Do cone and surface measure meet in high dimension? (open)
#
# In the plane the two measures differ (section 7). Naor and Romik showed in 2003 that for $p \ge 1$ their total
# variation distance is at most a constant over $\sqrt{d}$, so that it fades as $d$ grows. And for $p < 1$?
#
# *First step, which can be checked:* estimate the distance in $d$ dimensions from draws. It should be accurate to
# 0.025 for $p \ge 0.6$.
#
# *Then the open part:* how does it behave as $d$ grows, for each $p$? Is there a $p$ at which the answer changes? What
# would that mean for a target with the directions of the surface measure?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# With the cone measure's draws $\mathbf{u}$, section 7 gives the ratio $\rho = d\,\text{surface}/d\,\text{cone}$ as
# $\lVert\mathbf{g}\rVert_2$ divided by its mean. The distance is $\frac12\,\mathbb{E}_\text{cone}|\rho - 1|$. In the
# plane, `total_variation(p)` is the exact value. For the open part ask of $\sum_i |u_i|^{2p-2}$: does the law of large
# numbers apply to it? When does a single $|t|^{2p-2}$, with $t \sim \mathcal{GN}_p$, have a mean?
#
# </details>


# %% tags=["stub"]
def cone_to_surface(d, p):
    """Total variation distance between cone and surface measure in d dimensions, a number, from draws."""
    ...


# %% tags=["solution"]
def cone_to_surface(d, p, n=20_000):
    u = sample_cone(n, d, p, dtype=torch.float64, generator=torch.Generator().manual_seed(13)).abs()
    slope = lp_norm(u ** (p - 1), 2)  # ‖g‖₂, (n,)
    return (slope / slope.mean() - 1).abs().mean() / 2


# %% tags=["check"]
check("01.6", cone_to_surface)

# %% tags=["solution"]
# Measured by `python notebooks/results/experiments/cone.py`, run from the root of the repository.
from pathlib import Path

record = json.loads(Path("results/experiments/cone.json").read_text())
print(
    f"total variation distance of cone and surface measure, from {record['draws']} draws of each (good to about 0.02)"
)
print("   p   ", *(f"d = {d:<5}" for d in record["distance"]["0.5"]), "limit")
for p, distances in record["distance"].items():
    print(f"{p:>6} ", *(f"{distance:9.2f}" for distance in distances.values()), end="  ")
    print(f"{record['limit'][p]:5.2f}" if p in record["limit"] else "")

# %% [markdown] tags=["solution"]
# <details><summary>Discussion of the open part</summary>
#
# Below $p = 1/2$ this estimate is poor: $\lVert\mathbf{g}\rVert_2$ has no variance, and its sample mean is dominated by
# a few draws in which some coordinate is almost zero. A sturdier one draws from both measures and compares how often
# $\lVert\mathbf{g}\rVert_2$ exceeds a limit $c$; since the ratio of the two measures grows with
# $\lVert\mathbf{g}\rVert_2$, the largest difference over all $c$ (the statistic of the Kolmogorov–Smirnov test) *is*
# the total variation distance. `sample_surface` gives the second sample. That is what the table above holds.
#
# At $p = 0.6$ and above the distance falls towards 0, at $p = 0.25$ it stays near one half. Where this changes, the
# table cannot show; an argument, though not a proof, puts it at $p = 1/2$. Up to a constant, and a power of
# $\lVert\mathbf{t}\rVert_p$ that is nearly constant in high dimension (exercise 01.3), the ratio is the root of $\sum_i
# |t_i|^{2p-2}$ with independent $t_i \sim \mathcal{GN}_p$. Near zero $t$ has a positive density, so $|t|^{2p-2}$
# exceeds $x$ with a probability like $x^{-\alpha}$, $\alpha = 1/(2-2p)$. For $p > 1/2$ it has a mean: the sum settles
# down, the ratio tends to 1 and the distance to 0, at the rate $1/\sqrt{d}$ once there is a variance too ($p > 3/4$).
# For $p < 1/2$ the few coordinates nearest to zero dominate the sum in every dimension, the ratio keeps a spread, and
# the distance tends to a positive number. The sum, rescaled, then tends to a stable law, as such sums do, and draws of
# that law give the number in the last column. At $p = 1/2$ the distance should still fall to 0, but only about as fast
# as $1/\log d$.
#
# So for $p < 1/2$ the two targets differ in any dimension, and they do so in the coordinates that are almost zero.
# Whether a network learns better from one or the other is open. An experiment: chapter 05 with a target made of
# `sample_surface` directions and the same radius. Since `rdmreg_loss` (chapter 04) compares values by the square of
# their distance, a difference that lies only near zero should hardly move it, and we would expect no difference; but we
# have not tried.
#
# </details>

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
