"""How well `mouth_visible` tells clips in which something is before the mouth from clear ones.

Usage: python benchmarks/hidden_mouth.py FOLDER... [--frames 20] [--clear]
FOLDERs hold clips that show one face each, its mouth in all frames.

Things are drawn before the mouth in half of the frames (the middle ones) and in all, at their place
on the face, and the clip is tracked as `prepare` does it. Clear clips are also scored in other
light, in grey and at a small size. With --clear nothing is drawn, and every frame is used.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from landmarks import VIDEO
from numpy.typing import NDArray

from stccl_data.errors import ClipError
from stccl_data.face.crop_config import CropConfig
from stccl_data.face.tracking import TrackedVideo, track_frames
from stccl_data.landmarks import Landmarker, ibug68, open_landmarker
from stccl_data.media.reduced import Picture
from stccl_data.media.video import Frame, read_frames
from stccl_data.pairs.gates import GateConfig, judge

Image = NDArray[np.uint8]
Colour = tuple[float, float, float]
#: Every frame is used if there are fewer, else evenly spaced ones: movement is slow beside this.
_LONGEST = 90
#: Taller frames are halved, so that drawing takes less time.
_TALLEST = 720
#: Height of the mouth below the eye line, in units of the outer eye corners' distance.
_MOUTH = 0.79
_BLACK, _WHITE, _BLUE = (28.0, 28.0, 32.0), (225.0, 222.0, 215.0), (170.0, 195.0, 205.0)


class Easel:
    """Draws on one frame, in units of the eye corners' distance from the middle between them."""

    def __init__(self, image: Image, points: NDArray[np.floating]) -> None:
        """Start a drawing. points: (68, 2) pixels, where the face is."""
        self._before, self.image = image, image.copy()
        right, left = points[36], points[45]
        across = left - right
        self.middle, self.unit = (left + right) / 2, float(np.linalg.norm(across))
        self._axes = np.stack([across, [-across[1], across[0]]])

    def shape(self, outline: list[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon."""
        pixels = self.middle + np.array(outline) @ self._axes
        polygon = np.round(16 * pixels).astype(np.int32)
        cv2.fillPoly(self.image, [polygon], colour, cv2.LINE_AA, 4)

    def ellipse(
        self, x: float, y: float, radii: tuple[float, float], colour: Colour, tilt: float = 0.0
    ) -> None:
        """Fill an ellipse."""
        turn = np.linspace(0, 2 * np.pi, 40)
        a, b = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
        xs, ys = (
            x + a * np.cos(tilt) - b * np.sin(tilt),
            y + a * np.sin(tilt) + b * np.cos(tilt),
        )
        self.shape(list(zip(xs.tolist(), ys.tolist(), strict=True)), colour)

    def skin(self) -> Colour:
        """Return the colour of the cheeks."""
        cheeks = self.middle + np.array([(-0.33, 0.45), (0.33, 0.45)]) @ self._axes
        size = max(2, round(0.06 * self.unit))
        patches = [
            self._before[max(y - size, 0) : y + size, max(x - size, 0) : x + size].reshape(-1, 3)
            for x, y in cheeks.astype(int)
        ]
        red, green, blue = np.median(np.concatenate(patches), axis=0).tolist()
        return red, green, blue

    def finished(self) -> Image:
        """Return the drawing, with the noise and the uneven light that things have."""
        drawn = (self.image != self._before).any(axis=2)
        shaded = np.clip(self.image + _surface(drawn.shape)[..., None], 0, 255).astype(np.uint8)
        return np.where(drawn[..., None], shaded, self.image)


@cache
def _surface(shape: tuple[int, int]) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    light = cv2.resize(rng.normal(size=(12, 20)), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(7 * light + 3 * rng.normal(size=shape))


def _fingers(easel: Easel) -> None:
    skin = easel.skin()
    red, green, blue = skin
    for k in range(4):
        easel.ellipse(0.3 * k - 0.45, _MOUTH, (0.17, 0.62), skin, tilt=0.35)
    for k in range(3):
        dark = 0.72 * red, 0.72 * green, 0.72 * blue
        easel.ellipse(0.3 * k - 0.3, _MOUTH, (0.012, 0.5), dark, tilt=0.35)


def _fist(easel: Easel) -> None:
    red, green, blue = skin = easel.skin()
    for k in range(4):
        easel.ellipse(0.22 * k - 0.33, _MOUTH + 0.08, (0.125, 0.3), skin)
        light = min(255.0, 1.1 * red), min(255.0, 1.1 * green), min(255.0, 1.1 * blue)
        easel.ellipse(0.22 * k - 0.33, _MOUTH - 0.1, (0.1, 0.1), light)


def _microphone(easel: Easel, size: float = 0.26, height: float = 0.15) -> None:
    easel.ellipse(0, _MOUTH + height, (size, 1.1 * size), _BLACK)
    easel.shape([(-0.1, 1.1), (0.1, 1.1), (0.12, 2.2), (-0.12, 2.2)], _BLACK)


def _mask(easel: Easel) -> None:
    half = [(0.0, 0.18), (0.2, 0.22), (0.75, 0.3), (0.6, 1.05), (0.25, 1.3)]
    easel.shape([*half, *((-x, y) for x, y in reversed(half))], _BLUE)


def _cup(easel: Easel) -> None:
    top, bottom = _MOUTH - 0.22, _MOUTH + 0.7
    easel.shape([(-0.4, top), (0.4, top), (0.34, bottom), (-0.34, bottom)], _WHITE)


#: What is drawn before the mouth.
THINGS: dict[str, Callable[[Easel], None]] = {
    "hand": _fingers,
    "palm": lambda easel: easel.ellipse(0, _MOUTH, (0.62, 0.48), easel.skin()),
    "fist": _fist,
    "one finger": lambda easel: easel.ellipse(0, _MOUTH + 0.1, (0.1, 0.5), easel.skin()),
    "half of the mouth": lambda easel: easel.ellipse(-0.34, _MOUTH, (0.34, 0.4), easel.skin()),
    "microphone, lower lip": _microphone,
    "microphone, mouth": lambda easel: _microphone(easel, 0.36, 0.02),
    "mask": _mask,
    "cup": _cup,
}


def _small(image: Image, points: NDArray[np.floating]) -> Image:
    scale = 26 / float(np.linalg.norm(points[45] - points[36]))
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


#: How clear clips are shown; takes the frame, its landmarks and its place in the clip, 0 to 1.
LOOKS: dict[str, Callable[[Image, NDArray[np.floating], float], Image]] = {
    "as it is": lambda image, points, place: image,
    "grey": lambda image, points, place: np.repeat(
        np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[..., None], 3, axis=2
    ),
    "a tenth of the light": lambda image, points, place: (image * 0.1 ** (1 / 2.2)).astype(
        np.uint8
    ),
    "coloured light that changes": lambda image, points, place: np.clip(
        image * (1 + 0.35 * np.cos(5 * place + np.array([0, 2.1, 4.2]))), 0, 255
    ).astype(np.uint8),
    "eyes 26 pixels apart": lambda image, points, place: _small(image, points),
}


def track(landmarker: Landmarker, frames: list[tuple[float, Image]]) -> TrackedVideo:
    """Track frames (seconds, image) as `prepare` does, without crops."""
    shown = [Frame(time, Picture.of_image(image), corrupt=False) for time, image in frames]
    return track_frames("drawn", lambda: iter(shown), landmarker, CropConfig(crops="none"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gates of a clip say."""

    #: why a pair with the clip would be refused; `accepted` otherwise
    reason: str
    #: NaN without a face
    mouth_visible: float


def judged(landmarker: Landmarker, frames: list[tuple[float, Image]]) -> Verdict:
    """Judge a clip by the default thresholds."""
    try:
        scores = track(landmarker, frames).scores
    except ClipError as error:
        return Verdict(error.reason.value, float("nan"))
    refusal = judge({}, scores, {}, GateConfig(min_eye_distance=0))
    reason = "accepted" if refusal is None else refusal.reason.value
    return Verdict(reason, scores.get("mouth_visible", float("nan")))


def read(path: Path, limit: int | None) -> list[tuple[float, Image]]:
    """Read the frames of a clip: at most `limit`, evenly spaced."""
    if limit is None:
        return [(frame.time, frame.image) for frame in read_frames(path)]
    frames = list(islice(read_frames(path), _LONGEST))
    factor = 2 if frames[0].picture.height > _TALLEST else 1
    step = max(1, len(frames) // limit)
    return [(frame.time, frame.picture.reduced(factor)) for frame in frames[::step]]


def measure(landmarker: Landmarker, frames: list[tuple[float, Image]]) -> dict[str, Verdict] | None:
    """Judge a clip under each look and with each thing drawn; None if a frame has no face."""
    tracked = track(landmarker, frames).track
    if not tracked.valid.all():
        return None
    points = ibug68(tracked.landmarks)
    places = np.linspace(0, 1, len(frames))
    verdicts = {}
    for name, look in LOOKS.items():
        shown = [
            (time, look(image, marks, place))
            for (time, image), marks, place in zip(frames, points, places, strict=True)
        ]
        verdicts[name] = judged(landmarker, shown)
    for name, draw in THINGS.items():
        for share in (0.5, 1.0):
            drawn = []
            for (time, image), marks, place in zip(frames, points, places, strict=True):
                easel = Easel(image, marks)
                if abs(place - 0.5) <= share / 2:
                    draw(easel)
                drawn.append((time, easel.finished()))
            verdicts[f"{name}, {share:.0%}"] = judged(landmarker, drawn)
    return verdicts


def main() -> None:
    """Print a line per clip, and for each kind the scores and the reasons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--clear", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    landmarker = open_landmarker()
    everything: dict[str, list[Verdict]] = {}
    for folder in options.folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO):
            frames = read(path, None if options.clear else options.frames)
            if options.clear:
                verdicts = {"clear": judged(landmarker, frames)}
            elif (verdicts := measure(landmarker, frames) or {}) == {}:
                continue
            first = next(iter(verdicts.values()))
            print(f"{str(path)[-50:]:50} {first.reason} {first.mouth_visible:.2f}", flush=True)
            for name, verdict in verdicts.items():
                everything.setdefault(name, []).append(verdict)
    print(f"\n{'mouth_visible':30}  least median  most  reasons")
    for name, kind in everything.items():
        quantiles = np.nanquantile([verdict.mouth_visible for verdict in kind], [0, 0.5, 1])
        reasons = Counter(verdict.reason for verdict in kind).most_common()
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons)
        print(f"{name:30}  " + "   ".join(f"{q:.2f}" for q in quantiles) + f"  {counts}")


if __name__ == "__main__":
    main()
