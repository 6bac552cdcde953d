"""What a training run is asked to do: typed, from a preset, a YAML file and `key=value` settings, in that order.

A key that there is not, or a value of another kind, is an error that names the key, and the nearest that there is.
"""

import difflib
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import yaml

from stccl_data.errors import UsageError
from stccl_train.data.windows import WindowConfig
from stccl_train.model.metric import MetricConfig

PRESETS = ("paper", "default", "tiny")


class ConfigError(UsageError):
    """The configuration asks for something that there is not. The message names the key and says what there is."""


def _option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All options of `train`, with their defaults. `metric` and `windows` are sections of their own."""

    metric: MetricConfig = field(default_factory=MetricConfig)
    windows: WindowConfig = field(default_factory=WindowConfig)
    backbone_weights: str | None = _option(
        None, "published weights of the backbone: .safetensors, or a torch state dict"
    )
    freeze_backbone: bool | None = _option(
        None, "null: frozen where weights are given, trained where not"
    )
    epochs: int = _option(40, "times that windows.per_epoch windows are seen")
    batch: int = _option(8, "windows that each GPU takes at once")
    accumulate: int = _option(1, "batches whose gradients make one step")
    lr: float = _option(3e-4, "learning rate after the warm-up, from where it falls along a cosine")
    warmup: float = _option(1.0, "epochs in which the learning rate rises")
    last_lr: float = _option(0.01, "share of the learning rate that is left at the end")
    weight_decay: float = _option(0.05, "of matrices and kernels; biases and norms have none")
    betas: tuple[float, ...] = _option((0.9, 0.95), "of AdamW")
    clip: float = _option(1.0, "largest norm of the gradient")
    explode: float = _option(3.0, "stop where the loss is so many times that of the first step")
    seed: int = _option(0, "decides weights, windows and places")
    device: str = _option("auto", "auto, cpu, cuda, cuda:1, ...")
    precision: Literal["auto", "float32", "bf16"] = _option(
        "auto", "auto: bf16 on a GPU; similarities are float32 always"
    )
    compile: bool = _option(False, "compile the backbone: a slow start, faster steps")
    log_every: int = _option(20, "steps between two lines of metrics.jsonl")
    save_every: int = _option(
        500, "steps between two checkpoints; there is one after each epoch as well"
    )
    validate_every: int = _option(1, "epochs between two looks at the val split")
    validate_windows: int = _option(2, "windows of each accepted pair of the val split")
    tensorboard: bool = _option(True, "write event files, where tensorboard is installed")

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch",
            "accumulate",
            "log_every",
            "save_every",
            "validate_every",
            "validate_windows",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be 1 or more")
        for name in ("lr", "clip", "explode"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it has to be above 0")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it is 0 or more, and below 2^32")
        if self.warmup < 0 or self.weight_decay < 0 or not 0 <= self.last_lr <= 1:
            raise ValueError("warmup and weight_decay are at least 0, last_lr is a share, 0 to 1")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(
                f"betas is {list(self.betas)}; AdamW takes two numbers from 0 to below 1"
            )

    @property
    def frozen(self) -> bool:
        """Whether the backbone is left as it is."""
        return (
            self.backbone_weights is not None
            if self.freeze_backbone is None
            else self.freeze_backbone
        )


#: Where and how fast a run is computed, and what is shown of it; what it learns does not depend on these.
FREE_KEYS = frozenset({"device", "tensorboard", "compile", "windows.workers", "save_every"})


def load_config(
    preset: str = "default", file: str | Path | None = None, settings: Sequence[str] = ()
) -> TrainConfig:
    """The preset, changed by the YAML file, changed by settings such as `metric.tau=0.1`. Raises ConfigError."""
    values = _preset(preset)
    if file is not None:
        values = _merged(values, _read(Path(file)))
    for setting in settings:
        values = _merged(values, _setting(setting))
    return config_from(values)


def config_from(values: Mapping[str, Any]) -> TrainConfig:
    """The config from plain values, such as `as_values` gives. Raises ConfigError."""
    return cast(TrainConfig, _build(TrainConfig, values, ""))


def as_values(config: Any) -> dict[str, Any]:
    """The config as plain values, for YAML, JSON and checkpoints."""
    plain: dict[str, Any] = _plain(asdict(config))
    return plain


def as_yaml(config: TrainConfig) -> str:
    """The config as YAML that `load_config` reads."""
    text: str = yaml.safe_dump(as_values(config), sort_keys=False)
    return text


def differing(one: TrainConfig, other: TrainConfig) -> list[str]:
    """The dotted keys in which two configs differ, those that change nothing that is learned left out."""
    a, b = dict(_flat(as_values(one))), dict(_flat(as_values(other)))
    return sorted(key for key in {*a, *b} if a.get(key) != b.get(key) and key not in FREE_KEYS)


def _preset(name: str) -> dict[str, Any]:
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    text = resources.files(__package__).joinpath("presets", f"{name}.yaml").read_text()
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no `key: value` lines")
    return values


def _setting(text: str) -> dict[str, Any]:
    """`a.b=value` as {a: {b: value}}."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{text!r} is no setting; write key=value, such as metric.tau=0.1")
    try:
        found: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"{key}: {value!r} cannot be read: {error}") from None
    for part in reversed(key.strip().split(".")):
        found = {part: found}
    return cast(dict[str, Any], found)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(old)
    for key, value in new.items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict) and key in _SECTIONS
        out[key] = _merged(out[key], value) if nested else value
    return out


_SECTIONS = {one.name for one in fields(TrainConfig) if one.default is MISSING}


def _build(kind: type[Any], values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where or 'the config'} is {values!r}, where `key: value` lines are wanted"
        )
    hints = get_type_hints(kind)
    chosen = {}
    for key, value in values.items():
        dotted = f"{where}.{key}" if where else str(key)
        if key not in hints:
            raise ConfigError(f"there is no key {dotted!r}{_nearest(dotted)}")
        chosen[key] = _typed(hints[key], value, dotted)
    try:
        return kind(**chosen)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{where}: {error}" if where else str(error)) from None


def _typed(hint: Any, value: Any, key: str) -> Any:
    """`value` as the hint has it. Raises ConfigError."""
    if is_dataclass(hint):
        return _build(cast(type[Any], hint), value, key)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and types.NoneType in args:
            return None
        return _typed(next(kind for kind in args if kind is not types.NoneType), value, key)
    if origin is Literal:
        if value in args:
            return value
        raise ConfigError(f"{key} is {value!r}, not one of {', '.join(map(str, args))}")
    if origin is tuple:
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if isinstance(items, Sequence):
            return tuple(_typed(args[0], item, key) for item in items)
    elif origin is dict:
        if isinstance(value, Mapping):
            return {
                str(name): _typed(args[1], item, f"{key}.{name}") for name, item in value.items()
            }
    elif hint is bool or hint is str:
        if isinstance(value, hint):
            return value
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif hint is float:
        try:  # YAML takes 1e-4 for a word
            if not isinstance(value, bool) and math.isfinite(float(value)):
                return float(value)
        except (TypeError, ValueError):
            pass
    raise ConfigError(f"{key} is {value!r}, where {_kind(hint)} is wanted")


def _kind(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return "a list"
    if get_origin(hint) is dict:
        return "a list of `name: number`"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}.get(
        hint, str(hint)
    )


def known_keys(kind: type[Any] = TrainConfig, where: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every key, dotted, with its default and help text."""
    hints = get_type_hints(kind)
    for one in fields(kind):
        dotted = f"{where}.{one.name}" if where else one.name
        if is_dataclass(hints[one.name]):
            yield from known_keys(cast(type[Any], hints[one.name]), dotted)
        else:
            yield dotted, one.default, one.metadata.get("help", "")


def _nearest(key: str) -> str:
    """What may have been meant: by the whole name, or by its last part in any section."""
    names = [name for name, _, _ in known_keys()]
    last = {name.rpartition(".")[2]: name for name in reversed(names)}
    near = [
        last[word]
        for word in difflib.get_close_matches(key.rpartition(".")[2], last, n=2, cutoff=0.7)
    ]
    near = near or difflib.get_close_matches(key, names, n=1)
    return (
        f"; did you mean {' or '.join(near)}?"
        if near
        else "; `stccl train --keys` lists those that there are"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _flat(values: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if key in _SECTIONS and not where:
            yield from _flat(value, f"{key}.")
        else:
            yield where + key, value
