"""A real browser: Debian's Chromium, driven by playwright, and axe-core's accessibility rules."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: Where Debian, Ubuntu and Fedora put it.
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_browser() -> Iterator[Any]:
    """Start the browser; skip the test if this machine has none, unless it is the CI."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None and os.environ.get("CI") != "true":
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield browser
        browser.close()


class Visit:
    """One page in one window, and everything that went wrong on it."""

    def __init__(self, browser: Any, width: int = 1400, scheme: str = "light") -> None:
        viewport = {"width": width, "height": 900}
        self._context = browser.new_context(viewport=viewport, color_scheme=scheme)
        self._context.set_default_timeout(120_000)  # the machine may be busy with other tests
        self.page = self._context.new_page()
        #: messages of the console, errors of scripts, and files that could not be loaded
        self.problems: list[str] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", lambda request: self._note_failed(request))

    def open(self, address: Path | str) -> Any:
        """Open a file or an address; return the page."""
        self.page.goto(address if isinstance(address, str) else address.as_uri())
        return self.page

    def draw_charts(self) -> None:
        """Draw the charts that are further down, too, and wait for them."""
        self.page.wait_for_function("window.Plotly !== undefined")
        self.page.evaluate("document.querySelectorAll('.drawing').forEach(drawChart)")
        charts = self.page.locator(".drawing")
        assert charts.count() == self.page.locator(".drawing:has(svg.main-svg)").count() > 0

    def is_too_wide(self) -> bool:
        """Whether the page scrolls sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def accessibility_faults(self) -> list[str]:
        """Return what axe-core finds serious or critical."""
        from axe_playwright_python.sync_playwright import Axe

        # preload reads style sheets again, which a browser refuses for files
        violations = Axe().run(self.page, options={"preload": False}).response["violations"]
        return [
            f"{fault['id']}: {fault['help']}: {[node['html'][:120] for node in fault['nodes'][:3]]}"
            for fault in violations
            if fault["impact"] in ("serious", "critical")
        ]

    def close(self) -> None:
        """Close the window."""
        self._context.close()

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.problems.append(text)

    def _note_failed(self, request: Any) -> None:
        # a video that is left while it loads is not a fault
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"{request.url}: {request.failure}")
