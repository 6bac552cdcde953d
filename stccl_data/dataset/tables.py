"""The columns of clips.parquet and pairs.parquet, and the one reader and writer of these tables.

pyarrow is imported when a table is first read or written, not before.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stccl_data.dataset.layout import CLIPS, PAIRS
from stccl_data.dataset.members import ShardError
from stccl_data.files.atomic import replace_bytes

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]

#: States of a clip: in an accepted pair, in no accepted pair, or could not be read.
CLIP_STATES = ("paired", "unpaired", "failed")

#: The scores of a clip, in the order of their columns. `stccl_data.extract` computes them.
CLIP_SCORES = (
    "face_rate",
    "longest_gap",
    "several_faces",
    "speaker_margin",
    "eye_distance",
    "yaw",
    "pitch",
    "roll",
    "sharpness",
    "exposure",
    "mouth_visible",
    "mouth_range",
    "mouth_moves_with_sound",
    "frozen_frames",
    "corrupt_frames",
    "av_difference_s",
)

#: The lists of 52 numbers that sum up a clip's blendshapes; see `Track.blendshape_summary`. Null
#: without blendshapes.
CLIP_EXPRESSION = ("blendshapes_mean", "blendshapes_range")

#: The scores of an aligned pair with their Arrow types, in the order of their columns.
PAIR_SCORE_TYPES = {
    "mode": "string",
    "cost": "double",
    "content_score": "double",
    "content_weak": "bool",
    "duration_ratio": "double",
    "longest_repeat": "int64",
    "diagonal_fraction": "double",
    "local_slope": "double",
    "coverage": "double",
    "consistency_s": "double",
}
PAIR_SCORES = tuple(PAIR_SCORE_TYPES)

#: The columns of clips.parquet with their Arrow types, in order.
CLIP_COLUMNS = {
    "clip_id": "string",
    "corpus": "string",
    "speaker": "string",
    "emotion": "string",
    "sentence": "string",
    "path": "string",
    "audio_path": "string",
    "level": "int64",
    "take": "int64",
    "view": "string",
    "text": "string",
    "start": "double",
    "end": "double",
    "face": "string",
    "license": "string",
    "consent": "string",
    "fps": "string",
    "n_frames": "int64",
    "width": "int64",
    "height": "int64",
    "duration_s": "double",
    "audio_rate": "int64",
    "state": "string",
    "reason": "string",
    "detail": "string",
    "split": "string",
    "utterance": "string",
    "name": "string",
    **dict.fromkeys(CLIP_SCORES, "double"),
    **dict.fromkeys(CLIP_EXPRESSION, "list<float>"),
    "emotion_margin": "double",
    "content_trust": "double",
    "suggested_sentence": "string",
    "notes": "string",
}

#: The columns of pairs.parquet with their Arrow types, in order.
PAIR_COLUMNS = {
    "source": "string",
    "target": "string",
    "utterance": "string",
    "source_name": "string",
    "target_name": "string",
    "split": "string",
    "speaker": "string",
    "sentence": "string",
    "source_emotion": "string",
    "target_emotion": "string",
    **PAIR_SCORE_TYPES,
    "accepted": "bool",
    "reason": "string",
    "detail": "string",
}

#: Between the notes of a clip in the column `notes`.
_NOTE_SEPARATOR = "; "

_COLUMNS = {CLIPS: CLIP_COLUMNS, PAIRS: PAIR_COLUMNS}


class TableError(ShardError):
    """A table is missing, cannot be read, or lacks a column that the caller needs."""

    def __init__(self, path: Path, problem: str, advice: str) -> None:
        super().__init__(path, problem, advice)
        self.path = path
        #: what is wrong, without the path: `is missing`
        self.problem = problem
        self._advice = advice

    def __str__(self) -> str:
        return f"{self.path} {self.problem}; {self._advice}"

    @property
    def advice(self) -> str:
        """What a user can do."""
        return self._advice


def join_notes(notes: Sequence[str]) -> str | None:
    """Return the notes of a clip as text for the column `notes`; None without any."""
    return _NOTE_SEPARATOR.join(notes) or None


def count_notes(clips: Iterable[Sequence[str] | str | None]) -> dict[str, int]:
    """Count the clips that have each note, the commonest first.

    Args:
        clips: the notes of each clip: a sequence, or the value of the column `notes`.
    """
    counts: Counter[str] = Counter()
    for notes in clips:
        counts.update(set(notes.split(_NOTE_SEPARATOR) if isinstance(notes, str) else notes or ()))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_clips(
    out: Path,
    columns: Sequence[str] | None = None,
    *,
    optional: Sequence[str] = (),
    clip_id: str | None = None,
) -> list[Row]:
    """Read rows of clips.parquet.

    Args:
        out: folder of the dataset.
        columns: columns that the table must have; all its columns if None.
        optional: further columns; None in every row if the table does not have them.
        clip_id: read the row of this clip only.

    Raises:
        TableError: the table is missing, cannot be read, or lacks one of `columns`.
    """
    filters = None if clip_id is None else [("clip_id", "=", clip_id)]
    return _rows(out / CLIPS, columns, optional, filters)


def read_pairs(
    out: Path, columns: Sequence[str] | None = None, *, optional: Sequence[str] = ()
) -> list[Row]:
    """Read rows of pairs.parquet. Arguments and errors are those of `read_clips`."""
    return _rows(out / PAIRS, columns, optional)


def read_table(
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    required: Sequence[str] = (),
    dictionary: Sequence[str] = (),
    filters: list[tuple[str, str, Any]] | None = None,
) -> "pa.Table":
    """Read a table in columnar form; `read_clips` and `read_pairs` give rows.

    Args:
        path: clips.parquet or pairs.parquet.
        columns: columns to read, all of which must exist; every column if None.
        required: columns that must exist when every column is read.
        dictionary: columns of text to keep dictionary-encoded, which takes far less memory.
        filters: conditions on rows, as `pyarrow.parquet.read_table` takes them.

    Raises:
        TableError: the table is missing, cannot be read, or lacks a column.
    """
    import pyarrow.parquet as pq

    existing = _column_names(path)
    if missing := [name for name in columns or required if name not in existing]:
        raise TableError(path, f"has no column {', '.join(missing)}", "rerun `stccl prepare`")
    with table_errors(path):
        return pq.read_table(
            path,
            columns=None if columns is None else list(columns),
            read_dictionary=list(dictionary) or None,
            filters=filters,
        )


def count_rows(path: Path) -> int:
    """Count the rows of a table by its footer alone. Raises TableError."""
    import pyarrow.parquet as pq

    with table_errors(path):
        return int(pq.read_metadata(path).num_rows)


def write_clips(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write clips.parquet; see `write_table`."""
    write_table(out / CLIPS, rows)


def write_pairs(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write pairs.parquet; see `write_table`."""
    write_table(out / PAIRS, rows)


def write_table(
    path: Path, rows: Sequence[Mapping[str, Any]], schema: "pa.Schema | None" = None
) -> None:
    """Write a table atomically. The same rows give the same bytes, and an equal file is left alone.

    Args:
        path: clips.parquet or pairs.parquet.
        rows: a mapping from column to value for each row.
        schema: the present one by default; that of an existing table keeps the columns of an
            older version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema or pa.schema(
        [(name, _arrow_type(kind)) for name, kind in _COLUMNS[path.name].items()]
    )
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), content, compression="zstd")
    replace_bytes(path, content.getvalue())


def _arrow_type(name: str) -> "pa.DataType":
    import pyarrow as pa

    if name == "list<float>":  # "element" is how Parquet names it, so a table that is read has it
        return pa.list_(pa.field("element", pa.float32()))
    return pa.type_for_alias(name)


@contextmanager
def table_errors(path: Path) -> Iterator[None]:
    """Turn the errors that pyarrow raises about the table `path` into TableError."""
    import pyarrow as pa

    advice = "copy it again, or rerun `stccl prepare`"
    try:
        yield
    except FileNotFoundError:
        raise TableError(path, "is missing", advice) from None
    except (OSError, pa.ArrowException) as error:
        cause = next(iter(str(error).splitlines()), type(error).__name__)
        raise TableError(path, f"cannot be read ({cause})", advice) from error


def _rows(
    path: Path,
    columns: Sequence[str] | None,
    optional: Sequence[str],
    filters: list[tuple[str, str, Any]] | None = None,
) -> list[Row]:
    if columns is not None and optional:
        existing = _column_names(path)
        columns = [*columns, *(name for name in optional if name in existing)]
    table = read_table(path, columns, filters=filters)
    absent = dict.fromkeys(name for name in optional if name not in table.column_names)
    with table_errors(path):
        return [row | absent for row in table.to_pylist()]


def _column_names(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    with table_errors(path):
        return list(pq.read_schema(path).names)
