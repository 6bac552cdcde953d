"""The folders and files of a raw corpus, as `walk` lists them."""

import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from stccl_data.corpora.records import Finding
from stccl_data.files.stubs import Stub

VIDEO_SUFFIXES = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
    ]
)
#: In order of preference for a recording that has several audio files.
AUDIO_SUFFIXES = (
    ".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus", ".wma", ".aif", ".aiff",
)  # fmt: skip
MEDIA_SUFFIXES = VIDEO_SUFFIXES | set(AUDIO_SUFFIXES)
ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip", ".rar", ".7z")

Key = TypeVar("Key", bound=Hashable)


def suffix_of(path: str) -> str:
    """Return the suffix of a name or path in lower case, with the dot."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - ten times as fast as Path


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the tree."""

    #: absolute
    path: str
    #: path components below the root
    parts: tuple[str, ...]
    #: names of the folders in it, sorted
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file of the tree."""

    folder: Folder
    name: str
    stem: str
    #: lower case, with the dot
    suffix: str
    #: why the content is not here, if it is not
    stub: Stub | None = None
    #: the name on disk, if another file stands for this one: `001.mp4.part` for `001.mp4`
    stand_in: str | None = None

    @property
    def path(self) -> str:
        """The absolute path."""
        name = self.stand_in or self.name
        return os.path.join(self.folder.path, name)  # noqa: PTH118 - 217,000 Paths cost seconds

    @property
    def shown(self) -> str:
        """The path below the root, for messages."""
        return "/".join((*self.folder.parts, self.stand_in or self.name))

    @property
    def is_media(self) -> bool:
        """Whether the suffix is one of a video or an audio file."""
        return self.suffix in MEDIA_SUFFIXES

    @property
    def is_video(self) -> bool:
        """Whether the suffix is one of a video file."""
        return self.suffix in VIDEO_SUFFIXES

    @property
    def is_archive(self) -> bool:
        """Whether the suffix is one of an archive."""
        return self.name.lower().endswith(ARCHIVE_SUFFIXES)

    @property
    def preference(self) -> tuple[bool, int, str]:
        """A sort key: files whose content is here first, then those nearer to the root."""
        return self.stub is not None, len(self.folder.parts), self.path

    @property
    def without_suffix(self) -> "File":
        """The file as if its last suffix were missing: `001.mp4.part` becomes `001.mp4`."""
        return make_file(self.folder, self.stem)


@dataclass(frozen=True)
class Tree:
    """Everything under a raw folder."""

    #: absolute
    root: Path
    #: what the walk could not read, and what is left of files that are not here
    findings: tuple[Finding, ...]
    #: sorted by folder and name
    files: tuple[File, ...] = field(repr=False, default=())

    def media(self) -> Iterator[File]:
        """Iterate over the video and audio files."""
        return (file for file in self.files if file.is_media)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A second file of a recording."""

    file: File
    #: the file that is used
    original: File


def make_file(
    folder: Folder, name: str, stub: Stub | None = None, stand_in: str | None = None
) -> File:
    """Split `name` into stem and suffix."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return File(folder, name, stem, suffix.lower(), stub, stand_in)


def keep_first(
    files: Iterable[tuple[Key, File]],
) -> tuple[dict[Key, File], list[Duplicate]]:
    """Keep one file of each recording, by `File.preference`; the others are duplicates.

    Args:
        files: the recording of each file.
    """
    first: dict[Key, File] = {}
    duplicates: list[Duplicate] = []
    for key, file in sorted(files, key=lambda item: item[1].preference):
        if key in first:
            duplicates.append(Duplicate(file, first[key]))
        else:
            first[key] = file
    return first, duplicates
