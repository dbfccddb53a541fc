"""Chapter 05. Labelled images as tensors in memory: CIFAR-100, a folder of one's own, or `shapes`, made on the spot."""

import dataclasses
import functools
import hashlib
import math
import os
import tempfile
import unicodedata
import warnings
from pathlib import Path

import torch

from .augment import check_images, draw_views
from .numerics.arguments import check_counts

DATASETS = ("shapes", "cifar100", "folder")
IMAGE_SIZE = 32


class DataError(Exception):
    """A data folder that is missing, incomplete or damaged. The message says which, and what to do.

    Example:
        >>> try:
        ...     load_data("folder", "a folder that is not there")
        ... except DataError as error:
        ...     print("one folder of images per class" in str(error))
        True
    """


@dataclasses.dataclass(frozen=True, eq=False)  # tensors compare entry by entry
class ImageData:
    """A labelled image dataset, small enough to lie in memory (or on the device) as a whole.

    Attributes:
        train_images, test_images: uint8 (N, 3, H, W).
        train_labels, test_labels: int64 (N,), each an index into ``classes``.
        classes: the names of the classes.
        mean, std: per-channel mean and standard deviation of the training images scaled to [0, 1], three floats each.
        md5: checksum of what the data was read from, by name.

    Example:
        >>> data = make_shapes(40, 20)
        >>> data.classes[data.train_labels[2]], data.views(torch.tensor([2, 3, 4])).shape  # two views of three images
        ('target', torch.Size([2, 3, 3, 32, 32]))
    """

    train_images: torch.Tensor
    train_labels: torch.Tensor
    test_images: torch.Tensor
    test_labels: torch.Tensor
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    md5: dict[str, str]

    def to(self, device):
        """The same data with its tensors on ``device``."""
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, torch.Tensor)}
        return dataclasses.replace(self, **moved)

    def normalize(self, images):
        """Scale images to mean 0 and deviation 1 per channel: uint8, or float in [0, 1] -> float of the same shape.

        Raises:
            ValueError: for images of another type.
        """
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"images must be uint8, or floating point in [0, 1], got {images.dtype}")
        pixels = images.float() / 255 if images.dtype == torch.uint8 else images
        return (pixels - _channels(self.mean, images.device)) / _channels(self.std, images.device)

    def views(self, index, count=2, *, generator=None, **strengths):
        """Random views of training images, ready for the network (`two_views`, then `normalize`).

        Args:
            index: int64 (B,), which images.
            count: how many views of each.
            generator: of the images' device.
            strengths: of the augmentations, as `rlpjepa.augment.draw_views` takes them.

        Returns:
            float32 (count, B, 3, H, W).
        """
        return self.normalize(draw_views(self.train_images[index], count, generator, **strengths))


def unlabelled(images):
    """Images of one's own to train on, uint8 (N, 3, H, W), as `ImageData` with no test images and one class."""
    check_images(images)
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    return ImageData(images, labels, images[:0], labels[:0], ("unlabelled",), *_channel_statistics(images), {})


@functools.lru_cache
def _channels(values, device):
    """One number for each channel, (3, 1, 1), kept on the device: copying it there for every batch would wait."""
    with torch.inference_mode(False):  # kept, and perhaps used where gradients are wanted
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]


def load_data(dataset="shapes", data_dir=None):
    """Load a dataset by name.

    Args:
        dataset: ``"shapes"`` (made from a seed, needs no files), ``"cifar100"`` (fetched once if it is not there), or
            ``"folder"`` (``train/<class>/*`` and ``test/<class>/*``: JPEG, PNG, BMP, PPM, PGM, TIFF or WebP).
        data_dir: where the files are; None means the environment variable RLPJEPA_DATA, else ``data``.

    Raises:
        ValueError: for an unknown dataset.
        DataError: if the files are missing, incomplete or damaged.

    Example:
        >>> data = load_data("shapes")
        >>> data.train_images.shape, len(data.classes)
        (torch.Size([6000, 3, 32, 32]), 20)
    """
    if dataset not in DATASETS:
        raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, got {dataset!r}")
    if dataset == "shapes":
        return make_shapes()
    root = Path(data_dir or os.environ.get("RLPJEPA_DATA") or "data").expanduser()
    with torch.device("cpu"):  # whatever the program's default is: torchvision asks for it
        return load_cifar100(root) if dataset == "cifar100" else load_folder(root)


# ---------------------------------------------------------------------------------------------------------------------
# shapes


def _star(x, y, points):
    angle = torch.atan2(y, x)
    return torch.hypot(x, y) * (1.6 + 0.8 * torch.cos(points * angle)) - 1.1


def _box(x, y, w, h):
    return torch.maximum(x.abs() - w, y.abs() - h)


def _polygon(x, y, sides):
    angle = torch.atan2(y, x)
    turn = 2 * math.pi / sides
    return torch.hypot(x, y) * torch.cos((angle + turn / 2) % turn - turn / 2) - 0.8


def _ring(x, y, radius, width):
    return (torch.hypot(x, y) - radius).abs() - width


# Each function is negative inside the motif, which fills about the unit disc.
MOTIFS = {
    "disc": lambda x, y: torch.hypot(x, y) - 0.85,
    "ring": lambda x, y: _ring(x, y, 0.75, 0.2),
    "target": lambda x, y: torch.minimum(_ring(x, y, 0.85, 0.14), torch.hypot(x, y) - 0.35),
    "half disc": lambda x, y: torch.maximum(torch.hypot(x, y) - 1, -y),
    "crescent": lambda x, y: torch.maximum(torch.hypot(x, y) - 1, 0.8 - torch.hypot(x - 0.55, y)),
    "triangle": lambda x, y: _polygon(x, y, 3) + 0.25,
    "square": lambda x, y: _box(x, y, 0.75, 0.75),
    "frame": lambda x, y: torch.maximum(_box(x, y, 0.85, 0.85), -_box(x, y, 0.5, 0.5)),
    "four-star": lambda x, y: _star(x, y, 4),
    "six-star": lambda x, y: _star(x, y, 6),
    "plus": lambda x, y: torch.minimum(_box(x, y, 1, 0.28), _box(x, y, 0.28, 1)),
    "bar": lambda x, y: _box(x, y, 1.1, 0.25),
    "two bars": lambda x, y: _box(x, y.abs() - 0.5, 1, 0.22),
    "three bars": lambda x, y: torch.minimum(_box(x, y, 1, 0.15), _box(x, y.abs() - 0.7, 1, 0.15)),
    "two dots": lambda x, y: torch.hypot(x.abs() - 0.6, y) - 0.42,
    "four dots": lambda x, y: torch.hypot(x.abs() - 0.6, y.abs() - 0.6) - 0.38,
    "corner": lambda x, y: torch.minimum(_box(x + 0.6, y, 0.25, 0.85), _box(x, y + 0.6, 0.85, 0.25)),
    "tee": lambda x, y: torch.minimum(_box(x, y - 0.65, 0.9, 0.22), _box(x, y + 0.1, 0.22, 0.8)),
    "checkers": lambda x, y: torch.maximum(_box(x, y, 0.9, 0.9), x * y * 2),
    "wave": lambda x, y: torch.maximum((y - 0.5 * torch.sin(4 * x)).abs() - 0.24, x.abs() - 1.1),
}


def make_shapes(n_train=6000, n_test=2000, seed=0):
    """Make labelled 32×32 RGB images: several copies of one motif out of twenty, over a mottled background.

    The motif alone is the class. Number, place, size, angle and colour of the copies and the background are drawn
    anew for each image from the same distributions in every class, so that neither pixels nor colours tell it.

    Args:
        n_train, n_test: numbers of images; classes are as even as possible.
        seed: the same seed gives the same images.

    Returns:
        An `ImageData` with 20 classes.

    Raises:
        ValueError: if there are fewer training or test images than classes, or if a number is not whole.

    Example:
        >>> data = make_shapes(60, 20)
        >>> data.train_images.shape, data.train_labels.bincount().tolist() == 20 * [3]
        (torch.Size([60, 3, 32, 32]), True)
    """
    check_counts(n_train=n_train, n_test=n_test)
    for name, count in (("n_train", n_train), ("n_test", n_test)):
        if count < len(MOTIFS):
            raise ValueError(f"{name} must be at least the number of classes, {len(MOTIFS)}, got {count}")
    generator = torch.Generator().manual_seed(seed)
    n = n_train + n_test
    labels = torch.cat([torch.arange(m, device="cpu") % len(MOTIFS) for m in (n_train, n_test)])
    images = torch.empty(n, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.uint8, device="cpu")
    for label, motif in enumerate(MOTIFS.values()):
        members = (labels == label).nonzero()[:, 0]
        images[members] = _draw(motif, len(members), generator)
    train, test = images.split([n_train, n_test])
    md5 = {name: _md5(part.numpy().tobytes()) for name, part in (("train", train), ("test", test))}
    return ImageData(train, labels[:n_train], test, labels[n_train:], tuple(MOTIFS), *_channel_statistics(train), md5)


def _draw(motif, n, generator, copies=(6, 9)):
    """n images of one motif: uint8 (n, 3, 32, 32)."""

    def uniform(*shape, low=0.0, high=1.0):
        return torch.empty(n, *shape, 1, 1, dtype=torch.float32, device="cpu").uniform_(low, high, generator=generator)

    side = torch.linspace(-1, 1, IMAGE_SIZE, dtype=torch.float32, device="cpu")
    y, x = torch.meshgrid(side, side, indexing="ij")
    # Background: a grey level with slow waves of light.
    level, phase = uniform(1, low=0.2, high=0.45), uniform(1, high=2 * math.pi)
    direction, frequency = uniform(1, high=2 * math.pi), uniform(1, low=1, high=4)
    wave = torch.sin(phase + frequency * (x * direction.cos() + y * direction.sin()))
    image = (level + 0.12 * wave).expand(-1, 3, -1, -1)
    count = torch.randint(copies[0], copies[1] + 1, (n, 1, 1, 1), generator=generator, device="cpu")
    for k in range(copies[1]):
        left, top = uniform(1, low=-0.9, high=0.9), uniform(1, low=-0.9, high=0.9)
        radius, angle = uniform(1, low=0.28, high=0.36), uniform(1, low=-0.25, high=0.25)
        u, v = (x - left) / radius, (y - top) / radius
        u, v = u * angle.cos() - v * angle.sin(), u * angle.sin() + v * angle.cos()
        cover = torch.sigmoid(-motif(u, v) * radius * 2 * IMAGE_SIZE) * (k < count)
        colour = uniform(3, low=0.55, high=1.0)
        image = torch.lerp(image, colour.expand_as(image), cover)
    noise = torch.empty_like(image).normal_(0, 0.02, generator=generator)
    return ((image + noise).clamp(0, 1) * 255).round().to(torch.uint8)


def _channel_statistics(images):
    """Mean and deviation per channel of uint8 images scaled to [0, 1], as two tuples of three floats."""
    pixels = images.float() / 255
    mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3))
    # A channel that never changes is only centred.
    return tuple(round(v, 4) for v in mean.tolist()), tuple(round(v, 4) or 1.0 for v in std.tolist())


def _md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


# ---------------------------------------------------------------------------------------------------------------------
# CIFAR-100

# The channel statistics of CIFAR-100 in general use, those of the minimal example.
CIFAR100_MEAN, CIFAR100_STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)


def load_cifar100(root):
    """CIFAR-100 with its 100 fine labels, from ``root/cifar-100-python``; fetched (169 MB) when it is not there.

    Every file is checked against its MD5. An archive ``cifar-100-python.tar.gz`` in ``root`` is unpacked rather than
    fetched. ``root`` may be ``cifar-100-python`` itself.

    Raises:
        DataError: if files are damaged, or cannot be fetched.
    """
    from filelock import FileLock
    from torchvision.datasets import CIFAR100
    from torchvision.datasets.utils import check_integrity

    root = Path(root)
    if root.resolve().name == CIFAR100.base_folder and (root / "train").is_file():
        root = root.resolve().parent
    folder, archive = root / CIFAR100.base_folder, root / CIFAR100.filename
    checksums = dict([*CIFAR100.train_list, *CIFAR100.test_list, (CIFAR100.meta["filename"], CIFAR100.meta["md5"])])

    def find_damage():
        return [name for name, md5 in checksums.items() if not check_integrity(folder / name, md5)]

    if find_damage():
        lock = Path(tempfile.gettempdir()) / f"rlpjepa-{_md5(str(root.resolve()).encode())}.lock"
        with FileLock(lock, mode=0o666):  # of several processes one fetches; the others find it done
            damaged = find_damage()
            if damaged and folder.exists() and not check_integrity(archive, CIFAR100.tgz_md5):
                raise DataError(
                    f"{folder} is incomplete or damaged: {', '.join(damaged)} missing or with a wrong MD5. Remove that "
                    f"folder to have it fetched again, or put {archive.name} (MD5 {CIFAR100.tgz_md5}) into {root}"
                    f"{_damage(archive)}."
                )
            if damaged:
                _fetch_cifar100(root, archive)
    train, test = (CIFAR100(root, train=train) for train in (True, False))
    tensors = []
    for part in (train, test):
        tensors += [torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(part.targets)]
    md5 = {name: checksums[name] for name in ("train", "test")}
    return ImageData(*tensors, tuple(train.classes), CIFAR100_MEAN, CIFAR100_STD, md5)


def _fetch_cifar100(root, archive):
    """Download (with progress) and unpack; a download that fails leaves nothing behind."""
    from torchvision.datasets import CIFAR100

    made = not root.exists()
    before = archive.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        CIFAR100(root, download=True)
    except (OSError, RuntimeError, EOFError) as error:
        if not before:
            archive.unlink(missing_ok=True)
        if made and root.is_dir() and not any(root.iterdir()):
            root.rmdir()
        raise DataError(
            f"CIFAR-100 is not in {root} and could not be fetched from {CIFAR100.url} ({error}). "
            f"Put {archive.name} (MD5 {CIFAR100.tgz_md5}) into {root}{_damage(archive)}, name another "
            "folder with --data-dir or RLPJEPA_DATA, or use the dataset 'shapes', which needs no files."
        ) from error


def _damage(archive):
    return f" (the one that lies there is damaged: MD5 {_md5(archive.read_bytes())})" if archive.is_file() else ""


# ---------------------------------------------------------------------------------------------------------------------
# a folder of images


def load_folder(root):
    """Images of one's own: ``root/train/<class>/*`` and ``root/test/<class>/*``, cropped to a square and made 32×32.

    Images become 8 bits a channel (grey ones of more are refused), upright by their EXIF record, and white where they
    are transparent; of several pages, the first is read; colour profiles are not applied. The formats are those of
    torchvision's ImageFolder, by the ends of the names. Hidden files, what systems leave in folders (``Thumbs.db``),
    other kinds of files and links to what a class has already are left out. A UserWarning says how many, and how many
    files lie there more than once.

    Raises:
        DataError: if a part is missing or empty, if the classes of the two parts differ, or if an image is unreadable.
    """
    root, left_out, files = Path(root), [], {}
    listed = [_list_images(root, part, left_out) for part in ("train", "test")]
    if differing := listed[0].keys() ^ listed[1].keys():
        names = ", ".join(sorted(differing))
        raise DataError(f"{root}: train and test must have the same classes; only one of them has {names}")
    (train, train_labels), (test, test_labels) = (_read_images(images, files) for images in listed)
    said = []
    if left_out:
        said.append(f"{len(left_out)} left out (hidden, a link back, or no image that is read): {_few(left_out, root)}")
    if doubled := [same for same in files.values() if len(same) > 1]:
        said.append(f"{len(doubled)} of the files lie there more than once: {_few(doubled[0], root)}")
    if said:
        warnings.warn(f"{root}: {'; '.join(said)}", stacklevel=3)
    md5 = {name: _md5(part.numpy().tobytes()) for name, part in (("train", train), ("test", test))}
    return ImageData(train, train_labels, test, test_labels, tuple(listed[0]), *_channel_statistics(train), md5)


# Folders that systems leave beside images: zip files of macOS, a Windows drive, a Synology disk. Files of theirs that
# are not hidden, such as Thumbs.db, do not end as images do.
LITTER = ("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir")


def _list_images(root, part, left_out):
    """The paths of a part's images, {class: [path, ...]} in order; what else lies there is added to ``left_out``."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    def refuse(error):  # os.walk would pass over a folder that it may not read
        seen = os.access(root, os.R_OK) and root.is_dir()
        holds = f"; {root} holds {_few(sorted(root.iterdir()), root, 8) or 'nothing'}" if seen else ""
        raise DataError(f"{root / part} must hold one folder of images per class: {error}{holds}") from error

    images, walked = {}, set()
    for folder, folders, names in os.walk(root / part, onerror=refuse, followlinks=True):
        folder, inside = Path(folder), Path(folder).relative_to(root / part).parts
        place = inside[:1], folder.resolve()
        # a link to a folder that it lies in, or that its class has already, leads round and round
        if place in walked or folder.parent.resolve().is_relative_to(place[1]):
            left_out.append(folder)
            folders.clear()
            continue
        walked.add(place)
        kept = [name for name in sorted(folders) if not name.startswith(".") and name not in LITTER]
        left_out += [folder / name for name in sorted(folders) if name not in kept]
        folders[:] = kept
        # macOS has "é" as two characters, other systems as one
        paths = images.setdefault(unicodedata.normalize("NFC", inside[0]), []) if inside else []
        for name in sorted(names):
            good = inside and not name.startswith(".") and name.lower().endswith(IMG_EXTENSIONS)
            (paths if good else left_out).append(folder / name)
    if not images or not all(images.values()):
        empty = ", ".join(name for name in images if not images[name]) or f"{root / part} has none"
        kinds = ", ".join(IMG_EXTENSIONS)
        raise DataError(f"{root / part} must hold one folder of images per class, with files {kinds}; without: {empty}")
    return dict(sorted(images.items()))


def _few(paths, root, count=3):
    names = [path.relative_to(root).as_posix() for path in paths[:count]]
    return ", ".join(names + ["..."] * (len(paths) > count))


def _read_images(listed, files):
    """(images, labels); the paths are added to ``files`` under the MD5 of their content."""
    paths = [(path, label) for label, name in enumerate(listed) for path in listed[name]]
    images = torch.empty(len(paths), 3, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.uint8)
    for i, (path, _) in enumerate(paths):
        try:
            images[i] = _read_image(path)
            files.setdefault(_md5(path.read_bytes()), []).append(path)
        except Exception as error:  # PIL fails in many ways
            raise DataError(f"{path} cannot be read as an image: {error}") from error
    return images, torch.tensor([label for _, label in paths])


def _read_image(path):
    """uint8 (3, 32, 32): the middle square, upright, white where it is transparent."""
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import pil_to_tensor

    with Image.open(path) as image:
        if image.mode.startswith(("I", "F")):  # would be cut off at 255
            raise ValueError(f"more than 8 bits a channel (mode {image.mode}); convert it to 8 bits")
        image = _upright(image)
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        square = ImageOps.fit(image.convert("RGB"), (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    return pil_to_tensor(square)


def _upright(image):
    """A photograph turned as its EXIF record says; as it lies where there is none, or a damaged one."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of many kinds, where the EXIF record is damaged
        return image
