"""Tracking on rendered videos, through the real decoder and the real landmark model."""

import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from stccl_data.errors import ClipError, Reason
from stccl_data.face.canonical import STABLE_68
from stccl_data.face.crop_config import CropConfig
from stccl_data.face.crops import estimate_similarity, face_template
from stccl_data.face.smoothing import (
    BRIDGED_S,
    TRANSFORM_CUTOFF_HZ,
    WINDOW_S,
    smooth_landmarks,
    window_weights,
)
from stccl_data.face.tracking import TrackedVideo, track_video
from stccl_data.landmarks import LIPS_68, Face, Landmarker, ibug68
from stccl_data.media.jpeg import encode_jpeg
from stccl_data.media.video import frame_times, read_frames
from stccl_data.media.warp import cut_square
from tests.testing.faces import follow
from tests.testing.media import record


@pytest.fixture(scope="module")
def tracked(video: Path, landmarker: Landmarker) -> TrackedVideo:
    """`video`, tracked with the default crops."""
    return track_video(str(video), landmarker, CropConfig())


def place(points: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Map points (N, K, 2) by transforms (N, 2, 3)."""
    return np.einsum("nij,nkj->nki", transforms[:, :, :2], points) + transforms[:, None, :, 2]


def blank(image: np.ndarray) -> np.ndarray:
    """Return a grey frame of the same size."""
    return np.full_like(image, 90)


def test_every_frame_is_tracked_at_its_container_time(corpus, video, tracked):
    track, scores = tracked.track, tracked.scores
    n = corpus.clips[0].n_frames
    assert len(track) == n and track.valid.all()
    assert (tracked.width, tracked.height) == (192, 192)
    np.testing.assert_array_equal(track.times, frame_times(video))
    assert track.landmarks.shape == (n, 478, 2) and track.landmarks.dtype == np.float32
    assert track.face_transforms.shape == track.mouth_transforms.shape == (n, 2, 3)
    assert track.face.decode([0, n - 1]).shape == (2, 224, 224, 3) and len(track.face) == n
    assert track.mouth.decode([n // 2]).shape == (1, 96, 96, 3) and len(track.mouth) == n
    assert scores["face_rate"] == 1 and scores["longest_gap"] == 0 and scores["several_faces"] == 0
    assert scores["corrupt_frames"] == 0 and scores["frozen_frames"] < n / 4
    assert scores["sharpness"] > 1 and 30 < scores["exposure"] < 220
    assert abs(scores["roll"]) < 10 and 20 < scores["eye_distance"] < 120


def test_eyes_match_the_template_and_lips_lie_in_the_mouth_crop(tracked):
    track = tracked.track
    points = ibug68(track.landmarks)
    in_face = place(points, track.face_transforms)
    off = in_face[:, STABLE_68[:4]] - face_template(224)[:4]
    assert np.median(np.hypot(*np.moveaxis(off, -1, 0))) < 6
    assert (in_face > 0).all() and (in_face < 224).all(), "the whole face is in the face crop"
    in_mouth = place(points[:, LIPS_68], track.mouth_transforms)
    assert (in_mouth > 5).all() and (in_mouth < 91).all()
    assert abs(np.median(in_mouth, axis=(0, 1)) - 48).max() < 12


def test_streamed_crops_equal_those_of_the_whole_clip(video, tracked, landmarker):
    track = tracked.track
    images = [frame.image for frame in read_frames(video)]
    raw = np.stack([face.points for face in follow(landmarker, images)])
    stable = ibug68(raw)[:, STABLE_68].astype(np.float64)
    for i, image in enumerate(images):
        near = np.flatnonzero(np.abs(track.times - track.times[i]) <= WINDOW_S + 1e-3)
        weights = window_weights(track.times[near], i - int(near[0]), TRANSFORM_CUTOFF_HZ)
        smooth = np.tensordot(weights, stable[near], axes=1)
        to_face = estimate_similarity(smooth, face_template(224))
        np.testing.assert_allclose(track.face_transforms[i], to_face, atol=1e-3)
        if i % 7 == 0:
            decoded = track.face.decode([i])[0].astype(int)
            assert np.abs(decoded - cut_square(image, to_face, 224)).mean() < 4
            face = cut_square(image, track.face_transforms[i], 224)
            assert track.face.jpeg(i) == encode_jpeg(face, 95)
            mouth = cut_square(image, track.mouth_transforms[i], 96)
            assert track.mouth.jpeg(i) == encode_jpeg(mouth, 95), "cut from the frame itself"
    np.testing.assert_allclose(
        track.landmarks, smooth_landmarks(raw, np.ones(len(raw), bool), track.times), atol=1e-4
    )


def test_a_frame_without_a_face_keeps_its_index(tmp_path, frames, landmarker):
    images = [frames[i % len(frames)] for i in range(34)]
    lost = {0, 1, 2, 8, 9, *range(15, 25), 32, 33}
    path = record(
        tmp_path / "lost.mp4", [blank(f) if i in lost else f for i, f in enumerate(images)]
    )
    tracked = track_video(str(path), landmarker, CropConfig())
    track, scores = tracked.track, tracked.scores
    assert set(np.flatnonzero(~track.valid)) == lost
    np.testing.assert_allclose(track.times, np.arange(34) / 25, atol=1e-6)
    missing = {0, 1, 2, *range(15, 25), 32, 33}  # 8 and 9 are bridged
    assert set(np.flatnonzero(np.isnan(track.landmarks[:, 0, 0]))) == missing
    assert set(np.flatnonzero(np.isnan(track.face_transforms[:, 0, 0]))) == missing
    crops = track.face.decode()
    assert {i for i in range(34) if crops[i].max() < 10} == missing, "black without a crop"
    assert scores["face_rate"] == pytest.approx(1 - len(lost) / 34) and scores["longest_gap"] == 10


def test_a_clip_without_any_face_is_refused(tmp_path, frames, landmarker):
    path = record(tmp_path / "wall.mp4", [blank(frames[0])] * 4)
    with pytest.raises(ClipError, match=r"wall\.mp4 .*4 frames") as error:
        track_video(str(path), landmarker, CropConfig())
    assert error.value.reason is Reason.NO_FACE


def test_one_frame_is_too_short(tmp_path, frames, landmarker):
    path = record(tmp_path / "one.mp4", frames[:1])
    with pytest.raises(ClipError, match=r"one\.mp4 has 1 frame") as error:
        track_video(str(path), landmarker, CropConfig())
    assert error.value.reason is Reason.TOO_SHORT


def test_two_frames_are_enough(tmp_path, frames, landmarker):
    path = record(tmp_path / "two.mp4", frames[:2])
    track = track_video(str(path), landmarker, CropConfig()).track
    assert len(track) == 2 and track.valid.all() and not np.isnan(track.face_transforms).any()


def test_a_face_at_the_border_is_padded_and_stays_in_place(tmp_path, frames, landmarker):
    shifted = [np.roll(f, -52, axis=1)[:, :-52] for f in frames[:10]]  # part of the head is outside
    path = record(tmp_path / "border.mp4", [f[:, :140] for f in shifted])
    track = track_video(str(path), landmarker, CropConfig()).track
    assert track.valid.all()
    in_face = place(ibug68(track.landmarks)[:, STABLE_68], track.face_transforms)
    assert np.abs(in_face - face_template(224)).max() < 20, "the eyes are on the template"
    face = track.face.decode([5])[0]
    assert face.shape == (224, 224, 3)
    assert face[60:160, :3].max() < 12 and face[60:160, 110:130].mean() > 30


def test_constant_box_crops_do_not_move(video, landmarker, tracked):
    track = track_video(str(video), landmarker, CropConfig(crops="bbox")).track
    assert np.ptp(track.face_transforms, axis=0).max() == 0 == track.face_transforms[0, 0, 1]
    inside = place(ibug68(track.landmarks), track.face_transforms)
    assert (inside >= 0).all() and (inside <= 224).all()
    assert len(track.face) == len(track.mouth) == len(track)
    np.testing.assert_array_equal(track.landmarks, tracked.track.landmarks)


def test_landmarks_are_the_same_without_crops(video, landmarker, tracked):
    without = track_video(str(video), landmarker, CropConfig(crops="none"))
    track = without.track
    assert track.face is None and track.mouth is None and np.isnan(track.face_transforms).all()
    np.testing.assert_array_equal(track.landmarks, tracked.track.landmarks)
    assert "sharpness" not in without.scores and without.scores["face_rate"] == 1


def test_size_and_quality_of_the_crops_can_be_set(tmp_path, frames, landmarker):
    path = str(record(tmp_path / "a.mp4", frames[:4]))
    small = CropConfig(face_size=112, mouth_size=64)
    coarse = CropConfig(face_size=112, mouth_size=64, jpeg_quality=30)
    fine_track = track_video(path, landmarker, small).track
    coarse_track = track_video(path, landmarker, coarse).track
    assert fine_track.face.decode([0]).shape[1:] == (112, 112, 3)
    assert fine_track.mouth.decode([0]).shape[1:] == (64, 64, 3)
    assert len(coarse_track.face.data) < 0.6 * len(fine_track.face.data)


def test_smoothing_steadies_a_still_face_in_camera_noise(tmp_path, frames, landmarker):
    noise = np.random.default_rng(1)
    images = [
        np.clip(frames[0] + noise.normal(0, 14, frames[0].shape), 0, 255).astype(np.uint8)
        for _ in range(24)
    ]
    path = record(tmp_path / "still.mkv", images, codec="ffv1", pix_fmt="yuv444p")
    track = track_video(str(path), landmarker, CropConfig()).track
    stable = [
        ibug68(landmarker.detect([f.image])[0][0].points)[STABLE_68] for f in read_frames(path)
    ]
    unsmoothed = np.stack([estimate_similarity(points, face_template(224)) for points in stable])
    eyes = np.tile(np.mean(stable, axis=0)[None, :4], (24, 1, 1))  # they do not really move
    jitter, unsmoothed_jitter = (
        np.hypot(*np.std(place(eyes, transforms), axis=0).T).mean()
        for transforms in (track.face_transforms, unsmoothed)
    )
    assert jitter < 0.75 * unsmoothed_jitter


def test_reducing_a_large_frame_moves_no_landmark(tmp_path, frames, landmarker):
    large = [cv2.resize(f, (1536, 1536), interpolation=cv2.INTER_CUBIC) for f in frames[:8]]
    near = track_video(str(record(tmp_path / "s.mp4", frames[:8])), landmarker, CropConfig()).track
    tracked = track_video(str(record(tmp_path / "l.mp4", large)), landmarker, CropConfig())
    far, eye_distance = tracked.track, tracked.scores["eye_distance"]
    assert (tracked.width, tracked.height) == (1536, 1536)
    assert eye_distance > 240, "large enough that frames are reduced"
    off = np.hypot(*np.moveaxis(far.landmarks / 8 - near.landmarks, -1, 0)) / (eye_distance / 8)
    assert np.median(off) < 0.015 and off.max() < 0.12
    in_face = place(ibug68(far.landmarks)[:, STABLE_68], far.face_transforms)
    assert np.median(np.abs(in_face - face_template(224))) < 5
    assert np.abs(far.face.decode().astype(int) - near.face.decode().astype(int)).mean() < 8


def test_a_clip_that_changes_its_frame_size_is_tracked_in_its_first_size(
    tmp_path, frames, landmarker
):
    first = record(tmp_path / "a.ts", frames[:6])
    second = record(tmp_path / "b.ts", [cv2.resize(f, (384, 384)) for f in frames[6:12]])
    (tmp_path / "c.ts").write_bytes(first.read_bytes() + second.read_bytes())
    whole = track_video(str(record(tmp_path / "w.ts", frames[:12])), landmarker, CropConfig())
    tracked = track_video(str(tmp_path / "c.ts"), landmarker, CropConfig())
    assert tracked.notes == ("frames of several sizes scaled to the first",)
    assert (tracked.width, tracked.height) == (whole.width, whole.height)
    off = np.hypot(*np.moveaxis(tracked.track.landmarks - whole.track.landmarks, -1, 0))
    assert np.median(off[6:]) < 0.03 * tracked.scores["eye_distance"]


class CollapsingLandmarker:
    """Puts landmarks of each face on one spot, as a network does that is lost."""

    def __init__(self, inner: Landmarker, collapsed: Sequence[int] | slice) -> None:
        self._inner, self.points, self.batch = inner, inner.points, inner.batch
        self._collapsed = collapsed

    def detect(
        self, images: Sequence[np.ndarray], known: Sequence[Face] = (), *, search: bool = True
    ) -> list[list[Face]]:
        faces = self._inner.detect(images, search=search)
        for face in (face for in_image in faces for face in in_image):
            face.points[self._collapsed] = 50
        return faces


#: The 68-point lips are averages of some of these.
LIPS_478 = [0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185]
LIPS_478 += [191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405]
LIPS_478 += [409, 415]


@pytest.mark.parametrize(
    ("crops", "collapsed"),
    [
        ("bbox", slice(None)),
        ("bbox", LIPS_478),
        ("similarity", slice(None)),
        ("none", slice(None)),
    ],
)
def test_landmarks_on_one_spot_are_refused_with_their_own_reason(
    video, landmarker, crops, collapsed
):
    lost = CollapsingLandmarker(landmarker, collapsed)
    with pytest.raises(ClipError) as error:
        track_video(str(video), lost, CropConfig(crops=crops))
    assert error.value.reason is Reason.DEGENERATE_FACE
    assert str(video) in error.value.detail


class CountingLandmarker:
    """Counts how many of the images it has seen are still referenced by somebody."""

    def __init__(self, inner: Landmarker) -> None:
        self._inner, self.points, self.batch = inner, inner.points, inner.batch
        self._alive: set[int] = set()
        self.most = 0

    def detect(
        self, images: Sequence[np.ndarray], known: Sequence[Face] = (), *, search: bool = True
    ) -> list[list[Face]]:
        for image in images:
            key = id(image)
            self._alive.add(key)
            weakref.finalize(image, self._alive.discard, key)
        self.most = max(self.most, len(self._alive))
        return self._inner.detect(images, known, search=search)


def held(fps: float) -> float:
    """Return how many frames may be in memory: those that wait, and a few in progress."""
    return (WINDOW_S + BRIDGED_S) * fps + 3


def test_the_number_of_frames_in_memory_is_bounded(video, landmarker, tmp_path, frames):
    counting = CountingLandmarker(landmarker)
    track = track_video(str(video), counting, CropConfig()).track
    assert len(track) > 20 and counting.most <= held(10)
    with_gaps = [blank(f) if i % 9 in (3, 4, 5) else f for i, f in enumerate(frames * 2)]
    counting = CountingLandmarker(landmarker)
    track_video(str(record(tmp_path / "gaps.mp4", with_gaps)), counting, CropConfig())
    assert counting.most <= held(25)


def test_a_minute_of_large_frames_needs_less_than_a_gigabyte(tmp_path, frames):
    images = []
    for i in range(180):
        images.append(np.full((720, 1280, 3), 90, np.uint8) if i < 20 else images[i % 20])
        if i < 20:
            images[i][200:584, 400:784] = cv2.resize(frames[i], (384, 384))
    path = record(tmp_path / "minute.mp4", images, fps=3, options={"preset": "ultrafast"})
    del images
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from stccl_data.face.crop_config import CropConfig\n"
        "from stccl_data.face.tracking import track_video\n"
        "from stccl_data.landmarks import open_landmarker\n"
        "track = track_video(sys.argv[1], open_landmarker(), CropConfig()).track\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(len(track), int(re.search(r'VmHWM:\\s*(\\d+)', status)[1]) / 1024)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    n, megabytes = result.stdout.split()
    assert int(n) == 180 and float(megabytes) < 1000
