"""The options of training and evaluation: the metric, its windows, the training run, presets.

A training config is built from a preset, a YAML file and ``key=value`` settings, each overriding
the one before.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from stccl_data.options import (
    ConfigError,
    Floats,
    Key,
    Words,
    build,
    config_class,
    fields_of,
    keys_of,
    merge,
    parse_setting,
    plain,
    read_yaml,
)
from stccl_data.pairs.gates import GateConfig

__all__ = ["ConfigError", "EvaluateConfig", "MetricConfig", "TrainConfig", "WindowConfig"]

PRESETS = ("paper", "default", "tiny")

BackboneName = Literal["iresnet50", "iresnet18", "tiny"]
Padding = Literal["circular", "zeros"]
Crop = Literal["face", "mouth"]
Access = Literal["index", "stream"]

#: The description of `threads` in every config.
THREADS = (
    "Threads on a CPU; null: one for the tiny backbone, whose layers are too small to share, else "
    "one per core."
)


@config_class
class MetricConfig:
    """What the metric compares, and how.

    With the defaults both terms respond to speech on held-out speakers (docs/method.md); the
    published form is the preset `paper`.
    """

    backbone: BackboneName = Field(
        default="iresnet50", description="Network whose features are compared."
    )
    padding: Padding = Field(
        default="circular",
        description="Padding at the border of a feature map; zeros reveal a token's place.",
    )
    terms: Words = Field(default=("scc", "tcc"), description="scc, tcc or both.")
    variant: Literal["vd", "cm", "both"] = Field(
        default="vd", description="Tokens: visual disparity, correlation matrix, or both."
    )
    cm: Literal["contrast", "match"] = Field(
        default="contrast",
        description="Correlation matrices: find the partner among negatives, or be like it alone.",
    )
    motion: bool = Field(
        default=True,
        description="Add a second form of SCC: disparities minus their mean over the window.",
    )
    negatives: Literal["place", "place+time"] = Field(
        default="place+time",
        description="Negatives of SCC: other places in the frame, or also the same place at other "
        "times.",
    )
    frames: int = Field(
        default=9, ge=1, description="T, frames of a window; evaluation must use the same."
    )
    interval: float = Field(
        default=0.12, gt=0, description="Seconds from one frame of a window to the next."
    )
    size: int = Field(
        default=224, description="Side of a frame when it enters the backbone, pixels."
    )
    tau: float = Field(default=0.07, gt=0, description="Temperature of the contrastive loss.")
    eta: float = Field(default=1.0, ge=0, description="Weight of TCC relative to SCC.")
    guard: int = Field(
        default=1,
        ge=1,
        description="With place+time: frames fewer than this many steps apart are not negatives "
        "of each other.",
    )
    mouth: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the places drawn at the mouth, if landmarks exist.",
    )
    adaptive: bool = Field(default=True, description="Weight tokens by their disparity.")
    lam: float = Field(default=2.0, gt=0, description="lambda of the adaptive weight.")
    r: float = Field(default=2.0, ge=0, description="r, the exponent of the adaptive weight.")
    theta: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="theta, the sigmoid value above which a token is weighted.",
    )

    def __post_init__(self) -> None:
        if sorted(self.terms) not in (["scc"], ["tcc"], ["scc", "tcc"]):
            raise ValueError(f"terms must name scc, tcc or both, not {list(self.terms)}")
        if "tcc" in self.terms and self.frames < 3:
            raise ValueError(
                f"tcc needs windows of at least 3 frames, not {self.frames}; "
                "for fewer, set terms=scc"
            )
        if self.size < 48:
            raise ValueError(
                f"size must be at least 48, not {self.size}: "
                "below, no place in the last layer has eight neighbours"
            )


@config_class
class WindowConfig:
    """How windows are drawn, augmented and read. Their frames and size are set by the metric."""

    crop: Literal["face", "mouth", "both"] = Field(
        default="face", description="Crop of a window; both: each window is one or the other."
    )
    both_directions: bool = Field(default=True, description="Use each alignment backwards as well.")
    through_neutral: bool = Field(
        default=True,
        description="Pair two emotions that are aligned only with the reference emotion.",
    )
    gates: dict[str, float] | None = Field(
        default=None, description="Gate thresholds that replace those of the dataset."
    )
    flip: float = Field(
        default=0.5, ge=0, le=1, description="Share of windows that are mirrored, on both sides."
    )
    colour: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Largest change of brightness and contrast, the same on both sides.",
    )
    balance: bool = Field(
        default=True, description="Draw each speaker, and each pair of emotions, equally often."
    )
    per_utterance: int = Field(
        default=8, ge=1, description="Windows drawn each time an utterance is read."
    )
    per_epoch: int | None = Field(
        default=None, ge=1, description="Windows per epoch; null: utterances times per_utterance."
    )
    shuffle: int = Field(
        default=128, ge=1, description="Size of a reader's shuffle buffer, in windows (JPEG)."
    )
    access: Access = Field(
        default="index", description="Read only what is needed, or whole shards in order."
    )
    readers: int | None = Field(
        default=None, ge=1, description="Streams of windows, over all GPUs; null: up to 8."
    )
    workers: int | None = Field(
        default=None, ge=0, description="Reader processes per GPU; null: as many as are useful."
    )

    def __post_init__(self) -> None:
        gates = fields_of(GateConfig)
        for name in self.gates or {}:
            if name not in gates:
                raise ValueError(f"unknown gate {name!r}; choose from {', '.join(gates)}")


@config_class
class TrainConfig:
    """The options of `train`."""

    metric: MetricConfig = MetricConfig()
    windows: WindowConfig = WindowConfig()
    backbone_weights: str | None = Field(
        default=None,
        description="Published weights of the backbone: .safetensors, or a torch state dict.",
    )
    freeze_backbone: bool | None = Field(
        default=None, description="null: freeze the backbone if weights are given."
    )
    init: str | None = Field(
        default=None, description="Folder of a run whose metric this one starts from."
    )
    epochs: int = Field(default=40, ge=1, description="Epochs, of windows.per_epoch windows each.")
    batch: int = Field(default=8, ge=1, description="Windows per batch on each GPU.")
    accumulate: int = Field(default=1, ge=1, description="Batches whose gradients make one step.")
    draws: int = Field(
        default=1,
        ge=1,
        description="How often places are drawn in each window for one pass of the backbone.",
    )
    lr: float = Field(
        default=3e-4,
        gt=0,
        description="Learning rate after warm-up; it then decays along a cosine.",
    )
    warmup: float = Field(
        default=1.0,
        ge=0,
        description="Epochs over which the learning rate rises, at most a fifth of them all.",
    )
    last_lr: float = Field(
        default=0.01, ge=0, le=1, description="Share of the learning rate that is left at the end."
    )
    weight_decay: float = Field(
        default=0.05,
        ge=0,
        description="Weight decay of matrices and kernels, not of biases and norms.",
    )
    betas: Floats = Field(default=(0.9, 0.95), description="Betas of AdamW.")
    clip: float = Field(default=1.0, gt=0, description="Maximum norm of the gradient.")
    explode: float = Field(
        default=3.0,
        gt=0,
        description="Stop if the loss exceeds that of the first step by this factor.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seed for weights, windows and places."
    )
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, ...")
    threads: int | None = Field(default=None, ge=1, description=THREADS)
    precision: Literal["auto", "float32", "bf16"] = Field(
        default="auto",
        description="auto: bf16 on a GPU; similarities are always computed in float32.",
    )
    compile: bool = Field(
        default=False,
        description="torch.compile: minutes at the start, steps on a GPU about twice as fast.",
    )
    log_every: int = Field(
        default=20, ge=1, description="Steps between two lines of metrics.jsonl."
    )
    save_every: int = Field(
        default=500,
        ge=1,
        description="Steps between two checkpoints; each epoch also ends with one.",
    )
    validate_every: int = Field(
        default=1, ge=1, description="Epochs between two validations on the val split."
    )
    validate_windows: int = Field(
        default=2, ge=1, description="Windows of each accepted pair of the val split."
    )
    tensorboard: bool = Field(
        default=True, description="Write event files, if tensorboard is installed."
    )

    def __post_init__(self) -> None:
        if self.init is not None and self.backbone_weights is not None:
            raise ValueError("init and backbone_weights are both given; the run starts from one")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must be two numbers from 0 to below 1, not {list(self.betas)}")

    @property
    def frozen(self) -> bool:
        """Whether the backbone's weights stay fixed."""
        if self.freeze_backbone is None:
            return self.backbone_weights is not None
        return self.freeze_backbone


@config_class
class EvaluateConfig:
    """How much of a split is evaluated."""

    split: str = Field(default="test", description="Split to evaluate on: train, val or test.")
    utterances: int = Field(
        default=100, ge=1, description="Maximum number of utterances, spread evenly over all."
    )
    per_pair: int = Field(default=3, ge=1, description="Windows of each accepted pair.")
    draws: int = Field(default=2, ge=1, description="How often places are drawn in each window.")
    untrained: int = Field(
        default=4, ge=1, description="How many untrained metrics to compare the trained one with."
    )
    batch: int = Field(default=4, ge=1, description="Windows per batch.")
    shifts: Floats = Field(
        default=(0.08, 0.2, 0.4, 0.6),
        description="Seconds by which the target is shifted; the verdict uses 0.4.",
    )
    crop: Crop = Field(default="face", description="Which crop to evaluate.")
    seed: int = Field(default=0, ge=0, description="Seed for places, noise and untrained weights.")
    threads: int | None = Field(default=None, ge=1, description=THREADS)

    def __post_init__(self) -> None:
        if not self.shifts or not all(0.01 <= shift <= 10 for shift in self.shifts):
            raise ValueError(
                "shifts must be one or more numbers of seconds, each from 0.01 to 10, "
                f"not {list(self.shifts)}"
            )


#: Keys that determine where and how fast a run computes and what it shows, not what it learns.
FREE_KEYS = frozenset(
    {"device", "threads", "tensorboard", "compile", "windows.workers", "save_every"}
)


def load_config(
    preset: str = "default", file: str | Path | None = None, settings: Sequence[str] = ()
) -> TrainConfig:
    """Build a training config.

    Args:
        preset: one of `PRESETS`.
        file: YAML that overrides the preset.
        settings: overrides of both, such as ``metric.tau=0.1``.

    Raises:
        ConfigError: a file cannot be read, a key is unknown, or a value invalid.
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown preset {preset!r}; choose from {', '.join(PRESETS)}")
    with resources.as_file(resources.files(__package__) / "presets" / f"{preset}.yaml") as path:
        values = read_yaml(path)
    if file is not None:
        values = merge(values, read_yaml(Path(file)))
    for setting in settings:
        values = merge(values, parse_setting(setting))
    return config_from(values)


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """Build a training config from plain values, as `as_values` returns. Raises ConfigError."""
    metric = values.get("metric")
    if isinstance(metric, Mapping):
        values = {**values, "metric": current_names(metric)}
    return build(TrainConfig, values)


def current_names(metric: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a metric's config under the names that they have now.

    Versions before 0.2 counted the frames from one frame of a window to the next, at 25 frames/s.
    """
    values = dict(metric)
    if isinstance(stride := values.pop("stride", None), int):
        values["interval"] = stride / 25
    return values


def as_values(config: Any) -> dict[str, Any]:
    """Return a config as plain values, for YAML, JSON and checkpoints."""
    return plain(config)


def as_yaml(config: TrainConfig) -> str:
    """Return a config as YAML that `load_config` reads."""
    import yaml

    text: str = yaml.safe_dump(plain(config), sort_keys=False)
    return text


def known_keys() -> Iterator[Key]:
    """List every key of a training config."""
    return keys_of(TrainConfig)


def differing(one: TrainConfig, other: TrainConfig) -> list[str]:
    """Return the dotted keys in which two configs differ, except `FREE_KEYS`."""
    return sorted(
        key.name
        for key in known_keys()
        if key.name not in FREE_KEYS and value_of(one, key.name) != value_of(other, key.name)
    )


def value_of(config: Any, key: str) -> Any:
    """Return the value of a dotted key."""
    for part in key.split("."):
        config = getattr(config, part)
    return config
