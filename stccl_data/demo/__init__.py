"""Rendered corpora with known truth, for tests and for a first look."""

from stccl_data.demo.corpus import (
    DEFAULT_EMOTIONS,
    DemoCorpus,
    DemoError,
    TruePair,
    load_corpus,
    plan_corpus,
    render_corpus,
)
from stccl_data.demo.truth import ClipTruth, true_map
from stccl_data.demo.voice import DemoUnavailableError, Phoneme

__all__ = [
    "DEFAULT_EMOTIONS",
    "ClipTruth",
    "DemoCorpus",
    "DemoError",
    "DemoUnavailableError",
    "Phoneme",
    "TruePair",
    "load_corpus",
    "plan_corpus",
    "render_corpus",
    "true_map",
]
