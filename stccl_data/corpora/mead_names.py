"""Parse MEAD's file and folder names.

The layout is `ACTOR/video/VIEW/EMOTION/level_N/NNN.mp4`; several flat name forms are in
circulation. A label may be in the file name, in the folders above it, or in both; if it is in
both, they must agree.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from stccl_data.clip import parse_emotion
from stccl_data.corpora.tables import MeadKey, table
from stccl_data.corpora.tree import File, Tree
from stccl_data.errors import ClipError, Reason

#: `001`, `M003_neu_1_001`, `M030_front_angry_level3_001`, `M003_front_angry_level_3_001`,
#: `M003_level_2_contempt_001`.
NAME = re.compile(
    r"""(?: (?P<actor> [MW]\d{3}) _ )?
        (?: (?P<view> down | front | top | (?:left|right) [_-]? \d\d) _ )?
        (?: level [_-]? (?P<level_before> \d) _ )?
        (?: (?P<emotion> [a-z]+) _ )?
        (?: (?:level [_-]?)? (?P<level_after> \d) _ )?
        (?P<number> \d{1,3})""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
ACTOR = re.compile(r"[MW]\d{3}", re.IGNORECASE | re.ASCII)
LEVEL = re.compile(r"level[ _-]?(\d+)", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class MeadLabels:
    """The labels in a file name, or in the folders above it; None if absent."""

    actor: str | None = None
    view: str | None = None
    emotion: str | None = None
    level: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A MEAD recording. The view of an audio file is None unless its name contains one."""

    key: MeadKey
    view: str | None

    def with_view(self) -> "Recording":
        """Set a missing view to `front`.

        Flat copies such as `M003_neu_1_001.mp4` contain no view; they were made of the front
        camera.
        """
        return Recording(self.key, self.view or "front")

    def without_view(self) -> "Recording":
        """Remove the view."""
        return Recording(self.key, None)


@lru_cache(maxsize=4096)  # most names are 001 to 077, thousands of times over
def parse_mead_name(stem: str) -> MeadLabels | None:
    """Parse the name of a clip without its suffix; None if it is not a MEAD name.

    Raises:
        ClipError: the emotion is unknown.
    """
    match = NAME.fullmatch(stem)
    if match is None:
        return None
    emotion = match["emotion"]
    if emotion is not None and mead_emotion(emotion) is None:
        raise ClipError(
            Reason.UNKNOWN_CODE, f"'{emotion}' in the name {stem} is not an emotion of MEAD"
        )
    level = match["level_before"] or match["level_after"]
    return MeadLabels(
        actor=match["actor"] and match["actor"].upper(),
        view=match["view"] and _parse_view(match["view"]),
        emotion=emotion and mead_emotion(emotion),
        level=int(level) if level else None,
        number=int(match["number"]),
    )


@cache
def mead_emotion(word: str) -> str | None:
    """Map MEAD's word for an emotion, or its first three letters, to one of `EMOTIONS`.

    Returns:
        None if it is not one of MEAD's eight emotions.
    """
    emotions: list[str] = table("mead")["emotions"]
    short = {emotion[:3]: emotion for emotion in emotions}
    emotion = parse_emotion(word) or short.get(word.lower())
    return emotion if emotion in emotions else None


def parse_recording(tree: Tree, file: File) -> Recording | ClipError:
    """Identify the recording of a file by its name and folders; return the error if impossible."""
    try:
        labels = parse_mead_name(file.stem)
        if labels is None:
            return ClipError(
                Reason.UNKNOWN_NAME,
                f"{file.shown} is not named like a MEAD clip, "
                "such as 001.mp4 or M003_front_angry_level_1_001.mp4",
            )
        return _merge_labels(file, labels, _folder_labels(file.folder.parts, tree.root.parts[1:]))
    except ClipError as error:
        if file.shown not in error.detail:
            return ClipError(error.reason, f"{file.shown}: {error.detail}")
        return error


def parent_name(tree: Tree, file: File) -> str:
    """Return the name of the folder that contains `file`."""
    return file.folder.parts[-1] if file.folder.parts else tree.root.name


def _merge_labels(file: File, name: MeadLabels, folder: MeadLabels) -> Recording:
    """Combine the labels of name and folders into a complete recording. Raises ClipError."""
    for label in ("actor", "view", "emotion", "level"):
        in_name, in_folder = getattr(name, label), getattr(folder, label)
        if in_name is not None and in_folder is not None and in_name != in_folder:
            raise ClipError(
                Reason.LABEL_CONFLICT,
                f"{file.shown}: its name has {label} {in_name}, but its folder has {in_folder}",
            )

    def missing(what: str) -> ClipError:
        return ClipError(
            Reason.UNKNOWN_NAME, f"{file.shown}: no {what} in its name or in the folders above it"
        )

    actor, emotion = name.actor or folder.actor, name.emotion or folder.emotion
    if actor is None:
        raise missing("actor such as M003")
    if emotion is None:
        raise missing("emotion")
    level = name.level if name.level is not None else folder.level  # `or` would skip a level 0
    if level is None:
        if emotion != "neutral":
            raise missing("level such as level_1")
        level = 1
    if level not in table("mead")["levels"] or (emotion == "neutral" and level != 1):
        raise ClipError(
            Reason.UNKNOWN_CODE, f"{file.shown}: MEAD has no level {level} for {emotion}"
        )
    view = name.view or folder.view
    if view is not None and view not in table("mead")["views"]:
        raise ClipError(Reason.UNKNOWN_CODE, f"{file.shown}: MEAD has no view {view}")
    if name.number is None:
        raise ClipError(Reason.UNKNOWN_NAME, f"{file.shown}: no clip number in its name")
    return Recording(MeadKey(actor, emotion, level, name.number), view)


@cache
def _folder_labels(inside: tuple[str, ...], above: tuple[str, ...]) -> MeadLabels:
    """Collect the labels of the folders from the innermost up to the actor's.

    Args:
        inside: path components below RAW.
        above: path components of RAW itself, which count as long as each is a label.

    Raises:
        ClipError: two folders disagree, or the folder above the level is not an emotion.
    """
    labels: dict[str, str | int] = {}

    def add(label: str, value: str | int) -> None:
        if labels.setdefault(label, value) != value:
            raise ClipError(
                Reason.LABEL_CONFLICT,
                f"its folders have both {label} {labels[label]} and {value}",
            )

    below = ""
    for part, is_inside in [(part, True) for part in reversed(inside)] + [
        (part, False) for part in reversed(above)
    ]:
        if level := LEVEL.fullmatch(part):
            add("level", int(level[1]))
        elif ACTOR.fullmatch(part):
            add("actor", part.upper())
            break
        elif emotion := mead_emotion(part):
            add("emotion", emotion)
        elif _parse_view(part) in table("mead")["views"]:
            add("view", _parse_view(part))
        elif LEVEL.fullmatch(below):
            raise ClipError(
                Reason.UNKNOWN_CODE, f"the folder '{part}' above {below} is not an emotion of MEAD"
            )
        elif not is_inside and part.lower() not in ("video", "audio"):
            break
        below = part
    return MeadLabels(**labels)  # type: ignore[arg-type]


def _parse_view(word: str) -> str:
    """Normalise `Left-30` or `left30` to `left_30`."""
    return re.sub(r"[_ -]?(\d\d)$", r"_\1", word.lower())
