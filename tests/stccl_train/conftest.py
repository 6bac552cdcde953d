"""What the tests of training share: one thread, for tensors this small gain nothing from more, and lose much beside other work."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
