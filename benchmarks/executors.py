"""Measure what an executor adds to a clip, and how much faster two workers are than one.

    python benchmarks/executors.py [FOLDER]

With FOLDER, a folder of videos, workers are also compared on `stccl prepare` of up to 24 of them.
"""

import math
import os
import sys
import tempfile
import time
from pathlib import Path

from stccl_data.executors import Setup, Unit, run

AIMS_MS = {"local": 5.0, "ray": 20.0}
AIM_TWICE = 1.9
UNITS = 400

#: Work that does not touch memory, and work that does nothing else. What a clip can gain from a
#: second core lies between them.
ARITHMETIC = "sum(i * i for i in range(4_000_000))"
MEMORY = (
    "(lambda a, b: [b.__setitem__(slice(None), a) for _ in range(64)] and None)"
    "(bytearray(2**25), bytearray(2**25))"
)


def overhead_ms(executor: str) -> float:
    """Return the milliseconds per unit of one worker with empty units, once it has started."""
    began = 0.0
    for i, _ in enumerate(
        run((Unit(str(i), (i,)) for i in range(UNITS)), math.sqrt, Setup(1), executor=executor)
    ):
        if i == 50:
            began = time.perf_counter()
    return 1000 * (time.perf_counter() - began) / (UNITS - 51)


def busy_seconds(executor: str, workers: int, work: str = ARITHMETIC) -> float:
    """Return the wall seconds for 16 units of about 0.5 s, measured after the first round."""
    began = 0.0
    units = (Unit(str(i), (work,)) for i in range(16 + workers))
    for i, _ in enumerate(run(units, eval, Setup(workers), executor=executor), 1):
        if i == workers:
            began = time.perf_counter()
    return time.perf_counter() - began


def extraction_seconds(videos: list[Path], workers: int) -> tuple[float, float]:
    """Return wall seconds per clip, and worker seconds per clip, of extracting the videos.

    The wall time is that from the end of the first clip to the end of the last.
    """
    import json

    from stccl_data.pipeline.config import PrepareConfig
    from stccl_data.pipeline.prepare import prepare
    from stccl_data.pipeline.status import read_status
    from stccl_data.progress import SilentProgress

    class Clock(SilentProgress):
        """Records when each unit ends."""

        def __init__(self) -> None:
            self.times: list[float] = []

        def step(self, reason=None, values=None):
            self.times.append(time.perf_counter())

    clock = Clock()
    with tempfile.TemporaryDirectory() as temporary:
        manifest = Path(temporary) / "manifest.jsonl"
        emotions = ("neutral", "angry")
        rows = [
            {"path": str(v), "speaker": "s", "emotion": emotions[i % 2], "sentence": str(i // 2)}
            for i, v in enumerate(videos)
        ]
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

        prepare(manifest, Path(temporary) / "out", PrepareConfig(workers=workers), clock)
        clip_seconds = read_status(Path(temporary) / "out").clip_seconds or 0.0
        ended = clock.times[: len(videos)]
        return (ended[-1] - ended[workers - 1]) / (len(videos) - workers), clip_seconds


def main() -> None:
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    for executor, aim in AIMS_MS.items():
        cost = overhead_ms(executor)
        print(f"{executor}: {cost:.2f} ms a clip, {cost / aim:.2f} of the limit of {aim:.0f} ms")
    for executor in AIMS_MS:
        one, two = busy_seconds(executor, 1), busy_seconds(executor, 2)
        print(
            f"{executor}: two workers are {one / two:.2f} times as fast as one, "
            f"{one / two / AIM_TWICE:.2f} of the aim of {AIM_TWICE}"
        )
    one, two = busy_seconds("local", 1, MEMORY), busy_seconds("local", 2, MEMORY)
    print(
        f"local, copying 32 MB repeatedly: two workers are {one / two:.2f} times as fast; "
        "this is the limit of the machine's memory"
    )
    if len(sys.argv) > 1:
        videos = sorted(path.resolve() for path in Path(sys.argv[1]).rglob("*.mp4"))[:24]
        one, one_worker = extraction_seconds(videos, 1)
        two, two_workers = extraction_seconds(videos, 2)
        print(
            f"prepare, {len(videos)} clips: {one:.2f} s per clip with one worker, {two:.2f} with "
            f"two: {one / two:.2f} times as fast"
        )
        print(
            f"         a clip occupies a worker for {one_worker:.2f} s alone, "
            f"for {two_workers:.2f} s beside another"
        )


if __name__ == "__main__":
    main()
