"""The processes that train together: one a GPU under `torchrun`, or this one alone."""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True, slots=True)
class Ranks:
    """`rank` of `world` processes, and the device that this one computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, on every one of them. values: any shape, float."""
        if self.world > 1:
            values = values.to(self.device, copy=True)
            distributed.all_reduce(values)
        return values

    def gathered(self, item: Any) -> list[Any]:
        """What each process gives, by rank, on every one of them."""
        if self.world == 1:
            return [item]
        items: list[Any] = [None] * self.world
        distributed.all_gather_object(items, item)
        return items


@contextmanager
def joined_ranks(device: str = "auto") -> Iterator[Ranks]:
    """The process group there is; else the one that torchrun's environment describes, left again at the end; else this process.

    device: `auto` takes a GPU where there is one, the local rank's. Raises ValueError for a device that there is not.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    place = usable_device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if place.type == "cuda":
        torch.cuda.set_device(place)
    if (
        distributed.is_available() and distributed.is_initialized()
    ):  # by the caller, who ends it as well
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


def usable_device(name: str = "auto", local: int = 0) -> torch.device:
    """The device of that name; `auto` takes a GPU where there is one, and `cuda` is the GPU number `local`.

    Raises ValueError for one that there is not, or that nothing can be computed on.
    """
    found = name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(f"cuda:{local}" if found == "cuda" else found)
    except RuntimeError as error:
        raise ValueError(f"device {name!r}: {str(error).splitlines()[0]}") from None
    if place.type == "cuda" and (
        not torch.cuda.is_available() or (place.index or 0) >= torch.cuda.device_count()
    ):
        raise ValueError(
            f"device {str(place)!r}: torch sees {torch.cuda.device_count()} CUDA devices here"
        )
    try:
        torch.zeros(1, device=place).sum().item()
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise ValueError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from None
    return place


def averaged(module: nn.Module, ranks: Ranks) -> nn.Module:
    """The module, its gradients averaged over all ranks. Buffers are left alone: the metric keeps its own alike."""
    if ranks.world == 1:
        return module
    known = inspect.signature(DistributedDataParallel).parameters
    name = (
        "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    )  # renamed in torch 2.13
    options: dict[str, Any] = {
        name: False,
        "device_ids": [ranks.device.index] if ranks.device.type == "cuda" else None,
    }
    return DistributedDataParallel(module, **options)
