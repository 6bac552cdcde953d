"""A clip as the measures see it, read once and kept in a file however many rows use it."""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.tracked_clip import TrackedClip, read_tracked_clip
from stccl_data.errors import ClipError, Reason
from stccl_data.face.canonical import STABLE_68
from stccl_data.face.crops import DegenerateFaceError, estimate_similarity, face_template
from stccl_data.face.track import Track
from stccl_data.features.mouth import MEASURES, MouthFeatures, mouth_features
from stccl_data.features.signals import Signals
from stccl_data.files.atomic import write_bytes
from stccl_data.files.npz import npz_arrays, npz_bytes
from stccl_data.landmarks import LandmarkConfig, ibug68, landmarker_identity
from stccl_data.media.jpeg import JpegSeries

#: Format of the stored clips. Bump when what is stored, or how it is computed, changes.
VERSION = 1


@dataclass(frozen=True, eq=False)
class MeasuredClip:
    """A clip whose face was tracked, with what is computed from its frames alone."""

    path: str
    #: with face crops
    track: Track
    #: (N,) float32, variance of the Laplacian of the grey face crop, see `realism`.
    sharpness: NDArray[np.float32]
    #: (N,) float32, mean of the absolute second difference in time of the grey face crop; NaN in
    #: the first and last frame, and beside a frame without a face.
    flicker: NDArray[np.float32]
    #: What was computed from this clip when it was asked for, by networks and others, by name.
    features: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def on_template(self) -> NDArray[np.float64]:
        """The 68 landmarks on the common template, (N, 68, 2), percent of the eyes' distance.

        Each frame is laid by a similarity transform of its eye corners, nose bridge and nose base
        onto the canonical face, so that place, size and turn of the head drop out. NaN without a
        face.
        """
        template = face_template(1)
        eyes = np.linalg.norm(template[3] - template[0])
        points: NDArray[np.float64] = np.asarray(ibug68(self.track.landmarks), np.float64)
        laid = np.full(points.shape, np.nan)
        for frame in np.flatnonzero(np.isfinite(points).all(axis=(1, 2))):
            try:
                transform = estimate_similarity(points[frame, STABLE_68], template)
            except DegenerateFaceError:
                continue
            laid[frame] = points[frame] @ transform[:, :2].T + transform[:, 2]
        return np.asarray(100 / eyes * laid)

    @cached_property
    def mouth(self) -> MouthFeatures | None:
        """Opening and width of the mouth; None with too few faces."""
        return mouth_features(self.track.landmarks, self.track.times, self.track.valid)

    def mouth_measure(self, name: str) -> NDArray[np.float64]:
        """Return one of `MEASURES` of the mouth by frame, (N,), NaN where there is no face."""
        if self.mouth is None:
            return np.full(len(self.track), np.nan)
        values = self.mouth.shape[:, MEASURES.index(name)].astype(np.float64)
        return np.where(self.mouth.valid, values, np.nan)

    @cached_property
    def has_face(self) -> NDArray[np.bool_]:
        """(N,) bool, whether a frame has landmarks, found or bridged, and a crop."""
        landmarks = np.isfinite(self.on_template[:, 0, 0])
        return np.asarray(landmarks & np.isfinite(self.track.face_transforms[:, 0, 0]))

    def flicker_between(self, stride: int) -> NDArray[np.float32]:
        """Return `flicker` as if there were only every ``stride``-th frame, (N,)."""
        if stride == 1:
            return self.flicker
        name = f"flicker, stride {stride}"
        if name not in self.features:
            self.features[name] = _look_at_crops(self.track, stride)[1]
        flicker: NDArray[np.float32] = self.features[name]
        return flicker

    @property
    def face_size(self) -> float:
        """Median distance of the outer eye corners in the video, pixels."""
        points = np.asarray(ibug68(self.track.landmarks), np.float64)
        eyes = np.linalg.norm(points[:, 45] - points[:, 36], axis=1)
        return float(np.nanmedian(eyes))

    @property
    def step(self) -> float:
        """Median time from one frame to the next, seconds."""
        return float(np.median(np.diff(self.track.times)))

    def tracked(self) -> TrackedClip:
        """Return the clip as the metric takes it, without sound."""
        return TrackedClip(
            self.track, Signals(mouth=self.mouth, frame_times=self.track.times, name=self.path)
        )


def read_measured_clip(path: str) -> MeasuredClip:
    """Track the face of a video and look at its crops.

    Raises:
        ClipError: the video cannot be read, is too short, or shows no face.
    """
    track = read_tracked_clip(path, sound=False).track
    sharpness, flicker = _look_at_crops(track)
    return MeasuredClip(path, track, sharpness, flicker)


def _look_at_crops(
    track: Track, stride: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return `sharpness` and `flicker` of a clip; the latter between frames ``stride`` apart."""
    count = len(track)
    sharpness, flicker = (np.full(count, np.nan, np.float32) for _ in range(2))
    assert track.face is not None
    # the frames before, as long as all have a face
    recent: deque[NDArray[np.float32]] = deque(maxlen=2 * stride + 1)
    for i in range(count):
        if np.isnan(track.face_transforms[i, 0, 0]):
            recent.clear()
            continue
        data = np.frombuffer(track.face.jpeg(i), np.uint8)
        grey = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32)
        sharpness[i] = cv2.Laplacian(grey, cv2.CV_32F).var()
        recent.append(grey)
        if len(recent) == recent.maxlen:
            change = recent[-1] - 2 * recent[stride] + recent[0]
            flicker[i - stride] = np.abs(change).mean()
    return sharpness, flicker


#: The arrays of a track that are stored, of those that every track has.
_STORED = ("times", "valid", "landmarks", "face_transforms", "presence")


class ClipStore:
    """A folder of measured clips, named by what they were read from and how."""

    def __init__(self, folder: Path) -> None:
        """Open a folder; it is created when a clip is stored."""
        self._folder = folder
        self._landmarker = landmarker_identity(LandmarkConfig())

    def key(self, path: str) -> str:
        """Return the identity of a file as it is now.

        Raises:
            ClipError: there is no such file.
        """
        try:
            stat = Path(path).stat()
        except OSError as error:
            raise ClipError(Reason.MISSING_FILE, f"{path}: {error.strerror}") from None
        identity = (VERSION, self._landmarker, str(Path(path).resolve()), stat.st_size)
        return hashlib.sha256(repr((*identity, stat.st_mtime_ns)).encode()).hexdigest()[:24]

    def has(self, path: str) -> bool:
        """Whether a clip, as it is now, is stored."""
        return self._file(path).is_file()

    def read(self, path: str) -> MeasuredClip:
        """Return a clip, from the folder if it is there.

        Raises:
            ClipError: as `read_measured_clip`.
        """
        file = self._file(path)
        if file.is_file():
            try:
                return _from_arrays(path, npz_arrays(file.read_bytes()))
            except (ValueError, KeyError):  # damaged: read the video again
                file.unlink(missing_ok=True)
        clip = read_measured_clip(path)
        write_bytes(file, npz_bytes(_arrays(clip)))
        return clip

    def _file(self, path: str) -> Path:
        return self._folder / f"{self.key(path)}.npz"


def _arrays(clip: MeasuredClip) -> dict[str, NDArray[Any]]:
    track = clip.track
    assert track.face is not None
    arrays = {name: array for name, array in track.tables().items() if "mouth" not in name}
    faces = np.frombuffer(track.face.data, np.uint8)
    return {**arrays, "face": faces, "sharpness": clip.sharpness, "flicker": clip.flicker}


def _from_arrays(path: str, arrays: dict[str, NDArray[Any]]) -> MeasuredClip:
    face = JpegSeries(arrays.pop("face").tobytes(), arrays.pop("face_offsets"))
    sharpness, flicker = arrays.pop("sharpness"), arrays.pop("flicker")
    no_mouth = np.full_like(arrays["face_transforms"], np.nan)
    track = Track(
        **{name: arrays[name] for name in _STORED},  # type: ignore[arg-type]
        mouth_transforms=no_mouth,
        blendshapes=arrays.get("blendshapes"),
        face=face,
    )
    return MeasuredClip(path, track, sharpness, flicker)
