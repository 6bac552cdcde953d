"""The conditions of an evaluation: aligned windows, and controls that replace their targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stccl_data.dataset import Dataset
from stccl_train.config import EvaluateConfig
from stccl_train.data.controls import Other, evaluation_windows
from stccl_train.data.windows import Window, WindowShape
from stccl_train.seeding import torch_generator

#: The windows as they are.
ALIGNED = "aligned"
#: Same speaker and emotion, aligned with the source's mouth as well as possible.
OTHER_SENTENCE = "other_sentence"
#: The same, but at the same relative time of its clip, whatever the mouth does: what a metric that
#: hears only the clock finds as well.
OTHER_SAME_TIME = "other_same_time"
#: Gaussian noise on both sides.
NOISE = "noise"
#: A token of noise compared with that of another place: the true chance level.
NOISE_ELSEWHERE = "noise_elsewhere"


def shifted(shift: float) -> str:
    """Return the name of the condition with a target this many seconds later or earlier."""
    return f"shifted_{shift:g}"


def condition_names(shifts: Sequence[float]) -> tuple[str, ...]:
    """Return the names of all conditions of an evaluation with these shifts."""
    return (
        ALIGNED,
        *map(shifted, shifts),
        OTHER_SENTENCE,
        OTHER_SAME_TIME,
        NOISE,
        NOISE_ELSEWHERE,
    )


@dataclass(frozen=True, slots=True)
class ControlledWindow:
    """An aligned window with its controls: windows of the same source frames."""

    aligned: Window
    #: By condition, the window whose target is compared instead; a condition may be missing.
    controls: Mapping[str, Window]


@dataclass(frozen=True, slots=True)
class ControlReader:
    """Reads the windows of an evaluation, utterance by utterance."""

    dataset: Dataset
    shape: WindowShape
    config: EvaluateConfig

    def read(self, key: str) -> list[ControlledWindow]:
        """Read the windows of one utterance.

        Raises:
            ShardError: a shard is corrupt.
        """
        aligned = self._windows(key)
        shifts = {shifted(shift): self._windows(key, shift=shift) for shift in self.config.shifts}
        # In the order of the aligned windows, but some are missing.
        others = {
            OTHER_SENTENCE: self._windows(key, other="by_mouth"),
            OTHER_SAME_TIME: self._windows(key, other="same_time"),
        }
        windows = []
        for number, window in enumerate(aligned):
            controls = {name: shifted_windows[number] for name, shifted_windows in shifts.items()}
            for name, rest in others.items():
                if rest and _position(rest[0]) == _position(window):
                    controls[name] = rest.pop(0)
            windows.append(ControlledWindow(window, controls))
        return windows

    def _windows(self, key: str, shift: float = 0.0, other: Other | None = None) -> list[Window]:
        return list(
            evaluation_windows(
                self.dataset,
                self.config.split,
                self.shape,
                self.config.per_pair,
                shift=shift,
                other=other,
                crop=self.config.crop,
                margin=max(self.config.shifts),
                keys=[key],
            )
        )


def _position(window: Window) -> tuple[str, int, str]:
    """Identify an aligned window by what its controls share with it."""
    return window.source.clip_id, window.source.frames[0], window.target.emotion


def noise_sides(seed: int, number: int, shape: Sequence[int]) -> Tensor:
    """Draw Gaussian noise for both sides of a window, independent of the batch it is in.

    Args:
        seed: of the evaluation.
        number: of the window among all.
        shape: (T, 3, H, W) of one side.

    Returns:
        (2, T, 3, H, W) float32.
    """
    return torch.randn(2, *shape, generator=torch_generator(seed, number))
