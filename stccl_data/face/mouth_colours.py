"""Whether the mouth can be seen, by the colours of the lips and of the skin around them.

The landmark network places a mouth behind a hand, a microphone or a mask, too. Two things tell:
when something comes before the mouth, the colours there change by far more than speech, light and
turns of the head change them; and what covers the mouth has no lips.
"""

import numpy as np
from numpy.typing import NDArray

from stccl_data.landmarks import ibug68

#: Points of the outer contour of the lips, without the corners, and for each the point of the inner
#: contour that faces it (iBUG); the quarters of the mouth, as indices of them.
_OUTER = np.array([49, 50, 51, 52, 53, 55, 56, 57, 58, 59])
_INNER = np.array([60, 61, 62, 63, 64, 64, 65, 66, 67, 60])
_QUARTERS = np.array([(0, 1, 2), (2, 3, 4), (5, 6, 7), (7, 8, 9)])
#: Where between the two contours the lips are sampled; and the skin, at multiples of the outer
#: contour seen from the middle of the mouth.
_ACROSS = (0.35, 0.5, 0.65)
_AROUND = (1.4, 1.55, 1.7)
#: Pairs of points (iBUG), and shares of the way from the first to the second, where the upper face
#: is sampled, which no hand before the mouth covers: the bridge of the nose and the cheeks beside
#: it, in whose light the mouth is seen.
_UPPER = (
    (27, 27, 0), (28, 28, 0), (29, 29, 0), (30, 30, 0), (39, 42, 0.5),
    (31, 41, 0.5), (35, 46, 0.5), (40, 31, 0.35), (47, 35, 0.35),
)  # fmt: skip
#: Added to grey levels, so that the colour of dark pixels does not count.
_DARK = 4.0

#: Two frames show the same mouth if their colours differ by less than this (in clear clips by 0.64
#: at most from the frame in their middle, with a hand before the mouth by about 1.5) ...
_SAME_MOUTH = 0.8
#: ... and their lips differ from the skin alike: cosine of the two differences, times the ratio of
#: the smaller to the larger (in clear clips 0.52 at least, with a hand about 0).
_SAME_LIPS = 0.3
#: Lips differ from the skin by more than this in the median of the frames: at least by 0.16 in
#: clear clips of nine people, by 0.01 in what covers a mouth evenly.
_LIPS = 0.08
#: Fewer frames tell nothing.
_MIN_FRAMES = 5
#: Most frames that all others are compared with.
_MAX_COMPARED = 64


def _sampled_points() -> NDArray[np.float32]:
    """Return weights that make the sampled points of the 68: six rings of ten, then the face."""
    unit = np.eye(68, dtype=np.float32)
    outer, inner, middle = unit[_OUTER], unit[_INNER], unit[48:].mean(axis=0)
    lips = [outer + share * (inner - outer) for share in _ACROSS]
    skin = [middle + factor * (outer - middle) for factor in _AROUND]
    upper = [unit[a] + share * (unit[b] - unit[a]) for a, b, share in _UPPER]
    return np.concatenate([*lips, *skin, upper])


_SAMPLED = _sampled_points()


def mouth_colours(image: NDArray[np.uint8], points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Sample the colours at the mouth, in about 0.04 ms.

    Args:
        image: (H, W, 3) uint8 RGB.
        points: (K, 2) landmarks, pixels of the image.

    Returns:
        (8, 3) float32: natural logarithm of red, green and blue of the lips' quarters and of the
        skin next to them, less that of the upper face: the same in any light.
    """
    height, width = image.shape[:2]
    x, y = (_SAMPLED @ ibug68(points)).astype(np.intp).T
    pixels = image[y.clip(0, height - 1), x.clip(0, width - 1)] + np.float32(_DARK)
    rings = pixels[: -len(_UPPER)].reshape(2, 3, len(_OUTER), 3).mean(axis=1)
    quarters = rings[:, _QUARTERS].mean(axis=2).reshape(8, 3)
    return np.asarray(np.log(quarters / pixels[-len(_UPPER) :].mean(axis=0)), np.float32)


def mouth_visible(colours: NDArray[np.float32]) -> float | None:
    """Measure in how many frames the mouth can be seen.

    Args:
        colours: (N, 8, 3), `mouth_colours` of each frame with a face.

    Returns:
        The share of the frames that show the same lips as one of them, the one that gives the
        largest share; 0 if none shows lips, None for fewer than 5 frames.
    """
    if len(colours) < _MIN_FRAMES:
        return None
    flat, lips = colours.reshape(len(colours), -1), _contrast(colours)
    squares = np.square(lips).sum(axis=1)
    compared = slice(None, None, -(-len(colours) // _MAX_COMPARED))
    # Not SciPy's cdist, which is slow to import.
    similar = np.stack([np.linalg.norm(flat - one, axis=1) for one in flat[compared]]) < _SAME_MOUTH
    similar &= lips[compared] @ lips.T >= _SAME_LIPS * np.maximum.outer(squares[compared], squares)
    return max(float(s.mean()) if np.median(squares[s]) >= _LIPS**2 else 0.0 for s in similar)


def _contrast(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return by how much the colour of the lips differs from that of the skin, (N, 3)."""
    return np.asarray((colours[:, :4] - colours[:, 4:]).mean(axis=1))
