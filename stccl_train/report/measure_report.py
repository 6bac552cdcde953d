"""Write the report of a measurement: `stccl report measure.json`."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from stccl_data.errors import StcclError
from stccl_data.report import ReportResult
from stccl_data.report.charts import Chart, axis
from stccl_data.report.site import Site
from stccl_data.report.views import write_webp
from stccl_train.measures.files import JSON
from stccl_train.measures.measurement import ALL
from stccl_train.measures.request import CONTROLS, claims_speech
from stccl_train.measures.text_table import interval_text, number

#: Clips that are shown with players.
_SHOWN = 12


class MeasureReportError(StcclError):
    """The file is not what `stccl measure` writes."""


def write_measure_report(
    file: str | Path, to: str | Path | None = None, single_file: bool = False
) -> ReportResult:
    """Write a page that shows the methods of a measurement side by side.

    Args:
        file: measure.json.
        to: folder for the report; by default `report` beside the file.
        single_file: write one page that can be mailed.

    Raises:
        MeasureReportError: the file is not what `stccl measure` writes.
        UsageError: the folder holds something else, or cannot be written.
    """
    file = Path(file)
    record = _read(file)
    site = Site(Path(to) if to is not None else file.parent / "report", single_file)
    labels = list(dict.fromkeys(cell["row"] for cell in record["table"]))
    means = {_key(cell): cell["mean"] for cell in record["table"]}
    doubtful = {_key(cell) for cell in record["table"] if _is_doubtful(cell)}
    known = {(measure, row) for measure, row, _ in means}
    measures = [m for m in record["measures"] if any((m["name"], row) in known for row in labels)]
    digits = {measure["name"]: measure.get("digits", 3) for measure in measures}
    site.write_page(
        "index.html",
        "measure.html.j2",
        file=str(file),
        record=record,
        labels=labels,
        controls=CONTROLS,
        measures=measures,
        figures={key: number(mean, digits[key[0]]) for key, mean in means.items()},
        doubtful=doubtful,
        best={m["name"]: m.get("best", ()) for m in measures},
        emotions=[*record.get("emotions", ()), ALL],
        differences=_differences(record),
        charts=[_chart(m, labels, means, doubtful) for m in measures if m["headline"]],
        clips=_clips(site.folder, record),
    )
    page = site.finish()
    size = sum(path.stat().st_size for path in site.folder.rglob("*") if path.is_file())
    return ReportResult(page, (), size)


def _differences(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return by how much the other methods are better than the first, over all emotions."""
    measures = {measure["name"]: measure for measure in record["measures"]}
    lines = []
    for gain in record.get("differences", ()):
        if gain["emotion"] == ALL and gain["measure"] in measures:
            measure = measures[gain["measure"]]
            digits = measure.get("digits", 3)
            lines.append(
                {
                    "measure": measure["label"],
                    "headline": measure["headline"],
                    "method": gain["method"],
                    "mean": f"{gain['mean']:+.{digits}f}",
                    "interval": interval_text(gain["low"], gain["high"], digits),
                    "wins": f"{gain['wins']} of {gain['n']}",
                    "p": f"{gain['p']:.3f}",
                }
            )
    return lines


def _key(cell: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return measure, row and emotion of a mean."""
    return cell["measure"], cell["row"], cell["emotion"]


def _is_doubtful(cell: Mapping[str, Any]) -> bool:
    """Return whether a mean is a headline number that is no evidence."""
    return not cell.get("evidence", True) and claims_speech(cell["row"])


def _read(file: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(file.read_bytes())
        for key in ("methods", "measures", "table", "pairs"):
            record[key] = list(record[key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MeasureReportError(
            f"{file} is not a {JSON} of `stccl measure --out` ({error!r})"
        ) from None
    return record


def _chart(
    measure: Mapping[str, Any],
    labels: Sequence[str],
    means: Mapping[tuple[str, str, str], float],
    doubtful: Collection[tuple[str, str, str]],
) -> Chart:
    """Draw a measure; without the copy, beside which all else would be flat.

    Bars of `doubtful` numbers, which are no evidence, are hatched.
    """
    keys = {label: (measure["name"], label, ALL) for label in labels}
    shown = [label for label in labels if keys[label] in means and label != "copy"]
    colours = ["--soft" if label in CONTROLS else "--source" for label in shown]
    bars = {
        "type": "bar",
        "x": shown,
        "y": [means[keys[label]] for label in shown],
        "marker": {
            "color": colours,
            "pattern": {"shape": ["/" if keys[x] in doubtful else "" for x in shown]},
        },
        "hovertemplate": "%{x}: %{y:.3g}",
    }
    layout = {"showlegend": False, "xaxis": axis(""), "yaxis": axis(measure["unit"] or "")}
    return Chart(f"{measure['label']} of each method and control", [bars], layout, 220)


def _clips(folder: Path, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Copy the videos of some clips into the report: the source, and what each method made.

    Each has its first frame as a poster, for paper, and until the browser has loaded it.
    """
    clips: dict[str, dict[str, Any]] = {}
    for pair in record["pairs"]:
        if pair["row"] in CONTROLS or pair.get("error"):
            continue
        clip = clips.setdefault(pair["source"], {"source": pair["source"], "rows": []})
        clip["rows"].append(pair)
    shown = []
    for n, clip in enumerate(list(clips.values())[:_SHOWN], 1):
        videos = [("source", clip["source"])]
        videos += [(pair["row"], pair["generated"]) for pair in clip["rows"]]
        copies = [
            (label, *_copy(folder, path, f"{n:02d}-{place}"))
            for place, (label, path) in enumerate(videos)
        ]
        shown.append({**clip, "name": _short_name(clip["source"], clips), "videos": copies})
    return shown


def _short_name(path: str, paths: Collection[str]) -> str:
    """Return the last parts of a path, two or as many as it takes to tell it from the others."""
    parts = Path(path).parts
    for length in range(2, len(parts)):
        if sum(Path(other).parts[-length:] == parts[-length:] for other in paths) == 1:
            return "/".join(parts[-length:])
    return path


def _copy(folder: Path, path: str, stem: str) -> tuple[str, str]:
    """Copy a video that browsers play, and its poster.

    Returns:
        Their paths in the report; empty for a video that browsers do not play, or that is gone.
    """
    suffix = Path(path).suffix.lower()
    name, poster = f"media/{stem}{suffix}", f"media/{stem}.webp"
    (folder / "media").mkdir(exist_ok=True)
    try:
        with av.open(path) as container:
            codec = container.streams.video[0].codec_context.name
            first = next(container.decode(video=0))
        write_webp(folder / poster, np.asarray(first.to_ndarray(format="rgb24"), np.uint8))
        if codec not in ("h264", "vp8", "vp9", "av1") or suffix not in (".mp4", ".webm", ".mov"):
            return "", poster
        (folder / name).write_bytes(Path(path).read_bytes())
    except (OSError, IndexError, StopIteration, av.FFmpegError):
        return "", ""
    return name, poster
