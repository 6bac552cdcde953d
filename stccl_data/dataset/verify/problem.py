"""One problem of a dataset, and what to do about the common ones."""

from dataclasses import dataclass

from stccl_data.dataset.members import ShardError

COPY = "copy it again, or delete it and rerun `stccl prepare`"
RERUN = "rerun `stccl prepare`"
REWRITE = "rerun `stccl prepare`, which writes it again"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a dataset."""

    #: relative to the dataset's folder
    file: str
    #: what is wrong with the file
    what: str
    #: what to do about it
    advice: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}; {self.advice}"


def problem_of(file: str, error: ShardError) -> Problem:
    """Turn an error of the reader into a problem of `file`."""
    text = str(error).removeprefix(file).lstrip(" :")
    what, _, advice = text.partition("; ")
    return Problem(file, what, COPY if not advice or "stccl verify" in advice else advice)
