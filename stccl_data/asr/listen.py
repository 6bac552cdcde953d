"""Check a dataset's texts: does each clip sound like its own text, or more like another one?

The content check compares clips with clips. This compares each clip with texts, so it also finds
what many clips of one speaker have in common, such as the same wrong label. It changes nothing.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.asr.recogniser import Recogniser, split_words
from stccl_data.clip import Clip
from stccl_data.dataset.layout import CLIPS
from stccl_data.dataset.tables import read_clips
from stccl_data.errors import ClipError, Reason, StcclError
from stccl_data.media.audio import audio_source, read_audio
from stccl_data.media.container import probe
from stccl_data.progress import Progress, SilentProgress

#: Texts that a clip's own text is compared with first.
RIVALS = 5


class ListenError(StcclError):
    """The clips of a dataset cannot be compared with texts."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A clip that sounds more like another text than like its own."""

    clip_id: str
    path: str
    #: label of the clip
    sentence: str | None
    #: text of the clip
    text: str
    #: text that fits best
    sounds_like: str
    #: by how much it fits better, in the recogniser's own unit (right labels win by 0.04 or more);
    #: None if the clip's own text cannot be aligned with the sound at all
    margin: float | None


@dataclass(frozen=True, slots=True)
class UnusableClip:
    """A clip whose sound no text can be aligned with."""

    clip_id: str
    #: one sentence
    detail: str


@dataclass(frozen=True, slots=True)
class ListenReport:
    """The result of comparing the clips of a dataset with texts."""

    #: number of clips that were compared
    compared: int
    #: compared clips that fit another text better
    contradictions: tuple[Contradiction, ...]
    #: ids of clips without a text of which the recogniser knows every word
    without_text: tuple[str, ...]
    #: clips without usable sound
    unusable: tuple[UnusableClip, ...]

    def record(self) -> dict[str, Any]:
        """Return what `stccl pairs listen --json` prints."""
        return {
            "heard": self.compared,
            "contradicted": [asdict(contradiction) for contradiction in self.contradictions],
            "untold": list(self.without_text),
            "unheard": [[clip.clip_id, clip.detail] for clip in self.unusable],
        }


def listen(out: Path, rivals: int = RIVALS, progress: Progress | None = None) -> ListenReport:
    """Compare each clip of a dataset with its own text and with other texts of the dataset.

    Texts come from the column `text` of clips.parquet, which `--transcripts` or a manifest fills. A
    clip without one gets the text of its sentence.

    Args:
        out: folder of the dataset.
        rivals: number of other texts to try first; if one of them fits better, all are tried.
        progress: receives one step per clip.

    Raises:
        ListenError: there are fewer than two usable texts.
        RecogniserError: `stccl[asr]` is not installed.
        TableError: clips.parquet cannot be read.
    """
    progress = progress or SilentProgress()
    clips = [Clip.from_row(row) for row in read_clips(out)]
    recogniser = Recogniser()
    own_texts = {
        clip_id: text
        for clip_id, text in _texts(clips).items()
        if not recogniser.unknown_words(text)
    }
    texts = sorted(set(own_texts.values()))
    if len({tuple(split_words(text)) for text in texts}) < 2:
        raise ListenError(
            f"{out / CLIPS} has fewer than two texts of which the recogniser knows every word: "
            "give texts with `stccl prepare --transcripts` or in column `text` of a manifest"
        )
    contradictions: list[Contradiction] = []
    unusable: list[UnusableClip] = []
    progress.stage("listen", len(own_texts))
    for clip in clips:
        if clip.clip_id not in own_texts:
            continue
        try:
            contradiction = _compare(clip, own_texts[clip.clip_id], texts, rivals, recogniser)
            if contradiction is not None:
                contradictions.append(contradiction)
        except ClipError as error:
            unusable.append(UnusableClip(clip.clip_id, error.detail))
        progress.step()
    return ListenReport(
        compared=len(own_texts) - len(unusable),
        contradictions=tuple(contradictions),
        without_text=tuple(clip.clip_id for clip in clips if clip.clip_id not in own_texts),
        unusable=tuple(unusable),
    )


def _compare(
    clip: Clip, text: str, texts: Sequence[str], rivals: int, recogniser: Recogniser
) -> Contradiction | None:
    """Compare a clip with its own text and with others.

    Raises:
        ClipError: the clip has no sound that any of the texts can be aligned with.
    """
    source = audio_source(clip, probe(clip.path)) or clip.path
    samples = read_audio(source, video=clip.path, cut=clip.cut).samples
    own_fit = recogniser.fit(samples, text)
    others = sorted(
        (other for other in texts if split_words(other) != split_words(text)),
        key=lambda other: _rank(clip.clip_id, other),
    )
    fits = {other: recogniser.fit(samples, other) for other in others[:rivals]}
    if own_fit > max(fits.values()):
        return None
    fits |= {other: recogniser.fit(samples, other) for other in others[rivals:]}
    best = max(fits, key=lambda other: fits[other])
    if fits[best] == -np.inf:
        detail = f"{clip.path}: no text can be aligned with its sound"
        raise ClipError(Reason.NO_SIGNAL, detail)
    margin = fits[best] - own_fit if own_fit > -np.inf else None
    return Contradiction(clip.clip_id, clip.path, clip.sentence, text, best, margin)


def _texts(clips: Sequence[Clip]) -> dict[str, str]:
    """Return each clip's text by clip id.

    A clip without one gets the most frequent text of its speaker and sentence.
    """
    counts: defaultdict[tuple[str, str, str | None], Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.text and clip.sentence is not None:
            counts[clip.corpus, clip.speaker, clip.sentence][clip.text] += 1
    texts = {}
    for clip in clips:
        of_sentence = counts[clip.corpus, clip.speaker, clip.sentence]
        commonest = min(of_sentence, key=lambda text: (-of_sentence[text], text), default=None)
        if text := clip.text or commonest:
            texts[clip.clip_id] = text
    return texts


def _rank(clip_id: str, text: str) -> bytes:
    """Return a sort key for a clip's rivals that is fixed but independent of what they say."""
    return hashlib.sha256(f"{clip_id}\0{text}".encode()).digest()
