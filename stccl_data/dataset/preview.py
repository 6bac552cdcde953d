"""A pair to look at: source and warped target side by side as a film with the source's sound, or a dozen moments on one sheet."""

import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip, slug
from stccl_data.dataset import Dataset, Pair, ShardError, Utterance, UtteranceClip
from stccl_data.dataset.layout import CLIPS
from stccl_data.dataset.tables import read_clips
from stccl_data.errors import ClipError
from stccl_data.files.atomic import write_bytes
from stccl_data.media.jpeg import decode_jpeg

Image = NDArray[np.uint8]

#: Pixels: a crop in the film, a crop on the sheet, the line of text above them.
FILM_TILE, SHEET_TILE, LABEL = 384, 200, 32
MOMENTS = 12
FASTEST = Fraction(60)

_WHITE, _RED = (255, 255, 255), (255, 96, 96)


@dataclass(frozen=True, slots=True)
class Preview:
    """A film that was written: `frames` pictures of (height, width) `size` at `fps`; `sound` says where its sound came from."""

    path: Path
    frames: int
    fps: Fraction
    size: tuple[int, int]
    sound: str


@dataclass(frozen=True, slots=True)
class Sound:
    """`samples`: (S,) float32 mono in [-1, 1], the first at `start` seconds on the clip's clock; `origin`: where from, in words."""

    samples: NDArray[np.float32]
    rate: int
    start: float
    origin: str


def find_pair(dataset: Dataset, key: str, target: str, source: str | None = None) -> Pair:
    """The pair of an utterance that leads to the emotion `target` (from `source`): of several an accepted one, and of these the
    one of least cost. Raises ShardError where the utterance has none, and names what it has."""
    found: list[Pair] = []
    everything: list[Pair] = []
    for utterance in _parts(dataset, key):
        found += utterance.pairs(source, target, accepted=None)
        everything += utterance.pairs(accepted=None)
    if not found:
        joins = sorted({f"{pair.source.emotion} -> {pair.target.emotion}" for pair in everything})
        wanted = f"{source or 'any emotion'} -> {target}"
        raise ShardError(
            f"{key} has no pair {wanted} in the shards; it has {', '.join(joins) or 'none'}"
        )
    return min(
        found, key=lambda pair: (not pair.accepted, _cost(pair), pair.source.name, pair.target.name)
    )


def write_preview(dataset: Dataset, pair: Pair, path: str | Path) -> Preview:
    """Write `path`, an MP4 that browsers play: face crops above, mouth crops below, the source on the left and on the right the
    target frame that the map gives for each source frame.

    The rate is constant, the source's nominal one; the picture at t is the last source frame shown by then. Raises ShardError
    for a pair without pictures, OSError where ffmpeg cannot write.
    """
    path = Path(path)
    _check_pictures(pair)
    sound = source_sound(dataset, pair.source)
    fps = min(pair.source.fps or Fraction(25), FASTEST)
    indices = constant_rate(pair.source.times, fps)
    origin = (
        "no sound: the shards hold none, and the clip's own file is not there or silent"
        if sound is None
        else sound.origin
    )
    pictures = (_film_frame(pair, i, tiles) for tiles in [_Tiles(pair, FILM_TILE)] for i in indices)
    size = (LABEL + 2 * FILM_TILE, 2 * FILM_TILE)
    with tempfile.TemporaryDirectory() as folder:
        wav = None
        if sound is not None:
            wav = Path(folder, "sound.wav")
            _write_wav(wav, sound, float(pair.source.times[0]), float(len(indices) / fps))
        film = Path(folder, "film.mp4")
        _encode(film, pictures, size, fps, wav)
        write_bytes(path, film.read_bytes())
    return Preview(path, len(indices), fps, size, origin)


def write_sheet(pair: Pair, path: str | Path, moments: int = MOMENTS) -> None:
    """Write `path`, a PNG of moments spread evenly over the source, in two rows. Each is a column: source face, target face,
    source mouth, target mouth, below their times. Raises ShardError for a pair without pictures."""
    _check_pictures(pair)
    tiles = _Tiles(pair, SHEET_TILE)
    indices = (
        np.linspace(0, len(pair.source) - 1, min(moments, len(pair.source))).round().astype(int)
    )
    columns = [_sheet_column(pair, int(i), tiles) for i in indices]
    half = -(-len(columns) // 2)
    columns += [np.zeros_like(columns[0])] * (2 * half - len(columns))
    body = np.vstack([np.hstack(columns[:half]), np.hstack(columns[half:])])
    names = (
        f"{pair.source.name} and {pair.target.name}: faces, then mouths; seconds of source > target"
    )
    head = _text(np.zeros((LABEL, body.shape[1], 3), np.uint8), names, 10)
    ok, png = cv2.imencode(".png", cv2.cvtColor(np.vstack([head, body]), cv2.COLOR_RGB2BGR))
    assert ok
    write_bytes(Path(path), png.tobytes())


def preview_name(pair: Pair) -> str:
    """A file name for the pair's film, of its clips' ids."""
    source, target = slug(pair.source.clip_id.replace("/", "-")), slug(pair.target.name)
    return f"preview-{source}-{target}.mp4"


def constant_rate(times: NDArray[np.float64], fps: Fraction) -> NDArray[np.int64]:
    """times: (N,) seconds, ascending. (M,) indices: which frame is on show at times[0] + k / fps, as long as the clip lasts.

    A frame that is due within half an interval is taken for due, so that the jitter of a clock doubles and drops none.
    """
    shown = float(times[0]) + np.arange(
        round((float(times[-1]) - float(times[0])) * fps) + 1
    ) / float(fps)
    return np.searchsorted(times, shown + 0.5 / float(fps), side="right") - 1


def source_sound(dataset: Dataset, clip: UtteranceClip) -> Sound | None:
    """The clip's sound: from the shards where they hold it, else from its own file where that is still there; else None."""
    if clip.has_audio:
        samples, rate = clip.audio()
        return Sound(samples, rate, 0.0, "the source's sound, from the shards")
    from stccl_data.media.audio import audio_source, read_audio
    from stccl_data.media.container import probe

    if not (dataset.path / CLIPS).exists():
        return None
    rows = read_clips(dataset.path, clip_id=clip.clip_id)
    try:
        recording = Clip.from_row(rows[0])
        path = audio_source(recording, probe(recording.path))
        if path is None:
            return None
        audio = read_audio(path, rate=None)
    except (ClipError, IndexError):
        return None
    return Sound(audio.samples, audio.rate, audio.start, f"the source's sound, from {path}")


def _parts(dataset: Dataset, key: str) -> Iterator[Utterance]:
    """The utterance of this key, and the parts that continue it."""
    yield dataset[key]
    part = 2
    while f"{key}+p{part}" in dataset:
        yield dataset[f"{key}+p{part}"]
        part += 1


def _cost(pair: Pair) -> float:
    cost = pair.scores.get("cost")
    return float(cost) if isinstance(cost, float | int) else np.inf


def _check_pictures(pair: Pair) -> None:
    for clip in (pair.source, pair.target):
        if "face" not in clip.crops or "mouth" not in clip.crops:
            raise ShardError(
                f"{clip.clip_id} has no pictures in the shards, so nothing can be shown; prepare without --crops none"
            )


class _Tiles:
    """The crops of a pair's clips as square tiles, decoded when they are wanted."""

    def __init__(self, pair: Pair, side: int) -> None:
        self._side = side
        self._jpegs = {
            (clip.name, crop): clip.jpegs(crop)
            for clip in (pair.source, pair.target)
            for crop in ("face", "mouth")
        }
        self.of = lru_cache(maxsize=8)(self._decoded)

    def _decoded(self, clip: str, crop: str, i: int) -> Image:
        if i < 0:
            return np.zeros((self._side, self._side, 3), np.uint8)
        image = decode_jpeg(self._jpegs[clip, crop][i])
        tile: Image = cv2.resize(image, (self._side, self._side), interpolation=cv2.INTER_CUBIC)
        return tile


def _film_frame(pair: Pair, i: int, tiles: _Tiles) -> Image:
    """Source frame i beside its target frame, (LABEL + 2 FILM_TILE, 2 FILM_TILE, 3)."""
    halves = []
    for clip, frame in ((pair.source, int(i)), (pair.target, int(pair.frame_map[i]))):
        head = np.zeros((LABEL, FILM_TILE, 3), np.uint8)
        if frame < 0:
            head = _text(head, f"{clip.name}  no frame", 10, _RED)
        else:
            lost = "" if clip.valid[frame] else "  no face"
            head = _text(
                head,
                f"{clip.name}  {clip.times[frame]:.2f} s  frame {frame}{lost}",
                10,
                _RED if lost else _WHITE,
            )
        halves.append(
            np.vstack(
                [head, tiles.of(clip.name, "face", frame), tiles.of(clip.name, "mouth", frame)]
            )
        )
    return np.hstack(halves)


def _sheet_column(pair: Pair, i: int, tiles: _Tiles) -> Image:
    j = int(pair.frame_map[i])
    times = (
        f"{pair.source.times[i]:.2f} > {pair.target.times[j]:.2f}"
        if j >= 0
        else f"{pair.source.times[i]:.2f} > -"
    )
    lost = not pair.source.valid[i] or j < 0 or not pair.target.valid[j]
    head = _text(np.zeros((LABEL, SHEET_TILE, 3), np.uint8), times, 10, _RED if lost else _WHITE)
    order = [
        (pair.source.name, "face", i),
        (pair.target.name, "face", j),
        (pair.source.name, "mouth", i),
        (pair.target.name, "mouth", j),
    ]
    return np.vstack([head, *(tiles.of(*tile) for tile in order)])


def _text(image: Image, text: str, x: int, colour: tuple[int, int, int] = _WHITE) -> Image:
    """`text` written into the line `image`, smaller where it would not fit."""
    scale = 0.55
    width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0]
    scale *= min(1.0, (image.shape[1] - 2 * x) / max(width, 1))
    cv2.putText(
        image,
        text,
        (x, image.shape[0] - 10),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        colour,
        1,
        cv2.LINE_AA,
    )
    return image


def _write_wav(path: Path, sound: Sound, start: float, length: float) -> None:
    """`length` seconds of the sound from `start` on, silence where there is none."""
    first = round((start - sound.start) * sound.rate)
    samples = np.pad(sound.samples, (max(0, -first), 0))[max(0, first) :][
        : round(length * sound.rate)
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.rate)
        file.writeframes(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def _encode(
    path: Path, pictures: Iterator[Image], size: tuple[int, int], fps: Fraction, wav: Path | None
) -> None:
    """H.264 at a constant rate, 4:2:0, its index in front: what every browser plays. Raises OSError with ffmpeg's words."""
    import ffmpeg
    import imageio_ffmpeg

    inputs: Sequence[Any] = [
        ffmpeg.input(
            "pipe:",
            format="rawvideo",
            pix_fmt="rgb24",
            s=f"{size[1]}x{size[0]}",
            framerate=f"{fps}",
        )
    ]
    if wav is not None:
        inputs = [*inputs, ffmpeg.input(str(wav))]
    colours = "scale=out_color_matrix=bt709:out_range=tv,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    output = ffmpeg.output(
        *inputs, str(path), vcodec="libx264", preset="fast", crf=18, pix_fmt="yuv420p", vf=colours,
        movflags="+faststart", acodec="aac", audio_bitrate="128k",
    )  # fmt: skip
    command = ffmpeg.compile(
        output.global_args("-loglevel", "error"),
        cmd=imageio_ffmpeg.get_ffmpeg_exe(),
        overwrite_output=True,
    )
    _feed(command, pictures, path)


def _feed(command: list[str], pictures: Iterator[Image], path: Path) -> None:
    """Run ffmpeg on the pictures. What it says goes to a file, so that it never waits for a reader."""
    import subprocess

    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        assert process.stdin is not None
        try:
            for picture in pictures:
                process.stdin.write(picture.tobytes())
            process.stdin.close()
        except BrokenPipeError:
            pass
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines()
            raise OSError(
                f"ffmpeg could not write {path.name}: {words[-1] if words else f'exit code {process.returncode}'}"
            )
