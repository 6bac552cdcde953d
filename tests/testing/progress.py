"""A `Progress` that records every call."""

from collections.abc import Mapping

from stccl_data.errors import Reason


class RecordedCalls:
    """Records stages, failures and notes."""

    def __init__(self) -> None:
        #: stage -> (units in all, units done by earlier runs)
        self.stages: dict[str, tuple[int, int]] = {}
        self.reasons: list[Reason] = []
        self.notes: list[str] = []

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.stages[name] = total, done

    def step(self, reason: Reason | None = None, values: Mapping[str, float] | None = None) -> None:
        self.reasons += [reason] if reason is not None else []

    def note(self, text: str) -> None:
        assert "\n" not in text
        self.notes.append(text)
