"""Special functions of T ~ GN_p(0, 1), where |T|^p / p ~ Gamma(1/p): the numerics under `distributions`.

torch's incomplete gamma functions give the probabilities. What they leave open is made here: tails too small for a
float, moments of a tail without cancellation, derivatives in p, and quantiles. Rules for integrals stand at the end.
All of it takes and gives float64.
"""

import math

import torch

from .arguments import differentiable_once, with_forward_mode


def log_normalizer(p):
    return math.log(2) + torch.lgamma(1 / p) + (1 / p - 1) * torch.log(p)


def log_variance(p):
    return torch.lgamma(3 / p) - torch.lgamma(1 / p) + 2 / p * torch.log(p)


def log_density(t, p):
    # the floor changes no value, and makes the slope at t = 0 zero where p < 1 would make it 0 * inf
    return -(t.abs().clamp_min(1e-300) ** p) / p - log_normalizer(p)


def graft(value, slope):
    """`value` with the derivatives of `slope`, for what is exact in one form and differentiable in another."""
    return value.detach() + (slope - slope.detach()).nan_to_num(0.0)


def power_rise(t, y, p):
    """((t + y)^p - t^p) / p for t, y >= 0, without cancellation: the rise of the density's exponent."""
    ratio = y / torch.maximum(t, y).clamp_min(1e-300)
    return torch.where(y > t, (t + y) ** p - t**p, t**p * torch.expm1(p * torch.log1p(ratio))) / p


def inverse_power_rise(t, rise, p):
    """The y >= 0 with power_rise(t, y, p) = rise."""
    power = t**p
    ratio = p * rise / power.clamp_min(1e-300)
    return torch.where(ratio > 1, (power + p * rise) ** (1 / p) - t, t * torch.expm1(torch.log1p(ratio) / p))


def log_mills(t, p):
    """log of Mills' ratio P(T > t) / density(t) for t >= 0: of moderate size where both underflow. No derivatives."""
    t, p = t.detach(), p.detach()
    a, w = 1 / p, (t**p / p).clamp_max(1e300)
    near = w.clamp_max(500.0)
    near = torch.special.gammaincc(a, near).log() + near + torch.lgamma(a) + (a - 1) * p.log()
    far = torch.ones_like(w)  # Gamma(a, w) = w^(a-1) e^-w (1 + (a-1)/w (1 + (a-2)/w (1 + ...)))
    for k in range(8, 0, -1):
        far = 1 + (a - k) / w.clamp_min(500.0) * far
    return torch.where(w < 500, near, far.log() + (a - 1) * (p * w).log())


NODES = 192


def tail_nodes(t, p):
    """y = T - t given T > t (t >= 0), on 192 points: double-exponential quadrature (Takahasi and Mori, 1974).

    Returns y, log weights (not normalized: their logsumexp is the log of Mills' ratio) and the rises of the exponent,
    each (..., 192). Every sum is of positive terms, so nothing cancels: ten digits and more for p from 0.12 to 19. The
    points are constants; derivatives in t and p go through the rise.
    """
    t, p = t.unsqueeze(-1), p.unsqueeze(-1)
    # x is the rise from t; for p > 1 that bends y too sharply near 0, and the rise from 0.7 takes its place
    start, q = torch.where(p < 1, t, t.clamp_min(0.7)).detach(), p.detach()
    length = 4 + (q * ((40 * q) ** (1 / q) + 0.7).log() - q.log()).clamp_min(6.0)  # to a rise of 40 from t
    u = length * torch.linspace(0.0, 1.0, NODES, dtype=t.dtype, device=t.device) - 4
    x = torch.exp(u - torch.exp(-u))
    y = inverse_power_rise(start, x, q).clamp_min(1e-300)
    dy = x * (1 + torch.exp(-u)) * length / (NODES - 1) * (start + y) ** (1 - q)
    rise = graft(power_rise(t, y, p), (t + y) ** p / p)
    return y, dy.log() - rise, rise


@with_forward_mode
class _log_survival(torch.autograd.Function):
    """log P(T > t) for real t, exact in both tails. (torch's gammaincc has no derivative in its first argument.)"""

    generate_vmap_rule = True

    @staticmethod
    def forward(t, p):
        tail = log_density(t, p) + log_mills(t.abs(), p)
        return torch.where(t > 0, tail, torch.log1p(-tail.exp()))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output)
        ctx.save_for_forward(*inputs, output)

    @staticmethod
    def backward(ctx, grad):
        in_t, in_p = _survival_slopes(*ctx.saved_tensors, in_p=ctx.needs_input_grad[1])
        return grad * in_t, None if in_p is None else grad * in_p

    @staticmethod
    def tangent(ctx, t, p):
        in_t, in_p = _survival_slopes(*ctx.saved_tensors)
        return in_t * t + in_p * p


def _survival_slopes(t, p, log_survival, in_p=True):
    """The derivatives of log P(T > t) in t and p; in_p False leaves out the second, which takes longer."""
    t, p, log_survival = t.detach(), p.detach(), log_survival.detach()
    log_mills_, log_density_ = log_mills(t.abs(), p), log_density(t, p)
    in_t = -torch.exp(torch.where(t > 0, -log_mills_, log_density_ - log_survival))
    if not in_p:
        return in_t, None
    pieces = zip(t.abs().flatten().split(4096), p.flatten().split(4096), strict=True)  # the nodes take memory
    in_p = torch.cat([_log_tail_slope(*piece) for piece in pieces]).view_as(p)
    return in_t, in_p * torch.where(t > 0, 1.0, -torch.exp(log_density_ + log_mills_ - log_survival))


def _log_tail_slope(t, p):
    """The derivative in p of log P(T > t), t >= 0: the tail's mean of that of -(t + y)^p / p, less that of log N."""
    y, log_weights, _ = tail_nodes(t, p)
    z, q = t.unsqueeze(-1) + y, p.unsqueeze(-1)
    mean = (log_weights.softmax(-1) * z**q / q * (z.log() - 1 / q)).sum(-1)
    return -mean + (torch.digamma(1 / p) + p.log() + p - 1) / p**2


def log_survival(t, p):
    t, p = torch.broadcast_tensors(t, p)
    return differentiable_once(_log_survival(t, p), t, p)


def interval_mass(low, high, p):
    """P(low < T < high) for low < 1, with no cancellation unless the interval is short. No derivatives."""
    low, high, p = low.detach(), high.detach(), p.detach()
    tails = log_survival(-high, p).exp() - log_survival(-low, p).exp()
    low, high = (t.sign() * torch.special.gammainc(1 / p, t.abs() ** p / p) / 2 for t in (low, high))
    return torch.where(high < -0.25, tails, high - low)


def excess_quantile(t, log_tail, p):
    """The y >= 0 with log P(T > t + y | T > t) = log_tail, for t >= 0. Differentiable in all three arguments."""
    y = _solve_excess(t.detach(), log_tail.detach(), p.detach())
    # implicit differentiation of log P(T > t + y) - log P(T > t) = log_tail
    slope = (log_survival(t + y, p) - log_survival(t, p) - log_tail) * log_mills(t + y, p).exp()
    return differentiable_once(graft(y, slope), t, log_tail, p)


def _solve_excess(t, log_tail, p):
    """Newton's method in z = y for p >= 1 and in z = rise for p < 1.

    In that variable the log survival is concave, so that from the second step on the iterates come down to the root
    from above; eight steps reach float64's precision (at p = 0.08, where it bends most, 1e-6).
    """
    r, mills, goal = p.clamp_max(1.0), log_mills(t, p), log_tail.clamp(-1e12, 0.0)
    # the density falls, so y is at least P * mills; the rise is at most -goal for p >= 1, and at least for p < 1
    z = power_rise(t, -torch.expm1(goal) * mills.exp(), r)
    z = torch.where(p < 1, z.maximum(-goal), z)
    ceiling = torch.where(p < 1, math.inf, inverse_power_rise(t, -goal, p))
    for _ in range(8):
        y = inverse_power_rise(t, z, r)
        ahead = log_mills(t + y, p)
        excess = ahead - mills - power_rise(t, y, p) - goal
        excess = torch.where(goal < -1e-13, excess, 0.0)  # nearer 0 it is rounding noise, and z good enough
        z = z + excess * torch.exp(ahead + (r - 1) * (t + y).clamp_min(1e-300).log())
        z = z.clamp_min(0.0).minimum(ceiling)
    return torch.where(log_tail == -math.inf, math.inf, inverse_power_rise(t, z, r))


def finite_rule(like, n=300):
    """Points and weights for ∫ over (0, 1), dense at both ends: tanh-sinh quadrature (Takahasi and Mori, 1974)."""
    u = torch.linspace(-3.1, 3.1, n, dtype=torch.float64, device=like.device)
    share = torch.sigmoid(math.pi * u.sinh())
    return share, share * torch.sigmoid(-math.pi * u.sinh()) * math.pi * u.cosh() * (6.2 / (n - 1))


def infinite_rule(dist, n):
    """Points and weights for ∫ over (0, ∞) of a density that falls like this one's, dense at 0 (same source)."""
    reach = ((40 * dist.p) ** (1 / dist.p)).log().clamp_min(0.0) + 1
    u = -4 + (reach + 4) * torch.linspace(0, 1, n, dtype=torch.float64, device=dist.loc.device)
    x = dist.scale * torch.exp(u - torch.exp(-u))
    return x, x * (1 + torch.exp(-u)) * (reach + 4) / (n - 1)


def interpolate(table, position):
    """The table's values at real positions, counted in knots from 0 in either direction; NaN beyond its end."""
    knot = position.abs().long().clamp(0, len(table) - 2)
    rest = position.abs() - knot
    return torch.lerp(table[knot], table[knot + 1], torch.where(rest <= 1, rest, math.nan).to(table.dtype))
