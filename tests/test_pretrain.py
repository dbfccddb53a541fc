import dataclasses
import errno
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import scipy.special
import scipy.stats
import torch
from matplotlib.figure import Figure
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from rlpjepa import (
    PretrainConfig,
    RunError,
    coordinate_loss,
    pretrain,
    rdmreg_loss,
    rgg_cf_loss,
    sample_rgg,
    sigreg_loss,
)
from rlpjepa.data import _channels
from rlpjepa.pretrain import REGULARIZERS, Run, expected_nonzero_fraction, main, train_step
from rlpjepa.storage import load_checkpoint, save_checkpoint

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


def leave_out_evaluation(patch):
    """An evaluation of one forward pass, and empty figures: the real ones take longer than the training."""

    def evaluate(model, data):
        with torch.no_grad():
            z = model.eval()(data.normalize(data.test_images))[1]
        return {"nonzero_fraction": (z != 0).float().mean().item(), "sum": z.sum().item()}

    patch.setattr(module, "evaluate", evaluate)
    for name in ("plot_training", "plot_features"):
        patch.setattr(module, name, lambda *_: Figure(figsize=(1, 1)))


@pytest.fixture
def training_only(monkeypatch):
    leave_out_evaluation(monkeypatch)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def same(a, b):
    """Whether two state_dicts agree bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


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


@pytest.mark.usefixtures("training_only")
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
    config = dataclasses.replace(TINY, epochs=0)
    result, model = pretrain(config, tmp_path, progress=False)
    assert result["epochs"] == [] and FINAL <= set(result["final"])
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), fresh_model().parameters()))
    with pytest.raises(RunError, match="holds a run already"):
        pretrain(dataclasses.replace(config, seed=1), tmp_path, progress=False)
    state, _ = load_checkpoint(tmp_path)
    state["model"]["projector.6.bias"] -= 1000  # so that what is evaluated shows whence it came
    save_checkpoint(tmp_path, state)
    again, _ = pretrain(config, tmp_path, resume=True, progress=False)
    assert again["final"]["nonzero_fraction"] == 0 < result["final"]["nonzero_fraction"]


@pytest.mark.parametrize("coordinate_weight", [0.0, 10.0])
@pytest.mark.parametrize("name", REGULARIZERS)
@pytest.mark.usefixtures("training_only")
def test_every_regularizer_trains_and_is_in_the_log(tmp_path, name, coordinate_weight):
    config = dataclasses.replace(TINY, regularizer=name, coordinate_weight=coordinate_weight, epochs=1)
    result, model = pretrain(config, tmp_path, progress=False)
    assert (model.projector[0].weight != fresh_model().projector[0].weight).any()
    for line in [*result["epochs"], *log_of(tmp_path)]:
        assert (line["regularizer"] > 0) == (name != "none") and (line["coordinate"] > 0) == (coordinate_weight > 0)
        parts = 25 * line["invariance"] + 125 * line["regularizer"] + coordinate_weight * line["coordinate"]
        assert line["loss"] == pytest.approx(parts, abs=1e-3)
    expected = result["final"]["expected_nonzero_fraction"]
    aimed = name in ("rdmreg", "rgg_cf") or coordinate_weight > 0
    assert expected == (pytest.approx(0.5, abs=1e-12) if aimed else None)


@pytest.mark.usefixtures("training_only")
def test_weights_of_the_parts(tmp_path):
    weights = {"invariance_weight": 3.0, "regularizer_weight": 7.0, "coordinate_weight": 11.0}
    result, _ = pretrain(dataclasses.replace(TINY, epochs=1, **weights), tmp_path, progress=False)
    epoch = result["epochs"][0]
    parts = [weight * epoch[name.removesuffix("_weight")] for name, weight in weights.items()]
    assert min(parts) > 0 and epoch["loss"] == pytest.approx(sum(parts), abs=1e-3)


@pytest.mark.parametrize("name", ["rdmreg", "rgg_cf", "sigreg"])
def test_regularizers_are_the_losses_of_that_name(tmp_path, name, generator):
    run = Run(dataclasses.replace(TINY, regularizer=name, mu=-1.0), tmp_path)
    z = torch.rand(2, 24, 8)
    value, options = module.regularizer(run, z), {"num_projections": 8, "generator": generator}  # both of seed 0
    match name:
        case "rdmreg":  # the target first, then the directions
            expected = rdmreg_loss(z, sample_rgg((24, 8), mu=-1.0, generator=generator), **options)
        case "rgg_cf":
            expected = rgg_cf_loss(z, run.law, **options)
        case "sigreg":
            expected = sigreg_loss(z, **options)
    assert value == expected


@pytest.mark.parametrize(("p", "mu"), [(2.0, -1.0), (0.5, 0.7)])
def test_target_follows_the_run_s_p_and_mu(tmp_path, p, mu):
    x = module.sample_target(Run(dataclasses.replace(TINY, p=p, mu=mu), tmp_path), (2000, 8)).flatten().numpy()
    scale = math.exp((scipy.special.gammaln(1 / p) - scipy.special.gammaln(3 / p)) / 2)  # scipy's, for variance 1
    law = scipy.stats.gennorm(p, mu, scale)
    active = law.sf(0)
    assert abs((x > 0).mean() - active) < 4 * math.sqrt(active * (1 - active) / len(x))  # 1 time in 16,000
    positive = scipy.stats.kstest(x[x > 0], lambda value: 1 - law.sf(value) / active)
    assert positive.pvalue > 1e-3  # 1 time in 1000; the seed is fixed


def test_directions_over_few_coordinates(tmp_path):
    run = Run(dataclasses.replace(TINY, direction_size=3), tmp_path)
    state = run.generator.get_state()
    c = module.sparse_directions(run, 200, 8)
    assert ((c != 0).sum(1) == 3).all() and (c != 0).any(0).all()
    torch.testing.assert_close(c.norm(dim=1), torch.ones(200))
    z = torch.rand(2, 24, 8)
    run.generator.set_state(state)
    c = module.sparse_directions(run, 8, 8)
    expected = rdmreg_loss(z, module.sample_target(run, (24, 8)), directions=c)
    run.generator.set_state(state)
    assert module.regularizer(run, z) == expected


def test_every_image_once_an_epoch_and_in_another_order_in_the_next(tmp_path, monkeypatch):
    batches = []
    monkeypatch.setattr(module, "train_step", lambda run, batch: (batches.append(batch), train_step(run, batch))[1])
    module.train(Run(TINY, tmp_path), progress=False)
    epochs = torch.stack(batches).view(3, 120)
    assert (epochs.sort().values == torch.arange(120)).all()
    assert all((a != b).any() for a, b in zip(epochs, [*epochs[1:], torch.arange(120)]))


def test_optimizer_and_network_are_those_of_the_configuration(tmp_path):
    group = Run(dataclasses.replace(TINY, lr=3e-4, weight_decay=0.2), tmp_path).optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (3e-4, 0.2)
    for stem, size in ((True, (3, 3)), (False, (7, 7))):
        run = Run(dataclasses.replace(TINY, backbone="resnet18", cifar_stem=stem), tmp_path)
        assert run.model.backbone.conv1.kernel_size == size


def test_coordinates_are_matched_to_the_runs_target(tmp_path, monkeypatch):
    run = Run(dataclasses.replace(TINY, regularizer="none", mu=-1.0, coordinate_weight=1.0), tmp_path)
    law = module.RectifiedGeneralizedGaussian(*(torch.tensor(v).double() for v in (-1.0, 0.5**0.5, 1.0)))
    seen, objective = [], module.objective
    monkeypatch.setattr(module, "objective", lambda z, *a, **k: (seen.append((z, a[1])), objective(z, *a, **k))[1])
    train_step(run, torch.arange(24))
    z, coordinate = seen[0]
    assert coordinate.item() == pytest.approx(coordinate_loss(z, law).item(), rel=1e-6)


def test_without_rectification_features_have_signs_and_the_target_too(tmp_path):
    run = Run(dataclasses.replace(TINY, rectify=False, p=2.0, mu=1.0), tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        target = module.sample_target(run, (4000, 8))
    assert scipy.stats.kstest(target.flatten().numpy(), "norm", (1, 1)).pvalue > 0.001  # 1 seed in 1000 fails
    result, model = pretrain(run.config, tmp_path / "run", progress=False)
    assert result["final"]["nonzero_fraction"] == 1 and result["final"]["expected_nonzero_fraction"] is None
    assert isinstance(model.projector[-1], torch.nn.Linear)


@pytest.mark.parametrize("rectify", [True, False])
def test_target_may_be_rectified_or_not_whatever_the_projector_is(tmp_path, rectify):
    run = Run(dataclasses.replace(TINY, rectify=rectify, rectify_target=not rectify), tmp_path)
    assert isinstance(run.model.projector[-1], torch.nn.ReLU) == rectify
    assert (module.sample_target(run, (4000, 8)) < 0).any() == rectify
    assert (expected_nonzero_fraction(run.config) is None) == rectify


@pytest.mark.parametrize(
    ("change", "aimed"),
    [
        ({"regularizer": "none"}, False), ({"regularizer": "none", "coordinate_weight": 1.0}, True),
        ({"regularizer_weight": 0.0}, False), ({"regularizer": "sigreg"}, False), ({"regularizer": "rgg_cf"}, True),
    ],
)  # fmt: skip
def test_a_share_is_expected_where_a_term_of_the_loss_asks_for_it(change, aimed):
    assert (expected_nonzero_fraction(PretrainConfig(**change)) == 0.5) == aimed
    assert (expected_nonzero_fraction(PretrainConfig(**change)) is None) != aimed


@pytest.mark.parametrize(
    ("p", "mu", "expected"),
    [(1.0, 0.0, 0.5), (2.0, -1.0, 0.5 * math.erfc(1 / math.sqrt(2))), (1.0, -2.0, 0.5 * math.exp(-2 * math.sqrt(2)))],
)
def test_expected_nonzero_fraction(p, mu, expected):
    assert expected_nonzero_fraction(PretrainConfig(p=p, mu=mu)) == pytest.approx(expected, rel=1e-12)


def test_cosine_schedule(tmp_path):
    run = Run(dataclasses.replace(TINY, schedule="cosine", lr=2e-3), tmp_path)
    rates, lr = [], 2e-3
    for _ in range(run.total_steps):
        rates.append(run.optimizer.param_groups[0]["lr"])
        train_step(run, torch.arange(24))
    expected = [lr * (1 + math.cos(math.pi * k / 15)) / 2 for k in range(15)]
    assert rates == pytest.approx(expected)


# ---------------------------------------------------------------------------------------------------------------------
# a GPU


@pytest.mark.parametrize(
    "change",
    [
        {}, {"p": 2.0}, {"p": 0.5}, {"p": 0.75}, {"rectify": False}, {"direction_size": 4}, {"coordinate_weight": 1.0},
        {"regularizer": "sigreg"}, {"regularizer": "rgg_cf"}, {"regularizer": "none"},
    ],
    ids=str,
)  # fmt: skip
def test_step_on_an_imagined_gpu_neither_waits_nor_mixes_devices(change, monkeypatch, small_data):
    """torch's fake tensors have a shape and a device but no values: to fetch one raises, as two devices do.

    Views and forward pass; torch cannot imagine a backward pass on CUDA.
    """
    config = dataclasses.replace(TINY, **change)
    network = module.RectifiedLpJEPA(config.backbone, config.dim, config.rectify)
    monkeypatch.setattr(torch.Tensor, "backward", lambda loss: None)
    monkeypatch.setattr(torch, "randperm", lambda n, **_: range(n))  # the jitter's order, drawn on the host
    monkeypatch.setattr("rlpjepa.data._channels", _channels.__wrapped__)  # no imagined tensor is to be kept
    # What looks at the law's parameters does so before the first step.
    monkeypatch.setattr(torch.distributions.Distribution, "_validate_args", False)
    for name in ("losses", "projections"):
        deviation = "rlpjepa." + name + ".standard_deviation"
        monkeypatch.setattr(deviation, lambda law: law._moments()[1].sqrt())
    monkeypatch.setattr("rlpjepa.projections.check_mass", lambda *_: None)
    with FakeTensorMode(allow_non_fake_inputs=True):
        weights = {k: v.to("cuda") for k, v in (*network.named_parameters(), *network.named_buffers())}
        run = SimpleNamespace(
            config=config, device=torch.device("cuda"), bfloat16=False, generator=None, host=None, graph=None,
            data=small_data.to("cuda"), law=module.target_law(config, "cuda"),
            network=lambda x: torch.func.functional_call(network, weights, x),
            optimizer=SimpleNamespace(zero_grad=lambda **_: None, step=lambda: None),
            scheduler=SimpleNamespace(step=lambda: None),
        )  # fmt: skip
        metrics = train_step(run, torch.arange(24, device="cuda"))
        assert metrics.is_cuda and metrics.shape == (5,)
        with pytest.raises(DataDependentOutputException):
            metrics[0].item()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("change", [{}, {"schedule": "cosine", "coordinate_weight": 1.0}, {"rectify": False}], ids=str)
def test_cuda_graph_gives_the_numbers_of_plain_steps_and_never_waits(tmp_path, change):
    metrics, states, weights = {}, {}, {}
    for graph in (False, True):
        config = dataclasses.replace(TINY, device="cuda", cuda_graph=graph, **change)
        with torch.random.fork_rng(), torch.backends.cudnn.flags(enabled=True, deterministic=True):
            torch.manual_seed(0)
            run = Run(config, tmp_path)
            batches = torch.arange(120, device="cuda").view(5, 24)
            metrics[graph] = [train_step(run, batch) for batch in batches]
            torch.cuda.set_sync_debug_mode("error")  # raises on a wait for the device or a copy from it
            try:
                metrics[graph] += [train_step(run, batch) for batch in batches]
            finally:
                torch.cuda.set_sync_debug_mode("default")
            states[graph] = run.generator.get_state(), torch.cuda.get_rng_state()
        weights[graph] = run.model.state_dict()
    assert all(torch.equal(a, b) for a, b in zip(*states.values()))
    torch.testing.assert_close(torch.stack(metrics[True]), torch.stack(metrics[False]), rtol=1e-5, atol=1e-6)
    for name, weight in weights[False].items():
        torch.testing.assert_close(weights[True][name], weight, rtol=1e-4, atol=1e-5)


def test_cuda_graph_needs_one_process_on_cuda(tmp_path):
    with pytest.raises(ValueError, match="cuda_graph is for one process on CUDA, this is 1 on cpu"):
        pretrain(dataclasses.replace(TINY, cuda_graph=True), tmp_path / "run", progress=False)


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
@pytest.mark.usefixtures("training_only")
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
    for name in ("nonzero_fraction", "sum"):
        assert whole["final"][name] == parts["final"][name]
    strip = lambda lines: [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]
    assert strip(whole["epochs"]) == strip(parts["epochs"])
    assert strip(log_of(tmp_path / "whole")) == strip(log_of(tmp_path / "parts"))


def test_finished_run_resumed_is_evaluated_again_and_not_trained(tmp_path, monkeypatch):
    before, model = pretrain(TINY, tmp_path, progress=False)
    (tmp_path / "result.json").unlink()
    monkeypatch.setattr(module, "train_step", None)
    after, again = pretrain(TINY, tmp_path, resume=True, progress=False)
    assert same(model.state_dict(), again.state_dict()) and after["epochs"] == before["epochs"]
    assert [after["final"][k] == before["final"][k] for k in sorted(FINAL - {"seconds"})] == [True] * (len(FINAL) - 1)
    assert json.loads((tmp_path / "result.json").read_text()) == after


@pytest.mark.usefixtures("training_only")
def test_run_goes_on_with_its_own_data_alone(tmp_path, small_data, monkeypatch):
    config = dataclasses.replace(TINY, dataset="folder")
    pretrain(config, tmp_path, progress=False)
    result = (tmp_path / "result.json").read_bytes()
    other = dataclasses.replace(small_data, md5={"train": "another", "test": "one"})
    monkeypatch.setattr(module, "load_data", lambda *_: other)
    with pytest.raises(RunError, match="was trained on other data: .* there, {'train': 'another', 'test': 'one'} here"):
        pretrain(config, tmp_path, resume=True, progress=False)
    assert (tmp_path / "result.json").read_bytes() == result


@pytest.mark.usefixtures("training_only")
def test_shapes_of_another_processor_go_on(tmp_path, small_data, monkeypatch):
    pretrain(TINY, tmp_path, progress=False)
    other = dataclasses.replace(small_data, md5={"train": "rounded", "test": "otherwise"})
    monkeypatch.setattr(module, "load_data", lambda *_: other)
    result, _ = pretrain(TINY, tmp_path, resume=True, progress=False)
    assert result["provenance"]["earlier"][0]["data_md5"] == small_data.md5


@pytest.mark.usefixtures("training_only")
def test_run_stopped_before_its_first_checkpoint_begins_anew(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 4)
        with pytest.raises(KeyboardInterrupt):
            pretrain(TINY, tmp_path, progress=False)
    pretrain(TINY, tmp_path, progress=False)
    assert [line["step"] for line in log_of(tmp_path)] == [2, 4, 5, 7, 9, 10, 12, 14, 15]


def test_interrupt_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, checkpoint_seconds=0)
    interrupt_at(monkeypatch, 6)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path, progress=False)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 5


def test_interrupt_while_evaluating_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrain(TINY, tmp_path, progress=False)
    assert f"go on from step 15 with --run-dir {tmp_path} --resume (in Python: resume=True)" in capsys.readouterr().err


# One run of 20 epochs, from the command line or a notebook, on few images; a step is slow until it is told not to be.
INTERRUPTED = """
import sys, time, matplotlib.figure, torch
torch.set_num_threads(1)
from rlpjepa import PretrainConfig, make_shapes, pretrain

module = sys.modules["rlpjepa.pretrain"]
data, step, pause = make_shapes(40, 20), module.train_step, 0.05
module.load_data = lambda *_: data
module.evaluate = lambda *_: {}
module.plot_training = module.plot_features = lambda *_: matplotlib.figure.Figure(figsize=(1, 1))
module.report = lambda result: "done"
module.train_step = lambda run, batch: (time.sleep(pause), step(run, batch))[1]
options = {
    "backbone": "test_byobnet", "dim": 8, "batch_size": 8, "epochs": 20, "num_projections": 8, "device": "cpu",
    "checkpoint_seconds": 0,
}
"""


def wait_for_a_checkpoint(run_dir, alive):
    for _ in range(1200):
        if (run_dir / "checkpoint.pt").exists():
            return
        assert alive()
        time.sleep(0.1)
    pytest.fail("no checkpoint after two minutes")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a process of its own")
def test_interrupted_in_a_terminal_and_in_a_notebook_ends_with_the_same_bits(tmp_path):
    start_new_kernel = pytest.importorskip("jupyter_client.manager").start_new_kernel
    script = (
        INTERRUPTED
        + """
arguments = [x for name, value in options.items() for x in ("--" + name.replace("_", "-"), str(value))]
pause = float(sys.argv[1])
sys.exit(module.main(arguments + sys.argv[2:]))
"""
    )
    terminal = [sys.executable, "-c", script]
    with subprocess.Popen([*terminal, "0.05", "--run-dir", tmp_path / "a"], stderr=subprocess.PIPE, text=True) as run:
        wait_for_a_checkpoint(tmp_path / "a", lambda: run.poll() is None)
        run.send_signal(signal.SIGINT)
        message = run.communicate(timeout=60)[1].splitlines()[-1]
    assert run.returncode == 130
    assert re.fullmatch(r"interrupted at step \d+; go on from step \d+ with --run-dir .* --resume .*", message)

    manager, client = start_new_kernel(cwd=tmp_path)
    try:
        begin = INTERRUPTED + 'pretrain(PretrainConfig(**options), "b", progress=False)'
        sent = client.execute(begin)
        wait_for_a_checkpoint(tmp_path / "b", manager.is_alive)
        manager.interrupt_kernel()
        reply = {}
        while (
            reply.get("parent_header", {}).get("msg_id") != sent
        ):  # the kernel may still be answering earlier questions
            reply = client.get_shell_msg(timeout=60)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        go_on = 'pause = 0\npretrain(PretrainConfig(**options), "b", resume=True, progress=False)'
        assert client.execute(go_on, reply=True, timeout=120)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    for rest in (["a", "--resume"], ["whole"]):
        done = subprocess.run([*terminal, "0", "--run-dir", tmp_path / rest[0], *rest[1:]], timeout=120)
        assert done.returncode == 0
    whole, *others = (load_checkpoint(tmp_path / name)[0] for name in ("whole", "a", "b"))
    for other in others:
        assert other["step"] == whole["step"] == 100 and same(other["model"], whole["model"])


@pytest.mark.usefixtures("training_only")
def test_full_disk_ends_in_one_clear_line_and_resumes_with_the_same_bits(tmp_path, monkeypatch, capsys):
    def full(file):
        if len(list(tmp_path.glob("parts/*.pt"))) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "report", lambda result: "done")
    arguments = [*SHORT, "--epochs", "3", "--checkpoint-seconds", "0", "--run-dir"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert main([*arguments, str(tmp_path / "parts")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and "checkpoint.pt cannot be written: [Errno 28] No space left" in error
    assert main([*arguments, str(tmp_path / "parts"), "--resume"]) == 0
    assert main([*arguments, str(tmp_path / "whole")]) == 0
    parts, whole = (load_checkpoint(tmp_path / name)[0] for name in ("parts", "whole"))
    assert same(parts["model"], whole["model"]) and parts["step"] == 15


@pytest.mark.usefixtures("training_only")
def test_checkpoint_of_an_older_version_has_no_provenance(tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 8)
    with pytest.raises(KeyboardInterrupt):
        pretrain(dataclasses.replace(TINY, checkpoint_seconds=0.0), tmp_path, progress=False)
    state, _ = load_checkpoint(tmp_path)
    del state["provenance"]
    save_checkpoint(tmp_path, state)
    monkeypatch.undo()
    run = Run(TINY, tmp_path)
    run.restore()
    assert run.step == state["step"] and "earlier" not in run.provenance


def test_commit_of_a_copy_without_its_history(tmp_path, monkeypatch):
    def no_git(*_, **__):
        raise FileNotFoundError("git")

    run = Run(TINY, tmp_path)
    monkeypatch.setattr(module.subprocess, "run", no_git)
    monkeypatch.delenv("RLPJEPA_COMMIT", raising=False)
    assert module.provenance(run)["commit"] is None
    monkeypatch.setenv("RLPJEPA_COMMIT", "c0ffee")
    assert module.provenance(run)["commit"] == "c0ffee"


def test_commit_of_somebody_elses_repository_is_not_ours(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "RLPJEPA_COMMIT"))}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONPATH": str(tmp_path)}

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, "-C", str(tmp_path), *arguments], check=True, capture_output=True, env=environment)

    git("init")
    git("commit", "--allow-empty", "-m", "theirs")
    shutil.copytree(Path(module.__file__).parent, tmp_path / "rlpjepa")
    code = (
        "import types, torch; from rlpjepa.pretrain import provenance; data = types.SimpleNamespace(md5='');"
        "print(provenance(types.SimpleNamespace(device=torch.device('cpu'), bfloat16=False, data=data))['commit'])"
    )
    arguments = {"cwd": tmp_path, "env": environment, "text": True}
    assert subprocess.check_output([sys.executable, "-c", code], **arguments).strip() == "None"
    git("add", ".")
    git("commit", "-m", "now it is theirs")
    assert len(subprocess.check_output([sys.executable, "-c", code], **arguments).strip()) == 40


@pytest.mark.usefixtures("training_only")
def test_result_tells_where_earlier_parts_were_computed(tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, checkpoint_seconds=0.0)
    for commit, step in (("a", 4), ("b", 8), ("b", 12)):
        monkeypatch.setattr(module, "provenance", lambda run, commit=commit: {"commit": commit})
        with monkeypatch.context() as patch:
            interrupt_at(patch, step)
            with pytest.raises(KeyboardInterrupt):
                pretrain(config, tmp_path, resume=step > 4, progress=False)
    monkeypatch.setattr(module, "provenance", lambda run: {"commit": "c"})
    result, _ = pretrain(config, tmp_path, resume=True, progress=False)
    assert result["provenance"] == {"commit": "c", "earlier": [{"commit": "a"}, {"commit": "b"}]}


def test_full_disk_while_writing_keeps_both_checkpoints(tmp_path):
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    run = Run(TINY, tmp_path)
    for _ in range(2):
        train_step(run, torch.arange(24))
        run.save()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # Python then gets an OSError, as from a full disk
    try:
        with pytest.raises(RunError, match="checkpoint.pt cannot be written: .*File too large"):
            run.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}  # and no .part
    assert set(before) == {"checkpoint.pt", "previous.pt"}
    run.save()
    assert (tmp_path / "previous.pt").read_bytes() == before["checkpoint.pt"]


@pytest.mark.usefixtures("training_only")
def test_checkpoint_of_another_configuration(tmp_path):
    pretrain(TINY, tmp_path, progress=False)
    other = dataclasses.replace(TINY, mu=-1.0, seed=3, checkpoint_seconds=5.0)
    with pytest.raises(RunError, match="another configuration: mu 0.0 there, -1.0 here, seed 0 there, 3 here$"):
        pretrain(other, tmp_path, resume=True, progress=False)


@pytest.mark.usefixtures("training_only")
def test_checkpoint_of_another_kind_of_device(tmp_path):
    pretrain(TINY, tmp_path, progress=False)
    state, _ = load_checkpoint(tmp_path, "cpu")
    host, _, *everywhere = state["generators"][0]
    save_checkpoint(
        tmp_path, state | {"generators": [(host, torch.zeros(16, dtype=torch.uint8), *everywhere)]}
    )  # CUDA's
    with pytest.raises(RunError, match="was written on another kind of device than cpu: go on with the --device"):
        pretrain(TINY, tmp_path, resume=True, progress=False)


def test_bfloat16_is_asked_for_only_where_it_can_be(monkeypatch):
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for there in (set(), {names[0]}, {names[1]}):
        for name in names:
            monkeypatch.setattr(torch.cpu, name, lambda name=name, there=there: name in there)
        assert module.has_fast_bfloat16(torch.device("cpu")) == bool(there)
        assert not module.has_fast_bfloat16(torch.device("mps"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)  # a T4
    assert not module.has_fast_bfloat16(torch.device("cuda"))


def test_sheet_of_features_has_images_of_every_class(tmp_path, monkeypatch, small_data):
    shown = []
    order = small_data.test_labels.argsort()  # class by class, as a folder lies
    many = dataclasses.replace(
        small_data,
        test_images=small_data.test_images[order].repeat_interleave(100, dim=0),
        test_labels=small_data.test_labels[order].repeat_interleave(100),
    )
    monkeypatch.setattr(module, "load_data", lambda *_: many)
    monkeypatch.setattr(module, "evaluate", lambda *_: {"nonzero_fraction": 0.5, "dead_fraction": 0.0})
    monkeypatch.setattr(module, "plot_features", lambda z, images: (shown.append(images), Figure(figsize=(1, 1)))[1])
    pretrain(dataclasses.replace(TINY, epochs=0), tmp_path / "run", progress=False)
    assert len(shown[0]) == 2000 < len(many.test_images)
    assert (shown[0][0] == many.test_images[0]).all() and (shown[0][-1] == many.test_images[-1]).all()


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory, small_data):
    """(folder, weights): a run stopped at step 7, whose checkpoint before is of step 5, and how it ends if not stopped.

    Its configuration is TINY with checkpoint_seconds=0.
    """
    folder, config = tmp_path_factory.mktemp("interrupted"), dataclasses.replace(TINY, checkpoint_seconds=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_data", lambda *_: small_data)
        patch.setattr(module, "LOG_EVERY", 2)
        leave_out_evaluation(patch)
        _, whole = pretrain(config, folder / "whole", progress=False)
        interrupt_at(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config, folder / "run", progress=False)
    steps = [torch.load(folder / "run" / name, weights_only=True)["step"] for name in ("checkpoint.pt", "previous.pt")]
    assert steps == [7, 5]
    return folder / "run", whole.state_dict()


def cut(size):
    return lambda content: content[:size]


def flip(share, bit):
    """One bit of the byte at that share of the file's length; 0 is the first byte, 1 the last."""

    def damage(content):
        at = round(share * (len(content) - 1))
        return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]

    return damage


LENGTHS = [0, 1, 31, 32, 33, 64, 100, 20_000, 1_000_000, -33, -32, -31, -1]  # the last 32 bytes are the checksum
FLIPS = [(share, random.Random(str(share)).randrange(8)) for share in [k / 19 for k in range(20)]]
DAMAGES = {f"cut {n}": cut(n) for n in LENGTHS} | {f"flip {s:.2f} {bit}": flip(s, bit) for s, bit in FLIPS}
DAMAGES |= {"longer": lambda content: content + b"\0", "zeros": lambda content: bytes(len(content))}


def test_damaged_checkpoint_is_noticed_wherever_the_damage_is(tmp_path, interrupted):
    shutil.copy(interrupted[0] / "previous.pt", tmp_path)
    content = (interrupted[0] / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.pt").write_bytes(content)
    state, warning = load_checkpoint(tmp_path)
    assert state["step"] == 7 and warning is None
    assert len({damage(content) for damage in DAMAGES.values()} | {content}) == len(DAMAGES) + 1
    for name, damage in DAMAGES.items():
        (tmp_path / "checkpoint.pt").write_bytes(damage(content))
        state, warning = load_checkpoint(tmp_path)
        assert state["step"] == 5, name
        assert "checkpoint.pt is damaged or not a checkpoint of this program: " in warning, name
        assert warning.endswith(f"; going on from {tmp_path / 'previous.pt'} instead"), name


@pytest.mark.parametrize("damage", [cut(0), cut(-32), flip(0, 0), flip(0.5, 3), flip(1, 7)])
@pytest.mark.usefixtures("training_only")
def test_damaged_checkpoint_the_one_before_leads_to_the_same_bits(tmp_path, interrupted, capsys, damage):
    folder, whole = interrupted
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "checkpoint.pt").write_bytes(damage((folder / "checkpoint.pt").read_bytes()))
    _, model = pretrain(dataclasses.replace(TINY, checkpoint_seconds=0), tmp_path, resume=True, progress=False)
    assert same(whole, model.state_dict())
    error = capsys.readouterr().err
    assert error.startswith(f"warning: {tmp_path / 'checkpoint.pt'} is damaged") and error.count("\n") == 1
    assert [line["step"] for line in log_of(tmp_path)] == [2, 4, 5, 7, 9, 10, 12, 14, 15]


def test_both_checkpoints_damaged(tmp_path, interrupted):
    shutil.copytree(interrupted[0], tmp_path, dirs_exist_ok=True)
    for name, damage in (("checkpoint.pt", cut(-1)), ("previous.pt", flip(0.5, 0))):
        (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != ".lock"}
    with pytest.raises(RunError, match="checkpoint.pt is damaged or not .*; .*previous.pt is damaged or not "):
        pretrain(TINY, tmp_path, resume=True, progress=False)
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != ".lock"}


def test_only_checkpoint_damaged(tmp_path, interrupted):
    (tmp_path / "checkpoint.pt").write_bytes(flip(0.3, 1)((interrupted[0] / "checkpoint.pt").read_bytes()))
    with pytest.raises(RunError, match="checkpoint.pt is damaged or not a checkpoint") as error:
        pretrain(TINY, tmp_path, resume=True, progress=False)
    assert "previous.pt" not in str(error.value)


# A parent that has loaded everything forks the runs, so that starting one takes a moment instead of seconds. It must
# not have computed anything by then: torch's threads do not survive a fork.
KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
import matplotlib.figure, timm, torch, tqdm
torch.set_num_threads(1)
from rlpjepa import PretrainConfig, make_shapes, pretrain

module, folder = sys.modules["rlpjepa.pretrain"], Path(sys.argv[1])
data = make_shapes(40, 20)
module.load_data = lambda *_: data
module.provenance = lambda run: {}
module.evaluate = lambda *_: {}
module.plot_training = module.plot_features = lambda *_: matplotlib.figure.Figure(figsize=(1, 1))
module.LOG_EVERY = 2
config = PretrainConfig(
    backbone="test_byobnet", dim=8, batch_size=8, epochs=20, num_projections=8, device="cpu", checkpoint_seconds=0
)

def start(run_dir):
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        resume = any((run_dir / name).exists() for name in ("checkpoint.pt", "previous.pt"))
        pretrain(config, run_dir, resume=resume, progress=False)
        status = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    os._exit(status)

def lines(run_dir):
    log = run_dir / "log.jsonl"
    return log.read_bytes().count(b"\\n") if log.exists() else 0

rng, parts, kills, failures, half_written = random.Random(0), folder / "parts", 0, 0, 0
startup = pace = None  # seconds to a child's first line, and from line to line
while not (parts / "result.json").exists() and not failures:
    more = rng.choice([0, 0, 1, 2, 3]) if startup else 2  # 0: while it starts or takes up the checkpoint
    before, begun, ended = lines(parts), time.perf_counter(), 0
    pid = start(parts)
    while not ended and kills < 22 and lines(parts) < before + more:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not startup and lines(parts):
            startup = time.perf_counter() - begun
        time.sleep(0.001)
    pace = pace or time.perf_counter() - begun - startup
    if not ended:
        if kills < 22:
            time.sleep(rng.random() * (pace if more else startup))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    kills += code == -signal.SIGKILL
    failures += code not in (0, -signal.SIGKILL)
    half_written += (parts / "checkpoint.pt.part").exists()
_, status = os.waitpid(start(folder / "whole"), 0)
print(json.dumps({"kills": kills, "failures": failures + status, "half_written": half_written}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks the runs that it kills")
def test_killed_twenty_times_ends_with_the_same_bits(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLER, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] >= 20 and counts["failures"] == 0, (counts, done.stderr)
    whole, parts = (load_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    assert whole[1] is None and parts[1] is None and whole[0]["step"] == parts[0]["step"] == 100
    assert same(whole[0]["model"], parts[0]["model"])
    expected = [5 * epoch + step for epoch in range(20) for step in (2, 4, 5)]
    assert [line["step"] for line in log_of(tmp_path / "parts")] == expected
    strip = lambda lines: [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]
    assert strip(log_of(tmp_path / "whole")) == strip(log_of(tmp_path / "parts"))
    assert not list((tmp_path / "parts").glob("*.part"))


def test_nothing_to_resume(tmp_path):
    with pytest.raises(RunError, match="no checkpoint to resume"):
        pretrain(TINY, tmp_path / "new", resume=True, progress=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("training_only")
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


def out_of_memory_on_cpu():
    torch.empty(2**50)  # more than a process can address


def out_of_memory_on_cuda():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("cause", [out_of_memory_on_cpu, out_of_memory_on_cuda])
@pytest.mark.parametrize(("size", "smaller"), [(24, 12), (3, 2)])
def test_out_of_memory_names_a_batch_size_to_try(tmp_path, monkeypatch, cause, size, smaller):
    monkeypatch.setattr(module, "rdmreg_loss", lambda *_, **__: cause())
    message = f"^out of memory with batch_size {size}: try batch_size {smaller}$"
    with pytest.raises(RunError, match=message) as error:
        pretrain(dataclasses.replace(TINY, batch_size=size), tmp_path, progress=False)
    assert isinstance(error.value.__cause__, RuntimeError)


def test_out_of_memory_ends_in_one_clear_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "rdmreg_loss", lambda *_, **__: out_of_memory_on_cuda())
    assert main([*SHORT, "--run-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: out of memory with batch_size 24: try batch_size 12"


@pytest.mark.parametrize("where", ["RectifiedLpJEPA", "evaluate"])
def test_out_of_memory_beside_the_steps_ends_in_one_clear_line(tmp_path, monkeypatch, capsys, where):
    monkeypatch.setattr(module, where, lambda *_: out_of_memory_on_cuda())
    assert main([*SHORT, "--run-dir", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: out of memory: take a smaller network, or")


def test_weights_that_are_not_finite_are_not_saved(tmp_path, monkeypatch):
    def spoiled(run, batch):
        metrics = train_step(run, batch)
        if run.step + 1 == 7:  # of which no loss knows before the next step
            with torch.no_grad():
                run.model.projector[0].weight[0, 0] = math.nan
        return metrics

    monkeypatch.setattr(module, "train_step", spoiled)
    with pytest.raises(RunError, match="training stopped at step 7: the weights are not finite. A lower lr may help"):
        pretrain(dataclasses.replace(TINY, checkpoint_seconds=0.0), tmp_path, progress=False)
    assert load_checkpoint(tmp_path)[0]["step"] == 5


def test_hint_about_the_rate_is_kept_for_nan(tmp_path):
    config = dataclasses.replace(TINY, regularizer="rgg_cf", p=2.0, mu=-40.0)
    with pytest.raises(RunError, match="training stopped at step 1: the variance of .* is too small for a float$"):
        pretrain(config, tmp_path, progress=False)


@pytest.mark.parametrize("name", ["extract_features", "sample_rgg", "evaluate"])
def test_operation_that_a_device_lacks(name, tmp_path, monkeypatch):
    def lacking(*_, **__):
        raise NotImplementedError("The operator 'aten::_standard_gamma' is not implemented for the MPS device.")

    monkeypatch.setattr(module, name, lacking)
    with pytest.raises(RunError, match="device 'cpu' lacks what this configuration needs: The operator 'aten::_stand"):
        pretrain(TINY, tmp_path, progress=False)


def test_backbone_for_other_images(tmp_path):
    with pytest.raises(ValueError, match="backbone 'vit_tiny_patch16_224' does not take these images: .*height"):
        pretrain(dataclasses.replace(TINY, backbone="vit_tiny_patch16_224"), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_what_went_wrong_is_said_though_the_folder_cannot_be_removed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with pytest.raises(ValueError, match="batch_size must be at most"):
        pretrain(dataclasses.replace(TINY, batch_size=2000), tmp_path / "link", progress=False)


def test_step_that_cannot_be_recorded(monkeypatch):
    def fails(run, batch):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(module, "_train_step", fails)
    with pytest.raises(RunError, match="fails as a CUDA graph .*is capturing.*: try without cuda_graph"):
        train_step(SimpleNamespace(config=TINY, graph=object()), None)


def test_other_errors_pass_unchanged(tmp_path, monkeypatch):
    mistake = RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    def mistaken(*_, **__):
        raise mistake

    monkeypatch.setattr(module, "rdmreg_loss", mistaken)
    with pytest.raises(RuntimeError) as error:
        pretrain(TINY, tmp_path, progress=False)
    assert error.value is mistake


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"coordinate_weight": 1.0}, "coordinate_weight"),
        ({"regularizer": "rgg_cf"}, "regularizer 'rgg_cf'"),
        ({"rectify": False}, "samples of an unrectified target"),
        ({"rectify_target": False}, "samples of an unrectified target"),
    ],
)
def test_mps_lacks_what_some_terms_need(change, what):
    assert module._law(TINY, torch.device("mps")) is None
    lejepa = dataclasses.replace(TINY, regularizer="sigreg", rectify=False)
    assert module._law(lejepa, torch.device("mps")) is None
    with pytest.raises(ValueError, match=f"device 'mps' has no float64: .*{what}.* 'cpu'"):
        module._law(dataclasses.replace(TINY, **change), torch.device("mps"))


def test_folder_that_another_run_is_writing_is_left_alone(tmp_path, training_only):
    lock = module.open_run_dir(tmp_path / "run", resume=False)
    for resume in (False, True):
        with pytest.raises(RunError, match="is being written by another run"):
            pretrain(TINY, tmp_path / "run", resume=resume, progress=False)
    assert os.listdir(tmp_path / "run") == [".lock"]
    lock.release()
    pretrain(dataclasses.replace(TINY, epochs=1), tmp_path / "run", progress=False)
    module.open_run_dir(tmp_path / "run", resume=True).release()  # free again when the run has ended


def test_folder_is_locked_while_a_run_lasts(tmp_path, monkeypatch, training_only):
    def step(run, batch):
        with pytest.raises(RunError, match="is being written by another run"):
            module.open_run_dir(tmp_path, resume=True)
        return train_step(run, batch)

    monkeypatch.setattr(module, "train_step", step)
    pretrain(dataclasses.replace(TINY, epochs=1), tmp_path, progress=False)


def test_log_that_cannot_be_written_ends_in_one_clear_line(tmp_path, training_only, capsys):
    (tmp_path / "run" / "log.jsonl").mkdir(parents=True)
    assert main([*SHORT, "--run-dir", str(tmp_path / "run")]) == 2
    assert "log.jsonl" in capsys.readouterr().err.splitlines()[-1]


def test_output_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="output folder .* cannot be written"):
        pretrain(TINY, tmp_path / "file" / "run", progress=False)


@pytest.mark.parametrize("change", [{"batch_size": 121}, {"backbone": "resnet81"}])
def test_run_that_cannot_start_leaves_no_folder(tmp_path, change):
    with pytest.raises(ValueError, match=next(iter(change))):
        pretrain(dataclasses.replace(TINY, **change), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_folder_that_was_there_before_stays(tmp_path):
    (tmp_path / "log.jsonl").write_text("of a run that was killed before its first checkpoint")
    with pytest.raises(RunError, match="no checkpoint to resume"):
        pretrain(TINY, tmp_path, resume=True, progress=False)
    with pytest.raises(ValueError, match="backbone"):
        pretrain(dataclasses.replace(TINY, backbone="resnet81"), tmp_path, progress=False)
    assert (tmp_path / "log.jsonl").read_text().startswith("of a run")


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
        ("rectify_target", [0, "no"]),
        ("regularizer", ["vicreg", "RDMReg", "", None]),
        ("num_projections", [0]),
        ("direction_size", [0, 513, 2.0]),
        ("invariance_weight", [-1.0, math.nan]),
        ("regularizer_weight", [-1.0]),
        ("coordinate_weight", [-1.0, math.nan, math.inf, "1", True]),
        ("batch_size", [1, 0, 2.0]),
        ("epochs", [-1]),
        ("lr", [0.0, -1e-3]),
        ("schedule", ["linear"]),
        ("weight_decay", [-1e-4]),
        ("seed", [-1, 1.5, 2**63]),
        ("device", ["gpu"]),
        ("cuda_graph", [1, "yes"]),
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
        (["--p", "0"], "p must be in (0.08, 20), got 0.0"),
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
def test_another_packages_module_run_with_m_imports_everything(tmp_path):
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "__init__.py").write_text("from rlpjepa import PretrainConfig, pretrain")
    (tmp_path / "course" / "work.py").write_text("import course; print(callable(course.pretrain))")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    command = [sys.executable, "-m", "course.work"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert done.stdout == "True\n", done.stderr


def test_import_loads_torch_and_no_more():
    code = "import sys, rlpjepa; from rlpjepa import RectifiedLpJEPA, pretrain; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torchvision", "timm", "matplotlib", "plotly", "IPython", "ipywidgets", "scipy", "jupyterlab"}
    assert "torch" in loaded and not heavy & set(loaded)
