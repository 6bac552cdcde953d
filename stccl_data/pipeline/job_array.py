"""Job arrays: which clips each job works on, and the record that a job leaves when it has finished.

All jobs share one OUT. Artefacts are named by what they are made from, so it does not matter which
job made one, and the dataset is written by a single run that finds every artefact (`merge`).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stccl_data.clip import Clip
from stccl_data.errors import StcclError
from stccl_data.files.atomic import write_text


@dataclass(frozen=True, slots=True)
class Job:
    """One job of an array."""

    #: 1, 2, ..., `count`
    number: int
    #: jobs in the array
    count: int

    @property
    def name(self) -> str:
        """The job as it stands in file names, such as ``3-of-16``."""
        return f"{self.number}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_job(text: str) -> Job:
    """Return the job that ``3/16`` names.

    Raises:
        ValueError: the text is not ``I/N`` with I from 1 to N.
    """
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return Job(int(number), int(count))
    raise ValueError(f"job {text!r} is not I/N with I from 1 to N, such as 3/16")


class JobArrayError(StcclError):
    """The work cannot be split like this, or not every job has finished."""


def clips_of_job(job: Job, clips: Iterable[Clip]) -> list[Clip]:
    """Return the clips that a job works on: all clips of its share of the speakers and views.

    Speakers (per view) are dealt out by number of clips, largest first, each to the job with the
    fewest clips so far. A clip is only ever compared with clips of its own speaker and view, so
    no job needs another's clips. Every job computes the same split.

    Raises:
        JobArrayError: the array has more jobs than there are speakers and views.
    """
    clips = list(clips)
    sizes = Counter((clip.corpus, clip.speaker, clip.view) for clip in clips)
    if job.count > len(sizes):
        raise JobArrayError(
            f"{len(sizes)} combinations of speaker and view can be split among at most "
            f"{len(sizes)} jobs, not {job.count}; use a smaller N in I/N"
        )
    loads: defaultdict[int, int] = defaultdict(int)
    job_of: dict[tuple[str, str, str], int] = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        smallest = min(range(1, job.count + 1), key=lambda number: loads[number])
        job_of[group] = smallest
        loads[smallest] += size
    return [clip for clip in clips if job_of[clip.corpus, clip.speaker, clip.view] == job.number]


def record_finished(work: Path, job: Job, request: Mapping[str, Any]) -> None:
    """Record that a job has finished.

    Args:
        work: the work folder of OUT.
        job: the job.
        request: what the job was asked for, JSON-compatible; `finished_jobs` returns it.
    """
    write_text(_record(work, job), json.dumps(request, indent=1) + "\n")


def forget_finished(work: Path, job: Job) -> None:
    """Remove the record of a job that starts again."""
    _record(work, job).unlink(missing_ok=True)


def finished_jobs(work: Path) -> list[dict[str, Any]]:
    """Return the requests that the jobs of a finished array recorded, in order of job number.

    Raises:
        JobArrayError: no job has finished, some have not, or there are jobs of several arrays.
    """
    requests: dict[Job, dict[str, Any]] = {}
    for path in work.glob("part-*.json"):
        number, _, count = path.stem.removeprefix("part-").partition("-of-")
        requests[parse_job(f"{number}/{count}")] = json.loads(path.read_text())
    counts = sorted({job.count for job in requests})
    if not counts:
        raise JobArrayError(
            f"{work.parent}: no job has finished; first run `stccl prepare RAW OUT --job I/N` "
            "for each I from 1 to N"
        )
    if len(counts) > 1:
        raise JobArrayError(
            f"{work.parent}: found jobs of arrays of {' and of '.join(map(str, counts))}; "
            "run `stccl prepare RAW OUT`, which uses what all of them made"
        )
    missing = [
        str(number) for number in range(1, counts[0] + 1) if Job(number, counts[0]) not in requests
    ]
    if missing:
        numbers = ", ".join(missing[:20]) + (", ..." if len(missing) > 20 else "")
        raise JobArrayError(
            f"{work.parent}: {len(missing)} of {counts[0]} jobs have not finished: {numbers}; "
            "run them again, they resume where they stopped"
        )
    return [requests[job] for job in sorted(requests, key=lambda job: job.number)]


def _record(work: Path, job: Job) -> Path:
    return work / f"part-{job.name}.json"
