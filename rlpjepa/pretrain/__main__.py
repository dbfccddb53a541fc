"""The command line: ``python -m rlpjepa.pretrain --help``."""

import argparse
import dataclasses
import datetime
import difflib
import os
import secrets
import sys
import webbrowser
from pathlib import Path

from ..data import DataError
from .config import PretrainConfig, types_of
from .errors import RunError
from .run import pretrain
from .sweeps import report, run_sweep


def parse_arguments(arguments=None):
    """The parser, and what it read; options of `PretrainConfig` are there if they were given."""
    parser = argparse.ArgumentParser(
        prog="python -m rlpjepa.pretrain",
        description="Pretrain Rectified LpJEPA, evaluate it, and leave log, checkpoint, result and figure in a folder.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for field in dataclasses.fields(PretrainConfig):
        kind = {"type": types_of(field)[0]}
        if bool in types_of(field):
            kind = {"action": argparse.BooleanOptionalAction}
        elif tuple in types_of(field):
            kind = {"type": int, "nargs": "+"}
        text = f"{field.metadata['help']} (default: {field.default})".replace("%", "%%")
        parser.add_argument("--" + field.name.replace("_", "-"), help=text, **kind)
    parser.add_argument("--run-dir", default=None, help="folder of this run (default: a new one in runs/)")
    parser.add_argument("--resume", action="store_true", default=False, help="go on from the checkpoint in --run-dir")
    parser.add_argument(
        "--sweep", default=None, metavar="FILE",
        help="do all runs of a TOML file, one table of options each, [defaults] for all; results go beside the file, "
        "finished runs are skipped, interrupted ones go on; options given here override the file's",
    )  # fmt: skip
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        options = ["--" + field.name.replace("_", "-") for field in dataclasses.fields(PretrainConfig)]
        near = difflib.get_close_matches(unknown[0].split("=")[0], [*options, "--run-dir", "--resume", "--sweep"], 1)
        hint = f": did you mean {near[0]}?" if near else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return parser, given


def new_run_dir(dataset):
    """A name in runs/ for a new run: its time, and letters of its own, as several may start in one second."""
    return f"runs/{dataset}-{datetime.datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def main(arguments=None):
    """Run from the command line; returns the exit status."""
    parser, given = parse_arguments(arguments)
    options = vars(given)
    run_dir, resume, sweep_file = (options.pop(name) for name in ("run_dir", "resume", "sweep"))
    if resume and not run_dir:
        parser.error("--resume needs the --run-dir of the run to go on with")
    if sweep_file and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        parser.error("--sweep is for single processes: start it without torchrun, several times to run side by side")
    if sweep_file and run_dir:
        parser.error("--sweep chooses the folders of its runs itself: leave out --run-dir")
    try:
        if sweep_file:
            return 2 if run_sweep(sweep_file, options) else 0
        try:
            config = PretrainConfig(**options)
        except ValueError as error:
            parser.error(str(error))
        run_dir = Path(run_dir or new_run_dir(config.dataset)).expanduser()
        result, _ = pretrain(config, run_dir, resume=resume)
    except KeyboardInterrupt:
        return 130
    except (ValueError, DataError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if result is None:  # not the first rank
        return 0
    print(report(result))
    figure = (run_dir / "figure.png").resolve()
    if figure.exists():
        print(f"figure  {figure}")
        if sys.stdout.isatty() and (sys.platform != "linux" or os.environ.get("DISPLAY")):
            webbrowser.open(figure.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main())
