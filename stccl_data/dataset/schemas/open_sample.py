"""Open a sample by the schema that its KEY.json names."""

import json

from stccl_data.dataset.layout import LABELS, SCHEMA
from stccl_data.dataset.members import MAX_JSON_BYTES, Members, ShardError
from stccl_data.dataset.schemas.fields import required
from stccl_data.dataset.schemas.schema_1 import Schema1Sample
from stccl_data.dataset.schemas.schema_2 import Schema2Sample
from stccl_data.dataset.schemas.stored_sample import StoredSample


def open_sample(key: str, members: Members) -> StoredSample:
    """Open a sample; only KEY.json is read.

    Raises:
        ShardError: KEY.json is missing, too large, of another key or of a newer schema.
        ValueError: KEY.json is invalid.
    """
    name = f"{members.shard}: {key}.{LABELS}"
    size = members.sizes.get(LABELS)
    if size is None:
        raise ShardError(f"{name} is missing; run `stccl verify`")
    if size > MAX_JSON_BYTES:
        raise ShardError(f"{name} has {size:,} bytes, more than stccl ever writes")
    record = json.loads(members.read(LABELS))
    schema = required(record, "schema", int)
    if schema > SCHEMA:
        raise ShardError(
            f"{name} has schema {schema}, but this version of stccl reads up to {SCHEMA}; "
            "install a newer stccl"
        )
    if required(record, "key", str) != key:
        raise ValueError(f"its key is {record['key']}")
    return (Schema1Sample if schema < SCHEMA else Schema2Sample)(key, members, record)
