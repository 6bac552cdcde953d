"""Assign speakers to train, val and test.

Splits are by speaker, never by clip: a test on a face seen in training proves nothing.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from stccl_data.corpora.csv_text import read_csv_text
from stccl_data.corpora.labels import normalised_label
from stccl_data.corpora.tables import table
from stccl_data.errors import UsageError
from stccl_data.files.stubs import unreadable_table

SPLITS = ("train", "val", "test")
DEFAULT_SPLIT = "train=0.8,val=0.1,test=0.1"


class SplitError(UsageError):
    """The requested split is invalid, or does not fit the speakers."""


def assign_splits(
    speakers: Iterable[str], spec: str = DEFAULT_SPLIT, seed: int = 0
) -> dict[str, str]:
    """Assign each speaker to train, val or test.

    Args:
        speakers: their names, in any order.
        spec: ratios on any positive scale (`train=0.8,val=0.1,test=0.1`), the name of a split in
            `manifests/splits.json` (`mead-paper`), or a CSV with the columns speaker and split.
            Ratios are apportioned by largest remainder over the speakers, in an order that
            depends only on their names and `seed`. Every split with a ratio gets a speaker if
            there are enough; if not, train comes first.
        seed: of the order.

    Raises:
        SplitError: the spec is invalid, or a CSV lacks a speaker.
    """
    unique = sorted(set(speakers))
    named: Mapping[str, Mapping[str, object]] = table("splits")
    if spec in named:
        return _assign_named(unique, spec)
    if _is_ratios(spec):
        return _assign_by_ratio(unique, _parse_ratios(spec), seed)
    if Path(spec).suffix.lower() == ".csv":
        return _assign_from_csv(unique, Path(spec))
    raise SplitError(
        f"unknown split '{spec}'; use ratios such as {DEFAULT_SPLIT}, a .csv file, "
        f"or one of {', '.join(named)}"
    )


def split_note(assigned: Mapping[str, str], spec: str = DEFAULT_SPLIT) -> str:
    """Describe for the log how many speakers each split has, and which requested split is empty."""
    counts = Counter(assigned.values())
    sizes = ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])
    requested = _requested_splits(spec)
    empty = [split for split in SPLITS if split in requested and not counts[split]]
    note = f"speakers: {sizes or 'none'}"
    return f"{note}; none is left for {' and '.join(empty)}" if empty else note


def apportion(total: int, ratios: Mapping[str, float]) -> dict[str, int]:
    """Divide `total` into whole parts by largest remainder (Hamilton).

    No part is empty if `total` allows; train is the last to become empty.

    Args:
        total: the number of speakers.
        ratios: positive, on any scale, at least one.
    """
    order = sorted(ratios, key=lambda split: (split != "train", -ratios[split]))
    if total <= len(order):
        return {split: int(order.index(split) < total) for split in ratios}
    scale = total / sum(ratios.values())
    counts = {split: int(ratio * scale) for split, ratio in ratios.items()}
    by_remainder = sorted(
        ratios, key=lambda split: (counts[split] - ratios[split] * scale, order.index(split))
    )
    for split in by_remainder[: total - sum(counts.values())]:
        counts[split] += 1
    for split in ratios:
        if counts[split] == 0:
            counts[max(counts, key=lambda other: (counts[other], other))] -= 1
            counts[split] = 1
    return counts


def _is_ratios(spec: str) -> bool:
    return "=" in spec and not Path(spec).is_file()


def _requested_splits(spec: str) -> set[str]:
    if spec in table("splits"):
        return {*table("splits")[spec]["speakers"], table("splits")[spec]["rest"]}
    if _is_ratios(spec):
        return {split for split, ratio in _parse_ratios(spec).items() if ratio > 0}
    return set()


def _assign_named(speakers: list[str], name: str) -> dict[str, str]:
    named = table("splits")[name]
    split_of = {
        speaker: split for split, members in named["speakers"].items() for speaker in members
    }
    return {speaker: split_of.get(speaker, named["rest"]) for speaker in speakers}


def _parse_ratios(spec: str) -> dict[str, float]:
    ratios: dict[str, float] = {}
    for part in spec.split(","):
        split, _, number = part.partition("=")
        split = split.strip()
        if split not in SPLITS:
            raise SplitError(
                f"unknown split '{split}' in '{spec}'; choose from {', '.join(SPLITS)}"
            )
        if split in ratios:
            raise SplitError(f"'{spec}' has the split '{split}' twice")
        try:
            ratios[split] = float(number)
        except ValueError:
            raise SplitError(f"'{number}' in '{spec}' is not a number") from None
        if not 0 <= ratios[split] < float("inf"):
            raise SplitError(f"the ratio of {split} in '{spec}' must be 0 or more")
    if sum(ratios.values()) <= 0:
        raise SplitError(f"the ratios in '{spec}' are all 0")
    return ratios


def _assign_by_ratio(speakers: list[str], ratios: Mapping[str, float], seed: int) -> dict[str, str]:
    shuffled = sorted(
        speakers, key=lambda speaker: hashlib.sha256(f"{seed}:{speaker}".encode()).digest()
    )
    counts = apportion(
        len(shuffled), {split: ratios[split] for split in SPLITS if ratios.get(split, 0) > 0}
    )
    assigned: dict[str, str] = {}
    for split, count in counts.items():
        assigned |= dict.fromkeys(shuffled[len(assigned) : len(assigned) + count], split)
    return {speaker: assigned[speaker] for speaker in speakers}


def _assign_from_csv(speakers: list[str], path: Path) -> dict[str, str]:
    if problem := unreadable_table(path):
        raise SplitError(f"{path} {problem}")
    try:
        header, *cells = list(read_csv_text(path).rows()) or [[]]
    except OSError as error:
        raise SplitError(f"cannot read the split {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SplitError(f"the split {path} is not a UTF-8 CSV: {error}") from error
    columns = [column.strip().lower() for column in header]
    if not {"speaker", "split"} <= set(columns):
        raise SplitError(
            f"{path} needs the columns speaker and split; it has {', '.join(columns) or 'none'}"
        )
    split_of: dict[str, str] = {}
    for number, values in enumerate(cells, 2):
        if not any(values):
            continue
        row = dict(zip(columns, values, strict=False))
        speaker = normalised_label(row.get("speaker", ""))
        split = row.get("split", "").strip().lower()
        if split not in SPLITS:
            raise SplitError(
                f"{path}, row {number}: unknown split '{split}'; choose from {', '.join(SPLITS)}"
            )
        if split_of.setdefault(speaker, split) != split:
            raise SplitError(f"{path}, row {number}: {speaker} is already in {split_of[speaker]}")
    if missing := [speaker for speaker in speakers if speaker not in split_of]:
        raise SplitError(f"{path} has no split for {', '.join(missing)}")
    return {speaker: split_of[speaker] for speaker in speakers}
