"""The statistics of the content check on costs drawn from the model itself."""

from dataclasses import replace

import numpy as np
import pytest

from stccl_data.pairs.content_model import (
    Comparisons,
    ContentConfig,
    CostModel,
    fit_costs,
    fit_uncertainty,
    infer,
    pair_evidence,
    pair_probability,
)

CONFIG = ContentConfig()
CEPSTRA = CONFIG.cepstra


def draw(n_sentences=6, takes=7, wrong=0.0, seed=0, spread=0.033, same_spread=0.1):
    """Return comparisons of all clips, the labels, and the true sentences."""
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(n_sentences), takes)
    labels = np.where(rng.random(len(true)) < wrong, rng.integers(0, n_sentences, len(true)), true)
    first, second = np.triu_indices(len(true), 1)
    clip = rng.normal(0, 0.03, len(true))
    same = true[first] == true[second]
    noise = rng.normal(0, np.where(same, same_spread, spread))
    cost = 1.05 + clip[first] + clip[second] - 0.2 * same + noise
    emotion = np.tile(np.arange(takes), n_sentences)
    pairs = Comparisons(
        first,
        second,
        cost[:, None],
        (emotion[first] == emotion[second]).astype(float),
        labels[first] != labels[second],
    )
    return pairs, labels, true


def model(drop=0.2, spread=0.04, same_spread=0.1):
    return CostModel(1.0, drop, 0.0, np.zeros(2), spread, same_spread)


def test_evidence_never_rises_with_the_cost():
    excess = np.linspace(-0.6, 0.6, 500)
    ratio = model().log_likelihood_ratio(excess, np.zeros(500))
    assert (np.diff(ratio) <= 1e-12).all() and ratio[0] > 5 > 0 > ratio[-1]


def test_evidence_is_the_ratio_of_two_normal_densities_below_its_minimum():
    x, uncertainty = np.array([-0.3, -0.1, 0.0]), np.full(3, 0.01)
    one, two = 0.1**2 + 0.01, 0.04**2 + 0.01
    expected = 0.5 * (x**2 / two - (x + 0.2) ** 2 / one + np.log(two / one))
    np.testing.assert_allclose(model().log_likelihood_ratio(x, uncertainty), expected)


def test_evidence_shrinks_with_uncertainty():
    x = np.array([-0.2])
    known = model().log_likelihood_ratio(x, np.zeros(1))
    unknown = model().log_likelihood_ratio(x, np.full(1, 0.02))
    assert 0 < unknown[0] < known[0]


def test_no_pair_speaks_more_than_the_limits_allow():
    evidence = pair_evidence(np.array([-1e3, 0.0, 1e3]), CONFIG)
    assert evidence[2] == CONFIG.most_evidence
    assert evidence[0] == pytest.approx(np.log(CONFIG.miss_share))


def test_the_fit_recovers_the_terms_of_the_model():
    pairs, _, true = draw(n_sentences=8, takes=8)
    same = (true[pairs.first] == true[pairs.second]).astype(float)
    fitted = CostModel(
        CEPSTRA.unlike,
        CEPSTRA.drop,
        CEPSTRA.same_emotion,
        np.zeros(len(true)),
        CEPSTRA.spread,
        CEPSTRA.same_spread,
    )
    for _ in range(5):
        fitted = fit_costs(pairs, pairs.costs[:, 0], same, fitted, CEPSTRA)
    assert fitted.base + 2 * fitted.clip.mean() == pytest.approx(1.05, abs=0.02)
    assert fitted.drop == pytest.approx(0.2, abs=0.02)
    assert fitted.spread == pytest.approx(0.033, abs=0.005)
    assert fitted.same_spread == pytest.approx(0.1, abs=0.02)


def test_few_impostors_leave_much_uncertain():
    pairs, _, true = draw()
    some = fit_uncertainty(pairs, len(true), model(), CEPSTRA)
    none = fit_uncertainty(
        replace(pairs, impostor=np.zeros_like(pairs.impostor)), len(true), model(), CEPSTRA
    )
    assert none.min() == pytest.approx(2 * CEPSTRA.clip_spread**2 + CEPSTRA.base_spread**2)
    assert some.max() < 0.1 * none.min()


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_are_found_and_right_ones_believed(seed):
    pairs, labels, true = draw(wrong=0.15, seed=seed)
    belief = infer(pairs, labels, 6, CONFIG, [CEPSTRA]).belief
    trusted = belief[np.arange(len(labels)), labels] >= 0.5
    np.testing.assert_array_equal(trusted, labels == true)
    assert (belief[:, :-1].argmax(axis=1) == true).all()


@pytest.mark.parametrize("trust", [0.1, 0.4, 0.9])
def test_no_pair_is_surer_than_its_clips(trust):
    certain, doubted = np.array([1.0, 0.0, 0.0]), np.array([trust, 0.0, 1 - trust])
    assert pair_probability(certain, doubted, 6.0) == pytest.approx(trust)
    assert pair_probability(doubted, certain, -2.0) < trust


def test_two_clips_of_one_sentence_agree_whatever_their_labels():
    other = np.array([0.0, 1.0, 0.0])
    assert pair_probability(other, other, -2.0) > 0.99


def test_the_probabilities_of_pairs_are_calibrated():
    """Over many small speakers whose sentences differ little, as the model draws them."""
    scores, right = [], []
    for seed in range(40):
        pairs, labels, true = draw(4, 3, wrong=0.15, seed=seed, spread=0.06, same_spread=0.12)
        result = infer(pairs, labels, 4, CONFIG, [CEPSTRA])
        asked = labels[pairs.first] == labels[pairs.second]
        score = [
            pair_probability(result.belief[i], result.belief[j], evidence)
            for i, j, evidence in zip(pairs.first, pairs.second, result.evidence, strict=True)
        ]
        scores.append(np.array(score)[asked])
        right.append((true[pairs.first] == true[pairs.second])[asked])
    score, truth = np.concatenate(scores), np.concatenate(right)
    bins = np.minimum((score * 10).astype(int), 9)
    error = sum(
        (bins == k).mean() * abs(score[bins == k].mean() - truth[bins == k].mean())
        for k in np.unique(bins)
    )
    assert error < 0.08
