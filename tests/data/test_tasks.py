from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import yaml

import adapt.data
from adapt.data import DomainDataModule
from tests.data.files import write_features, write_images

TASKS = sorted((Path(__file__).parents[2] / "configs" / "tasks").glob("*.yaml"))


def load(path: Path) -> tuple[type[DomainDataModule], dict[str, Any]]:
    config = yaml.safe_load(path.read_text())
    return getattr(adapt.data, config["data"]["class_path"]), config["data"]["init_args"]


def build(path: Path, root: Path) -> DomainDataModule:
    cls, arguments = load(path)
    sources = arguments["source"] if isinstance(arguments["source"], list) else [arguments["source"]]
    if cls is adapt.data.ImageFolders:
        for name in (*sources, arguments["target"]):
            write_images(root / arguments["dataset"] / name, ["bike", "mug"], 2)
    if cls is adapt.data.ImageLists:
        place = root / arguments["dataset"]
        (place / "image_list").mkdir(parents=True)
        for name in (*sources, arguments["target"]):
            write_images(place / name, ["bike", "mug"], 2)
            lines = [f"{name}/bike/0.png 0", f"{name}/mug/0.png 1"]
            for part in ("train", "test"):
                (place / "image_list" / f"{name}_{part}.txt").write_text("\n".join(lines))
    if cls is adapt.data.Arrays:
        (root / arguments["folder"]).mkdir()
        for name in (*sources, arguments["target"]):
            arrays = {arguments["x"]: np.ones((80, 5)), arguments["y"]: np.arange(80)[:, None] % 10 + 1}
            scipy.io.savemat(root / arguments["folder"] / f"{name}.mat", arrays)
    if cls is adapt.data.Features:
        for name in (arguments["source"], arguments["target"]):
            write_features(root / arguments["folder"] / f"{name}.npz", 80)
    if cls is adapt.data.TimeSeries:
        rng = np.random.default_rng(0)
        for name in (arguments["source"], arguments["target"]):
            folder = root / arguments.get("folder", "")
            folder.mkdir(parents=True, exist_ok=True)
            x, y = rng.normal(size=(80, 6, 128)).astype("float32"), np.arange(80) % 2
            np.savez(
                folder / f"{name}.npz", x=x, y=y, subject=np.arange(80) // 8, class_names=np.array(["rest", "lift"])
            )
    if cls is adapt.data.Texts:
        for name in (arguments["source"], arguments["target"]):
            folder = root / arguments.get("folder", "")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.csv").write_text("title,text,label\n" + "a,good,positive\nb,bad,negative\n" * 40)
    return cls(root=str(root), **arguments)


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_task_builds_and_says_what_it_is(path: Path, tmp_path: Path) -> None:
    data = build(path, tmp_path)
    assert data.problem.num_outputs >= (1 if data.problem.kind == "regression" else 2)
    assert path.read_text().startswith("# ")
    trainer = yaml.safe_load(path.read_text())["trainer"]
    assert trainer["max_steps"] > 0 and trainer["max_epochs"] == -1


@pytest.mark.parametrize("name", ["optdigits_photo", "optdigits_inverted", "moons"])
def test_tasks_without_files_are_ready_to_train(name: str, tmp_path: Path) -> None:
    data = build(next(path for path in TASKS if path.stem == name), tmp_path)
    data.prepare_data()
    data.setup("fit")
    source, target = (next(iter(loader)) for loader in data.train_dataloader())
    assert source.x.shape == target.x.shape == (64, *data.input_shape)
