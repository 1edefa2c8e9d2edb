from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from torch.utils.data import ConcatDataset, Dataset, Subset

from adapt.backbones import MLP
from adapt.data import Labelled, Moons, TensorDomain, Unlabelled
from adapt.data.checks import labels_of
from adapt.data.views import LabelledView, ResidentView, UnlabelledView, fetch, in_memory, pool
from adapt.errors import AdaptError
from adapt.methods import DANN


def tensors(size: int = 6, offset: int = 0) -> TensorDomain:
    return TensorDomain(torch.arange(offset, offset + size)[:, None], torch.arange(size) % 2)


class OneByOne(Dataset[tuple[torch.Tensor, int]]):
    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return torch.tensor([index]), index % 2


def test_labelled_view_adds_the_position() -> None:
    batch = LabelledView(tensors(offset=10)).__getitems__([4, 1])
    assert isinstance(batch, Labelled)
    assert (batch.x[:, 0].tolist(), batch.y.tolist(), batch.index.tolist()) == ([14, 11], [0, 1], [4, 1])


def test_unlabelled_view_has_no_label_to_give() -> None:
    batch = UnlabelledView(tensors(offset=10)).__getitems__([4, 1])
    assert isinstance(batch, Unlabelled)
    assert batch._fields == ("x", "index")
    assert (batch.x[:, 0].tolist(), batch.index.tolist()) == ([14, 11], [4, 1])


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: Subset(d, range(6)), lambda d: ConcatDataset([d])])
def test_every_kind_of_dataset_gives_the_same_batch(wrap: object) -> None:
    for data in (tensors(), OneByOne()):
        x, (y, known) = fetch(wrap(data), [5, 2])  # type: ignore[operator]
        assert (x[:, 0].tolist(), y.tolist(), y.dtype) == ([5, 2], [1, 0], torch.int64)
        assert known.all()


def test_pooled_tensors_stay_in_memory_and_in_order() -> None:
    pooled = pool([tensors(2), Subset(tensors(4, offset=10), [3, 0])])
    whole = in_memory(pooled)
    assert whole is not None and whole[0][:, 0].tolist() == [0, 1, 13, 10]
    mixed = pool([tensors(2), OneByOne()])
    assert in_memory(mixed) is None and len(mixed) == 8  # type: ignore[arg-type]
    assert fetch(mixed, [1, 2])[0][:, 0].tolist() == [1, 0]


def test_one_source_is_not_copied() -> None:
    data = tensors()
    assert pool([data]) is data


def test_labels_of_subsets_and_concatenations() -> None:
    data = ConcatDataset([Subset(OneByOne(), [1, 2]), tensors(3)])
    assert labels_of(data).y.tolist() == [1, 0, 0, 1, 0]


def test_a_label_is_missing() -> None:
    with pytest.raises(AdaptError, match="3 samples and 2 labels"):
        TensorDomain(torch.zeros(3, 1), torch.zeros(2))


def trained(**options: Any) -> dict[str, torch.Tensor]:
    seed_everything(3, verbose=False)
    data = Moons(["moons", "moons_10"], "moons_35", batch_size=16, **options)
    method = DANN(problem=2, backbone=MLP((2,), hidden=[8]))
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    Trainer(max_steps=12, accelerator="cpu", enable_model_summary=False, **quiet).fit(method, datamodule=data)
    return method.state_dict()


@pytest.mark.parametrize("balance_sources", [False, True])
def test_domains_on_the_device_train_the_same_network(balance_sources: bool) -> None:
    copied, resident = (trained(balance_sources=balance_sources, on_device=where) for where in (False, True))
    assert all(torch.equal(value, resident[name]) for name, value in copied.items())


def test_batches_are_picked_where_the_samples_lie() -> None:
    domain = TensorDomain({"ids": torch.arange(6), "x": torch.rand(6, 2)}, torch.arange(6))
    batch = ResidentView(LabelledView(domain, sizes=[4, 2]), torch.device("cpu")).__getitems__([5, 0])
    assert isinstance(batch, Labelled) and batch.domain is not None
    assert batch.x["ids"].tolist() == batch.y.tolist() == batch.index.tolist() == [5, 0]
    assert batch.domain.tolist() == [1, 0]
    # The meta device stands for one of its own: nothing of a batch may be left elsewhere.
    away = ResidentView(UnlabelledView(domain), torch.device("meta")).__getitems__([5, 0])
    assert isinstance(away, Unlabelled)
    assert {leaf.device.type for leaf in [*away.x.values(), away.index]} == {"meta"}


def test_workers_are_refused_where_domains_lie_on_the_device() -> None:
    with pytest.raises(AdaptError, match="num_workers 0 beside on_device"):
        Moons("moons", "moons_35", num_workers=1, on_device=True)
