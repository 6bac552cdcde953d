"""Head pose of a canonical face turned by known angles."""

import numpy as np
import pytest

from stccl_data.face.canonical import CANONICAL_CM, NOSE_TIP_68, STABLE_68
from stccl_data.face.pose import head_pose


def projected_face(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Turn the canonical face by these degrees and view it from far away: (1, 68, 2) pixels."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    turned = CANONICAL_CM @ (about_z @ about_y @ about_x).T
    points = np.zeros((1, 68, 2))
    points[0, [*STABLE_68, NOSE_TIP_68]] = turned[:, :2] * [30, -30] + 500
    return points


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"),
    [(0, 0, 0), (25, 0, 0), (-40, 0, 0), (0, 15, 0), (0, -20, 0), (0, 0, 18)],
)
def test_head_pose_recovers_known_angles(yaw: float, pitch: float, roll: float) -> None:
    pose = head_pose(projected_face(yaw, pitch, roll))
    np.testing.assert_allclose(
        [pose.yaw[0], pose.pitch[0], pose.roll[0]], [yaw, pitch, roll], atol=0.5
    )
