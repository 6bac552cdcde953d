"""One speaker's face, drawn frame by frame."""

import cv2
import numpy as np

from stccl_data.demo.mesh import (
    CENTRE,
    LEFT_EYE,
    LOWER_LIP,
    RIGHT_EYE,
    SPAN,
    UPPER_LIP,
    Pose,
    face_mesh,
    inner_lip_polygon,
    rasterise,
)
from stccl_data.demo.portrait import portrait, to_texture
from stccl_data.demo.speakers import Speaker

_THROAT = np.array([52, 24, 24], np.float32)
_TONGUE = np.array([142, 78, 76], np.float32)
_SEAM = np.array([0.5, 0.38, 0.38], np.float32)  # how dark closed lips are where they meet
_TEETH_DEPTH = -8.0  # photograph pixels in front of the ears, as the mesh counts depth


class Face:
    """Draws `speaker` at `size` x `size` pixels. `seed` moves nothing but the camera's noise."""

    def __init__(self, speaker: Speaker, size: int, seed: int = 0) -> None:
        self.speaker = speaker
        self.size = size
        self._mesh = face_mesh()
        self._portrait = portrait(speaker)
        self._sources = np.ascontiguousarray(to_texture(self._mesh.photo))
        self._random = np.random.default_rng(seed)
        self._noise = self._random.normal(0, speaker.noise, (size + 64, size + 64, 3)).astype(
            np.float32
        )

    def draw(self, pose: Pose) -> tuple[np.ndarray, float]:
        """The frame, (size, size, 3) uint8 RGB, and the gap between the lips in it over the distance of the outer eye corners."""
        points = self._mesh.deform(pose, self.speaker.lips, self.speaker.mouth)
        points = self._place(points, self._mesh.depth, self._mesh.head, pose)
        map_x, map_y = rasterise(points, self._sources, self._mesh.triangles, self.size)
        picture = cv2.remap(
            self._portrait.skin, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        self._draw_mouth(picture, points, pose)
        x, y = self._random.integers(0, 64, 2)
        picture += self._noise[y : y + self.size, x : x + self.size]
        gap = np.linalg.norm(points[LOWER_LIP] - points[UPPER_LIP])
        eyes = np.linalg.norm(points[RIGHT_EYE] - points[LEFT_EYE])
        return np.clip(picture + 0.5, 0, 255).astype(np.uint8), float(gap / eyes)

    def _place(
        self, points: np.ndarray, depth: np.ndarray, head: np.ndarray, pose: Pose
    ) -> np.ndarray:
        """Face frame to picture: the speaker's shape, then the head's motion (as far as `head` says), then the camera."""
        shaped = _shape(points, self.speaker)
        pivot = np.array([222.0, 150.0])  # the head turns above the neck
        offset = shaped - pivot
        cos, sin = np.cos(pose.roll), np.sin(pose.roll)
        turned = np.stack(
            [
                offset[:, 0] * cos - offset[:, 1] * sin + depth * np.sin(pose.yaw),
                offset[:, 0] * sin + offset[:, 1] * cos + depth * np.sin(pose.pitch),
            ],
            axis=1,
        )
        moved = pivot + pose.zoom * turned + np.array(pose.shift)
        placed = shaped + head[:, None] * (moved - shaped)
        if self.speaker.mirrored:
            placed[:, 0] = 2 * CENTRE[0] - placed[:, 0]
        picture: np.ndarray = (placed - np.array(CENTRE)) * (self.size / SPAN) + (self.size - 1) / 2
        return picture

    def _draw_mouth(self, picture: np.ndarray, points: np.ndarray, pose: Pose) -> None:
        """Lay what is seen between the lips into `picture`, and darken the line where they meet."""
        ring = inner_lip_polygon(points)
        low = np.maximum(np.floor(ring.min(axis=0)).astype(int) - 4, 0)
        high = np.minimum(np.ceil(ring.max(axis=0)).astype(int) + 5, self.size)
        window = picture[low[1] : high[1], low[0] : high[0]]
        shape = window.shape[:2]
        opening = np.zeros(shape, np.uint8)
        fixed = np.round((ring - low) * 16).astype(np.int32)
        cv2.fillPoly(opening, [fixed], 255, cv2.LINE_AA, 4)
        alpha = cv2.GaussianBlur(opening.astype(np.float32) / 255, None, 0.6)[..., None]
        inside = self._mouth_interior(ring - low, low, shape, pose)
        window[:] = window * (1 - alpha) + inside * alpha
        line = np.zeros(shape, np.uint8)
        for edge in (fixed[:11], np.concatenate([fixed[10:], fixed[:1]])):
            cv2.polylines(line, [edge], False, 255, max(1, round(self.size / 256)), cv2.LINE_AA, 4)
        shade = cv2.GaussianBlur(line.astype(np.float32) / 255, None, 0.8)[..., None] * 0.8
        window *= 1 - shade * (1 - _SEAM)

    def _mouth_interior(
        self, ring: np.ndarray, low: np.ndarray, shape: tuple[int, int], pose: Pose
    ) -> np.ndarray:
        """(h, w, 3) what lies behind the lips: throat, tongue, and the upper teeth, which move with the head and not the jaw."""
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        middle, width = ring[:, 0].mean(), np.ptp(ring[:, 0])
        upper, lower = ring[5, 1], ring[15, 1]
        height = max(1.0, lower - upper)
        tongue = np.exp(
            -(((x - middle) / (0.3 * width)) ** 2)
            - ((y - lower - 0.1 * height) / (0.4 * height)) ** 2
        )[..., None]
        inside: np.ndarray = _THROAT * (1 - 0.75 * tongue) + _TONGUE * 0.75 * tongue
        teeth = self._teeth(low, shape, pose)
        shade = np.clip(0.62 + 0.38 * (y - upper) / (0.05 * width), 0.62, 1.0)[..., None]
        alpha = (
            teeth[..., 3:] * np.clip(1.15 - np.abs(x - middle) / (0.55 * width), 0, 1)[..., None]
        )
        blended: np.ndarray = inside * (1 - alpha) + teeth[..., :3] * shade * alpha
        return blended

    def _teeth(self, low: np.ndarray, shape: tuple[int, int], pose: Pose) -> np.ndarray:
        """(h, w, 4) the photograph's teeth, placed by the head alone."""
        mesh = self._mesh
        gum = mesh.rest[UPPER_LIP]  # where the photograph's teeth come out from under the lip
        rest = np.array([gum[0], 143.0])
        steps = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
        placed = (
            self._place(rest + steps * [0.9, 0.85], np.full(3, _TEETH_DEPTH), np.ones(3), pose)
            - low
        )
        upright = (mesh.photo[RIGHT_EYE] - mesh.photo[LEFT_EYE]) / np.linalg.norm(
            mesh.photo[RIGHT_EYE] - mesh.photo[LEFT_EYE]
        )
        axes = np.array([[0.0, 0.0], 10 * upright, 10 * np.array([-upright[1], upright[0]])])
        source = to_texture(mesh.photo[UPPER_LIP] + axes)
        matrix = cv2.getAffineTransform(source.astype(np.float32), placed.astype(np.float32))
        teeth: np.ndarray = cv2.warpAffine(
            self._portrait.teeth, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR
        )
        return teeth


def _shape(points: np.ndarray, speaker: Speaker) -> np.ndarray:
    """`points` ((N, 2), face frame) on the speaker's skull: smooth scalings about the eyes' midpoint, the nose and the jaw."""
    centre = np.array([222.0, 102.0])
    x, y = (points - centre).T
    below = np.clip(y / 78, 0, 1)
    low = below**2 * (3 - 2 * below)
    nose = np.exp(-((x / 14) ** 2) - ((y - 28) / 16) ** 2)
    eyes = np.exp(-(((np.abs(x) - 21) / 16) ** 2) - (y / 14) ** 2)
    across = x * speaker.width * (1 + (speaker.jaw - 1) * low) * (1 + (speaker.nose - 1) * nose)
    across += (x - np.sign(x) * 21) * (speaker.eyes - 1) * eyes
    along = y * (1 + (speaker.length - 1) * np.clip(y / 20, 0, 1)) + y * (speaker.eyes - 1) * eyes
    shaped: np.ndarray = centre + np.stack([across, along], axis=1)
    return shaped
