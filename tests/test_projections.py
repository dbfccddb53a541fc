import pytest
import scipy.stats
import torch

from rlpjepa import random_directions


@pytest.mark.parametrize("orthogonal", [False, True])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 8), (8, 8), (21, 8), (5, 1)])
def test_rows_are_unit_vectors(n, d, orthogonal, generator):
    directions = random_directions(n, d, orthogonal=orthogonal, dtype=torch.float64, generator=generator)
    assert directions.shape == (n, d)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(n, dtype=torch.float64))


def test_orthogonal_in_blocks_of_d(generator):
    directions = random_directions(20, 8, orthogonal=True, dtype=torch.float64, generator=generator)
    for block in directions.split(8):
        torch.testing.assert_close(block @ block.T, torch.eye(len(block), dtype=torch.float64))


@pytest.mark.parametrize("orthogonal", [False, True])
def test_uniform_on_the_sphere(orthogonal, generator):
    # On the sphere in dimension d, the square of a coordinate is Beta(1/2, (d - 1)/2). One coordinate per draw, so that
    # the samples are independent; fixed seed, each of the 16 checks would fail 1 time in 1000.
    d = 5
    draws = torch.stack([random_directions(d, d, orthogonal=orthogonal, generator=generator) for _ in range(2000)])
    law = scipy.stats.beta(0.5, (d - 1) / 2)
    for row, coordinate in ((0, 0), (0, 3), (2, 2), (4, 4)):
        x = draws[:, row, coordinate]
        assert scipy.stats.kstest(x.square().numpy(), law.cdf).pvalue > 0.001
        assert scipy.stats.binomtest(int((x > 0).sum()), len(x)).pvalue > 0.001


def test_same_generator_same_directions():
    first, second = (random_directions(4, 3, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize(("n", "d", "name"), [(0, 3, "n"), (3, 0, "d"), (2.5, 3, "n"), (True, 3, "n"), (3, "4", "d")])
def test_bad_sizes(n, d, name):
    with pytest.raises(ValueError, match=f"^{name} must be a positive integer"):
        random_directions(n, d)
