"""What a run keeps: descriptions of the features, the network, the commit; and what is added to older results."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
import scipy.special
import scipy.stats
import torch

import rlpjepa
from rlpjepa.data import make_shapes
from rlpjepa.evaluate import extract_features, l0_fraction
from rlpjepa.pretrain import PretrainConfig, RunError, load_run
from rlpjepa.pretrain.config import differences
from rlpjepa.pretrain.describe import describe_features, effective_rank
from rlpjepa.pretrain.provenance import commit_of
from rlpjepa.pretrain.storage import read_result

from .harness import same

RESULTS = Path(__file__).parents[1] / "notebooks" / "results"


def features(n=300, d=130, nonzero=0.3):
    """Sparse features; the last two coordinates are zero everywhere."""
    z = torch.randn(n, d, generator=torch.Generator().manual_seed(0)) - scipy.stats.norm.isf(nonzero)
    z[:, -2:] = 0
    return z.relu()


def integral(histogram, name):
    return (numpy.array(histogram[name]) * numpy.diff(histogram["edges"])).sum()


# ---------------------------------------------------------------------------------------------------------------------
# descriptions of the features


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"mu": -1.0}, scipy.stats.laplace(-1, 0.5**0.5)),
        ({"p": 2.0, "mu": 0.5}, scipy.stats.norm(0.5)),
        ({"p": 0.5, "regularizer": "rgg_cf"}, scipy.stats.gennorm(0.5, 0, (scipy.special.gamma(2) / 120) ** 0.5)),
        ({"p": 2.0, "mu": 0.5, "rectify": False}, scipy.stats.norm(0.5)),
        ({"regularizer": "none", "coordinate_weight": 1.0}, scipy.stats.laplace(0, 0.5**0.5)),
        ({"regularizer": "sigreg", "mu": -1.0}, scipy.stats.norm(0, 1)),  # whatever p and mu
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else value.dist.name,  # alike in every process
)
def test_histogram_and_the_targets_density(change, wanted):
    histogram = describe_features(features(), PretrainConfig(**change))["histogram"]
    edges = numpy.array(histogram["edges"])
    signed = change.get("rectify") is False or change.get("regularizer") == "sigreg"
    assert edges[-1] == pytest.approx(wanted.isf(0.001 * wanted.sf(0)), abs=1e-4)
    assert edges[0] == pytest.approx(2 * wanted.mean() - edges[-1] if signed else 0, abs=1e-4)
    density = numpy.diff(wanted.cdf(edges)) / numpy.diff(edges)
    numpy.testing.assert_allclose(histogram["target"], density, rtol=2e-3, atol=2e-5)
    z = features().numpy()
    counts, _ = numpy.histogram(z[z != 0], edges)
    numpy.testing.assert_allclose(histogram["density"], counts / z.size / numpy.diff(edges), rtol=0.05, atol=2e-3)
    inside = ((z != 0) & (z >= edges[0]) & (z <= edges[-1])).mean()
    assert integral(histogram, "density") == pytest.approx(inside, abs=1e-3)
    if not signed:
        assert integral(histogram, "target") == pytest.approx(0.999 * wanted.sf(0), rel=1e-3)


@pytest.mark.parametrize("change", [{"p": 2.0, "mu": -8.0}, {"p": 2.0, "mu": -30.0}, {"mu": -30.0}], ids=str)
def test_histogram_of_a_target_that_is_hardly_ever_on(change):
    histogram = describe_features(torch.zeros(20, 8), PretrainConfig(**change))["histogram"]
    edges = numpy.array(histogram["edges"])
    assert numpy.isfinite(edges).all() and (numpy.diff(edges) >= 0).all() and edges[-1] > 0
    assert numpy.isfinite(histogram["target"]).all() and not any(histogram["density"])


def test_histogram_without_a_target_reaches_as_far_as_the_features():
    for change in ({"regularizer": "none"}, {"regularizer_weight": 0.0}):
        histogram = describe_features(features(), PretrainConfig(**change))["histogram"]
        assert histogram["target"] is None and integral(histogram, "density") == pytest.approx(
            (features() != 0).float().mean().item(), abs=1e-3
        )
        assert histogram["edges"][-1] == pytest.approx(features().max().item(), abs=1e-5)


def test_shares_and_counts_of_nonzero_entries():
    z = features()
    found, active = describe_features(z, PretrainConfig()), z.numpy() != 0
    numpy.testing.assert_allclose(found["active_share"], active.mean(axis=0), atol=5.1e-5)
    assert found["active_share"][-1] == 0
    edges = numpy.array(found["nonzero_counts"]["edges"])
    counts, _ = numpy.histogram(active.sum(axis=1), edges)
    assert found["nonzero_counts"]["images"] == counts.tolist() and sum(counts) == 300
    assert edges[0] == 0 and edges[-1] > 130 and set(numpy.diff(edges)) == {2}


def test_effective_rank():
    x = features().double().numpy()
    variance = numpy.linalg.eigvalsh(numpy.cov(x, rowvar=False)).clip(0)
    share = numpy.sqrt(variance) / numpy.sqrt(variance).sum()
    expected = numpy.exp(scipy.stats.entropy(share))
    assert effective_rank(features()) == pytest.approx(expected, rel=1e-3)
    assert describe_features(features(), PretrainConfig())["effective_rank"] == pytest.approx(expected, rel=1e-3)
    line = torch.linspace(-1, 1, 50)[:, None] * torch.ones(4) + 3
    assert effective_rank(line) == pytest.approx(1, abs=1e-5)
    square = torch.tensor([[1.0, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0]])
    assert effective_rank(square) == pytest.approx(2)


@pytest.mark.parametrize("z", [torch.zeros(20, 8), torch.ones(20, 8)], ids=["zeros", "ones"])
def test_collapsed_features_can_be_described(z):
    for change in ({}, {"regularizer": "none"}):
        found = describe_features(z, PretrainConfig(**change))
        assert found["effective_rank"] == 0 and found["active_share"] == [z[0, 0]] * 8
        assert json.loads(json.dumps(found, allow_nan=False)) == found


# ---------------------------------------------------------------------------------------------------------------------
# the network of a run


def test_load_run_from_a_checkpoint(finished, tiny):
    folder, _, model = finished
    loaded, config = load_run(folder)
    assert config == tiny and not loaded.training and same(loaded.state_dict(), model.state_dict())


def test_load_run_from_a_result_and_weights_in_half_precision(finished, tmp_path):
    folder, result, model = finished
    shutil.copy(folder / "result.json", tmp_path)
    half = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    torch.save(half, tmp_path / "weights.pt")
    loaded, config = load_run(str(tmp_path))
    assert config == PretrainConfig(**result["config"])
    for name, weight in loaded.state_dict().items():
        assert weight.dtype == model.state_dict()[name].dtype
        torch.testing.assert_close(weight, model.state_dict()[name], rtol=1e-3, atol=1e-5)


def test_network_to_take_home_opens_and_answers():
    (folder,) = (RESULTS / "networks").iterdir()
    network, config = load_run(folder)
    assert (config.dataset, config.mu, config.epochs) == ("cifar100", -1, 100)
    data = make_shapes(20, 200)  # images of another kind than it has learned from
    z = extract_features(network, data, data.test_images)[1]
    assert z.isfinite().all() and 0.02 < l0_fraction(z) < 0.4
    assert network.state_dict()["backbone.bn1.running_var"].std() > 0  # as training left them


@pytest.mark.parametrize(
    "run",
    ["cifar100/rdmreg_p1_mu0_100epochs_seed0", "cifar100/stem_rdmreg_p1_mu-2_100epochs_seed0", "shapes/lejepa_seed1"],
)
def test_z_beside_a_result_is_of_that_run(run):
    result = json.loads((RESULTS / f"{run}.json").read_text(encoding="utf-8"))
    with numpy.load(RESULTS / f"{run}_z.npz") as kept:
        z, index, label, commit = (kept[name] for name in ("z", "index", "label", "commit"))
    assert commit == result["provenance"]["commit"] and z.shape == (len(index), result["config"]["dim"])
    share = numpy.mean(z != 0)
    assert share == pytest.approx(result["final"]["nonzero_fraction"], abs=0.01)
    if result["config"]["dataset"] == "shapes":
        assert label.tolist() == make_shapes().test_labels[torch.from_numpy(index.astype(int))].tolist()


def test_load_run_refuses_what_is_no_run(tmp_path):
    with pytest.raises(RunError, match="there is no checkpoint"):
        load_run(tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"x")
    with pytest.raises(RunError, match="result.json is not a result file"):
        load_run(tmp_path)
    (tmp_path / "result.json").write_text('{"config": {}, "final": {}}', encoding="utf-8")
    with pytest.raises(RunError, match="weights.pt is damaged"):
        load_run(tmp_path)
    for weights in ({"weight": torch.ones(3)}, {}):
        torch.save(weights, tmp_path / "weights.pt")
        with pytest.raises(RunError, match="holds no weights of this run's network: Error"):
            load_run(tmp_path)


@pytest.mark.parametrize("folder", ["cifar100", "shapes"])
def test_results_in_the_repository_stay_readable(folder):
    files = sorted((RESULTS / folder).glob("*.json"))
    assert len(files) > 10
    for file in files:
        result = read_result(file)
        config = PretrainConfig(**result["config"])
        assert differences(result["config"], config) == ""  # options that were unknown then have their defaults
        assert config.epochs == len(result["epochs"])
        assert result["final"]["expected_nonzero_fraction"] == pytest.approx(config.expected_nonzero_fraction())
        assert set(result["provenance"]) >= {"commit", "date", "versions", "hardware", "data_md5"}


# ---------------------------------------------------------------------------------------------------------------------
# the commit


def test_commit_of_a_copy_without_its_history(monkeypatch):
    monkeypatch.setenv("PATH", "")  # no git
    monkeypatch.delenv("RLPJEPA_COMMIT", raising=False)
    assert commit_of(__file__) is None
    monkeypatch.setenv("RLPJEPA_COMMIT", "c0ffee")
    assert commit_of(__file__) == "c0ffee"


def test_commit_of_somebody_elses_repository_is_not_ours(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("GIT_", "RLPJEPA_COMMIT"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(["git", *who, "-C", tmp_path, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init")
    git("commit", "--allow-empty", "-m", "theirs")
    copy = Path(shutil.copy(rlpjepa.__file__, tmp_path))
    assert commit_of(copy) is None
    git("add", ".")
    git("commit", "-m", "now it is theirs")
    assert commit_of(copy) == git("rev-parse", "HEAD")
    copy.write_text("changed", encoding="utf-8")
    assert commit_of(copy) == git("rev-parse", "HEAD") + "-dirty"
