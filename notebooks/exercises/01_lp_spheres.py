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
# # 01 · ℓp spheres: exercises
#
# Six exercises, from five minutes to an open question. Fill in the cell with the dots, run it, then run the line below
# it: `check` says whether your answer is right, or else what is wrong with it. It looks at what your function does, not
# at how: a formula, a loop and a simulation are equally welcome. The triangle opens a hint.

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
import math  # noqa: F401 - for your answers, like others below
import sys

import torch

from rlpjepa.figures import series_root
from rlpjepa.spheres import lp_norm, sample_cone, sample_surface  # noqa: F401

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves


# Functions of the evidence: effective_rank (claim S2), sample_gn (claim T7), total_variation (claim T8).
def effective_rank(z):
    shares = torch.linalg.svdvals(z - z.mean(0))
    shares = shares / shares.sum()
    return torch.special.entr(shares).sum().exp().item()  # entr(s) = -s log s


def sample_gn(n, d, p, sigma, generator):
    """(n, d) independent draws from GN_p(0, sigma)."""
    V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
    G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
    return sigma * V * (p * G) ** (1 / p)


def unit_curve(p, n=2001):
    """(n, 2) points of the unit ℓp sphere in the plane, from (0, 1) to (1, 0)."""
    t = torch.linspace(0, 1, n, dtype=torch.float64)
    points = torch.stack([t, 1 - t], dim=1) ** max(1, 1 / p)  # the power places more points near a spike
    return points / lp_norm(points, p, keepdim=True)


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


# %% [markdown] tags=["exercise"]
# ## 01.1 · Four directions, of which one is wide (5 minutes)
#
# *Predict, then compute.* The columns of a large feature matrix $Z$ of shape $(n, 4)$ are independent, with mean zero
# and standard deviations 3, 1, 1 and 1. Which effective rank (section 1) does it have as $n \to \infty$? First on
# paper, to three significant digits; then draw such a matrix and compare.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Independent columns of mean zero are nearly perpendicular when $n$ is large. So each singular value belongs to one
# column. How does the length of a column depend on its standard deviation?
#
# </details>

# %% tags=["stub"]
predicted_rank = ...  # a number: your prediction

# %% tags=["check"]
check("01.1", predicted_rank)

# %% [markdown] tags=["exercise"]
# ## 01.2 · Break the triangle inequality (10 minutes)
#
# *Break it, then explain.* A norm satisfies $\lVert\mathbf{x}+\mathbf{y}\rVert \le \lVert\mathbf{x}\rVert +
# \lVert\mathbf{y}\rVert$. For $p < 1$ the quasi-norm $\lVert\cdot\rVert_p$ does not. Find, for any $p$ between 0 and 1,
# two vectors that break it as badly as can be, that is with the largest possible
#
# $$\frac{\lVert\mathbf{x}+\mathbf{y}\rVert_p}{\lVert\mathbf{x}\rVert_p + \lVert\mathbf{y}\rVert_p} .$$
#
# How large is it, as a function of $p$? And where do you see it in the picture of section 2?

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


# %% tags=["check"]
check("01.2", break_triangle)

# %% [markdown] tags=["exercise"]
# ## 01.3 · The mean radius (15 minutes)
#
# *Derive, then test.* Let $\mathbf{z}$ have $d$ independent coordinates $\mathcal{GN}_p(0, \sigma)$ and let
# $r = \lVert\mathbf{z}\rVert_p$. Section 6 gives the distribution of $r^p$, and with it $\mathbb{E}\,r^p = d\,\sigma^p$. What is
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


# %% tags=["check"]
check("01.3", mean_radius)

# %% [markdown] tags=["exercise"]
# ## 01.4 · Most spread out, under any constraint (20 minutes)
#
# *Derive, then test.* Section 7 fixes the mean of $|z|^p$ and finds $\mathcal{GN}_p$, the Gaussian for $p = 2$. Fix the
# mean of any function $\varphi(z)$ at a value $v$ instead. Which density on an interval has the largest entropy? Write
# it as a function of three things: the values of $\varphi$ on a fine grid, $v$, and the grid. ($v$ will be less than
# the mean of $\varphi$ under the uniform distribution, and more than the smallest $\varphi$.)

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# The proof in the [evidence](../evidence/01_lp_spheres.ipynb#T2) (claim T2) works for every density $g$ whose logarithm
# is a constant minus $\lambda\,\varphi(z)$. Two numbers are left to choose. The constant makes the integral 1 (on the
# grid, a sum times a step). For $\lambda > 0$: when it grows, the mean of $\varphi$ falls, so bisection finds it.
#
# </details>


# %% tags=["stub"]
def most_spread(phi, v, z):
    """The density (m,), on the evenly spaced grid z (m,), of largest entropy whose mean of phi (m,) is v."""
    ...


# %% tags=["check"]
check("01.4", most_spread)

# %% [markdown] tags=["exercise"]
# ## 01.5 · Lasso and ridge at once (20 minutes)
#
# *Change the prior.* Section 5 finds the posterior mode of a weight under a Laplace prior and under a Gaussian one.
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


# %% tags=["check"]
check("01.5", elastic_net)

# %% [markdown] tags=["exercise"]
# ## 01.6 · Do cone and surface measure meet in high dimension? (open)
#
# In the plane the two measures differ
# ([evidence](../evidence/01_lp_spheres.ipynb#Cone-measure-and-surface-measure)). Naor and Romik showed in 2003 that for $p \ge 1$ their total
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
# With the cone measure's draws $\mathbf{u}$, the evidence gives the ratio $\rho = d\,\text{surface}/d\,\text{cone}$ as
# $\lVert\mathbf{g}\rVert_2$ divided by its mean. The distance is $\frac12\,\mathbb{E}_\text{cone}|\rho - 1|$. In the
# plane, `total_variation(p)` is the exact value. For the open part ask of $\sum_i |u_i|^{2p-2}$: does the law
# of large numbers apply to it? When does a single $|t|^{2p-2}$, with $t \sim \mathcal{GN}_p$, have a mean?
#
# </details>


# %% tags=["stub"]
def cone_to_surface(d, p):
    """Total variation distance between cone and surface measure in d dimensions, a number, from draws."""
    ...


# %% tags=["check"]
check("01.6", cone_to_surface)
