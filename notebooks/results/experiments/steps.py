"""Does the training step of version 0.2 reach what that of 0.1 did? (plan.md) Run from the repository root:

    python notebooks/results/experiments/steps.py 0.2

with the name under which the runs are kept; ten runs of about a minute. The runs of 0.1 were made in a checkout of
commit b26ea55, by this script (PYTHONPATH names the checkout). The runs go to steps.json beside this file. Without a
name it compares what is there.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SEEDS = range(20, 30)
OPTIONS = "--dataset shapes --backbone test_byobnet --dim 256 --lr 2e-3 --epochs 12 --mu -1 --device cpu"
KEPT = ("encoder_knn", "encoder_probe", "projector_knn", "projector_probe", "nonzero_fraction", "dead_fraction")


def run(seed):
    """One run in a process of its own: its provenance, and the six numbers."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rlpjepa.pretrain", *OPTIONS.split(), "--seed", str(seed)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([*command, "--run-dir", f"{folder}/run"], check=True, capture_output=True, env=environment)
        result = json.loads(Path(folder, "run", "result.json").read_text(encoding="utf-8"))
    return result["provenance"], {"seed": seed} | {name: round(result["final"][name], 6) for name in KEPT}


def compare(results):
    """For each number the two means, their standard deviations over seeds, and Welch's test."""
    from scipy import stats

    for key in KEPT:
        old, new = ([run[key] for run in results[name]["runs"]] for name in ("0.1", "0.2"))
        means = ", ".join(f"{statistics.mean(x):.4f} (deviation {statistics.stdev(x):.4f})" for x in (old, new))
        print(f"{key:17} {means}, p = {stats.ttest_ind(old, new, equal_var=False).pvalue:.3f}")


def main(name=None):
    path = Path(__file__).with_suffix(".json")
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if name is None:
        return compare(results)
    runs = []
    for seed in SEEDS:
        provenance, numbers = run(seed)
        runs.append(numbers)
        print(numbers, flush=True)
        results[name] = {"provenance": provenance, "runs": runs}
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
