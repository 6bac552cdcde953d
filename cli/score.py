"""`stccl score`: how well one clip keeps the speech of another."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stccl_data.alignment.modes import MATCHINGS

if TYPE_CHECKING:
    from stccl_train.eval.score import Score


@click.command("score", context_settings={"show_default": True})
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--run",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a trained metric.",
)
@click.option(
    "--align",
    "alignment",
    default="auto",
    type=click.Choice(MATCHINGS),
    help="What frames are laid on each other by; time: at equal times, for a clip made of the other frame by frame.",
)
@click.option(
    "--frames",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a CSV with a row for each frame of SOURCE.",
)
@click.option("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
@click.option("--json", "as_json", is_flag=True, help="Print everything, frame by frame, as JSON.")
def command(
    source: Path,
    target: Path,
    run: Path,
    alignment: str,
    frames: Path | None,
    device: str,
    as_json: bool,
) -> None:
    """Score how well TARGET keeps the speech of SOURCE: SCC and TCC at the mouth, frame by frame.

    Beside them stands what the same two clips come to when TARGET is shifted by 10 frames: the difference is the speech.
    """
    from stccl_data.errors import ClipError
    from stccl_train.eval.score import score
    from stccl_train.model.export import MetricError

    from .progress import open_progress

    try:
        with open_progress() as progress:
            found = score(run, source, target, alignment, device, progress)  # type: ignore[arg-type]
    except (ClipError, MetricError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if frames is not None:
        try:
            _write(frames, found)
        except OSError as error:
            raise click.ClickException(f"{frames} cannot be written: {error}") from error
    click.echo(
        json.dumps({"source": str(source), "target": str(target), **found.record()})
        if as_json
        else _summary(found)
    )


def _summary(found: "Score") -> str:
    lines = [f"{'at the mouth':<14}{'aligned':>9}{'shifted':>9}"]
    names = {
        "scc": "SCC, cosine",
        "scc_recall": "SCC, R@1",
        "tcc": "TCC, cosine",
        "tcc_recall": "TCC, R@1",
    }
    for name, shown in names.items():
        values = (found.means[name], found.shifted[name])
        lines.append(
            f"{shown:<14}"
            + "".join(f"{'-' if value is None else format(value, '.3f'):>9}" for value in values)
        )
    return "\n".join(lines)


def _write(path: Path, found: "Score") -> None:
    columns = found.record()["frames"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", *columns])
        for number, row in enumerate(zip(*columns.values(), strict=True)):
            writer.writerow([number, *("" if value is None else value for value in row)])
