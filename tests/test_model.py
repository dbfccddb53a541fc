import sys

import pytest
import timm
import torch
from torch import nn

from rlpjepa import RectifiedLpJEPA
from rlpjepa.model import FullPrecisionLinear, PixelConv2d, create_backbone, create_projector


def test_projector_layers():
    projector = create_projector(10, 6)
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, FullPrecisionLinear, nn.ReLU]
    assert type(projector) is nn.Sequential and [type(layer) for layer in projector] == kinds
    widths = [(layer.in_features, layer.out_features) for layer in projector if isinstance(layer, nn.Linear)]
    assert widths == [(10, 6), (6, 6), (6, 6)]
    x = torch.randn(5, 10, generator=torch.Generator().manual_seed(0))
    z, before = projector.eval()(x), projector[:-1](x)  # what enters the last ReLU
    assert before.min() < 0 and torch.equal(before.relu(), z)
    assert type(create_projector(6, 6, rectify=False)[-1]) is FullPrecisionLinear


def test_last_layer_ignores_autocast():
    """Float32 of the input that comes, though that has been rounded, and the same gradients."""
    layer = FullPrecisionLinear(64, 16)
    x = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))
    for x in (x, x.bfloat16()):  # noqa: B020
        exact = nn.functional.linear(x.float(), layer.weight, layer.bias)
        with torch.autocast("cpu", torch.bfloat16):
            z, rounded = layer(x), nn.functional.linear(x, layer.weight, layer.bias)
        assert z.dtype == torch.float32 and rounded.dtype == torch.bfloat16
        assert torch.equal(z, exact) and not torch.equal(rounded.float(), exact)
        gradients = [torch.autograd.grad(out.square().sum(), (layer.weight, layer.bias)) for out in (z, exact)]
        torch.testing.assert_close(*gradients, rtol=0, atol=0)


BACKBONES = ["resnet18", "test_byobnet", "mobilenetv3_small_050", "test_convnext", "pixels", "test_vit",
             "vit_relpos_small_patch16_224", "vit_tiny_patch16_224", "swin_s3_tiny_224"]  # fmt: skip


@pytest.mark.parametrize("backbone", BACKBONES)
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


def test_quarter_network_is_timms_with_a_stem_of_its_own():
    """ResNet-18 at a quarter of its width: 128 features, 16 x 16 into the first block, 1.3 million weights in all."""
    model = RectifiedLpJEPA("resnet18", 512, cifar_stem=True, stem_stride=2, channels=(16, 32, 64, 128))
    theirs = timm.create_model("resnet18", num_classes=0, channels=(16, 32, 64, 128))
    shapes = [{n: p.shape for n, p in network.named_parameters()} for network in (model.backbone, theirs)]
    assert [shape.pop("conv1.weight") for shape in shapes] == [(64, 3, 3, 3), (64, 3, 7, 7)] and shapes[0] == shapes[1]
    assert model.backbone.maxpool(model.backbone.conv1(torch.zeros(1, 3, 32, 32))).shape == (1, 64, 16, 16)
    assert model.eval()(torch.zeros(2, 3, 32, 32))[0].shape == (2, 128)
    assert 1.25e6 < sum(p.numel() for p in model.parameters()) < 1.35e6


def pooled(*more):
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(), nn.AdaptiveAvgPool2d(1), *more)


def test_module_of_ones_own_stays_as_it_was_but_for_the_projector_above_it():
    own = pooled(nn.Flatten()).train()
    own[1].eval()  # frozen
    before, modes = {k: v.clone() for k, v in own.state_dict().items()}, [m.training for m in own.modules()]
    model = RectifiedLpJEPA(own, dim=4)
    assert model.backbone is own and [m.training for m in own.modules()] == modes and not own[1].training
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())
    features, z = model(torch.rand(5, 3, 32, 32))
    assert features.shape == (5, 6) and z.shape == (5, 4)
    (z.sum() + features.sum()).backward()
    assert own[0].weight.grad is not None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_projector_takes_the_dtype_of_a_module_of_ones_own(dtype):
    model = RectifiedLpJEPA(pooled(nn.Flatten()).to(dtype), dim=4)
    assert [output.dtype for output in model(torch.rand(5, 3, 32, 32))] == [dtype, dtype]


def test_network_of_timm_for_larger_images_keeps_its_size():
    vit = timm.create_model("test_vit", num_classes=0)
    features, z = RectifiedLpJEPA(vit, dim=4).eval()(torch.zeros(2, 3, 160, 160))
    assert features.shape == (2, 64) and z.shape == (2, 4)


@pytest.mark.parametrize("backbone", ["pixels", "test_byobnet"])
def test_network_made_in_float64_takes_the_images_that_there_are(float64_by_default, small_data, backbone):
    model = RectifiedLpJEPA(backbone, dim=4)
    for z in model(small_data.views(torch.arange(4))[0]):
        assert z.dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": pooled()}, r"must return \(images, width\), .* of one image it makes \(1, 6, 1, 1\)"),
        ({"backbone": pooled(nn.Flatten(0))}, r"of one image it makes \(6,\)"),
        ({"backbone": nn.LSTM(32, 8)}, "does not take images .*LSTM"),
        ({"backbone": nn.Identity}, "backbone must be the name of a timm model, or a module, got <class"),
        ({"backbone": pooled(nn.Flatten()), "channels": (1, 2, 3, 4)}, "channels are for backbones by name"),
        ({"backbone": pooled(nn.Flatten()), "cifar_stem": True}, "cifar_stem, .* are for backbones by name"),
        ({"backbone": "test_convnext", "channels": (16, 32, 64, 128)}, "'test_convnext' does not take channels"),
        ({"backbone": "pixels", "channels": (16, 32, 64, 128)}, "'pixels' has none, nor channels"),
        ({"channels": (16, 32)}, "channels must be the widths of four stages"),
        ({"stem_stride": 2}, "stem_stride is that of cifar_stem"),
    ],
)
def test_stem_and_widths_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        RectifiedLpJEPA(**options)


def test_pixels_need_no_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # importing it fails
    assert RectifiedLpJEPA("pixels", dim=4)(torch.zeros(2, 3, 32, 32))[0].shape == (2, 3072)
