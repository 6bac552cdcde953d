"""Reading a dataset by key and by pair."""

import json
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stccl_data.dataset import ShardError, open_dataset
from stccl_data.dataset.layout import INDEX, PAIRS, SHARDS
from stccl_data.dataset.members import LoadedMembers, TarMembers
from stccl_data.dataset.sample import clip_record, sample_content
from stccl_data.dataset.sample_json import parse_utterance
from stccl_data.dataset.shard_writer import ShardWriter
from stccl_data.files.npz import npz_bytes
from stccl_data.landmarks import points_in_crop
from stccl_data.media.audio import Audio as Sound
from stccl_data.media.audio import encode_flac
from stccl_data.media.jpeg import decode_jpeg
from tests.testing import datasets as small

KEY = "mead/M003/front/s001"
DOCS = Path(__file__).parents[3] / "docs" / "shards.md"


def test_keys_are_listed_by_split(shared_dataset):
    dataset = open_dataset(shared_dataset.out)
    assert dataset.splits == ("train", "val")
    assert dataset.keys() == shared_dataset.keys
    assert len(dataset) == 6
    assert dataset.keys("val") == ["mead/M005/front/s001", "mead/M005/front/s002"]
    assert KEY in dataset
    assert dataset.split_of(KEY) == "train"
    with pytest.raises(ValueError, match=r"'test'.*train, val"):
        dataset.keys("test")


def test_the_error_about_an_unknown_key_names_a_similar_one(shared_dataset):
    with pytest.raises(KeyError, match=KEY):
        open_dataset(shared_dataset.out)["mead/M003/front/s01"]


def test_an_utterance_has_its_labels_and_clips(shared_dataset):
    utterance = open_dataset(shared_dataset.out)[KEY]
    labels = (utterance.corpus, utterance.speaker, utterance.view, utterance.sentence)
    assert labels == ("mead", "M003", "front", "s001")
    assert utterance.text == "She had your dark suit."
    assert (utterance.part, utterance.parts) == (1, 1)
    assert list(utterance.clips) == ["angry-3-t001", "happy-2-t001", "neutral-1-t001"]
    clip = utterance.clips["angry-3-t001"]
    assert (clip.emotion, clip.level, clip.take, clip.fps) == ("angry", 3, 1, 25)
    assert clip.n_frames == len(clip) == 15
    assert (clip.scores["eye_distance"], clip.scores["face_rate"]) == (80.0, 0.916667)
    assert clip.scores["yaw"] is clip.scores["pitch"] is None


def test_arrays_and_crops_are_read_as_they_were_written(shared_dataset):
    clip = open_dataset(shared_dataset.out)[KEY].clips["angry-3-t001"]
    track = small.make_track("angry")
    for name in ("times", "valid", "landmarks", "face_transforms", "mouth_transforms"):
        actual, expected = getattr(clip, name), getattr(track, name)
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
    assert clip.crops == ("face", "mouth")
    assert clip.jpegs("mouth") == [track.mouth.jpeg(i) for i in range(15)]


def test_frames_come_in_the_requested_order_and_may_repeat(shared_dataset):
    clip = open_dataset(shared_dataset.out)[KEY].clips["angry-3-t001"]
    frames = clip.frames("face", np.array([4, 4, 2, 14]))
    assert frames.shape == (4, 64, 64, 3)
    assert frames.dtype == np.uint8
    assert [small.identify_frame(frame) for frame in frames] == [
        ("angry", i) for i in (4, 4, 2, 14)
    ]
    assert clip.frames("mouth").shape == (15, 32, 32, 3)
    assert clip.frames("face", []).shape == (0, 0, 0, 3)


def test_points_lie_where_the_crop_shows_them(shared_dataset):
    clip = open_dataset(shared_dataset.out)[KEY].clips["angry-3-t001"]
    points = clip.points("face", [4, 2])
    expected = points_in_crop(clip.landmarks[[4, 2]], clip.face_transforms[[4, 2]])
    np.testing.assert_array_equal(points, expected)
    np.testing.assert_allclose(clip.points("face", [4, 2], size=96), expected * 96 / 64)
    assert clip.points("mouth").shape == (15, 68, 2)
    with pytest.raises(IndexError, match="15 frames"):
        clip.points("face", [15])


def test_frames_and_crops_that_do_not_exist_are_errors(shared_dataset):
    clip = open_dataset(shared_dataset.out)[KEY].clips["angry-3-t001"]
    with pytest.raises(IndexError, match=r"15.*mead/M003/front/angry-3/s001-t001"):
        clip.frames("face", [15])
    with pytest.raises(IndexError):
        clip.jpeg("face", -1)
    with pytest.raises(ValueError, match=r"'nose'.*face, mouth"):
        clip.frames("nose", [0])


def test_a_pair_maps_each_source_frame_to_its_target_frame(shared_dataset):
    (pair,) = open_dataset(shared_dataset.out)[KEY].pairs(source="neutral", target="angry")
    expected = small.make_alignment(small.make_track("neutral"), small.make_track("angry"))
    np.testing.assert_array_equal(pair.frame_map, expected.frame_map)
    np.testing.assert_array_equal(pair.source_time, expected.source_time)
    np.testing.assert_array_equal(pair.target_time, expected.target_time)
    assert pair.scores["cost"] == 0.5
    assert pair.scores["mode"] == "audio"
    assert pair.scores["content_score"] is None
    warped = pair.target.frames("face", pair.frame_map)
    assert [small.identify_frame(frame)[1] for frame in warped] == pair.frame_map.tolist()


def test_pairs_are_filtered_by_emotion_and_by_acceptance(shared_dataset):
    utterance = open_dataset(shared_dataset.out)[KEY]
    assert [pair.target.emotion for pair in utterance.pairs()] == ["angry"]
    (rejected,) = utterance.pairs(accepted=False)
    assert (rejected.target.emotion, rejected.reason) == ("happy", "longest_repeat")
    assert len(utterance.pairs(accepted=None)) == 2
    assert utterance.pairs(source="angry") == []
    assert utterance.pairs(target="anger")[0].target.name == "angry-3-t001"
    assert utterance.pairs(target="cross") == []
    with pytest.raises(ValueError, match=r"'\.\./x'"):
        utterance.pairs(target="../x")


def test_the_table_decides_which_pairs_are_accepted(dataset_copy):
    for row in dataset_copy.pairs:
        if row["mode"]:
            row["accepted"] = not row["accepted"]
            row["reason"] = None if row["accepted"] else "content_mismatch"
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs)
    dataset = open_dataset(dataset_copy.out)
    for utterance in (dataset[KEY], next(dataset.stream("train"))):
        assert [pair.target.emotion for pair in utterance.pairs()] == ["happy"]
        assert [pair.reason for pair in utterance.pairs(accepted=False)] == ["content_mismatch"]


def test_without_the_table_the_decisions_in_the_shards_hold(dataset_copy):
    (dataset_copy.out / PAIRS).unlink()
    utterance = open_dataset(dataset_copy.out)[KEY]
    assert [pair.target.emotion for pair in utterance.pairs()] == ["angry"]


def test_parts_of_an_utterance_are_utterances_that_repeat_the_reference(tmp_path):
    written = small.make_dataset(tmp_path, parts=True)
    dataset = open_dataset(tmp_path)
    second = dataset[f"{KEY}+p2"]
    assert (second.part, second.parts) == (2, 2)
    assert list(second.clips) == ["happy-2-t001", "neutral-1-t001"]
    assert [pair.target.emotion for pair in second.pairs(accepted=None)] == ["happy"]
    assert second.pairs() == []  # the table has the key of the utterance, which counts for parts
    row = written.pairs[1]
    assert dataset.find_pair(row["source"], row["target"]).target.emotion == "happy"
    assert [part.key for part in dataset.parts(KEY)] == [KEY, f"{KEY}+p2"]


def test_the_sound_is_read_as_it_was_written(shared_dataset):
    clip = open_dataset(shared_dataset.out)[KEY].clips["neutral-1-t001"]
    samples, rate = clip.audio()
    assert clip.has_audio
    assert (rate, samples.dtype, len(samples)) == (16_000, np.float32, 8_000)
    np.testing.assert_allclose(samples, small.SOUND, atol=1e-4)


def test_missing_crops_and_sound_are_errors_that_name_the_option(tmp_path):
    small.make_dataset(tmp_path, crops=False)
    clip = open_dataset(tmp_path)[KEY].clips["angry-3-t001"]
    assert clip.crops == ()
    assert not clip.has_audio
    assert clip.landmarks.shape == (15, 478, 2)
    with pytest.raises(ShardError, match="--crops"):
        clip.frames("face", [0])
    with pytest.raises(ShardError, match="--audio"):
        clip.audio()


def test_a_clip_without_tracking_has_times_only():
    clip = {
        "clip_id": "a",
        "emotion": "sad",
        "level": 1,
        "take": 1,
        "fps": None,
        "n_frames": 5,
        "width": None,
        "height": None,
        "duration_s": 1,
        "audio_rate": None,
        "scores": {},
    }
    labels = {
        "schema": 1,
        "key": "own/a/front/b",
        "corpus": "own",
        "speaker": "a",
        "view": "front",
        "sentence": "b",
        "text": None,
        "part": 1,
        "parts": 1,
        "clips": {"sad-1-t001": clip},
        "pairs": [],
    }
    members = {
        "json": json.dumps(labels).encode(),
        "sad-1-t001.npz": npz_bytes({"times": np.arange(5.0)}),
    }
    utterance = parse_utterance("own/a/front/b", LoadedMembers("x.tar", members))
    clip = utterance.clips["sad-1-t001"]
    assert len(clip) == 5
    assert not clip.valid.any()
    assert clip.landmarks.shape == (0, 0, 2)
    assert clip.face_transforms.shape == (0, 2, 3)


def test_only_the_requested_bytes_are_read(shared_dataset, monkeypatch):
    reads: list[tuple[str, int]] = []
    original = TarMembers.read

    def counting(self, suffix, start=0, stop=None):
        data = original(self, suffix, start, stop)
        reads.append((suffix, len(data)))
        return data

    monkeypatch.setattr(TarMembers, "read", counting)
    open_dataset(shared_dataset.out)[KEY].clips["angry-3-t001"].frames("face", [3, 4, 5, 9])
    offsets = small.make_track("angry").face.offsets
    assert reads[0][0] == "json"
    assert [read for read in reads if read[0] == "face.mjpg"] == [
        ("face.mjpg", offsets[6] - offsets[3]),
        ("face.mjpg", offsets[10] - offsets[9]),
    ]
    per_frame = sum(size for suffix, size in reads if suffix == "clips.npz") / (12 + 15 + 10)
    assert per_frame < 30, "times, valid and offsets, but no landmarks"


def test_the_index_gives_the_bytes_of_each_clip(shared_dataset):
    clip = open_dataset(shared_dataset.out)[KEY].clips["happy-2-t001"]
    line = json.loads((shared_dataset.out / INDEX).read_text().splitlines()[0])
    tar = (shared_dataset.out / line["shard"]).read_bytes()
    places = line["clips"]["happy-2-t001"]
    content = {suffix: tar[start : start + size] for suffix, (start, size) in places.items()}
    assert content["face.mjpg"] == b"".join(clip.jpegs("face"))
    assert content["mouth.mjpg"] == b"".join(clip.jpegs("mouth"))
    assert content["flac"] == encode_flac(Sound(small.SOUND, small.RATE, 0.0))
    start, size = line["arrays"]["times"]
    times = np.frombuffer(tar[start : start + size])
    assert len(times) == 37 and times[15:25].tolist() == clip.times.tolist()


@pytest.mark.parametrize("without", ["arrays", "clips"])
def test_an_index_without_the_places_of_parts_is_enough(dataset_copy, without):
    index = dataset_copy.out / INDEX
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    for line in lines:
        del line[without]
    index.write_text("".join(json.dumps(line) + "\n" for line in lines))
    clip = open_dataset(dataset_copy.out)[KEY].clips["happy-2-t001"]
    np.testing.assert_array_equal(clip.landmarks, small.make_track("happy").landmarks)


def test_a_dataset_can_be_pickled_and_used_from_threads(shared_dataset):
    dataset = open_dataset(shared_dataset.out)
    dataset[KEY].pairs()
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.keys() == dataset.keys()
    assert len(copy[KEY].pairs()) == 1

    def first_frame(key):
        clip = dataset[key].clips["neutral-1-t001"]
        return small.identify_frame(clip.frames("face", [7])[0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(first_frame, shared_dataset.keys * 8)) == [("neutral", 7)] * 48


def test_an_index_of_many_utterances_can_be_opened(tmp_path):
    suffixes = [
        f"{name}.{suffix}"
        for name in ("neutral-1-t001", "angry-3-t001")
        for suffix in ("face.mjpg", "mouth.mjpg", "npz")
    ]
    shard = "shards/train/stccl-train-000000.tar"
    line = {
        "split": "train",
        "shard": shard,
        "members": {suffix: [1_000_000 * i, 1_000_000] for i, suffix in enumerate(suffixes)},
    }
    lines = (json.dumps({"key": f"a/b/c/s{i}", **line}) + "\n" for i in range(5000))
    (tmp_path / INDEX).write_text("".join(lines))
    listed = [{"path": shard, "split": "train", "utterances": 5000, "bytes": 1, "sha256": ""}]
    (tmp_path / SHARDS).write_text(json.dumps({"schema": 1, "fingerprint": "", "shards": listed}))
    assert len(open_dataset(tmp_path)) == 5000


def test_an_index_line_may_list_its_members_first(dataset_copy):
    index = dataset_copy.out / INDEX
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    index.write_text("".join(json.dumps(dict(reversed(line.items()))) + "\n" for line in lines))
    assert open_dataset(dataset_copy.out)[KEY].pairs()


# pairs by their clips


def test_a_pair_is_found_by_its_clip_ids(shared_dataset):
    row = shared_dataset.pairs[1]
    pair = open_dataset(shared_dataset.out).find_pair(row["source"], row["target"])
    assert pair.source.clip_id == row["source"]
    assert (pair.accepted, pair.reason) == (False, "longest_repeat")


@pytest.mark.parametrize(
    ("source", "target", "pattern"),
    [
        pytest.param(
            "neutral-1/s001-t01", "angry-3/s001-t001", r"neutral-1/s001-t001\b", id="unknown"
        ),
        pytest.param(
            "angry-3/s001-t001",
            "neutral-1/s001-t001",
            "source mead/M003/front/neutral-1/s001-t001",
            id="reversed",
        ),
        pytest.param(
            "neutral-1/s001-t001", "angry-3/s001-t002", "partner_failed", id="never aligned"
        ),
        pytest.param(
            "neutral-1/s001-t001",
            "angry-3/s002-t001",
            "mead/M003/front/angry-3/s001-t00",
            id="other sentence",
        ),
    ],
)
def test_the_error_about_clips_that_are_not_a_pair_says_why(
    shared_dataset, source, target, pattern
):
    dataset = open_dataset(shared_dataset.out)
    with pytest.raises(ShardError, match=pattern):
        dataset.find_pair(f"mead/M003/front/{source}", f"mead/M003/front/{target}")


def test_a_pair_without_an_utterance_has_no_alignment(dataset_copy):
    dataset_copy.pairs[-1].update(utterance=None)
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs)
    row = dataset_copy.pairs[-1]
    with pytest.raises(ShardError, match="partner_failed"):
        open_dataset(dataset_copy.out).find_pair(row["source"], row["target"])


def test_the_table_may_have_no_rows(dataset_copy):
    small.write_tables(dataset_copy.out, dataset_copy.clips, [])
    with pytest.raises(ShardError, match="'a'"):
        open_dataset(dataset_copy.out).find_pair("a", "b")


# documentation and other programs


def documented_example(word: str) -> str:
    """Return the one Python example of docs/shards.md that contains a word."""
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    (example,) = [example for example in examples if word in example]
    return example


@pytest.mark.filterwarnings(  # webdataset leaves its files to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_the_documented_example_without_this_package_runs(shared_dataset, monkeypatch):
    example = documented_example("import glob")
    assert "stccl" not in example.replace("stccl-train", "")
    monkeypatch.chdir(shared_dataset.out)
    names: dict = {}
    exec(compile(example, "docs/shards.md", "exec"), names)
    pair = open_dataset(shared_dataset.out)["mead/W009/front/s002"].pairs("neutral", "angry")[0]
    source = pair.source.frames("face", [names["i"]])[0]
    target = pair.target.frames("face", [pair.frame_map[names["i"]]])[0]
    np.testing.assert_array_equal(names["source"][..., ::-1], source)
    np.testing.assert_array_equal(names["target"][..., ::-1], target)


def test_the_documented_example_with_the_reader_runs(shared_dataset):
    example = documented_example("open_dataset")
    row = shared_dataset.pairs[0]
    replacements = {
        '"OUT"': repr(str(shared_dataset.out)),
        "range(10, 15)": "range(5, 10)",
        "mead/M030/front/neutral-1/s009-t001": row["source"],
        "mead/M030/front/angry-3/s009-t001": row["target"],
    }
    for documented, actual in replacements.items():
        assert documented in example
        example = example.replace(documented, actual)
    names: dict = {}
    exec(compile(example, "docs/shards.md", "exec"), names)
    assert names["source"].shape == names["target"].shape == (5, 64, 64, 3)
    assert names["pair"].accepted


@pytest.mark.parametrize("options", [{"audio": True}, {"crops": False}])
def test_hugging_face_datasets_loads_the_folder(tmp_path, options):
    from datasets import load_dataset  # takes a second, and only one process needs it

    written = small.make_dataset(tmp_path / "out", **options)
    splits = load_dataset(str(written.out), cache_dir=str(tmp_path / "cache"))
    assert {split: list(table["__key__"]) for split, table in splits.items()} == {
        split: open_dataset(written.out).keys(split) for split in ("train", "val")
    }
    first = next(iter(load_dataset(str(written.out), split="val", streaming=True)))
    assert isinstance(first.get("flac", b""), bytes)
    clips = open_dataset(written.out)[first["__key__"]].clips.values()
    assert first["json"]["clips"][0]["name"] == next(iter(clips)).name
    assert first["clips.npz"]["times"] == [time for clip in clips for time in clip.times]


def test_hugging_face_datasets_loads_samples_of_different_clips(tmp_path):
    """Clips of other names, of sound only, without text, and scores that only some have."""
    from datasets import load_dataset

    writer = ShardWriter(tmp_path, "train", 10**9)
    for number, emotions in enumerate((["sad"], ["fear", "calm"], ["happy", "sad"], ["angry"])):
        clips = {}
        for emotion in emotions:
            silent = number % 2
            track = None if silent else small.make_track("angry")
            clip = replace(small.make_clip("M003", "angry", "s001"), emotion=emotion)
            if silent:
                clip = replace(clip, text=None, fps=None, n_frames=None, width=None, height=None)
            scores = {} if silent else {"face_rate": 1.0}
            clips[emotion] = clip_record(clip, scores, track, np.zeros(0), None)
        writer.add(f"own/s/front/x{number}", sample_content(f"own/s/front/x{number}", clips, []))
    (shard,) = writer.close()
    loaded = load_dataset(
        "webdataset",
        data_files=str(tmp_path / shard.path),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded[1]["clips.npz"]["landmarks"] == [] and loaded[1]["face.mjpg"] == b""
    assert len(loaded[2]["clips.npz"]["landmarks"]) == 2 * 15 * 478 * 2


def test_reading_imports_neither_mediapipe_nor_torch_nor_webdataset(shared_dataset):
    code = (
        "import sys; from stccl_data.dataset import open_dataset; d = open_dataset(sys.argv[1]); "
        f"u = d[{KEY!r}]; u.pairs()[0].target.frames('face', [1]); "
        "print({'mediapipe', 'torch', 'webdataset'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(shared_dataset.out)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_ffmpeg_plays_a_motion_jpeg_member(shared_dataset, tmp_path):
    from stccl_data.media.video import read_frames

    line = json.loads((shared_dataset.out / INDEX).read_text().splitlines()[0])
    offset, size = line["clips"]["angry-3-t001"]["face.mjpg"]
    data = (shared_dataset.out / line["shard"]).read_bytes()[offset : offset + size]
    (tmp_path / "clip.mjpg").write_bytes(data)
    assert len(list(read_frames(tmp_path / "clip.mjpg"))) == 15
    first = data[: small.make_track("angry").face.offsets[1]]
    assert small.identify_frame(decode_jpeg(first)) == ("angry", 0)
