"""The private parts of Lightning (and some of torch) in use: an upgrade that moves one of them fails here, by name."""

import inspect
from operator import attrgetter
from typing import Any

import pytest
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.optim.lr_scheduler import SequentialLR

from adapt.data.recordings import _arrays
from tests.private_parts import ROOT, touched
from tests.test_private_jsonargparse import PRIVATE as OF_JSONARGPARSE

OWNERS: dict[str, Any] = {
    "Trainer": Trainer(barebones=True, max_epochs=1, accelerator="cpu"),
    "ModelCheckpoint": ModelCheckpoint(),
    "DDPStrategy": DDPStrategy(),
    "LightningModule": LightningModule(),
    "LightningCLI": LightningCLI,
    "WandbLogger": WandbLogger(offline=True),
    "Module": nn.Module(),
}
# The part, and who uses it for what.
PRIVATE = {
    "DDPStrategy._ddp_kwargs": "Method.setup tells DDP of parameters that a step may leave out",
    "DDPStrategy._checkpoint_io": "write_whole_files asks whether the user chose a plugin",
    "DDPStrategy._start_method": "check_strategy refuses processes that are spawned",
    "LightningCLI._add_instantiators": "AdaptCLI's own leave out what the data fill in",
    "LightningCLI._get": "AdaptCLI reads the trainer's flags",
    "LightningCLI._parse_ckpt_path": "AdaptCLI has its own: a checkpoint does not overrule the command line",
    "LightningCLI._parser": "AdaptCLI writes the resolved configuration",
    "LightningModule._trainer": "Method's losses can be looked at without a trainer",
    "Module._apply": "a map of features stays in full precision",
    "Module._buffers": "a map's tensors are set by name",
    "Module._modules": "a regulariser asks whether it has its copy yet",
    "ModelCheckpoint._last_checkpoint_saved": "rules that pick one step share one file",
    "ModelCheckpoint._last_global_step_saved": "the end of training is saved once",
    "ModelCheckpoint._save_checkpoint": "BestCheckpoint links instead of writing",
    "ModelCheckpoint._save_topk_checkpoint": "no oracle checkpoint without target labels",
    "Trainer._checkpoint_connector.dump_checkpoint": "a signal's checkpoint waits for no other process",
    "Trainer.fit_loop._combined_loader": "a continued run's loaders go on as far in an epoch of another length",
    "Trainer.fit_loop._load_combined_loader_states": "loaders that a schedule had built too early",
    "Trainer.fit_loop.epoch_loop._batches_that_stepped": "the last validation is logged at its batch",
    "WandbLogger._offline": "a logger starts offline without changing later runs",
    "WandbLogger._wandb_init": "a logger's own arguments",
}
# Public by name, and documented nowhere.
UNDOCUMENTED = {
    "Trainer.fit_loop.done": "LastCheckpoint sees the end of training",
    "Trainer.fit_loop.epoch_loop.batch_progress.current.ready": "a continued run's place in the epoch",
    "Trainer.fit_loop.epoch_loop.batch_progress.total.ready": "Method.batches_seen",
    "Trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.increment_ready": "alternating methods",
    "Trainer.fit_loop.epoch_loop.val_loop.run": "one more validation at the end",
    "Trainer.fit_loop.epoch_progress.current.completed": "LastCheckpoint asks without counting",
    "Trainer.lr_scheduler_configs": "plateaus, and rates that are asked for anew",
}


@pytest.mark.parametrize("name", [*PRIVATE, *UNDOCUMENTED])
def test_this_part_is_where_it_was(name: str) -> None:
    owner, _, rest = name.partition(".")
    attrgetter(rest)(OWNERS[owner])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("ModelCheckpoint._save_checkpoint", ["trainer", "filepath"]),
        ("LightningCLI._parse_ckpt_path", ["self"]),
        ("LightningCLI._get", ["self", "config", "key", "default"]),
        ("LightningCLI._parser", ["self", "subcommand"]),
        ("Trainer._checkpoint_connector.dump_checkpoint", ["weights_only"]),
    ],
)
def test_this_part_takes_what_it_is_given(name: str, parameters: list[str]) -> None:
    owner, _, rest = name.partition(".")
    assert list(inspect.signature(attrgetter(rest)(OWNERS[owner])).parameters) == parameters


def test_parts_that_appear_later_are_where_they_were() -> None:
    loop = OWNERS["Trainer"].fit_loop
    state = loop.state_dict()
    assert {"epoch_progress", "epoch_loop.batch_progress", "epoch_loop.state_dict"} <= state.keys()
    assert "_batches_that_stepped" in loop.epoch_loop.on_save_checkpoint()
    assert "_subcommand_parsers" in inspect.getsource(LightningCLI)
    assert "self._schedulers" in inspect.getsource(SequentialLR.__init__)
    assert _arrays()[0][0].__name__ == "_reconstruct"  # NumPy's


def test_no_other_private_part_is_in_use() -> None:
    listed = {part for name in [*PRIVATE, *OF_JSONARGPARSE] for part in name.split(".") if part[0] == "_"}
    later = {"_subcommand_parsers", "_schedulers", "_reconstruct"}
    found = touched()
    assert {name: path for name, path in found.items() if name not in listed | later} == {}
    words = "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
    assert not [name for name in listed if name not in words], "a part that is in use no more stands in the list"
