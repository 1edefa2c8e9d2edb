"""The command line as its user types it, in the test's own process."""

import csv
import json
from pathlib import Path

import pytest
import torch
import yaml

import adapt.methods
from adapt.cli import main
from adapt.monitor import AdaptationWarning, warnings_of
from adapt.selection import Scores
from adapt.training.explain import imported
from tests.zoo import representative

ROOT = Path(__file__).parents[2]
METHODS = sorted((ROOT / "configs" / "methods").glob("*.yaml"))
TOY = {
    "data": {"class_path": "tests.toy.Shifted", "init_args": {"source": "source", "target": "target"}},
    "model": {"init_args": {"backbone": {"class_path": "MLP", "init_args": {"hidden": [16]}}}},
    "trainer": {"max_steps": 12, "max_epochs": -1, "val_check_interval": 5, "check_val_every_n_epoch": None}
    | {"log_every_n_steps": 3, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"},
}
# Painting as the file says would take minutes, and weights that are downloaded.
QUICK = {
    "style_transfer": "--model.paint_steps 1 --model.max_images 8 --model.pretrained false --model.cache {}",
    "cca": "--model.split 8 --model.components 4",  # the toy has one modality, of sixteen features
}


@pytest.fixture
def task(tmp_path: Path) -> str:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY))
    return str(path)


@pytest.fixture
def images(tmp_path: Path) -> str:
    path = tmp_path / "images.yaml"
    path.write_text(yaml.safe_dump(TOY | {"data": TOY["data"] | {"class_path": "tests.zoo.pixel.Lit"}}))
    return str(path)


def fit(task: str, run: Path, *more: str) -> int:
    return main(["fit", "--config", task, *more, "--run_dir", str(run)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("stem", representative(path.stem for path in METHODS))
def test_every_method_file_trains_and_tests_on_the_toy(stem: str, task: str, images: str, tmp_path: Path) -> None:
    run, source = tmp_path / "run", tmp_path / "source"
    method = next(path for path in METHODS if path.stem == stem)
    cls = getattr(adapt.methods, yaml.safe_load(method.read_text())["model"]["class_path"].rpartition(".")[2])
    task = images if cls.needs.startswith("images") else task
    start: list[str] = []
    if "--model.init_from" in method.read_text():  # as its second line's command says
        width = yaml.safe_load(method.read_text())["model"]["init_args"].get("bottleneck")
        network = ["--model.bottleneck", str(width)] if width else []
        assert fit(task, source, "--model", "SourceOnly", *network) == 0
        start = ["--model.init_from", str(source / "checkpoints" / "last.ckpt")]
    quick = QUICK.get(method.stem, "").format(tmp_path).split()
    assert fit(task, run, "--config", str(method), *start, *quick) == 0
    assert main(["test", "--config", str(run / "config.yaml")]) == 0
    accuracies = json.loads((run / "test.json").read_text())
    source_free = imported(yaml.safe_load((run / "config.yaml").read_text())["model"]["class_path"]).source_free
    domains = ["target"] if source_free else ["source", "target"]
    metrics = ["accuracy", "mean_class_accuracy", "macro_f1", "calibration_error"]
    per_class = accuracies.pop("per_class_accuracy")
    if (shares := accuracies.pop("target_class_shares", None)) is not None:  # what LabelShift found out
        assert stem == "label_shift" and abs(sum(shares.values()) - 1) < 1e-5
    low, high = accuracies.pop("target_accuracy_interval")
    assert low <= accuracies["test/target_accuracy"] <= high and accuracies.pop("target_test_samples") > 0
    assert len(per_class) >= 2 and all(0 <= share <= 1 for share in per_class.values())
    assert {name for name in accuracies if not name.startswith("estimate/")} == {
        f"test/{domain}_{metric}" for domain in domains for metric in metrics
    }
    assert (run / "embedding.png").read_bytes()[:4] == b"\x89PNG"
    logged = rows(run / "metrics.csv")
    assert any(row["oracle/target_accuracy"] for row in logged)
    rules = {"last", "oracle", *Scores().names_for(source_free)} | (set() if source_free else {"source_accuracy"})
    assert {path.stem for path in (run / "checkpoints").iterdir()} == rules


@pytest.mark.parametrize("order", ["task first", "method first"])
def test_files_may_come_in_any_order(order: str, task: str, tmp_path: Path) -> None:
    files = ["--config", task, "--config", str(ROOT / "configs/methods/fine_tuning.yaml")]
    files = files if order == "task first" else [*files[2:], *files[:2]]
    assert main(["fit", *files, "--run_dir", str(tmp_path / "run")]) == 0
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert saved["data"]["init_args"]["shots"] == 5
    assert saved["model"]["class_path"] == "adapt.methods.FineTuning"


def test_short_names_and_options_alone_are_enough(tmp_path: Path) -> None:
    words = "--model MMD --model.backbone MLP --model.backbone.hidden [8] --data Moons --data.target moons_50"
    limits = "--trainer.max_epochs 1 --trainer.logger false --trainer.enable_model_summary false"
    optimizer = "--model.optimizer Adam --model.optimizer.lr 0.01 --model.lr_scheduler InverseDecay"
    assert main(["fit", *f"{words} {limits} {optimizer}".split(), "--run_dir", str(tmp_path / "run")]) == 0
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert saved["model"]["init_args"]["optimizer"]["class_path"] == "torch.optim.Adam"
    checkpoint = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["adapt"] | {"random_state": None} == {
        "method": "MMD",
        "problem": {"kind": "classification", "names": ["upper", "lower"]},
        "backbone": "MLP",
        "random_state": None,
        "batches_per_epoch": 4,
    }


def test_the_saved_configuration_repeats_the_run_bit_for_bit(task: str, tmp_path: Path) -> None:
    assert fit(task, tmp_path / "one", "--model", "DANN", "--seed_everything", "4") == 0
    again = ["fit", "--config", str(tmp_path / "one" / "config.yaml"), "--run_dir", str(tmp_path / "two")]
    assert main(again) == 0
    one, two = (
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert rows(tmp_path / "one/metrics.csv") == rows(tmp_path / "two/metrics.csv")


def test_a_run_continues_in_its_folder_and_keeps_what_it_wrote(task: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(task, run, "--model", "DANN") == 0
    before = (run / "metrics.csv").read_text()
    last = str(run / "checkpoints" / "last.ckpt")
    assert fit(task, run, "--model", "DANN", "--trainer.max_steps", "20", "--ckpt_path", last) == 0
    assert (run / "metrics-2.csv").read_text() == before
    assert torch.load(last, weights_only=True)["global_step"] == 20


def test_the_command_line_chooses_the_scores_and_each_is_a_rule(task: str, tmp_path: Path) -> None:
    run, chosen = tmp_path / "run", ["--trainer.callbacks+=Scores", "--trainer.callbacks.max_samples", "40"]
    chosen += ["--trainer.callbacks.names", "[reverse_validation, iwcv]"]
    assert fit(task, run, "--model", "SourceOnly", *chosen) == 0
    logged = rows(run / "metrics.csv")
    scores = {"val/reverse_validation", "val/iwcv"}
    assert {name for name in logged[0] if name.startswith("val/")} == {"val/source_accuracy", *scores}
    assert all(any(row[name] for row in logged) for name in scores)
    kept = {path.stem for path in (run / "checkpoints").iterdir()}
    assert kept == {"last", "oracle", "source_accuracy", "reverse_validation", "iwcv"}
    assert main(["validate", "--config", str(run / "config.yaml")]) == 0


def test_the_monitor_is_on_unless_the_command_line_says_which_kinds(task: str, tmp_path: Path) -> None:
    useless = ["--model", "MMD", "--model.weight", "0", "--trainer.max_steps", "21"]
    with pytest.warns(AdaptationWarning, match="no gradient comes from mmd"):
        assert fit(task, tmp_path / "on", *useless) == 0
    assert (20, "zero_gradient") in {(warned.step, warned.kind) for warned in warnings_of(tmp_path / "on")}
    off = ["--trainer.callbacks+=Monitor", "--trainer.callbacks.kinds", "[]"]
    assert fit(task, tmp_path / "off", *useless, *off) == 0
    assert warnings_of(tmp_path / "off") == ()


def test_prediction_labels_every_test_input_of_the_target(task: str, tmp_path: Path) -> None:
    assert fit(task, tmp_path / "run", "--model", "SourceOnly") == 0
    assert main(["predict", "--config", str(tmp_path / "run" / "config.yaml")]) == 0
    written = rows(tmp_path / "run" / "predictions.csv")
    assert [int(row["index"]) for row in written] == list(range(900))
    assert all(row["class"] == "abcd"[int(row["prediction"])] for row in written)


def test_validation_names_what_uses_target_labels(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(task, tmp_path / "run", "--model", "SourceOnly") == 0
    assert main(["validate", "--config", str(tmp_path / "run" / "config.yaml")]) == 0
    printed = capsys.readouterr().out
    assert "val/source_accuracy" in printed
    assert "oracle/target_accuracy" in printed


def test_a_checkpoints_values_win_over_the_command_line_in_words(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(task, tmp_path / "run", "--model", "DANN", "--model.discriminator_hidden", "24") == 0
    checkpoint = str(tmp_path / "run" / "checkpoints" / "last.ckpt")
    same = ["--model", "DANN", "--model.discriminator_hidden", "24", "--ckpt_path", checkpoint]
    other = ["--model", "DANN", "--model.discriminator_hidden", "99", "--ckpt_path", checkpoint]
    assert main(["test", "--config", task, *same]) == 0
    assert "other settings" not in capsys.readouterr().err
    assert main(["test", "--config", task, *other]) == 0
    assert "model.discriminator_hidden 24 (asked for: 99): the checkpoint's stays" in capsys.readouterr().err


def test_a_run_starts_from_anothers_network(task: str, tmp_path: Path) -> None:
    assert fit(task, tmp_path / "source", "--model", "SourceOnly") == 0
    start = str(tmp_path / "source" / "checkpoints" / "last.ckpt")
    tuned = ["--model", "FineTuning", "--model.tune", "head", "--data.shots", "5", "--model.init_from", start]
    assert fit(task, tmp_path / "tuned", *tuned) == 0
    before, after = (
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("source", "tuned")
    )
    frozen = [name for name in before if name.startswith("backbone.")]
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])


def test_the_default_folder_is_never_written_twice(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert main(["fit", "--config", task, "--model", "SourceOnly"]) == 0
    assert sorted(path.name for path in Path("runs/source-target/SourceOnly").iterdir()) == ["0", "0-2"]


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == main(["--version"]) == 0
    printed = capsys.readouterr().out
    assert all(
        command in printed for command in ("fit", "validate", "test", "predict", "benchmark", "report", "compare")
    )
