"""The kinds of token: what each builds, and which frames its time slots cover."""

import pytest
import torch

from stccl_train.model.token_kinds import (
    SCC_CM,
    SCC_MD,
    SCC_VD,
    TCC_CM,
    TCC_VD,
    TokenKind,
    select_kinds,
)
from stccl_train.model.tokens import draw_places

ALL = (SCC_VD, SCC_MD, SCC_CM, TCC_VD, TCC_CM)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_tokens_have_the_slots_and_the_size_that_the_kind_declares(kind: TokenKind) -> None:
    features = torch.randn(2, 4, 24, 7, 7)
    places = draw_places(2, 5, 7, 7)
    values = kind.build(features, places).values
    slots = len(kind.slot_frames(4))
    assert values.shape == (2, slots, 5 * kind.tokens_per_place, kind.head_sizes(24, 4).token)


def test_a_slot_covers_a_frame_a_pair_or_the_whole_window() -> None:
    assert SCC_VD.slot_frames(3).tolist() == [[0], [1], [2]]
    assert TCC_VD.slot_frames(3).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert TCC_CM.slot_frames(3).tolist() == [[0, 1, 2]]


def test_single_frames_have_spatial_disparity_and_correlation_only() -> None:
    assert [kind for kind in ALL if kind.exists_in(1)] == [SCC_VD, SCC_CM]
    assert all(kind.exists_in(2) for kind in ALL)


def test_kinds_follow_the_order_of_the_terms() -> None:
    assert select_kinds(("tcc", "scc"), "both", True, 9) == (TCC_VD, TCC_CM, SCC_VD, SCC_CM, SCC_MD)
    assert select_kinds(("scc", "tcc"), "cm", False, 9) == (SCC_CM, TCC_CM)


def test_windows_of_a_single_frame_have_no_motion_kind() -> None:
    assert select_kinds(("scc",), "vd", True, 1) == (SCC_VD,)


def test_the_neighbours_of_the_smallest_map_are_read_from_it() -> None:
    """A 3 x 3 map has one place, and a mark in it is seen by its own eight tokens alone."""
    features = torch.zeros(1, 1, 2, 3, 3)
    features[0, 0, :, 1, 1] = 1
    tokens = SCC_VD.build(features, draw_places(1, 4, 3, 3))
    assert tokens.values.shape == (1, 1, 8, 2) and (tokens.values == 1).all()
