"""Is my set-up right? ``python -m rlpjepa`` says what is there, checks known numbers, and ends in "ready".

What it prints is what the report of a fault starts with.
"""

import importlib
import math
import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

import torch

from . import GeneralizedGaussian, RectifiedGeneralizedGaussian, RectifiedLpJEPA, make_shapes, objective, rdmreg_loss
from .figures import series_root
from .pretrain.provenance import processor
from .train import train_step

INSTALL = "install again, as the README says"


def known_numbers():
    """{what: (what this machine computes, the number from elsewhere)}."""
    z = torch.rand(64, 8, generator=torch.Generator().manual_seed(0))
    laplace = RectifiedGeneralizedGaussian(-1.0, math.sqrt(0.5), 1.0)
    return {
        "share of non-zero entries, p = 1, mu = -1": (laplace.prob_active.item(), math.exp(-math.sqrt(2)) / 2),
        "normal distribution function at 1": (
            GeneralizedGaussian(0.0, 1.0, 2.0).cdf(torch.tensor(1.0)).item(),
            (1 + math.erf(math.sqrt(0.5))) / 2,
        ),
        "loss between points and the same points moved by 1": (
            rdmreg_loss(z, z + 1, directions=torch.eye(8)).item(),
            1.0,
        ),
        "one step of training (1 if its loss is finite)": (one_step(), 1.0),
    }


def one_step():
    """1.0 if a step of a small network gives a finite loss."""
    data, model = make_shapes(20, 20), RectifiedLpJEPA("test_byobnet", dim=8)
    views = data.views(torch.arange(20), generator=torch.Generator().manual_seed(0))
    parts = train_step(
        model, views, lambda z, _: objective(z, rdmreg_loss(z, z[0])), torch.optim.AdamW(model.parameters())
    )
    return float(parts["loss"].isfinite())


def check_packages():
    """(versions that are there, what is wrong with them), by the bounds of this package's own metadata."""
    found, wrong = [], []
    for line in metadata.requires("rlpjepa"):
        needed = re.fullmatch(r"([\w-]+)>=([\d.]+)(; extra == .notebooks.)?", line)
        if not needed:
            continue
        name, least = needed[1], needed[2]
        try:
            version = metadata.version(name)
            importlib.import_module(name)
        except Exception as error:  # a package that does not fit the others fails in many ways
            wrong.append(f"{name} does not load ({error}): {INSTALL}")
            continue
        found.append(f"{name} {version}")
        numbers = [[int(part) for part in re.findall(r"\d+", text)[:3]] for text in (version, least)]
        if numbers[0] < numbers[1]:
            wrong.append(f"{name} {version} is older than {least}: {INSTALL}")
    return found, wrong


def main(numbers=known_numbers):
    """Print what is there and what is wrong; returns the exit status."""
    here = Path(__file__).parent
    print(f"rlpjepa {metadata.version('rlpjepa')} in {here}\nPython {platform.python_version()}, {platform.platform()}")
    found, wrong = check_packages()
    print(", ".join(found))
    cuda = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    instructions = torch.backends.cpu.get_cpu_capability()
    print(f"device: {cuda}{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {instructions}")
    try:
        root = series_root()
        if (root / "rlpjepa").exists() and not (root / "rlpjepa").samefile(here):
            wrong.append(f"this folder is {root}, but Python takes rlpjepa from {here.parent}: {INSTALL}")
    except FileNotFoundError:
        pass  # a program of one's own
    if not wrong:
        for what, (computed, known) in numbers().items():
            print(f"{what}: {computed:.6f} (known: {known:.6f})")
            if not abs(computed - known) < 1e-5:
                wrong.append(f"{what} is {computed}, not {known}: please report this, with all lines above")
    for line in wrong:
        print(f"not ready: {line}")
    if not wrong:
        print("ready: open a lesson")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
