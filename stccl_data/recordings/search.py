"""Find the lines of a script in the phonemes of a recording: a search for the best sequence.

At each moment the recording either follows a line or it does not. Following a line costs the log
probability that is lost against the most likely phonemes, at most `MISS` at a time, and earns
`MISS` / 2 for each of its phonemes. So a line is found where more of it is heard than not, and of
lines that have words in common, the one of which more is heard. A line may be left after any of its
words, at the price of a few phonemes: those are incomplete takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import compiled
from stccl_data.features.phonemes import HOP_S, LEVELS_PER_NAT
from stccl_data.recordings.line_graph import LineGraph, line_graph
from stccl_data.recordings.pronunciation import Word

#: Nats that a phoneme costs at most. At 5, something else is 150 times as likely: it is not heard.
MISS = 5.0
#: Phonemes whose gain an incomplete take has to exceed.
_INCOMPLETE_PENALTY = 4


@dataclass(frozen=True, slots=True)
class Match:
    """A place where a line is spoken, whole or in part."""

    line: int
    #: seconds, of its first and after its last phoneme, to within the rows of the model
    start: float
    end: float
    #: words of the line that are followed; all, unless the take is incomplete
    words: int


def search(levels: NDArray[np.uint8], lines: Sequence[Sequence[Word]]) -> list[Match]:
    """Find the lines in a recording, in the order in which they are spoken.

    Args:
        levels: (T, C), as `SoundTrack.levels`.
        lines: the words of each line.
    """
    graph = line_graph(lines)
    records = _follow(levels, *_arrays(graph), LEVELS_PER_NAT, MISS, MISS / 2, _INCOMPLETE_PENALTY)
    return [
        Match(int(line), begin * HOP_S, (end + 1) * HOP_S, int(words))
        for line, begin, end, words in records
    ]


def _arrays(graph: LineGraph) -> tuple[NDArray[np.generic], ...]:
    return (
        graph.column,
        graph.line,
        graph.word,
        graph.begins,
        graph.ends_word,
        graph.ends_line,
        graph.before,
        graph.pointer,
    )


@compiled
def _follow(  # type: ignore[no-untyped-def]
    levels,
    column,
    line,
    word,
    begins,
    ends_word,
    ends_line,
    before,
    pointer,
    levels_per_nat,
    miss,
    gain,
    penalty,
):
    """Return the lines that are followed: rows of line, first row, last row, words.

    Each state keeps the score of the best way to it, the row in which its line began, and the
    number of the record before that line; so memory does not grow with states times rows.
    """
    rows, blank = levels.shape[0], levels.shape[1] - 1
    states = len(column)
    score, new_score = np.full(states, -np.inf), np.full(states, -np.inf)
    begun, new_begun = np.zeros(states, np.int32), np.zeros(states, np.int32)
    after, new_after = np.zeros(states, np.int32), np.zeros(states, np.int32)
    records = np.zeros((rows + 1, 5), np.int32)  # line, first, last, words, record before
    count, latest = 1, 0
    outside = 0.0
    cost = np.zeros(levels.shape[1])
    for t in range(rows):
        for c in range(levels.shape[1]):
            cost[c] = min(levels[t, c] / levels_per_nat, miss)
        best, best_state = outside, -1
        for s in range(states):
            value, start, record = score[s], begun[s], after[s]
            earned = 0.0 if column[s] == blank else gain
            if begins[s] and outside + earned > value:
                value, start, record = outside + earned, t, latest
            for k in range(pointer[s], pointer[s + 1]):
                p = before[k]
                if score[p] + earned > value:
                    value, start, record = score[p] + earned, begun[p], after[p]
            value -= cost[column[s]]
            new_score[s], new_begun[s], new_after[s] = value, start, record
            if ends_word[s]:
                left = value if ends_line[s] else value - gain * penalty
                if left > best:
                    best, best_state = left, s
        score, new_score = new_score, score
        begun, new_begun = new_begun, begun
        after, new_after = new_after, after
        if best_state >= 0:
            s = best_state
            records[count, 0], records[count, 1], records[count, 2] = line[s], begun[s], t
            records[count, 3], records[count, 4] = word[s] + 1, after[s]
            latest, outside = count, best
            count += 1
    found = []  # line, first, last, words
    while latest > 0:
        line_number, first, last, words = records[latest, :4]
        found.append((line_number, first, last, words))
        latest = records[latest, 4]
    return found[::-1]
