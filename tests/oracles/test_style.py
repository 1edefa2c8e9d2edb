"""Gram matrices and the losses of style transfer against NumPy and hand-made maps."""

import numpy as np
import pytest
import torch

from adapt.errors import AdaptError
from adapt.losses import content_loss, gram, style_loss, total_variation


def maps(n: int, c: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, c, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gram_of_a_hand_made_map() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # 1 image, 2 channels, 1×2 positions
    assert gram(features).tolist() == [[[5 / 4, 1 / 4], [1 / 4, 10 / 4]]]


def test_gram_equals_numpys_einsum_and_forgets_where_things_are() -> None:
    features = maps(3, 4, 5, 6)
    expected = np.einsum("nahw,nbhw->nab", features.numpy(), features.numpy()) / (4 * 5 * 6)
    np.testing.assert_allclose(gram(features).numpy(), expected)
    moved = features.flatten(2)[..., torch.randperm(30)].reshape(3, 4, 6, 5)
    torch.testing.assert_close(gram(moved), gram(features))


def test_style_loss_is_the_papers_sum() -> None:
    painted, styles = [maps(2, 3, 4, 5), maps(2, 6, 2, 3, 1)], [maps(2, 3, 4, 5, 2), maps(2, 6, 2, 3, 3)]
    expected = 0.0
    for f, s, w in zip(painted, styles, (0.2, 3.0), strict=True):
        a, b = (np.einsum("nahw,nbhw->nab", x.numpy(), x.numpy()) for x in (f, s))
        channels, positions = f.shape[1], f.shape[2] * f.shape[3]
        expected += w * ((a - b) ** 2).sum((1, 2)).mean() / (4 * channels**2 * positions**2)
    grams = [gram(s) for s in styles]
    assert style_loss(painted, grams, (0.2, 3.0)).item() == pytest.approx(expected)
    torch.testing.assert_close(style_loss(painted, grams), style_loss(painted, grams, (0.5, 0.5)))
    assert style_loss(styles, grams).item() == 0


def test_styles_may_have_another_size() -> None:
    large = maps(2, 3, 8, 10)
    assert style_loss([large[:, :, ::2, ::2]], [gram(large)]).isfinite()
    tiled = large.repeat(1, 1, 2, 2)
    assert style_loss([tiled], [gram(large)]).item() == pytest.approx(0, abs=1e-20)


def test_content_loss_and_total_variation_equal_numpys() -> None:
    a, b = maps(2, 3, 4, 5), maps(2, 3, 4, 5, 1)
    squares = (a.numpy() - b.numpy()) ** 2
    assert content_loss(a, b).item() == pytest.approx(squares.sum() / 2 / 2)
    assert content_loss(a, b, scale="mean").item() == pytest.approx(squares.mean() / 2)
    rough = (np.diff(a.numpy(), axis=2) ** 2).mean() + (np.diff(a.numpy(), axis=3) ** 2).mean()
    assert total_variation(a).item() == pytest.approx(rough)


def test_gradients_equal_finite_differences() -> None:
    a, b = maps(2, 3, 3, 2).requires_grad_(), maps(2, 3, 3, 2, 1)
    assert torch.autograd.gradcheck(lambda x: style_loss([x], [gram(b)]), (a,))
    assert torch.autograd.gradcheck(lambda x: content_loss(x, b), (a,))
    assert torch.autograd.gradcheck(total_variation, (a,))


def test_half_precision_does_not_overflow() -> None:
    features = 300 * maps(2, 3, 9, 9)
    torch.testing.assert_close(gram(features.half()).double(), gram(features.half().double()), rtol=1e-4, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert gram(features.float()).dtype == torch.float32


def test_bad_input_is_named() -> None:
    with pytest.raises(AdaptError, match="maps"):
        gram(torch.zeros(3, 4))
    with pytest.raises(AdaptError, match="one shape"):
        content_loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 4))
    with pytest.raises(AdaptError, match="scale"):
        content_loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3), scale="sum")  # type: ignore[arg-type]
    for grams in ([], [torch.zeros(1, 3, 3)], [torch.zeros(1, 2, 2)] * 2):
        with pytest.raises(AdaptError, match="style_loss"):
            style_loss([torch.zeros(1, 2, 3, 3)], grams)
    with pytest.raises(AdaptError, match="2×2"):
        total_variation(torch.zeros(1, 3, 1, 5))
