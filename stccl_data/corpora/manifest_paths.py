"""Find the files that a manifest names, however their paths are written.

Tables are written on other systems: by Excel on Windows, by a macOS that decomposes accents, by
scripts that print URLs. A path that does not exist as it is written is compared with what is on
the disk; it is accepted if exactly one file fits, and the difference is reported.
"""

import ntpath
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from stccl_data.corpora.labels import normalised_name
from stccl_data.errors import ClipError, Reason
from stccl_data.files.stubs import Stub, stub_by_name

#: Candidates listed in a message.
_MAX_LISTED = 5
#: A path that begins with a drive such as `C:/`.
_DRIVE = re.compile(r"([A-Za-z]):(?=/)")
_QUOTES = ('""', "''", "“”", "‘’")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """The file that a cell names."""

    #: absolute
    path: str
    #: what the cell has otherwise than the disk; empty if nothing
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PathFinder:
    """Find files relative to the folder of a manifest. Each folder is listed at most once."""

    folder: Path
    listings: dict[str, "_Names"] = field(default_factory=dict)

    def find(self, text: str) -> FoundFile:
        """Return the file, or the dead link, that `text` names.

        Raises:
            ClipError: missing_file, ambiguous_file or not_permitted. The detail continues a
                sentence that begins with the path.
        """
        path = os.path.normpath(self.folder / text)
        if text.startswith("~") and not os.path.lexists(path):
            home = os.path.expanduser(text)  # noqa: PTH111 - Path.expanduser raises for unknown users
            path = os.path.normpath(self.folder / home)
        if _exists(path):
            return FoundFile(path)
        found: dict[str, tuple[str, ...]] = {}
        for form, steps in _other_forms(text).items():
            for start, parts, more in self._places(form):
                for candidate in self._matches(start, parts):
                    known = _written_differently(parts, candidate)
                    found.setdefault(candidate, (*steps, *more, *known))
        if len(found) == 1:
            return FoundFile(*found.popitem())
        if found:
            listed = ", ".join(self._shown(candidate) for candidate in sorted(found)[:_MAX_LISTED])
            others = f" and {len(found) - _MAX_LISTED} more" if len(found) > _MAX_LISTED else ""
            raise ClipError(
                Reason.AMBIGUOUS_FILE,
                f"fits {len(found)} files and none is chosen: {listed}{others}",
            )
        raise self._missing(path)

    def _places(self, form: str) -> Iterator[tuple[str, list[str], tuple[str, ...]]]:
        """Yield where a path may begin: a folder, the components below it, and the differences.

        An absolute path of another machine may continue anywhere below the manifest: the folder
        that holds the data has another name there.
        """
        drive, rest = _split_drive(form)
        parts = [part for part in os.path.normpath(rest).split("/") if part not in ("", ".")]
        if not parts:
            return
        if not drive and not rest.startswith("/"):
            yield str(self.folder), parts, ()
            return
        if drive and len(drive) == 1:
            yield f"/mnt/{drive.lower()}", parts, (f"drive {drive.upper()}:",)
        elif not drive:
            yield "/", parts, ()
        what = f"drive {drive.upper()}:" if len(drive) == 1 else "a folder of another machine"
        for first in range(len(parts)):
            yield str(self.folder), parts[first:], (what,)

    def _matches(self, start: str, parts: list[str]) -> list[str]:
        """Return the files below `start` whose normalised path is that of `parts`."""
        paths = [start]
        for part in parts:
            if part == "..":
                paths = [os.path.dirname(path) for path in paths]  # noqa: PTH120
                continue
            key = normalised_name(part)
            paths = [
                os.path.join(path, name)  # noqa: PTH118
                for path in paths
                for name in self._listing(path).names.get(key, ())
            ]
        return [path for path in paths if not os.path.isdir(path)]  # noqa: PTH112

    def _listing(self, folder: str) -> "_Names":
        if folder not in self.listings:
            self.listings[folder] = _list_names(folder)
        return self.listings[folder]

    def _missing(self, path: str) -> ClipError:
        """Return the error for a path that fits no file: where the search ended, and why."""
        try:
            os.stat(path)  # noqa: PTH116
        except PermissionError as error:
            return ClipError(Reason.NOT_PERMITTED, f"cannot be accessed: {error.strerror}")
        except (OSError, ValueError):
            pass
        folder, name = os.path.split(path)
        if stand_in := self._listing(folder).stand_ins.get(normalised_name(name)):
            other, stub = stand_in
            return ClipError(stub.reason, f"does not exist, but {other} {stub.what}")
        relative = "relative paths are relative to the manifest"
        return ClipError(Reason.MISSING_FILE, f"does not exist (looked for {path}; {relative})")

    def _shown(self, path: str) -> str:
        return shown_path(self.folder, path)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names in a folder, by `normalised_name`."""

    names: dict[str, list[str]]
    #: name of a missing file -> the name that stands for it, and what that is
    stand_ins: dict[str, tuple[str, Stub]]


def _list_names(folder: str) -> _Names:
    names: defaultdict[str, list[str]] = defaultdict(list)
    stand_ins: dict[str, tuple[str, Stub]] = {}
    try:
        listed = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        listed = []
    for name in listed:
        names[normalised_name(name)].append(name)
        if found := stub_by_name(name):
            stand_ins[normalised_name(found[0])] = name, found[1]
    return _Names(names, stand_ins)


def shown_path(folder: Path, path: str) -> str:
    """Return a path as a manifest in `folder` would best write it."""
    return os.path.relpath(path, folder) if path.startswith(f"{folder}{os.sep}") else path


def _exists(path: str) -> bool:
    """Whether a path exists, be it as a dead link; not whether it can be accessed."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a null character
        return False


def _other_forms(text: str) -> dict[str, tuple[str, ...]]:
    """Return what a cell may mean, each with the steps that lead there."""
    forms: dict[str, tuple[str, ...]] = {text: ()}
    steps: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("quotes", _without_quotes),
        ("a file:// URL", _without_scheme),
        ("%-encoded characters", lambda form: unquote(form, errors="surrogateescape")),
        ("backslashes", lambda form: form.replace("\\", "/")),
    )
    for name, step in steps:
        for form, before in list(forms.items()):
            forms.setdefault(step(form), (*before, name))
    return {form: before for form, before in forms.items() if "\0" not in form}


def _without_quotes(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and text[0] + text[-1] in _QUOTES else text


def _without_scheme(text: str) -> str:
    """Return the path of a file URL: `file:///C:/a` is `C:/a`, `file://host/a` is `//host/a`."""
    scheme, separator, rest = text.partition(":")
    if scheme.lower() != "file" or not separator:
        return text
    rest = rest.replace("\\", "/")
    if rest.startswith("///") or rest.lower().startswith("//localhost/"):
        rest = "/" + rest.lstrip("/").removeprefix("localhost/")
    return rest[1:] if _DRIVE.match(rest[1:]) else rest


def _split_drive(form: str) -> tuple[str, str]:
    """Split off a drive letter, or the server and share of a network path."""
    if match := _DRIVE.match(form):
        return match[1], form[match.end() :]
    if form.startswith("//"):
        return ntpath.splitdrive(form)
    return "", form


def _written_differently(parts: list[str], candidate: str) -> tuple[str, ...]:
    """Return in which ways the last components of `candidate` differ from `parts`."""
    written = [part for part in parts if part != ".."]
    on_disk = list(Path(candidate).parts[-len(written) :])
    if written == on_disk:
        return ()
    nfc = [[unicodedata.normalize("NFC", name) for name in names] for names in (written, on_disk)]
    if nfc[0] == nfc[1]:
        return ("the Unicode form of letters (NFC, NFD)",)
    if [name.casefold() for name in nfc[0]] == [name.casefold() for name in nfc[1]]:
        return ("upper and lower case",)
    return ("spaces or characters that look alike",)
