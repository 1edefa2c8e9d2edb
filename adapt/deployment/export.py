"""A trained run as one file that needs torch alone."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from adapt.data.views import fetch_inputs
from adapt.training.model import TrainedModel

_TOLERANCE = 1e-4
_CHECKED = 16


class Deployed(nn.Module):
    """The device's part of the preprocessing, the network and the problem's output in one module.

    Args:
        model: The trained run.
    """

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self.method = model.method
        self._data = model.data

    def forward(self, x: Any) -> Tensor:
        """Probabilities `(N, K)`, or numbers for a regression, of inputs as the datamodule cuts them `(N, ...)`."""
        x = self._data.transform(x)
        found: Tensor = self.method.problem.predict(self.method.answered(self.method.forward(x.float())).logits)
        return found


def exported(model: TrainedModel, dataset: Any) -> tuple[bytes | None, str]:
    """`torch.export`'s file of a model for batches of any size, and in words why there is none.

    The file is loaded again, and has to give the same numbers on other samples than it was traced with.

    Args:
        model: The trained run.
        dataset: Inputs, as `TrainedModel.samples` returns them; three at least.
    """
    count = len(dataset)
    if count < 3:
        return None, "it takes three samples to trace and check it"
    x = fetch_inputs(dataset, [0, 1])
    if not isinstance(x, Tensor):
        return None, "its inputs have several parts"
    module = Deployed(model).eval()
    device = model.device
    try:
        model.method.cpu()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            shapes = {"x": {0: torch.export.Dim("batch", min=1, max=65536)}}
            program = torch.export.export(module, (x,), dynamic_shapes=shapes, strict=False)
            file = io.BytesIO()
            torch.export.save(program, file)
            again = torch.export.load(io.BytesIO(file.getvalue())).module()
            for size in (1, min(_CHECKED, count - 2)):
                other = fetch_inputs(dataset, list(range(count - size, count)))
                gap = float((again(other) - module(other)).abs().max())
                if not gap <= _TOLERANCE:
                    return None, f"the exported file differs by {gap:.2g}"
        return file.getvalue(), ""
    except Exception as error:  # torch.export has many, and a network that cannot be traced still predicts
        return None, f"torch.export could not trace it ({' '.join(str(error).split())[:160]})"
    finally:
        model.method.to(device)
