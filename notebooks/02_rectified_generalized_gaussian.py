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
# # 02 · The Rectified Generalized Gaussian
#
# **What you will be able to do.** Draw from the target of Rectified LpJEPA with four lines of your own, write down its
# law (Eq. 8 to 10), say how many entries of a vector are non-zero before drawing one (Eq. 11 and 12), measure its
# entropy although it has no density, and choose $\mu$, $\sigma$ and $p$ for the sparsity you want.
#
# **What you need.** Densities, distribution functions and standard errors; a first look at ReLU. The $\ell_p$ spheres
# of chapter 01 help and are not required.
#
# **Time.** The cells run in well under a minute on two CPU cores; reading takes about 50 minutes with the figures. When
# you are short of time, read sections 1 to 4, the first paragraph of 9, and 10: the law, its count of non-zero entries,
# and how to choose $\mu$; exercises 02.1 and 02.2 need no more. Sections 6 and 7 (entropy) can wait. The exercises, in
# [a notebook of their own](exercises/02_rectified_generalized_gaussian.ipynb), take more than an hour together, the
# first of them five minutes.
#
# The series follows the blog post *Rectified LpJEPA* by Yilun Kuang ("the post"), whose numbers its equations carry;
# the "minimal example" is the code beside it, and "the module" is our `rlpjepa`. One convention: *sparsity* is the
# fraction of zeros.
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
import functools
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import integrate, optimize, special, stats

from rlpjepa.distributions import (
    RectifiedGeneralizedGaussian,
    TruncatedGeneralizedGaussian,
    mu_for_l0,
    rectified_unit_variance_scale,
    sample_rgg,
    unit_variance_scale,
)
from rlpjepa.figures import COLORS, STYLE, show

plt.rcParams.update(STYLE)  # how figures look
torch.set_default_dtype(torch.float64)  # probabilities to many digits; no network is trained here
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves

# One colour for each shape p in all figures of this chapter, and one kind of line unless this tells something else.
P_STYLE = {
    0.5: {"color": "#CC79A7", "linestyle": "-."},
    1.0: {"color": COLORS["laplace"], "linestyle": "-"},
    2.0: {"color": COLORS["gaussian"], "linestyle": "--"},
    4.0: {"color": "#56B4E9", "linestyle": ":"},
}


# %% [markdown] tags=["slide"]
# ## 1 · The generalized Gaussian
#
# The *generalized Gaussian* $\mathcal{GN}_p(\mu, \sigma)$ is the law on the line with density
#
# $$\frac{p^{1-1/p}}{2\sigma\,\Gamma(1/p)}\, \exp\!\left(-\frac{|z-\mu|^p}{p\,\sigma^p}\right), \qquad z \in \mathbb{R},$$
#
# with location $\mu$ (its centre), scale $\sigma > 0$, shape $p > 0$ and the Gamma function $\Gamma$. At $p = 2$ it is
# the Gaussian with standard deviation $\sigma$, at $p = 1$ the Laplace law with scale $\sigma$. The post writes it for
# a vector $\mathbf{z}$ with $d$ independent entries, whose density is the product.
#
# scipy knows the same law as `gennorm`, but with the exponent $|z-\mu|^p / s^p$, so its scale is $s = \sigma p^{1/p}$.
# Forgetting the factor $p^{1/p}$ is an easy mistake that nobody notices at $p = 1$.
#
# **Prediction.** The constant in front is right: the density integrates to one for every $p$. It agrees with scipy's
# and with the `log_prob` of the module's `GeneralizedGaussian`, point by point.
#
# ✓ [T6](evidence/02_rectified_generalized_gaussian.ipynb#T6)


# %%
def gn_density(z, mu, sigma, p):
    """Density of GN_p(mu, sigma) at z, a number or an array."""
    return p ** (1 - 1 / p) / (2 * sigma * math.gamma(1 / p)) * np.exp(-(np.abs(z - mu) ** p) / (p * sigma**p))


# %% [markdown]
# ### Drawing from it
#
# If $t \sim \mathcal{GN}_p(0, 1)$, then $|t|^p / p$ follows the Gamma law with shape $1/p$ (substitute in the density
# to see it), and the sign of $t$ is a fair coin, independent of its size. Read backwards, this is a sampler:
#
# $$t = \epsilon \, (p\,G)^{1/p}, \qquad G \sim \mathrm{Gamma}(1/p), \quad \epsilon = \pm 1 .$$
#
# ✓ [evidence, section 1](evidence/02_rectified_generalized_gaussian.ipynb)


# %%
def draw_gn(shape, p, generator):
    """Independent draws from GN_p(0, 1), a tensor of the given shape."""
    # torch._standard_gamma is what torch.distributions.Gamma calls; that class itself takes no generator
    size = (p * torch._standard_gamma(torch.full(shape, 1 / p), generator=generator)) ** (1 / p)
    sign = 2 * torch.randint(2, shape, generator=generator) - 1
    return sign * size


# %% [markdown]
# ### One variance for all shapes
#
# To compare shapes we give them the same spread. Every $p$ has a scale at which the variance is one:
#
# $$\sigma = \frac{\Gamma(1/p)^{1/2}}{p^{1/p}\,\Gamma(3/p)^{1/2}} .$$
#
# This $\sigma$ is the choice of the post and of the minimal example, and the default of `sample_rgg`. **Prediction.**
# It is 1 for the Gaussian and $1/\sqrt2$ for the Laplace law. With it the integral of $(z-\mu)^2$ times the density is
# 1, and so is the mean square of draws, up to their standard error.
#
# ✓ [T9](evidence/02_rectified_generalized_gaussian.ipynb#T9)

# %% tags=["slide"]
grid = np.linspace(-5, 5, 1001)
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.2))
for panel in panels:
    for p, line in P_STYLE.items():
        panel.plot(grid, gn_density(grid, 0, unit_variance_scale(p), p), label=f"p = {p:g}", **line)
    panel.set(xlabel="z", ylabel="density")
panels[0].set(title="linear axis: the peak", ylim=(0, 1.3), xlim=(-4, 4))
panels[0].legend()
panels[1].set(title="logarithmic axis: the tails", yscale="log", ylim=(1e-4, 3))
show(
    figure,
    alt="Densities of the generalized Gaussian at unit variance for p = 0.5, 1, 2 and 4. On a linear axis the peak at zero "
    "gets higher and sharper as p falls; on a logarithmic axis the tails get heavier.",
)

# %% [markdown] tags=["slide"]
# All four have variance one. As $p$ falls, more values are close to zero *and* more are far away, at the cost of those
# in between. The peak at $p = 0.5$ rises far above 1, but it stays a density: no single value, zero included, has a
# positive probability. Nothing here is exactly zero.
#
# ## 2 · Rectify: where the zeros come from
#
# Now take a vector $\mathbf{z} = (z_1, \dots, z_d)$ of independent $\mathcal{GN}_p(\mu, \sigma)$ entries and set every
# negative entry to zero:
#
# $$\mathbf{x} = \mathrm{ReLU}(\mathbf{z}), \qquad x_i = \max(0, z_i).$$
#
# Each $x_i$ follows the *Rectified Generalized Gaussian* $\mathcal{RGN}_p(\mu, \sigma)$, RGG for short. A batch of $n$
# such vectors is a tensor of shape $(n, d)$.
#
# **Prediction.** In the plane with $\mu = 0$, a point falls into each of the four quadrants with probability 1/4. So a
# quarter of the points stay where they are, half of them land on an axis, and a quarter on the origin.
#
# ✓ [evidence, section 2](evidence/02_rectified_generalized_gaussian.ipynb)

# %% tags=["slide"]
n, d, generator = 100_000, 2, torch.Generator().manual_seed(3)
before = unit_variance_scale(2) * draw_gn((n, d), 2.0, generator)  # (n, 2)
after = before.relu()
active = (after > 0).sum(dim=1)  # non-zero entries of each point: 0, 1 or 2
for count, (name, expected) in enumerate((("on the origin", 1 / 4), ("on an axis", 1 / 2), ("in the interior", 1 / 4))):
    share = (active == count).double().mean().item()
    error = math.sqrt(expected * (1 - expected) / n)
    print(f"{name:16} expected {expected:.3f}, measured {share:.3f}, standard error {error:.4f}")

marks = {
    2: ("both positive: stays", COLORS["rectified"], "o"),
    1: ("one positive: to an axis", "#56B4E9", "^"),
    0: ("none positive: to the origin", COLORS["theory"], "x"),
}
figure, panels = plt.subplots(1, 2, figsize=(9.5, 4.4), sharex=True, sharey=True)
for panel, points, title in zip(panels, (before, after), ("before: z", "after: x = ReLU(z)")):
    panel.axhline(0, color=COLORS["muted"], linewidth=0.8, zorder=0)
    panel.axvline(0, color=COLORS["muted"], linewidth=0.8, zorder=0)
    for count, (label, color, marker) in marks.items():
        chosen = points[:1200][active[:1200] == count]
        panel.scatter(chosen[:, 0], chosen[:, 1], s=14, color=color, marker=marker, linewidth=0.9, label=label)
    panel.set(xlabel="first coordinate", title=title, aspect="equal", xlim=(-3.9, 3.9), ylim=(-3.9, 3.9))
panels[0].set_ylabel("second coordinate")
panels[1].annotate(
    "a quarter of all points\nlies on this one", (0, 0), (-3.2, -2.4), arrowprops={"arrowstyle": "->"}, fontsize=10
)
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, markerscale=1.5)
show(
    figure,
    alt="Two scatter plots. Before rectification a round Gaussian cloud; after it the points of the first quadrant are "
    "unchanged, those of the second and fourth lie on the axes, and all of the third quadrant lies on the origin.",
)


# %% [markdown] tags=["slide"]
# Follow the colours from left to right. Circles do not move. Triangles slide onto an axis and keep one positive
# coordinate. All crosses end on one point. So the law of $\mathbf{x}$ has pieces of dimension 0, 1 and 2, and is not a
# density over the plane: the axes with the origin have no area and still hold three quarters of the points.
#
# ## 3 · The law of one coordinate
#
# Write $z = \mu + \sigma t$ with $t \sim \mathcal{GN}_p(0, 1)$, and let $\Phi_p$ be the distribution function of $t$.
# An entry is zero when $z \le 0$, that is $t \le -\mu/\sigma$, which has probability $\Phi_p(-\mu/\sigma)$; above zero
# nothing changes. The post writes both parts as one function:
#
# $$\begin{aligned} f_{\mathcal{RGN}_p(\mu,\sigma)}(z) ={}& \Phi_p(-\mu/\sigma)\,\mathbb{1}_{\{0\}}(z) && \text{(Eq. 8)}\\
# &+ \frac{p^{1-1/p}}{2\sigma\,\Gamma(1/p)} \exp\!\left(-\frac{|z-\mu|^p}{p\,\sigma^p}\right)
# \mathbb{1}_{(0,\infty)}(z).
# && \text{(Eq. 9)}\end{aligned}$$
#
# The argument $z$ stands for a possible value of $x$; the symbol $\mathbb{1}_S(z)$ is 1 if $z$ is in $S$ and 0
# otherwise. The two lines have different units: the first is a *probability* (an atom of that mass sits at zero), the
# second a probability *per unit of length*. (In the language of measure theory, $f$ is the density with respect to
# $\delta_0$ plus Lebesgue measure, and this is what the module's `log_prob` returns.)
#
# Divide the second line by its mass $\Phi_p(\mu/\sigma)$ and you have the law of the non-zero entries, the *truncated*
# generalized Gaussian $\mathcal{TGN}_p(\mu, \sigma)$:
#
# $$f_{\mathcal{TGN}_p(\mu,\sigma)}(z) = \frac{\mathbb{1}_{(0,\infty)}(z)}{Z} \exp\!\left(-\frac{|z-\mu|^p}{p\,\sigma^p}\right),
# \qquad Z = 2\sigma\,\Gamma(1/p)\,p^{1/p-1}\,\Phi_p(\mu/\sigma). \tag{10}$$
#
# The post leaves the constant $Z$ open; the [evidence](evidence/02_rectified_generalized_gaussian.ipynb#T10) checks the
# one given here, against the module and by integration.


# %%
def cdf_gn(x, p):
    """Phi_p, the distribution function of GN_p(0, 1); scipy's scale is p ** (1 / p)."""
    return stats.gennorm.cdf(x, p, scale=p ** (1 / p))


# %% [markdown]
# **Prediction.** Eq. 10 integrates to one, and so do the atom and Eq. 9 together. Among draws, the share of zeros is
# the mass of the atom up to its standard error, and the non-zero ones pass a KS test for Eq. 10. And the normal
# distribution function cannot stand in for $\Phi_p$: it is right at $p = 2$ and gives a wrong share at $p = 1$.
#
# ✓ [T10](evidence/02_rectified_generalized_gaussian.ipynb#T10)

# %%
settings = [(mu, p) for p in (1.0, 2.0) for mu in (-1.0, 0.0, 1.0)]
n, draws = 100_000, {}
for seed, (mu, p) in enumerate(settings):
    sigma = unit_variance_scale(p)
    draws[mu, p] = (mu + sigma * draw_gn((n,), p, torch.Generator().manual_seed(seed))).relu()

# %% tags=["slide"]
figure, panels = plt.subplots(2, 3, figsize=(10.5, 5.6), sharex=True, sharey=True)
edges, grid = np.linspace(0, 4, 33), np.linspace(1e-3, 4, 400)
for panel, (mu, p) in zip(panels.flat, settings):
    x, sigma = draws[mu, p], unit_variance_scale(p)
    heights = np.histogram(x[x > 0], edges)[0] / (n * np.diff(edges))  # per unit of length, over all draws
    panel.stairs(heights, edges, fill=True, color=COLORS["measurement"], alpha=0.35, label="draws, x > 0")
    panel.plot(grid, gn_density(grid, mu, sigma, p), color=COLORS["theory"], label="Eq. 9")
    panel.bar(
        [-0.16], [(x == 0).double().mean()], width=0.24, color=COLORS["measurement"], alpha=0.35,
        edgecolor=COLORS["measurement"], hatch="///", label="draws, x = 0",
    )  # fmt: skip
    panel.plot([-0.16], [cdf_gn(-mu / sigma, p)], "D", color=COLORS["theory"], label="Eq. 8 (mass of the atom)")
    panel.set_title(f"p = {p:g}, μ = {mu:g}")
for panel in panels[1]:
    panel.set_xlabel("x")
for panel in panels[:, 0]:
    panel.set_ylabel("density, or mass at 0")
figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
show(
    figure,
    alt="Six panels, p = 1 above and p = 2 below, mu = -1, 0 and 1 from left to right. A histogram of the positive draws "
    "follows the curve of Eq. 9; a hatched bar at zero, the share of zeros, ends at the diamond of Eq. 8 and shrinks as mu "
    "grows.",
)


# %% [markdown] tags=["slide"]
# The hatched bar is drawn a little to the left of zero to be seen. As $\mu$ grows, mass moves from the bar into the
# curve. Where $\mu > 0$ the density peaks at $x = \mu$; where $\mu \le 0$ it is highest at the left end and falls from
# there. The *height* of the bar and the area under the whole curve, beyond 4 too, add up to one in every panel.
#
# ## 4 · How many entries are non-zero
#
# Write $\lVert \mathbf{x} \rVert_0$ for the number of non-zero entries of a vector $\mathbf{x}$ with $d$ entries. Each
# is non-zero with probability $\Phi_p(\mu/\sigma)$, so
#
# $$\mathbb{E}\lVert \mathbf{x} \rVert_0 = d \; \Phi_p\!\left(\frac{\mu}{\sigma}\right) \tag{11}$$
#
# $$\phantom{\mathbb{E}\lVert \mathbf{x} \rVert_0} = \frac d2 \left(1 + \operatorname{sgn}(\mu)\; P\!\left(\frac1p,\,
# \frac{|\mu/\sigma|^p}{p}\right)\right). \tag{12}$$
#
# $P(k, w)$ is the regularised lower incomplete Gamma function, the probability that a Gamma variable of shape $k$ is
# below $w$. It comes in because $|t|^p / p$ is such a variable: with probability $P(1/p, |\mu/\sigma|^p/p)$ the
# variable $t$ of section 3 lies within $|\mu/\sigma|$ of its centre, and the rest splits evenly into the two tails. So
# $t > -\mu/\sigma$ has probability $P + \frac12(1 - P)$ for $\mu > 0$, and that of one tail, $\frac12(1 - P)$, for $\mu
# < 0$. `torch.special.gammainc` computes it.


# %%
def active_fraction(mu, sigma, p):
    """P(x > 0) for x ~ RGN_p(mu, sigma) by Eq. 12; tensors or numbers that broadcast."""
    t, p = torch.as_tensor(mu / sigma), torch.as_tensor(p)
    return (1 + t.sign() * torch.special.gammainc(1 / p, t.abs() ** p / p)) / 2


# %% [markdown]
# **Prediction.** Draw vectors and count: over a grid of $\mu$, $\sigma$ and $p$, the mean count agrees with Eq. 12
# within its standard error.
#
# ✓ [T12](evidence/02_rectified_generalized_gaussian.ipynb#T12)

# %%
n, d = 1024, 256
grid_settings = [(mu, sigma, p) for p in P_STYLE for sigma in (0.5, 1.0, 2.0) for mu in (-1.0, -0.5, 0.0, 0.5, 1.0)]
generator = torch.Generator().manual_seed(4)
counts = []
for mu, sigma, p in grid_settings:
    x = (mu + sigma * draw_gn((n, d), p, generator)).relu()  # (n, d)
    counts.append((x > 0).sum(dim=1).double().mean().item())  # the mean of ||x||_0

# %% [markdown]
# The same for the module: `sample_rgg`, in the size of one training batch, against `expected_l0`.

# %%
x = sample_rgg((256, 512), p=1.0, mu=-1.0, generator=torch.Generator().manual_seed(4))  # (n, d)
expected = RectifiedGeneralizedGaussian(-1.0, unit_variance_scale(1.0), 1.0).expected_l0(512).item()
measured, error = (x > 0).sum(dim=1).double().mean().item(), math.sqrt(expected * (1 - expected / 512) / 256)
print(f"non-zero entries of 512: expected {expected:.1f}; mean of 256 vectors {measured:.1f}, ", end="")
print(f"standard error {error:.1f}")

# %% tags=["slide"]
figure, panel = plt.subplots(figsize=(7, 3.6))
ratio = torch.linspace(-2.2, 2.2, 300)
for (p, line), marker in zip(P_STYLE.items(), "osD^"):
    panel.plot(ratio, active_fraction(ratio, 1.0, p), **line)
    panel.plot([], [], marker=marker, markerfacecolor="none", label=f"p = {p:g}", **line)
    rows = [i for i, setting in enumerate(grid_settings) if setting[2] == p]
    for mu, sigma, count in [(*grid_settings[i][:2], counts[i]) for i in rows]:
        size = {0.5: 3, 1.0: 6, 2.0: 10}[sigma]
        panel.plot(mu / sigma, count / d, marker, color=line["color"], markersize=size, markerfacecolor="none")
panel.set(xlabel="μ / σ", ylabel="non-zero fraction", title="Eq. 12 (lines) and counts (marks)")
panel.legend()
show(
    figure,
    alt="Non-zero fraction against mu over sigma for four shapes; every mark lies on its line, and all lines cross at "
    "one half where mu is zero.",
)

# %% [markdown] tags=["slide"]
# Small, middle and large marks are those of $\sigma = 0.5$, 1 and 2. Where they share a ratio, one sits inside the
# other, and all lie on one curve for each $p$: only $\mu/\sigma$ matters. All curves pass through one half at $\mu =
# 0$: there $p$ has no say in the count.
#
# ## 5 · The orthant that empties
#
# In the plane a quarter of the points kept both coordinates. The *interior of the positive orthant* is the set of
# vectors with all $d$ entries positive. The entries are independent, so
#
# $$P(x_1 > 0, \dots, x_d > 0) = \Phi_p(\mu/\sigma)^d .$$
#
# **Prediction.** On a logarithmic axis this is a straight line in $d$, whose slope is $\log \Phi_p(\mu/\sigma)$. Even
# at $\mu = 1$, where most entries are positive, hardly any vector of a few hundred entries has no zero.
#
# ✓ [T11](evidence/02_rectified_generalized_gaussian.ipynb#T11)

# %%
n, p, dims = 2**17, 1.0, np.arange(1, 21)
generator = torch.Generator().manual_seed(5)
inside = {}
for mu in (-0.5, 0.0, 0.5, 1.0):
    x = sample_rgg((n, len(dims)), p=p, mu=mu, generator=generator)
    # entry d - 1: the share of the n vectors whose first d coordinates are all positive
    share = (x > 0).cumprod(dim=1).double().mean(dim=0).numpy()
    fraction = active_fraction(mu, unit_variance_scale(p), p).item()
    enough = n * fraction**dims >= 100  # where the count is large enough for a normal approximation
    print(f"mu = {mu:4}: in d = 512 the formula gives 10^{512 * math.log10(fraction):.0f}")
    inside[mu] = (fraction, share, enough)

# %% tags=["slide"]
figure, panel = plt.subplots(figsize=(8, 3.6))
for (mu, (fraction, share, enough)), marker in zip(inside.items(), "s^oD"):
    panel.plot(dims, fraction**dims, color=COLORS["theory"], linewidth=1)
    panel.plot(
        dims[enough], share[enough], marker, color=COLORS["measurement"], markerfacecolor="none", label=f"μ = {mu:g}"
    )
panel.plot([], [], color=COLORS["theory"], linewidth=1, label=r"$\Phi_p(\mu/\sigma)^d$")
panel.set(xlabel="dimension d", ylabel="share of vectors without a zero", yscale="log", ylim=(3e-4, 1.5))
panel.xaxis.get_major_locator().set_params(integer=True)
handles, labels = panel.get_legend_handles_labels()
panel.legend(handles[3::-1] + handles[4:], labels[3::-1] + labels[4:], loc="upper left", bbox_to_anchor=(1, 1))
show(
    figure,
    alt="Share of vectors without a zero against dimension on a logarithmic axis, for four values of mu. The measured marks "
    "lie on straight falling lines, steeper for smaller mu.",
)


# %% [markdown]
# Marks are counted shares, lines the formula, both for $p = 1$ at unit variance. Marks end where fewer than a hundred
# vectors are left. In high dimension practically all vectors lie on the *boundary* of the orthant, each on the face
# that its own set of non-zero coordinates spans. This set, the coordinates that a sparse vector uses, is the first
# thing that it tells us.
#
# ## 6 · Entropy without a density
#
# A target for self-supervised learning should be spread out, and entropy measures spread. The usual differential
# entropy $H_1 = -\int f \log f$ (chapter 01's $h$, a letter that has another use here) needs a density, and RGG has an
# atom. Rényi's way out: round the variable to a grid of width $\varepsilon$ and take the ordinary Shannon entropy of
# the result, a sum over grid cells. It grows without end as $\varepsilon$ shrinks, and *how* it grows is informative.
# With $a = \Phi_p(\mu/\sigma)$ and $\xi \sim \mathcal{RGN}_p(\mu, \sigma)$,
#
# $$H(\text{rounded } \xi) = a \log\frac1\varepsilon + h + o(1), \qquad
# h = a\,H_1(\mathcal{TGN}_p(\mu, \sigma)) + H_0(\mathrm{Bernoulli}(a)).$$
#
# $H_0(\mathrm{Bernoulli}(a)) = -a \log a - (1-a)\log(1-a)$ is the uncertainty about *whether* $\xi$ is zero. The slope
# $a$ is the *information dimension* $d(\xi)$ of $\xi$ (not the number $d$ of entries): a variable with a density has 1,
# a constant 0, and RGG the probability that it is non-zero. The intercept $h$ is the *$d(\xi)$-dimensional entropy*. We
# work in nats (natural logarithms).
#
# **Prediction.** Rounded draws give a straight line in $\log(1/\varepsilon)$ whose slope is the non-zero fraction of
# Eq. 12 and whose intercept is $h$. The law before rectification has slope 1. Two independent coordinates together have
# twice the entropy of one on each grid, hence twice the slope and twice the intercept.
#
# ✓ [T13](evidence/02_rectified_generalized_gaussian.ipynb#T13)


# %%
def grid_entropy(x, width):
    """Shannon entropy in nats of the rows of x, shape (n, d) with d <= 2, rounded up to multiples of width.

    Rounding up leaves exact zeros a cell of their own; other ways of rounding have the same limit.
    """
    cell = torch.ceil(x / width).long()
    counts = torch.unique(cell[:, 0] + 2**30 * cell[:, -1], return_counts=True)[1]
    share = counts / len(x)
    return -(share * share.log()).sum().item()


# %%
n, widths = 2**19, 2.0 ** -np.arange(2, 8)
generator = torch.Generator().manual_seed(6)
lines = []
for mu, p in ((1.0, 1.0), (0.0, 2.0), (-1.0, 1.0)):
    sigma = unit_variance_scale(p)
    a, h = active_fraction(mu, sigma, p).item(), RectifiedGeneralizedGaussian(mu, sigma, p).entropy().item()
    x = (mu + sigma * draw_gn((n, 2), p, generator)).relu()  # (n, d) with d = 2
    entropies = np.array([grid_entropy(x[:, :1], width) for width in widths])
    lines.append((f"p = {p:g}, μ = {mu:g}", a, h, entropies))

x = draw_gn((n, 1), 2.0, generator)  # the Gaussian, not rectified
entropies = np.array([grid_entropy(x, width) for width in widths])
h = (1 + math.log(2 * math.pi)) / 2
lines.insert(0, ("p = 2, μ = 0, not rectified", 1.0, h, entropies))

# %% tags=["slide"]
figure, panel = plt.subplots(figsize=(7.5, 3.9))
fine = np.log([1, 2**7.3])
for (label, a, h, entropies), marker in zip(lines, "sDo^"):
    color = COLORS["gaussian"] if "not" in label else COLORS["rectified"]
    panel.plot(fine, a * fine + h, color=COLORS["theory"], linewidth=1)
    panel.plot(-np.log(widths), entropies, marker, color=color, label=label)
    panel.annotate(f"slope {a:.2f}", (fine[1], a * fine[1] + h), (4, -4), textcoords="offset points", fontsize=10)
panel.plot([], [], color=COLORS["theory"], linewidth=1, label=r"$a \log(1/\varepsilon) + h$")
panel.set(xlabel=r"$\log(1/\varepsilon)$, finer grids to the right", ylabel="Shannon entropy (nats)")
panel.set(xlim=(0, 6), ylim=(0, None))
panel.legend(loc="upper left")
show(
    figure,
    alt="Shannon entropy of rounded draws against log(1/epsilon) for the Gaussian and three rectified laws. All marks lie on "
    "straight lines; the slope is 1 for the Gaussian and the non-zero fraction for the others.",
)

# %% [markdown]
# Marks are entropies of rounded draws, lines the formula. The slope is the probability that a coordinate comes from a
# continuum of values and is not exactly zero. The intercepts, where the lines meet the left edge, are the
# $d(\xi)$-dimensional entropies. (Do not make the grid much finer: once nearly every non-zero draw is alone in its
# cell, the measured entropy stops growing, at $\log n$ without an atom and at $a \log n - (1-a)\log(1-a)$ with one,
# whose zeros share a cell.)
#
# For a vector of $d$ independent coordinates, dimension and entropy are $d$ times those of one. So the information
# dimension of $\mathbf{x}$ is its expected number of non-zero entries: Eq. 11 once more.
#
# ## 7 · Maximum entropy, with the fine print
#
# Is RGG the most spread-out law, as the Gaussian is at fixed variance? What holds is this:
#
# - Among the laws on $(0, \infty)$ with the same $\mathbb{E}|z - \mu|^p$, the truncated law of Eq. 10 has the largest
#   differential entropy $H_1$.
# - Among the mixtures of an atom at 0 and a density on $(0, \infty)$ with the same active fraction $a$ and the same
#   $\mathbb{E}[\,|x-\mu|^p \mid x > 0\,]$, RGG has the largest $d(\xi)$-dimensional entropy. This follows from the
#   first line, since $h = a H_1 + H_0(\mathrm{Bernoulli}(a))$ and $a$ is fixed.
#
# The reason is one line. Let $g$ be the density of Eq. 10 and $f$ another one. Then $-\int f \log f \le -\int f \log g$
# (Gibbs' inequality), and $-\log g(z) = |z-\mu|^p/(p\sigma^p) + \log Z$ has the same expectation under all laws that
# share $\mathbb{E}|z-\mu|^p$; under $g$ itself this expectation is the entropy of $g$.
#
# The fine print is the constraint. The post speaks of a fixed expected $\ell_p$ norm. It must be the $p$-th power, and
# the distance must be measured from $\mu$, not from zero. **Prediction.** Laws of any other form, scaled to the same
# $\mathbb{E}|z-\mu|^p$, have less entropy. But with $p = 2$, $\mu = -1$ and $\mathbb{E}z^2$ fixed instead, another law
# has *more*: the half-normal one, which is Eq. 10 with $\mu = 0$.
#
# ✓ [T14](evidence/02_rectified_generalized_gaussian.ipynb#T14)

# %%
# A law on (0, inf) is an array: its density on a grid that is even in log z. Sums over the grid are integrals.
z = np.exp(np.linspace(-25, 7, 6401))
step = z * 32 / 6400


def normalized(log_density):
    f = np.exp(log_density - log_density.max())
    return f / (f * step).sum()


def truncated_law(mu, sigma, p):  # Eq. 10
    return normalized(-(np.abs(z - mu) ** p) / (p * sigma**p))


def moment(f, mu, p):  # E|z - mu|^p
    return (np.abs(z - mu) ** p * f * step).sum()


def differential_entropy(f):
    return -(special.xlogy(f, f) * step).sum()


def matched(family, mu, p, value):
    """Of the laws family(s), s > 0, the one with E|z - mu|^p = value."""
    log_s = optimize.brentq(lambda log_s: moment(family(math.exp(log_s)), mu, p) - value, -4, 4)
    return family(math.exp(log_s))


def sweep_shape(mu, p, shapes):
    """H_1 of the truncated laws of these shapes, about the same mu and with the E|z - mu|^p of TGN_p(mu, 1)."""
    value = moment(truncated_law(mu, 1.0, p), mu, p)
    competitors = [matched(lambda s, q=q: truncated_law(mu, s, q), mu, p, value) for q in shapes]
    return np.array([differential_entropy(f) for f in competitors])


# %%
shapes, sweeps = np.sort(np.append(np.geomspace(0.4, 8, 20), [1.0, 2.0])), {}
for mu, p in ((-1.0, 1.0), (-1.0, 2.0), (1.0, 2.0)):
    best = TruncatedGeneralizedGaussian(mu, 1.0, p).entropy().item()
    sweeps[mu, p] = sweep_shape(mu, p, shapes) - best


# %% [markdown]
# To see the fine print at work, let the location vary: competitors with density proportional to $\exp(-(z-m)^2/(2s^2))$
# on $(0, \infty)$, for many $m$, their scale $s$ set by one of two constraints. **Prediction.** With
# $\mathbb{E}(z+1)^2$ fixed the best location is $m = -1$, with $\mathbb{E}z^2$ fixed it is $m = 0$.
#
# ✓ [evidence, section 7](evidence/02_rectified_generalized_gaussian.ipynb)


# %% tags=["slide"]
def sweep_location(center, locations):
    """H_1 of truncated Gaussians at these locations, with the E(z - center)^2 of TGN_2(-1, 1)."""
    value = moment(truncated_law(-1.0, 1.0, 2.0), center, 2.0)
    competitors = [matched(lambda s, m=m: truncated_law(m, s, 2.0), center, 2.0, value) for m in locations]
    return np.array([differential_entropy(f) for f in competitors])


locations = np.linspace(-2.5, 0.5, 49)
by_center = {center: sweep_location(center, locations) for center in (-1.0, 0.0)}
for name, values in zip(("E(z + 1)^2", "E z^2"), by_center.values()):
    print(f"{name} fixed: largest entropy {values.max():.4f} at location {locations[values.argmax()]:g}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.8))
for ((mu, p), values), line in zip(sweeps.items(), ("-", "--", ":")):
    left.plot(shapes, values, line, color=P_STYLE[p]["color"], label=f"p = {p:g}, μ = {mu:g}")
    left.plot([p], [0], "o", color=P_STYLE[p]["color"])
left.set(xlabel="shape q of the competitor", ylabel="entropy − that of Eq. 10 (nats)", xscale="log", ylim=(-0.3, 0.03))
left.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
left.minorticks_off()
left.set_title(r"same $E|z-\mu|^p$: the best shape is $p$")
left.legend(loc="lower center")
labels = {-1.0: r"$E(z+1)^2$ fixed", 0.0: r"$E\,z^2$ fixed"}
for center, line, color in ((-1.0, "-", COLORS["rectified"]), (0.0, "--", "#CC79A7")):
    right.plot(locations, by_center[center], line, color=color, label=labels[center])
    right.plot([center], [by_center[center].max()], "o", color=color)
right.set(xlabel="location m of the competitor", ylabel="entropy (nats)", ylim=(0.28, 0.36))
right.set_title("the constraint decides the best location")
right.legend(loc="lower left")
show(
    figure,
    alt="Left: entropy of truncated laws of shape q minus that of Eq. 10, for three constraints; each curve touches zero at "
    "q = p and is negative elsewhere. Right: entropy of truncated Gaussians against their location; with E(z+1)^2 fixed "
    "the maximum is at -1, with E z^2 fixed at 0, and it is higher there.",
)

# %% [markdown] tags=["slide"]
# Left: every curve touches zero where the competitor's shape is that of the constraint, and only there. Right: the two
# curves cross at $m = -1$, where both competitors are Eq. 10 itself. With the first constraint (solid) this is the top;
# with the second (dashed) the top is the half-normal law at $m = 0$, and it is higher. So "maximum entropy" is true of
# RGG once one says under which constraints: $a$ and $\mathbb{E}[\,|x-\mu|^p \mid x > 0\,]$ fixed.
#
# ## 8 · A smaller $p$ need not be sparser
#
# Chapter 01 shows spheres whose corners sharpen as $p$ falls, and it is tempting to conclude that features with a small
# $p$ have more zeros. For the zeros that count here, the exact ones, it depends on $\mu$.
#
# **Prediction.** Without rectification there are no zeros at all, whatever $p$. With it, at unit variance and
# $\mu = -2$, the non-zero fraction goes up *and* down as $p$ falls from 2 to 0.5. What a small $p$ does change is how
# unequal the non-zero entries are: at $\mu = 0$, where half of the entries are non-zero for every $p$, the largest
# tenth of them holds a larger share of the energy $\sum_i x_i^2$.
#
# This share has a closed form. The largest tenth of the non-zero entries begins at a quantile $w$ of the Gamma law of
# $|t|^p / p$, and weighting that law by $t^2$ raises its shape from $1/p$ to $3/p$: the share is $Q(3/p, w)$ with
# $Q = 1 - P$ and $Q(1/p, w) = 1/10$.
#
# ✓ [T15](evidence/02_rectified_generalized_gaussian.ipynb#T15)

# %%
n, generator, shapes = 400_000, torch.Generator().manual_seed(7), (0.5, 1.0, 2.0, 4.0)
zeros = sum((draw_gn((n,), p, generator) == 0).sum().item() for p in shapes)
at_minus_2 = {p: active_fraction(-2.0, unit_variance_scale(p), p).item() for p in shapes}
print(f"exact zeros in {n:,} draws before rectification, for each of p = {shapes}: {zeros}")
print("P(x > 0) at mu = -2:  " + ",  ".join(f"p = {p:g}: {value:.4f}" for p, value in at_minus_2.items()))


def top_share(p, top=0.1):
    """Share of the energy in the largest `top` of the non-zero entries, at mu = 0."""
    return special.gammaincc(3 / p, special.gammainccinv(1 / p, top))


shares = {}
for p in shapes:
    x = sample_rgg((n,), p=p, mu=0.0, generator=generator)
    energy = x[x > 0].square().sort(descending=True).values
    threshold = energy[len(energy) // 10]
    shares[p] = (energy[energy > threshold].sum() / energy.sum()).item()


# %%
def integral(function, *points):
    """Integral from the first to the last point; those between are where the function has a kink."""
    pieces = zip(points, points[1:])
    return sum(integrate.quad(function, *ends, limit=200, epsabs=1e-11, epsrel=1e-11)[0] for ends in pieces)


sparser = []
for p in shapes:  # the same for 90 % zeros: the largest tenth begins where a hundredth of the law is left
    sigma, quantiles = unit_variance_scale(p), stats.gennorm(p, scale=p ** (1 / p))
    mu = -sigma * quantiles.isf(0.1)
    square = functools.partial(lambda z, mu, sigma, p: z**2 * gn_density(z, mu, sigma, p), mu=mu, sigma=sigma, p=p)
    begin = mu + sigma * quantiles.isf(0.01)
    sparser.append(integral(square, begin, np.inf) / integral(square, 0, np.inf))
print(
    "with 90 % zeros, the share of energy in that tenth: "
    + ",  ".join(f"p = {p:g}: {share:.3f}" for p, share in zip(shapes, sparser))
)

# %% tags=["slide"]
over_p = np.geomspace(0.25, 8, 200)
sigma = unit_variance_scale(torch.tensor(over_p))
fractions = {mu: active_fraction(mu, sigma, over_p) for mu in (0.0, -1.0, -2.0, -3.0)}
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.6))
for (mu, fraction), line in zip(fractions.items(), ("-", "--", "-.", ":")):
    left.plot(over_p, fraction, line, color=COLORS["rectified"])
    left.annotate(f"μ = {mu:g}", (over_p[0], fraction[0]), (-6, 0), textcoords="offset points", ha="right", va="center")
left.set(ylabel="non-zero fraction", yscale="log", ylim=(1e-4, 1), xlim=(0.13, 8.5))
left.set_title("the count: no common direction")
right.plot(over_p, [top_share(p) for p in over_p], color=COLORS["theory"], label="closed form")
right.plot(shares.keys(), shares.values(), "o", color=COLORS["measurement"], label="draws")
right.set(ylabel="share of energy, μ = 0", ylim=(0, 1), title="the largest tenth of the non-zero entries")
right.legend()
for panel in (left, right):
    panel.set(xlabel="shape p", xscale="log")
    panel.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["0.25", "0.5", "1", "2", "4", "8"])
    panel.minorticks_off()
show(
    figure,
    alt="Left: non-zero fraction against p at unit variance for mu = 0, -1, -2, -3: flat at one half for mu = 0, with a "
    "hump near p = 1 for mu = -2. Right: the share of energy in the largest tenth of the non-zero entries falls steadily as "
    "p grows.",
)

# %% [markdown]
# Left: one line for each $\mu$. Both $\mu$ and $p$ change the count, but $p$ has no direction of its own: as $p$ falls,
# the line of $\mu = -1$ falls, that of $\mu = -3$ rises until about $p = 0.5$, and that of $\mu = -2$ first rises and
# then falls. Right, at $\mu = 0$: the largest tenth of the non-zero entries holds more of the energy the smaller $p$
# is. With 90 % zeros the order is the same and the differences are smaller (last output): far out, tails look more
# nearly exponential, and $p = 1$, which is exponential, does not change at all. So choose $p$ for this inequality, and
# then $\mu$ for the count; section 10 shows how.
#
# ## 9 · Two choices of $\sigma$
#
# So far $\sigma$ gave the generalized Gaussian variance one *before* rectification. ReLU then takes some of the
# variance away, more as $\mu$ falls. One may instead choose $\sigma$ so that $x = \max(0, \mu + \sigma t)$ has variance
# one *after* rectification. With $m_k = \int_0^\infty z^k f(z)\,dz$ over the density $f$ of
# $\mathcal{GN}_p(\mu, \sigma)$, that means to solve $m_2 - m_1^2 = 1$ for $\sigma$.
#
# **Prediction.** The second $\sigma$ is larger. For $\mu < 0$ it brings $\mu/\sigma$ nearer to zero, so the *same*
# $\mu$ gives *fewer zeros*; for $\mu > 0$ it gives more. At $\mu = 0$ the count does not depend on $\sigma$ at all.
# With the first $\sigma$, the non-zero entries shrink as $\mu$ falls from 0 if $p = 2$, keep their size if $p = 1$ and
# grow if $p = 0.5$.
#
# ✓ [evidence, section 9](evidence/02_rectified_generalized_gaussian.ipynb)

# %%
print("                 sigma for unit variance      share of zeros")
print("                 before    after              before    after")
for mu, p in [(mu, p) for p in (1.0, 2.0) for mu in (-2.0, -1.0, 0.0, 1.0)]:
    before, after = unit_variance_scale(p), rectified_unit_variance_scale(p, mu)
    zeros = [1 - active_fraction(mu, sigma, p).item() for sigma in (before, after)]
    print(f"p = {p:g}, mu = {mu:2g}:   {before:5.3f}     {after:5.3f}              {zeros[0]:5.3f}     {zeros[1]:5.3f}")

for p in (0.5, 1.0, 2.0):
    sizes = [TruncatedGeneralizedGaussian(mu, unit_variance_scale(p), p).mean.item() for mu in (0.0, -1.0, -2.0)]
    print(f"p = {p:g}, unit variance before: mean of the non-zero entries at mu = 0, -1, -2: ", end="")
    print(", ".join(f"{size:.3f}" for size in sizes))

# %%
mu = torch.linspace(-4, 2, 61)
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.7))
for p, marker in ((1.0, ""), (2.0, "o")):
    look = {"color": P_STYLE[p]["color"], "marker": marker, "markevery": 10, "markersize": 4}
    scales = {"before": unit_variance_scale(p), "after": rectified_unit_variance_scale(torch.tensor(p), mu)}
    for (name, sigma), line in zip(scales.items(), ("-", "--")):
        law = RectifiedGeneralizedGaussian(mu, sigma, p)
        left.plot(mu, law.variance, line, label=f"p = {p:g}, unit variance {name}", **look)
        right.plot(mu, law.prob_active, line, **look)
left.set(xlabel="μ", ylabel="variance of x", title="what is left after rectification", ylim=(0, 1.7))
left.legend(loc="upper left")
right.set(
    xlabel="μ", ylabel="non-zero fraction", yscale="log", ylim=(1e-5, 1.5), title="the choice decides the sparsity"
)
show(
    figure,
    alt="Left: with unit variance before rectification the variance of x falls towards zero as mu falls; with unit variance "
    "after, it is one everywhere. Right: the non-zero fraction falls with mu much faster under the first choice.",
)

# %% [markdown]
# Solid: unit variance before; dashed: after (left, the two dashed lines coincide); the lines with dots are those of
# $p = 2$. With the first choice the variance of $x$ fades as $\mu$ falls, and with it every mean squared distance
# between such vectors: fewer entries are non-zero, and at $p = 2$ these are smaller as well. (At $p = 1$ they keep
# their size: above zero the law is the same exponential for every $\mu \le 0$. At $p = 0.5$ they are larger.) With the
# second choice the variance is kept and the same negative $\mu$ is far less sparse. Neither is wrong; but a value of
# $\mu$ means nothing until one has said which $\sigma$ goes with it. In this series it is the first, as in the post,
# unless said otherwise.
#
# ## 10 · You want 90 % zeros: which $\mu$?
#
# Invert Eq. 12. Let $a$ be the wanted non-zero fraction. For $a < 1/2$ the location is negative, and $1 - P = Q$ gives
# $Q(1/p, |\mu/\sigma|^p / p) = 2a$, hence
#
# $$\mu = -\sigma \left(p\; Q^{-1}\!\left(\tfrac1p,\, 2a\right)\right)^{1/p},$$
#
# where $Q^{-1}(k, q)$ is the $w$ at which $Q(k, w) = q$. At $p = 1$ this is $\mu = \sigma \log(2a)$. For $a > 1/2$ take
# the value for $1 - a$ with the other sign. For unit variance *after* rectification, divide both $\mu$ and $\sigma$ by
# the standard deviation of $x$: their ratio, and with it the count, stays.
#
# Change `ZEROS` and run the cell again.
#
# ✓ [evidence, section 10](evidence/02_rectified_generalized_gaussian.ipynb)

# %%
ZEROS = 0.9  # the wanted share of zeros, between 0 and 1

a, shape = 1 - ZEROS, (256, 512)
generator = torch.Generator().manual_seed(9)
for p in (0.5, 1.0, 2.0):
    sigma = unit_variance_scale(p)
    distance = sigma * (p * special.gammainccinv(1 / p, 2 * min(a, 1 - a))) ** (1 / p)
    mu = -distance if a < 0.5 else distance
    zeros = (sample_rgg(shape, p=p, mu=mu, generator=generator) == 0).double().mean().item()
    error = math.sqrt(a * (1 - a) / math.prod(shape))
    print(f"p = {p:<3}  mu = {mu:6.3f}: {zeros:.1%} zeros in {shape}, standard error {error:.2%}", end="; ")

    # unit variance after rectification: keep the ratio mu / sigma, divide both by the standard deviation that is left
    left_over = RectifiedGeneralizedGaussian(mu, sigma, p).stddev.item()
    print(f"mu = {mu / left_over:6.3f} for unit variance after")

# %% tags=["slide"]
wanted = torch.sigmoid(torch.linspace(-3.9, 5.3, 200))  # shares of zeros, closer together towards 0 and 1
figure, panel = plt.subplots(figsize=(7, 3.6))
for p in (0.5, 1.0, 2.0):
    panel.plot(wanted, mu_for_l0(1 - wanted, p), label=f"p = {p:g}", **P_STYLE[p])
    panel.plot([ZEROS], [mu_for_l0(1 - ZEROS, p)], "o", color=P_STYLE[p]["color"])
panel.axhline(0, color=COLORS["muted"], linewidth=0.8)
panel.axvline(ZEROS, color=COLORS["muted"], linewidth=0.8, label=f"{ZEROS:.0%} zeros, as above")
panel.set(xlabel="wanted share of zeros", ylabel="μ (unit variance before)")
panel.set(xscale="logit", xlim=(0.02, 0.995), ylim=(-4, 2.5))
ticks = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)
panel.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks])
panel.minorticks_off()
panel.legend(loc="lower left")
show(
    figure,
    alt="The location mu that gives a wanted percentage of zeros, for p = 0.5, 1 and 2. All curves pass through zero at 50 "
    "percent and cross again between 95 and 98 percent. Dots mark the share of zeros used above.",
)

# %% [markdown]
# Read it from the horizontal axis up: the wanted share of zeros, and on the curve of your $p$ the $\mu$ that gives it.
# Half of the entries zero always means $\mu = 0$. For more zeros than that, $p = 2$ needs the most negative $\mu$ of
# the three, up to about 95 %; then the curves cross (exercise 02.5), and beyond 98 % it is $p = 0.5$, whose tail is the
# heaviest, that needs the most negative $\mu$. In the lines printed before the figure, compare the two values of $\mu$
# as well: at equal sparsity, unit variance after rectification takes a much more negative one.
#
# In the module this is `mu_for_l0(fraction, p)`, whose argument is the *non-zero* fraction.

# %% [markdown]
# ## 11 · All dials at once
#
# Move $\mu$, $\sigma$ and $p$ yourself, with the sliders or by taking hold of the picture. Above, the density with its atom;
# below, points before (blue) and after (green) rectification, and a direction (the arrow); beside them, what one sees of the
# green points along that direction, $c_1 x_1 + c_2 x_2$ (chapter 03 explains this panel and what its legend calls axes
# and interior). The large number is $\mathbb{E}\lVert\mathbf{x}\rVert_0$ by Eq. 11. Try to keep 90 % zeros while you move $p$;
# then tick *Keep the share of zeros*, and watch $\mu$ do it. (Where no one is there to move a slider, on a printed page for
# example, one picture stands for all.)

# %%
from rlpjepa import explore

explore.target(mu=-1.0, p=1.0)

# %% [markdown]
# ## Exercises
#
# Six exercises, from five minutes to an open question: [exercises](exercises/02_rectified_generalized_gaussian.ipynb).

# %% [markdown] tags=["slide"]
# ## What was shown, what is open
#
# - RGG is a generalized Gaussian passed through ReLU: an atom at zero (Eq. 8) beside an untouched density (Eq. 9),
#   whose normalised form is Eq. 10.
# - The expected number of non-zero entries is $d\,\Phi_p(\mu/\sigma)$ in closed form (Eq. 11 and 12), and it is also
#   the information dimension of the vector. It can be inverted: ask for a sparsity, get a $\mu$.
# - In high dimension practically no vector is without zeros: the mass lies on the faces of the orthant.
# - RGG has maximum entropy at a fixed active fraction and fixed $\mathbb{E}[\,|x-\mu|^p \mid x > 0\,]$, not at a fixed
#   norm about zero.
# - Both $\mu$ and $p$ change the count of zeros: choose $p$ for how unequal the rest shall be, and then $\mu$ for the
#   count. A value of $\mu$ needs its $\sigma$.
#
# All of this is about the *target*. Open at this point: what one sees of it when one looks along a random direction
# (chapter 03), how to pull features towards it (chapter 04), and whether a trained network has as many zeros as Eq. 11
# says (chapter 05).
#
# **Read on.** Y. Kuang, Y. Dagade, T. G. J. Rudner, R. Balestriero, Y. LeCun, *Rectified LpJEPA: Joint-Embedding
# Predictive Architectures with Sparse and Maximum-Entropy Representations*, arXiv:2602.01456 · Y. Kuang, *Rectified
# LpJEPA*, blog post, 30 January 2026 (Eq. 8 to 12) · A. Rényi, *On the dimension and entropy of probability
# distributions*, Acta Mathematica Academiae Scientiarum Hungaricae 10, 1959 · N. D. Socci, D. D. Lee, H. S. Seung, *The
# Rectified Gaussian Distribution*, NIPS 1997 · S. Nadarajah, *A generalized normal distribution*, Journal of Applied
# Statistics 32, 2005 · T. M. Cover, J. A. Thomas, *Elements of Information Theory*, 2nd edition, Wiley 2006 (maximum
# entropy) · X. Glorot, A. Bordes, Y. Bengio, *Deep Sparse Rectifier Neural Networks*, AISTATS 2011.
