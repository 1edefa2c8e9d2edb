"""What every test wants: a seed, no W&B unless asked, no leftover warnings of loaders, a working folder of its own."""

import os
import random
from collections import Counter

import numpy as np
import pytest
import torch

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: several threads each would wait for one another.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    # Weights that a test draws before any seed is set would hang on which tests ran earlier on the same worker.
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_SILENT", "true")


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    # Grids run in the test's own process unless a test asks for more: patches hold there, and nothing is imported.
    monkeypatch.setattr("adapt.benchmark.run.machine.usable_cores", lambda: 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The campaign's figures, summed over its tests and over the processes that ran them."""
    figures: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, number in getattr(report, "user_properties", ()):
                if name.startswith("campaign: ") and report.when == "call":
                    figures[name.removeprefix("campaign: ")] += number
    if figures:
        terminalreporter.write_sep("=", "campaign")
        terminalreporter.write_line(", ".join(f"{name} {number}" for name, number in figures.items()))
