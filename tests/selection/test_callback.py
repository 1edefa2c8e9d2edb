"""The callback's numbers come from target inputs alone, change nothing, and each rule keeps its best checkpoint."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import Dataset

from adapt.data import DomainDataModule, TensorDomain
from adapt.encoding import DomainEncoding
from adapt.errors import AdaptError
from adapt.methods import DANN, Method, SourceOnly
from adapt.selection import DEFAULT_SCORES, SCORES, BestCheckpoint, Samples, Scores, evaluate, selection_callbacks
from tests.toy import Shifted, build, samples

EVERY = tuple(SCORES)


class Permuted(Shifted):
    """The toy with all the target's labels shuffled."""

    def domain(self, name: str, split: str) -> Dataset[Any]:
        dataset: Any = super().domain(name, split)
        if name != "target":
            return dataset  # type: ignore[no-any-return]
        x, y = samples(10 + (split == "test"), shifted=True)
        shuffled = TensorDomain(x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(5))])
        return shuffled if split == "test" else self.holdout(shuffled, split)


class SourceFree(SourceOnly):
    """Trains on the target's certainty alone, to have a source-free run."""

    source_free = True

    def losses(self, batch: Any) -> dict[str, Tensor]:
        return {"entropy": -self(batch.target.x).logits.log_softmax(1).mean()}


class Values(Callback):
    """The metrics of every validation, and of the sanity check before."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, dict[str, float]]] = []
        self.sane: dict[str, Any] = {}

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.sane = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        if not trainer.sanity_checking:
            self.seen.append((trainer.global_step, found))


def train(
    folder: Path,
    scores: Scores | None,
    method: type[Method] = DANN,
    module: type[DomainDataModule] = Shifted,
    steps: int = 40,
    dropout: float = 0.2,
    **trainer: Any,
) -> tuple[Method, Values]:
    torch.manual_seed(3)
    data = module("source", "target", batch_size=64, source_free=method.source_free)
    built, values = build(method, dropout), Values()
    fit = Trainer(
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        max_steps=steps,
        val_check_interval=10,
        check_val_every_n_epoch=None,
        callbacks=[values, *selection_callbacks(folder, method.source_free, scores)],
        **{"logger": False} | trainer,
    )
    fit.fit(built, datamodule=data)
    return built, values


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Method, Values]:
    folder = tmp_path_factory.mktemp("run")
    logger = CSVLogger(folder, name="", version="")
    return folder, *train(folder, Scores(EVERY, max_samples=60), logger=logger)


def test_permuted_target_labels_give_the_same_numbers(run: tuple[Path, Method, Values], tmp_path: Path) -> None:
    _, values = train(tmp_path, Scores(EVERY, max_samples=60), module=Permuted)
    assert values.seen == run[2].seen
    assert {f"val/{name}" for name in EVERY} < set(values.seen[0][1])


def test_the_targets_labels_are_not_even_looked_up() -> None:
    class Blind:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"looked up {name}")

    scores, trainer = Scores(), Trainer(logger=False, enable_progress_bar=False)
    outputs = {"features": torch.ones(3, 2), "logits": torch.ones(3, 4)}
    scores.on_validation_batch_end(trainer, SourceOnly(4, build(SourceOnly).backbone), outputs, Blind(), 0, 1)
    assert len(scores._kept[1].columns) == 2  # features, logits


def test_training_with_scores_gives_bit_equal_weights(run: tuple[Path, Method, Values], tmp_path: Path) -> None:
    without, values = train(tmp_path, None)
    assert set(values.seen[0][1]) == {"val/source_accuracy"}
    expected, found = without.state_dict(), run[1].state_dict()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_scores_are_logged_at_each_validation_but_not_at_the_sanity_check(run: tuple[Path, Method, Values]) -> None:
    folder, _, values = run
    assert values.sane == {}
    assert [step for step, _ in values.seen] == [10, 20, 30, 40]
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/snd"]]
    assert len(rows) == 4
    for name in EVERY:
        logged = [float(row[f"val/{name}"]) for row in rows]
        assert logged == pytest.approx([found[f"val/{name}"] for _, found in values.seen], rel=1e-4), name


def test_each_rule_keeps_the_checkpoint_of_its_highest_value(run: tuple[Path, Method, Values]) -> None:
    folder, _, values = run
    kept = {path.stem: path for path in (folder / "checkpoints").iterdir()}
    assert set(kept) == {"last", "source_accuracy", "oracle", *EVERY}
    for name in ("source_accuracy", *EVERY):
        best = max(values.seen, key=lambda seen: seen[1][f"val/{name}"])[0]
        assert torch.load(kept[name], weights_only=True)["global_step"] == best, name


def test_rules_that_pick_the_same_step_share_a_file(run: tuple[Path, Method, Values]) -> None:
    paths = [path for path in (run[0] / "checkpoints").iterdir() if path.stem != "last"]
    steps = {path: torch.load(path, weights_only=True)["global_step"] for path in paths}
    assert len({path.stat().st_ino for path in paths}) == len(set(steps.values())) < len(paths)


def test_the_scores_of_a_validation_are_the_pure_functions_of_its_encodings(tmp_path: Path) -> None:
    method, values = train(tmp_path, Scores(EVERY), steps=10)
    data = Shifted("source", "target")
    method.eval()
    encoded = []
    with torch.no_grad():
        for loader in data.val_dataloader():
            x, y = next(iter(loader))[:2]
            encoded.append(DomainEncoding(*method(x), y))
    expected = evaluate(Samples(encoded[1]._replace(y=None), encoded[0]), ("entropy", "bnm", "snd", "mmd", "coral"))
    for name, value in expected.items():
        assert values.seen[-1][1][f"val/{name}"] == pytest.approx(value, rel=1e-3), name


def test_the_draw_is_the_same_at_each_validation_whatever_the_batches() -> None:
    trainer, module = Trainer(logger=False, enable_progress_bar=False), build(SourceOnly)
    x = torch.arange(50.0)[:, None]

    def kept(sizes: list[int]) -> list[float]:
        scores = Scores(max_samples=7, seed=2)
        for at, part in enumerate(x.split(sizes)):
            scores.on_validation_batch_end(trainer, module, {"features": part, "logits": part}, None, at, 1)
        return sorted(scores._kept[1].columns[0].flatten().tolist())

    assert kept([50]) == kept([20, 20, 10])
    assert len(kept([50])) == 7
    assert kept([50]) != list(range(7))


def test_a_source_free_run_lacks_what_needs_the_source(tmp_path: Path) -> None:
    _, values = train(tmp_path, Scores(), method=SourceFree, steps=10)
    alone = {"entropy", "information_maximisation", "bnm", "snd", "silhouette"}
    assert set(values.seen[0][1]) == {f"val/{name}" for name in alone}
    assert {path.stem for path in (tmp_path / "checkpoints").iterdir()} == {"last", "oracle", *alone}


class Undefined(Scores):
    """A score that is undefined at the first validation, and one that always is."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        first = trainer.global_step == 10
        pl_module.log_dict({"val/snd": float("nan") if first else 1.0, "val/mmd": float("nan")})


def test_an_undefined_score_picks_nothing(tmp_path: Path) -> None:
    train(tmp_path, Undefined(["snd", "mmd"]), method=SourceOnly)
    kept = {path.stem: path for path in (tmp_path / "checkpoints").iterdir()}
    assert set(kept) == {"last", "source_accuracy", "oracle", "snd"}
    assert torch.load(kept["snd"], weights_only=True)["global_step"] == 20


def test_a_continued_run_knows_what_the_rules_have_picked(run: tuple[Path, Method, Values]) -> None:
    states = torch.load(run[0] / "checkpoints" / "last.ckpt", weights_only=True)["callbacks"]
    best = {state["monitor"]: state["best_model_score"].item() for k, state in states.items() if "BestCheck" in k}
    for name in EVERY:
        assert best[f"val/{name}"] == pytest.approx(max(found[f"val/{name}"] for _, found in run[2].seen))


def test_a_score_that_refuses_the_samples_is_nan_with_a_warning() -> None:
    encoding = DomainEncoding(torch.ones(5, 3), torch.ones(5, 2), None)
    with pytest.warns(UserWarning, match="No value of the score mmd: Expected source samples"):
        values = evaluate(Samples(encoding), ["entropy", "mmd"])
    assert values["entropy"] == pytest.approx(-0.6931, abs=1e-4)
    assert values["mmd"] != values["mmd"]


def test_wrong_options_are_named() -> None:
    for names in (["snb"], ["snd", "snd"], "snd"):
        with pytest.raises(AdaptError, match="each score once"):
            Scores(names)
    with pytest.raises(AdaptError, match="at least 2"):
        Scores(max_samples=1)
    assert Scores().names == DEFAULT_SCORES
    assert issubclass(BestCheckpoint, Callback)
