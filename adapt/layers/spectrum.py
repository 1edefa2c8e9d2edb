"""Series by their frequencies: a learned filter and its amplitudes, and the way back to the series."""

import torch
from torch import Tensor, nn

from adapt.losses.inputs import full_precision


class SpectralFilter(nn.Module):
    """Mixes the channels at each of the lowest frequencies, and gives the amplitudes.

    Args:
        channels: Channels of the series.
        modes: How many frequencies, from the lowest; at most half the length and one.
        cosine: Take the cosine of the values before, which bounds them and drops their sign.
    """

    def __init__(self, channels: int, modes: int, cosine: bool = True) -> None:
        super().__init__()
        self.cosine = cosine
        # Real and imaginary parts apart: a network in double precision leaves complex parameters as they are.
        self.weight = nn.Parameter(torch.rand(channels, channels, modes, 2) / channels)
        self.to_one = nn.Conv1d(channels, 1, kernel_size=3, padding=1, bias=False)
        self.norm = nn.LayerNorm(modes)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised amplitudes `(N, modes)` of series `(N, channels, length)`."""
        amplitudes = self.spectrum(x).abs()
        features: Tensor = self.norm(self.to_one(amplitudes.to(self.to_one.weight.dtype)).squeeze(1))
        return features

    def spectrum(self, x: Tensor) -> Tensor:
        """The filtered spectrum `(N, channels, modes)`, complex."""
        # There is no Fourier transform in half precision.
        with torch.autocast(x.device.type, enabled=False):
            x, weight = full_precision(x), full_precision(self.weight)
            found = torch.fft.rfft(x.cos() if self.cosine else x, norm="ortho")[..., : weight.shape[2]]
            return torch.einsum("nim,iom->nom", found, torch.view_as_complex(weight).to(found.dtype))


class SeriesDecoder(nn.Module):
    """A series out of its filtered spectrum and of features over time, each normalised, and added.

    Args:
        num_features: Width of the features over time.
        shape: Channels and length of the series.
    """

    def __init__(self, num_features: int, shape: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.linear = nn.Linear(num_features, shape[0] * shape[1])
        self.norm = nn.LayerNorm(shape)

    def forward(self, features: Tensor, spectrum: Tensor) -> Tensor:
        """The series `(N, channels, length)`.

        Args:
            features: Features over time `(N, num_features)`.
            spectrum: What `SpectralFilter.spectrum` gave, `(N, channels, modes)`.
        """
        low = torch.fft.irfft(spectrum, n=self.shape[1], norm="ortho").to(features.dtype)
        high = self.linear(features).relu().unflatten(1, self.shape)
        series: Tensor = self.norm(low) + self.norm(high)
        return series
