"""Does a trained metric mean anything? It is asked on speakers it never saw, beside everything that should not pass.

Conditions: `aligned`, `shifted_N` (the target's frames N later or earlier), `other_sentence` (same speaker, same emotion, its mouth
aligned with the source's as well as it can be), `noise` (Gaussian, both sides) and `noise_elsewhere` (a token of noise beside that
of another place: what chance comes to). Stages: `after` (with heads), `before` (the same formula on the backbone's own tokens),
`untrained` (fresh heads, and a fresh backbone where the backbone was trained) and `untrained_before`. Places are drawn evenly over
the face, whatever training did, and are the same for every condition and stage.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_data.dataset import Dataset, open_dataset
from stccl_train.config import EvaluateConfig
from stccl_train.data.collate import collate
from stccl_train.data.controls import evaluation_windows
from stccl_train.data.windows import Window, WindowShape
from stccl_train.eval.statistics import (
    ALL_REGIONS,
    MEASURES,
    STAGES,
    VERDICT_SHIFT,
    VIEWS,
    Evaluation,
)
from stccl_train.model.contrast import Similarities, compare, retrieval
from stccl_train.model.export import load_metric, trained_speakers
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.regions import box_mask, region_boxes
from stccl_train.model.tokens import unit
from stccl_train.train.distributed import usable_device

#: Borders of the histograms of cosines.
BINS = np.linspace(-1, 1, 101)


def evaluate(
    run: str | Path | CorrelationMetric,
    out: str | Path | Dataset,
    config: EvaluateConfig | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Evaluate the metric of a run on a split of a prepared dataset: speakers that it never saw.

    run: the folder that `stccl train` wrote, or a metric. device: auto, cpu, cuda, ... progress: called with the utterances done,
    from 0, and all.
    Raises MetricError, ShardError; ValueError for a split that there is not, or without a window that is long enough.
    """
    config = config or EvaluateConfig()
    metric = (
        (run if isinstance(run, CorrelationMetric) else load_metric(run))
        .to(usable_device(device))
        .eval()
    )
    dataset = out if isinstance(out, Dataset) else open_dataset(out)
    keys = dataset.keys(config.split)
    if len(keys) > config.utterances:
        keys = [
            keys[i] for i in np.linspace(0, len(keys) - 1, config.utterances).round().astype(int)
        ]
    seen = () if isinstance(run, CorrelationMetric) else trained_speakers(run)
    counts = _Counts(metric, untrained(metric, config.seed), config)
    told = progress or (lambda done, total: None)
    told(0, len(keys))
    for number, key in enumerate(keys, start=1):
        conditions = _conditions(dataset, key, metric, config)
        for first in range(0, len(conditions["aligned"]), config.batch):
            counts.add(
                {
                    name: windows[first : first + config.batch]
                    for name, windows in conditions.items()
                }
            )
        told(number, len(keys))
    if not counts.windows:
        raise ValueError(
            f"no pair of the split {config.split!r} of {dataset.path} has windows of {metric.config.frames} frames, "
            f"{metric.config.stride} apart, and {max(config.shifts)} frames more to shift by; look at fewer --shifts"
        )
    return counts.evaluation(seen)


def untrained(metric: CorrelationMetric, seed: int = 0) -> CorrelationMetric:
    """The metric as it was before training: fresh heads; a frozen backbone keeps its weights, a trained one gets fresh ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = CorrelationMetric(metric.config, metric.freeze_backbone)
    if metric.freeze_backbone:
        fresh.backbone.load_state_dict(metric.backbone.state_dict())
    return fresh.to(metric.scale.device).eval()


Windows = Sequence[Window | None]


def _conditions(
    dataset: Dataset, key: str, metric: CorrelationMetric, config: EvaluateConfig
) -> dict[str, list[Window | None]]:
    """The aligned windows of an utterance, and beside each what stands in its target's place; None where there is nothing."""

    def read(shift: int = 0, *, other: bool = False) -> list[Window]:
        found = evaluation_windows(
            dataset,
            config.split,
            WindowShape(metric.config.frames, metric.config.stride),
            config.per_pair,
            shift=shift,
            other_sentence=other,
            crop=config.crop,
            margin=max(config.shifts),
            keys=[key],
        )
        return list(found)

    aligned = read()
    conditions: dict[str, list[Window | None]] = {"aligned": list(aligned)}
    conditions |= {f"shifted_{shift}": list(read(shift)) for shift in config.shifts}
    others = read(other=True)  # in the order of the aligned ones, some left out
    beside: list[Window | None] = []
    for window in aligned:
        fits = bool(others) and _source(others[0]) == _source(window)
        beside.append(others.pop(0) if fits else None)
    return conditions | {"other_sentence": beside}


def _source(window: Window) -> tuple[str, int, str]:
    return window.source.clip_id, window.source.frames[0], window.target.emotion


class _Counts:
    """What is found, summed over tokens, pair by pair."""

    def __init__(
        self, trained: CorrelationMetric, fresh: CorrelationMetric, config: EvaluateConfig
    ) -> None:
        self.trained, self.fresh, self.config = trained, fresh, config
        self.device = trained.scale.device
        shifted = (f"shifted_{shift}" for shift in config.shifts)
        self.conditions = ("aligned", *shifted, "other_sentence", "noise", "noise_elsewhere")
        self.layers = len(trained.backbone.channels)
        self.windows = 0
        self.sums: dict[tuple[str, str, str, str], NDArray[np.float64]] = {}
        self.histograms: dict[str, dict[str, NDArray[np.int64]]] = {
            kind.name: {} for kind in trained.kinds
        }

    def evaluation(self, seen: Collection[str]) -> Evaluation:
        """seen: speakers that the metric was trained on, as corpus/speaker."""
        found = {speaker for _, _, speaker, _ in self.sums}
        return Evaluation(
            seen=tuple(sorted(found.intersection(seen))),
            kinds=tuple(kind.name for kind in self.trained.kinds),
            conditions=self.conditions,
            layers=self.layers,
            pairs=tuple(self.sums),
            windows=self.windows,
            sums=np.stack(list(self.sums.values())),
            histograms=self.histograms,
            bins=BINS,
        )

    @torch.no_grad()
    def add(self, conditions: dict[str, Windows]) -> None:
        """A few aligned windows, and what stands in the place of their targets."""
        aligned = [window for window in conditions["aligned"] if window is not None]
        size, b = self.trained.config.size, len(aligned)
        batch = collate(aligned, size)
        boxes = region_boxes(batch.source_points, size).to(self.device)
        sources, targets = (
            [batch.source.to(self.device)],
            {"aligned": (torch.arange(b), batch.target)},
        )
        for name, windows in conditions.items():
            there = [i for i, window in enumerate(windows) if window is not None]
            if name != "aligned" and there:
                found = collate([window for window in windows if window is not None], size)
                targets[name] = torch.tensor(there), found.target
        noise = torch.stack(
            [_noise(self.config.seed, self.windows + i, batch.source.shape[1:]) for i in range(b)],
            dim=1,
        )
        sources.append(noise[0].to(self.device))
        targets["noise"] = torch.arange(b), noise[1]
        sides = [*sources, *(frames.to(self.device) for _, frames in targets.values())]
        for stages, metric in ((STAGES[:2], self.trained), (STAGES[2:], self.fresh)):
            for layer, (source, noisy, *others) in enumerate(_features(metric, sides)):
                for name, features in zip(targets, others, strict=True):
                    rows = targets[name][0].to(self.device)
                    if name != "noise":
                        self._compare(
                            metric,
                            stages,
                            name,
                            layer,
                            source[rows],
                            features,
                            rows,
                            boxes,
                            aligned,
                        )
                        continue
                    for place in ("noise", "noise_elsewhere"):
                        self._compare(
                            metric, stages, place, layer, noisy, features, rows, boxes, aligned
                        )
        self.windows += b

    def _compare(
        self,
        metric: CorrelationMetric,
        stages: tuple[str, ...],
        condition: str,
        layer: int,
        source: Tensor,
        target: Tensor,
        rows: Tensor,
        boxes: Tensor,
        windows: Sequence[Window],
    ) -> None:
        """One condition in one layer: every kind and draw. source, target: (b, T, C, H, W) of the windows `rows`."""
        frames, (h, w) = source.shape[1], source.shape[-2:]
        for number, kind in enumerate(metric.kinds):
            for draw in range(self.config.draws):
                seeds = [
                    (
                        ((self.config.seed * 100_003 + self.windows + int(i)) * 101 + draw) * 11
                        + layer
                    )
                    * 5
                    + number
                    for i in rows
                ]
                generators = [torch.Generator().manual_seed(seed) for seed in seeds]
                places = metric.places(kind, layer, source, generators)
                x, y = (
                    kind.build(source, places).values,
                    kind.build(target, places).values,
                )
                if (
                    condition == "noise_elsewhere"
                ):  # beside the tokens of the next place, neighbour for neighbour
                    y = y.roll(x.shape[2] // places.shape[1], dims=2)
                regions = _regions(boxes[rows], places, x.shape[2], h, w, metric.config.size)
                times = kind.slot_frames(frames, x.device)
                for stage in stages:
                    z, k = (
                        unit(t) if stage.endswith("before") else metric.embed(kind, layer, t)
                        for t in (x, y)
                    )
                    crossed = compare(z, k, across_time=True, times=times)
                    for view, similarities in zip(
                        VIEWS, (_same_time(crossed), crossed), strict=True
                    ):
                        self._sum(
                            stage,
                            condition,
                            view,
                            number,
                            layer,
                            similarities,
                            regions,
                            [windows[int(i)] for i in rows],
                        )
                    if stage == "after" and condition in (
                        "aligned",
                        f"shifted_{VERDICT_SHIFT}",
                        "other_sentence",
                    ):
                        self._histogram(
                            kind.name,
                            condition,
                            _same_time(crossed),
                            regions[..., ALL_REGIONS.index("mouth")] > 0,
                        )

    def _sum(
        self,
        stage: str,
        condition: str,
        view: str,
        kind: int,
        layer: int,
        similarities: Similarities,
        regions: Tensor,
        windows: Sequence[Window],
    ) -> None:
        """regions: (b, S, regions), 1 where a token is of a region."""
        found = retrieval(similarities)
        candidates = found.candidates.expand_as(found.rank[0]).float()
        measures = {
            "matched": found.matched,
            "mismatched": found.mismatched,
            "recall": found.recall,
            "reciprocal_rank": 1 / found.rank,
            "auc": 1 - (found.rank - 1) / (candidates - 1).clamp_min(1),
            "chance": (1 / candidates).expand_as(found.rank),
        }
        values = torch.stack(
            [torch.ones_like(found.rank), *(measures[name] for name in MEASURES)], dim=-1
        )
        summed = torch.einsum("basm,bsr->brm", values, regions).double().cpu().numpy()
        shape = (
            len(STAGES),
            len(self.conditions),
            len(VIEWS),
            len(self.trained.kinds),
            self.layers,
            len(ALL_REGIONS),
            1 + len(MEASURES),
        )
        cell = STAGES.index(stage), self.conditions.index(condition), VIEWS.index(view), kind, layer
        for window, value in zip(windows, summed, strict=True):
            pair = (
                window.source.clip_id,
                window.target.clip_id,
                window.speaker,
                window.target.emotion,
            )
            self.sums.setdefault(pair, np.zeros(shape))[cell] += value

    def _histogram(
        self, kind: str, condition: str, similarities: Similarities, mouth: Tensor
    ) -> None:
        """mouth: (b, S) bool, the tokens that are counted."""
        matched, others, is_negative = similarities
        here = mouth[:, None].expand_as(matched)

        def add(name: str, cosines: Tensor) -> None:
            counts = np.histogram(cosines.clamp(-1, 1).cpu().numpy(), BINS)[0]
            self.histograms[kind][name] = (
                self.histograms[kind].get(name, np.zeros(len(BINS) - 1, np.int64)) + counts
            )

        add("matched" if condition == "aligned" else condition, matched[here])
        if condition == "aligned":
            add("mismatched", others[is_negative.expand_as(others) & here[..., None]])


def _noise(seed: int, window: int, shape: Sequence[int]) -> Tensor:
    """(2, *shape) Gaussian: what stands in the place of both sides of a window, whatever batch it is in."""
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(seed * 100_003 + window))


def _features(metric: CorrelationMetric, sides: Sequence[Tensor]) -> list[list[Tensor]]:
    """Features of each layer and side, side by side through the backbone, so that no more is held than one batch needs."""
    each = [metric.features(side) for side in sides]
    return [[layers[layer][0] for layers in each] for layer in range(len(each[0]))]


def _same_time(similarities: Similarities) -> Similarities:
    """The candidates at other places of the same time alone, which come first."""
    s = similarities.matched.shape[-1]
    return Similarities(
        similarities.matched, similarities.others[..., :s], similarities.is_negative[..., :s]
    )


def _regions(
    boxes: Tensor, places: Tensor, tokens: int, height: int, width: int, size: int
) -> Tensor:
    """(b, S, regions) float, 1 where a token's centre is in the region. boxes: (b, 2, 4). places: (b, L, 2), of maps of frames of
    `size`."""
    inside = torch.stack(
        [box_mask(box, height, width, size).flatten(1) for box in boxes.unbind(1)], dim=-1
    )  # (b, HW, 2)
    at = (places[..., 0] * width + places[..., 1])[..., None].expand(-1, -1, inside.shape[-1])
    mouth, eyes = inside.gather(1, at).unbind(-1)
    eyes = eyes & ~mouth
    regions = torch.stack([torch.ones_like(mouth), mouth, eyes, ~mouth & ~eyes], dim=-1)
    return regions.repeat_interleave(tokens // places.shape[1], dim=1).float()
