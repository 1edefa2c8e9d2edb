"""The networks for time series."""

from typing import Any

import pytest
import torch

from adapt.backbones import CNN1D, TCN, Backbone, InceptionTime, ResNet1D
from adapt.errors import AdaptError

SMALL: dict[type[Backbone], dict[str, Any]] = {
    CNN1D: {"width": 8, "num_features": 12},
    ResNet1D: {"widths": (6, 12)},
    InceptionTime: {"width": 3, "depth": 4},
    TCN: {"widths": (6, 12)},
}


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("shape", [(1, 8), (3, 33), (9, 128)])
def test_features_have_the_promised_width_and_every_parameter_learns(kind: type[Any], shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    backbone = kind(shape, **SMALL[kind])
    features = backbone(torch.randn(16, *shape))
    assert features.shape == (16, 12)
    assert backbone.num_features == 12
    (features * torch.randn(16, 12)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in backbone.parameters())
    assert len({id(p) for block in backbone.blocks for p in block.parameters()}) == len(list(backbone.parameters()))


def test_cnn1d_has_adatimes_parameters() -> None:
    sizes = [tuple(p.shape) for p in CNN1D((9, 128)).parameters() if p.ndim > 1]
    assert sizes == [(64, 9, 5), (128, 64, 8), (128, 128, 8)]
    assert CNN1D((9, 128)).num_features == 128
    # Each block halves the length: 128 → 65 → 34 (its kernel of 8 adds a step) → 18.
    assert CNN1D((9, 128)).layers(torch.zeros(1, 9, 128)).shape == (1, 128, 18)


def test_a_tcns_last_step_sees_the_promised_past_and_no_step_sees_the_future() -> None:
    backbone = TCN((1, 64), widths=(4, 4), kernel=3).eval()
    seen = 1 + 2 * 2 * (2**2 - 1)  # 13
    x = torch.randn(1, 1, 64, requires_grad=True)
    torch.manual_seed(0)
    backbone(x).sum().backward()
    assert x.grad is not None
    reached = x.grad[0, 0].nonzero().flatten()
    assert reached.min() >= 64 - seen
    moved = x.detach().clone()
    moved[..., 40:] += 1
    assert torch.equal(backbone.layers(moved)[..., :40], backbone.layers(x)[..., :40])


@pytest.mark.parametrize("kind", SMALL)
def test_images_and_short_series_are_named(kind: type[Any]) -> None:
    for shape in ((3, 28, 28), (3, 4), (5,)):
        with pytest.raises(AdaptError, match="series"):
            kind(shape)


def test_odd_arguments_are_named() -> None:
    for kind, options in ((TCN, {"pooling": "max"}), (ResNet1D, {"widths": ()}), (InceptionTime, {"kernels": (4,)})):
        with pytest.raises(AdaptError):
            kind((3, 64), **options)
