"""Pass frames through a network once each."""

from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stccl_train.measures.measured_clip import MeasuredClip

#: Inputs at once.
_BATCH = 16


def embed_all(
    network: Callable[[Tensor], Tensor],
    inputs: Iterable[NDArray[np.float32]],
    device: torch.device,
) -> NDArray[np.float32]:
    """Pass arrays of one shape through a network in batches.

    Args:
        network: maps a batch of inputs to (B, D).
        inputs: at least one; only a batch of them is held.
        device: of the network.

    Returns:
        (n, D) float32.
    """
    outputs = []
    iterator = iter(inputs)
    with torch.no_grad():
        while batch := list(islice(iterator, _BATCH)):
            outputs.append(network(torch.from_numpy(np.stack(batch)).to(device)).cpu())
    return np.asarray(torch.cat(outputs).numpy(), np.float32)


def embed_frames(
    clip: MeasuredClip,
    name: str,
    frames: NDArray[np.intp],
    read: Callable[[MeasuredClip, int], NDArray[np.float32]],
    network: Callable[[Tensor], Tensor],
    device: torch.device,
) -> NDArray[np.float32]:
    """Return a network's embeddings of frames of a clip, each computed once.

    Args:
        clip: keeps the embeddings.
        name: under which it keeps them.
        frames: (n,), n >= 1.
        read: returns the network's input for a frame.
        network: maps a batch of inputs to (B, D).
        device: of the network.

    Returns:
        (n, D) float32.
    """
    known: dict[int, NDArray[np.float32]] = clip.features.setdefault(name, {})
    missing = [int(frame) for frame in frames if int(frame) not in known]
    if missing:
        embedded = embed_all(network, (read(clip, frame) for frame in missing), device)
        known.update(zip(missing, embedded, strict=True))
    return np.stack([known[int(frame)] for frame in frames])
