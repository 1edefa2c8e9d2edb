"""What every test wants: no W&B unless asked, no leftover warnings of loaders, a working folder of its own."""

import os

import pytest
import torch

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: several threads each would wait for one another.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_SILENT", "true")
