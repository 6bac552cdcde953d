"""The parts of a job array: who works on what, and what each leaves to say that it is done.

All jobs share one OUT. What they make is named by what it was made from, so that it does not matter who has made it, and the
dataset is written by one run that finds everything there.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip
from stccl_data.errors import StcclError
from stccl_data.files.atomic import write_text


@dataclass(frozen=True, slots=True)
class Part:
    """Job `number` (1, 2, ...) of `count`."""

    number: int
    count: int

    @property
    def name(self) -> str:
        """As it stands in file names: `3-of-16`."""
        return f"{self.number}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_part(text: str) -> Part:
    """The part that `3/16` names. Raises ValueError."""
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return Part(int(number), int(count))
    raise ValueError(f"shard {text!r} is not I/N with I from 1 to N, such as 3/16")


class PartsError(StcclError):
    """The work cannot be shared so, or is not done yet. The message says what to do."""


def clips_of(part: Part, clips: Iterable[Clip]) -> list[Clip]:
    """The clips that a part works on: all of a speaker from one view, who is compared with nobody else.

    The speakers are dealt out by their number of clips, most first, each to the part that has the least; the answer is the same
    in every job. Raises PartsError where there are more parts than speakers and views.
    """
    clips = list(clips)
    sizes = Counter((clip.corpus, clip.speaker, clip.view) for clip in clips)
    if part.count > len(sizes):
        raise PartsError(
            f"{len(sizes)} speakers and views are shared among {len(sizes)} jobs at most, not {part.count}"
        )
    loads: defaultdict[int, int] = defaultdict(int)
    part_of: dict[tuple[str, str, str], int] = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        least = min(range(1, part.count + 1), key=lambda number: loads[number])
        part_of[group] = least
        loads[least] += size
    return [clip for clip in clips if part_of[clip.corpus, clip.speaker, clip.view] == part.number]


def record_part(work: Path, part: Part, said: Mapping[str, Any]) -> None:
    """Note that a part is done. said: what `read_parts` is to give back, as JSON takes it."""
    write_text(_record(work, part), json.dumps(said, indent=1) + "\n")


def forget_part(work: Path, part: Part) -> None:
    """A part that is begun again is not done."""
    _record(work, part).unlink(missing_ok=True)


def read_parts(work: Path) -> list[dict[str, Any]]:
    """What the parts of a finished job array have noted, in order. Raises PartsError where a part is missing."""
    found: dict[Part, dict[str, Any]] = {}
    for path in work.glob("part-*.json"):
        number, _, count = path.stem.removeprefix("part-").partition("-of-")
        found[parse_part(f"{number}/{count}")] = json.loads(path.read_text())
    counts = sorted({part.count for part in found})
    if not counts:
        raise PartsError(
            f"{work.parent} holds no finished part: first run `stccl prepare RAW OUT --shard I/N` for I from 1 to N"
        )
    if len(counts) > 1:
        raise PartsError(
            f"{work.parent} holds parts of {' and of '.join(map(str, counts))}: `stccl prepare RAW OUT` uses what all of them made"
        )
    missing = [
        str(number) for number in range(1, counts[0] + 1) if Part(number, counts[0]) not in found
    ]
    if missing:
        some = ", ".join(missing[:20]) + (", ..." if len(missing) > 20 else "")
        raise PartsError(
            f"{len(missing)} of {counts[0]} parts are not done: {some}; run them again, they go on where they stopped"
        )
    return [found[part] for part in sorted(found, key=lambda part: part.number)]


def _record(work: Path, part: Part) -> Path:
    return work / f"part-{part.name}.json"
