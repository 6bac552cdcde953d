"""`stccl upgrade`: schema 1 becomes what `prepare` writes, and no kill makes it unreadable."""

import json
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from stccl_data.dataset import ShardError, open_dataset, open_stream
from stccl_data.dataset.layout import SHARDS, STAGED, STATS
from stccl_data.dataset.verify import verify
from stccl_data.files.lock import locked
from stccl_data.pipeline.shard_stage import fingerprint_of_content
from stccl_data.pipeline.state import StoreBusyError
from stccl_data.pipeline.upgrade import UpgradeError, upgrade
from tests.testing import datasets as small
from tests.testing.digests import digests
from tests.testing.kills import Killed, kill, killed_at
from tests.testing.schema_1 import downgrade


@pytest.fixture(scope="module")
def present(tmp_path_factory) -> Path:
    """A dataset of the present schema, with crops and sound."""
    out = tmp_path_factory.mktemp("present")
    small.make_dataset(out, audio=True, parts=True)
    provenance = {"corpus": "mead", "config": {"crops": "stable", "audio": True, "shard_mb": 1}}
    (out / "provenance.json").write_text(json.dumps(provenance))
    record = json.loads((out / SHARDS).read_text())
    record["fingerprint"] = fingerprint_of_content("content")
    (out / SHARDS).write_text(json.dumps(record, indent=1) + "\n")
    return out


@pytest.fixture(scope="module")
def _earlier(present, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("earlier") / "out"
    shutil.copytree(present, out)
    downgrade(out)
    return out


@pytest.fixture(scope="module")
def upgraded(_earlier, tmp_path_factory) -> dict[str, str]:
    """The digests of the upgraded dataset."""
    out = tmp_path_factory.mktemp("upgraded") / "out"
    shutil.copytree(_earlier, out)
    upgrade(out)
    return digests(out)


@pytest.fixture
def earlier(_earlier, tmp_path) -> Path:
    """The same dataset in schema 1, to be changed."""
    shutil.copytree(_earlier, tmp_path / "out")
    return tmp_path / "out"


def assert_equal_content(first: Path, second: Path) -> None:
    """Assert that two datasets hold the same labels, arrays, frames, sound and pairs."""
    one, other = open_dataset(first), open_dataset(second)
    assert one.keys() == other.keys()
    for key in one.keys(None):
        clips = other[key].clips
        for name, clip in one[key].clips.items():
            for array in ("times", "valid", "landmarks", "face_transforms", "mouth_transforms"):
                np.testing.assert_array_equal(getattr(clip, array), getattr(clips[name], array))
            assert clip.clip_id == clips[name].clip_id and clip.fps == clips[name].fps
            assert clip.crops == clips[name].crops and clip.has_audio == clips[name].has_audio
            for crop in clip.crops:
                assert clip.jpegs(crop) == clips[name].jpegs(crop)
            if clip.has_audio:
                np.testing.assert_array_equal(clip.audio()[0], clips[name].audio()[0])
        for pair, counterpart in zip(
            one[key].pairs(accepted=None), other[key].pairs(accepted=None), strict=True
        ):
            np.testing.assert_array_equal(pair.frame_map, counterpart.frame_map)
            known = {score: v for score, v in counterpart.scores.items() if v is not None}
            assert {score: v for score, v in pair.scores.items() if v is not None} == known


def test_an_earlier_dataset_is_read_and_verified_like_the_present_one(earlier, present):
    assert verify(earlier, decode=True) == []
    assert_equal_content(earlier, present)


def test_the_result_holds_the_same_and_verifies(earlier, present, upgraded):
    result = upgrade(earlier)
    assert (result.schema_before, result.schema, result.samples) == (1, 2, 9)
    assert digests(earlier) == upgraded
    assert verify(earlier, decode=True) == []
    assert_equal_content(earlier, present)


def test_a_run_that_prepare_made_comes_back_byte_for_byte(prepared_copy):
    before = digests(prepared_copy)
    downgrade(prepared_copy)
    assert digests(prepared_copy) != before
    upgrade(prepared_copy)
    after = digests(prepared_copy)
    assert {path for path in before if before[path] != after[path]} == {SHARDS}  # a fingerprint


def test_the_result_can_be_written_elsewhere(earlier, upgraded, tmp_path):
    before = digests(earlier)
    upgrade(earlier, tmp_path / "new")
    assert digests(earlier) == before
    assert digests(tmp_path / "new") == upgraded


def test_a_kill_at_any_step_leaves_a_readable_dataset_and_a_rerun_finishes_it(
    earlier, upgraded, tmp_path
):
    step, ended = 0, False
    keys = open_dataset(earlier).keys()
    while not ended:
        out = shutil.copytree(earlier, tmp_path / f"{step}")
        try:
            with killed_at(step):
                upgrade(out)
            ended = True
        except Killed:
            pass
        dataset = open_dataset(out)
        assert dataset.keys() == keys
        assert dataset[keys[-1]].pairs(accepted=None)[0].target.frames("mouth", [2]).any()
        if not ended:
            upgrade(out)
        assert digests(out) == upgraded, step
        assert not (out / STAGED).exists() and not list(out.rglob("*.tmp"))
        shutil.rmtree(out)
        step += 1
    assert step > 20


def test_a_rerun_keeps_the_shards_that_are_finished(earlier, upgraded):
    with killed_at(12), pytest.raises(Killed):
        upgrade(earlier)
    finished = list((earlier / STAGED).rglob("*.tar.json"))
    assert finished
    assert upgrade(earlier).made == len(open_dataset(earlier).shards) - len(finished)
    assert digests(earlier) == upgraded


def test_verify_names_an_upgrade_that_was_cut_off(earlier, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("stccl_data.dataset.publish.finish_publishing", kill)
        with pytest.raises(Killed):
            upgrade(earlier)
    (problem,) = verify(earlier)
    assert (problem.file, problem.advice) == (
        STAGED,
        "run `stccl upgrade` or `stccl prepare` again",
    )


def test_a_present_dataset_is_not_upgraded_again(earlier):
    upgrade(earlier)
    before = digests(earlier)
    with pytest.raises(UpgradeError, match="schema 2"):
        upgrade(earlier)
    assert digests(earlier) == before


def test_a_folder_in_use_is_named(earlier, tmp_path):
    with pytest.raises(UpgradeError, match=str(tmp_path)):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "file").touch()
        upgrade(earlier, tmp_path / "full")
    (earlier / "work").mkdir()
    with locked(earlier / "work" / "lock"), pytest.raises(StoreBusyError, match=str(os.getpid())):
        upgrade(earlier)
    (earlier / STAGED).mkdir(exist_ok=True)
    with locked(earlier / STAGED / "lock"), pytest.raises(UpgradeError, match=str(os.getpid())):
        upgrade(earlier)


def test_a_damaged_shard_is_not_copied_into_a_sound_one(earlier):
    shard = sorted((earlier / "shards").rglob("*.tar"))[0]
    data = bytearray(shard.read_bytes())
    data[5000] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ShardError, match=shard.name):
        upgrade(earlier)
    assert json.loads((earlier / SHARDS).read_text())["schema"] == 1


def test_too_little_space_is_said_before_anything_is_written(earlier, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, 1000))
    with pytest.raises(UpgradeError, match="--to"):
        upgrade(earlier)
    assert not list((earlier / STAGED).rglob("*.tar"))


def test_a_stream_may_mix_both_schemas(earlier, present):
    shards = [sorted((out / "shards" / "train").glob("*.tar"))[0] for out in (earlier, present)]
    first, second = (next(iter(open_stream([path]))) for path in shards)
    assert len(list(open_stream(shards))) == 2 * len(list(open_stream(shards[:1])))
    assert first.key == second.key


def test_the_counts_follow_the_new_shards(earlier):
    upgrade(earlier)
    sizes = sum(path.stat().st_size for path in (earlier / "shards").rglob("*.tar"))
    assert json.loads((earlier / STATS).read_text())["bytes"] == sizes
