"""Place decoded sound on the clock of its clip, where its stamps say that it is heard.

Recorders lose packets, deliver some twice, and run at another rate than they state. Played as they
come, the samples are then early or late, ever more towards the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, median_filter

#: Seconds that sound may be off before it is moved. Lips and sound that differ by less look
#: simultaneous (ITU-R BT.1359 puts the threshold at 45 ms), and containers round their stamps.
TOLERANCE = 0.020

#: Seconds. A step of the stamps counts if those of this long before and after it agree: recorders
#: stamp blocks when they arrive, now early, now late.
_AGREEMENT = 0.25

#: Seconds. A stream does not overlap itself for longer: its own clock was set back. FFmpeg's
#: `-dts_delta_threshold` is the same.
_LONGEST_OVERLAP = 10.0

#: Seconds. A longer hole is a clock that jumped; an hour of silence at 48 kHz would be 700 MB.
_LONGEST_HOLE = 600.0

#: Seconds that sound may begin, or go on, after the last frame; later it is on another clock.
AFTER_CLIP = 10.0

#: Samples that are stretched at a time, and those that a cubic spline needs around them.
_CHUNK, _MARGIN = 1 << 18, 16

HOLES = "holes in the sound filled with silence"
OVERLAPS = "overlapping sound cut"
RESAMPLED = "sound resampled onto the clock of the frames"
JOINED = "sound joined where its clock jumps"


@dataclass(frozen=True, slots=True)
class Stamps:
    """When the blocks of a stream are heard. B blocks."""

    #: (B,) float64, seconds of sound that were decoded before each block.
    decoded: NDArray[np.float64]
    #: (B,) float64, clip time at which each block begins, seconds.
    heard: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlacedSound:
    """Sound whose sample i is heard at ``start + i / rate``."""

    #: (C, S) float32.
    samples: NDArray[np.float32]
    #: Clip time of the first sample, seconds.
    start: float
    #: What was done, see `Extraction.notes`.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of the sound that is heard at one rate."""

    #: Seconds of sound decoded before its begin and its end.
    begin: float
    end: float
    #: Seconds by which its begin and its end are heard later than `start` and counting say.
    late_begin: float
    late_end: float
    #: Whether a step of the stamps precedes it.
    after_step: bool


def place_sound(
    samples: NDArray[np.float32], stamps: Stamps, rate: int, clip_end: float = np.inf
) -> PlacedSound:
    """Place sound by the stamps of its blocks; leave it untouched if they agree within TOLERANCE.

    Silence fills a hole, sound that is heard a second time is cut, and sound that runs at another
    rate than stated is resampled.

    Args:
        samples: (C, S) float32, as decoded one after another.
        stamps: of at least one block.
        rate: Hz.
        clip_end: clip time of the last frame, seconds. No hole reaches AFTER_CLIP beyond it.
    """
    start = float(stamps.heard[0] - stamps.decoded[0])
    pieces: list[NDArray[np.float32]] = []
    notes: set[str] = set()
    length = 0  # samples placed so far
    joined = 0.0  # seconds by which the clock of the stream has jumped
    for stretch in _stretches(stamps, start, samples.shape[1] / rate):
        first = round((stretch.begin + stretch.late_begin - joined) * rate)
        latest = max(0.0, min(_LONGEST_HOLE, clip_end + AFTER_CLIP - start - length / rate))
        if stretch.after_step and not (-_LONGEST_OVERLAP <= (first - length) / rate <= latest):
            joined += (first - length) / rate
            first = length
            notes.add(JOINED)
        last = round((stretch.end + stretch.late_end - joined) * rate)
        piece = samples[:, round(stretch.begin * rate) : round(stretch.end * rate)]
        if stretch.late_begin != stretch.late_end:
            piece = _stretched(piece, last - first)
            notes.add(RESAMPLED)
        if first > length:
            pieces.append(np.zeros((len(samples), first - length), np.float32))
            notes.add(HOLES)
        elif first < length:
            piece = piece[:, length - first :]
            notes.add(OVERLAPS)
        length = max(length, first) + piece.shape[1]
        pieces.append(piece)
    placed = np.concatenate(pieces, axis=1) if len(pieces) > 1 else pieces[0]
    return PlacedSound(placed, start, tuple(sorted(notes)))


def _stretches(stamps: Stamps, start: float, total: float) -> Iterator[_Stretch]:
    """Divide the sound where its stamps step, and where they begin to drift otherwise.

    Args:
        stamps: of at least one block.
        start: clip time of the first sample, seconds.
        total: seconds of sound.
    """
    decoded = stamps.decoded
    late = np.round(stamps.heard - start - decoded, 6)  # so that no rounding decides
    block = float(np.median(np.diff(decoded))) if len(late) > 1 else _AGREEMENT
    window = max(3, round(_AGREEMENT / max(block, 1e-3)))
    if len(late) < 3 or np.abs(_smooth(late, window)).max() <= TOLERANCE:
        yield _Stretch(0.0, total, 0.0, 0.0, after_step=False)
        return
    steps = _steps(late, decoded, window)
    for a, b in zip([0, *steps], [*steps, len(late)], strict=True):
        end = total if b == len(late) else float(decoded[b])
        begin = 0.0 if a == 0 else float(decoded[a])
        level = _smooth(late[a:b], window)
        constant = 0.0 if a == 0 else float(np.median(level))
        if np.abs(level - constant).max() <= TOLERANCE:
            yield _Stretch(begin, end, constant, constant, after_step=a > 0)
            continue
        corners = _corners(decoded[a:b], level, TOLERANCE / 2)
        for i, (p, q) in enumerate(pairwise(corners)):
            yield _Stretch(
                begin if p == 0 else float(decoded[a + p]),
                end if q == b - a - 1 else float(decoded[a + q]),
                float(level[p]),
                float(level[q]),
                after_step=a > 0 and i == 0,
            )


def _steps(late: NDArray[np.float64], decoded: NDArray[np.float64], window: int) -> list[int]:
    """Return the numbers of the blocks before which the stamps step, for good.

    A drift of 5 % over the length of a block is no step.
    """
    least = np.maximum(TOLERANCE / 2, 0.05 * np.diff(decoded))
    step = np.diff(late)
    found = []
    for k in np.flatnonzero(np.abs(step) > least) + 1:
        before, after = late[max(0, k - window) : k], late[k : k + window]
        lasting = float(np.median(after) - np.median(before))
        if abs(lasting) > least[k - 1] and lasting * step[k - 1] > 0:
            found.append(int(k))
    return found


def _smooth(late: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the running median over the blocks around each block."""
    size = min(2 * window + 1, 2 * ((len(late) - 1) // 2) + 1)
    smooth: NDArray[np.float64] = median_filter(late, size=size, mode="nearest")
    return smooth


def _corners(x: NDArray[np.float64], y: NDArray[np.float64], tolerance: float) -> list[int]:
    """Return the corners of a polyline that stays within `tolerance` of y (Douglas-Peucker)."""
    corners = {0, len(x) - 1}
    spans = [(0, len(x) - 1)]
    while spans:
        p, q = spans.pop()
        line = np.interp(x[p : q + 1], [x[p], x[q]], [y[p], y[q]])
        off = np.abs(y[p : q + 1] - line)
        worst = p + int(np.argmax(off))
        if off[worst - p] > tolerance:
            corners.add(worst)
            spans += [(p, worst), (worst, q)]
    return sorted(corners)


def _stretched(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Resample (C, S) samples to `count` samples by cubic splines."""
    total = samples.shape[1]
    if count < 1 or total < 2:
        return samples[:, :0]
    stretched = np.empty((len(samples), count), np.float32)
    for a in range(0, count, _CHUNK):
        at = np.arange(a, min(a + _CHUNK, count)) * (total / count)
        low = max(0, int(at[0]) - _MARGIN)
        high = min(total, int(at[-1]) + 2 + _MARGIN)
        for channel, out in zip(samples, stretched, strict=True):
            out[a : a + len(at)] = map_coordinates(
                channel[low:high], [at - low], order=3, mode="nearest"
            )
    return stretched
