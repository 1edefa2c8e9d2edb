"""Every shipped method configuration: continued bit for bit, and blind to target labels where it says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import Dataset

from adapt.benchmark.plan.plan import UNSUPERVISED, setting_of
from adapt.data import DomainDataModule, TensorDomain
from adapt.data.views import in_memory
from tests.campaign.common import CONFIGS, data_of, fit, same_weights, start_for
from tests.toy import Shifted
from tests.zoo.class_sets import TwoSources
from tests.zoo.pixel import Lit
from tests.zoo.series import Beats
from tests.zoo.texts import Sentences

STOPPED_AT = 7


class StopAt(Callback):
    """Ends a run early, as a killed one would, without changing its planned length."""

    def __init__(self, step: int, path: str) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step >= self.step and not Path(self.path).exists():
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


def shuffled(dataset: Dataset[Any], name: str, split: str) -> Dataset[Any]:
    if (name, split) != ("target", "train"):
        return dataset
    x, y = in_memory(dataset)
    return TensorDomain(x, y[torch.randperm(len(y), generator=torch.Generator().manual_seed(5))])


class Shuffled(DomainDataModule):
    """Another datamodule's domains, the target's training labels in another order."""

    def domain(self, name: str, split: str) -> Dataset[Any]:
        return shuffled(super().domain(name, split), name, split)


class ShuffledShifted(Shuffled, Shifted):
    pass


class ShuffledLit(Shuffled, Lit):
    pass


class ShuffledTwoSources(Shuffled, TwoSources):
    pass


class ShuffledBeats(Shuffled, Beats):
    pass


class ShuffledSentences(Shuffled, Sentences):
    pass


SHUFFLED: dict[type[DomainDataModule], type[DomainDataModule]] = {
    Shifted: ShuffledShifted,
    Lit: ShuffledLit,
    TwoSources: ShuffledTwoSources,
    Beats: ShuffledBeats,
    Sentences: ShuffledSentences,
}


def identity(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("config", CONFIGS, ids=identity)
def test_a_continued_run_equals_the_uninterrupted_one(
    config: Path, tmp_path: Path, count: Callable[[str, int], None]
) -> None:
    data = data_of(config)
    start = start_for(config, tmp_path, data)
    whole = fit(config, tmp_path / "whole", data, *start)
    stop = tmp_path / "stop.ckpt"
    callback = ["--trainer.callbacks+=tests.campaign.test_every_config.StopAt", f"--trainer.callbacks.path={stop}"]
    fit(config, tmp_path / "part", data, *start, *callback, f"--trainer.callbacks.step={STOPPED_AT}")
    at = torch.load(stop, weights_only=True)["global_step"]
    assert STOPPED_AT <= at < torch.load(whole, weights_only=True)["global_step"]
    continued = fit(config, tmp_path / "rest", data, *start, "--ckpt_path", str(stop))
    count("resumed", 1)
    count("resumed bit-equal", int(same_weights(whole, continued)))
    assert same_weights(whole, continued)


def labelled(config: Path) -> bool:
    return setting_of(yaml.safe_load(config.read_text())) not in (UNSUPERVISED, "source-only")


@pytest.mark.parametrize("config", CONFIGS, ids=identity)
def test_target_labels_reach_the_weights_where_a_configuration_says_so_and_nowhere_else(
    config: Path, tmp_path: Path, count: Callable[[str, int], None]
) -> None:
    data = data_of(config)
    start = start_for(config, tmp_path, data)
    one = fit(config, tmp_path / "one", data, *start)
    two = fit(config, tmp_path / "two", SHUFFLED[data], *start)
    if labelled(config):
        assert not same_weights(one, two)
        return
    count("label-free", 1)
    count("blind to labels", int(same_weights(one, two)))
    assert same_weights(one, two)
