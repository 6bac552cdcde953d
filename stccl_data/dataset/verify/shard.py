"""Verification of one shard: its size, its checksum, its end mark, and each of its samples."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from stccl_data.dataset.index import IndexEntry, ShardInfo
from stccl_data.dataset.layout import SHARDS, STAGED
from stccl_data.dataset.members import ByteRange, ShardError, TarMembers
from stccl_data.dataset.tar import read_headers
from stccl_data.dataset.verify.problem import COPY, RERUN, Problem, problem_of
from stccl_data.dataset.verify.sample import Sample, check_sample
from stccl_data.progress import Progress

_CHUNK = 2**20


@dataclass(slots=True)
class ShardFindings:
    """The result of verifying one shard."""

    problems: list[Problem] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    #: whether the tar could be read to its end
    readable: bool = False


def check_shard(
    out: Path,
    shard: ShardInfo,
    indexed: Mapping[str, IndexEntry],
    decode: bool,
    progress: Progress,
) -> ShardFindings:
    """Verify one shard by itself.

    Args:
        out: folder of the dataset.
        shard: the shard as shards.json lists it.
        indexed: key -> line of index.jsonl.
        decode: decode frames and sound too.
        progress: receives one step per sample.
    """
    findings = ShardFindings()
    path = out / shard.path
    try:
        size, digest = _checksum(path)
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        findings.problems.append(Problem(shard.path, what, COPY))
        return findings
    findings.problems += _file_problems(shard, size, digest)
    try:
        headers = read_headers(path, shard.path)
        for key, group in groupby(headers, key=lambda member: member.key):
            listed = list(group)
            ranges = {member.suffix: ByteRange(member.offset, member.size) for member in listed}
            members = TarMembers(path, shard.path, size, ranges)
            sample, faults = check_sample(members, shard, listed, indexed.get(key), decode)
            findings.samples.append(sample)
            findings.problems += [Problem(shard.path, fault, RERUN) for fault in faults]
            progress.step()
        findings.readable = True
    except ShardError as error:
        findings.problems.append(problem_of(shard.path, error))
    if findings.readable and len(findings.samples) != shard.utterances:
        what = f"holds {len(findings.samples)} utterances, but {SHARDS} says {shard.utterances}"
        findings.problems.append(Problem(shard.path, what, RERUN))
    return findings


def _file_problems(shard: ShardInfo, size: int, digest: str) -> list[Problem]:
    problems = []
    if size != shard.bytes:
        what = f"has {size:,} bytes, but {SHARDS} says {shard.bytes:,}"
        problems.append(Problem(shard.path, what, COPY))
    elif digest != shard.sha256:
        what = (
            f"is not what was written: its SHA-256 begins with {digest[:12]} instead of "
            f"{shard.sha256[:12]}"
        )
        problems.append(Problem(shard.path, what, COPY))
    if not shard.path.removeprefix(f"{STAGED}/").startswith(f"shards/{shard.split}/"):
        problems.append(Problem(SHARDS, f"lists {shard.path} as {shard.split}", RERUN))
    return problems


def _checksum(path: Path) -> tuple[int, str]:
    """Return the size of a file and its SHA-256."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
