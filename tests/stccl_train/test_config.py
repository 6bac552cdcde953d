"""The configuration of training: presets, files, settings, and what is said of a mistake."""

import pytest
import yaml

from stccl_train.config import (
    FREE_KEYS,
    PRESETS,
    ConfigError,
    TrainConfig,
    as_values,
    as_yaml,
    config_from,
    differing,
    known_keys,
    load_config,
)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_loads_and_survives_being_written(preset, tmp_path):
    config = load_config(preset)
    file = tmp_path / "config.yaml"
    file.write_text(as_yaml(config))
    assert load_config(file=file) == config == config_from(as_values(config))


def test_the_paper_preset_is_the_published_form():
    config = load_config("paper")
    assert (config.metric.frames, config.batch, config.epochs, config.metric.size) == (
        9,
        8,
        100,
        224,
    )
    assert (config.metric.backbone, config.metric.negatives, config.metric.tau) == (
        "iresnet50",
        "place",
        0.07,
    )


def test_settings_go_over_the_file_and_the_file_over_the_preset(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "epochs: 3\nmetric:\n  tau: 0.1\nwindows: {crop: both, gates: {min_face_rate: 0.5}}\n"
    )
    config = load_config(
        "tiny",
        file,
        ["epochs=4", "lr=1e-4", "windows.gates.max_local_slope=2", "metric.terms=[scc]"],
    )
    assert (config.epochs, config.lr, config.metric.tau, config.metric.backbone) == (
        4,
        1e-4,
        0.1,
        "tiny",
    )
    assert config.windows.crop == "both" and config.metric.terms == ("scc",)
    assert load_config(
        "tiny", settings=["metric.terms=scc,tcc", "windows.gates={min_face_rate: 1}"]
    ).windows.gates == {"min_face_rate": 1.0}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("tau=0.1", "there is no key 'tau'; did you mean metric.tau?"),
        ("metric.tua=0.1", "there is no key 'metric.tua'; did you mean metric.tau?"),
        ("epoch=3", "there is no key 'epoch'; did you mean epochs"),
        ("windows.wrokers=2", "did you mean windows.workers?"),
        ("qqq=1", "there is no key 'qqq'; `stccl train --keys` lists"),
        ("epochs", "'epochs' is no setting; write key=value"),
        ("epochs=2.5", "epochs is 2.5, where a whole number is wanted"),
        ("epochs=true", "epochs is True, where a whole number is wanted"),
        ("compile=1", "compile is 1, where true or false is wanted"),
        ("lr=fast", "lr is 'fast', where a number is wanted"),
        ("lr=0", "lr is 0.0; it has to be above 0"),
        ("precision=fp8", "precision is 'fp8', not one of auto, float32, bf16"),
        ("windows.crop=nose", "windows.crop is 'nose', not one of face, mouth, both"),
        ("metric.backbone=vgg", "metric: backbone is 'vgg', not one of"),
        ("metric.frames=2", "metric: tcc needs windows of 3 frames"),
        ("metric=4", "metric is 4, where `key: value` lines are wanted"),
        ("betas=[0.9]", "betas is [0.9]; AdamW takes two numbers"),
        ("windows.gates.max_cost=1", "windows: 'max_cost' is no gate"),
        ("windows.shuffle=0", "windows: shuffle is 0; it has to be 1 or more"),
        ("epochs=[", "epochs: '[' cannot be read"),
    ],
)
def test_a_mistake_is_named(setting, message):
    with pytest.raises(ConfigError) as caught:
        load_config("tiny", settings=[setting])
    assert message in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match="there is no preset 'huge'; there are paper, default, tiny"
    ):
        load_config("huge")
    for text in ("just words", "a: [", "- 1"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"bad\.yaml"):
            load_config(file=tmp_path / "bad.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_config("tiny", tmp_path / "empty.yaml") == load_config("tiny")


def test_a_backbone_with_weights_is_frozen_unless_it_is_said_otherwise():
    assert not TrainConfig().frozen and TrainConfig(backbone_weights="w.pt").frozen
    assert (
        not TrainConfig(backbone_weights="w.pt", freeze_backbone=False).frozen
        and TrainConfig(freeze_backbone=True).frozen
    )


def test_only_what_changes_the_outcome_makes_two_configs_differ():
    one = load_config("tiny")
    free = load_config(
        "tiny", settings=["device=cpu", "windows.workers=3", "tensorboard=true", "save_every=7"]
    )
    assert differing(one, free) == []
    assert differing(one, load_config("tiny", settings=["seed=1", "metric.tau=0.2"])) == [
        "metric.tau",
        "seed",
    ]


def test_every_key_has_a_word_of_help():
    keys = {name: text for name, _, text in known_keys()}
    assert all(keys.values()) and set(keys) >= FREE_KEYS
    for preset in PRESETS:
        assert yaml.safe_load(as_yaml(load_config(preset))).keys() >= {"metric", "windows", "lr"}
