"""Click options made from a dataclass of options: its field names, defaults and help texts, in its order."""

import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import click

F = TypeVar("F", bound=Callable[..., Any])


def options_of(config: type[Any], unset: bool = False) -> Callable[[F], F]:
    """Decorator: an option for every field of the dataclass `config`, and of the dataclasses that are its fields.

    unset: an option that is not given is None, whatever the field's default. A field's metadata: `help`; `choices`, the words that
    it takes; `path`, whether it names a file; `least` and `most`, between which a number lies; `zero`, the word that stands for 0;
    `alone`, what a list is where the option stands without a value.
    """
    hints = get_type_hints(config)

    def decorate(function: F) -> F:
        for one in reversed(fields(config)):
            kind = hints[one.name]
            inner = options_of(kind, unset) if is_dataclass(kind) else _option(one, kind, unset)  # type: ignore[arg-type]
            function = inner(function)
        return function

    return decorate


def config_of(config: type[Any], values: dict[str, Any]) -> Any:
    """The dataclass `config` from what click read. Raises UsageError for what it refuses."""
    hints = get_type_hints(config)
    chosen: dict[str, Any] = {}
    for one in fields(config):
        kind = hints[one.name]
        if is_dataclass(kind):
            chosen[one.name] = config_of(kind, values)  # type: ignore[arg-type]
        elif values[one.name] is not None:
            chosen[one.name] = values[one.name]
    try:
        return config(**chosen)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _option(one: "Field[Any]", hint: Any, unset: bool) -> Callable[[F], F]:
    flag = "--" + one.name.replace("_", "-")
    default = None if unset or one.default is MISSING else one.default
    kind = (
        next(k for k in get_args(hint) if k is not types.NoneType)
        if get_origin(hint) in (Union, types.UnionType)
        else hint
    )
    help_text = one.metadata.get("help", "")
    if kind is bool:
        return click.option(flag, is_flag=True, default=default, help=help_text)
    if choices := one.metadata.get("choices"):
        return click.option(flag, type=click.Choice(choices), default=default, help=help_text)
    if get_origin(kind) is tuple:
        alone = (
            {"is_flag": False, "flag_value": one.metadata["alone"]}
            if "alone" in one.metadata
            else {}
        )
        return click.option(
            flag, callback=_words, default=None, metavar="A,B,...", help=help_text, **alone
        )
    if one.metadata.get("path"):
        path = click.Path(exists=True, dir_okay=False, path_type=Path)
        return click.option(flag, type=path, callback=_text, default=default, help=help_text)
    if (least := one.metadata.get("least")) is not None:
        limits = click.IntRange if kind is int else click.FloatRange
        number = limits(least, one.metadata.get("most"))
        if (zero := one.metadata.get("zero")) is not None:
            return click.option(flag, type=_OrWord(number, zero), default=zero, help=help_text)
        return click.option(flag, type=number, default=default, help=help_text)
    return click.option(flag, type=kind, default=default, help=help_text)


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
        raise click.BadParameter("nothing is named", ctx, param)
    return words


def _text(ctx: click.Context, param: click.Parameter, value: Path | None) -> str | None:
    return None if value is None else str(value)
