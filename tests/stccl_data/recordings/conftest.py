"""An uncut recording session with its truth, segmented once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stccl_data.demo.recording import Event, render_recording
from stccl_data.recordings.segment import SegmentReport, segment_recordings


@dataclass(frozen=True)
class Session:
    """A recording, its script and its manifest in one folder, and what happens in it."""

    folder: Path
    events: tuple[Event, ...]
    report: SegmentReport


@pytest.fixture(scope="session")
def session(once: Callable[..., Any]) -> Session:
    """Two lines in two emotions, with an aside, a noise and cut takes between them. Read only."""

    def build(folder: Path) -> Session:
        events = render_recording(folder, speaker=1, sentences=2, disturbed=1, size=192, fps=10)
        report = segment_recordings(
            [folder / "session.mp4"], folder / "script.csv", folder / "manifest.csv"
        )
        return Session(folder, events, report)

    result: Session = once("session", build)
    return result
