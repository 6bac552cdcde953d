"""Check the options of a demo corpus and list the clips they select."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import TypeVar

from stccl_data.clip import parse_emotion
from stccl_data.demo.layouts import (
    LAYOUTS,
    ClipName,
    actors,
    clip_name,
    layout_emotions,
    sentence_ids,
    takes,
)
from stccl_data.errors import UsageError

DEFAULT_EMOTIONS = ("neutral", "happy", "angry", "sad")
_Value = TypeVar("_Value", str, int)


class DemoError(UsageError):
    """The requested demo corpus cannot be rendered."""


def select_clips(
    layout: str,
    speakers: int | Sequence[str],
    emotions: Sequence[str],
    sentences: int | Sequence[int],
    repetitions: int = 1,
) -> tuple[ClipName, ...]:
    """List the clips that `render_corpus` renders for the same options, in its order.

    Raises:
        DemoError: a value does not exist in the layout.
    """
    if layout not in LAYOUTS:
        raise DemoError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    names = [parse_emotion(word) or word for word in emotions]
    chosen_speakers = _choose("speakers", speakers, actors(layout), layout)
    chosen_sentences = _choose("sentences", sentences, sentence_ids(layout), layout)
    chosen_emotions = _choose("emotions", names, layout_emotions(layout), layout)
    if not 1 <= repetitions <= takes(layout):
        raise DemoError(f"{repetitions} repetitions: the layout {layout} has 1 to {takes(layout)}")
    return tuple(
        clip_name(layout, speaker, emotion, sentence, take)
        for speaker, sentence, emotion, take in product(
            chosen_speakers, chosen_sentences, chosen_emotions, range(1, repetitions + 1)
        )
    )


def check_size(size: int) -> int:
    """Return the side of a frame in pixels if it is valid. Raises DemoError."""
    if size < 96 or size % 2:
        raise DemoError(f"frame size {size}: must be an even number of 96 pixels or more")
    return size


def parse_fps(fps: int | float | str | Fraction) -> Fraction:
    """Convert a frame rate to a fraction. Raises DemoError."""
    try:
        rate = Fraction(str(fps)).limit_denominator(1001)
    except (ValueError, ZeroDivisionError):
        raise DemoError(
            f"frame rate {fps!r}: must be a number such as 25 or a fraction such as 30000/1001"
        ) from None
    if not 5 <= rate <= 120:
        raise DemoError(f"frame rate {fps}: must be 5 to 120 frames per second")
    return rate


def _choose(
    what: str, requested: int | Sequence[_Value], available: Sequence[_Value], layout: str
) -> Sequence[_Value]:
    """Resolve a count or a list of values."""
    if isinstance(requested, int):
        if not 1 <= requested <= len(available):
            raise DemoError(f"{requested} {what}: the layout {layout} has 1 to {len(available)}")
        return available[:requested]
    unknown = [value for value in requested if value not in available]
    if unknown or not requested:
        raise DemoError(
            f"unknown {what} {', '.join(map(str, unknown)) or '(none given)'}; "
            f"the layout {layout} has {', '.join(map(str, available))}"
        )
    return list(dict.fromkeys(requested))
