"""The default landmark backend: MediaPipe's networks, run by LiteRT, on a face that is followed.

MediaPipe's own graph detects the face anew in every image, in the whole image and upright, and
hides how sure it is of the landmarks. Here the landmark network looks where the face was in the
frame before, and the detector runs only where there was none: then on tiles, so that small faces
are found, and on turned images, if nothing is found upright.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks.detector import Detection, FaceDetector, tiles
from stccl_data.landmarks.face import BLENDSHAPE_POINTS, Face
from stccl_data.landmarks.model_file import checked_model, read_network
from stccl_data.landmarks.network import Network
from stccl_data.landmarks.region import Region, region_of_face

_INPUT = 256
#: Least presence of a face, see docs/landmarks.md.
MIN_PRESENCE = 0.5
#: Most faces that are followed: enough to notice that there are several.
MAX_FACES = 3
#: Most detections of one search that are looked at, the best first.
_MAX_DETECTIONS = 6
#: Two regions that overlap by more than this hold one face.
_SAME_FACE = 0.3
#: A face that is lost is looked for in this multiple of its region.
_NEIGHBOURHOOD = 2.0
#: If landmarks lie further than this from the middle of the region they were placed in (share of
#: its side, logarithm of the ratio of sides, radians), they are placed again.
_MAX_PASSES = 3
_MAX_SHIFT, _MAX_GROWTH, _MAX_TURN = 0.08, 0.15, 0.15
#: Landmarks that are less present than this (a logit) may lie on a face that is turned another way:
#: seen the right way, whole faces have 17.8 to 24.2, upside down -3.7 to 15.7 (44 frames).
_CERTAIN = 17.0
#: Rotations of a face that are looked for: upright; when there is none, upside down and lying.
_ROTATIONS = (0.0, np.pi, np.pi / 2, -np.pi / 2)


class RunnerLandmarker:
    """Follows and detects faces, one image at a time, on one core. Use one instance per process."""

    points = 478
    batch = 1

    def __init__(self, model: str | Path | None = None) -> None:
        """Load the networks.

        Args:
            model: a `face_landmarker.task`; None for the packaged one, whose hash is checked.

        Raises:
            ModelError: the model or ai-edge-litert cannot be loaded.
        """
        path, _ = checked_model(model)
        self._detector = FaceDetector(read_network(path, "face_detector.tflite"))
        self._landmarks = Network(
            "face_landmarks_detector.tflite",
            read_network(path, "face_landmarks_detector.tflite"),
            (1, _INPUT, _INPUT, 3),
        )
        self._blendshapes = Network(
            "face_blendshapes.tflite",
            read_network(path, "face_blendshapes.tflite"),
            (1, len(BLENDSHAPE_POINTS), 2),
        )

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        known: Sequence[Face] = (),
        *,
        search: bool = True,
    ) -> list[list[Face]]:
        """See `Landmarker.detect`."""
        result = []
        for image in images:
            faces = self._detect(image, known, search)
            result.append(faces)
            known = faces
        return result

    def _detect(self, image: NDArray[np.uint8], known: Sequence[Face], search: bool) -> list[Face]:
        faces: list[Face] = []
        for hint in known[:MAX_FACES]:
            face = self._follow(image, hint)
            if face is not None and not (faces and _among(region_of_face(face.points), faces)):
                faces.append(face)
        if search or len(faces) < len(known) or not faces:
            faces += self._search(image, faces, thorough=search and not faces)
        return faces[:MAX_FACES]

    def _follow(self, image: NDArray[np.uint8], hint: Face) -> Face | None:
        """Return the face that was at `hint` in the frame before, or None if it is not there."""
        region = region_of_face(hint.points)
        if region is None:
            return None
        placed = self._settle(image, region)
        if placed.presence >= MIN_PRESENCE and placed.region is not None:
            return self._face(placed)
        near = Region(region.centre, region.side * _NEIGHBOURHOOD, region.rotation)
        faces = self._place_all(image, self._detector.detect(image, near), [])
        return next(iter(faces), None)

    def _search(
        self, image: NDArray[np.uint8], faces: Sequence[Face], thorough: bool
    ) -> list[Face]:
        """Return the faces that are not among `faces`.

        Args:
            image: where to look.
            faces: the faces that are known.
            thorough: whether to look for small and turned faces, if there is none.
        """
        height, width = image.shape[:2]
        for rotation in _ROTATIONS if thorough else _ROTATIONS[:1]:
            for level in tiles(height, width, rotation):
                detections = [d for tile in level for d in self._detector.detect(image, tile)]
                found = self._place_all(image, detections, faces)
                if found or not thorough:
                    return found
        return []

    def _place_all(
        self, image: NDArray[np.uint8], detections: list[Detection], faces: Sequence[Face]
    ) -> list[Face]:
        """Return the faces in detections that are not among `faces`, the surest detection first."""
        found: list[Face] = []
        detections.sort(key=lambda detection: -detection.score)
        for detection in detections[:_MAX_DETECTIONS]:
            if _among(detection.region, [*faces, *found]):
                continue
            placed = self._settle(image, detection.region)
            if placed.logit < _CERTAIN:
                placed = max([placed, *self._turned(image, detection.region)], key=_logit)
            known = _among(placed.region, [*faces, *found])
            if placed.presence >= MIN_PRESENCE and not known:
                found.append(self._face(placed))
        return found

    def _turned(self, image: NDArray[np.uint8], region: Region) -> Iterator["_Placed"]:
        """Place the landmarks of the faces that a region's neighbourhood shows when it is turned.

        The detector takes some faces that are upside down for upright ones, in the wrong place.
        Landmarks placed so may be present, but less than the right ones.
        """
        for turn in _ROTATIONS:
            near = Region(region.centre, region.side * _NEIGHBOURHOOD, turn)
            for detection in self._detector.detect(image, near)[:1]:
                yield self._settle(image, detection.region)
                half = replace(detection.region, rotation=detection.region.rotation + np.pi)
                yield self._settle(image, half)

    def _settle(self, image: NDArray[np.uint8], region: Region) -> "_Placed":
        """Place the landmarks in a region, and again where they lie, if that is elsewhere."""
        placed = self._place(image, region)
        for _ in range(_MAX_PASSES - 1):
            better = placed.region
            if placed.presence < MIN_PRESENCE or better is None or not _is_off(better, region):
                break
            region = better
            placed = self._place(image, region)
        return placed

    def _place(self, image: NDArray[np.uint8], region: Region) -> "_Placed":
        """Place the landmarks of the face that a region is supposed to show."""
        pixels = region.cut(image, _INPUT).astype(np.float32) / np.float32(255)
        outputs = self._landmarks.run(pixels[None])
        points = outputs["Identity"].reshape(-1, 3)[:, :2]
        logit = float(outputs["Identity_1"].ravel()[0])
        placed = region.to_image(points, _INPUT).astype(np.float32)
        return _Placed(placed, logit, region_of_face(placed))

    def _face(self, placed: "_Placed") -> Face:
        """Complete the record of a face by its blendshapes."""
        subset: NDArray[np.float32] = placed.points[None, BLENDSHAPE_POINTS]
        (blendshapes,) = self._blendshapes.run(subset).values()
        return Face(placed.points, placed.presence, blendshapes.ravel())


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """What the landmark network says of a region."""

    #: (478, 2) pixels
    points: NDArray[np.float32]
    #: of the presence of a face; large numbers differ long after their probability has become 1
    logit: float
    #: where the points lie; None if they coincide
    region: Region | None

    @property
    def presence(self) -> float:
        return 1 / (1 + math.exp(-min(max(self.logit, -50.0), 50.0)))


def _logit(placed: _Placed) -> float:
    return placed.logit


def _among(region: Region | None, faces: Sequence[Face]) -> bool:
    """Whether a region holds one of the faces. A face without a region counts as known."""
    others = (region_of_face(face.points) for face in faces)
    return region is None or any(
        other is not None and region.overlap(other) > _SAME_FACE for other in others
    )


def _is_off(better: Region, region: Region) -> bool:
    """Whether landmarks placed in `region` ask for another region."""
    shift = float(np.hypot(*(better.centre - region.centre))) / region.side
    growth = abs(float(np.log(better.side / region.side)))
    turn = abs((better.rotation - region.rotation + np.pi) % (2 * np.pi) - np.pi)
    return shift > _MAX_SHIFT or growth > _MAX_GROWTH or turn > _MAX_TURN
