"""Cut the face and mouth crops of a clip, frame by frame, while it is being read."""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.face.canonical import STABLE_68
from stccl_data.face.crop_config import CropConfig
from stccl_data.face.crops import (
    DegenerateFaceError,
    estimate_similarity,
    face_template,
    mouth_template,
)
from stccl_data.face.smoothing import PointSmoother
from stccl_data.landmarks import ibug68
from stccl_data.media.jpeg import JpegSeries, encode_jpeg
from stccl_data.media.reduced import Picture
from stccl_data.media.warp import cut_square


@dataclass(frozen=True, slots=True)
class ReducedFrame:
    """A frame made smaller by a power of two, so that detecting and cropping cost less."""

    #: (H // factor, W // factor, 3) uint8 RGB.
    image: NDArray[np.uint8]
    #: Source pixels per pixel of `image`.
    factor: int

    @classmethod
    def of(cls, picture: Picture, factor: int) -> "ReducedFrame":
        """Reduce a picture, see `Picture.reduced`."""
        return cls(picture.reduced(factor), factor)


@dataclass(frozen=True, slots=True)
class CropTransforms:
    """The transforms of one frame, (2, 3) float64, source pixels to crop pixels; NaN: no crop."""

    face: NDArray[np.float64]
    mouth: NDArray[np.float64]

    @classmethod
    def fit(cls, points: NDArray[np.floating] | None, config: CropConfig) -> "CropTransforms":
        """Fit the transforms to the STABLE_68 points of a frame. points: (9, 2) pixels, or None."""
        if points is None:
            return cls.missing()
        try:
            return cls(
                estimate_similarity(points, face_template(config.face_size)),
                estimate_similarity(points, mouth_template(config.mouth_size)),
            )
        except DegenerateFaceError:
            return cls.missing()

    @classmethod
    def missing(cls) -> "CropTransforms":
        """Return the transforms of a frame without crops."""
        return cls(np.full((2, 3), np.nan), np.full((2, 3), np.nan))


@dataclass(frozen=True, slots=True)
class Crops:
    """The crops of one frame, each (size, size, 3) uint8 RGB."""

    face: NDArray[np.uint8]
    mouth: NDArray[np.uint8]


def cut_crops(frame: ReducedFrame, transforms: CropTransforms, config: CropConfig) -> Crops:
    """Cut the crops of one frame by transforms that are not NaN."""
    to_source = [frame.factor, frame.factor, 1]
    return Crops(
        cut_square(frame.image, transforms.face * to_source, config.face_size),
        cut_square(frame.image, transforms.mouth * to_source, config.mouth_size),
    )


class CropCutter:
    """Cuts and encodes the crops of a clip in frame order, and scores their quality.

    `push` smooths the points over time and cuts a frame once its transform is settled, a quarter
    of a second later; `cut` takes transforms that are known already.
    """

    def __init__(self, config: CropConfig) -> None:
        """Start a clip."""
        self._config = config
        self._smoother = PointSmoother()
        self._waiting: deque[ReducedFrame] = deque()
        self._transforms: list[CropTransforms] = []
        self._sharpness: list[float] = []
        self._exposure: list[float] = []
        self._faces: list[bytes] = []
        self._mouths: list[bytes] = []

    def push(
        self,
        frame: ReducedFrame,
        landmarks: NDArray[np.floating] | None,
        time: float,
        jump: bool = False,
    ) -> None:
        """Add the next frame.

        Args:
            frame: the frame.
            landmarks: (K, 2) source pixels; None without a face.
            time: seconds.
            jump: whether the landmarks do not continue the movement before, as after a cut.
        """
        self._waiting.append(frame)
        points = None if landmarks is None else ibug68(landmarks)[STABLE_68]
        self._cut_waiting(self._smoother.push(points, time, jump))

    def finish(self) -> None:
        """Cut the frames that still wait for their transform."""
        self._cut_waiting(self._smoother.finish())

    def _cut_waiting(self, smooth: list[NDArray[np.floating] | None]) -> None:
        for points in smooth:
            self.cut(self._waiting.popleft(), CropTransforms.fit(points, self._config))

    def cut(self, frame: ReducedFrame, transforms: CropTransforms) -> None:
        """Cut and encode the crops of the next frame; they are black if the transforms are NaN."""
        self._transforms.append(transforms)
        if np.isnan(transforms.face).any():
            face, mouth = self._config.face_size, self._config.mouth_size
            crops = Crops(
                np.zeros((face, face, 3), np.uint8), np.zeros((mouth, mouth, 3), np.uint8)
            )
        else:
            crops = cut_crops(frame, transforms, self._config)
            grey = cv2.cvtColor(crops.face, cv2.COLOR_RGB2GRAY)
            self._sharpness.append(sharpness(grey))
            self._exposure.append(float(cv2.mean(grey)[0]))
        self._faces.append(encode_jpeg(crops.face, self._config.jpeg_quality))
        self._mouths.append(encode_jpeg(crops.mouth, self._config.jpeg_quality))

    @property
    def transforms(self) -> list[CropTransforms]:
        """The transforms of the frames so far."""
        return self._transforms

    def jpegs(self) -> tuple[JpegSeries, JpegSeries]:
        """Return the face and the mouth crops so far."""
        return JpegSeries.from_jpegs(self._faces), JpegSeries.from_jpegs(self._mouths)

    def scores(self) -> dict[str, float]:
        """Return the quality scores of the clip; empty if no frame has crops.

        Returns:
            sharpness: median variance of the Laplacian of the face crop.
            exposure: median grey level of the face crop, 0-255.
        """
        if not self._sharpness:
            return {}
        return {
            "sharpness": float(np.median(self._sharpness)),
            "exposure": float(np.median(self._exposure)),
        }


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Measure the variance of the Laplacian of a grey image, (H, W)."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return float(deviation[0, 0]) ** 2
