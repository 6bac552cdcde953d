"""What the loss is given: frames and landmarks, checked and brought into the metric's form."""

import math
import sys
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from stccl_data.errors import UsageError

#: A generator without tanh may overshoot [-1, 1] a little.
_RANGE = 1.1

#: A face without a value below this is not in [-1, 1]: pupils, nostrils and brows are darker.
_DARK = -0.1
#: What an untrained generator makes of grey does not reach this.
_BRIGHT = 0.5

#: Smallest extent of a face's landmarks, as a share of the frame.
_LEAST_EXTENT = 0.1
#: Where the mean of the landmarks is in crops of `stccl prepare`, and how far from it the faces of
#: other crops may be before a warning.
_MIDDLE, _OFF_MIDDLE = (0.5, 0.52), (0.1, 0.15)

#: A step of consecutive frames this many times as long as the metric's is named.
_LONG_STEP = 1.5


def check_frames(source: Tensor, generated: Tensor) -> None:
    """Check type and shape of the frames.

    Raises:
        UsageError: a shape is invalid.
        TypeError: not a float tensor.
    """
    _check_layout("source", source)
    _check_layout("generated", generated)
    if source.shape[:2] != generated.shape[:2]:
        raise UsageError(
            f"source is {tuple(source.shape[:2])} windows and frames, generated "
            f"{tuple(generated.shape[:2])}; give each generated frame its source frame"
        )
    if 0 in source.shape or 0 in generated.shape:
        raise UsageError(
            f"source {tuple(source.shape)}, generated {tuple(generated.shape)}: no frames"
        )
    ratios = [side.shape[-1] / side.shape[-2] for side in (source, generated)]
    if not 0.95 < ratios[0] / ratios[1] < 1.05:
        raise UsageError(
            f"source is {source.shape[-1]} x {source.shape[-2]} pixels, generated "
            f"{generated.shape[-1]} x {generated.shape[-2]}; give frames of one shape"
        )


def check_mask(mask: Tensor, source: Tensor) -> None:
    """Check that a mask has a value for each pixel.

    Raises:
        UsageError: it has another shape.
        TypeError: no tensor.
    """
    _check_tensor("mask", mask)
    batch, _, _, height, width = source.shape
    if mask.ndim != 3 or len(mask) != batch:
        raise UsageError(
            f"mask has the shape {tuple(mask.shape)}; give (B, H, W), {(batch, height, width)}"
        )


def check_fps(fps: float, interval: float) -> str | None:
    """Check the rate of consecutive frames.

    Args:
        fps: frames per second.
        interval: seconds between the frames that the metric compares.

    Returns:
        A message if the frames are further apart than those.

    Raises:
        UsageError: not a positive number.
    """
    if not (fps > 0 and math.isfinite(fps)):
        raise UsageError(f"fps is {fps:g}; give the frames per second of the video")
    if 1 / fps <= _LONG_STEP * interval:
        return None
    return (
        f"frames of {fps:g} fps are {1 / fps:.3g} s apart, but the metric compares frames "
        f"{interval:g} s apart; give {1 / interval:.3g} fps or more"
    )


def _check_tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} is a {type(value).__name__}; give a torch tensor")


def _check_layout(name: str, frames: Tensor) -> None:
    _check_tensor(name, frames)
    if frames.ndim != 5 or frames.shape[2] != 3:
        raise UsageError(
            f"{name} has the shape {tuple(frames.shape)}; give (B, T, 3, H, W), "
            "and single images as (B, 1, 3, H, W)"
        )
    if not frames.is_floating_point():
        raise TypeError(f"{name} is {frames.dtype}; give floats in [-1, 1]: frames / 127.5 - 1")


class RangeFault(NamedTuple):
    """What is wrong with the values of frames."""

    #: ``range``, ``zero_to_one`` or ``not_finite``.
    code: str
    message: str


def range_faults(source: Tensor, generated: Tensor) -> list[RangeFault]:
    """Find values that are not finite or not in [-1, 1]. Waits for the GPU once."""
    sides = {"source": source, "generated": generated}
    ends = torch.stack([torch.stack(side.detach().float().aminmax()) for side in sides.values()])
    faults = []
    for name, (low, high) in zip(sides, ends.tolist(), strict=True):
        if not (math.isfinite(low) and math.isfinite(high)):
            fault = RangeFault("not_finite", f"{name} has values that are not finite")
        elif low < -_RANGE or high > _RANGE:
            fault = RangeFault("range", f"{name} ranges from {low:.3g} to {high:.3g}")
        elif low >= _DARK and high > _BRIGHT:
            fault = RangeFault(
                "zero_to_one",
                f"{name} ranges from {low:.3g} to {high:.3g} and seems to be in [0, 1]",
            )
        else:
            continue
        faults.append(fault._replace(message=f"{fault.message}; give RGB in [-1, 1]"))
    return faults


def check_points_shape(points: Tensor, source: Tensor) -> None:
    """Check that there are 68 landmarks for each frame.

    Raises:
        UsageError: there are not.
        TypeError: no tensor.
    """
    _check_tensor("source_points", points)
    expected = (*source.shape[:2], 68, 2)
    if tuple(points.shape) != expected:
        raise UsageError(
            f"source_points has the shape {tuple(points.shape)}; "
            f"give {expected}, in pixels of source"
        )


def check_points(points: Tensor, source: Tensor) -> str | None:
    """Check that landmarks lie on the frames. NaN, for a frame without a face, is allowed.

    Waits for the GPU.

    Returns:
        A message if the faces are not in the middle of the frames, where aligned ones are.

    Raises:
        UsageError: the landmarks are of another scale.
    """
    height, width = source.shape[-2:]
    shares = points.detach().float() / points.new_tensor([width, height]).float()
    known = shares[shares.isfinite().all(-1).all(-1)]  # (n, 68, 2)
    if not len(known):
        return None
    middle = known.mean(dim=(0, 1))
    extent = (known.amax(1) - known.amin(1)).amax(-1).median()
    x, y, size = torch.stack([*middle, extent]).tolist()
    if not (0 <= x <= 1 and 0 <= y <= 1 and _LEAST_EXTENT <= size <= 2):
        raise UsageError(
            f"source_points are on average at ({x * width:.4g}, {y * height:.4g}) and span "
            f"{size * max(width, height):.3g} pixels, but source is {width} x {height} pixels; "
            "give the landmarks in pixels of source"
        )
    if abs(x - _MIDDLE[0]) <= _OFF_MIDDLE[0] and abs(y - _MIDDLE[1]) <= _OFF_MIDDLE[1]:
        return None
    return (
        f"source_points are on average at ({x * width:.4g}, {y * height:.4g}), but the faces of "
        f"aligned crops are in the middle of the {width} x {height} pixels of source: give the "
        "landmarks in pixels of source, and frames as `stccl prepare` crops them"
    )


def warn(message: str) -> None:
    """Warn at the line that called the loss."""
    warnings.warn(message, stacklevel=_frames_to_user())


def _frames_to_user() -> int:
    """Count the calls from `warn` to the first one outside torch and this package."""
    level, frame = 1, sys._getframe(1)
    inner = ("torch", "stccl_train")
    while frame.f_back and str(frame.f_globals.get("__name__")).split(".")[0] in inner:
        level, frame = level + 1, frame.f_back
    return level
