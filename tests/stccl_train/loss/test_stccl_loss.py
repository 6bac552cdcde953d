"""The plug-in loss: where its gradient goes, what stays frozen, and which frames it refuses."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from stccl_data.errors import UsageError
from stccl_train import STCCLLoss
from stccl_train.config import MetricConfig
from stccl_train.loss.parts import distance
from stccl_train.model.export import MetricError, load_metric, save_metric
from stccl_train.model.metric import CorrelationMetric
from stccl_train.model.regions import box_mask, region_boxes
from tests.testing.landmarks import mouth_points


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = MetricConfig(
        backbone="tiny", variant="both", negatives="place+time", frames=4, size=64
    )
    metric = CorrelationMetric(config, freeze_backbone=False)
    frames = torch.rand(2, 4, 3, 64, 64) * 2 - 1
    metric.update_scale(metric(frames, frames).disparity)
    save_metric(tmp_path / "run", metric)
    return tmp_path / "run"


def frames(seed: int, t: int = 4, size: int = 64) -> torch.Tensor:
    return torch.rand(2, t, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("size", [64, 80])
def test_gradient_reaches_the_generated_frames_and_nothing_else(run: Path, size: int) -> None:
    crit = STCCLLoss(load_metric(run))
    source, generated = frames(0, size=size).requires_grad_(), frames(1, size=size).requires_grad_()
    loss = crit(source, generated)
    assert loss.ndim == 0
    loss.backward()
    assert generated.grad is not None and generated.grad.isfinite().all()
    assert (generated.grad.abs().flatten(2).sum(-1) > 0).all()  # each frame of each window
    assert source.grad is None
    assert all(p.grad is None and not p.requires_grad for p in crit.metric.parameters())


def test_only_pixels_at_the_mouth_are_pulled_if_it_is_known_where_it_is(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    points = mouth_points(2, 4)
    generated = frames(1).requires_grad_()
    crit(frames(0), generated, seeded(), points).backward()
    assert generated.grad is not None
    pulled = generated.grad.abs().sum((1, 2)) > 0
    box = box_mask(region_boxes(points, 64)[:, 0], 64, 64, 64)
    assert not pulled[~box].any() and pulled[box].float().mean() > 0.5


def test_it_stays_in_eval_mode_and_does_not_change(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    before = {name: value.clone() for name, value in crit.metric.state_dict().items()}
    torch.nn.ModuleDict({"crit": crit}).train()
    assert not any(module.training for module in crit.metric.modules())
    first = crit(frames(0), frames(1), seeded())
    assert torch.equal(first, crit(frames(0), frames(1), seeded()))
    assert all(torch.equal(value, before[name]) for name, value in crit.metric.state_dict().items())


def test_minimising_it_makes_the_generated_frames_like_the_source(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    source = frames(0)
    generated = frames(1).requires_grad_()
    optimiser = torch.optim.Adam([generated], lr=0.05)
    first = crit(source, generated, seeded()).item()
    for _ in range(15):
        loss = crit(source, generated.clamp(-1, 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    last = crit(source, generated.clamp(-1, 1), seeded()).item()
    perfect = crit(source, source, seeded()).item()
    assert perfect < last < 0.95 * first


def test_a_single_frame_gives_the_spatial_term_alone(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    generated = frames(1, t=1).requires_grad_()
    result = crit(frames(0, t=1), generated, seeded(), return_parts=True)
    assert {name.split(".")[0] for name in result.parts} == {"scc_vd", "scc_cm"}
    result.loss.backward()
    assert generated.grad is not None and generated.grad.abs().sum() > 0


def test_the_source_itself_costs_nothing_by_distance(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    parts = crit(frames(0), frames(0), seeded(), return_parts=True).parts
    assert {name[-1] for name in parts} == {"1", "2"}  # the fine layers
    assert all(value < 0.02 for value in parts.values())


@pytest.mark.parametrize("options", [{"form": "contrastive"}, {"region": "lips"}])
def test_an_unknown_option_is_an_error(run: Path, options: dict[str, Any]) -> None:
    (value,) = options.values()
    with pytest.raises(UsageError, match=value):
        STCCLLoss(load_metric(run), **options)


def test_a_token_without_a_rival_costs_nothing() -> None:
    """The last layer of 48 pixels has one place, whose matrix has nothing to be told from."""
    torch.manual_seed(0)
    config = MetricConfig(backbone="tiny", variant="cm", size=48, frames=3)
    crit = STCCLLoss(
        CorrelationMetric(config, freeze_backbone=False), layers=(1, 1, 1, 1), form="contrast"
    )
    result = crit(frames(0, t=1), frames(1, t=1), seeded(), return_parts=True)
    assert result.parts["scc_cm.4"].item() == 0 and result.value.isfinite()


def test_the_contrast_is_that_of_the_metric_as_shares_of_chance(run: Path) -> None:
    crit = STCCLLoss(load_metric(run), layers=(1, 1, 1, 1), form="contrast")
    result = crit(frames(0), frames(1), seeded(), return_parts=True)
    expected = crit.metric(frames(0), frames(1), seeded()).statistics
    candidates = {"scc_vd.1": 8 * 32 + 3, "scc_cm.3": 8 + 3, "tcc_vd.2": 32 + 5, "tcc_cm.4": 4}
    for name, count in candidates.items():
        share = expected[f"{name}.loss"] / math.log(count)
        assert result.parts[name].item() == pytest.approx(share.item(), rel=1e-4)
    terms = [
        torch.stack([value for name, value in result.parts.items() if name.startswith(term)]).mean()
        for term in ("scc", "tcc")
    ]
    assert result.value.item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-4)


def test_the_weight_scales_the_loss(run: Path) -> None:
    heavy, light = STCCLLoss(load_metric(run), weight=0.3), STCCLLoss(load_metric(run), weight=0.1)
    assert torch.allclose(
        heavy(frames(0), frames(1), seeded()), 3 * light(frames(0), frames(1), seeded())
    )


def test_it_works_under_autocast(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    generated = frames(1).requires_grad_()
    exact = crit(frames(0), frames(1), seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = crit(frames(0), generated, seeded())
    assert loss.dtype == torch.float32
    assert torch.allclose(loss, exact, rtol=0.1)
    loss.backward()
    assert generated.grad is not None and generated.grad.isfinite().all()


def test_it_takes_half_precision_frames(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    half = crit(frames(0).bfloat16(), frames(1).bfloat16(), seeded())
    assert torch.allclose(half, crit(frames(0), frames(1), seeded()), rtol=0.1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_it_can_be_converted_to_another_precision(run: Path, dtype: torch.dtype) -> None:
    crit = STCCLLoss(load_metric(run))
    exact = crit(frames(0, size=80), frames(1, size=80), seeded())
    converted = crit.to(dtype)(frames(0, size=80), frames(1, size=80), seeded())
    assert torch.allclose(converted.float(), exact, rtol=0.1)


ZEROS = torch.zeros(2, 4, 3, 64, 64)


@pytest.mark.parametrize(
    ("source", "generated", "named"),
    [
        (torch.zeros(2, 3, 64, 64), torch.zeros(2, 3, 64, 64), r"source.*\(2, 3, 64, 64\)"),
        (torch.zeros(2, 4, 64, 64, 3), ZEROS, r"source.*\(2, 4, 64, 64, 3\)"),
        (ZEROS, torch.zeros(2, 3, 3, 64, 64), r"\(2, 4\).*\(2, 3\)"),
        (torch.zeros(0, 4, 3, 64, 64), torch.zeros(0, 4, 3, 64, 64), r"\(0, 4, 3, 64, 64\)"),
        (torch.zeros(2, 3, 3, 64, 64), torch.zeros(2, 3, 3, 64, 64), "3.*T = 4"),
        (ZEROS, torch.zeros(2, 4, 3, 64, 80), "64 x 64.*80 x 64"),
    ],
)
def test_frames_of_an_invalid_shape_are_an_error(
    run: Path, source: torch.Tensor, generated: torch.Tensor, named: str
) -> None:
    with pytest.raises(UsageError, match=named):
        STCCLLoss(load_metric(run))(source, generated)


def test_single_frames_are_an_error_for_a_temporal_metric() -> None:
    config = MetricConfig(backbone="tiny", terms=("tcc",), frames=4, size=64)
    crit = STCCLLoss(CorrelationMetric(config, freeze_backbone=False))
    with pytest.raises(UsageError, match="T is 1"):
        crit(frames(0, t=1), frames(1, t=1))


def test_frames_of_another_type_are_an_error(run: Path) -> None:
    crit = STCCLLoss(load_metric(run))
    with pytest.raises(TypeError, match=r"source.*uint8"):
        crit(torch.zeros(2, 4, 3, 64, 64, dtype=torch.uint8), frames(0))
    with pytest.raises(TypeError, match=r"generated.*ndarray"):
        crit(frames(0), frames(0).numpy())


def test_frames_between_0_and_1_give_a_warning_at_the_caller(run: Path) -> None:
    with pytest.warns(UserWarning, match=r"source.*\[0, 1\]") as warnings:
        STCCLLoss(load_metric(run))(frames(0).abs(), frames(1))
    assert warnings[0].filename == __file__


def test_the_range_is_not_checked_on_request(run: Path) -> None:
    crit = STCCLLoss(load_metric(run), check_range=False)
    assert crit(frames(0), 3 * frames(1)).isfinite()


@pytest.mark.filterwarnings("ignore:source_points are on average")
def test_points_change_where_the_loss_looks(run: Path) -> None:
    crit, points = STCCLLoss(load_metric(run)), torch.rand(2, 4, 68, 2) * 8 + 40
    assert crit(frames(0), frames(1), seeded(), points) != crit(frames(0), frames(1), seeded())


def test_points_of_another_shape_are_an_error(run: Path) -> None:
    points = torch.rand(2, 68, 2)
    with pytest.raises(UsageError, match=r"\(2, 68, 2\).*\(2, 4, 68, 2\)"):
        STCCLLoss(load_metric(run))(frames(0), frames(1), seeded(), points)


def test_it_stays_frozen_after_its_parent_was_made_trainable(run: Path) -> None:
    trainer = torch.nn.ModuleDict({"crit": STCCLLoss(load_metric(run))}).requires_grad_(True)
    trainer["crit"](frames(0), frames(1).requires_grad_(), seeded()).backward()
    assert all(p.grad is None and not p.requires_grad for p in trainer.parameters())


def test_the_metric_that_it_copies_stays_trainable(run: Path) -> None:
    metric = load_metric(run)
    STCCLLoss(metric)
    assert all(parameter.requires_grad for parameter in metric.parameters())


def test_a_run_without_a_metric_is_named(tmp_path: Path) -> None:
    with pytest.raises(MetricError, match=str(tmp_path)):
        STCCLLoss.from_run(tmp_path)


def test_the_distance_is_linear_and_an_unrelated_partner_is_at_chance() -> None:
    angles = torch.tensor([0.1, 0.2, math.pi / 2])
    z = torch.tensor([1.0, 0.0]).expand(1, 1, 3, 2)
    k = torch.stack([angles.cos(), angles.sin()], dim=-1)[None, None]
    near, twice, unrelated = distance(z, k)[0, 0].tolist()
    assert twice == pytest.approx(2 * near, rel=0.01)
    assert unrelated == pytest.approx(1)
