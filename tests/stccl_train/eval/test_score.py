"""Scoring two clips: with themselves, with another sentence, and what is said of clips that cannot be scored."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_train.config import MetricConfig
from stccl_train.eval.score import score
from stccl_train.model.export import save_metric
from stccl_train.model.metric import CorrelationMetric


@pytest.fixture(scope="module")
def metric() -> CorrelationMetric:
    torch.manual_seed(0)
    return CorrelationMetric(
        MetricConfig(backbone="tiny", frames=3, size=64, variant="both"), freeze_backbone=False
    )


@pytest.fixture(scope="module")
def clips(corpus: Any) -> list[Path]:
    """One sentence neutral and happy, by one speaker."""
    speaker, sentence = corpus.clips[0].speaker, corpus.clips[0].sentence
    return [
        corpus.folder / corpus.clip(speaker, emotion, sentence).path
        for emotion in ("neutral", "happy")
    ]


def test_a_clip_keeps_its_own_speech(metric: CorrelationMetric, clips: list[Path]) -> None:
    found = score(metric, clips[0], clips[0], "time")
    n = len(found.times)
    assert all(
        len(column) == n for column in (found.scc, found.tcc, found.scc_recall, found.tcc_recall)
    )
    assert np.array_equal(found.times, found.target_times)
    assert not np.isnan(found.scc).any() and not np.isnan(found.tcc).any()
    assert np.allclose(found.scc, 1, atol=1e-3) and found.scc_recall.min() > 0.9
    shifted = found.shifted
    assert shifted["scc"] is not None and shifted["scc"] < 0.999
    assert shifted["scc_recall"] is not None and shifted["scc_recall"] < 0.95 * float(
        found.scc_recall.mean()
    )


def test_the_command_prints_means_and_writes_frames(
    metric: CorrelationMetric, clips: list[Path], tmp_path: Path
) -> None:
    save_metric(tmp_path / "run", metric)
    call = [
        "score",
        *map(str, clips),
        "--run",
        str(tmp_path / "run"),
        "--frames",
        str(tmp_path / "frames.csv"),
    ]
    done = CliRunner().invoke(stccl, [*call, "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert 0 < record["means"]["scc"] <= 1 and 0 <= record["means"]["tcc_recall"] <= 1
    with (tmp_path / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(record["frames"]["times"]) and rows[0]["frame"] == "0"
    assert set(rows[0]) == {
        "frame",
        "times",
        "target_times",
        "scc",
        "tcc",
        "scc_recall",
        "tcc_recall",
    }


def test_clips_that_cannot_be_scored_get_a_sentence(
    metric: CorrelationMetric, clips: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    save_metric(tmp_path / "run", metric)
    done = CliRunner().invoke(
        stccl, ["score", str(clips[0]), str(tmp_path / "text.mp4"), "--run", str(tmp_path / "run")]
    )
    assert done.exit_code == 1 and "text.mp4" in done.output
    done = CliRunner().invoke(
        stccl, ["score", str(clips[0]), str(clips[1]), "--run", str(tmp_path)]
    )
    assert done.exit_code == 1 and "run `stccl train`" in done.output
