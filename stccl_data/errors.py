"""Why a clip or a pair is not used: one code for each reason, each with a sentence, and the error that carries it."""

from enum import StrEnum


class Reason(StrEnum):
    """Every clip and candidate pair that is not used carries exactly one of these; `advice` says what a user can do."""

    advice: str

    def __new__(cls, code: str, advice: str) -> "Reason":
        member = str.__new__(cls, code)
        member._value_ = code
        member.advice = advice
        return member

    # the file
    MISSING_FILE = "missing_file", "check the path; relative paths are relative to the manifest"
    NOT_PERMITTED = "not_permitted", "make the file readable for this user"
    EMPTY_FILE = "empty_file", "download or copy the file again"
    NOT_MEDIA = "not_media", "the content is no audio or video that ffmpeg knows; check the file"
    NO_VIDEO = "no_video", "clips of sound alone need --crops none, and are aligned by sound"
    NO_AUDIO = "no_audio", "use --align visual for silent clips, or give audio_path"
    DECODE_ERROR = "decode_error", "the file is damaged or cut short; download or copy it again"
    TOO_SHORT = (
        "too_short",
        "a clip needs at least two frames, and a quarter of a second of sound to be aligned by it",
    )
    # the labels
    BAD_ROW = "bad_row", "correct the row of the manifest"
    UNKNOWN_NAME = (
        "unknown_name",
        "rename the file as the corpus does, or list it in a manifest of your own",
    )
    UNKNOWN_CODE = (
        "unknown_code",
        "the name carries a code that the corpus does not define; check the name",
    )
    LABEL_CONFLICT = (
        "label_conflict",
        "the labels disagree; correct the name, the folder or the row, nothing is guessed",
    )
    DUPLICATE_CLIP = "duplicate_clip", "the same clip was found before; remove one copy"
    NOT_UNPACKED = "not_unpacked", "unpack the tar beside itself and scan again"
    NOT_SELECTED = (
        "not_selected",
        "selected out by an option such as --views, --speakers or --limit",
    )
    KNOWN_DEFECT = "known_defect", "listed as defective in manifests/; see docs/corpora.md"
    SENTENCE_UNKNOWN = "sentence_unknown", "give the sentence by --transcripts or in a manifest"
    NO_PARTNER = "no_partner", "no other clip of this speaker, view and sentence in another emotion"
    # the face
    NO_FACE = "no_face", "no face was found in any frame; look at the clip"
    FEW_FACES = "few_faces", "lower --min-face-rate, or look at the clip"
    SMALL_FACE = "small_face", "lower --min-eye-distance if small faces will do"
    # the pair
    CONTENT_MISMATCH = (
        "content_mismatch",
        "the two clips do not sound or look like one sentence; check their labels",
    )
    CONTENT_UNCHECKED = (
        "content_unchecked",
        "the content check of the speaker did not end; run again, it is tried anew",
    )
    DURATION_RATIO = "duration_ratio", "one clip is far longer than the other; check their labels"
    LONGEST_REPEAT = (
        "longest_repeat",
        "one frame stands for a long stretch of the other clip; check for long silence",
    )
    LOCAL_SLOPE = "local_slope", "the warping path is locally too steep or too flat"
    BAD_PATH = (
        "bad_path",
        "the imported path is none of these two clips: make it from these very files",
    )
    NO_SIGNAL = "no_signal", "nothing to align by: silent audio and no mouth track"
    PARTNER_FAILED = (
        "partner_failed",
        "the other clip of the pair could not be used; see its own reason",
    )
    # the run
    CRASHED = (
        "crashed",
        "the worker died on this clip; run again with --retry-failed, and report the file",
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        "raise --memory-mb where the machine has it, and use fewer workers; check the file",
    )
    TIMED_OUT = "timed_out", "the clip took too long; raise --timeout"
    DISK_FULL = "disk_full", "free some space and run again; what is done is kept"
    INTERNAL_ERROR = (
        "internal_error",
        "a bug in stccl: report it with the log; --retry-failed tries again",
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
        """What a user can do, by the reason code; empty without one."""
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
