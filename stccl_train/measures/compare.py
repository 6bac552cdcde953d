"""Compare clips with one source: the work of one worker of `measure`."""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.tracked_clip import TrackedClip, match_frames
from stccl_data.errors import ClipError
from stccl_data.features.signals import read_signals
from stccl_data.files.atomic import write_text
from stccl_train.eval.shift import VERDICT_SHIFT
from stccl_train.measures.controls import Comparison
from stccl_train.measures.definitions import (
    Instrument,
    Measure,
    Values,
    gains,
    margins,
    mean_values,
)
from stccl_train.measures.instruments import open_instruments
from stccl_train.measures.matched_pair import MatchedPair
from stccl_train.measures.measure_config import MeasureConfig
from stccl_train.measures.measured_clip import ClipStore, MeasuredClip
from stccl_train.measures.measurement import PairResult

#: Format of the stored results. Bump when a measure changes.
VERSION = 5

#: Clips whose length differs by more than this many frames are said to differ.
_LENGTH_TOLERANCE = 1.5
#: So much smaller or larger a face makes sharpness incomparable.
_SIZE_TOLERANCE = 1.25
#: Less than this share of frames compared is said.
_MANY_FRAMES = 0.9


#: The instruments of this worker.
_instruments: list[Instrument] = []


def open_worker(config: MeasureConfig) -> None:
    """Load the networks of this worker once."""
    _instruments[:] = open_instruments(config)


def compare_group(
    group: list[Comparison],
    actor: list[str],
    folder: str,
    config: MeasureConfig,
    unreadable: Collection[str] = (),
) -> list[PairResult]:
    """Measure all comparisons with one source clip: the work of one worker.

    A row whose reference is `unreadable` is measured without it. Networks see each frame of the
    source once. Results are stored, and read if they are there.
    """
    store = ClipStore(Path(folder) / "clips")
    file = Path(folder) / "results" / f"{_identity(group, actor, store, config, unreadable)}.json"
    stored = _read_results(file, group)
    if stored is not None:
        return stored
    clips = _Clips(store, unreadable)
    results = []
    for comparison in group:
        try:
            pair = _match(comparison, clips, actor)
            results.append(_measure_pair(comparison, pair))
        except ClipError as error:
            results.append(PairResult(comparison, error=error.detail))
    results = [_with_gains(result, results) for result in results]
    record = [{**asdict(result), "comparison": None} for result in results]
    write_text(file, json.dumps(record) + "\n")
    return results


def _identity(
    group: list[Comparison],
    actor: list[str],
    store: ClipStore,
    config: MeasureConfig,
    unreadable: Collection[str],
) -> str:
    """Return a hash of all that the results of a group depend on."""
    paths = {
        path
        for each in group
        for path in (each.row.source, each.row.generated, each.row.reference)
        if path and path not in unreadable
    }
    keys = {path: store.key(path) for path in sorted({*paths, *actor})}
    text = repr((VERSION, group, actor, keys, config.identity()))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _read_results(file: Path, group: list[Comparison]) -> list[PairResult] | None:
    """Return stored results; None if there are none that can be read."""
    try:
        records = json.loads(file.read_text())
        return [
            PairResult(**{**record, "comparison": each, "notes": tuple(record["notes"])})
            for each, record in zip(group, records, strict=True)
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return None


class _Clips:
    """The clips of a group, and their frames that belong together."""

    def __init__(self, store: ClipStore, unreadable: Collection[str]) -> None:
        self._store = store
        self._unreadable = unreadable
        self._clips: dict[str, MeasuredClip] = {}
        self._with_sound: dict[str, TrackedClip] = {}
        self._aligned: dict[tuple[str, str], NDArray[np.int32]] = {}

    def read(self, path: str) -> MeasuredClip:
        """Return a clip."""
        if path not in self._clips:
            self._clips[path] = self._store.read(path)
        return self._clips[path]

    def read_reference(self, path: str) -> MeasuredClip | None:
        """Return the reference clip of a row, or None if it has none or it cannot be read."""
        return self.read(path) if path and path not in self._unreadable else None

    def keep(self, *paths: str) -> None:
        """Forget all clips but these: the features of networks are large."""
        self._clips = {path: clip for path, clip in self._clips.items() if path in paths}

    def align(self, source: str, target: str) -> NDArray[np.int32]:
        """Align two clips by sound, or by the mouth if one is silent."""
        if (source, target) not in self._aligned:
            sides = self._read_sound(source), self._read_sound(target)
            self._aligned[source, target] = match_frames(*sides, "auto")
        return self._aligned[source, target]

    def _read_sound(self, path: str) -> TrackedClip:
        if path not in self._with_sound:
            clip = self.read(path).tracked()
            signals = replace(read_signals(path), mouth=clip.signals.mouth)
            self._with_sound[path] = replace(clip, signals=signals)
        return self._with_sound[path]


def _match(comparison: Comparison, clips: _Clips, actor: list[str]) -> MatchedPair:
    """Find the frames that belong together.

    A generated clip has the source's time; a real one of the same sentence has its own, and is
    aligned by sound, or by the mouth if a clip is silent, and so are the others beside it.
    """
    row = comparison.row
    clips.keep(row.source, row.generated, row.reference, *actor)
    source, generated = clips.read(row.source), clips.read(row.generated)
    if comparison.is_aligned:
        frame_map = clips.align(row.source, row.generated)
    else:
        frame_map = match_frames(source.tracked(), generated.tracked(), "time")
    return MatchedPair(
        source,
        generated,
        frame_map,
        reference=clips.read_reference(row.reference),
        actor=tuple(clips.read(path) for path in actor),
        sounds=_sounds(comparison),
    )


def _sounds(comparison: Comparison) -> tuple[str, ...]:
    """Return the files that may hold the sound which the generated clip should speak."""
    row = comparison.row
    if comparison.control == "real":
        return (row.generated,)
    if row.audio:
        return (row.audio,)
    if comparison.control in ("other", "other aligned"):
        return (row.source,)
    return (row.generated, row.source)


def _measure_pair(comparison: Comparison, pair: MatchedPair) -> PairResult:
    """Measure a pair, and the same pair shifted: the mean of later and earlier.

    One shift may hit a moment at which the mouth does the same: means of two depend less on that.
    """
    values, *moved = (
        _measure(each) for each in (pair, pair.shifted(VERDICT_SHIFT), pair.shifted(-VERDICT_SHIFT))
    )
    shifted = mean_values(moved)
    margin = margins(_measures(), values, shifted)
    return PairResult(
        comparison,
        values=values | margin,
        shifted=shifted | dict.fromkeys(margin, 0.0),
        frames=len(pair.frames[0]),
        notes=tuple(_notes(pair)) if comparison.control is None else (),
    )


def _with_gains(result: PairResult, group: Sequence[PairResult]) -> PairResult:
    """Add the gains over the controls: the pair shifted, and the mean of other people.

    One of the others is compared with the mean of the rest.
    """
    emotion = result.comparison.row.emotion
    kind = "other aligned" if result.comparison.is_aligned else "other"
    others = [
        each
        for each in group
        if each.comparison.control == kind and each.comparison.row.emotion == emotion
    ]
    rest = [each for each in others if each is not result] or others
    controls = [result.shifted, mean_values([each.values for each in rest])]
    return replace(
        result,
        values=result.values | gains(_measures(), result.values, controls),
        shifted=result.shifted | gains(_measures(), result.shifted, controls),
    )


def _measure(pair: MatchedPair) -> Values:
    values: Values = {}
    for instrument in _instruments:
        values |= instrument.measure(pair)
    return {name: value for name, value in values.items() if np.isfinite(value)}


def _measures() -> list[Measure]:
    return [measure for instrument in _instruments for measure in instrument.measures]


def _notes(pair: MatchedPair) -> Iterator[str]:
    """Yield what a reader should know of a pair."""
    source, generated = pair.source, pair.generated
    ends = [clip.track.times[-1] - clip.track.times[0] + clip.step for clip in (source, generated)]
    if abs(ends[0] - ends[1]) > _LENGTH_TOLERANCE * max(source.step, generated.step):
        longer = "longer" if ends[1] > ends[0] else "shorter"
        yield (
            f"is {longer} than its source ({ends[1]:.2f} s, {ends[0]:.2f} s): "
            f"compared over {min(ends):.2f} s"
        )
    if pair.strides != (1, 1):
        flicker = "; there is no flicker" if pair.strides is None else ""
        yield (
            f"has {1 / generated.step:.4g} frames per second, its source {1 / source.step:.4g}: "
            f"frames are matched by time{flicker}"
        )
    share = len(pair.frames[0]) / max(1, (pair.frame_map >= 0).sum())
    if share < _MANY_FRAMES:
        yield f"shows no face in {1 - share:.0%} of the frames, which are left out"
    sizes = [clip.face_size for clip in (source, generated)]
    if max(sizes) > _SIZE_TOLERANCE * min(sizes):
        yield (
            f"shows a face of {sizes[1]:.0f} px between the eyes, its source {sizes[0]:.0f} px: "
            "sharpness and flicker are not comparable"
        )
