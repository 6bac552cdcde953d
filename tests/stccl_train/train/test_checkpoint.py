"""Checkpoints: whole or not there, nothing in them is executed, and each fault is said with the file's name."""

import pickle
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from stccl_data.dataset import open_dataset
from stccl_train.train.checkpoint import (
    Checkpoint,
    CheckpointError,
    fingerprint,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from tests.testing import datasets as small


def test_what_was_saved_is_loaded(tmp_path):
    state = Checkpoint(
        step=7,
        model={"w": torch.arange(3.0)},
        rng=[random_state()],
        config={"lr": 0.1, "betas": [0.9]},
        best=1.5,
        first_loss=2.0,
    )
    save_checkpoint(tmp_path / "c" / "last.pt", state)
    found = load_checkpoint(tmp_path / "c" / "last.pt")
    assert torch.equal(found.model["w"], torch.arange(3.0)) and (
        found.step,
        found.best,
        found.config,
    ) == (7, 1.5, state.config)
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["last.pt"]


def test_a_save_that_fails_leaves_the_one_before(tmp_path, monkeypatch):
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
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, content):
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


def test_a_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        load_checkpoint(tmp_path / "last.pt")


def test_random_states_come_back():
    state = random_state()
    first = torch.rand(3)
    restore_random_state(state)
    assert torch.equal(torch.rand(3), first)


def test_data_is_known_by_what_it_holds_and_not_by_where_it_lies(tmp_path):
    one, other = (open_dataset(small.make_dataset(tmp_path / name).out) for name in ("a", "b"))
    assert (
        fingerprint(one, "train") == fingerprint(other, "train") != fingerprint(one, "train", "val")
    )
    table = pq.read_table(other.path / "pairs.parquet")
    pq.write_table(table.slice(1), other.path / "pairs.parquet")
    assert fingerprint(one, "train") != fingerprint(open_dataset(other.path), "train")
