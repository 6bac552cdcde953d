"""Write manifests: of the files in a folder whose names contain the labels, or of given rows."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stccl_data.corpora.checks import stub_finding
from stccl_data.corpora.manifest_rows import OPTIONAL, REQUIRED
from stccl_data.corpora.path_pattern import (
    PathPattern,
    PatternError,
    parse_constants,
    parse_values,
)
from stccl_data.corpora.records import Finding
from stccl_data.corpora.walk import walk
from stccl_data.errors import Reason
from stccl_data.files.atomic import write_text

#: Name of the manifest of a folder.
MANIFEST = "manifest.csv"

#: Values of a label that a message names.
_MAX_NAMED = 8


@dataclass(frozen=True, slots=True)
class WrittenManifest:
    """What `manifest_of_folder` wrote."""

    path: Path
    rows: int
    #: media files without a row, and what the walk could not read
    findings: tuple[Finding, ...]


def manifest_of_folder(
    folder: Path,
    pattern: str,
    target: Path | None = None,
    *,
    translations: Sequence[str] = (),
    constants: Sequence[str] = (),
) -> WrittenManifest:
    """Write a manifest of the media files in a folder by the labels in their paths.

    Args:
        folder: with media files.
        pattern: of paths below the folder, such as `{speaker}/{emotion}/{sentence}_{take}.mp4`;
            `*` is anything within a name.
        target: the table; by default `manifest.csv` in the folder.
        translations: of values, such as `emotion:wut=angry`.
        constants: labels of all files, such as `speaker=ann`.

    Raises:
        PatternError: the folder, the pattern or a value is invalid, a required label is missing,
            or no file matches.
    """
    form, table = PathPattern.parse(pattern), parse_values(tuple(translations))
    shared = parse_constants(tuple(constants))
    target = target or folder / MANIFEST
    if not folder.is_dir():
        raise PatternError(f"{folder} is not a folder")
    if missing := [label for label in REQUIRED[1:] if label not in (*form.labels, *shared)]:
        raise PatternError(
            f"{pattern} gives no {', '.join(missing)}: add {{{missing[0]}}}, or give all files one "
            f"with --set {missing[0]}=..."
        )
    tree = walk(folder)
    findings = list(tree.findings)
    rows: list[dict[str, str]] = []
    seen: set[tuple[str, str]] = set()
    for file in tree.media():
        if file.stub is not None:
            findings.append(stub_finding(file, file.stub))
            continue
        try:
            labels = form.match(file.shown)
        except PatternError as error:
            findings.append(Finding(file.path, Reason.UNKNOWN_NAME, str(error)))
            continue
        if labels is None:
            detail = f"{file.shown} does not match {pattern}"
            findings.append(Finding(file.path, Reason.UNKNOWN_NAME, detail))
            continue
        seen.update((label, value.casefold()) for label, value in labels.items())
        labels = {
            label: table.get((label, value.casefold()), value) for label, value in labels.items()
        }
        rows.append({"path": path_in(target, file.path), **shared, **labels})
    if not rows:
        files = [finding.detail for finding in findings if finding.reason is Reason.UNKNOWN_NAME]
        raise PatternError(
            f"no media file of {folder} gives a row" + "".join(f"; {d}" for d in files[:3])
        )
    for label, old in sorted(table.keys() - seen):
        values = sorted(value for name, value in seen if name == label)
        known = ", ".join(values[:_MAX_NAMED]) + (", ..." if len(values) > _MAX_NAMED else "")
        detail = f"--map {label}:{old}=... changes nothing: the paths have {label} {known or '-'}"
        findings.append(Finding(str(folder), Reason.READ_AS, detail, files=0))
    write_manifest(target, rows)
    return WrittenManifest(target, len(rows), tuple(findings))


def path_in(manifest: Path, path: str | Path) -> str:
    """Return a path as a manifest writes it: relative to its folder."""
    return Path(os.path.relpath(path, manifest.parent)).as_posix()


def write_manifest(target: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV: the columns of a manifest that a row has, in their order, then others."""
    rows = list(rows)
    used = dict.fromkeys(column for row in rows for column in row)
    columns = [column for column in (*REQUIRED, *OPTIONAL) if column in used]
    columns += [column for column in used if column not in columns]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(target, text.getvalue())
