"""CREMA-D: `ACTOR_SENTENCE_EMOTION_LEVEL.flv`, with wav and mp3 files of the same names."""

import re
from typing import NamedTuple

from stccl_data.clip import Clip
from stccl_data.corpora.checks import find_archives, find_duplicates, find_wrong_suffixes
from stccl_data.corpora.records import Finding, Listing
from stccl_data.corpora.sound import Media, match_sound
from stccl_data.corpora.tables import table
from stccl_data.corpora.tree import File, Tree
from stccl_data.errors import ClipError, Reason

NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})", re.IGNORECASE)


class Codes(NamedTuple):
    """The four codes of a file name, upper case."""

    actor: str
    sentence: str
    emotion: str
    level: str


def count_matches(tree: Tree) -> int:
    """Count the files named like CREMA-D clips, to recognise the corpus."""
    return sum(_is_clip_name(file) for file in tree.media())


def read(tree: Tree) -> Listing:
    """List the clips and findings of a CREMA-D folder.

    Clips that `manifests/cremad.json` lists as defective are findings. Levels LO, MD and HI are
    1 to 3; XX, for which the actor was not asked for a level, is 0.
    """
    findings: list[Finding] = []
    media: list[tuple[Codes, File]] = []
    defects: dict[str, str] = table("cremad")["defects"]
    for file in tree.media():
        try:
            codes = _parse_codes(file)
        except ClipError as error:
            findings.append(Finding(file.path, error.reason, error.detail))
            continue
        if defect := defects.get("_".join(codes)):
            detail = f"{file.shown} is excluded: {defect}"
            findings.append(Finding(file.path, Reason.KNOWN_DEFECT, detail))
        else:
            media.append((codes, file))
    match = match_sound(
        [(codes, file) for codes, file in media if file.is_video],
        [(codes, file) for codes, file in media if not file.is_video],
    )
    findings += find_duplicates(tree, match.duplicates) + match.findings
    findings += find_wrong_suffixes(tree, _is_clip_name) + find_archives(tree)
    return Listing([_clip(codes, files) for codes, files in match.media.items()], findings)


def _is_clip_name(file: File) -> bool:
    return NAME.fullmatch(file.stem) is not None


def _parse_codes(file: File) -> Codes:
    match = NAME.fullmatch(file.stem)
    if match is None:
        raise ClipError(
            Reason.UNKNOWN_NAME,
            f"{file.shown} is not named like a CREMA-D clip, such as 1001_IEO_ANG_HI.flv",
        )
    codes = Codes(*(group.upper() for group in match.groups()))
    for label in ("sentence", "emotion", "level"):
        code = getattr(codes, label)
        if code not in table("cremad")[label + "s"]:
            raise ClipError(Reason.UNKNOWN_CODE, f"{file.shown}: CREMA-D has no {label} {code}")
    return codes


def _clip(codes: Codes, files: Media) -> Clip:
    emotion = table("cremad")["emotions"][codes.emotion]
    level = table("cremad")["levels"][codes.level]
    sentence = codes.sentence.lower()
    return Clip(
        clip_id=f"cremad/{codes.actor}/front/{emotion}-{level}/{sentence}-t001",
        corpus="cremad",
        speaker=codes.actor,
        emotion=emotion,
        sentence=sentence,
        path=files.path,
        audio_path=files.audio_path,
        level=level,
    )
