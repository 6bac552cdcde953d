"""Choose the pairs of a dataset that are worth a look."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, Literal

import numpy as np

from stccl_data.dataset.tables import Row
from stccl_data.report.scores import PAIR_SCORES, Distribution

Group = Literal["worst", "refused", "best", "random"]


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A pair that gets a page of its own."""

    #: row of pairs.parquet
    row: Row
    #: its place in pairs.parquet
    index: int
    #: why it is shown
    group: Group
    #: number of its page, from 1
    number: int

    @property
    def clip_ids(self) -> tuple[str, str]:
        """Source and target."""
        return self.row["source"], self.row["target"]

    @property
    def stem(self) -> str:
        """Name of its files, without a suffix."""
        return f"{self.number:04d}"


def choose_pairs(
    pairs: Sequence[Row], known: Mapping[str, Distribution], count: int, seed: int = 0
) -> list[ShownPair]:
    """Choose the accepted pairs with the worst and the best scores, refused ones, and random ones.

    Each group gets a fourth of `count`, or what another leaves. Refused pairs take turns between
    their reasons. Pairs that were never aligned have nothing to show.

    Args:
        pairs: rows of pairs.parquet.
        known: distributions of the pair scores.
        count: number of pairs.
        seed: of the random ones.
    """
    aligned = [index for index, row in enumerate(pairs) if row.get("mode") is not None]
    accepted = [index for index in aligned if pairs[index]["accepted"]]
    badness = {index: _badness(pairs[index], known) for index in accepted}
    worst = sorted(accepted, key=lambda index: (-badness[index], index))
    refused = _take_turns([index for index in aligned if not pairs[index]["accepted"]], pairs)
    shuffled = np.random.default_rng(seed).permutation(np.array(accepted, np.int64)).tolist()
    queues: dict[Group, list[int]] = {
        "worst": worst,
        "refused": refused,
        "best": worst[::-1],
        "random": shuffled,
    }
    chosen: dict[int, Group] = {}
    turns = zip_longest(*([(group, index) for index in queue] for group, queue in queues.items()))
    for turn in chain.from_iterable(turns):
        if len(chosen) >= count:
            break
        if turn is not None:
            chosen.setdefault(turn[1], turn[0])
    order: dict[Group, int] = {group: place for place, group in enumerate(queues)}
    ordered = sorted(chosen.items(), key=lambda item: order[item[1]])  # stable within a group
    return [
        ShownPair(pairs[index], index, group, number)
        for number, (index, group) in enumerate(ordered, 1)
    ]


def _badness(pair: Row, known: Mapping[str, Distribution]) -> float:
    """Return the mean place of a pair's scores among all pairs: 0 best, 1 worst."""
    places: list[float] = []
    for score in PAIR_SCORES:
        value: Any = pair.get(score.name)
        place = known[score.name].place(value) if score.name in known else None
        if place is not None and score.better:
            places.append(1 - place if score.better > 0 else place)
    return float(np.mean(places)) if places else 0.5


def _take_turns(refused: Sequence[int], pairs: Sequence[Row]) -> list[int]:
    by_reason: defaultdict[str, list[int]] = defaultdict(list)
    for index in refused:
        by_reason[pairs[index]["reason"] or ""].append(index)
    turns = zip_longest(*by_reason.values())
    return [index for turn in turns for index in turn if index is not None]
