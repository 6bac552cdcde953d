"""What the arrays of a sample must satisfy: the reader checks it before it hands them out, `verify` for every sample there is."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.layout import PAIR_ARRAYS

Arrays = Mapping[str, NDArray[Any]]

#: name -> (dtype, shape after the frames; None: any size), of a clip whose frames were read.
_FRAME_ARRAYS: dict[str, tuple[type, tuple[int | None, ...]]] = {
    "landmarks": (np.float32, (None, 2)),
    "face_transforms": (np.float64, (2, 3)),
    "mouth_transforms": (np.float64, (2, 3)),
}
CROPS = ("face", "mouth")


def clip_faults(
    arrays: Arrays, n_frames: int | None, crop_bytes: Mapping[str, int]
) -> Iterator[str]:
    """What is wrong with KEY.CLIP.npz, a sentence each.

    n_frames: by KEY.json. crop_bytes: crop -> size of its mjpg, for the crops that the sample holds.
    """
    times, valid = arrays.get("times"), arrays.get("valid")
    if times is None or times.dtype != np.float64 or times.ndim != 1:
        yield "times is not a list of float64 seconds"
        return
    n = len(times)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        yield "times do not ascend"
    if n and n != n_frames:
        yield f"it has {n} frames, and KEY.json says {n_frames}"
    if valid is None:  # the face was not followed
        if crop_bytes:
            yield "it says nothing of faces, and yet there are crops"
        return
    if valid.dtype != np.bool_ or valid.shape != (n,):
        yield f"valid is not one bool for each of {n} frames"
    for name, (dtype, shape) in _FRAME_ARRAYS.items():
        array = arrays.get(name)
        if array is None or array.dtype != dtype or not _fits(array.shape, (n, *shape)):
            yield f"{name} is not {dtype.__name__} of shape ({n}, {', '.join('K' if s is None else str(s) for s in shape)})"
    for crop in CROPS:
        offsets, size = arrays.get(f"{crop}_offsets"), crop_bytes.get(crop)
        if offsets is None and size is None:
            continue
        if offsets is None or size is None:
            yield f"{crop}_offsets and the member {crop}.mjpg are not there together"
        elif offsets.dtype != np.int64 or offsets.shape != (n + 1,):
            yield f"{crop}_offsets is not int64 of shape ({n + 1},)"
        elif offsets[0] != 0 or (np.diff(offsets) <= 0).any() or offsets[-1] != size:
            yield f"{crop}_offsets do not lead from 0 to the {size:,} bytes of {crop}.mjpg"


def pair_faults(arrays: Arrays, n_source: int, n_target: int) -> Iterator[str]:
    """What is wrong with the three arrays of one pair in KEY.pairs.npz, a sentence each; the clips' lengths are in frames."""
    missing = [name for name in PAIR_ARRAYS if name not in arrays]
    if missing:
        yield f"it has no {' and no '.join(missing)}"
        return
    frame_map, source, target = (arrays[name] for name in PAIR_ARRAYS)
    if frame_map.dtype.kind != "i" or frame_map.shape != (n_source,):
        yield f"frame_map is not one integer for each of {n_source} source frames"
    else:
        mapped = frame_map[frame_map >= 0]
        if (frame_map < -1).any() or (mapped >= n_target).any():
            yield f"frame_map leads outside the {n_target} frames of the target"
        if (np.diff(mapped) < 0).any():
            yield "frame_map goes backwards"
    if (
        source.dtype != np.float64
        or source.ndim != 1
        or source.shape != target.shape
        or target.dtype != np.float64
    ):
        yield "source_time and target_time are not float64 of one length"
    elif not np.isfinite(source).all() or not np.isfinite(target).all():
        yield "source_time or target_time is not finite"
    elif len(source) < 2 or (np.diff(source) <= 0).any() or (np.diff(target) < 0).any():
        yield "source_time does not ascend, or target_time falls"


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        w is None or s == w for s, w in zip(shape, wanted, strict=True)
    )
