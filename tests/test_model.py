import sys

import pytest
import timm
import torch
from torch import nn

from rlpjepa import Projector, RectifiedLpJEPA
from rlpjepa.model import PixelConv2d, create_backbone


def test_projector_layers():
    projector = Projector(dim=6, in_features=10)
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.ReLU]
    assert [type(layer) for layer in projector] == kinds
    widths = [(layer.in_features, layer.out_features) for layer in projector if isinstance(layer, nn.Linear)]
    assert widths == [(10, 6), (6, 6), (6, 6)]
    assert (projector(torch.randn(5, 10)) >= 0).all()
    assert isinstance(Projector(6, rectify=False)[-1], nn.Linear)


def test_slice_of_the_projector_is_what_enters_the_last_relu():
    projector, x = Projector(4).eval(), torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    before = projector[:-1](x)
    assert before.min() < 0 and torch.equal(before.relu(), projector(x)) and projector[-2] is projector[:-1][-1]


@pytest.mark.parametrize("arguments", [{"dim": 0}, {"dim": 2.5}, {"dim": 4, "in_features": -1}, {"dim": True}])
def test_projector_bad_width(arguments):
    with pytest.raises(ValueError, match="must be a positive integer"):
        Projector(**arguments)


@pytest.mark.parametrize("backbone", ["resnet18", "test_byobnet", "mobilenetv3_small_050", "test_convnext", "pixels"])
def test_any_backbone_width(backbone):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = RectifiedLpJEPA(backbone, dim=16).eval()
        features, z = model(torch.randn(2, 3, 32, 32))
    assert features.shape == (2, model.projector[0].in_features) and z.shape == (2, 16)
    assert (z >= 0).all() and (z == 0).any()


def test_defaults_are_the_minimal_examples():
    # 11.2 million weights in timm's headless ResNet-18; three 512 × 512 layers with biases and two BatchNorms above it
    model = RectifiedLpJEPA()
    backbone = sum(p.numel() for p in timm.create_model("resnet18", num_classes=0).parameters())
    assert sum(p.numel() for p in model.parameters()) == backbone + 3 * (512 * 512 + 512) + 2 * 2 * 512


def test_backbone_equals_timms_in_outputs_and_gradients():
    theirs, own = timm.create_model("resnet18", num_classes=0).double(), create_backbone("resnet18").double()
    own.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs = [net(x) for net in (theirs, own)]
    torch.testing.assert_close(outputs[1], outputs[0])
    for output in outputs:
        output.square().mean().backward()
    for (name, a), b in zip(theirs.named_parameters(), own.parameters()):
        torch.testing.assert_close(b.grad, a.grad, msg=name)


@pytest.mark.parametrize("kernel", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 2, "same", "valid"])
def test_pixel_convolution_equals_torchs(kernel, stride, padding):
    if padding == "same" and (stride > 1 or kernel == 2):
        return  # the first does not exist in torch, the second warns
    g = torch.Generator().manual_seed(0)
    own = PixelConv2d(3, 4, kernel, stride, padding, dtype=torch.float64)
    for images, height, width in (
        ((2,), 1, 1),
        ((), 1, 1),
        *(((2,), *s) for s in ((2, 2), (1, 2), (3, 2), (7, 7), (8, 8))),
    ):
        x = torch.randn(*images, 3, height, width, dtype=torch.float64, generator=g, requires_grad=True)
        try:
            expected = nn.functional.conv2d(x, own.weight, own.bias, stride, padding)
        except RuntimeError:  # the kernel does not fit
            with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
                own(x)
            continue
        torch.testing.assert_close(own(x), expected)
        weight = torch.randn(expected.shape, dtype=torch.float64, generator=g)
        gradients = [torch.autograd.grad((y * weight).sum(), (x, own.weight)) for y in (own(x), expected)]
        torch.testing.assert_close(*gradients)


def test_cifar_stem_keeps_the_full_size():
    backbone = create_backbone("resnet18", cifar_stem=True)
    assert backbone.maxpool(backbone.conv1(torch.zeros(1, 3, 32, 32))).shape == (1, 64, 32, 32)
    assert type(create_backbone("resnet18").conv1) is PixelConv2d


def test_unknown_backbone_names_near_ones():
    with pytest.raises(
        ValueError, match="backbone must be the name of a timm model, got 'resnet81'; did you mean resnet"
    ):
        RectifiedLpJEPA("resnet81")


@pytest.mark.parametrize("name", ["test_convnext", "pixels"])
def test_cifar_stem_needs_a_resnet(name):
    with pytest.raises(ValueError, match=f"cifar_stem needs a backbone with a ResNet's 7×7 stem, '{name}' has none"):
        RectifiedLpJEPA(name, cifar_stem=True)


@pytest.mark.parametrize("name", [None, 18])
def test_backbone_that_is_no_name(name):
    with pytest.raises(ValueError, match="backbone must be the name of a timm model"):
        RectifiedLpJEPA(name)


def test_pixels_need_no_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # importing it fails
    assert RectifiedLpJEPA("pixels", dim=4)(torch.zeros(2, 3, 32, 32))[0].shape == (2, 3072)
