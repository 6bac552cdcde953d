"""Turn the photograph into a texture: remove the teeth, and colour it for a speaker."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from stccl_data.demo.mesh import face_mesh
from stccl_data.demo.speakers import Speaker
from stccl_data.demo.vertices import inner_lip_polygon, outer_lip_polygon
from stccl_data.demo.voice import DemoUnavailableError

#: Texture pixels per pixel of the photograph.
SCALE = 2
#: Rows of the photograph that the texture contains.
_HEIGHT = 300
#: Border of the hair towards face, ears and collar, traced by hand; pixels of the photograph.
_HAIRLINE = [
    (96, 120), (171, 120), (178, 117), (181, 107), (181, 97), (184, 84), (189, 75), (201, 79),
    (217, 79), (230, 81), (242, 84), (255, 87), (266, 89), (268, 100), (269, 112), (270, 129),
    (276, 127), (290, 124), (360, 124), (360, 300), (96, 300),
]  # fmt: skip
#: RGB factors; the smile in the photograph has stretched the lips thin and pale.
_LIP_TINT = np.array([0.87, 0.65, 0.68], np.float32)


@dataclass(frozen=True, slots=True)
class Portrait:
    """The texture of one speaker, SCALE times as large as the photograph."""

    #: (H, W, 3) float32 RGB 0-255, the mouth filled with lip
    skin: np.ndarray
    #: (H, W, 4) float32, the teeth as RGB 0-255 and their opacity 0-1
    teeth: np.ndarray


@dataclass(frozen=True, slots=True)
class _Layers:
    """The parts of the photograph; the masks are (H, W) float32, 0-1."""

    #: (H, W, 3) float32
    photograph: np.ndarray
    #: (H, W, 3) float32, the mouth filled with lip
    toothless: np.ndarray
    person: np.ndarray
    hair: np.ndarray
    lips: np.ndarray
    mouth: np.ndarray


@lru_cache(maxsize=2)
def portrait(speaker: Speaker) -> Portrait:
    """Return the texture of a speaker. Two are cached, since clips come speaker by speaker."""
    layers = _layers()
    hair, person = layers.hair[..., None], layers.person[..., None]
    tint = (
        np.array(speaker.skin, np.float32) * (1 - hair) + np.array(speaker.hair, np.float32) * hair
    )
    grey = layers.photograph.mean(axis=2, keepdims=True)
    wall = np.array(speaker.background, np.float32) * (1 + 0.9 * (grey / 196.0 - 1))
    tint = tint * (1 - layers.lips[..., None] * (1 - _LIP_TINT))
    coloured = layers.toothless * tint * person + wall * (1 - person)
    skin = 255 * (np.clip(coloured, 0, 255) / 255) ** speaker.gamma
    light = 0.3 + 0.5 * np.array(speaker.skin, np.float32)  # teeth are in the shade of the lips
    teeth = np.concatenate([layers.photograph * light, layers.mouth[..., None]], axis=2)
    return Portrait(skin.astype(np.float32), teeth.astype(np.float32))


@lru_cache(maxsize=1)
def _layers() -> _Layers:
    try:
        from skimage import data
    except ImportError:
        raise DemoUnavailableError(
            "scikit-image is not installed: pip install 'stccl[demo]'"
        ) from None
    photograph = data.astronaut()[:_HEIGHT]
    person = _segment_person(photograph)
    hair = np.full(person.shape, 255, np.uint8)
    cv2.fillPoly(hair, [np.array(_HAIRLINE, np.int32)], 0)
    large = cv2.resize(photograph, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    mouth = _fill(inner_lip_polygon(face_mesh().photo), large.shape[:2])
    lips = _fill(outer_lip_polygon(face_mesh().photo), large.shape[:2])
    dilated = cv2.dilate(mouth, np.ones((3, 3), np.uint8))
    toothless = cv2.inpaint(large, dilated, 3, cv2.INPAINT_TELEA)
    return _Layers(
        photograph=large.astype(np.float32),
        toothless=toothless.astype(np.float32),
        person=_enlarge(person, 1.6),
        hair=_enlarge(hair, 3.0),
        lips=cv2.GaussianBlur(lips.astype(np.float32) / 255, None, 1.0),
        mouth=cv2.GaussianBlur(mouth.astype(np.float32) / 255, None, 0.8),
    )


def _fill(polygon: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Draw `polygon` (photograph pixels) as a texture mask of `shape`, uint8, 255 inside."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(to_texture(polygon) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


def to_texture(points: np.ndarray) -> np.ndarray:
    """Convert photograph pixels (..., 2) to texture pixels; pixel centres are integers in both."""
    scaled: np.ndarray = (points + 0.5) * SCALE - 0.5
    return scaled


def _segment_person(photograph: np.ndarray) -> np.ndarray:
    """Segment head and shoulders by GrabCut from a rough guess: (H, W) uint8, 255 inside."""
    guess = np.full(photograph.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.ellipse(guess, (225, 95), (82, 90), 0, 0, 360, cv2.GC_PR_FGD, -1)
    guess[150:] = cv2.GC_PR_FGD
    cv2.ellipse(guess, (222, 110), (45, 70), 0, 0, 360, cv2.GC_FGD, -1)
    guess[170:, 190:260] = cv2.GC_FGD
    window = (slice(None), slice(90, 360))
    mask = np.ascontiguousarray(guess[window])
    cv2.setRNGSeed(0)
    model = np.zeros((2, 1, 65))
    cropped = np.ascontiguousarray(photograph[window])
    cv2.grabCut(cropped, mask, None, model[0], model[1], 2, cv2.GC_INIT_WITH_MASK)
    person = np.zeros_like(guess)
    person[window] = (mask & 1) * np.uint8(255)
    return person


def _enlarge(mask: np.ndarray, sigma: float) -> np.ndarray:
    """Scale a mask to texture pixels with a soft border: float32, 0-1."""
    large = cv2.resize(mask, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR)
    soft: np.ndarray = cv2.GaussianBlur(large.astype(np.float32) / 255, None, sigma)
    return soft
