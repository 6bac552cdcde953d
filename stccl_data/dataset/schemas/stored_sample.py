"""What the reader needs of a sample, whichever schema stores it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from stccl_data.dataset.members import ByteRange

#: Scores by name; None for those that could not be computed.
Scores = Mapping[str, float | int | bool | str | None]


@dataclass(frozen=True, slots=True)
class SampleParts:
    """Where parts of a sample lie in its members, as index.jsonl lists them; empty in schema 1."""

    #: array of clips.npz -> place of its values in that member
    arrays: Mapping[str, ByteRange] = field(default_factory=dict)
    #: name of a clip -> suffix of a member -> place of the clip's bytes in that member
    clips: Mapping[str, Mapping[str, ByteRange]] = field(default_factory=dict)


class StoredSample(Protocol):
    """One sample. Clips are given by name, pairs by their number in KEY.json.

    Methods that read raise ShardError, which names the member.
    """

    #: path or URL of the shard, for messages
    shard: str

    def labels(self) -> Mapping[str, Any]:
        """Return KEY.json: `clips` as a mapping by name, `pairs` as a list, None if unknown."""

    def clip_arrays(self, clip: str, names: Collection[str]) -> dict[str, NDArray[Any]]:
        """Return arrays of a clip with their natural shapes, those that exist.

        Without the tracked face there is `times` alone. `face_offsets` and `mouth_offsets` count
        from the first byte of the clip's crops.
        """

    def clip_scores(self, clip: str) -> Scores:
        """Return the scores of a clip."""

    def crop_sizes(self, clip: str) -> Mapping[str, int]:
        """Return the bytes of each crop that is stored of a clip."""

    def read_crop(self, clip: str, crop: str, start: int, stop: int) -> bytes:
        """Return bytes [start, stop) of a clip's crops, as the offsets count them."""

    def has_sound(self, clip: str) -> bool:
        """Tell whether the sound of a clip is stored."""

    def read_sound(self, clip: str) -> bytes:
        """Return the sound of a clip as a FLAC file."""

    def pair_arrays(self, pair: int) -> dict[str, NDArray[Any]]:
        """Return the arrays of a pair by the names in PATH_ARRAYS, those that exist."""

    def pair_scores(self, pair: int) -> Scores:
        """Return the scores of a pair."""

    def parts(self) -> SampleParts:
        """Return where the arrays and the clips lie in the members."""

    def place(self, clip: str, what: str) -> str:
        """Return how messages name a part of a clip: `npz`, `face.mjpg`, `mouth.mjpg`, `flac`."""

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the sample beyond its clips and pairs, for `verify`."""
