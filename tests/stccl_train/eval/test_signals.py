"""What a verdict can be fooled by: faces that move by a signal without speech.

Here one metric is trained on lips that speak, and is judged on every signal. `make signals` trains
a metric on each signal, with as many pairs as STCCL_SIGNAL_SENTENCES times three.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stccl_train.config import EvaluateConfig, load_config
from stccl_train.eval.evaluate import evaluate
from stccl_train.eval.verdict import Verdict, verdicts
from stccl_train.train.trainer import fit
from tests.testing.signals import SIGNALS, write_signal_dataset

SENTENCES = int(os.environ.get("STCCL_SIGNAL_SENTENCES", "0"))

#: 45 steps of 4 windows of 7 frames. Lips are then found by a margin of 0.2 in R@1 and more.
CONFIG = load_config(
    "tiny",
    settings=["metric.size=48", "windows.per_epoch=60", "epochs=3", "windows.readers=2",
              "windows.workers=0", "device=cpu", "log_every=20"],
)  # fmt: skip
EVALUATION = EvaluateConfig(per_pair=1, draws=1, untrained=2, shifts=(0.4,))


def judge(run: Path, out: Path, evaluation: EvaluateConfig = EVALUATION) -> dict[str, Verdict]:
    """Return the verdict on each form."""
    judged = {verdict.name: verdict for verdict in verdicts(evaluate(run, out, evaluation))}
    for verdict in judged.values():
        print(out.name, verdict.sentence)
    return judged


@pytest.fixture(scope="module")
def trained(once: Any) -> Path:
    """A metric that was trained on lips, on nine pairs; its dataset is beside it, in `lips`."""

    def train(folder: Path) -> Path:
        write_signal_dataset(folder / "lips", "lips", 3)
        return fit(folder / "lips", folder / "run", CONFIG).run

    return Path(once("signals", train))


@pytest.mark.slow
def test_lips_are_heard(trained: Path) -> None:
    judged = judge(trained, trained.parent / "lips")
    assert judged["SCC-MD"].hears and judged["TCC-VD"].hears


@pytest.mark.slow
@pytest.mark.parametrize("signal", sorted(set(SIGNALS) - {"lips"}))
def test_a_signal_without_speech_is_not(trained: Path, signal: str, tmp_path: Path) -> None:
    write_signal_dataset(tmp_path / signal, signal, 3, ["test"])
    # With more untrained metrics to surpass, hearing would only be harder.
    judged = judge(trained, tmp_path / signal, replace(EVALUATION, untrained=1))
    assert not any(verdict.hears for verdict in judged.values())


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
