"""Fine-tuning a source-trained network on a few labelled target samples."""

import math
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from adapt.data.batches import FewShotPair, Pair
from adapt.errors import AdaptError
from adapt.methods.base import Method, few_shot


class FineTuning(Method):
    """Train on the source (or start from a run that did), then on the labelled target samples alone.

    Papers: Yosinski et al., How Transferable Are Features in Deep Neural Networks?, NeurIPS 2014
    (https://arxiv.org/abs/1411.1792); Howard and Ruder, Universal Language Model Fine-tuning for Text Classification,
    ACL 2018 (https://arxiv.org/abs/1801.06146), for gradual unfreezing.

    Formula: `L = CE(f(x_s), y_s)` for the first `source_fraction` of the batches, then `L = CE(f(x_l), y_l)` with the
    labelled target samples x_l `(min(N, shots · K), ...)`.

    Frozen blocks neither learn nor update their batch-norm statistics. `backbone_lr_scale` acts on both phases, so
    combine it with `init_from` where the source phase needs the full rate.

    Args:
        tune: What the target samples change besides bottleneck and classifier: `all` of the backbone, none of it
            (`head`), its last k blocks (an integer), or `gradual`: one more block, from the output towards the
            input, after each equal share of the phase.
        source_fraction: Share of the training spent on the source; no time is spent there after `init_from`.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The arguments are out of range, or training meets a batch without labelled target samples.
    """

    family: ClassVar[str] = "fine-tuning"
    setting: ClassVar[str] = "few-shot"
    target_labels: ClassVar[Literal["none", "few", "all"]] = "few"

    def __init__(
        self,
        tune: Literal["all", "head", "gradual"] | int = "all",
        source_fraction: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        blocks = len(self.backbone.blocks)
        if isinstance(tune, int) and not 0 < tune <= blocks:
            raise AdaptError(f"Expected tune between 1 and the backbone's {blocks} blocks, found {tune}.")
        if not 0 <= source_fraction < 1:
            raise AdaptError(f"Expected source_fraction in [0, 1), found {source_fraction}.")
        self.tune = tune
        self.source_fraction = 0.0 if kwargs.get("init_from") else source_fraction
        self._frozen: int | None = None

    def losses(self, batch: Pair | FewShotPair) -> dict[str, Tensor]:
        """Cross-entropy on the source, later on the labelled target samples."""
        labelled = few_shot(self, batch)
        if self.progress < self.source_fraction:
            return {"source": self.cross_entropy(self(batch.source.x).logits, batch.source.y)}
        return {"target": self.cross_entropy(self(labelled.x).logits, labelled.y)}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Freeze and unfreeze as the phase wants it."""
        blocks = self.backbone.blocks
        frozen = len(blocks) - self._tuned_blocks(len(blocks))
        if frozen != self._frozen:
            # The whole backbone first: some parameters, such as a position embedding, belong to no block.
            _set_frozen(self.backbone, frozen > 0)
            for block in blocks[frozen:]:
                _set_frozen(block, False)
            self._frozen = frozen

    def _tuned_blocks(self, blocks: int) -> int:
        if self.progress < self.source_fraction or self.tune == "all":
            return blocks
        if isinstance(self.tune, int):
            return self.tune
        if self.tune == "head":
            return 0
        phase = (self.progress - self.source_fraction) / (1 - self.source_fraction)
        return min(blocks, math.floor(phase * (blocks + 1)))


def _set_frozen(block: nn.Module, frozen: bool) -> None:
    block.requires_grad_(not frozen)
    block.train(not frozen)
