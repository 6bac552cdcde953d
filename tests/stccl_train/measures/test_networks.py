"""The published networks: size, names and shapes as in their files, and how these are loaded."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from stccl_data.errors import UsageError
from stccl_train.measures.networks.arcface import ArcFace
from stccl_train.measures.networks.efficient_face import EfficientFace
from stccl_train.measures.networks.resnet_face import ResNetFace
from stccl_train.measures.networks.syncnet import SyncNet
from stccl_train.measures.networks.weight_files import (
    SYNCNET,
    WEIGHT_FILES,
    load_published,
    weights_folder,
)


@pytest.mark.parametrize(
    ("make", "parameters", "shapes"),
    [
        (
            SyncNet,
            13_631_616,
            {
                "netcnnaud.0.weight": (64, 1, 3, 3),
                "netcnnaud.18.weight": (512, 256, 5, 4),
                "netcnnaud.19.running_var": (512,),
                "netfcaud.0.weight": (512, 512),
                "netfclip.3.weight": (1024, 512),
                "netcnnlip.0.weight": (96, 3, 5, 7, 7),
                "netcnnlip.4.bias": (256,),
                "netcnnlip.18.weight": (512, 256, 1, 6, 6),
            },
        ),
        (
            ArcFace,
            43_590_848,
            {
                "conv1.weight": (64, 3, 3, 3),
                "prelu.weight": (64,),
                "layer1.0.downsample.0.weight": (64, 64, 1, 1),
                "layer3.13.bn3.running_mean": (256,),
                "bn2.weight": (512,),
                "fc.weight": (512, 25088),
                "features.running_mean": (512,),
            },
        ),
        (
            ResNetFace,
            25_627_081,
            {
                "conv1.weight": (64, 1, 3, 3),
                "layer1.0.bn0.weight": (64,),
                "layer1.0.prelu.weight": (1,),
                "layer2.0.conv1.weight": (64, 64, 3, 3),
                "layer2.0.downsample.0.weight": (128, 64, 1, 1),
                "bn4.weight": (512,),
                "fc5.weight": (512, 32768),
                "bn5.bias": (512,),
            },
        ),
        (
            EfficientFace,
            1_275_293,
            {
                "conv1.0.weight": (29, 3, 3, 3),
                "stage2.0.branch1.0.weight": (29, 1, 3, 3),
                "stage3.7.branch2.5.weight": (116, 116, 1, 1),
                "local.conv4_1.weight": (116, 1, 3, 3),
                "modulator.channel_att.gate_c.gate_c_fc_final.weight": (116, 7),
                "modulator.spatial_att.gate_s.gate_s_conv_di_1.weight": (7, 7, 3, 3),
                "conv5.1.running_var": (1024,),
                "fc.weight": (7, 1024),
            },
        ),
    ],
)
def test_names_and_sizes_are_those_of_the_published_file(
    make: Callable[[], nn.Module], parameters: int, shapes: dict[str, tuple[int, ...]]
) -> None:
    network = make()
    assert sum(value.numel() for value in network.parameters()) == parameters
    state = network.state_dict()
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


@pytest.mark.parametrize(
    ("embed", "given", "returned"),
    [
        (lambda x: SyncNet().eval().embed_mouth(x), (1, 3, 5, 224, 224), (1, 1024)),
        (lambda x: SyncNet().eval().embed_sound(x), (2, 1, 13, 20), (2, 1024)),
        (lambda x: ArcFace().eval().embed(x), (1, 3, 112, 112), (1, 512)),
        (ResNetFace().eval(), (2, 1, 128, 128), (2, 512)),
        (EfficientFace().eval(), (2, 3, 224, 224), (2, 1024)),
    ],
)
def test_the_output_has_the_published_shape(
    embed: Callable[[Tensor], Tensor], given: tuple[int, ...], returned: tuple[int, ...]
) -> None:
    with torch.no_grad():
        assert tuple(embed(torch.zeros(given)).shape) == returned


def test_checkpoints_of_several_gpus_are_unwrapped(tmp_path: Path) -> None:
    saved, loaded = EfficientFace(), EfficientFace()
    state = {f"module.{name}": value for name, value in saved.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "weights.pth.tar")
    load_published(loaded, tmp_path / "weights.pth.tar")
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    pairs = zip(saved.state_dict().values(), loaded.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / SYNCNET.name)
    with pytest.raises(UsageError, match=r"syncnet_v2\.model: not the weights of SyncNet"):
        load_published(SyncNet(), tmp_path / SYNCNET.name)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"weight": Trap()}))
    with pytest.raises(UsageError, match="without executing"):
        load_published(EfficientFace(), tmp_path / "evil.pth")
    assert not (tmp_path / "sprung").exists()


def test_a_missing_file_says_where_it_goes_and_what_it_enables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STCCL_WEIGHTS", str(tmp_path))
    assert weights_folder() == tmp_path
    for file in WEIGHT_FILES:
        assert file.find() is None
        assert all(text in file.missing() for text in (file.name, str(tmp_path), file.enables))
    (tmp_path / SYNCNET.name).touch()
    assert SYNCNET.find() == tmp_path / SYNCNET.name
