"""The processes that train together: one per GPU under `torchrun`, or this process alone."""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from stccl_data.errors import UsageError


@dataclass(frozen=True, slots=True)
class Ranks:
    """The processes that take part, as seen from one of them."""

    #: number of this process, from 0
    rank: int
    #: number of processes
    world: int
    #: the device that this process computes on
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sum a float tensor of any shape over all processes; every process gets the result."""
        if self.world > 1:
            values = values.to(self.device, copy=True)
            distributed.all_reduce(values)
        return values

    def gather(self, item: Any) -> list[Any]:
        """Collect one object per process, by rank; every process gets the list."""
        if self.world == 1:
            return [item]
        items: list[Any] = [None] * self.world
        distributed.all_gather_object(items, item)
        return items


@contextmanager
def open_ranks(device: str = "auto") -> Iterator[Ranks]:
    """Use the existing process group, or create the one that torchrun's environment describes.

    A group that is created here is destroyed on exit. Without torchrun there is one process.

    Args:
        device: as for `usable_device`; `auto` and `cuda` take the GPU of the local rank.

    Raises:
        UsageError: the device is unknown or missing.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    place = usable_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if distributed.is_available() and distributed.is_initialized():  # the caller destroys it
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), place)
        return
    if world == 1:
        yield Ranks(0, 1, place)
        return
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), world, place)
    finally:
        distributed.destroy_process_group()


def usable_device(name: str = "auto", local_rank: int = 0) -> torch.device:
    """Return a device after computing something on it.

    Args:
        name: as torch names it; `auto` takes a GPU if there is one, else the CPU.
        local_rank: number of the GPU for `auto` and `cuda`.

    Raises:
        UsageError: the device is unknown, missing, or cannot be computed on.
    """
    resolved = name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(f"cuda:{local_rank}" if resolved == "cuda" else resolved)
    except RuntimeError as error:
        raise UsageError(f"device {name!r}: {str(error).splitlines()[0]}") from None
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise UsageError(
            f"device {str(device)!r}: torch sees {torch.cuda.device_count()} CUDA devices here"
        )
    try:
        torch.zeros(1, device=device).sum().item()
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise UsageError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from None
    return device


def average_gradients(module: nn.Module, ranks: Ranks) -> nn.Module:
    """Wrap a module so that its gradients are averaged over all ranks.

    Buffers are left alone: the metric keeps its own equal on all ranks.
    """
    if ranks.world == 1:
        return module
    parameters = inspect.signature(DistributedDataParallel).parameters
    renamed = "forward_sync_buffers" in parameters  # torch 2.13
    options: dict[str, Any] = {
        "forward_sync_buffers" if renamed else "broadcast_buffers": False,
        "device_ids": [ranks.device.index] if ranks.device.type == "cuda" else None,
    }
    return DistributedDataParallel(module, **options)
