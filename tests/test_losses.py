import math

import ot
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpjepa import invariance_loss, objective, random_directions, rdmreg_loss, sample_rgg
from tests.bench.plain import plain_rdmreg


@pytest.fixture
def cloud(generator):
    """(z, target, directions): (64, 5), (64, 5) and (7, 5) in float64."""
    z = torch.rand(64, 5, dtype=torch.float64, generator=generator)
    target = torch.randn(64, 5, dtype=torch.float64, generator=generator).relu()
    return z, target, random_directions(7, 5, dtype=torch.float64, generator=generator)


def test_equals_pot(cloud):
    z, target, directions = cloud
    root = ot.sliced_wasserstein_distance(z.numpy(), target.numpy(), projections=directions.T.numpy(), p=2)
    assert rdmreg_loss(z, target, directions=directions).item() == pytest.approx(root**2, rel=1e-12)


def test_equals_scipys_assignment(cloud):
    # The squared 2-Wasserstein distance of equally many points is the cheapest matching; no sorting involved.
    z, target, directions = cloud
    costs = []
    for c in directions:
        cost = ((z @ c)[:, None] - (target @ c)[None, :]).square().numpy()
        rows, columns = scipy.optimize.linear_sum_assignment(cost)
        costs.append(cost[rows, columns].mean())
    assert rdmreg_loss(z, target, directions=directions).item() == pytest.approx(sum(costs) / len(costs), rel=1e-12)


def test_views_share_directions_and_target(cloud):
    z, target, directions = cloud
    views = torch.stack([z, z.flip(1), z * 2])
    each = [plain_rdmreg(view, target, directions=directions) for view in views]
    torch.testing.assert_close(rdmreg_loss(views, target, directions=directions), torch.stack(each).mean())


def test_two_diracs():
    # All z at the origin, all targets at a: each direction costs (a·c)².
    a = torch.tensor([1.0, -2.0, 0.5])
    directions = random_directions(50, 3, generator=torch.Generator().manual_seed(1))
    loss = rdmreg_loss(torch.zeros(4, 3), a.expand(4, 3), directions=directions)
    torch.testing.assert_close(loss, (directions @ a).square().mean())


def test_shift_of_every_coordinate(cloud):
    z, _, directions = cloud
    loss = rdmreg_loss(z + 0.3, z, directions=directions)
    torch.testing.assert_close(loss, 0.3**2 * directions.sum(dim=1).square().mean())


def test_mean_over_directions_of_a_shift(generator):
    # E(a·c)² = ‖a‖²/d over the sphere. 20000 directions; the tolerance is 4 standard errors (1 in 16000).
    a = torch.tensor([0.0, 3.0, 0.0, 0.0])
    loss = rdmreg_loss(torch.zeros(2, 4), a.expand(2, 4), 20_000, generator=generator).item()
    d, n = 4, 20_000
    variance = 9**2 * (3 / (d * (d + 2)) - 1 / d**2)  # of (a·c)², from the fourth moment of a coordinate on the sphere
    assert abs(loss - 9 / d) < 4 * math.sqrt(variance / n)


def test_numerical_gradient_reaches_z_alone(cloud):
    z, target, directions = cloud
    z, target = z[:6].requires_grad_(), target[:6].requires_grad_()
    assert torch.autograd.gradcheck(lambda z: rdmreg_loss(z, target.detach(), directions=directions), (z,))
    rdmreg_loss(z, target, directions=directions).backward()
    assert z.grad.abs().sum() > 0 and target.grad is None


@pytest.mark.parametrize(
    "z", [torch.zeros(8, 4), torch.ones(8, 4), torch.eye(4).repeat(2, 1)], ids=["zeros", "collapse", "ties"]
)
def test_finite_gradient_at_ties_and_collapse(z, generator):
    z = z.clone().requires_grad_()
    rdmreg_loss(z, sample_rgg((8, 4), generator=generator), generator=generator).backward()
    assert z.grad.isfinite().all() and z.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_is_computed_in_float32(dtype, cloud):
    z, target, directions = (x.to(dtype) for x in cloud)
    loss = rdmreg_loss(z, target, directions=directions)
    assert loss.dtype == torch.float32
    exact = rdmreg_loss(z.double(), target.double(), directions=directions.double())
    assert loss.item() == pytest.approx(exact.item(), rel=1e-4)


def test_autocast_does_not_reach_the_loss(cloud):
    z, target, directions = (x.float() for x in cloud)
    with torch.autocast("cpu", torch.bfloat16):
        inside = rdmreg_loss(z, target, directions=directions)
    torch.testing.assert_close(inside, rdmreg_loss(z, target, directions=directions), rtol=0, atol=0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(1, 6))
def test_permutations_and_rotations(seed, samples, d):
    g = torch.Generator().manual_seed(seed)
    z, target = (torch.randn(samples, d, dtype=torch.float64, generator=g) for _ in range(2))
    directions = random_directions(5, d, dtype=torch.float64, generator=g)
    rotation = random_directions(d, d, orthogonal=True, dtype=torch.float64, generator=g)
    loss = rdmreg_loss(z, target, directions=directions)
    permuted = rdmreg_loss(z[torch.randperm(samples, generator=g)], target, directions=directions)
    rotated = rdmreg_loss(z @ rotation.T, target @ rotation.T, directions=directions @ rotation.T)
    torch.testing.assert_close(permuted, loss)
    torch.testing.assert_close(rotated, loss)
    assert rdmreg_loss(target, target, directions=directions) == 0 <= loss


def test_smallest_sizes(generator):
    loss = rdmreg_loss(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [1.0]]), 4, generator=generator)
    assert loss.item() == pytest.approx(((0 - 1) ** 2 + (1 - 3) ** 2) / 2)  # in D = 1 every direction is ±1


GOOD = torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(1, 3), torch.zeros(1, 3)), "z must hold at least two samples per view"),
        ((torch.zeros(0, 3), torch.zeros(0, 3)), "z must hold at least two samples"),
        ((torch.zeros(4), GOOD), r"z must be floating point of shape \(B, D\) or \(V, B, D\)"),
        ((GOOD.long(), GOOD), "z must be floating point"),
        ((GOOD, torch.zeros(5, 3)), r"target must be floating point of shape \(4, 3\).*got torch.float32 \(5, 3\)"),
        ((GOOD, GOOD.long()), "target must be floating point"),
        ((GOOD, GOOD.to("meta")), "on cpu like z.*on meta"),
        ((GOOD, GOOD, 0), "n must be a positive integer"),
        ((GOOD * math.nan, GOOD), "z holds NaN or infinity"),
        ((GOOD, GOOD + math.inf), "target holds NaN or infinity"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        rdmreg_loss(*arguments)


@pytest.mark.parametrize(
    "directions", [torch.zeros(3), torch.zeros(5, 2), torch.zeros(0, 3), torch.full((2, 3), math.nan)]
)
def test_bad_directions(directions):
    with pytest.raises(ValueError, match="directions"):
        rdmreg_loss(GOOD, GOOD, directions=directions)


def test_invariance_loss_is_a_mean_of_squares():
    z = torch.tensor([[[1.0, 2.0], [0.0, 0.0]], [[1.0, 0.0], [3.0, 1.0]]])
    assert invariance_loss(z).item() == (0 + 4 + 9 + 1) / 4


@pytest.mark.parametrize("z", [torch.zeros(3, 4, 2), torch.zeros(4, 2), torch.zeros(2, 4, 2, dtype=torch.long)])
def test_invariance_loss_bad_input(z):
    with pytest.raises(ValueError, match="z must be a floating-point tensor of shape"):
        invariance_loss(z)


def test_objective_is_the_weighted_sum_of_its_parts(generator):
    z = torch.rand(2, 16, 4, generator=generator)
    target = sample_rgg((16, 4), generator=generator)
    directions = random_directions(9, 4, generator=generator)
    parts = objective(z, target, directions=directions)
    expected = (
        25 * (z[0] - z[1]).pow(2).mean()
        + 125 * torch.stack([plain_rdmreg(view, target, directions=directions) for view in z]).mean()
    )
    torch.testing.assert_close(parts["loss"], expected)
    alone = objective(z, invariance_weight=2.0)
    assert alone["regularizer"] == 0
    torch.testing.assert_close(alone["loss"], 2 * alone["invariance"])
