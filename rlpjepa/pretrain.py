"""Chapter 05. One pretraining run, from images to a result file: ``python -m rlpjepa.pretrain --help``."""

import argparse
import dataclasses
import datetime
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import tomllib
import traceback
import typing
import webbrowser
from functools import partial
from importlib import metadata
from pathlib import Path

import torch

from . import parallel
from .arguments import SHAPE
from .augment import two_views
from .cuda_graph import StepGraph
from .data import DATASETS, DataError, load_data
from .distributions import GeneralizedGaussian, RectifiedGeneralizedGaussian, sample_rgg, unit_variance_scale
from .evaluate import evaluate, extract_features
from .figures import plot_features, plot_training, png_bytes
from .losses import coordinate_loss, objective, rdmreg_loss, rgg_cf_loss, sigreg_loss
from .model import RectifiedLpJEPA
from .projections import random_directions
from .storage import (
    InUseError,
    RunError,
    append_line,
    holds_run,
    load_checkpoint,
    open_run_dir,
    save_checkpoint,
    write_atomically,
)

LOG_EVERY = 10  # steps; the metrics of so many steps (on CUDA 50) wait on the device until they are read together
METRICS = ("loss", "invariance", "regularizer", "coordinate", "nonzero_fraction")
REGULARIZERS = ("rdmreg", "rgg_cf", "sigreg", "none")


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
    p: float = _option(1.0, f"shape of the target, in {SHAPE}: 1 Laplace, 2 Gauss")
    mu: float = _option(0.0, "mean shift of the target before rectification; lower is sparser")
    rectify: bool = _option(True, "end the projector in a ReLU and rectify the target; without, this is LpJEPA")
    rectify_target: bool | None = _option(None, "whether the target is rectified; None: if the projector is")
    regularizer: str = _option(
        "rdmreg", "rdmreg (Eq. 13), rgg_cf (one-sample), sigreg (Eq. 7: target N(0, I) whatever p and mu) or none"
    )
    num_projections: int = _option(256, "random directions per step")
    direction_size: int | None = _option(None, "coordinates that a direction mixes, drawn for each; None: all")
    invariance_weight: float = _option(25.0, "weight of the invariance term")
    regularizer_weight: float = _option(125.0, "weight of the regularizer")
    coordinate_weight: float = _option(
        0.0, "weight of matching each coordinate to the target's quantiles (125 alpha in chapter 05)"
    )
    batch_size: int = _option(256, "images per step, two views each; a last, shorter batch is dropped")
    epochs: int = _option(100, "passes over the training images; 0 evaluates the network as it was initialised")
    lr: float = _option(1e-3, "AdamW's learning rate")
    schedule: str = _option("constant", "learning rate over the run: constant, or cosine (down to zero)")
    weight_decay: float = _option(1e-4, "AdamW's weight decay")
    seed: int = _option(0, "seed of everything random in the run")
    device: str = _option("auto", "auto (CUDA if there is one, else CPU), cpu, cuda or mps")
    cuda_graph: bool = _option(False, "on CUDA, launch a step's kernels as one CUDA graph")
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
        require("regularizer", self.regularizer in REGULARIZERS, f"one of {', '.join(REGULARIZERS)}")
        require("schedule", self.schedule in ("constant", "cosine"), "constant or cosine")
        require("device", self.device in ("auto", "cpu", "cuda", "mps"), "auto, cpu, cuda or mps")
        require("p", SHAPE.check(self.p), f"in {SHAPE}")
        require("lr", self.lr > 0, "positive")
        for name in ("dim", "num_projections"):
            require(name, getattr(self, name) >= 1, "at least 1")
        size = self.direction_size
        require("direction_size", size is None or 1 <= size <= self.dim, f"from 1 to dim ({self.dim})")
        require("batch_size", self.batch_size >= 2, "at least 2: BatchNorm and the loss compare images with each other")
        weights = ("weight_decay", "invariance_weight", "regularizer_weight", "coordinate_weight")
        for name in ("epochs", "seed", "checkpoint_seconds", *weights):
            require(name, getattr(self, name) >= 0, "at least 0")
        require("seed", self.seed < 2**63, "less than 2**63")


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
        run_dir: folder for ``log.jsonl``, ``checkpoint.pt``, ``result.json``, ``figure.png`` (training) and
            ``features.png`` (which images switch a coordinate on); made if need be.
        resume: go on from the checkpoint in ``run_dir``. On a CPU the run then ends with the same weights, bit for
            bit, as one that was never interrupted.
        progress: show a progress bar.

    Returns:
        (result, model): the content of ``result.json`` (config, provenance, epochs, final) and the trained network.

    Raises:
        ValueError: if the device is not there, or the configuration does not fit it, the data or the backbone.
        DataError: if the data is missing or damaged.
        RunError: if the folder cannot be written, is in use or holds another run, if the checkpoint cannot be used, if
            memory runs out, if the device lacks an operation, or if loss or weights are no longer finite.
    """
    device, lock = parallel.start(choose_device(config.device)), None
    try:
        # One process writes. The others join in the work and stop when training ends.
        run_dir = Path(run_dir)
        is_new = not run_dir.exists()
        if parallel.rank() == 0:
            lock = open_run_dir(run_dir, resume)
        # What the libraries draw globally (weights, dropout) follows the seed too; the caller's own state comes back.
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(config.seed)
            try:
                run = Run(config, run_dir, device)
                if resume:
                    run.restore()
            except BaseException:
                if lock and is_new:
                    lock.release()
                    shutil.rmtree(run_dir, ignore_errors=True)  # a run that could not start leaves no folder
                raise
            try:
                if lock and not resume:  # a run that ended before its first checkpoint may have left a log
                    write_atomically(run_dir / "log.jsonl", b"")
                train(run, progress)
                if parallel.rank() == 0:
                    final = evaluate(run.model, run.data)
            except KeyboardInterrupt:
                begun = run.saved_step is not None
                kept = f"go on from step {run.saved_step} with" if begun else "there is no checkpoint yet for"
                how = f"--run-dir {run_dir} --resume (in Python: resume=True)"
                print(f"\ninterrupted at step {run.step}; {kept} {how}", file=sys.stderr)
                raise
        result = _finish(run, final) if parallel.rank() == 0 else None
        parallel.stop()  # not after an error: the other ranks may be waiting, and torchrun ends them
        return result, run.model
    except NotImplementedError as error:  # an operation that torch lacks on this device
        raise RunError(f"device '{device.type}' lacks what this configuration needs: {error}") from error
    except RuntimeError as error:
        if _is_out_of_memory(error):  # beside the steps, which have their own words for it
            raise RunError("out of memory: take a smaller network, or end what else is using the memory") from error
        raise
    finally:
        if lock:
            lock.release()


def _finish(run, final):
    """Write the result and the figures of a run that is trained and evaluated; returns the result."""
    config, run_dir = run.config, run.run_dir
    final["expected_nonzero_fraction"] = expected_nonzero_fraction(config)
    final["seconds"] = round(run.seconds(), 1)
    options = dataclasses.asdict(config) | {"data_dir": None}  # where the data lay is nobody else's concern
    result = {"config": options, "provenance": run.provenance, "epochs": run.epochs, "final": final}
    write_atomically(run_dir / "result.json", (json.dumps(result, indent=1) + "\n").encode())
    if run.epochs:
        figure = plot_training(result)
        write_atomically(run_dir / "figure.png", png_bytes(figure, dpi=150))
    n = len(run.data.test_images)
    images = run.data.test_images[torch.linspace(0, n - 1, min(n, 2000)).round().long()]  # a folder lies class by class
    sheet = plot_features(extract_features(run.model, run.data, images)[1], images)
    write_atomically(run_dir / "features.png", png_bytes(sheet, dpi=150))
    return result


def train(run, progress=True):
    """The training loop: every step until the last epoch's end, with a log entry every few steps."""
    from tqdm import tqdm

    pending, hidden = [], not progress or parallel.rank() > 0
    log_every = LOG_EVERY * (5 if run.device.type == "cuda" else 1)  # a fast device idles while its metrics are read
    run.logged_at = time.perf_counter()
    with tqdm(total=run.total_steps, initial=run.step, unit="step", disable=hidden) as bar:
        while run.step < run.total_steps:
            position = run.step % run.steps_per_epoch
            if position == 0:
                order = torch.randperm(len(run.data.train_images), generator=run.host)
                run.order = parallel.from_first(order.to(run.device))
            batch = run.order[position * run.config.batch_size :][: run.config.batch_size]
            pending.append(train_step(run, batch[parallel.rank() :: parallel.world_size()]))
            run.step += 1
            end_of_epoch = run.step % run.steps_per_epoch == 0
            if len(pending) == log_every or end_of_epoch:
                run.log(pending, end_of_epoch)
                bar.update(len(pending))
                bar.set_postfix_str(run.summary(), refresh=False)
                pending.clear()
                if run.is_time_to_save():
                    run.save()
    if run.step != run.saved_step:
        run.save()
    run.optimizer.zero_grad()  # gradients are of no more use, and on a GPU they take memory


def train_step(run, batch):
    """One step of Eq. 14–15 on the images with the given indices (with several ranks, this rank's share of them).

    Returns the METRICS, still on the device. Raises RunError if memory runs out, if the step cannot be a CUDA graph,
    or, on the CPU, at NaN.
    """
    try:
        return _train_step(run, batch)
    except ValueError as error:
        hint = ". A lower lr may help." if "NaN" in str(error) else ""  # on the CPU the losses refuse NaN by themselves
        raise RunError(f"training stopped at step {run.step + 1}: {error}{hint}") from error
    except NotImplementedError:  # says more than the lines below would
        raise
    except RuntimeError as error:
        if _is_out_of_memory(error):
            size = run.config.batch_size
            raise RunError(f"out of memory with batch_size {size}: try batch_size {max(2, size // 2)}") from error
        if run.graph:
            raise RunError(f"the step fails as a CUDA graph ({error}): try without cuda_graph") from error
        raise


def _is_out_of_memory(error):
    """Whether memory ran out: torch.OutOfMemoryError on CUDA; elsewhere only the message tells."""
    texts = ("can't allocate memory", "out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in texts)


def _train_step(run, batch):
    views = two_views(run.data.train_images[batch], generator=run.host).flatten(0, 1)  # (2B, 3, H, W)
    views = run.data.normalize(views).contiguous(memory_format=torch.channels_last)
    metrics = run.graph(partial(update, run), views) if run.graph else update(run, views)
    run.scheduler.step()
    return metrics


def update(run, views):
    """What a step does once the views are drawn: network, objective, gradients, optimizer. Returns the METRICS."""
    config = run.config
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.bfloat16):
        # Both views in one pass, so that BatchNorm sees them together (the minimal example takes two passes).
        _, z = run.network(views)
    z = z.float().unflatten(0, (2, -1))  # (2, B, D)
    everyone = parallel.gather(z, dim=1) if config.regularizer != "none" or config.coordinate_weight else z
    coordinate = coordinate_loss(everyone, run.law) if config.coordinate_weight else None
    parts = objective(
        z, regularizer(run, everyone), coordinate, invariance_weight=config.invariance_weight,
        regularizer_weight=config.regularizer_weight, coordinate_weight=config.coordinate_weight,
    )  # fmt: skip
    run.optimizer.zero_grad(set_to_none=True)
    parts["loss"].backward()
    run.optimizer.step()
    return torch.stack([*(parts[name].detach() for name in METRICS[:4]), (z.detach() != 0).float().mean()])


def regularizer(run, z):
    """The distribution term of Eq. 15 for the features of both views, (2, B, D), by the loss that the run asks for.

    None where it asks for none.
    """
    ranks = parallel.world_size()
    options = {"num_projections": run.config.num_projections // ranks, "generator": run.generator}
    if run.config.direction_size:
        options = {"directions": sparse_directions(run, run.config.num_projections // ranks, z.shape[-1])}
    match run.config.regularizer:
        case "rdmreg":
            target = sample_target(run, (z.shape[1] // ranks, z.shape[2]))
            return rdmreg_loss(z, parallel.gather(target, dim=0), **options)
        case "rgg_cf":
            return rgg_cf_loss(z, run.law, **options)
        case "sigreg":
            return sigreg_loss(z, **options)


def sparse_directions(run, n, d):
    """Unit directions that each mix `direction_size` coordinates, chosen at random: (n, d)."""
    options = {"device": run.device, "generator": run.generator}
    chosen = torch.rand(n, d, **options).topk(run.config.direction_size).indices
    return torch.zeros(n, d, device=run.device).scatter_(1, chosen, random_directions(n, chosen.shape[1], **options))


def sample_target(run, shape):
    """Samples of the law that the features are to follow: RGG, or the law before rectification."""
    if is_rectified(run.config):
        return sample_rgg(shape, run.config.p, run.config.mu, device=run.device, generator=run.generator)
    return run.law.sample(shape).float()  # from the global generator, which the seed sets too


def is_rectified(config):
    """Whether a run's target is rectified."""
    return config.rectify if config.rectify_target is None else config.rectify_target


def target_law(config, device="cpu"):
    """The law of a coordinate that a run aims at."""
    law = RectifiedGeneralizedGaussian if is_rectified(config) else GeneralizedGaussian
    parameters = (config.mu, unit_variance_scale(config.p), config.p)
    return law(*(torch.tensor(v, dtype=torch.float64, device=device) for v in parameters))


def has_fast_bfloat16(device):
    """Whether a device computes in bfloat16 faster than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # x86 alone. oneDNN says that it supports bfloat16 wherever there is AVX-512; without these it only emulates it.
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def lr_factor(schedule, step, total_steps):
    """The learning rate of a step, as a share of ``lr``."""
    return 1.0 if schedule == "constant" else (1 + math.cos(math.pi * step / max(1, total_steps))) / 2


class Run:
    """The state of one run: what a step changes, what a checkpoint holds, and where both are written."""

    def __init__(self, config, run_dir, device=None):
        self.config, self.run_dir = config, run_dir
        self.started = time.perf_counter()
        self.device = device or choose_device(config.device)
        ranks = parallel.world_size()
        for name in ("batch_size", "num_projections"):
            if getattr(config, name) % ranks:
                raise ValueError(f"{name} must be divisible by the {ranks} processes, got {getattr(config, name)}")
        if config.cuda_graph and (self.device.type != "cuda" or ranks > 1):
            raise ValueError(f"cuda_graph is for one process on CUDA, this is {ranks} on {self.device.type}")
        self.bfloat16 = has_fast_bfloat16(self.device)
        self.law = _law(config, self.device)
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
        try:
            extract_features(self.model, self.data, self.data.test_images[:1])
        except (AssertionError, RuntimeError) as error:
            if isinstance(error, NotImplementedError) or _is_out_of_memory(error):
                raise
            raise ValueError(f"backbone {config.backbone!r} does not take these images: {error}") from error
        self.network = parallel.wrap(self.model, self.device)  # the same parameters
        if parallel.rank():
            torch.manual_seed(config.seed + parallel.rank())  # the same weights; from here on, draws of its own
        cuda = self.device.type == "cuda"
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=torch.tensor(config.lr, device=self.device) if cuda else config.lr,
            weight_decay=config.weight_decay, fused=self.device.type != "mps", capturable=cuda,
        )  # fmt: skip
        total_steps = self.total_steps  # a method would tie the run to its own scheduler, and keep both alive
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: lr_factor(config.schedule, step, total_steps)
        )
        # Views and epoch order are drawn on the host, directions and target samples on the device.
        # Each rank has its own; rank 0's are those of a run without ranks.
        seed = config.seed + 1_000_003 * parallel.rank()
        self.host = torch.Generator().manual_seed(seed)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.graph = StepGraph(self.generator) if config.cuda_graph else None
        self.step, self.order, self.epochs, self.epoch_metrics = 0, None, [], []
        self.saved_step, self.saved_at, self.earlier_seconds = None, self.started, 0.0
        self.provenance = provenance(self)

    def seconds(self):
        """Wall-clock seconds of the run so far, interrupted runs counted up to their last checkpoint."""
        return self.earlier_seconds + time.perf_counter() - self.started

    def log(self, pending, end_of_epoch):
        """Read the metrics of the last steps, stop on NaN, append a line to the log and close the epoch if it ends."""
        metrics = parallel.average(torch.stack(pending)).cpu()  # here the loop waits for the device
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
        if parallel.rank() == 0:
            append_line(self.run_dir / "log.jsonl", json.dumps(line))
        self.last = line
        if end_of_epoch:
            rows = torch.tensor(self.epoch_metrics, dtype=torch.float64)
            weight = rows[:, -2]
            means = (rows[:, :-2] * weight[:, None]).sum(dim=0) / weight.sum()
            speed = weight.sum() / (weight / rows[:, -1]).sum()
            self.epochs.append({"epoch": epoch, **_named(means.tolist(), speed.item())})
            self.epoch_metrics = []

    def summary(self):
        """The progress bar's words on the last log entry."""
        x = self.last
        return (
            f"loss {x['loss']:.2f} (invariance {x['invariance']:.3f}, regularizer {x['regularizer']:.4f}), "
            f"non-zero {x['nonzero_fraction']:.3f}, {x['images_per_second']:.0f} images/s"
        )

    def is_time_to_save(self):
        """Whether the last checkpoint is old enough, by rank 0's clock."""
        due = time.perf_counter() - self.saved_at >= self.config.checkpoint_seconds
        return bool(parallel.from_first(torch.tensor(float(due), device=self.device)))

    def save(self):
        """Write the checkpoint: everything that the next step depends on. A crash leaves the old file or the new."""
        if not torch.stack([weight.isfinite().all() for weight in self.model.parameters()]).all():
            raise RunError(f"training stopped at step {self.step}: the weights are not finite. A lower lr may help.")
        for buffer in self.model.buffers():
            parallel.from_first(buffer)  # BatchNorm's running statistics, where it is not synchronised
        generators = (self.host.get_state(), self.generator.get_state(), *_global_generators(self.device))
        state = {
            "config": dataclasses.asdict(self.config),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "step": self.step,
            "order": self.order,
            "generators": parallel.collect(generators),  # of every rank
            "epochs": self.epochs,
            "epoch_metrics": self.epoch_metrics,
            "seconds": self.seconds(),
            "provenance": self.provenance,
        }
        if parallel.rank() == 0:
            save_checkpoint(self.run_dir, state)
        self.saved_step, self.saved_at = self.step, time.perf_counter()

    def restore(self):
        """Take up the state of the checkpoint in the run's folder, and cut the log back to its step."""
        state, warning = load_checkpoint(self.run_dir, self.device)
        if warning and parallel.rank() == 0:
            print(f"warning: {warning}", file=sys.stderr)
        differing = differences(state["config"], self.config)
        if differing:
            raise RunError(f"the checkpoint in {self.run_dir} belongs to another configuration: {differing}")
        trained_on = state.get("provenance", {}).get("data_md5", self.data.md5)  # files of older versions do not say
        fixed = self.config.dataset != "shapes"  # whose pixels every processor rounds in its own way
        if fixed and trained_on != self.data.md5:
            raise RunError(
                f"the checkpoint in {self.run_dir} was trained on other data: {trained_on} there, {self.data.md5} here"
            )
        if len(state["generators"]) != parallel.world_size():
            raise RunError(
                f"the checkpoint in {self.run_dir} belongs to a run of {len(state['generators'])} processes, "
                f"these are {parallel.world_size()}"
            )
        generators = state["generators"][parallel.rank()]
        if generators[1].numel() != self.generator.get_state().numel():
            raise RunError(
                f"the checkpoint in {self.run_dir} was written on another kind of device than {self.device.type}: "
                "go on with the --device that the run was begun on"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.step = self.saved_step = state["step"]
        self.order = state["order"]
        host, device, *everywhere = (s.cpu() for s in generators)
        self.host.set_state(host)
        self.generator.set_state(device)
        _global_generators(self.device, everywhere)
        self.epochs, self.epoch_metrics = state["epochs"], state["epoch_metrics"]
        self.earlier_seconds = state["seconds"]
        before = state.get("provenance", {})
        earlier = before.pop("earlier", [])  # of the parts that were run elsewhere or by other code
        if before and before != self.provenance:
            earlier.append(before)
        if earlier:
            self.provenance = self.provenance | {"earlier": earlier}
        if parallel.rank() == 0:
            log = self.run_dir / "log.jsonl"
            lines = [line for line in log.read_text().splitlines(True) if line.endswith("\n")] if log.exists() else []
            kept = [line for line in lines if json.loads(line)["step"] <= self.step]
            write_atomically(log, "".join(kept).encode())


def differences(options, config):
    """In words, where options (a dict, as in a checkpoint or a result) lead to other numbers than a configuration."""
    free = {"data_dir", "device", "cuda_graph", "checkpoint_seconds"}  # these do not change what is computed
    known = {field.name: field.default for field in dataclasses.fields(PretrainConfig)}
    there, here = known | options, dataclasses.asdict(config)
    names = [name for name in sorted((there.keys() | here.keys()) - free) if there.get(name) != here.get(name)]
    return ", ".join(f"{name} {there.get(name)!r} there, {here.get(name)!r} here" for name in names)


def expected_nonzero_fraction(config):
    """Eq. 11's closed form for a run's target, per coordinate; None where no term of the loss has a rectified one."""
    aimed = config.regularizer in ("rdmreg", "rgg_cf") and config.regularizer_weight or config.coordinate_weight
    if not aimed or not is_rectified(config):
        return None
    return target_law(config).prob_active.item()


def provenance(run):
    """Where a result comes from: commit, date, versions, hardware, data."""
    if run.device.type == "cuda":
        hardware = f"{torch.cuda.get_device_name(run.device)}, {processor()}"
    else:
        hardware = f"{processor()}, {torch.get_num_threads()} threads"
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "timm", "numpy")}
    return {
        "commit": commit_of(__file__),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {"python": platform.python_version(), **versions},
        "hardware": hardware,
        "precision": "bfloat16 autocast" if run.bfloat16 else "float32",
        "data_md5": run.data.md5,
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


def _named(means, speed):
    return {**{k: round(v, 6) for k, v in zip(METRICS, means)}, "images_per_second": round(speed, 1)}


def _law(config, device):
    """The target's law on the run's device; None on MPS, which has no float64."""
    if device.type != "mps":
        return target_law(config, device)
    drawn = config.regularizer == "rdmreg" and not is_rectified(config)  # by the law itself
    if config.coordinate_weight or config.regularizer == "rgg_cf" or drawn:
        raise ValueError(
            "device 'mps' has no float64: coordinate_weight, regularizer 'rgg_cf' and samples of an unrectified target "
            "need 'cpu'"
        )
    return None


def choose_device(name):
    """The device of that name; 'auto' is CUDA if there is one, else the CPU. ValueError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise ValueError(f"device {name!r} is not available on this machine; 'auto' takes what there is")
    return torch.device(name)


def _global_generators(device, states=None):
    """The states of torch's global generators (for backbones with dropout), set first if given."""
    if states:
        torch.set_rng_state(states[0])
        if device.type == "cuda":
            torch.cuda.set_rng_state(states[1], device)
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def processor():
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# ---------------------------------------------------------------------------------------------------------------------
# the command line


def parse_arguments(arguments=None):
    """The parser, and what it read; options of `PretrainConfig` are there if they were given."""
    parser = argparse.ArgumentParser(
        prog="python -m rlpjepa.pretrain",
        description="Pretrain Rectified LpJEPA, evaluate it, and leave log, checkpoint, result and figure in a folder.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for field in dataclasses.fields(PretrainConfig):
        kind = {"action": argparse.BooleanOptionalAction} if bool in _types(field) else {"type": _types(field)[0]}
        text = f"{field.metadata['help']} (default: {field.default})".replace("%", "%%")
        parser.add_argument("--" + field.name.replace("_", "-"), help=text, **kind)
    parser.add_argument("--run-dir", default=None, help="folder of this run (default: a new one in runs/)")
    parser.add_argument("--resume", action="store_true", default=False, help="go on from the checkpoint in --run-dir")
    parser.add_argument(
        "--sweep", default=None, metavar="FILE",
        help="do all runs of a TOML file, one table of options each, [defaults] for all; results go beside the file, "
        "finished runs are skipped, interrupted ones go on; options given here override the file's",
    )  # fmt: skip
    return parser, parser.parse_args(arguments)


def read_sweep(file, options=None):
    """The runs of a sweep file, {name: `PretrainConfig`}.

    The file is TOML: one table for each run, its options in it, and a table ``defaults`` for what they share.
    ``options`` override both.

    Raises:
        ValueError: if the file cannot be read, or if an option is unknown or not allowed; the message names the run.
    """
    try:
        tables = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"the sweep file {file} cannot be read: {error}") from error
    defaults, runs = tables.pop("defaults", {}), {}
    for name, table in tables.items():
        try:
            if not re.fullmatch(r"[\w.+-]+", name):
                raise ValueError("the name of a run is that of its files: letters, digits and _ . + - only")
            if not isinstance(table, dict):
                raise ValueError("a run is a table of options")
            runs[name] = PretrainConfig(**defaults | table | (options or {}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file}, run {name}: {error}") from error
    if not runs:
        raise ValueError(f"{file} names no runs")
    return runs


def sweep(file, options=None):
    """Do the runs of a sweep file that are not done yet, one after the other; returns the number of those that failed.

    The result of a run goes to NAME.json beside the file, its folder is runs/FILE/NAME. Started again, a sweep goes on
    where it stopped; started twice, the two share the work.

    Raises:
        ValueError: as `read_sweep`.
        RunError: if a result that lies there belongs to another configuration than the file's, or is none.
    """
    file, failed = Path(file), 0
    runs = read_sweep(file, options)
    done = {name: file.with_name(f"{name}.json") for name in runs}
    for name, path in done.items():
        if path.exists() and (differing := differences(_read_config(path), runs[name])):
            raise RunError(f"{path} belongs to another configuration: {differing}")
    for name, config in runs.items():
        run_dir = Path("runs") / file.stem / name
        if done[name].exists():
            continue
        print(name, flush=True)
        try:
            result, _ = pretrain(config, run_dir, resume=holds_run(run_dir))
            write_atomically(done[name], (json.dumps(result, indent=1) + "\n").encode())
            print(report(result), flush=True)
        except InUseError:
            print(f"{name} is being done by another process", flush=True)
        except (ValueError, DataError, RunError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
        except Exception:  # what nobody foresaw in one run does not end the others
            traceback.print_exc()
            failed += 1
    return failed


def _read_config(path):
    """The configuration in a result file."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a result file: {error!r}") from error


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
    parser, given = parse_arguments(arguments)
    options = vars(given)
    run_dir, resume, sweep_file = (options.pop(name) for name in ("run_dir", "resume", "sweep"))
    if resume and not run_dir:
        parser.error("--resume needs the --run-dir of the run to go on with")
    if sweep_file and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        parser.error("--sweep is for single processes: start it without torchrun, several times to run side by side")
    if sweep_file and run_dir:
        parser.error("--sweep chooses the folders of its runs itself: leave out --run-dir")
    try:
        if sweep_file:
            return 2 if sweep(sweep_file, options) else 0
        try:
            config = PretrainConfig(**options)
        except ValueError as error:
            parser.error(str(error))
        run_dir = Path(run_dir or f"runs/{config.dataset}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
        result, _ = pretrain(config, run_dir, resume=resume)
    except KeyboardInterrupt:
        return 130
    except (ValueError, DataError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if result is None:  # not the first rank
        return 0
    print(report(result))
    figure = (run_dir / "figure.png").resolve()
    if figure.exists():
        print(f"figure  {figure}")
        if sys.stdout.isatty() and (sys.platform != "linux" or os.environ.get("DISPLAY")):
            webbrowser.open(figure.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
