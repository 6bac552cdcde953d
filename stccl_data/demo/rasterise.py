"""Rasterise a textured triangle mesh."""

import numba
import numpy as np


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def rasterise(
    positions: np.ndarray, sources: np.ndarray, triangles: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    """Find the texture pixel that every frame pixel shows.

    If triangles overlap, the last one is visible.

    Args:
        positions: (V, 2) float64, the vertices in frame pixels.
        sources: (V, 2) float64, the vertices in texture pixels.
        triangles: (T, 3) int32, vertex indices.
        size: side of the frame, pixels.

    Returns:
        Two (size, size) float32 maps for cv2.remap, x and y; -1 outside all triangles.
    """
    map_x = np.full((size, size), -1.0, np.float32)
    map_y = np.full((size, size), -1.0, np.float32)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by = positions[a, 0], positions[a, 1], positions[b, 0], positions[b, 1]
        cx, cy = positions[c, 0], positions[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        left = max(0, int(np.floor(min(ax, bx, cx))))
        right = min(size - 1, int(np.ceil(max(ax, bx, cx))))
        top = max(0, int(np.floor(min(ay, by, cy))))
        bottom = min(size - 1, int(np.ceil(max(ay, by, cy))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                v = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
                w = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
                u = 1.0 - v - w
                if u >= -1e-9 and v >= -1e-9 and w >= -1e-9:
                    map_x[y, x] = u * sources[a, 0] + v * sources[b, 0] + w * sources[c, 0]
                    map_y[y, x] = u * sources[a, 1] + v * sources[b, 1] + w * sources[c, 1]
    return map_x, map_y
