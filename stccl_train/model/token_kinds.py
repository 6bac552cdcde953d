"""The kinds of token, as data: how each is computed, how many there are, and which head it gets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from stccl_train.model.tokens import (
    NEIGHBOURS,
    Tokens,
    motion_disparity,
    patches,
    spatial_correlation,
    spatial_disparity,
    temporal_correlation,
    temporal_disparity,
    time_pairs,
    trajectories,
)

Term = Literal["scc", "tcc"]
Form = Literal["vd", "md", "cm"]

#: Places drawn for SCC and for TCC in each of the four layers (STCCL, section 4.1).
CENTRES = (32, 16, 8, 4)
LOCATIONS = (64, 32, 16, 8)


class HeadSizes(NamedTuple):
    """Widths of the head that embeds a token."""

    token: int
    hidden: int
    embedding: int


@dataclass(frozen=True, slots=True)
class TokenKind:
    """One kind of token, such as SCC-VD."""

    #: ``scc`` (spatial) or ``tcc`` (temporal).
    term: Term
    #: ``vd`` visual disparity, ``md`` motion disparity, ``cm`` correlation matrix.
    form: Form
    #: Places drawn in each of the four layers.
    places: tuple[int, int, int, int]
    #: Tokens of one place in one time slot: one for each neighbour, or one.
    tokens_per_place: int
    #: Reads the feature vectors at places: ``patches`` or ``trajectories``.
    read: Callable[[Tensor, Tensor], Tensor]
    #: Computes tokens from these vectors.
    relate: Callable[[Tensor], Tokens]
    #: Whether a window of a single frame has no such tokens.
    needs_several_frames: bool

    @property
    def name(self) -> str:
        """Term and form: ``scc_vd``. Names heads in state dicts, statistics and eval.json."""
        return f"{self.term}_{self.form}"

    def exists_in(self, frames: int) -> bool:
        """Return whether windows of this many frames have tokens of this kind."""
        return frames > 1 or not self.needs_several_frames

    def build(self, features: Tensor, places: Tensor) -> Tokens:
        """Compute the tokens of one side.

        Args:
            features: (B, T, C, H, W).
            places: (B, L, 2), (y, x).

        Returns:
            Tokens with values (B, A, L * tokens_per_place, D).
        """
        return self.relate(self.read(features, places))

    def slot_frames(self, frames: int, device: torch.device | None = None) -> Tensor:
        """Return which frames of a window each time slot covers, (A, n) int64.

        A slot is one frame (SCC), a pair of frames (TCC-VD), or the whole window (TCC-CM).

        Args:
            frames: T, frames of the window.
            device: where the result is made.
        """
        if self.term == "scc":
            return torch.arange(frames, device=device)[:, None]
        if self.form == "vd":
            return torch.stack(time_pairs(frames, device), dim=-1)
        return torch.arange(frames, device=device)[None]

    def head_sizes(self, channels: int, frames: int) -> HeadSizes:
        """Return the sizes of the head in a layer of ``channels`` for windows of ``frames``."""
        if self.form != "cm":
            return HeadSizes(channels, channels, max(channels // 4, 16))
        vectors = 9 if self.term == "scc" else frames
        return HeadSizes(vectors * (vectors - 1) // 2, 64, 32)


_N = len(NEIGHBOURS)

SCC_VD = TokenKind("scc", "vd", CENTRES, _N, patches, spatial_disparity, False)
SCC_MD = TokenKind("scc", "md", CENTRES, _N, patches, motion_disparity, True)
SCC_CM = TokenKind("scc", "cm", CENTRES, 1, patches, spatial_correlation, False)
TCC_VD = TokenKind("tcc", "vd", LOCATIONS, 1, trajectories, temporal_disparity, True)
TCC_CM = TokenKind("tcc", "cm", LOCATIONS, 1, trajectories, temporal_correlation, True)

#: The forms of each term by the config's ``variant``.
_FORMS: dict[str, dict[str, tuple[TokenKind, ...]]] = {
    "scc": {"vd": (SCC_VD,), "cm": (SCC_CM,), "both": (SCC_VD, SCC_CM)},
    "tcc": {"vd": (TCC_VD,), "cm": (TCC_CM,), "both": (TCC_VD, TCC_CM)},
}


def select_kinds(
    terms: Sequence[str], variant: str, motion: bool, frames: int
) -> tuple[TokenKind, ...]:
    """Return the kinds of a metric; their order is that of its heads and of its scale's rows.

    Args:
        terms: ``scc``, ``tcc`` or both.
        variant: ``vd``, ``cm`` or ``both``.
        motion: whether SCC also has its motion form.
        frames: T, frames of a window; a single frame has no motion.
    """
    kinds: list[TokenKind] = []
    for term in terms:
        kinds += _FORMS[term][variant]
        if term == "scc" and motion and frames > 1:
            kinds.append(SCC_MD)
    return tuple(kinds)
