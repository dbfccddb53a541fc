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
# you have to know about the curve to write it down? Keep your answer until section 4.
#
# **Afterwards you can** draw from the target of Rectified LpJEPA with four lines of your own, say how many zeros a sample
# has before you draw it, and choose $\mu$ for the share of zeros that you want. **You need** densities and distribution
# functions, and some PyTorch. [Chapter 01](01_lp_spheres.ipynb) helps. **It takes** about fifty minutes, the cells
# less than half a minute. In a hurry, read sections 1 to 4 and 10.
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
# \exp\Bigl(-\underbrace{\frac{|z-\mu|^p}{p\,\sigma^p}}_{\text{cost of being far from } \mu}\Bigr), \qquad z \in \mathbb{R}.$$
#
# Here $\mu$ is the centre, $\sigma > 0$ the scale and $\Gamma$ the Gamma function. ✓
# [T6](evidence/02_rectified_generalized_gaussian.ipynb#T6)
#
# How do we draw from it? Take $\mu = 0$ and $\sigma = 1$, and call the draw $t$. The density looks the same on both sides, so
# the sign of $t$ is a fair coin. And the cost $G = |t|^p / p$ has a distribution that every library can draw: the Gamma
# distribution with shape $1/p$. So we go backwards:
#
# 1. draw the cost $G$;
# 2. turn it into a size, $(p\,G)^{1/p}$;
# 3. throw a coin for the sign.


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
# All four have variance one. As $p$ falls, more values are close to zero, *and* more are far away. But even the sharpest peak
# is a density: no single value has a positive probability. Draw as long as you like, and you will not see an exact zero.

# %% [markdown] tags=["slide"]
# ## 2 · Cutting makes the zeros
#
# A network has $D$ features, say 512, and we want most of them to be exactly zero on any one image. Not small: zero. Then we
# can say which features an image uses, and leave out the others. No bell curve gives us such zeros, however sharp its peak.
# A ReLU does. Shift the curve by a negative $\mu$, and put zero in place of everything below zero:


# %% tags=["key", "slide"]
def sample(shape, p, mu):  # the Rectified Generalized Gaussian
    size = (p * Gamma(1 / p, 1.0).sample(shape)) ** (1 / p)
    sign = 2 * torch.randint(2, shape) - 1
    return torch.relu(mu + unit_scale(p) * sign * size)  # new: scale, shift, cut


# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
z = torch.linspace(-4, 3, 701)
figure, panels = plt.subplots(1, 3, figsize=(11, 2.7), sharex=True, sharey=True)
for panel, mu, title in zip(
    panels, (0.0, -1.0, -1.0), ("1. A bell curve", "2. Shift it by μ = −1", "3. Cut below zero")
):
    curve = GeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0).log_prob(z).exp()
    panel.axvline(0, color=COLORS["muted"], linewidth=0.8)
    panel.set(xlabel="value of one entry", title=title, ylim=(0, 0.95))
    if title.startswith("3"):
        panel.plot(z[z > 0], curve[z > 0], color=COLORS["rectified"])
        panel.fill_between(z[z > 0], curve[z > 0], color=COLORS["rectified"], alpha=0.35)
        panel.vlines(0, 0, 1 - math.exp(-math.sqrt(2)) / 2, color=COLORS["rectified"], linewidth=5)
        panel.annotate(
            "all of the rest\nlies at 0", (0, 0.7), (-3.7, 0.6), arrowprops={"arrowstyle": "->"}, fontsize=10
        )
    else:
        panel.plot(z, curve, color=COLORS["laplace"])
panels[0].set_ylabel("density, or mass at 0")
show(figure, alt="A Laplace curve at zero; the same moved to minus one; its part above zero with a tall spike at zero.")

# %% [markdown]
# This is the whole target: the *Rectified Generalized Gaussian* $\mathcal{RGN}_p(\mu, \sigma)$, RGG for short. All $D$ entries
# of a vector $\mathbf{x}$ are drawn independently, and $B$ vectors make a tensor of shape $(B, D)$. Here are twelve of them,
# forty entries each:

# %%
torch.manual_seed(1)
x = sample((12, 40), p=1.0, mu=-1.0)  # (B, D)
print(f"not zero: {(x > 0).float().mean():.2f}")

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
# spike is called an *atom*. The second line is a probability *per unit of length*.

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
# Divide Eq. 9 by its area $\Phi_p(\mu/\sigma)$, and you have the distribution of the non-zero entries alone. It is called the
# *truncated* generalized Gaussian $\mathcal{TGN}_p(\mu, \sigma)$:
#
# $$f_{\mathcal{TGN}_p(\mu,\sigma)}(z) = \frac{\mathbb{1}_{(0,\infty)}(z)}{Z} \exp\!\left(-\frac{|z-\mu|^p}{p\,\sigma^p}\right),
# \qquad Z = 2\sigma\,\Gamma(1/p)\,p^{1/p-1}\,\Phi_p(\mu/\sigma). \tag{10}$$
#
# ✓ [T10](evidence/02_rectified_generalized_gaussian.ipynb#T10)
#
# What happens to the entries that survive when we shift further? One would think that they get smaller, since less and less
# of the curve is above zero. Let us look.

# %%
for p in (0.5, 1.0, 2.0):
    sizes = []
    for mu in (0.0, -1.0, -2.0):
        x = sample((2_000_000,), p, mu)
        sizes.append(f"{x[x > 0].mean():.1f}")
    print(f"p = {p:g}: mean of the non-zero entries at mu = 0, -1, -2: {', '.join(sizes)}")

# %% [markdown]
# It depends on $p$. At $p = 2$ they get smaller. At $p = 0.5$ they get *larger*: a heavy tail is all that is left. And at
# $p = 1$ they keep their size. Above zero, Eq. 10 is then $\frac1\sigma e^{-z/\sigma}$ for every $\mu \le 0$: the same exponential
# distribution. So at $p = 1$ a shift $\mu \le 0$ decides *how many* entries survive, and nothing else.
#
# Now [exercise 02.2](exercises/02_rectified_generalized_gaussian.ipynb), ten minutes: draw from the target without any ReLU.

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
# when its bell curve lies above zero. So its probability is the area of the right tail. Add it up over the $D$ entries. With
# $\lVert\mathbf{x}\rVert_0$ for the number of non-zero entries of $\mathbf{x}$,
#
# $$\mathbb{E}\lVert \mathbf{x} \rVert_0 = \underbrace{D}_{\text{entries}} \; \underbrace{\Phi_p\!\left(\frac{\mu}{\sigma}\right)}_{\text{area of the tail}} \tag{11}$$
#
# At $p = 1$ and $\mu < 0$ the tail of the Laplace distribution is $\frac12 e^{-|\mu|/\sigma}$: each further step to the left
# divides the share by the same factor, which is $e^{\sqrt2} \approx 4.1$ for a step of one at $\sigma = 1/\sqrt2$. And this answers
# the question at the top: all that you have to know about the curve is its area to the right of zero. Its shape there, its peak
# and its far tail count only through this area.
#
# For other $p$ we use the cost $G = |t|^p/p$ once more. It is a Gamma variable, so the probability that $t$ lies within
# $|\mu/\sigma|$ of the centre is $P\bigl(\frac1p, \frac1p|\mu/\sigma|^p\bigr)$, where $P$ is the distribution function of the Gamma
# distribution (the *regularised lower incomplete Gamma function*). What is left is split evenly between two tails:
#
# $$\mathbb{E}\lVert \mathbf{x} \rVert_0 = \frac D2 \left(1 + \operatorname{sgn}(\mu)\; P\!\left(\frac1p,\,
# \frac{|\mu/\sigma|^p}{p}\right)\right). \tag{12}$$


# %% tags=["key", "slide"]
def active_fraction(mu, sigma, p):  # the share of entries that are not zero, Eq. 12
    t, p = torch.as_tensor(mu / sigma), torch.as_tensor(p)
    return (1 + t.sign() * torch.special.gammainc(1 / p, t.abs() ** p / p)) / 2


# %%
for mu in (-1.0, -0.5, 0.0, 0.5):
    share = active_fraction(mu, unit_scale(1.0), 1.0)
    print(f"mu {mu:g}: share {share:.4f}, so {512 * share:.1f} of 512 entries")

# %% [markdown]
# That is the left one of the big numbers of the instrument. Now for all $\mu$ and four shapes, with counts from our own sampler beside the curves:

# %%
torch.manual_seed(5)
counted = {}
for p in P_STYLE:
    for mu in (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0):
        counted[mu, p] = (sample((256, 512), p, mu) > 0).float().mean().item()

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
# the entries survive whatever the shape. There $p$ has no say in the count. So this series mostly looks at $\mu = -1$, where it has.
#
# Eq. 11 is a mean. How far from it is a single vector? The entries are independent, so the count is a *binomial*
# variable, like the number of heads in $D$ throws of an unfair coin.

# %%
torch.manual_seed(6)
counts = (sample((10_000, 512), p=1.0, mu=-1.0) > 0).sum(dim=1).float()  # one count a vector
share = active_fraction(-1.0, unit_scale(1.0), 1.0)
print(f"mean {counts.mean():.1f}, deviation {counts.std():.1f}")
print(f"Eq. 11 {512 * share:.1f}, binomial deviation {(512 * share * (1 - share)).sqrt():.1f}")

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(6.5, 2.8))
panel.hist(counts.numpy(), bins=range(30, 100, 2), color=COLORS["measurement"], alpha=0.5, label="10,000 vectors")
panel.axvline(512 * share, color=COLORS["theory"], label="Eq. 11")
panel.set(xlabel="non-zero entries of 512", ylabel="vectors", title="Single vectors stay close to the mean")
panel.legend()
show(figure, alt="A bell-shaped histogram of the number of non-zero entries, centred on the line of Eq. 11.")

# %% [markdown]
# So the samples of the target are about equally sparse. Now
# [exercise 02.1](exercises/02_rectified_generalized_gaussian.ipynb), five minutes with a pocket calculator.
#
# The module's sampler is ours with two changes. It lets you choose $\sigma$, and it takes a `torch.Generator`, so that a run can
# be repeated:

# %% tags=["key"]
generator = torch.Generator().manual_seed(7)  # new
x = sample_rgg((256, 512), p=1.0, mu=-1.0, sigma=unit_scale(1.0), generator=generator)  # new: sigma, generator
target = RectifiedGeneralizedGaussian(-1.0, unit_scale(1.0), 1.0)
print(f"non-zero entries: {(x > 0).sum(dim=1).float().mean():.1f}, expected {target.expected_l0(512):.1f}")

# %% [markdown]
# > **Where this comes from.** Cutting a Gaussian at zero is an old idea: Socci, Lee and Seung (1997) studied the *rectified
# > Gaussian*, and Glorot, Bordes and Bengio (2011) showed that networks of ReLUs have sparse features.
# > Rectified LpJEPA makes such a distribution the *target* of the features. Asking for as few non-zero numbers as possible
# > is usually hard, since the count $\lVert\mathbf{x}\rVert_0$ jumps and has no useful gradient. Here nobody minimises the count. It
# > is a property of the target.

# %% [markdown] tags=["slide"]
# ## 5 · In many dimensions practically every vector has a zero
#
# Now shift the curve the other way. At $\mu = +1$ almost nine entries in ten are positive. In the plane most points would keep
# both entries. But we have more dimensions than two.
#
# **Your guess.** With $\mu = +1$, $p = 1$ and only 20 entries: what share of the vectors has no zero at all?

# %%
guess = None  # a share, between 0 and 1

# %%
torch.manual_seed(8)
inside = {}
for mu in (-1.0, 0.0, 1.0):
    x = sample((100_000, 20), p=1.0, mu=mu)
    # first entry alone, first two, …, all 20 positive
    inside[mu] = (x > 0).cumprod(dim=1).float().mean(dim=0)

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, inside[1.0][-1])

# %% [markdown]
# The entries are independent, so we multiply:
#
# $$P(x_1 > 0, \dots, x_D > 0) = \Phi_p(\mu/\sigma)^D .$$
#
# ✓ [T11](evidence/02_rectified_generalized_gaussian.ipynb#T11). On a logarithmic axis this is a straight line.

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(6.5, 3.1))
dims = torch.arange(1, 21)
for (mu, share), marker in zip(inside.items(), "s^D"):
    panel.plot(dims, active_fraction(mu, unit_scale(1.0), 1.0) ** dims, color=COLORS["theory"], linewidth=1)
    seen = share > 1e-3  # at least a hundred vectors
    panel.plot(
        dims[seen], share[seen], marker, color=COLORS["measurement"], markerfacecolor="none", label=f"draws, μ = {mu:g}"
    )
panel.plot([], [], color=COLORS["theory"], linewidth=1, label=r"$\Phi_p(\mu/\sigma)^D$")
panel.set(xlabel="number of entries D", ylabel="vectors without a zero", yscale="log", ylim=(7e-4, 1.5))
panel.set_title("Vectors without a zero die out")
panel.xaxis.get_major_locator().set_params(integer=True)
panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
show(figure, alt="Share of vectors without a zero against dimension: straight falling lines, steeper for smaller mu.")

# %%
exponent = 512 * math.log10(active_fraction(1.0, unit_scale(1.0), 1.0))
print(f"with 512 entries and mu = 1: a share of 10^{exponent:.0f}")

# %% [markdown]
# So, even at $\mu = 1$, no vector that we will ever draw lies inside the positive orthant, the set where all entries are
# positive. All lie on its
# boundary, where some entries are zero. *Which* entries these are is the first thing that a sparse vector tells us.

# %% [markdown] tags=["slide"]
# ## 6 · The share of non-zeros is also a dimension
#
# A target should be spread out, and entropy measures spread. The usual entropy $H_1 = -\int f \log f$ needs a density, and RGG has
# an atom. Rényi (1959) found a way out:
#
# 1. round $x$ to a grid of width $\varepsilon$;
# 2. take the entropy of the rounded number, which is a sum over the cells of the grid;
# 3. make the grid finer, and watch how the entropy grows.


# %% tags=["key"]
def grid_entropy(x, width):  # x: (n,); in nats
    cell = torch.ceil(x / width).long()  # exact zeros keep a cell of their own
    share = torch.unique(cell, return_counts=True)[1] / len(x)
    return -(share * share.log()).sum().item()


# %%
torch.manual_seed(9)
widths = [2.0**-k for k in range(2, 8)]
bell = sample_gn((300_000,), p=2.0)
clouds = {
    "p = 2, not cut": bell,
    "p = 2, μ = 0": bell.relu(),
    "p = 1, μ = −1": sample((300_000,), p=1.0, mu=-1.0),
}
entropies = {name: [grid_entropy(x, width) for width in widths] for name, x in clouds.items()}
for name, (*_, last, finest) in entropies.items():
    print(f"{name}: slope {(finest - last) / math.log(2):.2f}, not zero {(clouds[name] != 0).float().mean():.2f}")

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, panel = plt.subplots(figsize=(6.5, 3.4))
for (name, values), marker, color in zip(entropies.items(), "sD^", ("gaussian", "measurement", "rectified")):
    fine = [-math.log(width) for width in widths]
    panel.plot(fine, values, marker + "-", color=COLORS[color], linewidth=1, label=name)
panel.set(xlabel=r"$\log(1/\varepsilon)$, finer grids to the right", ylabel="entropy (nats)", ylim=(0, None))
panel.set_title("The slope is the share that is not zero")
panel.legend()
show(
    figure,
    alt="Entropy of rounded draws against log(1/epsilon): three straight lines, steep without a cut, flat at mu = -1.",
)

# %% [markdown]
# The slope is the share that is not zero. With $\xi$ for one entry and $a = \Phi_p(\mu/\sigma)$,
#
# $$H(\text{rounded } \xi) \approx \underbrace{a}_{\text{dimension}} \log\frac1\varepsilon + h, \qquad
# h = \underbrace{a\,H_1(\mathcal{TGN}_p(\mu, \sigma))}_{\text{how large, if not zero}} +
# \underbrace{H_0(\mathrm{Bernoulli}(a))}_{\text{zero or not}} ,$$
#
# with $H_0(\mathrm{Bernoulli}(a)) = -a \log a - (1-a)\log(1-a)$. The slope is the *information dimension* $d(\xi)$, and the
# intercept $h$ is the *$d(\xi)$-dimensional entropy*. A variable with a density has dimension 1, a constant has 0, and RGG is in
# between. For $D$ independent entries both add up. So the dimension of a vector is its expected number of non-zero entries:
# Eq. 11 once more. A vector of 512 entries at $\mu = -1$ has, in this sense, about 62 dimensions
# in place of 512. ✓ [T13](evidence/02_rectified_generalized_gaussian.ipynb#T13)

# %% [markdown] tags=["slide"]
# ## 7 · RGG has maximum entropy, under the right constraint
#
# The Gaussian has the largest entropy of all distributions with the same variance. Is RGG as good? Yes, but we must say what is
# held fixed:
#
# - Among the distributions on $(0, \infty)$ with the same $\mathbb{E}|z - \mu|^p$, the truncated one of Eq. 10 has the largest
#   entropy $H_1$.
# - RGG puts an atom at zero beside it. Compare all distributions of this kind that have the same share $a$ of non-zeros and
#   the same $\mathbb{E}[\,|x-\mu|^p \mid x > 0\,]$: RGG has the largest $h$.
#
# The second follows from the first, since $a$ is fixed. The first takes one line. Let $g$ be the density of Eq. 10, and $f$
# another. By Gibbs' inequality $\int f \log (f/g) \ge 0$. So
#
# $$-\int f \log f \;\le\; -\int f \log g \;=\; \log Z + \frac{\mathbb{E}_f|z-\mu|^p}{p\,\sigma^p}
# \;=\; \underbrace{-\int g \log g}_{\text{same expectation}} .$$
#
# The post speaks of a fixed expected $\ell_p$ norm. It must be the $p$-th power, and it must be measured from $\mu$, not from
# zero. Does this matter? Take $p = 2$ and $\mu = -1$, and let truncated Gaussians with other centres $m$ compete. Each gets the
# scale $s$ at which it has the same $\mathbb{E}(z-c)^2$ as ours. First we measure from $c = \mu = -1$, then from $c = 0$.

# %% tags=["key"]
ours = TruncatedGeneralizedGaussian(-1.0, 1.0, 2.0)


def spread(d, c):  # E(z - c)^2
    return d.variance + (d.mean - c) ** 2


def competitors(m, c):  # truncated Gaussians with centres m, (M,), and the spread of ours about c
    low, high = torch.full_like(m, 0.1), torch.full_like(m, 10.0)
    for _ in range(50):  # halve the interval of scales, in logarithms
        s = (low * high).sqrt()
        too_small = spread(TruncatedGeneralizedGaussian(m, s, 2.0), c) < spread(ours, c)
        low, high = torch.where(too_small, s, low), torch.where(too_small, high, s)
    return TruncatedGeneralizedGaussian(m, s, 2.0)


# %%
m = torch.arange(-25, 6, dtype=torch.float64) / 10
entropy = {c: competitors(m, c).entropy() for c in (-1.0, 0.0)}
for c, values in entropy.items():
    print(f"E(z - c)^2 fixed, c = {c:g}: best centre {m[values.argmax()]:.1f}, entropy {values.max():.3f}")

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(6.5, 3.2))
for (c, values), line, color in zip(entropy.items(), ("-", "--"), (COLORS["rectified"], "#CC79A7")):
    panel.plot(m, values, line, color=color, label=r"$E(z+1)^2$ fixed" if c else r"$E\,z^2$ fixed")
    panel.plot(m[values.argmax()], values.max(), "o", color=color)
panel.set(xlabel="centre m of the competitor", ylabel="entropy (nats)", ylim=(0.28, 0.36))
panel.set_title("The constraint decides who wins")
panel.legend(loc="lower left")
show(
    figure,
    alt="Entropy of truncated Gaussians against their centre m. With E(z+1)^2 fixed the top is at -1; with E z^2 fixed it is at "
    "0, and higher.",
)

# %% [markdown]
# Both curves meet at $m = -1$, which is Eq. 10 itself. Measured from $\mu$, this is the top. Measured from zero, half of a Gaussian
# wins. So "maximum entropy" is true of RGG once we say under which constraint. ✓
# [T14](evidence/02_rectified_generalized_gaussian.ipynb#T14), with other shapes as competitors.
#
# Now 02.4, twenty minutes: what happens when the share $a$ is free?

# %% [markdown] tags=["slide"]
# ## 8 · A smaller p need not be sparser
#
# Chapter 01 shows spheres whose corners get sharper as $p$ falls. It is tempting to conclude that a smaller $p$ gives more zeros.
#
# **Your guess.** At unit variance and $\mu = -2$, which of the shapes 0.5, 1 and 2 leaves the *most* entries non-zero?

# %%
guess = None  # a shape: 0.5, 1 or 2

# %%
shares = {p: active_fraction(-2.0, unit_scale(p), p).item() for p in (0.5, 1.0, 2.0)}

# %% collapsed=true jupyter={"outputs_hidden": true} tags=["answer"]
compare(guess, max(shares, key=shares.get))
print(", ".join(f"p = {p:g}: {share:.4f}" for p, share in shares.items()))

# %% [markdown]
# The one in the middle. As $p$ falls from 2 to 0.5, the share goes up and then down. Two things work against each other. The sharper
# peak at $\mu$ takes mass away from above zero, and the heavier tail brings some there. Which one wins depends on $\mu$.

# %% [markdown]
# What a small $p$ does change, at $\mu = 0$, is how *unequal* the non-zero entries are. Their *energy* is $\sum_i x_i^2$. How much of it belongs
# to the largest tenth of them?

# %%
torch.manual_seed(10)
energy_share = {}
for p in P_STYLE:
    x = sample((400_000,), p, mu=0.0)
    energy = x[x > 0].square().sort(descending=True).values
    energy_share[p] = (energy[: len(energy) // 10].sum() / energy.sum()).item()

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.2))
over_p = torch.logspace(math.log10(0.25), math.log10(8), 100)
for mu, look in ((0.0, "-"), (-1.0, "--"), (-2.0, "-."), (-3.0, ":")):
    share = active_fraction(mu, unit_variance_scale(over_p), over_p)
    left.plot(over_p, share, look, color=COLORS["rectified"])
    left.annotate(f"μ = {mu:g}", (over_p[0], share[0]), (-6, 0), textcoords="offset points", ha="right", va="center")
left.set(xlabel="shape p", ylabel="share not zero", xscale="log", yscale="log", xlim=(0.13, 8.5), ylim=(1e-4, 1))
left.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
left.minorticks_off()
left.set_title("The count has no common direction …")
for place, (p, share) in enumerate(energy_share.items()):
    right.bar(place, share, color=P_STYLE[p]["color"])
right.set_xticks(range(4), [f"p = {p:g}" for p in energy_share])
right.set(ylim=(0, 1), ylabel="energy of the largest tenth", title="… the inequality has (μ = 0)")
show(
    figure,
    alt="Left: the non-zero share against p for four values of mu: flat at mu = 0, with a hump at mu = -2. Right: the energy "
    "of the largest tenth of the non-zero entries falls as p grows.",
)

# %% [markdown]
# So $p$ is for how unequal the non-zero entries are, and $\mu$ for how many there are. (Far to the left $\mu$ changes the
# inequality as well, except at $p = 1$.) ✓
# [T15](evidence/02_rectified_generalized_gaussian.ipynb#T15)
#
# Now 02.5, twenty minutes: find the $\mu$ at which two shapes tie.

# %% [markdown]
# ## 9 · A value of μ means nothing without its σ
#
# So far the curve had variance one *before* the cut. The cut takes some of it away. We may as well choose $\sigma$ so that $x$ has
# variance one *after* the cut. What does that do to the zeros? Eq. 11 depends on $\mu/\sigma$ alone, so a larger $\sigma$ brings a negative
# ratio nearer to zero.

# %%
for mu in (-2.0, -1.0, 0.0):
    before, after = unit_variance_scale(1.0), rectified_unit_variance_scale(1.0, mu)
    shares = [active_fraction(mu, sigma, 1.0) for sigma in (before, after)]
    print(f"mu {mu:g}: sigma {before:.2f} or {after:.2f}, share not zero {shares[0]:.2f} or {shares[1]:.2f}")

# %% jupyter={"source_hidden": true} tags=["draw"]
mu = torch.linspace(-4, 2, 61)
figure, panels = plt.subplots(1, 2, figsize=(10, 3.2))
scales = {
    "before": torch.tensor(unit_variance_scale(1.0)),
    "after": rectified_unit_variance_scale(torch.tensor(1.0), mu),
}
for (name, sigma), look in zip(scales.items(), ("-", "--")):
    target = RectifiedGeneralizedGaussian(mu, sigma, 1.0)
    panels[0].plot(mu, target.variance, look, color=COLORS["laplace"], label=f"variance one {name} the cut")
    panels[1].plot(mu, target.prob_active, look, color=COLORS["laplace"])
panels[0].set(xlabel="μ", ylabel="variance of x", title="One choice lets the variance fade …", ylim=(0, 1.7))
panels[0].legend(loc="upper left")
panels[1].set(
    xlabel="μ", ylabel="share not zero", yscale="log", title="… the other keeps more entries when μ < 0 (p = 1)"
)
show(
    figure,
    alt="Left: with unit variance before the cut the variance of x fades as mu falls, with unit variance after it stays one. "
    "Right: the non-zero share falls with mu much faster under the first choice.",
)

# %% [markdown]
# With the first choice the variance fades as $\mu$ falls. With the second the variance stays, and the same negative $\mu$ leaves
# more entries non-zero. Neither is wrong. In this series it is the first, as in the post.
# ([Evidence](evidence/02_rectified_generalized_gaussian.ipynb): the same for other $p$, and what happens to the size of the non-zero entries.)

# %% [markdown] tags=["slide"]
# ## 10 · You want 90 % zeros: which μ?
#
# Turn Eq. 12 around. Let $a$ be the share that should *not* be zero. For $a < \frac12$ the location $\mu$ is negative. The two tails
# of the bell curve together have probability $2a$, so
#
# $$\mu = -\sigma \left(p\; Q^{-1}\!\left(\tfrac1p,\, 2a\right)\right)^{1/p},$$
#
# where $Q^{-1}(k, q)$ is the number that a Gamma variable of shape $k$ exceeds with probability $q$. At $p = 1$ this is simply
# $\mu = \sigma\log(2a)$. For $a > \frac12$ take the value for $1 - a$ with the other sign. In the module it is
# `mu_for_l0(fraction, p)`. But you need no formula. The share grows with $\mu$, so you can also search:


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
# Change `ZEROS` and run the cell again.

# %%
ZEROS = 0.9  # the share of zeros that you want, between 0 and 1
torch.manual_seed(11)
for p in (0.5, 1.0, 2.0):
    mu = mu_for_l0(1 - ZEROS, p)
    print(
        f"p = {p:g}: mu {mu:.3f}, by search {find_mu(1 - ZEROS, p):.3f}, zeros {(sample((256, 512), p, mu) == 0).float().mean():.3f}"
    )

# %% jupyter={"source_hidden": true} tags=["draw", "slide"]
wanted = torch.sigmoid(torch.linspace(-3.9, 5.3, 200, dtype=torch.float64))  # closer together towards 0 and 1
figure, panel = plt.subplots(figsize=(7, 3.3))
for p in (0.5, 1.0, 2.0):
    panel.plot(wanted, mu_for_l0(1 - wanted, p), label=f"p = {p:g}", **P_STYLE[p])
    panel.plot([ZEROS], [mu_for_l0(1 - ZEROS, p)], "o", color=P_STYLE[p]["color"])
panel.axhline(0, color=COLORS["muted"], linewidth=0.8)
panel.axvline(ZEROS, color=COLORS["muted"], linewidth=0.8, label=f"{ZEROS:.0%} zeros, as above")
panel.set(xlabel="share of zeros that you want", ylabel="μ", xscale="logit", xlim=(0.02, 0.995), ylim=(-4, 2.5))
ticks = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)
panel.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks])
panel.minorticks_off()
panel.set_title("Ask for a share of zeros, read off μ")
panel.legend(loc="lower left")
show(
    figure,
    alt="The mu that gives a wanted percentage of zeros, for p = 0.5, 1 and 2. The curves meet at 50 percent and cross again below 5 and "
    "between 95 and 98 percent.",
)

# %% [markdown]
# Half of the entries zero always means $\mu = 0$. For more zeros than that the Gaussian first needs the most negative $\mu$ of the three. Far
# out the curves cross, and then it is $p = 0.5$ with its heavy tail that has to go furthest.
#
# Now go back to the instrument at the top. Tick *Keep the share of zeros*, move $p$, and watch $\mu$ follow. Then 02.3, fifteen
# minutes: the share *and* the variance that you want. And 02.6, an open question: zeros that come in groups.

# %% [markdown] tags=["slide"]
# ## In three sentences
#
# **Shown:** a shifted bell curve that is cut at zero has an atom beside a curve, the number of non-zero entries is known before
# you draw (Eq. 11), and it can be turned around to choose $\mu$. **Open:** whether a trained network has as many zeros as its target,
# which is a question for chapters [04](04_rdmreg.ipynb) and [05](05_pretraining_cifar100.ipynb). **Where to go:**
# [chapter 03](03_projected_marginals.ipynb), which looks at this target along a direction; the
# [evidence](evidence/02_rectified_generalized_gaussian.ipynb) has the proofs and tests.
#
# **Read on.** Y. Kuang, Y. Dagade, T. G. J. Rudner, R. Balestriero, Y. LeCun, *Rectified LpJEPA: Joint-Embedding
# Predictive Architectures with Sparse and Maximum-Entropy Representations*, arXiv:2602.01456 · Y. Kuang, *Rectified
# LpJEPA*, blog post, 30 January 2026 (Eq. 8 to 12) · A. Rényi, *On the dimension and entropy of probability
# distributions*, 1959 · N. D. Socci, D. D. Lee, H. S. Seung, *The Rectified Gaussian Distribution*, 1997 · S. Nadarajah,
# *A generalized normal distribution*, 2005 · T. M. Cover, J. A. Thomas, *Elements of Information Theory*, 2006 ·
# X. Glorot, A. Bordes, Y. Bengio, *Deep Sparse Rectifier Neural Networks*, 2011. The bibliography of the series has their
# addresses.
