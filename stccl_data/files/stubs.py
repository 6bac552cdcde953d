"""Recognise files that only stand for their content: pointers, dead links, placeholders, leftovers.

Only the properties that the file system states are looked at, and the text of files too small to
be a recording, so that asking does not make a sync client download anything.
"""

import errno
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stccl_data.errors import Reason

#: Larger files are no pointers: the specification of git-lfs allows less than 1,024 bytes, and the
#: keys of git-annex are file names.
_POINTER_BYTES = 1024
_LFS = re.compile(rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/")
#: An unlocked file (`/annex/objects/KEY`), or a link that git wrote as text, as it does on Windows.
_ANNEX_TEXT = re.compile(rb"(?:\.\./)*(?:\.git)?/annex/objects/\S+\s*")
#: How the page of a login or an error begins, and the XML by which cloud storage reports one.
_WEB_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|\?xml)", re.IGNORECASE)
#: Magic number of AppleDouble files (RFC 1740), which macOS writes as `._NAME`.
_APPLE_DOUBLE = b"\x00\x05\x16\x07"

#: What sync clients and downloaders append to the name of the file that is not here: iCloud,
#: Nextcloud, ownCloud, odrive (`.cloudf`: a folder), Google Drive; dvc; Firefox and yt-dlp, Chrome,
#: Opera, Safari, Edge and rclone, WinSCP, qBittorrent, aria2.
_SUFFIXES = {
    ".icloud": (Reason.CLOUD_PLACEHOLDER, "is a placeholder of iCloud"),
    ".nextcloud": (Reason.CLOUD_PLACEHOLDER, "is a placeholder of Nextcloud"),
    ".owncloud": (Reason.CLOUD_PLACEHOLDER, "is a placeholder of ownCloud"),
    ".cloud": (Reason.CLOUD_PLACEHOLDER, "is a placeholder of odrive"),
    ".cloudf": (Reason.CLOUD_PLACEHOLDER, "is a placeholder of odrive"),
    ".gdoc": (Reason.CLOUD_PLACEHOLDER, "is a link to a document in Google Drive"),
    ".gsheet": (Reason.CLOUD_PLACEHOLDER, "is a link to a table in Google Drive"),
    ".gslides": (Reason.CLOUD_PLACEHOLDER, "is a link to a document in Google Drive"),
    ".dvc": (Reason.DVC_POINTER, "is a pointer of dvc to content that is not here"),
    ".part": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".crdownload": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".opdownload": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".download": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".partial": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".filepart": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".!qb": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".aria2": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
    ".tmp": (Reason.PARTIAL_DOWNLOAD, "is left of an unfinished download"),
}
#: The reasons why a file cannot be used whose name may be right: something is to be fetched,
#: connected or allowed.
NOT_HERE = (
    Reason.MISSING_FILE,
    Reason.NOT_PERMITTED,
    Reason.EMPTY_FILE,
    Reason.GIT_LFS_POINTER,
    Reason.GIT_ANNEX_LINK,
    Reason.DVC_POINTER,
    Reason.CLOUD_PLACEHOLDER,
    Reason.PARTIAL_DOWNLOAD,
    Reason.BROKEN_LINK,
)
#: macOS sets this flag, Windows these attributes, on a file whose content is in the cloud.
_DATALESS_FLAG = 0x40000000
_OFFLINE_ATTRIBUTES = 0x1000 | 0x40000 | 0x400000


@dataclass(frozen=True, slots=True)
class Stub:
    """Why the content of a file is not here."""

    reason: Reason
    #: what the file is, to follow its name: "is a pointer of git-lfs"
    what: str


def stub_by_name(name: str) -> tuple[str, Stub] | None:
    """Recognise a stub by its suffix.

    Returns:
        The name of the file that it stands for (`001.mp4` for `001.mp4.part` and for
        `.001.mp4.icloud`), and the stub; None for other files.
    """
    inner, suffix = os.path.splitext(name)  # noqa: PTH122
    entry = _SUFFIXES.get(suffix.lower())
    if entry is None:
        return None
    return inner.removeprefix(".") if suffix.lower() == ".icloud" else inner, Stub(*entry)


def stub_of(path: str, stat_file: Callable[[], os.stat_result] | None = None) -> Stub | None:
    """Return why the content of a file is not here; None if it seems to be.

    Args:
        path: the file.
        stat_file: returns its status, if a cheaper way is known than `os.stat`.
    """
    try:
        status = stat_file() if stat_file else os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        return _unreachable(path, error)
    if stat.S_ISDIR(status.st_mode):
        return Stub(Reason.NOT_MEDIA, "is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        return Stub(Reason.NOT_MEDIA, f"is {_kind(status.st_mode)}, not a file")
    if not status.st_size:
        return Stub(Reason.EMPTY_FILE, "is empty")
    if _is_dataless(path, status):
        what = f"has {status.st_size:,} bytes, none of which are on this disk"
        return Stub(Reason.CLOUD_PLACEHOLDER, what)
    is_apple_double = os.path.basename(path).startswith("._")  # noqa: PTH119
    if status.st_size >= _POINTER_BYTES and not is_apple_double:
        return None
    return _stub_by_content(path)


def unreadable_table(path: Path) -> str | None:
    """Return what is wrong with a file that should be a table or text, to follow its name.

    An empty one is left to its reader, and so is one that this user may not read.
    """
    stub = stub_of(str(path))
    if stub is None or stub.reason in (Reason.EMPTY_FILE, Reason.NOT_PERMITTED):
        return None
    return stub.what if stub.reason is Reason.NOT_MEDIA else f"{stub.what}: {stub.reason.advice}"


def _unreachable(path: str, error: Exception) -> Stub:
    number = error.errno if isinstance(error, OSError) else errno.ENOENT
    if number == errno.ELOOP:
        return Stub(Reason.BROKEN_LINK, "is a link that leads back to itself")
    if number not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        denied = number in (errno.EACCES, errno.EPERM)
        reason = Reason.NOT_PERMITTED if denied else Reason.READ_ERROR
        return Stub(reason, f"cannot be accessed: {os.strerror(number or 0)}")
    try:
        target = os.readlink(path)  # noqa: PTH115
    except (OSError, ValueError):
        return Stub(Reason.MISSING_FILE, "does not exist")
    if "/annex/objects/" in target.replace("\\", "/"):
        return Stub(Reason.GIT_ANNEX_LINK, "is a link of git-annex to content that is not here")
    return Stub(Reason.BROKEN_LINK, f"is a link to {target}, which does not exist")


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _is_dataless(path: str, status: os.stat_result) -> bool:
    """Whether no byte of a file is on the disk.

    Some network file systems state 0 blocks for whole files, and small files may be inside their
    inode, so the file system is asked for data as well.
    """
    if getattr(status, "st_flags", 0) & _DATALESS_FLAG:
        return True
    if getattr(status, "st_file_attributes", 0) & _OFFLINE_ATTRIBUTES:
        return True
    if getattr(status, "st_blocks", 1) or not hasattr(os, "SEEK_DATA"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO
    else:
        return False
    finally:
        os.close(descriptor)


def _stub_by_content(path: str) -> Stub | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(_POINTER_BYTES)
    except OSError:  # reading the clip reports it
        return None
    if _LFS.match(head):
        return Stub(Reason.GIT_LFS_POINTER, "is a pointer of git-lfs to content that is not here")
    if _ANNEX_TEXT.fullmatch(head):
        return Stub(Reason.GIT_ANNEX_LINK, "is a pointer of git-annex to content that is not here")
    if head.startswith(_APPLE_DOUBLE):
        return Stub(Reason.APPLE_DOUBLE, "holds attributes that macOS keeps of another file")
    return web_page(head)


def web_page(head: bytes) -> Stub | None:
    """Recognise by its first bytes the page that a failed download left in place of a file."""
    if not _WEB_PAGE.match(head):
        return None
    return Stub(Reason.NOT_MEDIA, "is a web page or XML, such as a failed download leaves")
