"""The scale of a loss: what its metric says of real pairs, measured once after training.

The value of a token is its contrastive loss divided by that of chance, so chance is 1 for any
metric. How far below 1 real pairs come depends on the metric and its training; a calibrated loss
is stretched about 1 until aligned real pairs are at `ALIGNED`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stccl_data.errors import StcclError
from stccl_data.files.atomic import write_text
from stccl_data.options import build, config_class
from stccl_train.loss.parts import Part
from stccl_train.model.export import CARD_FILE

#: Value of an aligned real pair of frames, on average.
ALIGNED = 0.5

#: A metric that tells aligned frames from chance by less is stretched no further.
_LEAST_DISTANCE = 0.05


@config_class
class Levels:
    """Mean values of real pairs before stretching, by part (``scc_vd.1``)."""

    #: The source itself.
    itself: dict[str, float]
    #: Aligned frames of another emotion.
    aligned: dict[str, float]
    #: The same, 0.4 s later or earlier.
    shifted: dict[str, float]


@config_class
class Calibration:
    """What a metric says of real pairs of its own training data.

    Levels are by `setting`: where tokens pull, and whether there is one frame or several.
    """

    split: str
    windows: int
    levels: dict[str, Levels]

    def distance(self, parts: Sequence[Part], frames: int, mouth: bool) -> float:
        """Return how far aligned pairs are below chance.

        Args:
            parts: of the loss.
            frames: T.
            mouth: whether tokens at the mouth alone pull.
        """
        aligned = self.levels[setting(frames, mouth)].aligned
        total = sum(part.weight for part in parts)
        level = sum(part.weight * aligned[part.name] for part in parts) / total
        return max(_LEAST_DISTANCE, 1 - level)


def setting(frames: int, mouth: bool) -> str:
    """Name what levels depend on."""
    return f"{'mouth' if mouth else 'face'}, {'one frame' if frames == 1 else 'several frames'}"


def write_calibration(run: str | Path, calibration: Calibration) -> None:
    """Add a calibration to the card of the metric in ``run``. A new metric has a new card."""
    path = Path(run) / CARD_FILE
    record = json.loads(path.read_bytes())
    write_text(path, json.dumps({**record, "calibration": asdict(calibration)}, indent=1) + "\n")


def read_calibration(run: str | Path) -> Calibration | None:
    """Return the calibration of the metric in ``run``; None without a valid one."""
    try:
        values: Any = json.loads((Path(run) / CARD_FILE).read_bytes())["calibration"]
        return build(Calibration, values)
    except (OSError, ValueError, LookupError, TypeError, StcclError):
        return None


def failed_verdicts(run: str | Path) -> list[str]:
    """Return the forms (``SCC-VD``) that `stccl eval` could not prove to hear speech."""
    failed = set()
    for path in sorted(Path(run).glob("eval-*/eval.json")):
        try:
            for verdict in json.loads(path.read_bytes())["verdicts"]:
                if not verdict["hears"]:
                    failed.add(f"{verdict['term']}-{verdict['form']}".upper())
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return sorted(failed)
