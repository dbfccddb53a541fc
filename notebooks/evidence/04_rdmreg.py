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
# # 04 · RDMReg: the evidence
#
# [The lesson](../04_rdmreg.ipynb) shows how the loss works. This notebook is for those who doubt it. It holds the nine
# claims of the chapter, each under a heading of its own with four things:
#
# - the **statement**, as the list of claims has it;
# - **why** it should hold, with the derivation where there is one;
# - the **test**, a cell that stops when the statement is false;
# - in the same cell a **control**: a case for which the statement is wrong, and which the same test must reject. A test
#   that nothing can fail shows nothing.
#
# | claim | in short | how it stands |
# | --- | --- | --- |
# | [R1](#R1) | on a line, sorting finds the cheapest pairing | a theorem, compared with a solver |
# | [R3](#R3) | the gradient: a formula, finite everywhere | derived, compared with finite differences |
# | [R4](#R4) | free points reach the target in few dimensions | measured in two and in four dimensions |
# | [R6](#R6) | without a cut at zero no entry is exactly zero | measured in two dimensions |
# | [R5](#R5) | the noise of $N$ directions; orthogonal directions | derived and measured |
# | [R2](#R2) | the loss has a floor that falls with the batch | derived for SIGReg, measured for RDMReg |
# | [R7](#R7) | in 512 dimensions the loss hardly fixes the number of zeros | measured, on recorded runs |
# | [S5](#S5) | SIGReg: value, cut and knots | derived, compared with quadrature |
# | [R8](#R8) | a one-sample loss exists for the target of this series | a theorem, compared with draws |
#
# Between them stand the parts that the lesson leaves to this notebook: [how many directions are
# enough](#How-many-directions-are-enough), [what the loss sees of the
# zeros](#What-the-loss-sees-of-the-number-of-zeros), [a door that opens one way](#A-door-that-opens-one-way), [what
# happens near collapse](#Near-collapse), [what each loss sees sooner](#What-each-loss-sees-sooner) and
# [costs](#What-each-loss-costs), and [why the loss is computed in float32](#Why-in-float32).
#
# Two conventions. A mean over random draws may differ from its prediction by `LIMIT` standard errors, and such a cell
# prints its false-alarm rate: how often it would stop although the statement is true. Limits of another kind, such as
# "within 0.07", were set after a look at the numbers. The target is that of the lesson, RGG with $p = 1$ and $\mu =
# -1$, unless a section says otherwise.

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
# Imports, the look of the figures, the target, and what several tests use.
import json
import math
import time

import matplotlib.pyplot as plt
import torch
from scipy import integrate, optimize, stats

from rlpjepa import (
    RectifiedGeneralizedGaussian,
    coordinate_loss,
    l0_fraction,
    random_directions,
    rdmreg_loss,
    rgg_cf_loss,
    sample_rgg,
    sigreg_loss,
    unit_variance_scale,
)
from rlpjepa.figures import COLORS, STYLE, series_root, show
from rlpjepa.projections import projected_characteristic_function

plt.rcParams.update(STYLE)
torch.set_num_threads(1)  # tensors are small here, and the last digits do not depend on the number of cores

RESULTS = series_root() / "notebooks" / "results"
LIMIT = 4  # standard errors
MU, SIGMA = -1.0, unit_variance_scale(1.0)
TARGET = RectifiedGeneralizedGaussian(MU, SIGMA, 1.0)


def false_alarms(checks, repetitions):
    """How rarely true statements fail this many checks at LIMIT standard errors: the sum of the risks, in words.

    A standard error that is itself estimated, from a number of repetitions, is exceeded more often (Student's t).
    """
    return f"false alarms: 1 time in {1 / (checks * 2 * stats.t.sf(LIMIT, repetitions - 1)):,.0f}"


def mean_and_error(values):
    """Mean and its standard error over the first axis of a list or tensor of repetitions, as tensors."""
    values = torch.as_tensor(values, dtype=torch.float64)
    return values.mean(0), values.std(0) / math.sqrt(len(values))


def gradient(loss, z):
    """Gradient of loss(z) with respect to z, of z's shape."""
    z = z.clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0]


def draw(shape, generator, mu=MU):
    """Samples of the target, or of its neighbour with another mu."""
    return sample_rgg(shape, p=1.0, mu=mu, generator=generator)


# %% [markdown]
# ## The loss and its gradient

# %% [markdown]
# ### R1
#
# For two samples $\mathbf{a}, \mathbf{b}$ of $B$ numbers each, $\frac{1}{B}\|\mathbf{a}^\uparrow -
# \mathbf{b}^\uparrow\|_2^2$ is the squared 2-Wasserstein distance between their empirical distributions. RDMReg is its
# average over random unit directions $\mathbf{c}_i$, with $\mathbf{a} = \mathbf{Z}\mathbf{c}_i$ and
# $\mathbf{b} = \mathbf{Y}\mathbf{c}_i$.
#
# **Why.** The 2-Wasserstein distance of two samples of equal size is the least mean squared distance over all ways to
# pair them. Whenever two pairs cross, uncrossing them lowers the cost (section 1 of the lesson), so the best pairing is
# the sorted one.
#
# **Test.** A solver that searches all pairings and knows nothing of sorting finds the same cost in each of 30
# directions, and the module returns it. **Control.** Pairing in opposite order, or as drawn, costs more.


# %%
def solver(a, b):
    """Squared 2-Wasserstein distance of two samples (B,), by a solver that searches the pairings."""
    cost = (a[:, None] - b[None, :]) ** 2
    return cost[optimize.linear_sum_assignment(cost)].mean().item()


# %% tags=["claim-R1"]
generator = torch.Generator().manual_seed(3)
z = torch.randn(40, 5, dtype=torch.float64, generator=generator)  # (B, D)
y = sample_rgg((40, 5), p=1.0, mu=MU, dtype=torch.float64, generator=generator)
c = random_directions(30, 5, dtype=torch.float64, generator=generator)  # (N, D)

a, b = z @ c.T, y @ c.T  # (B, N)
found = torch.tensor([solver(one, other) for one, other in zip(a.T, b.T)], dtype=torch.float64)  # (N,)
by_sorting = (a.sort(0).values - b.sort(0).values).square().mean(0)
module = rdmreg_loss(z, y, directions=c, reduction="none")
agree = [torch.allclose(found, value, rtol=1e-9) for value in (by_sorting, module)]
print(f"in {len(c)} directions, relative 1e-9: solver and sorting {agree[0]}, solver and module {agree[1]}")
assert all(agree)
whole = rdmreg_loss(z, y, directions=c)
print(f"mean over the directions: solver {found.mean():.4f}, module {whole:.4f}")
assert math.isclose(whole, found.mean(), rel_tol=1e-9)

opposite = (a.sort(0).values - b.sort(0, descending=True).values).square().mean(0)
print(f"control: in opposite order {opposite.mean():.2f}, as drawn {(a - b).square().mean():.2f}")
assert (opposite > found).all() and ((a - b).square().mean(0) > found).all()

# %% [markdown]
# With two views at once the module returns the mean of their losses. Eq. 15 sums them: a factor of 2 in the weight. The
# minimal example's weight of 125 belongs to the mean.

# %%
views = torch.stack([z, z.flip(1)])  # (2, B, D)
each, together = [rdmreg_loss(view, y, directions=c) for view in views], rdmreg_loss(views, y, directions=c)
print(f"views {each[0]:.4f} and {each[1]:.4f}; module {together:.4f}, the mean; sum as in Eq. 15 {sum(each):.4f}")
assert math.isclose(together, sum(each) / 2, rel_tol=1e-9)

# %% [markdown]
# ### R3
#
# Only the features receive a gradient from RDMReg over $N$ directions: for row $\mathbf{z}_i$ it is $\frac{2}{NB}\sum_n
# (\mathbf{c}_n^\top\mathbf{z}_i - y_{n,i})\,\mathbf{c}_n$, where $y_{n,i}$ is the projected target of the same rank. It
# is finite at ties, at zero rows, when all rows are equal, and for features as large as $10^{15}$.
#
# **Why.** As long as no two numbers tie, a small change of $\mathbf{Z}$ leaves the order as it is. So the pairing
# stays, and the loss is a sum of plain squares. At a tie *some* order is chosen, and the formula holds for it.
#
# **Test.** The formula, written out, is what the module returns. Finite differences agree with it. **Controls.**
# Partners in opposite order do not give this gradient. The same loss in plain torch does send one to the target. And
# its square root, the Wasserstein distance itself, has no finite gradient where features and target agree.


# %%
def distance(z, y, c):
    """Eq. 13 and its square root, in plain torch: z and y (B, D), directions c (N, D)."""
    loss = ((z @ c.T).sort(0).values - (y @ c.T).sort(0).values).square().mean()
    return loss, loss.sqrt()


# %% tags=["claim-R3"]
generator = torch.Generator().manual_seed(6)
z = torch.randn(12, 4, dtype=torch.float64, generator=generator).requires_grad_()  # (B, D)
y = sample_rgg((12, 4), p=1.0, mu=MU, dtype=torch.float64, generator=generator).requires_grad_()
c = random_directions(6, 4, dtype=torch.float64, generator=generator)  # (N, D)
rdmreg_loss(z, y, directions=c).backward()

a, wanted = (z @ c.T).detach(), (y @ c.T).detach().sort(dim=0).values  # (B, N)
rank = a.argsort(dim=0).argsort(dim=0)  # (B, N): how many numbers of its column are smaller
by_hand, opposite = (2 / a.numel() * (a - partner.gather(0, rank)) @ c for partner in (wanted, wanted.flip(0)))
print(f"formula equals the module's gradient: {torch.allclose(by_hand, z.grad, rtol=1e-9, atol=1e-12)}; ", end="")
print(f"with partners in opposite order: {torch.allclose(opposite, z.grad, rtol=1e-2)}")
assert torch.allclose(by_hand, z.grad, rtol=1e-9, atol=1e-12) and not torch.allclose(opposite, z.grad, rtol=1e-2)
assert torch.autograd.gradcheck(lambda z: rdmreg_loss(z, y, directions=c), (z,))  # finite differences
in_plain_torch = torch.autograd.grad(distance(z, y, c)[0], y)[0]
print(f"the target has a gradient: {y.grad is not None}; in plain torch: {(in_plain_torch != 0).any()}")
assert y.grad is None and (in_plain_torch != 0).any()

clouds = {"ties": torch.eye(4).repeat(3, 1), "zeros": torch.zeros(12, 4), "collapse": torch.full((12, 4), 0.7)}
for name, z in {**clouds, "huge": torch.full((12, 4), 1e15)}.items():
    g = gradient(lambda z: rdmreg_loss(z, y.float(), directions=c.float()), z)
    print(f"{name:8} finite: {g.isfinite().all()}, distinct rows: {len(g.unique(dim=0))} of {len(g)}")
    assert g.isfinite().all() and (name == "huge" or len(g.unique(dim=0)) > 1)
assert not gradient(lambda z: distance(z, y.detach(), c)[1], y.detach()).isfinite().any()  # control: the root

# %% [markdown]
# At collapse the rows of the features are equal, and the rows of the gradient are not: each is sent to another place.
# (At $10^{15}$ the target is lost in float32's rounding, and every row gets the same pull: back.)

# %% [markdown]
# ## Points that move

# %% [markdown]
# ### R4
#
# In two and in four dimensions, gradient steps (Adam) on RDMReg alone carry a cloud of free points to the target: their
# Kolmogorov-Smirnov distance to the target, along the axes and along fresh directions, falls to that between two
# samples of the target.
#
# **Why.** By Cramér and Wold, zero along all directions means the target itself, and every step draws new directions.
# But nothing guarantees that gradient steps get there: this is a measurement.
#
# **Test.** The Kolmogorov-Smirnov distance (KS) is the largest gap between two distribution functions. We take its mean
# over the axes, and over directions that the optimisation never saw, both against 50,000 samples of the target. At the
# end it is below the largest of twenty target samples of the same size. **Control.** Points moved towards the target of
# $\mu = 0$ fail this test.


# %%
def move(w, rectify=True, mu=MU, steps=400, lr=0.05):
    """Free points w (B, D) moved by Adam on RDMReg, with or without a ReLU: where they end, (B, D)."""
    generator, w = torch.Generator().manual_seed(7), w.clone().requires_grad_()
    optimizer = torch.optim.Adam([w])
    for step in range(steps):
        z = w.relu() if rectify else w
        loss = rdmreg_loss(z, draw(w.shape, generator, mu), 64, generator=generator)  # new samples and directions
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (w.relu() if rectify else w).detach()


def blob(d):
    """256 points in a round cloud away from the target: (256, d)."""
    return 1.5 + 0.3 * torch.randn(256, d, generator=torch.Generator().manual_seed(7))


# %%
def apart(z, large, c):
    """KS distance of two clouds, its mean over the axes and over directions c (N, D): (2,)."""
    c = torch.cat([torch.eye(z.shape[1]), c])
    a, b = (c @ z.T).sort().values, (c @ large.T).sort().values  # (D + N, B), (D + N, n)
    gaps = [  # just before a jump, and at it
        torch.searchsorted(a, a, right=at) / len(z) - torch.searchsorted(b, a, right=at) / len(large)
        for at in (False, True)
    ]
    ks = torch.stack(gaps).abs().amax((0, 2))  # (D + N,)
    return torch.stack([ks[: z.shape[1]].mean(), ks[z.shape[1] :].mean()])


# %% tags=["claim-R4"]
for d in (2, 4):
    generator = torch.Generator().manual_seed(9)
    large, c = draw((50_000, d), generator), random_directions(20, d, generator=generator)
    usual = torch.stack([apart(draw((256, d), generator), large, c) for _ in range(20)])  # (20, 2): of target samples
    clouds = blob(d), move(blob(d)), move(blob(d), mu=0.0)
    before, after, other = (apart(z, large, c) for z in clouds)  # (2,) each
    for where, k in (("along the axes", 0), ("along fresh directions", 1)):
        print(f"D = {d}, {where:22} KS before {before[k]:.1f}, after, below the largest of target samples: ", end="")
        print(f"{after[k] < usual[:, k].max()}; moved to mu = 0: {other[k] < usual[:, k].max()}")
    assert (before > 0.5).all() and (after < usual.amax(0)).all() and (other > 2 * usual.amax(0)).all()
    assert (after < usual.mean(0)).all()  # better than a target sample does on average

# %% [markdown]
# At the end the points fit the target *better* than a random sample does on average: they have seen hundreds of
# samples, and average over them. That is why their loss can lie below the floor of [R2](#R2).

# %% [markdown]
# ### R6
#
# The exact zeros come from the ReLU at the output: free points optimised without it reach as small an RDMReg loss
# against a rectified target, and yet none of their entries is exactly zero.
#
# **Why.** The loss is continuous, so it cannot tell an exact zero from a number small enough. And a number that moves
# in small steps meets zero with probability zero. (Any other cut at zero would do as well: the clamped points of
# [R7](#R7) have exact zeros too.)
#
# **Test.** The same start and the same draws, with the ReLU and without. **Control.** With it, the same count does find
# the target's share of exact zeros. Where the points start, the loss is far larger.

# %% tags=["claim-R6"]
generator = torch.Generator().manual_seed(12)
start, with_relu, without = blob(2), move(blob(2)), move(blob(2), rectify=False)
rows = []
for _ in range(200):
    y, other = draw((256, 2), generator), draw((256, 2), generator)
    c = random_directions(64, 2, generator=generator)
    rows.append([rdmreg_loss(cloud, y, directions=c).item() for cloud in (with_relu, without, start, other)])
losses = mean_and_error(rows)[0]
losses = losses / losses[-1]  # over that of another target sample
print(f"loss over that of a target sample: with ReLU {losses[0]:.1f}, without {losses[1]:.1f}; ", end="")
print(f"at the start above 10: {losses[2] > 10}")
assert losses[1] < 1.1 * losses[0] < 1.1 and losses[2] > 10

asked = 1 - TARGET.prob_active.item()
zeros = [(cloud == 0).double().mean().item() for cloud in (with_relu, without)]
near = [(cloud.abs() < 0.05).double().mean().item() for cloud in (with_relu, without)]
print(f"exact zeros with ReLU {zeros[0]:.1f}, without {zeros[1]:.1f}, of the target {asked:.1f}; ", end="")
print(f"within 0.05 of zero {near[0]:.1f} and {near[1]:.1f}; below zero without ReLU: {(without < 0).any()}")
assert zeros[1] == 0 and abs(zeros[0] - asked) < 0.05 and near[1] > 0.7

# %% [markdown]
# ## How many directions

# %% [markdown]
# ### R5
#
# With $N$ independent directions the variance of RDMReg and of its gradient over the draw of directions falls as $1/N$.
# Whether orthonormal directions do better depends on the two distributions: if they differ by a shift, $d$ orthonormal
# directions leave no variance at all; for the product Laplace distribution against a Gaussian with the same covariance
# the loss on them has more variance than on independent ones, twice as much in $d = 2$ and about a third more in
# $d = 8$ (in $d = 2$ its gradient has less).
#
# **Why.** A mean of $N$ independent values has $1/N$ of their variance. For a shift $\boldsymbol\delta$ the loss of a
# direction is $(\mathbf{c}^\top\boldsymbol\delta)^2$, and over an orthonormal basis these add up to
# $\lVert\boldsymbol\delta\rVert_2^2$ whatever the basis (Pythagoras). For the product Laplace distribution in the plane
# a turn by a right angle changes nothing: the second direction repeats the first. Two directions are then worth one,
# and the variance is twice that of independent ones. In $d$ dimensions a loss in proportion to $\sum_j c_j^4$, as the
# excess kurtosis of the shadow is, would have the ratio $1 + 3/(d + 1)$: 2 in the plane, 4/3 in eight dimensions.
#
# For Laplace against Gauss no samples are needed. The characteristic function of the shadow,
# $\prod_j (1 + b_j^2t^2)^{-1}$ with $b_j = |c_j|/\sqrt2$, splits into partial fractions, so the shadow is a mixture of
# Laplace distributions of scales $b_j$ with weights $\prod_{i \ne j} b_j^2/(b_j^2 - b_i^2)$, some of them negative. (An
# earlier version compared two samples in eight dimensions. Their noise hid the difference.)


# %%
def laplace_against_gauss(c):
    """Squared 2-Wasserstein distance of c.x from N(0, 1), x independent Laplace of variance one: c (N, D) -> (N,)."""
    b = c.double().abs() / math.sqrt(2)  # scales, (N, D)
    ratio = b[:, :, None] ** 2 / (b[:, :, None] ** 2 - b[:, None, :] ** 2)  # (N, D, D)
    weights = ratio.masked_fill(torch.eye(c.shape[1], dtype=torch.bool), 1).prod(2)  # (N, D)
    x = torch.linspace(0, 12, 160, dtype=torch.float64)  # (X,), half of the line: both distributions are symmetric
    tails = weights.unsqueeze(-1) * torch.exp(-x / b.unsqueeze(-1))  # (N, D, X)
    above, density = tails.sum(1) / 2, (tails / b.unsqueeze(-1)).sum(1) / 2  # (N, X)
    partner = -torch.special.ndtri(above.clamp(min=1e-300))  # the number of N(0, 1) of the same rank
    return 2 * torch.trapezoid((x - partner) ** 2 * density, x)


# %%
def laplace(shape, generator):
    """Independent Laplace draws of variance one."""
    one, other = -torch.rand(2, *shape, generator=generator).clamp(min=1e-9).log()
    return (one - other) / math.sqrt(2)


generator = torch.Generator().manual_seed(8)
x, c = laplace((200_000, 8), generator), random_directions(3, 8, generator=generator)
q = torch.special.ndtri((torch.arange(len(x)) + 0.5) / len(x))
sampled = ((x @ c.T).sort(0).values - q[:, None]).square().mean(0)
close = (laplace_against_gauss(c) / sampled - 1).abs().max().item() < 0.1
print(f"three directions, by the mixture and by 200,000 draws: within 10 % {close}")
assert close


# %%
def gradients(z, y, c):
    """The gradient of Eq. 13 for each direction alone: (N, B, D)."""
    a = z @ c.T
    gap = a - (y @ c.T).sort(0).values.gather(0, a.argsort(0).argsort(0))  # (B, N)
    return 2 / len(z) * torch.einsum("bn,nd->nbd", gap, c)


# %%
def variance(of, c, n):
    """Variance, with its standard error, of the mean of of(c) over n directions, from the blocks of n rows of c."""
    means = of(c).unflatten(0, (-1, n)).mean(1).flatten(1) if n > 1 else of(c).flatten(1)
    return mean_and_error((means - means.mean(0)).square().sum(1))


def spread_ratio(of, d, blocks, generator):
    """Variance of the mean over d orthonormal directions, over that of d independent ones; with its standard error."""
    (top, top_error), (bottom, bottom_error) = (
        variance(of, random_directions(blocks * d, d, orthogonal=kind, generator=generator), d)
        for kind in (True, False)
    )
    return (top / bottom).item(), (torch.hypot(top_error, top / bottom * bottom_error) / bottom).item()


# %%
def all_images(z):
    """The points of z (n, 2) and their images under the symmetries of the square: (8 n, 2)."""
    flips = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    return torch.cat([flip * points for flip in flips for points in (z, z.flip(1))])


# %% [markdown]
# **Test.** $N$ times the variance does not depend on $N$. The ratios are 0 for a shift and 2 and 4/3 for Laplace
# against Gauss. **Control.** $N$ copies of one direction: $N$ times the variance grows, by a factor of $N$.
#
# For the gradient in the plane each point comes with its eight images under swaps and sign flips, so that what holds
# for the distributions holds for the samples.

# %% tags=["claim-R5"]
generator, counts = torch.Generator().manual_seed(10), (1, 4, 16, 64)
z, y = laplace((256, 8), generator), 1.2 * torch.randn(256, 8, generator=generator)
of_sample = {
    "loss": (lambda c: rdmreg_loss(z, y, directions=c, reduction="none").unsqueeze(1), 300),
    "gradient": (lambda c: gradients(z, y, c), 60),
}
for name, (of, blocks) in of_sample.items():
    many = [variance(of, random_directions(blocks * n, 8, generator=generator), n) for n in counts]
    scaled = [(n * mean / many[0][0], n * error / many[0][0]) for n, (mean, error) in zip(counts, many)]
    copies = variance(of, random_directions(blocks, 8, generator=generator).repeat_interleave(4, 0), 4)
    print(f"{name:8} N times the variance, relative: {', '.join(f'{mean:.1f}' for mean, _ in scaled)}; ", end="")
    print(f"4 copies of one direction {4 * copies[0] / many[0][0]:.0f}")
    assert all(abs(mean - 1) < LIMIT * math.hypot(error, scaled[0][1]) for mean, error in scaled[1:])
    assert 4 * (copies[0] - LIMIT * copies[1]) > 2 * many[0][0]

delta = torch.linspace(0.2, 1, 8)
shift, _ = spread_ratio(lambda c: (c @ delta).square().unsqueeze(1), 8, 300, generator)
plane, plane_error = spread_ratio(lambda c: laplace_against_gauss(c).unsqueeze(1), 2, 3000, generator)
eight, eight_error = spread_ratio(lambda c: laplace_against_gauss(c).unsqueeze(1), 8, 3000, generator)
pair = [all_images(cloud)[::8] for cloud in (laplace((256, 2), generator), torch.randn(256, 2, generator=generator))]
of_gradient, gradient_error = spread_ratio(lambda c: gradients(*pair, c), 2, 150, generator)
less = of_gradient + LIMIT * gradient_error < 1
print(f"orthonormal over independent: shift {shift:.1f}; Laplace against Gauss d = 2 {plane:.1f}, ", end="")
print(f"d = 8 {eight:.1f}, gradient in d = 2 below 1: {less}")
assert shift < 1e-6 and abs(plane - 2) < LIMIT * plane_error < 0.5
assert abs(eight - 4 / 3) < LIMIT * eight_error < eight - 1 and less
print(false_alarms(10, 60))

# %% jupyter={"source_hidden": true} tags=["draw"]
# Of pairs of samples too: what orthonormal directions do for loss and gradient.
generator = torch.Generator().manual_seed(11)
gauss, rgg = torch.randn(512, 8, generator=generator), [draw((512, 8), generator) for _ in range(2)]


def both_ratios(z, y):
    """Orthonormal over independent directions, for the loss and for its gradient."""
    of_loss = spread_ratio(
        lambda c: rdmreg_loss(z, y, directions=c, reduction="none").unsqueeze(1), z.shape[1], 600, generator
    )
    return of_loss[0], spread_ratio(lambda c: gradients(z[:256], y[:256], c), z.shape[1], 250, generator)[0]


pairs = {
    "a shift\nD = 8": (gauss, gauss + delta), "collapsed against RGG\nD = 8": (0 * gauss, rgg[0]),
    "RGG against RGG\nD = 8": rgg, "Laplace against Gauss\nD = 2": pair,
}  # fmt: skip
of_loss, of_gradient = zip(*(both_ratios(z, y) for z, y in pairs.values()))
bars = {"loss": [*of_loss[:-1], plane], "gradient": of_gradient}  # Laplace against Gauss: the loss of the distributions
figure, panel = plt.subplots(figsize=(6.5, 3.4))
for offset, (what, values), hatch in (
    (-0.19, ("loss", bars["loss"]), ""),
    (0.19, ("gradient", bars["gradient"]), "///"),
):
    panel.barh([k + offset for k in range(len(pairs))], values, 0.36, color="white" if hatch else COLORS["rectified"],
               hatch=hatch, edgecolor=COLORS["rectified"], label=what)  # fmt: skip
panel.axvline(1, color=COLORS["theory"], linestyle="--", linewidth=1, zorder=0)
panel.set_yticks(range(len(pairs)), list(pairs), fontsize=9)
panel.invert_yaxis()
panel.set(xlabel="variance, orthonormal / independent directions")
panel.set_title("Orthonormal directions: good for a shift, bad for a shape")
panel.legend(loc="upper right")
show(
    figure,
    alt="Bars of the variance with orthonormal over that with independent directions. For a shift none is left, for "
    "collapsed features none of the loss; for Laplace against Gauss in the plane the loss has twice as much. The "
    "gradient has less everywhere.",
)

# %% [markdown]
# Left of the dashed line orthonormal directions are better. At collapse the loss of a direction is the mean over $b$ of
# $(\mathbf{c}^\top\mathbf{y}_b)^2$, so Pythagoras holds there too. For the *gradient*, which is what training uses,
# orthonormal directions had less variance in every pair tried, even where the loss has twice as much. The module draws
# independent ones; `random_directions(n, d, orthogonal=True)` makes the others.

# %% [markdown]
# ### How many directions are enough
#
# Far from the target, where features and target differ in their second moments, the gradient of a direction is about
# $\mathbf{A}\,\mathbf{c}\mathbf{c}^\top$, with a matrix $\mathbf{A}$ of shape $(B, D)$ that does not depend on
# $\mathbf{c}$. With $N$ directions it is $\mathbf{A}\mathbf{M}$, where $\mathbf{M} = \frac1N\sum_n
# \mathbf{c}_n\mathbf{c}_n^\top$, and with all directions $\mathbf{A}/D$. If $\mathbf{A}$ prefers no direction, their
# cosine is that of $\mathbf{M}$ and $I_D$ as matrices:
#
# $$\frac{\operatorname{tr}\mathbf{M}}{\lVert\mathbf{M}\rVert\,\lVert I_D\rVert} \approx \sqrt{\frac{N}{N + D - 1}},
# \qquad \operatorname{tr}\mathbf{M} = 1, \quad \lVert I_D\rVert = \sqrt{D}, \quad
# \mathbb{E}\lVert\mathbf{M}\rVert^2 = \frac{N + D - 1}{ND}.$$
#
# **Test.** Near collapse the cosine follows this formula; $N = 16$ in $D = 32$ is as good as $N = 64$ in $D = 128$.
# **Control.** For features that follow the target already, what is left to do is no matter of second moments, and the
# formula promises too much.


# %%
def cosines(z, y, counts, repetitions, generator):
    """Mean cosine between the gradient from n directions and that from very many, for each n of counts: {n: cosine}."""

    def along(n):
        return gradient(lambda z: rdmreg_loss(z, y, n, generator=generator), z).flatten()

    full, few = along(8 * z.shape[1] + 2000), {n: [along(n) for _ in range(repetitions)] for n in counts}
    return {n: torch.cosine_similarity(torch.stack(few[n]), full, dim=1).mean().item() for n in counts}


# %%
generator = torch.Generator().manual_seed(11)
for d, counts, repetitions in ((32, (4, 16, 64), 8), (128, (16, 64), 3), (512, (256,), 2)):
    y, at_target = draw((128, d), generator), draw((128, d), generator)
    collapsed = 0.2 * torch.randn(128, d, generator=generator).relu()
    near, there = (cosines(z, y, counts, repetitions, generator) for z in (collapsed, at_target))
    for n in counts:
        formula = math.sqrt(n / (n + d - 1))
        print(f"D = {d:3}, N = {n:2}: formula {formula:.1f}, near collapse {near[n]:.1f}, at the target {there[n]:.1f}")
        assert abs(near[n] - formula) < 0.07 < formula - there[n]
print(", ".join(f"D = 512, N = {n}: {math.sqrt(n / (n + 511)):.2f}" for n in (256, 512, 8192)))

# %% [markdown]
# How many do people use? The post's minimal example draws 256 directions, the authors' repository 8192, with a remark
# that 512 work too; the last line has their cosines. One step with 256 points only roughly the right way; but
# directions are new in every step, and an optimiser that averages over steps averages over them. Whether more of them
# help was decided with ten seeds on `shapes`: the encoder was not seen to differ, and with 8192 fewer coordinates are dead,
# while more entries are non-zero ([chapter 05](../05_pretraining_cifar100.ipynb)).
#
# That finitely many directions can tell distributions apart at all is a theorem. If the moments of one of the two do
# not grow too fast (Carleman's condition, which RGG meets for $p \ge 1$), then the directions along which a
# *different* distribution looks the same form a set of measure zero: almost every single direction tells the two
# apart (Cuesta-Albertos, Fraiman and Ransford, 2007). In principle, then, one would do. In a batch the difference has to
# show above the floor.

# %% [markdown]
# ## The floor

# %% [markdown]
# ### R2
#
# RDMReg compares two samples, so its expected value stays above zero when features and target have the same
# distribution; this floor falls as the batch size $B$ grows. SIGReg has a one-sample floor: for $B$ features drawn from
# $\mathcal{N}(0, I_d)$ its expected value, over the whole line, is $\sqrt{2\pi}\,(1 - 1/\sqrt{3})/B \approx 1.06/B$.
#
# **Why.** Two samples are never equal. For SIGReg, $\varphi_x(t)$ is a mean of $B$ numbers on the unit circle, so
# $\mathbb{E}|\varphi_x(t) - e^{-t^2/2}|^2 = (1 - e^{-t^2})/B$. Integrated against $e^{-t^2/2}$ this is the number
# above; the dimension does not enter. For RDMReg, exercise 04.4 derives the floor of exponential numbers, which has a
# logarithm in it. In general it depends on the tails of the shadows.
#
# **Test.** SIGReg's floor lies at the formula; RDMReg's falls, somewhat more slowly than $1/B$. **Control.** Features
# of a uniform distribution, and RGG with $\mu$ off by 0.5: their losses settle at a distance instead.


# %%
def uniform(shape, generator):
    """Uniform draws of variance one."""
    return math.sqrt(12) * (torch.rand(shape, generator=generator) - 0.5)


def floors(size, generator, d=16, repetitions=24):
    """Mean and error of SIGReg and RDMReg when the distributions agree (two each) and when they do not: (5,) each."""
    rows = []
    for _ in range(repetitions):
        c, shape = random_directions(16, d, generator=generator), (size, d)
        gauss, other = (torch.randn(shape, generator=generator) for _ in range(2))
        rgg, wanted, shifted = draw(shape, generator), draw(shape, generator), draw(shape, generator, MU + 0.5)
        far = torch.eye(d)[:1].expand(16, -1)  # along an axis, where the uniform distribution is seen as it is
        rows.append(
            [
                sigreg_loss(z, directions=at, num_knots=49, t_max=6.0)
                for z, at in ((gauss, c), (uniform(shape, generator), far))
            ]
            + [rdmreg_loss(*pair, directions=c) for pair in ((gauss, other), (rgg, wanted), (shifted, wanted))]
        )
    return mean_and_error(rows)


# %% tags=["claim-R2"]
generator, sizes = torch.Generator().manual_seed(5), (32, 128, 512, 2048)
whole_line = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))  # of B times SIGReg
measured = {size: floors(size, generator) for size in sizes}
for size, (means, errors) in measured.items():
    print(f"B = {size:4}, B times the loss: SIGReg {size * means[0]:.1f} for {whole_line:.2f} ", end="")
    print(f"(uniform {size * means[1]:.0f}), RDMReg Gauss {size * means[2]:.0f}, RGG {size * means[3]:.1f}")
    assert abs(means[0] - whole_line / size) < LIMIT * errors[0]
assert abs(measured[2048][0][1] - whole_line / 2048) > LIMIT * measured[2048][1][1]  # control: uniform features

for small, large in zip(sizes, sizes[1:]):
    drop, error = measured[small][0] - measured[large][0], torch.hypot(measured[small][1], measured[large][1])
    assert (drop > LIMIT * error)[[0, 2, 3]].all()
assert all((means > LIMIT * errors).all() for means, errors in measured.values())
fall = (measured[2048][0] / measured[32][0]).log() / math.log(2048 / 32)
print(f"as B to the power: SIGReg {fall[0]:.1f}, RDMReg Gauss {fall[2]:.1f}, RGG {fall[3]:.1f}; ", end="")
print(f"control: uniform {fall[1]:.1f}, mu off {fall[4]:.1f}")
assert (fall[[0, 2, 3]] < -0.6).all() and (fall[[1, 4]] > -0.4).all()
print(false_alarms(len(sizes), 24), "(of SIGReg's floor)")

# %% [markdown]
# The two losses are in different units, so the heights do not compare. $B$ times RDMReg keeps growing: for the
# Gaussian a little, for RGG at $\mu = -1$, most of whose samples are zeros, by a factor of three here, in $D = 16$. A
# value of the loss is judged by what a *sample of the target* gets, with the same $B$, $D$ and target.

# %% [markdown]
# ## The number of zeros

# %% [markdown]
# ### What the loss sees of the number of zeros
#
# Impostors are clouds of independent entries that are non-zero with a probability $a$ of our choice, and then Gamma
# variables whose two parameters give every entry the mean $m$ and the second moment $q$ of the target. Of the
# non-zero ones the mean is $m/a$ and the variance $q/a - (m/a)^2$, which is positive only for $a > m^2/q$. (With the
# share of the target itself, $a = 1/2$ at $\mu = 0$, the Gamma variable is exponential: this is the target.) A shadow
# in 512 dimensions is nearly Gaussian and shows little but $m$ and $q$.
#
# **Test.** In $D = 512$ the loss of the impostors over that of a target sample is 1 within `LIMIT` standard errors
# and 0.1 for every $a$ at $\mu = 0$, and at most 1.15 at $\mu = -1$, where a shadow is a little farther from
# Gaussian. **Control.** The same clouds in $D = 2$ are seen.


# %%
def impostor(shape, a, dist):
    """Independent entries, non-zero with probability a, with the mean and the variance of the distribution."""
    m, v = dist.mean / a, (dist.variance + dist.mean**2) / a - (dist.mean / a) ** 2  # of the non-zero ones
    return torch.distributions.Gamma(m**2 / v, m / v).sample(shape) * (torch.rand(shape) < a)


# %%
def relative_losses(dist, shares, d, repetitions):
    """Loss of impostors over that of a target sample, and its standard error: (len(shares),) each."""
    rows = []
    for _ in range(repetitions):
        y, true = (sample_rgg((256, d), p=1.0, mu=dist.loc.item()) for _ in range(2))
        clouds, c = [true, *(impostor((256, d), a, dist) for a in shares)], random_directions(64, d)
        rows.append([rdmreg_loss(z, y, directions=c).item() for z in clouds])
    rows = torch.tensor(rows, dtype=torch.float64)
    ratio = rows[:, 1:].mean(0) / rows[:, 0].mean()
    return ratio, mean_and_error(rows[:, 1:] - ratio * rows[:, :1])[1] / rows[:, 0].mean()


# %%
torch.manual_seed(13)
even = RectifiedGeneralizedGaussian(0.0, SIGMA, 1.0)
for dist, shares, most in ((even, (0.3, 0.5, 1.0), 1.1), (TARGET, (0.08, 0.5, 1.0), 1.15)):
    ratio, error = relative_losses(dist, shares, 512, 20)
    seen, seen_error = relative_losses(dist, shares, 2, 400)
    alike = (ratio > 0.9).all() and (ratio < most).all()
    print(f"mu = {dist.loc:2g}, asked {dist.prob_active:.2f}, shares {shares}: ", end="")
    print(f"D = 512, all between 0.9 and {most} {alike}; D = 2, the largest {seen.max():.1f}")
    assert alike and most < seen.max() - LIMIT / 2 * seen_error[seen.argmax()]
    assert dist is TARGET or ((ratio - 1).abs() < LIMIT * error).all()
print(false_alarms(3, 20), "(mu = 0)")

# %% [markdown]
# So a cloud *without a single zero* has almost the loss of the target. Up to what a batch of this size can resolve, the
# number is not in the loss.
#
# Then what decides it? The following was measured beforehand, in a bit over an hour on one core, with
# `python notebooks/results/experiments/zeros.py` from the root of the repository. Free points with 256 rows are driven
# by Adam against fresh samples of RGG with $p = 1$, $\mu = 0$ (Eq. 11 asks for one half). We vary
#
# - how zeros arise: from a ReLU on free parameters, or by *clamping*, that is setting negative points to zero after
#   each step;
# - the learning rate, constant or falling to zero; and the start: normal (half of the entries on), its absolute value
#   (all on), or a sample of the target;
# - the directions: random ones; random ones and the coordinate axes; directions that mix only $k$ coordinates; and
#   random ones with `coordinate_loss(z, distribution)` added, which compares the sorted values of each coordinate with
#   the quantiles of the target.

# %%
RECORD = json.loads((RESULTS / "experiments" / "zeros.json").read_text(encoding="utf-8"))
SETTINGS, RUNS = RECORD["settings"], RECORD["runs"]
BASE = {"lr": 0.01, "start": "normal", "schedule": "constant"}
VARIANTS = {
    "rate .001": {**BASE, "lr": 0.001}, "rate .01": BASE, "rate .1": {**BASE, "lr": 0.1},
    "rate .01 falling to 0": {**BASE, "schedule": "linear to 0"},
    "start: target sample": {**BASE, "start": "target"}, "start: all positive": {**BASE, "start": "positive"},
}  # fmt: skip


# %%
def select(**wanted):
    """The runs with these settings."""
    return [run for run in RUNS if all(run[key] == value for key, value in wanted.items())]


def final(key, **wanted):
    """One result of the runs with these settings: a number for each seed."""
    return torch.tensor([run["final"][key] for run in select(**wanted)], dtype=torch.float64)


def relative(**wanted):
    """Loss on fresh samples and random directions, over that of a target sample: a number for each seed."""
    return final("loss_random_directions", **wanted) / final("loss_of_a_target_sample", **wanted).mean()


print(f"{SETTINGS['seeds']} seeds, {SETTINGS['steps']} steps, B = {SETTINGS['B']}, {SETTINGS['optimizer']}; ", end="")
print(f"measured {RECORD['provenance']['date']} on {RECORD['provenance']['hardware']}")

# %% [markdown]
# ### R7
#
# In $D = 512$ dimensions RDMReg on random directions hardly fixes how many entries are exactly zero: free points that
# end at losses within 5 per cent of each other have between a third and nearly all of their entries non-zero, where
# one half is asked. The fraction depends on the learning rate and its schedule, the number of steps, the start, and
# on whether zeros come from a ReLU or from clamping.
#
# **Why.** The loss does not see the number (section above), so nothing pulls towards it. What is left is the way that
# the optimisation takes: see [the door](#A-door-that-opens-one-way).
#
# **Test.** Among the runs at rates of .01 and below, the losses agree and the fractions do not; and seed by seed, on
# the same draws, each setting changes the fraction by more than ten standard errors. **Controls.** In the plane,
# where the loss sees the entries, the same settings agree on how many are above 0.1; in $D = 512$ they do not. (Zeros
# themselves clamping does not fix in the plane either: it leaves tiny entries there too. The cell prints how many are
# non-zero.) And a setting compared with itself on other seeds changes nothing.

# %% tags=["claim-R7"]
CHANGES = {"rate": {"lr": 0.1}, "schedule": {"schedule": "linear to 0"}, "start": {"start": "target"}}
slow = [
    {"directions": "random", "points": points, **wanted}
    for points in ("relu", "clamp") for wanted in VARIANTS.values()
    if wanted["lr"] < 0.1 and select(d=512, directions="random", points=points, **wanted)
]  # fmt: skip
nonzero = torch.stack([final("nonzero", d=512, **of) for of in slow])  # (variants, seeds)
losses = torch.stack([relative(d=512, **of) for of in slow])
print(f"D = 512, {len(slow)} variants, {nonzero.shape[1]} seeds each, asked {SETTINGS['expected_nonzero']:.2f}")
print(f"non-zero from {nonzero.mean(1).min():.2f} to {nonzero.mean(1).max():.2f}, ", end="")
print(f"loss over that of a target sample from {losses.mean(1).min():.2f} to {losses.mean(1).max():.2f}")
assert nonzero.mean(1).min() < 0.36 and nonzero.mean(1).max() > 0.95 and nonzero.shape[1] >= 5
assert losses.mean(1).max() / losses.mean(1).min() < 1.05 and losses.max() < 0.9
spread = {d: torch.stack([final("above_0.1", d=d, **of).mean() for of in slow]) for d in (2, 512)}
spread = {d: (values.max() - values.min()).item() for d, values in spread.items()}
print(f"entries above 0.1 differ by {spread[512]:.1f}; in D = 2 by less than 0.02: {spread[2] < 0.02}")
plane = torch.stack([final("nonzero", d=2, **of).mean() for of in slow])
print(f"non-zero in D = 2: from {plane.min():.2f} to {plane.max():.2f}")
assert spread[512] > 0.1 and spread[2] < 0.02

usual = final("nonzero", d=512, directions="random", points="relu", **BASE)
for name, change in {**CHANGES, "choice of seeds": {}}.items():
    other = final("nonzero", d=512, directions="random", points="relu", **BASE | change)
    mean, error = mean_and_error(other - usual if change else other.roll(1) - usual)
    print(f"ReLU, another {name}: differs by more than 10 standard errors {(mean.abs() > 10 * error).item()}")
    assert (mean.abs() > 10 * error) == (name in CHANGES)
last = [run["nonzero_at"][-2:] for run in select(d=512, directions="random", points="relu", **BASE)]
print(f"more steps: the fraction still falls at the end of every run {all(a > b for a, b in last)}")
assert all(a > b for a, b in last)

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), width_ratios=(5, 4))
mark = {"relu": ("-", "o", "ReLU"), "clamp": ("--", "D", "clamped")}
shades = {
    "rate .01": (COLORS["measurement"], "o"), "rate .1": ("#56B4E9", "s"),
    "rate .01 falling to 0": ("#CC79A7", "^"), "start: all positive": (COLORS["muted"], "v"),
}  # fmt: skip
for label, (color, marker) in shades.items():
    for kept, (line, _, name) in mark.items():
        paths = [run["nonzero_at"] for run in select(d=512, directions="random", points=kept, **VARIANTS[label])]
        if paths:
            left.plot(SETTINGS["count_at"], torch.tensor(paths).mean(0), line, color=color, marker=marker, ms=4,
                      markerfacecolor=color if kept == "relu" else "none",
                      label=f"{name}, {label}" + ", rate .01" * label.startswith("start"))  # fmt: skip
left.axhline(SETTINGS["expected_nonzero"], color=COLORS["theory"], linestyle=":", label="target (Eq. 11)")
left.set(xlabel="step", ylabel="non-zero fraction", ylim=(0, 1.02), title="D = 512: none settles at the target")
left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=9)
kinds = [(d, kind) for d, k in ((512, 16), (2, 1)) for kind in ("random", f"k = {k}", "axes", "quantiles")]
for row, (d, kind) in enumerate(kinds):
    for kept, (_, shape, name) in mark.items():
        values = final("nonzero", d=d, directions=kind, points=kept, **BASE)
        right.plot(values, [row] * len(values), shape, color=COLORS["measurement"], ms=6,
                   markerfacecolor=COLORS["measurement"] if kept == "relu" else "none",
                   label=name if row == 0 else None)  # fmt: skip
right.axvline(SETTINGS["expected_nonzero"], color=COLORS["theory"], linestyle=":")
added = {"axes": "random + axes", "quantiles": "random + quantiles"}
right.set_yticks(range(len(kinds)), [f"{added.get(kind, kind)}, D = {d}" for d, kind in kinds])
right.invert_yaxis()
right.set(xlabel="non-zero fraction at the end", xlim=(0, 1), title="What sees single coordinates helps")
right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=9)
show(
    figure,
    alt="Left: non-zero fraction against steps in 512 dimensions. ReLU points fall steadily, to different levels for "
    "different rates; clamped points end above three quarters. Right: final fractions by kind of directions. With random "
    "directions in 512 dimensions ReLU and clamped points lie far apart on both sides of the dotted line; with axes or "
    "quantiles and in two dimensions ReLU points lie near it.",
)

# %% [markdown]
# Left: solid lines (ReLU) fall, dashed ones (clamped) drift upwards after the first steps, and none settles at the
# dotted line. Even runs that *start* as a sample of the target leave it. At rates below .1 all of these clouds have a
# smaller loss than a sample of the target. Right, at a rate of .01: a mark for each seed.
#
# All eighteen rows, the second half in the plane:

# %%
kinds = [(d, "random", name, of) for d in (512, 2) for name, of in VARIANTS.items()]
kinds += [(d, kind, kind, BASE) for d, few in ((512, 16), (2, 1)) for kind in ("axes", f"k = {few}", "quantiles")]
LAW = RectifiedGeneralizedGaussian(SETTINGS["mu"], SIGMA, SETTINGS["p"])
ABOVE = {x: LAW.survival(torch.tensor(x)).item() for x in (0.01, 0.1)}
print(f"the target: non-zero {SETTINGS['expected_nonzero']}, above .01 {ABOVE[0.01]:.2f}, above .1 {ABOVE[0.1]:.2f}\n")
print(f"{'':31} ReLU {'':27} clamped\n{'':31}" + " non-zero (error)  >.01  >.1 loss " * 2)
for d, kind, name, of in sorted(kinds, key=lambda row: -row[0]):
    print(f"D = {d:3}  {name:22}", end="")
    for points in ("relu", "clamp"):
        which = {"d": d, "directions": kind, "points": points, **of}
        if select(**which):
            mean, error = mean_and_error(final("nonzero", **which))
            small, large = (final(f"above_{x}", **which).mean() for x in (0.01, 0.1))
            print(f"    {mean:.3f}  ({error:.4f})  {small:.2f} {large:.2f} {relative(**which).mean():.2f}", end="")
    print()

# %% [markdown]
# Loss: on fresh samples and random directions, over that of a target sample. Error: standard error over the seeds.
# Empty: not measured. Where nothing is said the rate is .01, the start normal, the directions random; axes and
# quantiles are added to random ones.
#
# The recorded runs use Adam. The optimiser matters too: plain gradient descent (SGD, at a rate of its own) ends with
# another fraction, at a loss that is no different.


# %%
def short_run(make_optimizer, steps=100, shape=(256, 512)):
    """ReLU of free points at mu = 0: non-zero fraction at the end, and loss over that of a target sample."""
    generator = torch.Generator().manual_seed(20)
    w = torch.randn(shape, generator=generator).requires_grad_()
    optimizer = make_optimizer([w])
    lr = optimizer.param_groups[0]["lr"]
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
        optimizer.zero_grad()
        rdmreg_loss(w.relu(), draw(shape, generator, 0.0), generator=generator).backward()
        optimizer.step()
    z, y, other = w.detach().relu(), draw(shape, generator, 0.0), draw(shape, generator, 0.0)
    c = random_directions(256, shape[1], generator=generator)
    return l0_fraction(z), (rdmreg_loss(z, y, directions=c) / rdmreg_loss(other, y, directions=c)).item()


# %%
# a gradient of the loss is about 2 / (B D) times the way to go, hence the large rate of SGD
adam, sgd = short_run(lambda w: torch.optim.Adam(w, lr=0.01)), short_run(lambda w: torch.optim.SGD(w, lr=256 * 512 / 2))
for name, (nonzero, loss) in (("Adam", adam), ("SGD", sgd)):
    print(f"{name:5} non-zero fraction {nonzero:.1f}, loss over that of a target sample {loss:.1f}")
assert abs(adam[0] - sgd[0]) > 0.1 and abs(adam[1] - sgd[1]) < 0.1

# %% [markdown]
# ### A door that opens one way
#
# The reading of the lesson: a ReLU that is off passes no gradient, so for free points the fraction can only fall; with
# clamping the door swings both ways. It makes four predictions.
#
# 1. In the recorded ReLU runs the fraction never rises. **Control:** in the clamped ones it also rises.
# 2. The gradient at a target sample would lift about half of its zeros in $D = 512$, whatever share is asked.
#    **Control:** in the plane, where the loss sees the zeros, far fewer.
# 3. If the shadows are to blame, what sees single coordinates (axes, quantiles) brings the ReLU points much nearer to
#    Eq. 11. **Control:** directions that mix 16 coordinates do not.
# 4. It also fixes the share of entries above 0.1, for clamped points too.

# %%
rises = {
    points: [max(torch.tensor(run["nonzero_at"]).diff()) for run in select(points=points)]
    for points in ("relu", "clamp")
}
for points, values in rises.items():
    print(f"1. {points:5} runs in which the fraction ever rises: {sum(value > 0 for value in values)} of {len(values)}")
assert max(rises["relu"]) <= 0 < max(rises["clamp"])

generator = torch.Generator().manual_seed(21)
for d, mu in ((512, 0.0), (512, MU), (2, 0.0), (2, MU)):
    z, y = (draw((256, d), generator, mu) for _ in range(2))
    g = gradient(lambda z, y=y: rdmreg_loss(z, y, 512, generator=generator), z)
    lifted = (g[z == 0] < 0).double().mean().item()
    print(f"2. D = {d:3}, mu = {mu:2g}: a step would lift {lifted:.1f} of the zeros")
    assert 0.4 < lifted < 0.6 if d == 512 else lifted < 0.3

# %%
for kind in ("random", "k = 16", "axes", "quantiles"):
    of = [{"d": 512, "directions": kind, "points": points, **BASE} for points in ("relu", "clamp")]
    nonzero, large = ([final(key, **which).mean().item() for which in of] for key in ("nonzero", "above_0.1"))
    print(f"3. {kind:9}: ReLU and clamped, non-zero {nonzero[0]:.2f} and {nonzero[1]:.2f}; ", end="")
    print(f"4. above 0.1 {large[0]:.2f} and {large[1]:.2f}")
    informed = kind in ("axes", "quantiles")
    assert (abs(nonzero[0] - SETTINGS["expected_nonzero"]) < 0.07) == informed
    assert (max(abs(share - ABOVE[0.1]) for share in large) < 0.03) == informed

# %% [markdown]
# Axes and quantiles bring the ReLU points from 0.35 to about 0.46: much nearer to one half, and not onto it, since
# the door still opens one way. With random directions in $D = 512$ even the share of entries *above 0.1* is not
# fixed, so "zero" is no matter of rounding. What is left with clamping is a surplus of small positive numbers, below
# 0.1. No loss that is continuous in the features can tell 0 from a number small enough, in any dimension: there the
# one-way door is of use.
#
# All of this holds for *free* points. In a network the weights are shared, and a unit that is off for one image moves
# with those for which it is on ([chapter 05](../05_pretraining_cifar100.ipynb) counts).

# %% [markdown]
# ## SIGReg beside it

# %% [markdown]
# ### S5
#
# SIGReg averages a one-sample Epps-Pulley statistic over directions: Eq. 7 with the characteristic function
# $e^{-t^2/2}$ of $\mathcal{N}(0, 1)$ as the target's and the weight $\omega(t) = e^{-t^2/2}$ on the whole line. At
# total collapse, $\mathbf{z} = 0$, it equals $\sqrt{2\pi}\,(1 - \sqrt{2} + 1/\sqrt{3}) \approx 0.4089$; the part with
# $|t| \le 3$ is $0.4022$, and the trapezoid rule on 17 knots of $[0, 3]$, doubled by symmetry, gives $0.4020$.
#
# **Why.** Every term of the square in Eq. 7 is the integral of a cosine against a Gaussian, so for numbers $x_1, \dots,
# x_B$ the integral over the whole line is
#
# $$\frac{\sqrt{2\pi}}{B^2}\sum_{b, b'} e^{-(x_b - x_{b'})^2/2} \;-\; \frac{2\sqrt{\pi}}{B}\sum_b e^{-x_b^2/4}
# \;+\; \sqrt{2\pi/3}.$$
#
# With all $x_b = 0$ it is the number of the statement. (It is also a squared kernel distance, MMD, with a Gaussian
# kernel.)
#
# **Test.** Closed form, quadrature and module agree, at collapse and for uniform numbers; the difference is the cut
# and the knots. For Gaussian features $B$ times the loss does not depend on $B$. **Controls.** Another weight,
# $e^{-t^2}$, gives another number. For uniform features of the same variance the loss itself settles.


# %%
def sigreg_exactly(x):
    """Eq. 7 over the whole line for numbers x (B,)."""
    pairs = torch.exp(-((x[:, None] - x[None, :]) ** 2) / 2).mean()
    return (math.sqrt(2 * math.pi) * (pairs - math.sqrt(2) * torch.exp(-(x**2) / 4).mean() + math.sqrt(1 / 3))).item()


# %%
def sigreg_quadrature(x, end, power=0.5):
    """Eq. 7 with weight exp(-power t²) from -end to end for numbers x (B,), by scipy, in float64."""

    def integrand(t):
        gap = torch.exp(1j * t * x).mean() - math.exp(-(t**2) / 2)
        return gap.abs().item() ** 2 * math.exp(-power * t**2)

    return 2 * integrate.quad(integrand, 0, end, epsabs=1e-12, limit=200)[0]


def sigreg_on_a_line(x, **knots):
    """The module's SIGReg of numbers x (B,)."""
    return sigreg_loss(x.unsqueeze(1), directions=torch.ones(1, 1, dtype=x.dtype), **knots).item()


# %% tags=["claim-S5"]
generator = torch.Generator().manual_seed(1)
numbers = {"collapse": torch.zeros(2), "uniform on (0, 4)": 4 * torch.rand(50, generator=generator)}
for name, x in numbers.items():
    x = x.double()
    exact, whole, cut = sigreg_exactly(x), sigreg_quadrature(x, 12), sigreg_quadrature(x, 3)
    module, fine = sigreg_on_a_line(x), sigreg_on_a_line(x, num_knots=2000)
    print(f"{name:18} closed form {exact:.4f}, quadrature {whole:.4f}; ", end="")
    print(f"cut at 3 {cut:.4f}, with knots {module:.4f}; weight exp(-t²) {sigreg_quadrature(x, 12, power=1.0):.2f}")
    assert math.isclose(exact, whole, rel_tol=1e-9) and math.isclose(fine, cut, rel_tol=1e-5)
    assert abs(module / whole - 1) < 0.03 < abs(sigreg_quadrature(x, 12, power=1.0) / whole - 1)
    assert name != "collapse" or [round(value, 4) for value in (exact, cut, module)] == [0.4089, 0.4022, 0.4020]

t = torch.linspace(-3, 3, 33, dtype=torch.float64)  # the module's knots
expected = torch.trapezoid((1 - torch.exp(-(t**2))) * torch.exp(-(t**2) / 2), t).item()
axes = torch.eye(400)  # 400 coordinates seen along the axes are 400 independent samples on a line
for size in (64, 256, 1024):
    gauss, other = torch.randn(size, 400, generator=generator), uniform((size, 400), generator)
    mean, error = mean_and_error(size * sigreg_loss(gauss, directions=axes, reduction="none"))
    settled = sigreg_loss(other, directions=axes).item()
    print(f"B = {size:4}: B times the loss {mean:.1f} for {expected:.2f}; uniform, the loss itself {settled:.3f}")
    assert abs(mean - expected) < LIMIT * error and settled > expected / size + 0.01
print(false_alarms(3, 400))

# %% [markdown]
# Cut and knots cost at most 2 per cent at collapse. The statistic of the test is multiplied by $B$, and LeJEPA's code
# multiplies by the batch size too; the losses here are not. A weight tuned for the one does not carry over to the
# other.

# %% [markdown]
# ### Shift, scale and zeros
#
# With a Gaussian target both losses can be watched on the same points and the same directions. The features start as a
# sample of $\mathcal{N}(0, I_D)$ in $D = 8$ and are then shifted, scaled, or made sparse (a share of the entries set to
# zero, the rest scaled up to keep the variance).
#
# **Test.** Both losses are least without a shift and at scale 1. RDMReg grows as the square of the shift: the squared
# Wasserstein distance is $(\mathbf{c}^\top\boldsymbol\delta)^2$, whose mean over directions is the square of the
# shift per coordinate. A characteristic function is bounded, so SIGReg bends over. The zeros are hardly seen: with
# mean and variance right, half of the entries may be zero, and both losses stay below a tenth of that at collapse.
# **Control.** Each loss fails the other's test: RDMReg does not bend over, SIGReg does not grow as a square.

# %%
generator = torch.Generator().manual_seed(4)
z, y = torch.randn(256, 8, generator=generator), torch.randn(256, 8, generator=generator)
c, mask = random_directions(64, 8, orthogonal=True, generator=generator), torch.rand(256, 8, generator=generator)
LOSSES = {
    "SIGReg": lambda z: sigreg_loss(z, directions=c).item(),
    "RDMReg": lambda z: rdmreg_loss(z, y, directions=c).item(),
}
SPOIL = {
    "shift of every coordinate": (torch.linspace(-4, 4, 17), lambda s: z + s),
    "scale": (torch.linspace(0, 3, 13), lambda s: s * z),
    "share of zeros": (torch.linspace(0, 0.9, 10), lambda s: z * (mask > s) / math.sqrt(1 - s)),
}

# %%
curves = {
    (kind, name): torch.tensor([loss(change(s.item())) for s in values]) / loss(0 * z)
    for kind, (values, change) in SPOIL.items()
    for name, loss in LOSSES.items()
}
for name in LOSSES:
    shift, scale, zeros = (curves[kind, name] for kind in SPOIL)
    grown = (shift[-1] - shift[8]) / (shift[12] - shift[8])  # from a shift of 2 to one of 4
    best = [SPOIL[kind][0][curves[kind, name].argmin()] for kind in SPOIL]
    print(f"{name}: least at shift {best[0]:g} and scale {best[1]:g}; ", end="")
    print(f"twice the shift, {grown:.1f} times the loss; half zeros {zeros[5]:.2f} of that at collapse")
    assert shift.argmin() == 8 and scale.argmin() == 4 and zeros[5] < 0.1
    assert (abs(grown - 4) < 0.3) == (name == "RDMReg") and (grown < 2) == (name == "SIGReg")

# %% jupyter={"source_hidden": true} tags=["draw"]
LOOK = {
    "SIGReg": {"color": COLORS["gaussian"], "linestyle": "--", "marker": "s", "markersize": 4},
    "RDMReg": {"color": COLORS["rectified"], "linestyle": "-", "marker": "o", "markersize": 4},
    "one-sample": {"color": "#CC79A7", "linestyle": "-.", "marker": "^", "markersize": 4},
}
figure, panels = plt.subplots(1, 3, figsize=(10.5, 3.1))
for panel, (kind, (values, _)) in zip(panels, SPOIL.items()):
    for name in LOSSES:
        panel.plot(values, curves[kind, name], label=name, **LOOK[name])
    panel.set(xlabel=kind, ylabel="loss / loss at collapse", ylim=(0, None))
panels[0].set(ylim=(0, 6), title="SIGReg bends over")
panels[1].set(title="Both least at 1")
panels[2].set(title="Zeros hardly seen")
panels[2].legend(loc="upper left")
show(
    figure,
    alt="Both losses, in units of their value at total collapse, against shift, scale and share of zeros. Under a shift "
    "RDMReg is a parabola and SIGReg bends over; under scale both are least at one; under a growing share of zeros both "
    "stay far below one until few entries are left.",
)

# %% [markdown]
# ### Near collapse
#
# Take a cloud $\mathbf{z}_b = \mathbf{m} + s\,\mathbf{e}_b$ and let $s$ shrink. Only the part of the gradient that
# the rows do *not* share takes it apart.
#
# - **SIGReg.** The derivative of Eq. 7 with respect to $x_b$ depends on $x_b$ alone, beside the mean that all rows share.
#   It is smooth, so equal rows get equal gradients, and the differences between rows fall in proportion to $s$. At
#   collapse to zero the common part vanishes too, by symmetry: a stationary point. A network that is exactly there gets
#   no push, though a little noise is enough to leave.
# - **A one-sample loss for RGG** ([R8](#R8)) puts another target in the same place, so the same holds, except that
#   its common part need not vanish: it can move a collapsed cloud as a whole.
# - **RDMReg.** Sorting breaks the tie. The sorted features all sit at one place while the sorted target is spread out,
#   so the gradient tends to a constant that takes the points apart, wherever the cloud collapsed.
#
# **Test.** That part of the gradient goes as $s^1$ for the first two, and SIGReg alone has no gradient at all where all
# features are zero. **Control:** for RDMReg it goes as $s^0$. (If a ReLU is off for *every* input, none of it reaches
# the weights: exercise 04.6.)

# %%
generator = torch.Generator().manual_seed(16)
c, shape = random_directions(64, 64, generator=generator), (256, 64)
y, clouds = ({"Gauss": torch.randn(shape, generator=generator), "RGG": draw(shape, generator)} for _ in range(2))
centre = {"Gauss": 0.0, "RGG": y["RGG"].mean()}
cases = {  # (loss, target): what is minimised
    ("SIGReg", "Gauss"): lambda z: sigreg_loss(z, directions=c),
    ("one-sample", "RGG"): lambda z: rgg_cf_loss(z, TARGET, directions=c),
    ("RDMReg", "Gauss"): lambda z: rdmreg_loss(z, y["Gauss"], directions=c),
    ("RDMReg", "RGG"): lambda z: rdmreg_loss(z, y["RGG"], directions=c),
}
scales, spread = torch.logspace(-4, 0, 13), {}
for (name, of), loss in cases.items():
    pulls = [gradient(loss, centre[of] + s * (clouds[of] - centre[of])) for s in scales]
    spread[name, of] = torch.stack([(pull - pull.mean(0)).norm() for pull in pulls])
    power = (spread[name, of][4] / spread[name, of][0]).log10() / (scales[4] / scales[0]).log10()
    stationary = not gradient(loss, torch.zeros(shape)).any()
    print(f"{name:10} {of:5}: near collapse as s to the power {abs(power):.1f}; all zero, no gradient: {stationary}")
    assert abs(power - float(name != "RDMReg")) < 0.05 and stationary == (name == "SIGReg")

# %% jupyter={"source_hidden": true} tags=["draw"]
figure, panel = plt.subplots(figsize=(6, 3.2))
for (name, of), values in spread.items():
    look = LOOK[name] | ({"markerfacecolor": "white"} if (name, of) == ("RDMReg", "Gauss") else {})
    panel.plot(scales, values / values[-1], label=f"{name}, {of}", **look)
panel.set(
    xscale="log", yscale="log", xlabel="scale s of the cloud about its centre", ylabel="pull apart, relative to s = 1"
)
panel.set_title("One-sample pulls shrink with the cloud, RDMReg's do not")
panel.legend()
show(
    figure,
    alt="Both axes logarithmic. The pull of SIGReg and of the one-sample loss falls in proportion to the scale; RDMReg's "
    "stays where it is.",
)

# %% [markdown]
# Each curve is drawn relative to the right scale, $s = 1$, where the gradient is noise: only the slopes compare.

# %% [markdown]
# ## One sample after all

# %% [markdown]
# ### R8
#
# For a vector $\mathbf{x}$ of independent $\mathcal{RGN}_p(\mu, \sigma)$ variables, the characteristic function of
# $\mathbf{c}^\top\mathbf{x}$ is $\prod_i \varphi(c_i t)$, where $\varphi$ is that of one coordinate. It can be computed
# for every direction, so a one-sample test of the kind of Eq. 7 exists for RGG too.
#
# **Why.** $\mathbb{E}\,e^{it\mathbf{c}^\top\mathbf{x}} = \mathbb{E}\prod_j e^{i(c_jt)x_j}$, and the mean of a product
# of independent variables is the product of their means. For $p = 1$ and $\mu \le 0$ even $\varphi$ is elementary:
# with probability $a = \frac12 e^{\mu/\sigma}$ the variable is positive and then exponential with mean $\sigma$, so
#
# $$\varphi(t) = 1 - a + \frac{a}{1 - i\sigma t}.$$
#
# For other $p$ and $\mu$ it is one integral, which the module tabulates. The post concludes from the missing closure
# under projections that the target has to be sampled. But Eq. 7 asks for a characteristic function, not for a family.
#
# **Test.** The product agrees with the mean of $e^{it\mathbf{c}^\top\mathbf{x}}$ over many draws, for directions that
# mix 2, 16 or 512 coordinates, at $p = 1$ by hand and at $p = 1/2$ and 2 from the module; the loss built on it is the
# module's. **Control.** For draws whose coordinates are equal in pairs, so that they are not independent, the product
# fails.


# %%
def projected_cf(c, t, mu, sigma):
    """E exp(i t c.x) for independent RGG coordinates with p = 1, mu <= 0: directions c (N, D), knots t (K,) -> (N, K)."""
    a = math.exp(mu / sigma) / 2
    phi = 1 - a + a / (1 - 1j * sigma * c.unsqueeze(-1) * t)  # (N, D, K): one coordinate each
    return phi.prod(dim=1)


# %%
def one_sample_by_hand(z, c, mu, sigma):
    """Eq. 7 with the product in place of exp(-t^2 / 2); features measured in units of the target's deviation s."""
    s = RectifiedGeneralizedGaussian(mu, sigma, 1.0).stddev.item()
    t = torch.linspace(-3, 3, 33)
    angles = (z / s @ c.T).unsqueeze(-1) * t  # (B, N, K)
    gap = torch.complex(angles.cos(), angles.sin()).mean(0) - projected_cf(c, t / s, mu, sigma)
    return torch.trapezoid(gap.abs() ** 2 * torch.exp(-(t**2) / 2), t).mean()


# %%
def errors_off(shadow, predicted, t):
    """How far the mean of exp(i t x) over draws x (n,) is from a prediction (K,), at worst, in standard errors."""
    angles = shadow[:, None] * t
    means, errors = mean_and_error(torch.cat([angles.cos(), angles.sin()], dim=1))
    return ((means - torch.cat([predicted.real, predicted.imag])).abs() / errors).max().item()


# %% tags=["claim-R8"]
generator, t = torch.Generator().manual_seed(14), torch.tensor([0.5, 1.0, 2.0, 4.0])
worst, checks = 0.0, 0
for p, mu in ((1.0, 0.0), (1.0, -1.0), (1.0, -2.0), (0.5, -1.0), (2.0, -1.0)):
    dist = RectifiedGeneralizedGaussian(mu, unit_variance_scale(p), p)
    for d, n in ((2, 100_000), (16, 40_000), (512, 5_000)):
        c = random_directions(1, d, generator=generator)  # (1, D)
        x = sample_rgg((n, d), p=p, mu=mu, generator=generator)
        predicted = projected_cf(c, t, mu, SIGMA) if p == 1 else projected_characteristic_function(dist, c, t)
        worst, checks = max(worst, errors_off(x @ c[0], predicted[0], t)), checks + 2 * len(t)
copies = draw((100_000, 1), generator).expand(-1, 2)
c = torch.tensor([[0.6, 0.8]])
control = errors_off(copies @ c[0], projected_cf(c, t, MU, SIGMA)[0], t)
print(f"product against draws: {checks} numbers, all within {LIMIT} standard errors {worst < LIMIT}, ", end="")
print(f"of equal coordinates {control < LIMIT}; {false_alarms(checks, n)}")
assert worst < LIMIT < control / 10

z, c = draw((64, 32), generator, -0.5), random_directions(20, 32, generator=generator)
for mu in (0.0, MU):
    dist = RectifiedGeneralizedGaussian(mu, SIGMA, 1.0)
    ours, modules = one_sample_by_hand(z, c, mu, SIGMA).item(), rgg_cf_loss(z, dist, directions=c).item()
    print(f"mu = {mu:2g}: one-sample loss by hand {ours:.4f}, module {modules:.4f}")
    assert math.isclose(ours, modules, rel_tol=1e-3)

# %% [markdown]
# ### What each loss sees sooner
#
# So two samples are a choice and not a necessity. How far does each loss rise over its own floor when something is
# wrong? Two faults in $D = 512$: every coordinate follows RGG with $\mu$ larger by 0.1, or one row in a hundred is
# three times too long.
#
# **Prediction.** The one-sample floor holds the noise of one sample instead of two, so it sees the small shift
# better. But a characteristic function averages bounded waves: a few rows far out cannot move it by more than their
# share, while their squared distance enters RDMReg in full.


# %%
def rises(p, mu, size, generator, repetitions=4, d=512):
    """One-sample loss and RDMReg over their floors: after a small shift, and with a few long rows: (2, 2)."""
    dist, rows = RectifiedGeneralizedGaussian(mu, unit_variance_scale(p), p), []
    for _ in range(repetitions):
        c = random_directions(48, d, generator=generator)
        right, shifted, y = (sample_rgg((size, d), p=p, mu=m, generator=generator) for m in (mu, mu + 0.1, mu))
        long = right * torch.where(torch.arange(size) % 100 == 0, 3.0, 1.0).unsqueeze(1)
        rows.append(
            [[rgg_cf_loss(z, dist, directions=c), rdmreg_loss(z, y, directions=c)] for z in (right, shifted, long)]
        )
    floor, *faults = mean_and_error(rows)[0]
    return torch.stack(faults) / floor


# %%
generator, table = torch.Generator().manual_seed(15), []
for p, mu in ((1.0, 0.0), (1.0, -1.0), (1.0, -2.0), (2.0, -2.0)):
    for size in (256, 1024):
        (shift_one, shift_two), (long_one, long_two) = rises(p, mu, size, generator).tolist()
        print(f"p = {p:g}, mu = {mu:2g}, B = {size:4}: shifted, one-sample {shift_one:.1f}, RDMReg {shift_two:.1f}; "
              f"long rows, one-sample {long_one:.1f}, RDMReg {long_two:.1f}")  # fmt: skip
        table.append(shift_one > shift_two and long_one < long_two)
print(f"as predicted in {sum(table)} of {len(table)} settings")
assert all(table)

# %% [markdown]
# Both predictions hold. (Half the noise is a part of the reason at most. It would double the rise above the floor,
# and at $B = 1024$ the one-sample loss rises farther than that.) Near collapse the one-sample loss
# [fades](#Near-collapse). With ten seeds on `shapes` and a matched weight it left more coordinates dead than RDMReg,
# and its encoder was not seen to differ ([chapter 05](../05_pretraining_cifar100.ipynb)).

# %% [markdown]
# ### What each loss costs
#
# Timings are this machine's and are not compared when the notebook is checked.


# %%
def milliseconds(work, repetitions=5):
    """The best of a few times, after one call to warm up."""
    times = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times[1:])


# %% tags=["nbval-ignore-output", "timing"]
generator, shape = torch.Generator().manual_seed(17), (256, 512)
z, y, c = (
    draw(shape, generator).requires_grad_(),
    draw(shape, generator),
    random_directions(256, 512, generator=generator),
)
a, b = (z @ c.T).detach(), y @ c.T
losses = {
    "RDMReg": lambda: rdmreg_loss(z, y, directions=c), "  the same in plain torch": lambda: distance(z, y, c)[0],
    "SIGReg": lambda: sigreg_loss(z, directions=c), "one-sample for RGG": lambda: rgg_cf_loss(z, TARGET, directions=c),
    "coordinate quantiles": lambda: coordinate_loss(z, TARGET),
}  # fmt: skip
parts = {
    "sorting both samples (torch)": lambda: (a.sort(dim=0), b.sort(dim=0)),
    "two matrix products": lambda: (z.detach() @ c.T, y @ c.T), "drawing the target": lambda: draw(shape, generator),
    "drawing the directions": lambda: random_directions(256, 512, generator=generator),
}  # fmt: skip
print("one view, B = 256, D = 512, N = 256, one thread; losses forward and backward")
for name, work in losses.items():
    print(f"{name:30} {milliseconds(lambda work=work: torch.autograd.grad(work(), z)):7.1f} ms")
for name, work in parts.items():
    print(f"{name:30} {milliseconds(work):7.1f} ms")

# %% [markdown]
# In plain torch, sorting takes the largest part. The module sorts along contiguous memory with NumPy's vectorised
# sort, and computes the gradient in the same pass. The one-sample loss saves the target sample and pays for the
# product and for sines and cosines. On a GPU the proportions are others.
#
# So neither is better throughout: one sample sees a small shift sooner and needs no draws; two samples see long rows,
# keep a push near collapse, and are the cheaper here.

# %% [markdown]
# ## Numbers of 16 bits

# %% [markdown]
# ### Why in float32
#
# Mixed precision computes a network in 16-bit numbers. A loss that is made of *small differences*, between a feature
# and the target of the same rank, should not be computed so: 16-bit numbers have gaps of a fixed relative size, in
# which such differences drown and neighbours tie. With `float16` there is a second error. The gradient, which is
# divided by $NB$, falls below the smallest number that it can hold, unless the loss is multiplied by a large number
# first. (The minimal example has a gradient scaler for this; `bfloat16` needs none.)
#
# **Test.** Rounding the projections changes the gradient by some per cent, and by more where `float16` is not scaled
# and the batch is large. **Control.** The module under autocast returns what it returns without.


# %%
def rounded_gradient(z, y, c, dtype, scale=1.0):
    """The gradient of RDMReg with projections rounded to dtype; the loss is multiplied by scale and back."""

    def loss(z):
        a, b = (z @ c.T).to(dtype), (y @ c.T).to(dtype)
        return scale * (a.sort(0).values - b.sort(0).values).square().float().mean()

    return gradient(loss, z) / scale


# %%
generator, harm = torch.Generator().manual_seed(19), {}
c = random_directions(128, 512, generator=generator)
kinds = {
    "float16": (torch.float16, 1.0),
    "float16, scaled": (torch.float16, 2.0**14),
    "bfloat16": (torch.bfloat16, 1.0),
}
for size in (256, 4096):
    z, y = draw((size, 512), generator), draw((size, 512), generator)
    exact = rounded_gradient(z, y, c, torch.float32)
    for name, kind in kinds.items():
        harm[size, name] = ((rounded_gradient(z, y, c, *kind) - exact).norm() / exact.norm()).item()
        print(f"B = {size:4}, {name:16} gradient off by about {float(f'{harm[size, name]:.1g}'):.0%}")
assert harm[4096, "float16"] > 2 * harm[4096, "float16, scaled"] and min(harm.values()) > 0.01
with torch.autocast("cpu", torch.bfloat16):
    same = rdmreg_loss(z, y, directions=c)
alike = torch.equal(same, rdmreg_loss(z, y, directions=c))
print(f"the module under autocast returns what it returns without: {alike}")
assert alike
