"""Tables of measures over seeds: means, intervals, and differences from a base.

Shared by the benchmarks that train more than once: `plugin.py` and `renderer.py`.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.special import stdtrit

#: Measures by row and seed.
Rows = dict[str, dict[int, dict[str, float]]]


def table(rows: Mapping[str, Mapping[int, Mapping[str, float]]]) -> Iterator[str]:
    """Yield the lines of a Markdown table: means over seeds, with 95 % intervals (Student's t)."""
    measures = list(next(iter(next(iter(rows.values())).values())))
    yield "| | seeds | " + " | ".join(measures) + " |"
    yield "|---" * (len(measures) + 2) + "|"
    for name, by_seed in rows.items():
        cells = [_cell([values[m] for values in by_seed.values()]) for m in measures]
        yield f"| {name} | {len(by_seed)} | " + " | ".join(cells) + " |"


def differences(rows: Rows, base: str) -> Rows:
    """Return what each row adds to the base, seed by seed."""
    return {
        name: {
            seed: {measure: value - rows[base][seed][measure] for measure, value in values.items()}
            for seed, values in by_seed.items()
            if seed in rows[base]
        }
        for name, by_seed in rows.items()
        if name != base
    }


def _cell(values: list[float]) -> str:
    if len(values) < 2:
        return f"{np.mean(values):.3f}"
    half = stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.3f} ± {half:.3f}"
