"""The speech recogniser, and the clips of a dataset that contradict their texts."""

import re
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stccl_data.asr.listen import ListenError, listen
from stccl_data.asr.recogniser import Recogniser, RecogniserError, split_words
from stccl_data.dataset.layout import CLIPS
from stccl_data.dataset.tables import TableError
from stccl_data.demo.voice import SAMPLE_RATE, Prosody, speak
from stccl_data.media.audio import SPEECH_RATE

TEXTS = (
    "Kids are talking by the door.",
    "Dogs are sitting by the door.",
    "She had your dark suit in greasy wash water.",
)


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser()


def spoken(text, voice="en-us+m3", rate=160):
    from scipy.signal import resample_poly

    words = text.split()
    samples = speak(words, [1.0] * len(words), voice, Prosody(rate, 50, 50, 100)).samples
    return np.pad(resample_poly(samples, SPEECH_RATE, SAMPLE_RATE), 3000)


@pytest.mark.parametrize("voice", ["en-us+m3", "en-us+f2"])
def test_sound_fits_its_own_text_best(recogniser, voice):
    for text in TEXTS:
        samples = spoken(text, voice)
        assert max(TEXTS, key=lambda other: recogniser.fit(samples, other)) == text


def test_a_fit_hardly_depends_on_loudness_or_on_earlier_calls(recogniser):
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
def test_a_text_that_cannot_be_aligned_with_the_sound_has_no_likelihood(recogniser, samples):
    assert recogniser.fit(samples, TEXTS[2]) == -np.inf


def test_words_are_spelled_as_in_the_dictionary():
    assert split_words("Don’t ask: the well-known DOOR’s 'open', isn't it?") == [
        "don't", "ask", "the", "well", "known", "door's", "open", "isn't", "it",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "?!", "kids are zzyzx"])
def test_a_text_without_words_or_with_unknown_words_is_an_error(recogniser, text):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        recogniser.fit(np.ones(SPEECH_RATE), text)
    assert recogniser.unknown_words("Kids are zzyzx") == ("zzyzx",)


@pytest.fixture
def with_texts(prepared, corpus, tmp_path):
    """Make a dataset with the texts of the demo, changed by a function of (clip id, text)."""
    spoken_texts = {str(corpus.folder / truth.path): truth.text for truth in corpus.clips}

    def make(change):
        table = pq.read_table(prepared.out / CLIPS)
        texts = [change(row["clip_id"], spoken_texts[row["path"]]) for row in table.to_pylist()]
        k = table.column_names.index("text")
        pq.write_table(table.set_column(k, "text", pa.array(texts, pa.string())), tmp_path / CLIPS)
        return tmp_path

    return make


def test_only_the_clip_with_the_text_of_another_sentence_is_reported(with_texts, prepared):
    wrong = pq.read_table(prepared.out / CLIPS).to_pylist()[3]
    right = {}

    def swap(clip_id, text):
        if clip_id != wrong["clip_id"]:
            return text
        right[clip_id] = text
        return next(other for other in TEXTS if other != text)

    out = with_texts(swap)
    report = listen(out)
    (contradiction,) = report.contradictions
    assert {contradiction.clip_id: contradiction.sounds_like} == right
    assert contradiction.margin > 0
    assert (report.compared, report.without_text, report.unusable) == (12, (), ())


def test_a_clip_without_a_text_gets_that_of_its_sentence(with_texts, prepared):
    quiet = pq.read_table(prepared.out / CLIPS).to_pylist()[0]["clip_id"]
    out = with_texts(lambda clip_id, text: None if clip_id == quiet else text)
    assert listen(out).compared == 12


def test_clips_with_unknown_words_or_without_sound_are_listed(with_texts, prepared):
    first, second = (row["clip_id"] for row in pq.read_table(prepared.out / CLIPS).to_pylist()[:2])
    out = with_texts(lambda clip_id, text: "zzyzx" if clip_id == first else text)
    table = pq.read_table(out / CLIPS)
    rows = [
        row | ({"path": "gone.mp4", "audio_path": None} if row["clip_id"] == second else {})
        for row in table.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), out / CLIPS)
    report = listen(out)
    assert report.without_text == (first,)
    (unusable,) = report.unusable
    assert unusable.clip_id == second
    assert "gone.mp4" in unusable.detail
    assert (report.compared, report.contradictions) == (10, ())


def test_fewer_than_two_texts_or_no_table_is_an_error(prepared, tmp_path):
    with pytest.raises(ListenError, match=r"clips\.parquet"):
        listen(prepared.out)  # the demo without its transcripts
    with pytest.raises(TableError, match=r"clips\.parquet"):
        listen(tmp_path)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(RecogniserError, match=r"pip install 'stccl\[asr\]'"):
        Recogniser()
