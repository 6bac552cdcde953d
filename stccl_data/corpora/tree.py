"""List the folders and files of a raw corpus in one walk. No file is opened or written."""

import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from stccl_data.corpora.records import Finding
from stccl_data.errors import Reason

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
#: Files and folders left behind by operating systems, lower case.
IGNORED_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the tree."""

    #: absolute
    path: str
    #: path components below the root
    parts: tuple[str, ...]
    #: names of the files in it, sorted
    names: tuple[str, ...]
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

    @property
    def path(self) -> str:
        """The absolute path."""
        return os.path.join(self.folder.path, self.name)  # noqa: PTH118 - 217,000 Paths cost seconds

    @property
    def shown(self) -> str:
        """The path below the root, for messages."""
        return "/".join((*self.folder.parts, self.name))

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
    def depth_and_path(self) -> tuple[int, str]:
        """A sort key that puts files nearer to the root first."""
        return len(self.folder.parts), self.path

    @property
    def without_suffix(self) -> "File":
        """The file as if its last suffix were missing: `001.mp4.part` becomes `001.mp4`."""
        return make_file(self.folder, self.stem)


@dataclass(frozen=True)
class Tree:
    """Everything under a raw folder."""

    #: absolute
    root: Path
    #: sorted
    folders: tuple[Folder, ...]
    #: what the walk could not read
    findings: tuple[Finding, ...]
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


def make_file(folder: Folder, name: str) -> File:
    """Split `name` into stem and suffix."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return File(folder, name, stem, suffix.lower())


def walk(root: Path) -> Tree:
    """List everything under `root` except hidden files and `IGNORED_NAMES`.

    Symbolic links to folders are followed, each folder once. A folder that cannot be entered and
    a name that is not UTF-8 are findings.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would rename linked folders
    folders: list[Folder] = []
    findings: list[Finding] = []
    visited: set[tuple[int, int]] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(root), ())]
    links: list[tuple[str, tuple[str, ...]]] = []
    while waiting or links:
        # Links come last, so that a folder inside RAW keeps its own name.
        is_link = not waiting
        path, parts = waiting.pop() if waiting else links.pop(0)
        shown = "/".join(parts) or path
        try:
            status = os.stat(path)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in visited:
                if is_link:
                    detail = f"{shown} is a link to a folder of this tree"
                    findings.append(Finding(path, Reason.DUPLICATE_CLIP, detail, files=0))
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(path) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            detail = f"{_printable(shown)} cannot be entered: {error.strerror}"
            findings.append(Finding(_printable(path), Reason.NOT_PERMITTED, detail))
            continue
        names: list[str] = []
        inner: list[str] = []
        for entry in entries:
            name = entry.name
            if name.startswith(".") or name.lower() in IGNORED_NAMES:
                continue
            if not _is_utf8(name):
                detail = f"the name of {_printable(f'{shown}/{name}')} is not UTF-8"
                findings.append(Finding(_printable(entry.path), Reason.UNKNOWN_NAME, detail))
            elif _is_folder(entry):
                (links if entry.is_symlink() else waiting).append((entry.path, (*parts, name)))
                inner.append(name)
            else:
                names.append(name)
        folders.append(Folder(path, parts, tuple(names), tuple(inner)))
    folders.sort(key=lambda folder: folder.parts)
    files = tuple(make_file(folder, name) for folder in folders for name in folder.names)
    return Tree(root, tuple(folders), tuple(findings), files)


def keep_first(
    files: Iterable[tuple[Key, File]],
) -> tuple[dict[Key, File], list[Duplicate]]:
    """Keep the file nearest to the root of each recording; the others are duplicates.

    Args:
        files: the recording of each file.
    """
    first: dict[Key, File] = {}
    duplicates: list[Duplicate] = []
    for key, file in sorted(files, key=lambda item: item[1].depth_and_path):
        if key in first:
            duplicates.append(Duplicate(file, first[key]))
        else:
            first[key] = file
    return first, duplicates


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; opening it as a file will report it
        return False


def _is_utf8(name: str) -> bool:
    return name.isascii() or _printable(name) == name


def _printable(name: str) -> str:
    """Escape bytes that are not UTF-8 as \\xff, so that the name can be printed and stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
