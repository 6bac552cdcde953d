"""Save and load a metric: its weights (safetensors) and its card (JSON) in one folder."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stccl_data.errors import StcclError
from stccl_data.files.atomic import write_bytes, write_text
from stccl_data.options import build
from stccl_train.config import MetricConfig, current_names
from stccl_train.model.metric import CorrelationMetric

WEIGHTS_FILE, CARD_FILE = "metric.safetensors", "metric.json"

#: Format of the card. Bump when the meaning of older files changes.
VERSION = 1


class MetricError(StcclError):
    """A saved metric cannot be used."""


def save_metric(
    folder: str | Path, metric: CorrelationMetric, card: Mapping[str, Any] | None = None
) -> None:
    """Write a metric into a folder as metric.safetensors and metric.json.

    Each file is written atomically; the card comes last.

    Args:
        folder: where to write.
        metric: what to write.
        card: where the metric comes from (data, step, training config); stored beside its config.
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
    """Load the metric that `save_metric` wrote, on the CPU and in eval mode.

    Raises:
        MetricError: a file is missing, damaged, or of a newer version.
    """
    folder = Path(folder)
    try:
        metric = _read(folder)
    except MetricError:
        raise
    # safetensors raises its own errors, torch RuntimeError, and a card edited by hand any type.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise MetricError(
            f"{folder}: not a metric written by `stccl train` ({reason}); "
            "train again or use another copy"
        ) from error
    return metric.eval()


def _read(folder: Path) -> CorrelationMetric:
    from safetensors.torch import load_file

    for name in (CARD_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise MetricError(
                f"{folder}: no trained metric, {name} is missing; run `stccl train` first"
            )
    record = json.loads((folder / CARD_FILE).read_bytes())
    if record["version"] > VERSION:
        raise MetricError(
            f"{folder / CARD_FILE}: version {record['version']} is newer than {VERSION}, "
            "which this stccl reads; install a newer stccl"
        )
    metric = CorrelationMetric(
        build(MetricConfig, current_names(record["config"])),
        freeze_backbone=record["freeze_backbone"],
    )
    metric.load_state_dict(load_file(folder / WEIGHTS_FILE))
    broken = [name for name, value in metric.named_parameters() if not value.isfinite().all()]
    if broken:
        raise MetricError(
            f"{folder / WEIGHTS_FILE}: damaged, {broken[0]} is not finite; "
            "train again or use another copy"
        )
    return metric


class TrainedOn(NamedTuple):
    """What a metric was trained on; empty where it is unknown."""

    #: corpus/speaker
    speakers: frozenset[str] = frozenset()
    #: corpus/sentence
    sentences: frozenset[str] = frozenset()


def trained_on(folder: str | Path) -> TrainedOn:
    """Return what a saved metric was trained on."""
    try:
        data = json.loads((Path(folder) / CARD_FILE).read_bytes())["card"]["data"]
        # Runs of older versions did not note their sentences.
        return TrainedOn(frozenset(data["speakers"]), frozenset(data.get("sentences", ())))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return TrainedOn()
