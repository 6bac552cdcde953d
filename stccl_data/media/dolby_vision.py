"""Tell Dolby Vision whose colours are Dolby's own, which FFmpeg decodes but cannot convert."""

import re
from pathlib import Path
from typing import Any

#: Codec tags of Dolby Vision in HEVC and AV1 (MP4).
_TAGS = frozenset({"dvh1", "dvhe", "dav1"})
#: In Matroska, a block addition mapping whose type is that of the configuration record in MP4.
#: PyAV does not expose the record, so it is looked for in the description of the tracks.
_MAPPING = re.compile(rb"\x41\xe7\x84dv[cvw]C")
#: Bytes from the start of a Matroska file in which the tracks are described.
_HEADER = 65536
_CODECS = ("hevc", "av1")
_UNSPECIFIED = 2  # AVCOL_TRC_UNSPECIFIED


def has_own_colours(path: str | Path, container: Any, stream: Any) -> bool:
    """Tell whether a video stream is Dolby Vision of profile 5 or 10.0.

    Their colours are Dolby's own, and without Dolby's metadata they are shown as green and purple.
    They state no transfer function; streams of other profiles are also HLG, HDR10 or SDR, and say
    so.

    Args:
        path: of the file.
        container: PyAV's, of the file.
        stream: a video stream of it whose codec is known.
    """
    if int(stream.codec_context.color_trc) != _UNSPECIFIED:
        return False
    if stream.codec_context.codec_tag in _TAGS:
        return True
    if container.format.name != "matroska,webm" or stream.codec_context.name not in _CODECS:
        return False
    with Path(path).open("rb") as handle:
        return _MAPPING.search(handle.read(_HEADER)) is not None
