"""Which clips pair, and that names and keys tell apart what labels tell apart."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stccl_data.clip import EMOTIONS, Clip
from stccl_data.errors import Reason
from stccl_data.pairs.candidates import candidate_pairs, clip_name, clip_names, utterance_key


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
    made = f"{corpus}/{speaker}/{view}/{sentence}/{emotion}-{level}-{take}"
    return Clip(
        clip_id=clip_id or made,
        corpus=corpus,
        speaker=speaker,
        emotion=emotion,
        sentence=sentence,
        path="x",
        level=level,
        take=take,
        view=view,
    )


def names(found):
    return [(clip_name(source), clip_name(target)) for source, target in found.pairs]


def test_every_neutral_take_pairs_with_every_clip_of_another_emotion():
    clips = [
        clip(take=1),
        clip(take=2),
        clip("angry", level=1),
        clip("angry", level=3),
        clip("sad", take=2),
    ]
    found = candidate_pairs(clips)
    assert names(found) == [
        (source, target)
        for source in ("neutral-1-t001", "neutral-1-t002")
        for target in ("sad-1-t002", "angry-1-t001", "angry-3-t001")
    ]
    assert found.alone == ()


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
    found = candidate_pairs([clip(), clip(**{"emotion": "angry", **other})], reference)
    assert found.pairs == ()
    assert [reason for _, reason in found.alone] == [Reason.NO_PARTNER] * 2


def test_an_unknown_sentence_is_said_and_never_paired():
    found = candidate_pairs(
        [clip(sentence=None, clip_id="a"), clip("angry", None, clip_id="b")], "any"
    )
    assert found.pairs == ()
    assert [(alone.clip_id, reason) for alone, reason in found.alone] == [
        ("a", Reason.SENTENCE_UNKNOWN),
        ("b", Reason.SENTENCE_UNKNOWN),
    ]


def test_without_a_neutral_clip_only_any_pairs():
    clips = [clip("angry"), clip("sad")]
    assert candidate_pairs(clips).pairs == ()
    assert names(candidate_pairs(clips, "any")) == [("sad-1-t001", "angry-1-t001")]


def test_another_reference_is_refused():
    with pytest.raises(ValueError, match="'angry' is none of neutral, any"):
        candidate_pairs([], "angry")


LABELS = st.builds(
    clip,
    emotion=st.sampled_from(EMOTIONS),
    sentence=st.sampled_from(["s1", "s2", None]),
    speaker=st.sampled_from(["A", "B"]),
    level=st.integers(0, 2),
    take=st.integers(1, 2),
)
CLIPS = st.lists(LABELS, max_size=30, unique_by=lambda made: made.clip_id)


@given(clips=CLIPS, reference=st.sampled_from(["neutral", "any"]), seed=st.integers(0, 9))
def test_each_clip_is_in_a_pair_or_has_its_reason_whatever_the_order(clips, reference, seed):
    found = candidate_pairs(clips, reference)
    paired = {one.clip_id for pair in found.pairs for one in pair}
    alone = {one.clip_id for one, _ in found.alone}
    assert paired | alone == {one.clip_id for one in clips}
    assert not paired & alone
    assert len(
        {frozenset((source.clip_id, target.clip_id)) for source, target in found.pairs}
    ) == len(found.pairs)
    for source, target in found.pairs:
        assert utterance_key(source) == utterance_key(target)
        assert EMOTIONS.index(source.emotion) < EMOTIONS.index(target.emotion)
    shuffled = random.Random(seed).sample(clips, len(clips))
    assert candidate_pairs(shuffled, reference) == found


def test_the_key_of_an_utterance_is_as_the_shards_have_it():
    assert (
        utterance_key(clip(corpus="mead", speaker="M003", sentence="s009"))
        == "mead/M003/front/s009"
    )
    with pytest.raises(ValueError, match="no sentence"):
        utterance_key(clip(sentence=None))


TEXT = st.text(min_size=1, max_size=12)
PLACE = st.tuples(TEXT, TEXT, TEXT, TEXT)


def key(place):
    corpus, speaker, view, sentence = place
    return utterance_key(clip(corpus=corpus, speaker=speaker, view=view, sentence=sentence))


@given(one=PLACE, other=PLACE)
def test_keys_are_ascii_without_dots_or_spaces_and_differ_where_labels_do(one, other):
    for made in (key(one), key(other)):
        assert made.isascii()
        assert not set(made) & set(". \\\n\t")
        assert made.count("/") == 3
        assert all(made.split("/"))
    assert (key(one) == key(other)) == (one == other)


@given(
    st.lists(
        st.sampled_from([".", " ", "-", "_", "/", "a", "A", "é", "e"]), min_size=1, max_size=4
    ).map("".join),
    st.data(),
)
def test_speakers_that_look_alike_do_not_share_a_key(speaker, data):
    other = data.draw(
        st.lists(
            st.sampled_from([".", " ", "-", "_", "/", "a", "A", "é", "e"]), min_size=1, max_size=4
        ).map("".join)
    )
    assert (key(("own", speaker, "front", "1")) == key(("own", other, "front", "1"))) == (
        speaker == other
    )


def test_names_within_an_utterance_are_unique_even_where_labels_agree():
    clips = [clip("angry", clip_id=name) for name in ("c", "a", "b")] + [clip("sad")]
    found = clip_names(clips)
    assert found == clip_names(clips[::-1])
    assert [found[name] for name in ("a", "b", "c")] == [
        "angry-1-t001",
        "angry-1-t001-2",
        "angry-1-t001-3",
    ]
    assert len(set(found.values())) == 4
