"""`stccl prepare`: what it prints, and how it exits."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl
from stccl_cli.options import config_of, options_of
from stccl_cli.prepare import command

from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.state import Store

QUICK = ("--crops", "none", "--align", "audio", "--executor", "inline", "--split", "train=1")


def prepare(*arguments, quick=QUICK):
    return CliRunner().invoke(command, [*map(str, arguments), *quick])


@pytest.fixture(scope="module")
def out(corpus, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "out"
    result = prepare(corpus.folder, folder)
    assert result.exit_code == 0, result.output
    return folder


def test_a_person_reads_clips_pairs_shards_and_what_is_next(corpus, tmp_path):
    result = prepare(corpus.folder, tmp_path)
    assert result.exit_code == 0 and result.exception is None
    lines = result.stdout.splitlines()
    assert "clips   12 of 12 in accepted pairs" in lines and "pairs   8 of 8 accepted" in lines
    assert f"shards  1 train in {tmp_path / 'shards'}" in lines
    assert any(line.startswith(f"next    stccl verify {tmp_path}") for line in lines)
    assert "12 clips of 2 speakers (mead)" in result.stderr and "extract: 12 of 12" in result.stderr


def test_a_second_run_says_that_there_is_nothing_to_do(corpus, out):
    result = prepare(corpus.folder, out)
    assert result.exit_code == 0 and result.stdout.startswith(
        f"Nothing to do: {out} is complete.\n"
    )
    assert "extract: 12 of 12 are there already" in result.stderr


def test_a_machine_reads_one_line_of_json(corpus, out):
    result = prepare(corpus.folder, out, "--json")
    assert result.stdout.count("\n") == 1
    said = json.loads(result.stdout)
    assert (said["out"], said["made"], said["clips"], said["pairs"], said["shards"]) == (
        str(out), 0, {"": 12}, {"": 8}, {"train": 1},
    )  # fmt: skip


def test_a_clip_that_cannot_be_read_exits_1_with_reason_and_advice(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"no media at all" * 20)
    (tmp_path / "manifest.csv").write_text(
        "path,speaker,emotion,sentence\na.mp4,a,sad,1\nb.mp4,a,neutral,1\n"
    )
    result = prepare(tmp_path / "manifest.csv", tmp_path / "out")
    assert result.exit_code == 1
    assert (
        "2 not_media: the content is no audio or video that ffmpeg knows; check the file"
        in result.stdout
    )
    assert "1 partner_failed" in result.stdout and "shards  none" in result.stdout
    assert "not_media 2" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone"], "gone does not exist"),
        (["raw", "--split", "thirds"], "split 'thirds' is neither"),
        (["raw", "--corpus", "grid"], "'grid' is not one of"),
        (["raw", "--speakers", "Z001"], "there is no speaker Z001"),
        (["raw", "--jpeg-quality", "400"], "400 is not in the range 1<=x<=100"),
        (["raw", "--workers", "-1"], "-1 is not in the range x>=0"),
        (["raw", "--limit", "0"], "0 is not in the range x>=1"),
        (["raw", "--landmarker-model", "gone.task"], "'gone.task' does not exist"),
        (["raw", "--crops", "round"], "'round' is not one of 'similarity', 'bbox', 'none'"),
    ],
)
def test_a_question_without_an_answer_exits_2_and_writes_nothing(
    corpus, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").symlink_to(corpus.folder)
    result = prepare(arguments[0], tmp_path / "out", *arguments[1:], quick=("--executor", "inline"))
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_or_lies_in_raw_is_refused(corpus, tmp_path):
    (tmp_path / "file").touch()
    assert prepare(corpus.folder, tmp_path / "file").exit_code == 2
    result = prepare(corpus.folder, corpus.folder / "out")
    assert result.exit_code == 1 and "never written to: give another folder" in result.stderr
    assert not (corpus.folder / "out").exists()


def test_a_busy_out_is_refused(corpus, tmp_path):
    with Store(tmp_path).locked():
        result = prepare(corpus.folder, tmp_path)
    assert result.exit_code == 1 and "is being prepared by process" in result.stderr


def test_every_option_has_the_librarys_default_and_a_help_text():
    import click

    @click.command
    @options_of(PrepareConfig)
    def probe(**values):
        assert config_of(PrepareConfig, values) == PrepareConfig()

    result = CliRunner().invoke(probe, [], catch_exceptions=False)
    assert result.exit_code == 0
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert len(options) > 25 and all(option.help for option in options)


def test_options_reach_the_configuration():
    import click

    seen = []

    @click.command
    @options_of(PrepareConfig)
    def probe(**values):
        seen.append(config_of(PrepareConfig, values))

    given = [
        "--views",
        "front, top",
        "--max-duration-ratio",
        "2",
        "--retry-failed",
        "--shard-mb",
        "7",
        "--timeout",
        "9.5",
    ]
    assert CliRunner().invoke(probe, given, catch_exceptions=False).exit_code == 0
    gates = GateConfig(max_duration_ratio=2.0)
    assert seen == [
        PrepareConfig(
            views=("front", "top"), retry_failed=("all",), shard_mb=7, timeout=9.5, gates=gates
        )
    ]


def test_the_help_of_the_group_names_the_command():
    assert "prepare" in CliRunner().invoke(stccl, ["--help"]).output
