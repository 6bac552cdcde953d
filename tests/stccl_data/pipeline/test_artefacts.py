"""What the stages hand to each other: written and read back the same, whole or not at all."""

from collections import Counter
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest

from stccl_data.alignment.align import Alignment, align
from stccl_data.clip import Clip
from stccl_data.errors import Reason
from stccl_data.extract import Extraction
from stccl_data.face.track import Track
from stccl_data.features.speech import reference_cepstra, speech_features
from stccl_data.media.jpeg import JpegSeries, encode_jpeg
from stccl_data.pipeline.artefacts import (
    ClipArtefact,
    DamagedArtefactError,
    Refusal,
    load_alignments,
    read_header,
    save_alignments,
    save_extraction,
)

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


def same(a, b) -> bool:
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    return bool(a == b)


@pytest.fixture(scope="module")
def extraction() -> Extraction:
    rng = np.random.default_rng(0)
    n = 20
    pictures = [encode_jpeg(np.full((16, 16, 3), 10 * i, np.uint8), 90) for i in range(n)]
    landmarks = rng.uniform(0, 100, (n, 68, 2)).astype(np.float32)
    valid = np.ones(n, bool)
    landmarks[3], valid[3] = np.nan, False
    track = Track(
        times=np.arange(n) / 25,
        valid=valid,
        landmarks=landmarks,
        face_transforms=rng.normal(size=(n, 2, 3)),
        mouth_transforms=rng.normal(size=(n, 2, 3)),
        face=JpegSeries.from_jpegs(pictures),
        mouth=JpegSeries.from_jpegs(pictures[::-1]),
    )
    voice = (rng.normal(size=16_000) * np.hanning(16_000)).astype(np.float32) * 0.1
    speech = speech_features(voice, 16_000, 0.02)
    return Extraction(
        CLIP,
        track,
        speech,
        reference_cepstra(voice, 16_000),
        track.times,
        {"face_rate": 0.95, "yaw": float("nan")},
    )


def test_an_extraction_comes_back_as_it_was(tmp_path, extraction):
    save_extraction(tmp_path / "a.npz", extraction, b"fLaC...")
    stored = ClipArtefact(tmp_path / "a.npz")
    clip, scores = read_header(stored.header())
    assert clip == CLIP and scores["face_rate"] == 0.95 and np.isnan(scores["yaw"])
    track = stored.track()
    for one in fields(Track):
        mine, theirs = getattr(extraction.track, one.name), getattr(track, one.name)
        if isinstance(mine, JpegSeries):
            assert mine.data == theirs.data and same(mine.offsets, theirs.offsets)
        else:
            assert same(mine, theirs), one.name
    signals = stored.signals()
    assert all(
        same(getattr(extraction.speech, f.name), getattr(signals.speech, f.name))
        for f in fields(signals.speech)
    )
    assert same(signals.reference, extraction.reference) and same(
        signals.frame_times, extraction.frame_times
    )
    assert signals.mouth is not None and signals.name == CLIP.path
    assert stored.flac() == b"fLaC..." and same(stored.frame_times(), extraction.frame_times)


def test_what_was_not_made_is_not_there(tmp_path, extraction):
    bare = replace(
        extraction, track=None, speech=None, reference=None, frame_times=np.empty(0), scores={}
    )
    save_extraction(tmp_path / "a.npz", bare)
    stored = ClipArtefact(tmp_path / "a.npz")
    assert (
        stored.track() is None and stored.flac() is None and read_header(stored.header())[1] == {}
    )
    signals = stored.signals()
    assert (
        signals.speech is None
        and signals.mouth is None
        and signals.reference is None
        and len(signals.frame_times) == 0
    )
    faceless = replace(extraction, track=replace(extraction.track, face=None, mouth=None))
    save_extraction(tmp_path / "b.npz", faceless)
    assert ClipArtefact(tmp_path / "b.npz").track().face is None


def test_alignments_and_refusals_come_back_in_order(tmp_path, extraction):
    save_extraction(tmp_path / "a.npz", extraction)
    signals = ClipArtefact(tmp_path / "a.npz").signals()
    made = align(signals, signals)
    refusal = Refusal(Reason.DURATION_RATIO, "a speaks for 9 s and b for 1 s")
    save_alignments(tmp_path / "pairs.npz", [made, refusal, made])
    back = load_alignments(tmp_path / "pairs.npz")
    assert back[1] == refusal and len(back) == 3
    for found in (back[0], back[2]):
        assert all(same(getattr(made, f.name), getattr(found, f.name)) for f in fields(Alignment))
    save_alignments(tmp_path / "none.npz", [])
    assert load_alignments(tmp_path / "none.npz") == []


def test_a_byte_that_a_disk_gave_back_wrong_is_noticed_or_makes_no_difference(tmp_path, extraction):
    rng = np.random.default_rng(0)
    file = tmp_path / "pairs.npz"
    save_extraction(tmp_path / "a.npz", extraction)
    signals = ClipArtefact(tmp_path / "a.npz").signals()
    whole = [align(signals, signals)]
    save_alignments(file, whole)
    data = file.read_bytes()
    directory = data.index(b"PK\x01\x02")  # has no checksum of its own
    outcomes: Counter[bool] = Counter()
    for i in range(1200):
        damaged = bytearray(data)
        at = int(rng.integers(directory, len(data)) if i % 2 else rng.integers(len(data)))
        damaged[at] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged)
        try:
            (found,) = load_alignments(file)
        except DamagedArtefactError:
            assert not file.exists()
            outcomes[False] += 1
        else:
            assert all(
                same(getattr(whole[0], f.name), getattr(found, f.name)) for f in fields(Alignment)
            ), at
            outcomes[True] += 1
    assert outcomes[False] > 600 and outcomes[True] > 50


def test_an_artefact_of_a_disk_that_fails_is_not_taken_for_a_damaged_one(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(IsADirectoryError):
        load_alignments(tmp_path / "a.npz")
