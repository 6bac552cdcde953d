"""A recording whose frames and sound show the same instants: flashes and clicks."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.media.audio import read_audio
from stccl_data.media.video import read_frames
from tests.testing.media import record

#: Seconds at which a flash and a click begin.
INSTANTS = (0.4, 1.0, 1.8, 2.6)
SECONDS = 3.0
RATE = 48_000


def flashing_frames(fps: int = 25, seconds: float = SECONDS) -> list[NDArray[np.uint8]]:
    """Return black frames (48, 64, 3), and white ones for 0.1 s from each instant on."""
    times = np.arange(round(seconds * fps)) / fps
    return [
        np.full((48, 64, 3), 235 * any(0 <= t - i < 0.1 for i in INSTANTS), np.uint8) for t in times
    ]


def clicking_sound(rate: int = RATE, seconds: float = SECONDS) -> NDArray[np.float32]:
    """Return a faint tone with a loud click of 0.02 s from each instant on, (S,)."""
    times = np.arange(round(seconds * rate)) / rate
    sound = 0.01 * np.sin(2 * np.pi * 440 * times)
    for instant in INSTANTS:
        loud = (times >= instant) & (times < instant + 0.02)
        sound[loud] = 0.8 * np.sin(2 * np.pi * 1500 * times[loud])
    return sound.astype(np.float32)


def record_clicks(path: Path, **settings: Any) -> Path:
    """Write the recording; see `record` for the settings."""
    settings = {"rate": RATE, "options": {"g": "25", "bf": "0", "sc_threshold": "0"}, **settings}
    return record(path, flashing_frames(), clicking_sound(settings["rate"]), **settings)


def flashes(path: Path) -> NDArray[np.float64]:
    """Return the times at which the frames of a recording become white."""
    frames = [(frame.time, frame.image.mean() > 100) for frame in read_frames(path)]
    white = np.array([False, *(white for _, white in frames)])
    times = np.array([time for time, _ in frames])
    return times[~white[:-1] & white[1:]]


def clicks(path: Path, video: Path | None = None) -> NDArray[np.float64]:
    """Return the times at which the sound of a recording clicks; see `read_audio`."""
    audio = read_audio(path, rate=None, video=video)
    loud = audio.start + np.flatnonzero(np.abs(audio.samples) > 0.3) / audio.rate
    return loud[np.diff(loud, prepend=-np.inf) > 0.2]
