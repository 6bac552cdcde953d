"""`stccl train`: its output and exit codes."""

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from tests.testing import datasets as small

SETTINGS = (
    "metric.size=48", "metric.frames=3", "metric.terms=[scc]", "windows.per_epoch=4", "batch=2",
    "epochs=1", "device=cpu", "validate_windows=1", "log_every=1",
)  # fmt: skip
MICRO = ["--preset", "tiny", *(word for setting in SETTINGS for word in ("--set", setting))]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return small.make_dataset(tmp_path_factory.mktemp("train") / "out").out


def call(*words):
    return CliRunner().invoke(stccl, ["train", *map(str, words)])


def test_a_finished_run_is_summarised_and_not_trained_again(out, tmp_path):
    done = call(out, tmp_path / "run", *MICRO)
    assert done.exit_code == 0, done.output
    assert "steps   2 of 2" in done.stdout and "best    val loss" in done.stdout
    assert f"next    stccl eval {tmp_path / 'run'} {out}" in done.stdout
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("train: 2 of 2")]
    assert "loss" in line and "positive" in line and "images/s" in line
    again = call(out, tmp_path / "run", "--json")  # the run knows its config
    assert again.exit_code == 0 and json.loads(again.stdout)["made"] == 0
    other = call(out, tmp_path / "run", "--set", "metric.tau=0.5")
    assert other.exit_code == 1 and "metric.tau" in other.stderr


def test_a_config_file_overrides_the_preset(out, tmp_path):
    (tmp_path / "mine.yaml").write_text("metric: {tau: 0.2}\n")
    done = call(out, tmp_path / "run", *MICRO, "--config", tmp_path / "mine.yaml", "--json")
    assert done.exit_code == 0, done.output
    assert (
        json.loads(done.stdout)["steps"] == 2
        and "tau: 0.2" in (tmp_path / "run" / "config.yaml").read_text()
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "metric.tua=1"], "metric.tau"),
        (["--preset", "huge"], "huge"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--device", "meta"], "'meta'"),
        (["--set", "windows.workers=-1"], "windows.workers"),
        (["--set", "seed=-1"], "seed"),
        (["--set", "lr=.inf"], "lr"),
    ],
)
def test_an_invalid_request_exits_2(out, tmp_path, words, message):
    done = call(out, tmp_path / "run", *words)
    assert done.exit_code == 2 and message in done.stderr and "Traceback" not in done.output


def test_a_run_folder_that_cannot_be_created_is_named(out, tmp_path):
    (tmp_path / "file").write_text("mine")
    done = call(out, tmp_path / "file" / "run", *MICRO)
    assert (
        done.exit_code == 1
        and str(tmp_path / "file") in done.stderr
        and (tmp_path / "file").read_text() == "mine"
    )


def test_a_folder_without_a_dataset_exits_1(tmp_path):
    done = call(tmp_path, tmp_path / "run")
    assert done.exit_code == 1 and str(tmp_path) in done.stderr


@pytest.mark.parametrize(
    ("command", "missing"),
    [("train", "torch"), ("train", "yaml"), ("eval", "torch"), ("score", "torch")],
)
def test_a_command_without_its_extra_names_what_to_install(out, tmp_path, command, missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from stccl_cli.main import main; main()"
    words = {
        "train": [out, tmp_path / "run"],
        "eval": [out, out],
        "score": [out / "index.jsonl", out / "index.jsonl", "--run", out],
    }
    done = subprocess.run(
        [sys.executable, "-c", code, command, *map(str, words[command])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        done.returncode == 1
        and f"{missing} is not installed" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_all_keys_are_listed():
    done = call("--keys")
    assert done.exit_code == 0
    assert (
        "metric.tau=0.07" in done.output
        and "windows.crop=face" in done.output
        and "epochs=" in done.output
    )


@pytest.mark.parametrize("words", [["--keys", "--preset", "tiny"], ["--preset", "tiny", "--keys"]])
def test_keys_have_the_values_of_the_preset(words):
    done = call(*words, "--set", "lr=0.25")
    assert "metric.backbone=tiny " in done.output and "lr=0.25 " in done.output


def test_ctrl_c_saves_a_checkpoint_and_exits_130(out, tmp_path):
    words = ["train", str(out), str(tmp_path / "run"), *MICRO, "--set", "epochs=100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "stccl_cli", *words],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stderr:
        if "epoch 1" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130 and "Interrupted: " in rest and "Traceback" not in rest
    assert (tmp_path / "run" / "checkpoints" / "last.pt").is_file()
