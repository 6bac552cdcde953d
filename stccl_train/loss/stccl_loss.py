"""`STCCLLoss`: the module that trainers add to their loss."""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stccl_data.errors import UsageError
from stccl_train.config import MetricConfig
from stccl_train.loss.inputs import (
    check_fps,
    check_frames,
    check_mask,
    check_points,
    check_points_shape,
    range_faults,
    warn,
)
from stccl_train.loss.parts import (
    FORM,
    LAYERS,
    LossForm,
    Part,
    Places,
    part_sums,
    weighted_parts,
)
from stccl_train.loss.places import draw_all_places
from stccl_train.loss.scale import (
    Calibration,
    Scale,
    failed_verdicts,
    read_calibration,
    setting_name,
)
from stccl_train.loss.variation import Variation
from stccl_train.loss.windows import LossWindows
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.token_kinds import TCC_CM
from stccl_train.model.tokens import Generators
from stccl_train.seeding import torch_generator

#: Which tokens pull.
Region = Literal["mouth", "face"]


class LossParts(NamedTuple):
    """The loss and what it is made of."""

    #: Scalar, with its graph: values times the variation of their windows, scaled so that weight 1
    #: pulls as hard as a mean L1.
    loss: Tensor
    #: Scalar, detached: 1 is chance; calibrated, aligned real pairs are at 0.5 on average.
    value: Tensor
    #: The loss of each kind of token in each layer (``scc_vd.1``) as a share of chance, not
    #: stretched; scalars, detached.
    parts: dict[str, Tensor]


class STCCLLoss(nn.Module):
    """Loss of generated frames: how far their tokens are from their partners in the source.

    Each window's part of it is multiplied by the variation of its source, see `Variation`, so that
    one weight pulls alike at all faces.

    The metric is frozen and in eval mode, and no part of the state dict: it moves with this module
    from device to device, but is neither saved, loaded nor trained with it. Only the generated
    frames receive a gradient.

    Args:
        metric: is copied.
        weight: how hard the loss pulls at the generated pixels, relative to a mean L1 of frames in
            [-1, 1]: with 1 the gradients of both are of one length on aligned real pairs.
        terms: weight of terms (``scc``, ``tcc``) and kinds of token (``scc_vd``, ``scc_md``, ...).
            The kinds of a term share its weight; what is not named keeps the metric's.
            ``{"scc_vd": 0}`` compares only tokens of motion.
        layers: weight of each of the four layers, from fine to coarse; by default the two fine ones
            alone, for which the scale of ``weight`` is measured.
        region: ``mouth``: if it is known where the mouth is, only tokens at the mouth pull, only at
            the pixels there. ``face``: all tokens pull.
        form: ``distance``: how far tokens are from their partners, even if no other is nearer;
            ``contrast``: how badly they find them among others, as the metric was trained.
        margin: a token does not pull if its loss is below this share of chance.
        chunk: most windows at once; the same loss in less memory.
        checkpointing: compute the features again in the backward pass instead of keeping them.
        calibration: of the metric; without one, ``weight`` is only roughly relative to a mean L1.
        strict: raise where otherwise a warning says once that frames are out of range.
        check_range: look at the values of frames and landmarks, which waits for the GPU; nothing
            else in a call does.
        seed: of the random places; the rank and the number of the call count too.

    Raises:
        UsageError: an unknown form, region or term, a weight that is not a number from 0, or
            weights that leave nothing to compare.
    """

    def __init__(
        self,
        metric: CorrelationMetric,
        weight: float = 1.0,
        *,
        terms: Mapping[str, float] | None = None,
        layers: Sequence[float] = LAYERS,
        region: Region = "mouth",
        form: LossForm = FORM,
        margin: float = 0.0,
        chunk: int | None = None,
        checkpointing: bool = False,
        calibration: Calibration | None = None,
        strict: bool = False,
        check_range: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for option, value, known in (
            ("form", form, get_args(LossForm)),
            ("region", region, get_args(Region)),
        ):
            if value not in known:
                raise UsageError(f"unknown {option} {value!r}; choose from {', '.join(known)}")
        if not 0 <= weight < float("inf"):
            raise UsageError(f"weight is {weight}; give a number from 0")
        # In a tuple, so that it is no submodule: parents cannot save, load, train or unfreeze it.
        self._held = (copy.deepcopy(metric).requires_grad_(False).eval(),)
        self.weight, self.region, self.margin = weight, region, margin
        self.form: LossForm = form
        self.chunk, self.checkpointing = chunk, checkpointing
        self.calibration = calibration
        self.strict, self.check_range, self.seed = strict, check_range, seed
        self._parts = weighted_parts(metric, terms or {}, layers)
        self._calls = 0
        self._compiled: Callable[..., Tensor] | None = None
        self._said: set[str] = set()
        self.register_load_state_dict_pre_hook(_skip_metric)  # type: ignore[no-untyped-call]

    @classmethod
    def from_run(cls, run: str | Path, weight: float = 1.0, **options: Any) -> "STCCLLoss":
        """Build the loss from the metric that `stccl train` wrote into ``run``.

        Args:
            run: the folder of the run.
            weight: relative to a mean L1, see the class.
            **options: those of the class.

        Raises:
            MetricError: no usable metric in ``run``.
        """
        crit = cls(load_metric(run), weight, calibration=read_calibration(run), **options)
        if failed := failed_verdicts(run):
            warn(
                f"{run}: `stccl eval` did not prove that {', '.join(failed)} of this metric hears "
                "speech; see its eval.txt"
            )
        if crit.calibration is None:
            warn(
                f"{run}: not calibrated by this version, so a weight of 1 may pull many times as "
                f"hard as a mean L1, and aligned pairs have no known value; run `stccl eval {run} "
                "OUT`, OUT being the dataset"
            )
        return crit

    @property
    def metric(self) -> CorrelationMetric:
        """The frozen metric."""
        return self._held[0]

    @property
    def config(self) -> MetricConfig:
        """What the metric was trained on: ``frames``, ``interval``, ``size``, ..."""
        return self.metric.config

    def _apply(self, fn: Any, recurse: bool = True) -> "STCCLLoss":
        """Move or convert the metric along with this module."""
        self.metric._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]

    def compile(self, *args: Any, **options: Any) -> None:
        """Compile the backbone and the comparison; arguments are those of `torch.compile`.

        ``torch.compile`` of a whole training step passes the loss by.
        """
        self.metric.backbone.compile(*args, **options)
        self._compiled = torch.compile(self._part_sums, *args, **options)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(
        self,
        source: Tensor,
        generated: Tensor,
        generator: Generators = None,
        source_points: Tensor | None = None,
        *,
        fps: float | None = None,
        mask: Tensor | None = None,
        return_parts: bool = False,
    ) -> Tensor | LossParts:
        """Compute the loss.

        Args:
            source: (B, T, 3, H, W) RGB, float in [-1, 1], faces aligned to the crop template of
                `stccl prepare`. Frames are resized inside; of frames that are not square the middle
                is compared. With T = 1 the temporal term is left out. More frames than
                ``config.frames`` are cut into windows.
            generated: (B, T, 3, H', W'), the same frames manipulated.
            generator: source of the random places. None: the loss's own, see ``seed``.
            source_points: (B, T, 68, 2), iBUG points in pixels of ``source``, NaN in frames without
                a face. They say where the mouth is, where speech is: without them places are drawn
                evenly, and aligned frames differ less from others.
            fps: of the frames, if they are consecutive ones of a video; windows are then cut from
                them. None: frames are ``config.interval`` seconds apart already.
            mask: (B, H, W) bool, where tokens pull instead of the mouth.
            return_parts: return `LossParts`.

        Returns:
            Scalar. NaN, and so is its gradient, if a frame is not finite: a `GradScaler` then skips
            the step.

        Raises:
            UsageError: frames or points of an invalid shape, or landmarks of another scale; with
                ``strict`` also frames out of range.
            TypeError: frames that are not a float tensor.
        """
        check_frames(source, generated)
        if source.requires_grad and not generated.requires_grad:
            self._say("swapped", "source has a gradient and generated has none: are they swapped?")
        if fps is not None and (message := check_fps(fps, self.config.interval)):
            self._say("fps", message)
        self._look(source, generated, source_points, mask)
        finite = source.isfinite().all() & generated.isfinite().all()
        stride = 1 if fps is None else max(1, round(self.config.interval * fps))
        windows = LossWindows.fit(source, generated, source_points, mask)
        windows = windows.cut(self.config.frames, stride)
        pulled = None
        if self.region == "mouth" or mask is not None:
            pulled = windows.region(windows.source.shape[-1])
            windows = windows.hold_rest()
        parts = self._parts_of(windows.source.shape[1])
        places = self._draw(windows, parts, generator)
        sums, counts = self._all_sums(windows, parts, places).unbind(-1)
        total = counts.sum(0)
        variation = Variation.of(windows.source, pulled)
        varied = sums * torch.stack([variation.by(part.kind) for part in parts], dim=1)
        values, pulls = (each.sum(0) / total.clamp_min(1e-6) for each in (sums, varied))
        # Made on the device: a copy to it would wait for the backbone.
        weights = torch.stack([values.new_full((), part.weight) for part in parts]) * (total > 0)
        value, pull = (
            (each * weights).sum() / weights.sum().clamp_min(1e-6) for each in (values, pulls)
        )
        scale = self._scale(windows, parts)
        loss = self.weight * scale.unit * pull * torch.where(finite, 1.0, torch.nan)
        if not return_parts:
            return loss
        value = 1 - scale.stretch * (1 - value)
        by_name = {part.name: v for part, v in zip(parts, values.detach(), strict=True)}
        return LossParts(loss, value.detach(), by_name)

    def _scale(self, windows: LossWindows, parts: Sequence[Part]) -> Scale:
        if self.calibration is None:
            return Scale()
        located = windows.points is not None or windows.mask is not None
        mouth = located and self.region == "mouth"
        return self.calibration.scale(
            parts, setting_name(windows.source.shape[1], mouth, self.form)
        )

    def extra_repr(self) -> str:
        """Return the options that matter most, for ``print(crit)``."""
        config = self.config
        return (
            f"weight={self.weight:g}, form={self.form!r}, region={self.region!r}, "
            f"frames={config.frames}, interval={config.interval:g}, size={config.size}"
        )

    def accepts(self, frames: int) -> bool:
        """Return whether windows of this many frames can be compared."""
        try:
            return bool(self._parts_of(frames))
        except UsageError:
            return False

    def _parts_of(self, frames: int) -> list[Part]:
        """Return the parts of windows of this many frames.

        Raises:
            UsageError: there are none, or they were trained with another number of frames.
        """
        parts = [part for part in self._parts if part.kind.exists_in(frames)]
        if not parts:
            raise UsageError(
                "T is 1, but this loss has only terms that need several frames; "
                "give 2 frames or more"
            )
        trained = self.config.frames
        if frames not in (1, trained) and any(part.kind is TCC_CM for part in parts):
            raise UsageError(
                f"T is {frames}, but the temporal correlation matrix of this metric was trained "
                f"with T = {trained}; give {trained} frames or more, or single frames"
            )
        return parts

    def _all_sums(
        self, windows: LossWindows, parts: Sequence[Part], places: Sequence[Places]
    ) -> Tensor:
        """Return `_sums` of all windows, computed chunk by chunk."""
        count = len(windows.source)
        size = self.chunk or count
        sums = []
        for first in range(0, count, size):
            rows = slice(first, first + size)
            chunk = [Places(place.where[rows], place.pulls[rows]) for place in places]
            sums.append(self._sums(windows.source[rows], windows.generated[rows], parts, chunk))
        return torch.cat(sums)

    def _sums(
        self,
        source: Tensor,
        generated: Tensor,
        parts: Sequence[Part],
        places: Sequence[Places],
    ) -> Tensor:
        """Return the weighted sum of token values and the sum of weights, (B, P, 2)."""
        dtype = self.metric.scale.dtype
        with torch.no_grad():
            source_features = self.metric.features(source.to(dtype))

        def compute(generated: Tensor) -> Tensor:
            features = self.metric.features(generated.to(dtype))
            compare = self._compiled or self._part_sums
            return compare(source_features, features, parts, places)

        if self.checkpointing and torch.is_grad_enabled():
            result: Tensor = checkpoint(compute, generated, use_reentrant=False)
            return result
        return compute(generated)

    def _part_sums(
        self,
        source: Sequence[Sequence[Tensor]],
        generated: Sequence[Sequence[Tensor]],
        parts: Sequence[Part],
        places: Sequence[Places],
    ) -> Tensor:
        """Return what `_sums` does, from the features of each layer."""
        sums = [
            part_sums(
                self.metric,
                part,
                place,
                source[part.layer][0],
                generated[part.layer][0],
                self.margin,
                self.form,
            )
            for part, place in zip(parts, places, strict=True)
        ]
        return torch.stack(sums, dim=1)

    def _look(
        self, source: Tensor, generated: Tensor, points: Tensor | None, mask: Tensor | None
    ) -> None:
        """Look at values, landmarks and mask, and say once what is wrong with them."""
        if points is not None:
            check_points_shape(points, source)
        if mask is not None:
            check_mask(mask, source)
        if not (self.strict or self.check_range):
            return
        if points is not None:
            if message := check_points(points, source):
                self._say("middle", message)
            if not points.isfinite().flatten(1).any(1).all():
                self._say(
                    "points",
                    "source_points knows no face in some windows; there, the whole frame pulls",
                )
        if mask is not None and not mask.flatten(1).any(1).all():
            self._say("mask", "mask is empty in some windows; there, the whole frame pulls")
        for code, message in range_faults(source, generated):
            if self.strict:
                raise UsageError(message)
            if code != "not_finite":
                self._say(code, message)

    def _say(self, what: str, message: str) -> None:
        """Warn, once for each ``what``."""
        if what not in self._said:
            self._said.add(what)
            warn(message)

    def _draw(
        self, windows: LossWindows, parts: Sequence[Part], generator: Generators
    ) -> list[Places]:
        """Draw the places of all parts. Nothing else in the loss is random."""
        if generator is None:
            generator = torch_generator(self.seed, _rank(), self._calls)
            self._calls += 1
        only_region = self.region == "mouth" or windows.mask is not None
        return draw_all_places(windows, parts, self.config, only_region, generator)


def _rank() -> int:
    distributed = torch.distributed
    return (
        distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0
    )


def _skip_metric(_module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Drop the metric of a checkpoint of earlier versions, which held it."""
    for name in [name for name in state if name.startswith(f"{prefix}metric.")]:
        del state[name]
