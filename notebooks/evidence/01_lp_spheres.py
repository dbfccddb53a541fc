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
# What [chapter 01](../01_lp_spheres.ipynb) states, tested, each statement under the name that it has in `claims.toml`;
# and what only some readers want to know. Where a cell ends in "agrees", it has checked the statement above it and
# would have stopped the notebook otherwise.

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

import matplotlib.pyplot as plt
import scipy.stats
import torch

from rlpjepa import rdmreg_loss
from rlpjepa.figures import COLORS, STYLE, show
from rlpjepa.spheres import lp_norm, sample_cone, sample_surface, surface_density

plt.rcParams.update(STYLE)  # how figures look
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves


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


def train(target_weight, noise, width=64, steps=400):
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
            target = torch.randn(512, 2, dtype=torch.float64, generator=generator)
            loss = loss + target_weight * rdmreg_loss(z, target, num_projections=32, generator=generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return x, before, z[0].detach()


def unit_curve(p, n=2001):
    """(n, 2) points of the unit ℓp sphere in the plane, from (0, 1) to (1, 0)."""
    t = torch.linspace(0, 1, n, dtype=torch.float64)
    points = torch.stack([t, 1 - t], dim=1) ** max(1, 1 / p)  # the power places more points near a spike
    return points / lp_norm(points, p, keepdim=True)


# %% [markdown]
# ## 1 · Why a target at all
#
# ### S1
#
# The invariance term of Eq. 2 is zero for every constant map, and training on it alone can end there: the variance of
# each output coordinate over the data goes to zero (complete collapse). With a distribution term added as in Eq. 3 the
# variances settle near those of the target.

# %% tags=["claim-S1"]
constant = torch.full((2, 512, 2), 0.3)  # what a constant network makes of 512 points in two views
assert (constant[0] - constant[1]).square().mean() == 0

x, z_before, z_alone = train(target_weight=0, noise=0.3)
_, _, z_target = train(target_weight=5, noise=0.3)
assert (z_alone.var(0) / z_before.var(0) < 0.01).all()
assert (z_target.var(0) > 0.7).all() and (z_target.var(0) < 1.3).all()

x_linear, linear_before, linear_alone = train(target_weight=0, noise=0.3, width=None)
_, _, linear_lucky = train(target_weight=0, noise=torch.tensor([0.0, 0.3]), width=None)
assert (linear_alone.var(0) / linear_before.var(0) < 0.01).all()
W_before, W_lucky = (torch.linalg.lstsq(x_linear, z).solution.T for z in (linear_before, linear_lucky))
torch.testing.assert_close(W_lucky[:, 0], W_before[:, 0], rtol=1e-4, atol=1e-4)
assert W_before[:, 0].norm() > 0.5 and W_lucky[:, 1].norm() < 1e-3

print("a constant map: invariance term 0")
print("invariance alone: each coordinate keeps less than 1/100 of its variance")
print("invariance and target: each coordinate has a variance between 0.7 and 1.3 (the target's is 1)")
print("linear map, invariance alone: less than 1/100")
print("linear map, views that differ in one coordinate: column 1 of W as before, column 2 gone (tolerance 0.001)")
print("agrees")

# %% [markdown]
# ### S2
#
# If $d$ coordinates of unit variance are linear mixtures of $k < d$ signals (dimensional collapse), the effective rank
# $\exp(-\sum_i s_i \log s_i)$ of the centred feature matrix, where $s_i$ are its singular values divided by their sum,
# is at most $k$. For $d$ independent coordinates of equal variance it approaches $d$ as the sample grows.


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
# ## 2 · Unit ℓp spheres
#
# In code the formula is one line. The function `lp_norm` of `rlpjepa`, *the module*, gives the same numbers, and also
# works where single powers become too large or too small for a float.

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
# ## 3 · A random vector is a radius times a direction
#
# To compare a sample with a law, this chapter uses the Kolmogorov–Smirnov test: its *p-value* is the probability that a
# sample from the law itself would lie at least as far from it. (It has nothing to do with the $p$ of ℓp. Counts, as
# those of the triangles in section 5, are compared by the $\chi^2$ test, whose p-value means the same.) A cell stops at
# a p-value of 1/10,000 or less: a true statement would stop it once in 10,000 runs with other seeds, and in a cell with
# many comparisons these risks add up. For independence we split the sample in two by a property of the direction and
# compare the radii of the halves. Such a test can find dependence or fail to find it; that there is none is what the
# argument in the lesson proves. To see that the tests *can* fail, sections 3, 5 and 6 also feed them laws for which
# they should.

# %%
LEVEL = 1e-4


def p_value(sample, law):
    """Kolmogorov and Smirnov's test of a sample (n,) against a distribution of scipy or another sample (n,)."""
    return scipy.stats.kstest(sample, law.cdf if hasattr(law, "cdf") else law).pvalue


def p_value_of_independence(value, other):
    """Split the sample at the median of `other` and compare the two halves of `value`: alike when independent."""
    return p_value(value[other < other.median()], value[other >= other.median()])


def report(text, p_values):
    """Print how many comparisons passed."""
    print(f"{text}: {sum(p > LEVEL for p in p_values)} of {len(p_values)} p-values above {LEVEL}")


def bad_luck(p_values):
    """How rarely true statements fail that many comparisons: at most the sum of the risks, in words."""
    return f"if all is true, chance stops this cell in 1 of {1 / (LEVEL * len(p_values)):.0f} runs at most"


# %% [markdown]
# ### T1
#
# For $\mathbf{z} \sim \mathcal{N}(0, I_d)$ the radius $\|\mathbf{z}\|_2$ follows $\chi(d)$: its mean divided by
# $\sqrt{d}$ tends to $1$ and its standard deviation to $1/\sqrt{2}$ as $d$ grows. The direction
# $\mathbf{z}/\|\mathbf{z}\|_2$ is uniform on the sphere and independent of the radius.
#
# That the direction is uniform is tested through its cosine with a fixed unit vector: by symmetry this has the law of
# $u_1$, whichever vector it is, and its square, $z_1^2/\sum_i z_i^2$, the law Beta$(1/2, (d-1)/2)$.

# %% tags=["claim-T1"]
n = 4000
radii, radius_tests, uniform_tests, independence_tests = {}, [], [], []
for d in (2, 64, 512, 4096):
    generator = torch.Generator().manual_seed(d)
    z = torch.randn(n, d, generator=generator)
    r = lp_norm(z, 2).double()  # (n,)
    u = z.double() / r[:, None]  # (n, d)
    radii[d] = r
    radius_tests.append(p_value(r, scipy.stats.chi(d)))
    for direction in (torch.eye(d)[0], torch.ones(d) / d**0.5):  # the squared cosine has the same law for each
        cosine = u @ direction.double()
        uniform_tests.append(p_value(cosine**2, scipy.stats.beta(1 / 2, (d - 1) / 2)))
        independence_tests.append(p_value_of_independence(r, cosine))
    independence_tests.append(p_value_of_independence(r, u.abs().amax(1)))
    print(
        f"d = {d:4d}: mean radius / √d = {r.mean() / d**0.5:.3f} ± {r.std() / (n * d) ** 0.5:.4f}, "
        f"standard deviation {r.std():.2f} ± {r.std() / (2 * n) ** 0.5:.2f}"
    )
report("radius against χ(d)", radius_tests)
report("direction against the uniform law", uniform_tests)
report("radius against direction", independence_tests)
tests = radius_tests + uniform_tests + independence_tests
assert min(tests) > LEVEL
assert abs(r.mean() / d**0.5 - 1) < 1e-3 and abs(r.std() - 0.5**0.5) < 0.05  # d = 4096, about six standard errors

square = torch.rand(n, 2, generator=generator) - 0.5  # uniform in a square: dependent, and not uniform in direction
wrong = p_value_of_independence(lp_norm(square, 2), (square / lp_norm(square, 2, keepdim=True)).abs().amax(1))
assert wrong < LEVEL
print("a law that is not of this kind (uniform in a square) is recognised")
print("agrees: √d and 1/√2 = 0.71 as d grows, direction uniform and independent of the radius")
print(bad_luck(tests))

# %% [markdown]
# ## 4 · The most spread-out law
#
# ### T2
#
# Among the laws on $\mathbb{R}^d$ with a given $\mathbb{E}\|\mathbf{z}\|_2^2$, the centred isotropic Gaussian has the
# largest differential entropy.

# %% tags=["claim-T2"]
STEP = 1e-3
line = torch.arange(-60 + STEP / 2, 60, STEP, dtype=torch.float64)
half_line = torch.arange(STEP / 2, 60, STEP, dtype=torch.float64)


def normal(mean, variance):
    return lambda x: (-((x - mean) ** 2) / (2 * variance)).exp() / math.sqrt(2 * math.pi * variance)


def product_law(*densities):
    """Entropy and mean squared norm of two independent coordinates, by summing over a fine grid."""
    f = torch.stack([density(line) for density in densities])  # (2, points of the grid)
    return torch.special.entr(f).sum() * STEP, (f * line**2).sum() * STEP


def radial_law(density, power):
    """Entropy and mean of ||z||^power of a law in the plane whose density depends on r = ||z|| alone."""
    f, ring = density(half_line), 2 * math.pi * half_line * STEP  # ring: area between r and r + STEP
    f = f / (f * ring).sum()
    return (torch.special.entr(f) * ring).sum(), (f * half_line**power * ring).sum()


laws = {
    "isotropic Gaussian": product_law(*[normal(0, 1)] * 2),
    "Gaussian with variances 1.4 and 0.6": product_law(normal(0, 1.4), normal(0, 0.6)),
    "isotropic Gaussian, off centre": product_law(*[normal(0.5, 0.75)] * 2),
    "product logistic": product_law(
        *[lambda x: torch.from_numpy(scipy.stats.logistic.pdf(x, 0, 3**0.5 / math.pi))] * 2
    ),
    "product Laplace": product_law(*[lambda x: (-x.abs() * 2**0.5).exp() / 2**0.5] * 2),
    "uniform in a square": product_law(*[lambda x: (x.abs() < 3**0.5).double() / 12**0.5] * 2),
    "uniform in a disc": radial_law(lambda r: (r < 2).double(), power=2),
}
best = laws["isotropic Gaussian"][0]
for name, (entropy, mean_square) in laws.items():
    print(f"mean square {mean_square:.2f}, entropy {entropy:.2f} nats: {name}")
    assert abs(mean_square - 2) < 5e-3
    assert name == "isotropic Gaussian" or entropy < best - 0.01

gaussian, gaussian_norm = radial_law(lambda r: (-(r**2) / 2).exp(), power=1)
winner, winner_norm = radial_law(lambda r: (-2 * r / gaussian_norm).exp(), power=1)
print(f"mean norm {gaussian_norm:.3f}, entropy {gaussian:.3f} nats: isotropic Gaussian")
print(f"mean norm {winner_norm:.3f}, entropy {winner:.3f} nats: density ∝ exp(-λ‖z‖₂)")
assert abs(gaussian_norm - winner_norm) < 1e-4
assert abs(gaussian - 2.838) < 1e-3 and abs(winner - 2.903) < 1e-3
print("agrees: largest at a fixed mean square (tolerance 0.005), not at a fixed mean norm")

# %% [markdown]
# ## 5 · Product Laplace: the diamond
#
# ### T3
#
# If the $d$ coordinates of $\mathbf{z}$ are independent Laplace variables with scale $\sigma$, then $\|\mathbf{z}\|_1$
# follows the Gamma law with shape $d$ and scale $\sigma$, and $\mathbf{z}/\|\mathbf{z}\|_1$ is uniform on the unit
# $\ell_1$ sphere with respect to its surface measure.


# %% tags=["claim-T3"]
def triangle_counts(u):
    """How many rows of u (n, 3) lie in each of the 32 triangles."""
    face = (u > 0).long() @ torch.tensor([1, 2, 4])  # 0 … 7
    piece = torch.where(u.abs().amax(1) > 0.5, u.abs().argmax(1), 3)  # corner 0, 1, 2 or middle 3
    return (4 * face + piece).bincount(minlength=32)


def tests_of_uniformity(u):
    """p-values of the directions u (n, d) against the uniform law on the unit ℓ1 sphere."""
    # the part of a face where |u_1| > t is the face itself, shrunk by the factor 1 - t in d - 1 dimensions
    p_values = [p_value(u[:, 0].abs(), scipy.stats.beta(1, u.shape[1] - 1))]
    if u.shape[1] == 3:
        p_values.append(scipy.stats.chisquare(triangle_counts(u)).pvalue)
    return p_values


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
report("direction against the uniform law", direction_tests)
assert min(radius_tests + direction_tests) > LEVEL

z = torch.randn(n, 3, dtype=torch.float64, generator=generator)
wrong_law = tests_of_uniformity(z / lp_norm(z, 1, keepdim=True))
assert max(wrong_scale + wrong_law) < LEVEL
print("the scale 1 in place of σ is recognised as wrong, and so are a Gaussian's directions on the ℓ1 sphere")
print(f"agrees ({bad_luck(radius_tests + direction_tests)})")

# %% [markdown]
# ## 6 · Generalized Gaussians, and the measure they put on the sphere
#
# The cell draws $(n, d)$ independent $\mathcal{GN}_p(0, \sigma)$ as the lesson does, checks one column against scipy,
# and splits every row into radius and direction. The directions are, number by number, what the module's `sample_cone`
# returns for the same seed.

# %%
n, d, p, sigma = 20_000, 5, 0.5, 1.7
generator = torch.Generator().manual_seed(6)
V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
z = sigma * V * (p * G) ** (1 / p)  # (n, d), independent GN_p(0, sigma)
tests = [p_value(z[:, 0], scipy.stats.gennorm(p, scale=sigma * p ** (1 / p)))]
report("z against scipy's gennorm", tests)
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
# the Gamma law with shape $d/p$ and scale $p\sigma^p$, and is independent of $\mathbf{u} =
# \mathbf{z}/\|\mathbf{z}\|_p$. The law of $\mathbf{u}$ is the cone measure of the unit $\ell_p$ sphere: a piece of the
# sphere weighs as much as the share of the unit ball's volume between it and the origin.


# %% tags=["claim-T7"]
def sample_gn(n, d, p, sigma, generator):
    """(n, d) independent draws from GN_p(0, sigma), as above."""
    V = torch.empty(n, d, dtype=torch.float64).uniform_(-1, 1, generator=generator)
    G = torch._standard_gamma(torch.full((n, d), 1 + 1 / p, dtype=torch.float64), generator=generator)
    return sigma * V * (p * G) ** (1 / p)


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
report("‖z‖^p against Gamma(d/p, scale pσ^p)", radius_tests)
report("radius against direction", independence_tests)
report("directions of z against directions of points in the ball", cone_tests)
tests = radius_tests + independence_tests + cone_tests
assert min(tests) > LEVEL
assert max(wrong_norm) < LEVEL
print(
    f"radius in the wrong norm: {sum(p < LEVEL for p in wrong_norm)} of {len(wrong_norm)} times recognised as dependent"
)
print(f"agrees ({bad_luck(tests)})")

# %% [markdown]
# ## 7 · Cone measure and surface measure
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
# **Prediction.** At $p = 2$ the sum is 1, at $p = 1$ it is $d$; for $p = \infty$ the sphere is a cube, whose faces all
# lie at the distance $h = 1$. In these three cases the two measures are equal. For any other $p$ compare the point on
# an axis, where all coordinates but one are 0, with the diagonal. Towards the axis $\lVert\mathbf{g}\rVert_2 \to 1$ for
# $p > 1$ and $\to \infty$ for $p < 1$; on the diagonal it is $d^{1/p - 1/2}$, which is finite, and 1 only for $p = 2$.
# So the measures differ.
#
# In the plane everything can be measured without any of this: cut the curve into short pieces, measure the length of
# each and the area of the triangle between it and the origin. The *total variation distance* is half the sum of the
# absolute differences between the two shares, the largest difference that any set can show. It is 0 for equal measures
# and 1 for measures that have no piece in common.


# %% tags=["claim-T8"]
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


in_plane = {p: total_variation(p) for p in (0.25, 0.5, 0.75, 1, 1.5, 2, math.inf)}
for p, distance in in_plane.items():
    print(f"plane, p = {'∞' if p == math.inf else p:<4}  total variation distance {distance:.3f}")
    assert distance < 1e-5 if p in (1, 2, math.inf) else distance > 0.01

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
# to their length. (It works in any dimension: it draws from a law that is near the surface measure, and keeps a point
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

# %% tags=["slide"]
grid = sorted([1.0, 2.0, *torch.logspace(math.log10(0.2), math.log10(20), 160).tolist()])
distances = torch.tensor([total_variation(p) for p in grid])
nearest = {p: total_variation(p) for p in (1, 2)}
away = torch.tensor([min(abs(p - 1), abs(p - 2)) > 0.1 for p in grid])
assert max(nearest.values()) < 1e-5 and distances[away].min() > 1e-3
between, above = (max(total_variation(p) for p in some) for some in ((1.2, 1.3, 1.4), (5, 6, 7)))
print(f"largest distance between 1 and 2: {between:.3f}, above 2: {above:.2f}")
assert distances[-1] > total_variation(100) > total_variation(500) and total_variation(500) < 2e-3
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

# %% [markdown] tags=["slide"]
# *The distance between the two measures in the plane. It dips to zero at $p = 1$ and $p = 2$, and tends to zero once
# more as $p \to \infty$, beyond the right edge (at $p = \infty$ the measures are equal). Between and above them the
# difference is small; below $p = 1$ it grows fast.*

# %% [markdown]
# ## 8 · The most spread-out law, once more
#
# ### T4
#
# Among the laws on $\mathbb{R}^d$ with a given $\mathbb{E}\|\mathbf{z}\|_p^p$, the product of $d$ laws
# $\mathcal{GN}_p(0, \sigma)$ with that moment has the largest differential entropy. At $p = 1$ it is the product
# Laplace law with scale $\sigma$, at $p = 2$ the Gaussian with standard deviation $\sigma$.

# %% tags=["claim-T4"]
log_x = torch.linspace(-40, 25, 8001, dtype=torch.float64)  # a grid in log x reaches from 10^-17 to 10^10
x, dx = log_x.exp(), log_x.exp() * (log_x[1] - log_x[0])


def entropy_at_unit_moment(log_density, p):
    """Entropy in nats of a symmetric law, given log f up to a constant on x > 0, scaled so that E|x|^p = 1."""
    f = torch.exp(log_density - torch.logsumexp(log_density + dx.log(), 0)) / 2  # its integral over x > 0 is 1/2
    moment = 2 * (x**p * f * dx).sum()
    return (2 * (torch.special.entr(f) * dx).sum() - moment.log() / p).item()  # x / moment^(1/p) has moment 1


curves = {}
shapes = torch.logspace(math.log10(0.25), math.log10(8), 61, dtype=torch.float64).tolist()
for p in (0.5, 1, 2, 4):
    best = entropy_at_unit_moment(-(x**p) / p, p)
    closed_form = math.log(2 * math.gamma(1 / p) * p ** (1 / p - 1)) + 1 / p
    assert abs(best - closed_form) < 1e-8
    curves[p] = [entropy_at_unit_moment(-(x**q) / q, p) - best for q in shapes]
    assert max(curves[p]) < 1e-8 and abs(math.log(shapes[curves[p].index(max(curves[p]))] / p)) < 0.06
    others = {
        "uniform": torch.where(x < 1, 0.0, -math.inf),
        "logistic": -x - 2 * torch.log1p(torch.exp(-x)),
        "Student, 9 degrees of freedom": -5 * torch.log1p(x**2 / 9),
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
for p, law in ((1, torch.distributions.Laplace(0.0, sigma)), (2, torch.distributions.Normal(0.0, sigma))):
    log_density = (1 - 1 / p) * math.log(p) - math.log(2 * sigma * math.gamma(1 / p)) - z.abs() ** p / (p * sigma**p)
    torch.testing.assert_close(log_density, law.log_prob(z), rtol=1e-6, atol=1e-6)
print("p = 1 is Laplace with scale σ, p = 2 Gauss with standard deviation σ")
print("agrees (entropy to 1e-8, the position of the maximum to one step of the grid)")

# %% [markdown]
# ## 9 · Priors: lasso and ridge
#
# ### T5
#
# On an orthonormal design with noise variance $s^2$, the posterior mode of a weight with least-squares value $\hat{w}$
# is $\hat{w}$ soft-thresholded at $s^2/b$ under a Laplace prior of scale $b$ (lasso), and $\hat{w}\,\tau^2/(\tau^2 +
# s^2)$ under a Gaussian prior of variance $\tau^2$ (ridge): of the two only the first is exactly zero on an interval
# of $\hat{w}$. Under a prior proportional to $\exp(-\lambda|w|^p)$ with $p < 1$ the mode is zero on an interval too,
# jumps at its ends, and its distance from $\hat{w}$ vanishes as $|\hat{w}|$ grows.
#
# The check is by brute force: the smallest value of the bracket, $\frac{(w - \hat{w})^2}{2s^2} - \log\pi(w)$ with the
# prior $\pi$, on a fine grid.


# %% tags=["claim-T5"]
def mode_by_search(w_hat, penalty, s):
    """Posterior modes of weights with least-squares values w_hat (m,), on a grid of width 1e-3 that contains 0."""
    grid = torch.arange(-20_000, 20_001, dtype=torch.float64) * 1e-3
    objective = (grid - w_hat[:, None]) ** 2 / (2 * s**2) + penalty(grid)  # (m, 40001)
    return grid[objective.argmin(1)]


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
assert (draws == 0).sum() == 0
print("agrees (tolerance 0.002, two steps of the grid)")
