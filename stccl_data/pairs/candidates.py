"""Candidate pairs by label, and the names of utterances and clips in the shards.

Clips pair if they have one corpus, speaker, view and sentence, and two emotions.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from stccl_data.clip import Clip, emotion_label, emotion_order, slug
from stccl_data.errors import Reason, UsageError

#: The reference that pairs every two emotions.
ANY = "any"
#: The default reference. It stands for `ANY` in a corpus without neutral clips.
NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Candidates:
    """The pairs that the labels allow, and the clips that are in none."""

    #: (source, target), ordered by utterance
    pairs: tuple[tuple[Clip, Clip], ...]
    #: clips in no pair, ordered by id, each with the reason
    unpaired: tuple[tuple[Clip, Reason], ...]


def candidate_pairs(clips: Iterable[Clip], reference: str = "neutral") -> Candidates:
    """Pair the clips of each utterance that differ in emotion.

    The result does not depend on the order of ``clips``.

    Args:
        clips: labelled clips.
        reference: an emotion, or `any`; see `resolve_reference`. An emotion pairs each of its clips
            (source) with every clip of another emotion (target), all levels and takes. `any` pairs
            every two emotions, each two clips once; the source is the clip whose emotion comes
            first in `emotion_order`, which begins with neutral.

    Raises:
        UsageError: no clip has the reference emotion.
    """
    clips = list(clips)
    reference = resolve_reference(clips, reference)
    pairs: list[tuple[Clip, Clip]] = []
    unpaired: list[tuple[Clip, Reason]] = []
    utterances: defaultdict[tuple[str, str, str, str], list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.sentence is None:
            unpaired.append((clip, Reason.SENTENCE_UNKNOWN))
        else:
            utterances[clip.corpus, clip.speaker, clip.view, clip.sentence].append(clip)
    for _, members in sorted(utterances.items()):
        members.sort(key=lambda clip: _order(clip, reference))
        utterance_pairs = [
            (one, other)
            for one, other in combinations(members, 2)
            if one.emotion != other.emotion and reference in (ANY, one.emotion)
        ]
        pairs += utterance_pairs
        paired = {clip.clip_id for pair in utterance_pairs for clip in pair}
        unpaired += [(clip, Reason.NO_PARTNER) for clip in members if clip.clip_id not in paired]
    unpaired.sort(key=lambda item: item[0].clip_id)
    return Candidates(tuple(pairs), tuple(unpaired))


def resolve_reference(clips: Iterable[Clip], reference: str) -> str:
    """Normalise a reference, and check that the clips have it.

    Args:
        clips: the clips that will be paired.
        reference: an emotion in any spelling, or `any`.

    Returns:
        The label of an emotion that the clips have, or `any`. `neutral` becomes `any` if no clip is
        neutral. Without clips every reference is accepted.

    Raises:
        UsageError: no clip has that emotion.
    """
    if reference.strip().lower() == ANY:
        return ANY
    try:
        label = emotion_label(reference)
    except ValueError as error:
        raise UsageError(f"--reference: {error}") from error
    existing = {clip.emotion for clip in clips}
    if label in existing or not existing:
        return label
    if label == NEUTRAL:
        return ANY
    raise UsageError(
        f"--reference {label}: no clip has this emotion; "
        f"choose one of {', '.join(sorted(existing, key=emotion_order))}, or {ANY}"
    )


def _order(clip: Clip, reference: str) -> tuple[bool, tuple[int, str], int, int, str]:
    """Return a sort key that puts the clips of the reference emotion first."""
    order = emotion_order(clip.emotion)
    return clip.emotion != reference, order, clip.level, clip.take, clip.clip_id


def utterance_key(clip: Clip) -> str:
    """Return the shard key of the clip's utterance, such as `mead/M003/front/s009`.

    Keys are ASCII without dots, and differ if the labels differ.

    Raises:
        ValueError: the sentence is unknown, so the clip belongs to no utterance.
    """
    if clip.sentence is None:
        raise ValueError(f"{clip.clip_id} has no sentence, so it belongs to no utterance")
    return "/".join(slug(part) for part in (clip.corpus, clip.speaker, clip.view, clip.sentence))


def clip_name(clip: Clip) -> str:
    """Return the clip's name within its utterance, such as `angry-3-t001`."""
    return f"{slug(clip.emotion)}-{clip.level}-t{clip.take:03d}"


def clip_names(clips: Sequence[Clip]) -> dict[str, str]:
    """Return the names of one utterance's clips by clip id.

    Clips with equal labels, which a user's manifest may contain, are told apart by `-2`, `-3`. The
    result does not depend on the order of ``clips``.
    """
    names: dict[str, str] = {}
    used: defaultdict[str, int] = defaultdict(int)
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        name = clip_name(clip)
        used[name] += 1
        names[clip.clip_id] = name if used[name] == 1 else f"{name}-{used[name]}"
    return names
