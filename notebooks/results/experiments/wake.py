"""Does it help to wake dead coordinates (exercise 05.6)? Run from the repository root:

    python notebooks/results/experiments/wake.py

The run of chapter 05 with p = 1, mu = -2 on the embedded images, with and without a penalty on what enters the last
ReLU: its mean over coordinates of ReLU(-largest value in the batch). Takes five runs of two to eight minutes on a
busy core; writes wake.json beside this file.
"""

import importlib
import json
import pathlib
import tempfile

import torch

from rlpjepa import PretrainConfig, RectifiedLpJEPA, objective

RUNS = ((-2.0, 0, 0), (-2.0, 1, 0), (-2.0, 0, 1), (-2.0, 1, 1), (-2.6, 1, 0))  # mu, weight of the penalty, seed
training = importlib.import_module("rlpjepa.pretrain")


class Watched(RectifiedLpJEPA):
    """Keeps what enters the last ReLU."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.projector[-1].register_forward_pre_hook(lambda relu, inputs: setattr(Watched, "latest", inputs[0]))


def run(mu, weight, seed):
    """Pretrain once; the result as `pretrain` returns it."""

    def penalised(*arguments, **options):
        parts = objective(*arguments, **options)
        parts["loss"] = parts["loss"] + weight * torch.relu(-Watched.latest.amax(dim=0)).mean()
        return parts

    training.RectifiedLpJEPA, training.objective = Watched, penalised
    config = PretrainConfig(
        dataset="shapes", backbone="test_byobnet", dim=256, lr=2e-3, epochs=12, mu=mu, seed=seed, device="cpu"
    )
    with tempfile.TemporaryDirectory() as folder:
        result, _ = training.pretrain(config, pathlib.Path(folder) / "run", progress=False)
    return {"penalty_weight": weight, **result}


def main():
    results = []
    for mu, weight, seed in RUNS:
        results.append(run(mu, weight, seed))
        print(f"mu = {mu}, weight {weight}, seed {seed}:", results[-1]["final"], flush=True)
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
