"""Atomic writing: readers see a whole file or none."""

import os
import subprocess
import sys

import pytest

from stccl_data.files.atomic import atomic_writer, remove_leftovers, write_bytes, write_text

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from stccl_data.files.atomic import atomic_writer

with atomic_writer(Path(sys.argv[1])) as file:
    file.write(b"half" * 100_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_failed_writer_leaves_nothing(tmp_path):
    path = tmp_path / "new" / "file"
    with pytest.raises(RuntimeError), atomic_writer(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert list(path.parent.iterdir()) == []


def test_a_failed_writer_leaves_the_existing_file(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"first")
    with pytest.raises(RuntimeError), atomic_writer(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_permissions_of_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_file_with_the_same_text_is_left_alone(tmp_path):
    path = tmp_path / "a"
    write_text(path, "Grüße")
    before = path.stat()
    write_text(path, "Grüße")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    write_text(path, "Gruss!!")  # of the same length
    assert path.read_text() == "Gruss!!"


def test_the_leftovers_of_a_killed_writer_are_removed(tmp_path):
    path = tmp_path / "file.npz"
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)
    (leftover,) = tmp_path.iterdir()
    assert leftover.name.startswith(".")
    assert leftover.suffix == ".tmp"
    (tmp_path / ".mine.tmp").touch()
    write_bytes(path, b"whole")
    remove_leftovers(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".mine.tmp", "file.npz"]
