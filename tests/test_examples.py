"""Every public name ends its docstring with an example, and every example shows what it says."""

import doctest
import importlib

import pytest
import torch

import rlpjepa

PUBLIC = {name: getattr(rlpjepa, name) for name in rlpjepa.__all__}
for module, names in (("rlpjepa.train", ("train", "train_step")), ("rlpjepa.pretrain", None)):
    module = importlib.import_module(module)
    PUBLIC |= {name: getattr(module, name) for name in names or module.__all__}
RUNS = "pretrain", "load_run"  # their examples train


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in RUNS)) for name in PUBLIC])
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what an example writes, it writes there
    item = PUBLIC[name]
    globs = {"torch": torch, **PUBLIC}
    found = doctest.DocTestFinder(recurse=False).find(item, name, globs=globs)
    assert found and found[0].examples and "Example:" in item.__doc__, f"{name} has no example"
    said = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        failed, _ = doctest.DocTestRunner().run(found[0], out=said.append)
    assert not failed, "".join(said)
