"""What a run is asked to do, and who watches it."""

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from stccl_data.alignment.modes import MODES
from stccl_data.corpora import CORPORA
from stccl_data.corpora.splits import DEFAULT_SPLIT
from stccl_data.errors import Reason
from stccl_data.executors import EXECUTORS
from stccl_data.face.crops import CROPS
from stccl_data.landmarks import BACKENDS, LandmarkConfig
from stccl_data.options import check_limits
from stccl_data.pairs.candidates import REFERENCES
from stccl_data.pairs.gates import GateConfig
from stccl_data.pipeline.job_array import Job, parse_job

#: What a worker needs to load its libraries and read a short clip, MB (measured on MEAD: enough at 1,000, too little at 600).
_LEAST_MEMORY_MB = 1000


def _option(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig:
    """All options of `prepare`, with their defaults; the command line is made from it."""

    corpus: str = _option("auto", "Which corpus RAW is.", choices=("auto", *CORPORA))
    views: tuple[str, ...] | None = _option(
        None, "Cameras, comma-separated, or `all`. MEAD: front unless said otherwise."
    )
    speakers: tuple[str, ...] | None = _option(None, "Only these speakers, comma-separated.")
    emotions: tuple[str, ...] | None = _option(None, "Only these emotions, comma-separated.")
    transcripts: str | None = _option(
        None, "MEAD's sentences by a list `ACTOR_level_N_EMOTION_NNN TEXT`.", path=True
    )
    limit: int | None = _option(
        None, "Only N clips, for a trial: those of the first pairs.", least=1
    )
    paired_only: bool = _option(False, "Leave clips without a partner unread.")
    reference: str = _option(
        "neutral", "Pair neutral with each emotion, or any two emotions.", choices=REFERENCES
    )
    align: str = _option(
        "auto",
        "Align by what; auto: by sound, by the mouth where a clip is silent.",
        choices=MODES,
    )
    crops: str = _option(
        "similarity",
        "How faces are cut: smoothed similarity, constant box, not at all.",
        choices=CROPS,
    )
    face_size: int = _option(224, "Side of the face crop, pixels.", least=16, most=4096)
    mouth_size: int = _option(96, "Side of the mouth crop, pixels.", least=16, most=4096)
    jpeg_quality: int = _option(95, "Quality of the crops, 1-100.", least=1, most=100)
    audio: bool = _option(False, "Keep each clip's sound in the shards, as FLAC.")
    landmarks: str = _option("mediapipe", "Landmark backend.", choices=BACKENDS)
    landmarker_model: str | None = _option(
        None, "Another face_landmarker.task than the packaged one.", path=True
    )
    fan_weights: str | None = _option(None, "The weights of the fan backend.", path=True)
    device: str = _option("cpu", "Where the fan backend runs, such as cuda:0.")
    split: str = _option(
        DEFAULT_SPLIT,
        "Who trains, who tests: ratios, a CSV speaker,split, or a name such as mead-paper.",
    )
    seed: int = _option(0, "Decides the order of speakers and shards.")
    shard_mb: int = _option(128, "Size of a shard, megabytes.", least=1)
    workers: int = _option(
        0,
        "Worker processes; auto: one a core, of this machine or of the Ray cluster.",
        least=0,
        zero="auto",
    )
    memory_mb: int = _option(
        0,
        "Memory that a worker may have, MB; auto: its share of the machine's.",
        least=0,
        zero="auto",
    )
    timeout: float = _option(
        300.0,
        "Seconds that a clip may take, and a minute more for each megabyte of its file.",
        least=1,
    )
    executor: str = _option("local", "Where the work is done.", choices=EXECUTORS)
    ray_address: str | None = _option(
        None, "The Ray cluster, `auto` for this machine's.  [default: one of this machine alone]"
    )
    shard: str | None = _option(
        None,
        "Only part I of N, such as 3/16, for a job array; `stccl merge OUT` puts them together.",
    )
    retry_failed: tuple[str, ...] = _option(
        (), "Try clips again that failed before; =REASON,...: for these reasons.", alone="all"
    )
    gates: GateConfig = field(default_factory=GateConfig)

    def __post_init__(self) -> None:
        """Raises ValueError for a number outside its range, a part that is none, a reason that is none."""
        check_limits(self)
        if self.shard is not None:
            parse_job(self.shard)
        if 0 < self.memory_mb < _LEAST_MEMORY_MB:
            raise ValueError(
                f"memory_mb must be {_LEAST_MEMORY_MB} or more, not {self.memory_mb}: the libraries of a worker take most of it"
            )
        reasons = {str(reason) for reason in Reason}
        if unknown := [word for word in self.retry_failed if word != "all" and word not in reasons]:
            raise ValueError(
                f"retry_failed: {', '.join(unknown)} is no reason; clips.parquet has those there are"
            )

    @property
    def array_job(self) -> Job | None:
        """The job of an array that this run is; None for a run of the whole corpus."""
        return None if self.shard is None else parse_job(self.shard)

    def outcome(self) -> dict[str, Any]:
        """The options that decide what comes out, and not by whom or how it is done."""
        return {name: value for name, value in asdict(self).items() if name not in HOW}


#: The options that change nothing in what comes out.
HOW = ("workers", "memory_mb", "timeout", "executor", "ray_address", "shard", "retry_failed")


def config_from(said: dict[str, Any]) -> PrepareConfig:
    """The options that `asdict` gave, after a journey through JSON; those that it did not have are the defaults."""
    known = {one.name: said[one.name] for one in fields(PrepareConfig) if one.name in said}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in known.items()
    }
    return PrepareConfig(**{**values, "gates": GateConfig(**said["gates"])})


def anywhere(config: PrepareConfig) -> PrepareConfig:
    """The options as they are to be understood in another folder: files by their whole paths."""
    files = {
        name: Path(getattr(config, name) or "")
        for name in ("transcripts", "landmarker_model", "fan_weights", "split")
    }
    changed: dict[str, Any] = {
        name: str(path.absolute()) for name, path in files.items() if path.is_file()
    }
    return replace(config, **changed)


def landmark_config(config: PrepareConfig) -> LandmarkConfig:
    """The part of the options that says which landmarks."""
    return LandmarkConfig(
        backend=config.landmarks,
        landmarker_model=config.landmarker_model,
        fan_weights=config.fan_weights,
        device=config.device,
    )
