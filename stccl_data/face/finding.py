"""Find the faces in each frame of a video, and count what is wrong with the frames."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.face.crop_config import CropConfig
from stccl_data.face.crops import crop_eye_distance
from stccl_data.face.cutter import ReducedFrame
from stccl_data.face.pose import eye_distance
from stccl_data.landmarks import Face, Landmarker
from stccl_data.media.video import Frame

#: Pixels between the outer eye corners in the image that MediaPipe's landmark network works on
#: (256 x 256), measured.
_NETWORK_EYE_DISTANCE = 105.0

#: While faces are followed, other faces are looked for every so many seconds: often enough that
#: nobody who stays for half a second is missed, for a tenth of a millisecond a frame.
_SEARCH_S = 0.4

#: Landmarks that lie within one pixel are no face: the network is lost. NaN is not above it either.
_LEAST_EXTENT = 1.0


@dataclass(frozen=True, slots=True)
class FrameFaces:
    """The faces in one frame."""

    #: The frame as the landmarker saw it.
    frame: ReducedFrame
    #: In source pixels; none if the frame is corrupt.
    faces: list[Face]
    #: Seconds.
    time: float


class FaceFinder:
    """Finds the faces of a clip frame by frame."""

    def __init__(self, landmarker: Landmarker, config: CropConfig) -> None:
        """Start a clip."""
        self._landmarker = landmarker
        self._config = config
        self.width = self.height = 0
        self.notes: tuple[str, ...] = ()
        self.times: list[float] = []
        #: whether the landmarks of a face were on one spot
        self.degenerate = False
        self._last: list[Face] = []  # the faces of the last frame
        self._searched = -np.inf  # time of the last search, seconds
        self._thumbnail: NDArray[np.uint8] | None = None  # of the last frame
        self._several = self._frozen = self._corrupt = 0

    def find(
        self, frames: Iterable[Frame], hints: Callable[[], list[Face]] | None = None
    ) -> Iterator[FrameFaces]:
        """Find the faces in the frames of the clip, as they are read.

        Frames much larger than the landmark network needs are made smaller first: a face that
        fills a 1080p frame is detected, and cropped, in half the time.

        Args:
            frames: the frames of the clip.
            hints: returns the faces that may be in the next frame, in source pixels: those of the
                frame before, and some that were lost a moment ago. None: those of the frame
                before.
        """
        iterator = iter(frames)
        while batch := list(islice(iterator, self._landmarker.batch)):
            yield from self._find(batch, self._last if hints is None else hints())

    def _find(self, frames: Sequence[Frame], hints: list[Face]) -> list[FrameFaces]:
        smallest = min((_eyes(face) for face in hints), default=0.0)
        factor = reduction(smallest, self._config)
        reduced = [ReducedFrame.of(frame.picture, factor) for frame in frames]
        known = [face.scaled(1 / factor) for face in hints]
        search = frames[-1].time - self._searched >= _SEARCH_S
        if search:
            self._searched = frames[-1].time
        found = self._landmarker.detect([small.image for small in reduced], known, search=search)
        return [
            self._add(frame, small, [face.scaled(factor) for face in faces])
            for frame, small, faces in zip(frames, reduced, found, strict=True)
        ]

    def _add(self, frame: Frame, small: ReducedFrame, faces: list[Face]) -> FrameFaces:
        self.height, self.width = frame.picture.height, frame.picture.width
        self.notes = frame.notes
        self.times.append(frame.time)
        extended = [face for face in faces if _extent(face) > _LEAST_EXTENT]
        self.degenerate |= len(extended) < len(faces)
        self._last = faces = extended
        self._corrupt += frame.corrupt
        self._several += len(faces) > 1
        step = max(1, 8 // small.factor)
        thumbnail = np.asarray(
            cv2.resize(small.image, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_NEAREST)
        )
        self._frozen += self._thumbnail is not None and np.array_equal(thumbnail, self._thumbnail)
        self._thumbnail = thumbnail
        return FrameFaces(small, [] if frame.corrupt else faces, frame.time)

    def scores(self) -> dict[str, float]:
        """Return the scores of the frames so far.

        Returns:
            several_faces: share of frames with several faces.
            frozen_frames: number of frames that equal the one before.
            corrupt_frames: number of frames in which the decoder had to conceal damage.
        """
        return {
            "several_faces": self._several / len(self.times),
            "frozen_frames": float(self._frozen),
            "corrupt_frames": float(self._corrupt),
        }


def reduction(distance: float, config: CropConfig) -> int:
    """Return the power of two by which a frame can be reduced without losing detail.

    Neither the landmark network nor a crop sees less detail than from the full frame.

    Args:
        distance: pixels between the outer eye corners; 0 if the face is not known.
        config: what is cropped.
    """
    if config.crops == "bbox":
        return 1
    finest = crop_eye_distance(config.face_size, config.mouth_size)
    needed = max(_NETWORK_EYE_DISTANCE, finest) * 1.05
    return int(2 ** max(0, np.floor(np.log2(max(distance, 1.0) / needed))))


def _extent(face: Face) -> float:
    """Return the longer side of a face's box, pixels."""
    left, top, right, bottom = face.box
    return max(right - left, bottom - top)


def _eyes(face: Face) -> float:
    """Return the distance of the outer eye corners, pixels."""
    return float(eye_distance(face.points[None])[0])
