"""`stccl eval`: tables, the report folder, and requests that cannot be answered."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from stccl_cli.main import stccl

from stccl_train.model.export import save_metric
from tests.testing.metrics import tiny_metric

QUICK = [
    "--per-pair",
    "1",
    "--draws",
    "1",
    "--shifts",
    "0.4",
    "--untrained",
    "1",
    "--utterances",
    "1",
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    save_metric(tmp_path / "run", tiny_metric())
    return tmp_path / "run"


def evaluate(run: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(stccl, ["eval", str(run), str(out), *options])


def test_it_prints_the_tables_and_writes_the_report(prepared: Any, run: Path) -> None:
    result = evaluate(run, prepared.out, *QUICK)
    assert result.exit_code == 0, result.output
    assert "SCC-VD does not prove that it hears speech (2 pairs" in result.output
    assert (run / "eval-test" / "eval.json").is_file()


def test_it_prints_json_on_request(prepared: Any, run: Path, tmp_path: Path) -> None:
    result = evaluate(run, prepared.out, *QUICK, "--json", "--report", str(tmp_path / "report"))
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((tmp_path / "report/eval.json").read_text())


def test_the_report_on_another_dataset_is_not_overwritten(prepared: Any, run: Path) -> None:
    report = run / "eval-test" / "eval.json"
    report.parent.mkdir()
    report.write_text('{"data": "/elsewhere"}')
    result = evaluate(run, prepared.out)
    assert result.exit_code == 2
    assert "/elsewhere" in result.output and "--report" in result.output
    assert report.read_text() == '{"data": "/elsewhere"}'


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--split", "val"], "val"),
        (["--shifts", "0.5,ten"], "ten"),
        (["--shifts", "9"], "--shifts"),
        (["--shifts=-0.2,0.4"], "-0.2"),
        (["--draws", "0"], "draws"),
        (["--batch", "-2"], "batch"),
        (["--device", "foo"], "foo"),
    ],
)
def test_an_invalid_request_is_named(
    prepared: Any, run: Path, options: list[str], named: str
) -> None:
    result = evaluate(run, prepared.out, *options)
    assert result.exit_code in (1, 2) and named in result.output
