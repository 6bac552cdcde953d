"""Findings that every corpus can have: duplicates, wrong suffixes, archives, unknown names."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from stccl_data.corpora.records import Finding
from stccl_data.corpora.tree import ARCHIVE_SUFFIXES, Duplicate, File, Tree
from stccl_data.errors import Reason
from stccl_data.files.stubs import Stub, stub_by_name


@dataclass(frozen=True, slots=True)
class Group:
    """Files that one finding stands for: one file, or all media of a folder."""

    path: str
    #: path below the root, for messages
    shown: str
    files: list[File]


def stub_finding(file: File, stub: Stub, more: str = "", **properties: Any) -> Finding:
    """Report a file whose content is not here."""
    return Finding(file.path, stub.reason, f"{file.shown} {stub.what}{more}", **properties)


def find_duplicates(tree: Tree, duplicates: Iterable[Duplicate]) -> list[Finding]:
    """Report each duplicate, or the whole folder if all media in it are duplicates."""
    original_of = {duplicate.file.path: duplicate.original for duplicate in duplicates}
    findings = []
    for group in group_by_folder(tree, [duplicate.file for duplicate in duplicates]):
        file, count = group.files[0], len(group.files)
        original = original_of[file.path]
        if count == 1:
            detail = f"{file.shown} is a duplicate of {original.shown}"
            findings.append(Finding(file.path, Reason.DUPLICATE_CLIP, detail))
        else:
            detail = (
                f"all {count} media files of {group.shown} are duplicates; "
                f"{file.shown} is also {original.shown}"
            )
            findings.append(Finding(group.path, Reason.DUPLICATE_CLIP, detail, files=count))
    return findings


def find_unknown(tree: Tree) -> list[Finding]:
    """Report all media of a tree that no corpus explains."""
    findings = []
    for group in group_by_folder(tree, tree.media()):
        count = len(group.files)
        which = f"the {count} media files of {group.shown} are" if count > 1 else ""
        detail = f"{which or f'{group.files[0].shown} is'} not named as in any known corpus"
        findings.append(Finding(group.path, Reason.UNKNOWN_NAME, detail, files=count))
    return findings


def group_by_folder(tree: Tree, files: Iterable[File]) -> list[Group]:
    """Group `files` by the highest folder below the root that contains no other media.

    A file whose folder has other media too is a group of its own.
    """
    files = list(files)
    if not files:
        return []
    media_count: Counter[tuple[str, ...]] = Counter()
    file_count: Counter[tuple[str, ...]] = Counter()
    for counter, counted in ((media_count, tree.media()), (file_count, files)):
        for file in counted:
            for depth in range(1, len(file.folder.parts) + 1):
                counter[file.folder.parts[:depth]] += 1
    groups: dict[tuple[str, ...], list[File]] = {}
    for file in files:
        ancestors = (file.folder.parts[:depth] for depth in range(1, len(file.folder.parts) + 1))
        whole = next(
            (parts for parts in ancestors if file_count[parts] == media_count[parts]), None
        )
        groups.setdefault((*file.folder.parts, file.name) if whole is None else whole, []).append(
            file
        )
    return [
        Group(str(tree.root.joinpath(*parts)), "/".join(parts), members)
        for parts, members in groups.items()
    ]


def find_wrong_suffixes(tree: Tree, is_clip_name: Callable[[File], bool]) -> list[Finding]:
    """Report files named like clips but with another suffix (`001.txt`, `001.mp4.part`).

    There is one finding for each folder and suffix.

    Args:
        tree: the raw folder.
        is_clip_name: whether the stem of a file is that of a clip.
    """
    by_suffix: dict[tuple[str, str], list[File]] = {}
    for file in tree.files:
        if file.is_media or file.is_archive:
            continue
        inner = file.without_suffix
        if is_clip_name(replace(file, stem=inner.stem) if inner.is_media else file):
            by_suffix.setdefault((file.folder.path, file.suffix), []).append(file)
    findings = []
    for (folder, suffix), files in by_suffix.items():
        by_name = stub_by_name(files[0].name)
        what = f"has the suffix '{suffix}'" if suffix else "has no suffix"
        others = f", like {len(files) - 1} others in this folder" if len(files) > 1 else ""
        if by_name is None:
            problem = f"is named like a clip but {what}{others}, which is not a media suffix"
        else:
            problem = f"{by_name[1].what}{others}"
        path = files[0].path if len(files) == 1 else folder
        reason = by_name[1].reason if by_name else Reason.NOT_MEDIA
        findings.append(Finding(path, reason, f"{files[0].shown} {problem}", files=len(files)))
    return findings


def find_archives(
    tree: Tree, is_unpacked: Callable[[str], bool] = lambda bare: False
) -> list[Finding]:
    """Report archives that are not unpacked.

    An archive counts as unpacked if a folder of its name lies beside it.

    Args:
        tree: the raw folder.
        is_unpacked: other evidence, by the name of the archive without its suffix.
    """
    findings = []
    for file in tree.files:
        if not file.is_archive:
            continue
        suffix = next(end for end in ARCHIVE_SUFFIXES if file.name.lower().endswith(end))
        bare = file.name[: -len(suffix)]
        folders = {name.lower() for name in file.folder.folders}
        if bare.lower() in folders or is_unpacked(bare):
            continue
        if file.stub is not None:
            findings.append(stub_finding(file, file.stub))
        else:
            detail = f"{file.shown} has not been unpacked"
            findings.append(Finding(file.path, Reason.NOT_UNPACKED, detail))
    return findings
