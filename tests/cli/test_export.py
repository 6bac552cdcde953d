"""`stccl export`: its output and exit codes."""

import json

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl


def run(*arguments):
    return CliRunner().invoke(stccl, ["export", *map(str, arguments)])


def test_a_pair_file_is_written_and_counted(prepared, tmp_path):
    result = run(prepared.out, "--form", "aligned-path", tmp_path / "pairs.json")
    assert result.exit_code == 0, result.output
    pairs = prepared.summary.pairs[""]
    assert f"{pairs} pairs, " in result.output
    assert "view front; levels: angry 3, happy 3, neutral 1" in result.output
    written = json.loads((tmp_path / "pairs.json").read_text())
    assert (
        sum(len(entries) for emotions in written.values() for entries in emotions.values()) == pairs
    )


def test_folders_are_written_and_counted_in_json(prepared, tmp_path):
    result = run(
        prepared.out,
        tmp_path / "faces",
        "--form",
        "folders",
        "--size",
        32,
        "--split",
        "test",
        "--json",
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (
        found["made"] == found["clips"] == len(list((tmp_path / "faces").glob("*/align_img/*/*")))
    )


@pytest.mark.parametrize("form", ["aligned-path", "folders"])
def test_an_existing_file_is_not_overwritten(prepared, tmp_path, form):
    (tmp_path / "there").write_text("mine")
    result = run(prepared.out, "--form", form, tmp_path / "there")
    assert result.exit_code == 1
    assert "Error: " in result.output
    assert (tmp_path / "there").read_text() == "mine"


def test_a_folder_without_a_dataset_is_an_error(tmp_path):
    result = run(tmp_path, "--form", "aligned-path", tmp_path / "pairs.json")
    assert result.exit_code == 1 and str(tmp_path) in result.stderr
