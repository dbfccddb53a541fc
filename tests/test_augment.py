"""Random views against torchvision, image by image. Statistical tests fix their seeds and state their error rates."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from rlpjepa import augment, two_views

BLENDS = [tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation]
MINIMAL, PAPER = (0.4, 0.4, 0.4, 0.1), (0.4, 0.4, 0.2, 0.1)  # brightness, contrast, saturation, hue


@pytest.fixture
def pixels(generator):
    """(12, 3, 32, 32) in [0, 1], the first three black, white and grey."""
    pixels = torch.rand(12, 3, 32, 32, generator=generator)
    pixels[0], pixels[1], pixels[2] = 0, 1, 0.5
    return pixels


def column(values):
    return torch.as_tensor(values)[:, None, None, None]


@pytest.mark.parametrize("kind", range(4))
def test_color_operations_equal_torchvisions(kind, pixels):
    factor = torch.linspace(-0.5, 0.5, 12) if kind == 3 else torch.linspace(0.6, 1.4, 12)
    torchvisions = [*BLENDS, tv.adjust_hue][kind]
    expected = torch.stack([torchvisions(image, f.item()) for image, f in zip(pixels, factor)])
    if kind == 3:
        got = augment.adjust_hue(pixels, column(factor))
    else:
        got = augment.blend(pixels, column([kind] * 12), column(factor))
    torch.testing.assert_close(got, expected, rtol=0, atol=5e-6)


def jitter_by_torchvision(image, draws, hue_first, strengths=MINIMAL):
    """Three blends and, before number hue_first (3: after all), the hue, as seven uniform numbers say."""
    for k in range(4):
        if k == hue_first:
            image = tv.adjust_hue(image, strengths[3] * (2 * draws[3] - 1))
        if k < 3:
            kind = sorted(range(3), key=lambda j: draws[4 + j])[k]
            least = max(0, 1 - strengths[kind])  # as torchvision's ColorJitter has it
            image = BLENDS[kind](image, least + (1 + strengths[kind] - least) * draws[k])
    return image


def quarter(seat, n):
    """Where an image in that seat changes its hue: seats are as many as images, rounded up to whole rows of four."""
    return seat // math.ceil(n / 4)


@pytest.mark.parametrize(("n", "strengths"), [(1, MINIMAL), (6, MINIMAL), (12, MINIMAL), (12, (0.3, 1.8, 0.1, 0.5))])
def test_color_jitter_equals_torchvisions(n, strengths, pixels, generator):
    for _ in range(4):
        draws, seats = torch.rand(n, 7, generator=generator), torch.randperm(-(-n // 4) * 4, generator=generator)
        expected = [
            jitter_by_torchvision(*parts, quarter(seat, n), strengths)
            for *parts, seat in zip(pixels[-n:], draws.tolist(), seats.tolist())
        ]
        got = augment.jitter_colors(pixels[-n:], draws, seats, strengths)
        torch.testing.assert_close(got, torch.stack(expected), rtol=0, atol=3e-5)


@pytest.mark.parametrize("n", [1, 6])
def test_every_order_of_the_four_operations_is_equally_likely(n, generator):
    """Which of the 24 orders came about is read off the result; chi-square, 1 in 10,000 for each image."""
    image = torch.rand(3, 6, 6, generator=generator)
    factors = [0.95, 0.95, 0.95, 0.9]  # strong enough that values are cut off, or some orders would give the same
    candidates = torch.stack([
        jitter_by_torchvision(image, [*factors, *order], hue)
        for order in itertools.permutations((0.2, 0.4, 0.6)) for hue in range(4)
    ])  # fmt: skip
    assert torch.nn.functional.pdist(candidates.flatten(1), math.inf).min() > 1e-3
    counts = torch.zeros(n, 24, dtype=torch.int64)
    for _ in range(480):
        draws = torch.cat([torch.tensor(factors).expand(n, 4), torch.rand(n, 3, generator=generator)], dim=1)
        seats = torch.rand(-(-n // 4) * 4, generator=generator).argsort()  # as `draw_views` has them
        views = augment.jitter_colors(image.expand(n, -1, -1, -1), draws, seats)
        distance, order = torch.cdist(views.flatten(1), candidates.flatten(1)).min(dim=1)
        assert distance.max() < 1e-3
        counts[torch.arange(n), order] += 1
    for count in counts:
        assert scipy.stats.chisquare(count).pvalue > 1e-4


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crop_resize_flip_equals_torchvisions(pixels, generator, interpolation):
    boxes = augment.crop_boxes(torch.rand(2, len(pixels), 22, generator=generator), 32, 32)  # two views of each
    boxes[0, :3] = torch.tensor([[0, 0, 32, 32], [31, 0, 1, 1], [5, 7, 2, 25]])
    flip = torch.arange(24).view(2, 12) % 3 == 0
    views = augment.crop_resize_flip(pixels, boxes, flip, interpolation)
    for v, i in np.ndindex(2, 12):
        place = boxes[v, i].int().tolist()
        expected = tv.resized_crop(pixels[i], *place, size=[32, 32], interpolation=InterpolationMode(interpolation))
        expected = expected.clamp(0, 1)  # as whole numbers from 0 to 255 do
        expected = tv.horizontal_flip(expected) if flip[v, i] else expected
        torch.testing.assert_close(views[v, i], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(32, 32, 0.08), (24, 40, 0.08), (10, 60, 0.08), (32, 32, 0.2), (32, 32, 1.0)]
)
def test_crop_boxes_are_drawn_as_torchvision_draws_them(height, width, scale, generator):
    own = augment.crop_boxes(torch.rand(4000, 22, generator=generator), height, width, scale)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        image = torch.empty(3, height, width)
        theirs = [RandomResizedCrop.get_params(image, [scale, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    for k in range(4):  # four two-sample tests at 1 in 10,000 each
        assert scipy.stats.ks_2samp(own[:, k].numpy(), [box[k] for box in theirs]).pvalue > 1e-4


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 40), (10, 60), (60, 10), (1, 1), (1, 7), (333, 500)])
def test_crop_boxes_never_leave_the_image(height, width, generator):
    ends = torch.tensor(list(itertools.product((0.0, 0.5, 1 - 2**-24, 1.0), repeat=4)))  # area, ratio, place
    ends = ends.repeat_interleave(torch.tensor([10, 10, 1, 1]), dim=1)
    for draws in (ends, torch.rand(10_000, 22, generator=generator)):
        boxes = augment.crop_boxes(draws, height, width)
        top, left, h, w = boxes.unbind(dim=1)
        assert torch.equal(boxes, boxes.floor()) and (boxes >= 0).all() and (h >= 1).all() and (w >= 1).all()
        assert (top + h <= height).all() and (left + w <= width).all()


STRONG = {
    "crop_min_scale": 0.2, "interpolation": "bicubic", "saturation": 0.2, "color_jitter_prob": 0.8,
    "grayscale_prob": 0.2, "solarize_prob": 0.1,
}  # fmt: skip


@pytest.mark.parametrize(("count", "n", "options"), [(2, 6, {}), (3, 1, {}), (3, 40, STRONG)])
def test_views_are_torchvisions_operations_by_numbers_from_the_generator(count, n, options, generator):
    images = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator)
    own, same = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    views = augment.draw_views(images, count, own, **options)
    assert views.shape == (count, n, 3, 32, 32) and views.dtype == torch.float32
    draws, seats = torch.rand(count, n, 30, generator=same), torch.rand(math.ceil(count * n / 4) * 4, generator=same)
    jittered, grey, solarized = torch.ones(count, n).bool(), torch.zeros(count, n).bool(), torch.zeros(count, n).bool()
    if options:
        u = torch.rand(3, count, n, generator=same)
        jittered, grey, solarized = u[0] < 0.8, u[1] < 0.2, u[2] < 0.1
        assert not jittered.all() and (grey & ~solarized).any() and (solarized & ~grey).any()
    assert torch.equal(own.get_state(), same.get_state())  # by default nothing more is drawn
    seats = seats.argsort()[: count * n].view(count, n).tolist()
    boxes = augment.crop_boxes(draws[..., :22], 32, 32, options.get("crop_min_scale", 0.08)).int().tolist()
    size = {"size": [32, 32], "interpolation": InterpolationMode(options.get("interpolation", "bilinear"))}
    for v, i in np.ndindex(count, n):
        x = tv.resized_crop(images[i] / 255, *boxes[v][i], **size).clamp(0, 1)
        if jittered[v, i]:
            place = quarter(seats[v][i], count * n)
            x = jitter_by_torchvision(x, draws[v, i, 23:].tolist(), place, PAPER if options else MINIMAL)
        x = tv.rgb_to_grayscale(x, num_output_channels=3) if grey[v, i] else x
        x = tv.solarize(x, 0.5) if solarized[v, i] else x
        x = tv.horizontal_flip(x) if draws[v, i, 22] < 0.5 else x
        different = ~torch.isclose(views[v, i], x, rtol=0, atol=3e-5)
        assert different.sum() <= 3 * solarized[v, i]  # a value that is one half up to rounding may be inverted or not


def test_another_interpolation_is_refused(small_data):
    with pytest.raises(ValueError, match="interpolation must be 'bilinear' or 'bicubic', got 'Bilinear'"):
        small_data.views(torch.arange(4), interpolation="Bilinear")


def test_same_generator_same_views_and_the_global_one_untouched():
    images, before = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), torch.get_rng_state()
    first, second, other = (two_views(images, generator=torch.Generator().manual_seed(k)) for k in (3, 3, 4))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.usefixtures("float64_by_default")
def test_views_are_float32_whatever_the_default_type(generator):
    views = two_views(torch.zeros(2, 3, 32, 32, dtype=torch.uint8), generator=generator)
    assert views.dtype == torch.float32 and views.shape == (2, 2, 3, 32, 32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_views_are_drawn_without_waiting():
    images = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, device="cuda")
    generator = torch.Generator("cuda").manual_seed(0)
    two_views(images, generator=generator)
    torch.cuda.set_sync_debug_mode("error")  # raises on a wait for the device or a copy from it
    try:
        views = two_views(images, generator=generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert views.is_cuda and views.shape == (2, 6, 3, 32, 32) and views.min() >= 0 and views.max() <= 1
