"""The metric as a whole: independence of windows, noise at chance, gradients, the running scale."""

import dataclasses
import math

import pytest
import torch

from stccl_train.config import MetricConfig
from stccl_train.model.metric import CorrelationMetric, MetricOutput, as_input
from stccl_train.model.retrieval import retrieval
from stccl_train.model.token_kinds import CENTRES, LOCATIONS, SCC_VD
from tests.testing.landmarks import mouth_points

SMALL = MetricConfig(backbone="tiny", variant="both", negatives="place+time", frames=4, size=64)


def make(seed: int = 0, **changes: object) -> CorrelationMetric:
    torch.manual_seed(seed)
    return CorrelationMetric(dataclasses.replace(SMALL, **changes), freeze_backbone=False)  # type: ignore[arg-type]


def windows(
    seed: int = 0, b: int = 3, t: int = 4, size: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return source frames, and the same with noise as target."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.rand(b, t, 3, size, size, generator=generator) * 2 - 1
    return source, (source + 0.3 * torch.randn(source.shape, generator=generator)).clamp(-1, 1)


def seeds(*numbers: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(n) for n in numbers]


@pytest.mark.parametrize("adaptive", [True, False])
def test_changing_a_window_changes_its_own_loss_only(adaptive: bool) -> None:
    metric, (source, target) = make(adaptive=adaptive), windows()
    metric.update_scale(metric(source, target, seeds(1, 2, 3)).disparity)
    metric.eval()
    before = metric(source, target, seeds(1, 2, 3)).windows
    changed = target.clone()
    changed[1] = torch.rand(target[1].shape) * 2 - 1
    after = metric(source, changed, seeds(1, 2, 3)).windows
    assert torch.allclose(before[[0, 2]], after[[0, 2]], rtol=1e-5)
    assert abs(before[1] - after[1]) > 1e-3


def test_a_window_has_the_same_loss_alone_as_in_a_batch() -> None:
    metric, (source, target) = make().eval(), windows()
    together = metric(source, target, seeds(1, 2, 3))
    alone = metric(source[1:2], target[1:2], seeds(2))
    assert torch.allclose(together.windows[1], alone.windows[0], rtol=1e-5)
    assert torch.allclose(together.loss, together.windows.mean())


def test_several_draws_share_one_pass_of_the_backbone_and_are_averaged() -> None:
    metric, (source, target) = make().eval(), windows()
    passes: list[object] = []
    metric.backbone.register_forward_hook(lambda *_: passes.append(1))
    together = metric(source, target, seeds(1, 2, 3), draws=2)
    assert len(passes) == 1
    places = seeds(1, 2, 3)  # each draw takes the next places of these
    one, other = (metric(source, target, places) for _ in range(2))
    assert not torch.equal(one.windows, other.windows)
    assert torch.allclose(together.windows, (one.windows + other.windows) / 2, rtol=1e-5)


def train_briefly(metric: CorrelationMetric) -> CorrelationMetric:
    """Train on windows with a real correspondence until partners are found."""
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
    """No head may tell slots apart: on Gaussian tokens R@1 is within its interval of chance."""
    metric = make(size=48)
    if trained:
        train_briefly(metric)
    metric.eval()
    generator = torch.Generator().manual_seed(0)
    for kind in metric.kinds:
        slots, places = len(kind.slot_frames(4)), 4 if kind.tokens_per_place > 1 else 16
        for layer, channels in enumerate(metric.backbone.channels):
            size = kind.head_sizes(channels, 4).token
            shape = (60, slots, places * kind.tokens_per_place, size)
            with torch.no_grad():
                z, k = (
                    metric.embed(kind, layer, torch.randn(shape, generator=generator))
                    for _ in range(2)
                )
                result = retrieval(metric.compare(kind, z, k, 4))
            recall = result.recall.mean(dim=(1, 2))
            chance = float((1 / result.candidates).mean())
            error = recall.std() / len(recall) ** 0.5
            assert abs(recall.mean() - chance) < 4 * error, (kind.name, layer, float(recall.mean()))


def test_noise_is_found_no_more_often_at_its_own_place_than_at_another() -> None:
    """Through the whole metric: neither padding nor the draw of places may reveal a partner."""
    metric = train_briefly(make(size=48)).eval()
    differences: dict[str, list[float]] = {}
    for step in range(8):
        generator = torch.Generator().manual_seed(1000 + step)
        noise = torch.randn(2, 4, 4, 3, 48, 48, generator=generator)
        with torch.no_grad():
            features = metric.features(*noise)
            for kind, layer, x, y in metric.tokens(features, metric.draw(features, generator)):
                z, k = metric.embed(kind, layer, x.values), metric.embed(kind, layer, y.values)
                own, wrong = (
                    retrieval(metric.compare(kind, z, other, 4)).recall.mean()
                    for other in (k, k.roll(kind.tokens_per_place, 2))
                )
                differences.setdefault(f"{kind.name}.{layer}", []).append(float(own - wrong))
    for name, values in differences.items():
        mean = sum(values) / len(values)
        error = (sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values)) ** 0.5
        assert abs(mean) < max(4 * error, 0.01), (name, mean, error)


def test_heads_do_not_see_which_slot_a_token_sits_in() -> None:
    metric = make()
    tokens = torch.randn(1, 4, 12, metric.backbone.channels[0])
    order = torch.randperm(12)
    assert torch.allclose(
        metric.embed(SCC_VD, 0, tokens)[:, :, order],
        metric.embed(SCC_VD, 0, tokens[:, :, order]),
        atol=1e-6,
    )


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_gradients_are_finite_on_uniform_still_frames(value: float) -> None:
    metric = make()
    still = torch.full((2, 4, 3, 64, 64), value)
    output = metric(still, still)
    output.loss.backward()
    assert output.loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in metric.parameters())


def test_every_parameter_learns() -> None:
    metric, (source, target) = make(), windows()
    metric(source, target).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in metric.parameters())


def test_a_frozen_backbone_stays_in_eval_mode_and_gets_no_gradient() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(SMALL, backbone="iresnet18", variant="vd", size=48)
    metric = CorrelationMetric(config, freeze_backbone=True)
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


def test_the_loss_is_the_mean_over_forms_and_layers_with_eta() -> None:
    metric, (source, target) = make(eta=0.5), windows()
    output = metric(source, target)
    s = output.statistics
    spatial = (s["scc_vd.loss"] + s["scc_cm.loss"] + s["scc_md.loss"]) / 3
    temporal = (s["tcc_vd.loss"] + s["tcc_cm.loss"]) / 2
    assert torch.allclose(output.loss, spatial + 0.5 * temporal)
    assert all(not value.requires_grad for value in s.values())


def test_there_are_as_many_tokens_as_in_the_paper() -> None:
    metric, (source, target) = make(size=224), windows(b=1, size=224)
    features = metric.features(source, target)
    for kind, layer, x, _ in metric.tokens(features, metric.draw(features)):
        expected = {
            "scc_vd": (1, 4, 8 * CENTRES[layer]),
            "scc_md": (1, 4, 8 * CENTRES[layer]),
            "scc_cm": (1, 4, CENTRES[layer]),
            "tcc_vd": (1, 6, LOCATIONS[layer]),
            "tcc_cm": (1, 1, LOCATIONS[layer]),
        }[kind.name]
        assert tuple(x.values.shape[:3]) == tuple(x.disparity.shape) == expected


def test_source_and_target_are_read_at_the_same_places() -> None:
    metric, (source, _) = make(), windows()
    features = metric.features(source, source)
    for _, _, x, y in metric.tokens(features, metric.draw(features)):
        assert torch.equal(x.values, y.values)


def test_a_single_frame_gives_the_spatial_term_alone() -> None:
    metric, (source, target) = make(), windows(t=1)
    output = metric(source, target)
    assert output.loss.isfinite() and output.loss > 0
    kinds = {name.split(".")[0] for name in output.statistics}
    assert kinds == {"scc_vd", "scc_cm"}


def test_bytes_and_floats_give_the_same_loss() -> None:
    pixels = torch.randint(0, 256, (2, 4, 3, 64, 64), dtype=torch.uint8)
    metric = make().eval()
    a = metric(pixels, pixels, seeds(1, 2)).loss
    b = metric(pixels / 127.5 - 1, pixels / 127.5 - 1, seeds(1, 2)).loss
    assert torch.allclose(a, b)


def test_frames_are_resized_to_the_size_of_the_metric() -> None:
    pixels = torch.randint(0, 256, (2, 4, 3, 64, 64), dtype=torch.uint8)
    assert as_input(pixels, 32).shape == (8, 3, 32, 32)


def test_the_first_batch_sets_the_running_scale() -> None:
    metric, (source, target) = make(), windows()
    disparity = metric(source, target).disparity
    assert metric.scale.isinf().all()
    metric.update_scale(disparity)
    assert metric.scale.isfinite().all() and (metric.scale > 0).all()


def test_the_running_scale_moves_a_hundredth_towards_each_step() -> None:
    metric = make()
    metric.scale.fill_(0.5)
    metric.update_scale(torch.full_like(metric.scale, 1.5))
    assert torch.allclose(metric.scale, torch.tensor(0.51))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"terms": ("scc", "spatial")}, "terms"),
        ({"backbone": "vgg"}, "backbone"),
        ({"variant": "vm"}, "variant"),
        ({"negatives": "time"}, "negatives"),
        ({"frames": 2}, "frames"),
        ({"size": 32}, "size"),
        ({"mouth": 1.5}, "mouth"),
        ({"tau": 0.0}, "tau"),
        ({"interval": 0}, "interval"),
        ({"tau": math.nan}, "tau"),
        ({"lam": -3.0}, "lam"),
        ({"theta": 5.0}, "theta"),
    ],
)
def test_an_invalid_value_names_its_key(changes: dict[str, object], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]


def loss_with(**changes: object) -> MetricOutput:
    """Run the same windows at the same places through metrics that differ in config only."""
    metric = make(**changes).eval()
    metric.scale.fill_(0.05)
    return metric(*windows(), seeds(1, 2, 3))  # type: ignore[no-any-return]


def test_matrices_that_are_matched_have_no_negatives() -> None:
    """Only their own loss changes: tokens of disparity are contrasted as before."""
    contrast, match = (loss_with(variant="both", cm=cm).statistics for cm in ("contrast", "match"))
    assert contrast["scc_vd.loss"] == match["scc_vd.loss"]
    for name in ("scc_cm", "tcc_cm"):
        assert not torch.allclose(contrast[f"{name}.loss"], match[f"{name}.loss"])
        assert contrast[f"{name}.recall"] == match[f"{name}.recall"]


def test_the_adaptive_weight_changes_the_loss_but_not_the_retrieval() -> None:
    weighted, plain = loss_with().statistics, loss_with(adaptive=False).statistics
    assert not torch.allclose(weighted["scc_vd.loss"], plain["scc_vd.loss"])
    assert weighted["scc_vd.recall"] == plain["scc_vd.recall"]


def test_negatives_at_other_times_make_scc_harder_and_leave_tcc() -> None:
    both = loss_with(adaptive=False).statistics
    places = loss_with(adaptive=False, negatives="place").statistics
    assert places["scc_vd.loss"] < both["scc_vd.loss"]
    assert places["scc_vd.recall"] >= both["scc_vd.recall"]
    assert torch.allclose(places["tcc_vd.loss"], both["tcc_vd.loss"])


def test_the_configured_share_of_places_is_drawn_at_the_mouth() -> None:
    metric = make(mouth=0.5)
    box = metric.mouth_boxes(mouth_points(b=400), (64, 64))
    assert box is not None
    places = metric.places(SCC_VD, 3, torch.zeros(400, 1, 16, 32, 32), None, box)
    y, x = (2 * places[..., 0] + 0.5) / 64, (2 * places[..., 1] + 0.5) / 64
    x0, y0, x1, y1 = box.T[..., None]
    inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    assert 0.44 < inside.float().mean() < 0.56


def test_points_are_accepted_in_training_and_ignored_without_a_mouth_share() -> None:
    source, target = windows()
    assert make(mouth=0.5)(source, target, source_points=mouth_points()).loss.isfinite()
    assert make(mouth=0.0).mouth_boxes(mouth_points(), (64, 64)) is None
