"""A job array: every clip is some job's and no other's, and what they make together is what one run makes."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from stccl_cli.main import stccl

from stccl_data.clip import Clip
from stccl_data.corpora import scan_corpus
from stccl_data.pipeline.config import PrepareConfig, config_from
from stccl_data.pipeline.job_array import Part, PartsError, clips_of, parse_part
from stccl_data.pipeline.merge import merge
from stccl_data.pipeline.prepare import prepare
from stccl_data.pipeline.state import Store, StoreBusyError
from stccl_data.pipeline.status import read_status

QUICK = PrepareConfig(crops="none", align="audio", executor="inline", split="train=0.5,test=0.5")


def a_clip(speaker: str, view: str, number: int) -> Clip:
    labels = {"corpus": "own", "emotion": "sad", "sentence": "1"}
    return Clip(clip_id=f"{speaker}/{view}/{number}", speaker=speaker, view=view, path="", **labels)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("lr")), st.integers(1, 9), min_size=1
    ),
    st.data(),
)
def test_every_clip_is_in_one_part_with_all_of_its_speaker_and_view(sizes, data):
    clips = [
        a_clip(speaker, view, i) for (speaker, view), size in sizes.items() for i in range(size)
    ]
    count = data.draw(st.integers(1, len(sizes)))
    parts = [clips_of(Part(number, count), clips) for number in range(1, count + 1)]
    assert Counter(clip.clip_id for part in parts for clip in part) == Counter(
        clip.clip_id for clip in clips
    )
    assert all(parts), "no job has nothing to do"
    groups = [{(clip.speaker, clip.view) for clip in part} for part in parts]
    assert sum(map(len, groups)) == len(sizes)
    assert max(map(len, parts)) <= min(map(len, parts)) + max(sizes.values()), (
        "nobody gets more while somebody has less"
    )
    assert parts == [
        clips_of(Part(number, count), reversed(clips))[::-1] for number in range(1, count + 1)
    ]


def test_more_jobs_than_speakers_and_views_are_refused():
    with pytest.raises(
        PartsError, match="2 speakers and views are shared among 2 jobs at most, not 3"
    ):
        clips_of(Part(1, 3), [a_clip("a", "left", 0), a_clip("a", "right", 0)])


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/2", "1.0/4"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(ValueError, match="is not I/N with I from 1 to N"):
        parse_part(text)
    with pytest.raises(ValueError, match="is not I/N"):
        PrepareConfig(shard=text)


def test_options_survive_the_journey_to_merge():
    config = replace(QUICK, views=("front", "top"), retry_failed=("crashed",), limit=3, shard="1/2")
    assert (
        config_from(json.loads(json.dumps(config.__class__.outcome(config)))).outcome()
        == config.outcome()
    )


@pytest.fixture(scope="module")
def raw(corpus, tmp_path_factory) -> Path:
    """The corpus, one of its clips damaged."""
    folder = tmp_path_factory.mktemp("parts") / "raw"
    shutil.copytree(corpus.folder, folder)
    victim = folder / next(clip.path for clip in corpus.clips if clip.emotion == "angry")
    victim.write_bytes(bytes(1000))
    return folder


def test_parts_put_together_are_byte_for_byte_what_one_run_makes(digests, raw, tmp_path):
    one = prepare(raw, tmp_path / "one", QUICK)
    out = tmp_path / "out"
    counted = Counter()
    for shard in ("2/2", "1/2"):
        summary = prepare(raw, out, replace(QUICK, shard=shard))
        assert (
            summary.part == parse_part(shard)
            and summary.shards == {}
            and not (out / "shards").exists()
        )
        counted += Counter(summary.clips)
    assert counted.total() == 12 and counted["decode_error"] == 1
    merged = merge(out)
    assert merged.made == 1, "the shards alone"
    assert (merged.clips, merged.pairs, merged.failed, merged.shards) == (
        one.clips,
        one.pairs,
        1,
        one.shards,
    )
    assert digests(out) == digests(tmp_path / "one")
    assert merge(out).made == 0
    assert prepare(raw, out, QUICK).made == 0, "and prepare knows all of it"


def test_merge_knows_the_files_of_the_parts_wherever_it_is_called(raw, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    names = sorted({clip.speaker for clip in scan_corpus(raw).clips})
    (tmp_path / "here" / "mine.csv").write_text(
        "speaker,split\n" + "".join(f"{name},train\n" for name in names)
    )
    monkeypatch.chdir(tmp_path / "here")
    for shard in ("1/2", "2/2"):
        prepare(raw, tmp_path / "out", replace(QUICK, split="mine.csv", shard=shard))
    monkeypatch.chdir("/")
    assert merge(tmp_path / "out").shards == {"train": 1}
    (tmp_path / "here" / "mine.csv").unlink()
    said = CliRunner().invoke(stccl, ["merge", str(tmp_path / "out")])
    assert said.exit_code == 1 and "mine.csv" in said.stderr and "Traceback" not in said.output


def test_a_job_that_finds_only_what_another_has_just_begun_goes_on(raw, tmp_path):
    (tmp_path / "out" / "work").mkdir(parents=True)
    assert prepare(raw, tmp_path / "out", replace(QUICK, shard="1/2")).part == Part(1, 2)


def test_a_part_run_again_does_nothing_and_one_with_other_options_starts_over(raw, tmp_path):
    prepare(raw, tmp_path, replace(QUICK, shard="1/2"))
    assert prepare(raw, tmp_path, replace(QUICK, shard="1/2")).made == 0
    prepare(raw, tmp_path, replace(QUICK, shard="2/2", audio=True))
    with pytest.raises(
        PartsError, match=r"parts 1/2 and 2/2 were not asked for the same \(audio\)"
    ):
        merge(tmp_path)
    prepare(raw, tmp_path, replace(QUICK, shard="1/2", audio=True))
    merge(tmp_path)
    assert json.loads((tmp_path / "provenance.json").read_text())["config"]["audio"] is True


def test_what_is_not_done_is_named_and_prepare_does_it_itself(raw, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(PartsError, match="holds no finished part"):
        merge(tmp_path / "empty")
    out = tmp_path / "out"
    prepare(raw, out, replace(QUICK, shard="2/2"))
    with pytest.raises(PartsError, match="1 of 2 parts are not done: 1; run them again"):
        merge(out)
    assert not (out / "shards").exists()
    prepare(raw, out, replace(QUICK, shard="1/1"))
    with pytest.raises(PartsError, match="holds parts of 1 and of 2"):
        merge(out)
    assert prepare(raw, out, QUICK).made == 1, "both parts are used"


def test_parts_work_side_by_side_and_nothing_else_does(raw, tmp_path):
    first, second = (Store(tmp_path, part) for part in (Part(1, 2), Part(2, 2)))
    with first.locked(), second.locked():
        with pytest.raises(StoreBusyError, match="is being prepared by process"), first.locked():
            pass
        with pytest.raises(
            StoreBusyError, match="as parts of a job array, which `stccl status` names"
        ):
            prepare(raw, tmp_path, QUICK)
    with (
        Store(tmp_path).locked(),
        pytest.raises(StoreBusyError, match="is being prepared by process"),
    ):
        prepare(raw, tmp_path, replace(QUICK, shard="1/2"))


def test_the_commands_say_what_is_next(raw, tmp_path):
    options = ["--crops", "none", "--align", "audio", "--executor", "inline", "--split", "train=1"]
    for shard in ("1/2", "2/2"):
        said = CliRunner().invoke(
            stccl, ["prepare", str(raw), str(tmp_path), "--shard", shard, *options]
        )
        assert (
            f"part    {shard} is done; when all are, they are put together by: stccl merge {tmp_path}"
            in said.stdout
        )
    assert [run.part for run in read_status(tmp_path).runs] == ["1-of-2", "2-of-2"]
    said = CliRunner().invoke(stccl, ["merge", str(tmp_path), "--json"])
    assert said.exit_code == 1, "one clip has failed"
    assert json.loads(said.stdout)["failed"] == 1
    assert {row["state"] for row in pq.read_table(tmp_path / "clips.parquet").to_pylist()} == {
        "paired",
        "failed",
    }
    said = CliRunner().invoke(
        stccl, ["prepare", str(raw), str(tmp_path), "--shard", "3/2", *options]
    )
    assert said.exit_code == 2 and "is not I/N" in said.stderr
