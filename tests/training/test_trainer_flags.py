"""Lightning's flags, callbacks, optimizers and schedules: they work, or are refused in a line."""

from pathlib import Path

import pytest
import torch

from adapt.cli import main
from tests.training.test_commands import fit, rows, task  # noqa: F401  # a fixture

PLATEAU = "--model.lr_scheduler lightning.pytorch.cli.ReduceLROnPlateau --model.lr_scheduler.monitor"
STOP = "--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor"
WORKS = {
    "clipped": "MCD --trainer.gradient_clip_val 0.5 --trainer.accumulate_grad_batches 2",
    "overfit": "DANN --trainer.overfit_batches 2",
    "own checkpoints": "SourceOnly --trainer.callbacks+=ModelCheckpoint --trainer.callbacks.save_last true",
    "one cycle": "MCD --model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 0.1",
    "plateau": f"SourceOnly {PLATEAU} val/source_accuracy --model.lr_scheduler.mode max",
    "lbfgs": "SourceOnly --model.optimizer LBFGS --model.optimizer.max_iter 2",
    "timer": "SourceOnly --trainer.callbacks+=Timer --trainer.callbacks.duration 00:00:10:00",
    "several": "SourceOnly --trainer.fast_dev_run 2 --trainer.profiler simple --trainer.detect_anomaly true",
}
REFUSED = {
    "SourceOnly --trainer.logger CometLogger": "A package that a setting needs is not installed: pip install",
    "SourceOnly --model.lr_scheduler ReduceLROnPlateau": "--model.lr_scheduler.monitor",
    "DANN --trainer.accelerator tpu": "torch_xla",
    "DANN --trainer.strategy banana": "strategy='banana'",
    "DANN --trainer.devices 2 --trainer.strategy ddp_spawn": "expects ddp, or ddp_notebook .* found ddp_spawn",
    "DANN --trainer.devices -1": "should be an int > 0",
    "DANN --trainer.limit_train_batches 0.01": r"Try at least `limit_train_batches=0\.0\d+`",
    "DANN --trainer.limit_train_batches 0": "nothing would train",
    "DANN --trainer.max_steps 0": "nothing would train",
    "DANN --trainer.enable_checkpointing false": "enable_checkpointing false, which leaves them out",
    "DANN --trainer.barebones true": "barebones true, which leaves them out",
    "DANN --trainer.val_check_interval 0": "above 0, found 0",
    "DANN --trainer.accumulate_grad_batches 0": "at least 1, found 0",
    "DANN --trainer.gradient_clip_val -1": "at least 0, found -1",
    "DANN --trainer.max_steps -1 --trainer.max_time 00:00:00:05": "DANN follows the progress .* --trainer.max_steps",
    f"SourceOnly {STOP} val/loss": "use any of the following: .*`val/source_accuracy`",
    f"SourceOnly {STOP} val/source_accuracy": "with mode 'min', but more is better. Give --trainer.callbacks.mode max",
    f"SourceOnly {STOP} oracle/target_accuracy --trainer.callbacks.mode max": "would let target labels steer",
    f"SourceOnly {PLATEAU} oracle/target_accuracy --model.lr_scheduler.mode max": "would let target labels steer",
    f"SourceOnly {PLATEAU} val/source_accuracy": "Give --model.lr_scheduler.mode max",
    "SourceOnly --model.lr_scheduler torch.optim.lr_scheduler.ReduceLROnPlateau": "needs a metric to watch",
    "SourceOnly --model.lr_scheduler OneCycleLR --model.lr_scheduler.max_lr 0.1 --model.lr_scheduler.total_steps 3": (
        "ends after 3 steps, the training takes 12. Leave total_steps out"
    ),
    "SourceOnly --model.lr_scheduler StepLR --model.lr_scheduler.step_size 0": "StepLR: .* must not be 0",
    "SourceOnly --trainer.callbacks+=BatchSizeFinder": "Give --data.batch_size instead",
    "MCD --trainer.callbacks+=StochasticWeightAveraging --trainer.callbacks.swa_lrs 0.1": "SWA currently works with 1",
    "MCD --model.optimizer LBFGS": "MCD alternates, and LBFGS",
    "SourceOnly --model.optimizer SparseAdam": "SparseAdam does not support dense gradients",
    "SourceOnly --model.optimizer SGD --model.optimizer.lr -1": "SGD: Invalid learning rate: -1",
    "SourceOnly --model.optimizer SGD --model.optimizer.lr 0": "nothing would train",
    "SourceOnly --model.backbone_lr_scale -1": "at least 0, found -0.01",
    "SourceOnly --model.bottleneck 8 --data.batch_size 1": "Batch norm .* --data.batch_size of at least 2",
}


@pytest.mark.parametrize("words", WORKS.values(), ids=WORKS)
def test_what_works(words: str, task: str, tmp_path: Path) -> None:  # noqa: F811
    run = tmp_path / "run"
    assert fit(task, run, "--model", *words.split()) == 0
    last = run / "checkpoints" / "last.ckpt"
    if "fast_dev_run" not in words:
        assert torch.load(last, weights_only=True)["global_step"] == 12
    if "ModelCheckpoint" in words:
        assert (run / "own_checkpoints" / "last.ckpt").is_file()
    if "OneCycleLR" in words:
        schedules = torch.load(last, weights_only=True)["lr_schedulers"]
        assert [schedule["total_steps"] for schedule in schedules] == [12, 12]


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused(words: str, task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    import re

    assert fit(task, tmp_path / "run", "--model", *words.split()) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("adapt: ")]
    assert len(error) == 1
    assert len(error[0]) < 700
    assert re.search(REFUSED[words], error[0]), error[0]


def test_an_overfitted_batch_is_the_same_in_every_epoch(task: str, tmp_path: Path) -> None:  # noqa: F811
    flags = ["--trainer.overfit_batches", "1", "--trainer.max_steps", "60", "--trainer.log_every_n_steps", "1"]
    assert fit(task, tmp_path / "run", "--model", "SourceOnly", *flags) == 0
    losses = [float(row["train/loss"]) for row in rows(tmp_path / "run" / "metrics.csv") if row["train/loss"]]
    # Of one batch every step sees the loss fall; another batch in each epoch moves it up and down.
    assert len(losses) == 60
    assert losses == sorted(losses, reverse=True)


def test_images_that_a_network_cannot_take_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "--data Moons --data.target moons_50 --model SourceOnly --model.backbone TorchvisionBackbone"
    assert main(["fit", *words.split(), "--model.backbone.name", "resnet18", "--run_dir", str(tmp_path / "run")]) == 2
    assert "resnet18 expects images (channels, height, width), and cannot take (2,)" in capsys.readouterr().err
