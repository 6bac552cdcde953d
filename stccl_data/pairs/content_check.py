"""The content check: do two clips say one sentence?

The cost of a single pair is weak evidence: loud clips cost more against anything. So all clips of a
speaker are judged together, by how they sound (or move) beside each other. `comparison` computes
the costs, `content_model` holds the statistics, docs/alignment.md what they measure.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import AlignConfig, alignable_span
from stccl_data.alignment.dtw import distances
from stccl_data.alignment.feature_sequence import feature_sequence
from stccl_data.alignment.modes import resolve_mode
from stccl_data.clip import Clip
from stccl_data.errors import ClipError
from stccl_data.features.signals import Signals
from stccl_data.pairs.comparison import Spelling, open_ended_cost, phoneme_cost, spell
from stccl_data.pairs.content_model import (
    Array,
    Comparisons,
    ContentConfig,
    infer,
    pair_probability,
)
from stccl_data.pairs.gates import MIN_CONTENT_SCORE

#: A sentence is suggested for a mislabelled clip above this belief.
_MIN_SUGGESTION = 0.9
#: A doubtful clip is compared with this many clips of every sentence of the speaker.
_SEARCH_CLIPS = 3
#: Seconds kept before and after the speech.
_SPEECH_MARGIN_S = 0.05

#: Bump when the same clips give different scores: stored checks are then made again.
SCHEMA = 6

#: What clips are compared by.
Kind = Literal["audio", "visual"]


@dataclass(frozen=True, slots=True)
class ContentScore:
    """Whether the two clips of a pair say one sentence."""

    #: clip ids
    source: str
    target: str
    #: probability in [0, 1] that both say one sentence; NaN if they cannot be compared
    score: float
    #: cost of the pair by cepstra or mouth, on the grid of the content check
    cost: float
    #: no clip of another sentence was available, so the score rests on general assumptions
    weak: bool


@dataclass(frozen=True, slots=True)
class ClipContent:
    """What the other clips say about the label of one clip."""

    clip_id: str
    #: probability that the label is right; NaN if nothing was compared
    trust: float
    #: another sentence of the speaker that fits far better, or None
    suggested_sentence: str | None
    #: number of clips that it was compared with
    compared: int

    @property
    def probably_mislabelled(self) -> bool:
        return self.compared > 0 and self.trust < MIN_CONTENT_SCORE


@dataclass(frozen=True, slots=True)
class ContentCheck:
    """The content check of one speaker and view."""

    #: one score per requested pair, in order
    pairs: list[ContentScore]
    #: by clip id
    clips: dict[str, ClipContent]


def score_pairs(
    signals: Mapping[str, Signals],
    clips: Mapping[str, Clip],
    pairs: Sequence[tuple[str, str]],
    config: ContentConfig | None = None,
) -> list[ContentScore]:
    """Return the pair scores of `check_content`."""
    return check_content(signals, clips, pairs, config).pairs


def check_content(
    signals: Mapping[str, Signals],
    clips: Mapping[str, Clip],
    pairs: Sequence[tuple[str, str]],
    config: ContentConfig | None = None,
    *,
    by: Kind | None = None,
) -> ContentCheck:
    """Check whether pairs of one speaker and view say one sentence, and which labels are wrong.

    Each clip is compared with at most `companions + impostors` others (and its partners), chosen by
    a hash of the names: the work grows linearly with the number of clips, and the result depends on
    neither order nor chance.

    Args:
        signals: by clip id, of every clip that could be read.
        clips: by clip id, with labels.
        pairs: clip ids to score.
        config: constants of the check.
        by: what to compare; by default the sound, or the mouth if a clip of the pair is silent.
    """
    config = config or ContentConfig()
    usable = {
        name: clips[name]
        for name in sorted(signals)
        if name in clips and clips[name].sentence is not None
    }
    kinds = [_kind(signals, pair, by) for pair in pairs]
    scores: dict[tuple[str, str], ContentScore] = {}
    verdicts = {name: ClipContent(name, float("nan"), None, 0) for name in usable}
    order: tuple[Kind, ...] = ("visual", "audio")  # the verdict by sound overrides that by mouth
    for kind in order:
        wanted = [
            pair
            for pair, pair_kind in zip(pairs, kinds, strict=True)
            if pair_kind == kind
            and all(name in usable and _is_comparable(signals[name], kind) for name in pair)
        ]
        if wanted:
            having = {
                name: clip for name, clip in usable.items() if _is_comparable(signals[name], kind)
            }
            check = _Speaker(having, signals, kind, config).check(wanted)
            scores.update({(score.source, score.target): score for score in check.pairs})
            verdicts.update(check.clips)
    nan = float("nan")
    return ContentCheck(
        [scores.get((a, b), ContentScore(a, b, nan, nan, True)) for a, b in pairs], verdicts
    )


def _kind(signals: Mapping[str, Signals], pair: tuple[str, str], by: Kind | None) -> str | None:
    """Return what a pair is compared by, or None if it cannot be compared."""
    try:
        return resolve_mode(signals[pair[0]], signals[pair[1]], by or "auto")
    except (ClipError, KeyError):
        return None


def _is_comparable(clip: Signals, kind: Kind) -> bool:
    """Return whether a clip has enough of what is compared to say anything about its sentence."""
    if (clip.speech if kind == "audio" else clip.mouth) is None:
        return False
    first, last = alignable_span(clip, kind)
    return last - first >= AlignConfig().min_span_s


class _Speaker:
    """The clips of one speaker, and the costs between them computed so far."""

    def __init__(
        self,
        clips: Mapping[str, Clip],
        signals: Mapping[str, Signals],
        kind: Kind,
        config: ContentConfig,
    ) -> None:
        self.names = list(clips)
        self.clips = [clips[name] for name in self.names]
        self.index = {name: k for k, name in enumerate(self.names)}
        self.config = config
        align_config = AlignConfig()
        self.penalty = align_config.side_penalty
        self.vectors = [
            _speaking(signals[name], kind, config.hop_s, align_config) for name in self.names
        ]
        self.spellings = _spellings([signals[name] for name in self.names], kind)
        self.expected = [config.cepstra if kind == "audio" else config.mouth]
        if self.spellings:
            self.expected.append(config.phonemes)
        #: by channel, those of `expected`
        self.costs: dict[tuple[int, int], tuple[float, ...]] = {}
        self.sentences = sorted({str(clip.sentence) for clip in self.clips})
        self.label = np.array([self.sentences.index(str(clip.sentence)) for clip in self.clips])

    def check(self, pairs: Sequence[tuple[str, str]]) -> ContentCheck:
        """Score the pairs and the labels of their clips."""
        members = sorted({self.index[name] for pair in pairs for name in pair})
        for a, b in pairs:
            self._compare(self.index[a], self.index[b])
        # Clips in no pair take part too: they supply evidence against the labels of others.
        for clip in range(len(self.names)):
            same = self.label == self.label[clip]
            self._compare_with(clip, same, self.config.companions)
            self._compare_with(clip, ~same, self.config.impostors)
        belief, evidence = self._infer()
        doubtful = [k for k in members if belief[k, self.label[k]] < MIN_CONTENT_SCORE]
        if doubtful and len(self.sentences) > 2:
            # Search all sentences of the speaker for the true one.
            for clip in doubtful:
                for sentence in range(len(self.sentences)):
                    self._compare_with(clip, self.label == sentence, _SEARCH_CLIPS)
            belief, evidence = self._infer()
        compared = np.bincount(np.array(list(self.costs)).ravel(), minlength=len(self.names))
        scores = []
        for a, b in pairs:
            i, j = self.index[a], self.index[b]
            edge = min(i, j), max(i, j)
            score = pair_probability(belief[i], belief[j], evidence[edge])
            cost = self.costs[edge][0]
            scores.append(ContentScore(a, b, score, cost, len(self.sentences) < 2))
        verdicts = {self.names[k]: self._verdict(k, belief[k], int(compared[k])) for k in members}
        return ContentCheck(scores, verdicts)

    def _verdict(self, clip: int, belief: Array, compared: int) -> ClipContent:
        best = int(belief[:-1].argmax())
        mislabelled = best != self.label[clip] and belief[best] > _MIN_SUGGESTION
        suggestion = self.sentences[best] if mislabelled else None
        return ClipContent(self.names[clip], float(belief[self.label[clip]]), suggestion, compared)

    def _compare_with(self, clip: int, among: NDArray[np.bool_], most: int) -> None:
        """Compare a clip with at most ``most`` of the clips ``among`` (n,).

        All sentences get the same number, or a clip might never meet those it belongs to.
        """
        others = [int(k) for k in np.flatnonzero(among) if k != clip]
        others.sort(key=lambda k: _rank(self.names[clip], self.names[k]))
        turn: dict[int, int] = {}
        met = Counter[int]()
        for other in others:
            turn[other] = met[self.label[other]]
            met[self.label[other]] += 1
        for other in sorted(others, key=turn.__getitem__)[:most]:
            self._compare(clip, other)

    def _compare(self, a: int, b: int) -> None:
        """Compute the costs of two clips, unless they are known."""
        i, j = min(a, b), max(a, b)
        if (i, j) in self.costs or i == j:
            return
        one, other = self.vectors[i], self.vectors[j]
        # Minutes of sound would fill the memory: use every n-th vector.
        stride = int(np.ceil(np.sqrt(len(one) * len(other) / self.config.max_cells)))
        cost = distances(one[::stride], other[::stride])
        costs = [open_ended_cost(cost, self.penalty)]
        if self.spellings:
            costs.append(phoneme_cost(self.spellings[i], self.spellings[j]))
        self.costs[i, j] = tuple(costs)

    def _infer(self) -> tuple[Array, dict[tuple[int, int], float]]:
        """Return the belief (n, sentences + 1) in each sentence, and the log odds of each pair."""
        edges = sorted(self.costs)
        first, second = np.array(edges).T
        emotion = np.array([clip.emotion for clip in self.clips])
        comparisons = Comparisons(
            first,
            second,
            costs=np.array([self.costs[edge] for edge in edges]),
            same_emotion=(emotion[first] == emotion[second]).astype(np.float64),
            impostor=self.label[first] != self.label[second],
        )
        result = infer(comparisons, self.label, len(self.sentences), self.config, self.expected)
        return result.belief, dict(zip(edges, result.evidence.tolist(), strict=True))


def _speaking(clip: Signals, kind: Kind, hop: float, config: AlignConfig) -> NDArray[np.float32]:
    """Return the clip's vectors (n, D) during speech; silence is alike in all clips."""
    sequence = feature_sequence(clip, kind, hop, config.mouth_weight)
    if kind == "visual" or clip.speech is None:
        return sequence.vectors
    first, last = clip.speech.span
    inside = (sequence.grid > first - _SPEECH_MARGIN_S) & (sequence.grid < last + _SPEECH_MARGIN_S)
    return sequence.vectors[inside]


def _spellings(clips: Sequence[Signals], kind: Kind) -> list[Spelling]:
    """Return the phonemes of all clips; none if any clip lacks them, or for silent clips."""
    phonemes = [clip.phonemes for clip in clips if clip.phonemes is not None]
    if kind == "visual" or len(phonemes) < len(clips):
        return []
    return [spell(features) for features in phonemes]


def _rank(a: str, b: str) -> bytes:
    """Return a sort key that is the same for (a, b) and (b, a) and depends on the names only."""
    return hashlib.sha256("\0".join(sorted((a, b))).encode()).digest()
