"""``make bench`` runs: what it measures is for a quiet machine, not for a test."""

import importlib.util
import sys
from pathlib import Path

import torch

from rlpjepa import PretrainConfig, random_directions, rdmreg_loss
from tests.bench import __main__ as bench
from tests.bench.plain import plain_rdmreg

TINY = PretrainConfig(backbone="test_byobnet", dim=8, batch_size=24, device="cpu")


def test_every_row_of_the_step(monkeypatch, small_data, capsys):
    monkeypatch.setattr(sys.modules["rlpjepa.pretrain"], "load_data", lambda *_: small_data)
    table = bench.Table()
    assert bench.bench_step(table, 2, 1, TINY)["data_md5"] == small_data.md5
    names = [
        "step, plain", "step, rlpjepa", "step, rlpjepa, against the plain step", "step, share of two views and loss",
        "step, share of the optimizer", "matrix product, 10^12 operations", "step, rlpjepa, its time over the floor",
    ]  # fmt: skip
    assert list(table.rows) == names and all(0 < row["low"] <= row["median"] for row in table.rows.values())
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)


def test_every_row_of_the_loss(capsys):
    table = bench.Table()
    bench.bench_loss(table, 1, torch.device("cpu"), size=16, dim=8)
    pot = importlib.util.find_spec("ot") is not None
    assert len(table.rows) == 4 + 2 * pot and ("loss, N = 256, against POT" in table.rows) == pot
    assert "loss, N = 8192, its time over the floor" in capsys.readouterr().out


def test_whole_run_is_timed_from_the_start_of_its_process(monkeypatch, tmp_path):
    def run(command, check):
        assert command[:4] == [sys.executable, "-m", "rlpjepa.pretrain", "--epochs"] and check
        folder = Path(command[command.index("--run-dir") + 1])
        folder.mkdir()
        final = '{"encoder_knn": 0.25, "encoder_probe": 0.5}'
        (folder / "result.json").write_text(f'{{"final": {final}, "provenance": {{"commit": "c"}}}}')

    monkeypatch.setattr(bench.subprocess, "run", run)
    table = bench.Table()
    assert bench.bench_whole(table, "--epochs 3") == {"commit": "c"}
    assert list(table.rows) == [f"whole run, --epochs 3{end}" for end in ("", ", encoder_knn", ", encoder_probe")]
    assert [row["median"] for row in table.rows.values()][1:] == [0.25, 0.5]


def test_plain_loss_and_ours_agree(generator):
    z, target = torch.rand(16, 5, generator=generator), torch.rand(16, 5, generator=generator)
    c = random_directions(7, 5, generator=generator)
    torch.testing.assert_close(plain_rdmreg(z, target, directions=c), rdmreg_loss(z, target, directions=c))
