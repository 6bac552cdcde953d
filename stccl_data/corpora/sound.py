"""Match audio files with videos, for corpora that ship the audio separately."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from stccl_data.corpora.records import Finding
from stccl_data.corpora.tree import AUDIO_SUFFIXES, Duplicate, File, keep_first
from stccl_data.errors import Reason

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Media:
    """The files of one recording."""

    path: str
    audio_path: str | None


@dataclass(frozen=True)
class Match(Generic[Key]):
    """Videos matched with their audio."""

    media: dict[Key, Media]
    duplicates: list[Duplicate]
    findings: list[Finding]


def match_sound(
    videos: Iterable[tuple[Key, File]],
    sounds: Iterable[tuple[Key, File]],
    wider: Callable[[Key], Key] = lambda key: key,
) -> Match[Key]:
    """Give each video the audio of its recording.

    If a recording has audio in several formats, the first of `AUDIO_SUFFIXES` is used whose content
    is here. If there is no video at all, the audio files are the clips; otherwise audio without a
    video is a finding.

    Args:
        videos: the recording of each video file.
        sounds: the recording of each audio file.
        wider: the key of the audio to use when none has the video's own key (MEAD's audio has no
            view).
    """
    first_video, duplicates = keep_first(videos)
    by_format, duplicate_sounds = keep_first(((key, file.suffix), file) for key, file in sounds)
    duplicates += duplicate_sounds
    first_sound: dict[Key, File] = {}
    for (key, _), file in sorted(
        by_format.items(),
        key=lambda item: (item[1].stub is not None, AUDIO_SUFFIXES.index(item[1].suffix)),
    ):
        first_sound.setdefault(key, file)
    if not first_video:
        return Match(
            {key: Media(file.path, None) for key, file in first_sound.items()}, duplicates, []
        )

    media: dict[Key, Media] = {}
    for key, video in first_video.items():
        sound = first_sound.get(key) or first_sound.get(wider(key))
        media[key] = Media(video.path, None if sound is None else sound.path)
    with_video = set(first_video) | {wider(key) for key in first_video}
    findings = [
        Finding(file.path, Reason.NO_VIDEO, f"{file.shown}: no video of this recording")
        for (key, _), file in by_format.items()
        if key not in with_video
    ]
    return Match(media, duplicates, findings)
