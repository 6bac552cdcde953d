"""The speaker among several people, in scenes of two rendered speakers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stccl_data.demo import DemoCorpus
from stccl_data.errors import ClipError, Reason
from stccl_data.face import tracking
from stccl_data.face.crop_config import CropConfig, SpeakerRule
from stccl_data.face.tracking import TrackedVideo, track_video
from stccl_data.features.speech import SpeechFeatures, speech_features
from stccl_data.landmarks import Landmarker
from stccl_data.media.audio import read_audio
from stccl_data.media.video import read_frames
from stccl_data.pairs.gates import MIN_SPEAKER_MARGIN
from tests.testing.media import record
from tests.testing.scenes import hidden, scaled, scene

N = 20
LEFT, RIGHT = (20, 30), (270, 30)


@pytest.fixture(scope="module")
def clips(corpus: DemoCorpus) -> list[Path]:
    """A clip of each of the two speakers of the corpus."""
    paths = {clip.speaker: corpus.folder / clip.path for clip in reversed(corpus.clips)}
    return [paths[speaker] for speaker in sorted(paths)]


def spoken(path: Path) -> list[np.ndarray]:
    """Return the N frames in the middle of a clip."""
    images = [frame.image for frame in read_frames(path)]
    first = (len(images) - N) // 2
    assert first >= 0
    return images[first : first + N]


@pytest.fixture(scope="module")
def ann(clips: list[Path]) -> list[np.ndarray]:
    """Frames of one speaker, 192 pixels wide, while she speaks."""
    return spoken(clips[0])


@pytest.fixture(scope="module")
def bob(clips: list[Path]) -> list[np.ndarray]:
    """Frames of the other speaker.

    Both are made of one photograph; mirrored and tinted they are as unlike as real people.
    """
    tint = np.array([0.7, 0.85, 1.0])
    return [(image[:, ::-1] * tint).astype(np.uint8) for image in spoken(clips[1])]


@pytest.fixture
def track(tmp_path: Path, landmarker: Landmarker) -> Callable[..., TrackedVideo]:
    """Record frames and follow the speaker."""

    def record_and_track(
        frames: list[np.ndarray], rule: SpeakerRule = "auto", **options: Any
    ) -> TrackedVideo:
        path = record(tmp_path / "scene.mp4", frames)
        return track_video(str(path), landmarker, CropConfig(speaker=rule), **options)

    return record_and_track


def columns(tracked: TrackedVideo) -> np.ndarray:
    """Return the middle of the face in each frame, x pixels; NaN without a face."""
    return np.asarray(tracked.track.landmarks[:, :, 0].mean(axis=1))


def test_a_hidden_speaker_is_a_gap_and_not_the_other_person(track, ann, bob):
    small = scaled(bob, 130)
    blurred = range(8, 11)
    frames = [
        scene((hidden(ann[i]) if i in blurred else ann[i], LEFT), (small[i], RIGHT))
        for i in range(N)
    ]
    tracked = track(frames)
    lost = set(np.flatnonzero(~tracked.track.valid))
    assert set(blurred) <= lost <= set(range(7, 12))
    assert not (columns(tracked) > 240).any(), "bridged, if at all, within the speaker's own face"
    assert tracked.scores["speaker_margin"] > MIN_SPEAKER_MARGIN
    assert tracked.scores["several_faces"] > 0.8


def test_the_larger_of_the_two_is_followed_though_it_comes_later(track, ann, bob):
    small = scaled(bob, 120)
    frames = [scene((small[i], LEFT), *([(ann[i], RIGHT)] if i >= 4 else [])) for i in range(N)]
    tracked = track(frames)
    assert set(np.flatnonzero(~tracked.track.valid)) >= set(range(4))
    assert (columns(tracked)[tracked.track.valid] > 240).all()
    assert tracked.track.valid[14:].all(), "searched for every 0.4 s"
    crops = tracked.track.face.decode()
    assert crops[0].max() < 10 < crops[-1].mean(), "cut in a second pass"


def test_people_who_change_places_keep_their_identity(track, ann, bob):
    small = scaled(bob, 130)
    x = np.linspace(0, 250, N).astype(int)
    frames = [
        scene((small[i], (290 - int(x[i]), 60)), (ann[i], (10 + int(x[i]), 20))) for i in range(N)
    ]
    tracked = track(frames)
    middle = 10 + x + 96
    assert np.abs(columns(tracked) - middle).max() < 40
    assert tracked.track.valid.all()


def test_somebody_who_stays_is_the_speaker_rather_than_one_who_leaves(track, ann, bob):
    small = scaled(bob, 150)
    frames = [scene((small[i], RIGHT), *([(ann[i], LEFT)] if i < 8 else [])) for i in range(N)]
    tracked = track(frames)
    assert (columns(tracked) > 240).all() and tracked.track.valid.all()


def test_a_portrait_on_the_wall_is_not_the_speaker(track, ann, bob):
    small = scaled(bob, 140)
    frames = [scene((ann[0], LEFT), (small[i], RIGHT)) for i in range(N)]
    tracked = track(frames)
    assert (columns(tracked) > 240).all()
    assert tracked.scores["speaker_margin"] > MIN_SPEAKER_MARGIN


def test_a_cut_to_another_person_at_the_same_place_is_a_gap(track, ann, bob):
    centre = (144, 24)
    cut = range(8, 12)
    frames = [scene((bob[i] if i in cut else ann[i], centre)) for i in range(N)]
    tracked = track(frames)
    assert set(np.flatnonzero(~tracked.track.valid)) == set(cut)
    assert np.isnan(tracked.track.landmarks[8:12]).all(), "not bridged"
    assert tracked.scores["face_rate"] == pytest.approx(0.8)


def test_nothing_is_smoothed_across_a_cut_to_a_closer_view(track, ann, landmarker):
    wide, close = scaled(ann, 140), scaled(ann, 220)
    frames = [
        scene((wide[i], (40, 60))) if i < 10 else scene((close[i], (200, 10))) for i in range(N)
    ]
    tracked = track(frames)
    assert tracked.track.valid.all()
    assert (columns(tracked)[:10] < 200).all() and (columns(tracked)[10:] > 240).all()
    scale = np.hypot(*tracked.track.face_transforms[:, 0].T[:2])
    assert np.ptp(scale[:10]) < 0.2 and np.ptp(scale[10:]) < 0.2
    assert scale[9] > 1.3 * scale[10]


@pytest.fixture(scope="module")
def couple(ann, bob) -> list[np.ndarray]:
    """Frames of two people of the same size; the second is at the right."""
    return [scene((ann[i], LEFT), (bob[i], RIGHT)) for i in range(N)]


def test_two_people_who_stand_out_alike_have_a_small_margin(track, couple):
    assert track(couple).scores["speaker_margin"] < 0.5


@pytest.mark.parametrize(
    ("rule", "side"), [("left", -1), ("right", 1), ("largest", 1), ("center", -1)]
)
def test_the_user_says_whom_to_follow(track, ann, bob, rule, side):
    small = scaled(ann, 160)
    frames = [scene((small[i], (60, 30)), (bob[i], (280, 30))) for i in range(12)]
    tracked = track(frames, rule)
    assert (side * (columns(tracked) - 240) > 0).all()
    assert tracked.scores["speaker_margin"] == 1


@pytest.mark.parametrize("place", [(370.0, 120.0), (280.0, 40.0, 450.0, 210.0)])
def test_the_user_says_where_the_speaker_is(track, couple, place):
    assert (columns(track(couple[:12], place=place)) > 240).all()


def test_no_face_at_the_place_is_an_error_that_names_the_file(track, couple):
    with pytest.raises(ClipError, match=r"scene\.mp4.*10, 10") as error:
        track(couple[:6], place=(10.0, 10.0))
    assert error.value.reason is Reason.SPEAKER_NOT_THERE


def test_with_sound_the_one_whose_mouth_moves_with_it_speaks(tmp_path, clips, landmarker):
    frames = [list(read_frames(path)) for path in clips]
    count = min(len(clip) for clip in frames)
    images = [scene((frames[0][i].image, LEFT), (frames[1][i].image, RIGHT)) for i in range(count)]
    fps = round(1 / (frames[0][1].time - frames[0][0].time))
    path = str(record(tmp_path / "couple.mp4", images, fps=fps))
    for side, voice in ((-1, speech_of(clips[0])), (1, speech_of(clips[1]))):
        tracked = track_video(path, landmarker, CropConfig(crops="none"), speech=voice)
        assert (side * (columns(tracked) - 240) > 0).all()
        assert tracked.scores["speaker_margin"] > MIN_SPEAKER_MARGIN


def speech_of(path: Path) -> SpeechFeatures:
    """Return the speech features of a clip."""
    audio = read_audio(path)
    features = speech_features(audio.samples, audio.rate, audio.start)
    assert features is not None
    return features


def test_a_video_is_read_again_only_if_somebody_else_turns_out_to_speak(
    track, monkeypatch, ann, bob
):
    reads = []

    def counted(path: str, cut: Any) -> Any:
        reads.append(path)
        return read_frames(path, cut)

    monkeypatch.setattr(tracking, "read_frames", counted)
    small = scaled(bob, 100)
    gap = [scene() if i in (4, 5) else scene((ann[i], LEFT)) for i in range(12)]
    for frames, passes in (
        (gap, 1),
        ([scene((ann[i], LEFT), (small[i], RIGHT)) for i in range(12)], 1),
        ([scene((small[i], LEFT), *([(ann[i], RIGHT)] if i > 2 else [])) for i in range(20)], 2),
    ):
        reads.clear()
        track(frames)
        assert len(reads) == passes
