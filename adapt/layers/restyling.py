"""Style transfer: the content of one image in the style of another."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from adapt.errors import AdaptError
from adapt.layers.perceptual import PerceptualFeatures
from adapt.losses.style import content_loss, gram, style_loss, total_variation

Solver = Literal["adam", "lbfgs"]
Start = Literal["content", "noise"]
_SMALLEST = 1e-8


def restyle(
    content: Tensor,
    style: Tensor,
    network: PerceptualFeatures,
    *,
    content_layer: int,
    style_layers: Sequence[int] | None = None,
    steps: int = 100,
    style_weight: float = 100.0,
    content_weight: float = 1.0,
    smoothness: float = 10.0,
    solver: Solver = "adam",
    rate: float = 0.02,
    start: Start = "content",
    progress: Callable[[int, float], None] | None = None,
) -> Tensor:
    """Pixels that minimise `content_weight · content_loss + style_weight · style_loss + smoothness · total_variation`.

    Gatys et al. 2016, https://arxiv.org/abs/1508.06576. All images of a batch are optimised at once, each towards
    its own content and style; with Adam the result for one image does not depend on the others. After each step pixels
    are clipped to [0, 1]. Departures: Adam starts from the content image, which needs fewer steps than the paper's
    L-BFGS from noise (`solver` and `start` choose these); the content loss is a mean; total variation is added.

    Args:
        content: Images `(N, 3, H, W)` (or `(N, 1, H, W)`), with pixels in [0, 1]; the content.
        style: Images `(N, 3, H', W')` of any size, with pixels in [0, 1]; the style.
        network: The network whose layers give style and content.
        content_layer: The layer whose maps the content loss compares.
        style_layers: The layers whose Gram matrices the style loss compares; None for all of the network's.
        steps: Steps of the solver.
        style_weight: Weight of the style loss.
        content_weight: Weight of the content loss.
        smoothness: Weight of the total variation.
        solver: `adam`, or `lbfgs` with a line search, which evaluates the network several times a step.
        rate: Learning rate of Adam, in pixel values from 0 to 1; L-BFGS starts its line searches at 1.
        start: Start from the `content`, or from `noise` (drawn from torch's generator).
        progress: Called after each step with its number, from 1, and the loss.

    Returns:
        Images of the content's shape, with pixels in [0, 1] and without gradient.

    Raises:
        AdaptError: The batches differ, the network does not have a layer, or a number is out of range.
    """
    if content.ndim != 4 or style.ndim != 4 or content.shape[:2] != style.shape[:2]:
        raise AdaptError(
            "restyle expects one style for each content, images (N, C, H, W), "
            f"found {tuple(content.shape)} and {tuple(style.shape)}."
        )
    chosen = network.layers if style_layers is None else tuple(style_layers)
    if not {content_layer, *chosen} <= set(network.layers) or not chosen:
        raise AdaptError(
            f"restyle expects layers out of the network's {network.layers}, found {content_layer} and {chosen}."
        )
    # Written this way to refuse NaN too, because every comparison with NaN is false.
    weights = (style_weight, content_weight, smoothness)
    if steps < 1 or not 0 < rate < math.inf or not all(0 <= weight < math.inf for weight in weights):
        raise AdaptError(
            "restyle expects steps of at least 1, rate above 0 and weights of at least 0, "
            f"found {steps}, {rate} and {style_weight}, {content_weight}, {smoothness}."
        )
    at, where = network.layers.index(content_layer), [network.layers.index(layer) for layer in chosen]
    with torch.no_grad():
        shown, painted = network(content)[at], network(style)
        grams = [gram(painted[i]) for i in where]
        # Layers differ by orders of magnitude; dividing leaves each layer's relative error, in any network.
        shown_size = shown.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(_SMALLEST)
        gram_sizes = [g.square().sum((1, 2), keepdim=True).sqrt().clamp_min(_SMALLEST) for g in grams]
        shown, grams = shown / shown_size, [g / size for g, size in zip(grams, gram_sizes, strict=True)]
    pixels = content.detach().clone() if start == "content" else torch.rand_like(content)
    pixels.requires_grad_()
    optimizer: Any = _optimizer(solver, pixels, rate)  # torch declares closures that return floats

    def closure() -> Tensor:
        optimizer.zero_grad()
        maps = network(pixels)
        painted = [maps[i] / size[..., None].sqrt() for i, size in zip(where, gram_sizes, strict=True)]
        # A sum over the images, so that each image's gradient does not depend on the batch size.
        loss = len(content) * (
            content_weight * content_loss(maps[at] / shown_size, shown, scale="mean")
            + style_weight * style_loss(painted, grams)
            + smoothness * total_variation(pixels)
        )
        torch.autograd.backward(loss)
        return loss

    with torch.enable_grad():
        for step in range(steps):
            loss = optimizer.step(closure)
            with torch.no_grad():
                pixels.clamp_(0, 1)
            if progress is not None:
                progress(step + 1, float(loss.detach()) / len(content))
    return pixels.detach()


def _optimizer(solver: Solver, pixels: Tensor, rate: float) -> torch.optim.Optimizer:
    if solver == "adam":
        return torch.optim.Adam([pixels], lr=rate)
    if solver == "lbfgs":
        return torch.optim.LBFGS([pixels], lr=1.0, max_iter=1, max_eval=25, line_search_fn="strong_wolfe")
    raise AdaptError(f"solver expects 'adam' or 'lbfgs', found {solver!r}.")
