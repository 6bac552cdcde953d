"""Convert HDR and wide-gamut video to the colours of ordinary video (BT.709, SDR).

The conversion is a table over the RGB cube, computed once for each kind of material and applied
by FFmpeg. Light is in nits (cd/m2) as a display would emit it; SDR white is HDR reference white,
203 nits (ITU-R BT.2408), and both have a gamma of 2.4 (BT.1886), so that material of ordinary
brightness keeps the look of its SDR version.
"""

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from av.filter import Graph
from numpy.typing import ArrayLike, NDArray

from stccl_data.media.rescale import rescale

#: Values of FFmpeg's AVColorTransferCharacteristic (ITU-T H.273).
_PQ, _HLG = 16, 18
_HDR = {_PQ: "PQ", _HLG: "HLG"}

#: xy of red, green, blue and white (ITU-T H.273) -> the name of the primaries, by FFmpeg's
#: AVColorPrimaries. Those of BT.601 are missing: they are so near to BT.709 that neither FFmpeg
#: nor players convert them.
_D65 = (0.3127, 0.3290)
_PRIMARIES = {
    1: ("BT.709", ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)),
    9: ("BT.2020", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)),
    11: ("DCI-P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351))),
    12: ("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65)),
}
_BT709 = 1
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of BT.709 red, green and blue

_SDR_WHITE = 203.0  # nits
#: Nits of the brightest highlight that is kept apart from white. HLG's nominal display, and what
#: HDR10 is mostly mastered for; a fixed value keeps the brightness of a scene from depending on
#: its metadata.
_HDR_PEAK = 1000.0
_GAMMA = 2.4

#: Nodes of the table along each axis. Of the pixels of a real face in HLG and PQ, 99.9 % are then
#: within 0.9 levels (of 255) of the exact function; with 33 nodes it is 2.3.
_NODES = 49
#: The pixel format that the table is applied to: the only integer one for which FFmpeg is fast.
_DEEP = "gbrp16le"
#: What swscale makes of white in any YUV format when it converts to `_DEEP`, measured (0.4 % less
#: than the whole range; of RGB formats of 10 bits 0.1 % less).
_DEEP_WHITE = 65283 / 65535


@dataclass(frozen=True, slots=True)
class Colours:
    """What the RGB values of a frame mean, if they are not those of ordinary video."""

    #: FFmpeg's AVColorTransferCharacteristic.
    transfer: int
    #: FFmpeg's AVColorPrimaries.
    primaries: int

    @classmethod
    def of(cls, frame: Any) -> "Colours | None":
        """Return the colours of a PyAV frame; None for ordinary video."""
        transfer, primaries = int(frame.color_trc), int(frame.color_primaries)
        if transfer in _HDR:  # without primaries: those of BT.2100, which defines both transfers
            return cls(transfer, primaries if primaries in _PRIMARIES else 9)
        if primaries in _PRIMARIES and primaries != _BT709:
            return cls(0, primaries)
        return None

    @property
    def note(self) -> str:
        """What is done to the frames, see `stccl_data.extract.Extraction.notes`."""
        if self.transfer in _HDR:
            return f"{_HDR[self.transfer]} tone-mapped to SDR"
        return f"{_PRIMARIES[self.primaries][0]} colours converted to BT.709"


def to_sdr(signal: NDArray[np.floating], colours: Colours) -> NDArray[np.float64]:
    """Convert R'G'B' values to those of ordinary video.

    HLG is converted scene-referred: the gamma of its display (1.2) is applied to each channel, as
    an SDR camera and display treat the same scene, and not to the luminance, which leaves 14 %
    less saturation (measured on a face). PQ is display-referred and needs no such step.

    Args:
        signal: (..., 3) in [0, 1], non-linear, full range.
        colours: what `signal` means.

    Returns:
        (..., 3) in [0, 1], non-linear BT.709.
    """
    if colours.transfer == _PQ:
        light = pq_to_nits(signal)
    elif colours.transfer == _HLG:
        light = 1000 * _hlg_to_scene(signal) ** 1.2
    else:
        light = _SDR_WHITE * np.asarray(signal, np.float64) ** _GAMMA
    light = light @ _to_bt709(colours.primaries).T
    if colours.transfer in _HDR:
        light = _compress_highlights(light)
    light = _into_gamut(light) / _SDR_WHITE
    return np.asarray(np.clip(light, 0, 1) ** (1 / _GAMMA))


def pq_to_nits(signal: ArrayLike) -> NDArray[np.float64]:
    """Apply the PQ EOTF (SMPTE ST 2084; ITU-R BT.2100, table 4)."""
    power = np.asarray(signal, np.float64) ** (1 / 78.84375)
    linear = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return np.asarray(10_000 * linear ** (1 / 0.1593017578125))


def nits_to_pq(nits: ArrayLike) -> NDArray[np.float64]:
    """Apply the inverse of the PQ EOTF."""
    power = (np.maximum(nits, 0.0) / 10_000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def _hlg_to_scene(signal: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply the inverse of the HLG OETF (ITU-R BT.2100, table 5). Returns light in [0, 1]."""
    signal = np.asarray(signal, np.float64)
    bright = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(signal <= 0.5, signal**2 / 3, bright)


def _compress_highlights(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map light up to the HDR peak into the SDR range, by the EETF of ITU-R BT.2390, 5.4.

    The curve is applied to the largest channel and scales all three, so that hue and saturation
    stay. Below 92 nits (72 % of the SDR signal, where skin lies) nothing changes.
    """
    largest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    peak = nits_to_pq(_HDR_PEAK)
    level = np.minimum(nits_to_pq(largest) / peak, 1)
    white = nits_to_pq(_SDR_WHITE) / peak
    knee = 1.5 * white - 0.5
    t = (level - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * white
    )
    mapped = pq_to_nits(np.where(level < knee, level, spline) * peak)
    return light * np.where(level < knee, 1, mapped / largest)


def _into_gamut(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Desaturate colours that BT.709 lacks until no channel is negative; luminance stays."""
    luminance = np.maximum(light @ _LUMINANCE, 0)[..., None]
    lowest = light.min(axis=-1, keepdims=True)
    share = np.where(lowest < 0, luminance / np.maximum(luminance - lowest, 1e-9), 1)
    return np.asarray(luminance + share * (light - luminance))


def _to_bt709(primaries: int) -> NDArray[np.float64]:
    """Return the (3, 3) matrix from linear RGB of `primaries` to that of BT.709; white is kept."""
    matrix = np.linalg.solve(_rgb_to_xyz(_BT709), _rgb_to_xyz(primaries))
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _rgb_to_xyz(primaries: int) -> NDArray[np.float64]:
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in _PRIMARIES[primaries][1]]).T
    return np.asarray(xyz[:, :3] * np.linalg.solve(xyz[:, :3], xyz[:, 3]))


class ColourConverter:
    """Converts the frames of a clip to ordinary video."""

    def __init__(self, colours: Colours) -> None:
        """Start a clip."""
        self._colours = colours
        self._graph: Graph | None = None
        self._size = (0, 0)

    def to_rgb(self, frame: Any, width: int) -> NDArray[np.uint8]:
        """Convert a frame. width: of the result. Returns (H, width, 3) uint8 RGB."""
        deep = rescale(frame, _DEEP, width)
        if self._graph is None or self._size != (width, frame.height):
            self._graph, self._size = _open_table(deep, self._colours), (width, frame.height)
        self._graph.vpush(deep)
        out: Any = self._graph.vpull()
        planes = [
            np.frombuffer(p, np.uint16).reshape(p.height, p.line_size // 2)[:, : p.width]
            for p in out.planes
        ]
        green, blue, red = (cv2.convertScaleAbs(plane, alpha=1 / 257) for plane in planes)
        return np.asarray(cv2.merge([red, green, blue]), np.uint8)


def _open_table(frame: Any, colours: Colours) -> Graph:
    """Return a filter graph that applies the table of `colours` to frames like this one."""
    graph = Graph()
    graph.threads = 1
    with tempfile.NamedTemporaryFile("w", suffix=".cube") as table:  # FFmpeg reads it at once
        table.write(_table(colours))
        table.flush()
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base,
            ),
            graph.add("lut3d", file=table.name, interp="tetrahedral"),
            graph.add("buffersink"),
        ).configure()
    return graph


@lru_cache
def _table(colours: Colours) -> str:
    """Return `to_sdr` as the text of a .cube file: red changes fastest."""
    axis = np.minimum(np.linspace(0, 1 / _DEEP_WHITE, _NODES), 1)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    values = to_sdr(np.stack([red, green, blue], axis=-1), colours).reshape(-1, 3)
    rows = "\n".join(map("%.5f %.5f %.5f".__mod__, map(tuple, values.tolist())))
    return f"LUT_3D_SIZE {_NODES}\n{rows}\n"
