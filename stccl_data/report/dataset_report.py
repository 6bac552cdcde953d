"""Write the report of a prepared dataset: `stccl report OUT`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from stccl_data import executors
from stccl_data.dataset.index import read_shard_list
from stccl_data.dataset.layout import REPORT, SHARDS
from stccl_data.dataset.summary import summarise
from stccl_data.dataset.tables import Row, read_clips, read_pairs
from stccl_data.errors import StcclError
from stccl_data.executors import Setup, Unit, usable_cores
from stccl_data.options import config_class
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.refilter import stored_gates
from stccl_data.pipeline.status import NotStartedError, read_status
from stccl_data.progress import Progress, SilentProgress
from stccl_data.report import charts, overview
from stccl_data.report.scores import (
    CLIP_SCORES,
    PAIR_SCORES,
    Distribution,
    GateCheck,
    distributions,
    gate_checks,
)
from stccl_data.report.selection import ShownPair, choose_pairs
from stccl_data.report.site import Site
from stccl_data.report.views import ClipView, PairView, view_clip, view_pair

#: A single page holds pairs until their media have this many bytes, so that it can be mailed.
_SINGLE_FILE_BYTES = 12_000_000
#: A single page lists no more pairs than this.
_SINGLE_FILE_ROWS = 20_000
#: Fewer units than this are made in this process: workers take seconds to start.
_WORTH_WORKERS = 12

_CLIP_COLUMNS = ("clip_id", "speaker", "emotion", "state", "reason", "split", "utterance")
_PAIR_COLUMNS = (
    "source",
    "target",
    "utterance",
    "speaker",
    "sentence",
    "source_emotion",
    "target_emotion",
    "split",
    "accepted",
    "reason",
)


#: Shown where the table has them.
_PAIR_DETAILS = ("mode", "detail", "source_name", "target_name")
_CLIP_DETAILS = (
    "text",
    "notes",
    "n_frames",
    "duration_s",
    "width",
    "height",
    "detail",
    "path",
)


class ReportError(StcclError):
    """There is nothing to report on yet."""


@config_class
class ReportConfig:
    """Options of a dataset's report."""

    pairs: int = Field(
        default=40,
        ge=0,
        description="Number of pairs with a page of their own: the worst, the best, refused and "
        "random ones.",
    )
    single_file: bool = Field(
        default=False, description="Write one page, below 25 MB, that can be mailed."
    )
    workers: int = Field(default=0, ge=0, description="Number of processes; 0 is one per core.")


@dataclass(frozen=True, slots=True)
class ReportResult:
    """A report that was written."""

    #: the page to open
    page: Path
    #: source and target of each pair with a page of its own
    shown: tuple[tuple[str, str], ...]
    #: of all files
    bytes: int


@dataclass(frozen=True, slots=True)
class _Content:
    """The tables of the dataset, and what is shown of them."""

    out: Path
    gates: GateConfig
    clips: dict[str, Row]
    pairs: list[Row]
    pair_scores: dict[str, Distribution]
    clip_scores: dict[str, Distribution]
    #: shards that shards.json lists and that are not there
    missing_shards: list[Path]
    shown: list[ShownPair]
    #: clip id -> (stem of its page, a shown pair that it is in, its side there)
    shown_clips: dict[str, tuple[str, ShownPair, str]]

    def clip(self, clip_id: str) -> Row:
        """Return the row of a clip; empty but for its id if clips.parquet lacks it."""
        empty = dict.fromkeys((*_CLIP_COLUMNS, *_CLIP_DETAILS)) | {"clip_id": clip_id}
        return self.clips.get(clip_id, empty)


def write_dataset_report(
    out: str | Path,
    to: str | Path | None = None,
    config: ReportConfig | None = None,
    progress: Progress | None = None,
) -> ReportResult:
    """Write pages about the dataset in `out` that open from disk.

    Args:
        out: folder of the dataset.
        to: folder for the report; by default `out`/report.
        config: what to show.
        progress: told about each pair and clip that is drawn, and about each missing shard.

    Raises:
        ReportError: the dataset is not finished.
        ShardError: a table cannot be read.
        UsageError: the folder holds something else, or cannot be written.
    """
    out, config, progress = Path(out), config or ReportConfig(), progress or SilentProgress()
    _check_finished(out)
    content = _read(out, config)
    for path in content.missing_shards:
        progress.note(f"{path} is missing; run `stccl verify {out}`")
    site = Site(Path(to) if to is not None else out / REPORT, config.single_file)
    views = _draw(content, site.folder, config.workers, progress)
    if config.single_file:
        _write_single_page(site, content, views)
    else:
        _write_pages(site, content, views)
    page = site.finish()
    size = sum(path.stat().st_size for path in site.folder.rglob("*") if path.is_file())
    return ReportResult(page, tuple(pair.clip_ids for pair in content.shown), size)


def _check_finished(out: Path) -> None:
    """Raise ReportError if a run into `out` has not written its tables yet."""
    if (out / SHARDS).exists():
        return
    try:
        status = read_status(out)
    except NotStartedError:
        return  # the reader says what is missing
    done = sum(status.clips.values())
    raise ReportError(
        f"{out} is not finished: {done:,} clips are extracted, and no table is written yet; "
        "run `stccl prepare` again to resume it, and `stccl status` to watch it"
    )


def _read(out: Path, config: ReportConfig) -> _Content:
    pair_names = [score.name for score in PAIR_SCORES]
    clip_names = [score.name for score in CLIP_SCORES]
    clips = read_clips(out, _CLIP_COLUMNS, optional=(*clip_names, *_CLIP_DETAILS))
    pairs = read_pairs(out, _PAIR_COLUMNS, optional=(*pair_names, *_PAIR_DETAILS))
    gates = stored_gates(out)
    pair_scores = distributions(PAIR_SCORES, pairs, lambda row: bool(row["accepted"]), gates)
    clip_scores = distributions(CLIP_SCORES, clips, lambda row: row["state"] == "paired", gates)
    shown = choose_pairs(pairs, pair_scores, config.pairs)
    by_id = {clip["clip_id"]: clip for clip in clips}
    shown_clips: dict[str, tuple[str, ShownPair, str]] = {}
    for pair in () if config.single_file else shown:
        for side in ("source", "target"):
            place = (f"{len(shown_clips) + 1:04d}", pair, side)
            shown_clips.setdefault(pair.row[side], place)
    shards = [out / shard.path for shard in read_shard_list(out)]
    return _Content(
        out,
        gates,
        by_id,
        pairs,
        pair_scores,
        clip_scores,
        [path for path in shards if not path.exists()],
        shown,
        shown_clips,
    )


def _draw(
    content: _Content, folder: Path, workers: int, progress: Progress
) -> dict[str, PairView | ClipView]:
    """Return the view of each shown pair and clip by the key of its unit."""
    units = [
        Unit(f"pair-{pair.stem}", (content.out, *pair.clip_ids, folder, pair.stem))
        for pair in content.shown
    ]
    clip_units = [
        Unit(f"clip-{stem}", (content.out, *pair.clip_ids, side, folder, stem))
        for stem, pair, side in content.shown_clips.values()
    ]
    views: dict[str, PairView | ClipView] = {}
    executor = "local" if len(units) >= _WORTH_WORKERS and usable_cores() > 1 else "inline"
    crew = executors.open_crew(Setup(count=workers), executor)
    try:
        for name, group, function, failed in (
            ("pairs", units, view_pair, PairView),
            ("clips", clip_units, view_clip, ClipView),
        ):
            if not group:
                continue
            progress.stage(name, len(group))
            for outcome in crew.run(group, function):
                progress.step(outcome.reason)
                problem = f"{outcome.reason}: {outcome.detail.partition(chr(10))[0]}"
                views[outcome.unit.key] = outcome.result or failed(problem=problem)
    finally:
        crew.close()
    return views


def _write_pages(site: Site, content: _Content, views: Mapping[str, Any]) -> None:
    for pair in content.shown:
        values = _pair_values(site, "../", content, pair, views)
        site.write_page(f"pairs/{pair.stem}.html", "pair.html.j2", **values)
    for clip_id, (stem, _, _) in content.shown_clips.items():
        view = views[f"clip-{stem}"]
        clip = content.clip(clip_id)
        site.write_page(
            f"clips/{stem}.html",
            "clip.html.j2",
            clip=clip,
            view=view,
            charts=charts.clip_charts(view),
            checks=gate_checks(CLIP_SCORES, {"clip": clip}, content.gates, content.clip_scores),
            pairs=[pair for pair in content.shown if clip_id in pair.clip_ids],
        )
    _write_index(site, content, views, content.shown, [])


def _write_single_page(site: Site, content: _Content, views: Mapping[str, Any]) -> None:
    """Write the front page with as many pairs in it as may be mailed."""
    included, size = [], 0
    for pair in content.shown:
        media = sum(path.stat().st_size for path in site.folder.glob(f"media/{pair.stem}*"))
        if size + media <= _SINGLE_FILE_BYTES:
            included.append(pair)
            size += media
    sections = [_pair_values(site, "", content, pair, views) for pair in included]
    _write_index(site, content, views, included, sections)


def _write_index(
    site: Site,
    content: _Content,
    views: Mapping[str, Any],
    shown: Sequence[ShownPair],
    sections: Sequence[Mapping[str, Any]],
) -> None:
    clips = list(content.clips.values())
    pages = {pair.index: pair.stem for pair in shown}
    rows = content.pairs[:_SINGLE_FILE_ROWS] if site.single_file else content.pairs
    summary = summarise(content.out)
    site.write_page(
        "index.html",
        "dataset.html.j2",
        name=", ".join(summary.corpora) or "an empty dataset",
        out=str(content.out.resolve()),
        missing_shards=content.missing_shards,
        tiles=overview.tiles(summary),
        heat=overview.heat_map(clips),
        gallery=[(pair, views[f"pair-{pair.stem}"]) for pair in shown],
        rejected_clips=overview.rejections(clips, "clip_id"),
        rejected_pairs=overview.rejections(content.pairs, "source"),
        footage=summary.footage,
        pair_scores=[(d, charts.distribution_chart(d)) for d in content.pair_scores.values()],
        clip_scores=[(d, charts.distribution_chart(d)) for d in content.clip_scores.values()],
        table_data=site.write_data("pairs", overview.pair_table(rows, pages)),
        clip_ids=site.write_data("clips", overview.clip_ids(rows), later=True),
        table_rows=len(rows),
        all_rows=len(content.pairs),
        sections=sections,
    )


def _pair_values(
    site: Site, root: str, content: _Content, pair: ShownPair, views: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the page of a pair shows."""
    view: PairView = views[f"pair-{pair.stem}"]
    clips = {side: content.clip(pair.row[side]) for side in ("source", "target")}
    checks = gate_checks(PAIR_SCORES, {"pair": pair.row}, content.gates, content.pair_scores)
    drawn = []
    if view.mouths is not None:
        drawn.append(("mouth opening", charts.mouth_chart(view.mouths)))
    if view.cost is not None:
        address = site.embed(root, view.cost.image)
        drawn.append(("cost matrix", charts.cost_chart(view.cost, address, view.path)))
    neighbours = {p.number: p for p in content.shown}
    return {
        "pair": pair,
        "view": view,
        "clips": clips,
        "clip_pages": {
            side: content.shown_clips[pair.row[side]][0]
            for side in clips
            if pair.row[side] in content.shown_clips
        },
        "pair_checks": checks,
        "clip_checks": gate_checks(CLIP_SCORES, clips, content.gates, content.clip_scores),
        "weakest": _weakest([check for check, *_ in checks]),
        "advice": {r.reason: r.advice for r in overview.rejections([pair.row], "source")},
        "charts": drawn,
        "player": asdict(view.player) if view.player is not None else None,
        "before": neighbours.get(pair.number - 1),
        "after": neighbours.get(pair.number + 1),
    }


def _weakest(checks: Sequence[GateCheck]) -> GateCheck | None:
    """Return the score of the pair itself whose place in the dataset is the worst."""
    placed = [check for check in checks if check.badness is not None]
    return max(placed, key=lambda check: check.badness or 0, default=None)
