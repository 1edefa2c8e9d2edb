"""A configuration may name classes of the kind that belongs there; no other file names, imports or runs anything.

Each hostile file would leave a mark if it were obeyed, and the test looks for the mark.
"""

import pickle
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from adapt.cli import main
from adapt.errors import AdaptError
from adapt.methods import SourceOnly
from tests.training.test_commands import TOY, fit

# Code that somebody put into the folder: its classes and functions leave a mark when they are called.
EVIL = """
from pathlib import Path
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from adapt.methods import Method
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

def mark(*args, **kwargs):
    Path("{mark}").touch()

def method(*args, **kwargs) -> Method:
    mark()
def optimizer(*args, **kwargs) -> Optimizer:
    mark()
def scheduler(*args, **kwargs) -> LRScheduler:
    mark()
def callback(path: str = "") -> Callback:
    mark()
def logger(path: str = "") -> Logger:
    mark()

class Runs:
    def __init__(self, *args, **kwargs):
        mark()

class Careless(Callback):
    def __init__(self, anything=None):
        self.anything = anything
"""


class Pickled:
    """What a pickle may ask for: a call of any function."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "MARK"
    (tmp_path / "evil.py").write_text(EVIL.replace("{mark}", str(path)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    yield path
    sys.path[:] = [folder for folder in sys.path if folder != str(tmp_path)]
    sys.modules.pop("evil", None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("honest")
    (folder / "toy.yaml").write_text(yaml.safe_dump(TOY))
    assert fit(str(folder / "toy.yaml"), folder / "run", "--model", "SourceOnly") == 0
    return folder / "run"


def toy(**model: Any) -> dict[str, Any]:
    network = {"backbone": {"class_path": "MLP", "init_args": {"hidden": [8]}}}
    return TOY | {"model": {"class_path": "SourceOnly", "init_args": network | model}}


def shell(mark: Path) -> dict[str, Any]:
    return {"class_path": "os.system", "init_args": {"command": f"touch {mark}"}}


CONFIGS = {
    "optimizer os.system": lambda mark: toy(optimizer=shell(mark)),
    "optimizer Popen": lambda mark: toy(
        optimizer={"class_path": "subprocess.Popen", "init_args": {"args": ["touch", str(mark)]}}
    ),
    "optimizer function": lambda mark: toy(optimizer={"class_path": "evil.mark"}),
    "optimizer function that says what it returns": lambda mark: toy(optimizer="evil.optimizer"),
    "optimizer class of another kind": lambda mark: toy(optimizer={"class_path": "evil.Runs"}),
    "scheduler os.system": lambda mark: toy(lr_scheduler=shell(mark)),
    "scheduler function": lambda mark: toy(lr_scheduler={"class_path": "evil.scheduler"}),
    "scheduler function by name": lambda mark: toy(lr_scheduler="evil.scheduler"),
    "model function": lambda mark: toy() | {"model": {"class_path": "evil.method", "init_args": {}}},
    "model os.system": lambda mark: toy() | {"model": shell(mark)},
    "data eval": lambda mark: toy() | {"data": {"class_path": "builtins.eval", "init_args": {"source": "1"}}},
    "backbone function": lambda mark: toy(backbone={"class_path": "evil.mark"}),
    "penalty class of another kind": lambda mark: toy(penalties=[{"class_path": "evil.Runs"}]),
    "callback function": lambda mark: toy() | {"trainer": {"callbacks": [{"class_path": "evil.callback"}]}},
    "logger function": lambda mark: toy() | {"trainer": {"logger": {"class_path": "evil.logger"}}},
    "tag": lambda mark: f"model: !!python/object/apply:os.system ['touch {mark}']\n",
    "tag in a value": lambda mark: toy(label_smoothing=f"!!python/object/apply:os.system ['touch {mark}']"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_calls_nothing_but_classes_of_the_kind_that_belongs_there(
    kind: str, mark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = CONFIGS[kind](mark)
    Path("hostile.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    assert main(["fit", "--config", "hostile.yaml", "--run_dir", "run"]) == 2
    assert not mark.exists()
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("adapt: ")


def test_an_untyped_argument_keeps_what_it_is_given(mark: Path) -> None:
    callback = {"class_path": "evil.Careless", "init_args": {"anything": {"class_path": "evil.Runs"}}}
    Path("hostile.yaml").write_text(yaml.safe_dump(toy() | {"trainer": TOY["trainer"] | {"callbacks": [callback]}}))
    assert main(["fit", "--config", "hostile.yaml", "--run_dir", "run"]) == 0
    assert not mark.exists()


def test_a_module_of_pythons_own_library_is_not_even_imported(mark: Path) -> None:
    sys.modules.pop("this", None)
    assert main(["fit", "--model", "this.c", "--data", "Moons"]) == 2
    assert "this" not in sys.modules


HYPERPARAMETERS = {
    "optimizer": lambda mark: {"optimizer": shell(mark)},
    "scheduler": lambda mark: {"lr_scheduler": {"class_path": "evil.scheduler"}},
    "class": lambda mark: {"_class_path": "evil.method"},
    "instantiator": lambda mark: {"_instantiator": "evil.mark", "_class_path": "evil.Runs"},
}


@pytest.mark.parametrize("kind", HYPERPARAMETERS)
@pytest.mark.parametrize("command", ["predict", "fit"])
def test_a_checkpoint_names_nothing(kind: str, command: str, mark: Path, run: Path) -> None:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    checkpoint["hyper_parameters"] |= HYPERPARAMETERS[kind](mark)
    torch.save(checkpoint, "hostile.ckpt")
    more = ["--trainer.max_steps", "15"] if command == "fit" else []
    words = ["--config", str(run / "config.yaml"), "--ckpt_path", "hostile.ckpt", "--run_dir", "out", *more]
    Path("out").mkdir()
    # Training refuses to go on with the state of an optimizer that is not the configuration's.
    refused = command == "fit" and kind in ("optimizer", "scheduler")
    assert main([command, *words]) == (2 if refused else 0)
    assert not mark.exists()
    assert "evil" not in sys.modules


def test_lightnings_way_to_build_a_method_from_a_file_is_closed(mark: Path, run: Path) -> None:
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    checkpoint["hyper_parameters"] |= HYPERPARAMETERS["instantiator"](mark)
    torch.save(checkpoint, "hostile.ckpt")
    with pytest.raises(AdaptError, match="names no code"):
        SourceOnly.load_from_checkpoint("hostile.ckpt")
    assert not mark.exists()


@pytest.mark.parametrize(
    "words",
    [
        "--ckpt_path hostile.ckpt",
        "--model.init_from hostile.ckpt",
        "--config hostile.ckpt",
        "--model.backbone TorchvisionBackbone --model.backbone.name resnet18 --model.backbone.checkpoint hostile.ckpt",
    ],
)
def test_weights_are_no_pickles(words: str, mark: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": Pickled(mark), "adapt": {"method": "SourceOnly"}}, "hostile.ckpt")
    assert main(["fit", "--config", str(run / "config.yaml"), *words.split(), "--run_dir", "out"]) == 2
    assert not mark.exists()
    assert "hostile.ckpt" in capsys.readouterr().err


def test_feature_files_are_no_pickles(mark: Path) -> None:
    for name in ("a", "b"):
        x = np.array([Pickled(mark)] * 4, dtype=object)
        np.savez(f"{name}.npz", features=x, labels=np.arange(4), class_names=x, files=x, settings=x)
    words = "--data Features --data.root . --data.source a --data.target b --model SourceOnly --model.backbone Identity"
    assert main(["fit", *words.split(), "--run_dir", "out"]) == 2
    assert not mark.exists()


def test_a_plain_pickle_as_any_file_is_refused(mark: Path) -> None:
    Path("hostile.ckpt").write_bytes(pickle.dumps(Pickled(mark)))
    Path("plan.yaml").write_bytes(pickle.dumps(Pickled(mark)))
    assert main(["test", "--model", "SourceOnly", "--data", "Moons", "--ckpt_path", "hostile.ckpt"]) == 2
    assert main(["benchmark", "--config", "plan.yaml"]) == 2
    assert not mark.exists()


def test_a_plan_and_a_result_run_nothing(mark: Path) -> None:
    Path("plan.yaml").write_text(f"seeds: [0]\ntasks: !!python/object/apply:os.system ['touch {mark}']\n")
    assert main(["benchmark", "--config", "plan.yaml"]) == 2
    folder = Path("runs/grid/task/method/0")
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(f'{{"class_path": "os.system", "init_args": {{"command": "touch {mark}"}}}}')
    assert main(["report", "runs/grid"]) == 2
    assert not mark.exists()


def test_the_configuration_beside_a_checkpoint_is_not_read_unasked(
    mark: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = Path("downloaded run")
    (packed / "checkpoints").mkdir(parents=True)
    (packed / "config.yaml").write_text(yaml.safe_dump(toy() | {"model": {"class_path": "evil.method"}}))
    (packed / "checkpoints" / "last.ckpt").write_bytes((run / "checkpoints" / "last.ckpt").read_bytes())
    assert main(["test", "--ckpt_path", str(packed / "checkpoints" / "last.ckpt")]) == 2
    assert "evil" not in sys.modules
    assert "adapt test --config 'downloaded run/config.yaml' --ckpt_path" in capsys.readouterr().err


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOMB, id="aliases"),
        pytest.param("model: &a [*a]\n", id="itself"),
        pytest.param("model: &a {b: *a}\n", id="itself in a mapping"),
        pytest.param("[" * 100_000, id="never closed"),
        pytest.param("model: " + "[" * 900 + "]" * 900, id="deep"),
        pytest.param("seed_everything: " + "9" * 100_000, id="digits"),
        pytest.param("x" * 5_000_000, id="long"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "benchmark", "features"])
def test_yaml_that_would_grow_is_refused_at_once(command: str, text: str, mark: Path) -> None:
    Path("hostile.yaml").write_text(text)
    started = time.process_time()
    assert main([command, "--config", "hostile.yaml"]) == 2
    assert time.process_time() - started < 20


def test_yaml_inside_of_a_value_is_read_by_the_same_reader(mark: Path) -> None:
    content = toy(label_smoothing=BOMB)
    Path("hostile.yaml").write_text(yaml.safe_dump(content))
    started = time.process_time()
    assert main(["fit", "--config", "hostile.yaml", "--run_dir", "run"]) == 2
    assert time.process_time() - started < 20
