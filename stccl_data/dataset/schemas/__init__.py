"""The schemas of a sample: how each version of the format stores what the reader returns.

`open_sample` returns a `StoredSample`. Nothing outside this package knows which schema it has.
"""

from stccl_data.dataset.schemas.open_sample import open_sample
from stccl_data.dataset.schemas.stored_sample import StoredSample

__all__ = ["StoredSample", "open_sample"]
