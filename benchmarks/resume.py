"""What it costs to find that nothing is left to do: `stccl prepare` run again on 10,000 clips that are done.

    python benchmarks/resume.py [CLIPS] [FOLDER]

The clips are half a second of sound each, so that the first run is short; FOLDER keeps it for another time.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

AIM_S = 3.0
SENTENCES = 20
EMOTIONS = ("neutral", "happy", "sad", "angry", "fear", "disgusted", "surprised", "contempt")
RATE = 16_000


def make_corpus(folder: Path, clips: int) -> Path:
    """A manifest of `clips` clips; every speaker's are links to the same few files."""
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


def prepare(manifest: Path, out: Path, *more: str) -> tuple[float, float, str]:
    """Wall seconds of the whole command, its seconds of a core, and what it said."""
    options = ("--crops", "none", "--align", "audio", "--split", "train=1", *more)
    command = [Path(sys.executable).parent / "stccl", "prepare", manifest, out, *options]
    began, before = time.perf_counter(), core_seconds()
    said = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=True
    ).stdout
    return time.perf_counter() - began, core_seconds() - before, said


def core_seconds() -> float:
    """Of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    clips = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        manifest = folder / "raw" / "manifest.csv"
        if not manifest.exists():
            make_corpus(folder / "raw", clips)
        seconds, cores, _ = prepare(manifest, folder / "out")
        print(
            f"{clips} clips: {seconds:.1f} s, {cores:.1f} of a core, for the first run of this folder"
        )
        for name, more in (("nothing left", ()), ("--dry-run", ("--dry-run",))):
            runs = [prepare(manifest, folder / "out", *more) for _ in range(3)]
            assert all("Nothing" in said for _, _, said in runs), runs
            wall, cores = min(run[0] for run in runs), min(run[1] for run in runs)
            print(
                f"{name}: {wall:.2f} s, {cores:.2f} of a core, {wall / AIM_S:.2f} of the aim of {AIM_S:.0f} s for 10,000 clips"
            )


if __name__ == "__main__":
    main()
