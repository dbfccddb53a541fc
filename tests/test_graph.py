"""A step as one graph, without a card: what a CUDA graph would record and replay, and whether the host ever waits.

On CUDA a graph keeps the kernels of one step, with the addresses of their tensors, and a replay runs them again. Here a
dispatch mode keeps the aten calls of a step with their tensors, and a replay runs those again on the CPU, without a
line of the step's Python. Whatever a step did outside of aten calls (a Python counter, NumPy, a number read on the
host) would then be missing, and the weights would differ.
"""

import contextlib
import dataclasses

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from rlpjepa import RectifiedLpJEPA
from rlpjepa.data import _channels
from rlpjepa.pretrain.optimizer import create_optimizer, learning_rate
from rlpjepa.pretrain.run import Run, create_objective
from rlpjepa.train import train_step

from .harness import TINY

CHANGES = [
    {}, {"p": 2.0}, {"p": 0.5}, {"p": 0.75}, {"rectify": False}, {"direction_size": 4}, {"coordinate_weight": 1.0},
    {"regularizer": "sigreg"}, {"regularizer": "rgg_cf"}, {"regularizer": "none"},
    {"optimizer": "lars", "warmup_epochs": 1, "interpolation": "bicubic", "solarize_prob": 0.1,
     "online_probe_lr": 0.01},
    {"cifar_stem": True, "backbone": "resnet18"},
]  # fmt: skip


class Recording(TorchDispatchMode):
    """Keeps every aten call with its tensors; ``replay`` runs them again, into the same tensors."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        self.calls.append((function, args, kwargs, result))
        return result

    def replay(self):
        with torch.no_grad(), torch._C._AutoDispatchBelowAutograd():
            for function, args, kwargs, result in self.calls:
                if is_view(function):
                    continue  # another look at memory that earlier calls have filled
                again = function(*args, **kwargs)
                for kept, new in zip(tensors(result), tensors(again), strict=True):
                    if kept is not new:
                        kept.copy_(new)


def tensors(tree):
    return [leaf for leaf in tree_iter(tree) if isinstance(leaf, torch.Tensor)]


def is_view(function):
    """Whether an aten call returns other looks at its arguments' memory, and changes nothing."""
    schema = function._schema
    returns = [value.alias_info for value in schema.returns]
    return any(info is not None and not info.is_write for info in returns)


WAITING = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "equal", "_unique2")


class Counting(TorchDispatchMode):
    """Counts what a step launches (aten calls that compute), and what makes the host wait for the device."""

    def __init__(self):
        super().__init__()
        self.launches, self.waits = 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function._schema.name.removeprefix("aten::")
        places = {tensor.device.type for tensor in tensors((args, kwargs, result))}
        if places != {"cpu"} and name in WAITING:
            self.waits.append(name)
        if name in ("_to_copy", "copy_") and len(places) > 1:
            self.waits.append(f"{name} between {sorted(places)}")
        if not is_view(function) and not name.startswith(("empty", "new_empty", "detach")):
            self.launches += 1
        return result


def can_imagine_gamma():
    """torch 2.11 cannot: on CUDA there is a kernel, but nothing that tells the shape of its result without one."""
    try:
        return torch._standard_gamma(torch.ones(1, device="meta")).is_meta
    except NotImplementedError:
        return False


NEEDS_GAMMA = pytest.mark.skipif(not can_imagine_gamma(), reason="torch cannot draw a Gamma variable without values")
IMAGINED = [pytest.param(change, marks=NEEDS_GAMMA) if change.get("p") == 0.75 else change for change in CHANGES]


@pytest.fixture
def in_float64():
    """The losses in float64, which on a CPU are sorted by torch, as float32 is on CUDA, and not by NumPy."""
    return lambda objective: lambda z, model: objective(z.double(), model)


def started(config, folder, objective=None):
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        run = Run(config, folder)
    run.objective = objective(run.objective) if objective else run.objective
    run.order.copy_(torch.randperm(len(run.order), generator=run.generator))
    run.model.train()
    return run


def state_of(run):
    probe = run.probe.layer.parameters() if run.probe else ()
    rates = (group["lr"] for group in run.optimizer.param_groups)
    return [*run.model.state_dict().values(), *probe, run.metrics, run.counter, *rates]


@pytest.mark.parametrize("change", CHANGES[:-1], ids=str)
def test_replays_of_a_recorded_step_are_plain_steps_bit_for_bit(change, tiny, tmp_path, in_float64):
    config = dataclasses.replace(tiny, mu=-1.0, schedule="cosine", **change)
    plain, replayed = (started(config, tmp_path / name, in_float64) for name in ("plain", "replayed"))
    for _ in range(6):
        plain.compute_step()
    for _ in range(2):
        replayed.compute_step()
    with Recording() as recording:
        replayed.compute_step()
    for _ in range(3):
        recording.replay()
    assert replayed.counter == 6
    assert all(torch.equal(a, b) for a, b in zip(state_of(plain), state_of(replayed), strict=True))
    assert plain.metrics[:6].unique(dim=0).shape[0] == 6 and plain.optimizer.param_groups[0]["lr"] < config.lr
    assert torch.equal(plain.generator.get_state(), replayed.generator.get_state())


@pytest.fixture
def unchecked():
    """Distributions do not look at their parameters, which they do once, before the first step."""
    checks = torch.distributions.Distribution._validate_args
    torch.distributions.Distribution.set_default_validate_args(False)
    yield
    torch.distributions.Distribution.set_default_validate_args(checks)


@contextlib.contextmanager
def imagined_gpu():
    """Tensors that say they are on CUDA and hold no values: to fetch one raises, as two devices in one call do."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield torch.device("cuda")
    finally:
        _channels.cache_clear()  # no imagined tensor is to be kept


@pytest.mark.parametrize("change", IMAGINED, ids=str)
@pytest.mark.usefixtures("unchecked")
def test_synchronisations_of_a_step_on_an_imagined_gpu(change, small_data):
    """Views, forward pass and objective: none. (torch cannot imagine a backward pass on CUDA.)"""
    config = dataclasses.replace(TINY, mu=-1.0, **change)
    network = RectifiedLpJEPA(config.backbone, config.dim, config.rectify, config.cifar_stem)
    with imagined_gpu() as device:
        weights = {k: v.to(device) for k, v in (*network.named_parameters(), *network.named_buffers())}
        data, objective = small_data.to(device), create_objective(config, config.target(device), None)
        optimizer, seen = torch.optim.SGD([torch.zeros(1, requires_grad=True)]), {}

        def forward_only(z, model):
            seen.update(objective(z, model))
            return {"loss": torch.zeros((), requires_grad=True)}

        def step():
            learning_rate(config, torch.zeros((), dtype=torch.int64, device=device), 30)
            views = data.views(torch.arange(8, device=device), **config.augmentation())
            train_step(lambda x: torch.func.functional_call(network, weights, x), views, forward_only, optimizer)

        step()  # what is made once
        with Counting() as count:
            step()
        assert count.waits == []
        assert 100 < count.launches < 1500 and seen["loss"].is_cuda
        with pytest.raises(DataDependentOutputException):
            seen["loss"].item()


def test_synchronisations_are_noticed():
    with imagined_gpu() as device, Counting() as count:
        x = torch.rand(3, device=device)
        x.cpu()
        torch.rand(3).to(device)
        with pytest.raises(DataDependentOutputException):
            (x.sum() > 1).item()
    assert count.waits[:2] == ["_to_copy between ['cpu', 'cuda']"] * 2 and len(count.waits) <= 3


@pytest.mark.parametrize("change", IMAGINED, ids=str)
@pytest.mark.usefixtures("unchecked")
def test_synchronisations_of_a_whole_step_without_values(change, small_data):
    """On torch's meta device, whose tensors have no values at all: backward pass and optimizer included."""
    config, device = dataclasses.replace(TINY, mu=-1.0, **change), torch.device("meta")
    model = RectifiedLpJEPA(config.backbone, config.dim, config.rectify, config.cifar_stem).to(device)
    data = small_data.to(device)
    objective = create_objective(config, config.target(device), None)
    optimizer = torch.optim.AdamW(model.parameters(), foreach=True)
    if config.optimizer == "lars":
        optimizer = create_optimizer(model, config, device)
    for _ in range(2):
        with Counting() as count:
            views = data.views(torch.arange(8, device=device), **config.augmentation())
            parts = train_step(model, views, objective, optimizer)
        assert count.waits == [] and parts["loss"].is_meta
    assert all(weight.grad.shape == weight.shape for weight in model.parameters())
