"""How optimizers are built."""

import copy
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer

from adapt.backbones import MLP
from adapt.methods import SourceOnly
from adapt.methods.optimization import AdversarialAdam, make_optimizer


def trained(make: Callable[[Any], Optimizer], wrap: bool, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """Weights after 60 steps with the optimizer as it is made, or as a run has it."""
    torch.manual_seed(0)
    # Sizes that no vector register divides.
    network = nn.Sequential(nn.Linear(7, 33), nn.ReLU(), nn.Linear(33, 5), nn.Linear(5, 1, bias=False)).to(dtype)
    unused = nn.Parameter(torch.ones(3, dtype=dtype))
    groups = [
        {"params": [*network[0].parameters()], "lr_scale": 0.1},
        {"params": [*network[2:].parameters(), unused], "lr_scale": 1.0},
    ]
    if wrap:
        optimizer = make_optimizer(make, groups)
    else:
        optimizer = make([{"params": group["params"]} for group in groups])
        optimizer.param_groups[0]["lr"] *= 0.1
    x = torch.randn(64, 7, dtype=dtype)
    for _ in range(60):
        optimizer.zero_grad()
        (network(x) - x.sum(1, keepdim=True)).square().mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return [p.detach() for p in (*network.parameters(), unused)]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: Adam(p, lr=0.01),
        lambda p: Adam(p, lr=0.01, weight_decay=0.1, amsgrad=True, maximize=True),
        lambda p: AdamW(p, lr=0.01, weight_decay=0.1),
        lambda p: AdversarialAdam(p, lr=0.01),
    ],
)
def test_fused_steps_are_those_of_torch(make: Callable[[Any], Optimizer]) -> None:
    for ours, theirs in zip(trained(make, wrap=True), trained(make, wrap=False), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_adam_is_fused_where_nobody_chose() -> None:
    def found(make: Callable[[Any], Optimizer], dtype: torch.dtype = torch.float32) -> list[object]:
        optimizer = make_optimizer(make, [{"params": [nn.Parameter(torch.ones(2, dtype=dtype))], "lr_scale": 1.0}])
        # Else Lightning leaves unscaling of gradients to the kernel, and refuses to clip them.
        assert not getattr(optimizer, "_step_supports_amp_scaling", False)
        return [group.get("fused") for group in optimizer.param_groups]

    assert found(lambda p: Adam(p)) == found(lambda p: AdamW(p)) == [True]
    assert found(lambda p: Adam(p, fused=False)) == [False]
    assert found(lambda p: Adam(p, foreach=True)) == found(lambda p: Adam(p, differentiable=True)) == [None]
    assert found(lambda p: Adam(p), torch.complex64) == [None]
    # The kernel of SGD takes no sparse gradients.
    assert found(lambda p: SGD(p, lr=0.1)) == found(lambda p: NAdam(p)) == [None]


def test_a_method_is_copied_with_the_same_maker_of_its_optimizer() -> None:
    # The command line's maker refers to the parser, and through it to the trainer, which cannot be copied.
    def make(lock: Any, parameters: Any) -> Optimizer:
        return Adam(parameters)

    method = SourceOnly(problem=2, backbone=MLP((2,), hidden=[4]))
    method.optimizer = method._built_with["optimizer"] = partial(make, threading.RLock())
    copied = copy.deepcopy(method)
    assert copied.optimizer is method.optimizer and copied.hparams == method.hparams
    for ours, theirs in zip(copied.parameters(), method.parameters(), strict=True):
        assert torch.equal(ours, theirs) and ours.data_ptr() != theirs.data_ptr()
