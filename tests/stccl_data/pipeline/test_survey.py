"""The counts of a scan and the estimated cost of a run."""

from dataclasses import replace
from pathlib import Path

import pytest

from stccl_data.clip import Clip
from stccl_data.corpora import Finding, Scan
from stccl_data.errors import Reason
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.estimate import (
    BYTES_PER_FRAME,
    FRAMES_PER_CLIP,
    FRAMES_PER_CORE_SECOND,
    needed_bytes,
)
from stccl_data.pipeline.survey import survey


def clip(emotion, suffix=".mp4", sentence: str | None = "s001", level=1):
    clip_id = f"mead/M003/front/{emotion}-{level}/{sentence}{suffix}"
    return Clip(
        clip_id=clip_id,
        corpus="mead",
        speaker="M003",
        emotion=emotion,
        sentence=sentence,
        path=f"x{suffix}",
        level=level,
    )


def surveyed(*clips, findings=()):
    return survey(Scan("mead", Path("/raw"), clips, findings))


def test_only_video_clips_that_are_in_a_pair_cost_frames():
    counts = surveyed(
        clip("neutral"),
        clip("angry", ".wav"),
        clip("sad", sentence="s002"),
        clip("sad", sentence=None),
    )
    estimate = counts.estimates["neutral"]
    assert (estimate.pairs, estimate.clips) == (1, 2)
    assert estimate.alone == {"no_partner": 1, "sentence_unknown": 1}
    assert estimate.frames == FRAMES_PER_CLIP["mead"]
    assert estimate.bytes == estimate.frames * BYTES_PER_FRAME
    assert estimate.core_hours * 3600 * FRAMES_PER_CORE_SECOND == estimate.frames
    unpaired = estimate.unpaired
    assert (unpaired.clips, unpaired.frames) == (2, 2 * FRAMES_PER_CLIP["mead"])
    assert unpaired.bytes == unpaired.frames * BYTES_PER_FRAME


def test_clips_are_counted_by_speaker_emotion_and_level_and_findings_by_file():
    findings = (
        Finding("/raw/a", Reason.DUPLICATE_CLIP, "a", files=40),
        Finding("/raw/b", Reason.DUPLICATE_CLIP, "b"),
        Finding("/raw", Reason.KNOWN_DEFECT, "c", files=0),
    )
    counts = surveyed(
        clip("sad"), clip("sad", level=2), clip("sad", ".mov", level=2), findings=findings
    )
    assert counts.speakers == {"M003": {"sad": {1: 1, 2: 2}}}
    assert counts.sentences == {"s001": 3}
    assert counts.findings == {"duplicate_clip": 41, "known_defect": 0}


@pytest.mark.parametrize(
    ("options", "per_frame", "per_second"),
    [  # measured on four clips of MEAD: bytes of the arrays in their artefacts
        ({}, 21_800, 13_000),
        ({"audio": True}, 21_800, 53_500),
        ({"face_size": 512, "mouth_size": 192, "audio": True}, 62_500, 53_500),
        ({"face_size": 1024}, 146_600, 13_000),
        ({"jpeg_quality": 80}, 12_800, 13_000),
        ({"crops": "none"}, 0, 13_000),
    ],
)
def test_the_needed_disk_space_follows_the_options(options, per_frame, per_second):
    """Crops and sound are stored in `work` and in the shards, alignment features in `work` only."""
    config = PrepareConfig(**options)
    flac = per_second - 13_000
    sound = 129 / 30 * (13_000 + 2 * flac)
    assert needed_bytes(config, "mead", [clip("neutral")]) == pytest.approx(
        2 * 129 * per_frame + sound, rel=0.1
    )
    assert needed_bytes(config, "mead", [clip("neutral", ".wav")] * 2) == pytest.approx(
        2 * sound, rel=0.02
    )
    dropped = replace(config, drop_work=True)
    landmarks = 4_000 if per_frame else 0
    assert needed_bytes(dropped, "mead", [clip("neutral")]) == pytest.approx(
        129 * (per_frame + landmarks) + 129 / 30 * (13_000 + flac), rel=0.1
    )
    alone = clip("neutral")
    assert needed_bytes(config, "mead", [alone], {alone.clip_id}) == pytest.approx(
        129 * per_frame + 129 / 30 * (13_000 + flac), rel=0.1
    )
