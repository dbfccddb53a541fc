"""LARS and the learning rate's course, step by step against lines of their own; the online probe beside a run."""

import dataclasses
import math

import pytest
import timm.optim
import torch
from torch import nn
from torch.nn import functional as F

from rlpjepa.data import load_folder
from rlpjepa.evaluate import extract_features
from rlpjepa.pretrain import pretrain
from rlpjepa.pretrain.optimizer import create_optimizer, learning_rate, set_learning_rate
from rlpjepa.pretrain.storage import load_checkpoint

from .harness import TINY, Recorded, same, train_run

LIKE_THE_PAPER = {"optimizer": "lars", "lr": 0.03, "warmup_epochs": 1, "schedule": "cosine", "trust_coeff": 0.02}


def network():
    """Matrices, biases and a norm; the last matrix is zero, and the first one's steps are not clipped at first."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 6), nn.Linear(6, 3)).double()
    nn.init.zeros_(model[4].weight)
    return model


def gradients(model, step):
    x = torch.randn(16, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
    model.zero_grad()
    (model(x) - x[:, :3]).square().sum().backward()


def test_lars_step_by_step():
    config = dataclasses.replace(TINY, **LIKE_THE_PAPER, weight_decay=0.1, momentum=0.8)
    with torch.random.fork_rng():
        ours, by_hand = network(), network()
    optimizer, moves, clipped = create_optimizer(ours, config, torch.device("cpu")), {}, set()
    for step in range(30):  # two epochs of 15 steps
        set_learning_rate(optimizer, config, torch.tensor(step), 30)
        lr = optimizer.param_groups[0]["lr"].item()
        for model in (ours, by_hand):
            gradients(model, step)
        optimizer.step()
        with torch.no_grad():
            for name, w in by_hand.named_parameters():
                update = w.grad
                if w.dim() > 1 and w.norm() > 0:
                    limit = 0.02 * w.norm() / (w.grad.norm() + 0.1 * w.norm())
                    clipped.add((limit > lr).item())
                    update = (w.grad + 0.1 * w) * min(limit / lr, 1)
                moves[name] = 0.8 * moves[name] + update if name in moves else update.clone()
                w -= lr * moves[name]
        for name, w in by_hand.named_parameters():
            torch.testing.assert_close(ours.state_dict()[name], w.data, rtol=1e-6, atol=1e-9)
    assert clipped == {True, False}


def course(lr):
    """The rates of 30 steps with a warm-up of 15, by solo-learn's formula."""
    rising = [3e-5 + k * (lr - 3e-5) / 14 for k in range(15)]
    return [*rising, *(lr * (1 + math.cos(math.pi * k / 15)) / 2 for k in range(15))]


@pytest.mark.parametrize(
    ("change", "rates"),
    [
        ({"warmup_epochs": 1, "schedule": "cosine"}, course(0.03)),
        ({"warmup_epochs": 1}, course(0.03)[:15] + [0.03] * 15),
        ({"warmup_epochs": 2, "schedule": "cosine"}, [3e-5 + k * (0.03 - 3e-5) / 29 for k in range(30)]),
        ({"schedule": "cosine"}, [0.03 * (1 + math.cos(math.pi * k / 30)) / 2 for k in range(30)]),
        ({}, [0.03] * 30),
    ],
    ids=str,
)
def test_learning_rate_step_by_step(change, rates):
    config = dataclasses.replace(TINY, lr=0.03, **change)
    found = [learning_rate(config, torch.tensor(step), 30) for step in range(30)]
    assert all(rate.dtype == torch.float32 for rate in found)
    assert [rate.item() for rate in found] == pytest.approx(rates, rel=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# the online probe


@pytest.fixture(scope="module")
def probed(tiny):
    return dataclasses.replace(tiny, online_probe_lr=0.01, **LIKE_THE_PAPER)


def test_online_probe_is_a_linear_classifier_of_the_views(tmp_path, probed):
    first, steps, data = {}, [], {}

    def before(run):
        if run.step == 0:
            run.data = data.setdefault(0, Recorded(**vars(run.data)))
            first.update({name: weight.clone() for name, weight in run.probe.layer.state_dict().items()})

    def after(run):
        steps.append((run.features, run.probe.optimizer.param_groups[0]["lr"].item()))

    run = train_run(probed, tmp_path, before, after)
    assert [lr for _, lr in steps] == pytest.approx(course(0.01), rel=1e-5)
    layer = nn.Linear(run.model.projector[0].in_features, 2)
    bound = layer.in_features**-0.5
    assert 0.9 * bound < first["weight"].abs().max() <= bound >= first["bias"].abs().max()
    layer.load_state_dict(first)
    groups = [{"params": [layer.weight], "always_adapt": True}, {"params": [layer.bias]}]  # no weight decay
    optimizer = timm.optim.Lars(groups, momentum=0.9, trust_coeff=0.02, trust_clip=True)
    for (features, lr), batch in zip(steps, data[0].batches, strict=True):
        labels = data[0].train_labels[batch]
        one, two = (F.cross_entropy(layer(view), labels) for view in features.float().split(8))
        for group in groups:
            group["lr"] = lr
        optimizer.zero_grad()
        ((one + two) / 2).backward()
        optimizer.step()
    for name, weight in run.probe.layer.state_dict().items():
        assert (weight != first[name]).any()
        torch.testing.assert_close(layer.state_dict()[name], weight, rtol=1e-4, atol=1e-6)


def test_result_has_the_online_probes_accuracy_and_the_network_does_not_feel_it(tmp_path, probed):
    result, model = pretrain(probed, tmp_path / "with", progress=False)
    without = train_run(dataclasses.replace(probed, online_probe_lr=0.0), tmp_path / "without")
    assert same(model.state_dict(), without.model.state_dict()) and without.probe is None
    data, layer = load_folder(probed.data_dir), load_checkpoint(tmp_path / "with")["probe"]
    features, _ = extract_features(model, data, data.test_images)
    right = (features @ layer["weight"].T + layer["bias"]).argmax(dim=1) == data.test_labels
    assert result["final"]["online_probe"] == right.float().mean().item()
