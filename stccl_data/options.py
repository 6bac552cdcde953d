"""Numbers between the limits that their dataclass fields name in their metadata, as `least` and `most`."""

from dataclasses import fields
from typing import Any


def check_limits(config: Any) -> None:
    """Raises ValueError, which names the field and its limits, for a number outside them or for one that is none (nan)."""
    for one in fields(config):
        value, least, most = (
            getattr(config, one.name),
            one.metadata.get("least"),
            one.metadata.get("most"),
        )
        if value != value:
            raise ValueError(f"{one.name} must be a number, not {value}")
        if value is not None and (
            (least is not None and value < least) or (most is not None and value > most)
        ):
            limits = f"{least} or more" if most is None else f"{least} to {most}"
            raise ValueError(f"{one.name} must be {limits}, not {value}")
