"""The grids of AdaTime's datasets, on generated files in its layout."""

from pathlib import Path

import pytest
import torch
import yaml

from adapt.benchmark.plan.plan import read_plan
from adapt.data import TimeSeries

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "benchmarks"


@pytest.mark.parametrize(("name", "channels"), [("har", 9), ("wisdm", 3), ("hhar", 3)])
def test_every_pair_of_the_grid_finds_its_files(
    name: str, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPT_DATA", str(tmp_path))
    content = yaml.safe_load((CONFIGS / f"adatime_{name}.yaml").read_text())
    data = next(part["data"]["init_args"] for part in content["base"] if isinstance(part, dict))
    pairs = [task["data"]["init_args"] for task in content["tasks"].values()]
    assert len(pairs) == len({(pair["source"], pair["target"]) for pair in pairs}) == 10
    folder = tmp_path / data["folder"]
    folder.mkdir()
    for person in {pair[role] for pair in pairs for role in ("source", "target")}:
        for split, n in (("train", 40), ("test", 12)):
            samples = {"samples": torch.randn(n, channels, 128), "labels": (torch.arange(n) % 6).float()}
            torch.save(samples, folder / f"{split}_{person}.pt")
    plan = read_plan(CONFIGS / f"adatime_{name}.yaml", tmp_path / "runs")
    assert len(plan.cells) == 10 * 12 * 3
    for pair in pairs:
        module = TimeSeries(**data | pair | {"standardise": "domains"})
        assert module.input_shape == (channels, 128)
        assert len(module.class_names) == 6
        x = module.domain(pair["target"], "train").x  # type: ignore[attr-defined]
        assert torch.allclose(x.mean((0, 2)), torch.zeros(channels), atol=0.2)
