"""Fine-tuning a source-trained network on a few labelled target samples."""

import math
from copy import deepcopy
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from adapt.data.batches import FewShotPair, Pair
from adapt.errors import AdaptError
from adapt.methods.base import Method, few_shot
from adapt.methods.refusals import refuse_problem
from adapt.methods.whole_domain import datamodule_of, on_device
from adapt.regularisers import Network, Regulariser


class FineTuning(Method):
    """Train on the source (or start from such a run), then only on the labelled target samples.

    Papers: Yosinski et al., How Transferable Are Features in Deep Neural Networks?, NeurIPS 2014
    (https://arxiv.org/abs/1411.1792); Howard and Ruder, Universal Language Model Fine-tuning for Text Classification,
    ACL 2018 (https://arxiv.org/abs/1801.06146); Kumar et al., Fine-Tuning Can Distort Pretrained Features and
    Underperform Out-of-Distribution, ICLR 2022 (https://arxiv.org/abs/2202.10054). The second has gradual unfreezing
    and learning rates that differ by layer. The third has LP-FT: first a linear probe, then the whole network.

    Formula: `L = CE(f(x_s), y_s)` for the first `source_fraction` of the batches, then `L = CE(f(x_l), y_l) + R` with
    the labelled target samples x_l `(min(N, shots · K), ...)` and the regulariser's term R. R compares with the network
    at the start of this second phase. With `layer_decay` δ, the backbone's k-th block before the classifier learns at
    δ^k times the learning rate, k = 1 for the last block. A parameter outside all blocks has the first block's rate.

    Frozen blocks neither learn nor update their batch-norm statistics. `backbone_lr_scale` and `layer_decay` act on
    both phases, so combine them with `init_from` if the source phase needs the full rate. LP-FT has one schedule for
    probe and tuning; the paper tunes with a separate, smaller rate.

    Args:
        tune: What the target samples train besides bottleneck and classifier: `all` of the backbone, none of it
            (`head`), its last k blocks (an integer), `gradual`: one more block, from the output towards the input,
            after each equal share of the phase, or `lp_ft`: none at first, then all.
        source_fraction: Share of the training spent on the source; 0 with `init_from`.
        probe_fraction: Share of the target phase in which `lp_ft` keeps the backbone frozen.
        layer_decay: Factor δ on the learning rate from block to block; 1 for the same rate in all.
        regulariser: Term that keeps the network close to its start, such as `L2SP` or `DELTA`; None for no term.
        **kwargs: Arguments of `Method`.

    Raises:
        AdaptError: The arguments are out of range, or training meets a batch without labelled target samples.
    """

    family: ClassVar[str] = "fine-tuning"
    target_labels: ClassVar[Literal["none", "few", "all"]] = "few"
    idle_parameters: ClassVar[bool] = True

    def __init__(
        self,
        tune: Literal["all", "head", "gradual", "lp_ft"] | int = "all",
        source_fraction: float = 0.5,
        probe_fraction: float = 0.5,
        layer_decay: float = 1.0,
        regulariser: Regulariser | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        blocks = len(self.backbone.blocks)
        if isinstance(tune, int) and not 0 < tune <= blocks:
            raise AdaptError(f"Expected tune between 1 and the backbone's {blocks} blocks, found {tune}.")
        for name, share in (("source_fraction", source_fraction), ("probe_fraction", probe_fraction)):
            if not 0 <= share < 1:
                raise AdaptError(f"Expected {name} in [0, 1), found {share}.")
        if not 0 < layer_decay <= 1:
            raise AdaptError(f"Expected layer_decay in (0, 1], found {layer_decay}.")
        self.tune, self.probe_fraction, self.layer_decay = tune, probe_fraction, layer_decay
        self.source_fraction = 0.0 if kwargs.get("init_from") else source_fraction
        self._tuned: int | None = None
        # A copy, so that two runs with the same object do not share its state.
        self.regulariser = deepcopy(regulariser)
        self._begun = False
        if self.regulariser is not None:
            refuse_problem(self.regulariser, self.problem)
            self.regulariser.attach(self.network)

    @property
    def network(self) -> Network:
        """Backbone, bottleneck and classifier."""
        return Network(self.backbone, self.bottleneck, self.classifier)

    def losses(self, batch: Pair | FewShotPair) -> dict[str, Tensor]:
        """Cross-entropy on the source, later on the labelled target samples, with the regulariser's term."""
        labelled = few_shot(self, batch)
        if self.progress < self.source_fraction:
            return {"source": self.supervised_loss(self(batch.source.x).logits, batch.source.y)}
        encoding = self(labelled.x)
        terms = {"target": self.supervised_loss(encoding.logits, labelled.y)}
        if self.regulariser is not None:
            terms["regulariser"] = self.regulariser(self.network, labelled, encoding)
        return terms

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Freeze and unfreeze for the current phase, and start the regulariser when the target phase begins."""
        tuned = self._tuned_blocks(len(self.backbone.blocks))
        if tuned != self._tuned:
            self.backbone.train_last(tuned)
            self._tuned = tuned
        if self.regulariser is not None and not self._begun and self.progress >= self.source_fraction:
            data = datamodule_of(self.trainer, type(self).__name__, "a pass over the labelled target samples")
            labelled, held_out = data.labelled_target_dataloader(), data.held_out_dataloader()
            self.regulariser.begin(self.network, *(on_device(data, part, self.device) for part in (labelled, held_out)))
            self._begun = True

    def groups_of(self, *modules: nn.Module) -> list[dict[str, Any]]:
        """Parameter groups of some modules' trainable parameters: with `layer_decay` one group per block."""
        groups = super().groups_of(*modules)
        if self.layer_decay == 1:
            return groups
        blocks = self.backbone.blocks
        before_head = {id(p): len(blocks) for p in self.backbone.parameters()}
        before_head |= {id(p): len(blocks) - k for k, block in enumerate(blocks) for p in block.parameters()}
        split: list[dict[str, Any]] = []
        for group in groups:
            by_distance: dict[int, list[nn.Parameter]] = {}
            for p in group["params"]:
                by_distance.setdefault(before_head.get(id(p), 0), []).append(p)
            for distance, params in by_distance.items():
                split.append({"params": params, "lr_scale": group["lr_scale"] * self.layer_decay**distance})
        return split

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store whether the regulariser has begun."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["adapt"]["regulariser_begun"] = self._begun

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore whether the regulariser has begun."""
        super().on_load_checkpoint(checkpoint)
        self._begun = checkpoint["adapt"].get("regulariser_begun", False)

    def _tuned_blocks(self, blocks: int) -> int:
        if self.progress < self.source_fraction or self.tune == "all":
            return blocks
        if isinstance(self.tune, int):
            return self.tune
        if self.tune == "head":
            return 0
        phase = (self.progress - self.source_fraction) / (1 - self.source_fraction)
        if self.tune == "lp_ft":
            return 0 if phase < self.probe_fraction else blocks
        return min(blocks, math.floor(phase * (blocks + 1)))
