"""Several processes under torchrun, here on a CPU with gloo, compute what one would."""

import inspect
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
import torch

from rlpjepa import (
    PretrainConfig,
    RectifiedGeneralizedGaussian,
    RectifiedLpJEPA,
    coordinate_loss,
    objective,
    parallel,
    pretrain,
    rdmreg_loss,
    rgg_cf_loss,
    sigreg_loss,
)
from rlpjepa.storage import load_checkpoint, open_run_dir

module = sys.modules["rlpjepa.pretrain"]  # the package's attribute of that name is the function
TINY = {
    "backbone": "test_byobnet", "dim": 8, "batch_size": 24, "epochs": 2, "num_projections": 8, "device": "cpu",
    "checkpoint_seconds": 0.0,
}  # fmt: skip


def torchrun(*arguments, cwd):
    """Two ranks; returns the finished process. One that hangs is ended after two minutes, and its ranks with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
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


TERMS = ("rdmreg", "rgg_cf", "sigreg", "coordinate")


def small_network():
    """No BatchNorm, which on a CPU each rank does for its own share, and float64."""
    layers = [torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers).double()


def the_law():
    return RectifiedGeneralizedGaussian(*(torch.tensor(v, dtype=torch.float64) for v in (0.0, 0.7, 1.0)))


def loss_of(name, z, everyone, target, directions):
    """The objective with one distribution term; z is one rank's share of the features, ``everyone`` all of them."""
    law = the_law()
    part = {
        "rdmreg": lambda: rdmreg_loss(everyone, target, directions=directions),
        "rgg_cf": lambda: rgg_cf_loss(everyone, law, directions=directions),
        "sigreg": lambda: sigreg_loss(everyone, directions=directions),
        "coordinate": lambda: coordinate_loss(everyone, law),
    }[name]()
    return objective(z, part)["loss"]


# What every script begins with: few images and a metric every second step.
BEGIN = f"""
import os, sys, matplotlib.figure, torch
from types import SimpleNamespace
from rlpjepa import *
from rlpjepa import parallel
module = sys.modules["rlpjepa.pretrain"]
data, rank = make_shapes(120, 40), int(os.environ["RANK"])
module.load_data = lambda *_: data
module.LOG_EVERY = 2
module.evaluate = lambda *_: {{"nonzero_fraction": 0.5}}
module.plot_training = module.plot_features = lambda *_: matplotlib.figure.Figure(figsize=(1, 1))
TINY = {TINY}
"""

SCRIPT = """
device = parallel.start(torch.device("cpu"))
stop, module.parallel.start, module.parallel.stop = parallel.stop, lambda _: device, lambda: None
assert (parallel.rank(), parallel.world_size()) == (rank, 2)

# gradients
torch.manual_seed(0)
x, target = torch.randn(2, 16, 5, dtype=torch.float64), torch.rand(16, 4, dtype=torch.float64)
torch.manual_seed(1 + rank)  # other weights and other directions on every rank; those of rank 0 are taken
directions, mine = random_directions(6, 4, dtype=torch.float64), slice(rank, None, 2)
network = parallel.wrap(small_network(), device)
saved = {"x": x, "target": target, "directions": directions, "weights": network.module.state_dict()}
for name in TERMS:
    network.zero_grad()
    z = network(x[:, mine].flatten(0, 1)).unflatten(0, (2, -1))
    everyone = parallel.gather(z, dim=1)
    loss = loss_of(name, z, everyone, parallel.gather(target[mine], dim=0), directions)
    loss.backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    saved[name] = {"everyone": everyone.detach(), "loss": parallel.average(loss.detach()), "gradients": gradients}
# the step itself, but for what it draws
run = SimpleNamespace(
    config=PretrainConfig(**TINY | {"coordinate_weight": 10.0}), device=device, bfloat16=False, law=the_law(),
    network=lambda x: (x, network(x)), generator=None,
    optimizer=SimpleNamespace(zero_grad=network.zero_grad, step=lambda: None),
)
drawn = module.sample_target, module.rdmreg_loss
module.sample_target = lambda *_: target[mine].float()
module.rdmreg_loss = lambda z, target, **_: rdmreg_loss(z, target, directions=directions.float())
metrics = parallel.average(module.update(run, x[:, mine].flatten(0, 1)))
saved["step"] = {"metrics": metrics, "gradients": [p.grad.clone() for p in network.parameters()]}
module.sample_target, module.rdmreg_loss = drawn
saved |= {"first": parallel.from_first(torch.tensor(float(rank + 5))), "all": parallel.collect((rank, "x"))}
torch.save(saved, f"gradients{rank}.pt")

# what is drawn
draws = {}
for rectify in (True, False):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        run = module.Run(PretrainConfig(**TINY | {"rectify": rectify}), None)
        draws[rectify] = module.sample_target(run, (12, 8))
torch.save(draws, f"draws{rank}.pt")

# the state that each rank would save, and the run as a whole
save, write, step, batches = module.Run.save, module.save_checkpoint, module.train_step, []
module.train_step = lambda run, batch: (batches.append(batch), step(run, batch))[1]

def save_everywhere(run):
    def keep(run_dir, state):
        torch.save(state, f"state{rank}-{run.step}.pt")
        if rank == 0:
            write(run_dir, state)

    module.save_checkpoint, module.parallel.rank = keep, lambda: 0
    save(run)
    module.parallel.rank = lambda: rank

module.Run.save = save_everywhere
_, model = pretrain(PretrainConfig(**TINY), "whole", progress=False)
torch.save(model.state_dict(), f"model{rank}.pt")
torch.save(batches, f"batches{rank}.pt")
module.train_step = step
module.Run.save = save

# resumed
if rank == 0:
    os.mkdir("parts")
    os.rename("whole/previous.pt", "parts/previous.pt")
    with open("parts/log.jsonl", "w") as log:
        log.write(open("whole/log.jsonl").read())
torch.distributed.barrier()
pretrain(PretrainConfig(**TINY), "parts", resume=True, progress=False)

for name in ("batch_size", "num_projections"):
    try:
        pretrain(PretrainConfig(**TINY | {name: 25}), "uneven", progress=False)
    except ValueError as error:
        print(error)
torch.distributed.barrier()
stop()
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """The folder in which two ranks have gone through the script above, and what they printed."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "script.py").write_text(
        BEGIN + f"TERMS = {TERMS}\n" + "\n".join(map(inspect.getsource, (small_network, the_law, loss_of))) + SCRIPT
    )
    done = torchrun("script.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def load(folder, name):
    return [torch.load(folder / name.format(rank), weights_only=True) for rank in range(2)]


def differing(a, b, path=""):
    """The paths of what differs between two states, bit for bit; times and speeds aside."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if torch.equal(a, b) and a.dtype == b.dtype else [path]
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        keys = [k for k in a if k not in ("seconds", "images_per_second")]
        return [p for k in keys for p in differing(a[k], b[k], f"{path}/{k}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        if path == "/epoch_metrics":  # the last number is the speed
            a, b = ([row[:-1] for row in rows] for rows in (a, b))
        return [p for i, (x, y) in enumerate(zip(a, b)) for p in differing(x, y, f"{path}/{i}")]
    return [] if a == b else [path]


# ---------------------------------------------------------------------------------------------------------------------
# one process


def test_one_process_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    x, model = torch.rand(2, 3), torch.nn.Linear(2, 2)
    assert parallel.start(torch.device("cpu")) == torch.device("cpu")
    assert (parallel.rank(), parallel.world_size()) == (0, 1) and not torch.distributed.is_initialized()
    assert parallel.gather(x, dim=0) is x and parallel.average(x) is x and parallel.from_first(x) is x
    assert parallel.collect(x)[0] is x and parallel.wrap(model, torch.device("cpu")) is model
    parallel.stop()


def test_synchronised_batchnorm_keeps_the_activations(monkeypatch, generator):
    monkeypatch.setattr(parallel, "world_size", lambda: 2)
    monkeypatch.setattr(torch.nn.parallel, "DistributedDataParallel", lambda model: model)
    model = RectifiedLpJEPA("test_byobnet", dim=8).eval()  # its activations sit in timm's BatchNormAct2d
    x = torch.rand(4, 3, 32, 32, generator=generator)
    with torch.no_grad():
        before = model(x)[0]
        wrapped = parallel.wrap(model, torch.device("cuda"))
        torch.testing.assert_close(wrapped(x)[0], before)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in wrapped.modules())


@pytest.mark.parametrize("name", ["batch_size", "num_projections"])
def test_what_is_not_divisible_by_the_ranks_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.setattr(parallel, "world_size", lambda: 2)
    with pytest.raises(ValueError, match=f"^{name} must be divisible by the 2 processes, got 25$"):
        pretrain(PretrainConfig(**TINY | {name: 25}), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


# ---------------------------------------------------------------------------------------------------------------------
# two


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_loss_and_gradients_of_two_ranks_are_those_of_one(ranks, name):
    one, two = load(ranks[0], "gradients{}.pt")
    assert differing(one["weights"], two["weights"]) == differing(one[name], two[name]) == []
    assert not torch.equal(one["directions"], two["directions"])
    model = small_network()
    model.load_state_dict(one["weights"])
    z = model(one["x"].flatten(0, 1)).unflatten(0, (2, -1))
    loss = loss_of(name, z, z, one["target"], torch.cat([one["directions"], two["directions"]]))
    loss.backward()
    rtol = 1e-6 if name == "rgg_cf" else 1e-9  # its interpolation's grid follows the directions at hand
    in_turn = torch.cat([z[:, 0::2], z[:, 1::2]], dim=1)
    torch.testing.assert_close(one[name]["everyone"], in_turn.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(one[name]["loss"], loss.detach(), rtol=rtol, atol=0)
    for gradient, parameter in zip(one[name]["gradients"], model.parameters(), strict=True):
        assert parameter.grad.abs().max() > 0.01
        torch.testing.assert_close(gradient, parameter.grad, rtol=rtol, atol=rtol / 100)


@pytest.mark.slow
def test_step_of_two_ranks_is_that_of_one(ranks):
    one, two = load(ranks[0], "gradients{}.pt")
    model = small_network()
    model.load_state_dict(one["weights"])
    z = model(one["x"].flatten(0, 1)).unflatten(0, (2, -1))
    regularizer = rdmreg_loss(z, one["target"], directions=torch.cat([one["directions"], two["directions"]]))
    parts = objective(z, regularizer, coordinate_loss(z, the_law()), coordinate_weight=10.0)
    parts["loss"].backward()
    expected = torch.stack([parts[name].detach() for name in module.METRICS[:4]])
    for rank in (one["step"], two["step"]):
        torch.testing.assert_close(rank["metrics"][:4].double(), expected, rtol=1e-5, atol=1e-6)
        for gradient, parameter in zip(rank["gradients"], model.parameters(), strict=True):
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_ranks_share_every_batch_without_overlap(ranks):
    one, two = (torch.stack(batches) for batches in load(ranks[0], "batches{}.pt"))
    assert one.shape == two.shape == (10, 12)  # two epochs of five steps
    epochs = torch.cat([one, two], dim=1).view(2, 120)
    assert (epochs.sort().values == torch.arange(120)).all() and (epochs[0] != epochs[1]).any()


@pytest.mark.slow
def test_broadcast_and_collection(ranks):
    for rank in load(ranks[0], "gradients{}.pt"):
        assert rank["first"] == 5 and rank["all"] == [(0, "x"), (1, "x")]


@pytest.mark.slow
@pytest.mark.parametrize("rectify", [True, False])
def test_ranks_draw_targets_of_their_own(ranks, rectify):
    one, two = (draws[rectify] for draws in load(ranks[0], "draws{}.pt"))
    assert (one != two).any()


@pytest.mark.slow
def test_rank_0_draws_what_a_run_alone_draws(ranks, small_data, monkeypatch):
    monkeypatch.setattr(module, "load_data", lambda *_: small_data)
    run = module.Run(PretrainConfig(**TINY), None)
    assert torch.equal(load(ranks[0], "draws{}.pt")[0][True], module.sample_target(run, (12, 8)))


@pytest.mark.slow
def test_every_rank_would_save_the_same_state(ranks):
    names = sorted(path.name.removeprefix("state0-") for path in ranks[0].glob("state0-*.pt"))
    assert names == ["10.pt", "2.pt", "4.pt", "5.pt", "7.pt", "9.pt"]  # steps
    for name in names:
        one, two = load(ranks[0], "state{}-" + name)
        assert differing(one, two) == []
        assert any("running_mean" in key for key in one["model"]) and len(one["order"]) == 120
        (host, device, *_), (other_host, other_device, *_) = one["generators"]
        assert not torch.equal(host, other_host) and not torch.equal(device, other_device)
    assert differing(*load(ranks[0], "model{}.pt")) == []
    assert not differing(load(ranks[0], "model{}.pt")[0], load_checkpoint(ranks[0] / "whole")[0]["model"])


@pytest.mark.slow
def test_two_ranks_write_one_log_and_one_result(ranks):
    log = [json.loads(line) for line in (ranks[0] / "whole" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [2, 4, 5, 7, 9, 10]
    result = json.loads((ranks[0] / "whole" / "result.json").read_text())
    for epoch in result["epochs"]:
        assert epoch["loss"] == pytest.approx(25 * epoch["invariance"] + 125 * epoch["regularizer"], abs=1e-3)


@pytest.mark.slow
def test_two_ranks_resume_to_the_same_bits(ranks):
    whole, parts = (load_checkpoint(ranks[0] / name)[0] for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 10 and differing(whole, parts) == []
    steps = [json.loads(line)["step"] for line in (ranks[0] / "parts" / "log.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 5, 7, 9, 10]


@pytest.mark.slow
def test_two_ranks_refuse_what_they_cannot_share(ranks):
    for name in ("batch_size", "num_projections"):
        assert ranks[1].count(f"{name} must be divisible by the 2 processes, got 25\n") == 2
    assert not (ranks[0] / "uneven").exists()


@pytest.mark.slow
def test_checkpoint_of_another_number_of_ranks(ranks, tmp_path, small_data, monkeypatch):
    monkeypatch.setattr(module, "load_data", lambda *_: small_data)
    shutil.copy(ranks[0] / "whole" / "checkpoint.pt", tmp_path)
    with pytest.raises(module.RunError, match="belongs to a run of 2 processes, these are 1$"):
        pretrain(PretrainConfig(**TINY), tmp_path, resume=True, progress=False)


@pytest.mark.slow
def test_command_line_under_torchrun(tmp_path, generator):
    from PIL import Image

    for part, count in (("train", 24), ("test", 8)):
        for name in ("a", "b"):
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for k in range(count):
                noise = torch.randint(256, (32, 32, 3), dtype=torch.uint8, generator=generator)
                Image.fromarray(noise.numpy()).save(tmp_path / "data" / part / name / f"{k}.png")
    options = {**TINY, "dataset": "folder", "data_dir": "data", "run_dir": "run"}
    arguments = [text for k, v in options.items() for text in ("--" + k.replace("_", "-"), v)]
    done = torchrun("-m", "rlpjepa.pretrain", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("encoder  ") == done.stdout.count("figure  ") == 1  # one rank reports
    assert load_checkpoint(tmp_path / "run")[0]["step"] == 4
    assert len(json.loads((tmp_path / "run" / "result.json").read_text())["epochs"]) == 2
    left = os.listdir(tmp_path / "run")
    assert "figure.png" in left and "previous.pt" in left and not any(name.endswith(".part") for name in left)


DYING = """
step = module.train_step
def dying(run, batch):
    if rank == 1 and run.step == 7:
        os._exit(1)
    return step(run, batch)
module.train_step = dying
pretrain(PretrainConfig(**TINY), "run", progress=False)
"""


@pytest.mark.slow
def test_rank_that_dies_ends_them_all(tmp_path):
    (tmp_path / "script.py").write_text(BEGIN + DYING)
    done = torchrun("script.py", cwd=tmp_path)
    assert done.returncode != 0 and "exitcode  : 1 " in done.stderr
    assert load_checkpoint(tmp_path / "run")[0]["step"] == 7 and not (tmp_path / "run" / "result.json").exists()
    open_run_dir(tmp_path / "run", resume=True).release()  # nobody holds it any more
