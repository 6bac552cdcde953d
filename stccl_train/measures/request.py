"""What is to be measured: rows of a source clip and a clip that was generated from it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from stccl_data.clip import parse_emotion
from stccl_data.errors import UsageError

#: Names of the control rows, which no method may have.
CONTROLS = ("copy", "real", "shifted", "other", "other aligned")


def claims_speech(label: str) -> bool:
    """Return whether a row's headline numbers claim that speech is kept: methods, real clips."""
    return label == "real" or label not in CONTROLS


#: Suffixes of the files that are looked for in folders.
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"})


@dataclass(frozen=True, slots=True)
class Row:
    """A generated clip and what it is compared with. Paths as text; empty if there is none."""

    source: str
    generated: str
    method: str = "generated"
    #: of the source
    speaker: str = ""
    #: that the generated clip should show
    emotion: str = ""
    #: a real clip of the speaker in that emotion
    reference: str = ""
    #: the file whose sound belongs to the generated clip; else the generated clip's own, else the
    #: source's
    audio: str = ""
    #: what the source says: a name or the text, by which controls that say the same are left out
    sentence: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.method}: {self.generated}"


_COLUMNS = tuple(field.name for field in fields(Row))
_PATHS = ("source", "generated", "reference", "audio")


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """Return the rows that the arguments of `stccl measure` ask for.

    Args:
        paths: a CSV; or a source and one or more generated files; or a folder of sources and one
            or more folders of generated files with equal names, one folder for each method. Below
            a method, SPEAKER/EMOTION/CLIP gives a row its labels.

    Raises:
        UsageError: nothing can be made of them. The message says what is missing.
    """
    if len(paths) == 1 and (paths[0].is_dir() or paths[0].suffix.lower() in VIDEO_SUFFIXES):
        raise UsageError(f"{paths[0]} stands alone; give SOURCE and GENERATED, or a CSV")
    if len(paths) == 1:
        rows = _read_csv(paths[0])
    elif paths[0].is_dir():
        rows = [row for folder in paths[1:] for row in _match_folders(paths[0], folder, paths[1:])]
    else:
        rows = [_match_files(paths[0], generated, paths[1:]) for generated in paths[1:]]
    _check(rows)
    return rows


def _match_files(source: Path, generated: Path, all_generated: Sequence[Path]) -> Row:
    for path in (source, generated):
        if path.is_dir():
            raise UsageError(f"{path} is a folder, but {source} is a file; give two of a kind")
        if not path.is_file():
            raise UsageError(f"{path}: no such file; give two files, two folders, or one CSV")
    return Row(str(source), str(generated), _method(generated, all_generated))


def _match_folders(sources: Path, folder: Path, folders: Sequence[Path]) -> list[Row]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder, but {sources} is one; give two folders")
    source_files, generated_files = _videos(sources), _videos(folder)
    found = {name: _source_name(name, source_files) for name in generated_files}
    names = [name for name in generated_files if found[name]]
    if not names:
        raise UsageError(
            f"{sources} and {folder} have no video of the same name (suffixes aside); rename "
            "them, or list the pairs in a CSV with the columns source,generated"
        )
    method = _method(folder, folders)
    return [
        Row(str(source_files[found[name]]), str(generated_files[name]), method, *_labels(name))
        for name in names
    ]


def _labels(name: str) -> tuple[str, str]:
    """Return speaker and emotion of a video SPEAKER/EMOTION/CLIP or EMOTION/CLIP; else empty."""
    *_, speaker, emotion, _ = ("", "", *Path(name).parts)
    label = parse_emotion(emotion)
    return (speaker, label) if label else ("", "")


def _source_name(name: str, sources: Mapping[str, Path]) -> str:
    """Return which source a generated video belongs to; empty if there is none.

    The source of a clip in an emotion may be named like it, lie in the folder neutral, or in none.
    """
    folder, clip = Path(name).parent, Path(name).name
    names = [name]
    if _labels(name)[1]:
        names += [str(folder.parent / "neutral" / clip), str(folder.parent / clip)]
    return next((each for each in names if each in sources), "")


def _videos(folder: Path) -> dict[str, Path]:
    """Return the videos below a folder by their path in it without the suffix, sorted.

    Raises:
        UsageError: two differ in their suffix alone, or there is none.
    """
    videos: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            name = str(path.relative_to(folder).with_suffix(""))
            if name in videos:
                raise UsageError(f"{videos[name]} and {path} have one name; remove one of them")
            videos[name] = path
    if not videos:
        raise UsageError(f"{folder} holds no video; suffixes: {' '.join(sorted(VIDEO_SUFFIXES))}")
    return videos


def _method(path: Path, paths: Sequence[Path]) -> str:
    """Name the method of a file or folder: its own name, if there are several."""
    return path.stem if len(paths) > 1 else Row("", "").method


def _read_csv(path: Path) -> list[Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = columns
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"{path}: cannot be read as a CSV ({error}); give SOURCE and GENERATED, or a CSV"
        ) from None
    if len(columns) == 1 and (separator := next((c for c in ";\t|" if c in columns[0]), "")):
        raise UsageError(f"{path} is separated by {separator!r}; separate its values by commas")
    missing = [name for name in ("source", "generated") if name not in columns]
    unknown = [name for name in columns if name not in _COLUMNS]
    if missing or unknown:
        what = f"no column {' and '.join(missing)}" if missing else f"column {unknown[0]!r}"
        raise UsageError(f"{path} has {what}; its columns may be {', '.join(_COLUMNS)}")
    return [_row(path, number, line) for number, line in lines]


def _row(path: Path, number: int, line: dict[str, str | None]) -> Row:
    if None in line:
        raise UsageError(f"{path}, line {number}: more values than columns")
    values = {name: value.strip() for name, value in line.items() if value and value.strip()}
    for name in ("source", "generated"):
        if name not in values:
            raise UsageError(f"{path}, line {number}: {name} is empty")
    located = {name: _locate(path, values[name]) for name in _PATHS if name in values}
    if "emotion" in values:
        values["emotion"] = parse_emotion(values["emotion"]) or values["emotion"]
    return replace(Row("", ""), **{**values, **located})


def _locate(listing: Path, name: str) -> str:
    """Resolve a path relative to the CSV; if nothing is there, relative to the working folder."""
    path = listing.parent / name
    return str(path if path.exists() else Path(name))


def _check(rows: Sequence[Row]) -> None:
    """Raise UsageError if rows are missing, repeated, or named like a control."""
    if not rows:
        raise UsageError("there is nothing to measure: no row and no pair of files")
    seen: dict[tuple[str, str, str, str], Row] = {}
    for row in rows:
        if row.method in CONTROLS:
            raise UsageError(
                f"a method cannot be called {row.method!r}: that is the name of a control row; "
                "rename it"
            )
        key = (row.method, row.source, row.emotion, row.reference)
        if key in seen:
            raise UsageError(
                f"{row.method} has two clips of {row.source}: {seen[key].generated} and "
                f"{row.generated}. Files on the command line are one source and what was made of "
                "it; for several sources give folders, or a CSV with the columns "
                "source,generated. Rows of a CSV need different emotions or references"
            )
        seen[key] = row
