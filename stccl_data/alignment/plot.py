"""A picture of an alignment: the cost matrix with the path, and each clip's loudness and features along its side."""

from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.alignment.align import AlignConfig, Alignment, sequence
from stccl_data.alignment.dtw import distances
from stccl_data.features.signals import Signals


def plot_alignment(
    path: str | Path, source: Signals, target: Signals, alignment: Alignment, title: str = ""
) -> None:
    """Writes a PNG (or what the suffix of `path` says): source runs to the right, target upwards, dark is alike."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    mode = alignment.mode if alignment.mode != "reference" else "audio"
    config = AlignConfig()
    a, b = (sequence(clip, mode, config.hop_s, config) for clip in (source, target))
    s, t, cost = a.grid, b.grid, distances(a.vectors, b.vectors)
    stride = max(1, int(np.ceil(max(cost.shape) / 2000)))
    figure = Figure(figsize=(8, 8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 4), height_ratios=(4, 1))
    matrix = figure.add_subplot(grid[0, 1])
    extent = (float(s[0]), float(s[-1]), float(t[0]), float(t[-1]))
    matrix.imshow(
        cost.T[::stride, ::stride], origin="lower", aspect="auto", extent=extent, cmap="magma"
    )
    matrix.plot(alignment.source_time, alignment.target_time, color="cyan", linewidth=1.2)
    matrix.set(xlim=extent[:2], ylim=extent[2:])
    matrix.set_title(
        title
        or f"{alignment.mode}: cost {alignment.cost:.2f}, {100 * alignment.diagonal_fraction:.0f} % diagonal"
    )
    below, left = (
        figure.add_subplot(grid[1, 1], sharex=matrix),
        figure.add_subplot(grid[0, 0], sharey=matrix),
    )
    _strip(below, source, mode, upright=False)
    _strip(left, target, mode, upright=True)
    below.set_xlabel("source, s")
    left.set_ylabel("target, s")
    figure.savefig(path, dpi=110)


def _strip(axes: Any, clip: Signals, mode: str, *, upright: bool) -> None:
    """Loudness in dB below the loudest, with speech shaded; for a silent clip the opening of the mouth."""
    if mode != "visual" and clip.speech is not None:
        times, values, label = clip.speech.times, np.maximum(clip.speech.level, -60.0), "dB"
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
