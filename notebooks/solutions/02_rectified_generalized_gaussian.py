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
# # 02 · The Rectified Generalized Gaussian: solutions
#
# One solution, of many, to each of the [exercises](../exercises/02_rectified_generalized_gaussian.ipynb).

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

from rlpjepa.distributions import RectifiedGeneralizedGaussian, unit_variance_scale
from rlpjepa.figures import series_root

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_default_dtype(torch.float64)  # probabilities to many digits; no network is trained here
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves

# %% [markdown] tags=["solution"]
# ## 02.1 · From one value of Eq. 11 to three others

# %% tags=["solution"]
given = 0.1216
at_minus_2 = 2 * given**2  # (1/2) exp(2t) = 2 ((1/2) exp(t))²
at_plus_1 = 1 - given  # the distribution is symmetric about μ
with_twice_the_scale = given  # the same ratio μ/σ

# %% tags=["check"]
check("02.1", at_minus_2, at_plus_1, with_twice_the_scale)


# %% [markdown] tags=["solution"]
# ## 02.2 · Draw without ReLU


# %% tags=["solution"]
def draw_in_two_steps(n, mu, sigma, generator):
    active = torch.rand(n, generator=generator) < 0.5 * math.exp(mu / sigma)
    size = -sigma * torch.log1p(-torch.rand(n, generator=generator))  # exponential of mean sigma
    return active * size


# %% [markdown] tags=["solution"]
# An exponential of mean $\sigma$, whatever $\mu$ is: an exponential has no memory. So at $p = 1$ and $\mu \le 0$ the
# location sets how *many* entries are non-zero and has no say in how large they are. For $p > 1$ they shrink as $\mu$
# falls below 0, for $p < 1$ they grow.

# %% tags=["check"]
check("02.2", draw_in_two_steps)


# %% [markdown] tags=["solution"]
# ## 02.3 · Sparsity and scale at once


# %% tags=["solution"]
def choose_mu_and_sigma(a):
    sigma = 1 / math.sqrt(a * (2 - a))  # E x² - (E x)² = 2aσ² - a²σ²
    return sigma * math.log(2 * a), sigma


# %% [markdown] tags=["solution"]
# As $a$ falls, $\sigma$ grows like $1/\sqrt{2a}$: rare entries must be large to carry a variance of one. At $a = 0.01$
# the location is $-27.7$, against $-2.77$ for unit variance before: the same sparsity, a tenfold $\mu$.

# %% tags=["check"]
check("02.3", choose_mu_and_sigma)


# %% [markdown] tags=["solution"]
# ## 02.4 · Free the active fraction


# %% tags=["solution"]
def best_fraction(m):
    # h'(a) = log m - 2 log a + log(1 - a) = 0, that is a² = m (1 - a)
    return (math.sqrt(m**2 + 4 * m) - m) / 2


# %% [markdown] tags=["solution"]
# At $m = 1$ it is 0.618, one over the golden ratio; in millimetres ($m = 1000$), 0.999. Nothing about $x$ has changed
# but its unit. In other units the entropy of every distribution changes by $a \log 1000$, its information dimension
# times the logarithm of the factor, so distributions of different $a$ change by different amounts, and their order with
# them. Entropies of different dimension are like lengths and areas: they cannot be compared. This is why
# [T14](../evidence/02_rectified_generalized_gaussian.ipynb#T14) fixes $a$. "Maximum entropy" cannot choose a sparsity;
# somebody has to.

# %% tags=["check"]
check("02.4", best_fraction)


# %% [markdown] tags=["solution"]
# ## 02.5 · Which shape is sparser?


# %% tags=["solution"]
def find_tie(p, q):
    def difference(mu):
        at_p, at_q = (RectifiedGeneralizedGaussian(mu, unit_variance_scale(shape), shape) for shape in (p, q))
        return at_p.prob_active - at_q.prob_active

    low, high = -5.0, -0.1
    start = difference(low)
    for _ in range(20):
        middle = (low + high) / 2
        if difference(middle) * start > 0:
            low = middle
        else:
            high = middle
    return middle


# %% tags=["check"]
check("02.5", find_tie)

# %% tags=["solution"]
for pair in ((0.5, 1.0), (0.5, 2.0), (0.5, 4.0), (1.0, 2.0), (1.0, 4.0), (2.0, 4.0)):
    mu = find_tie(*pair)
    tied = RectifiedGeneralizedGaussian(mu, unit_variance_scale(pair[0]), pair[0]).prob_active
    print(f"{pair[0]:g} and {pair[1]:g} tie at {mu:.2f}, with {tied:.1%} non-zero")


# %% [markdown] tags=["solution"]
# For 1/2 and 2 the tie is at $\mu = -1.89$, with 2.9 % non-zero entries. Nearer to zero the smaller $p$ has more zeros:
# its peak is higher, so that more of its mass is cut off when the threshold moves a little. Beyond the tie it has
# fewer: its tail is heavier. The shapes 1/2, 1, 2 and 4 tie, pair by pair, between $\mu = -1.5$ and $-2.3$, at 2 to 7 %
# non-zero.

# %% [markdown] tags=["solution"]
# ## 02.6 · Change the target: zeros in groups


# %% tags=["solution"]
def draw_in_groups(n, d, g, mu, sigma, generator):
    active = torch.rand(n, d // g, generator=generator) < 0.5 * math.exp(mu / sigma)
    size = -sigma * torch.log1p(-torch.rand(n, d, generator=generator))
    return active.repeat_interleave(g, dim=1) * size


# %% tags=["check"]
check("02.6", draw_in_groups)

# %% [markdown] tags=["solution"]
# <details><summary>Discussion of the open part</summary>
#
# With $a = \Phi_1(\mu/\sigma)$: the expected count $d\,a$ does not see the groups, since expectations add up whether or
# not the parts are independent. Neither does the information dimension, $g\,a$ for each of the $d/g$ groups. The
# variance of the count does: it is $g\,d\,a(1-a)$, $g$ times as large. And the entropy does: a group has $g\,a\,H_1 +
# H_0(\mathrm{Bernoulli}(a))$, one coin where there were $g$, so the whole vector loses $(d - d/g)\,H_0$. At fixed
# active fractions and sizes RGG is the most spread-out target of all, and this is the price of structure: with $d =
# 512$, $g = 8$ and $a = 0.12$ about 164 nats.
#
# A network is better off with it if the world comes in groups: then independent coins ask for something that the data
# do not have. To find out, replace the target's draws in chapter 05 by these and compare the probe at equal $a$, over
# several seeds, for $g = 1, 4, 16$. Two things to look at first. Does the regulariser see the difference at all? Two
# entries of one group have the covariance $a(1-a)\sigma^2$, but along a random direction in 512 dimensions the
# contributions of all pairs nearly cancel: the variance of the projection differs from direction to direction, with a
# relative standard deviation of $\sqrt{2(g-1)/d}\,(1-a)/(2-a)$, at $g = 8$ and $a = 0.12$ about 8 %; the variance of
# 256 Gaussian draws fluctuates by $\sqrt{2/255}$, about 9 %, anyway. Directions that add up a group would show it at
# once (chapter 03). And the projector can permute its coordinates freely, so that *which* coordinates form a group
# means nothing until the target says so: is that what makes them useful? We do not know of an answer.
#
# </details>
