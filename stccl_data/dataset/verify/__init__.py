"""Verification of a prepared dataset: every byte, and every rule that readers rely on."""

from stccl_data.dataset.verify.dataset import verify
from stccl_data.dataset.verify.problem import Problem

__all__ = ["Problem", "verify"]
