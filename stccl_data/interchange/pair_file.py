"""Read, check and write the published pair file.

It has the form `{speaker: {emotion: {"NEUTRAL_EMOTION": [[source frames], [target frames]]}}}` of
the `aligned_path36.json` published with the method. Frames count from 0, the k-th source frame
belongs to the k-th target frame, and view, level and sentence are not recorded.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.alignment.warping_path import FramePath, Frames
from stccl_data.errors import UsageError

SIDES = ("source", "target")
_LARGEST_FRAME = 2**31 - 1


class PairFileError(UsageError):
    """A pair file cannot be read; the message names the file and the place in it."""


@dataclass(frozen=True, slots=True)
class FilePair:
    """One entry of a pair file.

    The path is not checked on reading: its sides may differ in length, and its steps may be
    invalid; see `path_faults`.
    """

    speaker: str
    emotion: str
    #: as written: `001_028`
    key: str
    path: FramePath

    @property
    def place(self) -> str:
        """The place in the file, for messages."""
        return f"{self.speaker} {self.emotion} {self.key}"

    @property
    def names(self) -> tuple[str, str] | None:
        """The names of the neutral and the emotional clip (`001`, `028`), or None.

        None if the key is not two names separated by `_`.
        """
        neutral, _, emotional = self.key.partition("_")
        return (neutral, emotional) if neutral and emotional and "_" not in emotional else None


def read_pair_file(path: Path) -> list[FilePair]:
    """Read the pairs of a file in its order.

    Raises:
        PairFileError: the file cannot be read or does not have the form of a pair file.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_unique)
    except OSError as error:
        raise PairFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PairFileError(f"{path} is not a pair file: it is not UTF-8 text") from error
    except RecursionError as error:
        raise PairFileError(f"{path} is not a pair file: too deeply nested") from error
    except ValueError as error:
        raise PairFileError(f"{path} is not a pair file: {error}") from error
    pairs = []
    for speaker, emotions in _members(content, f"{path}: the file", "speakers"):
        for emotion, entries in _members(emotions, f"{path}: {speaker}", "emotions"):
            place = f"{path}: {speaker} {emotion}"
            for key, entry in _members(entries, place, "pairs such as 001_001"):
                frame_path = _frame_path(entry, f"{place} {key}")
                pairs.append(FilePair(speaker, emotion, key, frame_path))
    if not pairs:
        raise PairFileError(f"{path} contains no pairs")
    return pairs


def pair_file_bytes(pairs: Iterable[FilePair]) -> bytes:
    """Return a pair file: speakers, emotions and keys sorted, one emotion per line.

    Raises:
        ValueError: two pairs have one key.
    """
    content: dict[str, dict[str, dict[str, list[list[int]]]]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.speaker, pair.emotion, pair.key)):
        entries = content.setdefault(pair.speaker, {}).setdefault(pair.emotion, {})
        if pair.key in entries:
            raise ValueError(f"duplicate pair {pair.place}")
        entries[pair.key] = [pair.path.source.tolist(), pair.path.target.tolist()]
    speakers = []
    for speaker, emotions in content.items():
        lines = [
            f"  {json.dumps(emotion)}: {json.dumps(entries)}"
            for emotion, entries in emotions.items()
        ]
        speakers.append(f" {json.dumps(speaker)}: {{\n" + ",\n".join(lines) + "\n }")
    return ("{\n" + ",\n".join(speakers) + "\n}\n").encode()


def path_faults(path: FramePath) -> list[str]:
    """Return the ways in which a path differs from the published form, a phrase each.

    A valid path starts at (0, 0) and never goes back, each step advances a clip by at most one
    frame, and a step of one clip alone is never next to a step of the other alone.
    """
    faults = []
    if len(path.source) != len(path.target):
        faults.append(f"{len(path.source)} source frames and {len(path.target)} target frames")
    k = min(len(path.source), len(path.target))
    if k == 0:
        return [*faults, "no frames"]
    cells = np.stack([path.source[:k], path.target[:k]], axis=1).astype(np.int64)
    if (cells < 0).any():
        faults.append("frames below 0")
    if cells[0].any():
        faults.append(f"begins at ({cells[0, 0]}, {cells[0, 1]})")
    steps = np.diff(cells, axis=0)
    still = ~steps.any(axis=1)
    # The side that advances alone: 1 source, 2 target, 0 neither.
    alone = np.where(steps[:, 0] == 0, 2, np.where(steps[:, 1] == 0, 1, 0)) * ~still
    corners = np.zeros(len(steps), np.bool_)
    corners[1:] = alone[1:] + alone[:-1] == 3
    for phrase, occurs in (
        ("goes back", (steps < 0).any(axis=1)),
        ("stands still", still),
        ("jumps", (steps > 1).any(axis=1)),
        ("turns a corner", corners),
    ):
        if occurs.any():
            times = f", {occurs.sum()} times" if occurs.sum() > 1 else ""
            faults.append(f"{phrase} at entry {int(np.argmax(occurs)) + 1}{times}")
    return faults


def longest_run(path: FramePath) -> int:
    """Return the most consecutive entries with one source frame, or with one target frame."""
    longest = 0
    for frames in (path.source, path.target):
        if len(frames):
            ends = np.concatenate([[-1], np.flatnonzero(np.diff(frames)), [len(frames) - 1]])
            longest = max(longest, int(np.diff(ends).max()))
    return longest


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build a JSON object; raise ValueError for a duplicate name, of which JSON keeps the last."""
    result = dict(members)
    if len(result) != len(members):
        names = [name for name, _ in members]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {duplicate!r} occurs twice in one object")
    return result


def _members(value: Any, place: str, kind: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise PairFileError(f"{place} is not an object of {kind}, but {_shortened(value)}")
    return value.items()


def _frame_path(entry: Any, place: str) -> FramePath:
    if not isinstance(entry, list) or len(entry) != 2:
        raise PairFileError(
            f"{place} is not two lists of frames, [[source frames], [target frames]]"
        )
    source, target = (
        _frames(frames, f"{place}: the list of {side} frames")
        for frames, side in zip(entry, SIDES, strict=True)
    )
    return FramePath(source, target)


def _frames(value: Any, place: str) -> Frames:
    if not isinstance(value, list):
        raise PairFileError(f"{place} is not a list, but {_shortened(value)}")
    for i, frame in enumerate(value):
        if type(frame) is not int or abs(frame) > _LARGEST_FRAME:
            raise PairFileError(
                f"{place} has {_shortened(frame)} at index {i}, which is not a frame number"
            )
    return np.array(value, np.int32)


def _shortened(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
