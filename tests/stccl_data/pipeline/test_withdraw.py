"""A speaker withdraws: nothing of them is left, and the others are as before."""

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.dataset import open_dataset
from stccl_data.dataset.tables import read_clips
from stccl_data.dataset.verify import verify
from stccl_data.pairs.verdicts import Verdict, read_verdicts, write_verdicts
from stccl_data.pipeline.prepare import prepare
from stccl_data.pipeline.withdraw import WithdrawError, find_speaker, withdraw


def test_nothing_of_the_speaker_is_left_and_no_run_brings_them_back(
    prepared_copy, prepared, corpus
):
    out = prepared_copy
    gone, kept = "M003", "W009"
    before = {row["clip_id"]: row["split"] for row in read_clips(out) if row["speaker"] == kept}
    sample = next(u for u in open_dataset(out).stream(before.popitem()[1]) if u.speaker == kept)
    jpeg = next(iter(sample.clips.values())).jpeg("face", 0)
    (out / "logs").mkdir(exist_ok=True)
    (out / "logs" / "prepare-1.log").write_text(f"{gone}: read\n")
    (out / "report").mkdir()
    (out / "report" / "index.html").write_text(f"<p>{gone}")
    ids = {
        name: [r["clip_id"] for r in read_clips(out) if r["speaker"] == name]
        for name in (gone, kept)
    }
    verdicts = {tuple(ids[n][:2]): Verdict(*ids[n][:2], "keep", "eve", "") for n in ids}
    write_verdicts(out, verdicts)
    assert list(find_speaker(out, gone))

    summary = withdraw(out, gone)

    assert list(find_speaker(out, gone)) == []
    assert verify(out) == []
    files = [path for path in out.rglob("*") if path.is_file()]
    assert not any(gone.encode() in path.read_bytes() for path in files)
    assert {row["speaker"] for row in read_clips(out)} == {kept}
    assert set(read_verdicts(out)) == {tuple(ids[kept][:2])}
    assert summary.made <= 1  # the shards; nothing is extracted or aligned again
    assert next(iter(open_dataset(out)[sample.key].clips.values())).jpeg("face", 0) == jpeg
    prepare(corpus.folder, out, prepared.config)
    assert {row["speaker"] for row in read_clips(out)} == {kept}


def test_the_command_says_what_is_left(prepared):
    result = CliRunner().invoke(stccl, ["verify", str(prepared.out), "--absent", "M003"])
    assert result.exit_code == 1
    assert "clips.parquet: 6 clips" in result.output


def test_a_name_that_never_withdrew_is_questioned(prepared):
    result = CliRunner().invoke(stccl, ["verify", str(prepared.out), "--absent", "m003"])
    assert result.exit_code == 0
    assert "'m003' was never withdrawn" in result.stderr


def test_an_unknown_speaker_is_named(prepared):
    with pytest.raises(WithdrawError, match="has no speaker 'M999'; it has M003, W009"):
        withdraw(prepared.out, "M999")
