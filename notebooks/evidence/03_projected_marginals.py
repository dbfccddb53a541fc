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
# # 03 · Projected marginals: the evidence
#
# Every claim of [the lesson](../03_projected_marginals.ipynb), tested; the sections keep the lesson's
# numbers. A cell that gives the lesson a figure or a table stands here once more, with its tests.
#
# Two conventions, as in chapter 02. A value measured on random draws may differ from its prediction by `LIMIT` standard
# errors, and a test of goodness of fit stops the notebook at a p-value of `LEVEL` or less; each such cell says how
# often *true* statements would fail by bad luck.

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

import numpy as np
import torch
from scipy import optimize, stats

from rlpjepa.distributions import RectifiedGeneralizedGaussian, sample_rgg, unit_variance_scale
from rlpjepa.projections import projected_characteristic_function, projected_marginal, random_directions

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves

LIMIT, LEVEL = 4, 1e-4  # standard errors; p-value


def bad_luck(checks=0, tests=0):
    """How rarely true statements fail: the sum of the risks of checks at LIMIT and tests at LEVEL, in words."""
    return f"true statements fail here at most 1 time in {1 / (checks * 2 * stats.norm.sf(LIMIT) + tests * LEVEL):,.0f}"


# Section 1: estimates of densities.
def log_density_kernel(z):
    """Log density at the points z, (..., B, d), each estimated from all the others: (..., B)."""
    B, d = z.shape[-2:]
    h = B ** (-1 / (d + 4))
    exponent = -torch.cdist(z, z).square() / (2 * h**2)  # (..., B, B)
    exponent.diagonal(dim1=-2, dim2=-1).fill_(-math.inf)  # a point does not count for itself
    return exponent.logsumexp(-1) - math.log(B - 1) - d / 2 * math.log(2 * math.pi * h**2)


def log_density_neighbours(z, k=4):
    """The same by the distance to the k-th neighbour: (B, d) -> (B,)."""
    B, d = z.shape
    r = torch.cdist(z, z).kthvalue(k + 1, dim=1).values  # the nearest point is the point itself
    log_volume = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1) + d * r.log()
    return torch.digamma(torch.tensor(1.0 * k)) - torch.digamma(torch.tensor(1.0 * B)) - log_volume


def log_density_normal(z):
    """Log density of N(0, I_d): (..., d) -> (...)."""
    return -z.square().sum(-1) / 2 - z.shape[-1] / 2 * math.log(2 * math.pi)


# Section 2: the pinwheel, directions in the plane, and G of the lesson.
def sample_pinwheel(n, generator):
    """(n, 2) draws: the radius of a Gaussian, an angle with density (1 + sin 4β) / 2π."""
    z = torch.randn(3 * n, 2, generator=generator)
    beta = torch.atan2(z[:, 1], z[:, 0])
    keep = 2 * torch.rand(3 * n, generator=generator) < 1 + torch.sin(4 * beta)  # half of them
    return z[keep][:n]


def line_at(degrees):
    """Unit vectors (..., 2) at angles in degrees."""
    angle = torch.deg2rad(torch.as_tensor(degrees, dtype=torch.float64))
    c = torch.stack([angle.cos(), angle.sin()], dim=-1)
    return torch.where(c.abs() < 1e-12, 0.0, c)  # an axis is an axis, exactly


def ks_distance(sample, law):
    return stats.kstest(sample.numpy(), law).statistic


u = torch.linspace(-7, 7, 1401)
step = (u[1] - u[0]).item()
density = torch.exp(log_density_normal(torch.cartesian_prod(u, u))).view(len(u), -1)  # (u, v)
gap = (density * torch.cos(4 * torch.atan2(u, u[:, None]))).sum(1).cumsum(0) * step**2  # G on the grid of u
largest_gap = gap.abs().max().item()


# Section 4: the RGG nearest to a shadow; `edges` are those of the histogram there.
def cdf_at_edges(exact):
    """The distribution function at the 61 edges, the atom at zero included."""
    atom, rest = exact
    return np.append(0.0, rest.cumsum()) + atom * (edges >= 0)


def mirror_image(F, atom):
    """The same for the law of minus the shadow."""
    return 1 - F[..., ::-1] + np.where(edges == 0, atom, 0)


def rgg_at_edges(mu, sigma, p):
    """The distribution function of an RGG at the edges, (61,)."""
    return np.where(edges >= 0, stats.gennorm.cdf(edges, p, loc=mu, scale=sigma * p ** (1 / p)), 0)


def nearest_rgg(F, atom):
    """(KS distance at the edges, μ, σ, p) of the RGG nearest to the law with distribution function F, (61,)."""

    def unpack(q):
        return q[0], math.exp(q[1]), math.exp(np.clip(q[2], -2, 3))

    def distance(q):
        below_zero = F[30] - atom  # where an RGG has nothing
        return max(np.abs(rgg_at_edges(*unpack(q)) - F).max(), below_zero)

    def squares(q):  # smooth, to find a good start
        return ((rgg_at_edges(*unpack(q)) - F) ** 2).sum()

    q = (0.3, -0.3, 0.5)
    for function in (squares, distance, distance):
        q = optimize.minimize(function, q, method="Nelder-Mead", options={"maxfev": 400}).x
    return distance(q), *unpack(q)


# %% [markdown]
# ## 1 · Why look at shadows

# %% [markdown]
# ### S3
#
# At a fixed number of samples, the error of a density-based estimate of the KL divergence (Eq. 4) grows with the
# dimension $d$ once it is not small (here from $d = 8$ on), while the error of a distance averaged over
# one-dimensional projections does not. The price is sensitivity: shifting one coordinate of $\mathcal{N}(0, I_d)$ by
# $\delta$ costs $\delta^2/2$ in KL for every $d$, but $\delta^2/d$ in squared 2-Wasserstein distance averaged over
# unit directions.

# %% tags=["claim-S3"]
B, delta, repeats = 512, 1.0, 8
dims = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
quantiles = torch.special.ndtri((torch.arange(B) + 0.5) / B)  # of N(0, 1)


def mean_excess(log_density, z):
    """Eq. 4 over the last axis but one of z, averaged over what is left."""
    return (log_density(z) - log_density_normal(z)).mean()


def w2_to_normal(shadows):
    """Squared 2-Wasserstein distance to N(0, 1), averaged over directions: (B, N) -> ()."""
    return (shadows.sort(0).values - quantiles[:, None]).square().mean()


names = ("KL, kernel", "KL, neighbours", "KL of shadows", "W2^2 of shadows")
errors, averages, floors = [], [], []
for d in dims:
    generator = torch.Generator().manual_seed(d)
    truth = torch.tensor([delta**2 / 2, delta**2 / 2, delta**2 / (2 * d), delta**2 / d])
    estimates, floor = [], []
    for _ in range(repeats):
        target = torch.randn(B, d, generator=generator)
        z = target + delta * torch.eye(d)[0]  # (B, d)
        C = random_directions(64, d, generator=generator)  # (N, d)
        few = (z @ C[:8].T).T.unsqueeze(-1)  # eight shadows as eight batches in one dimension: (8, B, 1)
        kernel, neighbours = mean_excess(log_density_kernel, z), mean_excess(log_density_neighbours, z)
        shadows = mean_excess(log_density_kernel, few)
        estimates.append(torch.stack([kernel, neighbours, shadows, w2_to_normal(z @ C.T)]))
        floor.append(w2_to_normal(target @ C.T))  # no shift: what is left is noise
    estimates = torch.stack(estimates)  # (repeats, 4)
    errors.append((estimates - truth).square().mean(0).sqrt())
    averages.append(estimates.mean(0))
    floors.append(torch.stack(floor).mean())
errors, averages, floors = torch.stack(errors), torch.stack(averages), torch.stack(floors)

print(f"root mean square error at B = {B}, over {repeats} repetitions")
print("   d  " + "  ".join(f"{name:>15}" for name in names))
for d, row in zip(dims, errors):
    print(f"{d:4}  " + "  ".join(f"{error:15.3f}" for error in row))
assert (errors[dims.index(8) :, :2].diff(dim=0) > 0).all() and (errors[-1, :2] > 100 * errors[0, :2]).all()
assert (errors[:, 2:] < 1.5 * errors[0, 2:]).all()

shift = torch.tensor([0.6, 0.0, 0.8])  # any shift of length 1, here in d = 3: the average is 1/d
squares = (random_directions(100_000, 3, generator=torch.Generator().manual_seed(0)) @ shift).square()
error = (squares.std() / math.sqrt(len(squares))).item()
print(f"mean squared shift of a shadow in d = 3: {squares.mean():.3f}, standard error {error:.4f}; 1/d = {1 / 3:.3f}")
assert abs(squares.mean() - 1 / 3) < LIMIT * error
seen = averages[:, 3] > 2 * floors
lost = next(d for d, ok in zip(dims, seen) if not ok)
print(f"W2^2 with the shift is less than twice that without it from d = {lost} on")
assert seen[: dims.index(64)].all() and not seen[-1]
print(bad_luck(checks=1) + "; the errors themselves are compared with margins far above their noise")

# %% [markdown]
# ## 2 · All shadows together are enough

# %% [markdown]
# ### S4
#
# Two random vectors $\mathbf{x}, \mathbf{y}$ in $\mathbb{R}^d$ have the same law if and only if
# $\mathbf{c}^\top\mathbf{x}$ and $\mathbf{c}^\top\mathbf{y}$ have the same law for every unit vector $\mathbf{c}$.
# Equal coordinate marginals are not enough; random directions can tell apart two laws that share them.
#
# The proof goes through the characteristic function: at $\mathbf{t} = s\,\mathbf{c}$ that of the vector is that of its
# shadow along $\mathbf{c}$ at $s$. So the laws of the shadows, $\Phi + \sin(4\alpha)\,G$ for the pinwheel, have to
# predict the joint one, and the cell tries that. How many directions are needed? No fixed set is enough for all pairs of
# laws. But where one of the two satisfies Carleman's condition (its moments do not grow too fast; RGG does for $p \ge 1$),
# almost every single direction tells it from any other law (Cuesta-Albertos, Fraiman and Ransford, 2007). What limits a
# loss is then the size of the batch.

# %% tags=["claim-S4"]
n, generator = 50_000, torch.Generator().manual_seed(1)
y = sample_pinwheel(n, generator)  # (n, 2)
gaussian = torch.randn(n, 2, generator=generator)
assert len(y) == n

off = []  # in standard errors: the joint characteristic function of the draws from that of the predicted shadow
for s, degrees in ((2.0, 20.0), (3.0, -30.0), (4.0, 80.0)):
    waves = torch.cos(s * (y @ line_at(degrees)))  # it is real, the laws being symmetric
    gaussian_part = math.exp(-(s**2) / 2)
    bend = math.sin(4 * math.radians(degrees)) * s * (torch.sin(s * u) * gap).sum() * step
    off.append(
        [(waves.mean() - part).abs() * math.sqrt(n) / waves.std() for part in (gaussian_part + bend, gaussian_part)]
    )
fits, control = torch.tensor(off).T
print(
    f"joint characteristic function from the laws of the shadows, at 3 points: within {LIMIT} standard errors ", end=""
)
print(f"{(fits < LIMIT).all()}; from Gaussian shadows {(control < LIMIT).any()}")
assert (fits < LIMIT).all() and (control > LIMIT).all()

blind = [stats.kstest((y @ line_at(a)).numpy(), "norm").pvalue for a in (0.0, 45.0, 90.0, 135.0)]
print(f"two axes and two diagonals: all four p-values above {LEVEL}: {min(blind) > LEVEL}")
assert min(blind) > LEVEL

C = random_directions(20, 2, generator=generator)
p_values = np.array([stats.kstest((y @ c).numpy(), "norm").pvalue for c in C])
p_gaussian = np.array([stats.kstest((gaussian @ c).numpy(), "norm").pvalue for c in C])
print(f"random directions with a p-value of {LEVEL} or less, of {len(C)}: ", end="")
print(f"pinwheel {(p_values <= LEVEL).sum()}, Gaussian {(p_gaussian <= LEVEL).sum()}")
assert (p_values <= LEVEL).mean() > 0.5 and (p_gaussian > LEVEL).all()

angles = torch.arange(0, 181, 7.5)
measured = np.array([ks_distance(y @ c, "norm") for c in line_at(angles)])
predicted = largest_gap * np.abs(np.sin(4 * np.deg2rad(angles.numpy())))
noise = stats.kstwobign.isf(LEVEL) / math.sqrt(n)  # a sample of n stays this close to its own law
print(f"KS distance at {len(angles)} angles: all within {noise:.4f} of |sin 4α| max |G|: ", end="")
print(f"{(np.abs(measured - predicted) < noise).all()}")
assert (np.abs(measured - predicted) < noise).all()
print(bad_luck(checks=3, tests=4 + len(C) + len(angles)))

# %% [markdown]
# ### What a collapse looks like on the axes
#
# The lesson's table, its predictions tested.

# %%
n, N, generator = 4096, 64, torch.Generator().manual_seed(2)


def differs(x, y):
    """Two-sample KS tests, column by column: which have a p-value of LEVEL or less."""
    pairs = zip(x.T.numpy(), y.T.numpy())
    return np.array([stats.ks_2samp(a, b, method="asymp").pvalue <= LEVEL for a, b in pairs])


tests, found = 0, []
for d in (2, 8, 32, 128, 512):
    x, other = (sample_rgg((n, d), p=1.0, mu=0.0, generator=generator) for _ in range(2))
    y = other[:, : d // 2].repeat_interleave(2, dim=1)  # (n, d)
    C = random_directions(N, d, generator=generator)
    axes, shadows = differs(x[:, :32], y[:, :32]), differs(x @ C.T, y @ C.T)
    print(f"d = {d:3}: the laws differ on {axes.sum()} of {len(axes):2} axes, ", end="")
    print(f"on {shadows.sum():2} of {N} random directions")
    assert not axes.any() and (shadows.any() or d > 32)
    tests, found = tests + len(axes), [*found, shadows.sum()]
assert found == sorted(found, reverse=True) and found[0] == N
print(bad_luck(tests=tests))

# %% [markdown]
# ## 3 · The Gaussian: every shadow is a Gaussian

# %% [markdown]
# ### P1
#
# If $\mathbf{z} \sim \mathcal{N}(\mathbf{m}, \Sigma)$, then $\mathbf{c}^\top\mathbf{z}$ is Gaussian with mean
# $\mathbf{c}^\top\mathbf{m}$ and variance $\mathbf{c}^\top\Sigma\,\mathbf{c}$ for every direction $\mathbf{c}$.

# %% tags=["claim-P1"]
n, d, N, generator = 20_000, 16, 64, torch.Generator().manual_seed(3)
m, A = torch.randn(d, generator=generator), torch.randn(d, d, generator=generator)
z = m + torch.randn(n, d, generator=generator) @ A.T  # (n, d), with covariance A Aᵀ
C = random_directions(N, d, generator=generator)


def p_values_gaussian(z, m, covariance):
    """P-values of the KS tests of the shadows in the directions C against their predicted Gaussian laws."""
    means, deviations = C @ m, ((C @ covariance) * C).sum(1).sqrt()  # (N,) each
    return np.array([stats.kstest(s.numpy(), "norm").pvalue for s in ((z @ C.T - means) / deviations).T])


p_values = p_values_gaussian(z, m, A @ A.T)
print(f"Gaussian: {(p_values > LEVEL).sum()} of {N} p-values above {LEVEL}")
assert (p_values > LEVEL).all()

one = RectifiedGeneralizedGaussian(0.0, 1.0, 2.0)
x = m + sample_rgg((n, d), p=2.0, mu=0.0, generator=generator) @ A.T
p_values = p_values_gaussian(x, m + one.mean * A.sum(1), one.variance * A @ A.T)
print(f"rectified coordinates, same treatment: {(p_values > LEVEL).sum()} of {N}, the others are rejected")
assert (p_values <= LEVEL).mean() > 0.5
print(bad_luck(tests=N))

# %% [markdown]
# ## 4 · The rectified Gaussian: shadows of many shapes
#
# The parts of a shadow by hand and from the module.

# %%
MU, SIGMA = 0.0, 1.0

c1, c2 = (value.item() for value in line_at(30.0))
h = 0.002
s = h * np.arange(4001)
first, second = (stats.norm.pdf(s / c, MU, SIGMA) / c for c in (c1, c2))  # the stretched densities
P0 = stats.norm.cdf(-MU / SIGMA)

atom = P0**2
ridges = np.stack([P0 * first, P0 * second])  # (2, 4001)
interior = h * (np.convolve(first, second)[: len(s)] - (first[0] * second + first * second[0]) / 2)

target_law = RectifiedGeneralizedGaussian(MU, SIGMA, 2.0)
module = projected_marginal(target_law, (c1, c2), torch.tensor(s[1:]))
for name, ours, theirs in (
    ("atom", atom, module.atom),
    ("ridges", ridges[:, 1:], module.ridges),
    ("interior", interior[1:], module.interior),
):
    difference = np.abs(ours - theirs.numpy()).max()
    print(f"{name:9} by hand and from the module: equal within 1e-6: {difference < 1e-6}")
    assert difference < 1e-6

masses = [atom, *(np.trapezoid(part, dx=h) for part in (*ridges, interior))]
print("masses: " + ", ".join(f"{mass:.4f}" for mass in masses) + f"; sum {sum(masses):.6f}")
assert np.allclose(masses, [P0**2, P0 * (1 - P0), P0 * (1 - P0), (1 - P0) ** 2], rtol=0, atol=1e-6)

# %% [markdown]
# The exact shadow and a million draws.

# %%
draws = 1_000_000
x = sample_rgg((draws, 2), p=2.0, mu=MU, sigma=SIGMA, generator=torch.Generator().manual_seed(4))  # (draws, 2)
width = 0.2
edges = width * np.arange(-30, 31)  # (61,); edges[30] is zero


def exact_cells(c):
    """Mass of the atom, and of the rest in each of the 60 bins, by Gauss-Legendre's rule with 8 points in each."""
    points, weights = np.polynomial.legendre.leggauss(8)
    inside = (edges[:-1] + edges[1:])[:, None] / 2 + width / 2 * points  # (60, 8)
    marginal = projected_marginal(target_law, c, torch.tensor(inside))
    return marginal.atom.item(), (marginal.density.numpy() * weights).sum(1) * width / 2


def counted_cells(c):
    """The same shares among the draws x."""
    shadow = x @ c
    zero = (shadow == 0).sum().item()
    counts = torch.histc(shadow, bins=60, min=-6, max=6).numpy()
    counts[30] -= zero  # the bin that begins at zero
    return zero / draws, counts / draws


def chi2_p_value(exact, counted):
    """Of all cells together; those that expect fewer than 20 draws are taken as one."""
    expected, seen = (draws * np.concatenate([[zero], rest]) for zero, rest in (exact, counted))
    rare = expected < 20
    expected, seen = (np.append(cells[~rare], cells[rare].sum()) for cells in (expected, seen))
    statistic = ((seen - expected) ** 2 / np.maximum(expected, 1e-9)).sum()
    return stats.chi2.sf(statistic, len(expected) - 1)


c = line_at(30.0)
exact, counted = exact_cells(c), counted_cells(c)
print(f"atom at 30°: exact {exact[0]:.4f}, counted {counted[0]:.3f}; ", end="")
print(f"p-value of the whole law above {LEVEL}: {chi2_p_value(exact, counted) > LEVEL}")
assert chi2_p_value(exact, counted) > LEVEL
print(bad_luck(tests=1))

# %% [markdown]
# ### P2
#
# Let $\mathbf{x}$ have two independent coordinates $\mathcal{RGN}_2(\mu, \sigma)$, each zero with probability $P_0$.
# Along a coordinate axis its projection is $\mathcal{RGN}_2(\mu, \sigma)$ with its atom $P_0$; along a direction off
# the axes the atom is $P_0^2$, the rest is one part from each axis and a convolution from the interior, and the law
# is no RGG. Two unit directions share a projected law only if they are equal or each other's swap of coordinates, and
# opposite directions give mirror images.

# %% tags=["claim-P2"]
degrees = 360 / 64 * np.arange(64)
directions = line_at(degrees)  # (64, 2)
exact = [exact_cells(c) for c in directions]
counted = [counted_cells(c) for c in directions]
F = np.stack([cdf_at_edges(cells) for cells in exact])  # (64, 61)
on_axis = degrees % 90 == 0

total = np.array([atom + rest.sum() for atom, rest in exact])
print(f"total mass within 1e-6 of one in all 64 directions: {(np.abs(total - 1) < 1e-6).all()}")
assert (np.abs(total - 1) < 1e-6).all()

atoms = np.array([atom for atom, _ in exact])
print(
    f"atom on the axes {atoms[on_axis].mean():.4f} (P0 = {P0:.4f}), elsewhere {atoms[~on_axis].mean():.4f} (its square)"
)
assert np.allclose(atoms, np.where(on_axis, P0, P0**2), rtol=0, atol=1e-12)
positive = edges[31:]
rgg = target_law.cdf(torch.tensor(positive)).numpy()
assert np.allclose(F[[0, 16], 31:], rgg, rtol=0, atol=1e-7) and np.allclose(F[0, :30], 0)  # 0° and 90°
print("at 0° and 90° the distribution function is that of RGG (tolerance 1e-7)")

p_values = np.array([chi2_p_value(*cells) for cells in zip(exact, counted)])
deviations = (np.array([atom for atom, _ in counted]) - atoms) / np.sqrt(atoms * (1 - atoms) / draws)
print(f"a million draws: {(p_values > LEVEL).sum()} of 64 p-values above {LEVEL}; ", end="")
print(f"all atoms within {LIMIT} standard errors: {(np.abs(deviations) < LIMIT).all()}")
assert (p_values > LEVEL).all() and (np.abs(deviations) < LIMIT).all()

k = np.arange(64)
swap, opposite = (16 - k) % 64, (k + 32) % 64  # 90° − α and α + 180°
assert np.allclose(F, F[swap], rtol=0, atol=1e-9)
assert np.allclose(F, mirror_image(F[opposite], atoms[:, None]), rtol=0, atol=1e-7)
apart = np.abs(F[:, None] - F[None]).max(-1)  # (64, 64): KS distances at the edges
other = (k[:, None] != k) & (swap[:, None] != k)
print(
    f"swapped: the same law; opposite: mirror images; any other two are at a KS distance of {apart[other].min():.4f} or more"
)
assert apart[other].min() > 1e-3  # the quadrature is exact to 1e-7

fits, rejections = {}, []  # the fits by angle from -45° to 45°
for j in (*range(56, 64), *range(9)):
    plain, mirrored = nearest_rgg(F[j], atoms[j]), nearest_rgg(mirror_image(F[j], atoms[j]), atoms[j])
    fits[float(degrees[j] - 360 * (j > 32))] = min(plain, mirrored)
    if 0 < j < 9:  # the shadow is positive: how do the draws like its nearest RGG?
        measured = np.abs(cdf_at_edges(counted[j]) - rgg_at_edges(*plain[1:])).max()
        rejections.append(stats.kstwobign.sf(math.sqrt(draws) * measured))
ranges = [[fit[0] for angle, fit in fits.items() if np.sign(angle) == side] for side in (0, 1, -1)]
print(f"KS distance to the nearest RGG: on the axis below 0.001: {ranges[0][0] < 1e-3}; where c1, c2 > 0 from ", end="")
print(
    f"{min(ranges[1]):.3f} to {max(ranges[1]):.3f}; where the signs differ from {min(ranges[2]):.2f} to {max(ranges[2]):.2f}"
)
print(f"the draws reject the nearest RGG, p-values below 1e-12 where c1, c2 > 0: {max(rejections) < 1e-12}")
assert ranges[0][0] < 1e-3 and min(ranges[1]) > 0.005 and min(ranges[2]) > 0.2 and max(rejections) < 1e-12
print(bad_luck(checks=64, tests=64))

# %% [markdown]
# ## 5 · Which laws are closed

# %% [markdown]
# ### P3
#
# The Cauchy law keeps its form under linear combinations: with independent standard Cauchy coordinates
# $\mathbf{c}^\top\mathbf{x}$ is Cauchy with scale $\|\mathbf{c}\|_1$, along any direction. The Laplace law does not:
# its excess kurtosis is $3$, that of the sum of two independent copies $3/2$, and no shift or scale changes that.

# %% tags=["claim-P3"]
n, generator = 50_000, torch.Generator().manual_seed(5)
p_values = []
for d in (2, 8, 64):
    cauchy = torch.tan(math.pi * (torch.rand(n, d, generator=generator) - 0.5))  # quantiles at uniform probabilities
    for c in random_directions(8, d, generator=generator):
        scale = c.abs().sum().item()
        p_values.append(stats.kstest((cauchy @ c / scale).numpy(), "cauchy").pvalue)
        assert scale > 1.05 or d == 2  # the scale has indeed changed
p_values = np.array(p_values)
print(f"Cauchy, d = 2, 8, 64: {(p_values > LEVEL).sum()} of {len(p_values)} p-values above {LEVEL}")
assert (p_values > LEVEL).all()

t, c = torch.linspace(-5, 5, 201), random_directions(1, 8, generator=generator)  # c (1, 8)
for alpha in (0.5, 1.0, 1.5, 2.0):
    product = torch.exp(-((c * t[:, None]).abs() ** alpha)).prod(1)
    norm = (c.abs() ** alpha).sum() ** (1 / alpha)
    assert torch.allclose(product, torch.exp(-((norm * t.abs()) ** alpha)), rtol=1e-10, atol=1e-12)
print("e^(-|t|^α) is closed, with scale ‖c‖_α, for α = 0.5, 1, 1.5, 2")


def excess_kurtosis(x):
    """Of draws (n,) from a law with mean zero; and its standard error, by linearisation."""
    square, fourth = x.square(), x**4
    ratio = fourth.mean() / square.mean() ** 2
    error = (fourth / square.mean() ** 2 - 2 * ratio * square / square.mean()).std() / math.sqrt(len(x))
    return ratio.item() - 3, error.item()


n = 1_000_000
u = 2 * torch.rand(n, 2, generator=generator) - 1
laplace = -u.sign() * torch.log1p(-u.abs())  # (n, 2), scale 1
for name, draws, expected in (("one", laplace[:, 0], 3), ("the sum of two", laplace.sum(1), 3 / 2)):
    kurtosis, error = excess_kurtosis(draws)
    print(f"Laplace, {name}: excess kurtosis {kurtosis:.2f}, standard error {error:.3f}, expected {expected:.1f}")
    assert abs(kurtosis - expected) < LIMIT * error

s = np.linspace(0, 15, 3001)
sum_of_two = 1 - (2 + s) * np.exp(-s) / 4  # its distribution function, for s >= 0
nearest = optimize.minimize_scalar(lambda b: np.abs(stats.laplace.cdf(s, scale=b) - sum_of_two).max(), (1, 2))
print(f"the sum of two against the Laplace law of the best scale: KS distance {nearest.fun:.3f}")
assert stats.kstest(laplace.sum(1).abs().numpy(), lambda s: 1 - (2 + s) * np.exp(-s) / 2).pvalue > LEVEL
assert nearest.fun > 0.01
print(bad_luck(checks=2, tests=len(p_values) + 1))

# %% [markdown]
# ## 6 · High dimension: shadows that mix many entries are nearly Gaussian
#
# The characteristic function of a shadow, by hand and from the module's `projected_characteristic_function`.
#
# **Prediction.** For $p = 1$ the two agree. (The module interpolates in a table, hence a tolerance of $10^{-4}$.)

# %%
d, mu = 512, -1.0
law = RectifiedGeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0)
C = random_directions(3, d, generator=torch.Generator().manual_seed(6))
t = torch.linspace(-20, 20, 101)

P0, sigma = 1 - law.prob_active, law.scale
by_hand = (P0 + (1 - P0) / (1 - 1j * sigma * C[:, :, None] * t)).prod(1)  # (N, d, K) -> (N, K)
module = projected_characteristic_function(law, C, t)
agree = torch.allclose(by_hand, module, rtol=0, atol=1e-4)
print(f"product over {d} coordinates, {len(C)} directions: equal within 1e-4: {agree}")
assert agree

# %% [markdown]
# The inversion formula of Gil-Pelaez, with which the lesson gets back to the distribution function. The cell compares
# the result with draws, in two cases in which these are good enough to tell and in one in which they are not.


# %%
def ks_to_gaussian(law, C, knots=160):
    """KS distances between N(0, 1) and the standardised shadows in the directions C, (N, d) -> (N,)."""
    d, mean, deviation = C.shape[1], law.mean, law.stddev
    end = min(40.0, 7.99 / C.abs().max().item())
    tau = (torch.arange(knots) + 0.5) * end / knots  # (K,), midpoints
    zero = -mean * C.sum(1, keepdim=True) / deviation  # where the standardised shadow has its atom, (N, 1)
    atom = (1 - law.prob_active) ** d
    phi = projected_characteristic_function(law, C, tau / deviation) * torch.exp(1j * tau * zero)  # (N, K)
    phi = phi - atom * torch.exp(1j * tau * zero)

    grid = torch.linspace(-5, 5, 501)
    s = torch.cat([grid.expand(len(C), -1), zero], dim=1)  # (N, S): the grid, and the atom
    on_grid = (phi / tau) @ torch.exp(-1j * tau[:, None] * grid)
    at_zero = (phi / tau * torch.exp(-1j * tau * zero)).sum(1, keepdim=True)
    F = (1 - atom) / 2 - torch.cat([on_grid, at_zero], dim=1).imag * (end / knots) / math.pi
    target = torch.special.ndtr(s)
    left, right = F + atom * (s > zero), F + atom * (s >= zero)  # limits from the left and from the right
    return torch.maximum((left - target).abs(), (right - target).abs()).amax(1)


def ks_of_draws(law, C, n, generator):
    """The same from n draws."""
    x = sample_rgg((n, C.shape[1]), p=law.p.item(), mu=law.loc.item(), generator=generator)
    shadows = (x - law.mean) @ C.T / law.stddev
    return torch.tensor([ks_distance(shadow, "norm") for shadow in shadows.T])


generator = torch.Generator().manual_seed(7)
for p, mu, d, n in ((2.0, -2.0, 32, 100_000), (1.0, -2.0, 128, 50_000), (1.0, 0.0, 512, 20_000)):
    law = RectifiedGeneralizedGaussian(mu, unit_variance_scale(p), p)
    C = random_directions(4, d, generator=generator)
    inverted, drawn = ks_to_gaussian(law, C).mean(), ks_of_draws(law, C, n, generator).mean()
    floor = stats.kstwobign.mean() / math.sqrt(n)  # Kolmogorov's law for large n
    print(
        f"p = {p:g}, μ = {mu:2g}, d = {d:3}: by inversion {inverted:.3f}, from {n:7,} draws {drawn:.3f}, noise {floor:.3f}"
    )
    assert abs(inverted - drawn) < 2 * floor + 0.03 * drawn

# %% [markdown]
# In the last line the draws are not good enough: they report their own noise.

# %% [markdown]
# ### P4
#
# The mean Kolmogorov-Smirnov distance between $\mathcal{N}(0, 1)$ and the standardised projection of $d$ independent
# $\mathcal{RGN}_p(\mu, \sigma)$ variables on a random direction falls as $d$ grows from 32 to 512, and rises as $\mu$
# falls from 0 to -3. Where the expected count of non-zero entries $d\,\Phi_p(\mu/\sigma)$ is large, with $\Phi_p$ the
# distribution function of $\mathcal{GN}_p(0, 1)$, a random direction therefore sees little beyond mean and variance.

# %% tags=["claim-P4"]
dims, mus, shapes = (32, 64, 128, 256, 512), (0.0, -1.0, -2.0, -3.0), (1.0, 2.0)
generator = torch.Generator().manual_seed(8)
directions_in = {d: random_directions(10, d, generator=generator) for d in dims}
distance, active, spreads = {}, {}, []
for p in shapes:
    for mu in mus:
        law = RectifiedGeneralizedGaussian(mu, unit_variance_scale(p), p)
        in_each = torch.stack([ks_to_gaussian(law, C) for C in directions_in.values()])  # (dimensions, directions)
        values = in_each.mean(dim=1).tolist()
        spreads.append((in_each.std(dim=1) / in_each.mean(dim=1)).max().item() / math.sqrt(10))
        distance[p, mu], active[p, mu] = np.array(values), law.prob_active.item() * np.array(dims)
        print(f"p = {p:g}, μ = {mu:2g}:  " + ",  ".join(f"d = {d}: {value:.3f}" for d, value in zip(dims, values)))

for p in shapes:
    table = np.stack([distance[p, mu] for mu in mus])  # (μ, d)
    assert (np.diff(table, axis=1) < 0).all(), "falls with d"
    assert (np.diff(table, axis=0) > 0).all(), "rises as μ falls"
slope = np.polyfit(np.log(dims), np.log(distance[1.0, 0.0]), 1)[0]
small = distance[1.0, 0.0][-1] < 0.0025 and distance[2.0, 0.0][-1] < 0.00125
print(f"μ = 0, d = 512: below 0.0025 at p = 1 and below 0.00125 at p = 2: {small}")
assert small
print(f"p = 1, μ = 0: slope {slope:.1f} on logarithmic axes (predicted -1)")
assert abs(slope + 1) < 0.15
values, counts = (np.concatenate(list(table.values())) for table in (distance, active))
most, least = values[counts > 60].max(), values[counts < 1].min()
print(f"more than 60 non-zero entries expected: distance at most {most:.3f}; fewer than one: at least {least:.2f}")
assert most < 0.01 and least > 0.2

c = random_directions(20_000, 32, generator=generator)
sizes = (c**4).sum(1).mean().item() * 32, (c**3).sum(1).std().item() * 32
print(f"d = 32: mean of Σ c⁴ is {sizes[0]:.1f}/d, standard deviation of Σ c³ is {sizes[1]:.1f}/d")
exactly = 3 * 32 / 34, 32 * math.sqrt(15 / (34 * 36))
assert all(abs(size / value - 1) < 0.05 for size, value in zip(sizes, exactly))
print(f"exactly {exactly[0]:.1f}/d and {exactly[1]:.1f}/d; in high dimension 3/d and {math.sqrt(15):.1f}/d")
print(f"agrees; the standard error of a mean over ten directions is at most {max(spreads):.0%}")

# %% [markdown]
# ### What this means for a loss
#
# The lesson's table, its predictions tested.


# %%
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
    assert torch.isclose(law.mean, law.prob_active * sigma)
    assert torch.isclose(law.variance + law.mean**2, 2 * law.prob_active * sigma**2)
    two_values = 2 * sigma * (torch.rand(B, d, **options) < law.prob_active.float() / 2)
    return target, (again, gaussian, two_values.float())


def compare(batches, C):
    """average_w2 of the target with itself, with the Gaussian and with the two values."""
    target, others = batches
    return [average_w2(target, other, C) for other in others]


d, N, generator = 512, 128, torch.Generator().manual_seed(9)
for mu in (0.0, -3.0):
    for B in (64, 256, 1024, 4096):
        rows = []
        for _ in range(min(8, max(4, 4096 // B))):
            C = random_directions(N, d, dtype=torch.float32, generator=generator)
            rows.append(compare(make_batches(mu, B, d, generator), C))
        floor, *impostors = np.mean(rows, axis=0)
        ratios = np.array(impostors) / floor
        print(f"μ = {mu:2g}, B = {B:4}: floor {floor:.1e}, ", end="")
        print(f"Gaussian {ratios[0]:4.1f}, two values {ratios[1]:.1f} times as much")
        assert mu < 0 or abs(ratios - 1).max() < 0.15
assert ratios[0] > 5 and ratios[1] > 2  # the last: μ = -3, B = 4096

# %% [markdown]
# The same with more and more directions.

# %%
B, mu, generator = 256, 0.0, torch.Generator().manual_seed(10)
d, deviations = 512, []
for N in (16, 64, 256, 1024):
    rows = []
    for _ in range(6):
        C = random_directions(N, d, dtype=torch.float32, generator=generator)
        rows.append(compare(make_batches(mu, B, d, generator), C))
    floor, _, impostor = np.mean(rows, axis=0)
    deviations.append(np.std(rows, axis=0).mean() / floor)
    print(f"N = {N:4}: two values {impostor / floor:.1f} times the floor, spread {deviations[-1]:.0%}")
    assert abs(impostor / floor - 1) < 0.15
assert deviations[-1] < deviations[0]

# %% [markdown]
# ### A dial between axis and random direction
#
# The lesson's table, its predictions tested.

# %%
B, d, N, mixed = 2048, 512, 32, (1, 4, 16, 64, 256, 512)
dial, noise = {}, {}
for mu in (0.0, -2.0, -3.0):
    generator, rows = torch.Generator().manual_seed(12), []
    for _ in range(4):
        batches = make_batches(mu, B, d, generator)
        options = {"dtype": torch.float32, "generator": generator}
        rows.append([compare(batches, random_directions(N, d, size=k, **options)) for k in mixed])
    floor, _, impostor = np.mean(rows, axis=0).T  # one value for each k
    each = np.array([row[..., 2] / row[..., 0] for row in np.array(rows)])  # (4, number of k)
    noise[mu] = each.std(axis=0, ddof=1) / 2 / each.mean(axis=0)  # relative, of a mean of four
    dial.update({(mu, k): value for k, value in zip(mixed, impostor / floor)})
    active = RectifiedGeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0).prob_active.item()
    print(f"μ = {mu:2g}, {B * active:6.1f} non-zero draws per coordinate:  ", end="")
    print(",  ".join(f"k = {k}: {dial[mu, k]:.1f}" for k in mixed))
print(f"standard errors are at most {max(error.max() for error in noise.values()):.0%}")
assert dial[0.0, 1] > 10 * dial[0.0, 512] and dial[-3.0, 512] > 1.2 * dial[-3.0, 1]
