"""Plans of recordings."""

import re

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.recordings.prompts import LINES, PromptError, make_prompts
from stccl_data.recordings.script import read_script


def test_ten_lines_have_almost_every_phoneme_of_english():
    prompts = make_prompts(10, ["neutral", "sad"])
    assert len(prompts.missing) <= 1
    assert len(set(LINES)) == len(LINES)


def test_each_emotion_says_the_same_lines_one_emotion_after_the_other():
    takes = make_prompts(3, ["neutral", "Wut"], takes=2).takes
    assert [emotion for emotion, _ in takes] == ["neutral"] * 6 + ["angry"] * 6
    assert [text for _, text in takes[:6]] == [text for _, text in takes[6:]]


def test_the_script_is_one_that_segment_reads(tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("Say </script> twice\nDogs & cats sleep\nKids talk\n")
    arguments = ["prompts", str(tmp_path / "plan"), "--sentences", "2", "--lines", str(lines)]
    result = CliRunner().invoke(stccl, [*arguments, "--emotions", "sad,happy", "--takes", "2"])
    assert result.exit_code == 0, result.output
    script = read_script(tmp_path / "plan" / "script.csv")
    assert [row.emotion for row in script.rows] == ["sad", "sad", "happy", "happy"]
    page = (tmp_path / "plan" / "prompts.html").read_text()
    assert len(re.findall("</script>", page)) == 2
    assert page.count('"emotion": "sad"') == 4


@pytest.mark.parametrize(
    ("count", "emotions", "message"),
    [
        (0, ["sad", "happy"], "0 sentences"),
        (3, ["sad"], "two different emotions"),
        (3, ["sad", "sadness"], "two different emotions"),
        (3, ["sad", "/"], "invalid emotion"),
    ],
)
def test_requests_that_make_no_sense_are_named(count, emotions, message):
    with pytest.raises(PromptError, match=message):
        make_prompts(count, emotions)
