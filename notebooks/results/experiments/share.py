"""What moves the share of non-zero features in a network? ("What moves the share" in plan.md.) From the repository root:

    python notebooks/results/experiments/share.py

A run takes a minute or two of one thread; stopped and started again, it goes on with the runs that are missing. Writes
share.json beside this file.
"""

import dataclasses
import json
import tempfile
from pathlib import Path

from rlpjepa.pretrain import PretrainConfig, pretrain
from rlpjepa.pretrain.storage import write_atomically

RESULTS = Path(__file__).resolve().with_suffix(".json")
BASE = PretrainConfig(backbone="test_byobnet", dim=256, lr=2e-3, epochs=12, mu=-1.0, device="cpu")
ARMS = {
    "base": {},
    "no invariance": {"invariance_weight": 0.0},
    "8192 directions": {"num_projections": 8192},
    "quarter rate": {"lr": 5e-4},
    "fourfold rate": {"lr": 8e-3},
    "36 epochs": {"epochs": 36},
    "no regularizer": {"regularizer": "none"},
}
SEEDS = (10, 11, 12)

if __name__ == "__main__":
    runs = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"] if RESULTS.exists() else []
    for seed in SEEDS:
        for arm, options in ARMS.items():
            if any((run["arm"], run["seed"]) == (arm, seed) for run in runs):
                continue
            config = dataclasses.replace(BASE, seed=seed, **options)
            with tempfile.TemporaryDirectory() as folder:
                result, _ = pretrain(config, Path(folder) / "run", progress=False)
            final, epochs = result["final"], result["epochs"]
            runs.append({
                "arm": arm,
                "seed": seed,
                "final": {name: round(final[name], 4) for name in ("nonzero_fraction", "dead_fraction", "encoder_knn")},
                "regularizer": float(f"{epochs[-1]['regularizer']:.4g}"),
                "train_nonzero": [round(epoch["nonzero_fraction"], 4) for epoch in epochs],
                "test_nonzero": [round(epoch["test_nonzero"], 4) for epoch in epochs],
                "provenance": {key: result["provenance"][key] for key in ("commit", "versions", "hardware", "precision")},
            })  # fmt: skip
            write_atomically(RESULTS, json.dumps({"asked": final["expected_nonzero_fraction"], "runs": runs}, indent=1))
            print(arm, seed, runs[-1]["final"], flush=True)
