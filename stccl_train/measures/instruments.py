"""Which instruments a measurement uses, and why others are absent.

Instruments that need torch are imported once there are weights for them: importing torch takes as
long as measuring a pair without.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stccl_train.measures.definitions import Instrument, Measure
from stccl_train.measures.expression import Expression
from stccl_train.measures.frechet import FAD
from stccl_train.measures.lips import Lips
from stccl_train.measures.measure_config import MeasureConfig
from stccl_train.measures.networks.weight_files import ARCFACE, RESNET_FACE, SYNCNET
from stccl_train.measures.realism import Realism
from stccl_train.measures.request import Row


@dataclass(frozen=True, slots=True)
class InstrumentPlan:
    """What will be measured, and what will not."""

    #: measures by group
    groups: dict[str, tuple[Measure, ...]]
    #: reasons by group
    absent: dict[str, str]
    #: speakers (corpus/speaker) that the metric was trained on
    trained_on: tuple[str, ...] = ()
    #: what its own evaluation says against the metric; empty if nothing
    doubt: str = ""

    def warnings(self, rows: Sequence[Row]) -> tuple[str, ...]:
        """Return what is to be said about the metric beside its figures."""
        trained = {speaker.rpartition("/")[2] for speaker in self.trained_on}
        seen = sorted({row.speaker for row in rows} & trained)
        warnings = [self.doubt] if self.doubt else []
        if seen:
            warnings.append(f"the metric was trained on {', '.join(seen)}, who are measured here")
        elif self.trained_on and not all(row.speaker for row in rows):
            warnings.append(
                f"the metric was trained on {', '.join(sorted(trained))}; the rows name no "
                "speaker, so it is not known whether they are measured here"
            )
        return tuple(warnings)


def plan_instruments(config: MeasureConfig) -> InstrumentPlan:
    """Find out what can be measured, and load each network once to check its file.

    Raises:
        MetricError: no usable metric in ``config.run``.
        UsageError: a weights file cannot be used, or unknown device.
    """
    groups = {each.group: each.measures for each in open_instruments(config)}
    absent = {}
    speakers: tuple[str, ...] = ()
    doubt = ""
    if config.run is None:
        absent["stccl"] = "no metric: give --run RUN, a folder of `stccl train`"
    else:
        from stccl_train.model.export import trained_on

        speakers = tuple(sorted(trained_on(config.run).speakers))
        doubt = _doubt(Path(config.run))
    for group, file in (("sync", SYNCNET), ("identity", ARCFACE), ("FAD", RESNET_FACE)):
        if file.find(config.weights) is None:
            absent[group] = file.missing(config.weights)
    if "FAD" not in absent:
        from stccl_train.measures.face_features import open_face_worker

        open_face_worker(config)
        groups["realism"] += (FAD,)
    return InstrumentPlan(groups, absent, speakers, doubt)


def _doubt(run: Path) -> str:
    """Return what `stccl eval` says against a metric, or that it has not been asked."""
    reports = sorted(run.glob("eval-*/eval.json"))
    if not reports:
        return f"nobody has tested whether the metric hears speech: stccl eval {run} DATASET"
    for report in reports:
        try:
            record = json.loads(report.read_text())
            if not all(verdict["hears"] for verdict in record["verdicts"]):
                return f"{report}: {record['verdict']}"
        except (OSError, ValueError, LookupError, TypeError):
            return f"{report}: cannot be read; run `stccl eval` again"
    return ""


def open_instruments(config: MeasureConfig) -> list[Instrument]:
    """Load the instruments that compare two clips.

    Raises:
        MetricError: no usable metric in ``config.run``.
        UsageError: a weights file cannot be used, or unknown device.
    """
    return [Lips(), *_open_networks(config), Expression(), Realism()]


def _open_networks(config: MeasureConfig) -> Iterator[Instrument]:
    """Load the instruments that have weights."""
    syncnet, arcface = SYNCNET.find(config.weights), ARCFACE.find(config.weights)
    if config.run is None and syncnet is None and arcface is None:
        return
    from stccl_train.train.distributed import usable_device

    device = usable_device(config.device)
    if config.run is not None:
        from stccl_train.measures.stccl import Stccl

        yield Stccl(config.run, device)
    if syncnet is not None:
        from stccl_train.measures.sync import Sync

        yield Sync(syncnet, device)
    if arcface is not None:
        from stccl_train.measures.identity import Identity

        yield Identity(arcface, device)
