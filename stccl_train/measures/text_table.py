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


def align(rows: Sequence[Sequence[str]], left: int = 1, width: int | None = None) -> str:
    """Align the columns of rows, the first ``left`` of them to the left.

    Args:
        rows: cells; a row of one cell is a title, which may be wider than its column.
        left: columns that are aligned to the left.
        width: characters of a line; columns that do not fit follow below, beside the left ones
            again. None: no limit.
    """
    full = [row for row in rows if len(row) > 1]
    widths = [max(len(row[i]) for row in full) for i in range(len(full[0]))]
    blocks = [list(range(left))]
    for i in range(left, len(widths)):
        length = sum(widths[k] + 2 for k in blocks[-1]) + widths[i]
        if width is not None and length > width and len(blocks[-1]) > left:
            blocks.append(list(range(left)))
        blocks[-1].append(i)
    return "\n".join(_align(rows, columns, widths, left) for columns in blocks)


def _align(
    rows: Sequence[Sequence[str]], columns: Sequence[int], widths: Sequence[int], left: int
) -> str:
    """Align some columns of rows."""
    lines = []
    for row in rows:
        cells = [
            row[i].ljust(widths[i]) if i < left else row[i].rjust(widths[i])
            for i in columns
            if len(row) > 1
        ]
        lines.append("  ".join(cells or row).rstrip())
    return "\n".join(lines) + "\n"
