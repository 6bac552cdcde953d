"""The picture of the dataset card: moments of accepted pairs, each source above its target."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.layout import CARD_PICTURE
from stccl_data.dataset.members import ShardError
from stccl_data.dataset.reader import Dataset, open_dataset
from stccl_data.dataset.tables import Row, read_pairs
from stccl_data.dataset.utterance import Pair
from stccl_data.files.atomic import replace_bytes
from stccl_data.media.jpeg import decode_jpeg
from stccl_data.media.webp import encode_webp

#: Pairs of the picture, and moments of each.
_PAIRS, _MOMENTS = 3, 8
#: Side of a face, and height of the gap between two pairs, pixels.
_SIDE, _GAP = 96, 8


def write_card_picture(out: Path) -> bool:
    """Draw accepted pairs of different speakers into OUT.

    The same dataset gives the same bytes. If no accepted pair has crops, an existing picture is
    removed. Pairs whose shard is missing or damaged are skipped.

    Returns:
        Whether there is a picture.

    Raises:
        ShardError: the tables or the index cannot be read.
    """
    columns = ["source", "target", "speaker", "target_emotion", "accepted", "cost"]
    rows = [row for row in read_pairs(out, columns) if row["accepted"]]
    strips = list(_draw_strips(open_dataset(out), _choose(rows)))
    if not strips:
        (out / CARD_PICTURE).unlink(missing_ok=True)
        return False
    gap = np.full((_GAP, _SIDE * _MOMENTS, 3), 255, np.uint8)
    parts = [part for strip in strips for part in (gap, strip)][1:]
    replace_bytes(out / CARD_PICTURE, encode_webp(np.vstack(parts)))
    return True


def _choose(rows: Sequence[Row]) -> list[Row]:
    """Choose pairs of different speakers, and if possible emotions: of each those that fit best."""
    chosen: list[Row] = []
    speakers = sorted({row["speaker"] for row in rows})
    for speaker in speakers[:: max(1, len(speakers) // _PAIRS)][:_PAIRS]:
        shown = {row["target_emotion"] for row in chosen}
        of_speaker = [row for row in rows if row["speaker"] == speaker]
        chosen.append(min(of_speaker, key=lambda row: _preference(row, shown)))
    return chosen


def _preference(row: Row, shown: set[str]) -> tuple[bool, float, str, str]:
    cost = np.inf if row["cost"] is None else row["cost"]
    return row["target_emotion"] in shown, cost, row["source"], row["target"]


def _draw_strips(dataset: Dataset, rows: Sequence[Row]) -> Iterator[NDArray[np.uint8]]:
    """Yield the strip of each pair that has face crops; skip pairs whose shard cannot be read."""
    for row in rows:
        try:
            pair = dataset.find_pair(row["source"], row["target"])
            if all("face" in clip.crops for clip in (pair.source, pair.target)):
                yield _draw_strip(pair)
        except ShardError:
            continue


def _draw_strip(pair: Pair) -> NDArray[np.uint8]:
    """Draw moments spread over the frames that both clips have, source above target."""
    frames = np.flatnonzero(pair.frame_map >= 0)
    moments = frames[np.linspace(0, len(frames) - 1, _MOMENTS).round().astype(int)]
    rows = []
    for clip, chosen in ((pair.source, moments), (pair.target, pair.frame_map[moments])):
        jpegs = clip.jpegs("face")
        faces = [
            cv2.resize(decode_jpeg(jpegs[i]), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
            for i in chosen
        ]
        rows.append(np.hstack(faces))
    return np.asarray(np.vstack(rows), np.uint8)
