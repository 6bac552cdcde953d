"""Counting: what every token retrieves at each stage and under each condition, summed by pair."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_data.dataset.layout import sentence_of, utterance_of
from stccl_train.config import EvaluateConfig
from stccl_train.data.collate import collate
from stccl_train.data.windows import Window
from stccl_train.eval.conditions import (
    ALIGNED,
    NOISE,
    NOISE_ELSEWHERE,
    OTHER_SAME_TIME,
    OTHER_SENTENCE,
    ControlledWindow,
    condition_names,
    noise_sides,
)
from stccl_train.eval.statistics import (
    ALL_REGIONS,
    HEADLINE,
    MEASURES,
    STAGES,
    VIEWS,
    Evaluation,
    PairKey,
)
from stccl_train.eval.verdict import SHIFTED
from stccl_train.model.contrastive_loss import Similarities, compare
from stccl_train.model.export import TrainedOn
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.regions import box_mask, region_boxes
from stccl_train.model.retrieval import retrieval
from stccl_train.model.token_kinds import TokenKind
from stccl_train.model.tokens import unit
from stccl_train.seeding import torch_generator

#: Edges of the histograms of cosines.
BINS = np.linspace(-1, 1, 101)

#: Conditions whose cosines get a histogram.
_IN_HISTOGRAMS = (ALIGNED, SHIFTED, OTHER_SENTENCE, OTHER_SAME_TIME)

#: Conditions in which further untrained metrics are counted: what a verdict's gap needs.
_GAP = (ALIGNED, SHIFTED)


class _Target(NamedTuple):
    """The frames that a condition puts in the target's place."""

    #: Which windows of the batch have them.
    rows: list[int]
    #: (rows, T, 3, H, W).
    frames: Tensor


@dataclass(frozen=True, eq=False)
class _Comparison:
    """The features of b windows in one layer of a metric under one condition."""

    metric: CorrelationMetric
    #: The two stages that this metric stands for: with and without heads.
    stages: tuple[str, ...]
    #: Number of the metric among the untrained ones; None for the trained one.
    draw: int | None
    condition: str
    layer: int
    #: (b, T, C, H, W).
    source: Tensor
    target: Tensor
    #: (b, 2, 4), mouth and eyes.
    boxes: Tensor
    windows: list[Window]
    #: Number of each window among all, which seeds the draw of its places.
    numbers: list[int]


class Counter:
    """Accumulates an evaluation.

    Places are drawn evenly over the face, whatever training did, and are the same for every stage
    and condition.

    Args:
        trained: the metric.
        fresh: the same metric untrained, once or more.
        config: what the windows that will be added were read with.
    """

    def __init__(
        self,
        trained: CorrelationMetric,
        fresh: Sequence[CorrelationMetric],
        config: EvaluateConfig,
    ) -> None:
        self._trained, self._fresh = trained, fresh
        self._kinds = trained.kinds
        self._size, self._device = trained.config.size, trained.scale.device
        self._conditions = condition_names(config.shifts)
        self._layers = len(trained.backbone.channels)
        self._draws, self._seed = config.draws, config.seed
        #: Shape of the sums of one pair.
        self._cells = (
            len(STAGES),
            len(self._conditions),
            len(VIEWS),
            len(self._kinds),
            self._layers,
            len(ALL_REGIONS),
            1 + len(MEASURES),
        )
        self._sums: dict[PairKey, NDArray[np.float64]] = {}
        self._untrained_draws = np.zeros((len(fresh), len(self._kinds), self._layers, len(_GAP), 2))
        self._histograms: dict[str, dict[str, NDArray[np.int64]]] = {
            kind.name: {} for kind in self._kinds
        }
        #: Number of windows added.
        self.windows = 0

    def evaluation(self, trained_on: TrainedOn) -> Evaluation:
        """Return what was counted.

        Args:
            trained_on: what the metric was trained on.
        """
        speakers = {pair.speaker for pair in self._sums}
        sentences = {sentence_of(pair.utterance) for pair in self._sums}
        return Evaluation(
            seen=tuple(sorted(speakers & trained_on.speakers)),
            seen_sentences=tuple(sorted(sentences & trained_on.sentences)),
            kinds=self._kinds,
            conditions=self._conditions,
            layers=self._layers,
            pairs=tuple(self._sums),
            windows=self.windows,
            sums=np.stack(list(self._sums.values())),
            untrained_draws=self._untrained_draws,
            histograms=self._histograms,
            bins=BINS,
        )

    @torch.no_grad()
    def add(self, windows: Sequence[ControlledWindow]) -> None:
        """Count one batch of windows with their controls.

        Raises:
            ShardError: a JPEG cannot be decoded.
        """
        for comparison in self._comparisons(windows):
            for kind in self._kinds:
                for draw in range(self._draws):
                    self._count(comparison, kind, draw)
        self.windows += len(windows)

    def _comparisons(self, windows: Sequence[ControlledWindow]) -> Iterator[_Comparison]:
        """Compute the features of a batch and yield each metric's, layer's and condition's."""
        batch = collate([window.aligned for window in windows], self._size)
        boxes = region_boxes(batch.source_points, self._size).to(self._device)
        every = list(range(len(windows)))
        noise = torch.stack(
            [noise_sides(self._seed, self.windows + i, batch.source.shape[1:]) for i in every],
            dim=1,
        )
        targets = {
            ALIGNED: _Target(every, batch.target),
            **self._control_targets(windows),
            NOISE: _Target(every, noise[1]),
        }
        for stages, draw, metric in self._metrics():
            # One side after the other, so that memory holds no more than one batch needs.
            plain = metric.features(batch.source.to(self._device))
            for name, (rows, frames) in targets.items():
                if draw and name not in _GAP:
                    continue
                is_noise = name == NOISE
                source = metric.features(noise[0].to(self._device)) if is_noise else plain
                target = metric.features(frames.to(self._device))
                conditions = (NOISE, NOISE_ELSEWHERE) if is_noise else (name,)
                for layer, condition in product(range(self._layers), conditions):
                    yield _Comparison(
                        metric,
                        stages,
                        draw,
                        condition,
                        layer,
                        source=source[layer][0][rows],
                        target=target[layer][0],
                        boxes=boxes[rows],
                        windows=[windows[i].aligned for i in rows],
                        numbers=[self.windows + i for i in rows],
                    )

    def _metrics(self) -> Iterator[tuple[tuple[str, ...], int | None, CorrelationMetric]]:
        """Yield the stages, the number among the untrained, and the metric, of each metric."""
        yield STAGES[:2], None, self._trained
        for draw, fresh in enumerate(self._fresh):
            yield STAGES[2:], draw, fresh

    def _control_targets(self, windows: Sequence[ControlledWindow]) -> dict[str, _Target]:
        """Decode the targets of the controls that any of the windows has."""
        targets = {}
        for name in self._conditions:
            rows = [i for i, window in enumerate(windows) if name in window.controls]
            if rows:
                controls = [windows[i].controls[name] for i in rows]
                targets[name] = _Target(rows, collate(controls, self._size).target)
        return targets

    def _count(self, comparison: _Comparison, kind: TokenKind, draw: int) -> None:
        """Count one kind of token of a comparison, at one draw of places."""
        metric, layer = comparison.metric, comparison.layer
        source, target = comparison.source, comparison.target
        generators = self._generators(comparison, kind, draw)
        places = metric.places(kind, layer, source, generators)
        x, y = (kind.build(side, places).values for side in (source, target))
        if comparison.condition == NOISE_ELSEWHERE:
            # Compare with the tokens of the next place, neighbour by neighbour.
            y = y.roll(kind.tokens_per_place, dims=2)
        regions = _place_regions(comparison.boxes, places, source.shape[-2:], self._size)
        regions = regions.repeat_interleave(kind.tokens_per_place, dim=1)
        times = kind.slot_frames(source.shape[1], x.device)
        for stage in comparison.stages:
            heads = not stage.endswith("before")
            z, k = (metric.embed(kind, layer, t) if heads else unit(t) for t in (x, y))
            across_time = compare(z, k, across_time=True, times=times)
            same_time = across_time.at_same_time()
            for view, similarities in zip(VIEWS, (same_time, across_time), strict=True):
                # Of an untrained metric the headline's view is enough: it halves the work.
                if comparison.draw is not None and view != HEADLINE[kind.term]:
                    continue
                sums = torch.einsum("basm,bsr->brm", _measure(similarities), regions)
                self._add_sums(comparison, stage, view, kind, sums.double().cpu().numpy())
            if stage == "after" and comparison.condition in _IN_HISTOGRAMS:
                mouth = regions[..., ALL_REGIONS.index("mouth")] > 0
                self._add_histograms(kind.name, comparison.condition, same_time, mouth)

    def _generators(
        self, comparison: _Comparison, kind: TokenKind, draw: int
    ) -> list[torch.Generator]:
        """Seed the draw of places by window, draw, layer and kind: nothing else may change it."""
        index = self._kinds.index(kind)
        return [
            torch_generator(self._seed, number, draw, comparison.layer, index)
            for number in comparison.numbers
        ]

    def _add_sums(
        self,
        comparison: _Comparison,
        stage: str,
        view: str,
        kind: TokenKind,
        sums: NDArray[np.float64],
    ) -> None:
        """Add the sums of b windows, (b, regions, 1 + measures), to those of their pairs."""
        cell = (
            STAGES.index(stage),
            self._conditions.index(comparison.condition),
            VIEWS.index(view),
            self._kinds.index(kind),
            comparison.layer,
        )
        for window, values in zip(comparison.windows, sums, strict=True):
            source, target = window.source, window.target
            pair = PairKey(
                source.clip_id,
                target.clip_id,
                window.speaker,
                target.emotion,
                utterance_of(window.key),
            )
            if pair not in self._sums:
                self._sums[pair] = np.zeros(self._cells)
            self._sums[pair][cell] += values
        is_verdicts = stage == "untrained" and view == HEADLINE[kind.term]
        if is_verdicts and comparison.draw is not None and comparison.condition in _GAP:
            condition = _GAP.index(comparison.condition)
            mouth = sums[:, ALL_REGIONS.index("mouth")].sum(0)
            self._untrained_draws[comparison.draw, cell[3], comparison.layer, condition] += mouth[
                [0, 1 + MEASURES.index("recall")]
            ]

    def _add_histograms(
        self, kind: str, condition: str, similarities: Similarities, mouth: Tensor
    ) -> None:
        """Add the cosines of the tokens in the mouth, (b, S) bool."""
        matched = similarities.matched
        at_mouth = mouth[:, None].expand_as(matched)
        cosines = {"matched" if condition == ALIGNED else condition: matched[at_mouth]}
        if condition == ALIGNED:
            partner = torch.eye(matched.shape[-1], dtype=torch.bool, device=matched.device)
            cosines["mismatched"] = similarities.places[at_mouth[..., None] & ~partner]
        histograms = self._histograms[kind]
        for name, values in cosines.items():
            counts = np.histogram(values.clamp(-1, 1).cpu().numpy(), BINS)[0]
            histograms[name] = histograms.get(name, np.zeros(len(BINS) - 1, np.int64)) + counts


def _measure(similarities: Similarities) -> Tensor:
    """Return (b, A, S, 1 + measures) for each token: 1, then each of `MEASURES`."""
    result = retrieval(similarities)
    candidates = result.candidates
    measures = {
        "matched": result.matched,
        "mismatched": result.mismatched,
        "recall": result.recall,
        "reciprocal_rank": 1 / result.rank,
        "auc": 1 - (result.rank - 1) / (candidates - 1).clamp_min(1),
        "chance": (1 / candidates).expand_as(result.rank),
    }
    return torch.stack(
        [torch.ones_like(result.rank), *(measures[name] for name in MEASURES)], dim=-1
    )


def _place_regions(boxes: Tensor, places: Tensor, shape: Sequence[int], size: int) -> Tensor:
    """Return which of `ALL_REGIONS` each place is in, (b, L, regions) float, 0 or 1.

    Args:
        boxes: (b, 2, 4), mouth and eyes.
        places: (b, L, 2), (y, x).
        shape: (height, width) of the feature map.
        size: side in pixels of the frames.
    """
    height, width = shape
    masks = [box_mask(box, height, width, size).flatten(1) for box in boxes.unbind(1)]
    inside = torch.stack(masks, dim=-1)  # (b, HW, 2)
    numbers = (places[..., 0] * width + places[..., 1])[..., None].expand(-1, -1, 2)
    mouth, eyes = inside.gather(1, numbers).unbind(-1)
    eyes = eyes & ~mouth
    return torch.stack([torch.ones_like(mouth), mouth, eyes, ~mouth & ~eyes], dim=-1).float()
