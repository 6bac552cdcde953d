"""Windows: T consecutive frames of a source clip and the frames of a target clip that say the same, as JPEG bytes and as batches.

A window is drawn from an utterance (`draw_windows`), travels as JPEG bytes, and becomes pixels when its batch is made (`collate`).
`evaluation_windows` lists those of a split in a fixed order, aligned or spoiled in a known way.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, TypedDict, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.dataset import Dataset, ShardError, Utterance, UtteranceClip
from stccl_data.errors import ClipError
from stccl_data.features.mouth import mouth_features
from stccl_data.features.signals import Signals
from stccl_data.landmarks import ibug68
from stccl_data.media.jpeg import decode_jpeg
from stccl_data.pairs.gates import GATE_REASONS
from stccl_train.data.pairings import Join, joins

Crop = Literal["face", "mouth"]
Crops = Literal["face", "mouth", "both"]
Access = Literal["index", "stream"]
Mode = Literal["aligned", "other_sentence"]

#: A window whose target advances by more than this many of its natural steps at once is as useless as one that stands still:
#: read backwards, it would repeat a frame more than once.
_LONGEST_STEP = 2.0

#: Where each of the 68 points is in a mirrored picture.
MIRROR_68 = np.array(
    [
        *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
    ]
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """Which windows are drawn, how they are changed, and how they are read. How many frames and of which size, the metric says."""

    crop: Crops = field(
        default="face",
        metadata={"help": "face, mouth, or both: each window is then of the one or the other"},
    )
    both_directions: bool = field(
        default=True, metadata={"help": "read each alignment backwards as well"}
    )
    through_neutral: bool = field(
        default=True,
        metadata={"help": "join emotions that are aligned with neutral alone through it"},
    )
    gates: dict[str, float] | None = field(
        default=None, metadata={"help": "thresholds in place of those the data was made with"}
    )
    flip: float = field(
        default=0.5, metadata={"help": "share of windows that are mirrored, both sides"}
    )
    colour: float = field(
        default=0.2,
        metadata={"help": "largest change of brightness and contrast, alike on both sides"},
    )
    balance: bool = field(
        default=True,
        metadata={"help": "windows of each speaker, and of each two emotions, equally often"},
    )
    per_utterance: int = field(
        default=8, metadata={"help": "windows drawn each time an utterance is read"}
    )
    per_epoch: int | None = field(
        default=None, metadata={"help": "windows in an epoch; null: utterances times per_utterance"}
    )
    shuffle: int = field(
        default=128, metadata={"help": "windows, as JPEG, among which a reader draws the next"}
    )
    access: Access = field(
        default="index", metadata={"help": "read what is needed, or whole shards in order"}
    )
    readers: int | None = field(
        default=None,
        metadata={"help": "streams that windows come from, over all GPUs; null: up to 8"},
    )
    workers: int | None = field(
        default=None,
        metadata={"help": "processes that read, for each GPU; null: as many as are useful"},
    )

    def __post_init__(self) -> None:
        for name in ("per_utterance", "shuffle", "readers", "per_epoch"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} is {value}; it has to be 1 or more")
        if self.workers is not None and self.workers < 0:
            raise ValueError(f"workers is {self.workers}; it is 0 or more")
        if not 0 <= self.flip <= 1 or not 0 <= self.colour < 1:
            raise ValueError(
                f"flip is {self.flip} and colour {self.colour}; both are shares, 0 to 1"
            )
        if self.access not in get_args(Access):
            raise ValueError(f"access {self.access!r} is not one of {', '.join(get_args(Access))}")
        if self.crop not in get_args(Crops):
            raise ValueError(f"crop {self.crop!r} is not one of {', '.join(get_args(Crops))}")
        for name in self.gates or {}:
            if name not in GATE_REASONS:
                raise ValueError(f"{name!r} is no gate; there are {', '.join(GATE_REASONS)}")


@dataclass(frozen=True, slots=True)
class Look:
    """How both sides of a window are changed: mirrored, and each channel by `table` (256, 3) uint8 (None: left as it is)."""

    mirrored: bool = False
    table: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """T frames of one clip against T frames of another.

    `source`, `target`: clip ids. `*_frames`: indices in the clips. `*_jpegs`: the crops' JPEG files. `*_points`: (T, 68, 2)
    float32, pixels of the crop as it was stored, NaN where unknown.
    """

    key: str
    speaker: str
    source: str
    target: str
    source_emotion: str
    target_emotion: str
    crop: Crop
    source_frames: tuple[int, ...]
    target_frames: tuple[int, ...]
    source_jpegs: tuple[bytes, ...] = field(repr=False)
    target_jpegs: tuple[bytes, ...] = field(repr=False)
    source_points: NDArray[np.float32] = field(repr=False)
    target_points: NDArray[np.float32] = field(repr=False)
    look: Look = field(default=Look(), repr=False)

    @property
    def name(self) -> str:
        """For messages: `KEY CLIP[frames] -> CLIP[frames]`."""
        sides = ((self.source, self.source_frames), (self.target, self.target_frames))
        return f"{self.key}: " + " -> ".join(
            f"{clip}[{frames[0]}..{frames[-1]}]" for clip, frames in sides
        )


class Batch(TypedDict):
    """B windows. `source`, `target`: (B, T, 3, H, W) uint8 RGB. `*_points`: (B, T, 68, 2) float32, iBUG order, pixels of these
    frames (pixel (i, j) covers [j, j+1) x [i, i+1)), NaN where unknown. `*_frames`: (B, T) int64. `start`: (B,), the first source
    frame. `name`: for messages."""

    source: torch.Tensor
    target: torch.Tensor
    source_points: torch.Tensor
    target_points: torch.Tensor
    source_frames: torch.Tensor
    target_frames: torch.Tensor
    start: torch.Tensor
    key: list[str]
    speaker: list[str]
    source_clip: list[str]
    target_clip: list[str]
    source_emotion: list[str]
    target_emotion: list[str]
    crop: list[str]
    name: list[str]


def starts(join: Join, frames: int, stride: int = 1) -> NDArray[np.intp]:
    """The source frames at which a window of `frames` frames may begin.

    Every frame shows a face on both sides, no target frame occurs more than twice, and none is reached by a leap.
    """
    n = len(join.source) - (frames - 1) * stride
    if n < 1 or not len(join.target):
        return np.zeros(0, np.intp)
    at = np.arange(n)[:, None] + stride * np.arange(frames)
    to = join.frame_map[at]
    good = (
        join.source.valid[at].all(axis=1)
        & (to >= 0).all(axis=1)
        & join.target.valid[to].all(axis=1)
    )
    if frames > 2:
        good &= (to[:, 2:] > to[:, :-2]).all(axis=1)  # the map never falls
    if frames > 1:
        good &= (
            np.diff(to, axis=1)
            <= _LONGEST_STEP * stride * max(1.0, _rate(join.target) / _rate(join.source))
        ).all(axis=1)
    return np.flatnonzero(good)


def _rate(clip: UtteranceClip) -> float:
    """Frames a second."""
    return (len(clip) - 1) / float(clip.times[-1] - clip.times[0]) if len(clip) > 1 else 1.0


def draw_windows(
    utterance: Utterance,
    count: int,
    config: WindowConfig,
    frames: int,
    stride: int,
    rng: np.random.Generator,
) -> Iterator[Window]:
    """`count` windows of an utterance, or none where it has none: two emotions, two clips of them, a place, and a look, by chance.

    config.balance: any two emotions as often as any other two, however many takes there are of them.
    """
    able = joins(
        utterance,
        config.gates,
        both_directions=config.both_directions,
        through_neutral=config.through_neutral,
    )
    undecided: defaultdict[object, list[Join]] = defaultdict(list)
    for join in able:
        if join.source.crops and join.target.crops:
            undecided[
                frozenset((join.source.emotion, join.target.emotion)) if config.balance else None
            ].append(join)
    names = sorted(undecided, key=lambda name: sorted(name) if isinstance(name, frozenset) else [])
    known: dict[Join, NDArray[np.intp]] = {}
    drawn = 0
    while drawn < count and names:
        group = names[rng.integers(len(names))]
        i = int(rng.integers(len(undecided[group])))
        join = undecided[group][i]
        if join not in known:
            known[join] = starts(join, frames, stride)
        places = known[join]
        if not len(places):
            undecided[group].pop(i)
            if not undecided[group]:
                names.remove(group)
            continue
        start = int(places[rng.integers(len(places))])
        at = start + stride * np.arange(frames)
        crop: Crop = (
            ("face", "mouth")[int(rng.integers(2))] if config.crop == "both" else config.crop
        )
        yield read_window(
            utterance, join.source, at, join.target, join.frame_map[at], crop, _look(config, rng)
        )
        drawn += 1


def _look(config: WindowConfig, rng: np.random.Generator) -> Look:
    mirrored = bool(rng.random() < config.flip)
    chance = rng.uniform(-1, 1, 5)
    if config.colour <= 0:
        return Look(mirrored)
    brightness, contrast, tint = (
        config.colour * chance[0],
        config.colour * chance[1],
        config.colour / 4 * chance[2:],
    )
    grey = np.arange(256.0)[:, None] - 127.5
    return Look(
        mirrored,
        (grey * (1 + contrast) * (1 + tint) + 127.5 * (1 + brightness) + 0.5)
        .clip(0, 255)
        .astype(np.uint8),
    )


def read_window(
    utterance: Utterance,
    source: UtteranceClip,
    source_frames: NDArray[np.integer[Any]],
    target: UtteranceClip,
    target_frames: NDArray[np.integer[Any]],
    crop: Crop,
    look: Look = Look(),
) -> Window:
    """The window of these frames: their JPEG bytes and points are read, nothing is decoded. Raises ShardError."""
    return Window(
        key=utterance.key,
        speaker=f"{utterance.corpus}/{utterance.speaker}",
        source=source.clip_id,
        target=target.clip_id,
        source_emotion=source.emotion,
        target_emotion=target.emotion,
        crop=crop,
        source_frames=tuple(source_frames.tolist()),
        target_frames=tuple(target_frames.tolist()),
        source_jpegs=tuple(source.jpegs(crop, source_frames)),
        target_jpegs=tuple(target.jpegs(crop, target_frames)),
        source_points=_points(source, source_frames, crop),
        target_points=_points(target, target_frames, crop),
        look=look,
    )


def _points(
    clip: UtteranceClip, frames: NDArray[np.integer[Any]], crop: Crop
) -> NDArray[np.float32]:
    """(T, 68, 2), pixels of the crop."""
    transforms = clip.face_transforms if crop == "face" else clip.mouth_transforms
    return points_in_crop(clip.landmarks[frames], transforms[frames])


def points_in_crop(
    landmarks: NDArray[np.floating], transforms: NDArray[np.floating]
) -> NDArray[np.float32]:
    """The 68 points in pixels of the crop, (T, 68, 2). landmarks: (T, N, 2), pixels of the source frame. transforms: (T, 2, 3)."""
    points = ibug68(landmarks).astype(np.float64)
    laid: NDArray[np.float64] = (
        np.einsum("tij,tkj->tki", transforms[:, :, :2], points) + transforms[:, None, :, 2]
    )
    return laid.astype(np.float32)


def collate(windows: Sequence[Window], size: int) -> Batch:
    """The windows decoded, their frames `size` pixels wide and high. Raises ShardError where a picture cannot be decoded."""
    sides = []
    for pictures, points in (("source_jpegs", "source_points"), ("target_jpegs", "target_points")):
        made = [
            _side(window, getattr(window, pictures), getattr(window, points), size)
            for window in windows
        ]
        # (B, T, H, W, 3) in memory, which is what channels-last convolutions want; only the view is (B, T, 3, H, W)
        frames = torch.from_numpy(np.stack([pixels for pixels, _ in made])).permute(0, 1, 4, 2, 3)
        sides.append((frames, torch.from_numpy(np.stack([laid for _, laid in made]))))
    (source, source_points), (target, target_points) = sides
    source_frames = torch.tensor([window.source_frames for window in windows])
    return Batch(
        source=source,
        target=target,
        source_points=source_points,
        target_points=target_points,
        source_frames=source_frames,
        target_frames=torch.tensor([window.target_frames for window in windows]),
        start=source_frames[:, 0].clone(),
        key=[window.key for window in windows],
        speaker=[window.speaker for window in windows],
        source_clip=[window.source for window in windows],
        target_clip=[window.target for window in windows],
        source_emotion=[window.source_emotion for window in windows],
        target_emotion=[window.target_emotion for window in windows],
        crop=[window.crop for window in windows],
        name=[window.name for window in windows],
    )


def _side(
    window: Window, jpegs: Sequence[bytes], points: NDArray[np.float32], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(T, H, W, 3) uint8 RGB and (T, 68, 2) of one side, as the window's look has it."""
    out = np.empty((len(jpegs), size, size, 3), np.uint8)
    side = size
    for i, data in enumerate(jpegs):
        if i and data is jpegs[i - 1]:
            out[i] = out[i - 1]
            continue
        try:
            image = decode_jpeg(data)
        except ValueError as error:
            raise ShardError(f"{window.name}: {error}; run `stccl verify --decode`") from None
        side = image.shape[0]
        if side != size:
            how = cv2.INTER_AREA if size < side else cv2.INTER_LINEAR
            image = cv2.resize(image, (size, size), interpolation=how)
        if window.look.table is not None:
            image = cv2.LUT(image, window.look.table[None])
        out[i] = image[:, ::-1] if window.look.mirrored else image
    laid = points * np.float32(size / side)
    if window.look.mirrored:
        laid = laid[:, MIRROR_68] * np.array([-1, 1], np.float32) + np.array([size, 0], np.float32)
    return out, laid


def batches(windows: Iterable[Window], batch: int, size: int) -> Iterator[Batch]:
    """The windows in order, `batch` at a time; the last batch holds what is left."""
    them = iter(windows)
    while some := list(islice(them, batch)):
        yield collate(some, size)


def evaluation_windows(
    dataset: Dataset,
    split: str,
    frames: int,
    per_pair: int,
    shift: int = 0,
    mode: Mode = "aligned",
    *,
    crop: Crop = "face",
    stride: int = 1,
    room: int = 15,
    gates: Mapping[str, float] | None = None,
    keys: Sequence[str] | None = None,
) -> Iterator[Window]:
    """The same windows of a split's accepted pairs every time: up to `per_pair` of each pair, evenly over it, in a fixed order.

    shift: the target's frames are that many frames away from those that the alignment gives, later where the clip goes on for
    `room` frames and earlier where it does not. The source's frames do not depend on it (up to `room`), nor on the mode, so that
    windows may be compared one by one, by `source`, `target` and first frame. A pair too short for `room` has no windows.
    mode: `other_sentence` puts in the target's place frames of another sentence by the same speaker in the same emotion: those in
    which the mouth is most like the source's in the order of time, as `stccl align --align visual` finds them (where it finds none
    that make a window, frames at the target's pace from about the same part of the clip). Windows without one are left out.
    keys: of these utterances alone.
    """
    room = max(room, abs(shift))
    others = _OtherSentences(dataset, split)
    for key in dataset.keys(split) if keys is None else keys:
        utterance = dataset[key]
        for join in joins(utterance, gates, both_directions=False, through_neutral=False):
            if not (join.source.crops and join.target.crops):
                continue
            for start, sign in _places(join, frames, stride, room, per_pair):
                at = start + stride * np.arange(frames)
                target = join.target
                to: NDArray[np.integer[Any]] = join.frame_map[at] + sign * shift
                if mode == "other_sentence":
                    if (found := others.find(key, join, at, to)) is None:
                        continue
                    target, to = found
                yield read_window(utterance, join.source, at, target, to, crop)


def _places(
    join: Join, frames: int, stride: int, room: int, per_pair: int
) -> list[tuple[int, int]]:
    """(start, sign) of the chosen windows: the target has `room` more valid frames in the direction of `sign`."""
    good = np.concatenate(
        [[0], np.cumsum(join.target.valid)]
    )  # good[b] - good[a]: valid frames in [a, b)
    free: list[tuple[int, int]] = []
    for start in starts(join, frames, stride).tolist():
        low, high = (
            int(join.frame_map[start]),
            int(join.frame_map[start + stride * (frames - 1)]) + 1,
        )
        for sign, a, b in ((1, low, high + room), (-1, low - room, high)):
            if a >= 0 and b <= len(join.target) and good[b] - good[a] == b - a:
                free.append((start, sign))
                break
    if not free:
        return []
    chosen = np.linspace(0, len(free) - 1, per_pair + 2)[1:-1].round().astype(int)
    return [free[i] for i in dict.fromkeys(chosen.tolist())]


class _OtherSentences:
    """Clips of other sentences by the same speaker from the same view, laid on a source as if they were of its sentence."""

    def __init__(self, dataset: Dataset, split: str) -> None:
        self._dataset = dataset
        self._by_speaker: defaultdict[str, list[str]] = defaultdict(list)
        for key in sorted(dataset.keys(split)):
            self._by_speaker[key.rpartition("/")[0]].append(key)
        self._clips: dict[str, list[UtteranceClip]] = {}
        self._joins: dict[tuple[str, str], Join] = {}

    def find(
        self, key: str, join: Join, at: NDArray[np.integer[Any]], to: NDArray[np.integer[Any]]
    ) -> tuple[UtteranceClip, NDArray[np.integer[Any]]] | None:
        """A clip in the target's emotion, of its level if there is one, and the frames of it that stand in the place of `to`.

        at, to: (T,), the window's frames of `join.source` and `join.target`.
        """
        speaker, _, sentence = key.rpartition("/")
        same = [
            k
            for k in self._by_speaker[speaker]
            if k.rpartition("/")[2].partition("+")[0] != sentence.partition("+")[0]
        ]
        clips = [
            clip
            for k in _after(same, key)
            for clip in self._of(k)
            if clip.emotion == join.target.emotion and clip.crops
        ]
        clips.sort(key=lambda clip: clip.level != join.target.level)
        stride = int(at[1] - at[0]) if len(at) > 1 else 1
        for clip in clips:
            laid = self._laid(join.source, clip)
            if at[0] in starts(laid, len(at), stride):
                return clip, laid.frame_map[at]
        for clip in clips:
            if (found := _at_the_pace(clip, join.target, to)) is not None:
                return clip, found
        return None

    def _laid(self, source: UtteranceClip, other: UtteranceClip) -> Join:
        """The join of two clips of different sentences, by the mouth; one without a frame where they cannot be aligned."""
        names = source.clip_id, other.clip_id
        if names not in self._joins:
            try:
                found = align(_mouth(source), _mouth(other), AlignConfig(mode="visual")).frame_map
            except ClipError:
                found = np.full(len(source), -1, np.int32)
            self._joins[names] = Join(source, other, "direct", lambda: found)
        return self._joins[names]

    def _of(self, key: str) -> list[UtteranceClip]:
        if key not in self._clips:
            self._clips[key] = list(self._dataset[key].clips.values())
        return self._clips[key]


def _mouth(clip: UtteranceClip) -> Signals:
    times = np.asarray(clip.times, np.float64)
    return Signals(
        mouth=mouth_features(clip.landmarks, times, clip.valid),
        frame_times=times,
        name=clip.clip_id,
    )


def _at_the_pace(
    clip: UtteranceClip, target: UtteranceClip, frames: NDArray[np.integer[Any]]
) -> NDArray[np.integer[Any]] | None:
    """As many valid frames of `clip`, spaced as `frames` of `target`, from about the same part; None where there are none."""
    offsets = frames - frames[0]
    if (last := len(clip) - 1 - int(offsets[-1])) < 0:
        return None
    firsts = np.flatnonzero(clip.valid[np.arange(last + 1)[:, None] + offsets].all(axis=1))
    if not len(firsts):
        return None
    wanted = frames[0] / max(1, len(target) - 1 - int(offsets[-1])) * last
    found: NDArray[np.integer[Any]] = firsts[np.abs(firsts - wanted).argmin()] + offsets
    return found


def _after(keys: list[str], key: str) -> list[str]:
    """The keys in order, beginning behind `key`, so that not every sentence is compared with the first."""
    return [k for k in keys if k > key] + [k for k in keys if k < key]
