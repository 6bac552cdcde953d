"""A corpus of one's own: a table that names the clips. CSV, TSV, JSON lines or Parquet."""

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stccl_data.clip import EMOTIONS, Clip, parse_emotion, slug
from stccl_data.corpora.scan import Finding, ScanError
from stccl_data.corpora.tree import AUDIO, MEDIA, VIDEO
from stccl_data.errors import ClipError, Reason

REQUIRED = ("path", "speaker", "emotion", "sentence")
OPTIONAL = ("clip_id", "audio_path", "level", "take", "view", "text", "corpus")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class Row:
    """A row that passed. `number` is as an editor shows it: a CSV's header is row 1. `take` is 0 where the row gives none."""

    number: int
    clip: Clip
    take: int


def manifest_in(raw: Path) -> Path | None:
    """The manifest that `raw` is, or the only `manifest.csv|tsv|jsonl|parquet` in the folder `raw`; None where there is none.

    Raises ScanError where the folder holds several.
    """
    if raw.is_file():
        return raw
    # os.path.isfile() is False, where Path.is_file() raises, in a folder that may not be entered.
    found = [file for suffix in SUFFIXES if os.path.isfile(file := raw / f"manifest{suffix}")]  # noqa: PTH113
    if len(found) > 1:
        raise ScanError(
            f"{raw} holds {' and '.join(file.name for file in found)}: name the one to use"
        )
    return found[0] if found else None


def read(manifest: Path) -> tuple[list[Clip], list[Finding]]:
    """Clips and findings of a manifest.

    Columns: `path, speaker, emotion, sentence`, and any of `clip_id, audio_path, level, take, view, text, corpus`; others
    are passed over. Relative paths are relative to the manifest. Clips that agree in all labels are takes 1, 2, ... in the
    order of the rows, unless the rows say the take. Rows that cannot be used are findings, the others go on; rows that give
    one file different labels are all findings. Raises ScanError where the file is no such table or lacks a required column.
    """
    rows: list[Row] = []
    findings: list[Finding] = []
    for number, values in _rows(manifest):
        try:
            rows.append(_row(manifest, number, values))
        except ClipError as error:
            findings.append(_finding(manifest, number, error))
    kept = []
    for row, fault in _without_copies(rows):
        if fault is None:
            kept.append(row)
        else:
            findings.append(_finding(manifest, row.number, fault))
    clips, more = _named(manifest, kept)
    return clips, findings + more


def _finding(manifest: Path, number: int, error: ClipError) -> Finding:
    return Finding(str(manifest), error.reason, f"{manifest.name}, row {number}: {error.detail}")


def _row(manifest: Path, number: int, values: Mapping[str, Any]) -> Row:
    """The row as a clip without its id. Raises ClipError."""
    if broken := values.get(""):
        raise ClipError(Reason.BAD_ROW, str(broken))
    text = {column: _text(values.get(column)) for column in (*REQUIRED, *OPTIONAL)}
    if broken := [column for column, value in text.items() if not _is_text(value)]:
        raise ClipError(
            Reason.BAD_ROW, f"column {', '.join(broken)} holds half a character (a lone surrogate)"
        )
    missing = [column for column in REQUIRED if not text[column]]
    if missing:
        raise ClipError(Reason.BAD_ROW, f"no value in column {', '.join(missing)}")
    emotion = parse_emotion(text["emotion"])
    if emotion is None:
        raise ClipError(
            Reason.BAD_ROW,
            f"emotion '{text['emotion']}' is not known; the words are {', '.join(EMOTIONS)}",
        )
    clip = Clip(
        clip_id=text["clip_id"],
        corpus=text["corpus"] or "own",
        speaker=text["speaker"],
        emotion=emotion,
        sentence=text["sentence"],
        path=_file(manifest, "path", text["path"], MEDIA),
        audio_path=_file(manifest, "audio_path", text["audio_path"], MEDIA)
        if text["audio_path"]
        else None,
        level=_whole(text["level"], "level", least=0) if text["level"] else 1,
        view=text["view"] or "front",
        text=text["text"] or None,
    )
    return Row(number, clip, _whole(text["take"], "take", least=1) if text["take"] else 0)


def _text(value: Any) -> str:
    """A cell as text; what stands for nothing (None, NaN) as ''. A whole number that a table keeps as float loses its '.0'."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str, column: str, least: int) -> int:
    try:
        value = float(text)
        if value.is_integer() and least <= value < 2**31:
            return int(value)
    except ValueError:
        pass
    raise ClipError(
        Reason.BAD_ROW, f"{column} '{text[:40]}' is not a whole number of {least} or more"
    )


def _file(manifest: Path, column: str, text: str, suffixes: frozenset[str] | set[str]) -> str:
    """The absolute path that a cell means. Raises ClipError where there is no such file, or its suffix is no medium's."""
    path = os.path.normpath(manifest.parent / text)
    if text.startswith("~") and not os.path.lexists(path):
        path = os.path.normpath(manifest.parent / os.path.expanduser(text))  # noqa: PTH111 - Path's raises for unknown users
    try:
        os.stat(path)  # noqa: PTH116
    except PermissionError as error:
        raise ClipError(
            Reason.NOT_PERMITTED, f"{column} {text} cannot be reached: {error.strerror}"
        ) from error
    except (OSError, ValueError) as error:
        raise ClipError(
            Reason.MISSING_FILE, f"{column} {text} is not there (looked for {path})"
        ) from error
    if not os.path.isfile(path):  # noqa: PTH113
        raise ClipError(Reason.MISSING_FILE, f"{column} {text} is no file")
    suffix = Path(path).suffix.lower()
    if suffix not in suffixes:
        known = " ".join((*sorted(VIDEO), *AUDIO))
        raise ClipError(
            Reason.NOT_MEDIA, f"{column} {text} has the suffix '{suffix}'; read are {known}"
        )
    return path


def _labels(row: Row) -> tuple[object, ...]:
    clip = row.clip
    return clip.corpus, clip.speaker, clip.view, clip.emotion, clip.level, clip.sentence


def _without_copies(rows: list[Row]) -> Iterator[tuple[Row, ClipError | None]]:
    """Each row, with the error where its file or its clip_id was given before."""
    by_path: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_path[row.clip.path].append(row)
    ids: dict[str, int] = {}
    for row in rows:
        same = by_path[row.clip.path]
        error = None
        if len({(_labels(one), one.take) for one in same}) > 1:
            others = ", ".join(str(one.number) for one in same if one is not row)
            error = ClipError(
                Reason.LABEL_CONFLICT,
                f"{row.clip.path} has other labels in row {others}; none of these rows is used",
            )
        elif same[0] is not row:
            error = ClipError(
                Reason.DUPLICATE_CLIP, f"{row.clip.path} was listed in row {same[0].number}"
            )
        elif row.clip.clip_id and ids.setdefault(row.clip.clip_id, row.number) != row.number:
            error = ClipError(
                Reason.DUPLICATE_CLIP,
                f"clip_id {row.clip.clip_id} was given in row {ids[row.clip.clip_id]}",
            )
        yield row, error


def _named(manifest: Path, rows: list[Row]) -> tuple[list[Clip], list[Finding]]:
    """Clips with their take and id. Rows without a take fill the lowest free numbers, in order."""
    taken: defaultdict[tuple[object, ...], dict[int, int]] = defaultdict(dict)
    findings = []
    placed = []
    for row in sorted(rows, key=lambda row: (row.take == 0, row.number)):
        numbers = taken[_labels(row)]
        take = row.take or next(
            number for number in range(1, len(numbers) + 2) if number not in numbers
        )
        if take in numbers and not row.clip.clip_id:
            detail = f"the labels are those of row {numbers[take]}, and so is take {take}; give it another take"
            findings.append(
                _finding(manifest, row.number, ClipError(Reason.DUPLICATE_CLIP, detail))
            )
            continue
        numbers.setdefault(take, row.number)
        placed.append((row, replace(row.clip, take=take)))
    given = {row.clip.clip_id for row in rows} - {""}
    clips = []
    for row, clip in placed:
        if not clip.clip_id:
            clip_id = _clip_id(clip)
            clip = replace(
                clip, clip_id=f"{clip_id}-row{row.number}" if clip_id in given else clip_id
            )
        clips.append(clip)
    return clips, findings


def _clip_id(clip: Clip) -> str:
    place = "/".join(slug(part) for part in (clip.corpus, clip.speaker, clip.view))
    return f"{place}/{clip.emotion}-{clip.level}/{slug(clip.sentence or '')}-t{clip.take:03d}"


def _rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(row number, column -> value) of a table; a row that cannot be read has its reason under ''. Raises ScanError."""
    readers = {
        ".csv": _csv_rows,
        ".tsv": _csv_rows,
        ".jsonl": _jsonl_rows,
        ".parquet": _parquet_rows,
    }
    reader = readers.get(manifest.suffix.lower())
    if reader is None:
        raise ScanError(f"{manifest} is no manifest: its suffix is none of {' '.join(SUFFIXES)}")
    try:
        yield from reader(manifest)
    except OSError as error:
        raise ScanError(
            f"cannot read the manifest {manifest}: {error.strerror or error}"
        ) from error


def _require_columns(manifest: Path, found: list[str]) -> None:
    missing = [column for column in REQUIRED if column not in found]
    if missing:
        raise ScanError(
            f"{manifest} has no column {', '.join(missing)}; its columns are {', '.join(found) or 'none'}"
        )
    twice = sorted(
        {column for column in found if found.count(column) > 1 and column in (*REQUIRED, *OPTIONAL)}
    )
    if twice:
        raise ScanError(f"{manifest} has the column {', '.join(twice)} more than once")


def _decoded(manifest: Path) -> str:
    content = manifest.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        raise ScanError(f"{manifest}, line {row}, is not UTF-8: save the table as UTF-8") from error


def _csv_rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    text = _decoded(manifest)
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
            yield number, {"": f"it cannot be read: {error}"}
            continue
        if not columns:
            columns = [cell.strip().lower() for cell in cells]
            _require_columns(manifest, columns)
        elif len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            broken = (
                f"it has {len(cells)} cells where the header names {len(columns)}; "
                f"put a cell that holds '{delimiter}' in quotes"
            )
            yield number, {"": broken}
        elif any(cell.strip() for cell in cells):
            yield number, dict(zip(columns, cells, strict=False))
    if not columns:
        _require_columns(manifest, columns)


def _jsonl_rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each line is a row of its own, so a column that no row has is a missing column; one that some rows lack is a bad row."""
    rows: list[tuple[int, dict[str, Any]]] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(_decoded(manifest).split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            rows.append((number, {"": f"it is not JSON: {error}"}))
            continue
        if not isinstance(values, dict):
            rows.append((number, {"": f"it is not a JSON object but a {type(values).__name__}"}))
            continue
        values = {column.strip().lower(): value for column, value in values.items()}
        values.pop("", None)
        columns |= dict.fromkeys(values)
        rows.append((number, values))
    _require_columns(manifest, list(columns))
    yield from rows


def _parquet_rows(manifest: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows count from 1: a Parquet table has no header row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_table(manifest)
    except pa.ArrowInvalid as error:
        raise ScanError(f"{manifest} is not a Parquet file: {error}") from error
    columns = [name.strip().lower() for name in found.column_names]
    _require_columns(manifest, columns)
    used = [index for index, name in enumerate(columns) if name in (*REQUIRED, *OPTIONAL)]
    data = [found.column(index).to_pylist() for index in used]
    for number, cells in enumerate(zip(*data, strict=True), 1):
        yield number, {columns[index]: cell for index, cell in zip(used, cells, strict=True)}
