"""Utterances as the reader returns them: the clips of one sentence and the pairs between them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import emotion_label
from stccl_data.dataset.array_rules import pair_faults
from stccl_data.dataset.members import ShardError
from stccl_data.dataset.schemas import StoredSample
from stccl_data.dataset.schemas.stored_sample import Scores
from stccl_data.dataset.utterance_clip import UtteranceClip


class Decision(NamedTuple):
    """Whether a pair is accepted, and the reason code if it is not."""

    accepted: bool
    reason: str | None


#: (source clip id, target clip id) -> the decision of pairs.parquet
Decisions = Mapping[tuple[str, str], Decision]


@dataclass(frozen=True, eq=False, repr=False)
class Pair:
    """Two clips of an utterance in different emotions, aligned in time."""

    source: UtteranceClip
    target: UtteranceClip
    #: whether it passed every gate
    accepted: bool
    #: the reason code if it did not (`stccl_data.errors`)
    reason: str | None
    _sample: StoredSample
    #: its number in the sample
    _number: int

    def __repr__(self) -> str:
        decision = "accepted" if self.accepted else self.reason
        return f"Pair({self.source.clip_id} -> {self.target.clip_id}, {decision})"

    @cached_property
    def scores(self) -> Scores:
        """The scores of the alignment by name, None if unknown.

        cost, content_score, duration_ratio, longest_repeat, diagonal_fraction, local_slope,
        coverage, consistency_s, and `mode`: which signals it was aligned by.
        """
        return MappingProxyType(self._sample.pair_scores(self._number))

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = self._sample.pair_arrays(self._number)
        for fault in pair_faults(arrays, len(self.source), len(self.target)):
            raise ShardError(
                f"{self.source.clip_id} -> {self.target.clip_id}: {fault}; run `stccl verify`"
            )
        return arrays

    @property
    def frame_map(self) -> NDArray[np.int32]:
        """(n_source,) target frame of each source frame, never falling.

        -1 after the end of the path, and everywhere if the target has no frames.
        """
        return self._arrays["frame_map"]

    @property
    def source_time(self) -> NDArray[np.float64]:
        """(K,) the warping path on the source, seconds, strictly ascending.

        `np.interp(t, pair.source_time, pair.target_time)` maps times. If the target is cut, the
        path ends where it ends, and later times have no counterpart.
        """
        return self._arrays["source_time"]

    @property
    def target_time(self) -> NDArray[np.float64]:
        """(K,) the warping path on the target, seconds, never falling."""
        return self._arrays["target_time"]


@dataclass(frozen=True, eq=False)
class Utterance:
    """All recordings of one sentence by one speaker from one view, and the pairs between them.

    An utterance of very many takes is stored in several samples. Each of these parts is an
    Utterance of its own, and the reference clips are repeated in each.
    """

    #: of the sample: `mead/M003/front/s009`; parts after the first end in `+p2`, `+p3`, ...
    key: str
    corpus: str
    speaker: str
    view: str
    sentence: str
    #: the words, if known
    text: str | None
    #: number of this part, from 1
    part: int
    #: number of parts
    parts: int
    #: by name
    clips: Mapping[str, UtteranceClip] = field(repr=False)
    _pairs: Sequence[Mapping[str, Any]] = field(repr=False)
    #: the sample, whichever schema it has
    stored: StoredSample = field(repr=False)
    _decisions: Callable[[str], Decisions] | None = field(default=None, repr=False)

    def pairs(
        self, source: str | None = None, target: str | None = None, accepted: bool | None = True
    ) -> list[Pair]:
        """Return pairs in the order stored.

        The pairs.parquet of the dataset decides what is accepted. A stream of tars alone uses the
        decisions at the time of writing.

        Args:
            source: emotion of the source clip, in any spelling; any emotion by default.
            target: emotion of the target clip, likewise.
            accepted: True for the pairs that passed every gate, False for the rejected ones, None
                for both.

        Raises:
            ValueError: `source` or `target` cannot be the label of an emotion.
        """
        source = None if source is None else emotion_label(source)
        target = None if target is None else emotion_label(target)
        decisions = self._decisions(self.key) if self._decisions is not None else {}
        pairs = []
        for number, record in enumerate(self._pairs):
            source_clip, target_clip = self.clips[record["source"]], self.clips[record["target"]]
            if source not in (None, source_clip.emotion) or target not in (
                None,
                target_clip.emotion,
            ):
                continue
            decision = decisions.get(
                (source_clip.clip_id, target_clip.clip_id),
                Decision(record["accepted"], record["reason"]),
            )
            if accepted is None or decision.accepted == accepted:
                pairs.append(
                    Pair(
                        source_clip,
                        target_clip,
                        decision.accepted,
                        decision.reason,
                        self.stored,
                        number,
                    )
                )
        return pairs
