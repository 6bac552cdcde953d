"""Alignments from imported paths."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stccl_data.alignment.warping_path import FramePath
from stccl_data.errors import ClipError, Reason
from stccl_data.interchange.aligned_path import pair_path
from stccl_data.interchange.pair_file import path_faults
from stccl_data.pairs.imported import follow_path
from tests.testing.pair_files import path_of

TIMES = np.array([0.0, 0.04, 0.08, 0.12, 0.2, 0.24])


def test_each_source_frame_maps_to_the_middle_of_its_target_frames():
    path = path_of([0, 1, 1, 1, 2, 3, 3], [0, 1, 2, 3, 4, 4, 5])
    alignment = follow_path(TIMES, TIMES, path)
    assert alignment.frame_map.tolist() == [0, 2, 4, 4, -1, -1]
    assert alignment.mode == "given"
    assert alignment.longest_repeat == 2
    assert np.isnan(alignment.cost)
    assert (np.diff(alignment.source_time) > 0).all()
    assert (np.diff(alignment.target_time) >= 0).all()


@pytest.mark.parametrize(
    ("source", "target", "place"),
    [
        ([0, 1, 6], [0, 1, 2], "frame 6 of the source, which has 6 frames"),
        ([0, 1], [0, 9], "frame 9 of the target, which has 6 frames"),
        ([-1, 0], [0, 0], "frame -1 of the source"),
        ([0, 1, 0], [0, 1, 2], "entry 2"),
        ([0, 1], [0], "2 source frames and 1 target frames"),
        ([], [], "fewer than two source frames"),
        ([1, 1], [0, 1], "fewer than two source frames"),
        ([0, 0, 0], [1, 1, 1], "fewer than two source frames"),
    ],
)
def test_a_path_that_does_not_fit_the_clips_is_bad(source, target, place):
    with pytest.raises(ClipError) as error:
        follow_path(TIMES, TIMES, path_of(source, target))
    assert error.value.reason is Reason.BAD_PATH
    assert place in error.value.detail


@st.composite
def published_cells(draw):
    """Draw the entries of a path in the published form: unit steps from (0, 0), no corner."""
    cells, last = [(0, 0)], 0
    for move in draw(st.lists(st.integers(0, 2), min_size=1, max_size=60)):
        if move and last and move != last:
            move = 0
        last = move
        cells.append((cells[-1][0] + (move != 2), cells[-1][1] + (move != 1)))
    return np.array(cells, np.int32)


@settings(max_examples=200, deadline=None)
@given(published_cells(), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_a_published_path_is_imported_and_exported_entry_by_entry(cells, unused_frames, seed):
    assume(cells[-1, 0] > 0)
    rng = np.random.default_rng(seed)
    lengths = cells[-1] + 1 + unused_frames
    times = [np.cumsum(rng.uniform(0.01, 0.1, length)) for length in lengths]
    path = FramePath(cells[:, 0], cells[:, 1])
    assert path_faults(path) == []
    alignment = follow_path(*times, path)
    pair = SimpleNamespace(
        source=SimpleNamespace(times=times[0]),
        target=SimpleNamespace(times=times[1]),
        scores={"mode": alignment.mode},
        source_time=alignment.source_time,
        target_time=alignment.target_time,
    )
    assert pair_path(pair).tolist() == cells.tolist()
    mapped = alignment.frame_map[alignment.frame_map >= 0]
    assert (np.diff(mapped) >= 0).all()
    assert len(mapped) == cells[-1, 0] + 1
