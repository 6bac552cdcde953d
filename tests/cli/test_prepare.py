"""`stccl prepare`: its output and exit codes."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from stccl_cli import prepare_summary
from stccl_cli.main import stccl
from stccl_cli.options import config_of, options_of
from stccl_cli.prepare import command

from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.state import Store
from stccl_train.eval import verdict

QUICK = ("--crops", "none", "--align", "audio", "--executor", "inline", "--split", "train=1")


def prepare(*arguments, quick=QUICK):
    return CliRunner().invoke(stccl, ["prepare", *map(str, arguments), *quick])


def parse(*words: str) -> PrepareConfig:
    """The config that these words of the command line give."""
    configs = []

    @click.command
    @options_of(PrepareConfig)
    def probe(**values):
        configs.append(config_of(PrepareConfig, values))

    assert CliRunner().invoke(probe, words, catch_exceptions=False).exit_code == 0
    return configs[0]


@pytest.fixture(scope="module")
def out(corpus, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "out"
    result = prepare(corpus.folder, folder)
    assert result.exit_code == 0, result.output
    return folder


def test_the_summary_has_clips_pairs_shards_and_the_next_command(corpus, tmp_path):
    result = prepare(corpus.folder, tmp_path)
    assert result.exit_code == 0 and result.exception is None
    lines = result.stdout.splitlines()
    assert "clips   12 of 12 in accepted pairs" in lines and "pairs   8 of 8 accepted" in lines
    assert f"shards  1 train in {tmp_path / 'shards'}" in lines
    assert "splits  accepted pairs: 8 train" in lines
    assert any("no pair is left for the split test" in line for line in lines)
    assert any(
        line.startswith(f"next    look at the pairs: stccl report {tmp_path}") for line in lines
    )
    assert "extract: 12 of 12" in result.stderr


def test_what_the_summary_asks_of_a_split_is_what_the_verdict_asks():
    assert verdict.LEAST_PAIRS == prepare_summary.LEAST_PAIRS


def test_a_second_run_has_nothing_to_do(corpus, out):
    result = prepare(corpus.folder, out)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Nothing to do: {out}")
    assert "extract: 12 of 12 already done" in result.stderr


def test_json_is_one_line(corpus, out):
    result = prepare(corpus.folder, out, "--json")
    assert result.stdout.count("\n") == 1
    summary = json.loads(result.stdout)
    assert summary["out"] == str(out) and summary["made"] == 0
    assert (summary["clips"], summary["pairs"]) == ({"": 12}, {"": 8})
    assert summary["shards"] == {"train": 1}


def test_unreadable_clips_exit_1_with_reason_and_advice(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"no media at all" * 20)
    (tmp_path / "manifest.csv").write_text(
        "path,speaker,emotion,sentence\na.mp4,a,sad,1\nb.mp4,a,neutral,1\n"
    )
    result = prepare(tmp_path / "manifest.csv", tmp_path / "out")
    assert result.exit_code == 1
    assert "2 not_media: " in result.stdout and "1 partner_failed: " in result.stdout
    assert "shards  none" in result.stdout
    assert "not_media 2" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["gone"], "gone"),
        (["raw", "--split", "thirds"], "thirds"),
        (["raw", "--corpus", "grid"], "grid"),
        (["raw", "--speakers", "Z001"], "Z001"),
        (["raw", "--jpeg-quality", "400"], "400"),
        (["raw", "--workers", "-1"], "-1"),
        (["raw", "--limit", "0"], "--limit"),
        (["raw", "--memory-mb", "5"], "memory_mb"),
        (["raw", "--retry-failed=bad_luck"], "bad_luck"),
        (["raw", "--landmarker-model", "gone.task"], "gone.task"),
        (["raw", "--crops", "round"], "round"),
    ],
)
def test_an_invalid_request_exits_2_and_writes_nothing(
    corpus, tmp_path, monkeypatch, arguments, word
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").symlink_to(corpus.folder)
    result = prepare(arguments[0], tmp_path / "out", *arguments[1:], quick=("--executor", "inline"))
    assert result.exit_code == 2, result.output
    assert word in result.stderr
    assert not (tmp_path / "out").exists()


def test_out_must_not_be_a_file(corpus, tmp_path):
    (tmp_path / "file").touch()
    assert prepare(corpus.folder, tmp_path / "file").exit_code == 2


def test_out_must_not_be_inside_raw(corpus):
    result = prepare(corpus.folder, corpus.folder / "out")
    assert result.exit_code == 1 and "Error: " in result.stderr
    assert not (corpus.folder / "out").exists()


def test_out_must_not_be_in_use_by_another_run(corpus, tmp_path):
    with Store(tmp_path).locked():
        result = prepare(corpus.folder, tmp_path)
    assert result.exit_code == 1 and str(tmp_path) in result.stderr


def test_every_option_has_the_default_of_the_library_and_help():
    assert parse() == PrepareConfig()
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert len(options) > 25 and all(option.help for option in options)


def test_options_reach_the_config():
    words = (
        "--views", "front, top", "--max-duration-ratio", "2", "--retry-failed", "--shard-mb", "7",
        "--timeout", "9.5", "--job", "3/16",
    )  # fmt: skip
    assert parse(*words) == PrepareConfig(
        views=("front", "top"),
        retry_failed=("all",),
        shard_mb=7,
        timeout=9.5,
        job="3/16",
        gates=GateConfig(max_duration_ratio=2.0),
    )


def test_the_earlier_name_of_job_still_works():
    assert parse("--shard", "3/16") == PrepareConfig(job="3/16")
