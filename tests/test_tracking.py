"""W&B is offline without a key, online with one, and the CSV log is always there."""

from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, WandbLogger

from adapt.tracking import is_disabled, is_offline, loggers_for, wandb_logger


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_without_a_key_it_is_offline() -> None:
    assert is_offline()


def test_a_key_in_the_environment_or_in_netrc_makes_it_online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password abc\n")
    (tmp_path / "netrc").chmod(0o600)
    assert not is_offline()
    (tmp_path / "netrc").write_text("machine example.org login user password abc\n")
    assert is_offline()
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    assert not is_offline()


def test_the_environment_and_the_argument_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    assert is_offline("offline")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert is_offline()
    assert not is_offline("online")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert is_disabled()
    assert not is_disabled("offline")


def test_a_csv_log_is_always_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kinds(chosen: object) -> list[type]:
        return [type(logger) for logger in loggers_for(chosen, tmp_path, "a-b", "DANN", 0)]

    assert kinds(None) == kinds(True) == [CSVLogger, WandbLogger]
    assert kinds(False) == [CSVLogger]
    own = WandbLogger(**wandb_logger(tmp_path, "name", "DANN", ["tag"])["init_args"])
    assert kinds([own]) == [CSVLogger, WandbLogger]
    assert kinds([CSVLogger(tmp_path)]) == [CSVLogger]
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert kinds(None) == [CSVLogger]
