"""The ledger of consents."""

import datetime

import pytest

from stccl_data.corpora import ScanError, scan_corpus
from stccl_data.corpora.consent import apply_ledger
from stccl_data.corpora.records import Listing
from stccl_data.errors import Reason


@pytest.fixture
def raw(tmp_path):
    rows = [f"{name}.mp4,{name},sad,s1\n" for name in ("ann", "bob", "eve", "joe")]
    (tmp_path / "manifest.csv").write_text("path,speaker,emotion,sentence\n" + "".join(rows))
    for name in ("ann", "bob", "eve", "joe"):
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    return tmp_path


def test_only_speakers_with_a_valid_consent_are_used(raw):
    (raw / "consent.csv").write_text(
        "speaker,scope,date,form,expiry,withdrawn\n"
        "ann,research,2024-01-01,sha256:1f,2099-01-01,\n"
        "bob,research,2024-01-01,sha256:2f,2024-06-30,\n"
        "eve,research,2024-01-01,sha256:3f,,2025-02-03\n"
        "eve,research,2024-01-01,sha256:3f,,\n"
    )
    scan = scan_corpus(raw)
    assert [(clip.speaker, clip.consent) for clip in scan.clips] == [("ann", "sha256:1f")]
    assert {finding.reason for finding in scan.findings} == {Reason.NO_CONSENT}
    assert [finding.detail for finding in scan.findings] == [
        "consent.csv: bob consented until 2024-06-30",
        "consent.csv: eve withdrew the consent (2025-02-03)",
        "consent.csv: joe is not in the ledger",
    ]


def test_a_consent_is_valid_on_its_days(raw):
    clips = scan_corpus(raw).clips
    ledger = "speaker,date,expiry\nann,2024-01-01,2024-12-31\n"
    (raw / "consent.csv").write_text(ledger)
    for day, valid in (("2023-12-31", 0), ("2024-01-01", 1), ("2024-12-31", 1), ("2025-01-01", 0)):
        listing = apply_ledger(Listing(list(clips), []), raw, datetime.date.fromisoformat(day))
        assert len(listing.clips) == valid


@pytest.mark.parametrize(
    ("ledger", "message"),
    [
        ("name\nann\n", "no column speaker"),
        ("speaker,expiry\nann,soon\n", "row 2: 'soon' is not a"),
    ],
)
def test_a_ledger_that_cannot_be_used_stops_the_scan(raw, ledger, message):
    (raw / "consent.csv").write_text(ledger)
    with pytest.raises(ScanError, match=message):
        scan_corpus(raw)
