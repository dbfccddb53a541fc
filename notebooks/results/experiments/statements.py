"""The runs of "Statements decided beforehand" (plan.md). Run from the repository root, once for each core to be used:

    python notebooks/results/experiments/statements.py

Each process takes the next run that no other is at; a run takes a minute or two. A few numbers of each finished run go
to statements.json beside this file. Stopped and started again, it goes on with the runs that are missing. With a word
after it, `compare`, it prints the comparisons of the plan.
"""

import dataclasses
import itertools
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import nn

from rlpjepa import evaluate, load_data, objective, random_directions, rdmreg_loss, rgg_cf_loss
from rlpjepa.augment import CROP_TRIES, color_jitter, crop_boxes, crop_resize_flip
from rlpjepa.data import ImageData
from rlpjepa.evaluate import extract_features
from rlpjepa.model import FullPrecisionLinear
from rlpjepa.pretrain import RunError, pretrain, provenance
from rlpjepa.pretrain.describe import effective_rank
from rlpjepa.pretrain.storage import write_atomically
from rlpjepa.pretrain.sweeps import read_sweep
from rlpjepa.train import has_fast_bfloat16, train

FOLDER = Path(__file__).resolve().parent
RESULTS, SWEEP, LOCKS = (
    FOLDER / "statements.json",
    FOLDER / "statements.toml",
    FOLDER.parents[2] / "runs" / "statements",
)
FINAL = ("encoder_knn", "encoder_probe", "projector_knn", "projector_probe", "nonzero_fraction", "dead_fraction")
TEN, THREE = range(10, 20), range(10, 13)
MOMENTS = {"unrectified": "lpjepa_mu0", "rectified": "rdmreg_mu0"}  # and the arm whose options they share
GRID = list(itertools.product((5.0, 25.0, 125.0), (0.4, 2.0, 10.0)))  # weights of variance and covariance
VIEWS = {"views_crops": (True, False), "views_colour": (False, True), "views_none": (False, False)}
SLOPES = {"slope0.01": 0.01, "slope0.1": 0.1}


def jobs():
    """Every run in its order: (arm, seed), the decided questions first."""
    yield from ((arm, seed) for seed in TEN for arm in ("rdmreg", "rdmreg_mu-1.62", "quantiles"))
    yield from ((arm, seed) for seed in TEN for arm in ("one_sample", "directions8192"))
    yield from ((grid_arm(kind, weights), 9) for weights in GRID for kind in MOMENTS)
    yield from ((arm, seed) for seed in TEN for arm in MOMENTS.values())
    yield from ((f"moments_{kind}", seed) for seed in TEN for kind in MOMENTS)
    explored = (*VIEWS, "projector1", *SLOPES, "batch64", "batch128", "batch512", "accumulated")
    yield from ((arm, seed) for arm in explored for seed in THREE)


def grid_arm(kind, weights):
    return f"moments_{kind}_{weights[0]:g}_{weights[1]:g}"


def best_weights(kind, runs):
    """The weights of the grid whose run has the best probe; None while runs of it are missing."""
    probes = [runs.get((grid_arm(kind, weights), 9)) for weights in GRID]
    if None in probes:
        return None
    return GRID[max(range(len(GRID)), key=lambda i: probes[i].get("encoder_probe", -1.0))]


# ---------------------------------------------------------------------------------------------------------------------
# one run


def make_run(arm, options, runs):
    """The numbers of one run; options (a seed, and fewer epochs to try it) override those of the sweep file."""
    sweep = read_sweep(SWEEP, options)
    kind = arm.split("_")[1] if arm.startswith("moments") else None
    weights = None
    if kind:
        weights = next((w for w in GRID if arm == grid_arm(kind, w)), None) or best_weights(kind, runs)
    started = time.perf_counter()
    if arm in sweep:
        config = sweep[arm]
        with tempfile.TemporaryDirectory() as folder:
            result, _ = pretrain(config, Path(folder) / "run", progress=False)
        last, final = result["epochs"][-1], result["final"]
    else:
        config = sweep[MOMENTS.get(kind, "rdmreg")]
        if arm == "accumulated":
            config = dataclasses.replace(config, batch_size=64)
        last, final = train_arm(arm, config, weights)
    # The floor: what the regularizer of the run says of samples of its own target.
    generator, target = torch.Generator().manual_seed(0), config.target()
    regularizer, shape = regularizer_of(config, weights, generator), (2, config.batch_size, config.dim)
    floor = statistics.mean(regularizer(target.sample(shape, generator=generator)).item() for _ in range(20))
    numbers = {name: final[name] for name in (*FINAL, "effective_rank")}
    numbers |= {"invariance": last["invariance"], "regularizer": last["regularizer"], "floor": floor}
    if not all(math.isfinite(value) for value in numbers.values()):
        raise RunError(f"not finite: {numbers}")
    numbers = {name: float(f"{value:.5g}") for name, value in numbers.items()}
    chosen = {"weights": weights} if weights else {}
    return chosen | numbers | {"seconds": round(time.perf_counter() - started)}


def train_arm(arm, config, weights):
    """A run that the configuration does not know: (means of its last epoch, final numbers)."""
    torch.manual_seed(config.seed)
    model, data = config.network(), load_data(config.dataset)
    if arm in VIEWS:
        crop, color = VIEWS[arm]
        data = ChosenViews(**vars(data), crop=crop, color=color)
    elif arm in SLOPES:
        model.projector[-1] = SlopeBackward(SLOPES[arm])
    elif arm == "projector1":
        width = model.projector[0].in_features
        model.projector = nn.Sequential(FullPrecisionLinear(width, config.dim), nn.ReLU())
    model.to(memory_format=torch.channels_last)
    lr = torch.tensor(config.lr)  # in float32, as the harness has it: the same bits
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=config.weight_decay, fused=True)
    parts_a_step = 1
    if arm == "accumulated":
        parts_a_step = 4
        optimizer = Accumulated(optimizer, parts_a_step)
    generator = torch.Generator().manual_seed(config.seed)
    regularizer = regularizer_of(config, weights, generator)

    def terms(z, model):
        parts = objective(z, regularizer(z), regularizer_weight=1.0 if weights else config.regularizer_weight)
        return parts | {"loss": parts["loss"] / parts_a_step}

    size = config.batch_size
    epoch = len(data.train_images) // (size * parts_a_step) * parts_a_step  # batches; the rest of an epoch is dropped
    history = train(model, data, terms, optimizer, steps=config.epochs * epoch, batch_size=size, generator=generator)
    last = {name: history[name][-epoch:].mean().item() for name in ("invariance", "regularizer")}
    z = extract_features(model, data, data.test_images)[1]
    return last, evaluate(model, data) | {"effective_rank": effective_rank(z)}


def regularizer_of(config, weights, generator):
    """The regularizer of a run as a function of z (2, B, D): RDMReg, the one-sample loss, or two moments."""
    target = config.target()

    def regularizer(z):
        if weights:
            return moments_loss(z, target.stddev, *weights)
        directions = random_directions(config.num_projections, config.dim, generator=generator)
        if config.regularizer == "rgg_cf":
            return rgg_cf_loss(z, target, directions=directions)
        return rdmreg_loss(z, target.sample(z.shape[1:], generator=generator), directions=directions)

    return regularizer


def moments_loss(z, deviation, variance_weight, covariance_weight):
    """VICReg's two terms (arXiv 2105.04906, Eq. 1-4), the mean over views: z (V, B, D) -> scalar.

    Its variance term asks for a standard deviation of 1; here for the target's, so that the scale of z, on which the
    invariance term depends, is the same with either regularizer.
    """
    z = z - z.mean(dim=1, keepdim=True)
    covariance = z.mT @ z / (z.shape[1] - 1)  # (V, D, D)
    variance = covariance.diagonal(dim1=1, dim2=2)  # (V, D)
    hinge = (deviation - (variance + 1e-4).sqrt()).relu().mean()
    others = (covariance - torch.diag_embed(variance)).square().sum(dim=(1, 2)).mean() / z.shape[-1]
    return variance_weight * hinge + covariance_weight * others


@dataclasses.dataclass(frozen=True, eq=False)
class ChosenViews(ImageData):
    """Images whose views are cropped and mirrored, or change colour, or neither; what is left is drawn as always."""

    crop: bool = True
    color: bool = True

    def views(self, index, count=2, *, generator=None):
        images = self.train_images[index]
        draws = torch.rand(count, len(images), 2 * CROP_TRIES + 10, generator=generator)
        crop, flip, jitter = draws.split([2 * CROP_TRIES + 2, 1, 7], dim=-1)
        seats = torch.rand(-(-count * len(images) // 4) * 4, generator=generator).argsort()
        views = (images.float() / 255).expand(count, *images.shape)
        if self.crop:
            views = crop_resize_flip(views[0], crop_boxes(crop, *images.shape[2:]), flip[..., 0] < 0.5)
        if self.color:
            views = color_jitter(views.flatten(0, 1), jitter.flatten(0, 1), seats).view_as(views)
        return self.normalize(views)


class SlopeBackward(nn.Module):
    """A ReLU whose gradient below zero is that of a leaky one: what has been switched off can come back."""

    def __init__(self, slope):
        super().__init__()
        self.slope = slope

    def forward(self, x):
        nothing = self.slope * (x - x.detach())  # zero, with a gradient
        return x.relu() + torch.where(x < 0, nothing, 0.0)


class Accumulated:
    """An optimizer that takes one step with the gradients of several batches."""

    def __init__(self, optimizer, count):
        self.optimizer, self.count, self.calls = optimizer, count, 0

    def zero_grad(self):
        if self.calls % self.count == 0:
            self.optimizer.zero_grad()

    def step(self):
        self.calls += 1
        if self.calls % self.count == 0:
            self.optimizer.step()


# ---------------------------------------------------------------------------------------------------------------------
# all runs


def read_results():
    """{(arm, seed): run}, and the list of provenances that runs point to."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"provenance": [], "runs": []}
    return {(run["arm"], run["seed"]): run for run in kept["runs"]}, kept["provenance"]


def keep(arm, seed, numbers, origin):
    """Add a run to the file, in the plan's order; other processes write it too."""
    with FileLock(LOCKS / "results.lock"):
        runs, origins = read_results()
        if origin not in origins:
            origins.append(origin)
        runs[arm, seed] = {"arm": arm, "seed": seed, "provenance": origins.index(origin), **numbers}
        lines = ",\n".join("  " + json.dumps(runs[job]) for job in jobs() if job in runs)
        text = f'{{\n "provenance": {json.dumps(origins)},\n "runs": [\n{lines}\n ]\n}}\n'
        write_atomically(RESULTS, text)


def main():
    torch.set_num_threads(1)
    LOCKS.mkdir(parents=True, exist_ok=True)
    device, todo, waiting = torch.device("cpu"), list(jobs()), []
    precision = "bfloat16 autocast" if has_fast_bfloat16(device) else "float32"
    origin = provenance.describe(device, precision, load_data("shapes").md5)
    for number, (arm, seed) in enumerate(todo, 1):
        try:
            with FileLock(LOCKS / f"{arm}_{seed}.lock", timeout=0):
                runs, _ = read_results()
                if (arm, seed) in runs:
                    continue
                if arm in ("moments_rectified", "moments_unrectified") and not best_weights(arm.split("_")[1], runs):
                    waiting.append((arm, seed))
                    continue
                try:
                    numbers = make_run(arm, {"seed": seed}, runs)
                except (RunError, ValueError) as error:  # a loss that is no longer finite
                    numbers = {"failed": str(error)}
                keep(arm, seed, numbers, origin)
                took = numbers.get("failed") or f"{numbers['seconds']} s"  # and no outcome: nobody is to look midway
                print(f"{number:4} of {len(todo)}  {arm}, seed {seed}: {took}", flush=True)
        except Timeout:
            continue  # another process is at it
    if waiting:
        print(f"{len(waiting)} runs wait for the grid, on which another process is at work: start this again after it")


# ---------------------------------------------------------------------------------------------------------------------
# the comparisons of the plan

DECIDED = (  # arm, control, what is compared
    ("quantiles", "equal sparsity", "dead_fraction"),
    ("quantiles", "equal sparsity", "encoder_probe"),
    ("one_sample", "equal sparsity", "dead_fraction"),
    ("one_sample", "equal sparsity", "encoder_probe"),
    ("directions8192", "rdmreg", "dead_fraction"),
    ("directions8192", "rdmreg", "encoder_probe"),
    ("moments_unrectified", "lpjepa_mu0", "encoder_probe"),
    ("moments_rectified", "rdmreg_mu0", "encoder_probe"),
)


def matched_weight(config):
    """The weight with which the one-sample loss makes a small shift of z cost what RDMReg makes it cost."""
    generator, target, ratios = torch.Generator().manual_seed(0), config.target(), []
    for _ in range(8):
        directions = random_directions(256, config.dim, generator=generator)
        z, shift = target.sample((1024, config.dim), generator=generator), 0.1 * target.stddev
        ahead, here, back = (rgg_cf_loss(z + s, target, directions=directions) for s in (shift, 0 * shift, -shift))
        ratios.append((rdmreg_loss(z + shift, z, directions=directions) / ((ahead + back) / 2 - here)).item())
    return config.regularizer_weight * statistics.mean(ratios)


def compare():
    """For each decided comparison the mean of the ten differences, its 95 % interval, and the paired t-test's p."""
    from scipy import stats

    runs, _ = read_results()

    def values(arm, key):
        return [runs[arm, seed].get(key, math.nan) for seed in TEN]

    def control_values(arm, control, key):
        if control != "equal sparsity":
            return values(control, key)
        ends = "rdmreg", "rdmreg_mu-1.62"
        shares = ([x for x in values(name, "nonzero_fraction") if not math.isnan(x)] for name in (arm, *ends))
        here, low, high = (math.log(statistics.mean(share)) for share in shares)
        way = (here - low) / (high - low)
        print(f"  {arm} is {way:.0%} of the way from mu = -2 to mu = -1.62 in the share of non-zero entries")
        way = min(max(way, 0.0), 1.0)
        return [(1 - way) * a + way * b for a, b in zip(*(values(end, key) for end in ends))]

    for arm, control, key in DECIDED:
        pairs = [pair for pair in zip(values(arm, key), control_values(arm, control, key)) if not math.isnan(sum(pair))]
        test = stats.ttest_rel(*zip(*pairs))
        low, high = test.confidence_interval(0.95)
        a, b = (statistics.mean(column) for column in zip(*pairs))
        verdict = "differ" if test.pvalue < 0.05 / len(DECIDED) else "not seen to differ"
        print(f"{arm} {a:.4f}, {control} {b:.4f}, {key}: {a - b:+.4f} ({low:+.4f} to {high:+.4f}), ", end="")
        print(f"p = {test.pvalue:.2g}, {len(pairs)} pairs: {verdict}")
    weight = matched_weight(read_sweep(SWEEP)["rdmreg"])
    print(f"\nequal cost of a small shift: one-sample loss with weight {weight:.2f}")
    print("\nall arms: means over their seeds")
    for arm in dict.fromkeys(arm for arm, _ in runs):
        rows = [run for (name, _), run in runs.items() if name == arm and "failed" not in run]
        means = ", ".join(
            f"{key} {statistics.mean(row[key] for row in rows):.3f}"
            for key in ("encoder_probe", "encoder_knn", "nonzero_fraction", "dead_fraction", "effective_rank") if rows
        )  # fmt: skip
        print(f"{arm} ({len(rows)}): {means}")


if __name__ == "__main__":
    compare() if sys.argv[1:] == ["compare"] else main()
