"""Read the rows of a manifest: CSV, TSV, JSON lines or Parquet."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data.corpora.csv_text import decode, read_csv_text
from stccl_data.corpora.records import ScanError
from stccl_data.corpora.tree import MEDIA_SUFFIXES, suffix_of
from stccl_data.files.stubs import unreadable_table

REQUIRED = ("path", "speaker", "emotion", "sentence")
OPTIONAL = (
    "clip_id",
    "audio_path",
    "start",
    "end",
    "level",
    "take",
    "view",
    "text",
    "corpus",
    "face",
    "license",
    "consent",
    "reason",
    "detail",
    "proposed",
)
#: Columns that the path of a file can give.
LABELS = ("speaker", "emotion", "sentence", "level", "take", "view", "corpus", "clip_id", "text")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row of the table, not yet validated."""

    #: as a spreadsheet program shows it: row 1 of a CSV is its header
    number: int
    #: by column, in lower case
    cells: Mapping[str, Any]
    #: why the row cannot be read; empty if it can
    error: str = ""


def read_rows(manifest: Path, remark: Callable[[str], None]) -> Iterator[RawRow]:
    """Read the rows of a manifest in order.

    Args:
        manifest: the table.
        remark: is called with what is unusual about the file, to follow its name.

    Raises:
        ScanError: the file cannot be read, is not such a table, or lacks a required column.
    """
    readers: dict[str, Callable[[Path], Iterator[RawRow]]] = {
        ".csv": lambda path: _read_csv(path, remark),
        ".tsv": lambda path: _read_csv(path, remark),
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
    reader = readers.get(manifest.suffix.lower())
    if reader is None:
        what = f"is not a manifest: its suffix must be one of {' '.join(SUFFIXES)}"
        if suffix_of(manifest.name) in MEDIA_SUFFIXES:
            what = (
                "is a recording, but a folder or a manifest is needed: `stccl segment` writes a "
                "manifest of an uncut recording, `stccl manifest` one of a folder of clips"
            )
        raise ScanError(f"{manifest} {what}")
    if problem := unreadable_table(manifest):
        raise ScanError(f"{manifest} {problem}")
    try:
        yield from reader(manifest)
    except OSError as error:
        raise ScanError(
            f"cannot read the manifest {manifest}: {error.strerror or error}"
        ) from error


def _check_columns(manifest: Path, columns: list[str]) -> None:
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise ScanError(
            f"{manifest} has no column {', '.join(missing)}; "
            f"its columns are {', '.join(columns) or 'none'}"
        )
    repeated = [column for column in (*REQUIRED, *OPTIONAL) if columns.count(column) > 1]
    if repeated:
        raise ScanError(f"{manifest} has the column {', '.join(sorted(repeated))} more than once")


def _not_unicode(manifest: Path, error: UnicodeDecodeError) -> ScanError:
    line = error.object.count(b"\n", 0, error.start) + 1
    return ScanError(f"{manifest}, line {line}: not UTF-8; save the table as UTF-8")


def _read_csv(manifest: Path, remark: Callable[[str], None]) -> Iterator[RawRow]:
    try:
        content = read_csv_text(manifest)
    except UnicodeDecodeError as error:
        raise _not_unicode(manifest, error) from error
    for text in content.remarks:
        remark(text)
    reader = content.rows()
    columns: list[str] = []
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield RawRow(number, {}, f"cannot be read: {error}")
            continue
        if not columns:
            columns = [cell.strip().lower() for cell in cells]
            _check_columns(manifest, columns)
        elif any(cell.strip() for cell in cells[len(columns) :]):
            error_text = (
                f"{len(cells)} cells, but the header has {len(columns)}; "
                f"quote a cell that contains '{content.delimiter}'"
            )
            yield RawRow(number, {}, error_text)
        elif any(cell.strip() for cell in cells):
            yield RawRow(number, dict(zip(columns, cells, strict=False)))
    if not columns:
        _check_columns(manifest, columns)


def _read_jsonl(manifest: Path) -> Iterator[RawRow]:
    """Read JSON lines.

    A required column that no line has is missing; one that only some lines lack makes these
    lines bad rows.
    """
    rows: list[RawRow] = []
    columns: dict[str, None] = {}
    try:
        text = decode(manifest.read_bytes())
    except UnicodeDecodeError as error:
        raise _not_unicode(manifest, error) from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            rows.append(RawRow(number, {}, f"not JSON: {error}"))
            continue
        if not isinstance(values, dict):
            rows.append(RawRow(number, {}, f"not a JSON object but a {type(values).__name__}"))
            continue
        cells = {column.strip().lower(): value for column, value in values.items()}
        columns |= dict.fromkeys(cells)
        rows.append(RawRow(number, cells))
    _check_columns(manifest, list(columns))
    yield from rows


def _read_parquet(manifest: Path) -> Iterator[RawRow]:
    """Read a Parquet table. Rows count from 1, since there is no header row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        content = pq.read_table(manifest)
    except pa.ArrowInvalid as error:
        raise ScanError(f"{manifest} is not a Parquet file: {error}") from error
    columns = [name.strip().lower() for name in content.column_names]
    _check_columns(manifest, columns)
    used = {
        name: content.column(index).to_pylist()
        for index, name in enumerate(columns)
        if name in (*REQUIRED, *OPTIONAL)
    }
    for number, cells in enumerate(zip(*used.values(), strict=True), 1):
        yield RawRow(number, dict(zip(used, cells, strict=True)))
