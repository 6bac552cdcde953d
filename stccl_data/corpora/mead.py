"""MEAD: `ACTOR/video/VIEW/EMOTION/level_N/NNN.mp4`, its other name forms, and which sentence a clip number is.

A label may stand in the file's name, in the folders above it, or in both; where both say it they must agree.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from stccl_data.clip import Clip, parse_emotion, slug
from stccl_data.corpora.scan import Finding
from stccl_data.corpora.sound import attach_sound
from stccl_data.corpora.tables import table
from stccl_data.corpora.tree import File, Folder, Tree, copies_found, packed, wrong_suffixes
from stccl_data.errors import ClipError, Reason

DEFAULT_VIEWS = ("front",)
#: `001`, `M003_neu_1_001`, `M030_front_angry_level3_001`, `M003_front_angry_level_3_001`, `M003_level_2_contempt_001`.
NAME = re.compile(
    r"""(?: (?P<actor> [MW]\d{3}) _ )?
        (?: (?P<view> down | front | top | (?:left|right) [_-]? \d\d) _ )?
        (?: level [_-]? (?P<level_before> \d) _ )?
        (?: (?P<emotion> [a-z]+) _ )?
        (?: (?:level [_-]?)? (?P<level_after> \d) _ )?
        (?P<number> \d{1,3})""",
    re.VERBOSE | re.IGNORECASE,
)
ACTOR = re.compile(r"[MW]\d{3}", re.IGNORECASE)
LEVEL = re.compile(r"level[ _-]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Labels:
    """What a name, or the folders above it, say. None where they are silent."""

    actor: str | None = None
    view: str | None = None
    emotion: str | None = None
    level: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """A MEAD recording: sound has view None unless it says one."""

    actor: str
    view: str | None
    emotion: str
    level: int
    number: int

    @property
    def listed(self) -> tuple[str, str, int, int]:
        """Its key in a numbering table; the cameras rolled together, so all views share it."""
        return self.actor, self.emotion, self.level, self.number


def resemblance(tree: Tree) -> int:
    """How many files of the tree MEAD's rules explain, for telling corpora apart."""
    clips = sum(1 for file in tree.media() if not isinstance(_recording(tree, file), ClipError))
    tars = sum(
        1
        for file in tree.files
        if file.name in ("video.tar", "audio.tar") and ACTOR.fullmatch(_parent(tree, file))
    )
    return clips + tars


def read(
    tree: Tree,
    sentences: Mapping[tuple[str, str, int, int], str | None],
    texts: Mapping[tuple[str, str, int, int], str],
) -> tuple[list[Clip], list[Finding]]:
    """Clips and findings of a MEAD tree.

    sentences: (actor, emotion, level, number) -> sentence id; texts: the same key -> words. Recordings that sentences does
    not hold get None: nothing is guessed from their number.
    """
    findings: list[Finding] = []
    media: list[tuple[Recording, File]] = []
    for file in tree.media():
        recording = _recording(tree, file)
        if isinstance(recording, ClipError):
            findings.append(Finding(file.path, recording.reason, recording.detail))
        else:
            media.append((recording, file))

    sound_only = not any(file.is_video for _, file in media)
    found = attach_sound(
        tree,
        [(_with_view(recording), file) for recording, file in media if file.is_video],
        [
            (_with_view(recording) if sound_only else recording, file)
            for recording, file in media
            if not file.is_video
        ],
        wider=lambda recording: Recording(
            recording.actor, None, recording.emotion, recording.level, recording.number
        ),
    )
    findings += copies_found(tree, found.copies) + found.findings

    clips = []
    takes: dict[tuple[object, ...], int] = {}
    for recording, (path, audio_path) in sorted(
        found.clips.items(), key=lambda item: item[0].listed
    ):
        sentence = sentences.get(recording.listed)
        labels = (recording.actor, recording.view, recording.emotion, recording.level)
        take = takes[*labels, sentence] = takes.get((*labels, sentence), 0) + 1 if sentence else 1
        clips.append(
            Clip(
                clip_id=_clip_id(recording, sentence, take),
                corpus="mead",
                speaker=recording.actor,
                emotion=recording.emotion,
                sentence=sentence,
                path=path,
                audio_path=audio_path,
                level=recording.level,
                take=take,
                view=recording.view or "front",
                text=texts.get(recording.listed),
            )
        )

    findings += wrong_suffixes(tree, lambda file: not isinstance(_recording(tree, file), ClipError))
    findings += packed(tree, lambda file, bare: False)
    findings += _known_defects(tree, clips)
    return clips, findings


@lru_cache(maxsize=4096)  # most names are 001 to 077, thousands of times over
def labels_of_name(stem: str) -> Labels | None:
    """What a clip's name without suffix says, or None where it is no MEAD name. Raises ClipError on an unknown emotion."""
    match = NAME.fullmatch(stem)
    if match is None:
        return None
    emotion = match["emotion"]
    if emotion is not None and mead_emotion(emotion) is None:
        raise ClipError(
            Reason.UNKNOWN_CODE, f"'{emotion}' in the name {stem} is no emotion of MEAD"
        )
    level = match["level_before"] or match["level_after"]
    return Labels(
        actor=match["actor"] and match["actor"].upper(),
        view=match["view"] and _view(match["view"]),
        emotion=emotion and mead_emotion(emotion),
        level=int(level) if level else None,
        number=int(match["number"]),
    )


@cache
def mead_emotion(word: str) -> str | None:
    """Our word for an emotion as MEAD writes it, whole or by its first three letters; None where it is none of MEAD's eight."""
    emotions: list[str] = table("mead")["emotions"]
    short = {emotion[:3]: emotion for emotion in emotions}
    emotion = parse_emotion(word) or short.get(word.lower())
    return emotion if emotion in emotions else None


def _recording(tree: Tree, file: File) -> Recording | ClipError:
    """The recording that a file is by its name and folders, or why it is none."""
    try:
        name = labels_of_name(file.stem)
        if name is None:
            return ClipError(
                Reason.UNKNOWN_NAME,
                f"{file.shown} is not named as a MEAD clip such as 001.mp4 or M003_front_angry_level_1_001.mp4",
            )
        return _agreed(file, name, _folder_labels(tree, file.folder))
    except ClipError as error:
        if file.shown not in error.detail:
            return ClipError(error.reason, f"{file.shown}: {error.detail}")
        return error


def _agreed(file: File, name: Labels, folder: Labels) -> Recording:
    for label in ("actor", "view", "emotion", "level"):
        by_name, by_folder = getattr(name, label), getattr(folder, label)
        if by_name is not None and by_folder is not None and by_name != by_folder:
            raise ClipError(
                Reason.LABEL_CONFLICT,
                f"{file.shown} says {label} {by_name} in its name, but its folder says {by_folder}",
            )
    actor, emotion = name.actor or folder.actor, name.emotion or folder.emotion
    if actor is None:
        raise ClipError(
            Reason.UNKNOWN_NAME,
            f"{file.shown} has no actor such as M003 in its name or in the folders above it",
        )
    if emotion is None:
        raise ClipError(
            Reason.UNKNOWN_NAME,
            f"{file.shown} has no emotion in its name or in the folders above it",
        )
    # `or` would let a level 0 pass as absent.
    level = name.level if name.level is not None else folder.level
    if level is None:
        if emotion != "neutral":
            raise ClipError(
                Reason.UNKNOWN_NAME,
                f"{file.shown} has no level such as level_1 in its name or in the folders above it",
            )
        level = 1
    if level not in table("mead")["levels"] or (emotion == "neutral" and level != 1):
        raise ClipError(
            Reason.UNKNOWN_CODE,
            f"{file.shown} says level {level}, which MEAD does not have for {emotion}",
        )
    view = name.view or folder.view
    if view is not None and view not in table("mead")["views"]:
        raise ClipError(
            Reason.UNKNOWN_CODE, f"{file.shown} says view {view}, which MEAD does not have"
        )
    if name.number is None:
        raise ClipError(Reason.UNKNOWN_NAME, f"{file.shown} has no clip number")
    return Recording(actor, view, emotion, level, name.number)


def _folder_labels(tree: Tree, folder: Folder) -> Labels:
    return _labels_of_folders(folder.parts, tree.root.parts[1:])


@cache
def _labels_of_folders(inside: tuple[str, ...], above: tuple[str, ...]) -> Labels:
    """What the folders from the innermost up to the actor's say; `above` are those over RAW, which count while each is a label.

    Raises ClipError where two of them disagree, or the emotion's place holds no emotion.
    """
    found: dict[str, str | int] = {}

    def note(kind: str, value: str | int) -> None:
        if found.setdefault(kind, value) != value:
            raise ClipError(
                Reason.LABEL_CONFLICT, f"its folders say both {kind} {found[kind]} and {value}"
            )

    below = ""
    for part, is_inside in [(part, True) for part in reversed(inside)] + [
        (part, False) for part in reversed(above)
    ]:
        if level := LEVEL.fullmatch(part):
            note("level", int(level[1]))
        elif ACTOR.fullmatch(part):
            note("actor", part.upper())
            break
        elif emotion := mead_emotion(part):
            note("emotion", emotion)
        elif _view(part) in table("mead")["views"]:
            note("view", _view(part))
        elif LEVEL.fullmatch(below):
            raise ClipError(
                Reason.UNKNOWN_CODE, f"the folder '{part}' above {below} is no emotion of MEAD"
            )
        elif not is_inside and part.lower() not in ("video", "audio"):
            break
        below = part
    return Labels(**found)  # type: ignore[arg-type]


def _view(word: str) -> str:
    """`Left-30` or `left30` -> `left_30`."""
    return re.sub(r"[_ -]?(\d\d)$", r"_\1", word.lower())


def _with_view(recording: Recording) -> Recording:
    """A flat copy such as `M003_neu_1_001.mp4` names no view: such copies were made of the front camera."""
    if recording.view is not None:
        return recording
    return Recording(recording.actor, "front", recording.emotion, recording.level, recording.number)


def _clip_id(recording: Recording, sentence: str | None, take: int) -> str:
    spoken = f"n{recording.number:03d}" if sentence is None else slug(sentence)
    return f"mead/{recording.actor}/{recording.view}/{recording.emotion}-{recording.level}/{spoken}-t{take:03d}"


def _parent(tree: Tree, file: File) -> str:
    return file.folder.parts[-1] if file.folder.parts else tree.root.name


def _known_defects(tree: Tree, clips: list[Clip]) -> list[Finding]:
    """A remark for each defect of the release that these clips touch."""
    there = {(clip.speaker, clip.emotion, clip.level) for clip in clips}
    speakers = {clip.speaker for clip in clips}
    findings = []
    for defect in table("mead")["defects"]:
        if "emotion" in defect:
            touched = (defect["speaker"], defect["emotion"], defect["level"]) in there
            what = f"{defect['speaker']} {defect['emotion']} level {defect['level']}"
        else:
            touched, what = defect["speaker"] in speakers, defect["speaker"]
        if touched:
            findings.append(
                Finding(str(tree.root), Reason.KNOWN_DEFECT, f"{what}: {defect['note']}", files=0)
            )
    return findings
