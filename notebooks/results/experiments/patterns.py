"""How much of a vote is in which features are on? ("What the on/off pattern carries" in plan.md.) From the repository root:

    python notebooks/results/experiments/patterns.py

A run takes a minute or two of one thread; stopped and started again, it goes on with the runs that are missing. Writes
patterns.json beside this file.
"""

import json
import tempfile
from pathlib import Path

import torch

from rlpjepa import RectifiedLpJEPA, knn_accuracy, make_shapes
from rlpjepa.evaluate import extract_features, set_batchnorm_statistics
from rlpjepa.pretrain import PretrainConfig, load_run, pretrain
from rlpjepa.pretrain.storage import write_atomically

RESULTS = Path(__file__).resolve().with_suffix(".json")
BASE = {"backbone": "test_byobnet", "dim": 256, "lr": 2e-3, "epochs": 12, "device": "cpu"}
ARMS = {
    "untrained": None,
    "sparse": {"mu": -1.0},
    "dense": {"p": 2.0, "rectify": False, "regularizer": "sigreg", "regularizer_weight": 250.0},
}
SEEDS = (10, 11, 12)


def votes(model, data):
    """Share of correct votes by h, by z, and by which entries of z are above zero; and the share of those."""
    h, z = extract_features(model, data, data.test_images)
    train_h, train_z = extract_features(model, data, data.train_images)
    pairs = {"h": (train_h, h), "z": (train_z, z), "pattern": ((train_z > 0).float(), (z > 0).float())}
    found = {name: knn_accuracy(a, data.train_labels, b, data.test_labels) for name, (a, b) in pairs.items()}
    return {name: round(value, 4) for name, value in found.items()} | {"share": round((z > 0).float().mean().item(), 4)}


def main():
    data = make_shapes()
    runs = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"] if RESULTS.exists() else []
    for seed in SEEDS:
        for arm, options in ARMS.items():
            if any((run["arm"], run["seed"]) == (arm, seed) for run in runs):
                continue
            with tempfile.TemporaryDirectory() as folder:
                if options is None:
                    torch.manual_seed(seed)
                    model, provenance = RectifiedLpJEPA(BASE["backbone"], BASE["dim"]), {}
                    set_batchnorm_statistics(model, data)
                else:
                    result, _ = pretrain(
                        PretrainConfig(seed=seed, **BASE, **options), Path(folder) / "run", progress=False
                    )
                    model, _ = load_run(Path(folder) / "run")
                    provenance = {key: result["provenance"][key] for key in ("commit", "versions", "hardware")}
            runs.append({"arm": arm, "seed": seed} | votes(model, data) | {"provenance": provenance})
            write_atomically(RESULTS, json.dumps({"runs": runs}, indent=1) + "\n")
            print(runs[-1], flush=True)


if __name__ == "__main__":
    main()
