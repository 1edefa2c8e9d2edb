"""A checkpoint is written whole or not at all, wherever the temp folder lies."""

import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.methods import SourceOnly
from adapt.selection.checkpoint_files import WholeFiles, share_file, write_whole_files
from tests.toy import train

BIG = {"w": torch.arange(100_000.0)}


@pytest.fixture
def other_filesystem(tmp_path: Path) -> Iterator[Path]:
    """A temp folder on another filesystem than the run's."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no other filesystem at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_each_rule_keeps_its_own_step_where_the_temp_folder_is_another_filesystem(
    tmp_path: Path, other_filesystem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {}
    for name, temporary in (("here", tmp_path), ("there", other_filesystem)):
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        often = {"val_check_interval": 4, "check_val_every_n_epoch": None}
        train(SourceOnly, tmp_path / name, steps=30, dropout=0.3, trainer=often)
        files = (tmp_path / name / "checkpoints").iterdir()
        steps[name] = {path.stem: torch.load(path, weights_only=True)["global_step"] for path in files}
    assert steps["here"] == steps["there"]
    assert len(set(steps["here"].values())) > 1


def test_a_link_keeps_its_content_when_the_other_name_is_saved_again(tmp_path: Path) -> None:
    one, two = tmp_path / "one.ckpt", tmp_path / "two.ckpt"
    WholeFiles().save_checkpoint({"step": 1}, one)
    for _ in range(2):  # the second time they are one file already
        share_file(one, two)
        assert one.stat().st_ino == two.stat().st_ino
    WholeFiles().save_checkpoint({"step": 2}, one)
    assert [torch.load(path, weights_only=True)["step"] for path in (one, two)] == [2, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.ckpt", "two.ckpt"]


def test_a_filesystem_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    WholeFiles().save_checkpoint({"step": 1}, tmp_path / "one.ckpt")
    share_file(tmp_path / "one.ckpt", tmp_path / "two.ckpt")
    assert torch.load(tmp_path / "two.ckpt", weights_only=True) == {"step": 1}


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 60 kB, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path: Path, small_disk: None) -> None:
    path = tmp_path / "last.ckpt"
    WholeFiles().save_checkpoint({"step": 1}, path)
    with pytest.raises(AdaptError, match=r"Expected to write a checkpoint to .*the old one is unchanged"):
        WholeFiles().save_checkpoint(BIG, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["last.ckpt"]
    with pytest.raises(AdaptError, match="there was none before"):
        WholeFiles().save_checkpoint(BIG, tmp_path / "new.ckpt")


def test_a_fit_on_a_full_disk_ends_with_one_line(
    tmp_path: Path, small_disk: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "--model SourceOnly --model.backbone MLP --model.backbone.hidden [64,64] --data Moons --data.target moons_35"
    )
    words += " --trainer.max_epochs 1 --trainer.enable_model_summary false --trainer.enable_progress_bar false"
    assert main(["fit", *words.split(), "--run_dir", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err.strip().splitlines()
    assert len(printed) == 1
    assert "Expected to write a checkpoint" in printed[0]
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_plugin_of_the_users_stays_and_a_wrapper_is_given_ours() -> None:
    class Own(TorchCheckpointIO):
        pass

    own, background = Own(), AsyncCheckpointIO()
    for plugin, expected in ((own, own), (background, background)):
        trainer = Trainer(accelerator="cpu", plugins=[plugin], logger=False, enable_progress_bar=False)
        write_whole_files(trainer)
        assert trainer.strategy.checkpoint_io is expected
    assert isinstance(background.checkpoint_io, WholeFiles)


def test_saving_in_the_background_keeps_each_rules_step(tmp_path: Path) -> None:
    often = {"val_check_interval": 4, "check_val_every_n_epoch": None}
    steps = {}
    for name, plugins in (("plain", []), ("background", [AsyncCheckpointIO()])):
        train(SourceOnly, tmp_path / name, steps=30, dropout=0.3, trainer={**often, "plugins": plugins})
        files = (tmp_path / name / "checkpoints").iterdir()
        steps[name] = {path.stem: torch.load(path, weights_only=True)["global_step"] for path in files}
    assert steps["plain"] == steps["background"]
