"""Answers to the exercises of chapter 04: other right ones, and wrong ones with a phrase of what they hear."""

import functools
import math

import numpy as np
import torch
from scipy import stats

from rlpjepa import coordinate_loss, mu_for_l0, random_directions, rdmreg_loss, unit_variance_scale
from rlpjepa.distributions import GeneralizedGaussian, RectifiedGeneralizedGaussian


def project_out(y, c, amount=30.0):
    """Collapse onto one point, as far as no direction sees it, and shift: (B, D) as an array."""
    seen = torch.linalg.pinv(c) @ c  # (D, D), the projection onto what the directions span
    shift = torch.ones(len(seen), dtype=c.dtype) @ (torch.eye(len(seen), dtype=c.dtype) - seen)
    return (y @ seen + amount * shift / shift.norm()).numpy()


def reordered(y, c, shift=0.0):
    return y.flip(0) + shift


def shift_unseen(y, c, distance=1.0):
    """A shift that costs distance² along fresh directions, on average."""
    return y + distance * math.sqrt(y.shape[1]) * torch.linalg.svd(c).Vh[-1]


def stretch(y, c, factor=10.0, hidden=True):
    """y, stretched along the last direction that c does not see, or along one that it sees."""
    v = torch.linalg.svd(c).Vh[-1 if hidden else 0]
    return y + (factor - 1) * (y @ v)[:, None] * v


def price_by_quadrature(k, d):
    if k == d:
        return 1.0
    return stats.beta(k / 2, (d - k) / 2).expect(lambda w: (1 - np.sqrt(1 - w)) ** 2)


def price_by_samples(k, d):
    """Of sorted samples themselves, without the floor: the quantiles of N(0, 1) in both places."""
    q = torch.special.ndtri((torch.arange(2000, dtype=torch.float64) + 0.5) / 2000)
    c = random_directions(20_000, d, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    scale = c[:, k:].norm(dim=1) if k < d else torch.zeros(20_000, dtype=torch.float64)
    return q.square().mean() * (scale - 1).square().mean()


def price_by_the_loss(k, d, size=256, repetitions=20, dead=lambda k: k, seed=6, n=64):
    """The loss of the exercise's features itself, with the noise floor of its batch."""
    generator = torch.Generator().manual_seed(seed)
    draw = functools.partial(torch.randn, size, d, generator=generator)
    alive = torch.arange(d) >= dead(k)
    pairs = [(draw() * alive, draw()) for _ in range(repetitions)]
    return sum(rdmreg_loss(*pair, n, generator=generator) for pair in pairs) / repetitions


def price_less_floor(k, d, size=1000):
    """The same with an independent estimate of the floor taken off."""
    loss, floor = (price_by_the_loss(dead, d, size, 4, seed=seed, n=250) for dead, seed in ((k, 6), (0, 7)))
    return loss - floor


def floor_by_simulation(size):
    draws = torch.empty(2, 400_000 // max(size, 20), size, dtype=torch.float64)
    low, high = draws.exponential_(generator=torch.Generator().manual_seed(1)).sort(dim=-1).values
    return (low - high).square().mean().numpy()


def floor_by_the_loss(size, d=500):
    """The loss itself, of d pairs of samples at once: along the axes of d dimensions."""
    generator = torch.Generator().manual_seed(2)
    draw = functools.partial(torch.empty(size, d).exponential_, generator=generator)
    rounds = 40_000 // (d * min(size, 20))
    return sum(rdmreg_loss(draw().clone(), draw(), directions=torch.eye(d)) for _ in range(rounds)) / rounds


def harmonic(size):
    return sum(1 / i for i in range(1, size + 1))


def waves(c, t, g, mu, sigma, gate=lambda a: a, sign=1):
    """The recipe of exercise 04.5, with places to break it."""
    a = gate(math.exp(mu / sigma) / 2)
    size = 1 / (1 - sign * 1j * sigma * c.unsqueeze(-1) * t)
    return (1 - a + a * size.unflatten(1, (-1, g)).prod(2)).prod(1)


def waves_of_copies(c, t, g, mu, sigma):
    """As if all members of an active group had one value in common."""
    a = math.exp(mu / sigma) / 2
    size = 1 / (1 - 1j * sigma * c.unflatten(1, (-1, g)).sum(2).unsqueeze(-1) * t)
    return (1 - a + a * size).prod(1)


def waves_in_a_loop(c, t, g, mu, sigma):
    a = 0.5 * np.exp(mu / sigma)
    result = np.ones((len(c), len(t)), dtype=complex)
    for n, row in enumerate(c.numpy()):
        for start in range(0, len(row), g):
            total = sum(np.log(1 - 1j * sigma * weight * t.numpy()) for weight in row[start : start + g])
            result[n] *= 1 - a + a * np.exp(-total)
    return result


@functools.cache
def law_of(fraction, rectified=False):
    kind = RectifiedGeneralizedGaussian if rectified else GeneralizedGaussian
    return kind(mu_for_l0(fraction, 1.0), unit_variance_scale(1.0), 1.0)


def count_by_quantiles(w, y, fraction):
    return rdmreg_loss(w.relu(), y, 64) + coordinate_loss(w, law_of(fraction))


def count_by_threshold(w, y, fraction, weight=1.0):
    return rdmreg_loss(w.relu(), y, 64) + weight * w.quantile(1 - fraction, dim=0).square().mean()


def count_softly(w, y, fraction, width=0.1):
    share = torch.sigmoid(w / width).mean(0)
    return rdmreg_loss(w.relu(), y, 64) + (share - fraction).square().mean()


ANSWERS = {
    "04.1": (
        [(1.667, -1.333, 0.667), (torch.tensor(5 / 3), np.float32(-4 / 3), [2 / 3])],
        [
            ((29 / 3, -4 / 3, 2 / 3), "as they were drawn"),
            ((5, -4 / 3, 2 / 3), "1/B in front"),
            ((math.sqrt(5 / 3), -4 / 3, 2 / 3), "*squared* distance"),
            ((2.0, -4 / 3, 2 / 3), "the loss is not 2.000"),
            ((1.7, -1.3, 0.7), "the loss: 1.7 is near, but three significant digits"),
            ((5 / 3, -1.3, 0.7), "the slope: -1.3 is near, but three significant digits"),
            ((5 / 3, -4 / 3, 0.7), "the least loss: 0.7 is near, but three significant digits"),
            ((5 / 3, 4 / 3, 2 / 3), "wrong sign"),
            ((5 / 3, 2, 2 / 3), "paired with 0, as drawn"),
            ((5 / 3, -4, 2 / 3), "of one pair alone"),
            ((5 / 3, -2 / 3, 2 / 3), "derivative of a square"),
            ((5 / 3, 1.0, 2 / 3), "only one pair contains the 3"),
            ((5 / 3, -4 / 3, 0.5), "is the shift that you took the best one"),
            ((5 / 3, -4 / 3, 0), "cannot bring the loss to zero"),
            ((5 / 3, -4 / 3, 1), "the difference of the means"),
            ((5 / 3, -4 / 3), "3 answers are expected, got 2"),
        ],
    ),
    "04.2": (
        [project_out, stretch, shift_unseen],
        [
            (functools.partial(shift_unseen, distance=0.8), "go farther"),
            ((stretch, shift_unseen), "one answer is expected, got 2"),
            (reordered, "reordered?"),
            (functools.partial(reordered, shift=3.0), "the fixed directions see it"),
            (functools.partial(stretch, hidden=False), "the fixed directions see it"),
            (functools.partial(reordered, shift=0.01), "along fresh ones"),
            (functools.partial(stretch, factor=1.1), "go farther"),
            (lambda y, c: 0 * y, "the fixed directions see it"),
            (lambda y, c: torch.linalg.svd(c).Vh[-1], "should be of shape (64, 2)"),
        ],
    ),
    "04.3": (
        [
            price_by_quadrature,
            price_by_samples,
            price_by_the_loss,
            functools.partial(price_by_the_loss, size=64, repetitions=40),
            price_less_floor,
        ],
        [
            (lambda k, d: k / d, "deviations, not variances"),
            (lambda k, d: (1 - math.sqrt(1 - k / d)) ** 2, "not the square at the mean"),
            (lambda k, d: 1 - math.sqrt(1 - k / d), "mean of its *square*"),
            (lambda k, d: (k / d) ** 2, "square of a variance's error"),
            (lambda k, d: 3 * k**2 / (4 * d**2), "with 8 of 16 coordinates dead"),
            (lambda k, d: price_by_quadrature(k, d) + 0.023, "is more than the right loss"),  # takes no k = 0
            (functools.partial(price_by_the_loss, dead=lambda k: 2 * k), "is more than the right loss"),
            (functools.partial(price_by_the_loss, dead=lambda k: k // 2), "is less than the right loss"),
        ],
    ),
    "04.4": (
        [floor_by_simulation, floor_by_the_loss, lambda size: torch.tensor(2 / size * harmonic(size))],
        [
            (lambda size: 2 / size, "the logarithm is missing"),
            (lambda size: harmonic(size) / size, "how many samples"),
            (lambda size: 2 * harmonic(size), "takes their mean"),
            (lambda size: 2.0, "what does sorting change"),
            (lambda size: 2 * math.log(size) / size, "good for very large b"),
            (lambda size: 2 * harmonic(size) / (size + 1), "at B = 2 the floor is higher"),
            (lambda size: 2.2 * harmonic(size) / size, "(10% off; if you simulate, repeat more)"),
        ],
    ),
    "04.5": (
        [waves_in_a_loop, waves],
        [
            (lambda c, t, g, mu, sigma: waves(c, t, 1, mu, sigma), "independent coins"),
            (lambda c, t, g, mu, sigma: waves(c, t, c.shape[1], mu, sigma), "one coin for all coordinates"),
            (functools.partial(waves, sign=-1), "the conjugate"),
            (functools.partial(waves, gate=lambda a: 2 * a), "at g = 1 it should be"),
            (waves_of_copies, "right at g = 1, but not with groups of 6"),
            (lambda *rest: "1", "complex numbers, got str"),
            (
                lambda c, t, g, *rest: waves(c.unflatten(1, (g, -1)).mT.flatten(1), t, g, *rest),
                "a group should be of neighbours",
            ),
            (lambda *rest: 1 / waves(*rest), "larger than 1 in size"),
            (lambda *rest: waves(*rest).real, "yours are real"),
            (lambda *rest: waves(*rest) / 2, "E exp(0) is 1"),
            (lambda *rest: waves(*rest).T, "should be of shape (3, 9)"),
        ],
    ),
    "04.6": (
        [count_by_quantiles, count_by_threshold, count_softly],
        [
            (lambda w, y, fraction: rdmreg_loss(w.relu(), y, 64), "still zero at the end"),
            (lambda w, y, fraction: coordinate_loss(w.relu(), law_of(fraction, True)), "still zero at the end"),
            (lambda w, y, fraction: count_softly(w, y, fraction, width=1.0), "fast enough?"),
            (lambda w, y, fraction: rdmreg_loss(w, y, 64), "of the features are non-zero"),
            (lambda w, y, fraction: count_by_threshold(w, y, 1 - fraction), "of the features are non-zero"),
            (lambda w, y, fraction: w.quantile(1 - fraction, dim=0).square().mean(), "rdmreg ends at"),
            (lambda w, y, fraction: count_by_threshold(w, y, fraction).item(), "a loss is one number"),
            (lambda w, y, fraction: ((w > 0).float().mean() - fraction).square(), "a loss is one number"),
            (lambda w, y, fraction: (w.sqrt() - y.sqrt()).square().mean(), "no longer finite"),
            (lambda w, y, fraction: (w - y).square().mean(0), "a loss is one number"),
        ],
    ),
}
