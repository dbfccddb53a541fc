"""How far are cone and surface measure apart in high dimension (exercise 01.6)? Run from the repository root:

    python notebooks/solutions/experiments/cone.py

The ratio of the two measures grows with the norm of the slopes, so their total variation distance is the largest
difference between the shares of draws, from either measure, in which that norm exceeds a limit: the statistic of the
Kolmogorov-Smirnov test. For p < 1/2 the squared norm is, in high dimension, a sum of independent
numbers without a mean, whose distribution is near a positive stable one; the limit of the distance comes from draws of that.
Takes some minutes of one thread; writes notebooks/results/experiments/cone.json.
"""

import json
import math
import pathlib
import platform

import numpy as np
import scipy
import scipy.stats
import torch

from rlpjepa import sample_cone, sample_surface
from rlpjepa.pretrain.provenance import commit_of, processor, today

RESULTS = pathlib.Path(__file__).parents[2] / "results" / "experiments"

SHAPES, DIMENSIONS = (0.25, 0.4, 0.5, 0.6, 0.75), (2, 8, 32, 128, 512, 2048)
DRAWS, BLOCK = 10_000, 1000


def norms_of_slopes(sample, d, p, generator):
    """log of the norm of the slopes |u_i|^(p - 1), for DRAWS points: (DRAWS,)."""
    blocks = (sample(BLOCK, d, p, dtype=torch.float64, generator=generator) for _ in range(DRAWS // BLOCK))
    return torch.cat([(2 * (p - 1) * u.abs().log()).logsumexp(1) / 2 for u in blocks]).numpy()


def limit(p):
    """The distance that is left as d grows, p < 1/2: E max(1 - ρ, 0) with ρ the root of a stable number, of mean 1."""
    alpha = 1 / (2 - 2 * p)
    scale = math.cos(math.pi * alpha / 2) ** (1 / alpha)  # then E exp(-s x) = exp(-s^alpha)
    x = scipy.stats.levy_stable.rvs(alpha, 1, scale=scale, size=10**6, random_state=np.random.default_rng(0))
    root = np.sqrt(np.maximum(x, 0)) * math.gamma(0.5) / math.gamma(1 - 1 / (2 * alpha))
    return np.maximum(1 - root, 0).mean()


def provenance():
    """Where the result comes from."""
    return {
        "command": "python notebooks/solutions/experiments/cone.py",
        "commit": commit_of(__file__),
        "date": today(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "hardware": processor(),
        "threads": torch.get_num_threads(),
    }


def main():
    torch.set_num_threads(1)
    origin = provenance()
    generator, table = torch.Generator().manual_seed(0), {}
    for p in SHAPES:
        table[str(p)] = {}
        for d in DIMENSIONS:
            cone, surface = (norms_of_slopes(sample, d, p, generator) for sample in (sample_cone, sample_surface))
            table[str(p)][str(d)] = round(float(scipy.stats.ks_2samp(cone, surface).statistic), 4)
        print(f"p = {p}: {table[str(p)]}", flush=True)
    limits = {str(p): round(float(limit(p)), 4) for p in SHAPES if p < 0.5}
    print("limits:", limits)
    record = {"draws": DRAWS, "distance": table, "limit": limits, "provenance": origin}
    (RESULTS / "cone.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
