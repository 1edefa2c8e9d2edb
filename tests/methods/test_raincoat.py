"""What is Raincoat's own: the spectrum, the way back to the series, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.backbones import CNN1D, MLP
from adapt.data.batches import Labelled, Pair, Unlabelled
from adapt.errors import AdaptError
from adapt.layers import SeriesDecoder, SpectralFilter
from adapt.methods import Raincoat
from tests.zoo import CASES
from tests.zoo.series import Beats, beats


def made(**options: object) -> Raincoat:
    torch.manual_seed(0)
    backbone = CNN1D((2, 32), width=8, num_features=16, dropout=0.0)
    return Raincoat(**{"problem": 4, "backbone": backbone, "modes": 12} | options)  # type: ignore[arg-type]


@pytest.mark.parametrize("cosine", [True, False])
def test_the_filter_is_numpys_transform_and_a_mixture_of_the_channels(cosine: bool) -> None:
    layer, x = SpectralFilter(2, 5, cosine), torch.randn(3, 2, 16)
    spectrum = np.fft.rfft(np.cos(x.numpy()) if cosine else x.numpy(), norm="ortho")[..., :5]
    weight = layer.weight.detach().numpy()
    expected = np.einsum("nim,iom->nom", spectrum, weight[..., 0] + 1j * weight[..., 1])
    np.testing.assert_allclose(layer.spectrum(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    # Amplitudes have no phase: a movement that comes later looks the same.
    torch.testing.assert_close(layer(x.roll(5, 2)), layer(x), rtol=1e-3, atol=1e-4)


def test_the_decoder_gives_a_series_back_that_is_its_low_frequencies() -> None:
    layer = SpectralFilter(2, 9, cosine=False)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([torch.eye(2)[:, :, None].expand(2, 2, 9), torch.zeros(2, 2, 9)], -1))
    x = torch.nn.functional.layer_norm(torch.randn(4, 2, 16), (2, 16))
    decoder = SeriesDecoder(3, (2, 16))
    torch.nn.init.zeros_(decoder.linear.weight)
    torch.nn.init.zeros_(decoder.linear.bias)
    torch.testing.assert_close(decoder(torch.zeros(4, 3), layer.spectrum(x)), x, rtol=1e-3, atol=1e-4)


def test_features_are_unit_vectors_and_every_parameter_learns() -> None:
    method = made()
    x, y = beats(0, turned=False)
    z, _ = beats(1, turned=True)
    at = torch.arange(24)
    assert method(x[:24]).features.shape == (24, 28)
    torch.testing.assert_close(method(x[:24]).features.norm(dim=1), torch.ones(24))
    batch = Pair(Labelled(x[:24], y[:24], at), Unlabelled(z[:24], at))
    terms = method.losses(batch)
    assert set(terms) == {"source", "transport", "reconstruction"}
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in method.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        half = method.losses(batch)
    assert all(torch.isfinite(value) and value.dtype == torch.float32 for value in half.values())
    assert set(made(reconstruction=0.0).losses(batch)) == {"source", "transport"}


def test_what_it_cannot_take_is_named() -> None:
    with pytest.raises(AdaptError, match=r"series, with input_shape \(channels, length\), found MLP with \(8,\)"):
        made(backbone=MLP((8,)))
    with pytest.raises(AdaptError, match=r"leave out --model.bottleneck, found 32"):
        made(bottleneck=32)
    with pytest.raises(AdaptError, match="at least 1 mode"):
        made(modes=0)
    assert made(modes=500).num_features == 17 + 16


@pytest.mark.slow
def test_it_is_the_transport_that_mends_the_shift(tmp_path: Path) -> None:
    case = CASES["Raincoat"]
    with_it, without = (
        case.accuracy(tmp_path / name, 0)
        if name == "a"
        else type(case)(case.method, case.options | {"weight": 0.0}, module=Beats).accuracy(tmp_path / name, 0)
        for name in "ab"
    )
    assert with_it > without + 0.1
