"""Exporting the face crops of a prepared dataset as folders of frames."""

import cv2
import numpy as np
import pytest

from stccl_data.dataset.tables import read_clips, write_clips
from stccl_data.interchange.aligned_path import export_aligned_path
from stccl_data.interchange.folders import export_folders
from stccl_data.interchange.names import published_emotion
from stccl_data.interchange.pair_file import read_pair_file
from stccl_data.interchange.selection import ExportError
from tests.testing.pair_files import file_names, stored_pairs


def frames_folder(faces, speaker, emotion, name):
    return faces / speaker / "align_img" / emotion / name


def test_every_frame_is_written_under_its_number(prepared, tmp_path):
    written = export_folders(prepared.out, tmp_path / "faces", size=64)
    names = file_names(prepared.out)
    pairs = stored_pairs(prepared.out).values()
    clips = {clip.clip_id: clip for pair in pairs for clip in (pair.source, pair.target)}
    assert (written.clips, written.made) == (len(clips), len(clips))
    assert written.frames == sum(len(clip) for clip in clips.values())
    for clip_id, clip in clips.items():
        folder = frames_folder(tmp_path / "faces", *names[clip_id])
        expected = [f"{i:06d}.jpg" for i in range(len(clip))]
        assert sorted(path.name for path in folder.iterdir()) == expected
    image = cv2.cvtColor(cv2.imread(str(folder / "000003.jpg")), cv2.COLOR_BGR2RGB)
    small = cv2.resize(clip.frames("face", [3])[0], (64, 64), interpolation=cv2.INTER_AREA)
    assert image.shape == (64, 64, 3)
    assert np.abs(image.astype(int) - small).mean() < 3


def test_crops_of_the_requested_size_are_copied_byte_by_byte(prepared, tmp_path):
    export_folders(prepared.out, tmp_path / "faces", size=prepared.config.face_size)
    (source, _), pair = next(iter(stored_pairs(prepared.out).items()))
    folder = frames_folder(tmp_path / "faces", *file_names(prepared.out)[source])
    assert (folder / "000005.jpg").read_bytes() == pair.source.jpeg("face", 5)


def test_the_pair_file_names_exported_folders_and_frames(prepared, tmp_path):
    export_aligned_path(prepared.out, tmp_path / "pairs.json")
    export_folders(prepared.out, tmp_path / "faces", size=32)
    for pair in read_pair_file(tmp_path / "pairs.json"):
        sides = zip(
            pair.names,
            ("neutral", pair.emotion),
            (pair.path.source, pair.path.target),
            strict=True,
        )
        for name, emotion, frames in sides:
            folder = frames_folder(tmp_path / "faces", pair.speaker, emotion, name)
            assert (folder / f"{frames[-1]:06d}.jpg").exists()
            assert not (folder / f"{frames[-1] + 1:06d}.jpg").exists()


def test_an_interrupted_export_is_resumed(prepared, tmp_path):
    faces = tmp_path / "faces"
    whole = export_folders(prepared.out, faces, size=32)
    frames = {path: path.read_bytes() for path in sorted(faces.rglob("*.jpg"))}
    angry = next(faces.glob("*/align_img/angry/*"))
    angry.rename(angry.with_name(f".{angry.name}.unfinished"))  # as a killed run leaves it
    again = export_folders(prepared.out, faces, size=32)
    assert (again.clips, again.made) == (whole.clips, 1)
    assert {path: path.read_bytes() for path in sorted(faces.rglob("*.jpg"))} == frames
    assert export_folders(prepared.out, faces, size=32).made == 0


def test_foreign_folders_are_never_written_to(prepared, tmp_path):
    name = next(iter(file_names(prepared.out).values()))
    foreign = frames_folder(tmp_path / "faces", *name)
    foreign.mkdir(parents=True)
    (foreign / "000000.jpg").write_bytes(b"mine")
    with pytest.raises(ExportError, match=str(foreign)):
        export_folders(prepared.out, tmp_path / "faces", size=32)
    assert list((tmp_path / "faces").rglob("*.jpg")) == [foreign / "000000.jpg"]
    assert (foreign / "000000.jpg").read_bytes() == b"mine"


def test_another_size_needs_another_folder(prepared, tmp_path):
    export_folders(prepared.out, tmp_path / "faces", size=32)
    with pytest.raises(ExportError, match="faces"):
        export_folders(prepared.out, tmp_path / "faces", size=64)


def test_a_label_in_the_table_cannot_lead_out_of_the_folder(prepared_copy, tmp_path):
    clips = read_clips(prepared_copy)
    for row in clips:
        if row["emotion"] == "angry":
            row["emotion"] = "../../../ESCAPED"
    write_clips(prepared_copy, clips)
    with pytest.raises(ExportError, match=r"clips\.parquet.*ESCAPED"):
        export_folders(prepared_copy, tmp_path / "deep" / "faces", size=64)
    assert not (tmp_path / "deep").exists()


def test_a_label_of_other_letters_becomes_a_safe_folder(prepared_copy, tmp_path):
    clips = read_clips(prepared_copy)
    for row in clips:
        if row["emotion"] == "angry":
            row["emotion"] = "wütend und laut"
    write_clips(prepared_copy, clips)
    export_folders(prepared_copy, tmp_path / "faces", size=32)
    folders = {path.name for path in (tmp_path / "faces").glob("*/align_img/*")}
    assert published_emotion("wütend und laut") in folders
    assert "angry" not in folders
    assert all(name.isascii() for name in folders)
