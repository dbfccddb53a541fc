"""``make bench`` runs: what it measures is for a quiet machine, not for a test."""

import importlib.util
import sys

import pytest
import torch

from rlpjepa import random_directions, rdmreg_loss
from rlpjepa.pretrain import PretrainConfig
from tests.bench import __main__ as bench
from tests.bench.plain import PlainTraining, plain_rdmreg

TINY = PretrainConfig(backbone="test_byobnet", dim=8, batch_size=24, device="cpu")


def test_every_row_of_the_step(capsys):
    table = bench.Table()
    assert "threads" in bench.bench_step(table, 2, 1, TINY)["hardware"]
    names = [
        "step, plain", "step, rlpjepa", "step, rlpjepa, against the plain step", "step, share of two views and loss",
        "step, share of the optimizer", "step, share of the network, the rest",
        "step, rlpjepa, launches without a graph", "matrix product, 10^12 operations",
        "step, rlpjepa, its time over the floor",
    ]  # fmt: skip
    assert list(table.rows) == names and all(row["low"] <= row["median"] for row in table.rows.values())
    assert all(row["low"] > 0 for name, row in table.rows.items() if "share" not in name)
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)


def test_every_row_of_the_loss(capsys):
    table = bench.Table()
    bench.bench_loss(table, 1, torch.device("cpu"), size=16, dim=8)
    pot = importlib.util.find_spec("ot") is not None
    assert len(table.rows) == 4 + 2 * pot and ("loss, N = 256, against POT" in table.rows) == pot
    assert "loss, N = 8192, its time over the floor" in capsys.readouterr().out


@pytest.mark.slow
def test_whole_run_is_timed_from_the_start_of_its_process():
    table = bench.Table()
    options = "--backbone test_byobnet --dim 8 --epochs 0 --device cpu"
    assert "versions" in bench.bench_whole(table, options)
    assert list(table.rows) == [f"whole run, {options}{end}" for end in ("", ", encoder_knn", ", encoder_probe")]
    seconds, *accuracies = (row["median"] for row in table.rows.values())
    assert seconds > 1 and all(0.05 < accuracy < 1 for accuracy in accuracies)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere starting workers takes longer than the step")
def test_loader_workers_draw_the_plain_views(small_data):
    plain = PlainTraining(small_data, torch.device("cpu"), batch_size=24)
    before = [weight.clone() for weight in plain.model.parameters()]
    plain.steps(2, workers=1)
    assert any((a != b).any() for a, b in zip(before, plain.model.parameters()))


def test_plain_loss_and_ours_agree(generator):
    z, target = torch.rand(16, 5, generator=generator), torch.rand(16, 5, generator=generator)
    c = random_directions(7, 5, generator=generator)
    torch.testing.assert_close(plain_rdmreg(z, target, directions=c), rdmreg_loss(z, target, directions=c))
