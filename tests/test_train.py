"""`rlpjepa.train`: the step by hand, the loop, and the same weights as from a run of `rlpjepa.pretrain`."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from rlpjepa import RectifiedLpJEPA, load_data
from rlpjepa.data import unlabelled
from rlpjepa.pretrain.optimizer import create_optimizer, learning_rate
from rlpjepa.pretrain.run import create_objective
from rlpjepa.train import has_fast_bfloat16, train, train_step

from .harness import TINY, Recorded, same, train_run


@pytest.fixture
def network():
    """One tensor of four coordinates an image."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))


def spread(z, model):
    """An objective of its own: z is to be near 1."""
    return {"loss": (z - 1).square().mean(), "z": z.mean(), "weight": model[1].weight.mean()}


# ---------------------------------------------------------------------------------------------------------------------
# one step


def test_steps_move_the_weights_against_the_gradient(network, generator):
    views = torch.randn(2, 5, 3, 32, 32, dtype=torch.float64, generator=generator)
    by_hand = copy.deepcopy(network.double())  # float64 is never rounded to bfloat16
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(2):  # the second starts from no gradient again
        z = torch.stack([by_hand(view) for view in views])  # each view by itself
        expected = spread(z, by_hand)
        gradients = torch.autograd.grad(expected["loss"], list(by_hand.parameters()))
        parts = train_step(network, views, spread, optimizer)
        assert not any(part.requires_grad for part in parts.values())
        torch.testing.assert_close(parts, {name: part.detach() for name, part in expected.items()})
        with torch.no_grad():
            for parameter, gradient in zip(by_hand.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
    torch.testing.assert_close(network.state_dict(), by_hand.state_dict())


# Every loss, and every target for which the step does other work.
CHANGES = [
    {}, {"p": 2.0}, {"p": 0.5}, {"rectify": False}, {"direction_size": 4}, {"coordinate_weight": 1.0, "mu": -1.0},
    {"regularizer": "sigreg"}, {"regularizer": "rgg_cf"}, {"regularizer": "none"},
]  # fmt: skip


def test_bfloat16_is_asked_for_only_where_it_is_fast(monkeypatch):
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for there in (set(), {names[0]}, {names[1]}):
        for name in names:
            monkeypatch.setattr(torch.cpu, name, lambda name=name, there=there: name in there)
        assert has_fast_bfloat16(torch.device("cpu")) == bool(there)
        assert not has_fast_bfloat16(torch.device("mps"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)  # a T4
    assert not has_fast_bfloat16(torch.device("cuda"))


# ---------------------------------------------------------------------------------------------------------------------
# the loop


def test_every_image_at_most_once_an_epoch_in_a_new_order(network, small_data, generator):
    data = Recorded(**vars(small_data))
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    network.eval()
    history = train(network, data, spread, optimizer, steps=7, batch_size=50, generator=generator)
    assert network.training
    shapes = {name: tuple(course.shape) for name, course in history.items()}
    assert shapes == {"loss": (7,), "z": (7,), "weight": (7,)}
    assert history["loss"][-1] < history["loss"][0]
    epochs = [torch.cat(data.batches[k : k + 2]) for k in (0, 2, 4)]  # of two steps; 20 images are left out
    assert [len(epoch.unique()) for epoch in epochs] == [100] * 3 and len(data.batches) == 7
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[1], epochs[2])


def test_images_of_ones_own_and_a_seed_fix_the_run(small_data):
    config, device = dataclasses.replace(TINY, backbone="pixels"), torch.device("cpu")
    states = {}
    for name, data, seed in (("images", small_data.train_images, 0), ("same", unlabelled(small_data.train_images), 0),
                             ("other seed", small_data.train_images, 1)):  # fmt: skip
        model, generator = fresh(config), torch.Generator().manual_seed(seed)
        objective = create_objective(config, config.target(), generator)
        train(model, data, objective, create_optimizer(model, config, device), steps=3, generator=generator,
              batch_size=16)  # fmt: skip
        states[name] = model.state_dict()
    assert same(states["images"], states["same"]) and not same(states["images"], states["other seed"])


def test_other_images_and_other_objectives_are_refused_by_name(network, small_data):
    for images in (small_data.train_images[:, 0], small_data.train_images.float(), small_data.train_images.numpy()):
        with pytest.raises(ValueError, match=r"^images must be a uint8 tensor of shape \(B, 3, H, W\), got "):
            train(network, images, spread, None, steps=1, batch_size=8)
    with pytest.raises(TypeError, match="^objective must return a dict with 'loss' among its parts, got Tensor$"):
        train(network, small_data, lambda z, model: z.mean(), None, steps=1, batch_size=8)


def test_no_steps(network, small_data):
    assert train(network, small_data, spread, None, steps=0, batch_size=8) == {}


@pytest.mark.parametrize("size", [0, 121])
def test_batch_size_is_from_one_to_the_number_of_images(network, small_data, size):
    message = rf"^batch_size must be from 1 to the number of training images \(120\), got {size}$"
    with pytest.raises(ValueError, match=message):
        train(network, small_data, spread, None, steps=1, batch_size=size)


# ---------------------------------------------------------------------------------------------------------------------
# the loop and the harness


def fresh(config):
    """The network of a configuration as it is before training."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        return RectifiedLpJEPA(config.backbone, config.dim, config.rectify).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("change", [{"seed": 3}, *CHANGES[1:]], ids=str)
def test_loop_and_harness_end_with_the_same_bits(tmp_path, tiny, change):
    config = dataclasses.replace(tiny, **({"backbone": "pixels"} if change.get("p") != 2.0 else {}), lr=2e-3, **change)
    run = train_run(config, tmp_path)
    model, generator = fresh(config), torch.Generator().manual_seed(config.seed)
    history = train(
        model, load_data(config.dataset, config.data_dir), create_objective(config, config.target(), generator),
        create_optimizer(model, config, torch.device("cpu")), steps=30, batch_size=8, generator=generator,
    )  # fmt: skip
    assert same(model.state_dict(), run.model.state_dict())
    assert torch.equal(generator.get_state(), run.generator.get_state())  # as many draws
    assert history["loss"][15:].mean().item() == pytest.approx(run.epochs[1]["loss"], rel=1e-5, abs=1e-6)


def test_steps_at_the_rates_of_the_schedule_end_with_the_same_bits(tmp_path, tiny):
    config = dataclasses.replace(tiny, backbone="pixels", schedule="cosine", lr=2e-3)
    run = train_run(config, tmp_path)
    model, generator = fresh(config).train(), torch.Generator().manual_seed(config.seed)
    optimizer = create_optimizer(model, config, torch.device("cpu"))
    objective, data = create_objective(config, config.target(), generator), load_data(config.dataset, config.data_dir)
    for step in range(30):
        if step % 15 == 0:
            order = torch.randperm(120, generator=generator)
        optimizer.param_groups[0]["lr"].copy_(learning_rate(config, torch.tensor(step), 30))
        batch = order[8 * (step % 15) :][:8]
        train_step(model, data.views(batch, generator=generator), objective, optimizer)
    assert same(model.state_dict(), run.model.state_dict())
