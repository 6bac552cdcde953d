"""The report of a dataset in a real browser."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stccl_data.report import ReportConfig, write_dataset_report
from tests.conftest import Prepared
from tests.testing.browser import Visit, open_browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report(prepared: Prepared, once: Callable[..., Any]) -> Path:
    """The report of the demo corpus, all its pairs shown."""

    def build(folder: Path) -> Path:
        return write_dataset_report(prepared.out, folder / "report", ReportConfig(pairs=9)).page

    page: Path = once("report", build)
    return page.parent


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as running:
        yield running


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    """A window of 1400 pixels; at the end of the test nothing may have gone wrong in it."""
    window = Visit(browser)
    yield window
    window.close()
    assert window.problems == [], window.problems


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (400, "dark")])
@pytest.mark.parametrize("name", ["index.html", "pairs/0001.html", "clips/0001.html"])
def test_every_page_is_accessible_fits_and_reports_no_error(
    report: Path, browser: Any, name: str, width: int, scheme: str
) -> None:
    window = Visit(browser, width, scheme)
    window.open(report / name)
    window.draw_charts()
    assert not window.is_too_wide()
    assert window.accessibility_faults() == []
    window.close()
    assert window.problems == [], window.problems


def test_the_table_filters_by_label_and_sorts_by_score(report: Path, visit: Visit) -> None:
    page = visit.open(report / "index.html")
    rows = page.locator("#pair-table tbody tr")
    total = rows.count()
    page.get_by_label("target", exact=True).select_option("happy")
    assert 0 < rows.count() < total
    assert set(page.locator("#pair-table tbody td:nth-child(4)").all_inner_texts()) == {"happy"}
    page.get_by_role("button", name="cost").click()
    column = _column(page, "cost")
    costs = [float(text) for text in column]
    assert costs == sorted(costs) and len(set(costs)) > 1
    page.get_by_role("button", name="cost").click()
    assert [float(text) for text in _column(page, "cost")] == sorted(costs, reverse=True)


def _column(page: Any, name: str) -> list[str]:
    heads = [
        re.sub(r" [▲▼]$", "", text)
        for text in page.locator("#pair-table thead th").all_inner_texts()
    ]
    number = heads.index(name) + 1
    return list(page.locator(f"#pair-table tbody td:nth-child({number})").all_inner_texts())


def test_a_row_leads_to_the_page_of_its_pair(report: Path, visit: Visit) -> None:
    page = visit.open(report / "index.html")
    page.locator("#pair-table tbody a").first.click()
    assert "/pairs/" in page.url and "→" in page.title()


def test_the_video_plays_with_sound_and_steps_by_frames(report: Path, visit: Visit) -> None:
    page = visit.open(report / "pairs/0001.html")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('video').currentTime > 0.3")
    video = "document.querySelector('video')"
    assert page.evaluate(f"{video}.videoWidth") == 448
    assert page.evaluate(f"{video}.webkitAudioDecodedByteCount") > 0
    page.get_by_role("button", name="Pause").click()
    before = int(page.locator(".seek").input_value())
    page.get_by_role("button", name="+ frame").click()
    page.wait_for_function(f"document.querySelector('.seek').value == {before + 1}")
    clock = page.locator("[data-show=source]").inner_text()
    assert clock.endswith(f"frame {before + 1}")
    page.keyboard.press("Tab")
    page.locator("h1").click()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"document.querySelector('.seek').value == {before}")


def test_half_speed_halves_the_speed(report: Path, visit: Visit) -> None:
    page = visit.open(report / "pairs/0001.html")
    page.get_by_role("button", name="Half speed").click()
    assert page.evaluate("document.querySelector('video').playbackRate") == 0.5


def test_a_hundred_thousand_rows_stay_quick(report: Path, visit: Visit) -> None:
    page = visit.open(report / "index.html")
    page.evaluate(
        """() => {
          const data = window.stccl.pairs, copies = Math.ceil(100000 / data.source.length);
          const many = (values) => Array.from({length: copies}, () => values).flat();
          for (const column of data.columns) column.values = many(column.values);
          for (const side of ["source", "target"]) data[side] = many(data[side]);
          setUpTable(document.getElementById("pair-table"), data);
        }"""
    )
    page.get_by_label("target", exact=True).select_option("angry")
    page.get_by_role("button", name="cost").click()
    assert page.locator("#pair-table tbody tr").count() == 50
    assert re.match(r"50,000 of 100,00\d pairs", page.locator(".pages output").inner_text())
    page.get_by_role("button", name="next →").click()
    assert "page 2 of" in page.locator(".pages output").inner_text()


def test_one_page_holds_everything(prepared: Prepared, browser: Any, tmp_path: Path) -> None:
    config = ReportConfig(pairs=2, single_file=True)
    page = write_dataset_report(prepared.out, tmp_path / "one", config).page
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert page.stat().st_size < 25_000_000
    window = Visit(browser)
    window.open(page)
    window.draw_charts()
    window.page.locator("[data-do=play]").first.click()
    window.page.wait_for_function("document.querySelector('video').currentTime > 0.1")
    assert "http" not in {address.split(":")[0] for address in _requests(window)}
    assert window.problems == [], window.problems


def _requests(window: Visit) -> list[str]:
    return list(
        window.page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    )
