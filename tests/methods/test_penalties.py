"""Penalties add to any method's terms, on the encodings that it trains on."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from adapt.cli import AdaptCLI
from adapt.data import Pair
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.methods import DANN, Method, SourceOnly
from adapt.penalties import MinEnt, Penalty
from tests.toy import train


class Norm(Penalty):
    """Squared norm of all features; remembers what it was given."""

    def value(self, source: Encoding, target: Encoding) -> Tensor:
        self.seen = (source, target)
        return source.features.square().mean() + target.features.square().mean()


class Watched(Method):
    """Source training that counts its passes and keeps what it encoded."""

    passes = 0

    def encode(self, batch: Pair):
        self.passes += 1
        self.kept = super().encode(batch)
        return self.kept

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        return {"source": self.cross_entropy(self.encode(batch).source.logits, batch.source.y)}


@pytest.mark.parametrize("method", [SourceOnly, DANN])
def test_the_term_is_logged_weighted_and_changes_the_weights(method: type[Method], tmp_path: Path) -> None:
    plain, _, _ = train(method, tmp_path / "a", steps=30)
    penalised, _, trainer = train(method, tmp_path / "b", steps=30, penalties=[Norm(0.5)])
    probe = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    assert penalised(probe).features.norm() < 0.9 * plain(probe).features.norm()
    assert trainer.callback_metrics["train/penalty_norm"] > 0


def test_the_method_s_own_encodings_are_used_and_nothing_is_encoded_twice(tmp_path: Path) -> None:
    penalty = Norm()
    trained, _, _ = train(Watched, tmp_path, steps=3, penalties=[penalty])
    assert trained.passes == 3
    assert penalty.seen[1] is trained.kept.target


def test_weight_zero_changes_no_weight(tmp_path: Path) -> None:
    plain, _, _ = train(Watched, tmp_path / "a", steps=10)
    weightless, _, _ = train(Watched, tmp_path / "b", steps=10, penalties=[Norm(0.0)])
    for a, b in zip(plain.state_dict().values(), weightless.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_penalties_are_chosen_on_the_command_line_by_their_short_names(tmp_path: Path) -> None:
    options = ["fit", "--config", "configs/tasks/moons.yaml", "--config", "configs/methods/dann.yaml"]
    options += ["--model.penalties+=MinEnt", "--model.penalties.weight=0.3", "--run_dir", str(tmp_path)]
    cli = AdaptCLI([*options, "--trainer.max_steps", "2", "--trainer.logger", "false"])
    (penalty,) = cli.model.penalties
    assert isinstance(penalty, MinEnt)
    assert penalty.weight == 0.3


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(AdaptError, match="at least 0"):
        MinEnt(-1.0)


def test_a_penalty_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="each penalty once, found MinEnt, MinEnt"):
        train(SourceOnly, tmp_path, steps=1, penalties=[MinEnt(0.1), MinEnt(0.2)])
