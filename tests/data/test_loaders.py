"""Orders, pairs and views: what a training step may rely on."""

import multiprocessing
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from adapt.data import Moons, TensorDomain
from adapt.data.loaders import CycledSampler, DomainLoader, KeptBatches, whole_batch
from adapt.data.views import LabelledView, UnlabelledView, fetch, pool
from adapt.errors import AdaptError
from tests.toy import CLASSES, SAMPLES, Shifted


def batches(sampler: CycledSampler) -> list[list[int]]:
    return torch.tensor(list(sampler)).split(sampler.batch_size)


def test_a_pass_holds_every_sample_once_and_the_next_pass_has_another_order() -> None:
    sampler = CycledSampler(size=12, batch_size=4, num_batches=6, seed=3)
    drawn = torch.tensor(list(sampler))
    assert sorted(drawn[:12].tolist()) == sorted(drawn[12:].tolist()) == list(range(12))
    assert drawn[:12].tolist() != drawn[12:].tolist()


def test_no_batch_holds_a_sample_twice_where_the_size_is_no_multiple() -> None:
    sampler = CycledSampler(size=11, batch_size=4, num_batches=9, seed=0)
    assert all(len(set(batch.tolist())) == 4 for batch in batches(sampler))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        sampler = CycledSampler(50, 5, 10, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_processes_share_a_pass_without_overlap() -> None:
    ranks = [list(CycledSampler(24, 4, 3, seed=5, rank=rank, world_size=2)) for rank in (0, 1)]
    assert sorted(ranks[0] + ranks[1]) == list(range(24))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_continues_in_the_middle_of_an_epoch(workers: int) -> None:
    view = LabelledView(TensorDomain(torch.arange(40.0)[:, None], torch.zeros(40)))

    def loader() -> DomainLoader:
        made = DomainLoader(view, CycledSampler(40, 4, 10, seed=1), workers, pin_memory=False)
        made.order.set_epoch(3)
        return made

    whole = [batch.index.tolist() for batch in loader()]
    first = loader()
    iterator = iter(first)
    for _ in range(4):
        next(iterator)
    second = loader()
    second.load_state_dict(first.state_dict())
    assert [batch.index.tolist() for batch in second] == whole[4:]
    assert [batch.index.tolist() for batch in second] == whole  # only the interrupted epoch is short


def prepared(**kwargs: Any) -> Shifted:
    data = Shifted("source", "target", **kwargs)
    data.setup("fit")
    return data


def test_an_epoch_is_one_pass_over_the_larger_domain() -> None:
    class Uneven(Shifted):
        def domain(self, name: str, split: str) -> Any:
            whole = super().domain(name, split)
            return torch.utils.data.Subset(whole, range(100)) if name == "target" else whole

    data = Uneven("source", "target", batch_size=32)
    data.setup("fit")
    pair = data.train_dataloader()
    assert len(pair.source) == len(pair.target) == int(0.9 * SAMPLES) // 32


def test_training_validation_and_test_sets_are_disjoint() -> None:
    data = prepared()
    train, val = data.domain("target", "train"), data.domain("target", "val")
    assert not set(train.indices) & set(val.indices)
    assert len(train) + len(val) == SAMPLES
    assert not torch.equal(data.domain("target", "test").x, train.dataset.x)


def test_shots_are_that_many_of_every_class_and_follow_the_seed() -> None:
    def chosen(seed: int) -> list[int]:
        torch.manual_seed(seed)
        data = prepared(shots=3, batch_size=12)
        triple = data.train_dataloader()
        batch = next(iter(triple.target_labelled))
        assert torch.bincount(batch.y).tolist() == [3] * CLASSES
        assert torch.equal(fetch(data._train["target"], batch.index.tolist())[0], batch.x)
        return sorted(batch.x[:, 0].tolist())

    assert chosen(0) == chosen(0)
    assert chosen(0) != chosen(1)


def test_evaluation_keeps_every_sample_and_prediction_sees_no_label() -> None:
    data = prepared()
    source, target = data.test_dataloader()
    assert sum(len(batch.y) for batch in source) == sum(len(batch.y) for batch in target) == SAMPLES
    assert next(iter(data.predict_dataloader()))._fields == ("x", "index")


def test_pooled_sources_are_one_domain_in_memory_or_not() -> None:
    a, b = (TensorDomain(torch.full((n, 2), float(n)), torch.zeros(n)) for n in (3, 4))
    in_memory = pool([a, b])
    assert isinstance(in_memory, TensorDomain)
    assert in_memory.x[:, 0].tolist() == [3.0] * 3 + [4.0] * 4
    lists = pool([[(torch.zeros(2), 1)] * 2, [(torch.ones(2), 0)] * 2])  # type: ignore[list-item]
    assert isinstance(lists, ConcatDataset)
    batch = LabelledView(lists).__getitems__([1, 2])
    assert batch.x.tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert batch.y.tolist() == [1, 0]


def test_an_unlabelled_view_drops_the_label() -> None:
    view = UnlabelledView(TensorDomain(torch.arange(6.0), torch.arange(6)))
    assert view.__getitems__([4, 1])._asdict().keys() == {"x", "index"}


def test_the_transform_runs_once_per_domain_on_the_whole_batch() -> None:
    data = prepared(shots=2, batch_size=8)
    data.trainer = SimpleNamespace(global_rank=0, world_size=1)  # type: ignore[assignment]
    calls: list[tuple[int, ...]] = []
    data.transform = lambda x: calls.append(tuple(x.shape)) or x + 1  # type: ignore[method-assign, func-returns-value]
    batch = type(data.train_dataloader())(*(next(iter(loader)) for loader in data.train_dataloader()))
    moved = data.on_after_batch_transfer(batch, 0)
    assert calls == [(8, 8)] * 3
    assert torch.equal(moved.target.x, batch.target.x + 1)


def test_processes_share_a_batch_without_overlap_where_the_size_is_no_multiple() -> None:
    joint = list(CycledSampler(50, 12, 8, seed=5))
    ranks = [batches(CycledSampler(50, 4, 8, seed=5, rank=rank, world_size=3)) for rank in range(3)]
    assert [i for parts in zip(*ranks, strict=True) for part in parts for i in part.tolist()] == joint


def test_a_finished_epoch_leaves_nothing_to_continue() -> None:
    view = LabelledView(TensorDomain(torch.arange(40.0)[:, None], torch.zeros(40)))
    loader = DomainLoader(view, CycledSampler(40, 4, 10, seed=1), 0, pin_memory=False)
    assert len(list(loader)) == 10
    assert loader.state_dict() == {"batches": 0}


@pytest.mark.parametrize("workers", [0, 2])
def test_iterating_leaves_the_global_generator_alone(workers: int) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    view = LabelledView(TensorDomain(torch.arange(40.0)[:, None], torch.zeros(40)))
    list(DomainLoader(view, CycledSampler(40, 4, 10, seed=1), workers, pin_memory=False))
    assert torch.equal(torch.rand(3), expected)


def test_fewer_samples_than_all_processes_need_are_named() -> None:
    with pytest.raises(AdaptError, match=r"at least 24 samples.* found 20"):
        CycledSampler(size=20, batch_size=8, num_batches=2, seed=0, world_size=3)


class Noisy(Dataset[tuple[Tensor, int]]):
    """Samples that are augmented by all three sources of random numbers."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        noise = torch.rand(1) + np.random.rand() + random.random()  # noqa: NPY002
        return index + noise, index


class Read(Dataset[tuple[Tensor, int]]):
    """Samples that count how often they are read."""

    def __init__(self) -> None:
        self.reads = 0

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.reads += 1
        return torch.full((3,), float(index)), index % 2


@pytest.mark.parametrize(("most", "reads"), [(2**20, 20), (100, 60)])
def test_samples_that_are_tested_on_several_times_are_read_once_if_they_fit(most: int, reads: int) -> None:
    samples = Read()
    loader = DataLoader(LabelledView(samples), 8, collate_fn=whole_batch)
    kept = KeptBatches(loader, most)
    first, second, third = ([(batch.x, batch.y) for batch in kept] for _ in range(3))
    assert len(kept) == len(first) == 3 and samples.reads == reads
    for again in (second, third):
        assert all(
            torch.equal(a, b) for one, other in zip(first, again, strict=True) for a, b in zip(one, other, strict=True)
        )


def test_a_pass_that_was_broken_off_is_not_taken_for_all() -> None:
    kept = KeptBatches(DataLoader(LabelledView(Read()), 8, collate_fn=whole_batch), 2**20)
    next(iter(kept))
    assert sum(len(batch.x) for batch in kept) == 20


def noisy_epochs(workers: int, epochs: int) -> list[Tensor]:
    """Inputs of the last epoch's batches."""
    loader = DomainLoader(LabelledView(Noisy()), CycledSampler(20, 4, 10, seed=1), workers, pin_memory=False)
    for epoch in range(epochs):
        loader.order.set_epoch(epoch)
        found = [batch.x for batch in loader]
    return found


def test_augmentation_is_the_same_in_any_number_of_workers_and_when_continued() -> None:
    state = torch.get_rng_state()
    alone = noisy_epochs(workers=0, epochs=2)
    assert torch.equal(state, torch.get_rng_state())  # what dropout draws does not depend on it
    assert torch.equal(torch.cat(noisy_epochs(workers=2, epochs=2)), torch.cat(alone))
    loader = DomainLoader(LabelledView(Noisy()), CycledSampler(20, 4, 10, seed=1), 0, pin_memory=False)
    loader.order.set_epoch(1)
    loader.load_state_dict({"batches": 6})
    assert torch.equal(torch.cat([batch.x for batch in loader]), torch.cat(alone[6:]))


def test_each_visit_to_a_sample_draws_anew() -> None:
    seen = [batch for epochs in (1, 2) for batch in noisy_epochs(workers=0, epochs=epochs)]
    values = torch.cat(seen).flatten()
    assert len(values.unique()) == 80  # two passes in each of the two epochs


def test_workers_live_on_from_epoch_to_epoch() -> None:
    loader = DomainLoader(LabelledView(Noisy()), CycledSampler(20, 4, 10, seed=1), 1, pin_memory=False)
    processes = []
    for epoch in range(3):
        loader.order.set_epoch(epoch)
        iterator = iter(loader)
        next(iterator)  # left in mid-epoch, as by `limit_train_batches`
        processes.append({child.pid for child in multiprocessing.active_children()})
    assert processes[0] == processes[1] == processes[2] != set()


def test_too_few_samples_for_the_processes_are_told_with_what_helps() -> None:
    data = Moons("moons", "moons_35", samples=40, batch_size=32)
    trainer = SimpleNamespace(global_rank=0, world_size=2)
    data.trainer = trainer  # type: ignore[assignment]
    with pytest.raises(
        AdaptError, match=r"batch of 64 \(32 in each of 2 processes\).* --data.batch_size to 18 or less"
    ):
        data.setup("fit")
    trainer.world_size = 50
    with pytest.raises(AdaptError, match=r"at least 50 samples, one for each process, found 40 of 'moons' \(test\)"):
        data.test_dataloader()
