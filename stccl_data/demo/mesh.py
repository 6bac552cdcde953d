"""The face as a triangle mesh over the photograph: where each vertex moves in a pose.

Coordinates are explained in `vertices`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay, cKDTree

from stccl_data.demo.emotions import Expression
from stccl_data.demo.portrait_points import photograph_landmarks
from stccl_data.demo.vertices import (
    BROWS,
    CENTRE,
    CHEEKS,
    CHIN,
    LEFT_CORNER,
    LEFT_EYE,
    LIDS,
    LOWER_RINGS,
    NOSE_WINGS,
    RIGHT_CORNER,
    RIGHT_EYE,
    SPAN,
    STILL,
    UPPER_RINGS,
)

# The lips at rest, pixels of the photograph.
_REST_HALF_WIDTH = 17.5
_REST_SEAM = 146.0
_UPPER_THICKNESS, _LOWER_THICKNESS = 4.2, 5.8
#: Position of each ring between the outer (0) and the inner (1) edge of a lip.
_INNER_FRACTION = np.array([0.0, 0.33, 0.67, 1.0])[:, None]
#: Width of each ring, relative to the outer edge.
_RING_WIDTH = np.array([1.0, 0.985, 0.965, 0.94])[:, None]
#: Pixels of the photograph between the lips when `opening` is 1.
WIDEST_GAP = 11.5


@dataclass(frozen=True, slots=True)
class Pose:
    """Everything that moves in one frame."""

    #: of the mouth, 0-1.2; see `visemes`
    opening: float
    #: of the mouth, -1 .. 1; see `visemes`
    spread: float
    expression: Expression
    #: 0 open .. 1 closed
    blink: float = 0.0
    #: pixels of the photograph
    shift: tuple[float, float] = (0.0, 0.0)
    #: radians
    roll: float = 0.0
    #: radians
    yaw: float = 0.0
    #: radians
    pitch: float = 0.0
    #: a factor
    zoom: float = 1.0


class FaceMesh:
    """468 face points, a net of points around them, and triangles over both.

    A linear operator spreads the motion of the control vertices over all others.

    Attributes:
        photo: (V, 2) where each vertex is in the photograph as shipped.
        rest: (V, 2) the same in mesh coordinates.
        depth: (V,) photograph pixels, negative in front of the ears.
        head: (V,) 1 for vertices that move with the head, falling to 0 for still ones.
        triangles: (T, 3) int32.
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
        # Many neighbours, so that the depth around the face has no steps.
        near = cKDTree(face).query(surroundings, k=24)[1]
        self.depth = np.concatenate([points[:, 2], points[near, 2].mean(axis=1)])
        self.depth -= self.depth[[234, 454]].mean()  # the head turns about an axis near the ears
        self.head = _head_weight(self.rest)
        self.triangles = Delaunay(self.rest).simplices.astype(np.int32)
        self._build_operator(surroundings, len(face))

    def _build_operator(self, surroundings: np.ndarray, n_face: int) -> None:
        """Choose the control vertices, and compute the operator that spreads their motion."""
        self._lips = np.concatenate([UPPER_RINGS.ravel(), LOWER_RINGS.ravel()])
        others = [*NOSE_WINGS, *CHEEKS, *CHIN, *STILL]
        others += [i for side in (*BROWS, *LIDS) for row in side for i in row]
        still_outside = n_face + np.arange(len(surroundings))[::2]
        self._controls = np.concatenate([self._lips, np.array(others), still_outside])
        self._row = {int(vertex): row for row, vertex in enumerate(self._controls)}
        positions = self.rest[self._controls]
        self._operator = RBFInterpolator(
            positions, np.eye(len(positions)), kernel="linear", smoothing=0.02
        )(self.rest)

    def deform(self, pose: Pose, lips: float = 1.0, mouth: float = 1.0) -> np.ndarray:
        """Move the vertices for the mouth and expression of a pose, without the head's motion.

        Args:
            pose: the mouth, expression and blink to show.
            lips: the speaker's factor on lip thickness.
            mouth: the speaker's factor on mouth width.

        Returns:
            (V, 2) float64, mesh coordinates.
        """
        lip_points = self._lip_points(pose, lips, mouth)
        motion = np.zeros((len(self._controls), 2))
        motion[: len(self._lips)] = lip_points - self.rest[self._lips]
        self._move_jaw_and_cheeks(motion, pose)
        self._move_brows(motion, pose.expression)
        self._move_lids(motion, pose)
        points: np.ndarray = self.rest + self._operator @ motion
        points[self._lips] = lip_points  # the operator smooths a little; the lips must be exact
        return points

    def _lip_points(self, pose: Pose, lips: float, mouth: float) -> np.ndarray:
        """Compute the vertices of the upper rings, then the lower, (80, 2)."""
        e = pose.expression
        middle = (self.rest[LEFT_CORNER] + self.rest[RIGHT_CORNER])[0] / 2
        gap = WIDEST_GAP * pose.opening
        spread = (0.16 if pose.spread > 0 else 0.3) * pose.spread
        half = mouth * _REST_HALF_WIDTH * (1 + 0.17 * e.stretch + spread)
        half -= 0.12 * gap
        pout = 1 + 0.3 * max(0.0, -pose.spread) - 0.12 * max(0.0, e.stretch)
        seam = _REST_SEAM - 1.2 * e.sneer
        corner = _REST_SEAM + 0.3 + 0.12 * gap - 5.5 * e.corners + 1.5 * e.stretch * (e.corners < 0)
        corners = np.array([corner, corner - 4.5 * e.skew])

        def place(s: np.ndarray, lift: float, thickness: float, bow: float) -> np.ndarray:
            """Place the columns `s` in [-1, 1], (4, n), of one lip.

            `lift` moves the lip off the seam; `thickness` is signed, away from the seam.
            """
            edge = np.abs(s)
            skew = np.where(s > 0, 1.5, 0.0) * max(0.0, e.skew) * edge
            x = middle + half * _RING_WIDTH * s + skew
            line = seam + (np.where(s < 0, corners[0], corners[1]) - seam) * edge**1.7
            inner = line + lift * (1 - s**2) ** 0.8
            profile = (1 - edge**2.3) * (1 - bow * np.exp(-((s / 0.16) ** 2)))
            y = inner + (1 - _INNER_FRACTION) * thickness * profile
            return np.stack([x, y], axis=-1)

        columns = self.rest[UPPER_RINGS, 0]
        centre = (columns[:, :1] + columns[:, -1:]) / 2
        reach = (columns[:, -1:] - columns[:, :1]) / 2
        s = np.clip((columns - centre) / reach, -1.0, 1.0)
        upper = place(s, -0.22 * gap, -_UPPER_THICKNESS * lips * pout * (1 - 0.12 * e.sneer), 0.14)
        # The same columns below as above, so that a closed mouth is closed along the whole seam.
        lower = place(s[:, 1:-1], 0.78 * gap, _LOWER_THICKNESS * lips * pout, 0.0)
        return np.concatenate([upper.reshape(-1, 2), lower.reshape(-1, 2)])

    def _move_jaw_and_cheeks(self, motion: np.ndarray, pose: Pose) -> None:
        e, row = pose.expression, self._row
        drop = 0.78 * WIDEST_GAP * pose.opening
        for vertex, share in CHIN.items():
            motion[row[vertex], 1] += share * (0.9 * drop - 0.5)
        for vertex in NOSE_WINGS:
            motion[row[vertex], 1] -= 2.2 * e.sneer
        for vertex in CHEEKS:
            motion[row[vertex], 1] += (
                1.8 - 2.4 * max(0.0, e.corners) - 1.2 * max(0.0, e.sneer) + 0.15 * drop
            )

    def _move_brows(self, motion: np.ndarray, e: Expression) -> None:
        inwards = np.linspace(0.0, 1.0, 5)
        rise = 5.0 * (e.outer_brow * (1 - inwards) + e.inner_brow * inwards**1.5)
        for side, sign in zip(BROWS, (1, -1), strict=True):
            for line in side:
                rows = [self._row[vertex] for vertex in line]
                motion[rows, 1] -= rise
                motion[rows, 0] += sign * 2.4 * e.knit * inwards

    def _move_lids(self, motion: np.ndarray, pose: Pose) -> None:
        lids = pose.expression.lids
        for upper, lower, crease in LIDS:
            rows, below = [self._row[i] for i in upper], [self._row[i] for i in lower]
            aperture = self.rest[lower, 1] - self.rest[upper, 1]
            height = aperture * (1 + (0.3 if lids > 0 else 0.32) * lids) * (1 - 0.9 * pose.blink)
            motion[below, 1] += 0.12 * aperture * min(0.0, lids) - 0.06 * aperture * pose.blink
            motion[rows, 1] += aperture - height + motion[below, 1]
            motion[[self._row[i] for i in crease], 1] += 0.45 * (aperture - height)


@lru_cache(maxsize=1)
def face_mesh() -> FaceMesh:
    """Return the mesh, built once per process."""
    return FaceMesh()


def _net_around(face: np.ndarray) -> np.ndarray:
    """Return a square net of points around the face, (K, 2), well past the edges of the frame."""
    reach = SPAN / 2 + 44
    line = np.linspace(-reach, reach, 26)
    net = np.stack(np.meshgrid(CENTRE[0] + line, CENTRE[1] + line), axis=-1).reshape(-1, 2)
    hull = Delaunay(face)
    distance = cKDTree(face).query(net)[0]
    outside: np.ndarray = net[(hull.find_simplex(net) < 0) & (distance > 7)]
    return outside


def _head_weight(points: np.ndarray) -> np.ndarray:
    """Weight points by how much they move with the head, (V,).

    The weight is 1 on the head and falls smoothly to 0 on shoulders and background.
    """
    distance = np.hypot((points[:, 0] - 222) / 80, (points[:, 1] - 98) / 92)
    fall = np.clip((distance - 0.95) / 0.55, 0, 1)
    weight: np.ndarray = 1 - fall**2 * (3 - 2 * fall)
    return weight
