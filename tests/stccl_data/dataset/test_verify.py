"""A good dataset has no problems; spoiled in any one way, it has one that names the file."""

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
from stccl_data.dataset.verify.verify import verify
from stccl_data.files.npz import npz_arrays, npz_bytes
from tests.testing import datasets as small

FIRST = "shards/train/stccl-train-000000.tar"
KEY = "mead/M003/front/s001"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return small.make_dataset(tmp_path_factory.mktemp("good"))


@pytest.fixture
def made(good, tmp_path):
    """A copy of the good dataset, to be spoiled."""
    shutil.copytree(good.out, tmp_path / "out")
    return small.Small(
        tmp_path / "out",
        [dict(row) for row in good.clips],
        [dict(row) for row in good.pairs],
        good.keys,
    )


def problems(out, **options):
    return [str(problem) for problem in verify(out, **options)]


def members_of(path):
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def rewrite(out, shard, members, *, honest=True):
    """The shard with these members (a list of pairs, or a mapping), and, if honest, the index and the list put right."""
    listed = list(members.items() if isinstance(members, dict) else members)
    with tarfile.open(out / shard, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in listed:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    if not honest:
        return
    with tarfile.open(out / shard) as tar:
        places: dict = {}
        for entry in tar:
            key, _, suffix = entry.name.partition(".")
            places.setdefault(key, {})[suffix] = [entry.offset_data, entry.size]
    split = shard.split("/")[1]
    lines = [json.loads(line) for line in (out / INDEX).read_text().splitlines()]
    lines = [line for line in lines if line["shard"] != shard]
    lines += [
        {"key": key, "split": split, "shard": shard, "members": of_key}
        for key, of_key in places.items()
    ]
    (out / INDEX).write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = json.loads((out / SHARDS).read_text())
    data = (out / shard).read_bytes()
    for info in record["shards"]:
        if info["path"] == shard:
            info.update(
                bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), utterances=len(places)
            )
    (out / SHARDS).write_text(json.dumps(record))
    stats = json.loads((out / STATS).read_text())
    (out / STATS).write_text(
        json.dumps({**stats, "bytes": sum(info["bytes"] for info in record["shards"])})
    )


def edit(out, suffix, change, shard=FIRST, key=KEY):
    """One member changed, everything around it put right."""
    members = members_of(out / shard)
    members[f"{key}.{suffix}"] = change(members[f"{key}.{suffix}"])
    rewrite(out, shard, members)


def edit_arrays(out, suffix, name, change):
    def changed(data):
        arrays = npz_arrays(data)
        arrays[name] = change(arrays[name])
        return npz_bytes(arrays)

    edit(out, suffix, changed)


def edit_labels(out, change, **where):
    def changed(data):
        record = json.loads(data)
        change(record)
        return json.dumps(record).encode()

    edit(out, "json", changed, **where)


@pytest.mark.parametrize("options", [{}, {"audio": True}, {"crops": False}, {"parts": True}])
def test_a_good_dataset_has_no_problems(tmp_path, options):
    small.make_dataset(tmp_path, **options)
    assert problems(tmp_path, decode=True) == []


def test_rewriting_a_shard_honestly_is_no_problem(made):
    rewrite(made.out, FIRST, members_of(made.out / FIRST))
    assert problems(made.out) == []


def test_progress_ends_at_all_bytes(good):
    told = []
    verify(good.out, progress=lambda done, total: told.append((done, total)))
    assert (
        told[-1][0]
        == told[-1][1]
        == 2 * sum(path.stat().st_size for path in good.out.glob("shards/*/*.tar"))
    )
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# bytes


@pytest.mark.parametrize("where", [300, 513, 40_000, 90_001])
def test_a_flipped_byte_is_found(made, where):
    data = bytearray((made.out / FIRST).read_bytes())
    data[where] ^= 0x40
    (made.out / FIRST).write_bytes(data)
    assert any(
        f"{FIRST}: is not what was written: its SHA-256" in problem
        for problem in problems(made.out)
    )


def test_a_cut_is_found_wherever_it_is(made):
    size = (made.out / FIRST).stat().st_size
    members = json.loads((made.out / INDEX).read_text().splitlines()[0])["members"]
    offset, length = members["happy-2-t001.npz"]
    boundary = offset + -(-length // 512) * 512
    for cut in (
        size - 1,
        size - 512,
        size - 9_000,
        boundary,
        boundary + 512,
        offset + 10,
        512,
        100,
        0,
    ):
        os.truncate(made.out / FIRST, cut)
        found = problems(made.out)
        assert any(
            f"{FIRST}: has {cut:,} bytes, and {SHARDS} says {size:,}" in problem
            for problem in found
        ), cut
        (made.out / FIRST).write_bytes((made.out / FIRST).read_bytes() + b"\1" * (size - cut))
        assert problems(made.out), cut


def test_a_cut_at_a_block_that_the_list_knows_of_is_found_by_the_missing_end_mark(made):
    members = json.loads((made.out / INDEX).read_text().splitlines()[0])["members"]
    offset, length = members["pairs.npz"]
    os.truncate(made.out / FIRST, offset + -(-length // 512) * 512)
    record = json.loads((made.out / SHARDS).read_text())
    data = (made.out / FIRST).read_bytes()
    record["shards"][0].update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (made.out / SHARDS).write_text(json.dumps(record))
    assert any(
        f"{FIRST}: stops without the end mark of a tar" in problem for problem in problems(made.out)
    )


def test_two_shards_that_changed_places_are_found(made):
    other = made.out / "shards/train/stccl-train-000001.tar"
    shutil.move(made.out / FIRST, made.out / "x")
    shutil.move(other, made.out / FIRST)
    shutil.move(made.out / "x", other)
    found = problems(made.out)
    assert any(problem.startswith(FIRST) for problem in found)
    assert any(
        "mead/M003/front/s001 is not in shards/train/stccl-train-000000.tar" in problem
        for problem in found
    )


def test_a_missing_shard_is_found(made):
    (made.out / FIRST).unlink()
    (found,) = problems(made.out)
    assert f"{FIRST}: cannot be read (No such file or directory); copy it again" in found


def test_files_that_do_not_belong_are_found(made):
    shutil.copy(made.out / FIRST, made.out / "shards/train/stccl-train-000077.tar")
    (made.out / "shards/val/.stccl-val-000000.tar.abc.tmp").write_bytes(b"half")
    (made.out / ".clips.parquet.x.tmp").write_bytes(b"")
    found = problems(made.out)
    assert len(found) == 3
    assert any(
        "stccl-train-000077.tar: is not listed in shards.json" in problem for problem in found
    )
    assert sum("is left over from a run that was killed" in problem for problem in found) == 2


# the index and the list


def test_a_deleted_line_of_the_index_is_found(made):
    lines = (made.out / INDEX).read_text().splitlines(keepends=True)
    (made.out / INDEX).write_text("".join(lines[1:]))
    assert any(
        f"{FIRST}: {KEY} has no line in the index" in problem for problem in problems(made.out)
    )


def test_a_doubled_line_of_the_index_is_found(made):
    lines = (made.out / INDEX).read_text().splitlines(keepends=True)
    (made.out / INDEX).write_text("".join([*lines, lines[0]]))
    assert any(f"the key {KEY} occurs a second time" in problem for problem in problems(made.out))


def test_a_wrong_offset_in_the_index_is_found(made):
    lines = [json.loads(line) for line in (made.out / INDEX).read_text().splitlines()]
    lines[0]["members"]["angry-3-t001.npz"][0] += 512
    (made.out / INDEX).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert any(
        f"{KEY}.angry-3-t001.npz lies at" in problem and "the index says" in problem
        for problem in problems(made.out)
    )


DEEP = "[" * 200_000
ENDLESS = (
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
        ENDLESS,
        pytest.param(DEEP, id="deep"),
    ],
)
def test_a_list_of_shards_that_is_none_is_found(made, text):
    (made.out / SHARDS).write_text(text)
    assert any(SHARDS in problem for problem in problems(made.out))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(DEEP, id="deep"),
        '{"key": "k", "split": "val", "shard": "s", "members": {"json": [Infinity, 3]}}',
    ],
)
def test_a_line_of_the_index_that_is_none_is_found(made, line):
    with (made.out / INDEX).open("a") as file:
        file.write(line + "\n")
    assert any(INDEX in problem for problem in problems(made.out))
    with pytest.raises(ShardError, match=r"is not as stccl writes it|is no shard of"):
        open_dataset(made.out)


def test_counts_that_are_none_are_found(made):
    (made.out / STATS).write_text(DEEP)
    assert any(f"{STATS}: cannot be read" in problem for problem in problems(made.out))


@pytest.mark.parametrize("linked", ["shards/val", None])
def test_a_link_that_leads_out_of_the_dataset_is_not_followed(made, tmp_path, linked):
    linked = linked or next(path for path in made.out.glob("shards/val/*.tar")).relative_to(
        made.out
    )
    (made.out / linked).rename(tmp_path / "elsewhere")
    (made.out / linked).symlink_to(tmp_path / "elsewhere")
    assert any(
        "leads out of the dataset, and is not followed" in problem for problem in problems(made.out)
    )
    with pytest.raises(
        ShardError, match=r"not followed: copy it there, or link to the dataset's folder as a whole"
    ):
        open_dataset(made.out)


def test_a_dataset_that_is_a_link_as_a_whole_is_read(made, tmp_path):
    (tmp_path / "link").symlink_to(made.out)
    assert problems(tmp_path / "link") == []


def test_a_wrong_count_is_found(made):
    record = json.loads((made.out / SHARDS).read_text())
    record["shards"][0]["utterances"] += 1
    (made.out / SHARDS).write_text(json.dumps(record))
    (made.out / STATS).write_text(json.dumps({"clips": 3}))
    found = problems(made.out)
    assert any("holds 1 utterances, and shards.json says 2" in problem for problem in found)
    assert any("stats.json: says clips: 3, and there are 19" in problem for problem in found)


@pytest.mark.parametrize(
    "name", [CLIPS, PAIRS, INDEX, STATS, SHARDS, "README.md", "provenance.json"]
)
def test_a_missing_file_is_found(made, name):
    (made.out / name).unlink()
    assert any(name in problem for problem in problems(made.out))


# keys


def test_a_key_that_occurs_in_two_shards_is_found(made):
    second = "shards/train/stccl-train-000001.tar"
    rewrite(
        made.out,
        second,
        [*members_of(made.out / FIRST).items(), *members_of(made.out / second).items()],
        honest=False,
    )
    assert any(f"the key {KEY} occurs a second time" in problem for problem in problems(made.out))


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("mead/M0.3/front/s001", "ASCII without dots"),
        ("mead/Mü/front/s001", "ASCII without dots"),
        ("__mead__/x/y/z", "passes over keys"),
    ],
)
def test_a_key_that_webdataset_would_not_keep_is_found(made, key, words):
    members = {name.replace(KEY, key): data for name, data in members_of(made.out / FIRST).items()}
    rewrite(made.out, FIRST, members, honest=False)
    assert any(words in problem for problem in problems(made.out))


def test_a_sample_under_another_name_is_found(made):
    edit_labels(made.out, lambda record: record.update(speaker="M004"))
    assert any(
        f"{KEY}: its labels say mead, M004, front, s001" in problem
        for problem in problems(made.out)
    )


def test_a_speaker_in_two_splits_is_found(made):
    shard = "shards/val/stccl-val-000000.tar"
    leaked = "mead/M003/front/s003"
    members = {
        name.replace("mead/M005/front/s001", leaked): data
        for name, data in members_of(made.out / shard).items()
    }
    record = json.loads(members[f"{leaked}.json"])
    record.update(key=leaked, speaker="M003", sentence="s003")
    members[f"{leaked}.json"] = json.dumps(record).encode()
    rewrite(made.out, shard, members)
    assert any(
        "speaker M003 of mead is in train" in problem and "and val" in problem
        for problem in problems(made.out)
    )


def test_a_speaker_that_the_table_has_in_two_splits_is_found(made):
    made.clips[0]["split"] = "test"
    small.write_tables(made.out, made.clips, made.pairs)
    assert any(
        "speaker M003 of mead is in test and train" in problem for problem in problems(made.out)
    )


def test_a_missing_part_is_found(tmp_path):
    small.make_dataset(tmp_path, parts=True)
    members = members_of(tmp_path / "shards/train/stccl-train-000001.tar")
    assert all("+p2" in name for name in members)
    (tmp_path / "shards/train/stccl-train-000001.tar").unlink()
    record = json.loads((tmp_path / SHARDS).read_text())
    record["shards"] = [
        info for info in record["shards"] if not info["path"].endswith("train-000001.tar")
    ]
    (tmp_path / SHARDS).write_text(json.dumps(record))
    assert any(
        f"{KEY} is stored in 2 parts, of which 1 are there" in problem
        for problem in problems(tmp_path)
    )


# members


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        ("angry-3-t001.npz", "angry-3-t001.npz is not among the members"),
        ("angry-3-t001.face.mjpg", "face_offsets and the member face.mjpg are not there together"),
        ("pairs.npz", "pairs.npz is not among the members"),
        ("json", f"{KEY}.json is missing"),
    ],
)
def test_a_missing_member_is_found(made, suffix, words):
    members = members_of(made.out / FIRST)
    del members[f"{KEY}.{suffix}"]
    rewrite(made.out, FIRST, members)
    assert any(words in problem for problem in problems(made.out))


def test_a_stray_member_is_found(made):
    rewrite(made.out, FIRST, {**members_of(made.out / FIRST), f"{KEY}.sad-1-t001.npz": b""})
    assert any("sad-1-t001.npz belongs to no clip" in problem for problem in problems(made.out))


def test_a_member_that_occurs_twice_is_found(made):
    members = list(members_of(made.out / FIRST).items())
    rewrite(made.out, FIRST, [*members, members[0]])
    assert any("occurs twice" in problem for problem in problems(made.out))


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("times", lambda t: t[::-1], "times do not ascend"),
        ("times", lambda t: np.where(t > 0.3, np.nan, t), "times do not ascend"),
        ("times", lambda t: t[:-1], "it has 14 frames, and KEY.json says 15"),
        ("valid", lambda v: v[:-1], "valid is not one bool"),
        ("landmarks", lambda x: x[:-1], r"landmarks is not float32 of shape (15, K, 2)"),
        (
            "face_transforms",
            lambda x: x[:, :1],
            "face_transforms is not float64 of shape (15, 2, 3)",
        ),
        ("face_offsets", lambda o: o + 1, "face_offsets do not lead from 0"),
        (
            "mouth_offsets",
            lambda o: np.where(np.arange(len(o)) == 4, o + 7, o),
            "mouth.mjpg: 2 of 15 frames are no JPEG pictures",
        ),
    ],
)
def test_arrays_that_do_not_fit_the_clip_are_found(made, name, change, words):
    edit_arrays(made.out, "angry-3-t001.npz", name, change)
    assert any(
        f"{KEY}.angry-3-t001: " in problem and words in problem for problem in problems(made.out)
    )


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("frame_map", lambda m: m + 5, "leads outside the 15 frames of the target"),
        ("frame_map", lambda m: m[::-1], "frame_map goes backwards"),
        (
            "frame_map",
            lambda m: m[:-1],
            "frame_map is not one integer for each of 12 source frames",
        ),
        ("frame_map", lambda m: m - 2, "leads outside"),
        ("source_time", lambda t: t[[0, 2, 1]], "source_time does not ascend"),
        ("target_time", lambda t: t * np.nan, "is not finite"),
        ("target_time", lambda t: t[:-1], "not float64 of one length"),
    ],
)
def test_a_wrong_map_or_path_is_found(made, name, change, words):
    edit_arrays(made.out, "pairs.npz", f"neutral-1-t001+angry-3-t001.{name}", change)
    assert any(
        "neutral-1-t001+angry-3-t001: " in problem and words in problem
        for problem in problems(made.out)
    )


def test_a_picture_that_cannot_be_decoded_is_found_when_asked(made):
    def spoil(data):
        return data[:20] + bytes(len(data[20:600])) + data[600:]

    edit(made.out, "angry-3-t001.face.mjpg", spoil)
    assert problems(made.out) == []
    assert any(
        "face.mjpg: frame 0 cannot be decoded" in problem
        for problem in problems(made.out, decode=True)
    )


def test_an_unfinished_sound_is_found(tmp_path):
    small.make_dataset(tmp_path, audio=True)
    edit(tmp_path, "angry-3-t001.flac", lambda data: b"RIFF" + data[4:])
    assert any("flac does not begin as FLAC does" in problem for problem in problems(tmp_path))


# tables


def test_a_deleted_row_is_found(made):
    for clips, pairs, words in (
        (
            made.clips[1:],
            made.pairs,
            "clips.parquet: the clip mead/M003/front/neutral-1/s001-t001 of mead/M003/front/s001 has no row",
        ),
        (
            made.clips[:-1],
            made.pairs,
            "names the clip mead/M003/front/angry-3/s001-t002, which clips.parquet does not have",
        ),
        (
            made.clips,
            made.pairs[1:],
            "pairs.parquet: the pair mead/M003/front/neutral-1/s001-t001 -> mead/M003/front/angry-3/s001-t001",
        ),
        (made.clips, made.pairs[:-1], "stats.json: says pairs: 13, and there are 12"),
    ):
        small.write_tables(made.out, clips, pairs)
        assert any(words in problem for problem in problems(made.out)), words


def test_rows_that_occur_twice_are_found(made):
    small.write_tables(made.out, [*made.clips, made.clips[0]], [*made.pairs, made.pairs[0]])
    found = problems(made.out)
    assert any("s001-t001 has 2 rows" in problem and problem.startswith(CLIPS) for problem in found)
    assert any("s001-t001 has 2 rows" in problem and problem.startswith(PAIRS) for problem in found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda clip, pair: pair.update(accepted=False), "is refused, and its reason is None"),
        (
            lambda clip, pair: pair.update(accepted=False, reason="dislike"),
            "and its reason is dislike",
        ),
        (lambda clip, pair: pair.update(mode=None), "is accepted, and was never aligned"),
        (
            lambda clip, pair: pair.update(utterance="mead/M003/front/s002"),
            "and its row says mead/M003/front/s002",
        ),
        (
            lambda clip, pair: pair.update(target_name="sad-1-t001"),
            "says that its target is angry-3-t001",
        ),
        (
            lambda clip, pair: clip.update(state="unpaired", reason="no_partner"),
            "says that its source is unpaired",
        ),
        (lambda clip, pair: clip.update(state="lost"), "has the state lost"),
        (lambda clip, pair: clip.update(name="neutral-2-t001"), "and its row says"),
        (lambda clip, pair: clip.update(emotion="../../x"), "has the emotion '../../x'"),
        (
            lambda clip, pair: clip.update(emotion="sad"),
            "has the emotion 'neutral' in mead/M003/front/s001, and 'sad' in its row",
        ),
        (lambda clip, pair: clip.update(speaker="W009"), "and 'W009' in its row"),
        (lambda clip, pair: clip.update(take=7), "and 7 in its row"),
    ],
)
def test_rows_that_contradict_are_found(made, change, words):
    change(made.clips[0], made.pairs[0])
    small.write_tables(made.out, made.clips, made.pairs)
    assert any(words in problem for problem in problems(made.out))


def test_a_gate_that_changed_later_is_no_problem(made):
    made.pairs[0].update(accepted=False, reason="content_mismatch")
    made.clips[0].update(state="unpaired", reason="content_mismatch")
    made.clips[1].update(state="unpaired", reason="content_mismatch")
    small.write_tables(made.out, made.clips, made.pairs)
    assert problems(made.out) == []


def test_a_pair_whose_utterance_is_in_no_shard_is_found(made):
    extra = {
        **made.pairs[0],
        "source": made.clips[-1]["clip_id"],
        "source_name": made.clips[-1]["name"],
    }
    small.write_tables(made.out, made.clips, [*made.pairs, extra])
    assert any(
        "is in none of the shards' samples, and should be in one" in problem
        for problem in problems(made.out)
    )


def test_a_folder_that_is_no_dataset_is_one_problem(tmp_path):
    (found,) = verify(tmp_path)
    assert (
        found.file == SHARDS
        and "holds no finished dataset" in found.what
        and "stccl prepare RAW" in found.advice
    )
