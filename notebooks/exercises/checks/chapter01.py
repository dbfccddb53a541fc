"""Checks of the exercises of chapter 01, ℓp spheres.

Answers may be numbers, tensors or arrays, found by a formula, a search or a simulation: tolerances leave room for all.
"""

import math

import torch

from . import Wrong, ask, check_digits, exercise, near, number, numbers


@exercise("01.1")
def predicted_rank(answer):
    rank = number(answer)
    spread = torch.tensor([3.0, 1.0, 1.0, 1.0], dtype=torch.float64)

    def entropy(weights):
        return torch.special.entr(weights / weights.sum()).sum().item()

    if not 1 <= rank <= 4:
        raise Wrong(f"{rank:.2f} cannot be: four columns have an effective rank from 1 (one direction) to 4.")
    if near(rank, math.exp(entropy(spread)), 0.01):
        return
    if near(rank, math.exp(entropy(spread**2)), 0.01):
        raise Wrong(f"{rank:.2f} is what shares of the variances give. Of which quantity are the shares taken?")
    if near(rank, entropy(spread), 0.01):
        raise Wrong(f"{rank:.2f} is the entropy of the shares. The effective rank is made from it in one more step.")
    if near(rank, 4, 0.01):
        raise Wrong("4 would be right if all four columns varied equally. These do not.")
    check_digits(rank, math.exp(entropy(spread)))
    raise Wrong(f"it lies between 1 and 4, as it must, but it is not {rank:.3f}. Do your four shares add up to 1?")


@exercise("01.2")
def break_triangle(pair):
    for p in (0.25, 0.5, 0.75, 0.9):
        answer = ask(pair, p)
        try:
            x, y = answer
        except (TypeError, ValueError):
            raise Wrong("your function should return two vectors, x and y.") from None
        x, y = numbers(x, what="x"), numbers(y, what="y")
        if x.dim() != 1 or x.shape != y.shape:
            raise Wrong(f"x and y should be vectors of one length, got shapes {tuple(x.shape)} and {tuple(y.shape)}.")
        largest = max(x.abs().max(), y.abs().max())
        if x.abs().max() == 0 or y.abs().max() == 0:
            raise Wrong("one of your vectors is zero: then both sides are equal, whatever the other one is.")

        def norm(v):
            return (v.abs() ** p).sum().item() ** (1 / p)  # noqa: B023 (called in this round of the loop only)

        x, y = x / largest, y / largest
        factor = norm(x + y) / (norm(x) + norm(y))
        if factor <= 1 + 1e-9:
            raise Wrong(
                f"at p = {p} the triangle inequality holds for your vectors: the left side is {factor:.3f} times the"
                " right side. It is broken when that is more than 1."
            )
        if factor < 0.99 * 2 ** (1 / p - 1):
            raise Wrong(f"at p = {p} your vectors break it, by a factor of {factor:.3f}; others break it more.")


@exercise("01.3")
def mean_radius(function):
    def mean(d, p, sigma):
        value = number(ask(function, d, p, sigma), f"the mean radius at d = {d}, p = {p}, σ = {sigma}")
        if value <= 0:
            raise Wrong(f"a radius is positive, but at d = {d}, p = {p}, σ = {sigma} your mean is {value:.3g}.")
        return value

    def exact(d, p, sigma):
        return sigma * math.exp(math.log(p) / p + math.lgamma((d + 1) / p) - math.lgamma(d / p))

    shapes, dims = (1, 2, 0.5, 4), (1, 3, 20)
    values = {(d, p): mean(d, p, 1.0) for p in shapes for d in dims}
    if all(near(value, d, 0.02) for (d, p), value in values.items()):
        raise Wrong("this is the mean of the p-th power of the radius. The mean of the radius itself is wanted.")
    if all(near(value, d ** (1 / p), 0.02) for (d, p), value in values.items()):
        raise Wrong("this is the p-th root of the mean of r^p. The mean of a root is not the root of the mean.")
    for p in shapes:
        off = {d: values[d, p] / exact(d, p, 1.0) for d in dims}
        if all(near(factor, 1, 0.02) for factor in off.values()):
            continue
        d = max(dims, key=lambda d: abs(math.log(off[d])))  # noqa: B023 (called in this round only)
        if all(near(factor, off[d], 0.02) for factor in off.values()):
            question = "Which scale does the Gamma distribution of r^p have?"
            raise Wrong(f"at p = {p}, σ = 1 your values are off by one factor, {off[d]:.3f}, for every d. {question}")
        raise Wrong(f"at d = {d}, p = {p}, σ = 1 your mean radius is {off[d]:.3g} times the right one.")
    for d, p in ((3, 0.5), (3, 4)):
        if not near(mean(d, p, 2.5), exact(d, p, 2.5), 0.02):
            raise Wrong(
                f"right for σ = 1, but not for σ = 2.5 (at p = {p}). What does σ do to z, and so to the radius?"
            )
    for d, p in ((256, 0.5), (1000, 2)):  # here Γ itself is too large for a float
        try:
            value = mean(d, p, 1.0)
        except OverflowError as error:
            raise Wrong(f"right for small d, but at d = {d}, p = {p} it stops with OverflowError: {error}.") from None
        if not near(value, exact(d, p, 1.0), 0.02):
            raise Wrong(f"right for small d, but not at d = {d}, p = {p}.")


@exercise("01.4")
def most_spread(function):
    z = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    step = (z[1] - z[0]).item()
    quantities = [
        ("|z|", z.abs(), 1.0),
        ("z²", z**2, 1.0),
        ("z²", z**2, 4.0),
        ("|z - 2|", (z - 2).abs(), 0.5),
        ("log(1 + z²)", torch.log1p(z**2), 1.0),
    ]
    for name, phi, value in quantities:
        where = f"with the mean of φ(z) = {name} fixed at {value:g}"
        f = numbers(ask(function, phi.clone(), value, z.clone()), z.shape, f"{where}, the density")
        if (f < 0).any():
            raise Wrong(f"{where}, your density is negative somewhere.")
        mass = f.sum().item() * step
        if near(mass, step, 1e-3):
            raise Wrong(
                "the values of your density add up to 1, but its integral should: what is the step of the grid?"
            )
        if not near(mass, 1, 2e-3):
            raise Wrong(f"{where}, the integral of your density is {mass:.4f} and should be 1.")
        mean = (f * phi).sum().item() * step
        if not near(mean, value, 3e-3):
            raise Wrong(f"{where}, the mean of φ under your density is {mean:.4f}.")
        missing = largest_entropy(phi, value, step) - torch.special.entr(f).sum().item() * step
        if missing > 0.01:
            praise = "your density has the right integral and the right mean"
            raise Wrong(f"{where}, {praise}, but {missing:.3f} nats less entropy than another one.")


def largest_entropy(phi, value, step):
    """The largest entropy of a density on a grid with this mean of φ: that of an exponential family, by bisection."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        f = torch.softmax(-middle * phi, 0)
        low, high = (middle, high) if (f * phi).sum() > value else (low, middle)
    return torch.special.entr(f / step).sum().item() * step


@exercise("01.5")
def elastic_net(function):
    w_hat = torch.linspace(-4, 4, 81, dtype=torch.float64)

    def mode(s, b, tau):
        try:
            return numbers(ask(function, w_hat.clone(), s, b, tau), w_hat.shape, "the mode at 81 values of ŵ")
        except (RuntimeError, TypeError, ValueError, IndexError) as error:  # written for one number?
            if isinstance(error, NotImplementedError):
                raise
            return torch.stack([numbers(ask(function, w.clone(), s, b, tau), (), "the mode at one ŵ") for w in w_hat])

    for s, b, tau, what in (
        (0.8, 0.5, 1e6, "with a very large τ the ridge part is gone and the lasso is left"),
        (0.8, 1e6, 0.7, "with a very large b the lasso part is gone and the ridge is left"),
        (0.8, 0.5, 0.7, ""),
        (0.6, 1.0, 0.3, ""),
    ):
        w, right = mode(s, b, tau), search_mode(w_hat, s, b, tau)
        where = f"s = {s}, b = {b:g}, τ = {tau:g}"
        wrong = (w - right).abs() > 5e-3
        if wrong.any():
            if what:
                raise Wrong(f"at {where}: {what}; your modes differ from that, at ŵ = {w_hat[wrong][-1]:.1f} for one.")
            k = wrong.nonzero()[-1].item()
            if w[k].sign() * right[k].sign() < 0:
                raise Wrong(f"at {where}, ŵ = {w_hat[k]:.1f} your mode {w[k]:.3f} has the wrong sign.")
            size = "large" if w[k].abs() > right[k].abs() else "small"
            raise Wrong(
                f"lasso and ridge are right when alone, but at {where}, ŵ = {w_hat[k]:.1f} your mode {w[k]:.3f} is too"
                f" {size}: another w has a larger posterior."
            )
        if (w[right == 0].abs() > 1e-9).any():
            k = ((right == 0) & (w.abs() > 1e-9)).nonzero()[0].item()
            raise Wrong(f"at {where}, ŵ = {w_hat[k]:.1f} your mode is {w[k]:.1e}. It should be zero, not nearly zero.")


def search_mode(w_hat, s, b, tau):
    """The w (m,) of the smallest (w - ŵ)²/2s² + |w|/b + w²/2τ², on a grid of width 0.002 that contains 0."""
    grid = torch.arange(-2100, 2101, dtype=torch.float64) * 2e-3
    objective = (grid - w_hat[:, None]) ** 2 / (2 * s**2) + grid.abs() / b + grid**2 / (2 * tau**2)
    return grid[objective.argmin(1)]


@exercise("01.6")
def cone_to_surface(function):
    def distance(d, p):
        value = number(ask(function, d, p), f"the distance at d = {d}, p = {p}")
        if not -1e-6 <= value <= 1 + 1e-6:
            raise Wrong(f"a total variation distance lies between 0 and 1, at d = {d}, p = {p} yours is {value:.3f}.")
        return value

    plane = {0.6: 0.1586, 0.75: 0.0721}  # exact, by the lengths and areas of the evidence
    measured = {p: distance(2, p) for p in plane}
    if all(near(value, 2 * plane[p], 0.15) for p, value in measured.items()):
        raise Wrong("in the plane your distances are twice those of the evidence: is a factor 1/2 missing?")
    for p, value in measured.items():
        if abs(value - plane[p]) > 0.025:
            raise Wrong(f"in the plane, at p = {p}, the distance is not {value:.3f}: compare `total_variation({p})`.")
    for p in (1, 2):
        if (value := distance(3, p)) > 0.04:
            raise Wrong(f"at p = {p} the two measures are equal, but at d = 3 your distance is {value:.3f}.")
    value, right = distance(64, 0.6), 0.107  # measured with a million draws
    if abs(value - right) > 0.025:
        size = "large" if value > right else "small"
        raise Wrong(f"right in the plane, but at d = 64, p = 0.6 your distance {value:.3f} is too {size}.")
