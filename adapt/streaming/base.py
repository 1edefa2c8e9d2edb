"""The contract of a test-time method: write `step(x)`, which predicts a batch and then adapts to it."""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import BatchNorm1d, _BatchNorm

from adapt.encoding import Encoding
from adapt.errors import AdaptError, DivergedError
from adapt.layers import batch_statistics
from adapt.trees import Tree, all_finite, size

_NORMALISATIONS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)
_NETWORK = ("backbone", "bottleneck", "classifier")


def unchanged(x: Tree) -> Tree:
    """The inputs themselves."""
    return x


class StreamMethod(nn.Module):
    """Base of every method that predicts a stream and changes itself by what it sees.

    A method is one class in one file: its own keyword arguments, `**kwargs` to this base, and `step`. It receives
    inputs and never a label. The network is a copy: the run that it came from stays as it was.

    Args:
        network: A trained network, with `backbone`, `bottleneck` and `classifier`, from inputs to an `Encoding`.
        prepare: What turns the stream's inputs (images as bytes) into the network's, as the run's data did.
        lr: Learning rate.
        optimizer: `adam`, as TENT's authors take for CIFAR-10-C, or `sgd` with momentum, as for ImageNet-C.
        momentum: Of SGD, and Adam's β₁.

    Raises:
        AdaptError: An argument is out of range.
    """

    title: ClassVar[str] = ""
    """What tables call it; the class's name where it is empty."""
    baseline: ClassVar[bool] = False
    """Whether it is what a table measures the others against: the network that does not change."""
    reads_source: ClassVar[bool] = False
    """Whether it looks at source inputs, without labels, before the stream begins, see `begin`."""

    def __init__(
        self,
        network: nn.Module,
        prepare: Callable[[Tree], Tree] = unchanged,
        lr: float = 1e-3,
        optimizer: Literal["adam", "sgd"] = "adam",
        momentum: float = 0.9,
    ) -> None:
        super().__init__()
        if not lr > 0 or not 0 <= momentum < 1 or optimizer not in ("adam", "sgd"):
            raise AdaptError(
                "Expected lr above 0, momentum in [0, 1) and optimizer adam or sgd, found "
                f"lr {lr}, momentum {momentum}, optimizer {optimizer!r}."
            )
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.prepare, self.lr, self.optimizer_kind, self.momentum = prepare, lr, optimizer, momentum
        self.updates = 0
        """Optimizer steps so far."""
        self._optimizer: torch.optim.Optimizer | None = None

    @classmethod
    def name(cls) -> str:
        """What tables call it."""
        return cls.title or cls.__name__

    def begin(self, source: Sequence[Tree]) -> None:
        """Look at source inputs before the stream begins; most methods need not.

        Args:
            source: Batches of inputs, as the stream's; empty where the run's source is not there.
        """

    def step(self, x: Tree) -> Tensor:
        """Logits `(N, K)` of a batch of inputs, with which the method then changes itself.

        Args:
            x: Inputs as the stream has them; `encode` prepares them.
        """
        raise AdaptError(f"{type(self).__name__} has to define step(x), which returns logits (N, K).")

    def forward(self, x: Tree) -> Tensor:
        """`step`, whose logits have to be one per sample and class, and numbers.

        Raises:
            AdaptError: They are of another shape, or the inputs are not finite.
            DivergedError: They are no numbers.
        """
        found: Any = self.step(x)  # of a person's own method, whose return nobody has checked
        count, classes = size(x), getattr(self.network, "num_outputs", None)
        fits = isinstance(found, Tensor) and found.is_floating_point() and found.ndim == 2 and len(found) == count
        if not fits or (isinstance(classes, int) and found.shape[1] != classes):
            words = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
            width = classes if isinstance(classes, int) else "K"
            raise AdaptError(
                f"Expected logits ({count}, {width}) from step(x) of {type(self).__name__}, found {words}. Return them "
                "for all samples of the batch in their order, such as self.encode(x).logits."
            )
        logits: Tensor = found.detach()
        if not torch.isfinite(logits).all():
            if not all_finite(x):
                raise AdaptError(
                    f"Expected finite inputs of {self.name()}, found NaN or infinity in a batch of {count}. Fill in "
                    "what is missing, or leave these samples out."
                )
            raise DivergedError(
                f"{self.name()} predicts what is no number after {self.updates} updates. Lower its learning rate "
                f"(--method {type(self).__name__}:lr={self.lr / 10:g})."
            )
        return logits

    def encode(
        self, x: Tree, network: nn.Module | None = None, statistics: Literal["batch", "running"] = "batch"
    ) -> Encoding:
        """Features and logits of inputs.

        Args:
            x: Inputs as the stream has them.
            network: Another copy, such as a teacher.
            statistics: What batch norm normalises with. A batch of one sample has none of its own in layers of
                vectors: there it is the running average, too.
        """
        return self.encode_prepared(self.prepare(x), network, statistics)

    def encode_prepared(
        self, x: Tree, network: nn.Module | None = None, statistics: Literal["batch", "running"] = "batch"
    ) -> Encoding:
        """As `encode`, of inputs that are the network's already."""
        network = self.network if network is None else network
        with normalising(network, statistics, size(x)):
            encoding: Encoding = network(x)
        return encoding

    def update(self, loss: Tensor) -> None:
        """One optimizer step down a loss."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.optimizer.step()
        self.updates += 1

    @property
    def trained(self) -> list[nn.Parameter]:
        """The network's parameters that change."""
        return [p for p in self.network.parameters() if p.requires_grad]

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of `trained`, made when it is first asked for."""
        if self._optimizer is None:
            if self.optimizer_kind == "adam":
                self._optimizer = torch.optim.Adam(self.trained, lr=self.lr, betas=(self.momentum, 0.999))
            else:
                self._optimizer = torch.optim.SGD(self.trained, lr=self.lr, momentum=self.momentum)
        return self._optimizer

    def train_normalisation(self, skip: Sequence[str] = ()) -> None:
        """Let scale and shift of the normalising layers change, and nothing else.

        Args:
            skip: Parts of names of layers that stay fixed.

        Raises:
            AdaptError: There are none.
        """
        found = 0
        for name, layer in network_of(self.network).named_modules():
            if isinstance(layer, _NORMALISATIONS) and not any(part in f"{name}." for part in skip):
                for parameter in layer.parameters(recurse=False):
                    parameter.requires_grad_(True)
                    found += 1
        if not found:
            raise AdaptError(
                f"{self.name()} adapts scale and shift of normalising layers, found a network without any"
                f"{' beside those that it skips' if skip else ''}. Train its run with --model.bottleneck 256, or with "
                "a backbone with batch norm such as SmallCNN."
            )

    def restart_optimizer(self) -> None:
        """Forget the optimizer's averages."""
        self._optimizer = None

    def own_state(self) -> dict[str, Any]:
        """What a stopped stream needs beside parameters, buffers and the optimizer; tensors and plain values."""
        return {}

    def load_own_state(self, state: dict[str, Any]) -> None:
        """Take back what `own_state` gave."""

    def stream_state(self) -> dict[str, Any]:
        """All that changes while a stream runs."""
        return {
            "modules": self.state_dict(),
            "optimizer": None if self._optimizer is None else self._optimizer.state_dict(),
            "updates": self.updates,
            "own": self.own_state(),
        }

    def load_stream_state(self, state: dict[str, Any]) -> None:
        """Go on where `stream_state` was taken."""
        self.load_state_dict(state["modules"])
        self.updates = int(state["updates"])
        if state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self.load_own_state(state["own"])


def network_of(network: nn.Module) -> nn.ModuleDict:
    """The parts of a run's network that predict."""
    parts = {name: getattr(network, name) for name in _NETWORK if isinstance(getattr(network, name, None), nn.Module)}
    return nn.ModuleDict(parts or {"network": network})


def batch_norm_layers(network: nn.Module) -> list[_BatchNorm]:
    """Its batch norms, from input to output."""
    return [layer for layer in network_of(network).modules() if isinstance(layer, _BatchNorm)]


@contextmanager
def normalising(network: nn.Module, statistics: str, samples: int) -> Iterator[None]:
    """Let a network's batch norms use the batch's statistics, if asked to and as far as a batch has any."""
    layers = batch_norm_layers(network) if statistics == "batch" else []
    with batch_statistics([layer for layer in layers if samples > 1 or not isinstance(layer, BatchNorm1d)]):
        yield


def moving(before: Tensor | None, now: Tensor, momentum: float) -> Tensor:
    """Moving average `momentum · before + (1 − momentum) · now`; the first value where there is none before."""
    return now if before is None else momentum * before + (1 - momentum) * now


@torch.no_grad()
def average_weights(into: nn.Module, other: nn.Module, momentum: float, trained: bool = False) -> None:
    """Move a network's parameters towards another's: `momentum · into + (1 − momentum) · other`.

    Args:
        into: What changes.
        other: A network of the same shape.
        momentum: Share that stays.
        trained: Only parameters of `into` that train.
    """
    for own, its in zip(into.parameters(), other.parameters(), strict=True):
        if own.requires_grad or not trained:
            own.mul_(momentum).add_(its, alpha=1 - momentum)


def entropy_margin(share: float, classes: int, name: str) -> float:
    """E₀ of a method, as a share of the largest entropy.

    Raises:
        AdaptError: It is not in (0, 1].
    """
    if not 0 < share <= 1:
        raise AdaptError(f"{name} expects a margin above 0 and at most 1, a share of log K, found {share}.")
    return share * math.log(classes)
