"""Typed access to the fields of KEY.json. A field of another type raises ValueError."""

from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def required(record: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """Return a field that must have this type; an int is accepted for a float."""
    if not isinstance(record, dict) or name not in record:
        raise ValueError(f"{name} is missing")
    value = record[name]
    if kind is float and type(value) is int:
        return float(value)  # type: ignore[return-value]
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r}")
    return value


def optional(record: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """Return a field that may be missing or null."""
    return None if record.get(name) is None else required(record, name, kind)
