"""The three distributions behave as torch's own do, and the losses as torch's functions: what a program expects that
knows nothing of this package. One table of parameters feeds the tests of all classes; it stands here.
"""

import copy
import functools
import io
import itertools
import pickle

import pytest
import scipy.integrate
import torch
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    Laplace,
    MixtureSameFamily,
    Normal,
    biject_to,
    kl_divergence,
    transform_to,
)
from torch.func import grad, jvp, vmap
from torch.utils.checkpoint import checkpoint

import rlpjepa
from rlpjepa import distributions
from rlpjepa.distributions import (
    GeneralizedGaussian,
    RectifiedGeneralizedGaussian,
    TruncatedGeneralizedGaussian,
    mu_for_l0,
    rectified_unit_variance_scale,
    unit_variance_scale,
)


def f64(*values):
    tensors = tuple(torch.tensor(value, dtype=torch.float64) for value in values)
    return tensors if len(tensors) > 1 else tensors[0]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


# Parameters (loc, scale, p) with which the generic tests try each class of the module.
NUMBERS = [(-1.3, 1.1, 0.7), (0.8, 0.9, 1.6), (-1.1, 0.8, 8.0), (0.4, 1.3, 0.25), (0.0, 1.2, 1.0), (0.2, 1.3, 2.0)]
TENSORS = [f64([[-0.4], [-2.0], [1.0]], 1.2, [0.5, 1.0, 2.0, 5.0]), (torch.zeros(3, 1), torch.ones(4), 1.5)]
EXAMPLES = {
    GeneralizedGaussian: NUMBERS + TENSORS,
    TruncatedGeneralizedGaussian: NUMBERS + TENSORS,
    RectifiedGeneralizedGaussian: NUMBERS + TENSORS,
}
LAWS = tuple(EXAMPLES)
laws = pytest.mark.parametrize("law", LAWS)
examples = pytest.mark.parametrize(("law", "point"), [(law, point) for law in LAWS for point in EXAMPLES[law]])


@pytest.fixture
def one_graph():
    """torch.compile, refusing graph breaks. It turns validation off in all distributions when it is first used, and
    leaves it off; with validation, none of torch's own compiles either.
    """
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    torch._dynamo.reset()
    yield functools.partial(torch.compile, fullgraph=True, backend="aot_eager")
    Distribution.set_default_validate_args(before)


def test_every_distribution_has_examples():
    there = {value for value in vars(distributions).values() if isinstance(value, type)}
    there = {kind for kind in there if issubclass(kind, Distribution) and kind.__module__ == distributions.__name__}
    assert {kind for kind in there if not kind.__name__.startswith("_")} == set(EXAMPLES)
    assert all(len(points) > 1 for points in EXAMPLES.values())


# ------------------------------------------------------------------------------------------------- as a distribution


@examples
def test_shapes_and_dtypes(law, point):
    d, tensors = law(*point), [torch.as_tensor(value) for value in point]
    shape, dtype = torch.broadcast_shapes(*(value.shape for value in tensors)), d.loc.dtype
    assert d.batch_shape == shape and d.event_shape == () and repr(d).startswith(law.__name__)
    assert dtype == (torch.float64 if any(value.dtype == torch.float64 for value in tensors) else torch.float32)
    x = torch.full((2, *[1] * len(shape)), 0.9, dtype=dtype)
    drawn = d.sample((2,)), d.rsample((2,)), d.log_prob(x), d.cdf(x), d.survival(x), d.log_survival(x), d.icdf(x)
    assert all(value.shape == (2, *shape) and value.dtype == dtype for value in drawn)
    moments = d.mean, d.variance, d.stddev, d.mode, d.entropy(), getattr(d, "prob_active", d.mean)
    assert all(value.shape == shape and value.dtype == dtype for value in moments)
    wider = d.expand((5, *shape))
    assert type(wider) is law and wider.batch_shape == wider.sample().shape == (5, *shape)
    torch.testing.assert_close(wider.entropy(), d.entropy().expand(5, *shape))
    whole = Independent(wider, 1)
    torch.testing.assert_close(whole.log_prob(x[:1].expand(5, *shape)), wider.log_prob(x[0]).sum(-1))
    assert whole.rsample((6,)).shape == (6, 5, *shape)


@laws
def test_expand_of_a_subclass(law):
    class Plain(law):
        pass

    class Named(law):
        def __init__(self, name):
            super().__init__(0.0, 1.0, 1.0)
            self.name = name

    assert type(Plain(0.0, 1.0, 1.0).expand((3,))) is Plain
    with pytest.raises(NotImplementedError, match="Named"):  # as torch's own: nobody knows what its __init__ does
        Named("x").expand((3,))


@examples
def test_constraints_and_transforms(law, point):
    """Parameters come from numbers without bounds and go back to them, as Pyro does it."""
    d = law(*(torch.as_tensor(value, dtype=torch.float64) for value in point))
    for name, constraint in law.arg_constraints.items():
        value = getattr(d, name)
        for registry in (transform_to, biject_to):
            transform = registry(constraint)
            torch.testing.assert_close(transform(transform.inv(value)), value)
    for name in ("loc", "p"):
        for extreme in (torch.tensor([-1e4, 1e4]), f64([-1e4, 1e4])):
            constraint = law.arg_constraints[name]
            assert constraint.check(transform_to(constraint)(extreme)).all()
    assert law.arg_constraints["scale"].check(transform_to(law.arg_constraints["scale"])(f64([-9.0, 9.0]))).all()
    x = d.sample((9,), generator=seeded(0))
    assert d.support.check(x).all()
    positive = torch.where(x == 0, 0.1, x)
    torch.testing.assert_close(transform_to(d.support)(transform_to(d.support).inv(positive)), positive)


@examples
def test_cdf_icdf_and_density_belong_together(law, point):
    d = law(*(torch.as_tensor(value, dtype=torch.float64) for value in point))
    zero = d.cdf(torch.zeros_like(d.loc)) if law is RectifiedGeneralizedGaussian else torch.zeros_like(d.loc)
    for share in (0.1, 0.5, 0.9):
        q = zero + share * (1 - zero)
        x = d.icdf(q).detach().requires_grad_()
        torch.testing.assert_close(d.cdf(x), q, rtol=1e-9, atol=1e-9)
        (density,) = torch.autograd.grad(d.cdf(x).sum(), x)
        torch.testing.assert_close(density, d.log_prob(x).exp(), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(d.survival(x).log(), d.log_survival(x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("law", "point"), [(law, point) for law in LAWS for point in NUMBERS])
def test_moments_are_those_of_samples(law, point):
    """Mean, variance and entropy within 4.5 standard errors: of fresh seeds 1 in 2700 fails at one of the points."""
    d = law(*(torch.tensor(value, dtype=torch.float64) for value in point))
    x = d.sample((200_000,), generator=seeded(3))
    for terms, moment in ((x, d.mean), ((x - d.mean) ** 2, d.variance), (-d.log_prob(x), d.entropy())):
        assert abs(terms.mean() - moment) < 4.5 * terms.std() / len(x) ** 0.5


@examples
def test_copies(law, point):
    d = law(*point)
    file = io.BytesIO()
    torch.save(d, file)
    file.seek(0)
    for other in (pickle.loads(pickle.dumps(d)), copy.deepcopy(d), torch.load(file, weights_only=False)):
        assert type(other) is law and torch.equal(other.entropy(), d.entropy())
        draws = (one.rsample((5,), generator=seeded(0)) for one in (d, other))
        assert torch.equal(*draws)


@laws
def test_mixture(law):
    weights, parts = f64([0.2, 0.5, 0.3]), law(f64([-0.5, 0.3, 1.0]), 0.9, f64([0.7, 1.0, 3.0]))
    mixture = MixtureSameFamily(Categorical(weights), parts)
    x = f64([0.4, 1.7])
    torch.testing.assert_close(mixture.log_prob(x).exp(), parts.log_prob(x[:, None]).exp() @ weights)
    torch.testing.assert_close(mixture.cdf(x), parts.cdf(x[:, None]) @ weights)
    torch.testing.assert_close(mixture.mean, parts.mean @ weights)
    second = (parts.variance + parts.mean**2) @ weights
    torch.testing.assert_close(mixture.variance, second - mixture.mean**2)
    assert mixture.sample((7,)).shape == (7,)


@examples
def test_mode_is_where_the_density_is_largest(law, point):
    d = law(*(torch.as_tensor(value, dtype=torch.float64) for value in point))
    x = torch.linspace(-4.0 if law is GeneralizedGaussian else 0.0, 4.0, 16_001, dtype=torch.float64)
    x = x.view(-1, *[1] * len(d.batch_shape))
    assert (d.log_prob(d.mode) >= d.log_prob(x).amax(0)).all()


@laws
def test_nan_is_not_hidden(law):
    d = law(0.3, 1.1, 1.0, validate_args=False)
    for function in (d.log_prob, d.cdf, d.survival, d.log_survival, d.icdf):
        assert function(f64(float("nan"))).isnan()


# ------------------------------------------------------------------------------------------------------ kl_divergence

KL = [
    (GeneralizedGaussian, Normal),
    (TruncatedGeneralizedGaussian, Normal),
    (GeneralizedGaussian, Laplace),
]


@pytest.mark.parametrize("point", NUMBERS)
@pytest.mark.parametrize(("law", "other"), KL)
def test_kl_divergence_against_quadrature(law, other, point):
    d, wanted = law(*f64(*point)), other(f64(0.3), f64(1.7))

    def integrand(x):
        log_density = d.log_prob(f64(x))
        return (log_density.exp() * (log_density - wanted.log_prob(f64(x)))).item()

    end = point[1] * (40 * point[2]) ** (1 / point[2]) + 2
    ends = [0.0, *(k for k in (0.3, point[0]) if k > 0), end] if law is not GeneralizedGaussian else None
    ends = ends or [-end, *sorted({point[0], 0.3}), end]
    pieces = [scipy.integrate.quad(integrand, a, b, limit=200)[0] for a, b in itertools.pairwise(sorted(ends))]
    assert kl_divergence(d, wanted).item() == pytest.approx(sum(pieces), rel=1e-5)


def test_kl_divergence_is_torchs_own_where_the_distributions_coincide():
    loc, scale = f64([[-1.0], [0.0], [2.0]], [0.7, 1.3])
    for p, twin in ((1.0, Laplace), (2.0, Normal)):
        for other in (Laplace(0.3, 1.7), Normal(0.3, 1.7), twin(loc, scale)):
            try:
                expected = kl_divergence(twin(loc, scale), other)
            except NotImplementedError:  # a Normal beside a Laplace is in torch from 2.13 or so, not in all versions
                continue
            got = kl_divergence(GeneralizedGaussian(loc, scale, p), other)
            torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-12)


def test_no_kl_divergence_of_an_atom():
    with pytest.raises(NotImplementedError):
        kl_divergence(RectifiedGeneralizedGaussian(0.0, 1.0, 1.0), Normal(0.0, 1.0))


# ------------------------------------------------------------------------------------------------ torch.func, compile

OUTPUTS = {
    "log_prob": lambda d, x: d.log_prob(x),
    "cdf": lambda d, x: d.cdf(x),
    "survival": lambda d, x: d.survival(x),
    "log_survival": lambda d, x: d.log_survival(x),
    "icdf": lambda d, x: d.icdf(torch.sigmoid(x)),
    "mean": lambda d, x: d.mean,
    "variance": lambda d, x: d.variance,
    "entropy": lambda d, x: d.entropy(),
    "mode": lambda d, x: d.mode,
}
# loc, scale, p, x
BATCH = f64([[-0.3, 1.2, 1.5, 0.4], [0.5, 0.7, 0.8, 1.1], [0.0, 1.0, 2.0, 0.3], [0.0, 1.0, 1.0, 1.3]])
outputs = pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)


def of_one(law, output):
    return lambda v: output(law(v[0], v[1], v[2]), v[3]).double()


def value_and_gradient(function, v):
    v = v.clone().requires_grad_()
    value = function(v)
    return value.detach(), torch.autograd.grad(value, v)[0]


def gradient(function, v):
    return value_and_gradient(function, v)[1]


def agree(*values):
    torch.testing.assert_close(*values, rtol=1e-9, atol=1e-12)


@laws
@outputs
def test_vmap_grad_and_jvp(law, output):
    """All parameters and the argument at once: values and slopes are those of one call after another."""
    function = of_one(law, output)
    slopes = torch.stack([gradient(function, v) for v in BATCH])
    agree(vmap(function)(BATCH), torch.stack([function(v) for v in BATCH]))
    agree(torch.stack([grad(function)(v) for v in BATCH]), slopes)
    agree(vmap(grad(function))(BATCH), slopes)
    direction = f64([0.3, -0.2, 0.7, 0.5])
    agree(vmap(lambda v: jvp(function, (v,), (direction,))[1])(BATCH), slopes @ direction)


@laws
@outputs
def test_in_a_checkpointed_block(law, output):
    function = of_one(law, output)
    again = functools.partial(checkpoint, function, use_reentrant=False)
    agree(gradient(again, BATCH[0]), gradient(function, BATCH[0]))


@laws
@outputs
def test_vmap_over_the_argument(law, output):
    d, x = law(0.2, 1.1, f64(1.4)), f64([0.1, 0.8, 2.0])
    agree(vmap(functools.partial(output, d))(x), torch.stack([output(d, value) for value in x]))


@pytest.mark.slow
@laws
@pytest.mark.parametrize("name", ["log_prob", "icdf", "entropy"])  # the others are made of the same parts
def test_compile(law, name, one_graph):
    """One graph, with its derivatives."""
    function = of_one(law, OUTPUTS[name])
    agree(*(value_and_gradient(f, BATCH[0]) for f in (one_graph(function), function)))


def draw(law, v):
    torch.manual_seed(0)
    return law(v[0], v[1], v[2]).rsample((9,)).sum()


@laws
def test_draws_under_vmap_and_grad(law):
    drawn = vmap(lambda v: law(v[0], v[1], v[2]).rsample(), randomness="different")(BATCH[1:2].expand(5, -1))
    assert drawn.shape == (5,) and drawn.unique().numel() == 5
    agree(grad(functools.partial(draw, law))(BATCH[0]), gradient(functools.partial(draw, law), BATCH[0]))


@pytest.mark.slow
@laws
def test_draws_compile(law, one_graph):
    """Also where their number is no constant."""
    if law is not TruncatedGeneralizedGaussian:  # whose draws are its icdf
        torch.manual_seed(0)
        slope = gradient(one_graph(lambda v: law(v[0], v[1], v[2]).rsample((9,)).sum()), BATCH[0])
        agree(slope, gradient(functools.partial(draw, law), BATCH[0]))
    assert one_graph(lambda n: law(0.0, 1.0, 2.0).sample((n,)), dynamic=True)(7).shape == (7,)


def test_the_choice_of_mu_and_sigma_under_vmap_and_grad():
    p, mu, fraction = f64([0.7, 1.0, 2.0], [-1.0, 0.0, 0.5], [0.1, 0.5, 0.7])
    for function, *values in (
        (unit_variance_scale, p),
        (rectified_unit_variance_scale, p, mu),
        (mu_for_l0, fraction, p),
    ):
        agree(vmap(function)(*values), function(*values))
        leaves = [value.clone().requires_grad_() for value in values]
        slopes = torch.autograd.grad(function(*leaves).sum(), leaves)
        agree(vmap(grad(function, tuple(range(len(values)))))(*values), slopes)


# --------------------------------------------------------------------------------------------------------- derivatives

gradcheck = functools.partial(torch.autograd.gradcheck, eps=1e-6, atol=1e-6, rtol=1e-5, fast_mode=True)


@examples
def test_gradients_against_finite_differences(law, point):
    x, q = f64([0.3, 1.9]), f64([0.2, 0.95])
    q = q if law is not RectifiedGeneralizedGaussian else f64([0.9, 0.95])  # above the atom's kink
    functions = [
        lambda d: d.log_prob(x),
        lambda d: d.cdf(x),
        lambda d: d.log_survival(x),
        lambda d: d.icdf(q),
        lambda d: torch.stack([d.mean, d.variance, d.entropy(), getattr(d, "prob_active", d.mean)]),
    ]
    point = [torch.as_tensor(value, dtype=torch.float64).clone() for value in point]
    x, q = (v.view(-1, *[1] * len(law(*point).batch_shape)) for v in (x, q))
    parameters = tuple(value.clone().requires_grad_() for value in point)
    for function in functions:
        assert gradcheck(lambda *a, f=function: f(law(*a)), parameters)
    d = law(*point)
    for function in (d.log_prob, d.cdf, d.log_survival):
        assert gradcheck(function, (x.clone().requires_grad_(),))
    assert gradcheck(d.icdf, (q.clone().requires_grad_(),))


@laws
@pytest.mark.parametrize("p", [1.0, 2.0])
def test_derivatives_at_the_values_that_people_use(law, p):
    """loc = 0, x = 0, p = 1, p = 2: ties of clamp and abs, where versions of torch differ."""
    point, step = f64([0.0, 1.2, p]), 1e-5
    q = f64([0.6, 0.9] if law is RectifiedGeneralizedGaussian else [0.1, 0.5, 0.9])
    functions = {
        "log_prob": lambda v: law(*v).log_prob(f64([0.0, 0.7])),
        "cdf": lambda v: law(*v).cdf(f64([0.0, 0.7])),
        "log_survival": lambda v: law(*v).log_survival(f64([0.0, 0.7])),
        "icdf": lambda v: law(*v).icdf(q),
        "moments": lambda v: torch.stack([law(*v).mean, law(*v).variance, law(*v).entropy()]),
    }
    for name, function in functions.items():
        got = torch.autograd.functional.jacobian(function, point)
        shifts = step * torch.eye(3, dtype=torch.float64)
        wanted = torch.stack([(function(point + s) - function(point - s)) / (2 * step) for s in shifts], -1)
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
    d, at = law(*point), torch.zeros((), dtype=torch.float64, requires_grad=True)
    back = -step if law is GeneralizedGaussian else 0.0  # where the support ends, the slope is that from the right
    for function in (d.cdf, d.log_survival, *[d.log_prob] * (law is not RectifiedGeneralizedGaussian)):
        (got,) = torch.autograd.grad(function(at), at)
        wanted = (function(f64(step)) - function(f64(back))) / (step - back)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------------------------- parameters that change later


@pytest.mark.parametrize("change", ["in place", "another tensor", "a copy"])
@pytest.mark.parametrize("law", [GeneralizedGaussian, RectifiedGeneralizedGaussian])
def test_a_p_that_was_changed_is_drawn_from(law, change):
    """Where p = 1 or 2 came as a number, draws take a short cut."""
    d, wanted = law(0.0, 1.0, 1.0), law(0.0, 1.0, torch.tensor(3.0))
    if change == "another tensor":
        d.p = torch.tensor(3.0)
    else:
        d.p.fill_(3.0)
        d = copy.deepcopy(d) if change == "a copy" else d
    for one, other in ((d, wanted), (d.expand((2,)), wanted.expand((2,)))):
        assert torch.equal(one.sample((9,), generator=seeded(0)), other.sample((9,), generator=seeded(0)))


@pytest.mark.parametrize("change", ["in place", "another tensor", "in inference mode"])
@pytest.mark.parametrize("name", ["loc", "scale", "p"])
def test_what_is_remembered_follows_the_parameters(name, change):
    with torch.inference_mode(change == "in inference mode"):
        d = RectifiedGeneralizedGaussian(-1.0, 0.8, 1.0)
        z, c = torch.randn(64, 4, generator=seeded(0)), torch.eye(4)
        functions = [
            lambda d: rlpjepa.rgg_cf_loss(z, d, directions=c),
            lambda d: rlpjepa.coordinate_loss(z, d),
            lambda d: rlpjepa.projected_characteristic_function(d, c, torch.ones(1)),
        ]
        before = [function(d) for function in functions]
        if change == "another tensor":
            setattr(d, name, torch.tensor(1.7))
        else:
            getattr(d, name).fill_(1.7)
        fresh = RectifiedGeneralizedGaussian(*(value.clone() for value in (d.loc, d.scale, d.p)))
        for function, old in zip(functions, before, strict=True):
            assert torch.equal(function(d), function(fresh)) and not torch.equal(function(d), old)


def test_what_is_compiled_takes_the_parameters_of_that_moment(one_graph):
    d, z = RectifiedGeneralizedGaussian(-1.0, 0.8, 1.0), torch.randn(64, 4, generator=seeded(0))
    rlpjepa.coordinate_loss(z, d)
    d.loc.fill_(1.7)
    compiled = one_graph(rlpjepa.coordinate_loss)
    torch.testing.assert_close(compiled(z, d), rlpjepa.coordinate_loss(z, RectifiedGeneralizedGaussian(1.7, 0.8, 1.0)))


# -------------------------------------------------------------------------------------------------------- the losses

TARGET = RectifiedGeneralizedGaussian(-0.5, 1.1, 1.0)


SAMPLES = torch.randn(32, 5, dtype=torch.float64, generator=seeded(1)).relu()
LOSSES = {
    "rdmreg_loss": lambda z, **options: rlpjepa.rdmreg_loss(z, SAMPLES, **options),
    "sigreg_loss": rlpjepa.sigreg_loss,
    "rgg_cf_loss": lambda z, **options: rlpjepa.rgg_cf_loss(z, TARGET, **options),
    "coordinate_loss": lambda z, directions=None: rlpjepa.coordinate_loss(z, TARGET),
    "invariance_loss": lambda z, directions=None: rlpjepa.invariance_loss(torch.stack([z, 2 * z.flip(0)])),
}
SLICED = list(LOSSES)[:3]
losses = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture
def clouds():
    """(4, 32, 5) in float64: four batches."""
    return torch.randn(4, 32, 5, dtype=torch.float64, generator=seeded(0))


def with_directions(name, reduction="mean"):
    """The loss of z alone; for reduction "none" the sum over the values of each direction, weighted."""
    c = rlpjepa.random_directions(7, 5, dtype=torch.float64, generator=seeded(2))
    if reduction == "mean":
        return lambda z: LOSSES[name](z, directions=c)
    return lambda z: (LOSSES[name](z, directions=c, reduction="none") * torch.arange(7, dtype=z.dtype)).sum()


every = pytest.mark.parametrize(
    ("name", "reduction"), [*((name, "mean") for name in LOSSES), *((name, "none") for name in SLICED)]
)


def test_every_loss_is_here():
    assert set(LOSSES) == {name for name in rlpjepa.__all__ if name.endswith("_loss")}


@every
def test_losses_in_a_checkpointed_block(name, reduction, clouds):
    """Where the forward pass is run again for the backward pass, to save memory."""
    loss = with_directions(name, reduction)
    agree(gradient(functools.partial(checkpoint, loss, use_reentrant=False), clouds[0]), gradient(loss, clouds[0]))


@every
def test_losses_under_vmap_grad_and_jvp(name, reduction, clouds):
    loss = with_directions(name, reduction)
    slopes, direction = torch.stack([gradient(loss, z) for z in clouds]), clouds.flip(0)
    agree(vmap(loss)(clouds), torch.stack([loss(z) for z in clouds]))
    agree(torch.stack([grad(loss)(z) for z in clouds]), slopes)
    agree(vmap(grad(loss))(clouds), slopes)
    for z, along, slope in zip(clouds, direction, slopes, strict=True):
        agree(jvp(loss, (z,), (along,))[1], (slope * along).sum())


@pytest.mark.parametrize("name", SLICED)
def test_losses_over_seeds(name, clouds):
    """vmap with randomness "different" draws directions of its own for each."""
    same = clouds[:1].expand(5, -1, -1)
    assert vmap(LOSSES[name], randomness="different")(same).unique().numel() == 5
    assert vmap(LOSSES[name], randomness="same")(same).unique().numel() == 1
    assert vmap(grad(LOSSES[name]), randomness="different")(same).unique(dim=0).shape == same.shape


def test_vmap_over_targets_and_directions(clouds):
    z, targets = clouds[0], clouds.relu()
    directions = torch.stack([rlpjepa.random_directions(6, 5, dtype=z.dtype, generator=seeded(k)) for k in range(4)])
    got = vmap(lambda target, c: rlpjepa.rdmreg_loss(z, target, directions=c))(targets, directions)
    each = [rlpjepa.rdmreg_loss(z, *one[:1], directions=one[1]) for one in zip(targets, directions, strict=True)]
    agree(got, torch.stack(each))


@pytest.mark.slow
@every
def test_losses_compile_in_one_graph(name, reduction, clouds, one_graph):
    """Under autocast, which changes nothing."""
    loss, z = with_directions(name, reduction), clouds[0].float()

    def function(z):
        with torch.autocast("cpu", torch.bfloat16):
            return loss(z)

    for got, wanted in zip(value_and_gradient(one_graph(function), z), value_and_gradient(loss, z), strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("name", SLICED)
def test_losses_that_draw_compile_in_one_graph(name, clouds, one_graph):
    """Also where the numbers of samples and of features are no constants."""
    compiled = one_graph(LOSSES[name], dynamic=True)
    values = []
    for loss in (compiled, LOSSES[name]):
        torch.manual_seed(0)
        values.append(loss(clouds[0], num_projections=9))
    agree(*values)
