"""Job arrays: every clip belongs to one job, and the merged dataset equals that of a single run."""

import json
import shutil
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from stccl_cli.main import stccl

from stccl_data.clip import Clip
from stccl_data.corpora import scan_corpus
from stccl_data.pipeline.config import PrepareConfig, config_from_json
from stccl_data.pipeline.job_array import Job, JobArrayError, clips_of_job, parse_job
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
def test_each_speaker_and_view_goes_to_exactly_one_job_and_the_load_is_balanced(sizes, data):
    clips = [
        a_clip(speaker, view, i) for (speaker, view), size in sizes.items() for i in range(size)
    ]
    count = data.draw(st.integers(1, len(sizes)))
    array = [Job(number, count) for number in range(1, count + 1)]
    shares = [clips_of_job(job, clips) for job in array]
    assert Counter(clip.clip_id for share in shares for clip in share) == Counter(
        clip.clip_id for clip in clips
    )
    assert all(shares), "no job is empty"
    groups = [{(clip.speaker, clip.view) for clip in share} for share in shares]
    assert sum(map(len, groups)) == len(sizes)
    assert max(map(len, shares)) <= min(map(len, shares)) + max(sizes.values())
    assert shares == [clips_of_job(job, reversed(clips))[::-1] for job in array], (
        "the order of the clips does not matter"
    )


def test_more_jobs_than_speakers_and_views_are_refused():
    with pytest.raises(JobArrayError, match=r"\b2\b.*\b3\b"):
        clips_of_job(Job(1, 3), [a_clip("a", "left", 0), a_clip("a", "right", 0)])


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/2", "1.0/4"])
def test_an_invalid_job_is_refused(text):
    with pytest.raises(ValueError, match="I/N"):
        parse_job(text)
    with pytest.raises(ValueError, match="I/N"):
        PrepareConfig(job=text)


def test_a_config_survives_the_round_trip_through_json():
    config = replace(QUICK, views=("front", "top"), retry_failed=("crashed",), limit=3, job="1/2")
    values = json.loads(json.dumps(asdict(config)))
    assert config_from_json(values) == config
    values["shard"] = values.pop("job")
    assert config_from_json({**values, "of_a_later_version": 1}) == config


@pytest.fixture(scope="module")
def raw(corpus, tmp_path_factory) -> Path:
    """Copy the demo corpus and damage one clip."""
    folder = tmp_path_factory.mktemp("jobs") / "raw"
    shutil.copytree(corpus.folder, folder)
    victim = folder / next(clip.path for clip in corpus.clips if clip.emotion == "angry")
    victim.write_bytes(bytes(1000))
    return folder


def test_the_merged_dataset_is_byte_identical_to_a_single_run(digests, raw, tmp_path):
    one = prepare(raw, tmp_path / "one", QUICK)
    out = tmp_path / "out"
    counted = Counter()
    for job in ("2/2", "1/2"):
        summary = prepare(raw, out, replace(QUICK, job=job))
        assert (
            summary.job == parse_job(job) and summary.shards == {} and not (out / "shards").exists()
        )
        counted += Counter(summary.clips)
    assert counted.total() == 12 and counted["decode_error"] == 1
    merged = merge(out)
    assert merged.made == 1, "only the shards are written"
    assert (merged.clips, merged.pairs, merged.failed, merged.shards) == (
        one.clips,
        one.pairs,
        1,
        one.shards,
    )
    assert digests(out) == digests(tmp_path / "one")
    assert merge(out).made == 0
    assert prepare(raw, out, QUICK).made == 0, "prepare reuses everything"


def test_merge_finds_files_named_by_relative_paths_from_any_folder(raw, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    names = sorted({clip.speaker for clip in scan_corpus(raw).clips})
    (tmp_path / "here" / "mine.csv").write_text(
        "speaker,split\n" + "".join(f"{name},train\n" for name in names)
    )
    monkeypatch.chdir(tmp_path / "here")
    for job in ("1/2", "2/2"):
        prepare(raw, tmp_path / "out", replace(QUICK, split="mine.csv", job=job))
    monkeypatch.chdir("/")
    assert merge(tmp_path / "out").shards == {"train": 1}
    (tmp_path / "here" / "mine.csv").unlink()
    result = CliRunner().invoke(stccl, ["merge", str(tmp_path / "out")])
    assert result.exit_code == 1 and "mine.csv" in result.stderr
    assert "Traceback" not in result.output


def test_a_job_starts_in_an_out_where_another_job_has_only_created_its_work_folder(raw, tmp_path):
    (tmp_path / "out" / "work").mkdir(parents=True)
    assert prepare(raw, tmp_path / "out", replace(QUICK, job="1/2")).job == Job(1, 2)


def test_a_finished_job_does_nothing_again_and_jobs_with_different_options_are_not_merged(
    raw, tmp_path
):
    prepare(raw, tmp_path, replace(QUICK, job="1/2"))
    assert prepare(raw, tmp_path, replace(QUICK, job="1/2")).made == 0
    prepare(raw, tmp_path, replace(QUICK, job="2/2", audio=True))
    with pytest.raises(JobArrayError, match=r"1/2 and 2/2 .*\(audio\)"):
        merge(tmp_path)
    prepare(raw, tmp_path, replace(QUICK, job="1/2", audio=True))
    merge(tmp_path)
    assert json.loads((tmp_path / "provenance.json").read_text())["config"]["audio"] is True


def test_merge_names_the_unfinished_jobs_and_prepare_completes_them(raw, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(JobArrayError, match="empty"):
        merge(tmp_path / "empty")
    out = tmp_path / "out"
    prepare(raw, out, replace(QUICK, job="2/2"))
    with pytest.raises(JobArrayError, match=r"\b1 of 2\b.*: 1"):
        merge(out)
    assert not (out / "shards").exists()
    prepare(raw, out, replace(QUICK, job="1/1"))
    with pytest.raises(JobArrayError, match=r"\b1 and .*\b2\b"):
        merge(out)
    assert prepare(raw, out, QUICK).made == 1, "it uses the work of both jobs"


def test_jobs_of_an_array_share_out_but_exclude_any_other_run(raw, tmp_path):
    first, second = (Store(tmp_path, job) for job in (Job(1, 2), Job(2, 2)))
    with first.locked(), second.locked():
        with pytest.raises(StoreBusyError, match=str(tmp_path)), first.locked():
            pass
        with pytest.raises(StoreBusyError, match="stccl status"):
            prepare(raw, tmp_path, QUICK)
    with Store(tmp_path).locked(), pytest.raises(StoreBusyError, match=str(tmp_path)):
        prepare(raw, tmp_path, replace(QUICK, job="1/2"))


def test_the_commands_name_the_next_step(raw, tmp_path):
    options = ["--crops", "none", "--align", "audio", "--executor", "inline", "--split", "train=1"]
    for job in ("1/2", "2/2"):
        result = CliRunner().invoke(
            stccl, ["prepare", str(raw), str(tmp_path), "--job", job, *options]
        )
        assert job in result.stdout and f"stccl merge {tmp_path}" in result.stdout
    assert [run.job for run in read_status(tmp_path).runs] == ["1-of-2", "2-of-2"]
    result = CliRunner().invoke(stccl, ["merge", str(tmp_path), "--json"])
    assert result.exit_code == 1, "one clip has failed"
    assert json.loads(result.stdout)["failed"] == 1
    states = {row["state"] for row in pq.read_table(tmp_path / "clips.parquet").to_pylist()}
    assert states == {"paired", "failed"}
    result = CliRunner().invoke(
        stccl, ["prepare", str(raw), str(tmp_path), "--job", "3/2", *options]
    )
    assert result.exit_code == 2 and "3/2" in result.stderr
