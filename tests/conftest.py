import dataclasses
import signal

import pytest
import torch

from rlpjepa import make_shapes
from rlpjepa.pretrain import pretrain

from .harness import TINY, write_folder


def pytest_configure():
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts what runs in its background
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Threads that share tiny tensors wait for each other, on a busy machine ten times as long as one computes."""
    torch.set_num_threads(1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def small_data():
    """A few of the embedded images: 120 for training, 40 for testing."""
    return make_shapes(120, 40)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, small_data):
    """A configuration of two epochs of 15 steps, whose data is a folder: 120 images for training, 8 for testing."""
    folder = tmp_path_factory.mktemp("data")
    write_folder(folder, small_data, test=8)
    return dataclasses.replace(TINY, data_dir=str(folder))


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny):
    """(folder, result, model) of a run of that configuration; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return folder, *pretrain(tiny, folder, progress=False)


@pytest.fixture
def float64_by_default():
    """As in a notebook that computes in float64."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(dtype)
