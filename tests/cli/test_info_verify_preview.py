"""`stccl info`, `verify`, `preview` and `doctor`: their output and exit codes."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from tests.testing import datasets as small


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return small.make_dataset(tmp_path_factory.mktemp("out"))


@pytest.fixture
def fresh(tmp_path):
    return small.make_dataset(tmp_path / "out")


def run(command, *words):
    return CliRunner().invoke(stccl, [command, *map(str, words)])


def test_info_counts_clips_pairs_and_refusals(shared):
    result = run("info", shared.out)
    assert result.exit_code == 0, result.output
    assert "19 clips, 12 of them in an accepted pair" in result.output
    assert "13 candidate pairs, 6 of them accepted" in result.output
    assert "6  longest_repeat: " in result.output
    assert (
        "1  no_face" in result.output
        and "neutral -> angry" in result.output
        and "eye_distance" in result.output
    )


def test_info_prints_json(shared):
    values = json.loads(run("info", shared.out, "--json").stdout)
    assert values["clips"] == {"": 12, "longest_repeat": 6, "no_face": 1}
    assert values["pairs"] == {"": 6, "longest_repeat": 6, "partner_failed": 1}
    assert values["splits"]["train"]["speakers"] == 2 and values["splits"]["val"]["pairs"] == 2
    assert values["splits"]["train"]["frames"] == 4 * (12 + 15) and values["emotions"]["angry"] == {
        "train": 4,
        "val": 2,
    }
    assert values["scores"]["cost"] == {
        "count": 12,
        "p5": 0.5,
        "p25": 0.5,
        "p50": 0.5,
        "p75": 0.5,
        "p95": 0.5,
    }
    assert values["scores"]["content_score"] == {"count": 0}
    assert {"source": "neutral", "target": "angry", "accepted": 6, "refused": 1} in values["joined"]


def test_info_counts_how_unusual_footage_was_read(fresh):
    for row in fresh.clips[:3]:
        row["notes"] = "deinterlaced; HLG tone-mapped"
    fresh.clips[3]["notes"] = "deinterlaced"
    small.write_tables(fresh.out, fresh.clips, fresh.pairs)
    footage = json.loads(run("info", fresh.out, "--json").stdout)["footage"]
    assert list(footage.items()) == [("deinterlaced", 4), ("HLG tone-mapped", 3)]
    assert "4 deinterlaced" in run("info", fresh.out).output


def test_info_of_a_folder_without_a_dataset_exits_1(tmp_path):
    result = run("info", tmp_path)
    assert result.exit_code == 1 and "shards.json" in result.stderr


def test_verify_prints_one_line_about_a_good_dataset(shared):
    result = run("verify", shared.out, "--decode")
    assert result.exit_code == 0 and "6 samples in 6 shards" in result.output, result.output
    assert len(result.stdout.splitlines()) == 1
    assert json.loads(run("verify", shared.out, "--json").stdout) == {"problems": []}


def test_verify_prints_one_line_per_problem_and_exits_1(fresh):
    shard = fresh.out / "shards/train/stccl-train-000000.tar"
    data = bytearray(shard.read_bytes())
    data[-100] = 1
    shard.write_bytes(data)
    (fresh.out / "README.md").unlink()
    result = run("verify", fresh.out)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert all("shards/train/stccl-train-000000.tar" in line for line in lines[:2])
    assert (
        any(line.startswith("README.md: is missing") for line in lines)
        and "3 problems" in lines[-1]
    )
    values = json.loads(run("verify", fresh.out, "--json").stdout)["problems"]
    assert [problem["file"] for problem in values] == [
        "shards/train/stccl-train-000000.tar"
    ] * 2 + ["README.md"]


def test_verify_shortens_a_list_of_similar_problems(fresh):
    for pair in fresh.pairs[:12]:
        pair["source_name"] = "wrong"
    small.write_tables(fresh.out, fresh.clips, fresh.pairs)
    result = run("verify", fresh.out)
    assert "pairs.parquet: and 4 more" in result.output and "12 problems" in result.output


def test_preview_writes_a_video_and_a_sheet(shared, tmp_path):
    row = shared.pairs[0]
    result = run(
        "preview",
        shared.out,
        row["source"],
        row["target"],
        "-o",
        tmp_path / "a.mp4",
        "--sheet",
        tmp_path / "a.png",
    )
    assert result.exit_code == 0, result.output
    assert (
        "12 frames of 768x800 at 25 per second, no sound" in result.output
        and "12 frames" in result.output
    )
    assert (tmp_path / "a.mp4").stat().st_size > 1000 and (tmp_path / "a.png").stat().st_size > 1000


def test_preview_by_key_names_the_file_and_the_reason_of_a_refused_pair(
    shared, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = run("preview", shared.out, "--key", "mead/M003/front/s001", "--emotion", "happy")
    assert result.exit_code == 0 and "This pair was refused: longest_repeat: " in result.output
    assert (tmp_path / "preview-mead-M003-front-neutral-1-s001-t001-happy-2-t001.mp4").exists()


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        ([], 2, "SOURCE_CLIP"),
        (["--key", "x"], 2, "--emotion"),
        (
            ["--key", "mead/M003/front/s01", "--emotion", "angry"],
            2,
            "mead/M003/front/s001",
        ),
        (
            ["--key", "mead/M003/front/s001", "--emotion", "cross"],
            2,
            "cross",
        ),
        (["a", "b"], 1, "'a'"),
        (["a", "b", "-o", "x.avi"], 2, "x.mp4"),
    ],
)
def test_an_invalid_request_for_a_preview_names_the_mistake(shared, words, code, word):
    result = run("preview", shared.out, *words)
    assert result.exit_code == code and word in " ".join(result.output.split()), result.output
    assert "Traceback" not in result.output


def test_doctor_passes_on_this_machine():
    result = run("doctor")
    assert result.exit_code == 0, result.output
    for word in ("Python", "libEGL.so.1", "landmark model", "landmarker", "encoders", "free disk"):
        assert word in result.output


def test_doctor_runs_without_any_working_package(tmp_path):
    for name in ("mediapipe", "cv2", "numpy", "rich", "av", "torch"):
        (tmp_path / f"{name}.py").write_text(
            "raise ImportError('libGL.so.1: cannot open shared object file')\n"
        )
    result = subprocess.run(
        [sys.executable, "-m", "stccl_cli", "doctor"],
        capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    assert (
        "mediapipe cannot be imported (ImportError: libGL.so.1: cannot open shared object file)"
        in result.stdout
    )
    assert "landmarker" in result.stdout
