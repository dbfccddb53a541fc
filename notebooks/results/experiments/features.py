"""Keep the projector's output z of some test images beside a result, in half precision. Run from the repository root:

    python notebooks/results/experiments/features.py RESULT.json SOURCE

SOURCE is the folder of the run, or a file (.npz) that holds z of all its test images. Writes RESULT_z.npz: z (N, D)
float16, label (N,), index (N,) among the test images, the names of the classes, and from which commit. Values below 6e-8
become zero.
"""

import argparse
import json
import pathlib

import numpy
import torch

from rlpjepa import extract_features
from rlpjepa.data import load_data
from rlpjepa.pretrain import load_run
from rlpjepa.pretrain.run import choose_device


def choose(labels, first, kinds, each):
    """Indices of the first images, or of the first few of some kinds."""
    if kinds:
        return torch.cat([(labels == kind).nonzero()[:each, 0] for kind in kinds])
    return torch.arange(min(first, len(labels)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("--data-dir")
    parser.add_argument("--first", type=int, default=2000, help="how many images, from the first one on")
    parser.add_argument("--kinds", type=int, nargs="*", help="instead: images of these classes ...")
    parser.add_argument("--each", type=int, default=16, help="... and how many of each")
    options = parser.parse_args()
    result = json.loads(options.result.read_text(encoding="utf-8"))
    data = load_data(result["config"]["dataset"], options.data_dir)
    index = choose(data.test_labels, options.first, options.kinds, options.each)
    if options.source.is_dir():
        torch.set_num_threads(1)
        device = choose_device("auto")
        model, there = load_run(options.source)[0].to(device), data.to(device)
        z = extract_features(model, there, there.test_images)[1].cpu().numpy()
    else:
        with numpy.load(options.source) as arrays:
            z = arrays["z"]
    share, measured = (z > 0).mean(), result["final"]["nonzero_fraction"]
    if result["config"]["rectify"] and abs(share - measured) > 1e-3:
        parser.error(f"{options.source} is of another run: {share:.4f} non-zero, {measured:.4f} in the result")
    numpy.savez_compressed(
        options.result.with_name(f"{options.result.stem}_z.npz"),
        z=z[index].astype(numpy.float16),
        label=data.test_labels[index].numpy().astype(numpy.uint8),
        index=index.numpy().astype(numpy.uint16),
        classes=numpy.array(data.classes),
        commit=result["provenance"]["commit"],
    )


if __name__ == "__main__":
    main()
