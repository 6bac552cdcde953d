"""`stccl review`: keep or reject pairs by eye, in a browser on this machine."""

import getpass
import tempfile
import webbrowser
from contextlib import suppress
from pathlib import Path

import click

from .progress import open_progress


@click.command("review", context_settings={"show_default": True})
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pairs", default=40, type=click.IntRange(min=1), help="Number of pairs to review.")
@click.option("--who", help="Your name in verdicts.csv.  [default: your user name]")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def command(out: Path, pairs: int, who: str | None, port: int, no_browser: bool) -> None:
    """Look at pairs of OUT and keep or reject them, with the keys y and n.

    The pages of `stccl report` are served on 127.0.0.1, to whoever has the address. Verdicts go to
    OUT/verdicts.csv; `stccl pairs refilter OUT` applies them. Ctrl-C ends the review.
    """
    from stccl_data.pairs.verdicts import VERDICTS, count_verdicts, read_verdicts
    from stccl_data.report import ReportConfig, write_dataset_report
    from stccl_data.report.review import ReviewServer

    name = who if who is not None else getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="stccl-review-") as scratch:
        folder = Path(scratch, "report")
        with open_progress() as progress:
            report = write_dataset_report(out, folder, ReportConfig(pairs=pairs), progress)
        with ReviewServer(out, folder, report.shown, name, port) as server:
            click.echo(f"{server.address}\ny keeps, n rejects; Ctrl-C ends the review.")
            if not no_browser:
                webbrowser.open(server.address)
            with suppress(KeyboardInterrupt):
                server.serve_forever()
    counts = count_verdicts(read_verdicts(out)) or {"keep": 0, "reject": 0}
    click.echo(f"{out / VERDICTS}: {counts['keep']} kept, {counts['reject']} rejected")
    click.echo(f"next    stccl pairs refilter {out}")
