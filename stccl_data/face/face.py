"""From landmarks to crops: which face, smoothing, the similarity transform, head pose, the face and mouth crops.

Coordinates are continuous: pixel (i, j) covers [j, j+1) x [i, i+1), so that a point keeps its place when an image is scaled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import StcclError
from stccl_data.landmarks import LIPS_68, ibug68

Points = NDArray[np.floating]
Image = NDArray[np.uint8]

#: iBUG points that speech hardly moves: eye corners, nose bridge and base; never jaw or lips, whose motion must stay in the crop.
STABLE_68 = np.array([36, 39, 42, 45, 27, 28, 31, 33, 35])

# The same points, then the tip of the nose, on MediaPipe's canonical face model (Apache-2.0), centimetres: x to the
# subject's left, y up, z to the camera.
_CANONICAL = np.array(
    [
        (-4.45, 2.66, 3.17), (-1.86, 2.59, 3.76), (1.86, 2.59, 3.76), (4.45, 2.66, 3.17),
        (0.0, 3.27, 5.24), (0.0, 2.10, 6.05),
        (-1.41, -1.71, 5.24), (0.0, -2.09, 6.06), (1.41, -1.71, 5.24),
        (0.0, -0.05, 7.41),
    ]
)  # fmt: skip
_NOSE_TIP_68 = 30
_EYE_LINE_CM = 2.66
_EYE_DISTANCE_CM = 8.90
_MOUTH_CM = -4.4

#: The face crop: outer eye corners 37.5 % of its width apart, eye line 36 % from the top: hairline to a wide-open jaw fit.
_FACE_EYE_DISTANCE = 0.375
_FACE_EYE_LINE = 0.36
#: The mouth crop is this wide: from nose base to chin, and room for a wide smile.
_MOUTH_WIDTH_CM = 8.5

#: A face lost for up to this many frames between two finds is bridged by a straight line; `valid` stays False there.
BRIDGED_FRAMES = 5


class DegenerateFaceError(StcclError, ValueError):
    """The points coincide: no similarity transform can be told from them."""


def face_template(size: int) -> Points:
    """Where STABLE_68 come to lie in a face crop of `size` x `size` pixels. (9, 2) float64."""
    return _template(
        size, size * _FACE_EYE_DISTANCE / _EYE_DISTANCE_CM, _EYE_LINE_CM, size * _FACE_EYE_LINE
    )


def mouth_template(size: int) -> Points:
    """Where STABLE_68 come to lie (outside it, mostly) for a mouth crop of `size` x `size` pixels. (9, 2) float64."""
    return _template(size, size / _MOUTH_WIDTH_CM, _MOUTH_CM, size / 2)


def crop_eye_distance(face_size: int, mouth_size: int) -> float:
    """Pixels between the outer eye corners at the scale of the finer of the two crops."""
    return max(face_size * _FACE_EYE_DISTANCE, mouth_size / _MOUTH_WIDTH_CM * _EYE_DISTANCE_CM)


def _template(size: int, pixels_per_cm: float, line_cm: float, line_y: float) -> Points:
    flat = _CANONICAL[:-1, :2]
    return np.stack(
        [size / 2 + pixels_per_cm * flat[:, 0], line_y - pixels_per_cm * (flat[:, 1] - line_cm)],
        axis=1,
    )


def similarity(points: Points, template: Points) -> NDArray[np.float64]:
    """Least-squares similarity transform that lays `points` on `template` (Umeyama 1991, without reflection).

    points, template: (K, 2) float, pixels. Returns (2, 3) float64, source pixels -> crop pixels.
    Raises DegenerateFaceError when the points coincide.
    """
    p, q = np.asarray(points, np.float64), np.asarray(template, np.float64)
    p_mean, q_mean = p.mean(axis=0), q.mean(axis=0)
    x, y = p - p_mean, q - q_mean
    spread = np.square(x).sum()
    if not np.isfinite(spread) or spread < 1e-9:
        raise DegenerateFaceError("the landmarks of the face coincide")
    # In the plane the best rotation and scale are one complex number, conj(x) . y / |x|^2.
    a = (x * y).sum() / spread
    b = (x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]).sum() / spread
    linear = np.array([[a, -b], [b, a]])
    return np.hstack([linear, (q_mean - linear @ p_mean)[:, None]])


def crop(image: Image, transform: NDArray[np.float64], size: int) -> Image:
    """The part of `image` that `transform` lays on a square of `size` pixels; what lies outside the image is black.

    image: (H, W, 3) uint8. transform: (2, 3), image pixels -> crop pixels, a similarity. Returns (size, size, 3) uint8.
    Where the crop is much smaller than its source, the source is first averaged over blocks, so that nothing aliases.
    """
    height, width = image.shape[:2]
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    block = max(1, int(1 / scale))
    inverse = np.linalg.inv(np.vstack([transform, [0, 0, 1]]))[:2]
    corners = inverse @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    x0, y0 = np.maximum(np.floor(corners.min(axis=1)).astype(int) - 2 * block, 0)
    x1, y1 = np.minimum(np.ceil(corners.max(axis=1)).astype(int) + 2 * block, [width, height])
    x1, y1 = x0 + (x1 - x0) // block * block, y0 + (y1 - y0) // block * block
    if x1 <= x0 or y1 <= y0:
        return np.zeros((size, size, 3), np.uint8)
    patch = image[y0:y1, x0:x1]
    if block > 1:
        patch = cv2.resize(
            patch, ((x1 - x0) // block, (y1 - y0) // block), interpolation=cv2.INTER_AREA
        )
    # patch pixels (centres at integers, as cv2 counts) -> image -> crop pixels (centres at integers)
    linear = transform[:, :2] * block
    offset = transform[:, :2] @ np.array([x0 + block / 2, y0 + block / 2]) + transform[:, 2] - 0.5
    warped: Image = cv2.warpAffine(
        patch, np.hstack([linear, offset[:, None]]), (size, size), flags=cv2.INTER_LINEAR
    )
    return warped


def choose_face(
    faces: Sequence[Points], previous: Points | None, image_size: tuple[int, int]
) -> int:
    """Which of several faces is the speaker's: the one that overlaps `previous` most, else the largest and most central.

    faces: (K, 2) each, pixels. previous: the face chosen in the frame before, or None. image_size: (height, width).
    """
    if previous is not None:
        overlaps = [_overlap(face, previous) for face in faces]
        best = int(np.argmax(overlaps))
        if overlaps[best] > 0.2:
            return best
    centre = np.array([image_size[1], image_size[0]]) / 2
    half_diagonal = float(np.hypot(*centre))

    def prominence(face: Points) -> float:
        low, high = face.min(axis=0), face.max(axis=0)
        off_centre = float(np.hypot(*((low + high) / 2 - centre))) / half_diagonal
        return float(np.prod(high - low)) * (1 - 0.5 * off_centre)

    return int(np.argmax([prominence(face) for face in faces]))


def _overlap(a: Points, b: Points) -> float:
    """Intersection over union of the bounding boxes of two faces."""
    low, high = np.maximum(a.min(axis=0), b.min(axis=0)), np.minimum(a.max(axis=0), b.max(axis=0))
    common = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(np.ptp(a, axis=0)) + np.prod(np.ptp(b, axis=0))) - common
    return common / union if union > 0 else 0.0


def bridge(values: Points, valid: NDArray[np.bool_], longest: int = BRIDGED_FRAMES) -> Points:
    """`values` with gaps of at most `longest` frames between two valid frames filled by a straight line.

    values: (N, ...) float. valid: (N,). Frames in longer gaps and at the ends are NaN.
    """
    out = np.where(valid.reshape(-1, *([1] * (values.ndim - 1))), values, np.nan)
    known = np.flatnonzero(valid)
    for a, b in pairwise(known):
        if 1 < b - a <= longest + 1:
            w = (np.arange(a + 1, b) - a).reshape(-1, *([1] * (values.ndim - 1))) / (b - a)
            out[a + 1 : b] = (1 - w) * values[a] + w * values[b]
    return out


def smooth_landmarks(landmarks: Points, valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Zero-phase smoothing over time: Savitzky-Golay of order 2, over 5 frames at the lips and 7 elsewhere.

    landmarks: (N, K, 2), K 478 or 68, pixels; valid: (N,). Short gaps are bridged first (see `bridge`), each stretch between
    longer gaps is smoothed alone. Returns (N, K, 2) float32, NaN where there is nothing.
    """
    filled = bridge(landmarks.astype(np.float64), valid)
    lips = _lip_columns(landmarks.shape[1])
    for start, stop in _stretches(~np.isnan(filled[:, 0, 0])):
        part = filled[start:stop].copy()
        filled[start:stop] = _savgol(part, 7)
        filled[start:stop, lips] = _savgol(part[:, lips], 5)
    return filled.astype(np.float32)


@cache
def _lip_columns(count: int) -> NDArray[np.intp]:
    """The columns of the lip points in landmarks of `count` points."""
    if count == 68:
        return LIPS_68
    # MediaPipe's FACEMESH_LIPS: four rings, of which the 68-point view names two
    rings = (
        "61 146 91 181 84 17 314 405 321 375 291 185 40 39 37 0 267 269 270 409 "
        "78 95 88 178 87 14 317 402 318 324 308 191 80 81 82 13 312 311 310 415"
    )
    return np.array([int(i) for i in rings.split()])


def _savgol(values: Points, window: int) -> Points:
    n = len(values)
    window = min(window, n if n % 2 else n - 1)
    if window <= 2:
        return values
    from scipy.signal import (
        savgol_filter,
    )  # half a second to load, and whoever finds nothing left to do does not need it

    smooth: Points = savgol_filter(values, window, 2, axis=0, mode="interp")
    return smooth


def _stretches(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


class Stabiliser:
    """Smoothed stable points, frame by frame with a short delay, so that a clip need not be held in memory.

    Gives for each frame what Savitzky-Golay (order 2, `window` frames, polynomial ends) over the whole clip would give, after
    `bridge`: zero-phase, and nothing for frames in gaps too long to bridge.
    """

    def __init__(self, window: int) -> None:
        """window: odd number of frames."""
        self._window = window
        self._points: list[
            Points | None
        ] = []  # of every frame so far; bridged where a gap was short
        self._last_valid = -1
        self._next = 0  # the frame that leaves next
        self._start = 0  # where its stretch of frames with a face begins

    def push(self, points: Points | None) -> list[Points | None]:
        """points: (9, 2) of the newest frame, None without a face. Returns what became ready, in frame order."""
        i, last = len(self._points), self._last_valid
        self._points.append(points)
        if points is not None:
            before = self._points[last] if last >= 0 else None
            if before is not None and i - last <= BRIDGED_FRAMES + 1:
                for k in range(last + 1, i):
                    w = (k - last) / (i - last)
                    self._points[k] = (1 - w) * before + w * points
            self._last_valid = i
        return self._ready(ended=False)

    def finish(self) -> list[Points | None]:
        """What is left when the clip has ended."""
        return self._ready(ended=True)

    def _ready(self, ended: bool) -> list[Points | None]:
        newest = len(self._points)
        gap = newest - 1 - self._last_valid
        settled = (
            newest if ended or gap > BRIDGED_FRAMES else self._last_valid + 1
        )  # a short gap may yet be bridged
        out: list[Points | None] = []
        while self._next < settled:
            i = self._next
            if self._points[i] is None:
                out.append(None)
                self._start = i + 1
            else:
                stop = i + 1
                while stop < min(settled, i + self._window) and self._points[stop] is not None:
                    stop += 1
                may_grow = stop == settled and not ended
                if may_grow and (
                    stop <= i + self._window // 2 or stop - self._start < self._window
                ):
                    break
                out.append(self._smoothed(i, stop))
            self._next = i + 1
        return out

    def _smoothed(self, i: int, stop: int) -> Points:
        """The parabola's value at frame i; the frames of its stretch that matter are [self._start, stop)."""
        n = stop - self._start
        window = min(self._window, n if n % 2 else n - 1)
        first = min(max(i - window // 2, self._start), stop - window)
        if window <= 2:
            return np.asarray(self._points[i])
        stacked = np.stack([p for p in self._points[first : first + window] if p is not None])
        smooth: Points = np.tensordot(_polynomial_smoother(window)[i - first], stacked, axes=1)
        return smooth


@cache
def _polynomial_smoother(window: int) -> NDArray[np.float64]:
    """(window, window): row r gives the value at place r of the parabola fitted to a window of values."""
    t = np.arange(window) - window // 2
    basis = np.stack([np.ones(window), t, t * t], axis=1)
    return basis @ np.linalg.pinv(basis)


def transform_window(fps: float) -> int:
    """Frames over which the points that carry the crop are smoothed: 0.36 s, odd, 7 to 21."""
    return int(np.clip(round(0.36 * fps) // 2 * 2 + 1, 7, 21))


@dataclass(frozen=True, slots=True)
class Pose:
    """Head pose, degrees, (N,) each. yaw > 0: turned to the image's right; pitch > 0: up; roll > 0: clockwise in the image."""

    yaw: NDArray[np.float64]
    pitch: NDArray[np.float64]
    roll: NDArray[np.float64]


def head_pose(landmarks: Points) -> Pose:
    """Pose by a scaled-orthographic fit of the canonical face to the stable points and the nose tip (POS, DeMenthon 1995).

    landmarks: (N, K, 2) pixels; frames of NaN give NaN.
    """
    seen = ibug68(landmarks)[:, [*STABLE_68, _NOSE_TIP_68]].astype(np.float64)
    model = np.hstack(
        [_CANONICAL * [1, -1, -1], np.ones((len(_CANONICAL), 1))]
    )  # image axes: x right, y down, z away
    affine = np.einsum("ij,njk->nki", np.linalg.pinv(model), seen)[:, :, :3]
    with np.errstate(invalid="ignore", divide="ignore"):
        r1 = affine[:, 0] / np.linalg.norm(affine[:, 0], axis=1, keepdims=True)
        r2 = affine[:, 1] - (affine[:, 1] * r1).sum(axis=1, keepdims=True) * r1
        r2 = r2 / np.linalg.norm(r2, axis=1, keepdims=True)
        r3 = np.cross(r1, r2)
        # where the nose points to, and where the eyes' line points to
        yaw = np.degrees(np.arctan2(-r1[:, 2], r3[:, 2]))
        pitch = np.degrees(np.arcsin(np.clip(r2[:, 2], -1, 1)))
        roll = np.degrees(np.arctan2(r2[:, 0], r1[:, 0]))
    return Pose(yaw, pitch, roll)


def eye_distance(landmarks: Points) -> NDArray[np.float64]:
    """Pixels between the outer eye corners, (N,) float64, of landmarks (N, K, 2)."""
    points = ibug68(landmarks)
    distance: NDArray[np.float64] = np.hypot(
        *np.moveaxis(points[:, 36] - points[:, 45], -1, 0)
    ).astype(np.float64)
    return distance


def constant_box(landmarks: Points, size: int, *, mouth: bool = False) -> NDArray[np.float64]:
    """The reference's crop, held constant over a clip: a square around all 68-point boxes of the clip, 10 % larger.

    landmarks: (N, K, 2) pixels, NaN rows left out. `mouth`: a square around the lips, 60 % larger.
    Returns (2, 3): the transform of every frame.
    """
    points = ibug68(landmarks)[:, LIPS_68 if mouth else slice(None)]
    low, high = np.nanmin(points, axis=(0, 1)), np.nanmax(points, axis=(0, 1))
    side = float((high - low).max()) * (1.6 if mouth else 1.1)
    if not side > 0:
        raise DegenerateFaceError("the landmarks of the face coincide")
    scale = size / side
    centre = (low + high) / 2
    return np.array(
        [[scale, 0, size / 2 - scale * centre[0]], [0, scale, size / 2 - scale * centre[1]]]
    )
