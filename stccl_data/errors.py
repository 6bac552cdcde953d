"""The errors of stccl, and the reason codes of unused clips and pairs with advice for each."""

import difflib
import re
from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Why a clip or a candidate pair is not used. Each unused one has exactly one reason."""

    #: What a user can do.
    advice: str

    def __new__(cls, code: str, advice: str) -> "Reason":
        member = str.__new__(cls, code)
        member._value_ = code
        member.advice = advice
        return member

    # the file
    MISSING_FILE = "missing_file", "check the path, and that its disk is connected"
    NOT_PERMITTED = "not_permitted", "make the file or folder readable for this user"
    EMPTY_FILE = "empty_file", "download or copy the file again"
    NOT_MEDIA = "not_media", "not audio or video known to ffmpeg; check the file and its suffix"
    GIT_LFS_POINTER = "git_lfs_pointer", "run `git lfs pull` in the repository of the file"
    GIT_ANNEX_LINK = (
        "git_annex_link",
        "run `datalad get` or `git annex get` on the file or its folder",
    )
    DVC_POINTER = "dvc_pointer", "run `dvc pull` in the repository of the file"
    CLOUD_PLACEHOLDER = (
        "cloud_placeholder",
        "make the file available offline in the sync client, or download it",
    )
    PARTIAL_DOWNLOAD = "partial_download", "finish the download, or remove what is left of it"
    BROKEN_LINK = "broken_link", "repair the link, or connect the disk that it leads to"
    APPLE_DOUBLE = "apple_double", "nothing to do: these files are no recordings and are ignored"
    NO_VIDEO = "no_video", "clips with sound only need --crops none and are aligned by sound"
    NO_AUDIO = (
        "no_audio",
        "use --align visual for silent clips; a manifest of your own can name a sound file",
    )
    DECODE_ERROR = "decode_error", "the file is damaged or truncated; download or copy it again"
    NOT_SUPPORTED = (
        "not_supported",
        "the file is sound, but this FFmpeg cannot read it; convert it to H.264 and AAC, for "
        "example with ffmpeg, and use the copy",
    )
    READ_ERROR = (
        "read_error",
        "the disk or network failed; check it and use --retry-failed",
    )
    TOO_SHORT = (
        "too_short",
        "a clip needs at least two frames, and 0.25 s of sound to be aligned by sound",
    )
    CUT_OUTSIDE = (
        "cut_outside",
        "correct the row's start and end: seconds since the first frame of the file",
    )
    # the labels
    BAD_ROW = "bad_row", "correct the row or line"
    AMBIGUOUS_FILE = "ambiguous_file", "write the path of one of them exactly as it is on disk"
    READ_AS = "read_as", "check that this is what you mean; write it so to silence this"
    SIMILAR_LABELS = (
        "similar_labels",
        "they count as different; write them alike if they are one",
    )
    UNKNOWN_NAME = (
        "unknown_name",
        "rename the file as the corpus does, or list it in a manifest of your own, which `stccl "
        "manifest` writes from names",
    )
    UNKNOWN_CODE = (
        "unknown_code",
        "the name contains a code that the corpus does not define; check the name",
    )
    LABEL_CONFLICT = (
        "label_conflict",
        "the labels disagree and none is guessed; correct the name, folder or row",
    )
    DUPLICATE_CLIP = (
        "duplicate_clip",
        "another file is the same clip by its labels; compare them, and remove or rename one",
    )
    NOT_UNPACKED = "not_unpacked", "unpack the archive into its folder and scan again"
    NOT_SELECTED = (
        "not_selected",
        "excluded by an option such as --views or --limit, or in favour of a more complete file",
    )
    KNOWN_DEFECT = "known_defect", "listed as defective in manifests/; see docs/corpora.md"
    SENTENCE_UNKNOWN = (
        "sentence_unknown",
        "list the clip in a manifest of your own; for MEAD, --transcripts gives sentences as well",
    )
    NO_PARTNER = "no_partner", "no other clip of this speaker, view and sentence in another emotion"
    PROPOSED_LABEL = (
        "proposed_label",
        "listen to the group; empty the column proposed of its rows, or use --accept-proposed",
    )
    # consent
    NO_CONSENT = "no_consent", "enter the speaker's consent into consent.csv, or leave them out"
    WITHDRAWN = "withdrawn", "nothing to do: the speaker withdrew, and no run brings them back"
    # parts of a recording that are no takes
    OFF_SCRIPT = "off_script", "speech that is no line of the script; nothing to do"
    INCOMPLETE_TAKE = (
        "incomplete_take",
        "part of a line is missing; remove the reason and give a sentence to use it anyway",
    )
    NO_SPEECH = "no_speech", "noise, laughter or music; nothing to do"
    OVERLAPPING = (
        "overlapping",
        "several speakers or marks at once; record it again, or correct the annotations",
    )
    EMOTION_UNKNOWN = (
        "emotion_unknown",
        "put the script's rows into the order in which they were spoken, or use --takes or "
        "--emotion; or write the emotion into the row and remove the reason",
    )
    # the face
    NO_FACE = "no_face", "no frame has a face; look at the clip"
    DEGENERATE_FACE = (
        "degenerate_face",
        "the landmarks lie on one spot, so no crop can be placed; look at the clip, or use another "
        "--landmarks backend",
    )
    FEW_FACES = "few_faces", "lower --min-face-rate, or look at the clip"
    SMALL_FACE = "small_face", "lower --min-eye-distance to accept small faces"
    SPEAKER_NOT_THERE = (
        "speaker_not_there",
        "correct the manifest's column face: pixels of the upright first frame, from its upper "
        "left corner",
    )
    SPEAKER_UNCLEAR = (
        "speaker_unclear",
        "say who speaks with --speaker or the manifest's column face, or lower "
        "--min-speaker-margin",
    )
    SEVERAL_FACES = "several_faces", "raise --max-several-faces, or look at the clip"
    MOUTH_HIDDEN = (
        "mouth_hidden",
        "a hand, a microphone or a mask? Look at the clip, or lower --min-mouth-visible",
    )
    MOUTH_STILL = (
        "mouth_still",
        "a mask, a hand or a still picture? Look at the clip, or lower --min-mouth-range",
    )
    MOUTH_WITHOUT_SOUND = (
        "mouth_without_sound",
        "somebody else speaks, or the mouth is hidden; look at the clip, or lower "
        "--min-mouth-moves-with-sound",
    )
    # the pair
    CONTENT_DOUBTFUL = (
        "content_doubtful",
        "the two clips may say one sentence; look at the pair, or lower --min-content-score",
    )
    CONTENT_MISMATCH = (
        "content_mismatch",
        "the clips do not sound or look like one sentence; check their labels",
    )
    CONTENT_UNCHECKED = (
        "content_unchecked",
        "the content check of the speaker failed; run again to retry it",
    )
    DURATION_RATIO = "duration_ratio", "one clip is much longer than the other; check their labels"
    LONGEST_REPEAT = (
        "longest_repeat",
        "one frame matches a long part of the other clip; check for long silence",
    )
    LOCAL_SLOPE = "local_slope", "the warping path is locally too steep or too flat"
    INCONSISTENT_PATH = (
        "inconsistent_path",
        "the paths through other takes of the sentence lead elsewhere; one of the clips is unusual",
    )
    REJECTED_IN_REVIEW = (
        "rejected_in_review",
        "somebody rejected the pair by eye; verdicts.csv says who, and `stccl review` changes it",
    )
    BAD_PATH = (
        "bad_path",
        "the imported path does not fit the two clips; make it from these files",
    )
    NO_SIGNAL = "no_signal", "there is nothing to align by: silent audio and no mouth track"
    PARTNER_FAILED = (
        "partner_failed",
        "the other clip of the pair cannot be used; see its own reason",
    )
    # the run
    CRASHED = (
        "crashed",
        "the worker crashed on this clip; use --retry-failed, and report the file",
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        "raise --memory-mb if the machine allows, or use fewer workers; check the file",
    )
    TIMED_OUT = "timed_out", "the clip took too long; raise --timeout"
    DISK_FULL = "disk_full", "free some space and run again; finished work is kept"
    INTERNAL_ERROR = (
        "internal_error",
        "a bug in stccl: report it with the log; --retry-failed retries it",
    )


class StcclError(Exception):
    """Base class of every error that stccl raises on purpose.

    The message says what is wrong, with which file, and what to do next. The command line prints it
    without a traceback and exits with ``exit_code``.
    """

    #: The reason code, when the error has one.
    reason: Reason | None = None
    #: Exit code of the command line.
    exit_code: int = 1

    @property
    def advice(self) -> str:
        """What a user can do about the reason; empty without one."""
        return "" if self.reason is None else self.reason.advice


class UsageError(StcclError, ValueError):
    """The request is invalid: an option, a setting, or a file that an option names."""

    exit_code = 2


class ClipError(StcclError):
    """One clip (or file) cannot be used; the other clips are unaffected.

    Args:
        reason: the code recorded for the clip.
        detail: one sentence that names the file.
    """

    reason: Reason

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{detail} [{reason}: {reason.advice}]")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["ClipError"], tuple[Reason, str]]:
        return ClipError, (self.reason, self.detail)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names similar known words; empty if none is similar."""
    wanted = _parts(word)
    candidates = sorted(known, key=lambda name: (-len(wanted & _parts(name)), name))[:200]
    similar = difflib.get_close_matches(word, candidates, n=3)
    return f"; did you mean {' or '.join(similar)}?" if similar else ""


def _parts(name: str) -> set[str]:
    return set(re.split(r"[^A-Za-z0-9]+", name.lower()))
