"""Answers to the exercises of chapter 05: other right ones, and wrong ones with a phrase of what they hear."""

import fractions
import functools
import itertools
import math

import numpy as np
import torch
from scipy import stats

from rlpjepa import rdmreg_loss, sample_rgg, unit_variance_scale


def views_pair_by_pair(z):
    pairs = list(itertools.combinations(z, 2))
    return sum((a - b).square().mean() for a, b in pairs) / len(pairs)


def views_to_their_mean(z, mean=lambda z: z.mean(dim=0), factor=lambda views: 2 * views / (views - 1)):
    return factor(len(z)) * (z - mean(z)).square().mean()


def collapse_by_simulation(mu, constant=False, batches=4, seed=3):
    """The objective of z = 0, or of the best constant, by the loss itself."""
    generator, total = torch.Generator().manual_seed(seed), 0.0
    mean = unit_variance_scale(1.0) * math.exp(mu / unit_variance_scale(1.0)) / 2
    for _ in range(batches):
        y = sample_rgg((256, 256), p=1.0, mu=mu, generator=generator)
        total += rdmreg_loss(torch.full_like(y, mean if constant else 0.0), y, generator=generator)
    return 125 * total / batches


def dead_by_simulation(a, n):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        on = torch.distributions.Binomial(n, torch.full((20_000,), a)).sample()  # how many images switch it on
    return (on / n < 1e-3 * (1 - 1e-6)).float().mean()


def seeds_by_search(accuracies, difference, means=2, errors=2, ddof=1):
    n = 1
    while errors * math.sqrt(means * np.var(accuracies, ddof=ddof) / n) > difference:
        n += 1
    return n


def seeds_in_fractions(accuracies, difference):
    """Exactly, from the decimals as they are written."""
    values, difference = [fractions.Fraction(str(x)) for x in accuracies], fractions.Fraction(str(difference))
    mean = sum(values) / len(values)
    return max(1, math.ceil(8 * sum((x - mean) ** 2 for x in values) / (len(values) - 1) / difference**2))


def wake_all_rows(u, sign=1):
    return sign * sum(torch.relu(-column).mean() for column in u.T if (column <= 0).all())


def interleaved(B):
    z = np.arange(B) % 2
    return z, 1 - z


ANSWERS = {
    "05.1": (
        [
            (62.5, 46.9, 3.69),
            (torch.tensor(62.4), np.float64(46.6), 3.7),
            tuple(collapse_by_simulation(*case) for case in ((0.0,), (0.0, True), (-2.0,))),
        ],
        [
            ((0.5, 46.9, 3.69), "which weight"),
            ((125, 46.9, 3.69), "what does ReLU leave"),
            ((62.5, 93.75, 3.69), "mean over the views, or their sum"),
            ((16_000, 46.9, 3.69), "grows with D"),
            ((62.5, 62.5, 3.69), "a constant nearer to the targets costs less"),
            ((62.5, 46.9, 62.5), "is that of μ = 0"),
            ((62.5, 46.9, 625), "z = 0 at μ = -2: not 625"),
            ((-62.5, 46.9, 3.69), "cannot be -62.5"),
        ],
    ),
    "05.2": (
        [
            lambda B: ([1] * (B // 2) + [0] * (B // 2), [0] * (B // 2) + [1] * (B // 2)),
            lambda B: torch.eye(2).repeat_interleave(B // 2, dim=1)[:, :, None],
        ],
        [
            (lambda B: (torch.zeros(B), torch.ones(B)), "whole batch is 1.000"),
            (lambda B: (torch.linspace(0, 1, B), torch.linspace(0, 1, B)), "each half matches its own targets"),
            (interleaved, "each half matches its own targets"),
            (lambda B: (torch.linspace(0, 1, B), torch.linspace(1, 0, B)), "it can be larger"),
            (lambda B: (torch.arange(B), torch.arange(B).flip(0)), "between 0 and 1"),
            (lambda B: (torch.zeros(2), torch.ones(2)), "should have shape (4,)"),
            (lambda B: 1.0, "two tensors"),
        ],
    ),
    "05.3": (
        [
            views_pair_by_pair,
            views_to_their_mean,
            functools.partial(views_to_their_mean, mean=lambda z: z.mean(dim=0).detach()),  # the gradient is the same
            lambda z: 2 * (z.square().mean(0) - z.mean(0).square()).mean() * len(z) / (len(z) - 1),
            lambda z: (z[:, None] - z[None]).square().mean() * len(z) / (len(z) - 1),
        ],
        [
            (functools.partial(views_to_their_mean, factor=lambda views: 1), "0.250 times"),
            (lambda z: z.var(dim=0).mean(), "0.500 times"),
            (functools.partial(views_to_their_mean, factor=lambda views: 4), "the sum over the views divided"),
            (lambda z: views_pair_by_pair(z) * math.comb(len(z), 2), "not their mean"),
            (lambda z: (z[0] - z[1]).square().mean(), "times the mean over the pairs"),
            (lambda z: views_pair_by_pair(z.detach()), "no gradient flows"),
            (lambda z: views_pair_by_pair(z).item(), "no gradient flows"),
            (lambda z: (z[:, None] - z[None].detach()).square().mean() * len(z) / (len(z) - 1), "into every view"),
            (lambda z: (z[:, None] - z[None]).square(), "should be one number"),
        ],
    ),
    "05.4": (
        [
            lambda a, n: stats.binom.cdf(math.ceil(n / 1000) - 1, n, a),
            lambda a, n: stats.poisson.cdf(math.ceil(n / 1000) - 1, a * n),
            dead_by_simulation,
        ],
        [
            (lambda a, n: float(a < 1e-3), "left to chance"),
            (lambda a, n: (1 - a) ** n, "for *no* image"),
            (lambda a, n: stats.binom.cdf(n // 1000, n, a), "is two fewer than that"),
            (lambda a, n: stats.binom.sf(math.ceil(n / 1000) - 1, n, a), "*not* dead"),
            (lambda a, n: stats.binom.cdf(1, n, a), "at a = 0.00135, n = 10000 it is not 0.000"),
            (lambda a, n: a * n, "between 0 and 1"),
            (lambda a, n: stats.binom.cdf(round(n / 1000) - 1, n, a), "at a = 0.002, n = 1200 it is not"),
        ],
    ),
    "05.5": (
        [
            seeds_by_search,
            seeds_in_fractions,
            lambda x, d: torch.tensor(max(1.0, math.ceil(8 * np.var(x, ddof=1) / d**2))),
            lambda x, d: max(1, math.ceil(8 * np.var(x, ddof=1) / d**2 - 1e-9)),
            lambda x, d: max(1, math.ceil(8 * torch.tensor(x, dtype=torch.float32).var().item() / d**2)),
        ],
        [
            (functools.partial(seeds_by_search, means=1), "for *one* mean"),
            (functools.partial(seeds_by_search, errors=1), "one standard error"),
            (functools.partial(seeds_by_search, ddof=0), "about their *own* mean"),
            (lambda x, d: 8 * np.var(x, ddof=1) / d**2, "should be whole"),
            (lambda x, d: math.floor(8 * np.var(x, ddof=1) / d**2), "one off"),
            (lambda x, d: math.ceil(16 * np.var(x, ddof=1) / d**2), "too many"),
            (lambda x, d: max(1, math.ceil(np.var(x) / d)), "too few"),
        ],
    ),
    "05.6": (
        [
            wake_all_rows,
            lambda u: torch.relu(-u.amax(dim=0)).square().sum(),
            lambda u: (torch.relu(-u) * (u <= 0).all(dim=0)).sum(dim=0).mean(),
        ],
        [
            (lambda u: -u.relu().mean(), "ReLU itself passes none"),
            (lambda u: torch.relu(-u).mean(), "RDMReg's business"),
            (lambda u: -u.amax(dim=0).mean(), "RDMReg's business"),
            (lambda u: (0.1 - u.amax(dim=0)).relu().sum(), "RDMReg's business"),
            (functools.partial(wake_all_rows, sign=-1), "further down"),
            (lambda u: torch.relu(-u[:, 0].max()), "some of the dead coordinates"),
            (lambda u: (u.amax(dim=0) <= 0).float().mean(), "no gradient flows"),
            (lambda u: torch.zeros((), requires_grad=True), "no gradient flows"),
            (lambda u: torch.relu(-u.amax(dim=0)), "should be one number"),
            (lambda u: torch.relu(-0.1 - u.amax(dim=0)).mean(), "still zero on the whole batch"),
        ],
    ),
}
