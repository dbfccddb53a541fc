"""Chapter 05. A whole pretraining run around `rlpjepa.train.train_step`: configuration, log, checkpoints, result.

On the command line ``python -m rlpjepa.pretrain --help``; in Python `pretrain`, and `load_run` for what a run left.
"""

from .config import PretrainConfig
from .errors import RunError
from .run import load_run, pretrain
from .storage import holds_run

__all__ = ["PretrainConfig", "RunError", "holds_run", "load_run", "pretrain"]
