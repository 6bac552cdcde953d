"""The corpus tables of `manifests/`, read from the installed package."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """The table `manifests/NAME.json`. Treat it as read-only: it is shared."""
    text = files("stccl_manifests").joinpath(f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def mead_numbering() -> dict[tuple[str, str, int, int], str]:
    """(actor, emotion, level, clip number) -> sentence id such as `s009`, for the 31,060 front clips that are listed."""
    sentences: dict[tuple[str, str, int, int], str] = {}
    for emotion, recordings, numbers, ids in table("mead_numbering")["numberings"]:
        known = dict(
            zip(_expand(numbers), (f"s{int(one):03d}" for one in ids.split()), strict=True)
        )
        for recording in recordings.split():
            actor, levels = recording.split(":")
            for level in levels:
                sentences |= {
                    (actor, emotion, int(level), number): one for number, one in known.items()
                }
    return sentences


def _expand(ranges: str) -> list[int]:
    """`1-3 7` -> [1, 2, 3, 7]."""
    numbers: list[int] = []
    for part in ranges.split():
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers
