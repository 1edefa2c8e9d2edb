"""Training on source images in the style of target images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from adapt.data.batches import Labelled, Pair
from adapt.errors import AdaptError
from adapt.layers import Pixels, perceptual_features, restyle
from adapt.layers.perceptual import CONTENT_LAYERS, STYLE_LAYERS, Network
from adapt.layers.restyling import Solver, Start
from adapt.methods.base import Method
from adapt.methods.restyled_images import cached, draw_pairs, key, paint, save_picture
from adapt.methods.whole_domain import datamodule_of

_SHOWN = 6


class StyleTransfer(Method):
    """Before training, give each source image the style of a random target image; labels stay the same.

    Paper: Gatys, Ecker and Bethge, Image Style Transfer Using Convolutional Neural Networks, CVPR 2016
    (https://arxiv.org/abs/1508.06576).

    Formula: `L = CE(f(x̂_s), y_s)`, where x̂_s minimises `a · ½ mean((F(x̂) − F(x_s))²) + b · (1/L) Σ_l ¼ ‖G_l(x̂) −
    G_l(x_t)‖²_F + c · TV(x̂)`, with F the maps of one layer of a trained network, G_l the Gram matrices `(C_l, C_l)` of
    L layers, each divided by the size of its goal, and x_t a target image drawn for x_s. Images
    `(N, C, H, W)`.

    The paper only generates images. This method adds training on them, or on the original with probability `keep`.
    Departures: SqueezeNet instead of VGG-19 (`network`), Adam from the source image instead of L-BFGS from noise
    (`solver`, `start`), losses relative to their goals so that the same weights suit any network, and the total
    variation c. Nothing is aligned and target batches are not used; add `penalties` for that.

    Restyling takes longer than training: with SqueezeNet about 20 ms of a CPU core per step and image of 128×128, so
    300 images in 40 steps take 4 minutes. `max_images` limits it; the other source images are used unchanged. `cache`
    keeps the images for other seeds and methods: the file's name is a hash of all settings, the network's weights and
    both domains' training images. `style.png` in the run's folder shows some of them: look at it. Restyled images are
    cropped as in evaluation, without the data's training augmentation; `augmentation` varies them.

    Published: not on a task here.

    Args:
        keep: Probability of training on the original of a restyled image, in [0, 1).
        max_images: Largest number of source images to restyle, drawn at random; None for all.
        network: The perceptual network, `squeezenet1_1` or `vgg19`.
        checkpoint: Its ImageNet weights as a file; None takes `$ADAPT_DATA/weights/<network>.pth`, or downloads them.
        pretrained: False uses a random network, always the same.
        style_layers: Layers of the Gram matrices, by position in the network's `features`; None for its usual ones.
        content_layer: Layer of the content; None for its usual one.
        paint_steps: Steps of the solver for each image.
        style_weight: Weight b.
        content_weight: Weight a.
        smoothness: Weight c.
        solver: `adam` or `lbfgs`.
        rate: Adam's learning rate, in pixel values from 0 to 1.
        start: Start from the `content`, or from `noise`.
        style_seed: Seed for the choice of images, their styles and the noise; separate from the run's seed.
        paint_batch: Images that are restyled at once.
        cache: Folder of the restyled images; None for `styles` in the run's folder.
        augmentation: Module from inputs to inputs for restyled images, such as `Augmentation`.
        mean: Mean per channel that the datamodule subtracted (see `FDA`); None for images in [0, 1].
        std: Standard deviation per channel that the datamodule divided by.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: A value is out of range; when training starts, the inputs are not images in the range given by mean
            and std, or the weights cannot be loaded.
    """

    family: ClassVar[str] = "pixel"
    needs: ClassVar[str] = "images; ImageNet weights (a file, or downloaded)"

    def __init__(
        self,
        keep: float = 0.5,
        max_images: int | None = None,
        network: Network = "squeezenet1_1",
        checkpoint: str | None = None,
        pretrained: bool = True,
        style_layers: Sequence[int] | None = None,
        content_layer: int | None = None,
        paint_steps: int = 60,
        style_weight: float = 100.0,
        content_weight: float = 1.0,
        smoothness: float = 10.0,
        solver: Solver = "adam",
        rate: float = 0.02,
        start: Start = "content",
        style_seed: int = 0,
        paint_batch: int = 16,
        cache: str | None = None,
        augmentation: nn.Module | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= keep < 1 or min(paint_batch, paint_steps) < 1 or (max_images is not None and max_images < 1):
            raise AdaptError(
                "StyleTransfer expects keep in [0, 1) and max_images, paint_batch and paint_steps of at least 1, "
                f"found {keep}, {max_images}, {paint_batch} and {paint_steps}."
            )
        self.keep, self.max_images, self.style_seed = keep, max_images, style_seed
        self.paint_batch, self.cache, self.augmentation = paint_batch, cache, augmentation
        self.pixels = Pixels("StyleTransfer", mean, std, self.check_later)
        self._weights = (network, checkpoint, pretrained)
        self._settings: dict[str, Any] = {
            "content_layer": CONTENT_LAYERS[network] if content_layer is None else content_layer,
            "style_layers": list(STYLE_LAYERS[network] if style_layers is None else style_layers),
            "steps": paint_steps,
            "style_weight": style_weight,
            "content_weight": content_weight,
            "smoothness": smoothness,
            "solver": solver,
            "rate": rate,
            "start": start,
        }
        self._images: Tensor | None = None
        self._row = torch.empty(0, dtype=torch.long)

    def on_fit_start(self) -> None:
        """Restyle the source images, or load them from the cache, and write a picture of some."""
        super().on_fit_start()
        network, checkpoint, pretrained = self._weights
        layers = sorted({self._settings["content_layer"], *self._settings["style_layers"]})
        eye = perceptual_features(network, layers, checkpoint, pretrained).to(self.device)
        data = datamodule_of(self.trainer, type(self).__name__, "a pass over both domains")
        pairing = draw_pairs(data, self.device, self.pixels, self.max_images, self.style_seed)

        def painter(content: Tensor, style: Tensor, progress: Callable[[int, float], None]) -> Tensor:
            return restyle(content, style, eye, progress=progress, **self._settings)

        def make() -> Tensor:
            show = self.trainer.progress_bar_callback is not None
            # With separate random numbers: a run that loads its images must continue like one that made them.
            devices = [self.device] if self.device.type == "cuda" else []
            with torch.random.fork_rng(devices):
                torch.manual_seed(self.style_seed)
                return paint(pairing, painter, self.paint_batch, self.device, self._settings["steps"], show)

        drawn = {"seed": self.style_seed, "images": self.max_images, "batch": self.paint_batch}
        run = Path(self.trainer.default_root_dir)
        folder = run / "styles" if self.cache is None else Path(self.cache)
        path = folder / f"{data.task}-{key(eye, self._settings | drawn, pairing.fingerprint)}.pt"
        if self.trainer.is_global_zero:
            self._images = cached(path, make, pairing.content.shape)
        self.trainer.strategy.barrier("restyled images")
        if self._images is None:
            self._images = cached(path, make, pairing.content.shape)
        self._row = torch.full((pairing.size,), -1)
        self._row[pairing.positions] = torch.arange(len(pairing.positions))
        self._row, self._images = self._row.to(self.device), self._images.to(self.device)
        if self.trainer.is_global_zero:
            rows = {"content": pairing.content, "style": pairing.style, "result": self._images.cpu()}
            save_picture({name: images[:_SHOWN] for name, images in rows.items()}, run / "style.png")

    def losses(self, batch: Pair) -> dict[str, Tensor]:
        """Cross-entropy on the restyled source; the target is encoded only if penalties need it."""
        x = self.restyled(batch.source)
        if not self.penalties:
            return {"source": self.supervised_loss(self(x).logits, batch.source.y)}
        source, _ = self.encode(batch._replace(source=batch.source._replace(x=x)))
        return {"source": self.supervised_loss(source.logits, batch.source.y)}

    def restyled(self, source: Labelled) -> Tensor:
        """The inputs of a source batch `(N, C, H, W)`; each is restyled with probability 1 − keep.

        Raises:
            AdaptError: Training has not started, so no image was restyled.
        """
        if self._images is None:
            raise AdaptError("StyleTransfer restyles images when training starts: call trainer.fit first.")
        # Look up all images, then choose: counting the chosen ones first would make the CPU wait for the GPU.
        rows = self._row[self.own_share(source.index)]
        chosen = (rows >= 0) & (torch.rand(len(rows), device=rows.device) >= self.keep)
        painted = self.pixels.back(self._images[rows.clamp_min(0)].to(source.x) / 255)
        if self.augmentation is not None:
            painted = self.augmentation(painted)
        return torch.where(chosen[:, None, None, None], painted, source.x)
