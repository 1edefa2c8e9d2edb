"""Penalties add to any method's terms, on the encodings that it trains on."""

from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from adapt.benchmark.plan.plan import setting_of
from adapt.cli import AdaptCLI, main
from adapt.data import Pair
from adapt.encoding import Encoding, Encodings
from adapt.errors import AdaptError, DivergedError
from adapt.methods import ADDA, DANN, MCD, WDGRL, FineTuning, Method, OTMapping, SelfEnsembling, SourceOnly, TargetOnly
from adapt.penalties import L2SP, NWD, MinEnt, Penalty, TargetCrossEntropy
from tests.methods.test_leakage import permuted
from tests.methods.test_resume import StopAt
from tests.toy import CLASSES, Shifted, target_accuracy, train


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


class Anew(SourceOnly):
    """A user's method: encodes in its own way, and knows nothing of what the base keeps."""

    passes = 0

    def forward(self, x: Tensor) -> Encoding:
        self.passes += self.training
        return super().forward(x)

    def encode(self, batch: Pair) -> Encodings:
        return Encodings(self(batch.source.x), self(batch.target.x))

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        self.mine = self.encode(batch)
        return {"source": self.cross_entropy(self.mine.source.logits, batch.source.y)}


class Halved(Anew):
    """A user's method on top of that one, which changes what it returns."""

    def encode(self, batch: Pair) -> Encodings:
        source, target = super().encode(batch)
        return Encodings(source, Encoding(target.features / 2, target.logits))


@pytest.mark.parametrize("method", [Anew, Halved])
def test_an_own_encode_is_remembered_and_makes_no_second_forward_pass(method: type[Anew], tmp_path: Path) -> None:
    penalty = Norm()
    trained, _, _ = train(method, tmp_path, steps=3, penalties=[penalty])
    assert trained.passes == 2 * 3
    assert penalty.seen == (trained.mine.source, trained.mine.target)
    assert penalty.seen[1].features is trained.mine.target.features


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


@pytest.mark.parametrize("method", [SourceOnly, MCD])
def test_a_penalty_may_ask_the_classifier_again_and_changes_both_sides(method: type[Method], tmp_path: Path) -> None:
    plain, _, _ = train(method, tmp_path / "a", steps=4)
    options = {"steps": 4, "penalties": [NWD(schedule="constant")]}
    penalised, _, trainer = train(method, tmp_path / "b", **options)
    assert "train/penalty_nwd" in trainer.callback_metrics
    for part in ("backbone", "classifier"):
        ours, theirs = (getattr(m, part).state_dict().values() for m in (plain, penalised))
        assert any(not torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_l2_sp_holds_any_method_to_the_weights_that_it_starts_from(tmp_path: Path) -> None:
    moved = {}
    for weight in (0.0, 10.0):
        penalty = L2SP(weight)
        trained, _, trainer = train(DANN, tmp_path / str(weight), steps=60, penalties=[penalty])
        start, now = penalty.state(), dict(trained.named_parameters())
        squares = [(now[name] - value).square().sum() for name, value in start.items()]
        assert {name.partition(".")[0] for name in start} == {"backbone"}
        moved[weight] = torch.stack(squares).sum().item()
        logged = trainer.callback_metrics["train/penalty_l2sp"].item()
        assert logged == pytest.approx(weight * moved[weight] / 2, rel=0.5)  # of the last step that logged
    assert moved[10.0] < 0.1 * moved[0.0]


def test_l2_sp_of_a_continued_run_and_of_an_object_used_twice_has_its_own_start(tmp_path: Path) -> None:
    penalty, stop = L2SP(0.5), tmp_path / "stop.ckpt"
    options = {"steps": 40, "penalties": [penalty]}
    whole, _, _ = train(SourceOnly, tmp_path / "whole", 3, **options)
    train(SourceOnly, tmp_path / "first", 3, callbacks=[StopAt(10, stop)], **options)
    continued, _, _ = train(SourceOnly, tmp_path / "second", 77, ckpt_path=stop, **options)
    again, _, _ = train(SourceOnly, tmp_path / "again", 3, **options)
    for found in (continued, again):
        assert all(torch.equal(value, found.state_dict()[name]) for name, value in whole.state_dict().items())


def test_l2_sp_of_frozen_parts_is_refused(tmp_path: Path) -> None:
    frozen = train(SourceOnly, tmp_path / "a", steps=1)[0].backbone.requires_grad_(False)
    with pytest.raises(AdaptError, match="L2SP expects weights that train in backbone, found none"):
        train(SourceOnly, tmp_path / "b", steps=1, penalties=[L2SP()], backbone=frozen)


def test_features_that_cannot_be_decomposed_are_refused_as_diverged(tmp_path: Path) -> None:
    options = {"optimizer": lambda p: torch.optim.SGD(p, lr=1e30), "penalties": [NWD()], "steps": 5}
    with pytest.raises(DivergedError, match=r"'penalty_nwd' of SourceOnly is not finite at step 1"):
        train(SourceOnly, tmp_path, trainer={"limit_val_batches": 0, "num_sanity_val_steps": 0}, **options)


FEW = {"shots": 3}


def test_target_cross_entropy_is_that_of_the_method_s_own_network_on_the_few(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    class Remembered(TargetCrossEntropy):
        def labelled_value(self, labelled: Encoding, y: Tensor) -> Tensor:
            seen.extend([labelled.logits.detach(), y])
            return super().labelled_value(labelled, y)

    _, _, trainer = train(SourceOnly, tmp_path, steps=1, data=FEW, penalties=[Remembered(0.5)])
    logits, y = seen
    assert logits.shape == (3 * CLASSES, CLASSES) and y.bincount().tolist() == [3] * CLASSES
    expected = 0.5 * -logits.log_softmax(1)[torch.arange(len(y)), y].mean()
    torch.testing.assert_close(trainer.callback_metrics["train/penalty_remembered"], expected)


def test_a_few_labels_make_a_method_better_and_their_permutation_makes_it_worse(tmp_path: Path) -> None:
    options = {"data": {"shots": 10}, "penalties": [TargetCrossEntropy()], "steps": 150}
    plain = target_accuracy(*train(SourceOnly, tmp_path / "a", steps=150))
    few = target_accuracy(*train(SourceOnly, tmp_path / "b", **options))
    shuffled = target_accuracy(*train(SourceOnly, tmp_path / "c", module=permuted(Shifted), **options))
    assert few > plain + 0.05
    assert shuffled < few - 0.05


@pytest.mark.parametrize("method", [DANN, MCD, WDGRL, SelfEnsembling, OTMapping])
def test_any_method_takes_the_few_labels_and_they_change_its_weights(method: type[Method], tmp_path: Path) -> None:
    plain, _, _ = train(method, tmp_path / "a", steps=4)
    options = {"data": FEW, "penalties": [TargetCrossEntropy(), MinEnt()]}
    few, _, trainer = train(method, tmp_path / "b", steps=4, **options)
    weightless, _, _ = train(method, tmp_path / "c", steps=4, data=FEW, penalties=[TargetCrossEntropy(0.0)])
    pairs = list(zip(plain.parameters(), few.parameters(), weightless.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b, _ in pairs)
    assert all(torch.equal(a, c) for a, _, c in pairs)
    assert {"train/penalty_targetcrossentropy", "train/penalty_minent"} <= trainer.callback_metrics.keys()


def test_an_encoder_that_starts_from_a_source_run_takes_them_too(tmp_path: Path) -> None:
    _, _, trainer = train(SourceOnly, tmp_path / "source", steps=20)
    trainer.save_checkpoint(tmp_path / "source.ckpt")
    start = {"init_from": str(tmp_path / "source.ckpt"), "steps": 3}
    plain, _, _ = train(ADDA, tmp_path / "a", **start)
    few, _, _ = train(ADDA, tmp_path / "b", data=FEW, penalties=[TargetCrossEntropy()], **start)
    assert any(not torch.equal(a, b) for a, b in zip(plain.parameters(), few.parameters(), strict=True))


@pytest.mark.parametrize("shots", [2, "all"])
def test_labels_that_nothing_reads_are_refused_with_both_ways_out(shots: object, tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match=r"DANN uses no.*penalties\+=TargetCrossEntropy.*leave --data\.shots out"):
        train(DANN, tmp_path, steps=1, data={"shots": shots}, penalties=[MinEnt()])
    for method in (TargetOnly, FineTuning):
        train(method, tmp_path / method.__name__, steps=1, data={"shots": shots})


def test_a_penalty_of_labels_without_any_says_how_to_ask_for_them(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match=r"--data\.shots 5"):
        train(DANN, tmp_path, steps=1, penalties=[TargetCrossEntropy()])


def test_the_few_labels_are_chosen_on_the_command_line_and_named_in_the_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "fit",
        "--config",
        "configs/tasks/moons.yaml",
        "--config",
        "configs/methods/dann.yaml",
        "--data.shots",
        "2",
    ]
    words += ["--trainer.max_steps", "2", "--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    assert main([*words, "--run_dir", str(tmp_path / "a")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert main([*words, "--run_dir", str(tmp_path / "b"), "--model.penalties+=TargetCrossEntropy"]) == 0
    config = yaml.safe_load((tmp_path / "b" / "config.yaml").read_text())
    assert setting_of(config) == "few-shot (2 per class)"
