"""The network for volumes."""

import pytest
import torch

from adapt.backbones import CNN3D
from adapt.errors import AdaptError


@pytest.mark.parametrize("shape", [(1, 4, 4, 4), (2, 4, 17, 30)])
def test_features_have_the_width_it_says_and_a_gradient(shape: tuple[int, ...]) -> None:
    network = CNN3D(shape, width=4, stages=4)
    features = network(torch.randn(3, *shape))
    assert features.shape == (3, network.num_features) == (3, 32)
    features.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_other_shapes_are_refused() -> None:
    for shape in ((3, 32, 32), (1, 2, 32, 32)):
        with pytest.raises(AdaptError, match="CNN3D expects volumes"):
            CNN3D(shape)
    with pytest.raises(AdaptError, match="stage"):
        CNN3D(stages=0)
