"""Landmarks made up for tests."""

import torch


def mouth_points(b: int = 3, t: int = 4) -> torch.Tensor:
    """Return (b, t, 68, 2) iBUG points of a 64-pixel frame with mouth and eyes at known places.

    Lips lie within x 24..40, y 40..52, eyes within x 12..52, y 16..24, brows at (32, 14); the other
    points are random.
    """
    points = torch.rand(b, t, 68, 2) * 64
    points[:, :, 48:68, 0] = torch.linspace(24.0, 40.0, 20)
    points[:, :, 48:68, 1] = torch.linspace(40.0, 52.0, 20)
    points[:, :, 36:48, 0] = torch.linspace(12.0, 52.0, 12)
    points[:, :, 36:48, 1] = torch.linspace(16.0, 24.0, 12)
    points[:, :, 17:27] = torch.tensor([32.0, 14.0])
    return points
