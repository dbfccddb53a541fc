import math

import numpy as np
import pytest
import scipy.optimize
import torch

from rlpjepa import (
    RectifiedLpJEPA,
    dead_fraction,
    evaluate,
    extract_features,
    knn_accuracy,
    l0_fraction,
    l1_fraction,
    probe_accuracy,
)
from rlpjepa.data import ImageData
from rlpjepa.evaluate import PROBE_L2


@pytest.fixture
def clusters(generator):
    """Three overlapping classes in 6 dimensions: (train_x, train_y, test_x, test_y), 240 and 120 points."""
    centres = torch.randn(3, 6, generator=generator)
    y = torch.arange(360) % 3
    x = centres[y] + 1.2 * torch.randn(360, 6, generator=generator)
    return x[:240], y[:240], x[240:], y[240:]


def test_knn_equals_a_naive_loop(clusters):
    train_x, train_y, test_x, test_y = (t.numpy().astype(float) for t in clusters)
    correct = 0
    for x, y in zip(test_x, test_y):
        similarity = [x @ t / (np.linalg.norm(x) * np.linalg.norm(t)) for t in train_x]
        votes = {}
        for i in sorted(range(len(train_x)), key=lambda i: -similarity[i])[:20]:
            votes[train_y[i]] = votes.get(train_y[i], 0) + math.exp(similarity[i] / 0.07)
        correct += max(votes, key=votes.get) == y
    assert knn_accuracy(*clusters) == pytest.approx(correct / len(test_x))
    assert 0.5 < correct / len(test_x) < 1  # else the loop would tell little


@pytest.mark.parametrize("k", [0, 241, 2.5, "3"])
def test_knn_bad_k(clusters, k):
    with pytest.raises(ValueError, match="k must be"):
        knn_accuracy(*clusters, k=k)


@pytest.mark.parametrize("l2", [PROBE_L2, 3.0])
def test_probe_finds_the_minimum_that_scipy_finds(clusters, l2):
    mixing = torch.tensor([[1.0, 3.0], [0.0, 0.2]])  # the first two coordinates become strongly correlated
    clusters = [torch.cat([c[:, :2] @ mixing, c[:, 2:]], dim=1) if c.dim() == 2 else c for c in clusters]
    train_x, train_y, test_x, test_y = (t.numpy() for t in clusters)
    x, xt = ((t - train_x.mean(0)) / train_x.std(0, ddof=1) for t in (train_x, test_x))
    onehot = np.eye(3)[train_y]

    def objective(flat):
        w, b = flat[:18].reshape(3, 6), flat[18:]
        logits = x @ w.T + b
        cross_entropy = scipy.special.logsumexp(logits, axis=1).mean() - (logits * onehot).sum(1).mean()
        return cross_entropy + l2 / 2 * (w**2).sum()

    best = scipy.optimize.minimize(objective, np.zeros(21), method="BFGS").x
    predicted = (xt @ best[:18].reshape(3, 6).T + best[18:]).argmax(1)
    assert probe_accuracy(*clusters, l2=l2) == pytest.approx((predicted == test_y).mean(), abs=1e-6)


def test_probe_ignores_scale_shift_and_constant_coordinates(clusters):
    train_x, train_y, test_x, test_y = clusters
    scale = torch.tensor([1e-3, 1, 10, 1e3, 1, 1])
    changed = [torch.cat([x * scale + 5, torch.full((len(x), 1), 7.0)], dim=1) for x in (train_x, test_x)]
    assert probe_accuracy(changed[0], train_y, changed[1], test_y) == pytest.approx(probe_accuracy(*clusters), abs=0.02)


def test_sparsity_of_known_matrices():
    z = torch.tensor([[0.0, 0.0, 3.0, 3.0], [0.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]])
    assert l0_fraction(z) == 5 / 16
    assert l1_fraction(z) == pytest.approx((2 / 4 + 0 + 1 / 4 + 2 / 4) / 4)
    assert dead_fraction(z) == 1 / 4
    assert dead_fraction(z, threshold=0.3) == 2 / 4


def test_dead_means_fewer_than_one_in_a_thousand():
    z = torch.zeros(3000, 3)
    z[:3, 0], z[:2, 1] = 1, 1
    assert dead_fraction(z) == pytest.approx(2 / 3)


def test_features_are_taken_in_evaluation_mode_and_in_order(small_data):
    model = RectifiedLpJEPA("test_byobnet", dim=8).train()
    features, z = extract_features(model, small_data, small_data.test_images, batch_size=7)
    assert model.training
    again, _ = extract_features(model, small_data, small_data.test_images[5:6])
    torch.testing.assert_close(again[0], features[5], rtol=1e-4, atol=1e-5)
    assert z.shape == (40, 8) and not z.requires_grad
    with torch.no_grad():
        expected = model.eval()(small_data.normalize(small_data.test_images))
    torch.testing.assert_close((features, z), expected, rtol=1e-4, atol=1e-5)


def test_modules_keep_their_modes(small_data):
    model = RectifiedLpJEPA("test_byobnet", dim=8).train()
    model.backbone.eval()  # as where it is frozen
    extract_features(model, small_data, small_data.test_images[:2])
    assert model.training and model.projector.training and not model.backbone.training
    with pytest.raises(RuntimeError):
        extract_features(model, small_data, small_data.test_images[:2, :1].expand(-1, 4, -1, -1))
    assert model.training and not model.backbone.training


class Oracle(torch.nn.Module):
    """Features that give the class away, which each image's first pixel tells; z has one dead coordinate of four."""

    def forward(self, x):
        value = (x[:, 0, 0, 0] * STD + MEAN).mul(255).round()
        z = torch.stack([value % 2, 1 + 0 * value, 0 * value, 2 + 0 * value], dim=1)
        return torch.nn.functional.one_hot(value.long() % 5, 5).float(), z


MEAN, STD = 0.5, 0.25


@pytest.mark.parametrize("n", [100, 12])  # fewer than the 20 neighbours too
def test_evaluate_tells_encoder_from_projector_and_training_from_test(n):
    def images(values):
        return values.to(torch.uint8)[:, None, None, None].expand(-1, 3, 32, 32).contiguous()

    train, test = torch.arange(n) % 5, torch.arange(50) % 5
    labels = (test + 1) % 5  # of the test images; those of the training images say how to read the features
    data = ImageData(
        images(train), train, images(test), torch.where(torch.arange(50) < 40, test, labels), tuple("abcde"),
        (MEAN,) * 3, (STD,) * 3, {},
    )  # fmt: skip
    result = evaluate(Oracle(), data)
    assert result["encoder_probe"] == pytest.approx(0.8) and result["encoder_knn"] == pytest.approx(0.8)
    assert result["projector_probe"] < 0.5 and result["projector_knn"] < 0.6
    assert result["nonzero_fraction"] == pytest.approx((0.4 + 1 + 0 + 1) / 4) and result["dead_fraction"] == 0.25
    assert result["l1_fraction"] == pytest.approx((0.6 * 9 / 5 + 0.4 * 16 / 6) / 4)


def test_evaluate_reports_fractions(small_data):
    result = evaluate(RectifiedLpJEPA("test_byobnet", dim=8), small_data)
    assert set(result) == {
        "encoder_knn", "encoder_probe", "projector_knn", "projector_probe",
        "nonzero_fraction", "l1_fraction", "dead_fraction",
    }  # fmt: skip
    assert all(0 <= value <= 1 for value in result.values())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_accuracies_of_other_types(clusters, dtype):
    parts = [c.to(dtype).requires_grad_() if c.is_floating_point() else c for c in clusters]
    rounded = [c.to(dtype).float() if c.is_floating_point() else c for c in clusters]
    assert abs(knn_accuracy(*parts) - knn_accuracy(*rounded)) < 0.05
    assert probe_accuracy(*parts) == probe_accuracy(*rounded)


def test_probe_does_not_depend_on_the_default_type(clusters, request):
    expected = probe_accuracy(*clusters)
    request.getfixturevalue("float64_by_default")
    assert probe_accuracy(*clusters) == expected


def test_labels_that_are_too_few(clusters):
    train_x, train_y, test_x, test_y = clusters
    for accuracy in (knn_accuracy, probe_accuracy):
        with pytest.raises(ValueError, match="test_y must be integers, one for each of 120 features, got .*1,"):
            accuracy(train_x, train_y, test_x, test_y[:1])
        with pytest.raises(ValueError, match="train_y must be integers, one for each of 240 features, got .*239,"):
            accuracy(train_x, train_y[1:], test_x, test_y)


@pytest.mark.parametrize("accuracy", [knn_accuracy, probe_accuracy])
def test_bad_features_and_labels(clusters, accuracy):
    train_x, train_y, test_x, test_y = clusters
    holed = train_x.clone()
    holed[3, 2] = math.nan
    for arguments, message in (
        ((holed, train_y, test_x, test_y), "train_x holds NaN"),
        ((train_x, train_y, test_x[:, :2], test_y), "test_x must be floating point of shape"),
        ((train_x, train_y, test_x[:0], test_y[:0]), "test_x must be floating point of shape"),
        ((train_x.long(), train_y, test_x, test_y), "train_x must be floating point"),
        ((train_x, train_y.float(), test_x, test_y), "train_y must be integers"),
        ((train_x, train_y - 1, test_x, test_y), "train_y must hold no number below 0"),
        ((train_x.numpy(), train_y, test_x, test_y), "train_x must be a tensor"),
    ):
        with pytest.raises(ValueError, match=message):
            accuracy(*arguments)
    assert accuracy(train_x, train_y.int(), test_x, test_y.int()) == accuracy(*clusters)


def test_knn_bad_temperature(clusters):
    for temperature in (0.0, None, "1"):
        with pytest.raises(ValueError, match="temperature must be positive"):
            knn_accuracy(*clusters, temperature=temperature)


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1.0, 1e20])
def test_l1_fraction_does_not_depend_on_the_scale(scale):
    assert l1_fraction(scale * torch.tensor([[3.0, 1.0, 0.0, 0.0]])) == pytest.approx(16 / 10 / 4)
    assert l1_fraction(torch.tensor([[300.0, 100.0, 0.0, 0.0]]).half()) == pytest.approx(0.4)
    assert l1_fraction(scale**15 * torch.tensor([[3.0, 1.0, 0.0, 0.0]], dtype=torch.float64)) == pytest.approx(0.4)
    assert l1_fraction(torch.zeros(2, 3)) == 0
    assert math.isnan(l1_fraction(torch.tensor([[math.nan, 1.0, 0.0, 2.0]])))
