"""Generalized Gaussians: whole, truncated to (0, inf), and rectified (Eq. 8-12 of the blog post).

One standard variable T ~ GN_p(0, 1), of density exp(-|t|^p / p) / N with N = 2 Gamma(1/p) p^(1/p - 1), gives three laws
of x = loc + scale T:

    GeneralizedGaussian             x                   Laplace at p = 1, Gauss at p = 2
    TruncatedGeneralizedGaussian    x, given x > 0      Eq. 10
    RectifiedGeneralizedGaussian    max(x, 0)           Eq. 8-9: an atom at 0 beside the truncated law

In the code t = (x - loc) / scale, and t0 = -loc / scale is the threshold that T must pass for x to be positive.

The laws come first, then `sample_rgg` and the choice of mu and sigma, then the special functions they all stand on.
Those work in float64 whatever goes in and comes out, which is what keeps float32 accurate.
"""

import functools
import math
import numbers

import torch
from torch.autograd.function import once_differentiable
from torch.distributions import Distribution, constraints
from torch.distributions.kl import register_kl


class _Between(constraints.Constraint):
    """An open interval, for tensors and numbers. (torch's `real` and `positive` would let infinity pass.)"""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def check(self, value):
        return (self.low < value) & (value < self.high)

    def __repr__(self):
        return f"({self.low}, {self.high})"


_FINITE, _POSITIVE, _FRACTION = _Between(-math.inf, math.inf), _Between(0, math.inf), _Between(0, 1)


class _Law(Distribution):
    """What the three laws share. Each adds, in float64: _log_prob, _log_survival, _cdf, _quantile and _moments."""

    arg_constraints = {"loc": _FINITE, "scale": _POSITIVE, "p": _POSITIVE}
    has_rsample = True

    def __init__(self, loc, scale, p, validate_args=None):
        self.loc, self.scale, self.p = _broadcast(loc=loc, scale=scale, p=p)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(type(self), _instance)
        new.loc, new.scale, new.p = (v.expand(batch_shape) for v in (self.loc, self.scale, self.p))
        super(_Law, new).__init__(torch.Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    mean = property(lambda self: self._moments()[0].to(self.loc.dtype))
    variance = property(lambda self: self._moments()[1].to(self.loc.dtype))

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
        value, _ = _broadcast(**{name: value, "loc": self.loc})
        allowed = allowed or self.support
        if self._validate_args and not allowed.check(value).all():
            raise ValueError(f"{name} must satisfy {allowed}, got {value}")
        return function(value.double()).to(value.dtype)

    def _standard(self):
        """t0 = -loc / scale, scale and p, in float64."""
        return -self.loc.double() / self.scale.double(), self.scale.double(), self.p.double()

    def _as(self, law):
        """Another of the three laws with the same parameters."""
        return law(self.loc, self.scale, self.p, validate_args=False)


class GeneralizedGaussian(_Law):
    """GN_p(loc, scale), of density p^(1 - 1/p) / (2 scale Gamma(1/p)) exp(-|x - loc|^p / (p scale^p)).

    Laplace at p = 1, Gauss at p = 2; scipy's gennorm(beta=p, loc=loc, scale=scale * p ** (1 / p)). Of all laws with the
    same E|x - loc|^p it has the largest entropy.

    Args:
        loc, scale, p: numbers or floating-point tensors that broadcast to batch_shape; finite, scale and p positive.

    Raises:
        ValueError: on integer tensors and shapes that do not broadcast; under validate_args also on parameters, values
            or probabilities out of range.
    """

    support = constraints.real

    def rsample(self, sample_shape=()):
        """loc + scale V (p G)^(1/p) with V ~ U(-1, 1), G ~ Gamma(1 + 1/p), of shape sample_shape + batch_shape.

        The same law as a random sign times (p Gamma(1/p))^(1/p), but with no sign to draw and no Gamma that underflows.
        """
        shape = self._extended_shape(sample_shape)
        v = torch.empty(shape, dtype=self.loc.dtype, device=self.loc.device).uniform_(-1, 1)
        p = self.p.expand(shape)
        return self.loc + self.scale * v * (p * torch._standard_gamma(1 + 1 / p)) ** (1 / p)

    def _t(self, value):
        return (value - self.loc.double()) / self.scale.double(), self.p.double()

    def _log_prob(self, value):
        return _log_density(*self._t(value)) - self.scale.double().log()

    def _log_survival(self, value):
        return _log_survival(*self._t(value))

    def _cdf(self, value):
        t, p = self._t(value)
        return _log_survival(-t, p).exp()

    def _quantile(self, below, above):
        """The x with P(smaller) = below, P(larger) = above: both are given, as each is exact in its own tail."""
        _, scale, p = self._standard()
        left = below < above
        size = _excess_quantile(torch.zeros_like(p), (2 * torch.where(left, below, above)).log(), p)
        return self.loc.double() + scale * torch.where(left, -size, size)

    def _moments(self):
        """Mean, variance and entropy."""
        _, scale, p = self._standard()
        return self.loc, scale**2 * _log_variance(p).exp(), scale.log() + _log_normalizer(p) + 1 / p


class TruncatedGeneralizedGaussian(_Law):
    """GN_p(loc, scale) given x > 0: Eq. 10, where Z = 2 scale Gamma(1/p) p^(1/p - 1) Phi(loc / scale).

    Of the laws on (0, inf) with the same E|x - loc|^p it has the largest entropy; with the same E x^p only at loc = 0.
    The end point 0 counts as support, as in torch's HalfNormal. Args and Raises: as for GeneralizedGaussian.
    """

    support = constraints.nonnegative

    def rsample(self, sample_shape=()):
        """The quantiles at uniform probabilities, of shape sample_shape + batch_shape."""
        shape = self._extended_shape(sample_shape)
        exponential = torch.empty(shape, dtype=torch.float64, device=self.loc.device).exponential_()
        return self._quantile(-torch.expm1(-exponential), torch.exp(-exponential)).to(self.loc.dtype)

    def _log_prob(self, value):
        t0, scale, p = self._standard()
        y, t = value.clamp_min(0) / scale, t0.clamp_min(0)
        plain = _log_density(t0 + y, p) - _log_survival(t0, p)
        # beyond the mode that is a difference of huge numbers; the rise of the exponent and Mills' ratio are not
        exact = torch.where(t0 > 0, -_rise(t, y, p) - _log_mills(t, p), plain)
        return torch.where(value >= 0, _graft(exact, plain) - scale.log(), -math.inf)

    def _log_survival(self, value):
        t0, scale, p = self._standard()
        y, t = value.clamp_min(0) / scale, t0.clamp_min(0)
        plain = _log_survival(t0 + y, p) - _log_survival(t0, p)
        return _graft(torch.where(t0 > 0, _log_mills(t + y, p) - _log_mills(t, p) - _rise(t, y, p), plain), plain)

    def _cdf(self, value):
        t0, scale, p = self._standard()
        value, log_survival = value.clamp_min(0), self._log_survival(value)
        # 1 - survival cancels where it is small: integrate from 0 there, a short way in three Gauss-Legendre points
        is_short = value / scale * torch.maximum(1 / t0.abs(), t0.abs() ** (p - 1)) < 0.05
        nodes = ((5 / 18, 0.5 - math.sqrt(0.15)), (8 / 18, 0.5), (5 / 18, 0.5 + math.sqrt(0.15)))
        short = value * sum(weight * self._log_prob(node * value).exp() for weight, node in nodes)
        longer = _interval(t0, t0 + value / scale, p) / _log_survival(t0, p).exp()
        small = torch.where(is_short, short, longer)
        return _graft(torch.where(log_survival > -0.01, small, -torch.expm1(log_survival)), -log_survival.exp())

    def _quantile(self, below, above):
        t0, scale, p = self._standard()
        # t0 < 0: a quantile of the whole law, with the mass below t0 put back; else one of its tail
        low, log_above = t0.clamp_max(0), torch.where(below < 0.5, torch.log1p(-below), above.log())
        share = _log_survival(low, p).exp()
        below, above = below * share + _log_survival(-low, p).exp(), above * share
        left = below < above
        log_tail = torch.where(t0 < 0, (2 * torch.where(left, below, above)).log(), log_above)
        y = _excess_quantile(t0 - low, log_tail, p)
        return scale * torch.where(t0 < 0, torch.where(left, -y, y) - t0, y).clamp_min(0)

    def _moments(self):
        t0, scale, p = self._standard()
        t = torch.where(t0 < 0, -t0, t0)  # |t0|, but with a derivative at 0, where loc usually starts
        y, log_weights, rise = _tail(t, p)
        weights, log_mills = log_weights.softmax(-1), log_weights.logsumexp(-1)
        mean, rise = (weights * y).sum(-1), (weights * rise).sum(-1)
        variance = (weights * (y - mean.unsqueeze(-1)) ** 2).sum(-1)
        # t0 < 0: the whole law less its far tail
        log_share, tail = _log_survival(-t, p), _log_survival(t, p).exp()
        center = tail * (t + mean) / log_share.exp()
        spread = (_log_variance(p).exp() - tail * ((t + mean) ** 2 + variance)) / log_share.exp() - center**2
        exponent = (1 / p - tail * ((t**p / p).detach() + rise)) / log_share.exp()
        mean, variance = torch.where(t0 < 0, t + center, mean), torch.where(t0 < 0, spread, variance)
        entropy = torch.where(t0 < 0, _log_normalizer(p) + log_share + exponent, log_mills + rise)
        return scale * mean, scale**2 * variance, scale.log() + entropy


class RectifiedGeneralizedGaussian(_Law):
    """max(x, 0) for x ~ GN_p(loc, scale): an atom at 0 (Eq. 8) beside the density of x above 0 (Eq. 9).

    log_prob is with respect to delta_0 + Lebesgue; entropy() is the d(xi)-dimensional one of a coordinate, in nats:
    Phi H_1(truncated law) + H_0(Bernoulli(Phi)), Phi = prob_active. Args and Raises: as for GeneralizedGaussian.
    """

    support = constraints.nonnegative

    @property
    def prob_active(self):
        """P(x > 0) = Phi(loc / scale), of shape batch_shape: also the information dimension of a coordinate."""
        return self._log_probs()[0].exp().to(self.loc.dtype)

    def expected_l0(self, d):
        """E||x||_0 = d Phi(loc / scale) of d independent coordinates (Eq. 11-12). ValueError unless d is an int > 0."""
        if not isinstance(d, numbers.Integral) or d < 1:
            raise ValueError(f"d must be an integer >= 1, got {d!r}")
        return d * self.prob_active

    def rsample(self, sample_shape=()):
        """GeneralizedGaussian's, rectified: a zero passes no gradient."""
        return self._as(GeneralizedGaussian).rsample(sample_shape).relu()

    def _log_probs(self):
        """log P(x > 0) and log P(x = 0)."""
        t0, _, p = self._standard()
        return _log_survival(t0, p), _log_survival(-t0, p)

    def _log_prob(self, value):
        density = self._as(GeneralizedGaussian)._log_prob(torch.where(value > 0, value, 1.0))
        return torch.where(value > 0, density, torch.where(value == 0, self._log_probs()[1], -math.inf))

    def _log_survival(self, value):
        return torch.where(value < 0, 0.0, self._as(GeneralizedGaussian)._log_survival(value))

    def _cdf(self, value):
        return torch.where(value < 0, 0.0, self._as(GeneralizedGaussian)._cdf(value))

    def _quantile(self, below, above):
        return self._as(GeneralizedGaussian)._quantile(below, above).clamp_min(0)

    def _moments(self):
        log_active, log_zero = self._log_probs()
        active, zero = log_active.exp(), log_zero.exp()
        mean, variance, entropy = self._as(TruncatedGeneralizedGaussian)._moments()
        return active * mean, active * (variance + zero * mean**2), active * (entropy - log_active) - zero * log_zero


@register_kl(GeneralizedGaussian, GeneralizedGaussian)
@register_kl(TruncatedGeneralizedGaussian, TruncatedGeneralizedGaussian)
def _kl_continuous(law, other):
    """E[log f(x) - log g(x)] over the quantiles x of f, cut at the modes of f and g; few cases have a closed form."""
    modes = torch.stack(torch.broadcast_tensors(law.loc, other.loc)).double()
    with torch.no_grad():
        end = torch.zeros_like(modes[:1])
        below = torch.cat([end, law._cdf(modes).sort(0).values, end + 1])
        above = torch.cat([end + 1, law._log_survival(modes).exp().sort(0, descending=True).values, end])
        u = torch.linspace(-3.2, 3.2, 80, dtype=end.dtype, device=end.device).view(-1, *[1] * end.dim())
        left, right = torch.sigmoid(math.pi * u.sinh()), torch.sigmoid(-math.pi * u.sinh())
        weight = below.diff(dim=0) * left * right * math.pi * u.cosh() * (6.4 / 79)  # tanh-sinh on the three pieces
        below, above = below[:-1] + left * below.diff(dim=0), above[1:] - right * above.diff(dim=0)
    x = law._quantile(below.clamp_min(1e-300), above.clamp_min(1e-300))  # the floor serves pieces of no mass
    return (weight * (law._log_prob(x) - other._log_prob(x))).sum((0, 1)).to(law.loc.dtype)


@register_kl(RectifiedGeneralizedGaussian, RectifiedGeneralizedGaussian)
def _kl_rectified(law, other):
    (active, zero), (other_active, other_zero) = law._log_probs(), other._log_probs()
    continuous = _kl_continuous(law._as(TruncatedGeneralizedGaussian), other._as(TruncatedGeneralizedGaussian))
    return (active.exp() * (active - other_active + continuous) + zero.exp() * (zero - other_zero)).to(law.loc.dtype)


def sample_rgg(shape, p=1.0, mu=0.0, sigma=None, *, device=None, dtype=None, generator=None):
    """Independent draws of max(mu + sigma T, 0), T ~ GN_p(0, 1): the target of RDMReg (Eq. 8-9).

    Args:
        shape: of the result, for example (B, D).
        p, mu, sigma: numbers; sigma None means unit variance before rectification.
        device, dtype, generator: as in torch.randn.

    Raises:
        ValueError: unless p and sigma are positive and finite, mu is finite, shape holds integers >= 0 and dtype is a
            floating one. For a p, mu or sigma of each coordinate use RectifiedGeneralizedGaussian.
    """
    _check_numbers(p=p, mu=mu, sigma=1.0 if sigma is None else sigma)
    if not isinstance(shape, (tuple, list)) or not all(isinstance(n, numbers.Integral) and n >= 0 for n in shape):
        raise ValueError(f"shape must be a tuple of integers >= 0, got {shape!r}")
    dtype = torch.get_default_dtype() if dtype is None else dtype
    if not dtype.is_floating_point:
        raise ValueError(f"dtype must be a floating one, got {dtype}")
    options = {"device": device, "dtype": torch.promote_types(dtype, torch.float32)}  # half is too coarse to draw in
    if p == 2:
        t = torch.randn(shape, generator=generator, **options)
    else:
        v = torch.empty(shape, **options).uniform_(-1, 1, generator=generator)  # sign and magnitude in one draw
        if 1 / p in (1, 2, 3, 4):  # |T|^p / p ~ Gamma(1/p) is a sum of 1/p exponentials, -log of a product of uniforms
            least = torch.finfo(v.dtype).eps / 4  # in place of a zero, whose log is infinite
            product = v.abs().clamp_min_(least)
            for _ in range(round(1 / p) - 1):
                product *= torch.rand(shape, generator=generator, **options).clamp_min_(least)
            t = product.log_().mul_(-p).pow_(1 / p).copysign_(v)
        else:  # as in GeneralizedGaussian.rsample
            gamma = torch._standard_gamma(torch.full_like(v, 1 + 1 / p), generator=generator)
            t = gamma.mul_(p).pow_(1 / p).mul_(v)
    return t.mul_(unit_variance_scale(p) if sigma is None else sigma).add_(mu).relu_().to(dtype)


def unit_variance_scale(p):
    """The sigma that gives GN_p variance 1, before rectification: Gamma(1/p)^(1/2) / (p^(1/p) Gamma(3/p)^(1/2)).

    A number gives a float, a tensor a tensor of its shape and dtype. ValueError unless p is positive and finite.
    """
    return _in_float64(lambda p: torch.exp(-_log_variance(p) / 2), p=p)


def rectified_unit_variance_scale(p, mu):
    """The sigma at which max(mu + sigma T, 0), T ~ GN_p(0, 1), has variance 1: unit variance after rectification.

    Numbers give a float, tensors one of their common shape and dtype. ValueError unless 0 < p < inf and mu is finite.
    """

    def variance_and_slope(log_sigma, p, mu):
        """log Var and its derivative in log sigma, 2 (1 - mu E[x] P(x = 0) / Var)."""
        law = RectifiedGeneralizedGaussian(mu, log_sigma.exp(), p, validate_args=False)
        mean, variance, _ = law._moments()
        return variance.log(), 2 - 2 * mu * mean * law._log_probs()[1].exp() / variance

    def solve(p, mu):
        with torch.no_grad():  # rectifying lowers the variance, at mu = -sigma to a share that depends on p alone
            low, one = -_log_variance(p) / 2, torch.ones_like(p)
            high = torch.maximum(-variance_and_slope(0 * one, p, -one)[0] / 2, mu.abs().log())
            for _ in range(25):
                middle = (low + high) / 2
                above = variance_and_slope(middle, p, mu)[0] > 0
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        for _ in range(2):  # Newton's steps finish it, and differentiate implicitly
            log_variance, slope = variance_and_slope(high.detach(), p, mu)
            high = high.detach() - log_variance / slope.detach()
        return high.exp()

    return _in_float64(solve, p=p, mu=mu)


def mu_for_l0(fraction, p, sigma=None):
    """The mu that makes an entry non-zero with probability `fraction`: Eq. 11 inverted (0.1 for 90 % zeros).

    sigma None means unit variance before rectification. Numbers give a float, tensors one of their common shape and
    dtype. ValueError unless 0 < fraction < 1 and p and sigma are positive and finite.
    """

    def solve(fraction, p, sigma=None):
        sigma = torch.exp(-_log_variance(p) / 2) if sigma is None else sigma
        return GeneralizedGaussian(0.0, sigma, p, validate_args=False)._quantile(fraction, 1 - fraction)

    return _in_float64(solve, fraction=fraction, p=p, **({} if sigma is None else {"sigma": sigma}))


# ------------------------------------------------------------------- numbers and tensors in, tensors out, checked once

_ALLOWED = {"mu": _FINITE, "sigma": _POSITIVE, "p": _POSITIVE, "fraction": _FRACTION}


def _check_numbers(**named):
    for name, value in named.items():
        if not isinstance(value, numbers.Real) or not _ALLOWED[name].check(value):
            raise ValueError(f"{name} must be a number in {_ALLOWED[name]}, got {value!r}")


def _broadcast(**named):
    """Numbers and floating-point tensors -> tensors of one shape and dtype, on the tensors' device."""
    for name, value in named.items():
        if not (value.is_floating_point() if isinstance(value, torch.Tensor) else isinstance(value, numbers.Real)):
            raise ValueError(f"{name} must be a number or a floating-point tensor, got {value!r}")
    tensors = [value for value in named.values() if isinstance(value, torch.Tensor)] or [torch.empty(())]
    dtype = functools.reduce(torch.promote_types, [tensor.dtype for tensor in tensors])
    values = [
        value.to(dtype) if isinstance(value, torch.Tensor) else tensors[0].new_full((), value, dtype=dtype)
        for value in named.values()
    ]
    try:
        return torch.broadcast_tensors(*values)
    except RuntimeError:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in zip(named, values, strict=True))
        raise ValueError(f"shapes must broadcast, got {shapes}") from None


def _in_float64(function, **named):
    """function of float64 tensors: numbers give a float, tensors a tensor of their dtype."""
    if not any(isinstance(value, torch.Tensor) for value in named.values()):
        _check_numbers(**named)
        return function(*(torch.tensor(v, dtype=torch.float64, device="cpu") for v in named.values())).item()
    values = _broadcast(**named)
    for name, value in zip(named, values, strict=True):
        if value.device.type == "cpu" and not _ALLOWED[name].check(value).all():  # on CUDA looking would mean waiting
            raise ValueError(f"{name} must lie in {_ALLOWED[name]}, got {value}")
    return function(*(value.double() for value in values)).to(values[0].dtype)


# ------------------------------------------------- special functions of T ~ GN_p(0, 1), where |T|^p / p ~ Gamma(1/p)
# torch's incomplete gamma functions give the probabilities. What they leave open is made here: tails too small for a
# float, moments of a tail without cancellation, derivatives in p, and quantiles.


def _log_normalizer(p):
    return math.log(2) + torch.lgamma(1 / p) + (1 / p - 1) * torch.log(p)


def _log_variance(p):
    return torch.lgamma(3 / p) - torch.lgamma(1 / p) + 2 / p * torch.log(p)


def _log_density(t, p):
    # the floor changes no value, and makes the slope at t = 0 zero where p < 1 would make it 0 * inf
    return -(t.abs().clamp_min(1e-300) ** p) / p - _log_normalizer(p)


def _graft(value, slope):
    """`value` with the derivatives of `slope`, for what is exact in one form and differentiable in another."""
    return value.detach() + (slope - slope.detach()).nan_to_num(0.0)


def _rise(t, y, p):
    """((t + y)^p - t^p) / p for t, y >= 0, without cancellation: the rise of the density's exponent."""
    ratio = y / torch.maximum(t, y).clamp_min(1e-300)
    return torch.where(y > t, (t + y) ** p - t**p, t**p * torch.expm1(p * torch.log1p(ratio))) / p


def _unrise(t, rise, p):
    """The y >= 0 with _rise(t, y, p) = rise."""
    power = t**p
    ratio = p * rise / power.clamp_min(1e-300)
    return torch.where(ratio > 1, (power + p * rise) ** (1 / p) - t, t * torch.expm1(torch.log1p(ratio) / p))


def _log_mills(t, p):
    """log of Mills' ratio P(T > t) / density(t) for t >= 0: of moderate size where both of these underflow."""
    a, w = 1 / p, t.clamp_max(1e30) ** p / p
    near = w.clamp_max(500.0)
    near = torch.special.gammaincc(a, near).log() + near + torch.lgamma(a) + (a - 1) * p.log()
    far = torch.ones_like(w)  # Gamma(a, w) = w^(a-1) e^-w (1 + (a-1)/w (1 + (a-2)/w (1 + ...)))
    for k in range(8, 0, -1):
        far = 1 + (a - k) / w.clamp_min(500.0) * far
    return torch.where(w < 500, near, far.log() + (a - 1) * (p * w).log())


def _tail(t, p):
    """The law of y = T - t given T > t (t >= 0) on 96 points: double-exponential quadrature (Takahasi and Mori, 1974).

    Returns y, log weights (not normalized: their logsumexp is the log of Mills' ratio) and the rises of the exponent,
    each (..., 96). Every sum is of positive terms, so nothing cancels: 14 digits for p from 0.05 to 9, at p = 16 eight
    (where t < 1). The points are constants; derivatives in t and p go through the rise.
    """
    t, p = t.unsqueeze(-1), p.unsqueeze(-1)
    with torch.no_grad():
        # x is the rise from t; for p > 1 that bends y too sharply near 0, and the rise from 0.7 takes its place
        start = torch.where(p < 1, t, t.clamp_min(0.7))
        length = 4 + (p * ((40 * p) ** (1 / p) + 0.7).log() - p.log()).clamp_min(6.0)  # to a rise of 40 from t
        u = length * torch.linspace(0.0, 1.0, 96, dtype=t.dtype, device=t.device) - 4
        x = torch.exp(u - torch.exp(-u))
        y = _unrise(start, x, p).clamp_min(1e-300)
        dy = x * (1 + torch.exp(-u)) * length / 95 * (start + y) ** (1 - p)
    rise = _graft(_rise(t, y, p), (t + y) ** p / p)
    return y, dy.log() - rise, rise


class _LogSurvival(torch.autograd.Function):
    """log P(T > t) for real t, exact in both tails. (torch's gammaincc has no derivative in its first argument.)"""

    @staticmethod
    def forward(ctx, t, p):
        tail = _log_density(t, p) + _log_mills(t.abs(), p)
        out = torch.where(t > 0, tail, torch.log1p(-tail.exp()))
        ctx.save_for_backward(t, p, tail, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        t, p, tail, out = ctx.saved_tensors
        in_t = -torch.exp(torch.where(t > 0, -_log_mills(t.abs(), p), _log_density(t, p) - out))
        if not ctx.needs_input_grad[1]:
            return grad * in_t, None
        pieces = zip(t.abs().flatten().split(4096), p.flatten().split(4096), strict=True)  # 96 points take memory
        in_p = torch.cat([_log_tail_slope(*piece) for piece in pieces]).view_as(p)
        return grad * in_t, grad * in_p * torch.where(t > 0, 1.0, -torch.exp(tail - out))


def _log_tail_slope(t, p):
    """The derivative in p of log P(T > t), t >= 0: the tail's mean of that of -(t + y)^p / p, less that of log N."""
    y, log_weights, _ = _tail(t, p)
    z, q = t.unsqueeze(-1) + y, p.unsqueeze(-1)
    mean = (log_weights.softmax(-1) * z**q / q * (z.log() - 1 / q)).sum(-1)
    return -mean + (torch.digamma(1 / p) + p.log() + p - 1) / p**2


def _log_survival(t, p):
    return _LogSurvival.apply(*torch.broadcast_tensors(t, p))


def _interval(low, high, p):
    """P(low < T < high) for low < 1, with no cancellation unless the interval is short. No derivatives."""
    tails = _log_survival(-high, p).exp() - _log_survival(-low, p).exp()
    low, high = (t.sign() * torch.special.gammainc(1 / p, t.abs() ** p / p) / 2 for t in (low, high))
    return torch.where(high < -0.25, tails, high - low)


def _excess_quantile(t, log_tail, p):
    """The y >= 0 with log P(T > t + y | T > t) = log_tail, for t >= 0. Differentiable in all three arguments.

    Newton's method in z = y for p >= 1 and in z = rise for p < 1. In that variable the log survival is concave, so that
    from the second step on the iterates come down to the root from above; eight steps reach float64's precision.
    """
    with torch.no_grad():
        r, mills, goal = p.clamp_max(1.0), _log_mills(t, p), log_tail.clamp(-1e12, 0.0)
        # the density falls, so y is at least P * mills; the rise is at most -goal for p >= 1, and at least for p < 1
        z = _rise(t, -torch.expm1(goal) * mills.exp(), r)
        z = torch.where(p < 1, z.maximum(-goal), z)
        ceiling = torch.where(p < 1, math.inf, _unrise(t, -goal, p))
        for _ in range(8):
            y = _unrise(t, z, r)
            ahead = _log_mills(t + y, p)
            excess = (ahead - mills - _rise(t, y, p) - goal) * (goal < -1e-13)  # nearer 0 it is noise, z good enough
            z = z + excess * torch.exp(ahead + (r - 1) * (t + y).clamp_min(1e-300).log())
            z = z.clamp_min(0.0).minimum(ceiling)
        y = torch.where(log_tail == -math.inf, math.inf, _unrise(t, z, r))
    # implicit differentiation of log P(T > t + y) - log P(T > t) = log_tail
    slope = (_log_survival(t + y, p) - _log_survival(t, p) - log_tail) * _log_mills(t + y, p).exp().detach()
    return _graft(y, slope)
