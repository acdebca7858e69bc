"""What the comparisons with a live torch share."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def torch_on_one_thread():
    """These sizes gain nothing from threads, which spin for seconds where others want the cores."""
    pytest.importorskip("torch.nn")
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
