"""Answers to the exercises of chapter 03: other right ones, and wrong ones with a phrase of what they hear."""

import functools
import math

import numpy as np
import torch

from rlpjepa import sample_rgg
from rlpjepa.projections import random_directions


def draws(n, generator):
    return sample_rgg((n,), p=1.0, mu=0.0, sigma=1.0, generator=generator)


def couple(n, generator, twins=0.25, rand=torch.rand):
    """A share of twins among coordinates that take turns, with one size for both."""
    first, size = torch.zeros(n), -torch.log1p(-torch.rand(n, generator=generator))
    kind = rand(n, generator=generator)
    on = torch.rand(n, generator=generator) < 0.5
    first[on] = size[on]
    second = torch.where((kind < twins) == on, size, 0.0)
    return torch.stack([first, second], 1).numpy()


def by_sizes(n, generator, equal=1 - 1 / (math.pi**2 / 6)):
    """Independent gates; where both are active, the sizes are equal or a large one meets a small one."""
    share = torch.rand(n, generator=generator)
    other = torch.where(torch.rand(n, generator=generator) < equal, share, 1 - share)
    gates = torch.rand(n, 2, generator=generator) < 0.5
    return gates * -torch.log1p(-torch.stack([share, other], 1).clamp(max=1 - 1e-7))


def kurtosis_by_cumulants(c, kappa):
    variance = np.asarray(c) ** 2
    return (kappa * variance**2).sum() / variance.sum() ** 2


def kurtosis_in_a_loop(c, kappa):
    fourth = 0.0
    for i, a in enumerate(c):
        for j, b in enumerate(c):
            fourth += float(a * b) ** 2 * (kappa + 3 if i == j else 3)
    return fourth / float((c * c).sum()) ** 2 - 3


def moments(mu):
    """Active fraction and kurtosis of a coordinate, by sums over a fine grid."""
    a = 0.5 * math.exp(math.sqrt(2) * mu)
    x = (np.arange(400_000) + 0.5) * 1e-4
    weight = a * np.exp(-x) * 1e-4
    mean = (weight * x).sum()
    square, fourth = ((weight * (x - mean) ** k).sum() + (1 - a) * mean**k for k in (2, 4))
    return a, fourth / square**2


def mix_by_counting(mu, limit):
    _, kurtosis = moments(mu)
    k = 1
    while (kurtosis - 3) / k > limit * (1 + 1e-6):
        k += 1
    return torch.tensor(k)


def mix(mu, limit, kappa=lambda a, kurtosis: kurtosis - 3, less=0):
    return math.ceil(kappa(*moments(mu)) / limit - 1e-6) - less


def atom_by_chance(phi, s):
    t = 4000 * (torch.rand(100_000, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5)
    return (phi(t) * torch.polar(torch.ones_like(t), -s * t)).mean().real.numpy()


def atom(phi, s, end=1000.0, steps=50_000, of=lambda phi, s, t: (torch.exp(-1j * s * t) * phi(t)).real):
    """The recipe of exercise 03.5, with places to break it."""
    return of(phi, s, (torch.arange(steps, dtype=torch.float64) + 0.5) * end / steps).mean()


def directions(n, d, k, generator, where=None, weights=random_directions):
    """The recipe of exercise 03.6, with places to break it."""
    if where is None:
        where = torch.stack([torch.randperm(d, generator=generator) for _ in range(n * k // d)]).view(n, k)
    return torch.zeros(n, d).scatter_(1, where, weights(n, k, generator=generator))


def directions_in_a_loop(n, d, k, generator):
    """Each direction takes the coordinates that were used least so far, ties broken by chance."""
    used, rows = np.zeros(d), []
    for _ in range(n):
        order = np.lexsort((torch.rand(d, generator=generator).numpy(), used))[:k]
        row, value = np.zeros(d), torch.randn(k, generator=generator).numpy()
        row[order] = value / np.linalg.norm(value)
        used[order] += 1
        rows.append(row)
    return np.stack(rows)


def signs(n, k, generator):
    return (2.0 * torch.randint(2, (n, k), generator=generator) - 1) / math.sqrt(k)


ANSWERS = {
    "03.1": (
        [(0.3, 0.09, 0.00243, 0.58), (torch.tensor(0.3), np.float32(0.09), 0.3**5, 1 - 2 * 0.3 * 0.7)],
        [
            ((0.3, 0.51, 0.00243, 0.58), "*at least one*"),
            ((0.3, 0.3, 0.00243, 0.58), "atom of one coordinate"),
            ((0.3, 0.09, 0.3, 0.58), "atom of one coordinate"),
            ((0.3, 0.09, 0.0, 0.58), "small, but not zero"),
            ((0.3, 0.09, 0.00243, 0.09), "difference zero"),
            ((0.7, 0.09, 0.00243, 0.58), "along an axis: not 0.7"),
            ((0.3, 9, 0.00243, 0.58), "between 0 and 1"),
        ],
    ),
    "03.2": (
        [couple, by_sizes],
        [
            (functools.partial(couple, twins=1.0), "twins vary together"),
            (functools.partial(couple, twins=0.0), "covariance is -0.25 and should be zero"),
            (functools.partial(couple, twins=0.5), "and should be zero"),
            (functools.partial(couple, twins=0.2), "covariance is -0.05 and should be zero"),
            (functools.partial(couple, twins=0.3), "covariance is 0.05 and should be zero"),
            (functools.partial(couple, rand=lambda n, generator: torch.rand(n)), "equal generators give different"),
            (lambda n, g: couple(n, torch.Generator().manual_seed(1)), "different generators give the same"),
            (lambda n, g: torch.stack([draws(n, g), draws(n, g)], 1), "are your two coordinates independent"),
            (lambda n, g: torch.stack([draws(n, g), draws(n, g) * 2], 1), "second coordinate does not follow"),
            (lambda n, g: torch.randn(n, 2, generator=g).relu(), "first coordinate does not follow"),
            (lambda n, g: torch.stack([draws(n, g), draws(n, g)]), "should be of shape (200000, 2)"),
        ],
    ),
    "03.3": (
        [kurtosis_by_cumulants, kurtosis_in_a_loop],
        [
            (lambda c, kappa: kappa * (c**4).sum(), "should its length change the kurtosis"),
            (lambda c, kappa: (kappa + 3) * (c**4).sum() / (c**2).sum() ** 2 - 3, "two coordinates, multiplied"),
            (lambda c, kappa: (kappa + 3) * (c**4).sum() / (c**2).sum() ** 2, "less by 3"),
            (lambda c, kappa: kappa, "in every direction"),
            (lambda c, kappa: kappa / len(c), "equal weights only"),
            (lambda c, kappa: kappa * (c.abs() ** 3).sum(), "belong to the skewness"),
            (lambda c, kappa: 3 * kappa / (len(c) + 2), "in the direction (1.0, 0.0, 0.0), with κ = 10"),
            (lambda c, kappa: kappa * c**4, "should be one number"),
        ],
    ),
    "03.4": (
        [mix_by_counting, mix],
        [
            (functools.partial(mix, kappa=lambda a, kurtosis: 3), "*before* ReLU"),
            (functools.partial(mix, kappa=lambda a, kurtosis: kurtosis), "less by 3"),
            (functools.partial(mix, kappa=lambda a, kurtosis: 6 / a), "limit of rare entries"),
            (functools.partial(mix, less=1), "one off"),
            (lambda mu, limit: math.ceil(math.sqrt(mix(mu, limit))), "as 1/k²"),
            (lambda mu, limit: moments(mu)[1] / limit + 0.5, "counts coordinates"),
            (lambda mu, limit: 20, "20 equal weights give an excess kurtosis of 0.5"),
        ],
    ),
    "03.5": (
        [atom_by_chance, functools.partial(atom, end=300.0, steps=6_000)],
        [
            (lambda phi, s: phi(torch.tensor(0.0)).real, "the whole mass"),
            (lambda phi, s: phi(torch.tensor(2000.0)).abs(), "no single large t will do"),
            (lambda phi, s: 2 * atom(phi, s), "twice the atom"),
            (functools.partial(atom, of=lambda phi, s, t: phi(t).abs() ** 2), "*square* of the atom"),
            (functools.partial(atom, of=lambda phi, s, t: phi(t).real), "how does a shift change"),
            (functools.partial(atom, of=lambda phi, s, t: phi(t) * torch.exp(-1j * s * t)), "answer is complex"),
            (functools.partial(atom, of=lambda phi, s, t: phi(t).real * (s == 0)), "at s = 1.4: not 0.000"),
            (functools.partial(atom, end=2.0), "not 0.8"),
        ],
    ),
    "03.6": (
        [directions, directions_in_a_loop],
        [
            (
                lambda n, d, k, g: directions(n, d, k, g, torch.rand(n, d, generator=g).argsort(1)[:, :k]),
                "each should be 8",
            ),
            (lambda n, d, k, g: random_directions(n, d, generator=g), "mixes 32 coordinates"),
            (functools.partial(directions, weights=torch.randn), "has the length"),
            (functools.partial(directions, weights=signs), "are the non-zero weights drawn as"),
            (lambda n, d, k, g: directions(n, d, k, g).abs(), "all weights are positive"),
            (lambda n, d, k, g: directions(n, d, k, g, torch.arange(n * k).view(n, k) % d), "never meet"),
            (lambda n, d, k, g: directions(n, d, k, None), "equal generators give different"),
            (lambda n, d, k, g: directions(n, d, k, torch.Generator().manual_seed(1)), "different generators"),
            (lambda n, d, k, g: directions(n, d, k, g).T, "should be of shape (64, 32)"),
        ],
    ),
}
