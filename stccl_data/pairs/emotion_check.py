"""The emotion check: does a face look like its label, judged by the faces of other speakers?

The expression of a clip is the mean of its blendshapes, less that of the speaker's neutral clips:
what the emotion moves, whatever the face. It is compared with the mean expressions of the other
speakers. The check informs; it changes no label and refuses no clip.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stccl_data.clip import Clip

Array = NDArray[np.float64]

#: A clip with a smaller margin is named to the user. On rendered clips of four speakers 99 % of
#: wrong emotions and no right one are below, on MEAD with one other speaker 70 and 5 %.
DOUBTFUL_MARGIN = -0.15


def emotion_margins(
    clips: Sequence[Clip], blendshapes: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    """Return how much nearer each clip is to its own emotion than to the nearest other one.

    Args:
        clips: of a dataset.
        blendshapes: clip id -> mean of each coefficient, of clips that have them.

    Returns:
        clip id -> (other - own) / (other + own) of the distances to the mean expressions of other
        speakers from the same view, in [-1, 1]; below 0, another emotion is nearer. Left out are
        clips of a speaker without another neutral clip, or whose emotion no other speaker has.
    """
    views: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        if clip.clip_id in blendshapes:
            views[clip.view].append(clip)
    margins: dict[str, float] = {}
    for members in views.values():
        expressions = _expressions(members, blendshapes)
        known = _by([clip for clip in members if clip.clip_id in expressions], "speaker")
        means = {speaker: _means(theirs, expressions) for speaker, theirs in known.items()}
        for speaker, theirs in known.items():
            others = [mean for other, mean in means.items() if other != speaker]
            margins |= _margins(theirs, expressions, _pooled(others))
    return margins


def _margins(
    clips: Sequence[Clip], expressions: Mapping[str, Array], means: Mapping[str, Array]
) -> dict[str, float]:
    margins = {}
    for clip in clips:
        expression = expressions[clip.clip_id]
        distance = {e: float(np.linalg.norm(expression - mean)) for e, mean in means.items()}
        own = distance.pop(clip.emotion, None)
        if own is not None and distance:
            other = min(distance.values())
            margins[clip.clip_id] = round((other - own) / max(other + own, 1e-9), 4)
    return margins


def _means(clips: Sequence[Clip], expressions: Mapping[str, Array]) -> dict[str, Array]:
    """Return emotion -> mean expression of one speaker."""
    return {
        emotion: np.asarray(np.mean([expressions[clip.clip_id] for clip in members], axis=0))
        for emotion, members in _by(clips, "emotion").items()
    }


def _pooled(speakers: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Return emotion -> mean over the speakers who have it; each counts once."""
    emotions = {emotion for means in speakers for emotion in means}
    return {
        emotion: np.asarray(
            np.mean([means[emotion] for means in speakers if emotion in means], axis=0)
        )
        for emotion in emotions
    }


def _expressions(
    clips: Sequence[Clip], blendshapes: Mapping[str, Sequence[float]]
) -> dict[str, Array]:
    """Return each clip's blendshapes less the mean of the speaker's other neutral clips."""
    expressions = {}
    for theirs in _by(clips, "speaker").values():
        shape = {c.clip_id: np.asarray(blendshapes[c.clip_id], np.float64) for c in theirs}
        neutral = [clip.clip_id for clip in theirs if clip.emotion == "neutral"]
        total = np.sum([shape[clip_id] for clip_id in neutral], axis=0)
        for clip_id, value in shape.items():
            own = clip_id in neutral
            if len(neutral) > own:
                expressions[clip_id] = value - (total - own * value) / (len(neutral) - own)
    return expressions


def _by(clips: Sequence[Clip], label: str) -> dict[str, list[Clip]]:
    groups: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[getattr(clip, label)].append(clip)
    return groups
