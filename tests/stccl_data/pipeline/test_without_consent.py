"""A consent that ends between two runs: nothing of the speaker stays in OUT."""

import pytest
import soundfile

from stccl_data.pairs.verdicts import Verdict, write_verdicts
from stccl_data.pipeline.prepare import PrepareError, prepare
from tests.testing import speech as voice
from tests.testing.runs import QUICK, rows

NAMES = ("ann-the-first", "bob-the-second")


@pytest.fixture
def raw(tmp_path):
    """Two speakers who say one sentence in two emotions, with their consents."""
    folder = tmp_path / "raw"
    folder.mkdir()
    lines = ["path,speaker,emotion,sentence"]
    for k, name in enumerate(NAMES):
        for emotion, length in (("neutral", 0.15), ("sad", 0.2)):
            samples, _ = voice.say("asiue", [length] * 5, 120 + 30 * k)
            soundfile.write(folder / f"{k}-{emotion}.wav", samples, voice.RATE)
            lines.append(f"{k}-{emotion}.wav,{name},{emotion},s1")
    (folder / "manifest.csv").write_text("\n".join(lines))
    consents(folder, *NAMES)
    return folder


def consents(raw, *names):
    """Write a ledger in which only these speakers have not withdrawn."""
    rows = (f"{name},{'' if name in names else '2026-01-01'}\n" for name in NAMES)
    (raw / "consent.csv").write_text("speaker,withdrawn\n" + "".join(rows))


def holding(out, text):
    """Return the files of a dataset whose bytes or name hold a text."""
    return {
        str(path.relative_to(out))
        for path in out.rglob("*")
        if path.is_file() and (text in path.name or text.encode() in path.read_bytes())
    }


def test_what_was_made_of_a_speaker_is_deleted(raw, tmp_path):
    out, (gone, kept) = tmp_path / "out", NAMES
    prepare(raw, out, QUICK)
    before = holding(out, kept)
    assert any(name.startswith("work/clips") for name in holding(out, gone))
    ids = tuple(row["clip_id"] for row in rows(out) if row["speaker"] == gone)
    write_verdicts(out, {ids: Verdict(*ids, "keep", "eve", "")})

    consents(raw, kept)
    summary = prepare(raw, out, QUICK)

    left = holding(out, gone)
    assert {name for name in left if not name.startswith("logs/")} == {
        "findings.jsonl",  # names whose consent is missing
        "verdicts.csv",
    }
    assert {name for name in before if name.startswith("work/clips")} <= holding(out, kept)
    (note,) = (note for note in summary.notes if gone in note)
    assert "2 clips" in note and str(out / "logs") in note and str(out / "verdicts.csv") in note
    assert prepare(raw, out, QUICK).made == 0
    assert not any(gone in note for note in prepare(raw, out, QUICK).notes)


def test_a_dataset_that_would_lose_all_speakers_is_to_be_deleted(raw, tmp_path):
    prepare(raw, tmp_path / "out", QUICK)
    consents(raw)
    with pytest.raises(PrepareError, match=f"delete .*{tmp_path / 'out'}"):
        prepare(raw, tmp_path / "out", QUICK)
