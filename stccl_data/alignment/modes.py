"""Alignment modes: the features that a warping path is computed from. Imports nothing heavy."""

from typing import Literal, get_args

#: What a user can ask for. `auto` is resolved per pair: audio, or visual if a clip is silent.
Mode = Literal["audio", "visual", "both", "auto", "reference"]
MODES: tuple[Mode, ...] = get_args(Mode)

#: The mode recorded for a path that was imported, not computed.
IMPORTED = "given"
