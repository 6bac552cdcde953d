"""The statistical model of the content check: which clips of a speaker say one sentence.

Clips are compared by one or more channels (cepstra, phonemes, the mouth). In each, a cost is
explained by what the two clips cost in general and by a drop for pairs of one sentence. The rest is
evidence for or against each pair. Each clip's sentence is then voted on by the clips that it was
compared with, whose own labels are doubted in the same way (mean-field inference).
docs/alignment.md derives it and lists what it measures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Expected:
    """The costs of one channel that are expected before a speaker has been seen."""

    #: cost of two different sentences
    unlike: float
    #: by how much less one sentence costs, said in two emotions
    drop: float
    #: by how much more (negative: less) two clips of one emotion cost
    same_emotion: float
    #: standard deviation of the costs of two sentences, around what explains them
    spread: float
    #: standard deviation of the costs of one sentence; much larger, for emotions differ
    same_spread: float
    #: standard deviation of what clips cost in general
    clip_spread: float
    #: standard deviation of `unlike` over speakers, recordings and pairs of sentences
    base_spread: float
    #: weight of the channel's evidence; below 1, for channels hear the same sound
    weight: float = 0.7
    #: number of pairs that these values are worth: a speaker with some more is judged by their own
    pairs: float = 20.0


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """Every constant of the content check."""

    #: most clips of the same sentence that each clip is compared with
    companions: int = 24
    #: most clips of other sentences that each clip is compared with
    impostors: int = 24
    #: seconds; coarser than the alignment's grid: four times as fast, equally telling
    hop_s: float = 0.02
    #: cells of a cost matrix: two clips of a minute; of longer ones every n-th vector is compared
    max_cells: int = 9_000_000
    #: share of labels that are right
    label_trust: float = 0.95
    #: clips that `label_trust` is worth; with more, labels are trusted as far as they prove right
    trust_clips: float = 10.0
    #: `label_trust` of a speaker with one sentence: without impostors labels should decide little
    lone_trust: float = 0.7
    #: independent witnesses that the clips of a sentence are worth at most, however many they are
    votes: float = 6.0
    #: log odds that one pair may contribute
    most_evidence: float = 6.0
    #: log odds that one channel may contribute to a pair, before its weight
    channel_evidence: float = 5.0
    #: share of right pairs that cost as much as two sentences, whatever the reason
    miss_share: float = 0.1
    #: expected costs by cepstra (`open_ended_cost`)
    cepstra: Expected = Expected(1.0, 0.19, -0.05, 0.033, 0.10, 0.05, 0.07)
    #: expected costs by phonemes (`phoneme_cost`), nats per phoneme
    phonemes: Expected = Expected(3.1, 2.1, 0.0, 0.25, 0.75, 0.35, 0.25)
    #: expected costs by the mouth (`open_ended_cost`)
    mouth: Expected = Expected(0.9, 0.30, -0.08, 0.08, 0.12, 0.08, 0.07, weight=1.0)
    #: iterations of the mean-field inference
    iterations: int = 15


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The compared pairs of one speaker's clips: E pairs, a row each, by C channels."""

    #: (E,) index of one clip
    first: Index
    #: (E,) index of the other clip
    second: Index
    #: (E, C) float64, costs of the pair
    costs: Array
    #: (E,) float64, 1 if both clips have one emotion, or else 0
    same_emotion: Array
    #: (E,) bool, whether the labels name different sentences
    impostor: NDArray[np.bool_]

    def directions(self) -> Iterator[tuple[Index, Index]]:
        """Yield the pairs in both directions."""
        yield self.first, self.second
        yield self.second, self.first


@dataclass(frozen=True, slots=True)
class Inference:
    """What the comparisons say about n clips and E pairs."""

    #: (n, sentences + 1) float64, probability of each sentence; the last column: none of these
    belief: Array
    #: (E,) float64, log odds that the two clips say one sentence
    evidence: Array


@dataclass(frozen=True, slots=True)
class CostModel:
    """The terms that explain the costs of one channel.

    cost(i, j) = base + clip[i] + clip[j] + same_emotion [one emotion] - drop [one sentence] + noise
    """

    base: float
    drop: float
    same_emotion: float
    #: (n,) float64, what each clip costs in general
    clip: Array
    #: standard deviation of the noise between two sentences
    spread: float
    #: standard deviation of the noise within one sentence
    same_spread: float

    def excess(self, pairs: Comparisons, cost: Array) -> Array:
        """Return (E,) the costs, less what two different sentences are expected to cost."""
        clips = self.base + self.clip[pairs.first] + self.clip[pairs.second]
        return np.asarray(cost - clips - self.same_emotion * pairs.same_emotion)

    def log_likelihood_ratio(self, excess: Array, uncertainty: Array) -> Array:
        """Return ln p(excess | one sentence) - ln p(excess | two), never rising with the excess.

        Two normal distributions of different spread cross twice; beyond the minimum of their ratio
        a still higher cost would speak for one sentence again, so the ratio stays there.

        Args:
            excess: (E,) float64, see `excess`.
            uncertainty: (E,) float64, variance of the fitted terms, see `fit_uncertainty`.
        """
        two = self.spread**2 + uncertainty
        one = max(self.same_spread, 1.01 * self.spread) ** 2 + uncertainty
        excess = np.minimum(excess, self.drop * two / (one - two))
        distance = excess**2 / two - (excess + self.drop) ** 2 / one
        return np.asarray(0.5 * (distance + np.log(two / one)))


def infer(
    pairs: Comparisons,
    labels: NDArray[np.int_],
    n_sentences: int,
    config: ContentConfig,
    expected: Sequence[Expected],
) -> Inference:
    """Infer the sentence of each clip from the costs of all pairs.

    Args:
        pairs: the comparisons of one speaker's clips.
        labels: (n,) sentence of each clip by its label, below ``n_sentences``.
        n_sentences: number of different labels.
        config: the constants of the inference.
        expected: per channel, the costs expected before the speaker has been seen.
    """
    n, m = len(labels), n_sentences
    prior = _label_prior(labels, m, config.label_trust if m > 1 else config.lone_trust)
    belief = prior.copy()
    evidence = np.zeros(len(pairs.costs))
    models = [
        CostModel(e.unlike, e.drop, e.same_emotion, np.zeros(n), e.spread, e.same_spread)
        for e in expected
    ]
    for _ in range(config.iterations):
        agreement = (belief[pairs.first, :m] * belief[pairs.second, :m]).sum(axis=1)
        same = posterior(agreement, evidence)
        ratio = np.zeros(len(pairs.costs))
        for channel, e in enumerate(expected):
            cost = pairs.costs[:, channel]
            models[channel] = fit_costs(pairs, cost, same, models[channel], e)
            excess = models[channel].excess(pairs, cost)
            uncertainty = fit_uncertainty(pairs, n, models[channel], e)
            likelihood = models[channel].log_likelihood_ratio(excess, uncertainty)
            limit = config.channel_evidence
            ratio += e.weight * np.clip(likelihood, -limit, limit)
        evidence = pair_evidence(ratio, config)
        log = np.log(prior) + np.pad(_votes(pairs, belief[:, :m], evidence, config.votes), _NONE)
        new = np.exp(log - log.max(axis=1, keepdims=True))
        belief = (belief + new / new.sum(axis=1, keepdims=True)) / 2
        if m > 1:  # labels are trusted as far as they have proved right
            right = float(belief[np.arange(n), labels].sum())
            trust = (config.label_trust * config.trust_clips + right) / (config.trust_clips + n)
            prior = _label_prior(labels, m, trust)
    return Inference(belief, evidence)


#: "None of these" gets no votes.
_NONE = ((0, 0), (0, 1))


def pair_evidence(ratio: Array, config: ContentConfig) -> Array:
    """Return the log odds that a pair contributes, from its log likelihood ratio.

    A share of right pairs costs as much as two sentences (a whispered clip, a noise), so no cost
    speaks strongly against a pair; and no single pair decides alone.
    """
    miss = config.miss_share
    ratio = np.logaddexp(np.log1p(-miss) + ratio, np.log(miss))
    return np.asarray(np.clip(ratio, -config.most_evidence, config.most_evidence))


def posterior(prior: Array | float, evidence: Array | float) -> Array:
    """Return the probability ``prior`` updated by ``evidence`` in log odds."""
    prior = np.clip(prior, 1e-6, 1 - 1e-6)
    return np.asarray(1 / (1 + np.exp(-np.log(prior / (1 - prior)) - evidence)))


def pair_probability(first: Array, second: Array, evidence: float) -> float:
    """Return the probability that two clips say one sentence.

    No pair is surer than its clips: whatever the two have in common, they say sentence s together
    with at most the smaller of both probabilities of s (Fréchet's bound).

    Args:
        first: (sentences + 1,) float64, belief in each sentence of one clip, see `Inference`.
        second: the same of the other clip.
        evidence: log odds of the pair.
    """
    known_first, known_second = first[:-1], second[:-1]  # without "none of these"
    updated = posterior(known_first @ known_second, evidence)
    return float(min(updated, np.minimum(known_first, known_second).sum()))


def fit_costs(
    pairs: Comparisons, cost: Array, same: Array, last: CostModel, expected: Expected
) -> CostModel:
    """Fit the cost model by weighted ridge regression towards the expected values.

    Outliers of the last fit are weighted down (Huber).

    Args:
        pairs: the comparisons.
        cost: (E,) float64, their costs in this channel.
        same: (E,) float64, probability that the two clips say one sentence.
        last: the previous fit.
        expected: values that the fit is drawn to, worth `expected.pairs` pairs.
    """
    n, k = len(last.clip), expected.pairs
    residual = last.excess(pairs, cost) + last.drop * same
    variance = (1 - same) * last.spread**2 + same * last.same_spread**2
    weight = 1 / (variance * np.maximum(1, np.abs(residual) / (2 * np.sqrt(variance))))
    # The design matrix: three common columns, then a one for each of the two clips in each row.
    common = np.stack([np.ones(len(cost)), -same, pairs.same_emotion])
    normal, right = np.zeros((n + 3, n + 3)), np.zeros(n + 3)
    normal[:3, :3], right[:3] = (common * weight) @ common.T, (common * weight) @ cost
    for one, other in pairs.directions():
        normal[3 + one, 3 + other] = weight  # no two rows of `pairs` hold the same two clips
        normal[np.arange(3, n + 3), np.arange(3, n + 3)] += np.bincount(one, weight, n)
        right[3:] += np.bincount(one, weight * cost, n)
        normal[:3, 3:] += np.stack([np.bincount(one, weight * row, n) for row in common])
    normal[3:, :3] = normal[:3, 3:].T
    # What a clip costs in general shows in its impostors. Without any it is held at zero, or a clip
    # of another sentence would pass for a costly one.
    ends = np.concatenate([pairs.first, pairs.second])
    known = np.bincount(ends[np.tile(pairs.impostor, 2)], minlength=n) > 2
    stiffness = np.where(known, expected.clip_spread**-2, 1e9)
    base, drop = k / expected.spread**2, k / expected.same_spread**2
    ridge = np.concatenate([[base, drop, base], stiffness])
    assumed = np.concatenate([[expected.unlike, expected.drop, expected.same_emotion], np.zeros(n)])
    solution = np.linalg.solve(normal + np.diag(ridge), right + ridge * assumed)
    # A clip that costs still more says something else altogether: music, a hum, another language.
    solution[3:] = np.clip(solution[3:], -3 * expected.clip_spread, 3 * expected.clip_spread)
    fitted = CostModel(
        float(solution[0]),
        max(float(solution[1]), expected.drop / 4),
        float(solution[2]),
        solution[3:],
        last.spread,
        last.same_spread,
    )
    excess = fitted.excess(pairs, cost)
    spread = _pooled_spread(excess, 1 - same, expected.spread, 4, k)
    same_spread = _pooled_spread(excess + fitted.drop, same, expected.same_spread, 2.5, k)
    return CostModel(
        fitted.base, fitted.drop, fitted.same_emotion, fitted.clip, spread, same_spread
    )


def fit_uncertainty(pairs: Comparisons, n: int, model: CostModel, expected: Expected) -> Array:
    """Return (E,) the variance of what is expected of each pair.

    What clips and speakers cost in general is learned from impostors; with few of them it is
    hardly known, and costs say less.
    """
    impostors = pairs.impostor.astype(np.float64)
    per_clip = np.bincount(pairs.first, impostors, n) + np.bincount(pairs.second, impostors, n)
    noise = model.spread**2
    clip = expected.clip_spread**2 * noise / (noise + per_clip * expected.clip_spread**2)
    base = expected.base_spread**2 * noise
    base /= noise + impostors.sum() * expected.base_spread**2
    return np.asarray(base + clip[pairs.first] + clip[pairs.second])


def _pooled_spread(
    residual: Array, weight: Array, expected: float, most: float, pairs: float
) -> float:
    """Return a standard deviation, drawn to ``expected`` as by so many ``pairs``.

    Residuals count as at most ``most`` expected deviations.
    """
    squares = weight * np.minimum(residual**2, (most * expected) ** 2)
    return float(np.sqrt((squares.sum() + pairs * expected**2) / (weight.sum() + pairs)))


def _votes(pairs: Comparisons, belief: Array, evidence: Array, most: float) -> Array:
    """Return (n, sentences) log odds for each sentence from the clips believed to say it.

    The clips of a sentence share an actor, a room and a way to read it, so they count as at most
    ``most`` independent witnesses.
    """
    # Imported here: it takes 0.1 s to load, and a run with nothing left to do needs none of it.
    from scipy.sparse import coo_array

    n = len(belief)
    ends = (
        np.concatenate([pairs.first, pairs.second]),
        np.concatenate([pairs.second, pairs.first]),
    )
    votes = coo_array((np.tile(evidence, 2), ends), (n, n)).tocsr() @ belief
    voters = coo_array((np.ones(2 * len(evidence)), ends), (n, n)).tocsr() @ belief
    return np.asarray(votes * np.minimum(1, most / np.maximum(voters, 1e-9)))


def _label_prior(labels: NDArray[np.int_], n_sentences: int, trust: float) -> Array:
    """Return (n, sentences + 1): each label is right with probability ``trust``.

    The rest is shared equally by the other sentences and none of these.
    """
    prior = np.full((len(labels), n_sentences + 1), (1 - trust) / n_sentences)
    prior[np.arange(len(labels)), labels] = trust
    return prior
