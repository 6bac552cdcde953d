"""`stccl align`: its output and exit codes."""

import csv
import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from stccl_cli.align import format_alignment
from stccl_cli.main import stccl

from tests.testing import speech as voice

ROOT = Path(__file__).parents[2]


def write(path, samples, channels=1, dead=()):
    table = np.stack([samples * (k not in dead) for k in range(channels)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(voice.RATE)
        file.writeframes((np.clip(table, -1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def clips(tmp_path):
    even, long = np.full(9, 0.15), np.full(9, 0.2)
    write(tmp_path / "calm.wav", voice.say("aisouesai", even)[0])
    write(tmp_path / "löud ünd.wav", voice.say("aisouesai", long, pitch=180, gain=0.8, seed=2)[0])
    write(
        tmp_path / "left.wav",
        voice.say("aisouesai", long, pitch=180, gain=0.8, seed=2)[0],
        channels=2,
        dead=(1,),
    )
    write(tmp_path / "silent.wav", np.zeros(voice.RATE))
    write(tmp_path / "word.wav", voice.say("a", [0.1], noise=0)[0])
    (tmp_path / "text.wav").write_text("no sound")
    return tmp_path


def call(*args):
    return CliRunner().invoke(stccl, ["align", *map(str, args)])


def listing(folder, pairs, header=("source", "target")):
    path = folder / "pairs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *pairs])
    return path


def test_the_summary_names_the_mode_and_the_cost(clips):
    result = call(clips / "calm.wav", clips / "löud ünd.wav")
    assert result.exit_code == 0, result.output
    assert "by audio: cost" in result.output


def test_json_holds_the_path_in_seconds(clips):
    result = call(clips / "calm.wav", clips / "löud ünd.wav", "--json")
    record = json.loads(result.output)
    source, target = np.array(record["source_time"]), np.array(record["target_time"])
    assert source[0] == target[0] == 0.0
    assert (np.diff(source) > 0).all()
    assert (np.diff(target) >= 0).all()
    assert np.interp(0.3 + 0.15 * 4, source, target) == pytest.approx(0.3 + 0.2 * 4, abs=0.03)
    assert record["mode"] == "audio"
    assert record["content_score"] > 0.5
    assert record["frame_map"] == []


def test_a_dead_channel_changes_nothing(clips):
    whole, half = (
        json.loads(call(clips / "calm.wav", clips / name, "--json").output)
        for name in ("löud ünd.wav", "left.wav")
    )
    assert half["target_time"] == whole["target_time"]


def test_a_list_prints_one_line_per_pair_in_order_and_continues_after_a_failure(clips):
    pairs = [
        ("calm.wav", "löud ünd.wav"),
        ("calm.wav", "silent.wav"),
        ("calm.wav", "absent.wav"),
        ("calm.wav", "word.wav"),
        ("text.wav", "calm.wav"),
        ("löud ünd.wav", "calm.wav"),
    ]
    result = call("--list", listing(clips, pairs), "--json")
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert result.exit_code == 1
    assert [Path(row["source"]).name for row in rows] == [a for a, _ in pairs]
    assert [row.get("reason") for row in rows] == [
        None,
        "no_signal",
        "missing_file",
        "too_short",
        "not_media",
        None,
    ]
    assert all(row["error"] for row in rows[1:5])


@pytest.mark.parametrize("header", [("source", "goal"), ("a", "b")])
def test_a_list_without_its_columns_is_a_usage_error(clips, header):
    result = call("--list", listing(clips, [("calm.wav", "calm.wav")], header))
    assert result.exit_code == 2
    assert "no column target" in result.output


def test_an_empty_cell_names_its_line(clips):
    result = call("--list", listing(clips, [("calm.wav", "calm.wav"), ("calm.wav", "")]))
    assert result.exit_code == 2
    assert "line 3" in result.output


def test_a_list_of_no_pair_is_a_usage_error(clips):
    result = call("--list", listing(clips, []))
    assert result.exit_code == 2
    assert "names no pair" in result.output


def test_a_lip_sync_difference_is_reported(clips):
    record = json.loads(call(clips / "calm.wav", clips / "löud ünd.wav", "--json").output)
    assert "40 ms ahead of its sound" in format_alignment({**record, "lip_sync_s": -0.04})
    assert "60 ms behind its sound" in format_alignment({**record, "lip_sync_s": 0.06})
    assert "its sound" not in format_alignment(record)


def test_native_libraries_print_nothing_while_a_face_is_tracked(corpus):
    clip = str(corpus.folder / corpus.clips[0].path)
    command = [Path(sys.executable).with_name("stccl"), "align", clip, clip, "--align", "visual"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "by visual" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "args", [(), ("a.wav",), ("a.wav", "b.wav", "--list", "x.csv"), ("--list", "absent.csv")]
)
def test_missing_or_conflicting_arguments_are_a_usage_error(args):
    assert call(*args).exit_code == 2


def test_a_plot_is_written(clips):
    result = call(clips / "calm.wav", clips / "löud ünd.wav", "--plot", clips / "plot.png")
    assert result.exit_code == 0, result.output
    assert (clips / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_alignment_by_sound_loads_no_video_library(clips):
    files = [str(clips / name) for name in ("calm.wav", "left.wav")]
    code = (
        "import sys; from stccl_cli.main import stccl; "
        f"stccl(['align', *{files!r}, '--json'], standalone_mode=False); "
        "assert not {'mediapipe', 'torch'} & set(sys.modules), 'loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
