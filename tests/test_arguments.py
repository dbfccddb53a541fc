"""Bad arguments: what each checker refuses, and that each public function hands its arguments to one."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Exponential, Normal

import rlpjepa as r
from rlpjepa.losses import _directions
from rlpjepa.numerics import arguments

NAN, INF, META = math.nan, math.inf, torch.device("meta")
ONES, Z, LABELS = torch.ones(3), torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)
COMPLEX = torch.complex64
LAW = r.RectifiedGeneralizedGaussian(0.0, 1.0, 1.0)


def law(*shape, device=None):
    return r.RectifiedGeneralizedGaussian(torch.zeros(shape, device=device), 1.0, 1.0, validate_args=device is None)


def with_one(value, x=Z):
    """x with one entry replaced."""
    x = x.clone()
    x.view(-1)[-1] = value
    return x


# (a checker of one argument, what it takes, what it refuses, the message)
CHECKERS = {
    "p": (arguments.check_p, (0.05, 2, INF), (0, -1.0, NAN, -INF, True, "2", None, torch.tensor(2.0), 1j),
          "p must be a positive number or inf, got"),
    "count": (lambda n: arguments.check_counts(n=n), (1, np.int64(5)), (0, -1, 2.0, 2.5, "3", None, True),
              "n must be a positive integer, got"),
    "dtype": (arguments.check_dtype, (None, torch.float16), (torch.int64, COMPLEX, "float32"),
              "dtype must be a floating one, got"),
    "tensor": (lambda x: arguments.check_tensors(x=x), (Z,), (Z.numpy(), [Z, Z], 1.0, None), "x must be a tensor, got"),
    "dense tensor": (lambda x: arguments.check_tensors(x=x), (Z.T, Z[:0]),
                     (Z.to_sparse(), torch.nested.nested_tensor([Z, ONES[None]], layout=torch.jagged)),
                     "x must be a dense tensor, got (torch.sparse|a nested)"),
    "finite": (lambda x: arguments.check_finite("x", x), (Z, Z.to(META)), (with_one(NAN), with_one(-INF)),
               "x holds NaN or infinity"),
    "number or tensor": (lambda x: arguments.broadcast(x=x), (1, 2.5, ONES.half()),
                         (torch.tensor([1, 2]), torch.tensor(True), torch.tensor(1j), "1", None),
                         "x must be a number or a floating-point tensor, got"),
    "shapes": (lambda x: arguments.broadcast(x=x, y=ONES), (1.0, torch.ones(2, 1)), (torch.ones(2), torch.ones(3, 2)),
               r"shapes must broadcast, got x \(.*\), y \(3,\)"),
    "type of z": (arguments.check_features, (Z, torch.zeros(2, 4, 3)),
                  (ONES, torch.zeros(1, 2, 4, 3), Z.long(), Z.bool(), Z.to(COMPLEX)),
                  r"z must be floating point of shape \(B, D\) or \(V, B, D\), got"),
    "size of z": (arguments.check_features, (torch.zeros(2, 1),),
                  tuple(torch.zeros(s) for s in ((1, 3), (0, 3), (2, 1, 3), (0, 4, 3), (4, 0))),
                  "z must hold at least two samples per view, of at least one entry, got shape"),
    "values of z": (arguments.check_features, (Z,), (with_one(NAN), with_one(INF)), "z holds NaN or infinity"),
    "kind of law": (lambda d: arguments.check_distribution(d, Z.device), (LAW, law(1)),
                    (Exponential(1.0), Normal(0.0, 1.0), None),
                    "distribution must be one of the three distributions of chapter 02, got"),
    "law of all": (lambda d: arguments.check_distribution(d, Z.device), (LAW, law(1)),
                   (law(3), law(2, 1), law(device=META)),
                   "distribution must have scalar parameters on cpu, got shape"),
    "law of each": (lambda d: arguments.check_distribution(d, Z.device, 3), (LAW, law(1), law(3)),
                    (law(2), law(3, 1), law(1, 1), law(device=META)),
                    r"distribution must have parameters that are scalar or of shape \(3,\) on cpu, got shape"),
    "shape of directions": (lambda c: _directions(Z, 5, c, None), (torch.eye(3), None),
                            tuple(torch.zeros(s) for s in ((3,), (5, 2), (3, 5), (0, 3), (1, 2, 3))),
                            r"directions must have shape \(N, 3\), got"),
    "type of directions": (lambda c: _directions(Z, 5, c, None), (torch.eye(3).half(),),
                           tuple(torch.eye(3).to(kind) for kind in (torch.int64, COMPLEX, META)),
                           "directions must be floating point on cpu like z, got"),
    "values of directions": (lambda c: _directions(Z, 5, c, None), (torch.eye(3),), (with_one(NAN), with_one(INF)),
                             "directions holds NaN or infinity"),
}  # fmt: skip
NUMBERS = {
    "p": (1.0, (0, -1.0, NAN, INF, 0.08, 20)),
    "sigma": (1.0, (0.0, -1.0, NAN, INF)),
    "mu": (-1.0, (NAN, INF, -INF)),
    "fraction": (0.5, (0.0, 1.0, -0.1, 1.1, NAN)),
}
for name, (good, bad) in NUMBERS.items():  # as a number, and as an entry of a tensor
    CHECKERS[f"number {name}"] = (
        lambda x, name=name: arguments.check_numbers(**{name: x}), (good,), (*bad, "1", None, 1j, True, torch.ones(())),
        f"{name} must be a number in",
    )  # fmt: skip
    CHECKERS[f"tensor {name}"] = (
        lambda x, name=name: arguments.in_float64(lambda x: x, **{name: x}), (good, torch.tensor([good])),
        tuple(torch.tensor([good, value]) for value in bad), f"{name} must lie in",
    )  # fmt: skip


@pytest.mark.parametrize(("check", "good", "bad", "message"), CHECKERS.values(), ids=CHECKERS)
def test_checker(check, good, bad, message):
    for value in good:
        check(value)
    for value in bad:
        with pytest.raises(ValueError, match=f"^{message}"):
            check(value)


LOSSES = {
    "rdmreg_loss": lambda z, *number, **options: r.rdmreg_loss(z, Z, *number, **options),
    "sigreg_loss": r.sigreg_loss,
    "rgg_cf_loss": lambda z, *number, **options: r.rgg_cf_loss(z, LAW, *number, **options),
}
ACCURACIES = {"knn_accuracy": r.knn_accuracy, "probe_accuracy": r.probe_accuracy}
U = torch.tensor([1.0, 0.0])

# function: (call of one argument, bad values, message) for each of its arguments
EDGES = {
    "lp_norm": [
        (lambda x: r.lp_norm(x, 2), ([1.0, 2.0],), "x must be a tensor, got"),
        (lambda x: r.lp_norm(x, 2), (ONES.long(), ONES.to(COMPLEX)), "x must be floating point, got"),
        (lambda x: r.lp_norm(x, 2), (torch.tensor(1.0), torch.ones(3, 0)), "dim must be a dimension of x that is not"),
        (lambda x: r.lp_norm(x, 2), (with_one(NAN), with_one(INF)), "x holds NaN or infinity"),
        (lambda dim: r.lp_norm(Z, 2, dim), (2, -3, 0.0, None, (0, 1), True), "dim must be a dimension of x"),
        (lambda p: r.lp_norm(Z, p), (0,), "p must be a positive number or inf"),
    ],
    "surface_density": [
        (lambda u: r.surface_density(u, 2), (ONES.long(), [1.0, 0.0], torch.tensor(1.0), torch.ones(3, 0)),
         r"u must be (a tensor|floating point of shape \(..., d\)), got"),
        (lambda u: r.surface_density(u, 2), (with_one(NAN, U), with_one(INF, U)), "u holds NaN or infinity"),
        (lambda u: r.surface_density(u, 0.5), (2 * U,), "u must lie on the unit ℓp sphere, got a norm of 2"),
        (lambda u: r.surface_density(u, 0.5), (torch.eye(4),), r"u must have shape \(..., d\) with d <= 3, got"),
        (lambda p: r.surface_density(U, p), (0,), "p must be a positive number or inf"),
    ],
    **{
        f.__name__: [
            (lambda n, f=f: f(n, 3, 2), (0,), "n must be a positive integer"),
            (lambda d, f=f: f(3, d, 2), (0,), "d must be a positive integer"),
            (lambda p, f=f: f(3, 3, p), (0,), "p must be a positive number or inf"),
            (lambda dtype, f=f: f(3, 3, 2, dtype=dtype), (torch.int64,), "dtype must be a floating one"),
        ]
        for f in (r.sample_cone, r.sample_surface)
    },
    "expected_l0": [(LAW.expected_l0, (0, 2.0), "d must be a positive integer")],
    "sample_rgg": [
        (r.sample_rgg, (5, (2, -1), (2.0, 3), "23", None, torch.zeros(2)), "shape must be a tuple of integers >= 0"),
        (lambda p: r.sample_rgg((2,), p), (0,), "p must be a number in"),
        (lambda mu: r.sample_rgg((2,), 1.0, mu), (NAN, ONES), "mu must be a number in"),
        (lambda sigma: r.sample_rgg((2,), 1.0, 0.0, sigma), (0.0,), "sigma must be a number in"),
        (lambda dtype: r.sample_rgg((2,), dtype=dtype), (torch.int64,), "dtype must be a floating one"),
    ],
    "unit_variance_scale": [(r.unit_variance_scale, (0, "1"), "p must be a number in")],
    "rectified_unit_variance_scale": [
        (lambda p: r.rectified_unit_variance_scale(p, 0.0), (0,), "p must be a number in"),
        (lambda mu: r.rectified_unit_variance_scale(1.0, mu), (NAN,), "mu must be a number in"),
        (lambda mu: r.rectified_unit_variance_scale(torch.ones(2), mu), (ONES,), "shapes must broadcast"),
    ],
    "mu_for_l0": [
        (lambda fraction: r.mu_for_l0(fraction, 1.0), (0.0, 1.0), "fraction must be a number in"),
        (lambda p: r.mu_for_l0(0.1, p), (0,), "p must be a number in"),
        (lambda sigma: r.mu_for_l0(0.1, 1.0, sigma), (0.0,), "sigma must be a number in"),
    ],
    "random_directions": [
        (lambda n: r.random_directions(n, 3), (0,), "n must be a positive integer"),
        (lambda d: r.random_directions(3, d), (0,), "d must be a positive integer"),
        (lambda size: r.random_directions(3, 4, size=size), (0, -1, 2.0, True), "size must be a positive integer"),
        (lambda size: r.random_directions(3, 4, size=size), (5,), r"size must be from 1 to d \(4\)"),
        (lambda size: r.random_directions(3, 4, size=size, orthogonal=True), (2,), "size must be .* if .* orthogonal"),
        (lambda dtype: r.random_directions(3, 4, dtype=dtype), (torch.int64,), "dtype must be a floating one"),
    ],
    "projected_marginal": [
        (lambda law: r.projected_marginal(law, (1.0, 1.0), ONES),
         (r.GeneralizedGaussian(0.0, 1.0, 1.0), law(1), law(3), law(2, 2), None),
         r"distribution must be rectified, of batch_shape \(\) or \(2,\)"),
        (lambda c: r.projected_marginal(LAW, c, ONES),
         ((0.0, 0.0), (1.0,), ONES, 1.0, ((1.0, 2.0),), (NAN, 1.0), (1.0, INF)),
         "direction must be two finite numbers, not both zero, got"),
        (lambda y: r.projected_marginal(LAW, (1.0, 1.0), y), (LABELS, with_one(NAN), with_one(INF), 1.0, [1.0]),
         "y must be (a tensor|finite and floating point), got"),
    ],
    "projected_characteristic_function": [
        (lambda d: r.projected_characteristic_function(d, Z, ONES), (law(3),), "distribution must have scalar"),
        (lambda c: r.projected_characteristic_function(LAW, c, ONES), (Z.numpy(),), "directions must be a tensor"),
        (lambda c: r.projected_characteristic_function(LAW, c, ONES),
         (Z.long(), ONES, torch.ones(0, 3), torch.ones(2, 0)), r"directions must be floating point of shape \(N, D\)"),
        (lambda c: r.projected_characteristic_function(LAW, c, ONES), (Z.to(META),), "distribution .* meta, got"),
        (lambda t: r.projected_characteristic_function(LAW, Z, t),
         (Z, torch.tensor(1.0), ONES.to(COMPLEX), ONES.long(), ONES.to(META)), "t must be floating point of shape"),
        (lambda d: r.projected_characteristic_function(d, Z, ONES), (r.TruncatedGeneralizedGaussian(-30.0, 1.0, 19.9),),
         "the density of .* is too narrow to be tabulated"),
    ],
    **{
        name: [
            (loss, (ONES,), "z must be floating point of shape"),
            (lambda n, loss=loss: loss(Z, n), (0, None), "num_projections must be a positive integer"),
            (lambda c, loss=loss: loss(Z, directions=c), (ONES,), "directions must have shape"),
            (lambda how, loss=loss: loss(Z, 5, reduction=how), ("sum", None), "reduction must be 'mean' or 'none'"),
        ]
        for name, loss in LOSSES.items()
    },
    "rdmreg_loss and its target": [
        (lambda y, z=z: r.rdmreg_loss(z, y), tuple(torch.zeros(s) for s in ((5, 3), (4, 2), (1, 4, 3), (3,))),
         r"target must be floating point of shape \(4, 3\) on cpu like z, got")
        for z in (Z, torch.stack([Z, Z]))
    ] + [
        (lambda y: r.rdmreg_loss(Z, y), (Z.long(), Z.to(META)), "target must be floating point of shape"),
        (lambda y: r.rdmreg_loss(Z, y), (Z.numpy(),), "target must be a tensor"),
        (lambda y: r.rdmreg_loss(Z, y), (with_one(NAN), with_one(INF)), "target holds NaN or infinity"),
    ],
    "sigreg_loss and its knots": [
        (lambda n: r.sigreg_loss(Z, num_knots=n), (1, 0, -17, True, 17.0, "17", None), "num_knots must be an integer"),
        (lambda t: r.sigreg_loss(Z, t_max=t), (0.0, -1.0, INF, NAN, "3", None, True), "t_max must be positive"),
    ],
    "rgg_cf_loss and its distribution": [
        (lambda d: r.rgg_cf_loss(Z, d), (None,), "distribution must be one of the three distributions"),
        (lambda d: r.rgg_cf_loss(Z, d), (law(3),), "distribution must have scalar parameters"),
        (lambda d: r.rgg_cf_loss(Z, d), tuple(r.RectifiedGeneralizedGaussian(mu, 1.0, 2.0) for mu in (-19.0, -40.0)),
         "the variance of RectifiedGeneralizedGaussian.* is too small for a float"),
        (lambda c: r.rgg_cf_loss(Z, LAW, directions=c), (-2.61 * torch.eye(3),), "directions are to have unit"),
    ],
    "coordinate_loss": [
        (lambda z: r.coordinate_loss(z, LAW), (ONES,), "z must be floating point of shape"),
        (lambda d: r.coordinate_loss(Z, d), (law(2),), "distribution must have parameters that are scalar or of shape"),
    ],
    **{
        f.__name__: [
            (f, ([Z, Z],), "z must be a tensor"),
            (f, (*(torch.zeros(s) for s in ((1, 4, 2), (4, 2), (2, 4, 2, 1), (2, 0, 3), (2, 4, 0))),
                 torch.zeros(2, 4, 3).long()), r"z must be floating point of shape \(V, B, D\) with V ≥ 2, got"),
            (f, (with_one(NAN, torch.zeros(2, 4, 3)),), "z holds NaN or infinity"),
        ]
        for f in (r.invariance_loss, r.objective)
    },
    "RectifiedLpJEPA": [
        (r.RectifiedLpJEPA, (None, 18), "backbone must be the name of a timm model"),
        (r.RectifiedLpJEPA, ("resnet81",), "backbone must be the name of .*; did you mean resnet"),
        (lambda name: r.RectifiedLpJEPA(name, cifar_stem=True), ("test_convnext", "pixels"),
         "cifar_stem needs a backbone with a ResNet's 7×7 stem, '.*' has none"),
        (lambda dim: r.RectifiedLpJEPA("pixels", dim), (0, 2.5), "dim must be a positive integer"),
    ],
    "load_data": [(r.load_data, ("cifar10",), "dataset must be one of shapes, cifar100, folder, got 'cifar10'")],
    "make_shapes": [
        (lambda n: r.make_shapes(n, 60), (19,), "n_train must be at least the number of classes, 20"),
        (lambda n: r.make_shapes(60, n), (19,), "n_test must be at least the number of classes, 20"),
        (lambda n: r.make_shapes(n, 60), (20.5,), "n_train must be a positive integer, got 20.5"),
    ],
    "normalize": [
        (lambda x: r.make_shapes(20, 20).normalize(x), (torch.zeros(2, 3, 32, 32).long(),),
         "images must be uint8, or floating point in .0, 1., got torch.int64"),
    ],
    "two_views": [
        (r.two_views, (torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8).byte(), torch.zeros(3, 8, 8).byte(),
                       np.zeros((2, 3, 8, 8), np.uint8), [1]),
         r"images must be a uint8 tensor of shape \(B, 3, H, W\)"),
    ],
    **{
        name: [
            (lambda x, f=f: f(x, LABELS, Z, LABELS), (Z.numpy(),), "train_x must be a tensor"),
            (lambda x, f=f: f(x, LABELS, Z, LABELS), (Z.long(), ONES, Z[:0]), "train_x must be floating point of"),
            (lambda x, f=f: f(x, LABELS, Z, LABELS), (with_one(NAN),), "train_x holds NaN"),
            (lambda x, f=f: f(Z, LABELS, x, LABELS), (Z[:, :2], Z[:0]), "test_x must be floating point of shape"),
            (lambda y, f=f: f(Z, y, Z, LABELS), (LABELS[1:], LABELS.float()), "train_y must be integers, one for"),
            (lambda y, f=f: f(Z, y, Z, LABELS), (LABELS - 1,), "train_y must hold no number below 0, got -1"),
            (lambda y, f=f: f(Z, LABELS, Z, y), (LABELS[:1], LABELS[:, None]), "test_y must be integers, one for"),
        ]
        for name, f in ACCURACIES.items()
    },
    "knn_accuracy and its vote": [
        (lambda k: r.knn_accuracy(Z, LABELS, Z, LABELS, k), (0, 2.5, "3"), "k must be a positive integer"),
        (lambda k: r.knn_accuracy(Z, LABELS, Z, LABELS, k), (5,), r"k must be between 1 and .* \(4\)"),
        (lambda k: r.knn_accuracy(Z, LABELS, k=k), (4,), r"k must be between 1 and the number of neighbours \(3\)"),
        (lambda t: r.knn_accuracy(Z, LABELS, k=1, temperature=t), (0.0, None, "1"), "temperature must be positive"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("call", "bad", "message"), [row for rows in EDGES.values() for row in rows],
    ids=[f"{name}-{i}" for name, rows in EDGES.items() for i in range(len(rows))],
)  # fmt: skip
def test_public_function(call, bad, message):
    for value in bad:
        with pytest.raises(ValueError, match=f"^{message}"):
            call(value)
