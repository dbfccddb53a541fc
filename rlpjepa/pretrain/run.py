"""One run, from the first weights to the result file: what a long run needs around `train_step`."""

import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path

import torch

from .. import losses
from ..data import load_data
from ..evaluate import (
    dead_fraction,
    extract_features,
    few_threads,
    judge,
    knn_accuracy,
    l0_fraction,
    set_batchnorm_statistics,
)
from ..model import changed
from ..projections import random_directions
from ..train import has_fast_bfloat16, train_step
from . import parallel, provenance, storage
from .config import PretrainConfig, differences
from .cuda_graph import StepGraph
from .describe import describe_features
from .errors import RunError, explained, is_out_of_memory
from .online_probe import OnlineProbe
from .optimizer import create_optimizer, set_learning_rate

LOG_EVERY = 10  # steps; the metrics of so many steps (on CUDA 50) wait on the device until they are read together
METRICS = ("loss", "invariance", "regularizer", "coordinate", "nonzero_fraction")
SAMPLE = 2000  # test images that are looked at after every epoch, and for the sheet of features
SMALL = 1_000_000  # weights; a smaller network is trained by one thread


def pretrain(config, run_dir, *, resume=False, progress=True):
    """Pretrain, evaluate, and leave log, checkpoint, result and figure in a folder.

    Args:
        config: a `PretrainConfig`.
        run_dir: folder for ``log.jsonl``, ``checkpoint.pt``, ``result.json``, ``figure.png`` (training) and
            ``features.png`` (which images switch a feature on); made if need be.
        resume: go on from the checkpoint in ``run_dir``. On a CPU, with as many threads as before, the run then ends
            with the same weights, bit for bit, as one that was never interrupted.
        progress: show a progress bar.

    Under torchrun its processes share the run. In a program that has a process group (torch.distributed's default one)
    all processes of that group call this and share it, and the group stays.

    Returns:
        (result, model): the content of ``result.json`` (config, provenance, epochs, final; None but for the first of
        several processes) and the trained network.

    Raises:
        ValueError: if the device is not there, or the configuration does not fit it, the data or the backbone.
        DataError: if the data is missing or damaged.
        RunError: if the folder cannot be written, is in use or holds another run, if the checkpoint cannot be used, if
            memory runs out, if the device lacks an operation, or if loss or weights are no longer finite.

    Example:
        >>> import tempfile
        >>> config = PretrainConfig(backbone="test_byobnet", dim=8, epochs=0, device="cpu")
        >>> result, model = pretrain(config, tempfile.mkdtemp(), progress=False)
        >>> sorted(result)
        ['config', 'epochs', 'final', 'provenance']
    """
    (device, started), lock = parallel.init(choose_device(config.device)), None
    try:
        # One process writes. The others join in the work and stop when training ends.
        run_dir = Path(run_dir).expanduser()
        is_new = not run_dir.exists()
        if parallel.rank() == 0:
            lock = storage.open_run_dir(run_dir, resume)
        # What the libraries draw globally (weights, dropout) follows the seed too; the caller's own state comes back
        # (but for MPS's). A run on the CPU leaves CUDA alone.
        forked = range(torch.cuda.device_count() if device.type == "cuda" else 0)
        with explained(config, device), torch.random.fork_rng(forked):
            seed_globally(config.seed, device)
            try:
                run = Run(config, run_dir, device)
                if resume:
                    run.restore()
            except BaseException:
                if lock and is_new:
                    lock.release()
                    shutil.rmtree(run_dir, ignore_errors=True)  # a run that could not start leaves no folder
                raise
            if lock and not resume:  # a run that ended before its first checkpoint may have left a log
                storage.write_atomically(run_dir / "log.jsonl", b"")
            with few_threads(run.is_small):
                try:
                    run.train(progress)
                    result = run.finish()
                except KeyboardInterrupt:
                    print(f"\n{run.how_to_go_on()}", file=sys.stderr)
                    raise
        if started:  # not after an error: the other ranks may be waiting, and torchrun ends them
            torch.distributed.destroy_process_group()
        return result, run.model
    finally:
        if lock:
            lock.release()


class Run:
    """The state of one run: what a step changes, what a checkpoint holds, and where both are written."""

    def __init__(self, config, run_dir, device=None):
        self.config, self.run_dir = config, Path(run_dir)
        self.began_at = self.saved_at = time.perf_counter()
        self.device = device or choose_device(config.device)
        check_fit(config, self.device)
        self.data = load_data(config.dataset, config.data_dir).to(self.device)
        count = len(self.data.train_images)
        if config.batch_size > count:
            raise ValueError(
                f"batch_size must be at most the number of training images ({count}), got {config.batch_size}"
            )
        self.steps_per_epoch = count // config.batch_size
        self.total_steps = config.epochs * self.steps_per_epoch
        self.model = create_model(config, self.data, self.device)
        self.network = parallel.wrap(self.model, self.device)  # the same parameters
        self.is_small = sum(weight.numel() for weight in self.model.parameters()) < SMALL
        # Each rank has a generator of its own, from which an epoch's order, views, directions and targets are drawn.
        # Rank 0's is that of a run without ranks.
        if parallel.rank():
            seed_globally(config.seed + parallel.rank(), self.device)  # the same weights, then draws of its own
        self.generator = torch.Generator(self.device).manual_seed(config.seed + 1_000_003 * parallel.rank())
        self.optimizer = create_optimizer(self.model, config, self.device)
        self.objective = create_objective(config, config.target(self.device), self.generator)
        self.probe, self.learning = None, {"model": self.model, "optimizer": self.optimizer}
        if config.online_probe_lr:
            width, classes = self.model.projector[0].in_features, len(self.data.classes)
            self.probe = OnlineProbe(width, classes, config, self.device)
            self.learning |= {"probe": self.probe.layer, "probe_optimizer": self.probe.optimizer}
        # On the device, where the step reads and moves them: the number of the step, the epoch's order, and metrics.
        log_every = LOG_EVERY * (5 if self.device.type == "cuda" else 1)  # a fast device idles while they are read
        self.counter = torch.zeros((), dtype=torch.int64, device=self.device)
        self.order = torch.zeros(count, dtype=torch.int64, device=self.device)
        self.metrics = torch.zeros(log_every, len(METRICS), dtype=torch.float32, device=self.device)
        self.take_step = StepGraph(self.compute_step, self.generator) if config.cuda_graph else self.compute_step
        self.step, self.saved_step, self.earlier_seconds = 0, None, 0.0
        self.epochs, self.epoch_metrics = [], []
        with few_threads(self.is_small):
            precision = "bfloat16 autocast" if has_fast_bfloat16(self.device) else "float32"
            self.provenance = provenance.describe(self.device, precision, self.data.md5)

    def train(self, progress=True):
        """Every step until the last epoch's end, with a log entry every few steps."""
        from tqdm import tqdm

        pending, hidden = 0, not progress or parallel.rank() > 0
        if not self.total_steps:  # a network that is measured untrained
            set_batchnorm_statistics(self.model, self.data)
        self.model.train()
        self.logged_at = time.perf_counter()
        with (
            explained(self.config, self.device, self),
            changed((torch.backends.cudnn, "benchmark", True)),  # the shapes are fixed
            tqdm(total=self.total_steps, initial=self.step, unit="step", disable=hidden) as bar,
        ):
            while self.step < self.total_steps:
                if self.step % self.steps_per_epoch == 0:
                    order = torch.randperm(len(self.order), generator=self.generator, device=self.device)
                    self.order.copy_(parallel.broadcast(order))
                self.take_step()
                self.step, pending = self.step + 1, pending + 1
                end_of_epoch = self.step % self.steps_per_epoch == 0
                if pending == len(self.metrics) or end_of_epoch:
                    self.log(pending, end_of_epoch)
                    bar.update(pending)
                    shown = ("loss", "invariance", "regularizer", "nonzero_fraction")
                    bar.set_postfix({name: f"{self.last[name]:.4g}" for name in shown}, refresh=False)
                    pending = 0
                    if self.is_time_to_save():
                        self.save()
        if self.step != self.saved_step:
            self.save()
        self.optimizer.zero_grad()  # gradients are of no more use, and on a GPU they take memory

    def compute_step(self):
        """One step, from the numbers of the images to the weights: all on the device, nothing waits for it."""
        size, place = self.config.batch_size, self.counter % self.steps_per_epoch
        start = (place * size).view(1)
        batch = self.order[start + torch.arange(size, device=self.device)]  # (B,)
        batch = batch[parallel.rank() :: parallel.world_size()]
        set_learning_rate(self.optimizer, self.config, self.counter, self.total_steps)
        views = self.data.views(batch, generator=self.generator, **self.config.augmentation())
        parts = train_step(self.forward, views, self.objective, self.optimizer)
        if self.probe:
            set_learning_rate(self.probe.optimizer, self.probe.config, self.counter, self.total_steps)
            self.probe.train_step(self.features, self.data.train_labels[batch].repeat(len(views)))
        row = torch.stack([parts[name] for name in METRICS])
        self.metrics.index_copy_(0, (self.counter % len(self.metrics)).view(1), row[None].to(self.metrics.dtype))
        self.counter += 1

    def forward(self, images):
        """z; the encoder's features are kept for the online probe, without gradients."""
        features, z = self.network(images)
        self.features = features.detach()
        return z

    def log(self, pending, end_of_epoch):
        """Read the metrics of the last steps, stop on NaN, append a line to the log and close the epoch if it ends."""
        rows = [step % len(self.metrics) for step in range(self.step - pending, self.step)]
        metrics = parallel.average(self.metrics[rows]).cpu()  # here the loop waits for the device
        finite = metrics[:, 0].isfinite()
        if not finite.all():
            step = self.step - pending + 1 + int((~finite).nonzero()[0])
            value = metrics[~finite, 0][0].item()
            raise RunError(f"training stopped at step {step}: the loss is {value}. A lower lr may help.")
        now = time.perf_counter()
        speed, self.logged_at = pending * self.config.batch_size / (now - self.logged_at), now
        self.epoch_metrics.append([*metrics.mean(dim=0).tolist(), pending, speed])
        epoch = (self.step - 1) // self.steps_per_epoch + 1
        self.last = {"step": self.step, "epoch": epoch, **_named(metrics.mean(dim=0).tolist(), speed)}
        if parallel.rank() == 0:
            storage.append_line(self.run_dir / "log.jsonl", json.dumps(self.last))
        if end_of_epoch:
            rows = torch.tensor(self.epoch_metrics, dtype=torch.float64, device="cpu")
            weight = rows[:, -2]
            means = (rows[:, :-2] * weight[:, None]).sum(dim=0) / weight.sum()
            speed = weight.sum() / (weight / rows[:, -1]).sum()
            self.epochs.append({"epoch": epoch, **_named(means.tolist(), speed.item()), **self.look()})
            self.epoch_metrics = []
            self.logged_at = time.perf_counter()

    def look(self):
        """Where the run stands, on some test images; the neighbours are sought among them too."""
        if parallel.rank():
            return {}
        chosen = self.sample()
        features, z = extract_features(self.model, self.data, self.data.test_images[chosen])
        found = {"test_nonzero": l0_fraction(z), "test_dead": dead_fraction(z)}
        if len(chosen) > 1 and features.isfinite().all():
            found["test_knn"] = knn_accuracy(features, self.data.test_labels[chosen], k=min(20, len(chosen) - 1))
        return {name: round(value, 6) for name, value in found.items()}

    def sample(self):
        """The test images that are looked at: all, or some from the first to the last, since a folder lies by class."""
        count = len(self.data.test_images)
        places = torch.linspace(0, count - 1, min(count, SAMPLE), dtype=torch.float32, device=self.device)
        return places.round().long()

    def how_to_go_on(self):
        """What to do after an interrupt."""
        if not storage.holds_run(self.run_dir):
            return f"interrupted at step {self.step}; there is no checkpoint yet: begin again in {self.run_dir}"
        how = f"--run-dir {self.run_dir} --resume (in Python: resume=True)"
        return f"interrupted at step {self.step}; go on from the last checkpoint with {how}"

    def finish(self):
        """Evaluate, and write the result and the figures; returns the result (None on ranks that do not write)."""
        if parallel.rank():
            return None
        train, test = (
            extract_features(self.model, self.data, images)
            for images in (self.data.train_images, self.data.test_images)
        )
        final = judge(train, test, self.data)
        final["expected_nonzero_fraction"] = self.config.expected_nonzero_fraction()
        if self.probe:
            final["online_probe"] = self.probe.accuracy(test[0], self.data.test_labels)
        final["seconds"] = round(self.seconds(), 1)
        final |= describe_features(test[1], self.config)
        options = dataclasses.asdict(self.config) | {"data_dir": None}  # where the data lay is nobody else's concern
        result = {"config": options, "provenance": self.provenance, "epochs": self.epochs, "final": final}
        storage.write_result(self.run_dir / "result.json", result)
        self.draw(result, test[1])
        return result

    def draw(self, result, z):
        """The figures beside the result."""
        from ..figures import plot_features, plot_training, png_bytes

        if self.epochs:
            storage.write_atomically(self.run_dir / "figure.png", png_bytes(plot_training(result), dpi=150))
        chosen = self.sample()
        sheet = plot_features(z[chosen], self.data.test_images[chosen])
        storage.write_atomically(self.run_dir / "features.png", png_bytes(sheet, dpi=150))

    def seconds(self):
        """Wall-clock seconds of the run so far, interrupted runs counted up to their last checkpoint."""
        return self.earlier_seconds + time.perf_counter() - self.began_at

    def is_time_to_save(self):
        """Whether the last checkpoint is old enough, by rank 0's clock."""
        due = time.perf_counter() - self.saved_at >= self.config.checkpoint_seconds
        if parallel.world_size() == 1:
            return due
        return bool(parallel.broadcast(torch.tensor(float(due), device=self.device)))

    def save(self):
        """Write the checkpoint: everything that the next step depends on."""
        if not torch.stack([weight.isfinite().all() for weight in self.model.parameters()]).all():
            raise RunError(f"training stopped at step {self.step}: the weights are not finite. A lower lr may help.")
        for buffer in self.model.buffers():
            parallel.broadcast(buffer)  # BatchNorm's running statistics, where it is not synchronised
        generators = (self.generator.get_state(), *_global_generators(self.device))
        state = {
            "config": dataclasses.asdict(self.config),
            **{name: part.state_dict() for name, part in self.learning.items()},
            "step": self.step,
            "order": self.order,
            "generators": parallel.all_gather_object(generators),  # of every rank
            "epochs": self.epochs,
            "epoch_metrics": self.epoch_metrics,
            "seconds": self.seconds(),
            "provenance": self.provenance,
        }
        if parallel.rank() == 0:
            storage.save_checkpoint(self.run_dir, state)
        self.saved_step, self.saved_at = self.step, time.perf_counter()

    def restore(self):
        """Take up the state of the checkpoint in the run's folder, and cut the log back to its step."""
        state = storage.load_checkpoint(self.run_dir, self.device)
        self.check_origin(state)
        try:
            for name, part in self.learning.items():
                part.load_state_dict(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            of = f"the checkpoint in {self.run_dir}"
            raise RunError(f"{of} was written by another version: choose another folder ({error})") from error
        self.step = self.saved_step = state["step"]
        self.counter.fill_(self.step)
        self.order.copy_(state["order"])
        device, *everywhere = (s.cpu() for s in state["generators"][parallel.rank()])
        self.generator.set_state(device)
        _global_generators(self.device, everywhere)
        self.epochs, self.epoch_metrics = state["epochs"], state["epoch_metrics"]
        self.earlier_seconds = state["seconds"]
        before = state["provenance"]
        earlier = before.pop("earlier", [])  # of the parts that were run elsewhere or by other code
        earlier = earlier if before == self.provenance else [*earlier, before]
        if earlier:
            self.provenance = self.provenance | {"earlier": earlier}
        if parallel.rank() == 0:
            storage.cut_log(self.run_dir / "log.jsonl", self.step)

    def check_origin(self, state):
        """RunError if a checkpoint is not of this configuration, data, device and number of processes."""
        of = f"the checkpoint in {self.run_dir}"
        if not isinstance(state, dict) or "provenance" not in state or "scheduler" in state:
            raise RunError(f"{of} was written by another program, or by version 0.1: choose another folder")
        if differing := differences(state["config"], self.config):
            raise RunError(f"{of} belongs to another configuration: {differing}")
        md5, ranks = state["provenance"]["data_md5"], len(state["generators"])
        fixed = self.config.dataset != "shapes"  # whose pixels every processor rounds in its own way
        if fixed and md5 != self.data.md5:
            raise RunError(f"{of} was trained on other data: {md5} there, {self.data.md5} here")
        if ranks != parallel.world_size():
            raise RunError(f"{of} belongs to a run of {ranks} processes, these are {parallel.world_size()}")
        if state["generators"][0][0].numel() != self.generator.get_state().numel():
            raise RunError(
                f"{of} was written on another kind of device than {self.device.type}: go on with the --device that the "
                "run was begun on"
            )


def choose_device(name):
    """The device of that name; 'auto' is CUDA if there is one, else the CPU. ValueError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise ValueError(f"device {name!r} is not available on this machine; 'auto' takes what there is")
    return torch.device(name)


def seed_globally(seed, device):
    """Seed torch's global generators: on the CPU that one alone, elsewhere those of all devices."""
    (torch.default_generator if device.type == "cpu" else torch).manual_seed(seed)


def check_fit(config, device):
    """ValueError if a configuration does not fit the device and the number of processes."""
    ranks = parallel.world_size()
    for name in ("batch_size", "num_projections"):
        if getattr(config, name) % ranks:
            raise ValueError(f"{name} must be divisible by the {ranks} processes, got {getattr(config, name)}")
    if config.cuda_graph and (device.type != "cuda" or ranks > 1):
        raise ValueError(f"cuda_graph is for one process on CUDA, this is {ranks} on {device.type}")
    if device.type == "mps" and (config.coordinate_weight or config.regularizer == "rgg_cf"):
        raise ValueError("device 'mps' has no float64: coordinate_weight and regularizer 'rgg_cf' need 'cpu'")


def create_model(config, data, device):
    """The network of a configuration on the device, in training mode. ValueError if it does not take the images."""
    model = config.network()
    model.to(device, memory_format=torch.channels_last).train()
    try:
        extract_features(model, data, data.train_images[:1])
    except (AssertionError, RuntimeError) as error:
        if isinstance(error, NotImplementedError) or is_out_of_memory(error):
            raise
        raise ValueError(f"backbone {config.backbone!r} does not take these images: {error}") from error
    return model


def create_objective(config, target, generator):
    """The objective of a configuration (Eq. 14-15), for `train_step`.

    Args:
        target: the distribution of a coordinate, on the run's device.
        generator: for directions, then samples of the target.
    """
    ranks = parallel.world_size()

    def weighted_sum(z, model):
        # With several ranks, z is this rank's share of the batch. The loss needs the whole batch; each rank draws its
        # share of the directions and of the target's samples.
        everyone = losses.gather(z, dim=1)  # (2, B, D)
        regularizer = coordinate = directions = None
        if config.regularizer != "none":
            directions = random_directions(
                config.num_projections // ranks, config.dim, size=config.direction_size, device=z.device, dtype=z.dtype,
                generator=generator,
            )  # fmt: skip
        match config.regularizer:
            case "rdmreg":
                samples = target.sample(z.shape[1:], generator=generator)
                regularizer = losses.rdmreg_loss(everyone, losses.gather(samples), directions=directions)
            case "rgg_cf":
                regularizer = losses.rgg_cf_loss(everyone, target, directions=directions)
            case "sigreg":
                regularizer = losses.sigreg_loss(everyone, directions=directions)
        if config.coordinate_weight:
            coordinate = losses.coordinate_loss(everyone, target)
        parts = losses.objective(
            z, regularizer, coordinate, invariance_weight=config.invariance_weight,
            regularizer_weight=config.regularizer_weight, coordinate_weight=config.coordinate_weight,
        )  # fmt: skip
        return parts | {"nonzero_fraction": (z.detach() != 0).float().mean()}

    return weighted_sum


def load_run(folder):
    """The trained network of a run.

    Args:
        folder: with ``checkpoint.pt``, as `pretrain` leaves it, or with ``result.json`` and ``weights.pt`` (the
            network's state dict, perhaps in half precision).

    Returns:
        (model, config): a `RectifiedLpJEPA` on the CPU in evaluation mode, float32, and its `PretrainConfig`.

    Raises:
        RunError: if the folder holds neither, or a file in it is damaged.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> config = PretrainConfig(backbone="test_byobnet", dim=8, epochs=0, device="cpu")
        >>> _ = pretrain(config, folder, progress=False)
        >>> model, config = load_run(folder)
        >>> features, z = model(torch.zeros(1, 3, 32, 32))
        >>> z.shape
        torch.Size([1, 8])
    """
    folder = Path(folder).expanduser()
    if (folder / "weights.pt").exists():
        state = {"config": storage.read_result(folder / "result.json")["config"]}
        state["model"] = storage.load_tensors(folder / "weights.pt", "cpu")
    else:
        state = storage.load_checkpoint(folder, "cpu")
    try:
        config = PretrainConfig(**state["config"])
        return config.network(state["model"]).eval(), config
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise RunError(f"{folder} holds no weights of this run's network: {error}") from error


def _named(means, speed):
    return {**{k: round(v, 6) for k, v in zip(METRICS, means)}, "images_per_second": round(speed, 1)}


def _global_generators(device, states=None):
    """The states of torch's global generators (for backbones with dropout), set first if given."""
    if states:
        torch.set_rng_state(states[0])
        if device.type == "cuda":
            torch.cuda.set_rng_state(states[1], device)
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]
