"""RAVDESS: `Actor_NN/MODALITY-CHANNEL-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR.mp4`.

Each code is two digits.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from stccl_data.clip import Clip
from stccl_data.corpora.checks import (
    find_archives,
    find_duplicates,
    find_wrong_suffixes,
    stub_finding,
)
from stccl_data.corpora.records import Finding, Listing
from stccl_data.corpora.tables import table
from stccl_data.corpora.tree import File, Tree, keep_first
from stccl_data.errors import ClipError, Reason

NAME = re.compile(r"\d\d(?:-\d\d){6}")
ACTOR_FOLDER = re.compile(r"Actor[ _-]?(\d\d)", re.IGNORECASE)
ARCHIVE = re.compile(r"(Video|Audio)_(Speech|Song)_Actors?_(\d\d)(?:-(\d\d))?", re.IGNORECASE)
#: The modality of files without video.
SOUND = "03"
#: The corpus has no songs of this actor.
ACTOR_WITHOUT_SONGS = "18"


class Codes(NamedTuple):
    """The seven codes of a file name, two digits each."""

    modality: str
    channel: str
    emotion: str
    intensity: str
    statement: str
    repetition: str
    actor: str


def count_matches(tree: Tree) -> int:
    """Count the files named like RAVDESS clips or archives, to recognise the corpus."""
    return sum(
        (_is_clip_name(file) and file.is_media) or ARCHIVE.match(file.name) is not None
        for file in tree.files
    )


def read(tree: Tree) -> Listing:
    """List the clips and findings of a RAVDESS folder.

    Each recording is one clip: the video with sound (modality 01) if it exists, else the video
    without sound (02), else the sound alone (03). The intensity is the level, the repetition the
    take. Song and speech are different material, so the statement of a song is `song-s01`.
    """
    findings: list[Finding] = []
    media: list[tuple[Codes, File]] = []
    for file in tree.media():
        try:
            media.append((_parse_codes(tree, file), file))
        except ClipError as error:
            findings.append(Finding(file.path, error.reason, error.detail))
    first, duplicates = keep_first(media)
    findings += find_duplicates(tree, duplicates)

    best: dict[tuple[str, ...], tuple[Codes, File]] = {}
    unused: Counter[str] = Counter()
    for codes, file in sorted(first.items(), key=_completeness):
        if best.setdefault(codes[1:], (codes, file))[1] is file:
            continue
        if file.stub is None:
            unused[codes.modality] += 1
        else:
            findings.append(stub_finding(file, file.stub))
    for modality, count in sorted(unused.items()):
        name = table("ravdess")["modality"][modality]
        detail = f"{count} files of modality {modality} ({name}): a more complete file exists"
        findings.append(Finding(str(tree.root), Reason.NOT_SELECTED, detail, files=count))

    findings += find_wrong_suffixes(tree, _is_clip_name)
    findings += find_archives(tree, lambda bare: _is_unpacked(bare, first))
    return Listing([_clip(codes, file) for codes, file in best.values()], findings)


def _completeness(item: tuple[Codes, File]) -> tuple[bool, bool, Codes]:
    """A sort key: videos first, then files whose content is here, then by modality."""
    codes, file = item
    return codes.modality == SOUND, file.stub is not None, codes


def _is_clip_name(file: File) -> bool:
    return NAME.fullmatch(file.stem) is not None


def _parse_codes(tree: Tree, file: File) -> Codes:
    if not _is_clip_name(file):
        raise ClipError(
            Reason.UNKNOWN_NAME,
            f"{file.shown} is not named like a RAVDESS clip, such as 01-01-03-02-01-01-07.mp4",
        )
    codes = Codes(*file.stem.split("-"))
    known = table("ravdess")

    def unknown(what: str) -> ClipError:
        return ClipError(Reason.UNKNOWN_CODE, f"{file.shown}: RAVDESS has no {what}")

    for label in ("modality", "channel", "emotion", "intensity", "statement", "repetition"):
        code = getattr(codes, label)
        if code not in known[label]:
            raise unknown(f"{label} {code}")
    if not 1 <= int(codes.actor) <= known["actors"]:
        raise unknown(f"actor {codes.actor}")
    if codes.emotion == "01" and codes.intensity == "02":
        raise unknown("strong intensity for neutral")
    for folder in (*reversed(file.folder.parts), tree.root.name):
        if match := ACTOR_FOLDER.fullmatch(folder):
            if match[1] != codes.actor:
                raise ClipError(
                    Reason.LABEL_CONFLICT,
                    f"{file.shown}: its name has actor {codes.actor}, "
                    f"but its folder has {match[1]}",
                )
            break
    return codes


def _clip(codes: Codes, file: File) -> Clip:
    known = table("ravdess")
    emotion = known["emotion"][codes.emotion]
    level = known["intensity"][codes.intensity]
    take = known["repetition"][codes.repetition]
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


def _is_unpacked(bare: str, recordings: Iterable[Codes]) -> bool:
    """Whether there are clips of every actor in an archive such as `Video_Speech_Actor_07`."""
    match = ARCHIVE.fullmatch(bare)
    if match is None:
        return False
    modalities = ("01", "02") if match[1].lower() == "video" else ("03",)
    channel = "01" if match[2].lower() == "speech" else "02"
    existing = {
        codes.actor
        for codes in recordings
        if codes.modality in modalities and codes.channel == channel
    }
    first, last = int(match[3]), int(match[4] or match[3])
    packed = {f"{actor:02d}" for actor in range(first, last + 1)}
    if channel == "02":
        packed.discard(ACTOR_WITHOUT_SONGS)
    return packed <= existing
