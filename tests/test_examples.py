"""Every example trains: a few steps on rendered clips, with a metric that takes milliseconds."""

import runpy
import sys
from pathlib import Path

import pytest

from stccl_train.model.export import save_metric
from tests.testing.metrics import tiny_metric

EXAMPLES = Path(__file__).parents[1] / "examples"

OPTIONS = {
    "emotion_translator": ["--windows", "2"],
    "image_renderer": ["--windows", "2"],
    "latent_diffusion": [],
    "mesh_generator": [],
    "sequence_model": ["--frames", "8"],
}


def test_every_example_is_run() -> None:
    trainers = {path.stem for path in EXAMPLES.glob("*.py")} - {"clips"}
    assert trainers == set(OPTIONS)


@pytest.mark.filterwarnings("ignore:.*not calibrated")
@pytest.mark.parametrize("name", OPTIONS)
def test_the_example_trains(
    name: str,
    speaking: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    metric = tiny_metric()
    metric.scale.fill_(0.05)
    save_metric(tmp_path, metric)
    arguments = [str(speaking), str(tmp_path), "--steps", "2", *OPTIONS[name]]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    output = capsys.readouterr().out
    assert output.startswith("step 0: ") and "nan" not in output.splitlines()[0]
