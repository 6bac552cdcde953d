"""Align many pairs of files: the work of `stccl align`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.alignment.align import AlignConfig, Alignment, align
from stccl_data.clip import Clip
from stccl_data.errors import ClipError
from stccl_data.features.signals import Signals, read_signals
from stccl_data.pairs.content_check import score_pairs


@dataclass(frozen=True, slots=True)
class FileAlignment:
    """The result for one pair of files: either an alignment or an error."""

    #: paths as given
    source: str
    target: str
    #: None if the files could not be aligned
    alignment: Alignment | None
    #: what was aligned: source and target; empty after an error
    signals: tuple[Signals, ...]
    #: why the files could not be aligned
    error: ClipError | None

    def record(self) -> dict[str, Any]:
        """Return what `stccl align --json` prints, with times rounded to 10 microseconds."""
        names = {"source": self.source, "target": self.target}
        if self.alignment is None:
            assert self.error is not None
            return {**names, "error": self.error.detail, "reason": str(self.error.reason)}
        values = {f.name: getattr(self.alignment, f.name) for f in fields(self.alignment)}
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                values[name] = np.round(value, 5).tolist()
            elif isinstance(value, float):
                values[name] = round(value, 5)
        source, target = (list(clip.notes) for clip in self.signals)
        return {**names, **values, "notes": {"source": source, "target": target}}


def align_files(
    pairs: Sequence[tuple[str | Path, str | Path]], config: AlignConfig | None = None
) -> Iterator[FileAlignment]:
    """Align pairs of files and yield one result per pair, in order.

    Each file is read once, however many pairs use it. Faces are tracked only if needed.
    """
    config = config or AlignConfig()
    reader = _SignalReader(reference=config.mode == "reference")
    for source, target in ((str(a), str(b)) for a, b in pairs):
        try:
            mouth = config.mode in ("visual", "both")
            clips = reader.read(source, mouth), reader.read(target, mouth)
            if config.mode == "auto" and any(clip.speech is None for clip in clips):
                clips = reader.read(source, True), reader.read(target, True)
            alignment = replace(align(*clips, config), content_score=estimate_content_score(*clips))
            yield FileAlignment(source, target, alignment, clips, None)
        except ClipError as error:
            yield FileAlignment(source, target, None, (), error)


def estimate_content_score(source: Signals, target: Signals) -> float | None:
    """Estimate whether two clips say one sentence without any other clip of the speaker.

    Weak evidence: there are no impostors to compare with.

    Returns:
        A probability, or None if the clips cannot be compared.
    """
    emotions = ("neutral", "happy")  # any two
    clips = {
        emotion: Clip(clip_id=emotion, corpus="", speaker="", emotion=emotion, sentence="", path="")
        for emotion in emotions
    }
    signals = dict(zip(emotions, (source, target), strict=True))
    score = score_pairs(signals, clips, [emotions])[0].score
    return score if np.isfinite(score) else None


class _SignalReader:
    """Reads the signals of files and caches them, errors included."""

    def __init__(self, reference: bool) -> None:
        self._reference = reference
        self._cache: dict[tuple[str, bool], Signals | ClipError] = {}

    def read(self, path: str, mouth: bool) -> Signals:
        """Return the signals of a file, with the mouth track if ``mouth``; raise ClipError."""
        if (path, mouth) not in self._cache:
            try:
                signals = read_signals(path, mouth=mouth, reference=self._reference)
                self._cache[path, mouth] = signals
            except ClipError as error:
                self._cache[path, mouth] = error
        result = self._cache[path, mouth]
        if isinstance(result, ClipError):
            raise result
        return result
