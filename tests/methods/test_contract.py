"""Slips in a method, backbone or penalty of a person's own are told in one line, and not as torch's error."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from torch import Tensor, nn

import adapt
from adapt.backbones import Backbone
from adapt.cli import main
from adapt.data import DomainDataModule, Moons
from adapt.errors import AdaptError
from adapt.methods import Method, SourceOnly
from adapt.penalties import MCC, Penalty


class Returns(Method):
    """Returns whatever it is asked for."""

    what: Any = None

    def losses(self, batch: Any) -> Any:
        source, target = self.encode(batch)
        loss = self.cross_entropy(source.logits, batch.source.y)
        if self.what == "target labels":
            return {"target": self.cross_entropy(target.logits, batch.target.y)}
        found = {"tensor": loss, "none": None, "empty": {}, "float": {"a": 1.0}, "rows": {"a": source.logits}}
        found |= {"loss": {"loss": loss}, "losses": {"loss": loss, "more": loss}}
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


class Alone(SourceOnly):
    """Forgets the base's `__init__`."""

    def __init__(self, weight: float = 1.0, **kwargs: Any) -> None:
        self.own_weight = weight


class Bare(Backbone):
    """Forgets it, too."""

    def __init__(self) -> None:
        self.num_features = 4

    def forward(self, x: Tensor) -> Tensor:
        return x


class Silent(Penalty):
    """Returns nothing."""

    def value(self, source: Any, target: Any) -> Any:
        source.features.mean()


class Nowhere(Moons):
    """Has no domains."""

    known_domains = ()

    def check_domain(self, name: str) -> None:
        DomainDataModule.check_domain(self, name)


class Unbegun(Moons):
    """Forgets the base's `__init__`."""

    def __init__(self) -> None:
        self.noise = 0.1


def test_a_term_that_is_called_loss_is_the_sum_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Returns, "what", "loss")
    train(Returns)
    monkeypatch.setattr(Returns, "what", "losses")
    with pytest.raises(AdaptError, match="another name for the loss term 'loss' of Returns: the sum of all 2 has it"):
        train(Returns)


def test_penalties_of_one_name_are_refused_for_one_would_replace_the_other() -> None:
    own = type("MCC", (Shrink,), {})
    with pytest.raises(AdaptError, match=r"each penalty once, found MCC, MCC.*rename an own class"):
        train(penalties=[MCC(1.0), own()])


def test_a_forgotten_init_of_the_base_is_named() -> None:
    with pytest.raises(AdaptError, match=r"^Alone.__init__ does not call its base"):
        train(Alone)
    with pytest.raises(AdaptError, match=r"^Bare.__init__ does not call its base"):
        train(backbone=Bare)
    with pytest.raises(AdaptError, match=r"^Unbegun.__init__ does not call its base"):
        adapt.fit("SourceOnly", Unbegun())


def test_what_is_no_data_penalty_or_optimizer_is_named() -> None:
    with pytest.raises(AdaptError, match=r"InMemory\(Xs, ys, Xt\) or another class of adapt.data, found a list"):
        adapt.fit("SourceOnly", [1, 2])  # type: ignore[arg-type]
    with pytest.raises(AdaptError, match=r"each an object of Penalty, found the text 'MCC'"):
        train(penalties=["MCC"])
    with pytest.raises(AdaptError, match=r"list of objects such as \[MCC\(0.1\)\], found \[0.1\]"):
        train(penalties=[0.1])
    with pytest.raises(AdaptError, match=r"expects optimizer as a function.*found 0.1"):
        train(optimizer=0.1)
    with pytest.raises(AdaptError, match=r"expects lr_scheduler as a function.*found 100"):
        train(lr_scheduler=100)
    with pytest.raises(AdaptError, match=r"Silent as a scalar tensor, found None \(is the return missing\?\)"):
        train(penalties=[Silent()])
    with pytest.raises(AdaptError, match=r"Nowhere names no domains: set known_domains"):
        Nowhere("a", "b")


@pytest.mark.parametrize(
    ("head", "options", "words"),
    [
        ("self, weight: float = 1.0, **kwargs", [], "Mine takes no 'backbone': let"),
        ("self, weight: float = 1.0, **kwargs", ["--model.backbone", "MLP"], "Mine takes no 'backbone': let"),
        ("self, problem, backbone", [], "Mine takes problem and backbone without a type: let"),
    ],
)
def test_arguments_that_are_not_handed_on_are_named_at_the_command_line(
    head: str,
    options: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = f"handed_{len(head)}_{len(options)}"
    call = "problem, backbone" if "problem" in head else ""
    lines = ["from adapt.methods import SourceOnly", "class Mine(SourceOnly):", f"    def __init__({head}):"]
    (tmp_path / f"{module}.py").write_text("\n".join([*lines, f"        super().__init__({call})\n"]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    task = ["--data", "Moons", "--data.source", "moons", "--data.target", "moons_30"]
    assert main(["fit", *task, "--model", f"{module}.Mine", *options]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Mine.__init__ take **kwargs and hand them on by super().__init__(**kwargs)." in said
