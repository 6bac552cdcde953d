"""Pairs of published pair files, and the clips and pairs of a prepared dataset to compare with."""

from pathlib import Path

import numpy as np

from stccl_data.alignment.warping_path import FramePath
from stccl_data.dataset import open_dataset
from stccl_data.dataset.tables import read_clips
from stccl_data.interchange.pair_file import FilePair


def path_of(source, target):
    """Return a path in frames."""
    return FramePath(np.array(source, np.int32), np.array(target, np.int32))


def file_pair(key="001_001", emotion="happy", speaker="M003", source=(0, 1, 2), target=(0, 1, 2)):
    """Return an entry of a pair file."""
    return FilePair(speaker, emotion, key, path_of(source, target))


def stored_pairs(out):
    """Return the accepted pairs of a dataset by (source, target) clip ids."""
    dataset = open_dataset(out)
    return {
        (pair.source.clip_id, pair.target.clip_id): pair
        for key in dataset.keys()  # noqa: SIM118 - not a mapping
        for pair in dataset[key].pairs()
    }


def file_names(out):
    """Return (speaker, emotion, stem of the file) of a dataset's clips by clip id."""
    return {
        row["clip_id"]: (row["speaker"], row["emotion"], Path(row["path"]).stem)
        for row in read_clips(out)
    }
