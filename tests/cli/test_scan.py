"""`stccl scan`: its output and exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl


@pytest.fixture
def mead(tmp_path):
    raw = tmp_path / "raw"
    for name in (
        "M003/video/front/neutral/level_1/001.mp4",
        "M003/video/front/angry/level_1/001.mp4",
        "M003/video/front/sad/level_2/001.mp4",
        "M003/video/front/sad/level_2/099.mp4",
        "M003/video/top/sad/level_2/001.mp4",
        "W009/video.tar",
        "M003/video/front/sad/level_2/bad\nname.mp4",
    ):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).touch()
    return raw


def scan(*arguments):
    return CliRunner().invoke(stccl, ["scan", *map(str, arguments)])


def test_the_output_has_clips_pairs_estimates_and_findings(mead):
    result = scan(mead)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"mead in {mead}"
    assert lines[1] == "4 clips: 1 speakers, 3 emotions, 1 sentences"
    assert "1 of them without a known sentence" in lines
    row = next(line.split() for line in lines if line.startswith("M003"))
    assert row == [
        "M003",
        "1",
        "2",
        "1",
        "1",
        "2",
        "1",
    ]  # neutral, sad, angry, levels 1 2, sentences
    assert "--reference neutral: 2 pairs of 3 clips; 1 sentence_unknown" in lines
    assert "--reference any: 3 pairs of 3 clips; 1 sentence_unknown" in lines
    assert any(line.startswith("not_unpacked (1 file): unpack the tar") for line in lines)
    assert "    W009/video.tar has not been unpacked" in lines
    assert any("bad\\nname.mp4" in line for line in lines)
    assert not set(result.output) & set("\x1b─━│┃")  # plain text outside a terminal


def test_json_has_everything(mead):
    result = scan(mead, "--json")
    found = json.loads(result.output)
    assert (found["corpus"], found["clips"], found["sentence_unknown"]) == ("mead", 4, 1)
    assert found["speakers"]["M003"]["sad"] == {"2": 2}
    assert found["estimates"]["any"]["pairs"] == 3
    assert found["estimates"]["neutral"]["frames"] == 3 * 129
    assert found["findings"] == {"unknown_name": 1, "not_unpacked": 1, "not_selected": 1}
    assert all(
        detail["advice"] and detail["detail"] and detail["path"] for detail in found["details"]
    )


def test_options_select_clips(mead):
    assert "5 clips" in scan(mead, "--views", "all").output
    assert "1 clips" in scan(mead, "--views", "top, down").output
    assert "1 clips" in scan(mead, "--emotions", "anger").output
    assert "3 pairs" in scan(mead, "--corpus", "mead", "--speakers", "M003").output


def test_a_folder_without_clips_exits_1_and_lists_the_recognised_layouts(tmp_path):
    result = scan(tmp_path)
    assert result.exit_code == 1
    assert str(tmp_path) in result.stderr
    assert "ACTOR/video/VIEW/EMOTION/level_N/NNN.mp4" in result.output
    result = scan(tmp_path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["clips"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["absent"],
        [".", "--corpus", "grid"],
        [".", "--transcripts", "absent.txt", "--corpus", "mead"],
    ],
)
def test_an_invalid_request_exits_2(arguments, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = scan(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output


def test_names_that_look_like_markup_are_printed_unchanged(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "manifest.csv").write_text(
        "path,speaker,emotion,sentence\na.mp4,[red]Ann[/],sad,1\nb.mp4,[bold]Bob,sad,1\n"
    )
    result = scan(tmp_path / "manifest.csv")
    assert "[red]Ann[/]" in result.output
    assert "manifest.csv, row 3: path b.mp4 " in result.output
    assert Path(tmp_path / "manifest.csv").is_file()
