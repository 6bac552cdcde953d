"""Plain text tables."""

from collections.abc import Sequence

import numpy as np


def number(value: float, digits: int) -> str:
    """Format a number; ``-`` for NaN."""
    # 0.0 is added for -0.0
    return f"{round(value, digits) + 0.0:.{digits}f}" if np.isfinite(value) else "-"


def interval_text(low: float | None, high: float | None, digits: int) -> str:
    """Format an interval; `-` if there is none."""
    if low is None or high is None:
        return "-"
    return f"[{number(low, digits)}, {number(high, digits)}]"


def align(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Align the columns of rows, the first ``left`` of them to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"
