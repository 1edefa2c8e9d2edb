"""The field's grids, on generated files of their layout with a tiny network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import yaml

from adapt.benchmark.plan.plan import read_plan
from adapt.cli import main
from tests.data.files import write_images

CLASSES = ["bike", "mug"]
RATES = {"SourceOnly": 0.001, "DAN": 0.003, "DANN": 0.01, "CDAN": 0.01, "MCC": 0.005}


def write_folders(*domains: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for domain in domains:
            write_images(root / domain, CLASSES, 10, "jpg")

    return write


def write_lists(root: Path) -> None:
    (root / "domainnet" / "image_list").mkdir(parents=True)
    for domain in ("clipart", "painting", "real", "sketch"):
        write_images(root / "domainnet" / domain, CLASSES, 10, "jpg")
        files = sorted((root / "domainnet" / domain).rglob("*.jpg"))
        for part, chosen in (("train", files[::2]), ("test", files[1::2])):
            lines = [f"{path.relative_to(root / 'domainnet')} {CLASSES.index(path.parent.name)}" for path in chosen]
            (root / "domainnet" / "image_list" / f"{domain}_{part}.txt").write_text("\n".join(lines))


def write_surf(root: Path) -> None:
    (root / "office_caltech").mkdir()
    rng = np.random.default_rng(0)
    for domain in ("amazon", "Caltech10", "dslr", "webcam"):
        y = np.arange(60) % 10 + 1
        counts = rng.poisson(3.0, (60, 30)).astype(float) + y[:, None]
        scipy.io.savemat(root / "office_caltech" / f"{domain}_SURF_L10.mat", {"fts": counts, "labels": y[:, None]})


GRIDS: dict[str, tuple[Callable[[Path], None], int]] = {
    "office31": (write_folders("office31/amazon/images", "office31/dslr/images", "office31/webcam/images"), 6),
    "office_home": (
        write_folders(*(f"OfficeHomeDataset_10072016/{name}" for name in ("Art", "Clipart", "Product", "Real World"))),
        12,
    ),
    "visda": (write_folders("visda-2017/train", "visda-2017/validation"), 1),
    "domainnet": (write_lists, 12),
    "pacs_three_sources": (
        write_folders(*(f"PACS/{name}" for name in ("art_painting", "cartoon", "photo", "sketch"))),
        4,
    ),
    "office_caltech": (write_surf, 12),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_has_every_task(name: str) -> None:
    assert len(read_plan(Path("configs/benchmarks", f"{name}.yaml")).tasks) == GRIDS[name][1]


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("office31", {}),
        ("office_home", {}),
        ("visda", {"MCC": 0.002}),
        ("domainnet", {"SourceOnly": 0.01}),
    ],
)
def test_a_grid_has_the_rates_of_the_field(name: str, changed: dict[str, float]) -> None:
    plan = read_plan(Path("configs/benchmarks", f"{name}.yaml"))
    rates = {cell.method: cell.config["model"]["init_args"]["optimizer"]["init_args"]["lr"] for cell in plan.cells}
    assert rates == RATES | changed


@pytest.mark.slow
@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_runs_on_files_of_its_layout(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, _ = GRIDS[name]
    configs = Path("configs").resolve()
    monkeypatch.setenv("ADAPT_DATA", str(tmp_path))
    write(tmp_path)
    grid = yaml.safe_load((configs / "benchmarks" / f"{name}.yaml").read_text())
    grid["seeds"] = [0]
    short: dict[str, Any] = {"trainer": {"max_steps": 2, "val_check_interval": 1}}
    images: dict[str, Any] = {
        "data": {"init_args": {"image_size": 16, "batch_size": 4, "num_workers": 0}},
        "model": {"init_args": {"backbone": {"class_path": "SmallCNN"}, "bottleneck": 8}},
    }
    smaller = short | {"data": {"init_args": {"batch_size": 4}}} if name == "office_caltech" else short | images

    def shortened(parts: Any) -> list[Any]:
        return [
            str((configs / "benchmarks" / part).resolve()) if isinstance(part, str) else part
            for part in (parts if isinstance(parts, list) else [parts])
        ]

    for task, parts in grid["tasks"].items():
        if isinstance(parts, dict):
            parts["config"] = [*shortened(parts["config"]), smaller]
            parts["domains"] = dict(list(parts["domains"].items())[:2])  # the others are of the same kind
        else:
            grid["tasks"][task] = [*shortened(parts), smaller]
    grid["methods"] = {method: [*shortened(parts), short] for method, parts in grid["methods"].items()}
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(yaml.safe_dump(grid))
    assert main(["benchmark", "--config", "grid.yaml"]) == 0
    tasks = 2 if "pairs" in grid["tasks"] else len(grid["tasks"])
    assert len(list(Path("runs", name).glob("*/*/0/result.json"))) == tasks * len(grid["methods"])
