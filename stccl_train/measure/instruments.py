"""Which instruments a measurement uses, and why others are absent."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stccl_train.measure.expression import Expression
from stccl_train.measure.lips import Lips
from stccl_train.measure.measures import Instrument, Measure
from stccl_train.measure.realism import Realism
from stccl_train.measure.request import Row
from stccl_train.measure.stccl import Stccl
from stccl_train.model.export import CARD_FILE, WEIGHTS_FILE, load_metric, trained_speakers


@dataclass(frozen=True, slots=True)
class MeasureConfig:
    """What to measure with."""

    #: folder of a trained metric, for SCC and TCC
    run: str | None = None
    #: folder of the user's weights files; None: `default_weights_folder`
    weights: str | None = None
    #: torch device of the networks
    device: str = "cpu"
    #: processes; 0: one per core
    workers: int = 0

    @property
    def worker_count(self) -> int:
        """Number of processes."""
        if self.workers:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

    def identity(self) -> tuple[object, ...]:
        """Return what results depend on: the metric's files, by size and time of change."""
        if self.run is None:
            return ()
        stats = [(Path(self.run) / name).stat() for name in (WEIGHTS_FILE, CARD_FILE)]
        return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)


@dataclass(frozen=True, slots=True)
class InstrumentPlan:
    """What will be measured, and what will not."""

    #: measures by group
    groups: dict[str, tuple[Measure, ...]]
    #: reasons by group
    absent: dict[str, str]
    #: speakers (corpus/speaker) that the metric was trained on
    trained_on: tuple[str, ...] = ()

    def warnings(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Return what is to be said about the metric beside its figures."""
        trained = {speaker.rpartition("/")[2] for speaker in self.trained_on}
        seen = sorted({row.speaker for row in rows} & trained)
        if seen:
            return (f"the metric was trained on {', '.join(seen)}, who are measured here",)
        unknown = self.trained_on and not all(row.speaker for row in rows)
        if unknown:
            return (
                f"the metric was trained on {', '.join(sorted(trained))}; the rows name no "
                "speaker, so it is not known whether they are measured here",
            )
        return ()


def plan_instruments(config: MeasureConfig) -> InstrumentPlan:
    """Check what can be measured, without loading networks for long.

    Raises:
        MetricError: no usable metric in ``config.run``.
    """
    groups = {"lips": Lips.measures}
    absent = {}
    trained_on: tuple[str, ...] = ()
    if config.run is None:
        absent["stccl"] = "no metric: give --run RUN, a folder of `stccl train`"
    else:
        load_metric(config.run)
        groups["stccl"] = Stccl.measures
        trained_on = trained_speakers(config.run)
    groups |= {"expression": Expression.measures, "realism": Realism.measures}
    return InstrumentPlan(groups, absent, trained_on)


def open_instruments(config: MeasureConfig) -> list[Instrument]:
    """Load the instruments of a plan."""
    instruments: list[Instrument] = [Lips()]
    if config.run is not None:
        instruments.append(Stccl(config.run, config.device))
    return [*instruments, Expression(), Realism()]
