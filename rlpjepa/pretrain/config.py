"""What decides a run: `PretrainConfig`."""

import dataclasses
import os
import sys
import types
import typing

import torch

from ..data import DATASETS
from ..distributions import GeneralizedGaussian, RectifiedGeneralizedGaussian, unit_variance_scale
from ..model import RectifiedLpJEPA
from ..numerics.arguments import SHAPE

REGULARIZERS = ("rdmreg", "rgg_cf", "sigreg", "none")
SHARES = ("brightness", "contrast", "saturation", "color_jitter_prob", "grayscale_prob", "solarize_prob")
AUGMENTATION = ("crop_min_scale", "interpolation", "hue", *SHARES)


def _option(default, text):
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class PretrainConfig:
    """Configuration of a run; the defaults are the minimal example's. Each field is an option of the command line.

    Raises:
        ValueError: for a value that is not allowed; the message names the field.

    Example:
        >>> config = PretrainConfig(dataset="shapes", backbone="test_byobnet", dim=256, mu=-1.0)
        >>> config.epochs, config.batch_size
        (100, 256)
        >>> round(config.expected_nonzero_fraction(), 3)  # Eq. 11
        0.122
    """

    dataset: str = _option("shapes", "shapes (made on the spot), cifar100, or folder (train/<class>/*, test/<class>/*)")
    data_dir: str | None = _option(None, "folder of the data; else the variable RLPJEPA_DATA, else data/")
    backbone: str = _option("resnet18", "name of a timm model, or 'pixels' for no encoder at all")
    cifar_stem: bool = _option(False, "3x3 stem without pooling in place of a ResNet's 7x7 stem")
    stem_stride: int = _option(1, "stride of that convolution; 2 halves the sides")
    channels: tuple[int, ...] | None = _option(None, "widths of a ResNet's four stages, as timm has it; None: timm's")
    dim: int = _option(512, "width of the projector and of its output")
    p: float = _option(1.0, f"shape of the target, in {SHAPE}: 1 Laplace, 2 Gauss")
    mu: float = _option(0.0, "mean shift of the target before rectification; lower is sparser")
    rectify: bool = _option(True, "end the projector in a ReLU and rectify the target; without, this is LpJEPA")
    rectify_target: bool | None = _option(None, "whether the target is rectified; None: if the projector is")
    regularizer: str = _option(
        "rdmreg", "rdmreg (Eq. 13), rgg_cf (one-sample), sigreg (Eq. 7: target N(0, I) whatever p and mu) or none"
    )
    num_projections: int = _option(256, "random directions per step")
    direction_size: int | None = _option(None, "coordinates that a direction mixes, drawn for each; None: all")
    invariance_weight: float = _option(25.0, "weight of the invariance term")
    regularizer_weight: float = _option(125.0, "weight of the regularizer")
    coordinate_weight: float = _option(
        0.0, "weight of matching each coordinate to the target's quantiles (125 alpha in chapter 05)"
    )
    crop_min_scale: float = _option(0.08, "smallest share of an image's area that a crop covers")
    interpolation: str = _option("bilinear", "how crops are stretched to full size: bilinear or bicubic")
    brightness: float = _option(0.4, "brightness changes by a factor from 1 - brightness to 1 + brightness")
    contrast: float = _option(0.4, "as brightness")
    saturation: float = _option(0.4, "as brightness")
    hue: float = _option(0.1, "turns of the colour circle, at most, in either direction")
    color_jitter_prob: float = _option(1.0, "probability that these four change")
    grayscale_prob: float = _option(0.0, "probability that a view is made grey")
    solarize_prob: float = _option(0.0, "probability that a view is solarized: values from one half on are inverted")
    batch_size: int = _option(256, "images per step, two views each; a last, shorter batch is dropped")
    epochs: int = _option(100, "passes over the training images; 0 evaluates the network as it was initialised")
    optimizer: str = _option("adamw", "adamw, or lars (clipped; biases and norms without weight decay and adaptation)")
    lr: float = _option(1e-3, "learning rate, after the warm-up")
    warmup_epochs: int = _option(0, "epochs in which the learning rate grows, step by step, in a line from 3e-5 to lr")
    schedule: str = _option("constant", "learning rate after the warm-up: constant, or cosine (down to zero)")
    weight_decay: float = _option(1e-4, "weight decay")
    momentum: float = _option(0.9, "LARS's momentum")
    trust_coeff: float = _option(0.001, "LARS's trust coefficient")
    online_probe_lr: float = _option(
        0.0, "learning rate of a linear classifier of the encoder's features that learns beside the network; 0: none"
    )
    seed: int = _option(0, "seed of everything random in the run")
    device: str = _option("auto", "auto (CUDA if there is one, else CPU), cpu, cuda or mps")
    cuda_graph: bool = _option(False, "on CUDA, launch a step's kernels as one CUDA graph")
    checkpoint_seconds: float = _option(60.0, "least time between two checkpoints; one is always written at the end")

    def __post_init__(self):
        for name, given, kind in (("channels", list, tuple), ("data_dir", os.PathLike, str)):  # lists: as files have it
            if isinstance(getattr(self, name), given):
                object.__setattr__(self, name, kind(getattr(self, name)))

        def require(name, holds, allowed):
            if not holds:
                raise ValueError(f"{name} must be {allowed}, got {getattr(self, name)!r}")

        for field in dataclasses.fields(self):
            value, kinds = getattr(self, field.name), types_of(field)
            good = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
            require(field.name, good, " or ".join("None" if k is type(None) else k.__name__ for k in kinds))
            if isinstance(value, (int, float)):
                require(field.name, abs(value) <= sys.float_info.max, "finite")
        require("dataset", self.dataset in DATASETS, f"one of {', '.join(DATASETS)}")
        require("regularizer", self.regularizer in REGULARIZERS, f"one of {', '.join(REGULARIZERS)}")
        require("interpolation", self.interpolation in ("bilinear", "bicubic"), "bilinear or bicubic")
        require("optimizer", self.optimizer in ("adamw", "lars"), "adamw or lars")
        require("schedule", self.schedule in ("constant", "cosine"), "constant or cosine")
        require("device", self.device in ("auto", "cpu", "cuda", "mps"), "auto, cpu, cuda or mps")
        require("stem_stride", self.stem_stride in (1, 2), "1 or 2")
        require("stem_stride", self.stem_stride == 1 or self.cifar_stem, "1 without cifar_stem")
        widths = (1,) * 4 if self.channels is None else self.channels
        good = len(widths) == 4 and all(type(width) is int and width >= 1 for width in widths)
        require("channels", good, "four positive integers")
        require("p", SHAPE.check(self.p), f"in {SHAPE}")
        require("crop_min_scale", 0 < self.crop_min_scale <= 1, "above 0 and at most 1")
        require("hue", 0 <= self.hue <= 0.5, "from 0 to 0.5")
        for name in ("momentum", *SHARES):
            require(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("lr", "trust_coeff"):
            require(name, getattr(self, name) > 0, "positive")
        for name in ("dim", "num_projections"):
            require(name, getattr(self, name) >= 1, "at least 1")
        size = self.direction_size
        require("direction_size", size is None or 1 <= size <= self.dim, f"from 1 to dim ({self.dim})")
        require("batch_size", self.batch_size >= 2, "at least 2: BatchNorm and the loss compare images with each other")
        weights = ("weight_decay", "invariance_weight", "regularizer_weight", "coordinate_weight")
        for name in ("epochs", "online_probe_lr", "seed", "checkpoint_seconds", *weights):
            require(name, getattr(self, name) >= 0, "at least 0")
        require("warmup_epochs", 0 <= self.warmup_epochs <= self.epochs, f"from 0 to epochs ({self.epochs})")
        require("seed", self.seed < 2**63, "less than 2**63")

    @property
    def rectified_target(self):
        """Whether the target is rectified: as the projector is, unless the configuration says otherwise."""
        return self.rectify if self.rectify_target is None else self.rectify_target

    def target(self, device="cpu", dtype=torch.float32):
        """The distribution that each coordinate of z is to follow: a `RectifiedGeneralizedGaussian`, or the
        `GeneralizedGaussian` before rectification, with parameters on the device.
        """
        distribution = RectifiedGeneralizedGaussian if self.rectified_target else GeneralizedGaussian
        loc, scale = (torch.full((), v, dtype=dtype, device=device) for v in (self.mu, unit_variance_scale(self.p)))
        return distribution(loc, scale, self.p)

    def augmentation(self):
        """The options of `rlpjepa.augment.draw_views`."""
        return {name: getattr(self, name) for name in AUGMENTATION}

    def network(self, weights=None):
        """The network: a `RectifiedLpJEPA` on the CPU in float32, with fresh weights or those of a state dict."""
        options = (self.backbone, self.dim, self.rectify, self.cifar_stem, self.stem_stride, self.channels)
        with torch.device("cpu"):  # whatever the program's default device and dtype are
            model = RectifiedLpJEPA(*options).float()
        if weights is not None:
            model.load_state_dict(weights)
        return model

    def compared_with(self):
        """The distribution that the loss compares each coordinate of z with, in float64; None if it compares none."""
        if self.coordinate_weight or (self.regularizer in ("rdmreg", "rgg_cf") and self.regularizer_weight):
            return self.target(dtype=torch.float64)
        normal = self.regularizer == "sigreg" and self.regularizer_weight
        return GeneralizedGaussian(*torch.tensor([0.0, 1.0], dtype=torch.float64, device="cpu"), 2) if normal else None

    def expected_nonzero_fraction(self):
        """Eq. 11's closed form for the target, per coordinate; None where no term of the loss has a rectified one."""
        target = self.compared_with()
        return target.prob_active.item() if isinstance(target, RectifiedGeneralizedGaussian) else None


def types_of(field):
    """The types that a field of `PretrainConfig` accepts; a whole number passes for a float."""
    kinds = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
    kinds = tuple(typing.get_origin(kind) or kind for kind in kinds)
    return (*kinds, int) if float in kinds else kinds


def differences(options, config):
    """The options (a dict, as in a checkpoint or a result) that differ from a configuration and change results."""
    free = {"data_dir", "device", "cuda_graph", "checkpoint_seconds"}  # these do not make it another configuration
    known = {field.name: field.default for field in dataclasses.fields(PretrainConfig)}
    there, here = ({k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}
                   for options in (known | options, dataclasses.asdict(config)))  # fmt: skip
    names = [name for name in sorted((there.keys() | here.keys()) - free) if there.get(name) != here.get(name)]
    return ", ".join(f"{name} {there.get(name)!r} there, {here.get(name)!r} here" for name in names)
