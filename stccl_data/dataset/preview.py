"""Show a pair: source and warped target side by side, as a video with sound or as a sheet."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import EMOTIONS, Clip, emotion_label, slug
from stccl_data.dataset import Dataset, Pair, ShardError, UtteranceClip
from stccl_data.dataset.layout import CLIPS
from stccl_data.dataset.preview_frames import (
    VIDEO_SIZE,
    VIDEO_TILE,
    Tiles,
    draw_sheet,
    draw_video_frame,
)
from stccl_data.dataset.tables import read_clips
from stccl_data.errors import ClipError, UsageError
from stccl_data.files.atomic import write_bytes
from stccl_data.media.audio import Audio, audio_source, read_audio
from stccl_data.media.container import probe
from stccl_data.media.writer import write_video

#: Moments on a sheet.
MOMENTS = 12
_MAX_FPS = Fraction(60)


@dataclass(frozen=True, slots=True)
class Preview:
    """A video that was written."""

    path: Path
    #: Number of frames.
    frames: int
    fps: Fraction
    #: (height, width) in pixels.
    size: tuple[int, int]
    #: Where the sound came from, in words.
    sound: str


@dataclass(frozen=True, slots=True)
class PreviewSound:
    """The sound of a preview."""

    audio: Audio
    #: Time at which the first frame is shown, on the clock of `audio`, seconds.
    begin: float
    #: Where it came from, in words.
    origin: str


def find_pair(dataset: Dataset, key: str, target: str, source: str | None = None) -> Pair:
    """Find the pair of an utterance that leads to the emotion `target`.

    If there are several, an accepted one is preferred, then the one with the lowest cost.

    Args:
        dataset: the dataset.
        key: key of the utterance.
        target: the target's emotion, in any spelling.
        source: the source's emotion; None for any.

    Raises:
        ShardError: the utterance has no such pair. The message lists those that it has.
        UsageError: no clip of it has such an emotion, which is not in the vocabulary either.
    """
    matching: list[Pair] = []
    existing: list[Pair] = []
    for utterance in dataset.parts(key):
        matching += utterance.pairs(source, target, accepted=None)
        existing += utterance.pairs(accepted=None)
    if not matching:
        names = sorted({f"{pair.source.emotion} -> {pair.target.emotion}" for pair in existing})
        wanted = f"{source or 'any emotion'} -> {target}"
        known = {*EMOTIONS, *(clip.emotion for p in existing for clip in (p.source, p.target))}
        is_known = all(emotion_label(word) in known for word in (source, target) if word)
        raise (ShardError if is_known else UsageError)(
            f"{key} has no pair {wanted} in the shards; it has {', '.join(names) or 'none'}"
        )
    return min(matching, key=lambda p: (not p.accepted, _cost(p), p.source.name, p.target.name))


def write_preview(dataset: Dataset, pair: Pair, path: str | Path) -> Preview:
    """Write a pair as an MP4 that browsers play.

    Face crops above, mouth crops below; the source on the left, on the right the target frame that
    the map gives for each source frame. The rate is constant, the source's nominal one; the frame
    at t is the last source frame shown by then.

    Raises:
        ShardError: the pair has no crops in the shards.
        OSError: the file cannot be written.
    """
    check_crops(pair)
    tiles = Tiles(pair, VIDEO_TILE)
    sound = source_sound(dataset, pair.source)
    draw = partial(draw_video_frame, pair, tiles=tiles)
    return write_pair_video(pair, Path(path), sound, draw, VIDEO_SIZE)


def write_pair_video(
    pair: Pair,
    path: Path,
    sound: PreviewSound | None,
    draw: Callable[[int], NDArray[np.uint8]],
    size: tuple[int, int],
    crf: int = 17,
    preset: str = "veryfast",
) -> Preview:
    """Write an MP4 of a pair at `preview_rate`, with the source's sound.

    Args:
        pair: the pair.
        path: file to write.
        sound: from `source_sound`.
        draw: returns the (H, W, 3) uint8 RGB frame for a source frame.
        size: (H, W), both even.
        crf, preset: as for `write_video`.

    Raises:
        OSError: the file cannot be written.
    """
    fps = preview_rate(pair)
    indices = constant_rate(pair.source.times, fps)
    frames = (draw(int(i)) for i in indices)
    audio = None
    origin = "no sound: the shards hold none, and the clip's own file is missing or silent"
    if sound is not None:
        audio, origin = _cut(sound.audio, sound.begin, float(len(indices) / fps)), sound.origin
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "preview.mp4")
        write_video(video, frames, size, fps, audio, for_browsers=True, crf=crf, preset=preset)
        write_bytes(path, video.read_bytes())
    return Preview(path, len(indices), fps, size, origin)


def preview_rate(pair: Pair) -> Fraction:
    """Return the constant frame rate that a pair is shown at: the source's nominal one."""
    return min(pair.source.fps or Fraction(25), _MAX_FPS)


def write_sheet(pair: Pair, path: str | Path, moments: int = MOMENTS) -> None:
    """Write moments spread evenly over the source as a PNG (see `draw_sheet`).

    Raises:
        ShardError: the pair has no crops in the shards.
        OSError: the file cannot be written.
    """
    check_crops(pair)
    sheet = draw_sheet(pair, moments)
    ok, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    assert ok
    write_bytes(Path(path), png.tobytes())


def preview_name(pair: Pair) -> str:
    """Return a file name for the pair's video, made from the ids of its clips."""
    source, target = slug(pair.source.clip_id.replace("/", "-")), slug(pair.target.name)
    return f"preview-{source}-{target}.mp4"


def constant_rate(times: NDArray[np.float64], fps: Fraction) -> NDArray[np.int64]:
    """Resample a clip to a constant frame rate.

    A frame that is due within half an interval counts as due, so that a jittering clock doubles
    and drops no frame.

    Args:
        times: (N,) seconds, ascending.
        fps: frame rate.

    Returns:
        (M,) indices: the frame shown at ``times[0] + k / fps``, up to the last frame.
    """
    count = round((float(times[-1]) - float(times[0])) * fps) + 1
    shown = float(times[0]) + np.arange(count) / float(fps)
    return np.searchsorted(times, shown + 0.5 / float(fps), side="right") - 1


def source_sound(dataset: Dataset, clip: UtteranceClip) -> PreviewSound | None:
    """Read a clip's sound from the shards, otherwise from the clip's own file.

    Returns:
        None if the shards hold no sound and the file is missing or silent.
    """
    if clip.has_audio:
        samples, rate = clip.audio()
        begin = float(clip.times[0])  # not 0 in datasets whose times are those of the container
        return PreviewSound(Audio(samples, rate, 0.0), begin, "the source's sound, from the shards")
    if not (dataset.path / CLIPS).exists():
        return None
    rows = read_clips(dataset.path, clip_id=clip.clip_id)
    try:
        recording = Clip.from_row(rows[0])
        path = audio_source(recording, probe(recording.path))
        if path is None:
            return None
        audio = read_audio(path, rate=None, video=recording.path, cut=recording.cut)
        return PreviewSound(audio, 0.0, f"the source's sound, from {path}")
    except (ClipError, IndexError):
        return None


def _cut(audio: Audio, start: float, length: float) -> Audio:
    """Return `length` seconds of audio from time `start` on, silent where it has no samples."""
    first = round((start - audio.start) * audio.rate)
    samples = np.pad(audio.samples, (max(0, -first), 0))[max(0, first) :]
    return Audio(samples[: round(length * audio.rate)], audio.rate, start)


def _cost(pair: Pair) -> float:
    cost = pair.scores.get("cost")
    return float(cost) if isinstance(cost, float | int) else np.inf


def check_crops(pair: Pair) -> None:
    """Raise ShardError if the shards hold no crops of the pair."""
    for clip in (pair.source, pair.target):
        if "face" not in clip.crops or "mouth" not in clip.crops:
            raise ShardError(
                f"{clip.clip_id} has no crops in the shards, so it cannot be shown; "
                "prepare the dataset without --crops none"
            )
