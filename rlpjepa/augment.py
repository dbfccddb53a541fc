"""Chapter 05. Two random views of every image of a batch, drawn at once on the device that holds the images.

Crop, resize and flip are linear, so each is folded into two small matrices per image, one for rows and one for columns.
The parameters are drawn on the CPU: they are a few numbers per image, and the same seed then gives the same views on
every device.
"""

import math

import torch

JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
CROP_AREA = (0.08, 1.0)  # share of the image
CROP_RATIO = (3 / 4, 4 / 3)  # width over height


def two_views(images, *, generator=None):
    """Draw two augmented views of each image (minimal example, section 5).

    Random resized crop back to full size, horizontal flip with probability ½, and colour jitter, each with parameters
    of its own for every view. The four parts of the jitter come in one random order per view and batch (torchvision
    draws an order for every image).

    Args:
        images: uint8 (B, 3, H, W).
        generator: a CPU generator.

    Returns:
        float32 (2, B, 3, H, W) on the images' device, values in [0, 1].

    Raises:
        ValueError: if images is not a uint8 tensor of shape (B, 3, H, W).
    """
    if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
        raise ValueError(f"images must be uint8 of shape (B, 3, H, W), got {images.dtype} {tuple(images.shape)}")
    draws = [_draw_view(len(images), *images.shape[2:], generator) for _ in range(2)]
    numbers = torch.stack([numbers for numbers, _ in draws]).to(images.device, non_blocking=True)  # (2, B, 9), one copy
    box, flip, factors = numbers.split([4, 1, 4], dim=-1)
    views = crop_resize_flip(images.float() / 255, box, flip[..., 0] > 0)
    return torch.stack([_jitter(*view) for view in zip(views, factors, [order for _, order in draws])])


def _draw_view(n, height, width, generator):
    """All that is random in a view of n images.

    Returns:
        (numbers, order): float (n, 9), of each image the crop's top, left, height and width, 1 for a mirrored one, and
        the factors of the jitter as they follow each other; and the names of the jitter's parts in this order.
    """
    box = random_crop_boxes(n, height, width, generator)
    flip = torch.rand(n, 1, generator=generator) < 0.5
    order = [list(JITTER)[i] for i in torch.randperm(len(JITTER), generator=generator)]
    factors = [
        (0.0 if name == "hue" else 1.0) + JITTER[name] * (2 * torch.rand(n, 1, generator=generator) - 1)
        for name in order
    ]
    return torch.cat([box, flip, *factors], dim=1).float(), order


def _jitter(view, factors, order):
    """Colour jitter of a view (B, 3, H, W), by its factors (B, 4)."""
    for name, factor in zip(order, factors.unbind(dim=1), strict=True):
        view = ADJUST[name](view, factor[:, None, None, None])
    return view


def random_crop_boxes(n, height, width, generator=None):
    """Crop boxes as torchvision's RandomResizedCrop draws them: (n, 4) integers, top, left, height, width.

    Area and aspect ratio are drawn until the box fits, ten times at most; then the largest allowed central box is used.
    """
    tries = 10
    area = height * width * torch.empty(n, tries).uniform_(*CROP_AREA, generator=generator)
    log_ratio = torch.empty(n, tries).uniform_(*map(math.log, CROP_RATIO), generator=generator)
    w = (area * log_ratio.exp()).sqrt().round().long()
    h = (area / log_ratio.exp()).sqrt().round().long()
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.int().argmax(dim=1, keepdim=True)
    w, h = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0]
    top = (torch.rand(n, generator=generator) * (height - h + 1)).long()
    left = (torch.rand(n, generator=generator) * (width - w + 1)).long()
    ratio = min(max(width / height, CROP_RATIO[0]), CROP_RATIO[1])
    whole_w, whole_h = min(width, round(height * ratio)), min(height, round(width / ratio))
    whole = torch.tensor([(height - whole_h) // 2, (width - whole_w) // 2, whole_h, whole_w])
    return torch.where(fits.any(dim=1, keepdim=True), torch.stack([top, left, h, w], dim=1), whole)


def crop_resize_flip(pixels, box, flip):
    """Cut out a box per image, stretch it to full size (bilinear), mirror it where asked: three steps in two products.

    Args:
        pixels: float (B, 3, H, W).
        box: (..., B, 4), top, left, height, width, whole numbers; the leading axes are those of several views.
        flip: (..., B) booleans.

    Returns:
        float (..., B, 3, H, W).
    """
    top, left, h, w = box.to(torch.float32).unbind(dim=-1)
    rows = _interpolation_matrix(top, h, pixels.shape[2])
    columns = _interpolation_matrix(left, w, pixels.shape[3])
    columns = torch.where(flip[..., None, None], columns.flip(-2), columns)
    return rows.unsqueeze(-3) @ pixels @ columns.unsqueeze(-3).mT


def _interpolation_matrix(start, length, size):
    """(..., B, size, size): row i holds the weights with which pixel i of the stretched box mixes the original ones."""
    pixel = torch.arange(size, dtype=start.dtype, device=start.device)
    centre = start[..., None] + (pixel + 0.5) * (length / size)[..., None] - 0.5
    centre = centre.clamp(start[..., None], (start + length - 1)[..., None])
    return (1 - (centre[..., None] - pixel).abs()).clamp_(min=0)


def grayscale(pixels):
    """Luma of an RGB image: (B, 3, H, W) -> (B, 1, H, W)."""
    r, g, b = pixels.unbind(dim=1)
    return (0.2989 * r + 0.587 * g + 0.114 * b)[:, None]


def _blend(pixels, other, factor):
    return torch.lerp(other, pixels, factor).clamp_(0, 1)


def adjust_brightness(pixels, factor):
    """Mix with black. pixels (B, 3, H, W) in [0, 1], factor (B, 1, 1, 1), as in the three functions below."""
    return (pixels * factor).clamp_(0, 1)


def adjust_contrast(pixels, factor):
    """Mix with the image's mean grey."""
    return _blend(pixels, grayscale(pixels).mean(dim=(1, 2, 3), keepdim=True), factor)


def adjust_saturation(pixels, factor):
    """Mix with the grey version of each pixel."""
    return _blend(pixels, grayscale(pixels), factor)


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


ADJUST = {
    "brightness": adjust_brightness,
    "contrast": adjust_contrast,
    "saturation": adjust_saturation,
    "hue": adjust_hue,
}
