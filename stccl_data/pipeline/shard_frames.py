"""The crops and sound of clips: from `work/`, or from the shards after `--drop-work`."""

from collections.abc import Iterable
from pathlib import Path

from stccl_data.dataset import Dataset, ShardError, Utterance, open_dataset
from stccl_data.dataset.layout import CROPS
from stccl_data.pipeline.artefacts import DamagedArtefactError
from stccl_data.pipeline.clip_artefact import ClipFrames
from stccl_data.pipeline.records import ClipRow


def lacks_frames(row: ClipRow) -> bool:
    """Tell whether a clip has crops or sound that `work/` no longer has."""
    assert row.artefact is not None
    return any(row.frames["bytes"]) and not row.artefact.has_frames


class FrameSource:
    """Where the crops and sound of the clips of a run are read from."""

    def __init__(self, out: Path) -> None:
        """Take the shards of OUT into account, if it has a dataset."""
        self._out = out
        self._clips: dict[str, tuple[str, str]] | None = None
        self._dataset: Dataset | None = None

    def frames(self, row: ClipRow) -> ClipFrames:
        """Return the crops and sound of a clip.

        Raises:
            DamagedArtefactError: they are lost; the clip has been made to be extracted again.
        """
        assert row.artefact is not None
        if not lacks_frames(row):
            return row.artefact.frames()
        try:
            utterance, name = self._place(row.clip.clip_id)
            stored = utterance.stored
            sizes = stored.crop_sizes(name)
            crops = {crop: stored.read_crop(name, crop, 0, size) for crop, size in sizes.items()}
            sound = stored.read_sound(name) if stored.has_sound(name) else b""
            frames = ClipFrames(crops, sound)
            if frames.identity() == row.frames:
                return frames
        except (ShardError, KeyError):
            pass
        raise forget_lost([row])

    def lost(self, rows: Iterable[ClipRow]) -> list[ClipRow]:
        """Return the clips whose frames are neither in `work/` nor, by size, in the shards."""
        return [row for row in rows if lacks_frames(row) and not self._is_stored(row)]

    def _is_stored(self, row: ClipRow) -> bool:
        try:
            utterance, name = self._place(row.clip.clip_id)
            crops = utterance.stored.crop_sizes(name)
            sound = utterance.stored.has_sound(name)
        except (ShardError, KeyError):
            return False
        *of_crops, of_sound = row.frames["bytes"]
        return [crops.get(crop, 0) for crop in CROPS] == of_crops and sound == bool(of_sound)

    def _place(self, clip_id: str) -> tuple[Utterance, str]:
        """Return the utterance that holds a clip, and the clip's name. Raises KeyError."""
        if self._clips is None:
            self._clips = {}
            self._dataset = open_dataset(self._out)
            for key in self._dataset.keys(None):
                for name, clip in self._dataset[key].clips.items():
                    self._clips[clip.clip_id] = key, name
        key, name = self._clips[clip_id]
        assert self._dataset is not None
        return self._dataset[key], name


def forget_lost(rows: list[ClipRow]) -> DamagedArtefactError:
    """Remove the artefacts of clips whose frames are lost, so that they are extracted again.

    Returns:
        The error to raise.
    """
    paths = []
    for row in rows:
        assert row.artefact is not None
        row.artefact.path.unlink(missing_ok=True)
        paths.append(str(row.artefact.path))
    return DamagedArtefactError(
        paths[0],
        f"the crops of {len(rows):,} clips were dropped from work and are not in the shards, the "
        f"first of {rows[0].clip.path}: the clips are extracted again",
    )
