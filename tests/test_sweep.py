"""``--sweep FILE``: many runs from one file, of which each is done once."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rlpjepa.pretrain import PretrainConfig, RunError
from rlpjepa.pretrain.__main__ import main
from rlpjepa.pretrain.config import differences
from rlpjepa.pretrain.storage import load_checkpoint, open_run_dir, save_checkpoint
from rlpjepa.pretrain.sweeps import at_work, read_sweep, run_sweep

from .harness import interrupt_at_first_checkpoint, log_of, same, train_run, untimed

RESULTS = Path(__file__).parents[1] / "notebooks" / "results"


@pytest.fixture
def base(tiny):
    """What a run of the sweeps below does unless its table says otherwise; two coordinates are quickly drawn."""
    return dataclasses.replace(tiny, dim=2)


@pytest.fixture
def plan(base, tmp_path, monkeypatch):
    """A function that writes a sweep file into a folder of its own; ``runs`` is to be made beside that."""
    monkeypatch.chdir(tmp_path)
    defaults = {k: v for k, v in vars(base).items() if v != getattr(PretrainConfig(), k)}
    (tmp_path / "plans").mkdir()

    def write(text):
        lines = [f"{name} = {json.dumps(value)}" for name, value in defaults.items()]
        (tmp_path / "plans" / "first.toml").write_text("\n".join(["[defaults]", *lines, text]), encoding="utf-8")
        return tmp_path / "plans" / "first.toml"

    return write


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


# ---------------------------------------------------------------------------------------------------------------------
# the file


def test_options_come_from_the_run_before_the_defaults_and_from_the_caller_before_both(plan, base):
    file = plan('[one]\n["a-1_2.b+"]\np = 2\nmu = -1.0\nepochs = 5\nrectify = false\n')
    runs = read_sweep(file)
    other = dataclasses.replace(base, p=2, mu=-1.0, epochs=5, rectify=False)
    assert runs == {"one": base, "a-1_2.b+": other} and list(runs) == ["one", "a-1_2.b+"]
    runs = read_sweep(str(file), {"epochs": 7, "seed": 3})
    assert runs["one"] == dataclasses.replace(base, epochs=7, seed=3)
    assert runs["a-1_2.b+"] == dataclasses.replace(other, epochs=7, seed=3)


def test_file_with_the_mark_of_windows_editors(tmp_path):
    (tmp_path / "sweep.toml").write_text("[plain]\n", encoding="utf-8-sig")
    assert read_sweep(tmp_path / "sweep.toml") == {"plain": PretrainConfig()}


def test_file_without_defaults(tmp_path):
    (tmp_path / "sweep.toml").write_text("[plain]\n[other]\nseed = 1\n", encoding="utf-8")
    assert read_sweep(tmp_path / "sweep.toml") == {"plain": PretrainConfig(), "other": PretrainConfig(seed=1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "^the sweep file .* cannot be read: .*No such file"),
        (b"\xff\xfe", "^the sweep file .* cannot be read: .*decode"),
        (b"[one\n", "^the sweep file .* cannot be read: .*line"),
        (b"[one]\n[one]\n", "^the sweep file .* cannot be read: "),
        (b"[good]\n[one]\ncolour = 3\n", "run one: no such option: colour$"),
        (b"[good]\n[one]\np = 0.0\n", r"run one: p must be in \(0\.08, 20\), got 0\.0$"),
        (b"[good]\n[one]\nepochs = '3'\n", "run one: epochs must be int, got '3'$"),
        (b"[good]\n['../one']\n", r"run \.\./one: the name of a run .*letters, digits"),
        (b"[good]\n['a b']\n", "run a b: the name of a run"),
        (b"[good]\n['']\n", "run : the name of a run"),
        (b"[good]\n['..']\n", r"run \.\.: the name of a run"),
        (b"[good]\n['.worker-0']\n", "run .worker-0: the name of a run"),
        (b"epochs = 3\n", "run epochs: a run is a table of options"),
        (b"[defaults]\n", "names no runs$"),
    ],
)
def test_bad_files_are_named_with_the_run(tmp_path, text, message, capsys):
    if text is not None:
        (tmp_path / "sweep.toml").write_bytes(text)
    with pytest.raises(ValueError, match=message) as raised:
        read_sweep(tmp_path / "sweep.toml")
    assert str(tmp_path / "sweep.toml") in str(raised.value)
    assert main(["--sweep", str(tmp_path / "sweep.toml")]) == 2
    assert capsys.readouterr().err == f"error: {raised.value}\n"


def test_sweep_is_not_for_torchrun(plan, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit):
        main(["--sweep", str(plan("[one]"))])
    assert "--sweep is for single processes: start it without torchrun" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# its runs


def test_the_papers_recipe_runs_from_end_to_end_on_a_small_network(tmp_path, tiny, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = shutil.copy(RESULTS / "cifar100" / "paper.toml", tmp_path)
    small = {"backbone": "test_byobnet", "cifar_stem": False, "dim": 8, "num_projections": 8, "batch_size": 8}
    small |= {"epochs": 1, "warmup_epochs": 1, "dataset": "folder", "data_dir": tiny.data_dir, "device": "cpu"}
    assert run_sweep(file, small) == 0
    results = [read(tmp_path / f"{name}.json") for name in read_sweep(file)]
    assert len(results) == 3
    for result in results:
        assert result["config"]["optimizer"] == "lars" and 0 <= result["final"]["online_probe"] <= 1


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*/*.toml")), ids=lambda file: file.stem)
def test_the_sweeps_of_the_repository_are_read_and_their_results_are_of_these_configurations(file):
    for name, config in read_sweep(file).items():
        if (path := file.with_name(f"{name}.json")).exists():
            assert differences(read(path)["config"], config) == "", name


def test_runs_are_done_once_and_leave_their_results_beside_the_file(plan, base, tmp_path, capsys):
    file = plan("[one]\n[two]\nmu = -1.0\n")
    assert main(["--sweep", str(file), "--epochs", "0"]) == 0  # given here, it comes before the file's 2
    assert sorted(os.listdir(file.parent)) == ["first.toml", "one.json", "two.json"]
    for name, mu in (("one", 0.0), ("two", -1.0)):
        result = read(file.with_name(f"{name}.json"))
        expected = dataclasses.replace(base, epochs=0, mu=mu, data_dir=None)
        assert PretrainConfig(**result["config"]) == expected and result["epochs"] == []
        assert result == read(tmp_path / "runs" / "first" / name / "result.json")
        assert file.with_name(f"{name}.json").read_text(encoding="utf-8").count("\n") > 20  # for people to read, too
    out = capsys.readouterr().out
    assert out.index("one\n") < out.index("(Eq. 11: 0.500)") < out.index("two\n")

    with file.open("a", encoding="utf-8") as more:
        more.write("[three]\nseed = 1\n")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in file.parent.glob("*.json")}
    options = {"device": "auto", "checkpoint_seconds": 5.0, "cuda_graph": False}  # which do not change the numbers
    assert run_sweep(file, {"epochs": 0} | options) == 0
    assert capsys.readouterr().out.startswith("three\n") and file.with_name("three.json").exists()
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}


def test_interrupted_sweep_goes_on_where_it_stopped(plan, base, tmp_path):
    file, folder = plan("[zero]\nepochs = 0\n[one]\n"), tmp_path / "runs" / "first" / "one"

    interrupt_at_first_checkpoint(folder)
    try:
        status = main(["--sweep", str(file)])
    except KeyboardInterrupt:  # it came after the last run
        status = None
    assert status == 130 and os.listdir(file.parent).count("zero.json") == 1 and not file.with_name("one.json").exists()
    kept = log_of(folder)[:1]
    assert run_sweep(file) == 0
    whole = train_run(base, tmp_path / "whole")
    assert same(load_checkpoint(folder)["model"], whole.model.state_dict())
    assert untimed(whole.epochs) == untimed(read(file.with_name("one.json"))["epochs"])
    assert log_of(folder)[:1] == kept  # with the speed of the first attempt: these steps were not done again

    file.with_name("one.json").unlink()
    before = (folder / "checkpoint.pt").read_bytes()
    assert run_sweep(file) == 0 and file.with_name("one.json").exists()
    assert (folder / "checkpoint.pt").read_bytes() == before  # evaluated, not trained


def test_result_of_another_configuration_or_none_is_refused_before_anything_runs(plan, base, tmp_path, capsys):
    file = plan("[new]\n[one]\nmu = -1.0\n")
    for content, message in (
        (
            json.dumps({"config": dataclasses.asdict(base), "final": {}}),
            "another configuration: mu 0.0 there, -1.0 here",
        ),
        ('{"config": 3}', "is not a result file"),
    ):
        file.with_name("one.json").write_text(content, encoding="utf-8")
        with pytest.raises(RunError, match=message):
            run_sweep(file)
        assert main(["--sweep", str(file)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and message in error and error.count("\n") == 1
        assert file.with_name("one.json").read_text(encoding="utf-8") == content and not (tmp_path / "runs").exists()


def test_run_that_fails_does_not_stop_the_others(plan, tmp_path, capsys):
    file = plan(
        '[tight]\nregularizer = "rgg_cf"\np = 2.0\nmu = -40.0\n[lost]\nbackbone = "resnet81"\n'
        '[nowhere]\ndata_dir = "nowhere"\n[odd]\n[good]\nepochs = 0\n'
    )
    (tmp_path / "runs" / "first" / "odd").mkdir(parents=True)
    save_checkpoint(tmp_path / "runs" / "first" / "odd", {"provenance": {}})  # which nobody foresaw
    assert main(["--sweep", str(file)]) == 2
    error = capsys.readouterr().err
    errors = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3 and "training stopped at step 1: the variance" in errors[0]
    assert "resnet81" in errors[1] and "nowhere" in errors[2]
    assert error.count("Traceback") == 1 and "KeyError: 'config'" in error
    assert sorted(os.listdir(file.parent)) == ["first.toml", "good.json"]
    assert run_sweep(file) == 4


def test_run_in_the_hands_of_another_process_is_left_to_it(plan, tmp_path, capsys):
    file = plan("[one]\nepochs = 0\n[two]\nepochs = 0\n")
    lock = open_run_dir(tmp_path / "runs" / "first" / "one", resume=False)
    assert run_sweep(file) == 0
    assert "one is being done by another process" in capsys.readouterr().out
    assert not file.with_name("one.json").exists() and file.with_name("two.json").exists()
    lock.release()
    assert run_sweep(file) == 0 and file.with_name("one.json").exists()


# ---------------------------------------------------------------------------------------------------------------------
# several processes

WORKER = """
import sys, time
from pathlib import Path
from rlpjepa.pretrain.sweeps import at_work
with at_work(Path(sys.argv[1])):
    print("at work", flush=True)
    time.sleep(120)
"""


def test_workers_are_counted_while_they_live_and_share_the_cores(plan, tmp_path):
    root = tmp_path / "runs" / "first"
    with subprocess.Popen([sys.executable, "-c", WORKER, root], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "at work\n"
            with at_work(root) as workers:
                assert [workers(), workers()] == [2, 2]
                with at_work(root) as third:
                    assert third() == workers() == 3
                assert workers() == 2
            # A network that is not small computes on the threads that are there, and its result tells how many.
            file = plan("[wide]\ndim = 700\nepochs = 0\n")
            torch.set_num_threads(2)
            assert run_sweep(file) == 0 and torch.get_num_threads() == 2
            assert read(file.with_name("wide.json"))["provenance"]["hardware"].endswith(", 1 threads")
        finally:
            torch.set_num_threads(1)
            other.kill()
        other.wait(timeout=20)
    with at_work(root) as workers:
        assert workers() == 1
