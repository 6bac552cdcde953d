"""One clip of an utterance, read from the shards on demand: its crops, arrays and sound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.array_rules import CLOCK_ARRAYS, clock_faults, frame_array_faults
from stccl_data.dataset.flac import decode_flac
from stccl_data.dataset.layout import CROPS
from stccl_data.dataset.members import ShardError
from stccl_data.dataset.schemas import StoredSample
from stccl_data.dataset.schemas.fields import optional
from stccl_data.landmarks import points_in_crop
from stccl_data.media.jpeg import decode_jpeg

Crop = Literal["face", "mouth"]

FrameIndices = Sequence[int] | NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class UtteranceClip:
    """One recording within an utterance. Arrays and frames are read when they are accessed."""

    #: within the utterance: `angry-3-t001`
    name: str
    #: as in clips.parquet
    clip_id: str
    emotion: str
    level: int
    take: int
    #: nominal; `times` has the true time of each frame
    fps: Fraction | None
    n_frames: int | None
    #: pixels of the upright source frame
    width: int | None
    height: int | None
    duration_s: float | None
    #: Hz
    audio_rate: int | None
    _sample: StoredSample = field(repr=False)
    _loaded: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        """Return the number of frames; 0 for a clip that is sound only."""
        return len(self.times)

    @cached_property
    def scores(self) -> Mapping[str, float | None]:
        """face_rate, eye_distance, ... (docs/shards.md); None if a score is unknown."""
        scores = self._sample.clip_scores(self.name)
        return MappingProxyType({name: optional(scores, name, float) for name in scores})

    @cached_property
    def crops(self) -> tuple[str, ...]:
        """The stored crops: face and mouth, or none (`--crops none`, sound only)."""
        return tuple(self._sample.crop_sizes(self.name))

    @property
    def has_audio(self) -> bool:
        """Whether the shard holds the sound (`--audio`)."""
        return self._sample.has_sound(self.name)

    @cached_property
    def _clock(self) -> dict[str, NDArray[Any]]:
        """CLOCK_ARRAYS, without `valid` if the face was not tracked."""
        arrays = self._sample.clip_arrays(self.name, CLOCK_ARRAYS)
        sizes = self._sample.crop_sizes(self.name)
        for fault in clock_faults(arrays, self.n_frames, sizes):
            raise self._fault(fault)
        return arrays

    def _frame_array(self, name: str) -> NDArray[Any] | None:
        """Return an array of the tracked face; None if it is not stored."""
        if name not in self._loaded:
            array = self._sample.clip_arrays(self.name, (name,)).get(name)
            if array is None:
                return None
            for fault in frame_array_faults(name, array, len(self)):
                raise self._fault(fault)
            self._loaded[name] = array
        return self._loaded[name]

    def _fault(self, fault: str) -> ShardError:
        return ShardError(f"{self._place('npz')}: {fault}; run `stccl verify`")

    def _place(self, what: str) -> str:
        return f"{self._sample.shard}: {self._sample.place(self.name, what)}"

    @property
    def times(self) -> NDArray[np.float64]:
        """(N,) presentation times, seconds since the first frame of the source file."""
        return self._clock["times"]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(N,) bool, True if a face was detected in this very frame.

        Frames without a face are kept, so that indices are those of the video. All False if the
        face was not tracked (`--crops none`).
        """
        return self._clock.get("valid", np.zeros(len(self), np.bool_))

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """(N, K, 2) smoothed landmarks in pixels of the source frame, NaN without a face.

        K is 478 (MediaPipe) or 68 (FAN). If the face was not tracked, N is 0 here and in the
        transforms.
        """
        array = self._frame_array("landmarks")
        return np.empty((0, 0, 2), np.float32) if array is None else array

    @property
    def presence(self) -> NDArray[np.float32]:
        """(N,) the landmark model's probability of a face in each frame, NaN if unknown."""
        array = self._frame_array("presence")
        return np.full(len(self), np.nan, np.float32) if array is None else array

    @property
    def blendshapes(self) -> NDArray[np.float16]:
        """(N, 52) coefficients of the face's expression, in MediaPipe's order, NaN if unknown."""
        array = self._frame_array("blendshapes")
        return np.full((len(self), 52), np.nan, np.float16) if array is None else array

    @property
    def face_transforms(self) -> NDArray[np.float64]:
        """(N, 2, 3) source pixels to face crop pixels, NaN without a crop."""
        array = self._frame_array("face_transforms")
        return np.empty((0, 2, 3)) if array is None else array

    @property
    def mouth_transforms(self) -> NDArray[np.float64]:
        """(N, 2, 3) source pixels to mouth crop pixels, NaN without a crop."""
        array = self._frame_array("mouth_transforms")
        return np.empty((0, 2, 3)) if array is None else array

    def _check_crop(self, crop: Crop) -> None:
        """Raise the errors of `jpegs` if a crop is unknown or not stored."""
        if crop not in CROPS:
            raise ValueError(f"unknown crop {crop!r}; choose one of: {', '.join(CROPS)}")
        if crop not in self.crops:
            raise ShardError(
                f"{self._sample.shard} has no {crop} crops of {self.clip_id}: the dataset was "
                "prepared with --crops none"
            )

    def jpeg(self, crop: Crop, i: int) -> bytes:
        """Return the JPEG file of frame i. Errors are those of `jpegs`."""
        return self.jpegs(crop, [i])[0]

    def jpegs(self, crop: Crop, indices: FrameIndices | None = None) -> list[bytes]:
        """Return frames as JPEG files, read without decoding.

        Consecutive frames are fetched by one read.

        Args:
            crop: face or mouth.
            indices: frames in any order, repeats allowed; all by default.

        Raises:
            IndexError: an index is outside [0, N).
            ShardError: the dataset holds no crops, or they cannot be read.
        """
        self._check_crop(crop)
        wanted = range(len(self)) if indices is None else [int(i) for i in indices]
        for i in wanted:
            if not 0 <= i < len(self):
                raise IndexError(f"frame {i} of {self.clip_id}, which has {len(self)} frames")
        offsets = self._clock[f"{crop}_offsets"].tolist()
        frames: dict[int, bytes] = {}
        for first, last in _runs(wanted):
            start = offsets[first]
            data = self._sample.read_crop(self.name, crop, start, offsets[last + 1])
            for i in range(first, last + 1):
                frames[i] = data[offsets[i] - start : offsets[i + 1] - start]
        return [frames[i] for i in wanted]

    def frames(self, crop: Crop = "face", indices: FrameIndices | None = None) -> NDArray[np.uint8]:
        """Return decoded crops; only these frames are read and decoded.

        Args:
            crop: face or mouth.
            indices: frames in any order, repeats allowed; all by default.

        Returns:
            (n, H, W, 3) uint8 RGB, black where a frame has no face.

        Raises:
            IndexError: an index is outside [0, N).
            ShardError: the dataset holds no crops, or they cannot be read or decoded.
        """
        jpegs = self.jpegs(crop, indices)
        if not jpegs:
            return np.zeros((0, 0, 0, 3), np.uint8)
        try:
            return np.stack([decode_jpeg(jpeg) for jpeg in jpegs])
        except ValueError as error:
            raise ShardError(
                f"{self._place(f'{crop}.mjpg')}: {error}; run `stccl verify --decode`"
            ) from None

    def points(
        self, crop: Crop = "face", indices: FrameIndices | None = None, size: int | None = None
    ) -> NDArray[np.float32]:
        """Return the landmarks in the crops, where `frames` shows them.

        Args:
            crop: face or mouth.
            indices: frames in any order, repeats allowed; all by default.
            size: side in pixels that the crops are resized to; that of the stored ones by default.

        Returns:
            (n, 68, 2) float32, iBUG order, pixels of the crop (pixel (i, j) covers
            [j, j+1) x [i, i+1)), NaN where a frame has no face.

        Raises:
            IndexError: an index is outside [0, N).
            ShardError: the dataset holds no crops, or the landmarks cannot be read.
        """
        self._check_crop(crop)
        wanted = np.arange(len(self)) if indices is None else np.asarray(indices, np.intp)
        for i in wanted[(wanted < 0) | (wanted >= len(self))].tolist():
            raise IndexError(f"frame {i} of {self.clip_id}, which has {len(self)} frames")
        transforms = self.face_transforms if crop == "face" else self.mouth_transforms
        points = points_in_crop(self.landmarks[wanted], transforms[wanted])
        if size is None or not len(wanted):
            return points
        stored = self.frames(crop, wanted[:1]).shape[1]
        return points * np.float32(size / stored)

    def audio(self) -> tuple[NDArray[np.float32], int]:
        """Return the sound and its rate.

        Returns:
            (S,) float32 mono in [-1, 1] and the rate in Hz. Sample i is heard at i / rate on the
            clock of `times`.

        Raises:
            ShardError: the dataset holds no sound (`stccl prepare --audio` stores it).
        """
        if not self.has_audio:
            raise ShardError(
                f"{self._sample.shard} has no sound of {self.clip_id}; "
                "`stccl prepare --audio` stores it"
            )
        return decode_flac(self._sample.read_sound(self.name), self._place("flac"))


def _runs(indices: Sequence[int] | range) -> list[tuple[int, int]]:
    """Group indices into runs (first, last) of consecutive ones."""
    runs: list[tuple[int, int]] = []
    for i in sorted(set(indices)):
        if runs and i == runs[-1][1] + 1:
            runs[-1] = runs[-1][0], i
        else:
            runs.append((i, i))
    return runs
