"""The statistical model of the content check: which clips of a speaker say one sentence.

The costs between the speaker's clips are explained by what each clip costs in general and by a drop
for pairs of one sentence. The rest is evidence for or against each pair. Each clip's sentence is
then voted on by the clips that it was compared with, whose own labels are doubted in the same way
(mean-field inference). docs/alignment.md derives it and lists what it measures.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Expected:
    """The costs expected before a speaker has been seen.

    All vectors have unit variance, which makes the costs about the same for every speaker.
    """

    #: cost of two different sentences
    unlike: float
    #: by how much less one sentence costs, said in two emotions
    drop: float
    #: by how much more (negative: less) two clips of one emotion cost
    same_emotion: float
    #: standard deviation of a cost around what explains it
    spread: float
    #: standard deviation of what clips cost in general
    clip_spread: float
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
    votes: float = 8.0
    #: log odds that one pair may contribute
    most_evidence: float = 4.0
    #: expected costs by sound
    audio: Expected = Expected(0.92, 0.17, -0.08, 0.07, 0.08)
    #: expected costs by mouth
    visual: Expected = Expected(0.9, 0.30, -0.08, 0.08, 0.08)
    #: iterations of the mean-field inference
    iterations: int = 15


def key_values(config: ContentConfig) -> dict[str, Any]:
    """Return the constants as they enter the key of a stored check.

    There `same_emotion` keeps its first name, `kindred`, so that existing checks stay valid.
    """
    values = asdict(config)
    for kind in ("audio", "visual"):
        values[kind]["kindred"] = values[kind].pop("same_emotion")
    return values


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The compared pairs of one speaker's clips: E pairs, a row each."""

    #: (E,) index of one clip
    first: Index
    #: (E,) index of the other clip
    second: Index
    #: (E,) float64, cost of the pair
    cost: Array
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
    """The terms that explain a cost.

    cost(i, j) = base + clip[i] + clip[j] + same_emotion [one emotion] - drop [one sentence] + noise
    """

    base: float
    drop: float
    same_emotion: float
    #: (n,) float64, what each clip costs in general
    clip: Array
    #: standard deviation of the noise
    spread: float

    def impostor_cost(self, pairs: Comparisons) -> Array:
        """Return (E,) the costs expected of two different sentences."""
        clips = self.base + self.clip[pairs.first] + self.clip[pairs.second]
        return np.asarray(clips + self.same_emotion * pairs.same_emotion)


def infer(
    pairs: Comparisons,
    labels: NDArray[np.int_],
    n_sentences: int,
    config: ContentConfig,
    expected: Expected,
) -> Inference:
    """Infer the sentence of each clip from the costs of all pairs.

    Args:
        pairs: the comparisons of one speaker's clips.
        labels: (n,) sentence of each clip by its label, below ``n_sentences``.
        n_sentences: number of different labels.
        config: the constants of the inference.
        expected: costs expected before the speaker has been seen.
    """
    n, m = len(labels), n_sentences
    prior = _label_prior(labels, m, config.label_trust if m > 1 else config.lone_trust)
    belief = prior.copy()
    evidence = np.zeros(len(pairs.cost))
    model = CostModel(
        expected.unlike, expected.drop, expected.same_emotion, np.zeros(n), expected.spread
    )
    for _ in range(config.iterations):
        agreement = (belief[pairs.first, :m] * belief[pairs.second, :m]).sum(axis=1)
        model = fit_costs(pairs, posterior(agreement, evidence), model, expected)
        excess = pairs.cost - model.impostor_cost(pairs)
        evidence = -model.drop * (2 * excess + model.drop) / (2 * model.spread**2)
        evidence = np.clip(evidence, -config.most_evidence, config.most_evidence)
        votes, voters = np.zeros((n, m)), np.zeros((n, m))
        for clip, voter in pairs.directions():
            np.add.at(votes, clip, belief[voter, :m] * evidence[:, None])
            np.add.at(voters, clip, belief[voter, :m])
        votes *= np.minimum(1, config.votes / np.maximum(voters, 1e-9))
        log = np.log(prior) + np.pad(votes, ((0, 0), (0, 1)))
        new = np.exp(log - log.max(axis=1, keepdims=True))
        belief = (belief + new / new.sum(axis=1, keepdims=True)) / 2
        if m > 1:  # labels are trusted as far as they have proved right
            right = float(belief[np.arange(n), labels].sum())
            trust = (config.label_trust * config.trust_clips + right) / (config.trust_clips + n)
            prior = _label_prior(labels, m, trust)
    return Inference(belief, evidence)


def posterior(prior: Array | float, evidence: Array | float) -> Array:
    """Return the probability ``prior`` updated by ``evidence`` in log odds."""
    prior = np.clip(prior, 1e-6, 1 - 1e-6)
    return np.asarray(1 / (1 + np.exp(-np.log(prior / (1 - prior)) - evidence)))


def fit_costs(pairs: Comparisons, same: Array, last: CostModel, expected: Expected) -> CostModel:
    """Fit the cost model by ridge regression towards the expected values.

    Outliers of the last fit are weighted down (Huber).

    Args:
        pairs: the comparisons.
        same: (E,) float64, probability that the two clips say one sentence.
        last: the previous fit.
        expected: values that the fit is drawn to, worth `expected.pairs` pairs.
    """
    n, k = len(last.clip), expected.pairs
    residual = pairs.cost - last.impostor_cost(pairs) + last.drop * same
    weight = 1 / np.maximum(1, np.abs(residual) / (2 * last.spread))
    # The design matrix: three common columns, then a one for each of the two clips in each row.
    common = np.stack([np.ones(len(pairs.cost)), -same, pairs.same_emotion])
    normal, right = np.zeros((n + 3, n + 3)), np.zeros(n + 3)
    normal[:3, :3], right[:3] = (common * weight) @ common.T, (common * weight) @ pairs.cost
    for one, other in pairs.directions():
        np.add.at(normal, (3 + one, 3 + one), weight)
        np.add.at(normal, (3 + one, 3 + other), weight)
        right[3:] += np.bincount(one, weight * pairs.cost, n)
        normal[:3, 3:] += np.stack([np.bincount(one, weight * row, n) for row in common])
    normal[3:, :3] = normal[:3, 3:].T
    # What a clip costs in general shows in its impostors. Without any it is held at zero, or a clip
    # of another sentence would pass for a costly one.
    ends = np.concatenate([pairs.first, pairs.second])
    known = np.bincount(ends[np.tile(pairs.impostor, 2)], minlength=n) > 2
    stiffness = np.where(known, (last.spread / expected.clip_spread) ** 2, 1e9)
    ridge = np.concatenate([[k, k, k], stiffness])
    assumed = np.concatenate([[expected.unlike, expected.drop, expected.same_emotion], np.zeros(n)])
    solution = np.linalg.solve(normal + np.diag(ridge), right + ridge * assumed)
    drop = max(float(solution[1]), expected.drop / 4)
    fitted = CostModel(float(solution[0]), drop, float(solution[2]), solution[3:], last.spread)
    rest = pairs.cost - fitted.impostor_cost(pairs) + drop * same
    squares = (weight * rest**2).sum() + k * expected.spread**2
    spread = float(np.sqrt(squares / (len(pairs.cost) + k)))
    return CostModel(fitted.base, drop, fitted.same_emotion, fitted.clip, spread)


def _label_prior(labels: NDArray[np.int_], n_sentences: int, trust: float) -> Array:
    """Return (n, sentences + 1): each label is right with probability ``trust``.

    The rest is shared equally by the other sentences and none of these.
    """
    prior = np.full((len(labels), n_sentences + 1), (1 - trust) / n_sentences)
    prior[np.arange(len(labels)), labels] = trust
    return prior
