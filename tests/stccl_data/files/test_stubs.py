"""Files that only stand for their content are recognised without reading a recording."""

import os
import socket
from pathlib import Path

import pytest

from stccl_data.errors import Reason
from stccl_data.files.stubs import stub_by_name, stub_of

LFS = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 123456\n"
)
KEY = "SHA256E-s123456--4d7a214614ab2935c943f9e0ff69d22e.mp4"


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100_000)


def link(target: str):
    return lambda path: path.symlink_to(target)


STUBS = {
    "lfs": (lambda path: path.write_text(LFS), Reason.GIT_LFS_POINTER),
    "annexed, unlocked": (
        lambda path: path.write_text(f"/annex/objects/{KEY}\n"),
        Reason.GIT_ANNEX_LINK,
    ),
    "annexed, as git writes links on Windows": (
        lambda path: path.write_text(f"../../.git/annex/objects/Kx/2m/{KEY}/{KEY}"),
        Reason.GIT_ANNEX_LINK,
    ),
    "annexed": (link(f".git/annex/objects/Kx/2m/{KEY}/{KEY}"), Reason.GIT_ANNEX_LINK),
    "linked to a disk that is not connected": (link("/media/usb9/1.mp4"), Reason.BROKEN_LINK),
    "linked to itself": (lambda path: path.symlink_to(path), Reason.BROKEN_LINK),
    "not on this disk": (sparse, Reason.CLOUD_PLACEHOLDER),
    "an error page": (
        lambda path: path.write_text("\n<!DOCTYPE html><title>404 Not Found</title>"),
        Reason.NOT_MEDIA,
    ),
    "empty": (Path.touch, Reason.EMPTY_FILE),
    "a pipe": (os.mkfifo, Reason.NOT_MEDIA),
    "a folder": (Path.mkdir, Reason.NOT_MEDIA),
    "absent": (lambda path: None, Reason.MISSING_FILE),
}


@pytest.mark.parametrize("name", STUBS)
def test_a_file_without_its_content_is_a_stub(tmp_path, name):
    make, reason = STUBS[name]
    make(tmp_path / "1.mp4")
    stub = stub_of(str(tmp_path / "1.mp4"))
    assert stub is not None
    assert stub.reason is reason
    assert stub.what and "\n" not in stub.what


def test_a_dead_link_is_named_with_its_target(tmp_path):
    (tmp_path / "1.mp4").symlink_to("/media/usb9/1.mp4")
    stub = stub_of(str(tmp_path / "1.mp4"))
    assert stub is not None and "/media/usb9/1.mp4" in stub.what


def test_a_socket_and_attributes_of_macos_are_stubs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the address of a socket has at most 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("1.mp4")
        stub = stub_of("1.mp4")
        assert stub is not None and stub.reason is Reason.NOT_MEDIA
    (tmp_path / "._1.mp4").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00" + bytes(4088))
    stub = stub_of(str(tmp_path / "._1.mp4"))
    assert stub is not None and stub.reason is Reason.APPLE_DOUBLE


def test_files_with_content_are_no_stubs(tmp_path):
    contents = {
        "small.mp4": b"version 1 of a short recording",
        "text.mp4": b"see /annex/objects/ for more",
        "long.mp4": LFS.encode() + bytes(2000),
        "zeros.mp4": bytes(10_000),
        "._video.mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(5000),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert stub_of(str(tmp_path / name)) is None, name
    with (tmp_path / "half.mp4").open("wb") as file:  # a hole at its beginning only
        file.seek(500_000)
        file.write(b"x")
    assert stub_of(str(tmp_path / "half.mp4")) is None


@pytest.mark.parametrize(
    ("name", "inner", "reason"),
    [
        (".001.mp4.icloud", "001.mp4", Reason.CLOUD_PLACEHOLDER),
        ("001.mp4.nextcloud", "001.mp4", Reason.CLOUD_PLACEHOLDER),
        ("001.gdoc", "001", Reason.CLOUD_PLACEHOLDER),
        ("001.mp4.dvc", "001.mp4", Reason.DVC_POINTER),
        ("001.mp4.crdownload", "001.mp4", Reason.PARTIAL_DOWNLOAD),
        ("001.mp4.PART", "001.mp4", Reason.PARTIAL_DOWNLOAD),
    ],
)
def test_a_name_tells_which_file_is_missing(name, inner, reason):
    by_name = stub_by_name(name)
    assert by_name is not None
    assert (by_name[0], by_name[1].reason) == (inner, reason)


def test_other_names_stand_for_themselves():
    assert [stub_by_name(name) for name in ("001.mp4", ".dvc", "part", "a.txt")] == [None] * 4
