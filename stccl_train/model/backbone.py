"""The networks that the metric looks through: frames in, the features of four stages out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

#: ArcFace's embedding on top of the fourth stage. Published files hold it, the metric has no use for it (12.8 M parameters).
_EMBEDDING = ("bn2.", "fc.", "features.")


class Backbone(nn.Module):
    """Four stages of features. `channels`: of each stage; stage l has 1 / 2^l of the frame's height and width."""

    channels: tuple[int, int, int, int]

    def forward(self, frames: Tensor) -> list[Tensor]:
        """frames: (N, 3, H, W) in [-1, 1], RGB. Returns F_l: (N, channels[l], H / 2^(l+1), W / 2^(l+1)), l = 0..3."""
        raise NotImplementedError


class IBasicBlock(nn.Module):
    """The improved residual block of ArcFace (Deng et al. 2019, section 3.1): BN-Conv-BN-PReLU-Conv-BN, stride in the second."""

    def __init__(self, channels_in: int, channels: int, stride: int, padding: str) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = _conv3x3(channels_in, channels, 1, padding)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = _conv3x3(channels, channels, stride, padding)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C_in, H, W). Returns (N, C, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        residual = self.conv1(self.bn1(x))
        residual = self.conv2(self.prelu(self.bn2(residual)))
        return cast(Tensor, self.bn3(residual) + shortcut)


class IResNet(Backbone):
    """ArcFace's residual network without its embedding, under the state-dict names of insightface's `iresnet*`.

    A published file loads with `load_state_dict(..., strict=True)`: the embedding in it is left aside, anything else that is
    missing, unknown or of another shape is an error.
    """

    channels = (64, 128, 256, 512)

    def __init__(self, blocks: tuple[int, int, int, int], padding: str) -> None:
        """blocks: residual blocks of each stage: 2, 2, 2, 2 of iresnet18; 3, 4, 14, 3 of iresnet50."""
        super().__init__()
        self.conv1 = _conv3x3(3, 64, 1, padding)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU(64)
        stages = [
            _stage(a, b, n, padding)
            for a, b, n in zip((64, 64, 128, 256), self.channels, blocks, strict=True)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.register_load_state_dict_pre_hook(_leave_embedding_aside)  # type: ignore[no-untyped-call]

    def forward(self, frames: Tensor) -> list[Tensor]:
        x = self.prelu(self.bn1(self.conv1(frames)))
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


class TinyNet(Backbone):
    """Eight convolutions for CPUs and tests: 0.12 M parameters, a hundredth of iresnet50's work.

    It is normalised by groups of channels, never over the batch: a frame's features are its own business.
    """

    channels = (16, 32, 48, 64)

    def __init__(self, padding: str) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                _conv3x3(a, b, 2, padding),
                nn.GroupNorm(b // 8, b),
                nn.PReLU(b),
                _conv3x3(b, b, 1, padding),
                nn.GroupNorm(b // 8, b),
                nn.PReLU(b),
            )
            for a, b in zip((3, *self.channels[:-1]), self.channels, strict=True)
        )

    def forward(self, frames: Tensor) -> list[Tensor]:
        features = [frames]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]


BACKBONES = ("iresnet50", "iresnet18", "tiny")

#: What lies beyond a map's border. Zeros are what ArcFace was trained with, and they tell a place by how near the border is: on
#: Gaussian noise a fresh iresnet18 at 112 pixels then finds the same place in another picture 7.9 times as often as chance in layer
#: 4 (2.6, 1.8, 1.2 times in the others). Where opposite borders touch, no place of noise differs from another.
PADDINGS = ("circular", "zeros")


def make_backbone(name: str, padding: str = "circular") -> Backbone:
    """A backbone with fresh weights. Raises ValueError for a name that is none of BACKBONES, a padding that is none of PADDINGS."""
    if padding not in PADDINGS:
        raise ValueError(f"padding {padding!r} is not one of {', '.join(PADDINGS)}")
    if name == "iresnet50":
        return IResNet((3, 4, 14, 3), padding)
    if name == "iresnet18":
        return IResNet((2, 2, 2, 2), padding)
    if name == "tiny":
        return TinyNet(padding)
    raise ValueError(f"backbone {name!r} is not one of {', '.join(BACKBONES)}")


def load_weights(backbone: Backbone, path: str | Path) -> None:
    """Load a published file (`.safetensors`, or a state dict that torch saved), strictly. Nothing of the file is executed.

    Raises ValueError with a sentence where the file cannot be read, or is another network's.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file of backbone weights")
    try:
        weights = _read_weights(path)
    except (
        Exception
    ) as error:  # torch and safetensors raise RuntimeError, UnpicklingError, OSError, EOFError, ...
        raise ValueError(
            f"{path} is neither safetensors nor tensors that torch saved ({type(error).__name__})"
        ) from error
    try:
        backbone.load_state_dict(weights)
    except Exception as error:  # what is no state dict raises whatever it leads torch to
        said = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{path} does not hold the weights of this {type(backbone).__name__}: {said}"
        ) from error


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


class CircularConv2d(nn.Conv2d):
    """A 3 x 3 convolution of a map whose opposite borders touch: what moves by a stride moves in the result by one, nothing else.

    `padding_mode="circular"` does the same and loses the channels-last order on the way, which costs a seventh more time on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C_in, H, W). Returns (N, C, H / stride, W / stride), rounded up."""
        x = torch.cat([x[..., -1:], x, x[..., :1]], dim=-1)
        x = torch.cat([x[..., -1:, :], x, x[..., :1, :]], dim=-2)
        return functional.conv2d(x, self.weight, None, self.stride)


def _conv3x3(channels_in: int, channels: int, stride: int, padding: str) -> nn.Conv2d:
    if padding == "circular":
        return CircularConv2d(channels_in, channels, 3, stride, bias=False)
    return nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)


def _stage(channels_in: int, channels: int, blocks: int, padding: str) -> nn.Sequential:
    first = IBasicBlock(channels_in, channels, 2, padding)
    return nn.Sequential(
        first, *(IBasicBlock(channels, channels, 1, padding) for _ in range(1, blocks))
    )


def _leave_embedding_aside(_module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name in [
        name for name in state if name.startswith(tuple(prefix + part for part in _EMBEDDING))
    ]:
        del state[name]
