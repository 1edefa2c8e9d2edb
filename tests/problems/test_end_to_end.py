"""Each problem from data to test figures, in a real Trainer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from adapt.cli import main
from adapt.data import DigitPairs, DomainDataModule, TensorDomain, TurnedDigits
from adapt.errors import AdaptError
from adapt.methods import CDAN, DANN, MMD, SHOT, FineTuning, Method, SourceOnly
from adapt.penalties import MCC
from adapt.problems import Classification, MultiLabel, Problem, Regression
from adapt.regularisers import CoTuning
from tests.toy import CLASSES, Shifted, build, samples, target_accuracy, train

QUIET = ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
FEW = ["--trainer.max_steps", "4", "--trainer.val_check_interval", "2", "--trainer.enable_model_summary", "false"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("task", "metrics", "headline"),
    [
        ("turned_digits", {"mae", "rmse", "r2"}, "mae"),
        (
            "digit_pairs",
            {"mean_average_precision", "auroc", "macro_f1", "label_accuracy", "exact_match"},
            "mean_average_precision",
        ),
    ],
)
def test_a_task_that_is_no_classification_from_the_command_line(
    task: str, metrics: set[str], headline: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    config = ["--config", str(ROOT / f"configs/tasks/{task}.yaml")]
    method = ["--config", str(ROOT / "configs/methods/dann.yaml")]
    assert main(["fit", *config, *method, *QUIET, *FEW, "--run_dir", str(run)]) == 0
    kept = {path.stem for path in (run / "checkpoints").iterdir()}
    assert kept == {"last", f"source_{headline}", "mmd", "coral", "a_distance", "oracle"}
    assert main(["test", "--config", str(run / "config.yaml")]) == 0
    found = json.loads((run / "test.json").read_text())
    assert set(found) == {f"test/{domain}_{metric}" for domain in ("source", "target") for metric in metrics}
    assert (run / "embedding.png").exists()
    assert not (run / "confusion.png").exists()
    assert main(["predict", "--config", str(run / "config.yaml")]) == 0


def test_the_rule_of_an_error_keeps_the_lowest(tmp_path: Path) -> None:
    _, _, trainer = train(
        DANN, tmp_path, steps=60, module=Numbers, trainer={"val_check_interval": 20, "check_val_every_n_epoch": None}
    )
    kept = torch.load(tmp_path / "checkpoints/source_mae.ckpt", weights_only=True)
    state = next(v for k, v in kept["callbacks"].items() if "source_mae" in k)
    assert float(state["best_model_score"]) <= float(trainer.callback_metrics["val/source_mae"])


class Numbers(Shifted):
    """The toy's shift, with a number in place of a class."""

    @property
    def problem(self) -> Problem:
        return Regression.of(["place"], samples(0, shifted=False)[0][:, 0] * 50 + 1000)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        latent, _ = samples(seed, shifted=False)
        x, _ = samples(seed, shifted=name == "target")
        dataset = TensorDomain(x, latent[:, 0] * 50 + 1000)
        return dataset if split == "test" else self.holdout(dataset, split)


class Parts(Shifted):
    """The toy's shift, each sample in two named parts."""

    input_shape = ()

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        x, y = samples(seed, shifted=name == "target")
        dataset = TensorDomain({"front": x[:, :5], "back": (x[:, 5:], torch.arange(len(x)))}, y)
        return dataset if split == "test" else self.holdout(dataset, split)


class Joined(torch.nn.Module):
    """A backbone of inputs in parts."""

    def __init__(self) -> None:
        super().__init__()
        self.num_features = 32
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 32))

    def forward(self, x: dict[str, Any]) -> torch.Tensor:
        back, ids = x["back"]
        assert ids.dtype == torch.int64  # whole numbers stay what they are
        return torch.relu(self.layers(torch.cat([x["front"], back], 1)))


def test_dann_trains_on_inputs_in_parts(tmp_path: Path) -> None:
    plain = target_accuracy(*train(SourceOnly, tmp_path / "a", module=Parts, backbone=Joined()))
    adapted = target_accuracy(*train(DANN, tmp_path / "b", module=Parts, backbone=Joined()))
    assert adapted > plain + 0.05


def test_aligning_features_lowers_the_error_of_a_regression(tmp_path: Path) -> None:
    def error(method: type[Method], name: str) -> float:
        model, data, trainer = train(method, tmp_path / name, module=Numbers)
        found = trainer.test(model, datamodule=data, verbose=False)
        return next(part["test/target_mae"] for part in found if "test/target_mae" in part)

    # By 39 in the labels' unit without adaptation, by 8 with it.
    assert error(MMD, "mmd") < 0.5 * error(SourceOnly, "source")


@pytest.mark.parametrize("problem", [Regression(2), MultiLabel(4)])
def test_what_needs_class_probabilities_is_refused_on_another_problem(problem: Problem) -> None:
    for method, options in (
        (CDAN, {}),
        (SHOT, {}),
        (DANN, {"penalties": [MCC()]}),
        (FineTuning, {"regulariser": CoTuning()}),
    ):
        with pytest.raises(AdaptError, match=f"works on classification, found {problem.kind}"):
            build(method, problem=problem, **options)


def test_a_number_of_classes_is_enough_in_python() -> None:
    assert build(DANN).problem == Classification(CLASSES)


def test_the_tasks_of_the_embedded_digits() -> None:
    turned = TurnedDigits()
    problem = turned.problem
    assert isinstance(problem, Regression) and 20 < problem.std[0] < 30  # uniform in ±45: 45/√3
    x, y = turned.domain("optdigits_photo", "test")[0]
    assert x.shape == (3, 16, 16) and -45 <= float(y) <= 45
    pairs: DomainDataModule = DigitPairs()
    x, y = pairs.domain("optdigits", "train")[0]
    assert x.shape == (3, 16, 32) and y.shape == (10,) and 1 <= int(y.sum()) <= 2
