"""Consistency: does the path of a pair agree with paths through other takes of the sentence?

With three takes a, b and m, the path from a to b should lead where the path from a to m and the one
from m to b lead together. If it does not, one of the three is wrong; with several takes m, most of
which disagree, it is the path from a to b.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stccl_data.alignment.align import AlignConfig, Alignment, align
from stccl_data.alignment.warping_path import as_function, map_times
from stccl_data.errors import ClipError
from stccl_data.features.signals import Signals
from stccl_data.features.speech import HOP_S

#: Bump when the same paths give other disagreements: utterances are then aligned again.
SCHEMA = 1

#: Most third takes per pair. An odd number has a middle one.
_MOST_THIRDS = 5
#: With fewer third takes among the paths that are needed anyway, further paths are computed.
_ENOUGH_THIRDS = 3
#: Share of the pair's speech that the path through a third take has to cover to be compared.
_LEAST_SHARE = 0.5
#: Share of the time that may disagree more: the loosest tenth lies at pauses and fading ends.
_QUANTILE = 0.9

#: A path: ascending source times and target times in seconds, (K,) float64 each.
_Path = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class TakeAlignment:
    """The alignment of a pair, and how far the paths through third takes lead elsewhere."""

    #: or why the pair could not be aligned
    result: Alignment | ClipError
    #: third take -> `disagreement` in seconds; empty if there is no third take
    disagreements: Mapping[str, float]


def align_takes(
    takes: Mapping[str, Signals],
    pairs: Sequence[tuple[str, str]],
    config: AlignConfig | None = None,
) -> list[TakeAlignment]:
    """Align pairs of takes of one sentence, and compare their paths with those through third takes.

    The result depends on the names and signals of the takes and pairs, not on their order. Paths
    between takes that are in no common pair are computed only if a pair has too few third takes
    without them, as with a single reference: then at most four more per pair, two on average.

    Args:
        takes: by name, every take that is in a pair.
        pairs: source and target by name.
        config: constants of the alignment.
    """
    paths = _Paths(takes, config or AlignConfig())
    for pair in pairs:
        paths.add(*pair)
    ring = sorted(takes, key=_rank)
    neighbours = {
        name: [ring[(k + step) % len(ring)] for step in (1, -1, 2, -2)]
        for k, name in enumerate(ring)
    }
    thirds = {pair: list(_thirds(pair, takes, paths, neighbours)) for pair in pairs}
    aligned = []
    for pair in pairs:
        result = paths.results[pair]
        found: dict[str, float] = {}
        if isinstance(result, Alignment):
            direct = result.source_time, result.target_time
            for third in thirds[pair]:
                legs = paths.path(pair[0], third), paths.path(third, pair[1])
                if legs[0] is not None and legs[1] is not None:
                    seconds = disagreement(takes[pair[0]], direct, (legs[0], legs[1]))
                    found |= {} if seconds is None else {third: seconds}
        aligned.append(TakeAlignment(result, found))
    return aligned


def consistency(disagreements: Mapping[str, float], trusted: Mapping[str, bool]) -> float | None:
    """Return the middle one of a pair's disagreements in seconds, the lower of two.

    Args:
        disagreements: by third take.
        trusted: whether the label of each take is believed; a take of another sentence is no
            witness. Takes that are missing are trusted.

    Returns:
        None without a trusted third take.
    """
    values = sorted(value for name, value in disagreements.items() if trusted.get(name, True))
    return values[(len(values) - 1) // 2] if values else None


def disagreement(source: Signals, direct: _Path, legs: tuple[_Path, _Path]) -> float | None:
    """Return how far a path and the one through a third take lie apart, within speech.

    Args:
        source: the source of the path.
        direct: the path.
        legs: from the source to the third take, and from there to the target.

    Returns:
        Seconds, exceeded for a tenth of the time; None if the legs cover too little.
    """
    if source.speech is None:
        times = np.arange(direct[0][0], direct[0][-1], HOP_S)
    else:
        times = source.speech.times[source.speech.speech]
    mapped = map_times(times, *direct)
    apart = np.abs(map_times(map_times(times, *legs[0]), *legs[1]) - mapped)
    apart = apart[~np.isnan(apart)]
    covered = np.count_nonzero(~np.isnan(mapped))
    if not len(apart) or len(apart) < _LEAST_SHARE * covered:
        return None
    return float(np.quantile(apart, _QUANTILE))


class _Paths:
    """The paths between takes computed so far."""

    def __init__(self, takes: Mapping[str, Signals], config: AlignConfig) -> None:
        self._takes = takes
        self._config = config
        self.results: dict[tuple[str, str], Alignment | ClipError] = {}

    def add(self, source: str, target: str) -> None:
        """Align two takes, unless that is done."""
        if (source, target) not in self.results:
            try:
                result = align(self._takes[source], self._takes[target], self._config)
                self.results[source, target] = result
            except ClipError as error:
                self.results[source, target] = error

    def exists(self, a: str, b: str) -> bool:
        """Return whether the two takes are aligned in either direction."""
        return (a, b) in self.results or (b, a) in self.results

    def path(self, source: str, target: str) -> _Path | None:
        """Return the path between two takes, computed if necessary; None if there is none."""
        if not self.exists(source, target):
            self.add(*sorted((source, target)))
        forward = self.results.get((source, target))
        if forward is None:
            backward = self.results[target, source]
            if isinstance(backward, ClipError):
                return None
            return as_function(backward.target_time, backward.source_time)
        return (
            None if isinstance(forward, ClipError) else (forward.source_time, forward.target_time)
        )


def _thirds(
    pair: tuple[str, str],
    takes: Mapping[str, Signals],
    paths: _Paths,
    neighbours: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    """Yield the third takes to compare a pair with, chosen by a hash of the names."""
    source, target = pair
    others = [name for name in takes if name not in pair]
    aligned = [name for name in others if paths.exists(source, name) and paths.exists(name, target)]
    if len(aligned) >= _ENOUGH_THIRDS:
        aligned.sort(key=lambda name: _rank(*sorted(pair), name))
        yield from aligned[:_MOST_THIRDS]
        return
    # The neighbours of the target in a ring: each further path then serves two pairs.
    chosen = dict.fromkeys(chain(sorted(aligned), neighbours[target]))
    yield from [name for name in chosen if name not in pair][:_MOST_THIRDS]


def _rank(*names: str) -> bytes:
    """Return a sort key that depends on the names only."""
    return hashlib.sha256("\0".join(names).encode()).digest()
