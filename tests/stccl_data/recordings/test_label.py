"""Sentences proposed for clips by what is said in them."""

import csv
import shutil

import pytest

from stccl_data.corpora import scan_corpus
from stccl_data.corpora.manifest_writer import write_manifest
from stccl_data.errors import Reason
from stccl_data.recordings.label import LabelError, label_manifest


@pytest.fixture
def takes(session, tmp_path):
    """The manifest of the session with its four takes alone, and the rows."""
    shutil.copyfile(session.folder / "session.mp4", tmp_path / "session.mp4")
    with (session.folder / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if not row["reason"]]
    return tmp_path / "manifest.csv", rows


def test_clips_of_one_sentence_get_one_id_and_wait_for_acceptance(takes):
    manifest, rows = takes
    spoken = [row["sentence"] for row in rows]
    write_manifest(manifest, [{**row, "sentence": ""} for row in rows])
    target = manifest.with_name("proposed.csv")
    report = label_manifest(manifest, target)
    assert (report.groups, report.paired_groups, report.unusable) == (2, 2, {})
    assert {finding.reason for finding in scan_corpus(target).findings} == {Reason.PROPOSED_LABEL}
    clips = scan_corpus(target, accept_proposed=True).clips
    by_start = sorted(clips, key=lambda clip: clip.start)
    pairs = set(zip(spoken, (clip.sentence for clip in by_start), strict=True))
    assert len(pairs) == 2  # the same groups under other names
    assert min(p.confidence for p in report.proposals.values()) > 0.3


def test_a_group_takes_the_label_of_its_labelled_clips(takes):
    manifest, rows = takes
    write_manifest(
        manifest, [{**row, "sentence": row["sentence"] * (i < 2)} for i, row in enumerate(rows)]
    )
    target = manifest.with_name("proposed.csv")
    report = label_manifest(manifest, target)
    assert sorted(p.sentence for p in report.proposals.values()) == ["s001", "s002"]


def test_there_has_to_be_something_to_label_and_a_place_for_it(takes):
    manifest, rows = takes
    write_manifest(manifest, rows)
    with pytest.raises(LabelError, match="every clip has a sentence"):
        label_manifest(manifest, manifest.with_name("proposed.csv"))
    with pytest.raises(LabelError, match="the manifest itself"):
        label_manifest(manifest, manifest)
