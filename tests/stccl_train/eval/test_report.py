"""The report: eval.txt, eval.json and the plots."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stccl_train.eval.report import PLOTS, write_report
from stccl_train.eval.tables import format_tables
from tests.testing.evaluations import CONDITIONS, evaluation_with_gap

EVALUATION = evaluation_with_gap(gap=0.3, untrained=0.1)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two steps, whose metrics.jsonl ends in the middle of a line."""
    line = {"section": "train", "loss": 3.0, "scc_vd.recall": 0.1, "scc_vd.1.recall": 0.1}
    lines = [json.dumps({"step": step, **line}) + "\n" for step in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(lines) + '{"step": 3, "sec')
    return tmp_path


def test_the_report_has_text_json_and_plots(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "eval"
    text = write_report(folder, EVALUATION, {"data": "here"}, run)
    assert (folder / "eval.txt").read_text() == text
    assert json.loads((folder / "eval.json").read_text())["data"] == "here"
    assert all((folder / plot).stat().st_size > 5000 for plot in PLOTS)


def test_without_a_training_log_there_is_no_training_plot(tmp_path: Path) -> None:
    write_report(tmp_path, EVALUATION, {}, tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == set(PLOTS[:2])


def test_the_json_has_a_row_for_every_condition_and_layer(tmp_path: Path) -> None:
    write_report(tmp_path, EVALUATION, {})
    record = json.loads((tmp_path / "eval.json").read_text())
    rows = record["rows"]
    assert {row["condition"] for row in rows} == set(CONDITIONS)
    assert {row["layer"] for row in rows} == {1, 2, "mean"}
    assert all(row["recall_low"] <= row["recall"] <= row["recall_high"] for row in rows)
    (verdict,) = record["verdicts"]
    assert verdict["hears"] and record["verdict"] == verdict["sentence"]


def test_the_tables_name_every_control_and_measure() -> None:
    text = format_tables(EVALUATION)
    controls = ("+0.4", "other", "noise", "wrong place", "untrained")
    for word in ("Verdict", *controls, "mouth", "eyes", "chance", "MRR", "AUC", "happy"):
        assert word in text
    verdict, _, tables = text.partition("\n\n")
    assert verdict.startswith("Verdict\n")
    assert max(map(len, tables.splitlines())) <= 132


def test_without_the_shift_of_the_verdict_there_are_tables_all_the_same() -> None:
    renamed = tuple("shifted_0.12" if name == "shifted_0.4" else name for name in CONDITIONS)
    text = format_tables(replace(EVALUATION, conditions=renamed))
    assert "+0.12" in text and "No verdict" in text
