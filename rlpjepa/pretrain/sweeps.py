"""Many runs from one file, of which each is done once, by one process or by several side by side."""

import contextlib
import dataclasses
import itertools
import re
import sys
import tomllib
import traceback
from pathlib import Path

import torch

from ..data import DataError
from ..evaluate import few_threads
from .config import PretrainConfig, differences
from .errors import InUseError, RunError, writing
from .run import pretrain
from .storage import holds_run, read_result, take_lock, write_result


def read_sweep(file, options=None):
    """The runs of a sweep file, {name: `PretrainConfig`}.

    The file is TOML: one table for each run, its options in it, and a table ``defaults`` for what they share.
    ``options`` override both.

    Raises:
        ValueError: if the file cannot be read, or if an option is unknown or not allowed; the message names the run.
    """
    try:
        tables = tomllib.loads(Path(file).expanduser().read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"the sweep file {file} cannot be read: {error}") from error
    defaults, runs = tables.pop("defaults", {}), {}
    for name, table in tables.items():
        try:
            if not re.fullmatch(r"\w[\w.+-]*", name):
                raise ValueError("the name of a run is that of its files: letters, digits and _, then . + - too")
            if not isinstance(table, dict):
                raise ValueError("a run is a table of options")
            table = defaults | table | (options or {})
            if unknown := table.keys() - {field.name for field in dataclasses.fields(PretrainConfig)}:
                raise ValueError(f"no such option: {', '.join(sorted(unknown))}")
            runs[name] = PretrainConfig(**table)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file}, run {name}: {error}") from error
    if not runs:
        raise ValueError(f"{file} names no runs")
    return runs


def run_sweep(file, options=None):
    """Do the runs of a sweep file that are not done yet, one after the other; returns the number of those that failed.

    The result of a run goes to NAME.json beside the file, its folder is runs/FILE/NAME. Started again, a sweep goes on
    where it stopped; started several times, the processes share the runs, and each begins a run with its share of the
    cores.

    Raises:
        ValueError: as `read_sweep`.
        RunError: if a result that lies there belongs to another configuration than the file's, or is none.
    """
    file, failed = Path(file).expanduser(), 0
    runs, root, cores = read_sweep(file, options), Path("runs") / file.stem, torch.get_num_threads()
    done = {name: file.with_name(f"{name}.json") for name in runs}
    for name, path in done.items():
        if path.exists() and (differing := differences(read_result(path)["config"], runs[name])):
            raise RunError(f"{path} belongs to another configuration: {differing}")
    with at_work(root) as count_workers, few_threads(False):  # which gives back the threads at the end
        for name, config in runs.items():
            if done[name].exists():
                continue
            print(name, flush=True)
            torch.set_num_threads(max(1, cores // count_workers()))
            try:
                result, _ = pretrain(config, root / name, resume=holds_run(root / name))
                write_result(done[name], result)
                print(report(result), flush=True)
            except InUseError:
                print(f"{name} is being done by another process", flush=True)
            except (ValueError, DataError, RunError) as error:
                print(f"error: {error}", file=sys.stderr)
                failed += 1
            except Exception:  # what nobody foresaw in one run does not end the others
                traceback.print_exc()
                failed += 1
    return failed


@contextlib.contextmanager
def at_work(root):
    """Each process that is at work on a sweep holds the lock of one numbered file.

    Inside there is a function that tells how many they are, this one included.
    """
    with writing(f"the folder of the runs, {root},"):
        root.mkdir(parents=True, exist_ok=True)
        places = (root / f".worker-{number}" for number in itertools.count())
        own = next(filter(None, map(take_lock, places)))

    def count():
        others = [take_lock(path) for path in root.glob(".worker-*") if path != Path(own.lock_file)]
        for lock in filter(None, others):
            lock.release()
        return 1 + others.count(None)

    try:
        yield count
    finally:
        own.release()


def report(result):
    """The result as a few lines of text."""
    final = result["final"]
    lines = ["            kNN   probe"]
    for name in ("encoder", "projector"):
        lines.append(f"{name:9} {final[f'{name}_knn']:.3f}  {final[f'{name}_probe']:.3f}")
    expected = final["expected_nonzero_fraction"]
    closed_form = "" if expected is None else f" (Eq. 11: {expected:.3f})"
    lines.append(
        f"non-zero {final['nonzero_fraction']:.3f}{closed_form}, dead features {final['dead_fraction']:.3f}, "
        f"{final['seconds']:.0f} s"
    )
    return "\n".join(lines)
