"""How much the pixels of a window vary, by which its part of a loss is multiplied.

Tokens are differences of features, compared by their direction alone. So a window of twice the
variation, a face of more contrast or one that moves more, has the same value, and half the gradient
at its pixels; that of a mean L1 is the same for both. Multiplied by the variation, a value pulls at
any face as hard as it does at those that it was calibrated on. Only pixels that are pulled count: a
mean over few of them pulls harder at each.
"""

from typing import NamedTuple

from torch import Tensor

from stccl_train.model.token_kinds import TokenKind


class Variation(NamedTuple):
    """Root mean square of how far the pixels of each window are from a mean.

    Over all pixels; those that are not pulled count as 0.
    """

    #: (B,), from the mean of the frame: what single frames are compared by.
    space: Tensor
    #: (B,), from their own mean over time: what motion is compared by; 0 for a single frame.
    time: Tensor

    @classmethod
    def of(cls, frames: Tensor, pulled: Tensor | None) -> "Variation":
        """Measure windows.

        Args:
            frames: (B, T, 3, H, W).
            pulled: (B, H, W) bool, the pixels that are pulled; None for all.
        """
        frames = frames.float()
        if pulled is None:
            pulled = frames.new_ones(len(frames), *frames.shape[-2:])
        weight = pulled.to(frames)[:, None, None]
        count = weight.sum((-2, -1), keepdim=True).clamp_min(1)
        middle = (frames * weight).sum((-2, -1), keepdim=True) / count
        space, time = (
            ((frames - mean).square() * weight).mean((1, 2, 3, 4)).sqrt()
            for mean in (middle, frames.mean(1, keepdim=True))
        )
        return cls(space, time)

    def by(self, kind: TokenKind) -> Tensor:
        """Return the variation that tokens of a kind are made of, (B,)."""
        return self.time if kind.needs_several_frames else self.space
