"""What a verdict can be fooled by: faces that move by a signal without speech.

Here one metric is trained on lips that speak, and is judged on every signal. `make signals` trains
a metric on each signal, with as many pairs as STCCL_SIGNAL_SENTENCES times three.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from stccl_train.config import EvaluateConfig, load_config
from stccl_train.eval.evaluate import evaluate
from stccl_train.eval.verdict import Verdict, verdicts
from stccl_train.train.trainer import fit
from tests.testing.signals import SIGNALS, write_signal_dataset

SENTENCES = int(os.environ.get("STCCL_SIGNAL_SENTENCES", "0"))

#: 60 steps of 4 windows of 7 frames.
CONFIG = load_config(
    "tiny",
    settings=["metric.size=64", "windows.per_epoch=60", "epochs=4", "windows.readers=2",
              "windows.workers=0", "device=cpu", "log_every=20"],
)  # fmt: skip
EVALUATION = EvaluateConfig(per_pair=1, draws=1, untrained=2, shifts=(0.4,))


def judge(run: Path, out: Path) -> dict[str, Verdict]:
    """Return the verdict on each form."""
    judged = {verdict.name: verdict for verdict in verdicts(evaluate(run, out, EVALUATION))}
    for verdict in judged.values():
        print(out.name, verdict.sentence)
    return judged


@pytest.mark.slow
class TestOneMetric:
    """A metric that was trained on lips, on nine pairs of each signal."""

    @pytest.fixture(scope="class")
    def run(self, once: Any) -> Path:
        def train(folder: Path) -> Path:
            write_signal_dataset(folder / "lips", "lips", 3)
            return fit(folder / "lips", folder / "run", CONFIG).run

        return Path(once("signals", train))

    def test_lips_are_heard(self, run: Path) -> None:
        judged = judge(run, run.parent / "lips")
        assert judged["SCC-MD"].hears and judged["TCC-VD"].hears

    @pytest.mark.parametrize("signal", sorted(set(SIGNALS) - {"lips"}))
    def test_a_signal_without_speech_is_not(self, run: Path, signal: str, tmp_path: Path) -> None:
        write_signal_dataset(tmp_path / signal, signal, 3, ["test"])
        assert not any(verdict.hears for verdict in judge(run, tmp_path / signal).values())


@pytest.mark.slow
@pytest.mark.skipif(not SENTENCES, reason="make signals")
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_metric_trained_on_a_signal_hears_speech_only_in_lips(
    signal: str, tmp_path: Path
) -> None:
    write_signal_dataset(tmp_path / signal, signal, SENTENCES)
    fit(tmp_path / signal, tmp_path / "run", CONFIG)
    judged = judge(tmp_path / "run", tmp_path / signal)
    assert any(verdict.hears for verdict in judged.values()) is (signal == "lips")
