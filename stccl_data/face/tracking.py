"""Follow the speaker's face through a video."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.face.crop_config import CropConfig
from stccl_data.face.crops import DegenerateFaceError, constant_box, crop_eye_distance
from stccl_data.face.cutter import CropCutter, CropTransforms, ReducedFrame
from stccl_data.face.pose import eye_distance, head_pose
from stccl_data.face.smoothing import smooth_landmarks
from stccl_data.face.track import Track
from stccl_data.landmarks import BLENDSHAPES, Face, Landmarker
from stccl_data.media.video import Frame, read_frames

#: Pixels between the outer eye corners in the image that MediaPipe's landmark network works on
#: (256 x 256), measured.
_NETWORK_EYE_DISTANCE = 105.0

#: While faces are followed, other faces are looked for in every so many frames: often enough that
#: nobody who stays for half a second is missed at 25 frames per second, for a tenth of a
#: millisecond a frame.
_SEARCH_INTERVAL = 10


#: Landmarks that lie within one pixel are no face: the network is lost. NaN is not above it either.
_LEAST_EXTENT = 1.0


@dataclass(frozen=True, slots=True)
class TrackedVideo:
    """A tracked video."""

    track: Track
    #: Scores by which gates may refuse the clip: those of `score_track` and `CropCutter.scores`,
    #: `several_faces` (share of frames), `frozen_frames` and `corrupt_frames` (counts).
    scores: dict[str, float]
    #: Pixels.
    width: int
    height: int
    #: See `stccl_data.extract.Extraction.notes`.
    notes: tuple[str, ...] = ()


def track_video(path: str, landmarker: Landmarker, config: CropConfig) -> TrackedVideo:
    """Follow the speaker's face through a video and cut its crops.

    Frames are streamed: only as many are held as the smoothing looks ahead (a quarter of a
    second), whatever the length of the clip.

    Raises:
        ClipError: as `read_frames`, and too_short (fewer than two frames), no_face (in no frame),
            degenerate_face (the landmarks lie on one spot).
    """
    tracker = FaceTracker(path, landmarker, config)
    cutter = CropCutter(config)
    for frames in _batches(read_frames(path), landmarker.batch):
        for detection in tracker.detect(frames):
            if config.crops == "similarity":
                cutter.push(detection.frame, detection.landmarks, detection.time)
    times, valid, landmarks = tracker.result()
    presence, blendshapes = tracker.presence(), tracker.blendshapes()
    if config.crops == "similarity":
        cutter.finish()
    elif config.crops == "bbox":
        box = _constant_crops(path, landmarks, config)
        for frame in read_frames(path):  # again: the box around the whole clip is known only now
            cutter.cut(ReducedFrame(frame.image, 1), box)
    missing = [CropTransforms.fit(None, config)] * len(times)
    transforms = cutter.transforms or missing
    face, mouth = cutter.jpegs() if config.crops != "none" else (None, None)
    track = Track(
        times=times,
        valid=valid,
        landmarks=landmarks,
        face_transforms=np.stack([t.face for t in transforms]),
        mouth_transforms=np.stack([t.mouth for t in transforms]),
        presence=presence,
        blendshapes=blendshapes,
        face=face,
        mouth=mouth,
    )
    scores = score_track(track) | tracker.scores() | cutter.scores()
    return TrackedVideo(track, scores, tracker.width, tracker.height, tracker.notes)


def _constant_crops(
    path: str, landmarks: NDArray[np.floating], config: CropConfig
) -> CropTransforms:
    """Return the crops of every frame of a clip by `constant_box`. Raises ClipError."""
    try:
        return CropTransforms(
            constant_box(landmarks, config.face_size),
            constant_box(landmarks, config.mouth_size, mouth=True),
        )
    except DegenerateFaceError as error:
        raise ClipError(Reason.DEGENERATE_FACE, f"{path}: {error}") from error


def score_track(track: Track) -> dict[str, float]:
    """Score the face in a track.

    Returns:
        face_rate: share of frames with a face.
        longest_gap: most frames in a row without a face.
        eye_distance: median distance of the outer eye corners, pixels.
        yaw, pitch, roll: median degrees (see `Pose`).
    """
    known = track.landmarks[~np.isnan(track.landmarks[:, 0, 0])]
    pose = head_pose(known)
    gaps = np.diff(np.concatenate([[-1], np.flatnonzero(track.valid), [len(track)]])) - 1
    return {
        "face_rate": float(track.valid.mean()),
        "longest_gap": float(gaps.max()),
        "eye_distance": float(np.median(eye_distance(known))),
        "yaw": float(np.median(pose.yaw)),
        "pitch": float(np.median(pose.pitch)),
        "roll": float(np.median(pose.roll)),
    }


@dataclass(frozen=True, slots=True)
class Detection:
    """The speaker's face in one frame."""

    #: The frame as the landmarker saw it.
    frame: ReducedFrame
    #: (K, 2) float32, source pixels; None without a face, or if the frame is corrupt.
    landmarks: NDArray[np.float32] | None
    #: Seconds.
    time: float


class FaceTracker:
    """Detects the landmarks of the speaker frame by frame, and counts what is wrong with a clip."""

    def __init__(self, path: str, landmarker: Landmarker, config: CropConfig) -> None:
        """Start a clip. path: for error messages."""
        self._path = path
        self._landmarker = landmarker
        self._config = config
        self.width = self.height = 0
        self.notes: tuple[str, ...] = ()
        self._times: list[float] = []
        self._speaker: list[Face | None] = []  # of each frame
        self._known: list[Face] = []  # all faces of the last frame
        self._previous: NDArray[np.float32] | None = None  # of the last frame with a face
        self._thumbnail: NDArray[np.uint8] | None = None  # of the last frame
        self._several = self._frozen = self._corrupt = 0
        self._degenerate = False  # whether a face was on one spot

    def detect(self, frames: Sequence[Frame]) -> list[Detection]:
        """Detect the speaker in the next frames of the clip.

        Frames much larger than the landmark network needs are made smaller first: a face that
        fills a 1080p frame is detected, and cropped, in half the time.
        """
        factor = self._reduction()
        reduced = [ReducedFrame.of(frame.image, factor) for frame in frames]
        known = [face.scaled(1 / factor) for face in self._known]
        search = len(self._times) % _SEARCH_INTERVAL < len(frames)
        faces = self._landmarker.detect([small.image for small in reduced], known, search=search)
        return [
            Detection(
                small, self._add(frame, [face.scaled(factor) for face in in_frame]), frame.time
            )
            for frame, small, in_frame in zip(frames, reduced, faces, strict=True)
        ]

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float32]]:
        """Return times (N,) in seconds, valid (N,) and smoothed landmarks (N, K, 2) of the clip.

        Raises:
            ClipError: too_short (fewer than two frames), no_face or degenerate_face (in no frame).
        """
        n = len(self._times)
        if n < 2:
            raise ClipError(Reason.TOO_SHORT, f"{self._path} has {n} frame")
        valid = np.array([face is not None for face in self._speaker])
        if not valid.any() and self._degenerate:
            detail = f"{self._path}: the landmarks of the face coincide in each frame"
            raise ClipError(Reason.DEGENERATE_FACE, detail)
        if not valid.any():
            raise ClipError(Reason.NO_FACE, f"{self._path} shows no face in any of its {n} frames")
        missing = np.full((self._landmarker.points, 2), np.nan, np.float32)
        landmarks = np.stack([missing if f is None else f.points for f in self._speaker])
        times = np.array(self._times)
        return times, valid, smooth_landmarks(landmarks, valid, times)

    def presence(self) -> NDArray[np.float32]:
        """Return `Track.presence` of the frames so far."""
        return np.array([np.nan if f is None else f.presence for f in self._speaker], np.float32)

    def blendshapes(self) -> NDArray[np.float16] | None:
        """Return `Track.blendshapes` of the frames so far."""
        known = {i: f.blendshapes for i, f in enumerate(self._speaker) if f is not None}
        values = np.full((len(self._speaker), BLENDSHAPES), np.nan, np.float16)
        for i, coefficients in known.items():
            if coefficients is None:
                return None
            values[i] = coefficients
        return values

    def scores(self) -> dict[str, float]:
        """Return the counts described at `TrackedVideo.scores`."""
        return {
            "several_faces": self._several / len(self._times),
            "frozen_frames": float(self._frozen),
            "corrupt_frames": float(self._corrupt),
        }

    def _reduction(self) -> int:
        """Return the power of two by which a frame can be reduced without losing detail.

        Neither the landmark network nor a crop sees less detail than from the full frame.
        """
        config = self._config
        if self._previous is None or config.crops == "bbox":
            return 1
        finest = crop_eye_distance(config.face_size, config.mouth_size)
        needed = max(_NETWORK_EYE_DISTANCE, finest) * 1.05
        distance = float(eye_distance(self._previous[None])[0])
        return int(2 ** max(0, np.floor(np.log2(max(distance, 1.0) / needed))))

    def _add(self, frame: Frame, faces: list[Face]) -> NDArray[np.float32] | None:
        """Record a frame and return the speaker's landmarks. faces: in source pixels."""
        height, width = frame.image.shape[:2]
        self.width, self.height, self.notes = width, height, frame.notes
        speaker = None
        extended = [face for face in faces if np.ptp(face.points, axis=0).max() > _LEAST_EXTENT]
        self._degenerate |= len(extended) < len(faces)
        faces = extended
        if faces and not frame.corrupt:
            points = [face.points for face in faces]
            speaker = faces[choose_face(points, self._previous, (height, width))]
            self._previous = speaker.points
        self._known = faces
        self._times.append(frame.time)
        self._speaker.append(speaker)
        self._corrupt += frame.corrupt
        self._several += len(faces) > 1
        thumbnail = frame.image[::8, ::8].copy()
        self._frozen += self._thumbnail is not None and np.array_equal(thumbnail, self._thumbnail)
        self._thumbnail = thumbnail
        return None if speaker is None else speaker.points


def choose_face(
    faces: Sequence[NDArray[np.floating]],
    previous: NDArray[np.floating] | None,
    image_size: tuple[int, int],
) -> int:
    """Choose the speaker among several faces.

    The face that overlaps `previous` most, otherwise the largest and most central one.

    Args:
        faces: (K, 2) each, pixels.
        previous: (K, 2), the face chosen in the frame before; None if there was none.
        image_size: (height, width).

    Returns:
        Index into `faces`.
    """
    if previous is not None:
        overlaps = [_overlap(face, previous) for face in faces]
        best = int(np.argmax(overlaps))
        if overlaps[best] > 0.2:
            return best
    centre = np.array([image_size[1], image_size[0]]) / 2
    half_diagonal = float(np.hypot(*centre))

    def prominence(face: NDArray[np.floating]) -> float:
        low, high = face.min(axis=0), face.max(axis=0)
        off_centre = float(np.hypot(*((low + high) / 2 - centre))) / half_diagonal
        return float(np.prod(high - low)) * (1 - 0.5 * off_centre)

    return int(np.argmax([prominence(face) for face in faces]))


def _overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the intersection over union of the bounding boxes of two faces."""
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    common = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(np.ptp(a, axis=0)) + np.prod(np.ptp(b, axis=0))) - common
    return common / union if union > 0 else 0.0


def _batches(frames: Iterable[Frame], size: int) -> Iterator[list[Frame]]:
    iterator = iter(frames)
    while batch := list(islice(iterator, size)):
        yield batch
