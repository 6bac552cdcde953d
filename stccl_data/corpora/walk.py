"""List the folders and files of a raw corpus in one walk. Nothing is written.

The only files opened are those too small to be recordings; see `stccl_data.files.stubs`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stccl_data.corpora.records import Finding
from stccl_data.corpora.tree import (
    ARCHIVE_SUFFIXES,
    MEDIA_SUFFIXES,
    File,
    Folder,
    Tree,
    make_file,
    suffix_of,
)
from stccl_data.errors import Reason
from stccl_data.files.stubs import Stub, stub_by_name, stub_of

#: Files and folders left behind by operating systems, lower case.
IGNORED_NAMES = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
#: What macOS puts before the name of a file to keep its attributes on a foreign disk.
_APPLE_DOUBLE = "._"


def walk(root: Path) -> Tree:
    """List everything under `root` except hidden files and `IGNORED_NAMES`.

    Symbolic links to folders are followed, each folder once. A folder that cannot be entered, a
    name that is not UTF-8 and what is left of a missing file are findings.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would rename linked folders
    folders: list[_Listing] = []
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
                listing = _list_folder(path, parts, scanned)
        except OSError as error:
            detail = f"{_printable(shown)} cannot be entered: {error.strerror}"
            findings.append(Finding(_printable(path), Reason.NOT_PERMITTED, detail))
            continue
        folders.append(listing)
        findings += listing.findings
        for folder, is_folder_link in listing.folders.items():
            inner = os.path.join(path, folder), (*parts, folder)  # noqa: PTH118
            (links if is_folder_link else waiting).append(inner)
    folders.sort(key=lambda listing: listing.parts)
    findings += _apple_doubles(root, folders)
    files = tuple(file for listing in folders for file in listing.files())
    return Tree(root, tuple(findings), files)


@dataclass(slots=True)
class _Listing:
    """The content of a folder."""

    path: str
    parts: tuple[str, ...]
    #: name of each file -> why its content is not here, if so
    names: dict[str, Stub | None] = field(default_factory=dict)
    #: name of each folder -> whether it is a link
    folders: dict[str, bool] = field(default_factory=dict)
    #: name of a missing file -> the name that stands for it, and what that is
    stand_ins: dict[str, tuple[str, Stub]] = field(default_factory=dict)
    #: names of media with `_APPLE_DOUBLE` before them
    apple_doubles: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def files(self) -> list[File]:
        """Return the files, sorted by name; a missing one if another stands for it."""
        folder = Folder(self.path, self.parts, tuple(self.folders))
        files = [make_file(folder, name, stub) for name, stub in self.names.items()]
        files += [
            make_file(folder, name, stub, stand_in)
            for name, (stand_in, stub) in self.stand_ins.items()
        ]
        return sorted(files, key=lambda file: file.name)


def _list_folder(
    path: str, parts: tuple[str, ...], scanned: "Iterator[os.DirEntry[str]]"
) -> _Listing:
    listing = _Listing(path, parts)
    by_name: list[tuple[str, str, Stub]] = []
    for entry in sorted(scanned, key=lambda entry: entry.name):
        name = entry.name
        if not _is_utf8(name):
            detail = f"the name of {_printable('/'.join((*parts, name)))} is not UTF-8"
            listing.findings.append(Finding(_printable(entry.path), Reason.UNKNOWN_NAME, detail))
        elif (stands_for := stub_by_name(name)) is not None and not _is_folder(entry):
            by_name.append((name, *stands_for))
        elif name.startswith("."):
            if name.startswith(_APPLE_DOUBLE) and _is_media(name):
                listing.apple_doubles.append(name)
        elif name.lower() in IGNORED_NAMES:
            continue
        elif _is_folder(entry):
            listing.folders[name] = entry.is_symlink()
            if _is_media(name):
                what = Stub(Reason.NOT_MEDIA, "is a folder, not a file")
                listing.findings.append(_finding(listing, name, what))
        elif _has_content(name):
            listing.names[name] = stub_of(entry.path, entry.stat)
        elif entry.is_symlink() and "." not in name and (stub := stub_of(entry.path, entry.stat)):
            # Probably of a folder: those of other files do not matter.
            listing.findings.append(_finding(listing, name, stub))
        else:
            listing.names[name] = None
    for name, inner, stub in by_name:
        _add_stand_in(listing, name, inner, stub)
    if parts and (package := stub_by_name(parts[-1])) and _is_media(package[0]):
        # Safari downloads `001.mp4` into a folder `001.mp4.download`.
        listing.names = {name: stub or package[1] for name, stub in listing.names.items()}
    return listing


def _add_stand_in(listing: _Listing, name: str, inner: str, stub: Stub) -> None:
    """Add a file that stands for `inner`: for the clip of that name, or as a finding."""
    exists = inner in listing.names or inner in listing.folders
    is_leftover = stub.reason is Reason.PARTIAL_DOWNLOAD and (
        _has_content(inner) or name.lower().endswith(".crdownload")
    )
    if name.lower().endswith(".aria2") and inner in listing.names:
        # Written until the download is complete; the file has its final size before.
        listing.names[inner] = listing.names[inner] or stub
    elif _is_media(inner) and not exists:
        listing.stand_ins.setdefault(inner, (name, stub))
    elif stub.reason is Reason.DVC_POINTER or inner.lower().endswith(ARCHIVE_SUFFIXES):
        if not exists:
            listing.findings.append(_finding(listing, name, stub))
    elif is_leftover:
        listing.findings.append(_finding(listing, name, stub))
    elif not name.startswith("."):
        listing.names[name] = None  # a document beside the clips, or a wrong suffix


def _finding(listing: _Listing, name: str, stub: Stub) -> Finding:
    shown = "/".join((*listing.parts, name))
    path = os.path.join(listing.path, name)  # noqa: PTH118
    return Finding(path, stub.reason, f"{shown} {stub.what}")


def _apple_doubles(root: Path, folders: list[_Listing]) -> list[Finding]:
    count = sum(len(listing.apple_doubles) for listing in folders)
    if not count:
        return []
    first = next(listing for listing in folders if listing.apple_doubles)
    shown = "/".join((*first.parts, first.apple_doubles[0]))
    detail = (
        f"{shown} holds attributes of a file on macOS"
        if count == 1
        else f"{count:,} files such as {shown} hold attributes of other files on macOS"
    )
    return [Finding(str(root), Reason.APPLE_DOUBLE, detail, files=count)]


def _is_media(name: str) -> bool:
    return suffix_of(name) in MEDIA_SUFFIXES


def _has_content(name: str) -> bool:
    """Whether a file of this name is a recording or an archive of recordings."""
    return _is_media(name) or name.lower().endswith(ARCHIVE_SUFFIXES)


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
