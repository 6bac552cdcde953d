"""Tell which row of a script each take is, by the order in which they are spoken.

A script may hold one text several times, in other emotions. Takes follow the order of the script,
with any number of takes of a row, and with rows that are left out. Of all such readings those count
that explain most takes, and of these, the ones that use most rows. A take that they disagree about
has no row: nothing is guessed. Beeps of a teleprompter, if there are any, narrow the rows down.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stccl_data.recordings.beeps import PITCHES

#: What explaining a take counts, in rows.
_TAKE = 1_000_000


def rows_by_position(
    takes: Sequence[int],
    rows: Sequence[int],
    limit: int = 0,
    prompts: Sequence[int | None] = (),
) -> list[int | None]:
    """Return the row of each take, None if the order does not tell.

    Args:
        takes: the text of each take, in the order of time.
        rows: the text of each row of the script.
        limit: takes of each row that were asked for, and are complete; 0 for any number.
        prompts: the pitch of the beep before each take (see `beeps`), None without one; they are
            ignored unless most takes have one.
    """
    if not len(takes) or not len(rows):
        return [None] * len(takes)
    slots = np.repeat(np.arange(len(rows)), max(1, limit))
    fits = np.equal.outer(np.asarray(takes), np.asarray(rows)[slots])
    if sum(prompt is not None for prompt in prompts) > len(takes) / 2:
        for take, prompt in enumerate(prompts):
            if prompt is not None:
                fits[take] &= slots % len(PITCHES) == prompt
    ends = _best_ends(fits, limit == 0)
    begins = _best_ends(fits[::-1, ::-1], limit == 0)[::-1, ::-1]
    total = ends + begins - (_TAKE + 1)  # the take and its row are counted twice
    best = total.max()
    result: list[int | None] = []
    for scores in total:
        possible = set(slots[scores == best].tolist()) if best > 0 else set()
        result.append(possible.pop() if len(possible) == 1 else None)
    return result


def _best_ends(fits: NDArray[np.bool_], repeated: bool) -> NDArray[np.int64]:
    """Return the best score of the takes up to each, if it is in each slot; (takes, slots).

    Args:
        fits: (takes, slots), whether a take can be of a slot.
        repeated: whether several takes can be of one slot.
    """
    scores = np.full(fits.shape, -(10**15), np.int64)
    # up to the take before, if slot - 1 is the last
    best_in = np.full(fits.shape[1] + 1, -(10**15), np.int64)
    best_in[0] = 0
    for number, possible in enumerate(fits):
        before = np.maximum.accumulate(best_in)[:-1] + _TAKE + 1  # in an earlier slot
        if repeated:
            before = np.maximum(before, best_in[1:] + _TAKE)
        scores[number] = np.where(possible, before, -(10**15))
        best_in[1:] = np.maximum(best_in[1:], scores[number])
    return scores
