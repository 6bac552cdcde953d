"""Which sound goes with which video, where a corpus keeps them in files of their own."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from stccl_data.corpora.scan import Finding
from stccl_data.corpora.tree import AUDIO, File, Tree, first_of_each
from stccl_data.errors import Reason

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Matched(Generic[Key]):
    """`clips`: recording -> (path, path of its sound or None). `copies`: second copies, each with the file that is used."""

    clips: dict[Key, tuple[str, str | None]]
    copies: list[tuple[File, File]]
    findings: list[Finding]


def attach_sound(
    tree: Tree,
    videos: Iterable[tuple[Key, File]],
    sounds: Iterable[tuple[Key, File]],
    wider: Callable[[Key], Key] = lambda key: key,
) -> Matched[Key]:
    """Give each video the sound of its recording: of its own key, or of the `wider` one (MEAD's sound has no view).

    Of a recording's sounds in several formats the first of `tree.AUDIO` is taken. Where the tree has no video at all its
    sounds are the clips; otherwise a sound without its video is a finding.
    """
    first_video, copies = first_of_each(videos)
    by_format, copied_sounds = first_of_each(((key, file.suffix), file) for key, file in sounds)
    copies += copied_sounds
    first_sound: dict[Key, File] = {}
    for (key, _), file in sorted(by_format.items(), key=lambda item: AUDIO.index(item[1].suffix)):
        first_sound.setdefault(key, file)

    clips: dict[Key, tuple[str, str | None]] = {}
    findings = []
    if first_video:
        for key, video in first_video.items():
            sound = first_sound.get(key) or first_sound.get(wider(key))
            clips[key] = video.path, None if sound is None else sound.path
        with_video = set(first_video) | {wider(key) for key in first_video}
        for (key, _), file in by_format.items():
            if key not in with_video:
                findings.append(
                    Finding(
                        file.path,
                        Reason.NO_VIDEO,
                        f"{file.shown} is the sound of a clip whose video was not found",
                    )
                )
    else:
        clips = {key: (file.path, None) for key, file in first_sound.items()}
    return Matched(clips, copies, findings)
