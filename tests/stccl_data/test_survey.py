"""The numbers of a scan."""

from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.corpora import Finding, Scan
from stccl_data.reasons import Reason
from stccl_data.survey import BYTES_PER_FRAME, FRAMES_PER_CLIP, FRAMES_PER_CORE_SECOND, survey


def clip(emotion, suffix=".mp4", sentence: str | None = "s001", level=1):
    clip_id = f"mead/M003/front/{emotion}-{level}/{sentence}{suffix}"
    return Clip(
        clip_id=clip_id, corpus="mead", speaker="M003", emotion=emotion, sentence=sentence, path=f"x{suffix}", level=level
    )


def surveyed(*clips, findings=()):
    return survey(Scan("mead", Path("/raw"), clips, findings))


def test_only_clips_in_a_pair_that_have_video_cost_frames():
    counts = surveyed(clip("neutral"), clip("angry", ".wav"), clip("sad", sentence="s002"), clip("sad", sentence=None))
    plan = counts.plans["neutral"]
    assert (plan.pairs, plan.clips) == (1, 2)
    assert plan.alone == {"no_partner": 1, "sentence_unknown": 1}
    assert plan.frames == FRAMES_PER_CLIP["mead"]
    assert plan.bytes == plan.frames * BYTES_PER_FRAME
    assert plan.core_hours * 3600 * FRAMES_PER_CORE_SECOND == plan.frames


def test_clips_are_counted_by_speaker_emotion_and_level_and_findings_by_file():
    findings = (
        Finding("/raw/a", Reason.DUPLICATE_CLIP, "a", files=40),
        Finding("/raw/b", Reason.DUPLICATE_CLIP, "b"),
        Finding("/raw", Reason.KNOWN_DEFECT, "c", files=0),
    )
    counts = surveyed(clip("sad"), clip("sad", level=2), clip("sad", ".mov", level=2), findings=findings)
    assert counts.speakers == {"M003": {"sad": {1: 1, 2: 2}}}
    assert counts.sentences == {"s001": 3}
    assert counts.findings == {"duplicate_clip": 41, "known_defect": 0}
