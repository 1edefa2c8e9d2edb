from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from adapt.data import FewShotPair, Labelled, Pair, TargetBatch, TensorDomain, Unlabelled
from adapt.data.views import in_memory
from adapt.errors import AdaptError
from tests.data.numbered import Numbered, ready


def values(dataset: Any) -> set[float]:
    whole = in_memory(dataset)
    assert whole is not None
    return set(whole[0].flatten().tolist())


def test_splits_are_disjoint_and_the_same_for_every_seed() -> None:
    torch.manual_seed(1)
    one = [values(Numbered("a", "b").domain("a", split)) for split in ("train", "val", "test")]
    torch.manual_seed(2)
    other = [values(Numbered("a", "b").domain("a", split)) for split in ("train", "val", "test")]
    assert one == other
    assert [len(part) for part in one] == [90, 10, 100]
    assert not one[0] & one[1] and not one[0] & one[2] and not one[1] & one[2]
    assert one[1] != values(Numbered("a", "b", split_seed=1).domain("a", "val"))


def test_an_epoch_is_one_pass_over_the_larger_domain_and_cycles_the_smaller() -> None:
    for source, target in (("a", "b"), ("b", "a")):
        pair = ready(source, target).train_dataloader()
        seen = [[i for batch in loader for i in batch.index.tolist()] for loader in pair]
        assert [len(part) for part in seen] == [88, 88]
        large, small = seen if source == "a" else seen[::-1]
        assert max(Counter(large).values()) == 1
        # Its 36 samples make 4 batches a cycle, so 11 batches begin three cycles.
        assert max(Counter(small).values()) == 3


def test_pairs_carry_source_labels_and_no_target_label() -> None:
    pair = ready("a", "b").train_dataloader()
    assert isinstance(pair, Pair)
    source, target = (next(iter(loader)) for loader in pair)
    assert isinstance(source, Labelled) and isinstance(target, Unlabelled)
    assert torch.equal(source.y, (source.x[:, 0].long() - 1) % 3)
    assert (target.x >= 1001).all() and target._fields == ("x", "index")


def test_the_experiments_seed_sets_the_order_and_a_checkpoint_keeps_it() -> None:
    def order(data: Numbered) -> list[list[int]]:
        return [next(iter(loader)).index.tolist() for loader in data.train_dataloader()]

    torch.manual_seed(5)
    first = ready("a", "b")
    torch.manual_seed(6)
    other = ready("a", "b")
    assert order(first) != order(other)
    other.load_state_dict(first.state_dict())
    assert order(first) == order(other)


def test_the_two_domains_of_a_pair_have_orders_of_their_own() -> None:
    data = Numbered("a", "b", batch_size=8)
    data.sizes = {"a": 100, "b": 100, "c": 100}
    data.setup("fit")
    source, target = (next(iter(loader)).index.tolist() for loader in data.train_dataloader())
    assert source != target


def test_shots_give_that_many_labels_of_each_class() -> None:
    data = ready("a", "b", shots=2)
    triple = data.train_dataloader()
    assert isinstance(triple, FewShotPair)
    batch = next(iter(triple.target_labelled))
    assert Counter(batch.y.tolist()) == {0: 2, 1: 2, 2: 2}
    assert set(batch.x.flatten().tolist()) <= values(data.domain("b", "train"))
    every = ready("a", "b", shots="all").train_dataloader()
    assert isinstance(every, FewShotPair)
    labelled: set[int] = set()
    for epoch in range(5):  # each leaves out what does not fill a batch, and not the same
        every.target_labelled.order.set_epoch(epoch)
        labelled |= {i for batch in every.target_labelled for i in batch.index.tolist()}
    assert labelled == set(range(36))


def test_sources_are_pooled_and_named() -> None:
    data = ready(["b", "c"], "a", batch_size=60)
    assert data.task == "b+c-a"
    batch = next(iter(data.train_dataloader().source))
    assert {int(value) // 1000 for value in batch.x.flatten().tolist()} == {1, 2}
    assert len(data.val_dataloader()[0].dataset) == 4 + 3  # type: ignore[arg-type]


def test_evaluation_is_source_then_target_in_order_and_complete() -> None:
    data = Numbered("a", "b", eval_batch_size=7)
    source, target = data.test_dataloader()
    assert torch.cat([batch.x for batch in source])[:, 0].tolist() == list(range(501, 601))
    assert torch.cat([batch.x for batch in target])[:, 0].tolist() == list(range(1501, 1541))
    predicted = list(data.predict_dataloader())
    assert all(isinstance(batch, Unlabelled) for batch in predicted)
    assert torch.cat([batch.x for batch in predicted])[:, 0].tolist() == list(range(1501, 1541))


def test_a_pass_over_a_domain_is_in_order_complete_and_without_target_labels() -> None:
    data = ready(["b", "c"], "a", eval_batch_size=7)
    source, target = (list(data.domain_dataloader(role)) for role in ("source", "target"))
    trained = [in_memory(data.domain(name, "train")) for name in ("b", "c", "a")]
    xs = [part[0] for part in trained if part is not None]
    assert torch.equal(torch.cat([batch.x for batch in source]), torch.cat(xs[:2]))
    assert torch.equal(torch.cat([batch.x for batch in target]), xs[2])
    assert torch.cat([batch.index for batch in target]).tolist() == list(range(90))
    assert all(isinstance(batch, Labelled) for batch in source)
    assert all(isinstance(batch, Unlabelled) for batch in target)


def test_without_the_source_not_one_of_its_samples_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    domain = Numbered.domain
    monkeypatch.setattr(Numbered, "domain", lambda self, name, split: asked.append(name) or domain(self, name, split))
    data = ready("a", "b", source_free=True)
    loader = data.train_dataloader()
    assert isinstance(loader, TargetBatch)
    assert len(list(loader.target)) == 36 // 8
    for evaluation in (data.val_dataloader(), data.test_dataloader()):
        assert [int(batch.x.min()) // 1000 for (one,) in [evaluation] for batch in one] == [1]
    list(data.domain_dataloader("target"))
    with pytest.raises(AdaptError, match="source_free leaves out"):
        data.domain_dataloader("source")
    assert set(asked) == {"b"}


def test_transform_reaches_every_part_of_a_batch_once() -> None:
    data = Numbered("a", "b")
    x = torch.tensor([[255]], dtype=torch.uint8)
    one = Labelled(x, torch.tensor([1]), torch.tensor([0]))
    batch = FewShotPair(one, Unlabelled(x, torch.tensor([0])), one)
    out = data.on_after_batch_transfer(batch, 0)
    assert isinstance(out, FewShotPair)
    assert [part.x.item() for part in out] == [1.0, 1.0, 1.0]


class Recorder(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[list[int], list[int]]] = []

    def training_step(self, batch: Pair, _: int) -> torch.Tensor:
        self.seen.append((batch.source.index.tolist(), batch.target.index.tolist()))
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class StopAt(Callback):
    """Ends a run as a killed one would: its last checkpoint was written in the middle of an epoch."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


def fit(folder: Path, callbacks: list[Callback], checkpoint: Path | None = None, workers: int = 0) -> Recorder:
    module = Recorder()
    trainer = Trainer(
        max_steps=27,
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    data = Numbered("a", "b", batch_size=8, num_workers=workers)
    trainer.fit(module, data, ckpt_path=checkpoint and str(checkpoint))
    return module


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_in_an_epoch_goes_on_with_exactly_the_remaining_batches(tmp_path: Path, workers: int) -> None:
    torch.manual_seed(3)
    whole = fit(tmp_path, [])
    torch.manual_seed(3)
    first = fit(tmp_path, [StopAt(15, tmp_path / "killed.ckpt")], workers=workers)
    torch.manual_seed(99)
    rest = fit(tmp_path, [], tmp_path / "killed.ckpt", workers)
    assert first.seen + rest.seen == whole.seen
    assert whole.seen[:11] != whole.seen[11:22]


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("a", "a"), {}, "two different domains"),
        ((["a", "a"], "b"), {}, "each source domain once"),
        (([], "b"), {}, "at least one source"),
        (("a", "d"), {}, "Unknown domain 'd' of Numbered: expected one of a, b, c"),
        (("a", "b"), {"batch_size": 0}, "batch size of at least 1"),
        (("a", "b"), {"val_fraction": 1.0}, "between 0 and 1"),
        (("a", "b"), {"shots": 0}, "at least 1 shot"),
    ],
)
def test_refused_at_construction(args: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(AdaptError, match=message):
        Numbered(*args, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"batch_size": 64}, r"target domain 'b' has 36.*0 steps.*batch_size to 36"),
        ({"shots": 13}, "13 target.*found 1[0-2]"),
    ],
)
def test_refused_at_setup(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(AdaptError, match=message):
        ready("a", "b", **kwargs).train_dataloader()


def test_domains_with_other_classes_are_refused_by_name() -> None:
    class Mixed(Numbered):
        def domain_classes(self, name: str) -> list[str]:
            return ["x", "y", "z"] if name == "a" else ["x", "y", "w"]

    with pytest.raises(AdaptError, match="only 'a' has z; only 'b' has w"):
        Mixed("a", "b", class_sets="closed")


def test_nan_and_incomparable_ranges_are_refused() -> None:
    class Broken(Numbered):
        def domain(self, name: str, split: str) -> TensorDomain:
            x = torch.rand(600, 1, generator=torch.Generator().manual_seed(0)) * (255 if name == "b" else 1)
            if name == "c":
                x[301] = float("nan")
            return TensorDomain(x, torch.zeros(600))

    with pytest.raises(AdaptError, match=r"one scale.*'a' in \[.*'b' in \["):
        Broken("a", "b").setup("fit")
    with pytest.raises(AdaptError, match=r"1 training samples of 'c', the first at position 301"):
        Broken("a", "c").setup("fit")


def test_data_path_names_the_place_and_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPT_DATA", str(tmp_path))
    data = Numbered("a", "b")
    with pytest.raises(AdaptError, match=rf"{tmp_path}/q/r.*Fetch it\. .*ADAPT_DATA"):
        data.data_path("q", "r", instructions="Fetch it.")
    assert data.data_path(instructions="") == tmp_path


def test_a_dataset_without_domains_says_what_it_lacks() -> None:
    from adapt.data import DomainDataModule

    with pytest.raises(AdaptError, match="has to define domain"):
        DomainDataModule.domain(Numbered("a", "b"), "a", "train")
