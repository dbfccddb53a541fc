"""``--sweep FILE``: many runs from one file, of which each is done once."""

import dataclasses
import json
import math
import os
import sys

import pytest
import torch
from matplotlib.figure import Figure

from rlpjepa import PretrainConfig, RunError, pretrain
from rlpjepa.pretrain import main, read_sweep, sweep, train_step
from rlpjepa.storage import load_checkpoint

module = sys.modules["rlpjepa.pretrain"]  # the package's attribute of that name is the function
DEFAULTS = """
[defaults]
backbone = "test_byobnet"
dim = 8
batch_size = 24
num_projections = 8
epochs = 2
device = "cpu"
checkpoint_seconds = 0
"""
BASE = PretrainConfig(
    backbone="test_byobnet", dim=8, batch_size=24, num_projections=8, epochs=2, device="cpu", checkpoint_seconds=0
)


@pytest.fixture(autouse=True)
def tiny(small_data, monkeypatch, tmp_path):
    """120 images, so that an epoch is five steps of 24; evaluation and figure, not the matter here, are made up."""
    final = dict.fromkeys(["encoder_knn", "encoder_probe", "projector_knn", "projector_probe"], 0.25)
    monkeypatch.setattr(module, "load_data", lambda *_: small_data)
    monkeypatch.setattr(module, "LOG_EVERY", 2)
    monkeypatch.setattr(module, "evaluate", lambda *_: final | {"nonzero_fraction": 0.5, "dead_fraction": 0.0})
    for name in ("plot_training", "plot_features"):
        monkeypatch.setattr(module, name, lambda *_: Figure(figsize=(1, 1)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plans").mkdir()


def plan(tmp_path, text):
    """A sweep file in a folder of its own."""
    path = tmp_path / "plans" / "first.toml"
    path.write_text(DEFAULTS + text)
    return path


def read(path):
    return json.loads(path.read_text())


def spoil(monkeypatch, fails, what):
    """``what`` instead of a step (or its result times NaN) where ``fails(run)`` holds."""

    def step(run, batch):
        if fails(run) and what is not math.nan:
            raise what
        return train_step(run, batch) * (math.nan if fails(run) else 1)

    monkeypatch.setattr(module, "train_step", step)


# ---------------------------------------------------------------------------------------------------------------------
# the file


def test_options_come_from_the_run_before_the_defaults_and_from_the_caller_before_both(tmp_path):
    file = plan(tmp_path, '[one]\n["a-1_2.b+"]\np = 2\nmu = -1.0\nepochs = 5\nrectify = false\n')
    runs = read_sweep(file)
    other = dataclasses.replace(BASE, p=2, mu=-1.0, epochs=5, rectify=False)
    assert runs == {"one": BASE, "a-1_2.b+": other} and list(runs) == ["one", "a-1_2.b+"]
    runs = read_sweep(str(file), {"epochs": 7, "seed": 3})
    assert runs["one"] == dataclasses.replace(BASE, epochs=7, seed=3)
    assert runs["a-1_2.b+"] == dataclasses.replace(other, epochs=7, seed=3)


def test_file_without_defaults(tmp_path):
    (tmp_path / "sweep.toml").write_text("[plain]\n[other]\nseed = 1\n")
    assert read_sweep(tmp_path / "sweep.toml") == {"plain": PretrainConfig(), "other": PretrainConfig(seed=1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[one\n", r"the sweep file .*first\.toml cannot be read: .*line"),
        ("[one]\n[one]\n", r"the sweep file .*first\.toml cannot be read: "),
        ("[good]\n[one]\ncolour = 3\n", r"first\.toml, run one: .*'colour'"),
        ("[good]\n[one]\np = 0.0\n", r"first\.toml, run one: p must be in \(0\.08, 20\), got 0\.0$"),
        ("[good]\n[one]\nepochs = '3'\n", r"first\.toml, run one: epochs must be int, got '3'$"),
        ("[good]\n['../one']\n", r"first\.toml, run \.\./one: the name of a run .*letters, digits"),
        ("[good]\n['a b']\n", r"first\.toml, run a b: the name of a run"),
        ("[good]\n['']\n", r"first\.toml, run : the name of a run"),
        ("", r"first\.toml names no runs$"),
    ],
)
def test_bad_files_are_named_with_the_run(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_sweep(plan(tmp_path, text))


def test_run_that_is_no_table(tmp_path):
    (tmp_path / "sweep.toml").write_text("epochs = 3\n")
    with pytest.raises(ValueError, match=r"sweep\.toml, run epochs: a run is a table of options"):
        read_sweep(tmp_path / "sweep.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_file_that_is_missing_or_no_text(tmp_path, content, capsys):
    if content is not None:
        (tmp_path / "sweep.toml").write_bytes(content)
    with pytest.raises(ValueError, match=r"the sweep file .*sweep\.toml cannot be read: "):
        read_sweep(tmp_path / "sweep.toml")
    assert main(["--sweep", str(tmp_path / "sweep.toml")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the sweep file") and error.count("\n") == 1


def test_sweep_and_run_dir_exclude_each_other(tmp_path, capsys):
    for more in ([], ["--resume"]):
        with pytest.raises(SystemExit) as stop:
            main(["--sweep", str(plan(tmp_path, "[one]\n")), "--run-dir", "somewhere", *more])
        assert stop.value.code == 2
        assert "--sweep chooses the folders of its runs itself" in capsys.readouterr().err.splitlines()[-1]
    assert sorted(os.listdir(tmp_path)) == ["plans"]


# ---------------------------------------------------------------------------------------------------------------------
# its runs


def test_runs_are_done_once_and_leave_their_results_beside_the_file(tmp_path, capsys, monkeypatch):
    file = plan(tmp_path, "[one]\n[two]\nmu = -1.0\n")
    assert main(["--sweep", str(file), "--epochs", "1"]) == 0  # given here, it comes before the file's 2
    assert sorted(os.listdir(file.parent)) == ["first.toml", "one.json", "two.json"]
    for name, mu in (("one", 0.0), ("two", -1.0)):
        result = read(file.with_name(f"{name}.json"))
        assert set(result) == {"config", "provenance", "epochs", "final"}
        assert PretrainConfig(**result["config"]) == dataclasses.replace(BASE, epochs=1, mu=mu)
        assert [epoch["epoch"] for epoch in result["epochs"]] == [1]
        assert result == read(tmp_path / "runs" / "first" / name / "result.json")
        assert file.with_name(f"{name}.json").read_text().count("\n") > 20  # for people to read, too
    out = capsys.readouterr().out
    assert out.index("one\n") < out.index("(Eq. 11: 0.500)") < out.index("two\n")

    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in file.parent.glob("*.json")}
    with file.open("a") as more:
        more.write("[three]\nseed = 1\n")
    done = []
    spoil(monkeypatch, lambda run: done.append(run.config.seed), None)
    assert main(["--sweep", str(file), "--epochs", "1"]) == 0
    assert set(done) == {1} and file.with_name("three.json").exists()
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}


def test_interrupted_sweep_goes_on_where_it_stopped(tmp_path, monkeypatch):
    file = plan(tmp_path, "[one]\nepochs = 1\n[two]\nmu = -1.0\n")
    config = read_sweep(file)["two"]
    whole, _ = pretrain(config, tmp_path / "whole", progress=False)
    with monkeypatch.context() as patch:
        spoil(patch, lambda run: run.config == config and run.step == 7, KeyboardInterrupt())
        assert main(["--sweep", str(file)]) == 130
    folder = tmp_path / "runs" / "first" / "two"
    assert load_checkpoint(folder)[0]["step"] == 7
    assert file.with_name("one.json").exists() and not file.with_name("two.json").exists()

    steps = []
    spoil(monkeypatch, lambda run: steps.append(run.step), None)
    assert sweep(file) == 0
    assert sorted(set(steps)) == [7, 8, 9]
    a, b = (load_checkpoint(path)[0]["model"] for path in (tmp_path / "whole", folder))
    assert all(torch.equal(a[k], b[k]) for k in a)
    strip = lambda result: [{k: v for k, v in e.items() if k != "images_per_second"} for e in result["epochs"]]
    assert strip(whole) == strip(read(file.with_name("two.json")))


def test_run_whose_newest_checkpoint_is_gone_goes_on_too(tmp_path, monkeypatch):
    file = plan(tmp_path, "[one]\n")
    spoil(monkeypatch, lambda run: run.step == 7, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        sweep(file)
    (tmp_path / "runs" / "first" / "one" / "checkpoint.pt").unlink()
    steps = []
    spoil(monkeypatch, lambda run: steps.append(run.step), None)
    assert sweep(file) == 0 and min(steps) == 5


def test_finished_run_without_its_result_is_not_trained_again(tmp_path, monkeypatch):
    file = plan(tmp_path, "[one]\nepochs = 1\n")
    assert sweep(file) == 0
    before = read(file.with_name("one.json"))
    file.with_name("one.json").unlink()
    spoil(monkeypatch, lambda run: True, AssertionError("trained again"))
    assert sweep(file) == 0
    after = read(file.with_name("one.json"))
    assert after["epochs"] == before["epochs"] and after["config"] == before["config"]


def test_result_of_another_configuration_is_refused_before_anything_runs(tmp_path, capsys, monkeypatch):
    file = plan(tmp_path, "[one]\nepochs = 1\n")
    assert sweep(file) == 0
    before = file.with_name("one.json").read_bytes()
    file.write_text(DEFAULTS + "[new]\n[one]\nepochs = 1\nmu = -1.0\n")
    spoil(monkeypatch, lambda run: True, AssertionError("trained"))
    with pytest.raises(RunError, match=r"one\.json belongs to another configuration: mu 0\.0 there, -1\.0 here$"):
        sweep(file)
    capsys.readouterr()
    assert main(["--sweep", str(file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert file.with_name("one.json").read_bytes() == before and not (tmp_path / "runs" / "first" / "new").exists()


def test_what_does_not_change_the_numbers_does_not_make_another_configuration(tmp_path):
    file = plan(tmp_path, "[one]\nepochs = 0\n")
    assert sweep(file) == 0
    before = file.with_name("one.json").read_bytes()
    assert sweep(file, {"device": "auto", "checkpoint_seconds": 5.0, "data_dir": "elsewhere"}) == 0
    assert file.with_name("one.json").read_bytes() == before


def test_run_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    file = plan(tmp_path, '[bad]\nlr = 2.0\n[lost]\nbackbone = "resnet81"\n[good]\nepochs = 1\n')
    with monkeypatch.context() as patch:
        spoil(patch, lambda run: run.config.lr == 2, math.nan)
        assert main(["--sweep", str(file)]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and "training stopped at step 1: the loss is nan" in errors[0] and "resnet81" in errors[1]
    assert sorted(os.listdir(file.parent)) == ["first.toml", "good.json"]
    assert sweep(file) == 1  # without the NaN, only the one without a network is left


def test_run_that_fails_as_nobody_foresaw_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(module, "evaluate", fail)
    assert sweep(plan(tmp_path, "[one]\n[two]\nseed = 1\n")) == 2
    assert capsys.readouterr().err.count("RuntimeError: nobody foresaw this") == 2
    assert not list((tmp_path / "plans").glob("*.json"))


def test_sweep_is_not_for_torchrun(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit):
        main(["--sweep", str(plan(tmp_path, "[one]\n"))])
    assert "--sweep is for single processes: start it without torchrun" in capsys.readouterr().err


def test_untrained_run_with_a_schedule(tmp_path):
    assert sweep(plan(tmp_path, '[untrained]\nepochs = 0\nschedule = "cosine"\n')) == 0


def test_run_in_the_hands_of_another_process_is_left_to_it(tmp_path, capsys):
    file = plan(tmp_path, "[one]\nepochs = 0\n[two]\nepochs = 0\n")
    lock = module.open_run_dir(tmp_path / "runs" / "first" / "one", resume=False)
    assert sweep(file) == 0
    assert "one is being done by another process" in capsys.readouterr().out
    assert not file.with_name("one.json").exists() and file.with_name("two.json").exists()
    lock.release()
    assert sweep(file) == 0 and file.with_name("one.json").exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"config": 3}'])
def test_result_that_is_none_is_named(tmp_path, content):
    path = plan(tmp_path, "[one]")
    path.with_name("one.json").write_text(content)
    with pytest.raises(RunError, match=r"one\.json is not a result file"):
        sweep(path)
