"""A run of `rlpjepa.pretrain`: what it leaves, how it goes on after an interrupt, and how it ends when it cannot."""

import dataclasses
import inspect
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from rlpjepa import (
    RectifiedLpJEPA,
    evaluate,
    knn_accuracy,
    losses,
    make_shapes,
    random_directions,
    sample_rgg,
    two_views,
)
from rlpjepa.augment import draw_views
from rlpjepa.data import DataError, load_data, load_folder
from rlpjepa.evaluate import extract_features
from rlpjepa.pretrain import RunError, load_run, pretrain
from rlpjepa.pretrain.__main__ import main
from rlpjepa.pretrain.config import REGULARIZERS
from rlpjepa.pretrain.errors import explained
from rlpjepa.pretrain.run import Run, check_fit, create_model, create_objective
from rlpjepa.pretrain.storage import load_checkpoint, open_run_dir, save_checkpoint

from .harness import (
    LOGGED,
    Recorded,
    Watched,
    arguments_of,
    interrupt_at_first_checkpoint,
    log_of,
    same,
    stop_at,
    train_run,
    untimed,
    write_folder,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def light(tiny):
    """As `tiny`, but without an encoder, where only the course of a run matters."""
    return dataclasses.replace(tiny, backbone="pixels")


@pytest.fixture(scope="session")
def whole(tmp_path_factory, light):
    """(folder, run): `light` from the first to the last step; not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, train_run(light, folder)


def fresh(config):
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return RectifiedLpJEPA(config.backbone, config.dim)


# ---------------------------------------------------------------------------------------------------------------------
# what a run leaves


def test_result_file(finished, tiny):
    folder, result, model = finished
    assert json.loads((folder / "result.json").read_text(encoding="utf-8")) == result
    assert list(result) == ["config", "provenance", "epochs", "final"]
    assert result["config"] == dataclasses.asdict(tiny) | {"data_dir": None}
    data = load_folder(tiny.data_dir)
    assert set(result["provenance"]) == {"commit", "date", "versions", "hardware", "precision", "data_md5"}
    assert result["provenance"]["data_md5"] == data.md5
    assert set(result["final"]) == {
        "encoder_knn", "encoder_probe", "projector_knn", "projector_probe", "nonzero_fraction", "dead_fraction",
        "expected_nonzero_fraction", "seconds", "histogram", "active_share", "nonzero_counts", "effective_rank",
    }  # fmt: skip
    measured = evaluate(model, data)
    assert {name: result["final"][name] for name in measured} == measured
    assert result["final"]["expected_nonzero_fraction"] == pytest.approx(0.5)
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "features.png").read_bytes().startswith(b"\x89PNG")
    left = {"log.jsonl", "checkpoint.pt", "result.json", "figure.png", "features.png", ".lock"}
    assert set(os.listdir(folder)) - left == set()
    open_run_dir(folder, resume=True).release()  # free again
    assert (model.projector[0].weight != fresh(tiny).projector[0].weight).any()


def test_epochs_and_log(finished, tiny):
    folder, result, model = finished
    log, epochs = log_of(folder), result["epochs"]
    assert [line["step"] for line in log] == LOGGED and [line["epoch"] for line in log] == [1, 1, 2, 2]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert epochs[0]["loss"] == pytest.approx((10 * log[0]["loss"] + 5 * log[1]["loss"]) / 15, abs=1e-5)
    assert epochs[0]["images_per_second"] > 0
    data, final = load_folder(tiny.data_dir), result["final"]
    features, _ = extract_features(model, data, data.test_images)  # all 8, since they are fewer than 2000
    last = {"test_nonzero": final["nonzero_fraction"], "test_dead": final["dead_fraction"]}
    last["test_knn"] = knn_accuracy(features, data.test_labels, k=7)
    assert {name: epochs[1][name] for name in last} == pytest.approx(last, abs=1e-6)


def test_seed_alone_decides_and_the_global_state_is_untouched(finished, tiny, light, whole, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        before = torch.get_rng_state()
        config = dataclasses.replace(tiny, epochs=0)
        _, model = pretrain(config, tmp_path / "untrained", progress=False)
        assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh(tiny).parameters()))
    assert same(finished[2].state_dict(), train_run(tiny, tmp_path / "same").model.state_dict())
    other = train_run(dataclasses.replace(light, seed=1), tmp_path / "other")
    assert not same(whole[1].model.state_dict(), other.model.state_dict())


def test_no_epochs_evaluate_the_network_as_initialised_with_the_statistics_of_one_pass(tmp_path, tiny):
    config = dataclasses.replace(tiny, epochs=0)
    result, model = pretrain(config, tmp_path, progress=False)
    assert result["epochs"] == [] and result["final"]["nonzero_fraction"] > 0
    # By hand: all 120 images at once, and of what each BatchNorm is given the mean and variance of every channel.
    network, data, given = fresh(config).train(), load_folder(tiny.data_dir), {}
    norms = {n: m for n, m in network.named_modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)}
    for name, norm in norms.items():
        norm.register_forward_pre_hook(lambda _, inputs, name=name: given.update({name: inputs[0].detach()}))
    network(data.normalize(data.train_images))
    assert len(norms) > 5
    for name in norms:
        x = given[name].transpose(0, 1).flatten(1)
        for part, value in (("running_mean", x.mean(dim=1)), ("running_var", x.var(dim=1))):
            torch.testing.assert_close(model.state_dict()[f"{name}.{part}"], value, rtol=1e-3, atol=1e-5)

    with pytest.raises(RunError, match="holds a run already: go on with --resume"):
        pretrain(config, tmp_path, progress=False)
    state = load_checkpoint(tmp_path)
    state["model"]["projector.6.bias"] -= 1000  # so that what is evaluated shows whence it came
    save_checkpoint(tmp_path, state)
    again, _ = pretrain(config, tmp_path, resume=True, progress=False)
    assert again["final"]["nonzero_fraction"] == 0


# ---------------------------------------------------------------------------------------------------------------------
# what is trained, and how


@pytest.mark.parametrize("coordinate_weight", [0.0, 10.0])
@pytest.mark.parametrize("name", REGULARIZERS)
def test_every_regularizer_trains_and_is_in_the_log(tmp_path, light, name, coordinate_weight):
    weights = {"invariance_weight": 3.0, "regularizer_weight": 7.0, "coordinate_weight": coordinate_weight}
    run = train_run(dataclasses.replace(light, regularizer=name, epochs=1, **weights), tmp_path)
    assert (run.model.projector[0].weight != fresh(light).projector[0].weight).any()
    for line in [*run.epochs, *log_of(tmp_path)]:
        assert (line["regularizer"] > 0) == (name != "none") and (line["coordinate"] > 0) == (coordinate_weight > 0)
        parts = 3 * line["invariance"] + 7 * line["regularizer"] + coordinate_weight * line["coordinate"]
        assert line["loss"] == pytest.approx(parts, abs=1e-3)


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize("name", ["rdmreg", "rgg_cf", "sigreg"])
def test_objective_is_the_losses_of_these_names(tiny, name, size, generator):
    config = dataclasses.replace(tiny, regularizer=name, mu=-1.0, direction_size=size, coordinate_weight=2.0)
    target = config.target()
    z = torch.rand(2, 24, 8, generator=torch.Generator().manual_seed(1))
    parts = create_objective(config, target, torch.Generator().manual_seed(0))(z, None)  # as generator
    directions = random_directions(8, 8, size=size, generator=generator)
    expected = {
        "rdmreg": lambda: losses.rdmreg_loss(
            z, sample_rgg((24, 8), mu=-1.0, generator=generator), directions=directions
        ),
        "rgg_cf": lambda: losses.rgg_cf_loss(z, target, directions=directions),
        "sigreg": lambda: losses.sigreg_loss(z, directions=directions),
    }[name]()
    assert parts["regularizer"] == expected and parts["coordinate"] == losses.coordinate_loss(z, target) > 0
    assert parts["nonzero_fraction"] == 1.0
    sizes = {(direction != 0).sum().item() for direction in directions}
    assert sizes == {size or 8}


def test_every_image_once_an_epoch_and_in_another_order_in_the_next(tmp_path, light):
    def record(run):
        if run.step == 0:
            run.data = data.setdefault(0, Recorded(**vars(run.data)))

    data = {}
    train_run(light, tmp_path, record)
    epochs = torch.stack(data[0].batches).view(2, 120)
    assert (epochs.sort().values == torch.arange(120)).all()
    assert (epochs[0] != epochs[1]).any() and (epochs[0] != torch.arange(120)).any()


def test_views_are_drawn_as_the_configuration_says(tmp_path, light):
    parameters = inspect.signature(draw_views).parameters.values()
    usual = {option.name: option.default for option in parameters if option.kind is option.KEYWORD_ONLY}
    assert light.augmentation() == usual
    shares = dict.fromkeys(usual.keys() - {"interpolation"}, 0.3)
    run = Run(dataclasses.replace(light, interpolation="bicubic", **shares), tmp_path)
    run.data = Recorded(**vars(run.data))
    run.compute_step()
    assert run.data.options == [shares | {"interpolation": "bicubic", "generator": run.generator}]


def test_optimizer_and_network_are_those_of_the_configuration(tmp_path, tiny):
    for stem, size in ((True, (3, 3)), (False, (7, 7))):
        run = Run(dataclasses.replace(tiny, lr=3e-4, weight_decay=0.2, backbone="resnet18", cifar_stem=stem), tmp_path)
        group = run.optimizer.param_groups[0]
        assert (group["lr"].item(), group["weight_decay"]) == (pytest.approx(3e-4), 0.2)
        assert run.model.backbone.conv1.kernel_size == size
    for rectify in (True, False):
        run = Run(dataclasses.replace(tiny, rectify=rectify, rectify_target=not rectify), tmp_path)
        assert isinstance(run.model.projector[-1], torch.nn.ReLU) == rectify


@pytest.mark.parametrize(
    ("schedule", "share"), [("constant", lambda k: 1), ("cosine", lambda k: (1 + math.cos(math.pi * k / 30)) / 2)]
)
def test_schedule(tmp_path, light, schedule, share):
    rate, rates = lambda run: run.optimizer.param_groups[0]["lr"].item(), []
    config = dataclasses.replace(light, schedule=schedule, lr=2e-3)
    run = train_run(config, tmp_path, lambda run: rates.append(rate(run)))
    rates = [*rates[1:], rate(run)]  # of the step before each step, and of the last
    assert rates == pytest.approx([2e-3 * share(k) for k in range(30)], rel=1e-5)


def test_sheet_of_features_has_images_of_every_class(tmp_path, light):
    run = Run(light, tmp_path)
    images = run.data.test_images.repeat_interleave(1000, dim=0)  # class by class, as a folder lies
    run.data = dataclasses.replace(run.data, test_images=images)
    chosen = run.sample()
    assert len(chosen.unique()) == 2000 and chosen[0] == 0 and chosen[-1] == len(images) - 1


# ---------------------------------------------------------------------------------------------------------------------
# interrupted and resumed


@pytest.mark.parametrize("step", [13, 16, 23])  # in the first epoch, at a boundary, in the second epoch
@pytest.mark.parametrize(
    "change",
    [
        {}, {"schedule": "cosine"}, {"rectify": False}, {"backbone": "test_byobnet"},
        {"optimizer": "lars", "lr": 0.03, "warmup_epochs": 1, "grayscale_prob": 0.2, "online_probe_lr": 0.01},
    ],
    ids=str,
)  # fmt: skip
def test_resumed_run_ends_with_the_same_bits(tmp_path, light, whole, step, change):
    config = dataclasses.replace(light, **change)
    folder, run = (tmp_path / "whole", train_run(config, tmp_path / "whole")) if change else whole
    with pytest.raises(KeyboardInterrupt):
        train_run(config, tmp_path / "parts", stop_at(step))
    assert load_checkpoint(tmp_path / "parts")["step"] == max(s for s in LOGGED if s < step)
    with (tmp_path / "parts" / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write('{"step": 27}\n{"step": 2')  # of steps that no checkpoint holds, and half a line
    parts = train_run(config, tmp_path / "parts", resume=True)
    for one, two in zip(run.learning.values(), parts.learning.values(), strict=True):
        torch.testing.assert_close(one.state_dict(), two.state_dict(), rtol=0, atol=0)
    assert torch.equal(run.generator.get_state(), parts.generator.get_state())
    assert untimed(run.epochs) == untimed(parts.epochs)
    assert untimed(log_of(folder)) == untimed(log_of(tmp_path / "parts"))


def test_what_a_network_draws_globally_goes_on_too(tmp_path, light):
    def noise(run):  # in place of a backbone's dropout
        with torch.no_grad():
            run.model.projector[0].weight += 1e-3 * torch.randn_like(run.model.projector[0].weight)

    run = train_run(light, tmp_path / "whole", noise)
    with pytest.raises(KeyboardInterrupt):
        train_run(light, tmp_path / "parts", noise, after=stop_at(13))
    parts = train_run(light, tmp_path / "parts", noise, resume=True)
    assert same(run.model.state_dict(), parts.model.state_dict())


def test_interrupted_run_says_how_to_go_on_and_ends_with_the_same_result(tmp_path, tiny, finished, capsys):
    with pytest.raises(KeyboardInterrupt):
        interrupt_at_first_checkpoint(tmp_path)
        pretrain(tiny, tmp_path, progress=False)
    words = r"interrupted at step \d+; go on from the last checkpoint with --run-dir "
    words += rf"{re.escape(str(tmp_path))} --resume"
    assert re.search(words + r" \(in Python: resume=True\)$", capsys.readouterr().err.strip())
    assert not (tmp_path / "result.json").exists()
    assert main([*arguments_of(tiny, tmp_path), "--resume"]) == 0
    final, expected = (
        json.loads((f / "result.json").read_text(encoding="utf-8"))["final"] for f in (tmp_path, finished[0])
    )
    assert final | {"seconds": 0} == expected | {"seconds": 0}
    out = capsys.readouterr().out
    assert f"encoder   {final['encoder_knn']:.3f}  {final['encoder_probe']:.3f}" in out
    assert "(Eq. 11: 0.500)" in out and str(tmp_path / "figure.png") in out


def test_finished_run_resumed_is_evaluated_again_and_not_trained(tmp_path, finished, tiny):
    folder, before, model = finished
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "result.json").unlink()
    with pytest.raises(RunError, match="holds a run already: go on with --resume"):
        pretrain(tiny, tmp_path, progress=False)
    after, again = pretrain(tiny, tmp_path, resume=True, progress=False)
    assert same(model.state_dict(), again.state_dict()) and after["epochs"] == before["epochs"]
    assert after["final"] | {"seconds": 0} == before["final"] | {"seconds": 0}
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == after
    for name in ("checkpoint.pt", "log.jsonl"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_run_stopped_before_its_first_checkpoint_begins_anew(tmp_path, tiny, whole):
    config = dataclasses.replace(tiny, epochs=0)
    (tmp_path / "log.jsonl").write_text("of a run that was killed before its first checkpoint", encoding="utf-8")
    pretrain(config, tmp_path, progress=False)
    assert (tmp_path / "log.jsonl").read_bytes() == b""


def test_checkpoints_are_as_far_apart_as_asked(tmp_path, light):
    with pytest.raises(KeyboardInterrupt):
        train_run(dataclasses.replace(light, checkpoint_seconds=1000.0), tmp_path, stop_at(30))
    assert not (tmp_path / "checkpoint.pt").exists()


def wait_for_a_checkpoint(run_dir, alive):
    for _ in range(6000):
        if (run_dir / "checkpoint.pt").exists():
            return
        assert alive()
        time.sleep(0.02)
    pytest.fail("no checkpoint after two minutes")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to a process of its own")
def test_interrupted_in_a_terminal_and_in_a_notebook_ends_with_the_same_bits(tmp_path, tiny):
    start_new_kernel = pytest.importorskip("jupyter_client.manager").start_new_kernel
    config = dataclasses.replace(tiny, epochs=8, dim=2)
    command = [sys.executable, "-m", "rlpjepa.pretrain", *arguments_of(config, tmp_path / "a")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        wait_for_a_checkpoint(tmp_path / "a", lambda: process.poll() is None)
        process.send_signal(signal.SIGINT)
        message = process.communicate(timeout=60)[1].splitlines()[-1]
    assert process.returncode == 130
    words = r"interrupted at step \d+; go on from the last checkpoint with --run-dir .* --resume .*"
    assert re.fullmatch(words, message)

    manager, client = start_new_kernel(cwd=tmp_path, env=environment)
    try:
        sent = client.execute(
            "from rlpjepa.pretrain import PretrainConfig, pretrain\n"
            f"config = {config!r}\n"
            'pretrain(config, "b", progress=False)',
            stop_on_error=False,  # or the kernel may refuse the next cell, too
        )
        wait_for_a_checkpoint(tmp_path / "b", manager.is_alive)
        manager.interrupt_kernel()
        reply = {}
        while reply.get("parent_header", {}).get("msg_id") != sent:  # it may still be answering earlier questions
            reply = client.get_shell_msg(timeout=60)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        go_on = 'pretrain(config, "b", resume=True, progress=False)'
        assert client.execute(go_on, reply=True, timeout=120)["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert subprocess.run([*command, "--resume"], env=environment, timeout=120).returncode == 0
    whole = train_run(config, tmp_path / "whole").model.state_dict()
    for name in ("a", "b"):
        state = load_checkpoint(tmp_path / name)
        assert state["step"] == 120 and same(state["model"], whole)


# A parent that has loaded everything forks the runs, so that starting one takes a moment instead of seconds. It must
# not have computed anything by then: torch's threads do not survive a fork.
KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
from types import SimpleNamespace
import filelock, timm, torch, tqdm
torch.set_num_threads(1)
from rlpjepa.pretrain import PretrainConfig, holds_run
from rlpjepa.pretrain.run import Run
from rlpjepa.pretrain.storage import open_run_dir

folder = Path(sys.argv[1])
config = PretrainConfig(
    dataset="folder", data_dir=str(folder / "data"), backbone="test_byobnet", dim=8, batch_size=8, epochs=40,
    num_projections=8, device="cpu", checkpoint_seconds=0,
)

def start(run_dir):
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        torch.manual_seed(0)
        resume = holds_run(run_dir)
        lock = open_run_dir(run_dir, resume)
        run = Run(config, run_dir)
        if resume:
            run.restore()
        run.train(progress=False)
        status = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    os._exit(status)

rng, parts, kills = random.Random(0), folder / "parts", 0
begun, pid = time.perf_counter(), start(parts)
while not holds_run(parts):
    assert os.waitpid(pid, os.WNOHANG)[0] == 0
    time.sleep(0.001)
startup = time.perf_counter() - begun
while kills < 20:  # some while they start or take up the checkpoint, some after a few more
    time.sleep(rng.uniform(0, 1.6) * startup)
    os.kill(pid, signal.SIGKILL)
    kills += os.waitpid(pid, 0)[1] == signal.SIGKILL
    pid = start(parts)
statuses = [os.waitpid(pid, 0)[1], os.waitpid(start(folder / "whole"), 0)[1]]
print(json.dumps([kills, *statuses]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks the runs that it kills")
def test_killed_twenty_times_ends_with_the_same_bits(tmp_path, small_data):
    write_folder(tmp_path / "data", small_data, train=24, test=4)  # three steps an epoch, and a checkpoint after each
    command = [sys.executable, "-c", KILLER, str(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [20, 0, 0], done.stderr
    whole, parts = (load_checkpoint(tmp_path / name) for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 120 and same(whole["model"], parts["model"])
    assert [line["step"] for line in log_of(tmp_path / "parts")] == [3 * epoch for epoch in range(1, 41)]
    assert untimed(log_of(tmp_path / "whole")) == untimed(log_of(tmp_path / "parts"))
    assert not list((tmp_path / "parts").glob("*.part"))


# ---------------------------------------------------------------------------------------------------------------------
# what cannot go on


@pytest.mark.parametrize("state", [{"epoch": 1, "state_dict": {}}, [1.0]], ids=str)
def test_checkpoint_of_another_program_is_refused(tmp_path, tiny, state):
    save_checkpoint(tmp_path, state)
    with pytest.raises(RunError, match="was written by another program, or by version 0.1: choose another folder"):
        pretrain(tiny, tmp_path, resume=True, progress=False)


def test_nothing_to_resume(tmp_path, tiny):
    with pytest.raises(RunError, match="no checkpoint to resume"):
        pretrain(tiny, tmp_path / "new", resume=True, progress=False)
    assert not (tmp_path / "new").exists()


def change_config(state):
    state["config"] |= {"mu": -1.0, "seed": 3, "checkpoint_seconds": 5.0}


def change_data(state):
    state["provenance"]["data_md5"] = {"train": "another", "test": "one"}


def change_device(state):
    _, *everywhere = state["generators"][0]
    state["generators"] = [(torch.zeros(16, dtype=torch.uint8), *everywhere)]  # CUDA's generators have 16 bytes


def change_optimizer(state):
    state["optimizer"]["param_groups"].append(state["optimizer"]["param_groups"][0])


def change_ranks(state):
    state["generators"] *= 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_config, "belongs to another configuration: mu -1.0 there, 0.0 here, seed 3 there, 0 here$"),
        (change_data, "was trained on other data: {'train': 'another', 'test': 'one'} there, {'train': .*} here$"),
        (
            change_device,
            "was written on another kind of device than cpu: go on with the --device that the run was begun",
        ),
        (change_ranks, "belongs to a run of 2 processes, these are 1$"),
        (change_optimizer, r"was written by another version: choose another folder \(loaded state dict"),
    ],
)
def test_checkpoint_of_another_run_is_refused(tmp_path, light, whole, change, message):
    state = load_checkpoint(whole[0])
    change(state)
    save_checkpoint(tmp_path, state)
    with pytest.raises(RunError, match=rf"^the checkpoint in {re.escape(str(tmp_path))} {message}"):
        pretrain(light, tmp_path, resume=True, progress=False)
    assert load_checkpoint(tmp_path)["step"] == 30


def test_shapes_of_another_processor_go_on(tmp_path, light, whole):
    state = load_checkpoint(whole[0])
    state["config"]["dataset"] = "shapes"
    change_data(state)
    run = Run(light, tmp_path)
    run.config = dataclasses.replace(light, dataset="shapes")
    run.check_origin(state)


def test_damaged_checkpoint_is_refused_and_left_as_it_is(tmp_path, light, whole):
    content = bytearray((whole[0] / "checkpoint.pt").read_bytes())
    content[len(content) // 2] ^= 8
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(RunError, match="checkpoint.pt is damaged or not a checkpoint of this program: the checksum of"):
        pretrain(light, tmp_path, resume=True, progress=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == content


def test_result_tells_where_earlier_parts_were_computed(tmp_path, light):
    def begun_at(commit):
        class Begun(Watched):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                self.provenance = self.provenance | {"commit": commit}

        return Begun

    for commit, step in (("a", 13), ("b", 18), ("b", 28)):
        with pytest.raises(KeyboardInterrupt):
            train_run(light, tmp_path, stop_at(step), resume=step > 13, kind=begun_at(commit))
    told = train_run(light, tmp_path, resume=True, kind=begun_at("c")).provenance
    assert [told["commit"], *(part["commit"] for part in told["earlier"])] == ["c", "a", "b"]
    assert all(part["data_md5"] == told["data_md5"] for part in told["earlier"])


def test_full_disk_keeps_the_checkpoint_and_goes_on_with_the_same_bits(tmp_path, light, whole):
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = {}

    def fill(run):
        if run.step == 15:  # Python then gets an OSError, as from a full disk
            kept.update({path.name: path.read_bytes() for path in tmp_path.glob("*.pt")})
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    try:
        with pytest.raises(RunError, match="checkpoint.pt cannot be written: .*File too large"):
            train_run(light, tmp_path, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kept == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "log.jsonl"}
    assert same(train_run(light, tmp_path, resume=True).model.state_dict(), whole[1].model.state_dict())


def spoil(step, what):
    """A function that makes NaN of the weights or of the metrics, if the run is at that step."""

    def function(run):
        if run.step == step:
            with torch.no_grad():
                (run.metrics if what == "metrics" else run.model.projector[0].weight)[:] = math.nan

    return function


@pytest.mark.parametrize(
    ("step", "hooks"),
    [
        (17, {"before": spoil(16, "weights")}),
        (26, {"after": spoil(29, "metrics")}),  # as on CUDA, where nobody looks at a loss before the log entry
    ],
    ids=["weights", "metrics"],
)
def test_nan_stops_the_run_and_says_at_which_step(tmp_path, light, step, hooks):
    with pytest.raises(RunError, match=f"^training stopped at step {step}: .*(nan|NaN).* A lower lr may help.$"):
        train_run(light, tmp_path, **hooks)
    assert load_checkpoint(tmp_path)["step"] == max(s for s in LOGGED if s < step)


def test_weights_that_are_not_finite_are_not_saved(tmp_path, light):
    message = "^training stopped at step 25: the weights are not finite. A lower lr may help.$"
    with pytest.raises(RunError, match=message):  # of which no loss knows before the next step
        train_run(light, tmp_path, after=spoil(24, "weights"))
    assert load_checkpoint(tmp_path)["step"] == 15


def test_hint_about_the_rate_is_kept_for_nan(tmp_path, light):
    config = dataclasses.replace(light, regularizer="rgg_cf", p=2.0, mu=-40.0)
    with pytest.raises(RunError, match="training stopped at step 1: the variance of .* is too small for a float$"):
        train_run(config, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_projections": 10**13}, "out of memory with batch_size 8: try batch_size 4"),
        ({"num_projections": 10**13, "batch_size": 3}, "out of memory with batch_size 3: try batch_size 2"),
        ({"dim": 10**8}, "out of memory: take a smaller network, or end what else is using the memory"),
    ],
)
def test_out_of_memory_ends_in_one_clear_line(tmp_path, light, capsys, change, message):
    assert main(arguments_of(dataclasses.replace(light, **change), tmp_path / "run")) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {message}"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "out of memory: take a smaller network"),
        (
            NotImplementedError("aten::_standard_gamma"),
            "device 'cpu' lacks what this configuration needs: aten::_stand",
        ),
        (
            RuntimeError("operation not permitted when stream is capturing"),
            "fails as a CUDA graph .*: try without cuda_g",
        ),
    ],
)
def test_errors_are_explained(light, error, message):
    config = dataclasses.replace(light, cuda_graph="graph" in message)
    with pytest.raises(RunError, match=message) as raised, explained(config, CPU):
        raise error
    assert raised.value.__cause__ is error


def test_capture_is_no_excuse_without_a_graph(light):
    with pytest.raises(RuntimeError, match="captured"), explained(light, CPU):
        raise RuntimeError("what another library captured")


def test_out_of_memory_with_the_smallest_batch(light):
    run = SimpleNamespace(step=3)
    with pytest.raises(RunError, match="^out of memory: take a smaller network, or end"):
        with explained(dataclasses.replace(light, batch_size=2), CPU, run):
            raise torch.OutOfMemoryError("CUDA out of memory.")


def test_other_errors_pass_unchanged(tmp_path, light):
    mistake = RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    def fail(run):
        raise mistake

    with pytest.raises(RuntimeError) as error:
        train_run(light, tmp_path, fail)
    assert error.value is mistake


def test_operation_that_a_device_lacks_is_no_fault_of_the_backbone(light):
    class Lacking(Recorded):
        def normalize(self, images):
            raise NotImplementedError("lacking")

    with pytest.raises(NotImplementedError):
        create_model(light, Lacking(**vars(load_data("folder", light.data_dir))), CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "inception_v3"}, "backbone 'inception_v3' does not take these images: .*Kernel size"),
        ({"backbone": "resnet81"}, "backbone must be the name of a timm model, got 'resnet81'"),
        ({"batch_size": 121}, r"batch_size must be at most the number of training images \(120\), got 121"),
        ({"cuda_graph": True}, "cuda_graph is for one process on CUDA, this is 1 on cpu"),
        ({"data_dir": "nowhere"}, "nowhere.* must hold one folder of images per class"),
        ({"device": "mps"}, "device 'mps' is not available on this machine"),
    ],
    ids=str,
)
def test_run_that_cannot_start_leaves_no_folder(tmp_path, tiny, change, message):
    if change.get("device") == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    with pytest.raises((ValueError, DataError), match=message):
        pretrain(dataclasses.replace(tiny, **change), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_home_is_known_by_its_sign(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # on Windows
    monkeypatch.chdir(tmp_path)
    assert main(["--run-dir=~/ä b", *arguments_of(tiny, "x")[:-2]]) == 0
    assert (tmp_path / "ä b" / "result.json").exists() and not (tmp_path / "~").exists()
    assert str(tmp_path / "ä b" / "figure.png") in capsys.readouterr().out
    assert load_run("~/ä b")[1].dim == tiny.dim


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_default_device_of_the_program_changes_nothing(tmp_path, tiny, finished, device):
    with torch.device(device):
        result, model = pretrain(tiny, tmp_path, progress=False)
        network, _ = load_run(tmp_path)
        two_views(make_shapes(20, 20).train_images, generator=torch.Generator("cpu"))
    timed = ("seconds",)
    first, second = ({k: v for k, v in r["final"].items() if k not in timed} for r in (result, finished[1]))
    assert first == second and same(model.state_dict(), finished[2].state_dict())
    assert same(network.state_dict(), finished[2].state_dict())


def test_run_is_float32_after_a_float64_default(tmp_path, tiny, float64_by_default):
    result, model = pretrain(dataclasses.replace(tiny, epochs=1), tmp_path, progress=False)
    assert {weight.dtype for weight in [*model.parameters(), *load_run(tmp_path)[0].parameters()]} == {torch.float32}
    assert result["epochs"][0]["loss"] > 0


def test_run_is_float32_after_a_bfloat16_default(tmp_path, tiny):
    torch.set_default_dtype(torch.bfloat16)
    try:
        run = train_run(dataclasses.replace(tiny, epochs=1), tmp_path)
        run.data = dataclasses.replace(run.data, test_images=torch.zeros(1800, 3, 1, 1, dtype=torch.uint8))
        assert run.sample().tolist() == list(range(1800))  # whole numbers from 256 on are not all bfloat16
    finally:
        torch.set_default_dtype(torch.float32)
    assert {weight.dtype for weight in run.model.parameters()} == {run.metrics.dtype} == {torch.float32}


def test_folder_that_was_there_before_stays(tmp_path, tiny):
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="backbone"):
        pretrain(dataclasses.replace(tiny, backbone="resnet81"), tmp_path, progress=False)
    with pytest.raises(RunError, match="no checkpoint to resume"):
        pretrain(tiny, tmp_path, resume=True, progress=False)
    assert (tmp_path / "notes").read_text(encoding="utf-8") == "mine"


def test_what_went_wrong_is_said_though_the_folder_cannot_be_removed(tmp_path, tiny):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with pytest.raises(ValueError, match="batch_size must be at most"):
        pretrain(dataclasses.replace(tiny, batch_size=2000), tmp_path / "link", progress=False)


@pytest.mark.parametrize("change", [{"coordinate_weight": 1.0}, {"regularizer": "rgg_cf"}], ids=str)
def test_mps_lacks_what_some_terms_need(light, change):
    for fine in ({}, {"regularizer": "sigreg", "rectify": False}, {"p": 0.5}):
        check_fit(dataclasses.replace(light, **fine), torch.device("mps"))
    with pytest.raises(ValueError, match="device 'mps' has no float64: .*" + next(iter(change))):
        check_fit(dataclasses.replace(light, **change), torch.device("mps"))


@pytest.mark.parametrize("resume", [False, True])
def test_folder_that_another_run_is_writing_is_left_alone(tmp_path, tiny, resume):
    lock = open_run_dir(tmp_path / "run", resume=False)
    with pytest.raises(RunError, match="is being written by another run"):
        pretrain(tiny, tmp_path / "run", resume=resume, progress=False)
    assert os.listdir(tmp_path / "run") == [".lock"]
    lock.release()


def test_log_that_cannot_be_written_ends_in_one_clear_line(tmp_path, light, capsys):
    (tmp_path / "log.jsonl").mkdir()
    assert main(arguments_of(light, tmp_path)) == 2
    assert "log.jsonl cannot be written" in capsys.readouterr().err.splitlines()[-1]
