"""README's section "In your own loop": its blocks run as they are written, and do what the text says."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from .test_parallel import torchrun

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README.split("## In your own loop")[1].split("\n## ")[0], re.DOTALL)
OWN, VIEWS, PROCESSES, IN_PARTS = BLOCKS


def run(*blocks):
    names = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for block in blocks:
            exec(block, names)
    return names


def test_own_network_and_more_views():
    names = run(OWN, VIEWS)
    assert names["history"]["loss"].shape == (6,) and names["history"]["loss"][-1] < names["history"]["loss"][0]
    assert names["views"].shape == (4, 100, 3, 32, 32) and names["parts"]["loss"].isfinite()


def test_network_in_parts_has_the_gradient_of_the_whole_batch_and_accumulation_has_not():
    names = run(OWN, VIEWS, IN_PARTS)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU()).double()  # without BatchNorm
        images, target = torch.randn(256, 3, 32, 32).double(), torch.randn(256, 8).double().relu()
        directions = torch.eye(8).double()
    names["model"] = lambda images: (None, network(images))  # which in_parts calls

    def gradient(z, target):
        loss = names["rdmreg_loss"](z, target, directions=directions)
        return torch.autograd.grad(loss, network[1].weight)[0]

    whole = gradient(network(images), target)
    torch.testing.assert_close(gradient(names["in_parts"](images), target), whole)
    halves = [gradient(network(part), goal) for part, goal in zip(images.split(128), target.split(128))]
    assert (sum(halves) / 2 - whole).norm() > 0.01 * whole.norm()


@pytest.mark.slow
def test_two_processes(tmp_path):
    check = "\nweights = [w.detach() for w in model.parameters()]\ntorch.save([weights, rank], f'{rank}.pt')\n"
    (tmp_path / "script.py").write_text(PROCESSES + check, encoding="utf-8")
    done = torchrun("script.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (one, _), (two, rank) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert rank == 1 and all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
