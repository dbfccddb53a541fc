"""Chapter 05. Random views of the images of a batch, drawn at once on the device that holds the images.

Crop, resize and flip are linear, so each is folded into two small matrices per image, one for rows and one for columns.
Nothing waits for the device: how many numbers are drawn, and which operations follow, never depends on what was drawn.
"""

import math

import torch

CROP_RATIO = (3 / 4, 4 / 3)  # width over height
CROP_TRIES = 10


def two_views(images, *, generator=None):
    """Draw two augmented views of each image (minimal example, section 5).

    Random resized crop back to full size, horizontal flip with probability ½, and colour jitter, each with parameters
    of its own for every view: the distributions of torchvision's transforms.

    Args:
        images: uint8 (B, 3, H, W).
        generator: of the images' device.

    Returns:
        float32 (2, B, 3, H, W) on the images' device, values in [0, 1].

    Raises:
        ValueError: if images is not a uint8 tensor of shape (B, 3, H, W).

    Example:
        >>> views = two_views(make_shapes(20, 20).train_images)
        >>> views.shape, torch.equal(views[0], views[1])
        (torch.Size([2, 20, 3, 32, 32]), False)
    """
    return draw_views(images, 2, generator)


def check_images(images):
    """ValueError unless they are a uint8 tensor of shape (B, 3, H, W)."""
    got = f"{images.dtype} {tuple(images.shape)}" if hasattr(images, "shape") else type(images).__name__
    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8 or images.shape[1:-2] != (3,):
        raise ValueError(f"images must be a uint8 tensor of shape (B, 3, H, W), got {got}")


def draw_views(
    images, count, generator=None, *, crop_min_scale=0.08, interpolation="bilinear", brightness=0.4, contrast=0.4,
    saturation=0.4, hue=0.1, color_jitter_prob=1.0, grayscale_prob=0.0, solarize_prob=0.0,
):  # fmt: skip
    """As `two_views`, of any number, (count, B, 3, H, W), and with other strengths.

    Args:
        crop_min_scale: the smallest share of an image's area that a crop covers.
        interpolation: how a crop is stretched, bilinear or bicubic.
        brightness, contrast, saturation, hue: strengths of the colour jitter, as torchvision's ColorJitter takes them:
            the first three change by a factor from 1 - strength (at least 0) to 1 + strength, hue by up to so many
            turns of the colour circle.
        color_jitter_prob, grayscale_prob, solarize_prob: probability that a view's colours are jittered, that it then
            becomes grey, and that its values from one half on are inverted.

    Raises:
        ValueError: as `two_views`, and for another interpolation.
    """
    check_images(images)
    if interpolation not in ("bilinear", "bicubic"):
        raise ValueError(f"interpolation must be 'bilinear' or 'bicubic', got {interpolation!r}")
    options = {"generator": generator, "dtype": torch.float32, "device": images.device}
    draws = torch.rand(count, len(images), 2 * CROP_TRIES + 10, **options)
    crop, flip, jitter = draws.split([2 * CROP_TRIES + 2, 1, 7], dim=-1)
    seats = torch.rand(-(-count * len(images) // 4) * 4, **options).argsort()
    boxes = crop_boxes(crop, *images.shape[2:], crop_min_scale)
    plain = crop_resize_flip(images.float() / 255, boxes, flip[..., 0] < 0.5, interpolation).flatten(0, 1)
    x = jitter_colors(plain, jitter.flatten(0, 1), seats, (brightness, contrast, saturation, hue))
    if (color_jitter_prob, grayscale_prob, solarize_prob) != (1, 0, 0):  # else nothing more is drawn
        u = torch.rand(3, len(x), 1, 1, 1, **options)
        x = torch.where(u[0] < color_jitter_prob, x, plain)
        x = torch.where(u[1] < grayscale_prob, grayscale(x), x)
        x = torch.where((u[2] < solarize_prob) & (x >= 0.5), 1 - x, x)
    return x.unflatten(0, (count, len(images)))


def crop_boxes(draws, height, width, min_scale=0.08):
    """Crop boxes as torchvision's RandomResizedCrop has them: (..., 4) whole numbers, top, left, height, width.

    Area and aspect ratio are drawn until the box fits, ten times at most; then the largest allowed central box is used.

    Args:
        draws: (..., 22) uniform numbers: ten areas, ten ratios, the place.
        min_scale: the smallest area, as a share of the image's.
    """
    area, ratio, place = draws.split([CROP_TRIES, CROP_TRIES, 2], dim=-1)
    area = height * width * _between(area, min_scale, 1.0)
    ratio = _between(ratio, *map(math.log, CROP_RATIO)).exp()
    w, h = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.int().argmax(dim=-1, keepdim=True)
    w, h = w.gather(-1, first)[..., 0], h.gather(-1, first)[..., 0]
    top = (place[..., 0] * (height - h + 1)).floor().minimum(height - h)  # a product may round up to the bound
    left = (place[..., 1] * (width - w + 1)).floor().minimum(width - w)
    ratio = min(max(width / height, CROP_RATIO[0]), CROP_RATIO[1])
    whole_w, whole_h = min(width, round(height * ratio)), min(height, round(width / ratio))
    whole = ((height - whole_h) // 2, (width - whole_w) // 2, whole_h, whole_w)
    fits = fits.any(dim=-1)
    return torch.stack([torch.where(fits, x, y) for x, y in zip((top, left, h, w), whole, strict=True)], dim=-1)


def _between(u, low, high):
    return low + (high - low) * u


def crop_resize_flip(pixels, box, flip, interpolation="bilinear"):
    """Cut out a box per image, stretch it to full size, mirror it where asked: three steps in two products.

    Args:
        pixels: float (B, 3, H, W).
        box: (..., B, 4), top, left, height, width, whole numbers; the leading axes are those of several views.
        flip: (..., B) booleans.
        interpolation: bilinear, or bicubic, which can leave [0, 1] and is cut off there.

    Returns:
        float (..., B, 3, H, W).
    """
    top, left, h, w = box.to(torch.float32).unbind(dim=-1)
    rows = _interpolation_matrix(top, h, pixels.shape[2], interpolation)
    columns = _interpolation_matrix(left, w, pixels.shape[3], interpolation)
    columns = torch.where(flip[..., None, None], columns.flip(-2), columns)
    views = rows.unsqueeze(-3) @ pixels @ columns.unsqueeze(-3).mT
    return views.clamp_(0, 1) if interpolation == "bicubic" else views


def _interpolation_matrix(start, length, size, interpolation):
    """(..., B, size, size): row i holds the weights with which pixel i of the stretched box mixes the original ones."""
    pixel = torch.arange(size, dtype=start.dtype, device=start.device)
    centre = start[..., None] + (pixel + 0.5) * (length / size)[..., None] - 0.5
    first, last = start[..., None], (start + length - 1)[..., None]
    if interpolation == "bilinear":
        return (1 - (centre.clamp(first, last)[..., None] - pixel).abs()).clamp_(min=0)
    # Keys' cubic with a = -1/2, as Pillow has it, zero from two pixels on; what lies outside the box has no weight.
    d = (centre[..., None] - pixel).abs().clamp_(max=2)
    kernel = torch.where(d < 1, (1.5 * d - 2.5) * d * d + 1, ((2.5 - 0.5 * d) * d - 4) * d + 2)
    kernel = kernel * ((pixel >= first) & (pixel <= last))[..., None, :]
    return kernel / kernel.sum(dim=-1, keepdim=True)


def grayscale(pixels):
    """Luma of an RGB image: (B, 3, H, W) -> (B, 1, H, W)."""
    r, g, b = pixels.unbind(dim=1)
    return (0.2989 * r + 0.587 * g + 0.114 * b)[:, None]


def jitter_colors(pixels, draws, seats, strengths=(0.4, 0.4, 0.4, 0.1)):
    """Brightness, contrast, saturation and hue changed at random, in an order of its own for each image.

    The first three are one operation, `blend`, with different partners; so every image goes through three blends, in
    its own order. Hue is costly, and each image passes it once: the images are shuffled, and a quarter of them changes
    hue before the first blend, a quarter before the second, a quarter before the third, and a quarter at the end.

    Args:
        pixels: (n, 3, H, W) in [0, 1].
        draws: (n, 7) uniform numbers: three factors, the turn of the hue, three numbers whose order is the blends'.
        seats: a permutation of the first n (rounded up to a multiple of four) whole numbers.
        strengths: of brightness, contrast, saturation and hue.

    Returns:
        (n, 3, H, W) in [0, 1].
    """
    taken, quarter = seats[: len(pixels)], len(seats) // 4
    x = pixels.new_zeros(len(seats), *pixels.shape[1:]).index_copy_(0, taken, pixels)
    draws = draws.new_zeros(len(seats), 7).index_copy_(0, taken, draws)[..., None, None, None]
    kinds = draws[:, 4:].argsort(dim=1)  # of the first, second and third blend of each image
    brightness, contrast, saturation = (_between(draws[:, :3], max(0, 1 - s), 1 + s) for s in strengths[:3])
    factors = torch.where(kinds == 0, brightness, torch.where(kinds == 1, contrast, saturation))
    for k in range(4):
        group = slice(k * quarter, (k + 1) * quarter)
        x[group] = adjust_hue(x[group], _between(draws[group, 3], -strengths[3], strengths[3]))
        if k < 3:
            x = blend(x, kinds[:, k], factors[:, k])
    return x[taken]


def blend(pixels, kind, factor):
    """Mix with a partner: black (brightness), the image's mean grey (contrast), or each pixel's grey (saturation).

    Args:
        pixels: (n, 3, H, W) in [0, 1].
        kind: (n, 1, 1, 1) whole numbers: 0 brightness, 1 contrast, 2 saturation.
        factor: (n, 1, 1, 1), the share of the image itself; above 1 the step goes away from the partner.
    """
    gray = grayscale(pixels)
    partner = torch.where(kind == 1, gray.mean(dim=(1, 2, 3), keepdim=True), gray) * (kind > 0)
    return torch.lerp(partner, pixels, factor).clamp_(0, 1)


def adjust_hue(pixels, factor):
    """Turn the colour circle by ``factor`` turns; the largest and smallest channel of a pixel keep their values."""
    r, g, b = pixels.unbind(dim=1)
    high, low = pixels.amax(dim=1), pixels.amin(dim=1)
    chroma = high - low
    safe = chroma.clamp(min=torch.finfo(pixels.dtype).tiny)
    hue = torch.where(high == g, 2 + (b - r) / safe, 4 + (r - g) / safe)
    hue = torch.where(high == r, (g - b) / safe, hue)  # in sixths of a turn, red at 0
    hue = hue + 6 * factor[:, 0]
    # Each channel is a trapezoid over the circle: red peaks at 0, green at 2 and blue at 4 sixths.
    offset = torch.arange(5, 0, -2, device=pixels.device)[:, None, None]
    k = (hue[:, None] + offset) % 6
    return high[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp_(0, 1)
