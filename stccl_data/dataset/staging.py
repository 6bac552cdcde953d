"""The folder in OUT that new shards are written into, shard by shard, across interruptions."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stccl_data.dataset.layout import shard_name
from stccl_data.dataset.publish import staging_folder
from stccl_data.dataset.shard_writer import ShardFile
from stccl_data.files.atomic import remove_leftovers, write_text

#: Beside each finished shard: its record and its lines of the index.
_RECORD = ".json"


class Staging:
    """The shards that are finished but not published yet."""

    def __init__(self, out: Path, source: Mapping[str, Any]) -> None:
        """Open the folder, and delete shards in it that were made from something else.

        Args:
            out: folder of the dataset.
            source: what the shards are made from, JSON-compatible.
        """
        #: the folder that a `ShardWriter` writes into, in place of OUT
        self.folder = staging_folder(out)
        if staged_source(out) != source:
            shutil.rmtree(self.folder / "shards", ignore_errors=True)
            write_text(_source_file(out), json.dumps(source) + "\n")
        remove_leftovers(self.folder)

    def finished(self, split: str) -> list[ShardFile]:
        """Return the finished shards of a split, in order."""
        files: list[ShardFile] = []
        while True:
            path = self.folder / shard_name(split, len(files))
            try:
                record = json.loads(Path(f"{path}{_RECORD}").read_bytes())
                if path.stat().st_size != record["bytes"]:
                    return files
            except (OSError, ValueError, KeyError):
                return files
            files.append(ShardFile(**{**record, "index": tuple(record["index"])}))

    def record(self, files: Sequence[ShardFile], recorded: int) -> int:
        """Record the finished shards after the first `recorded`. Returns their number."""
        for file in files[recorded:]:
            write_text(Path(f"{self.folder / file.path}{_RECORD}"), json.dumps(asdict(file)))
        return len(files)


def staged_source(out: Path) -> dict[str, Any] | None:
    """Return what the staged shards are made from; None if there are none."""
    try:
        source: dict[str, Any] = json.loads(_source_file(out).read_bytes())
        return source
    except (OSError, ValueError):
        return None


def _source_file(out: Path) -> Path:
    return staging_folder(out) / "source.json"
