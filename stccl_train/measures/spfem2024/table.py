"""The protocol's table as text and as plain values."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from stccl_train.measures.measurement import ALL, Measurement
from stccl_train.measures.spfem2024.protocol import AVERAGE, DIFFERENCES, SCORES, ProtocolResult
from stccl_train.measures.text_table import align, number

_ARROWS = {"FAD": "↓", "LSE-D": "↓", "LSE-C": "↑", "CSIM": "↑"}


def format_protocol(result: ProtocolResult, ours: Measurement | None = None) -> str:
    """Return the table, with our measure beside each score, and why they differ.

    Args:
        result: of the protocol.
        ours: of the same clips; None if there are only face images.
    """
    columns = (*result.emotions, AVERAGE)
    methods = dict.fromkeys(method for method, _ in result.scores)
    rows = [["spfem2024", "", *columns, "ours"]]
    for score in SCORES:
        for n, method in enumerate(methods):
            values = result.scores.get((method, score))
            if values is not None:
                name = f"{score} {_ARROWS[score]}" if n == 0 else ""
                cells = [number(values.get(column, np.nan), 3) for column in columns]
                rows.append([name, method, *cells, number(_ours(ours, method, score), 3)])
    lines = [align(rows, left=2), "why ours differs:\n"]
    lines += [f"  {score}: {reason}\n" for score, (_, reason) in DIFFERENCES.items()]
    return "".join([*lines, *(f"{line}\n" for line in _foot(result))])


def protocol_json(result: ProtocolResult, ours: Measurement | None = None) -> str:
    """Return the same as JSON."""
    table = [
        {"method": method, "score": score, "emotion": emotion, "value": _plain(value)}
        for (method, score), values in result.scores.items()
        for emotion, value in values.items()
    ]
    beside = [
        {"method": method, "score": score, "ours": _plain(_ours(ours, method, score))}
        for method, score in result.scores
    ]
    record: dict[str, Any] = {
        "protocol": "spfem2024",
        "table": table,
        "ours": beside,
        "differences": {score: reason for score, (_, reason) in DIFFERENCES.items()},
        "absent": result.absent,
        "dropped": result.dropped,
    }
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def _ours(ours: Measurement | None, method: str, score: str) -> float:
    name = DIFFERENCES[score][0]
    measures = [] if ours is None else [m for m in ours.measures if m.name == name]
    if ours is None or not measures:
        return float("nan")
    return ours.mean(method, measures[0], ALL).mean


def _foot(result: ProtocolResult) -> Iterator[str]:
    yield from (f"absent: {score}: {reason}" for score, reason in result.absent.items())
    yield from (f"dropped from LSE-D: {text}" for text in result.dropped)


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None
