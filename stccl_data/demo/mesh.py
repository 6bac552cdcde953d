"""The face as a triangle mesh over the photograph: where each point goes in a pose, and how it is drawn.

Coordinates are pixels of the photograph turned upright about the point between the eyes ("face frame"): x right, y down.
"""

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay, cKDTree

from stccl_data.demo.emotions import Expression
from stccl_data.demo.portrait_points import photograph_landmarks

LEFT_EYE, RIGHT_EYE = 33, 263  # outer corners, as they lie in the picture
UPPER_LIP, LOWER_LIP = 13, 14  # middle of the lips' inner edge
CENTRE = (222.0, 113.0)  # of the picture, face frame
SPAN = 168.0  # photograph pixels across a frame

# Rings of the lips from the outer edge to the inner, left to right in the picture; the lower ones lack the shared corners.
_UPPER = np.array([
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291],
    [76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306],
    [62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292],
    [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308],
])  # fmt: skip
_LOWER = np.array([
    [146, 91, 181, 84, 17, 314, 405, 321, 375],
    [77, 90, 180, 85, 16, 315, 404, 320, 307],
    [96, 89, 179, 86, 15, 316, 403, 319, 325],
    [95, 88, 178, 87, 14, 317, 402, 318, 324],
])  # fmt: skip
_INNER_FRACTION = np.array([0.0, 0.33, 0.67, 1.0])[:, None]
_RING_WIDTH = np.array([1.0, 0.985, 0.965, 0.94])[:, None]

# Each side from the temple inwards; the left side of the picture first.
_BROWS = (
    [[70, 63, 105, 66, 107], [46, 53, 52, 65, 55]],
    [[300, 293, 334, 296, 336], [276, 283, 282, 295, 285]],
)
_LIDS = (
    (
        [246, 161, 160, 159, 158, 157, 173],
        [7, 163, 144, 145, 153, 154, 155],
        [247, 30, 29, 27, 28, 56, 190],
    ),
    (
        [466, 388, 387, 386, 385, 384, 398],
        [249, 390, 373, 374, 380, 381, 382],
        [467, 260, 259, 257, 258, 286, 414],
    ),
)
_NOSE_WINGS = [98, 327, 64, 294, 48, 278, 129, 358]
_CHEEKS = [50, 280, 205, 425, 187, 411, 36, 266]
_CHIN = {152: 1.0, 148: 1.0, 377: 1.0, 176: 0.95, 400: 0.95, 149: 0.85, 378: 0.85, 150: 0.65, 379: 0.65, 136: 0.45, 365: 0.45,
         172: 0.28, 397: 0.28, 58: 0.12, 288: 0.12, 175: 1.0, 199: 1.0, 200: 1.0, 18: 1.0, 83: 0.97, 313: 0.97, 201: 1.0,
         421: 1.0, 208: 1.0, 428: 1.0, 204: 0.75, 424: 0.75, 202: 0.6, 422: 0.6}  # fmt: skip
_STILL = [10, 109, 338, 67, 297, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 93, 323, 132, 361, 33, 133, 362,
          263, 168, 6, 197, 195, 5, 4, 1, 2, 94, 118, 347, 101, 330, 117, 346]  # fmt: skip

_REST_HALF_WIDTH = 17.5
_REST_SEAM = 146.0
_UPPER_THICKNESS, _LOWER_THICKNESS = 4.2, 5.8
WIDEST_GAP = 11.5  # pixels of the photograph between the lips when `opening` is 1


@dataclass(frozen=True, slots=True)
class Pose:
    """All that moves in one frame. `opening` 0-1.2, `spread` -1..1 (see visemes), `blink` 0-1; `shift` in photograph pixels,
    `roll`, `yaw`, `pitch` in radians, `zoom` a factor."""

    opening: float
    spread: float
    expression: Expression
    blink: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    zoom: float = 1.0


class FaceMesh:
    """468 face points and a net around them, `triangles` over both, and the operator that spreads the controls' motion.

    `photo`: (V, 2) where each vertex lies in the photograph as shipped; `rest`: (V, 2) the same in the face frame; `depth`: (V,).
    """

    def __init__(self) -> None:
        points = photograph_landmarks()
        self.pivot = (points[LEFT_EYE, :2] + points[RIGHT_EYE, :2]) / 2
        across = points[RIGHT_EYE, :2] - points[LEFT_EYE, :2]
        tilt = np.arctan2(across[1], across[0])
        upright = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        face = (points[:, :2] - self.pivot) @ upright.T + self.pivot
        surroundings = _net_around(face)
        self.rest = np.concatenate([face, surroundings])
        self.photo = (self.rest - self.pivot) @ upright + self.pivot
        near = cKDTree(face).query(surroundings, k=24)[
            1
        ]  # many, so that the depth around the face has no steps
        self.depth = np.concatenate([points[:, 2], points[near, 2].mean(axis=1)])
        self.depth -= self.depth[[234, 454]].mean()  # the head turns about an axis near the ears
        self.head = _head_weight(self.rest)
        self.triangles = Delaunay(self.rest).simplices.astype(np.int32)
        self._spread_operator(surroundings, len(face))

    def _spread_operator(self, surroundings: np.ndarray, n_face: int) -> None:
        upper, lower = _UPPER.ravel(), _LOWER.ravel()
        self._lips = np.concatenate([upper, lower])
        others = [*_NOSE_WINGS, *_CHEEKS, *_CHIN, *_STILL]
        others += [i for side in (*_BROWS, *_LIDS) for row in side for i in row]
        still_outside = n_face + np.arange(len(surroundings))[::2]
        self._controls = np.concatenate([self._lips, np.array(others), still_outside])
        self._row = {int(vertex): row for row, vertex in enumerate(self._controls)}
        at = self.rest[self._controls]
        self._spread = RBFInterpolator(at, np.eye(len(at)), kernel="linear", smoothing=0.02)(
            self.rest
        )

    def deform(self, pose: Pose, lips: float = 1.0, mouth: float = 1.0) -> np.ndarray:
        """(V, 2) face-frame positions for the mouth and expression of `pose`, before the head moves.

        `lips` and `mouth` are the speaker's factors on lip thickness and mouth width.
        """
        lip_points = self._lip_points(pose, lips, mouth)
        motion = np.zeros((len(self._controls), 2))
        motion[: len(self._lips)] = lip_points - self.rest[self._lips]
        self._move_jaw_and_cheeks(motion, pose)
        self._move_brows(motion, pose.expression)
        self._move_lids(motion, pose)
        points: np.ndarray = self.rest + self._spread @ motion
        points[self._lips] = lip_points  # the operator smooths a little; the lips' edges are exact
        return points

    def _lip_points(self, pose: Pose, lips: float, mouth: float) -> np.ndarray:
        """(80, 2): the upper rings, then the lower."""
        e = pose.expression
        middle = (self.rest[61] + self.rest[291])[0] / 2
        gap = WIDEST_GAP * pose.opening
        half = (
            mouth
            * _REST_HALF_WIDTH
            * (1 + 0.17 * e.stretch + (0.16 if pose.spread > 0 else 0.3) * pose.spread)
        )
        half -= 0.12 * gap
        pout = 1 + 0.3 * max(0.0, -pose.spread) - 0.12 * max(0.0, e.stretch)
        seam = _REST_SEAM - 1.2 * e.sneer
        corner = _REST_SEAM + 0.3 + 0.12 * gap - 5.5 * e.corners + 1.5 * e.stretch * (e.corners < 0)
        corners = np.array([corner, corner - 4.5 * e.skew])

        def place(s: np.ndarray, lift: float, thickness: float, bow: float) -> np.ndarray:
            """Points for columns s in [-1, 1], (4, n): `lift` moves the lip off the seam, `thickness` is signed away from it."""
            x = (
                middle
                + half * _RING_WIDTH * s
                + np.where(s > 0, 1.5, 0.0) * max(0.0, e.skew) * np.abs(s)
            )
            edge = np.abs(s)
            line = seam + (np.where(s < 0, corners[0], corners[1]) - seam) * edge**1.7
            inner = line + lift * (1 - s**2) ** 0.8
            profile = (1 - edge**2.3) * (1 - bow * np.exp(-((s / 0.16) ** 2)))
            y = inner + (1 - _INNER_FRACTION) * thickness * profile
            return np.stack([x, y], axis=-1)

        columns = self.rest[_UPPER, 0]
        centre, reach = (
            (columns[:, :1] + columns[:, -1:]) / 2,
            (columns[:, -1:] - columns[:, :1]) / 2,
        )
        s = np.clip((columns - centre) / reach, -1.0, 1.0)
        upper = place(s, -0.22 * gap, -_UPPER_THICKNESS * lips * pout * (1 - 0.12 * e.sneer), 0.14)
        # The same columns below as above, so that a closed mouth is closed at every point of the seam.
        lower = place(s[:, 1:-1], 0.78 * gap, _LOWER_THICKNESS * lips * pout, 0.0)
        return np.concatenate([upper.reshape(-1, 2), lower.reshape(-1, 2)])

    def _move_jaw_and_cheeks(self, motion: np.ndarray, pose: Pose) -> None:
        e, row = pose.expression, self._row
        drop = 0.78 * WIDEST_GAP * pose.opening
        for vertex, share in _CHIN.items():
            motion[row[vertex], 1] += share * (0.9 * drop - 0.5)
        for vertex in _NOSE_WINGS:
            motion[row[vertex], 1] -= 2.2 * e.sneer
        for vertex in _CHEEKS:
            motion[row[vertex], 1] += (
                1.8 - 2.4 * max(0.0, e.corners) - 1.2 * max(0.0, e.sneer) + 0.15 * drop
            )

    def _move_brows(self, motion: np.ndarray, e: Expression) -> None:
        inwards = np.linspace(0.0, 1.0, 5)
        rise = 5.0 * (e.outer_brow * (1 - inwards) + e.inner_brow * inwards**1.5)
        for side, sign in zip(_BROWS, (1, -1), strict=True):
            for line in side:
                rows = [self._row[vertex] for vertex in line]
                motion[rows, 1] -= rise
                motion[rows, 0] += sign * 2.4 * e.knit * inwards

    def _move_lids(self, motion: np.ndarray, pose: Pose) -> None:
        lids = pose.expression.lids
        for upper, lower, crease in _LIDS:
            rows, below = [self._row[i] for i in upper], [self._row[i] for i in lower]
            aperture = self.rest[lower, 1] - self.rest[upper, 1]
            height = aperture * (1 + (0.3 if lids > 0 else 0.32) * lids) * (1 - 0.9 * pose.blink)
            motion[below, 1] += 0.12 * aperture * min(0.0, lids) - 0.06 * aperture * pose.blink
            motion[rows, 1] += aperture - height + motion[below, 1]
            motion[[self._row[i] for i in crease], 1] += 0.45 * (aperture - height)


@lru_cache(maxsize=1)
def face_mesh() -> FaceMesh:
    """The one mesh of this process."""
    return FaceMesh()


def _net_around(face: np.ndarray) -> np.ndarray:
    """(K, 2) a square net of points around the face, well past the edges of the picture."""
    reach = SPAN / 2 + 44
    line = np.linspace(-reach, reach, 26)
    net = np.stack(np.meshgrid(CENTRE[0] + line, CENTRE[1] + line), axis=-1).reshape(-1, 2)
    hull = Delaunay(face)
    distance = cKDTree(face).query(net)[0]
    chosen: np.ndarray = net[(hull.find_simplex(net) < 0) & (distance > 7)]
    return chosen


def _head_weight(points: np.ndarray) -> np.ndarray:
    """(V,) 1 on the head, falling smoothly to 0 on shoulders and background, which stay where they are when the head moves."""
    distance = np.hypot((points[:, 0] - 222) / 80, (points[:, 1] - 98) / 92)
    fall = np.clip((distance - 0.95) / 0.55, 0, 1)
    weight: np.ndarray = 1 - fall**2 * (3 - 2 * fall)
    return weight


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def rasterise(
    positions: np.ndarray, sources: np.ndarray, triangles: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    """For every pixel the place in the texture that it shows.

    positions: (V, 2) float64, pixels of the picture; sources: (V, 2) float64, pixels of the texture; triangles: (T, 3) int32.
    Returns two (size, size) float32 maps for cv2.remap, -1 where no triangle lies; where triangles overlap the last one shows.
    """
    map_x = np.full((size, size), -1.0, np.float32)
    map_y = np.full((size, size), -1.0, np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by = positions[a, 0], positions[a, 1], positions[b, 0], positions[b, 1]
        cx, cy = positions[c, 0], positions[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        left, right = (
            max(0, int(np.floor(min(ax, bx, cx)))),
            min(size - 1, int(np.ceil(max(ax, bx, cx)))),
        )
        top, bottom = (
            max(0, int(np.floor(min(ay, by, cy)))),
            min(size - 1, int(np.ceil(max(ay, by, cy)))),
        )
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                v = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
                w = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                u = 1.0 - v - w
                if u >= -1e-9 and v >= -1e-9 and w >= -1e-9:
                    map_x[y, x] = u * sources[a, 0] + v * sources[b, 0] + w * sources[c, 0]
                    map_y[y, x] = u * sources[a, 1] + v * sources[b, 1] + w * sources[c, 1]
    return map_x, map_y


def outer_lip_polygon(points: np.ndarray) -> np.ndarray:
    """(20, 2) the outline of both lips in `points`, from the left corner over the upper lip and back under the lower."""
    ring: np.ndarray = points[np.concatenate([_UPPER[0], _LOWER[0][::-1]])]
    return ring


def inner_lip_polygon(points: np.ndarray) -> np.ndarray:
    """(20, 2) the mouth's opening: the inner ring of `points`, upper lip left to right, then lower lip back."""
    ring: np.ndarray = points[np.concatenate([_UPPER[3], _LOWER[3][::-1]])]
    return ring
