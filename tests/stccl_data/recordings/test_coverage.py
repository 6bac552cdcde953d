"""What a dataset lacks."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.dataset.layout import CLIPS, FINDINGS
from stccl_data.dataset.tables import CLIP_COLUMNS, read_clips, write_clips
from stccl_data.recordings.coverage import Retake, coverage

ROW = dict.fromkeys(CLIP_COLUMNS) | {
    "corpus": "own", "path": "a.mp4", "level": 1, "take": 1, "view": "front", "duration_s": 30.0,
}  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Ann says two sentences in three emotions; one is missing, and one take has no face."""
    clips = [
        ("neutral", "s1", "paired", None),
        ("sad", "s1", "paired", None),
        ("happy", "s1", "failed", "no_face"),
        ("neutral", "s2", "unpaired", "no_partner"),
        ("happy", "s2", "paired", None),
    ]
    rows = [
        {**ROW, "clip_id": f"c{i}", "speaker": "ann", "emotion": emotion, "sentence": sentence,
         "state": state, "reason": reason, "text": "Dogs sit"}
        for i, (emotion, sentence, state, reason) in enumerate(clips)
    ]  # fmt: skip
    write_clips(tmp_path, rows)
    return tmp_path


def test_missing_and_unusable_takes_are_listed_with_their_reason(out):
    assert coverage(out).retakes == (
        Retake("ann", "front", "s1", "happy", "no_face", "Dogs sit"),
        Retake("ann", "front", "s2", "sad", None, "Dogs sit"),
    )


def test_usable_minutes_and_missing_phonemes_are_counted(out):
    result = coverage(out)
    assert result.minutes == {"ann": {"neutral": 0.5, "sad": 0.5, "happy": 0.5}}
    assert result.missing_phonemes is not None
    assert "D" not in result.missing_phonemes and "ZH" in result.missing_phonemes


def test_takes_that_are_no_clips_are_listed(out):
    findings = [("incomplete_take", "m.csv, row 3: ends after 'sit'"), ("off_script", "row 4")]
    lines = [json.dumps({"reason": reason, "detail": detail}) for reason, detail in findings]
    (out / FINDINGS).write_text("\n".join(lines))
    assert coverage(out).broken_takes == ("incomplete_take: m.csv, row 3: ends after 'sit'",)


def test_the_command_says_what_to_record(out):
    result = CliRunner().invoke(stccl, ["coverage", str(out)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "ann: 1.5 usable minutes (neutral 0.5, happy 0.5, sad 0.5)"
    assert lines[1].startswith("record ann front happy s1 (Dogs sit): no_face: ")
    assert lines[2] == "record ann front sad s2 (Dogs sit): not recorded"
    assert (out / CLIPS).exists() and len(read_clips(out)) == 5
