"""ArcFace: a face in 512 numbers, near for one person and far for two."""

from typing import cast

from torch import Tensor, nn

from stccl_train.model.backbone import IResNet


class ArcFace(IResNet):
    """IResNet-50 with its embedding (Deng et al., CVPR 2019).

    State-dict names and shapes as in insightface's ``iresnet50``.
    """

    def __init__(self) -> None:
        super().__init__((3, 4, 14, 3), "zeros")
        self.bn2 = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512 * 7 * 7, 512)
        self.features = nn.BatchNorm1d(512)

    def embed(self, faces: Tensor) -> Tensor:
        """Map (N, 3, 112, 112), RGB in [-1, 1] on ArcFace's template, to (N, 512)."""
        maps = self.bn2(super().forward(faces)[-1])
        return cast(Tensor, self.features(self.fc(maps.flatten(1))))
