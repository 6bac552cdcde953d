"""The training configuration: presets, files, settings, and the errors of each."""

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
def test_a_preset_survives_the_round_trip_through_yaml(preset, tmp_path):
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


def test_settings_override_the_file_and_the_file_overrides_the_preset(tmp_path):
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


def test_settings_of_one_section_add_up():
    settings = ["windows.gates.min_face_rate=1", "windows.gates.max_local_slope=2"]
    gates = load_config("tiny", settings=settings).windows.gates
    assert gates == {"min_face_rate": 1.0, "max_local_slope": 2.0}


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("epochs", "epochs"),
        ("epochs=2.5", "epochs"),
        ("epochs=true", "epochs"),
        ("epochs=[", "epochs"),
        ("compile=1", "compile"),
        ("lr=fast", "lr"),
        ("lr=0", "lr"),
        ("lr=.nan", "lr"),
        ("seed=-1", "seed"),
        ("precision=fp8", "precision"),
        ("betas=[0.9]", "betas"),
        ("windows.crop=nose", "windows.crop"),
        ("windows.flip=2", "windows.flip"),
        ("windows.shuffle=0", "windows.shuffle"),
        ("windows.gates.max_cost=1", "max_cost"),
        ("metric.backbone=vgg", "metric.backbone"),
        ("metric.frames=2", "metric"),
        ("metric=4", "metric"),
        ("qqq=1", "qqq"),
    ],
)
def test_an_invalid_setting_is_a_usage_error_that_names_the_key(setting, key):
    with pytest.raises(ConfigError, match=key) as caught:
        load_config("tiny", settings=[setting])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ("tau=0.1", "metric.tau"),
        ("metric.tua=0.1", "metric.tau"),
        ("epoch=3", "epochs"),
        ("windows.wrokers=2", "windows.workers"),
    ],
)
def test_an_unknown_key_suggests_the_nearest_one(setting, nearest):
    with pytest.raises(ConfigError, match=f"did you mean .*{nearest}"):
        load_config("tiny", settings=[setting])


def test_an_unknown_preset_lists_the_presets():
    with pytest.raises(ConfigError, match="paper, default, tiny"):
        load_config("huge")


@pytest.mark.parametrize("text", ["just words", "a: [", "- 1", "\xff"])
def test_an_invalid_config_file_is_named(tmp_path, text):
    (tmp_path / "bad.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(file=tmp_path / "bad.yaml")


def test_an_empty_config_file_changes_nothing(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_config("tiny", tmp_path / "empty.yaml") == load_config("tiny")


def test_a_backbone_with_weights_is_frozen_by_default():
    assert not TrainConfig().frozen
    assert TrainConfig(backbone_weights="w.pt").frozen
    assert not TrainConfig(backbone_weights="w.pt", freeze_backbone=False).frozen
    assert TrainConfig(freeze_backbone=True).frozen


def test_configs_that_learn_the_same_do_not_differ():
    one = load_config("tiny")
    free = load_config(
        "tiny", settings=["device=cpu", "windows.workers=3", "tensorboard=true", "save_every=7"]
    )
    assert differing(one, free) == []
    assert differing(one, load_config("tiny", settings=["seed=1", "metric.tau=0.2"])) == [
        "metric.tau",
        "seed",
    ]


def test_every_key_has_help():
    keys = {key.name: key.help for key in known_keys()}
    assert all(keys.values()) and set(keys) >= FREE_KEYS
    for preset in PRESETS:
        assert yaml.safe_load(as_yaml(load_config(preset))).keys() >= {"metric", "windows", "lr"}
