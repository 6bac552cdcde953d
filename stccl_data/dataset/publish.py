"""Replace the shards of a dataset by others without a moment at which it cannot be read.

The new shards are written into a folder of their own, OUT/shards.new, while readers use the old
ones. Then `shards.json`, which names every shard and the index, is replaced twice: first by one
that names the files in that folder, and, when the new shards have the places of the old ones, by
the final one. Each replacement is atomic, so a dataset that is cut off in between is read as it is,
and `finish_publishing` goes on from there.
"""

import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stccl_data.dataset.index import read_index_lines, read_shard_list
from stccl_data.dataset.layout import INDEX, SCHEMA, SHARDS, STAGED
from stccl_data.dataset.shard_writer import ShardFile
from stccl_data.files.atomic import atomic_writer, remove_leftovers, write_text

#: Raised where hard links are not supported.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}


def staging_folder(out: Path) -> Path:
    """Return the folder that a `ShardWriter` writes into, in place of OUT."""
    return out / STAGED


def upgrade_lock(out: Path) -> Path:
    """Return the file that an upgrade locks while it works on the staging folder."""
    return staging_folder(out) / "lock"


def publish(out: Path, files: Sequence[ShardFile], fingerprint: str) -> None:
    """Make the shards in the staging folder, all of them, those of the dataset.

    Raises:
        OSError: a file cannot be written. What was done is kept, and can be finished later.
    """
    staging = staging_folder(out)
    with atomic_writer(staging / INDEX) as index:
        for file in files:
            for line in file.index:
                staged = {**line, "shard": f"{STAGED}/{line['shard']}"}
                index.write(json.dumps(staged).encode() + b"\n")
    shards = [{**file.row(), "path": f"{STAGED}/{file.path}"} for file in files]
    write_shard_list(out, fingerprint, shards, f"{STAGED}/{INDEX}")
    finish_publishing(out)


def is_published_in_part(out: Path) -> bool:
    """Tell whether the dataset consists of staged shards, so that `finish_publishing` is due."""
    try:
        return bool(json.loads((out / SHARDS).read_bytes()).get("index"))
    except (OSError, ValueError, AttributeError):
        return False


def finish_publishing(out: Path) -> None:
    """Give the staged shards of a dataset their places, after `publish` or one that was cut off.

    The staging folder itself stays; see `discard_staged`.
    """
    if not is_published_in_part(out):
        return
    fingerprint = json.loads((out / SHARDS).read_bytes())["fingerprint"]
    staged = read_shard_list(out)
    prefix = f"{STAGED}/"
    shards: list[dict[str, Any]] = []
    for shard in staged:
        final = shard.path.removeprefix(prefix)
        _take_place(out / shard.path, out / final)
        shards.append(
            {
                "path": final,
                "split": shard.split,
                "utterances": shard.utterances,
                "bytes": shard.bytes,
                "sha256": shard.sha256,
            }
        )
    remove_other_shards(out, {shard["path"] for shard in shards})
    with atomic_writer(out / INDEX) as index:
        for line in read_index_lines(out):
            entry = json.loads(line)
            entry["shard"] = entry["shard"].removeprefix(prefix)
            index.write(json.dumps(entry).encode() + b"\n")
    write_shard_list(out, fingerprint, shards)


def write_shard_list(
    out: Path, fingerprint: str, shards: Sequence[dict[str, Any]], index: str | None = None
) -> None:
    """Write shards.json.

    Args:
        out: folder of the dataset.
        fingerprint: of what the shards were made from.
        shards: the records of the shards.
        index: path of the index if it is not INDEX.
    """
    place = {} if index is None else {"index": index}
    content = {"schema": SCHEMA, "fingerprint": fingerprint, **place, "shards": list(shards)}
    write_text(out / SHARDS, json.dumps(content, indent=1) + "\n")


def remove_other_shards(out: Path, paths: set[str]) -> None:
    """Delete the shards in their places that are not among `paths`, relative to OUT."""
    for shard in (out / "shards").glob("*/stccl-*.tar"):
        if str(shard.relative_to(out)) not in paths:
            shard.unlink()


def discard_staged(out: Path) -> None:
    """Delete the staging folder. The dataset must not consist of it."""
    shutil.rmtree(staging_folder(out), ignore_errors=True)


def _take_place(staged: Path, final: Path) -> None:
    """Give a file a second name, or copy it where the file system has no hard links."""
    if final.exists() and final.samefile(staged):
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(final.parent)
    final.unlink(missing_ok=True)
    try:
        os.link(staged, final)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with staged.open("rb") as source, atomic_writer(final) as copy:
            shutil.copyfileobj(source, copy, 2**20)
