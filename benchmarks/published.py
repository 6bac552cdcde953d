"""Does the metric agree with the lips? Measure published result videos, method by method.

usage: published.py FOLDER [--run RUN | --train DATASET] [--out DIR] [--workers N]

FOLDER has a folder for each clip, with source.mp4 and a video of each method beside it (base.mp4,
cm.mp4, vd.mp4, ...); frame k of each belongs together. --run takes a trained metric; --train trains
a tiny one on a prepared dataset first. Printed: the tables of `stccl measure` with the wins of each
method over base, then how the metric ranks the methods of a clip beside how lip measures rank them:
Spearman's correlation over the methods of a clip, its mean over clips; Pearson's correlation of all
values less their clip's mean; and the clips on which both agree about the best method. With three
methods Spearman's is only -1, -0.5, 0.5 or 1, and counts methods that hardly differ like others.
"""

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from stccl_train.config import load_config
from stccl_train.measures.measure import measure
from stccl_train.measures.measure_config import MeasureConfig
from stccl_train.measures.measurement import Measurement
from stccl_train.measures.report import format_measurement, write_report
from stccl_train.measures.request import Row
from stccl_train.measures.text_table import align, number
from stccl_train.train.trainer import fit

METRIC = (
    "scc_recall", "scc_recall_gain", "tcc_recall", "tcc_recall_gain",
    "scc", "scc_gain", "tcc", "tcc_gain",
)  # fmt: skip
LIPS = ("lip_distance", "lip_motion", "lip_correlation", "opening", "opening_gain")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--train", type=Path, metavar="DATASET")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    out = args.out or Path(tempfile.mkdtemp(prefix="published-"))
    run = args.run
    if args.train is not None:
        run = out / "run"
        fit(args.train, run, load_config("tiny", settings=["device=cpu"]))
    rows = published_rows(args.folder)
    config = MeasureConfig(run=None if run is None else str(run), workers=args.workers)
    measurement = measure(rows, config, out)
    write_report(out, measurement)
    print(format_measurement(measurement))
    if run is not None:
        print(agreement(measurement))
    print(f"tables: {out}")


def published_rows(folder: Path) -> list[Row]:
    """Return a row for each method of each clip; base first, for methods are compared with it."""
    rows = []
    for source in sorted(folder.glob("*/source.*")):
        speaker = re.match(r"[MW]\d{3}(?=_)", source.parent.name)
        name = speaker.group() if speaker else source.parent.name
        videos = sorted(source.parent.iterdir(), key=lambda path: (path.stem != "base", path.stem))
        rows += [
            Row(str(source), str(video), video.stem, speaker=name)
            for video in videos
            if video.stem != "source" and video.suffix == source.suffix
        ]
    if not rows:
        raise SystemExit(f"{folder}: no CLIP/source.mp4 with the videos of methods beside it")
    return rows


def agreement(measurement: Measurement) -> str:
    """Return how the metric's ranking of a clip's methods agrees with that of the lips."""
    ranks = [["within clips, ranks", *LIPS]]
    table = [["within clips, values", *LIPS]]
    best = [["same best method", *LIPS]]
    for name in METRIC:
        correlations = [within_clips(measurement, name, lips) for lips in LIPS]
        ranks.append([name, *(number(float(np.mean(values)), 2) for values in correlations)])
        table.append([name, *(number(centred(measurement, name, lips), 2) for lips in LIPS)])
        best.append([name, *(same_best(measurement, name, lips) for lips in LIPS)])
    return "\n".join(align(rows) for rows in (ranks, table, best))


def within_clips(measurement: Measurement, first: str, second: str) -> list[float]:
    """Return Spearman's correlation of two measures over the methods of each clip."""
    pairs = (by_clip(measurement, name) for name in (first, second))
    values = [spearmanr(a, b).statistic for a, b in zip(*pairs, strict=True)]
    return [float(value) for value in values if np.isfinite(value)]


def centred(measurement: Measurement, first: str, second: str) -> float:
    """Return Pearson's correlation of two measures, each less the mean of its clip."""
    a, b = (
        np.concatenate([values - values.mean() for values in by_clip(measurement, name)])
        for name in (first, second)
    )
    return float(np.corrcoef(a, b)[0, 1])


def same_best(measurement: Measurement, first: str, second: str) -> str:
    """Return on how many clips two measures prefer the same method."""
    measures = {measure.name: measure for measure in measurement.measures}
    choices = []
    for name in (first, second):
        sign = -1 if measures[name].better == "lower" else 1
        choices.append([int(np.argmax(sign * values)) for values in by_clip(measurement, name)])
    agreeing = sum(a == b for a, b in zip(*choices, strict=True))
    return f"{agreeing} of {len(choices[0])}"


def by_clip(measurement: Measurement, name: str) -> list[np.ndarray]:
    """Return a measure's value of each method, clip by clip; only clips that have them all."""
    names = (*METRIC, *LIPS)
    clips: dict[str, list[dict[str, float]]] = {}
    for result in measurement.results:
        if result.comparison.control is None and all(n in result.values for n in names):
            clips.setdefault(result.comparison.row.source, []).append(result.values)
    whole = [clip for clip in clips.values() if len(clip) == len(measurement.methods)]
    return [np.array([values[name] for values in clip]) for clip in whole]


if __name__ == "__main__":
    main()
