import dataclasses
import json
import math
import subprocess
import sys

import pytest
import scipy.stats
import torch

from rlpjepa import PretrainConfig, RunError, pretrain
from rlpjepa.pretrain import Run, expected_nonzero_fraction, main, train_step

module = sys.modules["rlpjepa.pretrain"]  # the package's attribute of that name is the function
TINY = PretrainConfig(backbone="test_byobnet", dim=8, batch_size=24, epochs=3, num_projections=8, device="cpu")
FINAL = {
    "encoder_knn", "encoder_probe", "projector_knn", "projector_probe",
    "nonzero_fraction", "expected_nonzero_fraction", "dead_fraction", "seconds",
}  # fmt: skip


@pytest.fixture(autouse=True)
def tiny(small_data, monkeypatch):
    """120 images, so that an epoch is five steps of 24; metrics are read every second step."""
    monkeypatch.setattr(module, "load_data", lambda *_: small_data)
    monkeypatch.setattr(module, "LOG_EVERY", 2)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


# ---------------------------------------------------------------------------------------------------------------------
# a run


def test_result_file(tmp_path, small_data):
    result, model = pretrain(TINY, tmp_path, progress=False)
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert set(result) == {"config", "provenance", "epochs", "final"} and FINAL <= set(result["final"])
    assert PretrainConfig(**result["config"]) == TINY
    assert set(result["provenance"]) >= {"commit", "date", "versions", "hardware", "data_md5"}
    assert result["provenance"]["data_md5"] == small_data.md5
    assert [epoch["epoch"] for epoch in result["epochs"]] == [1, 2, 3]
    for epoch in result["epochs"]:
        weighted = 25 * epoch["invariance"] + 125 * epoch["regularizer"]
        assert epoch["loss"] == pytest.approx(weighted, abs=1e-3)
    log = log_of(tmp_path)
    assert [line["step"] for line in log] == [2, 4, 5, 7, 9, 10, 12, 14, 15]
    first = (2 * log[0]["loss"] + 2 * log[1]["loss"] + log[2]["loss"]) / 5
    assert result["epochs"][0]["loss"] == pytest.approx(first, abs=1e-5)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob("*.part"))
    assert any((p != q).any() for p, q in zip(model.parameters(), fresh_model().parameters()))


def fresh_model():
    with torch.random.fork_rng():
        torch.manual_seed(TINY.seed)
        return module.RectifiedLpJEPA(TINY.backbone, TINY.dim)


def test_same_seed_same_weights_and_global_state_untouched(tmp_path):
    before = torch.get_rng_state()
    one, two, other = (
        pretrain(dataclasses.replace(TINY, seed=seed), tmp_path / name, progress=False)[1].state_dict()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_no_epochs_evaluates_the_network_as_initialised(tmp_path):
    result, model = pretrain(dataclasses.replace(TINY, epochs=0), tmp_path, progress=False)
    assert result["epochs"] == [] and FINAL <= set(result["final"])
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), fresh_model().parameters()))


def test_regularizer_none_leaves_the_invariance_term(tmp_path):
    result, _ = pretrain(dataclasses.replace(TINY, regularizer="none", epochs=1), tmp_path, progress=False)
    epoch = result["epochs"][0]
    assert epoch["regularizer"] == 0 and epoch["loss"] == pytest.approx(25 * epoch["invariance"], abs=1e-4)
    assert result["final"]["expected_nonzero_fraction"] is None


def test_without_rectification_features_have_signs_and_the_target_too(tmp_path):
    run = Run(dataclasses.replace(TINY, rectify=False, p=2.0, mu=1.0), tmp_path)
    target = module.sample_target(run, (4000, 8))
    assert scipy.stats.kstest(target.flatten().numpy(), "norm", (1, 1)).pvalue > 0.001  # fails 1 time in 1000
    result, model = pretrain(run.config, tmp_path / "run", progress=False)
    assert result["final"]["nonzero_fraction"] == 1 and result["final"]["expected_nonzero_fraction"] is None
    assert isinstance(model.projector[-1], torch.nn.Linear)


@pytest.mark.parametrize(
    ("p", "mu", "expected"),
    [(1.0, 0.0, 0.5), (2.0, -1.0, 0.5 * math.erfc(1 / math.sqrt(2))), (1.0, -2.0, 0.5 * math.exp(-2 * math.sqrt(2)))],
)
def test_expected_nonzero_fraction(p, mu, expected):
    assert expected_nonzero_fraction(PretrainConfig(p=p, mu=mu)) == pytest.approx(expected, rel=1e-12)


def test_cosine_schedule(tmp_path):
    run = Run(dataclasses.replace(TINY, schedule="cosine"), tmp_path)
    rates = []
    for _ in range(run.total_steps):
        rates.append(run.optimizer.param_groups[0]["lr"])
        train_step(run, torch.arange(24))
    expected = [TINY.lr * (1 + math.cos(math.pi * k / 15)) / 2 for k in range(15)]
    assert rates == pytest.approx(expected)


# ---------------------------------------------------------------------------------------------------------------------
# interrupted and resumed


def interrupt_at(monkeypatch, step):
    """Ctrl-C just before the given step (counted from 1)."""

    def interrupted(run, batch):
        if run.step + 1 == step:
            raise KeyboardInterrupt
        return train_step(run, batch)

    monkeypatch.setattr(module, "train_step", interrupted)


@pytest.mark.parametrize("step", [4, 6, 8])  # in the first epoch, at a boundary, in the second epoch
@pytest.mark.parametrize("change", [{}, {"schedule": "cosine"}, {"rectify": False}], ids=str)
def test_resumed_run_ends_with_the_same_bits(tmp_path, monkeypatch, capsys, step, change):
    config = dataclasses.replace(TINY, checkpoint_seconds=0, **change)
    whole, whole_model = pretrain(config, tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config, tmp_path / "parts", progress=False)
    assert f"interrupted at step {step - 1}; go on from step" in capsys.readouterr().err
    assert not (tmp_path / "parts" / "result.json").exists()
    parts, parts_model = pretrain(config, tmp_path / "parts", resume=True, progress=False)
    a, b = whole_model.state_dict(), parts_model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    for name in ("encoder_knn", "projector_probe", "nonzero_fraction"):
        assert whole["final"][name] == parts["final"][name]
    strip = lambda lines: [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]
    assert strip(whole["epochs"]) == strip(parts["epochs"])
    assert strip(log_of(tmp_path / "whole")) == strip(log_of(tmp_path / "parts"))


def test_interrupt_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, checkpoint_seconds=0)
    interrupt_at(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path, progress=False)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 5


def test_crash_while_writing_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    run = Run(TINY, tmp_path)
    run.save()
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full_disk(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(RunError, match="checkpoint.pt cannot be written: .*No space left"):
        run.save()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_checkpoint_of_another_configuration(tmp_path):
    pretrain(TINY, tmp_path, progress=False)
    other = dataclasses.replace(TINY, mu=-1.0, seed=3, checkpoint_seconds=5.0)
    with pytest.raises(RunError, match="another configuration: mu 0.0 there, -1.0 here, seed 0 there, 3 here$"):
        pretrain(other, tmp_path, resume=True, progress=False)


@pytest.mark.parametrize("size", [0, 100, 20_000, -1])
def test_damaged_checkpoint(tmp_path, size):
    pretrain(TINY, tmp_path, progress=False)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunError, match="checkpoint.pt is damaged or not a checkpoint"):
        pretrain(TINY, tmp_path, resume=True, progress=False)


def test_nothing_to_resume(tmp_path):
    with pytest.raises(RunError, match="no checkpoint to resume"):
        pretrain(TINY, tmp_path / "new", resume=True, progress=False)
    assert not (tmp_path / "new").exists()


def test_finished_run_is_not_overwritten(tmp_path):
    pretrain(TINY, tmp_path, progress=False)
    before = (tmp_path / "result.json").read_bytes()
    with pytest.raises(RunError, match="holds a run already: go on with --resume"):
        pretrain(TINY, tmp_path, progress=False)
    assert (tmp_path / "result.json").read_bytes() == before


# ---------------------------------------------------------------------------------------------------------------------
# what cannot be done


@pytest.mark.parametrize("where", ["loss", "features"])
def test_nan_stops_the_run_and_says_at_which_step(tmp_path, monkeypatch, where):
    def spoiled(run, batch):
        if where == "loss" and run.step + 1 == 9:  # as on CUDA, where nobody looks until the log entry
            return train_step(run, batch) * math.nan
        if where == "features" and run.step + 1 == 9:
            with torch.no_grad():
                run.model.projector[0].weight.fill_(math.nan)
        return train_step(run, batch)

    monkeypatch.setattr(module, "train_step", spoiled)
    with pytest.raises(RunError, match="training stopped at step 9: .*(nan|NaN).*lower lr"):
        pretrain(TINY, tmp_path, progress=False)
    assert not (tmp_path / "result.json").exists()


def test_output_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="output folder .* cannot be written"):
        pretrain(TINY, tmp_path / "file" / "run", progress=False)


@pytest.mark.parametrize("change", [{"batch_size": 121}, {"backbone": "resnet81"}])
def test_run_that_cannot_start_leaves_no_folder(tmp_path, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        pretrain(dataclasses.replace(TINY, **change), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("dataset", ["cifar10", None]),
        ("data_dir", [3]),
        ("backbone", [18]),
        ("cifar_stem", [1]),
        ("dim", [0, 2.5, True]),
        ("p", [0.0, -1.0, math.nan, math.inf, "1"]),
        ("mu", [math.nan, math.inf, None]),
        ("rectify", [0, "no"]),
        ("regularizer", ["vicreg"]),
        ("num_projections", [0]),
        ("invariance_weight", [-1.0, math.nan]),
        ("regularizer_weight", [-1.0]),
        ("batch_size", [1, 0, 2.0]),
        ("epochs", [-1]),
        ("lr", [0.0, -1e-3]),
        ("schedule", ["linear"]),
        ("weight_decay", [-1e-4]),
        ("seed", [-1, 1.5]),
        ("device", ["gpu"]),
        ("checkpoint_seconds", [-1.0]),
    ],
)
def test_bad_values_name_the_field(field, values):
    for value in values:
        with pytest.raises(ValueError, match=f"^{field} must be .*, got "):
            PretrainConfig(**{field: value})


def test_every_field_has_bad_values_above():
    marker = next(mark for mark in test_bad_values_name_the_field.pytestmark if mark.name == "parametrize")
    assert [field for field, _ in marker.args[1]] == [field.name for field in dataclasses.fields(PretrainConfig)]


def test_unavailable_device(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ValueError, match="device 'cuda' is not available"):
        pretrain(dataclasses.replace(TINY, device="cuda"), tmp_path / "run", progress=False)


# ---------------------------------------------------------------------------------------------------------------------
# the command line

SHORT = ["--backbone", "test_byobnet", "--dim", "8", "--batch-size", "24", "--epochs", "1", "--device", "cpu"]


def test_command_line_prints_the_result(tmp_path, capsys):
    assert main([*SHORT, "--run-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    final = json.loads((tmp_path / "result.json").read_text())["final"]
    assert f"encoder   {final['encoder_knn']:.3f}  {final['encoder_probe']:.3f}" in out
    assert "(Eq. 11: 0.500)" in out and str(tmp_path / "figure.png") in out


def test_every_field_is_an_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all("--" + field.name.replace("_", "-") in text for field in dataclasses.fields(PretrainConfig))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--p", "0"], "p must be positive, got 0.0"),
        (["--mu", "nan"], "mu must be finite"),
        (["--dataset", "imagenet"], "dataset must be one of"),
        (["--colour", "blue"], "unrecognized arguments: --colour"),
        (["--epoch", "1"], "unrecognized arguments: --epoch"),
        (["--resume"], "--resume needs the --run-dir"),
    ],
)
def test_bad_options_end_in_one_clear_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_errors_of_a_run_end_in_one_clear_line(tmp_path, capsys):
    assert main([*SHORT[2:], "--backbone", "resnet81", "--run-dir", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: backbone must be") and error.count("\n") == 1


@pytest.mark.slow
def test_as_a_process_of_its_own(tmp_path):
    command = [sys.executable, "-m", "rlpjepa.pretrain", "--dataset", "cifar100", "--data-dir", str(tmp_path / "none")]
    environment = {"PATH": "", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}  # no network
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and "Put cifar-100-python.tar.gz" in done.stderr
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.slow
def test_import_loads_torch_and_no_more():
    code = "import sys, rlpjepa; from rlpjepa import RectifiedLpJEPA, pretrain; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torchvision", "timm", "matplotlib", "plotly", "IPython", "ipywidgets", "scipy", "jupyterlab"}
    assert "torch" in loaded and not heavy & set(loaded)
