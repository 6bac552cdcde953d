"""What an executor costs: milliseconds that it adds to a clip, and how much faster two workers are than one.

    python benchmarks/executors.py [FOLDER]

With FOLDER, of videos, two workers are also compared on `stccl prepare` of up to 24 of them.
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

#: Work that two cores share nothing in, and work that they share the machine's memory in: between them lies what a clip can gain.
ARITHMETIC = "sum(i * i for i in range(4_000_000))"
MEMORY = "(lambda a, b: [b.__setitem__(slice(None), a) for _ in range(64)] and None)(bytearray(2**25), bytearray(2**25))"


def overhead_ms(executor: str) -> float:
    """Milliseconds from one outcome to the next with one worker that has nothing to do, once it has started."""
    began = 0.0
    for i, _ in enumerate(
        run((Unit(str(i), (i,)) for i in range(UNITS)), math.sqrt, Setup(1), executor=executor)
    ):
        if i == 50:
            began = time.perf_counter()
    return 1000 * (time.perf_counter() - began) / (UNITS - 51)


def busy_seconds(executor: str, workers: int, work: str = ARITHMETIC) -> float:
    """Wall seconds for 16 units of about half a second of one core, once as many as there are workers have ended."""
    began = 0.0
    units = (Unit(str(i), (work,)) for i in range(16 + workers))
    for i, _ in enumerate(run(units, eval, Setup(workers), executor=executor), 1):
        if i == workers:
            began = time.perf_counter()
    return time.perf_counter() - began


def extraction_seconds(videos: list[Path], workers: int) -> tuple[float, float]:
    """Wall seconds and seconds of a core of the extraction of these videos, from the first clip that ends to the last."""
    import json

    from stccl_data.pipeline.config import PrepareConfig
    from stccl_data.pipeline.prepare import prepare
    from stccl_data.pipeline.status import read_status
    from stccl_data.progress import SilentProgress

    with tempfile.TemporaryDirectory() as temporary:
        manifest = Path(temporary) / "manifest.jsonl"
        emotions = ("neutral", "angry")
        rows = [
            {"path": str(v), "speaker": "s", "emotion": emotions[i % 2], "sentence": str(i // 2)}
            for i, v in enumerate(videos)
        ]
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))

        class Clock(SilentProgress):
            times: list[float] = []  # noqa: RUF012

            def step(self, reason=None, values=None):
                self.times.append(time.perf_counter())

        Clock.times = []
        prepare(manifest, Path(temporary) / "out", PrepareConfig(workers=workers), Clock())
        clip_seconds = read_status(Path(temporary) / "out").clip_seconds or 0.0
        ended = Clock.times[: len(videos)]
        return (ended[-1] - ended[workers - 1]) / (len(videos) - workers), clip_seconds


def main() -> None:
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    for executor, aim in AIMS_MS.items():
        cost = overhead_ms(executor)
        print(f"{executor}: {cost:.2f} ms a clip, {cost / aim:.2f} of the limit of {aim:.0f} ms")
    for executor in AIMS_MS:
        one, two = busy_seconds(executor, 1), busy_seconds(executor, 2)
        print(
            f"{executor}: two workers {one / two:.2f} times one, {one / two / AIM_TWICE:.2f} of the aim of {AIM_TWICE}"
        )
    one, two = busy_seconds("local", 1, MEMORY), busy_seconds("local", 2, MEMORY)
    print(
        f"local, copying 32 MB again and again: two workers {one / two:.2f} times one, which is this machine's memory"
    )
    if len(sys.argv) > 1:
        videos = sorted(path.resolve() for path in Path(sys.argv[1]).rglob("*.mp4"))[:24]
        (one, core), (two, core_of_two) = (
            extraction_seconds(videos, 1),
            extraction_seconds(videos, 2),
        )
        print(
            f"prepare, {len(videos)} clips: {one:.2f} s a clip with one worker, {two:.2f} with two: {one / two:.2f} times"
        )
        print(
            f"         a clip holds a worker for {core:.2f} s of {one:.2f} alone, for {core_of_two:.2f} s beside another"
        )


if __name__ == "__main__":
    main()
