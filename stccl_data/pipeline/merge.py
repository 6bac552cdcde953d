"""Write the dataset of a finished job array: the work of `stccl merge`."""

from dataclasses import replace
from pathlib import Path

from stccl_data.pipeline.config import PrepareConfig, config_from_json
from stccl_data.pipeline.job_array import JobArrayError, finished_jobs
from stccl_data.pipeline.prepare import Summary, prepare
from stccl_data.pipeline.state import Store
from stccl_data.progress import Progress


def merge(out: Path, progress: Progress | None = None) -> Summary:
    """Write the dataset OUT once every job of its array has finished.

    Runs `prepare` with the jobs' own options. It finds the artefacts and the failures that the
    jobs recorded, so the result equals that of a single run.

    Raises:
        JobArrayError: a job has not finished, or the jobs were asked for different things.
        StcclError: whatever `prepare` raises.
    """
    requests = finished_jobs(Store(out).work)
    first, *others = [config_from_json(request["config"]) for request in requests]
    for request, config in zip(requests[1:], others, strict=True):
        if (
            request["raw"] != requests[0]["raw"]
            or config.result_options() != first.result_options()
        ):
            different = ", ".join(_differing(config, first) or ["RAW"])
            raise JobArrayError(
                f"jobs {first.job} and {config.job} were run with different options "
                f"({different}): run one of them again"
            )
    whole = replace(first, job=None, executor="local", workers=0, memory_mb=0, retry_failed=())
    return prepare(Path(requests[0]["raw"]), out, whole, progress)


def _differing(config: PrepareConfig, other: PrepareConfig) -> list[str]:
    values, other_values = config.result_options(), other.result_options()
    return [name for name in values if values[name] != other_values[name]]
