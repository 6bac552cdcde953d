"""Damaged and hostile datasets: an error names the file, before any memory is allocated for it."""

import io
import json
import os
import tarfile
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stccl_data.dataset import ShardError, open_dataset, open_stream
from stccl_data.dataset.layout import INDEX, SHARDS
from stccl_data.dataset.members import LoadedMembers, member_arrays
from stccl_data.dataset.sample_json import parse_utterance
from stccl_data.dataset.tar import read_headers, read_stream
from stccl_data.files.npz import npz_bytes

KEY = "mead/M003/front/s001"
FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def shards_of(out, split="train"):
    return sorted((out / "shards" / split).glob("*.tar"))


def index_lines(out):
    return [json.loads(line) for line in (out / INDEX).read_text().splitlines()]


@contextmanager
def memory_below(limit: int):
    """Assert that a block never allocates more than `limit` bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


# shards


@pytest.mark.parametrize("cut", [1, 700, 10_240, 10_752, 40_000, 102_400])
def test_a_truncated_shard_is_named(dataset_copy, cut):
    shard = shards_of(dataset_copy.out)[0]
    os.truncate(shard, shard.stat().st_size - cut)
    dataset = open_dataset(dataset_copy.out)
    with pytest.raises(ShardError, match=shard.name):
        dataset[KEY]
    with pytest.raises(ShardError, match=shard.name):
        dataset.stream("train")


@pytest.mark.parametrize(
    "where", ["in a member", "in a header", "between members", "between samples", "in the end mark"]
)
def test_a_truncated_tar_is_an_error_without_the_index_too(dataset_copy, where, tmp_path):
    shard = tmp_path / "bare.tar"
    shard.write_bytes(shards_of(dataset_copy.out)[0].read_bytes())
    members = index_lines(dataset_copy.out)[0]["members"]
    offset, size = members["face.mjpg"]
    end = offset + -(-size // 512) * 512
    sample = sum(-(-size // 512) * 512 + 512 for _, size in members.values())
    cuts = {
        "in a member": offset + 100,
        "in a header": end + 200,
        "between members": end,
        "between samples": sample,
        "in the end mark": sample + 512,
    }
    os.truncate(shard, cuts[where])
    with pytest.raises(ShardError, match=r"bare\.tar"):
        list(open_stream(shard))
    with pytest.raises(ShardError, match=r"bare\.tar"):
        list(read_headers(shard, "bare.tar"))


def test_a_missing_shard_is_named_and_the_others_can_be_read(dataset_copy):
    shards_of(dataset_copy.out)[1].unlink()
    dataset = open_dataset(dataset_copy.out)
    with pytest.raises(ShardError, match=r"stccl-train-000001\.tar"):
        dataset["mead/M003/front/s002"]
    with pytest.raises(ShardError, match=r"stccl-train-000001\.tar"):
        dataset.stream("train")
    assert dataset[KEY].pairs()


def test_a_folder_without_a_dataset_is_an_error(tmp_path):
    with pytest.raises(ShardError, match="nowhere"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(ShardError, match=r"shards\.json.*stccl prepare"):
        open_dataset(tmp_path)


def test_a_newer_schema_is_an_error_that_names_both_versions(dataset_copy):
    record = json.loads((dataset_copy.out / SHARDS).read_text())
    (dataset_copy.out / SHARDS).write_text(json.dumps({**record, "schema": 3}))
    with pytest.raises(ShardError, match=r"schema 3\b.*\b2\b"):
        open_dataset(dataset_copy.out)


def test_a_shard_outside_the_dataset_is_refused(dataset_copy):
    record = json.loads((dataset_copy.out / SHARDS).read_text())
    record["shards"][0]["path"] = "../../elsewhere.tar"
    (dataset_copy.out / SHARDS).write_text(json.dumps(record))
    with pytest.raises(ShardError, match=r"shards\.json"):
        open_dataset(dataset_copy.out)


# tars


def write_tar(path: Path, entry: tarfile.TarInfo, data: bytes = b"") -> Path:
    """Write a tar of one member."""
    with tarfile.open(path, "w") as tar:
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["../../etc/x.json", "/etc/x.json", "a/./x.json", "a\\x.json"])
def test_a_member_name_that_leads_out_of_the_dataset_is_refused(tmp_path, name):
    path = write_tar(tmp_path / "bad.tar", tarfile.TarInfo(name), b"{}")
    with pytest.raises(ShardError, match=r"bad\.tar.*x\.json"):
        list(open_stream(path))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(tmp_path, kind):
    entry = tarfile.TarInfo("a/b/c/d.json")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(ShardError, match=r"bad\.tar.*a/b/c/d\.json"):
        list(open_stream(write_tar(tmp_path / "bad.tar", entry)))


def test_a_member_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path):
    entry = tarfile.TarInfo("a/b/c/d.json")
    entry.size = 2**40
    (tmp_path / "bad.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_240)
    with pytest.raises(ShardError, match="1,099,511,627,776"):
        list(open_stream(tmp_path / "bad.tar"))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize(
    "read",
    [lambda path: list(open_stream(path)), lambda path: list(read_headers(path, str(path)))],
    ids=["stream", "headers"],
)
def test_a_header_that_claims_gigabytes_is_refused_before_memory_is_allocated(tmp_path, kind, read):
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, 3 * 2**30
    with (tmp_path / "bad.tar").open("wb") as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        file.truncate(3 * 2**30 + 4096)  # sparse
    with memory_below(2**26), pytest.raises(ShardError, match="3,221,225,472"):
        read(tmp_path / "bad.tar")


class CountingStream:
    """A stream that remembers the largest read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.largest = 0

    def read(self, size: int) -> bytes:
        self.largest = max(self.largest, size)
        chunk, self._data = self._data[:size], self._data[size:]
        return chunk


@pytest.fixture(scope="module")
def tar(shared_dataset) -> bytes:
    paths = (shared_dataset.out / "shards").rglob("*.tar")
    return min(paths, key=lambda path: path.stat().st_size).read_bytes()


@FUZZ
@given(st.data())
def test_a_tar_with_changed_headers_is_read_or_refused(tar, data):
    damaged = bytearray(tar)
    for _ in range(data.draw(st.integers(1, 6))):
        header = 512 * data.draw(st.integers(0, len(tar) // 512 - 1))
        damaged[header + data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        damaged = damaged[: data.draw(st.integers(0, len(tar)))]
    stream = CountingStream(bytes(damaged))
    try:
        for member, content in read_stream(stream, "x.tar"):
            assert len(content) == member.size
            assert ".." not in member.name
            assert not member.name.startswith("/")
    except ShardError as error:
        assert "x.tar" in str(error)
    assert stream.largest <= 2**20, "a claimed size was requested at once"


# the index


def test_an_index_entry_outside_its_shard_is_refused(dataset_copy):
    lines = index_lines(dataset_copy.out)
    lines[0]["members"]["clips.npz"] = [0, 2**40]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (dataset_copy.out / INDEX).write_text(text)
    with pytest.raises(ShardError, match=r"clips\.npz"):
        _ = open_dataset(dataset_copy.out)[KEY].clips["angry-3-t001"].times


@pytest.mark.parametrize("kept", [0, 1])
def test_a_truncated_index_is_an_error(dataset_copy, kept):
    lines = (dataset_copy.out / INDEX).read_text().splitlines(keepends=True)
    (dataset_copy.out / INDEX).write_text("".join(lines[:kept]))
    with pytest.raises(ShardError, match=r"index\.jsonl.*shards/train/.*\.tar.*shards\.json"):
        open_dataset(dataset_copy.out)


# members


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"schema": 1}', b'{"schema": "1"}', b"[" * 100_000, b"\xff\xfe"]
)
def test_invalid_labels_are_an_error_that_names_the_member(text):
    with pytest.raises(ShardError, match=r"x\.tar: a/b\.json"):
        parse_utterance("a/b", LoadedMembers("x.tar", {"json": text}))


def test_an_array_that_claims_more_than_its_file_takes_no_memory():
    npy, file = io.BytesIO(), io.BytesIO()
    header = {"shape": (100_000_000,), "fortran_order": False, "descr": "<f8"}
    np.lib.format.write_array_header_1_0(npy, header)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("times.npy", npy.getvalue() + bytes(32))
    with memory_below(2**26), pytest.raises(ShardError, match=r"x\.npz.*100000000"):
        member_arrays(file.getvalue(), "x.npz")


def test_an_array_whose_shape_was_changed_is_an_error():
    data = npz_bytes({"times": np.zeros(4)}).replace(
        b"'shape': (4,), }        ", b"'shape': (4000000000,), }"[:24]
    )
    with pytest.raises(ShardError, match=r"x\.npz"):
        member_arrays(data, "x.npz")


def test_pickled_objects_are_not_loaded():
    file = io.BytesIO()
    np.savez(file, times=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ShardError, match=r"x\.npz"):
        member_arrays(file.getvalue(), "x.npz")


def test_bytes_that_are_not_a_zip_are_an_error():
    with pytest.raises(ShardError, match=r"x\.npz"):
        member_arrays(b"PK not at all", "x.npz")


def test_compressed_arrays_are_not_unpacked():
    file = io.BytesIO()
    np.savez_compressed(file, times=np.zeros(10_000_000))
    with memory_below(2**20), pytest.raises(ShardError, match=r"x\.npz.*compressed"):
        member_arrays(file.getvalue(), "x.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_with_a_false_directory_is_not_unpacked(method):
    npy = io.BytesIO()
    np.save(npy, np.zeros(100))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("times.npy", npy.getvalue() + bytes(20_000_000))
    data = bytearray(file.getvalue())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = len(npy.getvalue()).to_bytes(4, "little")
    with memory_below(2**20), pytest.raises(ShardError, match=r"x\.npz.*compressed"):
        member_arrays(bytes(data), "x.npz")


@FUZZ
@given(st.data())
def test_an_npz_with_changed_bytes_is_read_or_refused(tar, data):
    stream = read_stream(CountingStream(tar), "x")
    content = bytearray(next(c for member, c in stream if member.suffix == "pairs.npz"))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        arrays = member_arrays(bytes(content), "x.npz")
    except ShardError as error:
        assert "x.npz" in str(error)
    else:
        assert all(array.dtype != object for array in arrays.values())
        assert sum(array.nbytes for array in arrays.values()) <= len(content)
