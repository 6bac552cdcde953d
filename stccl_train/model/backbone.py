"""The backbones: networks that turn frames into features of four stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from stccl_data.errors import UsageError
from stccl_train.config import BackboneName, Padding

#: ArcFace's embedding layers above the fourth stage: in published files, unused here (12.8 M
#: parameters).
_EMBEDDING = ("bn2.", "fc.", "features.")


class Backbone(nn.Module):
    """A network of four stages, each of half the height and width of the one before."""

    #: Channels of each stage.
    channels: tuple[int, int, int, int]

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Compute the features of all stages.

        Args:
            frames: (N, 3, H, W) RGB in [-1, 1].

        Returns:
            F_l: (N, channels[l], H / 2^(l+1), W / 2^(l+1)) for l = 0..3.
        """
        raise NotImplementedError


class IBasicBlock(nn.Module):
    """The improved residual block of ArcFace (Deng et al. 2019, section 3.1).

    BN-Conv-BN-PReLU-Conv-BN; the second convolution has the stride.
    """

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
        """Map (N, C_in, H, W) to (N, C, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        residual = self.conv1(self.bn1(x))
        residual = self.conv2(self.prelu(self.bn2(residual)))
        return cast(Tensor, self.bn3(residual) + shortcut)


class IResNet(Backbone):
    """ArcFace's residual network without its embedding, with insightface's state-dict names.

    Published files of `iresnet*` load with ``load_state_dict(..., strict=True)``: their embedding
    is ignored; anything else that is missing, unknown or of another shape is an error.

    Args:
        blocks: residual blocks of each stage: 2, 2, 2, 2 for iresnet18; 3, 4, 14, 3 for iresnet50.
        padding: one of `PADDINGS`.
    """

    channels = (64, 128, 256, 512)

    def __init__(self, blocks: tuple[int, int, int, int], padding: str) -> None:
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
        self.register_load_state_dict_pre_hook(_drop_embedding)  # type: ignore[no-untyped-call]

    def forward(self, frames: Tensor) -> list[Tensor]:
        """See `Backbone.forward`."""
        x = self.prelu(self.bn1(self.conv1(frames)))
        features = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features


class TinyNet(Backbone):
    """Eight convolutions for CPUs and tests: 0.12 M parameters, a hundredth of iresnet50's work.

    Normalised over groups of channels, never over the batch, so that a frame's features depend on
    that frame alone.
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
        """See `Backbone.forward`."""
        features = [frames]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]


BACKBONES: tuple[BackboneName, ...] = get_args(BackboneName)

#: What lies beyond a map's border. ArcFace was trained with zeros, but they reveal a place by its
#: distance from the border: on Gaussian noise a fresh iresnet18 at 112 pixels then finds the same
#: place in an unrelated frame 7.9 times as often as chance in layer 4 (2.6, 1.8, 1.2 times in the
#: others). With circular padding opposite borders touch: no place of noise differs from another.
PADDINGS: tuple[Padding, ...] = get_args(Padding)


def map_sides(size: int) -> tuple[int, ...]:
    """Return the height and width of the features of each stage, of frames of ``size`` pixels."""
    sides = [size]
    for _ in range(4):
        sides.append(-(-sides[-1] // 2))
    return tuple(sides[1:])


def make_backbone(name: str, padding: str = "circular") -> Backbone:
    """Build a backbone with fresh weights.

    Args:
        name: one of `BACKBONES`.
        padding: one of `PADDINGS`.

    Raises:
        UsageError: unknown name or padding.
    """
    if padding not in PADDINGS:
        raise UsageError(f"unknown padding {padding!r}; choose one of {', '.join(PADDINGS)}")
    if name == "iresnet50":
        return IResNet((3, 4, 14, 3), padding)
    if name == "iresnet18":
        return IResNet((2, 2, 2, 2), padding)
    if name == "tiny":
        return TinyNet(padding)
    raise UsageError(f"unknown backbone {name!r}; choose one of {', '.join(BACKBONES)}")


def load_weights(backbone: Backbone, path: str | Path) -> None:
    """Load published weights strictly, without executing anything in the file.

    Args:
        backbone: receives the weights.
        path: ``.safetensors``, or a state dict saved by torch.

    Raises:
        UsageError: the file is missing, unreadable, or of another network.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give the path of published backbone weights")
    try:
        weights = _read_weights(path)
    # torch and safetensors raise RuntimeError, UnpicklingError, OSError, EOFError, ...
    except Exception as error:
        raise UsageError(
            f"{path}: neither safetensors nor a state dict saved by torch ({type(error).__name__})"
        ) from error
    try:
        backbone.load_state_dict(weights)
    # For an object that is not a state dict torch raises errors of any type.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"{path}: not the weights of this {type(backbone).__name__} ({reason})"
        ) from error


def _read_weights(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    weights: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


class CircularConv2d(nn.Conv2d):
    """A 3 x 3 convolution with circular padding.

    Shifting its input by a stride shifts its result by one and changes nothing else.
    ``padding_mode="circular"`` computes the same but loses the channels-last memory order, which
    takes a seventh more time on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, H, W) to (N, C, H / stride, W / stride), rounded up."""
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


def _drop_embedding(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    if hasattr(module, "fc"):  # the whole ArcFace network
        return
    names = tuple(prefix + name for name in _EMBEDDING)
    for name in [name for name in state if name.startswith(names)]:
        del state[name]
