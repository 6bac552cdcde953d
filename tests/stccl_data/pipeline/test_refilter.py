"""New thresholds change the tables and not the shards; the old ones restore the tables."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stccl_data.dataset import open_dataset
from stccl_data.dataset.layout import CARD, CLIPS, PAIRS, PROVENANCE, SHARDS, STATS
from stccl_data.dataset.tables import TableError
from stccl_data.dataset.verify import verify
from stccl_data.pairs.gates import GATE_REASONS, GateConfig, judge
from stccl_data.pipeline.refilter import Change, RefilterError, refilter, stored_gates
from stccl_data.pipeline.state import Store, StoreBusyError

TABLES = (CLIPS, PAIRS, STATS, PROVENANCE, CARD)


def contents(out: Path, names=TABLES):
    return {name: (out / name).read_bytes() for name in names}


def tars(out: Path):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in (out / "shards").rglob("*.tar")
    }


def rows(out: Path, name):
    return pq.read_table(out / name).to_pylist()


def test_unchanged_thresholds_give_the_same_bytes(prepared_copy):
    before = contents(prepared_copy)
    result = refilter(prepared_copy, stored_gates(prepared_copy))
    assert result.changes == ()
    assert contents(prepared_copy) == before


def test_stricter_thresholds_refuse_pairs_and_readers_follow_the_tables(prepared_copy):
    before, files = contents(prepared_copy), tars(prepared_copy)
    count = sum(row["accepted"] for row in rows(prepared_copy, PAIRS))
    strict = replace(stored_gates(prepared_copy), min_eye_distance=10_000.0)
    result = refilter(prepared_copy, strict)
    assert result.changes == (Change("", "small_face", count),)
    assert (result.accepted_before, result.accepted, result.clips) == (count, 0, 0)
    dataset = open_dataset(prepared_copy)
    assert not [pair for key in dataset.keys() for pair in dataset[key].pairs()]  # noqa: SIM118 - keys of a split
    keys = dataset.keys()
    assert {pair.reason for key in keys for pair in dataset[key].pairs(accepted=None)} == {
        "small_face"
    }
    assert {row["state"] for row in rows(prepared_copy, CLIPS)} == {"unpaired"}
    assert {row["reason"] for row in rows(prepared_copy, CLIPS)} == {"small_face"}
    assert json.loads((prepared_copy / STATS).read_text())["pairs_accepted"] == 0
    assert (
        json.loads((prepared_copy / PROVENANCE).read_text())["config"]["gates"]["min_eye_distance"]
        == 10_000
    )
    assert tars(prepared_copy) == files
    assert verify(prepared_copy) == []
    refilter(prepared_copy, GateConfig())
    assert contents(prepared_copy) == before
    assert verify(prepared_copy) == []


def test_a_threshold_between_the_scores_accepts_only_the_pairs_below_it(prepared_copy):
    scores = sorted(row["local_slope"] for row in rows(prepared_copy, PAIRS) if row["accepted"])
    middle = (scores[0] + scores[-1]) / 2
    result = refilter(prepared_copy, replace(stored_gates(prepared_copy), max_local_slope=middle))
    assert result.accepted == sum(score <= middle for score in scores)
    assert all(
        row["accepted"] == (row["local_slope"] <= middle) for row in rows(prepared_copy, PAIRS)
    )
    assert verify(prepared_copy) == []


def test_a_dry_run_returns_the_same_and_writes_nothing(prepared_copy):
    before = contents(prepared_copy)
    strict = replace(stored_gates(prepared_copy), max_duration_ratio=1.0)
    dry = refilter(prepared_copy, strict, dry_run=True)
    assert contents(prepared_copy) == before
    assert not dry.written
    assert replace(dry, written=True) == refilter(prepared_copy, strict)


def test_pairs_refused_by_anything_but_a_gate_stay_refused(prepared_copy):
    table = pq.read_table(prepared_copy / PAIRS)
    pairs = table.to_pylist()
    pairs[0] |= {
        "mode": None,
        "accepted": False,
        "reason": "no_signal",
        "detail": "no signal",
    }
    pairs[1] |= {
        "mode": None,
        "accepted": False,
        "reason": "duration_ratio",
        "detail": "never aligned",
    }
    pairs[2] |= {"accepted": False, "reason": "few_faces", "detail": "older thresholds"}
    pq.write_table(type(table).from_pylist(pairs, schema=table.schema), prepared_copy / PAIRS)
    refilter(prepared_copy, GateConfig())
    after = rows(prepared_copy, PAIRS)
    assert [row["reason"] for row in after[:3]] == ["no_signal", "duration_ratio", None]
    assert after[0] == pairs[0]


def test_clips_in_no_aligned_pair_keep_their_state(prepared_copy):
    table = pq.read_table(prepared_copy / CLIPS)
    clips = table.to_pylist()
    lone = {**clips[0], "clip_id": "x", "state": "failed", "reason": "no_face", "detail": "no face"}
    pq.write_table(
        type(table).from_pylist([*clips, lone], schema=table.schema), prepared_copy / CLIPS
    )
    refilter(prepared_copy, replace(GateConfig(), min_face_rate=1.1))
    assert rows(prepared_copy, CLIPS)[-1] == lone


def test_a_clip_has_the_commonest_reason_of_its_pairs(prepared_copy):
    source = rows(prepared_copy, PAIRS)[0]["source"]
    table = pq.read_table(prepared_copy / CLIPS)
    clips = [
        row | ({"eye_distance": 1.0} if row["clip_id"] == source else {})
        for row in table.to_pylist()
    ]
    pq.write_table(type(table).from_pylist(clips, schema=table.schema), prepared_copy / CLIPS)
    refilter(prepared_copy, GateConfig())
    by_id = {row["clip_id"]: row for row in rows(prepared_copy, CLIPS)}
    assert by_id[source]["reason"] == "small_face"
    assert "1 pixels" in by_id[source]["detail"]
    assert verify(prepared_copy) == []


def test_a_folder_without_a_dataset_is_refused(tmp_path):
    with pytest.raises(RefilterError, match=str(tmp_path)):
        refilter(tmp_path, GateConfig())


def test_a_damaged_table_is_named(prepared_copy):
    (prepared_copy / PAIRS).write_bytes(b"no table")
    with pytest.raises(TableError, match=r"pairs\.parquet"):
        refilter(prepared_copy, GateConfig())


def test_a_dataset_being_prepared_is_not_judged(prepared_copy):
    with Store(prepared_copy).locked(), pytest.raises(StoreBusyError):
        refilter(prepared_copy, GateConfig())


def test_a_threshold_missing_from_the_provenance_has_its_default(prepared_copy):
    path = prepared_copy / PROVENANCE
    provenance = json.loads(path.read_text())
    provenance["config"]["gates"] = {"min_face_rate": 0.5, "a_gate_of_another_version": 3}
    path.write_text(json.dumps(provenance))
    assert stored_gates(prepared_copy) == replace(GateConfig(), min_face_rate=0.5)


def test_shards_are_not_needed(prepared_copy):
    for path in (prepared_copy / "shards").rglob("*.tar"):
        path.unlink()
    assert refilter(prepared_copy, GateConfig()).pairs
    assert (prepared_copy / SHARDS).exists()


def test_a_stricter_consistency_refuses_paths_that_third_takes_do_not_confirm(prepared_copy):
    apart = sorted(row["consistency_s"] for row in rows(prepared_copy, PAIRS))
    assert 0 <= apart[0] <= apart[-1] < GateConfig().max_inconsistency_s
    middle = apart[len(apart) // 2]
    refilter(prepared_copy, replace(stored_gates(prepared_copy), max_inconsistency_s=middle))
    assert {
        row["reason"] for row in rows(prepared_copy, PAIRS) if row["consistency_s"] > middle
    } <= {"inconsistent_path"}


@pytest.mark.parametrize(
    ("pair", "clip"),
    [
        ({}, {"face_rate": 0.0}),
        ({}, {"eye_distance": 0.0}),
        ({"duration_ratio": 100.0}, {}),
        ({"longest_repeat": 10_000}, {}),
        ({"local_slope": 4.0}, {}),
        ({"consistency_s": 0.6}, {}),
    ],
)
def test_every_refusal_of_the_gates_can_be_overruled(pair, clip):
    refusal = judge(pair, clip, {}, GateConfig())
    assert refusal is not None
    assert refusal.reason in GATE_REASONS.values()


def test_the_documentation_lists_every_threshold_with_its_default():
    page = (Path(__file__).parents[3] / "docs" / "interchange.md").read_text()
    for name, default in asdict(GateConfig()).items():
        assert f"| `--{name.replace('_', '-')}` {default:g} |" in page
