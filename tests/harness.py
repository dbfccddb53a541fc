"""What the tests of `rlpjepa.pretrain` share: a tiny run, which can be watched and stopped at any step."""

import _thread
import json
import threading
import time

import torch
from PIL import Image

from rlpjepa.data import ImageData
from rlpjepa.pretrain import PretrainConfig
from rlpjepa.pretrain.run import Run

TINY = PretrainConfig(
    dataset="folder", backbone="test_byobnet", dim=8, batch_size=8, epochs=2, num_projections=8, device="cpu",
    checkpoint_seconds=0,
)  # fmt: skip
LOGGED = [10, 15, 25, 30]  # the steps with a log entry and, as checkpoint_seconds is 0, a checkpoint


def write_folder(folder, data, train=120, test=40):
    """The first images of some data as PNG files of two classes."""
    for part, count in (("train", train), ("test", test)):
        for name in ("even", "odd"):
            (folder / part / name).mkdir(parents=True)
        for k, image in enumerate(getattr(data, f"{part}_images")[:count]):
            path = folder / part / ("odd" if k % 2 else "even") / f"{k:03}.png"
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


def arguments_of(config, run_dir):
    """The command line that says the same."""
    options = {k: v for k, v in vars(config).items() if v != getattr(PretrainConfig(), k)} | {"run_dir": run_dir}
    return [str(text) for k, v in options.items() for text in ("--" + k.replace("_", "-"), v)]


def nothing(run):
    pass


class Watched(Run):
    """A run that calls ``before(run)`` and ``after(run)`` around every step."""

    def __init__(self, config, run_dir, before=nothing, after=nothing):
        super().__init__(config, run_dir)
        self.before, self.after = before, after

    def compute_step(self):
        self.before(self)
        super().compute_step()
        self.after(self)


def train_run(config, run_dir, before=nothing, after=nothing, resume=False, kind=Watched):
    """Train as `pretrain` does, but without the evaluation; returns the run."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        run = kind(config, run_dir, before, after)
        if resume:
            run.restore()
        run.train(progress=False)
    return run


def stop_at(step):
    """Ctrl-C just before the given step, counted from 1."""

    def interrupt(run):
        if run.step + 1 == step:
            raise KeyboardInterrupt

    return interrupt


def interrupt_at_first_checkpoint(run_dir):
    """Ctrl-C for whatever this process does when there is a checkpoint in the folder."""

    def interrupt():
        while not (run_dir / "checkpoint.pt").exists():
            time.sleep(0.001)
        _thread.interrupt_main()

    threading.Thread(target=interrupt, daemon=True).start()


class Recorded(ImageData):
    """Data that notes which images are asked for, and with which options: ``Recorded(**vars(data))``."""

    def __init__(self, **parts):
        super().__init__(**parts)
        object.__setattr__(self, "batches", [])
        object.__setattr__(self, "options", [])

    def views(self, index, *arguments, **options):
        self.batches.append(index)
        self.options.append(options)
        return super().views(index, *arguments, **options)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def untimed(lines):
    """Log entries or epochs without what the clock decides."""
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]


def same(a, b):
    """Whether two state dicts agree bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
