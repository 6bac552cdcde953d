"""Names of clips and speakers in the published formats."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from stccl_data.clip import Clip, slug
from stccl_data.corpora.mead_names import parse_mead_name
from stccl_data.errors import ClipError


def published_names(clips: Iterable[Clip]) -> dict[str, str]:
    """Return the published name of each clip by id.

    MEAD's clip number (`001`), in other corpora sentence and take (`door-t001`). Names contain no
    `_`, which separates the two names of a pair. Clips of one speaker, view, emotion and level have
    different names: those that a manifest labels alike are told apart by `-2`, `-3`.
    """
    names: dict[str, str] = {}
    used: defaultdict[tuple[object, ...], int] = defaultdict(int)
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        sentence = slug(clip.sentence or "unknown").replace("_", "-")
        name = _mead_number(clip) or f"{sentence}-t{clip.take:03d}"
        speaker, emotion = published_speaker(clip.speaker), published_emotion(clip.emotion)
        place = (speaker, clip.view, emotion, clip.level, name)
        used[place] += 1
        names[clip.clip_id] = name if used[place] == 1 else f"{name}-{used[place]}"
    return names


def published_emotion(emotion: str) -> str:
    """Return the emotion as the name of a folder; the emotions of `EMOTIONS` keep their names."""
    return slug(emotion)


def published_speaker(speaker: str) -> str:
    """Return the speaker as the name of a folder; MEAD's speakers keep their names."""
    return slug(speaker)


def _mead_number(clip: Clip) -> str | None:
    if clip.corpus != "mead":
        return None
    try:
        labels = parse_mead_name(Path(clip.path).stem)
    except ClipError:
        return None
    return None if labels is None or labels.number is None else f"{labels.number:03d}"
