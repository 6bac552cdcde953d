"""MEAD: `ACTOR/video/VIEW/EMOTION/level_N/NNN.mp4`, with audio per recording and not per view.

In MEAD the same clip number is another sentence in another emotion, level or actor; which one, a
numbering or a transcript list tells.
"""

from collections.abc import Mapping

from stccl_data.clip import Clip, slug
from stccl_data.corpora.checks import find_archives, find_duplicates, find_wrong_suffixes
from stccl_data.corpora.mead_names import ACTOR, Recording, parent_name, parse_recording
from stccl_data.corpora.records import Finding, Listing
from stccl_data.corpora.sound import match_sound
from stccl_data.corpora.tables import MeadKey, table
from stccl_data.corpora.tree import File, Tree
from stccl_data.errors import ClipError, Reason

DEFAULT_VIEWS = ("front",)


def count_matches(tree: Tree) -> int:
    """Count the files that MEAD's names explain, to recognise the corpus."""
    clips = sum(_is_clip(tree, file) for file in tree.media())
    archives = sum(
        file.name.lower() in ("video.tar", "audio.tar")
        and ACTOR.fullmatch(parent_name(tree, file)) is not None
        for file in tree.files
    )
    return clips + archives


def read(
    tree: Tree, sentences: Mapping[MeadKey, str | None], texts: Mapping[MeadKey, str]
) -> Listing:
    """List the clips and findings of a MEAD folder.

    Args:
        tree: the raw folder.
        sentences: sentence ids. A recording without one gets sentence None: its number alone
            says nothing.
        texts: the words of the recordings.
    """
    findings: list[Finding] = []
    media: list[tuple[Recording, File]] = []
    for file in tree.media():
        recording = parse_recording(tree, file)
        if isinstance(recording, ClipError):
            findings.append(Finding(file.path, recording.reason, recording.detail))
        else:
            media.append((recording, file))

    audio_only = not any(file.is_video for _, file in media)
    match = match_sound(
        [(recording.with_view(), file) for recording, file in media if file.is_video],
        [
            (recording.with_view() if audio_only else recording, file)
            for recording, file in media
            if not file.is_video
        ],
        wider=Recording.without_view,
    )
    clips = []
    last_take: dict[tuple[str | int | None, ...], int] = {}
    for recording, files in sorted(match.media.items(), key=lambda item: item[0].key):
        key = recording.key
        sentence = sentences.get(key)
        labels = (key.actor, recording.view, key.emotion, key.level, sentence)
        take = last_take[labels] = last_take.get(labels, 0) + 1 if sentence else 1
        clips.append(
            Clip(
                clip_id=_clip_id(recording, sentence, take),
                corpus="mead",
                speaker=key.actor,
                emotion=key.emotion,
                sentence=sentence,
                path=files.path,
                audio_path=files.audio_path,
                level=key.level,
                take=take,
                view=recording.view or "front",
                text=texts.get(key),
            )
        )
    findings += find_duplicates(tree, match.duplicates) + match.findings
    findings += find_wrong_suffixes(tree, lambda file: _is_clip(tree, file))
    findings += find_archives(tree) + _known_defects(tree, clips)
    return Listing(clips, findings)


def _is_clip(tree: Tree, file: File) -> bool:
    return not isinstance(parse_recording(tree, file), ClipError)


def _clip_id(recording: Recording, sentence: str | None, take: int) -> str:
    key = recording.key
    spoken = f"n{key.number:03d}" if sentence is None else slug(sentence)
    return f"mead/{key.actor}/{recording.view}/{key.emotion}-{key.level}/{spoken}-t{take:03d}"


def _known_defects(tree: Tree, clips: list[Clip]) -> list[Finding]:
    """Add a remark for each known defect of the release that affects these clips."""
    sets = {(clip.speaker, clip.emotion, clip.level) for clip in clips}
    speakers = {clip.speaker for clip in clips}
    findings = []
    for defect in table("mead")["defects"]:
        speaker = defect["speaker"]
        if "emotion" in defect:
            affected = (speaker, defect["emotion"], defect["level"]) in sets
            what = f"{speaker} {defect['emotion']} level {defect['level']}"
        else:
            affected, what = speaker in speakers, speaker
        if affected:
            detail = f"{what}: {defect['note']}"
            findings.append(Finding(str(tree.root), Reason.KNOWN_DEFECT, detail, files=0))
    return findings
