"""The metric as a whole: independence, noise, gradients, saving, and its configuration."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch

from stccl_train.model.backbone import make_backbone
from stccl_train.model.contrast import retrieval
from stccl_train.model.metric import (
    CENTRES,
    LOCATIONS,
    CorrelationMetric,
    MetricConfig,
    MetricError,
    MetricOutput,
    as_input,
    build_tokens,
    load_metric,
    region_boxes,
    save_metric,
    within,
)
from stccl_train.model.tokens import draw_places

SMALL = MetricConfig(backbone="tiny", variant="both", negatives="place+time", frames=4, size=64)


def make(seed: int = 0, **changes: object) -> CorrelationMetric:
    torch.manual_seed(seed)
    return CorrelationMetric(dataclasses.replace(SMALL, **changes), freeze_backbone=False)  # type: ignore[arg-type]


def windows(
    seed: int = 0, b: int = 3, t: int = 4, size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    source = torch.rand(b, t, 3, size, size, generator=generator) * 2 - 1
    return source, (source + 0.3 * torch.randn(source.shape, generator=generator)).clamp(-1, 1)


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(n) for n in numbers]


@pytest.mark.parametrize("adaptive", [True, False])
def test_changing_a_window_changes_its_own_term_only(adaptive: bool) -> None:
    metric, (source, target) = make(adaptive=adaptive), windows()
    metric(source, target, seeds(1, 2, 3))  # so that the running scale is known
    for _ in range(2):
        metric.eval()
        before = metric(source, target, seeds(1, 2, 3)).windows
        changed = target.clone()
        changed[1] = torch.rand(target[1].shape) * 2 - 1
        after = metric(source, changed, seeds(1, 2, 3)).windows
        assert torch.allclose(before[[0, 2]], after[[0, 2]], rtol=1e-5)
        assert abs(before[1] - after[1]) > 1e-3


def test_a_window_says_the_same_alone_as_in_a_batch() -> None:
    metric, (source, target) = make().eval(), windows()
    together = metric(source, target, seeds(1, 2, 3))
    alone = metric(source[1:2], target[1:2], seeds(2))
    assert torch.allclose(together.windows[1], alone.windows[0], rtol=1e-5)
    assert torch.allclose(together.loss, together.windows.mean())


def train_a_little(metric: CorrelationMetric) -> CorrelationMetric:
    """On windows with a real correspondence, until partners are found."""
    optimiser = torch.optim.Adam(metric.parameters(), lr=3e-3)
    for step in range(12):
        output = metric(*windows(step, b=2, size=48))
        optimiser.zero_grad()
        output.loss.backward()
        optimiser.step()
    assert output.statistics["scc_vd.recall"] > 0.1
    return metric


@pytest.mark.parametrize("trained", [False, True])
def test_noise_is_found_as_often_as_chance(trained: bool) -> None:
    """No head may tell slots apart: R@1 lies within its interval of chance on Gaussian noise, heads untrained or trained."""
    metric = make(size=48)
    if trained:
        train_a_little(metric)
    metric.eval()
    generator = torch.Generator().manual_seed(0)
    for kind in metric.kinds:
        for layer, channels in enumerate(metric.backbone.channels):
            a, s, d = {
                "scc_vd": (4, 32, channels),
                "scc_md": (4, 32, channels),
                "scc_cm": (4, 16, 36),
                "tcc_vd": (6, 16, channels),
                "tcc_cm": (1, 16, 6),
            }[kind]
            with torch.no_grad():
                z, k = (
                    metric.embed(kind, layer, torch.randn(60, a, s, d, generator=generator))
                    for _ in range(2)
                )
                found = retrieval(metric.compare(kind, z, k, 4))
            each = found.recall.mean(dim=(1, 2))
            chance = float((1 / found.candidates).mean())
            assert abs(each.mean() - chance) < 4 * each.std() / 60**0.5, (
                kind,
                layer,
                float(each.mean()),
                chance,
            )


def test_noise_is_found_no_more_often_at_its_own_place_than_at_another() -> None:
    """The same through the whole metric: neither padding nor places may give a partner away."""
    metric = train_a_little(make(size=48)).eval()
    less: dict[str, list[float]] = {}
    for step in range(8):
        noise = torch.randn(
            2, 4, 4, 3, 48, 48, generator=torch.Generator().manual_seed(1000 + step)
        )
        with torch.no_grad():
            for kind, layer, x, y in metric.tokens(metric.features(*noise)):
                z, k = metric.embed(kind, layer, x.values), metric.embed(kind, layer, y.values)
                neighbours = 8 if kind in ("scc_vd", "scc_md") else 1
                own, wrong = (
                    retrieval(metric.compare(kind, z, other, 4)).recall.mean()
                    for other in (k, k.roll(neighbours, 2))
                )
                less.setdefault(f"{kind}.{layer + 1}", []).append(float(own - wrong))
    for name, values in less.items():
        mean = sum(values) / len(values)
        error = (sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values)) ** 0.5
        assert abs(mean) < max(4 * error, 0.01), (name, mean, error)


def test_heads_are_not_told_which_slot_a_token_sits_in() -> None:
    metric = make()
    tokens = torch.randn(1, 4, 12, metric.backbone.channels[0])
    order = torch.randperm(12)
    assert torch.allclose(
        metric.embed("scc_vd", 0, tokens)[:, :, order],
        metric.embed("scc_vd", 0, tokens[:, :, order]),
        atol=1e-6,
    )


def test_gradients_are_finite_on_black_and_still_frames() -> None:
    metric = make()
    for value in (0.0, -1.0):
        still = torch.full((2, 4, 3, 64, 64), value)
        output = metric(still, still)
        metric.zero_grad()
        output.loss.backward()
        assert output.loss.isfinite()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in metric.parameters())


def test_every_parameter_learns() -> None:
    metric, (source, target) = make(), windows()
    metric(source, target).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in metric.parameters())


def test_a_frozen_backbone_stays_in_eval_mode_and_gets_no_gradient() -> None:
    torch.manual_seed(0)
    metric = CorrelationMetric(
        dataclasses.replace(SMALL, backbone="iresnet18", variant="vd", size=48),
        freeze_backbone=True,
    )
    before = {name: value.clone() for name, value in metric.backbone.state_dict().items()}
    metric.train()
    assert metric.training and not metric.backbone.training
    source, target = windows(b=1, size=48)
    metric(source, target).loss.backward()
    assert all(p.grad is None for p in metric.backbone.parameters())
    assert all(p.grad is not None for p in metric.heads.parameters())
    assert all(
        torch.equal(value, before[name]) for name, value in metric.backbone.state_dict().items()
    )


def test_the_loss_is_the_mean_over_layers_with_eta() -> None:
    metric, (source, target) = make(eta=0.5), windows()
    output = metric(source, target)
    s = output.statistics
    spatial = (s["scc_vd.loss"] + s["scc_cm.loss"] + s["scc_md.loss"]) / 3
    temporal = (s["tcc_vd.loss"] + s["tcc_cm.loss"]) / 2
    assert torch.allclose(output.loss, spatial + 0.5 * temporal)
    assert all(not value.requires_grad for value in s.values())


def test_tokens_are_as_many_as_the_paper_says() -> None:
    metric, (source, target) = make(size=224), windows(b=1, size=224)
    for kind, layer, x, _ in metric.tokens(metric.features(source, target)):
        expected = {
            "scc_vd": (1, 4, 8 * CENTRES[layer]),
            "scc_md": (1, 4, 8 * CENTRES[layer]),
            "scc_cm": (1, 4, CENTRES[layer]),
            "tcc_vd": (1, 6, LOCATIONS[layer]),
            "tcc_cm": (1, 1, LOCATIONS[layer]),
        }[kind]
        assert tuple(x.values.shape[:3]) == tuple(x.disparity.shape) == expected


def test_source_and_target_are_read_at_the_same_places() -> None:
    metric, (source, _) = make(), windows()
    for _, _, x, y in metric.tokens(metric.features(source, source)):
        assert torch.equal(x.values, y.values)


def test_neighbours_of_the_smallest_map_are_its_own() -> None:
    """At 48 pixels the last layer is 3 x 3: one place, and a mark in it is seen by its own eight tokens alone."""
    features = torch.zeros(1, 1, 2, 3, 3)
    features[0, 0, :, 1, 1] = 1
    tokens = build_tokens("scc_vd", features, draw_places(1, 4, 3, 3))
    assert tokens.values.shape == (1, 1, 8, 2) and (tokens.values == 1).all()


def test_one_frame_gives_the_spatial_term_alone() -> None:
    metric, (source, target) = make(), windows(t=1)
    output = metric(source, target)
    assert output.loss.isfinite() and output.loss > 0
    assert not any(name.startswith("tcc") for name in output.statistics)


def test_bytes_and_floats_are_the_same_frames() -> None:
    pixels = torch.randint(0, 256, (2, 4, 3, 64, 64), dtype=torch.uint8)
    metric = make().eval()
    a = metric(pixels, pixels, seeds(1, 2)).loss
    b = metric(pixels / 127.5 - 1, pixels / 127.5 - 1, seeds(1, 2)).loss
    assert torch.allclose(a, b)
    assert as_input(pixels, 32).shape == (8, 3, 32, 32)


def test_the_running_scale_follows_training_and_rests_in_eval() -> None:
    metric, (source, target) = make(), windows()
    assert metric.scale.isinf().all()
    metric.eval()(source, target)
    assert metric.scale.isinf().all()
    metric.train()(source, target)
    first = metric.scale.clone()
    assert first.isfinite().all() and (first > 0).all()
    metric.eval()(target, source)
    assert torch.equal(metric.scale, first)
    other = make()
    other.load_state_dict(metric.state_dict())
    other.scale.fill_(torch.inf)
    generator = torch.Generator().manual_seed(0)
    other(source * 0.1, source * 0.1, generator)
    metric.train()(source * 0.1, source * 0.1, generator.manual_seed(0))
    assert torch.allclose(metric.scale, 0.99 * first + 0.01 * other.scale)


def test_a_saved_metric_gives_the_same_loss(tmp_path: Path) -> None:
    metric, (source, target) = make(adaptive=True), windows()
    metric(source, target)
    metric.eval()
    save_metric(tmp_path / "run", metric, {"data": "here"})
    again = load_metric(tmp_path / "run")
    assert not again.training and again.config == metric.config
    assert torch.equal(
        metric(source, target, seeds(1, 2, 3)).loss, again(source, target, seeds(1, 2, 3)).loss
    )
    record = json.loads((tmp_path / "run" / "metric.json").read_text())
    assert record["config"]["backbone"] == "tiny" and record["card"] == {"data": "here"}
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "metric.json",
        "metric.safetensors",
    ]


def test_a_folder_without_a_metric_is_named(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match=r"metric\.json is missing; run `stccl train`"):
        load_metric(tmp_path)
    save_metric(tmp_path, make())
    card = json.loads((tmp_path / "metric.json").read_text())
    for change in (
        {"version": 99},
        {"config": card["config"] | {"colour": 1}},
        {"config": card["config"] | {"frames": 5}},
    ):
        (tmp_path / "metric.json").write_text(json.dumps(card | change))
        with pytest.raises(MetricError, match=str(tmp_path)):
            load_metric(tmp_path)
    (tmp_path / "metric.json").write_text(json.dumps(card))
    broken = make()
    broken.heads["scc_vd"][0].outer.bias.data[3] = math.nan  # type: ignore[index, union-attr]
    save_metric(tmp_path / "broken", broken)
    with pytest.raises(
        MetricError,
        match=r"metric\.safetensors is damaged: heads\.scc_vd\.0\.outer\.bias is not finite",
    ):
        load_metric(tmp_path / "broken")
    (tmp_path / "broken" / "metric.safetensors").unlink()
    with pytest.raises(MetricError, match=r"metric\.safetensors is missing"):
        load_metric(tmp_path / "broken")
    (tmp_path / "metric.safetensors").write_bytes(b"cut")
    with pytest.raises(MetricError, match="does not hold a metric"):
        load_metric(tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"terms": ("scc", "spatial")}, "names scc, tcc or both"),
        ({"backbone": "vgg"}, "not one of iresnet50"),
        ({"variant": "vm"}, "not one of vd, cm, both"),
        ({"negatives": "time"}, "not one of place, place"),
        ({"frames": 2}, "3 frames or more"),
        ({"size": 32}, "below 48 pixels"),
        ({"mouth": 1.5}, "it is a share"),
        ({"tau": 0.0}, "tau is above 0"),
        ({"stride": 0}, "at least 1"),
        ({"tau": math.nan}, "tau is above 0"),
        ({"lam": -3.0}, "lam is above 0"),
        ({"theta": 5.0}, "theta a sigmoid's value"),
    ],
)
def test_values_that_make_no_metric_get_a_sentence(
    changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]


def mouth_points(b: int = 3, t: int = 4) -> torch.Tensor:
    """Lips within x 24..40, y 40..52 of 64 pixels, eyes at y 16..24, the rest anywhere."""
    points = torch.rand(b, t, 68, 2) * 64
    for start, stop, low, high in (
        (48, 68, (24.0, 40.0), (40.0, 52.0)),
        (36, 48, (12.0, 52.0), (16.0, 24.0)),
    ):
        n = stop - start
        points[:, :, start:stop, 0] = torch.linspace(*low, n)
        points[:, :, start:stop, 1] = torch.linspace(*high, n)
    points[:, :, 17:27] = torch.tensor([32.0, 14.0])
    return points


def test_a_mouth_is_where_it_is_in_frames_that_are_no_squares() -> None:
    metric, points = make(mouth=0.5), mouth_points()
    square, wide = (
        metric.mouth_box(points, (64, 64)),
        metric.mouth_box(points * torch.tensor([2.0, 1.0]), (128, 64)),
    )
    assert square is not None and wide is not None and torch.allclose(square, wide)


def _places_within(box: torch.Tensor) -> list[list[int]]:
    """Of an 8 x 8 map of a 64 pixel frame."""
    x0, y0, x1, y1 = box.tolist()
    return [
        [y, x]
        for y in range(8)
        for x in range(8)
        if x0 <= 8 * x + 0.5 <= x1 and y0 <= 8 * y + 0.5 <= y1
    ]


def test_regions_are_around_their_points() -> None:
    boxes = region_boxes(mouth_points(), 64) * 64
    assert torch.allclose(boxes[:, 0], torch.tensor([20.0, 37.0, 44.0, 55.0]))
    assert torch.allclose(boxes[:, 1], torch.tensor([2.0, 11.5, 62.0, 26.5]))
    inside = within(boxes[:, 0] / 64, 8, 8, 64)
    assert inside[0].nonzero().tolist() == _places_within(boxes[0, 0])
    unknown = torch.full((1, 4, 68, 2), math.nan)
    assert not within(region_boxes(unknown, 64)[:, 0], 8, 8, 64).any()


@pytest.mark.parametrize("name", ["tiny", "iresnet18"])
def test_a_place_is_where_it_looks(name: str) -> None:
    """The frame's pixels that the middle place of each layer depends on lie evenly around the point that `within` takes for it."""
    torch.manual_seed(0)
    backbone = make_backbone(name).eval()
    frames = torch.randn(4, 3, 64, 64, requires_grad=True)
    pixels = torch.arange(64) + 0.5
    for layer, features in enumerate(backbone(frames)):
        middle = features.shape[-1] // 2
        (gradient,) = torch.autograd.grad(
            features[:, :, middle, middle].square().sum(), frames, retain_graph=True
        )
        looked = float((gradient.square().sum((0, 1, 2)) * pixels).sum() / gradient.square().sum())
        box = torch.tensor([[0.0, 0.0, (looked + 1) / 64, (looked + 1) / 64]])
        edge = torch.tensor([[0.0, 0.0, (looked - 1) / 64, (looked - 1) / 64]])
        size = features.shape[-1]
        assert (
            within(box, size, size, 64)[0, middle, middle]
            and not within(edge, size, size, 64)[0, middle, middle]
        ), layer


def test_what_the_config_says_of_the_contrast_is_done() -> None:
    """Negatives at other times make the task harder; weights count a token by its disparity: neither is a word alone."""
    source, target = windows()

    def loss(**changes: object) -> MetricOutput:
        metric = make(**changes).eval()
        metric.scale.fill_(0.05)
        return metric(source, target, seeds(1, 2, 3))

    weighted, plain, places = loss(), loss(adaptive=False), loss(negatives="place")
    assert not torch.allclose(weighted.statistics["scc_vd.loss"], plain.statistics["scc_vd.loss"])
    assert weighted.statistics["scc_vd.recall"] == plain.statistics["scc_vd.recall"]
    assert (
        loss(adaptive=False, negatives="place").statistics["scc_vd.loss"]
        < plain.statistics["scc_vd.loss"]
    )
    assert places.statistics["scc_vd.recall"] >= weighted.statistics["scc_vd.recall"]
    assert torch.allclose(places.statistics["tcc_vd.loss"], weighted.statistics["tcc_vd.loss"])


def test_a_share_of_the_places_is_at_the_mouth() -> None:
    metric = make(mouth=0.5)
    box = metric.mouth_box(mouth_points(b=400), (64, 64))
    assert box is not None
    features = torch.zeros(400, 1, 16, 32, 32)
    places = metric.places("scc_vd", 3, features, None, box)
    y, x = (2 * places[..., 0] + 0.5) / 64, (2 * places[..., 1] + 0.5) / 64
    inside = (
        (x >= box[:, None, 0])
        & (x <= box[:, None, 2])
        & (y >= box[:, None, 1])
        & (y <= box[:, None, 3])
    )
    assert 0.44 < inside.float().mean() < 0.56
    source, target = windows()
    assert metric(source, target, source_points=mouth_points()).loss.isfinite()
