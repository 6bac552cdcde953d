"""Consistency: does the path of a pair agree with paths through other takes of the sentence?

With three takes a, b and m, the path from a to b should lead where the path from a to m and the one
from m to b lead together. If it does not, one of the three is wrong; with several takes m, most of
which disagree, it is the path from a to b. If these agree among each other, the pair is aligned
again with the best of them as its guide.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from stccl_data.alignment.align import AlignConfig, Alignment, align
from stccl_data.alignment.coverage import sentence_stretch
from stccl_data.alignment.warping_path import TimePath, as_function, map_times
from stccl_data.errors import ClipError
from stccl_data.features.signals import Signals
from stccl_data.features.speech import HOP_S

#: Bump when the same paths give other disagreements: utterances are then aligned again.
SCHEMA = 3

#: Most third takes per pair. An odd number has a middle one.
_MOST_THIRDS = 5
#: With fewer third takes among the paths that are needed anyway, further paths are computed.
_ENOUGH_THIRDS = 3
#: Share of the pair's speech that the path through a third take has to cover to be compared.
_LEAST_SHARE = 0.5
#: Share of the time that may disagree more: the loosest tenth lies at pauses and fading ends.
_QUANTILE = 0.9
#: Seconds of disagreement from which a pair is aligned again, if the guide disagrees with the other
#: paths by at most this share of it.
_REPAIR_S = 0.1
_REPAIR_SHARE = 0.5
#: The guided path may cost this much more: one that follows takes of another sentence costs 1.3.
_MOST_COST = 1.05
#: Seconds before the end of a clip at which a guide has reached it.
_END_S = 0.05


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
    return [_compared(pair, thirds[pair], paths) for pair in pairs]


def consistency(disagreements: Mapping[str, float], trusted: Mapping[str, bool]) -> float | None:
    """Return the middle one of a pair's disagreements in seconds, the lower of two.

    Args:
        disagreements: by third take.
        trusted: whether the label of each take is believed; a take of another sentence is no
            witness. Takes that are missing are trusted.

    Returns:
        None without a trusted third take.
    """
    believed = {name: s for name, s in disagreements.items() if trusted.get(name, True)}
    return _middle(believed) if believed else None


def _middle(values: Mapping[str, float]) -> float:
    """Return the median, the lower of two."""
    return sorted(values.values())[(len(values) - 1) // 2]


def _reaches_an_end(path: TimePath, source: Signals, target: Signals) -> bool:
    """Return whether a path ends where one of the clips does; without sound all do."""
    return any(
        clip.speech is None or times[-1] > clip.speech.end - _END_S
        for clip, times in ((source, path[0]), (target, path[1]))
    )


def disagreement(source: Signals, target: Signals, path: TimePath, other: TimePath) -> float | None:
    """Return how far two paths from one source to one target lie apart, within speech.

    The other path counts where it advances in both clips: one that stands still in a clip has left
    the sentence there, and tells nothing.

    Args:
        source: the source of both.
        target: the target of both.
        path: the path.
        other: the path to compare with; it may end earlier.

    Returns:
        Seconds, exceeded for a tenth of the time; None if the other path covers too little.
    """
    if source.speech is None:
        times = np.arange(path[0][0], path[0][-1], HOP_S)
    else:
        times = source.speech.times[source.speech.speech]
    mapped = map_times(times, *path)
    apart = np.abs(map_times(times, *other) - mapped)
    if source.speech is not None and target.speech is not None:
        sentence = sentence_stretch(source.speech, target.speech, *other)
        apart = apart[(times >= sentence.first) & (times <= sentence.last)]
    apart = apart[~np.isnan(apart)]
    covered = np.count_nonzero(~np.isnan(mapped))
    if not len(apart) or len(apart) < _LEAST_SHARE * covered:
        return None
    return float(np.quantile(apart, _QUANTILE))


def _compared(pair: tuple[str, str], thirds: Sequence[str], paths: "_Paths") -> TakeAlignment:
    """Compare the path of a pair with those through third takes; align again if these are better.

    Returns:
        What is better, and how far it disagrees with the paths through the third takes.
    """
    result = paths.results[pair]
    if isinstance(result, ClipError):
        return TakeAlignment(result, {})
    source, target = (paths.takes[name] for name in pair)
    through = {name: path for name in thirds if (path := paths.through(pair, name)) is not None}

    def apart(path: TimePath, others: Mapping[str, TimePath]) -> dict[str, float]:
        seconds = {
            name: disagreement(source, target, path, other) for name, other in others.items()
        }
        return {name: value for name, value in seconds.items() if value is not None}

    direct = TakeAlignment(result, apart((result.source_time, result.target_time), through))
    least = consistency(direct.disagreements, {})
    if least is None or least < _REPAIR_S:
        return direct
    agreement: dict[str, float] = {}
    for name, path in through.items():
        others = apart(path, {other: through[other] for other in through if other != name})
        if others and _reaches_an_end(path, source, target):
            agreement[name] = _middle(others)
    if not agreement:
        return direct
    best = min(sorted(agreement), key=lambda name: agreement[name])
    if agreement[best] > _REPAIR_SHARE * least:
        return direct
    again = align(source, target, paths.config, through[best])
    disagreements = apart((again.source_time, again.target_time), through)
    seconds = consistency(disagreements, {})
    better = seconds is not None and seconds < _REPAIR_SHARE * least
    if better and again.cost <= _MOST_COST * result.cost:
        return TakeAlignment(again, disagreements)
    return direct


class _Paths:
    """The paths between takes computed so far."""

    def __init__(self, takes: Mapping[str, Signals], config: AlignConfig) -> None:
        self.takes = takes
        self.config = config
        self.results: dict[tuple[str, str], Alignment | ClipError] = {}

    def add(self, source: str, target: str) -> None:
        """Align two takes, unless that is done."""
        if (source, target) not in self.results:
            try:
                result = align(self.takes[source], self.takes[target], self.config)
                self.results[source, target] = result
            except ClipError as error:
                self.results[source, target] = error

    def exists(self, a: str, b: str) -> bool:
        """Return whether the two takes are aligned in either direction."""
        return (a, b) in self.results or (b, a) in self.results

    def path(self, source: str, target: str) -> TimePath | None:
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

    def through(self, pair: tuple[str, str], third: str) -> TimePath | None:
        """Return the path of a pair that leads through a third take; None if there is none."""
        first, second = self.path(pair[0], third), self.path(third, pair[1])
        if first is None or second is None:
            return None
        times = map_times(first[1], *second)
        inside = ~np.isnan(times)
        return (first[0][inside], times[inside]) if np.count_nonzero(inside) > 1 else None


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
