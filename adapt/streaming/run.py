"""One method on one stream: predict, then adapt, batch by batch; stopped anywhere, it goes on where it was."""

import copy
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from adapt.benchmark.results.streams import Batch, ShiftScore
from adapt.files import write_atomically
from adapt.losses import sample_entropy
from adapt.monitor import Warned
from adapt.streaming.base import StreamMethod
from adapt.streaming.target import Arrivals
from adapt.streaming.watch import collapse
from adapt.trees import Tree, tree_map

_SECONDS_BETWEEN_SAVES = 30.0


@dataclass(frozen=True)
class Streamed:
    """What a method made of a stream.

    Attributes:
        batches: What happened batch by batch.
        shifts: What was reached under each shift.
        prediction: Predicted class of each sample `(N,)`, in the order of the stream.
        probability: Its probability `(N,)`.
        labelled: How many samples have a label.
        right: How many of these were predicted right.
        warnings: What was seen to go wrong.
    """

    batches: tuple[Batch, ...]
    shifts: tuple[ShiftScore, ...]
    prediction: Tensor
    probability: Tensor
    labelled: int
    right: int
    warnings: tuple[Warned, ...]

    @property
    def accuracy(self) -> float | None:
        """Share of the labelled samples that was predicted right, None without labels."""
        return self.right / self.labelled if self.labelled else None


class Progress:
    """What is kept of a stream that is not over: predictions so far, in its order."""

    def __init__(self) -> None:
        self.prediction: list[Tensor] = []
        self.probability: list[Tensor] = []
        self.entropy: list[Tensor] = []

    def add(self, logits: Tensor) -> None:
        """A batch's logits `(N, K)`."""
        probability, prediction = logits.float().softmax(1).max(1)
        self.prediction.append(prediction.cpu())
        self.probability.append(probability.cpu())
        self.entropy.append(sample_entropy(logits).cpu())

    def state(self) -> dict[str, list[Tensor]]:
        """For the checkpoint."""
        return dict(vars(self))

    def load(self, state: dict[str, list[Tensor]]) -> None:
        """Take back what `state` gave."""
        for name, values in state.items():
            setattr(self, name, list(values))


def run_stream(
    method: StreamMethod,
    arrivals: Arrivals,
    seed: int,
    *,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    identity: str = "",
    seconds: float = _SECONDS_BETWEEN_SAVES,
    begin: Callable[[StreamMethod], None] | None = None,
    after_batch: Callable[[int], None] | None = None,
) -> Streamed:
    """Give a method a stream, batch by batch, and count how many predictions are right.

    Random numbers of a batch follow from the seed and the batch's number alone, so that a stream that was stopped and
    goes on gives the same predictions, to the bit.

    Args:
        method: Sees inputs and nothing else.
        arrivals: What arrives; its labels are read after the prediction, for the score.
        seed: Seed of the method's random numbers.
        device: Where the method computes.
        checkpoint: File that holds where the stream is, written now and then, removed at its end; None for none.
        identity: What the checkpoint has to be of; another one's is left unread.
        seconds: Time between checkpoints.
        begin: Called with the method before the first batch; not where a checkpoint is gone on from.
        after_batch: Called with the number of each batch that is done.

    Raises:
        DivergedError: The predictions are no numbers any more.
    """
    place = torch.device(device)
    method.to(place)
    method, progress, number = _resume(method, checkpoint, identity)
    if not number and begin is not None:
        begin(method)
    saved = time.monotonic()
    while number < len(arrivals):
        x, _ = arrivals.batch(number)
        # The method's random numbers must not depend on what ran before it.
        devices = [place] if place.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.enable_grad():
            torch.manual_seed(crc32(f"{seed} {number}".encode()))
            logits = method(_moved(x, place))
        progress.add(logits)
        number += 1
        # Between batches alone: in the midst of a step weights are neither the old nor the new.
        if checkpoint is not None and time.monotonic() - saved >= seconds:
            _save(method, progress, number, checkpoint, identity)
            saved = time.monotonic()
        if after_batch is not None:
            after_batch(number)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return _score(method, arrivals, progress)


def _moved(x: Tree, device: torch.device) -> Tree:
    return tree_map(lambda leaf: leaf.to(device), x)


def _resume(method: StreamMethod, checkpoint: Path | None, identity: str) -> tuple[StreamMethod, Progress, int]:
    """The method, what is known so far and the next batch, as the checkpoint has them, or as at the beginning."""
    if checkpoint is None or not checkpoint.is_file():
        return method, Progress(), 0
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)
        if found["identity"] != identity:
            print(f"adapt: {method.name()} begins anew: {checkpoint} is of another stream.")
            return method, Progress(), 0
        # What fails half-way must leave nothing in the method that then begins.
        resumed, progress = copy.deepcopy(method), Progress()
        resumed.load_stream_state(found["method"])
        progress.load(found["progress"])
        return resumed, progress, int(found["number"])
    # A file that was cut off, or of an older version, or what a person's own method makes of its state.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        print(f"adapt: {method.name()} begins anew: {checkpoint} cannot be read ({type(error).__name__}: {reason}).")
        return method, Progress(), 0


def _save(method: StreamMethod, progress: Progress, number: int, checkpoint: Path, identity: str) -> None:
    content: dict[str, Any] = {"identity": identity, "number": number}
    content |= {"method": method.stream_state(), "progress": progress.state()}
    held = io.BytesIO()
    torch.save(content, held)
    write_atomically(checkpoint, held.getvalue())


def _score(method: StreamMethod, arrivals: Arrivals, progress: Progress) -> Streamed:
    prediction, probability, entropy = (
        torch.cat(parts) for parts in (progress.prediction, progress.probability, progress.entropy)
    )
    labels = torch.cat([arrivals.batch(number)[1] for number in range(len(arrivals))])
    known = labels >= 0
    right = known & (prediction == labels)
    order = arrivals.order
    batches = []
    for number in range(len(arrivals)):
        rows = arrivals.rows(number)
        batches.append(
            Batch(
                samples=rows.stop,
                shift=order.shifts[int(order.shift[rows.start])].name,
                labelled=int(known[rows].sum()),
                right=int(right[rows].sum()),
                entropy=float(entropy[rows].mean()),
                confidence=float(probability[rows].mean()),
            )
        )
    shifts: dict[str, list[int]] = {}
    for k, shift in enumerate(order.shifts):
        at = order.shift == k
        # A gradual stream meets a severity twice.
        sums = shifts.setdefault(shift.name, [0, 0, 0])
        for place, values in enumerate((at, at & known, at & right)):
            sums[place] += int(values.sum())
    warned = None
    if not method.baseline:
        classes = arrivals.problem.num_outputs
        warned = collapse(prediction, arrivals.batch_size, classes, order.window, method.name(), method.updates > 0)
    return Streamed(
        tuple(batches),
        tuple(ShiftScore(name, *sums) for name, sums in shifts.items()),
        prediction,
        probability,
        int(known.sum()),
        int(right.sum()),
        () if warned is None else (warned,),
    )
