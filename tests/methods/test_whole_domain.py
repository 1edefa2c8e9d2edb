"""Passes over a whole domain, and methods that train without the source."""

from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from adapt.data import DomainDataModule, Pair, TargetBatch
from adapt.errors import AdaptError
from adapt.methods import Method, SourceOnly
from tests.toy import Shifted, build, train


class Looks(SourceOnly):
    """Keeps a pass over each domain, made before the second step."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if batch_idx != 1:
            return
        self.classifier.eval()  # what a method holds in evaluation mode stays there
        self.before, self.modes = deepcopy(self.state_dict()), [m.training for m in self.modules()]
        self.seen = {"source": self.encode_domain("source"), "target": self.encode_domain("target")}
        self.after, self.modes_after = deepcopy(self.state_dict()), [m.training for m in self.modules()]


class Collapses(Method):
    """Takes no source, and lowers its logits' size."""

    source_free: ClassVar[bool] = True

    def losses(self, batch: TargetBatch) -> dict[str, Tensor]:  # type: ignore[override]
        return {"size": self(batch.target.x).logits.square().mean()}


def test_a_pass_is_of_the_training_inputs_in_order_in_evaluation_mode_and_leaves_no_trace(tmp_path: Path) -> None:
    method, data, _ = train(Looks, tmp_path, steps=2, bottleneck=6, dropout=0.5)
    assert isinstance(method, Looks)
    assert method.modes == method.modes_after and set(method.modes) == {True, False}
    assert all(torch.equal(a, b) for a, b in zip(method.before.values(), method.after.values(), strict=True))
    method.load_state_dict(method.before)
    for role, found in method.seen.items():
        x, y = data.domain(role, "train").__getitems__(range(810))
        with torch.no_grad():
            features, logits = method.eval()(x)
        assert torch.allclose(found.features, features, atol=1e-6) and torch.allclose(found.logits, logits, atol=1e-6)
        assert found.y is None if role == "target" else torch.equal(found.y, y.y)


def test_a_pass_changes_no_result(tmp_path: Path) -> None:
    one, *_ = train(Looks, tmp_path / "a", steps=4, dropout=0.5)
    other, *_ = train(SourceOnly, tmp_path / "b", steps=4, dropout=0.5)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_trainer_without_a_datamodule_is_refused() -> None:
    method = build(SourceOnly)
    method.trainer = Trainer(logger=False, enable_checkpointing=False)
    with pytest.raises(AdaptError, match="without a DomainDataModule"):
        method.encode_domain("source")


class Silent(Shifted):
    """The toy, whose source cannot be read."""

    def domain(self, name: str, split: str) -> Any:
        assert name == "target", "a source sample was read"
        return super().domain(name, split)


def test_a_source_free_method_trains_and_tests_without_the_source(tmp_path: Path) -> None:
    method, data, trainer = train(Collapses, tmp_path, steps=12, module=Silent)
    assert trainer.global_step == 12
    found = trainer.test(method, datamodule=data, verbose=False)
    metrics = method.problem.metrics()
    assert [set(result) for result in found] == [{f"test/target_{name}" for name in metrics}]
    assert sorted(path.stem for path in (tmp_path / "checkpoints").iterdir()) == ["last", "oracle"]


@pytest.mark.parametrize(
    ("method", "source_free", "message"),
    [(Collapses, False, "adapts without the source"), (SourceOnly, True, "trains on source samples")],
)
def test_data_that_do_not_fit_are_refused(
    method: type[Method], source_free: bool, message: str, tmp_path: Path
) -> None:
    with pytest.raises(AdaptError, match=message):
        train(method, tmp_path, steps=1, data={"source_free": source_free})


def test_the_pair_has_no_place_for_labels_of_the_target() -> None:
    assert TargetBatch._fields == ("target",) and Pair._fields == ("source", "target")
    assert issubclass(Silent, DomainDataModule)
