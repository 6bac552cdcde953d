"""Every command and Python block in the README and in docs/ works as it stands."""

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from stccl_cli.main import stccl

from stccl_data.demo import render_corpus
from stccl_train.config import load_config
from tests.testing.documents import ROOT, Example, commands, python_blocks

pytestmark = pytest.mark.slow

#: Example folders of the pages, and those of the test.
_PLACES = {
    "/data/mead-pairs": "OUT",
    "/data/MEAD": "RAW",
    "--out OUT": "--out IMPORTED",
    'fit("OUT", "RUN"': 'fit("OUT", "RUN-python"',
}

#: Options that make a command take seconds, beside the words of the page.
_BRIEFLY = {
    "prepare": "--executor inline",
    "train": "--set epochs=1 --set windows.per_epoch=8 --set metric.size=48 --set metric.frames=3"
    " --set metric.backbone=tiny --set batch=2 --set validate_windows=1 --device cpu",
    "eval": "--per-pair 1 --draws 1",
    "report": "--pairs 1",
}

#: Commands that cannot run here, by their first words, and what tests them instead.
_ELSEWHERE = {
    "make": "the CI",
    "pip install": "the CI",
    "ray start": "tests/stccl_data/executors/test_ray_cluster.py",
    "stccl prepare /data/MEAD /data/mead-pairs --executor ray": "test_ray_cluster.py",
    "stccl doctor": "tests/cli/test_info_verify_preview.py",
    "stccl merge": "tests/stccl_data/pipeline/test_job_array.py",
    "stccl demo session": "tests/stccl_data/recordings/test_segment.py",
    "stccl segment": "tests/stccl_data/recordings/test_segment.py",
    "stccl prepare session": "tests/stccl_data/recordings/test_segment.py",
    "stccl verify shards": "tests/stccl_data/recordings/test_segment.py",
    "stccl prompts": "tests/stccl_data/recordings/test_prompts.py",
    "stccl coverage": "tests/stccl_data/recordings/test_coverage.py",
    "stccl label": "tests/stccl_data/recordings/test_label.py",
    "stccl withdraw": "tests/stccl_data/pipeline/test_withdraw.py",
    "stccl verify OUT --absent": "tests/stccl_data/pipeline/test_withdraw.py",
    "stccl manifest": "tests/stccl_data/corpora/test_manifest_writer.py",
    "torchrun": "tests/stccl_train/train/test_distributed.py",
    "python word_boundaries.py": "needs RAVDESS; prints the figures of docs/alignment.md",
    "python warped_error.py": "needs a warped corpus; prints the figures of docs/alignment.md",
    "python content_check.py": "needs RAVDESS; prints the figures of docs/alignment.md",
    "python benchmarks": "make bench",
    "stccl measure REAL GENERATED --protocol": "tests/stccl_train/measures/test_spfem2024.py",
    "python examples": "tests/test_examples.py",
    "stccl export-metric": "tests/stccl_train/test_portable.py",
}

#: What a block of Python expects to exist, by words in it.
_GIVEN = {
    "crit(": "import torch\n"
    "device, loss = 'cpu', torch.zeros(())\n"
    "source = torch.rand(2, 3, 3, 64, 64) * 2 - 1\n"
    "generated = (torch.rand(2, 3, 3, 64, 64) * 2 - 1).requires_grad_()\n",
    "shards/train": "import os; os.chdir('OUT')\n",
    "render_corpus": "import os, tempfile; os.chdir(tempfile.mkdtemp())\n",
}

#: What has to hold after a block of Python has run.
_CHECKS = {
    "crit(": "loss.backward()\n"
    "assert generated.grad.isfinite().all() and generated.grad.abs().sum() > 0\n"
    "assert all(parameter.grad is None for parameter in crit.parameters())\n",
    "PrepareConfig": "    assert neutral.shape == (3, 224, 224, 3) and angry.dtype == 'uint8'\n",
    "face_points": "assert points.shape[1:] == in_dataset.shape[1:] == (68, 2)\n",
    "shards/train": "assert source.shape == target.shape == (224, 224, 3)\n",
    "render_corpus": "assert len(source_times) == len(target_times) > 10\n",
}


@pytest.fixture(scope="module")
def desk(once: Callable[..., Any]) -> dict[str, Any]:
    """The folder in which the commands of all pages were run in order, and how each ended."""
    return once("desk", _run_all)


def _run_all(folder: Path) -> dict[str, Any]:
    speakers = ("M003", "M030", "W009")
    emotions = ("neutral", "angry")
    corpus = render_corpus(
        folder / "RAW", "mead", speakers, emotions, (9, 5), size=128, fps=10, workers=2
    )
    for name, emotion in (("A.mp4", "neutral"), ("B.mp4", "angry")):
        shutil.copyfile(folder / "RAW" / corpus.clip("M003", emotion, 9).path, folder / name)
    (folder / "mine.yaml").write_text("epochs: 1\n")
    (folder / "rows.csv").write_text("source,generated,method,emotion\nA.mp4,B.mp4,ours,angry\n")
    before = Path.cwd()
    os.chdir(folder)
    outputs: dict[str, str] = {}
    done: dict[str, str] = {}  # the same command on several pages is run once
    try:
        for example in commands():
            if _elsewhere(example) is None:
                command = _placed(example.text)
                if command not in done:
                    done[command] = _run(command)
                outputs[example.name] = done[command]
    finally:
        os.chdir(before)
    return {"folder": folder, "outputs": outputs}


def _run(command: str) -> str:
    """Run a command in this process; return its output, behind ``FAILED`` if it failed."""
    name = command.split()[1]
    if name == "pairs" and "FILE.json" in command and not Path("FILE.json").exists():
        _run("stccl export OUT --form aligned-path FILE.json")
    if command.startswith("stccl pairs import"):  # extracting the clips again would show nothing
        shutil.copytree("OUT/work", "IMPORTED/work")
    if command.startswith("stccl prepare") and "transcripts" not in command:
        command += " --transcripts RAW/transcripts.txt"
    run = "RUN-preset" if "mine.yaml" in command else "RUN"
    words = [*command.split()[1:], *_BRIEFLY.get(name, "").split()]
    words = [run if word == "RUN" else word for word in words]
    result = CliRunner().invoke(stccl, words)
    failed = result.exit_code != 0 and not (name == "export" and "exists" in result.output)
    return ("FAILED " if failed else "") + f"{command}\n{result.output}{result.exception or ''}"


def _placed(text: str) -> str:
    """Replace the example folders of the pages by those of the test."""
    for theirs, ours in _PLACES.items():
        text = text.replace(theirs, ours)
    return text


def _elsewhere(example: Example) -> str | None:
    """Return what tests a command that cannot run here; None for a command that can."""
    return next((why for word, why in _ELSEWHERE.items() if example.text.startswith(word)), None)


RUN_HERE = [example for example in commands() if _elsewhere(example) is None]


@pytest.mark.parametrize("example", RUN_HERE, ids=lambda example: example.name)
def test_the_command_succeeds(example: Example, desk: dict[str, Any]) -> None:
    output = desk["outputs"][example.name]
    assert not output.startswith("FAILED"), output


def test_the_commands_leave_what_the_pages_promise(desk: dict[str, Any]) -> None:
    folder = desk["folder"]
    for name in ("angry.mp4", "path.png", "FILE.json", "RUN/metric.safetensors"):
        assert (folder / name).stat().st_size > 500, name
    assert "Verdict" in (folder / "RUN" / "eval-test" / "eval.txt").read_text()


@pytest.mark.parametrize("example", python_blocks(), ids=lambda example: example.name)
def test_the_python_block_runs(
    example: Example, desk: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "".join(code for word, code in _GIVEN.items() if word in example.text)
    after = "".join(code for word, code in _CHECKS.items() if word in example.text)
    script = tmp_path / "block.py"
    script.write_text(f"{before}{_placed(example.text)}{after}")
    settings = _BRIEFLY["train"].replace("--device cpu", "--set device=cpu").split()[1::2]
    monkeypatch.setattr(
        "stccl_train.config.load_config", lambda *_, **__: load_config("tiny", settings=settings)
    )
    monkeypatch.chdir(shutil.copytree(desk["folder"], tmp_path / "desk"))
    runpy.run_path(str(script), run_name="__main__")


def test_the_site_builds_without_a_broken_link(tmp_path: Path) -> None:
    """Built from a copy: the builder writes its cache beside the configuration."""
    for name in ("docs", "stccl_data", "stccl_train"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copyfile(ROOT / "mkdocs.yml", tmp_path / "mkdocs.yml")
    command = [sys.executable, "-m", "zensical", "build", "-f", "mkdocs.yml", "--strict"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "PrepareConfig" in (tmp_path / "build" / "site" / "api" / "data.html").read_text()
