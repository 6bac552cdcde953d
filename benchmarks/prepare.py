"""How fast `prepare` is, stage by stage and as a whole, on one core.

usage: python benchmarks/prepare.py [FOLDER]     FOLDER: clips, or a raw corpus; without it a demo corpus is rendered

Stages are timed over the same frames in one process on one core, in processor seconds. The limit named is what no pipeline around
these parts can beat: decoding and the landmark network alone. Then the whole command is run with one worker and with two.
"""

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2

from stccl_data import extract
from stccl_data.alignment.align import AlignConfig, align
from stccl_data.clip import Clip
from stccl_data.dataset.shard_writer import ShardWriter, clip_members
from stccl_data.errors import ClipError
from stccl_data.face import face
from stccl_data.landmarks import Landmarker, ibug68, open_landmarker
from stccl_data.media import video as media
from stccl_data.media.jpeg import encode_jpeg
from stccl_data.pipeline.artefacts import ClipArtefact

VIDEO = {".mp4", ".mov", ".mkv", ".avi", ".mpg", ".flv", ".webm"}
TARGET = 40.0  # frames a second and core at 1080p: the aim of the project


class Stopwatch:
    """Processor seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.seconds[name] += time.process_time() - started


def time_stages(clips: list[Path], landmarker: Landmarker, watch: Stopwatch) -> int:
    """Run each stage of extraction apart over the frames of `clips`; returns how many frames there were."""
    n = 0
    crops = extract.CropConfig()
    for path in clips:
        frames = media.read_frames(path)
        previous = None
        while True:
            with watch.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                break
            n += 1
            with watch.stage("landmarks"):
                reduction = extract._reduction(previous, crops)
                picture = extract._reduced(frame.image, reduction)
                faces = landmarker.detect([picture])[0]
            if not faces:
                continue
            previous = faces[0] * reduction
            with watch.stage("crops"):
                points = ibug68(previous)[face.STABLE_68]
                cut = [
                    face.crop(
                        picture,
                        extract._from_reduced(face.similarity(points, template), reduction),
                        size,
                    )
                    for template, size in (
                        (face.face_template(crops.face_size), crops.face_size),
                        (face.mouth_template(crops.mouth_size), crops.mouth_size),
                    )
                ]
            with watch.stage("encode"):
                for picture in cut:
                    encode_jpeg(picture, crops.jpeg_quality)
    return n


def time_later_stages(
    clips: list[Path], landmarker: Landmarker, watch: Stopwatch, folder: Path
) -> None:
    """Extract as `prepare` does, then align each clip with the first and write all into one shard."""
    from stccl_data.pipeline.artefacts import save_extraction

    stored = []
    for i, path in enumerate(clips):
        clip = Clip(
            clip_id=f"c{i}",
            corpus="own",
            speaker="s",
            emotion="neutral",
            sentence="s",
            path=str(path),
        )
        with watch.stage("extract, all"):
            extraction = extract.extract_clip(clip, lambda: landmarker)
            save_extraction(folder / f"{i}.npz", extraction)
        stored.append(ClipArtefact(folder / f"{i}.npz"))
    signals = [artefact.signals() for artefact in stored]
    align(signals[0], signals[0], AlignConfig())  # the kernel is compiled before the clock starts
    for other in signals:
        with watch.stage("align"), contextlib.suppress(ClipError):
            align(signals[0], other, AlignConfig())
    with watch.stage("shard"):
        writer = ShardWriter(folder, "train", 2**27)
        for i, artefact in enumerate(stored):
            writer.add(
                f"k/{i}",
                {
                    f"c.{k}": v
                    for k, v in clip_members(artefact.track(), artefact.frame_times()).items()
                },
            )
        writer.close()


def prepare_seconds(clips: list[Path], folder: Path, workers: int) -> float:
    """Wall seconds of `stccl prepare` on a manifest of the clips, less the seconds of finding that nothing is to be done."""
    manifest = folder / "manifest.jsonl"
    lines = [
        {"path": str(p), "speaker": "s", "emotion": ("neutral", "angry")[i % 2], "sentence": "x"}
        for i, p in enumerate(clips)
    ]
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [
        Path(sys.executable).parent / "stccl",
        "prepare",
        manifest,
        folder / f"out{workers}",
        "--workers",
        str(workers),
    ]
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        subprocess.run(list(map(str, command)), capture_output=True, check=False)
        seconds.append(time.perf_counter() - started)
    return seconds[0] - seconds[1]


def main() -> None:
    cv2.setNumThreads(1)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        if len(sys.argv) > 1:
            root = Path(sys.argv[1])
        else:
            from stccl_data.demo import render_corpus

            root = folder / "demo"
            render_corpus(root)
        clips = sorted(p.resolve() for p in root.rglob("*") if p.suffix.lower() in VIDEO)[:16]
        info = media.probe(clips[0])
        landmarker = open_landmarker()
        watch = Stopwatch()
        time_stages(clips[:1], landmarker, Stopwatch())  # models are loaded before the clock starts
        n = time_stages(clips, landmarker, watch)
        time_later_stages(clips, landmarker, watch, folder)
        print(f"{len(clips)} clips, {n} frames, the first {info.width}x{info.height}")
        for name, seconds in watch.seconds.items():
            print(
                f"  {name:13} {1000 * seconds / n:6.2f} ms a frame {n / seconds:8.0f} frames/s per core"
            )
        s = watch.seconds
        whole, limit = s["extract, all"] + s["align"] + s["shard"], s["decode"] + s["landmarks"]
        print(
            f"whole: {n / whole:.1f} frames/s per core, {n / whole / TARGET:.2f} of the aim of {TARGET:.0f} at 1080p;"
        )
        print(
            f"       {limit / whole:.2f} of the limit (decoding and landmarks alone: {n / limit:.1f} frames/s)"
        )
        print(
            f"       peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:.0f} MB"
        )
        os.sched_setaffinity(0, cores)
        one, two = prepare_seconds(clips, folder, 1), prepare_seconds(clips, folder, 2)
        print(
            f"command: {n / one:.1f} frames/s with one worker, {n / two:.1f} with two: {one / two:.2f} times"
        )


if __name__ == "__main__":
    main()
