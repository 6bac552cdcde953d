"""Score how well one clip keeps the speech of another, frame by frame, with a trained metric."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.modes import Matching
from stccl_data.alignment.tracked_clip import match_frames, read_tracked_clip
from stccl_data.errors import ClipError, Reason
from stccl_data.progress import Progress, SilentProgress
from stccl_train.eval.frame_scores import SCORES, ClipFeatures, FrameScores, score_frames
from stccl_train.eval.shift import shift_partners
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.train.distributed import usable_device


@dataclass(frozen=True, eq=False)
class Score(FrameScores):
    """How well B keeps the speech of A, by the N frames of A."""

    #: (N,) float64, seconds since A's first frame.
    times: NDArray[np.float64]
    #: (N,) float64, seconds from B's first frame to the partner frames; NaN if there is none.
    target_times: NDArray[np.float64]
    #: Means with B's frames `VERDICT_SHIFT` away: the level of two clips of one face that do
    #: not say the same.
    shifted: dict[str, float | None]

    def columns(self) -> dict[str, list[float | None]]:
        """Return times and scores by frame, rounded to 5 digits, None for NaN."""
        return {
            name: [None if np.isnan(v) else round(float(v), 5) for v in getattr(self, name)]
            for name in ("times", "target_times", *SCORES)
        }

    def record(self) -> dict[str, Any]:
        """Return means, shifted means and columns as plain values for JSON."""
        return {"means": self.means, "shifted": self.shifted, "frames": self.columns()}


def score(
    run: str | Path | CorrelationMetric,
    source: str | Path,
    target: str | Path,
    alignment: Matching = "auto",
    device: str = "cpu",
    progress: Progress | None = None,
) -> Score:
    """Score how well the clip ``target`` keeps the speech of the clip ``source``.

    Args:
        run: the folder that `stccl train` wrote, or a metric.
        source: a video file.
        target: a video file.
        alignment: how frames are matched: a mode of `stccl align`, or ``time`` for equal times, if
            the target was made from the source frame by frame.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        progress: receives two stages, ``read`` and ``compare``.

    Raises:
        ClipError: a clip cannot be read, shows no face or is too short, or both cannot be aligned.
        MetricError: no usable metric in ``run``.
        ValueError: unknown device or alignment.
    """
    progress = progress or SilentProgress()
    metric = run if isinstance(run, CorrelationMetric) else load_metric(run)
    metric = metric.to(usable_device(device)).eval()
    progress.stage("read", 2)
    clips = []
    for path in (source, target):
        clips.append(read_tracked_clip(path, sound=alignment != "time"))
        progress.step()
    frame_map = match_frames(clips[0], clips[1], alignment)
    progress.stage("compare", 2)
    a, b = (ClipFeatures(metric, clip) for clip in clips)
    aligned = score_frames(metric, a, b, frame_map)
    progress.step()
    if aligned is None:
        raise ClipError(
            Reason.TOO_SHORT,
            f"{source} and {target} have no {metric.config.frames} frames, "
            f"{metric.config.interval:g} s apart, with a face on both sides",
        )
    times, target_times = (clip.track.times for clip in clips)
    shifted = score_frames(metric, a, b, shift_partners(frame_map, target_times))
    progress.step()
    return Score(
        times=times,
        target_times=np.where(frame_map >= 0, target_times[np.maximum(frame_map, 0)], np.nan),
        shifted=dict.fromkeys(SCORES) if shifted is None else shifted.means,
        **vars(aligned),
    )
