"""Draw a pair: frames of the side-by-side video, and the sheet of moments."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset import Pair
from stccl_data.media.jpeg import decode_jpeg

Image = NDArray[np.uint8]

#: Sides of a crop in the video and on the sheet, and height of the line of text above, pixels.
VIDEO_TILE, SHEET_TILE, LABEL = 384, 200, 32
#: (H, W) of the video, pixels.
VIDEO_SIZE = (LABEL + 2 * VIDEO_TILE, 2 * VIDEO_TILE)

_WHITE, _RED = (255, 255, 255), (255, 96, 96)


class Tiles:
    """The crops of a pair's clips as square tiles, decoded on demand."""

    def __init__(self, pair: Pair, side: int) -> None:
        """side: pixels."""
        self._side = side
        self._jpegs = {
            (clip.name, crop): clip.jpegs(crop)
            for clip in (pair.source, pair.target)
            for crop in ("face", "mouth")
        }
        self.get = lru_cache(maxsize=8)(self._decode)

    def _decode(self, clip: str, crop: str, i: int) -> Image:
        """Return frame i of a clip, (side, side, 3); black if i is negative."""
        if i < 0:
            return np.zeros((self._side, self._side, 3), np.uint8)
        image = decode_jpeg(self._jpegs[clip, crop][i])
        tile: Image = cv2.resize(image, (self._side, self._side), interpolation=cv2.INTER_CUBIC)
        return tile


def draw_video_frame(pair: Pair, i: int, tiles: Tiles) -> Image:
    """Draw source frame i beside its target frame, VIDEO_SIZE x 3 uint8 RGB."""
    labels = []
    for clip, frame in ((pair.source, int(i)), (pair.target, int(pair.frame_map[i]))):
        if frame < 0:
            label = _label(f"{clip.name}  no frame", VIDEO_TILE, _RED)
        else:
            valid = clip.valid[frame]
            text = f"{clip.name}  {clip.times[frame]:.2f} s  frame {frame}"
            text += "" if valid else "  no face"
            label = _label(text, VIDEO_TILE, _WHITE if valid else _RED)
        labels.append(label)
    return np.vstack([np.hstack(labels), draw_crops(pair, i, tiles)])


def draw_crops(pair: Pair, i: int, tiles: Tiles) -> Image:
    """Draw source frame i beside its target frame, faces above mouths: two tiles by two."""
    source, target = (pair.source.name, int(i)), (pair.target.name, int(pair.frame_map[i]))
    rows = [
        np.hstack([tiles.get(clip, crop, frame) for clip, frame in (source, target)])
        for crop in ("face", "mouth")
    ]
    return np.vstack(rows)


def draw_sheet(pair: Pair, moments: int) -> Image:
    """Draw moments spread evenly over the source, in two rows, (H, W, 3) uint8 RGB.

    Each moment is a column: source face, target face, source mouth, target mouth, below their
    times.
    """
    tiles = Tiles(pair, SHEET_TILE)
    count = min(moments, len(pair.source))
    indices = np.linspace(0, len(pair.source) - 1, count).round().astype(int)
    columns = [_draw_column(pair, int(i), tiles) for i in indices]
    half = -(-len(columns) // 2)
    columns += [np.zeros_like(columns[0])] * (2 * half - len(columns))
    body = np.vstack([np.hstack(columns[:half]), np.hstack(columns[half:])])
    names = f"{pair.source.name} and {pair.target.name}"
    title = f"{names}: faces, then mouths; seconds of source > target"
    return np.vstack([_label(title, body.shape[1]), body])


def _draw_column(pair: Pair, i: int, tiles: Tiles) -> Image:
    j = int(pair.frame_map[i])
    target_time = f"{pair.target.times[j]:.2f}" if j >= 0 else "-"
    valid = pair.source.valid[i] and j >= 0 and pair.target.valid[j]
    colour = _WHITE if valid else _RED
    label = _label(f"{pair.source.times[i]:.2f} > {target_time}", SHEET_TILE, colour)
    crops = [
        tiles.get(pair.source.name, "face", i),
        tiles.get(pair.target.name, "face", j),
        tiles.get(pair.source.name, "mouth", i),
        tiles.get(pair.target.name, "mouth", j),
    ]
    return np.vstack([label, *crops])


def _label(text: str, width: int, colour: tuple[int, int, int] = _WHITE) -> Image:
    """Draw a line of text, (LABEL, width, 3); smaller if it would not fit."""
    image = np.zeros((LABEL, width, 3), np.uint8)
    font, scale, margin = cv2.FONT_HERSHEY_SIMPLEX, 0.55, 10
    text_width = cv2.getTextSize(text, font, scale, 1)[0][0]
    scale *= min(1.0, (width - 2 * margin) / max(text_width, 1))
    cv2.putText(image, text, (margin, LABEL - 10), font, scale, colour, 1, cv2.LINE_AA)
    return image
