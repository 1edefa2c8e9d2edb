"""W&B is offline without a key, online with one, and the CSV log is always there."""

import os
import socket
from pathlib import Path

import pytest
import wandb
import yaml
from lightning.pytorch.loggers import CSVLogger, WandbLogger

import adapt.training.tracking
from adapt.cli import main
from adapt.commands.grids import benchmark_command
from adapt.errors import AdaptError
from adapt.training.tracking import asked_mode, is_disabled, is_offline, loggers_for, settled_mode, wandb_logger
from tests.training.test_commands import TOY
from tests.wandb_file import run_files

CLOSED = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
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


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        ("online", "online"),
        ("run", "online"),
        ("shared", "online"),
        ("offline", "offline"),
        ("dryrun", "offline"),
        ("disabled", "disabled"),
    ],
)
def test_every_word_of_wandb_is_known(monkeypatch: pytest.MonkeyPatch, word: str, mode: str) -> None:
    monkeypatch.setenv("WANDB_MODE", word)
    for key in (None, "abc"):
        if key:
            monkeypatch.setenv("WANDB_API_KEY", key)
        assert asked_mode() == mode
        assert asked_mode("offline") == "offline"
        assert asked_mode("disabled") == "disabled"


@pytest.mark.parametrize("word", ["offlin", "OFFLINE", "", "true"])
def test_a_slip_of_the_pen_uploads_nothing(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    monkeypatch.setenv("WANDB_MODE", word)
    with pytest.raises(AdaptError, match=f"Expected WANDB_MODE to be one of online, .*found '{word}'"):
        asked_mode()


@pytest.mark.parametrize("folder", ["wandb", "config"])
def test_what_wandb_offline_saved_counts_and_the_environment_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    assert not is_offline()
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "settings").write_text("[default]\nmode = offline\n")
    assert is_offline()
    monkeypatch.setenv("WANDB_MODE", "online")
    assert not is_offline()
    (tmp_path / folder / "settings").write_text("no settings")
    assert not is_offline()


def test_a_server_that_is_not_there_means_offline_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "abc")
    monkeypatch.setenv("WANDB_BASE_URL", CLOSED)
    assert settled_mode() == settled_mode("online") == "offline"
    assert settled_mode("disabled") == "disabled"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(f"cannot be reached at {CLOSED}" in line for line in lines)
    assert settled_mode("offline") == "offline"
    assert capsys.readouterr().err == ""


def test_a_server_that_never_answers_costs_no_more_than_the_patience(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WANDB_API_KEY", "abc")
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(adapt.training.tracking, "PATIENCE_SECONDS", 0.3)
        assert settled_mode() == "offline"
    assert "so this is logged offline." in capsys.readouterr().err


def plan_of(folder: Path) -> list[str]:
    methods = {name: {"model": {"class_path": name}} for name in ("SourceOnly", "MMD")}
    plan = {"name": "small", "seeds": [0], "embeddings": False, "tasks": {"toy": TOY}, "methods": methods}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    return ["--config", str(folder / "plan.yaml"), "--out", str(folder / "out")]


@pytest.mark.parametrize("mode", ["offline", None])
def test_no_run_of_a_process_goes_online_by_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    # Asked for; or, without a word, no way to the server.
    monkeypatch.setenv("WANDB_BASE_URL", CLOSED)
    if mode is not None:
        monkeypatch.setenv("WANDB_MODE", mode)
    assert benchmark_command(plan_of(tmp_path)) == 0
    assert os.environ.get("WANDB_MODE") == mode
    assert [path.parent.name.partition("-")[0] for path in run_files(tmp_path / "out")] == ["offline"] * 3
    shown = capfd.readouterr()
    assert "anonymous" not in shown.out + shown.err
    assert shown.err.count("cannot be reached") == (mode is None)


def test_a_run_without_a_way_to_the_server_trains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", CLOSED)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(TOY))
    command = ["fit", "--config", str(tmp_path / "toy.yaml"), "--model", "SourceOnly"]
    assert main([*command, "--run_dir", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().err.count("cannot be reached") == 1
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    wandb.finish()
    assert [path.parent.name.partition("-")[0] for path in run_files(tmp_path / "run")] == ["offline"]


def test_a_logger_that_cannot_start_at_all_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise RuntimeError("its service did not start\nand more")

    monkeypatch.setattr(wandb, "init", refuse)
    csv, ours = loggers_for(None, tmp_path, "a-b", "DANN", 0)
    assert adapt.training.tracking.started([csv, ours]) == [csv]
    (line,) = capsys.readouterr().err.splitlines()
    assert "did not start offline (its service did not start), so this is logged into metrics.csv alone." in line
