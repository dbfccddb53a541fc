"""Does it help to wake dead coordinates (exercise 05.6)? Run from the repository root:

    python notebooks/solutions/experiments/wake.py

The run of chapter 05 with p = 1, mu = -2 on the embedded images, with and without a penalty on what enters the last
ReLU: its mean over coordinates of ReLU(-largest value in the batch). Five runs of about a minute; writes
notebooks/results/experiments/wake.json.
"""

import dataclasses
import json
import pathlib
import time

import torch

from rlpjepa import RectifiedLpJEPA, evaluate, load_data, objective, random_directions, rdmreg_loss
from rlpjepa.pretrain import PretrainConfig, provenance
from rlpjepa.train import has_fast_bfloat16, train

RUNS = ((-2.0, 0, 0), (-2.0, 1, 0), (-2.0, 0, 1), (-2.0, 1, 1), (-2.6, 1, 0))  # mu, weight of the penalty, seed
CPU = torch.device("cpu")


def run(mu, weight, seed):
    """Train and evaluate once: {"penalty_weight", "config", "provenance", "epochs", "final"}."""
    config = PretrainConfig(backbone="test_byobnet", dim=256, lr=2e-3, epochs=12, mu=mu, seed=seed, device="cpu")
    data, target, started = load_data(config.dataset), config.target(), time.perf_counter()
    torch.manual_seed(seed)  # for the initial weights
    model = RectifiedLpJEPA(config.backbone, config.dim).to(memory_format=torch.channels_last)
    model.projector[-1].register_forward_pre_hook(lambda relu, inputs: setattr(model, "before_relu", inputs[0]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(seed)

    def penalised(z, model):
        directions = random_directions(config.num_projections, config.dim, generator=generator)
        samples = target.sample(z.shape[1:], generator=generator)
        parts = objective(z, rdmreg_loss(z, samples, directions=directions))
        penalty = torch.relu(-model.before_relu.amax(dim=0)).mean()
        return parts | {"loss": parts["loss"] + weight * penalty, "penalty": penalty}

    steps = len(data.train_images) // config.batch_size
    course = train(
        model, data, penalised, optimizer, steps=config.epochs * steps, batch_size=config.batch_size,
        generator=generator,
    )  # fmt: skip
    means = {name: part.view(config.epochs, steps).mean(dim=1).tolist() for name, part in course.items()}
    final = evaluate(model, data) | {"expected_nonzero_fraction": target.prob_active.item()}
    return {
        "penalty_weight": weight,
        "config": dataclasses.asdict(config),
        "provenance": provenance.describe(CPU, "bfloat16 autocast" if has_fast_bfloat16(CPU) else "float32", data.md5),
        "epochs": [{"epoch": k + 1, **{name: means[name][k] for name in means}} for k in range(config.epochs)],
        "final": final | {"seconds": round(time.perf_counter() - started, 1)},
    }


def main():
    torch.set_num_threads(1)
    results = []
    for mu, weight, seed in RUNS:
        results.append(run(mu, weight, seed))
        print(f"mu = {mu}, weight {weight}, seed {seed}:", results[-1]["final"], flush=True)
    path = pathlib.Path(__file__).resolve().parents[2] / "results" / "experiments" / "wake.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
