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
# # 03 · Projected marginals: what a shadow shows
#
# **In one sentence.** A direction turns a cloud of points into numbers on a line, its *shadow*: all shadows together know
# the cloud, but in 512 dimensions one shadow shows little more than a mean and a variance, and hides the zeros.

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
import math

import matplotlib.pyplot as plt
import plotly.graph_objects as go
import torch
from scipy.stats import ks_2samp, kstest
from torch.distributions import Normal

from rlpjepa import (
    RectifiedGeneralizedGaussian,
    explore,
    random_directions,
    rdmreg_loss,
    sample_rgg,
    unit_variance_scale,
)
from rlpjepa.figures import COLORS, STYLE, compare, show, show_live
from rlpjepa.projections import projected_marginal

torch.set_num_threads(1)  # the tensors are small: more threads would wait for each other
plt.rcParams.update(STYLE)
MU, SIGMA = (
    -1.0,
    unit_variance_scale(1.0),
)  # the target: a Laplace distribution of variance 1, shifted by -1 and cut at 0
target = RectifiedGeneralizedGaussian(MU, SIGMA, 1.0)
ASKED = target.prob_active.item()  # the share of entries that are not zero, by Eq. 11


def line_at(degrees):
    """The direction at this angle in the plane, (2,); an axis is an axis, exactly."""
    c = torch.tensor([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
    return torch.where(c.abs() < 1e-6, 0.0, c)


# %% jupyter={"source_hidden": true} tags=["draw", "nbval-ignore-output", "slide"]
cloud = sample_rgg((100_000, 2), p=1.0, mu=MU, generator=torch.Generator().manual_seed(4))
some, bins = cloud[:500], torch.linspace(-3.2, 3.2, 33)
line = torch.cat([torch.linspace(-3.2, -1e-4, 24), torch.linspace(1e-4, 3.2, 24)])  # both sides of the jump at 0


def look_along(angle):
    """The arrow's end, the heights of the histogram, the exact density, and the bar at 0."""
    c = line_at(angle)
    s, exact = cloud @ c, projected_marginal(target, c, line)
    heights = torch.histc(s[s != 0], bins=32, min=-3.2, max=3.2) / len(s) / 0.2
    return c, heights, exact.density, exact.atom.item()


def traces_at(angle):
    c, heights, density, atom = look_along(angle)
    return [
        go.Scatter(x=[0, round(2.5 * c[0].item(), 2)], y=[0, round(2.5 * c[1].item(), 2)]),
        go.Scatter(y=[round(h, 3) for h in heights.tolist()]),
        go.Scatter(y=[round(h, 3) for h in density.tolist()]),
        go.Scatter(y=[0, round(atom, 3)]),
    ]


angles, start = [7.5 * k for k in range(25)], 4
looks = (
    dict(name="direction", mode="lines+markers", line_color=COLORS["theory"], marker=dict(symbol="arrow", size=[0, 16], angleref="previous")),
    dict(name="100,000 samples", x=bins[:-1].round(decimals=2).tolist(), mode="lines", line=dict(shape="hv", color=COLORS["rectified"], width=1), fill="tozeroy"),
    dict(name="exact density", x=line.round(decimals=2).tolist(), mode="lines", line_color=COLORS["theory"]),
    dict(name="share of exact zeros", x=[0, 0], mode="lines+markers", line=dict(color=COLORS["theory"], width=5), marker=dict(symbol="diamond", size=[0, 11])),
)  # fmt: skip
live = go.Figure(go.Scatter(x=[round(v, 2) for v in some[:, 0].tolist()], y=[round(v, 2) for v in some[:, 1].tolist()], mode="markers", marker=dict(size=4, color=COLORS["rectified"]), name="samples"))  # fmt: skip
for trace, look, axis in zip(traces_at(angles[start]), looks, ("", "2", "2", "2")):
    live.add_trace(trace.update(**look, xaxis="x" + axis, yaxis="y" + axis))
live.frames = [go.Frame(name=str(j), data=traces_at(angle), traces=[1, 2, 3, 4]) for j, angle in enumerate(angles)]
at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
steps = [dict(label=f"{angle:g}°", method="animate", args=[[str(j)], at_once]) for j, angle in enumerate(angles)]
live.update_layout(
    sliders=[dict(active=start, steps=steps, currentvalue_prefix="direction ", pad_t=45)],
    xaxis=dict(domain=[0, 0.42], range=[-2.7, 3.3], title="first entry"),
    yaxis=dict(range=[-0.4, 3.3], title="second entry", scaleanchor="x"),
    xaxis2=dict(domain=[0.52, 1], range=[-3.2, 3.2], title="shadow", anchor="y2"),
    yaxis2=dict(range=[0, 1], title="density, or share at 0", anchor="x2"),
    template="plotly_white", width=860, height=480, margin=dict(l=50, r=10, t=70, b=10), legend=dict(orientation="h", y=1.15),
)  # fmt: skip
still, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.3))
c, heights, density, atom = look_along(angles[start])
left.plot(*some.T, ".", color=COLORS["rectified"], markersize=4)
left.annotate("", 2.5 * c, (0, 0), arrowprops={"arrowstyle": "-|>", "linewidth": 2})
for point in some[[k for k in range(120) if some[k].any()]]:
    left.plot(*torch.stack([point, (point @ c) * c]).T, color=COLORS["muted"], linewidth=0.6)
left.set(xlabel="first entry", ylabel="second entry", xlim=(-0.4, 3.3), ylim=(-0.4, 3.3), aspect="equal")
left.set_title(f"A cloud, seen along {angles[start]:g}° …")
right.stairs(heights, bins, fill=True, color=COLORS["rectified"], alpha=0.5, label="100,000 samples")
right.plot(line, density, color=COLORS["theory"], label="exact density")
right.plot([0, 0], [0, atom], color=COLORS["theory"], linewidth=4)
right.plot([0], [atom], "D", color=COLORS["theory"], label="share of exact zeros")
right.set(xlabel="shadow", ylabel="density, or share at 0", xlim=(-1, 3.2), ylim=(0, 1), title="… and its shadow")
right.legend()
show_live(
    live,
    still,
    alt="Left, samples of the target in the plane, most on the axes and in the corner, with an arrow for the direction. "
    "Right, their shadow: a high bar at 0 and a density that falls to its right. A slider turns the direction.",
)

# %% [markdown] tags=["slide"]
# Each dot is a sample of our target ($p = 1$, $\mu = -1$; `MU` in the code) with two entries. Most entries are exactly zero, so the dots lie on the axes, and
# most of them in the corner. The arrow is a direction. Drop every dot at a right angle onto the arrow's line, and you
# get numbers: the shadow, on the right. The bar is the share of them that is exactly zero.
#
# **A question before you read on.** Turn the arrow with the slider. (Where the page cannot move you see it at 30°.) At
# which angles is the bar highest, and why there? Then think of 512 axes in place of two, and of an arrow that points
# anywhere. How high is the bar now? Keep both answers.
#
# **Afterwards you can** write down what a direction sees of the target, say which clouds a set of directions confuses,
# and say how much a loss that only looks along directions can know. **You need** the target of [chapter
# 02](02_rectified_generalized_gaussian.ipynb), the Rectified Generalized Gaussian (RGG). **It takes** about fifty
# minutes. The cells run in less than one.
#
# A line such as "✓ P2" is a link. It leads to the cell that tests this claim and stops when it is false.

# %% [markdown] tags=["slide"]
# ## 1 · A direction turns vectors into numbers on a line
#
# Take five points in the plane, and a *direction* $\mathbf{c}$, which is a vector of length one.

# %% tags=["key"]
x = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 3.0]])  # (B, D)
c = torch.tensor([0.8, 0.6])  # (D,), of length one
x @ c  # (B,)

# %% [markdown]
# Each point $\mathbf{x}$ became one number, $\mathbf{c}^\top\mathbf{x} = c_1 x_1 + c_2 x_2$. When $\mathbf{x}$ is
# random, so is this number, and its distribution is called the *projected marginal* of $\mathbf{x}$ along $\mathbf{c}$.
# We say *shadow*. Along an axis it is the distribution of one entry.
#
# For features of a network $D$ is 512, not two, and we look along many directions at once. A Gaussian vector points
# everywhere alike, so we divide one by its length:


# %% tags=["key"]
def shadows(x, N):  # x: (B, D)
    c = torch.randn(N, x.shape[1])  # new: N vectors, (N, D)
    c = c / c.norm(dim=1, keepdim=True)  # new: of length one
    return x @ c.T  # new: one shadow a column, (B, N)


shadows(x, N=3).shape

# %% [markdown]
# From here on `random_directions(N, D)` of the module draws the directions, in the same way.

# %% [markdown] tags=["slide"]
# ## 2 · The error stays small, but the signal shrinks
#
# Why look at shadows at all? We want to pull the distribution $P$ of the features $\mathbf{z}$ towards a target $Q$, so
# we need a distance. The one that comes to mind first is the Kullback-Leibler divergence,
#
# $$D_{\mathrm{KL}}(P \Vert Q) = \int \log\frac{dP}{dQ}\, dP \approx \frac1B \sum_{i=1}^{B}
# \log\frac{\overbrace{p(\mathbf{z}_i)}^{\text{unknown}}}{\underbrace{q(\mathbf{z}_i)}_{\text{known}}}. \tag{4}$$
#
# We chose $Q$, so we know its density $q$. (For RGG, $q$ is a probability at zero and a density above it. Here we take a
# Gaussian.) The density $p$ of the features we do not know: all we have is $B$ points. We can estimate it. Put a small
# Gaussian bump on each point, and take the mean of the bumps of all the *other* points:


# %%
def log_density(z):  # (B, D): at each point, from all the others
    B, D = z.shape
    width = B ** (-1 / (D + 4))  # of a bump (Scott's rule)
    # (B, B)
    bumps = -torch.cdist(z, z).square() / (2 * width**2) - D / 2 * math.log(2 * math.pi * width**2)
    bumps.fill_diagonal_(-math.inf)  # a point does not count for itself
    return bumps.logsumexp(dim=1) - math.log(B - 1)  # (B,)


def kl_of_cloud(z):  # Eq. 4 for the target N(0, I)
    z = z.double()
    return (log_density(z) - Normal(0, 1).log_prob(z).sum(dim=1)).mean()


# %% [markdown]
# Now the other way. On a line we need no density. Sort the $B$ numbers of a shadow, and compare the smallest with the
# target's smallest quantile, the next with the next, and so on. The mean squared gap is the squared *2-Wasserstein
# distance* $W_2^2$, up to the rounding of the target to $B$ quantiles ([chapter 04](04_rdmreg.ipynb) builds the loss on
# it):


# %% tags=["key", "slide"]
def w2_of_shadows(s):  # (B, N): N shadows, each beside N(0, 1)
    quantiles = torch.special.ndtri((torch.arange(len(s)) + 0.5) / len(s))  # (B,)
    gap = s.sort(dim=0).values - quantiles[:, None]  # (B, N)
    return gap.square().mean()


# %% [markdown]
# An experiment with a known answer: the target is $\mathcal{N}(0, I)$, and the features are the same but for a shift by
# $\delta = 1$ along the first axis. The true divergence is $\delta^2/2$, whatever $D$ is. A shadow sees only the part of
# the shift along its direction, $\delta c_1$. So its $W_2^2$ is $\delta^2 c_1^2$, and the mean of $c_1^2$ over all
# directions is $1/D$: the $D$ numbers $c_j^2$ add up to 1, and none of them is special.

# %%
torch.manual_seed(0)
B, dims, rows = 512, [2**k for k in range(10)], []
for D in dims:
    for _ in range(8):
        y, c = torch.randn(B, D), random_directions(64, D)
        z = y + torch.eye(D)[0]  # shifted by 1 along the first axis
        rows.append([kl_of_cloud(z), w2_of_shadows(z @ c.T), w2_of_shadows(y @ c.T)])
# (number of dims, 8) each
kl, seen, noise = torch.tensor(rows).view(len(dims), 8, 3).permute(2, 0, 1)
signal = 1 / torch.tensor(dims)  # what a shadow sees on average
error_kl = (kl - 0.5).square().mean(dim=1).sqrt()  # root mean square
error_w2 = (seen - signal[:, None]).square().mean(dim=1).sqrt()
print(f"D = 512: error of the divergence {error_kl[-1]:.0f} (true: 0.5), of W2 {error_w2[-1]:.3f} ({signal[-1]:.3f})")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.3))
left.plot(dims, error_kl, "s--", color=COLORS["measurement"], label="divergence of the cloud")
left.plot(dims, error_w2, "^-", color=COLORS["rectified"], label="$W_2^2$ of shadows")
left.set(ylabel="error", title="What shadows gain: the error does not explode")
right.plot(dims, signal, color=COLORS["theory"], label="signal: 1/D")
right.plot(dims, seen.mean(1), "^-", color=COLORS["rectified"], label="measured, with the shift")
right.plot(dims, noise.mean(1), "x:", color=COLORS["muted"], label="measured, without: noise")
right.set(ylabel="$W_2^2$ of shadows", title="What they cost: the signal sinks into the noise")
for panel in (left, right):
    panel.set(xlabel="dimension D", xscale="log", yscale="log")
    panel.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
    panel.minorticks_off()
    panel.legend()
show(
    figure,
    alt="Left, errors against the dimension on logarithmic axes: that of the divergence rises steeply, that of shadows falls. "
    "Right: the signal of shadows falls like 1/D, and the measured value bends away from it onto a level noise.",
)

# %% [markdown]
# Left: in many dimensions a few hundred points have no neighbours worth the name, and this estimate of the divergence is lost. The error
# of shadows does not grow. Right: the price. The shift is as large as ever, but on a shadow it leaves $1/D$, and in 512
# dimensions that is below the noise of the batch. The losses of LeJEPA and of this series make this bargain: *an error
# that does not grow, for a signal that shrinks.* ✓ [S3](evidence/03_projected_marginals.ipynb#S3)
#
# > **Where this comes from.** That estimates fail as dimensions are added is the *curse of dimensionality*. For the
# > divergence there is a theorem: a lower bound from samples that holds for every distribution cannot be much larger
# > than the logarithm of their number ([McAllester and Stratos, 2020](https://arxiv.org/abs/1811.04251)). Looking at
# > data along chosen directions is *projection pursuit* (Friedman and Tukey, 1974). That distances of shadows escape
# > the curse holds in general ([Nadjahi and others, 2020](https://arxiv.org/abs/2003.05783)).

# %% [markdown] tags=["slide"]
# ## 3 · All shadows together know the cloud, but no fixed few do
#
# A shadow forgets $D - 1$ dimensions. Do all shadows together forget anything? By a theorem of Cramér and Wold they do not:
#
# $$\mathbf{x} \stackrel{d}{=} \mathbf{y} \iff \mathbf{c}^\top\mathbf{x} \stackrel{d}{=} \mathbf{c}^\top\mathbf{y}
# \ \text{ for all } \mathbf{c} \in \mathbb{R}^D, \tag{5}$$
#
# where $\stackrel{d}{=}$ means "has the same distribution as". The proof has three steps.
#
# 1. A distribution is known once its *characteristic function* is, $\varphi_{\mathbf{x}}(\mathbf{t}) =
#    \mathbb{E}\,e^{i\,\mathbf{t}^\top\mathbf{x}}$ for $\mathbf{t} \in \mathbb{R}^D$.
# 2. Write $\mathbf{t}$ as a length $t$ times a direction $\mathbf{c}$. Then $\varphi_{\mathbf{x}}(t\,\mathbf{c}) =
#    \mathbb{E}\,e^{i t\, \mathbf{c}^\top\mathbf{x}}$, and that is the characteristic function of the shadow along
#    $\mathbf{c}$, at $t$.
# 3. So each shadow knows $\varphi_{\mathbf{x}}$ on one line through the origin, and these lines fill the space.

# %% [markdown] tags=["slide"]
# A longer $\mathbf{c}$ only stretches the shadow, so unit vectors are enough. This is what allows us to replace a distance
# $\mathcal{L}$ between clouds by its mean over shadows. With $\mathbf{z}, \mathbf{z}'$ the features of two views of an
# image and $\theta$ the weights of the network, we minimise
#
# $$\min_\theta\; \underbrace{\mathbb{E}\,\lVert \mathbf{z} - \mathbf{z}' \rVert_2}_{\text{views agree}}
#   + \underbrace{\mathbb{E}_{\mathbf{c}}\,\mathcal{L}(P_{\mathbf{c}^\top\mathbf{z}} \Vert P_{\mathbf{c}^\top\mathbf{y}})
#   + \mathbb{E}_{\mathbf{c}}\,\mathcal{L}(P_{\mathbf{c}^\top\mathbf{z}'} \Vert P_{\mathbf{c}^\top\mathbf{y}})}_{\text{on
#   average over directions, each view looks like the target}}, \qquad \mathbf{y} \sim Q. \tag{6}$$
#
# Could we choose a few good directions once and keep them? Here is a cloud that fools four at once. Its radius
# is that of a Gaussian in the plane, but its angle $\beta$ has the density $(1 + \sin 4\beta) / 2\pi$:


# %%
def pinwheel(n):  # (n, 2)
    z = torch.randn(3 * n, 2)
    beta = torch.atan2(z[:, 1], z[:, 0])
    keep = 2 * torch.rand(3 * n) < 1 + torch.sin(4 * beta)  # about half of them
    return z[keep][:n]


# %% [markdown]
# We measure how far each of its shadows is from $\mathcal{N}(0, 1)$, by the largest gap between two distribution functions.
# This is the *Kolmogorov-Smirnov distance*, KS.

# %%
torch.manual_seed(1)
blades = pinwheel(50_000)
turned = [7.5 * k for k in range(25)]
ks = [kstest((blades @ line_at(angle)).numpy(), "norm").statistic for angle in turned]

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=(1, 1.4))
left.scatter(*blades[:2500].T, s=2, color=COLORS["measurement"], linewidth=0)
for angle in (0, 45, 90, 135):
    left.plot(*torch.stack([-3.4 * line_at(angle), 3.4 * line_at(angle)]).T, color=COLORS["theory"], linewidth=1)
left.set(aspect="equal", xlabel="first entry", ylabel="second entry", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
left.set_title("A pinwheel, and four lines")
right.plot(turned, ks, "o-", color=COLORS["measurement"], linewidth=1)
right.axhspan(0, 2.2 / 50_000**0.5, color=COLORS["muted"], alpha=0.3, linewidth=0, label="noise of 50,000 points")
right.legend(loc="upper center", fontsize=9)
right.set(xlabel="angle of the direction (degrees)", ylabel="KS distance to N(0, 1)", ylim=(0, 0.07))
right.set_title("On four lines it looks Gaussian, on no other")
right.set_xticks(range(0, 181, 45))
show(
    figure,
    alt="Left, a cloud with four dense blades and four lines along their edges. Right, the KS distance of its shadow to the "
    "Gaussian: at 0, 45, 90, 135 and 180 degrees within the noise, between them far above.",
)

# %% [markdown]
# Why these four? Mirror the plane in one of these lines. The shadow on the line stays as it is, and $\sin 4\beta$
# changes its sign. So this term adds nothing to the shadow: it is that of the Gaussian, exactly. Both coordinate axes
# are among the four. With $\sin 2m\beta$ we could fool $2m$ lines, and so on. ✓
# [S4](evidence/03_projected_marginals.ipynb#S4)
#
# But nobody can prepare for directions that are drawn *afresh*: one drawn at random misses the four lines with
# probability one. That is why the loss draws new directions in every step.
#
# > **How many random directions, then?** With endless samples, one: if the moments of a distribution do not grow too
# > fast, *almost every single direction* tells it from any other (Cuesta-Albertos, Fraiman and Ransford, 2007). The
# > target satisfies this for $p \ge 1$. What limits us is the batch.

# %% [markdown] tags=["slide"]
# ## 4 · In 512 dimensions one shadow hardly notices twins
#
# How much does the batch limit us? Here is a fault that matters. A network should give us 512 different features, and
# it gives 256, each of them *twice*: $\mathbf{y} = (x_1, x_1, x_2, x_2, \dots)$. Chapter 01 calls this dimensional
# collapse. Every single entry has the right distribution, so no axis sees it. In the plane nearly every other direction
# does: all dots lie on the diagonal.
#
# **Your guess.** Take 4,096 points with twins in 512 dimensions, beside 4,096 points of the target. Along how many of
# 64 random directions does a *KS test* notice a difference? It raises an alarm when two samples are further apart, in KS
# distance, than two samples of one distribution are in 999 cases of 1,000.

# %%
guess = None  # how many, from 0 to 64


# %%
def notices(x, y, c, level=0.001):  # x, y: (B, D), c: (N, D)
    pairs = zip((c @ x.T).numpy(), (c @ y.T).numpy())
    return sum(bool(ks_2samp(a, b, method="asymp").pvalue < level) for a, b in pairs)


def make_twins(y):  # (..., B, D): the first half of the entries, each twice
    return y[..., : y.shape[-1] // 2].repeat_interleave(2, dim=-1)


# %%
torch.manual_seed(2)
dims, axes, alone, together = (2, 8, 32, 128, 512), {}, {}, {}
for D in dims:
    # three samples of the target, (B, D) each
    x, another, y = sample_rgg((3, 4096, D), p=1.0, mu=MU)
    # x is compared with the twins, and with another sample
    twins, c = make_twins(y), random_directions(64, D)
    axes[D], alone[D] = notices(x, twins, torch.eye(D)[:64]), notices(x, twins, c)
    # mean squared gaps
    together[D] = rdmreg_loss(twins, x, directions=c) / rdmreg_loss(another, x, directions=c)
print(f"axes that notice: {axes}")

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, alone[512])

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.9))
left.plot(dims, list(alone.values()), "o-", color=COLORS["measurement"])
left.set(ylabel="directions of 64", ylim=(-2, 68), title="One by one, fewer and fewer notice")
right.plot(dims, list(together.values()), "o-", color=COLORS["measurement"])
right.axhline(1, color=COLORS["rectified"], linewidth=1)
right.text(2, 1.1, "another sample of the target", va="bottom", fontsize=9)
right.set(
    ylabel="mean gap / that of the target", yscale="log", ylim=(0.7, 40), title="Together they still see something"
)
for panel in (left, right):
    panel.set(xlabel="dimension D", xscale="log")
    panel.set_xticks(dims, [str(D) for D in dims])
right.set_yticks([1, 3, 10, 30], ["1", "3", "10", "30"])
left.minorticks_off()
right.minorticks_off()
show(
    figure,
    alt="Left, how many of 64 directions notice twins: all up to 32 dimensions, a third in 128, hardly any in 512. Right, the "
    "mean gap of all 64 together: from twenty times that of the target down to twice.",
)

# %% [markdown]
# Fewer and fewer, the larger $D$ is. A shadow is $\sum_j c_j x_j$. For twins its variance is wrong by the factor
#
# $$1 + 2\,(c_1 c_2 + c_3 c_4 + \dots),$$
#
# and the second part is a sum of small numbers of both signs, of size $\sqrt{2/D}$: 6 % in 512 dimensions. That is too
# little for one shadow of 4,096 points.
#
# But a loss takes the *mean* over directions, and the mean sees more than each of them alone. On the right is the mean
# squared gap after sorting, over that of a true sample. (It is the loss of chapter 04.) In 512 dimensions it still
# tells twins from the target. In a batch of 256 little of that is left:

# %%
torch.manual_seed(3)
x, another, y = sample_rgg((3, 8, 256, 512), p=1.0, mu=MU)  # eight batches each, (8, B, D)
c = random_directions(64, 512)
gaps = [sum(rdmreg_loss(a, b, directions=c) for a, b in zip(z, x)) for z in (make_twins(y), another)]
print(f"B = 256, D = 512: mean gap {gaps[0] / gaps[1]:.1f} times that of the target")

# %% [markdown]
# ✓ [What the axes do not see](evidence/03_projected_marginals.ipynb#What-the-axes-do-not-see). Now
# [exercise 03.2](exercises/03_projected_marginals.ipynb), fifteen minutes: fool the axes and the covariance too.

# %% [markdown] tags=["slide"]
# ## 5 · The target's shadow in the plane is a bar, two ridges and a hump
#
# What does the target itself look like along a direction? In two dimensions we can say it exactly. Let $P_0$ be the
# probability that an entry is zero:

# %%
P0 = 1 - ASKED  # by Eq. 11 of chapter 02
print(f"{P0:.3f}")

# %% [markdown]
# **Your guess.** Along the axis, at 0°, the shadow is one entry, so its bar is at $P_0$. Turn the arrow by a single degree.
# How high is the bar now?

# %%
guess = None  # a share, between 0 and 1

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
torch.manual_seed(4)
x = sample_rgg((100_000, 2), p=1.0, mu=MU)  # (B, D)
compare(guess, (x @ line_at(1) == 0).float().mean())

# %% [markdown]
# A sum of two numbers that are not negative is zero only when *both* are: $P_0^2$, at 1° as at 30°. On an axis the second
# entry does not count. That answers the first part of our question: the bar is highest along the axes, and it drops at
# once when we leave them.
#
# The rest of the shadow follows in the same way. The plane falls into three parts, and each casts a shadow of its own kind:
#
# | part of the plane | probability | its shadow |
# | --- | --- | --- |
# | the corner | $P_0^2$ | a *bar* at 0 |
# | the two axes | $P_0(1-P_0)$ each | two *ridges*: one entry, stretched by $c_1$ or by $c_2$ |
# | the rest | $(1-P_0)^2$ | a *hump*: the sum of two stretched entries |
#
# Let $f$ be the density of one entry where it is positive. It has the mass $1 - P_0$. Then the density of the shadow
# beside the bar is
#
# $$\underbrace{P_0\,\frac{f(s/c_1)}{|c_1|} + P_0\,\frac{f(s/c_2)}{|c_2|}}_{\text{two ridges}} +
# \underbrace{\int \frac{f(u/c_1)}{|c_1|}\,\frac{f((s-u)/c_2)}{|c_2|}\,du}_{\text{hump: a convolution}} .$$
#
# For our target everything is exponential. Above zero we see only the right tail of the Laplace distribution, and such
# a tail has the shape $e^{-x/\sigma}$, wherever we cut it. Stretch it, and it is an exponential again. The sum of two
# has a short density:


# %% tags=["key", "slide"]
def exact_shadow(s, c1, c2, active):  # s > 0, c1, c2 > 0; active = 1 - P0
    f1, f2 = (torch.exp(-s / (c * SIGMA)) / (c * SIGMA) for c in (c1, c2))
    bar = (1 - active) ** 2  # the corner
    ridges = active * (1 - active) * f1, active * (1 - active) * f2  # the axes
    hump = active**2 * (c1 * f1 - c2 * f2) / (c1 - c2)  # the rest
    return bar, ridges, hump


# %%
s, (c1, c2) = torch.linspace(0.01, 4, 400), line_at(30)
bar, ridges, hump = exact_shadow(s, c1, c2, ASKED)
module = projected_marginal(target, (c1, c2), s)  # for every p and μ, and every direction
print(f"each ridge holds {P0 * (1 - P0):.3f}, the hump {(1 - P0) ** 2:.3f}")
print(f"bar: by hand {bar:.4f}, module {module.atom:.4f}")
print(f"density at 0.01: by hand {(ridges[0] + ridges[1] + hump)[0]:.4f}, module {module.density[0]:.4f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.2), sharex=True, sharey=True)
for panel, mu in zip(panels, (0.0, MU)):
    active = RectifiedGeneralizedGaussian(mu, SIGMA, 1.0).prob_active.item()
    bar, ridges, hump = exact_shadow(s, c1, c2, active)
    below = 0 * s
    parts = (("ridge, first axis", ridges[0], "#56B4E9", "///"), ("ridge, second axis", ridges[1], "#CC79A7", "\\\\\\"))
    for label, part, color, hatch in (*parts, ("hump, both entries", hump, COLORS["rectified"], "")):
        panel.fill_between(s, below, below + part, facecolor=color, hatch=hatch, alpha=0.5, linewidth=0, label=label)
        below = below + part
    panel.plot(s, below, color=COLORS["theory"], linewidth=1)
    panel.bar([-0.12], [bar], width=0.16, color=COLORS["theory"], label="bar, the corner")
    panel.text(-0.12, bar + 0.01, f"{bar:.2f}", ha="center")
    panel.set(xlabel="shadow at 30°", xlim=(-0.3, 3), ylim=(0, 0.85))
panels[0].set(title="μ = 0: each of the four parts weighs a quarter", ylabel="density, or share at 0")
panels[1].set(title="μ = −1: the bar takes over")
panels[0].legend(loc="upper right")
show(
    figure,
    alt="The shadow at 30 degrees, its parts stacked: a bar at zero, two ridges that fall from zero on, and a hump. At mu = 0 "
    "the four parts weigh the same; at mu = -1 the bar holds three quarters and the hump can hardly be seen.",
)

# %% [markdown]
# (At $\mu = -1$ the hump holds only .015. That is why the left panel shows $\mu = 0$.) Every direction has a shadow of
# its own. And off the axes it is not an RGG again, for any $\mu$, $\sigma$ and $p$. With weights of both signs it lies
# on both sides of zero, where no RGG does. With positive weights (and $c_1 \ne c_2$) its density is a sum of exponentials of two widths,
# and no RGG has such a density. ✓ [P2](evidence/03_projected_marginals.ipynb#P2) tests this for $p = 2$, with [the
# wall](evidence/03_projected_marginals.ipynb#The-wall-of-shadows) of 64 shadows as in the post.
#
# So we cannot write down *one* distribution on the line and compare every shadow with it. We can look at a *sample* of
# the target along the same direction. That is what the authors' loss does ([chapter 04](04_rdmreg.ipynb), which also
# shows another way).
#
# Here is the target with all its dials. Two things to try: at 120° the two ridges lie on different sides of zero. And from
# 0° to 1° the bar falls at once, by much at $\mu = 0$ and by little at $\mu = -2$, where nearly all is zero anyway.

# %%
explore.target(mu=-1, p=1, angle=30)

# %% [markdown]
# Now 03.1, five minutes: the height of the bar in other cases.

# %% [markdown] tags=["slide"]
# ## 6 · Add two: a Gaussian keeps its shape, a Laplace does not
#
# For which targets is it simpler? If $\mathbf{z}$ is Gaussian with mean $\mathbf{m}$ and covariance $\Sigma$, then
# every shadow is Gaussian,
#
# $$\mathbf{c}^\top\mathbf{z} \sim \mathcal{N}(\mathbf{c}^\top\mathbf{m},\ \mathbf{c}^\top\Sigma\,\mathbf{c}) .$$
#
# For $\mathcal{N}(0, I)$ all shadows are $\mathcal{N}(0, 1)$, and one formula serves every direction. LeJEPA's
# loss rests on that. ✓ [P1](evidence/03_projected_marginals.ipynb#P1)
#
# Is the Gaussian alone in this? We add two independent entries and bring the sum back to the width of one.

# %%
torch.manual_seed(5)
n = 400_000
laplace = torch.distributions.Laplace(0, SIGMA).sample((n, 2))  # (n, 2), variance 1
cauchy = torch.distributions.Cauchy(0, 1).sample((n, 2))
sums = {"Gaussian": torch.randn(n, 2).sum(1) / 2**0.5, "Cauchy": cauchy.sum(1) / 2, "Laplace": laplace.sum(1) / 2**0.5}

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 3, figsize=(11, 3), sharey=True)
one = {
    "Gaussian": (Normal(0, 1), COLORS["gaussian"]),
    "Cauchy": (torch.distributions.Cauchy(0, 1), COLORS["muted"]),
    "Laplace": (torch.distributions.Laplace(0, SIGMA), COLORS["laplace"]),
}
for panel, (name, values) in zip(panels, sums.items()):
    end = 8 if name == "Cauchy" else 5
    edges = torch.linspace(-end, end, 61)
    heights = torch.histc(values, bins=60, min=-end, max=end) / n / (2 * end / 60)
    distribution, color = one[name]
    panel.stairs(heights, edges, fill=True, color=COLORS["measurement"], alpha=0.4, label="sum of two, rescaled")
    fine = torch.linspace(-end, end, 401)
    panel.plot(fine, distribution.log_prob(fine).exp(), color=color, label="one entry")
    panel.set(yscale="log", ylim=(1e-3, 3), xlabel="value")
    panel.set_title(f"{name}: {'another shape' if name == 'Laplace' else 'the same shape'}")
panels[0].set_ylabel("density")
panels[0].legend(loc="upper right", fontsize=9)
show(
    figure,
    alt="Histograms of the sum of two entries over the density of one, on a logarithmic axis. Gaussian and Cauchy: they agree. "
    "Laplace: the sum is rounder at the top and has lighter tails.",
)

# %% [markdown]
# The Cauchy distribution does it too. Along $\mathbf{c}$ its shadow is Cauchy again, with the scale
# $\lVert\mathbf{c}\rVert_1$. Such distributions are called *stable*, and there is a whole family of them. But the
# Cauchy distribution has no variance. With independent entries *and* a finite variance the Gaussian is alone: if all
# sums have the same shape, so has the sum of very many, and that one is Gaussian by the central limit theorem. For the
# Laplace distribution one addition is enough to see it. Its *excess kurtosis* $\kappa_4$ (the fourth central moment over
# the squared variance, less 3) is 3, and that of the sum of two is half as large. ✓
# [P3](evidence/03_projected_marginals.ipynb#P3)
#
# Now 03.3, fifteen minutes: the kurtosis of every shadow.

# %% [markdown] tags=["slide"]
# ## 7 · A sum of many non-zero terms looks Gaussian
#
# The central limit theorem has more to say. A shadow in $D$ dimensions is a sum of $D$ terms $c_j x_j$, and each is small.
# Let $D$ grow, draw one direction for each $D$, and bring every shadow to mean 0 and variance 1:

# %%
torch.manual_seed(6)
x = sample_rgg((50_000, 512), p=1.0, mu=MU)  # (B, 512)
strip = {D: x[:, :D] @ random_directions(1, D)[0] for D in (2, 8, 32, 512)}  # (B,) each

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 4, figsize=(11, 2.7), sharex=True, sharey=True)
fine = torch.linspace(-4, 4, 201)
for panel, (D, s) in zip(panels, strip.items()):
    standard = (s - s.mean()) / s.std()
    heights = torch.histc(standard, bins=60, min=-4, max=4) / len(s) / (8 / 60)
    panel.stairs(heights, torch.linspace(-4, 4, 61), fill=True, color=COLORS["rectified"], alpha=0.6)
    panel.plot(fine, Normal(0, 1).log_prob(fine).exp(), color=COLORS["theory"])
    panel.set(xlabel="shadow, rescaled", ylim=(0, 0.9))
    panel.set_title(f"D = {D}: {100 * (s == 0).float().mean():.0f} % zeros")
panels[0].set_ylabel("density")
show(
    figure,
    alt="Histograms of a shadow in 2, 8, 32 and 512 dimensions over the Gaussian density. In 2 nearly all is one spike at "
    "zero, in 8 and 32 the spike sinks and a skewed hump appears, in 512 the histogram follows the Gaussian.",
)

# %% [markdown]
# The bar is $P_0^D$, so it is gone: nearly nine entries in ten are exactly zero, and of their shadows not one. This is the
# second answer to the question that we began with. And the rest is nearly a Gaussian.
#
# How fast does that go? It should not matter how many terms are zero, since they add nothing. What should matter is how
# many are *not*: a shadow mixes $D\,\Phi_p(\mu/\sigma)$ non-zero entries on average (Eq. 11). We measure the KS
# distance of a shadow to the Gaussian, over ten directions.


# %%
def ks_to_gaussian(s):  # (B, N) standardised shadows -> (N,)
    gap = torch.special.ndtr(s.sort(dim=0).values) - torch.arange(len(s))[:, None] / len(s)
    # just before and just after each step
    return torch.maximum(gap.abs(), (gap - 1 / len(s)).abs()).amax(dim=0)


torch.manual_seed(8)
dims, far, mixed = (32, 64, 128, 256, 512), {}, {}
laplace = torch.distributions.Laplace(0, SIGMA).sample((50_000, 512))
for mu in (0.0, -1.0, -2.0, -3.0):
    rgg, x = RectifiedGeneralizedGaussian(mu, SIGMA, 1.0), torch.relu(mu + laplace)
    z = (x - rgg.mean) / rgg.stddev  # every entry, and so every shadow, has variance 1; (B, 512)
    far[mu] = [ks_to_gaussian(z[:, :D] @ random_directions(10, D).T).mean().item() for D in dims]
    mixed[mu] = [D * rgg.prob_active.item() for D in dims]

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
for mu, look in zip(far, ("o-", "s--", "^-.", "D:")):
    left.plot(dims, far[mu], look, color=COLORS["measurement"], label=f"μ = {mu:g}")
    right.plot(mixed[mu], far[mu], look[0], color=COLORS["measurement"])
left.set(xlabel="dimension D", ylabel="KS distance to the Gaussian", title="At each μ it falls with D …")
right.set(xlabel="non-zero entries that a shadow mixes", title="… and what counts is how many are not zero")
for panel in (left, right):
    panel.axhspan(1e-3, 0.87 / 50_000**0.5, color=COLORS["muted"], alpha=0.3, linewidth=0)
    panel.axhline(0.87 / 256**0.5, color=COLORS["theory"], linewidth=1, linestyle=":")
    panel.set(xscale="log", yscale="log", ylim=(2e-3, 0.8))
right.text(1, 0.059, "noise of a batch of 256", fontsize=9)
right.text(1, 0.0024, "noise of our 50,000 samples", fontsize=9)
left.minorticks_off()
left.set_xticks(dims, [str(D) for D in dims])
right.legend(*left.get_legend_handles_labels(), loc="upper right", fontsize=9)
show(
    figure,
    alt="KS distance to the Gaussian on logarithmic axes. Left, one falling line for each mu, the higher the smaller mu. Right, "
    "against the number of non-zero entries, the marks of all mu lie on one falling curve.",
)

# %% [markdown]
# Left: at $\mu = -3$ a shadow in 512 dimensions is still far from Gaussian. Right: draw the same marks against the
# number of non-zero entries, and they fall on one curve. (At $p = 1$ a non-zero entry is exponential whatever $\mu \le
# 0$ is. The evidence has $p = 2$, and computes all of this without draws.) So it is not the dimension that makes a
# shadow Gaussian. For this target it is the number of entries that are not zero. Below the dotted line a single batch of 256 shows
# little but its own noise. ✓ [P4](evidence/03_projected_marginals.ipynb#P4)
#
# Now 03.4, fifteen minutes: how many terms are enough; and 03.5, twenty: where the bar at zero hides.

# %% [markdown] tags=["slide"]
# ## 8 · So in 512 dimensions a shadow hides the zeros
#
# Our target has .122 of its entries non-zero. We build two impostors with the *same mean and variance* in every entry.
# The first takes two values, 0 and $2\sigma$, and has *half as many* non-zeros. The second is Gaussian and has *no zero
# at all*.


# %%
def two_values(shape):  # mean and mean square are those of the target: ASKED * σ and 2 * ASKED * σ²
    return 2 * SIGMA * (torch.rand(shape) < ASKED / 2)


def gaussian(shape):
    return target.mean + target.stddev * torch.randn(shape)


# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
torch.manual_seed(9)
figure, panels = plt.subplots(1, 3, figsize=(11, 3), sharey=True)
for panel, D in zip(panels, (2, 16, 512)):
    c = random_directions(1, D)[0]
    for name, z, look, color in (
        ("the target", sample_rgg((4000, D), p=1.0, mu=MU), "-", "rectified"),
        ("two values", two_values((4000, D)), "--", "measurement"),
        ("Gaussian", gaussian((4000, D)), ":", "gaussian"),
    ):
        s = ((z - target.mean) @ c / target.stddev).sort().values
        panel.step(s[::8], torch.arange(4000)[::8] / 4000, look, color=COLORS[color], label=name, where="post")
    panel.set(xlabel="shadow, rescaled", xlim=(-3, 3))
    panel.set_title(f"D = {D}" + (": three clouds, one shadow" if D == 512 else ""))
panels[0].set_ylabel("distribution function")
panels[0].legend(loc="upper left")
show(
    figure,
    alt="Distribution functions of a shadow of the target, of the two values and of the Gaussian. In 2 dimensions three different "
    "curves, in 16 closer ones, in 512 one curve.",
)

# %% [markdown]
# **Your guess.** Take batches of 256, as a training step does, and the impostor with two values. Along what share of
# random directions in 512 dimensions does a KS test notice that it is not the target? (This time the test may raise a
# false alarm 5 times in 100.)

# %%
guess = None  # a share, between 0 and 1

# %%
torch.manual_seed(10)
alarms = {}
for D in (8, 32, 128, 512):
    for B in (256, 4096):
        for name, draw in (("two values", two_values), ("target", lambda shape: sample_rgg(shape, p=1.0, mu=MU))):
            batches = [(sample_rgg((B, D), p=1.0, mu=MU), draw((B, D)), random_directions(30, D)) for _ in range(10)]
            alarms[D, B, name] = sum(notices(*batch, level=0.05) for batch in batches) / 300

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, alarms[512, 256, "two values"])
for D in (8, 32, 128, 512):
    for B in (256, 4096):
        fake, true = (alarms[D, B, name] for name in ("two values", "target"))
        print(f"D = {D:3}, B = {B:4}: two values {fake:.2f}, another sample of the target {true:.2f}")

# %% [markdown]
# No more often than on a second sample of the target itself. In 8 dimensions the same test notices nearly always. And
# the mean over directions, which saw twins?

# %%
torch.manual_seed(11)
for B in (256, 4096):
    gap, floor = 0, 0
    for _ in range(6):
        c, x, another = random_directions(256, 512), *sample_rgg((2, B, 512), p=1.0, mu=MU)
        floor += rdmreg_loss(another, x, directions=c)
        gap += rdmreg_loss(two_values((B, 512)), x, directions=c)
    print(f"B = {B:4}: mean gap of the two values {gap / floor:.2f} times that of the target")

# %% [markdown]
# At 256 it does not see them. At 4,096 it begins to. So a larger batch helps. More directions do not: they make the mean
# steadier, and it stays at the noise of the batch.
#
# This does not contradict Cramér and Wold. Their theorem speaks of exact distributions, and a batch is not exact. So in
# high dimension, *at the usual batch size, a loss on random shadows hardly holds the number of zeros*. [Chapter
# 04](04_rdmreg.ipynb) watches what that does to points that are free to move, and [chapter
# 05](05_pretraining_cifar100.ipynb) to a network. ✓ [What this means for a
# loss](evidence/03_projected_marginals.ipynb#What-this-means-for-a-loss)

# %% [markdown] tags=["slide"]
# ## 9 · Directions that mix few entries see them again
#
# Between an axis, where every zero can be seen, and a random direction, where at $\mu = -1$ none can, lies a dial. Let a direction
# mix only $k$ entries, chosen at random. Then its shadow is one of a cloud in $k$ dimensions.


# %% tags=["key"]
c = random_directions(32, 512, size=4)  # new: size, the entries that one mixes
(c != 0).sum(dim=1)[:8]


# %%
def impostor_over_floor(mu, k, B=2048):
    active = RectifiedGeneralizedGaussian(mu, SIGMA, 1.0).prob_active
    y, again = sample_rgg((2, B, 512), p=1.0, mu=mu)
    fake, c = 2 * SIGMA * (torch.rand(B, 512) < active / 2), random_directions(32, 512, size=k)
    return (rdmreg_loss(fake, y, directions=c) / rdmreg_loss(again, y, directions=c)).item()


torch.manual_seed(12)
sizes = (1, 4, 16, 64, 256, 512)
dial = {mu: torch.tensor([[impostor_over_floor(mu, k) for k in sizes] for _ in range(8)]) for mu in (-1.0, -3.0)}

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(6.5, 3.3))
for (mu, ratio), look in zip(dial.items(), ("s--", "D:")):
    error = ratio.std(0) / len(ratio) ** 0.5
    panel.errorbar(sizes, ratio.mean(0), error, fmt=look, capsize=3, color=COLORS["measurement"], label=f"μ = {mu:g}")
panel.axhline(1, color=COLORS["rectified"], linewidth=1)
panel.text(1, 0.93, "the target itself", fontsize=9, va="top")
panel.set(xlabel="entries that a direction mixes, k (1 is an axis)", ylabel="gap / gap of the target", xscale="log")
panel.set(yscale="log", ylim=(0.7, 20), title="The best setting depends on how sparse the target is")
panel.set_xticks(sizes, [str(k) for k in sizes])
panel.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
panel.minorticks_off()
panel.legend()
show(
    figure,
    alt="The mean gap of the impostor over that of the target, against the number of entries that a direction mixes. At mu = -1 "
    "it falls from far above to the target's own at 512; at mu = -3 it rises a little.",
)

# %% [markdown]
# At $\mu = -1$ an axis exposes the impostor and a dense direction does not. At $\mu = -3$ every setting sees it a little, and a dense one slightly better: in
# a single entry hardly any of the 2,048 draws is non-zero, and a direction has to mix many before it has something to
# show. (Bars: one standard error.)
#
# Why not look along the axes only, then? Because they do not see what entries do *together*, as the twins have shown.
# How to set the dial is an open question. Now 03.6, open: which directions would you choose?

# %% [markdown] tags=["slide"]
# ## In three sentences
#
# **Shown:** All shadows together know a cloud, and their error does not grow with the dimension (what they look for shrinks). In the plane a shadow
# of the target is a bar, two ridges and a hump, known exactly. In 512 dimensions it is nearly Gaussian, so at the usual
# batch size it hides the zeros, and nearly hides twins. **Open:** which directions to draw, given $\mu$, $D$ and $B$;
# and what a *trained* network makes of what the shadows do not show. **Where to go:** [chapter 04](04_rdmreg.ipynb),
# which builds the loss on shadows. The [evidence](evidence/03_projected_marginals.ipynb) has what this lesson left out,
# such as [the shadow in any dimension](evidence/03_projected_marginals.ipynb#The-shadow-in-any-dimension), computed
# without draws.
#
# **Read on.** The post's sections "Distribution-Matching as Regularization" to "Cramér-Wold Theorem" · H. Cramér, H.
# Wold, *Some Theorems on Distribution Functions*, 1936 · P. Diaconis, D. Freedman, *Asymptotics of Graphical Projection
# Pursuit*, 1984: most shadows of data in many dimensions look Gaussian · B. Klartag, S. Sodin, *Variations on the
# Berry-Esseen Theorem*, 2012: how fast · J. A. Cuesta-Albertos, R. Fraiman, T. Ransford, *A Sharp Form of the
# Cramér-Wold Theorem*, 2007 · Q. Wang, S. R. Kulkarni, S. Verdú, *Divergence Estimation for Multidimensional Densities
# via k-Nearest-Neighbor Distances*, 2009 · J. P. Nolan, *Univariate Stable Distributions: Models for Heavy Tailed
# Data*, 2020. The bibliography of the series has their addresses.
