"""The training images of `StyleTransfer`: restyled once, and stored in a file for all runs with the same settings."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageDraw
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torchvision.transforms.v2 import functional
from torchvision.utils import make_grid

from adapt.errors import AdaptError
from adapt.layers import Pixels, to_bytes
from adapt.methods.whole_domain import on_device

_MARGIN = 70
_SMALLEST_SIDE = 96


class Pairing(NamedTuple):
    """Source images, the target image that gives each its style, and a fingerprint.

    Attributes:
        positions: Positions of the n chosen images in the source's training set, ascending `(n,)`.
        content: The chosen images `(n, C, H, W)`, bytes.
        style: The target image drawn for each `(n, C, H, W)`, bytes.
        size: Number of images in the source's training set.
        fingerprint: Hash of all training images of both domains.
    """

    positions: Tensor
    content: Tensor
    style: Tensor
    size: int
    fingerprint: str


def draw_pairs(data: Any, device: torch.device, pixels: Pixels, count: int | None, seed: int) -> Pairing:
    """Draw up to `count` source images (None: all), and a target image for each.

    One pass over the training inputs of each domain, in order and without augmentation; no label is read.

    Args:
        data: The trainer's datamodule.
        device: Where the method trains.
        pixels: Converts inputs to pixels.
        count: Largest number of source images.
        seed: Seed of a separate generator, so that every run draws the same images.
    """
    generator = torch.Generator().manual_seed(seed)
    source, target = (len(data.domain_dataloader(role).dataset) for role in ("source", "target"))
    positions = torch.randperm(source, generator=generator)[:count].sort().values
    partners = torch.randint(target, (len(positions),), generator=generator)
    digest = hashlib.sha256()
    content = _collect(data, device, "source", positions, pixels, digest.update)
    drawn, place = torch.unique(partners, return_inverse=True)
    style = _collect(data, device, "target", drawn, pixels, digest.update)[place]
    return Pairing(positions, content, style, source, digest.hexdigest())


def cached(path: Path, make: Callable[[], Tensor], shape: torch.Size) -> Tensor:
    """Read the images from a file; if there is no file, make and write them first.

    Args:
        path: The file; it is written completely or not at all.
        make: Makes the images, as bytes.
        shape: Their shape.

    Raises:
        AdaptError: The file holds something else, or the folder cannot be written to.
    """
    if not path.is_file():
        images = make()
        partial = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"images": images}, partial)
            partial.replace(path)
        except OSError as error:
            raise AdaptError(f"Expected a folder for restyled images at {path.parent}: {error.strerror}.") from error
        return images
    try:
        found: Any = torch.load(path, weights_only=True)["images"]
    # A broken file can raise any error of the unpickler; a user needs the path.
    except Exception as error:
        raise AdaptError(f"Expected restyled images in {path}, could not read them. Remove the file.") from error
    if not isinstance(found, Tensor) or found.shape != shape or found.dtype != torch.uint8:
        raise AdaptError(f"Expected restyled images of shape {tuple(shape)} in {path}. Remove the file.")
    return found


def key(network: nn.Module, settings: Mapping[str, Any], fingerprint: str) -> str:
    """Hash of everything that determines the images: weights, settings and data."""
    digest = hashlib.sha256(json.dumps([settings, fingerprint], sort_keys=True).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()[:20]


def paint(
    pairing: Pairing,
    painter: Callable[[Tensor, Tensor, Callable[[int, float], None]], Tensor],
    batch_size: int,
    device: torch.device,
    steps: int,
    show: bool,
) -> Tensor:
    """All restyled images `(n, C, H, W)` as bytes, batch by batch, with a progress bar.

    Args:
        pairing: Contents and styles.
        painter: Takes the pixels of both and a callback for each step, returns pixels.
        batch_size: Images per batch.
        device: Where to restyle.
        steps: Steps of each batch, for the progress bar.
        show: Whether to show the progress bar.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    parts = []
    with Progress(*columns, disable=not show) as bar:
        task = bar.add_task(f"restyling {len(pairing.content)} images, steps", total=len(pairing.content) * steps)
        for content, style in zip(*(torch.split(x, batch_size) for x in (pairing.content, pairing.style)), strict=True):

            def advance(step: int, loss: float, images: int = len(content)) -> None:
                bar.advance(task, images)

            shown, painted = (x.to(device).float() / 255 for x in (content, style))
            parts.append(to_bytes(painter(shown, painted, advance)))
    return torch.cat(parts)


def save_picture(rows: Mapping[str, Tensor], path: Path) -> Path:
    """Write named rows of images `(n, C, H, W)`, bytes, as one PNG; small images are enlarged without blur."""
    side = next(iter(rows.values())).shape[-1]
    scale = max(1, -(-_SMALLEST_SIDE // side))
    enlarged = [x.repeat_interleave(scale, 2).repeat_interleave(scale, 3) for x in rows.values()]
    grid = make_grid(torch.cat(enlarged), nrow=len(enlarged[0]), padding=4, pad_value=255)
    image = Image.new("RGB", (grid.shape[2] + _MARGIN, grid.shape[1]), "white")
    image.paste(functional.to_pil_image(grid), (_MARGIN, 0))
    draw = ImageDraw.Draw(image)
    for k, name in enumerate(rows):
        draw.text((8, (k + 0.5) * grid.shape[1] / len(rows)), name, fill="black", anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def _collect(
    data: Any, device: torch.device, role: str, at: Tensor, pixels: Pixels, update: Callable[[bytes], None]
) -> Tensor:
    """The images of a domain at ascending positions, as bytes; all of the domain's bytes go into a hash."""
    kept = []
    for batch in on_device(data, data.domain_dataloader(role), device):
        images = to_bytes(pixels.of(batch.x))
        update(f"{role} {tuple(images.shape)}".encode() + images.numpy().tobytes())
        kept.append(images[torch.isin(batch.index.cpu(), at)])
    return torch.cat(kept)
