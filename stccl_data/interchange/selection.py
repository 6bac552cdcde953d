"""Which pairs of a dataset go into the published forms, which know one view, and one level of each emotion."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stccl_data.clip import EMOTIONS, Clip
from stccl_data.dataset import Dataset, Pair, ShardError
from stccl_data.dataset.layout import CLIPS
from stccl_data.dataset.tables import read_clips, read_pairs
from stccl_data.errors import StcclError
from stccl_data.interchange.names import published_names
from stccl_data.options import Words, config_class

Takes = Literal["all", "first"]


class ExportError(StcclError):
    """The dataset cannot be written in that form, or not there. The message says why and what to do."""


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
    """`pairs`: (source clip id, target clip id) -> its row of pairs.parquet. `clips`: by clip id. `names`: clip id -> published
    name. `levels`: emotion -> the level that is written, neutral too. `left_out`: why -> pairs."""

    pairs: dict[tuple[str, str], dict[str, Any]]
    clips: dict[str, Clip]
    names: dict[str, str]
    view: str
    levels: dict[str, int]
    left_out: dict[str, int]

    @property
    def used(self) -> list[Clip]:
        """The clips in these pairs."""
        return [
            self.clips[clip_id]
            for clip_id in dict.fromkeys(clip_id for pair in self.pairs for clip_id in pair)
        ]

    @property
    def notes(self) -> list[str]:
        """What a reader of the result has to know, a sentence each."""
        levels = ", ".join(f"{emotion} {level}" for emotion, level in sorted(self.levels.items()))
        notes = [f"view {self.view}; levels: {levels}"]
        if self.left_out:
            notes.append(
                "left out: " + "; ".join(f"{n} pairs {why}" for why, n in self.left_out.items())
            )
        if any(clip.corpus != "mead" for clip in self.used):
            notes.append(
                "clips without a number of MEAD's are named by sentence and take, such as door-t001"
            )
        return notes


def refuse_inside(out: Path, to: Path) -> None:
    """Raises ExportError where `to` lies in the dataset `out`, which holds its own files alone."""
    if to.resolve().is_relative_to(out.resolve()):
        raise ExportError(f"{to} lies in the dataset {out}: give a place outside it")


def select(dataset: Dataset, config: ExportConfig) -> Selection:
    """The accepted pairs from neutral, of one view and of one level of each emotion. Raises ExportError where none is left."""
    clips = {row["clip_id"]: Clip.from_row(row) for row in read_clips(dataset.path)}
    if strange := [clip for clip in clips.values() if clip.emotion not in EMOTIONS]:
        what = f"{strange[0].clip_id} has the emotion {strange[0].emotion!r}"
        raise ExportError(
            f"{dataset.path / CLIPS} is not as stccl writes it ({what}); run `stccl verify`"
        )
    left_out: Counter[str] = Counter()
    chosen: list[dict[str, Any]] = []
    for row in read_pairs(dataset.path):
        if not row["accepted"]:
            left_out["that were refused"] += 1
        elif row["source_emotion"] != "neutral":
            left_out["that do not begin with neutral"] += 1
        else:
            chosen.append(row)
    views = sorted({clips[row["source"]].view for row in chosen})
    view = config.view or (views[0] if len(views) == 1 else "front")
    if chosen and view not in views:
        raise ExportError(
            f"{dataset.path} has no pairs of the view {view}; it has {', '.join(views)}: choose one by --view"
        )
    chosen = _keep(
        chosen, [clips[row["source"]].view == view for row in chosen], "of other views", left_out
    )
    levels = {} if config.level is None else {row["target_emotion"]: config.level for row in chosen}
    for row in chosen:
        for clip in (clips[row["source"]], clips[row["target"]]):
            if clip.emotion == "neutral" or config.level is None:
                levels[clip.emotion] = max(levels.get(clip.emotion, clip.level), clip.level)
    at_level = [
        all(
            clips[row[side]].level == levels[clips[row[side]].emotion]
            for side in ("source", "target")
        )
        for row in chosen
    ]
    chosen = _keep(chosen, at_level, "of other levels", left_out)
    if config.takes == "first":
        chosen = _keep(chosen, _first_takes(chosen, clips), "of later takes", left_out)
    if config.split is not None:
        chosen = _keep(
            chosen, [row["split"] in config.split for row in chosen], "of other splits", left_out
        )
    if not chosen:
        why = "; ".join(f"{n} {what}" for what, n in left_out.items()) or "it has no pairs"
        raise ExportError(f"{dataset.path} has no pair to write: {why}")
    pairs = {(row["source"], row["target"]): row for row in chosen}
    return Selection(pairs, clips, published_names(clips.values()), view, levels, dict(left_out))


def stored_pairs(dataset: Dataset, selection: Selection) -> Iterator[Pair]:
    """The selected pairs from the shards, utterance by utterance. Raises ShardError, also where one of them is not there."""
    wanted: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for ids, row in selection.pairs.items():
        wanted[row["utterance"]].add(ids)
    for key in dataset.keys():  # noqa: SIM118 - not a mapping
        left = wanted.get(key.partition("+")[0])
        if left:
            for pair in dataset[key].pairs(accepted=None):
                ids = pair.source.clip_id, pair.target.clip_id
                if ids in left:
                    left.discard(ids)
                    yield pair
    for left in wanted.values():
        for source, target in left:
            raise ShardError(
                f"{dataset.path}: the pair {source} -> {target} is in no shard; run `stccl verify`"
            )


def _keep(
    rows: Sequence[dict[str, Any]], flags: Iterable[bool], why: str, left_out: Counter[str]
) -> list[dict[str, Any]]:
    kept = [row for row, keep in zip(rows, flags, strict=True) if keep]
    if len(kept) < len(rows):
        left_out[why] += len(rows) - len(kept)
    return kept


def _first_takes(rows: Sequence[dict[str, Any]], clips: dict[str, Clip]) -> list[bool]:
    """For each pair whether its takes are the first of all accepted ones of its sentence and emotion."""

    def order(row: dict[str, Any]) -> tuple[int, int, str, str]:
        return clips[row["source"]].take, clips[row["target"]].take, row["source"], row["target"]

    first: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=order):
        first.setdefault((row["utterance"], row["target_emotion"]), row)
    return [first[row["utterance"], row["target_emotion"]] is row for row in rows]
