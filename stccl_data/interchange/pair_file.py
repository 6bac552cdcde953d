"""The published pair file: `{speaker: {emotion: {"NEUTRAL_EMOTION": [[source frames], [target frames]]}}}`, read and written.

It is the form of the `aligned_path36.json` that was published with the method: frames count from 0, the k-th source frame
belongs to the k-th target frame, and nothing says of which view, level or sentence the clips are.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import UsageError

Frames = NDArray[np.int32]

SIDES = ("source", "target")
_LAST_FRAME = 2**31 - 1


class PairFileError(UsageError):
    """A pair file cannot be read. The message is a sentence that names the file and the place in it."""


@dataclass(frozen=True, slots=True)
class FilePair:
    """One entry of a pair file. `key`: as written (`001_028`). `source`, `target`: the frames, (K,) and (K',) int32; K and K' are
    equal and the frames a warping path where the file is sound, which reading it does not ask for: see `path_faults`."""

    speaker: str
    emotion: str
    key: str
    source: Frames
    target: Frames

    @property
    def place(self) -> str:
        """Where in the file it stands, for messages."""
        return f"{self.speaker} {self.emotion} {self.key}"

    @property
    def names(self) -> tuple[str, str] | None:
        """The names of the neutral and the emotional clip (`001`, `028`); None where the key is not two names with `_` between."""
        neutral, _, emotional = self.key.partition("_")
        return (neutral, emotional) if neutral and emotional and "_" not in emotional else None


def read_pair_file(path: Path) -> list[FilePair]:
    """The pairs of a file, in its order. Raises PairFileError where it is not of this form; a path may still be a bad one."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_once)
    except OSError as error:
        raise PairFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PairFileError(f"{path} is no pair file: it is not UTF-8 text") from error
    except RecursionError as error:
        raise PairFileError(f"{path} is no pair file: its brackets are nested too deep") from error
    except ValueError as error:
        raise PairFileError(f"{path} is no pair file: {error}") from error
    pairs = []
    for speaker, emotions in _members(content, f"{path}: the file", "speakers"):
        for emotion, entries in _members(emotions, f"{path}: {speaker}", "emotions"):
            for key, entry in _members(
                entries, f"{path}: {speaker} {emotion}", "pairs such as 001_001"
            ):
                where = f"{path}: {speaker} {emotion} {key}"
                if not isinstance(entry, list) or len(entry) != 2:
                    raise PairFileError(
                        f"{where} is not two lists of frames, [[source frames], [target frames]]"
                    )
                lists = (
                    _frames(frames, f"{where}: the list of {side} frames")
                    for frames, side in zip(entry, SIDES, strict=True)
                )
                pairs.append(FilePair(speaker, emotion, key, *lists))
    if not pairs:
        raise PairFileError(f"{path} names no pair")
    return pairs


def pair_file_bytes(pairs: Iterable[FilePair]) -> bytes:
    """A pair file with these pairs: speakers, emotions and keys sorted, an emotion a line.

    Raises ValueError for a pair given twice.
    """
    content: dict[str, dict[str, dict[str, list[list[int]]]]] = {}
    for pair in sorted(pairs, key=lambda pair: (pair.speaker, pair.emotion, pair.key)):
        entries = content.setdefault(pair.speaker, {}).setdefault(pair.emotion, {})
        if pair.key in entries:
            raise ValueError(f"the pair {pair.place} is given twice")
        entries[pair.key] = [pair.source.tolist(), pair.target.tolist()]
    speakers = []
    for speaker, emotions in content.items():
        lines = [
            f"  {json.dumps(emotion)}: {json.dumps(entries)}"
            for emotion, entries in emotions.items()
        ]
        speakers.append(f" {json.dumps(speaker)}: {{\n" + ",\n".join(lines) + "\n }")
    return ("{\n" + ",\n".join(speakers) + "\n}\n").encode()


def path_faults(source: Frames, target: Frames) -> list[str]:
    """In which ways two lists of frames are no path as published, a phrase each: from (0, 0) on, never back, at most one frame
    further a step in each clip, never a step of one clip alone beside a step of the other alone. Empty for a sound path."""
    faults = []
    if len(source) != len(target):
        faults.append(f"{len(source)} source frames and {len(target)} target frames")
    k = min(len(source), len(target))
    if k == 0:
        return [*faults, "no frames"]
    cells = np.stack([source[:k], target[:k]], axis=1).astype(np.int64)
    if (cells < 0).any():
        faults.append("frames below 0")
    if cells[0].any():
        faults.append(f"begins at ({cells[0, 0]}, {cells[0, 1]})")
    steps = np.diff(cells, axis=0)
    still = ~steps.any(axis=1)
    alone = (
        np.where(steps[:, 0] == 0, 2, np.where(steps[:, 1] == 0, 1, 0)) * ~still
    )  # 1: the source moves alone, 2: the target
    corners = np.zeros(len(steps), np.bool_)
    corners[1:] = alone[1:] + alone[:-1] == 3
    for what, found in (
        ("goes back", (steps < 0).any(axis=1)),
        ("stands still", still),
        ("jumps", (steps > 1).any(axis=1)),
        ("turns a corner", corners),
    ):
        if found.any():
            more = f", {found.sum()} times" if found.sum() > 1 else ""
            faults.append(f"{what} at entry {int(np.argmax(found)) + 1}{more}")
    return faults


def longest_run(source: Frames, target: Frames) -> int:
    """The most entries in a row that have one source frame, or one target frame."""
    longest = 0
    for frames in (source, target):
        if len(frames):
            ends = np.concatenate([[-1], np.flatnonzero(np.diff(frames)), [len(frames) - 1]])
            longest = max(longest, int(np.diff(ends).max()))
    return longest


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the JSON file. Raises ValueError where it says one name twice: JSON readers would keep the last in silence."""
    found = dict(members)
    if len(found) != len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} occurs twice in one object")
    return found


def _members(value: Any, what: str, kind: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise PairFileError(f"{what} is not an object of {kind}, but {_shown(value)}")
    return value.items()


def _frames(value: Any, what: str) -> Frames:
    if not isinstance(value, list):
        raise PairFileError(f"{what} is not a list, but {_shown(value)}")
    for i, frame in enumerate(value):
        if type(frame) is not int or abs(frame) > _LAST_FRAME:
            raise PairFileError(
                f"{what} has {_shown(frame)} at place {i}, which is no frame number"
            )
    return np.array(value, np.int32)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
