"""SyncNet: embeds five frames of a mouth, and the sound of their 0.2 s, into one space."""

from typing import cast

from torch import Tensor, nn


class SyncNet(nn.Module):
    """The two-stream network of Chung and Zisserman, "Out of Time" (ACCV workshops 2016).

    State-dict names and shapes as in the published ``syncnet_v2.model``; 1024 numbers a side.
    """

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_conv2d(1, 64),
            nn.MaxPool2d(1, 1),
            *_conv2d(64, 192),
            nn.MaxPool2d(3, (1, 2)),
            *_conv2d(192, 384),
            *_conv2d(384, 256),
            *_conv2d(256, 256),
            nn.MaxPool2d(3, 2),
            *_conv2d(256, 512, (5, 4), 0),
        )
        self.netfcaud = _embedding()
        self.netfclip = _embedding()
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, 96, (5, 7, 7), 2, 0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(96, 256, (1, 5, 5), 2, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(256, 512, (1, 6, 6), 1, 0),
        )

    def embed_sound(self, cepstra: Tensor) -> Tensor:
        """Map (N, 1, 13, 20), 20 MFCC vectors of 13 numbers, to (N, 1024)."""
        return cast(Tensor, self.netfcaud(self.netcnnaud(cepstra).flatten(1)))

    def embed_mouth(self, frames: Tensor) -> Tensor:
        """Map (N, 3, 5, 224, 224), BGR in 0-255, to (N, 1024)."""
        return cast(Tensor, self.netfclip(self.netcnnlip(frames).flatten(1)))


def _conv2d(
    channels_in: int, channels: int, kernel: tuple[int, int] = (3, 3), padding: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(channels_in, channels, kernel, padding=padding)
    return [conv, nn.BatchNorm2d(channels), nn.ReLU()]


def _conv3d(
    channels_in: int, channels: int, kernel: tuple[int, int, int], stride: int, padding: int
) -> list[nn.Module]:
    spatial = (1, stride, stride), (0, padding, padding)
    conv = nn.Conv3d(channels_in, channels, kernel, *spatial)
    return [conv, nn.BatchNorm3d(channels), nn.ReLU()]


def _embedding() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))
