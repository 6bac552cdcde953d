"""Intervals that other programs marked."""

import pytest

from stccl_data.recordings.annotations import AnnotationError, Interval, read_annotations

TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 5
tiers? <exists>
size = {size}
item []:
"""
TIER = """    item [{n}]:
        class = "IntervalTier"
        name = "{name}"
        xmin = 0
        xmax = 5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = ""
        intervals [2]:
            xmin = 1.5
            xmax = 2.25
            text = "Dogs sit"
"""
EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2026-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1500"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2250"/></TIME_ORDER>
<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="ann"><ANNOTATION>
<ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>Dogs sit</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>"""
FILES = {
    "a.TextGrid": TEXTGRID.format(size=1) + TIER.format(n=1, name="ann"),
    "a.eaf": EAF,
    "a.srt": "1\n00:00:01,500 --> 00:00:02,250\nDogs\nsit\n",
    "a.vtt": "WEBVTT\n\n00:01.500 --> 00:02.250\nDogs sit\n",
    "a.txt": "1.500000\t2.250000\tDogs sit\n\\\t-1.0\t20.0\n3.0\t3.0\tclap\n",
    "segments": "u1 talk 1.5 2.25\nu2 other 0 1\n",
}


@pytest.mark.parametrize("name", FILES)
def test_intervals_of_other_programs(tmp_path, name):
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    (tmp_path / "text").write_text("u1 Dogs sit\n")
    assert read_annotations(path, tmp_path / "talk.mp4") == [Interval(1.5, 2.25, "Dogs sit")]


def test_one_of_several_tiers_has_to_be_chosen(tmp_path):
    path = tmp_path / "a.TextGrid"
    tiers = TIER.format(n=1, name="ann") + TIER.format(n=2, name="bob")
    path.write_text(TEXTGRID.format(size=2) + tiers)
    with pytest.raises(AnnotationError, match="several tiers; choose one with --tier: ann, bob"):
        read_annotations(path, tmp_path / "talk.mp4")
    assert len(read_annotations(path, tmp_path / "talk.mp4", "bob")) == 1


def test_somebody_else_who_speaks_meanwhile_is_named(tmp_path):
    path = tmp_path / "a.eaf"
    tier = EAF[EAF.index("<TIER ") : EAF.index("<LINGUISTIC_TYPE ")]
    bob = tier.replace('"ann"', '"bob"').replace('"a1"', '"a2"')
    gloss = bob.replace('"bob"', '"gloss" PARENT_REF="ann"')
    path.write_text(EAF.replace(tier, tier + bob))
    assert read_annotations(path, path, "ann") == [Interval(1.5, 2.25, "Dogs sit", "bob")]
    path.write_text(EAF.replace(tier, tier + gloss))
    assert read_annotations(path, path, "ann") == [Interval(1.5, 2.25, "Dogs sit")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.doc", "x", "unknown format"),
        ("a.eaf", "<xml", "cannot be read"),
        ("a.TextGrid", "x", "cannot be read"),
        ("a.srt", "", "cannot be read|marks nothing"),
        ("a.txt", "one two\n", "line 1: not START, END and TEXT"),
        ("segments", "u1 talk 5 2\n", "from 5 to 2 s"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    (tmp_path / "text").write_text("u1 Dogs sit\n")
    with pytest.raises(AnnotationError, match=message):
        read_annotations(path, tmp_path / "talk.mp4")
