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
# # 04 · RDMReg: exercises
#
# Six exercises, from five minutes to an open question. Fill in the cell with the dots, run it, then run the line below
# it: `check` says whether your answer is right, or else what is wrong with it. It looks at what your function does, not
# at how: a formula, a solver and a simulation are equally welcome, unless one is asked for. The triangle opens a hint.
#
# Sections are those of [the lesson](../04_rdmreg.ipynb).

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
import sys

import torch

from rlpjepa.distributions import GeneralizedGaussian, mu_for_l0, sample_rgg, unit_variance_scale  # noqa: F401
from rlpjepa.figures import series_root
from rlpjepa.losses import coordinate_loss, rdmreg_loss  # noqa: F401
from rlpjepa.projections import random_directions  # noqa: F401

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_num_threads(1)  # tensors are small here


# The product of section 10 of the lesson, for p = 1.
def projected_cf(c, t, mu, sigma):
    """E exp(i t c.x) for independent RGG coordinates with p = 1, mu <= 0: directions c (N, D), knots t (K,) -> (N, K)."""
    a = math.exp(mu / sigma) / 2
    phi = 1 - a + a / (1 - 1j * sigma * c.unsqueeze(-1) * t)  # (N, D, K): one coordinate each
    return phi.prod(dim=1)


# %% [markdown] tags=["exercise"]
# ## 04.1 · Transport by hand (5 minutes)
#
# *Predict, then compute.* Along one direction three points lie at 0, 3 and 1, and three target samples at 2, 0 and 5,
# in the order in which they were drawn. On paper, to three significant digits:
#
# 1. What is the loss, Eq. 13 with $N = 1$?
# 2. What is its derivative with respect to the point that lies at 3?
# 3. All points may be moved by one common shift. How small can the loss get?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Write both in ascending order, one above the other. For the third: the three differences have a mean, which the shift
# can take away.
#
# </details>

# %% tags=["stub"]
loss_by_hand = ...
slope_at_3 = ...
least_after_shift = ...

# %% tags=["check"]
check("04.1", loss_by_hand, slope_at_3, least_after_shift)


# %% [markdown] tags=["exercise"]
# ## 04.2 · Directions that never change (10 minutes)
#
# *Break it, then explain.* To save time, somebody draws $N$ directions once and keeps them for the whole training, with
# $N < D$. Find features that fool them: for any target sample `y` (B, D) and any directions `c` (N, D), a cloud whose
# loss along `c` is zero, while along fresh directions it is about 1 or more (`check` is content with 0.8).

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Start from `y` itself, whose loss is zero. In which way can you move all its points without moving a single
# projection? The last rows of `torch.linalg.svd(c).Vh` (D, D) are unit vectors at a right angle to all rows of `c`. And
# how far: a shift by $\boldsymbol\delta$ costs $\lVert\boldsymbol\delta\rVert_2^2/D$ along fresh directions.
#
# </details>


# %% tags=["stub"]
def fool_directions(y, c):
    """A cloud (B, D), float64 like y and c: RDMReg against y is 0 along c, and about 1 or more along fresh directions."""
    ...


# %% tags=["check"]
check("04.2", fool_directions)


# %% [markdown] tags=["exercise"]
# ## 04.3 · The price of a dead coordinate (20 minutes)
#
# *Derive, then test.* The target is $\mathcal{N}(0, I_D)$, and so are the features, except that $k < D$ coordinates are
# dead: always 0. What is RDMReg then, on average over the directions? Let $B$ be so large that there is no noise.
# Guess first, with $D = 512$ and $B = 256$. Two samples of this Gaussian target then have a loss of about 0.023: that is its
# floor (section 5 prints the floor of another target). How many coordinates may die before their price equals the floor?
#
# `check` is content with 8 per cent, so you may average over random directions, or simulate the loss itself with batches
# of a few hundred. A simulation has its noise floor in it: `check` asks for $k = 0$ and takes that into account.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# A shadow of the features is Gaussian with variance $1 - w$, where $w = \sum_{j\ \text{dead}} c_j^2$. Two Gaussians of
# mean zero, sorted: to each quantile $q$ of $\mathcal{N}(0, 1)$ belongs $s\,q$ of $\mathcal{N}(0, s^2)$, so that
# $W_2^2 = (1 - s)^2$. Now the mean over directions. By symmetry the first $k$ coordinates may be the dead ones.
#
# </details>


# %% tags=["stub"]
def price_of_dead(k, D):
    """RDMReg, a number, for features N(0, I_D) of which k < D coordinates are zero, against N(0, I_D), for large B."""
    ...


# %% tags=["check"]
check("04.3", price_of_dead)

# %% [markdown] tags=["exercise"]
# ## 04.4 · The floor, exactly (20 minutes)
#
# *Derive, then test.* In section 5 the floor falls as the batch grows. How fast? Take the simplest case: one coordinate,
# and features and target both exponential with mean 1 (the non-zero part of RGG at $p = 1$). What is the
# expected loss of two samples of size $B$? Guess first: by which factor does it fall when $B$ grows from 256 to 1024?
# (`check` is content with 6 per cent, so a simulation will do, with some 20,000 repetitions at small $B$.)

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# The loss is the mean over $k$ of the squared difference of the $k$-th smallest numbers of two independent samples, so
# its expectation is the mean over $k$ of *twice the variance* of the $k$-th smallest. The gaps between neighbours among
# $B$ sorted exponential numbers are independent: while $j$ numbers are still to come, the next gap is exponential with
# mean $1/j$. So the $k$-th smallest has the variance $\sum_{j=B-k+1}^{B} 1/j^2$. How often does each $j$ occur in the
# sum over $k$?
#
# </details>


# %% tags=["stub"]
def floor_of_exponential(B):
    """Expected RDMReg, a number, between two samples of B exponential numbers of mean 1."""
    ...


# %% tags=["check"]
check("04.4", floor_of_exponential)


# %% [markdown] tags=["exercise"]
# ## 04.5 · Change the target: waves of groups (20 minutes)
#
# *Change the target.* Section 10 uses that the coordinates are independent. Take the target of exercise 02.6, whose
# zeros come in groups: coordinates $0 \dots g-1$ are active together, then $g \dots 2g-1$, and so on. Each group is
# active with probability $a = \frac12 e^{\mu/\sigma}$, independently of the others ($p = 1$, $\mu \le 0$). In an active
# group the values are independent exponential variables of mean $\sigma$; in the others all are zero. What is the
# characteristic function of the shadow, $\mathbb{E}\,e^{it\,\mathbf{c}^\top\mathbf{x}}$? (Here a formula is wanted.)
# With it in place of $e^{-t^2/2}$, the loss of section 9 becomes one for this target.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Groups are independent of each other, so there is still a product, over groups. Within one group distinguish two
# cases, as `projected_cf` does within one coordinate: the group is zero, with probability $1 - a$, or all of its members
# are exponential. In code, `x.unflatten(1, (D // g, g))` splits the axis of the coordinates in two. At $g = 1$ you must
# get `projected_cf` back.
#
# </details>


# %% tags=["stub"]
def waves_of_groups(c, t, g, mu, sigma):
    """E exp(i t c.x) for directions c (N, D) and knots t (K,), complex (N, K); g divides D, p = 1, mu <= 0."""
    ...


# %% tags=["check"]
check("04.5", waves_of_groups)


# %% [markdown] tags=["exercise"]
# ## 04.6 · Decide the number of zeros (open)
#
# In section 7 the path decides how many zeros there are: RDMReg hardly sees it, and the door of the ReLU opens one way.
# What would *you* do?
#
# *First step, which can be checked:* write a loss of the pre-activations $\mathbf{W}$, from which the features come as
# $\mathbf{Z} = \mathrm{ReLU}(\mathbf{W})$, that leads to a wanted fraction of non-zero entries. The target is RGG with
# $p = 1$ and this fraction of non-zero entries. `check` moves free points (128 of them, in 32 dimensions) by 100 steps
# of Adam with your loss, at a rate that falls from 0.2 to 0, from three starts: all pre-activations negative, all
# positive, and half of them. At the end the fraction has to be right to 0.03 each time, and RDMReg at most twice what a
# target sample has.
#
# *Then the open part:* does it also hold in 512 dimensions? Which other distributions of the features would pass your
# loss? And in a network, would you want it?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Keep `rdmreg_loss(w.relu(), y)` and add a term. It must have a gradient where a ReLU is off, so it has to look at `w`
# *before* the ReLU. A column of `w` has the wanted fraction $a$ of positive entries exactly if its quantile at $1 - a$
# is zero. Or say more: which distribution should `w` follow, so that ReLU turns it into RGG? `coordinate_loss` takes any
# of chapter 02, and `mu_for_l0(fraction, 1.0)` is the $\mu$ that belongs to a fraction.
#
# </details>


# %% tags=["stub"]
def loss_that_counts(w, y, fraction):
    """A loss, scalar tensor, of pre-activations w (B, D), given a target sample y (B, D) and its non-zero fraction."""
    ...


# %% tags=["check"]
check("04.6", loss_that_counts)
