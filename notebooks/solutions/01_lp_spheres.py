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
# # 01 · ℓp spheres: solutions
#
# One way to solve each of the [exercises](../exercises/01_lp_spheres.ipynb), with an explanation and its check.

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
import json
import math
import sys

import torch

from rlpjepa.figures import series_root
from rlpjepa.spheres import lp_norm, sample_cone

sys.path.insert(0, str(series_root() / "notebooks" / "exercises"))
from checks import check

torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves
RESULTS = series_root() / "notebooks" / "results"

# %% [markdown] tags=["solution"]
# ## 01.1 · Four directions, of which one is wide

# %% tags=["solution"]
# Singular values in proportion 3 : 1 : 1 : 1, shares 1/2, 1/6, 1/6, 1/6; their entropy is (log 2 + log 6) / 2 = log √12.
predicted_rank = math.sqrt(12)

# %% [markdown] tags=["solution"]
# About 3.46. One direction carries three quarters of the variance, and still the other three count almost fully: shares
# of singular values are kinder than shares of variances, which would give 2.31. If the first standard deviation grows
# without end, the effective rank falls to 1, though no column ever becomes constant: it measures collapse relative to
# the widest direction.

# %% tags=["check"]
check("01.1", predicted_rank)

# %% [markdown] tags=["solution"]
# ## 01.2 · Break the triangle inequality


# %% tags=["solution"]
def break_triangle(p):
    return torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


# %% [markdown] tags=["solution"]
# Two vectors of equal norm that share no coordinate: the tips of two spikes. The left side is $2^{1/p}$, the right side
# 2, so the factor is $2^{1/p-1}$: 2 at $p = 1/2$ and 8 at $p = 1/4$. More is impossible. For $p \le 1$ one has
# $|a+b|^p \le |a|^p + |b|^p$, hence $\lVert\mathbf{x}+\mathbf{y}\rVert_p^p \le A^p + B^p$ with the two norms $A$ and
# $B$; and at a fixed $A + B$ the right side is largest for $A = B$.
#
# In the pictures: the sphere bends inwards between two spikes, so the straight line from tip to tip runs outside it.

# %% tags=["check"]
check("01.2", break_triangle)

# %% [markdown] tags=["solution"]
# ## 01.3 · The mean radius


# %% tags=["solution"]
def mean_radius(d, p, sigma):
    # r = σ (p G)^(1/p) with G ~ Gamma(d / p), so E r = σ p^(1/p) Γ((d + 1) / p) / Γ(d / p)
    return sigma * p ** (1 / p) * math.exp(math.lgamma((d + 1) / p) - math.lgamma(d / p))


# %% [markdown] tags=["solution"]
# The root of the mean, $d^{1/p}\sigma$, is *not* the mean: at $d = 1$, $p = 1/2$ it is $\sigma$, and the mean is
# $3\sigma/2$. For large $d$ the ratio of the two tends to 1, since the spread of $r$ relative to its mean falls as
# $1/\sqrt{pd}$. So the thin shell of a Gaussian (claim T1) is relative: in absolute terms its width grows as $d^{1/p - 1/2}$, which
# stays constant at $p = 2$ only. The shell of the Laplace distribution gets as wide as $\sqrt{d}$.

# %% tags=["check"]
check("01.3", mean_radius)

# %% [markdown] tags=["solution"]
# ## 01.4 · Most spread out, under any constraint


# %% tags=["solution"]
def most_spread(phi, v, z):
    low, high = 0.0, 1e3  # λ lies between
    for _ in range(60):
        lam = (low + high) / 2
        share = torch.softmax(-lam * phi, dim=0)  # exp(-λφ), divided by its sum
        if (share * phi).sum() > v:
            low = lam
        else:
            high = lam
    return share / (z[1] - z[0])


# %% [markdown] tags=["solution"]
# The density is proportional to $\exp(-\lambda\varphi(z))$. With $\varphi = |z|^p$ this is $\mathcal{GN}_p$ again. With
# $\varphi = \log(1 + z^2)$ it is $(1 + z^2)^{-\lambda}$: Student's distributions, and Cauchy's for $\lambda = 1$, are
# the most spread-out ones when a *logarithm* is fixed. So "maximum entropy" alone says nothing about a distribution:
# every positive density is the most spread out when the mean of its own logarithm is fixed. What carries meaning is the
# constraint.

# %% tags=["check"]
check("01.4", most_spread)

# %% [markdown] tags=["solution"]
# ## 01.5 · Lasso and ridge at once


# %% tags=["solution"]
def elastic_net(w_hat, s, b, tau):
    lasso = w_hat.sign() * (w_hat.abs() - s**2 / b).clamp(min=0)
    return lasso * tau**2 / (tau**2 + s**2)


# %% [markdown] tags=["solution"]
# First the lasso's threshold, then the ridge's shrinking. The zeros are the lasso's, on the same interval
# $|\hat{w}| \le s^2/b$: the Gaussian part has slope 0 at $w = 0$ and cannot move the threshold. (In the other order the
# threshold would be wrong.) Far out the mode keeps the ridge's fixed share of $\hat{w}$, less a fixed amount.

# %% tags=["check"]
check("01.5", elastic_net)

# %% [markdown] tags=["solution"]
# ## 01.6 · Do cone and surface measure meet in high dimension?


# %% tags=["solution"]
def cone_to_surface(d, p, n=20_000):
    u = sample_cone(n, d, p, dtype=torch.float64, generator=torch.Generator().manual_seed(13)).abs()
    slope = lp_norm(u ** (p - 1), 2)  # ‖g‖₂, (n,)
    return (slope / slope.mean() - 1).abs().mean() / 2


# %% tags=["check"]
check("01.6", cone_to_surface)

# %% tags=["solution"]
# Measured by `python notebooks/solutions/experiments/cone.py`, run from the root of the repository.
record = json.loads((RESULTS / "experiments" / "cone.json").read_text(encoding="utf-8"))
print(
    f"total variation distance of cone and surface measure, from {record['draws']} draws of each (good to about 0.02)"
)
print("   p   ", *(f"d = {d:<5}" for d in record["distance"]["0.5"]), "limit")
for p, distances in record["distance"].items():
    print(f"{p:>6} ", *(f"{distance:9.2f}" for distance in distances.values()), end="  ")
    print(f"{record['limit'][p]:5.2f}" if p in record["limit"] else "")

# %% [markdown] tags=["solution"]
# <details><summary>Discussion of the open part</summary>
#
# Below $p = 1/2$ this estimate is poor: $\lVert\mathbf{g}\rVert_2$ has no variance, and its sample mean is dominated by
# a few draws in which some coordinate is almost zero. A sturdier one draws from both measures and compares how often
# $\lVert\mathbf{g}\rVert_2$ exceeds a limit $c$; since the ratio of the two measures grows with
# $\lVert\mathbf{g}\rVert_2$, the largest difference over all $c$ (the statistic of the Kolmogorov–Smirnov test) *is*
# the total variation distance. `sample_surface` gives the second sample. That is what the table above holds.
#
# At $p = 0.6$ and above the distance falls towards 0, at $p = 0.25$ it stays near one half. Where this changes, the
# table cannot show; an argument, though not a proof, puts it at $p = 1/2$. Up to a constant, and a power of
# $\lVert\mathbf{t}\rVert_p$ that is nearly constant in high dimension (exercise 01.3), the ratio is the root of $\sum_i
# |t_i|^{2p-2}$ with independent $t_i \sim \mathcal{GN}_p$. Near zero $t$ has a positive density, so $|t|^{2p-2}$
# exceeds $x$ with a probability like $x^{-\alpha}$, $\alpha = 1/(2-2p)$. For $p > 1/2$ it has a mean: the sum settles
# down, the ratio tends to 1 and the distance to 0, at the rate $1/\sqrt{d}$ once there is a variance too ($p > 3/4$).
# For $p < 1/2$ the few coordinates nearest to zero dominate the sum in every dimension, the ratio keeps a spread, and
# the distance tends to a positive number. The sum, rescaled, then tends to a stable distribution, as such sums do, and
# draws of that distribution give the number in the last column. At $p = 1/2$ the distance should still fall to 0, but
# only about as fast as $\log\log d / (2 \log d)$: rare draws with one very small coordinate lift the mean of the ratio
# by that much, and all the others lie below it.
#
# So for $p < 1/2$ the two targets differ in any dimension, and they do so in the coordinates that are almost zero.
# Whether a network learns better from one or the other is open. An experiment: chapter 05 with a target made of
# `sample_surface` directions and the same radius. Since `rdmreg_loss` (chapter 04) compares values by the square of
# their distance, a difference that lies only near zero should hardly move it, and we would expect no difference; but we
# have not tried.
#
# </details>
