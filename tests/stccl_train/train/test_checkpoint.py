"""Checkpoints are written atomically, read without executing anything, and rejected by name."""

import pickle
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from stccl_data.dataset import open_dataset
from stccl_train.train.checkpoint import (
    Checkpoint,
    fingerprint,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from stccl_train.train.errors import CheckpointError
from tests.testing import datasets as small


def test_a_saved_checkpoint_is_loaded_unchanged(tmp_path):
    state = Checkpoint(
        step=7,
        model={"w": torch.arange(3.0)},
        rng=[random_state()],
        config={"lr": 0.1, "betas": [0.9]},
        best=1.5,
        first_loss=2.0,
    )
    save_checkpoint(tmp_path / "c" / "last.pt", state)
    loaded = load_checkpoint(tmp_path / "c" / "last.pt")
    assert torch.equal(loaded.model["w"], torch.arange(3.0))
    assert (loaded.step, loaded.best, loaded.config) == (7, 1.5, state.config)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["last.pt"]


def test_a_failed_save_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, Checkpoint(step=1))

    def broken(record, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, Checkpoint(step=2))
    assert load_checkpoint(path).step == 1 and list(tmp_path.iterdir()) == [path]


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return Path("/tmp").joinpath, ("trap",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", ["half", "text", "code", "pickle", "foreign", "newer", "odd"])
def test_an_invalid_checkpoint_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "last.pt"
    save_checkpoint(path, Checkpoint())
    if content == "half":
        path.write_bytes(path.read_bytes()[:200])
    elif content == "text":
        path.write_text("not a checkpoint")
    elif content == "pickle":
        path.write_bytes(pickle.dumps({"version": 1}))
    else:
        record = {
            "code": {"version": 1, "model": Trap()},
            "foreign": {"weights": 1},
            "newer": {"version": 99},
            "odd": {"version": 1, "x": 1},
        }
        torch.save(record[content], path)
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        load_checkpoint(path)


def test_a_missing_checkpoint_is_an_error_that_names_it(tmp_path):
    with pytest.raises(CheckpointError, match=r"last\.pt"):
        load_checkpoint(tmp_path / "last.pt")


def test_a_random_state_is_restored():
    state = random_state()
    first = torch.rand(3)
    restore_random_state(state)
    assert torch.equal(torch.rand(3), first)


def test_the_fingerprint_depends_on_the_contents_and_not_on_the_location(tmp_path):
    one, other = (open_dataset(small.make_dataset(tmp_path / name).out) for name in ("a", "b"))
    assert (
        fingerprint(one, "train") == fingerprint(other, "train") != fingerprint(one, "train", "val")
    )
    table = pq.read_table(other.path / "pairs.parquet")
    pq.write_table(table.slice(1), other.path / "pairs.parquet")
    assert fingerprint(one, "train") != fingerprint(open_dataset(other.path), "train")
