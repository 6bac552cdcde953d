"""CREMA-D: `ACTOR_SENTENCE_EMOTION_LEVEL.flv`, with the same names in wav and mp3 beside."""

import re
from typing import NamedTuple

from stccl_data.clip import Clip
from stccl_data.corpora.scan import Finding
from stccl_data.corpora.sound import attach_sound
from stccl_data.corpora.tables import table
from stccl_data.corpora.tree import File, Tree, copies_found, packed, wrong_suffixes
from stccl_data.errors import ClipError, Reason

NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})", re.IGNORECASE)


class Codes(NamedTuple):
    """The four codes of a name, upper case."""

    actor: str
    sentence: str
    emotion: str
    level: str


def resemblance(tree: Tree) -> int:
    """How many files of the tree are named as CREMA-D names them."""
    return sum(1 for file in tree.media() if NAME.fullmatch(file.stem))


def read(tree: Tree) -> tuple[list[Clip], list[Finding]]:
    """Clips and findings of a CREMA-D tree. Clips that `manifests/cremad.json` lists as defective are findings.

    The level is 1 to 3 for LO, MD, HI, and 0 for XX, where nobody asked the actor for a level.
    """
    findings: list[Finding] = []
    named: list[tuple[Codes, File]] = []
    defects: dict[str, str] = table("cremad")["defects"]
    for file in tree.media():
        try:
            codes = _codes(file)
        except ClipError as error:
            findings.append(Finding(file.path, error.reason, error.detail))
            continue
        if defect := defects.get("_".join(codes)):
            findings.append(
                Finding(file.path, Reason.KNOWN_DEFECT, f"{file.shown} is left out: {defect}")
            )
        else:
            named.append((codes, file))
    found = attach_sound(
        tree,
        [pair for pair in named if pair[1].is_video],
        [pair for pair in named if not pair[1].is_video],
    )
    findings += copies_found(tree, found.copies) + found.findings
    findings += wrong_suffixes(tree, lambda file: NAME.fullmatch(file.stem) is not None)
    findings += packed(tree, lambda file, bare: False)
    return [_clip(codes, path, sound) for codes, (path, sound) in found.clips.items()], findings


def _codes(file: File) -> Codes:
    match = NAME.fullmatch(file.stem)
    if match is None:
        raise ClipError(
            Reason.UNKNOWN_NAME,
            f"{file.shown} is not named as a CREMA-D clip such as 1001_IEO_ANG_HI.flv",
        )
    codes = Codes(*(group.upper() for group in match.groups()))
    for part in ("sentence", "emotion", "level"):
        if getattr(codes, part) not in table("cremad")[part + "s"]:
            raise ClipError(
                Reason.UNKNOWN_CODE,
                f"{file.shown} says {part} {getattr(codes, part)}, which CREMA-D does not have",
            )
    return codes


def _clip(codes: Codes, path: str, audio_path: str | None) -> Clip:
    emotion, level = (
        table("cremad")["emotions"][codes.emotion],
        table("cremad")["levels"][codes.level],
    )
    sentence = codes.sentence.lower()
    return Clip(
        clip_id=f"cremad/{codes.actor}/front/{emotion}-{level}/{sentence}-t001",
        corpus="cremad",
        speaker=codes.actor,
        emotion=emotion,
        sentence=sentence,
        path=path,
        audio_path=audio_path,
        level=level,
    )
