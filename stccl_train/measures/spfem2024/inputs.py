"""Prepare face images and sound for the networks as the published evaluation does."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stccl_data.media.audio import SPEECH_RATE
from stccl_train.measures.spfem2024.faces import RATE
from stccl_train.measures.sync import mfcc

#: Pixels cut from each side of a face image before SyncNet sees it.
SYNC_MARGIN = 35
_SYNC_SIDE = 224
#: Frames whose sound is cut off at the beginning.
_SKIPPED_FRAMES = 2

#: Mean and standard deviation of EfficientFace's inputs by channel.
_MEAN = np.array([0.57535914, 0.44928582, 0.40079932], np.float32)
_STD = np.array([0.20735591, 0.18981615, 0.18132027], np.float32)


def fad_input(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the input of the ResNet-18: grey, shorter side 164, centre 128, in [-1, 1].

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (1, 128, 128).
    """
    grey = _centre(Image.fromarray(image).convert("L"), 164, 128)
    scaled = np.asarray(grey, np.float32) / 255
    return np.asarray((scaled - 0.5) / 0.5, np.float32)[None]


def csim_input(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the input of EfficientFace: shorter side 256, centre 224, standardised.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (3, 224, 224).
    """
    picture = np.asarray(_centre(Image.fromarray(image), 256, 224), np.float32) / 255
    return np.asarray((picture - _MEAN) / _STD, np.float32).transpose(2, 0, 1)


def sync_input(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return SyncNet's picture: 35 px cut from each side, 224 x 224, BGR in 0-255.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (224, 224, 3).
    """
    m = SYNC_MARGIN
    cut = np.ascontiguousarray(image[m : image.shape[0] - m, m : image.shape[1] - m, ::-1])
    return np.asarray(cv2.resize(cut, (_SYNC_SIDE, _SYNC_SIDE)), np.float32)


def sync_cepstra(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the cepstra of a sound, (R, 13), four vectors for each frame of 30 a second.

    The sound of the first two frames is cut off, and samples are floats in [-1, 1], while SyncNet
    was trained on 16-bit integers: the first coefficient is too low by about 21.

    Args:
        samples: (S,) in [-1, 1] at 16 kHz.
    """
    cut = samples[SPEECH_RATE // RATE * _SKIPPED_FRAMES :]
    return mfcc(np.asarray(cut, np.float64), 1 / (4 * RATE))


def _centre(image: Image.Image, resized: int, cut: int) -> Image.Image:
    """Resize an image's shorter side (bilinear, as torchvision does), and cut out its centre."""
    width, height = image.size
    short, long = sorted(image.size)
    if short != resized:
        longer = int(resized * long / short)
        size = (resized, longer) if width <= height else (longer, resized)
        image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (round((side - cut) / 2) for side in image.size)
    return image.crop((left, top, left + cut, top + cut))
