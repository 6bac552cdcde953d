"""The metric: spatial and temporal coherent correlation (SCC, TCC) between two clips.

    L = mean over layers of SCC + eta * mean over layers of TCC

In each layer, tokens of both sides are read at the same places, embedded by one shared head, and
contrasted by InfoNCE along a cross of places and times, in both directions; tokens of large
disparity weigh more. docs/method.md gives the design and the reasons.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stccl_train.config import MetricConfig
from stccl_train.model.backbone import make_backbone
from stccl_train.model.contrastive_loss import (
    Similarities,
    adaptive_weight,
    compare,
    info_nce,
    one_to_one,
)
from stccl_train.model.regions import box_mask, place_likelihood, region_boxes
from stccl_train.model.retrieval import retrieval
from stccl_train.model.token_kinds import HeadSizes, TokenKind, select_kinds
from stccl_train.model.tokens import (
    Generators,
    Tokens,
    choose_places,
    draw_places,
    random_numbers,
    unit,
)

#: Share of the newest batch in the running mean of disparities.
_SCALE_MOMENTUM = 0.01

#: What is measured of each kind in each layer while training.
_STATISTICS = ("loss", "positive", "negative", "recall")


class MetricOutput(NamedTuple):
    """The result of one forward pass over B windows."""

    #: Scalar, with its graph.
    loss: Tensor
    #: Detached scalars by name: ``scc_vd.1.loss``, ``.positive`` and ``.negative`` (mean cosines),
    #: ``.recall`` (at 1) of each kind and layer, and ``scc_vd.loss``, ... their means over layers.
    statistics: dict[str, Tensor]
    #: (B,), the loss of each window, detached.
    windows: Tensor
    #: (kinds, layers), mean disparity of the tokens, detached; for `update_scale`.
    disparity: Tensor


class TokenPair(NamedTuple):
    """Tokens of one kind in one layer, of source and target at the same places."""

    kind: TokenKind
    #: 0 to 3.
    layer: int
    source: Tokens
    target: Tokens


class TokenLosses(NamedTuple):
    """The loss of each token, beside its partner and other candidates."""

    #: (B, A, S), `info_nce` or `one_to_one`; chance is ln(candidates).
    loss: Tensor
    #: (B, A, S), the adaptive weight, of mean 1 in each window.
    weight: Tensor
    #: What the loss was computed from.
    similarities: Similarities


class Head(nn.Module):
    """Two linear layers with a ReLU, applied token by token.

    It sees one token alone and never which slot the token sits in (see docs/method.md).
    """

    def __init__(self, sizes: HeadSizes) -> None:
        super().__init__()
        self.inner = nn.Linear(sizes.token, sizes.hidden)
        self.outer = nn.Linear(sizes.hidden, sizes.embedding)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., D) to (..., embedding), not normalised."""
        return cast(Tensor, self.outer(functional.relu(self.inner(tokens))))


class CorrelationMetric(nn.Module):
    """SCC and TCC between windows of two clips.

    Args:
        config: what is compared with what.
        freeze_backbone: keep the backbone in eval mode and without gradient, for published weights.
    """

    #: (kinds, layers) float32, running mean of |disparity|; infinite before the first batch.
    scale: Tensor

    def __init__(self, config: MetricConfig, freeze_backbone: bool) -> None:
        super().__init__()
        self.config, self.freeze_backbone = config, freeze_backbone
        self.backbone = make_backbone(config.backbone, config.padding)
        self.backbone.requires_grad_(not freeze_backbone)
        channels = self.backbone.channels
        self.kinds = select_kinds(config.terms, config.variant, config.motion, config.frames)
        self._rows = {kind.name: row for row, kind in enumerate(self.kinds)}
        self.heads = nn.ModuleDict(
            {
                kind.name: nn.ModuleList(Head(kind.head_sizes(c, config.frames)) for c in channels)
                for kind in self.kinds
            }
        )
        unknown = torch.full((len(self.kinds), len(channels)), torch.inf)
        self.register_buffer("scale", unknown)
        self._compiled: Callable[..., MetricOutput] | None = None
        self.train()

    def train(self, mode: bool = True) -> "CorrelationMetric":
        """Set the mode of everything but a frozen backbone, which stays in eval mode."""
        super().train(mode)
        if self.freeze_backbone:
            self.backbone.eval()
        return self

    def compile(self, *args: Any, **options: Any) -> None:
        """Compile the backbone and `contrast`; arguments are those of `torch.compile`.

        The draw of places between them stays as it is: a compiler has no generator of its own for
        each window.
        """
        self.backbone.compile(*args, **options)
        self._compiled = torch.compile(self.contrast, *args, **options)

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        generator: Generators = None,
        source_points: Tensor | None = None,
        draws: int = 1,
    ) -> MetricOutput:
        """Compute the loss of a batch of windows.

        Args:
            source: (B, T, 3, H, W) RGB, float in [-1, 1] or uint8. With T = 1 there is SCC alone.
            target: the aligned frames of the other clip, likewise.
            generator: source of the random places; one for all windows, or one per window so that a
                window's places do not depend on its batch.
            source_points: (B, T, 68, 2), pixels of ``source``. Needed to draw ``config.mouth`` of
                the places at the mouth; without it places are drawn evenly.
            draws: how often places are drawn for one pass of the backbone; the result is the mean.
        """
        mouth = self.mouth_boxes(source_points, (source.shape[-1], source.shape[-2]))
        features = self.features(source, target)
        contrast = self._compiled or self.contrast
        return _mean(
            [contrast(features, self.draw(features, generator, mouth)) for _ in range(draws)]
        )

    def contrast(
        self, features: Sequence[Sequence[Tensor]], places: Sequence[Tensor]
    ) -> MetricOutput:
        """Compute the loss from features of source and target.

        Args:
            features: for each layer (B, T, C, H_l, W_l) of source and of target.
            places: from `draw`.
        """
        source = features[0][0]
        frames = source.shape[1]
        total = source.new_zeros(source.shape[0], dtype=torch.float32)
        statistics: dict[str, Tensor] = {}
        disparity = self.scale.clone()
        kinds = [kind for kind in self.kinds if kind.exists_in(frames)]
        for pair in self.tokens(features, places):
            kind, layer, x, y = pair
            loss, figures = self._window_losses(pair, frames)
            weight = self.config.eta if kind.term == "tcc" else 1.0
            forms = sum(other.term == kind.term for other in kinds)  # they share the term's weight
            total = total + weight / (len(features) * forms) * loss
            for name, value in figures.items():
                statistics[f"{kind.name}.{layer + 1}.{name}"] = value
            disparity[self._rows[kind.name], layer] = (x.disparity.mean() + y.disparity.mean()) / 2
        for kind in kinds:
            for name in _STATISTICS:
                layers = range(1, len(features) + 1)
                values = [statistics[f"{kind.name}.{layer}.{name}"] for layer in layers]
                statistics[f"{kind.name}.{name}"] = torch.stack(values).mean()
        return MetricOutput(total.mean(), statistics, total.detach(), disparity)

    def features(self, *sides: Tensor) -> list[list[Tensor]]:
        """Compute the features of several batches of windows in one pass of the backbone.

        Args:
            *sides: (B_k, T, 3, H, W) each.

        Returns:
            For each layer, (B_k, T, C, H_l, W_l) of each side.
        """
        frames = torch.cat([as_input(side, self.config.size) for side in sides])
        no_gradient = self.freeze_backbone and not frames.requires_grad
        with torch.set_grad_enabled(torch.is_grad_enabled() and not no_gradient):
            layers = self.backbone(frames)
        counts = [side.shape[0] * side.shape[1] for side in sides]
        return [
            [
                part.unflatten(0, side.shape[:2])
                for part, side in zip(layer.split(counts), sides, strict=True)
            ]
            for layer in layers
        ]

    def mouth_boxes(self, points: Tensor | None, size: tuple[int, int]) -> Tensor | None:
        """Return where the mouth is in each window, as `region_boxes` does.

        Args:
            points: (B, T, 68, 2), pixels.
            size: (width, height) of the frames.

        Returns:
            (B, 4); None without points, or if ``config.mouth`` is 0.
        """
        if points is None or self.config.mouth == 0:
            return None
        return region_boxes(points, size)[:, 0]

    def tokens(
        self, features: Sequence[Sequence[Tensor]], places: Sequence[Tensor]
    ) -> Iterator[TokenPair]:
        """Yield the tokens of each kind and layer, kind by kind. Arguments as in `contrast`."""
        frames = features[0][0].shape[1]
        for (kind, layer), where in zip(self._kinds_and_layers(frames), places, strict=True):
            both = kind.relate(torch.cat([kind.read(side, where) for side in features[layer]]))
            (x, y), (dx, dy) = both.values.chunk(2), both.disparity.chunk(2)
            yield TokenPair(kind, layer, Tokens(x, dx), Tokens(y, dy))

    def draw(
        self,
        features: Sequence[Sequence[Tensor]],
        generator: Generators = None,
        mouth: Tensor | None = None,
    ) -> list[Tensor]:
        """Draw the places of each kind and layer, in the order of `tokens`.

        Args:
            features: as in `contrast`; shapes and devices matter.
            generator: as in `forward`.
            mouth: (B, 4) boxes from `mouth_boxes`, or None to draw places evenly.
        """
        maps = [source for source, _ in features]
        batch, frames = maps[0].shape[:2]
        likelihoods = [self._likelihood(each, mouth) for each in maps]
        parts = self._kinds_and_layers(frames)
        inner = [(each.shape[-2] - 2, each.shape[-1] - 2) for each in maps]
        counts = [math.prod(inner[layer]) for _, layer in parts]
        numbers = random_numbers(batch, counts, generator)
        places = [
            choose_places(own, kind.places[layer], inner[layer][1], likelihoods[layer])
            for (kind, layer), own in zip(parts, numbers, strict=True)
        ]
        return [where.to(maps[0].device) for where in places]

    def _kinds_and_layers(self, frames: int) -> list[tuple[TokenKind, int]]:
        layers = range(len(self.backbone.channels))
        return [(kind, i) for kind in self.kinds if kind.exists_in(frames) for i in layers]

    def places(
        self,
        kind: TokenKind,
        layer: int,
        features: Tensor,
        generator: Generators = None,
        mouth: Tensor | None = None,
    ) -> Tensor:
        """Draw the places of a kind in a layer.

        Args:
            kind: decides how many.
            layer: 0 to 3.
            features: (B, T, C, H, W) of one side; its shape and device matter.
            generator: as in `forward`.
            mouth: as in `draw`.

        Returns:
            (B, L, 2) int64, (y, x).
        """
        b, _, _, h, w = features.shape
        likelihood = self._likelihood(features, mouth)
        places = draw_places(b, kind.places[layer], h, w, generator, likelihood)
        return places.to(features.device)

    def _likelihood(self, features: Tensor, mouth: Tensor | None) -> Tensor | None:
        """Return the relative chance of each place of a map to be drawn; None: all alike."""
        if mouth is None:
            return None
        h, w = features.shape[-2:]
        mask = box_mask(mouth, h, w, self.config.size)
        return place_likelihood(mask, self.config.mouth)

    def embed(self, kind: TokenKind, layer: int, tokens: Tensor) -> Tensor:
        """Map tokens (..., D) through their head to unit length."""
        head = cast(Head, cast(nn.ModuleList, self.heads[kind.name])[layer])
        return unit(head(tokens.to(head.inner.weight.dtype)))

    def compare(self, kind: TokenKind, z: Tensor, k: Tensor, frames: int) -> Similarities:
        """Compare anchors with candidates as in training.

        Args:
            kind: of the tokens.
            z: (B, A, S, D) embedded anchors.
            k: (B, A, S, D) embedded candidates.
            frames: T, frames of the windows.
        """
        across_time = kind.term == "tcc" or self.config.negatives == "place+time"
        times = kind.slot_frames(frames, z.device)
        return compare(z, k, across_time, self.config.guard, times)

    def token_losses(self, pair: TokenPair, frames: int) -> TokenLosses:
        """Return the loss of each token of B windows, in both directions.

        Args:
            pair: from `tokens`.
            frames: T, frames of the windows.

        Returns:
            2 B windows: first with the source's tokens as anchors, then with the target's.
        """
        kind, layer, x, y = pair
        # The rows of both directions are computed together: half as many operations to start.
        embedded = self.embed(kind, layer, torch.cat([x.values, y.values]))
        # Not chunk(), whose count of chunks torch.export cannot prove.
        partners = embedded.view(2, -1, *embedded.shape[1:]).flip(0).flatten(0, 1)
        similarities = self.compare(kind, embedded, partners, frames)
        if kind.form == "cm" and self.config.cm == "match":
            loss = one_to_one(similarities)
        else:
            loss = info_nce(similarities, self.config.tau)
        return TokenLosses(loss, self.token_weights(pair), similarities)

    def token_weights(self, pair: TokenPair) -> Tensor:
        """Return the adaptive weights (2 B, A, S) of the source's tokens, then of the target's."""
        kind, layer, x, y = pair
        disparity = torch.cat([x.disparity, y.disparity])
        if not self.config.adaptive:
            return torch.ones_like(disparity)
        scale = self.scale[self._rows[kind.name], layer]
        return adaptive_weight(disparity, scale, self.config.lam, self.config.r, self.config.theta)

    def _window_losses(self, pair: TokenPair, frames: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of each window, (B,), over tokens and both directions; and statistics."""
        tokens = self.token_losses(pair, frames)
        total = (tokens.loss * tokens.weight).mean(dim=(1, 2)).view(2, -1).mean(0)
        result = retrieval(tokens.similarities.first_half())
        return total, {
            "loss": total.detach().mean(),
            "positive": result.matched.mean(),
            "negative": result.mismatched.mean(),
            "recall": result.recall.mean(),
        }

    @torch.no_grad()
    def update_scale(self, disparity: Tensor) -> None:
        """Move the running scale of the adaptive weight towards the disparities of one step.

        All ranks call it together, and their disparities are averaged.

        Args:
            disparity: (kinds, layers), from `MetricOutput`; the mean over the batches of a step.
        """
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            disparity = disparity.clone()
            torch.distributed.all_reduce(disparity)
            disparity = disparity / torch.distributed.get_world_size()
        moved = torch.lerp(self.scale, disparity, _SCALE_MOMENTUM)
        self.scale.copy_(torch.where(self.scale.isinf(), disparity, moved))


def _mean(outputs: Sequence[MetricOutput]) -> MetricOutput:
    """Average the outputs of one or more draws of places."""
    if len(outputs) == 1:
        return outputs[0]
    return MetricOutput(
        loss=torch.stack([output.loss for output in outputs]).mean(),
        statistics={
            name: torch.stack([output.statistics[name] for output in outputs]).mean()
            for name in outputs[0].statistics
        },
        windows=torch.stack([output.windows for output in outputs]).mean(0),
        disparity=torch.stack([output.disparity for output in outputs]).mean(0),
    )


def as_floats(frames: Tensor) -> Tensor:
    """Convert uint8 frames of any shape to float in [-1, 1]."""
    return frames.float() / 127.5 - 1


def as_input(frames: Tensor, size: int) -> Tensor:
    """Bring frames into the form that the backbone takes.

    Args:
        frames: (B, T, 3, H, W) uint8, or float in [-1, 1].
        size: pixels.

    Returns:
        (B T, 3, size, size) float in [-1, 1], channels last in memory.
    """
    # Bytes are reordered faster than floats.
    flat = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    if flat.dtype == torch.uint8:
        flat = as_floats(flat)
    if flat.shape[-2:] != (size, size):
        # In float32: CPUs cannot resize shorter floats.
        resized = functional.interpolate(
            flat.float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        flat = resized.to(flat.dtype)
    return flat.contiguous(memory_format=torch.channels_last)
