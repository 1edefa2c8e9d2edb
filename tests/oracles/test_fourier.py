"""The swap of amplitudes against NumPy's FFT, and the robust entropy against its formula."""

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.layers import swap_amplitude
from adapt.losses import charbonnier_entropy


def images(n: int, m: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    source, target = (torch.rand(k, 3, height, width, generator=draw, dtype=torch.float64) for k in (n, m))
    return source, target


def by_numpy(source: np.ndarray, target: np.ndarray, beta: float) -> np.ndarray:
    """The whole spectrum, shifted so that its centre is frequency 0, as the paper draws it."""
    axes = (-2, -1)
    spectrum, style = (np.fft.fftshift(np.fft.fft2(x), axes=axes) for x in (source, target))
    rows, columns = (slice(size // 2 - int(beta * size), size // 2 + int(beta * size) + 1) for size in source.shape[2:])
    amplitude = np.abs(spectrum)
    amplitude[..., rows, columns] = np.abs(style)[..., rows, columns]
    swapped = np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * np.angle(spectrum)), axes=axes))
    assert np.abs(swapped.imag).max() < 1e-9
    return swapped.real


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 11), (11, 8), (16, 10)])
@pytest.mark.parametrize("beta", [0.05, 0.1, 0.2, 0.34])
def test_the_swap_equals_numpys(size: tuple[int, int], beta: float) -> None:
    source, target = images(4, 4, *size)
    found = swap_amplitude(source, target, beta).numpy()
    np.testing.assert_allclose(found, by_numpy(source.numpy(), target.numpy(), beta), atol=1e-10)


def test_each_source_image_takes_a_drawn_target_image_where_the_batches_differ() -> None:
    source, target = images(5, 3, 8, 9)
    torch.manual_seed(3)
    found = swap_amplitude(source, target, 0.2)
    torch.manual_seed(3)
    drawn = target[torch.randint(3, (5,))]
    np.testing.assert_allclose(found.numpy(), by_numpy(source.numpy(), drawn.numpy(), 0.2), atol=1e-10)


def test_nothing_changes_without_frequencies_or_without_another_image() -> None:
    source, target = images(4, 4, 8, 9)
    assert torch.equal(swap_amplitude(source, target, 0.0), source)
    torch.testing.assert_close(swap_amplitude(source, source.clone(), 0.3), source)


def test_below_one_frequency_the_mean_colour_alone_is_swapped() -> None:
    source, target = images(4, 4, 8, 9)
    expected = source - source.mean((2, 3), keepdim=True) + target.mean((2, 3), keepdim=True)
    torch.testing.assert_close(swap_amplitude(source, target, 0.1), expected)


def test_from_one_half_on_every_amplitude_is_the_targets() -> None:
    source, target = images(4, 4, 8, 9)
    found = torch.fft.fft2(swap_amplitude(source, target, 0.5))
    torch.testing.assert_close(found.abs(), torch.fft.fft2(target).abs())


def test_half_precision_comes_back_as_such() -> None:
    source, target = images(4, 4, 12, 12)
    found = swap_amplitude(source.half(), target.half(), 0.2)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.double(), swap_amplitude(source, target, 0.2), atol=3e-3, rtol=0)


def test_images_that_do_not_fit_are_named() -> None:
    source, target = images(4, 4, 8, 9)
    for other in (target[..., :-1], target[:0], target[:, :1]):
        with pytest.raises(AdaptError, match="one size"):
            swap_amplitude(source, other, 0.1)
    with pytest.raises(AdaptError, match="beta"):
        swap_amplitude(source, target, 1.5)


@pytest.mark.parametrize("eta", [0.5, 2.0])
def test_robust_entropy_equals_its_formula_and_has_its_gradient(eta: float) -> None:
    logits = 2 * torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    expected = (((-(p * np.log(p)).sum(1)) ** 2 + 0.001**2) ** eta).mean()
    assert charbonnier_entropy(logits, eta=eta).item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda x: charbonnier_entropy(x, eta=eta), (logits.requires_grad_(),))


def test_certain_predictions_have_a_finite_gradient() -> None:
    logits = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)
    charbonnier_entropy(logits, eta=0.5).backward()
    assert logits.grad is not None and torch.isfinite(logits.grad).all()
    with pytest.raises(AdaptError, match="eta"):
        charbonnier_entropy(logits, eta=0.0)
