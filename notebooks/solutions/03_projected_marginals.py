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
# # 03 · Projected marginals: solutions
#
# Worked solutions of [the exercises](../exercises/03_projected_marginals.ipynb); sections are those of
# [the lesson](../03_projected_marginals.ipynb).

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

import numpy as np
import torch

from rlpjepa.distributions import RectifiedGeneralizedGaussian, sample_rgg, unit_variance_scale
from rlpjepa.figures import series_root
from rlpjepa.projections import random_directions

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves


# The impostors of section 8, for 03.6; the evidence has the same functions.
def average_w2(a, b, C):
    """Squared 2-Wasserstein distance of two batches (B, d), averaged over the directions C, (N, d)."""
    return ((a @ C.T).sort(0).values - (b @ C.T).sort(0).values).square().mean().item()


def make_batches(mu, B, d, generator):
    """A batch of the target and, to compare with it, another one and one of each impostor: (B, d) in float32."""
    sigma = unit_variance_scale(1.0)
    law = RectifiedGeneralizedGaussian(mu, sigma, 1.0)
    options = {"generator": generator, "dtype": torch.float32}
    target, again = (sample_rgg((B, d), p=1.0, mu=mu, **options) for _ in range(2))
    gaussian = law.mean.float() + law.stddev.float() * torch.randn(B, d, **options)
    two_values = 2 * sigma * (torch.rand(B, d, **options) < law.prob_active.float() / 2)
    return target, (again, gaussian, two_values.float())


def compare(batches, C):
    """average_w2 of the target with itself, with the Gaussian and with the two values."""
    target, others = batches
    return [average_w2(target, other, C) for other in others]


# %% [markdown] tags=["solution"]
# ## 03.1 · The height of the bar at zero

# %% tags=["solution"]
on_axis = 0.3  # the other four do not count
with_two = 0.3**2  # both are zero; the sign of the weight does not matter
with_all = 0.3**5
two_values = 0.3**2 + 0.7**2  # both zero, or both one

# %% [markdown] tags=["solution"]
# The atom is $P_0^k$, where $k$ is how many coordinates the direction mixes: 0.3, 0.09, 0.0024. In 512 dimensions, at
# $\mu = -3$ and $p = 1$ the shadow of a random direction still has an atom, which the last cell of this exercise
# computes; at $\mu = 0$ it has $2^{-512}$. The fourth answer is the exception: in that direction the two values cancel,
# and in a direction a little beside it they do not. This is why section 5 needs a density off zero.

# %% tags=["check"]
check("03.1", on_axis, with_two, with_all, two_values)

# %% tags=["solution"]
zeros = RectifiedGeneralizedGaussian(-3.0, unit_variance_scale(1.0), 1.0).cdf(torch.zeros(())).item()
print(f"p = 1, mu = -3: {zeros:.1%} zeros, atom of a direction that mixes 512 coordinates {zeros**512:.3f}")

# %% [markdown] tags=["solution"]
# ## 03.2 · Fool the axes, and the covariance too


# %% tags=["solution"]
def same_axes(n, generator):
    first = sample_rgg((n,), p=1.0, mu=0.0, sigma=1.0, generator=generator)
    size = torch.empty(n).exponential_(generator=generator)
    turns = torch.where(first > 0, 0.0, size)  # active exactly where the first is not: half of the time
    twins = torch.rand(n, generator=generator) < 1 / 4
    return torch.stack([first, torch.where(twins, first, turns)], dim=1)


# %% [markdown] tags=["solution"]
# For twins $\mathbb{E}\,y_1 y_2 = \mathbb{E}\,x^2 = 1$, for coordinates that take turns it is 0. So a quarter of twins
# gives 1/4. Every direction now finds the mean and the variance that it expects, and the difference is in the shape: at
# 45° the atom is 1/8 (half of the twins) and not 1/4. All directions see it but the axes and, by coincidence, 135° (the
# two characteristic functions differ by a multiple of $c_1 c_2 (c_1 + c_2)$): there the twins cancel, a quarter of the
# draws, and the difference of two exponential numbers has the distribution of one with a random sign. That is Cramér
# and Wold; but remember what sections 7 and 8 say of large dimensions. There a random shadow shows mean and variance
# and little else, and this distribution has both.

# %% tags=["check"]
check("03.2", same_axes)

# %% [markdown] tags=["solution"]
# ## 03.3 · The kurtosis of a shadow


# %% tags=["solution"]
def shadow_kurtosis(c, kappa):
    return kappa * (c**4).sum() / (c**2).sum() ** 2


# %% [markdown] tags=["solution"]
# From $\kappa$ itself along an axis down to $\kappa/d$ for equal weights $\pm1/\sqrt d$. A random direction has about
# three times the latter: there the mean of $\sum_j c_j^4$ is $3/(d+2)$. At $p = 1$, $\mu = 0$, where $\kappa = 10$,
# this is 0.06 in 512 dimensions. It is never zero, so no shadow of a distribution with $\kappa > 0$ is exactly
# Gaussian.

# %% tags=["check"]
check("03.3", shadow_kurtosis)

# %% [markdown] tags=["solution"]
# ## 03.4 · How many coordinates until it looks Gaussian?


# %% tags=["solution"]
def how_many_to_mix(mu, limit):
    a = math.exp(math.sqrt(2) * mu) / 2
    variance = 2 * a - a**2  # in units of σ²
    kappa = (24 * a - 24 * a**2 + 12 * a**3 - 3 * a**4) / variance**2 - 3
    return math.ceil(kappa / limit - 1e-9)  # a little less, so that 10 / 0.5 is not rounded up to 21


# %% [markdown] tags=["solution"]
# For the limit 0.1 and $\mu$ from 0 to $-3$ the $k$ grows by a factor of 83, but $k\,a$ hardly at all (last cell of
# this exercise). For rare entries $\kappa \approx 24a/(2a)^2 = 6/a$, so $k\,a$ tends to $6/\text{limit}$ whatever $\mu$
# is. This is the right-hand figure of section 7 in one line: what makes a shadow Gaussian is the number of its non-zero
# entries.

# %% tags=["check"]
check("03.4", how_many_to_mix)

# %% tags=["solution"]
for mu in (0, -1, -2, -3):
    k = how_many_to_mix(mu, 0.1)
    print(f"mu = {mu:2}: k = {k:4}, k a = {k * math.exp(math.sqrt(2) * mu) / 2:.0f}")

# %% [markdown] tags=["solution"]
# ## 03.5 · The atom that does not fade


# %% tags=["solution"]
def atom_at(phi, s, end=1000.0, steps=50_000):
    t = (torch.arange(steps, dtype=torch.float64) + 0.5) * end / steps
    return (torch.exp(-1j * s * t) * phi(t)).real.mean()  # the other half line has the conjugate values


# %% [markdown] tags=["solution"]
# It is the mean of $e^{-ist}\varphi(t)$ over a long interval. What has a density fades as $t$ grows (the lemma of
# Riemann and Lebesgue); the atom's share, $P(x = s)\,e^{ist}$, never does. That is the flaw, too. An integral that is
# cut at $T$ turns the jump of height $m$ at $s_0$ into $m\,\bigl(\frac12 + \frac1\pi\mathrm{Si}(T(s - s_0))\bigr)$,
# where $\mathrm{Si}(z) = \int_0^z \sin(y)/y\,dy$. This overshoots by $0.09\,m$ at a distance of $\pi/T$ on either side,
# for every $T$: the phenomenon of Gibbs. At the jump itself it gives the middle, so the KS distance would be wrong by
# up to $m/2$. One value of $\varphi$ at a large $t$ would do for a rectified distribution, not for one of two values:
# there $\varphi$ turns in circles for ever.

# %% tags=["check"]
check("03.5", atom_at)

# %% [markdown] tags=["solution"]
# ## 03.6 · Which directions would you choose?


# %% tags=["solution"]
def balanced_directions(n, d, k, generator):
    rounds = [torch.randperm(d, generator=generator).view(-1, k) for _ in range(n * k // d)]  # (d / k, k) each
    weights = random_directions(n, k, generator=generator)
    return torch.zeros(n, d).scatter_(1, torch.cat(rounds), weights)


# %% tags=["check"]
check("03.6", balanced_directions)

# %% [markdown] tags=["solution"]
# The open part. Here is the impostor of section 8 with half the non-zero entries, seen along balanced directions: its
# average $W_2^2$ over the floor in $d = 512$, and in brackets $k\,a$, the number of non-zero entries that a shadow
# mixes.

# %% tags=["solution"]
B, d, N, mixed = 2048, 512, 128, (4, 16, 64, 256)
for mu in (0.0, -1.0, -2.0, -3.0):
    generator, rows = torch.Generator().manual_seed(13), []
    for _ in range(2):
        batches = make_batches(mu, B, d, generator)
        rows.append([compare(batches, balanced_directions(N, d, k, generator).float()) for k in mixed])
    floor, _, impostor = np.mean(rows, axis=0).T
    active = RectifiedGeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0).prob_active.item()
    ratios = ",  ".join(f"k = {k}: {ratio:.1f} ({round(k * active, 2):g})" for k, ratio in zip(mixed, impostor / floor))
    print(f"μ = {mu:2g}, {B * active:6.1f} non-zero draws per coordinate:  {ratios}")

# %% [markdown] tags=["solution"]
# <details><summary>Discussion of the open part</summary>
#
# Read along a row. As long as $k\,a$ is below one half or so, mixing costs little (best seen at $\mu = -2$): most
# shadows show at most one non-zero entry, as if one looked along an axis. Above one, the ratio falls: exercise 03.4
# says how fast the shadow becomes Gaussian. In the last row it *rises* with $k$. There a coordinate has few non-zero
# draws in the batch, too few to show a distribution, and a shadow that mixes 64 coordinates has 64 times as many. So a
# compromise to start from is $k \approx 1/(2a)$, as much mixing as costs little. It knows nothing but the target: for
# this impostor the smallest $k$ tried, 4, is the best at $\mu = 0$ and $-1$, and at $\mu = -3$, where $B\,a$ is about
# 15, the largest.
#
# What the rule leaves out. An impostor that is right on every axis (twins, or exercise 03.2) is seen only by directions
# that mix the guilty coordinates, and a direction of few coordinates seldom mixes those two; the axes alone never do.
# Hence a mixture may be better than any single $k$: axes for the distribution of a coordinate, $k \approx 1/(2a)$ and
# dense directions for what coordinates do together. The price is that each kind gets its share of the weight only, and
# that the noise of each enters. And an impostor in a table is not a network. Whether such directions give better
# features, at an equal number of zeros, we have not tried; chapter 05 has the loop for it, and chapter 04 one
# measurement, with free points and $k = 16$, where mixing so few was not enough.
#
# </details>
