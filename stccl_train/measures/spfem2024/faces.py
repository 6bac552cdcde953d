"""Face images by actor and emotion: from folders, or from the face crops of clips."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.warping_path import nearest_frame
from stccl_data.errors import UsageError
from stccl_train.measures.measured_clip import ClipStore, MeasuredClip
from stccl_train.measures.request import Row

#: Frames per second that the protocol assumes.
RATE = 30

_IMAGES = frozenset({".bmp", ".jpg", ".jpeg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_SOUNDS = (".wav", ".m4a", ".flac", ".mp3")
#: Side of the published face images.
_SIDE = 256


@dataclass(frozen=True, slots=True, eq=False)
class FaceVideo:
    """The face images of one video."""

    actor: str
    emotion: str
    #: image files in order; None if the images come from a clip
    files: tuple[Path, ...] | None
    clip: MeasuredClip | None
    #: the files that may hold the sound; the first that has some counts
    sounds: tuple[str, ...]

    @property
    def frames(self) -> tuple[int, ...]:
        """The numbers of the images."""
        if self.clip is None:
            assert self.files is not None
            return tuple(range(len(self.files)))
        times = self.clip.track.times
        at = np.arange(0, times[-1] - times[0], 1 / RATE) + times[0]
        chosen = nearest_frame(times, at)
        seen = np.isfinite(self.clip.track.face_transforms[chosen, 0, 0])
        return tuple(int(frame) for frame in chosen[seen])

    def image(self, number: int) -> NDArray[np.uint8]:
        """Return an image, (H, W, 3) uint8 RGB.

        Raises:
            UsageError: the file is no image.
        """
        if self.clip is not None:
            assert self.clip.track.face is not None
            crop = self.clip.track.face.decode([number])[0]
            return np.asarray(cv2.resize(crop, (_SIDE, _SIDE)), np.uint8)
        assert self.files is not None
        image = cv2.imread(str(self.files[number]))
        if image is None:
            raise UsageError(f"{self.files[number]}: not an image")
        return np.asarray(image[..., ::-1], np.uint8)


def read_folder(root: Path) -> list[FaceVideo]:
    """Return the videos of a folder: ``ROOT/ACTOR/EMOTION/VIDEO/IMAGE``, sorted.

    A video's sound is beside its folder: ``ROOT/ACTOR/EMOTION/VIDEO.wav``. Images directly in
    ``ROOT/ACTOR/EMOTION`` are one video without sound.

    Raises:
        UsageError: there is no image at that depth.
    """
    by_folder: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        depth = len(path.relative_to(root).parts)
        if path.suffix.lower() in _IMAGES and depth in (3, 4):
            by_folder.setdefault(path.parent, []).append(path)
    if not by_folder:
        raise UsageError(
            f"{root}: no images at ACTOR/EMOTION/VIDEO/IMAGE; --protocol spfem2024 takes two such "
            "folders of face images, or a CSV of clips with the columns speaker and emotion"
        )
    videos = []
    for folder, files in by_folder.items():
        actor, emotion = folder.relative_to(root).parts[:2]
        beside = (folder.with_name(folder.name + suffix) for suffix in _SOUNDS)
        sounds = tuple(str(path) for path in beside if path.is_file())
        videos.append(FaceVideo(actor, emotion, tuple(files), None, sounds))
    return videos


def read_clips(rows: Sequence[Row], store: ClipStore) -> Iterator[tuple[FaceVideo, FaceVideo]]:
    """Yield the real and the generated video of each row.

    The real one is the reference, or the source without one.

    Raises:
        ClipError: a clip cannot be read.
    """
    for row in rows:
        real = row.reference or row.source
        sounds = (row.audio,) if row.audio else (row.generated, row.source)
        yield (
            FaceVideo(row.speaker, row.emotion, None, store.read(real), (real,)),
            FaceVideo(row.speaker, row.emotion, None, store.read(row.generated), sounds),
        )
