"""Checks of the exercises of chapter 03, projected marginals.

Draws are judged at five standard errors, or at an equally rare distance of Kolmogorov and Smirnov: of the fewer than
100 comparisons that a check makes, a right sampler would fail one in about 1 of 17,000 runs, and the seeds are fixed.
"""

import math

import torch

from rlpjepa.distributions import sample_rgg
from rlpjepa.projections import random_directions

from . import Wrong, ask, check_generator, exercise, near, number, numbers

LIMIT = 5  # standard errors
LEVEL = 2.6  # times the root of 1/n + 1/m: two samples of one distribution are farther apart in 1 of 400,000 cases


@exercise("03.1")
def predict_atoms(on_axis, with_two, with_all, two_values):
    zero, names = 0.3, ("along an axis", "with two coordinates", "with all five", "with two values")
    rights = (zero, zero**2, zero**5, zero**2 + (1 - zero) ** 2)
    for name, right, answer in zip(names, rights, (on_axis, with_two, with_all, two_values)):
        value = number(answer, f"the atom {name}")
        if not 0 <= value <= 1:
            raise Wrong(f"{name}: a probability lies between 0 and 1, yours is {value:g}.")
        if near(value, right, 0.02):
            continue
        if name == names[1] and near(value, 1 - (1 - zero) ** 2, 0.02):
            raise Wrong(f"{name}: with probability {value:g} *at least one* of the two is zero. Is the sum, too?")
        if name in names[1:3] and near(value, zero, 0.02):
            raise Wrong(f"{name}: {value:g} is the atom of one coordinate. What must hold for the others?")
        if name == names[2] and value == 0:
            raise Wrong(f"{name}: small, but not zero. When is the shadow zero?")
        if name == names[3] and near(value, zero**2, 0.02):
            raise Wrong(f"{name}: {value:g} is the case that both are zero. When else is the difference zero?")
        raise Wrong(f"{name}: not {value:g}.")


def distance(a, b):
    """The largest gap between the distribution functions of two samples (n,) and (m,)."""
    at = torch.cat([a, b])
    shares = [torch.searchsorted(x.sort().values, at, right=True).double() / len(x) for x in (a, b)]
    return (shares[0] - shares[1]).abs().max().item()


def noise(a, b):
    """The distance that two samples of one distribution hardly ever exceed."""
    return LEVEL * math.sqrt(1 / len(a) + 1 / len(b))


@exercise("03.2")
def same_axes(function):
    def draw(seed, n=100):
        return numbers(ask(function, n, torch.Generator().manual_seed(seed)), (n, 2), "the draws")

    n = 200_000  # so that a covariance of 0.05 is seen
    y = draw(1, n)
    check_generator(draw)
    target = sample_rgg((2 * n, 2), 1.0, 0.0, 1.0, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for name, column in zip(("first", "second"), y.T):
        zeros = (column == 0).double().mean().item()
        if distance(column, target[:, 0]) > noise(column, target[:, 0]):
            raise Wrong(
                f"the {name} coordinate does not follow RGN_1(0, 1): {zeros:.3f} of your draws are zero there and their"
                f" mean is {column.mean():.3f}; it should be one half for both."
            )
    products = (y[:, 0] - 0.5) * (y[:, 1] - 0.5)  # with the mean of RGN_1(0, 1)
    covariance, error = products.mean().item(), products.std().item() / math.sqrt(n)
    directions = random_directions(8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    if abs(covariance) > LIMIT * error:
        if near(covariance, 0.75, 0.1):
            raise Wrong(f"the axes are fooled, but the covariance is {covariance:.2f}: twins vary together.")
        raise Wrong(f"the axes are fooled, but the covariance is {covariance:.2f} and should be zero.")
    gaps = [distance(y @ c, target @ c) / noise(y, target) for c in directions]
    if max(gaps) < 1:
        raise Wrong("none of 8 other directions sees a difference. Are your two coordinates independent?")


@exercise("03.3")
def shadow_kurtosis(function):
    def excess(c, kappa):
        c = torch.tensor(c, dtype=torch.float64)
        return number(ask(function, c, kappa), "the excess kurtosis")

    units = ([1.0, 0.0, 0.0], [0.6, -0.8], [0.5, 0.5, 0.5, 0.5], [0.1, 0.7, 0.7, 0.1])
    longer = ([1.0, 1.0, 1.0, 1.0], [3.0, 4.0], [0.02, -0.01])
    kappas = (10.0, 3.0, -1.2)

    def fourth(c):
        return sum(x**4 for x in c)

    def right(c, kappa):
        return kappa * fourth(c) / sum(x * x for x in c) ** 2

    values = {(k, kappa): excess(units[k], kappa) for k in range(len(units)) for kappa in kappas}

    def like(rule):
        return all(abs(v - rule(units[k], kappa)) <= 2e-3 * abs(kappa) for (k, kappa), v in values.items())

    if not like(right):
        if like(lambda c, kappa: (kappa + 3) * fourth(c) - 3):
            raise Wrong(
                "on an axis it is right, but the fourth moment of a sum has more terms than fourth moments: what about"
                " the squares of two coordinates, multiplied?"
            )
        if like(lambda c, kappa: (kappa + 3) * fourth(c)):
            raise Wrong("is yours the kurtosis? The *excess* kurtosis is less by 3, of a coordinate and of a shadow.")
        if like(lambda c, kappa: kappa):
            raise Wrong("you have the same excess kurtosis in every direction. Then no shadow would ever be Gaussian.")
        if like(lambda c, kappa: kappa / len(c)):
            raise Wrong("κ/d is right for equal weights only. Along an axis, for one, the shadow is the coordinate.")
        if like(lambda c, kappa: kappa * sum(abs(x) ** 3 for x in c)) or like(
            lambda c, kappa: kappa * sum(x**3 for x in c)
        ):
            raise Wrong("the cubes of the weights belong to the skewness. Which power belongs to a fourth moment?")
        (k, kappa), value = next(
            (key, v) for key, v in values.items() if not near(v, right(units[key[0]], key[1]), 0.01)
        )
        raise Wrong(f"in the direction {tuple(units[k])}, with κ = {kappa:g}, it is not {value:.3f}.")
    for c in longer:
        value = excess(c, 10.0)
        if not near(value, right(c, 10.0), 2e-3):
            raise Wrong(f"right for unit vectors, but not for c = {tuple(c)}: should its length change the kurtosis?")


def coordinate_kurtosis(mu):
    """Excess kurtosis of RGN_1(mu, 1/√2) for mu <= 0, by its moments a n! σⁿ; σ cancels."""
    a = 0.5 * math.exp(mu * math.sqrt(2))
    mean, second, third, fourth = (a * math.factorial(n) for n in (1, 2, 3, 4))
    variance = second - mean**2
    return a, (fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4) / variance**2 - 3


@exercise("03.4")
def how_many_to_mix(function):
    for mu, limit in ((0.0, 0.1), (0.0, 0.5), (-1.0, 0.1), (-3.0, 0.1), (-2.0, 1.0)):
        where = f"at μ = {mu:g} with a limit of {limit:g}"
        k = number(ask(function, mu, limit), f"{where}, k")
        if k != round(k) or k < 1:
            raise Wrong(f"{where}: k counts coordinates, but yours is {k:g}.")
        a, kappa = coordinate_kurtosis(mu)
        right = math.ceil(kappa / limit - 1e-9)
        if abs(k - right) <= 1e-4 * right:
            continue
        if abs(k - 3 / limit) <= 1:
            raise Wrong(f"{where}: {k:g} belongs to κ = 3, that of the Laplace distribution *before* ReLU.")
        if abs(k - (kappa + 3) / limit) <= 1:
            raise Wrong(f"{where}: {k:g} belongs to the kurtosis. The *excess* kurtosis is less by 3.")
        if abs(k - math.sqrt(kappa / limit)) <= 1:
            raise Wrong(f"{where}: {k:g} would be right if the excess kurtosis fell as 1/k². Weights are 1/√k here.")
        if abs(k - 6 / a / limit) <= 1:
            raise Wrong(f"{where}: {k:g} is what the limit of rare entries gives, κ = 6/a. Is a so small here?")
        if abs(k - right) <= 1:
            raise Wrong(f"{where}: {k:g} is one off. k is the *smallest* number with which the limit is kept.")
        raise Wrong(f"{where}: {k:g} equal weights give an excess kurtosis of {kappa / k:.4g}.")


def wave(function):
    """A characteristic function, to be called with a number, an array or a tensor."""
    return lambda t: function(torch.as_tensor(t).double())


RECTIFIED = wave(lambda t: 0.7 + 0.3 / (1 - 0.8j * t))
TWO_VALUES = wave(lambda t: 0.6 + 0.4 * torch.exp(1.4j * t))
LAWS = (  # name, characteristic function, {s: P(x = s)}
    ("RGN_1 with 70 % zeros", RECTIFIED, {0.0: 0.7}),
    ("the distribution of two values, 0 and 1.4,", TWO_VALUES, {0.0: 0.6, 1.4: 0.4, 0.7: 0.0}),
    ("N(0, 1)", wave(lambda t: torch.exp(-t * t / 2) + 0j), {0.0: 0.0}),
    ("a shadow of two coordinates", wave(lambda t: RECTIFIED(0.6 * t) * RECTIFIED(-0.8 * t)), {0.0: 0.49}),
    ("a shifted RGN_1", wave(lambda t: torch.exp(-0.5j * t) * RECTIFIED(t)), {-0.5: 0.7, 0.0: 0.0}),
)


@exercise("03.5")
def atom_at(function):
    for name, phi, atoms in LAWS:
        for s, right in atoms.items():
            where = f"for {name} at s = {s:g}"
            answer = ask(function, phi, s)
            if isinstance(answer, complex) or "complex" in str(getattr(answer, "dtype", "")):
                raise Wrong("your answer is complex, but an atom is a probability. What is left of the imaginary part?")
            value = number(answer, f"{where}, the atom")
            if abs(value - right) <= 0.01:
                continue
            if phi is RECTIFIED and s == 0:
                if abs(value - 1) <= 0.01:
                    raise Wrong(f"{where}: 1 is φ(0), the whole mass. Where does φ tell the atom from the rest?")
                if abs(value - 2 * right) <= 0.02:
                    raise Wrong(f"{where}: {value:.3f} is twice the atom. How long is the interval from -T to T?")
                if abs(value - right**2) <= 0.01:
                    raise Wrong(f"{where}: {value:.3f} is the *square* of the atom: a mean of |φ|² and not of φ?")
            if phi is TWO_VALUES and s == 0:
                raise Wrong(f"{where}: not {value:.3f}. Here φ goes round and round: no single large t will do.")
            if phi is TWO_VALUES:
                raise Wrong(f"{where}: not {value:.3f}, though it is right at s = 0. How does a shift change φ?")
            raise Wrong(f"{where}: not {value:.3f}.")


@exercise("03.6")
def balanced_directions(function):
    for n, d, k in ((64, 32, 4), (6, 6, 1), (600, 12, 6), (40, 5, 5)):
        where = f"at n = {n}, d = {d}, k = {k}"

        def draw(seed):
            answer = ask(function, n, d, k, torch.Generator().manual_seed(seed))  # noqa: B023 (called in this round only)
            return numbers(answer, (n, d), f"{where}, the directions")  # noqa: B023

        one = draw(1)
        used = one != 0
        if (used.sum(1) != k).any():
            found = used.sum(1)[used.sum(1) != k][0].item()
            raise Wrong(f"{where}: one of your directions mixes {found} coordinates and not {k}.")
        length = one.norm(dim=1)
        if (length - 1).abs().max() > 1e-5:
            raise Wrong(f"{where}: one of your directions has the length {length[(length - 1).abs().argmax()]:.3f}.")
        if (used.sum(0) != n * k // d).any():
            least, most = used.sum(0).min().item(), used.sum(0).max().item()
            raise Wrong(f"{where}: coordinates are used {least} to {most} times; each should be {n * k // d} times.")
        check_generator(draw)
        if n > d and (one >= 0).all():
            raise Wrong(f"{where}: all weights are positive. A direction has signs, too.")
        if n == 600:  # 12 coordinates in sixes: 66 pairs, of which each direction uses 15
            pairs = used.double().T @ used.double()
            if pairs[~torch.eye(d, dtype=torch.bool)].min() == 0:
                raise Wrong(f"{where}: two coordinates never meet in a direction. Who meets whom should be drawn, too.")
            fourth, expected = one.pow(4).sum(1).mean().item(), 3 / (k + 2)
            if abs(fourth - expected) > LIMIT * one.pow(4).sum(1).std().item() / math.sqrt(n) + 1e-9:
                raise Wrong(
                    f"{where}: the mean of Σ c⁴ is {fourth:.3f}, but for uniform directions of {k} dimensions it is"
                    f" 3/(k + 2) = {expected:.3f}: are the non-zero weights drawn as a random direction is?"
                )
