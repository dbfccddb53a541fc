import concurrent.futures
import dataclasses
import hashlib
import http.server
import os
import pickle
import tarfile
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR100

from rlpjepa import DataError, augment, knn_accuracy, load_data, make_shapes
from rlpjepa.data import MOTIFS, unlabelled


def md5(content):
    return hashlib.md5(content).hexdigest()


# ---------------------------------------------------------------------------------------------------------------------
# shapes


def test_shapes_have_even_classes_and_repeat():
    first, second, other = make_shapes(200, 60), make_shapes(200, 60), make_shapes(200, 60, seed=1)
    assert first.train_images.shape == (200, 3, 32, 32) and first.train_images.dtype == torch.uint8
    assert first.test_labels.bincount().tolist() == [3] * len(first.classes) == [3] * 20
    assert first.md5 == second.md5 != other.md5
    assert torch.equal(first.train_images, second.train_images)
    assert first.classes == tuple(MOTIFS)


def test_data_equals_itself_alone(small_data):
    assert small_data == small_data != small_data.to("cpu") and len({small_data, small_data}) == 1
    assert torch.equal(small_data.to("cpu").test_images, small_data.test_images)
    assert small_data.to("cpu").md5 == small_data.md5


@pytest.mark.usefixtures("float64_by_default")
def test_shapes_do_not_depend_on_the_default_type(small_data):
    assert make_shapes(120, 40).md5 == small_data.md5


def test_statistics_are_the_training_images(small_data):
    pixels = small_data.train_images.numpy() / 255
    np.testing.assert_allclose(small_data.mean, pixels.mean((0, 2, 3)), atol=1e-4)
    np.testing.assert_allclose(small_data.std, pixels.std((0, 2, 3)), atol=1e-4)
    normal = small_data.normalize(small_data.train_images)
    torch.testing.assert_close(normal.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-3)
    torch.testing.assert_close(normal, small_data.normalize(small_data.train_images.float() / 255))


def test_gradients_reach_images_after_a_look_in_inference_mode(small_data):
    data = dataclasses.replace(small_data, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))  # numbers not met before
    with torch.inference_mode():
        data.normalize(data.test_images)
    pixels = torch.rand(2, 3, 32, 32, requires_grad=True)
    data.normalize(pixels).sum().backward()
    assert torch.allclose(pixels.grad[:, 1], torch.tensor(2.0))


@pytest.mark.slow
def test_shapes_cannot_be_told_by_pixels_colours_or_brightness():
    data = make_shapes()
    labels = data.train_labels, data.test_labels

    def accuracy(describe):
        train, test = (describe(data.normalize(images)) for images in (data.train_images, data.test_images))
        return knn_accuracy(train, labels[0], test, labels[1])

    assert accuracy(lambda x: x.flatten(1)) < 0.25  # chance is 0.05
    assert accuracy(lambda x: torch.cat([x.mean((2, 3)), x.std((2, 3))], dim=1)) < 0.25


def test_views_are_drawn_of_the_images_named(small_data):
    index, seed = torch.tensor([5, 5, 0]), lambda: torch.Generator().manual_seed(1)
    views = small_data.views(index, 3, generator=seed())
    assert views.shape == (3, 3, 3, 32, 32) and small_data.views(index).shape == (2, 3, 3, 32, 32)
    drawn = augment.draw_views(small_data.train_images[index], 3, seed())
    mean, std = (torch.tensor(values)[:, None, None] for values in (small_data.mean, small_data.std))
    torch.testing.assert_close(views, (drawn - mean) / std)


def test_images_without_labels(small_data):
    data = unlabelled(small_data.train_images)
    assert torch.equal(data.train_images, small_data.train_images) and len(data.test_images) == 0
    assert (data.mean, data.std) == (small_data.mean, small_data.std)
    assert data.train_labels.unique().tolist() == [0] and len(data.classes) == 1
    assert data.views(torch.arange(4)).shape == (2, 4, 3, 32, 32)


# ---------------------------------------------------------------------------------------------------------------------
# CIFAR-100: a small archive of the same form, on a server of this test's own


@pytest.fixture
def tiny_cifar(tmp_path, monkeypatch):
    """A server with a CIFAR-100 archive of 20 + 10 images; yields (archive, requests), the latter growing per fetch."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    g = np.random.default_rng(0)
    source = tmp_path / "source" / "cifar-100-python"
    source.mkdir(parents=True)
    content = {
        name: {"data": g.integers(0, 256, (n, 3072), dtype=np.uint8), "fine_labels": [i % 100 for i in range(n)]}
        for name, n in (("train", 20), ("test", 10))
    } | {"meta": {"fine_label_names": [f"class {i}" for i in range(100)]}}
    for name, value in content.items():
        (source / name).write_bytes(pickle.dumps(value))
    archive = tmp_path / "source" / CIFAR100.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "cifar-100-python")
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=archive.parent)

        def log_message(self, *arguments):
            requests.append(self.command)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sums = {name: md5((source / name).read_bytes()) for name in content}
    monkeypatch.setattr(CIFAR100, "url", f"http://127.0.0.1:{server.server_port}/{CIFAR100.filename}")
    monkeypatch.setattr(CIFAR100, "tgz_md5", md5(archive.read_bytes()))
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", CIFAR100.meta | {"md5": sums["meta"]})
    yield archive, requests, content
    server.shutdown()
    server.server_close()


def test_cifar_is_fetched_once_and_found_again(tiny_cifar, tmp_path, monkeypatch):
    _, requests, content = tiny_cifar
    data = load_data("cifar100", tmp_path / "there")
    assert "GET" in requests
    fetched = len(requests)
    expected = content["train"]["data"].reshape(20, 3, 32, 32)
    np.testing.assert_array_equal(data.train_images.numpy(), expected)
    assert data.test_labels.tolist() == content["test"]["fine_labels"] and data.classes[3] == "class 3"
    assert data.md5 == {"train": CIFAR100.train_list[0][1], "test": CIFAR100.test_list[0][1]}
    monkeypatch.setenv("RLPJEPA_DATA", str(tmp_path / "there"))
    again = load_data("cifar100")
    assert torch.equal(again.train_images, data.train_images) and len(requests) == fetched


def test_of_several_processes_one_fetches(tiny_cifar, tmp_path):
    _, requests, _ = tiny_cifar
    load_data("cifar100", tmp_path / "alone")
    alone = len(requests)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        data = list(pool.map(lambda _: load_data("cifar100", tmp_path / "there"), range(4)))
    assert len(requests) == 2 * alone and all(torch.equal(one.train_images, data[0].train_images) for one in data)


def test_cifar_archive_on_disk_is_not_fetched(tiny_cifar, tmp_path):
    archive, requests, _ = tiny_cifar
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / archive.name).write_bytes(archive.read_bytes())
    load_data("cifar100", tmp_path / "there")
    assert requests == []


def test_damaged_cifar_is_refused(tiny_cifar, tmp_path):
    root = tmp_path / "there"
    load_data("cifar100", root)
    (root / CIFAR100.filename).unlink()
    train = root / "cifar-100-python" / "train"
    train.write_bytes(train.read_bytes()[:-100])
    with pytest.raises(DataError, match="incomplete or damaged: train missing or with a wrong MD5"):
        load_data("cifar100", root)
    train.unlink()
    with pytest.raises(DataError, match="train missing"):
        load_data("cifar100", root)


def test_damaged_archive_is_named_with_its_sum(tiny_cifar, tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR100, "url", "http://127.0.0.1:9/cifar-100-python.tar.gz")  # nobody listens there
    (tmp_path / "there").mkdir()
    archive = tmp_path / "there" / CIFAR100.filename
    archive.write_bytes(b"half of an archive")
    said = rf"there.{{0,40}} \(the one that lies there is damaged: MD5 {md5(b'half of an archive')}\)"
    with pytest.raises(DataError, match=said):
        load_data("cifar100", tmp_path / "there")
    (tmp_path / "there" / "cifar-100-python").mkdir()
    with pytest.raises(DataError, match=said):
        load_data("cifar100", tmp_path / "there")
    assert archive.read_bytes() == b"half of an archive"


def test_the_folder_of_cifar_itself_may_be_named(tiny_cifar, tmp_path, monkeypatch):
    _, requests, _ = tiny_cifar
    data = load_data("cifar100", tmp_path / "there")
    fetched = len(requests)
    assert load_data("cifar100", tmp_path / "there" / "cifar-100-python").md5 == data.md5
    monkeypatch.chdir(tmp_path / "there" / "cifar-100-python")
    assert load_data("cifar100", ".").md5 == data.md5 and len(requests) == fetched


def test_no_network_says_where_to_put_the_archive_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(CIFAR100, "url", "http://127.0.0.1:9/cifar-100-python.tar.gz")  # nobody listens there
    with pytest.raises(DataError, match=r"Put cifar-100-python.tar.gz \(MD5 .*\) into .*there.*'shapes'"):
        load_data("cifar100", tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_truncated_download_leaves_nothing(tiny_cifar, tmp_path):
    archive, _, _ = tiny_cifar
    archive.write_bytes(archive.read_bytes()[:-1000])
    with pytest.raises(DataError, match="could not be fetched"):
        load_data("cifar100", tmp_path / "there")
    assert not (tmp_path / "there").exists()


# ---------------------------------------------------------------------------------------------------------------------
# a folder of images


@pytest.fixture
def folder(tmp_path):
    """train and test with the classes "left" (red) and "right" (blue), images of several sizes and formats."""
    for part, n in (("train", 3), ("test", 2)):
        for name, color in (("left", (255, 0, 0)), ("right", (0, 0, 255))):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(n):
                image = Image.new("RGB", (40 + 10 * i, 64 if part == "train" else 66), color)
                image.save(tmp_path / part / name / f"{i}.{'png' if i else 'bmp'}")
    return tmp_path


def test_folder(folder):
    data = load_data("folder", folder)
    assert data.train_images.shape == (6, 3, 32, 32) and data.classes == ("left", "right")
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    red = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]
    assert (data.test_images[0] == red).all()


def test_folder_crops_the_middle_square(folder):
    image = Image.new("RGB", (96, 32), (0, 0, 255))
    image.paste((255, 0, 0), (32, 0, 64, 32))
    image.save(folder / "test" / "left" / "0.bmp")
    (folder / "test" / "left" / "1.gif").write_text("not of a format that is read", encoding="utf-8")
    data = load_data("folder", folder)
    assert len(data.test_images) == 4
    assert (data.test_images[0] == torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]).all()


def test_folder_with_a_part_missing(folder):
    (folder / "test").rename(folder / "validation")
    with pytest.raises(DataError, match="test must hold one folder of images per class"):
        load_data("folder", folder)


def test_folder_without_images(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match="train must hold one folder of images per class"):
        load_data("folder", tmp_path)


def test_folder_with_other_test_classes(folder):
    (folder / "test" / "left").rename(folder / "test" / "up")
    with pytest.raises(DataError, match="same classes; only one of them has left, up"):
        load_data("folder", folder)


def test_folder_with_an_unreadable_image(folder):
    broken = folder / "train" / "left" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(DataError, match="1.png cannot be read as an image"):
        load_data("folder", folder)


def test_folder_with_more_than_8_bits(folder):
    """They would be cut off at 255: a ramp to 4095 would be nearly white."""
    Image.fromarray(np.linspace(0, 4095, 1600).reshape(40, 40).astype(np.uint16)).save(folder / "train/left/1.png")
    with pytest.raises(DataError, match="1.png cannot be read as an image: more than 8 bits a channel .mode I"):
        load_data("folder", folder)


@pytest.mark.parametrize("content", [b"P6\n3", b"P6\n30000 30000\n255\n"], ids=["cut short", "too large"])
def test_folder_with_an_image_that_is_none(folder, content):
    (folder / "train" / "left" / "odd.ppm").write_bytes(content)
    with pytest.raises(DataError, match="odd.ppm cannot be read as an image"):
        load_data("folder", folder)


def test_folder_turns_photographs_upright(folder):
    image, exif = Image.new("RGB", (32, 32), (255, 255, 255)), Image.Exif()
    image.paste((0, 0, 0), (0, 0, 32, 16))  # black above, white below
    exif[0x0112] = 3  # "Orientation": turned by 180 degrees
    image.save(folder / "train" / "left" / "turned.png", exif=exif)
    data = load_data("folder", folder)
    turned = data.train_images[3]  # after 0, 1 and 2
    assert (turned[:, :15] == 255).all() and (turned[:, 17:] == 0).all()


def test_folder_with_a_damaged_exif_record(folder):
    """It says nothing of the picture, which is taken as it lies."""
    image = Image.new("RGB", (32, 32), (255, 255, 255))
    image.paste((0, 0, 0), (0, 0, 32, 16))
    image.save(folder / "train" / "left" / "turned.png", exif=b"no exif, no exif")
    assert (load_data("folder", folder).train_images[3][:, 17:] == 255).all()


def blue_image():
    return Image.new("RGB", (32, 32), (0, 0, 255))


def test_folder_leaves_out_what_systems_leave_and_says_so_once(folder):
    """JupyterLab's checkpoints, a zip file of macOS, Windows' thumbnails, a photograph that no library here reads."""
    for name in (".ipynb_checkpoints", "__MACOSX", "left/.ipynb_checkpoints"):
        (folder / "train" / name).mkdir()
        blue_image().save(folder / "train" / name / "0.png")
    for name in ("left/._0.bmp", ".DS_Store", "right/Thumbs.db", "desktop.ini", "right/photo.HEIC", "loose.png"):
        (folder / "train" / name).write_bytes(b"no image")
    with pytest.warns(UserWarning) as said:
        data = load_data("folder", folder)
    assert data.classes == ("left", "right") and data.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    (said,) = [str(one.message) for one in said if "left out" in str(one.message)]
    assert said.startswith(f"{folder}: 9 left out ") and "train/.ipynb_checkpoints" in said


def test_a_file_that_lies_there_twice_is_named(folder):
    (folder / "test" / "right" / "copy.png").write_bytes((folder / "train" / "left" / "1.png").read_bytes())
    with pytest.warns(UserWarning, match="1 of the files lie there more than once: train/left/1.png, test/right/copy"):
        load_data("folder", folder)


def test_folder_that_links_to_itself_is_read_once(folder):
    (folder / "train" / "left" / "again").symlink_to(folder / "train" / "left", target_is_directory=True)
    (folder / "train" / "left" / "all").symlink_to(folder, target_is_directory=True)
    with pytest.warns(UserWarning, match="2 left out .*a link back.*: train/left/again, train/left/all"):
        assert len(load_data("folder", folder).train_images) == 6


def test_classes_that_link_to_each_other_have_each_image_once(folder):
    for one, other in (("left", "right"), ("right", "left")):
        (folder / "train" / one / "more").symlink_to(folder / "train" / other, target_is_directory=True)
    with pytest.warns(UserWarning, match="2 left out .*6 of the files lie there more than once"):
        labels = load_data("folder", folder).train_labels
    assert labels.tolist() == [0] * 6 + [1] * 6


def test_one_class_in_the_spelling_of_two_systems(folder):
    (folder / "train" / "left").rename(folder / "train" / "caf\u00e9")
    (folder / "test" / "left").rename(folder / "test" / "cafe\u0301")  # as macOS writes it
    assert load_data("folder", folder).classes == ("caf\u00e9", "right")


def test_transparent_parts_are_white_and_printers_colours_are_kept(folder):
    (folder / "train" / "left").joinpath("0.bmp").unlink()
    clear = Image.new("RGBA", (32, 32), (0, 255, 0, 0))  # green, where it can be seen
    clear.save(folder / "train" / "left" / "0.png")
    clear.quantize().save(folder / "train" / "left" / "1.png")
    Image.new("CMYK", (32, 32), (255, 255, 0, 0)).save(folder / "train" / "left" / "2.jpg")  # blue
    (folder / "train" / "left" / "2.png").unlink()
    images = load_data("folder", folder).train_images[:3].long()
    assert (images[:2] == 255).all()
    assert (images[2, 2] > 200).all() and (images[2, :2] < 60).all()


def test_folder_elsewhere_says_what_lies_there(folder):
    with pytest.raises(DataError, match="train must hold one folder of images per class: .*train holds left, right"):
        load_data("folder", folder / "train")
    for path in (folder / "test" / "left").iterdir():
        path.rename(path.with_suffix(".gif"))
    with pytest.raises(DataError, match="test must hold one folder .* without: left"):
        load_data("folder", folder)


def test_folder_that_may_not_be_read(folder):
    folder.chmod(0)
    if os.access(folder, os.R_OK):
        pytest.skip("this user may read everything")
    try:
        with pytest.raises(DataError, match="train must hold one folder of images per class: .*Permission denied"):
            load_data("folder", folder)
    finally:
        folder.chmod(0o700)


def test_channel_without_contrast_is_only_centred(folder):
    data = load_data("folder", folder)  # red and blue: nothing green
    assert data.std[1] == 1 and data.normalize(data.train_images).isfinite().all()


def test_views_are_float32_after_a_float64_default(small_data, float64_by_default):
    mean = dataclasses.replace(small_data, mean=(0.11, 0.12, 0.13))  # which nobody has used before
    assert mean.views(torch.arange(4)).dtype == torch.float32
