"""The contract of every executor: each unit ends with its own outcome and affects no other."""

import importlib
import json
import operator
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from stccl_data.errors import Reason
from stccl_data.executors import EXECUTORS, Outcome, Setup, StopRunError, Unit, open_crew, run
from stccl_data.media.container import probe

# Units call `operator.call(f, *args)` with functions of the standard library, which every process
# can import by name.


def call(key, *args, timeout_s=None) -> Unit:
    return Unit(key, args, timeout_s)


def outcomes(units, executor="local", **setup) -> dict[str, Outcome]:
    results = list(run(units, operator.call, Setup(**setup), executor=executor))
    assert len({outcome.unit.key for outcome in results}) == len(results), "each unit ends once"
    return {outcome.unit.key: outcome for outcome in results}


def children() -> set[int]:
    """Return the worker processes of this process, without multiprocessing's resource tracker."""
    pids = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and b"spawn_main" in command:
            pids.add(int(status.parent.name))
    return pids


def gone(pids, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(_runs(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


RAY = pytest.param("ray", marks=pytest.mark.slow)


@pytest.fixture(
    scope="module", params=[RAY if name == "ray" else name for name in EXECUTORS], ids=str
)
def executor(request) -> Iterator[str]:
    """Each executor. One Ray serves the whole module, because starting one takes seconds."""
    if request.param == "ray":
        import ray

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=80 * 2**20,
        )
        yield "ray"
        ray.shutdown()
    else:
        yield request.param


#: The executors that survive a crash, because they run units in other processes.
crash_proof = pytest.mark.parametrize("executor", ["local", RAY], indirect=True)


def test_results_and_errors_are_outcomes_of_their_own_units(executor, tmp_path):
    units = [
        call("root", int, "16"),
        call("value", json.loads, "{"),
        call("clip", probe, str(tmp_path / "gone.mp4")),
        call("exit", sys.exit, 3),
        call("timeout", signal.raise_signal, "no number"),
        call("length", len, "abc"),
    ]
    found = outcomes(units, executor=executor, count=2)
    assert set(found) == {unit.key for unit in units}
    assert (found["root"].result, found["root"].reason, found["length"].result) == (16, None, 3)
    assert (
        found["clip"].reason is Reason.MISSING_FILE
        and str(tmp_path / "gone.mp4") in found["clip"].detail
    )
    assert found["value"].reason is Reason.INTERNAL_ERROR
    assert (
        "value: JSONDecodeError" in found["value"].detail and "Traceback" in found["value"].detail
    )
    assert found["exit"].reason is Reason.INTERNAL_ERROR
    assert all(outcome.seconds >= 0 for outcome in found.values())
    assert {unit.key: unit for unit in units} == {key: found[key].unit for key in found}


def test_a_missing_library_ends_the_run():
    with pytest.raises(StopRunError, match=r"no_such_library.*stccl doctor"):
        outcomes([call("first", importlib.import_module, "no_such_library")], executor="inline")


def test_no_units_give_no_outcomes(executor):
    assert outcomes([], executor=executor) == {}


def test_no_worker_is_started_without_units(monkeypatch):
    monkeypatch.setattr("stccl_data.executors.local.Worker", None)
    assert outcomes([], executor="local") == {}


def test_the_initializer_runs_in_the_worker_before_the_first_unit(executor, tmp_path, monkeypatch):
    monkeypatch.chdir(Path.cwd())  # inline changes it for us
    found = outcomes(
        [call("where", os.getcwd)],
        executor=executor,
        initializer=os.chdir,
        initargs=(str(tmp_path),),
    )
    assert found["where"].result == str(tmp_path)


def test_numpy_starts_no_threads_in_a_worker(monkeypatch):
    """The threads of a BLAS library that wait for each other take the cores of other workers."""
    for library in ("OMP", "OPENBLAS"):
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)
    units = [call("threads", os.listdir, "/proc/self/task")]
    assert len(outcomes(units, initializer=np.zeros, initargs=(1,))["threads"].result) == 1


def test_a_unit_can_end_the_run(executor):
    unit = call(
        "model",
        exec,
        "from stccl_data.executors import StopRunError; raise StopRunError('the model is broken')",
    )
    with pytest.raises(StopRunError, match="the model is broken"):
        outcomes([unit, *(call(str(i), int) for i in range(3))], executor=executor)


def test_a_full_disk_has_its_own_reason():
    found = outcomes(
        [call("full", Path("/dev/full").write_bytes, b"x" * 100_000)], executor="inline"
    )
    assert found["full"].reason is Reason.DISK_FULL


@crash_proof
def test_a_worker_that_dies_or_hangs_loses_only_its_own_unit(executor):
    units = [
        call("segfault", signal.raise_signal, signal.SIGSEGV),
        call("abort", os.abort),
        call("exit", os._exit, 7),
        call("hangs", time.sleep, 600, timeout_s=1.0),
        *(call(str(i), operator.mul, i, i) for i in range(12)),
    ]
    found = outcomes(units, executor, count=2)
    assert [found[str(i)].result for i in range(12)] == [i * i for i in range(12)]
    assert [found[name].reason for name in ("segfault", "abort", "exit")] == [Reason.CRASHED] * 3
    assert "SIGSEGV" in found["segfault"].detail and "exit code 7" in found["exit"].detail
    assert found["hangs"].reason is Reason.TIMED_OUT and "1 s" in found["hangs"].detail


#: Records that it started, and kills its own worker the first `times` times.
KILLED = """
import os, signal
from pathlib import Path
notes = Path({folder!r})
(notes / str(len(list(notes.iterdir())))).touch()
if len(list(notes.iterdir())) <= {times}:
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("executor", "times", "reason", "starts"),
    [
        ("local", 2, None, 3),
        ("local", 99, Reason.CRASHED, 3),
        pytest.param("ray", 2, None, 3, marks=pytest.mark.slow),
    ],
    indirect=["executor"],
)
def test_a_unit_whose_worker_is_killed_is_retried_a_limited_number_of_times(
    executor, tmp_path, times, reason, starts
):
    unit = call("victim", exec, KILLED.format(folder=str(tmp_path), times=times))
    found = outcomes([unit, call("other", int, "3")], executor, count=1)
    assert (found["victim"].reason, found["other"].result) == (reason, 3)
    assert len(list(tmp_path.iterdir())) == starts
    assert reason is None or "SIGKILL" in found["victim"].detail


@crash_proof
def test_a_unit_that_exceeds_the_memory_limit_fails_alone(executor):
    greedy = call("greedy", exec, "x = bytearray(2**31)")
    found = outcomes(
        [greedy, call("modest", exec, "x = bytearray(2**25)"), call("small", int, "3")],
        executor,
        count=1,
        memory_mb=1024,
    )
    assert found["greedy"].reason is Reason.OUT_OF_MEMORY and "1,024 MB" in found["greedy"].detail
    assert (found["modest"].reason, found["small"].result) == (None, 3)


def test_workers_without_a_limit_inherit_that_of_the_parent():
    limit = call("limit", resource.getrlimit, resource.RLIMIT_DATA)
    assert (
        outcomes([limit], memory_mb=None)["limit"].result[0]
        == resource.getrlimit(resource.RLIMIT_DATA)[0]
    )
    assert outcomes([limit], memory_mb=1024)["limit"].result[0] == 2**30


#: Leaks 64 MB and records its process.
LEAK = """
import builtins, os
builtins.leak = [*getattr(builtins, "leak", []), bytearray(2**26)]
with open({!r}, "a") as log:
    print(os.getpid(), file=log)
"""


def test_a_leaking_worker_is_replaced_and_no_unit_is_lost(tmp_path):
    log = tmp_path / "pids"
    found = outcomes(
        [call(str(i), exec, LEAK.format(str(log))) for i in range(8)],
        count=1,
        memory_mb=256,
    )
    assert all(outcome.reason is None for outcome in found.values()), found
    pids = log.read_text().split()
    assert len(pids) == 8 and len(set(pids)) > 2, "each unit ran once, in one of several workers"


def test_workers_stay_from_one_function_to_the_next():
    with closing(open_crew(Setup(count=1))) as crew:
        pids = [
            outcome.result
            for units in ([Unit("a", ()), Unit("b", ())], [Unit("c", ())])
            for outcome in crew.run(units, os.getpid)
        ]
        (absolute,) = crew.run([Unit("d", (-3,))], abs)
        assert len(set(pids)) == 1 and absolute.result == 3
        crew.close()
        assert gone(pids, 5)
        (other,) = crew.run([Unit("e", ())], os.getpid)
        assert other.result not in pids


def test_outcomes_come_in_the_order_in_which_units_end():
    keys = [
        outcome.unit.key
        for outcome in run(
            [call("slow", time.sleep, 2), call("quick", int)], operator.call, Setup(2)
        )
    ]
    assert keys == ["quick", "slow"]


def test_few_units_are_drawn_ahead_of_the_workers():
    drawn = []

    def units() -> Iterator[Unit]:
        for i in range(100):
            drawn.append(i)
            yield call(str(i), int)

    work = run(units(), operator.call, Setup(1))
    next(work)
    assert len(drawn) <= 6
    work.close()


def test_leaving_the_loop_stops_the_workers():
    before = children()
    work = run(
        [call("now", int), *(call(str(i), time.sleep, 60) for i in range(4))],
        operator.call,
        Setup(2),
    )
    next(work)
    started = children() - before
    assert started
    start = time.monotonic()
    work.close()
    assert gone(started, 5) and time.monotonic() - start < 5


class KillsItsReceiver:
    """An argument that kills the worker that receives it, before it can call anything."""

    def __reduce__(self):
        return signal.raise_signal, (signal.SIGKILL,)


def test_a_worker_that_dies_while_it_takes_a_unit_loses_only_that_unit():
    units = [
        call("long", time.sleep, 1.0),
        call("victim", len, KillsItsReceiver(), timeout_s=600),
        *(call(str(i), operator.neg, i) for i in range(4)),
    ]
    found = outcomes(units, count=2)
    assert found["victim"].reason is Reason.CRASHED and "SIGKILL" in found["victim"].detail
    assert found["long"].reason is None
    assert [found[str(i)].result for i in range(4)] == [-i for i in range(4)]


def test_arguments_and_results_that_cannot_be_pickled_fail_alone():
    units = [
        call("arguments", len, lambda: None),
        call("result", eval, "lambda: None"),
        call("other", int, "3"),
    ]
    found = outcomes(units, count=1)
    assert found["arguments"].reason is Reason.INTERNAL_ERROR
    assert found["result"].reason is Reason.INTERNAL_ERROR
    assert "arguments" in found["arguments"].detail and "result" in found["result"].detail
    assert found["other"].result == 3


def test_a_worker_that_ends_without_an_error_loses_its_unit():
    found = outcomes([call("exit", os._exit, 0), call("other", int, "3")], count=1)
    assert found["exit"].reason is Reason.CRASHED and "exit code 0" in found["exit"].detail
    assert found["other"].result == 3


def test_a_worker_killed_while_idle_loses_no_unit():
    before = children()

    def units() -> Iterator[Unit]:
        yield call("first", int)
        time.sleep(0.5)  # the worker is idle now
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
        yield from (call(str(i), operator.neg, i) for i in range(8))

    found = outcomes(units(), count=1)
    assert [found[str(i)].result for i in range(8)] == [-i for i in range(8)]
    assert found["first"].reason is None


def test_workers_that_cannot_start_end_the_run():
    with pytest.raises(StopRunError, match="__main__"):
        list(
            run(
                [call("never", int)],
                operator.call,
                Setup(initializer=os.chdir, initargs=("/nowhere/at/all",)),
            )
        )


SCRIPT = """
import operator, sys, time
from stccl_data.executors import Setup, Unit, run

if __name__ == "__main__":
    seconds = float(sys.argv[1])
    units = [Unit("now", (int,))] + [Unit(str(i), (time.sleep, seconds)) for i in range(8)]
    for outcome in run(units, operator.call, Setup(2)):
        print(outcome.unit.key, flush=True)
"""


def start_script(folder: Path) -> "subprocess.Popen[str]":
    (folder / "script.py").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, folder / "script.py", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a test suite in the background ignores SIGINT
    )


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_starting_workers_print_nothing_on_ctrl_c(workers_of, tmp_path, delay):
    process = start_script(tmp_path)
    while len(workers := workers_of(process.pid)) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert stderr.count("Traceback") <= 1 and "spawn_main" not in stderr, stderr
    assert gone(workers, 6)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_an_interrupted_or_killed_run(workers_of, tmp_path, signum):
    process = start_script(tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "now\n"
    time.sleep(0.5)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    if signum is signal.SIGINT:
        os.killpg(process.pid, signum)  # a terminal interrupts the whole group
    else:
        process.kill()
    _, stderr = process.communicate(timeout=20)
    assert gone(workers, 6)
    if signum is signal.SIGINT:
        assert process.returncode in (-signal.SIGINT, 130)
        assert stderr.count("Traceback") <= 1, "the workers print nothing"


HANGING = """
import operator, sys
from stccl_data.executors import Setup, Unit, run

HANG = "import os, time; print(os.getpid(), file=open({!r}, 'w'), flush=True); time.sleep(600)"
if __name__ == "__main__":
    units = [Unit("hangs", (exec, HANG.format(sys.argv[2])))]
    for outcome in run(units, operator.call, Setup(1), executor=sys.argv[1]):
        pass
"""


@pytest.mark.parametrize(
    ("kind", "signum"),
    [
        ("local", signal.SIGKILL),
        pytest.param("ray", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("ray", signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_no_hanging_worker_outlives_its_run(tmp_path, kind, signum):
    (tmp_path / "script.py").write_text(HANGING)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", kind, tmp_path / "pid"],
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    worker = int((tmp_path / "pid").read_text())
    if signum is signal.SIGINT:
        os.killpg(process.pid, signum)  # a terminal interrupts the whole group
    else:
        process.kill()
    process.communicate(timeout=60)
    assert gone({worker}, 30)


def test_an_unknown_executor_is_refused():
    with pytest.raises(ValueError, match=r"cloud.*local, inline, ray"):
        run([], operator.call, executor="cloud")
