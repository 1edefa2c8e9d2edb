"""The teacher of self-ensembling, and the augmentations that the command line chooses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import nn

from adapt.errors import AdaptError
from adapt.layers import StrongAugmentation, WeakAugmentation
from adapt.methods import FixMatch, SelfEnsembling
from adapt.training.cli import AdaptCLI
from tests.toy import train
from tests.zoo.self_training import Shrunk, Turned

OPTIONS: dict[str, Any] = {"module": Turned, "bottleneck": 8}


class Weights(Callback):
    """The student's and the teacher's classifier after every batch, and the teacher's batch-norm mean."""

    def __init__(self) -> None:
        self.student: list[torch.Tensor] = []
        self.teacher: list[torch.Tensor] = []

    def on_train_start(self, trainer: Trainer, pl_module: SelfEnsembling) -> None:
        self.on_train_batch_end(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: SelfEnsembling, *_: Any) -> None:
        self.student.append(pl_module.classifier.weight.detach().clone())
        self.teacher.append(pl_module.teacher["classifier"].weight.detach().clone())


def test_the_teacher_is_the_moving_average_of_the_student_after_every_step(tmp_path: Path) -> None:
    seen = Weights()
    train(SelfEnsembling, tmp_path, steps=6, callbacks=[seen], decay=0.9, **OPTIONS)
    expected = seen.student[0]
    for student, teacher in zip(seen.student[1:], seen.teacher[1:], strict=True):
        expected = 0.9 * expected + 0.1 * student
        torch.testing.assert_close(teacher, expected)
    assert not torch.equal(seen.student[0], seen.student[-1])


def test_with_accumulated_gradients_it_follows_only_the_steps(tmp_path: Path) -> None:
    seen = Weights()
    train(SelfEnsembling, tmp_path, steps=2, callbacks=[seen], trainer={"accumulate_grad_batches": 2}, **OPTIONS)
    moved = [not torch.equal(a, b) for a, b in zip(seen.teacher, seen.teacher[1:], strict=False)]
    assert moved == [False, True, False, True]


def test_no_optimizer_holds_the_teacher_and_the_checkpoint_does(tmp_path: Path) -> None:
    trained, _, trainer = train(SelfEnsembling, tmp_path, steps=3, **OPTIONS)
    held = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert not held & {id(p) for p in trained.teacher.parameters()}
    assert held == {id(p) for m in (trained.backbone, trained.bottleneck, trained.classifier) for p in m.parameters()}
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    saved = torch.load(tmp_path / "end.ckpt", weights_only=True)["state_dict"]
    assert {f"teacher.{k}" for k in trained.teacher.state_dict()} <= set(saved)


def test_teacher_predicts_unless_the_student_is_asked_for(tmp_path: Path) -> None:
    trained, _, _ = train(SelfEnsembling, tmp_path, steps=30, **OPTIONS)
    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    trained.eval()
    student = trained.classifier(trained.bottleneck(trained.backbone(x)))
    teacher = trained.taught(x).logits
    assert not torch.equal(student, teacher)
    assert torch.equal(trained(x).logits, teacher)
    trained.predict_with = "student"
    assert torch.equal(trained(x).logits, student)


def test_the_teachers_batch_norm_has_seen_the_target_alone(tmp_path: Path) -> None:
    options = OPTIONS | {"module": Shrunk, "augmentation": nn.Identity(), "decay": 0.0}
    trained, data, _ = train(SelfEnsembling, tmp_path, steps=100, **options)
    # With decay 0 both have the same weights, so their running means differ by what they were shown.
    shown = {}
    for name in ("source", "target"):
        x = data.domain(name, "train")
        inputs = torch.stack([x[i][0] for i in range(len(x))])
        with torch.no_grad():
            linear = trained.teacher["bottleneck"][0](trained.teacher["backbone"](inputs))
        shown[name] = linear.mean(0)
    teacher = trained.teacher["bottleneck"][1].running_mean
    student = trained.bottleneck[1].running_mean
    to_target = (teacher - shown["target"]).norm()
    assert to_target < 0.5 * (teacher - shown["source"]).norm()
    assert to_target < (student - shown["target"]).norm()


def test_the_ramp_grows_by_its_closed_form(tmp_path: Path) -> None:
    grown: list[float] = []

    class Watched(SelfEnsembling):
        @property
        def growth(self) -> float:
            grown.append(super().growth)
            return grown[-1]

    train(Watched, tmp_path, steps=10, confidence="ramp", ramp=0.5, **OPTIONS)
    expected = [torch.exp(torch.tensor(-5 * (1 - min(1, p / 5)) ** 2)).item() for p in range(10)]
    assert grown == pytest.approx(expected)


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="decay in"):
        train(SelfEnsembling, tmp_path, decay=1.0, **OPTIONS)


def test_augmentations_are_chosen_on_the_command_line_by_their_short_names(tmp_path: Path) -> None:
    options = ["fit", "--config", "configs/tasks/moons.yaml", "--model", "FixMatch", "--run_dir", str(tmp_path)]
    options += ["--model.weak", "StrongAugmentation", "--model.weak.noise", "0.7"]
    limits = ["--trainer.max_steps", "2", "--trainer.logger", "false", "--trainer.accelerator", "cpu"]
    cli = AdaptCLI([*options, *limits])
    assert isinstance(cli.model.weak, StrongAugmentation)
    assert cli.model.weak.vector[1].std == 0.7
    assert isinstance(cli.model.strong, StrongAugmentation)
    assert isinstance(FixMatch(problem=2, backbone=cli.model.backbone).weak, WeakAugmentation)


def test_fixmatch_logs_the_share_that_teaches(tmp_path: Path) -> None:
    _, _, trainer = train(FixMatch, tmp_path / "a", steps=150, module=Turned)
    assert 0.3 < trainer.callback_metrics["train/confident"] <= 1
    _, _, trainer = train(FixMatch, tmp_path / "b", steps=3, module=Turned, threshold=1.0)
    assert trainer.callback_metrics["train/confident"] == 0
    assert trainer.callback_metrics["train/pseudo_label"] == 0
