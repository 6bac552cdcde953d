"""Division of large utterances into parts, each of which is a sample of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stccl_data.dataset.sample import PairRecord

#: Limits of a part. A clip that has pairs in several parts is repeated in each.
MAX_CLIPS = 64
MAX_BYTES = 256 * 2**20


@dataclass(slots=True)
class UtterancePart:
    """The clips and pairs of one sample."""

    #: names, sorted
    clips: list[str] = field(default_factory=list)
    #: sorted by source and target
    pairs: list[PairRecord] = field(default_factory=list)


def divide_utterance(
    clips: Sequence[str], pairs: Sequence[PairRecord], sizes: Mapping[str, int]
) -> list[UtterancePart]:
    """Divide an utterance into parts of at most MAX_CLIPS clips and MAX_BYTES.

    Every pair is in one part, together with both its clips; a clip may be in several parts. A pair
    that exceeds the limits by itself is a part of its own.

    Args:
        clips: names of all clips; those without a pair are kept too.
        pairs: the aligned pairs of these clips.
        sizes: name of a clip -> bytes.
    """
    paired = {name for pair in pairs for name in (pair.source, pair.target)}
    steps: list[tuple[tuple[str, ...], PairRecord | None]] = [
        ((name,), None) for name in clips if name not in paired
    ]
    group = _source_groups(sorted({pair.source for pair in pairs}), sizes)
    in_order = sorted(pairs, key=lambda pair: (group[pair.source], pair.target, pair.source))
    steps += [((pair.source, pair.target), pair) for pair in in_order]
    parts = [UtterancePart()]
    for names, pair in steps:
        part = parts[-1]
        union = {*part.clips, *names}
        if part.clips and (
            len(union) > MAX_CLIPS or sum(map(sizes.__getitem__, union)) > MAX_BYTES
        ):
            part = UtterancePart()
            parts.append(part)
        part.clips += [name for name in names if name not in part.clips]
        part.pairs += [pair] if pair is not None else []
    for part in parts:
        part.clips.sort()
        part.pairs.sort(key=lambda pair: (pair.source, pair.target))
    return parts


def _source_groups(sources: Sequence[str], sizes: Mapping[str, int]) -> dict[str, int]:
    """Number the sources by groups that fill half a part each.

    The targets share the other half, so that few clips are repeated.
    """
    groups: dict[str, int] = {}
    number = count = size = 0
    for name in sources:
        if count and (count == MAX_CLIPS // 2 or size + sizes[name] > MAX_BYTES // 2):
            number, count, size = number + 1, 0, 0
        groups[name] = number
        count, size = count + 1, size + sizes[name]
    return groups
