"""Which clips of an utterance may stand against each other in training, and where each frame of the one leads in the other.

The shards hold an alignment for each pair in one direction. A join is that alignment as it is, read backwards, or for two emotions
that were never aligned with each other, led through the neutral clip that both are aligned with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.warping_path import as_function, frame_map, nearest_frame
from stccl_data.dataset import Pair, Utterance, UtteranceClip
from stccl_data.errors import Reason
from stccl_data.pairs.gates import GATE_REASONS, Refusal, judge

Via = Literal["direct", "reversed", "neutral"]


@dataclass(frozen=True, eq=False)
class Join:
    """Two clips of one utterance in different emotions. `via`: how the frame map came to be."""

    source: UtteranceClip
    target: UtteranceClip
    via: Via
    _load: Callable[[], NDArray[np.int32]]

    @cached_property
    def frame_map(self) -> NDArray[np.int32]:
        """(n_source,): for each source frame the target frame, never falling, -1 where the target has none."""
        return self._load()


def joins(
    utterance: Utterance,
    gates: Mapping[str, float] | None = None,
    *,
    both_directions: bool = True,
    through_neutral: bool = True,
) -> list[Join]:
    """The joins of an utterance, in a fixed order; no alignment is read before a join is asked for its frame map.

    gates: thresholds by the names of GateConfig, in place of those that the pairs were judged by; without them the tables decide.
    """
    pairs = utterance.pairs(accepted=None)
    good = [pair for pair in pairs if _accepted(pair, gates)]
    found: list[Join] = []
    for pair in good:
        found.append(Join(pair.source, pair.target, "direct", _direct(pair)))
        if both_directions:
            found.append(Join(pair.target, pair.source, "reversed", _reversed(pair)))
    if through_neutral:
        # what was aligned and refused is not brought back by another way; several neutral takes lead there once
        done = {frozenset((pair.source.name, pair.target.name)) for pair in pairs}
        neutral = [pair for pair in good if pair.source.emotion == "neutral"]
        for one, other in combinations(neutral, 2):
            ends = frozenset((one.target.name, other.target.name))
            if (
                one.source is other.source
                and one.target.emotion != other.target.emotion
                and ends not in done
            ):
                done.add(ends)
                found.append(Join(one.target, other.target, "neutral", _through(one, other)))
                if both_directions:
                    found.append(Join(other.target, one.target, "neutral", _through(other, one)))
    return found


def _accepted(pair: Pair, gates: Mapping[str, float] | None) -> bool:
    """Whether the tables accept the pair, or the named gates do in place of their stored verdict."""
    if not gates:
        return pair.accepted
    if not pair.accepted and pair.reason not in GATE_REASONS.values():
        return False
    earlier = None if pair.accepted else Refusal(Reason[str(pair.reason).upper()], "")
    return judge(pair.scores, pair.source.scores, pair.target.scores, gates, earlier) is None


def _direct(pair: Pair) -> Callable[[], NDArray[np.int32]]:
    return lambda: pair.frame_map


def _reversed(pair: Pair) -> Callable[[], NDArray[np.int32]]:
    def load() -> NDArray[np.int32]:
        if not len(pair.source) or not len(pair.target):
            return np.full(len(pair.target), -1, np.int32)
        return frame_map(
            pair.target.times, pair.source.times, *as_function(pair.target_time, pair.source_time)
        )

    return load


def _through(one: Pair, other: Pair) -> Callable[[], NDArray[np.int32]]:
    """From the target of `one` back to the neutral clip that both pairs begin in, and on to the target of `other`.

    Times are led, not frames, so that nothing is rounded on the way; the errors of the two alignments add up.
    """

    def load() -> NDArray[np.int32]:
        start, end = one.target, other.target
        if not len(start) or not len(end):
            return np.full(len(start), -1, np.int32)
        neutral = np.interp(start.times, *as_function(one.target_time, one.source_time))
        return nearest_frame(end.times, np.interp(neutral, other.source_time, other.target_time))

    return load
