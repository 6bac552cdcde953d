"""`stccl score`: score how well one clip keeps the speech of another."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stccl_data.alignment.modes import MATCHINGS

from .output import echo_json
from .progress import open_progress

if TYPE_CHECKING:
    from stccl_train.eval.score import Score

_LABELS = {
    "scc": "SCC, cosine",
    "scc_recall": "SCC, R@1",
    "tcc": "TCC, cosine",
    "tcc_recall": "TCC, R@1",
}


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
    help="How to align the frames; time: equal times, for a clip generated frame by frame.",
)
@click.option(
    "--frames",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a CSV with one row per frame of SOURCE.",
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

    Beside each score is that of the same two clips with TARGET shifted by 0.4 s; the difference
    is due to speech.
    """
    from stccl_train.eval.score import score

    with open_progress() as progress:
        result = score(run, source, target, alignment, device, progress)  # type: ignore[arg-type]
    if frames is not None:
        _write_frames(frames, result)
    if as_json:
        echo_json({"source": str(source), "target": str(target), **result.record()})
    else:
        click.echo(_format_score(result))


def _format_score(score: "Score") -> str:
    lines = [f"{'at the mouth':<14}{'aligned':>9}{'shifted':>9}"]
    for name, label in _LABELS.items():
        values = (score.means[name], score.shifted[name])
        cells = (f"{'-' if value is None else format(value, '.3f'):>9}" for value in values)
        lines.append(f"{label:<14}" + "".join(cells))
    return "\n".join(lines)


def _write_frames(path: Path, score: "Score") -> None:
    columns = score.record()["frames"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", *columns])
        for number, row in enumerate(zip(*columns.values(), strict=True)):
            writer.writerow([number, *("" if value is None else value for value in row)])
