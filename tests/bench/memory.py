"""Peak memory of `rdmreg_loss` for two views, forward and backward, beyond what its input takes.

On the CPU it is the growth of the process's largest resident size, which Linux tells (getrusage would not do: there a
process inherits the peak of the one that started it). Hence: python -m tests.bench.memory DEVICE B D N
"""

import re
import subprocess
import sys
from pathlib import Path

import torch

from rlpjepa import rdmreg_loss, sample_rgg

ROOT = Path(__file__).parents[2]


def peak(device, size, dim, n):
    """MiB, measured in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.memory", str(device), *map(str, (size, dim, n))]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


def held(device):
    """The largest number of MiB held so far."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1]) / 2**10


def main(device, size, dim, n):
    z = sample_rgg((2, size, dim), device=device).requires_grad_()
    target = sample_rgg((size, dim), device=device)
    rdmreg_loss(z[:, :8], target[:8], 4).backward()  # what the libraries take once
    before = held(device)
    rdmreg_loss(z, target, n).backward()
    print(held(device) - before)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
