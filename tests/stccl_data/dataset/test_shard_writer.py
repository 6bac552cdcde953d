"""Writing samples into shards: readable by tar and webdataset, and the same bytes each time."""

import hashlib
import io
import json
import tarfile

import numpy as np
import webdataset

from stccl_data.dataset.layout import pair_name, shard_name
from stccl_data.dataset.sample import ClipRecord, PairRecord, clip_members, sample_members
from stccl_data.dataset.shard_writer import ShardWriter
from tests.testing import datasets as small

NAMES = {"neutral": "neutral-1-t001", "angry": "angry-3-t001"}


def make_sample(key: str = "mead/M003/front/s001") -> dict[str, bytes]:
    """Return the members of a sample of two clips and their pair."""
    tracks = {emotion: small.make_track(emotion) for emotion in NAMES}
    clips = {
        name: ClipRecord(
            small.make_clip("M003", emotion, "s001"),
            {"face_rate": 1.0, "yaw": float("nan")},
            clip_members(tracks[emotion], tracks[emotion].times, b"fLaC"),
        )
        for emotion, name in NAMES.items()
    }
    scores = {"cost": 0.5, "content_score": None, "local_slope": float("inf")}
    alignment = small.make_alignment(tracks["neutral"], tracks["angry"])
    pair = PairRecord(NAMES["neutral"], NAMES["angry"], scores, True, None, alignment)
    return sample_members(key, clips, [pair])


def write_shard(out, samples, split="train"):
    """Write samples into one shard."""
    writer = ShardWriter(out, split, 10**9)
    for key, members in samples.items():
        writer.add(key, members)
    (file,) = writer.close()
    return file


def test_webdataset_reads_the_samples_as_they_were_written(tmp_path):
    samples = {key: make_sample(key) for key in ("mead/M003/front/s001", "mead/M003/front/s002")}
    file = write_shard(tmp_path, samples)
    loaded = list(webdataset.WebDataset(str(tmp_path / file.path), shardshuffle=False))
    assert [sample["__key__"] for sample in loaded] == list(samples)
    for sample in loaded:
        members = {name: data for name, data in sample.items() if not name.startswith("__")}
        assert members == samples[sample["__key__"]]


def test_the_labels_hold_clips_and_pairs_and_null_for_what_is_not_finite():
    labels = json.loads(make_sample()["json"])
    assert labels["key"] == "mead/M003/front/s001"
    clip = labels["clips"][NAMES["angry"]]
    assert (clip["fps"], clip["n_frames"]) == ("25", 15)
    assert clip["scores"] == {"face_rate": 1.0, "yaw": None}
    assert labels["pairs"] == [
        {
            "source": NAMES["neutral"],
            "target": NAMES["angry"],
            "cost": 0.5,
            "content_score": None,
            "local_slope": None,
            "accepted": True,
            "reason": None,
        }
    ]


def test_offsets_and_maps_are_read_by_numpy_alone():
    members = make_sample()
    track = small.make_track("angry")
    with np.load(io.BytesIO(members[f"{NAMES['angry']}.npz"])) as arrays:
        offsets = arrays["face_offsets"]
    data = members[f"{NAMES['angry']}.face.mjpg"]
    assert data[offsets[2] : offsets[3]] == track.face.jpeg(2)
    alignment = small.make_alignment(small.make_track("neutral"), track)
    name = pair_name(NAMES["neutral"], NAMES["angry"])
    with np.load(io.BytesIO(members["pairs.npz"])) as arrays:
        np.testing.assert_array_equal(arrays[f"{name}.frame_map"], alignment.frame_map)


def test_the_index_gives_the_bytes_of_each_member(tmp_path):
    samples = {key: make_sample(key) for key in ("own/a/front/1", "own/a/front/long-" + "x" * 150)}
    file = write_shard(tmp_path, samples, "val")
    data = (tmp_path / file.path).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    assert [line["key"] for line in file.index] == list(samples)
    for line in file.index:
        assert (line["split"], line["shard"]) == ("val", shard_name("val", 0))
        for suffix, (offset, size) in line["members"].items():
            assert data[offset : offset + size] == samples[line["key"]][suffix]


def test_members_are_sorted_and_have_no_time_or_owner(tmp_path):
    file = write_shard(tmp_path, {"k": dict(reversed(make_sample().items()))})
    with tarfile.open(tmp_path / file.path) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in members} == {(0, 0, 0, "", 0o644)}


def test_the_same_samples_give_the_same_bytes(tmp_path):
    files = [write_shard(tmp_path / name, {"k": make_sample()}) for name in ("first", "second")]
    assert files[0] == files[1]


def test_a_shard_ends_before_its_size_would_be_exceeded(tmp_path):
    writer = ShardWriter(tmp_path, "train", 1000)
    for i in range(5):
        writer.add(f"k{i}", {"bin": bytes(400)})
    writer.add("large", {"bin": bytes(5000)})  # exceeds the size by itself
    writer.add("last", {"bin": bytes(10)})
    files = writer.close()
    assert [file.path for file in files] == [shard_name("train", i) for i in range(5)]
    keys = [[line["key"] for line in file.index] for file in files]
    assert keys == [["k0", "k1"], ["k2", "k3"], ["k4"], ["large"], ["last"]]
    assert [file.utterances for file in files] == [2, 2, 1, 1, 1]


def test_a_writer_without_samples_writes_no_file(tmp_path):
    assert ShardWriter(tmp_path, "train", 1000).close() == []
    assert list(tmp_path.iterdir()) == []


def test_an_abandoned_writer_keeps_its_finished_shards_only(tmp_path):
    writer = ShardWriter(tmp_path, "train", 1000)
    writer.add("k0", {"bin": bytes(900)})
    writer.add("k1", {"bin": bytes(900)})
    writer.abandon()
    writer.abandon()  # harmless
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["stccl-train-000000.tar"]


def test_a_clip_without_tracking_is_stored_with_its_times_only():
    times = np.arange(4) / 25
    members = clip_members(None, times)
    assert list(members) == ["npz"]
    with np.load(io.BytesIO(members["npz"])) as arrays:
        assert arrays.files == ["times"]
        assert arrays["times"].tolist() == times.tolist()
