"""Writing samples into shards: readable by tar and webdataset, and the same bytes each time."""

import hashlib
import io
import json
import tarfile

import numpy as np
import soundfile
import webdataset

from stccl_data.dataset.layout import shard_name
from stccl_data.dataset.sample import PairRecord, SampleContent, clip_record, sample_content
from stccl_data.dataset.shard_writer import ShardWriter
from tests.testing import datasets as small

NAMES = {"neutral": "neutral-1-t001", "angry": "angry-3-t001"}


def make_sample(key: str = "mead/M003/front/s001", **options) -> SampleContent:
    """Return the content of a sample of two clips and their pair."""
    tracks = {emotion: small.make_track(emotion) for emotion in NAMES}
    clips = {
        name: clip_record(
            small.make_clip("M003", emotion, "s001"),
            {"face_rate": 1.0, "yaw": float("nan")},
            tracks[emotion],
            tracks[emotion].times,
            b"fLaC",
        )
        for emotion, name in NAMES.items()
    }
    scores = {"mode": "audio", "cost": 0.5, "content_score": None, "local_slope": float("inf")}
    alignment = small.make_alignment(tracks["neutral"], tracks["angry"])
    pair = PairRecord(NAMES["neutral"], NAMES["angry"], scores, True, None, alignment)
    return sample_content(key, clips, [pair], audio=True, **options)


def members_of(content: SampleContent) -> dict[str, bytes]:
    """Return suffix -> bytes."""
    return {suffix: b"".join(pieces) for suffix, pieces in content.members.items()}


def blob(size: int) -> SampleContent:
    """Return a sample of one member."""
    return SampleContent({"bin": [bytes(size)]})


def write_shard(out, samples, split="train"):
    """Write samples into one shard."""
    writer = ShardWriter(out, split, 10**9)
    for key, content in samples.items():
        writer.add(key, content)
    (file,) = writer.close()
    return file


def test_webdataset_reads_the_samples_as_they_were_written(tmp_path):
    samples = {key: make_sample(key) for key in ("mead/M003/front/s001", "mead/M003/front/s002")}
    file = write_shard(tmp_path, samples)
    loaded = list(webdataset.WebDataset(str(tmp_path / file.path), shardshuffle=False))
    assert [sample["__key__"] for sample in loaded] == list(samples)
    for sample in loaded:
        members = {name: data for name, data in sample.items() if not name.startswith("__")}
        assert members == members_of(samples[sample["__key__"]])


def test_no_label_is_null_and_no_name_depends_on_a_clip():
    labels = json.loads(members_of(make_sample())["json"])
    assert labels["key"] == "mead/M003/front/s001"
    angry, neutral = labels["clips"]
    assert angry.keys() == neutral.keys()
    assert (angry["name"], angry["fps"], angry["n_frames"]) == (NAMES["angry"], "25", 15)
    assert labels["pairs"] == [
        {
            "source": NAMES["neutral"],
            "target": NAMES["angry"],
            "mode": "audio",
            "accepted": True,
            "reason": "",
        }
    ]
    assert "null" not in json.dumps(labels)


def test_arrays_are_read_by_numpy_alone():
    members = members_of(make_sample())
    tracks = {emotion: small.make_track(emotion) for emotion in NAMES}
    with np.load(io.BytesIO(members["clips.npz"])) as arrays:
        assert all(arrays[name].ndim == 1 for name in arrays.files)
        assert arrays["frame_offsets"].tolist() == [0, 15, 27]
        offsets = arrays["face_offsets"]
        landmarks = arrays["landmarks"].reshape(-1, 478, 2)[15:27]
        assert arrays["face_rate"].tolist() == [1.0, 1.0] and np.isnan(arrays["yaw"]).all()
    assert members["face.mjpg"][offsets[2] : offsets[3]] == tracks["angry"].face.jpeg(2)
    assert members["face.mjpg"][offsets[15] : offsets[16]] == tracks["neutral"].face.jpeg(0)
    np.testing.assert_array_equal(landmarks, tracks["neutral"].landmarks)
    alignment = small.make_alignment(tracks["neutral"], tracks["angry"])
    with np.load(io.BytesIO(members["pairs.npz"])) as arrays:
        assert arrays["frame_map_offsets"].tolist() == [0, 12]
        np.testing.assert_array_equal(arrays["frame_map"], alignment.frame_map)
        assert np.isnan([arrays["content_score"][0], arrays["local_slope"][0]]).all()


def test_the_index_gives_the_bytes_of_each_member(tmp_path):
    samples = {key: make_sample(key) for key in ("own/a/front/1", "own/a/front/long-" + "x" * 150)}
    file = write_shard(tmp_path, samples, "val")
    data = (tmp_path / file.path).read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.bytes, file.sha256)
    assert [line["key"] for line in file.index] == list(samples)
    for line in file.index:
        assert (line["split"], line["shard"]) == ("val", shard_name("val", 0))
        for suffix, (offset, size) in line["members"].items():
            assert data[offset : offset + size] == members_of(samples[line["key"]])[suffix]


def test_members_are_sorted_and_have_no_time_or_owner(tmp_path):
    file = write_shard(tmp_path, {"k": make_sample()})
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
        writer.add(f"k{i}", blob(400))
    writer.add("large", blob(5000))  # exceeds the size by itself
    writer.add("last", blob(10))
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
    writer.add("k0", blob(900))
    writer.add("k1", blob(900))
    writer.abandon()
    writer.abandon()  # harmless
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["stccl-train-000000.tar"]


def sound_only(n: int = 4) -> SampleContent:
    """Return a sample of one clip whose face was not tracked."""
    clip = small.make_clip("M003", "angry", "s001")
    return sample_content("k", {"a": clip_record(clip, {}, None, np.arange(n) / 25)}, [])


def test_a_clip_without_tracking_has_its_times_and_the_members_and_types_of_all_others():
    sample, other = members_of(sound_only()), members_of(make_sample())
    assert sample.keys() == other.keys() - {"flac"}
    assert sample["face.mjpg"] == b""
    with (
        np.load(io.BytesIO(sample["clips.npz"])) as arrays,
        np.load(io.BytesIO(other["clips.npz"])) as others,
    ):
        types = {name: (arrays[name].dtype, arrays[name].ndim) for name in arrays.files}
        assert types == {name: (others[name].dtype, others[name].ndim) for name in others.files}
        assert arrays["times"].tolist() == (np.arange(4) / 25).tolist()
        assert arrays["tracked"].tolist() == [False]


def test_a_sample_without_sound_in_a_dataset_with_sound_has_silence():
    clip = clip_record(small.make_clip("M003", "angry", "s001"), {}, None, np.arange(4) / 25)
    content = sample_content("k", {"a": clip}, [], audio=True)
    samples, _ = soundfile.read(io.BytesIO(members_of(content)["flac"]))
    assert len(samples) and not samples.any()
    assert content.parts.clips["a"]["flac"].size == 0
