"""Where a result comes from: commit, date, versions, hardware, data."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch


def describe(device, precision, data_md5):
    """The provenance that a result file keeps: a dict of plain values."""
    if device.type == "cuda":
        hardware = f"{torch.cuda.get_device_name(device)}, {processor()}"
    else:
        hardware = f"{processor()}, {torch.get_num_threads()} threads"
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "timm", "numpy")}
    return {
        "commit": commit_of(__file__),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), **versions},
        "hardware": hardware,
        "precision": precision,
        "data_md5": data_md5,
    }


def commit_of(path):
    """The commit that a file is of, by git; else (a copy without its history) what RLPJEPA_COMMIT says, or None."""
    path = Path(path)
    git = ["git", "-C", str(path.parent)]
    try:  # the first command fails in a copy inside somebody else's repository
        subprocess.run([*git, "ls-files", "--error-unmatch", path.name], capture_output=True, check=True)
        describe = [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        return subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("RLPJEPA_COMMIT")


def processor():
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
