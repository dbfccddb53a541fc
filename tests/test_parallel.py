"""Several processes under torchrun, here on a CPU with gloo, compute what one would."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from rlpjepa import RectifiedLpJEPA, gather, losses, objective, random_directions, rdmreg_loss, sigreg_loss
from rlpjepa.pretrain import parallel, pretrain
from rlpjepa.pretrain.run import Run, check_fit, create_objective
from rlpjepa.pretrain.storage import load_checkpoint, open_run_dir
from rlpjepa.train import train_step

from .harness import LOGGED, TINY, Recorded, Watched, arguments_of, log_of, same, train_run, untimed

CPU = torch.device("cpu")
TERMS = {
    "rdmreg": {}, "few coordinates": {"direction_size": 2}, "rgg_cf": {"regularizer": "rgg_cf"},
    "sigreg": {"regularizer": "sigreg"}, "coordinate": {"regularizer": "none", "coordinate_weight": 10.0},
}  # fmt: skip


def torchrun(*arguments, cwd):
    """Two ranks; returns the finished process. One that hangs is ended after two minutes, and its ranks with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, *launch, *map(str, arguments)]
    with subprocess.Popen(command, cwd=cwd, env=environment, **pipes) as process:
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun then ends the ranks
            out, err = process.communicate(timeout=60)
            pytest.fail(f"no end after two minutes\n{out}\n{err}")
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def run_ranks(function, config, folder):
    """Two ranks that call a function of this module with a configuration."""
    lines = ["from rlpjepa.pretrain import PretrainConfig", "from tests import test_parallel"]
    (folder / "script.py").write_text("\n".join([*lines, f"test_parallel.{function}({config!r})"]), encoding="utf-8")
    return torchrun("script.py", cwd=folder)


# ---------------------------------------------------------------------------------------------------------------------
# what each of two ranks does


def small_network():
    """No BatchNorm, which on a CPU each rank does for its own share, and float64."""
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 4), nn.ReLU()).double()


def some_views():
    return torch.randn(2, 16, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def gathered_losses(z, rank=None):
    """Two losses of the whole batch, from one of two processes' share of it or, without a rank, from all of it."""
    generator = torch.Generator().manual_seed(3)
    samples = torch.randn(16, 4, dtype=torch.float64, generator=generator).relu()
    directions = random_directions(6, 4, dtype=torch.float64, generator=generator)
    everyone, target = z, samples
    if rank is not None:
        everyone, target = gather(z, dim=1), gather(samples.view(2, 8, 4)[rank])
    terms = {"rdmreg": rdmreg_loss(everyone, target, directions=directions)}
    terms["sigreg"] = sigreg_loss(everyone, directions=directions)
    return {n: (objective(z, term), torch.autograd.grad(term, z, retain_graph=True)[0]) for n, term in terms.items()}


def term_config(name):
    return dataclasses.replace(TINY, dim=4, num_projections=6, **TERMS[name])


class Saving(Watched):
    """A run of which every rank keeps what it would save."""

    def save(self):
        super().save()
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "order": self.order}
        state |= {
            "probe": self.probe.layer.state_dict(),
            "counter": self.counter,
            "generators": [self.generator.get_state(), torch.get_rng_state()],
        }
        torch.save(state, f"state{parallel.rank()}-{self.step}.pt")


def work(config):
    torch.set_num_threads(1)
    (device, started), rank = parallel.init(CPU), int(os.environ["RANK"])
    assert (parallel.rank(), parallel.world_size(), started) == (rank, 2, True)
    saved = {"first": parallel.broadcast(torch.tensor(float(rank + 5))), "all": parallel.all_gather_object((rank, "x"))}
    saved["mean"] = parallel.average(torch.tensor(float(rank)))
    for name in TERMS:
        torch.manual_seed(1 + rank)  # other weights on every rank; those of rank 0 are taken
        network, term = parallel.wrap(small_network(), device), term_config(name)
        before = {k: v.clone() for k, v in network.module.state_dict().items()}
        objective = create_objective(term, term.target(dtype=torch.float64), torch.Generator().manual_seed(10 + rank))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        parts = train_step(network, some_views()[:, rank::2], objective, optimizer)
        parts = {part: parallel.average(value) for part, value in parts.items()}
        saved[name] = {"before": before, "after": network.module.state_dict(), "parts": parts}
    z = some_views().flatten(2)[..., :4].relu()[:, 8 * rank :][:, :8]
    saved["gathered"] = gathered_losses(z.mT.contiguous().mT.requires_grad_(), rank)
    (slope,) = torch.autograd.grad(sigreg_loss(gather(z.requires_grad_(), dim=1)), z, create_graph=True)
    try:
        torch.autograd.grad(slope.sum(), z)
    except RuntimeError as error:
        saved["second derivative"] = str(error)
    saved["gather"] = [gather(torch.full((1, 2), rank), dim) for dim in (0, 1)]
    saved["refused"] = []
    for field in ("batch_size", "num_projections"):
        try:
            Run(dataclasses.replace(config, **{field: 25}), "uneven")
        except ValueError as error:
            saved["refused"].append(str(error))

    def begin(run):
        if run.step == 0:
            run.data = data.setdefault(0, Recorded(**vars(run.data)))
        if run.step == 20 and rank == 0:  # the checkpoint is of step 15
            shutil.copytree("whole", "parts")

    data = {}
    train_run(config, Path("whole"), begin, kind=Saving)
    saved["batches"] = data[0].batches
    dist.barrier()
    train_run(config, Path("parts"), resume=True)
    # The group above is the program's own: a run joins it, and it stays. Without one a run starts and stops a group.
    environment = dict(os.environ)
    saved["result"], _ = pretrain(dataclasses.replace(config, epochs=0), Path("joined"), progress=False)
    saved["after"] = [dist.is_initialized(), parallel.average(torch.tensor(float(rank))).item()]
    dist.destroy_process_group()
    for seed in (1, 2):
        pretrain(dataclasses.replace(config, epochs=0, seed=seed), Path(f"alone{seed}"), progress=False)
        saved["after"].append(dist.is_initialized())
    saved["environment kept"] = environment == dict(os.environ)
    torch.save(saved, f"rank{rank}.pt")


def die(config):
    def before(run):
        if run.step == 17 and parallel.rank() == 1:
            os._exit(1)

    parallel.init(CPU)
    if parallel.rank() == 0:
        lock = open_run_dir(Path("run"), resume=False)  # noqa: F841 (held until the process ends)
    train_run(config, Path("run"), before)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, tiny):
    """The folder in which two ranks did the work above, and what each of them kept."""
    folder = tmp_path_factory.mktemp("ranks")
    done = run_ranks("work", dataclasses.replace(tiny, online_probe_lr=0.01), folder)
    assert done.returncode == 0, done.stderr
    return folder, [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


# ---------------------------------------------------------------------------------------------------------------------
# one process


def test_one_process_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone()
    assert not dist.is_initialized()


def test_build_of_torch_that_knows_no_groups(monkeypatch):
    monkeypatch.delattr(dist, "is_initialized")
    monkeypatch.setattr(dist, "is_available", lambda: False)
    alone()


def alone():
    x, model = torch.rand(2, 3), nn.Linear(2, 2)
    assert parallel.init(CPU) == (CPU, False) and (parallel.rank(), parallel.world_size()) == (0, 1)
    assert gather(x) is x and parallel.average(x) is x and parallel.broadcast(x) is x
    assert parallel.all_gather_object(x)[0] is x and parallel.wrap(model, CPU) is model
    check_fit(dataclasses.replace(TINY, batch_size=25), CPU)


def test_group_of_one_that_the_program_has_is_joined_and_stays(monkeypatch, tmp_path, tiny):
    monkeypatch.setenv("WORLD_SIZE", "2")  # of something else
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        alone()
        result, _ = pretrain(dataclasses.replace(tiny, epochs=0), tmp_path, progress=False)
        assert dist.is_initialized() and result["config"]["epochs"] == 0
    finally:
        dist.destroy_process_group()


def test_synchronised_batchnorm_keeps_the_activations(generator):
    model = RectifiedLpJEPA("test_byobnet", dim=8).eval()  # its activations sit in timm's BatchNormAct2d
    x = torch.rand(4, 3, 32, 32, generator=generator)
    with torch.no_grad():
        before = model(x)[0]
        model = parallel.synchronise_batchnorm(model)
        torch.testing.assert_close(model(x)[0], before)
    assert any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())


# ---------------------------------------------------------------------------------------------------------------------
# two


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_step_of_two_ranks_is_that_of_one(ranks, name):
    one, two = (rank[name] for rank in ranks[1])
    assert same(one["before"], two["before"]) and same(one["after"], two["after"]) and one["parts"] == two["parts"]
    assert not same(one["before"], {k: v + 1 for k, v in one["before"].items()}) and not same(
        one["before"], one["after"]
    )
    model, config = small_network(), term_config(name)
    model.load_state_dict(one["before"])
    target, views = config.target(dtype=torch.float64), some_views()
    views = torch.cat([views[:, 0::2], views[:, 1::2]], dim=1)  # rank after rank
    z = torch.stack([model(view) for view in views])
    # What each rank draws with its generator, one after the other.
    directions, samples = [], []
    for rank in range(2):
        generator = torch.Generator().manual_seed(10 + rank)
        options = {"size": config.direction_size, "dtype": torch.float64, "generator": generator}
        directions.append(random_directions(3, 4, **options))
        samples.append(target.sample((8, 4), generator=generator))
    directions, samples = torch.cat(directions), torch.cat(samples)
    regularizer = {
        "rdmreg": lambda: losses.rdmreg_loss(z, samples, directions=directions),
        "rgg_cf": lambda: losses.rgg_cf_loss(z, target, directions=directions),
        "sigreg": lambda: losses.sigreg_loss(z, directions=directions),
        "none": lambda: None,
    }[config.regularizer]()
    coordinate = losses.coordinate_loss(z, target) if config.coordinate_weight else None
    parts = losses.objective(z, regularizer, coordinate, coordinate_weight=config.coordinate_weight)
    parts["loss"].backward()
    rtol = 1e-5 if name == "rgg_cf" else 1e-9  # its interpolation's grid follows the directions at hand
    for part, value in parts.items():
        torch.testing.assert_close(one["parts"][part].double(), value.detach().double(), rtol=max(rtol, 1e-6), atol=0)
    for key, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0.01
        moved = (one["before"][key] - one["after"][key]) / 0.01
        torch.testing.assert_close(moved, parameter.grad, rtol=rtol, atol=rtol)


@pytest.mark.slow
def test_gathered_losses_and_gradients_are_those_of_one_process(ranks):
    for found in (rank["gather"] for rank in ranks[1]):
        assert torch.equal(found[0], torch.tensor([[0, 0], [1, 1]]))
        assert torch.equal(found[1], torch.tensor([[0, 0, 1, 1]]))
    assert all("differentiated once only" in rank["second derivative"] for rank in ranks[1])
    whole = gathered_losses(some_views().flatten(2)[..., :4].relu().requires_grad_())
    for name, (parts, gradient) in whole.items():
        for k, rank in enumerate(ranks[1]):
            own_parts, own_gradient = rank["gathered"][name]
            torch.testing.assert_close(own_parts["regularizer"], parts["regularizer"].detach())
            # Times two, which DistributedDataParallel's mean over both takes off again.
            torch.testing.assert_close(own_gradient, 2 * gradient[:, 8 * k :][:, :8])
        invariance = [rank["gathered"][name][0]["invariance"] for rank in ranks[1]]
        torch.testing.assert_close(sum(invariance) / 2, parts["invariance"].detach())


@pytest.mark.slow
def test_group_of_the_program_is_joined_and_stays_one_started_here_is_stopped(ranks):
    one, two = ranks[1]
    assert one["result"]["config"]["epochs"] == 0 and two["result"] is None
    for rank in ranks[1]:
        assert rank["after"] == [True, 0.5, False, False] and rank["environment kept"]


@pytest.mark.slow
def test_ranks_share_every_batch_without_overlap(ranks):
    one, two = (torch.stack(rank["batches"]) for rank in ranks[1])
    assert one.shape == two.shape == (30, 4)  # two epochs of 15 steps
    epochs = torch.cat([one, two], dim=1).view(2, 120)
    assert (epochs.sort().values == torch.arange(120)).all() and (epochs[0] != epochs[1]).any()


@pytest.mark.slow
def test_average_broadcast_and_collection(ranks):
    for rank in ranks[1]:
        assert (rank["mean"], rank["first"], rank["all"]) == (0.5, 5, [(0, "x"), (1, "x")])


@pytest.mark.slow
def test_ranks_hold_the_same_state_but_draw_numbers_of_their_own(ranks, tiny, tmp_path):
    folder, _ = ranks
    for step in LOGGED:
        one, two = (torch.load(folder / f"state{rank}-{step}.pt", weights_only=True) for rank in range(2))
        assert one["counter"] == two["counter"] == step and torch.equal(one["order"], two["order"])
        assert same(one["probe"], two["probe"])  # gradients are averaged
        assert same(one["model"], two["model"]) and any("running_mean" in name for name in one["model"])
        for a, b in zip(one["optimizer"]["state"].values(), two["optimizer"]["state"].values(), strict=True):
            assert same(a, b)
        assert not any(torch.equal(a, b) for a, b in zip(one["generators"], two["generators"]))
    saved = load_checkpoint(folder / "whole")
    assert same(saved["model"], one["model"])
    for kept, rank in zip(saved["generators"], (one, two), strict=True):
        assert torch.equal(kept[0], rank["generators"][0]) and torch.equal(kept[1], rank["generators"][1])


@pytest.mark.slow
def test_first_rank_draws_what_a_run_alone_draws(ranks, tiny, tmp_path):
    alone = Recorded(**vars(Run(tiny, tmp_path).data))

    def begin(run):
        run.data = alone

    train_run(dataclasses.replace(tiny, epochs=1), tmp_path, begin)
    assert torch.equal(alone.batches[0][::2], ranks[1][0]["batches"][0])  # the same order of the first epoch


@pytest.mark.slow
def test_two_ranks_resume_to_the_same_bits_and_write_one_log(ranks):
    whole, parts = (load_checkpoint(ranks[0] / name) for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 30 and same(whole["model"], parts["model"])
    assert untimed(whole["epochs"]) == untimed(parts["epochs"])
    for a, b in zip(whole["generators"], parts["generators"], strict=True):
        assert torch.equal(a[0], b[0])
    logs = [log_of(ranks[0] / name) for name in ("whole", "parts")]
    assert untimed(logs[0]) == untimed(logs[1]) and [line["step"] for line in logs[0]] == LOGGED


@pytest.mark.slow
def test_two_ranks_refuse_what_they_cannot_share(ranks):
    expected = [f"{name} must be divisible by the 2 processes, got 25" for name in ("batch_size", "num_projections")]
    assert [rank["refused"] for rank in ranks[1]] == [expected, expected]


@pytest.mark.slow
def test_command_line_under_torchrun(tmp_path, tiny):
    config = dataclasses.replace(tiny, p=2.0)
    done = torchrun("-m", "rlpjepa.pretrain", "--", *arguments_of(config, "run"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("encoder  ") == done.stdout.count("figure  ") == 1  # one rank reports
    assert load_checkpoint(tmp_path / "run")["step"] == 30
    result = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    assert len(result["epochs"]) == 2 and result["config"]["p"] == 2
    left = os.listdir(tmp_path / "run")
    assert "figure.png" in left and not any(name.endswith(".part") for name in left)


@pytest.mark.slow
def test_rank_that_dies_ends_them_all(tmp_path, tiny):
    done = run_ranks("die", tiny, tmp_path)
    assert done.returncode != 0 and "exitcode  : 1 " in done.stderr
    assert load_checkpoint(tmp_path / "run")["step"] == 15
    open_run_dir(tmp_path / "run", resume=True).release()  # nobody holds it any more
