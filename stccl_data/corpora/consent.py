"""The ledger of consents beside a manifest: who agreed to what, until when."""

import csv
import datetime
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from stccl_data.clip import Clip
from stccl_data.corpora.csv_text import read_csv_text
from stccl_data.corpora.labels import normalised_label
from stccl_data.corpora.records import Finding, Listing, ScanError
from stccl_data.errors import Reason

#: The file, beside the manifest.
LEDGER = "consent.csv"
#: Words in the column `withdrawn` that mean no.
_NO = frozenset({"", "no", "false", "0"})


@dataclass(frozen=True, slots=True)
class Consent:
    """What the ledger says of a speaker."""

    #: why it is not valid; empty if it is
    problem: str
    #: the form's hash, or else the name of the ledger
    form: str


def apply_ledger(listing: Listing, folder: Path, today: datetime.date | None = None) -> Listing:
    """Leave out the clips of speakers without a valid consent, if the folder has a ledger.

    The ledger has the columns `speaker`, and maybe `scope`, `date`, `form` (the hash of the signed
    form), `expiry` and `withdrawn`; dates are YYYY-MM-DD. A withdrawal counts whatever else is
    there.

    Args:
        listing: of a manifest.
        folder: of the manifest.
        today: on which consents have to be valid.

    Raises:
        ScanError: the ledger cannot be read, lacks the column `speaker`, or has an invalid date.
    """
    path = folder / LEDGER
    if not path.is_file():
        return listing
    consents = _read(path, today or datetime.date.today())
    clips: list[Clip] = []
    refused: Counter[str] = Counter()
    for clip in listing.clips:
        consent = consents.get(clip.speaker)
        if consent is None or consent.problem:
            refused[clip.speaker] += 1
        else:
            clips.append(replace(clip, consent=clip.consent or consent.form))
    findings = [
        Finding(
            str(path),
            Reason.NO_CONSENT,
            f"{LEDGER}: {speaker} "
            + (consents[speaker].problem if speaker in consents else "is not in the ledger"),
            files=count,
        )
        for speaker, count in sorted(refused.items())
    ]
    invalid = {speaker for speaker, consent in consents.items() if consent.problem}
    return Listing(clips, [*listing.findings, *findings], frozenset({*invalid, *refused}))


def _read(path: Path, today: datetime.date) -> dict[str, Consent]:
    try:
        rows = list(read_csv_text(path).rows())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScanError(f"{path} cannot be read: {error}") from error
    columns = [cell.strip().lower() for cell in rows[0]] if rows else []
    if "speaker" not in columns:
        raise ScanError(f"{path} has no column speaker; its columns are {', '.join(columns)}")
    consents: dict[str, Consent] = {}
    for number, cells in enumerate(rows[1:], 2):
        row = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        if not (speaker := normalised_label(row.get("speaker", ""))):
            continue
        problem = _problem(row, today, f"{path}, row {number}")
        before = consents.get(speaker)
        # one valid consent is enough, but a withdrawal counts whatever else is there
        if (
            before is None
            or problem.startswith("withdrew")
            or (before.problem and not before.problem.startswith("withdrew"))
        ):
            consents[speaker] = Consent(problem, row.get("form") or LEDGER)
    return consents


def _problem(row: dict[str, str], today: datetime.date, place: str) -> str:
    """Return why a row of the ledger is no consent today; empty if it is one."""
    if row.get("withdrawn", "").lower() not in _NO:
        return f"withdrew the consent ({row['withdrawn']})"
    given, expiry = _date(row.get("date", ""), place), _date(row.get("expiry", ""), place)
    if given is not None and given > today:
        return f"consents from {given} on"
    if expiry is not None and expiry < today:
        return f"consented until {expiry}"
    return ""


def _date(text: str, place: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if text else None
    except ValueError:
        raise ScanError(f"{place}: {text!r} is not a date; write YYYY-MM-DD") from None
