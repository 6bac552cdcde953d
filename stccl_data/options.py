"""Validated configs, built from keyword arguments, YAML, JSON and ``key=value`` settings.

A config is a frozen dataclass made with `config_class`. Its fields carry type, bounds, choices and
help text (`pydantic.Field`), from which come the checks, the command line options and the list of
keys. Whatever is wrong raises `ConfigError`, which names the dotted key.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, dataclass_transform, get_args, get_origin

import pydantic.dataclasses
from pydantic import BeforeValidator, ConfigDict, Field, Strict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from stccl_data.errors import UsageError

Config = TypeVar("Config")

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class ConfigError(UsageError):
    """A config has an unknown key or an invalid value. The message names the dotted key."""


def _as_tuple(value: Any) -> Any:
    """Convert a list or a comma-separated string into a tuple; leave the rest to validation."""
    if isinstance(value, str):
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return tuple(value) if isinstance(value, list) else value


#: Lists, also written as one comma-separated string.
Words = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
Integers = Annotated[tuple[Annotated[int, Strict(False)], ...], BeforeValidator(_as_tuple)]
Floats = Annotated[tuple[Annotated[float, Strict(False)], ...], BeforeValidator(_as_tuple)]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def config_class(cls: type[Config]) -> type[Config]:
    """Make a class a frozen dataclass that validates its values; a decorator.

    A pydantic dataclass is a standard dataclass too: `asdict`, `replace` and `fields` work. Checks
    that involve several fields go into ``__post_init__`` and raise ValueError.

    Raises:
        ConfigError: on construction, if a value is invalid or a key unknown.
    """
    built: Any = pydantic.dataclasses.dataclass(cls, frozen=True, kw_only=True, config=_STRICT)
    validate = built.__init__

    @wraps(validate)
    def init(self: Any, **values: Any) -> None:
        try:
            validate(self, **values)
        except ValidationError as error:
            raise ConfigError(_message(built, error)) from None

    built.__init__ = init
    return built  # type: ignore[no-any-return]


def build(cls: type[Config], values: Any) -> Config:
    """Build a config from nested plain values, as YAML and JSON hold them.

    Raises:
        ConfigError: a value is invalid or a key unknown.
    """
    try:
        # JSON mode is strict about numbers and takes a list for a tuple and a mapping for a
        # section.
        return TypeAdapter(cls).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ConfigError(_message(cls, error)) from None


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay nested values over others; sections are merged key by key."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if nested else value  # type: ignore[arg-type]
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """Read nested values from a YAML file; an empty file gives none.

    Raises:
        ConfigError: the file cannot be read, is invalid YAML, or holds no mapping.
    """
    try:
        values = _parse_yaml(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from None
    if not isinstance(values, dict | None):
        raise ConfigError(f"{path}: expected `key: value` lines")
    return values or {}


def parse_setting(text: str) -> dict[str, Any]:
    """Parse a setting such as ``metric.tau=0.1`` into ``{"metric": {"tau": 0.1}}``.

    Raises:
        ConfigError: there is no ``=``, or the value is invalid YAML.
    """
    key, equals, word = text.partition("=")
    if not equals:
        raise ConfigError(f"invalid setting {text!r}; write key=value, such as metric.tau=0.1")
    try:
        value = _parse_yaml(word)
    except ValueError as error:
        raise ConfigError(f"{key}: cannot parse {word!r}: {error}") from None
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def _parse_yaml(text: str) -> Any:
    """Parse YAML, in which ``1e-4`` is a number as in YAML 1.2. Raises ValueError."""
    import yaml  # comes with the extra [train]

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    number = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+0123456789"))
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def plain(config: Any) -> dict[str, Any]:
    """Return a config as nested plain values (lists for tuples), for YAML, JSON and checkpoints."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return values


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a config."""

    #: dotted, such as ``metric.tau``
    name: str
    default: Any
    help: str


def keys_of(cls: type[Any], section: str = "") -> Iterator[Key]:
    """List every key of a config class and of its sections."""
    for name, info in fields_of(cls).items():
        if is_section(info):
            yield from keys_of(info.annotation, f"{section}{name}.")  # type: ignore[arg-type]
        else:
            yield Key(section + name, info.default, info.description or "")


def fields_of(cls: type[Any]) -> dict[str, FieldInfo]:
    """Return the fields of a config class by name, with type, bounds, default and help text."""
    fields: dict[str, FieldInfo] = cls.__pydantic_fields__
    return fields


def is_section(info: FieldInfo) -> bool:
    """Whether a field is itself a config."""
    return isinstance(info.annotation, type) and is_dataclass(info.annotation)


def base_type(hint: Any) -> Any:
    """Strip ``| None`` and ``Annotated`` from a type: ``Annotated[int, ...] | None`` is ``int``."""
    if get_origin(hint) is Annotated:
        return base_type(get_args(hint)[0])
    members = get_args(hint)
    if type(None) in members:
        return base_type(next(member for member in members if member is not type(None)))
    return hint


def _message(cls: type[Any], error: ValidationError) -> str:
    return "; ".join(_sentence(cls, detail) for detail in error.errors(include_url=False))


def _sentence(cls: type[Any], detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "unexpected_keyword_argument":
        return f"unknown key {key}{_nearest(cls, key)}"
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        return f"{key}: {message}" if key else message
    if detail["type"] == "dataclass_type":
        return f"{key or 'the config'} must hold `key: value` lines, not {detail['input']!r}"
    message = detail["msg"].replace("Input should be", f"{key} must be")
    message = message.replace("greater than or equal to", "at least")
    message = message.replace("less than or equal to", "at most")
    if message == detail["msg"]:
        return f"{key}: {message}"
    return f"{message}, not {detail['input']!r}"


def _nearest(cls: type[Any], key: str) -> str:
    """Suggest the keys that resemble `key`, or list the keys of its section.

    Last parts are compared before whole names.
    """
    names = [known.name for known in keys_of(cls)]
    by_last = {name.rpartition(".")[2]: name for name in reversed(names)}
    section, _, last = key.rpartition(".")
    near = [by_last[word] for word in difflib.get_close_matches(last, by_last, n=2, cutoff=0.7)]
    near = near or difflib.get_close_matches(key, names, n=1)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return (
        f"; choose from {', '.join(name for name in names if name.rpartition('.')[0] == section)}"
    )
