"""RAVDESS: the seven codes, modalities, songs, duplicated folders and archives."""

from pathlib import Path

import pytest

from stccl_data.corpora import scan_corpus
from stccl_data.errors import Reason
from stccl_data.pairs.candidates import candidate_pairs


def test_labels_come_from_the_name(grow):
    scan = scan_corpus(grow(["Actor_07/01-01-06-02-02-01-07.mp4"]))
    (clip,) = scan.clips
    assert scan.corpus == "ravdess"
    assert clip.clip_id == "ravdess/07/front/fear-2/s02-t001"
    assert (clip.speaker, clip.emotion, clip.level, clip.sentence, clip.take) == (
        "07",
        "fear",
        2,
        "s02",
        1,
    )


def test_the_most_complete_modality_of_a_recording_is_used_and_the_others_are_counted(grow):
    rest = "01-03-01-01-01-07"
    raw = grow(
        [
            f"Actor_07/{modality}-{rest}.{suffix}"
            for modality, suffix in (("01", "mp4"), ("02", "mp4"), ("03", "wav"))
        ]
    )
    scan = scan_corpus(raw)
    assert [Path(clip.path).name for clip in scan.clips] == [f"01-{rest}.mp4"]
    assert [(finding.reason, finding.files) for finding in scan.findings] == [
        (Reason.NOT_SELECTED, 1)
    ] * 2
    (raw / f"Actor_07/01-{rest}.mp4").unlink()
    assert [Path(clip.path).name for clip in scan_corpus(raw).clips] == [f"02-{rest}.mp4"]
    (raw / f"Actor_07/02-{rest}.mp4").unlink()
    assert [Path(clip.path).name for clip in scan_corpus(raw).clips] == [f"03-{rest}.wav"]


def test_a_song_never_pairs_with_speech(grow):
    scan = scan_corpus(
        grow(["Actor_01/01-01-01-01-01-01-01.mp4", "Actor_01/01-02-03-01-01-01-01.mp4"])
    )
    assert sorted(clip.sentence for clip in scan.clips) == ["s01", "song-s01"]
    assert not candidate_pairs(scan.clips, "any").pairs


@pytest.mark.parametrize(
    ("name", "reason", "value"),
    [
        ("Actor_07/01-01-09-01-01-01-07.mp4", Reason.UNKNOWN_CODE, "emotion 09"),
        ("Actor_07/04-01-03-01-01-01-07.mp4", Reason.UNKNOWN_CODE, "modality 04"),
        ("Actor_07/01-03-03-01-01-01-07.mp4", Reason.UNKNOWN_CODE, "channel 03"),
        ("Actor_07/01-01-03-03-01-01-07.mp4", Reason.UNKNOWN_CODE, "intensity 03"),
        ("Actor_07/01-01-03-01-03-01-07.mp4", Reason.UNKNOWN_CODE, "statement 03"),
        ("Actor_07/01-01-03-01-01-03-07.mp4", Reason.UNKNOWN_CODE, "repetition 03"),
        ("Actor_25/01-01-03-01-01-01-25.mp4", Reason.UNKNOWN_CODE, "actor 25"),
        ("Actor_07/01-01-01-02-01-01-07.mp4", Reason.UNKNOWN_CODE, "strong intensity"),
        ("Actor_08/01-01-03-01-01-01-07.mp4", Reason.LABEL_CONFLICT, "08"),
        ("Actor_07/clip.mp4", Reason.UNKNOWN_NAME, "01-01-03-02-01-01-07.mp4"),
        ("Actor_07/01-01-03-01-01-01-07.txt", Reason.NOT_MEDIA, "'.txt'"),
        ("Video_Speech_Actor_08.zip", Reason.NOT_UNPACKED, ""),
    ],
)
def test_an_unusable_file_is_a_finding_that_names_it(grow, name, reason, value):
    scan = scan_corpus(grow([name, "Actor_01/01-01-03-01-01-01-01.mp4"]))
    assert [clip.speaker for clip in scan.clips] == ["01"]
    (finding,) = scan.findings
    assert finding.reason == reason
    assert finding.path == str(scan.root / name)
    assert name in finding.detail
    assert value in finding.detail


def test_an_archive_counts_as_unpacked_if_its_actor_channel_and_medium_are_present(grow):
    raw = grow(
        [
            "Actor_01/01-01-03-01-01-01-01.mp4",
            "Video_Speech_Actor_01.zip",
            "Video_Song_Actor_01.zip",
            "Audio_Speech_Actors_01-24.zip",
        ]
    )
    assert sorted(Path(finding.path).name for finding in scan_corpus(raw).findings) == [
        "Audio_Speech_Actors_01-24.zip",
        "Video_Song_Actor_01.zip",
    ]


def test_a_nested_copy_of_the_corpus_is_one_finding(grow):
    names = [
        f"Actor_{actor:02d}/03-01-03-0{level}-01-01-{actor:02d}.wav"
        for actor in range(1, 25)
        for level in (1, 2)
    ]
    raw = grow([*names, *(f"audio_speech_actors_01-24/{name}" for name in names)])
    scan = scan_corpus(raw)
    assert len(scan.clips) == 48
    (finding,) = scan.findings
    assert (finding.reason, finding.files) == (Reason.DUPLICATE_CLIP, 48)
    assert finding.path == str(raw / "audio_speech_actors_01-24")


def test_real_audio_of_four_actors_pairs_by_its_names(real):
    scan = scan_corpus(real / "ravdess_audio")
    assert (scan.corpus, len(scan.clips), scan.findings) == ("ravdess", 240, ())
    # Each actor: 2 statements x 2 neutral takes x 28 emotional takes
    # (6 emotions and calm, 2 levels, 2 repetitions).
    assert len(candidate_pairs(scan.clips, "neutral").pairs) == 4 * 2 * 2 * 28
