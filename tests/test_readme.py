"""What the README tells its reader to do, done word for word: raw videos, shards, a metric, a loss with a gradient."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.demo import render_corpus

README = (Path(__file__).parents[1] / "README.md").read_text()

#: What the commands are given beside the README's words, so that they take seconds: a metric that learns next to nothing.
BRIEFLY = {
    "train": "--preset tiny --set epochs=1 --set windows.per_epoch=8 --set metric.size=48 --device cpu",
    "eval": "--per-pair 1 --draws 1",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with RAW, two clips A.mp4 and B.mp4 of one sentence, and what the commands make of them."""
    folder = tmp_path_factory.mktemp("readme")
    corpus = render_corpus(
        folder / "RAW",
        "mead",
        ("M003", "M030", "W009"),
        ("neutral", "angry"),
        (9, 5),
        size=192,
        fps=15,
        workers=2,
    )
    for name, emotion in (("A.mp4", "neutral"), ("B.mp4", "angry")):
        shutil.copyfile(folder / "RAW" / corpus.clip("M003", emotion, 9).path, folder / name)
    before = Path.cwd()
    os.chdir(folder)
    try:
        for command in commands():
            words = [*command.split()[1:], *BRIEFLY.get(command.split()[1], "").split()]
            done = CliRunner().invoke(stccl, words)
            assert done.exit_code == 0, f"{command}\n{done.output}"
    finally:
        os.chdir(before)
    return folder


def commands() -> list[str]:
    lines = [
        line.partition("#")[0].strip()
        for line in README.splitlines()
        if line.startswith("    stccl ")
    ]
    return [command.strip() for line in lines for command in line.split("&&")]


def python(containing: str) -> str:
    """The README's block of Python with these words."""
    (found,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL)
        if containing in block
    ]
    return found


def test_the_commands_leave_what_the_readme_promises(desk: Path) -> None:
    assert {command.split()[1] for command in commands()} == {
        "doctor", "scan", "prepare", "status", "verify", "info", "preview", "align", "train", "eval", "score",
    }  # fmt: skip
    assert (desk / "angry.mp4").stat().st_size > 1000 and (desk / "path.png").stat().st_size > 1000
    assert (desk / "RUN" / "metric.safetensors").is_file()
    assert "Verdict" in (desk / "RUN" / "eval-test" / "eval.txt").read_text()


def test_the_trained_metric_is_a_loss_for_somebodys_trainer(
    desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    source = torch.rand(2, 7, 3, 64, 64) * 2 - 1
    generated = (torch.rand(2, 7, 3, 64, 64) * 2 - 1).requires_grad_()
    names = {"source": source, "generated": generated, "loss": torch.zeros(()), "device": "cpu"}
    exec(python("STCCLLoss"), names)
    names["loss"].backward()
    assert (
        generated.grad is not None
        and generated.grad.isfinite().all()
        and generated.grad.abs().sum() > 0
    )
    assert all(parameter.grad is None for parameter in names["crit"].parameters())  # type: ignore[attr-defined]


def test_the_same_words_work_in_python(desk: Path) -> None:
    script = desk / "mine.py"
    script.write_text(python("open_dataset") + "    print(neutral.shape, angry.dtype)\n")
    done = subprocess.run(
        [sys.executable, script.name], cwd=desk, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(3, 224, 224, 3) uint8"
