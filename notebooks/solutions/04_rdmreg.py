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
# # 04 · RDMReg: solutions
#
# Worked solutions of [the exercises](../exercises/04_rdmreg.ipynb): the answer, its explanation, and the check.

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

from rlpjepa import (
    GeneralizedGaussian,
    RectifiedGeneralizedGaussian,
    coordinate_loss,
    random_directions,
    rdmreg_loss,
    sample_rgg,
    unit_variance_scale,
)
from rlpjepa.figures import series_root

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_num_threads(1)  # tensors are small here

# %% [markdown] tags=["solution"]
# ## 04.1 · Transport by hand

# %% tags=["solution"]
# in order: 0, 1, 3 and 0, 2, 5, so the differences are 0, -1, -2
loss_by_hand = (0**2 + 1**2 + 2**2) / 3
slope_at_3 = 2 / 3 * (3 - 5)
least_after_shift = loss_by_hand - 1**2  # the mean difference is -1; what is left is the variance

# %% [markdown] tags=["solution"]
# 5/3, −4/3 and 2/3. As drawn, the three pairs would cost 29/3, and the point at 3 would be pulled *down* to its
# partner 0. A common shift keeps the order, so it keeps the pairs; it adds the same number to all three differences, and
# the best one takes their mean away. So the loss has two parts: the squared difference of the means, here 1, and what
# remains when both have mean zero.

# %% tags=["check"]
check("04.1", loss_by_hand, slope_at_3, least_after_shift)


# %% [markdown] tags=["solution"]
# ## 04.2 · Directions that never change


# %% tags=["solution"]
def fool_directions(y, c):
    hidden = torch.linalg.svd(c).Vh[-1]  # (D,), a unit vector that no direction sees
    return y + 2 * math.sqrt(y.shape[1]) * hidden


# %% [markdown] tags=["solution"]
# The last vector is at a right angle to every direction, so moving along it changes no projection: a shift as long as you
# like, a collapse, another distribution. How far is far enough? A fresh direction sees the shift
# $\mathbf{c}^\top\boldsymbol\delta$, whose square is $\lVert\boldsymbol\delta\rVert_2^2/D$ on average: here 4.
#
# With $N \ge D$ directions there is no such vector, but chapter 03 (section 3) fools fixed directions by shape. Fresh
# directions in every step leave no place to hide: 256 of them in $D = 512$ span half of the dimensions in a single step,
# and all of them after two.

# %% tags=["check"]
check("04.2", fool_directions)


# %% [markdown] tags=["solution"]
# ## 04.3 · The price of a dead coordinate


# %% tags=["solution"]
def price_of_dead(k, D):
    c = random_directions(20_000, D, dtype=torch.float64, generator=torch.Generator().manual_seed(22))
    deviation = (1 - c[:, :k].square().sum(1)).clamp(min=0).sqrt()  # of the shadows, (N,)
    return (1 - deviation).square().mean()


# %% [markdown] tags=["solution"]
# A shadow of the features has deviation $s = \sqrt{1 - w}$, one of the target has 1, and sorted they differ by a factor: the
# price is the mean of $(1 - s)^2$ over directions. For small $w$ this is about the mean of $w^2/4$, so a single dead
# coordinate costs $3/(4D^2)$: three millionths at $D = 512$. It grows with the square of the number of dead: half of them
# cost about 0.09, and some 140 as much as the floor of a batch.
#
# What does a batch see of it? Let $a$ and $b$ be the $k$-th smallest of two samples of $\mathcal{N}(0, 1)$. Both have the
# same mean $m_k$ and the same variance, so the mean of $(s\,a - b)^2$ is
#
# $$s^2\,\mathbb{E}a^2 + \mathbb{E}b^2 - 2s\,m_k^2 = (1 - s)^2\,\mathbb{E}a^2 + 2s\operatorname{Var}(a) .$$
#
# Over the ranks $k$, $\mathbb{E}a^2$ has the mean 1, and $2\operatorname{Var}(a)$ has the floor: so a batch pays the price
# and $s$ times the floor. If you simulated the loss, this is what you found, and what `check` expects then. Narrower
# shadows are less noisy. That is why 140 dead do not even double the loss, and a few cannot be seen at all:

# %% tags=["check"]
check("04.3", price_of_dead)

# %% tags=["solution"]
generator, B, D = torch.Generator().manual_seed(23), 256, 512
print(f"price: 143 dead {price_of_dead(143, D):.3f}, half of them dead {price_of_dead(256, D):.2f}")
laws = {
    "Gaussian": lambda: torch.randn(B, D, generator=generator),
    "rectified": lambda: sample_rgg((B, D), p=1.0, mu=-1.0, generator=generator),
}
for name, draw in laws.items():
    found = {k: [] for k in (0, 26, 51, 143)}
    for _ in range(10):
        target, cloud, c = draw(), draw(), random_directions(256, D, generator=generator)
        for k, values in found.items():
            values.append(rdmreg_loss(cloud * (torch.arange(D) >= k), target, directions=c).item())
    floor = sum(found[0]) / 10
    print(f"{name:9}  floor {floor:.3f}", *(f"{k} dead: {sum(found[k]) / 10 / floor:.2f} times" for k in (26, 51, 143)))
mean = RectifiedGeneralizedGaussian(-1.0, unit_variance_scale(1.0), 1.0).mean
print(f"a coordinate of the rectified target has the mean {mean:.2f}")

# %% [markdown] tags=["solution"]
# With the rectified target (here $p = 1$, $\mu = -1$) a dead coordinate also has the wrong mean, so it costs more beside
# its floor. Yet with a tenth of them dead (51) the loss is well within twice its floor. Chapter 05 counts the dead.


# %% [markdown] tags=["solution"]
# ## 04.4 · The floor, exactly


# %% tags=["solution"]
def floor_of_exponential(B):
    return 2 / B * sum(1 / j for j in range(1, B + 1))  # 1/j² occurs j times


# %% [markdown] tags=["solution"]
# The $k$-th smallest number is a sum of $k$ independent gaps, so its variance is $\sum_{j=B-k+1}^B 1/j^2$. Summed
# over $k$, the gap with mean $1/j$ occurs $j$ times: $\sum_j j/j^2$. Two samples and the mean over $B$ ranks give $2
# H_B/B$, with the harmonic number $H_B = 1 + \frac12 + \dots + \frac1B \approx \log B + 0.577$. From 256 to 1024 it
# falls by a factor of 3.3 and not 4: the $k$-th largest number has a variance of about $1/k$ whatever $B$ is, and
# these add up to about $\log B$. (The largest has $\sum 1/j^2$, near 1.64.) For a Gaussian the tail is lighter and
# the logarithm becomes one of a logarithm; a bounded distribution whose density is bounded from below has a clean
# $1/B$. A loss of characteristic functions has it for every target, because waves are bounded.

# %% tags=["check"]
check("04.4", floor_of_exponential)


# %% [markdown] tags=["solution"]
# ## 04.5 · Change the target: waves of groups


# %% tags=["solution"]
def waves_of_groups(c, t, g, mu, sigma):
    a = math.exp(mu / sigma) / 2
    active = 1 / (1 - 1j * sigma * c.unsqueeze(-1) * t)  # (N, D, K), one exponential coordinate each
    active = active.unflatten(1, (-1, g)).prod(dim=2)  # (N, D / g, K), one active group each
    return (1 - a + a * active).prod(dim=1)


# %% [markdown] tags=["solution"]
# $\prod_{\text{groups}}\bigl(1 - a + a\prod_{j\,\in\,\text{group}} (1 - i\sigma c_j t)^{-1}\bigr)$: the product over a
# group's members now stands inside the bracket of that group's coin. A one-sample loss needs neither a closed family
# nor independence, only a characteristic function that can be computed. What it cannot change is the view: a random
# direction in many dimensions shows groups as little as zeros (exercise 02.6 has the numbers).

# %% tags=["check"]
check("04.5", waves_of_groups)


# %% [markdown] tags=["solution"]
# ## 04.6 · Decide the number of zeros


# %% tags=["solution"]
def loss_that_counts(w, y, fraction):
    rank = round((1 - fraction) * len(w))  # so many entries of each column should be zero
    threshold = w.sort(dim=0).values[rank - 1 : rank + 1].mean(dim=0)  # (D,), between the last zero and the next
    return rdmreg_loss(w.relu(), y, 64) + threshold.square().mean()


# %% tags=["check"]
check("04.6", loss_that_counts)

# %% [markdown] tags=["solution"]
# The open part. The term costs one sort and sees nothing but the count, column by column. Beside it, RDMReg alone and
# RDMReg with `coordinate_loss` on $\mathbf{W}$, whose target is the generalized Gaussian *before* rectification, here
# at $\mu = -1$ in 128 dimensions:

# %% tags=["nbval-ignore-output", "solution"]
torch.manual_seed(24)  # rdmreg_loss draws its directions from the global generator
B, D, steps = 256, 128, 120
before = GeneralizedGaussian(-1.0, unit_variance_scale(1.0), 1.0)
asked = RectifiedGeneralizedGaussian(-1.0, unit_variance_scale(1.0), 1.0).prob_active.item()
ways = {
    "RDMReg alone": lambda w, y: rdmreg_loss(w.relu(), y, 64),
    "with the threshold": lambda w, y: loss_that_counts(w, y, asked),
    "with coordinate_loss on W": lambda w, y: rdmreg_loss(w.relu(), y, 64) + coordinate_loss(w, before),
}
starts = {"half positive": 0.0, "all positive": 1.0, "all negative": -1.0}
for way, loss in ways.items():
    ends = []
    for start, sign in starts.items():
        w = torch.randn(B, D)
        w = (sign * w.abs() if sign else w).requires_grad_()
        optimizer = torch.optim.Adam([w])
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / steps)
            optimizer.zero_grad()
            loss(w, sample_rgg((B, D), mu=-1.0)).backward()
            optimizer.step()
        z, y, other = w.detach().relu(), sample_rgg((B, D), mu=-1.0), sample_rgg((B, D), mu=-1.0)
        c = random_directions(256, D)
        ratio = rdmreg_loss(z, y, directions=c) / rdmreg_loss(other, y, directions=c)
        ends.append(f"{start} {(z > 0).float().mean():.2f} ({ratio:.1f})")
    print(f"{way:25}  " + ",  ".join(ends))
print(
    f"the start, the share of non-zero entries at the end ({asked:.2f} is asked), RDMReg over that of a target sample"
)

# %% [markdown] tags=["solution"]
# <details><summary>Discussion of the open part</summary>
#
# So the count can be decided. RDMReg alone ends where its start leads it, and from the third start it is dead. The
# threshold does it from every start; but it moves two entries of a column in each step, so from all negative it is still
# a little behind. A loss on all of $\mathbf{W}$, by the quantiles of the generalized Gaussian *before* rectification,
# does it from every start at no cost in RDMReg. It also says what the negative part should look like, which no feature
# ever shows. Both were tried in 128 dimensions. In 512 the lesson has the quantiles of $\mathbf{Z}$ (section 10); the
# rest is left to you.
#
# Three doubts. *Others pass.* The threshold accepts any distribution that is positive with probability $a$: a cloud can
# have the right count and the right shadows, and a wrong distribution in each coordinate. Quantiles see that, but neither
# of the two sees that two coordinates are copies; for this there are the projections. *A batch is small.* The fraction of a
# column of 256 draws from the target itself has a standard deviation of 0.02. A loss that forces it to be $a$ in every
# batch asks for more than the target does; so does every comparison with fixed quantiles. *Should it be forced?* A
# feature that is rare in the data, and on exactly when it should be, is punished for its rarity. In a network one would
# compare, at the same mean sparsity and over several seeds: RDMReg alone, the count over all coordinates together, and
# the count in each. What to measure: the probe, the dead coordinates, and how unequal the coordinates' own fractions
# become when they are free. Chapter 05 has done a part of it, with ten seeds: quantiles of each coordinate beside RDMReg
# left half as many coordinates dead as RDMReg alone at the same sparsity, and the encoder was *worse*. Why is open.
#
# </details>
