"""`measure` over real files: controls, resuming, bad input, and what is written."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_train.measures.compare import _notes
from stccl_train.measures.instruments import plan_instruments
from stccl_train.measures.measure import measure
from stccl_train.measures.measure_config import MeasureConfig
from stccl_train.measures.measurement import Measurement
from stccl_train.measures.report import as_record, format_measurement, write_report
from stccl_train.measures.request import Row
from stccl_train.model.export import save_metric
from tests.testing.metrics import tiny_metric
from tests.testing.talkers import pair, speech, talker

#: In this process, as the clips are few.
ONE = MeasureConfig(workers=1)


def clip(corpus: Any, speaker: int, emotion: str, sentence: int) -> str:
    """Path of a clip by the numbers of its speaker and sentence."""
    speakers = sorted({each.speaker for each in corpus.clips})
    sentences = sorted({each.sentence for each in corpus.clips})
    found = corpus.clip(speakers[speaker], emotion, sentences[sentence])
    return str(corpus.folder / found.path)


@pytest.fixture(scope="session")
def rows(corpus: Any) -> list[Row]:
    """Two sources of two sentences; a method shows joy, another says the other sentence."""
    rows = []
    for speaker in (0, 1):
        source = clip(corpus, speaker, "neutral", speaker)
        reference = clip(corpus, speaker, "happy", speaker)
        for method, generated in (
            ("same", reference),
            ("wrong", clip(corpus, speaker, "angry", 1 - speaker)),
        ):
            emotion = ("happy", "angry")[speaker]
            rows.append(Row(source, generated, method, f"s{speaker}", emotion, reference))
    return rows


@pytest.fixture(scope="session")
def out(rows: list[Row], once: Any) -> tuple[Path, Measurement]:
    """A finished measurement with a metric."""

    def build(folder: Path) -> tuple[Path, Measurement]:
        save_metric(folder / "run", tiny_metric())
        config = MeasureConfig(run=str(folder / "run"), workers=1)
        measurement = measure(rows, config, folder / "out")
        write_report(folder / "out", measurement)
        return folder / "out", measurement

    result: tuple[Path, Measurement] = once("measured", build)
    return result


@pytest.fixture
def folder(out: tuple[Path, Measurement], tmp_path: Path) -> Path:
    """A copy of the finished measurement's folder, to write into."""
    return Path(shutil.copytree(out[0], tmp_path / "out"))


def test_every_table_has_its_controls(out: tuple[Path, Measurement]) -> None:
    measurement = out[1]
    controls = ("copy", "real", "shifted", "other", "other aligned")
    assert measurement.labels == ("same", "wrong", *controls)
    assert not [result for result in measurement.results if result.error]


def test_a_copy_is_perfect_and_marked(out: tuple[Path, Measurement]) -> None:
    measurement = out[1]
    measures = {m.name: m for m in measurement.measures}
    copy = {name: measurement.mean("copy", m).mean for name, m in measures.items()}
    assert copy["lip_distance"] == 0 and copy["opening"] == pytest.approx(1)
    assert copy["sharpness"] == copy["flicker"] == 1 and copy["expression_change"] == 0
    assert copy["scc"] == pytest.approx(1, abs=1e-3)
    assert "c" in measurement.marks(measures["lip_distance"])


def test_the_real_clip_is_aligned_not_matched_by_time(out: tuple[Path, Measurement]) -> None:
    """It says the same sentence at another pace: time alone would not find its mouth."""
    opening = next(m for m in out[1].measures if m.name == "opening")
    assert out[1].mean("real", opening).mean > out[1].mean("same", opening).mean


def test_a_shifted_clip_and_another_person_have_no_headline(
    out: tuple[Path, Measurement],
) -> None:
    headlines = [m for m in out[1].measures if m.is_headline]
    assert [m.name for m in headlines] == [
        "lip_correlation_gain", "opening_gain",
        "scc_recall_gain", "tcc_recall_gain", "scc_gain", "tcc_gain",
    ]  # fmt: skip
    for each in headlines:
        for row in ("shifted", "other", "other aligned"):
            assert out[1].mean(row, each).mean <= 1e-9


def test_the_real_clip_is_compared_with_others_that_are_aligned_too(
    out: tuple[Path, Measurement],
) -> None:
    """Alignment alone can make unrelated mouths open together."""
    by_row = {r.comparison.label: r for r in out[1].results[:6]}
    real, aligned, other = (by_row[row].values for row in ("real", "other aligned", "other"))
    assert aligned["opening"] != other["opening"]
    control = max(aligned["opening"], by_row["real"].shifted["opening"])
    assert real["opening_gain"] == pytest.approx(real["opening"] - control)


def test_a_genuine_pair_is_above_another_person_and_another_sentence(
    out: tuple[Path, Measurement],
) -> None:
    gains = {m.name: m for m in out[1].measures}
    for name in ("opening_gain", "lip_correlation_gain"):
        real, wrong = (out[1].mean(row, gains[name]).mean for row in ("real", "wrong"))
        assert real > 0.3 > wrong and out[1].is_doubtful("wrong", gains[name])


def test_a_second_call_computes_nothing(rows: list[Row], out: tuple[Path, Measurement]) -> None:
    folder, first = out
    times = {p: p.stat().st_mtime_ns for p in (folder / "work").rglob("*") if p.is_file()}
    again = measure(rows, MeasureConfig(run=str(folder.parent / "run"), workers=1), folder)
    assert again == first
    assert times == {p: p.stat().st_mtime_ns for p in (folder / "work").rglob("*") if p.is_file()}


def test_each_clip_is_read_once(rows: list[Row], out: tuple[Path, Measurement]) -> None:
    paths = {path for row in rows for path in (row.source, row.generated, row.reference)}
    assert len(list((out[0] / "work/clips").glob("*.npz"))) == len(paths)


def test_the_files_agree(out: tuple[Path, Measurement]) -> None:
    folder, measurement = out
    record = json.loads((folder / "measure.json").read_text())
    cells = {(c["measure"], c["emotion"], c["row"]): c["mean"] for c in record["table"]}
    with (folder / "measure.csv").open() as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(cells) > 100
    for line in table:
        cell = cells[line["measure"], line["emotion"], line["row"]]
        assert float(line["mean"]) == pytest.approx(cell, rel=1e-4, abs=1e-9)
    with (folder / "pairs.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(measurement.results) == 12
    latex = (folder / "measure.tex").read_text()
    assert latex.count(r"\midrule") > 5 and r"\toprule" in latex and "happy & all" in latex


def test_the_text_compares_methods_by_clip(out: tuple[Path, Measurement]) -> None:
    text = format_measurement(out[1])
    assert "better than same by" in text and "of 2" in text and "by emotion" in text


def test_bad_clips_are_rows_with_an_error(rows: list[Row], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    bad = [
        Row(rows[0].source, str(tmp_path / "text.mp4"), "same"),
        Row(rows[2].source, str(tmp_path / "none.mp4"), "same"),
        Row(rows[0].source, rows[0].generated, "good"),
    ]
    measurement = measure(bad, ONE, folder)
    errors = [r.error for r in measurement.results if not r.comparison.control]
    assert "text.mp4" in errors[0] and "none.mp4" in errors[2] and not errors[1]
    opening = next(m for m in measurement.measures if m.name == "opening")
    assert measurement.mean("good", opening).n == 1
    text = format_measurement(measurement)
    assert "same: 0 of 2 source clips" in text and "absent: stccl" in text
    assert "failed: same: " in text
    remarks = as_record(measurement)["remarks"]
    assert "same: 0 of 2 source clips" in remarks and any("none.mp4" in line for line in remarks)


def test_an_unreadable_reference_fails_the_row_real_alone(rows: list[Row], folder: Path) -> None:
    row = replace(rows[0], reference="none.mp4")
    measurement = measure([row], ONE, folder)
    errors = {r.comparison.label: r.error for r in measurement.results}
    assert errors["same"] == errors["copy"] == "" and "none.mp4" in errors["real"]
    failed = [x for x in format_measurement(measurement).splitlines() if x.startswith("failed")]
    assert len(failed) == 1 and failed[0].startswith("failed: real: none.mp4: ")


def test_an_unreadable_source_is_named_once(rows: list[Row], folder: Path) -> None:
    measurement = measure([replace(rows[0], source="none.mp4", reference="")], ONE, folder)
    text = format_measurement(measurement)
    assert text.count("failed: ") == 1 and f"failed: same: {rows[0].generated}: none.mp4" in text


def test_a_shorter_clip_is_said_to_be_shorter() -> None:
    (note,) = _notes(pair(talker(speech(1)), talker(speech(1, 70))))
    assert "shorter" in note and "2.80 s" in note
    slow = pair(talker(speech(1)), talker(speech(1)[::2], fps=12.5))
    assert any("12.5 frames per second" in note for note in _notes(slow))


def warnings(run: Path, rows: list[Row]) -> tuple[str, ...]:
    return plan_instruments(MeasureConfig(run=str(run))).warnings(rows)


def test_a_metric_trained_on_the_measured_speakers_is_said(rows: list[Row], tmp_path: Path) -> None:
    save_metric(tmp_path / "run", tiny_metric(), {"data": {"speakers": ["mead/s0"]}})
    untested, trained = warnings(tmp_path / "run", rows)
    assert "stccl eval" in untested and "s0" in trained and "s1" not in trained


def test_a_metric_whose_verdict_failed_is_said(rows: list[Row], tmp_path: Path) -> None:
    save_metric(tmp_path / "run", tiny_metric())
    report = tmp_path / "run/eval-test/eval.json"
    report.parent.mkdir()
    record = {"verdicts": [{"hears": True}, {"hears": False}], "verdict": "SCC does not hear"}
    report.write_text(json.dumps(record))
    (warning,) = warnings(tmp_path / "run", rows)
    assert "SCC does not hear" in warning and str(report) in warning


def test_the_command_measures_two_files(rows: list[Row], folder: Path) -> None:
    words = ["measure", rows[0].source, rows[0].generated, "--format", "json", "--workers", "1"]
    words += ["--out", str(folder)]
    result = CliRunner().invoke(stccl, [*words, "--measures", "opening, width"])
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["methods"] == ["generated"] and np.isfinite(record["table"][0]["mean"])
    assert [measure["name"] for measure in record["measures"]] == ["opening", "width"]
    stored = json.loads((folder / "measure.json").read_text())
    assert "lip_distance" in [measure["name"] for measure in stored["measures"]]


def test_a_misspelt_measure_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("no video")
    words = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4"), "--measures", "openning"]
    result = CliRunner().invoke(stccl, ["measure", *words])
    assert result.exit_code == 2 and "opening_gain" in result.output


def test_the_command_names_what_it_cannot_use(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    result = CliRunner().invoke(stccl, ["measure", str(tmp_path / "rows.csv")])
    assert result.exit_code == 2 and "source" in result.output
