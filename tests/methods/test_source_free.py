"""SHOT, TENT and AdaBN: what they change, what they keep, and that no source sample is read."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from adapt.cli import main
from adapt.data import TargetBatch, Unlabelled
from adapt.errors import AdaptError
from adapt.methods import SFDA2, SHOT, TENT, AdaBN, Method
from adapt.penalties import MinEnt
from adapt.schedules import InverseDecay
from tests.toy import Shifted, build, train
from tests.zoo.case import Case
from tests.zoo.source_free import Faded

# 810 training samples: ten batches are a pass that leaves none out.
OPTIONS: dict[str, Any] = {"bottleneck": 16, "data": {"batch_size": 81}}


def adapt_to_faded(method: type[Method], path: Path, steps: int, **options: Any) -> tuple[Method, Any, Any, Any]:
    """Train it, and return it with data, trainer and the state of its source run."""
    trained, data, trainer = Case(method, OPTIONS, after_source=True, module=Faded).train(path, steps=steps, **options)
    source = torch.load(path / "source-0" / "source.ckpt", weights_only=True)["state_dict"]
    return trained, data, trainer, source


def inputs(data: Any) -> np.ndarray:
    x, _ = data.domain("target", "train").__getitems__(range(810))
    return x.numpy()


def before_norm(state: dict[str, Tensor], x: np.ndarray) -> np.ndarray:
    """Inputs of the bottleneck's batch norm, in NumPy."""
    weights = {name: value.double().numpy() for name, value in state.items()}
    for layer in ("backbone.layers.0", "backbone.layers.3"):
        x = np.maximum(x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"], 0)
    return x @ weights["bottleneck.0.weight"].T + weights["bottleneck.0.bias"]


def changed(method: Method, source: dict[str, Tensor]) -> set[str]:
    """Names of what differs from the source run, counters of batches apart."""
    state = {name: value for name, value in method.state_dict().items() if not name.endswith("num_batches_tracked")}
    return {name for name, value in state.items() if not torch.equal(value, source[name])}


STATISTICS = {"bottleneck.1.running_mean", "bottleneck.1.running_var"}


@pytest.mark.parametrize("steps", [10, 20])
def test_after_a_pass_adabns_mean_is_the_mean_of_the_target_and_nothing_else_has_changed(
    steps: int, tmp_path: Path
) -> None:
    trained, data, _, source = adapt_to_faded(AdaBN, tmp_path, steps, dropout=0.5)
    seen = before_norm(source, inputs(data))
    layer = trained.bottleneck[1]
    np.testing.assert_allclose(layer.running_mean, seen.mean(0), atol=1e-5)
    np.testing.assert_allclose(layer.running_var, seen.var(0, ddof=1), rtol=0.05)
    assert (
        np.abs(source["bottleneck.1.running_mean"].numpy() - seen.mean(0)).max() > 0.01
    )  # the source's would not pass
    assert changed(trained, source) == STATISTICS


def test_adabns_variance_is_numpys_where_one_batch_is_the_domain(tmp_path: Path) -> None:
    trained, data, _, source = adapt_to_faded(AdaBN, tmp_path, 1, data={"batch_size": 810})
    seen = before_norm(source, inputs(data))
    np.testing.assert_allclose(trained.bottleneck[1].running_var, seen.var(0, ddof=1), rtol=1e-4)


def test_adabn_counts_batches_and_writes_its_checkpoints(tmp_path: Path) -> None:
    limits = {"max_steps": -1, "max_epochs": 2}
    trained, _, trainer, _ = adapt_to_faded(AdaBN, tmp_path, 7, lr_scheduler=lambda o: InverseDecay(o), trainer=limits)
    assert trainer.global_step == trained.bottleneck[1].num_batches_tracked == 20
    assert sorted(path.stem for path in (tmp_path / "checkpoints").iterdir()) == ["last", "oracle"]
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 20


def test_tent_changes_scale_and_shift_and_makes_the_target_certain(tmp_path: Path) -> None:
    trained, data, trainer, source = adapt_to_faded(TENT, tmp_path, 60, dropout=0.5)
    assert changed(trained, source) == STATISTICS | {"bottleneck.1.weight", "bottleneck.1.bias"}
    (held,) = trainer.optimizers[0].param_groups
    assert {id(p) for p in held["params"]} == {id(p) for p in trained.bottleneck[1].parameters()}
    batch = TargetBatch(Unlabelled(torch.from_numpy(inputs(data)), torch.arange(810)))
    after = trained.eval().losses(batch)["entropy"]
    trained.load_state_dict(source, strict=False)
    assert after < 0.95 * trained.losses(batch)["entropy"]


def test_tent_normalises_an_evaluated_batch_by_itself_and_keeps_no_trace_of_it(tmp_path: Path) -> None:
    trained, data, _, _ = adapt_to_faded(TENT, tmp_path, 3)
    trained.eval()
    state = {name: value.clone() for name, value in trained.state_dict().items()}
    x = inputs(data)[:50]
    seen = before_norm(state, x)
    normal = (seen - seen.mean(0)) / np.sqrt(seen.var(0) + 1e-5)
    expected = np.maximum(normal * state["bottleneck.1.weight"].numpy() + state["bottleneck.1.bias"].numpy(), 0)
    with torch.no_grad():
        found = trained(torch.from_numpy(x)).features.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert all(torch.equal(value, state[name]) for name, value in trained.state_dict().items())
    assert not trained.bottleneck[1].training and trained.bottleneck[1].track_running_stats


def test_tents_running_statistics_make_a_prediction_independent_of_the_batch(tmp_path: Path) -> None:
    x = torch.from_numpy(inputs(Faded("source", "target")))
    for chosen in ("batch", "running"):
        trained, *_ = adapt_to_faded(TENT, tmp_path / chosen, 3, evaluate_with=chosen)
        with torch.no_grad():
            together, apart = trained.eval()(x[:60]).logits[:10], trained(x[:10]).logits
        assert torch.allclose(together, apart, atol=1e-5) == (chosen == "running")
    assert trained(x[:1]).logits.shape == (1, 4)
    trained.evaluate_with = "batch"
    with pytest.raises(AdaptError, match="found a batch of 1 sample"):
        trained(x[:1])


@pytest.mark.parametrize("method", [TENT, AdaBN])
def test_a_network_without_batch_norm_is_refused(method: type[Method]) -> None:
    with pytest.raises(AdaptError, match=rf"^{method.__name__} adapts batch norm, found a network without any"):
        build(method)


@pytest.mark.parametrize("options", [{"neighbours": 0}, {"strength": -1.0}, {"disentanglement": -0.1}])
def test_sfda2_refuses_what_is_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(AdaptError, match=f"neighbours >= 1 and all weights >= 0, found .*{next(iter(options))}"):
        build(SFDA2, **options)


def test_sfda2s_covariances_are_those_of_all_batches_as_they_were_predicted(tmp_path: Path) -> None:
    # Next to no rate: features and predictions stay what they are, so that NumPy can add up all the batches.
    still = {"optimizer": lambda p: torch.optim.SGD(p, lr=1e-12), "bottleneck": None, "steps": 10}
    trained, data, _, _ = adapt_to_faded(SFDA2, tmp_path, **still)
    with torch.no_grad():
        features, logits = trained.eval()(torch.from_numpy(inputs(data)))
    classes = logits.argmax(1).numpy()
    assert trained.moments is not None
    np.testing.assert_array_equal(trained.moments.counts, np.bincount(classes, minlength=4))
    assert len(set(classes)) > 1
    for k in range(4):
        own = features.numpy()[classes == k]
        expected = np.cov(own.T, bias=True) if len(own) else 0.0
        np.testing.assert_allclose(trained.moments.covariances[k], expected, atol=1e-5)


@pytest.mark.parametrize("method", [SHOT, TENT, AdaBN])
def test_a_start_is_asked_for_and_penalties_are_refused(method: type[Method], tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="starts from a source run"):
        train(method, tmp_path, steps=1, bottleneck=8)
    with pytest.raises(AdaptError, match="no source samples, but penalties need them"):
        train(method, tmp_path, steps=1, bottleneck=8, penalties=[MinEnt()])


class Watched(SHOT):
    """Keeps the batches at which it encodes the target, and what it taught to which sample."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.passes: list[int] = []
        self.taught: list[tuple[Tensor, Tensor]] = []

    def encode_domain(self, role: Any) -> Any:
        self.passes.append(self.batches_seen)
        return super().encode_domain(role)

    def losses(self, batch: Any) -> dict[str, Tensor]:
        self.index = batch.target.index
        return super().losses(batch)

    def cross_entropy(self, logits: Tensor, y: Tensor) -> Tensor:
        self.taught.append((self.index, y))
        return super().cross_entropy(logits, y)


def test_shot_teaches_each_sample_its_own_pseudo_label_and_leaves_the_classifier_alone(tmp_path: Path) -> None:
    trained, data, _, source = adapt_to_faded(Watched, tmp_path, 40)
    truth = data.domain("target", "train").__getitems__(range(810))[1].y
    index, labels = (torch.cat(parts) for parts in zip(*trained.taught[-10:], strict=True))
    assert (truth[index] == labels).float().mean() > 0.9  # a wrong look-up would find a quarter
    assert not {"classifier.weight", "classifier.bias"} & changed(trained, source)
    assert {"backbone.layers.0.weight", "bottleneck.0.weight", "bottleneck.1.weight"} <= changed(trained, source)


@pytest.mark.parametrize(
    ("steps", "options", "passes"),
    [
        (30, {"refreshes": 3}, [0, 10, 20]),
        (7, {"refreshes": 3}, [0, 3, 5]),
        (4, {}, [0, 1, 2, 3]),
        (4, {"weight": 0.0}, []),
        (25, {"trainer": {"max_epochs": 2, "max_steps": -1}, "refreshes": 2}, [0, 10]),
    ],
)
def test_shot_makes_its_pseudo_labels_at_equal_shares(
    steps: int, options: dict[str, Any], passes: list[int], tmp_path: Path
) -> None:
    trained, *_ = adapt_to_faded(Watched, tmp_path, steps, **options)
    assert trained.passes == passes


def test_shots_terms_can_be_switched_off_but_not_all(tmp_path: Path) -> None:
    _, _, trainer, _ = adapt_to_faded(SHOT, tmp_path, 2, entropy=False, diversity=False)
    logged = set(trainer.callback_metrics)
    assert "train/pseudo_label" in logged and "train/information" not in logged
    with pytest.raises(AdaptError, match="found none of them"):
        build(SHOT, weight=0.0, entropy=False, diversity=False)
    with pytest.raises(AdaptError, match="refreshes >= 1"):
        build(SHOT, refreshes=0)


class Guarded(Shifted):
    """Notes which domains are read."""

    read: ClassVar[set[str]] = set()

    def domain(self, name: str, split: str) -> Dataset[Any]:
        self.read.add(name)
        return super().domain(name, split)


def test_shot_reads_no_source_sample_from_the_command_line(tmp_path: Path) -> None:
    words = "--data tests.methods.test_source_free.Guarded --data.source source --data.target target"
    words += " --model.backbone MLP --model.backbone.hidden [16] --model.bottleneck 8 --trainer.max_steps 4"
    words += " --trainer.logger false --trainer.enable_progress_bar false --trainer.accelerator cpu"
    command = ["fit", *words.split(), "--run_dir"]
    Guarded.read.clear()
    assert main([*command, str(tmp_path / "source"), "--model", "SourceOnly", "--model.label_smoothing", "0.1"]) == 0
    assert Guarded.read == {"source", "target"}
    Guarded.read.clear()
    start = str(tmp_path / "source" / "checkpoints" / "last.ckpt")
    assert main([*command, str(tmp_path / "shot"), "--model", "SHOT", "--model.init_from", start]) == 0
    for later in ("validate", "test", "predict"):
        assert main([later, "--config", str(tmp_path / "shot" / "config.yaml")]) == 0
    assert Guarded.read == {"target"}
