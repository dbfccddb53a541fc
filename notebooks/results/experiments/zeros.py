"""How many entries are exactly zero when free points minimise RDMReg (claim R7)? Run from the repository root:

    python notebooks/results/experiments/zeros.py

B points in D dimensions are driven by Adam, against fresh target samples in every step, and the non-zero entries are
counted. The target is RGG with p = 1, mu = 0, of which half of the entries are non-zero (Eq. 11). The points are either
the ReLU of free parameters, or parameters that are clamped at zero after every step. All variants of one group see the
same targets and directions. Takes a bit over an hour of one thread; writes zeros.json beside this file.
"""

import datetime
import json
import math
import pathlib
import platform
import time

import numpy
import torch

from rlpjepa import (
    RectifiedGeneralizedGaussian,
    coordinate_loss,
    random_directions,
    rdmreg_loss,
    sample_rgg,
    unit_variance_scale,
)
from rlpjepa.pretrain.provenance import commit_of, processor

P, MU, B, STEPS, SEEDS = 1.0, 0.0, 256, 1500, 5
DIRECTIONS = {2: 64, 512: 256}  # N, for each D
COUNT_AT = (0, 10, 30, 100, 200, 300, 500, 700, 900, 1100, 1300, 1500)
THRESHOLDS = (1e-3, 1e-2, 1e-1)
LAW = RectifiedGeneralizedGaussian(MU, unit_variance_scale(P), P)


def mixing_directions(n, d, k, generator):
    """(n, d): unit directions that mix k randomly chosen coordinates and leave out the others."""
    chosen = torch.rand(n, d, generator=generator).topk(k, dim=1).indices
    values = torch.randn(n, k, generator=generator)
    return torch.nn.functional.normalize(torch.zeros(n, d).scatter_(1, chosen, values), dim=1)


def draw_directions(kind, d, generator):
    """(n, d): N random ones (also for `quantiles`), these and the axes (`axes`), or those that mix k coordinates."""
    if kind.startswith("k = "):
        return mixing_directions(DIRECTIONS[d], d, int(kind.removeprefix("k = ")), generator)
    directions = random_directions(DIRECTIONS[d], d, generator=generator)
    return torch.cat([directions, torch.eye(d)]) if kind == "axes" else directions


def start_points(start, d, generator):
    """(B, D) parameters; what is negative is a zero of the points."""
    if start == "normal":  # half of the entries non-zero, from another distribution than the target's
        return torch.randn(B, d, generator=generator)
    if start == "positive":  # every entry non-zero
        return torch.randn(B, d, generator=generator).abs()
    return sample_rgg((B, d), p=P, mu=MU, generator=generator)  # a sample of the target


def variant(points="relu", lr=0.01, start="normal", schedule="constant"):
    return {"points": points, "lr": lr, "start": start, "schedule": schedule}


BOTH = [variant(points) for points in ("relu", "clamp")]
MANY = BOTH + [
    *(variant(points, lr=lr) for lr in (0.001, 0.1) for points in ("relu", "clamp")),
    *(variant(points, schedule="linear to 0") for points in ("relu", "clamp")),
    *(variant(points, start="target") for points in ("relu", "clamp")),
    variant("relu", start="positive"),
]
GROUPS = [  # (D, directions, variants)
    (2, "random", MANY), (2, "axes", BOTH), (2, "k = 1", BOTH), (2, "quantiles", BOTH),
    (512, "random", MANY), (512, "axes", BOTH), (512, "k = 16", BOTH), (512, "quantiles", BOTH),
]  # fmt: skip


def optimise(d, kind, variants, seed):
    """One run of every variant, side by side on the same draws: a list of results."""
    generator = torch.Generator().manual_seed(1000 * seed + d)
    starts = {name: start_points(name, d, generator) for name in ("normal", "positive", "target")}
    parameters = [starts[v["start"]].clone() for v in variants]
    for w, v in zip(parameters, variants):
        if v["points"] == "clamp":
            w.clamp_(min=0)
        w.requires_grad_()
    optimizer = torch.optim.Adam([{"params": [w], "lr": v["lr"]} for w, v in zip(parameters, variants)])
    trajectories = [[] for _ in variants]

    def points():
        return torch.stack([w.relu() if v["points"] == "relu" else w for w, v in zip(parameters, variants)])

    for step in range(STEPS + 1):
        if step in COUNT_AT:
            for z, trajectory in zip(points().detach(), trajectories):
                trajectory.append((z > 0).float().mean().item())
        if step == STEPS:
            break
        for group, v in zip(optimizer.param_groups, variants):
            if v["schedule"] != "constant":
                group["lr"] = v["lr"] * (1 - step / STEPS)
        target = sample_rgg((B, d), p=P, mu=MU, generator=generator)
        z = points()  # (variants, B, D)
        loss = rdmreg_loss(z, target, directions=draw_directions(kind, d, generator))
        if kind == "quantiles":
            loss = loss + coordinate_loss(z, LAW)
        optimizer.zero_grad()
        (len(variants) * loss).backward()  # the mean over variants becomes their sum: each has its own gradient
        optimizer.step()
        with torch.no_grad():
            for w, v in zip(parameters, variants):
                if v["points"] == "clamp":
                    w.clamp_(min=0)

    z = points().detach()
    sample = sample_rgg((B, d), p=P, mu=MU, generator=generator)  # what the same losses give for the target itself
    losses = []
    for _ in range(10):
        target = sample_rgg((B, d), p=P, mu=MU, generator=generator)
        directions = random_directions(DIRECTIONS[d], d, generator=generator)
        losses.append([rdmreg_loss(cloud, target, directions=directions).item() for cloud in (*z, sample)])
    losses = torch.tensor(losses).mean(0).tolist()
    results = []
    for cloud, v, trajectory, loss in zip(z, variants, trajectories, losses):
        final = {
            "nonzero": trajectory[-1],
            **{f"above_{threshold:g}": (cloud > threshold).float().mean().item() for threshold in THRESHOLDS},
            "dead_coordinates": (cloud == 0).all(0).float().mean().item(),
            "mean": cloud.mean().item(),
            "variance": cloud.var(0).mean().item(),
            "loss_random_directions": loss,
            "loss_of_a_target_sample": losses[-1],
        }
        results.append({"d": d, "directions": kind, **v, "seed": seed, "nonzero_at": trajectory, "final": final})
    return results


def provenance(script):
    """Where a result of a script in this folder comes from."""
    return {
        "command": f"python notebooks/results/experiments/{script}",
        "commit": commit_of(pathlib.Path(__file__).with_name(script)),
        "date": datetime.date.today().isoformat(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__},
        "hardware": processor(),
        "threads": torch.get_num_threads(),
    }


def main():
    torch.set_num_threads(1)
    runs, started, origin = [], time.perf_counter(), provenance("zeros.py")
    settings = {
        "p": P, "mu": MU, "B": B, "num_projections": DIRECTIONS, "steps": STEPS, "seeds": SEEDS, "count_at": COUNT_AT,
        "thresholds": THRESHOLDS, "optimizer": "Adam, betas (0.9, 0.999), eps 1e-8", "coordinate_weight": 1.0,
        "expected_nonzero": LAW.prob_active.item(),
    }  # fmt: skip
    for seed in range(SEEDS):
        for d, kind, variants in GROUPS:
            runs += optimise(d, kind, variants, seed)
            seconds = time.perf_counter() - started
            print(f"{seconds:6.0f} s  seed {seed}, D = {d}, {kind}", flush=True)
            for run in runs[-len(variants) :]:
                assert all(math.isfinite(x) for x in run["final"].values())
                print("         ", {k: v for k, v in run.items() if k not in ("final", "d", "directions", "seed")})
                print("         ", {k: round(v, 4) for k, v in run["final"].items()}, flush=True)
        result = {"settings": settings, "provenance": origin, "seconds": round(seconds), "runs": runs}
        text = json.dumps(result, indent=1)
        pathlib.Path(__file__).with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
