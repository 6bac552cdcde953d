"""Generators are reproducible, and differ between seeds and keys."""

import pytest
import torch

from stccl_train.seeding import numpy_generator, torch_generator

KEYS = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]


def draw_numpy(seed, *key):
    return numpy_generator(seed, *key).random(4).tolist()


def draw_torch(seed, *key):
    return torch.rand(4, generator=torch_generator(seed, *key)).tolist()


@pytest.mark.parametrize("draw", [draw_numpy, draw_torch])
def test_the_same_seed_and_key_give_the_same_numbers(draw):
    assert all(draw(3, *key) == draw(3, *key) for key in KEYS)


@pytest.mark.parametrize("draw", [draw_numpy, draw_torch])
def test_different_seeds_and_keys_give_different_numbers(draw):
    draws = {tuple(draw(seed, *key)) for seed in (0, 1) for key in KEYS}
    assert len(draws) == 2 * len(KEYS)
