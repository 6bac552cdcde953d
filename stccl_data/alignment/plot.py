"""Plots of alignments."""

from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.alignment.align import AlignConfig, Alignment
from stccl_data.alignment.dtw import distances
from stccl_data.alignment.feature_sequence import feature_sequence
from stccl_data.features.signals import Signals

_MOST_PIXELS = 2000  # of the longer side of the cost matrix in the plot
_LEAST_DB = -60.0  # loudness below this is drawn as this


def plot_alignment(
    path: str | Path, source: Signals, target: Signals, alignment: Alignment, title: str = ""
) -> None:
    """Plot the cost matrix with the path, and each clip's loudness beside it.

    The source runs to the right and the target upwards; dark means alike.

    Args:
        path: file to write; the suffix decides the format.
        source: signals that were aligned.
        target: signals that were aligned.
        alignment: the path to draw.
        title: by default the mode and the scores.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mode = alignment.mode if alignment.mode != "reference" else "audio"
    config = AlignConfig()
    a, b = (
        feature_sequence(clip, mode, config.hop_s, config.mouth_weight) for clip in (source, target)
    )
    cost = distances(a.vectors, b.vectors)
    stride = max(1, int(np.ceil(max(cost.shape) / _MOST_PIXELS)))
    figure = Figure(figsize=(8, 8), layout="constrained")
    FigureCanvasAgg(figure)
    cells = figure.add_gridspec(2, 2, width_ratios=(1, 4), height_ratios=(4, 1))
    matrix = figure.add_subplot(cells[0, 1])
    extent = (float(a.grid[0]), float(a.grid[-1]), float(b.grid[0]), float(b.grid[-1]))
    matrix.imshow(
        cost.T[::stride, ::stride], origin="lower", aspect="auto", extent=extent, cmap="magma"
    )
    matrix.plot(alignment.source_time, alignment.target_time, color="cyan", linewidth=1.2)
    matrix.set(xlim=extent[:2], ylim=extent[2:])
    scores = f"cost {alignment.cost:.2f}, {100 * alignment.diagonal_fraction:.0f} % diagonal"
    matrix.set_title(title or f"{alignment.mode}: {scores}")
    below = figure.add_subplot(cells[1, 1], sharex=matrix)
    left = figure.add_subplot(cells[0, 0], sharey=matrix)
    _plot_strip(below, source, mode, upright=False)
    _plot_strip(left, target, mode, upright=True)
    below.set_xlabel("source, s")
    left.set_ylabel("target, s")
    figure.savefig(path, dpi=110)


def _plot_strip(axes: Any, clip: Signals, mode: str, *, upright: bool) -> None:
    """Plot loudness in dB below the maximum and shade speech; visual: plot the mouth opening."""
    if mode != "visual" and clip.speech is not None:
        times, values, label = clip.speech.times, np.maximum(clip.speech.level, _LEAST_DB), "dB"
        shade = axes.axhspan if upright else axes.axvspan
        shade(*clip.speech.span, color="0.9")
    elif clip.mouth is not None:
        times, values, label = clip.mouth.times, clip.mouth.shape[:, 0], "mouth opening"
    else:
        return
    if upright:
        axes.plot(values, times, color="0.3", linewidth=0.8)
        axes.set_xlabel(label)
    else:
        axes.plot(times, values, color="0.3", linewidth=0.8)
        axes.set_ylabel(label)
