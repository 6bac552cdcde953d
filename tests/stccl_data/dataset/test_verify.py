"""An intact dataset has no problems; any single damage is a problem that names the file."""

import hashlib
import io
import json
import os
import shutil
import tarfile

import numpy as np
import pytest

from stccl_data.dataset import ShardError, open_dataset
from stccl_data.dataset.layout import CLIPS, INDEX, PAIRS, SHARDS, STATS
from stccl_data.dataset.verify import verify
from stccl_data.files.npz import array_places, npz_arrays, npz_bytes
from tests.testing import datasets as small

FIRST = "shards/train/stccl-train-000000.tar"
SECOND = "shards/train/stccl-train-000001.tar"
KEY = "mead/M003/front/s001"
NEUTRAL, ANGRY = "mead/M003/front/neutral-1/s001-t001", "mead/M003/front/angry-3/s001-t001"


def assert_problem(out, file, *words, **options):
    """Assert that a problem of a file mentions all these words: names, keys, numbers."""
    problems = verify(out, **options)
    assert any(
        problem.file == file and all(word in str(problem) for word in words) for problem in problems
    ), [str(problem) for problem in problems]


def read_members(path):
    """Return name -> content of every member of a tar."""
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def write_shard(out, shard, members):
    """Write a tar from a mapping or from pairs of name and content."""
    pairs = list(members.items() if isinstance(members, dict) else members)
    with tarfile.open(out / shard, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in pairs:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def rewrite_shard(out, shard, members):
    """Write a tar, and make the index, the list of shards and the counts agree with it."""
    write_shard(out, shard, members)
    contents = dict(members.items() if isinstance(members, dict) else members)
    with tarfile.open(out / shard) as tar:
        samples: dict = {}
        for entry in tar:
            key, _, suffix = entry.name.partition(".")
            samples.setdefault(key, {})[suffix] = [entry.offset_data, entry.size]
    split = shard.split("/")[1]
    lines = [line for line in read_index(out) if line["shard"] != shard]
    lines += [
        {"key": key, "split": split, "shard": shard, "members": ranges}
        | index_parts(key, ranges, contents)
        for key, ranges in samples.items()
    ]
    write_index(out, lines)
    record = json.loads((out / SHARDS).read_text())
    data = (out / shard).read_bytes()
    for info in record["shards"]:
        if info["path"] == shard:
            digest = hashlib.sha256(data).hexdigest()
            info.update(bytes=len(data), sha256=digest, utterances=len(samples))
    (out / SHARDS).write_text(json.dumps(record))
    counts = json.loads((out / STATS).read_text())
    counts["bytes"] = sum(info["bytes"] for info in record["shards"])
    (out / STATS).write_text(json.dumps(counts))


def index_parts(key, ranges, contents):
    """Return what the index says of the clips and arrays of a sample."""
    if not {"json", "clips.npz"} <= ranges.keys():
        return {}
    npz, names = contents[f"{key}.clips.npz"], json.loads(contents[f"{key}.json"])["clips"]
    arrays, start = npz_arrays(npz), ranges["clips.npz"][0]
    frames, clips = arrays["frame_offsets"], {}
    for number, clip in enumerate(names):
        bounds = {
            f"{crop}.mjpg": arrays[f"{crop}_offsets"][frames[number : number + 2]]
            for crop in ("face", "mouth")
        }
        bounds["flac"] = arrays["flac_offsets"][number : number + 2]
        clips[clip["name"]] = {
            suffix: [ranges[suffix][0] + int(first), int(end - first)]
            for suffix, (first, end) in bounds.items()
            if suffix in ranges
        }
    places = {name: [start + offset, n] for name, (offset, n) in array_places(npz).items()}
    return {"clips": clips, "arrays": places}


def read_index(out):
    return [json.loads(line) for line in (out / INDEX).read_text().splitlines()]


def write_index(out, lines):
    (out / INDEX).write_text("".join(json.dumps(line) + "\n" for line in lines))


def edit_member(out, suffix, change):
    """Change one member of the first sample, with everything around it made to agree."""
    members = read_members(out / FIRST)
    members[f"{KEY}.{suffix}"] = change(members[f"{KEY}.{suffix}"])
    rewrite_shard(out, FIRST, members)


def edit_array(out, suffix, name, change):
    """Change one array of the first sample."""

    def changed(data):
        arrays = npz_arrays(data)
        arrays[name] = change(arrays[name])
        return npz_bytes(arrays)

    edit_member(out, suffix, changed)


def edit_clip(out, name, change, number=0):
    """Change the values of one clip of the first sample in an array; their number stays."""
    arrays = npz_arrays(read_members(out / FIRST)[f"{KEY}.clips.npz"])
    start, stop = arrays["frame_offsets"][number : number + 2]
    width = len(arrays[name]) // len(arrays["times"])

    def changed(values):
        values = values.copy()
        values[start * width : stop * width] = change(values[start * width : stop * width])
        return values

    edit_array(out, "clips.npz", name, changed)


def edit_json(path, change):
    """Change the record in a JSON file."""
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("options", [{}, {"audio": True}, {"crops": False}, {"parts": True}])
def test_an_intact_dataset_has_no_problems(tmp_path, options):
    small.make_dataset(tmp_path, **options)
    assert verify(tmp_path, decode=True) == []


def test_a_shard_that_was_rewritten_consistently_is_no_problem(dataset_copy):
    rewrite_shard(dataset_copy.out, FIRST, read_members(dataset_copy.out / FIRST))
    assert verify(dataset_copy.out) == []


class CountingProgress:
    """Counts the steps of each stage."""

    def __init__(self) -> None:
        self.total = self.steps = 0

    def stage(self, name, total, done=0):
        self.total += total

    def step(self, reason=None, values=None):
        self.steps += 1

    def note(self, text): ...


def test_progress_counts_samples(shared_dataset):
    progress = CountingProgress()
    verify(shared_dataset.out, progress=progress)
    assert progress.steps == progress.total == len(shared_dataset.keys)


# bytes


@pytest.mark.parametrize("place", [300, 513, 40_000, 90_001])
def test_a_flipped_bit_is_found(dataset_copy, place):
    data = bytearray((dataset_copy.out / FIRST).read_bytes())
    data[place] ^= 0x40
    (dataset_copy.out / FIRST).write_bytes(data)
    assert_problem(dataset_copy.out, FIRST, "SHA-256", hashlib.sha256(data).hexdigest()[:12])


def test_a_truncated_shard_is_found_wherever_it_ends(dataset_copy):
    path = dataset_copy.out / FIRST
    size = path.stat().st_size
    offset, length = read_index(dataset_copy.out)[0]["members"]["face.mjpg"]
    end = offset + -(-length // 512) * 512
    cuts = (size - 1, size - 512, size - 9_000, end, end + 512, offset + 10, 512, 100, 0)
    for cut in cuts:
        os.truncate(path, cut)
        assert_problem(dataset_copy.out, FIRST, f"{cut:,}", f"{size:,}")
        path.write_bytes(path.read_bytes() + b"\1" * (size - cut))  # the right size again
        assert verify(dataset_copy.out), cut


def test_a_missing_end_mark_is_found_even_if_the_checksum_agrees(dataset_copy):
    offset, length = read_index(dataset_copy.out)[0]["members"]["pairs.npz"]
    size = offset + -(-length // 512) * 512
    os.truncate(dataset_copy.out / FIRST, size)
    data = (dataset_copy.out / FIRST).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    edit_json(
        dataset_copy.out / SHARDS,
        lambda record: record["shards"][0].update(bytes=len(data), sha256=digest),
    )
    assert_problem(dataset_copy.out, FIRST, f"{size:,}", "end mark")


def test_exchanged_shards_are_found(dataset_copy):
    first, second = dataset_copy.out / FIRST, dataset_copy.out / SECOND
    shutil.move(first, dataset_copy.out / "x")
    shutil.move(second, first)
    shutil.move(dataset_copy.out / "x", second)
    assert_problem(dataset_copy.out, FIRST)
    assert_problem(dataset_copy.out, INDEX, KEY, FIRST)


def test_a_missing_shard_is_found(dataset_copy):
    (dataset_copy.out / FIRST).unlink()
    (problem,) = verify(dataset_copy.out)
    assert problem.file == FIRST


def test_files_that_do_not_belong_are_found(dataset_copy):
    stray = "shards/train/stccl-train-000077.tar"
    leftover = "shards/val/.stccl-val-000000.tar.abc.tmp"
    shutil.copy(dataset_copy.out / FIRST, dataset_copy.out / stray)
    (dataset_copy.out / leftover).write_bytes(b"half")
    (dataset_copy.out / ".clips.parquet.x.tmp").write_bytes(b"")
    files = sorted(problem.file for problem in verify(dataset_copy.out))
    assert files == [".clips.parquet.x.tmp", stray, leftover]


# the index and the list of shards


def test_a_missing_index_line_is_found(dataset_copy):
    write_index(dataset_copy.out, read_index(dataset_copy.out)[1:])
    assert_problem(dataset_copy.out, FIRST, KEY, "index")


def test_a_repeated_index_line_is_found(dataset_copy):
    lines = read_index(dataset_copy.out)
    write_index(dataset_copy.out, [*lines, lines[0]])
    assert_problem(dataset_copy.out, INDEX, f"line {len(lines) + 1}", KEY)


def test_a_wrong_offset_in_the_index_is_found(dataset_copy):
    lines = read_index(dataset_copy.out)
    byte_range = lines[0]["members"]["clips.npz"]
    before = byte_range[0]
    byte_range[0] += 512
    write_index(dataset_copy.out, lines)
    assert_problem(dataset_copy.out, FIRST, f"{KEY}.clips.npz", f"{before:,}", f"{before + 512:,}")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("arrays", "times"), ("times",)),
        (("clips", "angry-3-t001", "face.mjpg"), ("angry-3-t001",)),
    ],
)
def test_a_wrong_place_of_a_part_in_the_index_is_found(dataset_copy, path, words):
    lines = read_index(dataset_copy.out)
    place = lines[0]
    for name in path:
        place = place[name]
    place[0] += 8
    write_index(dataset_copy.out, lines)
    assert_problem(dataset_copy.out, FIRST, KEY, f"{place[0]:,}", *words)


DEEP = "[" * 200_000
INFINITE = (
    '{"schema": 1, "shards": [{"path": "shards/val/a.tar", "split": "val", "utterances": 1, '
    '"bytes": Infinity, "sha256": ""}]}'
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"schema": 1}',
        '{"schema": 1, "shards": [{"path": "/etc/x.tar"}]}',
        pytest.param(INFINITE, id="infinite"),
        pytest.param(DEEP, id="deep"),
    ],
)
def test_an_invalid_list_of_shards_is_found(dataset_copy, text):
    (dataset_copy.out / SHARDS).write_text(text)
    assert_problem(dataset_copy.out, SHARDS)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(DEEP, id="deep"),
        '{"key": "k", "split": "val", "shard": "s", "members": {"json": [Infinity, 3]}}',
    ],
)
def test_an_invalid_index_line_is_found(dataset_copy, line):
    number = len(read_index(dataset_copy.out)) + 1
    with (dataset_copy.out / INDEX).open("a") as file:
        file.write(line + "\n")
    assert_problem(dataset_copy.out, INDEX, f"line {number}")
    with pytest.raises(ShardError, match=f"index.jsonl, line {number}"):
        open_dataset(dataset_copy.out)


def test_invalid_counts_are_found(dataset_copy):
    (dataset_copy.out / STATS).write_text(DEEP)
    assert_problem(dataset_copy.out, STATS)


@pytest.mark.parametrize("linked", ["shards/val", "shards/val/stccl-val-000000.tar"])
def test_a_link_out_of_the_dataset_is_not_followed(dataset_copy, tmp_path, linked):
    (dataset_copy.out / linked).rename(tmp_path / "elsewhere")
    (dataset_copy.out / linked).symlink_to(tmp_path / "elsewhere")
    assert_problem(dataset_copy.out, SHARDS, linked, "link")
    with pytest.raises(ShardError, match=linked):
        open_dataset(dataset_copy.out)


def test_a_link_to_the_whole_dataset_is_followed(dataset_copy, tmp_path):
    (tmp_path / "link").symlink_to(dataset_copy.out)
    assert verify(tmp_path / "link") == []


def test_wrong_counts_are_found(dataset_copy):
    edit_json(dataset_copy.out / SHARDS, lambda record: record["shards"][0].update(utterances=2))
    edit_json(dataset_copy.out / STATS, lambda counts: counts.update(clips=3))
    assert_problem(dataset_copy.out, FIRST, "1 utterances", SHARDS, "2")
    assert_problem(dataset_copy.out, STATS, "clips: 3", "19")


@pytest.mark.parametrize(
    "name", [CLIPS, PAIRS, INDEX, STATS, SHARDS, "README.md", "provenance.json"]
)
def test_a_missing_file_is_found(dataset_copy, name):
    (dataset_copy.out / name).unlink()
    assert_problem(dataset_copy.out, name)


def test_a_folder_without_a_dataset_is_one_problem(tmp_path):
    (problem,) = verify(tmp_path)
    assert problem.file == SHARDS
    assert "stccl prepare RAW" in problem.advice


# keys


def test_a_key_in_two_shards_is_found(dataset_copy):
    first, second = (read_members(dataset_copy.out / shard) for shard in (FIRST, SECOND))
    write_shard(dataset_copy.out, SECOND, [*first.items(), *second.items()])
    assert_problem(dataset_copy.out, SECOND, KEY, FIRST)


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("mead/M0.3/front/s001", "ASCII"),
        ("mead/Mü/front/s001", "ASCII"),
        ("__mead__/x/y/z", "__"),
    ],
)
def test_a_key_that_webdataset_changes_or_skips_is_found(dataset_copy, key, word):
    members = read_members(dataset_copy.out / FIRST)
    write_shard(
        dataset_copy.out, FIRST, {name.replace(KEY, key): data for name, data in members.items()}
    )
    assert_problem(dataset_copy.out, FIRST, key.partition(".")[0], "webdataset", word)


def test_a_key_that_contradicts_its_labels_is_found(dataset_copy):
    def change(data):
        return json.dumps({**json.loads(data), "speaker": "M004"}).encode()

    edit_member(dataset_copy.out, "json", change)
    assert_problem(dataset_copy.out, FIRST, KEY, "mead, M004, front, s001")


def test_a_speaker_in_two_splits_is_found(dataset_copy):
    shard, leaked = "shards/val/stccl-val-000000.tar", "mead/M003/front/s003"
    members = {
        name.replace("mead/M005/front/s001", leaked): data
        for name, data in read_members(dataset_copy.out / shard).items()
    }
    record = json.loads(members[f"{leaked}.json"])
    record.update(key=leaked, speaker="M003", sentence="s003")
    members[f"{leaked}.json"] = json.dumps(record).encode()
    rewrite_shard(dataset_copy.out, shard, members)
    assert_problem(dataset_copy.out, SHARDS, "M003", "train", f"val ({leaked})")


def test_a_speaker_in_two_splits_of_the_table_is_found(dataset_copy):
    dataset_copy.clips[0]["split"] = "test"
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs)
    assert_problem(dataset_copy.out, CLIPS, "speaker M003 of mead", "test and train")


def test_a_missing_part_is_found(tmp_path):
    small.make_dataset(tmp_path, parts=True)
    assert all("+p2" in name for name in read_members(tmp_path / SECOND))
    (tmp_path / SECOND).unlink()

    def forget(record):
        record["shards"] = [info for info in record["shards"] if info["path"] != SECOND]

    edit_json(tmp_path / SHARDS, forget)
    assert_problem(tmp_path, SHARDS, KEY, "2 parts", "1")


# members


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        ("clips.npz", (f"{KEY}.clips.npz",)),
        ("face.mjpg", (f"{KEY}.face.mjpg",)),
        ("pairs.npz", (f"{KEY}.pairs.npz",)),
        ("json", (f"{KEY}.json",)),
    ],
)
def test_a_missing_member_is_found(dataset_copy, suffix, words):
    members = read_members(dataset_copy.out / FIRST)
    del members[f"{KEY}.{suffix}"]
    rewrite_shard(dataset_copy.out, FIRST, members)
    assert_problem(dataset_copy.out, FIRST, *words)


def test_a_stray_member_is_found(dataset_copy):
    stray = f"{KEY}.txt"
    rewrite_shard(dataset_copy.out, FIRST, {**read_members(dataset_copy.out / FIRST), stray: b""})
    assert_problem(dataset_copy.out, FIRST, stray)


def test_a_repeated_member_is_found(dataset_copy):
    members = list(read_members(dataset_copy.out / FIRST).items())
    rewrite_shard(dataset_copy.out, FIRST, [*members, members[0]])
    suffix = members[0][0].partition(".")[2]
    assert_problem(dataset_copy.out, FIRST, KEY, f"{suffix} occurs twice")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("times", lambda t: t[::-1], ("ascend",)),
        ("times", lambda t: np.where(t > 0.3, np.nan, t), ("ascend",)),
    ],
)
def test_values_that_do_not_fit_the_clip_are_found(dataset_copy, name, change, words):
    edit_clip(dataset_copy.out, name, change)
    assert_problem(dataset_copy.out, FIRST, f"{KEY}: angry-3-t001: ", name, *words)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("frame_offsets", lambda o: o - (np.arange(4) == 1), ("14", "15")),
        ("times", lambda t: t[:-1], ("37",)),
        ("valid", lambda v: v[:-1], ("36", "37")),
        ("valid", lambda v: v.astype(np.uint8), ("bool",)),
        ("landmarks", lambda x: x[:-1], ("35,371", "37")),
        ("landmarks", lambda x: x.reshape(37, -1), ("one-dimensional float32",)),
        ("face_transforms", lambda x: x[:-3], ("219", "222")),
        ("blendshapes", lambda x: x.astype(np.float32), ("float16",)),
        ("presence", lambda x: x[:0], ("0 values", "37")),
        ("face_offsets", lambda o: o + 1, ("ascend",)),
        ("face_rate", lambda o: o[:2], ("2 values", "3")),
        ("tracked", lambda t: t[:2], ("2 values", "3")),
        ("flac_offsets", lambda o: o + 4 * (np.arange(4) > 1), ("ascend",)),
    ],
)
def test_arrays_that_do_not_fit_the_clips_are_found(dataset_copy, name, change, words):
    edit_array(dataset_copy.out, "clips.npz", name, change)
    assert_problem(dataset_copy.out, FIRST, KEY, *words)


def test_a_missing_array_is_found(dataset_copy):
    edit_member(
        dataset_copy.out,
        "clips.npz",
        lambda data: npz_bytes({n: a for n, a in npz_arrays(data).items() if n != "presence"}),
    )
    assert_problem(dataset_copy.out, FIRST, f"{KEY}.clips.npz", "presence")


def test_crops_of_a_clip_that_was_not_tracked_are_found(dataset_copy):
    edit_array(dataset_copy.out, "clips.npz", "tracked", lambda tracked: ~tracked)
    assert_problem(dataset_copy.out, FIRST, f"{KEY}: angry-3-t001: ", "valid")


def test_offsets_between_frames_are_found(dataset_copy):
    def change(offsets):
        return np.where(np.arange(len(offsets)) == 4, offsets + 7, offsets)

    edit_array(dataset_copy.out, "clips.npz", "mouth_offsets", change)
    assert_problem(
        dataset_copy.out, FIRST, f"{KEY}: angry-3-t001: mouth.mjpg", "2 of 15", "frame 3"
    )


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("frame_map", lambda m: m + 5, ("15 frames",)),
        ("frame_map", lambda m: m - 2, ("15 frames",)),
        ("frame_map", lambda m: m[::-1], ("falls",)),
        ("source_time", lambda t: t[[0, 2, 1, 3, 4, 5]], ("ascend",)),
        ("target_time", lambda t: t * np.nan, ("finite",)),
    ],
)
def test_a_wrong_map_or_path_is_found(dataset_copy, name, change, words):
    pair = "neutral-1-t001+angry-3-t001"
    edit_array(dataset_copy.out, "pairs.npz", name, change)
    assert_problem(dataset_copy.out, FIRST, f"{KEY}.pairs.npz: {pair}: ", name, *words)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("frame_map", lambda m: m[:-1], ("frame_map_offsets", "23")),
        ("target_time", lambda t: t[:-1], ("5 values", "6")),
        ("path_offsets", lambda o: o[:-1], ("2 values", "3")),
        ("cost", lambda c: c.astype(np.float32), ("float64",)),
    ],
)
def test_arrays_that_do_not_fit_the_pairs_are_found(dataset_copy, name, change, words):
    edit_array(dataset_copy.out, "pairs.npz", name, change)
    assert_problem(dataset_copy.out, FIRST, f"{KEY}.pairs.npz: ", name, *words)


def test_a_frame_that_cannot_be_decoded_is_found_on_request(dataset_copy):
    def change(data):
        return data[:20] + bytes(580) + data[600:]

    edit_member(dataset_copy.out, "face.mjpg", change)
    assert verify(dataset_copy.out) == []
    assert_problem(dataset_copy.out, FIRST, "angry-3-t001", "face.mjpg", "frame 0", decode=True)


def test_sound_that_is_not_flac_is_found(tmp_path):
    small.make_dataset(tmp_path, audio=True)
    edit_member(tmp_path, "flac", lambda data: b"RIFF" + data[4:])
    assert_problem(tmp_path, FIRST, f"{KEY}: angry-3-t001", "FLAC")


# tables


def test_a_missing_row_of_a_stored_clip_is_found(dataset_copy):
    small.write_tables(dataset_copy.out, dataset_copy.clips[1:], dataset_copy.pairs)
    assert_problem(dataset_copy.out, CLIPS, NEUTRAL, KEY)


def test_a_missing_row_of_a_clip_in_a_pair_is_found(dataset_copy):
    small.write_tables(dataset_copy.out, dataset_copy.clips[:-1], dataset_copy.pairs)
    assert_problem(dataset_copy.out, PAIRS, dataset_copy.clips[-1]["clip_id"], CLIPS)


def test_a_missing_row_of_a_stored_pair_is_found(dataset_copy):
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs[1:])
    assert_problem(dataset_copy.out, PAIRS, f"{NEUTRAL} -> {ANGRY}", KEY)


def test_a_missing_row_is_found_by_the_counts(dataset_copy):
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs[:-1])
    assert_problem(dataset_copy.out, STATS, "pairs: 13", "12")


def test_repeated_rows_are_found(dataset_copy):
    clips, pairs = dataset_copy.clips, dataset_copy.pairs
    small.write_tables(dataset_copy.out, [*clips, clips[0]], [*pairs, pairs[0]])
    assert_problem(dataset_copy.out, CLIPS, NEUTRAL, "2 rows")
    assert_problem(dataset_copy.out, PAIRS, f"{NEUTRAL} -> {ANGRY}", "2 rows")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accepted": False}, ("rejected", "None")),
        ({"accepted": False, "reason": "dislike"}, ("dislike",)),
        ({"mode": None}, ("accepted", "aligned")),
        ({"utterance": "mead/M003/front/s002"}, (KEY, "mead/M003/front/s002")),
        ({"target_name": "sad-1-t001"}, (CLIPS, "target", "angry-3-t001")),
    ],
)
def test_a_pair_row_that_contradicts_is_found(dataset_copy, change, words):
    dataset_copy.pairs[0].update(change)
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs)
    assert_problem(dataset_copy.out, PAIRS, f"the pair {NEUTRAL} -> {ANGRY}", *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "lost"}, ("lost",)),
        ({"name": "neutral-2-t001"}, ("neutral-1-t001", "neutral-2-t001")),
        ({"emotion": "../../x"}, ("'../../x'",)),
        ({"emotion": "sad"}, ("emotion", "'neutral'", "'sad'")),
        ({"speaker": "W009"}, ("speaker", "'M003'", "'W009'")),
        ({"take": 7}, ("take", "1", "7")),
    ],
)
def test_a_clip_row_that_contradicts_is_found(dataset_copy, change, words):
    dataset_copy.clips[0].update(change)
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs)
    assert_problem(dataset_copy.out, CLIPS, f"the clip {NEUTRAL}", *words)


def test_an_accepted_pair_of_an_unpaired_clip_is_found(dataset_copy):
    dataset_copy.clips[0].update(state="unpaired", reason="no_partner")
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs)
    assert_problem(dataset_copy.out, PAIRS, f"{NEUTRAL} -> {ANGRY}", "source is unpaired")


def test_a_gate_that_changed_after_writing_is_no_problem(dataset_copy):
    dataset_copy.pairs[0].update(accepted=False, reason="content_mismatch")
    dataset_copy.clips[0].update(state="unpaired", reason="content_mismatch")
    dataset_copy.clips[1].update(state="unpaired", reason="content_mismatch")
    small.write_tables(dataset_copy.out, dataset_copy.clips, dataset_copy.pairs)
    assert verify(dataset_copy.out) == []


def test_an_aligned_pair_that_is_in_no_shard_is_found(dataset_copy):
    clip = dataset_copy.clips[-1]
    extra = {**dataset_copy.pairs[0], "source": clip["clip_id"], "source_name": clip["name"]}
    small.write_tables(dataset_copy.out, dataset_copy.clips, [*dataset_copy.pairs, extra])
    assert_problem(dataset_copy.out, PAIRS, f"{clip['clip_id']} -> {ANGRY}", "0 samples")
