"""What people decided about single pairs: `verdicts.csv` in a dataset, one line for each pair."""

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from stccl_data.errors import StcclError
from stccl_data.files.atomic import write_text

VERDICTS = "verdicts.csv"

Decision = Literal["keep", "reject"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)

#: (source clip id, target clip id)
PairIds = tuple[str, str]


class VerdictsError(StcclError):
    """verdicts.csv cannot be read."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of verdicts.csv."""

    source: str
    target: str
    verdict: Decision
    #: name of the person
    who: str
    #: ISO 8601, UTC
    when: str


def read_verdicts(out: Path) -> dict[PairIds, Verdict]:
    """Return the verdicts of a dataset by pair; empty if nobody has looked at it.

    Raises:
        VerdictsError: the file is not what `stccl review` writes.
    """
    path = out / VERDICTS
    verdicts = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                if row.get("verdict") not in DECISIONS or not row["source"] or not row["target"]:
                    words = " or ".join(DECISIONS)
                    raise VerdictsError(
                        f"{path}, line {number}: needs source, target and the verdict {words}"
                    )
                who, when = row.get("who") or "", row.get("when") or ""
                verdict: Decision = "keep" if row["verdict"] == "keep" else "reject"
                pair = (row["source"], row["target"])
                verdicts[pair] = Verdict(*pair, verdict, who, when)
    except FileNotFoundError:
        return {}
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise VerdictsError(f"{path} is not a table of verdicts ({error!r})") from None
    return verdicts


def write_verdicts(out: Path, verdicts: Mapping[PairIds, Verdict]) -> None:
    """Write verdicts.csv atomically, sorted by pair."""
    text = io.StringIO()
    names = ("source", "target", "verdict", "who", "when")
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(verdicts[pair]) for pair in sorted(verdicts))
    write_text(out / VERDICTS, text.getvalue())


def count_verdicts(verdicts: Mapping[PairIds, Verdict]) -> dict[str, int]:
    """Return how many pairs were kept and rejected; empty without verdicts."""
    found = [verdict.verdict for verdict in verdicts.values()]
    return {decision: found.count(decision) for decision in DECISIONS} if found else {}
