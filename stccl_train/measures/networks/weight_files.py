"""The weights files that users bring: what each is called, where it goes, what it enables.

Imports nothing heavy, so that `stccl doctor` can list them on any machine.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stccl_data.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

#: The environment variable that names the folder of weights files.
FOLDER_VARIABLE = "STCCL_WEIGHTS"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A published file of weights."""

    #: of the network, as messages name it
    network: str
    #: of the file, as published
    name: str
    #: what can be measured with it
    enables: str
    #: where it was published
    source: str

    def find(self, folder: str | Path | None = None) -> Path | None:
        """Return the path of the file; None if it is missing."""
        path = weights_folder(folder) / self.name
        return path if path.is_file() else None

    def missing(self, folder: str | Path | None = None) -> str:
        """Say which file is missing, where it goes, and what it enables."""
        return (
            f"{self.name} is missing in {weights_folder(folder)}; it enables {self.enables} "
            f"({self.network}, {self.source})"
        )


SYNCNET = WeightFile(
    "SyncNet",
    "syncnet_v2.model",
    "sync: LSE-D and LSE-C",
    "Chung and Zisserman 2016, joonson/syncnet_python",
)
ARCFACE = WeightFile(
    "ArcFace iresnet50",
    "iresnet50.pth",
    "identity: cosines of face embeddings",
    "Deng et al. 2019, insightface; rename its backbone.pth",
)
RESNET_FACE = WeightFile(
    "ResNet-18 with one input channel",
    "resnet18_110.pth",
    "realism: the Frechet distance of faces (FAD)",
    "ronghuaiyang/arcface-pytorch",
)
EFFICIENT_FACE = WeightFile(
    "EfficientFace",
    "EfficientFace_Trained_on_AffectNet7.pth.tar",
    "CSIM of --protocol spfem2024",
    "Zhao et al. 2021, zengqunzhao/EfficientFace",
)

WEIGHT_FILES = (SYNCNET, ARCFACE, RESNET_FACE, EFFICIENT_FACE)


def weights_folder(folder: str | Path | None = None) -> Path:
    """Return the folder of weights files: as given, else $STCCL_WEIGHTS, else in ~/.cache."""
    if folder is not None:
        return Path(folder)
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "stccl" / "weights"


def load_published(network: "nn.Module", path: Path) -> None:
    """Load a published file into a network, strictly and without executing anything in it.

    A state dict inside a checkpoint is taken out, and the prefix ``module.`` of networks that were
    trained on several GPUs removed.

    Args:
        network: receives the weights, and is set to eval mode.
        path: of the file.

    Raises:
        UsageError: the file is unreadable, or of another network.
    """
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # UnpicklingError, RuntimeError, OSError, EOFError, ...
        raise UsageError(
            f"{path}: not a state dict that can be loaded without executing code in it "
            f"({type(error).__name__}); download it again"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    try:
        state: dict[str, Tensor] = {
            name.removeprefix("module."): value for name, value in content.items()
        }
        network.load_state_dict(state)
    except Exception as error:  # of any type for objects that are not state dicts
        reason = " ".join(str(error).split())[:300]
        name = type(network).__name__
        raise UsageError(f"{path}: not the weights of {name} ({reason})") from error
    network.requires_grad_(False).eval()
