"""Where on the face is the correlation high? Cosines of matching tokens at every place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from stccl_data.dataset import Dataset
from stccl_train.config import EvaluateConfig
from stccl_train.data.collate import Batch, collate
from stccl_train.data.windows import WindowShape
from stccl_train.eval.conditions import ControlledWindow, ControlReader
from stccl_train.eval.shift import VERDICT_SHIFT
from stccl_train.eval.verdict import SHIFTED
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.regions import box_mask, region_boxes
from stccl_train.model.token_kinds import TokenKind

#: Windows that the maps are averaged over, spread over the utterances of the split.
MAX_WINDOWS = 60
_BATCH = 4
#: Side of a map, pixels.
SIDE = 56


@dataclass(frozen=True, slots=True)
class WindowResult:
    """One window, and how well its sides match at the mouth."""

    #: utterance and clips
    name: str
    #: mean cosine of matching mouth tokens, over all kinds and layers
    aligned: float
    #: the same with the target shifted by `VERDICT_SHIFT`
    shifted: float
    #: (T, H, W, 3) uint8 RGB
    source: NDArray[np.uint8]
    #: (T, H, W, 3) uint8 RGB
    target: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SimilarityMaps:
    """Mean cosines over the face, by the name of the token kind."""

    #: (SIDE, SIDE) of aligned windows
    aligned: dict[str, NDArray[np.float64]]
    #: (SIDE, SIDE) of the same windows with a shifted target
    shifted: dict[str, NDArray[np.float64]]
    #: (H, W, 3) uint8 RGB, mean source frame
    face: NDArray[np.uint8]
    windows: list[WindowResult]


@torch.no_grad()
def similarity_maps(
    metric: CorrelationMetric, dataset: Dataset, split: str
) -> SimilarityMaps | None:
    """Compare both sides of windows at every place of the feature maps.

    Args:
        metric: in eval mode.
        dataset: the dataset.
        split: of the windows.

    Returns:
        None if the split has no window that is long enough to be shifted.

    Raises:
        ShardError: the dataset is corrupt.
    """
    config = EvaluateConfig(split=split, shifts=(VERDICT_SHIFT,))
    sums: dict[tuple[str, str], NDArray[np.float64]] = {}
    faces, results = np.zeros(()), list[WindowResult]()
    windows = islice(_windows(metric, dataset, config), MAX_WINDOWS)
    while chunk := list(islice(windows, _BATCH)):
        batches = {
            "aligned": collate([window.aligned for window in chunk], metric.config.size),
            "shifted": collate([window.controls[SHIFTED] for window in chunk], metric.config.size),
        }
        means = {}
        for name, batch in batches.items():
            maps, means[name] = _compare(metric, batch)
            for kind, values in maps.items():
                sums[name, kind] = sums.get((name, kind), 0.0) + values.sum(axis=0)
        aligned = batches["aligned"]
        source, target = (_pixels(side) for side in (aligned.source, aligned.target))
        faces = faces + source.mean(axis=1).sum(axis=0)
        scores = zip(means["aligned"], means["shifted"], strict=True)
        for name, (score, control), a, b in zip(aligned.names, scores, source, target, strict=True):
            results.append(WindowResult(name, float(score), float(control), a, b))
    if not results:
        return None
    means_of = {
        name: {kind.name: sums[name, kind.name] / len(results) for kind in metric.kinds}
        for name in ("aligned", "shifted")
    }
    return SimilarityMaps(
        aligned=means_of["aligned"],
        shifted=means_of["shifted"],
        face=(faces / len(results)).astype(np.uint8),
        windows=results,
    )


def _windows(
    metric: CorrelationMetric, dataset: Dataset, config: EvaluateConfig
) -> Iterator[ControlledWindow]:
    """Yield windows that have their shifted control, a few of each utterance in turn."""
    shape = WindowShape(metric.config.frames, metric.config.interval)
    reader = ControlReader(dataset, shape, config)
    keys = dataset.keys(config.split)
    share = max(1, MAX_WINDOWS // max(1, len(keys)))
    for key in keys[:: max(1, len(keys) // MAX_WINDOWS)]:
        yield from [window for window in reader.read(key) if SHIFTED in window.controls][:share]


def _compare(
    metric: CorrelationMetric, batch: Batch
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Return maps (B, SIDE, SIDE) by kind, and the mean at the mouth of each window, (B,)."""
    device = metric.scale.device
    layers = metric.features(batch.source.to(device), batch.target.to(device))
    boxes = region_boxes(batch.source_points, metric.config.size)[:, 0].to(device)
    maps: dict[str, list[Tensor]] = {kind.name: [] for kind in metric.kinds}
    mouth: list[Tensor] = []
    for layer, sides in enumerate(layers):
        height, width = sides[0].shape[-2:]
        mask = box_mask(boxes, height, width, metric.config.size)[:, 1:-1, 1:-1].float()
        for kind in metric.kinds:
            cosines = _cosine_map(metric, kind, layer, sides)
            mouth.append((cosines * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1e-6))
            maps[kind.name].append(_on_face(cosines, height, width))
    means = {
        name: torch.stack(parts).mean(0).double().cpu().numpy() for name, parts in maps.items()
    }
    return means, torch.stack(mouth).mean(0).double().cpu().numpy()


def _cosine_map(
    metric: CorrelationMetric, kind: TokenKind, layer: int, sides: Sequence[Tensor]
) -> Tensor:
    """Return the mean cosine of the matching tokens of each inner place, (B, H - 2, W - 2)."""
    b, _, _, height, width = sides[0].shape
    rows, columns = torch.meshgrid(
        torch.arange(1, height - 1), torch.arange(1, width - 1), indexing="ij"
    )
    places = torch.stack([rows, columns], dim=-1).reshape(1, -1, 2).expand(b, -1, 2)
    places = places.to(sides[0].device)
    z, k = (metric.embed(kind, layer, kind.build(side, places).values) for side in sides)
    cosines = (z.float() * k.float()).sum(-1).mean(1)  # (B, places * tokens)
    return cosines.reshape(b, height - 2, width - 2, kind.tokens_per_place).mean(-1)


def _on_face(cosines: Tensor, height: int, width: int) -> Tensor:
    """Stretch a map of the inner places over the whole crop, (B, SIDE, SIDE)."""
    whole = pad(cosines[:, None], (1, 1, 1, 1), mode="replicate")
    assert whole.shape[-2:] == (height, width)
    return interpolate(whole, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]


def _pixels(frames: Tensor) -> NDArray[np.uint8]:
    """Return (B, T, H, W, 3)."""
    return frames.permute(0, 1, 3, 4, 2).numpy()
