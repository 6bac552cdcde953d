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
        (raw / name).write_bytes(b"x")
    return raw


def scan(*arguments):
    return CliRunner().invoke(stccl, ["scan", *map(str, arguments)])


def test_the_output_has_clips_pairs_estimates_and_findings(mead):
    result = scan(mead)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"mead in {mead}"
    assert lines[1] == "4 clips: 1 speaker, 3 emotions, 1 sentence"
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
    assert any(line.startswith("not_unpacked (1 file): unpack the archive") for line in lines)
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


def test_the_saving_of_paired_only_is_shown_where_it_matters(tmp_path):
    """MEAD's angry clips without a neutral one: 300 of 129 frames, at 32 frames per second."""
    folder = tmp_path / "raw" / "M003/video/front/angry/level_1"
    folder.mkdir(parents=True)
    for number in range(300):
        (folder / f"{number:03d}.mp4").write_bytes(b"x")
    for command in (
        ["scan", str(tmp_path / "raw")],
        ["prepare", str(tmp_path / "raw"), str(tmp_path / "out"), "--dry-run"],
    ):
        output = CliRunner().invoke(stccl, command).output
        saving = next(line for line in output.splitlines() if "--paired-only" in line)
        assert "300 clips" in saving and "20 minutes" in saving and "MB" in saving
    output = CliRunner().invoke(stccl, [*command, "--paired-only"]).output
    assert "leaves out" not in output
    for path in list(folder.iterdir())[:200]:
        path.unlink()
    assert "--paired-only" not in scan(tmp_path / "raw").output


def test_options_select_clips(mead):
    assert "5 clips" in scan(mead, "--views", "all").output
    assert "1 clip" in scan(mead, "--views", "top, down").output
    assert "1 clip" in scan(mead, "--emotions", "anger").output
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


def test_own_recordings_are_told_which_command_writes_their_manifest(tmp_path):
    recording = tmp_path / "IMG_0001.MOV"
    recording.write_bytes(b"x")
    for folder in (tmp_path, recording):
        output = scan(folder).output
        assert "`stccl manifest`" in output and "`stccl segment`" in output


def test_names_do_not_reach_the_terminal_as_control_sequences(tmp_path):
    name = "\x1b[31mred \N{RIGHT-TO-LEFT OVERRIDE}4pm"
    (tmp_path / name).mkdir()
    for folder in (tmp_path / name, tmp_path / name / "gone"):
        output = scan(folder).output
        assert "\\x1b[31mred \\u202e4pm" in output
        assert not set(output) & {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"}


def test_names_that_look_like_markup_are_printed_unchanged(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "manifest.csv").write_text(
        "path,speaker,emotion,sentence\na.mp4,[red]Ann[/],sad,1\nb.mp4,[bold]Bob,sad,1\n"
    )
    result = scan(tmp_path / "manifest.csv")
    assert "[red]Ann[/]" in result.output
    assert "manifest.csv, row 3: path b.mp4 " in result.output
    assert Path(tmp_path / "manifest.csv").is_file()
