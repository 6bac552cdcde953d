"""Config classes: validation, plain values, settings and the click options made from them."""

import pickle
from dataclasses import asdict, replace
from typing import Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import Field
from stccl_cli.options import config_of, options_of

from stccl_data.options import (
    ConfigError,
    Floats,
    Words,
    build,
    config_class,
    keys_of,
    merge,
    parse_setting,
    plain,
    read_yaml,
)


@config_class
class Inner:
    rate: float = Field(default=0.5, ge=0, le=1, description="A rate.")


@config_class
class Outer:
    count: int = Field(default=3, ge=1, description="A count.")
    mode: Literal["fast", "slow"] = Field(default="fast", description="A mode.")
    names: Words | None = Field(default=None, description="Names.")
    weights: Floats = Field(default=(0.5,), description="Weights.")
    workers: int = Field(
        default=0, ge=0, description="Workers.", json_schema_extra={"zero": "auto"}
    )
    job: str | None = Field(default=None, json_schema_extra={"old_name": "shard"})
    inner: Inner = Inner()

    def __post_init__(self) -> None:
        if self.count == 13:
            raise ValueError("count must not be 13")


def test_a_config_is_an_ordinary_frozen_dataclass():
    config = replace(Outer(), count=4, names=["a"])
    assert config == Outer(count=4, names=("a",)) and hash(config)
    assert pickle.loads(pickle.dumps(config)) == config
    assert asdict(config)["inner"] == {"rate": 0.5}
    with pytest.raises(AttributeError):
        config.count = 5


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"count": 0}, "count"),
        ({"count": 2.5}, "count"),
        ({"count": True}, "count"),
        ({"count": 13}, "count"),
        ({"mode": "medium"}, "mode"),
        ({"names": 4}, "names"),
        ({"cuont": 4}, "count"),
        ({"inner": {"rate": 2}}, "inner.rate"),
        ({"inner": {"rate": float("nan")}}, "inner.rate"),
        ({"inner": {"rte": 1}}, "inner.rate"),
        ({"inner": 4}, "inner"),
        ([1], "config"),
    ],
)
def test_an_invalid_value_is_a_usage_error_that_names_the_key(values, key):
    with pytest.raises(ConfigError, match=key) as caught:
        build(Outer, values)
    assert caught.value.exit_code == 2


def test_every_invalid_value_is_named():
    with pytest.raises(ConfigError, match=r"count.*not 0.*mode.*not 'no'"):
        Outer(count=0, mode="no")


def test_a_config_survives_the_round_trip_through_plain_values():
    config = Outer(count=4, names=("a", "b"), weights=(1.0, 2.0), inner=Inner(rate=0.25))
    assert build(Outer, plain(config)) == config
    assert build(Outer, {"names": "a,b", "weights": "1,2"}).weights == (1.0, 2.0)


def test_settings_override_files_section_by_section(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("count: 5\ninner: {rate: 1e-1}\n")
    values = read_yaml(file)
    for setting in ("mode=slow", "inner.rate=2e-1"):
        values = merge(values, parse_setting(setting))
    assert build(Outer, values) == Outer(count=5, mode="slow", inner=Inner(rate=0.2))


def test_keys_are_listed_with_default_and_help():
    keys = {key.name: (key.default, key.help) for key in keys_of(Outer)}
    assert keys["count"] == (3, "A count.") and keys["inner.rate"] == (0.5, "A rate.")


def invoke(*words: str) -> tuple[Outer | None, str, int]:
    """The config that a command with the options of `Outer` builds, output and exit code."""
    configs = []

    @click.command
    @options_of(Outer)
    def command(**values):
        configs.append(config_of(Outer, values))

    result = CliRunner().invoke(command, words)
    return configs[0] if configs else None, result.output, result.exit_code


def test_click_options_build_the_config():
    words = [
        "--count",
        "4",
        "--mode",
        "slow",
        "--names",
        "a, b",
        "--rate",
        "1",
        "--workers",
        "auto",
    ]
    config = Outer(count=4, mode="slow", names=("a", "b"), inner=Inner(rate=1.0))
    assert invoke(*words)[0] == config
    assert invoke()[0] == Outer()


def test_click_options_check_bounds_and_choices():
    for words in (["--count", "0"], ["--rate", "2"], ["--mode", "medium"], ["--names", ","]):
        config, output, exit_code = invoke(*words)
        assert config is None and exit_code == 2 and words[0] in output


def test_an_earlier_option_name_works_and_is_hidden():
    config, _, _ = invoke("--shard", "1/2")
    assert config is not None and config.job == "1/2"
    _, output, _ = invoke("--help")
    assert "--job" in output and "--shard" not in output
