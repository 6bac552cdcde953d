"""`prepare`, or one of its workers, killed at random moments: nothing is lost or done twice.

`make chaos` kills a hundred times; STCCL_KILLS=N kills N times, STCCL_SEED=N at other moments.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stccl_data.dataset.verify import verify
from tests.testing.runs import rows

KILLS = int(os.environ.get("STCCL_KILLS", "2"))
SEED = int(os.environ.get("STCCL_SEED", "0"))

#: A kill comes after at most this many seconds, which is about the duration of a run.
LATEST_S = 12.0


def written(out: Path) -> dict[str, tuple[int, int]]:
    """Return artefact -> inode and modification time."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (out / "work").rglob("*.npz")
    }


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_the_same_dataset(
    digests, workers_of, prepared, corpus, tmp_path
):
    rng = random.Random(SEED)
    options = ["--audio", "--workers", "2", "--retry-failed=crashed"]
    out = tmp_path / "out"
    main = [sys.executable, "-m", "stccl_cli"]
    command = [*main, "prepare", str(corpus.folder), str(out), *options]
    command += ["--split", prepared.config.split]
    undisturbed = digests(prepared.out)
    counts: Counter[str] = Counter()
    while counts["run"] + counts["worker"] < KILLS or not counts["finished"]:
        keeping = rng.choice([[], ["--drop-work"]])  # what a run keeps is no part of the dataset
        process = subprocess.Popen(
            [*command, *keeping], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None and counts["run"] + counts["worker"] < KILLS:
            before = written(out)
            try:
                process.wait(rng.uniform(0, LATEST_S))
                break
            except subprocess.TimeoutExpired:
                pass
            victims = workers_of(process.pid)
            if victims and counts["worker"] <= counts["run"]:
                os.kill(rng.choice(victims), signal.SIGKILL)
                counts["worker"] += 1
            else:
                process.kill()
                process.wait()
                counts["run"] += 1
            after = written(out)
            assert {name: after[name] for name in before} == before, "artefacts are kept"
        stderr = process.communicate(timeout=600)[1]
        if process.returncode == -signal.SIGKILL:
            continue
        assert process.returncode == 0, stderr
        assert digests(out) == undisturbed
        assert {row["state"] for row in rows(out)} == {"paired"}
        assert verify(out) == []
        assert not list(out.rglob("*.tmp"))
        counts["finished"] += 1
        if counts["run"] + counts["worker"] < KILLS:
            shutil.rmtree(out)
    print(
        f"{counts['run']} runs and {counts['worker']} workers killed, "
        f"{counts['finished']} runs finished, 0 differences"
    )
