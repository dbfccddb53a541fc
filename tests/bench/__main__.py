"""``make bench``: the package beside plain versions of the same thing, as ratios from one run.

What is compared runs in turn, so that a busy machine slows all of it alike; ratios are taken round by round.
"""

import argparse
import dataclasses
import importlib.util
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from rlpjepa import random_directions, rdmreg_loss, sample_rgg
from rlpjepa.pretrain import PretrainConfig
from rlpjepa.pretrain.run import Run, choose_device
from tests.bench.lab import bench_lab
from tests.bench.memory import peak
from tests.bench.plain import PlainTraining, plain_rdmreg, plain_sample_rgg
from tests.browser import missing
from tests.test_graph import Counting


def seconds(function, device, repeats=1):
    """Mean wall-clock seconds of a call, everything the calls queued on the device included."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def alternate(functions, rounds, repeats, device):
    """{name: mean seconds of a call, one number a round} of functions that take turns."""
    for function in functions.values():
        seconds(function, device, 1 if device.type == "cpu" else 5)  # warm-up; a CUDA graph is recorded at the fourth
    times = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            times[name].append(seconds(function, device, repeats))
    return times


class Table:
    """Prints rows of median and range, and keeps them."""

    def __init__(self):
        self.rows = {}

    def title(self, text):
        print(text, flush=True)

    def row(self, name, values, unit, digits=2):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"  {name:44} {middle:.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f})", flush=True)
        self.rows[name] = {"median": middle, "low": low, "high": high, "unit": unit}

    def ratio(self, name, slow, fast, digits=2):
        self.row(name, [a / b for a, b in zip(slow, fast, strict=True)], "times", digits)


def bench_sampler(table, rounds, device):
    """`sample_rgg` beside the plain sampler."""
    table.title("sampler: sample_rgg((256, 512)), speed as a multiple of the plain sampler's")
    with torch.device(device):
        for p in (0.25, 1 / 3, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0):
            times = alternate(
                {"plain": lambda p=p: plain_sample_rgg((256, 512), p, 0.0),
                 "own": lambda p=p: sample_rgg((256, 512), p, 0.0, device=device)},
                rounds, 10, device,
            )  # fmt: skip
            table.ratio(f"sampler, p = {p:.2f}", times["plain"], times["own"])


def bench_loss(table, rounds, device, size=256, dim=512):
    """`rdmreg_loss` for two views, forward and backward, beside the plain loss, POT and the floor."""
    table.title(f"loss: two views, B = {size}, D = {dim}, forward and backward; speed as a multiple of others'")
    generator = torch.Generator(device).manual_seed(0)
    z = sample_rgg((2, size, dim), device=device, generator=generator).requires_grad_()
    target = sample_rgg((size, dim), mu=0.1, device=device, generator=generator)
    rows = z.detach().flatten(0, 1)
    for n in (256, 8192):

        def draw(n=n):
            return random_directions(n, dim, device=device)

        def own():
            rdmreg_loss(z, target, directions=draw()).backward()

        def plain():
            directions = draw()
            sum(plain_rdmreg(view, target, directions=directions) / 2 for view in z).backward()

        def pot():
            import ot

            directions = draw().T
            sum(ot.sliced_wasserstein_distance(view, target, projections=directions) ** 2 / 2 for view in z).backward()

        def floor():  # the directions and the matrix products that no way can do without
            directions = draw()
            projected = directions @ rows.T
            directions @ target.T
            projected.T @ directions

        functions = {"own": own, "plain": plain, "pot": pot, "floor": floor}
        if importlib.util.find_spec("ot") is None:
            del functions["pot"]
        own_times = alternate(functions, rounds, (1 if n > 999 else 3) * (20 if device.type == "cuda" else 1), device)
        table.ratio(f"loss, N = {n}, against the plain loss", own_times["plain"], own_times["own"])
        if "pot" in own_times:
            table.ratio(f"loss, N = {n}, against POT", own_times["pot"], own_times["own"])
        table.ratio(f"loss, N = {n}, its time over the floor", own_times["own"], own_times["floor"])


def bench_memory(table, device):
    """What `rdmreg_loss` holds beside its input, in the usual and in a large case."""
    table.title("loss: peak memory for two views, D = 512, forward and backward")
    for size, n in ((256, 256), (4096, 8192)):
        table.row(f"loss, N = {n}, B = {size}, peak memory", [peak(device, size, 512, n)], "MiB", 0)


def as_in_a_run(run):
    """A step under the settings of `Run.train`: cuDNN measures which algorithm is fastest."""

    def step():
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            run.take_step()

    return step


def bench_step(table, rounds, steps, config, workers=0):
    """The whole training step beside the minimal example's, and beside the arithmetic that it cannot do without.

    With loader workers the minimal example draws its views in so many processes beside. On CUDA ours also as one CUDA
    graph, and both with the 3x3 stem.
    """
    runs = {"rlpjepa": config}
    if choose_device(config.device).type == "cuda":
        runs["rlpjepa, 3x3 stem"] = dataclasses.replace(config, cifar_stem=True)
        for name in list(runs):
            runs[f"{name}, CUDA graph"] = dataclasses.replace(runs[name], cuda_graph=True)
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
        runs = {name: Run(config, Path(folder)) for name, config in runs.items()}
        for run in runs.values():
            run.order.copy_(torch.randperm(len(run.order)))
            run.model.train()
        run = runs["rlpjepa"]
        plain = PlainTraining(run.data, run.device, config.batch_size)
        size, device = config.batch_size, run.device
        z = torch.rand(2, size, config.dim, device=device, requires_grad=True)
        side = 2048 if device.type == "cpu" else 8192
        precision = torch.bfloat16 if "bfloat16" in run.provenance["precision"] else torch.float32
        matrix = torch.randn(side, side, device=device, dtype=precision)

        def data():
            run.data.views(run.order[:size], generator=run.generator)

        def loss():
            run.objective(z, run.model)["loss"].backward()

        operations = {}  # of the convolutions and matrix products of a step
        for stem in {run.config.cifar_stem for run in runs.values()}:
            with FlopCounterMode(display=False) as counter:
                next(run for run in runs.values() if run.config.cifar_stem == stem).compute_step()
            operations[stem] = counter.get_total_flops()

        table.title(f"step: ResNet-18, {size} images, {run.provenance['precision']}")
        parts = {"data": data, "loss": loss, "optimizer": run.optimizer.step, "product": lambda: matrix @ matrix}
        functions = {"plain": plain.step, **{name: as_in_a_run(run) for name, run in runs.items()}, **parts}
        times = alternate(functions, rounds, steps, device)
        plain_names = ["plain"]
        if workers:
            plain_names.append(f"plain, {workers} loader workers")
            # A start of its own each round, and long enough that what the workers draw ahead counts little.
            length = 16 if device.type == "cpu" else 100
            times[plain_names[1]] = [
                seconds(lambda: plain.steps(length, workers), device) / length for _ in range(rounds)
            ]
        for name in (*plain_names, *runs):
            table.row(f"step, {name}", [size / t for t in times[name]], "images/s", 0)
        for slow in plain_names:
            for name in runs:
                table.ratio(f"step, {name}, against the {slow} step", times[slow], times[name])
        percent = {name: [100 * t / whole for t, whole in zip(times[name], times["rlpjepa"])] for name in parts}
        share = [d + e for d, e in zip(percent["data"], percent["loss"], strict=True)]
        table.row("step, share of two views and loss", share, "%", 1)
        table.row("step, share of the optimizer", percent["optimizer"], "%", 1)
        network = [100 - s - o for s, o in zip(share, percent["optimizer"], strict=True)]
        table.row("step, share of the network, the rest", network, "%", 1)
        with Counting() as count:
            run.compute_step()
        table.row("step, rlpjepa, launches without a graph", [count.launches], "aten calls", 0)
        table.row("matrix product, 10^12 operations", [2e-12 * side**3 / t for t in times["product"]], "a second")
        for name, run in runs.items():
            floor = [operations[run.config.cifar_stem] / (2 * side**3) * t for t in times["product"]]
            table.ratio(f"step, {name}, its time over the floor", times[name], floor)
        return runs["rlpjepa"].provenance


def bench_whole(table, arguments):
    """A whole run by the command line, from the start of the process to the evaluated model."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rlpjepa.pretrain", *shlex.split(arguments), "--run-dir", f"{folder}/run"]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        wall = time.perf_counter() - start
        result = json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))
    table.title(f"whole run: {arguments}")
    table.row(f"whole run, {arguments}", [wall], "s", 1)
    for name in ("encoder_knn", "encoder_probe"):
        table.row(f"whole run, {arguments}, {name}", [result["final"][name]], "", 3)
    return result["provenance"]


def main():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="training steps per round (2; on CUDA 50)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--whole", help="time a whole run with these options of rlpjepa.pretrain, and no more: --whole='--epochs 1'"
    )
    parser.add_argument("--out", type=Path, help="also write the numbers and where they come from to this JSON file")
    options = parser.parse_args()
    config, table = PretrainConfig(device=options.device), Table()
    device = choose_device(options.device)
    options.steps = options.steps or (50 if device.type == "cuda" else 2)
    if options.whole:
        command, provenance = f"--whole='{options.whole}'", bench_whole(table, options.whole)
    else:
        command = f"--rounds {options.rounds} --steps {options.steps} --device {options.device}"
        print(f"{options.rounds} rounds; median (lowest to highest)")
        bench_sampler(table, options.rounds, device)
        bench_loss(table, options.rounds, device)
        if not missing():  # a browser
            bench_lab(table)
        if device.type == "cuda" or (device.type == "cpu" and sys.platform == "linux"):
            bench_memory(table, device)
        workers = os.cpu_count() if sys.platform == "linux" else 0  # elsewhere starting them takes longer than the step
        provenance = bench_step(table, options.rounds, options.steps, config, workers)
    print(f"{provenance['hardware']}, torch {torch.__version__}")
    if options.out:
        record = {"command": f"python -m tests.bench {command}", "provenance": provenance, "rows": table.rows}
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
