"""What CAN's batches by class hold, and what it does where no class is left."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from adapt.data import Labelled, Unlabelled
from adapt.errors import AdaptError
from adapt.methods import CAN
from tests.toy import build, train
from tests.zoo.case import UNWATCHED
from tests.zoo.self_training import Turned

OPTIONS: dict[str, Any] = UNWATCHED | {"module": Turned, "source_fraction": 0.0}
BY_CLASS = OPTIONS | {"distance": 1.0, "classes": 3, "samples": 5, "refreshes": 1}


class Batches(Callback):
    """The number of classes and the inputs of each batch by class."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: CAN, *_: Any) -> None:
        self.seen.append(pl_module._by_class)


def test_a_batch_by_class_has_as_many_samples_of_each_class_and_domain(tmp_path: Path) -> None:
    seen = Batches()
    method, data, _ = train(CAN, tmp_path, steps=6, callbacks=[seen], **BY_CLASS)
    source, labels = data.domain("source", "train").__getitems__(range(810))
    target, _ = data.domain("target", "train").__getitems__(range(810))
    for count, own, other in seen.seen:
        assert count == 3
        rows = [int((source == x).all(1).nonzero()[0]) for x in own]
        of_source = labels.y[rows].view(3, 5)
        assert (of_source == of_source[:, :1]).all() and len(set(of_source[:, 0].tolist())) == 3
        found = method.labels["target"][[int((target == x).all(1).nonzero()[0]) for x in other]]
        assert torch.equal(found.view(3, 5)[:, 0], of_source[:, 0])
    assert not torch.equal(seen.seen[0][1], seen.seen[1][1])


def test_without_a_class_that_is_near_enough_the_source_alone_is_learned(tmp_path: Path) -> None:
    seen = Batches()
    _, _, trainer = train(CAN, tmp_path, steps=3, distance=1e-9, callbacks=[seen], **OPTIONS)
    assert seen.seen == [None, None, None]
    assert "train/discrepancy" not in trainer.callback_metrics and trainer.callback_metrics["train/kept"] == 0


def test_before_the_first_clustering_it_is_source_only(tmp_path: Path) -> None:
    seen = Batches()
    train(CAN, tmp_path, steps=10, callbacks=[seen], **OPTIONS | {"source_fraction": 0.5, "distance": 1.0})
    assert [batch is None for batch in seen.seen] == [True] * 5 + [False] * 5


def test_chosen_samples_come_as_batches_do_and_the_targets_without_labels() -> None:
    data = Turned("source", "target")
    own, other = (data.training_samples(role, [7, 2, 7]) for role in ("source", "target"))
    assert isinstance(own, Labelled) and isinstance(other, Unlabelled)
    assert own.index.tolist() == other.index.tolist() == [7, 2, 7]
    x, labels = data.domain("source", "train").__getitems__([7, 2, 7])
    assert torch.equal(own.x, x) and torch.equal(own.y, labels.y)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(AdaptError, match=r"distance in \(0, 1\]"):
        build(CAN, distance=0.0)
    with pytest.raises(AdaptError, match=r"source_fraction in \[0, 1\)"):
        build(CAN, source_fraction=1.0)
