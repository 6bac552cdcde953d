"""`stccl export-metric`: write a trained metric in forms that other code bases use."""

from pathlib import Path

import click

from .output import echo_json


@click.command("export-metric")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("to", metavar="TO", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(run: Path, to: Path, as_json: bool) -> None:
    """Write the metric of RUN into the new folder TO, to be used without stccl.

    \b
    metric.safetensors, metric.json  weights and their configuration
    metric.pt2                       program for torch.export.load, with gradient
    metric.onnx                      the same for ONNX runtimes
    README.md                        model card: inputs, value, verdict, how to load

    Takes a minute or more. Both programs are compared with the metric. Needs the extra [export].
    """
    from stccl_train.portable.write import export_metric

    result = export_metric(run, to)
    if as_json:
        echo_json(result)
        return
    for name in result.files:
        difference = result.differences.get(name)
        click.echo(name if difference is None else f"{name}  differs by at most {difference:.1e}")
    click.echo(f"next    read {result.folder / 'README.md'}")
