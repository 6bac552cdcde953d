"""One walk over a raw folder: what lies where. No file is opened, and nothing is written."""

import os
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from stccl_data.corpora.scan import Finding
from stccl_data.errors import Reason

VIDEO = frozenset(
    (
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
    )
)
#: In the order in which one is taken where a recording has several.
AUDIO = (".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus", ".wma", ".aif", ".aiff")
MEDIA = VIDEO | set(AUDIO)
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip", ".rar", ".7z")
IGNORED = frozenset({"__macosx", "thumbs.db", "desktop.ini"})

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the tree: its absolute path, its components below the root, and the names of its files and folders, sorted."""

    path: str
    parts: tuple[str, ...]
    names: tuple[str, ...]
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file of the tree. `suffix` is lower case."""

    folder: Folder
    name: str
    stem: str
    suffix: str

    @property
    def path(self) -> str:
        return os.path.join(self.folder.path, self.name)  # noqa: PTH118 - a Path for each of 217,000 files costs seconds

    @property
    def shown(self) -> str:
        """The path below the root, for a sentence."""
        return "/".join((*self.folder.parts, self.name))

    @property
    def is_media(self) -> bool:
        return self.suffix in MEDIA

    @property
    def is_video(self) -> bool:
        return self.suffix in VIDEO

    @property
    def nearness(self) -> tuple[int, str]:
        """Sorts files so that of two copies the one nearer to the root comes first."""
        return len(self.folder.parts), self.path


@dataclass(frozen=True)
class Tree:
    """All folders under `root` (absolute), in order, and what the walk itself could not read."""

    root: Path
    folders: tuple[Folder, ...]
    findings: tuple[Finding, ...]
    files: tuple[File, ...] = field(repr=False, default=())

    def media(self) -> Iterator[File]:
        return (file for file in self.files if file.is_media)


def walk(root: Path) -> Tree:
    """Everything under `root`, hidden files and the litter of operating systems apart. Linked folders are followed, each once.

    A folder that cannot be entered and a name that is not UTF-8 are findings.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would replace the names of links by others
    folders: list[Folder] = []
    findings: list[Finding] = []
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(root), ())]
    links: list[tuple[str, tuple[str, ...]]] = []
    while waiting or links:
        # Links come last, so that a folder inside RAW keeps its own name.
        linked = not waiting
        path, parts = waiting.pop() if waiting else links.pop(0)
        shown = "/".join(parts) or path
        try:
            status = os.stat(path)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in seen:
                if linked:
                    findings.append(
                        Finding(
                            path,
                            Reason.DUPLICATE_CLIP,
                            f"{shown} is a link to a folder of this tree",
                            files=0,
                        )
                    )
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            findings.append(
                Finding(
                    _readable(path),
                    Reason.NOT_PERMITTED,
                    f"{_readable(shown)} cannot be entered: {error.strerror}",
                )
            )
            continue
        names: list[str] = []
        inner: list[str] = []
        for entry in listed:
            name = entry.name
            if name.startswith(".") or name.lower() in IGNORED:
                continue
            if not _is_utf8(name):
                whole = _readable(f"{shown}/{name}")
                findings.append(
                    Finding(
                        _readable(entry.path),
                        Reason.UNKNOWN_NAME,
                        f"the name of {whole} is not UTF-8",
                    )
                )
            elif _is_folder(entry):
                (links if entry.is_symlink() else waiting).append((entry.path, (*parts, name)))
                inner.append(name)
            else:
                names.append(name)
        folders.append(Folder(path, parts, tuple(names), tuple(inner)))
    folders.sort(key=lambda folder: folder.parts)
    files = tuple(_file(folder, name) for folder in folders for name in folder.names)
    return Tree(root, tuple(folders), tuple(findings), files)


def first_of_each(
    files: Iterable[tuple[Key, File]],
) -> tuple[dict[Key, File], list[tuple[File, File]]]:
    """Of files that mean the same recording the one nearest to the root, and the others, each with the one that is used."""
    first: dict[Key, File] = {}
    copies: list[tuple[File, File]] = []
    for key, file in sorted(files, key=lambda item: item[1].nearness):
        if key in first:
            copies.append((file, first[key]))
        else:
            first[key] = file
    return first, copies


def copies_found(tree: Tree, copies: Iterable[tuple[File, File]]) -> list[Finding]:
    """A finding for each second copy; one for the whole folder where all media in it are copies."""
    copies = list(copies)
    used = {file.path: first for file, first in copies}
    findings = []
    for path, parts, files in whole_folders(tree, [file for file, _ in copies]):
        first = used[files[0].path]
        if len(files) == 1:
            detail = f"{files[0].shown} is a second copy of {first.shown}"
            findings.append(Finding(files[0].path, Reason.DUPLICATE_CLIP, detail))
        else:
            detail = f"all {len(files)} media files of {parts} were found elsewhere too: {files[0].shown} is also {first.shown}"
            findings.append(Finding(path, Reason.DUPLICATE_CLIP, detail, files=len(files)))
    return findings


def whole_folders(tree: Tree, files: Iterable[File]) -> list[tuple[str, str, list[File]]]:
    """`files` by the highest folder below the root all of whose media are among them: (path, path below the root, files).

    A file in a folder that has other media too stands alone.
    """
    files = list(files)
    if not files:
        return []
    total: Counter[tuple[str, ...]] = Counter()
    among: Counter[tuple[str, ...]] = Counter()
    for counter, counted in ((total, tree.media()), (among, files)):
        for file in counted:
            for depth in range(1, len(file.folder.parts) + 1):
                counter[file.folder.parts[:depth]] += 1
    gathered: dict[tuple[str, ...], list[File]] = {}
    for file in files:
        parts = file.folder.parts
        whole = next(
            (parts[:d] for d in range(1, len(parts) + 1) if among[parts[:d]] == total[parts[:d]]),
            None,
        )
        gathered.setdefault((*parts, file.name) if whole is None else whole, []).append(file)
    return [
        (str(tree.root.joinpath(*parts)), "/".join(parts), found)
        for parts, found in gathered.items()
    ]


def wrong_suffixes(tree: Tree, looks_like_a_clip: Callable[[File], bool]) -> list[Finding]:
    """Files named as clips but with another suffix (001.txt, 001.mp4.part): one finding for each folder and suffix."""
    found: dict[tuple[str, str], list[File]] = {}
    for file in tree.files:
        if file.is_media or is_archive(file.name):
            continue
        inner = _file(file.folder, file.stem)
        if looks_like_a_clip(replace(file, stem=inner.stem) if inner.is_media else file):
            found.setdefault((file.folder.path, file.suffix), []).append(file)
    findings = []
    for (folder, suffix), files in found.items():
        what = f"has the suffix '{suffix}'" if suffix else "has no suffix"
        others = f", as have {len(files) - 1} others in this folder" if len(files) > 1 else ""
        detail = f"{files[0].shown} is named as a clip but {what}{others}, which is no video's and no sound's"
        findings.append(
            Finding(
                files[0].path if len(files) == 1 else folder,
                Reason.NOT_MEDIA,
                detail,
                files=len(files),
            )
        )
    return findings


def packed(tree: Tree, is_unpacked: Callable[[File, str], bool]) -> list[Finding]:
    """A finding for each archive without a folder of its name beside it, unless `is_unpacked` (file, bare name) knows better."""
    findings = []
    for file in tree.files:
        if not is_archive(file.name):
            continue
        bare = file.name[: -len(next(end for end in ARCHIVES if file.name.lower().endswith(end)))]
        if bare.lower() not in {name.lower() for name in file.folder.folders} and not is_unpacked(
            file, bare
        ):
            findings.append(
                Finding(file.path, Reason.NOT_UNPACKED, f"{file.shown} has not been unpacked")
            )
    return findings


def is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def _file(folder: Folder, name: str) -> File:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return File(folder, name, stem, suffix.lower())


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """A link that leads to itself is none; who opens it as a file is told."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_utf8(name: str) -> bool:
    return name.isascii() or _readable(name) == name


def _readable(name: str) -> str:
    """`name` with bytes that are no UTF-8 written out as \\xff, so that it can be printed and stored."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
