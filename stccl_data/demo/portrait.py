"""The photograph as the mesh's texture: without its teeth, and coloured for a speaker."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from stccl_data.demo.mesh import face_mesh, inner_lip_polygon, outer_lip_polygon
from stccl_data.demo.speakers import Speaker
from stccl_data.demo.voice import DemoUnavailableError

SCALE = 2  # texture pixels a photograph pixel
_HEIGHT = 300  # rows of the photograph that the texture keeps

# Where the photograph's hair ends towards face, ears and collar, traced by hand.
_HAIRLINE = [(96, 120), (171, 120), (178, 117), (181, 107), (181, 97), (184, 84), (189, 75), (201, 79), (217, 79), (230, 81),
             (242, 84), (255, 87), (266, 89), (268, 100), (269, 112), (270, 129), (276, 127), (290, 124), (360, 124),
             (360, 300), (96, 300)]  # fmt: skip


_LIP_TINT = np.array(
    [0.87, 0.65, 0.68], np.float32
)  # the photograph's smile has stretched its lips thin and pale


@dataclass(frozen=True, slots=True)
class Portrait:
    """`skin`: (H, W, 3) float32 RGB 0-255, SCALE times the photograph, the mouth closed over with lip; `teeth`: (H, W, 4)
    float32, the photograph's teeth and their opacity 0-1, on the same grid."""

    skin: np.ndarray
    teeth: np.ndarray


@dataclass(frozen=True, slots=True)
class _Layers:
    """The photograph's parts, (H, W) or (H, W, 3) float32; masks 0-1."""

    photograph: np.ndarray
    toothless: np.ndarray
    person: np.ndarray
    hair: np.ndarray
    lips: np.ndarray
    mouth: np.ndarray


@lru_cache(maxsize=2)
def portrait(speaker: Speaker) -> Portrait:
    """The texture of one speaker; the last two are kept, as clips come speaker by speaker."""
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
    light = 0.3 + 0.5 * np.array(speaker.skin, np.float32)  # teeth lie in the shade of the lips
    teeth = np.concatenate([layers.photograph * light, layers.mouth[..., None]], axis=2)
    return Portrait(skin.astype(np.float32), teeth.astype(np.float32))


@lru_cache(maxsize=1)
def _layers() -> _Layers:
    try:
        from skimage import data
    except ImportError:
        raise DemoUnavailableError(
            "The demo's photograph is missing: pip install 'stccl[demo]'."
        ) from None
    photograph = data.astronaut()[:_HEIGHT]
    person = _person(photograph)
    hair = np.full(person.shape, 255, np.uint8)
    cv2.fillPoly(hair, [np.array(_HAIRLINE, np.int32)], 0)
    large = cv2.resize(photograph, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    mouth = _filled(inner_lip_polygon(face_mesh().photo), large.shape[:2])
    lips = _filled(outer_lip_polygon(face_mesh().photo), large.shape[:2])
    wide = cv2.dilate(mouth, np.ones((3, 3), np.uint8))
    toothless = cv2.inpaint(large, wide, 3, cv2.INPAINT_TELEA)
    return _Layers(
        photograph=large.astype(np.float32),
        toothless=toothless.astype(np.float32),
        person=_soft(person, 1.6),
        hair=_soft(hair, 3.0),
        lips=cv2.GaussianBlur(lips.astype(np.float32) / 255, None, 1.0),
        mouth=cv2.GaussianBlur(mouth.astype(np.float32) / 255, None, 0.8),
    )


def _filled(polygon: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) uint8, 255 inside `polygon` (photograph pixels), on the texture's grid of `shape`."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(to_texture(polygon) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


def to_texture(points: np.ndarray) -> np.ndarray:
    """Photograph pixels (..., 2) to texture pixels; pixel centres lie on whole numbers in both."""
    scaled: np.ndarray = (points + 0.5) * SCALE - 0.5
    return scaled


def _person(photograph: np.ndarray) -> np.ndarray:
    """(H, W) uint8, 255 on head and shoulders: GrabCut from a rough guess."""
    guess = np.full(photograph.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.ellipse(guess, (225, 95), (82, 90), 0, 0, 360, cv2.GC_PR_FGD, -1)
    guess[150:] = cv2.GC_PR_FGD
    cv2.ellipse(guess, (222, 110), (45, 70), 0, 0, 360, cv2.GC_FGD, -1)
    guess[170:, 190:260] = cv2.GC_FGD
    window = (slice(None), slice(90, 360))
    mask = np.ascontiguousarray(guess[window])
    cv2.setRNGSeed(0)
    model = np.zeros((2, 1, 65))
    cv2.grabCut(
        np.ascontiguousarray(photograph[window]),
        mask,
        None,
        model[0],
        model[1],
        2,
        cv2.GC_INIT_WITH_MASK,
    )
    person = np.zeros_like(guess)
    person[window] = (mask & 1) * np.uint8(255)
    return person


def _soft(mask: np.ndarray, sigma: float) -> np.ndarray:
    large = (
        cv2.resize(mask, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR).astype(
            np.float32
        )
        / 255
    )
    soft: np.ndarray = cv2.GaussianBlur(large, None, sigma)
    return soft
