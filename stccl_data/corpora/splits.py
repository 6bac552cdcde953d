"""Which speakers train and which test. A split is by speaker, never by clip: a face seen in training proves nothing in a test."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from stccl_data.corpora.tables import table
from stccl_data.errors import UsageError

SPLITS = ("train", "val", "test")
DEFAULT = "train=0.8,val=0.1,test=0.1"


class SplitError(UsageError):
    """The split that was asked for is none, or does not fit these speakers."""


def assign_splits(speakers: Iterable[str], spec: str = DEFAULT, seed: int = 0) -> dict[str, str]:
    """speaker -> train, val or test.

    spec: ratios (`train=0.8,val=0.1,test=0.1`, any positive scale), the name of a split in `manifests/splits.json`
    (`mead-paper`), or a CSV with the columns speaker and split. Ratios are shared out by largest remainder over the speakers
    in an order that their names and `seed` alone decide; every split named gets a speaker where there are enough, and where
    there are not, train is served first. Raises SplitError.
    """
    wanted = sorted(set(speakers))
    named: Mapping[str, Mapping[str, object]] = table("splits")
    if spec in named:
        return _named(wanted, spec)
    if "=" in spec and not Path(spec).is_file():
        return _by_ratio(wanted, _ratios(spec), seed)
    if Path(spec).suffix.lower() == ".csv":
        return _from_csv(wanted, Path(spec))
    raise SplitError(
        f"split '{spec}' is neither ratios such as {DEFAULT}, nor a .csv file, nor one of {', '.join(named)}"
    )


def split_note(assigned: Mapping[str, str], spec: str = DEFAULT) -> str:
    """One sentence for the log: how many speakers each split has, and a warning where one that was asked for has none."""
    counts = Counter(assigned.values())
    told = ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])
    asked = _asked(spec)
    empty = [split for split in SPLITS if split in asked and not counts[split]]
    note = f"speakers: {told or 'none'}"
    return f"{note}; none is left for {' and '.join(empty)}" if empty else note


def _asked(spec: str) -> set[str]:
    if spec in table("splits"):
        return {*table("splits")[spec]["speakers"], table("splits")[spec]["rest"]}
    if "=" in spec and not Path(spec).is_file():
        return {split for split, ratio in _ratios(spec).items() if ratio > 0}
    return set()


def _named(speakers: list[str], name: str) -> dict[str, str]:
    found = table("splits")[name]
    place = {speaker: split for split, members in found["speakers"].items() for speaker in members}
    return {speaker: place.get(speaker, found["rest"]) for speaker in speakers}


def _ratios(spec: str) -> dict[str, float]:
    ratios: dict[str, float] = {}
    for part in spec.split(","):
        split, _, number = part.partition("=")
        split = split.strip()
        if split not in SPLITS:
            raise SplitError(f"split '{split}' in '{spec}' is none of {', '.join(SPLITS)}")
        if split in ratios:
            raise SplitError(f"split '{split}' stands twice in '{spec}'")
        try:
            ratios[split] = float(number)
        except ValueError:
            raise SplitError(f"'{number}' in '{spec}' is no number") from None
        if not 0 <= ratios[split] < float("inf"):
            raise SplitError(f"the ratio of {split} in '{spec}' is not zero or more")
    if sum(ratios.values()) <= 0:
        raise SplitError(f"the ratios of '{spec}' add up to nothing")
    return ratios


def _by_ratio(speakers: list[str], ratios: Mapping[str, float], seed: int) -> dict[str, str]:
    drawn = sorted(
        speakers, key=lambda speaker: hashlib.sha256(f"{seed}:{speaker}".encode()).digest()
    )
    counts = share_out(
        len(drawn), {split: ratios[split] for split in SPLITS if ratios.get(split, 0) > 0}
    )
    assigned: dict[str, str] = {}
    for split, count in counts.items():
        assigned |= dict.fromkeys(drawn[len(assigned) : len(assigned) + count], split)
    return {speaker: assigned[speaker] for speaker in speakers}


def share_out(total: int, ratios: Mapping[str, float]) -> dict[str, int]:
    """`total` in whole parts by largest remainder (Hamilton), none empty if `total` allows; train is the last to go empty.

    ratios: positive, of any scale; at least one.
    """
    first = sorted(ratios, key=lambda split: (split != "train", -ratios[split]))
    if total <= len(first):
        return {split: int(first.index(split) < total) for split in ratios}
    scale = total / sum(ratios.values())
    counts = {split: int(ratio * scale) for split, ratio in ratios.items()}
    by_remainder = sorted(
        ratios, key=lambda split: (counts[split] - ratios[split] * scale, first.index(split))
    )
    for split in by_remainder[: total - sum(counts.values())]:
        counts[split] += 1
    for split in ratios:
        if counts[split] == 0:
            counts[max(counts, key=lambda other: (counts[other], other))] -= 1
            counts[split] = 1
    return counts


def _from_csv(speakers: list[str], path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = [column.strip().lower() for column in reader.fieldnames or []]
            reader.fieldnames = columns
            rows = list(reader)
    except OSError as error:
        raise SplitError(f"cannot read the split {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SplitError(f"the split {path} is no UTF-8 CSV: {error}") from error
    if not {"speaker", "split"} <= set(columns):
        raise SplitError(
            f"{path} needs the columns speaker and split; it has {', '.join(columns) or 'none'}"
        )
    place: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        speaker, split = (row["speaker"] or "").strip(), (row["split"] or "").strip().lower()
        if split not in SPLITS:
            raise SplitError(
                f"{path}, row {number}: split '{split}' is none of {', '.join(SPLITS)}"
            )
        if place.setdefault(speaker, split) != split:
            raise SplitError(f"{path}, row {number}: {speaker} is in {place[speaker]} already")
    if absent := [speaker for speaker in speakers if speaker not in place]:
        raise SplitError(f"{path} does not say the split of {', '.join(absent)}")
    return {speaker: place[speaker] for speaker in speakers}
