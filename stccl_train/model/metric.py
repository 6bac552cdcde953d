"""The metric: spatial and temporal coherent correlation (SCC, TCC) between two clips of one sentence, and how it is learned.

    L = mean over layers of SCC + eta * mean over layers of TCC

Each term at each layer: tokens of both sides at the same places -> one shared head -> InfoNCE along a cross of places and times,
both directions, weighted by how much is going on. Design: docs/method.md.
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stccl_data.errors import StcclError
from stccl_data.files.atomic import write_bytes, write_text
from stccl_train.model.backbone import BACKBONES, PADDINGS, make_backbone
from stccl_train.model.contrast import Similarities, adaptive_weight, compare, info_nce, retrieval
from stccl_train.model.tokens import (
    Generators,
    Tokens,
    draw_places,
    motion_disparity,
    patches,
    spatial_correlation,
    spatial_disparity,
    temporal_correlation,
    temporal_disparity,
    time_pairs,
    trajectories,
    unit,
)

#: Centres of SCC and locations of TCC at each of the four layers (STCCL, section 4.1).
CENTRES = (32, 16, 8, 4)
LOCATIONS = (64, 32, 16, 8)

#: Raise when a saved metric of before would mean something else.
VERSION = 1

WEIGHTS_FILE, CARD_FILE = "metric.safetensors", "metric.json"


@dataclass(frozen=True, kw_only=True)
class MetricConfig:
    """What is compared with what. Raises ValueError for values that make no metric.

    The defaults are what makes both terms hear speech on held-out speakers (docs/method.md); the published form is a preset.

    frames, stride: a window is `frames` source frames, `stride` apart; temporal terms need the same at evaluation.
    guard: with `place+time`, source frames nearer than this many steps of the window are no negatives of each other.
    """

    backbone: str = field(
        default="iresnet50",
        metadata={"help": "Network whose features are compared.", "choices": BACKBONES},
    )
    padding: str = field(
        default="circular",
        metadata={
            "help": "What lies beyond a map's border; zeros tell a place.",
            "choices": PADDINGS,
        },
    )
    terms: tuple[str, ...] = field(default=("scc", "tcc"), metadata={"help": "scc, tcc or both."})
    variant: str = field(
        default="vd",
        metadata={
            "help": "Tokens: visual disparity, correlation matrix, or both.",
            "choices": ("vd", "cm", "both"),
        },
    )
    motion: bool = field(
        default=True,
        metadata={"help": "A second form of SCC: disparities less their mean over the window."},
    )
    negatives: str = field(
        default="place+time",
        metadata={
            "help": "Negatives of SCC: other places of the frame, or also the same place at other times.",
            "choices": ("place", "place+time"),
        },
    )
    frames: int = field(default=9, metadata={"help": "T, frames of a window."})
    stride: int = field(
        default=3, metadata={"help": "Source frames from one frame of a window to the next."}
    )
    size: int = field(
        default=224, metadata={"help": "Pixels of a frame's side when it enters the backbone."}
    )
    tau: float = field(default=0.07, metadata={"help": "Temperature of the contrast."})
    eta: float = field(default=1.0, metadata={"help": "Weight of TCC beside SCC."})
    guard: int = field(
        default=1,
        metadata={"help": "Frames nearer than this many steps are no negatives of each other."},
    )
    mouth: float = field(
        default=0.5, metadata={"help": "Share of the places drawn at the mouth (with landmarks)."}
    )
    adaptive: bool = field(
        default=True, metadata={"help": "Weight tokens by how much is going on."}
    )
    lam: float = field(default=2.0, metadata={"help": "lambda of the adaptive weight."})
    r: float = field(default=2.0, metadata={"help": "r, the exponent of the adaptive weight."})
    theta: float = field(default=0.8, metadata={"help": "theta, above which a token is weighted."})

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        if (
            not self.terms
            or set(self.terms) - {"scc", "tcc"}
            or len(set(self.terms)) != len(self.terms)
        ):
            raise ValueError(f"terms is {list(self.terms)}; it names scc, tcc or both")
        for name in ("backbone", "padding", "variant", "negatives"):
            choices = next(f for f in dataclasses.fields(self) if f.name == name).metadata[
                "choices"
            ]
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, not one of {', '.join(choices)}"
                )
        if self.frames < 1 or self.stride < 1 or self.guard < 1:
            raise ValueError("frames, stride and guard are at least 1")
        if "tcc" in self.terms and self.frames < 3:
            raise ValueError(
                f"tcc needs windows of 3 frames or more, not {self.frames}; with fewer, terms is [scc]"
            )
        if self.size < 48:
            raise ValueError(
                f"size is {self.size}; below 48 pixels the last layer has no place with eight neighbours"
            )
        if not 0 <= self.mouth <= 1:
            raise ValueError(f"mouth is {self.mouth}; it is a share, 0 to 1")
        if not self.tau > 0 or not self.eta >= 0:
            raise ValueError(
                f"tau is {self.tau} and eta {self.eta}; tau is above 0, eta at least 0"
            )
        if not self.lam > 0 or not self.r >= 0 or not 0 <= self.theta <= 1:
            raise ValueError(
                f"lam is {self.lam}, r {self.r}, theta {self.theta}; lam is above 0, r at least 0, theta a sigmoid's value, 0 to 1"
            )


class MetricOutput(NamedTuple):
    """`loss`: scalar, with its graph. `statistics`: detached scalars: `scc_vd.1.loss`, `.positive`, `.negative`, `.recall` (at 1)
    of each head and layer, and the same of each head, `scc_vd.loss`, the mean over layers. `windows`: (B,), each window's part."""

    loss: Tensor
    statistics: dict[str, Tensor]
    windows: Tensor


class Head(nn.Module):
    """D -> hidden -> out with a ReLU, applied token by token. It is told of one token alone, never which slot the token sits in."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(channels, hidden), nn.Linear(hidden, out)

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., D) -> (..., out), not normalised."""
        return cast(Tensor, self.outer(functional.relu(self.inner(tokens))))


class CorrelationMetric(nn.Module):
    """SCC and TCC between windows of two clips."""

    scale: Tensor

    def __init__(self, config: MetricConfig, freeze_backbone: bool) -> None:
        """freeze_backbone: no gradient into the backbone, which stays in eval mode (for published weights)."""
        super().__init__()
        self.config, self.freeze_backbone = config, freeze_backbone
        self.backbone = make_backbone(config.backbone, config.padding).requires_grad_(
            not freeze_backbone
        )
        forms = ("vd", "cm") if config.variant == "both" else (config.variant,)
        forms_of = {
            "scc": (*forms, *(("md",) if config.motion and config.frames > 1 else ())),
            "tcc": forms,
        }
        self.kinds = [f"{term}_{form}" for term in config.terms for form in forms_of[term]]
        self.heads = nn.ModuleDict(
            {
                kind: nn.ModuleList(self._head(kind, c) for c in self.backbone.channels)
                for kind in self.kinds
            }
        )
        # Running mean of |d| of each kind and layer; infinite until something was seen.
        self.register_buffer(
            "scale", torch.full((len(self.kinds), len(self.backbone.channels)), torch.inf)
        )
        self.train()

    def _head(self, kind: str, channels: int) -> Head:
        if kind.endswith(("vd", "md")):
            return Head(channels, channels, max(channels // 4, 16))
        entries = (
            36 if kind.startswith("scc") else self.config.frames * (self.config.frames - 1) // 2
        )
        return Head(entries, 64, 32)

    def train(self, mode: bool = True) -> "CorrelationMetric":
        super().train(mode)
        if self.freeze_backbone:
            self.backbone.eval()
        return self

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        generator: Generators = None,
        source_points: Tensor | None = None,
    ) -> MetricOutput:
        """source, target: (B, T, 3, H, W), RGB, float in [-1, 1] (or uint8), T source frames and the aligned target frames.

        generator: where places are drawn from; one for all, or one a window, so that draws do not depend on the batch.
        source_points: (B, T, 68, 2), pixels of `source`; needed for `mouth` above 0, elsewhere without effect.
        With T = 1 only SCC is there.
        """
        near_mouth = self.mouth_box(source_points, (source.shape[-1], source.shape[-2]))
        return self.contrast(self.features(source, target), generator, near_mouth)

    def contrast(
        self,
        features: list[list[Tensor]],
        generator: Generators = None,
        near_mouth: Tensor | None = None,
    ) -> MetricOutput:
        """L of the features of two sides. features: for each layer (B, T, C, H_l, W_l) twice. near_mouth: see `mouth_box`."""
        source = features[0][0]
        total = source.new_zeros(source.shape[0], dtype=torch.float32)
        statistics: dict[str, Tensor] = {}
        means = self.scale.clone()
        there = [kind for kind in self.kinds if self._speaks(kind, source.shape[1])]
        for kind, layer, x, y in self.tokens(features, generator, near_mouth):
            loss, found = self._contrast(kind, layer, x, y)
            weight = self.config.eta if kind.startswith("tcc") else 1.0
            forms = sum(other[:3] == kind[:3] for other in there)  # they share their term's weight
            total = total + weight / (len(features) * forms) * loss
            statistics |= {f"{kind}.{layer + 1}.{name}": value for name, value in found.items()}
            means[self.kinds.index(kind), layer] = (x.disparity.mean() + y.disparity.mean()) / 2
        if self.training:
            self._follow(means)
        for kind in self.kinds:
            for name in ("loss", "positive", "negative", "recall"):
                values = [
                    v
                    for k, v in statistics.items()
                    if k.startswith(f"{kind}.") and k.endswith(f".{name}")
                ]
                if values:
                    statistics[f"{kind}.{name}"] = torch.stack(values).mean()
        return MetricOutput(total.mean(), statistics, total.detach())

    @staticmethod
    def _speaks(kind: str, frames: int) -> bool:
        """Whether a kind has something to say of windows of so many frames."""
        return frames > 1 or kind in ("scc_vd", "scc_cm")

    def features(self, *sides: Tensor) -> list[list[Tensor]]:
        """Features of several batches of windows, by one forward of the backbone.

        sides: (B_k, T, 3, H, W) each. Returns, for each layer, those of each side: (B_k, T, C, H_l, W_l).
        """
        frames = torch.cat([as_input(side, self.config.size) for side in sides])
        with torch.set_grad_enabled(
            torch.is_grad_enabled() and not (self.freeze_backbone and not frames.requires_grad)
        ):
            layers = self.backbone(frames)
        counts = [side.shape[0] * side.shape[1] for side in sides]
        return [
            [
                part.unflatten(0, side.shape[:2])
                for part, side in zip(layer.split(counts), sides, strict=True)
            ]
            for layer in layers
        ]

    def mouth_box(self, points: Tensor | None, size: tuple[int, int]) -> Tensor | None:
        """Where the mouth is in each window: x0, y0, x1, y1 as shares of the frame's sides (see `region_boxes`).

        points: (B, T, 68, 2), pixels of frames of `size`, (width, height). Returns (B, 4); None where `mouth` is 0 or no points are
        given.
        """
        if points is None or self.config.mouth == 0:
            return None
        return region_boxes(points, size)[:, 0]

    def tokens(
        self,
        features: list[list[Tensor]],
        generator: Generators = None,
        near_mouth: Tensor | None = None,
    ) -> Iterator[tuple[str, int, Tokens, Tokens]]:
        """For each kind and layer the tokens of source and target, at the same places: kind, layer, and twice (B, A, S, D)."""
        for kind in self.kinds:
            for layer, (source, target) in enumerate(features):
                if not self._speaks(kind, source.shape[1]):
                    continue
                places = self.places(kind, layer, source, generator, near_mouth)
                yield (
                    kind,
                    layer,
                    build_tokens(kind, source, places),
                    build_tokens(kind, target, places),
                )

    def places(
        self,
        kind: str,
        layer: int,
        features: Tensor,
        generator: Generators = None,
        near_mouth: Tensor | None = None,
    ) -> Tensor:
        """Places of a kind in a layer, (B, L, 2), (y, x). features: (B, T, C, H, W) of one side; its size is what matters."""
        b, _, _, h, w = features.shape
        count = (CENTRES if kind.startswith("scc") else LOCATIONS)[layer]
        likelihood = None
        if near_mouth is not None:
            likelihood = favouring(within(near_mouth, h, w, self.config.size), self.config.mouth)
        return draw_places(b, count, h, w, generator, likelihood).to(features.device)

    def embed(self, kind: str, layer: int, tokens: Tensor) -> Tensor:
        """Tokens (..., D) through their head, of unit length."""
        head = cast(Head, cast(nn.ModuleList, self.heads[kind])[layer])
        return unit(head(tokens.to(head.inner.weight.dtype)))

    def compare(self, kind: str, z: Tensor, k: Tensor, frames: int) -> Similarities:
        """Cosines of anchors and candidates as this metric contrasts them. z, k: (B, A, S, D), of windows of `frames` frames."""
        if kind.startswith("scc"):
            return compare(z, k, self.config.negatives == "place+time", self.config.guard)
        return compare(
            z,
            k,
            z.shape[1] > 1,
            self.config.guard,
            torch.stack(time_pairs(frames, z.device), dim=-1),
        )

    def _contrast(
        self, kind: str, layer: int, x: Tokens, y: Tokens
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A kind's loss in a layer, (B,), mean over tokens and both directions, and its statistics."""
        z, k = self.embed(kind, layer, x.values), self.embed(kind, layer, y.values)
        frames = self.config.frames if kind.endswith("cm") else _frames_of(kind, z.shape[1])
        losses = []
        found = None
        for anchor, candidate, tokens in ((z, k, x), (k, z, y)):
            similarities = self.compare(kind, anchor, candidate, frames)
            loss = info_nce(similarities, self.config.tau)
            if self.config.adaptive:
                scale = self.scale[self.kinds.index(kind), layer]
                loss = loss * adaptive_weight(
                    tokens.disparity, scale, self.config.lam, self.config.r, self.config.theta
                )
            losses.append(loss.mean(dim=(1, 2)))
            found = found or retrieval(Similarities(*(part.detach() for part in similarities)))
        total = (losses[0] + losses[1]) / 2
        assert found is not None
        return total, {
            "loss": total.detach().mean(),
            "positive": found.matched.mean(),
            "negative": found.mismatched.mean(),
            "recall": found.recall.mean(),
        }

    @torch.no_grad()
    def _follow(self, means: Tensor) -> None:
        """Let the running scale follow the disparities of this batch; of all ranks' batches alike."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(means)
            means /= torch.distributed.get_world_size()
        self.scale.copy_(
            torch.where(self.scale.isinf(), means, torch.lerp(self.scale, means, 0.01))
        )


def build_tokens(kind: str, features: Tensor, places: Tensor) -> Tokens:
    """Tokens of a kind: scc_vd, scc_md, scc_cm, tcc_vd, tcc_cm.

    features: (B, T, C, H, W). places: (B, L, 2). Returns (B, A, S, D).
    """
    if kind == "scc_vd":
        return spatial_disparity(patches(features, places))
    if kind == "scc_md":
        return motion_disparity(patches(features, places))
    if kind == "scc_cm":
        return spatial_correlation(patches(features, places))
    if kind == "tcc_vd":
        return temporal_disparity(trajectories(features, places))
    return temporal_correlation(trajectories(features, places))


def as_input(frames: Tensor, size: int) -> Tensor:
    """(B, T, 3, H, W), uint8, or float in [-1, 1] -> (B T, 3, size, size) float in [-1, 1], channels last."""
    flat = frames.flatten(0, 1)
    if flat.dtype == torch.uint8:
        flat = flat.float() / 127.5 - 1
    if flat.shape[-2:] != (size, size):
        # in float32: CPUs resize nothing shorter
        resized = functional.interpolate(
            flat.float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        flat = resized.to(flat.dtype)
    return flat.contiguous(memory_format=torch.channels_last)


REGIONS = ("mouth", "eyes")
_REGION_POINTS = (range(48, 68), (*range(17, 27), *range(36, 48)))


def region_boxes(points: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Boxes around mouth and eyes (with brows) over a window's frames, a quarter wider and higher than the points at each side.

    points: (B, T, 68, 2), pixels of frames of `size`, or of (width, height); NaN where there is no face. Returns (B, 2, 4): x0, y0,
    x1, y1, as shares.
    """
    sides = torch.tensor(size, dtype=points.dtype, device=points.device)
    boxes = []
    for chosen in _REGION_POINTS:
        part = points[:, :, list(chosen)].flatten(1, 2) / sides
        low = torch.where(part.isnan(), torch.inf, part).amin(1)
        high = torch.where(part.isnan(), -torch.inf, part).amax(1)
        margin = (high - low) / 4
        boxes.append(torch.cat([low - margin, high + margin], dim=-1))
    return torch.stack(boxes, dim=1)


def within(box: Tensor, height: int, width: int, size: int) -> Tensor:
    """Which places of a map of frames of `size` lie in the box. box: (B, 4) as shares. Returns (B, height, width) bool.

    Place i of a map of stride s looks at pixel s i, and as far to both sides: a 3 x 3 convolution of stride 2 is centred there.
    """
    stride = 2 ** round(math.log2(size / height))
    y, x = ((torch.arange(n, device=box.device) * stride + 0.5) / size for n in (height, width))
    x0, y0, x1, y1 = box.T[..., None, None]
    inside: Tensor = (x >= x0) & (x <= x1) & (y[:, None] >= y0) & (y[:, None] <= y1)
    return inside


def favouring(inside: Tensor, share: float) -> Tensor:
    """Relative chances of a map's places, such that about `share` of those drawn are inside. inside: (B, H, W) bool."""
    area = inside.float().mean(dim=(1, 2), keepdim=True).clamp(1e-3, 1 - 1e-3)
    return torch.where(inside, share / area, (1 - share) / (1 - area))


def save_metric(
    folder: str | Path, metric: CorrelationMetric, card: Mapping[str, Any] | None = None
) -> None:
    """Write the metric into `folder` as metric.safetensors and metric.json (its config, and what `card` says of where it is from).

    Each file is there whole or not at all; the card comes last.
    """
    from safetensors.torch import save

    folder = Path(folder)
    state = {name: value.detach().cpu().contiguous() for name, value in metric.state_dict().items()}
    record = {
        "version": VERSION,
        "config": dataclasses.asdict(metric.config),
        "freeze_backbone": metric.freeze_backbone,
        "card": dict(card or {}),
    }
    write_bytes(folder / WEIGHTS_FILE, save(state))
    write_text(folder / CARD_FILE, json.dumps(record, indent=1) + "\n")


def load_metric(folder: str | Path) -> CorrelationMetric:
    """The metric that `save_metric` wrote, on the CPU, in eval mode. Raises MetricError with a sentence where there is none."""
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        record = json.loads((folder / CARD_FILE).read_bytes())
        if record["version"] > VERSION:
            raise MetricError(
                f"{folder / CARD_FILE} has version {record['version']}, this stccl reads {VERSION}: install a newer stccl"
            )
        metric = CorrelationMetric(
            MetricConfig(**record["config"]), freeze_backbone=record["freeze_backbone"]
        )
        metric.load_state_dict(load_file(folder / WEIGHTS_FILE))
        if broken := [
            name for name, value in metric.named_parameters() if not value.isfinite().all()
        ]:
            raise MetricError(
                f"{folder / WEIGHTS_FILE} is damaged: {broken[0]} is not finite; train again, or take another copy"
            )
    except FileNotFoundError:
        missing = next(
            (name for name in (CARD_FILE, WEIGHTS_FILE) if not (folder / name).is_file()), CARD_FILE
        )
        raise MetricError(
            f"{folder} holds no trained metric: {missing} is missing; run `stccl train`"
        ) from None
    except KeyError as error:
        raise MetricError(
            f"{folder / CARD_FILE} is not as stccl writes it: it has no {error}"
        ) from None
    except MetricError:
        raise
    except Exception as error:  # safetensors has its own errors, torch raises RuntimeError, a card by hand anything
        said = " ".join(str(error).split())[:300]
        raise MetricError(f"{folder} does not hold a metric as stccl writes it: {said}") from error
    return metric.eval()


def trained_speakers(folder: str | Path) -> tuple[str, ...]:
    """The speakers, corpus/speaker, that the metric in `folder` was trained on; none where its card does not say."""
    try:
        return tuple(
            json.loads((Path(folder) / CARD_FILE).read_bytes())["card"]["data"]["speakers"]
        )
    except (OSError, ValueError, LookupError, TypeError):
        return ()


class MetricError(StcclError):
    """A saved metric cannot be used. The message says which file, and what to do."""


def _frames_of(kind: str, slots: int) -> int:
    """T of a window from the number of time slots of its tokens: T frames (SCC), or T (T-1) / 2 pairs of frames (TCC)."""
    return slots if kind.startswith("scc") else int((1 + (1 + 8 * slots) ** 0.5) / 2 + 0.5)
