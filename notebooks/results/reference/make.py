"""Values for other implementations to be compared with. Run from the repository root, takes a few seconds:

    python notebooks/results/reference/make.py

Writes rdmreg.json beside this file. Nothing here uses the package's own code, which is compared with the file like
any other. Features, target and directions are fractions over powers of two: loss and gradient of RDMReg are computed
in exact arithmetic and are exact in double precision too. What has digits without end (sigma, quantiles, SIGReg) is
computed with 40 digits. Either way a float in the file is the double nearest to the value, on every machine.
"""

import datetime
import json
import math
import platform
import random
import re
from fractions import Fraction
from pathlib import Path

import mpmath as mp

from rlpjepa.pretrain.provenance import commit_of

B, D, V = 16, 5, 2  # samples, coordinates, views
DIRECTIONS = [  # N = 8 rows; over 8, because the squares of a row add up to 64: each has length 1 exactly
    [7, -3, 2, 1, 1],
    [2, 6, -4, 2, -2],
    [-5, 1, 3, 2, 5],
    [3, 3, 6, -1, -3],
    [1, -5, 1, 6, 1],
    [4, 4, 0, 4, -4],
    [-1, 2, 7, -3, 1],
    [3, 2, -1, -5, 5],
]
P = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
MU = (-3.0, -2.0, -1.0, 0.0, 1.0)
LEVELS = (0.5, 0.9, 0.99, 0.999)
KNOTS, T_MAX = 17, 3

ABOUT = {
    "shapes": "z is (B, D) features of one view or (V, B, D) of V; target (B, D); directions (N, D), one unit vector a "
    "row, shared by the views as the target is; gradient like z. B = 16, D = 5, N = 8, V = 2",
    "rdmreg": "loss = mean over directions c, samples k and views of (k-th smallest z.c - k-th smallest target.c)^2. "
    "Not its root, not times B; views are averaged, not added. gradient is that of loss with respect to z alone",
    "invariance": "mean over samples and coordinates of the squared difference of the two views",
    "sigreg": "loss = mean over directions and views of the Epps-Pulley statistic, the integral from -3 to 3 of "
    "|mean_b exp(i t z_b.c) - exp(-t^2/2)|^2 exp(-t^2/2) dt by the trapezoid rule with 17 knots on [0, 3], doubled. "
    "Not times the number of samples; times_n is loss times B. pooled: both views as one sample of V B",
    "sigma": "scale of the generalized Gaussian GN_p(mu, sigma), density proportional to "
    "exp(-|x - mu|^p / (p sigma^p)); sigma^2 is its variance at p = 2 alone. before_rectification: GN_p has variance 1. "
    "after_rectification: max(x, 0) has variance 1, for each mu of the list mu",
    "nonzero": "Eq. 11: the probability that an entry of max(x, 0) is NOT zero, E||x||_0 / D",
    "quantiles": "of max(x, 0), x ~ GN_p(mu, sigma), at the levels; sigma is that of unit variance before rectification",
}


# The loss, in exact arithmetic


def draw():
    """Features of V views and target: fractions over 256, zero where ReLU makes them so. (V, B, D) and (B, D)."""
    uniform = random.Random(3).random  # the same in every version of Python; this seed makes no ties
    z = [[[max(0.0, 3 * uniform() - 1.2) for _ in range(D)] for _ in range(B)] for _ in range(V)]
    # rectified Laplace by its quantiles: p = 1, mu = 0, unit variance before rectification
    target = [[max(0.0, -math.log(2 - 2 * uniform()) / math.sqrt(2)) for _ in range(D)] for _ in range(B)]
    return [on_grid(view) for view in z], on_grid(target)


def on_grid(rows):
    return [[Fraction(round(256 * x), 256) for x in row] for row in rows]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def rdmreg(z, target, directions):
    """Loss and gradient of one view (Eq. 13, mean over directions)."""
    loss, gradient = Fraction(), [[Fraction()] * D for _ in z]
    count = len(z) * len(directions)
    for c in directions:
        projected, goal = [dot(x, c) for x in z], sorted(dot(y, c) for y in target)
        assert len(set(projected)) == len(z), "a tie: the gradient there is a matter of taste"
        for b, wanted in zip(sorted(range(len(z)), key=projected.__getitem__), goal):
            gap = projected[b] - wanted
            loss += gap**2 / count
            gradient[b] = [g + 2 * gap * x / count for g, x in zip(gradient[b], c)]
    return loss, gradient


def sigreg(z, directions):
    """Loss and gradient of one sample (Eq. 7, mean over directions; not times the number of samples)."""
    n, step = len(z), mp.mpf(T_MAX) / (KNOTS - 1)
    loss, gradient = mp.mpf(0), [[mp.mpf(0)] * D for _ in z]
    for c in directions:
        projected = [mp.mpf(x.numerator) / x.denominator for x in (dot(row, c) for row in z)]
        slope = [mp.mpf(0)] * n  # derivative with respect to each projection
        for k in range(KNOTS):
            t = k * step
            wanted = mp.exp(-(t**2) / 2)
            weight = (step if k in (0, KNOTS - 1) else 2 * step) * wanted / len(directions)
            cos, sin = zip(*((mp.cos(t * x), mp.sin(t * x)) for x in projected))
            real, imaginary = sum(cos) / n - wanted, sum(sin) / n
            loss += weight * (real**2 + imaginary**2)
            slope = [s + 2 * weight * t / n * (imaginary * u - real * v) for s, u, v in zip(slope, cos, sin)]
        for b in range(n):
            gradient[b] = [g + slope[b] * x.numerator / x.denominator for g, x in zip(gradient[b], c)]
    return loss, gradient


# The target, in closed form


def unit_variance_scale(p):
    """Sigma of GN_p with variance 1: Gamma(1/p)^(1/2) / (p^(1/p) Gamma(3/p)^(1/2))."""
    p = mp.mpf(p)
    return mp.sqrt(mp.gamma(1 / p) / mp.gamma(3 / p)) / p ** (1 / p)


def tail_moment(k, a, p):
    """E[t^k; t > a] for t ~ GN_p(0, 1), from the incomplete gamma function."""
    whole = p ** (k / p) * mp.gamma((k + 1) / p) / mp.gamma(1 / p)  # E|t|^k
    tail = p ** (k / p) * mp.gammainc((k + 1) / p, abs(a) ** p / p) / mp.gamma(1 / p) / 2
    if a >= 0:
        return tail
    return (whole if k % 2 == 0 else 0) - (-1) ** k * tail


def nonzero(p, mu, sigma):
    """P(x > 0) = E||x||_0 / D (Eq. 11)."""
    return tail_moment(0, -mu / sigma, p)


def rectified_variance(p, mu, sigma):
    share, first, second = (tail_moment(k, -mu / sigma, p) for k in range(3))
    mean = mu * share + sigma * first
    return mu**2 * share + 2 * mu * sigma * first + sigma**2 * second - mean**2


def rectified_unit_variance_scale(p, mu):
    """Sigma at which max(x, 0) has variance 1, by bisection in log sigma."""
    low, high = mp.log(unit_variance_scale(p)), mp.mpf(10)
    return mp.exp(bisect(lambda log: rectified_variance(p, mu, mp.exp(log)) < 1, low, high))


def quantile(level, p, mu, sigma):
    """The x at which max(x, 0) has a share `level` below it; zero while the zeros are more than that."""
    if level <= 1 - nonzero(p, mu, sigma):
        return mp.mpf(0)
    return bisect(lambda x: tail_moment(0, (x - mu) / sigma, p) > 1 - level, mp.mpf(0), mp.mpf(1000))


def bisect(is_below, low, high):
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


# The file


def values():
    """All that the file holds, but for its provenance; a dict of plain numbers."""
    views, target = draw()
    directions = [[Fraction(x, 8) for x in row] for row in DIRECTIONS]
    losses, gradients = zip(*(rdmreg(z, target, directions) for z in views))
    gauss, gauss_gradients = zip(*(sigreg(z, directions) for z in views))
    pooled, _ = sigreg(sum(views, []), directions)
    pairs = [(x - y) ** 2 for first, second in zip(*views) for x, y in zip(first, second)]
    shared = {"target": target, "directions": directions}
    table = []
    for p in map(mp.mpf, P):
        sigma = unit_variance_scale(p)
        for mu in map(mp.mpf, MU):
            quantiles = [quantile(mp.mpf(str(level)), p, mu, sigma) for level in LEVELS]
            table.append({"p": p, "mu": mu, "nonzero": nonzero(p, mu, sigma), "quantiles": quantiles})
    return plain(
        {
            "about": ABOUT,
            "one_view": {"z": views[0], **shared, "loss": losses[0], "gradient": gradients[0]},
            "two_views": {
                "z": views,
                **shared,
                "loss": sum(losses) / V,
                "gradient": [[[g / V for g in row] for row in rows] for rows in gradients],
                "invariance": sum(pairs) / len(pairs),
            },
            "sigreg": {
                "one_view": {"loss": gauss[0], "times_n": B * gauss[0], "gradient": gauss_gradients[0]},
                "two_views": {"loss": sum(gauss) / V, "times_n": B * sum(gauss) / V},
                "pooled": {"loss": pooled, "times_n": V * B * pooled},
            },
            "mu": MU,
            "levels": LEVELS,
            "sigma": [
                {
                    "p": p,
                    "before_rectification": unit_variance_scale(p),
                    "after_rectification": [rectified_unit_variance_scale(mp.mpf(p), mp.mpf(mu)) for mu in MU],
                }
                for p in P
            ],
            "rgg": table,
        }
    )


def plain(value):
    """Each number as the float nearest to it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, str) else float(value)


def as_text(content):
    """JSON with each row of numbers on one line."""
    text = json.dumps(content, indent=1)
    return re.sub(r"\[[^][{}]*\]", lambda row: " ".join(row.group().split()), text) + "\n"


def main():
    with mp.workdps(40):
        content = values()
    content["provenance"] = {
        "command": "python notebooks/results/reference/make.py",
        "commit": commit_of(__file__),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), "mpmath": mp.__version__},
    }
    Path(__file__).with_name("rdmreg.json").write_text(as_text(content), encoding="utf-8")


if __name__ == "__main__":
    main()
