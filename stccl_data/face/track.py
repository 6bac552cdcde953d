"""The Track record: what extraction learns of one clip's pictures, frame by frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.media.jpeg import JpegSeries


@dataclass(frozen=True, slots=True)
class Track:
    """N frames of one clip. No frame is dropped or renumbered: one without a face is kept, with `valid` False.

    `times`: (N,) float64, presentation times in seconds on the container's clock.
    `valid`: (N,) bool, a face was found in this very frame.
    `landmarks`: (N, K, 2) float32, smoothed, pixels of the upright source frame (continuous: pixel 0 covers [0, 1)). K is 478
    (MediaPipe) or 68 (FAN). Gaps of up to five frames are bridged; NaN elsewhere.
    `face_transforms`, `mouth_transforms`: (N, 2, 3) float64, source pixels -> crop pixels; NaN where there is no crop.
    `face`, `mouth`: the crops as JPEG; black where the transform is NaN; None where crops were not asked for.
    """

    times: NDArray[np.float64]
    valid: NDArray[np.bool_]
    landmarks: NDArray[np.float32]
    face_transforms: NDArray[np.float64]
    mouth_transforms: NDArray[np.float64]
    face: JpegSeries | None = None
    mouth: JpegSeries | None = None

    def __len__(self) -> int:
        return len(self.times)

    def tables(self) -> dict[str, NDArray[np.generic]]:
        """All but the pictures, by the names that the shards use."""
        arrays: dict[str, NDArray[np.generic]] = {
            "times": self.times,
            "valid": self.valid,
            "landmarks": self.landmarks,
            "face_transforms": self.face_transforms,
            "mouth_transforms": self.mouth_transforms,
        }
        if self.face is not None and self.mouth is not None:
            arrays |= {"face_offsets": self.face.offsets, "mouth_offsets": self.mouth.offsets}
        return arrays
