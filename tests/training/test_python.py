"""Runs from Python: fit, load, predict, and a datamodule on its own."""

import contextlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.profilers import PassThroughProfiler
from PIL import Image
from torch import nn

import adapt
from adapt.backbones import MLP, ModuleBackbone, SmallCNN
from adapt.data import ImageFolders, InMemory, Moons, Pair
from adapt.data.batches import Unlabelled
from adapt.errors import AdaptError
from adapt.methods import CORAL, DANN, AaD
from adapt.penalties import MCC
from adapt.recorded import built_with
from tests.training.test_commands import fit

X = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python") / "run"
    adapt.fit("DANN", Moons("moons", "moons_30"), max_steps=30, device="cpu", run_dir=folder, penalties=[MCC(0.1)])
    return folder


def test_importing_the_package_loads_no_torch() -> None:
    code = "import adapt, sys; print('torch' in sys.modules, adapt.__version__, 'load' in dir(adapt))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", adapt.__version__, "True"]
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = adapt.lod  # type: ignore[attr-defined]


def test_a_loaded_run_predicts_what_the_fitted_one_does(run: Path) -> None:
    fitted = adapt.fit("DANN", Moons("moons", "moons_30"), max_steps=30, device="cpu", penalties=[MCC(0.1)])
    for place in (run, run / "config.yaml", run / "checkpoints" / "last.ckpt", str(run)):
        loaded = adapt.load(place, device="cpu")
        np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))
    assert loaded.class_names == ["upper", "lower"]
    assert (loaded.predict(X) == loaded.predict_proba(X).argmax(1)).all()
    assert type(loaded.method.penalties[0]) is MCC


def test_a_run_from_python_is_one_for_the_command_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from adapt.training.cli import AdaptCLI

    AdaptCLI(["test", "--config", str(run / "config.yaml"), "--trainer.enable_progress_bar=false"])
    assert (run / "test.json").is_file()


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    adapt.fit("CORAL", Moons(), max_steps=2, device="cpu")
    assert torch.equal(torch.rand(3), expected)


def test_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    adapt.fit(CORAL, Moons(), max_steps=2, device="cpu")
    out, err = capfd.readouterr()
    assert out == err == ""


class Press(Callback):
    """Press Ctrl-C in the third step."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == 3:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_is_a_keyboard_interrupt_and_a_kept_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from adapt.training.cli import AdaptCLI

    before = signal.getsignal(signal.SIGINT)
    options: dict[str, Any] = {"max_steps": 6, "device": "cpu", "trainer": {"callbacks": [Press()]}}
    with pytest.raises(KeyboardInterrupt):
        adapt.fit("CORAL", Moons(), **options)
    assert "adapt fit" not in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        adapt.fit("CORAL", Moons(), **options, run_dir=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    said = capsys.readouterr().err.partition("To continue: adapt ")[2]
    AdaptCLI([*shlex.split(said), "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"])
    whole = adapt.fit("CORAL", Moons(), max_steps=6, device="cpu").predict_proba(X)
    np.testing.assert_array_equal(adapt.load(tmp_path / "run", device="cpu").predict_proba(X), whole)
    # Nobody but the caller has these data: a command could not go on.
    data = InMemory(X, np.arange(40) % 2, X, batch_size=8)
    with pytest.raises(KeyboardInterrupt):
        adapt.fit("CORAL", data, **options, run_dir=tmp_path / "memory")
    assert capsys.readouterr().err.strip().endswith(f"Its weights: {tmp_path / 'memory' / 'checkpoints' / 'last.ckpt'}")


class Leave(Callback):
    """End the process from within."""

    def on_train_batch_end(self, *_: Any) -> None:
        sys.exit(3)


def test_an_exit_of_the_callers_own_stays_one() -> None:
    with pytest.raises(SystemExit, match="3"):
        adapt.fit("CORAL", Moons(), max_steps=6, device="cpu", trainer={"callbacks": [Leave()]})


def test_what_the_trainer_was_asked_for_is_in_the_configuration(tmp_path: Path) -> None:
    from adapt.training.cli import AdaptCLI

    asked = {"max_steps": 7, "gradient_clip_val": 0.01, "profiler": PassThroughProfiler()}
    fitted = adapt.fit("CORAL", Moons(), device="cpu", run_dir=tmp_path / "one", trainer=asked)
    written = yaml.safe_load((tmp_path / "one" / "config.yaml").read_text())["trainer"]
    assert (written["max_steps"], written["gradient_clip_val"]) == (7, 0.01) and "profiler" not in written
    again = ["--run_dir", str(tmp_path / "two"), "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    AdaptCLI(["fit", "--config", str(tmp_path / "one" / "config.yaml"), *again])
    loaded = adapt.load(tmp_path / "two", device="cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_wrong_arguments_get_one_line() -> None:
    with pytest.raises(AdaptError, match="max_steps of at least 1, found 0: nothing would train"):
        adapt.fit("CORAL", Moons(), max_steps=0)
    with pytest.raises(
        AdaptError, match=r"Expected a backbone.s name, a torch\.nn\.Module or a class of these, found a int"
    ):
        adapt.fit("CORAL", Moons(), backbone=5)
    with pytest.raises(AdaptError, match="found the class int"):
        adapt.fit("CORAL", Moons(), backbone=int)
    with pytest.raises(AdaptError, match="Expected a method's name, its class or an object of it, found the class MLP"):
        adapt.fit(MLP, Moons())  # type: ignore[arg-type]  # on purpose
    with pytest.raises(AdaptError, match="Unknown method 'DAN'"):
        adapt.fit("DAN", Moons())
    with pytest.raises(AdaptError, match="CORAL has no argument 'wait'"):
        adapt.fit("CORAL", Moons(), wait=1)
    for steps in (2.5, True, None, "20", -5, -1):
        with pytest.raises(AdaptError, match="max_steps as a whole number of at least 1"):
            adapt.fit("CORAL", Moons(), max_steps=steps)  # type: ignore[arg-type]  # on purpose
    for seed in (None, -1, "a", 2**40):
        with pytest.raises(AdaptError, match="seed as a whole number from 0"):
            adapt.fit("CORAL", Moons(), seed=seed)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(AdaptError, match=r"Expected data such as .*, found a str"):
        adapt.fit("CORAL", "moons")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(AdaptError, match="trainer as a dict of arguments, found a str"):
        adapt.fit("CORAL", Moons(), trainer="cpu")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(AdaptError, match=r"that Lightning's Trainer takes: .*'max_step'"):
        adapt.fit("CORAL", Moons(), device="cpu", trainer={"max_step": 3})
    with pytest.raises(AdaptError, match=r"that Lightning's Trainer takes: .*'gpu9'"):
        adapt.fit("CORAL", Moons(), device="gpu9")
    with pytest.raises(AdaptError, match="has a checkpoint of"):
        adapt.fit("CORAL", Moons(), max_steps=2, device="cpu", rule="snb")


def test_what_is_no_run_gets_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="Expected a run with"):
        adapt.load(tmp_path)
    with pytest.raises(AdaptError, match=r"This run kept: .*last"):
        adapt.load(run, rule="snb")
    with pytest.raises(AdaptError, match=r"\(N, 2\), found \(4, 3\)"):
        adapt.load(run, device="cpu").predict(np.zeros((4, 3)))
    with pytest.raises(AdaptError, match="already holds a run"):
        adapt.fit("CORAL", Moons(), run_dir=run)


def test_images_are_prepared_as_evaluation_has_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for domain in ("a", "b"):
        for name in ("one", "two"):
            folder = tmp_path / domain / name
            folder.mkdir(parents=True)
            for i in range(6):
                Image.fromarray(rng.integers(0, 255, (24, 20, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    data = ImageFolders("a", "b", root=str(tmp_path), image_size=16, batch_size=4)
    method = DANN(problem=data.problem, backbone=SmallCNN(data.input_shape))
    model = adapt.TrainedModel(method, data, "cpu")
    paths = [tmp_path / name for name in data.sample_names("b", "test")]
    with torch.no_grad():
        x = torch.stack([data.domain("b", "test")[i][0] for i in range(len(paths))])
        batch = data.on_after_batch_transfer(Unlabelled(x, torch.arange(len(x))), 0)
        expected = method(batch.x).logits.softmax(1).numpy()
    pictures = [Image.open(path) for path in paths]
    arrays = np.stack([np.asarray(picture) for picture in pictures])
    for inputs in (paths, pictures, arrays, torch.from_numpy(arrays).permute(0, 3, 1, 2)):
        np.testing.assert_allclose(model.predict_proba(inputs), expected, atol=1e-6)
    # One picture alone is one answer, and not one for each of its lines.
    for one in (arrays[0], torch.from_numpy(arrays[0]).permute(2, 0, 1), pictures[0]):
        np.testing.assert_allclose(model.predict_proba(one), expected[:1], atol=1e-6)
    seen = np.concatenate([arrays, np.full((*arrays.shape[:3], 1), 255, np.uint8)], 3)
    np.testing.assert_allclose(model.predict_proba(seen), expected, atol=1e-6)
    with pytest.raises(AdaptError, match="Expected a picture"):
        model.predict(np.zeros((2, 16, 16, 3)))
    with pytest.raises(AdaptError, match="found NoneType"):
        model.predict(None)


def test_a_datamodule_alone_sets_itself_up_and_gives_transformed_batches() -> None:
    data = Moons(batch_size=32)
    assert type(data.train_dataloader()) is Pair
    batches = list(Moons(batch_size=32).batches())
    assert batches
    assert all(batch.source.x.shape == (32, 2) and batch.source.x.dtype == torch.float32 for batch in batches)


def test_what_is_built_of_plain_values_says_how() -> None:
    method = DANN(problem=2, backbone=MLP((2,), hidden=[8]), penalties=[MCC(weight=0.5)], optimizer=torch.optim.SGD)
    found = built_with(method, ("problem", "optimizer"))
    assert found is not None
    assert found["class_path"] == "adapt.methods.dann.DANN"
    assert found["init_args"]["backbone"]["init_args"] == {"input_shape": [2], "hidden": [8]}
    assert found["init_args"]["penalties"] == [{"class_path": "adapt.penalties.mcc.MCC", "init_args": {"weight": 0.5}}]
    assert built_with(method, ("problem",)) is None  # a function is no plain value


def test_a_training_gives_its_data_back_as_they_came() -> None:
    data, options = Moons("moons", "moons_30"), {"max_steps": 4, "device": "cpu"}
    first = adapt.fit("DANN", data, **options).predict_proba(X)  # type: ignore[arg-type]
    adapt.fit("TargetOnly", data, **options)  # type: ignore[arg-type]  # it asks for every target label
    assert data.shots is None
    # With what was left there, a method of few labels trained on all of them.
    with pytest.raises(AdaptError, match="shots"):
        adapt.fit("MME", data, **options)  # type: ignore[arg-type]
    source_free = AaD(problem=2, backbone=MLP((2,)), init_from=None)
    with contextlib.suppress(AdaptError):  # it starts from a run that is not there
        adapt.fit(source_free, data, **options)  # type: ignore[arg-type]
    assert data.source_free is False
    np.testing.assert_array_equal(adapt.fit("DANN", data, **options).predict_proba(X), first)  # type: ignore[arg-type]


class PlainNetwork_(nn.Module):
    """A network that knows nothing of this package."""

    def __init__(self, input_shape: tuple[int, ...], width: int = 6) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(input_shape[0]), nn.Linear(input_shape[0], width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.norm(x)).relu()


def test_a_plain_network_is_a_backbone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, x = Moons("moons", "moons_30"), np.random.default_rng(0).normal(size=(9, 2))
    given: dict[str, Any] = {"max_steps": 3, "device": "cpu"}
    network = PlainNetwork_((2,))
    before = network.norm.running_mean.clone()
    assert ModuleBackbone(network, input_shape=(2,)).num_features == 6
    assert network.training and torch.equal(network.norm.running_mean, before)  # it was only asked
    model = adapt.fit("DANN", data, backbone=PlainNetwork_, run_dir=tmp_path / "run", **given)
    moved = shutil.move(tmp_path / "run", tmp_path / "moved")
    assert np.array_equal(adapt.load(moved).predict_proba(x), model.predict_proba(x))
    assert fit(str(Path(moved, "config.yaml")), tmp_path / "again", "--trainer.max_steps", "2") == 0
    assert len(adapt.fit("DANN", data, backbone=network, run_dir=tmp_path / "object", **given).predict(x)) == 9
    for wrong, said in {
        nn.Linear(3, 4): r"Linear does not take the data's inputs \(N, 2\): ",
        nn.Unflatten(1, (1, 2)): r"Expected features \(N, d\) from Unflatten for .* found \(N, 1, 2\)",
        nn.Conv2d: "Conv2d cannot be built without arguments",
    }.items():
        with pytest.raises(AdaptError, match=said):
            adapt.fit("DANN", data, backbone=wrong, **given)
    with pytest.raises(AdaptError, match="was given an object"):
        adapt.load(tmp_path / "object")
    named = f"{PlainNetwork_.__module__}.PlainNetwork_"
    config = str(Path(moved, "config.yaml"))
    assert fit(config, tmp_path / "no", "--model.backbone", named) == 2
    assert f"write --model.backbone ModuleBackbone --model.backbone.module {named}." in capsys.readouterr().err


def test_a_network_that_was_trained_before_is_told() -> None:
    """In a loop over methods each of them began where the one before had ended."""
    data = Moons("moons", "moons_30", samples=100)
    for network in (MLP((2,)), PlainNetwork_((2,))):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="The backbone")
            adapt.fit("DANN", data, backbone=network, max_steps=1, device="cpu")
        with pytest.warns(UserWarning, match="The backbone that was given is the one that DANN trained"):
            adapt.fit("CORAL", data, backbone=network, max_steps=1, device="cpu")


class Wide_(PlainNetwork_):
    """Its shape has a default."""

    def __init__(self, width: int = 6, input_shape: tuple[int, ...] = (2,)) -> None:
        super().__init__(input_shape, width)


class Narrow_(PlainNetwork_):
    """Its shape is all that it asks for."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__(input_shape)


def test_the_data_fill_in_the_input_shape_of_a_plain_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def trained(name: str, backbone: dict[str, Any], *more: str) -> int:
        method = {"class_path": "DANN", "init_args": {"backbone": backbone}}
        places = {"root": str(tmp_path), "folder": ".", "source": "a", "target": "b", "batch_size": 16}
        data = {"class_path": "Arrays", "init_args": places}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"model": method, "data": data}))
        return fit(str(tmp_path / f"{name}.yaml"), tmp_path / name, "--trainer.max_steps", "3", *more)

    def plain(network: type, **options: Any) -> dict[str, Any]:
        module = {"class_path": f"{network.__module__}.{network.__name__}", "init_args": options}
        return {"class_path": "ModuleBackbone", "init_args": {"module": module}}

    inputs = np.random.default_rng(0).normal(size=(60, 3))
    for domain in "ab":
        np.savez(tmp_path / f"{domain}.npz", x=inputs, y=np.arange(60) % 2)
    for name, backbone in {
        "wide": plain(PlainNetwork_, width=5),
        "narrow": plain(Narrow_),
        "defaults": plain(Wide_),
        "typed": plain(Wide_, width=5, input_shape=[3]),
        "MLP": {"class_path": "MLP"},  # its own shape is (2,)
    }.items():
        assert trained(name, backbone) == 0
        assert adapt.load(tmp_path / name).predict_proba(inputs).shape == (60, 2)
        again = ("--ckpt_path", str(tmp_path / name / "checkpoints" / "last.ckpt"), "--trainer.max_steps", "5")
        assert fit(str(tmp_path / name / "config.yaml"), tmp_path / f"{name} on", *again) == 0
    capsys.readouterr()
    for backbone in (plain(Wide_, input_shape=[4]), {"class_path": "MLP", "init_args": {"input_shape": [4]}}):
        assert trained("other", backbone) == 2
        assert re.search(
            r"Expected no --model\.backbone\.(module\.)?input_shape beside the data, whose inputs have the shape "
            r"\(3,\), found \W4,?\W: leave it out\.\n$",
            capsys.readouterr().err,
        )


def test_training_within_inference_mode_is_training() -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 3)).astype("f4"), np.arange(60) % 2
    outside = adapt.fit("CORAL", InMemory(X, y, X, batch_size=8), max_steps=3)
    with torch.inference_mode():
        within = adapt.fit("CORAL", InMemory(X, y, X, batch_size=8), max_steps=3)
    np.testing.assert_array_equal(within.predict_proba(X), outside.predict_proba(X))


def test_arrays_that_may_not_be_written_to_are_read_without_a_word() -> None:
    X, y = np.random.default_rng(0).normal(size=(60, 3)).astype("f4"), np.arange(60) % 2
    X.setflags(write=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not writable")
        assert adapt.fit("CORAL", InMemory(X, y, X, batch_size=8), max_steps=2).predict(X).shape == (60,)
