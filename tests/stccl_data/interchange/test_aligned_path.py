"""Exporting a prepared dataset as a pair file."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from stccl_data.alignment.warping_path import FramePath, frame_map
from stccl_data.dataset.tables import read_clips, read_pairs, write_clips, write_pairs
from stccl_data.interchange.aligned_path import export_aligned_path, pair_path
from stccl_data.interchange.audit import audit, mead_sentences
from stccl_data.interchange.folders import export_folders
from stccl_data.interchange.pair_file import path_faults, read_pair_file
from stccl_data.interchange.selection import ExportConfig, ExportError
from stccl_data.pairs.imported import follow_path
from stccl_data.pipeline.refilter import refilter, stored_gates
from tests.testing.pair_files import file_names, stored_pairs


def test_an_exported_file_has_the_published_form(prepared, tmp_path):
    written = export_aligned_path(prepared.out, tmp_path / "pairs.json")
    pairs = read_pair_file(tmp_path / "pairs.json")
    assert written.pairs == len(pairs) == len(stored_pairs(prepared.out))
    assert written.frame_pairs == sum(len(pair.path.source) for pair in pairs)
    for pair in pairs:
        assert path_faults(pair.path) == []
    result = audit(pairs, mead_sentences())
    assert (result.wrong, result.unknown, result.faulty_paths) == (0, 0, 0)


def test_exported_paths_follow_the_frame_map_to_the_last_frames(prepared, tmp_path):
    export_aligned_path(prepared.out, tmp_path / "pairs.json")
    exported = {
        (pair.speaker, pair.emotion, pair.key): pair.path
        for pair in read_pair_file(tmp_path / "pairs.json")
    }
    names = file_names(prepared.out)
    for (source, target), pair in stored_pairs(prepared.out).items():
        speaker, emotion, name = names[target]
        path = exported[speaker, emotion, f"{names[source][2]}_{name}"]
        assert (path.source[-1], path.target[-1]) == (len(pair.source) - 1, len(pair.target) - 1)
        on_the_map = np.zeros(len(pair.source), np.bool_)
        on_the_map[path.source[pair.frame_map[path.source] == path.target]] = True
        assert on_the_map.mean() > 0.95


def test_an_existing_file_is_never_overwritten(prepared, tmp_path):
    file = tmp_path / "pairs.json"
    assert export_aligned_path(prepared.out, file).written
    assert not export_aligned_path(prepared.out, file).written
    file.write_text("mine")
    with pytest.raises(ExportError, match=r"pairs\.json"):
        export_aligned_path(prepared.out, file)
    assert file.read_text() == "mine"


def test_nothing_is_exported_into_the_dataset_itself(prepared):
    before = sorted(prepared.out.rglob("*"))
    for place in (
        prepared.out,
        prepared.out / "pairs.json",
        prepared.out / "shards" / ".." / "faces",
    ):
        for export in (export_aligned_path, export_folders):
            with pytest.raises(ExportError):
                export(prepared.out, place)
    assert sorted(prepared.out.rglob("*")) == before


def test_options_select_level_view_and_split(prepared, tmp_path):
    whole = export_aligned_path(prepared.out, tmp_path / "whole.json")
    assert any("levels: angry 3, happy 3, neutral 1" in note for note in whole.notes)
    half = export_aligned_path(prepared.out, tmp_path / "half.json", ExportConfig(split=("train",)))
    assert half.pairs < whole.pairs
    assert any("of other splits" in note for note in half.notes)
    with pytest.raises(ExportError, match="levels"):
        export_aligned_path(prepared.out, tmp_path / "none.json", ExportConfig(level=2))
    with pytest.raises(ExportError, match=r"top.*front"):
        export_aligned_path(prepared.out, tmp_path / "none.json", ExportConfig(view="top"))
    assert not (tmp_path / "none.json").exists()


def test_of_several_levels_each_emotions_highest_is_exported(prepared_copy, tmp_path):
    clips = read_clips(prepared_copy)
    angry = next(row for row in clips if row["emotion"] == "angry")
    angry["level"] = 1  # as if it had been recorded at another level
    write_clips(prepared_copy, clips)
    written = export_aligned_path(prepared_copy, tmp_path / "pairs.json")
    assert written.pairs == len(stored_pairs(prepared_copy)) - 1
    assert "left out: 1 pair of other levels" in written.notes
    low = export_aligned_path(prepared_copy, tmp_path / "low.json", ExportConfig(level=1))
    assert low.pairs == 1


def test_of_several_takes_the_first_can_be_exported_alone(prepared_copy, tmp_path):
    pairs, clips = read_pairs(prepared_copy), read_clips(prepared_copy)
    first, second = [row for row in pairs if row["target_emotion"] == "angry"][:2]
    second["utterance"] = first["utterance"]
    next(row for row in clips if row["clip_id"] == second["target"])["take"] = 2
    write_pairs(prepared_copy, pairs)
    write_clips(prepared_copy, clips)
    config = ExportConfig(takes="first")
    written = export_aligned_path(prepared_copy, tmp_path / "pairs.json", config)
    assert "left out: 1 pair of later takes" in written.notes


def test_refused_pairs_are_not_exported(prepared_copy, tmp_path):
    refilter(prepared_copy, replace(stored_gates(prepared_copy), min_eye_distance=10_000.0))
    with pytest.raises(ExportError, match="refused"):
        export_aligned_path(prepared_copy, tmp_path / "pairs.json")


@pytest.mark.parametrize(("source_frames", "target_frames"), [(12, 20), (20, 12), (9, 13)])
def test_the_exported_path_of_a_cut_clip_ends_with_it_and_is_imported_again(
    source_frames, target_frames
):
    times = np.arange(20) / 25, np.arange(20) / 25
    source_time = np.array([0.0, times[0][source_frames - 1] + 0.001])
    target_time = np.array([0.0, times[1][target_frames - 1] + 0.001])
    mapped = frame_map(*times, source_time, target_time)
    pair = SimpleNamespace(
        source=SimpleNamespace(times=times[0]),
        target=SimpleNamespace(times=times[1]),
        scores={"mode": "audio"},
        frame_map=mapped,
        source_time=source_time,
        target_time=target_time,
    )
    path = pair_path(pair)
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [source_frames - 1, target_frames - 1]
    imported = follow_path(*times, FramePath(path[:, 0], path[:, 1])).frame_map
    assert np.array_equal(imported < 0, mapped < 0)
    assert np.abs(imported - mapped)[mapped >= 0].max() <= 1
