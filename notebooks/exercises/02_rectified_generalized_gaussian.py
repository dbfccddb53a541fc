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
# # 02 · The Rectified Generalized Gaussian: exercises
#
# Six exercises, from five minutes to an open question. Fill in the cell with the dots, run it, then run the line below
# it: `check` says whether your answer is right, or else what is wrong with it. It looks at what your function does, not
# at how: a formula, a search and a loop are equally welcome. The triangle opens a hint.

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

from rlpjepa.distributions import RectifiedGeneralizedGaussian, unit_variance_scale  # noqa: F401
from rlpjepa.figures import series_root

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_default_dtype(torch.float64)  # probabilities to many digits; no network is trained here
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves


# Eq. 12, from section 4 of the lesson.
def active_fraction(mu, sigma, p):
    """P(x > 0) for x ~ RGN_p(mu, sigma) by Eq. 12; tensors or numbers that broadcast."""
    t, p = torch.as_tensor(mu / sigma), torch.as_tensor(p)
    return (1 + t.sign() * torch.special.gammainc(1 / p, t.abs() ** p / p)) / 2


# %% [markdown] tags=["exercise"]
# ## 02.1 · From one value of Eq. 11 to three others (5 minutes)
#
# *Predict, then compute.* At $p = 1$, unit variance before rectification ($\sigma = 1/\sqrt2$) and $\mu = -1$, the
# non-zero fraction is 0.1216. With that number and a pocket calculator, what is it
#
# 1. at $\mu = -2$ with the same $\sigma$,
# 2. at $\mu = +1$ with the same $\sigma$,
# 3. at $\mu = -2$ with $\sigma = \sqrt2$, twice as large?
#
# Give three decimals or more, and compare with `active_fraction` afterwards.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# A Laplace variable exceeds $|\mu|$ with probability $\frac12 e^{-|\mu|/\sigma}$. Mind the $\frac12$. Eq. 11 depends on
# $\mu$ and $\sigma$ in one combination only.
#
# </details>

# %% tags=["stub"]
at_minus_2 = ...
at_plus_1 = ...
with_twice_the_scale = ...

# %% tags=["check"]
check("02.1", at_minus_2, at_plus_1, with_twice_the_scale)


# %% [markdown] tags=["exercise"]
# ## 02.2 · Draw without ReLU (10 minutes)
#
# *Build it another way.* Eq. 8 and 9 can be read as a recipe in two steps: a coin says whether $x$ is zero, and if it
# is not, its size is drawn from the truncated distribution of Eq. 10. Write this sampler for $p = 1$ and $\mu \le 0$,
# without ReLU and without drawing a negative number on the way. Section 3 shows that $\mu$ has no say in the sizes here.
# Why is that?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# For $z > 0 \ge \mu$ one has $|z - \mu| = z + |\mu|$, and the factor $e^{-|\mu|/\sigma}$ goes into the constant. What
# is left is an exponential distribution, of which mean? From a uniform $u$ on $[0, 1)$ it comes as minus its mean times
# $\log(1 - u)$.
#
# </details>


# %% tags=["stub"]
def draw_in_two_steps(n, mu, sigma, generator):
    """n independent draws (n,) from RGN_1(mu, sigma), for mu <= 0; all randomness from the torch.Generator."""
    ...


# %% tags=["check"]
check("02.2", draw_in_two_steps)


# %% [markdown] tags=["exercise"]
# ## 02.3 · Sparsity and scale at once (15 minutes)
#
# *Derive, then test.* You want a non-zero fraction $a \le 1/2$ and unit variance *after* rectification, at $p = 1$.
# The [evidence](../evidence/02_rectified_generalized_gaussian.ipynb#Unit-variance-before-or-after-the-cut) solves for
# $\sigma$ by a search; here both $\mu$ and $\sigma$ have a closed form in $a$.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# By exercise 02.2, $x$ is a coin with probability $a$ times an exponential variable of mean $\sigma$, whose mean square
# is $2\sigma^2$. Write down $\mathbb{E}x$ and $\mathbb{E}x^2$. Then section 7 gives $\mu$ from $a$ and $\sigma$.
#
# </details>


# %% tags=["stub"]
def choose_mu_and_sigma(a):
    """mu and sigma for which RGN_1(mu, sigma) has the non-zero fraction a (0 < a <= 1/2) and variance 1."""
    ...  # return mu, sigma


# %% tags=["check"]
check("02.3", choose_mu_and_sigma)


# %% [markdown] tags=["exercise"]
# ## 02.4 · Free the active fraction (20 minutes)
#
# *Break it, then explain.* Claim [T14](../evidence/02_rectified_generalized_gaussian.ipynb#T14) fixes the active fraction
# $a$. Let it vary and fix only the mean, $\mathbb{E}x = m$, among mixtures of an atom at zero and a density on $(0,
# \infty)$. For a given $a$ the non-zero part must have mean $m/a$, and the best one is the exponential. Which $a$ then has
# the largest $d(\xi)$-dimensional entropy
#
# $$h(a) = a\,H_1 + H_0(\mathrm{Bernoulli}(a))\,?$$
#
# Here $H_1 = -\int f\log f$ is the differential entropy of the non-zero part, and $H_0(\mathrm{Bernoulli}(a)) = -a\log a -
# (1-a)\log(1-a)$ that of being zero or not ([T13](../evidence/02_rectified_generalized_gaussian.ipynb#T13) says where they
# come from). Find it for any $m$ (`check` is content with 0.01). Then measure $x$ in millimetres instead of metres, $m
# \to 1000\,m$: what happens to your "maximum-entropy" sparsity, and why?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# An exponential of mean $s$ has the differential entropy $1 + \log s$; here $s = m/a$ depends on $a$. Set the
# derivative of $h$ to zero, or let a fine grid of $a$ find the largest $h$. At $m = 1$ you should meet an old
# acquaintance.
#
# </details>


# %% tags=["stub"]
def best_fraction(m):
    """The active fraction a, 0 < a < 1, of the largest h(a) when the mean of x is m > 0."""
    ...


# %% tags=["check"]
check("02.4", best_fraction)


# %% [markdown] tags=["exercise"]
# ## 02.5 · Which shape is sparser? (20 minutes)
#
# *Predict, then compute.* Section 6 shows that a smaller $p$ need not be sparser. Take two shapes, both at unit variance
# before rectification. For $\mu$ slightly below zero, which has more zeros? And far below? So somewhere between there
# is a tie: one negative $\mu$ at which both have the same non-zero fraction. Find it for any two shapes between 1/2 and
# 4.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Near zero the higher peak decides, far out the heavier tail; look at the two densities in section 1. For the tie, take
# the difference of two fractions (`RectifiedGeneralizedGaussian(mu, sigma, p).prob_active`, or `active_fraction`),
# which changes its sign once between $\mu = -5$ and $\mu = -0.1$ for these shapes, and halve this interval until it is
# short. Each shape needs its own $\sigma$.
#
# </details>


# %% tags=["stub"]
def find_tie(p, q):
    """The negative mu at which the shapes p and q, each at unit variance before ReLU, have equal non-zero fractions."""
    ...


# %% tags=["check"]
check("02.5", find_tie)


# %% [markdown] tags=["exercise"]
# ## 02.6 · Change the target: zeros in groups (open)
#
# The entries of RGG are independent. Suppose that features come in groups instead (the parts of one object, say), and
# that a group of $g$ neighbouring coordinates is active or zero as a whole. Each single coordinate shall keep its
# distribution $\mathcal{RGN}_1(\mu, \sigma)$.
#
# *First step, which can be checked:* draw from this target. One coin for each group; sizes are independent, within a
# group too.
#
# *Then the open part:* what happens to $\mathbb{E}\lVert\mathbf{x}\rVert_0$, to its variance, to the information
# dimension and to the entropy? Would a network be better off with it, and how would you find out?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Start from your sampler of exercise 02.2. The coins have the shape $(n, d/g)$, the sizes $(n, d)$;
# `coins.repeat_interleave(g, dim=1)` gives each member of a group the coin of its group. For the open part treat one
# group as one variable: with probability $a$ it has a density in $g$ dimensions.
#
# </details>


# %% tags=["stub"]
def draw_in_groups(n, d, g, mu, sigma, generator):
    """(n, d) draws; coordinates 0 … g-1 are zero together, g … 2g-1 too, and so on; g divides d, mu <= 0, p = 1."""
    ...


# %% tags=["check"]
check("02.6", draw_in_groups)
