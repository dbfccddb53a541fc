import copy
import dataclasses
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
    probe_accuracy,
)
from rlpjepa.data import ImageData, unlabelled
from rlpjepa.evaluate import PROBE_L2, few_threads, set_batchnorm_statistics
from rlpjepa.model import changed


@pytest.fixture
def clusters(generator):
    """Three overlapping classes in 6 dimensions: (train_x, train_y, test_x, test_y), 240 and 120 points."""
    centres = torch.randn(3, 6, generator=generator)
    y = torch.arange(360) % 3
    x = centres[y] + 1.2 * torch.randn(360, 6, generator=generator)
    return x[:240], y[:240], x[240:], y[240:]


def naive_knn(train_x, train_y, test_x, test_y, others=False, k=20):
    """With ``others`` the tests are the training points, and none votes on itself."""
    train_x, train_y, test_x, test_y = (t.numpy().astype(float) for t in (train_x, train_y, test_x, test_y))
    correct = 0
    for j, (x, y) in enumerate(zip(test_x, test_y)):
        similarity = train_x @ x / (np.linalg.norm(train_x, axis=1) * np.linalg.norm(x))
        votes = {}
        for i in sorted(set(range(len(train_x))) - ({j} if others else set()), key=lambda i: -similarity[i])[:k]:
            votes[train_y[i]] = votes.get(train_y[i], 0) + math.exp(similarity[i] / 0.07)
        correct += max(votes, key=votes.get) == y
    return correct / len(test_x)


def test_knn_equals_a_naive_loop(clusters):
    expected = naive_knn(*clusters)
    assert knn_accuracy(*clusters) == pytest.approx(expected)
    assert 0.5 < expected < 1  # else the loop would tell little


@pytest.mark.parametrize("k", [1, 20])
def test_knn_without_a_test_set_leaves_one_out(k, generator):
    """More points than are compared at a time, some of which are twice there."""
    x, y = torch.randn(530, 3, generator=generator), torch.randint(3, (530,), generator=generator)
    x[520:] = x[:10]
    expected = naive_knn(x, y, x, y, others=True, k=k)
    assert knn_accuracy(x, y, k=k) == pytest.approx(expected)
    assert abs(expected - knn_accuracy(x, y, x, y, k=k)) > 0.01  # where each may vote on itself


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
    for part in (0, 1):  # a function that returns one tensor
        single = evaluate(lambda x: Oracle()(x)[part], data)  # noqa: B023
        assert single.keys() == {"knn", "probe", "nonzero_fraction"}
        name = ("encoder", "projector")[part]
        assert (single["knn"], single["probe"]) == (result[f"{name}_knn"], result[f"{name}_probe"])
    assert single["nonzero_fraction"] == result["nonzero_fraction"]


def test_evaluate_reports_fractions(small_data):
    result = evaluate(RectifiedLpJEPA("test_byobnet", dim=8), small_data)
    assert set(result) == {
        "encoder_knn", "encoder_probe", "projector_knn", "projector_probe",
        "nonzero_fraction", "dead_fraction",
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


def test_integers_of_any_kind_are_labels(clusters):
    train_x, train_y, test_x, test_y = clusters
    for accuracy in (knn_accuracy, probe_accuracy):
        assert accuracy(train_x, train_y.int(), test_x, test_y.to(torch.uint8)) == accuracy(*clusters)


def test_features_of_any_function_and_of_one_tensor(small_data):
    images = small_data.test_images
    features = extract_features(lambda x: x.mean(dim=(2, 3)), small_data, images, batch_size=7)
    torch.testing.assert_close(features, small_data.normalize(images).mean(dim=(2, 3)))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5))
    features = extract_features(network, small_data, images)
    torch.testing.assert_close(features, small_data.normalize(images).flatten(1))  # nothing dropped
    assert network.training and network[1].training


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_features_are_exact_whatever_the_caller_set_and_that_stays(small_data, precision):
    cudnn, seen = torch.backends.cudnn, []
    settings = [(cudnn, "benchmark", True), (cudnn, "deterministic", True), (cudnn.conv, "fp32_precision", precision)]
    conv = torch.nn.Conv2d(3, 4, 3)

    def network(x):
        seen.append([getattr(owner, name) for owner, name, _ in settings])
        return conv(x).mean(dim=(2, 3))

    expected = extract_features(network, small_data, small_data.test_images)
    with changed(*settings), torch.autocast("cpu", torch.bfloat16):
        features = extract_features(network, small_data, small_data.test_images)
        assert [getattr(owner, name) for owner, name, _ in settings] == [value for *_, value in settings]
    assert features.dtype == torch.float32 and torch.equal(features, expected)
    assert seen == [[False, cudnn.deterministic, "ieee"], [False, True, "ieee"]]


def test_features_of_a_network_that_sets_cudnn_itself(small_data):
    def network(x):
        with torch.backends.cudnn.flags(enabled=False):
            return x.mean(dim=(2, 3))

    before = torch.backends.cudnn.allow_tf32
    assert extract_features(network, small_data, small_data.test_images).shape == (len(small_data.test_images), 3)
    assert torch.backends.cudnn.allow_tf32 == before


def test_evaluate_in_inference_mode(small_data):
    model = RectifiedLpJEPA("test_byobnet", dim=8)
    expected = evaluate(model, small_data)
    with torch.inference_mode():
        copied = dataclasses.replace(small_data, train_labels=small_data.train_labels.clone())
        assert evaluate(model, copied) == expected


def test_batchnorm_statistics_are_those_of_the_batches(small_data):
    norm = torch.nn.BatchNorm2d(3)
    norm.running_mean.fill_(7)
    model = torch.nn.Sequential(norm, torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2)).train()
    norm.eval()  # as where it is frozen
    weights = copy.deepcopy(dict(model.named_parameters()))
    set_batchnorm_statistics(model, small_data, batch_size=40)
    batches = small_data.normalize(small_data.train_images).numpy().reshape(3, 40, 3, 1024)  # three batches of 40
    mean, var = batches.mean((1, 3)), batches.transpose(0, 2, 1, 3).reshape(3, 3, -1).var(2, ddof=1)
    np.testing.assert_allclose(norm.running_mean, mean.mean(0), atol=1e-5)
    np.testing.assert_allclose(norm.running_var, var.mean(0), rtol=1e-5)
    assert model.training and not norm.training and norm.momentum == 0.1
    for name, weight in model.named_parameters():
        assert torch.equal(weight, weights[name]) and weight.grad is None


def test_evaluate_needs_test_images(small_data):
    with pytest.raises(ValueError, match="^data has no test images to evaluate on$"):
        evaluate(lambda x: x.flatten(1), unlabelled(small_data.train_images))


def test_few_threads_gives_the_threads_back():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with few_threads(False):
            assert torch.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), few_threads():
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("count", [21, 20])
def test_batchnorm_statistics_of_any_number_of_images(count, small_data):
    """The last batch is not a single image, and each image counts alike."""
    data = dataclasses.replace(small_data, train_images=small_data.train_images[:count])
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(3072))
    set_batchnorm_statistics(model, data, batch_size=10)
    mean = data.normalize(data.train_images).flatten(1).mean(dim=0)
    torch.testing.assert_close(model[1].running_mean, mean, rtol=0, atol=1e-5 if count == 20 else 0.05)
