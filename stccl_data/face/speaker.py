"""Choose the speaker among the people of a clip, over the whole clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.face.crop_config import SpeakerRule
from stccl_data.face.people import Person
from stccl_data.face.pose import eye_distance
from stccl_data.face.smoothing import smooth_landmarks
from stccl_data.features.mouth import MouthFeatures, mouth_features
from stccl_data.features.mouth_activity import mouth_moves_with_sound, mouth_range
from stccl_data.features.speech import SpeechFeatures

#: Natural logarithm by which a correlation of mouth and sound that is higher by 1 counts: speakers
#: have 0.36 in the median, people with another voice 0.13 (17 clips), which makes a factor of 4,
#: half of what the two distributions would justify.
_SOUND_WEIGHT = 6.0
#: Range of the mouth's opening of one who speaks (the least of 34 clips), and how much somebody
#: counts whose mouth stands still: a picture on the wall, a listener.
_SPEAKING_RANGE, _STILL_WEIGHT = 0.08, 0.05
#: Share of the time of who is seen longest that others need to be chosen by size or place.
_LONG_ENOUGH = 0.25
#: How long, in seconds, a face may take to be found at the place that a manifest names, and by how
#: much its box is enlarged: the place is read off a screen.
_FOUND_WITHIN_S = 1.0
_ENLARGED = 1.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose face is followed, as the user says it."""

    rule: SpeakerRule = "auto"
    #: (x, y), or (x0, y0, x1, y1) a box, pixels of the first frame; overrules `rule`
    place: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """The person whose face is followed."""

    person: Person
    #: How much more prominent than the second, in [0, 1]: 0 is a tie, 1 is nobody else, or that
    #: the user said whom to follow.
    margin: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What a speaker is chosen by, besides the faces."""

    #: (N,) seconds, of the frames so far
    times: NDArray[np.float64]
    #: pixels
    width: int
    height: int
    #: None for a silent clip
    speech: SpeechFeatures | None = None


def choose_speaker(people: Sequence[Person], scene: Scene, wanted: Wanted) -> Speaker:
    """Choose the speaker.

    Args:
        people: at least one.
        scene: the clip.
        wanted: what the user said.

    Raises:
        ClipError: speaker_not_there, if there is no face at the place that is wanted.
    """
    if wanted.place is not None:
        return Speaker(_person_at(people, scene, wanted.place), 1.0)
    if len(people) == 1:
        return Speaker(people[0], 1.0)
    if wanted.rule != "auto":
        return Speaker(_person_by_rule(people, scene, wanted.rule), 1.0)
    prominence = np.array([_prominence(person, scene) for person in people])
    first, second = np.argsort(-prominence, kind="stable")[:2]
    return Speaker(people[first], float(1 - prominence[second] / prominence[first]))


def _prominence(person: Person, scene: Scene) -> float:
    """Return how likely a person is the speaker, on a ratio scale.

    The share of frames, times the area of the face, less towards the border, times what the mouth
    does.
    """
    share = len(person.faces) / len(scene.times)
    return (
        share
        * _size(person) ** 2
        * (1 - 0.5 * _off_centre(person, scene))
        * _speaks(_mouth(person, scene), scene.speech)
    )


def _speaks(mouth: MouthFeatures | None, speech: SpeechFeatures | None) -> float:
    """Return how much what a mouth does speaks for its owner; 1 if nothing is known."""
    if mouth is None:
        return 1.0
    moves = float(np.clip(mouth_range(mouth) / _SPEAKING_RANGE, _STILL_WEIGHT, 1))
    along = None if speech is None else mouth_moves_with_sound(mouth, speech)
    return moves * float(np.exp(_SOUND_WEIGHT * (along or 0.0)))


def _mouth(person: Person, scene: Scene) -> MouthFeatures | None:
    points = np.stack([face.points for face in person.faces.values()])
    times = scene.times[list(person.faces)]
    seen = np.ones(len(times), bool)
    return mouth_features(smooth_landmarks(points, seen, times), times, seen)


def _size(person: Person) -> float:
    """Return the median distance of the outer eye corners, pixels."""
    points = np.stack([face.points for face in person.faces.values()])
    return float(np.median(eye_distance(points)))


def _centre(person: Person) -> NDArray[np.float64]:
    """Return the median centre of the face, (x, y) pixels."""
    boxes = np.array([face.box for face in person.faces.values()])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(np.median(centres, axis=0), np.float64)


def _off_centre(person: Person, scene: Scene) -> float:
    """Return the distance from the middle of the frame, 1 at its corners."""
    middle = np.array([scene.width, scene.height]) / 2
    return float(np.linalg.norm(_centre(person) - middle) / np.linalg.norm(middle))


def _person_by_rule(people: Sequence[Person], scene: Scene, rule: SpeakerRule) -> Person:
    longest = max(len(person.faces) for person in people)
    there = [person for person in people if len(person.faces) >= _LONG_ENOUGH * longest]
    if rule == "largest":
        return max(there, key=_size)
    if rule == "center":
        return min(there, key=lambda person: _off_centre(person, scene))
    side = -1 if rule == "left" else 1
    return max(there, key=lambda person: side * float(_centre(person)[0]))


def _person_at(people: Sequence[Person], scene: Scene, place: tuple[float, ...]) -> Person:
    """Return the person whose face is at a place of the first frame."""
    corners = np.array(place).reshape(-1, 2)
    centre = corners.mean(axis=0)
    distances: list[tuple[float, Person]] = []
    for person in people:
        frame, face = next(iter(person.faces.items()))
        if scene.times[frame] - scene.times[0] > _FOUND_WITHIN_S:
            continue
        low, high = np.array(face.box).reshape(2, 2)
        offset = np.abs(centre - (low + high) / 2) / np.maximum((high - low) / 2, 1.0)
        if offset.max() <= _ENLARGED:
            distances.append((float(np.linalg.norm(offset)), person))
    if not distances:
        text = ", ".join(f"{value:g}" for value in place)
        raise ClipError(Reason.SPEAKER_NOT_THERE, f"no face at {text} in the first frame")
    return min(distances, key=lambda item: item[0])[1]
