"""Losses of features that are not finite are not finite: no error of LAPACK's, and never a number that looks right."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from adapt import losses

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bsp": losses.bsp,
    "bss": lambda x, _: losses.bss(x),
    "bnm": lambda x, _: losses.bnm(x),
    "cmd": losses.cmd,
    "coral": losses.coral,
    "hafn": lambda x, y: losses.hafn(x, y, radius=1.0),
    "homm": losses.homm,
    "mcc": lambda x, _: losses.mcc(x),
    "mmd": losses.mmd,
    "safn": losses.safn,
}


# Both squash features by tanh, which has a value at infinity.
SQUASHED = {"cmd", "homm"}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, v) for name in LOSSES for v in (torch.nan, torch.inf) if v != torch.inf or name not in SQUASHED],
)
@pytest.mark.parametrize("shape", [(6, 4), (4, 6)])
def test_not_finite(name: str, value: float, shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(shape), torch.randn(shape)
    assert torch.isfinite(LOSSES[name](x, y)).all()
    x[1, 2] = value
    assert not torch.isfinite(LOSSES[name](x, y)).all()
