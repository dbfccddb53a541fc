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
# # 02 · The Rectified Generalized Gaussian: shift, cut, count
#
# **In one sentence.** Shift a bell curve to the left, cut off everything below zero, and you know beforehand how many zeros
# you get.

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
# Imports, the look of the figures, and one colour for each shape p.
import math

import matplotlib.pyplot as plt
import torch
from torch.distributions import Gamma

from rlpjepa import (
    GeneralizedGaussian,
    RectifiedGeneralizedGaussian,
    TruncatedGeneralizedGaussian,
    explore,
    mu_for_l0,
    rectified_unit_variance_scale,
    sample_rgg,
    unit_variance_scale,
)
from rlpjepa.figures import COLORS, STYLE, compare, plot_values, show

torch.set_num_threads(1)  # the tensors are small: more threads would wait for each other
plt.rcParams.update(STYLE)
P_STYLE = {
    0.5: {"color": "#CC79A7", "linestyle": "-."},
    1.0: {"color": COLORS["laplace"], "linestyle": "-"},
    2.0: {"color": COLORS["gaussian"], "linestyle": "--"},
    4.0: {"color": "#56B4E9", "linestyle": ":"},
}

# %% tags=["slide"]
explore.target(mu=-1.0, p=1.0)

# %% [markdown] tags=["slide"]
# Take hold of the curve and drag it to the left. The part above zero gets smaller, the spike at zero gets taller, and the
# left of the big numbers falls. It says how many of 512 entries we expect *not* to be zero. (The panel beside the points is for
# chapter 03.)
#
# **A question before you read on.** That number is not counted. It is there before a single point is drawn. What would
# you have to know about the curve to write it down? Sections 3 and 4 answer it.
#
# **Afterwards you can** draw from the target of Rectified LpJEPA with a few lines of your own, say how many zeros a sample
# has before you draw it, and choose $\mu$ for the share of zeros that you want. **You need** densities and distribution
# functions, and some PyTorch. [Chapter 01](01_lp_spheres.ipynb) helps. **It takes** about forty-five minutes, the cells
# less than half a minute. In a hurry, read sections 1 to 4, 6 and 7.
#
# A line such as "✓ T12" is a link. It leads to the cell that tests this claim and stops when it is false. *Sparsity* is the
# fraction of zeros. "The post" is *Rectified LpJEPA* by Yilun Kuang, whose numbers our equations carry.

# %% [markdown] tags=["slide"]
# ## 1 · One family of bell curves, from spiky to flat
#
# We start with the curve that we want to shift. It has a knob $p > 0$ for its shape. At $p = 2$ it is the Gaussian, and at
# $p = 1$ the Laplace distribution. In general it is the *generalized Gaussian* $\mathcal{GN}_p(\mu, \sigma)$, with density
#
# $$\underbrace{\frac{p^{1-1/p}}{2\sigma\,\Gamma(1/p)}}_{\text{makes the area 1}}\;
# \exp\Bigl(-\underbrace{\frac{|z-\mu|^p}{p\,\sigma^p}}_{\text{grows away from } \mu}\Bigr), \qquad z \in \mathbb{R}.$$
#
# Here $\mu$ is the centre, $\sigma > 0$ the scale and $\Gamma$ the Gamma function. ✓
# [T6](evidence/02_rectified_generalized_gaussian.ipynb#T6)
#
# To draw from it we draw a size and a sign. Take $\mu = 0$ and $\sigma = 1$, and call the draw $t$. The density looks the same
# on both sides, so the sign of $t$ is a fair coin. And $G = |t|^p/p$ follows the Gamma distribution with shape $1/p$
# ([why](evidence/02_rectified_generalized_gaussian.ipynb#Drawing-from-it)), which every library can draw. So the size is
# $|t| = (p\,G)^{1/p}$:


# %% tags=["key"]
def sample_gn(shape, p):  # the generalized Gaussian with centre 0 and scale 1
    size = (p * Gamma(1 / p, 1.0).sample(shape)) ** (1 / p)  # how far from the centre
    sign = 2 * torch.randint(2, shape) - 1  # on which side: -1 or 1
    return sign * size


# %% [markdown]
# Let us see whether these draws have the same spread for all $p$.

# %%
torch.manual_seed(0)
for p in (0.5, 1.0, 2.0, 4.0):
    print(f"p = {p:g}: variance {sample_gn((1_000_000,), p).var():.1f}")

# %% [markdown]
# They do not: the smaller $p$, the larger the variance. We want to compare *shapes*, so we give all of them variance one. The scale that does it is
#
# $$\sigma = \frac{\Gamma(1/p)^{1/2}}{p^{1/p}\,\Gamma(3/p)^{1/2}} .$$
#
# It is 1 for the Gaussian and $1/\sqrt2$ for the Laplace distribution. ✓ [T9](evidence/02_rectified_generalized_gaussian.ipynb#T9)


# %% tags=["key"]
def unit_scale(p):
    return math.sqrt(math.gamma(1 / p) / math.gamma(3 / p)) / p ** (1 / p)


# %%
for p in (0.5, 1.0, 2.0, 4.0):
    print(f"p = {p:g}: scale {unit_scale(p):.3f}, rlpjepa's {unit_variance_scale(p):.3f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
z = torch.linspace(-5, 5, 1001)
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3))
for panel in panels:
    for p, line in P_STYLE.items():
        density = GeneralizedGaussian(0.0, unit_variance_scale(p), p).log_prob(z).exp()
        panel.plot(z, density, label=f"p = {p:g}", **line)
    panel.set(xlabel="z", ylabel="density")
panels[0].set(title="A small p has a sharp peak …", ylim=(0, 1.3), xlim=(-4, 4))
panels[0].legend()
panels[1].set(title="… and heavy tails (logarithmic axis)", yscale="log", ylim=(1e-4, 3))
show(
    figure,
    alt="Densities at unit variance for p = 0.5, 1, 2 and 4. On a linear axis the peak at zero gets sharper as p falls; on a "
    "logarithmic axis the tails get heavier.",
)

# %% [markdown]
# All four have variance one. As $p$ falls, more values are close to zero, *and* more are far away.

# %% [markdown] tags=["slide"]
# ## 2 · Cutting makes the zeros
#
# A network has $D$ features, say 512, and we want most of them to be exactly zero on any one image. Not small: zero. Then we
# can say which features an image uses, and leave out the others. No bell curve gives us such zeros, however sharp its peak:
# under a density every single number has the probability zero. A ReLU does give them. Shift the curve by a negative $\mu$, and
# put zero in place of everything below zero:


# %% tags=["key", "slide"]
def sample(shape, p, mu):  # the Rectified Generalized Gaussian
    z = mu + unit_scale(p) * sample_gn(shape, p)  # new: scale and shift
    return torch.relu(z)  # new: cut


# %% [markdown]
# This is the whole target: the *Rectified Generalized Gaussian* $\mathcal{RGN}_p(\mu, \sigma)$, RGG for short. All $D$ entries
# of a vector $\mathbf{x}$ are drawn independently, and $B$ vectors make a tensor of shape $(B, D)$. Here are twelve of them,
# forty entries each:

# %%
torch.manual_seed(1)
x = sample((12, 40), p=1.0, mu=-1.0)  # (B, D)

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(9.5, 3))
plot_values(panel, x, COLORS["rectified"], 2.0)
panel.set(xlabel="entry", ylabel="sample", title="Twelve samples at μ = −1: white is exactly zero")
panel.grid(False)
show(
    figure,
    alt="A table of twelve rows and forty columns. Most cells are white, which is zero; a few run from grey to black.",
)

# %% [markdown]
# What does the cut do to a cloud of points? Take $D = 2$ and $\mu = 0$, where every entry is negative half of the time.

# %%
torch.manual_seed(2)
before = unit_scale(2.0) * sample_gn((100_000, 2), p=2.0)  # (B, 2), a round cloud
after = before.relu()
active = (after > 0).sum(dim=1)  # how many entries of each point are not zero: 0, 1 or 2
for count, where in enumerate(("at the origin", "on an axis", "inside")):
    print(f"{where:14} {(active == count).float().mean():.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
marks = {
    2: ("both positive: stays", COLORS["rectified"], "o"),
    1: ("one positive: to an axis", "#56B4E9", "^"),
    0: ("none positive: to the origin", COLORS["theory"], "x"),
}
figure, panels = plt.subplots(1, 2, figsize=(8.5, 4), sharex=True, sharey=True)
for panel, points, title in zip(
    panels, (before, after), ("Before: nothing is zero", "After: three quarters lie on the edge")
):
    for count, (label, color, marker) in marks.items():
        chosen = points[:700][active[:700] == count]
        panel.scatter(*chosen.T, s=12, color=color, marker=marker, linewidth=0.9, label=label)
    panel.set(xlabel="first entry", title=title, aspect="equal", xlim=(-3.9, 3.9), ylim=(-3.9, 3.9))
panels[0].set_ylabel("second entry")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, markerscale=1.5)
show(
    figure,
    alt="A round cloud. After the cut the points of the first quadrant are unchanged, those of the second and fourth lie on "
    "the axes, and all of the third quadrant lies at the origin.",
)

# %% [markdown]
# Follow the marks from left to right. Circles do not move. Triangles slide onto an axis and keep one positive entry. All
# crosses end in one point. So the new cloud has pieces of dimension 0, 1 and 2. The axes have no area, and they still hold
# three quarters of the points.

# %% [markdown] tags=["slide"]
# ## 3 · One entry is a spike and a curve
#
# Look at a single entry $x$ of the vector. Before the cut it was $\mu + \sigma t$. It is zero when $\mu + \sigma t \le 0$, that
# is, when $t \le -\mu/\sigma$. Let $\Phi_p$ be the distribution function of $t$: $\Phi_p(s)$ is the probability that
# $t \le s$. Then the spike at zero has mass $\Phi_p(-\mu/\sigma)$. Above zero, nothing has changed:
#
# $$\begin{aligned} f_{\mathcal{RGN}_p(\mu,\sigma)}(z) ={}& \underbrace{\Phi_p(-\mu/\sigma)}_{\text{mass of the spike}}\,\mathbb{1}_{\{0\}}(z) && \text{(Eq. 8)}\\
# &+ \underbrace{\frac{p^{1-1/p}}{2\sigma\,\Gamma(1/p)} \exp\!\left(-\frac{|z-\mu|^p}{p\,\sigma^p}\right)}_{\text{the old curve}}
# \mathbb{1}_{(0,\infty)}(z).
# && \text{(Eq. 9)}\end{aligned}$$
#
# The symbol $\mathbb{1}_S(z)$ is 1 if $z$ is in $S$, and 0 otherwise. Mind the units. The first line is a probability, and the
# spike is called an *atom*. The second line is a probability *per unit of length*: times a short length, it is the chance to
# land there. The package `rlpjepa`, or *the module* for short, has this distribution as a class, and `prob_active` is the
# area under its second line.

# %%
torch.manual_seed(3)
draws = {mu: sample((100_000,), p=1.0, mu=mu) for mu in (-1.0, 0.0, 1.0)}
for mu, x in draws.items():
    target = RectifiedGeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0)
    print(f"mu {mu:g}: zeros {(x == 0).float().mean():.2f}, by Eq. 8 {1 - target.prob_active:.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.2), sharex=True, sharey=True)
z = torch.linspace(0.001, 4, 400)
for panel, (mu, x) in zip(panels, draws.items()):
    target = RectifiedGeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0)
    heights, edges = torch.histogram(x[x > 0], bins=32, range=(0.0, 4.0))
    panel.stairs(heights / len(x) * 8, edges, fill=True, color=COLORS["measurement"], alpha=0.35, label="draws, x > 0")
    panel.plot(z, target.log_prob(z).exp(), color=COLORS["theory"], label="Eq. 9")
    zeros = (x == 0).float().mean()
    panel.bar([-0.16], [zeros], width=0.24, color=COLORS["measurement"], alpha=0.35, hatch="///", label="draws, x = 0")
    panel.plot([-0.16], [1 - target.prob_active], "D", color=COLORS["theory"], label="Eq. 8")
    panel.set(title=f"μ = {mu:g}: {100 * zeros:.0f} % zeros", xlabel="x")
panels[0].set_ylabel("density, or mass at 0")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
show(
    figure,
    alt="Three panels, mu = -1, 0 and 1. The histogram of positive draws follows Eq. 9; a hatched bar, the share of zeros, "
    "ends at the diamond of Eq. 8 and shrinks as mu grows.",
)

# %% [markdown]
# As $\mu$ grows, mass moves from the bar into the curve. The *height* of the bar and the *area* under the curve add up to one.
#
# Divide Eq. 9 by its area, and you have the distribution of the non-zero entries alone. The area is $1 - \Phi_p(-\mu/\sigma)$,
# which is $\Phi_p(\mu/\sigma)$ since the curve of $t$ is symmetric. This distribution is called the *truncated* generalized
# Gaussian $\mathcal{TGN}_p(\mu, \sigma)$, a class of the module as well:
#
# $$f_{\mathcal{TGN}_p(\mu,\sigma)}(z) = \frac{\mathbb{1}_{(0,\infty)}(z)}{Z} \exp\!\left(-\frac{|z-\mu|^p}{p\,\sigma^p}\right),
# \qquad Z = 2\sigma\,\Gamma(1/p)\,p^{1/p-1}\,\Phi_p(\mu/\sigma). \tag{10}$$
#
# ✓ [T10](evidence/02_rectified_generalized_gaussian.ipynb#T10)
#
# Shift further to the left, and fewer entries survive. What happens to those that do?
#
# **Your guess.** Take $p = \frac12$, and shift from $\mu = 0$ to $\mu = -2$. By which factor does the mean of the non-zero
# entries change? Below 1 they get smaller, and above 1 they get larger.

# %%
guess = None  # a factor: the mean at -2, divided by the mean at 0

# %%
means = {}
for p in (0.5, 1.0, 2.0):
    for mu in (0.0, -1.0, -2.0):
        means[p, mu] = TruncatedGeneralizedGaussian(mu, unit_scale(p), p).mean  # of Eq. 10

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, means[0.5, -2.0] / means[0.5, 0.0])
for p in (0.5, 1.0, 2.0):
    print(f"p = {p:g}: at mu = 0, -1, -2 the mean is", *[f"{means[p, mu]:.1f}" for mu in (0.0, -1.0, -2.0)])

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panels = plt.subplots(1, 3, figsize=(10.5, 3), sharex=True, sharey=True)
z = torch.linspace(0.001, 4, 400)
shades = (("#9ecae1", "-", 4.5), ("#3182bd", "--", 2.2), ("#08306b", ":", 2.2))
for panel, p, found in zip(panels, (0.5, 1.0, 2.0), ("larger", "as before", "smaller")):
    for mu, (color, look, width) in zip((0.0, -1.0, -2.0), shades):
        density = TruncatedGeneralizedGaussian(mu, unit_variance_scale(p), p).log_prob(z).exp()
        panel.plot(z, density, look, color=color, linewidth=width, label=f"μ = {mu:g}")
    panel.set(title=f"p = {p:g}: {found}", xlabel="z", yscale="log", ylim=(3e-3, 4), xlim=(0, 4))
panels[0].set_ylabel("density of Eq. 10")
panels[0].legend()
show(
    figure,
    alt="The density of the non-zero entries on a logarithmic axis for mu = 0, -1 and -2. At p = 0.5 it gets flatter as mu "
    "falls, at p = 1 the three lines coincide, and at p = 2 it gets steeper.",
)

# %% [markdown]
# Look at how steep the curves are on this logarithmic axis. A shift to the left brings a piece to zero that was further out
# before. On its way out a Gaussian gets steeper and steeper, so at $p = 2$ the survivors get smaller. At $p = \frac12$ the curve
# gets flatter and flatter, and the survivors get *larger*. In between, at $p = 1$, it is equally steep everywhere. Above zero,
# Eq. 10 is then $\frac1\sigma e^{-z/\sigma}$ for every $\mu \le 0$: the same exponential distribution. This is a good reason
# for $p = 1$: a shift $\mu \le 0$ decides *how many* entries survive, and nothing else.

# %% [markdown] tags=["slide"]
# ## 4 · The number of non-zero entries is known beforehand
#
# At $\mu = -1$ and $p = 1$ about one entry in eight is not zero. Shift the curve twice as far.
#
# **Your guess.** With $\mu = -2$ and $p = 1$: what share of the entries is not zero?

# %%
guess = None  # a share, between 0 and 1

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
torch.manual_seed(4)
compare(guess, (sample((1000, 512), p=1.0, mu=-2.0) > 0).float().mean())

# %% [markdown]
# Twice the shift does not halve the share. It divides it by about four. And we could have known without drawing. An entry survives
# when its draw, before the cut, lies above zero. The chance of that is the area of the right tail. By symmetry it is the
# area to the left of $\mu/\sigma$ under the curve of $t$, and this is $\Phi_p(\mu/\sigma)$. Now add up: each of the $D$ entries
# counts one with this chance. With $\lVert\mathbf{x}\rVert_0$ for the number of non-zero entries of $\mathbf{x}$,
#
# $$\mathbb{E}\lVert \mathbf{x} \rVert_0 = \underbrace{D}_{\text{entries}} \; \underbrace{\Phi_p\!\left(\frac{\mu}{\sigma}\right)}_{\text{area of the tail}} \tag{11}$$
#
# At $p = 1$ and $\mu < 0$ the tail of the Laplace distribution is $\frac12 e^{-|\mu|/\sigma}$: each further step to the left
# divides the share by the same factor, which is $e^{\sqrt2} \approx 4.1$ for a step of one at $\sigma = 1/\sqrt2$. And this answers
# the question at the top: all that you have to know about the curve is its area to the right of zero.

# %% [markdown]
# For any other $p$ we find the area with the help of $G = |t|^p/p$:
#
# 1. The draw $t$ lies within $|\mu/\sigma|$ of its centre when $G \le \frac1p|\mu/\sigma|^p$.
# 2. Since $G$ is a Gamma variable, this has the probability $P\bigl(\frac1p, \frac1p|\mu/\sigma|^p\bigr)$, where $P$ is the
#    distribution function of the Gamma distribution (the *regularised lower incomplete Gamma function*).
# 3. What is left, $1 - P$, is split evenly between two tails.
# 4. If $\mu$ is negative, one tail survives: $\frac12(1 - P)$. If $\mu$ is positive, all but one tail survives:
#    $1 - \frac12(1 - P) = \frac12(1 + P)$.
#
# The sign of $\mu$ puts both cases into one line:
#
# $$\mathbb{E}\lVert \mathbf{x} \rVert_0 = \frac D2 \left(1 + \operatorname{sgn}(\mu)\; P\!\left(\frac1p,\,
# \frac{|\mu/\sigma|^p}{p}\right)\right). \tag{12}$$


# %% tags=["key", "slide"]
def active_fraction(mu, sigma, p):  # the share of entries that are not zero, Eq. 12
    t, p = torch.as_tensor(mu / sigma), torch.as_tensor(p)
    return (1 + t.sign() * torch.special.gammainc(1 / p, t.abs() ** p / p)) / 2


# %%
for mu in (-2.0, -1.0, 0.0, 1.0):
    print(f"mu {mu:g}: share {active_fraction(mu, unit_scale(1.0), 1.0):.4f}")

# %% [markdown]
# Times 512, this is the left one of the big numbers of the instrument. Now for all $\mu$ and four shapes, with counts from our own
# sampler beside the curves:

# %%
torch.manual_seed(5)
counted = {}
for p in P_STYLE:
    for mu in (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0):
        counted[mu, p] = (sample((256, 512), p, mu) > 0).float().mean().item()
print("not zero at mu = -1:", ", ".join(f"{counted[-1.0, p]:.2f} (p = {p:g})" for p in P_STYLE))

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(7, 3.4))
mu = torch.linspace(-3, 1.5, 300)
for (p, line), marker in zip(P_STYLE.items(), "osD^"):
    panel.plot(mu, active_fraction(mu, unit_scale(p), p), label=f"p = {p:g}", **line)
    points = [(at, share) for (at, shape), share in counted.items() if shape == p]
    panel.plot(*zip(*points), marker, color=line["color"], markersize=6, markerfacecolor="none")
panel.set(xlabel="μ, at unit variance before the cut", ylabel="share that is not zero")
panel.set_title("Counts (marks) lie on Eq. 12 (lines)")
panel.legend()
show(figure, alt="The non-zero share against mu for four shapes. Every mark lies on its line; all cross at one half.")

# %% [markdown]
# ✓ [T12](evidence/02_rectified_generalized_gaussian.ipynb#T12), for sixty settings. All curves meet at $\mu = 0$, where half of
# the entries survive whatever the shape. There $p$ has no say in the count. And an untrained network has about half of its features
# non-zero by itself, so a target that asks for one half would show nothing. This is why we mostly look at $\mu = -1$. There the
# count does depend on $p$, as the printed line says.
#
# Eq. 11 is a mean. How far from it is a single vector? The entries are independent, so the count is a *binomial*
# variable, like the number of heads in $D$ throws of an unfair coin.

# %%
torch.manual_seed(6)
counts = (sample((10_000, 512), p=1.0, mu=-1.0) > 0).sum(dim=1).float()  # one count a vector
share = active_fraction(-1.0, unit_scale(1.0), 1.0)
print(f"mean {counts.mean():.1f}, deviation {counts.std():.1f}")
print(f"Eq. 11 {512 * share:.1f}, binomial deviation {(512 * share * (1 - share)).sqrt():.1f}")

# %% [markdown]
# So the samples of the target are about equally sparse. Now
# [exercise 02.1](exercises/02_rectified_generalized_gaussian.ipynb), five minutes with a pocket calculator, and 02.2, ten
# minutes: draw from the target without any ReLU.
#
# > **Where this comes from.** Cutting a Gaussian at zero is an old idea: Socci, Lee and Seung (1997) studied the *rectified
# > Gaussian*, and Glorot, Bordes and Bengio (2011) showed that networks of ReLUs have sparse features.
# > Rectified LpJEPA makes such a distribution the *target* of the features.

# %% [markdown] tags=["slide"]
# ## 5 · A whole vector: its place, its dimension, its entropy
#
# Now shift the curve the other way. At $\mu = +1$ almost nine entries in ten are positive. In the plane most points would keep
# both entries. But we have more dimensions than two.
#
# **Your guess.** With $\mu = +1$, $p = 1$ and only 20 entries: what share of the vectors has no zero at all?

# %%
guess = None  # a share, between 0 and 1

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
torch.manual_seed(8)
x = sample((100_000, 20), p=1.0, mu=1.0)
compare(guess, (x > 0).all(dim=1).float().mean())

# %% [markdown]
# The entries are independent, so we multiply, once for every entry:
#
# $$P(x_1 > 0, \dots, x_D > 0) = \Phi_p(\mu/\sigma)^D .$$
#
# ✓ [T11](evidence/02_rectified_generalized_gaussian.ipynb#T11)

# %%
exponent = 512 * math.log10(active_fraction(1.0, unit_scale(1.0), 1.0))
print(f"with 512 entries and mu = 1: a share of 10^{exponent:.0f}")

# %% [markdown]
# So, even at $\mu = 1$, no vector that we will ever draw lies inside the positive orthant, the set where all entries are
# positive. All lie on its boundary, where some entries are zero. *Which* entries these are is the first thing that a sparse
# vector tells us.

# %% [markdown] tags=["slide"]
# > **How many dimensions does such a vector have?** Count digits. Write a number between 0 and 1 in binary, and ask for one digit
# > more: this costs one bit. A number that is always zero costs nothing. An RGG entry is zero, or else it has digits like
# > any other number. So with the share $a = \Phi_p(\mu/\sigma)$ of non-zero entries, one digit more costs $a$ bits on average.
# > Rényi (1959) said it so: round an entry to a grid of width $\varepsilon$. The (Shannon) entropy of the rounded number grows like
# >
# > $$\underbrace{a}_{\text{dimension}} \log\frac1\varepsilon + \underbrace{h}_{\text{entropy}} .$$
# >
# > The slope $a$ is the *information dimension* of the entry, and $h$ the entropy that belongs to it. For independent entries
# > both add up. So a vector has the dimension $D\,a$, which is Eq. 11 once more: 512 entries at $\mu = -1$ have about 62
# > dimensions. ✓ [T13](evidence/02_rectified_generalized_gaussian.ipynb#T13)

# %% [markdown] tags=["slide"]
# > **Is RGG as spread out as can be?** The Gaussian is: of all distributions with its variance it has the largest entropy. Of all
# > mixtures of an atom at zero and a density above it, RGG has the largest $h$, if *two* things are held fixed. One is the share $a$ of non-zero entries. The other is the mean
# > of $|x - \mu|^p$ over the non-zero entries: without it one could pull them apart as far as one likes. ✓
# > [T14](evidence/02_rectified_generalized_gaussian.ipynb#T14)
# >
# > Mind that the distance is measured from $\mu$. Measured from zero, at $p = 2$ and $\mu = -1$, half a Gaussian wins. (The post
# > says "the expected $\ell_p$ norm". Read its $p$-th power, and measure from $\mu$.) And the share $a$ itself cannot be chosen
# > by maximum entropy. Now 02.4, twenty minutes: why not?

# %% [markdown] tags=["slide"]
# ## 6 · What p is for: how unequal the non-zero entries are
#
# In chapter 01 the corners of the spheres get sharper as $p$ falls. Does a smaller $p$ mean more zeros? At $\mu = -1$ it does: the
# smaller $p$, the fewer entries survive (section 4). Let us shift further.
#
# **Your guess.** At unit variance and $\mu = -2$, which of the shapes 0.5, 1 and 2 leaves the *most* entries non-zero?

# %%
guess = None  # a shape: 0.5, 1 or 2

# %%
shares = {p: active_fraction(-2.0, unit_scale(p), p).item() for p in (0.5, 1.0, 2.0)}

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, max(shares, key=shares.get))
print(", ".join(f"p = {p:g}: {share:.4f}" for p, share in shares.items()))

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(6.5, 3.3))
over_p = torch.logspace(math.log10(0.25), math.log10(8), 100)
for mu, look in ((0.0, "-"), (-1.0, "--"), (-2.0, "-."), (-3.0, ":")):
    share = active_fraction(mu, unit_variance_scale(over_p), over_p)
    panel.plot(over_p, share, look, color=COLORS["rectified"])
    panel.annotate(f"μ = {mu:g}", (over_p[0], share[0]), (-6, 0), textcoords="offset points", ha="right", va="center")
panel.set(xlabel="shape p", ylabel="share not zero", xscale="log", yscale="log", xlim=(0.13, 8.5), ylim=(1e-4, 1))
panel.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
panel.minorticks_off()
panel.set_title("Which p leaves the most non-zeros depends on μ")
show(
    figure,
    alt="The non-zero share against p for four values of mu: flat at mu = 0, rising at -1, with a hump at -2, and at -3 "
    "with a hump further left.",
)

# %% [markdown]
# As $p$ falls from 2 to 0.5, the share goes up and then down. Two things work against each other. The sharper
# peak at $\mu$ takes mass away from above zero, and the heavier tail brings some there. Near $\mu = 0$ the peak decides, and
# far to the left the tail.

# %% [markdown]
# So do not choose $p$ for the count. What a small $p$ does make is *unequal* entries. Take $\mu = 0$, so that all shapes have the
# same count.
# The *energy* of a vector is $\sum_i x_i^2$. How much of it belongs to the largest tenth of the non-zero entries? If all were
# equal, it would be one tenth.

# %%
torch.manual_seed(10)
for p in P_STYLE:
    x = sample((400_000,), p, mu=0.0)
    energy = x[x > 0].square().sort(descending=True).values
    print(f"p = {p:g}: the largest tenth has {energy[: len(energy) // 10].sum() / energy.sum():.2f} of the energy")

# %% [markdown]
# Choose $p$ for how unequal the non-zero entries are to be, and then $\mu$, for that $p$, for how many. (A shift to the
# left brings the shapes nearer to each other, and leaves $p = 1$ as it is. At 90 % zeros the order is the same and the
# differences are smaller.) ✓ [T15](evidence/02_rectified_generalized_gaussian.ipynb#T15)
#
# Now 02.5, twenty minutes: find the $\mu$ at which two shapes tie.

# %% [markdown] tags=["slide"]
# ## 7 · Ask for a share of zeros, and μ follows
#
# Say you want 90 % zeros. Then the share that should *not* be zero is $a = 0.1$. Which $\mu$ gives it? At $p = 1$ and $a \le \frac12$
# we know the area of the tail, and turn it around:
#
# $$\tfrac12\, e^{\mu/\sigma} = a \qquad\text{so}\qquad \mu = \sigma \log(2a) .$$
#
# For the other shapes there is a formula as well ([evidence](evidence/02_rectified_generalized_gaussian.ipynb#The-location-for-a-wanted-share)). But you
# need none: the share grows with $\mu$, so you can search.
#
# 1. Start with an interval that holds $\mu$.
# 2. Compute the share in its middle.
# 3. If too few entries survive there, $\mu$ lies in the right half, and otherwise in the left.
# 4. Go on with this half.


# %% tags=["key"]
def find_mu(share, p):  # the shift at which this share of the entries is not zero
    low, high = -10.0, 10.0
    for _ in range(50):  # halve the interval
        middle = (low + high) / 2
        if active_fraction(middle, unit_scale(p), p) < share:
            low = middle  # too few survive: shift less to the left
        else:
            high = middle
    return middle


# %% [markdown]
# The module has `mu_for_l0(fraction, p)` for this. Change `ZEROS` and run the cell again.

# %%
ZEROS = 0.9  # the share of zeros that you want, between 0 and 1
torch.manual_seed(11)
for p in (0.5, 1.0, 2.0):
    mu = mu_for_l0(1 - ZEROS, p)
    zeros = (sample((256, 512), p, mu) == 0).float().mean()
    print(f"p = {p:g}: mu {mu:.3f}, by search {find_mu(1 - ZEROS, p):.3f}, zeros {zeros:.3f}")

# %% [markdown]
# For 90 % zeros the Gaussian needs the most negative $\mu$ of the three. Try 99 %. Now another shape has to go furthest, and
# section 6 says why.
#
# So far the curve had variance one *before* the cut. The cut takes some of it away. We may as well choose $\sigma$ so that $x$ has
# variance one *after* the cut. What does that do to the zeros? Eq. 11 depends on $\mu/\sigma$ alone. The new
# $\sigma$ is larger. It brings a negative ratio nearer to zero, so more entries survive:

# %%
for mu in (-2.0, -1.0, 0.0):
    before, after = unit_variance_scale(1.0), rectified_unit_variance_scale(1.0, mu)
    shares = [active_fraction(mu, sigma, 1.0) for sigma in (before, after)]
    print(f"mu {mu:g}: sigma {before:.2f} or {after:.2f}, share not zero {shares[0]:.2f} or {shares[1]:.2f}")

# %% [markdown]
# A value of $\mu$ means nothing without its $\sigma$. With the first choice the variance of $x$ fades as $\mu$ falls. With the second
# it stays, and the same negative $\mu$ leaves more entries non-zero. Neither is wrong. In this series it is the first, as in the
# post. ([Evidence](evidence/02_rectified_generalized_gaussian.ipynb#Unit-variance-before-or-after-the-cut): the same at
# $p = 2$.)
#
# The module's sampler is ours with two changes. It lets you choose $\sigma$, and it takes a `torch.Generator`, so that a run can
# be repeated. Here it draws with the second choice:

# %% tags=["key"]
generator = torch.Generator().manual_seed(7)  # new
sigma = rectified_unit_variance_scale(1.0, -1.0)
x = sample_rgg((256, 512), p=1.0, mu=-1.0, sigma=sigma, generator=generator)  # new: sigma, generator
print(f"variance {x.var():.2f}, not zero {(x > 0).float().mean():.2f}")

# %% [markdown]
# Now go back to the instrument at the top. Tick *Keep the share of zeros*, move $p$, and watch $\mu$ follow. Then 02.3, fifteen
# minutes: the share *and* the variance that you want. And 02.6, an open question: zeros that come in groups.

# %% [markdown] tags=["slide"]
# ## In three sentences
#
# **Shown:** a shifted bell curve that is cut at zero has an atom beside a curve, the number of non-zero entries is known before
# you draw (Eq. 11), and this can be turned around to choose $\mu$. **Open:** whether a trained network has as many zeros as its target,
# which is a question for chapters [04](04_rdmreg.ipynb) and [05](05_pretraining_cifar100.ipynb). **Where to go:**
# [chapter 03](03_projected_marginals.ipynb), which looks at this target along a direction; the
# [evidence](evidence/02_rectified_generalized_gaussian.ipynb) has the tests, and the proofs that are left out here.
#
# **Read on.** Y. Kuang, Y. Dagade, T. G. J. Rudner, R. Balestriero, Y. LeCun, *Rectified LpJEPA: Joint-Embedding
# Predictive Architectures with Sparse and Maximum-Entropy Representations*, arXiv:2602.01456 · Y. Kuang, *Rectified
# LpJEPA*, blog post, 30 January 2026 (Eq. 8 to 12) · A. Rényi, *On the dimension and entropy of probability
# distributions*, 1959 · N. D. Socci, D. D. Lee, H. S. Seung, *The Rectified Gaussian Distribution*, 1997 ·
# X. Glorot, A. Bordes, Y. Bengio, *Deep Sparse Rectifier Neural Networks*, 2011. The bibliography of the series has their
# addresses.
