"""Read the corpus tables of `manifests/` from the installed package."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class MeadKey(NamedTuple):
    """A recording in MEAD's numbering. All cameras recorded together, so the view is not part."""

    actor: str
    emotion: str
    level: int
    #: the clip number
    number: int


@cache
def table(name: str) -> dict[str, Any]:
    """Load `manifests/NAME.json`. The result is shared: do not modify it."""
    text = files("stccl_manifests").joinpath(f"{name}.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def mead_numbering() -> dict[MeadKey, str]:
    """Map the 31,060 listed front clips of MEAD to sentence ids such as `s009`."""
    sentences: dict[MeadKey, str] = {}
    for emotion, recordings, ranges, ids in table("mead_numbering")["numberings"]:
        numbered = dict(
            zip(_expand(ranges), (f"s{int(index):03d}" for index in ids.split()), strict=True)
        )
        for recording in recordings.split():
            actor, levels = recording.split(":")
            for level in levels:
                for number, sentence in numbered.items():
                    sentences[MeadKey(actor, emotion, int(level), number)] = sentence
    return sentences


def _expand(ranges: str) -> list[int]:
    """Expand `1-3 7` to [1, 2, 3, 7]."""
    numbers: list[int] = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
