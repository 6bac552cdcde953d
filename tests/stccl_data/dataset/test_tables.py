"""Reading and writing clips.parquet and pairs.parquet."""

import pickle

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stccl_data.clip import Clip
from stccl_data.dataset.layout import CLIPS, PAIRS
from stccl_data.dataset.tables import (
    CLIP_COLUMNS,
    PAIR_COLUMNS,
    TableError,
    count_rows,
    read_clips,
    read_pairs,
    read_table,
    write_clips,
    write_pairs,
    write_table,
)

CLIP = {"clip_id": "a", "corpus": "own", "level": 1, "duration_s": 1.5, "yaw": float("nan")}
PAIR = {"source": "a", "target": "b", "accepted": True, "longest_repeat": 2}


def test_rows_are_read_as_they_were_written_in_the_order_of_the_columns(tmp_path):
    write_pairs(tmp_path, [PAIR])
    (row,) = read_pairs(tmp_path)
    assert row == {**dict.fromkeys(PAIR_COLUMNS), **PAIR}
    assert list(row) == list(PAIR_COLUMNS)
    schema = pq.read_schema(tmp_path / PAIRS)
    assert schema.field("accepted").type == pa.bool_()
    assert schema.field("longest_repeat").type == pa.int64()


def test_a_table_without_rows_has_all_columns(tmp_path):
    write_clips(tmp_path, [])
    assert read_clips(tmp_path) == []
    assert pq.read_schema(tmp_path / CLIPS).names == list(CLIP_COLUMNS)
    assert count_rows(tmp_path / CLIPS) == 0


def test_the_columns_of_the_clips_hold_every_field_of_a_clip(tmp_path):
    clip = Clip(clip_id="a", corpus="own", speaker="b", emotion="sad", sentence=None, path="c.mp4")
    write_clips(tmp_path, [clip.row()])
    assert [Clip.from_row(row) for row in read_clips(tmp_path)] == [clip]


def test_the_same_rows_give_the_same_bytes_and_an_equal_file_is_left_alone(tmp_path):
    write_clips(tmp_path, [CLIP])
    first = (tmp_path / CLIPS).stat()
    write_clips(tmp_path, [CLIP])
    assert (tmp_path / CLIPS).stat() == first
    (tmp_path / "other").mkdir()
    write_clips(tmp_path / "other", [CLIP])
    assert (tmp_path / "other" / CLIPS).read_bytes() == (tmp_path / CLIPS).read_bytes()


def test_columns_rows_and_optional_columns_can_be_chosen(tmp_path):
    schema = pa.schema([("clip_id", "string"), ("state", "string"), ("level", "int64")])
    rows = [{"clip_id": name, "state": "paired", "level": 2} for name in ("a", "b")]
    write_table(tmp_path / CLIPS, rows, schema)
    assert read_clips(tmp_path, ["clip_id"], optional=["level", "yaw"], clip_id="b") == [
        {"clip_id": "b", "level": 2, "yaw": None}
    ]


def test_a_table_keeps_the_schema_of_an_older_version(tmp_path):
    schema = pa.schema([("source", "string"), ("accepted", "bool")])
    write_table(tmp_path / PAIRS, [PAIR], schema)
    table = read_table(tmp_path / PAIRS)
    write_table(tmp_path / PAIRS, table.to_pylist(), table.schema)
    assert pq.read_schema(tmp_path / PAIRS).names == ["source", "accepted"]


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(TableError, match=r"clips\.parquet") as caught:
        read_clips(tmp_path)
    assert caught.value.path == tmp_path / CLIPS
    with pytest.raises(TableError, match=r"pairs\.parquet"):
        count_rows(tmp_path / PAIRS)


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / PAIRS).write_bytes(b"not a table")
    with pytest.raises(TableError, match=r"pairs\.parquet"):
        read_pairs(tmp_path)


def test_missing_columns_are_named(tmp_path):
    write_table(tmp_path / CLIPS, [CLIP], pa.schema([("clip_id", "string")]))
    with pytest.raises(TableError, match=r"clips\.parquet.*state, reason"):
        read_clips(tmp_path, ["clip_id", "state", "reason"])
    with pytest.raises(TableError, match="state"):
        read_table(tmp_path / CLIPS, required=["state"])


def test_the_error_survives_the_way_between_processes(tmp_path):
    error = TableError(tmp_path / CLIPS, "is missing", "copy it again")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.problem) == (str(error), "is missing")
