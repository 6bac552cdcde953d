"""Write the report of a training run: `stccl report RUN`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset import open_dataset
from stccl_data.errors import StcclError
from stccl_data.progress import Progress, SilentProgress
from stccl_data.report import ReportResult
from stccl_data.report.charts import Chart
from stccl_data.report.site import Site
from stccl_data.report.views import write_webp
from stccl_train.eval.plots import read_training_curves
from stccl_train.model.export import load_metric
from stccl_train.report import run_charts
from stccl_train.report.similarity_maps import SimilarityMaps, WindowResult, similarity_maps
from stccl_train.threads import threads
from stccl_train.train.metrics_log import METRICS

#: Strips of the best and of the worst windows.
_STRIPS = 3
#: Side of a frame on a strip, and of a map, pixels.
_STRIP_TILE, _MAP_SIDE = 96, 224

#: (256, 3) RGB of a value in [0, 1].
_VIRIDIS = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[
    :, 0, ::-1
]
#: The same for a difference, which is white at 0.5.
_BLUE_TO_RED = np.stack(
    [
        np.interp(np.arange(256), [0, 127.5, 255], ends).astype(np.uint8)
        for ends in ((33, 255, 178), (102, 255, 24), (172, 255, 43))
    ],
    axis=1,
)


class RunReportError(StcclError):
    """The folder holds nothing to report on."""


@dataclass(frozen=True, slots=True)
class MapView:
    """The pictures of one kind of token. Paths are relative to the report."""

    name: str
    aligned: str
    difference: str
    #: of the aligned map
    low: float
    high: float
    #: largest difference, either way
    most: float


@dataclass(frozen=True, slots=True)
class StripView:
    """The frames of one window."""

    window: WindowResult
    image: str
    #: pixels
    width: int
    height: int


def write_run_report(
    run: str | Path,
    to: str | Path | None = None,
    single_file: bool = False,
    progress: Progress | None = None,
) -> ReportResult:
    """Write a page about a training run that opens from disk.

    It shows the training curves and, once `stccl eval` has run, the evaluation with its controls,
    where on the face the sides match, and the windows that match best and worst.

    Args:
        run: the folder that `stccl train` wrote.
        to: folder for the report; by default `run`/report.
        single_file: write one page that can be mailed.
        progress: receives one stage, ``maps``.

    Raises:
        RunReportError: the folder holds neither curves nor an evaluation.
        UsageError: the folder for the report holds something else, or cannot be written.
    """
    run, progress = Path(run), progress or SilentProgress()
    curves = read_training_curves(run / METRICS)
    evaluations = _evaluations(run)
    if not curves and not evaluations:
        raise RunReportError(f"{run} has neither {METRICS} nor an evaluation; run `stccl train`")
    site = Site(Path(to) if to is not None else run / "report", single_file)
    sections = [_evaluation_section(name, record) for name, record in evaluations.items()]
    maps, problem = _maps(run, evaluations, progress)
    site.write_page(
        "index.html",
        "run.html.j2",
        name=run.resolve().name,
        run=str(run),
        training=[run_charts.training_chart(name, parts) for name, parts in curves.items()],
        sections=sections,
        maps=[] if maps is None else _map_views(site.folder, maps),
        strips=[] if maps is None else _strip_views(site.folder, maps),
        map_windows=0 if maps is None else len(maps.windows),
        problem=problem,
    )
    page = site.finish()
    size = sum(path.stat().st_size for path in site.folder.rglob("*") if path.is_file())
    return ReportResult(page, (), size)


def _evaluations(run: Path) -> dict[str, dict[str, Any]]:
    """Read the evaluations in a run; skip files that are not complete."""
    records = {}
    for path in sorted(run.glob("eval*/eval.json")):
        try:
            record = json.loads(path.read_bytes())
            records[path.parent.name] = {**record, "rows": list(record["rows"])}
        except (ValueError, KeyError, TypeError):
            continue
    return records


def _evaluation_section(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    charts: list[tuple[str, Chart]] = []
    for term in ("scc", "tcc"):
        charts += [
            (f"{term.upper()} under each condition", run_charts.condition_chart(record, term)),
            (f"{term.upper()} by region", run_charts.region_chart(record, term)),
            (f"{term.upper()} by layer", run_charts.layer_chart(record, term)),
        ]
    return {
        "name": name,
        "record": record,
        "charts": [(title, chart) for title, chart in charts if chart.data],
    }


def _maps(
    run: Path, evaluations: Mapping[str, Mapping[str, Any]], progress: Progress
) -> tuple[SimilarityMaps | None, str]:
    """Compute the maps on the data of the first evaluation; or say why there are none."""
    if not evaluations:
        return None, "the maps need the data of an evaluation; run `stccl eval`"
    record = next(iter(evaluations.values()))
    progress.stage("maps", 1)
    try:
        dataset = open_dataset(record["data"])
        metric = load_metric(run).eval()
        with threads(None, metric.config.backbone, metric.scale.device):
            maps = similarity_maps(metric, dataset, record["split"])
    except (StcclError, KeyError) as error:
        return None, f"the maps could not be made: {error}"
    progress.step()
    return maps, "" if maps is not None else "no window of the split is long enough for the maps"


def _map_views(folder: Path, maps: SimilarityMaps) -> list[MapView]:
    (folder / "media").mkdir(exist_ok=True)
    views = []
    for kind, aligned in maps.aligned.items():
        difference = aligned - maps.shifted[kind]
        low, high = float(aligned.min()), float(aligned.max())
        most = float(np.abs(difference).max())
        aligned_image, difference_image = f"media/{kind}-aligned.webp", f"media/{kind}-less.webp"
        scaled = (aligned - low) / max(high - low, 1e-9)
        write_webp(folder / aligned_image, _overlay(maps.face, scaled, _VIRIDIS))
        centred = 0.5 + difference / max(2 * most, 1e-9)
        write_webp(folder / difference_image, _overlay(maps.face, centred, _BLUE_TO_RED))
        name = kind.upper().replace("_", "-")
        views.append(MapView(name, aligned_image, difference_image, low, high, most))
    return views


def _overlay(
    face: NDArray[np.uint8], values: NDArray[np.float64], colours: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Colour a map in [0, 1] and lay it over the mean face."""
    side = (_MAP_SIDE, _MAP_SIDE)
    levels = cv2.resize((255 * values.clip(0, 1)).astype(np.uint8), side)
    grey = cv2.cvtColor(cv2.resize(face, side), cv2.COLOR_RGB2GRAY)[..., None]
    return np.asarray(0.4 * grey + 0.6 * colours[levels], np.uint8)


def _strip_views(folder: Path, maps: SimilarityMaps) -> list[tuple[str, list[StripView]]]:
    """Draw the windows whose sides match best and worst at the mouth."""
    order = sorted(maps.windows, key=lambda window: window.aligned)
    count = min(_STRIPS, len(order) // 2)
    groups = (("best", order[::-1][:count]), ("worst", order[:count]))
    views = []
    for group, windows in groups:
        strips = []
        for number, window in enumerate(windows, 1):
            rows = [
                np.hstack([cv2.resize(frame, (_STRIP_TILE, _STRIP_TILE)) for frame in side])
                for side in (window.source, window.target)
            ]
            name = f"media/{group}-{number}.webp"
            write_webp(folder / name, np.asarray(np.vstack(rows), np.uint8))
            strips.append(StripView(window, name, rows[0].shape[1], 2 * _STRIP_TILE))
        views.append((group, strips))
    return views
