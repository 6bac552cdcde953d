"""The parts of a job array put together: the work of `stccl merge`."""

from dataclasses import replace
from pathlib import Path

from stccl_data.pipeline.config import PrepareConfig, config_from
from stccl_data.pipeline.job_array import PartsError, read_parts
from stccl_data.pipeline.prepare import Summary, prepare
from stccl_data.pipeline.state import Store
from stccl_data.progress import Progress


def merge(out: Path, progress: Progress | None = None) -> Summary:
    """Write the dataset OUT, all parts of which are done, as one run without `--shard` would have.

    What the parts made lies where that run looks for it, and what failed in them is in their states, so that this is that run.
    Raises PartsError where a part is missing or the parts were asked for different things, and what `prepare` raises.
    """
    said = read_parts(Store(out).work)
    configs = [config_from(part["config"]) for part in said]
    for part, config in zip(said, configs, strict=True):
        if part["raw"] != said[0]["raw"] or config.outcome() != configs[0].outcome():
            differing = _differing(config, configs[0]) or ["RAW"]
            both = f"{configs[0].shard} and {config.shard}"
            raise PartsError(
                f"parts {both} were not asked for the same ({', '.join(differing)}): run one of them again"
            )
    here = replace(
        configs[0], shard=None, executor="local", workers=0, memory_mb=0, retry_failed=()
    )
    return prepare(Path(said[0]["raw"]), out, here, progress)


def _differing(one: PrepareConfig, other: PrepareConfig) -> list[str]:
    left, right = one.outcome(), other.outcome()
    return [name for name in left if left[name] != right[name]]
