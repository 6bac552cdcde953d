"""How well does one clip keep the speech of another? A trained metric asked frame by frame."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_data.alignment.align import AlignConfig, align
from stccl_data.alignment.warping_path import nearest_frame
from stccl_data.errors import ClipError, Reason
from stccl_data.face.track import Track
from stccl_data.features.signals import Signals, read_signals
from stccl_train.data.windows import points_in_crop
from stccl_train.eval.statistics import HEADLINE, VERDICT_SHIFT
from stccl_train.model.contrast import compare, retrieval
from stccl_train.model.export import load_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.regions import box_mask, place_likelihood, region_boxes
from stccl_train.model.token_kinds import TokenKind
from stccl_train.model.tokens import draw_places
from stccl_train.train.distributed import usable_device

Alignment = Literal["auto", "audio", "visual", "both", "time"]
ALIGNMENTS: tuple[Alignment, ...] = get_args(Alignment)

#: Windows in which a frame is seen, on average.
_OVERLAP = 3
_DRAWS = 2
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Score:
    """How well B keeps the speech of A, by frames of A.

    `times`: (N,) seconds of the frames of A; `target_times`: of those of B beside them. `scc`, `tcc`: (N,) mean cosine of matching
    mouth tokens; `scc_recall`, `tcc_recall`: (N,) how often B's token was found first (R@1). NaN where a side has no face, or no
    partner frame. `shifted`: the means of these four with B's frames taken `VERDICT_SHIFT` frames away: what two clips of one face
    come to without the same speech.
    """

    times: NDArray[np.float64]
    target_times: NDArray[np.float64]
    scc: NDArray[np.float64]
    tcc: NDArray[np.float64]
    scc_recall: NDArray[np.float64]
    tcc_recall: NDArray[np.float64]
    shifted: dict[str, float | None]

    @property
    def means(self) -> dict[str, float | None]:
        """Of the four, over the frames that have them; None where there is none."""
        return {name: _mean(getattr(self, name)) for name in _COLUMNS}

    def record(self) -> dict[str, Any]:
        """Plain values for JSON: means, shifted, and the columns by frame, None for NaN."""
        columns = {name: value for name, value in asdict(self).items() if name != "shifted"}
        frames = {
            name: [None if np.isnan(v) else round(float(v), 5) for v in value]
            for name, value in columns.items()
        }
        return {"means": self.means, "shifted": self.shifted, "frames": frames}


_COLUMNS = ("scc", "tcc", "scc_recall", "tcc_recall")


def score(
    run: str | Path | CorrelationMetric,
    source: str | Path,
    target: str | Path,
    alignment: Alignment = "auto",
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> Score:
    """Score how well the clip `target` keeps the speech of the clip `source`.

    alignment: how frames are laid on each other, as `stccl align` does it; `time`: at equal times, for a clip that was made of the
    other frame by frame. progress: told what is being done.
    device: auto, cpu, cuda, ... Raises ClipError where a clip cannot be read, shows no face, is too short, or the two cannot be
    aligned; MetricError; ValueError for a device that there is not.
    """
    told = progress or (lambda what: None)
    place = usable_device(device)
    metric = (run if isinstance(run, CorrelationMetric) else load_metric(run)).to(place).eval()
    clips: list[tuple[Track, Signals]] = []
    for path in (source, target):
        told(f"reading {path}")
        clips.append(_read(str(path), sound=alignment != "time"))
    told("comparing")
    (a, _), (b, _) = clips
    to = _frame_map(clips[0], clips[1], alignment)
    values = _compare(metric, a, b, to, place)
    if values is None:
        raise ClipError(
            Reason.TOO_SHORT,
            f"{source} and {target} have no {metric.config.frames} frames, {metric.config.stride} apart, with a face on both sides",
        )
    later = _compare(metric, a, b, _moved(to, len(b)), place)
    shifted = {
        name: None if later is None else _mean(later[:, i]) for i, name in enumerate(_COLUMNS)
    }
    target_times = np.where(to >= 0, b.times[np.maximum(to, 0)], np.nan)
    columns = dict(zip(_COLUMNS, values.T, strict=True))
    return Score(times=a.times, target_times=target_times, shifted=shifted, **columns)


def _read(path: str, *, sound: bool) -> tuple[Track, Signals]:
    """Face crops and landmarks of a clip, and what it is aligned by."""
    from stccl_data.face.crop_config import CropConfig
    from stccl_data.face.tracking import track_video
    from stccl_data.features.mouth import mouth_features
    from stccl_data.landmarks import open_landmarker

    track = track_video(path, open_landmarker(), CropConfig()).track
    mouth = mouth_features(track.landmarks, track.times, track.valid)
    heard = read_signals(path) if sound else Signals(name=path)
    return track, replace(heard, mouth=mouth, frame_times=track.times)


def _frame_map(
    a: tuple[Track, Signals], b: tuple[Track, Signals], alignment: Alignment
) -> NDArray[np.int32]:
    """(n_source,): the target's frame for each frame of the source, -1 where there is none."""
    if alignment not in ALIGNMENTS:
        raise ValueError(f"alignment {alignment!r} is not one of {', '.join(ALIGNMENTS)}")
    if alignment != "time":
        return align(a[1], b[1], AlignConfig(mode=alignment)).frame_map
    times, others = a[0].times - a[0].times[0], b[0].times - b[0].times[0]
    step = float(np.median(np.diff(others)))
    return np.where(times <= others[-1] + step / 2, nearest_frame(others, times), -1).astype(
        np.int32
    )


def _moved(to: NDArray[np.int32], frames: int) -> NDArray[np.int32]:
    """The map with each target frame VERDICT_SHIFT later, or earlier where the clip ends."""
    later = np.where(to + VERDICT_SHIFT < frames, to + VERDICT_SHIFT, to - VERDICT_SHIFT)
    return np.where((to < 0) | (later < 0), -1, later).astype(np.int32)


@torch.no_grad()
def _compare(
    metric: CorrelationMetric, a: Track, b: Track, to: NDArray[np.int32], device: torch.device
) -> NDArray[np.float64] | None:
    """(n_source, 4): the columns of a Score; None where no window fits."""
    config = metric.config
    span = (config.frames - 1) * config.stride
    good = a.valid & (to >= 0) & b.valid[np.maximum(to, 0)]
    last = len(a) - 1 - span
    # as many starts in a row as frames are passed over, so that every frame is in a window, and again some windows later
    some_later = max(1, config.frames // _OVERLAP)
    starts = [
        i
        for i in range(last + 1)
        if i // config.stride % some_later == 0 or i > last - config.stride
    ]
    windows = [start + config.stride * np.arange(config.frames) for start in starts]
    windows = [at for at in windows if good[at].all()]
    if not windows:
        return None
    sums, counts = np.zeros((len(a), 4)), np.zeros((len(a), 4))
    for first in range(0, len(windows), _BATCH):
        some = windows[first : first + _BATCH]
        source, target = (
            _frames(track, which) for track, which in ((a, some), (b, [to[at] for at in some]))
        )
        points = torch.from_numpy(
            np.stack([points_in_crop(a.landmarks[at], a.face_transforms[at]) for at in some])
        )
        boxes = region_boxes(points, source.shape[-1])[:, 0].to(device)
        for layer, (x, y) in enumerate(metric.features(source.to(device), target.to(device))):
            for kind in metric.kinds:
                for draw in range(_DRAWS):
                    generator = torch.Generator().manual_seed(draw)
                    _add(metric, kind, layer, x, y, boxes, generator, some, sums, counts)
    with np.errstate(invalid="ignore"):
        return sums / counts


def _add(
    metric: CorrelationMetric,
    kind: TokenKind,
    layer: int,
    source: Tensor,
    target: Tensor,
    boxes: Tensor,
    generator: torch.Generator,
    windows: list[NDArray[np.intp]],
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> None:
    """Add what the mouth tokens of a kind say to the frames that they are of. source, target: (B, T, C, H, W)."""
    b, t, _, h, w = source.shape
    mouth = box_mask(boxes, h, w, metric.config.size)
    places = draw_places(
        b,
        metric.places(kind, layer, source).shape[1],
        h,
        w,
        generator,
        place_likelihood(mouth, 0.5),
    )
    z, k = (metric.embed(kind, layer, kind.build(side, places).values) for side in (source, target))
    slot_frames = kind.slot_frames(t, z.device)
    across = HEADLINE[kind.term] == "place+time"
    found = retrieval(compare(z, k, across, times=slot_frames))
    rows = torch.arange(b, device=z.device)[:, None]
    there = (
        mouth[rows, places[..., 0], places[..., 1]]
        .repeat_interleave(z.shape[2] // places.shape[1], dim=1)
        .float()
    )
    values = torch.stack([found.matched, found.recall, torch.ones_like(found.matched)], dim=-1)
    slots = torch.einsum("basm,bs->bam", values, there).double().cpu().numpy()  # (B, A, 3)
    columns = [0, 2] if kind.term == "scc" else [1, 3]
    covered = slot_frames.cpu().numpy()
    for window, said in zip(windows, slots, strict=True):
        for slot, (matched, recall, n) in enumerate(said):
            frames = window[covered[slot]]
            sums[frames[:, None], columns] += [matched, recall]
            counts[frames[:, None], columns] += n


def _frames(track: Track, windows: list[NDArray[Any]]) -> Tensor:
    """(B, T, 3, H, W) uint8."""
    assert track.face is not None
    return torch.from_numpy(np.stack([track.face.decode(at) for at in windows])).permute(
        0, 1, 4, 2, 3
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))
