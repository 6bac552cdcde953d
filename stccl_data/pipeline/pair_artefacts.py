"""Alignments and content checks as files: one of an utterance's pairs, one of a speaker's clips."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from stccl_data.alignment.align import Alignment
from stccl_data.errors import Reason
from stccl_data.files.atomic import write_bytes
from stccl_data.files.npz import npz_bytes
from stccl_data.pairs.content_check import ClipContent, ContentCheck, ContentScore
from stccl_data.pairs.gates import Refusal
from stccl_data.pipeline.artefacts import json_array, open_artefact

_ALIGNMENT_FIELDS = {f.name for f in fields(Alignment)}
#: Beside these fields, in the header of a stored alignment.
_DISAGREEMENTS = "disagreements"


@dataclass(frozen=True, slots=True)
class StoredAlignment:
    """An alignment on disk."""

    #: the artefact of the utterance
    path: Path
    #: index into `load_alignments(path)`
    number: int
    #: the fields of the alignment that are not arrays
    scores: Mapping[str, Any]
    #: third take, by the stem of its artefact -> seconds, see `alignment.consistency`
    disagreements: Mapping[str, float]


def save_alignments(
    path: Path,
    results: Sequence[Alignment | Refusal],
    disagreements: Sequence[Mapping[str, float]] = (),
) -> None:
    """Write the results of an utterance's pairs as one file.

    Args:
        path: the artefact.
        results: one per pair, in order.
        disagreements: one per pair, see `StoredAlignment`; by default nothing is known.
    """
    arrays: dict[str, Any] = {}
    header: list[dict[str, Any]] = []
    for i, result in enumerate(results):
        if isinstance(result, Refusal):
            header.append({"reason": result.reason.value, "detail": result.detail})
            continue
        values = {f.name: getattr(result, f.name) for f in fields(Alignment)}
        arrays |= {
            f"{i}.{name}": value for name, value in values.items() if isinstance(value, np.ndarray)
        }
        entry = {name: value for name, value in values.items() if not isinstance(value, np.ndarray)}
        entry[_DISAGREEMENTS] = dict(disagreements[i]) if disagreements else {}
        header.append(entry)
    write_bytes(path, npz_bytes({"header": json_array(header), **arrays}))


def stored_alignments(path: Path, header: str) -> list[StoredAlignment | Refusal]:
    """Return the results of an utterance's pairs, in order, from the header of their artefact."""
    return [
        _refusal(entry)
        if "reason" in entry
        else StoredAlignment(path, i, entry, entry.pop(_DISAGREEMENTS, {}))
        for i, entry in enumerate(json.loads(header))
    ]


def load_alignments(path: Path) -> list[Alignment | Refusal]:
    """Read what `save_alignments` wrote.

    Raises:
        DamagedArtefactError: the file is damaged.
    """
    results: list[Alignment | Refusal] = []
    with open_artefact(path) as stored:
        for i, entry in enumerate(json.loads(bytes(stored["header"]))):
            if "reason" in entry:
                results.append(_refusal(entry))
                continue
            entry.pop(_DISAGREEMENTS, None)
            arrays: dict[str, Any] = {
                n.partition(".")[2]: stored[n] for n in stored.names if n.startswith(f"{i}.")
            }
            if {*arrays, *entry} != _ALIGNMENT_FIELDS:
                raise ValueError(f"alignment {i} lacks arrays")
            results.append(Alignment(**entry, **arrays))
    return results


def _refusal(entry: Mapping[str, str]) -> Refusal:
    return Refusal(Reason[entry["reason"].upper()], entry["detail"])


def save_content(path: Path, check: ContentCheck) -> None:
    """Write the content check of one speaker as one file."""
    values = {
        "pairs": [asdict(score) for score in check.pairs],
        "clips": [asdict(clip) for clip in check.clips.values()],
    }
    write_bytes(path, npz_bytes({"content": json_array(values)}))


def load_content(path: Path) -> ContentCheck:
    """Read what `save_content` wrote.

    Raises:
        DamagedArtefactError: the file is damaged.
    """
    with open_artefact(path) as stored:
        values = json.loads(bytes(stored["content"]))
    clips = [ClipContent(**clip) for clip in values["clips"]]
    return ContentCheck(
        [ContentScore(**score) for score in values["pairs"]],
        {clip.clip_id: clip for clip in clips},
    )
