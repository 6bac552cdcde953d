"""The backbones: what they are called inside, what they give, and what they refuse to load."""

from pathlib import Path

import pytest
import torch

from stccl_train.model.backbone import BACKBONES, PADDINGS, IResNet, load_weights, make_backbone

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def insightface_names(blocks: tuple[int, ...]) -> set[str]:
    """The state-dict names of insightface's iresnet (recognition/arcface_torch), written out from its source by hand."""
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
    """What a published file holds beside: small stand-ins, for nothing reads them."""
    return {
        **{f"bn2.{n}": torch.zeros(1) for n in NORM},
        "fc.weight": torch.zeros(1),
        "fc.bias": torch.zeros(1),
        **{f"features.{n}": torch.zeros(1) for n in NORM},
    }


@pytest.mark.parametrize(
    ("name", "blocks"), [("iresnet50", (3, 4, 14, 3)), ("iresnet18", (2, 2, 2, 2))]
)
def test_names_are_those_of_insightface(name: str, blocks: tuple[int, ...]) -> None:
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


def test_a_file_with_a_name_too_many_or_too_few_is_refused(tmp_path: Path) -> None:
    state = make_backbone("tiny").state_dict()
    torch.save(state | {"more": torch.zeros(1)}, tmp_path / "more.pth")
    torch.save(dict(list(state.items())[1:]), tmp_path / "less.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for file in ("more.pth", "less.pth", "list.pth", "text.pth", "absent.pth"):
        with pytest.raises(ValueError, match=file):
            load_weights(make_backbone("tiny"), tmp_path / file)


@pytest.mark.parametrize("name", BACKBONES)
def test_stages_halve_the_frame(name: str) -> None:
    with torch.device("meta"):
        backbone = make_backbone(name)
        features = backbone(torch.empty(2, 3, 224, 224))
    assert [tuple(f.shape) for f in features] == [
        (2, c, side, side) for c, side in zip(backbone.channels, (112, 56, 28, 14), strict=True)
    ]
    if isinstance(backbone, IResNet):
        assert backbone.channels == (64, 128, 256, 512)


def test_a_frame_does_not_change_another_ones_features() -> None:
    torch.manual_seed(0)
    for name in ("tiny", "iresnet18"):
        backbone = make_backbone(name)
        if name != "tiny":
            backbone.eval()
        frames = torch.rand(3, 3, 48, 48)
        with torch.no_grad():
            before = backbone(frames)
            frames[1] = 0
            after = backbone(frames)
        for a, b in zip(before, after, strict=True):
            assert torch.allclose(a[[0, 2]], b[[0, 2]], atol=1e-5)
            assert not torch.allclose(a[1], b[1])


def test_fresh_weights_keep_the_signal() -> None:
    torch.manual_seed(0)
    backbone = make_backbone("iresnet18")
    with torch.no_grad():
        features = backbone(torch.randn(2, 3, 64, 64))
    assert all(0.1 < f.std() < 30 for f in features)


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(ValueError, match="'resnet50' is not one of iresnet50"):
        make_backbone("resnet50")
    with pytest.raises(ValueError, match="'mirror' is not one of circular, zeros"):
        make_backbone("tiny", "mirror")


@pytest.mark.parametrize("name", ["tiny", "iresnet18"])
def test_without_a_border_no_place_differs_from_another(name: str) -> None:
    """What moves by sixteen pixels moves by 8, 4, 2 and 1 places in the four layers, round the edge, and is otherwise the same."""
    frames = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    same = {}
    for padding in PADDINGS:
        torch.manual_seed(0)
        backbone = make_backbone(name, padding).eval()
        with torch.no_grad():
            here, there = backbone(frames), backbone(frames.roll((16, 32), dims=(2, 3)))
        moved = [f.roll((8 >> layer, 16 >> layer), dims=(2, 3)) for layer, f in enumerate(here)]
        same[padding] = [
            torch.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in zip(moved, there, strict=True)
        ]
    assert same == {"circular": [True] * 4, "zeros": [False] * 4}
