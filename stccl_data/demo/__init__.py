"""Rendered corpora with known ground truth, for tests and for a first look."""

from stccl_data.demo.corpus import (
    DemoCorpus,
    TruePair,
    draw_manipulated,
    load_corpus,
    render_corpus,
)
from stccl_data.demo.selection import DEFAULT_EMOTIONS, DemoError, select_clips
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
    "draw_manipulated",
    "load_corpus",
    "render_corpus",
    "select_clips",
    "true_map",
]
