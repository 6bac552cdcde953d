"""The contrast and retrieval against slow loops, and the adaptive weight against its formula."""

import math

import pytest
import torch

from stccl_train.model.contrastive_loss import (
    Similarities,
    adaptive_weight,
    compare,
    info_nce,
    one_to_one,
)
from stccl_train.model.retrieval import recall_at_1, retrieval
from stccl_train.model.tokens import time_pairs, unit


def tokens(seed: int, b: int = 2, a: int = 4, s: int = 3, d: int = 5) -> torch.Tensor:
    return unit(torch.randn(b, a, s, d, generator=torch.Generator().manual_seed(seed)))


def negatives(
    a: int,
    s: int,
    slots: int,
    places: int,
    across_time: bool,
    guard: int,
    frames: list[tuple[int, ...]],
) -> list[tuple[int, int]]:
    """List the slots (a', s') that are negatives of (a, s)."""
    slots_of_negatives = [(a, t) for t in range(places) if t != s]
    if across_time:
        for other in range(slots):
            apart = max(abs(x - y) for x, y in zip(frames[a], frames[other], strict=True))
            if other != a and apart >= guard:
                slots_of_negatives.append((other, s))
    return slots_of_negatives


@pytest.mark.parametrize("across_time", [False, True])
@pytest.mark.parametrize("guard", [1, 2])
@pytest.mark.parametrize("pairs", [False, True])
def test_loss_and_retrieval_equal_slow_loops(across_time: bool, guard: int, pairs: bool) -> None:
    slots = 6 if pairs else 4
    z, k = tokens(0, a=slots), tokens(1, a=slots)
    times = torch.stack(time_pairs(4), dim=-1) if pairs else None
    frames = (
        [tuple(row) for row in times.tolist()] if times is not None else [(i,) for i in range(4)]
    )
    similarities = compare(z, k, across_time, guard, times)
    loss, result = info_nce(similarities, 0.07), retrieval(similarities)
    matched, recall = recall_at_1(similarities)
    assert torch.equal(matched, result.matched) and torch.allclose(recall, result.recall)
    for b in range(2):
        for a in range(slots):
            for s in range(3):
                others = [
                    float(z[b, a, s] @ k[b, c, t])
                    for c, t in negatives(a, s, slots, 3, across_time, guard, frames)
                ]
                own = float(z[b, a, s] @ k[b, a, s])
                total = sum(math.exp(x / 0.07) for x in [own, *others])
                assert math.isclose(
                    loss[b, a, s],
                    -math.log(math.exp(own / 0.07) / total),
                    rel_tol=1e-4,
                    abs_tol=1e-5,
                )
                assert math.isclose(result.matched[b, a, s], own, abs_tol=1e-6)
                assert math.isclose(
                    result.mismatched[b, a, s], sum(others) / len(others), abs_tol=1e-6
                )
                assert result.rank[b, a, s] == 1 + sum(x > own for x in others)
                assert result.recall[b, a, s] == float(own > max(others))
                assert result.candidates.expand(slots, 3)[a, s] == 1 + len(others)


def test_identical_tokens_have_the_logarithm_of_the_candidates_as_loss() -> None:
    same = unit(torch.ones(2, 4, 3, 5))
    for across_time, candidates in ((False, 3), (True, 6)):
        similarities = compare(same, same, across_time)
        assert torch.allclose(
            info_nce(similarities, 0.07), torch.tensor(math.log(candidates)), atol=1e-4
        )


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_ties_count_as_chance(value: float) -> None:
    """A head that maps every token to the same vector finds its partner as often as chance."""
    x = unit(torch.full((1, 2, 4, 3), value))
    result = retrieval(compare(x, x, across_time=False))
    assert torch.allclose(result.recall, torch.tensor(1 / 4))
    assert torch.allclose(result.rank, torch.tensor(2.5))


def test_nan_ranks_last() -> None:
    broken = tokens(0)
    broken[0, 1, 2] = math.nan
    result = retrieval(compare(broken, tokens(1), across_time=True))
    assert (
        result.recall[0, 1, 2] == 0 and result.rank[0, 1, 2] == result.candidates.expand(4, 3)[1, 2]
    )
    assert (
        result.recall[1].isfinite().all()
        and retrieval(compare(tokens(1), broken, across_time=False)).recall[0, 1, 2] == 0
    )


def test_one_to_one_is_zero_for_equal_and_chance_for_orthogonal_tokens() -> None:
    x = torch.eye(4)[None, None]
    equal, orthogonal = compare(x, x, False), compare(x, x.roll(1, 2), False)
    assert torch.allclose(one_to_one(equal), torch.zeros(1, 1, 4))
    assert torch.allclose(one_to_one(orthogonal), torch.tensor(math.log(4)))


def test_a_single_token_has_no_loss() -> None:
    z = tokens(0, a=1, s=1)
    similarities = compare(z, tokens(1, a=1, s=1), across_time=True)
    assert torch.allclose(info_nce(similarities, 0.07), torch.zeros(2, 1, 1), atol=1e-6)
    assert retrieval(similarities).mismatched.isfinite().all()


def test_a_window_is_compared_with_itself_only() -> None:
    z, k = tokens(0), tokens(1)
    before = info_nce(compare(z, k, across_time=True), 0.07)
    k[1] = tokens(2)[1]
    after = info_nce(compare(z, k, across_time=True), 0.07)
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])


def test_the_adaptive_weight_equals_its_formula() -> None:
    disparity = torch.tensor([[[0.1, 1.0, 1.5, 4.0]]])
    w = adaptive_weight(disparity, torch.tensor(1.0), lam=2, r=2, theta=0.8)
    t = [1 / (1 + math.exp(-x)) for x in (0.1, 1.0, 1.5, 4.0)]
    raw = torch.tensor([2 * x**2 if x > 0.8 else 1.0 for x in t])
    assert raw[1] == 1 and raw[2] > 1
    assert torch.allclose(w[0, 0], raw / raw.mean())
    assert torch.equal(
        adaptive_weight(disparity, torch.tensor(math.inf), 2, 2, 0.8), torch.ones(1, 1, 4)
    )


def test_a_disparity_changes_the_weight_of_its_own_token_only() -> None:
    """Up to the common divisor of its window."""
    disparity = torch.full((2, 3, 4), 0.5)
    low = adaptive_weight(disparity, torch.tensor(1.0), 2, 2, 0.8)
    disparity[1, 2, 3] = 5.0
    high = adaptive_weight(disparity, torch.tensor(1.0), 2, 2, 0.8)
    assert torch.equal(low[0], high[0])
    others = torch.ones(3, 4, dtype=torch.bool)
    others[2, 3] = False
    assert high[1][others].unique().numel() == 1  # equal among themselves
    assert high[1, 2, 3] / high[1, 0, 0] > 1.9
    assert torch.allclose(high.mean(dim=(1, 2)), torch.ones(2))


def test_similarities_are_float32_under_autocast() -> None:
    z = tokens(0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        similarities = compare(z, z, across_time=True)
    assert similarities.matched.dtype == torch.float32
    assert torch.allclose(similarities.matched, torch.ones(2, 4, 3), atol=1e-6)
    assert isinstance(similarities, Similarities)
