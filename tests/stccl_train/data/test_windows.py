"""Which windows a trainer gets to see, and that they are the same ones for the same seed."""

from collections import Counter
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stccl_data.dataset import Dataset, ShardError, open_dataset
from stccl_data.pairs.gates import GATE_REASONS
from stccl_train.data import windows as windows_module
from stccl_train.data.pairings import Join, joins
from stccl_train.data.reader import WindowStreams, open_reader, plan_reader
from stccl_train.data.windows import (
    MIRROR_68,
    Window,
    WindowConfig,
    collate,
    draw_windows,
    evaluation_windows,
    starts,
)
from tests.testing import datasets as small

PLAIN = WindowConfig(flip=0, colour=0)
#: The pair that the small dataset refuses, neutral and happy, is let in.
ALL = WindowConfig(flip=0, colour=0, gates={"max_longest_repeat": 99})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Four utterances to train with, a shard each, and two to validate; frame 3 of every clip shows no face."""
    return open_dataset(small.make_dataset(tmp_path_factory.mktemp("out")).out)


def plan(dataset, config=PLAIN, **changes):
    asked = {"frames": 3, "stride": 1, "size": 64, "batch": 2}
    return plan_reader(dataset, "train", config, **{**asked, **changes})


def names(dataset, config=PLAIN, count=12, rank=0, start=0, **changes):
    """The windows of the first batches, by name."""
    made = plan(dataset, config, **changes)
    return [
        batch["name"]
        for batch in islice(open_reader(dataset, "train", config, made, rank, start), count)
    ]


def drawn(dataset, count=40, config=PLAIN, frames=3, key="mead/M003/front/s001", seed=0):
    return list(draw_windows(dataset[key], count, config, frames, 1, np.random.default_rng(seed)))


# what a window is


def test_a_window_is_consecutive_source_frames_and_the_frames_the_map_gives(dataset):
    (pair,) = dataset["mead/M003/front/s001"].pairs(target="angry")
    forward = [w for w in drawn(dataset) if w.source_emotion == "neutral"]
    assert forward
    batch = collate(forward, 64)
    assert (
        batch["source"].shape == (len(forward), 3, 3, 64, 64)
        and batch["source"].dtype == torch.uint8
    )
    for i, window in enumerate(forward):
        first = window.source_frames[0]
        assert window.source_frames == (first, first + 1, first + 2)
        assert window.target_frames == tuple(pair.frame_map[list(window.source_frames)])
        for side, emotion, frames in (
            ("source", "neutral", window.source_frames),
            ("target", "angry", window.target_frames),
        ):
            pictures = batch[side][i].permute(0, 2, 3, 1).numpy()
            assert [small.seen(picture) for picture in pictures] == [
                (emotion, frame) for frame in frames
            ]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_windows_start_where_nothing_speaks_against_it(data):
    n, m = data.draw(st.integers(1, 25)), data.draw(st.integers(1, 25))
    frames, stride = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    mapped = np.array(
        sorted(data.draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n))), np.int32
    )
    valid = [np.array(data.draw(st.lists(st.booleans(), min_size=k, max_size=k))) for k in (n, m)]
    join = Join(Clip(valid[0]), Clip(valid[1]), "direct", lambda: mapped)
    expected = []
    for start in range(n - (frames - 1) * stride):
        at = [start + stride * k for k in range(frames)]
        to = [int(mapped[i]) for i in at]
        calm = all(b - a <= 2 * stride for a, b in pairwise(to))
        if all(valid[0][at]) and all(valid[1][to]) and max(Counter(to).values()) <= 2 and calm:
            expected.append(start)
    assert starts(join, frames, stride).tolist() == expected


class Clip:
    """As much of a clip as `starts` looks at."""

    def __init__(self, valid):
        self.valid, self.times = valid, np.arange(len(valid)) / 25

    def __len__(self):
        return len(self.valid)


def test_frames_without_a_face_are_in_no_window(dataset):
    for window in drawn(dataset, 200, ALL):
        assert 3 not in (*window.source_frames, *window.target_frames)


def test_only_the_frames_of_a_window_are_decoded_and_a_repeated_one_once(dataset, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        windows_module,
        "decode_jpeg",
        lambda data: decoded.append(data) or np.zeros((64, 64, 3), np.uint8),
    )
    window = drawn(dataset, 1)[0]
    collate([window], 64)
    assert len(decoded) == 3 + len(set(window.target_frames))


def test_points_are_pixels_of_the_crop_and_scale_with_it(dataset):
    window = drawn(dataset, 1)[0]
    clip = next(c for c in dataset[window.key].clips.values() if c.clip_id == window.source)
    # the face transforms of the small dataset change nothing
    from stccl_data.landmarks import ibug68

    np.testing.assert_allclose(
        window.source_points, ibug68(clip.landmarks[list(window.source_frames)]), rtol=1e-5
    )
    half = collate([window], 32)
    np.testing.assert_allclose(
        half["source_points"][0].numpy(), window.source_points / 2, rtol=1e-5
    )
    assert half["source"].shape[-2:] == (32, 32) and half["source_points"].dtype == torch.float32


def test_mouths_or_faces_or_both(dataset):
    assert {w.crop for w in drawn(dataset, 5, WindowConfig(crop="mouth"))} == {"mouth"}
    both = drawn(dataset, 40, WindowConfig(crop="both"))
    assert {w.crop for w in both} == {"face", "mouth"}
    assert collate(both, 48)["source"].shape == (40, 3, 3, 48, 48)


# both sides alike


def test_mirroring_and_colours_are_alike_on_both_sides(dataset):
    plain = drawn(dataset, 1)[0]
    changed = next(w for w in drawn(dataset, 40, WindowConfig(flip=0.5)) if w.look.mirrored)
    twice = replace(plain, look=changed.look)
    before, after = collate([plain], 64), collate([twice], 64)
    for side in ("source", "target"):
        table = torch.from_numpy(changed.look.table.astype(np.int64))
        expected = torch.stack(
            [table[before[side][:, :, c].long(), c] for c in range(3)], dim=2
        ).flip(-1)
        assert torch.equal(after[side].long(), expected)
        points = before[f"{side}_points"]
        np.testing.assert_allclose(
            after[f"{side}_points"][..., 0], 64 - points[:, :, MIRROR_68, 0], rtol=1e-5, atol=1e-4
        )
        np.testing.assert_allclose(after[f"{side}_points"][..., 1], points[:, :, MIRROR_68, 1])


def test_mirroring_twice_gives_every_landmark_back():
    assert (MIRROR_68[MIRROR_68] == np.arange(68)).all() and sorted(MIRROR_68) == list(range(68))
    assert (
        MIRROR_68[48] == 54
        and MIRROR_68[36] == 45
        and MIRROR_68[0] == 16
        and MIRROR_68[62] == 62
        and MIRROR_68[57] == 57
    )


def test_without_a_look_pixels_are_as_they_were_stored(dataset):
    window = drawn(dataset, 1)[0]
    clip = next(c for c in dataset[window.key].clips.values() if c.clip_id == window.source)
    stored = clip.frames("face", list(window.source_frames))
    assert np.array_equal(collate([window], 64)["source"][0].permute(0, 2, 3, 1).numpy(), stored)


# which clips go together


def test_an_alignment_is_read_in_both_directions(dataset):
    utterance = dataset["mead/M003/front/s001"]
    assert [(j.via, j.source.emotion, j.target.emotion) for j in joins(utterance)] == [
        ("direct", "neutral", "angry"),
        ("reversed", "angry", "neutral"),
    ]
    forward, backward = joins(utterance)
    assert np.abs(backward.frame_map[forward.frame_map] - np.arange(12)).max() <= 1
    assert len(joins(utterance, both_directions=False)) == 1


def test_two_emotions_meet_through_the_neutral_clip(dataset):
    found = [j for j in joins(dataset["mead/M003/front/s001"], ALL.gates) if j.via == "neutral"]
    assert [(j.source.emotion, j.target.emotion) for j in found] == [
        ("angry", "happy"),
        ("happy", "angry"),
    ]
    # every path of the small dataset is a straight line from end to end
    line = np.arange(15) / 25 * (9 / 25 + 0.08) / (14 / 25 + 0.08)
    truth = np.abs((np.arange(10) / 25 + 0.04)[None] - (line[:, None] + 0.04 * 0.6875)).argmin(1)
    assert (
        np.abs(found[0].frame_map - truth).max() <= 1 and (np.diff(found[0].frame_map) >= 0).all()
    )
    assert all(
        j.via != "neutral"
        for j in joins(dataset["mead/M003/front/s001"], ALL.gates, through_neutral=False)
    )


def test_what_was_aligned_and_refused_does_not_come_back_through_the_neutral_clip(dataset):
    utterance = dataset["mead/M003/front/s001"]
    refused = {
        "source": "angry-3-t001",
        "target": "happy-2-t001",
        "accepted": False,
        "reason": "no_signal",
    }
    changed = replace(utterance, _pairs=[*utterance._pairs, refused])
    assert {j.via for j in joins(changed, ALL.gates)} == {"direct", "reversed"}


def test_gates_are_the_tables_unless_they_are_set(dataset):
    assert {w.target_emotion for w in drawn(dataset, 60)} == {"neutral", "angry"}
    assert {w.target_emotion for w in drawn(dataset, 60, ALL)} == {"neutral", "angry", "happy"}
    strict = WindowConfig(gates={"max_duration_ratio": 1.22, "max_longest_repeat": 99})
    assert {w.target_emotion for w in drawn(dataset, 60, strict)} == {
        "neutral",
        "happy",
    }  # angry is 1.25 times as long
    assert drawn(dataset, 10, WindowConfig(gates={"min_face_rate": 0.99})) == []


def test_every_gate_of_prepare_may_be_set():
    for name in GATE_REASONS:
        WindowConfig(gates={name: 1})


def test_a_gate_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"'max_cost' is no gate; there are .*min_face_rate"):
        WindowConfig(gates={"max_cost": 1.0})


# balance


def test_two_emotions_are_drawn_as_often_as_any_other_two(dataset):
    found = Counter(
        frozenset((w.source_emotion, w.target_emotion)) for w in drawn(dataset, 300, ALL)
    )
    assert len(found) == 3 and min(found.values()) > 75


class Lopsided(Dataset):
    """One speaker with two utterances, another with one."""

    def keys(self, split=None):
        return [key for key in super().keys(split) if key != "mead/W009/front/s002"]


@pytest.mark.parametrize("balance", [True, False])
def test_a_speaker_with_few_utterances_is_seen_as_often_when_balanced(dataset, balance):
    lopsided = Lopsided(dataset.path)
    config = replace(PLAIN, balance=balance, per_utterance=6, shuffle=1)
    streams = WindowStreams(lopsided, "train", config, plan(lopsided, config))
    found = Counter(w.speaker for w in islice(streams.windows(0, 0), 300))
    share = found["mead/W009"] / 300
    assert abs(share - (0.5 if balance else 1 / 3)) < 0.08


# the same for the same seed


@pytest.mark.parametrize("access", ["index", "stream"])
def test_windows_depend_on_seed_and_epoch_alone(dataset, access):
    config = replace(PLAIN, access=access, per_epoch=8)
    first = names(dataset, config, 8)
    assert first == names(dataset, config, 8)
    assert first != names(dataset, config, 8, seed=1)
    assert first[:4] != first[4:]  # 4 batches an epoch


@pytest.mark.parametrize("access", ["index", "stream"])
@pytest.mark.parametrize("start", [1, 3, 4, 7])
def test_reading_goes_on_anywhere_as_if_it_had_never_stopped(dataset, access, start):
    config = replace(PLAIN, access=access, readers=2, per_epoch=10)
    assert names(dataset, config, 12)[start:] == names(dataset, config, 12 - start, start=start)


@pytest.mark.parametrize("access", ["index", "stream"])
def test_two_ranks_see_what_one_rank_sees_that_takes_twice_as_many_batches(dataset, access):
    config = replace(PLAIN, access=access, readers=2, per_epoch=16)
    alone = names(dataset, config, 12, accumulate=2)
    together = [names(dataset, config, 6, rank=rank, world=2) for rank in (0, 1)]
    assert [batch for step in zip(*together, strict=True) for batch in step] == alone


@pytest.mark.parametrize("access", ["index", "stream"])
def test_ranks_read_different_utterances(dataset, access):
    config = replace(PLAIN, access=access, readers=4, per_epoch=32)
    made = plan(dataset, config, world=2)
    readers = [open_reader(dataset, "train", config, made, rank) for rank in (0, 1)]
    keys = [{key for batch in islice(reader, 8) for key in batch["key"]} for reader in readers]
    assert (
        keys[0]
        and keys[1]
        and not keys[0] & keys[1]
        and keys[0] | keys[1] == set(dataset.keys("train"))
    )


@pytest.mark.parametrize("access", ["index", "stream"])
def test_processes_that_read_change_nothing(dataset, access):
    config = replace(PLAIN, access=access, readers=4, per_epoch=14)
    alone = names(dataset, config, 9, start=1)
    assert names(dataset, replace(config, workers=2), 9, start=1) == alone


def test_ranks_get_equally_many_batches_from_unequal_shares(dataset):
    config = replace(PLAIN, access="stream", readers=3)  # 4 shards for 3 readers
    made = plan(dataset, config, world=3, batch=4)
    assert made.batches == 3  # 32 windows of 4 utterances, 12 a step
    for rank in range(3):
        batches = list(islice(open_reader(dataset, "train", config, made, rank), 7))
        assert [len(batch["key"]) for batch in batches] == [4] * 7


# too little to read


def test_too_few_shards_are_said_and_shared(dataset):
    (note,) = plan(dataset, replace(PLAIN, access="stream")).notes
    assert note.startswith("4 shards for 8 readers: 4 of them read;") and "--shard-mb" in note
    crowd = replace(PLAIN, access="stream", readers=6)
    made = plan(dataset, crowd, world=6)
    assert made.readers == 1 and "4 shards for 6 readers: some share one" in made.notes[0]
    for rank in range(6):
        assert next(open_reader(dataset, "train", crowd, made, rank))["key"]


def test_more_workers_than_readers_are_not_started(dataset):
    made = plan(dataset, replace(PLAIN, readers=2, workers=5))
    assert made.workers == 2 and made.notes == (
        "5 workers for 2 readers on each rank: 2 are started",
    )
    assert (
        plan(dataset, replace(PLAIN, readers=4), spare_cores=3).workers == 2
    )  # a divisor, so that no reader changes hands


def test_shared_shards_are_divided_by_utterances(dataset, monkeypatch):
    config = replace(PLAIN, access="stream", readers=8)
    streams = WindowStreams(dataset, "train", config, replace_plan(plan(dataset, config, world=8)))
    shard = replace(dataset.shards[0], utterances=4)
    monkeypatch.setattr(Dataset, "read", lambda self, shards: iter("abcd"))
    assert list(streams._own_part(shard, 0)) == ["a", "c"] and list(
        streams._own_part(shard, 4)
    ) == ["b", "d"]


def replace_plan(made):
    return replace(made, readers=1, world=8)


@pytest.mark.parametrize("access", ["index", "stream"])
def test_where_no_window_fits_it_is_said(dataset, access):
    config = replace(PLAIN, access=access)
    with pytest.raises(
        ShardError,
        match=r"no window of 40 frames in 4 utterances; every pair is refused, or too short",
    ):
        next(open_reader(dataset, "train", config, plan(dataset, config, frames=40)))
    with pytest.raises(ValueError, match="no test shards; it has train, val"):
        plan_reader(dataset, "test", config, frames=3, stride=1, size=64, batch=2)


@pytest.mark.parametrize("access", ["index", "stream"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_truncated_shard_is_an_error_with_its_name(tmp_path, access, workers):
    out = small.make_dataset(tmp_path / "out").out
    shard = out / "shards" / "train" / "stccl-train-000002.tar"
    shard.write_bytes(shard.read_bytes()[:-4096])
    config = replace(PLAIN, access=access, workers=workers)
    with pytest.raises(
        ShardError,
        match=r"stccl-train-000002.tar has [\d,]+ bytes and not [\d,]+: it was cut short",
    ) as caught:
        list(
            islice(
                open_reader(open_dataset(out), "train", config, plan(open_dataset(out), config)), 50
            )
        )
    assert "Traceback" not in str(caught.value)


def test_a_picture_that_is_none_is_an_error_with_its_window(dataset):
    window = drawn(dataset, 1)[0]
    with pytest.raises(
        ShardError, match=r"mead/M003/front/s001: .*no JPEG picture; run `stccl verify --decode`"
    ):
        collate([replace(window, target_jpegs=(b"\xff\xd8nothing",) * 3)], 64)


# evaluation


def places(windows: list[Window]):
    return [(w.source, w.target, w.source_frames) for w in windows]


def test_evaluation_windows_are_the_same_every_time_and_spread_over_the_pair(dataset):
    found = list(evaluation_windows(dataset, "val", 3, 2, room=2))
    assert places(found) == places(list(evaluation_windows(dataset, "val", 3, 2, room=2)))
    assert len(found) == 4 and {w.key for w in found} == set(dataset.keys("val"))
    assert {(w.source_emotion, w.target_emotion) for w in found} == {("neutral", "angry")}
    assert len({w.source_frames for w in found}) == 2 and all(
        w.look.table is None and not w.look.mirrored for w in found
    )


def test_a_shift_moves_the_target_alone(dataset):
    aligned = list(evaluation_windows(dataset, "val", 3, 3, room=4))
    for shift in (1, 2, 4):
        shifted = list(evaluation_windows(dataset, "val", 3, 3, shift=shift, room=4))
        assert places(shifted) == places(aligned)
        for one, other in zip(aligned, shifted, strict=True):
            moved = np.array(other.target_frames) - np.array(one.target_frames)
            assert len(set(moved)) == 1 and abs(moved[0]) == shift
    assert (
        list(evaluation_windows(dataset, "val", 3, 3)) == []
    )  # 15 frames of room are not in 15 frames


def test_another_sentence_is_by_the_same_speaker_in_the_same_emotion(dataset):
    aligned = list(evaluation_windows(dataset, "val", 3, 3, room=2))
    others = list(evaluation_windows(dataset, "val", 3, 3, mode="other_sentence", room=2))
    assert [(w.source, w.source_frames) for w in others] == [
        (w.source, w.source_frames) for w in aligned
    ]
    for one, other in zip(aligned, others, strict=True):
        assert other.target != one.target and other.target_emotion == one.target_emotion
        assert other.target.split("/")[1] == one.target.split("/")[1] == "M005"
        steps = np.diff(other.target_frames)
        assert (steps >= 0).all() and steps.max() <= 2 * np.diff(one.source_frames).max()
        assert 3 not in other.target_frames
