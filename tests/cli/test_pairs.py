"""`stccl pairs`: its output and exit codes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.dataset.layout import CLIPS
from stccl_data.interchange.aligned_path import export_aligned_path
from stccl_data.interchange.selection import ExportConfig


def run(*arguments):
    return CliRunner().invoke(stccl, ["pairs", *map(str, arguments)])


@pytest.fixture
def pair_file(tmp_path):
    path = tmp_path / "pairs.json"
    path.write_text(
        '{"M035": {"disgusted": {"001_028": [[0, 1], [0, 1]], "001_001": [[0, 1], [0, 1]]}}}'
    )
    return path


def test_audit_prints_counts_and_each_finding(pair_file):
    result = run("audit", pair_file)
    assert result.exit_code == 0, result.output
    assert ["disgusted", "2", "1", "0", "0", "4", "2"] in [
        line.split() for line in result.output.splitlines()
    ]
    assert "M035 disgusted 001_028: " in result.output and "001_001 would be" in result.output
    assert "1 of 2 pairs join two different sentences, 2 of 4 frame pairs." in result.output


def test_audit_prints_json(pair_file):
    result = run("audit", pair_file, "--json")
    report = json.loads(result.output)
    assert (report["pairs"], report["wrong"], report["unknown"]) == (2, 1, 0)
    assert [finding["pair"] for finding in report["findings"]] == ["001_028"]


def test_audit_uses_transcripts_if_given(pair_file, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(
        "M035_level_1_neutral_001 A\nM035_level_3_disgusted_028 A\nM035_level_3_disgusted_001 B\n"
    )
    report = json.loads(run("audit", pair_file, "--transcripts", listed, "--json").output)
    assert [finding["pair"] for finding in report["findings"]] == ["001_001"]


def test_auditing_a_malformed_file_is_a_usage_error(tmp_path):
    (tmp_path / "pairs.json").write_text('{"M035": []}')
    result = run("audit", tmp_path / "pairs.json")
    assert result.exit_code == 2
    assert "M035" in result.output


def test_refilter_prints_the_changes_and_keeps_the_other_thresholds(prepared_copy):
    pairs = json.loads((prepared_copy / "stats.json").read_text())["pairs_accepted"]
    result = run("refilter", prepared_copy, "--min-eye-distance", 10_000)
    assert result.exit_code == 0, result.output
    assert f"{pairs} pairs: accepted -> small_face" in result.output
    assert f"pairs   {pairs} -> 0 accepted of {pairs}" in result.output
    result = run("refilter", prepared_copy, "--max-longest-repeat", 100, "--json")
    report = json.loads(result.output)
    assert report["changes"] == []
    assert (report["gates"]["min_eye_distance"], report["gates"]["max_longest_repeat"]) == (
        10_000,
        100,
    )


@pytest.mark.parametrize("content", ["{}", '{"M035": {}}', '{"M035": {"sad": {}}}'])
def test_a_file_without_pairs_is_a_usage_error(tmp_path, content):
    (tmp_path / "pairs.json").write_text(content)
    for arguments in (("audit",), ("import", "--clips", tmp_path, "--out", tmp_path / "out")):
        result = run(*arguments, tmp_path / "pairs.json")
        assert result.exit_code == 2
        assert "pairs.json" in result.output


def test_a_threshold_that_is_not_a_number_is_a_usage_error(prepared_copy, pair_file, tmp_path):
    for arguments in (
        ("refilter", prepared_copy),
        ("import", pair_file, "--clips", tmp_path, "--out", tmp_path / "out"),
    ):
        result = run(*arguments, "--min-content-score", "nan")
        assert result.exit_code == 2
        assert "min_content_score" in result.output


def test_a_dry_run_of_refilter_writes_nothing(prepared_copy):
    result = run("refilter", prepared_copy, "--dry-run")
    assert result.output.splitlines()[0] == "No pair changes."
    assert "Nothing was written" in result.output


def test_refiltering_a_folder_without_a_dataset_exits_1(tmp_path):
    result = run("refilter", tmp_path)
    assert result.exit_code == 1 and str(tmp_path) in result.stderr


def test_the_earlier_name_of_refilter_works_and_is_hidden(prepared_copy):
    assert run("regate", prepared_copy, "--dry-run").exit_code == 0
    assert "regate" not in run("--help").output


def test_import_prepares_the_pairs_of_a_file_and_counts_the_missing_ones(
    corpus, prepared, tmp_path
):
    export_aligned_path(prepared.out, tmp_path / "pairs.json", ExportConfig(split=("test",)))
    content = json.loads((tmp_path / "pairs.json").read_text())
    content["M999"] = {"sad": {"001_001": [[0, 1], [0, 1]]}}
    (tmp_path / "pairs.json").write_text(json.dumps(content))
    places = ("--clips", corpus.folder, "--out", tmp_path / "out")
    asked = ("import", tmp_path / "pairs.json", *places, "--crops", "none", "--workers", 2)
    result = run(*asked)
    assert result.exit_code == 0, result.output
    assert "; 1 have no clips in" in result.output
    assert "labels  contradict 0 of them" in result.output
    report = json.loads(run(*asked, "--json").stdout)
    assert report["summary"]["made"] == 0
    assert report["not_found"] == 1


def test_importing_a_file_that_is_no_pair_file_is_a_usage_error(tmp_path):
    (tmp_path / "pairs.json").write_text("[]")
    result = run("import", tmp_path / "pairs.json", "--clips", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "pairs.json" in result.output


def test_listen_names_the_clips_that_sound_like_another_text(prepared, corpus, tmp_path):
    table = pq.read_table(prepared.out / CLIPS)
    texts = {str(corpus.folder / truth.path): truth.text for truth in corpus.clips}
    rows = [row | {"text": texts[row["path"]]} for row in table.to_pylist()]
    wrong, other = rows[0], next(row for row in rows if row["text"] != rows[0]["text"])
    right, wrong["text"] = wrong["text"], other["text"]
    schema = pa.schema(
        [pa.field("text", pa.string()) if field.name == "text" else field for field in table.schema]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / CLIPS)
    result = run("listen", tmp_path)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(wrong["clip_id"])]
    assert repr(wrong["text"]) in line and repr(right) in line
    assert "1 of 12 clips" in result.stdout
    report = json.loads(run("listen", tmp_path, "--rivals", 1, "--json").stdout)
    assert [one["clip_id"] for one in report["contradicted"]] == [wrong["clip_id"]]


def test_listen_needs_texts(prepared):
    result = run("listen", prepared.out)
    assert result.exit_code == 1
    assert str(prepared.out) in result.output
