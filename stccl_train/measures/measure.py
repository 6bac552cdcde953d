"""Measure generated clips against their sources: `stccl measure` as a function."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError
from stccl_data.executors import Outcome, Setup, Unit, open_crew
from stccl_data.progress import Progress, SilentProgress
from stccl_train.measures.compare import compare_group, open_worker
from stccl_train.measures.controls import Comparison, actor_clips, comparisons
from stccl_train.measures.frechet import FAD, pooled_distance
from stccl_train.measures.instruments import plan_instruments
from stccl_train.measures.measure_config import MeasureConfig
from stccl_train.measures.measured_clip import ClipStore
from stccl_train.measures.measurement import ALL, Mean, Measurement, PairResult, as_group
from stccl_train.measures.request import Row

#: So few units are done in this process: starting others takes longer.
_FEW = 4

#: Folder of stored clips and results below the output folder.
WORK = "work"


def measure(
    rows: Sequence[Row],
    config: MeasureConfig | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Measurement:
    """Measure generated clips against their sources, beside control rows.

    A clip that cannot be read or compared has a result with an error; the others are measured.

    Args:
        rows: what to measure.
        config: the metric, weights, device and workers.
        out: folder that keeps clips and results, so that a second call resumes the first; None:
            nothing is kept.
        progress: receives the stages ``read`` (clips), ``compare`` (sources), and ``faces`` (clips)
            if there is a network for the Frechet distance.

    Raises:
        MetricError: no usable metric in ``config.run``.
        UsageError: a weights file cannot be used, or a name in ``config.wanted`` is unknown.
        StopRunError: workers cannot be started.
    """
    config = config or MeasureConfig()
    progress = progress or SilentProgress()
    plan = plan_instruments(config)
    empty = Measurement(
        groups=tuple(as_group(name, measures) for name, measures in plan.groups.items()),
        results=(),
        absent=plan.absent,
        warnings=plan.warnings(rows),
    )
    empty.only(config.wanted)  # a misspelt name costs no time
    by_source = comparisons(rows)
    with work_folder(out) as folder:
        failures = _read_clips(by_source, folder, config, progress)
        results = _compare_all(by_source, failures, actor_clips(rows), folder, config, progress)
        measured = replace(empty, results=tuple(results))
        if FAD in measured.measures:
            measured = replace(measured, pooled=_pool_faces(measured, folder, config, progress))
        return measured


@contextmanager
def work_folder(out: str | Path | None) -> Iterator[Path]:
    """Yield the folder of stored clips and results: below ``out``, or one that vanishes."""
    if out is not None:
        yield Path(out) / WORK
        return
    with tempfile.TemporaryDirectory(prefix="stccl-measure-") as folder:
        yield Path(folder) / WORK


def _run(
    units: Sequence[Unit],
    function: Callable[..., Any],
    config: MeasureConfig,
    initializer: Callable[..., None] | None = None,
) -> Iterable[Outcome]:
    """Run units in this process if they are few or one worker is asked for, else in others."""
    few = not config.workers and len(units) <= _FEW
    workers = 1 if few else min(config.worker_count, len(units))
    initargs = () if initializer is None else (config,)
    setup = Setup(count=workers, initializer=initializer, initargs=initargs)
    crew = open_crew(setup, "inline" if workers <= 1 else "local")
    try:
        yield from crew.run(units, function)
    finally:
        crew.close()


def _read_clips(
    by_source: dict[str, list[Comparison]], folder: Path, config: MeasureConfig, progress: Progress
) -> dict[str, str]:
    """Store every clip that is not stored yet; return why some cannot be read, by path."""
    names = dict.fromkeys(
        path
        for group in by_source.values()
        for each in group
        for path in (each.row.source, each.row.generated, each.row.reference)
        if path
    )
    store, failures, missing = ClipStore(folder / "clips"), {}, []
    for path in names:
        try:
            if not store.has(path):
                missing.append(path)
        except ClipError as error:
            failures[path] = error.detail
    progress.stage("read", len(names), len(names) - len(missing))
    units = [Unit(path, (path, str(folder))) for path in missing if path not in failures]
    for outcome in _run(units, store_clip, config):
        if outcome.reason is not None:
            failures[outcome.unit.key] = outcome.detail
        progress.step(outcome.reason)
    return failures


def store_clip(path: str, folder: str) -> None:
    """Read a clip and store it: the work of one worker."""
    ClipStore(Path(folder) / "clips").read(path)


def _compare_all(
    by_source: dict[str, list[Comparison]],
    failures: dict[str, str],
    actors: dict[str, list[str]],
    folder: Path,
    config: MeasureConfig,
    progress: Progress,
) -> list[PairResult]:
    """Return the results of all comparisons, in their order."""
    units = []
    for source, group in by_source.items():
        actor = [path for path in actors.get(group[0].row.speaker, []) if path != source]
        known = [path for path in actor if path not in failures]
        readable = [each for each in group if not _failure(each, failures)]
        if readable:
            references = {each.row.reference for each in readable}
            unreadable = tuple(sorted(references & failures.keys()))
            units.append(Unit(source, (readable, known, str(folder), config, unreadable)))
    progress.stage("compare", len(units))
    measured: dict[Comparison, PairResult] = {}
    for outcome in _run(units, compare_group, config, open_worker):
        group = outcome.unit.args[0]
        results = outcome.result or [PairResult(each, error=outcome.detail) for each in group]
        measured |= {result.comparison: result for result in results}
        progress.step(outcome.reason)
    return [
        measured.get(each) or PairResult(each, error=_failure(each, failures))
        for group in by_source.values()
        for each in group
    ]


def _failure(comparison: Comparison, failures: dict[str, str]) -> str:
    """Return why a comparison cannot be made; empty if it can."""
    row = comparison.row
    return failures.get(row.source) or failures.get(row.generated) or ""


def _pool_faces(
    measurement: Measurement, folder: Path, config: MeasureConfig, progress: Progress
) -> dict[tuple[str, str, str], Mean]:
    """Return the Frechet distance of each method's faces, by measure, row and emotion.

    Real faces are those of the reference clips, or without any those of the sources. Over all
    emotions it is the mean over emotions, as published.
    """
    clips = {
        path
        for result in measurement.results
        if not result.error
        for path in (result.comparison.row.generated, *_real_faces(result.comparison))
    }
    from stccl_train.measures.face_features import open_face_worker, store_face_features

    units = [Unit(path, (path, str(folder), config)) for path in sorted(clips)]
    progress.stage("faces", len(units))
    features: dict[str, NDArray[np.float32]] = {}
    for outcome in _run(units, store_face_features, config, open_face_worker):
        if outcome.reason is None:
            features[outcome.unit.key] = np.load(outcome.result)
        progress.step(outcome.reason)
    pooled = {}
    for label in (*measurement.methods, "copy"):
        means = []
        for emotion in measurement.emotions or (ALL,):
            done = [r.comparison for r in measurement.rows(label, emotion) if not r.error]
            generated = [features[c.row.generated] for c in done if c.row.generated in features]
            real = dict.fromkeys(path for c in done for path in _real_faces(c))
            distance = pooled_distance([features[p] for p in real if p in features], generated)
            means.append(Mean(distance, len(generated)))
            pooled[FAD.name, label, emotion] = means[-1]
        mean = float(np.mean([each.mean for each in means]))
        pooled[FAD.name, label, ALL] = Mean(mean, sum(each.n for each in means))
    return pooled


def _real_faces(comparison: Comparison) -> tuple[str]:
    return (comparison.row.reference or comparison.row.source,)
