"""Checks of the exercises of chapter 05, pretraining.

None of them needs a trained network: they look at numbers and at small tensors.
"""

import itertools
import math
import statistics

import torch

from . import Wrong, ask, exercise, near, number, numbers


@exercise("05.1")
def price_of_collapse(at_zero, at_best_constant, at_zero_mu_minus_2):
    names = ("z = 0 at μ = 0", "the best constant at μ = 0", "z = 0 at μ = -2")
    rights = (62.5, 46.875, 125 * math.exp(-2 * math.sqrt(2)) / 2)  # 125 times E y², Var y and E y²
    for name, right, answer in zip(names, rights, (at_zero, at_best_constant, at_zero_mu_minus_2)):
        value = number(answer, f"the objective for {name}")
        if near(value, right, 0.05):  # a simulation of one batch of 256 scatters by as much
            continue
        if value < 0:
            raise Wrong(f"{name}: both terms are means of squares, so the objective cannot be {value:g}.")
        if near(value * 125, right, 0.01):
            raise Wrong(f"{name}: {value:g} is the regularizer itself. Which weight does it have in the objective?")
        if near(value, 2 * right, 0.01):
            question = "What does ReLU leave of a mean square of 1? And is it the mean over the views, or their sum?"
            raise Wrong(f"{name}: {value:g} is twice too much. {question}")
        if near(value, right * 256, 0.02):
            raise Wrong(f"{name}: {value:g} grows with D. How long is the shadow of a vector on a *unit* direction?")
        if name == names[1] and near(value, 62.5, 0.01):
            raise Wrong(f"{name}: {value:g} is what z = 0 costs; a constant nearer to the targets costs less.")
        if name == names[2] and near(value, rights[0], 0.01):
            raise Wrong(f"{name}: {value:g} is that of μ = 0. Fewer and smaller entries of y are left at μ = -2.")
        raise Wrong(f"{name}: not {value:g}.")


def sorted_distance(z, y):
    """Squared 2-Wasserstein distance of two samples (B,) on a line."""
    return (z.sort().values - y.sort().values).square().mean().item()


@exercise("05.2")
def two_ranks(function):
    for size in (4, 10, 64):
        answer = ask(function, size)
        try:
            z, y = answer
        except (TypeError, ValueError):
            raise Wrong("your function should return two tensors, z and y.") from None
        z, y = (numbers(part, what=name).squeeze() for name, part in (("z", z), ("y", y)))
        if z.shape != (size,) or y.shape != (size,):
            shapes = f"{tuple(z.shape)} and {tuple(y.shape)}"
            raise Wrong(f"for B = {size}, z and y should have shape ({size},), got {shapes}.")
        if min(z.min(), y.min()) < 0 or max(z.max(), y.max()) > 1:
            raise Wrong("all numbers should lie between 0 and 1.")
        whole, half = sorted_distance(z, y), size // 2
        if whole > 1e-6:
            raise Wrong(f"for B = {size} the loss of the whole batch is {whole:.3f}, and it should be 0.")
        halves = (sorted_distance(z[:half], y[:half]) + sorted_distance(z[half:], y[half:])) / 2
        if halves < 1e-6:
            raise Wrong(f"for B = {size} each half matches its own targets too: the mean of the two losses is 0.")
        if halves < 0.999:
            raise Wrong(f"for B = {size} the mean of the two losses is {halves:.3f}; it can be larger.")


@exercise("05.3")
def many_views(function):
    generator = torch.Generator().manual_seed(0)
    for views in (2, 3, 6):
        z = torch.randn(views, 5, 4, generator=generator, dtype=torch.float64).requires_grad_()
        right = sum((a - b).square().mean() for a, b in itertools.combinations(z, 2)) / math.comb(views, 2)
        (slope,) = torch.autograd.grad(right, z)
        answer = ask(function, z)
        value, right = number(answer, f"the loss of {views} views"), right.item()
        if not near(value, right, 1e-4):
            factor = value / right
            if views == 2:
                raise Wrong(
                    f"for two views it should be the chapter's invariance term, but it is {factor:.3f} times it."
                )
            if near(factor, 2 * (views - 1) / views, 1e-3):
                raise Wrong(
                    f"right for two views, but for {views} it is {factor:.3f} times the mean over the pairs: by what"
                    " number is the sum over the views divided?"
                )
            if near(factor, math.comb(views, 2), 1e-3):
                raise Wrong(
                    f"for {views} views this is the *sum* over the {math.comb(views, 2)} pairs, not their mean."
                )
            raise Wrong(f"right for two views, but for {views} it is {factor:.3f} times the mean over the pairs.")
        if not isinstance(answer, torch.Tensor) or not answer.requires_grad:
            raise Wrong("the value is right, but no gradient flows from it to z: what cut it off?")
        if not torch.allclose(torch.autograd.grad(answer, z)[0], slope, rtol=1e-4, atol=1e-9):
            raise Wrong("the value is right, but its gradient is not: does it flow into every view?")


@exercise("05.4")
def dead_by_chance(function):
    def at_most(k, a, n):
        return sum(math.comb(n, j) * a**j * (1 - a) ** (n - j) for j in range(k + 1))

    settings = [(0.00135, 2000), (0.00135, 10_000), (0.0296, 2000), (0.0005, 2000), (0.00135, 1000), (0.002, 1500)]
    settings.append((0.002, 1200))  # where n/1000 is not rounded up to the nearest whole number
    answers = []
    for a, n in settings:
        value = number(ask(function, a, n), f"the share at a = {a}, n = {n}")
        if not -1e-9 <= value <= 1 + 1e-9:
            raise Wrong(f"a share lies between 0 and 1, at a = {a}, n = {n} yours is {value:.3f}.")
        answers.append(value)

    def like(rule):
        return all(abs(value - rule(a, n)) < 0.02 for value, (a, n) in zip(answers, settings))

    if like(lambda a, n: a < 1e-3):
        raise Wrong("this asks whether a is below 1/1000. How often a coordinate is on in n images is left to chance.")
    if like(lambda a, n: (1 - a) ** n):
        raise Wrong("this is the share of coordinates that are on for *no* image. Some others are dead, too.")
    if like(lambda a, n: at_most(n // 1000, a, n)):
        raise Wrong("dead means on for *fewer* than 1 in 1000: of 2000 images, is two fewer than that?")
    if like(lambda a, n: 1 - at_most(math.ceil(n / 1000) - 1, a, n)):
        raise Wrong("this is the share of coordinates that are *not* dead.")
    for value, (a, n) in zip(answers, settings):
        limit = math.ceil(n / 1000) - 1  # the largest count that is dead
        if abs(value - at_most(limit, a, n)) > 0.02:
            raise Wrong(f"at a = {a}, n = {n} it is not {value:.3f}. How many images may a dead coordinate be on for?")


@exercise("05.5")
def seeds_needed(function):
    for accuracies, difference in (  # none where n comes out whole: there rounding errors decide
        ([0.456, 0.455, 0.409], 0.03),
        ([0.456, 0.455, 0.409], 0.0125),
        ([0.61, 0.62, 0.6, 0.64, 0.63], 0.018),
        ([0.3, 0.304, 0.309, 0.296], 0.1),
    ):
        where = f"for accuracies {', '.join(map(str, accuracies))} and a difference of {difference}"
        value = number(ask(function, list(accuracies), difference), f"{where}, the number of seeds")
        exact = 8 * statistics.variance(accuracies) / difference**2
        right = max(1, math.ceil(exact))
        if value == right:
            continue
        if value != round(value):
            raise Wrong(f"{where}: {value:.3g} is no number of runs. It should be whole, and just large enough.")
        if value < 1:
            raise Wrong(f"{where}: {value:g} runs give no mean at all.")
        if value == max(1, math.ceil(exact / 2)):
            raise Wrong(f"{where}: {value:g} runs do for *one* mean. A difference of two means varies more than each.")
        if value == max(1, math.ceil(exact / 4)):
            raise Wrong(f"{where}: with {value:g} runs the difference is one standard error, and two are wanted.")
        population = 8 * statistics.pvariance(accuracies) / difference**2
        if value == max(1, math.ceil(population)):
            raise Wrong(f"{where}: not {value:g}. Is the spread of so few runs taken about their *own* mean?")
        if value in (math.floor(exact), right + 1):
            raise Wrong(f"{where}: {value:g} is one off. The smallest number that is enough is wanted.")
        size = "few" if value < right else "many"
        raise Wrong(f"{where}: {value:g} of each are too {size}.")


@exercise("05.6")
def wake(function):
    generator = torch.Generator().manual_seed(0)
    u = torch.randn(64, 12, generator=generator)
    dead = torch.arange(12) % 3 == 0
    u[:, dead] = -0.2 - u[:, dead].abs() - torch.arange(4) / 10
    u[:, 1] -= u[:, 1].max() - 1e-3  # on for one image, and hardly

    def slope(u):
        u = u.clone().requires_grad_()
        penalty = ask(function, u)
        number(penalty, "the penalty")
        if not isinstance(penalty, torch.Tensor) or not penalty.requires_grad:
            raise Wrong("no gradient flows from your penalty to u.")
        (gradient,) = torch.autograd.grad(penalty.sum(), u, allow_unused=True)
        if gradient is None:
            raise Wrong("no gradient flows from your penalty to u.")
        return gradient

    gradient = slope(u)
    if not gradient.isfinite().all():
        raise Wrong("the gradient of your penalty is not finite.")
    if (gradient[:, dead] == 0).all():
        raise Wrong("a coordinate that is zero on the whole batch gets no gradient. ReLU itself passes none there.")
    if (gradient[:, dead] > 0).any():
        raise Wrong("your penalty pushes a dead coordinate further down: its gradient there is positive.")
    if (gradient[:, dead] == 0).all(dim=0).any():
        raise Wrong("some of the dead coordinates get no gradient.")
    if (gradient[:, ~dead] != 0).any():
        raise Wrong(
            "your penalty also moves coordinates that are on for some images. Their share is RDMReg's business."
        )
    for _ in range(200):
        if (u > 0).any(dim=0).all():
            return
        u = u - 0.02 * slope(u).sign()  # the size of a step does not depend on that of the gradient, as in Adam
    raise Wrong("after 200 steps down your penalty some coordinates are still zero on the whole batch.")
