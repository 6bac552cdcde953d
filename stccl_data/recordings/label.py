"""Propose sentences: group the clips of a speaker by what is said in them.

Two clips are compared by how well each spells the phonemes of the other (`phoneme_cost`), which no
emotion and no language hides. Groups are joined while their clips are alike on average. A clip that
is left alone is added to the one group that is far nearer than any other.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from stccl_data.clip import Clip
from stccl_data.corpora.manifest import unlabelled
from stccl_data.corpora.manifest_rows import read_rows
from stccl_data.corpora.manifest_writer import write_manifest
from stccl_data.errors import ClipError, Reason, UsageError
from stccl_data.features.phonemes import phoneme_features
from stccl_data.features.speech import speech_features
from stccl_data.media.audio import audio_source, read_audio
from stccl_data.media.container import probe
from stccl_data.pairs.comparison import Spelling, phoneme_cost, spell
from stccl_data.progress import Progress, SilentProgress
from stccl_data.words import counted

#: Nats per phoneme up to which groups say one sentence on average: clips of one sentence in two
#: emotions cost about 1, of two sentences 2 to 4 (see `phoneme_cost`).
SAME_SENTENCE = 1.8
#: The same for a clip that is alone, if every other group costs so much more.
_LONE_CLIP, _NEARER = 2.3, 0.6


class LabelError(UsageError):
    """A manifest cannot be labelled."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sentence that is proposed for a clip."""

    sentence: str
    #: 0 to 1: how much nearer the clip is to its group than to the next one
    confidence: float


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What was proposed."""

    #: row of the manifest -> proposal
    proposals: Mapping[int, Proposal]
    #: groups with at least one proposal
    groups: int
    #: of these, in at least two emotions: the others make no pair
    paired_groups: int
    #: row -> why no sentence is proposed
    unusable: Mapping[int, str]


def label_manifest(manifest: Path, target: Path, progress: Progress | None = None) -> LabelReport:
    """Write a copy of a manifest in which clips without a sentence have a proposed one.

    Proposals have the column `proposed` set, with their confidence, until somebody empties it. A
    group with a labelled clip gets its label; groups whose labels contradict each other get none.

    Args:
        manifest: the table; its column `sentence` may be empty.
        target: the table to write.
        progress: gets a step for each clip.

    Raises:
        LabelError: the target is the manifest, is in another folder, or no clip lacks a sentence.
        ScanError: the manifest cannot be read.
    """
    if target.resolve() == manifest.resolve():
        raise LabelError(f"{target} is the manifest itself: choose another name for the result")
    if target.resolve().parent != manifest.resolve().parent:
        raise LabelError(f"write {target.name} beside {manifest}, since its paths are relative")
    clips = unlabelled(manifest)
    speakers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for row, clip in clips.items():
        speakers[clip.corpus, clip.speaker].append(row)
    waiting = {
        speaker: rows
        for speaker, rows in speakers.items()
        if any(clips[row].sentence is None for row in rows)
    }
    if not waiting:
        raise LabelError(f"{manifest}: every clip has a sentence already")
    progress = progress or SilentProgress()
    progress.stage("label", sum(map(len, waiting.values())))
    proposals: dict[int, Proposal] = {}
    unusable: dict[int, str] = {}
    groups: list[list[int]] = []
    for (_, speaker), rows in waiting.items():
        spellings: dict[int, Spelling] = {}
        for row in rows:
            try:
                spellings[row] = read_spelling(clips[row])
            except ClipError as error:
                unusable[row] = error.detail
            progress.step()
        found = group_clips(spellings, {row: clips[row].sentence for row in rows}, speaker)
        proposals |= {r: p for r, p in found.items() if clips[r].sentence is None}
        names = {row: p.sentence for row, p in found.items()}
        groups += [[r for r in names if names[r] == s] for s in dict.fromkeys(names.values())]
    _write(manifest, target, proposals)
    proposed = [rows for rows in groups if any(row in proposals for row in rows)]
    paired = sum(len({clips[row].emotion for row in rows}) > 1 for rows in proposed)
    return LabelReport(proposals, len(proposed), paired, unusable)


def group_clips(
    spellings: Mapping[int, Spelling], labels: Mapping[int, str | None], prefix: str
) -> dict[int, Proposal]:
    """Group the clips of one speaker by what is said.

    Args:
        spellings: of each clip.
        labels: of each clip; None if it has none.
        prefix: of new sentence ids.

    Returns:
        The sentence of each clip; clips of groups with contradicting labels are left out.
    """
    rows = list(spellings)
    costs = np.zeros((len(rows), len(rows)))
    for i, j in combinations(range(len(rows)), 2):
        cost = phoneme_cost(spellings[rows[i]], spellings[rows[j]])
        costs[i, j] = costs[j, i] = max(0.0, cost)  # of equal sound slightly below 0
    groups = _clusters(costs)
    proposals: dict[int, Proposal] = {}
    for number, group in enumerate(dict.fromkeys(groups.tolist()), 1):
        members = np.flatnonzero(groups == group).tolist()
        known = Counter(label for i in members if (label := labels[rows[i]]) is not None)
        if len(known) > 1:
            continue
        sentence = next(iter(known), f"{prefix}-p{number:03d}")
        for i in members:
            proposals[rows[i]] = Proposal(sentence, _confidence(costs, groups, i))
    return proposals


def _clusters(costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of each clip's group."""
    count = len(costs)
    if count < 2:
        return np.ones(count, np.int64)
    tree = linkage(squareform(costs, checks=False), "average")
    groups = np.asarray(fcluster(tree, SAME_SENTENCE, "distance"), np.int64)
    while (adoption := _next_adoption(costs, groups)) is not None:
        clip, group = adoption
        groups[clip] = group
    return groups


def _next_adoption(costs: NDArray[np.float64], groups: NDArray[np.int64]) -> tuple[int, int] | None:
    """Return the clip that is alone and clearly belongs to a group, and this group."""
    names, of_clip, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    alone = np.flatnonzero(sizes[of_clip] == 1)
    if not len(alone) or len(names) < 2:
        return None
    near = (costs[alone] @ np.eye(len(names))[of_clip]) / sizes  # mean cost to each group
    near[np.arange(len(alone)), of_clip[alone]] = np.inf
    nearest = near.argmin(axis=1)
    first, second = np.partition(near, 1, axis=1)[:, :2].T
    clear = (sizes[nearest] > 1) & (first < np.minimum(_LONE_CLIP, second - _NEARER))
    if not clear.any():
        return None
    best = int(np.where(clear, first, np.inf).argmin())
    return int(alone[best]), int(names[nearest[best]])


def _confidence(costs: NDArray[np.float64], groups: NDArray[np.int64], i: int) -> float:
    """Return the silhouette of a clip (Rousseeuw 1987), at least 0; 0.5 if it is alone."""
    own = np.flatnonzero((groups == groups[i]) & (np.arange(len(groups)) != i))
    others = [float(costs[i, groups == g].mean()) for g in set(groups.tolist()) - {groups[i]}]
    if not len(own):
        return 0.5
    inside = float(costs[i, own].mean())
    outside = min(others, default=2 * SAME_SENTENCE)
    return round(max(0.0, (outside - inside) / max(outside, inside, 1e-9)), 2)


def read_spelling(clip: Clip) -> Spelling:
    """Read what is said in a clip. Raises ClipError."""
    info = probe(clip.path)
    source = audio_source(clip, info) or clip.path
    video = None if info.width is None else clip.path
    audio = read_audio(source, video=video, cut=clip.cut)
    speech = speech_features(audio.samples, audio.rate, audio.start)
    phonemes = None
    if speech is not None:
        phonemes = phoneme_features(audio.samples, audio.rate, speech)
    if phonemes is None:
        raise ClipError(Reason.NO_SIGNAL, f"{clip.path}: nothing is heard")
    return spell(phonemes)


def _write(manifest: Path, target: Path, proposals: Mapping[int, Proposal]) -> None:
    rows: list[dict[str, object]] = []
    for row in read_rows(manifest, lambda _: None):
        cells = dict(row.cells)
        if (proposal := proposals.get(row.number)) is not None:
            cells |= {"sentence": proposal.sentence, "proposed": f"{proposal.confidence:.2f}"}
        rows.append(cells)
    write_manifest(target, rows)


def describe_report(report: LabelReport) -> Sequence[str]:
    """Return the report as lines for the user."""
    lines = [
        f"{counted(len(report.proposals), 'clip')} in {counted(report.groups, 'proposed sentence')}"
    ]
    lines.append(f"{report.paired_groups:,} of them are in two emotions; the others make no pair")
    lines += [f"row {row}: {why}" for row, why in report.unusable.items()]
    return lines
