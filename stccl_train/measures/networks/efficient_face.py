"""EfficientFace: an expression network, whose features the published CSIM compares."""

from typing import cast

import torch
from torch import Tensor, nn

#: Side of the four patches that the local branch looks at, in a map of 56 x 56.
_PATCH = 28


class EfficientFace(nn.Module):
    """A ShuffleNet with a local branch and a modulator (Zhao, Liu and Zhou, AAAI 2021).

    State-dict names and shapes as in ``EfficientFace_Trained_on_AffectNet7.pth.tar``, its
    classifier of seven expressions included; features are what enters the classifier.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv_bn(3, 29, 3, 2, 1)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.stage2 = _stage(29, 116, 4)
        self.stage3 = _stage(116, 232, 8)
        self.stage4 = _stage(232, 464, 4)
        self.local = _LocalBranch(29, 116)
        self.modulator = _Modulator(116)
        self.conv5 = _conv_bn(464, 1024, 1, 1, 0)
        self.fc = nn.Linear(1024, 7)

    def forward(self, faces: Tensor) -> Tensor:
        """Map (N, 3, 224, 224), RGB standardised by channel, to (N, 1024)."""
        x = self.maxpool(self.conv1(faces))
        x = self.modulator(self.stage2(x)) + self.local(x)
        x = self.conv5(self.stage4(self.stage3(x)))
        return cast(Tensor, x.mean((2, 3)))


class _Shuffle(nn.Module):
    """A ShuffleNet V2 unit; with stride 2 both halves are convolved."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        half = channels // 2
        self.stride = stride
        if stride == 2:
            self.branch1 = nn.Sequential(
                _depthwise(channels_in, channels_in, stride),
                nn.BatchNorm2d(channels_in),
                *_conv_bn(channels_in, half, 1, 1, 0),
            )
        self.branch2 = nn.Sequential(
            *_conv_bn(channels_in if stride == 2 else half, half, 1, 1, 0),
            _depthwise(half, half, stride),
            nn.BatchNorm2d(half),
            *_conv_bn(half, half, 1, 1, 0),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 2:
            halves = self.branch1(x), self.branch2(x)
        else:
            kept, changed = x.chunk(2, dim=1)
            halves = kept, self.branch2(changed)
        # Interleave the channels of both halves.
        return torch.stack(halves, dim=2).flatten(1, 2)


class _LocalBranch(nn.Module):
    """Four quadrants of the map, each through depthwise convolutions of its own."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        for quadrant in range(1, 5):
            for step, (a, stride) in enumerate(((channels_in, 2), (channels, 1)), 1):
                self.add_module(f"conv{quadrant}_{step}", _depthwise(a, channels, stride))
                self.add_module(f"bn{quadrant}_{step}", nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        first, second = slice(0, _PATCH), slice(_PATCH, 2 * _PATCH)
        # Quadrants are numbered down the columns.
        places = ((first, first), (second, first), (first, second), (second, second))
        quadrants = []
        for number, (rows, columns) in enumerate(places, 1):
            y = x[:, :, rows, columns]
            for step in (1, 2):
                conv = self.get_submodule(f"conv{number}_{step}")
                y = torch.relu(self.get_submodule(f"bn{number}_{step}")(conv(y)))
            quadrants.append(y)
        left, right = torch.cat(quadrants[:2], dim=2), torch.cat(quadrants[2:], dim=2)
        return torch.cat([left, right], dim=3)


class _Modulator(nn.Module):
    """Weighs channels and places of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel_att = _ChannelGate(channels)
        self.spatial_att = _SpatialGate(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.channel_att(x) * self.spatial_att(x)) * x


class _ChannelGate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        few = channels // 16
        self.gate_c = nn.Sequential()
        self.gate_c.add_module("flatten", nn.Flatten())
        self.gate_c.add_module("gate_c_fc_0", nn.Linear(channels, few))
        self.gate_c.add_module("gate_c_bn_1", nn.BatchNorm1d(few))
        self.gate_c.add_module("gate_c_relu_1", nn.ReLU())
        self.gate_c.add_module("gate_c_fc_final", nn.Linear(few, channels))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.gate_c(x.mean((2, 3)))[:, :, None, None])


class _SpatialGate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        few = channels // 16
        self.gate_s = nn.Sequential()
        self.gate_s.add_module("gate_s_conv_reduce0", nn.Conv2d(channels, few, 1))
        self.gate_s.add_module("gate_s_bn_reduce0", nn.BatchNorm2d(few))
        self.gate_s.add_module("gate_s_relu_reduce0", nn.ReLU())
        for i in range(2):
            dilated = nn.Conv2d(few, few, 3, padding=4, dilation=4)
            self.gate_s.add_module(f"gate_s_conv_di_{i}", dilated)
            self.gate_s.add_module(f"gate_s_bn_di_{i}", nn.BatchNorm2d(few))
            self.gate_s.add_module(f"gate_s_relu_di_{i}", nn.ReLU())
        self.gate_s.add_module("gate_s_conv_final", nn.Conv2d(few, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.gate_s(x))


def _conv_bn(
    channels_in: int, channels: int, kernel: int, stride: int, padding: int
) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels, kernel, stride, padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


def _depthwise(channels_in: int, channels: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False, groups=channels_in)


def _stage(channels_in: int, channels: int, units: int) -> nn.Sequential:
    first = _Shuffle(channels_in, channels, 2)
    return nn.Sequential(first, *(_Shuffle(channels, channels, 1) for _ in range(units - 1)))
