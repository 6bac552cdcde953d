"""Windows: T frames of a source clip and the frames of a target clip that correspond to them.

A window is drawn from an utterance (`draw_windows`), carries its frames as JPEG bytes, and is
decoded when its batch is made (`stccl_train.data.collate`).
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.warping_path import half_frame, nearest_frame
from stccl_data.dataset import Utterance, UtteranceClip
from stccl_train.config import Crop, WindowConfig
from stccl_train.data.augmentation import NO_AUGMENTATION, Augmentation, draw_augmentation
from stccl_train.data.pairings import Pairing, list_pairings

#: A window is rejected if its target advances at once by more than this many times its natural
#: step: reversed, it would repeat a frame more than once, which teaches as little as a still frame.
_LONGEST_STEP = 2.0


@dataclass(frozen=True, slots=True)
class WindowShape:
    """Which frames of a clip make a window."""

    #: number of frames on each side, T
    frames: int
    #: seconds from one of them to the next
    interval: float = 0.04

    def windows(self, times: NDArray[np.float64]) -> NDArray[np.int32]:
        """Return the windows of a clip, one for each frame that a window can start at.

        Args:
            times: (N,) presentation times of the clip, seconds.

        Returns:
            (n, T) the frames nearest to the window's times, n <= N; at low frame rates a frame may
            occur twice.
        """
        offsets = self.interval * np.arange(self.frames)
        # Half a frame, as far as any time of a window may be from its frame: so the last frame of a
        # clip is in a window at every frame rate, and whatever the container rounds its times to.
        starts = (
            times[times + offsets[-1] <= times[-1] + half_frame(times)] if len(times) else times
        )
        return nearest_frame(times, starts[:, None] + offsets)


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrames:
    """Frames of one clip that are not read yet."""

    clip: UtteranceClip
    #: (T,) indices in the clip
    frames: NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class WindowSide:
    """T frames of one clip."""

    clip_id: str
    emotion: str
    #: indices in the clip
    frames: tuple[int, ...]
    #: one JPEG file per frame, the crop as it is stored
    jpegs: tuple[bytes, ...] = field(repr=False)
    #: (T, 68, 2) float32, iBUG order, pixels of the crop as it is stored, NaN where unknown
    points: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Window:
    """T frames of one clip and the T frames of another that they are compared with."""

    #: key of the utterance
    key: str
    #: corpus/speaker
    speaker: str
    crop: Crop
    source: WindowSide
    target: WindowSide
    augmentation: Augmentation = field(default=NO_AUGMENTATION, repr=False)

    @property
    def name(self) -> str:
        """For messages: `KEY: CLIP[first..last] -> CLIP[first..last]`."""
        source, target = (
            f"{side.clip_id}[{side.frames[0]}..{side.frames[-1]}]"
            for side in (self.source, self.target)
        )
        return f"{self.key}: {source} -> {target}"


def window_starts(pairing: Pairing, shape: WindowShape) -> NDArray[np.intp]:
    """Return the source frames at which a window can start, ascending.

    In a window every frame shows a face on both sides, no source frame occurs twice, no target
    frame more than twice, and no step of the target is longer than `_LONGEST_STEP` natural steps.
    """
    source_frames = shape.windows(pairing.source.times)
    if not len(source_frames) or not len(pairing.target):
        return np.zeros(0, np.intp)
    target_frames = pairing.frame_map[source_frames]
    usable = (
        pairing.source.valid[source_frames].all(axis=1)
        & (target_frames >= 0).all(axis=1)
        & pairing.target.valid[target_frames].all(axis=1)
    )
    if shape.frames > 2:  # the map is non-decreasing, so equal frames are neighbours
        usable &= (target_frames[:, 2:] > target_frames[:, :-2]).all(axis=1)
    if shape.frames > 1:
        usable &= (np.diff(source_frames, axis=1) > 0).all(axis=1)
        rates = (_frame_rate(clip) for clip in (pairing.source, pairing.target))
        natural = shape.interval * max(rates)  # frames
        longest = round(_LONGEST_STEP * natural, 3)  # times are rounded
        usable &= (np.diff(target_frames, axis=1) <= longest).all(axis=1)
    return np.flatnonzero(usable)


def _frame_rate(clip: UtteranceClip) -> float:
    """Frames per second."""
    return (len(clip) - 1) / float(clip.times[-1] - clip.times[0]) if len(clip) > 1 else 1.0


def draw_windows(
    utterance: Utterance,
    count: int,
    config: WindowConfig,
    shape: WindowShape,
    rng: np.random.Generator,
) -> Iterator[Window]:
    """Draw windows of an utterance at random; none if no window fits.

    Each draws two emotions, a pairing of them, a start, a crop and an augmentation. With
    `config.balance` any two emotions are equally likely, however many takes there are of them.

    Args:
        utterance: the utterance.
        count: number of windows.
        config: which pairings, crops and augmentations.
        shape: the frames of a window.
        rng: the generator.

    Raises:
        ShardError: a shard is corrupt.
    """
    groups = _grouped_pairings(utterance, config)
    names = sorted(groups)
    windows: dict[Pairing, NDArray[np.int32]] = {}
    drawn = 0
    while drawn < count and names:
        name = names[rng.integers(len(names))]
        group = groups[name]
        index = int(rng.integers(len(group)))
        pairing = group[index]
        if pairing not in windows:
            starts = window_starts(pairing, shape)
            windows[pairing] = shape.windows(pairing.source.times)[starts]
        if not len(windows[pairing]):
            group.pop(index)
            if not group:
                names.remove(name)
            continue
        frames = windows[pairing][rng.integers(len(windows[pairing]))]
        crop: Crop = (
            ("face", "mouth")[int(rng.integers(2))] if config.crop == "both" else config.crop
        )
        augmentation = draw_augmentation(config.flip, config.colour, rng)
        source = ClipFrames(pairing.source, frames)
        target = ClipFrames(pairing.target, pairing.frame_map[frames])
        yield read_window(utterance, crop, source, target, augmentation)
        drawn += 1


def _grouped_pairings(
    utterance: Utterance, config: WindowConfig
) -> dict[tuple[str, ...], list[Pairing]]:
    """The pairings with crops, by their two emotions if `config.balance`, else in one group."""
    groups: defaultdict[tuple[str, ...], list[Pairing]] = defaultdict(list)
    for pairing in list_pairings(
        utterance,
        config.gates,
        both_directions=config.both_directions,
        through_neutral=config.through_neutral,
    ):
        if pairing.source.crops and pairing.target.crops:
            emotions = sorted((pairing.source.emotion, pairing.target.emotion))
            groups[tuple(emotions) if config.balance else ()].append(pairing)
    return groups


def read_window(
    utterance: Utterance,
    crop: Crop,
    source: ClipFrames,
    target: ClipFrames,
    augmentation: Augmentation = NO_AUGMENTATION,
) -> Window:
    """Read the JPEG bytes and points of a window; nothing is decoded.

    Args:
        utterance: the utterance that the window is drawn from.
        crop: which crop of the frames.
        source: a clip and T frames of it.
        target: the clip and the frames that it is compared with.
        augmentation: applied when the window is decoded.

    Raises:
        ShardError: a shard is corrupt.
    """
    return Window(
        key=utterance.key,
        speaker=f"{utterance.corpus}/{utterance.speaker}",
        crop=crop,
        source=_read_side(crop, source.clip, source.frames),
        target=_read_side(crop, target.clip, target.frames),
        augmentation=augmentation,
    )


def _read_side(crop: Crop, clip: UtteranceClip, frames: NDArray[np.integer[Any]]) -> WindowSide:
    return WindowSide(
        clip_id=clip.clip_id,
        emotion=clip.emotion,
        frames=tuple(frames.tolist()),
        jpegs=tuple(clip.jpegs(crop, frames)),
        points=clip.points(crop, frames),
    )
