"""Random generators that depend on what they are for, never on what was drawn before.

The key says what a generator is for, such as the epoch and the reader. `np.random.SeedSequence`
mixes seed and key, so generators of neighbouring keys are independent.
"""

import numpy as np
import torch


def numpy_generator(seed: int, *key: int) -> np.random.Generator:
    """Create a numpy generator for a key under a seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def torch_generator(seed: int, *key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Create a torch generator for a key under a seed."""
    (state,) = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state))
