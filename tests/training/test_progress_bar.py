"""What a person sees of a run while it trains."""

import io
import re
from pathlib import Path

import pytest
import wandb
from lightning.pytorch import Trainer
from rich.console import Console

from adapt.cli import main
from adapt.methods import DANN
from adapt.training.progress_bar import RunProgressBar
from tests.toy import Shifted, build

WORDS = "--data Moons --model DANN --model.backbone MLP --model.backbone.hidden [8] --trainer.max_steps 12"
WORDS += " --trainer.max_epochs -1 --trainer.val_check_interval 5 --trainer.check_val_every_n_epoch null"
WORDS += " --trainer.log_every_n_steps 1 --trainer.logger false --trainer.accelerator cpu"


def test_each_validation_says_whether_it_works(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["fit", *WORDS.split(), "--run_dir", str(tmp_path / "run")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert [line.partition(":")[0] for line in lines] == ["step 5/12", "step 10/12", "step 12/12"]
    number = r"-?\d+\.\d{3}"
    words = ["source accuracy", "information_maximisation", "domain accuracy", "λ", "oracle target accuracy"]
    for line in lines:
        assert re.fullmatch(", ".join(f"{word} {number}" for word in words), line.partition(": ")[2]), line


def test_the_bar_counts_the_whole_run() -> None:
    text = io.StringIO()
    bar = RunProgressBar(Console(file=text, force_terminal=True, width=120))
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False, "accelerator": "cpu"}
    limits = {"max_steps": 9, "max_epochs": -1, "limit_train_batches": 2, "num_sanity_val_steps": 0}
    trainer = Trainer(callbacks=[bar], **quiet, **limits)  # type: ignore[arg-type]
    trainer.fit(build(DANN), datamodule=Shifted("source", "target"))
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.getvalue()).rstrip().splitlines()[-1]
    assert "training" in last and "9/9" in last and "left" not in last


def test_a_thousand_validations_do_not_fill_the_terminal() -> None:
    text = io.StringIO()
    bar = RunProgressBar(Console(file=text))
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False, "accelerator": "cpu"}
    limits = {"max_epochs": 60, "limit_train_batches": 1, "limit_val_batches": 1, "num_sanity_val_steps": 0}
    Trainer(callbacks=[bar], **quiet, **limits).fit(build(DANN), datamodule=Shifted("source", "target"))  # type: ignore[arg-type]
    lines = text.getvalue().splitlines()
    assert 12 <= len(lines) <= 30 and lines[-1].startswith("step 60/60")


def test_a_run_without_a_bar_says_five_lines(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    words = WORDS.replace(" --trainer.logger false", "").split()
    assert main(["fit", *words, "--trainer.enable_progress_bar", "false"]) == 0
    wandb.finish()
    said = capfd.readouterr()
    lines = said.out.splitlines()
    assert len(lines) == 5 and not [line for line in said.err.splitlines() if "wandb" in line or "Tip" in line]
    assert "DANN, " in lines[0] and "parameters (backbone MLP" in lines[0]
    assert [line.partition(":")[0] for line in lines[2:]] == ["run", "test", "to Weights & Biases"]
    folder = lines[-1].removeprefix("to Weights & Biases: wandb sync ")
    assert not folder.startswith("/") and list(Path(folder).glob("run-*.wandb"))
