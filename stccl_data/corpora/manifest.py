"""A manifest: a table that lists the clips of a corpus of your own."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip, emotion_label, face_place, slug
from stccl_data.corpora.consent import apply_ledger
from stccl_data.corpora.labels import normalised_label, similar_labels
from stccl_data.corpora.manifest_paths import FoundFile, PathFinder, shown_path
from stccl_data.corpora.manifest_rows import OPTIONAL, REQUIRED, SUFFIXES, RawRow, read_rows
from stccl_data.corpora.records import Finding, Listing, ScanError
from stccl_data.corpora.seconds import parse_seconds
from stccl_data.corpora.tree import AUDIO_SUFFIXES, MEDIA_SUFFIXES, VIDEO_SUFFIXES, suffix_of
from stccl_data.errors import ClipError, Reason
from stccl_data.files.stubs import stub_by_name, stub_of, unreadable_table
from stccl_data.media.cut import Cut

#: Seconds of the shortest cut, and of one without an end.
_LEAST_CUT, _ENDLESS = 0.01, 1e6
#: Share of the shorter of two cuts of one file that they may have in common.
_SAME_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """A valid row."""

    number: int
    #: `clip_id` is empty if the row has none
    clip: Clip
    #: 0 if the row has none
    take: int
    #: how its paths were read, if they are not as on the disk
    remarks: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[object, ...]:
        """What the takes of one sentence have in common."""
        clip = self.clip
        return clip.corpus, clip.speaker, clip.view, clip.emotion, clip.level, clip.sentence


def find_manifest(raw: Path) -> Path | None:
    """Return `raw` itself if it is a file, or the only `manifest.*` in the folder, if any.

    Raises:
        ScanError: the folder contains several manifests, or one whose content is not here.
    """
    if raw.is_file():
        return raw
    try:
        names = sorted(os.listdir(raw))  # noqa: PTH208 - Path.iterdir makes 200,000 Paths
    except OSError:
        return None
    known = {f"manifest{suffix}" for suffix in SUFFIXES}
    problems: dict[str, str] = {}
    manifests: list[str] = []
    for name in names:
        by_name = stub_by_name(name)
        if name.lower() in known and not os.path.isdir(raw / name):  # noqa: PTH112
            if problem := unreadable_table(raw / name):
                problems[name] = problem
            else:
                manifests.append(name)
        elif by_name is not None and by_name[0].lower() in {"manifest", *known}:
            problems[name] = f"{by_name[1].what}: {by_name[1].reason.advice}"
    if len(manifests) > 1:
        raise ScanError(
            f"{raw} contains {' and '.join(manifests)}: pass the one to use instead of the folder"
        )
    if problems and not manifests:
        name, problem = problems.popitem()
        raise ScanError(f"{raw / name} {problem}")
    return raw / manifests[0] if manifests else None


def read(manifest: Path, accept_proposed: bool = False) -> Listing:
    """List the clips and findings of a manifest.

    The columns are `REQUIRED` and any of `OPTIONAL`; others are ignored. Relative paths are
    relative to the manifest. Clips that agree in all labels become takes 1, 2, ... in the order
    of the rows, unless the rows contain the take. A row that cannot be used is a finding, and the
    other rows are unaffected; rows that give one file different labels are all findings.

    A path that exists in another spelling only is read so, and a finding says it.

    Args:
        manifest: the table.
        accept_proposed: use rows whose sentence `stccl label` proposed, too.

    Raises:
        ScanError: the file is not such a table, or lacks a required column; or as `apply_ledger`.
    """
    rows: list[Row] = []
    errors: list[tuple[int, ClipError]] = []
    remarks: list[str] = []
    finder = PathFinder(manifest.parent)
    for raw_row in read_rows(manifest, remarks.append):
        try:
            rows.append(_parse_row(finder, raw_row, accept_proposed))
        except ClipError as error:
            errors.append((raw_row.number, error))
    unique = []
    for row, duplicate in _check_duplicates(rows):
        if duplicate is None:
            unique.append(row)
        else:
            errors.append((row.number, duplicate))
    numbered, conflicts = _assign_takes(unique)
    findings = [
        Finding(str(manifest), error.reason, f"{manifest.name}, row {number}: {error.detail}")
        for number, error in errors + conflicts
    ]
    clips = _assign_ids(unique, numbered)
    findings += _remarks(manifest, remarks, numbered)
    return apply_ledger(Listing(clips, findings), manifest.parent)


def _remarks(manifest: Path, remarks: list[str], rows: list[Row]) -> Iterator[Finding]:
    """Report what is read otherwise than it is written, and labels that look alike."""
    for remark in remarks:
        yield Finding(str(manifest), Reason.READ_AS, f"{manifest.name} {remark}", files=0)
    for row in sorted(rows, key=lambda row: row.number):
        for remark in row.remarks:
            detail = f"{manifest.name}, row {row.number}: {remark}"
            yield Finding(str(manifest), Reason.READ_AS, detail, files=0)
    for detail in similar_labels(row.clip for row in rows):
        yield Finding(str(manifest), Reason.SIMILAR_LABELS, f"{manifest.name}: {detail}", files=0)


def unlabelled(manifest: Path) -> dict[int, Clip]:
    """Return the clips of a manifest by the number of their row; they need no sentence.

    Rows that cannot be used are left out.

    Raises:
        ScanError: as `read`.
    """
    finder = PathFinder(manifest.parent)
    clips = {}
    for row in read_rows(manifest, lambda _: None):
        with suppress(ClipError):
            clips[row.number] = _parse_row(finder, row, True, ("path", "speaker", "emotion")).clip
    return clips


def _parse_row(
    finder: PathFinder,
    row: RawRow,
    accept_proposed: bool,
    required: Collection[str] = REQUIRED,
) -> Row:
    """Validate a row. Raises ClipError."""
    if row.error:
        raise ClipError(Reason.BAD_ROW, row.error)
    text = {column: _cell_text(row.cells.get(column)) for column in (*REQUIRED, *OPTIONAL)}
    if invalid := [column for column, value in text.items() if not _is_unicode(value)]:
        raise ClipError(Reason.BAD_ROW, f"column {', '.join(invalid)} contains a lone surrogate")
    if text["reason"]:
        raise _stated_reason(text["reason"], text["detail"])
    if text["proposed"] and not accept_proposed:
        detail = f"sentence {text['sentence']} is proposed ({text['proposed']})"
        raise ClipError(Reason.PROPOSED_LABEL, detail)
    if missing := [column for column in required if not text[column]]:
        raise ClipError(Reason.BAD_ROW, f"no value in column {', '.join(missing)}")
    try:
        emotion = emotion_label(text["emotion"])
        face = ",".join(f"{v:g}" for v in face_place(text["face"])) if text["face"] else None
        start, end = _parse_cut(text["start"], text["end"])
    except ValueError as error:
        raise ClipError(Reason.BAD_ROW, str(error)) from error
    files = {
        column: _find_file(finder, column, text[column])
        for column in ("path", "audio_path")
        if text[column]
    }
    clip = Clip(
        clip_id=text["clip_id"],
        corpus=text["corpus"] or "own",
        speaker=normalised_label(text["speaker"]),
        emotion=emotion,
        sentence=normalised_label(text["sentence"]) or None,
        path=files["path"].path,
        audio_path=files["audio_path"].path if "audio_path" in files else None,
        level=_parse_int(text["level"], "level", least=0) if text["level"] else 1,
        view=normalised_label(text["view"]) or "front",
        text=text["text"] or None,
        start=start,
        end=end,
        face=face,
        license=text["license"] or None,
        consent=text["consent"] or None,
    )
    take = _parse_int(text["take"], "take", least=1) if text["take"] else 0
    remarks = tuple(
        f"{column} {text[column]} is read as {shown_path(finder.folder, file.path)}, "
        f"which differs by {' and '.join(dict.fromkeys(file.differences))}"
        for column, file in files.items()
        if file.differences
    )
    return Row(row.number, clip, take, remarks)


def _stated_reason(reason: str, detail: str) -> ClipError:
    """Return the error of a row that says why it is no clip, as `stccl segment` writes them."""
    known = next((code for code in Reason if code == reason), None)
    if known is None:
        detail = f"unknown reason {reason[:40]!r}; leave it empty to use the row"
        return ClipError(Reason.BAD_ROW, detail)
    return ClipError(known, detail or "no clip")


def _cell_text(value: Any) -> str:
    """Convert a cell to text: None and NaN to '', and whole floats without their '.0'."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse_int(text: str, column: str, least: int) -> int:
    try:
        value = float(text)
        if value.is_integer() and least <= value < 2**31:
            return int(value)
    except ValueError:
        pass
    raise ClipError(
        Reason.BAD_ROW, f"{column} '{text[:40]}' is not a whole number of {least} or more"
    )


def _parse_cut(start: str, end: str) -> tuple[float | None, float | None]:
    """Return start and end in seconds. Raises ValueError."""
    first = parse_seconds(start) if start else None
    last = parse_seconds(end) if end else None
    if last is not None and last - (first or 0.0) < _LEAST_CUT:
        raise ValueError(f"end {end} is not after start {start or 0}")
    return first, last


def _find_file(finder: PathFinder, column: str, text: str) -> FoundFile:
    """Return the media file in a cell. Raises ClipError."""
    try:
        file = finder.find(text)
    except ClipError as error:
        raise ClipError(error.reason, f"{column} {text} {error.detail}") from error
    stub = stub_of(file.path)
    if stub is not None and os.path.isdir(file.path):  # noqa: PTH112
        raise ClipError(Reason.MISSING_FILE, f"{column} {text} {stub.what}")
    suffix = suffix_of(file.path)
    if suffix not in MEDIA_SUFFIXES:
        known = " ".join((*sorted(VIDEO_SUFFIXES), *AUDIO_SUFFIXES))
        raise ClipError(
            Reason.NOT_MEDIA, f"{column} {text} has the suffix '{suffix}'; use one of {known}"
        )
    if stub is not None:
        raise ClipError(stub.reason, f"{column} {text} {stub.what}")
    return file


def _check_duplicates(rows: list[Row]) -> Iterator[tuple[Row, ClipError | None]]:
    """Pair each row with an error if another row has the same part of a file, or `clip_id`.

    Rows of one part with different labels contradict each other, unless the part is outside the
    file.
    """
    by_file: defaultdict[tuple[str, str | None], list[Row]] = defaultdict(list)
    for row in rows:
        by_file[row.clip.path, row.clip.face].append(row)
    same_part: dict[int, list[Row]] = {}
    outside: dict[int, ClipError] = {}
    for of_file in by_file.values():
        groups = _same_part(of_file)
        if any(_contradict(group) for group in groups):
            errors = {row.number: _outside(row.clip) for row in of_file}
            outside |= {number: error for number, error in errors.items() if error is not None}
            groups = _same_part([row for row in of_file if errors[row.number] is None])
        for group in groups:
            same_part |= dict.fromkeys((row.number for row in group), group)
    first_with_id: dict[str, int] = {}
    for row in rows:
        clip_id = row.clip.clip_id
        error = outside.get(row.number) or _duplicate(row, same_part[row.number])
        if (
            error is None
            and clip_id
            and first_with_id.setdefault(clip_id, row.number) != row.number
        ):
            error = ClipError(
                Reason.DUPLICATE_CLIP,
                f"clip_id {clip_id} is already used in row {first_with_id[clip_id]}",
            )
        yield row, error


def _contradict(rows: list[Row]) -> bool:
    """Return whether rows of one part of a file have different labels."""
    return len({(row.labels, row.take) for row in rows}) > 1


def _duplicate(row: Row, same_part: list[Row]) -> ClipError | None:
    """Return the error of a row whose part of a file other rows have too."""
    if _contradict(same_part):
        others = ", ".join(str(other.number) for other in same_part if other is not row)
        detail = f"{row.clip.path} has other labels in row {others}; none of these rows is used"
        for other in same_part:
            if other.clip.start and other.clip.end is None:
                detail += f" (row {other.number} has no end, so it lasts to that of the file)"
                break
        return ClipError(Reason.LABEL_CONFLICT, detail)
    if same_part[0] is not row:
        return ClipError(
            Reason.DUPLICATE_CLIP,
            f"{row.clip.path} is already listed in row {same_part[0].number}",
        )
    return None


def _outside(clip: Clip) -> ClipError | None:
    """Return the error of a part that is outside its file, which is read for that."""
    # Imported here: listing clips needs no decoder.
    from stccl_data.media.clock import read_clock
    from stccl_data.media.seeking import cut_origin

    try:
        cut_origin(clip.path, read_clock(clip.path), clip.cut)
    except ClipError as error:
        if error.reason is Reason.CUT_OUTSIDE:
            return error
    return None


def _same_part(rows: list[Row]) -> list[list[Row]]:
    """Group the rows of one file that have the same part of it."""
    cuts: defaultdict[Cut, list[Row]] = defaultdict(list)
    for row in rows:
        cuts[row.clip.cut or Cut()].append(row)
    return list(_overlapping(cuts))


def _overlapping(cuts: dict[Cut, list[Row]]) -> Iterator[list[Row]]:
    """Group the rows whose cuts share more than half of the shorter one, with a neighbour."""
    group: list[Row] = []
    before: Cut | None = None
    for cut in sorted(cuts, key=lambda cut: (cut.start, cut.end)):
        if before is not None:
            shared = min(before.end, cut.end, _ENDLESS) - cut.start
            shorter = min(min(part.end, _ENDLESS) - part.start for part in (before, cut))
            if shared <= _SAME_SHARE * shorter:
                yield sorted(group, key=lambda row: row.number)
                group, before = [], None
        group += cuts[cut]
        before = cut if before is None or cut.end > before.end else before
    if group:
        yield sorted(group, key=lambda row: row.number)


def _assign_takes(rows: list[Row]) -> tuple[list[Row], list[tuple[int, ClipError]]]:
    """Number the takes. Rows without a take get the lowest free numbers, in order.

    Returns:
        The rows with their takes, and the errors of rows whose take is used by another, by row
        number.
    """
    row_of_take: defaultdict[tuple[object, ...], dict[int, int]] = defaultdict(dict)
    errors = []
    numbered = []
    for row in sorted(rows, key=lambda row: (row.take == 0, row.number)):
        takes = row_of_take[row.labels]
        take = row.take or next(n for n in range(1, len(takes) + 2) if n not in takes)
        if take in takes and not row.clip.clip_id:
            detail = f"same labels and take {take} as row {takes[take]}; use another take"
            errors.append((row.number, ClipError(Reason.DUPLICATE_CLIP, detail)))
            continue
        takes.setdefault(take, row.number)
        numbered.append(replace(row, clip=replace(row.clip, take=take)))
    return numbered, errors


def _assign_ids(rows: list[Row], numbered: list[Row]) -> list[Clip]:
    """Generate the missing clip ids of `numbered`, different from all ids given in `rows`."""
    given = {row.clip.clip_id for row in rows} - {""}
    clips = []
    for row in numbered:
        clip = row.clip
        if not clip.clip_id:
            clip_id = _clip_id(clip)
            if clip_id in given:
                clip_id = f"{clip_id}-row{row.number}"
            clip = replace(clip, clip_id=clip_id)
        clips.append(clip)
    return clips


def _clip_id(clip: Clip) -> str:
    prefix = "/".join(slug(part) for part in (clip.corpus, clip.speaker, clip.view))
    emotion, sentence = slug(clip.emotion), slug(clip.sentence or "")
    return f"{prefix}/{emotion}-{clip.level}/{sentence}-t{clip.take:03d}"
