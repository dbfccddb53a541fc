"""Chapter 05. The network: any backbone, of timm or of one's own, then a projector that ends in a ReLU."""

import contextlib
import difflib

import torch
from torch import nn
from torch.nn import functional as F

from .numerics.arguments import check_counts, without_autocast


class RectifiedLpJEPA(nn.Module):
    """Encoder and projector, z = ReLU(g₂(g₁(x))) (section "Rectified LpJEPA").

    Args:
        backbone: the name of a timm model, built without its classification head, for 32×32 images where it takes one
            size alone (a vision transformer), and with random weights. Or a module of your own that maps images
            (B, 3, H, W) to (B, width): feature maps and tokens are to be pooled in it. The name "pixels" stands for no
            encoder at all: the features are the pixels, a baseline.
        dim: width of the projector.
        rectify: whether z passes through the last ReLU.
        cifar_stem: replace a ResNet's 7×7 stride-2 stem and max-pooling by one 3×3 convolution, so that a 32×32 image
            reaches the first block at full size instead of as 8×8.
        stem_stride: of that convolution; 2 halves the sides.
        channels: widths of a ResNet's four stages, as timm has it; None means timm's own, (64, 128, 256, 512).

    Shapes: images (B, 3, H, W) -> (features (B, width of the backbone's output), z (B, dim)). The width is found with
    one 3×32×32 image, in evaluation mode; where a network of timm takes larger ones alone, timm says it. The projector
    is made in the dtype of the backbone's weights and on their device; images are brought to that dtype.

    Raises:
        ValueError: for an unknown backbone, one that does not map an image to (1, width), ``cifar_stem`` on a network
            without a ResNet's stem, ``stem_stride`` without ``cifar_stem``, ``channels`` that the network does not
            take, or one of these three with a module of your own.

    Example:
        >>> features, z = RectifiedLpJEPA("pixels", dim=16)(torch.rand(4, 3, 32, 32))
        >>> features.shape, z.shape, bool((z >= 0).all())
        (torch.Size([4, 3072]), torch.Size([4, 16]), True)
        >>> mine = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
        >>> RectifiedLpJEPA(mine, dim=16)(torch.rand(4, 3, 32, 32))[0].shape
        torch.Size([4, 8])
    """

    def __init__(self, backbone="resnet18", dim=512, rectify=True, cifar_stem=False, stem_stride=1, channels=None):
        super().__init__()
        self.backbone = create_backbone(backbone, cifar_stem, stem_stride, channels)
        self.projector = create_projector(find_width(self.backbone), dim, rectify)
        self.projector.to(first_weight(self.backbone))  # dtype and device

    def forward(self, x):
        features = self.backbone(x.to(self.projector[0].weight.dtype))
        return features, self.projector(features)


@torch.no_grad()
def find_width(backbone):
    """How many features a network makes of an image. ValueError if it does not return (images, width)."""
    weight = first_weight(backbone)
    try:
        with changed(*((module, "training", False) for module in backbone.modules())):
            features = backbone(torch.zeros(1, 3, 32, 32, dtype=weight.dtype, device=weight.device))
    except Exception as error:  # whatever a stranger's code raises
        # Some backbones end in a wider layer than the last feature map has channels: timm calls that head_hidden_size.
        if width := getattr(backbone, "head_hidden_size", None) or getattr(backbone, "num_features", None):
            return width
        raise ValueError(f"backbone does not take images (1, 3, 32, 32) of {weight.dtype}: {error}") from error
    shape = tuple(features.shape) if isinstance(features, torch.Tensor) else type(features).__name__
    if not isinstance(features, torch.Tensor) or features.dim() != 2 or len(features) != 1:
        raise ValueError(f"backbone must return (images, width), pooled and flattened; of one image it makes {shape}")
    return features.shape[1]


def first_weight(backbone):
    """It tells dtype and device of a network; of one without weights, torch's defaults."""
    return next(backbone.parameters(), torch.empty(0))


@contextlib.contextmanager
def changed(*settings):
    """Of each (owner, name, value) the owner's attribute has that value inside, and afterwards what it had before."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in settings]
    try:
        for setting in settings:
            setattr(*setting)
        yield
    finally:
        for setting in before:
            setattr(*setting)


def create_backbone(name, cifar_stem=False, stem_stride=1, channels=None):
    """Build a timm backbone without its head, (B, 3, H, W) -> (B, width); a module stays as it is."""
    if isinstance(name, nn.Module):
        if cifar_stem or stem_stride != 1 or channels:
            raise ValueError("cifar_stem, stem_stride and channels are for backbones by name, got a module")
        return name
    if stem_stride != 1 and not cifar_stem:
        raise ValueError(f"stem_stride is that of cifar_stem, which is not asked for, got {stem_stride}")
    if name == "pixels" and not cifar_stem and not channels:
        return Pixels()
    if name == "pixels":
        raise ValueError("cifar_stem needs a backbone with a ResNet's 7×7 stem, 'pixels' has none, nor channels")
    if channels and len(channels) != 4:
        raise ValueError(f"channels must be the widths of four stages, got {channels}")
    import timm

    if not isinstance(name, str):
        raise ValueError(f"backbone must be the name of a timm model, or a module, got {name!r}")
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; timm.list_models() lists them"
        raise ValueError(f"backbone must be the name of a timm model, got {name!r}{hint}")
    options = {"channels": tuple(channels)} if channels else {}
    if timm.get_pretrained_cfg(name).fixed_input_size:
        options["img_size"] = 32
    try:
        backbone = timm.create_model(name, num_classes=0, **options)
    except (TypeError, IndexError, ValueError) as error:
        raise ValueError(f"backbone {name!r} does not take channels {channels}: {error}") from error
    if cifar_stem:
        if not isinstance(getattr(backbone, "conv1", None), nn.Conv2d) or not hasattr(backbone, "maxpool"):
            raise ValueError(f"cifar_stem needs a backbone with a ResNet's 7×7 stem, {name!r} has none")
        backbone.conv1 = nn.Conv2d(3, backbone.conv1.out_channels, 3, stem_stride, padding=1, bias=False)
        nn.init.kaiming_normal_(backbone.conv1.weight, mode="fan_out", nonlinearity="relu")
        backbone.maxpool = nn.Identity()
    for module in backbone.modules():
        if type(module) is nn.Conv2d:
            module.__class__ = PixelConv2d
    return backbone


def create_projector(in_features, dim, rectify=True):
    """Linear-BatchNorm-ReLU twice, then Linear-ReLU, all ``dim`` wide, as in the minimal example: (B, in_features) ->
    (B, dim).

    The last ReLU makes exact zeros possible (section "Rectified LpJEPA"); no BatchNorm comes before it. Without
    ``rectify`` it is left out.
    """
    check_counts(dim=dim, in_features=in_features)
    return nn.Sequential(
        nn.Linear(in_features, dim), nn.BatchNorm1d(dim), nn.ReLU(),
        nn.Linear(dim, dim), nn.BatchNorm1d(dim), nn.ReLU(),
        FullPrecisionLinear(dim, dim), *([nn.ReLU()] if rectify else []),
    )  # fmt: skip


class FullPrecisionLinear(nn.Linear):
    """A linear layer that ignores autocast: half precision would round z to three digits before the loss sees it."""

    def forward(self, x):
        with without_autocast(x):
            return super().forward(x.to(self.weight.dtype))


class Pixels(nn.Flatten):
    """No encoder: a 32×32 RGB image as a vector of 3072 numbers."""

    num_features = 3 * 32 * 32


class PixelConv2d(nn.Conv2d):
    """A convolution that notices when its output is a single pixel, and is then, on a CPU, one matrix product.

    Where a 32×32 image has shrunk to 1×1, a 3×3 kernel meets eight pixels of padding and one of image. Leaving the
    padding out gives the same numbers and gradients; on a CPU a ResNet-18 step then takes far less time.
    """

    def forward(self, x):
        plain = self.groups == 1 and self.dilation == (1, 1) and self.padding_mode == "zeros"
        if x.device.type == "cpu" and x.dim() == 4 and plain and not isinstance(self.padding, str):
            (top, left), (rows, columns), (height, width) = self.padding, self.kernel_size, x.shape[-2:]
            one_row = rows <= height + 2 * top < rows + self.stride[0] and top + height <= rows
            one_column = columns <= width + 2 * left < columns + self.stride[1] and left + width <= columns
            if one_row and one_column:
                weight = self.weight[:, :, top : top + height, left : left + width]
                return F.linear(x.flatten(1), weight.flatten(1), self.bias)[:, :, None, None]
        return super().forward(x)
