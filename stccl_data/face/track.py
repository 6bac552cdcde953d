"""The Track record: what extraction measures in the frames of one clip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.media.jpeg import JpegSeries


@dataclass(frozen=True, slots=True)
class Track:
    """N frames of one clip.

    No frame is dropped or renumbered: a frame without a face is kept, with `valid` False.
    """

    #: (N,) float64, presentation times in seconds since the first frame.
    times: NDArray[np.float64]
    #: (N,) bool, whether a face was found in this very frame.
    valid: NDArray[np.bool_]
    #: (N, K, 2) float32, smoothed, pixels of the upright source frame (continuous: pixel 0 covers
    #: [0, 1)). K is 478 (MediaPipe) or 68 (FAN). Gaps of up to 0.25 s are bridged; NaN
    #: elsewhere.
    landmarks: NDArray[np.float32]
    #: (N, 2, 3) float64, source pixels to crop pixels; NaN without a crop.
    face_transforms: NDArray[np.float64]
    #: (N, 2, 3) float64, like `face_transforms`.
    mouth_transforms: NDArray[np.float64]
    #: (N,) float32, probability that the landmarks lie on a face; NaN without a face, or if the
    #: landmark backend does not tell.
    presence: NDArray[np.float32]
    #: (N, 52) float16 in [0, 1], MediaPipe's blendshape coefficients of each frame, not smoothed;
    #: NaN without a face. None if the landmark backend has none.
    blendshapes: NDArray[np.float16] | None = None
    #: The face crops, black where the transform is NaN; None if crops are off.
    face: JpegSeries | None = None
    #: The mouth crops, like `face`.
    mouth: JpegSeries | None = None

    def __len__(self) -> int:
        return len(self.times)

    def blendshape_summary(self) -> dict[str, list[float]]:
        """Summarise the expression of the clip, for clips.parquet; empty without blendshapes.

        Returns:
            blendshapes_mean: mean of each coefficient over the frames with a face.
            blendshapes_range: largest minus smallest value of each.
        """
        if self.blendshapes is None:
            return {}
        known = self.blendshapes[~np.isnan(self.blendshapes[:, 0])].astype(np.float64)
        summary = {
            "blendshapes_mean": known.mean(axis=0),
            "blendshapes_range": np.ptp(known, axis=0),
        }
        return {name: np.round(values, 4).tolist() for name, values in summary.items()}

    def tables(self) -> dict[str, NDArray[np.generic]]:
        """Return all arrays by the names that the shards use, without the JPEG data."""
        arrays: dict[str, NDArray[np.generic]] = {
            "times": self.times,
            "valid": self.valid,
            "landmarks": self.landmarks,
            "face_transforms": self.face_transforms,
            "mouth_transforms": self.mouth_transforms,
            "presence": self.presence,
        }
        if self.blendshapes is not None:
            arrays["blendshapes"] = self.blendshapes
        if self.face is not None and self.mouth is not None:
            arrays |= {"face_offsets": self.face.offsets, "mouth_offsets": self.mouth.offsets}
        return arrays
