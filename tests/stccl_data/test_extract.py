"""Extraction on rendered clips, by the real decoder and the real landmark model."""

import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from stccl_data.clip import Clip
from stccl_data.demo import DemoCorpus
from stccl_data.errors import ClipError, Reason
from stccl_data.extract import CropConfig, extract_clip, extract_track
from stccl_data.face import face
from stccl_data.landmarks import LIPS_68, Landmarker, ibug68, open_landmarker
from stccl_data.media import video as media
from stccl_data.media.jpeg import encode_jpeg
from stccl_data.pipeline.artefacts import save_extraction


@pytest.fixture(scope="module")
def landmarker() -> Landmarker:
    return open_landmarker()


@pytest.fixture(scope="module")
def spoken(corpus: DemoCorpus) -> Path:
    return corpus.folder / corpus.clips[0].path


@pytest.fixture(scope="module")
def frames(spoken: Path) -> list[np.ndarray]:
    """20 frames of the first clip, 192 x 192."""
    return [frame.image for frame in media.read_frames(spoken)][:20]


@pytest.fixture(scope="module")
def extracted(spoken: Path, landmarker: Landmarker):
    """(track, scores, (width, height)) of the first clip."""
    return extract_track(str(spoken), landmarker, CropConfig())


def a_clip(path: Path, **labels) -> Clip:
    return Clip(
        clip_id="own/a",
        corpus="own",
        speaker="a",
        emotion="sad",
        sentence="1",
        path=str(path),
        **labels,
    )


def placed(points: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """points (N, K, 2) by transforms (N, 2, 3)."""
    return np.einsum("nij,nkj->nki", transforms[:, :, :2], points) + transforms[:, None, :, 2]


def blank(image: np.ndarray) -> np.ndarray:
    return np.full_like(image, 90)


def test_every_frame_of_a_spoken_clip_has_a_face_at_the_containers_time(corpus, spoken, extracted):
    track, scores, size = extracted
    n = corpus.clips[0].n_frames
    assert len(track) == n and track.valid.all() and size == (192, 192)
    np.testing.assert_array_equal(track.times, media.frame_times(spoken))
    assert track.landmarks.shape == (n, 478, 2) and track.landmarks.dtype == np.float32
    assert track.face_transforms.shape == track.mouth_transforms.shape == (n, 2, 3)
    assert track.face.decode([0, n - 1]).shape == (2, 224, 224, 3) and len(track.face) == n
    assert track.mouth.decode([n // 2]).shape == (1, 96, 96, 3) and len(track.mouth) == n
    assert scores["face_rate"] == 1 and scores["longest_gap"] == 0 and scores["several_faces"] == 0
    assert (
        scores["corrupt_frames"] == 0
        and scores["frozen_frames"] < n / 4
        and scores["sharpness"] > 1
    )
    assert (
        abs(scores["roll"]) < 10
        and 20 < scores["eye_distance"] < 120
        and 30 < scores["exposure"] < 220
    )


def test_the_eyes_come_to_lie_on_the_template_and_the_lips_in_the_mouth_crop(extracted):
    track, *_ = extracted
    points = ibug68(track.landmarks)
    in_face = placed(points, track.face_transforms)
    off = in_face[:, face.STABLE_68[:4]] - face.face_template(224)[:4]
    assert np.median(np.hypot(*np.moveaxis(off, -1, 0))) < 6
    assert (in_face > 0).all() and (in_face < 224).all(), "the whole face is in the face crop"
    in_mouth = placed(points[:, LIPS_68], track.mouth_transforms)
    assert (in_mouth > 5).all() and (in_mouth < 91).all()
    assert abs(np.median(in_mouth, axis=(0, 1)) - 48).max() < 12


def test_the_streamed_crops_are_those_of_the_clip_taken_as_a_whole(spoken, extracted, landmarker):
    from scipy.signal import savgol_filter

    track, *_ = extracted
    images = [frame.image for frame in media.read_frames(spoken)]
    raw = np.stack([landmarker.detect([image])[0][0] for image in images])
    stable = ibug68(raw)[:, face.STABLE_68].astype(np.float64)
    smooth = savgol_filter(stable, face.transform_window(15), 2, axis=0, mode="interp")
    for i, image in enumerate(images):
        to_face = face.similarity(smooth[i], face.face_template(224))
        np.testing.assert_allclose(track.face_transforms[i], to_face, atol=1e-3)
        if i % 7 == 0:
            whole = track.face.decode([i])[0].astype(int)
            assert np.abs(whole - face.crop(image, to_face, 224)).mean() < 4, (
                "the picture that the transform says"
            )
            assert track.face.picture(i) == encode_jpeg(
                face.crop(image, track.face_transforms[i], 224), 95
            )
            mouth = face.crop(image, track.mouth_transforms[i], 96)
            assert track.mouth.picture(i) == encode_jpeg(mouth, 95), (
                "cut from the frame itself, no enlargement of the face crop"
            )
    np.testing.assert_allclose(
        track.landmarks, face.smooth_landmarks(raw, np.ones(len(raw), bool)), atol=1e-4
    )


def test_a_frame_without_a_face_keeps_its_index(tmp_path, studio, frames, landmarker):
    film = [frames[i % len(frames)] for i in range(34)]
    lost = {0, 1, 2, 8, 9, *range(15, 25), 32, 33}
    path = studio.record(
        tmp_path / "lost.mp4", [blank(f) if i in lost else f for i, f in enumerate(film)]
    )
    track, scores, _ = extract_track(str(path), landmarker, CropConfig())
    assert set(np.flatnonzero(~track.valid)) == lost
    np.testing.assert_allclose(track.times, np.arange(34) / 25, atol=1e-6)
    nothing = {0, 1, 2, *range(15, 25), 32, 33}  # 8 and 9 are bridged
    assert set(np.flatnonzero(np.isnan(track.landmarks[:, 0, 0]))) == nothing
    assert set(np.flatnonzero(np.isnan(track.face_transforms[:, 0, 0]))) == nothing
    pictures = track.face.decode()
    assert {i for i in range(34) if pictures[i].max() < 10} == nothing, (
        "black where there is no crop"
    )
    assert scores["face_rate"] == pytest.approx(1 - len(lost) / 34) and scores["longest_gap"] == 10


def test_a_clip_without_any_face_says_so(tmp_path, studio, frames, landmarker):
    path = studio.record(tmp_path / "wall.mp4", [blank(frames[0])] * 4)
    with pytest.raises(
        ClipError, match=r"wall\.mp4 shows no face in any of its 4 frames"
    ) as caught:
        extract_track(str(path), landmarker, CropConfig())
    assert caught.value.reason is Reason.NO_FACE


def test_one_frame_is_too_short(tmp_path, studio, frames, landmarker):
    path = studio.record(tmp_path / "one.mp4", frames[:1])
    with pytest.raises(ClipError, match=r"one\.mp4 has 1 frame") as caught:
        extract_track(str(path), landmarker, CropConfig())
    assert caught.value.reason is Reason.TOO_SHORT


def test_two_frames_are_a_clip(tmp_path, studio, frames, landmarker):
    track, *_ = extract_track(
        str(studio.record(tmp_path / "two.mp4", frames[:2])), landmarker, CropConfig()
    )
    assert len(track) == 2 and track.valid.all() and not np.isnan(track.face_transforms).any()


def test_two_faces_are_scored_and_the_speaker_is_followed(
    tmp_path, studio, corpus, frames, landmarker
):
    """The other face is smaller at first and larger later; who was followed stays followed."""
    other = next(c for c in corpus.clips if c.speaker != corpus.clips[0].speaker)
    passer = next(media.read_frames(corpus.folder / other.path)).image
    film = []
    for i, frame in enumerate(frames[:14]):
        canvas = np.full((288, 560, 3), 90, np.uint8)
        canvas[60:252, 20:212] = frame
        side = 130 if i < 7 else 270
        canvas[9 : 9 + side, 560 - side :] = cv2.resize(
            passer, (side, side), interpolation=cv2.INTER_AREA
        )
        film.append(canvas)
    track, scores, _ = extract_track(
        str(studio.record(tmp_path / "two.mp4", film)), landmarker, CropConfig()
    )
    assert scores["several_faces"] > 0.8
    assert (track.landmarks[:, :, 0].mean(axis=1) < 230).all()


def test_a_face_at_the_border_is_padded_and_not_moved(tmp_path, studio, frames, landmarker):
    film = [
        np.roll(f, -52, axis=1)[:, :-52] for f in frames[:10]
    ]  # the head's right side lies outside
    track, *_ = extract_track(
        str(studio.record(tmp_path / "border.mp4", [f[:, :140] for f in film])),
        landmarker,
        CropConfig(),
    )
    assert track.valid.all()
    off = placed(
        ibug68(track.landmarks)[:, face.STABLE_68], track.face_transforms
    ) - face.face_template(224)
    assert np.abs(off).max() < 20, "the eyes are where they are in every crop"
    picture = track.face.decode([5])[0]
    assert (
        picture.shape == (224, 224, 3)
        and picture[60:160, :3].max() < 12
        and picture[60:160, 110:130].mean() > 30
    )


def test_crops_by_a_constant_box_hold_still(spoken, landmarker, extracted):
    track, *_ = extract_track(str(spoken), landmarker, CropConfig(crops="bbox"))
    assert np.ptp(track.face_transforms, axis=0).max() == 0 == track.face_transforms[0, 0, 1]
    inside = placed(ibug68(track.landmarks), track.face_transforms)
    assert (inside >= 0).all() and (inside <= 224).all()
    assert len(track.face) == len(track.mouth) == len(track)
    np.testing.assert_array_equal(track.landmarks, extracted[0].landmarks)


def test_without_crops_the_landmarks_stay(spoken, landmarker, extracted):
    track, scores, _ = extract_track(str(spoken), landmarker, CropConfig(crops="none"))
    assert track.face is None and track.mouth is None and np.isnan(track.face_transforms).all()
    np.testing.assert_array_equal(track.landmarks, extracted[0].landmarks)
    assert "sharpness" not in scores and scores["face_rate"] == 1


def test_sizes_and_quality_of_the_crops_are_as_asked_for(tmp_path, studio, frames, landmarker):
    path = studio.record(tmp_path / "a.mp4", frames[:4])
    fine, *_ = extract_track(str(path), landmarker, CropConfig(face_size=112, mouth_size=64))
    coarse, *_ = extract_track(
        str(path), landmarker, CropConfig(face_size=112, mouth_size=64, jpeg_quality=30)
    )
    assert fine.face.decode([0]).shape[1:] == (112, 112, 3) and fine.mouth.decode([0]).shape[
        1:
    ] == (64, 64, 3)
    assert len(coarse.face.data) < 0.6 * len(fine.face.data)


def test_smoothing_holds_a_still_face_stiller(tmp_path, studio, frames, landmarker):
    """A still face in the noise of a camera: how far its true place wanders in the crop."""
    noise = np.random.default_rng(1)
    film = [
        np.clip(frames[0] + noise.normal(0, 14, frames[0].shape), 0, 255).astype(np.uint8)
        for _ in range(24)
    ]
    path = studio.record(tmp_path / "still.mkv", film, codec="ffv1", pix_fmt="yuv444p")
    track, *_ = extract_track(str(path), landmarker, CropConfig())
    stable = [
        ibug68(landmarker.detect([f.image])[0][0])[face.STABLE_68] for f in media.read_frames(path)
    ]
    alone = np.stack([face.similarity(points, face.face_template(224)) for points in stable])
    eyes = np.tile(np.mean(stable, axis=0)[None, :4], (24, 1, 1))
    wander = [
        np.hypot(*np.std(placed(eyes, transforms), axis=0).T).mean()
        for transforms in (track.face_transforms, alone)
    ]
    assert wander[0] < 0.75 * wander[1], wander


def test_a_large_picture_gives_the_landmarks_of_a_small_one(tmp_path, studio, frames, landmarker):
    """A frame far larger than the landmark network looks at is made smaller first; no point moves by it."""
    small = frames[:8]
    large = [cv2.resize(f, (1536, 1536), interpolation=cv2.INTER_CUBIC) for f in small]
    near, *_ = extract_track(
        str(studio.record(tmp_path / "s.mp4", small)), landmarker, CropConfig()
    )
    far, scores, size = extract_track(
        str(studio.record(tmp_path / "l.mp4", large)), landmarker, CropConfig()
    )
    assert size == (1536, 1536) and scores["eye_distance"] > 240, (
        "large enough that frames are reduced"
    )
    off = np.hypot(*np.moveaxis(far.landmarks / 8 - near.landmarks, -1, 0)) / (
        scores["eye_distance"] / 8
    )
    assert np.median(off) < 0.015 and off.max() < 0.12
    eyes = placed(
        ibug68(far.landmarks)[:, face.STABLE_68], far.face_transforms
    ) - face.face_template(224)
    assert np.median(np.abs(eyes)) < 5
    seen, expected = far.face.decode().astype(int), near.face.decode().astype(int)
    assert np.abs(seen - expected).mean() < 8


def test_a_clip_that_changes_its_picture_size_is_refused(tmp_path, studio, frames, landmarker):
    first = studio.record(tmp_path / "a.ts", frames[:6])
    second = studio.record(tmp_path / "b.ts", [cv2.resize(f, (256, 256)) for f in frames[:6]])
    (tmp_path / "c.ts").write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(ClipError, match="changes its picture size") as caught:
        extract_track(str(tmp_path / "c.ts"), landmarker, CropConfig())
    assert caught.value.reason is Reason.DECODE_ERROR


class Counting:
    """A landmarker that counts how many of the pictures it has seen are still held by somebody."""

    def __init__(self, inner: Landmarker) -> None:
        self._inner, self.points, self.batch = inner, inner.points, inner.batch
        self._alive: set[int] = set()
        self.most = 0

    def detect(self, images: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        for image in images:
            key = id(image)
            self._alive.add(key)
            weakref.finalize(image, self._alive.discard, key)
        self.most = max(self.most, len(self._alive))
        return self._inner.detect(images)


def test_few_frames_are_held_however_long_the_clip(spoken, landmarker, tmp_path, studio, frames):
    counting = Counting(landmarker)
    track, *_ = extract_track(str(spoken), counting, CropConfig())
    assert len(track) > 30 and counting.most <= face.transform_window(15) + face.BRIDGED_FRAMES + 3
    gaps = [blank(f) if i % 9 in (3, 4, 5) else f for i, f in enumerate(frames * 2)]
    counting = Counting(landmarker)
    extract_track(str(studio.record(tmp_path / "gaps.mp4", gaps)), counting, CropConfig())
    assert counting.most <= face.transform_window(25) + face.BRIDGED_FRAMES + 3


def test_a_minute_of_large_frames_stays_below_a_gigabyte(tmp_path, studio, frames):
    canvas = np.full((720, 1280, 3), 90, np.uint8)
    film = []
    for i in range(180):
        film.append(canvas.copy() if i < 20 else film[i % 20])
        if i < 20:
            film[i][200:584, 400:784] = cv2.resize(frames[i], (384, 384))
    path = studio.record(tmp_path / "minute.mp4", film, fps=3, options={"preset": "ultrafast"})
    del film
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from stccl_data.extract import CropConfig, extract_track\n"
        "from stccl_data.landmarks import open_landmarker\n"
        "track, *_ = extract_track(sys.argv[1], open_landmarker(), CropConfig())\n"
        "print(len(track), int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    n, megabytes = done.stdout.split()
    assert int(n) == 180 and float(megabytes) < 1000


# --- the whole clip, sound and all ------------------------------------------------------------------------------------------


def never() -> Landmarker:
    raise AssertionError("the landmarker was opened")


def opener(landmarker: Landmarker) -> Callable[[], Landmarker]:
    return lambda: landmarker


def test_a_clip_brings_what_its_file_says_of_itself(spoken, landmarker, corpus):
    extraction = extract_clip(a_clip(spoken), opener(landmarker))
    clip, truth = extraction.clip, corpus.clips[0]
    assert (clip.fps, clip.n_frames, clip.width, clip.height) == (
        Fraction(15),
        truth.n_frames,
        192,
        192,
    )
    assert clip.audio_rate is not None and abs(clip.duration_s - truth.duration) < 0.1
    assert abs(extraction.scores["av_difference_s"]) < 0.15
    first, last = extraction.speech.span
    assert abs(first - truth.speech_start) < 0.15 and abs(last - truth.speech_end) < 0.15
    assert extraction.reference is not None and extraction.reference.shape[1] == 13


def test_the_same_clip_gives_the_same_bytes(tmp_path, studio, frames, landmarker):
    path = studio.record(tmp_path / "a.mp4", frames[:6], studio.tone(0.5))
    for name in ("1.npz", "2.npz"):
        save_extraction(tmp_path / name, extract_clip(a_clip(path), opener(landmarker)))
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()


def test_pictures_that_begin_late_keep_their_times(tmp_path, studio, frames, landmarker, ffmpeg):
    path = studio.record(tmp_path / "a.mp4", frames[:8], studio.tone(1.0))
    late = tmp_path / "late.mp4"
    ffmpeg(
        "-itsoffset", 0.4, "-i", path, "-i", path, "-map", "0:v", "-map", "1:a", "-c", "copy", late
    )
    extraction = extract_clip(a_clip(late), opener(landmarker))
    assert abs(extraction.track.times[0] - extraction.speech.start - 0.4) < 0.03
    np.testing.assert_array_equal(extraction.frame_times, extraction.track.times)


def test_faces_are_not_looked_for_where_nobody_asked(spoken, tmp_path, studio, frames):
    extraction = extract_clip(a_clip(spoken), never, pictures="never")
    assert extraction.track is None and len(extraction.frame_times) == extraction.clip.n_frames > 30
    assert extract_clip(a_clip(spoken), never, pictures="if_silent").track is None
    silent = studio.record(tmp_path / "silent.mp4", frames[:6])
    with pytest.raises(ClipError, match=r"silent\.mp4 has nothing to hear") as caught:
        extract_clip(a_clip(silent), never, pictures="never")
    assert caught.value.reason is Reason.NO_AUDIO
    with pytest.raises(AssertionError, match="was opened"):
        extract_clip(a_clip(silent), never, pictures="if_silent")


def test_sound_alone_is_a_clip_where_no_faces_are_wanted(tmp_path, studio, landmarker):
    sound = studio.record(tmp_path / "a.wav", sound=studio.tone(1.0), audio_codec="pcm_s16le")
    extraction = extract_clip(a_clip(sound), never, pictures="if_silent")
    assert (
        extraction.speech is not None
        and len(extraction.frame_times) == 0
        and extraction.clip.duration_s == 1.0
    )
    with pytest.raises(ClipError, match="has no video stream") as caught:
        extract_clip(a_clip(sound), opener(landmarker))
    assert caught.value.reason is Reason.NO_VIDEO


def test_a_silent_clip_is_followed_by_its_mouth_alone(tmp_path, studio, frames, landmarker):
    silent = studio.record(tmp_path / "silent.mp4", frames[:8])
    mute = studio.record(tmp_path / "mute.mp4", frames[:8], np.zeros(8000, np.float32))
    for path in (silent, mute):
        extraction = extract_clip(a_clip(path), opener(landmarker))
        assert (
            extraction.speech is None
            and extraction.reference is None
            and len(extraction.track) == 8
        )


def test_own_sound_files_win_and_a_corpus_copy_of_the_sound_does_not(tmp_path, studio, frames):
    path = studio.record(tmp_path / "a.mp4", frames[:8], studio.tone(0.5))
    sound = studio.record(tmp_path / "a.wav", sound=studio.tone(2.0), audio_codec="pcm_s16le")
    own = a_clip(path, audio_path=str(sound))
    assert extract_clip(own, never, pictures="never").speech.end == pytest.approx(2.0, abs=0.1)
    mead = Clip(**{**own.row(), "corpus": "mead", "fps": None})
    assert extract_clip(mead, never, pictures="never").speech.end == pytest.approx(0.5, abs=0.1)
    with pytest.raises(ClipError, match=r"gone\.wav does not exist"):
        extract_clip(a_clip(path, audio_path=str(tmp_path / "gone.wav")), never, pictures="never")
