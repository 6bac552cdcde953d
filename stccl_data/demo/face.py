"""Draw the face of one speaker, frame by frame."""

from dataclasses import dataclass

import cv2
import numpy as np

from stccl_data.demo.mesh import Pose, face_mesh
from stccl_data.demo.portrait import portrait, to_texture
from stccl_data.demo.rasterise import rasterise
from stccl_data.demo.speakers import Speaker
from stccl_data.demo.vertices import (
    CENTRE,
    LEFT_EYE,
    LOWER_LIP,
    RIGHT_EYE,
    SPAN,
    UPPER_LIP,
    inner_lip_polygon,
)

_THROAT = np.array([52, 24, 24], np.float32)
_TONGUE = np.array([142, 78, 76], np.float32)
#: RGB factors of the line where closed lips meet.
_SEAM = np.array([0.5, 0.38, 0.38], np.float32)
#: Photograph pixels; negative is in front of the ears, as in the mesh.
_TEETH_DEPTH = -8.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawn frame."""

    #: (size, size, 3) uint8 RGB
    frame: np.ndarray
    #: gap between the lips divided by the distance between the outer eye corners
    opening: float


class Face:
    """The face of a speaker.

    Args:
        speaker: whose face to draw.
        size: side of a frame, pixels.
        seed: of the camera noise.
    """

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

    def draw(self, pose: Pose) -> Drawing:
        """Draw the face in a pose, with fresh camera noise."""
        points = self._mesh.deform(pose, self.speaker.lips, self.speaker.mouth)
        points = self._place(points, self._mesh.depth, self._mesh.head, pose)
        map_x, map_y = rasterise(points, self._sources, self._mesh.triangles, self.size)
        frame = cv2.remap(
            self._portrait.skin, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        self._draw_mouth(frame, points, pose)
        x, y = self._random.integers(0, 64, 2)
        frame += self._noise[y : y + self.size, x : x + self.size]
        gap = np.linalg.norm(points[LOWER_LIP] - points[UPPER_LIP])
        eyes = np.linalg.norm(points[RIGHT_EYE] - points[LEFT_EYE])
        return Drawing(np.clip(frame + 0.5, 0, 255).astype(np.uint8), float(gap / eyes))

    def _place(
        self, points: np.ndarray, depth: np.ndarray, head: np.ndarray, pose: Pose
    ) -> np.ndarray:
        """Map points from mesh coordinates to frame pixels.

        The shape of the speaker is applied first, then the motion of the head, then the camera.

        Args:
            points: (N, 2) float64, mesh coordinates.
            depth: (N,) photograph pixels, negative in front of the ears.
            head: (N,) 1 for points that move with the head, 0 for still ones.
            pose: of the head.

        Returns:
            (N, 2) float64.
        """
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
        pixels: np.ndarray = (placed - np.array(CENTRE)) * (self.size / SPAN) + (self.size - 1) / 2
        return pixels

    def _draw_mouth(self, frame: np.ndarray, points: np.ndarray, pose: Pose) -> None:
        """Draw what is visible between the lips into `frame`, and darken the line between them."""
        ring = inner_lip_polygon(points)
        low = np.maximum(np.floor(ring.min(axis=0)).astype(int) - 4, 0)
        high = np.minimum(np.ceil(ring.max(axis=0)).astype(int) + 5, self.size)
        window = frame[low[1] : high[1], low[0] : high[0]]
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
        """Draw what is behind the lips, (h, w, 3): throat, tongue and upper teeth.

        The teeth move with the head and not with the jaw.
        """
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
        """Warp the teeth of the photograph to the pose of the head, (h, w, 4)."""
        mesh = self._mesh
        gum = mesh.rest[UPPER_LIP]  # where the teeth emerge under the lip
        rest = np.array([gum[0], 143.0])
        steps = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
        placed = (
            self._place(rest + steps * [0.9, 0.85], np.full(3, _TEETH_DEPTH), np.ones(3), pose)
            - low
        )
        eyes = mesh.photo[RIGHT_EYE] - mesh.photo[LEFT_EYE]
        upright = eyes / np.linalg.norm(eyes)
        axes = np.array([[0.0, 0.0], 10 * upright, 10 * np.array([-upright[1], upright[0]])])
        source = to_texture(mesh.photo[UPPER_LIP] + axes)
        matrix = cv2.getAffineTransform(source.astype(np.float32), placed.astype(np.float32))
        teeth: np.ndarray = cv2.warpAffine(
            self._portrait.teeth, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR
        )
        return teeth


def _shape(points: np.ndarray, speaker: Speaker) -> np.ndarray:
    """Give points the shape of a speaker: smooth scalings around eyes, nose and jaw.

    Args:
        points: (N, 2) float64, mesh coordinates.
        speaker: its shape factors.

    Returns:
        (N, 2) float64.
    """
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
