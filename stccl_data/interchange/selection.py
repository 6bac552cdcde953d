"""Select the pairs of a dataset to export: the formats hold one view, and one level per emotion."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stccl_data.clip import Clip, is_emotion_label
from stccl_data.dataset import Dataset, Pair, ShardError
from stccl_data.dataset.layout import CLIPS, utterance_of
from stccl_data.dataset.tables import read_clips, read_pairs
from stccl_data.errors import StcclError
from stccl_data.interchange.names import published_names
from stccl_data.options import Words, config_class
from stccl_data.words import counted

Takes = Literal["all", "first"]

#: A row of pairs.parquet.
_Row = dict[str, Any]
_COLUMNS = (
    "utterance",
    "source",
    "target",
    "source_emotion",
    "target_emotion",
    "accepted",
    "split",
)


class ExportError(StcclError):
    """The dataset cannot be exported in that format, or not to that place."""


@config_class
class ExportConfig:
    """Which accepted pairs to export."""

    level: int | None = Field(
        default=None,
        description="Level of the emotional clips.  [default: the highest of each emotion]",
    )
    view: str | None = Field(default=None, description="Camera.  [default: the only one, or front]")
    takes: Takes = Field(
        default="all", description="All takes of a sentence, or one pair per sentence."
    )
    split: Words | None = Field(default=None, description="Only these splits, comma-separated.")


@dataclass(frozen=True, slots=True)
class Selection:
    """The pairs to export."""

    #: (source, target) clip ids -> key of the utterance
    pairs: dict[tuple[str, str], str]
    #: every clip of the dataset by id
    clips: dict[str, Clip]
    #: published name of every clip by id
    names: dict[str, str]
    view: str
    #: emotion -> exported level; neutral too
    levels: dict[str, int]
    #: reason -> number of pairs left out
    left_out: dict[str, int]

    @property
    def used_clips(self) -> list[Clip]:
        """The clips of the selected pairs."""
        ids = dict.fromkeys(clip_id for pair in self.pairs for clip_id in pair)
        return [self.clips[clip_id] for clip_id in ids]

    @property
    def notes(self) -> list[str]:
        """What a reader of the result has to know, a sentence each."""
        levels = ", ".join(f"{emotion} {level}" for emotion, level in sorted(self.levels.items()))
        notes = [f"view {self.view}; levels: {levels}"]
        if self.left_out:
            notes.append(f"left out: {_left_out_text(self.left_out)}")
        if any(clip.corpus != "mead" for clip in self.used_clips):
            notes.append(
                "clips without a MEAD clip number are named by sentence and take: door-t001"
            )
        return notes


def check_outside(out: Path, to: Path) -> None:
    """Raise ExportError if ``to`` lies in the dataset ``out``, which holds only its own files."""
    if to.resolve().is_relative_to(out.resolve()):
        raise ExportError(f"{to} lies in the dataset {out}: give a place outside it")


def select(dataset: Dataset, config: ExportConfig) -> Selection:
    """Select the accepted pairs from neutral, of one view and of one level per emotion.

    Raises:
        ExportError: no pair is left, or the labels of a clip are invalid.
    """
    clips = _read_labelled_clips(dataset)
    rows = _Rows(read_pairs(dataset.path, _COLUMNS))
    rows.keep(lambda row: row["accepted"], "that were refused")
    rows.keep(lambda row: row["source_emotion"] == "neutral", "that do not start from neutral")
    views = sorted({clips[row["source"]].view for row in rows.kept})
    view = config.view or (views[0] if len(views) == 1 else "front")
    if views and view not in views:
        raise ExportError(
            f"{dataset.path} has no pairs of the view {view}: "
            f"choose one of {', '.join(views)} with --view"
        )
    rows.keep(lambda row: clips[row["source"]].view == view, "of other views")
    levels = _levels(rows.kept, clips, config.level)
    rows.keep(
        lambda row: all(
            clips[row[side]].level == levels[clips[row[side]].emotion]
            for side in ("source", "target")
        ),
        "of other levels",
    )
    if config.takes == "first":
        first = _first_takes(rows.kept, clips)
        rows.keep(lambda row: (row["source"], row["target"]) in first, "of later takes")
    if (splits := config.split) is not None:
        rows.keep(lambda row: row["split"] in splits, "of other splits")
    if not rows.kept:
        why = _left_out_text(rows.left_out) or "it has no pairs"
        raise ExportError(f"{dataset.path} has no pair to export: {why}")
    pairs = {(row["source"], row["target"]): row["utterance"] for row in rows.kept}
    names = published_names(clips.values())
    return Selection(pairs, clips, names, view, levels, dict(rows.left_out))


def stored_pairs(dataset: Dataset, selection: Selection) -> Iterator[Pair]:
    """Yield the selected pairs from the shards, utterance by utterance.

    Raises:
        ShardError: a shard cannot be read, or a pair is in no shard.
    """
    missing: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for ids, utterance in selection.pairs.items():
        missing[utterance].add(ids)
    for key in dataset.keys():  # noqa: SIM118 - not a mapping
        of_utterance = missing.get(utterance_of(key))
        if of_utterance:
            for pair in dataset[key].pairs(accepted=None):
                ids = pair.source.clip_id, pair.target.clip_id
                if ids in of_utterance:
                    of_utterance.discard(ids)
                    yield pair
    for of_utterance in missing.values():
        for source, target in of_utterance:
            raise ShardError(
                f"{dataset.path}: the pair {source} -> {target} is in no shard; run `stccl verify`"
            )


class _Rows:
    """Rows of pairs.parquet under selection, and how many were left out for which reason."""

    def __init__(self, rows: Sequence[_Row]) -> None:
        self.kept = list(rows)
        self.left_out: Counter[str] = Counter()

    def keep(self, condition: Callable[[_Row], bool], otherwise: str) -> None:
        """Keep the rows that meet a condition; count the others under the reason ``otherwise``."""
        kept = [row for row in self.kept if condition(row)]
        if len(kept) < len(self.kept):
            self.left_out[otherwise] += len(self.kept) - len(kept)
        self.kept = kept


def _read_labelled_clips(dataset: Dataset) -> dict[str, Clip]:
    """Read the clips by id, and check the emotions, which become names of folders."""
    clips = {row["clip_id"]: Clip.from_row(row) for row in read_clips(dataset.path)}
    for clip in clips.values():
        if not is_emotion_label(clip.emotion):
            raise ExportError(
                f"{dataset.path / CLIPS}: {clip.clip_id} has the invalid emotion {clip.emotion!r}; "
                "run `stccl verify`"
            )
    return clips


def _levels(rows: Sequence[_Row], clips: dict[str, Clip], level: int | None) -> dict[str, int]:
    """Return the level to export of each emotion: ``level``, or the highest of the rows.

    The level of neutral clips is always the highest.
    """
    levels = {} if level is None else {row["target_emotion"]: level for row in rows}
    for row in rows:
        for clip in (clips[row["source"]], clips[row["target"]]):
            if clip.emotion == "neutral" or level is None:
                levels[clip.emotion] = max(levels.get(clip.emotion, clip.level), clip.level)
    return levels


def _first_takes(rows: Sequence[_Row], clips: dict[str, Clip]) -> set[tuple[str, str]]:
    """Return the clip ids of the pair with the lowest takes, per utterance and emotion."""

    def order(row: _Row) -> tuple[int, int, str, str]:
        return clips[row["source"]].take, clips[row["target"]].take, row["source"], row["target"]

    first: dict[tuple[str, str], tuple[str, str]] = {}
    for row in sorted(rows, key=order):
        first.setdefault((row["utterance"], row["target_emotion"]), (row["source"], row["target"]))
    return set(first.values())


def _left_out_text(left_out: dict[str, int]) -> str:
    return "; ".join(f"{counted(n, 'pair')} {reason}" for reason, n in left_out.items())
