"""Turn raw talking-face videos into webdataset shards of utterances aligned across emotions.

The names in ``__all__`` are the public API. They are imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stccl_data.alignment.align_files import align_files
    from stccl_data.corpora import scan_corpus
    from stccl_data.dataset import open_dataset
    from stccl_data.dataset.verify import verify
    from stccl_data.face.points import face_points
    from stccl_data.pipeline.config import PrepareConfig
    from stccl_data.pipeline.prepare import prepare

_MODULES = {
    "PrepareConfig": "stccl_data.pipeline.config",
    "align_files": "stccl_data.alignment.align_files",
    "face_points": "stccl_data.face.points",
    "open_dataset": "stccl_data.dataset",
    "prepare": "stccl_data.pipeline.prepare",
    "scan_corpus": "stccl_data.corpora",
    "verify": "stccl_data.dataset.verify",
}

__all__ = [
    "PrepareConfig",
    "align_files",
    "face_points",
    "open_dataset",
    "prepare",
    "scan_corpus",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
