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

# %% [markdown] tags=["slide"]
# # 03 · Projected marginals
#
# **What you will be able to do.** Say why one compares clouds of points through their shadows on a line, and what that
# costs; decide when shadows tell two laws apart; write down the exact shadow of a rectified Gaussian in any direction
# of the plane; and predict, before training anything, how much a loss that only sees random shadows can know in 512
# dimensions.
#
# **What you need.** The rectified generalized Gaussian (RGG) of chapter 02 (its sections 1 to 4) and convolutions.
# Characteristic functions are defined where they are used.
#
# **Time.** The cells run in less than a minute on two CPU cores; reading takes about 50 minutes with the figures. If
# you are short of time, look at the figures of sections 1 and 4 and read section 6, which chapter 04 builds on. The
# [exercises](exercises/03_projected_marginals.ipynb) take more than an hour together, the first of them five minutes.
#
# A line such as "✓ T12" is a link: there, in the evidence, a cell tests that claim and stops when it is false.

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
import numpy as np
import plotly.graph_objects as go
import torch
from scipy import optimize, stats

from rlpjepa.distributions import RectifiedGeneralizedGaussian, sample_rgg, unit_variance_scale
from rlpjepa.figures import COLORS, STYLE, show, show_live
from rlpjepa.projections import projected_characteristic_function, projected_marginal, random_directions

plt.rcParams.update(STYLE)  # how figures look
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)  # for tensors as small as these, waiting for a second thread costs more than it saves

LEVEL = 1e-4  # p-value at which a test finds a difference

# %% [markdown] tags=["slide"]
# ## 1 · Why look at shadows
#
# Chapter 01 ended with a task: pull the law of the features $\mathbf{z} \in \mathbb{R}^d$ towards a target law $Q$,
# given a batch of $B$ feature vectors, a tensor of shape $(B, d)$. The distance that comes to mind first is the
# Kullback-Leibler divergence, an average over the batch:
#
# $$D_{\mathrm{KL}}(P_{\mathbf{z}} \Vert Q) = \int \log\frac{dP_{\mathbf{z}}}{dQ}\, dP_{\mathbf{z}} \approx
# \frac1B \sum_{i=1}^{B} \log\frac{p_{\mathbf{z}}(\mathbf{z}_i)}{q(\mathbf{z}_i)}. \tag{4}$$
#
# The density $q$ of the target is known. (For RGG it is one with respect to $\delta_0$ plus Lebesgue measure in every
# coordinate, chapter 02; the experiment below takes the easy case, a Gaussian.) That of the features, $p_{\mathbf{z}}$,
# is not: all there is of it are the $B$ points themselves. Two standard ways to estimate it at $\mathbf{z}_i$ from the
# others:
#
# - *kernel*: put a Gaussian bump of width $h$ on each other point and average; $h = B^{-1/(d+4)}$ is Scott's rule for
#   data of unit variance;
# - *nearest neighbours*: find the distance $r_i$ to the $k$-th neighbour and divide the share of points in that ball by
#   its volume, $\log \hat p(\mathbf{z}_i) = \psi(k) - \psi(B) - \log (V_d\, r_i^d)$, where $V_d$ is the volume of the
#   unit ball and the digamma function $\psi$ takes the place of $\log$ to lessen the bias (Kozachenko and Leonenko).


# %%
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


# %% [markdown] tags=["slide"]
# Now the other way. A *direction* is a unit vector $\mathbf{c} \in \mathbb{R}^d$, and the *shadow* of $\mathbf{z}$ in
# that direction is the number $\mathbf{c}^\top\mathbf{z}$. Its law is called a *projected marginal*. With $N$
# directions as the rows of a tensor `C` of shape $(N, d)$, all shadows of a batch are one product, `z @ C.T` of shape
# $(B, N)$. On a line densities are easy, and one does not even need them: sort the $B$ numbers and compare them with
# the target's quantiles. The mean square of the differences is, up to the rounding of the target to $B$ quantiles, the
# squared *2-Wasserstein distance*, $W_2^2$; more about it in chapter 04.
#
# The experiment: $\mathbf{z} \sim \mathcal{N}(\delta\,\mathbf{e}_1, I_d)$ with $\delta = 1$, where $\mathbf{e}_1$ is
# the first axis, against the target $\mathcal{N}(0, I_d)$. Everything is known in closed form. Jointly
# $D_{\mathrm{KL}} = \delta^2/2$ for every $d$. In direction $\mathbf{c}$ both shadows have variance 1 and their means
# differ by $\delta c_1$, so $D_{\mathrm{KL}} = \delta^2 c_1^2 / 2$ and $W_2^2 = \delta^2 c_1^2$. The average of $c_1^2$
# over all directions is $1/d$.
#
# **Prediction.** At fixed $B$ the error of both joint estimates explodes with $d$. The *same* kernel estimate, applied
# to eight shadows and averaged, has an error that does not grow; nor has $W_2^2$, averaged over 64. But what they
# measure shrinks like $1/d$.
#
# ✓ [S3](evidence/03_projected_marginals.ipynb#S3)

# %%
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

# %% tags=["slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.9))
looks = (
    ("KL of the cloud, kernel", COLORS["measurement"], "s-"),
    ("KL of the cloud, neighbours", COLORS["measurement"], "o--"),
    ("KL of shadows, kernel", COLORS["rectified"], "s-"),
    (r"$W_2^2$ of shadows", COLORS["rectified"], "^:"),
)
for column, (label, color, line) in enumerate(looks):
    left.plot(dims, errors[:, column], line, color=color, label=label, markersize=5)
left.set(ylabel="root mean square error", title="What shadows gain: the error does not explode")
left.legend(loc="upper left")
right.axhline(delta**2 / 2, color=COLORS["theory"], linestyle="--", label="KL of the cloud, exact")
right.plot(
    dims, delta**2 / torch.tensor(dims), color=COLORS["theory"], label=r"$W_2^2$ of shadows, exact: $\delta^2/d$"
)
right.plot(dims, averages[:, 3], "^:", color=COLORS["rectified"], label=r"$W_2^2$ of shadows, measured", markersize=5)
right.plot(dims, floors, "x", color=COLORS["muted"], label="the same without a shift: noise")
right.set(ylabel="value for a shift of 1", title="What they cost: the signal shrinks", ylim=(1e-3, 20))
right.legend(loc="upper right")
for panel in (left, right):
    panel.set(xlabel="dimension d", xscale="log", yscale="log")
    panel.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
    panel.minorticks_off()
show(
    figure,
    alt="Left: errors against dimension on logarithmic axes. Both estimates of the joint KL divergence rise steeply from d = 8 "
    "on; both averages over shadows fall and level off. Right: the exact value for shadows falls like 1/d and the measured one bends "
    "away from it onto a noise floor that does not depend on d; the exact KL of the cloud is a horizontal line.",
)

# %% [markdown]
# Left: neither estimate of the joint density survives; in many dimensions a few hundred points have no neighbours worth
# the name. The error of averages over shadows does not grow. Right: the bill. The shift is as large as ever, and the KL
# divergence says so. On an average shadow it leaves a $W_2^2$ of $\delta^2/d$ only, which at $d = 512$ has sunk below
# the crosses, the noise of the batch. The KL divergence of shadows fares no better: there it is $1/1024$, an eighth of
# its error in the table. This is the bargain that every method in this series makes: *an error that does not grow, for
# a signal that shrinks.* Keep the right-hand panel in mind until section 6.

# %% [markdown] tags=["slide"]
# ## 2 · All shadows together are enough
#
# A shadow forgets $d - 1$ dimensions. Do all shadows together forget anything? The theorem of Cramér and Wold says no:
#
# $$\mathbf{x} \stackrel{d}{=} \mathbf{y} \iff \mathbf{c}^\top\mathbf{x} \stackrel{d}{=} \mathbf{c}^\top\mathbf{y}
# \ \text{ for all } \mathbf{c} \in \mathbb{R}^d, \tag{5}$$
#
# where $\stackrel{d}{=}$ means "has the same law as". The proof fits on one line. A law is determined by its
# *characteristic function* $\varphi_{\mathbf{x}}(\mathbf{t}) = \mathbb{E}\, e^{i\,\mathbf{t}^\top\mathbf{x}}$ for
# $\mathbf{t} \in \mathbb{R}^d$, and with $\mathbf{c} = \mathbf{t}/\lVert\mathbf{t}\rVert_2$
#
# $$\varphi_{\mathbf{x}}(\mathbf{t}) = \mathbb{E}\, e^{i\,\lVert\mathbf{t}\rVert_2\,\mathbf{c}^\top\mathbf{x}} =
# \varphi_{\mathbf{c}^\top\mathbf{x}}(\lVert\mathbf{t}\rVert_2).$$
#
# So the shadow in direction $\mathbf{c}$ knows $\varphi_{\mathbf{x}}$ along the line through $\mathbf{c}$, and the
# lines fill the space. It also shows that unit vectors suffice: a longer $\mathbf{c}$ only rescales the shadow. With
# this, the distance $\mathcal{L}$ of Eq. 3 can be taken between shadows and averaged over directions:
#
# $$\min_\theta\; \mathbb{E}\,\lVert \mathbf{z} - \mathbf{z}' \rVert_2
#   + \mathbb{E}_{\mathbf{c}}\,\mathcal{L}(P_{\mathbf{c}^\top\mathbf{z}} \Vert P_{\mathbf{c}^\top\mathbf{y}})
#   + \mathbb{E}_{\mathbf{c}}\,\mathcal{L}(P_{\mathbf{c}^\top\mathbf{z}'} \Vert P_{\mathbf{c}^\top\mathbf{y}}), \qquad
#   \mathbf{y} \sim Q, \tag{6}$$
#
# with $\theta$ the weights of the network and $\mathbf{z}, \mathbf{z}'$ its features of two views of an input. The
# theorem asks for *all* directions. (A dense set would do.) No finite set fixed in advance can take their place, the
# coordinate axes for instance cannot. Here is a law that fools four directions at once. In the plane, take a radius $r$
# as a Gaussian vector has it, and an angle $\beta$ with density
#
# $$\frac{1 + \sin 4\beta}{2\pi}.$$
#
# Reflect the plane in the line at angle 0°, 45°, 90° or 135°: the shadow on that line stays as it is and $\sin 4\beta$
# changes its sign. So this term adds nothing to the shadows on these four lines. They are those of the Gaussian,
# exactly.
#
# **Prediction.** On the two axes and the two diagonals a KS test (Kolmogorov-Smirnov, chapter 02) finds nothing. At any
# other angle $\alpha$ the laws differ, in proportion to $|\sin 4\alpha|$, and except close to the four lines the test
# finds it: random directions tell the two laws apart. (Turn the plane so that the direction at $\alpha$ becomes the
# first axis: $\sin 4\beta$ becomes $\sin 4(\beta + \alpha) = \sin 4\beta \cos 4\alpha + \cos 4\beta \sin 4\alpha$. The
# first part adds nothing, as above; the second is $\sin 4\alpha$ times one function for all $\alpha$.) This function
# needs computing: at $\alpha = 22.5°$ the shadow's distribution function differs from that of $\mathcal{N}(0, 1)$ by
# $G(s) = \int_{-\infty}^{s} \int
# \phi(u)\phi(v)\cos(4\beta)\,dv\,du$, where $\phi$ is the standard normal density and $\beta$ the angle of the point
# $(u, v)$.
#
# ✓ [S4](evidence/03_projected_marginals.ipynb#S4)


# %%
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
print(f"largest KS distance of a shadow to N(0, 1): max |G| = {largest_gap:.3f}")

# %%
n, generator = 50_000, torch.Generator().manual_seed(1)
y = sample_pinwheel(n, generator)  # (n, 2)

angles = torch.arange(0, 181, 7.5)
measured = np.array([ks_distance(y @ c, "norm") for c in line_at(angles)])
predicted = largest_gap * np.abs(np.sin(4 * np.deg2rad(angles.numpy())))
noise = stats.kstwobign.isf(LEVEL) / math.sqrt(n)  # a sample of n stays this close to its own law

# %% tags=["slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.3), width_ratios=(1, 1.35))
left.scatter(*y[:5000].T, s=2, color=COLORS["measurement"], alpha=0.6, linewidth=0)
for a in (0.0, 45.0, 90.0, 135.0):
    end = 3.6 * line_at(a)
    left.plot([-end[0], end[0]], [-end[1], end[1]], color=COLORS["theory"], linewidth=1)
left.set(xlabel="first coordinate", ylabel="second coordinate", aspect="equal", xlim=(-3.6, 3.6), ylim=(-3.6, 3.6))
left.set_title("four lines on which the shadow is N(0, 1)")
fine = np.linspace(0, 180, 721)
right.plot(
    fine,
    largest_gap * np.abs(np.sin(4 * np.deg2rad(fine))),
    color=COLORS["theory"],
    label=r"$|\sin 4\alpha|\,\max|G|$",
)
right.plot(angles, measured, "o", color=COLORS["measurement"], label=f"{n:,} draws", markersize=5)
right.axhspan(0, noise, color=COLORS["muted"], alpha=0.25, linewidth=0, label="not distinguishable with these draws")
right.set(xlabel="angle α of the direction (degrees)", ylabel="KS distance of the shadow to N(0, 1)", ylim=(0, 0.075))
right.set_title("in any other direction the laws differ")
right.set_xticks(range(0, 181, 45))
right.legend(loc="upper center", ncols=2, fontsize=9)
show(
    figure,
    alt="Left: a cloud of points with four dense blades, like a pinwheel, and four lines along their edges. Right: the KS "
    "distance of the shadow to the standard normal against the angle of the direction: zero at 0, 45, 90, 135 and 180 "
    "degrees and positive between them, with the measured marks on the predicted curve.",
)

# %% [markdown]
# *The pinwheel and the Gaussian share four shadows, both coordinate axes among them, and no others. A random direction
# misses these four lines with probability one.* With $\sin 2m\beta$ in place of $\sin 4\beta$ one could fool $2m$
# equally spaced directions. (Sets that are not equally spaced take a longer construction.) So the strength of random
# directions is not that a finite set of them is always enough, but that nobody can prepare for directions that are
# drawn *afresh*. With exact laws the averages of Eq. 6 are zero only if the laws agree; with a batch the difference may
# be too small to see, as the next experiment shows.
#
# ### What a collapse looks like on the axes
#
# A case that matters for features. Let $\mathbf{x}$ have $d$ independent rectified coordinates, and let $\mathbf{y}$
# repeat each of the first $d/2$ once: $\mathbf{y} = (x_1, x_1, x_2, x_2, \dots)$, the dimensional collapse of
# chapter 01. Axis by axis the laws are the same.
#
# **Prediction.** No axis notices, random directions do. But the larger $d$, the fewer of them.
#
# ✓ [evidence, section 2](evidence/03_projected_marginals.ipynb)

# %%
n, N, generator = 4096, 64, torch.Generator().manual_seed(2)


def differs(x, y):
    """Two-sample KS tests, column by column: which have a p-value of LEVEL or less."""
    pairs = zip(x.T.numpy(), y.T.numpy())
    return np.array([stats.ks_2samp(a, b, method="asymp").pvalue <= LEVEL for a, b in pairs])


for d in (2, 8, 32, 128, 512):
    x, other = (sample_rgg((n, d), p=1.0, mu=0.0, generator=generator) for _ in range(2))
    y = other[:, : d // 2].repeat_interleave(2, dim=1)  # (n, d)
    C = random_directions(N, d, generator=generator)
    axes, shadows = differs(x[:, :32], y[:, :32]), differs(x @ C.T, y @ C.T)
    print(f"d = {d:3}: the laws differ on {axes.sum()} of {len(axes):2} axes, ", end="")
    print(f"on {shadows.sum():2} of {N} random directions")

# %% [markdown]
# Each random direction mixes all coordinates. What is left of the pairs in its shadow is mainly a wrong variance, by
# the factor $1 + 2\sum_j c_{2j-1} c_{2j}$, whose second part is of the size $\sqrt{2/d}$: 6 % in 512 dimensions, too
# little for a KS test of 4096 draws. Section 6 asks what a shadow keeps of the *shape* of a law.

# %% [markdown] tags=["slide"]
# ## 3 · The Gaussian: every shadow is a Gaussian
#
# If $\mathbf{z} \sim \mathcal{N}(\mathbf{m}, \Sigma)$ with a mean $\mathbf{m}$ of shape $(d,)$ and a covariance
# $\Sigma$ of shape $(d, d)$, then
#
# $$\mathbf{c}^\top\mathbf{z} \sim \mathcal{N}(\mathbf{c}^\top\mathbf{m},\ \mathbf{c}^\top\Sigma\,\mathbf{c})
# \qquad\text{for every } \mathbf{c}.$$
#
# The family is *closed* under projections. This is what makes the Gaussian target convenient: for $\mathcal{N}(0, I_d)$
# all shadows are $\mathcal{N}(0, 1)$, and one formula serves every direction.
#
# **Prediction.** In 64 random directions, draws from a Gaussian in $d = 16$ with an arbitrary mean and covariance pass
# a KS test for this law. Coordinates that are rectified, with mean and covariance just as carefully accounted for, fail
# it in most directions.
#
# ✓ [P1](evidence/03_projected_marginals.ipynb#P1)

# %% [markdown]
# In a picture, for the plane: distribution functions of shadows, each at mean zero and variance one.

# %% tags=["slide"]
n, generator = 20_000, torch.Generator().manual_seed(11)
A = torch.tensor([[1.0, 0.0], [0.8, 0.5]])
clouds = {
    "a Gaussian, correlated": torch.randn(n, 2, generator=generator) @ A.T,
    "a rectified Gaussian": sample_rgg((n, 2), p=2.0, mu=0.0, generator=generator),
}
levels = torch.arange(1, n + 1) / n
grid = np.linspace(-3, 3, 200)
all_alike = {angle: {"color": COLORS["gaussian"], "linewidth": 4} for angle in range(45, 226, 15)}
all_alike[45]["label"] = "13 shadows"
lines = zip((45, 90, 135, 180), ("-", "--", "-.", ":"))
looks = (
    all_alike,
    {angle: {"color": COLORS["rectified"], "linestyle": line, "label": f"{angle}°"} for angle, line in lines},
)
figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.5), sharex=True, sharey=True)
for panel, (name, cloud), look in zip(panels, clouds.items(), looks):
    for angle, options in look.items():
        shadow = (cloud @ line_at(angle)).sort().values
        standard = (shadow - shadow.mean()) / shadow.std()
        panel.step([-4, *standard.tolist(), 4], [0, *levels.tolist(), 1], where="post", **options)
    panel.plot(grid, stats.norm.cdf(grid), color=COLORS["theory"], linewidth=1, label="N(0, 1)")
    panel.set(xlabel="shadow, standardised", xlim=(-3, 3), title=name)
    panel.legend(loc="upper left")
panels[0].set_ylabel("distribution function")
show(
    figure,
    alt="Left: the standardised distribution functions of thirteen shadows of a correlated Gaussian lie on one curve, that of the "
    "standard normal law. Right: four shadows of a rectified Gaussian, four different curves, each with a vertical jump of "
    "its own.",
)

# %% [markdown]
# *Left, thirteen directions, from 45° to 225°: their shadows and the thin line of the normal law cannot be told apart.
# Right, four of them: no two are alike; the vertical steps are the exact zeros.*

# %% [markdown] tags=["slide"]
# ## 4 · The rectified Gaussian: shadows of many shapes
#
# Now let $\mathbf{x} = (x_1, x_2)$ have two independent coordinates $\mathcal{RGN}_2(\mu, \sigma)$: a Gaussian with
# mean $\mu$ and standard deviation $\sigma$, passed through ReLU. Each coordinate is zero with probability
# $P_0 = \Phi(-\mu/\sigma)$, with the normal distribution function $\Phi$. Chapter 02 showed that the plane falls into
# three parts, and each casts a shadow of its own kind. For $\mathbf{c} = (c_1, c_2)$ off the axes:
#
# | part of the plane | probability | its shadow $c_1 x_1 + c_2 x_2$ |
# | --- | --- | --- |
# | origin | $P_0^2$ | an *atom* at 0 |
# | the two axes | $P_0(1-P_0)$ each | two *ridges*: the density $f$ of one coordinate, stretched by $c_1$ or by $c_2$ |
# | interior | $(1-P_0)^2$ | the *convolution* of the two stretched densities |
#
# With $f(x) = \phi((x-\mu)/\sigma)/\sigma$ for $x > 0$ and zero elsewhere (it has mass $1 - P_0$), the density off the
# atom is
#
# $$P_0\,\frac{f(s/c_1)}{|c_1|} + P_0\,\frac{f(s/c_2)}{|c_2|} + \int \frac{f(u/c_1)}{|c_1|}\,\frac{f((s-u)/c_2)}{|c_2|}\,du .$$
#
# Along an axis it is different: there $c_2 = 0$, the second coordinate does not count, the interior falls onto the
# ridge, and the shadow is $\mathcal{RGN}_2(\mu, \sigma)$ itself, with an atom of $P_0$.
#
# Here it is by hand for the direction at 30°, with $\mu = 0$ and $\sigma = 1$, on a grid. Both $c_1, c_2 > 0$, so all
# is on the positive half line and the integral runs from 0 to $s$: a plain sum of products, which is `np.convolve`,
# with half weight for its two end points (the trapezoid rule).
#
# **Prediction.** The sum of the three parts has mass one and is the module's `projected_marginal`.
#
# ✓ [evidence, section 4](evidence/03_projected_marginals.ipynb)

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

masses = [atom, *(np.trapezoid(part, dx=h) for part in (*ridges, interior))]
print("masses: " + ", ".join(f"{mass:.4f}" for mass in masses) + f"; sum {sum(masses):.6f}")

# %% [markdown]
# From here on we use the module's function. Its answer holds in every direction; the next cell integrates it over the
# bins of a histogram, so that each of a million draws has a cell to fall into: the atom, or a bin.

# %%
target_law = RectifiedGeneralizedGaussian(MU, SIGMA, 2.0)
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


c = line_at(30.0)
exact, counted = exact_cells(c), counted_cells(c)

# %% tags=["slide"]
figure, panel = plt.subplots(figsize=(8, 3.9))
parts = {
    "ridge: first axis": (ridges[0], "#56B4E9", "///"),
    "ridge: second axis": (ridges[1], "#CC79A7", "\\\\\\"),
    "interior: convolution": (interior, COLORS["rectified"], ""),
}
below = np.zeros_like(s)
for label, (part, color, hatch) in parts.items():
    panel.fill_between(
        s[1:],
        below[1:],
        (below + part)[1:],
        facecolor=color,
        alpha=0.45,
        hatch=hatch,
        edgecolor=color,
        linewidth=0,
        label=label,
    )
    below = below + part
    panel.plot(s[1:], below[1:], color=COLORS["theory"], linewidth=0.6)
panel.plot(s[1:], below[1:], color=COLORS["theory"], label="sum, exact")
panel.stairs(counted[1] / width, edges, color=COLORS["measurement"], linewidth=1.2, label=f"{draws:,} draws")
panel.bar([-0.12], [counted[0]], width=0.16, color=COLORS["measurement"], alpha=0.35, label="draws at 0 (a mass)")
panel.plot([-0.12], [exact[0]], "D", color=COLORS["theory"], label="atom, exact: $P_0^2$")
panel.set(xlabel="shadow at 30°", ylabel="density, or mass at 0", xlim=(-0.4, 4), ylim=(0, 0.75))
panel.legend(ncols=1)
show(
    figure,
    alt="The shadow at 30 degrees in its parts, stacked: two ridges that fall from zero on, the interior, which rises from "
    "zero to a hump and falls again, and a bar at zero for the atom. The histogram of the draws follows the sum of the parts.",
)

# %% [markdown]
# *One shadow, taken apart. The ridges come from points with a single non-zero coordinate, the hump from those with two.
# The bar is drawn a little to the left of zero to be seen.*
#
# ### The wall of shadows
#
# Now all around the circle, in 64 directions.
#
# **Predictions.** In each, the exact law has mass one and the million draws follow it. Along the four half-axes the
# atom is $P_0$ and the law is RGG (or its mirror image); elsewhere the atom is $P_0^2$. Swapping $c_1$ and $c_2$
# changes nothing, since the coordinates have the same law, and $-\mathbf{c}$ gives the mirror image. No other two
# directions share a shadow. And off the axes no RGG fits, mirrored or not, whatever its $\mu$, $\sigma$ and $p$: the
# cell searches, from one start, for the one with the smallest KS distance (at the edges of the bins), in one direction
# of each kind (the angles from −45° to 45° suffice: swaps and mirror images give the rest).
#
# ✓ [P2](evidence/03_projected_marginals.ipynb#P2)


# %%
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


# %%
degrees = 360 / 64 * np.arange(64)
directions = line_at(degrees)  # (64, 2)
exact = [exact_cells(c) for c in directions]
counted = [counted_cells(c) for c in directions]
F = np.stack([cdf_at_edges(cells) for cells in exact])  # (64, 61)
atoms = np.array([atom for atom, _ in exact])

fits = {}  # the fits by angle from -45° to 45°
for j in (*range(56, 64), *range(9)):
    plain, mirrored = nearest_rgg(F[j], atoms[j]), nearest_rgg(mirror_image(F[j], atoms[j]), atoms[j])
    fits[float(degrees[j] - 360 * (j > 32))] = min(plain, mirrored)

# %% tags=["slide"]
figure, panels = plt.subplots(
    8, 8, figsize=(10.5, 9.4), sharex=True, sharey=True, layout="none", gridspec_kw={"hspace": 0.12, "wspace": 0.08}
)
fine = torch.linspace(-3.6, 3.6, 240)  # zero is not among them
for panel, c, angle, (atom, _), (zero, heights) in zip(panels.flat, directions, degrees, exact, counted):
    panel.stairs(heights / width, edges, fill=True, color=COLORS["measurement"], alpha=0.4)
    panel.plot(fine, projected_marginal(target_law, c, fine).density, color=COLORS["theory"], linewidth=1)
    panel.bar([0], [zero], width=0.25, color=COLORS["measurement"])
    panel.plot([0], [atom], "D", color=COLORS["theory"], markersize=3.5)
    panel.text(0.03, 0.95, f"{angle:.1f}°", transform=panel.transAxes, va="top", fontsize=9)
    if angle % 90 == 0:
        panel.set_facecolor("#EEEEEE")
panel.set(xlim=(-3.6, 3.6), ylim=(0, 1), xticks=[-2, 0, 2], yticks=[0, 0.5])
figure.subplots_adjust(left=0.075, right=0.995, top=0.995, bottom=0.055)
figure.supxlabel("shadow $c_1 x_1 + c_2 x_2$", fontsize=11)
figure.supylabel("density, or mass at 0", fontsize=11, x=0.01)
show(
    figure,
    alt="Sixty-four small histograms, one for each direction around the circle in steps of 5.6 degrees, each with the exact "
    "density drawn over it and the atom at zero as a bar with a diamond. On the axes the atom is twice as high as elsewhere. "
    "From 0 to 90 degrees the shadow is on the positive side, from 180 to 270 on the negative, and otherwise on both.",
)

# %% [markdown]
# *Each row is an eighth of a turn. Histograms: a million draws; lines: exact densities; bars and diamonds: the atom,
# counted and exact. Grey panels are the axes, with twice the atom. Next to an axis one ridge is so narrow that its top
# is cut off; on the axis itself it has become part of the atom.*
#
# Drag the slider to turn the direction yourself. Where the page cannot move, on GitHub or in print, a still picture
# takes its place.

# %% tags=["nbval-ignore-output"]
line = np.sort(np.append(np.linspace(-3.6, 3.6, 120), [-1e-6, 1e-6]))  # both sides of the jump at zero


def traces_at(j):
    """What changes with the direction: the arrow, the exact density, the histogram and the atom."""
    c, (atom, _), (_, heights) = directions[j], exact[j], counted[j]
    density = projected_marginal(target_law, c, torch.tensor(line)).density.numpy()
    return [
        go.Scatter(x=[0, round(3 * c[0].item(), 3)], y=[0, round(3 * c[1].item(), 3)]),
        go.Scatter(x=edges[12:49].round(1).tolist(), y=(heights[12:49] / width).round(3).tolist()),
        go.Scatter(x=line.round(2).tolist(), y=density.round(3).tolist()),
        go.Scatter(x=[0, 0], y=[0, round(atom, 4)]),
    ]


looks = (
    dict(mode="lines+markers", line_color=COLORS["theory"], line_width=3, marker=dict(symbol="arrow", size=[0, 16], angleref="previous")),
    dict(mode="lines", line=dict(shape="hv", color=COLORS["measurement"], width=1), fill="tozeroy"),
    dict(mode="lines", line_color=COLORS["theory"]),
    dict(mode="lines+markers", line_color=COLORS["theory"], line_width=5, marker=dict(symbol="diamond", size=[0, 11])),
)  # fmt: skip
names = ("direction", "a million draws", "exact density", "atom at 0 (a mass)")
start = 5
live = go.Figure()
some = x[:400].numpy().round(2)
live.add_scatter(
    x=some[:, 0].tolist(),
    y=some[:, 1].tolist(),
    mode="markers",
    marker=dict(size=4, color=COLORS["rectified"]),
    name="points x",
)
for trace, look, name, axis in zip(traces_at(start), looks, names, ("", "2", "2", "2")):
    live.add_trace(trace.update(**look, name=name, xaxis="x" + axis, yaxis="y" + axis))
live.frames = [go.Frame(name=str(j), data=traces_at(j), traces=[1, 2, 3, 4]) for j in range(64)]
at_once = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
steps = [dict(label=f"{angle:.1f}°", method="animate", args=[[str(j)], at_once]) for j, angle in enumerate(degrees)]
live.update_layout(
    sliders=[dict(active=start, steps=steps, currentvalue_prefix="direction ", pad_t=45)],
    xaxis=dict(domain=[0, 0.42], range=[-3.6, 3.6], title="x₁"),
    yaxis=dict(range=[-3.6, 3.6], title="x₂", scaleanchor="x"),
    xaxis2=dict(domain=[0.52, 1], range=[-3.6, 3.6], title="shadow", anchor="y2"),
    yaxis2=dict(range=[0, 1], title="density, or mass at 0", anchor="x2"),
    template="plotly_white", width=860, height=510, margin=dict(l=50, r=10, t=70, b=10), legend=dict(orientation="h", y=1.15),
)  # fmt: skip
still, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.8), width_ratios=(1, 1.2))
c = directions[start]
left.plot(*some.T, ".", color=COLORS["rectified"], markersize=4)
left.annotate("", 3 * c.numpy(), (0, 0), arrowprops={"arrowstyle": "-|>", "linewidth": 2})
left.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal")
left.set_title(f"the direction, here at {degrees[start]:.1f}°")
right.stairs(
    counted[start][1] / width, edges, fill=True, color=COLORS["measurement"], alpha=0.4, label="a million draws"
)
right.plot(
    line,
    projected_marginal(target_law, c, torch.tensor(line)).density,
    color=COLORS["theory"],
    label="exact density",
)
right.plot([0, 0], [0, exact[start][0]], color=COLORS["theory"], linewidth=4)
right.plot([0], [exact[start][0]], "D", color=COLORS["theory"], label="atom at 0 (a mass)")
right.set(xlabel="shadow", ylabel="density, or mass at 0", xlim=(-3.6, 3.6), ylim=(0, 1), title="its shadow")
right.legend(loc="upper left")
alt = "Points of a rectified Gaussian in the plane with an arrow for the direction, and beside it the shadow in that direction: "
alt += "histogram, exact density and atom. A slider turns the direction."
show_live(live, still, alt)

# %% [markdown]
# How far is such a shadow from the nearest RGG? Left, the fit at 22.5°; right, the distance in all directions of the
# search.

# %%
angle = 22.5
distance, mu, sigma, p = fits[angle]
print(f"at {angle}°: nearest RGG at p = {p:.1f}, μ = {mu:.1f}, σ = {sigma:.1f}; KS distance {distance:.3f}")
nearest = RectifiedGeneralizedGaussian(mu, sigma, p)
positive = torch.linspace(0.01, 4, 300)
exact = projected_marginal(target_law, line_at(angle), positive)
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.7))
left.plot(
    positive,
    exact.density,
    color=COLORS["theory"],
    label=f"shadow, exact (atom {exact.atom:.2f})",
)
left.plot(
    positive,
    nearest.log_prob(positive).exp(),
    "--",
    color=COLORS["rectified"],
    label=f"nearest RGG (atom {1 - nearest.prob_active:.2f})",
)
left.set(xlabel=f"shadow at {angle}°", ylabel="density off the atom", title="the best of the family is not good enough")
left.set(ylim=(0, None))
left.legend()
for side in (-1, 1):
    some_angles = [a for a in fits if np.sign(a) == side]
    right.plot(some_angles, [fits[a][0] for a in some_angles], "o-", color=COLORS["rectified"])
right.annotate("axis: zero", (0, 1e-3), (0, 6e-3), ha="center", fontsize=10, arrowprops={"arrowstyle": "->"})
right.axhline(stats.kstwobign.isf(LEVEL) / math.sqrt(draws), color=COLORS["muted"], linestyle="--")
right.annotate("noise of a million draws", (44, 0.0014), ha="right", fontsize=9)
right.set(
    xlabel="angle of the direction (degrees)", ylabel="KS distance to the nearest RGG", yscale="log", ylim=(1e-3, 1)
)
right.set_title("only the axis is inside the family")
right.set_xticks(range(-45, 46, 15))
show(
    figure,
    alt="Left: the exact density of the shadow starts high, rises a little and falls; the nearest RGG starts lower and has a "
    "sharp peak further to the right. Right: the KS distance to the nearest RGG against the angle: zero on the axis, between "
    "one and six hundredths for positive angles, and a few tenths for negative ones; off the axis all above what a "
    "million draws can resolve.",
)

# %% [markdown]
# *For negative angles the shadow has mass on both sides of zero, which no RGG has. For positive ones the misfit is
# smaller, and clear in every direction tried. (No search is needed to be certain: such a shadow has a Gaussian tail, so
# the RGG would have $p = 2$, and the logarithm of its density on the half-line would be a parabola, which it is not.)*
# So for this target no single law on the line serves all directions: each has its own, and it depends on every weight
# in $\mathbf{c}$. The post concludes that features must be compared with a *sample* of the target, projected on the
# same directions; chapter 04 does so, and also shows what else is possible.

# %% [markdown]
# And with all dials: $\mu$, $\sigma$, $p$ and the direction. Two things to try. At 120° the two ridges lie on different
# sides of zero (the dashed line is their sum). And from 0° to 1° the atom falls from $P_0$ to $P_0^2$ at once: by much
# at $\mu = 0$, and by little at $\mu = -2$, where nearly all is zero anyway.

# %%
from rlpjepa import explore

explore.target(mu=-1.0, p=1.0, angle=30)

# %% [markdown] tags=["slide"]
# ## 5 · Which laws are closed
#
# Is the Gaussian the only law with this comfort? Call a *law* closed if all shadows of independent coordinates that
# follow it have the same law again, up to shift and scale, and call it *stable* if every linear combination, with
# positive weights, of independent copies of it has the same law up to shift and scale. The symmetric stable laws have
# the characteristic functions $e^{-|t|^\alpha}$ for $0 < \alpha \le 2$: with independent coordinates
#
# $$\prod_{j=1}^d e^{-|c_j t|^\alpha} = e^{-(\lVert \mathbf{c} \rVert_\alpha |t|)^\alpha},$$
#
# which is the same law with scale $\lVert \mathbf{c} \rVert_\alpha$. At $\alpha = 2$ this is the Gaussian, at
# $\alpha = 1$ the Cauchy law with density $1 / (\pi(1 + x^2))$: its shadow has scale $\lVert \mathbf{c} \rVert_1$.
#
# Being closed is rare. A law with finite variance that is closed, with independent coordinates, must be Gaussian: add
# up $n$ copies with equal weights, let $n$ grow, and the central limit theorem leaves no choice. So the Laplace law is
# not closed. Nor is the RGG *family*, even if $\mu$, $\sigma$ and $p$ may change: with weights of both signs a shadow
# has mass on both sides of zero, which no RGG has. (Dependent coordinates are another matter: a law that no rotation
# changes has the same shadow in all directions.) For the Laplace law the *excess kurtosis* shows it (fourth central
# moment over the squared variance, less 3): it is 3 for one copy and $3/2$ for the sum of two.
#
# **Prediction.** Shadows of Cauchy coordinates are Cauchy with scale $\lVert \mathbf{c} \rVert_1$ in every dimension.
# The sum of two Laplace variables has the excess kurtosis $3/2$, and no scale makes it Laplace.
#
# ✓ [P3](evidence/03_projected_marginals.ipynb#P3)

# %%
n, generator = 50_000, torch.Generator().manual_seed(5)
cauchy = torch.tan(math.pi * (torch.rand(n, 2, generator=generator) - 0.5))  # quantiles at uniform probabilities

n = 1_000_000
u = 2 * torch.rand(n, 2, generator=generator) - 1
laplace = -u.sign() * torch.log1p(-u.abs())  # (n, 2), scale 1

# %% tags=["slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 3.8))
grid = np.linspace(-9, 9, 601)
bins = np.linspace(-9, 9, 73)
means = (cauchy[:, 0] + cauchy[:, 1]).numpy() / 2
heights = np.histogram(means, bins)[0] / (len(means) * np.diff(bins))
left.stairs(heights, bins, fill=True, color=COLORS["measurement"], alpha=0.4, label="$(x_1 + x_2)/2$, draws")
left.plot(grid, stats.cauchy.pdf(grid), color=COLORS["theory"], label="one Cauchy coordinate")
left.set(title="Cauchy: closed", xlabel="value, scale taken out", ylim=(2e-3, 3))
sums = laplace.sum(1).numpy() / 2
grid, bins = grid / 1.8, bins / 1.8
heights = np.histogram(sums, bins)[0] / (n * np.diff(bins))
right.stairs(heights, bins, fill=True, color=COLORS["measurement"], alpha=0.4, label="sum of two, draws")
right.plot(grid, stats.laplace.pdf(grid, scale=math.sqrt(0.5)), color=COLORS["laplace"], label="one Laplace coordinate")
right.plot(
    grid,
    (1 + np.abs(2 * grid)) * np.exp(-np.abs(2 * grid)) / 2,
    "--",
    color=COLORS["theory"],
    label="sum of two, exact",
)
right.set(title="Laplace: not closed", xlabel="value, at variance one", ylim=(2e-3, 3))
for panel in (left, right):
    panel.set(ylabel="density", yscale="log")
    panel.legend(loc="upper right", fontsize=9)
show(
    figure,
    alt="Left: the histogram of the mean of two Cauchy variables follows the density of one. Right: the histogram of the sum of "
    "two Laplace variables, at variance one, is rounder at the top and has lighter tails than one Laplace variable; it "
    "follows its own exact density.",
)

# %% [markdown]
# *Left: the mean of two Cauchy draws has the law of one. Right: one addition and the peak of the Laplace law is gone,
# on the way to the Gaussian.* That way is the subject of the last section.

# %% [markdown] tags=["slide"]
# ## 6 · High dimension: shadows that mix many entries are nearly Gaussian
#
# A random direction in $d$ dimensions mixes $d$ independent coordinates, each with a small weight. The central limit
# theorem is waiting. If the shadows of RGG are nearly Gaussian, a loss that looks at random shadows sees the mean, the
# variance and little else: not the zeros, which are the point of the target. So how near, at which $d$, $\mu$ and $p$?
# ($\sigma$ gives unit variance before rectification throughout, as in chapter 02.)
#
# Sampling is a poor instrument here: $n$ draws from the Gaussian itself show a KS distance of about
# $\sqrt{\pi/2}\,\log 2/\sqrt n \approx 0.87/\sqrt n$. We can do without. The characteristic function of a shadow of
# independent coordinates is a product,
#
# $$\varphi_{\mathbf{c}^\top\mathbf{x}}(t) = \prod_{j=1}^d \varphi(c_j t), \qquad \varphi(t) = \mathbb{E}\,e^{itx_1}.$$
#
# At $p = 1$ and $\mu \le 0$ one can write $\varphi$ down: $x_1$ is 0 with probability $P_0$ and otherwise exponential
# with mean $\sigma$, so $\varphi(t) = P_0 + (1 - P_0)/(1 - i\sigma t)$. The module's
# `projected_characteristic_function` computes $\varphi$ by quadrature, for every $p$ and $\mu$.
#
# ✓ [evidence, section 6](evidence/03_projected_marginals.ipynb)

# %% [markdown]
# To get back to the distribution function, use the inversion formula of Gil-Pelaez. For a variable $w$ without an atom,
#
# $$P(w \le s) = \frac12 - \frac1\pi \int_0^\infty \operatorname{Im}\!\left[e^{-i\tau s} \varphi_w(\tau)\right]
# \frac{d\tau}{\tau}.$$
#
# Our $w$ is the shadow at mean zero and variance one. It has exactly one atom, of mass $P_0^d$, where all $d$
# coordinates are zero (a random direction has no zero among its weights). We take it out before the integral and put it
# back after. The integral stops where the module's table stops, or at $\tau = 40$.
#
# ✓ [evidence, section 6](evidence/03_projected_marginals.ipynb)


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


# %% [markdown]
# A coordinate is non-zero with probability $\Phi_p(\mu/\sigma)$, where $\Phi_p$ is the distribution function of
# $\mathcal{GN}_p(0, 1)$, so a shadow mixes $d\,\Phi_p(\mu/\sigma)$ non-zero entries on average (Eq. 11 in chapter 02).
#
# **Predictions.** The mean KS distance falls as $d$ grows and, for $\mu \le 0$, rises as $\mu$ falls (while some
# entries are left: in the limit of a single atom it is 1/2). How fast? The leading corrections to the central limit
# theorem are the skewness of the shadow, $\kappa_3 \sum_j c_j^3$, and its excess kurtosis, $\kappa_4 \sum_j c_j^4$,
# where $\kappa_3, \kappa_4$ are those of one coordinate. For a random direction $\sum_j c_j^4$ is about $3/d$, and
# $\sum_j c_j^3$, whose terms have random signs, is of size $\sqrt{15}/d$. So once a shadow mixes many non-zero entries,
# the distance should fall like $1/d$, faster than the $1/\sqrt d$ of equal weights of one sign. With few of them the
# correction is not small, and the fall is slower; we check the slope at $\mu = 0$.
#
# ✓ [P4](evidence/03_projected_marginals.ipynb#P4)

# %%
dims, mus, shapes = (32, 64, 128, 256, 512), (0.0, -1.0, -2.0, -3.0), (1.0, 2.0)
generator = torch.Generator().manual_seed(8)
directions_in = {d: random_directions(10, d, generator=generator) for d in dims}
distance, active = {}, {}
for p in shapes:
    for mu in mus:
        law = RectifiedGeneralizedGaussian(mu, unit_variance_scale(p), p)
        in_each = torch.stack([ks_to_gaussian(law, C) for C in directions_in.values()])  # (dimensions, directions)
        values = in_each.mean(dim=1).tolist()
        distance[p, mu], active[p, mu] = np.array(values), law.prob_active.item() * np.array(dims)

# %% tags=["slide"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.1), sharey=True)
markers = dict(zip(mus, "os^D"))
for (p, mu), values in distance.items():
    name = "laplace" if p == 1 else "gaussian"
    look = {"color": COLORS[name], "marker": markers[mu], "linestyle": "-" if p == 1 else "--", "markersize": 6}
    left.plot(dims, values, **look)
    face = "none" if p == 1 else COLORS[name]  # open marks show what lies on what
    right.plot(active[p, mu], values, **look | {"linestyle": "", "markerfacecolor": face})
for mu, marker in markers.items():
    right.plot([], [], marker, color=COLORS["muted"], label=f"μ = {mu:g}")
right.plot([], [], "o", color=COLORS["laplace"], markerfacecolor="none", label="p = 1: open")
right.plot([], [], "o", color=COLORS["gaussian"], label="p = 2: filled")
left.plot([], [], "-", color=COLORS["laplace"], label="p = 1")
left.plot([], [], "--", color=COLORS["gaussian"], label="p = 2")
right.annotate("noise of a batch of 256", (0.03, 0.058), fontsize=9)
left.set(xlabel="coordinates mixed: dimension d", ylabel="mean KS distance of a shadow to the Gaussian")
left.set_title("at each μ it falls with d")
left.legend(loc="lower left")
right.set(xlabel=r"non-zero entries mixed: $d\,\Phi_p(\mu/\sigma)$", title="what counts is how many are non-zero")
right.legend(loc="lower left")
for panel in (left, right):
    panel.axhline(stats.kstwobign.mean() / math.sqrt(256), color=COLORS["theory"], linewidth=1, linestyle=":")
    panel.set(xscale="log", yscale="log", ylim=(4e-4, 0.8))
left.minorticks_off()
left.set_xticks(dims, [str(d) for d in dims])
show(
    figure,
    alt="Mean KS distance to the Gaussian on logarithmic axes. Left, against dimension, one falling line for each mu and p; the "
    "smaller mu, the higher the line. Right, the same values against the expected number of non-zero entries: the points of "
    "all mu fall close to one curve at p = 1, bending over below one entry and falling ever more steeply, towards slope -1, "
    "above; at p = 2 those of mu = 0 lie lower from about 30 entries on.",
)

# %% [markdown]
# *Left: for each $\mu$ (its mark is in the legend on the right) and each $p$ a line that falls with $d$; below the
# dotted line a single batch of 256 shows little but its own noise. Right: the same points against the expected number
# of non-zero entries that a shadow mixes. At $p = 1$ all $\mu$ fall close to one curve: a non-zero entry is
# exponential, whatever $\mu \le 0$ is. At $p = 2$ its shape changes with $\mu$, and from about 30 entries on the points
# of $\mu = 0$ lie lower.* So it is less the dimension that makes a shadow Gaussian than the number of entries that are
# not zero. A sparse target in high dimension can cast the shadow of a dense one in low dimension.

# %% [markdown] tags=["slide"]
# ### What this means for a loss
#
# Suppose features have the *wrong* law, but the target's mean and variance in every coordinate. How clearly does the
# average over random shadows say so? We try two impostors of the target with $p = 1$ and $\mu \le 0$. One is Gaussian:
# no zeros at all. The other takes two values, 0 and $2\sigma$, the second with probability $\Phi_1(\mu/\sigma)/2$. It
# has *half as many non-zero entries* as the target. Its mean and mean square are $\Phi_1 \sigma$ and
# $2 \Phi_1 \sigma^2$, those of the target, and a network with a ReLU at its end could produce it.
#
# The yardstick is the average $W_2^2$ between two batches, each sorted along every direction (this is the loss of
# chapter 04), divided by the same between two batches *of the target*: the floor, which is what features would pay that
# follow the target perfectly.
#
# **Prediction.** At $\mu = 0$ the ratio is 1 within 15 % for both impostors, even with large batches: the loss cannot
# tell. At $\mu = -3$ the shadows are still clearly not Gaussian, and large batches expose the impostors.
#
# ✓ [evidence, section 6](evidence/03_projected_marginals.ipynb)


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

# %% [markdown]
# Do more directions help? **Prediction.** They make the average steadier, until the noise of the batch is all that is
# left, and they leave the ratio at 1 within that noise: the floor comes from the batch, not from the choice of
# directions.
#
# ✓ [evidence, section 6](evidence/03_projected_marginals.ipynb)

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

# %% [markdown]
# ### A dial between axis and random direction
#
# A direction that is non-zero in $k$ random coordinates only is a random direction of a $k$-dimensional space, so its
# shadow is as far from a Gaussian as one in $d = k$ dimensions, and the farther the smaller $k$ is. At $k = 1$ it is a
# coordinate axis, where the shadow is RGG with all its zeros. `random_directions(n, d, size=k)` draws such directions.
#
# **Prediction.** At $\mu = 0$ the smaller $k$, the clearer the impostor with half the non-zero entries. At $\mu = -3$
# it is the other way round: in a single coordinate hardly any of the draws of a batch are non-zero, and a shadow has to
# mix many coordinates before it has something to show.
#
# ✓ [evidence, section 6](evidence/03_projected_marginals.ipynb)

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

# %% tags=["slide"]
figure, panel = plt.subplots(figsize=(7, 3.9))
for mu, line in ((0.0, "o-"), (-2.0, "^--"), (-3.0, "D:")):
    values = np.array([dial[mu, k] for k in mixed])
    panel.errorbar(
        mixed, values, values * noise[mu], fmt=line, capsize=3, color=COLORS["measurement"], label=f"μ = {mu:g}"
    )
panel.axhline(1, color=COLORS["theory"], linewidth=1)
panel.annotate("floor: cannot tell", (1, 0.93), fontsize=9, va="top")
panel.set(xlabel="coordinates mixed by a direction: k (1 is an axis)", xscale="log", yscale="log", ylim=(0.7, 60))
panel.set(ylabel="$W_2^2$ of the impostor over the floor", title="the best dial setting depends on the sparsity")
panel.set_xticks(mixed, [str(k) for k in mixed])
panel.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
panel.minorticks_off()
panel.legend()
show(
    figure,
    alt="Average W2 distance of the impostor with half the non-zero entries, in units of the floor, against the number of "
    "coordinates that a direction mixes. At mu = 0 it falls from far above the floor on the axes down to it at k = 512; at "
    "mu = -2 it is flat up to k = 16 and then falls; at mu = -3 it rises a little with k.",
)

# %% [markdown]
# *At $\mu = 0$ an axis exposes the impostor and a dense random direction does not. At $\mu = -3$ both are weak, and the
# dense direction is the better one. (Bars: one standard error.)* Four things to take along:
#
# - In high dimension a loss on random shadows sees their mean and variance and hardly more, unless the target is so
#   sparse that a shadow mixes few non-zero entries. That is no defect of the theorem: Eq. 5 speaks of exact laws, and a
#   batch is not exact.
# - The number of projections $N$ buys a steadier loss, not a sharper one. What sharpens it is the batch size, since the
#   floor falls with $B$ and the difference of the laws stays. At $\mu = -3$ 4096 points are enough to see it; at
#   $\mu = 0$ it is so small that no batch tried reaches it.
# - So *the count of exact zeros is weakly held*. In the experiment above, at $\mu = 0$, a law with half the non-zero
#   entries costs what the target costs, within the 15 % that the evidence allows, in batches of up to 4096. Chapter 04
#   watches this happen to points that are free to move, chapter 05 to a network.
# - The law of each coordinate of the target is known: it is RGG. Nothing forbids comparing the features with it
#   coordinate by coordinate, as well.

# %% [markdown]
# [Six exercises, from five minutes to an open question](exercises/03_projected_marginals.ipynb).

# %% [markdown] tags=["slide"]
# ## What was shown
#
# (Names such as S3 are those of `claims.toml`, the list of statements that this series tests.)
#
# - The error of averages over shadows does not grow with the dimension; the price is a signal that shrinks like $1/d$
#   (S3).
# - All shadows together determine a law (Eq. 5). Four lines in the plane were fooled at once, and any finite set fixed
#   in advance can be; nobody can prepare for fresh random directions (S4), but in 512 dimensions 64 of them did not
#   notice twins in a batch.
# - With independent coordinates, all alike, the symmetric stable laws are closed under projections: the Gaussian (P1),
#   the Cauchy law and their relatives (P3). With finite variance only the Gaussian is.
# - A rectified Gaussian in the plane casts shadows with an atom of $P_0^2$, two ridges and a convolution; off the axes
#   none of them is RGG (P2). They are known exactly, by `projected_marginal`.
# - In high dimension the shadow of RGG is the nearer to a Gaussian the more non-zero entries it mixes (P4).

# %% [markdown]
# ## What is open
#
# - The experiments with impostors compare three laws. Which part of the target a *trained* network misses, and whether
#   that matters for classification, is for chapter 05.
# - The characteristic function of a shadow is known in any dimension. Can one match it with a single sample, as one
#   does for the Gaussian target? Chapter 04 tries.
# - The dial $k$ has not been set for training. What one would want is a rule that chooses it from $\mu$, $d$ and $B$.
#
# ## Where to read on
#
# - Yilun Kuang, *Rectified LpJEPA*, blog post, 30 January 2026, sections "Distribution-Matching as Regularization" to
#   "Cramér-Wold Theorem" and "Rectified Distribution Matching Regularization (RDMReg)". The paper: Yilun Kuang, Yash
#   Dagade, Tim G. J. Rudner, Randall Balestriero and Yann LeCun, *Rectified LpJEPA: Joint-Embedding Predictive
#   Architectures with Sparse and Maximum-Entropy Representations*, arXiv:2602.01456, 2026.
# - Harald Cramér and Herman Wold, *Some Theorems on Distribution Functions*, Journal of the London Mathematical Society
#   11, 1936.
# - Persi Diaconis and David Freedman, *Asymptotics of Graphical Projection Pursuit*, Annals of Statistics 12, 1984: why
#   most shadows of high-dimensional data look Gaussian.
# - Bo'az Klartag and Sasha Sodin, *Variations on the Berry-Esseen Theorem*, Theory of Probability and Its Applications
#   56, 2012: the rate $1/d$ for most directions.
# - Qing Wang, Sanjeev R. Kulkarni and Sergio Verdú, *Divergence Estimation for Multidimensional Densities via
#   k-Nearest-Neighbor Distances*, IEEE Transactions on Information Theory 55, 2009.
# - David McAllester and Karl Stratos, *Formal Limitations on the Measurement of Mutual Information*, AISTATS 2020.
# - Kimia Nadjahi, Alain Durmus, Lénaïc Chizat, Soheil Kolouri, Shahin Shahrampour and Umut Şimşekli, *Statistical and
#   Topological Properties of Sliced Probability Divergences*, NeurIPS 2020: what section 1 gains, in general.
# - John P. Nolan, *Univariate Stable Distributions: Models for Heavy Tailed Data*, Springer 2020.
# - J. Gil-Pelaez, *Note on the Inversion Theorem*, Biometrika 38, 1951.
