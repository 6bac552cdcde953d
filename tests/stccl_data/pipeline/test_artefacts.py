"""Artefacts: what is written is read back the same, and a damaged file is noticed."""

from collections import Counter
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

from stccl_data.alignment.align import Alignment, align
from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.extract import Extraction
from stccl_data.face.track import Track
from stccl_data.features.phonemes import phoneme_features
from stccl_data.features.speech import reference_cepstra, speech_features
from stccl_data.media.jpeg import JpegSeries, encode_jpeg
from stccl_data.pairs.gates import Refusal
from stccl_data.pipeline.artefacts import DamagedArtefactError, header_of
from stccl_data.pipeline.clip_artefact import ClipArtefact, read_header, save_extraction
from stccl_data.pipeline.pair_artefacts import load_alignments, save_alignments, stored_alignments

CLIP = Clip(
    clip_id="own/ä/1",
    corpus="own",
    speaker="ä",
    emotion="sad",
    sentence="1",
    path="/raw/ä.mp4",
    text="Grüße",
    fps=Fraction(30000, 1001),
)


def assert_equal(value, other) -> None:
    """Compare dataclasses and arrays, where NaN equals NaN."""
    if isinstance(value, np.ndarray):
        assert value.dtype == other.dtype
        np.testing.assert_array_equal(value, other)
    elif is_dataclass(value):
        for field in fields(value):
            assert_equal(getattr(value, field.name), getattr(other, field.name))
    else:
        assert value == other


@pytest.fixture(scope="module")
def extraction() -> Extraction:
    rng = np.random.default_rng(0)
    n = 20
    jpegs = [encode_jpeg(np.full((16, 16, 3), 10 * i, np.uint8), 90) for i in range(n)]
    landmarks = rng.uniform(0, 100, (n, 68, 2)).astype(np.float32)
    valid = np.ones(n, bool)
    landmarks[3], valid[3] = np.nan, False
    track = Track(
        times=np.arange(n) / 25,
        valid=valid,
        landmarks=landmarks,
        face_transforms=rng.normal(size=(n, 2, 3)),
        mouth_transforms=rng.normal(size=(n, 2, 3)),
        presence=np.where(valid, 0.97, np.nan).astype(np.float32),
        blendshapes=np.where(valid[:, None], rng.uniform(size=(n, 52)), np.nan).astype(np.float16),
        face=JpegSeries.from_jpegs(jpegs),
        mouth=JpegSeries.from_jpegs(jpegs[::-1]),
    )
    voice = (rng.normal(size=16_000) * np.hanning(16_000)).astype(np.float32) * 0.1
    speech = speech_features(voice, 16_000, 0.02)
    return Extraction(
        CLIP,
        track,
        speech,
        phoneme_features(voice, 16_000, speech),
        reference_cepstra(voice, 16_000),
        track.times,
        {"face_rate": 0.95, "yaw": float("nan")},
        ("HLG tone-mapped",),
    )


@pytest.fixture(scope="module")
def alignment(extraction, tmp_path_factory) -> Alignment:
    path = tmp_path_factory.mktemp("alignment") / "clip.npz"
    save_extraction(path, extraction)
    signals = ClipArtefact(path).signals()
    return align(signals, signals)


def test_an_extraction_is_read_back_unchanged(tmp_path, extraction):
    save_extraction(tmp_path / "a.npz", extraction, b"fLaC...")
    stored = ClipArtefact(tmp_path / "a.npz")
    header = read_header(stored.header())
    assert header.clip == CLIP and header.notes == ("HLG tone-mapped",)
    assert header.scores["face_rate"] == 0.95 and np.isnan(header.scores["yaw"])
    known = np.delete(extraction.track.blendshapes.astype(float), 3, axis=0)
    mean, spread = header.expression["blendshapes_mean"], header.expression["blendshapes_range"]
    np.testing.assert_allclose(mean, known.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(spread, known.max(axis=0) - known.min(axis=0), atol=1e-4)
    assert_equal(extraction.track, stored.track())
    signals = stored.signals()
    assert_equal(extraction.speech, signals.speech)
    assert_equal(extraction.phonemes, signals.phonemes)
    assert_equal(extraction.reference, signals.reference)
    assert_equal(extraction.frame_times, signals.frame_times)
    assert signals.mouth is not None and signals.name == CLIP.path
    assert_equal(extraction.frame_times, stored.frame_times())
    assert stored.frames().flac == b"fLaC..."
    assert stored.frames().identity() == header.frames
    stored.drop_frames()
    assert not stored.has_frames and stored.frames().crops == {}
    assert_equal(extraction.track.landmarks, stored.tables()["landmarks"])


def test_missing_parts_of_an_extraction_are_none(tmp_path, extraction):
    bare = replace(
        extraction,
        track=None,
        speech=None,
        phonemes=None,
        reference=None,
        frame_times=np.empty(0),
        scores={},
    )
    save_extraction(tmp_path / "a.npz", bare)
    stored = ClipArtefact(tmp_path / "a.npz")
    assert (stored.track(), stored.has_frames) == (None, False)
    assert read_header(stored.header()).scores == {}
    signals = stored.signals()
    assert (signals.speech, signals.phonemes) == (None, None)
    assert (signals.mouth, signals.reference) == (None, None)
    assert len(signals.frame_times) == 0


def test_a_track_without_crops_is_read_back_without_them(tmp_path, extraction):
    without_crops = replace(extraction, track=replace(extraction.track, face=None, mouth=None))
    save_extraction(tmp_path / "a.npz", without_crops)
    track = ClipArtefact(tmp_path / "a.npz").track()
    assert track is not None and track.face is None


def test_alignments_and_refusals_are_read_back_in_order(tmp_path, alignment):
    refusal = Refusal(Reason.DURATION_RATIO, "a speaks for 9 s and b for 1 s")
    save_alignments(tmp_path / "pairs.npz", [alignment, refusal, alignment])
    first, second, third = load_alignments(tmp_path / "pairs.npz")
    assert second == refusal
    assert_equal(alignment, first)
    assert_equal(alignment, third)
    save_alignments(tmp_path / "none.npz", [])
    assert load_alignments(tmp_path / "none.npz") == []


def test_disagreements_are_read_back_with_the_scores(tmp_path, alignment):
    file = tmp_path / "pairs.npz"
    save_alignments(file, [alignment, alignment], [{"a": 0.25}, {}])
    results = stored_alignments(file, header_of(file))
    assert [result.disagreements for result in results] == [{"a": 0.25}, {}]
    assert "disagreements" not in results[0].scores


def test_a_changed_byte_is_noticed_or_makes_no_difference(tmp_path, alignment):
    rng = np.random.default_rng(0)
    file = tmp_path / "pairs.npz"
    save_alignments(file, [alignment])
    data = file.read_bytes()
    directory = data.index(b"PK\x01\x02")  # has no checksum of its own
    outcomes: Counter[str] = Counter()
    for i in range(1200):
        damaged = bytearray(data)
        offset = int(rng.integers(directory, len(data)) if i % 2 else rng.integers(len(data)))
        damaged[offset] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            (result,) = load_alignments(file)
        except DamagedArtefactError:
            assert not file.exists()
            outcomes["noticed"] += 1
        else:
            assert_equal(alignment, result)
            outcomes["harmless"] += 1
    assert outcomes["noticed"] > 600 and outcomes["harmless"] > 50


def test_a_file_that_cannot_be_opened_is_not_a_damaged_artefact(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        load_alignments(tmp_path / "a.npz")
