"""In a training step the host reads nothing from the device: each read would let a GPU run dry."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import v2

from adapt.data import ImageFolders, Pair
from adapt.errors import AdaptError, DivergedError
from adapt.layers import Pixels
from adapt.methods import DANN, DeepJDOT, Method, late
from tests.toy import Shifted, train
from tests.zoo import CASES

# What makes the host wait for a GPU: reads, results whose size only the values tell, and tables sent from the host.
# Singular values are among them, for the solver's verdict is read on the host.
READS = {"_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal", "bincount", "lift_fresh"}
READS |= {"_unique2", "unique_dim", "unique_consecutive", "_linalg_svd", "_linalg_eigh", "linalg_lstsq"}
METHODS = {Tensor.cpu, Tensor.numpy, Tensor.tolist, Tensor.item}
EXCEPTED = {
    "M3SDA": {"nonzero"},  # which samples of the batch are of which source
    "MDAN": {"nonzero"},
    "MFSAN": {"nonzero"},
    "MaskedLanguage": {"_local_scalar_dense"},  # transformers asks whether the mask hides anything
    "BNM": {"_linalg_svd"},  # the nuclear norm is what it is about
    "DALN": {"_linalg_svd"},  # and here, of both domains
    "RSD": {"_linalg_svd"},  # here of three matrices
    "DAREGRAM": {"_linalg_svd"},
    "DANN + BSP": {"_linalg_svd"},  # so are the largest singular values here,
    "FineTuning, BSS": {"_linalg_svd"},  # and the smallest ones here
    "DeepJDOT": {"cpu", "numpy", "_local_scalar_dense", "lift_fresh"},  # exact on the CPU, and not on a GPU: see below
}


def ours() -> bool:
    """Whether the call is not one of Lightning's, which sets its own metrics up at the steps that are logged."""
    frame = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename == __file__ or "/torch/" in frame.f_code.co_filename):
        frame = frame.f_back
    return frame is None or not any(part in frame.f_code.co_filename for part in ("/lightning/", "/torchmetrics/"))


class Reads(TorchDispatchMode):
    """Counts the operations for which a host would wait."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put_", "index_put") else ()
        masked = any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices)
        if (name in READS or masked) and ours():
            self.found.append(name)
        return func(*args, **(kwargs or {}))


class Calls(TorchFunctionMode):
    """Counts the reads of which nothing is left to see where the device is the CPU."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        moved = func is Tensor.to and any(
            isinstance(to, str) and to == "cpu" for to in [*args[1:], *(kwargs or {}).values()]
        )
        if (func in METHODS or moved) and ours():
            self.found.append(func.__name__)
        return func(*args, **(kwargs or {}))


class Arrived:
    """The sign of a copy that takes a step."""

    def __init__(self) -> None:
        self.asked = 0

    def query(self) -> bool:
        self.asked += 1
        return self.asked > 1

    def synchronize(self) -> None:
        return


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late, "send", lambda values: (values.clone(), Arrived()))


@contextmanager
def counted(found: list[str]) -> Iterator[None]:
    with Calls(found), Reads(found):
        yield


def watched(method: type[Method], found: list[str]) -> type[Method]:
    """The method, whose steps are counted, from the forward pass to the optimizer's step; what has arrived is not."""
    inside = False

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Method, *args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return call(self, *args, **kwargs)
            inside = True
            try:
                with counted(found):
                    return call(self, *args, **kwargs)
            finally:
                inside = False

        return wrapped

    parts = {name: counting(getattr(method, name)) for name in ("training_step", "optimizer_step")}
    # A name of its own: with two classes of one name, the command line would not know which one a short name means.
    return type(f"Watched{method.__name__}", (method,), parts | {"__module__": __name__})


def reads_of(name: str, path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> set[str]:
    found: list[str] = []
    judge = late.LateChecks._judge_first

    def judged(self: late.LateChecks) -> None:
        before = list(found)
        judge(self)
        found[:] = before

    monkeypatch.setattr(late.LateChecks, "_judge_first", judged)
    case = CASES[name]
    object.__setattr__(case := type(case)(**vars(case)), "method", watched(case.method, found))
    # Adam reads its own count of steps, which lies on the CPU.
    options = {"optimizer": lambda p: torch.optim.SGD(p, lr=1e-3)} | options
    case.train(path, steps=4, trainer={"limit_val_batches": 0}, **options)
    return set(found)


# After these few steps a class is never predicted, which BBSE refuses; soft BBSE goes the same way.
@pytest.mark.parametrize("name", [name for name in CASES if name != "LabelShift, BBSE"])
def test_a_step_reads_nothing_from_the_device(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_on_a_gpu: None
) -> None:
    assert reads_of(name, tmp_path, monkeypatch) == EXCEPTED.get(name, set())


def test_deepjdots_way_on_a_gpu_reads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_on_a_gpu: None
) -> None:
    assert reads_of("DeepJDOT", tmp_path, monkeypatch, solver="sinkhorn") == set()
    with pytest.raises(AdaptError, match="'exact' or 'sinkhorn'"):
        train(DeepJDOT, tmp_path, steps=1, solver="newton")


def test_the_count_sees_what_it_is_for() -> None:
    found: list[str] = []
    x = torch.rand(4)
    with counted(found):
        _ = bool(x[0] > 2), x[x > 0.5], x.tolist(), torch.tensor([1.0]), x.to("cpu"), x + 1, x[torch.arange(2)]
    expected = {"_local_scalar_dense", "index", "tolist", "lift_fresh", "to"}
    assert set(found) == expected


def test_pixels_and_normalisation_send_no_tables() -> None:
    found: list[str] = []
    judged: list[Tensor] = []
    pixels = Pixels("FDA", [0.5, 0.4, 0.3], [0.2, 0.3, 0.4], lambda values, judge: judged.append(values))
    images = torch.rand(2, 3, 4, 4)
    folders = type("Normalised", (ImageFolders,), {"__init__": lambda self: None})()
    folders.mean, folders.std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    with counted(found):
        pixels.back(pixels.of(images))
        normalised = folders.transform((255 * images).round().to(torch.uint8))
    assert found == []
    assert len(judged) == 1
    expected = v2.functional.normalize((255 * images).round() / 255, folders.mean, folders.std)
    torch.testing.assert_close(normalised, expected)


class Breaks(DANN):
    """Its domain loss is not a number at the step of index 3."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        terms = super().losses(batch)
        return terms | {"domain": terms["domain"] * (float("nan") if self.global_step == 3 else 1.0)}


class Steps(Callback):
    def __init__(self) -> None:
        self.taken = 0

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.taken = trainer.global_step


@pytest.mark.parametrize("steps", [4, 20])
def test_a_loss_that_breaks_is_named_with_its_step_when_the_news_arrives(
    steps: int, tmp_path: Path, as_on_a_gpu: None
) -> None:
    seen = Steps()
    with pytest.raises(DivergedError, match="'domain' of Breaks is not finite at step 3"):
        train(Breaks, tmp_path, steps=steps, callbacks=[seen], trainer={"limit_val_batches": 0})
    assert seen.taken == 4  # the news arrives while the fifth step is being computed, or when there is none


def test_weights_that_a_broken_loss_left_are_neither_saved_nor_evaluated(tmp_path: Path, as_on_a_gpu: None) -> None:
    class Saves(Steps):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 4:
                trainer.save_checkpoint(tmp_path / "broken.ckpt")

    with pytest.raises(DivergedError, match="step 3"):
        train(Breaks, tmp_path, steps=20, callbacks=[Saves()], trainer={"limit_val_batches": 0})
    assert not (tmp_path / "broken.ckpt").exists()
    validated = Steps()
    validated.on_validation_epoch_end = lambda trainer, _: setattr(validated, "taken", 99)  # type: ignore[method-assign]
    options = {"val_check_interval": 4, "check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
    with pytest.raises(DivergedError, match="step 3"):
        train(Breaks, tmp_path / "evaluated", steps=20, callbacks=[validated], trainer=options)
    assert validated.taken < 99


def test_inputs_that_are_not_finite_are_named_late_too(tmp_path: Path, as_on_a_gpu: None) -> None:
    class Dirty(Shifted):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            if isinstance(batch, Pair) and self.trainer.global_step == 2:
                batch.target.x[5] = torch.nan
            return batch

    with pytest.raises(AdaptError, match=r"1 target samples at step 2, at positions \[\d+\]"):
        train(DANN, tmp_path, steps=20, module=Dirty, trainer={"limit_val_batches": 0})
