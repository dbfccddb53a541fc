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
# # 02 · The Rectified Generalized Gaussian: the evidence
#
# Every claim of [the lesson](../02_rectified_generalized_gaussian.ipynb), with its test and with the proofs that the lesson
# leaves out, and the checks of our formulas against the module. We write $d$ for the number of entries, the lesson's $D$.
#
# A value measured on random draws may differ from its prediction by `LIMIT` = 4 standard errors; a cell that uses this
# limit says how often a *true* statement would fail it by bad luck. (The seeds are fixed, so here the luck is always
# the same.) Where another error is larger than that of the draws, the cell names a fixed tolerance instead.

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
    GeneralizedGaussian,
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

LIMIT = 4  # standard errors


def bad_luck(checks, other_risks=0.0):
    """How rarely true statements fail this many checks at LIMIT standard errors: the sum of the risks, in words."""
    return f"true statements fail here at most 1 time in {1 / (checks * 2 * stats.norm.sf(LIMIT) + other_risks):,.0f}"


# One colour for each shape p in all figures of this chapter, and one kind of line unless this tells something else.
P_STYLE = {
    0.5: {"color": "#CC79A7", "linestyle": "-."},
    1.0: {"color": COLORS["laplace"], "linestyle": "-"},
    2.0: {"color": COLORS["gaussian"], "linestyle": "--"},
    4.0: {"color": "#56B4E9", "linestyle": ":"},
}


# What the tests below share.
def gn_density(z, mu, sigma, p):
    """Density of GN_p(mu, sigma) at z, a number or an array."""
    return p ** (1 - 1 / p) / (2 * sigma * math.gamma(1 / p)) * np.exp(-(np.abs(z - mu) ** p) / (p * sigma**p))


def integral(function, *points):
    """Integral from the first to the last point; those between are where the function has a kink."""
    pieces = zip(points, points[1:])
    return sum(integrate.quad(function, *ends, limit=200, epsabs=1e-11, epsrel=1e-11)[0] for ends in pieces)


def draw_gn(shape, p, generator):
    """Independent draws from GN_p(0, 1), a tensor of the given shape."""
    # torch._standard_gamma is what torch.distributions.Gamma calls; that class itself takes no generator
    size = (p * torch._standard_gamma(torch.full(shape, 1 / p), generator=generator)) ** (1 / p)
    sign = 2 * torch.randint(2, shape, generator=generator) - 1
    return sign * size


def cdf_gn(x, p):
    """Phi_p, the distribution function of GN_p(0, 1); scipy's scale is p ** (1 / p)."""
    return stats.gennorm.cdf(x, p, scale=p ** (1 / p))


def truncated_density(z, mu, sigma, p):
    """Eq. 10 at z > 0."""
    constant = 2 * sigma * math.gamma(1 / p) * p ** (1 / p - 1) * cdf_gn(mu / sigma, p)
    return np.exp(-(np.abs(z - mu) ** p) / (p * sigma**p)) / constant


def active_fraction(mu, sigma, p):
    """P(x > 0) for x ~ RGN_p(mu, sigma) by Eq. 12; tensors or numbers that broadcast."""
    t, p = torch.as_tensor(mu / sigma), torch.as_tensor(p)
    return (1 + t.sign() * torch.special.gammainc(1 / p, t.abs() ** p / p)) / 2


# %% [markdown]
# ## One family of bell curves, from spiky to flat

# %% [markdown]
# ### T6
#
# The density $\frac{p^{1-1/p}}{2\sigma\Gamma(1/p)}\exp\bigl(-\frac{|z-\mu|^p}{p\sigma^p}\bigr)$ of
# $\mathcal{GN}_p(\mu, \sigma)$ integrates to one for all $p, \sigma > 0$, and is that of `scipy.stats.gennorm` with
# `beta` $= p$, `loc` $= \mu$ and `scale` $= \sigma p^{1/p}$.
#
# Forgetting the factor $p^{1/p}$ is an easy mistake that nobody notices at $p = 1$. The control makes it.

# %% tags=["claim-T6"]
mu, sigma, z = 0.7, 1.3, np.linspace(-6, 6, 241)
for p in (0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0):
    mass = integral(functools.partial(gn_density, mu=mu, sigma=sigma, p=p), -np.inf, mu, np.inf)
    ours = gn_density(z, mu, sigma, p)
    scipys = stats.gennorm.pdf(z, p, loc=mu, scale=sigma * p ** (1 / p))
    modules = GeneralizedGaussian(mu, sigma, p).log_prob(torch.tensor(z)).exp().numpy()
    print(f"p = {p:<4}  mass {mass:.6f}")
    assert abs(mass - 1) < 1e-8
    assert np.allclose(ours, scipys, rtol=1e-9, atol=1e-300) and np.allclose(ours, modules, rtol=1e-9, atol=1e-300)
    forgotten = stats.gennorm.pdf(z, p, loc=mu, scale=sigma)  # the control: without the factor p ** (1 / p)
    assert np.allclose(ours, forgotten, rtol=1e-9) == (p == 1.0)  # at p = 1 nobody notices
print("all equal to one (tolerance 1e-8); densities equal to scipy's and to the module's (relative 1e-9)")

# %% [markdown]
# ### Drawing from it
#
# Why is $G = |t|^p/p$ a Gamma variable? For $t > 0$ substitute $t = (pG)^{1/p}$, so $dt = (pG)^{1/p-1}\,dG$: the density
# $e^{-|t|^p/p}$ becomes $G^{1/p-1}e^{-G}$ up to a constant, the Gamma density of shape $1/p$. The
# same substitution gives the constant of T6, since $\int e^{-|t|^p/p}\,dt = 2\,p^{1/p-1}\,\Gamma(1/p)$, and the variance of
# T9, since $\mathbb{E}t^2 = p^{2/p}\,\mathbb{E}\,G^{2/p} = p^{2/p}\,\Gamma(3/p)/\Gamma(1/p)$. So `draw_gn`, the lesson's
# `sample_gn` with a generator, draws a Gamma variable and a coin. The module uses a relative of it that needs no coin: $V
# (p\,G')^{1/p}$ with $V$ uniform on $(-1, 1)$ and $G' \sim \mathrm{Gamma}(1 + 1/p)$. **Prediction.** Both give the same
# distribution, scipy's. A Kolmogorov-Smirnov test (KS) compares the distribution function of the draws with scipy's;
# its p-value is uniform on $[0, 1]$ if the two distributions agree and near 0 if they do not. So all of the p-values
# below should exceed a small level, here 0.001.

# %%
n, generator = 20_000, torch.Generator().manual_seed(1)
p_values = []
for p in (0.25, 0.5, 1.0, 2.0, 4.0):
    dist = stats.gennorm(p, scale=p ** (1 / p))
    p_values.append(stats.kstest(draw_gn((n,), p, generator).numpy(), dist.cdf).pvalue)
    with torch.random.fork_rng():  # like torch's own distributions, the module's draw from the global generator
        torch.manual_seed(1)
        p_values.append(stats.kstest(GeneralizedGaussian(0.0, 1.0, p).sample((n,)).numpy(), dist.cdf).pvalue)

level = 1e-3
print(f"all {len(p_values)} p-values above {level}: {min(p_values) > level}")
print(bad_luck(0, other_risks=level * len(p_values)))
assert min(p_values) > level

# %% [markdown]
# ### One variance for all shapes

# %% [markdown]
# ### T9
#
# With $\sigma = \Gamma(1/p)^{1/2} / \bigl(p^{1/p}\,\Gamma(3/p)^{1/2}\bigr)$ the distribution
# $\mathcal{GN}_p(\mu, \sigma)$ has variance one for every $p > 0$ and every $\mu$, before rectification.

# %% tags=["claim-T9"]
n, mu, generator = 400_000, 0.7, torch.Generator().manual_seed(2)
shapes = (0.5, 0.75, 1.0, 2.0, 4.0)


def variance_gn(mu, sigma, p):
    return integral(lambda z: (z - mu) ** 2 * gn_density(z, mu, sigma, p), -np.inf, mu, np.inf)


for p in shapes:
    sigma = math.sqrt(math.gamma(1 / p) / math.gamma(3 / p)) / p ** (1 / p)
    by_integral = variance_gn(mu, sigma, p)
    squares = (sigma * draw_gn((n,), p, generator)) ** 2
    error = (squares.std() / math.sqrt(n)).item()
    print(f"p = {p:<4}  sigma {sigma:.3f}, variance {by_integral:.6f} (tolerance 1e-7), ", end="")
    print(f"of the draws {squares.mean():.2f}, standard error {error:.3f}")
    assert math.isclose(sigma, unit_variance_scale(p), rel_tol=1e-12)  # the module's function
    assert abs(by_integral - 1) < 1e-7 and abs(squares.mean() - 1) < LIMIT * error
    assert p == 2.0 or abs(variance_gn(mu, 1.0, p) - 1) > 0.1  # the control: scale 1 does it for the Gaussian alone
assert math.isclose(unit_variance_scale(2), 1) and math.isclose(unit_variance_scale(1), math.sqrt(0.5))
print(bad_luck(len(shapes)))

# %% [markdown]
# ## Cutting makes the zeros
#
# The shares of the points in the plane, against 1/4, 1/2 and 1/4.

# %%
n, d, generator = 100_000, 2, torch.Generator().manual_seed(3)
before = unit_variance_scale(2) * draw_gn((n, d), 2.0, generator)  # (n, 2)
after = before.relu()
active = (after > 0).sum(dim=1)  # non-zero entries of each point: 0, 1 or 2
for count, (name, expected) in enumerate((("on the origin", 1 / 4), ("on an axis", 1 / 2), ("in the interior", 1 / 4))):
    share = (active == count).double().mean().item()
    error = math.sqrt(expected * (1 - expected) / n)
    print(f"{name:16} expected {expected:.3f}, measured {share:.3f}, standard error {error:.4f}")
    assert abs(share - expected) < LIMIT * error
print(bad_luck(3))

# %% [markdown]
# ## One entry is a spike and a curve
#
# **Prediction.** The module's `log_prob` gives Eq. 8 and 9 for the rectified distribution and Eq. 10 for the truncated
# one.

# %%
settings = [(mu, p) for p in (1.0, 2.0) for mu in (-1.0, 0.0, 1.0)]
z = np.linspace(0.01, 6, 200)
for mu, p in settings:
    sigma = unit_variance_scale(p)
    rectified, truncated = (kind(mu, sigma, p) for kind in (RectifiedGeneralizedGaussian, TruncatedGeneralizedGaussian))
    assert math.isclose(rectified.log_prob(torch.tensor(0.0)).exp(), cdf_gn(-mu / sigma, p), rel_tol=1e-9)
    assert np.allclose(rectified.log_prob(torch.tensor(z)).exp(), gn_density(z, mu, sigma, p), rtol=1e-9, atol=0)
    assert np.allclose(truncated.log_prob(torch.tensor(z)).exp(), truncated_density(z, mu, sigma, p), rtol=1e-9, atol=0)
print(f"Eq. 8, 9 and 10 equal the module's log_prob for {len(settings)} pairs of mu and p (relative 1e-9)")

# %% [markdown]
# ### T10
#
# For $x \sim \mathcal{GN}_p(\mu, \sigma)$ the distribution of $\max(0, x)$ is an atom at $0$ of mass
# $\Phi_p(-\mu/\sigma)$ and, with the remaining mass $\Phi_p(\mu/\sigma)$, the truncated distribution of Eq. 10, whose
# normalising constant is $2\sigma\,\Gamma(1/p)\,p^{1/p-1}\,\Phi_p(\mu/\sigma)$. Here $\Phi_p$ is the distribution
# function of $\mathcal{GN}_p(0, 1)$, that is `gennorm.cdf(x, p, scale=p**(1/p))`, which is the normal one when $p = 2$
# and at no other $p$.

# %% tags=["claim-T10"]
n, level, draws = 100_000, 1e-3, {}
for seed, (mu, p) in enumerate(settings):
    sigma = unit_variance_scale(p)
    atom, rest = cdf_gn(-mu / sigma, p), cdf_gn(mu / sigma, p)
    truncated_mass = integral(functools.partial(truncated_density, mu=mu, sigma=sigma, p=p), 0, max(mu, 0), np.inf)
    whole = atom + integral(functools.partial(gn_density, mu=mu, sigma=sigma, p=p), 0, max(mu, 0), np.inf)
    assert abs(truncated_mass - 1) < 1e-9 and abs(whole - 1) < 1e-9

    x = (mu + sigma * draw_gn((n,), p, torch.Generator().manual_seed(seed))).relu()
    zeros, error = (x == 0).double().mean().item(), math.sqrt(atom * rest / n)
    uniform = (cdf_gn((x[x > 0].numpy() - mu) / sigma, p) - atom) / rest  # Eq. 10's distribution function at the draws
    print(f"p = {p:g}, mu = {mu:2g}: atom {atom:.3f}, share of zeros {zeros:.3f}, standard error {error:.4f}")
    assert abs(zeros - atom) < LIMIT * error and stats.kstest(uniform, "uniform").pvalue > level
    draws[mu, p] = x
print("Eq. 10 integrates to one, and so do the atom and Eq. 9 together (tolerance 1e-9)")
print(f"non-zero draws follow Eq. 10; {bad_luck(len(settings), other_risks=level * len(settings))}")

right, wrong = cdf_gn(-1 / unit_variance_scale(1), 1.0), stats.norm.cdf(-1 / unit_variance_scale(1))
print(f"P(x > 0) at p = 1, mu = -1: {right:.3f}; by the normal distribution function {wrong:.3f}, which is wrong")
assert abs((draws[-1.0, 1.0] > 0).double().mean() - wrong) > 10 * math.sqrt(wrong / n)
assert all(math.isclose(cdf_gn(t, 2.0), stats.norm.cdf(t)) for t in (-2, -1, 0.5, 3))

# %% [markdown]
# ## The number of non-zero entries is known beforehand
#
# The lesson's `active_fraction`, which is Eq. 12, against the module.

# %%
mu, p = torch.linspace(-3, 3, 25).unsqueeze(1), torch.tensor([0.25, 0.5, 1.0, 2.0, 8.0])  # broadcast to (25, 5)
ours, modules = active_fraction(mu, 1.3, p), RectifiedGeneralizedGaussian(mu, 1.3, p).prob_active
agree = torch.allclose(ours, modules, rtol=0, atol=1e-12)
print(f"{ours.numel()} pairs of mu and p: equal to the module's prob_active within 1e-12: {agree}")
assert agree

# %% [markdown]
# ### T12
#
# A vector of $d$ independent $\mathcal{RGN}_p(\mu, \sigma)$ variables has $\mathbb{E}\|\mathbf{x}\|_0 =
# d\,\Phi_p(\mu/\sigma) = \frac{d}{2}\bigl(1 + \operatorname{sgn}(\mu)\,P(\tfrac{1}{p},
# \tfrac{1}{p}|\mu/\sigma|^p)\bigr)$ non-zero entries on average, with $\Phi_p$ the distribution function of
# $\mathcal{GN}_p(0, 1)$ and $P(\cdot, \cdot)$ the regularised lower incomplete gamma function.
#
# **Prediction.** Draw vectors and count: over a grid of $\mu$, $\sigma$ and $p$, the mean count agrees with Eq. 12
# within its standard error. What does that mean for a whole grid? Many settings $(\mu, \sigma, p)$ are many chances to
# be unlucky, so the limit must be chosen for the whole grid and not for one setting; the code below prints what 3
# standard errors would mean. It also looks at the sum of the squared deviations, each in units of its standard error.
# That sum follows the $\chi^2$ distribution with one degree of freedom per setting, and would be too large if every
# setting were a little wrong.

# %% tags=["claim-T12"]
n, d, level = 1024, 256, 1e-3
grid_settings = [(mu, sigma, p) for p in P_STYLE for sigma in (0.5, 1.0, 2.0) for mu in (-1.0, -0.5, 0.0, 0.5, 1.0)]
generator = torch.Generator().manual_seed(4)
counts, deviations = [], []
for mu, sigma, p in grid_settings:
    x = (mu + sigma * draw_gn((n, d), p, generator)).relu()  # (n, d)
    fraction = active_fraction(mu, sigma, p).item()
    counts.append((x > 0).sum(dim=1).double().mean().item())  # the mean of ||x||_0
    error = math.sqrt(d * fraction * (1 - fraction) / n)  # ||x||_0 is binomial
    deviations.append((counts[-1] - d * fraction) / error)

deviations = np.array(deviations)
p_value = stats.chi2.sf((deviations**2).sum(), len(grid_settings))
print(f"{len(grid_settings)} settings, all within {LIMIT} standard errors: {np.abs(deviations).max() < LIMIT}")
print(f"sum of squares, p-value above {level}: {p_value > level}")
print(f"whole grid: {bad_luck(len(grid_settings), other_risks=level)}; ", end="")
print(f"at 3 standard errors it would be 1 time in {1 / (1 - (1 - 2 * stats.norm.sf(3)) ** len(grid_settings)):.0f}")
print(f"settings beyond 3 standard errors: {(np.abs(deviations) > 3).sum()}")
assert np.abs(deviations).max() < LIMIT and p_value > level

# The control: the normal distribution function in place of Phi_p. It is right at p = 2 and must fail at every other p.
for shape in P_STYLE:
    rows = [i for i, (mu, _, p) in enumerate(grid_settings) if p == shape and mu != 0]
    normal = np.array([stats.norm.cdf(grid_settings[i][0] / grid_settings[i][1]) for i in rows])
    wrong = (np.array(counts)[rows] - d * normal) / np.sqrt(d * normal * (1 - normal) / n)
    assert (np.abs(wrong).max() < LIMIT) == (shape == 2.0)
print("with the normal distribution function instead: right at p = 2, wrong at every other p")

# %%
figure, panel = plt.subplots(figsize=(6, 3.6))
for (p, line), marker in zip(P_STYLE.items(), "osD^"):
    rows = [i for i, setting in enumerate(grid_settings) if setting[2] == p]
    panel.plot(rows, deviations[rows], marker, color=line["color"], ms=4, label=f"p = {p:g}")
panel.axhspan(-LIMIT, LIMIT, color=COLORS["muted"], alpha=0.2, linewidth=0)
panel.axhline(0, color=COLORS["theory"], linewidth=0.8)
panel.set(xlabel="number of the setting", ylabel="deviation / standard error", ylim=(-5, 5))
panel.set_title("Deviation of every setting (μ, σ, p)")
panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
show(
    figure,
    alt="The deviations of the sixty settings scatter about zero inside a band of four standard errors.",
)

# %% [markdown]
# The same data, as deviations from Eq. 12. They look like noise, and none leaves the band. One of the sixty lies beyond
# 3 standard errors: by the output above, true statements do that in one grid out of seven.

# %% [markdown]
# The same for the module: `sample_rgg`, in the size of one training batch, against `expected_l0`.

# %%
x = sample_rgg((256, 512), p=1.0, mu=-1.0, generator=torch.Generator().manual_seed(4))  # (n, d)
expected = RectifiedGeneralizedGaussian(-1.0, unit_variance_scale(1.0), 1.0).expected_l0(512).item()
measured, error = (x > 0).sum(dim=1).double().mean().item(), math.sqrt(expected * (1 - expected / 512) / 256)
print(f"non-zero entries of 512: expected {expected:.1f}; mean of 256 vectors {measured:.1f}, ", end="")
print(f"standard error {error:.1f}")
print(bad_luck(1))
assert abs(measured - expected) < LIMIT * error

# %% [markdown]
# ## In many dimensions practically every vector has a zero

# %% [markdown]
# ### T11
#
# All $d$ coordinates of a vector of independent $\mathcal{RGN}_p(\mu, \sigma)$ variables are positive with probability
# $\Phi_p(\mu/\sigma)^d$, where $\Phi_p$ is the distribution function of $\mathcal{GN}_p(0, 1)$: the logarithm of this
# probability falls linearly in $d$.

# %% tags=["claim-T11"]
n, p, dims = 2**17, 1.0, np.arange(1, 21)
generator = torch.Generator().manual_seed(5)
checks = 0
for mu in (-0.5, 0.0, 0.5, 1.0):
    x = sample_rgg((n, len(dims)), p=p, mu=mu, generator=generator)
    # entry d - 1: the share of the n vectors whose first d coordinates are all positive
    share = (x > 0).cumprod(dim=1).double().mean(dim=0).numpy()
    fraction = active_fraction(mu, unit_variance_scale(p), p).item()
    enough = n * fraction**dims >= 100  # where the count is large enough for a normal approximation
    error = np.sqrt(fraction**dims * (1 - fraction**dims) / n)
    slope = np.polyfit(dims[enough], np.log(share[enough]), 1)[0]
    print(f"mu = {mu:4}: slope {slope:.2f} for log P(x > 0) = {math.log(fraction):.2f} (tolerance 5 %); ", end="")
    print(f"in d = 512 the formula gives 10^{512 * math.log10(fraction):.0f}")
    assert (np.abs(share - fraction**dims) < LIMIT * error)[enough].all()
    assert abs(slope / math.log(fraction) - 1) < 0.05
    checks = checks + enough.sum()
print(f"{checks} shares within {LIMIT} standard errors; {bad_luck(checks)}")


# %% [markdown]
# ## The share of non-zeros is also a dimension

# %% [markdown]
# ### T13
#
# Let $a = \Phi_p(\mu/\sigma)$ be the probability that $\xi \sim \mathcal{RGN}_p(\mu, \sigma)$ is positive. Rounded to
# a grid of width $\varepsilon$, $\xi$ has a Shannon entropy of $a\log(1/\varepsilon) + h + o(1)$ nats: the slope $a$
# is its Rényi information dimension, and $h = a\,H_1(\mathcal{TGN}_p(\mu, \sigma)) + H_0(\mathrm{Bernoulli}(a))$, with
# differential entropy $H_1$ and Shannon entropy $H_0$, its $d(\xi)$-dimensional entropy. For $D$ independent
# coordinates both are multiplied by $D$.
#
# **Why.** Let $f$ be the density of Eq. 10, and round up to the next multiple of $\varepsilon$. Then zero has a cell of its own,
# with probability $1 - a$. Each further cell has the probability $a f(z_k)\,\varepsilon$, with a point $z_k$ in the cell, and
# $\sum_k f(z_k)\,\varepsilon = 1$ exactly. So the entropy is
#
# $$\begin{aligned} & -(1-a)\log(1-a) - \sum_k a f(z_k)\,\varepsilon\,\log\bigl(a f(z_k)\,\varepsilon\bigr) \\
# ={} & \underbrace{-(1-a)\log(1-a) - a\log a}_{\text{zero or not: } H_0(\mathrm{Bernoulli}(a))} +
# a\log\frac1\varepsilon - a\sum_k f(z_k)\,\varepsilon\,\log f(z_k). \end{aligned}$$
#
# The last sum is a Riemann sum, and with its minus sign it tends to $H_1 = -\int f\log f$, which says how far the non-zero
# entries are spread: $f$ is bounded and continuous, and falls on its way out so fast that the far cells do not count. If the
# coordinates are independent, so are the rounded ones, and their entropies add up. A variable with a density has $a = 1$ and
# dimension 1, a constant has dimension 0, and RGG is in between.
#
# Do not make the grid much finer than here. Once nearly every non-zero draw is alone in its cell, the measured entropy
# stops growing: at $\log n$ without an atom, and at $a \log n - (1-a)\log(1-a)$ with one, whose zeros share a cell.


# %%
def grid_entropy(x, width):
    """Shannon entropy in nats of the rows of x, shape (n, d) with d <= 2, rounded up to multiples of width.

    Rounding up leaves exact zeros a cell of their own; other ways of rounding have the same limit.
    """
    cell = torch.ceil(x / width).long()
    counts = torch.unique(cell[:, 0] + 2**30 * cell[:, -1], return_counts=True)[1]
    share = counts / len(x)
    return -(share * share.log()).sum().item()


def fit_line(x, widths):
    """Entropies on grids of these widths, and their slope and intercept against log(1 / width)."""
    entropies = np.array([grid_entropy(x, width) for width in widths])
    return entropies, *np.polyfit(-np.log(widths), entropies, 1)


def entropy_by_hand(mu, sigma, p):
    """a H_1(TGN) + H_0(Bernoulli(a)), the first by integrating -f log f for Eq. 10."""

    def surprise(z):
        f = truncated_density(z, mu, sigma, p)
        return -special.xlogy(f, f)

    a = active_fraction(mu, sigma, p).item()
    return a * integral(surprise, 0, max(mu, 0), np.inf) + stats.bernoulli(a).entropy()


# %% tags=["claim-T13"]
n, widths = 2**19, 2.0 ** -np.arange(2, 8)
generator = torch.Generator().manual_seed(6)
for mu, p in ((1.0, 1.0), (0.0, 2.0), (-1.0, 1.0)):
    sigma = unit_variance_scale(p)
    a, h = active_fraction(mu, sigma, p).item(), entropy_by_hand(mu, sigma, p)
    x = (mu + sigma * draw_gn((n, 2), p, generator)).relu()  # (n, d) with d = 2
    entropies, slope, intercept = fit_line(x[:, :1], widths)
    pairs = np.array([grid_entropy(x, width) for width in widths[:3]])
    print(f"p = {p:g}, mu = {mu:2g}: a = {a:.3f}, slope {slope:.3f}; h = {h:.3f}, intercept {intercept:.3f};", end=" ")
    print(f"a pair over one coordinate: {', '.join(f'{ratio:.2f}' for ratio in pairs / entropies[:3])}")
    assert abs(slope - a) < 0.01 and abs(intercept - h) < 0.02 and np.allclose(pairs, 2 * entropies[:3], rtol=0.01)

    dist = RectifiedGeneralizedGaussian(mu, sigma, p)  # the module agrees
    assert math.isclose(dist.prob_active, a, rel_tol=1e-9) and math.isclose(dist.entropy(), h, abs_tol=1e-7)

entropies, slope, intercept = fit_line(draw_gn((n, 1), 2.0, generator), widths)  # the Gaussian, not rectified
h = (1 + math.log(2 * math.pi)) / 2
print(f"not rectified:    slope {slope:.3f};  H_1 = {h:.3f}, intercept {intercept:.3f}")
assert abs(slope - 1) < 0.01 and abs(intercept - h) < 0.02
print(f"standard errors: slope at most {1 / math.sqrt(4 * n):.4f}, intercept about {1 / math.sqrt(n):.4f}; tolerances")
print("(slope 0.01, intercept 0.02, ratio 1 %) are wider, since the grids are not infinitely fine")

# %% [markdown]
# ## RGG has maximum entropy, under the right constraint

# %% [markdown]
# ### T14
#
# The truncated distribution of Eq. 10 has the largest differential entropy among the distributions on $(0, \infty)$
# with the same $\mathbb{E}|z - \mu|^p$. $\mathcal{RGN}_p(\mu, \sigma)$ has the largest $d(\xi)$-dimensional entropy
# among the mixtures of an atom at $0$ and a density on $(0, \infty)$ with the same $P(x > 0)$ and the same
# $\mathbb{E}[|x - \mu|^p \mid x > 0]$.
#
# **Why.** Let $g$ be the density of Eq. 10, and $f$ another one on $(0, \infty)$ with the same $\mathbb{E}|z-\mu|^p$. By Gibbs'
# inequality $\int f \log (f/g) \ge 0$, with equality only for $f = g$. So
#
# $$-\int f \log f \;\le\; -\int f \log g \;=\; \log Z + \frac{\mathbb{E}_f|z-\mu|^p}{p\,\sigma^p}
# \;=\; \underbrace{-\int g \log g}_{\text{same expectation}} .$$
#
# The second statement follows: by T13's computation a mixture has $h = a\,H_1 + H_0(\mathrm{Bernoulli}(a))$, where the share $a$ is
# fixed. So the largest $H_1$ gives the largest $h$.
#
# The post speaks of a fixed expected $\ell_p$ norm. It must be the $p$-th power, and it must be measured from $\mu$. If
# $\mathbb{E}z^2$ is fixed instead, the same lines with $\mu = 0$ show that half of a Gaussian has the largest entropy: the
# counterexample below.

# %%
# A distribution on (0, inf) is an array: its density on a grid that is even in log z. Sums over the grid are integrals.
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
    """Of the distributions family(s), s > 0, the one with E|z - mu|^p = value."""
    log_s = optimize.brentq(lambda log_s: moment(family(math.exp(log_s)), mu, p) - value, -4, 4)
    return family(math.exp(log_s))


def sweep_shape(mu, p, shapes):
    """H_1 of the truncated distributions of these shapes, about the same mu and with the E|z - mu|^p of TGN_p(mu, 1)."""
    value = moment(truncated_law(mu, 1.0, p), mu, p)
    competitors = [matched(lambda s, q=q: truncated_law(mu, s, q), mu, p, value) for q in shapes]
    return np.array([differential_entropy(f) for f in competitors])


# %% tags=["claim-T14"]
families = {
    "uniform": lambda s: normalized(np.where(z < s, 0.0, -np.inf)),
    "Rayleigh": lambda s: normalized(np.log(z) - z**2 / (2 * s**2)),
    "log-normal": lambda s: normalized(-np.log(z) - np.log(z / s) ** 2 / 2),
    "half-normal": lambda s: normalized(-(z**2) / (2 * s**2)),
}
shapes, sweeps = np.sort(np.append(np.geomspace(0.4, 8, 20), [1.0, 2.0])), {}
for mu, p in ((-1.0, 1.0), (-1.0, 2.0), (1.0, 2.0)):
    best = TruncatedGeneralizedGaussian(mu, 1.0, p).entropy().item()
    sweeps[mu, p] = sweep_shape(mu, p, shapes) - best
    print(f"same E|z - mu|^p for p = {p:g}, mu = {mu:2g}: best shape q = {shapes[sweeps[mu, p].argmax()]:g}")
    assert shapes[sweeps[mu, p].argmax()] == p and sweeps[mu, p].max() < 1e-4  # the error of the grid

dist, whole = (kind(-1.0, 1.0, 2.0) for kind in (TruncatedGeneralizedGaussian, RectifiedGeneralizedGaussian))
a, value = whole.prob_active.item(), moment(truncated_law(-1.0, 1.0, 2.0), -1.0, 2.0)
print(f"p = 2, mu = -1:  {'truncated':11} H_1 {dist.entropy():.3f}, RGG with its atom       h {whole.entropy():.3f}")
for name, family in families.items():
    h1 = differential_entropy(matched(family, -1.0, 2.0, value))
    h = a * h1 + stats.bernoulli(a).entropy()
    print(f"                 {name:11} H_1 {h1:.3f}, mixed with the same atom h {h:.3f}")
    assert h1 < dist.entropy() - 1e-3 and h < whole.entropy() - 1e-4

second_moment = (dist.variance + dist.mean**2).item()
half_normal = (1 + math.log(math.pi / 2 * second_moment)) / 2  # its entropy in closed form
print(f"counterexample, where E z^2 = {second_moment:.3f} is the same instead: ", end="")
print(f"truncated H_1 {dist.entropy():.4f}, half-normal (of another scale than above) H_1 {half_normal:.4f}")
assert round(dist.entropy().item(), 4) == 0.3405 and round(half_normal, 4) == 0.3534


# %% [markdown]
# The first of the two statements, as a picture: competitors of other shapes $q$, about the same $\mu$ and with the same
# $\mathbb{E}|z-\mu|^p$. Each curve touches zero where the competitor's shape is that of the constraint, and only there.

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(6, 3.4))
for ((mu, p), values), line in zip(sweeps.items(), ("-", "--", ":")):
    panel.plot(shapes, values, line, color=P_STYLE[p]["color"], label=f"p = {p:g}, μ = {mu:g}")
    panel.plot([p], [0], "o", color=P_STYLE[p]["color"])
panel.set(xlabel="shape q of the competitor", ylabel="entropy − that of Eq. 10", xscale="log", ylim=(-0.3, 0.03))
panel.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
panel.minorticks_off()
panel.set_title("The best shape is that of the constraint")
panel.legend(loc="lower center")
show(
    figure,
    alt="Entropy of truncated distributions of shape q minus that of Eq. 10, for three constraints: each curve touches zero "
    "at q = p and is negative elsewhere.",
)

# %% [markdown]
# And now truncated Gaussians with other centres $m$ as competitors, at $p = 2$ and $\mu = -1$. Each has the scale at which
# $\mathbb{E}(z - c)^2$ is that of Eq. 10. Measured from $c = \mu = -1$, Eq. 10 itself should win ($m = -1$). Measured from $c = 0$,
# half of a Gaussian should win ($m = 0$).


# %%
def sweep_location(center, locations):
    """H_1 of truncated Gaussians at these locations, with the E(z - center)^2 of TGN_2(-1, 1)."""
    value = moment(truncated_law(-1.0, 1.0, 2.0), center, 2.0)
    competitors = [matched(lambda s, m=m: truncated_law(m, s, 2.0), center, 2.0, value) for m in locations]
    return np.array([differential_entropy(f) for f in competitors])


locations = np.linspace(-2.5, 0.5, 49)
by_center = {center: sweep_location(center, locations) for center in (-1.0, 0.0)}
for name, (center, values) in zip(("E(z + 1)^2", "E z^2"), by_center.items()):
    print(f"{name} fixed: largest entropy {values.max():.4f} at location {locations[values.argmax()]:g}")
    assert locations[values.argmax()] == center

# %% [markdown]
# ## A smaller p need not be sparser

# %% [markdown]
# ### T15
#
# A smaller $p$ does not mean more zeros: $\mathcal{GN}_p$ has no exact zeros for any $p$, and rectified at $\mu = -2$
# from unit variance it has $P(x > 0) = 0.0228$ at $p = 2$, $0.0296$ at $p = 1$ and $0.0263$ at $p = 1/2$, which is not
# monotone. The effect of $p$ is on how unequal the non-zero entries are: at $\mu = 0$, where half of the entries are
# non-zero for every $p$, a smaller $p$ leaves a larger share of the energy $\sum_i x_i^2$ to the few largest.
#
# The share has a closed form at $\mu = 0$. The largest tenth of the non-zero entries begins at a quantile $w$ of the Gamma
# variable $|t|^p / p$, and weighting its density by $t^2$ raises its shape from $1/p$ to $3/p$: the share is $Q(3/p, w)$
# with $Q = 1 - P$ and $Q(1/p, w) = 1/10$. With 90 % zeros the order is the same and the differences are smaller (last
# output): far out, tails look more nearly exponential, and $p = 1$, which is exponential, does not change at all.

# %% tags=["claim-T15"]
n, generator, shapes = 400_000, torch.Generator().manual_seed(7), (0.5, 1.0, 2.0, 4.0)
zeros = sum((draw_gn((n,), p, generator) == 0).sum().item() for p in shapes)
at_minus_2 = {p: active_fraction(-2.0, unit_variance_scale(p), p).item() for p in shapes}
print(f"exact zeros in {n:,} draws before rectification, for each of p = {shapes}: {zeros}")
print("P(x > 0) at mu = -2:  " + ",  ".join(f"p = {p:g}: {value:.4f}" for p, value in at_minus_2.items()))
assert zeros == 0
assert [round(at_minus_2[p], 4) for p in (2.0, 1.0, 0.5)] == [0.0228, 0.0296, 0.0263]  # up, then down


def top_share(p, top=0.1):
    """Share of the energy in the largest `top` of the non-zero entries, at mu = 0."""
    return special.gammaincc(3 / p, special.gammainccinv(1 / p, top))


for p in shapes:
    x = sample_rgg((n,), p=p, mu=0.0, generator=generator)
    energy = x[x > 0].square().sort(descending=True).values
    threshold = energy[len(energy) // 10]
    share = (energy[energy > threshold].sum() / energy.sum()).item()
    # of a ratio of sums with a threshold that is itself measured, by linearisation
    error = ((energy - threshold).relu() - share * energy).std() / energy.mean() / math.sqrt(len(energy))
    print(f"p = {p:g}: the largest tenth has {top_share(p):.3f} of the energy, measured {share:.2f}, ", end="")
    print(f"standard error {error:.4f}")
    assert abs(share - top_share(p)) < LIMIT * error
print(bad_luck(len(shapes)))

sparser = []
for p in shapes:  # the same for 90 % zeros: the largest tenth begins where a hundredth of the distribution is left
    sigma, quantiles = unit_variance_scale(p), stats.gennorm(p, scale=p ** (1 / p))
    mu = -sigma * quantiles.isf(0.1)
    square = functools.partial(lambda z, mu, sigma, p: z**2 * gn_density(z, mu, sigma, p), mu=mu, sigma=sigma, p=p)
    begin = mu + sigma * quantiles.isf(0.01)
    sparser.append(integral(square, begin, np.inf) / integral(square, 0, np.inf))
print(
    "with 90 % zeros, the share of energy in that tenth: "
    + ",  ".join(f"p = {p:g}: {share:.3f}" for p, share in zip(shapes, sparser))
)
assert sparser == sorted(sparser, reverse=True) and math.isclose(sparser[1], top_share(1.0), rel_tol=1e-6)

over_p = np.geomspace(0.25, 8, 200)
assert (np.diff([top_share(p) for p in over_p]) < 0).all(), "the share should fall as p grows"


# %% [markdown]
# ## Unit variance before or after the cut
#
# With $m_k = \int_0^\infty z^k f(z)\,dz$ over the density $f$ of $\mathcal{GN}_p(\mu, \sigma)$, unit variance after
# rectification means to solve $m_2 - m_1^2 = 1$ for $\sigma$. We do it by a search and by the module. Then come the variance
# of draws, and the size of the non-zero entries: at unit variance before, they shrink as $\mu$ falls if $p = 2$, keep
# their size if $p = 1$, and grow if $p = 0.5$.


# %%
def rectified_variance(sigma, mu, p):
    """Variance of RGN_p(mu, sigma) by quadrature."""
    m1, m2 = (integral(lambda z, k=k: z**k * gn_density(z, mu, sigma, p), 0, max(mu, 0), np.inf) for k in (1, 2))
    return m2 - m1**2


print("                 sigma for unit variance      share of zeros")
print("                 before    after              before    after")
for mu, p in [(mu, p) for p in (1.0, 2.0) for mu in (-2.0, -1.0, 0.0, 1.0)]:
    before = unit_variance_scale(p)
    after = optimize.brentq(lambda s, mu, p: rectified_variance(s, mu, p) - 1, 0.5, 20, args=(mu, p))
    zeros = [1 - active_fraction(mu, sigma, p).item() for sigma in (before, after)]
    print(f"p = {p:g}, mu = {mu:2g}:   {before:5.3f}     {after:5.3f}              {zeros[0]:5.3f}     {zeros[1]:5.3f}")
    assert math.isclose(after, rectified_unit_variance_scale(p, mu), rel_tol=1e-7)  # the module's function
    assert after > before and np.sign(zeros[1] - zeros[0]) == np.sign(mu)

n, p, mu = 400_000, 1.0, -2.0
for name, sigma in (("before", unit_variance_scale(p)), ("after", rectified_unit_variance_scale(p, mu))):
    x = sample_rgg((n,), p=p, mu=mu, sigma=sigma, generator=torch.Generator().manual_seed(8))
    expected = rectified_variance(sigma, mu, p)
    error = ((x - x.mean()).square().std() / math.sqrt(n)).item()
    print(f"p = 1, mu = -2, unit variance {name}: Var(x) = {expected:.3f}, ", end="")
    print(f"measured {x.var():.3f}, standard error {error:.4f}")
    assert abs(x.var().item() - expected) < LIMIT * error
print(bad_luck(2))

for p in (0.5, 1.0, 2.0):
    sizes = [TruncatedGeneralizedGaussian(mu, unit_variance_scale(p), p).mean.item() for mu in (0.0, -1.0, -2.0)]
    print(f"p = {p:g}, unit variance before: mean of the non-zero entries at mu = 0, -1, -2: ", end="")
    print(", ".join(f"{size:.3f}" for size in sizes))
    assert np.allclose(sizes, sizes[0]) if p == 1 else sizes == sorted(sizes, reverse=p > 1)

# %% [markdown]
# ## The location for a wanted share
#
# Which $\mu$ leaves the share $a$ of the entries non-zero? Turn Eq. 12 around. For $a < \frac12$ the location $\mu$ is negative, and the
# two tails of the bell curve together have probability $2a$. So
#
# $$\mu = -\sigma \left(p\; Q^{-1}\!\left(\tfrac1p,\, 2a\right)\right)^{1/p},$$
#
# where $Q^{-1}(k, q)$ is the number that a Gamma variable of shape $k$ exceeds with probability $q$. At $p = 1$ it is $-\log q$, and
# this is the lesson's $\mu = \sigma\log(2a)$. For $a > \frac12$ take the value for $1 - a$ with the other sign.
#
# The next cell compares this formula with the module, for unit variance before and after rectification. For unit variance
# *after*, divide both $\mu$ and $\sigma$ by the standard deviation of $x$: their ratio, and with it the count, stays.
#
# **Prediction.** Draws at this $\mu$ have the wanted share of zeros within `LIMIT` standard errors.

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
    assert math.isclose(mu, mu_for_l0(a, p), rel_tol=1e-9, abs_tol=1e-12)  # the module's function
    assert abs(zeros - ZEROS) < LIMIT * error

    # unit variance after rectification: keep the ratio mu / sigma, divide both by the standard deviation that is left
    left_over = RectifiedGeneralizedGaussian(mu, sigma, p).stddev.item()
    print(f"mu = {mu / left_over:6.3f} for unit variance after")
    assert math.isclose(sigma / left_over, rectified_unit_variance_scale(p, mu / left_over), rel_tol=1e-7)
print(bad_luck(3))
