"""The folder of a demo corpus: where its files are, and how an earlier demo is removed."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from stccl_data.demo.layouts import ClipName
from stccl_data.demo.selection import DemoError

RECORD = Path("truth", "demo.json")
PAIRS = Path("truth", "pairs.csv")
TRANSCRIPTS = Path("transcripts.txt")


@dataclass(frozen=True, slots=True)
class Record:
    """What a demo corpus notes about itself."""

    layout: str
    #: side of a frame, pixels
    size: int
    fps: Fraction
    seed: int
    #: relative to the corpus folder
    files: tuple[str, ...]

    @property
    def truth_files(self) -> tuple[str, ...]:
        """The ground truth of the clips, in the order in which they were selected."""
        return tuple(file for file in self.files if file.startswith("truth/clips/"))


@dataclass(frozen=True, slots=True)
class ClipPair:
    """Two clips of one speaker, sentence and take."""

    #: neutral, or the first emotion if neutral is not rendered
    source: ClipName
    target: ClipName

    @property
    def map_path(self) -> str:
        """The file of the true map, relative to the corpus folder."""
        utterance = _utterance(self.source)
        return f"truth/maps/{utterance}_{self.source.emotion}_{self.target.emotion}.csv"


def pair_clips(names: Iterable[ClipName]) -> Iterator[ClipPair]:
    """Pair the reference clip of each speaker, sentence and take with the other emotions."""
    groups: dict[tuple[str, int, int], list[ClipName]] = {}
    for name in names:
        groups.setdefault((name.speaker, name.sentence, name.take), []).append(name)
    for group in groups.values():
        reference = next((name for name in group if name.emotion == "neutral"), group[0])
        yield from (ClipPair(reference, other) for other in group if other is not reference)


def truth_path(name: ClipName) -> str:
    """Return the file of a clip's ground truth, relative to the corpus folder.

    It must not look like the name of a clip, which a scan would report.
    """
    return f"truth/clips/{_utterance(name)}_{name.emotion}.json"


def list_files(names: Sequence[ClipName], layout: str) -> list[str]:
    """List all files that a demo of these clips writes, apart from the record itself."""
    files = [truth_path(name) for name in names]
    files += [
        str(path) for name in names for path in (name.path, name.audio_path) if path is not None
    ]
    files += [pair.map_path for pair in pair_clips(names)]
    return [*files, PAIRS.as_posix(), *([TRANSCRIPTS.as_posix()] if layout == "mead" else [])]


def write_record(folder: Path, options: dict[str, object], files: list[str]) -> None:
    """Write how the demo is made and which files belong to it."""
    text = json.dumps({"made_by": "stccl demo", **options, "files": files}, indent=1)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def read_record(folder: Path) -> Record:
    """Read what `write_record` wrote. Raises DemoError if there is no demo in `folder`."""
    path = folder / RECORD
    if not path.is_file():
        raise DemoError(f"{folder} is not a demo corpus: it has no {RECORD.as_posix()}")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Record(
        content["layout"],
        content["size"],
        Fraction(content["fps"]),
        content["seed"],
        tuple(content["files"]),
    )


def make_room(folder: Path) -> None:
    """Create `folder`, or remove an earlier demo from it.

    Raises:
        DemoError: the folder contains anything else.
    """
    if folder.exists() and not folder.is_dir():
        raise DemoError(f"{folder} is a file; choose a folder")
    record = folder / RECORD
    if record.is_file():
        _remove(folder, read_record(folder).files)
        record.unlink()
    elif folder.is_dir() and any(folder.iterdir()):
        raise DemoError(
            f"{folder} is not empty and is not a demo corpus; choose an empty or a new folder"
        )
    for name in ("clips", "maps"):
        (folder / "truth" / name).mkdir(parents=True, exist_ok=True)


def _remove(folder: Path, files: Iterable[str]) -> None:
    """Remove the files of an earlier demo, and the folders that become empty."""
    root = folder.resolve()
    parents: set[Path] = set()
    for file in files:
        path = (root / file).resolve()
        if path.is_relative_to(root) and path.is_file():
            path.unlink()
            parents.update(
                parent for parent in path.parents if parent != root and parent.is_relative_to(root)
            )
    for parent in sorted(parents, key=lambda path: len(path.parts), reverse=True):
        if not any(parent.iterdir()):
            parent.rmdir()


def _utterance(name: ClipName) -> str:
    take = f"_take-{name.take}" if name.take > 1 else ""
    return f"{name.speaker}_sentence-{name.sentence:02d}{take}"
