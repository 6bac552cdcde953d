"""When a headline number is evidence, and when a table says that it is none."""

from dataclasses import replace

import numpy as np
import pytest

from stccl_train.measures.controls import Comparison
from stccl_train.measures.lips import Lips
from stccl_train.measures.measurement import Measurement, PairResult, as_group
from stccl_train.measures.realism import Realism
from stccl_train.measures.report import format_measurement
from stccl_train.measures.request import Row

GAIN = next(m for m in as_group("lips", Lips.measures).measures if m.name == "opening_gain")


def measurement(
    gains: list[float],
    *,
    others: bool = True,
    control: str | None = None,
    speakers: str = "",
    emotions: tuple[str, ...] = ("sad",),
    **labels: str,
) -> Measurement:
    """A method's, or a control's, gains, one for each source; a letter names its speaker."""
    results = []
    for n, gain in enumerate(gains):
        who = {"speaker": speakers[n]} if speakers else {}
        emotion = emotions[n % len(emotions)]
        row = Row(f"{n}", f"x/{n}", "ours", emotion=emotion, **who, **labels)
        values = {"opening_gain": gain, "opening_margin": 2 * gain}
        results.append(PairResult(Comparison(row, control), values))
        if control is not None:
            results.append(PairResult(Comparison(row), {"opening_gain": 0.5 + gain}))
        if others:
            results.append(PairResult(Comparison(row, "other"), {"opening_gain": 0.0}))
    return Measurement((as_group("lips", Lips.measures),), tuple(results), {})


def test_a_gain_of_all_clips_is_evidence() -> None:
    result = measurement([0.2, 0.3, 0.25, 0.2])
    assert result.is_evidence("ours", GAIN, "sad")
    assert not result.is_doubtful("ours", GAIN, "sad")
    assert "?" not in format_measurement(result, everything=True)


@pytest.mark.parametrize("gains", [[0.9], [0.9, 0.1], [-0.1, -0.2, -0.1], [0.5, -0.4, 0.3, -0.2]])
def test_a_gain_that_may_be_chance_is_marked(gains: list[float]) -> None:
    result = measurement(gains)
    assert result.is_doubtful("ours", GAIN, "sad")
    marked = f"{np.mean(gains):.3f}"
    assert f"{marked}?" in format_measurement(result)
    assert f"{marked}$^{{?}}$" in format_measurement(result, "latex")
    assert format_measurement(result, "csv").splitlines()[-1].endswith(",0")


def test_without_other_people_nothing_is_evidence() -> None:
    assert measurement([0.2, 0.3, 0.25, 0.2], others=False).is_doubtful("ours", GAIN, "sad")


def test_what_the_rows_do_not_name_is_said() -> None:
    unnamed = format_measurement(measurement([0.2, 0.3]))
    assert "rows without a speaker" in unnamed and "rows without a sentence" in unnamed
    named = measurement([0.2, 0.3], speaker="a", sentence="b")
    assert "rows without" not in format_measurement(named)
    assert "rows without" not in format_measurement(measurement([0.2, 0.3], others=False))


def test_controls_are_not_marked() -> None:
    assert not measurement([0.0, 0.0], control="copy").is_doubtful("copy", GAIN, "sad")
    assert measurement([0.0, 0.0], control="real").is_doubtful("real", GAIN, "sad")


def ratios(**methods: list[float]) -> Measurement:
    """The sharpness of each method's clips, one for each source; the copy has 1."""
    rows = [
        PairResult(Comparison(Row(f"{n}", f"{name}/{n}", name)), {"sharpness": value})
        for name, values in methods.items()
        for n, value in enumerate(values)
    ]
    copies = [
        PairResult(Comparison(Row("0", "0", ""), "copy"), {"sharpness": 1.0}),
    ]
    return Measurement((as_group("realism", Realism.measures),), (*rows, *copies), {})


def test_ratios_above_and_below_1_do_not_make_up_for_each_other() -> None:
    result = ratios(steady=[0.9, 0.9], mixed=[0.5, 1.5])
    (sharpness,) = (m for m in Realism.measures if m.name == "sharpness")
    assert result.mean("mixed", sharpness).mean == 1.0
    assert result.best(sharpness) == ("steady",)
    assert result.marks(sharpness) == "c"
    latex = format_measurement(result, "latex")
    assert r"\textbf{0.90}" in latex and r"\textbf{1.00}" not in latex


def test_methods_with_different_clips_are_not_ranked() -> None:
    result = ratios(all=[0.9, 0.5], one=[0.95])
    assert result.best(Realism.measures[0]) == ()


def test_a_method_that_copies_its_input_takes_no_mark_away() -> None:
    assert ratios(edit=[0.5], lazy=[1.0]).marks(Realism.measures[0]) == "c"


def test_one_clip_has_no_interval() -> None:
    text = format_measurement(ratios(first=[0.9], second=[0.8]))
    line = text.splitlines()[text.splitlines().index("second is better than first by") + 3]
    assert line.split() == ["sharpness", "-0.10", "-", "0", "of", "1", "1.000"]


ALIKE = [0.2, 0.3, 0.25, 0.2, 0.3, 0.22]


@pytest.mark.parametrize(
    ("speakers", "unit"), [("", "speakers"), ("aaaaaa", "source clips"), ("aabbcc", "speakers")]
)
def test_several_clips_that_agree_are_evidence(speakers: str, unit: str) -> None:
    result = measurement(ALIKE, speakers=speakers)
    assert result.unit == unit and result.is_evidence("ours", GAIN, "sad")


def test_what_differs_between_two_speakers_is_no_evidence() -> None:
    """Over the clips it would be: those of a speaker are alike."""
    gains = [0.1, 0.1, 0.1, 0.3, 0.3, 0.3]
    assert measurement(gains, speakers="").is_evidence("ours", GAIN, "sad")
    assert measurement(gains, speakers="aaabbb").is_doubtful("ours", GAIN, "sad")


def test_a_difference_is_judged_over_speakers() -> None:
    result = measurement([0.2, 0.2, 0.4, 0.4], speakers="aabb", control="real")
    gain = result.difference("ours", "real", GAIN)
    assert gain is not None and gain.n == 4
    assert gain.low == pytest.approx(0.5) and gain.high == pytest.approx(0.5)


def test_the_short_text_has_headlines_by_emotion_and_the_long_one_all_measures() -> None:
    result = measurement(ALIKE, emotions=("sad", "happy"))
    short, long = (format_measurement(result, everything=each) for each in (False, True))
    assert "opening, over controls ↑" in short and "opening, over shift ↑" not in short
    assert "opening, over shift ↑" in long


@pytest.mark.parametrize("width", [40, 80, 120])
def test_tables_fit_the_terminal(width: int) -> None:
    result = measurement(ALIKE, control="real", emotions=("sad", "happy", "angry"))
    for everything in (False, True):
        text = format_measurement(result, width=width, everything=everything)
        tables = text.partition("over controls (*):")[0]
        assert max(len(line) for line in tables.splitlines()) <= width
        assert all(text.count(f"  {emotion}") for emotion in ("sad", "happy", "angry"))


def test_the_legend_explains_only_what_is_shown() -> None:
    ratio = format_measurement(ratios(first=[0.9], second=[0.8]), everything=True)
    assert "→1: rows" in ratio and "c: no method" in ratio and "copy: the source" in ratio
    assert not any(key in ratio for key in ("over shift", "over controls", "?:", "real:", "o: "))
    lips = format_measurement(measurement(ALIKE, control="real"))
    assert all(key in lips for key in ("over controls (*):", "real: ", "other: "))
    assert not any(key in lips for key in ("over shift", "→1", "copy: ", "?: ", "other aligned"))
    assert "over shift: by" in format_measurement(measurement(ALIKE), everything=True)


def test_absent_groups_are_named_unless_measures_were_chosen() -> None:
    result = replace(measurement(ALIKE), absent={"sync": "no weights"})
    assert "absent: sync" in format_measurement(result)
    assert "absent" not in format_measurement(result.only(["opening_gain"]))


def test_warnings_and_reasons_fit_the_terminal_and_paths_stay_whole() -> None:
    path = "/folder/" + "long-name/" * 12 + "weights.model"
    result = replace(
        measurement(ALIKE),
        absent={"sync": f"missing: {path} which is for " + "word " * 40},
        warnings=("word " * 40,),
    )
    lines = format_measurement(result, width=50).splitlines()
    assert [line.strip() for line in lines if len(line) > 50] == [path]


def test_intervals_are_explained_only_if_there_are_any() -> None:
    about = "95 % intervals are"
    assert about not in format_measurement(measurement([0.2]))
    assert about not in format_measurement(ratios(first=[0.9], second=[0.8]))
    assert about in format_measurement(measurement(ALIKE))
    two = ratios(first=[0.9, 0.8], second=[0.8, 0.6])
    assert about in format_measurement(two) and about not in format_measurement(two, "latex")


def test_two_speakers_with_a_clip_each_in_a_method_have_no_interval() -> None:
    rows = [
        PairResult(Comparison(Row(str(n), f"x/{n}", f"method {n}", f"s{n}")), {"opening_gain": 0.1})
        for n in range(2)
    ]
    result = Measurement((as_group("lips", Lips.measures),), tuple(rows), {})
    assert result.unit == "speakers" and "95 % intervals are" not in format_measurement(result)
