"""Errors of training."""

from stccl_data.errors import StcclError


class TrainingError(StcclError):
    """Training cannot start or continue."""


class CheckpointError(StcclError):
    """A checkpoint cannot be read or does not fit the run."""
