"""Windows for evaluation: the same ones every time, aligned or misaligned in a known way.

The controls are windows whose target does not match: shifted in time, or another sentence.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.mouths import align_mouths
from stccl_data.alignment.warping_path import half_frame, nearest_frame
from stccl_data.dataset import Dataset, UtteranceClip
from stccl_data.errors import ClipError
from stccl_train.config import Crop
from stccl_train.data.pairings import Pairing, list_pairings
from stccl_train.data.windows import (
    ClipFrames,
    Window,
    WindowShape,
    read_window,
    window_starts,
)

#: How the frames of another sentence are chosen: those whose mouth is most like the source's, or
#: those at the target's relative time.
Other = Literal["by_mouth", "same_time"]

T = TypeVar("T")


def evaluation_windows(
    dataset: Dataset,
    split: str,
    shape: WindowShape,
    per_pair: int,
    *,
    shift: float = 0.0,
    other: Other | None = None,
    crop: Crop = "face",
    margin: float = 0.6,
    gates: Mapping[str, float] | None = None,
    keys: Sequence[str] | None = None,
) -> Iterator[Window]:
    """Yield windows of a split's accepted pairs, in a fixed order, evenly spread over each pair.

    The source frames depend neither on `shift` (up to `margin`) nor on `other`, so windows of
    different conditions can be compared one by one by clips and first frame.

    Args:
        dataset: the dataset.
        split: the split.
        shape: the frames of a window.
        per_pair: most windows of one pair.
        shift: seconds by which the target is moved away from the alignment: later if the clip goes
            on for `margin` after the window, else earlier.
        other: replace the target by another sentence of the same speaker in the same emotion.
            ``by_mouth``: by the frames whose mouth is most like the source's in the order of time,
            as `stccl align --align visual` finds them; if none of them make a window, by frames at
            the target's pace from about the same position in the clip. ``same_time``: by the frames
            at the target's time relative to the length of its clip. Windows without such frames are
            left out.
        crop: which crop.
        margin: seconds of the target's clip, with a face throughout, that must come before or after
            the window, at least `shift`. A pair too short for it has no windows.
        gates: as for `list_pairings`.
        keys: only these utterances; None takes all of the split.

    Raises:
        ShardError: a shard is corrupt.
    """
    margin = max(margin, abs(shift))
    other_sentences = OtherSentences(dataset, split)
    for key in dataset.keys(split) if keys is None else keys:
        utterance = dataset[key]
        for pairing in list_pairings(
            utterance, gates, both_directions=False, through_neutral=False
        ):
            if not (pairing.source.crops and pairing.target.crops):
                continue
            for frames, direction in _spread_windows(pairing, shape, margin, per_pair):
                source = ClipFrames(pairing.source, frames)
                target_frames = pairing.frame_map[frames]
                if shift:
                    times = pairing.target.times
                    target_frames = nearest_frame(times, times[target_frames] + direction * shift)
                target = ClipFrames(pairing.target, target_frames)
                if other is not None:
                    replacement = other_sentences.find(key, source, target, shape, other)
                    if replacement is None:
                        continue
                    target = replacement
                yield read_window(utterance, crop, source, target)


def spread(items: Sequence[T], count: int) -> list[T]:
    """Pick at most ``count`` items, evenly spread."""
    if len(items) <= count:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _spread_windows(
    pairing: Pairing, shape: WindowShape, margin: float, per_pair: int
) -> list[tuple[NDArray[np.intp], int]]:
    """Choose up to `per_pair` windows, and the direction, 1 or -1, to shift their targets in.

    In that direction the target's clip goes on for `margin` seconds, with a face throughout.

    Returns:
        (T,) source frames and the direction of each.
    """
    #: valid_before[b] - valid_before[a]: number of valid frames in [a, b)
    valid_before = np.concatenate([[0], np.cumsum(pairing.target.valid)])
    candidates: list[tuple[NDArray[np.intp], int]] = []
    windows = shape.windows(pairing.source.times)
    for start in window_starts(pairing, shape).tolist():
        first, last = pairing.frame_map[windows[start][[0, -1]]].tolist()
        for direction in (1, -1):
            edge = _frame_after(
                pairing.target, last if direction > 0 else first, direction * margin
            )
            a, b = min(first, edge), max(last, edge) + 1
            if edge >= 0 and valid_before[b] - valid_before[a] == b - a:
                candidates.append((windows[start], direction))
                break
    if not candidates:
        return []
    chosen = np.linspace(0, len(candidates) - 1, per_pair + 2)[1:-1].round().astype(int)
    return [candidates[i] for i in dict.fromkeys(chosen.tolist())]


def _frame_after(clip: UtteranceClip, frame: int, seconds: float) -> int:
    """Return the frame this much after another, or before if negative; -1 outside the clip."""
    times = clip.times
    time = times[frame] + seconds
    half = half_frame(times)
    if not times[0] - half < time < times[-1] + half:
        return -1
    return int(nearest_frame(times, time[None])[0])


class OtherSentences:
    """Finds frames of other sentences by the same speaker from the same view."""

    def __init__(self, dataset: Dataset, split: str) -> None:
        self._dataset = dataset
        self._keys_by_speaker: defaultdict[str, list[str]] = defaultdict(list)
        for key in sorted(dataset.keys(split)):
            self._keys_by_speaker[key.rpartition("/")[0]].append(key)
        self._clips: dict[str, list[UtteranceClip]] = {}
        self._pairings: dict[tuple[str, str], Pairing] = {}

    def find(
        self, key: str, source: ClipFrames, target: ClipFrames, shape: WindowShape, other: Other
    ) -> ClipFrames | None:
        """Find frames of another sentence to put in place of the target's.

        Args:
            key: the utterance of source and target.
            source: the source side of the window.
            target: the target side of the window.
            shape: the frames of a window.
            other: how the frames are chosen.

        Returns:
            A clip in the target's emotion, of its level if there is one, and frames of it; None if
            no clip has enough valid frames.
        """
        clips = [
            clip
            for other_key in self._other_keys(key)
            for clip in self._clips_of(other_key)
            if clip.emotion == target.clip.emotion and clip.crops
        ]
        clips.sort(key=lambda clip: clip.level != target.clip.level)
        if other == "same_time":
            found = (_frames_at_same_time(clip, target) for clip in clips)
            return next((frames for frames in found if frames is not None), None)
        for clip in clips:
            by_mouth = self._pair_by_mouth(source.clip, clip)
            if source.frames[0] in window_starts(by_mouth, shape):
                return ClipFrames(clip, by_mouth.frame_map[source.frames])
        for clip in clips:
            frames = _frames_at_same_pace(clip, target)
            if frames is not None:
                return ClipFrames(clip, frames)
        return None

    def _other_keys(self, key: str) -> list[str]:
        """Utterances of other sentences, starting after `key`, so that not all compare with the
        first sentence. The stored parts of one sentence share their name up to `+`."""
        speaker, _, sentence = key.rpartition("/")
        others = [
            other
            for other in self._keys_by_speaker[speaker]
            if other.rpartition("/")[2].partition("+")[0] != sentence.partition("+")[0]
        ]
        return [k for k in others if k > key] + [k for k in others if k < key]

    def _pair_by_mouth(self, source: UtteranceClip, other: UtteranceClip) -> Pairing:
        """Pair two clips by their mouths; the map is -1 throughout if they cannot be aligned."""

        def load() -> NDArray[np.int32]:
            try:
                return align_mouths(source, other)
            except ClipError:
                return np.full(len(source), -1, np.int32)

        clip_ids = source.clip_id, other.clip_id
        if clip_ids not in self._pairings:
            self._pairings[clip_ids] = Pairing(source, other, "direct", load)
        return self._pairings[clip_ids]

    def _clips_of(self, key: str) -> list[UtteranceClip]:
        if key not in self._clips:
            self._clips[key] = list(self._dataset[key].clips.values())
        return self._clips[key]


def _frames_at_same_time(clip: UtteranceClip, target: ClipFrames) -> ClipFrames | None:
    """Frames of `clip` at the target's times relative to the clips' lengths.

    None if a frame has no face, or occurs more than twice, as in no window that is trained on.
    """
    if len(clip) < 2 or len(target.clip) < 2:
        return None
    start, end = target.clip.times[[0, -1]]
    relative = (target.clip.times[target.frames] - start) / (end - start)
    frames = nearest_frame(clip.times, clip.times[0] + relative * (clip.times[-1] - clip.times[0]))
    if not clip.valid[frames].all() or (frames[2:] == frames[:-2]).any():
        return None
    return ClipFrames(clip, frames)


def _frames_at_same_pace(
    clip: UtteranceClip, target: ClipFrames
) -> NDArray[np.integer[Any]] | None:
    """Frames of `clip`, all valid, spaced like the target's and from about the same position."""
    offsets = target.frames - target.frames[0]
    last = len(clip) - 1 - int(offsets[-1])
    if last < 0:
        return None
    firsts = np.flatnonzero(clip.valid[np.arange(last + 1)[:, None] + offsets].all(axis=1))
    if not len(firsts):
        return None
    position = target.frames[0] / max(1, len(target.clip) - 1 - int(offsets[-1])) * last
    frames: NDArray[np.integer[Any]] = firsts[np.abs(firsts - position).argmin()] + offsets
    return frames
