"""Add to an older result file what is kept today: ``python -m rlpjepa.pretrain.add --help``."""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from ..data import DataError, load_data
from ..evaluate import extract_features, few_threads, l0_fraction
from . import provenance
from .config import PretrainConfig, differences, read_network
from .describe import describe_features
from .errors import RunError
from .storage import load_tensors, read_result, write_result


def add_descriptions(result_file, source, data_dir=None):
    """Add what `describe_features` finds to a result file, where it is not there yet.

    Args:
        result_file: path of the result, which is rewritten.
        source: path of a checkpoint, of the network's weights (a state dict, perhaps in half precision), or of an
            ``.npz`` file that holds z of the test images, (N, D). The first two need the run's data.
        data_dir: as in `load_data`.

    Returns:
        The names of what was added.

    Raises:
        RunError: if a file cannot be read, or if the source is of another run: its share of non-zero entries differs
            by more than a thousandth.
        DataError: if the data is missing or damaged.
    """
    result_file, source = Path(result_file).expanduser(), Path(source).expanduser()
    result = read_result(result_file)
    try:
        config, final = PretrainConfig(**result["config"]), result["final"]
        measured = final["nonzero_fraction"]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{result_file} is not a result of this program: {error!r}") from error
    z = _read_z(source) if source.suffix == ".npz" else _compute_z(source, config, data_dir)
    share = l0_fraction(z)
    if abs(share - measured) > 1e-3:
        raise RunError(
            f"{source} is not of the run of {result_file}: {share:.4f} of its entries are non-zero, "
            f"{measured:.4f} in the result"
        )
    found = {name: value for name, value in describe_features(z, config).items() if name not in final}
    if found:
        added = {"commit": provenance.commit_of(__file__), "date": provenance.today(), "from": source.name}
        result["final"] = final | found | {"added": added}
        write_result(result_file, result)
    return sorted(found)


def _read_z(source):
    import numpy

    try:
        with numpy.load(source) as arrays:
            z = torch.from_numpy(arrays["z"]).float()
        if z.dim() != 2:
            raise ValueError(f"z must be of shape (N, D), got {tuple(z.shape)}")
        return z
    except Exception as error:  # numpy fails in many ways, too
        raise RunError(f"{source} holds no z of the test images: {error}") from error


def _compute_z(source, config, data_dir):
    state = load_tensors(source, "cpu")
    if isinstance(state, dict) and "model" in state:  # a checkpoint
        if differing := differences(state["config"], config):
            raise RunError(f"{source} belongs to another configuration: {differing}")
        state = state["model"]
    model, _ = read_network(dataclasses.asdict(config), state, source)
    data = load_data(config.dataset, data_dir)
    with few_threads(sum(weight.numel() for weight in model.parameters()) < 1_000_000):
        return extract_features(model, data, data.test_images)[1]


def main(arguments=None):
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m rlpjepa.pretrain.add", description=__doc__.split(": ")[0])
    parser.add_argument("result", help="the result file; what it has stays")
    parser.add_argument("source", help="a checkpoint, a file of weights, or z of the test images (.npz)")
    parser.add_argument("--data-dir", help="folder of the data; else the variable RLPJEPA_DATA, else data/")
    options = parser.parse_args(arguments)
    try:
        added = add_descriptions(options.result, options.source, options.data_dir)
    except (DataError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"added {', '.join(added)}" if added else "nothing to add: it is all there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
