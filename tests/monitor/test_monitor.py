"""Real short trainings that go wrong, each in its way, and some that do not."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from adapt.data.batches import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.losses import entropy, mmd
from adapt.methods import DANN, MMD, WDGRL, Method, SourceOnly
from adapt.monitor import AdaptationWarning, Monitor, warnings_of
from tests.toy import build, train
from tests.zoo import CASES

OFTEN: dict[str, Any] = {"val_check_interval": 10, "check_val_every_n_epoch": None, "log_every_n_steps": 2}


def watch(method: type[Method], folder: Path, steps: int = 60, **options: Any) -> tuple[Monitor, Method]:
    monitor = Monitor(directory=str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AdaptationWarning)
        built, _, _ = train(method, folder, steps=steps, trainer=OFTEN, callbacks=[monitor], **options)
    return monitor, built


class Collapsing(SourceOnly):
    """Rewards one class on the target."""

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        logits = self(batch.target.x).logits
        return super().losses(batch) | {"one": 2 * self.cross_entropy(logits, torch.zeros_like(batch.target.index))}


class Blind(DANN):
    """Its discriminator sees the same of every sample."""

    def discriminated(self, encoding: Encoding) -> Tensor:
        return torch.ones_like(encoding.features)


class Detached(Method):
    """Measures the domains' distance where nothing can learn from it."""

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        source, target = self.encode(batch)
        with torch.no_grad():
            distance = mmd(source.features, target.features)
        return {"source": self.cross_entropy(source.logits, batch.source.y), "mmd": distance}


class Silent(WDGRL):
    """Its critic's hidden units are all dead, before and after every step."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.critic.network[1] = torch.nn.ReLU()
        torch.nn.init.constant_(self.critic.network[0].bias, -1e4)


class Growing(SourceOnly):
    """Rewards long features."""

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        encoding = self(batch.source.x)
        return super().losses(batch) | {"long": -encoding.features.norm(dim=1).mean()}


class Forgetting(SourceOnly):
    """Learns the source, then another order of its classes, and to be certain."""

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        later = self.progress >= 0.4
        y = (batch.source.y + later) % self.num_outputs
        certain = 10 * later * entropy(self(batch.target.x).logits)
        return {"source": self.cross_entropy(self(batch.source.x).logits, y), "certain": certain}


@pytest.mark.parametrize(
    ("method", "options", "kind"),
    [
        (Collapsing, {}, "collapse"),
        (DANN, {"max_lambda": 0.0, "discriminator_hidden": 64, "steps": 90}, "discriminator_wins"),
        (Blind, {"discriminator_hidden": 64}, "discriminator_dead"),
        (Detached, {}, "zero_gradient"),
        (Silent, {}, "zero_gradient"),
        (Growing, {"optimizer": lambda p: torch.optim.Adam(p, lr=2e-2)}, "feature_norm"),
        (Forgetting, {"optimizer": lambda p: torch.optim.Adam(p, lr=1e-2), "steps": 120}, "confident_forgetting"),
    ],
)
def test_a_training_that_goes_wrong_warns_of_it(
    tmp_path: Path, method: type[Method], options: dict[str, Any], kind: str
) -> None:
    monitor, _ = watch(method, tmp_path, **options)
    found = [warned.kind for warned in monitor.found]
    assert found.count(kind) == 1
    assert warnings_of(tmp_path) == tuple(monitor.found)


@pytest.mark.parametrize("case", ["SourceOnly", "MMD", "DANN + BSP", "CDAN", "MCD", "WDGRL"])
def test_a_healthy_training_is_silent(tmp_path: Path, case: str) -> None:
    monitor = Monitor()
    CASES[case].train(tmp_path, steps=100, trainer=OFTEN, callbacks=[monitor])
    assert len(monitor.history) == 10
    assert monitor.found == []
    assert sum(seen.flat is not None for seen in monitor.history) == 9
    assert warnings_of(tmp_path) == ()
    assert not (tmp_path / "warnings.jsonl").exists()


@pytest.mark.parametrize("case", ["DANN + BSP", "WDGRL", "MCD, hidden layers", "SHOT"])
def test_the_weights_are_bit_equal_with_and_without_the_monitor(tmp_path: Path, case: str) -> None:
    options: dict[str, Any] = {"steps": 40, "trainer": OFTEN, "dropout": 0.2}
    monitor = Monitor()
    watched, _, _ = CASES[case].train(tmp_path / "a", callbacks=[monitor], **options)
    alone, _, _ = CASES[case].train(tmp_path / "b", **options)
    assert sum(bool(seen.flat is not None) for seen in monitor.history) == 3
    one, other = watched.state_dict(), alone.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_method_s_other_watchers_of_its_terms_stay(tmp_path: Path) -> None:
    seen: list[str] = []

    class Told(SourceOnly):
        def on_fit_start(self) -> None:
            super().on_fit_start()
            self.term_watchers.append(lambda method, terms: seen.extend(terms))

    monitor, method = watch(Told, tmp_path, steps=20)
    assert seen == ["source"] * 20
    assert len(method.term_watchers) == 1
    assert monitor.history[1].flat == []


def test_a_warning_is_given_once_on_the_terminal_and_in_the_file(tmp_path: Path) -> None:
    with pytest.warns(AdaptationWarning, match="no gradient comes from mmd: .*Check that") as caught:
        train(Detached, tmp_path, steps=80, trainer=OFTEN, callbacks=[Monitor()])
    assert len([w for w in caught if w.category is AdaptationWarning]) == 1
    (line,) = (tmp_path / "warnings.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 40
    assert json.loads(line)["text"].startswith("At step 40, no gradient")


def test_chosen_kinds_alone_warn_and_none_switches_it_off(tmp_path: Path) -> None:
    for chosen in (["collapse"], []):
        monitor = Monitor(kinds=chosen)
        train(Detached, tmp_path, steps=60, trainer=OFTEN, callbacks=[monitor])
        assert monitor.found == []
        assert all(seen.flat is None for seen in monitor.history)
    assert monitor.history == []
    with pytest.raises(AdaptError, match="found colapse"):
        Monitor(kinds=["colapse"])


def test_a_continued_run_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, _ = watch(Detached, tmp_path / "whole", steps=60)
    first, _ = watch(Detached, tmp_path / "parts", steps=30)
    assert first.found == []
    checkpoint = tmp_path / "parts" / "checkpoints" / "last.ckpt"
    second, _ = watch(Detached, tmp_path / "parts", steps=60, ckpt_path=checkpoint)
    assert [w.step for w in whole.found] == [w.step for w in second.found] == [40]
    assert second.history[:3] == first.history
    again, _ = watch(MMD, tmp_path / "parts", steps=10)
    assert again.found == []
    assert warnings_of(tmp_path / "parts") == ()


def test_the_targets_labels_are_not_even_looked_up() -> None:
    class NoLabels:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"looked up {name}")

    monitor, trainer = Monitor(), Trainer(logger=False, enable_progress_bar=False)
    trainer.state.fn = "fit"  # type: ignore[assignment]
    outputs = {"features": torch.ones(3, 2), "logits": torch.eye(3, 4)}
    monitor.on_validation_batch_end(trainer, build(SourceOnly), outputs, NoLabels(), 0, 1)
    assert monitor._sums[1]["predicted"].tolist() == [1, 1, 1, 0]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "warnings.jsonl").write_text('{"step": 1')
    with pytest.raises(AdaptError, match="Delete it"):
        warnings_of(tmp_path)
