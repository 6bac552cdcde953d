"""The plug-in loss in somebody's training: it never ends it, and says once what is wrong."""

import warnings
from pathlib import Path

import pytest
import torch

from stccl_data.errors import UsageError
from stccl_train import STCCLLoss
from tests.testing.metrics import tiny_metric

NAN = float("nan")


@pytest.fixture(scope="module")
def crit() -> STCCLLoss:
    metric = tiny_metric()
    metric.scale.fill_(0.05)
    return STCCLLoss(metric)


def frames(seed: int, t: int = 3, size: int = 64) -> torch.Tensor:
    return torch.rand(2, t, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def points(t: int = 3) -> torch.Tensor:
    """Landmarks in frames of 64 pixels: the mouth is a box of 16 x 8 in the lower half."""
    points = torch.rand(2, t, 68, 2, generator=torch.Generator().manual_seed(0)) * 40 + 12
    points[:, :, 48:] = points[:, :, 48:] * torch.tensor([0.4, 0.2]) + torch.tensor([19.0, 38.0])
    return points


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_values_out_of_range_warn_once_and_are_clamped() -> None:
    crit, far = STCCLLoss(tiny_metric()), frames(1) * 1.5
    with pytest.warns(UserWarning, match=r"generated ranges from -1.5 to 1.5.*\[-1, 1\]"):
        loss = crit(frames(0), far, seeded())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(loss, crit(frames(0), far.clamp(-1, 1), seeded()))
        crit(frames(0), far, seeded())


def test_strict_raises_on_values_out_of_range() -> None:
    crit = STCCLLoss(tiny_metric(), strict=True)
    with pytest.raises(UsageError, match="source ranges"):
        crit(frames(0) * 255, frames(1))
    with pytest.raises(UsageError, match="generated has values that are not finite"):
        crit(frames(0), frames(1) * NAN)


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_frame_that_is_not_finite_makes_loss_and_gradient_nan(
    crit: STCCLLoss, value: float
) -> None:
    generated = frames(1)
    generated[1, 2, 0, 5, 5] = value
    generated.requires_grad_()
    loss = crit(frames(0), generated)
    loss.backward()
    assert loss.isnan() and generated.grad is not None and generated.grad.isnan().any()


@pytest.mark.parametrize("overshoot", [0.0, -0.05])
def test_frames_in_0_to_1_are_recognised(overshoot: float) -> None:
    shifted = (frames(1) + 1) / 2 + overshoot
    with pytest.warns(UserWarning, match=r"generated.*seems to be in \[0, 1\]"):
        STCCLLoss(tiny_metric())(frames(0), shifted)


def test_bright_and_grey_frames_are_not_taken_for_0_to_1(crit: STCCLLoss) -> None:
    bright = frames(0).clamp_min(-0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crit(bright, frames(1) * 0.05 + 0.05)


@pytest.mark.parametrize("scale", [1 / 64, 4.0])
def test_landmarks_of_another_scale_are_refused(crit: STCCLLoss, scale: float) -> None:
    with pytest.raises(UsageError, match="64 x 64 pixels; give the landmarks in pixels of source"):
        crit(frames(0), frames(1), source_points=points() * scale)


@pytest.mark.parametrize("scale", [0.4, 0.75, 1.4])
def test_landmarks_that_are_not_in_the_middle_are_named(scale: float) -> None:
    with pytest.warns(UserWarning, match="faces of aligned crops are in the middle"):
        STCCLLoss(tiny_metric())(frames(0), frames(1), source_points=points() * scale)


def test_swapped_frames_are_named(crit: STCCLLoss) -> None:
    with pytest.warns(UserWarning, match="are they swapped"):
        STCCLLoss(crit.metric)(frames(0).requires_grad_(), frames(1))


def test_landmarks_and_masks_have_to_be_tensors_of_the_right_shape(crit: STCCLLoss) -> None:
    with pytest.raises(TypeError, match="source_points is a ndarray; give a torch tensor"):
        crit(frames(0), frames(1), source_points=points().numpy())
    with pytest.raises(UsageError, match=r"mask has the shape .*; give \(B, H, W\)"):
        crit(frames(0), frames(1), mask=torch.ones(2, 1, 64, 64, dtype=torch.bool))


def test_an_empty_mask_is_named(crit: STCCLLoss) -> None:
    with pytest.warns(UserWarning, match="mask is empty in some windows"):
        STCCLLoss(crit.metric)(frames(0), frames(1), mask=torch.zeros(2, 64, 64, dtype=torch.bool))


@pytest.mark.parametrize("fps", [0.0, -25.0, NAN])
def test_a_rate_that_is_none_is_refused(crit: STCCLLoss, fps: float) -> None:
    with pytest.raises(UsageError, match="give the frames per second"):
        crit(frames(0), frames(1), fps=fps)


def test_frames_that_are_too_far_apart_are_named(crit: STCCLLoss) -> None:
    with pytest.warns(UserWarning, match=r"frames of 1 fps are 1 s apart.*give 8.33 fps or more"):
        STCCLLoss(crit.metric)(frames(0), frames(1), fps=1)


@pytest.mark.parametrize("weight", [-1.0, NAN, float("inf")])
def test_a_weight_that_is_not_a_number_from_zero_is_refused(crit: STCCLLoss, weight: float) -> None:
    with pytest.raises(UsageError, match="give a number from 0"):
        STCCLLoss(crit.metric, weight)


def test_windows_without_a_face_are_compared_everywhere_and_named_once() -> None:
    crit, known = STCCLLoss(tiny_metric()), points()
    known[1] = NAN
    with pytest.warns(UserWarning, match="no face"):
        loss = crit(frames(0), frames(1), source_points=known)
    assert loss.isfinite()
    known[0, 1] = NAN  # one frame of a window: its other frames tell where the mouth is
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert crit(frames(0), frames(1), source_points=known).isfinite()


def test_a_checkpoint_holds_no_metric_and_an_old_one_replaces_none(crit: STCCLLoss) -> None:
    trainer = torch.nn.ModuleDict({"model": torch.nn.Linear(1, 1), "crit": crit})
    assert set(trainer.state_dict()) == {"model.weight", "model.bias"}
    weights = {f"crit.metric.{name}": value * 0 for name, value in crit.metric.state_dict().items()}
    trainer.load_state_dict({**trainer.state_dict(), **weights})
    assert any(value.abs().sum() > 0 for value in crit.metric.state_dict().values())
    assert not list(crit.parameters())


def test_places_are_its_own_and_follow_a_generator(crit: STCCLLoss) -> None:
    a, b = (STCCLLoss(crit.metric, seed=seed) for seed in (1, 1))
    before = torch.get_rng_state()
    first, second = (a(frames(0), frames(1)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first != second and torch.equal(first, b(frames(0), frames(1)))
    assert torch.equal(
        a(frames(0), frames(1), seeded()), b(frames(0), frames(1), generator=seeded())
    )


def test_only_the_mouth_is_pulled_if_it_is_known() -> None:
    """The pull reaches beyond the mouth by the receptive field of the features only."""
    metric, gradients = tiny_metric(), {}
    for region in ("mouth", "face"):
        generated = frames(1).requires_grad_()
        crit = STCCLLoss(metric, region=region, layers=(1, 0, 0, 0))  # type: ignore[arg-type]
        crit(frames(0), generated, seeded(), points()).backward()
        assert generated.grad is not None
        gradients[region] = generated.grad.abs().sum(dim=(0, 1, 2))
    share = {name: (g[:24].sum() / g.sum()).item() for name, g in gradients.items()}
    assert share["mouth"] < 0.3 * share["face"]


def test_a_mask_says_where_tokens_pull(crit: STCCLLoss) -> None:
    mask = torch.zeros(2, 64, 64, dtype=torch.bool)
    mask[:, :32] = True
    upper, lower = (crit(frames(0), frames(1), seeded(), mask=part) for part in (mask, ~mask))
    assert upper != lower and upper.isfinite() and lower.isfinite()


def test_a_content_token_does_not_pull() -> None:
    generated = frames(1).requires_grad_()
    crit = STCCLLoss(tiny_metric(), margin=100.0)
    crit(frames(0), generated).backward()
    assert generated.grad is not None and generated.grad.abs().sum() == 0


def test_weights_of_terms_and_layers_leave_parts_out(crit: STCCLLoss) -> None:
    loss = STCCLLoss(crit.metric, terms={"scc_vd": 0, "tcc": 2}, layers=(0, 0, 1, 1))
    parts = loss(frames(0), frames(1), return_parts=True).parts
    assert set(parts) == {f"{kind}.{layer}" for kind in ("scc_md", "tcc_vd") for layer in (3, 4)}
    with pytest.raises(UsageError, match=r"no scc_cm; choose from scc, scc_md"):
        STCCLLoss(crit.metric, terms={"scc_cm": 1})
    with pytest.raises(UsageError, match="T is 1"):
        loss(frames(0, t=1), frames(1, t=1))


def test_long_sequences_are_cut_into_windows_that_cover_them(crit: STCCLLoss) -> None:
    generated = frames(1, t=8).requires_grad_()
    crit(frames(0, t=8), generated).backward()
    assert generated.grad is not None
    assert (generated.grad.abs().flatten(2).sum(-1) > 0).all()


def test_consecutive_frames_are_cut_by_their_frame_rate(crit: STCCLLoss) -> None:
    """0.12 s apart: every third frame at 25 frames/s."""
    source, generated = frames(0, t=7), frames(1, t=7)
    rows = [0, 3, 6]
    expected = crit(source[:, rows], generated[:, rows], seeded())
    assert torch.equal(crit(source, generated, seeded(), fps=25), expected)


@pytest.mark.parametrize("options", [{"chunk": 1}, {"checkpointing": True}])
def test_chunks_and_checkpointing_change_memory_alone(crit: STCCLLoss, options: dict) -> None:
    gradients = []
    for loss in (crit, STCCLLoss(crit.metric, **options)):
        generated = frames(1, t=5).requires_grad_()
        loss(frames(0, t=5), generated, seeded(), points(5)).backward()
        gradients.append(generated.grad)
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("sides", [(8, 8, 0, 0), (0, 0, 8, 8)])
def test_the_middle_of_frames_that_are_not_square_is_compared(
    crit: STCCLLoss, sides: tuple[int, ...]
) -> None:
    source, generated = (torch.nn.functional.pad(frames(seed), sides) for seed in (0, 1))
    expected = crit(frames(0), frames(1), seeded(), points())
    generated.requires_grad_()
    loss = crit(source, generated, seeded(), points() + torch.tensor([sides[0], sides[2]]))
    loss.backward()
    assert torch.allclose(loss, expected, rtol=1e-5)
    assert generated.grad is not None
    middle = torch.nn.functional.pad(torch.ones(64, 64), sides) > 0
    assert (generated.grad * ~middle == 0).all() and (generated.grad != 0).any()


def test_it_takes_part_in_a_compiled_step(crit: STCCLLoss) -> None:
    step = torch.compile(
        lambda a, b: (a - b).abs().mean() + crit(a, b, seeded()), backend="aot_eager"
    )
    expected = (frames(0) - frames(1)).abs().mean() + crit(frames(0), frames(1), seeded())
    assert torch.allclose(step(frames(0), frames(1)), expected)


def test_a_run_whose_verdict_failed_is_named(tmp_path: Path) -> None:
    from stccl_train.model.export import save_metric

    save_metric(tmp_path, tiny_metric())
    (tmp_path / "eval-test").mkdir()
    (tmp_path / "eval-test" / "eval.json").write_text(
        '{"verdicts": [{"term": "tcc", "form": "vd", "hears": false}]}'
    )
    with pytest.warns(UserWarning) as said:
        STCCLLoss.from_run(tmp_path)
    assert any("TCC-VD" in str(warning.message) for warning in said)
    assert any("not calibrated" in str(warning.message) for warning in said)


def test_every_rank_looks_at_other_places(crit: STCCLLoss) -> None:
    from torch.testing._internal.distributed.fake_pg import FakeStore

    alone = STCCLLoss(crit.metric)(frames(0), frames(1))
    torch.distributed.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
    try:
        on_rank_1 = STCCLLoss(crit.metric)(frames(0), frames(1))
    finally:
        torch.distributed.destroy_process_group()
    assert alone != on_rank_1
