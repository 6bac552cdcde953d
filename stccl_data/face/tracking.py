"""Follow the speaker's face through a video."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stccl_data.errors import ClipError, Reason
from stccl_data.face.crop_config import CropConfig
from stccl_data.face.crops import DegenerateFaceError, constant_box
from stccl_data.face.cutter import CropCutter, CropTransforms, ReducedFrame
from stccl_data.face.finding import FaceFinder, reduction
from stccl_data.face.mouth_colours import mouth_visible
from stccl_data.face.people import People, Person
from stccl_data.face.pose import eye_distance, head_pose
from stccl_data.face.smoothing import smooth_landmarks
from stccl_data.face.speaker import Scene, Wanted, choose_speaker
from stccl_data.face.track import Track
from stccl_data.features.speech import SpeechFeatures
from stccl_data.landmarks import BLENDSHAPES, Landmarker
from stccl_data.media.cut import Cut
from stccl_data.media.video import Frame, read_frames


@dataclass(frozen=True, slots=True)
class TrackedVideo:
    """A tracked video."""

    track: Track
    #: Scores by which gates may refuse the clip: those of `score_track`, `CropCutter.scores` and
    #: `FaceFinder.scores`, `speaker_margin` (see `Speaker.margin`), and `mouth_visible`, if there
    #: are enough faces for it.
    scores: dict[str, float]
    #: Pixels.
    width: int
    height: int
    #: See `stccl_data.extract.Extraction.notes`.
    notes: tuple[str, ...] = ()


def track_video(
    path: str,
    landmarker: Landmarker,
    config: CropConfig,
    *,
    cut: Cut | None = None,
    speech: SpeechFeatures | None = None,
    place: tuple[float, ...] | None = None,
) -> TrackedVideo:
    """Follow the speaker's face through a video file, see `track_frames`.

    Args:
        path: a video file.
        landmarker: finds the faces.
        config: what is cropped, and whose face.
        cut: the part of the file that is the clip; None for all of it.
        speech: as for `track_frames`.
        place: likewise.

    Raises:
        ClipError: as `read_frames` and `track_frames`.
    """

    def read() -> Iterator[Frame]:
        return read_frames(path, cut)

    return track_frames(path, read, landmarker, config, speech=speech, place=place)


def track_frames(
    name: str,
    read: Callable[[], Iterator[Frame]],
    landmarker: Landmarker,
    config: CropConfig,
    *,
    speech: SpeechFeatures | None = None,
    place: tuple[float, ...] | None = None,
) -> TrackedVideo:
    """Follow the speaker's face through the frames of a clip and cut its crops.

    All faces are followed, and the speaker is chosen over the whole clip. Frames are streamed: only
    as many are held as the smoothing looks ahead (a quarter of a second), whatever the length of
    the clip. Crops are cut on the way, of the face that is the speaker's by the first frame; if
    somebody else turns out to be, the video is read once more.

    Args:
        name: of the clip, for messages.
        read: returns the frames, from the first.
        landmarker: finds the faces.
        config: what is cropped, and whose face.
        speech: the sound, by which the speaker is told from listeners.
        place: see `Wanted.place`.

    Raises:
        ClipError: as `choose_speaker`, and too_short (fewer than two frames),
            no_face (in no frame), degenerate_face (the landmarks lie on one spot).
    """
    finder, people = FaceFinder(landmarker, config), People()
    cutter = CropCutter(config)
    wanted = Wanted(config.speaker, place)
    leader: Person | None = None  # whose crops are cut
    for found in finder.find(read(), people.hints):
        people.add(found.frame, found.faces, found.time)
        if leader is None and people.everybody:
            leader = _first_choice(people, _scene(finder, None), wanted)
        if config.crops == "similarity":
            _push(cutter, found.frame, leader, len(finder.times) - 1, found.time)
    times = np.array(finder.times)
    _check_faces(name, finder, people)
    try:
        speaker = choose_speaker(people.everybody, _scene(finder, speech), wanted)
    except ClipError as error:
        raise ClipError(error.reason, f"{name}: {error.detail}") from None
    valid, jumps, landmarks = _arrays(speaker.person, len(times), landmarker.points)
    landmarks = smooth_landmarks(landmarks, valid, times, jumps)
    if config.crops == "similarity" and speaker.person is leader:
        cutter.finish()
    elif config.crops == "similarity":
        cutter = _cut_again(read(), speaker.person, config)
    elif config.crops == "bbox":
        cutter = _cut_box(name, read(), landmarks, config)
    cut = cutter if config.crops != "none" else None
    track = _track(speaker.person, times, valid, landmarks, cut)
    scores = score_track(track) | finder.scores() | cutter.scores()
    scores["speaker_margin"] = speaker.margin
    visible = mouth_visible(np.stack(speaker.person.mouths))
    if visible is not None:
        scores["mouth_visible"] = visible
    return TrackedVideo(track, scores, finder.width, finder.height, finder.notes)


def _track(
    person: Person,
    times: NDArray[np.float64],
    valid: NDArray[np.bool_],
    landmarks: NDArray[np.float32],
    cutter: CropCutter | None,
) -> Track:
    """Return the track of a person; without a cutter one without crops."""
    if cutter is None:
        transforms = [CropTransforms.missing()] * len(times)
        face = mouth = None
    else:
        transforms = cutter.transforms
        face, mouth = cutter.jpegs()
    return Track(
        times=times,
        valid=valid,
        landmarks=landmarks,
        face_transforms=np.stack([t.face for t in transforms]),
        mouth_transforms=np.stack([t.mouth for t in transforms]),
        presence=_presence(person, len(times)),
        blendshapes=_blendshapes(person, len(times)),
        face=face,
        mouth=mouth,
    )


def score_track(track: Track) -> dict[str, float]:
    """Score the face in a track.

    Returns:
        face_rate: share of frames with a face.
        longest_gap: most frames in a row without a face.
        eye_distance: median distance of the outer eye corners, pixels.
        yaw, pitch, roll: median degrees (see `Pose`).
    """
    known = track.landmarks[~np.isnan(track.landmarks[:, 0, 0])]
    pose = head_pose(known)
    gaps = np.diff(np.concatenate([[-1], np.flatnonzero(track.valid), [len(track)]])) - 1
    return {
        "face_rate": float(track.valid.mean()),
        "longest_gap": float(gaps.max()),
        "eye_distance": float(np.median(eye_distance(known))),
        "yaw": float(np.median(pose.yaw)),
        "pitch": float(np.median(pose.pitch)),
        "roll": float(np.median(pose.roll)),
    }


def _scene(finder: FaceFinder, speech: SpeechFeatures | None) -> Scene:
    return Scene(np.array(finder.times), finder.width, finder.height, speech)


def _first_choice(people: People, scene: Scene, wanted: Wanted) -> Person | None:
    """Choose by the faces so far; None if the wanted one is not there yet."""
    try:
        return choose_speaker(people.everybody, scene, wanted).person
    except ClipError:
        return None


def _check_faces(path: str, finder: FaceFinder, people: People) -> None:
    """Raise ClipError too_short, degenerate_face or no_face if there is nothing to follow."""
    frames = len(finder.times)
    if frames < 2:
        raise ClipError(Reason.TOO_SHORT, f"{path} has {frames} frame")
    if not people.everybody and finder.degenerate:
        detail = f"{path}: the landmarks of the face coincide in each frame"
        raise ClipError(Reason.DEGENERATE_FACE, detail)
    if not people.everybody:
        raise ClipError(Reason.NO_FACE, f"{path} shows no face in any of its {frames} frames")


def _push(
    cutter: CropCutter, frame: ReducedFrame, person: Person | None, index: int, time: float
) -> None:
    """Pass a frame and a person's face in it to the cutter."""
    face = None if person is None else person.faces.get(index)
    jump = person is not None and index in person.jumps
    cutter.push(frame, None if face is None else face.points, time, jump)


def _cut_again(frames: Iterator[Frame], person: Person, config: CropConfig) -> CropCutter:
    """Read the video once more and cut the crops of one person, known in all its frames."""
    cutter = CropCutter(config)
    distance = 0.0
    for index, frame in enumerate(frames):
        face = person.faces.get(index)
        if face is not None:
            distance = float(eye_distance(face.points[None])[0])
        reduced = ReducedFrame.of(frame.picture, reduction(distance, config))
        _push(cutter, reduced, person, index, frame.time)
    cutter.finish()
    return cutter


def _cut_box(
    path: str, frames: Iterator[Frame], landmarks: NDArray[np.float32], config: CropConfig
) -> CropCutter:
    """Read the video once more: the box around the whole clip is known only now."""
    cutter = CropCutter(config)
    try:
        box = CropTransforms(
            constant_box(landmarks, config.face_size),
            constant_box(landmarks, config.mouth_size, mouth=True),
        )
    except DegenerateFaceError as error:
        raise ClipError(Reason.DEGENERATE_FACE, f"{path}: {error}") from error
    for frame in frames:
        cutter.cut(ReducedFrame(frame.image, 1), box)
    return cutter


def _arrays(
    person: Person, frames: int, points: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float32]]:
    """Return valid and jumps (N,) and the landmarks (N, K, 2) of a person, NaN without a face."""
    valid, jumps = np.zeros(frames, bool), np.zeros(frames, bool)
    landmarks = np.full((frames, points, 2), np.nan, np.float32)
    for index, face in person.faces.items():
        valid[index], landmarks[index] = True, face.points
    jumps[list(person.jumps)] = True
    return valid, jumps, landmarks


def _presence(person: Person, frames: int) -> NDArray[np.float32]:
    """Return `Track.presence`."""
    presence = np.full(frames, np.nan, np.float32)
    for index, face in person.faces.items():
        presence[index] = face.presence
    return presence


def _blendshapes(person: Person, frames: int) -> NDArray[np.float16] | None:
    """Return `Track.blendshapes`."""
    values = np.full((frames, BLENDSHAPES), np.nan, np.float16)
    for index, face in person.faces.items():
        if face.blendshapes is None:
            return None
        values[index] = face.blendshapes
    return values
