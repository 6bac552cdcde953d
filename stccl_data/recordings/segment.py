"""Turn long recordings into a manifest: one row for each take, and for what is none."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from stccl_data.clip import emotion_label
from stccl_data.corpora.manifest_writer import path_in, write_manifest
from stccl_data.errors import ClipError, Reason, UsageError
from stccl_data.media.clock import read_clock
from stccl_data.media.cut import Cut
from stccl_data.media.seeking import cut_origin
from stccl_data.progress import Progress
from stccl_data.recordings.annotations import OVERLAP_S, Interval, read_annotations
from stccl_data.recordings.position import Order, read_order
from stccl_data.recordings.script import Script, ScriptError, ScriptRow, plain_words, read_script
from stccl_data.recordings.segments import Segment, find_segments
from stccl_data.recordings.sound_track import RecordingError, read_sound_track

#: Seconds that a clip begins before its speech and ends after it, where the neighbours allow: lips
#: move before they are heard, and alignment looks at the silence around.
MARGIN_S = 0.25


class SegmentError(UsageError):
    """Recordings cannot be segmented as requested."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of the recordings."""

    #: by default the stem of each file
    speaker: str | None = None
    #: of all takes, if the script has none
    emotion: str | None = None
    #: takes of each row of the script that were recorded, all complete; 0 for any number
    takes: int = 0
    #: see `Clip`
    consent: str | None = None
    license: str | None = None


@dataclass(frozen=True, slots=True)
class Take:
    """A part of a recording: a row of the manifest."""

    path: Path
    segment: Segment
    text: str = ""
    sentence: str = ""
    emotion: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Takes of one emotion that follow one another in a recording. Times are seconds."""

    path: Path
    emotion: str
    start: float
    end: float
    takes: int


@dataclass(frozen=True, slots=True)
class SpokenOrder:
    """The order that tells which emotion a speaker's takes are in."""

    speaker: str
    order: Order
    #: of the emotions, in the order of time; none if the order does not tell any
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What was found."""

    takes: tuple[Take, ...]
    #: texts of the script of which no complete take was found
    missing: tuple[str, ...]
    #: of the speakers whose emotions nothing but the order tells
    orders: tuple[SpokenOrder, ...] = ()
    #: recordings that cannot be read -> why
    unreadable: Mapping[Path, str] = field(default_factory=dict)

    @property
    def counts(self) -> Mapping[str, int]:
        """Rows by reason; takes that can be used under `take`."""
        return Counter(str(take.segment.reason or "take") for take in self.takes)


def segment_recordings(
    recordings: Sequence[Path],
    script: Path | None,
    target: Path,
    labels: Labels = Labels(),
    *,
    annotations: Path | None = None,
    tier: str | None = None,
    progress: Progress | None = None,
) -> SegmentReport:
    """Find the lines of a script in long recordings and write a manifest.

    Args:
        recordings: video or audio files, in the order in which they were made.
        script: see `read_script`. Not needed with annotations.
        target: the manifest.
        labels: what is known of the recordings.
        annotations: marked intervals of the one recording; nothing is recognised then, and the
            language does not matter.
        tier: see `read_annotations`.
        progress: see `read_sound_track`.

    Of several recordings those that cannot be read are left out, and named in the report.

    Raises:
        SegmentError: the request is contradictory, or the emotions are not known.
        ScriptError, AnnotationError, ClipError, RecordingError, DictionaryError.
    """
    if annotations is not None and len(recordings) != 1:
        raise SegmentError(
            f"{annotations} belongs to one recording, but {len(recordings)} are given"
        )
    if annotations is None and script is None:
        raise SegmentError("give the lines with --script, or the parts with --annotations")
    stems = Counter(path.stem for path in recordings)
    if labels.speaker is None and (alike := [p for p in recordings if stems[p.stem] > 1]):
        raise SegmentError(
            f"{alike[0]} and {alike[1]} would be one speaker, {alike[0].stem!r}: say who speaks "
            "with --speaker, or segment them one by one"
        )
    emotion = None
    if labels.emotion is not None:
        try:
            emotion = emotion_label(labels.emotion)
        except ValueError as error:
            raise SegmentError(str(error)) from error
    intervals = (
        read_annotations(annotations, recordings[0], tier) if annotations is not None else []
    )
    lines = _script_of(intervals) if script is None else read_script(script)
    if emotion is None and all(row.emotion is None for row in lines.rows):
        raise SegmentError(
            "the emotion is not known: give the script a column emotion, or use --emotion"
        )
    if emotion is not None and all(row.emotion is not None for row in lines.rows):
        raise SegmentError(f"every row of {script} has an emotion: leave out --emotion {emotion}")
    unreadable: dict[Path, str] = {}
    if annotations is not None:
        marked = _marked(intervals, lines)
        found = [(recordings[0], segment) for segment in _within(recordings[0], marked)]
    else:
        try:
            words = lines.pronounced()
        except ScriptError as error:
            raise SegmentError(f"{script}, which has to be English: {error}") from error
        found = []
        for path in recordings:
            try:
                track = read_sound_track(path, progress)
            except (ClipError, RecordingError) as error:
                if len(recordings) == 1:
                    raise
                unreadable[path] = str(error)
                continue
            found += [(path, segment) for segment in find_segments(track, words)]
    takes: list[Take] = []
    orders: list[SpokenOrder] = []
    for speaker, of_speaker in _by_speaker(found, labels).items():
        labelled, order = _label(of_speaker, lines, emotion, labels.takes)
        takes += labelled
        if order is not None:
            orders.append(SpokenOrder(speaker, order, tuple(_blocks(labelled))))
    write_manifest(target, _rows(target, takes, labels))
    complete = (None, Reason.EMOTION_UNKNOWN)
    spoken = {take.text for take in takes if take.segment.reason in complete}
    missing = tuple(text for text in lines.texts if text not in spoken)
    return SegmentReport(tuple(takes), missing, tuple(orders), unreadable)


def _script_of(intervals: Iterable[Interval]) -> Script:
    """Return the script whose lines are the texts of the intervals."""
    texts: dict[tuple[str, ...], str] = {}
    for interval in intervals:
        texts.setdefault(plain_words(interval.text), interval.text.strip())
    texts.pop((), None)
    rows = tuple(ScriptRow(n, None) for n in range(len(texts)))
    return Script(rows, tuple(texts.values()), tuple(f"s{n:03d}" for n in range(1, len(texts) + 1)))


def _marked(intervals: Sequence[Interval], script: Script) -> list[Segment]:
    segments: list[Segment] = []
    for interval in intervals:
        line = script.find(interval.text)
        segment = Segment(interval.start, interval.end, line, heard=1.0)
        if line is None:
            detail = f"marked as {interval.text.strip()[:60]!r}"
            segment = replace(segment, reason=Reason.OFF_SCRIPT, detail=detail)
        elif interval.meanwhile is not None:
            detail = f"{interval.meanwhile!r} is marked at the same time"
            segment = replace(segment, reason=Reason.OVERLAPPING, detail=detail)
        elif segments and segments[-1].end > interval.start + OVERLAP_S:
            detail = "the interval before it ends later than this one begins"
            segment = replace(segment, reason=Reason.OVERLAPPING, detail=detail)
        segments.append(segment)
    return segments


def _within(recording: Path, segments: Sequence[Segment]) -> Iterator[Segment]:
    """Yield segments, those outside the recording with that reason.

    Raises:
        ClipError: the recording cannot be read.
    """
    clock = read_clock(recording)
    for segment in segments:
        try:
            cut_origin(recording, clock, Cut(segment.start, segment.end))
            yield segment
        except ClipError as error:
            yield replace(segment, reason=error.reason, detail=error.detail)


def _by_speaker(
    found: Sequence[tuple[Path, Segment]], labels: Labels
) -> dict[str, list[tuple[Path, Segment]]]:
    """Group segments by who speaks, since each speaker goes through the script."""
    groups: defaultdict[str, list[tuple[Path, Segment]]] = defaultdict(list)
    for path, segment in found:
        groups[_speaker(path, labels)].append((path, segment))
    return groups


def _speaker(path: Path, labels: Labels) -> str:
    return labels.speaker or path.stem


def _label(
    found: Sequence[tuple[Path, Segment]], script: Script, emotion: str | None, limit: int
) -> tuple[list[Take], Order | None]:
    """Give each take its text and emotion.

    Returns:
        The takes, and the order in which they are spoken if nothing else tells an emotion.
    """
    spoken = [(s.line, s.prompt) for _, s in found if s.reason is None and s.line is not None]
    lines, prompts = [line for line, _ in spoken], [prompt for _, prompt in spoken]
    reading = read_order(lines, script.rows, limit, prompts)
    rows = iter(reading.rows)
    emotions = {
        text: {row.emotion for row in script.rows if row.text == text} for text in set(lines)
    }
    takes = []
    for path, segment in found:
        if segment.line is None:
            takes.append(Take(path, segment))
            continue
        take = Take(path, segment, script.texts[segment.line], script.sentences[segment.line])
        if segment.reason is None:
            row = next(rows)
            possible = {script.rows[row].emotion} if row is not None else emotions[segment.line]
            label = possible.copy().pop() or emotion if len(possible) == 1 else None
            if label is None:
                detail = "the script has this line in several emotions, and the order does not tell"
                if reading.order is not Order.AS_WRITTEN:
                    detail += f": it seems to be spoken {reading.order}"
                reason = Reason.EMOTION_UNKNOWN
                take = replace(take, segment=replace(segment, reason=reason, detail=detail))
            take = replace(take, emotion=label or "")
        takes.append(take)
    by_order = not reading.announced and any(len(known) > 1 for known in emotions.values())
    return takes, reading.order if by_order else None


def _blocks(takes: Sequence[Take]) -> Iterator[Block]:
    """Yield the blocks of takes that can be used."""
    usable = (take for take in takes if take.segment.reason is None)
    for (path, emotion), group in groupby(usable, lambda take: (take.path, take.emotion)):
        segments = [take.segment for take in group]
        yield Block(path, emotion, segments[0].start, segments[-1].end, len(segments))


def _rows(target: Path, takes: Sequence[Take], labels: Labels) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, take in enumerate(takes):
        segment = take.segment
        before = [t.segment.end for t in takes[:number] if t.path == take.path]
        after = [t.segment.start for t in takes[number + 1 :] if t.path == take.path]
        begin = min(MARGIN_S, max(0.0, segment.start - max(before, default=0.0)) / 2)
        if not before:
            begin = min(MARGIN_S, segment.start)
        end = min(MARGIN_S, max(0.0, min(after) - segment.end) / 2) if after else MARGIN_S
        rows.append(
            {
                "path": path_in(target, take.path),
                "speaker": _speaker(take.path, labels),
                "emotion": take.emotion,
                "sentence": take.sentence,
                "start": f"{segment.start - begin:.3f}",
                "end": f"{segment.end + end:.3f}",
                "text": take.text,
                "reason": str(segment.reason or ""),
                "detail": segment.detail,
                "heard": f"{segment.heard:.2f}",
                "speech_start": f"{segment.start:.3f}",
                "speech_end": f"{segment.end:.3f}",
                **({"consent": labels.consent} if labels.consent else {}),
                **({"license": labels.license} if labels.license else {}),
            }
        )
    return rows
