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
# # 05 · Pretraining on CIFAR-100: exercises
#
# Six exercises, from five minutes to an open question. Fill in the cell with the dots, run it, then run the line below
# it: `check` says whether your answer is right, or else what is wrong with it. It looks at what your function does, not
# at how: a formula, a loop and a simulation are equally welcome. None of them trains a network. The triangle opens a
# hint. Sections are those of the [lesson](../05_pretraining_cifar100.ipynb).

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
import math  # noqa: F401
import statistics  # noqa: F401
import sys

import torch  # noqa: F401

from rlpjepa.figures import series_root

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

# %% [markdown] tags=["exercise"]
# ## 05.1 · What collapse costs (5 minutes)
#
# *Predict, then compute.* A collapsed network gives every image, in both views, the same $z$. Take the target with
# $p = 1$ and unit variance before rectification ($\sigma = 1/\sqrt2$), the weights 25 and 125 of section 3, and
# $D = 256$. What is the expected value of the objective for this network,
#
# 1. with $z = 0$, at $\mu = 0$,
# 2. with the best constant $z$, at $\mu = 0$,
# 3. with $z = 0$, at $\mu = -2$?
#
# On paper first. (`check` is content with 5 per cent. If you simulate, average twenty batches of 256: a single one may be
# off by as much.) Then compare with two trained networks of `notebooks/results/shapes`. Their objective ended at
# 10.2 for $\mu = 0$ (`rdmreg_p1_mu0_seed0.json`) and at 0.97 for $\mu = -2$ (`rdmreg_p1_mu-2_seed0.json`). How far from
# collapse is that?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# One of the two terms is zero. In the other, the projection of $z$ is the same number for the whole batch, so sorting
# does nothing. The mean of $(c^\top v)^2$ over unit directions $c$ is $\lVert v \rVert^2/D$, so what is left is
# $\mathbb{E}(z_j - y_j)^2$ for one coordinate. A coordinate $y_j$ is non-zero with probability
# $a = \frac12 e^{\mu/\sigma}$, and then exponential with mean $\sigma$ and mean square $2\sigma^2$ (exercise 02.2).
#
# </details>

# %% tags=["stub"]
at_zero = ...
at_best_constant = ...
at_zero_mu_minus_2 = ...

# %% tags=["check"]
check("05.1", at_zero, at_best_constant, at_zero_mu_minus_2)

# %% [markdown] tags=["exercise"]
# ## 05.2 · Half a batch each (10 minutes)
#
# *Break it, then explain.* Two devices share the work: each holds half of the batch. It is tempting to let each compare
# its own half of the features with its own half of the targets, and to take the mean of the two losses. Break this. On
# a line ($D = 1$), find $B$ features $z$ and $B$ targets $y$, all between 0 and 1, for which the whole batch has loss 0
# (Eq. 13), and the mean of the two losses, of the first $B/2$ of both and of the last $B/2$, is as large as can be.
#
# Then: can the mean of the halves ever be *smaller* than the loss of the whole? And where in a training set would you
# meet your example?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# For the whole batch, only the sorted values count: $z$ and $y$ have to be the same numbers in another order. For the
# second question: of all ways to pair $B$ features with $B$ targets, sorting both is the cheapest (chapter 04).
#
# </details>


# %% tags=["stub"]
def two_ranks(B):
    """z (B,) and y (B,) between 0 and 1, for an even B: loss 0 together, as large as can be half by half."""
    ...  # return z, y


# %% tags=["check"]
check("05.2", two_ranks)

# %% [markdown] tags=["exercise"]
# ## 05.3 · More than two views (15 minutes)
#
# *Change the method.* With $V$ views of each image, the invariance term becomes the mean over all $V(V-1)/2$ pairs of
# views of their mean squared difference. Write it without going through the pairs, so that its cost grows with $V$
# and not with $V^2$. For $V = 2$ it must be the term of section 3.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# For one image and one coordinate there are $V$ numbers $x_1, \dots, x_V$ with mean $m$. Show that the sum of
# $(x_v - x_w)^2$ over all *ordered* pairs is $2V \sum_v (x_v - m)^2$. How many ordered pairs of different views are
# there?
#
# </details>


# %% tags=["stub"]
def many_views(z):
    """The invariance term of V views, z (V, B, D): a scalar tensor through which gradients flow."""
    ...


# %% tags=["check"]
check("05.3", many_views)

# %% [markdown] tags=["exercise"]
# ## 05.4 · Dead, or only rare? (15 minutes)
#
# *Derive, then test.* A coordinate is dead when it is non-zero on fewer than 1 in 1000 test images (section 10). Now
# take a perfect network: its features follow the target exactly. At $p = 2$ and $\mu = -3$ each coordinate is then on
# with probability 0.00135. Which share of its coordinates will be *counted* dead on 2000 test images? Find it for any
# probability $a$ and any number of images $n$, all images independent.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# The number of images that switch a coordinate on is binomial. Which counts are fewer than $n/1000$? Mind the end: is
# exactly 2 of 2000 still dead? `math.comb(n, k)` is the number of ways to choose $k$ of $n$.
#
# </details>


# %% tags=["stub"]
def dead_by_chance(a, n):
    """Expected share of dead coordinates, each on with probability a in each of n independent images."""
    ...


# %% tags=["check"]
check("05.4", dead_by_chance)

# %% [markdown] tags=["exercise"]
# ## 05.5 · How many seeds? (15 minutes)
#
# *Derive, then test.* Nearly all bars of section 8 and points of section 12 are single runs. One setting of section 8 has
# three seeds: their kNN accuracies are 0.456, 0.455 and 0.409. You want to know whether two settings differ by 0.03, say.
# Train each of them with $n$ seeds and compare the two means. If runs of both settings scatter as those given do, what is
# the smallest $n$ at which the standard error of the difference is at most half of the difference that you look for?
#
# Then read the results again. Among the runs of `notebooks/results/shapes` with fewer than 10 % non-zero entries, the
# best kNN accuracy is 0.433 ($\mu = -2$), and the next 0.4205 ($\mu = -1.62$). Is the first better?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# The mean of $n$ runs has the variance $s^2/n$, with $s^2$ estimated from the runs given (and $k - 1$ below for $k$ of
# them). The variances of two independent means add up.
#
# </details>


# %% tags=["stub"]
def seeds_needed(accuracies, difference):
    """The smallest n >= 1, a whole number, from accuracies of runs that differ in their seed, and the difference to see."""
    ...


# %% tags=["check"]
check("05.5", seeds_needed)

# %% [markdown] tags=["exercise"]
# ## 05.6 · Wake the dead (open)
#
# Let $u$, of shape $(B, D)$, be the numbers before the last ReLU, $z = \mathrm{ReLU}(u)$. A coordinate that is zero on
# the whole batch has $u \le 0$ in all rows, and there ReLU has slope 0: neither RDMReg nor the coordinate quantiles of
# chapter 04 (section 10), which both look at $z$, can move it directly.
#
# *First step, which can be checked:* write a penalty on $u$ that wakes such coordinates, and leaves alone each
# coordinate that is on for some image of the batch.
#
# *Then the open part:* does it help? Which share of dead coordinates is right, and what should be done when the target
# itself is on so rarely that a live coordinate is often zero on a whole batch?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# A coordinate is zero on the whole batch when its largest $u$ is not positive. `u.amax(dim=0)` has a gradient: it goes
# to the row where the largest value stands.
#
# </details>


# %% tags=["stub"]
def wake(u):
    """A penalty, a scalar tensor, of u (B, D): descending it raises coordinates that are zero on the whole batch."""
    ...


# %% tags=["check"]
check("05.6", wake)
