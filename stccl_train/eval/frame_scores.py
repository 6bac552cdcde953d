"""Frame scores: how well mouth tokens of one clip match those of another, frame by frame."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_data.alignment.tracked_clip import TrackedClip
from stccl_data.landmarks import points_in_crop
from stccl_train.data.windows import WindowShape
from stccl_train.eval.statistics import HEADLINE
from stccl_train.model.contrastive_loss import compare
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.regions import box_mask, place_likelihood, region_boxes
from stccl_train.model.retrieval import recall_at_1
from stccl_train.model.token_kinds import Term, TokenKind
from stccl_train.model.tokens import draw_places
from stccl_train.threads import threads

#: Windows that contain a frame, on average, so that scores of single frames are smooth.
OVERLAP = 3
#: Share of places drawn at the mouth.
_MOUTH_SHARE = 0.5
#: Windows at once, and frames at once through the backbone.
_BATCH = 8
_FRAMES = 16
#: Features of a clip that are kept, bytes: all of a tiny metric, some seconds of an iresnet50. Of
#: its anchors as many are kept.
_KEPT_BYTES = 5 * 10**8


SCORES = ("scc", "tcc", "scc_recall", "tcc_recall")


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Scores of the N frames of a source clip: (N,) float64 each.

    NaN if a frame is in no window: one side has no face nearby, or no partner frame.
    """

    #: Mean cosine of matching mouth tokens.
    scc: NDArray[np.float64]
    tcc: NDArray[np.float64]
    #: How often a token's partner was found first (R@1).
    scc_recall: NDArray[np.float64]
    tcc_recall: NDArray[np.float64]

    @property
    def means(self) -> dict[str, float | None]:
        """The mean of each score over the frames that have it; None if no frame has it."""
        columns = {name: getattr(self, name) for name in SCORES}
        return {
            name: None if np.isnan(values).all() else float(np.nanmean(values))
            for name, values in columns.items()
        }


class ClipFeatures:
    """The backbone's features of a clip's face crops.

    Overlapping windows share frames, and so do the comparisons of one clip with several others:
    each frame passes the backbone once. The least recently used frames are dropped if they become
    too many.
    """

    def __init__(self, metric: CorrelationMetric, clip: TrackedClip) -> None:
        """Compute nothing yet.

        Args:
            metric: in eval mode.
            clip: with face crops.
        """
        assert clip.track.face is not None
        self.track, self._crops, self._metric = clip.track, clip.track.face, metric
        #: Side of a crop, pixels.
        self.size = self._crops.decode([0]).shape[1]
        #: Frame -> its features in each layer, (H, W, C).
        self._frames: OrderedDict[int, list[Tensor]] = OrderedDict()
        #: Windows, and what `anchors` returns for them.
        self._anchors: tuple[bytes, list[_Anchors]] = b"", []

    def windows(self, windows: Sequence[NDArray[np.integer]]) -> list[Tensor]:
        """Return the features of windows in each layer, (B, T, C, H, W).

        Args:
            windows: (T,) frames each.
        """
        numbers = [int(frame) for window in windows for frame in window]
        missing = sorted(set(numbers) - set(self._frames))
        for first in range(0, len(missing), _FRAMES):
            self._compute(missing[first : first + _FRAMES])
        frames = []
        for number in numbers:
            self._frames.move_to_end(number)
            frames.append(self._frames[number])
        batch = [
            torch.stack(layer).view(len(windows), -1, *layer[0].shape).permute(0, 1, 4, 2, 3)
            for layer in zip(*frames, strict=True)
        ]
        size = sum(layer.nbytes for layer in frames[0])
        while len(self._frames) * size > _KEPT_BYTES:
            self._frames.popitem(last=False)
        return batch

    def anchors(self, windows: Sequence[NDArray[np.intp]]) -> "Iterator[_Anchors]":
        """Yield the tokens of windows that look for their partners in another clip.

        They are the same whatever clip that is: those of the latest windows are kept, unless they
        are too many.
        """
        key = np.stack(windows).tobytes()
        if self._anchors[0] == key:
            yield from self._anchors[1]
            return
        kept, room = [], _KEPT_BYTES
        for anchors in _draw_anchors(self._metric, self, windows):
            room -= anchors.z.nbytes
            if room >= 0:
                kept.append(anchors)
            yield anchors
        if room >= 0:
            self._anchors = key, kept

    def _compute(self, numbers: Sequence[int]) -> None:
        crops = torch.from_numpy(self._crops.decode(numbers)).permute(0, 3, 1, 2)[None]
        layers = self._metric.features(crops.to(self._metric.scale.device))
        by_frame = (layer[0][0].permute(0, 2, 3, 1).contiguous() for layer in layers)
        for number, *maps in zip(numbers, *by_frame, strict=True):
            self._frames[number] = maps


@torch.no_grad()
def score_frames(
    metric: CorrelationMetric,
    source: ClipFeatures,
    target: ClipFeatures,
    frame_map: NDArray[np.int32],
    overlap: int = OVERLAP,
) -> FrameScores | None:
    """Score each frame of a clip against its partner frame in another.

    Args:
        metric: in eval mode.
        source: of this metric.
        target: of this metric.
        frame_map: (n_source,) target frame of each source frame, -1 if there is none.
        overlap: windows that contain a frame, on average: 1 is enough for the means.

    Returns:
        None if no window has a face and a partner in each of its frames.
    """
    a, b = source.track, target.track
    usable = a.valid & (frame_map >= 0) & b.valid[np.maximum(frame_map, 0)]
    shape = WindowShape(metric.config.frames, metric.config.interval)
    windows = _spread_windows(shape, a.times, usable, overlap)
    if not windows:
        return None
    sums = _FrameSums(len(a))
    batch: Sequence[NDArray[np.intp]] = ()
    with threads(None, metric.config.backbone, metric.scale.device):
        for anchors in source.anchors(windows):
            if anchors.windows is not batch:
                batch = anchors.windows
                features = target.windows([frame_map[frames] for frames in batch])
            sums.add(anchors.kind, batch, _score_slots(metric, anchors, features))
    return sums.scores()


def _spread_windows(
    shape: WindowShape, times: NDArray[np.float64], usable: NDArray[np.bool_], overlap: int
) -> list[NDArray[np.intp]]:
    """Return the frames of windows that together contain every usable frame that can be in one.

    As many windows in a row as there are frames in an interval, and again some intervals later;
    then those that contain a frame which is in none of these, beside frames that are not usable.

    Args:
        shape: the frames of a window.
        times: (N,) presentation times, seconds.
        usable: (N,), whether a frame may be in a window.
        overlap: windows that contain a frame, on average.
    """
    step = max(1, shape.frames // overlap)
    windows = shape.windows(times)
    last = len(windows) - 1
    skipped = max(1, int(np.diff(windows[:1, :2]).sum()))
    starts = np.arange(len(windows))
    spread = (starts // skipped % step == 0) | (starts > last - skipped)
    possible = np.asarray(usable[windows].all(axis=1))
    chosen = list(windows[spread & possible])
    covered = np.zeros(len(times), bool)
    for window in chosen:
        covered[window] = True
    for window in windows[~spread & possible]:
        if not covered[window].all():
            covered[window] = True
            chosen.append(window)
    return chosen


def _draw_anchors(
    metric: CorrelationMetric, source: ClipFeatures, windows: Sequence[NDArray[np.intp]]
) -> Iterator["_Anchors"]:
    """Yield the anchors of each batch of windows, layer and kind of token.

    Other tokens are candidates, but need not find their partners: places at the mouth come first,
    and only their tokens are compared with all.
    """
    generator = torch.Generator().manual_seed(0)
    track = source.track
    for first in range(0, len(windows), _BATCH):
        batch = windows[first : first + _BATCH]
        points = [
            points_in_crop(track.landmarks[frames], track.face_transforms[frames])
            for frames in batch
        ]
        boxes = region_boxes(torch.from_numpy(np.stack(points)), source.size)
        mouth = boxes[:, 0].to(metric.scale.device)
        for layer, features in enumerate(source.windows(batch)):
            b, _, _, h, w = features.shape
            mask = box_mask(mouth, h, w, metric.config.size)
            likelihood = place_likelihood(mask, _MOUTH_SHARE)
            rows = torch.arange(b, device=mask.device)[:, None]
            for kind in metric.kinds:
                places = draw_places(b, kind.places[layer], h, w, generator, likelihood)
                at_mouth = mask[rows, places[..., 0], places[..., 1]]
                at_mouth, order = at_mouth.sort(dim=1, descending=True, stable=True)
                places = places[rows, order]
                count = int(at_mouth.sum(1).max()) * kind.tokens_per_place
                at_mouth = at_mouth.repeat_interleave(kind.tokens_per_place, dim=1)[:, :count]
                tokens = kind.build(features, places).values[:, :, :count]
                z = metric.embed(kind, layer, tokens)
                yield _Anchors(batch, kind, layer, places, at_mouth.float(), z)


def _score_slots(
    metric: CorrelationMetric, anchors: "_Anchors", target: Sequence[Tensor]
) -> NDArray[np.float64]:
    """Sum cosine and R@1 over the mouth tokens of each time slot.

    Args:
        metric: the metric.
        anchors: of the source.
        target: features of the target in each layer, (B, T, C, H, W).

    Returns:
        (B, A, 3): sum of cosines, sum of R@1, number of tokens.
    """
    kind, features = anchors.kind, target[anchors.layer]
    k = metric.embed(kind, anchors.layer, kind.build(features, anchors.places).values)
    across_time = HEADLINE[kind.term] == "place+time"
    times = kind.slot_frames(features.shape[1], k.device)
    matched, recall = recall_at_1(compare(anchors.z, k, across_time, times=times))
    values = torch.stack([matched, recall, torch.ones_like(matched)], dim=-1)
    return torch.einsum("basm,bs->bam", values, anchors.at_mouth).double().cpu().numpy()


class _Anchors(NamedTuple):
    """The source's tokens of one kind in one layer, of a batch of windows."""

    #: (T,) frames of each window.
    windows: Sequence[NDArray[np.intp]]
    kind: TokenKind
    layer: int
    #: (B, L, 2), those at the mouth first.
    places: Tensor
    #: (B, S) float32, 1 for tokens at the mouth.
    at_mouth: Tensor
    #: (B, A, S, D), embedded.
    z: Tensor


class _FrameSums:
    """Sums of cosine, R@1 and tokens for each frame and term."""

    def __init__(self, frames: int) -> None:
        self._sums: dict[Term, NDArray[np.float64]] = {
            "scc": np.zeros((frames, 3)),
            "tcc": np.zeros((frames, 3)),
        }

    def add(
        self, kind: TokenKind, windows: Sequence[NDArray[np.intp]], scores: NDArray[np.float64]
    ) -> None:
        """Add the scores of a batch, (B, A, 3), to all frames that each time slot covers."""
        length = len(windows[0])
        covers = np.zeros((scores.shape[1], length))
        np.put_along_axis(covers, kind.slot_frames(length).numpy(), 1, axis=1)
        for frames, values in zip(windows, np.einsum("at,bas->bts", covers, scores), strict=True):
            self._sums[kind.term][frames] += values

    def scores(self) -> FrameScores:
        """Return the means over tokens."""
        with np.errstate(invalid="ignore"):
            means = {term: sums[:, :2] / sums[:, 2:] for term, sums in self._sums.items()}
        scc, tcc = means["scc"], means["tcc"]
        return FrameScores(scc[:, 0], tcc[:, 0], scc[:, 1], tcc[:, 1])
