"""A second opinion by a speech recogniser: what sound says, and which clips of a dataset contradict their texts."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.signal import resample_poly

from stccl_data.asr.listen import ListenError, listen
from stccl_data.asr.recogniser import Recogniser, RecogniserError, words_of
from stccl_data.dataset.layout import CLIPS
from stccl_data.dataset.tables import TableError
from stccl_data.demo.voice import SAMPLE_RATE, Prosody, speak
from stccl_data.media.video import SPEECH_RATE

TEXTS = (
    "Kids are talking by the door.",
    "Dogs are sitting by the door.",
    "She had your dark suit in greasy wash water.",
)


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser()


def spoken(text, voice="en-us+m3", rate=160):
    words = text.split()
    samples = speak(words, [1.0] * len(words), voice, Prosody(rate, 50, 50, 100)).samples
    return np.pad(resample_poly(samples, SPEECH_RATE, SAMPLE_RATE), 3000)


@pytest.mark.parametrize("voice", ["en-us+m3", "en-us+f2"])
def test_sound_fits_the_text_that_was_said_best(recogniser, voice):
    for text in TEXTS:
        samples = spoken(text, voice)
        assert max(TEXTS, key=lambda other: recogniser.fit(samples, other)) == text


def test_an_answer_hardly_depends_on_loudness_or_on_what_was_heard_before(recogniser):
    samples = spoken(TEXTS[0])
    first = recogniser.fit(samples, TEXTS[0])
    recogniser.fit(np.random.default_rng(0).normal(size=2 * SPEECH_RATE), TEXTS[2])
    assert recogniser.fit(samples, TEXTS[0]) == pytest.approx(first, abs=1e-3)
    assert recogniser.fit(samples / 8, TEXTS[0]) == pytest.approx(first, abs=1e-3)


@pytest.mark.parametrize(
    "samples",
    [np.empty(0), np.zeros(SPEECH_RATE), spoken("kids")[3000:5000]],
    ids=["empty", "silent", "short"],
)
def test_a_text_that_cannot_be_laid_on_the_sound_fits_not_at_all(recogniser, samples):
    assert recogniser.fit(samples, TEXTS[2]) == -np.inf


def test_words_are_spelled_as_the_dictionary_does():
    assert words_of("Don’t ask: the well-known DOOR’s 'open', isn't it?") == [
        "don't", "ask", "the", "well", "known", "door's", "open", "isn't", "it",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "?!", "kids are zzyzx"])
def test_a_text_without_known_words_is_refused(recogniser, text):
    with pytest.raises(ValueError, match="does not know every word"):
        recogniser.fit(np.ones(SPEECH_RATE), text)
    assert recogniser.unknown_words("Kids are zzyzx") == ("zzyzx",)


@pytest.fixture
def with_texts(prepared, corpus, tmp_path):
    """Makes a dataset whose tables hold the texts of the demo's clips, changed by a function of (clip id, text)."""
    said = {str(corpus.folder / truth.path): truth.text for truth in corpus.clips}

    def make(change):
        table = pq.read_table(prepared.out / CLIPS)
        texts = [change(row["clip_id"], said[row["path"]]) for row in table.to_pylist()]
        k = table.column_names.index("text")
        pq.write_table(table.set_column(k, "text", pa.array(texts, pa.string())), tmp_path / CLIPS)
        return tmp_path

    return make


def test_a_clip_with_another_sentences_text_is_named_and_no_other(with_texts, prepared):
    wrong = pq.read_table(prepared.out / CLIPS).to_pylist()[3]
    right = {}

    def swapped(clip_id, text):
        if clip_id != wrong["clip_id"]:
            return text
        right[clip_id] = text
        return next(other for other in TEXTS if other != text)

    out = with_texts(swapped)
    found = listen(out)
    assert [(one.clip_id, one.sounds_like) for one in found.contradicted] == list(right.items())
    assert found.contradicted[0].margin > 0
    assert (found.heard, found.untold, found.unheard) == (12, (), ())


def test_a_clip_without_a_text_has_that_of_its_sentence(with_texts, prepared):
    quiet = pq.read_table(prepared.out / CLIPS).to_pylist()[0]["clip_id"]
    out = with_texts(lambda clip_id, text: None if clip_id == quiet else text)
    assert listen(out).heard == 12


def test_texts_with_unknown_words_and_sound_that_is_gone_are_left_out_by_name(with_texts, prepared):
    first, second = (row["clip_id"] for row in pq.read_table(prepared.out / CLIPS).to_pylist()[:2])
    out = with_texts(lambda clip_id, text: "zzyzx" if clip_id == first else text)
    table = pq.read_table(out / CLIPS)
    rows = [
        row | ({"path": "gone.mp4", "audio_path": None} if row["clip_id"] == second else {})
        for row in table.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), out / CLIPS)
    found = listen(out)
    assert found.untold == (first,)
    assert [name for name, _ in found.unheard] == [
        second
    ] and "gone.mp4 does not exist" in found.unheard[0][1]
    assert (found.heard, found.contradicted) == (10, ())


def test_without_two_texts_there_is_nothing_to_compare(prepared, tmp_path):
    with pytest.raises(ListenError, match="fewer than two texts"):
        listen(prepared.out)  # the demo without its transcripts
    with pytest.raises(TableError, match=r"clips\.parquet"):
        listen(tmp_path)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(RecogniserError, match=r"pip install 'stccl\[asr\]'"):
        Recogniser()
