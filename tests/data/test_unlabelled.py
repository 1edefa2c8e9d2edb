"""A target without labels, or with some: nothing is measured where there is none, and nothing is made up."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

from adapt.cli import main
from adapt.data import NO_LABEL, DomainDataModule, ImageFolders, TensorDomain
from adapt.data.checks import count_labels, labels_of
from adapt.data.views import pool
from adapt.errors import AdaptError
from adapt.problems import Classification, MultiLabel, Problem, Regression
from tests.data.files import write_images

FIT = ["--model", "MMD", "--model.backbone", "MLP", "--trainer.max_steps", "4", "--trainer.max_epochs", "-1"]
QUIET = ["--trainer.val_check_interval", "2", "--trainer.enable_progress_bar", "false", "--trainer.logger", "false"]


class Lazy(Dataset[Any]):
    """Samples that are read one by one, with NO_LABEL where one has no label."""

    def __init__(self, x: Tensor, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return self.x[index], self.y[index]


class Some(DomainDataModule):
    """Two Gaussians per domain; which samples of the target have a label is an argument."""

    known_domains, class_names, input_shape = ("a", "b"), ("one", "two"), (2,)

    def __init__(self, source: str = "a", target: str = "b", every: int = 0, lazy: bool = False, **kwargs: Any) -> None:
        self.every, self.lazy = every, lazy
        super().__init__(source, target, **{"batch_size": 8} | kwargs)

    def domain(self, name: str, split: str) -> Any:
        y = torch.arange(60) % 2
        x = torch.randn(60, 2, generator=torch.Generator().manual_seed(len(split))) + 3 * y[:, None]
        # Every n-th sample has a label: 0 for none, 1 for all.
        known = torch.ones(60, dtype=torch.bool)
        if name == self.target:
            known = torch.arange(60) % self.every == 0 if self.every else torch.zeros(60, dtype=torch.bool)
        if self.lazy:
            return Lazy(x, [int(label) if has else NO_LABEL for label, has in zip(y, known, strict=True)])
        return TensorDomain(x, y, known) if self.every else TensorDomain(x, y if known.all() else None)


def run(folder: Path, *more: str, command: str = "fit") -> int:
    data = ["--data", f"{__name__}.Some", "--data.source", "a", "--data.target", "b", "--run_dir", str(folder)]
    return main([command, *data, *FIT, *QUIET, *more] if command == "fit" else [command, *more])


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("every", "labelled"), [(0, 0), (1, 60), (3, 20)])
def test_a_datamodule_knows_how_many_samples_have_a_label(every: int, labelled: int, lazy: bool) -> None:
    assert Some(every=every, lazy=lazy).target_labels("test") == (labelled, 60)


@pytest.mark.parametrize("lazy", [False, True])
def test_in_a_batch_a_sample_without_a_label_has_no_class(lazy: bool) -> None:
    data = Some(every=3, lazy=lazy)
    batch = next(iter(data.test_dataloader()[1]))
    assert batch.y.tolist() == [i % 2 if i % 3 == 0 else -1 for i in range(60)]
    assert data.problem.has_label(batch.y).tolist() == [i % 3 == 0 for i in range(60)]


@pytest.mark.parametrize("problem", [Classification(3), MultiLabel(2), Regression(1), Regression(2)])
def test_every_problem_tells_a_label_from_none(problem: Problem) -> None:
    real = problem.labels(torch.zeros(2, 2) if problem.num_outputs == 2 else torch.zeros(2), "here")
    none = problem.no_labels(3)
    assert none.shape[1:] == real.shape[1:] and problem.odd_labels(none).all()
    assert problem.has_label(torch.cat([real, none.to(real.dtype)])).tolist() == [True] * 2 + [False] * 3


def test_labels_survive_subsets_pools_and_concatenations() -> None:
    known = torch.tensor([True, False, True])
    part = TensorDomain(torch.zeros(3, 2), torch.tensor([1, 0, 1]), labelled=known)
    blank = TensorDomain(torch.zeros(2, 2), None)
    for joined in (pool([part, Subset(blank, [0])]), ConcatDataset([part, Subset(blank, [0])])):
        assert labels_of(joined).known.tolist() == [True, False, True, False]
        assert count_labels(joined) == (2, 4)
    with pytest.raises(AdaptError, match="3 booleans"):
        TensorDomain(torch.zeros(3, 2), torch.zeros(3), labelled=torch.tensor([1, 0, 1]))


@pytest.mark.parametrize("lazy", [False, True])
def test_a_source_sample_without_a_label_is_refused_with_its_position(lazy: bool) -> None:
    data = Some(every=0, lazy=lazy, source="b", target="a")
    data.target = "b"  # whose labels are left out
    with pytest.raises(AdaptError, match=r"Expected a label for every sample of 'b' \(train\).* at position"):
        data.setup("fit")
        list(data.train_dataloader().source)  # type: ignore[union-attr]  # there is a source


def test_shots_of_a_target_without_labels_are_refused_and_otherwise_drawn_from_those_with_one() -> None:
    with pytest.raises(AdaptError, match="found none with a label"):
        Some(shots=2).setup("fit")
    for shots, count in ((4, 8), ("all", 20)):
        data = Some(every=3, shots=shots)
        data.setup("fit")
        batch = [*data.labelled_target_dataloader()]
        assert sum(len(part.y) for part in batch) == count
        assert all((part.index % 3 == 0).all() and (part.y >= 0).all() for part in batch)


def test_without_target_labels_there_is_no_oracle_and_no_accuracy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(folder) == 0
    with (folder / "metrics.csv").open() as file:
        columns = next(csv.reader(file))
    assert not [column for column in columns if "oracle" in column] and "val/source_accuracy" in columns
    assert not list(folder.rglob("*oracle*")) and (folder / "checkpoints" / "entropy.ckpt").is_file()
    assert run(folder, "--config", str(folder / "config.yaml"), command="test") == 0
    assert "no target labels" in capsys.readouterr().out
    found = json.loads((folder / "test.json").read_text())
    assert (found["target_labelled"], found["target_samples"]) == (0, 60)
    assert not [name for name in found if name.startswith("test/target") or name == "per_class_accuracy"]
    assert not (folder / "confusion.npz").exists()
    with np.load(folder / "embedding.npz") as arrays:
        assert set(arrays["y"][arrays["domain"] == 1]) == {-1}
    assert run(folder, "--config", str(folder / "config.yaml"), command="predict") == 0


def test_a_partly_labelled_test_set_is_measured_on_the_labelled_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(folder, "--data.every", "3") == 0
    assert (folder / "checkpoints" / "oracle.ckpt").is_file()
    assert run(folder, "--config", str(folder / "config.yaml"), command="test") == 0
    assert "of the 60 target test samples 20 have a label" in capsys.readouterr().out
    found = json.loads((folder / "test.json").read_text())
    assert (found["target_labelled"], found["target_samples"]) == (20, 60)
    with np.load(folder / "confusion.npz") as arrays:
        assert arrays["matrix"].sum() == 20 and arrays["matrix"].trace() == round(found["test/target_accuracy"] * 20)


GRID = """
name: g
seeds: [0]
base:
  data: {class_path: tests.data.test_unlabelled.Some, init_args: {source: a, target: b}}
  model: {init_args: {backbone: {class_path: MLP}}}
  trainer: {max_steps: 4, max_epochs: -1, val_check_interval: 2}
tasks:
  blank: {data: {init_args: {every: 0}}}
  TASKS
methods:
  SourceOnly: {model: {class_path: SourceOnly}}
  MMD: {model: {class_path: MMD}}
"""


@pytest.mark.parametrize(
    "tasks", ["", pytest.param("labelled: {data: {init_args: {every: 1}}}", marks=pytest.mark.slow)]
)
def test_a_grid_with_an_unlabelled_target_runs_to_its_report(
    tasks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("g.yaml").write_text(GRID.replace("TASKS", tasks))
    assert main(["benchmark", "--config", "g.yaml"]) == 0
    assert "ok blank / MMD / seed 0: no target labels" in capsys.readouterr().out
    page, table = (Path("runs/g", name).read_text() for name in ("report.html", "table.md"))
    assert "No target labels" in page and "No target labels: source test accuracy in %" in table
    assert ("Target test accuracy" in table) == bool(tasks)
    with Path("runs/g/results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "blank"]
    assert rows and not any(row["target_accuracy"] or row["rule"] == "oracle" for row in rows)
    assert all(row["source_accuracy"] for row in rows)
    assert main(["report", "runs/g"]) == 0


def test_a_flat_folder_of_images_is_a_domain_without_labels(tmp_path: Path) -> None:
    write_images(tmp_path / "studio", ["cat", "dog"], 10, "png")
    write_images(tmp_path, ["phone"], 20, "png")
    (tmp_path / "phone" / ".thumbs").mkdir()
    (tmp_path / "phone" / "notes.txt").write_text("no image")
    data = ImageFolders("studio", "phone", root=str(tmp_path), image_size=8, batch_size=4)
    assert (data.known_domains, list(data.class_names)) == (["phone", "studio"], ["cat", "dog"])
    assert [data.target_labels(split) for split in ("train", "test")] == [(0, 14), (0, 4)]
    names, total = data.predicted_names()
    assert total == 20 and all(name.startswith("phone/") for name in names)
    with pytest.raises(AdaptError, match="a source needs labels"):
        ImageFolders("phone", "studio", root=str(tmp_path), image_size=8)


def test_folders_that_are_no_classes_are_named(tmp_path: Path) -> None:
    write_images(tmp_path / "studio", ["cat", "dog"], 10, "png")
    write_images(tmp_path / "phone", ["monday", "tuesday"], 10, "png")
    with pytest.raises(AdaptError, match="same classes"):
        ImageFolders("studio", "phone", root=str(tmp_path), image_size=8)
    data = ImageFolders("studio", "phone", root=str(tmp_path), image_size=8, unlabelled=["phone"])
    assert data.target_labels("test") == (0, 4)


def test_a_domain_may_have_its_own_splits_each_with_labels_or_without(tmp_path: Path) -> None:
    write_images(tmp_path / "studio", ["cat", "dog"], 10, "png")
    write_images(tmp_path / "phone", ["train"], 20, "png")
    write_images(tmp_path / "phone" / "test", ["cat", "dog"], 3, "png")
    data = ImageFolders("studio", "phone", root=str(tmp_path), image_size=8, batch_size=4)
    assert [data.target_labels(split) for split in ("train", "val", "test")] == [(0, 18), (0, 2), (6, 6)]
    whole = ImageFolders("studio", "phone", root=str(tmp_path), image_size=8, batch_size=4, transductive=True)
    assert whole.target_labels("test") == (6, 26)
