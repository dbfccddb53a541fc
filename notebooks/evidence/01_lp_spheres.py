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
# # 01 · ℓp spheres: the evidence
#
# [The lesson](../01_lp_spheres.ipynb) shows how ℓp spheres, sparse solutions and the generalized Gaussian belong together. This
# notebook is for those who doubt it. It holds the nine claims of the chapter, each under a heading of its own with four things:
#
# - the **statement**, as the list of claims has it;
# - **why** it should hold, with the derivation where there is one;
# - the **test**, a cell that stops when the statement is false;
# - in the same cell a **control**: a case for which the statement is wrong, and which the same test must reject. A test that
#   nothing can fail shows nothing.
#
# | claim | in short | how it stands |
# | --- | --- | --- |
# | [S1](#S1) | agreement alone can end in one point, a target prevents it | measured on small networks |
# | [S2](#S2) | the effective rank counts directions | a theorem, measured on samples |
# | [T1](#T1) | a Gaussian is a shell with uniform directions | a theorem, compared with draws |
# | [T3](#T3) | Laplace vectors are uniform on the diamond | derived, compared with draws |
# | [T7](#T7) | $\mathcal{GN}_p$: a Gamma radius and the cone measure | derived, compared with draws |
# | [T8](#T8) | cone and surface measure agree for $p = 1, 2, \infty$ only | derived, measured in the plane |
# | [T2](#T2) | the Gaussian is the most spread out at a given mean square | a theorem, compared with others |
# | [T4](#T4) | $\mathcal{GN}_p$ is, at a given mean $p$-th power | a theorem, compared with others |
# | [T5](#T5) | what a prior does to a weight | derived, compared with a search |
#
# Between them stand the parts that the lesson leaves to this notebook: [corners and spikes](#Corners-and-spikes), [hidden
# vectors](#Hidden-vectors), [why radius and direction are independent](#Why-radius-and-direction-are-independent), [a sampler for
# any p](#A-sampler-for-any-p), and [cone measure and surface measure](#Cone-measure-and-surface-measure).

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

# %% jupyter={"source_hidden": true} tags=["setup"]
# Imports, the look of the figures, and what several tests use.
import math

import matplotlib.pyplot as plt
import scipy.optimize
import scipy.stats
import torch

from rlpjepa import rdmreg_loss
from rlpjepa.figures import COLORS, STYLE, show
from rlpjepa.spheres import lp_norm, sample_cone, sample_surface, surface_density

plt.rcParams.update(STYLE)  # how figures look
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves


def unit_curve(p, n=2001):
    """(n, 2) points of the unit ℓp sphere in the plane, from (0, 1) to (1, 0)."""
    t = torch.linspace(0, 1, n, dtype=torch.float64)
    points = torch.stack([t, 1 - t], dim=1) ** max(1, 1 / p)  # the power places more points near a spike
    return points / lp_norm(points, p, keepdim=True)


# %% [markdown]
# ## Why a target at all
#
# ### S1
#
# The invariance term of Eq. 2 is zero for every constant map, and training on it alone can end there: the variance of
# each output coordinate over the data goes to zero (complete collapse). With a distribution term added as in Eq. 3 the
# variances settle near those of the target.
#
# **Why.** A constant map agrees with itself, so it is a minimum of Eq. 2. But it is not the only one, and where training ends
# depends on network and views. Take a linear map $f(\mathbf{x}) = W\mathbf{x}$ with $W$ of shape $(2, 2)$, and views that
# differ in their second coordinate only. Then the loss depends on the second column of $W$ alone. That one goes to zero, and the
# first is never touched.
#
# **Test.** An experiment like that of the lesson, with a target of variance 1; and a linear map. **Controls.** With a target
# of variance 4 the variances are not near 1. And the linear map that is shown the views above does not collapse: it is the
# network that escapes.


# %%
def make_network(generator, width=64):
    """A small network f_θ from the plane to the plane, (..., 2) -> (..., 2); a linear map when width is None."""
    if width is None:
        layers = [torch.nn.Linear(2, 2, bias=False)]
    else:
        layers = [torch.nn.Linear(2, width), torch.nn.Tanh(), torch.nn.Linear(width, 2)]
    network = torch.nn.Sequential(*layers)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5, generator=generator)
    return network.double()


def train(target_weight, noise, width=64, steps=400, target_scale=1.0):
    """Train on Eq. 2 (target_weight = 0) or Eq. 3; returns inputs (512, 2) and two sets of features (512, 2).

    The features are those of the inputs before training, and of one view of each input after it.
    """
    generator = torch.Generator().manual_seed(6)
    network = make_network(generator, width)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    x = 4 * torch.rand(512, 2, dtype=torch.float64, generator=generator) - 2
    before = network(x).detach()
    for _ in range(steps):
        views = x + noise * torch.randn(2, 512, 2, dtype=torch.float64, generator=generator)  # two of every point
        z = network(views)  # (2, 512, 2)
        loss = (z[0] - z[1]).square().mean()
        if target_weight:
            target = target_scale * torch.randn(512, 2, dtype=torch.float64, generator=generator)
            loss = loss + target_weight * rdmreg_loss(z, target, num_projections=32, generator=generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return x, before, z[0].detach()


# %% tags=["claim-S1"]
generator = torch.Generator().manual_seed(1)
network, views = make_network(generator), torch.randn(2, 512, 2, dtype=torch.float64, generator=generator)
assert (network(views[0]) - network(views[1])).square().mean() > 0.01
network[-1].weight.data.zero_()  # now it maps every point to its bias
assert (network(views[0]) - network(views[1])).square().mean() == 0 and network(views).abs().min() > 0

x, z_before, z_alone = train(target_weight=0, noise=0.3)
_, _, z_target = train(target_weight=5, noise=0.3)
assert (z_alone.var(0) / z_before.var(0) < 0.01).all()
assert (z_target.var(0) > 0.7).all() and (z_target.var(0) < 1.3).all()
_, _, z_wide = train(target_weight=5, noise=0.3, target_scale=2.0)  # control
assert (z_wide.var(0) > 1.3).all() and (z_wide.var(0) > 4 * 0.7).all() and (z_wide.var(0) < 4 * 1.3).all()

x_linear, linear_before, linear_alone = train(target_weight=0, noise=0.3, width=None)
_, _, linear_lucky = train(target_weight=0, noise=torch.tensor([0.0, 0.3]), width=None)
assert (linear_alone.var(0) / linear_before.var(0) < 0.01).all()
W_before, W_lucky = (torch.linalg.lstsq(x_linear, z).solution.T for z in (linear_before, linear_lucky))
torch.testing.assert_close(W_lucky[:, 0], W_before[:, 0], rtol=1e-4, atol=1e-4)
assert W_before[:, 0].norm() > 0.5 and W_lucky[:, 1].norm() < 1e-3

print("a constant map: invariance term 0")
print("invariance alone: each coordinate keeps less than 1/100 of its variance")
print("invariance and target: each coordinate has a variance between 0.7 and 1.3 (the target's is 1)")
print("control, a target of variance 4: between 2.8 and 5.2")
print("linear map, invariance alone: less than 1/100")
print("linear map, views that differ in one coordinate: column 1 of W as before, column 2 gone (tolerance 0.001)")
print("agrees")

# %% [markdown]
# ### S2
#
# If $d$ coordinates of unit variance are linear mixtures of $k < d$ signals (dimensional collapse), the effective rank
# $\exp(-\sum_i s_i \log s_i)$ of the centred feature matrix, where $s_i$ are its singular values divided by their sum,
# is at most $k$. For $d$ independent coordinates of equal variance it approaches $d$ as the sample grows.
#
# **Why.** Mixtures of $k$ signals have at most $k$ singular values that are not zero, and the entropy of $k$ shares is at most
# $\log k$. For independent coordinates of variance $v$ the matrix $Z^\top Z / n$ tends to $v$ times the identity, so that all
# shares become equal.
#
# **Test.** Sixteen mixtures of three signals; sixteen independent coordinates, for growing $n$. **Controls.** The same mixtures
# with a little noise on each coordinate count more than three directions. Independent coordinates of *unequal* variance stay
# below sixteen. And two coordinates of which one determines the other count as two: the rank sees linear repetition only.


# %% tags=["claim-S2"]
def effective_rank(z):
    shares = torch.linalg.svdvals(z - z.mean(0))
    shares = shares / shares.sum()
    return torch.special.entr(shares).sum().exp().item()  # entr(s) = -s log s


generator = torch.Generator().manual_seed(2)
signals = torch.randn(4096, 3, generator=generator, dtype=torch.float64)  # (n, k)
mixed = signals @ torch.randn(3, 16, generator=generator, dtype=torch.float64)  # (n, d)
mixed = mixed / mixed.std(0)
rank = effective_rank(mixed)
print(f"16 coordinates of variance 1, mixed from 3 signals: effective rank {rank:.1f}")
assert 1 < rank <= 3 + 1e-9
noisy = effective_rank(mixed + 0.1 * torch.randn(4096, 16, generator=generator, dtype=torch.float64))
print(f"with noise of deviation 0.1 on each: effective rank {noisy:.1f}")
assert noisy > 3.5

ranks = {}
for n in (32, 512, 8192):
    ranks[n] = effective_rank(torch.randn(n, 16, generator=generator, dtype=torch.float64))
    print(f"16 independent coordinates, n = {n:4d}: effective rank {ranks[n]:.1f}")
assert ranks[32] < ranks[512] < ranks[8192] <= 16 and ranks[8192] > 15.9
unequal = torch.randn(8192, 16, generator=generator, dtype=torch.float64)
unequal[:, 0] *= 5
print(f"independent too, one of them with deviation 5: effective rank {effective_rank(unequal):.1f}")
assert effective_rank(unequal) < 14

a = signals[:, :1]
curve = effective_rank(torch.cat([a, (a**2 - 1) / math.sqrt(2)], dim=1))
print(f"the two coordinates a and (a² - 1)/√2: effective rank {curve:.1f}, though one determines the other")
assert curve > 1.9
print("agrees")

# %% [markdown]
# ## Corners and spikes
#
# **The norm in code.** The formula is one line. The function `lp_norm` of `rlpjepa`, *the module*, gives the same numbers, and
# also works where single powers become too large or too small for a float.

# %%
generator = torch.Generator().manual_seed(3)
x = torch.randn(5, 1000, generator=generator)  # five vectors, one a row
for p in (0.25, 0.5, 1, 2, 8):
    by_hand = (x.abs() ** p).sum(-1) ** (1 / p)  # (5,)
    torch.testing.assert_close(lp_norm(x, p), by_hand)
torch.testing.assert_close(lp_norm(x, math.inf), x.abs().amax(-1))
print("lp_norm agrees with the formula for p = 0.25, 0.5, 1, 2, 8 and ∞")

small = torch.full((4096,), 1e-6)
by_hand = (small**8).sum() ** (1 / 8)
exact = 1e-6 * 4096 ** (1 / 8)
print(f"4096 entries of 10⁻⁶, p = 8: by hand {by_hand:.0f}, lp_norm {lp_norm(small, 8):.3e}, exact {exact:.3e}")
assert by_hand == 0 and abs(lp_norm(small, 8) / exact - 1) < 1e-6

# %% [markdown]
# **The angle of a corner.** Step back from the tip $(1, 0)$ by $h$ along the axis, take the two points of the sphere with $u_1 =
# 1 - h$, and measure the angle between them as seen from the tip. As $h$ falls, this angle stays what it is at a corner, grows to
# 180° where the sphere is round, and falls to 0 at a spike. Meanwhile the point on the diagonal moves to the origin: its distance
# is $d^{1/2 - 1/p}$.

# %%
for p in (2, 1, 0.75, 0.5, 0.25):
    diagonal = torch.ones(2, dtype=torch.float64) / lp_norm(torch.ones(2, dtype=torch.float64), p)
    length = lp_norm(diagonal, 2).item()
    assert abs(length - 2 ** (1 / 2 - 1 / p)) < 1e-12
    wide, narrow = (2 * math.degrees(math.atan((1 - (1 - h) ** p) ** (1 / p) / h)) for h in (0.1, 0.01))
    print(f"p = {p:<4}  diagonal at distance {length:.2f}, angle {wide:.3g}° for h = 0.1, {narrow:.3g}° for 0.01")
    assert (p < 1) == (narrow < 0.99 * wide) and (p > 1) == (narrow > 1.01 * wide)

# %% [markdown]
# ## Hidden vectors
#
# Section 4 of the lesson looks for the solution of $A\mathbf{x} = \mathbf{b}$ with the smallest $\sum_i |x_i|^p$ by iteratively
# reweighted least squares. How good is that loop?
#
# At $p = 1$ the problem is a linear program: write $\mathbf{x} = \mathbf{x}^+ - \mathbf{x}^-$ with two vectors without negative
# entries, and minimise the sum of both. A solver of linear programs finds the minimum. The loop should find the same one, whether
# or not it is the hidden vector. It comes near and not all the way, so the lesson counts a vector as found when no entry is off by
# more than 0.05. **Control.** Stopped after five steps the loop is not there.


# %%
def smallest(A, b, p, steps=110):
    """The loop of the lesson: A (..., m, d), b (..., m, 1) -> (..., d, 1)."""
    w = torch.ones_like(A[..., :1, :])
    for step in range(steps):
        x = (w * A).mT @ torch.linalg.solve((w * A) @ A.mT, b)
        w = (x.mT.square() + 0.8**step) ** (1 - p / 2)
    return x


def hidden_problem(m, trials):
    """Equations A (trials, m, 64) and hidden vectors (trials, 64, 1) with eight entries that are not zero."""
    generator = torch.Generator().manual_seed(m)
    draw = {"generator": generator, "dtype": torch.float64}
    A = torch.randn(trials, m, 64, **draw)
    place = torch.rand(trials, 64, 1, **draw).argsort(dim=1) < 8
    return A, place * torch.randn(trials, 64, 1, **draw)


# %% tags=["nbval-ignore-output"]
def error(x, hidden):
    """The largest error of an entry, for each trial."""
    return (x - hidden).abs().amax(dim=(1, 2))


for m in (20, 24, 28, 32):
    A, hidden = hidden_problem(m, trials=100)
    b = A @ hidden
    programs = [
        scipy.optimize.linprog(torch.ones(128), A_eq=torch.cat([a, -a], dim=1), b_eq=right) for a, right in zip(A, b)
    ]
    least = torch.tensor([program.fun for program in programs], dtype=torch.float64)
    exact = torch.stack([torch.tensor(program.x).view(2, 64, 1) for program in programs])
    solver = (error(exact[:, 0] - exact[:, 1], hidden) < 1e-6).sum().item()
    loop = smallest(A, b, 1)
    found = (error(loop, hidden) < 0.05).sum().item()
    print(f"m = {m}: of 100 hidden vectors linear programming finds {solver}, the loop {found}")
    above = loop.abs().sum(dim=(1, 2)) / least - 1
    early = smallest(A, b, 1, steps=5).abs().sum(dim=(1, 2)) / least - 1
    assert abs(solver - found) <= 3 and above.min() > -1e-6 and above.mean() < 2e-3
    assert early.mean() > 10 * above.mean()  # control

# %% [markdown]
# At $p = 1/2$ nothing says that the loop ends in the smallest value, since the problem is not convex. Where it ends elsewhere, is
# its end smaller or larger than the hidden vector? If larger, the loop was caught in a false minimum. If smaller, the hidden
# vector was not the solution.

# %% tags=["nbval-ignore-output"]
for m in (12, 16, 20, 24):
    A, hidden = hidden_problem(m, trials=100)
    end = smallest(A, A @ hidden, 0.5)
    size, wanted = (x.abs().sqrt().sum(dim=(1, 2)) for x in (end, hidden))
    missed = error(end, hidden) > 0.05
    print(f"m = {m}: missed {missed.sum()} of 100, {(missed & (size > wanted)).sum()} of them in a false minimum")
    assert m == 12 or (size > wanted)[missed].all()

# %% [markdown]
# From 16 equations on, every miss is a false minimum: the hidden vector is smaller than what the loop found. At 12 equations many
# ends are smaller than the hidden vector, so there even a perfect search would not find it.

# %% [markdown]
# ## Why radius and direction are independent
#
# Let the density of $\mathbf{z}$ depend on $\lVert\mathbf{z}\rVert_p$ alone, and write $\mathbf{z} = r\,\mathbf{u}$ with $r =
# \lVert\mathbf{z}\rVert_p$. Take a piece $A$ of the unit sphere and a number $t > 0$. The points with direction in $A$ and radius
# at most $t$ fill a cone, whose volume is $t^d$ times that of the cone for $t = 1$. The same holds for the whole ball. So $A$ has
# the same share of the volume of every shell between two radii. On a thin shell the density is nearly constant, so this is also
# its share of the probability, wherever the shell is: the radius says nothing about the direction. All that distinguishes one such
# distribution from another is the distribution of one number, $r$. And the share is that of the volume of the cone over $A$ in the
# volume of the unit ball, the *cone measure* of $A$.

# %% jupyter={"source_hidden": true} tags=["draw"]
generator = torch.Generator().manual_seed(3)
size = -torch.log1p(-torch.rand(2500, 2, generator=generator))
z = size * (1 - 2 * torch.randint(2, (2500, 2), generator=generator))  # density ∝ exp(-‖z‖₁)
near = z.abs().amax(dim=1) > 4 * z.abs().amin(dim=1)  # a piece of the sphere: directions near an axis
figure, panels = plt.subplots(1, 2, figsize=(8.6, 4), sharex=True, sharey=True)
for panel, p, title in zip(panels, (1, 2), ("p = 1: the same share in each shell", "p = 2: the share grows outwards")):
    panel.scatter(*z[~near].T, s=3, color=COLORS["muted"], linewidth=0)
    panel.scatter(*z[near].T, s=4, color=COLORS["laplace"], linewidth=0, label="near an axis")
    r, quarter = lp_norm(z, p), unit_curve(p, 201).float()
    bounds = r.quantile(torch.tensor([0.25, 0.5, 0.75]))
    shell = torch.bucketize(r, bounds)
    for k in range(4):
        height = 3.6 - 0.55 * k
        panel.text(2.4, height, f"shell {k + 1}: {near[shell == k].float().mean():.2f}", fontsize=9)
    for radius in bounds:
        for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            panel.plot(*(radius * quarter * torch.tensor(signs)).T, color=COLORS["theory"], linewidth=1)
    panel.set(title=title, xlabel="$z_1$", aspect="equal", xlim=(-4, 4.6), ylim=(-4, 4))
panels[0].set_ylabel("$z_2$")
panels[0].legend(loc="lower right", markerscale=3)
show(
    figure,
    alt="A cloud of points with density constant on diamonds. Points near the axes are coloured. Diamonds cut it into four "
    "shells with nearly equal coloured shares; circles cut it into shells whose coloured share grows outwards.",
)

# %% [markdown]
# *A cloud made for $p = 1$. Measured with its own norm, the share near an axis is nearly the same in every shell. With the wrong
# norm it is not.*
#
# **How the tests work.** To compare a sample with a distribution, this chapter uses the Kolmogorov–Smirnov test: its *p-value* is
# the probability that a sample from the distribution itself would lie at least as far from it. (It has nothing to do with the $p$
# of ℓp. Counts, as those of the triangles of T3, are compared by the $\chi^2$ test, whose p-value means the same.) A cell stops
# at a p-value of 1/10,000 or less, and prints its false-alarm rate: how often it would stop although the statement is true. For
# independence we split the sample in two by a property of the direction and compare the radii of the halves. Such a test can find
# dependence or fail to find it. That there is none is what the argument above proves.

# %%
LEVEL = 1e-4


def p_value(sample, other):
    """Kolmogorov and Smirnov's test of a sample (n,) against a distribution of scipy or another sample (n,)."""
    return scipy.stats.kstest(sample, other.cdf if hasattr(other, "cdf") else other).pvalue


def p_value_of_independence(value, other):
    """Split the sample at the median of `other` and compare the two halves of `value`: alike when independent."""
    return p_value(value[other < other.median()], value[other >= other.median()])


def report(text, p_values):
    """Print how many comparisons passed."""
    print(f"{text}: {sum(p > LEVEL for p in p_values)} of {len(p_values)} p-values above {LEVEL}")


def false_alarms(p_values):
    """How rarely true statements fail that many comparisons: at most the sum of the risks, in words."""
    return f"false alarms: at most 1 time in {1 / (LEVEL * len(p_values)):.0f}"


# %% [markdown]
# ### T1
#
# For $\mathbf{z} \sim \mathcal{N}(0, I_d)$ the radius $\|\mathbf{z}\|_2$ follows $\chi(d)$: its mean divided by
# $\sqrt{d}$ tends to $1$ and its standard deviation to $1/\sqrt{2}$ as $d$ grows. The direction
# $\mathbf{z}/\|\mathbf{z}\|_2$ is uniform on the sphere and independent of the radius.
#
# **Why.** The density depends on $\lVert\mathbf{z}\rVert_2$ alone, so radius and direction are independent, and no direction is
# preferred. The radius is the root of a sum of $d$ squared normal variables, which is how $\chi(d)$ is defined. Each square has
# mean 1 and variance 2, so $r^2$ is $d$ with a standard deviation of $\sqrt{2d}$, and $r$ has about $\sqrt{2d} / (2\sqrt{d})$.
#
# **Test.** Radii against $\chi(d)$; directions through their cosine with a fixed unit vector. By symmetry the cosine is
# distributed as $u_1$, whichever vector it is, and its square, $z_1^2/\sum_i z_i^2$, as Beta$(1/2, (d-1)/2)$. **Controls.**
# For points that are uniform in a square, radius and direction are dependent; and Laplace entries of variance 1 have another
# radius and other directions in every $d$.

# %% tags=["claim-T1"]
n = 4000
radii, radius_tests, uniform_tests, independence_tests, wrong_tests = {}, [], [], [], []
for d in (2, 64, 512, 4096):
    generator = torch.Generator().manual_seed(d)
    z = torch.randn(n, d, generator=generator)
    r = lp_norm(z, 2).double()  # (n,)
    u = z.double() / r[:, None]  # (n, d)
    radii[d] = r
    radius_tests.append(p_value(r, scipy.stats.chi(d)))
    for direction in (torch.eye(d)[0], torch.ones(d) / d**0.5):  # the squared cosine is distributed alike for each
        cosine = u @ direction.double()
        uniform_tests.append(p_value(cosine**2, scipy.stats.beta(1 / 2, (d - 1) / 2)))
        independence_tests.append(p_value_of_independence(r, cosine))
    independence_tests.append(p_value_of_independence(r, u.abs().amax(1)))
    laplace = torch.distributions.Laplace(0.0, 0.5**0.5).icdf(
        torch.rand(n, d, dtype=torch.float64, generator=generator)
    )
    wrong = lp_norm(laplace, 2)
    wrong_tests.append(p_value(wrong, scipy.stats.chi(d)))
    wrong_tests.append(p_value((laplace[:, 0] / wrong) ** 2, scipy.stats.beta(1 / 2, (d - 1) / 2)))
    print(
        f"d = {d:4d}: mean radius / √d = {r.mean() / d**0.5:.3f} ± {r.std() / (n * d) ** 0.5:.4f}, "
        f"standard deviation {r.std():.2f} ± {r.std() / (2 * n) ** 0.5:.2f}"
    )
report("radius against χ(d)", radius_tests)
report("direction against the uniform distribution", uniform_tests)
report("radius against direction", independence_tests)
tests = radius_tests + uniform_tests + independence_tests
assert min(tests) > LEVEL
assert abs(r.mean() / d**0.5 - 1) < 1e-3 and abs(r.std() - 0.5**0.5) < 0.05  # d = 4096, about six standard errors

square = torch.rand(n, 2, generator=generator) - 0.5  # uniform in a square: dependent, and not uniform in direction
wrong = p_value_of_independence(lp_norm(square, 2), (square / lp_norm(square, 2, keepdim=True)).abs().amax(1))
assert wrong < LEVEL and max(wrong_tests) < LEVEL
print("controls: points that are uniform in a square are recognised as dependent, ", end="")
print(f"Laplace entries {sum(p < LEVEL for p in wrong_tests)} of {len(wrong_tests)} times by radius or direction")
print("agrees: √d and 1/√2 = 0.71 as d grows, direction uniform and independent of the radius")
print(false_alarms(tests))

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(8, 2.8))
for d, r in radii.items():
    panel.hist(r, bins=40, density=True, color=COLORS["gaussian"], alpha=0.5, label="measured" if d == 2 else None)
    grid = torch.linspace(max(0, d**0.5 - 3.5), d**0.5 + 3.5, 300)
    panel.plot(grid, scipy.stats.chi(d).pdf(grid), color=COLORS["theory"], label="χ(d)" if d == 2 else None)
    panel.annotate(f"d = {d}", (max(2.6, d**0.5), 0.7), ha="center", fontsize=10)
panel.set(xlabel=r"radius $\|z\|_2$", ylabel="density", ylim=(0, 0.8), xlim=(0, 70))
panel.set_title("The shell moves out and hardly widens")
panel.legend(loc="center right", bbox_to_anchor=(0.8, 0.5))
show(
    figure,
    alt="Histograms of the radius for d = 2, 64, 512 and 4096. The four bumps move out, are equally wide, and are covered by "
    "the density of the chi distribution.",
)

# %% [markdown]
# ## The diamond
#
# ### T3
#
# If the $d$ coordinates of $\mathbf{z}$ are independent Laplace variables with scale $\sigma$, then $\|\mathbf{z}\|_1$
# follows the Gamma distribution with shape $d$ and scale $\sigma$, and $\mathbf{z}/\|\mathbf{z}\|_1$ is uniform on the
# unit $\ell_1$ sphere with respect to its surface measure.
#
# **Why.** The radius is a sum of $d$ exponential variables of mean $\sigma$. The density depends on the $\ell_1$ norm alone, so
# the direction follows the cone measure. For a piece of a flat face the volume of the cone is area times height divided by $d$,
# and the height, the distance of a face from the origin, is $1/\sqrt{d}$ for all faces.
#
# **Test.** Radii against Gamma; directions by the part of a face near a corner and, in three dimensions, by counts in 32 equal
# triangles: cut each of the eight faces of the octahedron into four, one at each corner (where $|u_i| > 1/2$ for some $i$) and one
# in the middle. **Controls.** The scale 1 in place of $\sigma$, which is what the post writes, and a Gaussian's directions are
# recognised as wrong.


# %%
def triangle_counts(u):
    """How many rows of u (n, 3) lie in each of the 32 triangles."""
    face = (u > 0).long() @ torch.tensor([1, 2, 4])  # 0 … 7
    piece = torch.where(u.abs().amax(1) > 0.5, u.abs().argmax(1), 3)  # corner 0, 1, 2 or middle 3
    return (4 * face + piece).bincount(minlength=32)


def tests_of_uniformity(u):
    """p-values of the directions u (n, d) against the uniform distribution on the unit ℓ1 sphere."""
    # the part of a face where |u_1| > t is the face itself, shrunk by the factor 1 - t in d - 1 dimensions
    p_values = [p_value(u[:, 0].abs(), scipy.stats.beta(1, u.shape[1] - 1))]
    if u.shape[1] == 3:
        p_values.append(scipy.stats.chisquare(triangle_counts(u)).pvalue)
    return p_values


# %% tags=["claim-T3"]
n = 20_000
radius_tests, direction_tests, wrong_scale = [], [], []
for d in (2, 3, 10, 100):
    for sigma in (0.5, 2.0):
        generator = torch.Generator().manual_seed(4 + d + round(1000 * sigma))
        size = -torch.log1p(-torch.rand(n, d, dtype=torch.float64, generator=generator))  # exponential
        sign = 1 - 2 * torch.randint(2, (n, d), generator=generator)
        z = sigma * sign * size  # (n, d), Laplace with scale sigma
        r = lp_norm(z, 1)  # (n,)
        u = z / r[:, None]  # (n, d)
        radius_tests.append(p_value(r, scipy.stats.gamma(d, scale=sigma)))
        wrong_scale.append(p_value(r, scipy.stats.gamma(d, scale=1)))
        direction_tests += tests_of_uniformity(u)
        if d == 3:
            counts, deviation = triangle_counts(u), (n / 32 * (1 - 1 / 32)) ** 0.5
            print(
                f"σ = {sigma}: {counts.min()} to {counts.max()} points a triangle, "
                f"expected {n / 32:.0f} ± {deviation:.0f}"
            )
report("radius against Gamma(d, scale σ)", radius_tests)
report("direction against the uniform distribution", direction_tests)
assert min(radius_tests + direction_tests) > LEVEL

z = torch.randn(n, 3, dtype=torch.float64, generator=generator)
wrong_directions = tests_of_uniformity(z / lp_norm(z, 1, keepdim=True))
assert max(wrong_scale + wrong_directions) < LEVEL
print("the scale 1 in place of σ is recognised as wrong, and so are a Gaussian's directions on the ℓ1 sphere")
print(f"agrees ({false_alarms(radius_tests + direction_tests)})")

# %% jupyter={"source_hidden": true} tags=["draw"]
generator = torch.Generator().manual_seed(4)
size = -torch.log1p(-torch.rand(3000, 3, generator=generator))
clouds = (
    (size, "Laplace: even", COLORS["laplace"]),
    (torch.randn(3000, 3, generator=generator).abs(), "Gaussian: thinner at the corners", COLORS["gaussian"]),
)
corner = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
figure, panels = plt.subplots(1, 2, figsize=(8.6, 3.6), sharex=True, sharey=True)
for panel, (z, title, color) in zip(panels, clouds):
    panel.scatter(*(z / z.sum(dim=1, keepdim=True) @ corner).T, s=3, color=color, linewidth=0)
    panel.plot(*corner[[0, 1, 2, 0]].T, color=COLORS["theory"], linewidth=1)
    middle = (corner + corner.roll(1, 0)) / 2
    panel.plot(*middle[[0, 1, 2, 0]].T, color=COLORS["theory"], linewidth=1)
    for i, (place, side) in enumerate(zip(corner, ("right", "left", "left"))):
        panel.annotate(f" axis {i + 1} ", place, ha=side, va="center")
    panel.set(title=title, aspect="equal", xlim=(-0.25, 1.3))
    panel.axis("off")
show(
    figure,
    alt="A triangle, one face of the octahedron, cut into four. Directions of Laplace vectors fill it evenly; those of "
    "Gaussian vectors are denser in the middle and thinner at the corners, which lie on the axes.",
)

# %% [markdown]
# *The eight faces folded onto one by taking absolute values. The Laplace distribution reaches into the corners, which lie on the
# axes; the Gaussian gets there less often.*

# %% [markdown]
# ## A sampler for any p
#
# **Why this density.** Let the entries be independent with a continuous, positive density $f$, and let the density of the vector
# depend on its ℓp norm alone. For two entries, with $g(s)$ the value of $\log f$ at $|z|^p = s$, this says $g(s) + g(t) = F(s + t)$
# for all $s, t \ge 0$. Put $t = 0$: $F(s) = g(s) + g(0)$. So $g - g(0)$ turns sums into sums, and a continuous function that does
# is linear. Hence $\log f(z) = g(0) - \lambda |z|^p$, with $\lambda > 0$ or the integral would not be finite. At $p = 2$ this is
# how Herschel and Maxwell came to the Gaussian.
#
# **How to draw from it.** The lesson draws a size as $(p\,G_{1/p})^{1/p}$ with a Gamma variable $G_{1/p}$ of shape $1/p$. For large $p$ such a variable is
# often too small for a float. The module does better: $G_{1/p}$ is distributed as $G\,U^p$, with $G$ of shape $1 + 1/p$ and $U$
# uniform on $(0, 1)$, independent, since both have the moments $\Gamma(1/p + k)/\Gamma(1/p)$. So the size is $U\,(p\,G)^{1/p}$, and
# a uniform variable on $(-1, 1)$ in place of $U$ brings the sign as well:
#
# $$z = \sigma\, V\, (p\,G)^{1/p}, \qquad V \text{ uniform on } (-1, 1), \quad G \sim \mathrm{Gamma}(1 + 1/p) .$$
#
# The cell draws $(n, d)$ of them, compares them with scipy and with the lesson's sampler, and splits every row into radius and
# direction. The directions are, number by number, what the module's `sample_cone` returns for the same seed.
# (`torch._standard_gamma` is what `torch.distributions.Gamma` itself calls; only this form takes a generator.)

# %%
n, d, p, sigma = 20_000, 5, 0.5, 1.7
generator = torch.Generator().manual_seed(6)
V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
z = sigma * V * (p * G) ** (1 / p)  # (n, d), independent GN_p(0, sigma)
tests = [p_value(z[:, 0], scipy.stats.gennorm(p, scale=sigma * p ** (1 / p)))]
sizes = (p * torch._standard_gamma(torch.full((n,), 1 / p, dtype=torch.float64), generator=generator)) ** (1 / p)
tests.append(p_value(z[:, 1].abs(), sigma * sizes))
report("z against scipy's gennorm and the lesson's sampler", tests)
assert min(tests) > LEVEL

r = lp_norm(z, p)  # (n,)
u = z / r[:, None]  # (n, d)
generator = torch.Generator().manual_seed(6)
torch.testing.assert_close(u, sample_cone(n, d, p, dtype=torch.float64, generator=generator))
print("z / ‖z‖ₚ equals sample_cone, number by number")

# %% [markdown]
# ### T7
#
# If the $d$ coordinates of $\mathbf{z}$ are independent $\mathcal{GN}_p(0, \sigma)$, then $\|\mathbf{z}\|_p^p$ follows
# the Gamma distribution with shape $d/p$ and scale $p\sigma^p$, and is independent of $\mathbf{u} =
# \mathbf{z}/\|\mathbf{z}\|_p$. The distribution of $\mathbf{u}$ is the cone measure of the unit $\ell_p$ sphere: a
# piece of the sphere weighs as much as the share of the unit ball's volume between it and the origin.
#
# **Why.** Each $|z_i|^p / (p\sigma^p)$ follows Gamma$(1/p)$, by substitution in the density, and shapes of independent Gamma
# variables add up. The density depends on $\lVert\mathbf{z}\rVert_p$ alone; the rest is the argument above.
#
# **Test.** Radii against Gamma; radius against direction; directions against those of points that fill the unit ball evenly.
# **Controls.** With the radius measured in another norm the independence is gone. And directions that are even by *area* are
# told from those of the ball at every $p$ but 1 and 2, where area and cone weigh a piece alike.


# %%
def sample_gn(n, d, p, sigma, generator):
    """(n, d) independent draws from GN_p(0, sigma), as above."""
    V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
    G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
    return sigma * V * (p * G) ** (1 / p)


# %% tags=["claim-T7"]
n, sigma = 10_000, 1.7
radius_tests, independence_tests, cone_tests, wrong_norm = [], [], [], []
for p in (0.25, 0.5, 1, 2, 4):
    for d in (2, 3, 50):
        z = sample_gn(n, d, p, sigma, torch.Generator().manual_seed(7 + d))
        r = lp_norm(z, p)
        u = z / r[:, None]
        radius_tests.append(p_value(r**p, scipy.stats.gamma(d / p, scale=p * sigma**p)))
        for value in (u[:, 0], u.abs().amax(1)):
            independence_tests.append(p_value_of_independence(r, value))
        other = lp_norm(z, 1 if p == 2 else 2)
        wrong_norm.append(p_value_of_independence(other, (z / other[:, None]).abs().amax(1)))
        if d == 50 or (p, d) == (0.25, 3):
            continue  # almost no point of the cube lies in these balls
        cube = torch.rand(400_000, d, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
        ball = cube[lp_norm(cube, p) <= 1][:n]  # by symmetry the positive part is enough
        direction = ball / lp_norm(ball, p, keepdim=True)
        cone_tests.append(p_value(u.abs().amax(1), direction.amax(1)))
        cone_tests.append(p_value(u[:, 0].abs(), direction[:, 0]))
    square = torch.rand(400_000, 2, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    ball = square[lp_norm(square, p) <= 1][:100_000]
    z = sample_gn(100_000, 2, p, sigma, torch.Generator().manual_seed(7))
    by_area = sample_surface(100_000, 2, p, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    of_ball, of_z, of_area = ((lp_norm(x, math.inf) / lp_norm(x, p)) for x in (ball, z, by_area))  # the largest entry
    cone_tests.append(p_value(of_z, of_ball))
    assert (p_value(of_area, of_ball) < LEVEL) == (p not in (1, 2))
report("‖z‖^p against Gamma(d/p, scale pσ^p)", radius_tests)
report("radius against direction", independence_tests)
report("directions of z against directions of points in the ball", cone_tests)
tests = radius_tests + independence_tests + cone_tests
assert min(tests) > LEVEL
assert max(wrong_norm) < LEVEL
print(
    f"radius in the wrong norm: {sum(p < LEVEL for p in wrong_norm)} of {len(wrong_norm)} times recognised as dependent"
)
print(f"agrees ({false_alarms(tests)})")

# %% [markdown]
# ## Cone measure and surface measure
#
# There are two natural ways to weigh a piece of the sphere: by the volume under it, and by its area. A generalized Gaussian
# follows the first. How do they differ?
#
# Take a small piece of area $A$ around $\mathbf{u}$. The cone over it has the volume $\frac1d\,h A$, where $h$ is the
# distance from the origin to the plane that touches the sphere at $\mathbf{u}$. The gradient of the norm there is the
# vector $\mathbf{g}$ with $g_i = \operatorname{sgn}(u_i)|u_i|^{p-1}$; it is perpendicular to that plane, and
# $\mathbf{u}\cdot\mathbf{g} = \sum_i |u_i|^p = 1$, so $h = 1/\lVert\mathbf{g}\rVert_2$. Hence cone measure is in
# proportion to area divided by $\lVert\mathbf{g}\rVert_2$. With both scaled to total 1, the density of the surface
# measure against the cone measure is
#
# $$\frac{\mathrm{d}\,\text{surface}}{\mathrm{d}\,\text{cone}}(\mathbf{u}) =
#   \frac{\lVert\mathbf{g}\rVert_2}{\mathbb{E}_{\text{cone}}\lVert\mathbf{g}\rVert_2}, \qquad
#   \lVert\mathbf{g}\rVert_2 = \Bigl(\sum_i |u_i|^{2p-2}\Bigr)^{1/2} .$$

# %% [markdown]
# ### T8
#
# In $d \ge 2$ dimensions the cone measure and the normalised surface measure of the unit $\ell_p$ sphere are equal for
# $p \in \{1, 2, \infty\}$ and for no other $p > 0$. In the plane their total variation distance is $0.579$ at $p =
# 1/4$, $0.240$ at $p = 1/2$, $0.072$ at $p = 3/4$ and $0.014$ at $p = 3/2$.
#
# **Why.** At $p = 2$ the sum is 1, at $p = 1$ it is $d$; for $p = \infty$ the sphere is a cube, whose faces all
# lie at the distance $h = 1$. In these three cases the two measures are equal. For any other $p$ compare the point on
# an axis, where all coordinates but one are 0, with the diagonal. Towards the axis $\lVert\mathbf{g}\rVert_2 \to 1$ for
# $p > 1$ and $\to \infty$ for $p < 1$; on the diagonal it is $d^{1/p - 1/2}$, which is finite, and 1 only for $p = 2$.
# So the measures differ.
#
# **Test.** In the plane everything can be measured without any of this: cut the curve into short pieces, measure the length of
# each and the area of the triangle between it and the origin. The *total variation distance* is half the sum of the
# absolute differences between the two shares, the largest difference that any set can show. It is 0 for equal measures
# and 1 for measures that have no piece in common. In more dimensions the gradient of the norm has to be constant, or not.
# **Control.** Each test meets cases in which the measures are equal and others in which they are not.


# %%
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


# %% tags=["claim-T8"]
in_plane = {p: total_variation(p) for p in (0.25, 0.5, 0.75, 1, 1.5, 2, math.inf)}
for p, distance in in_plane.items():
    print(f"plane, p = {'∞' if p == math.inf else p:<4}  total variation distance {distance:.3f}")
    assert distance < 1e-5 if p in (1, 2, math.inf) else distance > 0.01
stated = {0.25: 0.579, 0.5: 0.240, 0.75: 0.072, 1.5: 0.014}
assert all(abs(in_plane[p] - distance) < 6e-4 for p, distance in stated.items())

for d in (2, 3, 10):  # the gradient of the norm by automatic differentiation, at points under the cone measure
    for p in (0.5, 0.75, 1, 1.5, 2, 4, math.inf):
        u = sample_cone(2000, d, p, dtype=torch.float64, generator=torch.Generator().manual_seed(d)).requires_grad_()
        (g,) = torch.autograd.grad(lp_norm(u, p).sum(), u)
        slope = g.norm(dim=1)
        spread = slope.std() / slope.mean()
        if p in (1, 2, math.inf):
            assert spread < 1e-9
            continue
        assert spread > 0.01
        if d <= 3:  # what the module says the density is, up to its constant factor
            ratio = surface_density(u.detach(), p) / slope
            assert ratio.std() / ratio.mean() < 1e-9
print("d = 2, 3, 10: ‖g‖₂ is constant (relative tolerance 1e-9) for p = 1, 2, ∞ and varies for p = 0.5, 0.75, 1.5, 4")
print("agrees: in the plane the distance is 0 (tolerance 1e-5) for p = 1, 2, ∞, and above 0.01 for the other p")

# %% [markdown]
# In the plane the shares of length and area are known, and so is the constant factor: the module's `surface_density`
# should equal the share of length divided by the share of area. And `sample_surface` should draw pieces in proportion
# to their length. (It works in any dimension: it draws from a distribution that is near the surface measure, and keeps a point
# with the right probability.) We draw by hand too: choose a piece by its length, then a point of it.

# %%
n = 20_000
tests = []
for p in (0.5, 0.75, 1.5, 4):
    length, area = cut(p)
    u = unit_curve(p, 20_001)
    middle = (u[1:] + u[:-1]) / 2
    middle = middle / lp_norm(middle, p, keepdim=True)
    inside = middle.amin(1) > 0.01  # next to a spike the pieces are too coarse
    torch.testing.assert_close(surface_density(middle, p)[inside], (length / area)[inside], rtol=1e-4, atol=0)

    generator = torch.Generator().manual_seed(10)
    piece = torch.searchsorted(length.cumsum(0), torch.rand(n, dtype=torch.float64, generator=generator))
    by_hand = middle[piece.clamp(max=len(middle) - 1)]  # (n, 2)
    points = sample_surface(n, 2, p, dtype=torch.float64, generator=generator).abs()  # (n, 2)
    tests += [p_value(points[:, 0], by_hand[:, 0]), p_value(points.amax(1), by_hand.amax(1))]
print("surface_density agrees with length / area (relative tolerance 1e-4)")
report("sample_surface against points drawn by length", tests)
assert min(tests) > LEVEL

generator = torch.Generator().manual_seed(12)
tips = {}
for name, sample in (("cone measure", sample_cone), ("surface measure", sample_surface)):
    share = (sample(n, 2, 0.5, generator=generator).abs().amax(1) > 0.9).double().mean().item()
    tips[name] = share
    error = (share * (1 - share) / n) ** 0.5
    print(f"p = 0.5, {name}: {share:.3f} ± {error:.4f} of the points in the outer tenth of a spike")
assert tips["cone measure"] < tips["surface measure"] / 5

# %% jupyter={"source_hidden": true} tags=["draw"]
fig, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
u = unit_curve(0.5, 20_001)
for ax, weights, name in zip(axes, cut(0.5)[::-1], ("cone measure: equal areas", "surface measure: equal lengths")):
    ends = torch.searchsorted(weights.cumsum(0), torch.linspace(0, 1, 13, dtype=torch.float64)).clamp(max=20_000)
    for k, (start, end) in enumerate(zip(ends[:-1], ends[1:])):
        wedge = torch.cat([torch.zeros(1, 2, dtype=torch.float64), u[start : end + 1]])
        ax.fill(*wedge.T, color=COLORS["muted"], alpha=0.9 if k % 2 else 0.35, linewidth=0)
    ax.plot(*u.T, color=COLORS["theory"])
    ax.plot(*u[ends].T, "o", color=COLORS["theory"], markersize=4)
    ax.set(title=name, xlabel="$u_1$", aspect="equal")
axes[0].set_ylabel("$u_2$")
show(
    fig,
    alt="A quarter of the unit curve for p = 0.5, cut into twelve pieces. Left, pieces of equal area seen from the "
    "origin: most cuts lie in the inner half of the curve. Right, pieces of equal length: the cuts are evenly spaced "
    "along the curve up to the tips of the spikes.",
)

# %% [markdown]
# *A quarter of the sphere for $p = 0.5$ in twelve equally likely pieces. Left: the wedges have equal areas, which makes the pieces
# at the tips long, since a thin wedge there has little area. Right: the pieces have equal lengths, and more of them lie at the
# tips. A target with coordinates $\mathcal{GN}_p(0, \sigma)$ follows the left one. For $p < 1$ it visits the spikes less often than
# "uniform on the ℓp sphere" might suggest. Whether a target with the directions of the right one would be better or worse for
# learning is not studied in this series.*
#
# How near the two measures come in high dimension is studied by Naor (*The surface measure and cone measure on the sphere of
# $\ell_p^n$*, 2007) and by Naor and Romik (*Projecting the surface measure of the sphere of $\ell_p^n$*, 2003). Exercise 01.6 asks
# what happens below $p = 1$, which they leave out.

# %%
grid = sorted([1.0, 2.0, *torch.logspace(math.log10(0.2), math.log10(20), 160).tolist()])
distances = torch.tensor([total_variation(p) for p in grid])
nearest = {p: total_variation(p) for p in (1, 2)}
away = torch.tensor([min(abs(p - 1), abs(p - 2)) > 0.1 for p in grid])
assert max(nearest.values()) < 1e-5 and distances[away].min() > 1e-3
between, above = (max(total_variation(p) for p in some) for some in ((1.2, 1.3, 1.4), (5, 6, 7)))
print(f"largest distance between 1 and 2: {between:.3f}, above 2: {above:.2f}")
assert distances[-1] > total_variation(100) > total_variation(500) and total_variation(500) < 2e-3

# %% jupyter={"source_hidden": true} tags=["draw"]
fig, ax = plt.subplots(figsize=(7, 3.4))
ax.semilogy(grid, distances.clamp(min=1e-6), color=COLORS["theory"])
for p, name in ((1, "laplace"), (2, "gaussian")):
    ax.axvline(p, color=COLORS[name], linestyle="--", label=f"p = {p}: the distance is 0")
marks = (0.25, 0.5, 0.75, 1.5)
ax.plot(
    marks,
    [in_plane[p] for p in marks],
    "o",
    color=COLORS["measurement"],
    label="p = 0.25, 0.5, 0.75, 1.5 (printed)",
)
ax.set(xscale="log", xlabel="p", ylabel="total variation distance", ylim=(1e-3, 1))
ax.set_xticks([0.25, 0.5, 1, 2, 4, 8, 16], ["0.25", "0.5", "1", "2", "4", "8", "16"])
ax.set_xticks([], minor=True)
ax.set_title("Cone against surface measure in the plane")
ax.legend(loc="upper right")
show(
    fig,
    alt="Total variation distance against p on logarithmic axes. It falls from above 0.6 at p = 0.2 to zero at p = 1, "
    "rises to less than 0.02, falls to zero at p = 2, rises to about 0.03 and falls slowly for large p.",
)

# %% [markdown]
# *The distance between the two measures in the plane. It dips to zero at $p = 1$ and $p = 2$, and tends to zero once
# more as $p \to \infty$, beyond the right edge (at $p = \infty$ the measures are equal). Between and above them the
# difference is small; below $p = 1$ it grows fast.*

# %% [markdown]
# ## The most spread out
#
# ### T2
#
# Among the distributions on $\mathbb{R}^d$ with a given $\mathbb{E}\|\mathbf{z}\|_2^2$, the centred isotropic Gaussian
# has the largest differential entropy.
#
# **Why.** Let $g$ be the density of that Gaussian and $f$ another one with the same mean square. Since $\log g$ is a constant
# minus a multiple of $\lVert\mathbf{z}\rVert_2^2$, its mean is the same under both, and
#
# $$h(g) - h(f) = -\int f \log g + \int f \log f = \int f \log\frac{f}{g} \ge 0 .$$
#
# The last integral is never negative: $\log(f/g) \ge 1 - g/f$, and the mean of the right side under $f$ is $1 - \int_{f>0} g
# \ge 0$. Both sides are equal only where $f = g$.
#
# **Test.** Six other distributions in the plane with the same mean square have less entropy. **Control.** With the mean of the
# *norm* fixed, which is what the post says, the Gaussian is beaten: by the density proportional to
# $\exp(-\lambda\lVert\mathbf{z}\rVert_2)$, for which the same proof works.

# %%
STEP = 1e-3
LINE = torch.arange(-60 + STEP / 2, 60, STEP, dtype=torch.float64)
HALF_LINE = torch.arange(STEP / 2, 60, STEP, dtype=torch.float64)


def normal(mean, variance):
    return lambda x: (-((x - mean) ** 2) / (2 * variance)).exp() / math.sqrt(2 * math.pi * variance)


def product(*densities):
    """Entropy and mean squared norm of two independent coordinates, by summing over a fine grid."""
    f = torch.stack([density(LINE) for density in densities])  # (2, points of the grid)
    return torch.special.entr(f).sum() * STEP, (f * LINE**2).sum() * STEP


def radial(density, power):
    """Entropy and mean of ||z||^power in the plane of a distribution whose density depends on r = ||z|| alone."""
    f, ring = density(HALF_LINE), 2 * math.pi * HALF_LINE * STEP  # ring: area between r and r + STEP
    f = f / (f * ring).sum()
    return (torch.special.entr(f) * ring).sum(), (f * HALF_LINE**power * ring).sum()


# %% tags=["claim-T2"]
others = {
    "isotropic Gaussian": product(*[normal(0, 1)] * 2),
    "Gaussian with variances 1.4 and 0.6": product(normal(0, 1.4), normal(0, 0.6)),
    "isotropic Gaussian, off centre": product(*[normal(0.5, 0.75)] * 2),
    "product logistic": product(*[lambda x: torch.from_numpy(scipy.stats.logistic.pdf(x, 0, 3**0.5 / math.pi))] * 2),
    "product Laplace": product(*[lambda x: (-x.abs() * 2**0.5).exp() / 2**0.5] * 2),
    "uniform in a square": product(*[lambda x: (x.abs() < 3**0.5).double() / 12**0.5] * 2),
    "uniform in a disc": radial(lambda r: (r < 2).double(), power=2),
}
best = others["isotropic Gaussian"][0]
for name, (entropy, mean_square) in others.items():
    print(f"mean square {mean_square:.2f}, entropy {entropy:.2f} nats: {name}")
    assert abs(mean_square - 2) < 5e-3
    assert name == "isotropic Gaussian" or entropy < best - 0.01

gaussian, gaussian_norm = radial(lambda r: (-(r**2) / 2).exp(), power=1)
winner, winner_norm = radial(lambda r: (-2 * r / gaussian_norm).exp(), power=1)
print(f"mean norm {gaussian_norm:.3f}, entropy {gaussian:.3f} nats: isotropic Gaussian")
print(f"mean norm {winner_norm:.3f}, entropy {winner:.3f} nats: density ∝ exp(-λ‖z‖₂)")
assert abs(gaussian_norm - winner_norm) < 1e-4
assert abs(gaussian - 2.838) < 1e-3 and abs(winner - 2.903) < 1e-3
print("agrees: largest at a fixed mean square (tolerance 0.005), not at a fixed mean norm")

# %% [markdown]
# ### T4
#
# Among the distributions on $\mathbb{R}^d$ with a given $\mathbb{E}\|\mathbf{z}\|_p^p$, the product of $d$
# distributions $\mathcal{GN}_p(0, \sigma)$ with that moment has the largest differential entropy. At $p = 1$ it is the
# product Laplace distribution with scale $\sigma$, at $p = 2$ the Gaussian with standard deviation $\sigma$.
#
# **Why.** As for T2: the logarithm of the density is a constant minus a multiple of $\lVert\mathbf{z}\rVert_p^p$.
#
# **Test.** Entropies of one entry add up to that of a vector. So we compare one entry of each shape $q$, and of three other
# distributions, at the same $\mathbb{E}|z|^p$; and in the plane one distribution whose entries are not independent. **Control.**
# The winner for one $p$ loses under the constraint of another.

# %%
LOG_X = torch.linspace(-40, 25, 8001, dtype=torch.float64)  # a grid in log x reaches from 10^-17 to 10^10
X, DX = LOG_X.exp(), LOG_X.exp() * (LOG_X[1] - LOG_X[0])


def entropy_at_unit_moment(log_density, p):
    """Entropy in nats of a symmetric distribution, given log f up to a constant on x > 0, scaled so that E|x|^p = 1."""
    f = torch.exp(log_density - torch.logsumexp(log_density + DX.log(), 0)) / 2  # its integral over x > 0 is 1/2
    moment = 2 * (X**p * f * DX).sum()
    return (2 * (torch.special.entr(f) * DX).sum() - moment.log() / p).item()  # x / moment^(1/p) has moment 1


# %% tags=["claim-T4"]
curves = {}
shapes = torch.logspace(math.log10(0.25), math.log10(8), 61, dtype=torch.float64).tolist()
for p in (0.5, 1, 2, 4):
    best = entropy_at_unit_moment(-(X**p) / p, p)
    closed_form = math.log(2 * math.gamma(1 / p) * p ** (1 / p - 1)) + 1 / p
    assert abs(best - closed_form) < 1e-8
    curves[p] = [entropy_at_unit_moment(-(X**q) / q, p) - best for q in shapes]
    assert max(curves[p]) < 1e-8 and abs(math.log(shapes[curves[p].index(max(curves[p]))] / p)) < 0.06
    for other in {0.5, 1, 2, 4} - {p}:  # control
        assert entropy_at_unit_moment(-(X**other) / other, p) < best - 0.01
    others = {
        "uniform": torch.where(X < 1, 0.0, -math.inf),
        "logistic": -X - 2 * torch.log1p(torch.exp(-X)),
        "Student, 9 degrees of freedom": -5 * torch.log1p(X**2 / 9),
    }
    gaps = {name: best - entropy_at_unit_moment(log_density, p) for name, log_density in others.items()}
    assert min(gaps.values()) > 1e-3
    print(f"E|z|^{p} = 1: GN_{p} has {best:.3f} nats; less by: " + ", ".join(f"{k} {v:.3f}" for k, v in gaps.items()))

ball = math.log(2 * 3**2)  # uniform in the ℓ1 ball of radius 3 in the plane, area 2 · 3², E‖z‖₁ = 2
product = 2 * (1 + math.log(2))  # two Laplace coordinates with scale 1, E‖z‖₁ = 2
print(f"in the plane, E‖z‖₁ = 2: product Laplace {product:.3f} nats, uniform in the ℓ1 ball {ball:.3f}")
assert ball < product

z = torch.linspace(-5, 5, 11, dtype=torch.float64)
sigma = 1.3
for p, torch_has in ((1, torch.distributions.Laplace(0.0, sigma)), (2, torch.distributions.Normal(0.0, sigma))):
    log_density = (1 - 1 / p) * math.log(p) - math.log(2 * sigma * math.gamma(1 / p)) - z.abs() ** p / (p * sigma**p)
    torch.testing.assert_close(log_density, torch_has.log_prob(z), rtol=1e-6, atol=1e-6)
print("p = 1 is Laplace with scale σ, p = 2 Gauss with standard deviation σ")
print("agrees (entropy to 1e-8, the position of the maximum to one step of the grid)")

# %% [markdown]
# ## What a prior does
#
# ### T5
#
# On an orthonormal design with noise variance $s^2$, the posterior mode of a weight with least-squares value $\hat{w}$
# is $\hat{w}$ soft-thresholded at $s^2/b$ under a Laplace prior of scale $b$ (lasso), and $\hat{w}\,\tau^2/(\tau^2 +
# s^2)$ under a Gaussian prior of variance $\tau^2$ (ridge): of the two only the first is exactly zero on an interval
# of $\hat{w}$. Under a prior proportional to $\exp(-\lambda|w|^p)$ with $p < 1$ the mode is zero on an interval too,
# jumps at its ends, and its distance from $\hat{w}$ vanishes as $|\hat{w}|$ grows.
#
# **Why.** Let $\mathbf{y} = X\mathbf{w} + \text{noise}$ with a known matrix $X$ of shape $(n, k)$ whose columns are orthonormal, $k$
# unknown weights $\mathbf{w}$, and Gaussian noise of variance $s^2$ on each of the $n$ values. Give each weight a prior density
# $\pi$. The most probable weights, the *posterior mode* or maximum a posteriori (MAP) estimate, minimise minus the logarithm of
# likelihood times prior:
#
# $$\frac{1}{2s^2}\lVert\mathbf{y} - X\mathbf{w}\rVert_2^2 - \sum_j \log \pi(w_j)
#   = \text{constant} + \sum_j \Bigl[\frac{(w_j - \hat{w}_j)^2}{2s^2} - \log\pi(w_j)\Bigr],
#   \qquad \hat{\mathbf{w}} = X^\top\mathbf{y} ,$$
#
# so each weight can be treated alone. Setting the slope of the bracket to zero where there is one, and comparing with the kink at
# $w = 0$, gives
#
# - for a Gaussian prior of variance $\tau^2$ (ridge): $w = \hat{w}\,\tau^2/(\tau^2 + s^2)$;
# - for a Laplace prior of scale $b$ (lasso): $w = \operatorname{sgn}(\hat{w})\max(|\hat{w}| - s^2/b,\, 0)$;
# - for a prior $\propto \exp(-\lambda|w|^p)$ with $\lambda > 0$ and $p < 1$: zero up to a threshold, and beyond it, for $\hat{w} >
#   0$, the larger solution of $w + \lambda s^2 p\,w^{p-1} = \hat{w}$. At the threshold the mode jumps from $0$ to a $w_0$ at which
#   the slope is zero and the bracket has the same value as at $0$. These two equations have the solution $w_0 = \bigl(2\lambda
#   s^2(1-p)\bigr)^{1/(2-p)}$, $|\hat{w}| = w_0 + \lambda s^2 p\,w_0^{p-1}$. Far out the prior takes off about $\lambda s^2
#   p\,\hat{w}^{p-1}$, which tends to zero.
#
# **Test.** By brute force: the smallest value of the bracket on a fine grid. **Controls.** Ridge is zero at $\hat{w} = 0$ alone.
# Draws from the Laplace prior itself have no zeros: these belong to the mode.


# %%
def mode_by_search(w_hat, penalty, s):
    """Posterior modes of weights with least-squares values w_hat (m,), on a grid of width 1e-3 that contains 0."""
    grid = torch.arange(-20_000, 20_001, dtype=torch.float64) * 1e-3
    objective = (grid - w_hat[:, None]) ** 2 / (2 * s**2) + penalty(grid)  # (m, 40001)
    return grid[objective.argmin(1)]


# %% tags=["claim-T5"]
s, tau, b, lam, p = 0.8, 0.7, 0.5, 2.5, 0.5
w_hat = torch.linspace(-6, 6, 121, dtype=torch.float64)
ridge = mode_by_search(w_hat, lambda w: w**2 / (2 * tau**2), s)
lasso = mode_by_search(w_hat, lambda w: w.abs() / b, s)
half = mode_by_search(w_hat, lambda w: lam * w.abs() ** p, s)

torch.testing.assert_close(ridge, w_hat * tau**2 / (tau**2 + s**2), atol=2e-3, rtol=0)
torch.testing.assert_close(lasso, w_hat.sign() * (w_hat.abs() - s**2 / b).clamp(min=0), atol=2e-3, rtol=0)
zeros = {"ridge": (ridge == 0).sum(), "lasso": (lasso == 0).sum(), "p = 1/2": (half == 0).sum()}
print("exact zeros among 121 values of ŵ in [-6, 6]: " + ", ".join(f"{name} {count}" for name, count in zeros.items()))
assert zeros["ridge"] == 1 and zeros["lasso"] > 10 and zeros["p = 1/2"] > 10  # ridge: at ŵ = 0 alone

jump = (2 * lam * s**2 * (1 - p)) ** (1 / (2 - p))
threshold = jump + lam * s**2 * p * jump ** (p - 1)
below, above = mode_by_search(torch.tensor([threshold - 0.01, threshold + 0.01]), lambda w: lam * w.abs() ** p, s)
print(f"p = 1/2: threshold {threshold:.2f}, where the mode jumps from {below:.2f} to {above:.2f} (formula {jump:.2f})")
assert below == 0 and abs(above - jump) < 0.05
assert ((half == 0) == (w_hat.abs() < threshold)).all()

far = torch.tensor([4.0, 8.0, 16.0], dtype=torch.float64)
taken = far - mode_by_search(far, lambda w: lam * w.abs() ** p, s)
print("p = 1/2: taken off at ŵ = 4, 8, 16: " + ", ".join(f"{t:.2f}" for t in taken) + f" (lasso: {s**2 / b:.2f})")
torch.testing.assert_close(taken, lam * s**2 * p * far ** (p - 1), rtol=0.15, atol=0)
assert taken[0] > taken[1] > taken[2]

generator = torch.Generator().manual_seed(11)  # the whole problem: no nearby w is better than the mode found per weight
X = torch.linalg.qr(torch.randn(50, 8, dtype=torch.float64, generator=generator)).Q  # (n, k)
y = X @ (4 * torch.randn(8, dtype=torch.float64, generator=generator)) + s * torch.randn(50, generator=generator)
mode = (X.T @ y).sign() * ((X.T @ y).abs() - s**2 / b).clamp(min=0)
steps = 0.3 * torch.randn(5000, 8, dtype=torch.float64, generator=generator)
value = lambda w: (y - w @ X.T).square().sum(-1) / (2 * s**2) + w.abs().sum(-1) / b
assert (value(mode + steps) > value(mode)).all()

draws = torch.distributions.Laplace(0.0, b).icdf(torch.rand(1_000_000, dtype=torch.float64, generator=generator))
print(f"exact zeros in a million draws from the Laplace prior itself: {(draws == 0).sum()}")
modes = draws.sign() * (draws.abs() - s**2 / b).clamp(min=0)  # control: the same count finds zeros where they are
share, exact = (modes == 0).double().mean().item(), 1 - math.exp(-(s**2) / b**2)
print(f"among their lasso modes: a share of {share:.2f}, exactly {exact:.2f}")
assert (draws == 0).sum() == 0 and abs(share - exact) < 4 * (exact * (1 - exact) / len(draws)) ** 0.5
print("agrees (tolerance 0.002, two steps of the grid)")
