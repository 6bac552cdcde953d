"""Write a trained metric into a folder that other code bases use without this package."""

import contextlib
import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stccl_data.errors import UsageError
from stccl_data.files.atomic import write_text
from stccl_train.loss.parts import FORM, LAYERS
from stccl_train.loss.scale import Scale, read_calibration, setting_name
from stccl_train.model.export import CARD_FILE, WEIGHTS_FILE, load_metric
from stccl_train.portable.card import model_card
from stccl_train.portable.program import PortableMetric
from stccl_train.seeding import torch_generator

PROGRAM_FILE, ONNX_FILE, README = "metric.pt2", "metric.onnx", "README.md"

#: What an export consists of, in the order in which it is put in its place.
FILES = (WEIGHTS_FILE, CARD_FILE, PROGRAM_FILE, ONNX_FILE, README)

#: Folder within an export that holds its files until all are written.
_UNFINISHED = ".unfinished"

#: Names of the inputs of both programs, in order.
INPUTS = ("source", "generated", "random", "mouth")

#: Most windows of one call.
_MOST_WINDOWS = 4096


@dataclass(frozen=True, slots=True)
class ExportedMetric:
    """A metric written for other code bases."""

    folder: Path
    #: Names in the folder.
    files: tuple[str, ...]
    #: Largest difference of values and losses from those of the metric, by file.
    differences: dict[str, float]


def export_metric(
    run: str | Path, folder: str | Path, layers: Sequence[float] = LAYERS
) -> ExportedMetric:
    """Write the metric of a run as weights, as programs of torch and ONNX, and a card.

    Args:
        run: the folder of the run.
        folder: is created; must be empty but for what an interrupted export left.
        layers: weight of each layer, as of `STCCLLoss`.

    Raises:
        MetricError: no usable metric in ``run``.
        UsageError: the folder is not empty.
        ModuleNotFoundError: onnx, onnxscript or onnxruntime is missing (extra ``export``).
    """
    import onnxruntime  # noqa: F401  # before the minute that the rest takes
    import onnxscript  # noqa: F401  # torch imports it late, with a message of its own

    run, folder = Path(run), Path(folder)
    metric = load_metric(run)
    # Staged inside: the folder may be a mount point, or its parent read-only.
    unfinished = folder / _UNFINISHED
    if folder.is_dir() and any(path != unfinished for path in folder.iterdir()):
        raise UsageError(f"{folder}: not empty; give a new folder")
    if unfinished.exists():
        shutil.rmtree(unfinished)  # left by an interrupted export
    calibration, scale = read_calibration(run), Scale()
    model = PortableMetric(metric, scale, layers)
    if calibration is not None:
        model.scale = calibration.scale(model.parts, setting_name(metric.config.frames, True, FORM))
    unfinished.mkdir(parents=True)
    try:
        differences = _write_files(run, model, unfinished)
        for name in FILES:
            (unfinished / name).rename(folder / name)
    finally:
        shutil.rmtree(unfinished)
    return ExportedMetric(folder, FILES, differences)


def _write_files(run: Path, model: PortableMetric, folder: Path) -> dict[str, float]:
    """Write `FILES`. Returns the differences of the programs, as of `ExportedMetric`."""
    import onnxruntime

    for name in (WEIGHTS_FILE, CARD_FILE):
        shutil.copyfile(run / name, folder / name)
    program = _export(model)
    torch.export.save(program, folder / PROGRAM_FILE)
    _write_onnx(program, folder / ONNX_FILE)

    inputs = example_inputs(model, windows=3)
    expected = model(*inputs)
    session = onnxruntime.InferenceSession(folder / ONNX_FILE)
    arrays = {name: tensor.numpy() for name, tensor in zip(INPUTS, inputs, strict=True)}
    differences = {
        PROGRAM_FILE: _difference(
            torch.export.load(folder / PROGRAM_FILE).module()(*inputs), expected
        ),
        ONNX_FILE: _difference([torch.from_numpy(a) for a in session.run(None, arrays)], expected),
    }
    card = json.loads((run / CARD_FILE).read_bytes()).get("card", {})
    write_text(folder / README, model_card(run, model, card, differences))
    return differences


def example_inputs(model: PortableMetric, windows: int) -> tuple[Tensor, ...]:
    """Return inputs of a program: noise, and a mouth in its place in a face crop."""
    config, generator = model.metric.config, torch_generator(0)
    shape = windows, config.frames, 3, config.size, config.size
    source, generated = (torch.rand(shape, generator=generator) * 2 - 1 for _ in range(2))
    random = torch.rand(windows, model.numbers, generator=generator)
    return source, generated, random, torch.tensor([[0.3, 0.55, 0.7, 0.9]]).repeat(windows, 1)


def _export(model: PortableMetric) -> torch.export.ExportedProgram:
    windows = torch.export.Dim("windows", min=1, max=_MOST_WINDOWS)
    shapes = tuple({0: windows} for _ in INPUTS)
    return torch.export.export(model, example_inputs(model, windows=2), dynamic_shapes=shapes)


def _write_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write a program as ONNX.

    Only its constants are folded: the exporter's optimiser takes longer than all the rest, and
    runtimes optimise when they load.
    """
    from onnxscript import optimizer

    with _without_torch_notes():
        exported = torch.onnx.export(
            program,
            (),
            input_names=INPUTS,
            output_names=["value", "loss"],
            dynamo=True,
            optimize=False,
            verbose=False,
        )
    assert exported is not None
    optimizer.fold_constants(exported.model)
    optimizer.remove_unused_nodes(exported.model)
    exported.save(path, external_data=False)


@contextlib.contextmanager
def _without_torch_notes() -> Iterator[None]:
    """Silence what torch's exporter says of torchvision, not used here, and of its own code."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")

    def is_of_use(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("torchvision is not installed")

    logger.addFilter(is_of_use)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
            yield
    finally:
        logger.removeFilter(is_of_use)


def _difference(results: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    pairs = zip(results, expected, strict=True)
    return max(float((result - right).abs().max()) for result, right in pairs)
