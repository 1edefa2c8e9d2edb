"""What fine-tuning freezes, at which rates, from which start, and that a continued run knows all of it."""

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from adapt.backbones import MLP
from adapt.data import Labelled
from adapt.encoding import Encoding
from adapt.errors import AdaptError
from adapt.methods import FineTuning, SourceOnly
from adapt.regularisers import BSS, DELTA, L2SP, CoTuning, Network, Regulariser
from adapt.training.cli import AdaptCLI
from tests.methods.test_resume import OPTIONS, StopAt
from tests.toy import Shifted, build, train

FEW: dict[str, Any] = {"data": {"shots": 2}}


class Watch(Callback):
    """The network before the first step of the target phase, and what learns at each step."""

    def __init__(self) -> None:
        self.tuned: list[list[bool]] = []
        self.start: dict[str, torch.Tensor] = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, FineTuning)
        self.tuned.append([next(b.parameters()).requires_grad for b in pl_module.backbone.blocks])
        if trainer.global_step == trainer.max_steps // 2:
            self.start = deepcopy(pl_module.network.state_dict())


# The zoo's cases start from a source run, and are continued after the target phase has begun.
@pytest.mark.parametrize("regulariser", [L2SP(), DELTA(), BSS(), CoTuning()], ids=lambda r: type(r).__name__)
def test_a_run_continued_before_the_target_phase_is_the_uninterrupted_one(
    regulariser: Regulariser, tmp_path: Path
) -> None:
    options = OPTIONS | FEW | {"steps": 40, "regulariser": regulariser, "bottleneck": 6}
    whole, _, _ = train(FineTuning, tmp_path / "whole", 3, **options)
    stop = tmp_path / "stop.ckpt"
    train(FineTuning, tmp_path / "first", 3, callbacks=[StopAt(10, stop)], **options)
    continued, _, _ = train(FineTuning, tmp_path / "second", 77, ckpt_path=stop, **options)
    expected, found = whole.state_dict(), continued.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_the_start_is_the_network_as_the_target_phase_begins_and_in_no_optimizer(tmp_path: Path) -> None:
    watch = Watch()
    method, _, trainer = train(
        FineTuning, tmp_path, steps=20, regulariser=DELTA(), bottleneck=6, callbacks=[watch], **FEW
    )
    assert isinstance(method, FineTuning) and isinstance(method.regulariser, DELTA)
    start = method.regulariser.start
    assert all(torch.equal(value, watch.start[name]) for name, value in start.state_dict().items())
    assert not any(torch.equal(p, q) for p, q in zip(start.parameters(), method.network.parameters(), strict=True))
    learning = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert not learning & {id(p) for p in start.parameters()}
    assert learning == {id(p) for p in method.network.parameters()}
    assert len(method.regulariser.attention) == 64


class Listener(Regulariser):
    """Keeps what it is told at the phase's begin."""

    def begin(self, network: Network, labelled: Iterable[Labelled], held_out: Iterable[Labelled]) -> None:
        self.labelled, self.held_out = list(labelled), list(held_out)

    def value(self, network: Network, batch: Labelled, encoding: Encoding) -> torch.Tensor:
        self.last = batch
        return encoding.features.mean() * 0


def test_a_regulariser_is_told_the_labelled_target_samples_and_the_held_out_source(tmp_path: Path) -> None:
    method, data, _ = train(FineTuning, tmp_path, steps=4, regulariser=Listener(), **FEW)
    assert isinstance(method, FineTuning) and isinstance(method.regulariser, Listener)
    (labelled,), (held_out,) = method.regulariser.labelled, method.regulariser.held_out
    assert sorted(labelled.y.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert sorted(labelled.index.tolist()) == sorted(method.regulariser.last.index.tolist())
    x, y = data.domain("target", "train").__getitems__(labelled.index.tolist())
    assert torch.equal(labelled.x, x) and torch.equal(labelled.y, y.y)
    assert torch.equal(held_out.x, data.domain("source", "val").__getitems__(range(90))[0])


def test_without_shots_there_is_no_labelled_target_loader() -> None:
    with pytest.raises(AdaptError, match=r"--data\.shots 5"):
        Shifted("source", "target").labelled_target_dataloader()


def test_the_second_head_of_co_tuning_learns(tmp_path: Path) -> None:
    method, _, trainer = train(FineTuning, tmp_path, steps=20, regulariser=CoTuning(), **FEW)
    assert isinstance(method, FineTuning) and isinstance(method.regulariser, CoTuning)
    learning = {id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]}
    assert learning == {id(p) for p in [*method.network.parameters(), *method.regulariser.head.parameters()]}
    assert not torch.equal(method.regulariser.head.weight, method.classifier.weight)


def test_two_runs_given_one_object_share_nothing(tmp_path: Path) -> None:
    regulariser = L2SP()
    one, other = (build(FineTuning, regulariser=regulariser) for _ in range(2))
    assert isinstance(one, FineTuning) and isinstance(other, FineTuning)
    assert one.regulariser is not regulariser and one.regulariser is not other.regulariser
    assert not list(regulariser.parameters())


def test_a_heavy_l2_sp_holds_the_network_where_it_started(tmp_path: Path) -> None:
    train(SourceOnly, tmp_path / "s", steps=5)[2].save_checkpoint(tmp_path / "source.ckpt")
    moved = {}
    for weight in (0.0, 100.0):
        method, _, _ = train(
            FineTuning, tmp_path / str(weight), steps=30, init_from=str(tmp_path / "source.ckpt"),
            regulariser=L2SP(weight), **FEW,
        )  # fmt: skip
        assert isinstance(method, FineTuning) and isinstance(method.regulariser, L2SP)
        pairs = zip(method.network.parameters(), method.regulariser.start.parameters(), strict=True)
        moved[weight] = sum((p - q).square().sum().item() for p, q in pairs)
    assert moved[100.0] < 0.01 * moved[0.0]


def test_lp_ft_probes_first_and_then_tunes_all(tmp_path: Path) -> None:
    watch = Watch()
    train(
        FineTuning, tmp_path, steps=20, tune="lp_ft", source_fraction=0.2, probe_fraction=0.25, callbacks=[watch], **FEW
    )
    assert watch.tuned == 4 * [[True, True]] + 4 * [[False, False]] + 12 * [[True, True]]


def test_the_rate_decays_from_block_to_block_and_multiplies_the_backbone_s() -> None:
    options = {"bottleneck": 3, "layer_decay": 0.5, "backbone_lr_scale": 0.1}
    method = FineTuning(problem=4, backbone=MLP((8,), (7, 6, 5)), **options)
    found = {id(p): group["lr_scale"] for group in method.parameter_groups() for p in group["params"]}
    rates = [{found[id(p)] for p in block.parameters()} for block in method.backbone.blocks]
    assert [list(rate) for rate in rates] == [[pytest.approx(0.1 * 0.5**k)] for k in (3, 2, 1)]
    assert {found[id(p)] for part in (method.bottleneck, method.classifier) for p in part.parameters()} == {1.0}
    assert set(found) == {id(p) for p in method.parameters()}


def test_a_parameter_in_no_block_has_the_first_block_s_rate() -> None:
    class Positioned(MLP):
        def __init__(self) -> None:
            super().__init__((8,), (7, 6))
            self.position = torch.nn.Parameter(torch.zeros(8))

    method = FineTuning(problem=4, backbone=Positioned(), layer_decay=0.5)
    found = {id(p): group["lr_scale"] for group in method.parameter_groups() for p in group["params"]}
    assert found[id(method.backbone.position)] == found[id(method.backbone.blocks[0].weight)] == 0.25


def test_the_regulariser_is_chosen_on_the_command_line_by_its_short_name(tmp_path: Path) -> None:
    options = ["fit", "--config", "configs/tasks/moons.yaml", "--model", "FineTuning", "--data.shots", "3"]
    options += ["--model.regulariser=L2SP", "--model.regulariser.weight=0.3", "--run_dir", str(tmp_path)]
    cli = AdaptCLI([*options, "--trainer.max_steps", "4", "--trainer.logger", "false"])
    assert isinstance(cli.model.regulariser, L2SP)
    assert cli.model.regulariser.weight == 0.3


@pytest.mark.parametrize("name", ["probe_fraction", "layer_decay"])
def test_arguments_out_of_range_are_named(name: str) -> None:
    with pytest.raises(AdaptError, match=name):
        build(FineTuning, **{name: 1.5})
