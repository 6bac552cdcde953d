"""The content check on a synthetic speaker: two sentences, five emotions, some wrong labels."""

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from stccl_data.clip import Clip
from stccl_data.features.phonemes import phoneme_features
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features
from stccl_data.pairs import content_check
from stccl_data.pairs.content_check import _Speaker, check_content, score_pairs
from stccl_data.pairs.content_model import ContentConfig
from stccl_data.pairs.gates import MIN_CONTENT_SCORE
from tests.testing import speech as voice

SENTENCES = {"one": "aisouesai", "two": "uoseiasou"}
EMOTIONS = ("neutral", "happy", "sad", "angry", "fear")


@cache
def spoken(sounds, lengths, e, take):
    """Return the signals of one synthetic clip in the e-th emotion."""
    samples, _ = voice.say(
        sounds, lengths, pitch=110 + 20 * e, gain=0.1 + 0.15 * e, noise=2e-3, seed=e * 7 + take
    )
    speech = speech_features(samples, voice.RATE)
    return Signals(speech, phonemes=phoneme_features(samples, voice.RATE, speech))


def speaker(wrong=(), takes=2, without=()):
    """Return signals and clips by id.

    Args:
        wrong: ids of clips labelled with the other sentence.
        takes: per sentence and emotion.
        without: labels (emotion, sentence) to leave out.
    """
    signals, clips = {}, {}
    for s, (sentence, sounds) in enumerate(SENTENCES.items()):
        for e, emotion in enumerate(EMOTIONS):
            for take in range(1, takes + 1):
                name = f"{sentence}-{emotion}-{take}"
                rng = np.random.default_rng([s, e, take])
                lengths = 0.14 * (0.8 + 0.15 * e) * rng.uniform(0.7, 1.4, len(sounds))
                label = (
                    sentence
                    if name not in wrong
                    else next(other for other in SENTENCES if other != sentence)
                )
                if (emotion, label) not in without:
                    signals[name] = spoken(sounds, tuple(lengths), e, take)
                    clips[name] = Clip(
                        clip_id=name,
                        corpus="own",
                        speaker="S",
                        emotion=emotion,
                        sentence=label,
                        take=take,
                        path=name,
                    )
    return signals, clips


def neutral_pairs(clips):
    return [
        (a, b)
        for a in clips
        for b in clips
        if clips[a].emotion == "neutral"
        and clips[b].emotion != "neutral"
        and clips[a].sentence == clips[b].sentence
    ]


@pytest.mark.parametrize(
    "without", [(), (("neutral", "two"),)], ids=["both neutral", "one neutral missing"]
)
def test_exactly_the_mislabelled_clips_are_found_and_their_pairs_refused(without):
    wrong = {"one-angry-1", "two-sad-2"}
    signals, clips = speaker(wrong, without=without)
    pairs = neutral_pairs(clips)
    check = check_content(signals, clips, pairs)
    for pair, score in zip(pairs, check.pairs, strict=True):
        assert (score.score < MIN_CONTENT_SCORE) == bool(wrong & set(pair)), score
        assert not score.weak
    assert {name for name, clip in check.clips.items() if clip.probably_mislabelled} == wrong & {
        n for p in pairs for n in p
    }
    assert check.clips["two-sad-2"].suggested_sentence == "two"


def test_a_clip_too_short_to_align_is_not_said_to_be_mislabelled():
    signals, clips = speaker()
    samples, _ = voice.say("a", [0.4])
    middle = samples[len(samples) // 2 :][: voice.RATE // 5]
    signals["one-angry-1"] = Signals(speech_features(middle, voice.RATE))
    pairs = neutral_pairs(clips)
    check = check_content(signals, clips, pairs)
    assert not any(clip.probably_mislabelled for clip in check.clips.values())
    unchecked = {pair for pair, s in zip(pairs, check.pairs, strict=True) if np.isnan(s.score)}
    assert unchecked == {pair for pair in pairs if "one-angry-1" in pair}


def test_every_pair_is_judged_correctly_with_four_labels_in_ten_wrong():
    names = [
        f"{sentence}-{emotion}-{take}"
        for sentence in SENTENCES
        for emotion in EMOTIONS
        for take in (1, 2, 3)
    ]
    wrong = set(random.Random(5).sample(names, 4 * len(names) // 10))
    signals, clips = speaker(wrong, takes=3)
    pairs = neutral_pairs(clips)
    for pair, score in zip(pairs, score_pairs(signals, clips, pairs), strict=True):
        assert (score.score < MIN_CONTENT_SCORE) == ((pair[0] in wrong) != (pair[1] in wrong)), (
            score
        )


def test_scores_do_not_depend_on_the_order_of_clips_or_pairs():
    signals, clips = speaker({"one-angry-1"})
    pairs = neutral_pairs(clips)
    config = ContentConfig(companions=3, impostors=3)
    first = {(s.source, s.target): s.score for s in score_pairs(signals, clips, pairs, config)}
    names = list(clips)
    random.Random(1).shuffle(names)
    again = score_pairs(
        {n: signals[n] for n in names}, {n: clips[n] for n in names}, pairs[::-1], config
    )
    assert first == {(s.source, s.target): s.score for s in again}


def test_the_number_of_comparisons_is_limited(monkeypatch):
    calls = []
    kernel = content_check.open_ended_cost
    monkeypatch.setattr(
        content_check, "open_ended_cost", lambda *a, **k: calls.append(1) or kernel(*a, **k)
    )
    signals, clips = speaker(takes=2)
    check_content(
        signals, clips, neutral_pairs(clips)[:1], ContentConfig(companions=2, impostors=2)
    )
    assert len(calls) <= 1 + 4 * len(clips)


def test_without_impostors_a_clip_of_another_sentence_is_refused_and_the_scores_are_weak():
    signals, clips = speaker(takes=1)
    names = [name for name in clips if name.startswith("one")]
    other = replace(clips["one-angry-1"], clip_id="other", sentence="one")
    clips["other"] = other
    signals["other"] = spoken("uesesuuseu", (0.12,) * 10, 3, 9)
    pairs = [("one-neutral-1", name) for name in [*names[1:], "other"]]
    lone = {name: clips[name] for name in [*names, "other"]}
    scores = {s.target: s for s in score_pairs({n: signals[n] for n in lone}, lone, pairs)}
    assert all(score.weak for score in scores.values())
    refused = {name for name, score in scores.items() if score.score < MIN_CONTENT_SCORE}
    assert refused == {"other"}


def test_impostors_are_drawn_from_all_sentences():
    signals, clips = speaker(takes=2)
    names = [name for name in clips if name.startswith("one")]
    few = {name: replace(clips[name], sentence="three") for name in names[-2:]}
    labelled = {**clips, **few}  # 10 clips of "two", 8 of "one", 2 of "three"
    made = _Speaker(labelled, signals, "audio", ContentConfig())
    for clip, label in enumerate(made.label):
        made.costs.clear()
        made._compare_with(clip, made.label != label, 4)
        met = [made.label[b if a == clip else a] for a, b in made.costs]
        assert sorted(Counter(met).values()) == [2, 2]


def test_clips_that_cannot_be_compared_score_nan():
    signals, clips = speaker(takes=1)
    signals["one-sad-1"] = Signals()
    (score,) = score_pairs(signals, clips, [("one-neutral-1", "one-sad-1")])
    assert np.isnan(score.score)
    (score,) = score_pairs({}, clips, [("one-neutral-1", "one-sad-1")])
    assert np.isnan(score.score)
