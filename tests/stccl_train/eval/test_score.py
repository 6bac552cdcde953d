"""Scoring two clips: a clip with itself, and what is written of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stccl_data.errors import ClipError, Reason
from stccl_train.eval import frame_scores
from stccl_train.eval.frame_scores import SCORES
from stccl_train.eval.score import Score, score
from tests.testing.metrics import tiny_metric


@pytest.fixture(scope="module")
def clips(corpus: Any) -> list[Path]:
    """One sentence neutral and happy, by one speaker."""
    speaker, sentence = corpus.clips[0].speaker, corpus.clips[0].sentence
    return [
        corpus.folder / corpus.clip(speaker, emotion, sentence).path
        for emotion in ("neutral", "happy")
    ]


@pytest.fixture(scope="module")
def own_score(clips: list[Path]) -> Score:
    """A clip scored against itself."""
    return score(tiny_metric(variant="both"), clips[0], clips[0], "time")


def test_every_frame_of_a_clip_matches_itself(own_score: Score) -> None:
    assert np.array_equal(own_score.times, own_score.target_times)
    assert np.allclose(own_score.scc, 1, atol=1e-3)
    assert own_score.scc_recall.min() > 0.9
    assert not np.isnan(own_score.tcc).any()


def test_a_shifted_clip_scores_lower(own_score: Score) -> None:
    shifted, means = own_score.shifted, own_score.means
    assert shifted["scc"] is not None and shifted["scc"] < 0.999
    assert means["scc_recall"] is not None and shifted["scc_recall"] is not None
    assert shifted["scc_recall"] < 0.95 * means["scc_recall"]


def test_a_clip_too_long_to_be_kept_scores_the_same(
    own_score: Score, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_scores, "_KEPT_BYTES", 0)
    lean = score(tiny_metric(variant="both"), clips[0], clips[0], "time")
    assert lean.means == pytest.approx(own_score.means, abs=1e-5)
    assert lean.shifted == pytest.approx(own_score.shifted, abs=1e-5)


def test_the_record_has_a_column_for_each_score(own_score: Score) -> None:
    record = json.loads(json.dumps(own_score.record(), allow_nan=False))
    assert list(record["frames"]) == ["times", "target_times", *SCORES]
    assert {len(column) for column in record["frames"].values()} == {len(own_score.times)}
    assert set(record["means"]) == set(record["shifted"]) == set(SCORES)


def test_a_file_without_video_is_named(clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ClipError, match=r"text\.mp4") as error:
        score(tiny_metric(), clips[0], tmp_path / "text.mp4")
    assert error.value.reason == Reason.NOT_MEDIA
