"""A run over corpora whose emotions are not in the vocabulary: from file names to the dataset."""

from dataclasses import replace

import pytest
import soundfile

from stccl_data.corpora.tables import table
from stccl_data.dataset import open_dataset
from stccl_data.dataset.summary import summarise
from stccl_data.dataset.verify import verify
from stccl_data.errors import UsageError
from stccl_data.pipeline.plan import plan_run
from stccl_data.pipeline.prepare import prepare
from tests.testing import speech as voice
from tests.testing.runs import QUICK, rows

#: sentence -> its sounds
SENTENCES = {"a01": "asiue", "b02": "osaei"}
#: letter of EMO-DB -> length of a sound in seconds, pitch in Hz
EMOTIONS = {"N": (0.15, 120), "L": (0.2, 100), "F": (0.13, 160)}


def write_corpus(folder, letters="NLF", name="{speaker}{sentence}{letter}a.wav"):
    """Write speech named as in EMO-DB; return the paths."""
    folder.mkdir()
    paths = []
    for speaker in ("03", "08"):
        for sentence, sounds in SENTENCES.items():
            for letter in letters:
                length, pitch = EMOTIONS[letter]
                samples, _ = voice.say(sounds, [length] * len(sounds), pitch + int(speaker))
                path = folder / name.format(speaker=speaker, sentence=sentence, letter=letter)
                soundfile.write(path, samples, voice.RATE)
                paths.append(path)
    return paths


def directions(out):
    return {(row["source_emotion"], row["target_emotion"]) for row in rows(out, "pairs")}


def test_an_emotion_outside_the_vocabulary_comes_through_to_the_dataset(tmp_path):
    write_corpus(tmp_path / "raw")
    out = tmp_path / "out"
    summary = prepare(tmp_path / "raw", out, QUICK)
    assert (summary.failed, summary.clips) == (0, {"": 12})
    assert {row["emotion"] for row in rows(out)} == {"neutral", "happy", "boredom"}
    assert directions(out) == {("neutral", "happy"), ("neutral", "boredom")}
    assert verify(out) == []
    utterance = open_dataset(out)["emodb/03/front/a01"]
    assert sorted(utterance.clips) == ["boredom-1-t001", "happy-1-t001", "neutral-1-t001"]
    (pair,) = utterance.pairs(target="Boredom", accepted=None)
    assert pair.target.clip_id == "emodb/03/front/boredom-1/a01-t001"
    assert list(summarise(out).emotions) == ["neutral", "happy", "boredom"]
    card = (out / "README.md").read_text()
    assert table("emodb")["licence"]["terms"] in card
    assert "license: unknown" in card
    assert "boredom 4" in card


def test_any_emotion_can_be_the_reference(tmp_path):
    write_corpus(tmp_path / "raw")
    config = replace(QUICK, reference=" Boredom")
    summary = prepare(tmp_path / "raw", tmp_path / "out", config)
    assert directions(tmp_path / "out") == {("boredom", "neutral"), ("boredom", "happy")}
    assert summary.pairs == {"": 8}
    assert verify(tmp_path / "out") == []


def test_without_neutral_clips_any_two_emotions_are_paired_and_a_note_says_so(tmp_path):
    write_corpus(tmp_path / "raw", "LF")
    plan = plan_run(tmp_path / "raw", tmp_path / "out", QUICK)
    assert len([note for note in plan.notes if "neutral" in note]) == 1
    assert (
        plan.notes
        != plan_run(tmp_path / "raw", tmp_path / "out", replace(QUICK, reference="any")).notes
    )
    prepare(tmp_path / "raw", tmp_path / "out", QUICK)
    assert directions(tmp_path / "out") == {("happy", "boredom")}


def test_a_reference_that_no_clip_has_is_an_error_that_lists_the_emotions(tmp_path):
    write_corpus(tmp_path / "raw")
    for reference in ("contempt", "sleepy"):
        with pytest.raises(UsageError, match=f"{reference}.*neutral, happy, boredom") as error:
            prepare(tmp_path / "raw", tmp_path / "out", replace(QUICK, reference=reference))
        assert error.value.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_label_of_other_letters_is_kept_in_the_tables_and_safe_in_names(tmp_path):
    paths = write_corpus(tmp_path / "raw")
    labels = {"N": "Ruhig", "L": "Überdrüssig", "F": "退屈"}
    lines = [
        f'{path.name},{path.stem[:2]},"{labels[path.stem[5]]}",{path.stem[2:5]}' for path in paths
    ]
    manifest = tmp_path / "raw" / "manifest.csv"
    manifest.write_text("\n".join(["path,speaker,emotion,sentence", *lines]), encoding="utf-8")
    out = tmp_path / "out"
    prepare(manifest, out, replace(QUICK, reference="überdrüssig"))
    assert {row["emotion"] for row in rows(out)} == {"calm", "überdrüssig", "退屈"}
    assert directions(out) == {("überdrüssig", "calm"), ("überdrüssig", "退屈")}
    assert all(row["clip_id"].isascii() and row["name"].isascii() for row in rows(out))
    assert verify(out) == []
    for utterance in open_dataset(out).stream("train"):
        assert len(utterance.pairs(source="ÜBERDRÜSSIG", accepted=None)) == 2
