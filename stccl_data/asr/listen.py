"""A second opinion on a dataset's sentences: does each clip sound like its own text, or more like another's?

The content check compares clips with clips; this compares each clip with texts, so that it also sees what many clips of one
speaker have in common: the same wrong label. It reports, and changes nothing.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stccl_data.asr.recogniser import Recogniser, words_of
from stccl_data.clip import Clip
from stccl_data.dataset.layout import CLIPS
from stccl_data.dataset.tables import read_clips
from stccl_data.errors import ClipError, Reason, StcclError
from stccl_data.extract import sound_path
from stccl_data.media.video import probe, read_audio
from stccl_data.progress import Progress, SilentProgress

RIVALS = 5  # texts that a clip's own is compared with


class ListenError(StcclError):
    """The dataset cannot be listened to. The message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A clip that sounds more like another text than like its own. `margin`: by how much, in the recogniser's own unit (right
    labels win by 0.04 or more); None where its own text cannot be laid on the sound at all."""

    clip_id: str
    path: str
    sentence: str | None
    text: str
    sounds_like: str
    margin: float | None


@dataclass(frozen=True, slots=True)
class Listened:
    """`heard`: clips that were compared. `contradicted`: those of them that fit another text better. `untold`: clips without a text
    that the recogniser knows every word of. `unheard`: (clip id, why), clips without sound that any text can be laid on."""

    heard: int
    contradicted: tuple[Contradiction, ...]
    untold: tuple[str, ...]
    unheard: tuple[tuple[str, str], ...]


def listen(out: Path, rivals: int = RIVALS, progress: Progress | None = None) -> Listened:
    """Compare each clip of the dataset `out` with its own text and `rivals` others of the dataset; one that loses, with all.

    Texts are the column `text` of clips.parquet, from `--transcripts` or a manifest; a clip without one has its sentence's.
    Raises ListenError where there is nothing to compare, TableError without a readable clips.parquet,
    RecogniserError without `stccl[asr]`.
    """
    progress = progress or SilentProgress()
    clips = _clips(out)
    recogniser = Recogniser()
    own = {clip: text for clip, text in _texts(clips).items() if not recogniser.unknown_words(text)}
    texts = sorted(set(own.values()))
    if len({tuple(words_of(text)) for text in texts}) < 2:
        known = f"{out / CLIPS} has fewer than two texts that the recogniser knows every word of"
        raise ListenError(
            f"{known}: give texts by `stccl prepare --transcripts` or in a manifest's column `text`"
        )
    contradicted, unheard = [], []
    progress.stage("listen", len(own))
    for clip in (clip for clip in clips if clip.clip_id in own):
        try:
            found = _contradiction(clip, own[clip.clip_id], texts, rivals, recogniser)
            contradicted += [found] if found is not None else []
        except ClipError as error:
            unheard.append((clip.clip_id, error.detail))
        progress.step()
    untold = tuple(clip.clip_id for clip in clips if clip.clip_id not in own)
    return Listened(len(own) - len(unheard), tuple(contradicted), untold, tuple(unheard))


def _contradiction(
    clip: Clip, text: str, texts: Sequence[str], rivals: int, recogniser: Recogniser
) -> Contradiction | None:
    """Raises ClipError where the clip has no sound that any of the texts can be laid on."""
    samples = read_audio(sound_path(clip, probe(clip.path)) or clip.path).samples
    own = recogniser.fit(samples, text)
    others = sorted(
        (t for t in texts if words_of(t) != words_of(text)), key=lambda t: _rank(clip.clip_id, t)
    )
    fits = {other: recogniser.fit(samples, other) for other in others[:rivals]}
    if own > max(fits.values()):
        return None
    fits |= {other: recogniser.fit(samples, other) for other in others[rivals:]}
    best = max(fits, key=lambda other: fits[other])
    if fits[best] == -np.inf:
        raise ClipError(Reason.NO_SIGNAL, f"{clip.path}: no text can be laid on its sound")
    return Contradiction(
        clip.clip_id,
        clip.path,
        clip.sentence,
        text,
        best,
        fits[best] - own if own > -np.inf else None,
    )


def _clips(out: Path) -> list[Clip]:
    try:
        return [Clip.from_row(row) for row in read_clips(out)]
    except TypeError as error:
        raise ListenError(f"{out / CLIPS} is damaged; run `stccl prepare` first") from error


def _texts(clips: Sequence[Clip]) -> dict[str, str]:
    """Each clip's text, by clip id; where it has none, the one that most clips of its speaker and sentence have."""
    said: defaultdict[tuple[str, str, str | None], Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.text and clip.sentence is not None:
            said[clip.corpus, clip.speaker, clip.sentence][clip.text] += 1
    texts = {}
    for clip in clips:
        counts = said[clip.corpus, clip.speaker, clip.sentence]
        if text := clip.text or min(counts, key=lambda text: (-counts[text], text), default=None):
            texts[clip.clip_id] = text
    return texts


def _rank(clip_id: str, text: str) -> bytes:
    """A fixed order of a clip's rivals in which nothing of the texts has a part."""
    return hashlib.sha256(f"{clip_id}\0{text}".encode()).digest()
