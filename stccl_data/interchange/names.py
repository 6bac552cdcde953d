"""What the published forms call a clip: its number within speaker, emotion and level."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from stccl_data.clip import Clip, slug
from stccl_data.corpora.mead_names import parse_mead_name
from stccl_data.errors import ClipError


def published_names(clips: Iterable[Clip]) -> dict[str, str]:
    """clip_id -> name: MEAD's clip number (`001`), in other corpora sentence and take (`door-t001`). Without `_`, which stands
    between the two names of a pair.

    Of one speaker, view, emotion and level no two clips share a name: where manifests make them alike, `-2`, `-3` tell them apart.
    """
    names: dict[str, str] = {}
    used: defaultdict[tuple[object, ...], int] = defaultdict(int)
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        name = (
            _number(clip)
            or f"{slug(clip.sentence or 'unknown').replace('_', '-')}-t{clip.take:03d}"
        )
        place = (published_speaker(clip.speaker), clip.view, clip.emotion, clip.level, name)
        used[place] += 1
        names[clip.clip_id] = name if used[place] == 1 else f"{name}-{used[place]}"
    return names


def published_speaker(speaker: str) -> str:
    """The speaker as a folder may be called; MEAD's as they are."""
    return slug(speaker)


def _number(clip: Clip) -> str | None:
    if clip.corpus != "mead":
        return None
    try:
        labels = parse_mead_name(Path(clip.path).stem)
    except ClipError:
        return None
    return None if labels is None or labels.number is None else f"{labels.number:03d}"
