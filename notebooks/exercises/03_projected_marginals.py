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
# # 03 · Projected marginals: exercises
#
# Six exercises, from five minutes to an open question. Fill in the cell with the dots, run it, then run the line
# below it: `check` says whether your answer is right, or else what is wrong with it. It looks at what your function
# does, not at how: a formula, a search and a loop are equally welcome. The triangle opens a hint. Sections are those
# of [the lesson](../03_projected_marginals.ipynb).

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

import matplotlib.pyplot as plt  # noqa: F401
import torch

from rlpjepa.distributions import RectifiedGeneralizedGaussian, sample_rgg, unit_variance_scale  # noqa: F401
from rlpjepa.figures import series_root
from rlpjepa.projections import projected_characteristic_function, random_directions  # noqa: F401

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves

# %% [markdown] tags=["exercise"]
# ## 03.1 · The height of the bar at zero (5 minutes)
#
# *Predict, then compute.* Five independent coordinates are rectified; each is zero with probability $P_0 = 0.3$ and has
# a density otherwise. How large is the atom at zero of the shadow in the direction (two significant digits will do)
#
# 1. $(0, 1, 0, 0, 0)$,
# 2. $(0.6, 0, 0, -0.8, 0)$,
# 3. that `random_directions(1, 5)` draws?
# 4. Now the coordinates take *two values*, 0 with probability 0.3 and 1 with probability 0.7. How large is the atom of
#    the shadow in the direction $(1, -1, 0, 0, 0)/\sqrt2$?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Which coordinates count, and what must they do for the sum to be exactly zero? Two numbers with a density never cancel
# exactly. Two numbers from a set of two may.
#
# </details>

# %% tags=["stub"]
on_axis = ...
with_two = ...
with_all = ...
two_values = ...

# %% tags=["check"]
check("03.1", on_axis, with_two, with_all, two_values)

# %% [markdown] tags=["exercise"]
# ## 03.2 · Fool the axes, and the covariance too (15 minutes)
#
# *Break it, then explain.* The target: two independent coordinates $\mathcal{RGN}_1(0, 1)$, each zero with probability
# 1/2 and otherwise exponential with mean 1. Section 4 fools the axes with twins, $(x_1, x_1)$, but a covariance matrix
# would notice. Find a distribution that fools both: each coordinate follows $\mathcal{RGN}_1(0, 1)$, their covariance
# is zero, and still it is not the target. Which directions see it, and by what?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Twins have a positive covariance. Find a pair with a negative one: say, two coordinates that are never active
# together. Then let a coin decide which of the two kinds a draw is. Covariance zero means $\mathbb{E}\,y_1 y_2 =
# (\mathbb{E}\,y_1)^2 = 1/4$. What is $\mathbb{E}\,y_1 y_2$ for either kind?
#
# </details>


# %% tags=["stub"]
def same_axes(n, generator):
    """n draws (n, 2): coordinates RGN_1(0, 1), uncorrelated, not independent; all randomness from the generator."""
    ...


# %% tags=["check"]
check("03.2", same_axes)

# %% [markdown] tags=["exercise"]
# ## 03.3 · The kurtosis of a shadow (15 minutes)
#
# *Derive, then test.* Let the coordinates $x_1, \dots, x_d$ be independent with one distribution of excess kurtosis
# $\kappa$. What is the excess kurtosis of $\mathbf{c}^\top\mathbf{x}$, for *any* vector $\mathbf{c} \ne 0$, of length
# one or not? Between which two values does it lie, over all directions, if $\kappa > 0$? Compare with draws from
# `sample_rgg`.

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Subtract the mean, so that $\mathbb{E}\,x_j = 0$, and let $v = \mathbb{E}\,x_j^2$. Multiply out
# $\mathbb{E}\bigl(\sum_j c_j x_j\bigr)^4$: what survives are the terms $c_j^4\,\mathbb{E}\,x_j^4$ and, for every two
# coordinates, $6\,c_i^2 c_j^2\,v^2$. Then $3\bigl(\sum_j c_j^2\bigr)^2 = 3\sum_j c_j^4 + 6\sum_{i<j} c_i^2 c_j^2$.
# (With cumulants it is one line: they add up for independent variables, and the fourth of $c\,x$ is $c^4$ times that of
# $x$.)
#
# </details>


# %% tags=["stub"]
def shadow_kurtosis(c, kappa):
    """The excess kurtosis, a number, of c·x for weights c (d,) and coordinates of excess kurtosis kappa."""
    ...


# %% tags=["check"]
check("03.3", shadow_kurtosis)

# %% [markdown] tags=["exercise"]
# ## 03.4 · How many coordinates until it looks Gaussian? (15 minutes)
#
# *Predict, then compute.* Take the target with $p = 1$, $\mu \le 0$ and unit variance before rectification
# ($\sigma = 1/\sqrt2$), and directions that mix $k$ coordinates with equal weights $\pm1/\sqrt k$. What is the smallest
# $k$ at which the excess kurtosis of the shadow is at most a given limit? Guess first: by which factor does $k$ grow
# from $\mu = 0$ to $\mu = -3$, at a limit of 0.1? And the number $k\,a$ of *non-zero* entries that a shadow mixes,
# where $a$ is the active fraction?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# A coordinate is a coin of probability $a = \frac12 e^{\mu/\sigma}$ times an exponential variable, so
# $\mathbb{E}\,x^n = a\,n!\,\sigma^n$; $\sigma$ cancels in a kurtosis. The fourth central moment is
# $\mathbb{E}\,x^4 - 4m\,\mathbb{E}\,x^3 + 6m^2\,\mathbb{E}\,x^2 - 3m^4$ with $m = \mathbb{E}\,x$. At $\mu = 0$ you
# should find $\kappa = 10$. Then use exercise 03.3.
#
# </details>


# %% tags=["stub"]
def how_many_to_mix(mu, limit):
    """The smallest k for which the excess kurtosis of a shadow of k equal weights is at most limit."""
    ...


# %% tags=["check"]
check("03.4", how_many_to_mix)

# %% [markdown] tags=["exercise"]
# ## 03.5 · The atom that does not fade (20 minutes)
#
# *Break it, then explain.* The evidence ([The shadow in any
# dimension](../evidence/03_projected_marginals.ipynb#The-shadow-in-any-dimension)) takes the atom out of the
# characteristic function before it inverts. Forget that: copy `ks_to_gaussian` from there, set `atom = 0.0`, return `grid` and `F[:, :-1]` (the last column belongs to the atom), and draw
# them for one random direction at $p = 1$, $\mu = -3$, $d = 32$. Around the place of the atom
# it wiggles. Half the `end` makes the wiggles twice as wide, but not higher. Why?
#
# The flaw can be put to use: it shows that $\varphi(t) = \mathbb{E}\,e^{itx}$ knows the atom, and for large $t$ knows
# little else. Write a function that finds $P(x = s)$ from $\varphi$ alone, for any place $s$, to within 0.01. (The
# distributions that `check` tries live on a scale of one, and their atoms are at least half a unit apart.)

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Average $e^{iut}$ over $t$ from $-T$ to $T$. For a number $u \ne 0$ this is $\sin(uT)/(uT)$, which tends to 0. For
# $u = 0$ it is 1. Now put $u = x - s$ and take the expectation. A sum over many $t$ does for the integral; a $T$ of
# some hundreds is enough, with steps well below one.
#
# </details>


# %% tags=["stub"]
def atom_at(phi, s):
    """P(x = s), a number, from the characteristic function: phi takes a tensor t (K,) and returns complex (K,)."""
    ...


# %% tags=["check"]
check("03.5", atom_at)

# %% [markdown] tags=["exercise"]
# ## 03.6 · Which directions would you choose? (open)
#
# Section 9 turns a dial: directions that mix $k$ random coordinates. With directions drawn one by one, some
# coordinates are looked at more often than others, just by chance.
#
# *First step, which can be checked:* draw $n$ directions that mix exactly $k$ coordinates each and use every coordinate
# equally often, $n k/d$ times. The non-zero weights of each are a random direction in $k$ dimensions, and which
# coordinates meet is random, too. ($k$ divides $d$, and $d/k$ divides $n$.)
#
# *Then the open part:* which $k$ would you choose for a given $\mu$ and batch size $B$, and why? Is one $k$ enough?

# %% [markdown] tags=["hint"]
# <details><summary>Hint</summary>
#
# Cut a random permutation of all coordinates (`torch.randperm`) into $d/k$ pieces: one use of each coordinate. Repeat
# until there are $n$ pieces, stack them as rows $(n, k)$, and put `random_directions(n, k)` there with `scatter_`, as
# `random_directions(n, d, size=k)` does inside. For the open part take your balanced directions into the experiment of
# section 9 and print $k\,a$ and $B\,a$ with every ratio, where $a$ is the active fraction.
#
# </details>


# %% tags=["stub"]
def balanced_directions(n, d, k, generator):
    """(n, d) unit vectors, each non-zero in k coordinates; every coordinate is used n * k / d times."""
    ...


# %% tags=["check"]
check("03.6", balanced_directions)
