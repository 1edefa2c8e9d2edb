"""SDAT's gradient is that of the weights nearby where the task loss is sharpest, and only the gradient."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from adapt.errors import AdaptError
from adapt.methods import DANN, MCD, SHOT, Method, SourceOnly
from tests.toy import build, train

RHO = 0.2
SGD: dict[str, Any] = {"optimizer": lambda p: torch.optim.SGD(p, lr=0.1)}
QUIET: dict[str, Any] = {"limit_val_batches": 0, "num_sanity_val_steps": 0}


class Watch(Callback):
    """The weights before each batch, and weights and gradients when the optimizer looks at them."""

    def __init__(self) -> None:
        self.before: list[list[Tensor]] = []
        self.batches: list[Any] = []
        self.at_step: list[tuple[list[Tensor], list[Tensor]]] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        self.before.append([p.detach().clone() for p in module.parameters()])
        self.batches.append(batch)

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        parameters = list(module.parameters())
        self.at_step.append(([p.detach().clone() for p in parameters], [p.grad.clone() for p in parameters]))


def by_hand(weights: list[Tensor], batch: Any) -> list[Tensor]:
    """The gradient at θ + ρ g / ‖g‖, of source cross-entropy alone."""

    def gradient(values: list[Tensor]) -> list[Tensor]:
        network = build(SourceOnly)
        with torch.no_grad():
            for p, value in zip(network.parameters(), values, strict=True):
                p.copy_(value)
        loss = torch.nn.functional.cross_entropy(network(batch.source.x).logits, batch.source.y)
        return list(torch.autograd.grad(loss, list(network.parameters())))

    g = gradient(weights)
    norm = torch.cat([x.flatten() for x in g]).norm()
    return gradient([w + RHO * x / norm for w, x in zip(weights, g, strict=True)])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_is_the_papers_also_when_gradients_are_accumulated(accumulate: int, tmp_path: Path) -> None:
    watch = Watch()
    trainer = QUIET | {"accumulate_grad_batches": accumulate}
    train(SourceOnly, tmp_path, steps=2, sharpness=RHO, callbacks=[watch], trainer=trainer, **SGD)
    for step, (weights, found) in enumerate(watch.at_step):
        parts = [by_hand(watch.before[k], watch.batches[k]) for k in range(step * accumulate, (step + 1) * accumulate)]
        for k, gradient in enumerate(found):
            torch.testing.assert_close(gradient, torch.stack([part[k] for part in parts]).mean(0), rtol=1e-4, atol=1e-6)
        # Put back to the bit, before clipping and the optimizer.
        assert all(torch.equal(a, b) for a, b in zip(weights, watch.before[step * accumulate], strict=True))


def test_clipping_and_a_broken_step_leave_the_weights_in_place(tmp_path: Path) -> None:
    class Breaks(DANN):
        def losses(self, batch: Any) -> dict[str, Tensor]:
            terms = super().losses(batch)
            if self.batches_seen == 2:
                raise AdaptError("Expected no third step, found one.")
            return terms

    watch = Watch()
    seen: list[Method] = []

    class Keep(Callback):
        def on_fit_start(self, trainer: Any, module: Any) -> None:
            seen.append(module)

    with pytest.raises(AdaptError, match="no third step"):
        train(
            Breaks,
            tmp_path,
            steps=5,
            sharpness=RHO,
            callbacks=[watch, Keep()],
            trainer=QUIET | {"gradient_clip_val": 0.01},
            **SGD,
        )
    assert all(torch.equal(p, before) for p, before in zip(seen[0].parameters(), watch.before[2], strict=True))
    # Clipping comes after what the callback sees, and the step it leaves is short.
    moved = torch.cat([(a - b).flatten() for a, b in zip(watch.before[1], watch.before[0], strict=True)])
    assert moved.norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_the_discriminator_is_not_moved(tmp_path: Path) -> None:
    moved: list[bool] = []

    class Looks(DANN):
        def losses(self, batch: Any) -> dict[str, Tensor]:
            for part in (self.backbone, self.classifier, self.discriminator):
                moved.append(any(not torch.equal(p, self.kept[p]) for p in part.parameters()))
            return super().losses(batch)

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            self.kept = {p: p.detach().clone() for p in self.parameters()}

    train(Looks, tmp_path, steps=1, sharpness=RHO, trainer=QUIET, **SGD)
    assert moved == [True, True, False]


def test_what_has_no_task_loss_or_takes_its_own_steps_is_refused() -> None:
    with pytest.raises(AdaptError, match="SHOT has no source samples"):
        build(SHOT, sharpness=0.1)
    with pytest.raises(AdaptError, match="MCD alternates"):
        build(MCD, sharpness=0.1)
    with pytest.raises(AdaptError, match="sharpness of at least 0"):
        build(DANN, sharpness=-0.1)
