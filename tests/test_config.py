"""`PretrainConfig`, and the command line whose options are its fields."""

import dataclasses
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.special
import scipy.stats
import torch

from rlpjepa.pretrain import PretrainConfig
from rlpjepa.pretrain.__main__ import main, new_run_dir, parse_arguments
from rlpjepa.pretrain.config import differences

FIELDS = [field.name for field in dataclasses.fields(PretrainConfig)]
BAD = {
    "dataset": ["cifar10", None],
    "data_dir": [3],
    "backbone": [18],
    "cifar_stem": [1],
    "stem_stride": [0, 3, 2],  # 2 without the stem
    "channels": [16, (16, 32), (16, 32, 64, 0), (16.0, 32, 64, 128), "16", ()],
    "dim": [0, 2.5, True],
    "p": [0.0, -1.0, math.nan, math.inf, "1"],
    "mu": [math.nan, math.inf, None],
    "rectify": [0, "no"],
    "rectify_target": [0, "no"],
    "regularizer": ["vicreg", "RDMReg", "", None],
    "num_projections": [0],
    "direction_size": [0, 513, 2.0],
    "invariance_weight": [-1.0, math.nan],
    "regularizer_weight": [-1.0],
    "coordinate_weight": [-1.0, math.nan, math.inf, "1", True],
    "crop_min_scale": [0.0, 1.1, "0.2"],
    "interpolation": ["nearest"],
    "brightness": [-0.1, 1.1],
    "contrast": [1.1],
    "saturation": [1.1],
    "hue": [-0.1, 0.6],
    "color_jitter_prob": [-0.1, 1.1, math.nan],
    "grayscale_prob": [1.1],
    "solarize_prob": [-0.1, 1.1],
    "batch_size": [1, 0, 2.0],
    "epochs": [-1],
    "optimizer": ["sgd", "LARS", None],
    "lr": [0.0, -1e-3],
    "warmup_epochs": [-1, 101, 1.5],  # longer than the run
    "schedule": ["linear"],
    "weight_decay": [-1e-4],
    "momentum": [-0.1, 1.1],
    "trust_coeff": [0.0],
    "online_probe_lr": [-0.01],
    "seed": [-1, 1.5, 2**63, 10**400],
    "device": ["gpu"],
    "cuda_graph": [1, "yes"],
    "checkpoint_seconds": [-1.0],
}


@pytest.mark.parametrize("field", FIELDS)
def test_bad_values_name_the_field(field):
    for value in BAD[field]:
        with pytest.raises(ValueError, match=f"^{field} must be .*, got {re.escape(repr(value))}$"):
            PretrainConfig(**{field: value})


def test_folder_of_the_data_may_be_a_path():
    assert PretrainConfig(data_dir=Path("some") / "folder") == PretrainConfig(data_dir=str(Path("some") / "folder"))


def test_channels_from_a_file_and_from_the_command_line(capsys, tmp_path):
    config = PretrainConfig(channels=(16, 32, 64, 128), cifar_stem=True, stem_stride=2)
    assert PretrainConfig(channels=[16, 32, 64, 128], cifar_stem=True, stem_stride=2) == config
    assert differences(json.loads(json.dumps(dataclasses.asdict(config))), config) == ""
    assert "channels" in differences(dataclasses.asdict(config), PretrainConfig(cifar_stem=True, stem_stride=2))
    given = parse_arguments(["--channels", "16", "32", "64", "128", "--cifar-stem", "--stem-stride", "2"])[1]
    options = {key: value for key, value in vars(given).items() if key in FIELDS}
    assert PretrainConfig(**options) == config


def test_whole_numbers_pass_for_floats():
    assert PretrainConfig(mu=-1, p=2) == PretrainConfig(mu=-1.0, p=2.0)


@pytest.mark.parametrize("rectify", [True, False])
@pytest.mark.parametrize(("p", "mu"), [(2.0, -1.0), (0.5, 0.7)])
def test_target_follows_p_and_mu(p, mu, rectify, generator):
    target = PretrainConfig(p=p, mu=mu, rectify=rectify).target()
    assert target.loc.dtype == torch.float32
    x = target.sample((16_000,), generator=generator).numpy()
    scale = math.exp((scipy.special.gammaln(1 / p) - scipy.special.gammaln(3 / p)) / 2)  # scipy's, for variance 1
    wanted = scipy.stats.gennorm(p, mu, scale)
    share = wanted.sf(0) if rectify else 1.0
    assert abs((x != 0).mean() - share) <= 4 * math.sqrt(share * (1 - share) / len(x))  # 1 seed in 16,000 fails
    low = 0.0 if rectify else -math.inf
    assert x.min() >= low
    test = scipy.stats.kstest(x[x != 0], lambda value: 1 - wanted.sf(value) / wanted.sf(low))
    assert test.pvalue > 1e-3  # 1 seed in 1000 fails


@pytest.mark.parametrize("rectify", [True, False])
def test_target_may_be_rectified_or_not_whatever_the_projector_is(rectify, generator):
    config = PretrainConfig(rectify=rectify, rectify_target=not rectify)
    assert (config.target().sample((1000,), generator=generator) < 0).any() == rectify


@pytest.mark.parametrize(
    ("p", "mu", "expected"),
    [(1.0, 0.0, 0.5), (2.0, -1.0, 0.5 * math.erfc(1 / math.sqrt(2))), (1.0, -2.0, 0.5 * math.exp(-2 * math.sqrt(2)))],
)
def test_expected_nonzero_fraction(p, mu, expected):
    assert PretrainConfig(p=p, mu=mu).expected_nonzero_fraction() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "aimed"),
    [
        ({"regularizer": "none"}, False), ({"regularizer": "none", "coordinate_weight": 1.0}, True),
        ({"regularizer_weight": 0.0}, False), ({"regularizer": "sigreg"}, False), ({"regularizer": "rgg_cf"}, True),
        ({"rectify": False}, False), ({"rectify_target": False}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_share_is_expected_where_a_term_of_the_loss_asks_for_it(change, aimed):
    assert PretrainConfig(**change).expected_nonzero_fraction() == (0.5 if aimed else None)


def test_differences_are_those_that_change_results():
    options = {"mu": -1.0, "device": "cuda", "data_dir": "x", "checkpoint_seconds": 1.0, "cuda_graph": True, "old": 3}
    text = differences(options, PretrainConfig(seed=4))
    assert text == "mu -1.0 there, 0.0 here, old 3 there, None here, seed 0 there, 4 here"


# ---------------------------------------------------------------------------------------------------------------------
# the command line


def test_every_field_is_an_option(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all("--" + field.replace("_", "-") in text for field in FIELDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--p", "0"], "p must be in (0.08, 20), got 0.0"),
        (["--mu", "nan"], "mu must be finite"),
        (["--dataset", "imagenet"], "dataset must be one of"),
        (["--colour", "blue"], "unrecognized arguments: --colour"),
        (["--epoch", "1"], "unrecognized arguments: --epoch 1: did you mean --epochs?"),
        (["--data_dir=x"], "unrecognized arguments: --data_dir=x: did you mean --data-dir?"),
        (["--run", "x"], "did you mean --run-dir?"),
        (["--resume"], "--resume needs the --run-dir"),
        (["--sweep", "x.toml", "--run-dir", "x"], "--sweep chooses the folders of its runs itself"),
    ],
)
def test_bad_options_end_in_one_clear_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_run_without_a_folder_gets_one_of_its_own():
    names = {new_run_dir("shapes") for _ in range(20)}  # in one second, or two
    assert len(names) == 20 and all(re.fullmatch(r"runs/shapes-\d{8}-\d{6}-[0-9a-f]{6}", name) for name in names)


@pytest.mark.slow
def test_as_a_process_of_its_own_without_network(tmp_path):
    command = [sys.executable, "-m", "rlpjepa.pretrain", "--dataset", "cifar100", "--data-dir", str(tmp_path / "none")]
    environment = {"PATH": "", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and "Put cifar-100-python.tar.gz" in done.stderr
    assert not list(tmp_path.glob("runs/*"))


@pytest.mark.parametrize("name", ["rlpjepa", "rlpjepa.pretrain"])
def test_import_loads_torch_and_no_more(name):
    command = [sys.executable, "-c", f"import sys, {name}; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torchvision", "timm", "matplotlib", "plotly", "IPython", "ipywidgets", "scipy", "jupyterlab"}
    assert "torch" in loaded and name in loaded and not heavy & set(loaded)
