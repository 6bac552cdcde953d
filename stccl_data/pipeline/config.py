"""The options of `prepare`."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stccl_data.alignment.modes import Mode
from stccl_data.corpora import Corpus
from stccl_data.corpora.splits import DEFAULT_SPLIT
from stccl_data.errors import Reason
from stccl_data.executors import ExecutorName
from stccl_data.face.crop_config import CropMode, SpeakerRule
from stccl_data.landmarks import Backend, LandmarkConfig
from stccl_data.options import Words, build, config_class, fields_of
from stccl_data.pairs.candidates import NEUTRAL
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.job_array import Job, parse_job

#: MB that a worker needs to load its libraries and read a short clip. Measured on MEAD: 1,000 is
#: enough, 600 is not.
_MIN_MEMORY_MB = 1000

#: Options that do not change the result.
EXECUTION_OPTIONS = frozenset(
    {
        "workers",
        "memory_mb",
        "timeout",
        "executor",
        "ray_address",
        "job",
        "retry_failed",
        "drop_work",
    }
)


@config_class
class PrepareConfig:
    """The options of `prepare`. The command line options are made from these fields.

    In ``json_schema_extra``: ``path``, the value names an existing file; ``zero``, the word for 0
    on the command line; ``alone``, the value of a list option that is given without one;
    ``old_name``, an earlier name that still works.
    """

    corpus: Literal["auto", Corpus] = Field(default="auto", description="Which corpus RAW is.")
    views: Words | None = Field(
        default=None,
        description="Cameras, comma-separated, or `all`.  [default: front for MEAD, else all]",
    )
    speakers: Words | None = Field(
        default=None, description="Only these speakers, comma-separated."
    )
    emotions: Words | None = Field(
        default=None, description="Only these emotions, comma-separated."
    )
    transcripts: str | None = Field(
        default=None,
        description="Transcripts of MEAD: lines `ACTOR_level_N_EMOTION_NNN TEXT`.",
        json_schema_extra={"path": True},
    )
    accept_proposed: bool = Field(
        default=False,
        description="Use rows of a manifest whose sentence `stccl label` proposed, too.",
    )
    limit: int | None = Field(
        default=None, ge=1, description="Use only N clips, those of the first pairs; for a trial."
    )
    paired_only: bool = Field(default=False, description="Do not read clips without a partner.")
    reference: str = Field(
        default=NEUTRAL,
        description="Pair this emotion with each other one, or `any` two emotions. "
        "`neutral` stands for `any` if no clip is neutral.",
    )
    align: Mode = Field(
        default="auto",
        description="What to align by; auto: sound, or the mouth if a clip is silent.",
    )
    crops: CropMode = Field(
        default="similarity",
        description="How to crop faces: smoothed similarity transform, constant box, or not at "
        "all.",
    )
    speaker: SpeakerRule = Field(
        default="auto",
        description="Whose face, if a clip shows several people; auto: who is seen longest, "
        "largest and most central, and whose mouth moves with the sound.",
    )
    face_size: int = Field(
        default=224, ge=16, le=4096, description="Side of the face crop, pixels."
    )
    mouth_size: int = Field(
        default=96, ge=16, le=4096, description="Side of the mouth crop, pixels."
    )
    jpeg_quality: int = Field(
        default=95, ge=1, le=100, description="JPEG quality of the crops, 1-100."
    )
    audio: bool = Field(
        default=False, description="Store each clip's sound in the shards, as FLAC."
    )
    drop_work: bool = Field(
        default=False,
        description="Keep crops and sound once: delete them from OUT/work when a verified shard "
        "has them.",
    )
    landmarks: Backend = Field(default="mediapipe", description="Landmark backend.")
    landmarker_model: str | None = Field(
        default=None,
        description="Use this face_landmarker.task instead of the packaged one.",
        json_schema_extra={"path": True},
    )
    fan_weights: str | None = Field(
        default=None,
        description="Weights file of the fan backend.",
        json_schema_extra={"path": True},
    )
    device: str = Field(default="cpu", description="Device of the fan backend, such as cuda:0.")
    split: str = Field(
        default=DEFAULT_SPLIT,
        description="Train/val/test speakers: ratios, a CSV speaker,split, or a name such as "
        "mead-paper.",
    )
    seed: int = Field(default=0, description="Seed for the order of speakers and shards.")
    shard_mb: int = Field(default=128, ge=1, description="Shard size, megabytes.")
    workers: int = Field(
        default=0,
        ge=0,
        description="Worker processes; auto: one per core of the machine or Ray cluster.",
        json_schema_extra={"zero": "auto"},
    )
    memory_mb: int = Field(
        default=0,
        ge=0,
        description="Memory limit of a worker, MB; auto: its share of the machine's memory.",
        json_schema_extra={"zero": "auto"},
    )
    timeout: float = Field(
        default=300.0,
        ge=1,
        description="Seconds allowed for a clip, plus one minute for each megabyte of its file.",
    )
    executor: ExecutorName = Field(default="local", description="Where the work runs.")
    ray_address: str | None = Field(
        default=None,
        description="Ray cluster, `auto` for this machine's.  [default: start one on this machine]",
    )
    job: str | None = Field(
        default=None,
        description="Run only job I of N, such as 3/16, of a job array; then run `stccl merge "
        "OUT`.",
        json_schema_extra={"old_name": "shard"},
    )
    retry_failed: Words = Field(
        default=(),
        description="Retry clips that failed before; =REASON,...: only those with these reasons.",
        json_schema_extra={"alone": "all"},
    )
    gates: GateConfig = GateConfig()

    def __post_init__(self) -> None:
        if self.job is not None:
            parse_job(self.job)
        if 0 < self.memory_mb < _MIN_MEMORY_MB:
            raise ValueError(
                f"memory_mb must be at least {_MIN_MEMORY_MB}, not {self.memory_mb}: "
                "a worker needs most of it to load its libraries"
            )
        reasons = [str(reason) for reason in Reason]
        if unknown := [word for word in self.retry_failed if word not in ("all", *reasons)]:
            raise ValueError(
                f"retry_failed: unknown reason {', '.join(unknown)}; "
                f"choose from {', '.join(reasons)}"
            )

    @property
    def array_job(self) -> Job | None:
        """The job of a job array that this run is, if it is one."""
        return None if self.job is None else parse_job(self.job)

    def result_options(self) -> dict[str, Any]:
        """Return the options that determine the result, without those of `EXECUTION_OPTIONS`."""
        return {
            name: value for name, value in asdict(self).items() if name not in EXECUTION_OPTIONS
        }


def config_from_json(values: Mapping[str, Any]) -> PrepareConfig:
    """Rebuild a config from its JSON form, also one written by an earlier version.

    Unknown options are ignored, missing ones get their defaults.
    """
    values = {"job": values.get("shard"), **values}  # the earlier name
    return build(PrepareConfig, {k: v for k, v in values.items() if k in fields_of(PrepareConfig)})


def with_absolute_paths(config: PrepareConfig) -> PrepareConfig:
    """Make the paths of existing files absolute, for use from another folder."""
    files = {
        name: Path(getattr(config, name) or "")
        for name in ("transcripts", "landmarker_model", "fan_weights", "split")
    }
    changed: dict[str, Any] = {
        name: str(path.absolute()) for name, path in files.items() if path.is_file()
    }
    return replace(config, **changed)


def landmark_config(config: PrepareConfig) -> LandmarkConfig:
    """Return the options of the landmark backend."""
    return LandmarkConfig(
        backend=config.landmarks,
        landmarker_model=config.landmarker_model,
        fan_weights=config.fan_weights,
        device=config.device,
    )
