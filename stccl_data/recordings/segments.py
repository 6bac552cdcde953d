"""Divide a recording into takes of script lines, incomplete takes, other speech and noise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import Reason
from stccl_data.features.phonemes import HOP_S
from stccl_data.recordings.beeps import beep_before
from stccl_data.recordings.forced_alignment import AlignedPhoneme, align_phonemes
from stccl_data.recordings.loudness import Loudness
from stccl_data.recordings.pronunciation import BLANK, Word
from stccl_data.recordings.search import MISS, Match, search
from stccl_data.recordings.sound_track import SoundTrack

#: Share of the phonemes of a take that have to be heard, about; and of each of its words of at
#: least `_LONG_WORD` phonemes. Short words are swallowed.
_HEARD, _WORD_HEARD, _LONG_WORD = 0.75, 0.2, 3
#: Phonemes of something else between two words of a line, at most.
_OTHER_PHONEMES = 1.5
#: Seconds of a pause inside a line, at most.
_LONGEST_PAUSE_S = 3.0
#: Seconds of quiet that separate two stretches of speech, and of the shortest one that is named.
_PAUSE_S, _LEAST_S = 0.6, 0.4
#: Seconds that a take can begin before its first phoneme is recognised, and end after its last; and
#: phonemes in that time that are other speech, and neither a breath nor the rest of a word.
_LONGEST_S, _OTHER_SPEECH = 1.0, 5
#: Seconds after a beep in which a take begins, at most.
_ANSWER_S = 15.0
#: Phonemes per second of speech, at least; laughter, music and noise have fewer.
_SPEECH_RATE = 2.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording. Times are those of the sound, without any margin, seconds."""

    start: float
    end: float
    #: index of the line, if it is one or resembles one
    line: int | None
    #: None for a take
    reason: Reason | None = None
    #: why, in a few words
    detail: str = ""
    #: share of the line's phonemes that are heard, about; 0 for what is none
    heard: float = 0.0
    #: pitch of the beep that announced it, see `beeps`
    prompt: int | None = None


@dataclass(frozen=True, slots=True)
class _Spoken:
    """A match with its phonemes."""

    segment: Segment
    #: of the first and the last phoneme, seconds
    first: float
    last: float


def find_segments(track: SoundTrack, lines: Sequence[Sequence[Word]]) -> list[Segment]:
    """Find the takes of each line, and name all else that is loud.

    Args:
        track: what is heard.
        lines: the words of each line.

    Returns:
        Segments in the order of time; they do not overlap.
    """
    if not len(track.loudness):
        return []
    loudness = Loudness.of(track.loudness, track.beeps)
    spoken = [
        judged
        for match in search(track.levels, lines)
        if (judged := _judge(track, lines[match.line], match)) is not None
    ]
    onsets = _onsets(track.levels)
    placed = _place(spoken, loudness, track, onsets)
    edges = [0.0, *(t for segment in placed for t in (segment.start, segment.end)), track.duration]
    others = [
        other
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
        for other in _others(onsets, loudness, begin, end)
    ]
    return sorted([*placed, *others], key=lambda segment: segment.start)


def _judge(track: SoundTrack, words: Sequence[Word], match: Match) -> _Spoken | None:
    """Tell whether a match is a take, an incomplete one, or other speech; None for no speech."""
    said = words[: match.words]
    phonemes = align_phonemes(track.levels, said, match.start, match.end)
    if not phonemes:
        return None
    lost = sum(p.cost + p.cost_before for p in phonemes) / len(phonemes) / MISS
    segment = Segment(match.start, match.end, match.line, heard=max(0.0, 1 - lost))
    spoken = _Spoken(segment, phonemes[0].time, phonemes[-1].time)
    if lost > 1 - _HEARD:
        if match.words < len(words):
            return None
        return _with(spoken, Reason.OFF_SCRIPT, "resembles the line, but most of it is not heard")
    if match.words < len(words):
        return _with(spoken, Reason.INCOMPLETE_TAKE, f"ends after {said[-1].text!r}")
    return _check_words(spoken, words, phonemes)


def _check_words(
    spoken: _Spoken, words: Sequence[Word], phonemes: Sequence[AlignedPhoneme]
) -> _Spoken:
    """Look for words that are missing, words that are added, and long pauses."""
    for before, after in pairwise(phonemes):
        place = f"between {words[before.word].text!r} and {words[after.word].text!r}"
        if before.word != after.word and after.cost_before > _OTHER_PHONEMES * MISS:
            return _with(spoken, Reason.OFF_SCRIPT, f"other words {place}")
        if after.time - before.time > _LONGEST_PAUSE_S:
            return _with(spoken, Reason.INCOMPLETE_TAKE, f"a long pause {place}")
    missing = []
    for number, word in enumerate(words):
        costs = [p.cost for p in phonemes if p.word == number]
        if len(costs) >= _LONG_WORD and np.mean(costs) > (1 - _WORD_HEARD) * MISS:
            missing.append(word.text)
    if missing:
        return _with(spoken, Reason.INCOMPLETE_TAKE, f"not heard: {' '.join(missing)}")
    return spoken


def _with(spoken: _Spoken, reason: Reason, detail: str) -> _Spoken:
    return replace(spoken, segment=replace(spoken.segment, reason=reason, detail=detail))


def _place(
    spoken: Sequence[_Spoken], loudness: Loudness, track: SoundTrack, onsets: NDArray[np.float64]
) -> list[Segment]:
    """Set the begin and the end of each to where its sound begins and ends."""
    placed = []
    for number, one in enumerate(spoken):
        ended = spoken[number - 1].last if number else 0.0
        begun = spoken[number + 1].first if number + 1 < len(spoken) else track.duration
        before = _speech(onsets, max(ended, one.first - _LONGEST_S), one.first)[-1:]
        after = _speech(onsets, one.last, min(begun, one.last + _LONGEST_S))[:1]
        earliest, latest = 0.0, track.duration
        if number or len(before):
            earliest = loudness.quietest(max([ended, *before]), one.first)
        if number + 1 < len(spoken) or len(after):
            latest = loudness.quietest(one.last, min([begun, *after]))
        start, end = loudness.extent(
            one.first,
            one.last,
            max(earliest, one.first - _LONGEST_S),
            min(latest, one.last + _LONGEST_S),
        )
        announced = beep_before(track.beeps, one.first, _ANSWER_S)
        prompt = None if announced is None else announced.pitch
        segment = replace(one.segment, start=start, end=end, prompt=prompt)
        pauses = [(time, one.first) for time in before] + [(one.last, time) for time in after]
        if segment.reason is None and any(loudness.unbroken(*pause) for pause in pauses):
            detail = "other speech runs into it without a pause"
            segment = replace(segment, reason=Reason.OVERLAPPING, detail=detail)
        elif segment.reason is None and any(one.first < b.start < one.last for b in track.beeps):
            detail = "a beep sounds while it is spoken"
            segment = replace(segment, reason=Reason.INCOMPLETE_TAKE, detail=detail)
        placed.append(segment)
    return placed


def _onsets(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return when phonemes are recognised, in order, seconds."""
    blank = levels[:, BLANK] == 0
    return np.asarray((np.flatnonzero(blank[:-1] & ~blank[1:]) + 1.5) * HOP_S, np.float64)


def _speech(onsets: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    """Return the phonemes between two times; none if they are too few for other speech."""
    inside = onsets[np.searchsorted(onsets, start + HOP_S) : np.searchsorted(onsets, end - HOP_S)]
    return inside if len(inside) >= _OTHER_SPEECH else inside[:0]


def _others(
    onsets: NDArray[np.float64], loudness: Loudness, begin: float, end: float
) -> Iterator[Segment]:
    """Name what is loud between two takes."""
    for start, stop in loudness.stretches(begin, end, _PAUSE_S):
        if stop - start < _LEAST_S:
            continue
        if np.count_nonzero((onsets > start) & (onsets < stop)) >= _SPEECH_RATE * (stop - start):
            yield Segment(start, stop, None, Reason.OFF_SCRIPT, "other speech")
        else:
            yield Segment(start, stop, None, Reason.NO_SPEECH, "noise, laughter or music")
