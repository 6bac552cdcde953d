"""What the page of one pair or one clip shows, computed from the shards; runs in the workers."""

from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import AlignConfig
from stccl_data.alignment.dtw import distances
from stccl_data.alignment.feature_sequence import feature_sequence
from stccl_data.dataset import Dataset, Pair, ShardError, UtteranceClip, open_dataset
from stccl_data.dataset.preview import (
    PreviewSound,
    constant_rate,
    preview_rate,
    source_sound,
    write_pair_video,
)
from stccl_data.dataset.preview_frames import Tiles, draw_crops
from stccl_data.errors import StcclError
from stccl_data.face.cutter import sharpness
from stccl_data.face.pose import eye_distance, head_pose
from stccl_data.features.mouth import MouthFeatures, mouth_features
from stccl_data.features.signals import Signals
from stccl_data.features.speech import speech_features
from stccl_data.media.jpeg import decode_jpeg
from stccl_data.media.webp import encode_webp
from stccl_data.media.writer import supported_rate, write_audio

#: Side of a crop in the video and on the film strip, pixels.
VIDEO_TILE, STRIP_TILE = 224, 112
#: Moments on the film strip.
STRIP_MOMENTS = 12
#: x264's quality and speed, about 100 kB for three seconds: a report may have a thousand pairs.
_CRF, _PRESET = 26, "superfast"
#: Longest side of the picture of a cost matrix, pixels.
_MOST_PIXELS = 360
#: Most points of a path that is drawn.
_MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Player:
    """What the script needs to name the frames that a video shows."""

    #: frames per second of the video
    fps: float
    #: source frame of each frame of the video
    source: list[int]
    #: target frame of each frame of the video, -1 where none
    target: list[int]
    #: seconds of each source frame
    source_times: list[float]
    #: seconds of each target frame
    target_times: list[float]


@dataclass(frozen=True, slots=True)
class CostMatrix:
    """The picture of a cost matrix, and the path through it."""

    #: audio or visual: what the costs compare
    mode: str
    image: str
    #: source from, source to, target from, target to, seconds
    extent: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class MouthCurves:
    """The mouth opening of both clips, in units of the outer eye corners' distance."""

    source_times: list[float]
    source: list[float]
    target_times: list[float]
    target: list[float]
    #: the target's opening at the source's times
    warped: list[float | None]


@dataclass(frozen=True, slots=True)
class PairView:
    """The media and curves of a pair. Paths are relative to the report."""

    #: why it cannot be shown; empty if it can
    problem: str = ""
    player: Player | None = None
    video: str = ""
    poster: str = ""
    strip: str = ""
    #: (source, target) seconds of the moments on the strip; no target is None
    moments: list[tuple[float, float | None]] = field(default_factory=list)
    #: source and target sound, where there is no video
    sounds: list[str] = field(default_factory=list)
    sound_origin: str = ""
    cost: CostMatrix | None = None
    path: tuple[list[float], list[float]] = ((), ())  # type: ignore[assignment]
    mouths: MouthCurves | None = None


@dataclass(frozen=True, slots=True)
class ClipView:
    """The curves of a clip over time. Lists have one entry for each frame."""

    problem: str = ""
    strip: str = ""
    moments: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    valid: list[bool] = field(default_factory=list)
    presence: list[float] = field(default_factory=list)
    yaw: list[float] = field(default_factory=list)
    pitch: list[float] = field(default_factory=list)
    roll: list[float] = field(default_factory=list)
    eye_distance: list[float] = field(default_factory=list)
    sharpness: list[float] = field(default_factory=list)
    mouth_times: list[float] = field(default_factory=list)
    mouth: list[float] = field(default_factory=list)


def view_pair(out: Path, source: str, target: str, folder: Path, stem: str) -> PairView:
    """Write the media of a pair into `folder`/media, and return what its page shows."""
    try:
        dataset = _dataset(out)
        pair = dataset.find_pair(source, target)
        (folder / "media").mkdir(parents=True, exist_ok=True)
        return _PairViewer(dataset, pair, folder, stem).view()
    except StcclError as error:
        return PairView(problem=str(error))


def view_clip(out: Path, source: str, target: str, side: str, folder: Path, stem: str) -> ClipView:
    """Write the film strip of one clip of a pair, and return what the clip's page shows."""
    try:
        pair = _dataset(out).find_pair(source, target)
        (folder / "media").mkdir(parents=True, exist_ok=True)
        clip = pair.source if side == "source" else pair.target
        return _view_clip(clip, folder, f"media/clip-{stem}-strip.webp")
    except StcclError as error:
        return ClipView(problem=str(error))


@lru_cache(1)
def _dataset(out: Path) -> Dataset:
    return open_dataset(out)


class _PairViewer:
    """Makes the parts of one PairView."""

    def __init__(self, dataset: Dataset, pair: Pair, folder: Path, stem: str) -> None:
        self._pair, self._folder, self._stem = pair, folder, stem
        self._sounds = [source_sound(dataset, clip) for clip in (pair.source, pair.target)]
        self._mouths = [_mouth(clip) for clip in (pair.source, pair.target)]

    def view(self) -> PairView:
        pair = self._pair
        step = max(1, len(pair.source_time) // _MOST_POINTS)
        view = PairView(
            path=(pair.source_time[::step].tolist(), pair.target_time[::step].tolist()),
            cost=self._cost_matrix(),
            mouths=self._mouth_curves(),
        )
        if all(
            "face" in clip.crops and "mouth" in clip.crops for clip in (pair.source, pair.target)
        ):
            return self._with_video(view)
        return replace(view, sounds=self._write_sounds())

    def _name(self, suffix: str) -> str:
        return f"media/{self._stem}{suffix}"

    def _with_video(self, view: PairView) -> PairView:
        pair = self._pair
        tiles = Tiles(pair, VIDEO_TILE)
        draw = partial(draw_crops, pair, tiles=tiles)
        size = (2 * VIDEO_TILE, 2 * VIDEO_TILE)
        video = self._name(".mp4")
        sound = self._sounds[0]
        preview = write_pair_video(pair, self._folder / video, sound, draw, size, _CRF, _PRESET)
        indices = constant_rate(pair.source.times, preview_rate(pair))
        middle = int(np.flatnonzero(pair.frame_map >= 0)[len(pair.source) // 2 :][:1].sum())
        poster, strip = self._name(".webp"), self._name("-strip.webp")
        write_webp(self._folder / poster, draw(middle))
        moments = _moments(len(pair.source))
        write_webp(self._folder / strip, draw_strip(pair, moments))
        mapped = pair.frame_map[moments]
        target_times = pair.target.times
        return replace(
            view,
            player=Player(
                float(preview.fps),
                indices.tolist(),
                pair.frame_map[indices].tolist(),
                np.round(pair.source.times, 4).tolist(),
                np.round(target_times, 4).tolist(),
            ),
            video=video,
            poster=poster,
            strip=strip,
            moments=[
                (float(pair.source.times[i]), float(target_times[j]) if j >= 0 else None)
                for i, j in zip(moments, mapped, strict=True)
            ],
            sound_origin="with the source's sound" if sound is not None else preview.sound,
        )

    def _write_sounds(self) -> list[str]:
        names = []
        for side, sound in zip(("source", "target"), self._sounds, strict=True):
            if sound is not None:
                names.append(self._name(f"-{side}.m4a"))
                write_audio(self._folder / names[-1], supported_rate(sound.audio))
        return names

    def _signals(self) -> tuple[str, list[Signals]] | None:
        """Return what the cost matrix compares: the sounds, or else the mouths."""
        speech = [_speech(sound) for sound in self._sounds]
        if all(features is not None for features in speech):
            return "audio", [Signals(speech=features) for features in speech]
        if all(features is not None for features in self._mouths):
            return "visual", [Signals(mouth=features) for features in self._mouths]
        return None

    def _cost_matrix(self) -> CostMatrix | None:
        found = self._signals()
        if found is None:
            return None
        mode, signals = found
        config = AlignConfig()
        a, b = (feature_sequence(clip, mode, config.hop_s, config.mouth_weight) for clip in signals)
        cost = distances(a.vectors, b.vectors)
        low, high = np.quantile(cost, [0.01, 0.99])
        grey = np.clip((cost - low) / max(float(high - low), 1e-9), 0, 1)
        picture = (255 * grey.T[::-1]).astype(np.uint8)  # source to the right, target upwards
        scale = _MOST_PIXELS / max(picture.shape)
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        colours = cv2.cvtColor(cv2.applyColorMap(picture, cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB)
        name = self._name("-cost.webp")
        write_webp(self._folder / name, np.asarray(colours, np.uint8))
        extent = (a.grid[0], a.grid[-1], b.grid[0], b.grid[-1])
        return CostMatrix(mode, name, tuple(float(edge) for edge in extent))  # type: ignore[arg-type]

    def _mouth_curves(self) -> MouthCurves | None:
        source, target = self._mouths
        if source is None or target is None:
            return None
        mapped = self._pair.frame_map
        opening = target.shape[:, 0]
        warped = [float(opening[j]) if j >= 0 else None for j in mapped]
        return MouthCurves(
            source.times.tolist(),
            source.shape[:, 0].tolist(),
            target.times.tolist(),
            opening.tolist(),
            warped,
        )


def draw_strip(pair: Pair, moments: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Draw moments side by side, source faces above target faces above mouths of both.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    tiles = Tiles(pair, STRIP_TILE)
    columns = []
    for i in moments:
        frames = ((pair.source.name, int(i)), (pair.target.name, int(pair.frame_map[i])))
        columns.append(
            np.vstack(
                [tiles.get(clip, crop, k) for crop in ("face", "mouth") for clip, k in frames]
            )
        )
    return np.hstack(columns)


def write_webp(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an (H, W, 3) uint8 RGB image as WebP."""
    path.write_bytes(encode_webp(image))


def _view_clip(clip: UtteranceClip, folder: Path, strip: str) -> ClipView:
    if not len(clip):
        raise ShardError(f"{clip.clip_id} is sound only")
    curves: dict[str, Any] = {"times": np.round(clip.times, 4).tolist()}
    if len(clip.landmarks):
        pose = head_pose(clip.landmarks)
        curves |= {
            "yaw": pose.yaw.tolist(),
            "pitch": pose.pitch.tolist(),
            "roll": pose.roll.tolist(),
            "eye_distance": eye_distance(clip.landmarks).tolist(),
            "presence": clip.presence.astype(float).tolist(),
            "valid": clip.valid.tolist(),
        }
        mouth = _mouth(clip)
        if mouth is not None:
            curves |= {"mouth_times": mouth.times.tolist(), "mouth": mouth.shape[:, 0].tolist()}
    if "face" in clip.crops:
        jpegs = clip.jpegs("face")
        curves["sharpness"] = [_sharpness(jpeg) for jpeg in jpegs]
        moments = _moments(len(clip))
        side = (STRIP_TILE, STRIP_TILE)
        faces = [
            cv2.resize(decode_jpeg(jpegs[i]), side, interpolation=cv2.INTER_AREA) for i in moments
        ]
        write_webp(folder / strip, np.asarray(np.hstack(faces), np.uint8))
        curves |= {"strip": strip, "moments": clip.times[moments].tolist()}
    return ClipView(**curves)


def _sharpness(jpeg: bytes) -> float:
    """Return the sharpness of a crop; NaN for a black frame."""
    grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None or not grey.any():
        return float("nan")
    return sharpness(np.asarray(grey, np.uint8))


def _moments(frames: int) -> NDArray[np.int64]:
    return np.linspace(0, frames - 1, min(STRIP_MOMENTS, frames)).round().astype(np.int64)


def _mouth(clip: UtteranceClip) -> MouthFeatures | None:
    if not len(clip.landmarks):
        return None
    return mouth_features(clip.landmarks, clip.times, clip.valid)


def _speech(sound: PreviewSound | None) -> Any:
    if sound is None:
        return None
    return speech_features(sound.audio.samples, sound.audio.rate, sound.audio.start)
