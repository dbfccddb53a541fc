"""Chapter 05. One pretraining run, from images to a result file: ``python -m rlpjepa.pretrain --help``."""

import argparse
import dataclasses
import datetime
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import typing
import webbrowser
from importlib import metadata
from pathlib import Path

import torch

from .augment import two_views
from .data import DATASETS, DataError, load_data
from .distributions import GeneralizedGaussian, RectifiedGeneralizedGaussian, sample_rgg, unit_variance_scale
from .evaluate import evaluate
from .figures import plot_training
from .losses import objective
from .model import RectifiedLpJEPA

LOG_EVERY = 10  # steps; the metrics of so many steps wait on the device until they are read together
METRICS = ("loss", "invariance", "regularizer", "nonzero_fraction")


class RunError(Exception):
    """A run that cannot start, go on or be resumed. The message says why, and what to do."""


def _option(default, text):
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """All that decides a run; the defaults are the minimal example's. Each field is an option of the command line.

    Raises:
        ValueError: for a value that is not allowed; the message names the field.
    """

    dataset: str = _option("shapes", "shapes (made on the spot), cifar100, or folder (train/<class>/*, test/<class>/*)")
    data_dir: str | None = _option(None, "folder of the data; else the variable RLPJEPA_DATA, else data/")
    backbone: str = _option("resnet18", "name of a timm model, or 'pixels' for no encoder at all")
    cifar_stem: bool = _option(False, "3x3 stem without pooling in place of a ResNet's 7x7 stem")
    dim: int = _option(512, "width of the projector and of its output")
    p: float = _option(1.0, "shape of the target: 1 Laplace, 2 Gauss")
    mu: float = _option(0.0, "mean shift of the target before rectification; lower is sparser")
    rectify: bool = _option(True, "end the projector in a ReLU and rectify the target; without, this is LpJEPA")
    regularizer: str = _option("rdmreg", "rdmreg, or none for the invariance term alone")
    num_projections: int = _option(256, "random directions per step")
    invariance_weight: float = _option(25.0, "weight of the invariance term")
    regularizer_weight: float = _option(125.0, "weight of the regularizer")
    batch_size: int = _option(256, "images per step, two views each; a last, shorter batch is dropped")
    epochs: int = _option(100, "passes over the training images; 0 evaluates the network as it was initialised")
    lr: float = _option(1e-3, "AdamW's learning rate")
    schedule: str = _option("constant", "learning rate over the run: constant, or cosine (down to zero)")
    weight_decay: float = _option(1e-4, "AdamW's weight decay")
    seed: int = _option(0, "seed of everything random in the run")
    device: str = _option("auto", "auto (CUDA if there is one, else CPU), cpu, cuda or mps")
    checkpoint_seconds: float = _option(60.0, "least time between two checkpoints; one is always written at the end")

    def __post_init__(self):
        def require(name, holds, allowed):
            if not holds:
                raise ValueError(f"{name} must be {allowed}, got {getattr(self, name)!r}")

        for field in dataclasses.fields(self):
            value, kinds = getattr(self, field.name), _types(field)
            good = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
            require(field.name, good, " or ".join("None" if k is type(None) else k.__name__ for k in kinds))
            if isinstance(value, (int, float)):
                require(field.name, math.isfinite(value), "finite")
        require("dataset", self.dataset in DATASETS, f"one of {', '.join(DATASETS)}")
        require("regularizer", self.regularizer in ("rdmreg", "none"), "rdmreg or none")
        require("schedule", self.schedule in ("constant", "cosine"), "constant or cosine")
        require("device", self.device in ("auto", "cpu", "cuda", "mps"), "auto, cpu, cuda or mps")
        for name in ("p", "lr"):
            require(name, getattr(self, name) > 0, "positive")
        for name in ("dim", "num_projections"):
            require(name, getattr(self, name) >= 1, "at least 1")
        require("batch_size", self.batch_size >= 2, "at least 2: BatchNorm and the loss compare images with each other")
        for name in ("epochs", "seed", "weight_decay", "invariance_weight", "regularizer_weight", "checkpoint_seconds"):
            require(name, getattr(self, name) >= 0, "at least 0")


def _types(field):
    """The types that a field of `PretrainConfig` accepts; a whole number passes for a float."""
    kinds = typing.get_args(field.type) or (field.type,)
    return (*kinds, int) if float in kinds else kinds


# ---------------------------------------------------------------------------------------------------------------------
# the run


def pretrain(config, run_dir, *, resume=False, progress=True):
    """Pretrain, evaluate, and leave log, checkpoint, result and figure in a folder.

    Args:
        config: a `PretrainConfig`.
        run_dir: folder for ``log.jsonl``, ``checkpoint.pt``, ``result.json`` and ``figure.png``; made if need be.
        resume: go on from the checkpoint in ``run_dir``. On a CPU the run then ends with the same weights, bit for
            bit, as one that was never interrupted.
        progress: show a progress bar.

    Returns:
        (result, model): the content of ``result.json`` (config, provenance, epochs, final) and the trained network.

    Raises:
        DataError: if the data is missing or damaged.
        RunError: if the folder cannot be written or holds another run, if the checkpoint cannot be used, or if the
            loss is no longer finite.
    """
    run_dir = _open_run_dir(config, run_dir, resume)
    # What the libraries draw globally (weights, dropout) follows the seed too, and the caller's own state comes back.
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        try:
            run = Run(config, run_dir)
            if resume:
                run.restore()
        except BaseException:
            if not any(run_dir.iterdir()):
                run_dir.rmdir()  # a run that could not start leaves no folder
            raise
        try:
            train(run, progress)
        except KeyboardInterrupt:
            kept = f"go on from step {run.saved_step} with" if run.saved_step else "there is no checkpoint yet for"
            print(f"\ninterrupted at step {run.step}; {kept} --run-dir {run_dir} --resume", file=sys.stderr)
            raise
        final = evaluate(run.model, run.data)
    final["expected_nonzero_fraction"] = expected_nonzero_fraction(config)
    final["seconds"] = round(run.seconds(), 1)
    options = dataclasses.asdict(config) | {"data_dir": None}  # where the data lay is nobody else's concern
    result = {"config": options, "provenance": run.provenance, "epochs": run.epochs, "final": final}
    write_atomically(run_dir / "result.json", (json.dumps(result, indent=1) + "\n").encode())
    if run.epochs:
        figure = plot_training(result)
        write_atomically(run_dir / "figure.png", lambda file: figure.savefig(file, format="png", dpi=150))
    return result, run.model


def train(run, progress=True):
    """The training loop: every step until the last epoch's end, with a log entry every few steps."""
    from tqdm import tqdm

    pending = []
    with tqdm(total=run.total_steps, initial=run.step, unit="step", disable=not progress) as bar:
        while run.step < run.total_steps:
            position = run.step % run.steps_per_epoch
            if position == 0:
                run.order = torch.randperm(len(run.data.train_images), generator=run.host)
            batch = run.order[position * run.config.batch_size :][: run.config.batch_size]
            pending.append(train_step(run, batch))
            run.step += 1
            end_of_epoch = run.step % run.steps_per_epoch == 0
            if len(pending) == LOG_EVERY or end_of_epoch:
                run.log(pending, end_of_epoch)
                bar.update(len(pending))
                bar.set_postfix_str(run.summary())
                pending.clear()
                if time.perf_counter() - run.saved_at >= run.config.checkpoint_seconds:
                    run.save()
    if run.step > run.saved_step:
        run.save()


def train_step(run, batch):
    """One step of Eq. 14–15 on the images with the given indices; returns the four METRICS, still on the device."""
    config, images = run.config, run.data.train_images[batch.to(run.device)]
    views = run.data.normalize(two_views(images, generator=run.host).flatten(0, 1))  # (2B, 3, H, W)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.bfloat16):
        # Both views in one pass, so that BatchNorm sees them together (the minimal example takes two passes).
        _, z = run.model(views.contiguous(memory_format=torch.channels_last))
    z = z.float().unflatten(0, (2, -1))  # (2, B, D)
    target = None if config.regularizer == "none" else sample_target(run, z.shape[1:])
    try:
        parts = objective(
            z, target, invariance_weight=config.invariance_weight, regularizer_weight=config.regularizer_weight,
            num_projections=config.num_projections, generator=run.generator,
        )  # fmt: skip
    except ValueError as error:  # on the CPU the loss refuses NaN by itself
        raise RunError(f"training stopped at step {run.step + 1}: {error}. A lower lr may help.") from error
    run.optimizer.zero_grad(set_to_none=True)
    parts["loss"].backward()
    run.optimizer.step()
    run.scheduler.step()
    return torch.stack([*(parts[name].detach() for name in METRICS[:3]), (z.detach() != 0).float().mean()])


def sample_target(run, shape):
    """Samples of the law that the features are to follow: RGG, or the law before rectification."""
    config = run.config
    if config.rectify:
        return sample_rgg(shape, config.p, config.mu, device=run.device, generator=run.generator)
    scale = unit_variance_scale(config.p)
    loc = torch.full(shape, config.mu, device=run.device)
    return GeneralizedGaussian(loc, scale, config.p).sample()  # from the global generator, which the seed sets too


class Run:
    """The state of one run: what a step changes, what a checkpoint holds, and where both are written."""

    def __init__(self, config, run_dir):
        self.config, self.run_dir = config, run_dir
        self.started = time.perf_counter()
        self.device = _device(config.device)
        self.bfloat16 = self.device.type == "cuda" or (
            self.device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        )
        self.data = load_data(config.dataset, config.data_dir).to(self.device)
        self.steps_per_epoch = len(self.data.train_images) // config.batch_size
        if self.steps_per_epoch == 0:
            raise ValueError(
                f"batch_size must be at most the number of training images ({len(self.data.train_images)}), "
                f"got {config.batch_size}"
            )
        self.total_steps = config.epochs * self.steps_per_epoch
        self.model = RectifiedLpJEPA(config.backbone, config.dim, config.rectify, config.cifar_stem)
        self.model.to(self.device, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=self.device.type != "mps"
        )
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self.lr_factor)
        # Views and epoch order are drawn on the host, directions and target samples on the device.
        self.host = torch.Generator().manual_seed(config.seed)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.step, self.order, self.epochs, self.epoch_metrics = 0, None, [], []
        self.saved_step, self.saved_at, self.earlier_seconds = 0, self.started, 0.0
        self.logged_at = self.started
        self.provenance = provenance(self)

    def lr_factor(self, step):
        """The learning rate of a step, as a share of ``lr``."""
        return 1.0 if self.config.schedule == "constant" else (1 + math.cos(math.pi * step / self.total_steps)) / 2

    def seconds(self):
        """Wall-clock seconds of the run so far, interrupted runs counted up to their last checkpoint."""
        return self.earlier_seconds + time.perf_counter() - self.started

    def log(self, pending, end_of_epoch):
        """Read the metrics of the last steps, stop on NaN, append a line to the log and close the epoch if it ends."""
        metrics = torch.stack(pending).cpu()  # the only place where the loop waits for the device
        finite = metrics[:, 0].isfinite()
        if not finite.all():
            step = self.step - len(pending) + 1 + int((~finite).nonzero()[0])
            value = metrics[~finite, 0][0].item()
            raise RunError(f"training stopped at step {step}: the loss is {value}. A lower lr may help.")
        now = time.perf_counter()
        speed, self.logged_at = len(pending) * self.config.batch_size / (now - self.logged_at), now
        self.epoch_metrics.append([*metrics.mean(dim=0).tolist(), len(pending), speed])
        epoch = (self.step - 1) // self.steps_per_epoch + 1
        line = {"step": self.step, "epoch": epoch, **_named(metrics.mean(dim=0).tolist(), speed)}
        with open(self.run_dir / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
        self.last = line
        if end_of_epoch:
            rows = torch.tensor(self.epoch_metrics, dtype=torch.float64)
            weight = rows[:, 4]
            means = (rows[:, :4] * weight[:, None]).sum(dim=0) / weight.sum()
            speed = weight.sum() / (weight / rows[:, 5]).sum()
            self.epochs.append({"epoch": epoch, **_named(means.tolist(), speed.item())})
            self.epoch_metrics = []

    def summary(self):
        """The progress bar's words on the last log entry."""
        x = self.last
        return (
            f"loss {x['loss']:.2f} (invariance {x['invariance']:.3f}, regularizer {x['regularizer']:.4f}), "
            f"non-zero {x['nonzero_fraction']:.3f}, {x['images_per_second']:.0f} images/s"
        )

    def save(self):
        """Write the checkpoint: everything that the next step depends on. A crash leaves the old file or the new."""
        state = {
            "config": dataclasses.asdict(self.config),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "step": self.step,
            "order": self.order,
            "generators": {"host": self.host.get_state(), "device": self.generator.get_state()},
            "global_generators": _global_generators(),
            "epochs": self.epochs,
            "epoch_metrics": self.epoch_metrics,
            "seconds": self.seconds(),
        }
        write_atomically(self.run_dir / "checkpoint.pt", lambda file: torch.save(state, file))
        self.saved_step, self.saved_at = self.step, time.perf_counter()

    def restore(self):
        """Take up the state of the checkpoint in the run's folder, and cut the log back to its step."""
        path = self.run_dir / "checkpoint.pt"
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            options = state["config"]
        except FileNotFoundError:
            raise RunError(f"there is no checkpoint to resume in {self.run_dir}") from None
        except Exception as error:  # torch.load fails in many ways on a file that is cut short
            raise RunError(f"{path} is damaged or not a checkpoint of this program: {error}") from error
        mine = dataclasses.asdict(self.config)
        free = {"data_dir", "checkpoint_seconds"}  # these do not change what is computed
        differing = [k for k in sorted((mine.keys() | options.keys()) - free) if mine.get(k) != options.get(k)]
        if differing:
            pairs = ", ".join(f"{k} {options.get(k)!r} there, {mine.get(k)!r} here" for k in differing)
            raise RunError(f"{path} belongs to another configuration: {pairs}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.step = self.saved_step = state["step"]
        self.order = state["order"].cpu()
        self.host.set_state(state["generators"]["host"].cpu())
        self.generator.set_state(state["generators"]["device"].cpu())
        _global_generators(state["global_generators"])
        self.epochs, self.epoch_metrics = state["epochs"], state["epoch_metrics"]
        self.earlier_seconds = state["seconds"]
        log = self.run_dir / "log.jsonl"
        lines = [line for line in log.read_text().splitlines(True) if line.endswith("\n")] if log.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= self.step]
        write_atomically(log, "".join(kept).encode())


def expected_nonzero_fraction(config):
    """Eq. 11's closed form for a run's target, per coordinate; None where there is no rectified target."""
    if config.regularizer == "none" or not config.rectify:
        return None
    scale = unit_variance_scale(config.p)
    law = RectifiedGeneralizedGaussian(*(torch.tensor(v, dtype=torch.float64) for v in (config.mu, scale, config.p)))
    return law.prob_active.item()


def provenance(run):
    """Where a result comes from: commit, date, versions, hardware and the data's checksums."""
    try:
        git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = None
    if run.device.type == "cuda":
        hardware = torch.cuda.get_device_name(run.device)
    else:
        hardware = f"{_processor()}, {torch.get_num_threads()} threads"
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "timm", "numpy")}
    return {
        "commit": commit,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), **versions},
        "hardware": hardware,
        "precision": "bfloat16 autocast" if run.bfloat16 else "float32",
        "data_md5": run.data.md5,
    }


def write_atomically(path, content):
    """Write bytes, or what a function writes to a file: ``path`` then holds its old content or all of the new."""
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            content(file) if callable(content) else file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _named(means, speed):
    return {**{k: round(v, 6) for k, v in zip(METRICS, means)}, "images_per_second": round(speed, 1)}


def _device(name):
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise ValueError(f"device {name!r} is not available on this machine; 'auto' takes what there is")
    return torch.device(name)


def _global_generators(states=None):
    """The states of torch's global generators (for backbones with dropout), set first if given."""
    if states is not None:
        torch.set_rng_state(states[0].cpu())
        if len(states) > 1:
            torch.cuda.set_rng_state(states[1].cpu())
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if torch.cuda.is_available() else [])]


def _processor():
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _open_run_dir(config, run_dir, resume):
    """Make the run's folder, and find out before any work is done whether it can be written."""
    run_dir = Path(run_dir)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=run_dir).close()
    except OSError as error:
        raise RunError(f"the output folder {run_dir} cannot be written: {error}") from error
    if not resume and (run_dir / "checkpoint.pt").exists():
        raise RunError(f"{run_dir} holds a run already: go on with --resume, or choose another folder")
    return run_dir


# ---------------------------------------------------------------------------------------------------------------------
# the command line


def parse_arguments(arguments=None):
    """(config, run_dir, resume) from the command line; one option per field of `PretrainConfig`."""
    parser = argparse.ArgumentParser(
        prog="python -m rlpjepa.pretrain",
        description="Pretrain Rectified LpJEPA, evaluate it, and leave log, checkpoint, result and figure in a folder.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    for field in dataclasses.fields(PretrainConfig):
        kind = {"action": argparse.BooleanOptionalAction} if field.type is bool else {"type": _types(field)[0]}
        text = field.metadata["help"].replace("%", "%%")
        parser.add_argument("--" + field.name.replace("_", "-"), default=field.default, help=text, **kind)
    parser.add_argument("--run-dir", help="folder of this run (default: a new one in runs/)")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --run-dir")
    options = vars(parser.parse_args(arguments))
    run_dir, resume = options.pop("run_dir"), options.pop("resume")
    try:
        config = PretrainConfig(**options)
    except ValueError as error:
        parser.error(str(error))
    if resume and not run_dir:
        parser.error("--resume needs the --run-dir of the run to go on with")
    return config, Path(run_dir or f"runs/{config.dataset}-{datetime.datetime.now():%Y%m%d-%H%M%S}"), resume


def report(result):
    """The result as a few lines of text."""
    final = result["final"]
    lines = ["            kNN   probe"]
    for name in ("encoder", "projector"):
        lines.append(f"{name:9} {final[f'{name}_knn']:.3f}  {final[f'{name}_probe']:.3f}")
    expected = final["expected_nonzero_fraction"]
    closed_form = "" if expected is None else f" (Eq. 11: {expected:.3f})"
    lines.append(
        f"non-zero {final['nonzero_fraction']:.3f}{closed_form}, dead coordinates {final['dead_fraction']:.3f}, "
        f"{final['seconds']:.0f} s"
    )
    return "\n".join(lines)


def main(arguments=None):
    """Run from the command line; returns the exit status."""
    config, run_dir, resume = parse_arguments(arguments)
    try:
        result, _ = pretrain(config, run_dir, resume=resume)
    except KeyboardInterrupt:
        return 130
    except (ValueError, DataError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report(result))
    figure = (run_dir / "figure.png").resolve()
    if figure.exists():
        print(f"figure  {figure}")
        if sys.stdout.isatty() and (sys.platform != "linux" or os.environ.get("DISPLAY")):
            webbrowser.open(figure.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
