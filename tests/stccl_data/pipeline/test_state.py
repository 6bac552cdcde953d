"""The work folder: one process at a time, and its records survive however that process ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import pytest

from stccl_data.files.lock import lock_owner
from stccl_data.pipeline.job_array import parse_job
from stccl_data.pipeline.state import (
    ClipState,
    StateError,
    Store,
    StoreBusyError,
    clip_states,
    fingerprint,
    key_of,
    record_clips,
)

HOLD = """
import sys, time
from pathlib import Path
from socket import gethostname
from stccl_data.pipeline.state import ClipState, Store, record_clips

store = Store(Path(sys.argv[1]))
with store.locked(), store.state() as state:
    for i in range(100):
        record_clips(state, [ClipState(f"clip-{i}", f"key-{i}")])
    print("held", flush=True)
    time.sleep(60)
"""


def holder(out: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path, signum):
    process = holder(tmp_path)
    store = Store(tmp_path)
    try:
        owner_name = f"{process.pid} on {gethostname()}"
        with pytest.raises(StoreBusyError, match=owner_name), store.locked():
            pass
        with store.state() as state:
            assert len(clip_states(state)) == len(store.clip_states()) == 100
    finally:
        process.send_signal(signum)
        process.wait(10)
    with store.locked():
        assert lock_owner(tmp_path / "work" / "lock") == f"{os.getpid()} on {gethostname()}"
    assert lock_owner(tmp_path / "work" / "lock") is None
    with store.locked(), store.state() as state:
        assert clip_states(state)["clip-99"] == ClipState("clip-99", "key-99")


def test_a_new_state_replaces_the_old_one_of_the_same_clip(tmp_path):
    with Store(tmp_path).state() as state:
        record_clips(
            state,
            [
                ClipState("a", "1", "no_face", "a.mp4 shows no face"),
                ClipState("b", "2", seconds=1.5),
            ],
        )
        record_clips(state, [ClipState("a", "3")])
    with Store(tmp_path).state() as state:
        assert clip_states(state) == {
            "a": ClipState("a", "3"),
            "b": ClipState("b", "2", seconds=1.5),
        }


def test_states_are_recorded_in_one_transaction(tmp_path):
    with Store(tmp_path).state() as state, pytest.raises(Exception, match="NOT NULL"):
        record_clips(state, [ClipState("a", "1"), ClipState("b", None)])  # type: ignore[arg-type]
    with Store(tmp_path).state() as state:
        assert clip_states(state) == {}


def test_a_key_depends_on_the_value_of_every_part():
    key = key_of("place.mp4", [10, 20], {"b": 1, "a": 2})
    assert key == key_of("place.mp4", [10, 20], {"a": 2, "b": 1}) and len(key) == 32
    assert (
        len(
            {
                key,
                key_of("place.mp4", [10, 21], {"a": 2, "b": 1}),
                key_of("place.mp4", [10, 20], {"a": 2, "b": 2}),
            }
        )
        == 3
    )


def test_a_changed_size_or_time_changes_the_fingerprint(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"12")
    os.utime(file, ns=(1, 1))
    first = fingerprint(str(file))
    os.utime(file, ns=(1, 2))
    assert fingerprint(str(file)) != first
    file.write_bytes(b"123")
    os.utime(file, ns=(1, 1))
    assert fingerprint(str(file)) != first
    assert fingerprint(None) == [] and fingerprint(str(tmp_path / "gone")) == [None]


def test_artefacts_are_stored_by_kind_and_key(tmp_path):
    assert (
        Store(tmp_path).artefact("clips", "abcdef")
        == tmp_path / "work" / "clips" / "ab" / "abcdef.npz"
    )


KILLED_IN_TRANSACTION = """
import os, sys
from pathlib import Path
from stccl_data.pipeline.job_array import parse_job
from stccl_data.pipeline.state import ClipState, Store, record_clips

with Store(Path(sys.argv[1]), parse_job("1/2")).state() as state:
    record_clips(state, [ClipState(f"clip-{i}", "key", detail="x" * 500) for i in range(100)])
    state.execute("PRAGMA cache_size=2")  # writes uncommitted pages to the file
    state.execute("BEGIN")
    state.execute("UPDATE clips SET detail = 'never committed', key = 'other'")
    os.kill(os.getpid(), 9)
"""


def test_an_uncommitted_transaction_of_a_killed_process_is_invisible(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED_IN_TRANSACTION, str(tmp_path)], check=False)
    (journal,) = (tmp_path / "work").glob("*-journal")
    before = journal.read_bytes()
    states = Store(tmp_path).clip_states()
    assert len(states) == 100 and {state.key for state in states.values()} == {"key"}
    assert journal.read_bytes() == before, "a reader leaves the journal to the next writer"
    with Store(tmp_path, parse_job("1/2")).state() as state:
        assert {row.key for row in clip_states(state).values()} == {"key"}


def test_a_corrupt_database_is_named(tmp_path):
    for job in (None, parse_job("1/2")):
        with Store(tmp_path, job).state() as state:
            record_clips(state, [ClipState("a", "1")])
    database = tmp_path / "work" / "state-1-of-2.sqlite"
    database.write_bytes(b"SQLite format 3\0" + bytes(8000))
    with pytest.raises(StateError, match=str(database)):
        Store(tmp_path).clip_states()
