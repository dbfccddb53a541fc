import pytest
import scipy.stats
import torch
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from rlpjepa import augment, two_views


@pytest.fixture
def pixels(generator):
    """(12, 3, 32, 32) in [0, 1], the first three black, white and grey."""
    pixels = torch.rand(12, 3, 32, 32, generator=generator)
    pixels[0], pixels[1], pixels[2] = 0, 1, 0.5
    return pixels


@pytest.mark.parametrize(
    ("own", "torchvisions", "low", "high"),
    [
        (augment.adjust_brightness, tv.adjust_brightness, 0.6, 1.4),
        (augment.adjust_contrast, tv.adjust_contrast, 0.6, 1.4),
        (augment.adjust_saturation, tv.adjust_saturation, 0.6, 1.4),
        (augment.adjust_hue, tv.adjust_hue, -0.5, 0.5),
    ],
)
def test_color_operations_equal_torchvisions(own, torchvisions, low, high, pixels):
    factor = torch.linspace(low, high, len(pixels))
    expected = torch.stack([torchvisions(image, f.item()) for image, f in zip(pixels, factor)])
    torch.testing.assert_close(own(pixels, factor[:, None, None, None]), expected, rtol=0, atol=5e-6)


def test_crop_resize_flip_equals_torchvisions(pixels, generator):
    boxes = augment.random_crop_boxes(len(pixels), 32, 32, generator)
    boxes[:3] = torch.tensor([[0, 0, 32, 32], [31, 0, 1, 1], [5, 7, 2, 25]])
    flip = torch.arange(len(pixels)) % 2 == 0
    expected = []
    for image, box, mirrored in zip(pixels, boxes.tolist(), flip):
        view = tv.resized_crop(image, *box, size=[32, 32])
        expected.append(tv.horizontal_flip(view) if mirrored else view)
    torch.testing.assert_close(augment.crop_resize_flip(pixels, boxes, flip), torch.stack(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40), (10, 60)])
def test_crop_boxes_are_drawn_as_torchvision_draws_them(height, width, generator):
    own = augment.random_crop_boxes(4000, height, width, generator)
    top, left, h, w = own.unbind(dim=1)
    assert (top >= 0).all() and (left >= 0).all() and (h >= 1).all() and (w >= 1).all()
    assert (top + h <= height).all() and (left + w <= width).all()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        image = torch.empty(3, height, width)
        theirs = [RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    for k in range(4):  # four two-sample tests at 1 in 10000 each, fixed seeds
        assert scipy.stats.ks_2samp(own[:, k].numpy(), [box[k] for box in theirs]).pvalue > 1e-4


def test_two_views_have_parameters_of_their_own(generator):
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=generator)
    images[1] = images[0]
    views = two_views(images, generator=generator)
    assert views.shape == (2, 6, 3, 32, 32) and views.dtype == torch.float32
    assert views.min() >= 0 and views.max() <= 1
    for a, b in ((views[0, 0], views[1, 0]), (views[0, 0], views[0, 1])):  # other view; other copy of the same image
        assert (a - b).abs().mean() > 0.01


def test_mirror_and_jitter_are_drawn_as_the_minimal_example_has_them(monkeypatch, generator):
    calls, flips, crop = [], [], augment.crop_resize_flip

    def record(name):
        return lambda view, factor: (calls.append((name, factor.flatten())), view)[1]

    monkeypatch.setattr(augment, "ADJUST", {name: record(name) for name in augment.ADJUST})
    monkeypatch.setattr(augment, "crop_resize_flip", lambda x, box, flip: (flips.append(flip), crop(x, box, flip))[1])
    images = torch.zeros(500, 3, 4, 4, dtype=torch.uint8)
    for _ in range(4):
        two_views(images, generator=generator)
    flip = torch.cat(flips).flatten().double()
    assert len(flip) == 4000 and abs(flip.mean() - 0.5) < 4 * 0.5 / 4000**0.5  # 1 time in 16,000; the seed is fixed
    orders = [tuple(name for name, _ in calls[i : i + 4]) for i in range(0, len(calls), 4)]
    assert all(sorted(order) == sorted(augment.ADJUST) for order in orders) and len(set(orders)) > 3
    for name in augment.ADJUST:
        low, width = (-0.1, 0.2) if name == "hue" else (0.6, 0.8)
        factors = torch.cat([factor for other, factor in calls if other == name]).numpy()
        assert scipy.stats.kstest(factors, "uniform", (low, width)).pvalue > 1e-4  # 1 time in 10,000


def test_same_generator_same_views_and_the_global_one_untouched():
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    before = torch.get_rng_state()
    first, second = (two_views(images, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.usefixtures("float64_by_default")
def test_views_are_float32_whatever_the_default_type(generator):
    views = two_views(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), generator=generator)
    assert views.dtype == torch.float32 and views.shape == (2, 2, 3, 32, 32)


@pytest.mark.parametrize(
    "images", [torch.zeros(2, 3, 32, 32), torch.zeros(2, 1, 32, 32).byte(), torch.zeros(3, 32, 32).byte()]
)
def test_bad_images(images):
    with pytest.raises(ValueError, match=r"images must be uint8 of shape \(B, 3, H, W\)"):
        two_views(images)
