"""Faces are compared with their label by the faces of other speakers."""

import numpy as np
import pytest

from stccl_data.clip import Clip
from stccl_data.pairs.emotion_check import emotion_margins

EMOTIONS = ("neutral", "happy", "sad")


def corpus(*speakers, wrong=()):
    """Return the clips and blendshapes of speakers who say two sentences in each emotion.

    `wrong` maps clip ids to what their face shows instead.
    """
    random = np.random.default_rng(0)
    moved = {"neutral": np.zeros(52), "happy": np.eye(52)[3], "sad": np.eye(52)[7]}
    clips, blendshapes = [], {}
    for speaker in speakers:
        face = random.uniform(0, 0.5, 52)
        for emotion in EMOTIONS:
            for sentence in "ab":
                name = f"{speaker}-{emotion}-{sentence}"
                clips.append(
                    Clip(
                        clip_id=name, corpus="own", speaker=speaker, emotion=emotion,
                        sentence=sentence, path="x.mp4",
                    )
                )  # fmt: skip
                shown = moved[dict(wrong).get(name, emotion)]
                blendshapes[name] = face + 0.4 * shown + random.normal(0, 0.01, 52)
    return clips, blendshapes


def test_faces_that_look_like_their_label_have_a_positive_margin():
    margins = emotion_margins(*corpus("ann", "bob", "eve"))
    assert len(margins) == 18 and min(margins.values()) > 0.3


def test_a_face_that_looks_like_another_emotion_has_a_negative_margin():
    margins = emotion_margins(*corpus("ann", "bob", "eve", wrong={"ann-happy-a": "sad"}))
    assert [name for name, margin in margins.items() if margin < 0] == ["ann-happy-a"]


def test_nothing_is_said_without_other_speakers():
    assert emotion_margins(*corpus("ann")) == {}


@pytest.mark.parametrize(("neutral", "known"), [(0, 0), (1, 4)])
def test_a_speaker_needs_another_neutral_clip(neutral, known):
    clips, blendshapes = corpus("ann", "bob", "eve")
    for sentence in "ab"[neutral:]:
        del blendshapes[f"ann-neutral-{sentence}"]
    margins = emotion_margins(clips, blendshapes)
    assert sum(name.startswith("ann") for name in margins) == known
