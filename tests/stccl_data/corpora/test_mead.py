"""MEAD: names, folders, audio and sentences."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.corpora.mead_names import parse_mead_name
from stccl_data.corpora.tables import mead_numbering, table
from stccl_data.errors import Reason


def ids(raw, **options):
    return [clip.clip_id for clip in scan_corpus(raw, "mead", **options).clips]


@pytest.mark.parametrize(
    "name",
    [
        "M003/video/front/angry/level_1/001.mp4",
        "M003/video/front/angry/level_1/1.MP4",
        "m003/Video/Front/Angry/Level_1/001.mp4",
        "M003/front/angry/level_1/001.mp4",
        "some/copy/of/MEAD/M003/video/front/angry/level_1/001.mp4",
        "my clips/Kopie für mich/M003/video/front/angry/level_1/001.mp4",
        "M003_front_angry_level1_001.mp4",
        "M003_front_angry_level_1_001.mp4",
        "M003_level_1_angry_001.mp4",
        "M003_ang_1_001.mp4",
        "M003/M003_ang_1_001.mp4",
        "M003/video/front/angry/level_1/M003_front_angry_level_1_001.mp4",
    ],
)
def test_every_name_form_gives_the_same_clip(grow, name):
    scan = scan_corpus(grow([name]))
    assert scan.corpus == "mead"
    (clip,) = scan.clips
    assert clip.clip_id == "mead/M003/front/angry-1/s009-t001"
    assert (clip.speaker, clip.view, clip.emotion, clip.level, clip.sentence, clip.take) == (
        "M003",
        "front",
        "angry",
        1,
        "s009",
        1,
    )
    assert Path(clip.path).is_file()
    assert not [finding for finding in scan.findings if finding.files]


def test_the_short_name_form_is_read(grow):
    assert ids(grow(["M003_neu_1_001.mp4"])) == ["mead/M003/front/neutral-1/s009-t001"]


def test_raw_may_be_a_folder_inside_the_corpus(grow):
    raw = grow(["M003/video/front/angry/level_1/001.mp4"])
    for inner in ("M003", "M003/video", "M003/video/front", "M003/video/front/angry/level_1"):
        assert ids(raw / inner) == ["mead/M003/front/angry-1/s009-t001"], inner


def test_front_is_the_default_view(grow):
    views = table("mead")["views"]
    raw = grow(f"M003/video/{view}/angry/level_1/001.mp4" for view in views)
    assert ids(raw) == ["mead/M003/front/angry-1/s009-t001"]
    assert len(ids(raw, views=["all"])) == 7
    assert {clip.view for clip in scan_corpus(raw, views=["top", "left_30"]).clips} == {
        "top",
        "left_30",
    }
    (excluded,) = scan_corpus(raw).findings
    assert (excluded.reason, excluded.files) == (Reason.NOT_SELECTED, 6)
    assert "--views" in excluded.detail
    with pytest.raises(ScanError, match=r"back.*left_30"):
        scan_corpus(raw, views=["back"])


def test_audio_is_matched_with_the_videos_of_every_view(grow):
    raw = grow(
        [
            "M003/video/front/angry/level_1/001.mp4",
            "M003/video/top/angry/level_1/001.mp4",
            "M003/video/top/angry/level_1/002.mp4",
            "M003/audio/angry/level_1/001.m4a",
            "M003/audio/angry/level_1/003.m4a",
        ]
    )
    scan = scan_corpus(raw, views=["all"])
    assert [(clip.view, clip.audio_path and Path(clip.audio_path).name) for clip in scan.clips] == [
        ("front", "001.m4a"),
        ("top", None),
        ("top", "001.m4a"),
    ]
    (orphan,) = scan.findings
    assert orphan.reason == Reason.NO_VIDEO
    assert orphan.path.endswith("audio/angry/level_1/003.m4a")


def test_a_corpus_without_video_lists_its_audio_files(grow):
    (clip,) = scan_corpus(grow(["M003/audio/angry/level_1/001.m4a"])).clips
    assert clip.path.endswith("001.m4a")
    assert clip.audio_path is None


@pytest.mark.parametrize(
    ("name", "reason", "pattern"),
    [
        (
            "M003/video/front/angry/level_1/M005_front_angry_level_1_001.mp4",
            Reason.LABEL_CONFLICT,
            "actor M005.*M003",
        ),
        (
            "M003/video/front/angry/level_1/M003_front_sad_level_1_001.mp4",
            Reason.LABEL_CONFLICT,
            "emotion sad.*angry",
        ),
        (
            "M003/video/front/angry/level_1/M003_front_angry_level_2_001.mp4",
            Reason.LABEL_CONFLICT,
            "level 2.*1",
        ),
        (
            "M003/video/front/angry/level_1/M003_top_angry_level_1_001.mp4",
            Reason.LABEL_CONFLICT,
            "view top.*front",
        ),
        (
            "M003/video/front/angry/happy/level_1/001.mp4",
            Reason.LABEL_CONFLICT,
            "emotion happy and angry",
        ),
        ("M003/video/front/angri/level_1/001.mp4", Reason.UNKNOWN_CODE, "'angri'"),
        ("M003/video/front/calm/level_1/001.mp4", Reason.UNKNOWN_CODE, "'calm'"),
        ("M003/video/front/angry/level_4/001.mp4", Reason.UNKNOWN_CODE, "level 4"),
        ("M003/video/front/angry/level_0/001.mp4", Reason.UNKNOWN_CODE, "level 0"),
        ("M003/video/front/neutral/level_2/001.mp4", Reason.UNKNOWN_CODE, "level 2.*neutral"),
        ("M003_front_bored_level_1_001.mp4", Reason.UNKNOWN_CODE, "'bored'"),
        ("M003_left_45_sad_level_1_001.mp4", Reason.UNKNOWN_CODE, "left_45"),
        ("video/front/angry/level_1/001.mp4", Reason.UNKNOWN_NAME, "no actor"),
        (
            "M003/video/front/angry/level_1/take one.mp4",
            Reason.UNKNOWN_NAME,
            "M003_front_angry_level_1_001.mp4",
        ),
        ("M003/video/front/angry/001.mp4", Reason.UNKNOWN_NAME, "no level"),
        ("M003/001.mp4", Reason.UNKNOWN_NAME, "no emotion"),
        ("M003/video/front/angry/level_1/001.mp4.part", Reason.PARTIAL_DOWNLOAD, "mp4.part"),
        ("M003/video/front/angry/level_1/004.txt", Reason.NOT_MEDIA, "'.txt'"),
        ("M003/video.tar", Reason.NOT_UNPACKED, "video.tar"),
        ("M003/audio.tar", Reason.NOT_UNPACKED, "audio.tar"),
    ],
)
def test_an_unusable_file_is_a_finding_that_names_it(grow, name, reason, pattern):
    good = "W009/video/front/angry/level_1/001.mp4"
    scan = scan_corpus(grow([name, good]))
    assert [clip.speaker for clip in scan.clips] == ["W009"]
    (finding,) = scan.findings
    assert finding.reason == reason
    assert Path(finding.path) == (Path(scan.root) / name)
    assert name in finding.detail
    assert finding.files == 1
    assert re.search(pattern, finding.detail)
    assert "\n" not in finding.detail


def test_an_unpacked_archive_is_not_a_finding(grow):
    scan = scan_corpus(grow(["M003/video.tar", "M003/video/front/angry/level_1/001.mp4"]))
    assert not scan.findings


def test_archives_alone_are_recognised_as_mead(grow):
    scan = scan_corpus(grow(["MEAD/M003/video.tar", "MEAD/M003/audio.tar"]))
    assert scan.corpus == "mead"
    assert [finding.reason for finding in scan.findings] == [Reason.NOT_UNPACKED] * 2


def test_a_nested_copy_is_one_finding_and_the_outer_files_are_used(grow):
    names = [
        f"video/front/angry/level_{level}/{number:03d}.mp4"
        for level in (1, 2, 3)
        for number in range(1, 20)
    ]
    raw = grow([f"M003/{name}" for name in names] + [f"M003/M003/{name}" for name in names])
    scan = scan_corpus(raw)
    assert len(scan.clips) == len(names)
    assert not any("/M003/M003/" in clip.path for clip in scan.clips)
    (finding,) = scan.findings
    assert finding.reason == Reason.DUPLICATE_CLIP
    assert finding.path == str(raw / "M003" / "M003")
    assert finding.files == len(names)


def test_a_duplicate_file_is_named_together_with_the_original(grow):
    scan = scan_corpus(
        grow(
            [
                "M003/video/front/angry/level_1/001.mp4",
                "M003/video/front/angry/level_1/M003_front_angry_level_1_001.mp4",
                "M003/video/front/angry/level_1/002.mp4",
            ]
        )
    )
    assert len(scan.clips) == 2
    (finding,) = scan.findings
    assert finding.reason == Reason.DUPLICATE_CLIP
    assert finding.path.endswith("/M003_front_angry_level_1_001.mp4")
    assert "M003/video/front/angry/level_1/001.mp4" in finding.detail


def test_a_clip_number_that_is_not_in_the_numbering_has_no_sentence(grow):
    scan = scan_corpus(
        grow(["M003/video/front/angry/level_1/099.mp4", "M099/video/front/angry/level_1/001.mp4"])
    )
    assert [(clip.clip_id, clip.sentence) for clip in scan.clips] == [
        ("mead/M003/front/angry-1/n099-t001", None),
        ("mead/M099/front/angry-1/n001-t001", None),
    ]


def test_hidden_and_system_files_are_ignored(grow):
    clip = "M003/video/front/angry/level_1/001.mp4"
    folder = clip.rsplit("/", 1)[0]
    ignored = [
        f"{folder}/._001.txt",
        f"{folder}/.DS_Store",
        f"{folder}/Thumbs.db",
        f"__MACOSX/{clip}",
        ".cache/M003_neu_1_002.mp4",
    ]
    scan = scan_corpus(grow([clip, *ignored]))
    assert len(scan.clips) == 1
    assert not scan.findings


def test_a_known_defect_is_a_remark_and_the_clips_are_used(grow):
    scan = scan_corpus(
        grow(
            [
                "M009/video/front/surprised/level_1/001.mp4",
                "M009/video/front/surprised/level_3/001.mp4",
            ]
        )
    )
    assert len(scan.clips) == 2
    (finding,) = scan.findings
    assert (finding.reason, finding.files) == (Reason.KNOWN_DEFECT, 0)
    assert "M009 surprised level 1" in finding.detail


def test_clips_excluded_by_speaker_and_emotion_are_counted(grow):
    raw = grow(
        f"{actor}/video/front/{emotion}/level_1/001.mp4"
        for actor in ("M003", "M005")
        for emotion in ("angry", "neutral", "sad")
    )
    scan = scan_corpus(raw, speakers=["M003"], emotions=["anger", "neutral"])
    assert [(clip.speaker, clip.emotion) for clip in scan.clips] == [
        ("M003", "angry"),
        ("M003", "neutral"),
    ]
    assert [finding.files for finding in scan.findings] == [3, 1]
    with pytest.raises(ScanError, match=r"M004.*M003, M005"):
        scan_corpus(raw, speakers=["M003", "M004"])
    with pytest.raises(ScanError, match=r"bored.*neutral"):
        scan_corpus(raw, emotions=["bored"])


def test_the_numbering_lists_every_front_clip_and_no_sentence_twice_in_a_set():
    numbering = mead_numbering()
    assert len({actor for actor, *_ in numbering}) == 47
    assert len(set(numbering.values())) == 144
    assert len(numbering) >= 31_060
    assert len({(*key[:3], sentence) for key, sentence in numbering.items()}) == len(numbering)
    # Known from the papers: the three common sentences are clips 1 to 3, but not in every
    # 'disgusted' set.
    assert [numbering["M003", "neutral", 1, number] for number in (1, 2, 3)] == [
        "s009",
        "s001",
        "s013",
    ]
    assert numbering["M030", "disgusted", 3, 1] == "s009"
    assert numbering["W009", "disgusted", 3, 1] != "s009"


ACTORS = st.from_regex(r"[MW][0-9]{3}", fullmatch=True)


@given(
    actor=ACTORS,
    view=st.sampled_from(table("mead")["views"]),
    emotion=st.sampled_from(table("mead")["emotions"]),
    level=st.integers(1, 3),
    number=st.integers(0, 999),
)
def test_a_full_name_contains_all_labels(actor, view, emotion, level, number):
    for form in (
        f"{actor}_{view}_{emotion}_level{level}_{number:03d}",
        f"{actor}_{view}_{emotion}_level_{level}_{number:03d}",
        f"{actor.lower()}_{view.upper()}_{emotion[:3]}_{level}_{number}",
    ):
        labels = parse_mead_name(form)
        assert labels is not None
        assert (labels.actor, labels.view, labels.emotion, labels.level, labels.number) == (
            actor,
            view,
            emotion,
            level,
            number,
        )


def test_real_clips_in_the_layout_of_the_release_are_listed(real):
    scan = scan_corpus(real / "mead")
    assert scan.corpus == "mead"
    assert [clip.clip_id for clip in scan.clips] == [
        "mead/M003/front/disgusted-1/s087-t001",
        "mead/M030/front/angry-3/s047-t001",
        "mead/M030/front/sad-3/s009-t001",
        "mead/W023/front/surprised-2/s028-t001",
    ]
    assert not scan.findings
