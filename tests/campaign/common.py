"""What the campaign's parts share: their size and seed, the command line in this process, and weights to compare."""

import contextlib
import io
import os
import random
import signal
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import torch
import yaml

from adapt.cli import main
from adapt.data import DomainDataModule
from tests.texts import make_encoder
from tests.toy import Shifted
from tests.training.test_commands import METHODS, QUICK, TOY
from tests.zoo.class_sets import TwoSources
from tests.zoo.pixel import Lit
from tests.zoo.series import Beats
from tests.zoo.texts import Sentences

SCALE = float(os.environ.get("ADAPT_CAMPAIGN_SCALE", "1"))
"""Share of the campaign's numbers; a small one tries every part in a few minutes."""
SEED = int(os.environ.get("ADAPT_CAMPAIGN_SEED", "0"))
SECONDS = float(os.environ.get("ADAPT_CAMPAIGN_SECONDS", "60"))
"""How long one wrong command may take before it counts as hanging."""


def scaled(number: int) -> int:
    return max(1, round(SCALE * number))


def sample(paths: Sequence[Path]) -> list[Path]:
    """All of them, or with a small scale some."""
    return sorted(random.Random(SEED).sample(list(paths), scaled(len(paths))))


CONFIGS = sample(METHODS)
SEVERAL = ("M3SDA", "MDAN", "MFSAN")
"""Methods that take two sources or more."""


class Hang(BaseException):
    """Not an `Exception`, so that nothing in between takes it for its own."""


@dataclass(frozen=True)
class Outcome:
    """What a command came to: its exit code, what it printed, and the traceback where there was one."""

    words: tuple[str, ...]
    code: int | None
    printed: str
    trace: str = ""

    def __str__(self) -> str:
        return f"adapt {' '.join(self.words)}\n{self.trace or self.printed}"


def command(words: Sequence[str]) -> Outcome:
    """Run one command in this process, whatever comes of it."""
    shown = io.StringIO()
    code: int | None = None
    trace = ""
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            with within(SECONDS):
                code = main(list(words))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except Hang:
            trace = f"no end after {SECONDS:.0f} s"
        except BaseException:
            trace = traceback.format_exc()
    printed = shown.getvalue()
    if not trace and "Traceback (most recent call last)" in printed:
        trace = printed
    return Outcome(tuple(words), code, printed, trace)


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[Path]:
    """A working folder of its own for one command."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(folder):
        yield folder


def fit(config: Path, run: Path, data: type[DomainDataModule], *more: str) -> Path:
    """Train a shipped method's configuration on a toy, and return its last checkpoint."""
    task = run.parent / f"{run.name}.yaml"
    task.parent.mkdir(parents=True, exist_ok=True)
    task.write_text(yaml.safe_dump(TOY | {"data": TOY["data"] | {"class_path": f"{data.__module__}.{data.__name__}"}}))
    quick = QUICK.get(config.stem, "").format(run.parent / "cache").split()
    quick += options_of(config, run.parent)
    words = ["fit", "--config", str(task), "--config", str(config), *quick, "--run_dir", str(run), *more]
    outcome = command(words)
    assert outcome.code == 0, outcome
    return run / "checkpoints" / "last.ckpt"


def start_for(config: Path, folder: Path, data: type[DomainDataModule]) -> list[str]:
    """The source run that a configuration starts from, as the file's own comment says, if it does."""
    if "--model.init_from" not in config.read_text():
        return []
    width = yaml.safe_load(config.read_text())["model"]["init_args"].get("bottleneck")
    network = ["--model.bottleneck", str(width)] if width else []
    source = next(path for path in METHODS if path.stem == "source_only")
    return ["--model.init_from", str(fit(source, folder / "start", data, *network))]


def method_of(config: Path) -> str:
    return str(yaml.safe_load(config.read_text())["model"]["class_path"].rpartition(".")[2])


def data_of(config: Path) -> type[DomainDataModule]:
    """Data that the configuration's method takes."""
    import adapt.methods

    name = method_of(config)
    if str(getattr(adapt.methods, name).needs).startswith("images"):
        return Lit
    return {**dict.fromkeys(SEVERAL, TwoSources), "Raincoat": Beats, "MaskedLanguage": Sentences}.get(name, Shifted)


def options_of(config: Path, folder: Path) -> list[str]:
    """What a person types beside it."""
    name = method_of(config)
    if name == "MaskedLanguage":
        path = str(make_encoder(folder / "encoder"))
        return ["--model.backbone", "TransformerBackbone", "--model.backbone.path", path]
    typed = {
        "OSBP": ["--data.source_classes", "[a,b,c]"],
        "Raincoat": ["--model.backbone", "CNN1D"],
    }
    return typed.get(name, [])


def same_weights(one: Path, other: Path) -> bool:
    first, second = (torch.load(path, weights_only=True)["state_dict"] for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
