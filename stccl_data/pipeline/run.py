"""One run of `prepare` under way: its options, its work folder, and the way to have units of work done."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data.errors import Reason, StcclError
from stccl_data.executors import Outcome, Setup, Unit, run
from stccl_data.pipeline import tasks as stages
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.estimate import LEAST_FREE, free_bytes, full_disk
from stccl_data.pipeline.state import Store
from stccl_data.progress import Progress


class PrepareError(StcclError):
    """The run cannot start, or had to stop. The message says why and what to do; what was done is kept."""


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage needs."""

    config: PrepareConfig
    store: Store
    state: sqlite3.Connection
    progress: Progress
    log: Path

    def execute(self, units: Sequence[Unit], function: Callable[..., Any]) -> Iterable[Outcome]:
        """Do the units; failures go to the log. Raises PrepareError when the disk is full, or nearly."""
        setup = Setup(
            count=self.config.workers,
            initializer=stages.start_worker if self.config.executor != "inline" else None,
            initargs=(str(self.log.with_suffix(".workers.log")),),
            # the driver of a GPU reserves far more than it uses, so that a limit would mean something else there
            memory_mb=self.config.memory_mb or (0 if self.config.device == "cpu" else None),
        )
        for outcome in run(
            units,
            function,
            setup,
            executor=self.config.executor,
            ray_address=self.config.ray_address,
        ):
            if outcome.reason is not None:
                with self.log.open("a", encoding="utf-8") as log:
                    log.write(f"{outcome.unit.name}: {outcome.reason}: {outcome.detail}\n")
            self.progress.step(outcome.reason)
            if outcome.reason is Reason.DISK_FULL:
                raise PrepareError(full_disk(self.store.work, outcome.detail))
            yield outcome
            self._check_space()

    def _check_space(self) -> None:
        """Stop while there is still room to write down what is done."""
        free = free_bytes(self.store.work)
        if free < LEAST_FREE:
            raise PrepareError(
                full_disk(self.store.work, f"the disk is full but for {free / 2**20:.0f} MB")
            )
