"""Prove the GPU stage on a GPU, in a quarter of an hour; most of it is compilation.

usage: python benchmarks/gpu.py [--data PREPARED] [--videos VIDEOS] [--report gpu.json]
           [--only card,step] [--traces TRACES] [--rehearse]

Each part runs in a process of its own under a time limit of its own; none stops the next, and what
a part measured before its limit is kept. PREPARED is a dataset with face crops of 224 pixels
(`make demo` leaves one in demo/prepared); VIDEOS holds 1080p clips for `prepare`. Parts whose input
is missing are skipped with the reason. TRACES receives the profiler's traces. `--rehearse` runs
every part on the CPU with small networks, so that a machine with a GPU is not the first to run this
script; its figures mean nothing.
"""

import argparse
import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gpu_record import ROOT, Options, Record


@dataclass(frozen=True)
class Part:
    """A function of a module beside this one, imported by the part's own process alone."""

    name: str
    #: Seconds after which it is ended.
    limit: float
    module: str
    #: Option that gives its input.
    needs: str | None = None

    def run(self, options: Options, record: Record) -> None:
        function = getattr(importlib.import_module(self.module), self.name)
        print(f"{self.name}: {inspect.getdoc(function)}", flush=True)
        function(options, record)


#: What matters most comes first. Compiling a step takes minutes.
PARTS = (
    Part("card", 30, "gpu_compute"),
    Part("step", 280, "gpu_compute"),
    Part("profile", 110, "gpu_compute"),
    Part("reader", 60, "gpu_pipeline", needs="data"),
    Part("training", 150, "gpu_pipeline", needs="data"),
    Part("prepare", 60, "gpu_pipeline", needs="videos"),
    Part("tests", 150, "gpu_compute"),
    Part("loss", 110, "gpu_compute"),
    Part("fan", 20, "gpu_compute"),
    Part("batches", 40, "gpu_compute"),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--report", type=Path, default=Path("gpu.json"))
    parser.add_argument("--only", default=",".join(part.name for part in PARTS))
    parser.add_argument("--traces", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--figures", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    folders = (args.data, args.videos, args.traces)
    options = Options(*(str(path.resolve()) if path else None for path in folders), args.rehearse)
    parts = {part.name: part for part in PARTS}
    if args.part:
        parts[args.part].run(options, Record(args.figures))
        return 0
    results: dict[str, Any] = {"options": asdict(options), "date": time.strftime("%Y-%m-%d")}
    for name in args.only.split(","):
        results[name] = run_part(parts[name], options)
        args.report.write_text(json.dumps(results, indent=1))
    print(f"{args.report}: written")
    return 0


def run_part(part: Part, options: Options) -> dict[str, Any]:
    """Run a part in its own process; return its figures and how it ended."""
    if part.needs and getattr(options, part.needs) is None:
        print(f"{part.name}: skipped, --{part.needs} is missing")
        return {"outcome": f"skipped: --{part.needs} is missing"}
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        command = [sys.executable, __file__, "--part", part.name, "--figures", str(figures)]
        command += ["--rehearse"] if options.rehearse else []
        for name in ("data", "videos", "traces"):
            if (value := getattr(options, name)) is not None:
                command += [f"--{name}", value]
        started = time.monotonic()
        environment = {**os.environ, "PYTHONPATH": _python_path()}
        process = subprocess.Popen(command, start_new_session=True, env=environment)
        try:
            code = process.wait(part.limit * (10 if options.rehearse else 1))
            outcome = "done" if code == 0 else f"failed with exit status {code}"
        except subprocess.TimeoutExpired:
            outcome = f"ended at its limit of {part.limit:g} s"
        finally:
            _end(process)
        seconds = time.monotonic() - started
        print(f"  {outcome} after {seconds:.0f} s", flush=True)
        measured = json.loads(figures.read_text()) if figures.exists() else {}
    return {"outcome": outcome, "seconds": seconds, **measured}


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a part and everything that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
