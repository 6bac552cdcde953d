"""Train an image translator on pairs: neutral frames become those of another emotion.

The L1 compares with the frames of the pair's other clip that correspond in time. Two takes never
move the lips alike, and an alignment is a frame off here and there, so what the L1 alone learns is
between them; the loss says what the source's lips do in each frame.

    python examples/emotion_translator.py OUT RUN --weight 1
    python examples/emotion_translator.py OUT RUN --weight 0  # without the loss

prints the mean L1 and how the lips follow the source's on held-out speakers.
"""

from collections.abc import Sequence

import numpy as np
import torch
from clips import PairedWindow, read_pairs
from image_renderer import UNet, opening, read_options
from torch import Tensor, nn
from torch.nn import functional

from stccl_data.errors import ClipError
from stccl_train import STCCLLoss


class Translator(nn.Module):
    """Draws frames (N, 3, H, W) in [-1, 1] anew, in an emotion."""

    def __init__(self, emotions: Sequence[str]) -> None:
        super().__init__()
        self.emotions = emotions
        self.unet = UNet(channels_in=3 + len(emotions))

    def forward(self, frames: Tensor, emotion: str) -> Tensor:
        wanted = frames.new_zeros(len(frames), len(self.emotions), *frames.shape[-2:])
        wanted[:, self.emotions.index(emotion)] = 1
        return self.unet(torch.cat([frames, wanted], 1))


def train(out: str, crit: STCCLLoss, steps: int, seed: int) -> Translator:
    torch.manual_seed(seed)
    c = crit.config
    pairs = read_pairs(out, "train", c.frames, c.interval, c.size)
    model = Translator(sorted({pair.emotion for pair in pairs}))
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        pair = recolour(pairs[int(torch.randint(len(pairs), ()))])
        generated = model(pair.source, pair.emotion)
        loss = functional.l1_loss(generated, pair.target)
        if crit.weight:
            loss = loss + crit(pair.source[None], generated[None], source_points=pair.points[None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)
    return model


def recolour(pair: PairedWindow) -> PairedWindow:
    """Change the colours of both sides alike: there are few speakers to learn from."""
    gains = 0.75 + 0.35 * torch.rand(3, 1, 1)
    source, target = (((x + 1) * gains - 1).clamp(-1, 1) for x in (pair.source, pair.target))
    return pair._replace(source=source, target=target)


@torch.no_grad()
def evaluate(
    model: Translator, crit: STCCLLoss, out: str, split: str, most: int
) -> dict[str, float]:
    """Compare drawn frames: mean L1 to the target, and lips with the source's by a landmarker."""
    l1, correlations = [], []
    c = crit.config
    pairs = read_pairs(out, split, c.frames, c.interval, c.size)
    for pair in pairs[:: -(-len(pairs) // most)]:
        drawn = model(pair.source, pair.emotion)
        l1.append(functional.l1_loss(drawn, pair.target).item())
        try:
            theirs, ours = (opening(side, 1 / c.interval) for side in (pair.source, drawn))
        except ClipError:  # no face in any frame
            continue
        correlations.append(float(np.corrcoef(theirs, ours)[0, 1]))
    return {"l1": float(np.mean(l1)), "lip_correlation": float(np.nanmean(correlations or np.nan))}


def main() -> None:
    a = read_options(__doc__, weight=1.0, steps=400)
    crit = STCCLLoss.from_run(a.run, weight=a.weight)
    model = train(a.out, crit, a.steps, a.seed)
    print(a.weight, a.seed, evaluate(model, crit, a.out, a.split, a.windows))


if __name__ == "__main__":
    main()
