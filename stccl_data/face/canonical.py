"""The canonical face: stable points that carry the crops and the head pose."""

import numpy as np

#: iBUG points that speech hardly moves: eye corners, nose bridge and base. Never jaw or lips, whose
#: motion must stay visible in the crop.
STABLE_68 = np.array([36, 39, 42, 45, 27, 28, 31, 33, 35])
#: iBUG index of the tip of the nose.
NOSE_TIP_68 = 30

#: STABLE_68, then the tip of the nose, on MediaPipe's canonical face model (Apache-2.0):
#: (10, 3) centimetres; x to the subject's left, y up, z towards the camera.
CANONICAL_CM = np.array(
    [
        (-4.45, 2.66, 3.17), (-1.86, 2.59, 3.76), (1.86, 2.59, 3.76), (4.45, 2.66, 3.17),
        (0.0, 3.27, 5.24), (0.0, 2.10, 6.05),
        (-1.41, -1.71, 5.24), (0.0, -2.09, 6.06), (1.41, -1.71, 5.24),
        (0.0, -0.05, 7.41),
    ]
)  # fmt: skip
#: Height of the eye line on that model, the distance of the outer eye corners, and the height of
#: the mouth, in centimetres.
EYE_LINE_CM = 2.66
EYE_DISTANCE_CM = 8.90
MOUTH_CM = -4.4
