"""`prepare --drop-work`: crops and sound are kept once, and nothing else changes."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stccl_data.dataset.layout import STAGED
from stccl_data.dataset.verify import verify
from stccl_data.pipeline.prepare import prepare
from tests.testing.digests import digests
from tests.testing.kills import Killed, killed_at
from tests.testing.runs import QUICK

CONFIG = replace(QUICK, audio=True, shard_mb=1, split="train=0.5,test=0.5")


def frames_in(out: Path) -> int:
    """Count the clips whose sound `work` holds."""
    return len(list((out / "work").rglob("*.frames")))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory) -> Path:
    """A run that keeps everything. Read only."""
    out = tmp_path_factory.mktemp("whole")
    prepare(corpus.folder, out, CONFIG)
    return out


def test_a_first_run_writes_the_same_dataset_and_keeps_the_sound_once(corpus, whole, tmp_path):
    prepare(corpus.folder, tmp_path, replace(CONFIG, drop_work=True))
    assert digests(tmp_path) == digests(whole)
    assert (frames_in(whole), frames_in(tmp_path)) == (12, 0)
    assert not (tmp_path / STAGED).exists()


def test_a_finished_run_can_drop_it_later(corpus, prepared, prepared_copy):
    before = digests(prepared_copy)
    summary = prepare(corpus.folder, prepared_copy, replace(prepared.config, drop_work=True))
    assert (summary.made, digests(prepared_copy)) == (0, before)
    assert frames_in(prepared_copy) == 0
    summary = prepare(corpus.folder, prepared_copy, prepared.config)  # nothing is extracted again
    assert (summary.made, digests(prepared_copy)) == (0, before)


def test_shards_are_rewritten_from_those_before(corpus, prepared, prepared_copy, tmp_path):
    other = replace(prepared.config, seed=3, shard_mb=1)
    expected = Path(shutil.copytree(prepared_copy, tmp_path / "expected"))
    prepare(corpus.folder, expected, other)
    prepare(corpus.folder, prepared_copy, replace(prepared.config, drop_work=True))
    summary = prepare(corpus.folder, prepared_copy, other)
    assert summary.made == 1, "the shards alone"
    assert digests(prepared_copy) == digests(expected)
    assert frames_in(prepared_copy) == 0 and verify(prepared_copy, decode=True) == []


def test_clips_whose_sound_is_lost_are_extracted_again(corpus, whole, tmp_path):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    prepare(corpus.folder, out, replace(CONFIG, drop_work=True))
    shutil.rmtree(out / "shards" / "test")
    summary = prepare(corpus.folder, out, CONFIG)
    assert summary.made == 12 + 1
    assert digests(out) == digests(whole)


@pytest.mark.parametrize("step", [0, 5, 10, 15, 20, 24])
def test_a_run_killed_at_any_step_resumes_to_the_same_dataset(corpus, whole, tmp_path, step):
    out = Path(shutil.copytree(whole, tmp_path / "out"))
    for path in (out / "shards", out / "shards.json", out / "index.jsonl"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    config = replace(CONFIG, drop_work=True)
    with killed_at(step), pytest.raises(Killed):
        prepare(corpus.folder, out, config)
    summary = prepare(corpus.folder, out, config)
    assert summary.made <= 1, "no clip is extracted again"
    assert digests(out) == digests(whole)
    assert frames_in(out) == 0 and not (out / STAGED).exists()
