"""Measure `stccl prepare` on clips that are done: the time to find that nothing is left to do.

    python benchmarks/resume.py [CLIPS] [FOLDER]

Each clip is half a second of sound, so that the first run is short. FOLDER is kept.
"""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

AIM_S = 3.0
SENTENCES = 20
EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgusted", "surprised", "contempt")
RATE = 16_000


def make_corpus(folder: Path, clips: int) -> Path:
    """Write a manifest of `clips` clips. The clips of every speaker link to the same few files."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for sentence in range(SENTENCES):
        envelope = np.abs(np.interp(np.linspace(0, 6, RATE // 2), np.arange(7), rng.normal(size=7)))
        for emotion in EMOTIONS:
            voice = envelope * np.sin(
                np.cumsum(rng.uniform(0.05, 0.5) + 0.2 * envelope)
            ) + 0.01 * rng.normal(size=RATE // 2)
            soundfile.write(
                folder / f"{sentence}-{emotion}.wav", 0.3 * voice / np.abs(voice).max(), RATE
            )
    lines = ["path,speaker,emotion,sentence"]
    for i in range(clips):
        speaker, rest = divmod(i, SENTENCES * len(EMOTIONS))
        sentence, emotion = divmod(rest, len(EMOTIONS))
        name = f"{speaker}-{sentence}-{EMOTIONS[emotion]}.wav"
        (folder / name).symlink_to(f"{sentence}-{EMOTIONS[emotion]}.wav")
        lines.append(f"{name},s{speaker},{EMOTIONS[emotion]},{sentence}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


@dataclass(frozen=True)
class CommandRun:
    """One run of the command."""

    wall_s: float
    core_s: float
    stdout: str


def prepare(manifest: Path, out: Path, *more: str) -> CommandRun:
    """Run `stccl prepare`."""
    options = ("--crops", "none", "--align", "audio", "--split", "train=1", *more)
    command = [Path(sys.executable).parent / "stccl", "prepare", manifest, out, *options]
    wall, core = time.perf_counter(), core_seconds()
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    return CommandRun(time.perf_counter() - wall, core_seconds() - core, result.stdout)


def core_seconds() -> float:
    """Return the CPU time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    clips = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        manifest, out = folder / "raw" / "manifest.csv", folder / "out"
        if not manifest.exists():
            make_corpus(folder / "raw", clips)
        first = prepare(manifest, out)
        print(f"{clips} clips, first run: {first.wall_s:.1f} s, {first.core_s:.1f} s of CPU time")
        for name, more in (("nothing left", ()), ("--dry-run", ("--dry-run",))):
            runs = [prepare(manifest, out, *more) for _ in range(3)]
            assert all("Nothing" in run.stdout for run in runs), runs
            wall, core = min(run.wall_s for run in runs), min(run.core_s for run in runs)
            print(
                f"{name}: {wall:.2f} s, {core:.2f} s of CPU time, "
                f"{wall / AIM_S:.2f} of the aim of {AIM_S:.0f} s for 10,000 clips"
            )


if __name__ == "__main__":
    main()
