"""What two clips cost against each other: by their cepstra (or mouths), and by their phonemes.

Both comparisons let either clip end first. Recordings are cut before the sentence ends, speakers
stop, and a clip that holds the first half of a sentence still says that sentence. At least half of
each clip has to be used.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.dtw import compiled
from stccl_data.features.phonemes import LEVELS_PER_NAT, PhonemeFeatures

#: Share of a clip that has to be compared before the other may end.
_LEAST_SHARE = 0.5
#: Nats per phoneme; sounds that differ more are not told apart.
_MOST_EXCESS = 8.0

_PROBABILITY = np.exp(-np.arange(256) / LEVELS_PER_NAT)


@dataclass(frozen=True, slots=True)
class Spelling:
    """The phonemes of one clip, prepared for comparison."""

    #: (T, K) uint8, see `PhonemeFeatures`.
    levels: NDArray[np.uint8]
    #: (L,) int64, the most probable phonemes in order.
    phonemes: NDArray[np.int64]
    #: (T,) float64, nats that the most probable path costs up to each row.
    path_cost: NDArray[np.float64]
    #: (T,) float64, number of phonemes up to each row.
    counts: NDArray[np.float64]


def spell(features: PhonemeFeatures) -> Spelling:
    """Decode the most probable phonemes (greedy CTC decoding)."""
    levels = features.levels
    blank = levels.shape[1] - 1
    best = levels.argmin(axis=1)
    emitted = (best != blank) & np.append(True, best[1:] != best[:-1])
    return Spelling(
        levels,
        best[emitted].astype(np.int64),
        np.cumsum(levels.min(axis=1) / LEVELS_PER_NAT),
        np.cumsum(emitted).astype(np.float64),
    )


def phoneme_cost(a: Spelling, b: Spelling) -> float:
    """Return how badly each clip spells the other's phonemes, in nats per phoneme.

    For each direction: the probability of the one's phoneme string under the other's network
    output (CTC forward algorithm, Graves 2006), against that of the other's own best path.
    0 for a clip and itself; about 1 for one sentence in two emotions, 3 or 4 for two sentences.
    """
    return 0.5 * (_excess(a, b.phonemes) + _excess(b, a.phonemes))


def _excess(clip: Spelling, phonemes: NDArray[np.int64]) -> float:
    if not len(phonemes) or not len(clip.phonemes):
        return _MOST_EXCESS
    excess = _spelling_excess(
        clip.levels, clip.path_cost, clip.counts, phonemes, _PROBABILITY, _LEAST_SHARE
    )
    return min(float(excess), _MOST_EXCESS)


def open_ended_cost(cost: NDArray[np.float32], side_penalty: float) -> float:
    """Return the mean cost of the best warping path that uses up at least one of the two clips.

    Args:
        cost: (N, M) local costs.
        side_penalty: added to each step in which one side stands still.
    """
    return float(_open_ended(np.ascontiguousarray(cost, np.float32), side_penalty, _LEAST_SHARE))


@compiled
def _spelling_excess(
    levels: Any, path_cost: Any, counts: Any, phonemes: Any, probability: Any, least: float
) -> float:
    """Return the least excess over the full string, its prefixes, and prefixes of the sound."""
    n_rows, blank = levels.shape[0], levels.shape[1] - 1
    n = len(phonemes)
    n_states = 2 * n + 1  # blank, phoneme, blank, ..., phoneme, blank
    now, then = np.zeros(n_states), np.empty(n_states)
    now[0], now[1] = probability[levels[0, blank]], probability[levels[0, phonemes[0]]]
    nats = 0.0  # minus the logarithm of the scale of `now`
    best = np.inf
    for t in range(n_rows):
        if t:
            total = 0.0
            for k in range(n_states):
                reach = now[k]
                if k > 0:
                    reach += now[k - 1]
                if k % 2 == 1 and k > 1 and phonemes[k // 2] != phonemes[k // 2 - 1]:
                    reach += now[k - 2]
                symbol = blank if k % 2 == 0 else phonemes[k // 2]
                then[k] = reach * probability[levels[t, symbol]]
                total += then[k]
            for k in range(n_states):
                now[k] = then[k] / total
            nats -= np.log(total)
        if counts[t] >= least * counts[-1]:  # the string ends here, the sound goes on
            end = max(now[n_states - 1] + now[n_states - 2], 1e-300)
            best = min(best, (nats - np.log(end) - path_cost[t]) / max(counts[t], n))
    for k in range(1, n + 1):  # the sound ends after k phonemes of the string
        if k >= least * n:
            end = max(now[2 * k] + now[2 * k - 1], 1e-300)
            best = min(best, (nats - np.log(end) - path_cost[-1]) / max(counts[-1], k))
    return best


@compiled
def _open_ended(cost: Any, penalty: float, least: float) -> float:
    """Return the least mean cost over ends in the last row and in the last column."""
    n, m = cost.shape
    above, above_length = np.full(m, np.inf), np.zeros(m)
    row, length = np.empty(m), np.empty(m)
    best = np.inf
    for i in range(n):
        for j in range(m):
            total, steps = np.inf, 0.0
            if i > 0 and j > 0:
                total, steps = above[j - 1], above_length[j - 1]
            if i > 0 and above[j] + penalty < total:
                total, steps = above[j] + penalty, above_length[j]
            if j > 0 and row[j - 1] + penalty < total:
                total, steps = row[j - 1] + penalty, length[j - 1]
            if i == 0 and j == 0:
                total = 0.0
            row[j], length[j] = total + cost[i, j], steps + 1
        if i + 1 >= least * n:  # column m - 1: the other clip ends first
            best = min(best, row[m - 1] / length[m - 1])
        above[:], above_length[:] = row, length
    for j in range(m):
        if j + 1 >= least * m:
            best = min(best, above[j] / above_length[j])
    return best
