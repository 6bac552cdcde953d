"""The commands that look at a prepared dataset: what they print, and how they end."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from stccl_cli.doctor import command as doctor
from stccl_cli.info import command as info
from stccl_cli.preview import command as preview
from stccl_cli.verify import command as verify

from tests.testing import datasets as small


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return small.make_dataset(tmp_path_factory.mktemp("out"))


@pytest.fixture
def fresh(tmp_path):
    return small.make_dataset(tmp_path / "out")


def run(command, *words):
    return CliRunner().invoke(command, [str(word) for word in words])


def test_info_counts_clips_pairs_and_refusals(shared):
    ended = run(info, shared.out)
    assert ended.exit_code == 0, ended.output
    assert "19 clips, 12 of them in an accepted pair" in ended.output
    assert "13 candidate pairs, 6 of them accepted" in ended.output
    assert "6  longest_repeat: one frame stands for a long stretch" in ended.output
    assert (
        "1  no_face" in ended.output
        and "neutral -> angry" in ended.output
        and "eye_distance" in ended.output
    )


def test_info_as_json_says_the_same(shared):
    said = json.loads(run(info, shared.out, "--json").stdout)
    assert said["clips"] == {"": 12, "longest_repeat": 6, "no_face": 1}
    assert said["pairs"] == {"": 6, "longest_repeat": 6, "partner_failed": 1}
    assert said["splits"]["train"]["speakers"] == 2 and said["splits"]["val"]["pairs"] == 2
    assert said["splits"]["train"]["frames"] == 4 * (12 + 15) and said["emotions"]["angry"] == {
        "train": 4,
        "val": 2,
    }
    assert said["scores"]["cost"] == {
        "count": 12,
        "p5": 0.5,
        "p25": 0.5,
        "p50": 0.5,
        "p75": 0.5,
        "p95": 0.5,
    }
    assert said["scores"]["content_score"] == {"count": 0}
    assert {"source": "neutral", "target": "angry", "accepted": 6, "refused": 1} in said["joined"]


def test_info_of_a_folder_that_is_no_dataset_is_a_sentence(tmp_path):
    ended = run(info, tmp_path)
    assert (
        ended.exit_code == 1
        and "holds no finished dataset: shards.json is missing; run `stccl prepare" in ended.output
    )


def test_verify_is_quiet_about_a_good_dataset(shared):
    ended = run(verify, shared.out, "--decode")
    assert ended.exit_code == 0 and "all is well (6 samples in 6 shards, " in ended.output, (
        ended.output
    )
    assert len(ended.stdout.splitlines()) == 1
    assert json.loads(run(verify, shared.out, "--json").stdout) == {"problems": []}


def test_verify_prints_a_line_a_problem_and_ends_with_one(fresh):
    shard = fresh.out / "shards/train/stccl-train-000000.tar"
    data = bytearray(shard.read_bytes())
    data[-100] = 1
    shard.write_bytes(data)
    (fresh.out / "README.md").unlink()
    ended = run(verify, fresh.out)
    assert ended.exit_code == 1
    lines = ended.stdout.splitlines()
    assert all("shards/train/stccl-train-000000.tar" in line for line in lines[:2])
    assert (
        any(line.startswith("README.md: is missing") for line in lines)
        and "3 problems" in lines[-1]
    )
    said = json.loads(run(verify, fresh.out, "--json").stdout)["problems"]
    assert [problem["file"] for problem in said] == ["shards/train/stccl-train-000000.tar"] * 2 + [
        "README.md"
    ]


def test_verify_sums_up_many_problems_of_one_kind(fresh):
    for pair in fresh.pairs[:12]:
        pair["source_name"] = "wrong"
    small.write_tables(fresh.out, fresh.clips, fresh.pairs)
    ended = run(verify, fresh.out)
    assert (
        "pairs.parquet: and 4 more like these; --json lists all" in ended.output
        and "12 problems" in ended.output
    )


def test_preview_writes_a_film_and_a_sheet(shared, tmp_path):
    row = shared.pairs[0]
    ended = run(
        preview,
        shared.out,
        row["source"],
        row["target"],
        "-o",
        tmp_path / "a.mp4",
        "--sheet",
        tmp_path / "a.png",
    )
    assert ended.exit_code == 0, ended.output
    assert (
        "12 frames of 768x800 at 25 a second, no sound" in ended.output
        and "12 moments" in ended.output
    )
    assert (tmp_path / "a.mp4").stat().st_size > 1000 and (tmp_path / "a.png").stat().st_size > 1000


def test_preview_by_key_names_its_film_and_says_why_a_pair_was_refused(
    shared, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ended = run(preview, shared.out, "--key", "mead/M003/front/s001", "--emotion", "happy")
    assert (
        ended.exit_code == 0
        and "This pair was refused: longest_repeat: one frame stands for" in ended.output
    )
    assert (tmp_path / "preview-mead-M003-front-neutral-1-s001-t001-happy-2-t001.mp4").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "give SOURCE_CLIP and TARGET_CLIP, or --key and --emotion"),
        (["--key", "x"], 2, "--key goes with --emotion"),
        (
            ["--key", "mead/M003/front/s01", "--emotion", "angry"],
            2,
            "did you mean mead/M003/front/s001",
        ),
        (
            ["--key", "mead/M003/front/s001", "--emotion", "cross"],
            2,
            "'cross'",
        ),
        (["a", "b"], 1, "has the clip 'a'"),
        (["a", "b", "-o", "x.avi"], 2, "such as x.mp4"),
    ],
)
def test_preview_of_what_is_not_there_is_a_sentence(shared, words, code, said):
    ended = run(preview, shared.out, *words)
    assert ended.exit_code == code and said in " ".join(ended.output.split()), ended.output
    assert "Traceback" not in ended.output


def test_doctor_finds_this_machine_fit():
    ended = run(doctor)
    assert ended.exit_code == 0, ended.output
    for word in ("Python", "libEGL.so.1", "landmark model", "landmarker", "ffmpeg", "free disk"):
        assert word in ended.output


def test_doctor_runs_where_nothing_else_does(tmp_path):
    for name in ("mediapipe", "cv2", "numpy", "rich", "imageio_ffmpeg", "torch"):
        (tmp_path / f"{name}.py").write_text(
            "raise ImportError('libGL.so.1: cannot open shared object file')\n"
        )
    ended = subprocess.run(
        [sys.executable, "-c", "from stccl_cli.main import main; main()", "doctor"],
        capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert ended.returncode == 1 and "Traceback" not in ended.stderr, ended.stderr
    assert (
        "mediapipe cannot be imported (ImportError: libGL.so.1: cannot open shared object file)"
        in ended.stdout
    )
    assert "landmarker" in ended.stdout
