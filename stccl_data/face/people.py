"""Link the faces of a clip into people: who is where in each frame."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stccl_data.face.appearance import describe
from stccl_data.face.cutter import ReducedFrame
from stccl_data.face.mouth_colours import mouth_colours
from stccl_data.face.smoothing import is_bridged
from stccl_data.landmarks.face import Box, Face

#: A face continues the movement of another one if their boxes overlap by more than this share
#: (intersection over union) ...
_OVERLAP = 0.2
#: ... and it looks as similar as usual from frame to frame, less this much. Measured on 36 real
#: clips of 10 to 30 frames per second: the similarity is 0.998 in the median and never below 0.95,
#: also when a hand comes in; between two people 0.79 in the median and at most 0.91.
_LESS_SIMILAR = 0.05
#: Similarity that the second frame of a person needs, when it is not yet known what is usual.
_FIRST_SIMILARITY = 0.7
#: A face is that of somebody seen before if it is as similar as this to the last or the average
#: look. Any two frames of one clip are so similar in 99 % (the worst of 30 clips: 0.895), frames of
#: two people in less than 5 % of pairs.
_ALIKE = 0.9
#: The same at the place where somebody was lost from sight.
_ALIKE_IN_PLACE = 0.85
#: Somebody who is lost from sight is looked for in the same place for so many seconds.
_LOST_S = 1.0
#: Weight of the newest frame in the average similarity from frame to frame.
_NEWEST = 0.1


@dataclass(eq=False)
class Person:
    """One person's faces over a clip."""

    #: frame -> face, in source pixels
    faces: dict[int, Face] = field(default_factory=dict)
    #: of each face, in the same order; see `mouth_colours`
    mouths: list[NDArray[np.float32]] = field(default_factory=list)
    #: the frames whose face does not continue the movement of the face before: after a cut
    jumps: set[int] = field(default_factory=set)
    #: seconds, of the newest face
    time: float = -np.inf
    #: description of the newest face, and the sum of all; see `describe`
    look: NDArray[np.float32] | None = None
    looks: NDArray[np.float32] | None = None
    #: average similarity from frame to frame; None before the second frame
    similarity: float | None = None

    @property
    def newest(self) -> Face:
        """The newest face."""
        return next(reversed(self.faces.values()))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A face in the newest frame."""

    #: in source pixels
    face: Face
    #: see `describe`
    look: NDArray[np.float32] | None
    #: see `mouth_colours`
    mouth: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Link:
    """A person and a face that may be this person's."""

    #: the greater, the likelier; 0 if they do not belong together
    score: float
    #: similarity to the face before, or None
    similarity: float | None = None
    #: whether the face continues the movement
    continues: bool = False


class People:
    """The people of a clip, found frame by frame."""

    def __init__(self) -> None:
        """Start a clip."""
        self.everybody: list[Person] = []
        self._frames = 0
        self._time = -np.inf  # of the newest frame, seconds

    def hints(self) -> list[Face]:
        """Return the newest faces of all who were seen within a second, the latest first."""
        recent = [person for person in self.everybody if self._time - person.time <= _LOST_S]
        return [person.newest for person in sorted(recent, key=lambda person: -person.time)]

    def add(self, frame: ReducedFrame, faces: list[Face], time: float) -> None:
        """Add the faces of the next frame.

        Args:
            frame: the frame.
            faces: in source pixels.
            time: seconds.
        """
        seen = [_see(frame, face) for face in faces]
        links = {
            (p, f): _link(person, new, time, seen_before=self._frames - 1 in person.faces)
            for p, person in enumerate(self.everybody)
            for f, new in enumerate(seen)
        }
        free, unknown = set(range(len(self.everybody))), set(range(len(faces)))
        for (p, f), link in sorted(links.items(), key=lambda item: -item[1].score):
            if link.score > 0 and p in free and f in unknown:
                free.remove(p)
                unknown.remove(f)
                person = self.everybody[p]
                if not link.continues or self._was_covered(person, faces[f]):
                    person.jumps.add(self._frames)
                self._record(person, seen[f], time, link)
        for f in sorted(unknown):
            self.everybody.append(Person())
            self._record(self.everybody[-1], seen[f], time, None)
        self._frames += 1
        self._time = time

    def _was_covered(self, person: Person, face: Face) -> bool:
        """Whether somebody else was at the place of a face since the person was last seen."""
        gap = range(next(reversed(person.faces)) + 1, self._frames)
        return any(
            _overlap(other.faces[frame].box, face.box) > _OVERLAP
            for other in self.everybody
            for frame in gap
            if frame in other.faces
        )

    def _record(self, person: Person, new: _Seen, time: float, link: _Link | None) -> None:
        consecutive = self._frames - 1 in person.faces
        if link is not None and consecutive and link.continues and link.similarity is not None:
            usual = link.similarity if person.similarity is None else person.similarity
            person.similarity = usual + _NEWEST * (link.similarity - usual)
        person.faces[self._frames] = new.face
        person.mouths.append(new.mouth)
        person.time = time
        if new.look is not None:
            person.look = new.look
            person.looks = new.look.copy() if person.looks is None else person.looks + new.look


def _see(frame: ReducedFrame, face: Face) -> _Seen:
    points = face.points / frame.factor
    return _Seen(face, describe(frame.image, points), mouth_colours(frame.image, points))


def _link(person: Person, new: _Seen, time: float, *, seen_before: bool) -> _Link:
    """Judge whether a face is a person's. seen_before: the person is in the frame before."""
    overlap = _overlap(new.face.box, person.newest.box)
    recent = is_bridged(person.time, time)
    if new.look is None or person.look is None or person.looks is None:  # nothing to see
        continues = recent and overlap > _OVERLAP
        return _Link(2 + overlap if continues else 0.0, continues=continues)
    similarity = float(new.look @ person.look)
    usual = _FIRST_SIMILARITY if person.similarity is None else person.similarity - _LESS_SIMILAR
    if recent and overlap > _OVERLAP and similarity >= usual:
        return _Link(2 + overlap + similarity, similarity, continues=True)
    average = float(new.look @ person.looks) / float(np.linalg.norm(person.looks))
    alike = max(similarity, average)
    in_place = overlap > _OVERLAP and not seen_before
    known = alike >= (_ALIKE_IN_PLACE if in_place else _ALIKE)
    return _Link(alike if known else 0.0, similarity, continues=known and in_place and recent)


def _overlap(a: Box, b: Box) -> float:
    """Return the intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / union if union > 0 else 0.0
