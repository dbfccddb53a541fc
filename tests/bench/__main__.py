"""``make bench``: the package's training step beside the minimal example's, as ratios from one run.

Both steps alternate, so that a busy machine slows them alike; the ratio is taken round by round.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from rlpjepa import PretrainConfig, rdmreg_loss, sample_rgg, two_views
from rlpjepa.pretrain import Run, train_step
from tests.bench.plain import PlainTraining


def seconds(function, device):
    """Wall-clock seconds of one call, everything it queued on the device included."""
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def spread(values, unit="", digits=2):
    """Median and range as text."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f}{unit} ({low:.{digits}f} to {high:.{digits}f})"


def bench_step(rounds, steps, config):
    """Time both steps in turn and print the ratio of their images per second."""
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
        run = Run(config, Path(folder))
        plain = PlainTraining(run.data, run.device, config.batch_size)
        size, device = config.batch_size, run.device
        generator = torch.Generator().manual_seed(0)

        def own_step():
            train_step(run, torch.randint(len(run.data.train_images), (size,), generator=generator))

        def data():
            run.data.normalize(two_views(run.data.train_images[:size], generator=generator))

        z = torch.rand(2, size, config.dim, device=device, requires_grad=True)

        def loss():
            rdmreg_loss(z, sample_rgg(z.shape[1:], device=device)).backward()

        for function in (own_step, plain.step, data, loss):
            seconds(function, device)  # warm-up
        plain_times, own_times, data_times, loss_times = [], [], [], []
        for _ in range(rounds):
            for function, times in (
                (plain.step, plain_times), (own_step, own_times), (data, data_times), (loss, loss_times),
            ):  # fmt: skip
                times.append(statistics.mean(seconds(function, device) for _ in range(steps)))
        print(f"{run.provenance['hardware']}, torch {torch.__version__}, {run.provenance['precision']}")
        print(f"ResNet-18, {size} images a step, {rounds} rounds of {steps} steps; median (range)")
        print(f"  plain step        {spread([size / t for t in plain_times], ' images/s', 0)}")
        print(f"  rlpjepa step      {spread([size / t for t in own_times], ' images/s', 0)}")
        print(f"  ratio             {spread([a / b for a, b in zip(plain_times, own_times)], ' times the plain step')}")
        share = [100 * (d + e) / t for d, e, t in zip(data_times, loss_times, own_times)]
        print(f"  two views + loss  {spread(share, ' % of the step', 1)}")


def main():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps per round")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    options = parser.parse_args()
    bench_step(options.rounds, options.steps, PretrainConfig(device=options.device))


if __name__ == "__main__":
    main()
