"""One run of `prepare` in progress: what every stage needs, and how it gets units of work done."""

import gc
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data import executors
from stccl_data.errors import Reason, StcclError
from stccl_data.executors import Crew, Outcome, Setup, Unit
from stccl_data.pipeline import tasks
from stccl_data.pipeline.config import PrepareConfig
from stccl_data.pipeline.estimate import LEAST_FREE, disk_full_message, free_bytes
from stccl_data.pipeline.state import Store
from stccl_data.progress import Progress

logger = logging.getLogger(__name__)


class PrepareError(StcclError):
    """The run cannot start, or had to stop. Finished work is kept."""


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage needs."""

    config: PrepareConfig
    store: Store
    #: the state database of this run
    state: sqlite3.Connection
    progress: Progress
    #: the workers of all stages, see `open_crew`
    crew: Crew

    def execute(self, units: Sequence[Unit], function: Callable[..., Any]) -> Iterator[Outcome]:
        """Run the units, log the failures, and yield the outcomes as units end.

        Raises:
            PrepareError: the disk is full, or nearly.
        """
        for outcome in self.crew.run(units, function):
            if outcome.reason is not None:
                logger.warning("%s: %s: %s", outcome.unit.name, outcome.reason, outcome.detail)
            self.progress.step(outcome.reason)
            if outcome.reason is Reason.DISK_FULL:
                raise PrepareError(disk_full_message(self.store.work, outcome.detail))
            yield outcome
            self._check_free_space()

    def _check_free_space(self) -> None:
        """Stop while there is still room to record what is done."""
        free = free_bytes(self.store.work)
        if free < LEAST_FREE:
            detail = f"the disk is full but for {free / 2**20:.0f} MB"
            raise PrepareError(disk_full_message(self.store.work, detail))


def open_crew(config: PrepareConfig, log: Path) -> Crew:
    """Return the workers for a run.

    Args:
        config: the options of the run.
        log: its log file; what native libraries print in workers goes to a file beside it.
    """
    setup = Setup(
        count=config.workers,
        initializer=tasks.start_worker if config.executor != "inline" else None,
        initargs=(str(log.with_suffix(".workers.log")),),
        # No limit on a GPU: its driver reserves far more address space than it uses.
        memory_mb=config.memory_mb or (0 if config.device == "cpu" else None),
    )
    return executors.open_crew(setup, config.executor, config.ray_address)


class _RunLog(logging.FileHandler):
    """A log file whose write errors end the run, as those of any other file do."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write the log messages of stccl_data, from level INFO up, to a file in the `with` block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = _RunLog(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    package = logging.getLogger("stccl_data")
    level = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(level)
        package.removeHandler(handler)
        handler.close()


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Look for reference cycles less often within the `with` block.

    The records of a corpus live to the end of a run; searching them for cycles again and again
    takes a sixth of a run that has nothing to do.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def first_lines(failed: Mapping[str, Outcome]) -> dict[str, str]:
    """Return key -> first line of the detail of each failed unit; the log has the rest."""
    return {
        key: outcome.detail.partition("\n")[0] or str(outcome.reason)
        for key, outcome in failed.items()
    }
