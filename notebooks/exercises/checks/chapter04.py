"""Checks of the exercises of chapter 04, RDMReg.

Answers may be found by a formula, a solver or a simulation: tolerances leave room for all. All draws have fixed seeds.
"""

import math

import torch

from rlpjepa.distributions import mu_for_l0, sample_rgg
from rlpjepa.losses import rdmreg_loss
from rlpjepa.projections import random_directions

from . import Wrong, ask, check_digits, exercise, near, number, numbers


@exercise("04.1")
def transport_by_hand(loss_by_hand, slope_at_3, least_after_shift):
    loss, slope, least = (
        number(x, what)
        for x, what in ((loss_by_hand, "the loss"), (slope_at_3, "the slope"), (least_after_shift, "the least loss"))
    )
    if not near(loss, 5 / 3, 0.01):
        if near(loss, 29 / 3, 0.01):
            raise Wrong("the loss is yours for the pairs as they were drawn. Which pairing costs least?")
        if near(loss, 5, 0.01):
            raise Wrong("5 is the sum over the three pairs. Eq. 13 has a 1/B in front.")
        if near(loss, math.sqrt(5 / 3), 0.01):
            raise Wrong("you took a root. Eq. 13 is the *squared* distance, as it stands.")
        check_digits(loss, 5 / 3, "the loss: ")
        raise Wrong(f"the loss is not {loss:.3f}. Sort both, then take the mean of the three squares.")
    if not near(slope, -4 / 3, 0.01):
        if near(slope, 4 / 3, 0.01):
            raise Wrong(
                "the slope has the wrong sign: the partner of 3 lies above it, so moving up must lower the loss."
            )
        if near(slope, 2, 0.01):
            raise Wrong("that is the slope if 3 is paired with 0, as drawn. What is its partner in the best pairing?")
        if near(slope, -4, 0.01):
            raise Wrong("the slope is of one pair alone. The loss is a mean over three.")
        if near(slope, -2 / 3, 0.01):
            raise Wrong("half of the slope: what is the derivative of a square?")
        check_digits(slope, -4 / 3, "the slope: ")
        raise Wrong(f"the slope is not {slope:.3f}. Only one pair contains the 3.")
    if not near(least, 2 / 3, 0.01):
        if abs(least) < 1e-3:
            raise Wrong("a shift cannot bring the loss to zero: the target is spread out more than the features.")
        if near(least, 1, 0.01):
            raise Wrong("1 is the best shift, the difference of the means (or its square). What is left of the loss?")
        check_digits(least, 2 / 3, "the least loss: ")
        raise Wrong(f"after the best shift the loss is not {least:.3f}. Is the shift that you took the best one?")


@exercise("04.2")
def fool_directions(function):
    for n, d, size in ((1, 2, 64), (8, 12, 100), (31, 32, 64)):
        where = f"with {n} directions in {d} dimensions"
        generator = torch.Generator().manual_seed(n)
        y = sample_rgg((size, d), p=1.0, generator=generator, dtype=torch.float64)
        c = random_directions(n, d, dtype=torch.float64, generator=generator)
        z = numbers(ask(function, y.clone(), c.clone()), (size, d), f"{where}, the cloud")
        seen = rdmreg_loss(z, y, directions=c).item()
        fresh = rdmreg_loss(z, y, directions=random_directions(200, d, dtype=torch.float64, generator=generator)).item()
        if seen > 1e-6:
            if fresh > 0.5:
                raise Wrong(f"{where}: the fixed directions see it, their loss is {seen:.2g}. It should be 0 to 1e-6.")
            raise Wrong(
                f"{where}: the loss is {seen:.2g} along the fixed directions and {fresh:.2g} along fresh ones; wanted"
                " are 0 and 1 or more."
            )
        if fresh < 1e-6:
            raise Wrong(f"{where}: the loss along fresh directions is zero, too. This is the target sample, reordered?")
        if fresh < 0.8:  # a shift by the root of D has 1 on average, and a little less along some draws
            raise Wrong(
                f"{where}: fooled, but fresh directions see only {fresh:.2g}. Go farther: it should be about 1 or more."
            )


def mean_deviation(k, d):
    """E s of the deviation s = √(1 - w) of a shadow, w ~ Beta(k/2, (d - k)/2) the share of k coordinates in it."""
    return math.exp(
        math.lgamma((d - k + 1) / 2) + math.lgamma(d / 2) - math.lgamma((d - k) / 2) - math.lgamma((d + 1) / 2)
    )


def floor_of(function, d):
    """The noise floor in an answer, its value where no coordinate is dead: 0 for a formula, or where that takes no k = 0."""
    try:
        floor = number(ask(function, 0, d))
    except Exception:  # a formula may divide by k
        return 0.0
    return floor if abs(floor) > 1e-9 else 0.0


@exercise("04.3")
def price_of_dead(function):
    cases = ((3, 4), (8, 16), (1, 2), (1, 16), (256, 512), (1, 512))
    values = {(k, d): number(ask(function, k, d), f"the loss with {k} of {d} dead") for k, d in cases}

    def like(rule):
        return all(near(value, rule(k / d), 0.02) for (k, d), value in values.items())

    if like(lambda share: share):
        raise Wrong("this is the share of the variance that is lost. The loss compares deviations, not variances.")
    if like(lambda share: 1 - math.sqrt(1 - share)):
        raise Wrong("this is how much the deviation is too small. The loss is the mean of its *square*.")
    if like(lambda share: share**2):
        raise Wrong("this is the square of a variance's error. Of a shadow, the loss compares the deviation.")
    if like(lambda share: (1 - math.sqrt(1 - share)) ** 2):
        raise Wrong(
            "good in large dimension when many are dead, but every direction has its own share of the dead coordinates,"
            " and the mean of a square is not the square at the mean."
        )
    for (k, d), value in values.items():
        deviation = mean_deviation(k, d)
        right = 2 - k / d - 2 * deviation  # E (1 - s)²
        if near(value, right, 0.08):
            continue
        floor = floor_of(function, d)
        right += deviation * floor  # of sorted samples (s a - b)² is, on average, (1 - s)² and s times the floor
        if abs(value - right) > 0.08 * right + (5e-4 if floor else 0):
            size, hint = "more" if value > right else "less", " (If you simulate, repeat more.)" if floor else ""
            raise Wrong(f"with {k} of {d} coordinates dead, {value:.3g} is {size} than the right loss.{hint}")


@exercise("04.4")
def floor_of_exponential(function):
    sizes = (2, 10, 100, 1000)  # one sample has no distribution: the series' own loss wants two
    values = {size: number(ask(function, size), f"the floor at B = {size}") for size in sizes}
    harmonic = {size: sum(1 / i for i in range(1, size + 1)) for size in sizes}

    def like(rule):
        return all(near(values[size], rule(size), 0.03) for size in sizes)

    if like(lambda size: 2 / size):
        raise Wrong("right for B = 1, but with 2/B the logarithm is missing: the largest numbers fluctuate the most.")
    if like(lambda size: harmonic[size] / size):
        raise Wrong("half of the floor: this is one sample against its own means. How many samples are there?")
    if like(lambda size: 2 * harmonic[size]):
        raise Wrong("this is the sum over the B ranks. Eq. 13 takes their mean.")
    if like(lambda size: 2.0):
        raise Wrong("2 for every B is what pairs as drawn cost. What does sorting change?")
    if like(lambda size: 2 * math.log(size) / size):
        raise Wrong("good for very large B only. Before you replaced a sum by a logarithm, which sum was it?")
    for size, value in values.items():
        right = 2 * harmonic[size] / size
        if not near(value, right, 0.06):
            off = abs(value / right - 1)
            hint = f" ({off:.0%} off; if you simulate, repeat more)" if off < 0.15 else ""
            raise Wrong(f"at B = {size} the floor is {'lower' if value > right else 'higher'} than {value:.4g}{hint}.")


def characteristic_function(c, t, g, mu, sigma):
    """E exp(i t c.x) for groups of g coordinates that are active together: c (N, D), t (K,) -> (N, K)."""
    a = 0.5 * math.exp(mu / sigma)
    sizes = 1 / (1 - 1j * sigma * c.unsqueeze(-1) * t)  # (N, D, K)
    return (1 - a + a * sizes.unflatten(1, (-1, g)).prod(2)).prod(1)


@exercise("04.5")
def waves_of_groups(function):
    generator = torch.Generator().manual_seed(1)
    t = torch.linspace(-4, 4, 9, dtype=torch.float64)
    for n, d, g, mu, sigma in ((3, 6, 1, 0.0, 1.0), (2, 6, 6, -0.5, 0.8), (4, 12, 3, 0.0, 1.0), (2, 64, 8, -1.0, 0.7)):
        where = f"with groups of {g} in {d} dimensions"
        c = random_directions(n, d, dtype=torch.float64, generator=generator)
        answer = ask(function, c.clone(), t.clone(), g, mu, sigma)
        try:
            answer = torch.as_tensor(answer)
        except (TypeError, ValueError, RuntimeError):
            raise Wrong(f"the values should be complex numbers, got {type(answer).__name__}.") from None
        if not answer.is_complex():
            raise Wrong("a characteristic function has complex values; yours are real.")
        shape = f"{where}, the values"
        parts = [numbers(part, (n, len(t)), shape) for part in (answer.real, answer.imag)]
        value, right = torch.complex(*parts), characteristic_function(c, t, g, mu, sigma)

        def like(other):
            return torch.allclose(value, other, rtol=0, atol=1e-4)  # noqa: B023 (called in this round only)

        if like(right):
            continue
        if (value[:, len(t) // 2] - 1).abs().max() > 1e-4:
            raise Wrong(f"{where}: at t = 0 your value is {value[0, len(t) // 2].real:.3f}, but E exp(0) is 1.")
        if like(right.conj()):
            raise Wrong(f"{where}: yours is the conjugate. Has the i the right sign?")
        if like(characteristic_function(c, t, 1, mu, sigma)):
            raise Wrong(f"{where}: these are D independent coins. A group has one coin for all its coordinates.")
        if like(characteristic_function(c, t, d, mu, sigma)):
            raise Wrong(f"{where}: this is one coin for all coordinates; there are {d // g} groups with a coin each.")
        if like(characteristic_function(c.unflatten(1, (g, -1)).mT.flatten(1), t, g, mu, sigma)):
            raise Wrong(f"{where}: your groups are 0, {d // g}, …; a group should be of neighbours, 0 … {g - 1}.")
        if (value.abs() > 1 + 1e-6).any():
            raise Wrong(f"{where}: one of your values is larger than 1 in size, which no mean of waves can be.")
        if g > 1:
            raise Wrong(f"right at g = 1, but not {where}. In an active group every member has its own value.")
        raise Wrong(f"{where}: not the characteristic function. At g = 1 it should be the chapter's product.")


STARTS = {
    "all pre-activations negative": lambda w: -w.abs(),
    "all of them positive": lambda w: w.abs(),
    "half of them positive": lambda w: w,
}


def drive(function, start, fraction, generator, steps=100, shape=(128, 32), rate=0.2):
    """Minimises a student's loss over free pre-activations by Adam: the features at the end, (B, D)."""
    mu = mu_for_l0(fraction, 1.0)
    w = start(torch.randn(shape, generator=generator, dtype=torch.float32)).requires_grad_()
    optimizer = torch.optim.Adam([w])
    for step in range(steps):
        y = sample_rgg(shape, p=1.0, mu=mu, generator=generator, dtype=torch.float32)
        loss = ask(function, w, y, fraction)
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or not loss.requires_grad:
            raise Wrong("a loss is one number, a tensor that depends on w by differentiable steps.")
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return w.detach().relu().double()


@exercise("04.6")
def loss_that_counts(function):
    fraction = 0.25
    for name, start in STARTS.items():
        generator = torch.Generator().manual_seed(3)
        with torch.random.fork_rng(devices=[]):  # the student's loss may draw directions
            torch.manual_seed(3)
            z = drive(function, start, fraction, generator)
        where = f"from the start with {name}"
        if not z.isfinite().all():
            raise Wrong(f"{where} the points are no longer finite after some steps.")
        found = (z > 0).double().mean().item()
        if found == 0:
            raise Wrong(
                f"{where} all features are still zero at the end. Does your loss lift pre-activations below zero, and"
                " fast enough?"
            )
        if abs(found - fraction) > 0.03:
            raise Wrong(f"{where} {found:.3f} of the features are non-zero at the end, and {fraction} were wanted.")
        mu = mu_for_l0(fraction, 1.0)
        y, other = (sample_rgg(z.shape, p=1.0, mu=mu, generator=generator, dtype=torch.float64) for _ in range(2))
        c = random_directions(64, z.shape[1], generator=generator, dtype=torch.float64)
        ratio = rdmreg_loss(z, y, directions=c).item() / rdmreg_loss(other, y, directions=c).item()
        if ratio > 2:
            raise Wrong(f"{where} the count is right, but RDMReg ends at {ratio:.1f} times that of a target sample.")
