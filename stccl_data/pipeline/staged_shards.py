"""Write shards beside those that are in use, so that `work/` need not keep what shards hold.

Each shard is recorded when it is finished, and with `drop_work` the crops and sound of its clips
are deleted from `work/` at once: a run needs space for them once, and for one shard more. A run
that was killed goes on after the last recorded shard.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stccl_data.dataset.layout import LABELS, utterance_of
from stccl_data.dataset.sample import SampleContent
from stccl_data.dataset.shard_writer import ShardFile, ShardWriter
from stccl_data.dataset.staging import Staging
from stccl_data.pipeline.records import ClipRow, PairRow
from stccl_data.pipeline.run import PrepareError
from stccl_data.progress import Progress


@dataclass(frozen=True, slots=True)
class UtteranceContent:
    """What the shards hold of one utterance."""

    key: str
    split: str
    #: the extracted clips, sorted by id
    clips: Sequence[ClipRow]
    #: clip id -> name within the utterance
    names: Mapping[str, str]
    #: the aligned pairs
    pairs: Sequence[PairRow]


#: Returns key and members of the samples of an utterance.
MakeSamples = Callable[[UtteranceContent], Iterator[tuple[str, SampleContent]]]


class StagedSplit:
    """The shards of one split, written into the staging folder."""

    def __init__(self, staging: Staging, split: str, shard_bytes: int, drop_work: bool) -> None:
        """Continue after the shards that earlier runs have finished."""
        self._staging, self._drop_work = staging, drop_work
        existing = staging.finished(split)
        self._writer = ShardWriter(staging.folder, split, shard_bytes, existing)
        self._recorded = len(existing)
        #: the keys in the finished shards, in order
        self._keys = [line["key"] for file in existing for line in file.index]
        self._last_is_complete = not existing or _is_last_part(staging.folder, existing[-1])
        self._pending: list[tuple[UtteranceContent, set[str]]] = []

    def missing(self, utterances: Sequence[UtteranceContent]) -> list[UtteranceContent]:
        """Return the utterances that are not wholly in finished shards."""
        stored = {utterance_of(key) for key in self._keys}
        if not self._last_is_complete:
            stored.discard(utterance_of(self._keys[-1]))
        return [utterance for utterance in utterances if utterance.key not in stored]

    def write(
        self, utterances: Iterable[UtteranceContent], samples: MakeSamples, progress: Progress
    ) -> list[ShardFile]:
        """Write the missing utterances. Returns all shards of the split."""
        existing = set(self._keys)
        try:
            for utterance in utterances:
                keys = set()
                for key, content in samples(utterance):
                    keys.add(key)
                    if key not in existing:
                        self._writer.add(key, content)
                self._pending.append((utterance, keys))
                self._record(self._writer.finished)
                progress.step()
        except BaseException:
            self._writer.abandon()
            raise
        files = self._writer.close()
        self._record(files)
        return files

    def _record(self, files: Sequence[ShardFile]) -> None:
        """Record new finished shards, and drop the frames of the utterances that they complete."""
        new = files[self._recorded :]
        self._recorded = self._staging.record(files, self._recorded)
        self._keys += [line["key"] for file in new for line in file.index]
        if not new or not self._drop_work:
            return
        for file in new:
            check_written(self._staging.folder / file.path, file.sha256)
        stored = set(self._keys)
        complete = [utterance for utterance, keys in self._pending if keys <= stored]
        self._pending = [(u, keys) for u, keys in self._pending if not keys <= stored]
        drop_frames(complete)


def _is_last_part(folder: Path, file: ShardFile) -> bool:
    """Tell whether the last sample of a shard is the last part of its utterance."""
    offset, size = file.index[-1]["members"][LABELS]
    with (folder / file.path).open("rb") as shard:
        shard.seek(offset)
        labels = json.loads(shard.read(size))
    return bool(labels["part"] == labels["parts"])


def drop_frames(utterances: Iterable[UtteranceContent]) -> None:
    """Delete the crops and sound of clips from `work/`; the shards must have them."""
    for utterance in utterances:
        for row in utterance.clips:
            assert row.artefact is not None
            row.artefact.drop_frames()


def check_written(shard: Path, sha256: str) -> None:
    """Read a shard again. Raises PrepareError if the disk did not keep what was written."""
    with shard.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise PrepareError(
                f"{shard} is not what was written, so nothing is dropped from work: check the disk"
            )
