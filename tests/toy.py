"""A shift in eight dimensions that alignment of the features mends and source-only training does not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor, nn
from torch.utils.data import Dataset

from adapt.backbones import MLP
from adapt.data import DomainDataModule, TensorDomain
from adapt.methods import Method
from adapt.problems import Regression
from adapt.selection import selection_callbacks

CLASSES, WIDTH, SAMPLES = 4, 8, 900


class Shifted(DomainDataModule):
    """Gaussian classes; the target is the source, stretched, turned a little and moved."""

    known_domains = ("source", "target")
    class_names = tuple("abcd")
    input_shape = (WIDTH,)

    def domain(self, name: str, split: str) -> Dataset[Any]:
        seed = 10 * self.known_domains.index(name) + (split == "test")
        x, y = samples(seed, shifted=name == "target")
        dataset = TensorDomain(x, y)
        return dataset if split == "test" else self.holdout(dataset, split)


def samples(seed: int, shifted: bool) -> tuple[Tensor, Tensor]:
    layout = torch.Generator().manual_seed(99)
    means = 2.2 * torch.nn.functional.normalize(torch.randn(CLASSES, WIDTH, generator=layout), dim=1)
    stretch = 1 + 0.8 * torch.rand(WIDTH, generator=layout)
    skew = torch.randn(WIDTH, WIDTH, generator=layout) / WIDTH**0.5
    turn = torch.linalg.matrix_exp(0.25 * (skew - skew.T))
    offset = 3.2 * torch.randn(WIDTH, generator=layout)
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(SAMPLES) % CLASSES
    x = means[y] + 0.55 * torch.randn(SAMPLES, WIDTH, generator=generator)
    return ((x * stretch) @ turn + offset if shifted else x), y


def build(
    method: type[Method],
    dropout: float = 0.0,
    input_shape: tuple[int, ...] = (WIDTH,),
    hidden: tuple[int, ...] = (32, 32),
    **kwargs: Any,
) -> Method:
    """The method with the toy's network, unless `kwargs` bring another."""
    options = {
        "optimizer": lambda p: torch.optim.Adam(p, lr=2e-3),
        "backbone": MLP(input_shape, hidden, dropout=dropout),
        "problem": CLASSES,
    }
    backbone = kwargs.get("backbone")
    if backbone is not None and not isinstance(backbone, nn.Module):  # one that trains is made anew for every run
        kwargs["backbone"] = backbone()
    return method(**options | kwargs)


def train(
    method: type[Method],
    directory: Path,
    seed: int = 0,
    steps: int = 300,
    data: dict[str, Any] | None = None,
    module: type[DomainDataModule] = Shifted,
    ckpt_path: Path | None = None,
    dropout: float = 0.0,
    trainer: dict[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
    **kwargs: Any,
) -> tuple[Method, DomainDataModule, Trainer]:
    """Train a method on the toy in a real Trainer, and return what was trained."""
    seed_everything(seed, verbose=False)
    datamodule = module("source", "target", **{"batch_size": 64, "source_free": method.source_free} | (data or {}))
    built = build(method, dropout, module.input_shape, **{"problem": datamodule.problem} | kwargs)
    options: dict[str, Any] = {"max_steps": steps, "max_epochs": -1, "logger": False, "default_root_dir": directory}
    fit = Trainer(
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[*callbacks, *selection_callbacks(directory, method.source_free, problem=built.problem)],
        **options | (trainer or {}),
    )
    fit.fit(built, datamodule=datamodule, ckpt_path=ckpt_path, weights_only=True)
    return built, datamodule, fit


def target_accuracy(method: Method, datamodule: DomainDataModule, fit: Trainer) -> float:
    """Accuracy on the target's test set, in [0, 1]; of a regression the share of the variance that is explained."""
    results = fit.test(method, datamodule=datamodule, verbose=False)
    name = f"test/target_{'r2' if isinstance(method.problem, Regression) else 'accuracy'}"
    return next(r[name] for r in results if name in r)
