"""How well the landmark runner agrees with MediaPipe's own graph, and what each costs.

Usage: python benchmarks/landmarks.py FOLDER [FRAMES]
FOLDER holds clips with one face; the first FRAMES (60) of each are used.

Both backends follow the first face as `prepare` does, before smoothing. Distances are shares of the
distance of the outer eye corners; jitter is the median second difference of the landmarks over
time; time is processor time per frame, on one core.
"""

import os
import sys
import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.face.crop_config import CropConfig
from stccl_data.face.finding import FaceFinder
from stccl_data.face.pose import eye_distance
from stccl_data.landmarks import LandmarkConfig, Landmarker, open_landmarker
from stccl_data.media.video import Frame, read_frames

VIDEO = {".mp4", ".mov", ".mkv", ".avi", ".mpg", ".flv", ".webm"}


def follow(frames: list[Frame], landmarker: Landmarker) -> tuple[NDArray[np.float64], float]:
    """Return the first face's landmarks, (N, 478, 2) with NaN without a face, and ms per frame."""
    started = time.process_time()
    seen = list(FaceFinder(landmarker, CropConfig()).find(frames))
    elapsed = time.process_time() - started
    missing = np.full((478, 2), np.nan)
    points = np.stack([found.faces[0].points if found.faces else missing for found in seen])
    return points.astype(np.float64), 1000 * elapsed / len(frames)


def jitter(points: NDArray[np.float64]) -> float:
    """Return the median second difference as a share of the eye distance."""
    second = points[2:] - 2 * points[1:-1] + points[:-2]
    return float(
        np.nanmedian(np.hypot(*np.moveaxis(second, -1, 0)) / eye_distance(points)[1:-1, None])
    )


def main() -> None:
    """Print a line per clip, and the sum."""
    cv2.setNumThreads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    paths = sorted(p for p in Path(sys.argv[1]).rglob("*") if p.suffix.lower() in VIDEO)
    runner = open_landmarker()
    tasks = open_landmarker(LandmarkConfig(backend="mediapipe-tasks"))
    everything, steadier = [], []
    for path in paths:
        frames = list(islice(read_frames(path), limit))
        ours, our_ms = follow(frames, runner)
        theirs, their_ms = follow(frames, tasks)
        off = 100 * np.hypot(*np.moveaxis(ours - theirs, -1, 0)) / eye_distance(theirs)[:, None]
        everything.append(off.ravel())
        steadier.append(jitter(ours) / jitter(theirs))
        print(
            f"{str(path)[-44:]:44} median {np.nanmedian(off):.2f} % p99 "
            f"{np.nanpercentile(off, 99):.2f} % jitter x {steadier[-1]:.2f} "
            f"{our_ms:.1f} and {their_ms:.1f} ms",
            flush=True,
        )
    total = np.concatenate(everything)
    print(f"all: median {np.nanmedian(total):.2f} %, p99 {np.nanpercentile(total, 99):.2f} %")
    print(f"     jitter x {np.median(steadier):.2f}, at most {max(steadier):.2f}")


if __name__ == "__main__":
    main()
