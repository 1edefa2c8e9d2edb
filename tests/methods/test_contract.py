"""Slips in a method, backbone or penalty of a person's own are told in one line, and not as torch's error."""

from typing import Any

import pytest
import torch
from lightning import Trainer
from torch import Tensor, nn

import adapt
from adapt.backbones import Backbone
from adapt.data import Moons
from adapt.errors import AdaptError
from adapt.methods import Method, SourceOnly
from adapt.penalties import Penalty


class Returns(Method):
    """Returns whatever it is asked for."""

    what: Any = None

    def losses(self, batch: Any) -> Any:
        source, target = self.encode(batch)
        loss = self.cross_entropy(source.logits, batch.source.y)
        if self.what == "target labels":
            return {"target": self.cross_entropy(target.logits, batch.target.y)}
        found = {"tensor": loss, "none": None, "empty": {}, "float": {"a": 1.0}, "rows": {"a": source.logits}}
        return found.get(self.what, {"a": loss.detach()})


class Plain(Backbone):
    """Two layers, whose features and width may not fit."""

    def __init__(self, width: Any = 4, kind: str = "flat") -> None:
        super().__init__()
        self.layer, self.kind = nn.Linear(2, 4), kind
        if width is not None:
            self.num_features = width

    def forward(self, x: Tensor) -> Any:
        found = self.layer(x)
        return {"flat": found, "maps": found[:, :, None], "tuple": (found, 1)}[self.kind]


class Shrink(Penalty):
    """A penalty that forgets the base's `__init__`."""

    def __init__(self, mean: bool = True) -> None:
        self.mean = mean

    def value(self, source: Any, target: Any) -> Tensor:
        squares: Tensor = target.features.square()
        return squares.mean() if self.mean else squares


def train(method: Any = SourceOnly, **options: Any) -> None:
    adapt.fit(method, Moons("moons", "moons_30", batch_size=8), max_steps=1, device="cpu", **options)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("tensor", "return a dict such as .* found a Tensor"),
        ("none", "is the return missing"),
        ("empty", "at least one loss term of Returns"),
        ("float", "term 'a' of Returns as a scalar tensor, found a float"),
        ("rows", r"found a tensor \(8, 2\)"),
        ("constant", "was it detached"),
        ("target labels", "asks a target batch for y"),
    ],
)
def test_losses_of_another_kind(what: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Returns, "what", what)
    with pytest.raises(AdaptError, match=words):
        train(Returns)


@pytest.mark.parametrize(
    ("backbone", "words"),
    [
        ({"width": None}, "Plain to set self.num_features"),
        ({"width": 5}, r"features \(N, 5\) of the backbone Plain, .* found \(8, 4\)"),
        ({"kind": "maps"}, r"found \(8, 4, 1\). Flatten or pool"),
        ({"kind": "tuple"}, "found a tuple"),
    ],
)
def test_backbones_that_do_not_say_what_they_return(backbone: dict[str, Any], words: str) -> None:
    with pytest.raises(AdaptError, match=words):
        train(backbone=Plain(**backbone))


def test_a_penalty_may_forget_the_weight_but_not_the_mean() -> None:
    train(penalties=[Shrink()])
    with pytest.raises(AdaptError, match=r"term 'penalty_shrink' of SourceOnly as a scalar tensor, found a tensor"):
        train(penalties=[Shrink(mean=False)])


def test_a_target_batch_is_still_a_plain_tuple() -> None:
    from adapt.data.batches import Unlabelled

    batch = Unlabelled(torch.zeros(2, 2), torch.arange(2))
    assert not hasattr(batch, "y") and batch._fields == ("x", "index")


def test_a_method_for_fewer_classes_than_the_data_has() -> None:
    data = Moons("moons", "moons_30", batch_size=8)
    method = SourceOnly(problem=3, backbone=Plain())
    trainer = Trainer(max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(AdaptError, match="classification with 3 outputs, found data of classification with 2"):
        trainer.fit(method, datamodule=data)
