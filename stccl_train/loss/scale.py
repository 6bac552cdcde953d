"""The scale of a loss: what its metric says of real pairs, measured once after training.

The value of a token is its loss divided by that of chance, so chance is 1 for any metric and form.
How far below 1 real pairs come, and how hard the loss pulls at their pixels, depends on the metric,
its training, the form and the number of frames. A calibrated value is stretched about 1 until
aligned real pairs are at `ALIGNED`, and a calibrated loss of weight 1 pulls as hard as a mean L1.
That a loss also depends on the face is what `variation.py` makes up for.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, get_args

from stccl_data.errors import StcclError
from stccl_data.files.atomic import write_text
from stccl_data.options import build, config_class
from stccl_train.loss.parts import LossForm, Part
from stccl_train.model.export import CARD_FILE

#: Value of an aligned real pair of frames, on average.
ALIGNED = 0.5

#: A metric that tells aligned frames from chance by less is stretched no further.
_LEAST_DISTANCE = 0.05


@config_class
class RealPairs:
    """What the loss says of real pairs, before it is stretched."""

    #: Mean value of each part (``scc_vd.1``) for the source itself.
    itself: dict[str, float]
    #: For aligned frames of another emotion.
    aligned: dict[str, float]
    #: For the same 0.4 s later or earlier.
    shifted: dict[str, float]
    #: Length of the gradient of the values times the variation of their windows, on aligned frames
    #: with the default layers, relative to that of a mean L1.
    slope: float


@config_class
class Calibration:
    """What a loss says of real pairs of the data that its metric was trained on."""

    split: str
    windows: int
    #: By `setting_name`.
    settings: dict[str, RealPairs]

    def scale(self, parts: Sequence[Part], setting: str) -> "Scale":
        """Return the scale of a loss.

        Args:
            parts: of the loss.
            setting: from `setting_name`.
        """
        pairs = self.settings[setting]
        total = sum(part.weight for part in parts)
        aligned = sum(part.weight * pairs.aligned[part.name] for part in parts) / total
        stretch = (1 - ALIGNED) / max(_LEAST_DISTANCE, 1 - aligned)
        return Scale(stretch, 1 / pairs.slope)


class Scale(NamedTuple):
    """How a loss is scaled."""

    #: Factor of the value's distance from chance.
    stretch: float = 1.0
    #: Factor of values times the variation of their windows, which gives the loss of weight 1.
    unit: float = 1.0


def setting_name(frames: int, mouth: bool, form: LossForm) -> str:
    """Name what the scale depends on.

    Args:
        frames: T, frames of a window; one, or several.
        mouth: whether the mouth alone pulls.
        form: of the loss.
    """
    region, length = "mouth" if mouth else "face", "one frame" if frames == 1 else "several frames"
    return f"{region}, {length}, {form}"


def write_calibration(run: str | Path, calibration: Calibration) -> None:
    """Add a calibration to the card of the metric in ``run``. A new metric has a new card."""
    path = Path(run) / CARD_FILE
    record = json.loads(path.read_bytes())
    write_text(path, json.dumps({**record, "calibration": asdict(calibration)}, indent=1) + "\n")


def read_calibration(run: str | Path) -> Calibration | None:
    """Return the calibration of the metric in ``run``; None without a valid one.

    Earlier versions calibrated the contrast alone, and did not name it, or had the gradient of the
    value itself: those are not valid.
    """
    try:
        values: Any = json.loads((Path(run) / CARD_FILE).read_bytes())["calibration"]
        calibration = build(Calibration, values)
        known = all(name.endswith(get_args(LossForm)) for name in calibration.settings)
        return calibration if known else None
    except (OSError, ValueError, LookupError, TypeError, StcclError):
        return None


def failed_verdicts(run: str | Path) -> list[str]:
    """Return the forms (``SCC-VD``) that `stccl eval` could not prove to hear speech."""
    verdicts = (verdict for record in _evaluations(run) for verdict in record["verdicts"])
    failed = (v for v in verdicts if not v["hears"])
    return sorted({f"{verdict['term']}-{verdict['form']}".upper() for verdict in failed})


def verdict_lines(run: str | Path) -> list[str]:
    """Return the verdict of each evaluation of ``run``, in words."""
    return [record["verdict"] for record in _evaluations(run) if "verdict" in record]


def _evaluations(run: str | Path) -> list[dict[str, Any]]:
    """Read what `stccl eval` wrote into ``run``; files of older versions are skipped."""
    records = []
    for path in sorted(Path(run).glob("eval-*/eval.json")):
        try:
            record = json.loads(path.read_bytes())
            if all({"term", "form", "hears"} <= verdict.keys() for verdict in record["verdicts"]):
                records.append(record)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return records
