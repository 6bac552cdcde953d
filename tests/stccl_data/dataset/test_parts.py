"""Dividing large utterances into parts: nothing is lost, and little is repeated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stccl_data.alignment.align import Alignment
from stccl_data.dataset import parts as parts_module
from stccl_data.dataset.parts import MAX_CLIPS, divide_utterance
from stccl_data.dataset.sample import PairRecord

#: The content of an alignment does not matter here.
ALIGNMENT = Alignment(
    np.zeros(2),
    np.zeros(2),
    np.zeros(1, np.int32),
    np.zeros((0, 2), np.int32),
    "audio",
    0.5,
    1.0,
    1,
    1.0,
    0.0,
)


def make_pair(source: str, target: str) -> PairRecord:
    return PairRecord(source, target, {"cost": 0.5}, True, None, ALIGNMENT)


@st.composite
def utterances(draw):
    """Names of clips with one to twelve takes of two to five emotions, and some of their pairs."""
    emotions = draw(st.integers(2, 5))
    takes = [draw(st.integers(1, 12)) for _ in range(emotions)]
    names = [f"{emotion}-t{take:03d}" for emotion, n in enumerate(takes) for take in range(n)]
    every = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if a[0] != b[0]]
    neutral = [(a, b) for a, b in every if a[0] == "0"]
    chosen = draw(st.sampled_from([every, neutral]))
    return names, [pair for pair in chosen if draw(st.integers(0, 9)) or len(chosen) > 60]


@given(utterances(), st.integers(2, 9), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_every_pair_is_in_one_part_with_both_its_clips(utterance, max_clips, weights):
    names, pairs = utterance
    sizes = {name: 10 * (1 + i % weights) for i, name in enumerate(names)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_module, "MAX_CLIPS", max_clips)
        patch.setattr(parts_module, "MAX_BYTES", 60)
        parts = divide_utterance(names, [make_pair(*pair) for pair in pairs], sizes)
    stored = [(pair.source, pair.target) for part in parts for pair in part.pairs]
    assert sorted(stored) == sorted(pairs)
    assert {name for part in parts for name in part.clips} == set(names), (
        "clips without a pair are kept too"
    )
    for part in parts:
        assert part.clips == sorted(set(part.clips))
        assert {name for p in part.pairs for name in (p.source, p.target)} <= set(part.clips)
        assert len(part.clips) <= max_clips
        assert sum(sizes[name] for name in part.clips) <= 60 or len(part.clips) <= 2


@pytest.mark.parametrize(("reference", "repeats"), [("neutral", 4), ("any", 8)])
def test_few_clips_are_repeated_in_an_utterance_of_many_takes(reference, repeats):
    emotions = ("neutral", "angry", "happy")
    names = [f"{emotion}-t{take:03d}" for emotion in emotions for take in range(50)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if a[:3] != b[:3]]
    if reference == "neutral":
        pairs = [pair for pair in pairs if pair[0].startswith("neutral")]
    records = [make_pair(*pair) for pair in pairs]
    parts = divide_utterance(names, records, dict.fromkeys(names, 1000))
    assert sum(len(part.pairs) for part in parts) == len(pairs)
    assert all(len(part.clips) <= MAX_CLIPS for part in parts)
    assert sum(len(part.clips) for part in parts) <= repeats * len(names)
