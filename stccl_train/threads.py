"""How many threads torch computes with on a CPU."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None, backbone: str, device: torch.device) -> Iterator[None]:
    """Compute with a number of threads, and with as many as before afterwards.

    A layer of the tiny backbone takes less than a millisecond. Threads that share it wait for each
    other at its end, and on a busy machine for their turn: with two instead of one a call of 110 ms
    took 6.4 s. One is nearly as fast on an idle machine, and leaves a core to the readers.

    Args:
        count: None takes one for the tiny backbone, else torch's own number (OMP_NUM_THREADS, if
            set, has it in both cases).
        backbone: what is computed.
        device: where; GPUs are left alone.
    """
    before = torch.get_num_threads()
    if count is None:
        single = backbone == "tiny" and "OMP_NUM_THREADS" not in os.environ
        count = 1 if single else before
    if device.type == "cpu":
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
