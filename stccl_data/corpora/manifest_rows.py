"""Read the rows of a manifest: CSV, TSV, JSON lines or Parquet."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data.corpora.records import ScanError

REQUIRED = ("path", "speaker", "emotion", "sentence")
OPTIONAL = ("clip_id", "audio_path", "level", "take", "view", "text", "corpus")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row of the table, not yet validated."""

    #: as an editor shows it: row 1 of a CSV is its header
    number: int
    #: by column, in lower case
    cells: Mapping[str, Any]
    #: why the row cannot be read; empty if it can
    error: str = ""


def read_rows(manifest: Path) -> Iterator[RawRow]:
    """Read the rows of a manifest in order.

    Raises:
        ScanError: the file cannot be read, is not such a table, or lacks a required column.
    """
    readers = {
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
    }
    reader = readers.get(manifest.suffix.lower())
    if reader is None:
        raise ScanError(
            f"{manifest} is not a manifest: its suffix must be one of {' '.join(SUFFIXES)}"
        )
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


def _read_text(manifest: Path) -> str:
    content = manifest.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScanError(f"{manifest}, line {line}: not UTF-8; save the table as UTF-8") from error


def _read_csv(manifest: Path) -> Iterator[RawRow]:
    text = _read_text(manifest)
    first_line = text.split("\n", 1)[0]
    delimiter = "\t" if manifest.suffix.lower() == ".tsv" else max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
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
                f"quote a cell that contains '{delimiter}'"
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
    for number, line in enumerate(_read_text(manifest).split("\n"), 1):
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
