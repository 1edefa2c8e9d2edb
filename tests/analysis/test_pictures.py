from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger
from PIL import Image
from torch.utils.data import DataLoader

from adapt.analysis.pictures import Pictures
from adapt.data.batches import Labelled
from adapt.data.loaders import ShareSampler


class Model(LightningModule):
    """Features are the inputs; logits say class 1 wherever the first input is positive."""

    def test_step(self, batch: Labelled, batch_idx: int, dataloader_idx: int = 0) -> dict[str, torch.Tensor]:
        return {"features": batch.x, "logits": torch.stack([torch.zeros(len(batch.x)), batch.x[:, 0]], dim=1)}


class Data(LightningDataModule):
    class_names = ("no", "yes")

    def __init__(self, sizes: tuple[int, ...], fill: float | None = None) -> None:
        super().__init__()
        self.sizes, self.fill = sizes, fill

    def rows(self, size: int, loader: int) -> list[tuple[torch.Tensor, int, int]]:
        x = torch.randn(size, 4, generator=torch.Generator().manual_seed(loader))
        if self.fill is not None:
            x = torch.full_like(x, self.fill)
        # Sorted by class, as folders of images are.
        return [(x[i], int(2 * i >= size), i) for i in range(size)]

    def test_dataloader(self) -> list[DataLoader[Any]]:
        def collate(rows: list[Any]) -> Labelled:
            x, y, i = zip(*rows, strict=True)
            return Labelled(torch.stack(x), torch.tensor(y), torch.tensor(i))

        return [DataLoader(self.rows(n, k), batch_size=16, collate_fn=collate) for k, n in enumerate(self.sizes)]


def run(tmp_path: Path, data: Data, callback: Pictures, logger: Any = False) -> None:
    Trainer(
        callbacks=[callback],
        default_root_dir=tmp_path,
        logger=logger,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
    ).test(Model(), data, verbose=False)


def test_files_hold_a_share_of_both_domains_and_all_target_predictions(tmp_path: Path) -> None:
    data = Data((100, 60))
    run(tmp_path, data, Pictures(samples=30))
    embedding = np.load(tmp_path / "embedding.npz")
    assert embedding["xy_2d"].shape == (60, 2)
    assert np.bincount(embedding["domain"]).tolist() == [30, 30]
    assert set(embedding["y"][embedding["domain"] == 0]) == {0, 1}
    confusion = np.load(tmp_path / "confusion.npz")
    expected = np.zeros((2, 2), dtype=int)
    for x, y, _ in data.rows(60, 1):
        expected[y, int(x[0] > 0)] += 1
    np.testing.assert_array_equal(confusion["matrix"], expected)
    assert confusion["class_names"].tolist() == ["no", "yes"]
    for name in ("embedding.png", "confusion.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 400


@pytest.mark.parametrize("sizes", [(40,), (3, 2), (1, 1)])
def test_one_domain_or_few_samples_still_give_pictures(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    run(tmp_path, Data(sizes), Pictures())
    assert len(np.load(tmp_path / "embedding.npz")["y"]) == sum(sizes)
    assert (tmp_path / "confusion.png").exists()


def test_features_that_are_not_finite_cost_only_the_embedding(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="No embedding picture"):
        run(tmp_path, Data((8, 8), fill=float("nan")), Pictures())
    assert not (tmp_path / "embedding.png").exists()
    assert (tmp_path / "confusion.png").exists()


def test_the_embedding_can_be_left_out(tmp_path: Path) -> None:
    run(tmp_path, Data((40, 30)), Pictures(embedding=False))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["confusion.npz", "confusion.png"]


def test_a_second_test_starts_afresh_and_a_directory_can_be_named(tmp_path: Path) -> None:
    callback = Pictures(directory=str(tmp_path / "elsewhere"))
    for _ in range(2):
        run(tmp_path, Data((8, 8)), callback)
    assert np.load(tmp_path / "elsewhere" / "confusion.npz")["matrix"].sum() == 8


def test_pictures_leave_the_training_random_numbers_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    callback = Pictures()
    callback._kept[0].add(torch.zeros(5, 2), torch.zeros(5))
    assert torch.equal(state, torch.get_rng_state())


def test_wandb_receives_both_pictures(tmp_path: Path) -> None:
    # `offline=True` sets an environment variable, which W&B no longer reads once another test has started it.
    logger = WandbLogger(project="adapt", save_dir=tmp_path, mode="offline")
    run(tmp_path, Data((8, 8)), Pictures(), logger)
    logger.experiment.finish()
    media = {path.name.split("_")[0] for path in tmp_path.rglob("media/images/*.png")}
    assert media == {"embedding", "confusion"}


def test_several_processes_draw_the_points_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data((101, 67))
    drawn = []
    for processes in (1, 3):
        kept: dict[int, list[torch.Tensor]] = {0: [], 1: []}
        monkeypatch.setattr("adapt.analysis.pictures.world", lambda n=processes: (0, n))
        for rank in range(processes):
            loaders = [
                DataLoader(
                    d.dataset, 16, sampler=ShareSampler(len(d.dataset), rank, processes), collate_fn=d.collate_fn
                )
                for d in data.test_dataloader()
            ]
            pictures, model, trainer = Pictures(samples=20), Model(), SimpleNamespace(test_dataloaders=loaders)
            for at, loader in enumerate(loaders):
                for number, batch in enumerate(loader):
                    pictures.on_test_batch_end(trainer, model, model.test_step(batch, number, at), batch, number, at)
            for domain, share in pictures._kept.items():
                kept[domain].append(torch.cat([share._kept[0][:, None].double(), share.columns[0].double()], 1))
        rows = {domain: torch.cat(parts) for domain, parts in kept.items()}
        drawn.append(torch.cat([found[found[:, 0].argsort()][:20] for found in rows.values()]))
    assert torch.equal(*drawn)
