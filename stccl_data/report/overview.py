"""The front page of a dataset's report: tiles, heat map, rejections and the pair table."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from humanize import naturalsize

from stccl_data.clip import emotion_order
from stccl_data.dataset.summary import DatasetSummary
from stccl_data.dataset.tables import Row
from stccl_data.errors import Reason
from stccl_data.report.scores import PAIR_SCORES

#: Examples of each reason.
_EXAMPLES = 3
#: Text columns of the pair table, with their headings.
_LABELS = {
    "speaker": "speaker",
    "source_emotion": "source",
    "target_emotion": "target",
    "sentence": "sentence",
    "split": "split",
    "reason": "state",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure at the top of the page."""

    figure: str
    words: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Counts by two labels."""

    columns: list[str]
    #: label and its counts, one for each column
    rows: list[tuple[str, list[int]]]
    most: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """The clips or pairs that one reason refused."""

    reason: str
    count: int
    #: of all clips or pairs
    share: float
    advice: str
    #: (name, what was found)
    examples: list[tuple[str, str]]


def tiles(summary: DatasetSummary) -> list[Tile]:
    """Return the figures that sum a dataset up."""
    splits = summary.splits.values()
    clips, pairs = sum(summary.clips.values()), sum(summary.pairs.values())
    hours = sum(split.hours for split in splits)
    length = f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
    return [
        Tile(f"{summary.pairs.get('', 0):,}", f"accepted pairs of {pairs:,} candidates"),
        Tile(f"{summary.clips.get('', 0):,}", f"clips in use of {clips:,} found"),
        Tile(f"{sum(split.speakers for split in splits):,}", "speakers in use"),
        Tile(f"{sum(split.utterances for split in splits):,}", "utterances in use"),
        Tile(length, f"of video, {sum(split.frames for split in splits):,} frames"),
        Tile(
            naturalsize(sum(s.bytes for s in splits)), f"in {sum(s.shards for s in splits)} shards"
        ),
    ]


def heat_map(clips: Sequence[Row]) -> HeatMap:
    """Count the clips in use by speaker and emotion."""
    counts = Counter(
        (clip["speaker"], clip["emotion"]) for clip in clips if clip["state"] == "paired"
    )
    emotions = sorted({clip["emotion"] for clip in clips}, key=emotion_order)
    speakers = sorted({clip["speaker"] for clip in clips})
    rows = [(name, [counts[name, emotion] for emotion in emotions]) for name in speakers]
    return HeatMap(emotions, rows, max(counts.values(), default=0))


def rejections(rows: Sequence[Row], name: str) -> list[Rejection]:
    """Group what is not in use by reason, the commonest first.

    Args:
        rows: rows of a table.
        name: the column that names an example; `source` stands for both clips of a pair.
    """
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["reason"]:
            groups[row["reason"]].append(row)
    advice = {str(reason): reason.advice for reason in Reason}
    return [
        Rejection(
            reason,
            len(group),
            len(group) / len(rows),
            advice.get(reason, ""),
            [(_name(row, name), row.get("detail") or "") for row in group[:_EXAMPLES]],
        )
        for reason, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]


def pair_table(pairs: Sequence[Row], pages: Mapping[int, str]) -> dict[str, Any]:
    """Return pairs.parquet by column, as the script of the page shows it.

    Args:
        pairs: rows of pairs.parquet.
        pages: index of a row -> number of its page.
    """
    columns: list[dict[str, Any]] = [
        {
            "name": heading,
            "kind": "label",
            **_dictionary([row[name] for row in pairs], "accepted" if name == "reason" else ""),
        }
        for name, heading in _LABELS.items()
    ]
    for score in PAIR_SCORES:
        values = [row.get(score.name) for row in pairs]
        if any(value is not None for value in values):
            columns.append({"name": score.name, "kind": "number", "values": values})
    names = {
        row[side]: row.get(f"{side}_name") or row[side]
        for row in pairs
        for side in ("source", "target")
    }
    numbers = {clip_id: number for number, clip_id in enumerate(names)}
    return {
        "columns": columns,
        "names": list(names.values()),
        "source": [numbers[row["source"]] for row in pairs],
        "target": [numbers[row["target"]] for row in pairs],
        "pages": pages,
    }


def clip_ids(pairs: Sequence[Row]) -> list[str]:
    """Return the ids of the clips by the numbers that `pair_table` gives them."""
    return list(dict.fromkeys(row[side] for row in pairs for side in ("source", "target")))


def _dictionary(values: Sequence[str | None], absent: str) -> dict[str, Any]:
    """Encode a column of text: its distinct words, and the number of the word in each row."""
    words = sorted({value or absent for value in values}, key=emotion_order)
    numbers = {word: number for number, word in enumerate(words)}
    return {"words": words, "values": [numbers[value or absent] for value in values]}


def _name(row: Row, column: str) -> str:
    return f"{row['source']} → {row['target']}" if column == "source" else str(row[column])
