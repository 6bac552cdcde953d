"""Alignment modes: the features that a warping path is computed from. Imports nothing heavy."""

from typing import TYPE_CHECKING, Literal, get_args

from stccl_data.errors import ClipError, Reason

if TYPE_CHECKING:
    from stccl_data.features.signals import Signals

#: What a user can ask for. `auto` is resolved per pair: audio, or visual if a clip is silent.
Mode = Literal["audio", "visual", "both", "auto", "reference"]
MODES: tuple[Mode, ...] = get_args(Mode)

#: How the frames of two clips are matched to be scored: by an alignment, or at equal times.
Matching = Literal["auto", "audio", "visual", "both", "time"]
MATCHINGS: tuple[Matching, ...] = get_args(Matching)

#: The mode recorded for a path that was imported, not computed.
IMPORTED = "given"


def resolve_mode(source: "Signals", target: "Signals", mode: Mode) -> str:
    """Return the mode to use for two clips: ``mode``, or what `auto` means for them.

    Raises:
        ClipError: no_audio or no_signal; a clip lacks what the mode needs.
        ValueError: unknown mode, or signals read without what `reference` needs.
    """
    if mode not in MODES:
        raise ValueError(f"unknown alignment mode {mode!r}; choose one of {', '.join(MODES)}")
    silent = [clip.name for clip in (source, target) if clip.speech is None]
    faceless = [clip.name for clip in (source, target) if clip.mouth is None]
    if mode == "auto":
        if silent and faceless:
            detail = f"{silent[0]} has no audible sound, and {faceless[0]} no mouth track"
            raise ClipError(Reason.NO_SIGNAL, detail)
        return "visual" if silent else "audio"
    if mode != "visual" and silent:
        raise ClipError(Reason.NO_AUDIO, f"{' and '.join(silent)}: no audible sound")
    if mode in ("visual", "both") and faceless:
        raise ClipError(Reason.NO_SIGNAL, f"{' and '.join(faceless)}: no mouth track")
    if mode == "reference" and (source.reference is None or target.reference is None):
        raise ValueError("mode `reference` needs signals that were read with reference=True")
    return mode
