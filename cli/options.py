"""Click options made from the fields of a config class."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
from pydantic.fields import FieldInfo

from stccl_data.options import base_type, fields_of, is_section

F = TypeVar("F", bound=Callable[..., Any])
Config = TypeVar("Config")

_CLICK_TYPES = {int: (click.INT, click.IntRange), float: (click.FLOAT, click.FloatRange)}


def options_of(
    config: type[Any], unset: bool = False, only: Collection[str] = ()
) -> Callable[[F], F]:
    """Add an option for every field of a config class and of its sections; a decorator.

    Args:
        config: the config class. `PrepareConfig` explains the keys of ``json_schema_extra``.
        unset: whether an option that is not given is None instead of the field's default.
        only: the fields to use; by default all.
    """

    def decorate(function: F) -> F:
        for name, info in reversed(fields_of(config).items()):
            if only and name not in only:
                continue
            if is_section(info):
                function = options_of(info.annotation, unset)(function)  # type: ignore[arg-type]
            else:
                function = _option(name, info, unset)(function)
        return function

    return decorate


def config_of(config: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a config from the values that click parsed. Raises ConfigError."""
    chosen: dict[str, Any] = {}
    for name, info in fields_of(config).items():
        if is_section(info):
            chosen[name] = config_of(info.annotation, values)  # type: ignore[arg-type]
        elif values[name] is not None:
            chosen[name] = values[name]
    return config(**chosen)


def _option(name: str, info: FieldInfo, unset: bool) -> Callable[[F], F]:
    kind = base_type(info.annotation)
    extra: Any = info.json_schema_extra or {}
    settings: dict[str, Any] = {
        "default": None if unset else info.default,
        "help": info.description,
    }
    if kind is bool:
        settings |= {"is_flag": True}
    elif get_origin(kind) is Literal:
        settings |= {"type": click.Choice(get_args(kind))}
    elif get_origin(kind) is tuple:
        settings |= {"callback": _words, "default": None, "metavar": "A,B,..."}
        if "alone" in extra:
            settings |= {"is_flag": False, "flag_value": extra["alone"]}
    elif "path" in extra:
        file = click.Path(exists=True, dir_okay=False, path_type=Path)
        settings |= {"type": file, "callback": _text}
    elif kind in _CLICK_TYPES:
        settings |= {"type": _number(kind, info)}
        if "zero" in extra:
            settings |= {"type": _OrWord(settings["type"], extra["zero"]), "default": extra["zero"]}
    names = [f"--{word.replace('_', '-')}" for word in (name, extra.get("old_name")) if word]
    return click.option(*names, name, cls=_RenamedOption, **settings)


class _RenamedOption(click.Option):
    """An option whose help shows its first name only; the others are earlier names."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        if record is None:
            return None
        names, text = record
        for old in self.opts[1:]:
            names = names.replace(f", {old}", "")
        return names, text


def _number(kind: type[Any], info: FieldInfo) -> "click.ParamType[Any]":
    """The click type of a number, with the bounds of its field."""
    bounds = {
        bound: getattr(item, bound)
        for item in info.metadata
        for bound in ("ge", "gt", "le", "lt")
        if hasattr(item, bound)
    }
    unbounded, ranged = _CLICK_TYPES[kind]
    if not bounds:
        return unbounded  # type: ignore[return-value]
    return ranged(  # type: ignore[return-value]
        min=bounds.get("ge", bounds.get("gt")),
        max=bounds.get("le", bounds.get("lt")),
        min_open="gt" in bounds,
        max_open="lt" in bounds,
    )


class _OrWord(click.ParamType):  # type: ignore[type-arg]
    """A number, or the word that stands for 0."""

    def __init__(self, number: "click.ParamType[Any]", zero: str) -> None:
        self._number, self._zero = number, zero
        self.name = f"{zero}|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return 0 if value == self._zero else self._number.convert(value, param, ctx)


def _words(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    words = tuple(word.strip() for word in value.split(",") if word.strip())
    if not words:
        raise click.BadParameter("the list is empty", ctx, param)
    return words


def _text(ctx: click.Context, param: click.Parameter, value: Path | None) -> str | None:
    return None if value is None else str(value)
