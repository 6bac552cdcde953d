"""Running one function over many units of work so that whatever becomes of a unit is an outcome, and costs that unit alone.

|                        | inline            | local                               | ray                               |
|------------------------|-------------------|-------------------------------------|-----------------------------------|
| a unit raises          | its outcome       | its outcome                         | its outcome                       |
| dies by a signal       | ends the run      | `crashed`, another worker goes on   | as local                          |
| is killed from outside | ends the run      | done again, `crashed` at the third  | as local                          |
| hangs                  | not noticed       | `timed_out`                         | as local                          |
| asks for more memory   | what the system   | done again by a new worker,         | as local                          |
| than a worker may have | makes of it       | then `out_of_memory`                |                                   |
| leaks                  | not noticed       | worker replaced at half of its cap  | as local                          |
| its machine is lost    | -                 | -                                   | done again, `crashed` at the third |
| Ctrl-C                 | ends at once      | no worker is left                   | no worker is left                 |
"""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from stccl_data.errors import Reason, StcclError

ExecutorName = Literal["local", "inline", "ray"]
EXECUTORS: tuple[ExecutorName, ...] = get_args(ExecutorName)

#: What the system says where there is no space, no quota, or a file may not grow (`ulimit -f`, FAT).
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

#: How often a unit is begun whose worker or machine is taken away: by then it is likelier the cause than the victim.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """One call. `args` are small: ids, paths, records; data travels through files. `timeout_s`: None waits for ever."""

    name: str
    args: tuple[Any, ...]
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit: `reason` None and the function's `result`, or a reason and a sentence. `seconds` that the call took,
    where it came back."""

    unit: Unit
    result: Any = None
    reason: Reason | None = None
    detail: str = ""
    seconds: float = 0.0


class StopRunError(StcclError):
    """No unit can succeed. A function that raises it ends the whole run; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How workers are set up. `count`: 0 for one a core, of this machine or of the cluster. `initializer(*initargs)` is called once
    in each. `memory_mb`: what one may have, MB; 0 for its share of its machine's, 2 GB at least; None for all that there is."""

    count: int = 0
    initializer: Callable[..., None] | None = None
    initargs: Sequence[Any] = ()
    memory_mb: int | None = 0


def run(
    units: Iterable[Unit],
    function: Callable[..., Any],
    setup: Setup | None = None,
    *,
    executor: str = "local",
    ray_address: str | None = None,
) -> Iterator[Outcome]:
    """Outcomes in the order in which units end. function, initializer: importable by name (they run in other processes).

    ray_address: the cluster, `auto` for the one that this machine belongs to; None starts one of this machine alone.
    A ClipError gives its own reason, any other exception `internal_error` with its traceback; the rest is in the table above.
    Leaving the loop stops the workers. Raises StopRunError as the function does, or where workers cannot even start.
    """
    setup = setup or Setup()
    if executor == "inline":
        from stccl_data.executors.inline import run_inline

        return run_inline(units, function, setup)
    if executor == "local":
        from stccl_data.executors.local import run_local

        return run_local(units, function, setup)
    if executor == "ray":
        from stccl_data.executors.ray import run_ray

        return run_ray(units, function, setup, ray_address)
    raise ValueError(f"executor {executor!r} is not one of {', '.join(EXECUTORS)}")
