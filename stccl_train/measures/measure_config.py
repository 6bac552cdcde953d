"""The options of a measurement."""

from dataclasses import dataclass
from pathlib import Path

from stccl_data.executors import usable_cores
from stccl_train.measures.networks.weight_files import ARCFACE, SYNCNET


@dataclass(frozen=True, slots=True)
class MeasureConfig:
    """What to measure with."""

    #: folder of a trained metric, for SCC and TCC
    run: str | None = None
    #: folder of the user's weights files; None: see `weights_folder`
    weights: str | None = None
    #: torch device of the networks
    device: str = "cpu"
    #: processes; 0: one per core
    workers: int = 0
    #: names that `Measurement.only` will be asked for: unknown ones are refused before any work
    wanted: tuple[str, ...] = ()

    @property
    def worker_count(self) -> int:
        """Number of processes."""
        return self.workers or usable_cores()

    def identity(self) -> tuple[object, ...]:
        """Return what results depend on: files of weights, by size and time of change."""
        weights = [file.find(self.weights) for file in (SYNCNET, ARCFACE)]
        files = [path for path in weights if path is not None]
        if self.run is not None:
            from stccl_train.model.export import CARD_FILE, WEIGHTS_FILE

            files = [Path(self.run) / WEIGHTS_FILE, Path(self.run) / CARD_FILE, *files]
        stats = [path.stat() for path in files]
        return tuple((stat.st_size, stat.st_mtime_ns) for stat in stats)
