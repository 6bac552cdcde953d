"""How fast `prepare` is, stage by stage and as a whole, on one core.

Usage: python benchmarks/prepare.py [FOLDER]
FOLDER holds clips, or a raw corpus; without it a demo corpus is rendered.

Stages are timed over the same frames, in one process on one core, in processor seconds, beside
MediaPipe's own landmark graph (`tasks graph`). The limit is what no pipeline around these parts can
beat: the decoder alone, and the landmark and blendshape networks once a frame. Then the whole
command is run with one worker and with two, and two commands at once, which share nothing.
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

import av
import cv2
import numpy as np

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.clip import Clip
from stccl_data.dataset.sample import clip_record, sample_content
from stccl_data.dataset.shard_writer import ShardWriter
from stccl_data.errors import ClipError
from stccl_data.extract import extract_clip
from stccl_data.face.canonical import STABLE_68
from stccl_data.face.crop_config import CropConfig
from stccl_data.face.cutter import CropTransforms, cut_crops
from stccl_data.face.finding import FaceFinder
from stccl_data.landmarks import LandmarkConfig, Landmarker, ibug68, open_landmarker
from stccl_data.landmarks.model_file import checked_model, read_network
from stccl_data.landmarks.network import Network
from stccl_data.media.container import probe
from stccl_data.media.jpeg import encode_jpeg
from stccl_data.media.video import read_frames
from stccl_data.pipeline.clip_artefact import ClipArtefact, save_extraction

VIDEO = {".mp4", ".mov", ".mkv", ".avi", ".mpg", ".flv", ".webm"}
#: Frames per second and core: the goals of the project at 1080p, and for frames of 256 pixels.
TARGETS = {1080: 55.0, 256: 150.0}


class Stopwatch:
    """Processor seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to a stage."""
        started = time.process_time()
        yield
        self.seconds[name] += time.process_time() - started


def time_frame_stages(
    clips: list[Path], landmarker: Landmarker, reference: Landmarker, watch: Stopwatch
) -> int:
    """Time each stage of tracking over the frames of `clips`, and return their number."""
    n = 0
    config = CropConfig()
    for path in clips:
        frames = read_frames(path)
        finder, other = FaceFinder(landmarker, config), FaceFinder(reference, config)
        while True:
            with watch.stage("decode"):
                frame = next(frames, None)
            if frame is None:
                break
            n += 1
            with watch.stage("landmarks"):
                (found,) = finder.find([frame])
            with watch.stage("tasks graph"):
                list(other.find([frame]))
            if not found.faces:
                continue
            with watch.stage("crops"):
                points = ibug68(found.faces[0].points)[STABLE_68]
                crops = cut_crops(found.frame, CropTransforms.fit(points, config), config)
            with watch.stage("encode"):
                encode_jpeg(crops.face, config.jpeg_quality)
                encode_jpeg(crops.mouth, config.jpeg_quality)
    return n


def time_limit(clips: list[Path], n: int, watch: Stopwatch) -> None:
    """Time the decoder alone over the clips, and the networks alone `n` times."""
    for path in clips:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "NONE"
            with watch.stage("decoder alone"):
                for _ in container.decode(container.streams.video[0]):
                    pass
    model, _ = checked_model(None)
    for name, shape in (
        ("face_landmarks_detector.tflite", (1, 256, 256, 3)),
        ("face_blendshapes.tflite", (1, 146, 2)),
    ):
        network = Network(name, read_network(model, name), shape)
        with watch.stage("networks alone"):
            for _ in range(n):
                network.run(np.zeros(shape, np.float32))


def time_clip_stages(
    clips: list[Path], landmarker: Landmarker, watch: Stopwatch, folder: Path
) -> None:
    """Extract as `prepare` does, align each clip with the first, and write all into one shard."""
    artefacts = []
    labels = {"corpus": "own", "speaker": "s", "emotion": "neutral", "sentence": "s"}
    for i, path in enumerate(clips):
        clip = Clip(clip_id=f"c{i}", path=str(path), **labels)
        with watch.stage("extract, all"):
            extraction = extract_clip(clip, lambda: landmarker)
            save_extraction(folder / f"{i}.npz", extraction)
        artefacts.append(ClipArtefact(folder / f"{i}.npz"))
    signals = [artefact.signals() for artefact in artefacts]
    align(signals[0], signals[0], AlignConfig())  # compiles the kernel before the clock starts
    for other in signals:
        with watch.stage("align"), contextlib.suppress(ClipError):
            align(signals[0], other, AlignConfig())
    with watch.stage("shard"):
        writer = ShardWriter(folder, "train", 2**27)
        for i, artefact in enumerate(artefacts):
            record = clip_record(
                Clip(clip_id=f"c{i}", path="", **labels),
                {},
                artefact.track(),
                artefact.frame_times(),
            )
            writer.add(f"k/{i}", sample_content(f"k/{i}", {"c": record}, []))
        writer.close()


def time_commands(clips: list[Path], folder: Path, workers: int, count: int = 1) -> float:
    """Return the wall seconds of `count` runs of `stccl prepare` at once, minus those of reruns.

    Two clips are a sentence. The reruns find that nothing is left to do.
    """
    manifest = folder / "manifest.jsonl"
    rows = [
        {"path": str(p), "speaker": "s", "emotion": ("neutral", "angry")[i % 2], "sentence": i // 2}
        for i, p in enumerate(clips)
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    program = Path(sys.executable).parent / "stccl"
    command = [program, "prepare", "--quiet", "--workers", str(workers), manifest]
    outs = [folder / f"out-{workers}-{count}-{i}" for i in range(count)]
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        runs = [subprocess.Popen([*command, out], stdout=subprocess.DEVNULL) for out in outs]
        for run in runs:
            run.wait()
        seconds.append(time.perf_counter() - started)
    return seconds[0] - seconds[1]


def find_clips(folder: Path) -> list[Path]:
    """Return up to 16 clips of the folder given on the command line, or of a demo corpus."""
    if len(sys.argv) > 1:
        root = Path(sys.argv[1])
    else:
        from stccl_data.demo import render_corpus

        root = folder / "demo"
        render_corpus(root)
    return sorted(p.resolve() for p in root.rglob("*") if p.suffix.lower() in VIDEO)[:16]


def main() -> None:
    """Print the measurements."""
    cv2.setNumThreads(1)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    with tempfile.TemporaryDirectory() as tmp:
        folder = Path(tmp)
        clips = find_clips(folder)
        info = probe(clips[0])
        landmarker = open_landmarker()
        reference = open_landmarker(LandmarkConfig(backend="mediapipe-tasks"))
        watch = Stopwatch()
        # loads models before the clock starts
        time_frame_stages(clips[:1], landmarker, reference, Stopwatch())
        n = time_frame_stages(clips, landmarker, reference, watch)
        time_limit(clips, n, watch)
        time_clip_stages(clips, landmarker, watch, folder)
        print(f"{len(clips)} clips, {n} frames, the first {info.width}x{info.height}")
        for name, seconds in watch.seconds.items():
            per_frame = 1000 * seconds / n
            print(f"  {name:13} {per_frame:6.2f} ms a frame {n / seconds:8.0f} frames/s per core")
        s = watch.seconds
        total = s["extract, all"] + s["align"] + s["shard"]
        limit = s["decoder alone"] + s["networks alone"]
        print(f"total: {n / total:.1f} frames/s per core")
        if (target := TARGETS.get(info.height or 0)) is not None:
            goal = n / total / target
            print(f"       {goal:.2f} of the goal of {target:.0f} at {info.height} lines")
        print(f"       {limit / total:.2f} of the limit of {n / limit:.1f} frames/s")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(f"       peak memory of this process: {memory:.0f} MB")
        os.sched_setaffinity(0, cores)
        one, two = (time_commands(clips, folder, workers) for workers in (1, 2))
        apart = time_commands(clips, folder, 1, count=2)
        print(f"command: {n / one:.1f} frames/s with one worker,")
        print(f"         {n / two:.1f} with two: {one / two:.2f} times as fast; two commands that")
        print(f"         share nothing, the limit of two cores: {2 * one / apart:.2f} times")


if __name__ == "__main__":
    main()
