"""Tell which row of a script each take is, by the order in which they are spoken.

A script may hold one text several times, in other emotions. Takes follow the order of the script,
with any number of takes of a row, and with rows that are left out. Of all such readings those count
that explain most takes, and of these, the ones that use most rows. A take that they disagree about
has no row: nothing is guessed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: What explaining a take counts, in rows.
_TAKE = 1_000_000


def rows_by_position(takes: Sequence[int], rows: Sequence[int], limit: int = 0) -> list[int | None]:
    """Return the row of each take, None if the order does not tell.

    Args:
        takes: the text of each take, in the order of time.
        rows: the text of each row of the script.
        limit: takes of each row that were asked for, and are complete; 0 for any number.
    """
    slots = np.repeat(np.arange(len(rows)), max(1, limit))
    texts = np.asarray(rows, np.int64)[slots]
    if not len(takes) or not len(rows):
        return [None] * len(takes)
    ends = _best_ends(np.asarray(takes), texts, limit == 0)
    begins = _best_ends(np.asarray(takes)[::-1], texts[::-1], limit == 0)[::-1, ::-1]
    total = ends + begins - (_TAKE + 1)  # the take and its row are counted twice
    best = total.max()
    result: list[int | None] = []
    for scores in total:
        possible = set(slots[scores == best].tolist()) if best > 0 else set()
        result.append(possible.pop() if len(possible) == 1 else None)
    return result


def _best_ends(
    takes: NDArray[np.int64], texts: NDArray[np.int64], repeated: bool
) -> NDArray[np.int64]:
    """Return the best score of the takes up to each, if it is in each slot; (takes, slots)."""
    scores = np.full((len(takes), len(texts)), -(10**15), np.int64)
    best_in = np.zeros(len(texts) + 1, np.int64)  # up to the take before, if slot - 1 is the last
    best_in[1:] = -(10**15)
    for number, take in enumerate(takes):
        before = np.maximum.accumulate(best_in)[:-1] + _TAKE + 1  # in an earlier slot
        if repeated:
            before = np.maximum(before, best_in[1:] + _TAKE)
        scores[number] = np.where(texts == take, before, -(10**15))
        best_in[1:] = np.maximum(best_in[1:], scores[number])
    return scores
