"""Align the phonemes of a line with the place where it is spoken, and tell which are heard."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import compiled
from stccl_data.features.phonemes import HOP_S, LEVELS_PER_NAT
from stccl_data.recordings.line_graph import line_graph
from stccl_data.recordings.pronunciation import BLANK, Word
from stccl_data.recordings.search import MISS


@dataclass(frozen=True, slots=True)
class AlignedPhoneme:
    """A phoneme of a line where it is spoken."""

    #: number of its word in the line
    word: int
    #: seconds; CTC tells when a phoneme is recognised, not when it begins and ends
    time: float
    #: nats by which something else was more likely, 0 to `MISS`
    cost: float
    #: the same, of the sounds between the phoneme before and this one
    cost_before: float


def align_phonemes(
    levels: NDArray[np.uint8], words: Sequence[Word], start: float, end: float
) -> list[AlignedPhoneme]:
    """Align words with a part of a recording.

    Args:
        levels: as `SoundTrack.levels`.
        words: what is said there, from the first row to the last.
        start, end: of the part, seconds.

    Returns:
        Their phonemes in order; empty if there are more phonemes than rows.
    """
    first, last = round(start / HOP_S), round(end / HOP_S)
    graph = line_graph([words])
    costs = np.minimum(levels[first:last] / LEVELS_PER_NAT, MISS)
    path = _best_path(
        costs, graph.column, graph.begins, graph.ends_line, graph.before, graph.pointer
    )
    phonemes: list[AlignedPhoneme] = []
    between = 0.0
    for row, state in enumerate(path):
        column = graph.column[state]
        cost = float(costs[row, column])
        new = row == 0 or state != path[row - 1]
        if column == BLANK:
            between += cost
        elif new:
            time = (first + row + 0.5) * HOP_S
            phonemes.append(AlignedPhoneme(int(graph.word[state]), time, cost, between))
            between = 0.0
        else:
            between += cost
    return phonemes


@compiled
def _best_path(costs, column, begins, ends, before, pointer):  # type: ignore[no-untyped-def]
    """Return the state of each row on the cheapest path; empty if there is none."""
    rows, states = costs.shape[0], len(column)
    total = np.full(states, np.inf)
    new_total = np.full(states, np.inf)
    came = np.full((rows, states), -1, np.int32)
    for t in range(rows):
        for s in range(states):
            best, source = total[s], s
            if t == 0:
                best, source = (0.0 if begins[s] else np.inf), -1
            else:
                for k in range(pointer[s], pointer[s + 1]):
                    if total[before[k]] < best:
                        best, source = total[before[k]], before[k]
            new_total[s] = best + costs[t, column[s]]
            came[t, s] = source
        total, new_total = new_total, total
    end = -1
    for s in range(states):
        if ends[s] and np.isfinite(total[s]) and (end < 0 or total[s] < total[end]):
            end = s
    if end < 0:
        return np.zeros(0, np.int32)
    path = np.empty(rows, np.int32)
    for t in range(rows - 1, -1, -1):
        path[t] = end
        end = came[t, end]
    return path
