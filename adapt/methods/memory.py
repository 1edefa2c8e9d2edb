"""What a method remembers of every target sample: features of length 1, and predictions."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from adapt.errors import AdaptError
from adapt.losses.inputs import full_precision
from adapt.methods.base import Method


class TargetMemory:
    """Features and predictions of all target training samples, and who is near whom.

    Each step puts its own samples' new values in. A checkpoint keeps the memory, for it is older than the network.
    With several processes each has the whole memory, and all put in the global batch, so that they stay alike.
    """

    def __init__(self) -> None:
        self.features: Tensor | None = None
        self.scores: Tensor | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was put in yet."""
        return self.features is None

    def fill(self, features: Tensor, scores: Tensor) -> None:
        """Begin with the whole target's features `(N, d)` and predictions `(N, K)`, in the order of their indices."""
        self.features, self.scores = normalize(full_precision(features), dim=1), full_precision(scores)

    @torch.no_grad()
    def put(self, index: Tensor, features: Tensor, scores: Tensor) -> None:
        """New values of some samples.

        Args:
            index: Their positions in the training set `(M,)`.
            features: Features `(M, d)`.
            scores: Predictions `(M, K)`.
        """
        kept, known = self.tensors(features.device)
        kept[index] = normalize(features.detach().to(kept), dim=1)
        known[index] = scores.detach().to(known)

    @torch.no_grad()
    def nearest(self, queries: Tensor, index: Tensor, k: int) -> Tensor:
        """Positions of the k samples that are nearest by cosine similarity, `(M, k)`, without the sample itself.

        Args:
            queries: Features `(M, d)`.
            index: Their positions `(M,)`.
            k: How many; the memory holds more.

        Raises:
            AdaptError: The target has not that many other samples.
        """
        kept, _ = self.tensors(queries.device)
        if not 1 <= k < len(kept):
            raise AdaptError(
                f"Expected between 1 and {len(kept) - 1} neighbours in a target of {len(kept)}, found {k}."
            )
        near = normalize(queries.detach().to(kept), dim=1) @ kept.T
        # With a value out of reach, and not by leaving out the first: a sample may have twins.
        near.scatter_(1, index[:, None], -2.0)
        return near.topk(k, dim=1).indices

    def scores_of(self, index: Tensor) -> Tensor:
        """Predictions of the samples at positions of any shape, with the classes as a further dimension."""
        _, known = self.tensors(index.device)
        return known[index]

    def features_of(self, index: Tensor) -> Tensor:
        """Features of the samples at positions of any shape, with the width as a further dimension."""
        kept, _ = self.tensors(index.device)
        return kept[index]

    def tensors(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Features and predictions on a device; a loaded checkpoint leaves them on the CPU.

        Raises:
            AdaptError: The memory is empty.
        """
        if self.features is None or self.scores is None:
            raise AdaptError("The memory of the target is empty: it is filled when training starts.")
        self.features, self.scores = self.features.to(device), self.scores.to(device)
        return self.features, self.scores

    def state(self) -> dict[str, Tensor | None]:
        """What a checkpoint keeps."""
        return {"features": self.features, "scores": self.scores}

    def load(self, state: dict[str, Any]) -> None:
        """What a checkpoint kept."""
        self.features, self.scores = state["features"], state["scores"]


class RemembersTarget(Method):
    """Base of the methods with a `TargetMemory`: it begins with a pass over the target, and checkpoints keep it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.memory = TargetMemory()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Begin with what the network makes of the target before the first step."""
        if self.memory.empty:
            features, logits, _ = self.encode_domain("target")
            self.memory.fill(features, self.remembered(logits))

    def remembered(self, logits: Tensor) -> Tensor:
        """What is kept of logits `(N, K)`: the softmax."""
        return full_precision(logits.detach()).softmax(1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the memory."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["memory"] = self.memory.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the memory."""
        super().on_load_checkpoint(checkpoint)
        self.memory.load(checkpoint["memory"])
