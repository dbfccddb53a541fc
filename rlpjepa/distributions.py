"""Generalized Gaussians: whole, truncated to (0, inf), and rectified (Eq. 8-12 of the blog post).

One standard variable T ~ GN_p(0, 1), of density exp(-|t|^p / p) / N with N = 2 Gamma(1/p) p^(1/p - 1), gives three
distributions of x = loc + scale T:

    GeneralizedGaussian             x                   Laplace at p = 1, Gauss at p = 2
    TruncatedGeneralizedGaussian    x, given x > 0      Eq. 10
    RectifiedGeneralizedGaussian    max(x, 0)           Eq. 8-9: an atom at 0 beside the truncated distribution

In the code t = (x - loc) / scale, and t0 = -loc / scale is the threshold that T must pass for x to be positive. All of
it can be differentiated once.

The distributions come first, then `sample_rgg` and the choice of mu and sigma. The special functions under them are in
`numerics.special`; those work in float64 whatever goes in and comes out, which is what keeps float32 accurate.
"""

import math
import numbers

import torch
from torch.distributions import Distribution, Laplace, Normal, constraints, register_kl

from .numerics import arguments, special


class _Family(Distribution):
    """What the three share. Each adds, in float64: _log_prob, _log_survival, _cdf, _quantile and _moments."""

    arg_constraints = {"loc": arguments.FINITE, "scale": arguments.POSITIVE, "p": arguments.SHAPE}
    has_rsample = True

    def __init__(self, loc, scale, p, validate_args=None):
        self.loc, self.scale, self.p = arguments.broadcast(loc=loc, scale=scale, p=p)
        self._p_given = self.p, float(p) if isinstance(p, numbers.Real) else None
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(_Family, _instance)  # refuses a subclass whose __init__ might do more
        new.loc, new.scale, new.p = (v.expand(batch_shape) for v in (self.loc, self.scale, self.p))
        super(_Family, new).__init__(torch.Size(batch_shape), validate_args=False)
        new._validate_args, new._p_given = self._validate_args, (new.p, self._number())
        return new

    def sample(self, sample_shape=(), *, generator=None):
        """Draws of shape sample_shape + batch_shape, without gradients; generator as in torch.randn."""
        with torch.no_grad():
            return self.rsample(sample_shape, generator=generator)

    @property
    def mode(self):
        """Where log_prob is largest, of shape batch_shape."""
        peak = self.loc.double()
        return torch.where(self._log_prob(peak) >= self._log_prob(0 * peak), self.loc, 0.0)

    def _number(self):
        """p, where it was given as a number and is still the same: some p are drawn fast, if known without a look."""
        p, number = self._p_given  # the tensor as it was made, and the number that it was made of
        if number is None or p is not self.p:
            return None
        changed = arguments.violated(p == number) if p.device.type == "cpu" else arguments.version(p)
        return None if changed else number

    def _draw(self, sample_shape, generator):
        """loc + scale T of shape sample_shape + batch_shape; half precision is too coarse to draw in.

        T = V (p G)^(1/p) with V ~ U(-1, 1), G ~ Gamma(1 + 1/p): the same as a random sign times (p Gamma(1/p))^(1/p),
        with no sign to draw and no Gamma that underflows.
        """
        dtype = torch.promote_types(self.loc.dtype, torch.float32)
        loc, scale, p = (value.to(dtype) for value in (self.loc, self.scale, self.p))
        shape, options = self._extended_shape(sample_shape), arguments.draw_options(loc.device, dtype, generator)
        number = self._number()
        if number == 2:
            return torch.randn(shape, **options) * scale + loc
        v = loc.new_empty(shape).uniform_(-1, 1, generator=generator)  # sign and magnitude in one draw
        if number in (1, 1 / 2, 1 / 3, 1 / 4):  # |T|^p / p ~ Gamma(1/p): 1/p exponentials, -log of uniforms
            p, least = number, torch.finfo(dtype).eps / 4  # in place of a zero, whose log is infinite
            product = v.abs().clamp_min_(least)
            for _ in range(round(1 / p) - 1):
                product *= torch.rand(shape, **options).clamp_min_(least)
            return product.log_().mul_(-p).pow_(1 / p).copysign_(v) * scale + loc
        p = p.expand(shape)
        return v * (p * torch._standard_gamma(1 + 1 / p, generator=generator)) ** (1 / p) * scale + loc

    @property
    def mean(self):
        """Of shape batch_shape."""
        return self._moments()[0].to(self.loc.dtype)

    @property
    def variance(self):
        """Of shape batch_shape."""
        return self._moments()[1].to(self.loc.dtype)

    def entropy(self):
        """In nats, of shape batch_shape."""
        return self._moments()[2].to(self.loc.dtype)

    def log_prob(self, value):
        """Log density at value, which has shape sample_shape + batch_shape."""
        return self._evaluate(self._log_prob, value)

    def cdf(self, value):
        """P(x <= value), to full relative precision however small."""
        return self._evaluate(self._cdf, value)

    def survival(self, value):
        """P(x > value), to full relative precision however small."""
        return self._evaluate(lambda value: self._log_survival(value).exp(), value)

    def log_survival(self, value):
        """log P(x > value), exact far beyond the point where survival underflows to 0."""
        return self._evaluate(self._log_survival, value)

    def icdf(self, q):
        """The quantiles at probabilities q in [0, 1]."""
        allowed = constraints.unit_interval

        def quantile(q):
            q = torch.where(allowed.check(q), q, math.nan)
            return self._quantile(q, 1 - q)

        return self._evaluate(quantile, q, "q", allowed)

    def _evaluate(self, function, value, name="value", allowed=None):
        value, _ = arguments.broadcast(**{name: value, "loc": self.loc})
        allowed = allowed or self.support
        # Waits for the device, as torch's own distributions do when they check a value.
        if self._validate_args and arguments.violated(allowed.check(value).cpu()):
            raise ValueError(f"{name} must satisfy {allowed}, got {value}")
        return function(value.double()).to(value.dtype)

    def _standard(self):
        """t0 = -loc / scale, scale and p, in float64."""
        return -self.loc.double() / self.scale.double(), self.scale.double(), self.p.double()

    def _as(self, kind):
        """Another of the three distributions with the same parameters."""
        return kind(self.loc, self.scale, self.p, validate_args=False)


class GeneralizedGaussian(_Family):
    """GN_p(loc, scale), of density p^(1 - 1/p) / (2 scale Gamma(1/p)) exp(-|x - loc|^p / (p scale^p)).

    Laplace at p = 1, Gauss at p = 2; scipy's gennorm(beta=p, loc=loc, scale=scale * p ** (1 / p)). Of all distributions
    with the same E|x - loc|^p it has the largest entropy. torch's kl_divergence takes it beside a Normal and a Laplace;
    other pairs have no short closed form.

    Args:
        loc, scale, p: numbers or floating-point tensors that broadcast to batch_shape; finite, scale positive, and p
            between 0.08 and 20 (there the numerics hold; icdf below 0.1 to 1e-6 in probability).

    Raises:
        ValueError: on integer tensors and shapes that do not broadcast; under validate_args also on parameters, values
            or probabilities out of range.

    Example:
        >>> x, laplace = torch.linspace(-3, 3, 7), torch.distributions.Laplace(0.0, 1.0)
        >>> torch.allclose(GeneralizedGaussian(0.0, 1.0, 1.0).log_prob(x), laplace.log_prob(x))
        True
    """

    support = constraints.real

    def rsample(self, sample_shape=(), *, generator=None):
        """Draws of shape sample_shape + batch_shape, with gradients (in p only where it is a tensor)."""
        return self._draw(sample_shape, generator).to(self.loc.dtype)

    def _t(self, value):
        return (value - self.loc.double()) / self.scale.double(), self.p.double()

    def _log_prob(self, value):
        return special.log_density(*self._t(value)) - self.scale.double().log()

    def _log_survival(self, value):
        return special.log_survival(*self._t(value))

    def _cdf(self, value):
        t, p = self._t(value)
        return special.log_survival(-t, p).exp()

    def _quantile(self, below, above):
        """The x with P(smaller) = below, P(larger) = above: both are given, as each is exact in its own tail."""
        _, scale, p = self._standard()
        left = below < above
        size = special.excess_quantile(torch.zeros_like(p), (2 * torch.where(left, below, above)).log(), p)
        return self.loc.double() + scale * torch.where(left, -size, size)

    def _moments(self):
        """Mean, variance and entropy."""
        _, scale, p = self._standard()
        return self.loc, scale**2 * special.log_variance(p).exp(), scale.log() + special.log_normalizer(p) + 1 / p


class TruncatedGeneralizedGaussian(_Family):
    """GN_p(loc, scale) given x > 0: Eq. 10, where Z = 2 scale Gamma(1/p) p^(1/p - 1) Phi(loc / scale).

    Of the distributions on (0, inf) with the same E|x - loc|^p it has the largest entropy; with the same E x^p only at
    loc = 0. The end point 0 counts as support, as in torch's HalfNormal. kl_divergence takes it beside a Normal. Args
    and Raises: as for GeneralizedGaussian.

    Example:
        >>> tails = TruncatedGeneralizedGaussian(torch.tensor([0.0, -1.0, -5.0]), 1.0, 1.0)
        >>> [round(mean, 3) for mean in tails.mean.tolist()]  # every tail of a Laplace is the same exponential
        [1.0, 1.0, 1.0]
    """

    support = constraints.nonnegative

    def rsample(self, sample_shape=(), *, generator=None):
        """The quantiles at uniform probabilities, of shape sample_shape + batch_shape."""
        shape = self._extended_shape(sample_shape)
        exponential = self.loc.new_empty(shape, dtype=torch.float64).exponential_(generator=generator)
        return self._quantile(-torch.expm1(-exponential), torch.exp(-exponential)).to(self.loc.dtype)

    def _log_prob(self, value):
        t0, scale, p = self._standard()
        y, t = torch.where(value < 0, 0.0, value) / scale, t0.clamp_min(0)
        plain = special.log_density(t0 + y, p) - special.log_survival(t0, p)
        plain = plain - torch.where((t0 == 0) & (y == 0) & (p == 1), y, 0.0)  # the slope from the right: abs has none
        # beyond the mode that is a difference of huge numbers; the rise of the exponent and Mills' ratio are not
        exact = torch.where(t0 > 0, -special.power_rise(t, y, p) - special.log_mills(t, p), plain)
        return torch.where(value < 0, -math.inf, special.graft(exact, plain) - scale.log())

    def _log_survival(self, value):
        t0, scale, p = self._standard()
        y, t = torch.where(value < 0, 0.0, value) / scale, t0.clamp_min(0)
        plain = special.log_survival(t0 + y, p) - special.log_survival(t0, p)
        ahead, rise = special.log_mills(t + y, p), special.power_rise(t, y, p)
        return special.graft(torch.where(t0 > 0, ahead - special.log_mills(t, p) - rise, plain), plain)

    def _cdf(self, value):
        t0, scale, p = self._standard()
        value, log_survival = torch.where(value < 0, 0.0, value), self._log_survival(value)
        # 1 - survival cancels where it is small: integrate from 0 there, a short way in three Gauss-Legendre points
        is_short = value / scale * torch.maximum(1 / t0.abs(), t0.abs() ** (p - 1)) < 0.05
        nodes = ((5 / 18, 0.5 - math.sqrt(0.15)), (8 / 18, 0.5), (5 / 18, 0.5 + math.sqrt(0.15)))
        short = value * sum(weight * self._log_prob(node * value).exp() for weight, node in nodes)
        longer = special.interval_mass(t0, t0 + value / scale, p) / special.log_survival(t0, p).exp()
        small = torch.where(is_short, short, longer)
        return special.graft(torch.where(log_survival > -0.01, small, -torch.expm1(log_survival)), -log_survival.exp())

    def _quantile(self, below, above):
        t0, scale, p = self._standard()
        # t0 < 0: a quantile of the whole distribution, with the mass below t0 put back; else one of its tail
        low = torch.where(t0 < 0, t0, 0.0)  # at t0 = 0, where loc usually starts, the derivative is that of a tail
        log_above = torch.where(below < 0.5, torch.log1p(-below), above.log())
        share = special.log_survival(low, p).exp()
        below, above = below * share + special.log_survival(-low, p).exp(), above * share
        left = below < above
        log_tail = torch.where(t0 < 0, (2 * torch.where(left, below, above)).log(), log_above)
        y = special.excess_quantile(t0 - low, log_tail, p)
        y = torch.where(t0 < 0, torch.where(left, -y, y) - t0, y)
        return scale * torch.where(y < 0, 0.0, y)  # not clamp, whose slope at 0 is another in another torch

    def _moments(self):
        t0, scale, p = self._standard()
        t = torch.where(t0 < 0, -t0, t0)  # |t0|, but with a derivative at 0, where loc usually starts
        y, log_weights, rise = special.tail_nodes(t, p)
        weights, log_mills = log_weights.softmax(-1), log_weights.logsumexp(-1)
        mean, rise = (weights * y).sum(-1), (weights * rise).sum(-1)
        variance = (weights * (y - mean.unsqueeze(-1)) ** 2).sum(-1)
        # t0 < 0: the whole distribution less its far tail
        log_share, tail = special.log_survival(-t, p), special.log_survival(t, p).exp()
        center = tail * (t + mean) / log_share.exp()
        spread = (special.log_variance(p).exp() - tail * ((t + mean) ** 2 + variance)) / log_share.exp() - center**2
        exponent = (1 / p - tail * ((t**p / p).detach() + rise)) / log_share.exp()
        mean, variance = torch.where(t0 < 0, t + center, mean), torch.where(t0 < 0, spread, variance)
        entropy = torch.where(t0 < 0, special.log_normalizer(p) + log_share + exponent, log_mills + rise)
        return scale * mean, scale**2 * variance, scale.log() + entropy


class RectifiedGeneralizedGaussian(_Family):
    """max(x, 0) for x ~ GN_p(loc, scale): an atom at 0 (Eq. 8) beside the density of x above 0 (Eq. 9).

    log_prob is with respect to delta_0 + Lebesgue; entropy() is the d(xi)-dimensional one of a coordinate, in nats:
    Phi H_1(truncated distribution) + H_0(Bernoulli(Phi)), Phi = prob_active. There is no kl_divergence: beside a
    distribution without an atom it would be infinite. Args and Raises: as for GeneralizedGaussian.

    Example:
        >>> target = RectifiedGeneralizedGaussian(-1.0, unit_variance_scale(1.0), 1.0)
        >>> round(target.prob_active.item(), 3), round(target.expected_l0(512).item())  # 12 % of 512 entries
        (0.122, 62)
    """

    support = constraints.nonnegative

    @property
    def prob_active(self):
        """P(x > 0) = Phi(loc / scale), of shape batch_shape: also the information dimension of a coordinate."""
        return self._log_probs()[0].exp().to(self.loc.dtype)

    def expected_l0(self, d):
        """E||x||_0 = d Phi(loc / scale) of d independent coordinates (Eq. 11-12). ValueError unless d is an int > 0."""
        arguments.check_counts(d=d)
        return d * self.prob_active

    def rsample(self, sample_shape=(), *, generator=None):
        """GeneralizedGaussian's, rectified: a zero passes no gradient."""
        return self._draw(sample_shape, generator).relu().to(self.loc.dtype)

    def _log_probs(self):
        """log P(x > 0) and log P(x = 0)."""
        t0, _, p = self._standard()
        return special.log_survival(t0, p), special.log_survival(-t0, p)

    def _log_prob(self, value):
        density = self._as(GeneralizedGaussian)._log_prob(torch.where(value <= 0, 1.0, value))
        return torch.where(value < 0, -math.inf, torch.where(value == 0, self._log_probs()[1], density))

    def _log_survival(self, value):
        return torch.where(value < 0, 0.0, self._as(GeneralizedGaussian)._log_survival(value))

    def _cdf(self, value):
        return torch.where(value < 0, 0.0, self._as(GeneralizedGaussian)._cdf(value))

    def _quantile(self, below, above):
        active, zero = (log.exp() for log in self._log_probs())
        # These are kept from the inverse, which is infinitely steep at 0 and 1.
        zero = torch.where(below < above, below <= zero, above >= active)
        x = self._as(GeneralizedGaussian)._quantile(torch.where(zero, 0.5, below), torch.where(zero, 0.5, above))
        return torch.where(zero, 0.0, x.clamp_min(0))

    def _moments(self):
        log_active, log_zero = self._log_probs()
        active, zero = log_active.exp(), log_zero.exp()
        mean, variance, entropy = self._as(TruncatedGeneralizedGaussian)._moments()
        return active * mean, active * (variance + zero * mean**2), active * (entropy - log_active) - zero * log_zero


@register_kl(GeneralizedGaussian, Normal)
@register_kl(TruncatedGeneralizedGaussian, Normal)
def _kl_normal(dist, normal):
    variance = dist.variance + (dist.mean - normal.loc) ** 2  # about the other mean
    return variance / (2 * normal.scale**2) + normal.scale.log() + math.log(2 * math.pi) / 2 - dist.entropy()


@register_kl(GeneralizedGaussian, Laplace)
def _kl_laplace(dist, laplace):
    shift = dist.loc - laplace.loc  # E|x| = E[max(x, 0)] + E[max(-x, 0)]
    sides = (RectifiedGeneralizedGaussian(loc, dist.scale, dist.p, validate_args=False) for loc in (shift, -shift))
    return sum(side.mean for side in sides) / laplace.scale + (2 * laplace.scale).log() - dist.entropy()


def sample_rgg(shape, p=1.0, mu=0.0, sigma=None, *, device=None, dtype=None, generator=None):
    """Independent draws of max(mu + sigma T, 0), T ~ GN_p(0, 1): the target of RDMReg (Eq. 8-9).

    Args:
        shape: of the result, for example (B, D).
        p, mu, sigma: numbers; sigma None means unit variance before rectification.
        device, dtype, generator: as in torch.randn.

    Raises:
        ValueError: unless p lies between 0.08 and 20, sigma is positive and finite, mu is finite, shape holds integers
            >= 0 and dtype is a floating one. For a p, mu or sigma of each coordinate use RectifiedGeneralizedGaussian.

    Example:
        >>> x = sample_rgg((1000, 512), mu=-1.0)
        >>> x.shape, round((x > 0).float().mean().item(), 2)  # 12 % of the entries are not zero
        (torch.Size([1000, 512]), 0.12)
    """
    arguments.check_numbers(p=p, mu=mu, sigma=1.0 if sigma is None else sigma)
    if not isinstance(shape, (tuple, list)) or not all(isinstance(n, numbers.Integral) and n >= 0 for n in shape):
        raise ValueError(f"shape must be a tuple of integers >= 0, got {shape!r}")
    dtype = arguments.check_dtype(dtype)
    sigma = unit_variance_scale(p) if sigma is None else sigma
    loc = torch.full((), float(mu), device=device, dtype=torch.promote_types(dtype, torch.float32))
    dist = RectifiedGeneralizedGaussian(loc, sigma, p, validate_args=False)
    return dist.sample(tuple(shape), generator=generator).to(dtype)


def unit_variance_scale(p):
    """The sigma that gives GN_p variance 1, before rectification: Gamma(1/p)^(1/2) / (p^(1/p) Gamma(3/p)^(1/2)).

    A number gives a float, a tensor a tensor of its shape and dtype. ValueError unless 0.08 < p < 20.

    Example:
        >>> [round(unit_variance_scale(p), 3) for p in (0.5, 1.0, 2.0)]
        [0.365, 0.707, 1.0]
    """
    return arguments.in_float64(lambda p: torch.exp(-special.log_variance(p) / 2), p=p)


def rectified_unit_variance_scale(p, mu):
    """The sigma at which max(mu + sigma T, 0), T ~ GN_p(0, 1), has variance 1: unit variance after rectification.

    Numbers give a float, tensors one of their common shape and dtype. ValueError unless 0.08 < p < 20 and mu is finite.

    Example:
        >>> sigma = rectified_unit_variance_scale(1.0, mu=-1.0)
        >>> round(RectifiedGeneralizedGaussian(-1.0, sigma, 1.0).variance.item(), 3)
        1.0
    """

    def variance_and_slope(log_sigma, p, mu):
        """log Var and its derivative in log sigma, 2 (1 - mu E[x] P(x = 0) / Var)."""
        dist = RectifiedGeneralizedGaussian(mu, log_sigma.exp(), p, validate_args=False)
        mean, variance, _ = dist._moments()
        return variance.log(), 2 - 2 * mu * mean * dist._log_probs()[1].exp() / variance

    def solve(p, mu):
        with torch.no_grad():
            # Rectifying lowers the variance, hence the lower end. For sigma >= |mu| it is at least that at mu = -sigma,
            # which is sigma^2 times a number that depends on p alone, hence the upper end.
            low, one = -special.log_variance(p) / 2, torch.ones_like(p)
            high = torch.maximum(-variance_and_slope(0 * one, p, -one)[0] / 2, mu.abs().log())
            for _ in range(25):
                middle = (low + high) / 2
                above = variance_and_slope(middle, p, mu)[0] > 0
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        for _ in range(2):  # Newton's steps finish it, and differentiate implicitly
            log_variance, slope = variance_and_slope(high.detach(), p, mu)
            high = high.detach() - log_variance / slope.detach()
        return high.exp()

    return arguments.in_float64(solve, p=p, mu=mu)


def mu_for_l0(fraction, p, sigma=None):
    """The mu that makes an entry non-zero with probability `fraction`: Eq. 11 inverted (0.1 for 90 % zeros).

    sigma None means unit variance before rectification. Numbers give a float, tensors one of their common shape and
    dtype. ValueError unless 0 < fraction < 1, 0.08 < p < 20 and sigma is positive and finite.

    Example:
        >>> mu = mu_for_l0(0.1, p=1.0)
        >>> round(mu, 3), round(RectifiedGeneralizedGaussian(mu, unit_variance_scale(1.0), 1.0).prob_active.item(), 3)
        (-1.138, 0.1)
    """

    def solve(fraction, p, sigma=None):
        sigma = torch.exp(-special.log_variance(p) / 2) if sigma is None else sigma
        return GeneralizedGaussian(0.0, sigma, p, validate_args=False)._quantile(fraction, 1 - fraction)

    return arguments.in_float64(solve, fraction=fraction, p=p, **({} if sigma is None else {"sigma": sigma}))
