"""Checks of the exercises of chapter 02, the Rectified Generalized Gaussian.

Draws are judged at five standard errors: of the fewer than 100 comparisons that a check makes, a right sampler would
fail one in about 1 of 17,000 runs, and the seeds are fixed.
"""

import math

import torch

from rlpjepa.distributions import RectifiedGeneralizedGaussian, unit_variance_scale

from . import Wrong, ask, check_generator, exercise, near, number, numbers

LIMIT = 5  # standard errors


@exercise("02.1")
def predict_fractions(at_minus_2, at_plus_1, with_twice_the_scale):
    fraction = 0.5 * math.exp(-math.sqrt(2))  # at μ = -1
    rights = (2 * fraction**2, 1 - fraction, fraction)
    names = ("at μ = -2", "at μ = 1", "at μ = -2 with σ = √2")
    for name, right, answer in zip(names, rights, (at_minus_2, at_plus_1, with_twice_the_scale)):
        value = number(answer, f"the fraction {name}")
        if not 0 <= value <= 1:
            raise Wrong(f"{name}: a fraction lies between 0 and 1, yours is {value:g}.")
        if abs(value - right) <= 6e-4:
            continue
        if abs(value - (1 - right)) <= 6e-4:
            raise Wrong(f"{name}: {value:g} is the fraction of zeros. Asked is that of the non-zero entries.")
        if name == names[0] and abs(value - fraction**2) <= 6e-4:
            raise Wrong(f"{name}: {value:g} is the square of the given fraction. Which part of it is exponential in μ?")
        if name == names[0] and abs(value - fraction / 2) <= 6e-4:
            raise Wrong(f"{name}: {value:g} is half of the given fraction, but the tail does not fall along a line.")
        if name == names[2]:
            raise Wrong(f"{name}: not {value:g}. On what combination of μ and σ does Eq. 11 depend?")
        raise Wrong(f"{name}: not {value:g}.")


def draws(function, arguments, shape, where, seed=1):
    """Draws (float64) from a student's sampler."""
    x = numbers(ask(function, *arguments, torch.Generator().manual_seed(seed)), shape, f"{where}, the draws")
    if (x < 0).any():
        raise Wrong(f"{where}, some draws are negative.")
    if not (x == 0).any():
        raise Wrong(f"{where}, none of your {x.numel()} draws is exactly zero.")
    return x


def check_fraction(x, fraction, where, which=""):
    """Whether the non-zero fraction of independent draws (n,), or of each column of draws (n, d), is right."""
    n, share = len(x), (x > 0).double().mean(0)
    error = math.sqrt(fraction * (1 - fraction) / n)
    if (share - fraction).abs().max() <= LIMIT * error:
        return
    if abs(fraction - 0.5) > LIMIT * error and (share - (1 - fraction)).abs().max() <= LIMIT * error:
        raise Wrong(f"{where}, the fraction of zeros is {fraction:.3f}, and that of the others should be: exchanged?")
    worst = share.flatten()[(share - fraction).abs().argmax()].item()
    raise Wrong(f"{where}, {worst:.3f} of your draws{which} are non-zero. By Eq. 11 it should be {fraction:.3f}.")


def check_sizes(sizes, mu, sigma, where):
    """Whether positive numbers follow the exponential distribution of mean σ, by mean, mean square, share above the mean."""
    n, mean = len(sizes), sizes.mean().item()
    if abs(mean - sigma) > LIMIT * sigma / math.sqrt(n):
        said = f"{where}, the mean of your non-zero draws is {mean:.3f}"
        mistakes = {
            1 / sigma: "1/σ: a rate for a scale?",
            sigma - mu: "σ + |μ|: does μ move the entries that are left?",
        }
        wrong = min(mistakes, key=lambda value: abs(mean - value))
        if near(mean, wrong, 3 / math.sqrt(n)):
            raise Wrong(f"{said}, which is {mistakes[wrong]}")
        raise Wrong(f"{said}; Eq. 10 has another one there.")
    square, above = (sizes / sigma).square().mean().item(), (sizes > sigma).double().mean().item()
    share = math.exp(-1)
    if abs(square - 2) > LIMIT * math.sqrt(20 / n) or abs(above - share) > LIMIT * math.sqrt(share * (1 - share) / n):
        raise Wrong(
            f"{where}, your non-zero draws have the right mean, but not the distribution of Eq. 10: their mean square is"
            f" {square * sigma**2:.3f}, and {above:.3f} of them lie above σ."
        )


@exercise("02.2")
def draw_in_two_steps(function):
    n = 5000
    for mu, sigma in ((-1.0, math.sqrt(0.5)), (0.0, 1.0), (-0.5, 2.0)):
        where = f"at μ = {mu:g}, σ = {sigma:.3g}"
        x = draws(function, (n, mu, sigma), (n,), where)
        if mu == -1:
            check_generator(lambda seed: draws(function, (n, mu, sigma), (n,), where, seed))  # noqa: B023 (called here)
        check_fraction(x, 0.5 * math.exp(mu / sigma), where)
        first, second = (x[:-1] > 0).double(), (x[1:] > 0).double()
        together = torch.corrcoef(torch.stack([first, second]))[0, 1].item()
        if abs(together) > LIMIT / math.sqrt(n):
            raise Wrong(f"{where}, a draw tells whether the next one is zero: correlation {together:.2f}.")
        if (x[:-1] == x[1:])[(first * second) > 0].double().mean() > 0.01:
            raise Wrong(f"{where}, neighbouring non-zero draws are equal: was one size drawn for all?")
        check_sizes(x[x > 0], mu, sigma, where)


@exercise("02.3")
def choose_mu_and_sigma(function):
    for a in (0.25, 0.1, 0.01, 0.5):
        answer = ask(function, a)
        try:
            mu, sigma = answer
        except (TypeError, ValueError):
            raise Wrong("your function should return two numbers, μ and σ.") from None
        mu, sigma = number(mu, "μ"), number(sigma, "σ")
        if sigma <= 0:
            raise Wrong(f"at a = {a} your σ is {sigma:.3f}, but a scale is positive (first μ, then σ).")
        dist = RectifiedGeneralizedGaussian(torch.tensor(mu, dtype=torch.float64), sigma, 1.0)
        fraction, variance = dist.prob_active.item(), dist.variance.item()
        given = f"at a = {a} your μ = {mu:.3f} and σ = {sigma:.3f} give"
        if not near(fraction, a, 0.01):
            if near(fraction, 1 - a, 0.01):
                raise Wrong(f"{given} a fraction a of zeros; that of the non-zero entries is {fraction:.4f}.")
            raise Wrong(f"{given} a non-zero fraction of {fraction:.4f}.")
        if near(variance, 1, 0.01):
            continue
        if near(sigma, unit_variance_scale(1.0), 1e-3):
            raise Wrong(f"{given} unit variance *before* rectification; {variance:.3f} is left after it.")
        if near(2 * a * sigma**2, 1, 1e-3):
            raise Wrong(f"{given} the right fraction and a mean *square* of 1, but a variance of {variance:.3f}.")
        raise Wrong(f"{given} the right fraction, but a variance of {variance:.3f} after rectification.")


@exercise("02.4")
def best_fraction(function):
    def entropy(a, m):
        return a * (1 + math.log(m / a)) - a * math.log(a) - (1 - a) * math.log1p(-a)

    means = (1.0, 0.1, 10.0, 1000.0)
    answers = [number(ask(function, m), f"the fraction at m = {m:g}") for m in means]
    rights = [2 * m / (m + math.sqrt(m * m + 4 * m)) for m in means]

    def like(rule):
        return all(abs(a - rule(m)) < 2e-3 for a, m in zip(answers, means))

    for a, m in zip(answers, means):
        if not 0 < a <= 1:
            raise Wrong(f"at m = {m:g} your fraction is {a:.4g}; it should lie between 0 and 1.")
    if max(answers) - min(answers) < 1e-6:
        raise Wrong(f"your fraction is {answers[0]:.4g} for every m, but the best one depends on m.")
    if like(lambda m: math.e * m / (1 + math.e * m)):
        raise Wrong("this holds the mean of the *non-zero* entries fixed at m. Fixed is the mean over all entries.")
    if like(lambda m: min(m, 1)):
        raise Wrong("this makes a H₁ as large as possible. The entropy h has a second part, of the coin.")
    for a, right, m in zip(answers, rights, means):
        if abs(a - right) > 0.01:  # a grid of a hundred fractions will do
            loss = entropy(right, m) - entropy(min(a, 1 - 1e-12), m)
            raise Wrong(f"at m = {m:g} your fraction {a:.4f} gives {loss:.2g} nats less than the best one.")


@exercise("02.5")
def find_tie(function):
    def fractions(mu, shapes):
        mu = torch.tensor(mu, dtype=torch.float64)
        return [RectifiedGeneralizedGaussian(mu, unit_variance_scale(p), p).prob_active.item() for p in shapes]

    for shapes in ((0.5, 2.0), (1.0, 2.0), (0.5, 1.0), (4.0, 1.0)):
        where = f"for p = {shapes[0]:g} and q = {shapes[1]:g}"
        mu = number(ask(function, *shapes), f"{where}, μ")
        if abs(mu) <= 0.02:
            raise Wrong(f"{where}: at μ = 0 all shapes tie at one half. There is another tie, at a negative μ.")
        below, above = (fractions(mu + change, shapes) for change in (-0.01, 0.01))
        tie = (below[0] > below[1]) != (above[0] > above[1])  # between the two the order changes
        if tie and mu > 0:
            raise Wrong(f"{where}: there is a tie at your μ = {mu:.3f}, but a negative μ is wanted.")
        if not tie:
            at_p, at_q = fractions(mu, shapes)
            raise Wrong(
                f"{where}: at your μ = {mu:.3f} the non-zero fractions at unit variance are {at_p:.4f} and {at_q:.4f},"
                " which is no tie. Has each shape its own σ?"
            )


@exercise("02.6")
def draw_in_groups(function):
    n, d, mu, sigma = 4000, 12, -0.5, 0.8
    fraction = 0.5 * math.exp(mu / sigma)
    for g in (1, 3, 12):
        where = f"with groups of {g}"
        x = draws(function, (n, d, g, mu, sigma), (n, d), where)
        if g == 1:
            check_generator(lambda seed: draws(function, (n, d, 1, mu, sigma), (n, d), where, seed))  # noqa: B023
        check_fraction(x, fraction, where, " in one column")
        groups = x.reshape(n, d // g, g)
        gates = (groups > 0).double()
        if not torch.equal(gates.amin(2), gates.amax(2)):
            raise Wrong(f"{where}, there are groups that are neither all zero nor all non-zero.")
        if g < d:
            between = torch.corrcoef(gates[..., 0].T) - torch.eye(d // g)
            if between.abs().max() > LIMIT / math.sqrt(n):
                raise Wrong(f"{where}, one group tells whether another is zero; they should be independent.")
        check_independent_sizes(x, g, where)
        check_sizes(x[x > 0], mu, sigma, where)


def check_independent_sizes(x, g, where):
    """Whether the non-zero entries of draws x (n, d) are neither equal nor correlated, in a group of g and beyond."""
    active = x > 0
    size = (x - x[active].mean()) * active
    both, product = (
        active.double().T @ active.double(),
        size.T @ size,
    )  # (d, d): for each two columns, where both are on
    equal = ((x[:, :, None] == x[:, None]) & active[:, :, None]).sum(0) / both.clamp(min=1)
    group = torch.arange(x.shape[1]) // g
    within = group[:, None] == group
    for which, pairs in (("a group", within), ("different groups", ~within)):
        pairs = pairs.triu(1)
        if not pairs.any():
            continue
        if equal[pairs].max() > 0.01:
            raise Wrong(f"{where}, the non-zero entries of {which} are equal; only zeros in a group should be shared.")
        correlation = (product[pairs].sum() / both[pairs].sum() / x[active].var()).item()
        if abs(correlation) > LIMIT / math.sqrt(both[pairs].sum()):
            raise Wrong(f"{where}, sizes in {which} are correlated: {correlation:.2f}; they should be independent.")
