"""What a reader of a prepared dataset can rely on."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stccl_data.dataset import ShardError, open_dataset, open_stream
from stccl_data.dataset.layout import INDEX, PAIRS, SHARDS
from stccl_data.dataset.members import LoadedMembers, member_arrays
from stccl_data.dataset.tar import read_headers
from stccl_data.files.npz import npz_bytes
from stccl_data.media.jpeg import decode_jpeg
from tests.testing import datasets as small

KEY = "mead/M003/front/s001"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A dataset that no test changes."""
    return small.make_dataset(tmp_path_factory.mktemp("out"), audio=True)


@pytest.fixture
def fresh(tmp_path):
    """A dataset to be damaged."""
    return small.make_dataset(tmp_path / "out")


def shards_of(out, split="train"):
    return sorted((out / "shards" / split).glob("*.tar"))


# by key


def test_keys_are_listed_by_split(shared):
    dataset = open_dataset(shared.out)
    assert (
        dataset.keys() == shared.keys and len(dataset) == 6 and dataset.splits == ("train", "val")
    )
    assert dataset.keys("val") == ["mead/M005/front/s001", "mead/M005/front/s002"]
    assert KEY in dataset and dataset.split_of(KEY) == "train"
    with pytest.raises(ValueError, match="no split 'test'; it has train, val"):
        dataset.keys("test")


def test_an_unknown_key_is_answered_with_the_nearest(shared):
    with pytest.raises(KeyError, match=r"did you mean mead/M003/front/s001"):
        open_dataset(shared.out)["mead/M003/front/s01"]


def test_an_utterance_knows_its_labels_and_clips(shared):
    utterance = open_dataset(shared.out)[KEY]
    assert (utterance.corpus, utterance.speaker, utterance.view, utterance.sentence) == (
        "mead",
        "M003",
        "front",
        "s001",
    )
    assert utterance.text == "She had your dark suit." and (utterance.part, utterance.parts) == (
        1,
        1,
    )
    assert list(utterance.clips) == ["angry-3-t001", "happy-2-t001", "neutral-1-t001"]
    clip = utterance.clips["angry-3-t001"]
    assert (clip.emotion, clip.level, clip.take, clip.fps, clip.n_frames, len(clip)) == (
        "angry",
        3,
        1,
        25,
        15,
        15,
    )
    assert clip.scores == {"eye_distance": 80.0, "face_rate": 0.916667, "yaw": None}


def test_what_was_written_is_what_is_read(shared):
    clip = open_dataset(shared.out)[KEY].clips["angry-3-t001"]
    track = small.make_track("angry")
    for name in ("times", "valid", "landmarks", "face_transforms", "mouth_transforms"):
        got, wrote = getattr(clip, name), getattr(track, name)
        assert got.dtype == wrote.dtype
        np.testing.assert_array_equal(got, wrote)
    assert clip.crops == ("face", "mouth")
    assert clip.jpegs("mouth") == [track.mouth.jpeg(i) for i in range(15)]


def test_frames_come_in_the_order_asked_for_and_may_repeat(shared):
    clip = open_dataset(shared.out)[KEY].clips["angry-3-t001"]
    frames = clip.frames("face", np.array([4, 4, 2, 14]))
    assert frames.shape == (4, 64, 64, 3) and frames.dtype == np.uint8
    assert [small.seen(frame) for frame in frames] == [
        ("angry", 4),
        ("angry", 4),
        ("angry", 2),
        ("angry", 14),
    ]
    assert clip.frames("mouth").shape == (15, 32, 32, 3)
    assert clip.frames("face", []).shape == (0, 0, 0, 3)
    with pytest.raises(
        IndexError, match="frame 15 of mead/M003/front/angry-3/s001-t001, which has 15"
    ):
        clip.frames("face", [15])
    with pytest.raises(IndexError):
        clip.jpeg("face", -1)
    with pytest.raises(ValueError, match="crop 'nose' is not one of face, mouth"):
        clip.frames("nose", [0])


def test_a_pair_leads_from_each_source_frame_to_its_target_frame(shared):
    (pair,) = open_dataset(shared.out)[KEY].pairs(source="neutral", target="angry")
    wrote = small.make_alignment(small.make_track("neutral"), small.make_track("angry"))
    np.testing.assert_array_equal(pair.frame_map, wrote.frame_map)
    np.testing.assert_array_equal(pair.source_time, wrote.source_time)
    np.testing.assert_array_equal(pair.target_time, wrote.target_time)
    assert (
        pair.scores["cost"] == 0.5
        and pair.scores["mode"] == "audio"
        and pair.scores["content_score"] is None
    )
    warped = pair.target.frames("face", pair.frame_map)
    assert [small.seen(frame)[1] for frame in warped] == pair.frame_map.tolist()


def test_pairs_are_filtered_by_emotion_and_by_what_the_gates_said(shared):
    utterance = open_dataset(shared.out)[KEY]
    assert [pair.target.emotion for pair in utterance.pairs()] == ["angry"]
    assert [(pair.target.emotion, pair.reason) for pair in utterance.pairs(accepted=False)] == [
        ("happy", "longest_repeat")
    ]
    assert len(utterance.pairs(accepted=None)) == 2
    assert (
        utterance.pairs(source="angry") == []
        and utterance.pairs(target="anger")[0].target.name == "angry-3-t001"
    )
    with pytest.raises(ValueError, match="emotion 'cross' is not one of neutral"):
        utterance.pairs(target="cross")


def test_the_table_decides_what_is_accepted(fresh):
    for row in fresh.pairs:
        if row["target_emotion"] in ("angry", "happy") and row["mode"]:
            row["accepted"] = not row["accepted"]
            row["reason"] = None if row["accepted"] else "content_mismatch"
    small.write_tables(fresh.out, fresh.clips, fresh.pairs)
    for utterance in (open_dataset(fresh.out)[KEY], next(open_dataset(fresh.out).stream("train"))):
        assert [pair.target.emotion for pair in utterance.pairs()] == ["happy"]
        assert [pair.reason for pair in utterance.pairs(accepted=False)] == ["content_mismatch"]
    (fresh.out / PAIRS).unlink()
    assert [pair.target.emotion for pair in open_dataset(fresh.out)[KEY].pairs()] == ["angry"]


def test_parts_of_an_utterance_are_utterances_that_share_the_reference(tmp_path):
    made = small.make_dataset(tmp_path, parts=True)
    dataset = open_dataset(tmp_path)
    second = dataset[f"{KEY}+p2"]
    assert (second.part, second.parts) == (2, 2) and list(second.clips) == [
        "happy-2-t001",
        "neutral-1-t001",
    ]
    assert [pair.target.emotion for pair in second.pairs(accepted=None)] == ["happy"]
    assert (
        second.pairs() == []
    )  # the table's row bears the utterance's key, and counts for the part
    row = made.pairs[1]
    assert dataset.find_pair(row["source"], row["target"]).target.emotion == "happy"


def test_the_sound_is_on_the_clock_of_the_frames(shared):
    clip = open_dataset(shared.out)[KEY].clips["neutral-1-t001"]
    samples, rate = clip.audio()
    assert (
        clip.has_audio and rate == 16_000 and samples.dtype == np.float32 and len(samples) == 8_000
    )
    np.testing.assert_allclose(samples, small.SOUND, atol=1e-4)


def test_a_dataset_without_pictures_or_sound_says_so(tmp_path):
    small.make_dataset(tmp_path, crops=False)
    clip = open_dataset(tmp_path)[KEY].clips["angry-3-t001"]
    assert clip.crops == () and not clip.has_audio and clip.landmarks.shape == (15, 478, 2)
    with pytest.raises(ShardError, match="has no face crops"):
        clip.frames("face", [0])
    with pytest.raises(ShardError, match="`stccl prepare --audio` keeps it"):
        clip.audio()


def test_a_clip_whose_face_was_not_followed_has_times_alone():
    from stccl_data.dataset.utterance import parse_utterance

    clip = {"clip_id": "a", "emotion": "sad", "level": 1, "take": 1, "fps": None, "n_frames": 5, "width": None, "height": None,
            "duration_s": 1, "audio_rate": None, "scores": {}}  # fmt: skip
    labels = {"schema": 1, "key": "own/a/front/b", "corpus": "own", "speaker": "a", "view": "front", "sentence": "b", "text": None,
              "part": 1, "parts": 1, "clips": {"sad-1-t001": clip}, "pairs": []}  # fmt: skip
    members = {
        "json": json.dumps(labels).encode(),
        "sad-1-t001.npz": npz_bytes({"times": np.arange(5.0)}),
    }
    read = parse_utterance("own/a/front/b", LoadedMembers("x.tar", members)).clips["sad-1-t001"]
    assert (
        len(read) == 5
        and not read.valid.any()
        and read.landmarks.shape == (0, 0, 2)
        and read.face_transforms.shape == (0, 2, 3)
    )


def test_only_the_bytes_asked_for_are_read(shared, monkeypatch):
    from stccl_data.dataset.members import TarMembers

    read: list[tuple[str, int]] = []
    real = TarMembers.read

    def counted(self, suffix, start=0, stop=None):
        data = real(self, suffix, start, stop)
        read.append((suffix, len(data)))
        return data

    monkeypatch.setattr(TarMembers, "read", counted)
    clip = open_dataset(shared.out)[KEY].clips["angry-3-t001"]
    clip.frames("face", [3, 4, 5, 9])
    assert [suffix for suffix, _ in read] == [
        "json",
        "angry-3-t001.npz",
        "angry-3-t001.face.mjpg",
        "angry-3-t001.face.mjpg",
    ]
    track = small.make_track("angry").face
    assert [size for _, size in read[2:]] == [
        track.offsets[6] - track.offsets[3],
        track.offsets[10] - track.offsets[9],
    ]


def test_a_dataset_is_shared_by_threads_and_travels_to_other_processes(shared):
    dataset = open_dataset(shared.out)
    dataset[KEY].pairs()
    again = pickle.loads(pickle.dumps(dataset))
    assert again.keys() == dataset.keys() and len(again[KEY].pairs()) == 1

    def first_frame(key):
        return small.seen(dataset[key].clips["neutral-1-t001"].frames("face", [7])[0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(first_frame, shared.keys * 8)) == [("neutral", 7)] * 48


def test_an_index_of_many_utterances_opens_quickly(tmp_path):
    suffixes = [
        f"{name}.{part}"
        for name in ("neutral-1-t001", "angry-3-t001") * 4
        for part in ("face.mjpg", "mouth.mjpg", "npz")
    ]
    members = {suffix: [1_000_000 * i, 1_000_000] for i, suffix in enumerate(suffixes)}
    shard = "shards/train/stccl-train-000000.tar"
    (tmp_path / INDEX).write_text(
        "".join(
            json.dumps({"key": f"a/b/c/s{i}", "split": "train", "shard": shard, "members": members})
            + "\n"
            for i in range(5000)
        )
    )
    listed = [{"path": shard, "split": "train", "utterances": 5000, "bytes": 1, "sha256": ""}]
    (tmp_path / SHARDS).write_text(json.dumps({"schema": 1, "fingerprint": "", "shards": listed}))
    assert len(open_dataset(tmp_path)) == 5000


def test_an_index_whose_members_come_first_is_read_too(fresh):
    lines = [json.loads(line) for line in (fresh.out / INDEX).read_text().splitlines()]
    (fresh.out / INDEX).write_text(
        "".join(json.dumps(dict(reversed(line.items()))) + "\n" for line in lines)
    )
    assert open_dataset(fresh.out)[KEY].pairs()


# a pair by its clips


def test_a_pair_is_found_by_its_clips(shared):
    row = shared.pairs[1]
    pair = open_dataset(shared.out).find_pair(row["source"], row["target"])
    assert (
        not pair.accepted
        and pair.reason == "longest_repeat"
        and pair.source.clip_id == row["source"]
    )


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (
            "neutral-1/s001-t01",
            "angry-3/s001-t001",
            "did you mean mead/M003/front/neutral-1/s001-t001",
        ),
        (
            "angry-3/s001-t001",
            "neutral-1/s001-t001",
            "stored the other way round: source mead/M003/front/neutral-1/s001-t001",
        ),
        (
            "neutral-1/s001-t001",
            "angry-3/s001-t002",
            "no alignment in the shards; it was refused: partner_failed",
        ),
        (
            "neutral-1/s001-t001",
            "angry-3/s002-t001",
            "are no pair.*did you mean mead/M003/front/angry-3/s001-t00",
        ),
    ],
)
def test_clips_that_are_no_pair_are_explained(shared, source, target, words):
    with pytest.raises(ShardError, match=words):
        open_dataset(shared.out).find_pair(f"mead/M003/front/{source}", f"mead/M003/front/{target}")


def test_a_dataset_without_a_pair_is_a_dataset(fresh):
    small.write_tables(fresh.out, fresh.clips, fresh.pairs[:1])
    pq.write_table(pq.read_table(fresh.out / PAIRS).slice(1), fresh.out / PAIRS)
    with pytest.raises(ShardError, match=r"no pair of .* has the clip 'a'"):
        open_dataset(fresh.out).find_pair("a", "b")


# as a stream


def test_a_stream_brings_every_utterance_of_its_split_once(shared):
    dataset = open_dataset(shared.out)
    streamed = {utterance.key: utterance for utterance in dataset.stream("train")}
    assert list(streamed) == dataset.keys("train")
    (pair,) = streamed[KEY].pairs("neutral", "angry")
    assert small.seen(pair.target.frames("face", [9])[0]) == (
        "angry",
        9,
    ) and pair.frame_map.shape == (12,)
    with pytest.raises(ValueError, match="no split 'dev'"):
        dataset.stream("dev")


def test_a_shuffled_stream_follows_its_seed(shared):
    dataset = open_dataset(shared.out)
    orders = [
        [u.key for u in dataset.stream("train", shuffle=True, seed=seed)]
        for seed in (0, 0, 1, 2, 3)
    ]
    assert orders[0] == orders[1] and len({tuple(order) for order in orders}) > 1
    assert all(sorted(order) == sorted(dataset.keys("train")) for order in orders)


def test_a_stream_needs_no_more_than_the_tars(shared):
    paths = shards_of(shared.out)
    assert [utterance.key for utterance in open_stream(paths)] == open_dataset(shared.out).keys(
        "train"
    )
    braces = str(shared.out / "shards" / "val" / "stccl-val-{000000..000001}.tar")
    assert len(list(open_stream(braces))) == 2
    assert len(list(open_stream(paths[0]))) == 1
    assert len(list(open_stream([f"pipe:cat {paths[0]}"]))) == 1


def test_odd_letters_in_the_path_are_letters(tmp_path):
    made = small.make_dataset(tmp_path / "Übung #1 {a,b}?x:y")
    assert len(list(open_dataset(made.out).stream("val"))) == 2


def test_readers_share_the_shards_and_are_told_when_some_stay_idle(shared, monkeypatch):
    dataset = open_dataset(shared.out)
    monkeypatch.setenv("NUM_WORKERS", "3")
    got = []
    for worker in range(3):
        monkeypatch.setenv("WORKER", str(worker))
        got += [utterance.key for utterance in dataset.stream("train")]
    assert sorted(got) == sorted(dataset.keys("train"))
    with pytest.warns(UserWarning, match="2 shards for 3 readers: some get nothing"):
        list(dataset.stream("val"))


# damage


@pytest.mark.parametrize("cut", [1, 700, 10_240, 10_752, 40_000, 102_400])
def test_a_shard_that_was_cut_short_is_named(fresh, cut):
    shard = shards_of(fresh.out)[0]
    os.truncate(shard, shard.stat().st_size - cut)
    dataset = open_dataset(fresh.out)
    with pytest.raises(ShardError, match=f"{shard.name} has .* bytes and not .*: it was cut short"):
        dataset[KEY]
    with pytest.raises(ShardError, match=f"{shard.name} has .* it was cut short"):
        dataset.stream("train")


@pytest.mark.parametrize(
    "where", ["in a member", "in a header", "between members", "between samples", "in the end mark"]
)
def test_a_stream_of_bare_tars_notices_a_missing_end(fresh, where, tmp_path):
    parts = [io.BytesIO(path.read_bytes()) for path in shards_of(fresh.out)[:1]]
    shard = tmp_path / "bare.tar"
    shard.write_bytes(parts[0].getvalue())
    second = json.loads((fresh.out / INDEX).read_text().splitlines()[0])["members"]
    offset, size = second["happy-2-t001.npz"]
    end = offset + -(-size // 512) * 512
    whole = sum(-(-size // 512) * 512 + 512 for _, size in second.values())
    cut = {"in a member": offset + 100, "in a header": end + 200, "between members": end, "between samples": whole,
           "in the end mark": whole + 512}[where]  # fmt: skip
    os.truncate(shard, cut)
    with pytest.raises(ShardError, match=r"bare\.tar .*(cut short or damaged|is missing)"):
        list(open_stream(shard))
    with pytest.raises(ShardError, match=r"bare\.tar"):
        list(read_headers(shard, "bare.tar"))


def test_a_shard_that_is_gone_is_named(fresh):
    shards_of(fresh.out)[1].unlink()
    dataset = open_dataset(fresh.out)
    with pytest.raises(ShardError, match=r"stccl-train-000001.tar is missing"):
        dataset["mead/M003/front/s002"]
    with pytest.raises(ShardError, match=r"stccl-train-000001.tar is missing"):
        dataset.stream("train")
    assert dataset[KEY].pairs()  # the others are read all the same


def test_what_is_no_dataset_is_said(tmp_path, fresh):
    with pytest.raises(ShardError, match="is no folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(
        ShardError, match=r"holds no finished dataset: shards.json is missing; run `stccl prepare"
    ):
        open_dataset(tmp_path)
    record = json.loads((fresh.out / SHARDS).read_text())
    (fresh.out / SHARDS).write_text(json.dumps({**record, "schema": 2}))
    with pytest.raises(
        ShardError, match="has schema 2; this stccl reads up to 1: install a newer stccl"
    ):
        open_dataset(fresh.out)
    record["shards"][0]["path"] = "../../elsewhere.tar"
    (fresh.out / SHARDS).write_text(json.dumps(record))
    with pytest.raises(ShardError, match=r"shards.json is not as stccl writes it"):
        open_dataset(fresh.out)


def hostile_tar(path: Path, entry: tarfile.TarInfo, data: bytes = b"") -> Path:
    with tarfile.open(path, "w") as tar:
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "name", ["../../etc/cron.json", "/etc/passwd.json", "a/./b.json", "a\\b.json"]
)
def test_a_member_that_leads_out_of_the_dataset_is_refused(tmp_path, name):
    path = hostile_tar(tmp_path / "bad.tar", tarfile.TarInfo(name), b"{}")
    with pytest.raises(ShardError, match=r"which leads out of the dataset: do not trust this tar"):
        list(open_stream(path))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(tmp_path, kind):
    entry = tarfile.TarInfo("a/b/c/d.json")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(ShardError, match="a link or a device, which stccl never writes"):
        list(open_stream(hostile_tar(tmp_path / "bad.tar", entry)))


def test_a_member_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path):
    entry = tarfile.TarInfo("a/b/c/d.json")
    entry.size = 2**40
    (tmp_path / "bad.tar").write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * 10_240)
    with pytest.raises(ShardError, match=r"claims 1,099,511,627,776 bytes"):
        list(open_stream(tmp_path / "bad.tar"))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize(
    "read", [lambda path: list(open_stream(path)), lambda path: list(read_headers(path, str(path)))]
)
def test_a_header_that_claims_gigabytes_is_refused_before_memory_is_taken_for_it(
    tmp_path, kind, read
):
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = kind, 3 * 2**30
    with (tmp_path / "bad.tar").open("wb") as file:
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        file.truncate(3 * 2**30 + 4096)  # a hole
    tracemalloc.start()
    with pytest.raises(ShardError, match="a header claims 3,221,225,472 bytes"):
        read(tmp_path / "bad.tar")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_an_array_that_claims_more_than_there_is_takes_no_memory():
    npy, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(
        npy, {"shape": (100_000_000,), "fortran_order": False, "descr": "<f8"}
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("times.npy", npy.getvalue() + bytes(32))
    tracemalloc.start()
    with pytest.raises(ShardError, match=r"an array of shape \(100000000,\) has \d+ bytes"):
        member_arrays(file.getvalue(), "x.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_an_index_that_points_outside_its_shard_is_refused(fresh):
    lines = [json.loads(line) for line in (fresh.out / INDEX).read_text().splitlines()]
    lines[0]["members"]["angry-3-t001.npz"] = [0, 2**40]
    (fresh.out / INDEX).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ShardError, match="cannot lie where the index says; run `stccl verify`"):
        _ = open_dataset(fresh.out)[KEY].clips["angry-3-t001"].times


@pytest.mark.parametrize("kept", [0, 1])
def test_an_index_that_was_cut_short_is_an_error_with_its_name(fresh, kept):
    lines = (fresh.out / INDEX).read_text().splitlines(keepends=True)
    (fresh.out / INDEX).write_text("".join(lines[:kept]))
    with pytest.raises(
        ShardError,
        match=r"index\.jsonl names \d utterances of shards/.*\.tar, shards\.json says \d; run `stccl verify`",
    ):
        open_dataset(fresh.out)


def test_pickled_objects_and_compressed_arrays_are_not_unpacked():
    file = io.BytesIO()
    np.savez(file, times=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ShardError, match="no archive of plain arrays"):
        member_arrays(file.getvalue(), "x.npz")
    file = io.BytesIO()
    np.savez_compressed(file, times=np.zeros(10_000_000))
    with pytest.raises(ShardError, match="compressed arrays, which stccl does not write"):
        member_arrays(file.getvalue(), "x.npz")
    with pytest.raises(ShardError, match="no archive"):
        member_arrays(b"PK not at all", "x.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_whose_directory_claims_little_is_not_unpacked(method):
    npy = io.BytesIO()
    np.save(npy, np.zeros(100))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("times.npy", npy.getvalue() + bytes(200_000_000))
    data = bytearray(file.getvalue())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = len(npy.getvalue()).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(ShardError, match="compressed arrays, which stccl does not write"):
        member_arrays(bytes(data), "x.npz")
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_an_array_that_claims_to_be_huge_is_an_error():
    data = npz_bytes({"times": np.zeros(4)}).replace(
        b"'shape': (4,), }        ", b"'shape': (4000000000,), }"[:24]
    )
    with pytest.raises(ShardError):
        member_arrays(data, "x.npz")


@pytest.mark.parametrize(
    "text", [b"{", b"[]", b'{"schema": 1}', b'{"schema": "1"}', b"[" * 100_000, b"\xff\xfe"]
)
def test_labels_that_are_none_are_an_error_with_a_sentence(text):
    from stccl_data.dataset.utterance import parse_utterance

    with pytest.raises(ShardError, match=r"x.tar: a/b.json is not as stccl writes it"):
        parse_utterance("a/b", LoadedMembers("x.tar", {"json": text}))


# for people who do not want our code


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # webdataset leaves its files to the collector
def test_the_example_of_the_documentation_runs_as_it_stands(shared, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "shards.md").read_text()
    (block,) = [
        code
        for code in re.findall(r"```python\n(.*?)```", page, re.S)
        if "import webdataset" in code or "webdataset as" in code
    ]
    assert "stccl" not in block.replace("stccl-train", "")  # nothing of this package is needed
    assert len([line for line in block.splitlines() if line.strip()]) <= 20
    monkeypatch.chdir(shared.out)
    names: dict = {}
    exec(compile(block, "docs/shards.md", "exec"), names)
    pair = open_dataset(shared.out)["mead/W009/front/s002"].pairs("neutral", "angry")[0]
    np.testing.assert_array_equal(
        names["source"][..., ::-1], pair.source.frames("face", [names["i"]])[0]
    )
    np.testing.assert_array_equal(
        names["target"][..., ::-1], pair.target.frames("face", [pair.frame_map[names["i"]]])[0]
    )


def test_the_example_of_the_reader_runs_too(shared):
    page = (Path(__file__).parents[3] / "docs" / "shards.md").read_text()
    (block,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "open_dataset" in code
    ]
    row = shared.pairs[0]
    here = {'"OUT"': repr(str(shared.out)), "range(10, 15)": "range(5, 10)"}
    here |= {
        f"mead/M030/front/{clip}/s009-t001": row[side]
        for clip, side in (("neutral-1", "source"), ("angry-3", "target"))
    }
    for written, ours in here.items():
        assert written in block
        block = block.replace(written, ours)
    names: dict = {}
    exec(compile(block, "docs/shards.md", "exec"), names)
    assert (
        names["source"].shape == names["target"].shape == (5, 64, 64, 3) and names["pair"].accepted
    )


def test_reading_loads_neither_mediapipe_nor_torch(shared):
    code = (
        "import sys; from stccl_data.dataset import open_dataset; d = open_dataset(sys.argv[1]); "
        f"u = d[{KEY!r}]; u.pairs()[0].target.frames('face', [1]); print({{'mediapipe', 'torch', 'webdataset'}} & set(sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(shared.out)], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "set()"


def test_a_motion_jpeg_member_is_a_film_that_ffmpeg_plays(shared, tmp_path):
    from stccl_data.media.video import read_frames

    members = json.loads((shared.out / INDEX).read_text().splitlines()[0])
    offset, size = members["members"]["angry-3-t001.face.mjpg"]
    data = (shared.out / members["shard"]).read_bytes()[offset : offset + size]
    (tmp_path / "clip.mjpg").write_bytes(data)
    assert len(list(read_frames(tmp_path / "clip.mjpg"))) == 15
    assert small.seen(decode_jpeg(data[: small.make_track("angry").face.offsets[1]])) == (
        "angry",
        0,
    )


def test_the_tables_are_plain_parquet(shared):
    assert pq.read_table(shared.out / PAIRS).num_rows == len(shared.pairs)
    assert pa.types.is_boolean(pq.read_schema(shared.out / PAIRS).field("accepted").type)
