"""RAVDESS: `Actor_NN/MODALITY-CHANNEL-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR.mp4`, two digits each."""

import re
from collections import Counter
from typing import NamedTuple

from stccl_data.clip import Clip
from stccl_data.corpora.scan import Finding
from stccl_data.corpora.tables import table
from stccl_data.corpora.tree import File, Tree, copies_found, first_of_each, packed, wrong_suffixes
from stccl_data.errors import ClipError, Reason

NAME = re.compile(r"\d\d(?:-\d\d){6}")
ACTOR_FOLDER = re.compile(r"Actor[ _-]?(\d\d)", re.IGNORECASE)
ARCHIVE = re.compile(r"(Video|Audio)_(Speech|Song)_Actors?_(\d\d)(?:-(\d\d))?", re.IGNORECASE)


class Codes(NamedTuple):
    """The seven codes of a name, two digits each."""

    modality: str
    channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: str
    actor: str


def resemblance(tree: Tree) -> int:
    """How many files of the tree are named as RAVDESS names them."""
    return sum(
        1
        for file in tree.files
        if (NAME.fullmatch(file.stem) and file.is_media) or ARCHIVE.match(file.name)
    )


def read(tree: Tree) -> tuple[list[Clip], list[Finding]]:
    """Clips and findings of a RAVDESS tree.

    Of one recording the video with sound (modality 01) is used, else the video without (02), else the sound alone (03): a
    recording is one clip, whatever it was exported as. Song and speech are different material, so a song's statement is
    `song-s01`. The repetition is the take, the intensity the level.
    """
    findings: list[Finding] = []
    named: list[tuple[Codes, File]] = []
    for file in tree.media():
        try:
            named.append((_codes(tree, file), file))
        except ClipError as error:
            findings.append(Finding(file.path, error.reason, error.detail))
    first, copies = first_of_each(named)
    findings += copies_found(tree, copies)

    best: dict[tuple[str, ...], tuple[Codes, File]] = {}
    passed_over: Counter[str] = Counter()
    for codes, file in sorted(first.items(), key=lambda item: item[0]):
        if best.setdefault(codes[1:], (codes, file))[1] is not file:
            passed_over[codes.modality] += 1
    for modality, count in sorted(passed_over.items()):
        what = table("ravdess")["modality"][modality]
        detail = f"{count} files of modality {modality} ({what}) repeat recordings of which a fuller file is used"
        findings.append(Finding(str(tree.root), Reason.NOT_SELECTED, detail, files=count))

    findings += wrong_suffixes(tree, lambda file: NAME.fullmatch(file.stem) is not None)
    findings += packed(tree, lambda file, bare: _is_unpacked(bare, first))
    return [_clip(codes, file) for codes, file in best.values()], findings


def _codes(tree: Tree, file: File) -> Codes:
    if not NAME.fullmatch(file.stem):
        raise ClipError(
            Reason.UNKNOWN_NAME,
            f"{file.shown} is not named as a RAVDESS clip such as 01-01-03-02-01-01-07.mp4",
        )
    codes = Codes(*file.stem.split("-"))
    known = table("ravdess")
    for part in ("modality", "channel", "emotion", "intensity", "statement", "repetition"):
        if getattr(codes, part) not in known[part]:
            raise ClipError(
                Reason.UNKNOWN_CODE,
                f"{file.shown} says {part} {getattr(codes, part)}, which RAVDESS does not have",
            )
    if not 1 <= int(codes.actor) <= known["actors"]:
        raise ClipError(
            Reason.UNKNOWN_CODE,
            f"{file.shown} says actor {codes.actor}, which RAVDESS does not have",
        )
    if codes.emotion == "01" and codes.intensity == "02":
        raise ClipError(
            Reason.UNKNOWN_CODE,
            f"{file.shown} says strong intensity, which RAVDESS does not have for neutral",
        )
    for folder in (*reversed(file.folder.parts), tree.root.name):
        if match := ACTOR_FOLDER.fullmatch(folder):
            if match[1] != codes.actor:
                raise ClipError(
                    Reason.LABEL_CONFLICT,
                    f"{file.shown} says actor {codes.actor} in its name, but its folder says {match[1]}",
                )
            break
    return codes


def _clip(codes: Codes, file: File) -> Clip:
    known = table("ravdess")
    emotion, level, take = (
        known["emotion"][codes.emotion],
        known["intensity"][codes.intensity],
        known["repetition"][codes.repetition],
    )
    sentence = ("song-" if codes.channel == "02" else "") + known["statement"][codes.statement]
    return Clip(
        clip_id=f"ravdess/{codes.actor}/front/{emotion}-{level}/{sentence}-t{take:03d}",
        corpus="ravdess",
        speaker=codes.actor,
        emotion=emotion,
        sentence=sentence,
        path=file.path,
        level=level,
        take=take,
    )


def _is_unpacked(bare: str, found: dict[Codes, File]) -> bool:
    """Whether clips of every actor that an archive such as `Video_Speech_Actor_07` holds were found."""
    match = ARCHIVE.fullmatch(bare)
    if match is None:
        return False
    modalities = ("01", "02") if match[1].lower() == "video" else ("03",)
    channel = "01" if match[2].lower() == "speech" else "02"
    there = {
        codes.actor for codes in found if codes.modality in modalities and codes.channel == channel
    }
    packed_actors = {
        f"{actor:02d}" for actor in range(int(match[3]), int(match[4] or match[3]) + 1)
    }
    if channel == "02":
        packed_actors.discard("18")  # nobody has songs of actor 18
    return packed_actors <= there
