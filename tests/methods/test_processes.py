"""Two processes with half a batch each take the steps of one process with the whole batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from adapt.backbones import MLP
from adapt.data import DomainDataModule
from adapt.methods import Method
from adapt.selection import Scores
from tests.zoo import CASES
from tests.zoo.series import Beats

# Batch norm looks at its process's share unless it is told otherwise (`trainer.sync_batchnorm`, on GPUs), and random
# changes of the inputs are drawn for as many samples as a process has.
PLAIN: dict[str, dict[str, Any]] = {
    **{
        name: {"bottleneck": None}
        for name in CASES
        if name.startswith(("AFN", "SHOT", "NRC", "AaD", "SFDA2", "ToAlign", "SelfEnsembling"))
    },
}
for _name in CASES:
    if _name.startswith("SelfEnsembling"):
        PLAIN[_name] = PLAIN[_name] | {"augmentation": nn.Identity()}
    if _name.endswith("KMM"):
        # Its solver stops at a tolerance: the weights are those of the very same features only before the first step.
        PLAIN[_name] = {"source_fraction": 0.0}
    if _name.startswith("AdaMatch"):
        # Without batch norm its two passes agree, so that the random mixture of their logits is nothing.
        PLAIN[_name] = {"weak": nn.Identity(), "strong": nn.Identity(), "threshold": 0.3, "bottleneck": None}
    if _name.startswith("CoWAJMDS"):
        PLAIN[_name] = {"mixing": 0.0, "bottleneck": None}
    if _name.startswith("MIC"):
        PLAIN[_name] = {"masked_share": 0.0}
    if _name.startswith("CST"):
        PLAIN[_name] = {"strong": nn.Identity(), "threshold": 0.3}
    if _name == "Raincoat":
        PLAIN[_name] = {"backbone": lambda: MLP(Beats.input_shape, (16,))}
    if _name.startswith("FixMatch"):
        PLAIN[_name] = {"weak": nn.Identity(), "strong": nn.Identity(), "threshold": 0.3}
NORMALISED = [name for name, case in CASES.items() if case.method.__name__ in ("TENT", "AdaBN")]
DRAWN = ["MaskedLanguage"]  # each process hides words of its own
QUICK = ["MMD", "MCD"]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


class SameDraws(Callback):
    """Lightning starts processes with the run's seed, and one process with what is left once the network is made."""

    def on_fit_start(self, trainer: Any, module: Any) -> None:
        torch.manual_seed(7)


def in_double(module: type[DomainDataModule]) -> type[DomainDataModule]:
    class Double(module):  # type: ignore[misc, valid-type]  # a base that is known at run time only
        def transform(self, x: Tensor) -> Tensor:
            return super().transform(x).double()

    return Double


def steps(name: str, path: Path, processes: int, **options: Any) -> Method:
    case = CASES[name]
    trainer: dict[str, Any] = {"precision": "64-true", "limit_val_batches": 0, "num_sanity_val_steps": 0}
    if processes > 1:
        # Forked ones have this process's imports and random numbers.
        trainer |= {"devices": processes, "strategy": "ddp_fork"}
    data = {"batch_size": 64} | case.options.get("data", {})
    data["batch_size"] //= processes
    sgd: dict[str, Any] = {"optimizer": lambda p: torch.optim.SGD(p, lr=0.05), "steps": 4}
    sgd |= {"callbacks": [SameDraws()], "module": in_double(case.module)}
    trained, _, _ = case.train(path, trainer=trainer, **sgd | PLAIN.get(name, {}) | options | {"data": data})
    return trained


def assert_two_are_one(name: str, path: Path) -> None:
    one, two = (steps(name, path / str(k), k).state_dict() for k in (1, 2))
    assert one.keys() == two.keys()
    for key, expected in one.items():
        torch.testing.assert_close(two[key], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", QUICK)
def test_two_processes_are_one(name: str, tmp_path: Path) -> None:
    assert_two_are_one(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in [*QUICK, *NORMALISED, *DRAWN]])
def test_two_processes_are_one_for_every_method(name: str, tmp_path: Path) -> None:
    assert_two_are_one(name, tmp_path)


class Seen(Callback):
    """What each process trains on and evaluates, in files, for the processes' memory is lost."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trained: list[tuple[list[int], list[int]]] = []
        self.evaluated: list[list[int]] = [[], []]

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.trained.append((batch.source.index.tolist(), batch.target.index.tolist()))
        torch.save(self.trained, self.folder / f"trained-{trainer.global_rank}")

    def on_validation_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.evaluated[dataloader_idx] += batch.index.tolist()
        torch.save(self.evaluated, self.folder / f"evaluated-{trainer.global_rank}")

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        self.evaluated = [[], []]


def test_each_sample_is_evaluated_once_trained_on_by_one_process_and_reshuffled(tmp_path: Path) -> None:
    options: dict[str, Any] = {"limit_val_batches": None, "num_sanity_val_steps": 0, "val_check_interval": 24}
    options |= {"check_val_every_n_epoch": None}
    metrics = []
    for processes in (1, 2):
        folder = tmp_path / f"seen-{processes}"
        folder.mkdir()
        path, scores = tmp_path / str(processes), Scores(max_samples=50)
        _, data, trainer = steps_of("DANN", path, processes, Seen(folder), 24, options, scores)
        metrics.append({k: v for k, v in trainer.callback_metrics.items() if k.startswith(("val/", "oracle/"))})
        trained = [torch.load(folder / f"trained-{rank}") for rank in range(processes)]
        for shares in zip(*trained, strict=True):
            for domain in (0, 1):
                joint = [index for share in shares for index in share[domain]]
                assert len(set(joint)) == len(joint) == 64
        # A second pass over a domain is in another order.
        assert trained[0][0] != trained[0][12]
        for domain, loader in enumerate(data.val_dataloader()):
            found = [i for rank in range(processes) for i in torch.load(folder / f"evaluated-{rank}")[domain]]
            assert found == list(range(len(loader.dataset)))
    assert metrics[0].keys() == metrics[1].keys()
    assert len(metrics[0]) > 5
    for name in metrics[0]:
        assert metrics[1][name].item() == pytest.approx(metrics[0][name].item(), rel=1e-5, abs=1e-6), name


def steps_of(
    name: str, path: Path, processes: int, callback: Callback, number: int, options: dict[str, Any], *more: Callback
) -> tuple[Method, Any, Any]:
    trainer: dict[str, Any] = {"precision": "64-true"} | options
    trainer |= {"devices": processes, "strategy": "ddp_fork"} if processes > 1 else {}
    data = {"batch_size": 64 // processes}
    found: tuple[Method, Any, Any] = CASES[name].train(
        path,
        steps=number,
        trainer=trainer,
        data=data,
        callbacks=[callback, *more],
        optimizer=lambda p: torch.optim.SGD(p, lr=0.05),
    )
    return found


def test_adabn_has_the_mean_statistics_of_all_processes(tmp_path: Path) -> None:
    one, two = (steps("AdaBN", tmp_path / str(k), k) for k in (1, 2))
    layer, reference = (next(m for m in method.modules() if isinstance(m, nn.BatchNorm1d)) for method in (two, one))
    # The mean of means is that of the whole; variances of half a batch each are another unbiased estimate.
    torch.testing.assert_close(layer.running_mean, reference.running_mean, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(layer.running_var, reference.running_var, rtol=0.05, atol=0.01)


class Save(Callback):
    def __init__(self, at: int, path: Path) -> None:
        self.at, self.path = at, path

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == self.at:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


@pytest.mark.parametrize("first", [1, 2])
def test_a_checkpoint_of_two_processes_goes_on_in_one_and_back(first: int, tmp_path: Path) -> None:
    # 810 samples: batches of 64 in all processes, 12 of them an epoch; so step 16 lies in the second one.
    stop = tmp_path / "stop.ckpt"
    options = {"limit_val_batches": 0, "num_sanity_val_steps": 0}
    whole, _, _ = steps_of("CORAL", tmp_path / "whole", 1, Save(99, stop), 28, options)
    steps_of("CORAL", tmp_path / "first", first, Save(16, stop), 28, options)
    trainer = options | {"precision": "64-true"}
    trainer |= {"devices": 2, "strategy": "ddp_fork"} if first == 1 else {}
    continued, _, _ = CASES["CORAL"].train(
        tmp_path / "second",
        steps=28,
        trainer=trainer,
        data={"batch_size": 32 * first},
        ckpt_path=stop,
        optimizer=lambda p: torch.optim.SGD(p, lr=0.05),
    )
    for key, expected in whole.state_dict().items():
        torch.testing.assert_close(continued.state_dict()[key], expected, rtol=1e-9, atol=1e-9)


def test_other_batches_go_on_from_the_same_share_of_the_epoch(tmp_path: Path) -> None:
    # Two processes with 64 samples each have 6 steps an epoch, one has 12.
    stop, options = tmp_path / "stop.ckpt", {"limit_val_batches": 0, "num_sanity_val_steps": 0}
    one, two, again = (tmp_path / name for name in ("one", "two", "again"))
    for folder in (one, two, again):
        folder.mkdir()
    forked = options | {"devices": 2, "strategy": "ddp_fork"}
    CASES["CORAL"].train(two, steps=40, trainer=forked, callbacks=[Seen(two), Save(9, stop)])
    CASES["CORAL"].train(one, steps=22, trainer=options, callbacks=[Seen(one), Save(17, stop)], ckpt_path=stop)
    CASES["CORAL"].train(again, steps=22, trainer=forked, callbacks=[Seen(again)], ckpt_path=stop)
    before = [step[0] for rank in (0, 1) for step in torch.load(two / f"trained-{rank}")[6:]]
    after = [step[0] for step in torch.load(one / "trained-0")]
    last = [step[0] for rank in (0, 1) for step in torch.load(again / f"trained-{rank}")]
    assert (len(before), len(after), len(last)) == (2 * 3, 8, 2 * 5)
    # The second epoch: 3 of its 6 steps, then 6 of 12; the third: 2 of 12, then 5 of 6.
    for epoch in (before + after[:6], after[6:] + last):
        assert len({index for step in epoch for index in step}) == 12 * 64
