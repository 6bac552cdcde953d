"""The reports of a run and of a measurement."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.dataset import open_dataset
from stccl_train.config import EvaluateConfig
from stccl_train.eval.evaluate import evaluate
from stccl_train.eval.report import write_report
from stccl_train.model.export import save_metric
from stccl_train.report import write_measure_report, write_run_report
from stccl_train.report.measure_report import MeasureReportError
from stccl_train.report.run_report import RunReportError
from stccl_train.report.similarity_maps import SIDE, similarity_maps
from tests.conftest import Prepared
from tests.testing.browser import Visit, open_browser
from tests.testing.metrics import tiny_metric


@pytest.fixture(scope="module")
def run(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with curves, and the evaluation of its untrained metric."""
    run = tmp_path_factory.mktemp("run")
    save_metric(run, tiny_metric())
    line = {"step": 1, "epoch": 0, "section": "train", "loss": 2.5, "scc_vd.recall": 0.1}
    (run / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    config = EvaluateConfig(split="test", per_pair=1, untrained=1)
    evaluation = evaluate(run, open_dataset(prepared.out), config)
    about = {"run": str(run), "data": str(prepared.out), "split": "test"}
    write_report(run / "eval-test", evaluation, about)
    return run


@pytest.fixture(scope="module")
def run_page(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run_report(run, tmp_path_factory.mktemp("report") / "report").page


def test_a_run_is_shown_with_curves_controls_maps_and_windows(run_page: Path) -> None:
    page = run_page.read_text()
    for words in ("loss by training step", "SCC under each condition", "Where on the face",
                  "Match best", "other sentence"):  # fmt: skip
        assert words in page, words
    media = run_page.parent / "media"
    differences = list(media.glob("*-less.webp"))
    assert len(differences) == len(tiny_metric().kinds)
    assert list(media.glob("best-*.webp"))


def test_a_clip_matches_itself_everywhere(prepared: Prepared) -> None:
    maps = similarity_maps(tiny_metric().eval(), open_dataset(prepared.out), "test")
    assert maps is not None and maps.windows
    for kind, aligned in maps.aligned.items():
        assert aligned.shape == (SIDE, SIDE)
        assert np.isfinite(aligned).all() and (np.abs(aligned) <= 1 + 1e-6).all(), kind
    assert all(window.source.shape == window.target.shape for window in maps.windows)


def test_a_run_whose_data_has_gone_says_why_it_has_no_maps(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    (copy / "eval-test").mkdir(parents=True)
    record = json.loads((run / "eval-test/eval.json").read_text())
    (copy / "eval-test/eval.json").write_text(json.dumps({**record, "data": "/nowhere"}))
    page = write_run_report(copy).page.read_text()
    assert "The maps could not be made" in page and "/nowhere" in page


def test_a_run_without_anything_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(RunReportError, match="stccl train"):
        write_run_report(tmp_path)


def measurement(**changes: Any) -> dict[str, Any]:
    measure = {"name": "lips", "label": "lip distance", "better": "lower", "unit": "%",
               "group": "lips", "headline": True, "marks": "", "digits": 2,
               "best": ["ours"]}  # fmt: skip
    cells = [("ours", 1.0), ("theirs", 2.0), ("copy", 0.0)]
    table = [{"measure": "lips", "emotion": "all", "row": row, "n": 3, "mean": mean}
             for row, mean in cells]  # fmt: skip
    pairs = [{"row": "ours", "source": "a.mp4", "generated": "<script>.mp4", "error": None}]
    record = {"version": 1, "methods": ["ours", "theirs"], "measures": [measure], "table": table,
              "pairs": pairs, "absent": {}, "warnings": []}  # fmt: skip
    return {**record, **changes}


def test_the_better_method_of_a_measurement_is_bold(tmp_path: Path) -> None:
    (tmp_path / "measure.json").write_text(json.dumps(measurement()))
    page = write_measure_report(tmp_path / "measure.json").page.read_text()
    assert "<b>1.00</b>" in page and "<b>2.00</b>" not in page and "<b>0.00</b>" not in page
    assert "lower is better" in page and "<script>.mp4" not in page
    assert "no evidence" not in page


def test_a_page_without_headline_measures_has_no_heading_for_them(tmp_path: Path) -> None:
    for headline in (True, False):
        record = measurement()
        record["measures"][0]["headline"] = headline
        (tmp_path / "measure.json").write_text(json.dumps(record))
        page = write_measure_report(tmp_path / "measure.json").page.read_text()
        assert ("Headline measures" in page) == ('href="#charts"' in page) == headline


def test_a_number_that_is_no_evidence_is_neither_bold_nor_bare(tmp_path: Path) -> None:
    record = measurement(warnings=["The metric is deaf. Every test of it failed."])
    record["table"] = [{**cell, "evidence": cell["row"] == "theirs"} for cell in record["table"]]
    (tmp_path / "measure.json").write_text(json.dumps(record))
    page = write_measure_report(tmp_path / "measure.json").page.read_text()
    assert "1.00<abbr" in page and page.count("<abbr") == 1 and "<b>1.00" not in page
    assert "<summary>The metric is deaf.</summary>" in page


def test_differences_are_shown_with_their_intervals(tmp_path: Path) -> None:
    gain = {"measure": "lips", "emotion": "all", "method": "theirs", "baseline": "ours", "n": 3,
            "mean": 0.5, "low": -0.25, "high": 1.5, "wins": 2, "ties": 0, "p": 1.0}  # fmt: skip
    (tmp_path / "measure.json").write_text(json.dumps(measurement(differences=[gain])))
    page = write_measure_report(tmp_path / "measure.json").page.read_text()
    assert "Better than ours by" in page and "+0.50" in page and "[-0.25, 1.50]" in page
    assert "2 of 3" in page


def by_emotion() -> dict[str, Any]:
    """A measurement of two emotions; the number of ours in one of them is no evidence."""
    record = measurement(emotions=["happy", "sad"])
    ours = record["table"][0]
    cells = [{**ours, "emotion": "happy", "mean": 11.0, "evidence": True},
             {**ours, "emotion": "sad", "mean": 21.0, "evidence": False}]  # fmt: skip
    return {**record, "table": [*record["table"], *cells]}


def test_measures_are_shown_by_emotion(tmp_path: Path) -> None:
    (tmp_path / "measure.json").write_text(json.dumps(by_emotion()))
    page = write_measure_report(tmp_path / "measure.json").page.read_text()
    table = page.partition('id="emotions"')[2].partition("</section>")[0]
    assert table.index(">happy<") < table.index(">sad<") < table.index(">all<")
    assert ">11.00<" in table and ">21.00<abbr" in table and table.count("<abbr") == 1


def test_a_single_emotion_has_no_table_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "measure.json").write_text(json.dumps(measurement(emotions=["happy"])))
    page = write_measure_report(tmp_path / "measure.json").page.read_text()
    assert 'id="emotions"' not in page


def test_failed_clips_are_named_on_the_page(tmp_path: Path) -> None:
    record = measurement(remarks=["failed: ours: <clip>.mp4 is empty"])
    (tmp_path / "measure.json").write_text(json.dumps(record))
    page = write_measure_report(tmp_path / "measure.json").page.read_text()
    assert "failed: ours: &lt;clip&gt;.mp4 is empty" in page


def test_clips_of_equal_names_are_told_apart(tmp_path: Path) -> None:
    pairs = [{"row": "ours", "source": f"src/{speaker}/neutral/1.mp4", "generated": "x.mp4"}
             for speaker in ("a", "b")]  # fmt: skip
    (tmp_path / "measure.json").write_text(json.dumps(measurement(pairs=pairs)))
    page = write_measure_report(tmp_path / "measure.json").page.read_text()
    assert "<bdi>a/neutral/1.mp4</bdi>" in page and "<bdi>b/neutral/1.mp4</bdi>" in page


def test_the_folder_of_a_measurement_is_reported(tmp_path: Path) -> None:
    (tmp_path / "measure.json").write_text(json.dumps(measurement()))
    (tmp_path / "pairs.csv").touch()
    (tmp_path / "work").mkdir()
    result = CliRunner().invoke(stccl, ["report", str(tmp_path)])
    assert result.exit_code == 0
    assert "Measurement report" in (tmp_path / "report/index.html").read_text()


@pytest.mark.parametrize("text", ["", "[]", '{"methods": 3}'])
def test_another_file_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(MeasureReportError, match=r"other\.json"):
        write_measure_report(tmp_path / "other.json")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (400, "dark")])
def test_the_pages_are_accessible_fit_and_report_no_error(
    run_page: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    (tmp_path / "measure.json").write_text(json.dumps(by_emotion()))
    pages = (run_page, write_measure_report(tmp_path / "measure.json").page)
    with open_browser() as browser:
        for page in pages:
            window = Visit(browser, width, scheme)
            window.open(page)
            window.draw_charts()
            assert not window.is_too_wide()
            assert window.accessibility_faults() == []
            window.close()
            assert window.problems == [], window.problems


def test_the_command_tells_a_run_from_a_dataset(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "metrics.jsonl", tmp_path)
    result = CliRunner().invoke(stccl, ["report", str(tmp_path)])
    assert result.exit_code == 0
    assert "Training report" in (tmp_path / "report/index.html").read_text()
