"""The one interface by which long work reports how far it is."""

from collections.abc import Mapping
from typing import Protocol

from stccl_data.errors import Reason


class Progress(Protocol):
    """Receives the progress of long work: of a run, a verification, a training."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """Start a stage.

        Args:
            name: what is counted, such as ``extract``.
            total: number of units in the stage.
            done: units already done by an earlier run.
        """

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        """Finish one unit of the current stage.

        Args:
            reason: why the unit failed or was rejected; None if it succeeded.
            values: figures to show beside the count, such as ``{"loss": 0.31}``.
        """

    def note(self, text: str) -> None:
        """Show one sentence."""


class SilentProgress:
    """Shows nothing."""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """See `Progress.stage`."""

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        """See `Progress.step`."""

    def note(self, text: str) -> None:
        """See `Progress.note`."""
