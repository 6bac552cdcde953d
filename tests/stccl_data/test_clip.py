"""Labels of emotions, and their names in keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stccl_data.clip import (
    EMOTION_SYNONYMS,
    EMOTION_TRANSLATIONS,
    EMOTIONS,
    MAX_LABEL,
    emotion_label,
    emotion_order,
    is_emotion_label,
    parse_emotion,
    slug,
)


@pytest.mark.parametrize(
    ("word", "label"),
    [
        (" Neutral ", "neutral"),
        ("HAP", "happy"),
        ("Anger", "angry"),
        ("Wut", "angry"),
        ("FREUDE", "happy"),
        ("tristezza", "sad"),
        ("生气", "angry"),
        ("U\u0308berrascht", "surprised"),
        ("boredom", "boredom"),
        ("Sleepy", "sleepy"),
        ("very  happy\t", "very happy"),
        ("Überdreht", "überdreht"),
        ("U\u0308berdreht", "überdreht"),
        ("退屈", "退屈"),
        ("any", "any"),
    ],
)
def test_known_words_are_translated_and_others_are_kept(word, label):
    assert emotion_label(word) == label
    assert is_emotion_label(label)


@pytest.mark.parametrize(
    "word", ["", " ", "..", "../../x", "happy/sad", "a\\b", "a\x00b", "x" * (MAX_LABEL + 1), "-"]
)
def test_a_word_that_could_not_be_shown_or_could_be_a_path_is_invalid(word):
    with pytest.raises(ValueError, match="invalid emotion"):
        emotion_label(word)
    assert not is_emotion_label(word)


def test_synonyms_and_translations_lead_to_the_vocabulary():
    for words in (EMOTION_SYNONYMS, EMOTION_TRANSLATIONS):
        assert set(words.values()) <= set(EMOTIONS)
        assert all(emotion_label(word) == emotion for word, emotion in words.items())
        assert not any(is_emotion_label(word) for word in words)


def test_only_english_words_are_read_in_names_of_folders():
    assert parse_emotion("anger") == "angry"
    assert parse_emotion("boredom") is None
    assert parse_emotion("triste") is None


@given(st.text(max_size=30))
def test_a_label_is_stable_and_safe_in_keys(word):
    try:
        label = emotion_label(word)
    except ValueError:
        return
    assert emotion_label(label) == label
    assert emotion_label(f" {word} ") == label
    key = slug(label)
    assert key.isascii()
    assert key
    assert not set(key) & set("./\\ ")


@given(st.lists(st.text("abäñ -_1", min_size=1, max_size=8), min_size=2, max_size=8))
def test_different_labels_have_different_names_in_keys(words):
    labels = {emotion_label(word) for word in words if any(map(str.isalnum, word))}
    assert len({slug(label) for label in labels}) == len(labels)


def test_the_vocabulary_comes_first_and_keeps_its_names():
    labels = ["zeal", "contempt", "boredom", "neutral"]
    assert sorted(labels, key=emotion_order) == ["neutral", "contempt", "boredom", "zeal"]
    assert [slug(emotion) for emotion in EMOTIONS] == list(EMOTIONS)
