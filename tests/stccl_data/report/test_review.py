"""`stccl review`: the server, its verdicts, and what they change."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from stccl_data.dataset.tables import read_pairs
from stccl_data.dataset.verify import verify
from stccl_data.pairs.gates import GateConfig
from stccl_data.pairs.verdicts import Verdict, VerdictsError, read_verdicts, write_verdicts
from stccl_data.pipeline.refilter import refilter, stored_gates
from stccl_data.report import ReportConfig, write_dataset_report
from stccl_data.report.review import ReviewServer
from tests.testing import datasets
from tests.testing.browser import Visit, open_browser


@pytest.fixture
def dataset(tmp_path: Path) -> datasets.SmallDataset:
    return datasets.make_dataset(tmp_path / "out", audio=True)


@pytest.fixture
def server(dataset: datasets.SmallDataset, tmp_path: Path) -> Iterator[ReviewServer]:
    """A review of two pairs, running."""
    report = write_dataset_report(dataset.out, tmp_path / "report", ReportConfig(pairs=2))
    with ReviewServer(dataset.out, tmp_path / "report", report.shown, "Ada") as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def request(address: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    """Return the status and the content of an answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def verdict_address(server: ReviewServer) -> str:
    return server.address.replace("index.html", "verdicts")


def test_a_verdict_is_written_with_name_and_time(
    server: ReviewServer, dataset: datasets.SmallDataset
) -> None:
    pair = next(iter(server._pairs))
    body = {"source": pair[0], "target": pair[1], "verdict": "reject"}
    assert request(verdict_address(server), body)[0] == 200
    verdict = read_verdicts(dataset.out)[pair]
    assert (verdict.verdict, verdict.who) == ("reject", "Ada") and verdict.when.endswith("+00:00")


def test_an_empty_verdict_removes_the_one_before(
    server: ReviewServer, dataset: datasets.SmallDataset
) -> None:
    pair = next(iter(server._pairs))
    for verdict in ("keep", ""):
        server.record(pair, verdict)
    assert read_verdicts(dataset.out) == {}


@pytest.mark.parametrize(
    "body",
    [
        {"source": "a", "target": "b", "verdict": "keep"},
        {"source": "a"},
        [],
        {"source": "x" * 5000, "target": "b", "verdict": "keep"},
    ],
)
def test_anything_but_a_verdict_on_a_shown_pair_writes_nothing(
    server: ReviewServer, dataset: datasets.SmallDataset, body: object
) -> None:
    assert request(verdict_address(server), body)[0] == 400
    assert not (dataset.out / "verdicts.csv").exists()


def test_nobody_gets_in_without_the_token_or_by_another_name(server: ReviewServer) -> None:
    port = server.server_address[1]
    assert server.server_address[0] == "127.0.0.1"
    assert request(f"http://127.0.0.1:{port}/index.html")[0] == 404
    assert request(f"http://127.0.0.1:{port}/wrong/index.html")[0] == 404
    assert request(server.address, Host="evil.example")[0] == 404
    assert request(server.address)[0] == 200


@pytest.mark.parametrize("path", ["../out/pairs.parquet", "%2e%2e/out/pairs.parquet", "media/"])
def test_only_files_of_the_report_are_served(server: ReviewServer, path: str) -> None:
    assert request(server.address.replace("index.html", path))[0] == 404


def test_a_part_of_a_video_is_served(server: ReviewServer) -> None:
    video = server.address.replace("index.html", "media/0001.mp4")
    whole = request(video)[1]
    assert request(video, Range="bytes=10-19") == (206, whole[10:20])
    assert request(video, Range="bytes=10-") == (206, whole[10:])


def test_keys_decide_in_the_browser_and_lead_to_the_next_pair(
    server: ReviewServer, dataset: datasets.SmallDataset
) -> None:
    with open_browser() as browser:
        window = Visit(browser)
        page = window.open(server.address.replace("index.html", "pairs/0001.html"))
        page.locator(".verdict:not([hidden])").wait_for()
        page.keyboard.press("n")
        page.wait_for_url("**/pairs/0002.html")
        page.locator(".verdict:not([hidden])").wait_for()
        page.get_by_role("button", name="Keep").click()
        page.locator("[data-verdict=keep][aria-pressed=true]").wait_for()
        assert window.problems == []
    assert sorted(v.verdict for v in read_verdicts(dataset.out).values()) == ["keep", "reject"]


def decide(dataset: datasets.SmallDataset, row: dict, verdict: str) -> None:
    pair = (row["source"], row["target"])
    write_verdicts(dataset.out, {pair: Verdict(*pair, verdict, "Ada", "2026-01-01")})  # type: ignore[arg-type]


def reason_of(dataset: datasets.SmallDataset, row: dict) -> str | None:
    rows = {(r["source"], r["target"]): r for r in read_pairs(dataset.out)}
    found = rows[row["source"], row["target"]]
    assert found["accepted"] == (found["reason"] is None)
    return found["reason"]


def test_refilter_rejects_what_was_rejected_by_eye(dataset: datasets.SmallDataset) -> None:
    row = dataset.pairs[0]
    decide(dataset, row, "reject")
    assert refilter(dataset.out, GateConfig()).changes[0].after in ("rejected_in_review", "")
    assert reason_of(dataset, row) == "rejected_in_review"
    assert "| looked at by people | 0 kept, 1 rejected |" in (dataset.out / "README.md").read_text()
    assert [p for p in verify(dataset.out) if "provenance" not in p.file] == []


def test_refilter_keeps_what_was_kept_by_eye(dataset: datasets.SmallDataset) -> None:
    gates = GateConfig(max_duration_ratio=1.01)
    row = dataset.pairs[0]
    refilter(dataset.out, gates)
    assert reason_of(dataset, row) == "duration_ratio"
    decide(dataset, row, "keep")
    refilter(dataset.out, gates)
    assert reason_of(dataset, row) is None


def test_a_verdict_that_has_gone_leaves_the_decision_to_the_gates(
    dataset: datasets.SmallDataset,
) -> None:
    row = dataset.pairs[0]
    decide(dataset, row, "reject")
    refilter(dataset.out, GateConfig())
    (dataset.out / "verdicts.csv").unlink()
    refilter(dataset.out, stored_gates(dataset.out))
    assert reason_of(dataset, row) is None


@pytest.mark.parametrize("text", ["source,target\na,b\n", "source,target,verdict\na,b,maybe\n"])
def test_a_broken_table_of_verdicts_is_named(dataset: datasets.SmallDataset, text: str) -> None:
    (dataset.out / "verdicts.csv").write_text(text)
    with pytest.raises(VerdictsError, match=r"verdicts\.csv, line 2"):
        refilter(dataset.out, GateConfig())
