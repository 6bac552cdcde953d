"""Do two clips say the same sentence? Decided from how all of a speaker's clips sound (or move) beside each other.

The cost of one pair is weak evidence: loud clips cost more against anything. So the costs between a speaker's clips are explained
together, by what each clip costs in general and by a drop for those of one sentence, learned from the speaker as well. What remains
is evidence for or against each pair, and each clip's sentence is voted on by many clips, whose own labels are doubted in the same
way (mean-field inference). docs/alignment.md derives it and says what it measures.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import AlignConfig, resolve_mode, sequence
from stccl_data.alignment.dtw import distances, warping_path
from stccl_data.clip import Clip
from stccl_data.errors import ClipError
from stccl_data.features.signals import Signals

#: A pair is accepted at this score or above: the odds are even. Scores are far from it on both sides.
MIN_CONTENT_SCORE = 0.5

#: Raise when the same clips come to be scored differently: stored scores of other schemas are then made again.
SCHEMA = 2

Array = NDArray[np.float64]
Kind = Literal["audio", "visual"]


@dataclass(frozen=True, slots=True)
class Expected:
    """What costs are expected to be before a speaker has been seen. All vectors have unit variance, which makes it about the same
    for every speaker; it is worth `pairs` pairs, so a speaker with some more is judged by his own."""

    unlike: float  # the cost of two sentences
    drop: float  # by which one sentence in two emotions costs less
    same_emotion: float  # what two clips of one emotion cost more (or, negative, less)
    spread: float  # of the costs around what explains them
    clip_spread: float  # of what clips cost in general
    pairs: float = 20.0


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """Every constant of the content check."""

    companions: int = 24  # clips of the same sentence that each clip is compared with, at most
    impostors: int = 24  # and of other sentences
    hop_s: float = 0.02  # a coarser grid than the alignment's: four times as fast, equally telling
    max_cells: int = 9_000_000  # two clips of a minute; of longer ones only every second, third... vector is compared
    label_trust: float = 0.95  # the share of labels that are right
    trust_clips: float = 10.0  # clips that this trust is worth; a speaker with more is believed as far as his labels prove right
    lone_trust: float = 0.7  # the same where a speaker has one sentence only: a score without impostors should not rest on labels
    votes: float = 8.0  # as many independent witnesses are the clips of a sentence worth, however many they are
    most_evidence: float = 4.0  # log odds that one pair may contribute
    audio: Expected = Expected(0.92, 0.17, -0.08, 0.07, 0.08)
    visual: Expected = Expected(0.9, 0.30, -0.08, 0.08, 0.08)
    iterations: int = 15


def key_values(config: ContentConfig) -> dict[str, Any]:
    """Return the constants as they enter the key of a stored check.

    `same_emotion` keeps its first name there, `kindred`, so that existing checks stay valid.
    """
    values = asdict(config)
    for kind in ("audio", "visual"):
        values[kind]["kindred"] = values[kind].pop("same_emotion")
    return values


@dataclass(frozen=True, slots=True)
class ContentScore:
    """`score`: in [0, 1], the probability that both clips say one sentence; NaN where they cannot be compared.
    `cost`: the pair's, on the content check's own grid.
    `weak`: no clip of another sentence was there to compare with, so the score rests on general assumptions."""

    source: str
    target: str
    score: float
    cost: float
    weak: bool


@dataclass(frozen=True, slots=True)
class ClipContent:
    """What the other clips say of one clip's label. `trust`: the probability that the label is right. `suggested_sentence`: the
    speaker's other sentence that fits far better, or None. `compared`: with how many clips."""

    clip_id: str
    trust: float
    suggested_sentence: str | None
    compared: int

    @property
    def probably_mislabelled(self) -> bool:
        return self.compared > 0 and self.trust < MIN_CONTENT_SCORE


@dataclass(frozen=True, slots=True)
class ContentCheck:
    """`pairs`: one score for each pair asked for, in order. `clips`: by clip id."""

    pairs: list[ContentScore]
    clips: dict[str, ClipContent]


def score_pairs(
    signals: Mapping[str, Signals],
    clips: Mapping[str, Clip],
    pairs: Sequence[tuple[str, str]],
    config: ContentConfig | None = None,
) -> list[ContentScore]:
    """The scores of `check_content` alone."""
    return check_content(signals, clips, pairs, config).pairs


def check_content(
    signals: Mapping[str, Signals],
    clips: Mapping[str, Clip],
    pairs: Sequence[tuple[str, str]],
    config: ContentConfig | None = None,
    *,
    by: Kind | None = None,
) -> ContentCheck:
    """All clips of one speaker and view that could be read; `pairs` of clip ids among them. `by`: audio, visual, or None for the
    sound where both clips of a pair have it and the mouth otherwise.

    Each clip is compared with at most `companions + impostors` others (and its partners), chosen by a hash of the names: the work
    grows with the number of clips, and the outcome depends neither on order nor on chance.
    """
    config = config or ContentConfig()
    usable = {
        name: clips[name]
        for name in sorted(signals)
        if name in clips and clips[name].sentence is not None
    }
    kinds = [_kind(signals, pair, by) for pair in pairs]
    scores: dict[tuple[str, str], ContentScore] = {}
    verdicts: dict[str, ClipContent] = {
        name: ClipContent(name, float("nan"), None, 0) for name in usable
    }
    for kind in (
        "visual",
        "audio",
    ):  # audio last: where a clip has both, its verdict is the sound's
        wanted = [
            pair
            for pair, has in zip(pairs, kinds, strict=True)
            if has == kind and set(pair) <= set(usable)
        ]
        if wanted:
            able = [
                n
                for n in usable
                if (signals[n].speech if kind == "audio" else signals[n].mouth) is not None
            ]
            found = _Speaker({n: usable[n] for n in able}, signals, kind, config).check(wanted)
            scores.update({(s.source, s.target): s for s in found.pairs})
            verdicts.update(found.clips)
    nothing = float("nan")
    return ContentCheck(
        [scores.get((a, b), ContentScore(a, b, nothing, nothing, True)) for a, b in pairs], verdicts
    )


def _kind(signals: Mapping[str, Signals], pair: tuple[str, str], by: Kind | None) -> str | None:
    try:
        return resolve_mode(signals[pair[0]], signals[pair[1]], by or "auto")
    except (ClipError, KeyError):
        return None


class _Speaker:
    """The clips of one speaker and the costs between them, as far as they have been needed."""

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
        self.expected = config.audio if kind == "audio" else config.visual
        align_config = AlignConfig()
        self.penalty = align_config.side_penalty
        self.vectors = [
            _speaking(signals[name], kind, config.hop_s, align_config) for name in self.names
        ]
        self.costs: dict[tuple[int, int], float] = {}
        self.sentences = sorted({str(clip.sentence) for clip in self.clips})
        self.label = np.array([self.sentences.index(str(clip.sentence)) for clip in self.clips])

    def check(self, pairs: Sequence[tuple[str, str]]) -> ContentCheck:
        members = sorted({self.index[name] for pair in pairs for name in pair})
        for a, b in pairs:
            self._compare(self.index[a], self.index[b])
        for clip in range(
            len(self.names)
        ):  # those in no pair too: they are who doubts the others' labels
            same = self.label == self.label[clip]
            self._compare_with(clip, same, self.config.companions)
            self._compare_with(clip, ~same, self.config.impostors)
        belief, evidence = self._infer()
        doubtful = [k for k in members if belief[k, self.label[k]] < MIN_CONTENT_SCORE]
        if (
            doubtful and len(self.sentences) > 2
        ):  # look for their true sentence among all of the speaker's
            for clip in doubtful:
                for sentence in range(len(self.sentences)):
                    self._compare_with(clip, self.label == sentence, 3)
            belief, evidence = self._infer()
        compared = np.bincount(np.array(list(self.costs)).ravel(), minlength=len(self.names))
        scores = []
        for a, b in pairs:
            i, j = self.index[a], self.index[b]
            edge = min(i, j), max(i, j)
            score = float(_posterior((belief[i, :-1] * belief[j, :-1]).sum(), evidence[edge]))
            scores.append(ContentScore(a, b, score, self.costs[edge], len(self.sentences) < 2))
        return ContentCheck(
            scores, {self.names[k]: self._verdict(k, belief[k], int(compared[k])) for k in members}
        )

    def _prior(self, trust: float) -> Array:
        """(n, sentences + 1): each clip's label is right with probability `trust`, or else any other, or none, alike."""
        n, m = len(self.names), len(self.sentences)
        prior = np.full((n, m + 1), (1 - trust) / m)
        prior[np.arange(n), self.label] = trust
        return prior

    def _verdict(self, clip: int, belief: Array, compared: int) -> ClipContent:
        best = int(belief[:-1].argmax())
        other = self.sentences[best] if best != self.label[clip] and belief[best] > 0.9 else None
        return ClipContent(self.names[clip], float(belief[self.label[clip]]), other, compared)

    def _compare_with(self, clip: int, among: NDArray[np.bool_], most: int) -> None:
        others = [int(k) for k in np.flatnonzero(among) if k != clip]
        for other in sorted(others, key=lambda k: _rank(self.names[clip], self.names[k]))[:most]:
            self._compare(clip, other)

    def _compare(self, a: int, b: int) -> None:
        i, j = min(a, b), max(a, b)
        if (i, j) not in self.costs and i != j:
            one, other = self.vectors[i], self.vectors[j]
            thinner = int(
                np.ceil(np.sqrt(len(one) * len(other) / self.config.max_cells))
            )  # minutes of sound would fill the memory
            path, total = warping_path(
                distances(one[::thinner], other[::thinner]), side_penalty=self.penalty
            )
            self.costs[i, j] = total / len(path)

    def _infer(self) -> tuple[Array, dict[tuple[int, int], float]]:
        """Belief (n, sentences + 1) in each clip's sentence, the last column for none of these, and the log odds of each pair."""
        c, edges = self.config, sorted(self.costs)
        i, j = np.array(edges).T
        cost = np.array([self.costs[edge] for edge in edges])
        emotion = np.array([clip.emotion for clip in self.clips])
        same_emotion = (emotion[i] == emotion[j]).astype(np.float64)
        n, m = len(self.names), len(self.sentences)
        trust = c.label_trust if m > 1 else c.lone_trust
        prior = self._prior(trust)
        expected = self.expected
        belief = prior.copy()
        explained = _Explained(
            expected.unlike, expected.drop, expected.same_emotion, np.zeros(n), expected.spread
        )
        evidence = np.zeros(len(edges))
        for _ in range(c.iterations):
            same = _posterior((belief[i, :m] * belief[j, :m]).sum(axis=1), evidence)
            explained = _explain(
                cost, i, j, same_emotion, self.label[i] != self.label[j], same, explained, expected
            )
            excess = cost - explained.unlike(i, j, same_emotion)
            evidence = -explained.drop * (2 * excess + explained.drop) / (2 * explained.spread**2)
            evidence = np.clip(evidence, -c.most_evidence, c.most_evidence)
            votes, voters = np.zeros((n, m)), np.zeros((n, m))
            for one, other in ((i, j), (j, i)):
                np.add.at(votes, one, belief[other, :m] * evidence[:, None])
                np.add.at(voters, one, belief[other, :m])
            votes *= np.minimum(1, c.votes / np.maximum(voters, 1e-9))
            log = np.log(prior) + np.pad(votes, ((0, 0), (0, 1)))
            new = np.exp(log - log.max(axis=1, keepdims=True))
            belief = (belief + new / new.sum(axis=1, keepdims=True)) / 2
            if m > 1:  # the labels are believed as far as they have proved right
                kept = float(belief[np.arange(n), self.label].sum())
                prior = self._prior((c.label_trust * c.trust_clips + kept) / (c.trust_clips + n))
        return belief, dict(zip(edges, evidence.tolist(), strict=True))


def _posterior(prior: Array, evidence: Array | float) -> Array:
    """The probability that is `prior` before evidence of that many log odds."""
    prior = np.clip(prior, 1e-6, 1 - 1e-6)
    return np.asarray(1 / (1 + np.exp(-np.log(prior / (1 - prior)) - evidence)))


@dataclass(frozen=True, slots=True)
class _Explained:
    """The terms that explain a cost.

    cost(i, j) = base + clip[i] + clip[j] + same_emotion [one emotion] - drop [one sentence] + noise
    """

    base: float
    drop: float
    same_emotion: float
    clip: Array
    spread: float

    def unlike(self, i: NDArray[np.intp], j: NDArray[np.intp], same_emotion: Array) -> Array:
        return np.asarray(
            self.base + self.clip[i] + self.clip[j] + self.same_emotion * same_emotion
        )


def _explain(
    cost: Array,
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    same_emotion: Array,
    impostor: NDArray[np.bool_],
    same: Array,
    last: _Explained,
    expected: Expected,
) -> _Explained:
    """The fit by ridge regression towards the assumptions, outliers weighted down (Huber) by the last fit."""
    n, k = len(last.clip), expected.pairs
    weight = 1 / np.maximum(
        1, np.abs(cost - last.unlike(i, j, same_emotion) + last.drop * same) / (2 * last.spread)
    )
    common = np.stack(
        [np.ones(len(cost)), -same, same_emotion]
    )  # the rest of the design is a one for i and a one for j in each row
    normal, right = np.zeros((n + 3, n + 3)), np.zeros(n + 3)
    normal[:3, :3], right[:3] = (common * weight) @ common.T, (common * weight) @ cost
    for one, other in ((i, j), (j, i)):
        np.add.at(normal, (3 + one, 3 + one), weight)
        np.add.at(normal, (3 + one, 3 + other), weight)
        right[3:] += np.bincount(one, weight * cost, n)
        normal[:3, 3:] += np.stack([np.bincount(one, weight * row, n) for row in common])
    normal[3:, :3] = normal[:3, 3:].T
    # What a clip costs in general shows in its impostors. Without any, a clip of another sentence would pass for a costly one.
    known = np.bincount(np.concatenate([i, j])[np.tile(impostor, 2)], minlength=n) > 2
    trust = np.concatenate(
        [[k, k, k], np.where(known, (last.spread / expected.clip_spread) ** 2, 1e9)]
    )
    assumed = np.concatenate([[expected.unlike, expected.drop, expected.same_emotion], np.zeros(n)])
    solution = np.linalg.solve(normal + np.diag(trust), right + trust * assumed)
    drop = max(float(solution[1]), expected.drop / 4)
    fitted = _Explained(float(solution[0]), drop, float(solution[2]), solution[3:], last.spread)
    rest = cost - fitted.unlike(i, j, same_emotion) + drop * same
    spread = float(np.sqrt(((weight * rest**2).sum() + k * expected.spread**2) / (len(cost) + k)))
    return _Explained(fitted.base, drop, fitted.same_emotion, fitted.clip, spread)


def _speaking(clip: Signals, kind: Kind, hop: float, config: AlignConfig) -> NDArray[np.float32]:
    """The clip's vectors (n, D) from shortly before it speaks to shortly after: silence is alike in all clips and says nothing."""
    found = sequence(clip, kind, hop, config)
    if kind == "visual" or clip.speech is None:
        return found.vectors
    first, last = clip.speech.span
    return found.vectors[(found.grid > first - 0.05) & (found.grid < last + 0.05)]


def _rank(a: str, b: str) -> bytes:
    """A fixed order of a clip's possible companions that no property of theirs has a part in; the same seen from both."""
    return hashlib.sha256("\0".join(sorted((a, b))).encode()).digest()
