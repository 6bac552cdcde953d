"""Rules that the arrays of a sample must satisfy.

The reader checks them before it returns an array, `verify` checks them for every sample.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.layout import CROPS, FRAME_ARRAYS, PATH_ARRAYS

Arrays = Mapping[str, NDArray[Any]]

#: The arrays that say which frames a clip has, and where its crops lie.
CLOCK_ARRAYS = ("times", "valid", *(f"{crop}_offsets" for crop in CROPS))


def clip_faults(
    arrays: Arrays, n_frames: int | None, crop_bytes: Mapping[str, int]
) -> Iterator[str]:
    """Yield what is wrong with the arrays of a clip, one clause each.

    Args:
        arrays: the arrays of the clip by name; without `valid` if the face was not tracked.
        n_frames: number of frames that KEY.json gives.
        crop_bytes: bytes of each crop that the sample holds of the clip.
    """
    faults = list(clock_faults(arrays, n_frames, crop_bytes))
    yield from faults
    if "valid" not in arrays or any(fault.startswith("times is not") for fault in faults):
        return
    n = len(arrays["times"])
    for name, rule in FRAME_ARRAYS.items():
        if name not in CLOCK_ARRAYS and (rule.required or name in arrays):
            yield from frame_array_faults(name, arrays.get(name), n)


def clock_faults(
    arrays: Arrays, n_frames: int | None, crop_bytes: Mapping[str, int]
) -> Iterator[str]:
    """Yield what is wrong with the CLOCK_ARRAYS of a clip. Arguments are those of `clip_faults`."""
    times, valid = arrays.get("times"), arrays.get("valid")
    if times is None or times.dtype != np.float64 or times.ndim != 1:
        yield "times is not a one-dimensional float64 array"
        return
    n = len(times)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        yield "times do not ascend"
    if n and n != n_frames:
        yield f"times has {n} frames, but KEY.json says {n_frames}"
    if valid is None:  # the face was not tracked
        if crop_bytes:
            yield "there are crops but no array valid"
        return
    if valid.dtype != np.bool_ or valid.shape != (n,):
        yield f"valid is not bool of shape ({n},)"
    for crop in CROPS:
        yield from _offset_faults(crop, arrays.get(f"{crop}_offsets"), crop_bytes.get(crop), n)


def frame_array_faults(name: str, array: NDArray[Any] | None, n: int) -> Iterator[str]:
    """Yield what is wrong with an array of FRAME_ARRAYS of a clip of n frames."""
    rule = FRAME_ARRAYS[name]
    if array is None or array.dtype != rule.dtype or not _fits(array.shape, (n, *rule.shape)):
        shape = ", ".join("K" if size is None else str(size) for size in rule.shape)
        yield f"{name} is not {rule.dtype} of shape ({n}, {shape})"


def _offset_faults(
    crop: str, offsets: NDArray[Any] | None, size: int | None, n: int
) -> Iterator[str]:
    if offsets is None and size is None:
        return
    if offsets is None or size is None:
        yield f"{crop}_offsets and the member {crop}.mjpg do not exist together"
    elif offsets.dtype != np.int64 or offsets.shape != (n + 1,):
        yield f"{crop}_offsets is not int64 of shape ({n + 1},)"
    elif offsets[0] != 0 or (np.diff(offsets) <= 0).any() or offsets[-1] != size:
        yield f"{crop}_offsets do not ascend from 0 to the {size:,} bytes of {crop}.mjpg"


def pair_faults(arrays: Arrays, n_source: int, n_target: int) -> Iterator[str]:
    """Yield what is wrong with the three arrays of a pair, one clause each.

    Args:
        arrays: the arrays by the names of PATH_ARRAYS.
        n_source: number of frames of the source clip.
        n_target: number of frames of the target clip.
    """
    missing = [name for name in PATH_ARRAYS if name not in arrays]
    if missing:
        yield f"{' and '.join(missing)} missing"
        return
    frame_map, source, target = (arrays[name] for name in PATH_ARRAYS)
    if frame_map.dtype.kind != "i" or frame_map.shape != (n_source,):
        yield f"frame_map is not an integer array of shape ({n_source},), the source frames"
    else:
        mapped = frame_map[frame_map >= 0]
        if (frame_map < -1).any() or (mapped >= n_target).any():
            yield f"frame_map has values outside the {n_target} frames of the target"
        if (np.diff(mapped) < 0).any():
            yield "frame_map falls"
    if (
        source.dtype != np.float64
        or source.ndim != 1
        or source.shape != target.shape
        or target.dtype != np.float64
    ):
        yield "source_time and target_time are not float64 arrays of equal length"
    elif not np.isfinite(source).all() or not np.isfinite(target).all():
        yield "source_time or target_time is not finite"
    elif len(source) < 2 or (np.diff(source) <= 0).any() or (np.diff(target) < 0).any():
        yield "source_time does not ascend, or target_time falls"


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        size in (None, actual) for actual, size in zip(shape, expected, strict=True)
    )
