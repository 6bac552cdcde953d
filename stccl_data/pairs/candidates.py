"""Which clips make a pair (one speaker, one view, one sentence, two emotions), and the names that shards know them by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from stccl_data.clip import EMOTIONS, Clip, slug
from stccl_data.errors import Reason

REFERENCES = ("neutral", "any")


@dataclass(frozen=True, slots=True)
class Candidates:
    """The pairs (source, target) that the labels allow, by utterance; and the clips in none, by id, each with the reason."""

    pairs: tuple[tuple[Clip, Clip], ...]
    alone: tuple[tuple[Clip, Reason], ...]


def candidate_pairs(clips: Iterable[Clip], reference: str = "neutral") -> Candidates:
    """Every pair of two clips of one utterance in different emotions.

    reference: `neutral` pairs every neutral clip (source) with every clip of another emotion (target), all levels and takes.
    `any` pairs every two emotions, each two clips once; the source is the one whose emotion comes first in EMOTIONS, which
    begins with neutral. The answer does not depend on the order of `clips`. Raises ValueError for another reference.
    """
    if reference not in REFERENCES:
        raise ValueError(f"reference '{reference}' is none of {', '.join(REFERENCES)}")
    pairs: list[tuple[Clip, Clip]] = []
    alone: list[tuple[Clip, Reason]] = []
    utterances: defaultdict[tuple[str, str, str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.sentence is None:
            alone.append((clip, Reason.SENTENCE_UNKNOWN))
        else:
            utterances[clip.corpus, clip.speaker, clip.view, clip.sentence].append(clip)
    for _, members in sorted(utterances.items()):
        members.sort(key=_order)
        made = [
            (one, other)
            for one, other in combinations(members, 2)
            if one.emotion != other.emotion and (reference == "any" or one.emotion == "neutral")
        ]
        pairs += made
        paired = {clip.clip_id for pair in made for clip in pair}
        alone += [(clip, Reason.NO_PARTNER) for clip in members if clip.clip_id not in paired]
    alone.sort(key=lambda item: item[0].clip_id)
    return Candidates(tuple(pairs), tuple(alone))


def _order(clip: Clip) -> tuple[int, int, int, str]:
    return EMOTIONS.index(clip.emotion), clip.level, clip.take, clip.clip_id


def utterance_key(clip: Clip) -> str:
    """The shard key of the clip's utterance, such as `mead/M003/front/s009`: ASCII, no dots, different for different labels.

    Raises ValueError where the sentence is unknown: such a clip belongs to no utterance.
    """
    if clip.sentence is None:
        raise ValueError(f"{clip.clip_id} has no sentence, so it belongs to no utterance")
    return "/".join(slug(part) for part in (clip.corpus, clip.speaker, clip.view, clip.sentence))


def clip_name(clip: Clip) -> str:
    """The clip's name within its utterance, such as `angry-3-t001`."""
    return f"{clip.emotion}-{clip.level}-t{clip.take:03d}"


def clip_names(clips: Sequence[Clip]) -> dict[str, str]:
    """clip_id -> name, for the clips of one utterance; where labels agree (own manifests may say so) `-2`, `-3` tell them apart.

    The answer does not depend on the order of `clips`.
    """
    names: dict[str, str] = {}
    used: defaultdict[str, int] = defaultdict(int)
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        name = clip_name(clip)
        used[name] += 1
        names[clip.clip_id] = name if used[name] == 1 else f"{name}-{used[name]}"
    return names
