"""`prepare` killed at random moments, as a whole or one of its workers, until it is through: nothing is lost, nothing done twice.

`make chaos` kills a hundred times; STCCL_KILLS=N does it N times, STCCL_SEED=N at other moments.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from stccl_data.dataset.verify import verify

KILLS = int(os.environ.get("STCCL_KILLS", "4"))
SEED = int(os.environ.get("STCCL_SEED", "0"))

#: Seconds after which a run, or one of its workers, is killed at the latest: about what a run of the corpus takes.
LATEST_S = 12.0


def written(out: Path) -> dict[str, tuple[int, int]]:
    """Artefact -> which file it is, and when it was written."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (out / "work").rglob("*.npz")
    }


def test_killed_at_any_moment_it_ends_with_the_shards_of_an_undisturbed_run(
    digests, workers_of, prepared, corpus, tmp_path
):
    rng = random.Random(SEED)
    options = [
        "--audio",
        "--workers",
        "2",
        "--split",
        prepared.config.split,
        "--retry-failed=crashed",
    ]
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-c",
        "from stccl_cli.main import main; main()",
        "prepare",
        str(corpus.folder),
        str(out),
        *options,
    ]
    undisturbed = digests(prepared.out)
    done: Counter[str] = Counter()
    while done["run"] + done["worker"] < KILLS or not done["finished"]:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None and done["run"] + done["worker"] < KILLS:
            before = written(out)
            try:
                process.wait(rng.uniform(0, LATEST_S))
                break
            except subprocess.TimeoutExpired:
                pass
            victims = workers_of(process.pid)
            if victims and rng.random() < 0.5:
                os.kill(rng.choice(victims), signal.SIGKILL)
                done["worker"] += 1
            else:
                process.kill()
                process.wait()
                done["run"] += 1
            after = written(out)
            assert {name: after[name] for name in before} == before, (
                "what was made is not made again"
            )
        complaint = process.communicate(timeout=600)[1]
        if process.returncode == -signal.SIGKILL:
            continue
        assert process.returncode == 0, complaint
        assert digests(out) == undisturbed
        assert {row["state"] for row in pq.read_table(out / "clips.parquet").to_pylist()} == {
            "paired"
        }
        assert verify(out) == []
        assert not list(out.rglob("*.tmp")), "nothing is left lying about"
        done["finished"] += 1
        if done["run"] + done["worker"] < KILLS:
            shutil.rmtree(out)
    print(
        f"{done['run']} runs and {done['worker']} workers killed, {done['finished']} runs finished, 0 differences"
    )
