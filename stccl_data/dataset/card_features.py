"""The types of a sample's members for the dataset card, as Hugging Face `datasets` reads them.

With them `load_dataset("OUT")` need not infer types, and gives the sound as bytes: decoding all
clips of a sample as one file would return the first alone, and needs torchcodec.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from stccl_data.dataset.index import parse_index_entry, read_index_lines, read_shard_list
from stccl_data.dataset.layout import CARD, CLIP_ARRAYS, FRAME_ARRAYS, LABELS, PAIR_ARRAYS
from stccl_data.dataset.members import TarMembers, member_arrays
from stccl_data.dataset.schemas.schema_2_columns import (
    CLIP_COLUMNS,
    CLIP_LABELS,
    PAIR_COLUMNS,
    PAIR_LABELS,
    SAMPLE_LABELS,
    SCORE_TYPE,
)

_ARROW_TYPES = {str: "string", int: "int64", float: "float64", bool: "bool"}


def card_features(out: Path) -> str:
    """Return the entry `dataset_info` of the card's metadata; empty for schema 1 and no samples.

    Raises:
        ShardError: the index or the first sample cannot be read.
    """
    lines = read_index_lines(out)
    if not lines:
        return ""
    entry = parse_index_entry(lines[0], "the first line")
    if not entry.arrays:
        return ""
    size = next(shard.bytes for shard in read_shard_list(out) if shard.path == entry.shard)
    members = TarMembers(out / entry.shard, entry.shard, size, entry.ranges)
    pair_arrays = member_arrays(members.read(PAIR_ARRAYS), PAIR_ARRAYS)
    structs = {
        LABELS: _label_lines(),
        CLIP_ARRAYS: _array_lines(entry.arrays, _clip_types()),
        PAIR_ARRAYS: _array_lines(pair_arrays, PAIR_COLUMNS),
    }
    text = ["dataset_info:", "  features:"]
    for name in ("__key__", "__url__", *entry.ranges):
        text.append(f"  - name: {name}")
        if name in structs:
            text += ["    struct:", *(f"    {line}" for line in structs[name])]
        else:
            text.append(f"    dtype: {'string' if name.startswith('__') else 'binary'}")
    return "\n".join(text) + "\n"


def stored_features(out: Path) -> str:
    """Return what `card_features` returned for the card that is in OUT; empty without a card."""
    try:
        card = (out / CARD).read_text()
    except OSError:
        return ""
    block = re.search(r"^dataset_info:\n(?:  .*\n)*", card, re.MULTILINE)
    return block.group() if block else ""


def _clip_types() -> dict[str, str]:
    return {name: rule.dtype for name, rule in FRAME_ARRAYS.items()} | CLIP_COLUMNS


def _array_lines(names: Iterable[str], types: Mapping[str, str]) -> list[str]:
    lines = []
    for name in names:
        lines += [f"- name: {name}", f"  list: {types.get(name, SCORE_TYPE)}"]
    return lines


def _label_lines() -> list[str]:
    lines = _typed_lines(SAMPLE_LABELS)
    for name, labels in (("clips", CLIP_LABELS), ("pairs", PAIR_LABELS)):
        lines += [f"- name: {name}", "  list:", *(f"  {line}" for line in _typed_lines(labels))]
    return lines


def _typed_lines(labels: Mapping[str, type]) -> list[str]:
    lines = []
    for name, kind in labels.items():
        lines += [f"- name: {name}", f"  dtype: {_ARROW_TYPES[kind]}"]
    return lines
