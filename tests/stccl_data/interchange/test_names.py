"""Names of clips in the published formats."""

import pytest

from stccl_data.clip import Clip
from stccl_data.interchange.names import published_names


def clip_of(path, **labels):
    defaults = {
        "corpus": "mead",
        "speaker": "M003",
        "emotion": "sad",
        "sentence": "s001",
        "level": 3,
    }
    return Clip(clip_id=path, path=path, **(defaults | labels))


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        (clip_of("/raw/M003/video/front/sad/level_3/031.mp4"), "031"),
        (clip_of("/raw/M003_front_sad_level_3_007.mp4"), "007"),
        (clip_of("/raw/my film.mp4"), "s001-t001"),
        (clip_of("/raw/031.mp4", corpus="own", sentence="front_door"), "front-door-t001"),
        (clip_of("/raw/1001_IEO_SAD_HI.flv", corpus="cremad", sentence="ieo", take=2), "ieo-t002"),
        (clip_of("/raw/a.mp4", sentence=None), "unknown-t001"),
    ],
)
def test_a_clip_is_named_by_its_number_or_by_sentence_and_take(clip, name):
    assert published_names([clip]) == {clip.clip_id: name}


def test_clips_of_one_speaker_emotion_and_level_have_different_names():
    clips = [clip_of(f"/raw/{x}.mp4", corpus="own", sentence=x) for x in ("a_b", "a-b")]
    assert sorted(published_names(clips).values()) == ["a-b-t001", "a-b-t001-2"]
    assert published_names(clips) == published_names(clips[::-1])
