"""Candidate pairs by label, and the names and keys of clips in the shards."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stccl_data.clip import EMOTIONS, Clip, emotion_order
from stccl_data.errors import Reason, UsageError
from stccl_data.pairs.candidates import (
    candidate_pairs,
    clip_name,
    clip_names,
    resolve_reference,
    utterance_key,
)


def clip(
    emotion="neutral",
    sentence: str | None = "s1",
    *,
    speaker="A",
    view="front",
    level=1,
    take=1,
    corpus="own",
    clip_id=None,
):
    default_id = f"{corpus}/{speaker}/{view}/{sentence}/{emotion}-{level}-{take}"
    return Clip(
        clip_id=clip_id or default_id,
        corpus=corpus,
        speaker=speaker,
        emotion=emotion,
        sentence=sentence,
        path="x",
        level=level,
        take=take,
        view=view,
    )


def names(candidates):
    return [(clip_name(source), clip_name(target)) for source, target in candidates.pairs]


def test_every_neutral_take_pairs_with_every_clip_of_another_emotion():
    clips = [
        clip(take=1),
        clip(take=2),
        clip("angry", level=1),
        clip("angry", level=3),
        clip("sad", take=2),
    ]
    candidates = candidate_pairs(clips)
    assert names(candidates) == [
        (source, target)
        for source in ("neutral-1-t001", "neutral-1-t002")
        for target in ("sad-1-t002", "angry-1-t001", "angry-3-t001")
    ]
    assert candidates.unpaired == ()


def test_any_two_emotions_pair_once_with_neutral_as_source():
    clips = [clip("angry"), clip("happy"), clip("neutral"), clip("angry", level=2)]
    assert names(candidate_pairs(clips, "any")) == [
        ("neutral-1-t001", "happy-1-t001"),
        ("neutral-1-t001", "angry-1-t001"),
        ("neutral-1-t001", "angry-2-t001"),
        ("happy-1-t001", "angry-1-t001"),
        ("happy-1-t001", "angry-2-t001"),
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"speaker": "B"},
        {"view": "top"},
        {"sentence": "s2"},
        {"corpus": "mead"},
        {"emotion": "neutral", "take": 2},
    ],
)
@pytest.mark.parametrize("reference", ["neutral", "any"])
def test_clips_that_differ_in_more_than_emotion_never_pair(other, reference):
    candidates = candidate_pairs([clip(), clip(**{"emotion": "angry", **other})], reference)
    assert candidates.pairs == ()
    assert [reason for _, reason in candidates.unpaired] == [Reason.NO_PARTNER] * 2


def test_a_clip_of_unknown_sentence_is_unpaired_for_that_reason():
    candidates = candidate_pairs(
        [clip(sentence=None, clip_id="a"), clip("angry", None, clip_id="b")], "any"
    )
    assert candidates.pairs == ()
    assert [(one.clip_id, reason) for one, reason in candidates.unpaired] == [
        ("a", Reason.SENTENCE_UNKNOWN),
        ("b", Reason.SENTENCE_UNKNOWN),
    ]


def test_without_a_neutral_clip_any_two_emotions_are_paired():
    clips = [clip("angry"), clip("sad")]
    assert names(candidate_pairs(clips)) == [("sad-1-t001", "angry-1-t001")]
    assert candidate_pairs(clips) == candidate_pairs(clips, "any")
    assert resolve_reference(clips, "neutral") == "any"


def test_any_label_can_be_the_reference():
    clips = [clip("boredom"), clip("angry"), clip(), clip("zeal")]
    assert names(candidate_pairs(clips, " Boredom")) == [
        ("boredom-1-t001", "neutral-1-t001"),
        ("boredom-1-t001", "angry-1-t001"),
        ("boredom-1-t001", "zeal-1-t001"),
    ]
    assert names(candidate_pairs(clips, "anger")) == [
        ("angry-1-t001", "neutral-1-t001"),
        ("angry-1-t001", "boredom-1-t001"),
        ("angry-1-t001", "zeal-1-t001"),
    ]


@pytest.mark.parametrize("reference", ["contempt", "sleepy", "../x"])
def test_a_reference_that_no_clip_has_is_an_error(reference):
    with pytest.raises(UsageError, match=reference):
        candidate_pairs([clip(), clip("angry")], reference)
    with pytest.raises(UsageError, match="neutral, angry, or any"):
        candidate_pairs([clip(), clip("angry")], "calm")


def test_without_clips_no_reference_is_an_error():
    assert candidate_pairs([], "sleepy").pairs == ()


LABELS = st.builds(
    clip,
    emotion=st.sampled_from([*EMOTIONS, "boredom", "退屈"]),
    sentence=st.sampled_from(["s1", "s2", None]),
    speaker=st.sampled_from(["A", "B"]),
    level=st.integers(0, 2),
    take=st.integers(1, 2),
)
CLIPS = st.lists(LABELS, max_size=30, unique_by=lambda clip: clip.clip_id)


@given(clips=CLIPS, reference=st.sampled_from(["neutral", "any"]), seed=st.integers(0, 9))
def test_each_clip_is_paired_or_has_a_reason_in_any_order(clips, reference, seed):
    candidates = candidate_pairs(clips, reference)
    paired = {one.clip_id for pair in candidates.pairs for one in pair}
    unpaired = {one.clip_id for one, _ in candidates.unpaired}
    assert paired | unpaired == {one.clip_id for one in clips}
    assert not paired & unpaired
    unordered = {frozenset((one.clip_id, other.clip_id)) for one, other in candidates.pairs}
    assert len(unordered) == len(candidates.pairs)
    for source, target in candidates.pairs:
        assert utterance_key(source) == utterance_key(target)
        assert emotion_order(source.emotion) < emotion_order(target.emotion)
    shuffled = random.Random(seed).sample(clips, len(clips))
    assert candidate_pairs(shuffled, reference) == candidates


def test_an_utterance_key_names_corpus_speaker_view_and_sentence():
    assert (
        utterance_key(clip(corpus="mead", speaker="M003", sentence="s009"))
        == "mead/M003/front/s009"
    )
    with pytest.raises(ValueError, match="own/A/front/None"):
        utterance_key(clip(sentence=None))


TEXT = st.text(min_size=1, max_size=12)
PLACE = st.tuples(TEXT, TEXT, TEXT, TEXT)


def key(place):
    corpus, speaker, view, sentence = place
    return utterance_key(clip(corpus=corpus, speaker=speaker, view=view, sentence=sentence))


@given(one=PLACE, other=PLACE)
def test_keys_are_ascii_without_dots_or_spaces_and_differ_if_labels_do(one, other):
    for text in (key(one), key(other)):
        assert text.isascii()
        assert not set(text) & set(". \\\n\t")
        assert text.count("/") == 3
        assert all(text.split("/"))
    assert (key(one) == key(other)) == (one == other)


SIMILAR = st.text(". -_/aAée", min_size=1, max_size=4)


@given(SIMILAR, SIMILAR)
def test_speakers_with_similar_names_do_not_share_a_key(speaker, other):
    keys = [key(("own", name, "front", "1")) for name in (speaker, other)]
    assert (keys[0] == keys[1]) == (speaker == other)


def test_names_within_an_utterance_are_unique_even_if_labels_are_equal():
    clips = [clip("angry", clip_id=name) for name in ("c", "a", "b")] + [clip("sad")]
    names = clip_names(clips)
    assert names == clip_names(clips[::-1])
    assert [names[name] for name in ("a", "b", "c")] == [
        "angry-1-t001",
        "angry-1-t001-2",
        "angry-1-t001-3",
    ]
    assert len(set(names.values())) == 4
