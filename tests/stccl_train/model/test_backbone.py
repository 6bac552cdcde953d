"""The backbones: state-dict names, feature shapes, padding, and loading published weights."""

from pathlib import Path

import pytest
import torch

from stccl_data.errors import UsageError
from stccl_train.model.backbone import BACKBONES, PADDINGS, IResNet, load_weights, make_backbone

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def insightface_names(blocks: tuple[int, ...]) -> set[str]:
    """List the state-dict names of insightface's iresnet (recognition/arcface_torch), by hand."""
    names = {"conv1.weight", "prelu.weight", *(f"bn1.{n}" for n in NORM)}
    for stage, count in enumerate(blocks, start=1):
        for block in range(count):
            inside = f"layer{stage}.{block}"
            names |= {f"{inside}.conv1.weight", f"{inside}.conv2.weight", f"{inside}.prelu.weight"}
            names |= {f"{inside}.{norm}.{n}" for norm in ("bn1", "bn2", "bn3") for n in NORM}
        names |= {
            f"layer{stage}.0.downsample.0.weight",
            *(f"layer{stage}.0.downsample.1.{n}" for n in NORM),
        }
    return names


def embedding() -> dict[str, torch.Tensor]:
    """Return small stand-ins for the embedding of a published file."""
    return {
        **{f"bn2.{n}": torch.zeros(1) for n in NORM},
        "fc.weight": torch.zeros(1),
        "fc.bias": torch.zeros(1),
        **{f"features.{n}": torch.zeros(1) for n in NORM},
    }


@pytest.mark.parametrize(
    ("name", "blocks"), [("iresnet50", (3, 4, 14, 3)), ("iresnet18", (2, 2, 2, 2))]
)
def test_state_dict_names_are_those_of_insightface(name: str, blocks: tuple[int, ...]) -> None:
    with torch.device("meta"):
        assert set(make_backbone(name).state_dict()) == insightface_names(blocks)


def test_a_published_file_loads_strictly_with_its_embedding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = make_backbone("iresnet18").state_dict() | embedding()
    torch.save(published, tmp_path / "r18.pth")
    torch.manual_seed(1)
    backbone = make_backbone("iresnet18")
    load_weights(backbone, tmp_path / "r18.pth")
    assert all(torch.equal(value, published[name]) for name, value in backbone.state_dict().items())
    make_backbone("iresnet18").load_state_dict(published, strict=True)


@pytest.mark.parametrize("file", ["more.pth", "less.pth", "list.pth", "text.pth", "absent.pth"])
def test_unusable_weights_are_an_error_that_names_the_file(tmp_path: Path, file: str) -> None:
    state = make_backbone("tiny").state_dict()
    torch.save(state | {"more": torch.zeros(1)}, tmp_path / "more.pth")
    torch.save(dict(list(state.items())[1:]), tmp_path / "less.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UsageError, match=file):
        load_weights(make_backbone("tiny"), tmp_path / file)


@pytest.mark.parametrize("name", BACKBONES)
def test_each_stage_halves_the_frame(name: str) -> None:
    with torch.device("meta"):
        backbone = make_backbone(name)
        features = backbone(torch.empty(2, 3, 224, 224))
    assert [tuple(f.shape) for f in features] == [
        (2, c, side, side) for c, side in zip(backbone.channels, (112, 56, 28, 14), strict=True)
    ]
    if isinstance(backbone, IResNet):
        assert backbone.channels == (64, 128, 256, 512)


@pytest.mark.parametrize(("name", "training"), [("tiny", True), ("iresnet18", False)])
def test_the_features_of_a_frame_depend_on_that_frame_alone(name: str, training: bool) -> None:
    torch.manual_seed(0)
    backbone = make_backbone(name).train(training)
    frames = torch.rand(3, 3, 48, 48)
    with torch.no_grad():
        before = backbone(frames)
        frames[1] = 0
        after = backbone(frames)
    for a, b in zip(before, after, strict=True):
        assert torch.allclose(a[[0, 2]], b[[0, 2]], atol=1e-5)
        assert not torch.allclose(a[1], b[1])


def test_fresh_weights_keep_the_scale_of_the_signal() -> None:
    torch.manual_seed(0)
    backbone = make_backbone("iresnet18")
    with torch.no_grad():
        features = backbone(torch.randn(2, 3, 64, 64))
    assert all(0.1 < f.std() < 30 for f in features)


def test_an_unknown_backbone_or_padding_is_named() -> None:
    with pytest.raises(UsageError, match="resnet50"):
        make_backbone("resnet50")
    with pytest.raises(UsageError, match="mirror"):
        make_backbone("tiny", "mirror")


@pytest.mark.parametrize("name", ["tiny", "iresnet18"])
def test_with_circular_padding_features_move_with_the_frame(name: str) -> None:
    """A shift by 16 pixels moves features by 8, 4, 2 and 1 places, across the edge, unchanged."""
    frames = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    same = {}
    for padding in PADDINGS:
        torch.manual_seed(0)
        backbone = make_backbone(name, padding).eval()
        with torch.no_grad():
            original, shifted = backbone(frames), backbone(frames.roll((16, 32), dims=(2, 3)))
        moved = [f.roll((8 >> layer, 16 >> layer), dims=(2, 3)) for layer, f in enumerate(original)]
        same[padding] = [
            torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(moved, shifted, strict=True)
        ]
    assert same == {"circular": [True] * 4, "zeros": [False] * 4}
