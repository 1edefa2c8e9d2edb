"""Calibration of a classifier's probabilities on held-out samples."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from adapt.errors import AdaptError

_STEPS = 100


def calibrated(logits: Tensor, y: Tensor, *, bias: bool = True) -> tuple[Tensor, Tensor]:
    """Scale a and biases b that minimise −(1/N) Σ_n log softmax(a z_n + b)_{y_n}.

    With biases this is bias-corrected temperature scaling (Alexandari, Kundaje & Shrikumar 2020,
    https://arxiv.org/abs/1901.06852), of which a = 1 / T; without, temperature scaling (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599). At the minimum with biases the mean probability of each class is its share among
    the samples. Newton-like steps (L-BFGS) in double precision, at most 100; on samples that are all predicted right
    there is no minimum, and a is as large as they make it.

    Args:
        logits: Logits z `(N, K)` of held-out samples.
        y: Their class indices `(N,)`.
        bias: Whether there are biases.

    Returns:
        The scale, a scalar, and the biases `(K,)`, which are 0 on average.

    Raises:
        AdaptError: Shapes that do not fit.

    Examples:
        >>> z, y = torch.tensor([[2.0, 0.0]] * 4), torch.tensor([0, 0, 0, 1])
        >>> a, b = calibrated(z, y)
        >>> (a * z + b).softmax(1)[0]
        tensor([0.7500, 0.2500])
    """
    if logits.ndim != 2 or y.shape != logits.shape[:1] or not len(y):
        raise AdaptError(f"calibrated expects (N, K) and (N,), found {tuple(logits.shape)} and {tuple(y.shape)}.")
    z, y = logits.detach().double(), y.to(logits.device)
    with torch.enable_grad():
        log_scale = z.new_zeros((), requires_grad=True)
        biases = z.new_zeros(z.shape[1], requires_grad=bias)
        parameters = [log_scale, *([biases] if bias else [])]
        descent = torch.optim.LBFGS(
            parameters, max_iter=_STEPS, tolerance_grad=1e-9, tolerance_change=1e-12, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            descent.zero_grad()
            loss = cross_entropy(log_scale.exp() * z + biases, y)
            loss.backward()  # type: ignore[no-untyped-call]  # of torch
            return loss

        descent.step(closure)  # type: ignore[no-untyped-call]
    dtype = torch.promote_types(logits.dtype, torch.float32)
    b = biases.detach()
    return log_scale.detach().exp().to(dtype), (b - b.mean()).to(dtype)
