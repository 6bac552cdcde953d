"""Which clips of an utterance can be compared, and which of their frames correspond.

The shards hold one alignment per pair, in one direction. A pairing is that alignment as stored,
reversed, or, for two emotions that were not aligned with each other, composed through the clip of
the reference emotion (neutral by default) that both are aligned with.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.warping_path import as_function, existing_frame, frame_map, map_times
from stccl_data.dataset import Pair, Utterance, UtteranceClip
from stccl_data.errors import Reason
from stccl_data.pairs.gates import GATE_REASONS, Refusal, judge

#: How a frame map is derived from the stored alignments.
Via = Literal["direct", "reversed", "neutral"]


@dataclass(frozen=True, eq=False)
class Pairing:
    """Two clips of one utterance in different emotions."""

    source: UtteranceClip
    target: UtteranceClip
    via: Via
    #: returns `frame_map`, called once
    load_frame_map: Callable[[], NDArray[np.int32]]

    @cached_property
    def frame_map(self) -> NDArray[np.int32]:
        """(n_source,) int32, non-decreasing: target frame of each source frame, -1 if none."""
        return self.load_frame_map()


def list_pairings(
    utterance: Utterance,
    gates: Mapping[str, float] | None = None,
    *,
    both_directions: bool = True,
    through_neutral: bool = True,
) -> list[Pairing]:
    """List the pairings of an utterance, in a fixed order.

    No alignment is read until the frame map of a pairing is accessed.

    Args:
        utterance: the utterance.
        gates: thresholds, by field name of `GateConfig`, that override those the pairs were judged
            by; None accepts what the tables accept.
        both_directions: add the reverse of each pairing.
        through_neutral: add pairings of two emotions that are both aligned with one clip of the
            reference emotion.
    """
    pairs = utterance.pairs(accepted=None)
    accepted = [pair for pair in pairs if _is_accepted(pair, gates)]
    pairings: list[Pairing] = []
    for pair in accepted:
        pairings.append(Pairing(pair.source, pair.target, "direct", _direct(pair)))
        if both_directions:
            pairings.append(Pairing(pair.target, pair.source, "reversed", _reversed(pair)))
    if through_neutral:
        for first, second in _pairs_to_compose(pairs, accepted):
            pairings.append(_composed(first, second))
            if both_directions:
                pairings.append(_composed(second, first))
    return pairings


def _pairs_to_compose(pairs: list[Pair], accepted: list[Pair]) -> Iterator[tuple[Pair, Pair]]:
    """Two accepted pairs from one reference clip to two emotions never aligned directly.

    A pair that was aligned and rejected does not come back this way, and two targets with several
    reference takes in common are composed once.
    """
    aligned = {frozenset((pair.source.name, pair.target.name)) for pair in pairs}
    reference = _reference_emotion(pairs)
    from_reference = [pair for pair in accepted if pair.source.emotion == reference]
    for first, second in combinations(from_reference, 2):
        targets = frozenset((first.target.name, second.target.name))
        if (
            first.source is second.source
            and first.target.emotion != second.target.emotion
            and targets not in aligned
        ):
            aligned.add(targets)
            yield first, second


def _reference_emotion(pairs: list[Pair]) -> str | None:
    """Return the emotion that `prepare --reference` paired with the others.

    Neutral if any pair has a neutral source, otherwise the emotion of all sources; None if the
    sources differ, as with `--reference any`.
    """
    sources = {pair.source.emotion for pair in pairs}
    if "neutral" in sources:
        return "neutral"
    return next(iter(sources)) if len(sources) == 1 else None


def _is_accepted(pair: Pair, gates: Mapping[str, float] | None) -> bool:
    """Take the decision of the tables, overruled by the gates that are named."""
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
        path = as_function(pair.target_time, pair.source_time)
        return frame_map(pair.target.times, pair.source.times, *path)

    return load


def _composed(first: Pair, second: Pair) -> Pairing:
    """Pair the target of `first` with the target of `second` through their common source clip.

    Times are mapped, not frames, so that rounding happens once; the errors of both alignments add.
    """
    source, target = first.target, second.target

    def load() -> NDArray[np.int32]:
        if not len(source) or not len(target):
            return np.full(len(source), -1, np.int32)
        common = map_times(source.times, *as_function(first.target_time, first.source_time))
        return existing_frame(
            target.times, map_times(common, second.source_time, second.target_time)
        )

    return Pairing(source, target, "neutral", load)
