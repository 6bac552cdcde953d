"""Tell which row of a script each take is, by the order in which they are spoken.

A script may hold one text several times, in other emotions. It is a sequence of blocks, each of
rows in one emotion. Blocks follow one another; within a block, lines may be spoken in any order. Of
all readings those count that have the fewest takes without a row, then the fewest rows that are
repeated, or left out of a block that is spoken, then the fewest steps back. A take that they
disagree about has no row. No take has one if too many do not fit, or if another order of the script
fits better: nothing is guessed. Beeps of a teleprompter, if there are any, narrow the rows down.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from stccl_data.recordings.beeps import PITCHES
from stccl_data.recordings.script import ScriptRow

Costs = NDArray[np.int64]

#: What a take without a row, and a row that is repeated or left out, cost in steps back.
_NO_ROW, _MISFIT = 10**10, 10**5
#: The cost of what is impossible.
_NEVER = np.iinfo(np.int64).max // 4
#: Random orders that an order is compared with, and the share of them that may fit as well.
_DRAWS, _MOST_AS_GOOD = 50, 0.1
#: Blocks whose order is questioned, at most: they have 120 orders.
_MOST_SHUFFLED = 5


class Order(StrEnum):
    """The order in which a script is spoken."""

    AS_WRITTEN = "in the order of the script"
    BY_EMOTION = "emotion by emotion"
    BY_LINE = "line by line"
    OTHER_EMOTIONS = "with the emotions in another order"
    UNKNOWN = "in no order that the script tells"


@dataclass(frozen=True, slots=True)
class Reading:
    """Which row of a script each take is."""

    #: None where the order does not tell
    rows: list[int | None]
    #: rows are told by `Order.AS_WRITTEN` only
    order: Order
    #: whether beeps tell them too
    announced: bool


def read_order(
    takes: Sequence[int],
    rows: Sequence[ScriptRow],
    limit: int = 0,
    prompts: Sequence[int | None] = (),
) -> Reading:
    """Tell which row of a script each take is.

    Args:
        takes: the text of each take, in the order of time.
        rows: of the script.
        limit: takes of each row that were asked for, and are complete; 0 for any number.
        prompts: the pitch of the beep before each take (see `beeps`), None without one; they are
            ignored unless most takes have one.
    """
    unknown: list[int | None] = [None] * len(takes)
    announced = sum(prompt is not None for prompt in prompts) > len(takes) / 2
    if not takes or not rows:
        return Reading(unknown, Order.AS_WRITTEN, announced)
    if not announced:
        prompts = unknown
    fits = [
        frozenset(
            number
            for number, row in enumerate(rows)
            if row.text == text and prompt in (None, number % len(PITCHES))
        )
        for text, prompt in zip(takes, prompts, strict=True)
    ]
    written = _runs(rows)
    reading = _align(written, fits, limit)
    least, order = reading.misfits, Order.AS_WRITTEN
    for other, plan in _other_plans(takes, rows):
        if (misfits := _align(plan, fits, limit).misfits) < least:
            least, order = misfits, other
    if order is Order.AS_WRITTEN and not announced and _is_chance(reading, written, fits, limit):
        order = Order.UNKNOWN
    told = reading.rows() if order is Order.AS_WRITTEN else unknown
    return Reading(told, order, announced)


def _align(plan: list[list[int]], fits: Sequence[frozenset[int]], limit: int) -> "_Alignment":
    return _Alignment([_Block(block, fits, limit) for block in plan])


def _runs(rows: Sequence[ScriptRow]) -> list[list[int]]:
    """Return the blocks of a script as it is written: rows in one emotion after each other."""
    runs = groupby(enumerate(rows), lambda item: item[1].emotion)
    return [[number for number, _ in run] for _, run in runs]


def _other_plans(
    takes: Sequence[int], rows: Sequence[ScriptRow]
) -> Iterator[tuple[Order, list[list[int]]]]:
    """Yield other orders in which a script may be spoken: the rows of each block."""
    by_emotion: defaultdict[str | None, list[int]] = defaultdict(list)
    by_line: dict[int, list[int]] = {text: [] for text in takes}
    for number, row in enumerate(rows):
        by_emotion[row.emotion].append(number)
        by_line.setdefault(row.text, []).append(number)
    yield Order.BY_EMOTION, list(by_emotion.values())
    yield Order.BY_LINE, [[number] for group in by_line.values() for number in group]
    lines = {frozenset(rows[number].text for number in block) for block in by_emotion.values()}
    if len(lines) > 1 and len(by_emotion) <= _MOST_SHUFFLED:  # else all orders fit alike
        for blocks in list(permutations(by_emotion.values()))[1:]:
            yield Order.OTHER_EMOTIONS, list(blocks)


def _is_chance(
    reading: "_Alignment", plan: list[list[int]], fits: list[frozenset[int]], limit: int
) -> bool:
    """Tell whether takes in a random order often fit a plan as well as those of a reading."""
    retaken = sum(before == take for before, take in pairwise(fits))
    if reading.cost <= retaken * _MISFIT:  # nothing is left out, and nothing is spoken out of order
        return False
    random = np.random.default_rng(0)
    as_good = 0
    for _ in range(_DRAWS):
        shuffled = [fits[take] for take in random.permutation(len(fits))]
        as_good += _align(plan, shuffled, limit).cost <= reading.cost
        if as_good > _MOST_AS_GOOD * _DRAWS:
            return True
    return False


class _Block:
    """Rows that are spoken one after the other, in any order."""

    def __init__(self, rows: Sequence[int], fits: Sequence[frozenset[int]], limit: int) -> None:
        """Compare rows with takes.

        Args:
            rows: of the block.
            fits: the rows of the script that each take can be.
            limit: see `read_order`.
        """
        self.fits = [rows_of_take & set(rows) for rows_of_take in fits]
        self.size = max(1, limit) * len(rows)
        self.limited = limit > 0
        #: the take whose repetition each take is, if the block has begun by then
        self.repeated = np.full(len(fits), -1, np.int64)
        said: defaultdict[frozenset[int], list[int]] = defaultdict(list)
        for take, group in enumerate(self.fits):
            asked = max(1, limit) * len(group)
            if group and len(said[group]) >= asked:
                self.repeated[take] = said[group][-asked]
            said[group].append(take)
        steps = [bool(a and b) and min(b) < min(a) for a, b in pairwise(self.fits)]
        self.back = np.array([False, *steps])

    def costs(self) -> tuple[NDArray[np.intp], Costs]:
        """Return the takes (F,) that the block can begin with, and its costs (F, N) by the last."""
        has_row = np.array([bool(group) for group in self.fits])
        firsts = np.unique([0, *np.flatnonzero(has_row)])
        takes, first = np.arange(len(has_row)), firsts[:, None]
        inside = takes >= first
        used = np.cumsum(has_row & (self.repeated < first) & inside, axis=1)
        explained = used if self.limited else np.cumsum(has_row & inside, axis=1)
        misfits = explained - used + self.size - used
        back = np.cumsum(self.back & (takes > first), axis=1)
        costs = (takes - first + 1 - explained) * _NO_ROW + misfits * _MISFIT + back
        return firsts, np.where(inside, costs, _NEVER)


class _Alignment:
    """The best ways to divide takes among blocks that follow one another."""

    def __init__(self, blocks: Sequence[_Block]) -> None:
        self.blocks = blocks
        takes = len(blocks[0].fits)
        #: (blocks + 1, takes + 1), the least cost of the first takes with the first blocks
        self.before = np.full((len(blocks) + 1, takes + 1), _NEVER)
        self.before[0, 0] = 0
        for number, block in enumerate(blocks):
            firsts, costs = block.costs()
            least = self.before[number].copy()
            total = (least[firsts, None] + costs).min(axis=0)
            self.before[number + 1, 0] = least[0]
            self.before[number + 1, 1:] = np.minimum(least[1:], total)
        self.cost = int(self.before[-1, -1])

    @property
    def misfits(self) -> int:
        """The cost without the steps back."""
        return self.cost // _MISFIT

    def rows(self) -> list[int | None]:
        """Return the row of each take; None where the best ways disagree."""
        takes = self.before.shape[1] - 1
        possible: list[set[int | None]] = [set() for _ in range(takes)]
        after = np.full(takes + 1, _NEVER)  # the least cost of the takes from each on
        after[-1] = 0
        for number in reversed(range(len(self.blocks))):
            block = self.blocks[number]
            firsts, costs = block.costs()
            rest = costs + after[1:]
            best = self.before[number, firsts, None] + rest == self.cost
            for first, last in zip(*(axis.tolist() for axis in np.nonzero(best)), strict=True):
                for take in range(firsts[first], last + 1):
                    possible[take].add(min(block.fits[take], default=None))
            after = after.copy()
            after[firsts] = np.minimum(after[firsts], rest.min(axis=1))
        return [rows.pop() if len(rows) == 1 else None for rows in possible]
