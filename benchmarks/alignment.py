"""How long an alignment takes, and our kernel beside dtaidistance's on the same features.

usage: python benchmarks/alignment.py [SECONDS]      (dtaidistance comes with the extra `test`)

Two synthetic clips of SECONDS (default 4) are aligned on one core. dtaidistance minimises the root of summed squared distances, so
ours is given squared costs, and the two path costs are asserted to agree. Times are printed, never asserted.
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
    """(S,) noise whose band moves a few times a second: as much to align as speech, with nothing to download."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    swing = np.interp(
        t,
        np.arange(0, seconds + 1, 0.15),
        np.random.default_rng(7).uniform(200, 3000, int((seconds + 1) / 0.15) + 1),
    )
    voice = np.sin(2 * np.pi * np.cumsum(swing) / RATE) + 0.1 * rng.normal(size=len(t))
    return 0.2 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))


def milliseconds(work: Callable[[], object], repeats: int = 20) -> float:
    """The median of `repeats` runs, after one that compiles."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return 1000 * float(np.median(taken))


def main(seconds: float) -> None:
    sounds = [babble(seconds, seed) for seed in (1, 2)]
    clips = [
        Signals(speech_features(sound, RATE), frame_times=np.arange(0, seconds, 0.04))
        for sound in sounds
    ]
    config = AlignConfig()
    a, b = (
        feature_sequence(clip, "audio", config.hop_s, config.mouth_weight).vectors for clip in clips
    )
    print(f"two clips of {seconds:g} s, a matrix of {len(a)} x {len(b)}, one core")
    print(
        f"  features of a clip                       {milliseconds(lambda: speech_features(sounds[0], RATE)):7.1f} ms"
    )
    print(
        f"  align, path and scores                   {milliseconds(lambda: align(*clips)):7.1f} ms"
    )
    print(
        f"  content score without impostors          {milliseconds(lambda: estimate_content_score(*clips)):7.1f} ms"
    )

    wide = [np.ascontiguousarray(side, np.float64) for side in (a, b)]
    ours, theirs = (
        warping_path(distances(a, b) ** 2)[1] ** 0.5,
        dtw_ndim.distance(*wide, use_c=True),
    )
    assert np.isclose(ours, theirs, rtol=1e-3), (ours, theirs)

    def matrix_and_path() -> object:
        return warping_path(distances(a, b) ** 2)

    mine, path, cost = (
        milliseconds(matrix_and_path),
        milliseconds(lambda: dtw_ndim.warping_path(*wide, use_c=True), 5),
        milliseconds(lambda: dtw_ndim.distance(*wide, use_c=True), 5),
    )
    print(f"  our matrix and path                      {mine:7.1f} ms   path cost {ours:.4f}")
    print(
        f"  dtaidistance (C), path                   {path:7.1f} ms   {path / mine:.1f} times ours"
    )
    print(
        f"  dtaidistance (C), its cost without path  {cost:7.1f} ms   {cost / mine:.1f} times ours, path cost {theirs:.4f}"
    )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0)
