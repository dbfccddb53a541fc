import pytest
import torch

from rlpjepa import make_shapes


def pytest_collection_modifyitems(items):
    for item in items:
        # nbval waits only 5 s for the output of a cell that is still computing, whatever its cell timeout.
        if hasattr(item, "output_timeout"):
            item.output_timeout = 300


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def small_data():
    """A few of the embedded images: 120 for training, 40 for testing."""
    return make_shapes(120, 40)


@pytest.fixture
def float64_by_default():
    """As in a notebook that computes in float64."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(dtype)
