"""Whatever is no class index 0..K−1 is refused by name, in either domain and every split, however a domain is kept."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, TensorDataset

from adapt.cli import main
from adapt.data import DomainDataModule, TensorDomain
from adapt.errors import AdaptError
from adapt.problems import Classification

KINDS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "from 1": (lambda y: y + 1, "found 3 in .* subtract 1"),
    "unlabelled": (lambda y: -torch.ones_like(y), "found -1 in .* Label these samples, or leave them out"),
    "ignored by cross-entropy": (lambda y: torch.where(y == 0, -100, y), "found -100 in"),
    "too many": (lambda y: torch.where(y == 2, 7, y), "found 7 in .* There are 3 class names"),
    "one-hot": (lambda y: one_hot(y, 3), r"found torch.int64 \(\d+, 3\)\. .*argmax"),
    "column": (lambda y: y[:, None], r"found torch.int64 \(\d+, 1\)\. .*y\[:, 0\]"),
    "not whole": (lambda y: y + 0.5, "found 0.5, 1.5, 2.5 in .* whole numbers"),
    "NaN": (lambda y: torch.where(y == 1, torch.nan, y.float()), "found nan in"),
    "infinite": (lambda y: torch.where(y == 1, torch.inf, y.float()), "found inf in"),
    "complex": (lambda y: y.to(torch.complex64), "complex64"),
}


class Lazy(Dataset[Any]):
    """Samples that are read one by one, as most people's datasets are."""

    def __init__(self, x: Tensor, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return self.x[index], self.y[index]


class Listed(Lazy):
    def __init__(self, x: Tensor, y: Any) -> None:
        super().__init__(x, y)
        self.targets = y


FORMS: dict[str, Callable[[Tensor, Any], Any]] = {
    "TensorDomain": TensorDomain,
    "TensorDataset": TensorDataset,
    "targets": Listed,
    "one by one": Lazy,
    "pairs": lambda x, y: list(zip(x, y, strict=True)),
    "parts": lambda x, y: ConcatDataset([TensorDomain(x[:50], y[:50]), TensorDomain(x[50:], y[50:])]),
}


class Labels(DomainDataModule):
    known_domains = ("a", "b", "c")
    class_names = ("one", "two", "three")
    input_shape = (2,)
    wrong: tuple[str, str] | None = None
    make: Callable[[Tensor, Any], Any] = staticmethod(TensorDomain)
    change: Callable[[Tensor], Any] = staticmethod(lambda y: y)

    def domain(self, name: str, split: str) -> Any:
        y = torch.arange(90) % 3
        x = torch.randn(90, 2, generator=torch.Generator().manual_seed(0))
        return self.make(x, self.change(y) if self.wrong in ((name, split), (name, "every")) else y)


def labels(**attributes: Any) -> type[Labels]:
    return type("Changed", (Labels,), attributes)


def read(data: DomainDataModule) -> None:
    """Whatever a training and a test read."""
    data.setup("fit")
    for loader in (*data.train_dataloader(), *data.val_dataloader(), *data.test_dataloader()):
        list(loader)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_every_kind_is_refused_in_one_line_however_the_domain_is_kept(kind: str, form: str) -> None:
    change, words = KINDS[kind]
    data = labels(wrong=("b", "every"), make=staticmethod(FORMS[form]), change=staticmethod(change))("a", "b")
    with pytest.raises(AdaptError, match=words) as caught:
        read(data)
    assert str(caught.value).startswith("Expected labels of 'b' (train) as class indices 0 to 2")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["TensorDomain", "one by one"])
@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_in_every_domain_and_split(name: str, split: str, form: str) -> None:
    wrong = {"wrong": (name, split), "make": staticmethod(FORMS[form]), "change": staticmethod(lambda y: y - 1)}
    where = rf"'{name}' \({split}\)" if form == "TensorDomain" or name == "b" else rf"'a\+c' \({split}\)"
    with pytest.raises(AdaptError, match=f"labels of {where}"):
        read(labels(**wrong)(["a", "c"], "b"))


def test_labels_of_a_tensor_domain_are_refused_before_a_batch_is_read() -> None:
    for form in ("TensorDomain", "TensorDataset", "targets", "parts"):
        wrong = {"wrong": ("b", "train"), "make": staticmethod(FORMS[form]), "change": staticmethod(lambda y: y - 1)}
        with pytest.raises(AdaptError, match="found -1"):
            labels(**wrong)("a", "b").setup("fit")


@pytest.mark.parametrize("shots", [2, "all"])
def test_the_few_labelled_samples_are_checked_too(shots: Any) -> None:
    wrong = {"wrong": ("b", "train"), "make": staticmethod(Lazy), "change": staticmethod(lambda y: y - 1)}
    data = labels(**wrong)("a", "b", shots=shots)
    data.setup("fit")
    with pytest.raises(AdaptError, match="found -1"):
        list(data.train_dataloader().target_labelled)  # type: ignore[union-attr]  # with shots there is one


def test_a_worker_s_refusal_is_one_line_as_well() -> None:
    wrong = {"wrong": ("b", "every"), "make": staticmethod(Lazy), "change": staticmethod(lambda y: y - 1)}
    with pytest.raises(AdaptError, match="Expected labels of 'b'") as caught:
        read(labels(**wrong)("a", "b", num_workers=1))
    assert str(caught.value).startswith("Expected") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.tolist(),
        lambda y: list(y),
        lambda y: list(y.numpy()),
        lambda y: y.numpy().astype(np.uint16),
        lambda y: y.numpy()[::-1],
        lambda y: y.to(torch.uint8),
        lambda y: y.double(),
        lambda y: y.numpy().astype(">i4"),
    ],
)
@pytest.mark.parametrize("form", ["TensorDomain", "one by one", "pairs"])
def test_class_indices_of_every_type_train_alike(change: Callable[[Tensor], Any], form: str) -> None:
    data = labels(wrong=("b", "every"), make=staticmethod(FORMS[form]), change=staticmethod(change))("a", "b", shots=3)
    read(data)
    y = torch.cat([batch.y for batch in data.test_dataloader()[1]])
    assert y.dtype == torch.int64 and sorted(y.tolist()) == [0] * 30 + [1] * 30 + [2] * 30


def test_targets_that_a_dataset_changes_on_the_way_out_are_no_ground_for_a_refusal() -> None:
    class FromOne(Listed):
        def __getitem__(self, index: int) -> Any:
            return self.x[index], self.targets[index] - 1

    class Mapped(FromOne):
        target_transform = staticmethod(lambda y: y - 1)

    read(labels(make=staticmethod(lambda x, y: FromOne(x, y + 1)))("a", "b"))
    read(labels(make=staticmethod(lambda x, y: Mapped(x, y + 1)))("a", "b", shots=3))


class Endless(IterableDataset[Any]):
    def __init__(self, *_: Any) -> None: ...

    def __iter__(self) -> Any:
        yield from ()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x, y: None, "a dataset with a length.*found NoneType"),
        (Endless, "found Endless"),
        (lambda x, y: Lazy(x[:0], y[:0]), "samples in 'b' \\(train\\), found none"),
        (lambda x, y: [{"x": a, "y": b} for a, b in zip(x, y, strict=True)], r"samples \(x, y\), found a dict of 2"),
        (lambda x, y: [(a, b, 0) for a, b in zip(x, y, strict=True)], "found a tuple of 3"),
        (lambda x, y: list(x), r"found a Tensor"),
        (lambda x, y: Lazy(x, ["cat"] * 90), "Expected class indices as labels, found .*cat"),
        (lambda x, y: Lazy(x, [None] * 90), "Expected class indices as labels, found .*None"),
        (lambda x, y: TensorDomain(x, ["cat"] * 90), "Expected class indices as labels"),
    ],
)
def test_what_is_no_labelled_dataset_is_refused_in_one_line(make: Callable[..., Any], words: str) -> None:
    def only_b(self: Labels, name: str, split: str) -> Any:
        whole = Labels.domain(self, name, split)
        return make(whole.x, whole.y) if name == "b" else whole

    with pytest.raises(AdaptError, match=words) as caught:
        read(labels(domain=only_b)("a", "b"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [(), ("one",)])
def test_a_datamodule_names_two_classes_or_more(names: Sequence[str]) -> None:
    with pytest.raises(AdaptError, match="two classes or more"):
        _ = labels(class_names=names)("a", "b").num_classes


def test_plus_and_minus_one_are_told_what_to_become() -> None:
    with pytest.raises(AdaptError, match="Make −1 and 1 to 0 and 1"):
        Classification(2).labels(torch.tensor([-1, 1, 1]), "'a' (train)")


def test_the_command_ends_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "fit --data tests.data.test_labels.FromOneInBoth --data.source a --data.target b --model SourceOnly"
    options = ["--model.backbone", "MLP", "--trainer.max_steps", "1", "--run_dir", str(tmp_path / "run")]
    assert main([*words.split(), *options, "--trainer.enable_progress_bar", "false"]) == 2
    assert capsys.readouterr().err.strip().endswith("They seem to start at 1: subtract 1.")


class FromOneInBoth(Labels):
    def domain(self, name: str, split: str) -> Any:
        whole = super().domain(name, split)
        return TensorDomain(whole.x, whole.y + 1)
