"""The ResNet-18 face network with one input channel, whose features the published FAD compares."""

from typing import cast

from torch import Tensor, nn


class ResNetFace(nn.Module):
    """Four stages of two improved residual blocks, without squeeze-and-excitation.

    State-dict names and shapes as in the published ``resnet18_110.pth`` (arcface-pytorch).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv3x3(1, 64)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU()
        self.maxpool = nn.MaxPool2d(2, 2)
        self.layer1 = nn.Sequential(_Block(64, 64, 1), _Block(64, 64, 1))
        self.layer2 = nn.Sequential(_Block(64, 128, 2), _Block(128, 128, 1))
        self.layer3 = nn.Sequential(_Block(128, 256, 2), _Block(256, 256, 1))
        self.layer4 = nn.Sequential(_Block(256, 512, 2), _Block(512, 512, 1))
        self.bn4 = nn.BatchNorm2d(512)
        self.fc5 = nn.Linear(512 * 8 * 8, 512)
        self.bn5 = nn.BatchNorm1d(512)

    def forward(self, faces: Tensor) -> Tensor:
        """Map (N, 1, 128, 128), grey in [-1, 1], to (N, 512)."""
        x = self.maxpool(self.prelu(self.bn1(self.conv1(faces))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return cast(Tensor, self.bn5(self.fc5(self.bn4(x).flatten(1))))


class _Block(nn.Module):
    """BN-Conv-BN-PReLU-Conv-BN; one PReLU, of one slope, serves twice."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(channels_in)
        self.conv1 = _conv3x3(channels_in, channels_in)
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.prelu = nn.PReLU()
        self.conv2 = _conv3x3(channels_in, channels, stride)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        residual = self.prelu(self.bn1(self.conv1(self.bn0(x))))
        return cast(Tensor, self.prelu(self.bn2(self.conv2(residual)) + shortcut))


def _conv3x3(channels_in: int, channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
