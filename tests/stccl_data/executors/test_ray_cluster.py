"""A Ray cluster of three nodes, all on this machine, that loses one during the run."""

import json
import subprocess
import sys
import time

import pytest

from stccl_data.pipeline.prepare import prepare
from tests.testing.runs import QUICK


@pytest.mark.slow
def test_a_lost_machine_does_not_change_the_dataset(digests, corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    out = tmp_path / "out"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80 * 2**20}
    )
    process = None
    try:
        others = [cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20) for _ in range(2)]
        cluster.wait_for_nodes()
        options = ["--crops", "none", "--align", "audio", "--split", "train=1", "--json"]
        options += ["--executor", "ray", "--ray-address", cluster.address]
        main = [sys.executable, "-m", "stccl_cli"]
        command = [*main, "prepare", str(corpus.folder), str(out), *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while len(list((out / "work").glob("clips/*/*.npz"))) < 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        cluster.remove_node(others[0], allow_graceful=False)
        stdout, stderr = process.communicate(timeout=600)
        assert process.returncode == 0, stderr
        summary = json.loads(stdout)
        assert (summary["pairs"], summary["failed"]) == ({"": 8}, 0)
        prepare(corpus.folder, tmp_path / "undisturbed", QUICK)
        assert digests(out) == digests(tmp_path / "undisturbed")
    finally:
        if process is not None:
            process.kill()
        cluster.shutdown()
