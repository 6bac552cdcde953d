"""Writing shards: what webdataset and tar make of them, the same bytes each time, and nothing lost between parts."""

import hashlib
import io
import json
import tarfile
from fractions import Fraction

import numpy as np
import webdataset

from stccl_data.alignment.align import Alignment
from stccl_data.clip import Clip
from stccl_data.dataset.layout import pair_name, shard_name
from stccl_data.dataset.sample import ClipRecord, PairRecord, clip_members, sample_members
from stccl_data.dataset.shard_writer import ShardWriter
from stccl_data.face.track import Track
from stccl_data.media.jpeg import JpegSeries, encode_jpeg


def an_alignment(n: int = 5) -> Alignment:
    times = np.arange(n) / 25
    path = np.stack([np.arange(n)] * 2, axis=1).astype(np.int32)
    return Alignment(
        times, times, np.arange(n, dtype=np.int32), path, "audio", 0.5, 1.0, 1, 1.0, 0.0
    )


def a_pair(source: str, target: str, **scores) -> PairRecord:
    return PairRecord(source, target, {"cost": 0.5, **scores}, True, None, an_alignment())


def a_clip(emotion: str, **labels) -> Clip:
    fixed = {
        "clip_id": f"own/{emotion}",
        "corpus": "own",
        "speaker": "a",
        "sentence": "1",
        "path": "/raw/a.mp4",
        "fps": Fraction(25),
    }
    return Clip(**{**fixed, "emotion": emotion, **labels})


def a_track(n: int = 5) -> Track:
    pictures = JpegSeries.from_jpegs(
        [encode_jpeg(np.full((8, 8, 3), 20 * i, np.uint8), 90) for i in range(n)]
    )
    flat = np.zeros((n, 2, 3))
    return Track(
        np.arange(n) / 25,
        np.ones(n, bool),
        np.zeros((n, 68, 2), np.float32),
        flat,
        flat,
        pictures,
        pictures,
    )


def a_sample(key: str = "own/a/front/1") -> dict[str, bytes]:
    track = a_track()
    clips = {
        name: ClipRecord(
            a_clip(name.split("-")[0]),
            {"face_rate": 1.0, "yaw": float("nan")},
            clip_members(track, track.times, b"fLaC"),
        )
        for name in ("neutral-1-t001", "angry-3-t001")
    }
    return sample_members(
        key,
        clips,
        [a_pair("neutral-1-t001", "angry-3-t001", content_score=None, local_slope=float("inf"))],
    )


def test_webdataset_reads_what_was_written(tmp_path):
    writer = ShardWriter(tmp_path, "train", 10**9)
    keys = ["own/a/front/1", "own/a/front/2"]
    for key in keys:
        writer.add(key, a_sample(key))
    (file,) = writer.close()
    read = list(webdataset.WebDataset(str(tmp_path / file.path), shardshuffle=False))
    assert [sample["__key__"] for sample in read] == keys
    first = read[0]
    assert {name for name in first if not name.startswith("__")} == set(a_sample())
    labels = json.loads(first["json"])
    assert labels["key"] == keys[0] and labels["clips"]["angry-3-t001"]["fps"] == "25"
    assert labels["pairs"][0] == {
        "source": "neutral-1-t001", "target": "angry-3-t001", "cost": 0.5, "content_score": None, "local_slope": None,
        "accepted": True, "reason": None,
    }  # fmt: skip
    assert labels["clips"]["angry-3-t001"]["scores"] == {"face_rate": 1.0, "yaw": None}
    with (
        np.load(io.BytesIO(first["angry-3-t001.npz"])) as tables,
        np.load(io.BytesIO(first["pairs.npz"])) as pairs,
    ):
        offsets = tables["face_offsets"]
        assert pairs[pair_name("neutral-1-t001", "angry-3-t001") + ".frame_map"].tolist() == [
            0,
            1,
            2,
            3,
            4,
        ]
    assert first["angry-3-t001.face.mjpg"][offsets[2] : offsets[3]] == a_track().face.jpeg(2)


def test_the_index_leads_to_each_members_bytes(tmp_path):
    writer = ShardWriter(tmp_path, "val", 10**9)
    contents = {key: a_sample(key) for key in ("own/a/front/1", "own/a/front/long-" + "x" * 150)}
    for key, content in contents.items():
        writer.add(key, content)
    (file,) = writer.close()
    data = (tmp_path / file.path).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    assert [line["key"] for line in file.index] == list(contents)
    for line in file.index:
        assert (line["split"], line["shard"]) == ("val", shard_name("val", 0))
        for suffix, (offset, size) in line["members"].items():
            assert data[offset : offset + size] == contents[line["key"]][suffix]


def test_members_are_sorted_and_carry_no_time_or_owner(tmp_path):
    writer = ShardWriter(tmp_path, "train", 10**9)
    writer.add("k", dict(reversed(a_sample().items())))
    (file,) = writer.close()
    with tarfile.open(tmp_path / file.path) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members} == {(0, 0, 0, "", 0o644)}


def test_the_same_samples_give_the_same_bytes(tmp_path):
    sums = []
    for name in ("one", "two"):
        writer = ShardWriter(tmp_path / name, "train", 10**9)
        writer.add("k", a_sample())
        sums.append(writer.close()[0].sha256)
    assert sums[0] == sums[1]


def test_a_new_shard_begins_where_the_size_would_be_exceeded(tmp_path):
    writer = ShardWriter(tmp_path, "train", 1000)
    for i in range(5):
        writer.add(f"k{i}", {"bin": bytes(400)})
    writer.add("large", {"bin": bytes(5000)})  # larger than a shard: one of its own
    writer.add("last", {"bin": bytes(10)})
    files = writer.close()
    assert [file.path for file in files] == [shard_name("train", i) for i in range(len(files))]
    assert [[line["key"] for line in file.index] for file in files] == [
        ["k0", "k1"],
        ["k2", "k3"],
        ["k4"],
        ["large"],
        ["last"],
    ]
    assert [file.utterances for file in files] == [2, 2, 1, 1, 1]


def test_nothing_added_is_no_shard(tmp_path):
    assert ShardWriter(tmp_path, "train", 1000).close() == []
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_shard_leaves_nothing_and_finished_ones_stay(tmp_path):
    writer = ShardWriter(tmp_path, "train", 1000)
    writer.add("k0", {"bin": bytes(900)})
    writer.add("k1", {"bin": bytes(900)})
    writer.abandon()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [
        "stccl-train-000000.tar"
    ]
    writer.abandon()  # once more does no harm


def test_a_clip_without_a_followed_face_has_its_times_alone():
    times = np.arange(4) / 25
    members = clip_members(None, times)
    assert set(members) == {"npz"}
    with np.load(io.BytesIO(members["npz"])) as tables:
        assert tables.files == ["times"] and tables["times"].tolist() == times.tolist()
