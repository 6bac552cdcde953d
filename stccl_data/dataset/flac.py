"""Decoding of the sound in the shards."""

import io

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.members import ShardError


def decode_flac(data: bytes, member: str) -> tuple[NDArray[np.float32], int]:
    """Decode a FLAC file.

    Args:
        data: the file.
        member: name of the file in the error message.

    Returns:
        (S,) float32 mono in [-1, 1] and the rate in Hz.

    Raises:
        ShardError: the data are not FLAC.
    """
    import av

    try:
        with av.open(io.BytesIO(data), "r", format="flac") as container:
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=stream.rate)
            blocks = [
                block for frame in container.decode(stream) for block in resampler.resample(frame)
            ] + resampler.resample(None)
            rate = int(stream.rate)
    except (av.FFmpegError, IndexError) as error:
        raise ShardError(f"{member} is not FLAC ({error}); run `stccl verify --decode`") from None
    if not blocks:
        return np.empty(0, np.float32), rate
    samples = np.concatenate([block.to_ndarray()[0] for block in blocks])
    return samples.astype(np.float32, copy=False), rate
