"""Many pairs of files aligned: what `stccl align` does."""

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
class Outcome:
    """What became of one pair of files: an alignment with the signals it was made from, or the error."""

    source: str
    target: str
    alignment: Alignment | None
    signals: tuple[Signals, ...]
    error: ClipError | None

    def record(self) -> dict[str, Any]:
        """Numbers, text and lists only, as `stccl align --json` prints them; times rounded to 10 microseconds."""
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
        return {**names, **values}


def align_files(
    pairs: Sequence[tuple[str | Path, str | Path]], config: AlignConfig | None = None
) -> Iterator[Outcome]:
    """One outcome a pair, in order. A file is read once however many pairs it is in, and its face followed only where needed."""
    config = config or AlignConfig()
    loaded: dict[tuple[str, bool], Signals | ClipError] = {}

    def load(path: str, mouth: bool) -> Signals:
        if (path, mouth) not in loaded:
            try:
                loaded[path, mouth] = read_signals(
                    path, mouth=mouth, reference=config.mode == "reference"
                )
            except ClipError as error:
                loaded[path, mouth] = error
        found = loaded[path, mouth]
        if isinstance(found, ClipError):
            raise found
        return found

    for source, target in ((str(a), str(b)) for a, b in pairs):
        try:
            mouth = config.mode in ("visual", "both")
            clips = load(source, mouth), load(target, mouth)
            if config.mode == "auto" and any(clip.speech is None for clip in clips):
                clips = load(source, True), load(target, True)
            alignment = align(*clips, config)
            yield Outcome(
                source,
                target,
                replace(alignment, content_score=weak_content_score(*clips)),
                clips,
                None,
            )
        except ClipError as error:
            yield Outcome(source, target, None, (), error)


def weak_content_score(source: Signals, target: Signals) -> float | None:
    """Whether two clips, of which nothing else is known, say one sentence: weak evidence, without impostors."""
    names = ("neutral", "happy")  # any two emotions
    clips = {
        e: Clip(clip_id=e, corpus="", speaker="", emotion=e, sentence="", path="") for e in names
    }
    score = score_pairs(dict(zip(names, (source, target), strict=True)), clips, [names])[0].score
    return score if np.isfinite(score) else None
