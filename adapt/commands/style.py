"""`adapt style`: paint one picture in the style of another."""

import argparse
import sys
from pathlib import Path
from typing import get_args

import torch
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torchvision.transforms.v2 import functional

from adapt.commands.options import OptionParser, seed
from adapt.data.images import open_image
from adapt.errors import AdaptError
from adapt.files import refuse_taken
from adapt.layers import perceptual_features, restyle, to_bytes
from adapt.layers.perceptual import CONTENT_LAYERS, STYLE_LAYERS, Network
from adapt.layers.restyling import Solver, Start

_SMALLEST = 32


def style_command(argv: list[str]) -> int:
    """Read two pictures, paint a third, write it.

    Args:
        argv: Arguments after `adapt style`.

    Returns:
        0.

    Raises:
        AdaptError: A picture cannot be read or written, the weights cannot be loaded, or a number is out of range.
    """
    given = _parser().parse_args(argv)
    if Image.registered_extensions().get(given.out.suffix.lower()) not in Image.SAVE:
        raise AdaptError(f"Expected --out with a picture's file ending such as .png, found {given.out.name}.")
    refuse_taken(given.out, "--out", [given.content, given.style], None, "picture")
    if given.size < _SMALLEST:
        raise AdaptError(f"Expected a --size of at least {_SMALLEST} pixels, found {given.size}.")
    content, style = (read_picture(path, given.size) for path in (given.content, given.style))
    try:
        device = torch.zeros(0, device=given.device or ("cuda" if torch.cuda.is_available() else "cpu")).device
    except (RuntimeError, AssertionError) as error:  # AssertionError if torch was built without CUDA
        reason = str(error).partition("\n")[0]
        raise AdaptError(f"Expected an available --device, found {given.device!r} ({reason}).") from error
    content_layer, style_layers = CONTENT_LAYERS[given.network], STYLE_LAYERS[given.network]
    checkpoint = None if given.weights is None else str(given.weights)
    network = perceptual_features(given.network, sorted({content_layer, *style_layers}), checkpoint).to(device)
    torch.manual_seed(given.seed)
    columns = (
        TextColumn("painting"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=given.steps)
        painted = restyle(
            content.to(device),
            style.to(device),
            network,
            content_layer=content_layer,
            style_layers=style_layers,
            steps=given.steps,
            style_weight=given.style_weight,
            content_weight=given.content_weight,
            smoothness=given.smoothness,
            solver=given.solver,
            rate=given.rate,
            start=given.start,
            progress=lambda step, loss: bar.update(task, completed=step, description=f"loss {loss:.4g}"),
        )
    write_picture(painted, given.out)
    print(f"picture: {given.out} ({painted.shape[3]}×{painted.shape[2]})")
    return 0


def read_picture(path: Path, size: int) -> Tensor:
    """A picture as pixels `(1, 3, H, W)` in [0, 1], its longer side scaled to `size`.

    Args:
        path: The file.
        size: In pixels.

    Raises:
        AdaptError: It cannot be decoded.
    """
    image = open_image(path, "a picture")
    scale = size / max(image.size)
    width, height = (max(1, round(scale * side)) for side in image.size)
    if min(width, height) < _SMALLEST:
        raise AdaptError(
            f"Expected a picture of at least {_SMALLEST} pixels, {path} becomes {width}×{height}: raise --size."
        )
    resized = functional.resize(functional.pil_to_tensor(image), [height, width], antialias=True)
    pixels: Tensor = resized[None].float() / 255
    return pixels


def write_picture(pixels: Tensor, path: Path) -> None:
    """Write pixels `(1, 3, H, W)` in [0, 1] as a picture.

    Raises:
        AdaptError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        functional.to_pil_image(to_bytes(pixels)[0]).save(path)
    except (OSError, ValueError) as error:
        raise AdaptError(f"Expected to write a picture to {path}, but could not ({error}).") from error


def _parser() -> argparse.ArgumentParser:
    parser = OptionParser(
        "adapt style",
        description="Paint the content of one picture in the style of another (Gatys et al., CVPR 2016).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--content", type=Path, required=True, metavar="A.jpg", help="what is shown")
    parser.add_argument("--style", type=Path, required=True, metavar="B.jpg", help="the style")
    parser.add_argument("--out", type=Path, required=True, metavar="C.png", help="the picture to write")
    parser.add_argument("--size", type=int, default=256, help="longer side of both pictures, in pixels")
    parser.add_argument("--steps", type=int, default=300, help="steps of the solver")
    parser.add_argument("--network", choices=get_args(Network), default="squeezenet1_1", help="perceptual network")
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="W.pth",
        help="its torchvision state dict (default: $ADAPT_DATA/weights/<network>.pth, or a download)",
    )
    parser.add_argument("--seed", type=seed, default=0, help="seed of the start noise")
    parser.add_argument("--style-weight", type=float, default=100.0, help="how much the style counts")
    parser.add_argument("--content-weight", type=float, default=1.0, help="how much the content counts")
    parser.add_argument("--smoothness", type=float, default=10.0, help="how much smooth colours count")
    parser.add_argument("--solver", choices=get_args(Solver), default="adam", help="lbfgs is the paper's, and slower")
    parser.add_argument("--rate", type=float, default=0.02, help="Adam's learning rate, for pixels from 0 to 1")
    parser.add_argument("--start", choices=get_args(Start), default="content", help="noise is the paper's")
    parser.add_argument("--device", metavar="cpu|cuda", help="where to run (default: the GPU, if there is one)")
    return parser
