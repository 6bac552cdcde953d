"""What a reader hands out: an utterance, its clips and the pairs between them, each array read when it is first asked for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import EMOTIONS, parse_emotion
from stccl_data.dataset.layout import PAIR_ARRAYS, SCHEMA, pair_name
from stccl_data.dataset.members import MAX_JSON_BYTES, Members, ShardError, member_arrays
from stccl_data.dataset.verify.rules import CROPS, clip_faults, pair_faults
from stccl_data.media.jpeg import decode_jpeg

Crop = Literal["face", "mouth"]
Score = float | str | None

#: (source clip id, target clip id) -> (accepted, reason), where a table beside the shards has the last word.
Decisions = Mapping[tuple[str, str], tuple[bool, str | None]]

_NOT_SCORES = {"source", "target", "accepted", "reason"}


@dataclass(frozen=True, eq=False)
class UtteranceClip:
    """One recording within an utterance.

    `name`: within the utterance (`angry-3-t001`). `clip_id`: as in clips.parquet. `fps`: nominal; the frames' times are in
    `times`. `n_frames`, `width`, `height` (pixels of the source frame), `duration_s` and `audio_rate` (Hz): None where not known.
    `scores`: face_rate, eye_distance, ... (docs/shards.md); None where a score could not be had.
    """

    name: str
    clip_id: str
    emotion: str
    level: int
    take: int
    fps: Fraction | None
    n_frames: int | None
    width: int | None
    height: int | None
    duration_s: float | None
    audio_rate: int | None
    scores: Mapping[str, float | None] = field(repr=False)
    _members: Members = field(repr=False)

    def __len__(self) -> int:
        """Frames; 0 for a clip that is sound alone."""
        return len(self.times)

    @property
    def crops(self) -> tuple[str, ...]:
        """The crops there are: face and mouth, or none (`--crops none`, sound alone)."""
        return tuple(crop for crop in CROPS if f"{self.name}.{crop}.mjpg" in self._members.sizes)

    @property
    def has_audio(self) -> bool:
        """Whether the sound is in the shard (`--audio`)."""
        return f"{self.name}.flac" in self._members.sizes

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = member_arrays(
            self._members.read(f"{self.name}.npz"), f"{self._members.where}: {self.name}.npz"
        )
        sizes = {crop: self._members.sizes[f"{self.name}.{crop}.mjpg"] for crop in self.crops}
        for fault in clip_faults(arrays, self.n_frames, sizes):
            raise ShardError(f"{self._members.where}: {self.name}.npz: {fault}; run `stccl verify`")
        return arrays

    @property
    def times(self) -> NDArray[np.float64]:
        """(N,) presentation times, seconds on the clock of the file that the clip was read from."""
        return self._arrays["times"]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(N,) bool: a face was found in this very frame. A frame without one is kept, so that indices are the video's.
        All False where the face was not followed (`--crops none`)."""
        return self._arrays.get("valid", np.zeros(len(self), np.bool_))

    @property
    def landmarks(self) -> NDArray[np.float32]:
        """(N, K, 2), smoothed, pixels of the source frame; NaN where no face. K is 478 (MediaPipe) or 68 (FAN).
        N is 0 here, and in the transforms, where the face was not followed."""
        return self._arrays.get("landmarks", np.empty((0, 0, 2), np.float32))

    @property
    def face_transforms(self) -> NDArray[np.float64]:
        """(N, 2, 3), source pixels -> face crop pixels; NaN where there is no crop."""
        return self._arrays.get("face_transforms", np.empty((0, 2, 3)))

    @property
    def mouth_transforms(self) -> NDArray[np.float64]:
        """(N, 2, 3), source pixels -> mouth crop pixels; NaN where there is no crop."""
        return self._arrays.get("mouth_transforms", np.empty((0, 2, 3)))

    def jpeg(self, crop: Crop, i: int) -> bytes:
        """The JPEG file of frame i; only its bytes are read. Raises IndexError outside [0, N), ShardError without crops."""
        return self.jpegs(crop, [i])[0]

    def jpegs(
        self, crop: Crop, indices: Sequence[int] | NDArray[np.integer[Any]] | None = None
    ) -> list[bytes]:
        """The JPEG files of these frames (all by default), in the order given, frames may repeat.

        Frames that follow one another are fetched by one read. Raises IndexError, ShardError, as `jpeg`.
        """
        if crop not in CROPS:
            raise ValueError(f"crop {crop!r} is not one of {', '.join(CROPS)}")
        if crop not in self.crops:
            raise ShardError(
                f"{self.clip_id} has no {crop} crops in {self._members.where}; it was prepared without pictures"
            )
        wanted = range(len(self)) if indices is None else [int(i) for i in indices]
        for i in wanted:
            if not 0 <= i < len(self):
                raise IndexError(f"frame {i} of {self.clip_id}, which has {len(self)}")
        offsets = self._arrays[f"{crop}_offsets"].tolist()
        pictures: dict[int, bytes] = {}
        for first, last in _runs(wanted):
            data = self._members.read(f"{self.name}.{crop}.mjpg", offsets[first], offsets[last + 1])
            for i in range(first, last + 1):
                pictures[i] = data[offsets[i] - offsets[first] : offsets[i + 1] - offsets[first]]
        return [pictures[i] for i in wanted]

    def frames(
        self, crop: Crop = "face", indices: Sequence[int] | NDArray[np.integer[Any]] | None = None
    ) -> NDArray[np.uint8]:
        """These frames' crops (all by default) as (n, H, W, 3) uint8 RGB; black where there is no face.

        Only the frames named are read and decoded. Raises IndexError, ShardError, as `jpeg`.
        """
        pictures = self.jpegs(crop, indices)
        if not pictures:
            return np.zeros((0, 0, 0, 3), np.uint8)
        try:
            return np.stack([decode_jpeg(picture) for picture in pictures])
        except ValueError as error:
            raise ShardError(
                f"{self._members.where}: {self.name}.{crop}.mjpg: {error}; run `stccl verify --decode`"
            ) from None

    def audio(self) -> tuple[NDArray[np.float32], int]:
        """The sound: (S,) float32 mono in [-1, 1], and its rate in Hz. Sample i is heard at i / rate on the clock of `times`.

        Raises ShardError where the dataset holds no sound (`stccl prepare --audio` keeps it).
        """
        if not self.has_audio:
            raise ShardError(
                f"{self.clip_id} has no sound in {self._members.where}; `stccl prepare --audio` keeps it"
            )
        return decode_flac(
            self._members.read(f"{self.name}.flac"), f"{self._members.where}: {self.name}.flac"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Pair:
    """Two clips of an utterance in different emotions, laid on each other in time.

    `accepted`: every gate passed; otherwise `reason` is the code (`stccl_data.errors`). `scores`: cost, content_score,
    duration_ratio, longest_repeat, diagonal_fraction, local_slope, and `mode`, what the pair was aligned by.
    """

    source: UtteranceClip
    target: UtteranceClip
    accepted: bool
    reason: str | None
    scores: Mapping[str, Score]
    _load: Callable[[str], dict[str, NDArray[Any]]]

    def __repr__(self) -> str:
        return f"Pair({self.source.clip_id} -> {self.target.clip_id}, {'accepted' if self.accepted else self.reason})"

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        name = pair_name(self.source.name, self.target.name)
        arrays = self._load(name)
        for fault in pair_faults(arrays, len(self.source), len(self.target)):
            raise ShardError(
                f"{self.source.clip_id} -> {self.target.clip_id}: {fault}; run `stccl verify`"
            )
        return arrays

    @property
    def frame_map(self) -> NDArray[np.int32]:
        """(n_source,): for each source frame the target frame; never falling; -1 where the target has no frames."""
        return self._arrays["frame_map"]

    @property
    def source_time(self) -> NDArray[np.float64]:
        """(K,) seconds, strictly ascending: the warping path. `np.interp(t, pair.source_time, pair.target_time)` maps times."""
        return self._arrays["source_time"]

    @property
    def target_time(self) -> NDArray[np.float64]:
        """(K,) seconds, never falling: where the path leads."""
        return self._arrays["target_time"]


@dataclass(frozen=True, eq=False)
class Utterance:
    """All recordings of one sentence by one speaker from one view, and the pairs between them.

    `key`: the sample's (`mead/M003/front/s009`). An utterance of very many takes is stored in `parts` samples, `part` counts from
    1 and the key of the others ends in `+p2`, `+p3`, ...: each is an Utterance of its own, with the reference clips repeated.
    `text`: what is said, where known. `clips`: by name. `split`: None where the stream does not know.
    """

    key: str
    corpus: str
    speaker: str
    view: str
    sentence: str
    text: str | None
    part: int
    parts: int
    clips: Mapping[str, UtteranceClip] = field(repr=False)
    _pairs: Sequence[Mapping[str, Any]] = field(repr=False)
    _members: Members = field(repr=False)
    _decisions: Callable[[str], Decisions] | None = field(default=None, repr=False)

    def pairs(
        self, source: str | None = None, target: str | None = None, accepted: bool | None = True
    ) -> list[Pair]:
        """The pairs from an emotion to another (any where None), in the order stored.

        accepted: True (default) those that passed every gate, False those refused, None both. Where the dataset has its
        pairs.parquet, that table decides what is accepted; a stream of bare tars goes by what was decided when it was written.
        Raises ValueError for an unknown emotion.
        """
        source, target = _emotion(source), _emotion(target)
        decisions = self._decisions(self.key) if self._decisions is not None else {}
        found = []
        for record in self._pairs:
            clips = self.clips[record["source"]], self.clips[record["target"]]
            if source not in (None, clips[0].emotion) or target not in (None, clips[1].emotion):
                continue
            verdict = decisions.get(
                (clips[0].clip_id, clips[1].clip_id), (record["accepted"], record["reason"])
            )
            if accepted is None or verdict[0] == accepted:
                scores = {name: value for name, value in record.items() if name not in _NOT_SCORES}
                found.append(
                    Pair(
                        clips[0],
                        clips[1],
                        verdict[0],
                        verdict[1],
                        MappingProxyType(scores),
                        self._pair_arrays,
                    )
                )
        return found

    @cached_property
    def _path_bytes(self) -> bytes:
        return self._members.read("pairs.npz")

    def _pair_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        names = {f"{name}.{part}": part for part in PAIR_ARRAYS}
        arrays = member_arrays(
            self._path_bytes, f"{self._members.where}: {self.key}.pairs.npz", names
        )
        return {names[full]: array for full, array in arrays.items()}


def parse_utterance(
    key: str, members: Members, decisions: Callable[[str], Decisions] | None = None
) -> Utterance:
    """The utterance that KEY.json describes. Raises ShardError where it is not as stccl writes it."""
    what = f"{members.where}: {key}.json"
    if "json" not in members.sizes:
        raise ShardError(f"{what} is missing; run `stccl verify`")
    if members.sizes["json"] > MAX_JSON_BYTES:
        raise ShardError(
            f"{what} has {members.sizes['json']:,} bytes, more than any that stccl writes"
        )
    try:
        record = json.loads(members.read("json"))
        schema = _value(record, "schema", int)
        if schema > SCHEMA:
            raise ShardError(
                f"{what} has schema {schema}; this stccl reads up to {SCHEMA}: install a newer stccl"
            )
        if _value(record, "key", str) != key:
            raise ValueError(f"it names itself {record['key']}")
        clips = {
            name: _clip(name, clip, members) for name, clip in _value(record, "clips", dict).items()
        }
        pairs = [_checked_pair(pair, clips) for pair in _value(record, "pairs", list)]
        return Utterance(
            key=key,
            corpus=_value(record, "corpus", str),
            speaker=_value(record, "speaker", str),
            view=_value(record, "view", str),
            sentence=_value(record, "sentence", str),
            text=_optional(record, "text", str),
            part=_value(record, "part", int),
            parts=_value(record, "parts", int),
            clips=MappingProxyType(clips),
            _pairs=pairs,
            _members=members,
            _decisions=decisions,
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise ShardError(f"{what} is not as stccl writes it: {error}; run `stccl verify`") from None


def decode_flac(data: bytes, what: str) -> tuple[NDArray[np.float32], int]:
    """(S,) float32 mono in [-1, 1] and the rate in Hz. `what` names the member in the ShardError that other bytes raise."""
    import io

    import av

    try:
        with av.open(io.BytesIO(data), "r", format="flac") as container:
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate)
            blocks = [
                b for frame in container.decode(stream) for b in resampler.resample(frame)
            ] + resampler.resample(None)
            rate = int(stream.rate)
    except (av.FFmpegError, IndexError) as error:
        raise ShardError(
            f"{what} is no FLAC sound ({error}); run `stccl verify --decode`"
        ) from None
    samples = (
        np.concatenate([block.to_ndarray()[0] for block in blocks])
        if blocks
        else np.empty(0, np.float32)
    )
    return samples.astype(np.float32, copy=False), rate


def _clip(name: str, record: Mapping[str, Any], members: Members) -> UtteranceClip:
    fps = _optional(record, "fps", str)
    scores = _value(record, "scores", dict)
    return UtteranceClip(
        name=name,
        clip_id=_value(record, "clip_id", str),
        emotion=_value(record, "emotion", str),
        level=_value(record, "level", int),
        take=_value(record, "take", int),
        fps=None if fps is None else Fraction(fps),
        n_frames=_optional(record, "n_frames", int),
        width=_optional(record, "width", int),
        height=_optional(record, "height", int),
        duration_s=_optional(record, "duration_s", float),
        audio_rate=_optional(record, "audio_rate", int),
        scores=MappingProxyType({score: _optional(scores, score, float) for score in scores}),
        _members=members,
    )


def _checked_pair(
    record: Mapping[str, Any], clips: Mapping[str, UtteranceClip]
) -> Mapping[str, Any]:
    for side in ("source", "target"):
        if _value(record, side, str) not in clips:
            raise ValueError(f"a pair names the clip {record[side]}, which is not there")
    _value(record, "accepted", bool)
    _optional(record, "reason", str)
    return record


T = TypeVar("T")


def _value(record: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """record[name], which has to be of this kind (a whole number may stand for a float). Raises ValueError."""
    if not isinstance(record, dict) or name not in record:
        raise ValueError(f"{name} is missing")
    value = record[name]
    if kind is float and type(value) is int:
        return float(value)  # type: ignore[return-value]
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r}")
    return value


def _optional(record: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    return None if record.get(name) is None else _value(record, name, kind)


def _emotion(word: str | None) -> str | None:
    if word is None:
        return None
    emotion = parse_emotion(word)
    if emotion is None:
        raise ValueError(f"emotion {word!r} is not one of {', '.join(EMOTIONS)}")
    return emotion


def _runs(indices: Sequence[int] | range) -> list[tuple[int, int]]:
    """The indices as stretches (first, last) of neighbours."""
    stretches: list[tuple[int, int]] = []
    for i in sorted(set(indices)):
        if stretches and i == stretches[-1][1] + 1:
            stretches[-1] = stretches[-1][0], i
        else:
            stretches.append((i, i))
    return stretches
