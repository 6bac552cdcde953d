"""`stccl score`: means, the CSV of frames, and clips that cannot be scored."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from stccl_cli.main import stccl

from stccl_train.model.export import save_metric
from tests.testing.metrics import tiny_metric


@pytest.fixture
def run(tmp_path: Path) -> Path:
    save_metric(tmp_path / "run", tiny_metric())
    return tmp_path / "run"


@pytest.fixture(scope="module")
def clips(corpus: Any) -> list[Path]:
    """One sentence neutral and happy, by one speaker."""
    speaker, sentence = corpus.clips[0].speaker, corpus.clips[0].sentence
    return [
        corpus.folder / corpus.clip(speaker, emotion, sentence).path
        for emotion in ("neutral", "happy")
    ]


def score(run: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(stccl, ["score", "--run", str(run), *map(str, arguments)])


def test_it_prints_means_and_writes_frames(run: Path, clips: list[Path], tmp_path: Path) -> None:
    result = score(run, *clips, "--frames", tmp_path / "frames.csv", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert 0 < record["means"]["scc"] <= 1 and 0 <= record["means"]["tcc_recall"] <= 1
    with (tmp_path / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(record["frames"]["times"]) and rows[0]["frame"] == "0"
    assert list(rows[0]) == ["frame", *record["frames"]]


def test_a_file_without_video_is_named(run: Path, clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    result = score(run, clips[0], tmp_path / "text.mp4")
    assert result.exit_code == 1 and "text.mp4" in result.output


def test_a_folder_without_a_metric_is_named(clips: list[Path], tmp_path: Path) -> None:
    result = score(tmp_path, *clips)
    assert result.exit_code == 1
    assert "metric.json" in result.output and "stccl train" in result.output
