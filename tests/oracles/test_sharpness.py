"""The step towards the sharpest loss against its definition."""

import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import ascent


def gradients() -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randn(3, 4, generator=draw), torch.randn(5, generator=draw)]


def test_it_has_length_rho_over_all_parameters_and_the_gradients_direction() -> None:
    steps = ascent(gradients(), rho=0.3)
    flat, g = (torch.cat([x.flatten() for x in xs]).double() for xs in (steps, gradients()))
    torch.testing.assert_close(flat, 0.3 * g / g.norm(), rtol=1e-5, atol=1e-7)


def test_no_step_of_that_length_leads_higher_on_a_plane() -> None:
    g = torch.cat([x.flatten() for x in gradients()])
    best = torch.cat([x.flatten() for x in ascent(gradients(), rho=0.3)]) @ g
    others = torch.nn.functional.normalize(torch.randn(500, len(g), generator=torch.Generator().manual_seed(2)), dim=1)
    assert best > (0.3 * others @ g).max()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_a_loss_scale_changes_nothing(scale: float) -> None:
    scaled = ascent([scale * g for g in gradients()], rho=0.3)
    for one, other in zip(scaled, ascent(gradients(), rho=0.3), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("bad", [0.0, float("inf"), float("nan")])
def test_without_a_sound_gradient_there_is_no_step(bad: float) -> None:
    steps = ascent([torch.full((3,), bad), torch.zeros(2)], rho=0.3)
    assert all(torch.equal(step, torch.zeros_like(step)) for step in steps)


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="gradients and a rho of at least 0"):
        ascent([], rho=0.1)
    with pytest.raises(AdaptError, match="found 2 and -1"):
        ascent(gradients(), rho=-1)
