"""Measure how long an alignment takes, and compare the DTW kernel with dtaidistance.

usage: python benchmarks/alignment.py [SECONDS]      (dtaidistance comes with the extra `test`)

Two synthetic clips of SECONDS (default 4) are aligned on one core. dtaidistance minimises the root
of summed squared distances, so our kernel gets squared costs, and the two path costs are asserted
to agree. Times are printed, never asserted.
"""

import os
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from dtaidistance import dtw_ndim

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.alignment.align_files import estimate_content_score
from stccl_data.alignment.dtw import distances, warping_path
from stccl_data.alignment.feature_sequence import feature_sequence
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features

RATE = 16_000


def babble(seconds: float, seed: int) -> np.ndarray:
    """Return (S,) noise whose band moves a few times a second: as hard to align as speech."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    knots = np.random.default_rng(7).uniform(200, 3000, int((seconds + 1) / 0.15) + 1)
    frequency = np.interp(t, np.arange(0, seconds + 1, 0.15), knots)
    voice = np.sin(2 * np.pi * np.cumsum(frequency) / RATE) + 0.1 * rng.normal(size=len(t))
    return 0.2 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))


def milliseconds(work: Callable[[], object], repeats: int = 20) -> float:
    """Return the median duration of `repeats` calls, after a first one that compiles."""
    work()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return 1000 * float(np.median(durations))


def print_row(name: str, duration: float, remark: str = "") -> None:
    print(f"  {name:<40} {duration:7.1f} ms   {remark}".rstrip())


def main(seconds: float) -> None:
    sounds = [babble(seconds, seed) for seed in (1, 2)]
    frame_times = np.arange(0, seconds, 0.04)
    clips = [Signals(speech_features(sound, RATE), frame_times=frame_times) for sound in sounds]
    config = AlignConfig()
    a, b = (
        feature_sequence(clip, "audio", config.hop_s, config.mouth_weight).vectors for clip in clips
    )
    print(f"two clips of {seconds:g} s, a matrix of {len(a)} x {len(b)}, one core")
    print_row("features of a clip", milliseconds(lambda: speech_features(sounds[0], RATE)))
    print_row("align, path and scores", milliseconds(lambda: align(*clips)))
    print_row(
        "content score without impostors", milliseconds(lambda: estimate_content_score(*clips))
    )

    wide = [np.ascontiguousarray(side, np.float64) for side in (a, b)]
    our_cost = warping_path(distances(a, b) ** 2)[1] ** 0.5
    their_cost = dtw_ndim.distance(*wide, use_c=True)
    assert np.isclose(our_cost, their_cost, rtol=1e-3), (our_cost, their_cost)

    ours = milliseconds(lambda: warping_path(distances(a, b) ** 2))
    their_path = milliseconds(lambda: dtw_ndim.warping_path(*wide, use_c=True), 5)
    their_distance = milliseconds(lambda: dtw_ndim.distance(*wide, use_c=True), 5)
    print_row("our matrix and path", ours, f"path cost {our_cost:.4f}")
    print_row("dtaidistance (C), path", their_path, f"{their_path / ours:.1f} times ours")
    print_row(
        "dtaidistance (C), its cost without path",
        their_distance,
        f"{their_distance / ours:.1f} times ours, path cost {their_cost:.4f}",
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0)
