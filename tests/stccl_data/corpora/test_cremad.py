"""CREMA-D: codes, separate audio files, and known defects."""

from pathlib import Path

import pytest

from stccl_data.corpora import scan_corpus
from stccl_data.errors import Reason
from stccl_data.pairs.candidates import candidate_pairs


def test_labels_come_from_the_name_and_wav_audio_is_preferred(grow):
    stem = "1001_IEO_ANG_HI"
    scan = scan_corpus(
        grow([f"VideoFlash/{stem}.flv", f"AudioMP3/{stem}.mp3", f"AudioWAV/{stem}.wav"])
    )
    (clip,) = scan.clips
    assert (scan.corpus, scan.findings) == ("cremad", ())
    assert clip.clip_id == "cremad/1001/front/angry-3/ieo-t001"
    assert (clip.speaker, clip.emotion, clip.level, clip.sentence) == ("1001", "angry", 3, "ieo")
    assert clip.path.endswith(".flv")
    assert clip.audio_path is not None
    assert clip.audio_path.endswith(".wav")


def test_level_xx_is_level_0_and_pairs(grow):
    scan = scan_corpus(grow(["1001_TIE_NEU_XX.flv", "1001_TIE_SAD_XX.flv"]))
    assert [clip.level for clip in scan.clips] == [0, 0]
    assert len(candidate_pairs(scan.clips).pairs) == 1


def test_audio_without_video_is_a_finding_unless_there_is_only_audio(grow):
    raw = grow(["AudioWAV/1001_TIE_NEU_XX.wav"])
    assert len(scan_corpus(raw).clips) == 1
    grow(["VideoFlash/1001_TIE_SAD_XX.flv"])
    scan = scan_corpus(raw)
    assert [clip.emotion for clip in scan.clips] == ["sad"]
    assert [finding.reason for finding in scan.findings] == [Reason.NO_VIDEO]


@pytest.mark.parametrize(
    ("name", "reason", "value"),
    [
        ("1001_XXX_ANG_HI.flv", Reason.UNKNOWN_CODE, "XXX"),
        ("1001_IEO_BOR_HI.flv", Reason.UNKNOWN_CODE, "BOR"),
        ("1001_IEO_ANG_X.flv", Reason.UNKNOWN_CODE, "level X"),
        ("1001-IEO-ANG-HI.flv", Reason.UNKNOWN_NAME, "1001_IEO_ANG_HI.flv"),
        ("1064_IEO_DIS_MD.flv", Reason.KNOWN_DEFECT, ""),
        ("1076_MTI_SAD_XX.flv", Reason.KNOWN_DEFECT, ""),
        ("1001_IEO_ANG_HI.csv", Reason.NOT_MEDIA, "'.csv'"),
    ],
)
def test_an_unusable_file_is_a_finding_that_names_it(grow, name, reason, value):
    scan = scan_corpus(grow([name, "1002_IEO_ANG_HI.flv"]))
    assert [Path(clip.path).name for clip in scan.clips] == ["1002_IEO_ANG_HI.flv"]
    (finding,) = scan.findings
    assert finding.reason == reason
    assert finding.path == str(scan.root / name)
    assert name in finding.detail
    assert value in finding.detail
